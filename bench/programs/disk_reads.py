# Stats and reads all files below a directory, some times: what is done to files that are in the page cache.
import os
import sys

names = [os.path.join(d, f) for d, _, files in os.walk(sys.argv[1]) for f in files]
names = [n for n in names if os.path.isfile(n) and not os.path.islink(n)]
total = 0
for _ in range(int(sys.argv[2])):
    for name in names:
        total += os.stat(name).st_size
        with open(name, "rb", buffering=0) as f:
            while data := f.read(65536):
                total += len(data)
print(len(names), total)
