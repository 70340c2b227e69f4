#!/bin/bash
# The code cache from end to end: later runs translate next to nothing; whatever happens to its file, or to what it was made from, programs run
# as they do without. The file alone: tests/store, code-cache-file.sh.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
[ -e "$BELLJAR_IMAGE" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=$work/cache
box() { "$BELLJAR" --code-cache "$dir" "$@"; }
none() { "$BELLJAR" --code-cache none "$@"; }
settle() { "$BELLJAR" cache wait --code-cache "$dir"; }
blocks() { sed -n 's/^jit: \([0-9]*\) blocks .*/\1/p' "$1"; }
writers() { find /proc/[0-9]*/fd -maxdepth 1 -lname "$(realpath "$dir")/busy" 2>/dev/null | cut -d/ -f3 | sort -u; } # who has it open
shards() { "$BELLJAR" cache info --code-cache "$dir" | sed -n 's/.* \([0-9]*\) shards.*/\1/p' | tail -1; }
program='import re, json
print(json.dumps({"a": [re.sub("b", "c", "abc" * i) for i in range(3)]}))'
wanted=$(none -- python3 -c "$program")

if ! none --trace jit -- /bin/true 2>&1 | grep -q 'blocks of'; then
    echo 'nothing is translated here'
    exit 77
fi

# It fills, and then it serves.
for run in 1 2 3 4; do
    is "run $run" "$(box --trace jit --trace-file "$work/trace.$run" -- python3 -c "$program")" "$wanted"
    settle
done
first=$(blocks "$work/trace.1") last=$(blocks "$work/trace.4")
[ "$((last * 20))" -lt "$first" ] || bad "the first run translated $first blocks, the fourth $last"
[ "$(shards)" -ge 3 ] || bad "only $(shards) shards"

# And then it rests: a run of what is there leaves nobody at work.
for run in 5 6 7 8; do
    box --trace jit --trace-file "$work/trace" -- python3 -c "$program" >/dev/null
    settle
    grep -q 'is to be added' "$work/trace" || break
done
grep -q 'is to be added' "$work/trace" && bad 'each run adds something'
grep -q 'is to be added' "$work/trace.1" || bad 'the first run adds nothing'

# Nothing of it shows inside.
box -- cat /proc/self/maps >"$work/maps.1"
none -- cat /proc/self/maps >"$work/maps.2"
cmp "$work/maps.1" "$work/maps.2" || bad 'memory maps differ'

# Faults and signals in cached code are the guest's.
signals='import signal, time
n = [0]
def on(sig, frame): n[0] += 1
signal.signal(signal.SIGALRM, on)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
start = time.monotonic()
while time.monotonic() - start < (0.3 if n[0] > 10 else 30): sorted(range(1000)) # 30: others have the processor, too
print(n[0] > 10)'
# String instructions of cached code that a tick leaves half done.
copies='import signal, hashlib
signal.signal(signal.SIGALRM, lambda sig, frame: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
a = bytearray(range(256)) * 65536
for i in range(8): a = bytearray(a)
print(hashlib.sha256(a).hexdigest())'
copied=$(none -- python3 -c "$copies")
crash='import ctypes; ctypes.string_at(16)'
for run in 1 2 3; do
    is "signals, run $run" "$(box -- python3 -c "$signals")" True
    is "copies, run $run" "$(box -- python3 -c "$copies")" "$copied"
    box -- python3 -c "$crash" >/dev/null 2>&1
    is "a crash, run $run" $? 139
    settle
done
# shellcheck disable=SC2016
is 'processes' "$(box -- sh -c 'for i in 1 2 3 4 5; do (echo $((i * i))) | cat; done' | tr '\n' ' ')" '1 4 9 16 25 '
is 'threads' "$(box -- python3 -c 'import threading as t
l = [t.Thread(target=sum, args=(range(100000),)) for i in range(8)]
[x.start() for x in l]; [x.join() for x in l]; print(len(l))')" 8

# When the translator's own memory is full everything in it goes, but what is kept, in each process.
cat >"$work/fill.py" <<'END'
import ctypes, json, mmap, os, re
code = b'\x48\x8d\x05\x02\x00\x00\x00\xff\xe0' * 600000 + b'\xc3'  # lea rax, [rip+2]; jmp rax
m = mmap.mmap(-1, len(code), prot=7)
m.write(code)
f = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))
for i in range(3):
    f()
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, json.dumps(re.sub('b', 'c', 'abc' * i)).encode())
        os._exit(0)
    print(os.read(r, 100).decode(), os.wait()[1], end=' ')
END
is 'emptied' "$(box --trace jit --trace-file "$work/trace" --put "$work/fill.py:/fill.py" -- python3 /fill.py)" '"" 0 "acc" 0 "accacc" 0 '
grep -q 'emptied [1-9]' "$work/trace" || bad 'nothing was emptied'
grep -q '[1-9] shards used, entered [0-9][0-9][0-9]' "$work/trace" || bad "of the cache nothing was used: $(tail -1 "$work/trace")"

# What breaks the sharing of translations breaks that of these, too (tests/engine/shared.sh).
library=/usr/lib/x86_64-linux-gnu/libz.so.1
sharing() { "$@" --cwd /tmp --put "$BELLJAR_SOURCE/tests/engine/shared_code.py:/tmp/shared_code.py" -- python3 shared_code.py $library 2>&1; }
shared=$(sharing none)
for run in 1 2 3; do
    is "shared code, run $run" "$(sharing box)" "$shared"
    settle
done

# Code that a box has changed is its own from then on.
# shellcheck disable=SC2016
changes='/bin/true && echo true; cat /bin/false >/bin/true; /bin/true || echo changed; /bin/false || echo false'
for run in 1 2 3; do
    is "a changed program, run $run" "$(box -- sh -c "$changes" | tr '\n' ' ')" 'true changed false '
    settle
done

# Counted exactly, with and without.
count() {
    "$@" --deterministic=5 --report "$work/report" -- python3 -c "$program" >"$work/out"
    is 'deterministic' "$(cat "$work/out")" "$wanted"
    grep -o '"instructions": [0-9]*' "$work/report"
}
counted=$(count none)
for run in 1 2 3; do
    is "instructions, run $run" "$(count box)" "$counted"
    settle
done

# What has been used is known, also where nothing new has run.
rm "$dir"/used-*
box -- python3 -c "$program" >/dev/null
"$BELLJAR" cache info -v --code-cache "$dir" | grep -q "used $(date +%Y)" || bad 'it is not known that shards were used'

# Whoever waits for our output, or for a lock of theirs that we were given, does not wait for the background process.
(
    exec 9>"$work/theirs"
    flock 9
    box --code-cache "$work/background" -- python3 -c 'import json, re, decimal, asyncio, unittest, email; print(1)' | cat >"$work/out"
)
flock -n "$work/theirs" true || bad 'a lock that is not ours is kept'
[ -e "$work/background/busy" ] && flock -n "$work/background/busy" true && echo 'it had ended before: locks and pipes are not tested'
is 'a pipe' "$(cat "$work/out")" 1
"$BELLJAR" cache wait --code-cache "$work/background"

# Another name for the same image, and one that has just been changed.
cp --sparse=always "$BELLJAR_IMAGE" "$work/copy.ext2"
is 'a copy, new' "$(box --image "$work/copy.ext2" -- python3 -c "$program")" "$wanted"
sleep 2.1
for run in 1 2; do
    is "a copy, run $run" "$(box --image "$work/copy.ext2" --trace jit --trace-file "$work/trace" -- python3 -c "$program")" "$wanted"
    settle
done
box --image "$work/copy.ext2" --trace jit --trace-file "$work/trace" -- python3 -c "$program" >/dev/null
[ "$(($(blocks "$work/trace") * 20))" -lt "$first" ] || bad "the copy's third run translated $(blocks "$work/trace") blocks"

# Damage: each change makes a miss. Places are spread over the file, so that they hit each kind of section.
for file in "$dir"/code-*; do
    cp --sparse=always "$file" "$work/kept"
    size=$(stat -c %s "$file")
    for i in $(seq 1 12); do
        at=$((size * i / 13 / 4096 * 4096 + i * 321 % 4096))
        printf '\xa5\x5a\x0f\x05' | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
        is "damage at $at" "$(box -- python3 -c "$program" 2>&1)" "$wanted"
        settle
        cp --sparse=always "$work/kept" "$file"
    done
    truncate -s $((size / 2)) "$file"
    is 'cut off' "$(box -- python3 -c "$program" 2>&1)" "$wanted"
    settle
done

# Code that lies about why it is left, its sums put right: the box ends, with one line, and not by a signal.
cp -r --sparse=always "$dir" "$work/truth"
for lie in slot other own faulted behind; do
    for file in "$dir"/code-*; do "$BELLJAR_BUILD/tests/store/store-spoil" "$file" "$lie" >/dev/null || bad "there is nothing to spoil in $file"; done
    is "code that lies: $lie" "$(box -- python3 -c "$program" 2>&1; echo $?)" \
        $'belljar: translated code left in a way in which it never does: belljar cache clear removes what is kept of it\n125'
    settle
    rm -rf "$dir" && cp -r --sparse=always "$work/truth" "$dir"
done

# Killed while it fills, and many at once.
rm -rf "$dir"
for i in $(seq 1 8); do
    box -- python3 -c "$program" >/dev/null
    writers | xargs -r kill -9
done
settle 2>/dev/null # it says what has come of the last one
rm -f "$dir"/tried-*
for i in 1 2 3 4; do
    box -- python3 -c "$program" >"$work/out.$i" &
done
wait
settle
for i in 1 2 3 4; do is "at once, $i" "$(cat "$work/out.$i")" "$wanted"; done

# Where nothing can be written, and where nobody asked.
mkdir -m 500 "$work/closed"
chmod 700 "$work/closed" && mkdir -m 500 "$work/closed/cache"
is 'a directory that cannot be written' "$(box --code-cache "$work/closed/cache" -- python3 -c "$program" 2>&1)" "$wanted"
is 'a directory that cannot be' "$(box --code-cache /nonexistent/cache -- true 2>&1; echo $?)" \
    $'belljar: --code-cache: cannot make /nonexistent/cache: No such file or directory\n125'
is 'a home that is not there' "$(env -u XDG_CACHE_HOME HOME=/nonexistent "$BELLJAR" -- echo 1 2>&1)" 1
if [ "$(id -u)" = 0 ]; then
    mkdir "$work/home" && chown 12345 "$work/home"
    env -u XDG_CACHE_HOME HOME="$work/home" "$BELLJAR" -- true
    is 'what root leaves in the home of another' "$(ls -A "$work/home")" ''
fi
box --code-cache "$work/unused" --engine interp -- /bin/true
[ ! -e "$work/unused" ] || bad 'the interpreter made a cache'
exit $failed
