// The Linux ABI of x86-64 as the guest sees it: constants LX_* and structs lx_*, laid out as the kernel's user-space headers have them and never passed
// to the host. Each group names the man page that documents it. Leaf header: includes nothing of belljar's but errno.h.
#pragma once
#include "abi/errno.h"
#include <stdint.h>

// clang-format off: tables of numbers, several a line

enum {   // open(2), fcntl(2), *at(2), lseek(2)
  LX_O_RDONLY = 0, LX_O_WRONLY = 1, LX_O_RDWR = 2, LX_O_ACCMODE = 3, LX_O_CREAT = 0x40, LX_O_EXCL = 0x80, LX_O_NOCTTY = 0x100,
  LX_O_TRUNC = 0x200, LX_O_APPEND = 0x400, LX_O_NONBLOCK = 0x800, LX_O_DSYNC = 0x1000, LX_O_ASYNC = 0x2000, LX_O_DIRECT = 0x4000,
  LX_O_LARGEFILE = 0x8000, LX_O_DIRECTORY = 0x10000, LX_O_NOFOLLOW = 0x20000, LX_O_NOATIME = 0x40000, LX_O_CLOEXEC = 0x80000,
  LX_O_SYNC = 0x101000, LX_O_PATH = 0x200000, LX_O_TMPFILE = 0x410000, LX_F_DUPFD = 0, LX_F_GETFD = 1, LX_F_SETFD = 2, LX_F_GETFL = 3,
  LX_F_SETFL = 4, LX_F_GETLK = 5, LX_F_SETLK = 6, LX_F_SETLKW = 7, LX_F_SETOWN = 8, LX_F_GETOWN = 9, LX_F_SETSIG = 0xa, LX_F_GETSIG = 0xb,
  LX_F_OFD_GETLK = 0x24, LX_F_OFD_SETLK = 0x25, LX_F_OFD_SETLKW = 0x26, LX_F_SETLEASE = 0x400, LX_F_GETLEASE = 0x401, LX_F_NOTIFY = 0x402,
  LX_F_DUPFD_CLOEXEC = 0x406, LX_F_SETPIPE_SZ = 0x407, LX_F_GETPIPE_SZ = 0x408, LX_F_ADD_SEALS = 0x409, LX_F_GET_SEALS = 0x40a, LX_F_SEAL_SEAL = 1, LX_F_SEAL_SHRINK = 2, LX_F_SEAL_GROW = 4, LX_F_SEAL_WRITE = 8, LX_F_SEAL_FUTURE_WRITE = 0x10, LX_F_SEAL_EXEC = 0x20,
  LX_FD_CLOEXEC = 1, LX_F_RDLCK = 0, LX_F_WRLCK = 1, LX_F_UNLCK = 2, LX_AT_FDCWD = -100, LX_AT_SYMLINK_NOFOLLOW = 0x100,
  LX_AT_REMOVEDIR = 0x200, LX_AT_SYMLINK_FOLLOW = 0x400, LX_AT_NO_AUTOMOUNT = 0x800, LX_AT_EMPTY_PATH = 0x1000, LX_AT_EACCESS = 0x200,
  LX_SEEK_SET = 0, LX_SEEK_CUR = 1, LX_SEEK_END = 2, LX_SEEK_DATA = 3, LX_SEEK_HOLE = 4, LX_FALLOC_FL_KEEP_SIZE = 1,
  LX_FALLOC_FL_PUNCH_HOLE = 2, LX_RENAME_NOREPLACE = 1, LX_RENAME_EXCHANGE = 2, LX_RENAME_WHITEOUT = 4, LX_POSIX_FADV_NORMAL = 0,
};

enum {   // stat(2), statx(2)
  LX_S_IFMT = 0xf000, LX_S_IFSOCK = 0xc000, LX_S_IFLNK = 0xa000, LX_S_IFREG = 0x8000, LX_S_IFBLK = 0x6000, LX_S_IFDIR = 0x4000,
  LX_S_IFCHR = 0x2000, LX_S_IFIFO = 0x1000, LX_S_ISUID = 0x800, LX_S_ISGID = 0x400, LX_S_ISVTX = 0x200, LX_S_IRWXU = 0x1c0,
  LX_S_IRUSR = 0x100, LX_S_IWUSR = 0x80, LX_S_IXUSR = 0x40, LX_S_IRWXG = 0x38, LX_S_IRGRP = 0x20, LX_S_IWGRP = 0x10, LX_S_IXGRP = 8,
  LX_S_IRWXO = 7, LX_S_IROTH = 4, LX_S_IWOTH = 2, LX_S_IXOTH = 1, LX_STATX_BASIC_STATS = 0x7ff, LX_STATX_BTIME = 0x800, LX_STATX_ALL = 0xfff,
  LX_UTIME_NOW = 0x3fffffff, LX_UTIME_OMIT = 0x3ffffffe,
};

enum {   // mmap(2) and relatives
  LX_PROT_NONE = 0, LX_PROT_READ = 1, LX_PROT_WRITE = 2, LX_PROT_EXEC = 4, LX_PROT_GROWSDOWN = 0x1000000, LX_PROT_GROWSUP = 0x2000000,
  LX_MAP_SHARED = 1, LX_MAP_PRIVATE = 2, LX_MAP_SHARED_VALIDATE = 3, LX_MAP_TYPE = 0xf, LX_MAP_FIXED = 0x10, LX_MAP_ANONYMOUS = 0x20,
  LX_MAP_32BIT = 0x40, LX_MAP_GROWSDOWN = 0x100, LX_MAP_DENYWRITE = 0x800, LX_MAP_EXECUTABLE = 0x1000, LX_MAP_LOCKED = 0x2000,
  LX_MAP_NORESERVE = 0x4000, LX_MAP_POPULATE = 0x8000, LX_MAP_NONBLOCK = 0x10000, LX_MAP_STACK = 0x20000, LX_MAP_HUGETLB = 0x40000,
  LX_MAP_SYNC = 0x80000, LX_MAP_FIXED_NOREPLACE = 0x100000, LX_MREMAP_MAYMOVE = 1, LX_MREMAP_FIXED = 2, LX_MREMAP_DONTUNMAP = 4,
  LX_MADV_NORMAL = 0, LX_MADV_RANDOM = 1, LX_MADV_SEQUENTIAL = 2, LX_MADV_WILLNEED = 3, LX_MADV_DONTNEED = 4, LX_MADV_FREE = 8,
  LX_MADV_REMOVE = 9, LX_MADV_DONTFORK = 0xa, LX_MADV_DOFORK = 0xb, LX_MADV_MERGEABLE = 0xc, LX_MADV_UNMERGEABLE = 0xd,
  LX_MADV_HUGEPAGE = 0xe, LX_MADV_NOHUGEPAGE = 0xf, LX_MADV_DONTDUMP = 0x10, LX_MADV_DODUMP = 0x11, LX_MADV_WIPEONFORK = 0x12,
  LX_MADV_KEEPONFORK = 0x13, LX_MADV_COLD = 0x14, LX_MADV_PAGEOUT = 0x15, LX_MADV_POPULATE_READ = 0x16, LX_MADV_POPULATE_WRITE = 0x17, LX_MADV_DONTNEED_LOCKED = 0x18, LX_MS_ASYNC = 1, LX_MS_INVALIDATE = 2, LX_MS_SYNC = 4,
  LX_MCL_CURRENT = 1, LX_MCL_FUTURE = 2, LX_MFD_CLOEXEC = 1, LX_MFD_ALLOW_SEALING = 2,
};

enum {   // signal(7), sigaction(2)
  LX_SIGHUP = 1, LX_SIGINT = 2, LX_SIGQUIT = 3, LX_SIGILL = 4, LX_SIGTRAP = 5, LX_SIGABRT = 6, LX_SIGBUS = 7, LX_SIGFPE = 8, LX_SIGKILL = 9,
  LX_SIGUSR1 = 0xa, LX_SIGSEGV = 0xb, LX_SIGUSR2 = 0xc, LX_SIGPIPE = 0xd, LX_SIGALRM = 0xe, LX_SIGTERM = 0xf, LX_SIGSTKFLT = 0x10,
  LX_SIGCHLD = 0x11, LX_SIGCONT = 0x12, LX_SIGSTOP = 0x13, LX_SIGTSTP = 0x14, LX_SIGTTIN = 0x15, LX_SIGTTOU = 0x16, LX_SIGURG = 0x17,
  LX_SIGXCPU = 0x18, LX_SIGXFSZ = 0x19, LX_SIGVTALRM = 0x1a, LX_SIGPROF = 0x1b, LX_SIGWINCH = 0x1c, LX_SIGIO = 0x1d, LX_SIGPWR = 0x1e,
  LX_SIGSYS = 0x1f, LX_SA_NOCLDSTOP = 1, LX_SA_NOCLDWAIT = 2, LX_SA_SIGINFO = 4, LX_SA_ONSTACK = 0x8000000, LX_SA_RESTART = 0x10000000,
  LX_SA_NODEFER = 0x40000000, LX_SA_RESETHAND = 0x80000000u, LX_SIG_BLOCK = 0, LX_SIG_UNBLOCK = 1, LX_SIG_SETMASK = 2, LX_SS_ONSTACK = 1,
  LX_SS_DISABLE = 2, LX_SI_USER = 0, LX_SI_QUEUE = -1, LX_SI_TIMER = -2, LX_SI_MESGQ = -3, LX_SI_ASYNCIO = -4, LX_SI_SIGIO = -5,
  LX_SI_TKILL = -6, LX_SI_KERNEL = 0x80, LX_ILL_ILLOPC = 1, LX_ILL_ILLOPN = 2, LX_FPE_INTDIV = 1, LX_FPE_INTOVF = 2, LX_FPE_FLTDIV = 3,
  LX_FPE_FLTOVF = 4, LX_FPE_FLTUND = 5, LX_FPE_FLTRES = 6, LX_FPE_FLTINV = 7, LX_FPE_FLTSUB = 8, LX_SEGV_MAPERR = 1, LX_SEGV_ACCERR = 2,
  LX_BUS_ADRALN = 1, LX_BUS_ADRERR = 2, LX_TRAP_BRKPT = 1, LX_TRAP_TRACE = 2, LX_CLD_EXITED = 1, LX_CLD_KILLED = 2, LX_CLD_DUMPED = 3,
  LX_CLD_TRAPPED = 4, LX_CLD_STOPPED = 5, LX_CLD_CONTINUED = 6, LX_MINSIGSTKSZ = 0x800,
  LX_SIG_DFL = 0, LX_SIG_IGN = 1, LX_SA_RESTORER = 0x4000000, LX_SA_EXPOSE_TAGBITS = 0x800, LX_SS_AUTODISARM = 0x80000000u, LX_SEGV_BNDERR = 3,
  LX_UC_FP_XSTATE = 1, LX_UC_SIGCONTEXT_SS = 2, LX_UC_STRICT_RESTORE_SS = 4,
};

enum {   // clone(2), sched(7)
  LX_CLONE_VM = 0x100, LX_CLONE_FS = 0x200, LX_CLONE_FILES = 0x400, LX_CLONE_SIGHAND = 0x800, LX_CLONE_PIDFD = 0x1000,
  LX_CLONE_PTRACE = 0x2000, LX_CLONE_VFORK = 0x4000, LX_CLONE_PARENT = 0x8000, LX_CLONE_THREAD = 0x10000, LX_CLONE_NEWNS = 0x20000,
  LX_CLONE_SYSVSEM = 0x40000, LX_CLONE_SETTLS = 0x80000, LX_CLONE_PARENT_SETTID = 0x100000, LX_CLONE_CHILD_CLEARTID = 0x200000,
  LX_CLONE_DETACHED = 0x400000, LX_CLONE_UNTRACED = 0x800000, LX_CLONE_CHILD_SETTID = 0x1000000, LX_CLONE_NEWCGROUP = 0x2000000,
  LX_CLONE_NEWUTS = 0x4000000, LX_CLONE_NEWIPC = 0x8000000, LX_CLONE_NEWUSER = 0x10000000, LX_CLONE_NEWPID = 0x20000000,
  LX_CLONE_NEWNET = 0x40000000, LX_CLONE_IO = 0x80000000u, LX_CSIGNAL = 0xff, LX_SCHED_OTHER = 0, LX_SCHED_FIFO = 1, LX_SCHED_RR = 2,
  LX_SCHED_BATCH = 3, LX_SCHED_IDLE = 5,
};

enum {   // wait(2)
  LX_WNOHANG = 1, LX_WUNTRACED = 2, LX_WSTOPPED = 2, LX_WEXITED = 4, LX_WCONTINUED = 8, LX_WNOWAIT = 0x1000000, LX_P_ALL = 0, LX_P_PID = 1,
  LX_P_PGID = 2, LX_P_PIDFD = 3,
  LX_WCLONE = 0x80000000u, LX_WALL = 0x40000000, LX_WNOTHREAD = 0x20000000,
};

enum {   // poll(2)
  LX_POLLIN = 1, LX_POLLPRI = 2, LX_POLLOUT = 4, LX_POLLERR = 8, LX_POLLHUP = 0x10, LX_POLLNVAL = 0x20, LX_POLLRDNORM = 0x40,
  LX_POLLRDBAND = 0x80, LX_POLLWRNORM = 0x100, LX_POLLWRBAND = 0x200, LX_POLLMSG = 0x400, LX_POLLRDHUP = 0x2000,
};

enum {   // epoll(7)
  LX_EPOLLIN = 1, LX_EPOLLOUT = 4, LX_EPOLLERR = 8, LX_EPOLLHUP = 0x10, LX_EPOLLET = 0x80000000u, LX_EPOLLONESHOT = 0x40000000,
  LX_EPOLLRDHUP = 0x2000, LX_EPOLLEXCLUSIVE = 0x10000000, LX_EPOLLWAKEUP = 0x20000000, LX_EPOLL_CTL_ADD = 1, LX_EPOLL_CTL_DEL = 2,
  LX_EPOLL_CTL_MOD = 3, LX_EPOLL_CLOEXEC = 0x80000,
};

enum {   // inotify(7)
  LX_IN_ACCESS = 1, LX_IN_MODIFY = 2, LX_IN_ATTRIB = 4, LX_IN_CLOSE_WRITE = 8, LX_IN_CLOSE_NOWRITE = 0x10, LX_IN_OPEN = 0x20,
  LX_IN_MOVED_FROM = 0x40, LX_IN_MOVED_TO = 0x80, LX_IN_CREATE = 0x100, LX_IN_DELETE = 0x200, LX_IN_DELETE_SELF = 0x400,
  LX_IN_MOVE_SELF = 0x800, LX_IN_ALL_EVENTS = 0xfff, LX_IN_UNMOUNT = 0x2000, LX_IN_Q_OVERFLOW = 0x4000, LX_IN_IGNORED = 0x8000,
  LX_IN_ONLYDIR = 0x1000000, LX_IN_DONT_FOLLOW = 0x2000000, LX_IN_EXCL_UNLINK = 0x4000000, LX_IN_MASK_CREATE = 0x10000000,
  LX_IN_MASK_ADD = 0x20000000, LX_IN_ISDIR = 0x40000000, LX_IN_ONESHOT = 0x80000000u,
};

enum {   // eventfd(2)
  LX_EFD_SEMAPHORE = 1, LX_EFD_CLOEXEC = 0x80000, LX_EFD_NONBLOCK = 0x800,
};

enum {   // clock_gettime(2)
  LX_CLOCK_REALTIME = 0, LX_CLOCK_MONOTONIC = 1, LX_CLOCK_PROCESS_CPUTIME_ID = 2, LX_CLOCK_THREAD_CPUTIME_ID = 3, LX_CLOCK_MONOTONIC_RAW = 4,
  LX_CLOCK_REALTIME_COARSE = 5, LX_CLOCK_MONOTONIC_COARSE = 6, LX_CLOCK_BOOTTIME = 7, LX_CLOCK_REALTIME_ALARM = 8,
  LX_CLOCK_BOOTTIME_ALARM = 9, LX_CLOCK_TAI = 0xb, LX_TIMER_ABSTIME = 1,
};

enum {   // setitimer(2)
  LX_ITIMER_REAL = 0, LX_ITIMER_VIRTUAL = 1, LX_ITIMER_PROF = 2,
};

enum {   // getrlimit(2), getrusage(2)
  LX_RLIMIT_CPU = 0, LX_RLIMIT_FSIZE = 1, LX_RLIMIT_DATA = 2, LX_RLIMIT_STACK = 3, LX_RLIMIT_CORE = 4, LX_RLIMIT_RSS = 5,
  LX_RLIMIT_NPROC = 6, LX_RLIMIT_NOFILE = 7, LX_RLIMIT_MEMLOCK = 8, LX_RLIMIT_AS = 9, LX_RLIMIT_LOCKS = 0xa, LX_RLIMIT_SIGPENDING = 0xb,
  LX_RLIMIT_MSGQUEUE = 0xc, LX_RLIMIT_NICE = 0xd, LX_RLIMIT_RTPRIO = 0xe, LX_RLIMIT_RTTIME = 0xf, LX_RUSAGE_SELF = 0,
  LX_RUSAGE_CHILDREN = -1, LX_RUSAGE_THREAD = 1, LX_PRIO_PROCESS = 0, LX_PRIO_PGRP = 1, LX_PRIO_USER = 2,
};

enum {   // futex(2)
  LX_FUTEX_WAIT = 0, LX_FUTEX_WAKE = 1, LX_FUTEX_FD = 2, LX_FUTEX_REQUEUE = 3, LX_FUTEX_CMP_REQUEUE = 4, LX_FUTEX_WAKE_OP = 5,
  LX_FUTEX_LOCK_PI = 6, LX_FUTEX_UNLOCK_PI = 7, LX_FUTEX_TRYLOCK_PI = 8, LX_FUTEX_WAIT_BITSET = 9, LX_FUTEX_WAKE_BITSET = 0xa,
  LX_FUTEX_PRIVATE_FLAG = 0x80, LX_FUTEX_CLOCK_REALTIME = 0x100, LX_FUTEX_WAITERS = 0x80000000u, LX_FUTEX_OWNER_DIED = 0x40000000,
  LX_FUTEX_TID_MASK = 0x3fffffff, LX_FUTEX_WAIT_REQUEUE_PI = 0xb, LX_FUTEX_CMP_REQUEUE_PI = 0xc, LX_FUTEX_LOCK_PI2 = 0xd,
  LX_FUTEX2_SIZE_U32 = 2, LX_FUTEX2_SIZE_MASK = 3, LX_FUTEX2_NUMA = 4, LX_FUTEX2_PRIVATE = 0x80, LX_FUTEX_WAITV_MAX = 128,
};

enum {   // arch_prctl(2)
  LX_ARCH_SET_GS = 0x1001, LX_ARCH_SET_FS = 0x1002, LX_ARCH_GET_FS = 0x1003, LX_ARCH_GET_GS = 0x1004,
};

enum {   // prctl(2)
  LX_PR_SET_PDEATHSIG = 1, LX_PR_GET_PDEATHSIG = 2, LX_PR_GET_DUMPABLE = 3, LX_PR_SET_DUMPABLE = 4, LX_PR_GET_KEEPCAPS = 7,
  LX_PR_SET_KEEPCAPS = 8, LX_PR_SET_NAME = 0xf, LX_PR_GET_NAME = 0x10, LX_PR_GET_SECCOMP = 0x15, LX_PR_SET_SECCOMP = 0x16,
  LX_PR_CAPBSET_READ = 0x17, LX_PR_CAPBSET_DROP = 0x18, LX_PR_GET_SECUREBITS = 0x1b, LX_PR_SET_SECUREBITS = 0x1c,
  LX_PR_SET_TIMERSLACK = 0x1d, LX_PR_GET_TIMERSLACK = 0x1e, LX_PR_SET_CHILD_SUBREAPER = 0x24, LX_PR_GET_CHILD_SUBREAPER = 0x25,
  LX_PR_SET_NO_NEW_PRIVS = 0x26, LX_PR_GET_NO_NEW_PRIVS = 0x27, LX_PR_SET_VMA = 0x53564d41, LX_PR_CAP_AMBIENT = 0x2f,
};

enum {   // ioctl_tty(2)
  LX_TCGETS = 0x5401, LX_TCSETS = 0x5402, LX_TCSETSW = 0x5403, LX_TCSETSF = 0x5404, LX_TCSBRK = 0x5409, LX_TCXONC = 0x540a,
  LX_TCFLSH = 0x540b, LX_TIOCEXCL = 0x540c, LX_TIOCNXCL = 0x540d, LX_TIOCSCTTY = 0x540e, LX_TIOCGPGRP = 0x540f, LX_TIOCSPGRP = 0x5410,
  LX_TIOCOUTQ = 0x5411, LX_TIOCSTI = 0x5412, LX_TIOCGWINSZ = 0x5413, LX_TIOCSWINSZ = 0x5414, LX_FIONREAD = 0x541b, LX_FIONBIO = 0x5421,
  LX_TIOCNOTTY = 0x5422, LX_TIOCGSID = 0x5429, LX_TIOCGPTN = 0x80045430u, LX_TIOCSPTLCK = 0x40045431, LX_FIONCLEX = 0x5450,
  LX_FIOCLEX = 0x5451, LX_FIOASYNC = 0x5452, LX_TIOCGPTPEER = 0x5441,
};

enum {   // termios(3), the kernel's layout
  LX_IGNBRK = 1, LX_BRKINT = 2, LX_IGNPAR = 4, LX_PARMRK = 8, LX_INPCK = 0x10, LX_ISTRIP = 0x20, LX_INLCR = 0x40, LX_IGNCR = 0x80,
  LX_ICRNL = 0x100, LX_IUCLC = 0x200, LX_IXON = 0x400, LX_IXANY = 0x800, LX_IXOFF = 0x1000, LX_IMAXBEL = 0x2000, LX_IUTF8 = 0x4000,
  LX_OPOST = 1, LX_OLCUC = 2, LX_ONLCR = 4, LX_OCRNL = 8, LX_ONOCR = 0x10, LX_ONLRET = 0x20, LX_ISIG = 1, LX_ICANON = 2, LX_XCASE = 4,
  LX_ECHO = 8, LX_ECHOE = 0x10, LX_ECHOK = 0x20, LX_ECHONL = 0x40, LX_NOFLSH = 0x80, LX_TOSTOP = 0x100, LX_ECHOCTL = 0x200,
  LX_ECHOKE = 0x800, LX_IEXTEN = 0x8000, LX_VINTR = 0, LX_VQUIT = 1, LX_VERASE = 2, LX_VKILL = 3, LX_VEOF = 4, LX_VTIME = 5, LX_VMIN = 6,
  LX_VSTART = 8, LX_VSTOP = 9, LX_VSUSP = 0xa, LX_VEOL = 0xb, LX_VREPRINT = 0xc, LX_VDISCARD = 0xd, LX_VWERASE = 0xe, LX_VLNEXT = 0xf,
  LX_VEOL2 = 0x10, LX_CS8 = 0x30, LX_CREAD = 0x80, LX_B38400 = 0xf, LX_TCIFLUSH = 0, LX_TCOFLUSH = 1, LX_TCIOFLUSH = 2,
};

enum {   // getdents64(2)
  LX_DT_UNKNOWN = 0, LX_DT_FIFO = 1, LX_DT_CHR = 2, LX_DT_DIR = 4, LX_DT_BLK = 6, LX_DT_REG = 8, LX_DT_LNK = 0xa, LX_DT_SOCK = 0xc,
};

enum {   // getauxval(3)
  LX_AT_NULL = 0, LX_AT_IGNORE = 1, LX_AT_EXECFD = 2, LX_AT_PHDR = 3, LX_AT_PHENT = 4, LX_AT_PHNUM = 5, LX_AT_PAGESZ = 6, LX_AT_BASE = 7,
  LX_AT_FLAGS = 8, LX_AT_ENTRY = 9, LX_AT_UID = 0xb, LX_AT_EUID = 0xc, LX_AT_GID = 0xd, LX_AT_EGID = 0xe, LX_AT_PLATFORM = 0xf,
  LX_AT_HWCAP = 0x10, LX_AT_CLKTCK = 0x11, LX_AT_SECURE = 0x17, LX_AT_RANDOM = 0x19, LX_AT_HWCAP2 = 0x1a, LX_AT_EXECFN = 0x1f,
  LX_AT_SYSINFO_EHDR = 0x21, LX_AT_RSEQ_FEATURE_SIZE = 0x1b, LX_AT_RSEQ_ALIGN = 0x1c, LX_AT_MINSIGSTKSZ = 0x33, LX_HWCAP2_FSGSBASE = 2,
};

enum {   // access(2)
  LX_F_OK = 0, LX_R_OK = 4, LX_W_OK = 2, LX_X_OK = 1,
};

enum {   // getrandom(2)
  LX_GRND_NONBLOCK = 1, LX_GRND_RANDOM = 2, LX_GRND_INSECURE = 4,
};

enum {   // flock(2)
  LX_LOCK_SH = 1, LX_LOCK_EX = 2, LX_LOCK_NB = 4, LX_LOCK_UN = 8,
};

enum {   // setxattr(2)
  LX_XATTR_CREATE = 1, LX_XATTR_REPLACE = 2,
};

enum {   // capabilities(7)
  LX_CAP_CHOWN = 0, LX_CAP_DAC_OVERRIDE = 1, LX_CAP_DAC_READ_SEARCH = 2, LX_CAP_FOWNER = 3, LX_CAP_FSETID = 4, LX_CAP_KILL = 5,
  LX_CAP_SETGID = 6, LX_CAP_SETUID = 7, LX_CAP_SETPCAP = 8, LX_CAP_NET_BIND_SERVICE = 10, LX_CAP_NET_ADMIN = 12, LX_CAP_IPC_LOCK = 0xe, LX_CAP_IPC_OWNER = 0xf, LX_CAP_SYS_CHROOT = 0x12, LX_CAP_SYS_PTRACE = 0x13, LX_CAP_SYS_ADMIN = 0x15, LX_CAP_SYS_NICE = 0x17, LX_CAP_SYS_RESOURCE = 0x18,
  LX_CAP_SYS_TIME = 0x19, LX_CAP_MKNOD = 0x1b, LX_CAP_LAST_CAP = 0x28,
};

enum {   // statfs(2)
  LX_TMPFS_MAGIC = 0x1021994, LX_PROC_SUPER_MAGIC = 0x9fa0, LX_EXT2_SUPER_MAGIC = 0xef53, LX_SYSFS_MAGIC = 0x62656572,
  LX_DEVPTS_SUPER_MAGIC = 0x1cd1, LX_PIPEFS_MAGIC = 0x50495045, LX_OVERLAYFS_SUPER_MAGIC = 0x794c7630,
};

enum {   // limits
  LX_NAME_MAX = 0xff, LX_PATH_MAX = 0x1000, LX_PIPE_BUF = 0x1000,
};

enum {   // preadv2(2)
  LX_RWF_HIPRI = 1, LX_RWF_DSYNC = 2, LX_RWF_SYNC = 4, LX_RWF_NOWAIT = 8, LX_RWF_APPEND = 0x10,
};

enum {   // limits of the kernel itself
  LX_PAGE_SIZE = 4096, LX_UIO_MAXIOV = 1024, LX_UIO_FASTIOV = 8, LX_ARG_MAX_STRLEN = 131072, LX_MAX_RW_COUNT = 0x7ffff000, LX_RLIM_NLIMITS = 16,
  LX_PID_MAX = 32768, LX_CLK_TCK = 100, LX_NGROUPS_MAX = 65536,
};
#define LX_RLIM_INFINITY UINT64_MAX

struct lx_timespec { int64_t tv_sec, tv_nsec; };
_Static_assert(sizeof(struct lx_timespec) == 16, "lx_timespec");

struct lx_timeval { int64_t tv_sec, tv_usec; };
_Static_assert(sizeof(struct lx_timeval) == 16, "lx_timeval");

struct lx_itimerval { struct lx_timeval it_interval, it_value; };
_Static_assert(sizeof(struct lx_itimerval) == 32, "lx_itimerval");

struct lx_itimerspec { struct lx_timespec it_interval, it_value; };
_Static_assert(sizeof(struct lx_itimerspec) == 32, "lx_itimerspec");

struct lx_stat {   // arch/x86/include/uapi/asm/stat.h
  uint64_t st_dev, st_ino, st_nlink;
  uint32_t st_mode, st_uid, st_gid, pad0;
  uint64_t st_rdev;
  int64_t st_size, st_blksize, st_blocks;
  struct lx_timespec st_atim, st_mtim, st_ctim;
  int64_t unused[3];
};
_Static_assert(sizeof(struct lx_stat) == 144, "lx_stat");

struct lx_statx_timestamp { int64_t tv_sec; uint32_t tv_nsec; int32_t reserved; };
struct lx_statx {
  uint32_t stx_mask, stx_blksize;
  uint64_t stx_attributes;
  uint32_t stx_nlink, stx_uid, stx_gid;
  uint16_t stx_mode, spare0;
  uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
  struct lx_statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
  uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
  uint64_t stx_mnt_id;
  uint32_t stx_dio_mem_align, stx_dio_offset_align;
  uint64_t spare3[12];
};
_Static_assert(sizeof(struct lx_statx) == 256, "lx_statx");

struct lx_statfs {
  int64_t f_type, f_bsize;
  uint64_t f_blocks, f_bfree, f_bavail, f_files, f_ffree;
  int32_t f_fsid[2];
  int64_t f_namelen, f_frsize, f_flags, f_spare[4];
};
_Static_assert(sizeof(struct lx_statfs) == 120, "lx_statfs");

struct lx_dirent64 { uint64_t d_ino; int64_t d_off; uint16_t d_reclen; uint8_t d_type; char d_name[]; } __attribute__((packed));
_Static_assert(sizeof(struct lx_dirent64) == 19, "lx_dirent64: the name begins at 19");

struct lx_iovec { uint64_t iov_base, iov_len; };
_Static_assert(sizeof(struct lx_iovec) == 16, "lx_iovec");

struct lx_pollfd { int32_t fd; int16_t events, revents; };
_Static_assert(sizeof(struct lx_pollfd) == 8, "lx_pollfd");

struct lx_inotify_event { int32_t wd; uint32_t mask, cookie, len; };   // the name follows, padded with NULs to len
_Static_assert(sizeof(struct lx_inotify_event) == 16, "lx_inotify_event");

struct lx_epoll_event { uint32_t events; uint64_t data; } __attribute__((packed));
_Static_assert(sizeof(struct lx_epoll_event) == 12, "lx_epoll_event");

struct lx_flock { int16_t l_type, l_whence; int64_t l_start, l_len; int32_t l_pid, pad; };
_Static_assert(sizeof(struct lx_flock) == 32, "lx_flock");

struct lx_sigaction { uint64_t handler, flags, restorer, mask; };   // rt_sigaction's, not libc's
_Static_assert(sizeof(struct lx_sigaction) == 32, "lx_sigaction");

struct lx_stack { uint64_t ss_sp; int32_t ss_flags, pad; uint64_t ss_size; };
_Static_assert(sizeof(struct lx_stack) == 24, "lx_stack");

struct lx_siginfo {   // include/uapi/asm-generic/siginfo.h; the union's members that belljar fills
  int32_t si_signo, si_errno, si_code, pad;
  union {
    struct { int32_t si_pid; uint32_t si_uid; uint64_t si_value; };                                   // kill, sigqueue
    struct { int32_t chld_pid; uint32_t chld_uid; int32_t si_status, pad2; int64_t si_utime, si_stime; };   // SIGCHLD
    struct { uint64_t si_addr; int16_t si_addr_lsb; };                                                 // faults
    struct { int32_t si_tid, si_overrun; uint64_t timer_value; };                                      // timers
    struct { int64_t si_band; int32_t si_fd; };                                                        // SIGIO
    uint8_t raw[112];
  };
};
_Static_assert(sizeof(struct lx_siginfo) == 128, "lx_siginfo");

struct lx_rlimit64 { uint64_t rlim_cur, rlim_max; };
_Static_assert(sizeof(struct lx_rlimit64) == 16, "lx_rlimit64");

struct lx_rusage { struct lx_timeval ru_utime, ru_stime; int64_t ru_maxrss, ru_ixrss, ru_idrss, ru_isrss, ru_minflt, ru_majflt, ru_nswap, ru_inblock, ru_oublock, ru_msgsnd, ru_msgrcv, ru_nsignals, ru_nvcsw, ru_nivcsw; };
_Static_assert(sizeof(struct lx_rusage) == 144, "lx_rusage");

struct lx_utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65]; };
_Static_assert(sizeof(struct lx_utsname) == 390, "lx_utsname");

struct lx_sysinfo { int64_t uptime; uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap; uint16_t procs, pad; uint32_t pad2; uint64_t totalhigh, freehigh; uint32_t mem_unit, pad3; };
_Static_assert(sizeof(struct lx_sysinfo) == 112, "lx_sysinfo");

struct lx_termios { uint32_t c_iflag, c_oflag, c_cflag, c_lflag; uint8_t c_line, c_cc[19]; };   // the kernel's, not libc's
_Static_assert(sizeof(struct lx_termios) == 36, "lx_termios");

struct lx_winsize { uint16_t ws_row, ws_col, ws_xpixel, ws_ypixel; };
_Static_assert(sizeof(struct lx_winsize) == 8, "lx_winsize");

struct lx_clone_args { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; };
_Static_assert(sizeof(struct lx_clone_args) == 88, "lx_clone_args");

struct lx_open_how { uint64_t flags, mode, resolve; };
_Static_assert(sizeof(struct lx_open_how) == 24, "lx_open_how");

struct lx_tms { int64_t tms_utime, tms_stime, tms_cutime, tms_cstime; };
_Static_assert(sizeof(struct lx_tms) == 32, "lx_tms");

// Signal frames (arch/x86/include/uapi/asm/sigcontext.h, ucontext.h, arch/x86/include/asm/sigframe.h).
struct lx_fpstate {   // FXSAVE's 512 bytes, 64-bit form (SDM vol. 1, table 10-2)
  uint16_t cwd, swd, twd, fop;
  uint64_t rip, rdp;
  uint32_t mxcsr, mxcsr_mask;
  struct { uint64_t frac; uint16_t se, pad[3]; } st[8];
  uint8_t xmm[16][16];
  uint8_t reserved[48], sw_reserved[48];
};
_Static_assert(sizeof(struct lx_fpstate) == 512, "lx_fpstate");

// With XSAVE the image goes on behind it, in the standard format, and ends with LX_FP_XSTATE_MAGIC2.
enum { LX_FP_XSTATE_MAGIC1 = 0x46505853, LX_FP_XSTATE_MAGIC2 = 0x46505845 };
struct lx_fpx_sw_bytes { // lx_fpstate.sw_reserved
  uint32_t magic1, extended_size;
  uint64_t xfeatures;
  uint32_t xstate_size, padding[7];
};
_Static_assert(sizeof(struct lx_fpx_sw_bytes) == 48, "lx_fpx_sw_bytes");

struct lx_sigcontext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
  uint16_t cs, gs, fs, ss;
  uint64_t err, trapno, oldmask, cr2, fpstate, reserved1[8];
};
_Static_assert(sizeof(struct lx_sigcontext) == 256, "lx_sigcontext");

struct lx_ucontext {
  uint64_t uc_flags, uc_link;
  struct lx_stack uc_stack;
  struct lx_sigcontext uc_mcontext;
  uint64_t uc_sigmask;
};
_Static_assert(sizeof(struct lx_ucontext) == 304, "lx_ucontext");

enum {   // ptrace(2); audit.h, elf.h
  LX_PTRACE_TRACEME = 0, LX_PTRACE_PEEKTEXT = 1, LX_PTRACE_PEEKDATA = 2, LX_PTRACE_PEEKUSER = 3, LX_PTRACE_POKETEXT = 4, LX_PTRACE_POKEDATA = 5,
  LX_PTRACE_POKEUSER = 6, LX_PTRACE_CONT = 7, LX_PTRACE_KILL = 8, LX_PTRACE_SINGLESTEP = 9, LX_PTRACE_GETREGS = 12, LX_PTRACE_SETREGS = 13,
  LX_PTRACE_GETFPREGS = 14, LX_PTRACE_SETFPREGS = 15, LX_PTRACE_ATTACH = 16, LX_PTRACE_DETACH = 17, LX_PTRACE_SYSCALL = 24,
  LX_PTRACE_SETOPTIONS = 0x4200, LX_PTRACE_GETEVENTMSG = 0x4201, LX_PTRACE_GETSIGINFO = 0x4202, LX_PTRACE_SETSIGINFO = 0x4203,
  LX_PTRACE_GETREGSET = 0x4204, LX_PTRACE_SETREGSET = 0x4205, LX_PTRACE_SEIZE = 0x4206, LX_PTRACE_INTERRUPT = 0x4207,
  LX_PTRACE_LISTEN = 0x4208, LX_PTRACE_GETSIGMASK = 0x420a, LX_PTRACE_SETSIGMASK = 0x420b, LX_PTRACE_GET_SYSCALL_INFO = 0x420e,
  LX_PTRACE_O_TRACESYSGOOD = 1, LX_PTRACE_O_TRACEFORK = 2, LX_PTRACE_O_TRACEVFORK = 4, LX_PTRACE_O_TRACECLONE = 8, LX_PTRACE_O_TRACEEXEC = 0x10,
  LX_PTRACE_O_TRACEVFORKDONE = 0x20, LX_PTRACE_O_TRACEEXIT = 0x40, LX_PTRACE_O_TRACESECCOMP = 0x80, LX_PTRACE_O_EXITKILL = 0x100000,
  LX_PTRACE_EVENT_FORK = 1, LX_PTRACE_EVENT_VFORK = 2, LX_PTRACE_EVENT_CLONE = 3, LX_PTRACE_EVENT_EXEC = 4, LX_PTRACE_EVENT_VFORK_DONE = 5, LX_PTRACE_EVENT_EXIT = 6,
  LX_PTRACE_EVENT_STOP = 128, LX_NT_PRSTATUS = 1, LX_NT_PRFPREG = 2, LX_NT_X86_XSTATE = 0x202,
};
#define LX_AUDIT_ARCH_X86_64 0xc000003eu

struct lx_user_regs {   // sys/user.h, user_regs_struct
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
_Static_assert(sizeof(struct lx_user_regs) == 216, "lx_user_regs");

struct lx_ptrace_syscall_info {
  uint8_t op, pad[3];
  uint32_t arch;
  uint64_t instruction_pointer, stack_pointer;
  union {
    struct { uint64_t nr, args[6]; } entry;
    struct { int64_t rval; uint8_t is_error; } exit;
    struct { uint64_t nr, args[6]; uint32_t ret_data; } seccomp;
  };
};
_Static_assert(sizeof(struct lx_ptrace_syscall_info) == 88, "lx_ptrace_syscall_info");

struct lx_rt_sigframe { uint64_t pretcode; struct lx_ucontext uc; struct lx_siginfo info; };
_Static_assert(sizeof(struct lx_rt_sigframe) == 440, "lx_rt_sigframe");

struct lx_robust_list_head { uint64_t next; int64_t futex_offset; uint64_t list_op_pending; };
_Static_assert(sizeof(struct lx_robust_list_head) == 24, "lx_robust_list_head");

struct lx_futex_waitv { uint64_t val, uaddr; uint32_t flags, reserved; };
_Static_assert(sizeof(struct lx_futex_waitv) == 24, "lx_futex_waitv");

struct lx_rseq { uint32_t cpu_id_start, cpu_id; uint64_t rseq_cs; uint32_t flags, node_id, mm_cid, pad; };
_Static_assert(sizeof(struct lx_rseq) == 32, "lx_rseq");
struct lx_rseq_cs { uint32_t version, flags; uint64_t start_ip, post_commit_offset, abort_ip; };
_Static_assert(sizeof(struct lx_rseq_cs) == 32, "lx_rseq_cs");

struct lx_signalfd_siginfo {
  uint32_t ssi_signo; int32_t ssi_errno, ssi_code; uint32_t ssi_pid, ssi_uid; int32_t ssi_fd; uint32_t ssi_tid, ssi_band, ssi_overrun,
    ssi_trapno; int32_t ssi_status, ssi_int; uint64_t ssi_ptr, ssi_utime, ssi_stime, ssi_addr; uint16_t ssi_addr_lsb, pad2;
  int32_t ssi_syscall; uint64_t ssi_call_addr; uint32_t ssi_arch; uint8_t pad[28];
};
_Static_assert(sizeof(struct lx_signalfd_siginfo) == 128, "lx_signalfd_siginfo");

struct lx_sigevent { uint64_t sigev_value; int32_t sigev_signo, sigev_notify, sigev_tid, pad[11]; };
_Static_assert(sizeof(struct lx_sigevent) == 64, "lx_sigevent");

struct lx_timex {   // adjtimex(2)
  uint32_t modes, pad0;
  int64_t offset, freq, maxerror, esterror;
  int32_t status, pad1;
  int64_t constant, precision, tolerance;
  struct lx_timeval time;
  int64_t tick, ppsfreq, jitter;
  int32_t shift, pad2;
  int64_t stabil, jitcnt, calcnt, errcnt, stbcnt;
  int32_t tai, pad3[11];
};
_Static_assert(sizeof(struct lx_timex) == 208, "lx_timex");

struct lx_sched_attr { uint32_t size, sched_policy; uint64_t sched_flags; int32_t sched_nice; uint32_t sched_priority; uint64_t sched_runtime, sched_deadline, sched_period; uint32_t util_min, util_max; };
_Static_assert(sizeof(struct lx_sched_attr) == 56, "lx_sched_attr");

struct lx_cap_header { uint32_t version; int32_t pid; };
_Static_assert(sizeof(struct lx_cap_header) == 8, "lx_cap_header");
struct lx_cap_data { uint32_t effective, permitted, inheritable; };
_Static_assert(sizeof(struct lx_cap_data) == 12, "lx_cap_data");

enum {   // socket(2), unix(7), send(2), recv(2)
  LX_AF_UNSPEC = 0, LX_AF_UNIX = 1, LX_AF_INET = 2, LX_AF_INET6 = 10, LX_AF_NETLINK = 16, LX_SOCK_STREAM = 1, LX_SOCK_DGRAM = 2, LX_SOCK_RAW = 3,
  LX_SOCK_SEQPACKET = 5, LX_SOCK_TYPE = 0xf, LX_SOCK_NONBLOCK = 0x800, LX_SOCK_CLOEXEC = 0x80000, LX_SOL_SOCKET = 1, LX_SO_DEBUG = 1,
  LX_SO_REUSEADDR = 2, LX_SO_TYPE = 3, LX_SO_ERROR = 4, LX_SO_DONTROUTE = 5, LX_SO_BROADCAST = 6, LX_SO_SNDBUF = 7, LX_SO_RCVBUF = 8,
  LX_SO_KEEPALIVE = 9, LX_SO_OOBINLINE = 10, LX_SO_PRIORITY = 12, LX_SO_LINGER = 13, LX_SO_REUSEPORT = 15, LX_SO_PASSCRED = 16,
  LX_SO_PEERCRED = 17, LX_SO_RCVLOWAT = 18, LX_SO_SNDLOWAT = 19, LX_SO_RCVTIMEO = 20, LX_SO_SNDTIMEO = 21, LX_SO_TIMESTAMP = 29,
  LX_SO_ACCEPTCONN = 30, LX_SO_SNDBUFFORCE = 32, LX_SO_RCVBUFFORCE = 33, LX_SO_PROTOCOL = 38, LX_SO_DOMAIN = 39, LX_SCM_RIGHTS = 1,
  LX_SCM_CREDENTIALS = 2, LX_SHUT_RD = 0, LX_SHUT_WR = 1, LX_SHUT_RDWR = 2, LX_MSG_OOB = 1, LX_MSG_PEEK = 2, LX_MSG_CTRUNC = 8,
  LX_MSG_TRUNC = 0x20, LX_MSG_DONTWAIT = 0x40, LX_MSG_EOR = 0x80, LX_MSG_WAITALL = 0x100, LX_MSG_NOSIGNAL = 0x4000,
  LX_MSG_WAITFORONE = 0x10000, LX_MSG_CMSG_CLOEXEC = 0x40000000, LX_SOMAXCONN = 4096, LX_IPPROTO_IP = 0, LX_IPPROTO_TCP = 6, LX_IPPROTO_UDP = 17, LX_IPPROTO_IPV6 = 41,
  LX_IP_TOS = 1, LX_IP_TTL = 2, LX_IP_PKTINFO = 8, LX_IP_RECVTTL = 12, LX_IP_RECVTOS = 13, LX_IPV6_UNICAST_HOPS = 16, LX_IPV6_V6ONLY = 26,
  LX_IPV6_RECVPKTINFO = 49, LX_IPV6_PKTINFO = 50, LX_IPV6_RECVHOPLIMIT = 51, LX_IPV6_HOPLIMIT = 52, LX_IPV6_RECVTCLASS = 66, LX_IPV6_TCLASS = 67,
};

struct lx_sockaddr_un { uint16_t sun_family; char sun_path[108]; };
_Static_assert(sizeof(struct lx_sockaddr_un) == 110, "lx_sockaddr_un");

struct lx_sockaddr_in { uint16_t sin_family, sin_port; uint8_t sin_addr[4], zero[8]; };   // port in network order
_Static_assert(sizeof(struct lx_sockaddr_in) == 16, "lx_sockaddr_in");
struct lx_sockaddr_in6 { uint16_t sin6_family, sin6_port; uint32_t sin6_flowinfo; uint8_t sin6_addr[16]; uint32_t sin6_scope_id; };
_Static_assert(sizeof(struct lx_sockaddr_in6) == 28, "lx_sockaddr_in6");

struct lx_msghdr { uint64_t name; uint32_t namelen, pad; uint64_t iov, iovlen, control, controllen; uint32_t flags, pad2; };
_Static_assert(sizeof(struct lx_msghdr) == 56, "lx_msghdr");

struct lx_mmsghdr { struct lx_msghdr hdr; uint32_t len, pad; };
_Static_assert(sizeof(struct lx_mmsghdr) == 64, "lx_mmsghdr");

struct lx_cmsghdr { uint64_t len; int32_t level, type; };
_Static_assert(sizeof(struct lx_cmsghdr) == 16, "lx_cmsghdr");

struct lx_ucred { int32_t pid; uint32_t uid, gid; };
_Static_assert(sizeof(struct lx_ucred) == 12, "lx_ucred");
