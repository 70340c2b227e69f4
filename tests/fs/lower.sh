#!/bin/bash
# The exerciser on a tree that is in the image: what 4,000 operations have made natively is put into an image, and in a
# box all goes on from there. With `powercut`: in a box with a delta file that is killed at random moments. With
# `commit`: what the box has written is made an image again, which e2fsck must find good, and a box the same tree in it.
#
#     lower.sh [OPERATIONS [SEED]] | lower.sh powercut [ROUNDS [SEED]] | lower.sh commit [OPERATIONS [SEED]]
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exerciser=$BELLJAR_BUILD/tests/fs/fs-exerciser from=4000 mode=''
case ${1:-} in powercut | commit) mode=$1 && shift ;; esac
seed=${2:-1}
PATH=$PATH:/usr/sbin:/sbin

# An image with what the first operations of seed $1 leave: $1 SEED, $2... options of mke2fs.
make_image() {
    rm -rf "$work/root" "$work/image"
    mkdir -p "$work/root"/{bin,dev,proc,sys,tmp,root}
    cp "$exerciser" "$work/root/bin/"
    "$work/root/bin/fs-exerciser" --root "$work/root/tree" --seed "$1" --operations $from --from $from --keep 1 >"$work/errors" || bad "natively: $(cat "$work/errors")"
    mke2fs -q "${@:2}" -d "$work/root" "$work/image" 64M >"$work/errors" 2>&1 || bad "mke2fs: $(cat "$work/errors")"
}
box() { # SEED OPERATIONS ...
    command=("$BELLJAR" --image "$image" "${delta[@]}" -- /bin/fs-exerciser --root /tree --from "$from" --seed "$1" --operations "$2" "${@:3}")
}

image=$work/image delta=()
[ "$mode" != commit ] || delta=(--delta "$work/delta")
operations=$((from + ${1:-10000}))

good() { # WHAT OPTION...
    local said
    box "$seed" $operations "${@:2}"
    said=$("${command[@]}" 2>&1) || bad "$1: $said"
    [[ $said == *good* || $said == *"the tree is that after operation $operations" ]] || bad "$1: $said"
}

commit() { # WHAT
    local said
    said=$("$BELLJAR" image commit "$work/image" "$work/delta" -o "$work/new" 2>&1) || bad "$1: $said"
    said=$(e2fsck -fn "$work/new" 2>&1) || bad "$1: $said"
    image=$work/new delta=()
    good "$1, the new image" --verify $operations
    image=$work/image delta=(--delta "$work/delta")
    rm -f "$work/delta" "$work/new"
}

if [ "$mode" != powercut ]; then
    # Not inline_data: mke2fs -d then cuts off a hole at the end of a file. Not -I 128: no room for nanoseconds.
    for options in '-t ext4' '-t ext4 -b 1024' '-t ext2 -b 4096' '-t ext4 -O ^metadata_csum' '-t ext3'; do
        # shellcheck disable=SC2086  # words
        make_image "$seed" $options
        good "$options" --keep 1
        [ "$mode" != commit ] || commit "$options"
    done
    exit $failed
fi

[[ $("$BELLJAR" --help) == *--delta* ]] || exit 77
# shellcheck source=tests/fs/powercut.bash
. "$BELLJAR_SOURCE/tests/fs/powercut.bash"
delta=(--delta "$work/delta")
cut_power "${1:-3}" "$seed" make_image
exit $failed
