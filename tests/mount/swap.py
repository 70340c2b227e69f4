"""Swaps the names argv[1] and argv[2] for as long as it may, as fast as it can (renameat2, RENAME_EXCHANGE)."""
import ctypes
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
a, b = (os.fsencode(name) for name in sys.argv[1:3])
while True:
    if libc.renameat2(-100, a, -100, b, 2):
        raise OSError(ctypes.get_errno(), "renameat2")
