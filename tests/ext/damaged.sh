#!/bin/bash
# damaged.sh TOOLS: what is refused when an image is mounted, with the line that says what to do; wrong checksums of every
# kind, which are errors inside and one line outside; and images whose numbers promise endless work, which end soon.
set -u
view=$1/ext-view
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
export EXT_TELL=1 # of what is damaged
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
image="$work/image"

mkdir -p "$work/tree/dir"
seq 20000 >"$work/tree/file"
seq -f "$work/tree/dir/a-name-that-takes-some-room-%.0f" 200 | xargs touch
for ((i = 0; i < 40; i++)); do printf '%d' "$i" | dd of="$work/tree/pieces" bs=4096 seek=$((i * 2)) conv=notrunc status=none; done
make() { # OPTION...
    rm -f "$image"
    truncate -s "${size-16M}" "$image"
    mke2fs -q -F -d "$work/tree" "$@" "$image" >"$work/log" 2>&1 || bad "mke2fs $*: $(cat "$work/log")"
}
edit() { printf '%s\n' "$@" >"$work/commands" && debugfs -w -f "$work/commands" "$image" >"$work/log" 2>&1; }

# ---------------------------------------------------------------- refused
refused() { # WHAT TEXT
    local out
    out=$("$view" box "$image" 2>&1) && bad "$1: it was mounted"
    has "$1" "$out" "ext-view: cannot mount the image: "
    has "$1" "$out" "$2"
    is "$1: one line" "$(wc -l <<<"$out")" 1
}
make -t ext4
edit "feature +needs_recovery"
refused "a journal to replay" "its journal must be replayed first: run e2fsck -fy IMAGE"
make -t ext4
edit "ssv state 2"
refused "marked" "it is marked as having errors: run e2fsck -fy IMAGE"
make -t ext2
edit "ssv state 0"
refused "in use" "it was not unmounted: run e2fsck -fy IMAGE"
make -t ext4 -O encrypt
refused "encrypt" "encrypted files are not supported"
make -t ext4 -O casefold
refused "casefold" "names that ignore case are not supported"
make -t ext4 -O verity
refused "verity" "files sealed by fs-verity are not supported"
make -t ext2
edit "ssv feature_incompat 0x1" # compression
refused "compression" "compressed files are not supported"
make -t ext2
edit "ssv feature_incompat 0x80000002"
refused "a feature of tomorrow" "it has unknown features (incompat 0x80000000)"
make -t ext4
edit "ssv journal_inum 0" "ssv journal_dev 0x1234"
refused "a journal elsewhere" "its journal is on another device: run tune2fs -O ^has_journal IMAGE"
rm -f "$image" && truncate -s 16M "$image" && mke2fs -q -F -O journal_dev "$image" >/dev/null 2>&1
refused "a journal alone" "it is an external journal, not a file system"
make -t ext4
truncate -s 15M "$image"
refused "cut off" "it is truncated"

# ---------------------------------------------------------------- wrong checksums
poke() { printf '%b' "$2" | dd of="$image" bs=1 seek="$1" conv=notrunc status=none; } # OFFSET BYTES
block_of() { debugfs -R "$1" "$image" 2>/dev/null | tr ' ' '\n' | grep -E '^[0-9]+' | head -1; }
named() { # WHAT TEXT: mounted, the error is named, and nothing else ends
    local out
    out=$("$view" box "$image" 2>&1) && bad "$1: nothing was found"
    has "$1" "$out" "damaged: $2"
}
fresh() { make -t ext4 -b 1024 -O ^has_journal; }
fresh
poke $((1024 + 120)) 'label'
refused "superblock" "the checksum of its superblock is wrong"
fresh
poke $((2 * 1024 + 12)) '\1'
refused "group" "the checksum of group descriptor 0 is wrong"
fresh
where=$(debugfs -R "imap /file" "$image" 2>/dev/null | sed -n 's/.*block \([0-9]*\), offset 0x\([0-9a-f]*\)/\1 \2/p')
poke $((${where% *} * 1024 + 0x${where#* } + 8)) '\1'
named "inode" "the checksum of inode "
fresh
poke $(($(block_of "blocks /dir") * 1024 + 20)) '\1'
named "directory" "the checksum of block $(block_of "blocks /dir") (a directory) is wrong"
fresh
node=$(debugfs -R "stat /pieces" "$image" 2>/dev/null | sed -n 's/.*(ETB0):\([0-9]*\).*/\1/p')
poke $((node * 1024 + 20)) '\1'
named "extents" "the checksum of block $node (extents) is wrong"
fresh
edit "ea_set /file user.a $(printf 'v%.0s' {1..200})"
attributes=$(debugfs -R "stat /file" "$image" 2>/dev/null | sed -n 's/.*File ACL: \([0-9]*\).*/\1/p')
poke $((attributes * 1024 + 1000)) '\1'
named "attributes" "the checksum of block $attributes (attributes) is wrong"

# ---------------------------------------------------------------- endless
quick() { # WHAT
    local TIMEFORMAT='%U %S' times
    times=$({ time timeout 60 "$view" box "$image" >"$work/log" 2>&1; } 2>&1)
    # shellcheck disable=SC2086
    awk '{ exit !($1 + $2 < 10) }' <<<"$times" || bad "$1: it took $times s of the processor"
    [ -z "${EXT_SHOW-}" ] || printf '%s: %s\n%s\n' "$1" "$times" "$(head -3 "$work/log")"
    lacks "$1" "$(cat "$work/log")" "AddressSanitizer"
}
word() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
fill() { # BLOCK NUMBER: a block of pointers, all the same
    local one all=
    one=$(word "$2")
    for ((i = 0; i < 1024; i++)); do all+=$one; done
    printf '%b' "$all" | dd of="$image" bs=4096 seek="$1" conv=notrunc status=none
}
make -t ext4 -b 4096
edit "sif pieces size 17592186040320"
quick "a file of 16 TiB, all hole"
has "a file of 16 TiB" "$(cat "$work/log")" "/pieces 100644 1 0 0 17592186040320 "
make -t ext4
edit "sif dir size 1099511627776"
quick "a directory of a terabyte"
size=128M make -t ext2 -b 4096
last=4000
first=$(block_of "blocks /dir")
for ((k = 1; k <= 3; k++)); do fill $((last + k)) $((last + k - 1)); done
fill "$last" "$first"
for level in IND:0 DIND:1 TIND:2; do edit "sif dir block[${level%:*}] $((last + ${level#*:}))"; done
for k in {1..11}; do edit "sif dir block[$k] $first"; done
edit "sif dir size 67108864"
quick "a directory that is one block, sixteen thousand times"
edit "sif dir block[IND] $last" "sif dir block[TIND] $last" "sif file block[IND] $((last + 3))" "sif file size 4000000"
fill $((last + 3)) $((last + 3))
quick "pointers that lead to themselves"
make -t ext4 -b 1024 -O ^metadata_csum,^has_journal
node=$(debugfs -R "stat /pieces" "$image" 2>/dev/null | sed -n 's/.*(ETB0):\([0-9]*\).*/\1/p')
poke $((node * 1024)) "\\x0a\\xf3\\x01\\x00\\x54\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00$(word "$node")\\x00\\x00\\x00\\x00"
quick "extents that lead to themselves"
make -t ext4 -O ^metadata_csum
edit "ssv inodes_count 4294967295"
refused "all inodes that there can be" "its superblock is corrupt"
exit $failed
