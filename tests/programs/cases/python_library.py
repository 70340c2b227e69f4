# The modules of the standard library that lean on the machine or on C: results, not just imports.
# package: python3.11-minimal
# engines: interp eager lockstep
import array, ast, asyncio, base64, binascii, bisect, bz2, calendar, cmath, codecs, collections, configparser, contextvars, copy, csv
import ctypes, ctypes.util, dataclasses, datetime, decimal, difflib, enum, fileinput, fractions, functools, getpass, glob, grp, gzip, hashlib
import heapq, hmac, html, imaplib, inspect, io, itertools, json, linecache, locale, logging, lzma, marshal, math, mimetypes, netrc, operator, os
import pathlib, pickle, platform, pprint, pwd, random, re, resource, sched, secrets, selectors, shelve, shlex, shutil, sqlite3, ssl, statistics
import string, struct, sys, sysconfig, tarfile, tempfile, termios, textwrap, time, timeit, tokenize, tomllib, tracemalloc, types, unicodedata
import urllib.parse, uuid, warnings, weakref, xml.etree.ElementTree, zipfile, zlib, zoneinfo


def show(*what):
    print(*what, flush=True)


show(sys.version_info[:3], sys.byteorder, sys.maxsize, sys.float_info.epsilon, struct.calcsize("P"), sys.getdefaultencoding())
show(math.pi, math.gamma(5.5), math.erf(0.3), math.sin(1e22), math.fsum([0.1] * 10), cmath.sqrt(-2), 0.1 + 0.2, 1e308 * 10, float("nan"), 2 ** 0.5, math.log1p(1e-10))
show([round(x, n) for x, n in ((2.675, 2), (1e16 / 3, -3), (0.5, 0))], divmod(-7, 2), -7 % 3, 7.5 // -2, pow(3, 1000, 1007), 10 ** 40 // 7, hash(2 ** 61), hash(1.5), hash(("a",)) is not None)
show(format(1234567.891, ",.2f"), "%e" % 1e-300, f"{255:#x} {3.14159:.3} {'x':>5} {10**20:,}", "%.17g" % 0.1, repr(1e23), float("1e-320"), float.hex(0.1), float.fromhex("0x1.8p3"))
show(decimal.Decimal(2).sqrt(decimal.Context(prec=50)), decimal.Decimal("1") / 3, fractions.Fraction(0.75), statistics.stdev([1, 2, 3, 4]))
rng = random.Random(42)
show([rng.random() for _ in range(3)], rng.sample(range(100), 5), rng.gauss(0, 1), rng.getrandbits(70))
data = bytes(rng.randrange(256) for _ in range(5000)) + b"abc" * 2000
for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s", "shake_128"):
    h = hashlib.new(name, data)
    show(name, h.hexdigest(16) if name.startswith("shake") else h.hexdigest())
show(hmac.new(b"k", data, "sha256").hexdigest(), hashlib.pbkdf2_hmac("sha256", b"p", b"s", 1000).hex(), hashlib.scrypt(b"p", salt=b"s", n=16, r=8, p=1).hex()[:20], zlib.crc32(data), zlib.adler32(data), binascii.crc_hqx(data, 0))
for packer in (zlib, bz2, lzma, gzip):
    packed = packer.compress(data) if packer is not gzip else gzip.compress(data, mtime=0)
    show(packer.__name__, len(packed), hashlib.md5(packed).hexdigest(), packer.decompress(packed) == data)
show(json.dumps({"a": [1, 2.5, None, True, "é\n"], "b": {}}, indent=1, sort_keys=True), json.loads('[1e400, -0.0, "\\ud83d\\ude00"]'))
show(re.findall(r"(?P<w>\b\w+?)(?=ing)", "testing running"), re.sub(r"(\d+)", lambda m: str(int(m[1]) * 2), "a1b22"), re.split(r"[,;]\s*", "a, b;c"), re.fullmatch("(a|b)*c", "ab" * 1000 + "c").end())
show(pickle.loads(pickle.dumps({1: (2, [3]), "x": {4}}, 5)), marshal.loads(marshal.dumps([1, 2.5, "x"])), copy.deepcopy([[1], {2: [3]}]), ast.literal_eval("{'a': (1, 2)}"))
show(datetime.datetime(2024, 2, 29, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).isoformat(), datetime.date(2024, 1, 1).strftime("%A %d %B %j"), datetime.datetime.fromtimestamp(0, datetime.timezone.utc), calendar.month(2024, 2), time.strftime("%F %T", time.gmtime(1e9)), time.tzname)
d = sqlite3.connect("/tmp/t.db")
d.execute("pragma journal_mode=wal")
d.executescript("create table t(a integer primary key, b text, c real); create index i on t(b);")
with d:
    d.executemany("insert into t(b, c) values(?, ?)", ((str(n * 7919 % 1000), n / 7) for n in range(2000)))
show(d.execute("select count(*), sum(c), max(b), group_concat(a) from t where b like '99%'").fetchall(), d.execute("pragma integrity_check").fetchone(), sqlite3.sqlite_version)
try:
    d.execute("insert into t(a) values(1)")
except sqlite3.IntegrityError as e:
    show(e)
other = sqlite3.connect("/tmp/t.db", timeout=0.1)
d.execute("begin exclusive")
try:
    other.execute("begin exclusive")
except sqlite3.OperationalError as e:
    show(e)
d.rollback()
d.close()
libc = ctypes.CDLL(None, use_errno=True)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0])
numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), compare)
libm = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
libm.pow.restype, libm.pow.argtypes = ctypes.c_double, (ctypes.c_double, ctypes.c_double)
show(list(numbers), libm.pow(2, 0.5), libc.abs(-3), libc.close(99), ctypes.get_errno(), ctypes.string_at(b"abc", 2), libc.getpid() == os.getpid())


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_short), ("z", ctypes.c_longlong, 40)]


show(ctypes.sizeof(Point), Point(1.5, 2, 3).z, bytes(Point(1.0, -1, 5)).hex())


async def ticker(n, delay):
    for i in range(n):
        await asyncio.sleep(delay)
    return n


async def asynchronous():
    show(await asyncio.gather(ticker(3, 0.01), ticker(2, 0.02)))
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError:
        show("timed out")
    p = await asyncio.create_subprocess_exec("sh", "-c", "cat; exit 4", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    show(await p.communicate(b"through a process"), p.returncode)
    show(await asyncio.to_thread(sum, range(10)))
    queue = asyncio.Queue()
    asyncio.get_running_loop().call_later(0.02, queue.put_nowait, "item")
    show(await queue.get())
    loop = asyncio.get_running_loop()
    import signal
    done = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, done.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await done.wait()

    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
    server = await asyncio.start_unix_server(serve, "/tmp/socket")
    reader, writer = await asyncio.open_unix_connection("/tmp/socket")
    writer.write(b"over a socket\n")
    show(await reader.read())
    writer.close()
    server.close()


try:
    asyncio.run(asynchronous())
except OSError as e:
    show("asyncio", e)
with zipfile.ZipFile("/tmp/z.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("a/b.txt", "content" * 100)
show(zipfile.ZipFile("/tmp/z.zip").testzip(), zipfile.ZipFile("/tmp/z.zip").getinfo("a/b.txt").compress_size)
tarfile.open("/tmp/t.tgz", "w:gz").close()
with shelve.open("/tmp/shelf") as s:
    s["k"] = [1, 2]
show(sorted(os.listdir("/tmp")), shelve.open("/tmp/shelf")["k"])
show(list(csv.reader(io.StringIO('a,"b ""q"", c"\r\n1,2\r\n'))), tomllib.loads('a = [1, 2]\n[b]\nc = "d"'), shlex.split("a 'b c' d\\ e"), textwrap.fill("word " * 20, 30), difflib.unified_diff(["a"], ["b"]).__class__.__name__)
show(unicodedata.name("é"), unicodedata.normalize("NFD", "é").encode(), "ß".upper(), "İ".lower().encode(), "ﬁ".casefold(), codecs.encode("héllo", "utf-16-le"), "中".encode("gb18030"), "x".encode("idna"), locale.getlocale())
show(pwd.getpwuid(0).pw_shell, grp.getgrnam("users").gr_gid, getpass.getuser(), platform.machine(), platform.system(), uuid.uuid5(uuid.NAMESPACE_DNS, "x"), mimetypes.guess_type("a.tar.gz"), urllib.parse.urlsplit("http://u@h:8/p?q#f"), html.escape("<&>"))
show(xml.etree.ElementTree.fromstring("<a><b c='d'>t</b></a>").find("b").attrib, ssl.OPENSSL_VERSION[:9], sysconfig.get_platform(), inspect.signature(show), dataclasses.make_dataclass("D", ["x"])(1).x, len(secrets.token_bytes(9)))
show(array.array("d", [1, 2]).tobytes().hex(), memoryview(b"abcd").cast("H")[1], int.from_bytes(b"\x01\x02", "big"), (1 << 100).bit_length(), [*map(int, "123")], heapq.nsmallest(2, [3, 1, 2]), bisect.bisect([1, 3], 2), functools.reduce(operator.mul, range(1, 30)))
t = time.monotonic()
time.sleep(0.05)
show(0.05 <= time.monotonic() - t < 3, time.time() > 1.7e9, time.process_time() > 0, time.perf_counter_ns() > 0, time.get_clock_info("monotonic").monotonic, time.clock_getres(time.CLOCK_MONOTONIC) <= 0.01)
logging.basicConfig(format="%(levelname)s %(message)s")
logging.warning("to stderr")
warnings.warn("a warning")
sys.setrecursionlimit(5000)


def depth(n):
    return n if n == 0 else 1 + depth(n - 1)


show(depth(4000), len(list(itertools.permutations(range(6)))), sum(n * n for n in range(100000)))
try:
    depth(10 ** 6)
except RecursionError as e:
    show(e)
try:
    bytearray(1 << 62)
except MemoryError:
    show("no memory")
sys.exit("the end")
