#!/usr/bin/python3
"""Which processes hold a text in memory: held.py PID TEXT looks at PID and all that descend from it.

Prints a line for each, `PID NUMBER`, of how often; `?`, if it cannot be read (that takes the same user, or root).
"""
import os
import sys

LARGEST = 1 << 28  # bytes of a mapping; larger ones are reservations


def descendants(parent):
    found = [parent]
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="latin-1") as stat:
                of = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if of == parent:
            found += descendants(int(name))
    return found


def count(pid, text):
    hits = 0
    with open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/maps", encoding="latin-1") as maps:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(part, 16) for part in place.split("-"))
            if rights[0] != "r" or end - begin > LARGEST or "[v" in line:
                continue
            try:
                memory.seek(begin)
                hits += memory.read(end - begin).count(text)
            except OSError:
                continue
    return hits


for process in descendants(int(sys.argv[1])):
    try:
        print(process, count(process, sys.argv[2].encode()))
    except OSError:
        print(process, "?")
