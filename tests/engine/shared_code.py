# What breaks the sharing of a library's code between processes: shared_code.py LIBRARY, a libz that may be written to.
# Each part prints a line; natively the same ones.
import ctypes, os, signal, sys
from _ctypes import dlclose

PAGE, OFTEN = 4096, 60
R, W, X, PRIVATE, FIXED = 1, 2, 4, 2, 16
library = sys.argv[1]
sys.stdout.reconfigure(line_buffering=True)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def returning(value):
    return b"\xb8" + value.to_bytes(4, "little") + b"\xc3"  # mov eax, value; ret


class Function:
    def __init__(self, name):
        self.call = getattr(ctypes.CDLL(library), name)
        self.call.restype = ctypes.c_ulong
        self.at = ctypes.cast(self.call, ctypes.c_void_p).value
        for line in open("/proc/self/maps"):
            field = line.split()
            lo, hi = (int(x, 16) for x in field[0].split("-"))
            if lo <= self.at < hi:
                self.offset = int(field[2], 16) + self.at - lo  # in the file
        self.page, self.in_page = self.at // PAGE * PAGE, self.at % PAGE

    # What all of some calls returned.
    def often(self):
        values = {self.call() for i in range(OFTEN)}
        return values.pop() if len(values) == 1 else values

    def put(self, value):
        self.often()  # shared until now
        assert libc.mprotect(self.page, 2 * PAGE, R | W | X) == 0
        ctypes.memmove(self.at, returning(value), 6)

    def show(self, fd, offset):
        assert libc.mmap(self.page, PAGE, R | X, PRIVATE | FIXED, fd, offset) == self.page


# What the function returns in a child, after `before`; negative: the signal it died of.
def in_child(before, after=lambda: None):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        before()
        os.write(w, str(function.often()).encode())
        after()
        os._exit(0)
    os.close(w)
    text = os.read(r, 100).decode()
    os.close(r)
    status = os.waitpid(pid, 0)[1]
    return int(text) if status == 0 else -status


def name(value):
    return "itself" if value == original else value


function = Function("zlibCompileFlags")
original = function.often()


def patched_and_closed():
    function.put(42)
    assert libc.mprotect(function.page, 2 * PAGE, R | X) == 0


# Written by one process: the others go on with the file's.
def part_patch():
    print("child", in_child(lambda: function.put(41)), "parent", name(function.often()))
    print("child", in_child(patched_and_closed), "again", name(in_child(lambda: None)), "parent", name(function.often()))
    pid = os.fork()
    if pid == 0:
        function.put(43)
        print("writer", function.often(), "its child", in_child(lambda: None), flush=True)
        os._exit(0)
    for i in range(20):
        function.often()
    os.waitpid(pid, 0)
    print("parent", name(function.often()))


# Another file at the same address, then none, then the library again.
def part_remap():
    with open("other.code", "wb") as f:
        f.write(b"\xcc" * function.in_page + returning(7) + b"\xcc" * PAGE)
    other, own = os.open("other.code", os.O_RDONLY), os.open(library, os.O_RDONLY)
    offset = function.offset // PAGE * PAGE
    for i in range(3):
        values = [in_child(lambda: function.show(other, 0)), in_child(lambda: libc.munmap(function.page, PAGE))]
        function.show(other, 0)
        values.append(function.often())
        libc.munmap(function.page, PAGE)
        values.append(in_child(lambda: None))
        function.show(own, offset)
        values += [name(function.often()), name(in_child(lambda: None))]
        print(*values)
    os.unlink("other.code")


# The file itself is written to while two processes run it, then cut.
def part_overwrite():
    ready_r, ready_w = os.pipe()
    go_r, go_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        values = [name(function.often())]
        os.write(ready_w, b".")
        os.read(go_r, 1)
        values.append(function.often())
        print("child", *values, flush=True)
        os._exit(0)
    os.read(ready_r, 1)
    fd = os.open(library, os.O_RDWR)
    old = os.pread(fd, 6, function.offset)
    os.pwrite(fd, returning(5), function.offset)
    print("parent", function.often(), flush=True)
    os.write(go_w, b".")
    os.waitpid(pid, 0)
    os.pwrite(fd, old, function.offset)
    print("parent", name(function.often()), "child", name(in_child(lambda: None)))


# At more places than are shared at once, in two processes, twice.
def part_many():
    fd = os.open(library, os.O_RDONLY)

    def all_places(n):
        values = set()
        places = [libc.mmap(None, PAGE, R | X, PRIVATE, fd, function.offset // PAGE * PAGE) for i in range(n)]
        for at in places:
            call = ctypes.CFUNCTYPE(ctypes.c_ulong)(at + function.in_page)
            values |= {call() for i in range(4)}
        for at in places:
            assert libc.munmap(at, PAGE) == 0
        return name(values.pop()) if len(values) == 1 else values

    print(all_places(1500), flush=True)
    pid = os.fork()
    result = all_places(700)
    if pid:
        os.waitpid(pid, 0)
    print(result, flush=True)
    if pid == 0:
        os._exit(0)


# Libraries that come and go, at the same addresses.
def part_reload():
    functions = {"libbz2.so.1.0": "BZ2_bzlibVersion", "liblzma.so.5": "lzma_version_string", "libm.so.6": "ilogb"}
    names = list(functions)
    results = set()
    for i in range(60):
        which = names[i * 7 % 3]
        m = ctypes.CDLL(which)
        f = getattr(m, functions[which])
        if which == "libm.so.6":
            f.argtypes = [ctypes.c_double]
        else:
            f.restype = ctypes.c_char_p
        values = {f(8.0) if f.argtypes else f().split(b".")[0] for k in range(OFTEN)}
        results |= {(which, str(v)) for v in values}
        del f
        dlclose(m._handle)
    print(*sorted(results))


for part in (part_patch, part_remap, part_overwrite, part_many, part_reload):
    part()
