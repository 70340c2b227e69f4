"""Compiles the Python files of an unpacked root into .pyc files, the same bytes every time.

    python3 compile.py ROOT DIRECTORY...      (directories as the guest will see them)

The .pyc files are of the unchecked-hash kind: Python uses them without a look at the source's time. What marshal writes
depends on which strings the process has already interned, so the sorted list of files is cut into a fixed number of
parts, and each part is compiled in order by a fresh fork. Files that are wrong on purpose (the test suite has some) are
left alone.
"""
import os
import py_compile
import sys
from importlib.util import cache_from_source

PARTS = 16


def sources(root, directory):
    for where, directories, names in os.walk(root + directory):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(where, name)
            if name.endswith(".py"):
                yield path


def inside(root, path):
    """The file that PATH is in the guest: a link to /etc/... is meant below ROOT."""
    while os.path.islink(path):
        target = os.readlink(path)
        path = root + target if target.startswith("/") else os.path.join(os.path.dirname(path), target)
    return path


def compile_part(root, part):
    for path in part:
        try:
            py_compile.compile(inside(root, path), cache_from_source(path), dfile=path[len(root):], doraise=True,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        except (py_compile.PyCompileError, RecursionError, MemoryError):
            pass


def main(root, *directories):
    files = [path for directory in directories for path in sources(root, directory)]
    parts = [files[len(files) * i // PARTS:len(files) * (i + 1) // PARTS] for i in range(PARTS)]
    cpus = len(os.sched_getaffinity(0))
    running, failed = 0, 0
    while parts or running:
        if parts and running < cpus:
            part = parts.pop(0)
            if os.fork() == 0:
                status = 1
                try:
                    compile_part(root, part)
                    status = 0
                finally:
                    os._exit(status)
            running += 1
        else:
            failed |= os.wait()[1]
            running -= 1
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
