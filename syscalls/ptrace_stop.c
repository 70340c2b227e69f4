// The stops of a traced thread (man ptrace, "Stopped states"): when they take place, what is told of them, how the
// thread goes on. ptrace.h has the whole picture.
#include "syscalls/ptrace.h"

// ---------------------------------------------------------------- stopping

// kernel/signal.c, do_notify_parent_cldstop.
static void tell_tracer(struct tracee *x)
{
    struct process *tracer = x->tracer;
    const struct lx_sigaction *act = &tracer->sighand->action[LX_SIGCHLD - 1];
    struct lx_siginfo info = {.si_signo = LX_SIGCHLD,
                              .si_code = LX_CLD_TRAPPED,
                              .chld_pid = x->tid,
                              .chld_uid = x->task->proc->cred.uid,
                              .si_status = x->code & 0x7f};
    if (act->handler != LX_SIG_IGN && !(act->flags & LX_SA_NOCLDSTOP)) signal_send(tracer, &info);
    waitq_wake(&tracer->child_wait);
}

static bool stop(struct task *t, enum ptrace_kind kind, int code, const struct lx_siginfo *info)
{
    struct tracee *x = t->traced;
    if (signal_kill_pending(t)) return false;
    x->state = TRACEE_STOPPED;
    x->kind = kind;
    x->code = code;
    x->info = *info;
    x->report = true;
    x->inject = 0;
    task_dequeue(t);
    t->state = TASK_TRACED;
    tell_tracer(x);
    return true;
}

// ptrace_notify (kernel/signal.c): a stop that is no signal's tells of itself as SIGTRAP.
static bool notify(struct task *t, enum ptrace_kind kind, int code)
{
    struct lx_siginfo info = {.si_signo = LX_SIGTRAP, .si_code = code, .si_pid = t->tid, .si_uid = t->proc->cred.uid};
    return stop(t, kind, code, &info);
}

static int trap_of_syscall(const struct tracee *x)
{
    return LX_SIGTRAP | (x->options & LX_PTRACE_O_TRACESYSGOOD ? 0x80 : 0);
}

// kernel/signal.c, do_jobctl_trap.
static bool stop_with_group(struct task *t)
{
    struct tracee *x = t->traced;
    struct process *p = t->proc;
    int sig = p->stopped ? p->stop_signal : LX_SIGTRAP;
    if (x->seized) return notify(t, STOP_AT_GROUP, sig | LX_PTRACE_EVENT_STOP << 8);
    if (!p->stopped) return false; // it has gone on meanwhile
    return stop(t, STOP_AT_GROUP, sig, &(struct lx_siginfo){0});
}

static bool take_due(struct tracee *x, unsigned what)
{
    bool due = x->due & what;
    x->due &= ~what;
    return due;
}

bool ptrace_at_event(struct task *t)
{
    struct tracee *x = t->traced;
    return take_due(x, DUE_EVENT) && notify(t, STOP_AT_EVENT, LX_SIGTRAP | x->event << 8);
}

bool ptrace_stops(struct task *t)
{
    struct tracee *x = t->traced;
    if (x->inject) return false; // it stands at a signal already
    if (ptrace_at_event(t)) return true;
    if (take_due(x, DUE_EXIT) && notify(t, STOP_AT_EXIT, trap_of_syscall(x))) return true;
    if (take_due(x, DUE_STEP) && notify(t, STOP_AT_STEP, LX_SIGTRAP)) return true;
    return take_due(x, DUE_GROUP) && stop_with_group(t);
}

bool ptrace_at_signal(struct task *t, const struct lx_siginfo *info)
{
    return stop(t, STOP_AT_SIGNAL, info->si_signo, info);
}

bool ptrace_at_entry(struct task *t)
{
    return t->traced->way == WAY_SYSCALL && notify(t, STOP_AT_ENTRY, trap_of_syscall(t->traced));
}

bool ptrace_at_exit(struct task *t, int status, bool by_signal)
{
    struct tracee *x = t->traced;
    if (x->exit_told || !(x->options & LX_PTRACE_O_TRACEEXIT)) return false;
    x->exit_told = true;
    x->message = (uint64_t)status;
    x->dies = notify(t, STOP_AT_EVENT, LX_SIGTRAP | LX_PTRACE_EVENT_EXIT << 8) && by_signal;
    return t->state == TASK_TRACED;
}

void ptrace_event(struct task *t, int event, uint64_t message)
{
    struct tracee *x = t->traced;
    if (!x || !(x->options & 1u << event)) return;
    x->due |= DUE_EVENT;
    x->event = event;
    x->message = message;
}

// ---------------------------------------------------------------- its process, others

static void rouse(struct task *t)
{
    t->traced->due |= DUE_GROUP;
    task_wake(t);
    task_requeue(t);
}

void ptrace_group(struct task *t)
{
    struct tracee *x = t->traced;
    if (x->state == TRACEE_STOPPED || (!t->proc->stopped && x->state != TRACEE_LISTENS)) return;
    if (x->state == TRACEE_LISTENS) ptrace_go_on(x, x->way, 0);
    rouse(t);
}

void ptrace_interrupt(struct tracee *x)
{
    if (x->state == TRACEE_LISTENS) ptrace_go_on(x, x->way, 0);
    rouse(x->task);
}

void ptrace_killed(struct process *p)
{
    for (struct task *t = p->tasks; t; t = t->next_in_proc)
        if (t->state == TASK_TRACED) ptrace_go_on(t->traced, WAY_CONT, 0);
}

void ptrace_left_syscall(struct task *t)
{
    struct tracee *x = t->traced;
    if (x->way == WAY_SYSCALL) x->due |= DUE_EXIT;
    if (x->way == WAY_STEP) ptrace_stepped(t, LX_TRAP_BRKPT); // arch/x86/kernel/ptrace.c, user_single_step_report
}

void ptrace_stepped(struct task *t, int code)
{
    struct lx_siginfo info = {.si_signo = LX_SIGTRAP, .si_code = code, .si_addr = t->cpu.rip};
    t->trap_no = VEC_DB;
    t->trap_error = 0;
    signal_force(t, &info);
}

// ---------------------------------------------------------------- going on

// kernel/signal.c, ptrace_signal: another signal than the one it has stopped at comes from the tracer.
bool ptrace_injected(struct task *t, struct lx_siginfo *info)
{
    struct tracee *x = t->traced;
    int sig = x->inject;
    if (!sig) return false;
    x->inject = 0;
    *info = x->info;
    if (sig != x->info.si_signo)
        *info = (struct lx_siginfo){
            .si_signo = sig, .si_code = LX_SI_USER, .si_pid = x->tracer->pid, .si_uid = x->tracer->cred.uid};
    if (!(t->sigmask >> (sig - 1) & 1)) return true;
    signal_send_task(t, info); // blocked meanwhile
    return false;
}

void ptrace_go_on(struct tracee *x, enum ptrace_way way, int sig)
{
    struct task *t = x->task;
    x->state = TRACEE_RUNS;
    x->report = false;
    x->way = way;
    x->inject = x->kind == STOP_AT_SIGNAL ? sig : 0;
    t->state = TASK_RUNNABLE;
    task_requeue(t);
    struct lx_siginfo info = {.si_signo = sig, .si_code = LX_SI_KERNEL};
    if (sig && (x->kind == STOP_AT_ENTRY || x->kind == STOP_AT_EXIT)) signal_send_task(t, &info);
}
