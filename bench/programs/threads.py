"""Threads that share a counter under a lock and pass items through queues: threads.py ITEMS"""
import queue
import sys
import threading

items = int(sys.argv[1])
workers = 4
todo, done = queue.Queue(100), queue.Queue()
lock = threading.Lock()
count = 0


def work():
    global count
    while (item := todo.get()) is not None:
        for _ in range(10):
            with lock:
                count += item
        done.put(item * 2)


threads = [threading.Thread(target=work) for _ in range(workers)]
for thread in threads:
    thread.start()
for item in range(items):
    todo.put(item)
for _ in threads:
    todo.put(None)
for thread in threads:
    thread.join()
print(count, sum(done.get() for _ in range(items)))
