#!/bin/bash
# million.sh native|memory|GUESTPATH: a million operations in a new directory of this host (memory: on a tmpfs), or in a box.
# ctest: LABELS no-asan no-clang no-portable
# (the same operations are done there, fewer of them)
# ctest: TIMEOUT 3600
set -u
operations=(--seed 1000 --operations 1000000 --files 150)
exerciser=$BELLJAR_BUILD/tests/fs/fs-exerciser
if [[ $1 != /* ]]; then
    [ "$1" = native ] || TMPDIR=/dev/shm
    work=$(TMPDIR=${TMPDIR-/tmp} mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$exerciser" --root "$work/tree" "${operations[@]}"
else
    exec "$BELLJAR" --image "$BELLJAR_IMAGE" --put "$exerciser:/tmp/fs-exerciser" -- /tmp/fs-exerciser --root "$1" "${operations[@]}"
fi
