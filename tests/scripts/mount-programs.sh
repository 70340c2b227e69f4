#!/bin/bash
# Programs in a directory of the host (--mount): tar, git, libraries from there, mappings larger than the memory, few
# descriptors; the same counts in two deterministic runs; a server that dies; a directory moved away while it is held.
# ctest: TIMEOUT 180
set -euo pipefail
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/m"
box() { timeout 60 "$BELLJAR" "$@" 2>&1 || true; }
sum() { (cd "$1" && find . -printf '%P %y %m %n %l %T@\n' | sort && find . -type f -print0 | sort -z | xargs -0 cat) | sha256sum; }

# ---- tar: made here, unpacked there, packed there, unpacked here
mkdir "$dir/tree"
for k in $(seq 300); do
    mkdir -p "$dir/tree/d$((k % 10))"
    head -c $((k * 97)) /dev/urandom >"$dir/tree/d$((k % 10))/f$k"
done
ln "$dir/tree/d1/f1" "$dir/tree/hard"
ln -s d1/f1 "$dir/tree/soft"
touch -d '2001-02-03 04:05:06.789' "$dir/tree/d2/f2"
chmod 751 "$dir/tree/d3"
chmod 400 "$dir/tree/d4/f4"
tar -C "$dir/tree" --format=posix -cf "$dir/m/in.tar" .
mkdir "$dir/m/there" "$dir/back"
out=$(box --user "$(id -u):$(id -g)" --mount "$dir/m:/m:rw" sh -c 'tar -C /m/there -xpf /m/in.tar && tar -C /m/there --format=posix -cf /m/out.tar . && echo packed')
is tar "$out" packed
tar -C "$dir/back" -xpf "$dir/m/out.tar"
for copy in "$dir/m/there" "$dir/back"; do
    is "$copy" "$(sum "$copy")" "$(sum "$dir/tree")"
done

# ---- git, where there is an image with it
if [ -e "$BELLJAR_IMAGES/userland.ext2" ]; then
    # shellcheck disable=SC2016 # the box's shell expands them
    out=$(box --image "$BELLJAR_IMAGES/userland.ext2" --mount "$dir/m:/m:rw" sh -c 'cd /m && git init -q repository && cd repository &&
        git config user.email me@box && git config user.name me && for k in 1 2 3; do echo $k >f$k && git add . && git commit -qm $k; done &&
        git gc -q && git fsck && git status --short && git log --oneline | wc -l')
    is git "$out" 3
    is "git's files" "$(cat "$dir/m/repository"/f*)" $'1\n2\n3'
fi

# ---- a library from there; /tmp of the box and the mount are two file systems
cp "$(ldconfig -p | sed -n 's/.*libz\.so\.1 .*x86-64.* => //p' | head -1)" "$dir/m/lib.so" 2>/dev/null || true
if [ -s "$dir/m/lib.so" ]; then
    has "a library" "$(box --mount "$dir/m:/m" python3 -c '
import ctypes
z = ctypes.CDLL("/m/lib.so")
print("crc", z.crc32(0, b"123456789", 9) & 0xffffffff)')" "crc 3421780262"
fi
out=$(box --mount "$dir/m:/m:rw" sh -c 'echo x >/tmp/f; ln /tmp/f /m/f; mv /tmp/f /m/f && cat /m/f; stat -f -c %T /m')
has "link across" "$out" "Invalid cross-device link"
has "mv across" "$out" "
x
v9fs"

# ---- more than the memory
head -c 80000000 /dev/urandom >"$dir/m/big"
was=$(sha256sum <"$dir/m/big" | cut -d' ' -f1)
out=$(box --memory 40M --mount "$dir/m:/m:rw" python3 -c '
import hashlib, mmap
f = open("/m/big", "r+b")
m = mmap.mmap(f.fileno(), 0)
h = hashlib.sha256()
for i in range(0, len(m), 1 << 20):
    h.update(m[i:i + (1 << 20)])
print(h.hexdigest())
m[70000000:70000004] = b"seen"
m.flush()
f.seek(70000000)
print(f.read(4))')
is "a big mapping" "$out" "$was
b'seen'"
is "on the host" "$(tail -c +70000001 "$dir/m/big" | head -c 4)" seen
rm "$dir/m/big"

# ---- few descriptors: the server finds files again
mkdir "$dir/few"
for k in $(seq 200); do
    mkdir -p "$dir/few/d$k/e"
    echo "$k" >"$dir/few/d$k/e/f"
done
out=$(ulimit -n 64 && box --mount "$dir/few:/m" python3 -c '
import os
dirs = [os.open(f"/m/d{k}/e", os.O_RDONLY) for k in range(1, 201)]
files = [os.open("f", os.O_RDONLY, dir_fd=d) for d in dirs[:10]]
print(sum(int(open(f"/proc/self/fd/{d}/f").read()) for d in dirs), sum(int(os.read(f, 9)) for f in files))')
is "few descriptors" "$out" "20100 55"

# ---- as often as one likes
for k in 1 2; do
    box --deterministic 3 --report "$dir/r$k" --mount "$dir/m:/m" sh -c 'ls -lR /m | wc -l; cat /m/there/d*/* | wc -c' >"$dir/o$k"
done
diff "$dir/o1" "$dir/o2" || bad "two runs differ"
is "instructions" "$(grep -o '"instructions": [0-9]*' "$dir/r1")" "$(grep -o '"instructions": [0-9]*' "$dir/r2")"

# ---- the box's own inotify and locks
has inotify "$(box --mount "$dir/m:/m:rw" python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
n = libc.inotify_init1(0o4000)
libc.inotify_add_watch(n, b"/m", 0xfff)
open("/m/watched", "w").close()
os.unlink("/m/watched")
print(os.read(n, 4000).count(b"watched"))')" 4

# ---- the server dies: errors, no waiting
coproc timeout 60 "$BELLJAR" --mount "$dir/m:/m:rw" sh -c 'echo ready; read -r _; cat /m/in.tar; echo x >/m/y; ls /m; echo end' 2>&1
pid=$COPROC_PID
read -r line <&"${COPROC[0]}"
is ready "$line" ready
broker=$(pgrep -P "$pid" -f belljar) # timeout's child
kill -9 "$(pgrep -o -P "$broker")" # the server is forked first
echo >&"${COPROC[1]}"
out=$(cat <&"${COPROC[0]}")
is "without a server" "$(grep -c 'Input/output error' <<<"$out")" 3
has "without a server" "$out" end
wait "$pid" || true

# ---- moved away while the box stands in it: no way out, where the kernel has landlock(7)
if python3 -c 'import ctypes; raise SystemExit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 2)'; then
    mkdir -p "$dir/m/held" "$dir/away"
    echo held >"$dir/m/held/f"
    coproc timeout 60 "$BELLJAR" --mount "$dir/m:/m:rw" sh -c 'cd /m/held; cat f; read -r _; cat f; echo x >g; echo end' 2>&1
    pid=$COPROC_PID
    read -r line <&"${COPROC[0]}"
    is held "$line" held
    mv "$dir/m/held" "$dir/away/held"
    echo >&"${COPROC[1]}"
    out=$(cat <&"${COPROC[0]}")
    is "moved away" "$(grep -c 'Permission denied' <<<"$out")" 2
    wait "$pid" || true
fi
exit "$failed"
