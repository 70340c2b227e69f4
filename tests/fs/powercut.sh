#!/bin/bash
# A box that writes to a delta file is killed (SIGKILL, broker and worker) at a random moment; the next box finds a tree
# that some operation had made, and none of what fsync had promised is missing.
#
#     powercut.sh [ROUNDS [SEED]]
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
[[ $("$BELLJAR" --help) == *--delta* ]] || exit 77
rounds=${1:-4} seed=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
RANDOM=$seed
exerciser=$BELLJAR_BUILD/tests/fs/fs-exerciser
# The command line of a box for seed $1.
box() {
    command=("$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$work/delta" --put "$exerciser:/tmp/fs-exerciser" -- /tmp/fs-exerciser --root /root/tree
        --seed "$1" --operations 1000000 --every 1000000 "${@:2}")
}

# The last line of the journal may be cut off.
promised() { sed -n 's/^synced \([0-9]*\)$/\1/p' "$work/journal" | tail -1; }

cuts=0 most=0
for ((round = 0; round < rounds; round++)); do
    rm -f "$work"/delta*
    : >"$work/journal"
    box $((seed + round)) --journal 1
    setsid "${command[@]}" >"$work/journal" 2>"$work/errors" & # a group of its own
    pid=$!
    for ((i = 0; i < 500; i++)); do
        [ ! -s "$work/journal" ] || break
        sleep 0.02
    done
    sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))"
    kill -KILL -- "-$pid" 2>/dev/null || bad "round $round: the box has ended by itself: $(cat "$work/errors" "$work/journal")"
    wait "$pid" 2>/dev/null
    n=$(promised)
    [ -n "$n" ] || continue
    box $((seed + round)) --verify "$n"
    said=$(timeout 120 "${command[@]}" 2>&1) || bad "round $round, seed $((seed + round)), after $n operations: $said"
    [[ $said == *"the tree is that after operation "* ]] || bad "round $round: $said"
    cuts=$((cuts + 1))
    [ "$n" -le "$most" ] || most=$n
done
echo "$cuts of $rounds were killed after an fsync, the last after $most operations"
[ "$cuts" -gt 0 ] || bad 'no box was killed after an fsync'
exit $failed
