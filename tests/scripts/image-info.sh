#!/bin/bash
# belljar image info, and what a box says of an image that it cannot use, or that is damaged.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
make() { # NAME OPTION...
    local name=$1
    shift
    truncate -s 16M "$name"
    mke2fs -q -F "$@" "$name" >log 2>&1 || bad "mke2fs: $(cat log)"
}

make four -t ext4 -b 4096 -L label
out=$("$BELLJAR" image info four 2>&1)
is "info: status" $? 0
for want in "ext4, 16777216 bytes in blocks of 4096" "label         label" "journal       clean" \
    "pages         shown to programs as they lie" "belljar       can mount it" metadata_csum; do
    has "info" "$out" "$want"
done
make one -t ext2 -b 1024
out=$("$BELLJAR" image info one)
has "info of small blocks" "$out" "journal       none"
has "info of small blocks" "$out" "mke2fs -b 4096"
debugfs -w -R "feature +needs_recovery" four 2>/dev/null >log
out=$("$BELLJAR" image info four)
is "info of a journal to replay: status" $? 1
has "info of a journal to replay" "$out" "journal       must be replayed"
has "info of a journal to replay" "$out" "cannot mount it: its journal must be replayed first: run e2fsck -fy four"
out=$("$BELLJAR" --image four -- true 2>&1)
is "a box from it: status" $? 125
is "a box from it" "$out" "belljar: four: its journal must be replayed first: run e2fsck -fy four"

# Damage that a program meets: an error inside, one line outside, and the program's own status.
cp --sparse=always "$BELLJAR_IMAGE" image
debugfs -w -R "sif /etc/passwd mode 0" image 2>/dev/null >log
inode=$(debugfs -R "stat /etc/passwd" image 2>/dev/null | sed -n 's/^Inode: \([0-9]*\).*/\1/p')
out=$("$BELLJAR" --image image -- sh -c 'cat /etc/passwd; cat /etc/passwd /etc/group >/dev/null; exit 7' 2>&1)
is "a damaged image: status" $? 7
is "a damaged image: lines" "$(grep -c 'cat: /etc/passwd: Input/output error' <<<"$out")" 2
is "a damaged image: what is said of it" "$(grep belljar: <<<"$out")" \
    "belljar: image: inode $inode is corrupt (e2fsck -fn tells more)"
exit $failed
