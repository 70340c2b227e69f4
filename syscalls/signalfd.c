// signalfd: pending signals, read as records (fs/signalfd.c).
//
// It has a mask and nothing else: whoever reads or polls it looks at its own pending signals, so a descriptor inherited
// over fork shows the child's. The queue waited on is that of the reader's table of actions, which every signal sent to
// those who share it wakes.
#include "syscalls/fs.h"
#include "syscalls/signal.h"

enum { KNOWN = LX_O_CLOEXEC | LX_O_NONBLOCK };
static const uint64_t NEVER = 1ull << (LX_SIGKILL - 1) | 1ull << (LX_SIGSTOP - 1);

struct signalfd {
    struct box *box;
    uint64_t accepted;
};

// ---------------------------------------------------------------- records

static bool is_fault(int sig)
{
    return sig == LX_SIGILL || sig == LX_SIGFPE || sig == LX_SIGSEGV || sig == LX_SIGBUS || sig == LX_SIGTRAP;
}

// Which members of the union a siginfo has (kernel/signal.c, siginfo_layout).
enum layout { KILL, TIMER, POLL, FAULT, CHLD, RT };

static enum layout layout_of(const struct lx_siginfo *i)
{
    enum { SI_SIGIO = -5, NSIGPOLL = 6, SIGPOLL_NR = 29 };
    if (i->si_code > LX_SI_USER && i->si_code < LX_SI_KERNEL) {
        if (is_fault(i->si_signo)) return FAULT;
        if (i->si_signo == LX_SIGCHLD) return CHLD;
        return i->si_signo == SIGPOLL_NR || i->si_code <= NSIGPOLL ? POLL : KILL;
    }
    if (i->si_code == LX_SI_TIMER) return TIMER;
    if (i->si_code == SI_SIGIO) return POLL;
    return i->si_code < 0 ? RT : KILL;
}

static struct lx_signalfd_siginfo record(const struct lx_siginfo *i)
{
    struct lx_signalfd_siginfo r = {
        .ssi_signo = (uint32_t)i->si_signo, .ssi_errno = i->si_errno, .ssi_code = i->si_code};
    switch (layout_of(i)) {
    case RT:
        r.ssi_ptr = i->si_value;
        r.ssi_int = (int32_t)i->si_value;
        r.ssi_pid = (uint32_t)i->si_pid;
        r.ssi_uid = i->si_uid;
        break;
    case KILL:
        r.ssi_pid = (uint32_t)i->si_pid;
        r.ssi_uid = i->si_uid;
        break;
    case TIMER:
        r.ssi_tid = (uint32_t)i->si_tid;
        r.ssi_overrun = (uint32_t)i->si_overrun;
        r.ssi_ptr = i->timer_value;
        r.ssi_int = (int32_t)i->timer_value;
        break;
    case POLL:
        r.ssi_band = (uint32_t)i->si_band;
        r.ssi_fd = i->si_fd;
        break;
    case FAULT:
        r.ssi_addr = i->si_addr;
        r.ssi_addr_lsb = i->si_signo == LX_SIGBUS ? (uint16_t)i->si_addr_lsb : 0;
        break;
    case CHLD:
        r.ssi_pid = (uint32_t)i->chld_pid;
        r.ssi_uid = i->chld_uid;
        r.ssi_status = i->si_status;
        r.ssi_utime = (uint64_t)i->si_utime;
        r.ssi_stime = (uint64_t)i->si_stime;
        break;
    }
    return r;
}

// ---------------------------------------------------------------- the file

static void signalfd_release(struct file *f)
{
    struct signalfd *s = f->private;
    kmfree(s->box->vfs, s, sizeof *s);
}

static unsigned signalfd_poll(struct file *f, struct waitq **queue)
{
    struct signalfd *s = f->private;
    struct task *t = s->box->current;
    if (!t || !t->proc->sighand) return 0;
    *queue = &t->proc->sighand->signalfd_wait;
    return signal_waiting(t, s->accepted) ? LX_POLLIN : 0;
}

// A record that did not reach the guest leaves its signal where it was: the read may only be waiting for a page.
static int signalfd_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct signalfd *s = f->private;
    struct task *t = s->box->current;
    struct sigpending *from;
    struct lx_siginfo info;
    (void)pos;
    if (io->left < sizeof(struct lx_signalfd_siginfo)) return -LX_EINVAL;
    bool any = false;
    while (io->left >= sizeof(struct lx_signalfd_siginfo) && t && signal_dequeue(t, s->accepted, &info, &from)) {
        struct lx_signalfd_siginfo r = record(&info);
        size_t before = io->done;
        if (iob_put(io, &r, sizeof r) < sizeof r) {
            signal_requeue(from, &info);
            io->done = before;
            return any ? 0 : -LX_EFAULT;
        }
        any = true;
    }
    return any ? 0 : -LX_EAGAIN;
}

static const struct file_ops signalfd_fops = {
    .release = signalfd_release, .read = signalfd_read, .poll = signalfd_poll};

static int64_t change(struct task *t, int fd, uint64_t accepted)
{
    struct file *f = fd_io(t, fd);
    if (!f) return -LX_EBADF;
    if (f->ops != &signalfd_fops) return -LX_EINVAL;
    struct signalfd *s = f->private;
    s->accepted = accepted;
    waitq_wake(&t->proc->sighand->signalfd_wait);
    return fd;
}

static int64_t make(struct task *t, uint64_t accepted, uint32_t flags)
{
    struct vfs *v = t->box->vfs;
    struct file *f;
    struct signalfd *s = kmalloc(v, sizeof *s);
    if (!s) return -LX_ENOMEM;
    *s = (struct signalfd){t->box, accepted};
    int err =
        vfs_anon_file(v, "anon_inode:[signalfd]", 0600, &signalfd_fops, s, LX_O_RDWR | (flags & LX_O_NONBLOCK), &f);
    if (!err) return fd_install(t->proc, f, 0, flags & LX_O_CLOEXEC);
    kmfree(v, s, sizeof *s);
    return err;
}

static int64_t signalfd(struct task *t, const uint64_t a[6], uint32_t flags)
{
    uint64_t set;
    if (a[2] != sizeof set) return -LX_EINVAL;
    int err = copy_from_user(t, &set, a[1], sizeof set);
    if (err) return err;
    if (flags & ~(uint32_t)KNOWN) return -LX_EINVAL;
    return (int)a[0] == -1 ? make(t, set & ~NEVER, flags) : change(t, (int)a[0], set & ~NEVER);
}

int64_t sys_signalfd(struct task *t, const uint64_t a[6])
{
    return signalfd(t, a, 0);
}

int64_t sys_signalfd4(struct task *t, const uint64_t a[6])
{
    return signalfd(t, a, (uint32_t)a[3]);
}
