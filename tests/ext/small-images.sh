#!/bin/bash
# small-images.sh DIR: small images of all kinds, for the fuzzer. They are the same each time but for ctimes.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: small-images.sh DIR" >&2; exit 2; }
dir=$1
mkdir -p "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export E2FSPROGS_FAKE_TIME=1600000000 E2FSCK_TIME=1600000000 DEBUGFS_TIME=1600000000

# program FILE TYPE: an ELF file of 9000 bytes with headers of an interpreter (TYPE 3; else none), of two segments and of
# dynamic entries, at 0, that name four libraries.
program() {
    # shellcheck disable=SC2059  # escapes
    put() { printf "$2" | dd of="$1" bs=1 seek="$3" conv=notrunc status=none; }
    local z4='\0\0\0\0' page='\0\20\0\0\0\0\0\0' at='\0\40\0\0\0\0\0\0'
    local z8=$z4$z4
    truncate -s 9000 "$1"
    put "$1" "\177ELF\2\1\1\0${z8}\3\0\76\0\1\0\0\0${z8}\100\0\0\0$z4$z8$z4\100\0\70\0\4\0" 0
    put "$1" "\\$2\0\0\0\4\0\0\0\0\2\0\0$z4\0\2\0\0$z4\0\2\0\0$z4\20\0\0\0$z4\20\0\0\0$z4\1" 64
    put "$1" "\1\0\0\0\5\0\0\0$z8$z8$z8\0\10\0\0$z4\0\10\0\0$z4$page" 120
    put "$1" "\1\0\0\0\6\0\0\0$page$at$at\0\4\0\0$z4\0\4\0\0$z4$page" 176
    put "$1" "\2\0\0\0\6\0\0\0$page$at$at\140\0\0\0$z4\140\0\0\0$z4\10" 232
    put "$1" '\0file\0link\0so\0far\0' 768
    put "$1" "\1\0\0\0$z4\1\0\0\0$z4\1\0\0\0$z4\6\0\0\0$z4\1\0\0\0$z4\13\0\0\0$z4" 4096
    put "$1" "\1\0\0\0$z4\16\0\0\0$z4\5\0\0\0$z4\0\3" 4144
}

tree() {
    mkdir -p "$work/tree/dir/sub/deep" "$work/tree/names"
    cd "$work/tree"
    seq 2000 >file
    head -c 40 file >short
    head -c 130 file >inside
    printf 'x' >one
    : >empty
    ln file dir/hard
    ln -s file link
    ln -s "$(printf 'long/%.0s' {1..30})" long
    mkfifo fifo
    for i in {1..30}; do printf '%s' "$i" >"names/a-name-that-takes-some-room-$i"; done
    # Every second block is a hole: many extents, and pointers at all levels.
    for ((i = 0; i < 60; i++)); do printf '%d' "$i" | dd of=pieces bs=4096 seek=$((i * 2)) conv=notrunc status=none; done
    printf 'end' | dd of=far bs=1 seek=5000000000 conv=notrunc status=none
    program program 3
    program so 0
    for i in dir dir/sub names; do ln so "$i/so" && ln -s so "$i/link"; done # whichever is looked through before it
    find . -exec touch -h -d @1500000000 {} +
    cd - >/dev/null
}

# NAME SIZE OPTION...: and attributes, small ones, some in a block, an ACL, one that is large.
image() {
    local file="$dir/$1.img" size=$2 i
    shift 2
    truncate -s "${size^^}" "$file"
    mke2fs -q -F -U 01234567-89ab-cdef-0123-456789abcdef -E "hash_seed=01234567-89ab-cdef-0123-456789abcdef" \
        -d "$work/tree" -N 96 -m 0 "$@" "$file" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    printf '\2\0\0\0\1\0\7\0\377\377\377\377\2\0\4\0\350\3\0\0\4\0\5\0\377\377\377\377\20\0\7\0\377\377\377\377\40\0\4\0\377\377\377\377' >"$work/acl"
    {
        echo "ea_set /file user.small value"
        echo "ea_set /dir user.dir value"
        echo "ea_set /dir trusted.t t"
        echo "ea_set -f $work/acl /short system.posix_acl_access"
        for i in {1..12}; do echo "ea_set /one user.number-$i a-value-that-takes-some-room-$i"; done
        [[ "$*" != *ea_inode* ]] || echo "ea_set -f $work/tree/file /empty user.large"
        [[ "$*" != *ext4* || "$*" == *bigalloc* ]] || echo "fallocate /one 4 40"
        echo "mknod device c 5 6"
    } >"$work/commands"
    debugfs -w -f "$work/commands" "$file" >"$work/log" 2>&1
}

tree
image ext2-1k 400k -t ext2 -b 1024
image ext2-1k-128 400k -t ext2 -b 1024 -I 128 -r 0 -O none
image ext2-groups 600k -t ext2 -b 1024 -g 256 -O meta_bg,^resize_inode
image ext2-4k 1m -t ext2 -b 4096 -I 256
image ext2-64k 6m -t ext2 -b 65536
image ext3-1k 4m -t ext3 -b 1024 -J size=1
image ext4-1k 600k -t ext4 -b 1024 -O ^has_journal
image ext4-1k-journal 4m -t ext4 -b 1024 -J size=1
image ext4-groups 900k -t ext4 -b 1024 -g 512 -G 2 -O ^has_journal,^resize_inode,sparse_super2
image ext4-uninit 600k -t ext4 -b 1024 -O ^has_journal,^metadata_csum,uninit_bg
image ext4-plain 600k -t ext4 -b 1024 -O ^has_journal,^metadata_csum,^64bit
image ext4-inline 600k -t ext4 -b 1024 -I 512 -O ^has_journal,inline_data
image ext4-inline-4k 1m -t ext4 -b 4096 -O ^has_journal,inline_data,ea_inode,metadata_csum_seed
image ext4-ea-inode 700k -t ext4 -b 1024 -O ^has_journal,ea_inode,large_dir
image ext4-bigalloc 3m -t ext4 -b 1024 -C 4096 -O ^has_journal,bigalloc
image ext4-64k 8m -t ext4 -b 65536 -O ^has_journal
# With an index, which only a check makes; and debugfs counts the blocks of attributes' inodes wrong.
image ext4-index 700k -t ext4 -b 1024 -O ^has_journal
image ext4-index-plain 700k -t ext4 -b 1024 -O ^has_journal,^metadata_csum
for name in ext4-ea-inode ext4-inline-4k; do e2fsck -fy "$dir/$name.img" >"$work/log" 2>&1 || [ $? -le 1 ]; done
for name in ext4-index ext4-index-plain; do e2fsck -fyD "$dir/$name.img" >"$work/log" 2>&1 || [ $? -le 1 ]; done
for file in "$dir"/*.img; do
    e2fsck -fn "$file" >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "$file is not sound" >&2; exit 1; }
done
