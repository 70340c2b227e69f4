"""What server.py can do wrong: a function each, that changes the answer which a good server gives.

A name may have `=N`, for the first N requests only, and `@K`, not for the first K. Functions that send by themselves
take (answer, connection).
"""
import re
import time

WISH = re.compile(r"^([a-z0-9-]+?)(?:=(\d+))?(?:@(\d+))?$")


def apply(wish, number, answer):
    match = WISH.match(wish)
    if not match:
        raise ValueError(wish)
    name, times, start = match.group(1), match.group(2), int(match.group(3) or 0)
    if number >= start and (times is None or number < start + int(times)):
        WRONG[name](answer)


# ---------------------------------------------------------------- what is said


def status(code, reason, **headers):
    def say(answer):
        answer.status, answer.reason, answer.first, answer.n = code, reason, 0, 0
        answer.headers = {"Content-Length": 0, **{k.replace("_", "-"): v for k, v in headers.items()}}

    return say


def header(name, value):
    def say(answer):
        answer.headers[name] = value

    return say


WRONG = {
    "404": status(404, "Not Found"),
    "500": status(500, "Internal Server Error"),
    "503": status(503, "Service Unavailable", Retry_After=1),
    "429": status(429, "Too Many Requests", Retry_After=1),
}
