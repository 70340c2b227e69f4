// What one process may do to another of its box without stopping it: process_vm_readv and process_vm_writev
// (mm/process_vm_access.c), kcmp (kernel/kcmp.c), and the question who may (kernel/ptrace.c).
#include "syscalls/fs.h"

bool process_may_access(const struct process *me, const struct process *other)
{
    const struct cred *m = &me->cred, *o = &other->cred;
    if (me == other || cred_has_cap(m, LX_CAP_SYS_PTRACE)) return true;
    bool same = m->uid == o->euid && m->uid == o->suid && m->uid == o->uid && m->gid == o->egid && m->gid == o->sgid &&
                m->gid == o->gid;
    return same && other->dumpable == 1 && !(o->caps_permitted & ~m->caps_permitted);
}

// ---------------------------------------------------------------- process_vm_*

enum { CHUNK = 4096 };

// Moves until one side ends; what was moved by earlier runs is skipped by the caller. The end that met an error says
// so.
static size_t move(struct iob_user *from, struct iob_user *to)
{
    char buf[CHUNK];
    size_t all = 0;
    while (from->io.left && to->io.left && !from->error && !to->error) {
        size_t want = from->io.left < to->io.left ? from->io.left : to->io.left;
        size_t got = iob_get(&from->io, buf, want < CHUNK ? want : CHUNK);
        size_t put = iob_put(&to->io, buf, got);
        all += put;
        if (put < got) break;
    }
    return all;
}

static int64_t transfer(struct task *t, struct iob_user *local, struct iob_user *remote, bool write)
{
    iob_user_skip(local, t->sys.done);
    iob_user_skip(remote, t->sys.done);
    t->sys.done += write ? move(local, remote) : move(remote, local);
    int err = local->error ? local->error : remote->error;
    if (err == -LX_EPARK) return err;
    return t->sys.done ? (int64_t)t->sys.done : err;
}

static int64_t with_target(struct task *t, int pid, struct iob_user *local, struct iob_user *remote, bool write)
{
    struct task *u = task_find(t->box, pid);
    if (!u) return -LX_ESRCH;
    if (!process_may_access(t->proc, u->proc)) return -LX_EPERM;
    remote->task = u;
    return transfer(t, local, remote, write);
}

static int64_t process_vm(struct task *t, const uint64_t a[6], bool write)
{
    struct iob_user local, remote;
    if (a[5]) return -LX_EINVAL;
    int err = iob_user_iovec(&local, t, a[1], a[2]);
    if (err) return err;
    int64_t r = 0;
    if (local.io.left) { // nothing to move here: nobody is looked for
        r = iob_user_iovec(&remote, t, a[3], a[4]);
        if (!r) {
            r = remote.io.left ? with_target(t, (int)a[0], &local, &remote, write) : 0;
            iob_user_end(&remote);
        }
    }
    iob_user_end(&local);
    return r;
}

int64_t sys_process_vm_readv(struct task *t, const uint64_t a[6])
{
    return process_vm(t, a, false);
}

int64_t sys_process_vm_writev(struct task *t, const uint64_t a[6])
{
    return process_vm(t, a, true);
}

// ---------------------------------------------------------------- kcmp

// The order among different objects is any, but the same for as long as they live; it must not tell the host's
// addresses, so they are mixed first.
static int64_t order(const struct box *box, const void *p, const void *q)
{
    const uint64_t odd = 0x9e3779b97f4a7c15ull | 1;
    uint64_t x = ((uint64_t)(uintptr_t)p ^ box->boot_host_ns) * odd,
             y = ((uint64_t)(uintptr_t)q ^ box->boot_host_ns) * odd;
    return x == y ? 0 : x < y ? 1 : 2;
}

// fs_struct has no object of its own here: the member of the ring with the lowest address stands for it.
static const void *fs_of(const struct process *p)
{
    const struct process *least = p;
    for (const struct process *q = p->fs_next; q && q != p; q = q->fs_next)
        if (q < least) least = q;
    return least;
}

int64_t sys_kcmp(struct task *t, const uint64_t a[6])
{
    enum { FILE_OF, VM, FILES, FS, SIGHAND, IO, SYSVSEM };
    struct task *u = task_find(t->box, (int)a[0]), *v = task_find(t->box, (int)a[1]);
    if (!u || !v) return -LX_ESRCH;
    struct process *p = u->proc, *q = v->proc;
    if (!process_may_access(t->proc, p) || !process_may_access(t->proc, q)) return -LX_EPERM;
    switch ((int)a[2]) {
    case FILE_OF: {
        struct file *f = fd_get(p, (int)a[3]), *g = fd_get(q, (int)a[4]);
        return f && g ? order(t->box, f, g) : -LX_EBADF;
    }
    case VM:
        return order(t->box, p->mm, q->mm);
    case FILES:
        return order(t->box, p->fds, q->fds);
    case FS:
        return order(t->box, fs_of(p), fs_of(q));
    case SIGHAND:
        return order(t->box, p->sighand, q->sighand);
    case IO:      // nobody has an io_context,
    case SYSVSEM: // nor a list of semaphore undos in common
        return p == q ? 0 : order(t->box, p, q);
    default:
        return -LX_EINVAL; // KCMP_EPOLL_TFD too: for checkpoints only
    }
}
