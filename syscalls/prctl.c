// prctl, arch_prctl, personality: settings of the calling thread or process.
#include "syscalls/kernel.h"
#include <string.h>

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
    case LX_PR_SET_TIMERSLACK:
        return 0; // every timer here is as sharp as the slices
    case LX_PR_GET_TIMERSLACK:
        return 50000;
    case LX_PR_SET_CHILD_SUBREAPER:
        return p->subreaper = !!a[1], 0;
    case LX_PR_GET_CHILD_SUBREAPER:
        return put_int(t, a[1], p->subreaper);
    case LX_PR_SET_NO_NEW_PRIVS:
        return a[2] | a[3] | a[4] ? -LX_EINVAL : set_bool(&p->no_new_privs, a[1], true);
    case LX_PR_GET_NO_NEW_PRIVS:
        return p->no_new_privs;
    case LX_PR_CAP_AMBIENT:
        return ambient(t, a[1], a[2]);
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
