#!/bin/bash
# What a box writes into a delta is what the image that `belljar image commit` makes shows in a box of its own; `image
# diff` lists it, `image export` takes it out without a box, and writes nowhere else.
# ctest: TIMEOUT 300
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
dir=$(mktemp -d) && trap 'chmod -R u+rwx "$dir"; rm -rf "$dir"' EXIT
cd "$dir" || exit 1

box() { "$BELLJAR" --memory 512M --timeout 100s "$@"; }

cat >make.py <<'END'
import os, random
r = random.Random(5)
top = '/srv/t'
os.makedirs(top + '/deep/' + '/'.join(['d'] * 30))
dirs, files = [top], []
for n in range(400):
    d = r.choice(dirs)
    path = '%s/%s%d' % (d, r.choice(['f', 'name with blanks ', '\u00e4', 'x' * 200]), n)
    kind = r.random()
    if kind < 0.15:
        os.mkdir(path, 0o751)
        dirs.append(path)
    elif kind < 0.2:
        os.symlink(r.choice(['/etc/passwd', '../../..', 'y' * 500]), path)
    elif kind < 0.23:
        os.mkfifo(path, 0o640)
    elif kind < 0.25:
        os.mknod(path, 0o020600, os.makedev(r.randrange(4000), r.randrange(100000)))
    elif kind < 0.35 and files:
        os.link(r.choice(files), path)
    else:
        with open(path, 'wb') as f:
            f.seek(r.choice([0, 0, 0, 5000, 1 << 20]))
            f.write(r.randbytes(r.choice([0, 1, 100, 4096, 5000, 100000])))
        os.chmod(path, r.randrange(0o10000))
        os.chown(path, r.randrange(1 << 31), r.randrange(100000))
        os.utime(path, ns=(r.randrange(1 << 62), r.randrange(1 << 62)))
        files.append(path)
    if kind > 0.9:
        os.setxattr(path, 'user.n%d' % n, r.randbytes(30))
for path in r.sample(files, 60):
    os.truncate(path, r.choice([0, 3, 4096, 70000]))
for path in r.sample(files, 30):
    os.rename(path, path + '.moved')
for path in r.sample(dirs[1:], 5):
    os.rename(path, top + '/' + os.path.basename(path) + '.moved') if os.path.exists(path) else None
big = top + '/many'
os.mkdir(big)
for n in range(2000):
    os.close(os.open('%s/entry-%d' % (big, n), os.O_CREAT))
for n in range(0, 2000, 3):
    os.unlink('%s/entry-%d' % (big, n))
# Files of the image: changed in the middle, cut, longer, removed, moved, with another mode.
lib = os.path.dirname(os.__file__)
with open(lib + '/argparse.py', 'r+b') as f:
    f.seek(9000)
    f.write(b'# changed here')
os.truncate(lib + '/ast.py', 5001)
with open(lib + '/base64.py', 'ab') as f:
    f.write(b'#' * 10000)
os.unlink(lib + '/calendar.py')
os.rename(lib + '/cgi.py', '/srv/cgi.py')
os.chmod(lib + '/cmd.py', 0o600)
os.rename(lib + '/json', '/srv/json')
os.link(lib + '/code.py', '/srv/code-too.py')
END

cat >list.py <<'END'
import hashlib, os, stat, sys
seen = {}
def line(path, shown):
    s = os.lstat(path)
    what = ''
    if stat.S_ISREG(s.st_mode):
        with open(path, 'rb') as f:
            what = hashlib.sha256(f.read()).hexdigest()
    if stat.S_ISLNK(s.st_mode):
        what = os.readlink(path)
    first = seen.setdefault(s.st_ino, shown) if s.st_nlink > 1 and not stat.S_ISDIR(s.st_mode) else ''
    x = [(n, os.getxattr(path, n, follow_symlinks=False)) for n in sorted(os.listxattr(path, follow_symlinks=False))]
    print(ascii(shown), oct(s.st_mode), s.st_nlink, s.st_uid, s.st_gid, s.st_rdev,
          0 if stat.S_ISDIR(s.st_mode) else s.st_size, s.st_mtime_ns, s.st_ctime_ns, what, first, x)
for top in sys.argv[1:]:
    line(top, top)
    for root, dirs, files in os.walk(top):
        dirs.sort()
        for name in sorted(dirs + files):
            line(root + '/' + name, root + '/' + name)
END

image=$BELLJAR_IMAGE
box --delta x.delta --put make.py:/tmp/make.py -- python3 /tmp/make.py || bad "the box that writes"
box --delta x.delta --put list.py:/tmp/list.py -- python3 /tmp/list.py /srv /usr/lib /etc >want || bad "the box that lists"
[ "$(wc -l <want)" -gt 2000 ] || bad "the list is short"

"$BELLJAR" image commit "$image" x.delta -o new.ext2 >log || bad "commit"
has "what commit says" "$(cat log)" "files written"
e2fsck -fn new.ext2 >log 2>&1 || bad "e2fsck: $(cat log)"
box --image new.ext2 --put list.py:/tmp/list.py -- python3 /tmp/list.py /srv /usr/lib /etc >got || bad "the box of the new image"
cmp want got || bad "$(diff want got | head -n 6)"
"$BELLJAR" image commit "$image" x.delta -o again.ext2 >log || bad "commit again"
cmp new.ext2 again.ext2 || bad "the same image and delta gave something else"
is "what is left beside it" "$(find . -name 'new.ext2?*' -o -name 'again.ext2?*')" ""

# --size
"$BELLJAR" image commit "$image" x.delta --size 200M -o large.ext2 >log || bad "commit --size"
e2fsck -fn large.ext2 >log 2>&1 || bad "e2fsck of the larger one: $(cat log)"
is "its size" "$(stat -c %s large.ext2)" $((200 << 20))
rm -f again.ext2 large.ext2

# diff
"$BELLJAR" image diff "$image" x.delta >changes || bad "diff"
lib=$(dirname "$(sed -n 's/^M \(.*argparse.py\)$/\1/p' changes)")
for line in "M $lib/ast.py" "M $lib/base64.py" "D $lib/calendar.py" "D $lib/cgi.py" "A /srv/cgi.py" "m $lib/cmd.py" "D $lib/json" \
    "D $lib/json/__init__.py" "A /srv/json/__init__.py" "A /srv/code-too.py" "A /srv/t/many/entry-1"; do
    grep -qxF -- "$line" changes || bad "diff does not say '$line'"
done
! grep -q "entry-3$\|code.py$\|A .*/etc" changes || bad "diff says too much"

# export
one=$lib/argparse.py
"$BELLJAR" image export --delta x.delta "$image" "$one" >one.py || bad "export to the standard output"
grep -q '# changed here' one.py || bad "export gave the image's own"
"$BELLJAR" image export "$image" "$one" -o plain.py || bad "export without a delta"
! grep -q '# changed here' plain.py || bad "export without a delta gave the delta's"
mkdir into
"$BELLJAR" image export --delta x.delta "$image" "$one" -o into || bad "export into a directory"
cmp one.py into/argparse.py || bad "export into a directory: another content"
"$BELLJAR" image export --delta x.delta "$image" "$one" -o into 2>log && bad "export replaced a file"
has "export onto a file" "$(cat log)" "File exists"
"$BELLJAR" image export --delta x.delta "$image" /srv/t -o tree 2>log || bad "export of a tree: $(cat log)"
has "what is left out is said" "$(cat log)" "left out"
has "what is dropped is said" "$(cat log)" "set-user-ID"
"$BELLJAR" image export --delta x.delta "$image" /srv/t >tree.tar || bad "export of a tar stream"
"$BELLJAR" image export "$image" /srv/t 2>log && bad "export of what is not there"
has "export of what is not there" "$(cat log)" "No such file"
# The content of all files, by their paths.
sed -n "s/^'\/srv\/t\/\([^']*\)' 0o10[0-7]* .* \([0-9a-f]\{64\}\) .*/\2  \1/p" want | grep -vF "\\" >sums
[ "$(wc -l <sums)" -gt 1000 ] || bad "few sums"
chmod -R u+r tree
(cd tree && sha256sum --quiet -c ../sums) || bad "files of the tree"
is "bits that are not for strangers' files" "$(find tree -perm /7000)" ""
is "devices" "$(find tree -type c -o -type b -o -type p)" ""
mkdir untar
tar -C untar -xf tree.tar --no-same-owner 2>log || [ "$EUID" -ne 0 ] || bad "tar: $(tail -n 3 log)" # others make no devices
chmod -R u+rX untar
(cd untar && sha256sum --quiet -c ../sums) || bad "files of the stream"
tar -tvf tree.tar --numeric-owner >log || bad "tar -t"
has "a tar stream keeps devices" "$(cat log)" "
c"

# Links of the tree lead nowhere.
box --delta evil.delta -- sh -c 'mkdir /srv/e /srv/e/d; ln -s /tmp /srv/e/out; ln -s ../../.. /srv/e/d/up; echo x >/srv/e/d/x; sync' || bad "box"
"$BELLJAR" image export --delta evil.delta "$image" /srv/e -o evil || bad "export of links"
is "a link stays one" "$(readlink evil/out) $(readlink evil/d/up)" "/tmp ../../.."
ln -s evil link
"$BELLJAR" image export --delta evil.delta "$image" /srv/e -o link 2>log && bad "export into a full directory"
has "export into a full directory" "$(cat log)" "not empty"

# What is refused.
refused() { # WHAT PART COMMAND...
    local what=$1 part=$2
    shift 2
    "$@" 2>log >/dev/null && bad "$what: not refused"
    is "$what: lines" "$(wc -l <log)" 1
    has "$what" "$(cat log)" "$part"
}
cp "$image" other.ext2 && printf x | dd of=other.ext2 bs=1 seek=1144 conv=notrunc status=none # the label's first byte
refused "another image" "another image" "$BELLJAR" image diff other.ext2 x.delta
refused "onto the image" "another file" "$BELLJAR" image commit other.ext2 x.delta -o other.ext2
refused "onto the delta" "another file" "$BELLJAR" image commit "$image" x.delta -o x.delta
refused "no delta" "no delta file" "$BELLJAR" image commit "$image" "$image" -o y.ext2
refused "nothing" "No such file" "$BELLJAR" image commit "$image" nothing -o y.ext2
refused "a packed image" "image unpack" "$BELLJAR" image commit dir/manifest x.delta -o y.ext2
refused "a URL" "downloaded first" "$BELLJAR" image export https://example.org/x.ext2 /etc
refused "no -o" "-o NEW" "$BELLJAR" image commit "$image" x.delta
refused "a directory that is not there" "No such file" "$BELLJAR" image commit "$image" x.delta -o nothing/y.ext2
if command -v sqlite3 >/dev/null; then
    sqlite3 evil.delta "INSERT INTO name SELECT ino, x'7a', ino, type FROM name WHERE name = x'64'" # d/z is d
    refused "a directory in itself: diff" "two names" "$BELLJAR" image diff "$image" evil.delta
    refused "a directory in itself: export" "two names" "$BELLJAR" image export --delta evil.delta "$image" /srv -o loop
    refused "a directory in itself: commit" "two names" "$BELLJAR" image commit "$image" evil.delta -o y.ext2
fi
box --delta full.delta -- sh -c 'head -c 120000000 /dev/zero | tr "\0" x >/srv/full; sync' || bad "the box that fills"
refused "too small" "MB are missing: --size" "$BELLJAR" image commit "$image" full.delta -o y.ext2
said=$(sed -n 's/.*--size \([0-9]*M\).*/\1/p' log)
"$BELLJAR" image commit "$image" full.delta --size "$said" -o y.ext2 >log 2>&1 || bad "the size that was said: $(cat log)"
e2fsck -fn y.ext2 >log 2>&1 || bad "e2fsck of the size that was said: $(cat log)"
exit $failed
