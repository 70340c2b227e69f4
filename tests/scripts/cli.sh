#!/bin/bash
# The command as its help and man page describe it: options documented in both, put and get, environment, user, directory, exit statuses, report, signals.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
box() { "$BELLJAR" --image "$BELLJAR_IMAGE" "$@"; }

# Every option of the help is in the man page, and no other.
help=$("$BELLJAR" --help | grep -oE '^  --[a-z-]+' | sort)
man=$(sed 's/\\-/-/g' "$BELLJAR_SOURCE/cli/belljar.1" | grep -A1 '^\.TP' | grep -oE -- '--[a-z-]+' | sed 's/^/  /' | sort -u)
is 'options of the man page' "$man" "$help"
is version "$("$BELLJAR" --version | cut -d' ' -f1)" belljar
"$BELLJAR" syscalls | grep -Eq '^ *0 read +(FULL|PARTIAL)' || bad 'belljar syscalls lists no read'
"$BELLJAR" insns | grep -q ADD_EvGv || bad 'belljar insns lists no ADD_EvGv'
"$BELLJAR" image info "$BELLJAR_IMAGE" | grep -q 'can mount it' || bad 'image info'

# Files in and out, with their bytes and execute permission.
head -c 300000 /dev/urandom >"$work/in"
printf '#!/bin/bash\necho script "$@"\n' >"$work/script" && chmod 755 "$work/script"
box --put "$work/in:/new/dir/in" --get /tmp/out:"$work/out" -- cp /new/dir/in /tmp/out || bad 'put and get'
cmp "$work/in" "$work/out" || bad 'put and get changed the bytes'
is 'a script put in' "$(box --put "$work/script:/tmp/s" -- /tmp/s a 'b c')" 'script a b c'

# Standard input: as much at once as natively, and what has no place is not taken.
is 'dd from a file' "$(box -- dd of=/dev/null bs=100000 <"$work/in" 2>&1 | grep records)" "$(dd of=/dev/null bs=100000 <"$work/in" 2>&1 | grep records)"
is 'from a pipe' "$(cat "$work/in" | box -- md5sum)" "$(md5sum <"$work/in" | sed 's/ .*/  -/')"
is 'a read that fails' "$(echo hello | box -- python3 -c 'import ctypes, os; print(ctypes.CDLL(None).read(0, 4096, 10), os.read(0, 10))')" "-1 b'hello\n'"
is 'into two pieces' "$(box --put "$work/in:/tmp/in" -- python3 -c 'import os; a, b = bytearray(70000), bytearray(50001); print(os.readv(0, [a, b]), a + b == open("/tmp/in", "rb").read(120001))' <"$work/in")" '120001 True'
# Environment, user, directory, host name.
is --env "$(box --env A=1 --env A=2 --env 'B=x y' -- bash -c 'echo "$A|$B|$HOME"')" '2|x y|/root'
is --user "$(box --user 1000:100 -- id -u -r)$(box --user 1000:100 -- id -g)" 1000100
box --user 1000 -- touch /etc/new 2>/dev/null && bad 'an ordinary user may write /etc'
is --cwd "$(box --cwd /usr/lib -- pwd)" /usr/lib
is --hostname "$(box --hostname elsewhere -- uname -n)" elsewhere
is 'the default machine' "$(box -- uname -srnm)" 'Linux belljar 6.1.0-belljar x86_64'

# Exit statuses.
for status in 0 1 3 255; do
    box -- bash -c "exit $status"
    is "exit $status" $? $status
done
box -- bash -c 'kill -TERM $$'
is 'killed by SIGTERM' $? 143

# Limits.
box --memory 64M -- python3 -c 'bytearray(200 << 20)' 2>"$work/err" && bad '--memory did not limit'
grep -q MemoryError "$work/err" || bad '--memory is no MemoryError'
box --tmp-size 1M -- dd if=/dev/zero of=/tmp/x bs=64k count=100 2>"$work/err" && bad '--tmp-size did not limit'
grep -q 'No space left' "$work/err" || bad '--tmp-size is no ENOSPC'
is --files "$(box --files 16 -- bash -c 'ulimit -n')" 16
box --pids 4 -- bash -c 'for i in 1 2 3 4 5 6; do sleep 1 & done; wait' >/dev/null 2>"$work/err"
grep -q 'Resource temporarily unavailable' "$work/err" || bad '--pids is no EAGAIN'

# The report.
box --report "$work/report" -- bash -c 'exit 7'
grep -Eq '"end": "exited", "code": 7, .*"instructions": (null|[1-9])' "$work/report" || bad "report: $(cat "$work/report")"
box --engine interp --report "$work/report" -- bash -c 'exit 7'
grep -Eq '"end": "exited", "code": 7, .*"instructions": [1-9]' "$work/report" || bad "report: $(cat "$work/report")"

# Two deterministic runs are the same bytes and the same count of instructions.
for i in 1 2; do
    box --deterministic 5 --report "$work/d$i" -- python3 -c 'import time, os, random; print(time.time(), os.urandom(8), random.random(), id(object()), hash("x"))' >"$work/o$i"
done
cmp "$work/o1" "$work/o2" || bad 'deterministic runs differ'
is 'instructions of deterministic runs' "$(grep -o '"instructions": [0-9]*' "$work/d1")" "$(grep -o '"instructions": [0-9]*' "$work/d2")"

# Signals reach the program; its handler decides.
"$BELLJAR" --image "$BELLJAR_IMAGE" -- bash -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.05; done' >"$work/out" &
pid=$!
for _ in $(seq 100); do
    if grep -q ready "$work/out"; then break; fi
    sleep 0.1
done
kill -TERM "$pid"
wait "$pid"
is 'SIGTERM handled inside' "$?$(tail -n 1 "$work/out")" '9got it'
"$BELLJAR" --image "$BELLJAR_IMAGE" -- sleep 100 &
pid=$!
sleep 0.5
kill -INT "$pid"
kill -TERM "$pid"
wait "$pid"
status=$?
[ $status = 130 ] || [ $status = 143 ] || bad "SIGINT and SIGTERM ended sleep with status $status"

# Traces name the call, its arguments and its result.
box --trace syscalls --trace-file "$work/trace" -- cat /no/such/file 2>/dev/null
grep -Eq 'openat\(AT_FDCWD, "/no/such/file", O_RDONLY.*\) += -1 ENOENT' "$work/trace" || bad "trace: $(grep no/such "$work/trace")"

# Where a start's time goes: one line a phase, from both processes, with times that go on; and what the code cache was good for.
box --trace startup --trace-file "$work/trace" -- true
grep -q '^startup: code cache: ' "$work/trace" || bad 'trace startup: no code cache'
sed -i '/^startup: code cache: /d' "$work/trace"
for phase in 'command loaded' 'jail closed' 'image opened' 'box made' 'program mapped' 'first instruction' 'program ended' 'worker ended'; do
    grep -Eq "^startup: +[0-9]+\.[0-9]{3} ms +[0-9]+\.[0-9]{3} ms of CPU  $phase" "$work/trace" || bad "trace startup: no '$phase'"
done
grep -v 'worker forked' "$work/trace" | awk '{ if ($2 < last) exit 1; last = $2 }' || bad "trace startup: $(cat "$work/trace")"
tail -n 1 "$work/trace" | grep -q 'worker ended' || bad 'trace startup does not end with the worker'

# A reader that goes away ends the writer by SIGPIPE.
box -- bash -c 'yes' | head -n 1 >/dev/null
is 'a broken pipe' "${PIPESTATUS[0]}" 141
exit $failed
