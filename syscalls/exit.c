// Ends: of a thread, of a process, of the box with its first process. Zombies, orphans, SIGCHLD.
#include "syscalls/ptrace.h"
#include "syscalls/trace.h"
#include <stdlib.h>
#include <string.h>

void vfork_done(struct task *t)
{
    struct process *p = t->proc;
    if (!p->vfork_pending) return;
    p->vfork_pending = false;
    waitq_wake(&p->exit_wait);
}

// ---------------------------------------------------------------- the process

static struct process *new_parent(struct process *p)
{
    for (struct process *q = p->parent; q; q = q->parent)
        if (q->subreaper && q->state == PROC_ALIVE) return q;
    return p->box->reaper;
}

static void bury(struct process *p)
{ // nobody will wait for it
    process_unlink(p);
}

// Would the parent's wait ever report this child? Not when it ignores SIGCHLD (man wait, NOTES), nor when it is the
// reaper.
static bool parent_reaps(const struct process *p)
{
    if (p->parent == p->box->reaper) return false;
    if (p->exit_signal != LX_SIGCHLD) return true;
    const struct lx_sigaction *act = &p->parent->sighand->action[LX_SIGCHLD - 1];
    return act->handler != LX_SIG_IGN && !(act->flags & LX_SA_NOCLDWAIT);
}

static void send_exit_signal(struct process *p)
{
    int sig = p->exit_status & 0x7f;
    struct lx_siginfo info = {.si_signo = p->exit_signal,
                              .si_code = sig ? LX_CLD_KILLED : LX_CLD_EXITED,
                              .chld_pid = p->pid,
                              .chld_uid = p->cred.uid,
                              .si_status = sig ? sig : p->exit_status >> 8 & 0xff,
                              .si_utime = (int64_t)(p->utime_ns / (1000000000 / LX_CLK_TCK)),
                              .si_stime = (int64_t)(p->stime_ns / (1000000000 / LX_CLK_TCK))};
    if (p->exit_signal && p->parent->ntasks) signal_send(p->parent, &info);
}

// A zombie is shown to its parent, or vanishes.
static void notify_parent(struct process *p)
{
    struct process *parent = p->parent;
    bool wanted = parent_reaps(p);
    send_exit_signal(p);
    if (!wanted) bury(p);
    waitq_wake(&parent->child_wait);
}

// p ends, or its parent does: when that leaves stopped jobs in a group that nobody of the session outside it looks
// after (kernel/exit.c: kill_orphaned_pgrp).
static void hang_up_stopped_group(const struct process *p, const struct process *parent)
{
    struct box *box = p->box;
    int pgid = p->pgid;
    bool any = false;
    if (!parent || parent->pgid == pgid || parent->sid != p->sid) return;
    for (const struct process *q = box->processes; q; q = q->next) any |= q->pgid == pgid && q->stopped;
    if (!any || !process_orphaned_group(box, pgid)) return;
    signal_send_group(box, pgid, &(struct lx_siginfo){.si_signo = LX_SIGHUP, .si_code = LX_SI_KERNEL});
    signal_send_group(box, pgid, &(struct lx_siginfo){.si_signo = LX_SIGCONT, .si_code = LX_SI_KERNEL});
}

static void give_away_children(struct process *p)
{
    struct process *to = new_parent(p);
    while (p->children) {
        struct process *c = p->children;
        p->children = c->sibling;
        process_add_child(to, c);
        if (c->pdeathsig && c->state == PROC_ALIVE) signal_simple(c, c->pdeathsig);
        if (c->state == PROC_ZOMBIE)
            notify_parent(c);
        else
            hang_up_stopped_group(c, p);
    }
}

static void drop_resources(struct process *p)
{
    ktimer_cancel(&p->alarm);
    posix_timers_free(p);
    sysv_exit(p);
    if (p->fds) fdtable_unref(p->fds);
    p->maxrss_kb = process_maxrss_kb(p);
    if (p->mm) mm_unref(p->mm);
    p->fds = NULL;
    p->mm = NULL;
    process_fs_leave(p);
    path_put(&p->cwd);
    path_put(&p->root);
    file_put(p->exe);
    p->exe = NULL;
    signals_flush(&p->pending);
}

static void end_process(struct process *p, int status)
{
    struct box *box = p->box;
    if (!p->exiting) p->exit_status = status;
    p->exiting = true;
    drop_resources(p);
    tty_session_end(p);
    give_away_children(p);
    p->stopped = false;
    p->state = PROC_ZOMBIE;
    box->nzombies++;
    hang_up_stopped_group(p, p->parent);
    ptrace_process_ends(p);
    waitq_wake(&p->exit_wait);
    sighand_unref(p->sighand);
    p->sighand = NULL;
    if (p == box->init) {
        box->init_status = p->exit_status;
        if (box->end_reason == BOX_RUNNING) box->end_reason = BOX_END_EXIT;
        box->dying = true;
    }
    notify_parent(p);
}

// ---------------------------------------------------------------- threads

// A thread's children become another's of its process (kernel/exit.c, forget_original_parent). Those with a death
// signal hear of it already now.
static void give_to_sibling(struct task *t)
{
    struct process *p = t->proc;
    struct task *heir = p->tasks == t ? t->next_in_proc : p->tasks;
    if (!heir || p->exiting) return; // give_away_children
    for (struct process *c = p->children; c; c = c->sibling) {
        if (c->parent_tid != t->tid) continue;
        c->parent_tid = heir->tid;
        if (c->pdeathsig && c->state == PROC_ALIVE) signal_simple(c, c->pdeathsig);
    }
}

void exit_task(struct task *t, int status)
{
    struct process *p = t->proc;
    trace_task_exit(t, p->exiting ? p->exit_status : status);
    if (p->mm) futex_exit(t);
    sys_abandon(t);
    if (p->ntasks == 1) vfork_done(t);
    give_to_sibling(t);
    ptrace_tracer_ends(p, t->tid);
    ptrace_task_ends(t, p->exiting ? p->exit_status : status);
    signals_flush(&t->pending);
    memcpy(p->last_comm, t->comm, sizeof p->last_comm);
    task_retire(t);
    if (p->ntasks == 0) end_process(p, status);
}

void exit_group(struct process *p, int status)
{
    if (!p->exiting) p->exit_status = status;
    p->exiting = true;
    for (struct task *t = p->tasks, *next; t; t = next) {
        next = t->next_in_proc; // p itself may be gone after the last one
        exit_task(t, status);
    }
}

void exit_other_tasks(struct task *t)
{
    struct process *p = t->proc;
    for (struct task *u = p->tasks, *next; u; u = next) {
        next = u->next_in_proc;
        if (u != t) exit_task(u, 0);
    }
    for (struct process *c = p->children; c; c = c->sibling) c->parent_tid = p->pid;
    ptrace_takes_lead(t);
    t->tid = p->pid; // it takes the leader's place (kernel: de_thread)
}

void process_execed(struct task *t)
{
    struct process *p = t->proc;
    p->did_exec = true;
    t->robust_list = t->clear_child_tid = t->rseq = 0;
    p->membarriers = 0;
    t->altstack = (struct lx_stack){.ss_flags = LX_SS_DISABLE};
    t->restart.nr = 0;
    signals_exec(p);
    posix_timers_free(p);
    vfork_done(t);
    ptrace_execed(t);
}

// ---------------------------------------------------------------- system calls

int64_t sys_exit(struct task *t, const uint64_t a[6])
{
    int status = (int)(a[0] & 0xff) << 8;
    if (t->traced && ptrace_at_exit(t, status, false)) return -LX_EPARK;
    exit_task(t, status);
    return 0;
}

int64_t sys_exit_group(struct task *t, const uint64_t a[6])
{
    int status = (int)(a[0] & 0xff) << 8;
    if (t->traced && ptrace_at_exit(t, status, false)) return -LX_EPARK;
    exit_group(t->proc, status);
    return 0;
}
