#!/bin/bash
# The list of system calls in docs/security.md is host/jail.def's, and what the worker does under strace is that list: no
# row is there without use.
# ctest: LABELS no-asan no-portable
# (the sanitizers' builds have no filter; a portable one translates nothing, and leaves the rows of that unused)
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

if ! diff <("$BELLJAR_SOURCE/docs/make-security" --print) <(sed -n '/^| call |/,/^$/{/^|/p}' "$BELLJAR_SOURCE/docs/security.md"); then
    echo 'FAILED: docs/security.md is not what docs/make-security writes'
    failed=1
fi

if ! strace -o /dev/null true 2>/dev/null; then
    echo 'no strace here, or it may not trace: the calls in use were not looked at'
    exit $((failed ? failed : 77))
fi

# Not seen here, with the reason.
cat >seldom <<'END'
lseek           only an image that is a block device needs it
exit_group      the broker ends the worker first
END

cat >program.py <<'END'
import ctypes, os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000))
kept = [os.open("/dev/null", os.O_RDONLY) for i in range(20000)]
memory = bytearray(20 << 20)
del memory
os.close(kept.pop())
ctypes.string_at(8)
END
trace() { strace -f -o "$1" "${@:2}" >/dev/null 2>&1; }
box=("$BELLJAR" --image "$BELLJAR_IMAGE")
trace fault "${box[@]}" --files 100000 --put program.py:/tmp/program.py --get /etc/passwd:got --trace faults -- python3 /tmp/program.py
# A host without WRGSBASE (tests/engine).
trace fallback "$BELLJAR_BUILD/tests/engine/engine-no_fsgsbase" --image "$BELLJAR_IMAGE" -- true
# One that gives a process no timer of its own (timer_create(2)).
(ulimit -i 0 && trace no-timer "${box[@]}" -- true)
trace signal "${box[@]}" -- bash -c 'trap "exit 0" TERM; echo ready >/dev/stderr; while :; do sleep 0.1; done' &
for _ in $(seq 200); do
    sleep 0.1
    # The broker, not strace, is the one to be told.
    broker=$(awk '/seccomp\(SECCOMP_SET_MODE_FILTER.* = 0$/ {found = 1} NR == 1 {first = $1} found && /"ready/ {print first; exit}' signal 2>/dev/null)
    [ -z "$broker" ] || break
done
[ -z "$broker" ] || kill -TERM "$broker"
wait
script -qec "strace -f -o terminal ${box[*]@Q} -- bash -c 'stty size'" /dev/null </dev/null >/dev/null

# Where a limit on pending signals leaves none, these are not got to.
if grep -q 'timer_create(.* = -1 ' fault; then
    printf '%s   no timer here\n' timer_settime timer_delete >>seldom
fi

# What the worker called once the filter was there; of ioctl, with its arguments.
awk 'inside[$1] && match($0, /[a-z_0-9]+\(/) {
        print substr($0, RSTART, RLENGTH - 1)
        if (match($0, /ioctl\([^{]*/)) print substr($0, RSTART, RLENGTH)
    }
    /seccomp\(SECCOMP_SET_MODE_FILTER.* = 0$/ { inside[$1] = 1 }' fault fallback no-timer signal terminal | sort -u >used
while read -r request; do
    grep -q "^ioctl(.*$request" used || {
        echo "FAILED: ioctl $request is allowed and not used"
        failed=1
    }
done < <(sed -nE 's/^JAIL\(ioctl,.* IS\(1, ([A-Z]+)\)\)$/\1/p' "$BELLJAR_SOURCE/host/jail.def")
while read -r call; do
    grep -Eq "^$call( |$)" seldom used || {
        echo "FAILED: $call is allowed and not used"
        failed=1
    }
done < <(sed -nE 's/^JAIL\(([a-z0-9_]+),.*/\1/p' "$BELLJAR_SOURCE/host/jail.def" | sort -u)
exit $failed
