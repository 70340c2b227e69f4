#!/bin/bash
# Nothing leads out of a directory of the host in a box: links, "..", renames while it looks; what is given read-only stays
# as it is; devices and FIFOs of the host are not opened. And what --mount refuses.
# ctest: TIMEOUT 120
set -euo pipefail
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
dir=$(mktemp -d)
swapper=
trap 'rm -rf "$dir"; [ -z "$swapper" ] || kill "$swapper"' EXIT
mkdir -p "$dir/in/sub/deep" "$dir/out/deep"
echo secret >"$dir/out/secret"
echo data >"$dir/in/file"
box() { timeout 60 "$BELLJAR" "$@" 2>&1 || true; }
refused() { # WHAT OPTIONS...
    local out
    out=$(timeout 20 "$BELLJAR" "${@:2}" -- echo started 2>&1 || echo status $?)
    lacks "$1" "$out" started
    is "$1: lines" "$(wc -l <<<"$out")" 2
    has "$1" "$out" "status 125"
    printf '%s\n' "$out"
}

# ---- links: all are the box's
ln -s /etc/hostname "$dir/in/absolute"
ln -s "$dir/out/secret" "$dir/in/secret"
ln -s ../../../../../../../../..//"$dir/out/secret" "$dir/in/up"
ln -s ../out/secret "$dir/in/next"
ln -s / "$dir/in/root"
ln -s root/etc "$dir/in/chain"
ln -s ../.. "$dir/in/sub/dots"
out=$(box --mount "$dir/in:/a/b/c" sh -c '
    cat /a/b/c/absolute /a/b/c/secret /a/b/c/up /a/b/c/next
    ls -d /a/b/c/root/usr /a/b/c/chain/passwd; cat "/a/b/c/root'"$dir"'/out/secret" /a/b/c/../out/secret
    cd /a/b/c/sub; cat ../../out/secret ../../../out/secret; cd -P dots && pwd; cd /a/b/c/..; pwd; ls')
lacks links "$out" "$(cat "$dir/out/secret")
"
lacks links "$out" "secret
secret"
is "links that lead nowhere in the box" "$(grep -c "No such file" <<<"$out")" 7
has links "$out" "/a/b/c/chain/passwd
/a/b/c/root/usr"
has "the box's host name" "$out" "belljar"
has dots "$out" "
/a/b
/a/b
c"

# ---- read-only
before=$(find "$dir/in" -printf '%p %m %s %T@ %C@\n' | sort)
out=$(box --mount "$dir/in:/m" python3 -c '
import errno, os
def t(call, *a, **k):
    try:
        call(*a, **k)
        print("done", call, a)
    except OSError as e:
        print(errno.errorcode[e.errno])
os.chdir("/m")
t(os.open, "file", os.O_WRONLY); t(os.open, "new", os.O_CREAT | os.O_WRONLY); t(os.truncate, "file", 1)
t(os.mkdir, "d"); t(os.unlink, "file"); t(os.rmdir, "sub/deep"); t(os.rename, "file", "f2"); t(os.link, "file", "f2")
t(os.symlink, "x", "s"); t(os.mkfifo, "p"); t(os.chmod, "file", 0o777); t(os.utime, "file"); t(os.chown, "file", 0, 0)
t(os.setxattr, "file", "user.a", b"1")
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print("remounted", libc.mount(b"none", b"/m", None, 32 | 1 << 12, None))  # by root of the box: only what it shows
t(os.open, "file", os.O_WRONLY); t(os.unlink, "file"); t(os.mkdir, "d"); t(os.chmod, "file", 0o777); t(os.truncate, "file", 1)
')
is "read-only" "$(sort -u <<<"$out" | tr '\n' ' ')" "EROFS remounted 0 "
is "nothing changed" "$(find "$dir/in" -printf '%p %m %s %T@ %C@\n' | sort)" "$before"

# ---- what is not data
mkfifo "$dir/in/fifo"
python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$dir/in/socket"
out=$(box --mount "$dir/in:/m:rw" --mount /dev:/d sh -c '
    echo through >/m/fifo & cat /m/fifo; cat /m/socket; cat /d/null; echo x >/d/null; mknod /m/null c 1 3; ls -l /d/zero')
has FIFO "$out" through
is "sockets and devices" "$(grep -cE 'No such device or address|(cannot open|cannot create|null:).*Permission denied|mknod:.*Operation not permitted' <<<"$out")" 4
has "a device is shown" "$out" "1, 5"
lacks "a device made" "$(ls "$dir/in")" null

# ---- rights
chmod 640 "$dir/in/file"
out=$(box --user 1234:5678 --mount "$dir/in:/m:rw" --mount /etc:/e sh -c '
    id -u; stat -c "%u %g %a" /m/file; touch /m/mine; stat -c "%u %g" /m/mine; chmod 6755 /m/mine; stat -c %a /m/mine
    chown 1:1 /m/mine; mkdir /m/dir; chmod 2770 /m/dir; stat -c %a /m/dir; grep " /m " /proc/mounts; grep -c "'"$dir"'" /proc/mounts /proc/self/mountinfo')
has owners "$out" "1234
1234 5678 640
1234 5678
755"
has chown "$out" "Operation not permitted"
has "set-group-ID of a directory" "$out" "
2770
host /m belljar rw,nosuid,nodev"
has "no paths of the host" "$out" "/proc/mounts:0
/proc/self/mountinfo:0"
is "whose it is outside" "$(stat -c '%u %a' "$dir/in/mine")" "$(id -u) 755"
if [ "$(id -u)" != 0 ]; then
    out=$(box --mount /etc:/e sh -c 'stat -c %u /e/passwd; echo x >>/e/passwd; cat /e/shadow')
    has "another's" "$out" 65534
    is "rights of the host" "$(grep -c 'Permission denied' <<<"$out")" 1
fi

# ---- other file systems beneath are not shown: /proc has what is inside of the server
out=$(box --mount /:/host sh -c 'ls /host/etc/passwd; ls /host/proc/self /host/proc/1; echo $?')
has root "$out" "/host/etc/passwd"
lacks proc "$out" status

# ---- what the host does meanwhile is seen
mkfifo "$dir/told"
coproc timeout 60 "$BELLJAR" --mount "$dir/in:/m" sh -c 'read -r _; cat /m/now; read -r _; cat /m/now; ls /m/sub; read -r _; ls /m/now 2>&1; echo end'
pid=$COPROC_PID
echo one >"$dir/in/now"
echo >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
is "made meanwhile" "$line" one
echo two >"$dir/in/now"
mv "$dir/in/sub/deep" "$dir/in/sub/renamed"
echo >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
is "changed meanwhile" "$line" two
read -r line <&"${COPROC[0]}"
read -r line <&"${COPROC[0]}" || true
rm "$dir/in/now"
echo >&"${COPROC[1]}"
is "renamed meanwhile" "$line" renamed
read -r line <&"${COPROC[0]}"
has "removed meanwhile" "$line" "No such file"
wait "$pid" || true

# ---- a directory that becomes a link, and back, thousands of times
mkdir -p "$dir/race/swapped/deep"
echo inside >"$dir/race/swapped/deep/file"
echo outside >"$dir/out/deep/file"
ln -s "$dir/out" "$dir/race/link"
cp -a "$dir/out" "$dir/out.was"
python3 "$BELLJAR_SOURCE/tests/mount/swap.py" "$dir/race/swapped" "$dir/race/link" &
swapper=$!
out=$(box --mount "$dir/race:/m:rw" --mount "$BELLJAR_SOURCE/tests/mount:/tests" python3 /tests/race.py /m 4)
kill "$swapper"
wait "$swapper" || true
swapper=
has "a race" "$out" True
has "a race" "$out" inside
lacks "a race" "$out" outside
diff -r "$dir/out" "$dir/out.was" || bad "a race: something outside was changed"
lacks "a race" "$(find "$dir/out")" new

# ---- refused
has "a file" "$(refused "a file" --mount "$dir/in/file:/m")" "--put"
has "missing" "$(refused missing --mount "$dir/none:/m")" "No such file"
has "/proc" "$(refused /proc --mount /proc:/m)" "kernel's own"
has "twice" "$(refused twice --mount "$dir/in:/m" --mount "$dir/out:///m/")" "twice"
has "no place" "$(refused "no place" --mount "$dir/in")" "HOST:GUEST"
has "relative place" "$(refused "relative place" --mount "$dir/in:m")" "HOST:GUEST"
has "the root" "$(refused "the root" --mount "$dir/in:/")" "not a place"
has "a file as place" "$(refused "a file as place" --mount "$dir/in:/etc/passwd")" "Not a directory"
has "in a mount" "$(refused "in a mount" --mount "$dir/in:/m" --mount "$dir/out:/m/none/x")" "no such directory"
# ---- and taken: relative, with colons, one in another
mkdir "$dir/with:/colon:rw" 2>/dev/null || mkdir -p "$dir/with:/colon:rw"
echo here >"$dir/with:/colon:rw/f"
is "colons" "$(cd "$dir" && box --mount "with:/colon:rw:/m:ro" cat /m/f)" here
is "one in another" "$(box --mount "$dir/in:/m" --mount "$dir/with::/m/sub" ls /m/sub)" "colon:rw"
is "a program of the host's" "$(cp /bin/true "$dir/in/prog" && box --mount "$dir/in:/m" /m/prog && echo ran)" ran
exit "$failed"
