# subprocess, fork and wait, pipes, signals, threads, multiprocessing, mmap, select, tempfile.
# package: python3.11-minimal
# engines: interp eager lockstep
import errno
import fcntl
import mmap
import multiprocessing
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time


def show(*what):
    print(*what, flush=True)


def run_subprocesses():
    r = subprocess.run(["sh", "-c", "cat; echo err >&2; exit 3"], input=b"in", capture_output=True)
    show(r.returncode, r.stdout, r.stderr)
    show(subprocess.check_output("echo $A | tr a b", shell=True, env={"A": "aXa", "PATH": os.environ["PATH"]}))
    try:
        subprocess.run(["sleep", "5"], timeout=0.2)
    except subprocess.TimeoutExpired as e:
        show("timeout", e.cmd)
    for command in (["/nonexistent"], ["/etc/passwd"], ["/"]):
        try:
            subprocess.run(command)
        except OSError as e:
            show(type(e).__name__, e.errno)
    p = subprocess.Popen(["sleep", "9"])
    p.terminate()
    show(p.wait())
    p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/usr", start_new_session=True)
    show(len(p.communicate(b"x" * 300000)[0]), p.returncode)
    p1 = subprocess.Popen(["seq", "1000"], stdout=subprocess.PIPE)
    p2 = subprocess.Popen(["wc", "-l"], stdin=p1.stdout, stdout=subprocess.PIPE, text=True)
    p1.stdout.close()
    show(p2.communicate()[0], p1.wait())
    show(os.system("exit 5"), os.waitstatus_to_exitcode(os.system("kill -9 $$")))
    with os.popen("echo popen") as pipe:  # closing waits for the child; otherwise os.wait() below may find it
        show(pipe.read())


def fork_and_wait():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    show(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    pid = os.fork()
    if pid == 0:
        signal.pause()
    os.kill(pid, signal.SIGSTOP)
    show(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
    os.kill(pid, signal.SIGCONT)
    show(os.WIFCONTINUED(os.waitpid(pid, os.WCONTINUED)[1]))
    show(os.waitpid(pid, os.WNOHANG))
    os.kill(pid, signal.SIGTERM)
    info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    show(info.si_pid == pid, info.si_status, info.si_code, info.si_signo)
    show(os.wait4(pid, 0)[1])
    try:
        os.wait()
    except ChildProcessError as e:
        show(e)
    r, w = os.pipe()
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "echo spawned"], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])
    os.waitpid(pid, 0)
    show(os.read(r, 100))
    fd = os.pidfd_open(os.getpid()) if hasattr(os, "pidfd_open") else -1
    show(fd > 0)


def pipes_and_polling():
    r, w = os.pipe()
    show(select.select([r], [w], [], 0) == ([], [w], []))
    os.write(w, b"x")
    show(select.select([r], [], [], 1)[0] == [r])
    p = select.poll()
    p.register(r, select.POLLIN)
    show(p.poll(0) == [(r, select.POLLIN)])
    e = select.epoll()
    e.register(r, select.EPOLLIN | select.EPOLLET)
    show(e.poll(0) == [(r, select.EPOLLIN)], e.poll(0))
    fcntl.fcntl(w, fcntl.F_SETFL, os.O_NONBLOCK)
    total = 0
    try:
        while True:
            total += os.write(w, b"y" * 4096)
    except BlockingIOError as error:
        show(total, error.errno == errno.EAGAIN)
    os.close(r)
    try:
        os.write(w, b"z")
    except BrokenPipeError as error:
        show(error)
    r, w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    show(os.get_inheritable(r), os.get_blocking(r))
    try:
        os.read(r, 1)
    except BlockingIOError as error:
        show(error)
    show(fcntl.fcntl(r, 1032))  # F_GETPIPE_SZ


def signals():
    got = []
    signal.signal(signal.SIGUSR1, lambda s, f: got.append(s))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    signal.signal(signal.SIGALRM, lambda s, f: got.append(s))
    time.sleep(0.2)
    signal.setitimer(signal.ITIMER_REAL, 0)
    show(got[0], set(got[1:]), len(got) > 2)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    show(signal.sigpending(), signal.sigwait([signal.SIGUSR2]))
    info = signal.sigtimedwait([signal.SIGUSR2], 0.01)
    show(info)
    signal.raise_signal(signal.SIGUSR2)
    show(signal.sigwaitinfo([signal.SIGUSR2]).si_code)
    r, w = os.pipe()
    os.set_blocking(w, False)
    signal.set_wakeup_fd(w)
    os.kill(os.getpid(), signal.SIGUSR1)
    show(os.read(r, 1))
    signal.set_wakeup_fd(-1)
    try:
        signal.alarm(1)
        signal.signal(signal.SIGALRM, lambda s, f: 1 / 0)
        time.sleep(5)
    except ZeroDivisionError:
        show("interrupted")
    try:
        signal.signal(signal.SIGKILL, signal.SIG_IGN)
    except OSError as e:
        show(e)


def threads():
    q, total, lock = queue.Queue(), [0], threading.Lock()

    def work():
        while (n := q.get()) is not None:
            with lock:
                total[0] += n

    workers = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in workers]
    [q.put(n) for n in range(1000)]
    [q.put(None) for _ in workers]
    [t.join() for t in workers]
    show(total[0], threading.active_count())
    barrier = threading.Barrier(4, timeout=10)
    seen = []
    ts = [threading.Thread(target=lambda: (barrier.wait(), seen.append(1))) for _ in range(4)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    show(len(seen))
    done = threading.Event()
    threading.Timer(0.05, done.set).start()
    show(done.wait(5), done.wait(0))
    condition = threading.Condition()
    with condition:
        show(condition.wait(0.05))
    local = threading.local()
    local.x = 1
    t = threading.Thread(target=lambda: show(hasattr(local, "x"), threading.get_native_id() != os.getpid()))
    t.start()
    t.join()
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(4) as pool:
        show(list(pool.map(lambda n: n * n, range(10))))


def square(n):
    return n * n


def child(connection, value):
    with value.get_lock():
        value.value += 1
    connection.send(connection.recv() * 2)


def processes():
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        show(pool.map(square, range(20)))
    ours, theirs = context.Pipe(duplex=False)
    value = context.Value("i", 0)
    ps = [context.Process(target=lambda: (value.get_lock().acquire(), setattr(value, "value", value.value + 1),
                                          value.get_lock().release())) for _ in range(4)]
    [p.start() for p in ps]
    [p.join() for p in ps]
    show(value.value, [p.exitcode for p in ps])
    q = context.Queue()
    p = context.Process(target=lambda: [q.put(n) for n in range(100)])
    p.start()
    show(sum(q.get() for _ in range(100)))
    p.join()
    array = context.Array("d", 10)
    p = context.Process(target=lambda: array.__setitem__(3, 2.5))
    p.start()
    p.join()
    show(array[:])
    event = context.Event()
    p = context.Process(target=lambda: (time.sleep(0.05), event.set()))
    p.start()
    show(event.wait(10))
    p.join()


def memory():
    m = mmap.mmap(-1, 8192)
    m[:5] = b"hello"
    pid = os.fork()
    if pid == 0:
        m[0:1] = b"J"
        os._exit(0)
    os.waitpid(pid, 0)
    show(m[:5], m.find(b"l"), m.size())
    with tempfile.TemporaryFile() as f:
        f.write(b"a" * 10000)
        f.flush()
        shared = mmap.mmap(f.fileno(), 0)
        shared[9999] = ord("z")
        shared.flush()
        f.seek(9998)
        show(f.read())
        os.pwrite(f.fileno(), b"Q", 5)
        show(shared[3:8])
        private = mmap.mmap(f.fileno(), 10000, access=mmap.ACCESS_COPY)
        private[5] = ord("p")
        show(shared[5:6], private[5:6], mmap.mmap(f.fileno(), 10000, access=mmap.ACCESS_READ)[5:6])
        shared.resize(20000)
        show(len(shared), os.fstat(f.fileno()).st_size)
        shared.close()
        os.ftruncate(f.fileno(), 0)
    with open("/usr/bin/bash", "rb") as f:
        m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        show(m[:4], len(m) == os.path.getsize("/usr/bin/bash"))
    big = mmap.mmap(-1, 200 << 20)
    big[150 << 20] = 1
    show(sum(big[(150 << 20) - 1:(150 << 20) + 2]))
    pid = os.fork()
    if pid == 0:
        import ctypes
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(8)
    show(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def files():
    with tempfile.TemporaryDirectory() as d:
        p = os.path.join(d, "f")
        fd = os.open(p, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        show(os.pwritev(fd, [b"ab", b"cd"], 3), os.preadv(fd, [bytearray(5), bytearray(5)], 0), os.lseek(fd, 0, os.SEEK_END))
        try:
            os.open(p, os.O_CREAT | os.O_EXCL)
        except FileExistsError as e:
            show(e.errno)
        fcntl.flock(fd, fcntl.LOCK_EX)
        other = os.open(p, os.O_RDWR)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            show(e)
        fcntl.lockf(fd, fcntl.LOCK_EX, 10)
        pid = os.fork()
        if pid == 0:
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10)
            except OSError as e:
                show(type(e).__name__)
            os._exit(0)
        os.waitpid(pid, 0)
        os.posix_fallocate(fd, 0, 100000)
        show(os.fstat(fd).st_size, os.fstat(fd).st_blocks)
        show(os.lseek(fd, 0, os.SEEK_HOLE) > 0, os.lseek(fd, 0, os.SEEK_DATA))
        os.truncate(p, 10)
        show(os.sendfile(other, fd, 0, 5), os.copy_file_range(fd, other, 3) if hasattr(os, "copy_file_range") else 3)
        os.utime(p, ns=(123456789, 987654321))
        s = os.stat(p)
        show(s.st_atime_ns, s.st_mtime_ns, oct(s.st_mode), s.st_nlink)
        os.link(p, p + "2")
        os.symlink("f", p + "3")
        show(sorted((e.name, e.is_symlink(), e.is_file(), e.stat().st_nlink) for e in os.scandir(d)))
        dirfd = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
        os.rename("f", "g", src_dir_fd=dirfd, dst_dir_fd=dirfd)
        show(sorted(os.listdir(dirfd)), os.readlink("f3", dir_fd=dirfd), os.access("g", os.R_OK, dir_fd=dirfd))
        os.fchdir(dirfd)
        show(os.getcwd() == d, os.path.realpath("f3") == p, os.path.exists("f3"))
        os.chdir("/")
        try:
            os.rmdir(d)
        except OSError as e:
            show(e.errno == errno.ENOTEMPTY)
        try:
            os.setxattr(p + "2", "user.a", b"v")
            show(os.getxattr(p + "2", "user.a"), os.listxattr(p + "2"))
        except OSError as e:
            show(e.errno)
        show(os.statvfs(d).f_namemax, os.pathconf(d, "PC_NAME_MAX"), os.fpathconf(0, "PC_PIPE_BUF"))
    show(os.path.exists(d), os.memfd_create("m") > 0, os.eventfd(3) > 0 if hasattr(os, "eventfd") else True)
    show(os.ttyname(0) if os.isatty(0) else "no tty", os.cpu_count() > 0, os.getloadavg().__len__(), os.umask(0o22))
    show(resource.getrlimit(resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), os.getpgrp() == os.getpid())
    show(os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK"), os.sysconf("SC_OPEN_MAX"), len(os.urandom(10)), len(os.getrandom(10)))


for part in (run_subprocesses, fork_and_wait, pipes_and_polling, signals, threads, processes, memory, files):
    show("--", part.__name__)
    try:
        part()
    except Exception as e:
        show("failed:", type(e).__name__, e, sys.exc_info()[2].tb_next and sys.exc_info()[2].tb_next.tb_lineno)
os.kill(os.getpid(), signal.SIGXCPU)
