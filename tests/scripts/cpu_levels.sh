#!/bin/bash
# --cpu v2 and v3 each tell one story: ld.so's levels, /proc/cpuinfo, the auxiliary vector, and what can be executed.
set -u
failed=0
box() { "$BELLJAR" --image "$BELLJAR_IMAGE" "$@"; }
expect() { # NAME WANTED GOT
    [ "$2" = "$3" ] && return
    printf '%s: expected "%s", got "%s"\n' "$1" "$2" "$3"
    failed=1
}
levels() { box --cpu "$1" /lib64/ld-linux-x86-64.so.2 --help | sed -n 's/^ *x86-64-\(v.\) (supported.*/\1/p' | paste -sd ' '; }
flags() { box --cpu "$1" grep -m1 -owE 'avx2|bmi2|fma|aes|sha_ni|xsave|fsgsbase|avx512f' /proc/cpuinfo | sort | paste -sd ' '; }
auxv() { box --cpu "$1" --env LD_SHOW_AUXV=1 /bin/true | sed -n "s/^$2: *//p"; }

expect 'levels of v2' 'v2' "$(levels v2)"
expect 'levels of v3' 'v3 v2' "$(levels v3)"
expect 'flags of v2' '' "$(flags v2)"
expect 'flags of v3' 'aes avx2 bmi2 fma fsgsbase sha_ni xsave' "$(flags v3)"
expect 'default' "$(flags v3)" "$(box grep -m1 -owE 'avx2|bmi2|fma|aes|sha_ni|xsave|fsgsbase|avx512f' /proc/cpuinfo | sort | paste -sd ' ')"
expect 'AT_HWCAP2 of v2' '0x0' "$(auxv v2 AT_HWCAP2)"
expect 'AT_HWCAP2 of v3' '0x2' "$(auxv v3 AT_HWCAP2)"

# VZEROUPPER and XGETBV: there on v3, #UD on v2.
probe=$(mktemp)
trap 'rm -f "$probe"' EXIT
cat >"$probe" <<'END'
import ctypes, mmap
def run(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex(code) + b"\xc3")
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
import sys
print(run(sys.argv[1]))
END
code() { box --cpu "$1" --put "$probe:/tmp/l.py" python3 /tmp/l.py "$2" 2>&1; }
for bytes in b807000000c5f877 31c931d20f01d0; do
    expect "$bytes on v3" 7 "$(code v3 $bytes)"
    code v2 $bytes >/dev/null
    expect "$bytes on v2" 132 $?
done
box --cpu v4 true >/dev/null 2>&1
expect 'no such level' 125 $?
exit $failed
