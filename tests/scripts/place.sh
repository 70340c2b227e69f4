#!/bin/bash
# A file lies at the same address in all programs, whatever else they map and in whichever order; and what needs much
# room still finds it.
set -u
failed=0
box() { "$BELLJAR" --image "$BELLJAR_IMAGE" "$@"; }
expect() { # NAME WANTED GOT
    [ "$2" = "$3" ] && return
    printf '%s: expected "%s", got "%s"\n' "$1" "$2" "$3"
    failed=1
}
starts() { # of libraries, as PATH ADDRESS; from /proc/PID/maps
    awk '$6 ~ /\.so/ && !seen[$6]++ { sub(/-.*/, "", $1); print $6, $1 }' | sort
}
common() { # of libc and ld.so only
    grep -E '/(libc\.so\.6|ld-linux-x86-64\.so\.2) ' <<<"$1"
}
show='print(open("/proc/self/maps").read())'
cat=$(box cat /proc/self/maps | starts)
python=$(box python3 -c "$show" | starts)
expect 'libc and ld.so are there' 2 "$(common "$cat" | wc -l)"
expect 'in another program' "$(common "$cat")" "$(common "$python")"
expect 'in a child' "$(common "$cat")" "$(common "$(box sh -c 'true; (cat /proc/self/maps; true)' | starts)")"
expect 'in another run' "$cat" "$(box --deterministic 1 cat /proc/self/maps | starts)"
expect 'with another library before' "$(common "$cat")" "$(common "$(box --env LD_PRELOAD=libm.so.6 cat /proc/self/maps | starts)")"

modules=$(mktemp)
trap 'rm -f "$modules"' EXIT
cat >"$modules" <<'END'
import importlib, mmap, sys
names = ["_json", "_decimal", "_sqlite3", "_ctypes", "_bz2", "_lzma", "_ssl", "_hashlib"]
for name in names if sys.argv[1] == "up" else names[::-1]:
    try: importlib.import_module(name)
    except ImportError: pass
room = mmap.mmap(-1, 2560 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=0)  # MAP_NORESERVE
print(open("/proc/self/maps").read())
END
modules() { box --put "$modules:/tmp/m.py" python3 /tmp/m.py "$1" | starts; }
up=$(modules up)
expect 'modules are there' yes "$([ "$(wc -l <<<"$up")" -ge 8 ] && echo yes)"
expect 'in another order' "$up" "$(modules down)"
expect 'with more libraries' "$python" "$(grep -Ff <(cut -d' ' -f1 <<<"$python") <<<"$up")"
exit $failed
