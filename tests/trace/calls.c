// What tests/scripts/trace.sh looks at: system calls a program meets daily, in families named on the command line. The
// same static program runs under strace on this kernel and under --trace syscalls in a box; what both print between the
// two writes to descriptor -1 is compared. Nothing here depends on the machine but addresses, ids, times and inodes.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/xattr.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utime.h>

#define CALL(...) ((void)!(__VA_ARGS__))

static void files(void)
{
    char buf[100];
    struct stat st;
    struct statx sx;
    unlink("/tmp/trace.file");
    int fd = open("/tmp/trace.file", O_RDWR | O_CREAT | O_EXCL, 0640);
    openat(AT_FDCWD, "/no/such/file", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    openat(fd, "relative", O_WRONLY | O_DIRECTORY | 0x80000000);
    syscall(SYS_open, (char *)16, O_RDONLY);
    CALL(write(fd, "line one\n\tand \"quotes\" \\ and \1\0337\377 bytes, more than are shown", 58));
    CALL(write(fd, "", 0));
    CALL(write(-1, (void *)8, 10));
    lseek(fd, 2, SEEK_SET);
    CALL(read(fd, buf, 9));
    CALL(read(fd, buf, sizeof buf));
    CALL(read(fd, buf, sizeof buf));
    CALL(pread(fd, buf, 5, 1) + pwrite(fd, "12", 2, 3));
    struct iovec v[3] = {{"abc", 3}, {NULL, 0}, {"0123456789012345678901234567890123456789", 40}},
                 in[2] = {{buf, 4}, {buf + 4, 50}};
    CALL(writev(fd, v, 3) + pwritev(fd, v, 2, 4));
    lseek(fd, 0, SEEK_SET);
    CALL(readv(fd, in, 2) + preadv2(fd, in, 1, 0, RWF_HIPRI));
    CALL(writev(fd, (void *)24, 2) + writev(fd, NULL, 0));
    fstat(fd, &st);
    stat("/dev/null", &st);
    syscall(SYS_newfstatat, AT_FDCWD, "/tmp/trace.file", &st, AT_SYMLINK_NOFOLLOW);
    syscall(SYS_newfstatat, AT_FDCWD, "/no", &st, 0);
    statx(AT_FDCWD, "/tmp/trace.file", AT_STATX_SYNC_AS_STAT, STATX_SIZE, &sx);
    access("/tmp", R_OK | X_OK);
    access("/tmp", F_OK);
    faccessat(AT_FDCWD, "/tmp", W_OK, 0);
    fcntl(fd, F_GETFD);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_GETFD);
    fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK);
    close(fcntl(fd, F_DUPFD_CLOEXEC, 20));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2};
    fcntl(fd, F_SETLK, &lock);
    fcntl(fd, F_GETLK, &lock);
    flock(fd, LOCK_EX | LOCK_NB);
    CALL(ftruncate(fd, 1000) + truncate("/tmp/trace.file", 10));
    chmod("/tmp/trace.file", 04755);
    fchmod(fd, 0600);
    CALL(chown("/tmp/trace.file", -1, -1));
    fchownat(AT_FDCWD, "/tmp/trace.file", 0, 0, AT_SYMLINK_NOFOLLOW);
    struct timespec ts[2] = {{12, 34}, {0, UTIME_OMIT}};
    utimensat(AT_FDCWD, "/tmp/trace.file", ts, 0);
    utimensat(AT_FDCWD, "/tmp/trace.file", NULL, AT_SYMLINK_NOFOLLOW);
    mkdir("/tmp/trace.dir", 0777);
    CALL(symlink("a target", "/tmp/trace.dir/link") + (int)readlink("/tmp/trace.dir/link", buf, sizeof buf));
    CALL(linkat(AT_FDCWD, "/tmp/trace.file", AT_FDCWD, "/tmp/trace.dir/hard", 0));
    CALL(rename("/tmp/trace.dir/hard", "/tmp/trace.dir/name"));
    syscall(SYS_renameat2, AT_FDCWD, "/tmp/trace.dir/name", AT_FDCWD, "/tmp/trace.dir/link", RENAME_NOREPLACE);
    int dir = open("/tmp/trace.dir", O_RDONLY | O_DIRECTORY);
    CALL(syscall(SYS_getdents64, dir, buf, 100) + syscall(SYS_getdents64, dir, buf, 100));
    unlink("/tmp/trace.dir/link");
    unlinkat(dir, "name", 0);
    unlinkat(AT_FDCWD, "/tmp/trace.dir", AT_REMOVEDIR);
    umask(umask(027));
    CALL(chdir("/tmp"));
    CALL(syscall(SYS_getcwd, buf, sizeof buf));
    dup2(fd, 30);
    dup3(fd, 31, O_CLOEXEC);
    int p[2];
    CALL(pipe(p) + pipe2(p, O_CLOEXEC | O_NONBLOCK));
    CALL(read(p[0], buf, 1));
    ioctl(p[0], FIONREAD, buf);
    posix_fadvise(fd, 0, 10, POSIX_FADV_WILLNEED);
    fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096);
    fsync(fd);
    mknodat(AT_FDCWD, "/tmp/trace.fifo", S_IFIFO | 0600, 0);
    unlink("/tmp/trace.fifo");
    unlink("/tmp/trace.file");
    int i = inotify_init1(IN_CLOEXEC);
    inotify_add_watch(i, "/tmp", IN_CREATE | IN_DELETE);
    CALL(memfd_create("name", MFD_CLOEXEC));
    syscall(SYS_close_range, 30, 31, 0);
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDONLY | O_CLOEXEC, 0, 8};
    syscall(SYS_openat2, AT_FDCWD, "/tmp", &how, sizeof how);
}

static void more_files(void)
{
    char buf[100];
    int fd = open("/tmp/trace.more", O_RDWR | O_CREAT | O_TRUNC | O_SYNC, S_IRUSR | S_ISUID), p[2];
    CALL(write(fd, "0123456789", 10));
    CALL(pipe(p));
    off_t at = 2;
    CALL(sendfile(p[1], fd, &at, 3) + sendfile(p[1], fd, NULL, 3));
    loff_t from = 1, to = 20;
    CALL(copy_file_range(fd, &from, fd, &to, 4, 0) + splice(fd, &from, p[1], NULL, 2, SPLICE_F_MOVE) +
         tee(p[0], p[0], 1, SPLICE_F_NONBLOCK));
    fsetxattr(fd, "user.name", "value", 5, XATTR_CREATE);
    fgetxattr(fd, "user.name", buf, sizeof buf);
    fgetxattr(fd, "user.none", buf, sizeof buf);
    flistxattr(fd, buf, sizeof buf);
    fcntl(fd, F_SETOWN, 1);
    fcntl(fd, F_GETPIPE_SZ);
    fcntl(p[0], F_SETPIPE_SZ, 65536);
    fcntl(fd, 77, 1);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_END};
    fcntl(fd, F_OFD_SETLK, &lock);
    lseek(fd, -5, SEEK_END);
    lseek(fd, 0, 99);
    int m = memfd_create("sealed", MFD_ALLOW_SEALING);
    fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    fcntl(m, F_GET_SEALS);
    mknod("/tmp/trace.node", S_IFREG | S_ISGID | 0644, 0);
    unlink("/tmp/trace.node");
    CALL(readlinkat(AT_FDCWD, "/no", buf, 10));
    CALL(write(fd, "\r\v\f\a\177\200", 6));
    CALL(write(fd, NULL, 5));
    ioctl(fd, FIOCLEX);
    ioctl(p[0], FIONBIO, p);
    struct timeval tv[2] = {{5, 6}, {951782400, 0}};
    utimes("/tmp/trace.more", tv);
    struct timespec ts[2] = {{951782400, 0}, {4107542399, 1}};
    utimensat(AT_FDCWD, "/tmp/trace.more", ts, 0);
    unlink("/tmp/trace.more");
    syscall(SYS_renameat2, -5, NULL, 7, "", 6);
    inotify_add_watch(0, "", IN_ALL_EVENTS | IN_ONLYDIR | 0x08000000);
    sync_file_range(99, 0, 1, 0);
}

static void ipc(void)
{
    int id = shmget(IPC_PRIVATE, 5000, IPC_CREAT | 0600);
    void *p = shmat(id, NULL, SHM_RDONLY);
    shmdt(p);
    shmctl(id, IPC_RMID, NULL);
    int s = semget(IPC_PRIVATE, 2, IPC_CREAT | IPC_EXCL | 0666);
    struct sembuf ops[2] = {{0, 2, 0}, {0, -1, SEM_UNDO | IPC_NOWAIT}};
    semop(s, ops, 2);
    semctl(s, 0, IPC_RMID);
    int q = msgget(0x1234567, 0600);
    msgctl(q, IPC_RMID, NULL);
}

static void memory(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mmap(p, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    mprotect(p, 4096, PROT_READ | PROT_EXEC);
    madvise(p, 8192, MADV_DONTNEED);
    madvise(p, 8192, 12345);
    p = mremap(p, 4096, 16384, MREMAP_MAYMOVE);
    msync(p, 4096, MS_SYNC);
    mmap(NULL, 0, PROT_READ, MAP_SHARED, 7, 8192);
    munmap(p, 16384);
    syscall(SYS_brk, 0);
    mlock(&p, 8);
    mlockall(0x100);
    CALL(getrandom(p = (char[20]){0}, 0, GRND_NONBLOCK));
    syscall(SYS_membarrier, 0, 0, 0);
}

static void nothing(int sig)
{
    (void)sig;
}

static void *wait_for(void *word)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 1, NULL);
    return NULL;
}

static void signals(void)
{
    struct sigaction act = {.sa_handler = nothing, .sa_flags = SA_RESTART | SA_NODEFER}, old;
    sigaddset(&act.sa_mask, SIGINT);
    sigaddset(&act.sa_mask, SIGRTMIN + 1);
    sigaction(SIGUSR1, &act, &old);
    sigaction(SIGUSR1, NULL, &old);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGKILL, &act, NULL);
    kill(getpid(), SIGUSR1);
    sigset_t set, was;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &was);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 7});
    sigpending(&set);
    siginfo_t info;
    struct timespec now = {0, 0};
    sigtimedwait(&set, &info, &now);
    sigtimedwait(&set, &info, &now);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    stack_t ss = {.ss_sp = (void *)0x10000, .ss_size = 16384}, prev;
    sigaltstack(&ss, &prev);
    ss.ss_flags = SS_DISABLE;
    sigaltstack(&ss, NULL);
    raise(SIGUSR1);
    sigaddset(&set, SIGUSR2);
    signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = nothing}, NULL);
    struct itimerval soon = {.it_value.tv_usec = 20000}, prev_timer;
    setitimer(ITIMER_REAL, &soon, &prev_timer);
    pause();
    getitimer(ITIMER_REAL, &prev_timer);
    setitimer(ITIMER_REAL, &soon, NULL);
    char c;
    int p[2];
    CALL(pipe(p));
    CALL(read(p[0], &c, 1));
    alarm(0);
    syscall(SYS_tgkill, getpid(), getpid(), 0);
    kill(99999, SIGRTMIN + 3);
}

static void processes(void)
{
    int status;
    struct rusage ru;
    siginfo_t info;
    pid_t pid = fork();
    if (!pid) _exit(3);
    wait4(pid, &status, 0, &ru);
    if (!(pid = fork())) {
        execve("/no/such", (char *[]){"such", "argument \"1\"", NULL}, (char *[]){"A=1", "B=2", NULL});
        kill(getpid(), SIGTERM);
    }
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    waitpid(-1, &status, WUNTRACED | WCONTINUED);
    waitpid(-1, &status, WNOHANG);
    getpgid(0);
    getpriority(PRIO_PROCESS, 0);
    getgroups(0, NULL);
    uid_t a, b, c;
    getresuid(&a, &b, &c);
    struct rlimit lim = {1000, RLIM_INFINITY};
    getrlimit(RLIMIT_CORE, &lim);
    lim.rlim_cur = 0;
    prlimit(0, RLIMIT_CORE, &lim, NULL);
    getrusage(RUSAGE_SELF, &ru);
    struct tms t;
    times(&t);
    prctl(PR_SET_NAME, "a name");
    char name[16];
    prctl(PR_GET_NAME, name);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_GET_DUMPABLE);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct sched_param param = {0};
    sched_getparam(0, &param);
    sched_setscheduler(0, SCHED_OTHER, &param);
    sched_getscheduler(0);
    sched_yield();
    struct {
        uint32_t version;
        int pid;
    } head = {0x20080522, 0};
    syscall(SYS_capget, &head, NULL);
    syscall(SYS_set_tid_address, &pid);
    syscall(SYS_gettid);
    execve("/proc/self/exe", (char *[]){"calls", "end", NULL}, (char *[]){NULL});
}

static void more_processes(void)
{
    int status;
    siginfo_t info;
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL); // so that it comes when it is asked for
    pid_t pid = vfork();
    if (!pid) _exit(0);
    wait4(pid, &status, __WALL, NULL);
    signal(SIGCHLD, SIG_IGN); // drops the pending one
    signal(SIGCHLD, nothing);
    if (!(pid = fork())) {
        raise(SIGSTOP);
        raise(SIGKILL);
    }
    waitpid(pid, &status, WUNTRACED);
    kill(pid, SIGCONT);
    waitid(P_PID, (id_t)pid, &info, WEXITED);
    sigprocmask(SIG_UNBLOCK, &chld, NULL);
    signal(SIGCHLD, SIG_IGN);
    if (!(pid = fork())) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        *(volatile int *)0x123450 = 0;
    }
    waitpid(pid, &status, 0);
    if (!(pid = fork())) {
        prctl(PR_SET_PDEATHSIG, SIGHUP);
        __asm__ volatile("ud2");
    }
    waitpid(pid, &status, 0);
    personality(0xffffffff);
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    syscall(SYS_capget, &head, data);
    data[0].effective = data[0].permitted = data[0].inheritable = 1 << CAP_CHOWN | 1 << CAP_KILL;
    data[1].effective = data[1].permitted = data[1].inheritable = 0;
    syscall(SYS_capset, &head, data);
    prctl(PR_CAPBSET_READ, CAP_MKNOD);
    prctl(PR_SET_TIMERSLACK, 50000);
    prctl(0x7777, 1, 2, 3, 4);
    struct sched_param param = {1};
    sched_setscheduler(0, SCHED_FIFO, &param);
    sched_get_priority_max(SCHED_RR);
    gid_t gids[3] = {1, 2, 3};
    setgroups(0, gids);
    struct rlimit lim = {RLIM_INFINITY, 3000};
    setrlimit(RLIMIT_NOFILE, &lim);
    syscall(SYS_unshare, 0);
    syscall(SYS_pidfd_open, 99999, 0);
    syscall(SYS_execveat, 99, "", (char *[]){"a", "0123456789012345678901234567890123456789", NULL}, NULL,
            AT_EMPTY_PATH);
}

static void *die_waiting(void *fd)
{
    char c;
    CALL(read(*(int *)fd, &c, 1));
    return NULL;
}

static void killed(void)
{
    int p[2];
    pthread_t th;
    CALL(pipe(p));
    pthread_create(&th, NULL, die_waiting, p);
    usleep(50000);
}

static void threads(void)
{
    static int word = 1;
    pthread_t th;
    pthread_create(&th, NULL, wait_for, &word);
    usleep(20000);
    word = 0;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
    pthread_join(th, NULL);
    struct timespec soon = {0, 1000};
    syscall(SYS_futex, &word, FUTEX_WAIT, 0, &soon);
    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 5, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
    syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 2, &word, 7);
    syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, &word, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_GT, 2));
    word = 0;
    syscall(SYS_futex, &word, FUTEX_LOCK_PI_PRIVATE, 0, NULL);
    syscall(SYS_futex, &word, FUTEX_UNLOCK_PI_PRIVATE);
}

static void local(void)
{
    int sv[2];
    CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/tmp/trace.sock"}, who;
    socklen_t len = sizeof who;
    unlink(un.sun_path);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(s, (void *)&un, sizeof un);
    listen(s, 5);
    connect(c, (void *)&un, sizeof un);
    int a = accept4(s, (void *)&who, &len, SOCK_CLOEXEC);
    accept(s, NULL, NULL);
    len = sizeof who;
    getsockname(s, (void *)&who, &len);
    un.sun_path[0] = 0;
    connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&un, 20);
    send(a, "hello\n", 6, MSG_NOSIGNAL);
    char buf[40];
    recv(c, buf, sizeof buf, MSG_DONTWAIT);
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec v = {"payload", 7}, in = {buf, sizeof buf};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
    *cm = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memset(CMSG_DATA(cm), 0, 4);
    sendmsg(sv[0], &m, 0);
    m.msg_iov = &in;
    recvmsg(sv[1], &m, MSG_CMSG_CLOEXEC);
    m.msg_controllen = 0;
    recvmsg(sv[1], &m, MSG_DONTWAIT);
    int on = 1, got;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    len = sizeof got;
    getsockopt(s, SOL_SOCKET, SO_TYPE, &got, &len);
    struct timeval tv = {1, 500};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    struct linger linger = {1, 2};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    struct ucred cred;
    len = sizeof cred;
    getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &cred, &len);
    setsockopt(s, SOL_SOCKET, 200, &on, 0);
    struct mmsghdr mm[2] = {{.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}}};
    sendmmsg(sv[0], mm, 2, MSG_DONTWAIT);
    bind(c, (void *)&(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
    connect(c, (void *)8, 16);
    shutdown(c, SHUT_RDWR);
    unlink("/tmp/trace.sock");
}

static void inet(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, who;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(40443), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof who;
    int s = socket(AF_INET, SOCK_STREAM, IPPROTO_IP), u = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), on = 1;
    bind(s, (void *)&in, sizeof in);
    listen(s, 128);
    bind(u, (void *)&in, sizeof in);
    getsockname(u, (void *)&who, &len);
    sendto(u, "datagram", 8, 0, (void *)&who, sizeof who);
    char buf[10];
    len = sizeof who;
    recvfrom(u, buf, sizeof buf, 0, (void *)&who, &len);
    recvfrom(u, buf, sizeof buf, MSG_DONTWAIT | MSG_PEEK, NULL, NULL);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int s6 = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
    setsockopt(s6, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    connect(s6, (void *)&in6, sizeof in6);
    getpeername(s, (void *)&who, &len);
}

static void waiting(void)
{
    int p[2];
    CALL(pipe(p));
    CALL(write(p[1], "x", 1));
    struct pollfd fds[2] = {{p[0], POLLIN | POLLPRI, 0}, {-1, POLLOUT, 0}};
    poll(fds, 2, 0);
    poll(fds + 1, 1, 1);
    poll(NULL, 0, 0);
    struct timespec ts = {1, 0}, zero = {0, 0};
    ppoll(fds, 1, &zero, NULL);
    fd_set r, w;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(p[1], &w);
    struct timeval tv = {0, 0};
    select(p[1] + 1, &r, &w, NULL, &tv);
    FD_ZERO(&r);
    select(1, &r, NULL, NULL, &tv);
    sigset_t mask;
    sigemptyset(&mask);
    pselect(0, NULL, NULL, NULL, &zero, &mask);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = 5}, out[4];
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
    epoll_wait(ep, out, 4, 0);
    epoll_pwait(ep, out, 4, 0, &mask);
    epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL);
    eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec it = {{0, 0}, {1, 5}}, left;
    timerfd_settime(t, TFD_TIMER_ABSTIME, &it, &left);
    timerfd_gettime(t, &left);
    nanosleep(&(struct timespec){0, 5}, &ts);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
    syscall(SYS_clock_gettime, 77, &ts);
    syscall(SYS_clock_getres, CLOCK_BOOTTIME, &ts);
    syscall(SYS_gettimeofday, &tv, NULL);
    ts = (struct timespec){0, 500};
    poll((void *)32, 3, 0);
    syscall(SYS_select, 0, NULL, NULL, NULL, 24);
    close(p[0]);
    fds[0] = (struct pollfd){p[1], POLLOUT | POLLRDHUP, 0};
    poll(fds, 1, -1);
    timer_t id;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    syscall(SYS_timer_create, CLOCK_REALTIME, &ev, &id);
    syscall(SYS_timer_settime, 0, 0, &it, NULL);
}

static void others(void)
{
    struct utsname u;
    uname(&u);
    struct sysinfo s;
    sysinfo(&s);
    struct statfs fs;
    statfs("/no/such", &fs);
    struct winsize size;
    struct termios tio;
    ioctl(0, TIOCGWINSZ, &size);
    ioctl(0, TCGETS, &tio);
    int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), n, zero = 0;
    ioctl(m, TIOCGPTN, &n);
    ioctl(m, TIOCSPTLCK, &zero);
    size = (struct winsize){24, 80, 0, 0};
    ioctl(m, TIOCSWINSZ, &size);
    ioctl(m, TIOCGWINSZ, &size);
    syscall(SYS_ioctl, m, TCGETS, &tio);
    syscall(SYS_ioctl, m, TCSETSW, &tio);
    ioctl(m, TIOCGPGRP, &n);
    ioctl(m, 0x12345678, 5);
    unsigned long cpus[2] = {1, 0};
    syscall(SYS_sched_setaffinity, 0, 8, cpus);
    syscall(SYS_sched_getaffinity, 0, sizeof cpus, cpus);
    syscall(SYS_getcpu, &n, NULL, NULL);
    char buf[4];
    CALL(getrandom(buf, sizeof buf, 0));
    syscall(SYS_arch_prctl, 0x1003, &n);
    sync();
    syscall(1000, 1, 2);
}

static void rarely(void)
{
    signal(SIGUSR1, nothing);
    timer_t id;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 7};
    struct itimerspec it = {{0, 0}, {0, 1000000}}, now;
    syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id);
    syscall(SYS_timer_settime, id, 0, &it, NULL);
    pause();
    syscall(SYS_timer_gettime, id, &now);
    syscall(SYS_timer_getoverrun, id);
    syscall(SYS_timer_delete, id);
    struct statfs fs;
    statfs("/proc", &fs);
    char a[8] = "abcdefg", b[8];
    struct iovec from = {a, 8}, to = {b, 8};
    process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    process_vm_writev(getpid(), &to, 1, &from, 1, 0);
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } waitv[2] = {{1, (uintptr_t)a, 2, 0}, {2, (uintptr_t)b, 2 | 128, 0}};
    syscall(449, waitv, 2, 0, NULL, CLOCK_MONOTONIC);
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
        uint32_t low, high;
    } attr = {.size = 56, .nice = 1};
    syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0);
    syscall(SYS_sched_setattr, 0, &attr, 0);
    struct mq_attr mq = {0, 2, 16, 0};
    mqd_t q = mq_open("/trace", O_RDWR | O_CREAT, 0600, &mq);
    mq_send(q, "message", 7, 3);
    unsigned priority;
    char text[16];
    mq_receive(q, text, 16, &priority);
    mq_getattr(q, &mq);
    mq_unlink("/trace");
    unsigned char vec[2];
    mincore((void *)((uintptr_t)a & -4096), 4096, vec);
    syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0);
    int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
    syscall(SYS_fchmodat, AT_FDCWD, "/no", 0600);
    syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0);
    mount("none", "/no", "tmpfs", MS_NOSUID | MS_RDONLY, "size=1");
    umount2("/no", MNT_DETACH);
    syscall(SYS_set_robust_list, NULL, 5);
    syscall(SYS_get_robust_list, 0, &vec, &mq);
    syscall(SYS_getpriority, 7, 0);
    syscall(SYS_chroot, "/no");
    syscall(SYS_epoll_pwait2, 99, NULL, 1, NULL, NULL, 8);
    utime("/no", NULL);
    struct utimbuf ut = {1, 2};
    utime("/no", &ut);
    struct timex tx = {0};
    clock_adjtime(CLOCK_REALTIME, &tx);
    syscall(SYS_ptrace, 99, 0, 0, 0);
    syscall(SYS_futimesat, AT_FDCWD, "/no", NULL);
    syscall(SYS_readahead, 99, 0, 10);
    syscall(SYS_mbind, 0, 4096, 0, NULL, 0, 0);
}

static void flags(void)
{
    syscall(SYS_open, "/no", 0x67ffc2, 0700);
    syscall(SYS_open, "/no", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    syscall(SYS_open, "/no", -1, 0600);
    syscall(SYS_clone, -256 | SIGCHLD, 0, 0, 0, 0);
    fallocate(99, 0x7f, 0, 1);
    sync_file_range(99, 0, 0, 7);
    syscall(SYS_msgsnd, 0x7fffff, &(struct {
                long type;
                char text[8];
            }){5, "hello"},
            5, 0);
    syscall(SYS_sendto, 99, "", 0, 0x7fffffff, 0, 0);
    syscall(SYS_utime, "/no", &(struct utimbuf){5, 6});
    syscall(SYS_fcntl, 99, F_SETFL, -1);
    syscall(SYS_rt_sigaction, SIGUSR2, &(unsigned long[]){5, 0xffffffff & ~0x800, 7, 9}, 0, 8);
    syscall(SYS_wait4, -5, 0, 0xffffffff, 0);
    syscall(SYS_faccessat2, AT_FDCWD, "/no", 7, 0xffff);
    syscall(SYS_newfstatat, AT_FDCWD, "/no", 0, 0xffff);
    syscall(SYS_ioprio_set, 1, 0, 0x4002);
    syscall(SYS_personality, 0x40000);
    syscall(SYS_personality, 0);
    syscall(SYS_epoll_ctl, 99, 1, 2, &(struct epoll_event){-1, {.u32 = 5}});
    syscall(SYS_epoll_create1, 0xff);
    syscall(SYS_eventfd2, 1, 0xfffff);
    syscall(SYS_socket, 1, 0xfff05, 0);
    syscall(SYS_timerfd_settime, 99, 7, 0, 0);
    syscall(SYS_poll, (int[]){99, -1}, 1, 0);
    syscall(SYS_mremap, 0, 1, 2, 7, 5);
    syscall(SYS_msync, 0, 0, 7);
    syscall(SYS_mprotect, 0, 0, -1);
    syscall(SYS_semget, 5, -1, 03777);
    syscall(SYS_shmget, 5, 0, 037777 & ~SHM_HUGETLB);
    syscall(SYS_shmat, -99, 0, 0xffff);
    syscall(SYS_mlock2, 0, 0, 1);
    syscall(SYS_futex, 0, FUTEX_REQUEUE, 1, 2, 0, 0);
    syscall(SYS_futex, 0, FUTEX_WAIT_REQUEUE_PI, 1, 0, 0, 0);
    syscall(SYS_chmod, "/no", -1);
    int s = socket(AF_NETLINK, SOCK_RAW, 0), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error;
    close(s);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    connect(c, (void *)&in, sizeof in);
    poll(&(struct pollfd){c, POLLOUT, 0}, 1, 1000);
    socklen_t len = sizeof error;
    getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len);
    getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len);
}

// Every call with arguments that mean nothing, or point to bytes that mean nothing: only for a box. What is asked of
// the trace is to stay within its bounds.
static uint64_t random64(void)
{
    static uint64_t state = 88172645463325252; // xorshift64
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static bool stays(long nr)
{ // calls that leave, wait for ever, or end who is not meant
    static const short others[] = {SYS_fork,
                                   SYS_vfork,
                                   SYS_clone,
                                   SYS_clone3,
                                   SYS_exit,
                                   SYS_exit_group,
                                   SYS_kill,
                                   SYS_tkill,
                                   SYS_tgkill,
                                   SYS_rt_sigqueueinfo,
                                   SYS_rt_sigreturn,
                                   SYS_reboot,
                                   SYS_rt_tgsigqueueinfo,
                                   SYS_rt_sigaction,
                                   SYS_setpgid,
                                   SYS_prlimit64,
                                   SYS_setrlimit,
                                   SYS_rt_sigprocmask,
                                   SYS_alarm,
                                   SYS_setitimer};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] == nr) return false;
    return true;
}

static uint64_t bad_argument(unsigned char *bytes, size_t size)
{
    switch (random64() % 6) {
    case 0:
        return random64();
    case 1:
        return random64() % 64;
    case 2:
        return -(random64() % 64);
    case 3:
        return random64() & 0xffffffff;
    default:
        return (uintptr_t)bytes + random64() % size;
    }
}

static void random_calls(long nr)
{
    static unsigned char bytes[8192];
    for (unsigned k = 0; k < 30; k++) {
        for (size_t i = 0; i + 8 <= sizeof bytes; i += 8) {
            uint64_t v = random64() % 4 ? bad_argument(bytes, sizeof bytes) : 0;
            memcpy(bytes + i, &v, 8);
        }
        uint64_t a[6];
        for (unsigned i = 0; i < 6; i++) a[i] = bad_argument(bytes, sizeof bytes);
        syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}

static void hostile(void)
{
    for (long nr = 0; nr < 470; nr++) {
        int status;
        random64();
        if (!stays(nr)) continue;
        pid_t pid = fork();
        if (!pid) {
            setpgid(0, 0);
            signal(SIGALRM, SIG_DFL);
            ualarm(20000, 0);
            random_calls(nr);
            _exit(0);
        }
        waitpid(pid, &status, 0);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } families[] = {
        {"files", files},     {"more_files", more_files}, {"ipc", ipc},         {"more_processes", more_processes},
        {"killed", killed},   {"memory", memory},         {"signals", signals}, {"processes", processes},
        {"threads", threads}, {"local", local},           {"inet", inet},       {"waiting", waiting},
        {"others", others},   {"rarely", rarely},         {"flags", flags},     {"hostile", hostile}};
    CALL(write(-1, "begin", 5));
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < sizeof families / sizeof *families; k++)
            if (!strcmp(argv[i], families[k].name)) families[k].run();
    CALL(write(-1, "end", 3));
    return argc > 1 ? 3 : 0;
}
