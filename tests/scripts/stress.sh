#!/bin/bash
# Many of everything, in a box with the limits for it; a fork bomb and a memory hog inside their limits. Nothing hangs,
# and no process is left. (Nothing leaks: sys-stress does a hundredth of it under LeakSanitizer.)
# ctest: LABELS slow
# ctest: TIMEOUT 600
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
box() { "$BELLJAR" --image "$BELLJAR_IMAGE" --report "$work/report" "$@"; }
left() { sed -n 's/.*"live_processes": \([0-9]*\).*/\1/p' "$work/report"; }

program=$BELLJAR_BUILD/tests/guest/sys-stress
box --files 12000 --pids 1100 --memory 2G --put "$program:/tmp/stress" -- /tmp/stress 1 || bad "stress: status $?"
[ "$(left)" = 0 ] || bad "stress: $(left) processes left"

# The bomb fills its 64 places and the time limit ends it.
box --pids 64 --timeout 3s -- python3 -c '
import os
while True:
    try:
        os.fork()
    except OSError:
        pass' 2>/dev/null
status=$?
[ "$status" = 124 ] || bad "fork bomb: status $status"
[ "$(left)" -le 64 ] || bad "fork bomb: $(left) processes"

# Beyond --memory Python's allocations fail; the box and its other processes go on.
out=$(box --memory 64M -- bash -c 'python3 -c "b = [bytearray(1 << 20) for _ in range(1000)]" 2>/dev/null; echo "hog $?"; echo alive')
case $out in
$'hog 1\nalive' | $'hog 137\nalive') ;;
*) bad "memory hog: $out" ;;
esac
exit "$failed"
