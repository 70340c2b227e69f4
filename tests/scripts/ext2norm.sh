#!/bin/bash
# ext2norm makes images of the same files, packed at different times by different users, the same bytes.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
norm=$BELLJAR_BUILD/tools/ext2norm

tree() {
    mkdir -p "$1/sub/deep" "$1/home/user/x" "$1/lost+found"
    chmod 700 "$1/lost+found"
    echo hello >"$1/sub/file"
    ln "$1/sub/file" "$1/sub/hard"
    ln -s ../file "$1/sub/deep/link"
    echo mine >"$1/home/user/x/mine"
    touch -d @1500000000 "$1/sub/file" # older than the epoch: stays
}
pack() {
    truncate -s 4M "$2"
    mke2fs -q -F -t ext2 -b 4096 -I 256 -U 6e8efbe3-a442-448b-8166-44025479aab5 \
        -E hash_seed=6e8efbe3-a442-448b-8166-44025479aab5 -d "$1" "$2"
}

tree "$dir/a"
pack "$dir/a" "$dir/a.ext2"
sleep 1.1 # times in whole seconds differ
tree "$dir/b"
pack "$dir/b" "$dir/b.ext2"
if cmp -s "$dir/a.ext2" "$dir/b.ext2"; then
    echo "the images were equal before: this test shows nothing" && exit 1
fi
for image in "$dir/a.ext2" "$dir/b.ext2"; do "$norm" "$image" 1735689600 1000:100000:/home/user; done
cmp "$dir/a.ext2" "$dir/b.ext2"
e2fsck -fn "$dir/a.ext2" >/dev/null

stat_of() { debugfs -R "stat $1" "$dir/a.ext2" 2>/dev/null; }
stat_of /home/user/x/mine | grep -E 'User: +1000 +Group: +100000' >/dev/null
stat_of /home | grep -E 'User: +0 +Group: +0' >/dev/null
stat_of /sub/file | grep "mtime: 0x$(printf %08x 1500000000)" >/dev/null
stat_of /sub/file | grep "crtime: 0x$(printf %08x 1735689600)" >/dev/null
# Bad input is a message and a status.
refused() {
    if "$norm" "$@" 2>/dev/null; then
        echo "not refused: $*" && exit 1
    fi
}
refused /nonexistent 0
refused "$dir/a.ext2" 0 nonsense
refused "$dir/a.ext2" 0 1:1:/no/such/path
