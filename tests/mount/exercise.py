"""What programs do with files, in the directory argv[1]; what came of it is printed, so that two runs can be compared.

Run natively and in a box on a directory of the host (tests/scripts/mount-same.sh): the lines must be equal.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import socket
import stat
import subprocess
import sys


def say(*words):
    print(*words, flush=True)


def tried(what, call, *args, **kw):
    """Prints what a call gave, or its error."""
    try:
        got = call(*args, **kw)
    except OSError as e:
        say(what, errno.errorcode.get(e.errno, e.errno))
        return None
    say(what, "fine" if got is None else got)
    return got


def put(name, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o644):
    fd = os.open(name, flags, mode)
    try:
        return os.write(fd, data)
    finally:
        os.close(fd)


def get(name):
    with open(name, "rb") as f:
        return f.read()


def show(name):
    s = os.lstat(name)
    mine = s.st_uid == os.getuid()
    say(name, stat.filemode(s.st_mode), s.st_nlink, s.st_size if not stat.S_ISDIR(s.st_mode) else "-", mine)


def plain_files():
    say("write", put("a", b"hello\n"))
    show("a")
    say("append", put("a", b"more\n", os.O_WRONLY | os.O_APPEND))
    say(get("a"))
    tried("excl", os.open, "a", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    tried("missing", os.open, "none", os.O_RDONLY)
    tried("under a file", os.open, "a/b", os.O_RDONLY)
    tried("directory to write", os.open, ".", os.O_WRONLY)
    tried("name too long", os.open, "n" * 256, os.O_CREAT | os.O_WRONLY)
    say("longest name", put("n" * 255, b"x"))
    os.unlink("n" * 255)
    fd = os.open("ro", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o400)
    say("made read-only, written", os.write(fd, b"abc"), os.pread(fd, 10, 0))
    os.close(fd)
    show("ro")
    fd = os.open("a", os.O_RDWR)
    say(os.pwrite(fd, b"J", 0), os.pread(fd, 5, 0), os.lseek(fd, 0, os.SEEK_END), os.lseek(fd, 100, os.SEEK_SET))
    say(os.write(fd, b"far"), os.fstat(fd).st_size, os.pread(fd, 200, 0))
    tried("negative", os.lseek, fd, -1, os.SEEK_SET)
    os.ftruncate(fd, 3)
    say(os.pread(fd, 10, 0), os.fstat(fd).st_size)
    os.ftruncate(fd, 10)
    say(os.pread(fd, 20, 0))
    put("b", b"replaced")
    other = os.open("b", os.O_RDONLY)
    put("c", b"new")
    os.rename("c", "b")
    say("replaced", os.fstat(other).st_nlink, os.read(other, 20), get("b"))
    os.close(other)
    os.unlink("a")
    say("unlinked", os.fstat(fd).st_nlink, os.pread(fd, 3, 0), os.pwrite(fd, b"still", 0), os.pread(fd, 5, 0))
    tried("link of an unlinked file", os.link, f"/proc/self/fd/{fd}", "again", follow_symlinks=True)
    os.fsync(fd)
    os.close(fd)
    two = [os.open("log", os.O_CREAT | os.O_WRONLY | os.O_APPEND) for _ in range(2)]
    for k in range(6):
        os.write(two[k % 2], b"%d\n" % k)
    say("two appenders", get("log"))
    for fd in two:
        os.close(fd)
    tried("read of a file open for writing", lambda: os.read(os.open("log", os.O_WRONLY), 3))


def big_file():
    block = bytes(range(256)) * 4096
    with open("big", "wb", buffering=0) as f:
        for k in range(20):
            f.write(block[k:] + block[:k])
    show("big")
    with open("big", "rb") as f:
        f.seek(7 * len(block) + 5)
        say(f.read(4), sum(get("big")[::9999]))
    with open("sparse", "wb") as f:
        f.truncate(50 << 20)
        f.seek(20 << 20)
        f.write(b"data" * 2000)
    with open("sparse", "rb") as f:
        fd = f.fileno()
        at = os.lseek(fd, 0, os.SEEK_DATA)
        say("data at", at, os.lseek(fd, at, os.SEEK_HOLE), os.stat("sparse").st_blocks < 1000)
        tried("data behind it", os.lseek, fd, 40 << 20, os.SEEK_DATA)
    fd = os.open("sparse", os.O_RDWR)
    tried("fallocate", os.posix_fallocate, fd, 0, 1 << 20)
    say(os.stat("sparse").st_blocks >= 2048)
    os.close(fd)


def names():
    os.mkdir("d", 0o755)
    os.mkdir("d/e", 0o700)
    show("d/e")
    put("d/f", b"1")
    tried("mkdir again", os.mkdir, "d")
    tried("rmdir full", os.rmdir, "d")
    tried("unlink a directory", os.unlink, "d/e")
    tried("rmdir a file", os.rmdir, "d/f")
    os.link("d/f", "d/g")
    show("d/g")
    tried("link over", os.link, "d/f", "d/g")
    tried("link a directory", os.link, "d/e", "d/h")
    os.rename("d/f", "d/e/f")
    say(sorted(os.listdir("d")), os.listdir("d/e"), os.path.samefile("d/g", "d/e/f"))
    tried("rename onto its other name", os.rename, "d/g", "d/e/f")
    say(sorted(os.listdir("d")))
    tried("into itself", os.rename, "d", "d/e/x")
    tried("over a full directory", os.rename, "d/e", "d")
    put("d/k", b"2")
    os.rename("d/k", "d/g")
    say(get("d/g"), get("d/e/f"))
    tried("file over directory", os.rename, "d/g", "d/e")
    tried("directory over file", os.rename, "d/e", "d/g")
    tried("rename missing", os.rename, "d/none", "d/x")
    tried("unlink missing", os.unlink, "d/none")
    os.rename("d", "d2")
    say(sorted(os.listdir("d2")), os.path.exists("d"))
    fd = os.open("d2/e", os.O_RDONLY)
    os.rename("d2/e", "moved")
    put("moved/inside", b"3")
    say("held directory", sorted(os.listdir(fd)), os.stat("f", dir_fd=fd).st_size)
    for name in os.listdir(fd):
        os.unlink(name, dir_fd=fd)
    os.rmdir("moved")
    tried("in a removed directory", os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    os.close(fd)
    here = os.getcwd()
    os.chdir("d2")
    put("../up", b"4")
    say(os.path.basename(os.getcwd()), get("../up"), sorted(os.listdir("..")) == sorted(os.listdir(here)))
    os.chdir(here)


def links():
    os.symlink("d2/g", "sl")
    os.symlink("nowhere", "dangling")
    os.symlink("loop2", "loop1")
    os.symlink("loop1", "loop2")
    os.symlink("d2", "sd")
    os.symlink("x" * 4000, "long")
    say(os.readlink("sl"), len(os.readlink("long")), get("sl"), sorted(os.listdir("sd")))
    show("sl")
    tried("dangling", os.open, "dangling", os.O_RDONLY)
    tried("loop", os.open, "loop1", os.O_RDONLY)
    tried("nofollow", os.open, "sl", os.O_RDONLY | os.O_NOFOLLOW)
    tried("excl on a link", os.open, "dangling", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    say("create through a link", put("dangling", b"5"), get("nowhere"))
    tried("symlink over", os.symlink, "a", "sl")
    tried("readlink of a file", os.readlink, "up")
    os.link("sl", "sl2", follow_symlinks=False)
    say(os.readlink("sl2"))
    os.utime("sl", (1000, 2000), follow_symlinks=False)
    say(os.lstat("sl").st_mtime, os.stat("sl").st_mtime > 100000)
    os.rename("sl", "sl3")
    say(os.path.lexists("sl"), os.readlink("sl3"))


def attributes():
    put("m", b"x")
    for mode in (0o600, 0o755, 0o444, 0o1777, 0o000, 0o640):
        os.chmod("m", mode)
        show("m")
    os.mkdir("md")
    for mode in (0o2775, 0o1777, 0o755):
        os.chmod("md", mode)
        show("md")
    os.utime("m", ns=(1234567890123456789, 987654321987654321))
    s = os.stat("m")
    say(s.st_atime_ns, s.st_mtime_ns)
    before = os.stat("m")
    put("m", b"more", os.O_WRONLY)
    after = os.stat("m")
    say("mtime moves", after.st_mtime_ns > before.st_mtime_ns, after.st_ino == before.st_ino)
    os.utime("m")
    say(os.stat("m").st_mtime_ns >= after.st_mtime_ns)
    tried("chown to the same", os.chown, "m", os.getuid(), os.getgid())
    was = os.umask(0o077)
    put("private", b"")
    os.mkdir("pd")
    show("private")
    show("pd")
    os.umask(was)
    try:
        os.setxattr("m", "user.k", b"value")
        say(os.getxattr("m", "user.k"), os.listxattr("m"))
        tried("create", os.setxattr, "m", "user.k", b"v2", os.XATTR_CREATE)
        os.setxattr("m", "user.k", b"v3", os.XATTR_REPLACE)
        say(os.getxattr("m", "user.k"))
        os.removexattr("m", "user.k")
        tried("gone", os.getxattr, "m", "user.k")
        tried("not there", os.removexattr, "m", "user.k")
    except OSError as e:
        say("no extended attributes", errno.errorcode[e.errno])
    say(os.access("m", os.R_OK | os.W_OK), os.access("m", os.X_OK), os.access("none", os.F_OK))


def many_names():
    os.mkdir("many")
    for k in range(5000):
        put(f"many/file-{k:04}", b"")
    found = [e.name for e in os.scandir("many") if e.is_file(follow_symlinks=False)]
    say(len(found), len(set(found)), sorted(found)[:2], sorted(found)[-1])
    with os.scandir("many") as it:  # removed while they are listed
        for n, e in enumerate(it):
            os.unlink(e.path)
    say(n, os.listdir("many"))
    os.rmdir("many")


def mappings():
    put("map", b"A" * 10000)
    fd = os.open("map", os.O_RDWR)
    shared = mmap.mmap(fd, 10000)
    private = mmap.mmap(fd, 10000, mmap.MAP_PRIVATE)
    say(shared[:3], private[9998:])
    os.pwrite(fd, b"BBB", 0)
    say("write is seen", shared[:4], private[:4])
    shared[4000:4200] = b"C" * 200
    say("store is read", os.pread(fd, 4, 4000), get("map")[4198:4202], private[4100:4103])
    private[0:3] = b"PPP"
    say(os.pread(fd, 3, 0), shared[:3])
    shared.flush()
    shared[9999:10000] = b"Z"
    os.ftruncate(fd, 12000)
    say(os.pread(fd, 5, 9997))
    shared[1:2] = b"!"
    os.close(fd)
    shared.close()
    say("closed", get("map")[:4], len(get("map")))
    child = os.fork()
    if not child:
        fd = os.open("map", os.O_RDWR)
        m = mmap.mmap(fd, 4096)
        m[10:14] = b"exit"
        os._exit(0)
    os.waitpid(child, 0)
    say("at the end", get("map")[10:14])


libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW, NOREPLACE, EXCHANGE = -100, 0x400, 1, 2


def called(what, result):
    say(what, "fine" if result == 0 else errno.errorcode[ctypes.get_errno()] if result < 0 else result)


def less_common_calls():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"no name yet")
    say(os.fstat(fd).st_nlink, stat.filemode(os.fstat(fd).st_mode), os.pread(fd, 7, 3))
    proc = b"/proc/self/fd/%d" % fd
    called("a first name", libc.linkat(AT_FDCWD, proc, AT_FDCWD, b"named", AT_SYMLINK_FOLLOW))
    say(get("named"), os.fstat(fd).st_nlink)
    os.close(fd)
    put("x", b"x")
    put("y", b"y")
    called("noreplace", libc.renameat2(AT_FDCWD, b"x", AT_FDCWD, b"y", NOREPLACE))
    called("exchange", libc.renameat2(AT_FDCWD, b"x", AT_FDCWD, b"y", EXCHANGE))
    say(get("x"), get("y"))
    called("both", libc.renameat2(AT_FDCWD, b"x", AT_FDCWD, b"y", NOREPLACE | EXCHANGE))
    os.mkdir("xd")
    called("exchange with a directory", libc.renameat2(AT_FDCWD, b"xd", AT_FDCWD, b"y", EXCHANGE))
    say(os.path.isdir("y"), get("xd"))
    os.truncate("x", 3)
    say(get("x"))
    tried("truncate a directory", os.truncate, "y", 3)
    put("src", b"0123456789" * 20000)
    src, dst = os.open("src", os.O_RDONLY), os.open("dst", os.O_CREAT | os.O_RDWR)
    say(os.copy_file_range(src, dst, 100000, 5, 0), os.sendfile(dst, src, 100000, 1000), os.fstat(dst).st_size)
    say(os.pread(dst, 12, 99995), os.preadv(dst, [bytearray(3), bytearray(2)], 7), os.pwritev(dst, [b"ab", b"cd"], 3))
    called("punch", libc.fallocate(dst, 3, ctypes.c_long(4096), ctypes.c_long(8192)))
    say(os.pread(dst, 4, 4094), os.pread(dst, 4, 4096), os.fstat(dst).st_size)
    called("keep size", libc.fallocate(dst, 1, ctypes.c_long(0), ctypes.c_long(1 << 20)))
    say(os.fstat(dst).st_size)
    os.close(src)
    os.close(dst)
    fd = os.open("x", os.O_PATH)
    tried("read of O_PATH", os.read, fd, 1)
    say(os.fstat(fd).st_size, get(f"/proc/self/fd/{fd}"))
    os.close(fd)
    say(os.statvfs(".").f_namemax)
    os.utime("y", (5, 6))
    say(os.stat("y").st_mtime)
    d = os.open(".", os.O_RDONLY)
    first = sorted(os.listdir(d))
    put("later", b"")
    say(sorted(set(os.listdir(d)) - set(first)))
    os.fsync(d)
    os.close(d)
    os.sync()


def special():
    os.mkfifo("pipe", 0o622)
    show("pipe")
    child = os.fork()
    if not child:
        with open("pipe", "w") as f:
            f.write("through")
        os._exit(0)
    with open("pipe") as f:
        say(f.read())
    os.waitpid(child, 0)
    s = socket.socket(socket.AF_UNIX)
    s.bind("sock")
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect("sock")
    a, _ = s.accept()
    c.send(b"hi")
    say(a.recv(2), stat.S_ISSOCK(os.stat("sock").st_mode))
    tried("open of a socket", os.open, "sock", os.O_RDONLY)


def locks():
    a, b = open("up", "r+"), open("up", "r+")
    fcntl.flock(a, fcntl.LOCK_EX)
    tried("flock", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(a, fcntl.LOCK_UN)
    tried("flock", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)


def programs():
    put("run.sh", b"#!/bin/sh\necho ran $1\n", mode=0o755)
    say(subprocess.run(["./run.sh", "well"], capture_output=True).stdout)
    put("noexec", b"#!/bin/sh\n", mode=0o644)
    tried("not executable", subprocess.run, ["./noexec"])
    os.makedirs("pkg/sub")
    put("pkg/__init__.py", b"")
    put("pkg/sub/__init__.py", b"value = 41\n")
    put("pkg/__main__.py", b"from pkg.sub import value\nprint(value + 1)\n")
    for _ in range(2):  # compiled, then from __pycache__
        say(subprocess.run([sys.executable, "-m", "pkg"], capture_output=True).stdout)
    say(os.path.isdir("pkg/__pycache__"))


os.chdir(sys.argv[1])
for part in (plain_files, big_file, names, links, attributes, many_names, mappings, less_common_calls, special, locks, programs):
    say(f"-- {part.__name__}")
    part()
