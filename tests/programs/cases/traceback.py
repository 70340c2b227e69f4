def inner(n):
    return {}[n] if n == 0 else inner(n - 1)


try:
    inner(2)
except KeyError as error:
    raise RuntimeError("outer") from error
