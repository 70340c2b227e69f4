#!/bin/bash
# Bad images, bad programs and bad options: each ends with one clear line, the documented status, and neither a crash nor a hang.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# expect STATUS REGEX COMMAND...: standard error is exactly one line, it begins with "belljar: " and matches.
expect() {
    local want=$1 regex=$2 status
    shift 2
    timeout 60 "$@" </dev/null >out 2>err
    status=$?
    if [ "$status" != "$want" ] || [ "$(wc -l <err)" != 1 ] || ! grep -Eq "^belljar: .*($regex)" err; then
        printf 'FAILED: %.300s\n  status %s, wanted %s; wanted a line like: %s\n' "$*" "$status" "$want" "$regex"
        head -c 1000 err | sed 's/^/  | /'
        failed=1
    fi
}
run() { # STATUS REGEX OPTION... -- PROGRAM: with the real image
    local want=$1 regex=$2
    shift 2
    expect "$want" "$regex" "$BELLJAR" --image "$BELLJAR_IMAGE" "$@"
}
put() { run "$1" "$2" --put "$3:/tmp/program" -- /tmp/program "${@:4}"; }

# ---------------------------------------------------------------- options
expect 125 'no program' "$BELLJAR"
expect 125 'no program' "$BELLJAR" --image x
expect 125 'no disk image' env -u BELLJAR_IMAGE "$BELLJAR" true
expect 125 "unknown option '--frobnicate'" "$BELLJAR" --frobnicate true
expect 125 "unknown option '-x'" "$BELLJAR" -x true
expect 125 'by http:// and https:// only' "$BELLJAR" --image ftp://127.0.0.1/x true
expect 125 'ambiguous option' "$BELLJAR" --t 1 true
expect 125 'needs a value' "$BELLJAR" --timeout
expect 125 'takes no value' "$BELLJAR" --exact=yes true
for bad in --timeout=abc --timeout=0 --timeout=-1s --memory=lots --memory=1x --pids=0 --pids=99999999999 --user=root --env=novalue --env==x \
    --cwd=relative --put=x --get=:x --trace=everything --cpu=v9 --deterministic=x --output=0 --jail=chroot; do
    run 125 'is not' "$bad" true
done
run 125 'at least 4 MiB' --memory 1M true
run 125 'cannot start in /nowhere' --cwd /nowhere true
run 125 'cannot read .*missing' --put missing:/tmp/x true
run 125 'is a directory' --put "$work:/tmp/x" true
run 125 'must begin with /' --put "$BELLJAR:relative" true
run 125 'no such file in the box' --get /nowhere:got true
run 125 'cannot write' --get /etc/passwd:/nowhere/x true
expect 125 'usage' "$BELLJAR" image
expect 125 'missing' "$BELLJAR" image info missing

# ---------------------------------------------------------------- images
expect 125 'missing: .*No such file' "$BELLJAR" --image missing true
expect 125 "$work: .*[Dd]irectory" "$BELLJAR" --image "$work" true
: >empty
expect 125 'empty: not an ext2' "$BELLJAR" --image empty true
head -c 100000 /dev/urandom >noise
expect 125 'noise: not an ext2' "$BELLJAR" --image noise true
head -c 1000000 "$BELLJAR_IMAGE" >short
expect 125 'short: .*truncated' "$BELLJAR" --image short true
expect 125 'truncated' "$BELLJAR" --image short true
cp --sparse=always "$BELLJAR_IMAGE" damaged
printf '\377\377\377\377' | dd of=damaged bs=1 seek=$((1024 + 24)) conv=notrunc status=none # s_log_block_size
expect 125 'damaged: ' "$BELLJAR" --image damaged true
cp --sparse=always "$BELLJAR_IMAGE" damaged
printf '\377\377\377\377' | dd of=damaged bs=1 seek=$((1024 + 96)) conv=notrunc status=none # s_feature_incompat: all
expect 125 'damaged: ' "$BELLJAR" --image damaged true

# ---------------------------------------------------------------- programs
run 127 'nosuch: no such program' nosuch
run 127 '/no/such: no such program' /no/such
run 127 '/etc/passwd/x: no such program' /etc/passwd/x
run 126 '/usr: not a program' /usr
run 126 '/etc/passwd: not a program' /etc/passwd
run 125 'no program' ''
# More than the box takes (a quarter of its 8 MiB of stack); this host takes it when its own stack limit is higher.
mapfile -t many < <(yes "$(head -c 100000 /dev/zero | tr '\0' x)" | head -n 30)
# The size of files: the box's memory and code are files, of holes, which a limit that can be raised does not mean.
# shellcheck disable=SC2016
limited=('ulimit "$1" 100 && exec "$2" --image "$3" true' -)
bash -c "${limited[@]}" -Sf "$BELLJAR" "$BELLJAR_IMAGE" || { echo "FAILED: with ulimit -Sf 100" && failed=1; }
expect 125 "cannot make the box's memory: .*ulimit -f" bash -c "${limited[@]}" -f "$BELLJAR" "$BELLJAR_IMAGE"
old_limit=$(ulimit -s)
if ulimit -S -s 65536 2>/dev/null; then
    run 126 'too long' -- true "${many[@]}"
    ulimit -S -s "$old_limit"
fi

echo text >plain && chmod +x plain
put 126 'not an ELF file or a script' plain
: >nothing && chmod +x nothing
put 126 'not an ELF file or a script' nothing
printf '#!/no/such/interpreter\n' >script && chmod +x script
put 126 'interpreter' script
printf '#!\n' >script
put 126 'cannot be run' script

# A static program of the tests, damaged in one place each (offsets: Elf64_Ehdr, Elf64_Phdr).
good=$(find "$BELLJAR_BUILD/tests/guest" -type f -perm -u+x 2>/dev/null | sort | head -n 1)
if [ -n "$good" ]; then
    patch() { # OFFSET BYTES
        cp "$good" elf
        printf '%b' "$2" | dd of=elf bs=1 seek="$1" conv=notrunc status=none
    }
    patch 4 '\001' && put 126 '32-bit' elf
    patch 5 '\002' && put 126 'big-endian' elf
    patch 18 '\267\000' && put 126 'another machine' elf
    patch 16 '\001\000' && put 126 'not a program' elf
    patch 32 '\377\377\377\377\377\377\377\177' && put 126 'point outside the file' elf
    patch 56 '\377\377' && put 126 'program header count' elf
    patch 54 '\001\000' && put 126 'program header size' elf
    phoff=64
    load=$(readelf -lW "$good" | awk '/^ +(LOAD|NOTE|TLS|GNU_|PHDR|INTERP|DYNAMIC)/ {n++; if ($1 == "LOAD") {print n - 1; exit}}')
    at=$((phoff + 56 * load))
    patch $((at + 8)) '\377\377\377\377\377\377\377\177' && put 126 'outside the file' elf
    patch $((at + 32)) '\377\377\377\377\377\377\000\000' && put 126 'file part is larger|outside' elf
    patch $((at + 16)) '\000\000\000\000\377\177\000\000' && put 126 'outside the 4 GiB' elf
    next=$((at + 56))
    cp "$good" elf && dd if=elf of=elf bs=1 skip=$((at + 16)) seek=$((next + 16)) count=8 conv=notrunc status=none && put 126 'overlap' elf
    head -c 40 "$good" >elf && put 126 'ELF' elf
    head -c 2000 "$good" >elf && put 126 'ELF|outside' elf
fi

# ---------------------------------------------------------------- limits
run 124 'time limit' --timeout 300ms -- bash -c 'while :; do :; done'
run 124 'time limit' --timeout 300ms -- sleep 100
run 153 'output limit of 10 bytes' --output 10 -- bash -c 'while :; do echo hello; done'
[ "$(cat out)" = $'hello\nhell' ] || {
    echo "FAILED: --output 10 let out: $(cat out)"
    failed=1
}

# ---------------------------------------------------------------- a fault report
timeout 60 "$BELLJAR" --image "$BELLJAR_IMAGE" --trace faults -- python3 -c 'import ctypes; ctypes.string_at(8)' >out 2>err
status=$?
for want in 'dies by signal 11: SIGSEGV.*0x8' ' at  .*libc.so.6\+0x' ' code  .*\[' ' rax [0-9a-f]{16}' 'eflags'; do
    grep -Eq "$want" err || {
        echo "FAILED: the fault report lacks: $want"
        cat err
        failed=1
    }
done
[ $status = 139 ] || {
    echo "FAILED: a fault ended with status $status"
    failed=1
}
exit $failed
