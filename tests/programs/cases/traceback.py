# An uncaught exception: its traceback and its status.
# package: python3.11-minimal
def inner(n):
    return {}[n] if n == 0 else inner(n - 1)


try:
    inner(2)
except KeyError as error:
    raise RuntimeError("outer") from error
