"""Forks N times while it holds 30 MB; each child writes a little and ends: fork.py N"""
import os
import sys

held = bytearray(b"x" * (30 << 20))
sum = 0
for i in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        os._exit(i % 100)
    sum += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(sum, len(held))
