// O_ASYNC: a signal when a file has become ready (fs/fcntl.c, kill_fasync): F_SETOWN, F_SETSIG and what they say who is
// sent what.
//
// struct sigio belongs to the file (file->sigio) from the first such command on. With O_ASYNC it waits on the file's
// queue; since being woken may only mark, it sets a timer to now, and the file is asked when that fires, before any
// thread runs again.
#include "syscalls/fs.h"

enum { F_SETOWN_EX = 15, F_GETOWN_EX = 16, F_OWNER_TID = 0, F_OWNER_PID = 1, F_OWNER_PGRP = 2 };
enum { URGENT = 0, POLL_IN = 1, POLL_OUT = 2, POLL_HUP = 6 };

struct owner_ex {
    int32_t type, pid;
};

struct sigio {
    struct waiter w; // first: wakes cast it
    struct ktimer soon;
    struct box *box;
    struct file *file;
    struct owner_ex owner; // pid 0: nobody
    uint32_t uid, euid;    // of who named the owner
    int sig, fd;           // sig 0: a bare SIGIO; fd: as whoever set O_ASYNC called it
    bool armed;
    unsigned ready; // when last asked
};

// ---------------------------------------------------------------- sending

static bool may_send(const struct sigio *s, const struct process *p)
{
    const struct cred *c = &p->cred;
    return s->euid == 0 || s->euid == c->suid || s->euid == c->uid || s->uid == c->suid || s->uid == c->uid;
}

static void send_to(const struct sigio *s, struct process *p, struct task *t, int reason)
{
    static const int64_t band[] = {[POLL_IN] = LX_POLLIN | LX_POLLRDNORM,
                                   [POLL_OUT] = LX_POLLOUT | LX_POLLWRNORM | LX_POLLWRBAND,
                                   [POLL_HUP] = LX_POLLHUP | LX_POLLERR};
    struct lx_siginfo plain = {.si_signo = reason == URGENT ? LX_SIGURG : LX_SIGIO, .si_code = LX_SI_KERNEL};
    struct lx_siginfo info = {.si_signo = s->sig, .si_code = reason, .si_band = band[reason], .si_fd = s->fd};
    if (!p->ntasks || !may_send(s, p)) return;
    if (s->sig && reason != URGENT && (t ? signal_send_task(t, &info) : signal_send(p, &info)) == 0) return;
    if (t) // also when the queue is full
        signal_send_task(t, &plain);
    else
        signal_send(p, &plain);
}

static void send_all(const struct sigio *s, int reason)
{
    struct task *t = s->owner.type == F_OWNER_TID && s->owner.pid ? task_find(s->box, s->owner.pid) : NULL;
    if (t) send_to(s, t->proc, t, reason);
    if (!s->owner.pid || s->owner.type == F_OWNER_TID) return;
    for (struct process *p = s->box->processes, *next; p; p = next) {
        next = p->next;
        if ((s->owner.type == F_OWNER_PID ? p->pid : p->pgid) == s->owner.pid) send_to(s, p, NULL, reason);
    }
}

static unsigned ask(struct sigio *s)
{
    struct waitq *queue = NULL;
    unsigned ready = vfs_poll(s->file, &queue);
    if (queue) waitq_add(queue, &s->w);
    return ready;
}

// Something has happened: input that is there is told each time, room for output when it has come.
static void look(struct box *box, struct ktimer *k)
{
    struct sigio *s = (struct sigio *)((char *)k - offsetof(struct sigio, soon));
    unsigned before = s->ready, now = ask(s);
    bool socket = (s->file->inode->mode & LX_S_IFMT) == LX_S_IFSOCK;
    (void)box;
    s->ready = now;
    if (now & LX_POLLHUP && socket)
        send_all(s, POLL_HUP);
    else if (now & (LX_POLLIN | LX_POLLHUP))
        send_all(s, POLL_IN);
    if (now & ~before & LX_POLLOUT) send_all(s, POLL_OUT);
}

static void woken(struct waiter *w)
{
    struct sigio *s = (struct sigio *)w;
    if (!s->soon.prev) ktimer_arm(s->box, &s->soon, 0);
}

// Whoever owns the file is told, with or without O_ASYNC (sk_send_sigurg).
void sigio_urgent(struct file *f)
{
    if (f->sigio) send_all(f->sigio, URGENT);
}

// ---------------------------------------------------------------- the object

static struct sigio *get(struct task *t, struct file *f)
{
    if (f->sigio) return f->sigio;
    struct sigio *s = kmalloc(t->box->vfs, sizeof *s);
    if (!s) return NULL;
    *s = (struct sigio){.w.wake = woken, .soon.fire = look, .box = t->box, .file = f, .owner.type = F_OWNER_PID};
    return f->sigio = s;
}

static void disarm(struct sigio *s)
{
    s->armed = false;
    waitq_remove(&s->w);
    ktimer_cancel(&s->soon);
}

void sigio_file_released(struct file *f)
{
    struct sigio *s = f->sigio;
    if (!s) return;
    disarm(s);
    kmfree(s->box->vfs, s, sizeof *s);
    f->sigio = NULL;
}

// Pipes, sockets and terminals, as in Linux: other files take the flag and send nothing.
static bool sends(const struct file *f)
{
    uint32_t kind = f->inode->mode & LX_S_IFMT;
    return f->ops && f->ops->poll && (kind == LX_S_IFIFO || kind == LX_S_IFSOCK || kind == LX_S_IFCHR);
}

int sigio_set(struct task *t, struct file *f, int fd, bool on)
{
    struct sigio *s = f->sigio;
    if (!sends(f) || (!on && !s)) return 0;
    if (!on) {
        disarm(s);
        return 0;
    }
    if (!(s = get(t, f))) return -LX_ENOMEM;
    s->fd = fd;
    if (s->armed) return 0;
    s->armed = true;
    s->ready = ask(s);
    return 0;
}

// ---------------------------------------------------------------- fcntl

static bool exists(struct box *box, const struct owner_ex *o)
{
    if (o->type == F_OWNER_TID) return task_find(box, o->pid);
    if (o->type == F_OWNER_PID) return process_find(box, o->pid);
    for (struct process *p = box->processes; p; p = p->next)
        if (p->pgid == o->pid) return true;
    return false;
}

static int64_t set_owner(struct task *t, struct file *f, const struct owner_ex *o)
{
    if (o->pid && !exists(t->box, o)) return -LX_ESRCH;
    struct sigio *s = get(t, f);
    if (!s) return -LX_ENOMEM;
    s->owner = *o;
    s->uid = t->proc->cred.uid;
    s->euid = t->proc->cred.euid;
    return 0;
}

static int64_t set_sig(struct task *t, struct file *f, uint64_t sig)
{
    if (sig > NSIG) return -LX_EINVAL;
    struct sigio *s = get(t, f);
    if (!s) return -LX_ENOMEM;
    s->sig = (int)sig;
    return 0;
}

int64_t sigio_fcntl(struct task *t, struct file *f, int cmd, uint64_t arg)
{
    const struct sigio *s = f->sigio;
    struct owner_ex o = s ? s->owner : (struct owner_ex){.type = F_OWNER_PID};
    int pid = (int)arg, err;
    switch (cmd) {
    case LX_F_SETOWN:
        if (pid == INT32_MIN) return -LX_EINVAL;
        o = pid < 0 ? (struct owner_ex){F_OWNER_PGRP, -pid} : (struct owner_ex){F_OWNER_PID, pid};
        return set_owner(t, f, &o);
    case LX_F_GETOWN:
        return o.type == F_OWNER_PGRP ? -o.pid : o.pid;
    case F_SETOWN_EX:
        if ((err = copy_from_user(t, &o, arg, sizeof o))) return err;
        if (o.type < F_OWNER_TID || o.type > F_OWNER_PGRP) return -LX_EINVAL;
        return set_owner(t, f, &o);
    case F_GETOWN_EX:
        return copy_to_user(t, arg, &o, sizeof o);
    case LX_F_SETSIG:
        return set_sig(t, f, arg);
    default: // F_GETSIG
        return s ? s->sig : 0;
    }
}
