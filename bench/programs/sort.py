# Sorting: with and without a key, tuples, strings.
import random, sys
random.seed(1)
n = 0
for _ in range(int(sys.argv[1])):
    numbers = [random.random() for _ in range(20000)]
    words = ["%x" % int(v * 1e9) for v in numbers[:5000]]
    n += int(sorted(numbers)[10] * 1e6)
    n += len(sorted(words, key=lambda w: w[::-1])[7])
    n += sorted(zip(words, numbers), reverse=True)[3][0].count("f")
print(n)
