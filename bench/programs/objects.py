# Objects: classes with methods, properties and inheritance; a binary tree and an event queue.
import heapq, sys
class Node:
    __slots__ = ("left", "right", "value")
    def __init__(self, depth):
        self.value = depth
        self.left = Node(depth - 1) if depth else None
        self.right = Node(depth - 1) if depth else None
    def total(self):
        return self.value + (self.left.total() + self.right.total() if self.left else 0)
class Event:
    def __init__(self, at, what): self.at, self.what = at, what
    def __lt__(self, other): return self.at < other.at
    @property
    def label(self): return self.what
class Timer(Event):
    def fire(self, queue):
        if self.at < 3000: heapq.heappush(queue, Timer(self.at + len(self.label), self.label))
        return 1
fired = 0
for _ in range(int(sys.argv[1])):
    fired += Node(10).total()
    queue = [Timer(i, "x" * (i % 7 + 1)) for i in range(10)]
    heapq.heapify(queue)
    while queue: fired += heapq.heappop(queue).fire(queue)
print(fired)
