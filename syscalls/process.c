// Processes: how one is made and found, process groups and sessions, identity calls.
//
// A process is freed when it has been reaped (process_unlink). pid 1, the reaper, is a process without tasks: it stands
// where init stands on a real machine, so that orphans have a parent and do not remain as zombies. The program that
// belljar was asked to run is pid 2.
#include "syscalls/ptrace.h"
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- making

static void link_process(struct box *box, struct process *p)
{
    struct process **at = &box->processes;
    while (*at) at = &(*at)->next;
    *at = p;
}

void process_add_child(struct process *parent, struct process *child)
{
    struct process **at = &parent->children;
    while (*at) at = &(*at)->sibling;
    child->parent = parent;
    child->parent_tid = parent->tasks ? parent->tasks->tid : parent->pid;
    child->sibling = NULL;
    *at = child;
}

static void default_limits(struct process *p)
{
    static const struct lx_rlimit64 limits[LX_RLIM_NLIMITS] = {
        [LX_RLIMIT_CPU] = {LX_RLIM_INFINITY, LX_RLIM_INFINITY},
        [LX_RLIMIT_FSIZE] = {LX_RLIM_INFINITY, LX_RLIM_INFINITY},
        [LX_RLIMIT_DATA] = {LX_RLIM_INFINITY, LX_RLIM_INFINITY},
        [LX_RLIMIT_STACK] = {8 << 20, LX_RLIM_INFINITY},
        [LX_RLIMIT_CORE] = {0, LX_RLIM_INFINITY},
        [LX_RLIMIT_RSS] = {LX_RLIM_INFINITY, LX_RLIM_INFINITY},
        [LX_RLIMIT_NPROC] = {15000, 15000},
        [LX_RLIMIT_NOFILE] = {1024, 1 << 20},
        [LX_RLIMIT_MEMLOCK] = {8 << 20, 8 << 20},
        [LX_RLIMIT_AS] = {LX_RLIM_INFINITY, LX_RLIM_INFINITY},
        [LX_RLIMIT_LOCKS] = {LX_RLIM_INFINITY, LX_RLIM_INFINITY},
        [LX_RLIMIT_SIGPENDING] = {15000, 15000},
        [LX_RLIMIT_MSGQUEUE] = {819200, 819200},
        [LX_RLIMIT_RTTIME] = {LX_RLIM_INFINITY, LX_RLIM_INFINITY},
    };
    memcpy(p->rlimit, limits, sizeof p->rlimit);
    unsigned files = p->box->limits.files;
    if (files) p->rlimit[LX_RLIMIT_NOFILE] = (struct lx_rlimit64){files < 1024 ? files : 1024, files};
}

static struct process *process_alloc(struct box *box)
{
    struct process *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->box = box;
    p->pending = (struct sigpending){.vfs = box->vfs, .last = &p->pending.first};
    p->alarm.fire = itimer_alarm_fired;
    p->exit_signal = LX_SIGCHLD;
    p->dumpable = 1;
    p->start_ns = box_monotonic(box);
    return p;
}

struct process *process_new(struct process *parent)
{
    struct process *p = process_alloc(parent->box);
    if (!p) return NULL;
    p->pgid = parent->pgid;
    p->sid = parent->sid;
    p->ctty = parent->ctty;
    link_process(p->box, p);
    process_add_child(parent, p);
    return p;
}

static struct process *new_reaper(struct box *box)
{
    struct process *p = process_alloc(box);
    if (!p) return NULL;
    p->pid = p->pgid = p->sid = 1;
    cred_init(&p->cred, 0, 0);
    default_limits(p);
    link_process(box, p);
    box->next_pid = 1;
    return p;
}

struct task *process_new_init(struct box *box)
{
    box->reaper = new_reaper(box);
    if (!box->reaper) return NULL;
    struct process *p = process_new(box->reaper);
    if (!p) return NULL;
    struct task *t = task_new(p, NULL);
    p->sighand = sighand_new(NULL);
    if (!t || !p->sighand) return NULL;
    p->pgid = p->sid = p->pid;
    p->umask = 022;
    cred_init(&p->cred, 0, 0);
    default_limits(p);
    box->init = p;
    return t;
}

// ---------------------------------------------------------------- leaving

static void remove_from(struct process **at, struct process *p, size_t link)
{
    while (*at && *at != p) at = (struct process **)((char *)*at + link);
    if (*at) *at = *(struct process **)((char *)p + link);
}

void process_unlink(struct process *p)
{
    struct box *box = p->box;
    remove_from(&box->processes, p, offsetof(struct process, next));
    if (p->parent) remove_from(&p->parent->children, p, offsetof(struct process, sibling));
    waitq_dismiss(&p->exit_wait);
    waitq_dismiss(&p->child_wait);
    signals_flush(&p->pending);
    while (p->tracees) ptrace_forget(p->tracees);
    if (p->state == PROC_ZOMBIE) box->nzombies--;
    if (box->init == p) box->init = NULL;
    if (box->reaper == p) box->reaper = NULL;
    free(p);
}

static struct process *any_alive(struct box *box)
{
    for (struct process *p = box->processes; p; p = p->next)
        if (p->ntasks) return p;
    return NULL;
}

static struct process *youngest(struct box *box)
{ // parents come before their children in the list
    struct process *p = box->processes;
    while (p && p->next) p = p->next;
    return p;
}

void processes_free(struct box *box)
{
    box->dying = true;
    for (struct process *p; (p = any_alive(box));) exit_group(p, LX_SIGKILL);
    sockets_flush(box);
    for (struct process *p; (p = youngest(box));) process_unlink(p);
    tasks_reap(box);
    futexes_free(box);
}

// ---------------------------------------------------------------- finding

struct process *process_find(struct box *box, int pid)
{
    for (struct process *p = box->processes; p; p = p->next)
        if (p->pid == pid) return p;
    return NULL;
}

struct task *task_find(struct box *box, int tid)
{
    for (struct process *p = box->processes; p; p = p->next)
        for (struct task *t = p->tasks; t; t = t->next_in_proc)
            if (t->tid == tid) return t;
    return NULL;
}

static bool group_in_session(struct box *box, int pgid, int sid)
{
    for (struct process *p = box->processes; p; p = p->next)
        if (p->pgid == pgid && p->sid == sid) return true;
    return false;
}

// No member has a parent in another group of the same session (POSIX: nobody there can continue it when it stops).
bool process_orphaned_group(struct box *box, int pgid)
{
    for (struct process *p = box->processes; p; p = p->next) {
        if (p->pgid != pgid || p->state != PROC_ALIVE || !p->parent || p->parent == box->reaper) continue;
        if (p->parent->pgid != pgid && p->parent->sid == p->sid) return false;
    }
    return true;
}

// ---------------------------------------------------------------- system calls

int64_t sys_getpid(struct task *t, const uint64_t a[6])
{
    (void)a;
    return t->proc->pid;
}

int64_t sys_gettid(struct task *t, const uint64_t a[6])
{
    (void)a;
    return t->tid;
}

int64_t sys_getppid(struct task *t, const uint64_t a[6])
{
    (void)a;
    return t->proc->parent->pid;
}

static struct process *self_or_find(struct task *t, uint64_t pid)
{
    return (int)pid == 0 ? t->proc : process_find(t->box, (int)pid);
}

// setpgid(2)'s errors in the kernel's order (kernel/sys.c).
int64_t sys_setpgid(struct task *t, const uint64_t a[6])
{
    struct process *self = t->proc, *p = self_or_find(t, a[0]);
    if ((int)a[1] < 0) return -LX_EINVAL;
    if (!p || (p != self && p->parent != self)) return -LX_ESRCH;
    int pgid = (int)a[1] ? (int)a[1] : p->pid;
    if (p != self && p->sid != self->sid) return -LX_EPERM;
    if (p != self && p->did_exec) return -LX_EACCES;
    if (p->sid == p->pid) return -LX_EPERM;
    if (pgid != p->pid && !group_in_session(t->box, pgid, self->sid)) return -LX_EPERM;
    p->pgid = pgid;
    return 0;
}

int64_t sys_getpgid(struct task *t, const uint64_t a[6])
{
    struct process *p = self_or_find(t, a[0]);
    return p ? p->pgid : -LX_ESRCH;
}

int64_t sys_getpgrp(struct task *t, const uint64_t a[6])
{
    (void)a;
    return t->proc->pgid;
}

int64_t sys_getsid(struct task *t, const uint64_t a[6])
{
    struct process *p = self_or_find(t, a[0]);
    return p ? p->sid : -LX_ESRCH;
}

int64_t sys_setsid(struct task *t, const uint64_t a[6])
{
    (void)a;
    struct process *p = t->proc;
    for (struct process *q = t->box->processes; q; q = q->next)
        if (q->pgid == p->pid) return -LX_EPERM;
    p->sid = p->pgid = p->pid;
    p->ctty = NULL;
    return p->sid;
}

int64_t sys_umask(struct task *t, const uint64_t a[6])
{
    uint32_t old = t->proc->umask;
    t->proc->umask = a[0] & 0777;
    process_fs_changed(t->proc);
    return old;
}
