# What tests/scripts/delta.sh runs in boxes: delta_guest.py STEP changes the tree, delta_guest.py show prints all of it.
import ctypes, hashlib, mmap, os, stat, sys

libc = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE = 1, 2


def rename2(a, b, flags):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), flags):
        raise OSError(ctypes.get_errno(), a)


def punch(fd, offset, n):
    keep_size, punch_hole = 1, 2
    if libc.fallocate(fd, keep_size | punch_hole, ctypes.c_long(offset), ctypes.c_long(n)):
        raise OSError(ctypes.get_errno(), "fallocate")


def write(path, data, mode="wb"):
    with open(path, mode) as f:
        f.write(data)


def blob(seed, n):
    return (hashlib.sha256(str(seed).encode()).digest() * (n // 32 + 1))[:n]


def attributes(path):
    if not stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
        return ""
    return " ".join("%s=%s" % (n, hashlib.md5(os.getxattr(path, n)).hexdigest()) for n in sorted(os.listxattr(path)))


def content(path):
    """Where there is data, and the hash of it with its places; zeros that are data count as a hole."""
    digest, ranges, at = hashlib.sha256(), [], 0
    with open(path, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        while at < size:
            try:
                start = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(f.fileno(), start, os.SEEK_HOLE)
            ranges.append("%d-%d" % (start, at))
            for page in range(start, at, 4096):
                data = os.pread(f.fileno(), min(4096, at - page), page)
                if data.strip(b"\0"):
                    digest.update(b"%d:" % page + data)
    return digest.hexdigest() + " " + ",".join(ranges)


def show(path):
    s = os.lstat(path)
    print(path, s.st_ino, oct(s.st_mode), s.st_nlink, s.st_uid, s.st_gid, s.st_rdev, s.st_mtime_ns, s.st_ctime_ns,
          s.st_atime_ns, "" if stat.S_ISDIR(s.st_mode) else s.st_size, attributes(path), end=" ")
    if stat.S_ISLNK(s.st_mode):
        print("->", os.readlink(path))
    elif stat.S_ISREG(s.st_mode):
        print(s.st_blocks, content(path))
    elif stat.S_ISDIR(s.st_mode):
        print()
        for name in sorted(os.listdir(path)):
            show(os.path.join(path, name))
    else:
        print()


def first():
    os.mkdir("/d")
    os.makedirs("/d/a/b/c")
    write("/d/small", b"small")
    write("/d/big", blob(1, 3000001))
    write("/d/empty", b"")
    os.symlink("small", "/d/link")
    os.symlink("x" * 3000, "/d/long")
    os.link("/d/big", "/d/a/hard")
    os.mkfifo("/d/fifo", 0o640)
    os.mknod("/d/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod("/d/disk", stat.S_IFBLK | 0o660, os.makedev(259, 70000))
    os.mknod("/d/socket", stat.S_IFSOCK | 0o600)
    os.chown("/d/small", 1000, 70000)
    os.chmod("/d/small", 0o4751)
    os.utime("/d/empty", ns=(1234567890123456789, 987654321012345678))
    os.setxattr("/d/small", "user.a", b"b")
    os.setxattr("/d/small", "user.big", blob(2, 60000))
    os.setxattr("/d/a", "trusted.x", b"")
    with open("/d/sparse", "wb") as f:
        f.seek(5 << 30)
        f.write(b"end")
        f.seek(1 << 20)
        f.write(b"middle")
    # the image's
    with open("/etc/passwd", "ab") as f:
        f.write(b"appended\n")
    with open("/usr/lib/python3.11/argparse.py", "r+b") as f:  # one page in the middle
        f.seek(40000)
        f.write(b"#" * 100)
    os.truncate("/usr/lib/python3.11/ast.py", 10000)
    os.truncate("/usr/lib/python3.11/ast.py", 20000)
    with open("/usr/lib/python3.11/cgi.py", "r+b") as f:
        punch(f.fileno(), 8192, 8192)
    os.chmod("/usr/lib/python3.11/bisect.py", 0o600)
    os.unlink("/etc/hostname")
    os.rename("/etc/group", "/d/group")
    os.rename("/usr/lib/python3.11/json", "/d/json")
    rename2("/usr/lib/python3.11/abc.py", "/usr/lib/python3.11/this.py", EXCHANGE)
    os.link("/usr/lib/python3.11/types.py", "/d/types")
    for name in os.listdir("/usr/lib/python3.11/wsgiref/__pycache__"):
        os.unlink("/usr/lib/python3.11/wsgiref/__pycache__/" + name)
    os.rmdir("/usr/lib/python3.11/wsgiref/__pycache__")
    write("/etc/hostname", b"again")  # over a name of the image that was gone
    write("/d/gone", b"x")
    os.unlink("/d/gone")
    write("/d/mapped", bytes(40000))
    with open("/d/mapped", "r+b") as f, mmap.mmap(f.fileno(), 40000) as m:
        m[5000:5010] = b"0123456789"
        m.flush()
        m[5005:5007] = b"??"  # after the save: the page has to be seen to change again
        os.fsync(f.fileno())
        m[20000:20003] = b"end"  # and this one is found without a save
    with open("/d/was_open", "w+b") as f:  # an orphan at the end
        f.write(blob(3, 100000))
        os.fsync(f.fileno())
        os.unlink("/d/was_open")
        f.write(b"more")
        os.fsync(f.fileno())


def second():
    os.truncate("/d/big", 1000000)
    os.truncate("/d/big", 1500000)
    with open("/d/big", "r+b") as f:
        f.seek(123456)
        f.write(b"!" * 5000)
        punch(f.fileno(), 200704, 65536)
    with open("/d/sparse", "r+b") as f:
        punch(f.fileno(), 1 << 20, 4096)
        f.seek(3 << 30)
        f.write(b"new")
    os.rename("/d/a/hard", "/d/json/hard")
    os.unlink("/d/link")
    write("/d/link", b"a file now")
    os.rename("/d/small", "/d/empty")
    os.removexattr("/d/empty", "user.a")
    os.setxattr("/d/empty", "user.c", b"d")
    os.rmdir("/d/a/b/c")
    os.rename("/d/a/b", "/d/b")
    os.unlink("/etc/hostname")
    os.rename("/d/json", "/usr/lib/python3.11/json")
    rename2("/usr/lib/python3.11/abc.py", "/usr/lib/python3.11/this.py", EXCHANGE)
    with open("/usr/lib/python3.11/ast.py", "r+b") as f:
        f.seek(30000)
        f.write(b"behind")
    with open("/d/mapped", "r+b") as f, mmap.mmap(f.fileno(), 40000) as m:
        m[39999:] = b"Z"


def names():
    os.mkdir("/many")
    for k in range(3000):
        write("/many/%d" % k, b"")
    for k in range(0, 3000, 2):
        os.unlink("/many/%d" % k)
    d = os.open("/many", os.O_RDONLY)
    os.fsync(d)
    for k in range(0, 300, 2):
        write("/many/%d" % k, b"again")
        os.fsync(d)


step = sys.argv[1]
if step != "show":
    globals()[step]()
for top in ("/d", "/many", "/etc", "/root", "/home", "/usr/lib/python3.11"):
    if os.path.exists(top):
        show(top)
