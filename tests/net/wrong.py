"""What server.py can do wrong: a function each, that changes the answer which a good server gives.

A name may have `=N`, for the first N requests only, and `@K`, not for the first K; and `+BYTE`, only for ranges with that
byte of the file in them. What is sent in a wrong way is sent by
a function that takes (answer, connection).
"""
import re
import time

WISH = re.compile(r"^([a-z0-9-]+?)(?:=(\d+))?(?:@(\d+))?(?:\+(\d+))?$")
FOREVER = 3600  # seconds: longer than any client waits


def apply(wish, number, answer):
    match = WISH.match(wish)
    if not match:
        raise ValueError(wish)
    name, times, start = match.group(1), match.group(2), int(match.group(3) or 0)
    byte = int(match.group(4) or answer.first)
    if answer.first <= byte < answer.first + answer.n and number >= start and (times is None or number < start + int(times)):
        WRONG[name](answer)


# ---------------------------------------------------------------- what is said


def status(code, reason, **headers):
    def say(answer):
        answer.status, answer.reason, answer.first, answer.n = code, reason, 0, 0
        answer.headers = {"Content-Length": 0, **{k.replace("_", "-"): v for k, v in headers.items()}}

    return say


def header(**values):
    """Headers that are added, or taken away (None); Range and If-Range are judged anew."""

    def say(answer):
        answer.headers.update({k.replace("_", "-"): v for k, v in values.items()})
        answer.choose_range()

    return say


def late_header(**values):
    """The same, with all else as if nothing had been said."""

    def say(answer):
        answer.headers.update({k.replace("_", "-"): v(answer) if callable(v) else v for k, v in values.items()})

    return say


def other_version(answer):
    answer.salt = 1
    header(ETag='"another"', Last_Modified="Sat, 01 Jan 2000 00:00:00 GMT")(answer)


def other_version_in_secret(answer):
    """As a server that does not know If-Range."""
    answer.salt = 1
    answer.headers.update({"ETag": '"another"', "Last-Modified": "Sat, 01 Jan 2000 00:00:00 GMT"})


def silent(answer):
    """What is the version that If-Range names need not be named again (RFC 9110, 15.3.7)."""
    if answer.status == 206 and "if-range" in answer.request.headers:
        answer.headers.update({"ETag": None, "Last-Modified": None})


def shorter_version(answer):
    answer.total -= 1
    answer.headers.pop("Content-Length", None)
    answer.choose_range()


def no_ranges(answer):
    answer.request.headers.pop("range", None)
    answer.choose_range()


def other_range(answer):
    """Another one than was asked for, and it says so."""
    if answer.status == 206:
        answer.first += 1
        last = answer.first + answer.n - 1
        answer.headers["Content-Range"] = f"bytes {answer.first}-{last}/{max(answer.total, last + 1)}"


def part_of_range(answer):
    """Half of what was asked for, which it may do."""
    if answer.status == 206 and answer.n > 1:
        answer.n //= 2
        answer.headers["Content-Length"] = answer.n
        answer.headers["Content-Range"] = f"bytes {answer.first}-{answer.first + answer.n - 1}/{answer.total}"


def capped_range(answer):
    if answer.status == 206:
        answer.n = min(answer.n, 10000)
        answer.headers["Content-Length"] = answer.n
        answer.headers["Content-Range"] = f"bytes {answer.first}-{answer.first + answer.n - 1}/{answer.total}"


def weak(answer):
    answer.headers["ETag"] = "W/" + (answer.headers.get("ETag") or '"none"')
    answer.choose_range()


def content_range(text):
    return late_header(Content_Range=lambda a: text.format(first=a.first, last=a.first + a.n - 1, total=a.total))


def redirect(where, code=302):
    def say(answer):
        path = answer.request.target.rsplit("/", 1)[-1]
        status(code, "Found", Location=where(answer, path))(answer)

    return say


def needs_auth(answer):
    if answer.request.headers.get("authorization") != answer.server.auth:
        status(401, "Unauthorized", WWW_Authenticate='Basic realm="tests"')(answer)


def refuses_secrets(answer):
    if "authorization" in answer.request.headers or "x-secret" in answer.request.headers:
        status(400, "Not For Me")(answer)


# ---------------------------------------------------------------- how it is sent


def sending(function):
    def say(answer):
        answer.send = function

    return say


def half(answer, connection):
    """The head and half of the body."""
    body = b"".join(answer.body())
    connection.send(answer.head() + body[: len(body) // 2])


def short_body(answer, connection):
    half(answer, connection)
    answer.close = True


def reset(answer, connection):
    half(answer, connection)
    time.sleep(0.05)  # or the other side sees nothing of it
    connection.reset()


def reset_at_once(_answer, connection):
    connection.reset()


def nothing(answer, _connection):
    answer.close = True


def stall_head(_answer, _connection):
    time.sleep(FOREVER)


def stall_body(answer, connection):
    half(answer, connection)
    time.sleep(FOREVER)


def drips(answer, connection):
    """A piece of each answer, and then nothing."""
    connection.send(answer.head() + next(iter(answer.body()), b"")[:5000])
    answer.close = True


def trickle(answer, connection):
    connection.send(answer.head())
    for piece in answer.body():
        for byte in piece:
            connection.send(bytes([byte]))
            time.sleep(0.1)


def endless_headers(answer, connection):
    connection.send(answer.head()[:-2])
    while True:
        connection.send(b"X-More: and more\r\n" * 100)


def huge_header(answer, connection):
    connection.send(answer.head()[:-2] + b"X-Huge: ")
    while True:
        connection.send(b"and more " * 1000)


def endless_continue(_answer, connection):
    while True:
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def garbage(answer, connection):
    connection.send(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 3)
    answer.close = True


def control_characters(answer, connection):
    connection.send(b"HTTP/1.1 500 \x1b[31mred\x07\r\nContent-Length: 0\r\n\r\n")


def as_chunks(answer):
    answer.headers["Content-Length"] = None
    answer.headers["Transfer-Encoding"] = "chunked"


def chunked(answer, connection):
    as_chunks(answer)
    connection.send(answer.head())
    for piece in answer.body():
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    connection.send(b"0\r\n\r\n")


def chunked_cut(answer, connection):
    """The last chunk, which says that all is there, is missing."""
    as_chunks(answer)
    connection.send(answer.head())
    for piece in answer.body():
        connection.send(b"%x\r\n%s" % (len(piece), piece[: len(piece) // 2]))
        break
    answer.close = True


def chunked_garbage(answer, connection):
    as_chunks(answer)
    connection.send(answer.head() + b"zz\r\nno chunk\r\n")
    answer.close = True


def chunked_endless(answer, connection):
    as_chunks(answer)
    connection.send(answer.head())
    for piece in answer.body():
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    while True:
        connection.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")


def long_body(answer, connection):
    """More than was asked for, and a length that says so."""
    if answer.status in (200, 206):
        answer.headers["Content-Length"] = answer.n + 1000
    connection.send(answer.head() + b"".join(answer.body()) + bytes(1000))


def short_length(answer, connection):
    """A length that says less than is sent: what is left looks like the next answer."""
    body = b"".join(answer.body())
    answer.headers["Content-Length"] = len(body) // 2
    connection.send(answer.head() + body)


def close_silently(answer, connection):
    connection.send(answer.head() + b"".join(answer.body()))
    answer.close = True


def two_lengths(answer, connection):
    connection.send(answer.head()[:-2] + b"Content-Length: 5\r\n\r\n" + b"".join(answer.body()))
    answer.close = True


def two_ranges(answer, connection):
    connection.send(answer.head()[:-2] + b"Content-Range: bytes 0-4/9\r\n\r\n" + b"".join(answer.body()))
    answer.close = True


def parts(answer, connection):
    """multipart/byteranges, which nobody has asked for."""
    one = f"--x\r\nContent-Range: {answer.headers.get('Content-Range')}\r\n\r\n".encode()
    body = one + b"".join(answer.body()) + b"\r\n--x--\r\n"
    answer.headers.update({"Content-Type": "multipart/byteranges; boundary=x", "Content-Length": len(body)})
    answer.headers["Content-Range"] = None
    connection.send(answer.head() + body)


WRONG = {
    # Statuses.
    "200-empty": status(200, "OK"),
    "204": status(204, "No Content"),
    "304": status(304, "Not Modified"),
    "400": status(400, "Bad Request"),
    "403": status(403, "Forbidden"),
    "404": status(404, "Not Found"),
    "410": status(410, "Gone"),
    "412": status(412, "Precondition Failed"),
    "416": status(416, "Range Not Satisfiable"),
    "416-none": status(416, "Range Not Satisfiable", Content_Range="bytes */1"),
    "429": status(429, "Too Many Requests", Retry_After=1),
    "500": status(500, "Internal Server Error"),
    "503": status(503, "Service Unavailable", Retry_After=1),
    "503-never": status(503, "Service Unavailable", Retry_After=10**30),
    "999": status(999, "What"),
    # Versions.
    "change": other_version,
    "change-secretly": other_version_in_secret,
    "silent": silent,
    "change-length": shorter_version,
    "no-etag": header(ETag=None),
    "no-version": header(ETag=None, Last_Modified=None),
    "weak": weak,
    "weak-only": lambda a: (weak(a), header(Last_Modified=None)(a)),
    "long-etag": header(ETag='"' + "x" * 300 + '"'),
    "bare-etag": header(ETag="bare", Last_Modified=None),
    # Ranges.
    "no-ranges": no_ranges,
    "other-range": other_range,
    "part-of-range": part_of_range,
    "capped-range": capped_range,
    "wrong-content-range": content_range("bytes 7-{last}/{total}"),
    "no-content-range": late_header(Content_Range=None),
    "bad-content-range": content_range("bytes {last}-{first}/18446744073709551617"),
    "unknown-total": content_range("bytes {first}-{last}/*"),
    "huge-total": content_range("bytes {first}-{last}/9223372036854775807"),
    "parts": sending(parts),
    # Bodies and lengths.
    "short-body": sending(short_body),
    "long-body": sending(long_body),
    "short-length": sending(short_length),
    "bad-length": late_header(Content_Length="-1"),
    "two-lengths": sending(two_lengths),
    "two-ranges": sending(two_ranges),
    "encoded": late_header(Content_Encoding="gzip"),
    "chunked": sending(chunked),
    "chunked-cut": sending(chunked_cut),
    "chunked-garbage": sending(chunked_garbage),
    "chunked-endless": sending(chunked_endless),
    # Connections.
    "close": late_header(Connection="close"),
    "close-silently": sending(close_silently),
    "nothing": sending(nothing),
    "reset": sending(reset),
    "reset-at-once": sending(reset_at_once),
    "stall-head": sending(stall_head),
    "stall-body": sending(stall_body),
    "drips": sending(drips),
    "trickle": sending(trickle),
    # Heads.
    "garbage": sending(garbage),
    "control-characters": sending(control_characters),
    "endless-headers": sending(endless_headers),
    "endless-continue": sending(endless_continue),
    "huge-header": sending(huge_header),
    # Redirects.
    "redirect": redirect(lambda a, path: "/" + path),
    "redirect-auth": redirect(lambda a, path: "/~auth/" + path),
    "redirect-301": redirect(lambda a, path: f"../{path}?one=two#three", 301),
    "redirect-other": redirect(lambda a, path: a.server.url("127.0.0.2") + "/~no-secrets/" + path, 307),
    "redirect-expiring": redirect(lambda a, path: "/~403=1@3/" + path),
    "redirect-loop": redirect(lambda a, path: a.request.target),
    "redirect-file": redirect(lambda a, path: "file:///etc/passwd"),
    "redirect-nowhere": status(302, "Found"),
    "redirect-wrong": redirect(lambda a, path: "http://[::1"),
    "redirect-long": redirect(lambda a, path: "/" + "x" * 5000),
    "redirect-unsafe": redirect(lambda a, path: "http://127.0.0.1:1/" + path),
    "auth": needs_auth,
    "no-secrets": refuses_secrets,
}
