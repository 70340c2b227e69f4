# Python's servers and clients: http.server with urllib, http.client and curl, TLS on the loopback, asyncio's streams, processes, signals and time-outs.
# image: userland
# package: python3 curl openssl
import asyncio
import contextlib
import ftplib
import http.client
import http.cookiejar
import http.server
import json
import os
import selectors
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
import xmlrpc.client
import xmlrpc.server


def show(*what):
    print(*what, flush=True)


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.answer(200, json.dumps(urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())).encode())

    def do_GET(self):
        if self.path.startswith("/echo"):
            self.answer(200, (self.path + " " + self.headers.get("Cookie", "none")).encode(), {"Set-Cookie": "seen=yes; Path=/"})
        elif self.path == "/redirect":
            self.answer(302, b"", {"Location": "/echo?redirected"})
        elif self.path == "/private":
            known = self.headers.get("Authorization") == "Basic dTpw"
            self.answer(200 if known else 401, b"private", {} if known else {"WWW-Authenticate": 'Basic realm="r"'})
        else:
            super().do_GET()

    def answer(self, code, body, headers={}):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def curl(*args):
    r = subprocess.run(["curl", "-sS", "--max-time", "20", *args], capture_output=True)
    return r.returncode, r.stdout[:200], r.stderr[:200]


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def web():
    os.makedirs("/tmp/site/d", exist_ok=True)
    os.chdir("/tmp/site")
    with open("numbers.txt", "w") as f:
        f.writelines(f"{n}\n" for n in range(30000))
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        base = f"http://127.0.0.1:{port}"
        show(len(urllib.request.urlopen(base + "/numbers.txt").read()), curl(base + "/d/"), len(curl(base + "/numbers.txt")[1]))
        show(urllib.request.urlopen(base + "/form", urllib.parse.urlencode({"a": "1 2", "b": "é"}).encode()).read(), curl("-d", "x=1&y=2", base + "/form"))
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        show(opener.open(base + "/redirect").read(), opener.open(base + "/echo").read(), curl("-L", "-c", "/tmp/jar", "-b", "/tmp/jar", base + "/redirect"))
        try:
            urllib.request.urlopen(base + "/private")
        except urllib.error.HTTPError as e:
            show(e.code, e.read(), curl("-u", "u:p", base + "/private"))
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for n in range(3):
            connection.request("GET", f"/echo{n}")
            show(connection.getresponse().read())
        show(connection.sock is not None, curl("-I", base + "/missing")[1][:22], curl("-r", "0-3", base + "/numbers.txt")[0])
        show(curl(*[f"{base}/echo{n}" for n in range(5)])[1])
    show(curl(base)[0])
    process = subprocess.Popen(["python3", "-m", "http.server", "8010", "--bind", "::1", "--directory", "/tmp/site"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    show(curl("--retry-connrefused", "--retry", "20", "--retry-delay", "1", "-g", "http://[::1]:8010/numbers.txt", "-o", "/tmp/n", "-w", "%{http_code} %{size_download}")[:2])
    process.terminate()
    show(process.wait())


def others():
    class Upper(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(line.upper())

    class Forking(socketserver.ForkingMixIn, socketserver.TCPServer):
        allow_reuse_address = True

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self):
            self.request[1].sendto(self.request[0][::-1], self.client_address)

    with serving(Forking(("127.0.0.1", 0), Upper)) as port:
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for n, c in enumerate(clients):
            c.sendall(b"line %d\n" % n * 2)
            c.shutdown(socket.SHUT_WR)
        show([b"".join(iter(lambda: c.recv(100), b"")) for c in clients])
    with serving(socketserver.ThreadingUDPServer(("127.0.0.1", 0), Datagrams)) as port:
        s = socket.socket(type=socket.SOCK_DGRAM)
        s.sendto(b"datagram", ("127.0.0.1", port))
        show(s.recvfrom(100)[0])
    server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
    server.register_function(pow)
    with serving(server) as port:
        proxy = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}")
        show(proxy.pow(2, 10))
        try:
            proxy.pow("x", 1)
        except xmlrpc.client.Fault as e:
            show(e.faultString[:30])
    try:
        ftplib.FTP().connect("127.0.0.1", 9, 5)
    except ConnectionRefusedError as e:
        show(e)
    selector = selectors.DefaultSelector()
    a, b = socket.socketpair()
    selector.register(a, selectors.EVENT_READ, "a")
    b.send(b"1")
    show(type(selector).__name__, [(k.data, e) for k, e in selector.select(1)], socket.getaddrinfo("localhost", "http", type=socket.SOCK_STREAM)[0][4][1])


def tls():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/tmp/key.pem", "-out", "/tmp/cert.pem",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], stderr=subprocess.DEVNULL, check=True)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain("/tmp/cert.pem", "/tmp/key.pem")
    theirs = ssl.create_default_context(cafile="/tmp/cert.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = ours.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        show(urllib.request.urlopen(f"https://localhost:{port}/echo", context=theirs).read(), len(urllib.request.urlopen(f"https://127.0.0.1:{port}/numbers.txt", context=theirs).read()))
        show(curl("--cacert", "/tmp/cert.pem", f"https://localhost:{port}/echo"), curl(f"https://localhost:{port}/echo")[0])
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile="/tmp/cert.pem")
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as s:
                show(s.version(), s.cipher()[0], s.getpeercert()["subject"], s.session_reused)
        try:
            with socket.create_connection(("127.0.0.1", port)) as plain:
                theirs.wrap_socket(plain, server_hostname="other")
        except ssl.SSLCertVerificationError as e:
            show(e.verify_message)
    return ours, theirs


async def streams(ours, theirs):
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    for server_side, client_side, name in ((None, None, None), (ours, theirs, "localhost")):
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
        port = server.sockets[0].getsockname()[1]

        async def client(n):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side, server_hostname=name)
            writer.writelines(b"client %d %d\n" % (n, i) for i in range(50))
            lines = [await reader.readline() for _ in range(50)]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            return len(lines), lines[-1]

        show((await asyncio.gather(*map(client, range(20))))[7])
        server.close()
        await server.wait_closed()


class Echo(asyncio.DatagramProtocol):
    def __init__(self, got=None):
        self.got = got

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if self.got:
            self.got.set_result(data)
        else:
            self.transport.sendto(data + b"!", address)


async def the_rest():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    got = loop.create_future()
    other, _ = await loop.create_datagram_endpoint(lambda: Echo(got), remote_addr=transport.get_extra_info("sockname"))
    other.sendto(b"datagram")
    show(await got)
    other.close()
    transport.close()
    processes = [await asyncio.create_subprocess_exec("sh", "-c", f"read x; echo $x {n}; exit {n}", stdin=-1, stdout=-1) for n in range(5)]
    show([(await p.communicate(b"in\n"), p.returncode) for p in processes])
    p = await asyncio.create_subprocess_shell("echo out; echo err >&2; exec sleep 60", stdout=-1, stderr=-1)
    show(await p.stdout.readline(), await p.stderr.readline())
    try:
        await asyncio.wait_for(p.wait(), 0.05)
    except asyncio.TimeoutError:
        p.kill()
        show("killed", await p.wait())
    signals = asyncio.Queue()
    for s in (signal.SIGUSR1, signal.SIGHUP):
        loop.add_signal_handler(s, signals.put_nowait, s)
        os.kill(os.getpid(), s)
        show(await asyncio.wait_for(signals.get(), 10))
    try:
        async with asyncio.timeout(0.05):
            await asyncio.Event().wait()
    except TimeoutError:
        show("timed out")

    async def fail():
        await asyncio.sleep(0.01)
        raise KeyError("failed")

    try:
        async with asyncio.TaskGroup() as group:
            other_task = group.create_task(asyncio.sleep(60))
            group.create_task(fail())
    except* KeyError as e:
        show(e.exceptions, other_task.cancelled())
    limit, order = asyncio.Semaphore(2), []

    async def limited(n):
        async with limit:
            await asyncio.sleep(0.01 * n)
            order.append(n)

    await asyncio.gather(*(limited(n) for n in (1, 5, 1, 1)))
    show(order, await asyncio.to_thread(lambda: threading.current_thread() is not threading.main_thread()))
    r, w = os.pipe()
    loop.add_reader(r, lambda: signals.put_nowait(os.read(r, 9)))
    loop.call_later(0.01, os.write, w, b"pipe")
    show(await signals.get(), await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
    show(await asyncio.wait_for(asyncio.shield(asyncio.sleep(0.01, "shielded")), 5), len(asyncio.all_tasks()))


if __name__ == "__main__":
    web()
    others()
    contexts = tls()
    asyncio.run(streams(*contexts))
    asyncio.run(the_rest(), debug=True)
