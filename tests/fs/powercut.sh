#!/bin/bash
# A box that writes new files to a delta file is killed at random moments: powercut.bash. (lower.sh powercut: one that
# changes what is in its image.)
#
#     powercut.sh [ROUNDS [SEED]]
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/fs/powercut.bash
. "$BELLJAR_SOURCE/tests/fs/powercut.bash"
[[ $("$BELLJAR" --help) == *--delta* ]] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exerciser=$BELLJAR_BUILD/tests/fs/fs-exerciser
box() { # SEED OPERATIONS ...
    # shellcheck disable=SC2034  # cut_power's
    command=("$BELLJAR" --image "$BELLJAR_IMAGE" --delta "$work/delta" --put "$exerciser:/tmp/fs-exerciser" -- /tmp/fs-exerciser --root /root/tree
        --seed "$1" --operations "$2" "${@:3}")
}
cut_power "${1:-4}" "${2:-1}" :
exit $failed
