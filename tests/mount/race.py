"""In the box: opens, makes and lists beneath a directory that the host swaps for a link, for argv[2] seconds; says what it
read there, each thing once, and how often it got there."""
import os
import sys
import time

dir, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
seen, there = set(), 0
k = 0
while time.monotonic() < end:
    k += 1
    try:
        with open(f"{dir}/swapped/deep/file") as f:
            seen.add(f.read())
            there += 1
        seen.update(os.listdir(f"{dir}/swapped/deep"))
        with open(f"{dir}/swapped/deep/new", "w") as f:
            f.write("box")
        os.rename(f"{dir}/swapped/deep/new", f"{dir}/swapped/deep/newer")
        os.unlink(f"{dir}/swapped/deep/newer")
        os.mkdir(f"{dir}/swapped/deep/d{k}")
        os.rmdir(f"{dir}/swapped/deep/d{k}")
    except (FileNotFoundError, NotADirectoryError):
        pass
print(sorted(seen), there > 20)
