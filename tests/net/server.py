#!/usr/bin/python3
"""A web server for tests: files with ranges and versions, over a line of a given delay and rate, that can do wrong.

    server.py [OPTION...] DIRECTORY          prints its URL, http://127.0.0.1:PORT, and serves until it is killed

    --delay MS        each answer begins so much later        --rate BITS/S   of all its connections together
    --port N          0: any that is free                     --log FILE      a line for each request
    --wrong WHAT      for all requests: see wrong.py          --auth VALUE    what ~auth wants as Authorization
    --tls FILE        certificate and key, in one file: https

A path may begin with what shall go wrong with it: /~short-body/image, /~500=2/image (the first two requests for this
path), /~change@3/image (from the fourth on), /~close/~weak/image (both). As a proxy (absolute URLs, CONNECT) it only
passes things on.
"""
import argparse
import email.utils
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True  # the tree stays as it is
import wrong  # noqa: E402

PIECE = 16384  # bytes; 1.3 ms at 100 Mbit/s
CATCH_UP = 0.004  # seconds that a sender which was late may be early afterwards


class Line:
    """What all connections share: bytes leave one after the other, each when the line has had time for it."""

    def __init__(self, rate):
        self.rate, self.free, self.lock = rate, 0.0, threading.Lock()

    def wait(self, n):
        if not self.rate:
            return
        with self.lock:
            self.free = max(self.free, time.monotonic() - CATCH_UP) + n * 8 / self.rate
            until = self.free
        late = until - time.monotonic()
        if late > 0:
            time.sleep(late)


class Answer:
    """What is about to be sent. wrong.py changes it."""

    def __init__(self, request, server):
        self.request, self.server = request, server
        self.status, self.reason, self.headers = 200, "OK", {}
        self.fd, self.first, self.n, self.total = -1, 0, 0, 0  # the body: a part of a file,
        self.text = b""  # or this
        self.salt = 0  # added to each byte of the body
        self.send = send_plainly
        self.close = False

    def body(self):
        if self.request.method == "HEAD":
            return
        if self.fd < 0:
            yield self.text
        at, end = self.first, self.first + self.n
        while self.fd >= 0 and at < end:
            piece = os.pread(self.fd, min(PIECE, end - at), at)
            if not piece:  # beyond the file's end: only wrong.py asks for that
                piece = bytes(min(PIECE, end - at))
            at += len(piece)
            yield bytes((b + self.salt) & 255 for b in piece) if self.salt else piece

    def choose_range(self):
        """200, 206 or 416, by Range and If-Range and what the version is now."""
        asked, only_if = self.request.headers.get("range"), self.request.headers.get("if-range")
        self.status, self.reason, self.first, self.n = 200, "OK", 0, self.total
        self.headers.pop("Content-Range", None)
        etag, modified = self.headers.get("ETag"), self.headers.get("Last-Modified")
        if only_if and (only_if.startswith("W/") or only_if not in (etag, modified)):
            asked = None
        part = asked_range(asked, self.total) if asked else None
        if part and part[1] <= 0:
            self.status, self.reason, self.n = 416, "Range Not Satisfiable", 0
            self.headers["Content-Range"] = f"bytes */{self.total}"
        elif part:
            self.status, self.reason, (self.first, self.n) = 206, "Partial Content", part
            self.headers["Content-Range"] = f"bytes {part[0]}-{part[0] + part[1] - 1}/{self.total}"
        self.headers["Content-Length"] = self.n

    def head(self):
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items() if value is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def send_plainly(answer, connection):
    head = answer.head()
    for piece in answer.body():
        connection.send(head + piece)
        head = b""
    if head:
        connection.send(head)


class Request:
    def __init__(self, lines):
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()


def asked_range(text, total):
    """(first, n) of `bytes=A-B`; None: there is none that can be served as one part."""
    unit, _, rest = text.partition("=")
    first, _, last = rest.partition("-")
    if unit != "bytes" or "," in rest or not first.isdigit():
        return None
    end = min(int(last) + 1, total) if last.isdigit() else total
    return (int(first), end - int(first)) if int(first) < total else (total, 0)


class Server:
    def __init__(self, options):
        self.root, self.delay, self.line = options.directory, options.delay / 1000, Line(options.rate)
        self.auth, self.wrong, self.port = options.auth, options.wrong, 0
        self.log = open(options.log, "a", buffering=1) if options.log else None
        self.tls = None
        if options.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(options.tls)
            self.tls.set_alpn_protocols(["http/1.1"])
        self.seen, self.lock = {}, threading.Lock()

    def url(self, host="127.0.0.1"):
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def count(self, target):
        with self.lock:
            self.seen[target] = self.seen.get(target, 0) + 1
            return self.seen[target] - 1

    def answer(self, request):
        """What a good server says to it, and then what is wrong with that."""
        path = request.target.partition("?")[0]
        parts, wishes = path.lstrip("/").split("/"), list(self.wrong)
        while parts and parts[0].startswith("~"):
            wishes.append(parts.pop(0)[1:])
        answer = self.good(request, "/".join(parts))
        number = self.count(request.target)
        for wish in wishes if answer.fd >= 0 else ():
            wrong.apply(wish, number, answer)
        return answer

    def good(self, request, path):
        answer = Answer(request, self)
        try:
            if ".." in path.split("/"):
                raise OSError
            answer.fd = os.open(os.path.join(self.root, path), os.O_RDONLY)
            stat = os.fstat(answer.fd)
        except OSError:
            answer.status, answer.reason, answer.text = 404, "Not Found", b"no such file\n"
            answer.headers["Content-Length"] = len(answer.text)
            return answer
        answer.total = answer.n = stat.st_size
        version = f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_size}"
        answer.headers = {
            "Accept-Ranges": "bytes",
            "ETag": '"' + hashlib.sha256(version.encode()).hexdigest()[:20] + '"',
            "Last-Modified": email.utils.formatdate(stat.st_mtime, usegmt=True),
            "Content-Type": "application/octet-stream",
        }
        answer.choose_range()
        return answer


class Connection:
    def __init__(self, sock, server):
        self.sock, self.server, self.unread = sock, server, b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        for at in range(0, len(data), PIECE):
            self.server.line.wait(min(PIECE, len(data) - at))
            self.sock.sendall(data[at : at + PIECE])

    def request(self):
        """The next one; None: the other side has no more."""
        while b"\r\n\r\n" not in self.unread:
            more = self.sock.recv(65536)
            if not more:
                return None
            self.unread += more
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        return Request(head.decode("latin-1").split("\r\n"))

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError

    def log(self, request, status):
        if self.server.log:
            words = [request.method, request.target, request.headers.get("range", "-"), str(status)]
            words += [name for name in ("if-range", "authorization", "x-secret") if name in request.headers]
            self.server.log.write(" ".join(words) + "\n")

    def serve(self):
        while request := self.request():
            if request.method == "CONNECT" or request.target.startswith("http://"):
                self.log(request, "proxy")
                return self.pass_on(request)
            answer = self.server.answer(request)
            self.log(request, answer.status)
            if self.server.delay:
                time.sleep(self.server.delay)
            try:
                answer.send(answer, self)
            finally:
                if answer.fd >= 0:
                    os.close(answer.fd)
            if answer.close or request.headers.get("connection", "").lower() == "close":
                return None

    def pass_on(self, request):
        """One request, or all that CONNECT brings, to where it is for, and back."""
        tunnel = request.method == "CONNECT"
        host, _, path = (request.target if tunnel else request.target[7:]).partition("/")
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port or 80))) as to:
            if tunnel:
                self.send(b"HTTP/1.1 200 Go on\r\n\r\n")
                threading.Thread(target=copy, args=(self.sock, to), daemon=True).start()
            else:
                kept = "".join(f"{k}: {v}\r\n" for k, v in request.headers.items() if k != "proxy-connection")
                to.sendall(f"{request.method} /{path} HTTP/1.1\r\n{kept}connection: close\r\n\r\n".encode("latin-1"))
            copy(to, self.sock)


def copy(from_socket, to_socket):
    try:
        while data := from_socket.recv(65536):
            to_socket.sendall(data)
        to_socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve_connection(sock, server):
    try:
        if server.tls:
            sock = server.tls.wrap_socket(sock, server_side=True)
        Connection(sock, server).serve()
    except (OSError, ValueError):
        pass
    finally:
        sock.close()


def listen(listener, server):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_connection, args=(sock, server), daemon=True).start()


def options_of():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    for name, kind, default in (("delay", float, 0), ("rate", float, 0), ("port", int, 0), ("log", str, ""),
                                ("auth", str, ""), ("tls", str, "")):  # fmt: skip
        parser.add_argument("--" + name, type=kind, default=default)
    parser.add_argument("--wrong", action="append", default=[])
    return parser.parse_args()


def main():
    options = options_of()
    server = Server(options)
    first = socket.create_server(("127.0.0.1", options.port), backlog=128)
    server.port = first.getsockname()[1]
    other = socket.create_server(("127.0.0.2", server.port), backlog=128)  # a host that redirects lead to
    threading.Thread(target=listen, args=(other, server), daemon=True).start()
    print(server.url(), flush=True)
    listen(first, server)


if __name__ == "__main__":
    main()
