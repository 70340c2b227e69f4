#!/bin/bash
# The exerciser in a directory of the host (--mount), and in a box that has little memory and a delta file: what finds
# no room in memory must come back from there.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exerciser=$BELLJAR_BUILD/tests/fs/fs-exerciser
box() { "$BELLJAR" --image "$BELLJAR_IMAGE" --put "$exerciser:/tmp/fs-exerciser" "$@" 2>&1; }
help=$("$BELLJAR" --help)

if [[ $help == *--mount* ]]; then
    mkdir "$work/host"
    has 'a directory of the host' "$(box --mount "$work/host:/mnt:rw" -- /tmp/fs-exerciser --root /mnt/tree --seed 1)" 'operations, good'
    is 'what is left on the host' "$(cd "$work/host" && echo *)" '*'
fi
if [[ $help == *--delta* ]]; then
    operations=(--root /root/tree --seed 1 --operations 20000 --files 500)
    has 'little memory' "$(box --memory 32M --delta "$work/delta" -- /tmp/fs-exerciser "${operations[@]}" --keep 1)" 'operations, good'
    has 'the next box' "$(box --delta "$work/delta" -- /tmp/fs-exerciser "${operations[@]}" --verify 20000)" 'the tree is that after operation 20000'
fi
exit $failed
