// Robust lists: what becomes of the futexes a dying thread holds (kernel/futex/core.c, exit_robust_list), and the word
// it clears when it is gone.
#include "syscalls/futex.h"

enum { ROBUST_LIMIT = 2048 };

int64_t sys_set_robust_list(struct task *t, const uint64_t a[6])
{
    if (a[1] != sizeof(struct lx_robust_list_head)) return -LX_EINVAL;
    t->robust_list = a[0];
    return 0;
}

int64_t sys_get_robust_list(struct task *t, const uint64_t a[6])
{
    struct task *u = (int)a[0] ? task_find(t->box, (int)a[0]) : t;
    if (!u) return -LX_ESRCH;
    if (!process_may_access(t->proc, u->proc)) return -LX_EPERM;
    uint64_t head = u->robust_list, len = sizeof(struct lx_robust_list_head);
    int err = copy_to_user(t, a[2], &len, 8);
    return err ? err : copy_to_user(t, a[1], &head, 8);
}

// One futex of the list. Waiters of a PI futex are futex_pi_exit's business. -LX_EFAULT ends the walk.
static int owner_died(struct task *t, gaddr at, bool pi, bool pending)
{
    uint32_t word;
    if (at & 3 || copy_from_user(t, &word, at, 4)) return -LX_EFAULT;
    if (pending && !pi && !word) futex_do_wake(t, at, false, 1, UINT32_MAX);
    if ((word & LX_FUTEX_TID_MASK) != (uint32_t)t->tid) return 0;
    uint32_t new = (word & LX_FUTEX_WAITERS) | LX_FUTEX_OWNER_DIED;
    if (copy_to_user(t, at, &new, 4)) return -LX_EFAULT;
    if (word & LX_FUTEX_WAITERS && !pi) futex_do_wake(t, at, false, 1, UINT32_MAX);
    return 0;
}

// Bit 0 of a pointer in the list marks a PI futex.
static void walk_robust_list(struct task *t)
{
    struct lx_robust_list_head head;
    if (!t->robust_list || copy_from_user(t, &head, t->robust_list, sizeof head)) return;
    uint64_t entry = head.next, pending = head.list_op_pending, offset = (uint64_t)head.futex_offset;
    for (int i = 0; i < ROBUST_LIMIT && (entry & ~1ull) != t->robust_list; i++) {
        uint64_t next;
        int err = copy_from_user(t, &next, entry & ~1ull, 8);
        if ((entry | 1) != (pending | 1) && owner_died(t, (entry & ~1ull) + offset, entry & 1, false)) return;
        if (err) break;
        entry = next;
    }
    if (pending & ~1ull) owner_died(t, (pending & ~1ull) + offset, pending & 1, true);
}

void futex_exit(struct task *t)
{
    uint32_t zero = 0;
    walk_robust_list(t);
    t->robust_list = 0;
    futex_pi_exit(t);
    if (t->clear_child_tid && !copy_to_user(t, t->clear_child_tid, &zero, 4))
        futex_do_wake(t, t->clear_child_tid, false, 1, UINT32_MAX);
    t->clear_child_tid = 0;
}
