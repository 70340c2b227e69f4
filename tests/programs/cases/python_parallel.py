# multiprocessing by fork, spawn and forkserver: pools, queues, pipes, locks, managers, shared memory; concurrent.futures; threading's rest.
# package: python3
import concurrent.futures
import contextvars
import multiprocessing
import multiprocessing.connection
import multiprocessing.managers
import multiprocessing.shared_memory
import os
import queue
import signal
import sys
import threading
import time


def show(*what):
    print(*what, flush=True)


def square(n):
    return n * n


def slow_square(n):
    time.sleep(0.01 * (5 - n % 5))
    return n * n


def failing(n):
    raise ValueError(f"no {n}")


def initialize(value):
    global given
    given = value


def with_given(n):
    return given + n


def produce(q, first, last):
    for n in range(first, last):
        q.put((n, b"x" * (n % 7)))
    q.put(None)


def echo(connection):
    with connection:
        while (thing := connection.recv()) != "end":
            connection.send(thing)
    os._exit(5)


def add(lock, value, times):
    for _ in range(times):
        with lock:
            value.value += 1


def fill(name, at):
    shared = multiprocessing.shared_memory.SharedMemory(name)
    shared.buf[at] = at + 1
    shared.close()


def extend(names, counts, n):
    names.append(f"p{n}")
    counts[n] = n * n


def sleeper(event):
    event.set()
    time.sleep(60)


def meet(barrier, seen):
    barrier.wait(30)
    seen.put(barrier.n_waiting >= 0)


class Counter:
    def __init__(self):
        self.n = 0

    def more(self):
        self.n += 1
        return self.n


class Manager(multiprocessing.managers.BaseManager):
    pass


Manager.register("Counter", Counter)


def pools(context):
    with context.Pool(3) as pool:
        show(pool.map(square, range(10)), sorted(pool.imap_unordered(slow_square, range(10))), pool.starmap(divmod, [(7, 2), (9, 4)]))
        try:
            pool.apply(failing, (1,))
        except ValueError as e:
            show(e, type(e.__cause__).__name__)
        later = pool.apply_async(slow_square, (4,))
        show(later.get(20), later.successful())
    with context.Pool(2, initialize, (100,), maxtasksperchild=2) as pool:
        show(pool.map(with_given, range(6), chunksize=1))
        pool.close()
        pool.join()


def queues(context):
    q = context.Queue()
    ps = [context.Process(target=produce, args=(q, 100 * i, 100 * i + 100)) for i in range(2)]
    [p.start() for p in ps]
    got, ends = [], 0
    while ends < 2:
        item = q.get(timeout=30)
        ends += item is None
        got += [item] if item else []
    [p.join() for p in ps]
    show(len(got), sum(n for n, _ in got), sum(len(x) for _, x in got), [p.exitcode for p in ps])
    joinable = context.JoinableQueue(2)
    joinable.put(1)
    try:
        joinable.put(2)
        joinable.put(3, timeout=0.05)
    except queue.Full:
        show("full", joinable.get(), joinable.get())
    ours, theirs = context.Pipe()
    p = context.Process(target=echo, args=(theirs,))
    p.start()
    theirs.close()
    for thing in ({"a": [1, 2]}, "x" * 100000, None):
        ours.send(thing)
        show(ours.recv() == thing)
    ours.send("end")
    p.join(30)
    show(p.exitcode)


def synchronization(context):
    value, lock = context.Value("i", 0), context.RLock()
    ps = [context.Process(target=add, args=(lock, value, 200)) for _ in range(3)]
    [p.start() for p in ps]
    [p.join() for p in ps]
    show(value.value)
    barrier, seen = context.Barrier(3), context.SimpleQueue()
    ps = [context.Process(target=meet, args=(barrier, seen)) for _ in range(3)]
    [p.start() for p in ps]
    show([seen.get() for _ in ps])
    [p.join() for p in ps]
    event = context.Event()
    p = context.Process(target=sleeper, args=(event,), name="sleeper", daemon=True)
    p.start()
    show(event.wait(30), p.is_alive(), p.name)
    p.terminate()
    p.join(30)
    show(p.exitcode == -signal.SIGTERM, multiprocessing.connection.wait([p.sentinel], 1) == [p.sentinel], multiprocessing.active_children())
    semaphore = context.BoundedSemaphore(1)
    semaphore.acquire()
    show(semaphore.acquire(timeout=0.05), semaphore.release())


def sharing(context):
    shared = multiprocessing.shared_memory.SharedMemory(create=True, size=8192)
    ps = [context.Process(target=fill, args=(shared.name, n)) for n in range(3)]
    [p.start() for p in ps]
    [p.join() for p in ps]
    show(bytes(shared.buf[:4]), os.path.exists("/dev/shm/" + shared.name.strip("/")))
    shared.close()
    shared.unlink()
    with multiprocessing.managers.SharedMemoryManager() as manager:
        numbers = manager.ShareableList([1, 2.5, "three", None])
        show(list(numbers), numbers.index("three"))
    with context.Manager() as manager:
        names, counts = manager.list(), manager.dict()
        ps = [context.Process(target=extend, args=(names, counts, n)) for n in range(3)]
        [p.start() for p in ps]
        [p.join() for p in ps]
        show(sorted(names), sorted(counts.items()), manager.Namespace(a=1).a)
    with Manager(ctx=context) as manager:
        counter = manager.Counter()
        show(counter.more(), counter.more())


def futures(context):
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        show(list(pool.map(square, range(8), chunksize=2)), pool.submit(failing, 3).exception(30))
        fs = [pool.submit(slow_square, n) for n in range(6)]
        show(sorted(f.result() for f in concurrent.futures.as_completed(fs, 30)))
        dying = pool.submit(os._exit, 3)
        show(type(dying.exception(30)).__name__)


def threads():
    with concurrent.futures.ThreadPoolExecutor(4, "worker") as pool:
        fs = {pool.submit(slow_square, n): n for n in range(8)}
        done, waiting = concurrent.futures.wait(fs, 30, concurrent.futures.FIRST_COMPLETED)
        show(len(done) > 0, sorted(f.result() for f in fs), pool.submit(threading.current_thread).result().name.split("_")[0])
        try:
            list(pool.map(time.sleep, [0.3], timeout=0.05))
        except concurrent.futures.TimeoutError:
            show("timeout")
        blocked = [pool.submit(time.sleep, 0.05) for _ in range(8)]
        show(blocked[-1].cancel(), blocked[-1].cancelled())
    variable = contextvars.ContextVar("v", default=0)
    context = contextvars.copy_context()
    context.run(variable.set, 5)
    show(variable.get(), context[variable])
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    total, lock = [0], threading.Lock()

    def count():
        for _ in range(3000):
            with lock:
                total[0] += 1

    ts = [threading.Thread(target=count) for _ in range(20)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    sys.setswitchinterval(old)
    show(total)
    threading.excepthook = lambda args: show("in a thread:", args.exc_value)
    t = threading.Thread(target=failing, args=("thread",))
    t.start()
    t.join()
    ready, turns = threading.Condition(), []

    def turn(n):
        with ready:
            ready.wait_for(lambda: len(turns) == n, 30)
            turns.append(n)
            ready.notify_all()

    ts = [threading.Thread(target=turn, args=(n,)) for n in reversed(range(10))]
    [t.start() for t in ts]
    [t.join() for t in ts]
    show(turns)
    things = queue.PriorityQueue()
    [things.put(n) for n in (3, 1, 2)]
    show([things.get() for _ in range(3)], threading.stack_size(1 << 20), threading.stack_size(0))
    threading.stack_size(64 << 10)
    ts = [threading.Thread(target=time.sleep, args=(0.2,)) for _ in range(150)]
    [t.start() for t in ts]
    show(threading.active_count())
    [t.join() for t in ts]
    signal.signal(signal.SIGUSR1, lambda *_: show("in the main thread", threading.current_thread() is threading.main_thread()))
    threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)).start()
    time.sleep(0.1)


if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        for part in (pools, queues, synchronization, sharing, futures):
            show("--", method, part.__name__)
            part(context)
    show("-- threads")
    threads()
