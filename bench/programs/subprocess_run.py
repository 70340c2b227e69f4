"""Runs a program N times and reads what it prints: subprocess_run.py N"""
import subprocess
import sys

size = 0
for i in range(int(sys.argv[1])):
    size += len(subprocess.run(["/bin/echo", str(i)], capture_output=True, check=True).stdout)
print(size)
