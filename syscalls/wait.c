// wait4, waitid: a parent learns what became of its children.
//
// The result is copied to the guest before the child is reaped, so that a copy that must wait for a page loses nothing.
#include "syscalls/kernel.h"
#include "syscalls/pidfd.h"

struct wanted {
    int type, id;
    uint64_t options;
    int thread;    // the caller's: with __WNOTHREAD only its own children
    bool nonblock; // by its pidfd: EAGAIN where WNOHANG gives 0
};
struct news {
    int code, status, raw;
}; // CLD_*, si_status, as wait4 encodes it

static bool selected(const struct wanted *w, const struct process *c)
{
    if (w->type == LX_P_PID && c->pid != w->id) return false;
    if (w->type == LX_P_PGID && c->pgid != w->id) return false;
    if (w->options & LX_WNOTHREAD && c->parent_tid != w->thread) return false;
    bool is_clone = c->exit_signal != LX_SIGCHLD;
    return w->options & LX_WALL || is_clone == !!(w->options & LX_WCLONE);
}

static bool has_news(const struct wanted *w, const struct process *c, struct news *n)
{
    if (c->state == PROC_ZOMBIE) {
        int sig = c->exit_status & 0x7f;
        *n = (struct news){sig ? LX_CLD_KILLED : LX_CLD_EXITED, sig ? sig : c->exit_status >> 8 & 0xff, c->exit_status};
        return w->options & LX_WEXITED;
    }
    if (c->stopped && c->stop_report && w->options & LX_WSTOPPED) {
        *n = (struct news){LX_CLD_STOPPED, c->stop_signal, c->stop_signal << 8 | 0x7f};
        return true;
    }
    if (c->continued_report && w->options & LX_WCONTINUED) {
        *n = (struct news){LX_CLD_CONTINUED, LX_SIGCONT, 0xffff};
        return true;
    }
    return false;
}

static void consume(const struct wanted *w, struct process *c, const struct news *n)
{
    if (w->options & LX_WNOWAIT) return;
    if (n->code == LX_CLD_STOPPED) {
        c->stop_report = false;
    } else if (n->code == LX_CLD_CONTINUED) {
        c->continued_report = false;
    } else {
        c->parent->cutime_ns += c->utime_ns + c->cutime_ns;
        c->parent->cstime_ns += c->stime_ns + c->cstime_ns;
        if (c->maxrss_kb > c->parent->cmaxrss_kb) c->parent->cmaxrss_kb = c->maxrss_kb;
        if (c->cmaxrss_kb > c->parent->cmaxrss_kb) c->parent->cmaxrss_kb = c->cmaxrss_kb;
        process_unlink(c);
    }
}

// 1: *child has news; 0: none yet (WNOHANG); else the error, or -LX_EPARK.
static int64_t find(struct task *t, const struct wanted *w, struct process **child, struct news *n)
{
    bool any = false;
    for (struct process *c = t->proc->children; c; c = c->sibling) {
        if (!selected(w, c)) continue;
        any = true;
        *child = c;
        if (has_news(w, c, n)) return 1;
    }
    if (!any) return -LX_ECHILD;
    return w->options & LX_WNOHANG ? 0 : task_wait(t, &t->proc->child_wait);
}

static int put_rusage(struct task *t, gaddr at, struct process *c)
{
    struct lx_rusage r;
    if (!at) return 0;
    process_rusage(c, &r);
    return copy_to_user(t, at, &r, sizeof r);
}

static struct wanted wait4_wanted(struct task *t, int pid, uint64_t options)
{
    struct wanted w = {LX_P_ALL, 0, options | LX_WEXITED, t->tid, false};
    if (pid > 0) w = (struct wanted){LX_P_PID, pid, w.options, t->tid, false};
    if (pid == 0) w = (struct wanted){LX_P_PGID, t->proc->pgid, w.options, t->tid, false};
    if (pid < -1) w = (struct wanted){LX_P_PGID, -pid, w.options, t->tid, false};
    return w;
}

int64_t sys_wait4(struct task *t, const uint64_t a[6])
{
    if (a[2] & ~((uint64_t)LX_WNOHANG | LX_WUNTRACED | LX_WCONTINUED | LX_WCLONE | LX_WALL | LX_WNOTHREAD) & 0xffffffff)
        return -LX_EINVAL;
    if ((int)a[0] == INT32_MIN) return -LX_ESRCH;
    struct wanted w = wait4_wanted(t, (int)a[0], (uint32_t)a[2]);
    struct process *child = NULL;
    struct news n;
    int64_t r = find(t, &w, &child, &n);
    if (r <= 0) return r;
    int32_t status = n.raw, pid = child->pid;
    int err = a[1] ? copy_to_user(t, a[1], &status, sizeof status) : 0;
    if (!err) err = put_rusage(t, a[3], child);
    if (err == -LX_EPARK) return err;
    consume(&w, child, &n);
    return err ? err : pid;
}

// Which children waitid means; negative: the error.
static int waitid_wanted(struct task *t, const uint64_t a[6], struct wanted *w)
{
    uint64_t options = (uint32_t)a[3];
    *w = (struct wanted){(int)a[0], (int)a[1], options, t->tid, false};
    if (options & ~((uint64_t)LX_WNOHANG | LX_WNOWAIT | LX_WEXITED | LX_WSTOPPED | LX_WCONTINUED | LX_WCLONE | LX_WALL |
                    LX_WNOTHREAD))
        return -LX_EINVAL;
    if (!(options & (LX_WEXITED | LX_WSTOPPED | LX_WCONTINUED))) return -LX_EINVAL;
    switch (w->type) {
    case LX_P_ALL:
        return 0;
    case LX_P_PID:
        return w->id > 0 ? 0 : -LX_EINVAL;
    case LX_P_PGID:
        if (w->id == 0) w->id = t->proc->pgid;
        return w->id > 0 ? 0 : -LX_EINVAL;
    case LX_P_PIDFD:
        w->type = LX_P_PID;
        w->id = pidfd_pid(t, w->id, &w->nonblock);
        if (w->nonblock && !(options & LX_WNOHANG))
            w->options |= LX_WNOHANG;
        else
            w->nonblock = false;
        return w->id < 0 ? w->id : 0;
    default:
        return -LX_EINVAL;
    }
}

int64_t sys_waitid(struct task *t, const uint64_t a[6])
{
    struct wanted w;
    struct process *child = NULL;
    struct news n;
    int err = waitid_wanted(t, a, &w);
    if (err) return err;
    int64_t r = find(t, &w, &child, &n);
    if (r == 0 && w.nonblock) r = -LX_EAGAIN;
    if (r < 0) return r;
    struct lx_siginfo info = {0};
    if (r > 0)
        info = (struct lx_siginfo){.si_signo = LX_SIGCHLD,
                                   .si_code = n.code,
                                   .chld_pid = child->pid,
                                   .chld_uid = child->cred.uid,
                                   .si_status = n.status};
    err = a[2] ? copy_to_user(t, a[2], &info, 48) : 0; // Linux writes the fields of a child's siginfo only
    if (!err && r > 0) err = put_rusage(t, a[4], child);
    if (err == -LX_EPARK || r == 0) return err;
    consume(&w, child, &n);
    return err;
}
