#!/bin/bash
# A guest that has broken out of the box (escaped.c) and holds the worker: each attempt at the host ends in one line and
# status 125, the broker believes nothing that it must not say, keeps --timeout and the size of files, and gives the
# terminal back.
# ctest: LABELS no-asan
# (the sanitizers' builds have no filter)
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
escaped=$BELLJAR_BUILD/tests/jail/jail-escaped
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# expect STATUS REGEX OPTION... PROGRAM: standard error is one line of belljar's, no control characters in it.
expect() {
    local want=$1 regex=$2 status
    shift 2
    timeout 20 "$escaped" --image "$BELLJAR_IMAGE" "$@" <"$work/in" >"$work/out" 2>"$work/err"
    status=$?
    if [ "$status" != "$want" ] || [ "$(wc -l <"$work/err")" != 1 ] || ! grep -Eq "^belljar: .*($regex)" "$work/err" ||
        LC_ALL=C grep -q $'[\001-\037\177]' "$work/err"; then
        bad "$*: status $status, wanted $want and a line like: $regex"
        head -c 1000 "$work/err" | cat -v
    fi
}
: >"$work/in"

# The host, from inside. escape.c makes every attempt; here those that the command's worker must die of as well.
for attempt in open create stat socket connect fork clone3 execve kill kill_all ptrace read_memory write_elsewhere truncate \
    map_code make_code type_for_the_user prctl; do
    expect 125 'system call that the jail does not allow' "$attempt"
done
[ ! -e /tmp/belljar-escaped ] || bad 'an attempt made a file'

# The broker.
expect 125 'killed by signal 4 ' crash
expect 125 'ended before the program did' leave
for abuse in garbage empty; do expect 125 'killed by signal 9|ended' $abuse; done
for abuse in unknown get put bad-end bad-code; do expect 125 'must not say' $abuse; done
expect 125 'must not say' --get "/x:$work/x" got
expect 125 'owned.*second line' text
expect 124 'time limit' --timeout 300ms hang
expect 125 'cannot write .*large' --get "/x:$work/flood" --memory 64M flood
[ "$(stat -c %s "$work/flood")" -le $(((64 << 20) + $(stat -c %s "$BELLJAR_IMAGE"))) ] || bad 'the file grew beyond its limit'
BELLJAR_SECRET=secret timeout 20 "$escaped" --image "$BELLJAR_IMAGE" environment </dev/null || bad 'the environment is still there'
script -qec "stty -a >'$work/before'; '$escaped' --image '$BELLJAR_IMAGE' raw; echo status \$?; stty -a >'$work/after'" /dev/null </dev/null >"$work/out"
grep -q 'status 125' "$work/out" || bad "raw: $(cat "$work/out")"
cmp "$work/before" "$work/after" || bad 'the terminal has other modes than before'
exit $failed
