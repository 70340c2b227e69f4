#!/bin/bash
# Which images something is kept of, and by what they are known; code of which nothing can be made; a cache file that is cut off under a box.
# What needs root (block devices, file systems of one's own) is left out without, with a line.
# ctest: TIMEOUT 600
set -u
[ -e "$BELLJAR_IMAGE" ] || exit 77
command -v debugfs >/dev/null || { PATH=$PATH:/usr/sbin && command -v debugfs >/dev/null; } || exit 77
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
loop=
trap 'umount "$work/fat" 2>/dev/null; [ -z "$loop" ] || losetup -d "$loop"; rm -rf "$work"' EXIT
dir=$work/cache
image=$work/image.ext2
python=(python3 -c 'import json, re; print(json.dumps([re.sub("b", "c", "abc" * i) for i in range(3)]))')
wanted='["", "acc", "accacc"]'
# run NAME IMAGE PROGRAM...: prints what the program prints; the report is left.
run() {
    "$BELLJAR" --image "$1" --code-cache "$dir" --report "$work/report" -- "${@:2}" 2>&1
    "$BELLJAR" cache wait --code-cache "$dir" 2>/dev/null
}
info() { "$BELLJAR" cache info --code-cache "$dir" "$@"; }
used() { sed -n 's/.*"cache_shards": \([0-9]*\).*/\1/p' "$work/report"; }
lacked() { sed -n 's/.*"cache_lacks": "\(.*\)".*/\1/p' "$work/report"; }
serves() { # NAME: the third run with it comes from the cache
    local i
    for i in 1 2 3; do is "$1, run $i" "$(run "${2:-$image}" "${python[@]}")" "$wanted"; done
    [ "$(used)" -ge 3 ] || bad "$1: $(cat "$work/report")"
}
settle() { sleep 2.1; } # until then it may still be changing

cp --sparse=always "$BELLJAR_IMAGE" "$image"
if "$BELLJAR" --code-cache none --image "$image" --trace jit -- /bin/true 2>&1 | grep -q '^jit: interpreting'; then
    echo 'nothing is translated here'
    exit 77
fi
# Programs of other content and the same size, for changes that stat shows as little of as possible.
for said in one two; do
    cat >"$work/$said.S" <<END
.globl _start
_start: mov \$4000, %ebx
again:  .rept 64
        lea 2(%rip), %rax
        jmp *%rax
        .endr
        dec %ebx
        jnz again
        mov \$1, %eax
        mov \$1, %edi
        lea text(%rip), %rsi
        mov \$4, %edx
        syscall
        mov \$60, %eax
        xor %edi, %edi
        syscall
text:   .ascii "$said\n"
END
    "${CC:-cc}" -nostdlib -static -o "$work/$said" "$work/$said.S" || exit 77
done
put() { # IMAGE PROGRAM AS
    printf 'rm /%s\nwrite %s /%s\nset_inode_field /%s mode 0100755\n' "$3" "$2" "$3" "$3" | debugfs -w -f - "$1" >/dev/null 2>&1
}
put "$image" "$work/one" say
settle
serves 'a file'
is 'a program' "$(run "$image" /say; run "$image" /say; run "$image" /say)" $'one\none\none'
[ "$(used)" = 1 ] || bad "the program is not in the cache: $(cat "$work/report")"

# By any name.
ln -s image.ext2 "$work/link"
ln "$image" "$work/hard"
settle # a link more is a change
serves 'a hard link' "$work/hard"
is 'a symbolic link' "$(run "$work/link" "${python[@]}")" "$wanted"
[ "$(used)" -ge 3 ] || bad "a symbolic link: $(cat "$work/report")"
rm "$work/hard"

# Another one renamed to its place: other content, the same size and times of modification.
cp --sparse=always "$image" "$work/other.ext2"
put "$work/other.ext2" "$work/two" say
touch -r "$image" "$work/other.ext2"
mv "$image" "$work/first.ext2"
mv "$work/other.ext2" "$image"
is 'renamed, at once' "$(run "$image" /say)" two
settle
for i in 1 2 3; do is "renamed, run $i" "$(run "$image" /say)" two; done
[ "$(used)" = 1 ] || bad "renamed: $(cat "$work/report")"
serves 'renamed'

# Changed in place, and the time of modification put back to what it was.
touch -r "$image" "$work/times"
put "$image" "$work/one" say
touch -r "$work/times" "$image"
is 'changed in place, at once' "$(run "$image" /say)" one
settle
for i in 1 2 3; do is "changed in place, run $i" "$(run "$image" /say)" one; done
[ "$(used)" = 1 ] || bad "changed in place: $(cat "$work/report")"

# Times of modification that lie in the past, or are still to come.
for when in 2001-01-01 2040-01-01; do
    touch -d "$when" "$image"
    settle
    serves "modified in ${when%%-*}"
done

# What nothing is kept of, since nobody can tell when it changes.
if [ "$(id -u)" = 0 ] && loop=$(losetup --read-only --find --show "$image" 2>/dev/null); then
    for i in 1 2; do is 'a block device' "$(run "$loop" "${python[@]}")" "$wanted"; done
    is 'a block device' "$(used) $(lacked)" '0 the image is no regular file'
    losetup -d "$loop"
    loop=
else
    loop=
    echo 'a block device: left out, there is none to be had'
fi
truncate -s 300M "$work/fat.img"
mkdir "$work/fat"
if [ "$(id -u)" = 0 ] && mkfs.vfat "$work/fat.img" >/dev/null 2>&1 && mount -o loop "$work/fat.img" "$work/fat" 2>/dev/null; then
    cp "$image" "$work/fat/image"
    settle
    for i in 1 2; do is 'FAT' "$(run "$work/fat/image" "${python[@]}")" "$wanted"; done
    is 'FAT' "$(used) $(lacked)" "0 the image's file system keeps no time of change"
    umount "$work/fat"
else
    echo 'FAT: left out, nothing can be mounted'
fi

# Code of which more runs than a shard can hold: it alone is left alone, and not what else runs of this image.
cat >"$work/huge.S" <<'END'
.globl _start
_start: mov $4, %ebx
again:  .rept 1000000
        lea 2(%rip), %rax
        jmp *%rax
        .endr
        dec %ebx
        jz out
        jmp again
out:    mov $60, %eax
        xor %edi, %edi
        syscall
END
"${CC:-cc}" -nostdlib -static -o "$work/huge" "$work/huge.S"
put "$image" "$work/huge" huge
settle
huge() { info | grep "  tried .*  inode [0-9]*, from page 1 at 00401000, of $image: nothing can be made of it"; }
runs=0
until [[ "$(huge)" == *'again after'* ]] || [ $((++runs)) -gt 6 ]; do is 'huge' "$(run "$image" /huge)" ''; done
[[ "$(huge)" == *'again after'* ]] || bad "huge code is tried each time: $(info -v)"
is 'huge: waiting for it' "$("$BELLJAR" cache wait --code-cache "$dir" 2>&1; echo $?)" 0
before=$(info)
is 'huge, once more' "$(run "$image" /huge)" ''
is 'huge, once more: info' "$(info)" "$before"
serves 'beside huge code'
for i in 1 2 3; do is "a program beside huge code, run $i" "$(run "$image" /say)" one; done
[ "$(used)" = 1 ] || bad "a program beside huge code: $(cat "$work/report")"

# The file cut off while a box runs from it ends that box, with one line that says so. Most of it is the interpreter's.
dir=$work/cut
serves 'a file that will be cut off'
cp -r --sparse=always "$dir" "$work/whole"
for part in 0 3 5; do
    rm -rf "$dir" && cp -r --sparse=always "$work/whole" "$dir"
    code=$(echo "$dir"/code-*)
    mkfifo "$work/go" "$work/ready"
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:handle_sigbus=0 "$BELLJAR" --image "$image" --code-cache "$dir" -- python3 -c 'import json, re
print("ready", flush=True)
input()
for i in range(200): json.dumps([re.sub("b", "c", "abc" * n) for n in range(30)])
import decimal, asyncio, email, unittest' <"$work/go" >"$work/ready" 2>"$work/err" &
    exec 8>"$work/go" 9<"$work/ready"
    read -r _ <&9
    truncate -s $(($(stat -c %s "$code") * part / 10)) "$code"
    (trap '' PIPE && echo >&8) 2>/dev/null # it may have ended already
    wait $!
    is "cut off at $part/10" "$?: $(cat "$work/err")" "125: belljar: $(realpath "$code") was cut off while this box ran from it, which ends a box: such a file may be removed, never written to; belljar cache clear makes room for a new one"
    exec 8>&- 9<&-
    rm "$work/go" "$work/ready"
done
is 'after a file that was cut off' "$(run "$image" "${python[@]}")" "$wanted"
exit $failed
