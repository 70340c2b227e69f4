// pidfds: pidfd_open, pidfd_send_signal, pidfd_getfd, process_mrelease, and what wait and clone need of them.
//
// A pidfd holds the pid, not the process: a pid is not given out again while 32,000 others are, and a process that has
// been reaped is gone for it.
#include "syscalls/fs.h"
#include "syscalls/pidfd.h"
#include "syscalls/procfs.h"

enum { PIDFD_NONBLOCK = LX_O_NONBLOCK };
struct pidfd {
    struct box *box;
    int pid;
    uint64_t start_ns;
};

static struct process *named(const struct pidfd *pf)
{
    struct process *p = process_find(pf->box, pf->pid);
    return p && p->start_ns == pf->start_ns ? p : NULL;
}

static unsigned pidfd_poll(struct file *f, struct waitq **queue)
{
    struct process *p = named(f->private);
    *queue = p ? &p->exit_wait : NULL;
    return !p || p->state != PROC_ALIVE ? LX_POLLIN | LX_POLLRDNORM : 0;
}

static void pidfd_release(struct file *f)
{
    struct pidfd *pf = f->private;
    kmfree(pf->box->vfs, pf, sizeof *pf);
}

static const struct file_ops pidfd_ops = {.poll = pidfd_poll, .release = pidfd_release};

int pidfd_install(struct task *t, struct process *p, unsigned flags)
{
    struct pidfd *pf = kmalloc(t->box->vfs, sizeof *pf);
    struct file *f;
    if (!pf) return -LX_ENOMEM;
    *pf = (struct pidfd){t->box, p->pid, p->start_ns};
    int err = vfs_anon_file(t->box->vfs, "anon_inode:[pidfd]", 0600, &pidfd_ops, pf, LX_O_RDWR | flags, &f);
    if (err) {
        kmfree(t->box->vfs, pf, sizeof *pf);
        return err;
    }
    int fd = fd_install(t->proc, f, 0, true);
    return fd;
}

static struct pidfd *get(struct task *t, int fd)
{
    struct file *f = fd_get(t->proc, fd);
    return f && f->ops == &pidfd_ops ? f->private : NULL;
}

int pidfd_pid(struct task *t, int fd, bool *nonblock)
{
    struct pidfd *pf = get(t, fd);
    *nonblock = pf && fd_get(t->proc, fd)->flags & LX_O_NONBLOCK;
    return pf ? pf->pid : -LX_EBADF;
}

int64_t sys_pidfd_open(struct task *t, const uint64_t a[6])
{
    if (a[1] & ~(uint64_t)PIDFD_NONBLOCK || (int)a[0] <= 0) return -LX_EINVAL;
    struct process *p = process_find(t->box, (int)a[0]);
    if (!p) return task_find(t->box, (int)a[0]) ? -LX_EINVAL : -LX_ESRCH;
    return pidfd_install(t, p, (unsigned)a[1]);
}

int64_t sys_pidfd_getfd(struct task *t, const uint64_t a[6])
{
    if ((uint32_t)a[2]) return -LX_EINVAL;
    struct pidfd *pf = get(t, (int)a[0]);
    if (!pf) return -LX_EBADF;
    struct process *p = named(pf);
    if (!p || p->state != PROC_ALIVE) return -LX_ESRCH;
    if (!process_may_access(t->proc, p)) return -LX_EPERM;
    struct file *f = fd_get(p, (int)a[1]);
    return f ? fd_install(t->proc, file_get(f), 0, true) : -LX_EBADF;
}

// The memory of a dying process is to go sooner: here it is gone before anybody could ask (mm/oom_kill.c).
int64_t sys_process_mrelease(struct task *t, const uint64_t a[6])
{
    if ((uint32_t)a[1]) return -LX_EINVAL;
    struct pidfd *pf = get(t, (int)a[0]);
    if (!pf) return -LX_EBADF;
    struct process *p = named(pf);
    return p && p->state == PROC_ALIVE ? -LX_EINVAL : -LX_ESRCH;
}

// A /proc/PID directory will do as well (kernel/pid.c, pidfd_to_pid).
static int signalled_pid(struct task *t, int fd)
{
    struct file *f = fd_get(t->proc, fd);
    struct pidfd *pf = get(t, fd);
    int pid = f && !pf ? procfs_pid(f) : 0;
    if (pf) return named(pf) ? pf->pid : -LX_ESRCH;
    return pid ? pid : -LX_EBADF;
}

int64_t sys_pidfd_send_signal(struct task *t, const uint64_t a[6])
{
    if (a[3]) return -LX_EINVAL;
    int found = signalled_pid(t, (int)a[0]);
    if (found < 0) return found;
    uint64_t pid = (uint64_t)found;
    return a[2] ? sys_rt_sigqueueinfo(t, (uint64_t[6]){pid, a[1], a[2]}) : sys_kill(t, (uint64_t[6]){pid, a[1]});
}
