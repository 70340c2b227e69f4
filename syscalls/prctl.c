// prctl, arch_prctl, personality: settings of the calling thread or process.
#include "syscalls/kernel.h"
#include "syscalls/mm.h"
#include <string.h>

enum { // include/uapi/linux/prctl.h: those nothing else needs
    PR_GET_TIMING = 13,
    PR_SET_TIMING = 14,
    PR_GET_TSC = 25,
    PR_SET_TSC = 26,
    PR_TASK_PERF_EVENTS_DISABLE = 31,
    PR_TASK_PERF_EVENTS_ENABLE = 32,
    PR_MCE_KILL = 33,
    PR_MCE_KILL_GET = 34,
    PR_SET_MM = 35,
    PR_GET_TID_ADDRESS = 40,
    PR_SET_THP_DISABLE = 41,
    PR_GET_THP_DISABLE = 42,
    PR_GET_SPECULATION_CTRL = 52,
    PR_SET_SPECULATION_CTRL = 53,
    DEFAULT_SLACK_NS = 50000
};

static int64_t put_int(struct task *t, gaddr at, int32_t value)
{
    return copy_to_user(t, at, &value, sizeof value);
}

static int64_t set_name(struct task *t, gaddr at)
{
    char name[16];
    int64_t n = strncpy_from_user(t, name, at, sizeof name);
    if (n < 0 && n != -LX_ENAMETOOLONG) return n;
    name[15] = 0;
    memset(t->comm, 0, sizeof t->comm);
    strcpy(t->comm, name);
    return 0;
}

static int64_t capability_set(struct task *t, uint64_t cap, bool drop)
{
    struct cred *c = &t->proc->cred;
    if (cap > LX_CAP_LAST_CAP) return -LX_EINVAL;
    if (!drop) return c->caps_bounding >> cap & 1;
    if (!cred_has_cap(c, LX_CAP_SETPCAP)) return -LX_EPERM;
    c->caps_bounding &= ~(1ull << cap);
    return 0;
}

static int64_t ambient(struct task *t, uint64_t op, uint64_t cap)
{
    enum { IS_SET = 1, RAISE, LOWER, CLEAR_ALL };
    struct cred *c = &t->proc->cred;
    uint64_t bit = cap <= LX_CAP_LAST_CAP ? 1ull << cap : 0;
    if (op == CLEAR_ALL) return c->caps_ambient = 0;
    if (!bit || op < IS_SET || op > LOWER) return -LX_EINVAL;
    if (op == IS_SET) return !!(c->caps_ambient & bit);
    if (op == RAISE && !(c->caps_permitted & c->caps_inheritable & bit)) return -LX_EPERM;
    if (op == RAISE)
        c->caps_ambient |= bit;
    else
        c->caps_ambient &= ~bit;
    return 0;
}

static int64_t set_pdeathsig(struct process *p, uint64_t sig)
{
    if (sig > NSIG) return -LX_EINVAL;
    p->pdeathsig = (int)sig;
    return 0;
}

static int64_t set_bool(int *where, uint64_t value, bool only_on)
{
    if (value > 1 || (only_on && !value)) return -LX_EINVAL;
    *where = (int)value;
    return 0;
}

static bool whole_range_mapped(const struct mm *mm, uint64_t start, uint64_t end)
{
    start = mem_low(mm->mem, start);
    end = mem_low(mm->mem, end - 1) + 1;
    if (end > MEM_TOP) return false;
    for (uint64_t page = start >> PAGE_SHIFT; page < end >> PAGE_SHIFT;) {
        const struct vma *v = vma_at(mm, (uint32_t)page);
        if (!v) return false;
        page = v->end;
    }
    return true;
}

// Names for anonymous memory are for people who read /proc/PID/maps: checked as Linux does (prctl_set_vma) and
// forgotten.
static int64_t set_vma(struct task *t, const uint64_t a[6])
{
    enum { ANON_NAME = 0, NAME_MAX_LEN = 80 };
    char name[NAME_MAX_LEN];
    if (a[1] != ANON_NAME) return -LX_EINVAL;
    if (a[4]) {
        int64_t n = strncpy_from_user(t, name, a[4], sizeof name);
        if (n < 0) return n == -LX_ENAMETOOLONG ? -LX_EINVAL : n;
        for (const char *c = name; *c; c++)
            if (*c < ' ' || *c > '~' || strchr("\\`$[]", *c)) return -LX_EINVAL;
    }
    uint64_t end = (a[2] + a[3] + LX_PAGE_SIZE - 1) & ~(uint64_t)(LX_PAGE_SIZE - 1);
    if (a[2] & (LX_PAGE_SIZE - 1) || end < a[2]) return -LX_EINVAL;
    return end == a[2] || whole_range_mapped(t->proc->mm, a[2], end) ? 0 : -LX_ENOMEM;
}

// Nobody may move the borders of a program's memory: as without CAP_SYS_RESOURCE.
static int64_t set_mm(const uint64_t a[6])
{
    enum { AUXV = 12, MAP = 14, MAP_SIZE = 15 };
    bool four = a[1] == AUXV || a[1] == MAP || a[1] == MAP_SIZE;
    return a[4] || (a[3] && !four) ? -LX_EINVAL : -LX_EPERM;
}

// No mitigation is needed: the guest's speculation is nobody's but its own.
static int64_t get_speculation(const uint64_t a[6])
{
    if (a[2] | a[3] | a[4]) return -LX_EINVAL;
    return a[1] > 2 ? -LX_ENODEV : 0;
}

static int64_t set_speculation(const uint64_t a[6])
{
    if (a[3] | a[4]) return -LX_EINVAL;
    return a[1] > 2 ? -LX_ENODEV : -LX_ENXIO;
}

static int64_t thp(struct process *p, const uint64_t a[6])
{
    bool get = (int)a[0] == PR_GET_THP_DISABLE;
    if (a[2] | a[3] | a[4] || (get && a[1])) return -LX_EINVAL;
    if (get) return p->thp_disabled;
    p->thp_disabled = !!a[1]; // there are no huge pages to go without
    return 0;
}

static int64_t mce_kill(const uint64_t a[6])
{
    enum { CLEAR = 0, SET = 1, LATE = 0, EARLY = 1, DEFAULT = 2 };
    if (a[3] | a[4]) return -LX_EINVAL;
    if (a[1] == CLEAR) return a[2] ? -LX_EINVAL : 0;
    return a[1] == SET && a[2] <= DEFAULT ? 0 : -LX_EINVAL;
}

static int64_t prctl_thread(struct task *t, const uint64_t a[6]);

int64_t sys_prctl(struct task *t, const uint64_t a[6])
{
    struct process *p = t->proc;
    switch ((int)a[0]) {
    case LX_PR_SET_PDEATHSIG:
        return set_pdeathsig(p, a[1]);
    case LX_PR_GET_PDEATHSIG:
        return put_int(t, a[1], p->pdeathsig);
    case LX_PR_GET_DUMPABLE:
        return p->dumpable;
    case LX_PR_SET_DUMPABLE:
        return set_bool(&p->dumpable, a[1], false);
    case LX_PR_GET_KEEPCAPS:
        return p->keep_caps;
    case LX_PR_SET_KEEPCAPS:
        return set_bool(&p->keep_caps, a[1], false);
    case LX_PR_SET_NAME:
        return set_name(t, a[1]);
    case LX_PR_GET_NAME:
        return copy_to_user(t, a[1], t->comm, sizeof t->comm);
    case LX_PR_GET_SECCOMP:
        return 0;
    case LX_PR_CAPBSET_READ:
        return capability_set(t, a[1], false);
    case LX_PR_CAPBSET_DROP:
        return capability_set(t, a[1], true);
    case LX_PR_GET_SECUREBITS:
        return 0;
    case LX_PR_SET_CHILD_SUBREAPER:
        return p->subreaper = !!a[1], 0;
    case LX_PR_GET_CHILD_SUBREAPER:
        return put_int(t, a[1], p->subreaper);
    case LX_PR_SET_NO_NEW_PRIVS:
        return a[2] | a[3] | a[4] ? -LX_EINVAL : set_bool(&p->no_new_privs, a[1], true);
    case LX_PR_GET_NO_NEW_PRIVS:
        return a[1] | a[2] | a[3] | a[4] ? -LX_EINVAL : p->no_new_privs;
    case LX_PR_CAP_AMBIENT:
        return ambient(t, a[1], a[2]);
    case PR_SET_THP_DISABLE:
    case PR_GET_THP_DISABLE:
        return thp(p, a);
    default:
        return prctl_thread(t, a);
    }
}

// What concerns the thread, its CPU or its memory.
static int64_t prctl_thread(struct task *t, const uint64_t a[6])
{
    enum { TSC_ENABLE = 1, TIMING_STATISTICAL = 0, MCE_KILL_DEFAULT = 2 };
    switch ((int)a[0]) {
    case LX_PR_SET_TIMERSLACK: // remembered: every timer here is as sharp as the slices
        t->attrs.timer_slack = (int64_t)a[1] <= 0 ? 0 : a[1];
        return 0;
    case LX_PR_GET_TIMERSLACK:
        return t->attrs.timer_slack ? (int64_t)t->attrs.timer_slack : DEFAULT_SLACK_NS;
    case PR_GET_TIMING:
        return TIMING_STATISTICAL;
    case PR_SET_TIMING:
        return a[1] == TIMING_STATISTICAL ? 0 : -LX_EINVAL;
    case PR_GET_TSC:
        return put_int(t, a[1], TSC_ENABLE);
    case PR_SET_TSC:
        return a[1] == TSC_ENABLE ? 0 : -LX_EINVAL;
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
        return 0; // there are none
    case PR_MCE_KILL:
        return mce_kill(a);
    case PR_MCE_KILL_GET:
        return a[1] | a[2] | a[3] | a[4] ? -LX_EINVAL : MCE_KILL_DEFAULT;
    case PR_SET_MM:
        return set_mm(a);
    case PR_GET_TID_ADDRESS:
        return copy_to_user(t, a[1], &t->clear_child_tid, sizeof t->clear_child_tid);
    case PR_GET_SPECULATION_CTRL:
        return get_speculation(a);
    case PR_SET_SPECULATION_CTRL:
        return set_speculation(a);
    case LX_PR_SET_VMA:
        return set_vma(t, a);
    default:
        return -LX_EINVAL;
    }
}

int64_t sys_arch_prctl(struct task *t, const uint64_t a[6])
{
    uint64_t *base = t->cpu.seg_base;
    switch (a[0]) {
    case LX_ARCH_SET_FS:
    case LX_ARCH_SET_GS:
        if (a[1] >> 47) return -LX_EPERM;
        base[a[0] == LX_ARCH_SET_FS ? SEG_FS : SEG_GS] = a[1];
        return 0;
    case LX_ARCH_GET_FS:
        return copy_to_user(t, a[1], &base[SEG_FS], 8);
    case LX_ARCH_GET_GS:
        return copy_to_user(t, a[1], &base[SEG_GS], 8);
    default:
        return -LX_EINVAL;
    }
}

// Remembered and reported; only UNAME26 changes anything (addresses are never randomized anyway).
int64_t sys_personality(struct task *t, const uint64_t a[6])
{
    int old = t->proc->personality;
    if ((uint32_t)a[0] != 0xffffffff) t->proc->personality = (int)a[0];
    return old;
}
