# pickle: records written and read again by every protocol that is used, and copied deeply.
import copy, pickle, sys
class Record:
    def __init__(self, i):
        self.name, self.values, self.parent = "record%d" % i, [i, i * 0.5, str(i)], None
records = [Record(i) for i in range(150)]
for a, b in zip(records, records[1:]): b.parent = a.values
plain = {"k%d" % i: (i, [j for j in range(i % 20)], {"x": i, "y": b"z" * (i % 50)}, {i, i + 1}) for i in range(300)}
n = 0
for r in range(int(sys.argv[1])):
    for protocol in (2, 4, 5):
        text = pickle.dumps(records, protocol)
        n += len(text) + len(pickle.loads(text)[r % 150].values)
        text = pickle.dumps(plain, protocol)
        n += len(text) + len(pickle.loads(text))
    n += len(copy.deepcopy(records[:20])) + sum(pickle._dumps(plain["k7"], 4)[:40])
print(n)
