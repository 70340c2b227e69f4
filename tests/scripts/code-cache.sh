#!/bin/bash
# The code cache from end to end: later runs translate next to nothing; whatever happens to its file, or to what it was made from, programs run
# as they do without. The file alone: tests/store, code-cache-file.sh.
set -u
[ -e "$BELLJAR_IMAGE" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
bad() {
    printf 'FAILED: %s\n' "$*"
    failed=1
}
is() { [ "$2" = "$3" ] || bad "$1: got '$2', wanted '$3'"; }
dir=$work/cache
box() { "$BELLJAR" --code-cache "$dir" "$@"; }
none() { "$BELLJAR" --code-cache none "$@"; }
settle() { "$BELLJAR" cache wait --code-cache "$dir"; }
blocks() { sed -n 's/^jit: \([0-9]*\) blocks .*/\1/p' "$1"; }
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
end = time.monotonic() + 0.3
while time.monotonic() < end: sorted(range(1000))
print(n[0] > 10)'
crash='import ctypes; ctypes.string_at(16)'
for run in 1 2 3; do
    is "signals, run $run" "$(box -- python3 -c "$signals")" True
    box -- python3 -c "$crash" >/dev/null 2>&1
    is "a crash, run $run" $? 139
    settle
done
# shellcheck disable=SC2016
is 'processes' "$(box -- sh -c 'for i in 1 2 3 4 5; do (echo $((i * i))) | cat; done' | tr '\n' ' ')" '1 4 9 16 25 '
is 'threads' "$(box -- python3 -c 'import threading as t
l = [t.Thread(target=sum, args=(range(100000),)) for i in range(8)]
[x.start() for x in l]; [x.join() for x in l]; print(len(l))')" 8

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

# Killed while it fills, and many at once.
rm -rf "$dir"
for i in $(seq 1 8); do
    box -- python3 -c "$program" >/dev/null
    pkill -9 -n -f "^$BELLJAR --code-cache $dir" && : killed the background process, if it was there
done
settle
for i in 1 2 3 4; do
    box -- python3 -c "$program" >"$work/out.$i" &
done
wait
settle
for i in 1 2 3 4; do is "at once, $i" "$(cat "$work/out.$i")" "$wanted"; done

# Where nothing can be written, and where nobody asked.
mkdir -m 500 "$work/closed"
is 'a directory that cannot be written' "$(box --code-cache "$work/closed/x" -- python3 -c "$program" 2>/dev/null)" "$wanted"
box --code-cache "$work/unused" --engine interp -- /bin/true
[ ! -e "$work/unused" ] || bad 'the interpreter made a cache'
exit $failed
