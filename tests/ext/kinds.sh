#!/bin/bash
# kinds.sh TOOLS WHICH: images of one tree, made with each set of mke2fs's options below whose line begins with WHICH,
# as a box sees them: equal to the tree itself, to what debugfs takes out of the image, and to what it says of inodes.
# Needs no root. ctest: TIMEOUT 900
# Judges: the host's file system, mke2fs -d, debugfs, e2fsck.
set -u
tools=$(cd "$1" && pwd) || exit 1
view="$tools/ext-view" which=${2:-}
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
image=$(mktemp -p /dev/shm 2>/dev/null || mktemp) # the tools sync what they write
trap 'rm -rf "$work" "$image"' EXIT
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

# ---------------------------------------------------------------- the tree
tree() {
    local i n
    mkdir -p "$work/tree/dir/sub" "$work/tree/many" "$work/tree/few" "$work/tree/sizes" "$work/tree/links"
    cd "$work/tree" || exit 1
    for n in 0 1 59 60 61 100 150 300 700 1023 1024 1025 4095 4096 4097 65535 65536 65537 200000; do
        seq 60000 | head -c "$n" >"sizes/$n"
    done
    for n in 1 58 59 60 61 100 500 1023; do ln -s "$(printf 'x%.0s' $(seq "$n"))" "links/$n"; done
    # With blocks of 1024 bytes, an index of two levels.
    seq -f "many/$(printf 'n%.0s' {1..150})-%.0f" 1200 | xargs touch
    printf 'few/%s\n' one two 'with space' $'\303\244\303\266' "$(printf 'n%.0s' {1..255})" | tr '\n' '\0' | xargs -0 touch
    ln sizes/4097 dir/hard
    ln sizes/4097 dir/sub/harder
    ln -s ../sizes/100 dir/link
    mkfifo dir/fifo
    chmod 4751 sizes/1
    chmod 1770 dir/sub
    # Pointers of all levels, and hundreds of extents: every second page, far pages, and a hole at the end.
    for ((i = 0; i < 800; i++)); do printf '%0100d' "$i"; head -c 8092 /dev/zero; done >pieces.dense
    cp --sparse=always pieces.dense pieces
    rm pieces.dense
    printf 'end' >>pieces
    printf 'far' | dd of=far bs=1 seek=5000000000 conv=notrunc status=none
    printf 'middle' | dd of=far bs=1 seek=70000000 conv=notrunc status=none
    truncate -s 3000000 tail # mke2fs makes it too short when data can lie in inodes
    printf 'tail' | dd of=tail conv=notrunc status=none
    printf 'x' >>sizes/4097
    for i in {1..400}; do printf '%d' "$i" | dd of=extents bs=4096 seek=$((i * 3)) conv=notrunc status=none; done
    if "$view" set sizes/60 user.small value; then # else this host's file system has none
        "$view" set sizes/60 user.empty ''
        "$view" set sizes/61 user.large "$(printf 'v%.0s' {1..600})"
        for i in {1..9}; do "$view" set dir "user.number$i" "value of number $i"; done
    fi
    touch -h -d @1234567890 dir/link
    touch -d @987654321 sizes/* few dir/sub
    cd - >/dev/null || exit 1
}

# ---------------------------------------------------------------- an image
# What mke2fs -d does not make: devices, owners, times, attributes of other kinds, blocks without data.
acl='\2\0\0\0\1\0\7\0\377\377\377\377\2\0\4\0\350\3\0\0\4\0\5\0\377\377\377\377\20\0\7\0\377\377\377\377\40\0\4\0\377\377\377\377'
edit() { # IMAGE OPTIONS
    # shellcheck disable=SC2059
    printf "$acl" >"$work/acl"
    {
        printf '%s\n' "mkdir edited" "cd edited" "mknod char c 5 6" "mknod block b 300 7000" "mknod pipe p" \
            "write $work/tree/sizes/4097 file" "sif file uid 3000000000" "sif file gid 70000" "sif file mode 0102640" \
            "sif file mtime 19030102030405" "sif file ctime 20370102030405" "ea_set file trusted.t t" \
            "ea_set file security.s s" "ea_set -f $work/acl file system.posix_acl_access" "ea_set file user.u u"
        if [[ $2 == *ext4* && $2 != *"-I 128"* ]]; then
            printf '%s\n' "sif file mtime_extra 1000000001" "sif file atime_extra 4" "sif file crtime_extra 8"
        fi
        [[ $2 == *ext4* && $2 != *^extent* ]] && echo "fallocate file 40 60"
        true
    } >"$work/commands"
    debugfs -w -f "$work/commands" "$1" >"$work/log" 2>&1
    [[ $2 != *ea_inode* ]] || "$tools/ext-big-xattr" "$1" /edited/file user.huge 60000 || bad "$1: no large attribute"
    e2fsck -fy "$1" >"$work/log" 2>&1
    [ $? -le 1 ] || bad "$1: $(cat "$work/log")"
}

make() { # OPTIONS
    truncate -s 0 "$image"
    truncate -s "${2:-64M}" "$image"
    # shellcheck disable=SC2086
    mke2fs -q -F -d "$work/tree" $1 "$image" >"$work/log" 2>&1 || { bad "mke2fs $1: $(cat "$work/log")"; return 1; }
    edit "$image" "$1"
    if [[ $1 == *dir_index* ]]; then
        e2fsck -fyD "$image" >"$work/log" 2>&1
        [[ $1 != *"-b 1024"* ]] || has "$1: the index" "$(ask "htree_dump /many")" "Indirect levels: 1"
    fi
    e2fsck -fn "$image" >"$work/log" 2>&1 || { bad "mke2fs $1: not sound: $(cat "$work/log")"; return 1; }
}

# ---------------------------------------------------------------- what debugfs says
ask() { debugfs -R "$1" "$image" 2>/dev/null; }

# "0x5f5e1000:3b9aca01" of debugfs, the second part may be missing: seconds and nanoseconds.
time_of() {
    local low=$((${1%%:*})) extra=0
    [[ $1 != *:* ]] || extra=$((0x${1#*:}))
    [ "$low" -lt $((1 << 31)) ] || low=$((low - (1 << 32)))
    printf '%d.%09d' $((low + ((extra & 3) << 32))) $((extra >> 2))
}

inode_is() { # PATH LINE of ext-view --times
    local text ino blocks a m c b
    text=$(ask "stat \"$1\"")
    read -r _ ino blocks a m c b <<<"$2"
    is "$1: inode" "$ino" "$(sed -n 's/^Inode: \([0-9]*\).*/\1/p' <<<"$text")"
    is "$1: blocks" "$blocks" "$(sed -n 's/.*Blockcount: \([0-9]*\).*/\1/p' <<<"$text")"
    for what in "a $a" "m $m" "c $c" "cr $b"; do
        local shown=${what#* } said
        said=$(sed -n "s/^ *${what%% *}time: \(0x[0-9a-f:]*\).*/\1/p" <<<"$text")
        [ -z "$said" ] || is "$1: ${what%% *}time" "$shown" "$(time_of "$said")"
    done
}

compare_edited() { # the box's view; OPTIONS
    local line devices
    devices=$(grep '^/edited' <<<"$1")
    line=$(grep '^/edited/file ' <<<"$1")
    has "$2: the owner" "$line" "/edited/file 102640 1 3000000000 70000 4098 "
    for path in /edited/file /sizes/200000 /many /links/500 /links/58 /far /pieces; do
        inode_is "$path" "$("$view" box "$image" --times | grep "^$path ")"
    done
    [[ $2 != *^ext_attr* ]] || return # e2fsck takes them away
    for want in "security.s=73" "trusted.t=74" "user.u=75" \
        "system.posix_acl_access=0200000001000700ffffffff02000400e803000004000500ffffffff10000700ffffffff20000400ffffffff"; do
        has "$2: attribute" "$line" " $want"
    done
    [[ $2 != *ea_inode* ]] || has "$2: attribute" "$line" "user.huge=60000:$huge"
    has "$2: device" "$devices" "/edited/char 20000 1 0 0 0 5,6 "
    has "$2: device" "$devices" "/edited/block 60000 1 0 0 0 300,7000 "
}

compare() { # OPTIONS
    local seen
    seen=$("$view" box "$image" 2>&1) || bad "$1: $seen"
    local but='^/edited'
    [[ $1 != *inline_data* ]] || but='^/(edited|tail)'
    local drop=nothing
    [[ $1 != *^ext_attr* ]] || drop=' user\..*'
    diff <(grep -Ev "$but" <<<"$seen") <(grep -Ev "$but" "$work/expected" | sed "s/$drop//") >"$work/log" || bad "$1: $(head -30 "$work/log" | cut -c1-200)"
    compare_edited "$seen" "$1"
    [[ $1 != *inline_data* ]] || return # of such files debugfs dumps 60 bytes at least
    rm -rf "$work/dumped"
    mkdir "$work/dumped"
    echo "rdump /dir /few /links /sizes $work/dumped" >"$work/commands"
    for file in pieces extents; do printf 'dump -p /%s %s\n' $file "$work/dumped/$file"; done >>"$work/commands"
    debugfs -f "$work/commands" "$image" >/dev/null 2>&1
    diff <(content <<<"$seen") <("$view" host "$work/dumped" | content) >"$work/log" ||
        bad "$1: as debugfs dumps it: $(head -30 "$work/log" | cut -c1-200)"
}
# Files and links by what they hold: the other things debugfs does not dump.
content() { grep -Ev '^/(far|tail|edited|many)' | sed -nE 's,^(/.*) 1[02][0-7]([0-7]{3}) [0-9]+ [0-9]+ [0-9]+ ([0-9]+) 0\,0 [0-9-]+  ?(-> .*|[0-9a-f]{16}).*,\1 \2 \3 \4,p'; }

tree
seq 20000 | head -c 60000 >"$work/huge"
huge=$("$view" digest "$work/huge")
"$view" host "$work/tree" >"$work/expected"
[ "$(wc -l <"$work/expected")" -gt 1230 ] || bad "the tree was not made"
n=0
while read -r name size options; do
    [[ $name == $which* ]] || continue
    n=$((n + 1))
    make "$options" "$size" && compare "$options"
done <<'KINDS'
ext2-1k 64M -t ext2 -b 1024
ext2-2k 64M -t ext2 -b 2048 -I 128
ext2-4k 64M -t ext2 -b 4096
ext2-8k 64M -t ext2 -b 8192
ext2-16k 128M -t ext2 -b 16384
ext2-64k 256M -t ext2 -b 65536
ext2-default 64M -t ext2
ext2-512 64M -t ext2 -b 1024 -I 512 -O dir_index
ext2-old 64M -t ext2 -b 1024 -I 128 -O ^ext_attr,^resize_inode,^sparse_super,^filetype,^large_file
ext2-meta 64M -t ext2 -b 1024 -g 1024 -O meta_bg,^resize_inode
ext3-default 64M -t ext3
ext3-1k 64M -t ext3 -b 1024 -O dir_index
ext3-4k 64M -t ext3 -b 4096 -I 1024
ext4-default 64M -t ext4
ext4-1k 64M -t ext4 -b 1024 -O dir_index
ext4-2k 64M -t ext4 -b 2048 -I 512
ext4-4k 64M -t ext4 -b 4096 -O dir_index
ext4-8k 64M -t ext4 -b 8192
ext4-32k 256M -t ext4 -b 32768
ext4-64k 512M -t ext4 -b 65536 -O dir_index
ext4-128 64M -t ext4 -b 1024 -I 128
ext4-1024 64M -t ext4 -b 4096 -I 1024
ext4-4096 64M -t ext4 -b 4096 -I 4096 -N 2000
ext4-plain 64M -t ext4 -b 4096 -O ^metadata_csum,^64bit
ext4-uninit 64M -t ext4 -b 1024 -O ^metadata_csum,uninit_bg
ext4-meta 64M -t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode
ext4-flex 64M -t ext4 -b 1024 -g 2048 -G 4
ext4-inline 64M -t ext4 -b 1024 -O inline_data
ext4-inline-4k 64M -t ext4 -b 4096 -I 1024 -O inline_data,ea_inode
ext4-inline-8k 64M -t ext4 -b 8192 -I 8192 -N 2000 -O inline_data
ext4-large-dir 64M -t ext4 -b 1024 -O large_dir,ea_inode,dir_index
ext4-sparse-super2 64M -t ext4 -b 1024 -O sparse_super2,^resize_inode
ext4-bigalloc 128M -t ext4 -b 4096 -C 16384 -O bigalloc
ext4-bigalloc-1k 128M -t ext4 -b 1024 -C 65536 -O bigalloc
ext4-quota 64M -t ext4 -b 4096 -O quota,project
ext4-journal 64M -t ext4 -b 4096 -O fast_commit,orphan_file
ext4-seed 64M -t ext4 -b 4096 -O metadata_csum_seed,mmp,stable_inodes
ext4-no-journal 64M -t ext4 -b 4096 -O ^has_journal,^extent,^64bit
KINDS
[ "$n" -gt 0 ] || bad "no kind of image is called $which"
exit $failed
