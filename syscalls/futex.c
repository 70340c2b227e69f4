// Futexes: threads that wait on a word of memory.
//
// A waiter is queued under a key: (memory map, address) for private memory, (inode, file offset) for shared mappings,
// so that processes meet. It keeps its place across re-runs; whoever wakes it takes it off the queue, which is how the
// re-run knows. Priority inheritance is not there (ENOSYS).
#include "syscalls/mm.h"
#include <stdlib.h>

enum { BUCKETS = 256, ROBUST_LIMIT = 2048 };
struct futex_table {
    struct futex_waiter *bucket[BUCKETS];
};

// ---------------------------------------------------------------- keys and queues

static int get_key(struct task *t, gaddr at, bool private, struct futex_key *key)
{
    if (at & 3) return -LX_EINVAL;
    if (at >= MEM_TOP) return -LX_EFAULT;
    struct mm *mm = t->proc->mm;
    const struct vma *v = private ? NULL : vma_at(mm, (uint32_t)(at >> PAGE_SHIFT));
    *key = (struct futex_key){mm, at};
    if (v && v->flags & LX_MAP_SHARED && v->inode)
        *key = (struct futex_key){v->inode, ((v->pgoff + ((at >> PAGE_SHIFT) - v->start)) << PAGE_SHIFT) +
                                                (at & (PAGE_BYTES - 1))};
    return 0;
}

static struct futex_waiter **bucket(struct box *box, const struct futex_key *k)
{
    if (!box->futexes) box->futexes = calloc(1, sizeof *box->futexes);
    if (!box->futexes) return NULL;
    uint64_t h = ((uint64_t)(uintptr_t)k->object >> 4) + k->offset;
    h *= 0x9e3779b97f4a7c15ull;
    return &box->futexes->bucket[h >> 56];
}

static bool same(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

static void unqueue(struct futex_waiter *w)
{
    if (!w->prev) return;
    *w->prev = w->next;
    if (w->next) w->next->prev = w->prev;
    w->prev = NULL;
    w->next = NULL;
}

static void queue(struct futex_waiter **at, struct futex_waiter *w)
{
    while (*at) at = &(*at)->next;
    w->next = NULL;
    w->prev = at;
    *at = w;
}

void futexes_free(struct box *box)
{
    free(box->futexes);
    box->futexes = NULL;
}

// ---------------------------------------------------------------- waiting

static void stop_waiting(struct task *t)
{
    unqueue(&t->futex);
}

static int begin_wait(struct task *t, gaddr at, bool private, uint32_t expected, uint32_t bitset)
{
    uint32_t now;
    if (!bitset) return -LX_EINVAL;
    int err = get_key(t, at, private, &t->futex.key);
    if (!err) err = copy_from_user(t, &now, at, 4);
    if (err) return err;
    if (now != expected) return -LX_EAGAIN;
    struct futex_waiter **b = bucket(t->box, &t->futex.key);
    if (!b) return -LX_ENOMEM;
    t->futex.bitset = bitset;
    t->futex.task = t;
    queue(b, &t->futex);
    t->sys.release = stop_waiting;
    t->sys.word[0] = 1; // queued
    return 0;
}

static int64_t futex_wait(struct task *t, gaddr at, bool private, uint32_t expected, uint32_t bitset)
{
    if (t->sys.word[0] && !t->futex.prev) return 0;
    int err = t->sys.word[0] ? 0 : begin_wait(t, at, private, expected, bitset);
    if (err) return err;
    int64_t r = task_sleep(t);
    return r == -LX_ERESTARTSYS && t->sys.has_deadline ? -LX_ERESTART_RESTARTBLOCK : r;
}

// ---------------------------------------------------------------- waking

static int wake_key(struct box *box, const struct futex_key *k, int max, uint32_t bitset)
{
    struct futex_waiter **b = bucket(box, k);
    int woken = 0;
    for (struct futex_waiter *w = b ? *b : NULL, *next; w && woken < max; w = next) {
        next = w->next;
        if (!same(&w->key, k) || !(w->bitset & bitset)) continue;
        unqueue(w);
        task_wake(w->task);
        woken++;
    }
    return woken;
}

static int64_t futex_wake(struct task *t, gaddr at, bool private, int max, uint32_t bitset)
{
    struct futex_key k;
    if (!bitset) return -LX_EINVAL;
    int err = get_key(t, at, private, &k);
    return err ? err : wake_key(t->box, &k, max < 1 ? 1 : max, bitset); // Linux wakes one even when asked for none
}

struct requeue {
    gaddr from, to;
    int wake, move;
    bool compare;
    uint32_t expected;
};

static int move_waiters(struct box *box, const struct futex_key *from, const struct futex_key *to, int max)
{
    struct futex_waiter **b = bucket(box, from), **target = bucket(box, to);
    int moved = 0;
    for (struct futex_waiter *w = b && target ? *b : NULL, *next; w && moved < max; w = next) {
        next = w->next;
        if (!same(&w->key, from)) continue;
        moved++;
        if (same(from, to)) continue;
        unqueue(w);
        w->key = *to;
        queue(target, w);
    }
    return moved;
}

static int64_t futex_requeue(struct task *t, bool private, const struct requeue *r)
{
    struct futex_key from, to;
    uint32_t now;
    if (r->wake < 0 || r->move < 0) return -LX_EINVAL;
    int err = get_key(t, r->from, private, &from);
    if (!err) err = get_key(t, r->to, private, &to);
    if (!err && r->compare) err = copy_from_user(t, &now, r->from, 4);
    if (err) return err;
    if (r->compare && now != r->expected) return -LX_EAGAIN;
    int woken = wake_key(t->box, &from, r->wake, UINT32_MAX);
    return woken + move_waiters(t->box, &from, &to, r->move);
}

// FUTEX_WAKE_OP's encoded operation (man futex): what the word becomes, and whether its old value passes the
// comparison.
static int32_t sign_extend12(uint32_t v)
{
    return (int32_t)(v << 20) >> 20;
}

static uint32_t apply_op(uint32_t op, uint32_t old)
{
    uint32_t arg = (uint32_t)sign_extend12(op >> 12 & 0xfff);
    if (op >> 31) arg = 1u << (arg & 31);
    switch (op >> 28 & 7) {
    case 0:
        return arg;
    case 1:
        return old + arg;
    case 2:
        return old | arg;
    case 3:
        return old & ~arg;
    default:
        return old ^ arg;
    }
}

static bool passes(uint32_t op, int32_t old)
{
    int32_t arg = sign_extend12(op & 0xfff);
    switch (op >> 24 & 15) {
    case 0:
        return old == arg;
    case 1:
        return old != arg;
    case 2:
        return old < arg;
    case 3:
        return old <= arg;
    case 4:
        return old > arg;
    default:
        return old >= arg;
    }
}

static int64_t futex_wake_op(struct task *t, const uint64_t a[6], bool private)
{
    struct futex_key k1, k2;
    uint32_t old, op = (uint32_t)a[5];
    if ((op >> 28 & 7) > 4 || (op >> 24 & 15) > 5) return -LX_ENOSYS;
    int err = get_key(t, a[0], private, &k1);
    if (!err) err = get_key(t, a[4], private, &k2);
    if (!err) err = copy_from_user(t, &old, a[4], 4);
    if (err) return err;
    uint32_t new = apply_op(op, old);
    if ((err = copy_to_user(t, a[4], &new, 4))) return err;
    int woken = wake_key(t->box, &k1, (int)a[2], UINT32_MAX);
    if (passes(op, (int32_t)old)) woken += wake_key(t->box, &k2, (int)a[3], UINT32_MAX);
    return woken;
}

// ---------------------------------------------------------------- futex(2)

static bool waits(int op)
{
    return op == LX_FUTEX_WAIT || op == LX_FUTEX_WAIT_BITSET;
}

// FUTEX_WAIT's timeout is relative, FUTEX_WAIT_BITSET's absolute.
static int set_deadline(struct task *t, int op, uint32_t flags, gaddr at)
{
    uint64_t ns;
    if (!waits(op) || !at || t->sys.has_deadline) return 0;
    int err = timespec_get(t, at, &ns);
    int clock = flags & LX_FUTEX_CLOCK_REALTIME ? LX_CLOCK_REALTIME : LX_CLOCK_MONOTONIC;
    if (!err) task_deadline(t, clock_deadline(t->box, clock, op == LX_FUTEX_WAIT_BITSET, ns));
    return err;
}

int64_t sys_futex(struct task *t, const uint64_t a[6])
{
    int op = (int)a[1] & ~(LX_FUTEX_PRIVATE_FLAG | LX_FUTEX_CLOCK_REALTIME);
    bool private = a[1] & LX_FUTEX_PRIVATE_FLAG;
    if (a[1] & LX_FUTEX_CLOCK_REALTIME && op != LX_FUTEX_WAIT_BITSET && op != LX_FUTEX_WAIT) return -LX_ENOSYS;
    int err = set_deadline(t, op, (uint32_t)a[1], a[3]);
    if (err) return err;
    struct requeue r = {a[0], a[4], (int)a[2], (int)a[3], op == LX_FUTEX_CMP_REQUEUE, (uint32_t)a[5]};
    switch (op) {
    case LX_FUTEX_WAIT:
        return futex_wait(t, a[0], private, (uint32_t)a[2], UINT32_MAX);
    case LX_FUTEX_WAIT_BITSET:
        return futex_wait(t, a[0], private, (uint32_t)a[2], (uint32_t)a[5]);
    case LX_FUTEX_WAKE:
        return futex_wake(t, a[0], private, (int)a[2], UINT32_MAX);
    case LX_FUTEX_WAKE_BITSET:
        return futex_wake(t, a[0], private, (int)a[2], (uint32_t)a[5]);
    case LX_FUTEX_REQUEUE:
    case LX_FUTEX_CMP_REQUEUE:
        return futex_requeue(t, private, &r);
    case LX_FUTEX_WAKE_OP:
        return futex_wake_op(t, a, private);
    default:
        return -LX_ENOSYS;
    }
}

// ---------------------------------------------------------------- robust lists (kernel/futex/core.c, exit_robust_list)

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
    if (u->proc != t->proc && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_PTRACE)) return -LX_EPERM;
    uint64_t head = u->robust_list, len = sizeof(struct lx_robust_list_head);
    int err = copy_to_user(t, a[2], &len, 8);
    return err ? err : copy_to_user(t, a[1], &head, 8);
}

static void owner_died(struct task *t, gaddr at, bool pending)
{
    uint32_t word;
    if (copy_from_user(t, &word, at, 4)) return;
    if ((word & LX_FUTEX_TID_MASK) != (uint32_t)t->tid) {
        if (pending && !word) futex_wake(t, at, false, 1, UINT32_MAX);
        return;
    }
    uint32_t new = (word & LX_FUTEX_WAITERS) | LX_FUTEX_OWNER_DIED;
    if (copy_to_user(t, at, &new, 4)) return;
    if (word & LX_FUTEX_WAITERS) futex_wake(t, at, false, 1, UINT32_MAX);
}

static void walk_robust_list(struct task *t)
{
    struct lx_robust_list_head head;
    if (!t->robust_list || copy_from_user(t, &head, t->robust_list, sizeof head)) return;
    gaddr pending = head.list_op_pending & ~1ull; // bit 0 marks a PI futex
    uint64_t entry = head.next;
    for (int i = 0; i < ROBUST_LIMIT && (entry & ~1ull) != t->robust_list; i++) {
        uint64_t next;
        int err = copy_from_user(t, &next, entry & ~1ull, 8);
        if ((entry & ~1ull) != pending) owner_died(t, (entry & ~1ull) + (uint64_t)head.futex_offset, false);
        if (err) break;
        entry = next;
    }
    if (pending) owner_died(t, pending + (uint64_t)head.futex_offset, true);
}

void futex_exit(struct task *t)
{
    uint32_t zero = 0;
    walk_robust_list(t);
    t->robust_list = 0;
    if (t->clear_child_tid && !copy_to_user(t, t->clear_child_tid, &zero, 4))
        futex_wake(t, t->clear_child_tid, false, 1, UINT32_MAX);
    t->clear_child_tid = 0;
}
