// I/O priorities (ioprio_set(2), block/ioprio.c): kept and told; every request is served in order.
#include "syscalls/kernel.h"

enum { WHO_PROCESS = 1, WHO_PGRP, WHO_USER };
enum { CLASS_NONE, CLASS_RT, CLASS_BE, CLASS_IDLE };
enum { CLASS_SHIFT = 13, CLASS_MASK = 7, LEVEL_MASK = 7 };

static bool is_one(const struct task *t, const struct task *u, int which, int who)
{
    if (which == WHO_PROCESS) return who ? u->tid == who : u == t;
    if (which == WHO_PGRP) return u->proc->pgid == (who ? who : t->proc->pgid);
    return u->proc->cred.uid == (who ? (uint32_t)who : t->proc->cred.uid);
}

// The first of those that are meant, behind `after`; NULL: none.
static struct task *next_one(struct task *t, const struct task *after, const uint64_t a[6])
{
    struct process *p = after ? after->proc : t->box->processes;
    struct task *u = after ? after->next_in_proc : p ? p->tasks : NULL;
    for (;;) {
        for (; u; u = u->next_in_proc)
            if (is_one(t, u, (int)a[0], (int)a[1])) return u;
        p = p ? p->next : NULL;
        if (!p) return NULL;
        u = p->tasks;
    }
}

static int check(const struct cred *me, int prio)
{
    int class = prio >> CLASS_SHIFT & CLASS_MASK;
    bool may = cred_has_cap(me, LX_CAP_SYS_NICE) || cred_has_cap(me, LX_CAP_SYS_ADMIN);
    if (class == CLASS_RT && !may) return -LX_EPERM;
    if (class == CLASS_NONE && prio & LEVEL_MASK) return -LX_EINVAL;
    return class > CLASS_IDLE ? -LX_EINVAL : 0;
}

int64_t sys_ioprio_set(struct task *t, const uint64_t a[6])
{
    const struct cred *me = &t->proc->cred;
    int err = check(me, (int)a[2]), result = -LX_ESRCH;
    if (err) return err;
    if ((int)a[0] < WHO_PROCESS || (int)a[0] > WHO_USER) return -LX_EINVAL;
    for (struct task *u = NULL; (u = next_one(t, u, a));) {
        uint32_t owner = u->proc->cred.uid;
        if (owner != me->euid && owner != me->uid && !cred_has_cap(me, LX_CAP_SYS_NICE)) return -LX_EPERM;
        u->attrs.ioprio = (uint16_t)a[2];
        result = 0;
    }
    return result;
}

// Without one of its own a thread has what goes with its policy and nice value (task_nice_ioclass).
static int effective(const struct task *u)
{
    int policy = u->attrs.policy, class = CLASS_BE;
    if (u->attrs.ioprio >> CLASS_SHIFT) return u->attrs.ioprio;
    if (policy == LX_SCHED_IDLE) class = CLASS_IDLE;
    if (policy == LX_SCHED_FIFO || policy == LX_SCHED_RR) class = CLASS_RT;
    return class << CLASS_SHIFT | (u->proc->nice + 20) / 5;
}

int64_t sys_ioprio_get(struct task *t, const uint64_t a[6])
{
    int best = -LX_ESRCH;
    if ((int)a[0] < WHO_PROCESS || (int)a[0] > WHO_USER) return -LX_EINVAL;
    for (struct task *u = NULL; (u = next_one(t, u, a));) {
        int prio = (int)a[0] == WHO_PROCESS ? u->attrs.ioprio : effective(u);
        if (best < 0 || prio < best) best = prio;
    }
    return best;
}
