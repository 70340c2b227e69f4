#!/bin/bash
# Translations shared by processes: fork and exec do not translate again; and what breaks the sharing (shared_code.py).
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
here=$BELLJAR_SOURCE/tests/engine
box() {
    local command=$1
    shift
    "$command" --image "$BELLJAR_IMAGE" --cwd /tmp --put "$here/shared_code.py:/tmp/shared_code.py" "$@" </dev/null
}
blocks() { # after N starts of the program, one after the other
    box "$BELLJAR" --code-cache none --trace jit -- bash -c "for ((i = 0; i < $1; i++)); do $2; done" 2>&1 | sed -n 's/^jit: \([0-9]*\) blocks .*/\1/p'
}

for program in /bin/true 'python3 -I -S -c pass'; do
    # Code that runs once in a process is hot in the second or third one.
    few=$(blocks 3 "$program") many=$(blocks 30 "$program")
    [ "${few:-0}" -gt 100 ] || bad "$program: $few blocks"
    [ $((many * 10)) -lt $((few * 13)) ] || bad "$program: $few blocks, $many when it runs ten times as often"
done

# Printed natively.
want="child 41 parent itself
child 42 again itself parent itself
writer 43 its child 43
parent itself
7 -11 7 -11 itself itself
7 -11 7 -11 itself itself
7 -11 7 -11 itself itself
parent 5
child itself 5
parent itself child itself
itself
itself
itself
('libbz2.so.1.0', \"b'1'\") ('liblzma.so.5', \"b'5'\") ('libm.so.6', '3')"
library=/usr/lib/x86_64-linux-gnu/libz.so.1
# forgetful: what was of use to code that comes back must not outlive the flush of all blocks.
for command in "$BELLJAR" "$BELLJAR_BUILD"/tests/engine/engine-{eager,forgetful}; do
    got=$(box "$command" --verify-code -- python3 shared_code.py $library 2>&1)
    [ "$got" = "$want" ] || bad "$command: printed" "$got"
done
exit $failed
