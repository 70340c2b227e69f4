// Signals: actions, masks, queues, sending, and what happens before a thread returns to guest code. The frame is
// signal_frame.c's, the system calls are in sys_signal.c.
//
// A signal for a process waits in proc->pending and is taken by the first of its threads that does not block it (the
// leader first, as in Linux, complete_signal), so that a program whose other threads sleep sees it where it expects it.
#include "syscalls/fs.h"
#include "syscalls/ptrace.h"
#include "syscalls/signal.h"
#include "syscalls/trace.h"
#include <stdlib.h>
#include <string.h>

#define BIT(sig) (1ull << ((sig)-1))
static const uint64_t STOPS = BIT(LX_SIGSTOP) | BIT(LX_SIGTSTP) | BIT(LX_SIGTTIN) | BIT(LX_SIGTTOU);
static const uint64_t IGNORED = BIT(LX_SIGCHLD) | BIT(LX_SIGCONT) | BIT(LX_SIGURG) | BIT(LX_SIGWINCH);
static const uint64_t SYNCHRONOUS =
    BIT(LX_SIGSEGV) | BIT(LX_SIGBUS) | BIT(LX_SIGILL) | BIT(LX_SIGTRAP) | BIT(LX_SIGFPE) | BIT(LX_SIGSYS);
enum { FIRST_RT = 32 };

// ---------------------------------------------------------------- actions

struct sighand *sighand_new(const struct sighand *like)
{
    struct sighand *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    if (like) memcpy(s->action, like->action, sizeof s->action);
    s->refs = 1;
    return s;
}

void sighand_unref(struct sighand *s)
{
    if (!s || --s->refs) return;
    waitq_dismiss(&s->signalfd_wait);
    free(s);
}

// Ignored signals stay ignored, caught ones become default. A table shared with others is left to them.
void signals_exec(struct process *p)
{
    if (p->sighand->refs > 1) {
        struct sighand *own = sighand_new(p->sighand);
        if (!own) return;
        sighand_unref(p->sighand);
        p->sighand = own;
    }
    for (int i = 0; i < NSIG; i++) {
        struct lx_sigaction *a = &p->sighand->action[i];
        *a = (struct lx_sigaction){.handler = a->handler == LX_SIG_IGN ? LX_SIG_IGN : LX_SIG_DFL};
    }
}

bool signal_ignored_by(const struct process *p, int sig)
{
    uint64_t handler = p->sighand->action[sig - 1].handler;
    return handler == LX_SIG_IGN || (handler == LX_SIG_DFL && IGNORED & BIT(sig));
}

// ---------------------------------------------------------------- queues

static bool add_entry(struct sigpending *q, const struct lx_siginfo *info, bool front)
{
    struct sigqueue *e = kmalloc(q->vfs, sizeof *e);
    if (!e) return false;
    *e = (struct sigqueue){.next = front ? q->first : NULL, .info = *info};
    if (front)
        q->first = e;
    else
        *q->last = e;
    if (!e->next) q->last = &e->next;
    q->count++;
    q->set |= BIT(info->si_signo);
    return true;
}

static int enqueue(struct sigpending *q, const struct lx_siginfo *info, uint64_t limit, bool front)
{
    int sig = info->si_signo;
    if (sig < FIRST_RT && q->set & BIT(sig) && !front) return 0; // only real-time signals queue
    if ((front || q->count < limit) && add_entry(q, info, front)) return 0;
    if (sig >= FIRST_RT && info->si_code != LX_SI_USER && !front) return -LX_EAGAIN;
    q->set |= BIT(sig); // delivered, but without its siginfo
    return 0;
}

static void unlink_at(struct sigpending *q, struct sigqueue **at)
{
    struct sigqueue *e = *at;
    *at = e->next;
    if (q->last == &e->next) q->last = at;
    q->count--;
    kmfree(q->vfs, e, sizeof *e);
}

void signals_flush_set(struct sigpending *q, uint64_t set)
{
    for (struct sigqueue **at = &q->first; *at;) {
        if (set & BIT((*at)->info.si_signo))
            unlink_at(q, at);
        else
            at = &(*at)->next;
    }
    q->set &= ~set;
}

void signals_flush(struct sigpending *q)
{
    signals_flush_set(q, ~0ull);
}

// Takes the oldest entry of sig; a signal that lost its siginfo looks like a kill by nobody.
static void take(struct sigpending *q, int sig, struct lx_siginfo *info)
{
    bool found = false, more = false;
    *info = (struct lx_siginfo){.si_signo = sig, .si_code = LX_SI_USER};
    for (struct sigqueue **at = &q->first; *at && !more;) {
        if ((*at)->info.si_signo != sig) {
            at = &(*at)->next;
        } else if (!found) {
            found = true;
            *info = (*at)->info;
            unlink_at(q, at);
        } else {
            more = true;
        }
    }
    if (!more) q->set &= ~BIT(sig);
}

static int lowest(uint64_t set)
{
    if (set & SYNCHRONOUS)
        set &= SYNCHRONOUS; // faults first: their context is the current one (kernel/signal.c, next_signal)
    return __builtin_ctzll(set) + 1;
}

// ---------------------------------------------------------------- who takes a process's signal

static uint64_t shared_for(const struct task *t, uint64_t accepted)
{
    uint64_t set = t->proc->pending.set & accepted;
    for (const struct task *u = t->proc->tasks; set && u && u != t; u = u->next_in_proc)
        set &= u->sigmask & ~u->sigwait_set;
    return set;
}

bool signal_deliverable(const struct task *t)
{
    return t->pending.set & ~t->sigmask || (t->proc->pending.set & ~t->sigmask && shared_for(t, ~t->sigmask)) ||
           (t->traced && t->traced->due);
}

bool signal_kill_pending(const struct task *t)
{
    return (t->pending.set | t->proc->pending.set) & BIT(LX_SIGKILL);
}

bool signal_waiting(const struct task *t, uint64_t accepted)
{
    return t->pending.set & accepted || shared_for(t, accepted);
}

int signal_dequeue(struct task *t, uint64_t accepted, struct lx_siginfo *info, struct sigpending **from)
{
    struct sigpending *q = &t->pending;
    uint64_t set = q->set & accepted;
    if (!set) {
        q = &t->proc->pending;
        set = shared_for(t, accepted);
    }
    if (!set) return 0;
    int sig = lowest(set);
    take(q, sig, info);
    if (info->si_code == LX_SI_TIMER) posix_timer_delivered(t->proc, info);
    *from = q;
    return sig;
}

void signal_requeue(struct sigpending *q, const struct lx_siginfo *info)
{
    enqueue(q, info, UINT64_MAX, true);
}

// ---------------------------------------------------------------- sending

static void wake_for(struct task *t, int sig)
{
    if (BIT(sig) & (~t->sigmask | t->sigwait_set)) task_wake(t);
}

static void wake_one(struct process *p, int sig)
{
    for (struct task *t = p->tasks; t; t = t->next_in_proc) {
        if (!(BIT(sig) & (~t->sigmask | t->sigwait_set))) continue;
        task_wake(t);
        return;
    }
}

static void flush_everywhere(struct process *p, uint64_t set)
{
    signals_flush_set(&p->pending, set);
    for (struct task *t = p->tasks; t; t = t->next_in_proc) signals_flush_set(&t->pending, set);
}

// What some signals do by being sent (kernel/signal.c, prepare_signal). False: it is dropped.
static bool prepare(struct process *p, const struct task *t, int sig)
{
    if (p->state != PROC_ALIVE || p->exiting || !p->ntasks) return false;
    if (sig == LX_SIGKILL) {
        process_continue(p);
        ptrace_killed(p);
    }
    if (STOPS & BIT(sig)) flush_everywhere(p, BIT(LX_SIGCONT));
    if (sig == LX_SIGCONT) {
        flush_everywhere(p, STOPS);
        if (p->stopped) {
            process_continue(p);
            p->continued_report = true;
            signal_notify_parent(p, LX_CLD_CONTINUED, LX_SIGCONT);
        }
    }
    const struct task *target = t ? t : p->tasks;
    if (BIT(sig) & (target->sigmask | target->sigwait_set)) return true;
    return !signal_ignored_by(p, sig) || (target->traced && sig != LX_SIGKILL); // its tracer sees it all the same
}

int signal_send(struct process *p, const struct lx_siginfo *info)
{
    if (!prepare(p, NULL, info->si_signo)) {
        trace_ignored(p, info);
        return 0;
    }
    int err = enqueue(&p->pending, info, p->rlimit[LX_RLIMIT_SIGPENDING].rlim_cur, false);
    if (err) return err;
    wake_one(p, info->si_signo);
    waitq_wake(&p->sighand->signalfd_wait);
    return 0;
}

int signal_send_task(struct task *t, const struct lx_siginfo *info)
{
    if (t->state == TASK_DEAD || !prepare(t->proc, t, info->si_signo)) return 0;
    int err = enqueue(&t->pending, info, t->proc->rlimit[LX_RLIMIT_SIGPENDING].rlim_cur, false);
    if (err) return err;
    wake_for(t, info->si_signo);
    waitq_wake(&t->proc->sighand->signalfd_wait);
    return 0;
}

static struct sigqueue *find_timer(const struct sigpending *q, const struct lx_siginfo *info)
{
    for (struct sigqueue *e = q->first; e; e = e->next)
        if (e->info.si_code == LX_SI_TIMER && e->info.si_signo == info->si_signo && e->info.si_tid == info->si_tid)
            return e;
    return NULL;
}

// Unlike others, a timer's signal is queued beside one of the same number (kernel/signal.c, send_sigqueue).
bool signal_send_timer(struct process *p, struct task *t, const struct lx_siginfo *info, uint64_t more,
                       bool maybe_waiting)
{
    struct sigpending *q = t ? &t->pending : &p->pending;
    struct sigqueue *waiting = maybe_waiting ? find_timer(q, info) : NULL;
    if (waiting) {
        uint64_t n = (uint64_t)waiting->info.si_overrun + more + 1;
        waiting->info.si_overrun = n > INT32_MAX ? INT32_MAX : (int32_t)n;
        return true;
    }
    if ((t && t->state == TASK_DEAD) || !prepare(p, t, info->si_signo)) return false;
    bool queued = add_entry(q, info, false);
    q->set |= BIT(info->si_signo);
    if (t)
        wake_for(t, info->si_signo);
    else
        wake_one(p, info->si_signo);
    waitq_wake(&p->sighand->signalfd_wait);
    return queued;
}

int signal_send_group(struct box *box, int pgid, const struct lx_siginfo *info)
{
    int sent = 0;
    for (struct process *p = box->processes; p; p = p->next) {
        if (p->pgid != pgid || !p->ntasks) continue;
        signal_send(p, info);
        sent++;
    }
    return sent ? 0 : -LX_ESRCH;
}

void signal_simple(struct process *p, int sig)
{
    struct lx_siginfo info = {.si_signo = sig, .si_code = LX_SI_KERNEL};
    signal_send(p, &info);
}

// kernel/signal.c, force_sig_info_to_task: a fault that is blocked or ignored kills.
void signal_force(struct task *t, const struct lx_siginfo *info)
{
    int sig = info->si_signo;
    struct lx_sigaction *act = &t->proc->sighand->action[sig - 1];
    if (t->sigmask & BIT(sig) || act->handler == LX_SIG_IGN) {
        act->handler = LX_SIG_DFL;
        t->sigmask &= ~BIT(sig);
    }
    signal_send_task(t, info);
}

void signal_notify_parent(struct process *p, int code, int status)
{
    struct process *parent = p->parent;
    if (!parent || !parent->ntasks) return;
    const struct lx_sigaction *act = &parent->sighand->action[LX_SIGCHLD - 1];
    struct lx_siginfo info = {
        .si_signo = LX_SIGCHLD, .si_code = code, .chld_pid = p->pid, .chld_uid = p->cred.uid, .si_status = status};
    if (act->handler != LX_SIG_IGN && !(act->flags & LX_SA_NOCLDSTOP)) signal_send(parent, &info);
    waitq_wake(&parent->child_wait);
}

// ---------------------------------------------------------------- stopping

void process_stop(struct process *p, int sig)
{
    p->stopped = true;
    p->stop_signal = sig;
    p->stop_report = true;
    p->continued_report = false;
    for (struct task *t = p->tasks; t; t = t->next_in_proc) {
        if (t->traced)
            ptrace_group(t);
        else
            task_dequeue(t);
    }
    signal_notify_parent(p, LX_CLD_STOPPED, sig);
}

void process_continue(struct process *p)
{
    if (!p->stopped) return;
    p->stopped = p->stop_report = false;
    for (struct task *t = p->tasks; t; t = t->next_in_proc) {
        if (t->traced) ptrace_group(t);
        task_requeue(t);
    }
}

// ---------------------------------------------------------------- delivery

static bool in_restart_range(uint64_t rax)
{
    int64_t r = (int64_t)rax;
    return r == -LX_ERESTARTSYS || r == -LX_ERESTARTNOINTR || r == -LX_ERESTARTNOHAND || r == -LX_ERESTART_RESTARTBLOCK;
}

static void run_again(struct task *t, uint64_t nr)
{
    t->cpu.regs[RAX] = nr;
    t->cpu.rip -= 2; // back onto SYSCALL
}

// arch/x86/kernel/signal.c, handle_signal: what an interrupted call returns when a handler runs.
static void restart_for_handler(struct task *t, const struct lx_sigaction *act)
{
    if (!t->restartable || !in_restart_range(t->cpu.regs[RAX])) return;
    int64_t r = (int64_t)t->cpu.regs[RAX];
    t->restartable = false;
    if (r == -LX_ERESTARTNOINTR || (r == -LX_ERESTARTSYS && act->flags & LX_SA_RESTART))
        run_again(t, t->sys_nr);
    else
        t->cpu.regs[RAX] = (uint64_t)-LX_EINTR;
}

static void restart_without_handler(struct task *t)
{
    if (!t->restartable || !in_restart_range(t->cpu.regs[RAX])) return;
    bool block = (int64_t)t->cpu.regs[RAX] == -LX_ERESTART_RESTARTBLOCK;
    run_again(t, block ? NR_restart_syscall : t->sys_nr);
}

static void entered_handler(struct task *t, int sig, struct lx_sigaction *act)
{
    t->restore_sigmask = false;
    t->sigmask |= act->mask;
    if (!(act->flags & LX_SA_NODEFER)) t->sigmask |= BIT(sig);
    t->sigmask &= ~(BIT(LX_SIGKILL) | BIT(LX_SIGSTOP));
    if (act->flags & LX_SA_RESETHAND) act->handler = LX_SIG_DFL;
}

enum outcome { GO_ON, CANNOT_GO_ON };

static enum outcome wait_for_page(struct task *t)
{
    task_wait_io(t, t->box->vfs->park);
    task_dequeue(t);
    t->state = TASK_PARKED;
    return CANNOT_GO_ON;
}

static enum outcome run_handler(struct task *t, const struct lx_siginfo *info, struct sigpending *from)
{
    struct lx_sigaction *act = &t->proc->sighand->action[info->si_signo - 1];
    restart_for_handler(t, act);
    int err = rseq_resume(t, true);
    if (!err) err = signal_frame_push(t, info, act);
    if (err == -LX_EPARK) {
        signal_requeue(from, info);
        return wait_for_page(t);
    }
    if (err) { // no room for the frame: SIGSEGV, deadly when this was one (force_sigsegv)
        struct lx_siginfo segv = {.si_signo = LX_SIGSEGV, .si_code = LX_SI_KERNEL};
        if (info->si_signo == LX_SIGSEGV) act->handler = LX_SIG_DFL;
        signal_force(t, &segv);
        return GO_ON;
    }
    entered_handler(t, info->si_signo, act);
    if (!t->traced || t->traced->way != WAY_STEP) return GO_ON;
    t->traced->due |= DUE_STEP; // kernel/signal.c, signal_setup_done
    return ptrace_stops(t) ? CANNOT_GO_ON : GO_ON;
}

static enum outcome run_default(struct task *t, const struct lx_siginfo *info)
{
    int sig = info->si_signo;
    struct process *p = t->proc;
    if (IGNORED & BIT(sig)) return GO_ON;
    if (STOPS & BIT(sig)) {
        if (sig != LX_SIGSTOP && process_orphaned_group(t->box, p->pgid)) return GO_ON;
        trace_stop(t, sig);
        process_stop(p, sig);
        return CANNOT_GO_ON;
    }
    trace_death(t, info);
    if (t->traced && sig != LX_SIGKILL && ptrace_at_exit(t, sig, true)) return CANNOT_GO_ON;
    exit_group(p, sig);
    return CANNOT_GO_ON;
}

static enum outcome act_on(struct task *t, const struct lx_siginfo *info, struct sigpending *from)
{
    uint64_t handler = t->proc->sighand->action[info->si_signo - 1].handler;
    trace_signal(t, info);
    if (handler == LX_SIG_IGN && info->si_signo != LX_SIGKILL) return GO_ON;
    if (handler == LX_SIG_DFL || info->si_signo == LX_SIGKILL) return run_default(t, info);
    return run_handler(t, info, from);
}

static enum outcome deliver_one(struct task *t, const struct lx_siginfo *info, struct sigpending *from)
{
    if (t->traced && info->si_signo != LX_SIGKILL && ptrace_at_signal(t, info)) return CANNOT_GO_ON;
    return act_on(t, info, from);
}

static enum outcome deliver_pending(struct task *t)
{
    struct lx_siginfo info;
    struct sigpending *from;
    while (signal_dequeue(t, ~t->sigmask, &info, &from))
        if (deliver_one(t, &info, from) == CANNOT_GO_ON) return CANNOT_GO_ON;
    return GO_ON;
}

// What is due to its tracer, and the signal that its tracer has let through.
static enum outcome obey_tracer(struct task *t)
{
    struct lx_siginfo info;
    if (t->traced->dies) {
        exit_group(t->proc, (int)t->traced->message);
        return CANNOT_GO_ON;
    }
    if (ptrace_stops(t)) return CANNOT_GO_ON;
    return ptrace_injected(t, &info) ? act_on(t, &info, &t->pending) : GO_ON;
}

bool signal_deliver(struct task *t)
{
    if (t->traced && obey_tracer(t) == CANNOT_GO_ON) return false;
    if ((t->pending.set | t->proc->pending.set) & ~t->sigmask && deliver_pending(t) == CANNOT_GO_ON) return false;
    restart_without_handler(t);
    t->restartable = false;
    if (t->rseq_event) {
        if (rseq_resume(t, false) == -LX_EPARK) return wait_for_page(t) == GO_ON;
        if (signal_deliverable(t)) return signal_deliver(t); // its descriptor was bad: SIGSEGV
    }
    if (t->restore_sigmask) {
        t->sigmask = t->saved_sigmask;
        t->restore_sigmask = false;
    }
    return true;
}
