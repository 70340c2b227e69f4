// Resource limits and scheduling parameters of processes. The scheduler gives every thread the same turn; priorities
// are kept and reported.
#include "syscalls/kernel.h"
#include <string.h>

// ---------------------------------------------------------------- limits

static int set_limit(struct task *t, struct process *p, unsigned which, const struct lx_rlimit64 *new)
{
    struct lx_rlimit64 *r = &p->rlimit[which];
    if (new->rlim_cur > new->rlim_max) return -LX_EINVAL;
    bool any = cred_has_cap(&t->proc->cred, LX_CAP_SYS_RESOURCE);
    if (new->rlim_max > r->rlim_max && !any) return -LX_EPERM;
    if (which == LX_RLIMIT_NOFILE && new->rlim_max > 1 << 20) return -LX_EPERM; // fs.nr_open
    *r = *new;
    return 0;
}

// One may look at and change limits of processes with all the same ids (kernel/sys.c, check_prlimit_permission).
static bool may_limit(const struct cred *me, const struct cred *c)
{
    bool same = me->uid == c->uid && me->uid == c->euid && me->uid == c->suid && me->gid == c->gid &&
                me->gid == c->egid && me->gid == c->sgid;
    return same || cred_has_cap(me, LX_CAP_SYS_RESOURCE);
}

int64_t sys_prlimit64(struct task *t, const uint64_t a[6])
{
    struct lx_rlimit64 new, old;
    if ((uint32_t)a[1] >= LX_RLIM_NLIMITS) return -LX_EINVAL;
    unsigned which = (unsigned)a[1];
    int err = a[2] ? copy_from_user(t, &new, a[2], sizeof new) : 0;
    if (err) return err;
    struct task *u = (int)a[0] ? task_find(t->box, (int)a[0]) : t;
    if (!u) return -LX_ESRCH;
    if (u->proc != t->proc && !may_limit(&t->proc->cred, &u->proc->cred)) return -LX_EPERM;
    old = u->proc->rlimit[which];
    if (a[3] && (err = copy_to_user(t, a[3], &old, sizeof old))) return err;
    return a[2] ? set_limit(t, u->proc, which, &new) : 0;
}

int64_t sys_getrlimit(struct task *t, const uint64_t a[6])
{
    if ((uint32_t)a[0] >= LX_RLIM_NLIMITS) return -LX_EINVAL;
    struct lx_rlimit64 r = t->proc->rlimit[(uint32_t)a[0]];
    return copy_to_user(t, a[1], &r, sizeof r);
}

int64_t sys_setrlimit(struct task *t, const uint64_t a[6])
{
    struct lx_rlimit64 r;
    int err = copy_from_user(t, &r, a[1], sizeof r);
    if (err) return err;
    return (uint32_t)a[0] < LX_RLIM_NLIMITS ? set_limit(t, t->proc, (uint32_t)a[0], &r) : -LX_EINVAL;
}

// ---------------------------------------------------------------- nice

enum { NICE_MIN = -20, NICE_MAX = 19 };

static bool in_set(const struct task *t, const struct process *p, int which, int who)
{
    if (!p->ntasks) return false;
    if (which == LX_PRIO_PROCESS) return who ? p->pid == who : p == t->proc;
    if (which == LX_PRIO_PGRP) return p->pgid == (who ? who : t->proc->pgid);
    return p->cred.uid == (who ? (uint32_t)who : t->proc->cred.uid);
}

int64_t sys_getpriority(struct task *t, const uint64_t a[6])
{
    int best = NICE_MAX + 1;
    if (a[0] > LX_PRIO_USER) return -LX_EINVAL;
    for (struct process *p = t->box->processes; p; p = p->next)
        if (in_set(t, p, (int)a[0], (int)a[1]) && p->nice < best) best = p->nice;
    return best > NICE_MAX ? -LX_ESRCH : 20 - best;
}

static int renice(struct task *t, struct process *p, int nice)
{
    const struct cred *me = &t->proc->cred;
    bool any = cred_has_cap(me, LX_CAP_SYS_NICE);
    if (!any && p->cred.uid != me->euid && p->cred.euid != me->euid) return -LX_EPERM;
    uint64_t floor = 20 - p->rlimit[LX_RLIMIT_NICE].rlim_cur;
    if (!any && nice < p->nice && (int64_t)nice < (int64_t)floor) return -LX_EACCES;
    p->nice = nice;
    return 0;
}

int64_t sys_setpriority(struct task *t, const uint64_t a[6])
{
    int nice = (int)a[2], err = -LX_ESRCH;
    if (a[0] > LX_PRIO_USER) return -LX_EINVAL;
    if (nice < NICE_MIN) nice = NICE_MIN;
    if (nice > NICE_MAX) nice = NICE_MAX;
    for (struct process *p = t->box->processes; p; p = p->next) {
        if (!in_set(t, p, (int)a[0], (int)a[1])) continue;
        int one = renice(t, p, nice);
        if (err == -LX_ESRCH || one) err = one;
    }
    return err;
}

// ---------------------------------------------------------------- sched_*

int64_t sys_sched_yield(struct task *t, const uint64_t a[6])
{
    (void)a;
    t->cpu.budget = 0; // the slice is over
    return 0;
}

static struct task *named(struct task *t, uint64_t tid)
{
    return (int)tid ? task_find(t->box, (int)tid) : t;
}

static bool is_reaper(const struct task *t, uint64_t tid)
{
    return t->box->reaper && (int)tid == t->box->reaper->pid;
} // has no task: the defaults

int64_t sys_sched_getaffinity(struct task *t, const uint64_t a[6])
{
    uint64_t mask = 1;
    if (a[1] < 8 || a[1] & 7) return -LX_EINVAL;
    if (!named(t, a[0]) && !is_reaper(t, a[0])) return -LX_ESRCH;
    int err = copy_to_user(t, a[2], &mask, 8);
    return err ? err : 8;
}

int64_t sys_sched_setaffinity(struct task *t, const uint64_t a[6])
{
    uint64_t mask = 0;
    int err = copy_from_user(t, &mask, a[2], a[1] < 8 ? a[1] : 8);
    if (err) return err;
    if (!named(t, a[0])) return -LX_ESRCH;
    return mask & 1 ? 0 : -LX_EINVAL;
}

static bool realtime(int policy)
{
    return policy == LX_SCHED_FIFO || policy == LX_SCHED_RR;
}

static int priority_range(uint64_t policy, int if_realtime)
{
    int p = (int)policy;
    if (realtime(p)) return if_realtime;
    return p == LX_SCHED_OTHER || p == LX_SCHED_BATCH || p == LX_SCHED_IDLE || p == 6 ? 0
                                                                                      : -LX_EINVAL; // 6: SCHED_DEADLINE
}

int64_t sys_sched_get_priority_max(struct task *t, const uint64_t a[6])
{
    return (void)t, priority_range(a[0], 99);
}
int64_t sys_sched_get_priority_min(struct task *t, const uint64_t a[6])
{
    return (void)t, priority_range(a[0], 1);
}

enum { RESET_ON_FORK_POLICY = 0x40000000 }; // SCHED_RESET_ON_FORK, beside a policy

static int set_policy(struct task *t, uint64_t tid, int policy, gaddr param, bool keep)
{
    int32_t priority;
    if (!param || (int)tid < 0) return -LX_EINVAL;
    int err = copy_from_user(t, &priority, param, sizeof priority);
    if (err) return err;
    struct task *u = named(t, tid);
    if (!u) return -LX_ESRCH;
    bool reset = keep ? u->attrs.reset_on_fork : policy & RESET_ON_FORK_POLICY;
    policy = keep ? u->attrs.policy : policy & ~RESET_ON_FORK_POLICY;
    if (policy != LX_SCHED_OTHER && policy != LX_SCHED_BATCH && policy != LX_SCHED_IDLE && !realtime(policy))
        return -LX_EINVAL;
    if (realtime(policy) ? priority < 1 || priority > 99 : priority != 0) return -LX_EINVAL;
    bool any = cred_has_cap(&t->proc->cred, LX_CAP_SYS_NICE);
    if (!any && realtime(policy) && (uint64_t)priority > u->proc->rlimit[LX_RLIMIT_RTPRIO].rlim_cur) return -LX_EPERM;
    u->attrs.policy = policy;
    u->attrs.rt_priority = priority;
    u->attrs.reset_on_fork = reset;
    return 0;
}

int64_t sys_sched_setscheduler(struct task *t, const uint64_t a[6])
{
    return (int)a[1] < 0 ? -LX_EINVAL : set_policy(t, a[0], (int)a[1], a[2], false);
}
int64_t sys_sched_setparam(struct task *t, const uint64_t a[6])
{
    return set_policy(t, a[0], 0, a[1], true);
}

int64_t sys_sched_getscheduler(struct task *t, const uint64_t a[6])
{
    struct task *u = named(t, a[0]);
    if ((int)a[0] < 0) return -LX_EINVAL;
    if (is_reaper(t, a[0])) return LX_SCHED_OTHER;
    return u ? u->attrs.policy | (u->attrs.reset_on_fork ? RESET_ON_FORK_POLICY : 0) : -LX_ESRCH;
}

int64_t sys_sched_getparam(struct task *t, const uint64_t a[6])
{
    struct task *u = named(t, a[0]);
    if ((int)a[0] < 0 || !a[1]) return -LX_EINVAL;
    if (!u && !is_reaper(t, a[0])) return -LX_ESRCH;
    int32_t priority = u ? u->attrs.rt_priority : 0;
    return copy_to_user(t, a[1], &priority, sizeof priority);
}

int64_t sys_sched_rr_get_interval(struct task *t, const uint64_t a[6])
{
    struct task *u = named(t, a[0]);
    if ((int)a[0] < 0) return -LX_EINVAL;
    if (!u) return -LX_ESRCH;
    struct lx_timespec ts = {0, u->attrs.policy == LX_SCHED_FIFO ? 0 : 100000000};
    return copy_to_user(t, a[1], &ts, sizeof ts);
}

enum { RESET_ON_FORK = 1, KEEP_POLICY = 8, KEEP_PARAMS = 16, UTIL_CLAMP = 0x60, KNOWN_ATTR_FLAGS = 0x7f, DEADLINE = 6 };

int64_t sys_sched_getattr(struct task *t, const uint64_t a[6])
{
    struct task *u = named(t, a[0]);
    if (!a[1] || a[2] < 48 || a[2] > LX_PAGE_SIZE || a[3]) return -LX_EINVAL;
    if (!u) return -LX_ESRCH;
    struct lx_sched_attr attr = {.size = a[2] < sizeof attr ? 48 : sizeof attr,
                                 .sched_policy = (uint32_t)u->attrs.policy,
                                 .sched_flags = u->attrs.reset_on_fork ? RESET_ON_FORK : 0,
                                 .sched_nice = u->proc->nice,
                                 .sched_priority = (uint32_t)u->attrs.rt_priority,
                                 .util_max = 1024};
    return copy_to_user(t, a[1], &attr, attr.size);
}

// sched_copy_attr: a newer program's struct must have zeros where we know nothing; too small or large a one tells how
// much we know.
static int get_attr(struct task *t, gaddr at, struct lx_sched_attr *attr)
{
    enum { VER0 = 48 };
    uint32_t size, ours = sizeof *attr;
    int err = copy_from_user(t, &size, at, sizeof size);
    if (err) return err;
    if (!size) size = VER0;
    bool fits = size >= VER0 && size <= LX_PAGE_SIZE;
    *attr = (struct lx_sched_attr){0};
    if (fits && (err = copy_from_user(t, attr, at, size < ours ? size : ours))) return err;
    for (uint32_t i = ours; fits && i < size; i++) {
        char byte;
        if ((err = copy_from_user(t, &byte, at + i, 1))) return err;
        if (byte) fits = false;
    }
    if (!fits) return (err = copy_to_user(t, at, &ours, sizeof ours)) ? err : -LX_E2BIG;
    attr->size = size;
    if (attr->sched_nice < NICE_MIN) attr->sched_nice = NICE_MIN;
    if (attr->sched_nice > NICE_MAX) attr->sched_nice = NICE_MAX;
    return 0;
}

static bool valid_policy(int policy)
{
    return policy == LX_SCHED_OTHER || policy == LX_SCHED_BATCH || policy == LX_SCHED_IDLE || policy == DEADLINE ||
           realtime(policy);
}

// user_check_sched_setscheduler.
static int may_schedule(struct task *t, struct task *u, const struct lx_sched_attr *a)
{
    const struct cred *me = &t->proc->cred, *c = &u->proc->cred;
    const struct lx_rlimit64 *r = u->proc->rlimit;
    if (cred_has_cap(me, LX_CAP_SYS_NICE)) return 0;
    int policy = (int)a->sched_policy;
    bool fair = policy == LX_SCHED_OTHER || policy == LX_SCHED_BATCH;
    bool nicer = fair && a->sched_nice < u->proc->nice && (uint64_t)(20 - a->sched_nice) > r[LX_RLIMIT_NICE].rlim_cur;
    bool more = realtime(policy) && a->sched_priority > r[LX_RLIMIT_RTPRIO].rlim_cur;
    return nicer || more || policy == DEADLINE || (me->euid != c->euid && me->euid != c->uid) ? -LX_EPERM : 0;
}

int64_t sys_sched_setattr(struct task *t, const uint64_t a[6])
{
    struct lx_sched_attr attr;
    if (!a[1] || (int)a[0] < 0 || (uint32_t)a[2]) return -LX_EINVAL;
    int err = get_attr(t, a[1], &attr);
    if (err) return err;
    if (attr.sched_flags & UTIL_CLAMP && attr.size < sizeof attr) return -LX_EINVAL;
    if ((int)attr.sched_policy < 0) return -LX_EINVAL;
    struct task *u = named(t, a[0]);
    if (!u) return -LX_ESRCH;
    if (attr.sched_flags & (KEEP_POLICY | KEEP_PARAMS)) attr.sched_policy = (uint32_t)u->attrs.policy;
    if (attr.sched_flags & KEEP_PARAMS) {
        attr.sched_priority = (uint32_t)u->attrs.rt_priority;
        attr.sched_nice = u->proc->nice;
    }
    int policy = (int)attr.sched_policy;
    if (!valid_policy(policy) || attr.sched_flags & ~(uint64_t)KNOWN_ATTR_FLAGS) return -LX_EINVAL;
    if (attr.sched_priority > 99 || realtime(policy) != (attr.sched_priority != 0)) return -LX_EINVAL;
    if (policy == DEADLINE && (!attr.sched_runtime || attr.sched_runtime > attr.sched_deadline)) return -LX_EINVAL;
    if ((err = may_schedule(t, u, &attr))) return err;
    if (attr.sched_flags & UTIL_CLAMP) return -LX_EOPNOTSUPP; // as without CONFIG_UCLAMP_TASK
    if (policy == DEADLINE) return -LX_EBUSY;
    u->attrs.policy = policy;
    u->attrs.rt_priority = (int)attr.sched_priority;
    u->attrs.reset_on_fork = attr.sched_flags & RESET_ON_FORK;
    if (!realtime(policy) && policy != LX_SCHED_IDLE) u->proc->nice = attr.sched_nice;
    return 0;
}
