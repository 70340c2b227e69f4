// wait4, waitid: a parent learns what became of its children.
//
// The result is copied to the guest before the child is reaped, so that a copy that must wait for a page loses nothing.
#include "syscalls/pidfd.h"
#include "syscalls/ptrace.h"

struct wanted {
    int type, id;
    uint64_t options;
    int thread;    // the caller's: with __WNOTHREAD only its own children
    bool nonblock; // by its pidfd: EAGAIN where WNOHANG gives 0
};
struct news {
    int code, status, raw; // CLD_*, si_status, as wait4 encodes it
    int pid;
    uint32_t uid;
    struct process *child; // NULL: of a thread that this process traces, and
    struct tracee *tracee;
};

static bool selected(const struct wanted *w, const struct process *c)
{
    if (w->type == LX_P_PID && c->pid != w->id) return false;
    if (w->type == LX_P_PGID && c->pgid != w->id) return false;
    if (w->options & LX_WNOTHREAD && c->parent_tid != w->thread) return false;
    bool is_clone = c->exit_signal != LX_SIGCHLD;
    return w->options & LX_WALL || is_clone == !!(w->options & LX_WCLONE);
}

// An end, as wait4 encodes it.
static void ended(struct news *n, int raw)
{
    int sig = raw & 0x7f;
    n->code = sig ? LX_CLD_KILLED : LX_CLD_EXITED;
    n->status = sig ? sig : raw >> 8 & 0xff;
    n->raw = raw;
}

static bool has_news(const struct wanted *w, struct process *c, struct news *n)
{
    bool traced = c->tasks && c->tasks->traced && c->tasks->traced->tracer == c->parent; // it hears as the tracer
    *n = (struct news){.pid = c->pid, .uid = c->cred.uid, .child = c};
    if (c->state == PROC_ZOMBIE) {
        ended(n, c->exit_status);
        return w->options & LX_WEXITED;
    }
    if (c->stopped && c->stop_report && !traced && w->options & LX_WSTOPPED) {
        n->code = LX_CLD_STOPPED, n->status = c->stop_signal, n->raw = c->stop_signal << 8 | 0x7f;
        return true;
    }
    if (c->continued_report && w->options & LX_WCONTINUED) {
        n->code = LX_CLD_CONTINUED, n->status = LX_SIGCONT, n->raw = 0xffff;
        return true;
    }
    return false;
}

// Whoever traces hears of each thread, whatever kind of child it is (kernel/exit.c, eligible_child).
static bool selected_tracee(const struct wanted *w, const struct tracee *x)
{
    if (w->type == LX_P_PID && x->tid != w->id) return false;
    if (w->type == LX_P_PGID && (x->task ? x->task->proc->pgid : x->pgid) != w->id) return false;
    return !(w->options & LX_WNOTHREAD) || x->tracer_tid == w->thread;
}

static bool has_trace_news(const struct wanted *w, struct tracee *x, struct news *n)
{
    *n = (struct news){.pid = x->tid, .uid = x->task ? x->task->proc->cred.uid : x->uid, .tracee = x};
    if (!x->report) return false;
    if (x->state == TRACEE_GONE) {
        ended(n, x->code);
        return w->options & LX_WEXITED;
    }
    n->code = LX_CLD_TRAPPED, n->status = x->code, n->raw = x->code << 8 | 0x7f;
    return true;
}

static void consume_trace(struct tracee *x)
{
    if (x->state == TRACEE_GONE)
        ptrace_forget(x);
    else
        x->report = false;
}

static void consume(const struct wanted *w, const struct news *n)
{
    struct process *c = n->child;
    if (w->options & LX_WNOWAIT) return;
    if (n->tracee) {
        consume_trace(n->tracee);
    } else if (n->code == LX_CLD_STOPPED) {
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

// 1: *n are news; 0: none yet (WNOHANG); else the error, or -LX_EPARK.
static int64_t find(struct task *t, const struct wanted *w, struct news *n)
{
    bool any = false;
    for (struct process *c = t->proc->children; c; c = c->sibling) {
        if (!selected(w, c)) continue;
        any = true;
        if (has_news(w, c, n)) return 1;
    }
    for (struct tracee *x = t->proc->tracees; x; x = x->next) {
        if (!selected_tracee(w, x)) continue;
        any = true;
        if (has_trace_news(w, x, n)) return 1;
    }
    if (!any) return -LX_ECHILD;
    return w->options & LX_WNOHANG ? 0 : task_wait(t, &t->proc->child_wait);
}

static int put_rusage(struct task *t, gaddr at, const struct news *n)
{
    struct lx_rusage r = {0};
    struct process *of = n->child ? n->child : n->tracee && n->tracee->task ? n->tracee->task->proc : NULL;
    if (!at) return 0;
    if (of) process_rusage(of, &r);
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
    struct news n;
    int64_t r = find(t, &w, &n);
    if (r <= 0) return r;
    int32_t status = n.raw, pid = n.pid;
    int err = a[1] ? copy_to_user(t, a[1], &status, sizeof status) : 0;
    if (!err) err = put_rusage(t, a[3], &n);
    if (err == -LX_EPARK) return err;
    consume(&w, &n);
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
    struct news n = {0};
    int err = waitid_wanted(t, a, &w);
    if (err) return err;
    int64_t r = find(t, &w, &n);
    if (r == 0 && w.nonblock) r = -LX_EAGAIN;
    if (r < 0) return r;
    struct lx_siginfo info = {0};
    if (r > 0)
        info = (struct lx_siginfo){
            .si_signo = LX_SIGCHLD, .si_code = n.code, .chld_pid = n.pid, .chld_uid = n.uid, .si_status = n.status};
    err = a[2] ? copy_to_user(t, a[2], &info, 48) : 0; // Linux writes the fields of a child's siginfo only
    if (!err && r > 0) err = put_rusage(t, a[4], &n);
    if (err == -LX_EPARK || r == 0) return err;
    consume(&w, &n);
    return err;
}
