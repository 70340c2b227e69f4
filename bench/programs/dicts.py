# Dictionaries: counting words, grouping, merging.
import sys
total = 0
for r in range(int(sys.argv[1])):
    count = {}
    for i in range(30000):
        key = (i * 7919 + r) % 5003
        count[key] = count.get(key, 0) + 1
    names = {"k%d" % k: v for k, v in count.items()}
    groups = {}
    for name, v in names.items():
        groups.setdefault(v, []).append(name)
    total += len(groups) + sum(len(g) for g in groups.values()) + ("k17" in names)
print(total)
