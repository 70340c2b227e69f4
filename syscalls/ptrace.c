// Who traces whom: beginnings and ends of tracing (kernel/ptrace.c, kernel/exit.c). ptrace.h has the whole picture.
#include "syscalls/fs.h"
#include "syscalls/ptrace.h"

// ---------------------------------------------------------------- the relation

static struct tracee *add(struct process *tracer, int tracer_tid, struct task *t)
{
    struct tracee *x = kmalloc(t->box->vfs, sizeof *x);
    if (!x) return NULL;
    *x = (struct tracee){.next = tracer->tracees, .tracer = tracer, .tracer_tid = tracer_tid, .task = t, .tid = t->tid};
    tracer->tracees = x;
    t->traced = x;
    return x;
}

void ptrace_forget(struct tracee *x)
{
    struct tracee **at = &x->tracer->tracees;
    while (*at != x) at = &(*at)->next;
    *at = x->next;
    if (x->task) x->task->traced = NULL;
    if (x->state == TRACEE_GONE) x->tracer->box->nzombies--;
    kmfree(x->tracer->box->vfs, x, sizeof *x);
}

int ptrace_attach(struct task *tracer, struct task *t, bool seize, uint32_t options)
{
    if (t->traced || t->proc == tracer->proc || !process_may_access(tracer->proc, t->proc)) return -LX_EPERM;
    struct tracee *x = add(tracer->proc, tracer->tid, t);
    if (!x) return -LX_ENOMEM;
    x->seized = seize;
    x->options = options;
    struct lx_siginfo stop = {.si_signo = LX_SIGSTOP, .si_code = LX_SI_KERNEL};
    if (!seize) signal_send_task(t, &stop);
    if (t->proc->stopped) ptrace_group(t);
    return 0;
}

int ptrace_traceme(struct task *t)
{
    struct process *parent = t->proc->parent;
    if (t->traced || !parent->ntasks || !process_may_access(parent, t->proc)) return -LX_EPERM;
    return add(parent, t->proc->parent_tid, t) ? 0 : -LX_ENOMEM;
}

void ptrace_detach(struct tracee *x)
{
    struct task *t = x->task;
    struct lx_siginfo info;
    if (t && x->state != TRACEE_RUNS) ptrace_go_on(x, WAY_CONT, x->kind == STOP_AT_SIGNAL ? x->code : 0);
    if (t && ptrace_injected(t, &info)) signal_send_task(t, &info);
    int status = (int)x->message;
    bool dies = x->dies;
    ptrace_forget(x);
    if (t && t->proc->stopped) task_dequeue(t);
    if (t && dies) exit_group(t->proc, status);
}

// ---------------------------------------------------------------- ends

static struct tracee *one_of(const struct process *tracer, int tid)
{
    struct tracee *x = tracer->tracees;
    while (x && tid && x->tracer_tid != tid) x = x->next;
    return x;
}

// Letting one go may end its process, and with it others of the list.
void ptrace_tracer_ends(struct process *tracer, int tid)
{
    for (struct tracee *x; (x = one_of(tracer, tid));) {
        int pid = x->task && x->options & LX_PTRACE_O_EXITKILL ? x->task->proc->pid : 0;
        ptrace_detach(x);
        struct process *p = pid ? process_find(tracer->box, pid) : NULL;
        if (p) signal_simple(p, LX_SIGKILL);
    }
}

static void tell_end(struct tracee *x, int status)
{
    x->code = status;
    x->report = true;
    int sig = status & 0x7f;
    struct lx_siginfo info = {.si_signo = LX_SIGCHLD,
                              .si_code = sig ? LX_CLD_KILLED : LX_CLD_EXITED,
                              .chld_pid = x->tid,
                              .chld_uid = x->uid,
                              .si_status = sig ? sig : status >> 8 & 0xff};
    if (x->tracer->ntasks) signal_send(x->tracer, &info);
    waitq_wake(&x->tracer->child_wait);
}

// A leader's end is told when its process has ended. What has still to be told counts as a zombie does: pids bound it.
void ptrace_task_ends(struct task *t, int status)
{
    struct tracee *x = t->traced;
    if (!x) return;
    x->task = NULL;
    t->traced = NULL;
    x->state = TRACEE_GONE;
    x->report = false;
    x->pgid = t->proc->pgid;
    x->uid = t->proc->cred.uid;
    t->box->nzombies++;
    if (t->tid != t->proc->pid) tell_end(x, status);
}

static struct tracee *ghost_of(struct box *box, int tid)
{
    for (struct process *p = box->processes; p; p = p->next)
        for (struct tracee *x = p->tracees; x; x = x->next)
            if (x->tid == tid && x->state == TRACEE_GONE) return x;
    return NULL;
}

bool ptrace_holds(struct box *box, int tid)
{
    return ghost_of(box, tid);
}

// Where the tracer is the parent, it is told as the parent.
void ptrace_process_ends(struct process *p)
{
    ptrace_tracer_ends(p, 0);
    struct tracee *x = ghost_of(p->box, p->pid);
    if (x && x->tracer == p->parent)
        ptrace_forget(x);
    else if (x)
        tell_end(x, p->exit_status);
}

void ptrace_takes_lead(struct task *t)
{
    struct tracee *leader = t->tid != t->proc->pid ? ghost_of(t->box, t->proc->pid) : NULL;
    if (leader) ptrace_forget(leader);
    if (t->traced) t->traced->tid = t->proc->pid;
    for (struct tracee *x = t->proc->tracees; x; x = x->next)
        if (x->tracer_tid == t->tid) x->tracer_tid = t->proc->pid;
}

// ---------------------------------------------------------------- clone and execve

static int fork_event(uint64_t flags, int exit_signal)
{
    if (flags & LX_CLONE_VFORK) return LX_PTRACE_EVENT_VFORK;
    return exit_signal == LX_SIGCHLD ? LX_PTRACE_EVENT_FORK : LX_PTRACE_EVENT_CLONE;
}

// kernel/fork.c, kernel_clone, and include/linux/ptrace.h, ptrace_init_task.
void ptrace_forked(struct task *t, struct task *child, uint64_t flags, int exit_signal)
{
    struct tracee *x = t->traced;
    if (!x || flags & LX_CLONE_UNTRACED) return;
    int event = fork_event(flags, exit_signal);
    bool asked = x->options & 1u << event;
    if (!asked && !(flags & LX_CLONE_PTRACE)) return;
    struct tracee *c = add(x->tracer, x->tracer_tid, child);
    if (c) {
        c->options = x->options;
        c->seized = x->seized;
        struct lx_siginfo stop = {.si_signo = LX_SIGSTOP, .si_code = LX_SI_USER};
        if (c->seized)
            c->due = DUE_GROUP;
        else
            signal_send_task(child, &stop);
    }
    ptrace_event(t, event, (uint64_t)child->tid);
}

void ptrace_execed(struct task *t)
{
    struct tracee *x = t->traced;
    if (!x) return;
    struct lx_siginfo trap = {.si_signo = LX_SIGTRAP, .si_code = LX_SI_USER, .si_pid = t->proc->pid};
    if (x->options & LX_PTRACE_O_TRACEEXEC)
        ptrace_event(t, LX_PTRACE_EVENT_EXEC, (uint64_t)t->tid);
    else if (!x->seized)
        signal_send_task(t, &trap);
}

bool ptrace_limits_exec(const struct task *t)
{
    return t->traced && !cred_has_cap(&t->traced->tracer->cred, LX_CAP_SYS_PTRACE);
}
