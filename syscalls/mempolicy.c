// Memory policies of a machine with one node (mm/mempolicy.c, numa(7)): they are checked, kept and told, and make no
// difference.
#include "syscalls/mm.h"
#include <string.h>

enum { // mode and flags of the calls (include/uapi/linux/mempolicy.h)
    MPOL_DEFAULT = 0,
    MPOL_PREFERRED = 1,
    MPOL_INTERLEAVE = 3,
    MPOL_LOCAL = 4,
    MPOL_MAX = 6,
    MPOL_F_NUMA_BALANCING = 1 << 13,
    MPOL_F_RELATIVE = 1 << 14,
    MPOL_F_STATIC = 1 << 15,
    MPOL_MODE_FLAGS = MPOL_F_NUMA_BALANCING | MPOL_F_RELATIVE | MPOL_F_STATIC,
    MPOL_F_NODE = 1,
    MPOL_F_ADDR = 2,
    MPOL_F_MEMS_ALLOWED = 4,
    MPOL_MF_MOVE_ALL = 4,
    MPOL_MF_KNOWN = 7,
    MAX_NODE_BITS = LX_PAGE_SIZE * 8,
};

// The node mask given: bit 0 or nothing. -LX_EINVAL when it names nodes that are not there.
static int get_nodes(struct task *t, gaddr from, uint64_t maxnode, bool *node0)
{
    *node0 = false;
    if (!from || maxnode <= 1) return 0;
    uint64_t bits = maxnode - 1, word;
    if (bits > MAX_NODE_BITS) return -LX_EINVAL;
    for (uint64_t at = 0; at < bits; at += 64) {
        int err = copy_from_user(t, &word, from + at / 8, sizeof word);
        if (err) return err;
        if (bits - at < 64) word &= (1ull << (bits - at)) - 1;
        if (at ? word : word & ~1ull) return -LX_EINVAL;
        if (!at) *node0 = word & 1;
    }
    return 0;
}

// sanitize_mpol_flags, mpol_new: the mode alone, or -errno.
static int check_mode(uint64_t given, bool node0)
{
    uint32_t flags = (uint32_t)given & MPOL_MODE_FLAGS, mode = (uint32_t)given & ~(uint32_t)MPOL_MODE_FLAGS;
    if (mode >= MPOL_MAX || (flags & MPOL_F_STATIC && flags & MPOL_F_RELATIVE)) return -LX_EINVAL;
    if (flags & MPOL_F_NUMA_BALANCING && mode != 2) return -LX_EINVAL; // MPOL_BIND
    if (mode == MPOL_DEFAULT) return node0 || flags ? -LX_EINVAL : 0;
    if (mode == MPOL_LOCAL || (mode == MPOL_PREFERRED && !node0))
        return node0 || flags & (MPOL_F_STATIC | MPOL_F_RELATIVE) ? -LX_EINVAL : MPOL_LOCAL;
    return node0 ? (int)mode : -LX_EINVAL;
}

int64_t sys_set_mempolicy(struct task *t, const uint64_t a[6])
{
    bool node0;
    int err = get_nodes(t, a[1], a[2], &node0), mode = err ? err : check_mode(a[0], node0);
    if (mode < 0) return mode;
    t->attrs.mempolicy = (uint8_t)mode;
    return 0;
}

int64_t sys_mbind(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    uint32_t start, end;
    bool node0;
    int err = get_nodes(t, a[3], a[4], &node0), mode = err ? err : check_mode(a[2], node0);
    if (mode < 0) return mode;
    if ((uint32_t)a[5] & ~(uint32_t)MPOL_MF_KNOWN) return -LX_EINVAL;
    if (a[5] & MPOL_MF_MOVE_ALL && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_NICE)) return -LX_EPERM;
    if (a[0] + a[1] < a[0]) return -LX_EINVAL;
    err = mm_range(mm, a[0], a[1], &start, &end);
    if (err || start == end) return err == -LX_ENOMEM ? -LX_EFAULT : err;
    if (!mm_all_mapped(mm, start, end)) return -LX_EFAULT;
    if ((err = vma_isolate(mm, start, end))) return err;
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++)
        mm->vma[i]->policy = (uint8_t)mode;
    vma_merge_around(mm, start, end);
    return 0;
}

static int put_nodes(struct task *t, gaddr to, uint64_t maxnode, bool node0)
{
    uint64_t word = node0, bytes = (maxnode + 63) / 64 * 8;
    if (!to || !maxnode) return 0;
    int err = copy_to_user(t, to, &word, sizeof word);
    return err || bytes <= sizeof word ? err : clear_user(t, to + sizeof word, bytes - sizeof word);
}

// What MPOL_F_ADDR and MPOL_F_NODE ask: the mode, or a node. Negative: -errno.
static int asked_policy(struct task *t, gaddr addr, uint64_t flags)
{
    int mode = t->attrs.mempolicy;
    if (flags & MPOL_F_ADDR) {
        addr = mem_low(t->proc->mm->mem, addr);
        struct vma *v = addr < MEM_TOP ? vma_at(t->proc->mm, (uint32_t)(addr >> PAGE_SHIFT)) : NULL;
        if (!v) return -LX_EFAULT;
        if (flags & MPOL_F_NODE) return 0; // the page's node
        return v->policy ? v->policy : mode;
    }
    if (addr) return -LX_EINVAL;
    if (flags & MPOL_F_NODE) return mode == MPOL_INTERLEAVE ? 0 : -LX_EINVAL;
    return mode;
}

int64_t sys_get_mempolicy(struct task *t, const uint64_t a[6])
{
    uint64_t flags = a[4];
    if (flags & ~(uint64_t)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED)) return -LX_EINVAL;
    if (a[1] && (!a[2] || a[2] > MAX_NODE_BITS)) return -LX_EINVAL;
    bool allowed = flags & MPOL_F_MEMS_ALLOWED;
    if (allowed && flags & (MPOL_F_NODE | MPOL_F_ADDR)) return -LX_EINVAL;
    int mode = allowed ? 0 : asked_policy(t, a[3], flags);
    if (mode < 0) return mode;
    int32_t value = mode;
    int err = a[0] ? copy_to_user(t, a[0], &value, sizeof value) : 0;
    bool node0 = allowed || (mode != MPOL_DEFAULT && mode != MPOL_LOCAL);
    return err ? err : put_nodes(t, a[1], a[2], node0);
}

int64_t sys_set_mempolicy_home_node(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    if (a[0] & (PAGE_BYTES - 1) || a[3] || a[2] >= 1) return -LX_EINVAL;
    if (a[0] + a[1] < a[0] || mm_range(t->proc->mm, a[0], a[1], &start, &end)) return -LX_EINVAL;
    for (unsigned i = vma_index_from(t->proc->mm, start); i < t->proc->mm->nvma && start != end; i++) {
        const struct vma *v = t->proc->mm->vma[i];
        if (v->start >= end) break;
        if (v->policy != 2 && v->policy != 5) return v->policy ? -LX_EOPNOTSUPP : 0; // BIND, PREFERRED_MANY
    }
    return start == end ? 0 : mm_all_mapped(t->proc->mm, start, end) ? 0 : -LX_EFAULT;
}

// ---------------------------------------------------------------- moving what cannot move

static int find_process(struct task *t, int pid, struct process **out)
{
    const struct cred *c = &t->proc->cred;
    struct process *p = pid ? process_find(t->box, pid) : t->proc;
    if (!p || !p->mm) return -LX_ESRCH;
    bool same = c->euid == p->cred.suid || c->euid == p->cred.uid || c->uid == p->cred.suid || c->uid == p->cred.uid;
    *out = p;
    return p == t->proc || same || cred_has_cap(c, LX_CAP_SYS_PTRACE) ? 0 : -LX_EPERM;
}

int64_t sys_migrate_pages(struct task *t, const uint64_t a[6])
{
    bool from, to;
    struct process *p;
    int err = get_nodes(t, a[2], a[1], &from);
    if (!err) err = get_nodes(t, a[3], a[1], &to);
    if (!err) err = find_process(t, (int)a[0], &p);
    return err ? err : to ? 0 : -LX_EINVAL;
}

static int32_t page_status(const struct mm *mm, gaddr addr)
{
    addr = mem_low(mm->mem, addr);
    if (addr >= MEM_TOP || !vma_at(mm, (uint32_t)(addr >> PAGE_SHIFT))) return -LX_EFAULT;
    return mem_pte(mm->mem, (uint32_t)(addr >> PAGE_SHIFT)) ? 0 : -LX_ENOENT;
}

// Tells where pages are; moving them to the node they are on is done already.
int64_t sys_move_pages(struct task *t, const uint64_t a[6])
{
    struct process *p;
    if ((uint32_t)a[5] & ~6u) return -LX_EINVAL;
    if (a[5] & MPOL_MF_MOVE_ALL && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_NICE)) return -LX_EPERM;
    int err = find_process(t, (int)a[0], &p);
    for (; !err && t->sys.done < a[1]; t->sys.done++) {
        gaddr addr;
        int32_t node = 0, status;
        err = copy_from_user(t, &addr, a[2] + t->sys.done * 8, sizeof addr);
        if (!err && a[3]) err = copy_from_user(t, &node, a[3] + t->sys.done * 4, sizeof node);
        if (!err && node) err = -LX_ENODEV;
        if (err) break;
        status = page_status(p->mm, addr);
        if ((err = copy_to_user(t, a[4] + t->sys.done * 4, &status, sizeof status))) break;
        if (t->sys.done % 4096 == 4095) return t->sys.done++, task_yield(t);
    }
    return err;
}
