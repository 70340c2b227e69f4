#!/bin/bash
# --delta: what a box writes is there in the next one: every kind of change, twice over, and again with little memory.
# Refused: another image, another box at the same time, a file that is none.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
delta=$work/box.delta
box() { timeout 60 "$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$delta" "$@"; }
guest() { # STEP [OPTION...]: what it shows of the tree
    local step=$1
    shift
    box --put "$BELLJAR_SOURCE/tests/scripts/delta_guest.py:/tmp/guest.py" "$@" python3 /tmp/guest.py "$step" 2>&1
}
same() { # WHAT FILE FILE
    cmp -s "$2" "$3" || bad "$1: $(diff "$2" "$3" | head -6)"
}

for step in first second names; do
    guest "$step" >"$work/wrote" || bad "step $step: $(tail -3 "$work/wrote")"
    guest show >"$work/read"
    same "after step $step" "$work/wrote" "$work/read"
    guest show --deterministic 1 --engine interp >"$work/again"
    same "after step $step, deterministic" "$work/read" "$work/again"
done

# More than the box may hold in memory.
# shellcheck disable=SC2016 # for the shell in the box
box --memory 48M sh -c 'for i in 1 2 3; do dd if=/dev/zero bs=1M count=40 2>/dev/null | tr "\0" $i >/big$i; done' || bad "more than --memory"
is "more than --memory" "$(box --memory 48M sh -c 'cat /big1 /big2 /big3' | sha256sum)" \
    "$(for i in 1 2 3; do head -c 40M /dev/zero | tr '\0' $i; done | sha256sum)"

# What --report counts.
counted() { # FIELD: of the last report
    sed -n 's/.*"delta": {.*"'"$1"'": \([0-9]*\).*/\1/p' "$work/report"
}
box --report "$work/report" sh -c 'head -c 3000000 /dev/urandom >/counted; sync; sync; echo x >>/counted'
(($(counted written) > 3000000 && $(counted written) < 4000000)) || bad "written: $(cat "$work/report")"
(($(counted saves) >= 2 && $(counted saves) <= 4)) || bad "saves: $(cat "$work/report")"
is "size" "$(counted size)" "$(stat -c %s "$delta")"
(($(counted used) > 3000000 && $(counted used) <= $(counted size))) || bad "used: $(cat "$work/report")"
box --report "$work/report" sh -c 'cat /counted >/dev/null'
(($(counted read) > 3000000 && $(counted read) < 4000000)) || bad "read: $(cat "$work/report")"
(($(counted written) < 100000)) || bad "written by one that reads: $(cat "$work/report")"
box --report "$work/report" rm /counted
python3 -m json.tool "$work/report" >/dev/null || bad "the report: $(cat "$work/report")"
"$BELLJAR" --image "$BELLJAR_IMAGE" --report "$work/report" true
lacks "without --delta" "$(cat "$work/report")" '"delta"'

# A bit of a file's content that is another one: an error inside, a line outside, and no image is made of it.
damaged=$work/damaged.delta
on_damaged() { "$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$damaged" "$@"; }
on_damaged python3 -c 'open("/marked", "w").write("marked " * 10000)
open("/other", "w").write("good")'
flip='import sys
f = open(sys.argv[1], "r+b")
bytes = bytearray(f.read())
bytes[bytes.index(b"marked marked marked") + 9] ^= 1
f.seek(0)
f.write(bytes)'
python3 -c "$flip" "$damaged"
out=$(on_damaged cat /marked 2>&1 >/dev/null)
is "a flipped bit" "$out" "cat: /marked: Input/output error
belljar: $damaged: the delta is damaged: the content of a page is not what was written"
is "beside it" "$(on_damaged cat /other)" good
for command in "commit $BELLJAR_IMAGE $damaged -o $work/new" "export --delta $damaged $BELLJAR_IMAGE /marked -o $work/new"; do
    # shellcheck disable=SC2086 # words
    out=$("$BELLJAR" image $command 2>&1)
    is "a flipped bit, image $command: status" $? 125
    has "a flipped bit, image $command" "$out" "the content of a page is not what was written"
    is "a flipped bit, image $command: lines" "$(wc -l <<<"$out")" 1
    [ ! -e "$work/new" ] || bad "a flipped bit, image $command: there is a file"
done
on_damaged python3 -c 'open("/marked", "r+").write("x" * 10000)' 2>"$work/log"
is "written to" "$(on_damaged cat /marked 2>&1 >/dev/null | grep -c damaged)" 1
on_damaged python3 -c 'open("/marked", "w").write("new")'
is "written anew" "$(on_damaged cat /marked)" new

# No place left.
small() { "$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$work/small.delta" --delta-size 8M "$@"; }
out=$(small sh -c 'dd if=/dev/zero of=/full bs=64k 2>&1; rm /full; echo x >/x && echo good' 2>&1)
has "limit" "$out" "No space left on device"
has "after the limit" "$out" good
is "kept" "$(small cat /x)" x
[ "$(stat -c %s "$work/small.delta")" -le $((8 << 21)) ] || bad "the limit: $(stat -c %s "$work/small.delta")"

# Refused.
other=$work/other.ext2
truncate -s 8M "$other"
mke2fs -q -F "$other" || PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F "$other"
out=$("$BELLJAR" --image "$other" --delta "$delta" true 2>&1)
is "another image, status" $? 125
has "another image" "$out" "belongs to another image"
is "another image, one line" "$(wc -l <<<"$out")" 1
echo hello >"$work/text"
out=$("$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$work/text" true 2>&1)
has "no delta" "$out" "no delta file"
is "left as it was" "$(cat "$work/text")" hello
out=$("$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$work" true 2>&1)
is "a directory, status" $? 125
mkfifo "$work/hold"
box sh -c 'echo started; read x' <"$work/hold" >"$work/started" &
exec 5>"$work/hold"
for _ in {1..100}; do
    [ -s "$work/started" ] && break
    sleep 0.05
done
out=$(box true 2>&1)
is "two at once, status" $? 125
has "two at once" "$out" "in use by another box"
exec 5>&-
wait
is "and later" "$(box sh -c 'ls /d/b && echo good')" good

# What was synced is there after kill -9, what was not may be.
"$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$work/kill.delta" sh -c 'echo synced >/a; sync; echo not >/b; echo ready; sleep 100' >"$work/ready" &
pid=$!
for _ in {1..200}; do
    [ -s "$work/ready" ] && break
    sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
is "after kill -9" "$("$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$work/kill.delta" sh -c 'cat /a; cat /b 2>/dev/null')" synced

# Ended from outside or by a limit, all is kept.
box --timeout 2s sh -c 'echo timeout >/by_timeout; sleep 100' 2>/dev/null
is "timeout" "$(box cat /by_timeout)" timeout
(exec "$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$delta" sh -c 'echo term >/by_term; echo ready; exec sleep 100' >"$work/ready2") &
pid=$!
for _ in {1..200}; do
    [ -s "$work/ready2" ] && break
    sleep 0.05
done
kill -TERM $pid
wait $pid 2>/dev/null
is "SIGTERM" "$(box cat /by_term)" term
exit $failed
