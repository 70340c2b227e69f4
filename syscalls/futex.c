// Futexes: threads that wait on a word of memory.
//
// A waiter is queued under a key: (memory map, address) for private memory, (inode, file offset) for shared mappings,
// so that processes meet. It keeps its place across re-runs; whoever wakes it takes it off the queue, which is how the
// re-run knows. Those of real-time threads come first, as in Linux's plists.
#include "syscalls/futex.h"
#include "syscalls/mm.h"
#include <stdlib.h>

enum { BUCKETS = 256 };
struct futex_table {
    struct futex_waiter *bucket[BUCKETS];
};

// ---------------------------------------------------------------- keys and queues

int futex_key(struct task *t, gaddr at, bool private, struct futex_key *key)
{
    if (at & 3) return -LX_EINVAL;
    struct mm *mm = t->proc->mm;
    at = mem_low(mm->mem, at);
    if (at >= MEM_TOP) return -LX_EFAULT;
    const struct vma *v = private ? NULL : vma_at(mm, (uint32_t)(at >> PAGE_SHIFT));
    if (!private && (!v || !(v->prot & LX_PROT_READ))) return -LX_EFAULT; // Linux looks at the page
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

bool futex_same(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

void futex_unqueue(struct futex_waiter *w)
{
    if (!w->prev) return;
    *w->prev = w->next;
    if (w->next) w->next->prev = w->prev;
    w->prev = NULL;
    w->next = NULL;
}

int futex_queue(struct box *box, struct futex_waiter *w)
{
    struct futex_waiter **at = bucket(box, &w->key);
    if (!at) return -LX_ENOMEM;
    while (*at && (*at)->task->attrs.rt_priority >= w->task->attrs.rt_priority) at = &(*at)->next;
    w->next = *at;
    w->prev = at;
    if (w->next) w->next->prev = &w->next;
    *at = w;
    return 0;
}

static struct futex_waiter *first_of(struct futex_waiter *w, const struct futex_key *k)
{
    while (w && !futex_same(&w->key, k)) w = w->next;
    return w;
}

struct futex_waiter *futex_top(struct box *box, const struct futex_key *k)
{
    struct futex_waiter **b = bucket(box, k);
    return b ? first_of(*b, k) : NULL;
}

struct futex_waiter *futex_next(struct futex_waiter *w)
{
    return first_of(w->next, &w->key);
}

void futexes_free(struct box *box)
{
    free(box->futexes);
    box->futexes = NULL;
}

// ---------------------------------------------------------------- waiting

static void stop_waiting(struct task *t)
{
    futex_unqueue(&t->futex);
}

int futex_begin_wait(struct task *t, gaddr at, bool private, uint32_t expected, uint32_t bitset)
{
    uint32_t now;
    struct futex_waiter w = {.task = t, .bitset = bitset};
    if (!bitset) return -LX_EINVAL;
    int err = futex_key(t, at, private, &w.key);
    if (!err) err = copy_from_user(t, &now, at, 4);
    if (err) return err;
    if (now != expected) return -LX_EAGAIN;
    t->futex = w;
    if ((err = futex_queue(t->box, &t->futex))) return err;
    t->sys.release = stop_waiting;
    t->sys.word[0] = 1; // queued
    return 0;
}

int64_t futex_do_wait(struct task *t, gaddr at, bool private, uint32_t expected, uint32_t bitset)
{
    if (t->sys.word[0] && !t->futex.prev) return 0;
    int err = t->sys.word[0] ? 0 : futex_begin_wait(t, at, private, expected, bitset);
    return err ? err : task_sleep(t);
}

// FUTEX_WAIT and FUTEX_WAIT_BITSET go on with their deadline after a signal.
static int64_t restartable(struct task *t, int64_t r)
{
    return r == -LX_ERESTARTSYS && t->sys.has_deadline ? -LX_ERESTART_RESTARTBLOCK : r;
}

// ---------------------------------------------------------------- waking

// Waiters of PI locks are woken by those operations only.
static bool is_pi(const struct futex_waiter *w)
{
    return w->pi || w->requeue_pi;
}

static int wake_key(struct box *box, const struct futex_key *k, int max, uint32_t bitset)
{
    int woken = 0;
    for (struct futex_waiter *w = futex_top(box, k), *next; w && woken < max; w = next) {
        next = futex_next(w);
        if (is_pi(w)) return -LX_EINVAL;
        if (!(w->bitset & bitset)) continue;
        futex_unqueue(w);
        task_wake(w->task);
        woken++;
    }
    return woken;
}

int64_t futex_do_wake(struct task *t, gaddr at, bool private, int max, uint32_t bitset)
{
    struct futex_key k;
    if (!bitset) return -LX_EINVAL;
    int err = futex_key(t, at, private, &k);
    return err ? err : wake_key(t->box, &k, max < 1 ? 1 : max, bitset); // Linux wakes one even when asked for none
}

static int move_waiters(struct box *box, const struct futex_key *from, const struct futex_key *to, int max)
{
    int moved = 0;
    for (struct futex_waiter *w = futex_top(box, from), *next; w && moved < max; w = next) {
        next = futex_next(w);
        if (is_pi(w)) return -LX_EINVAL;
        moved++;
        if (futex_same(from, to)) continue;
        futex_unqueue(w);
        w->key = *to;
        futex_queue(box, w); // the table is there: w was in it
    }
    return moved;
}

int64_t futex_do_requeue(struct task *t, const struct requeue *r)
{
    struct futex_key from, to;
    uint32_t now;
    if (r->wake < 0 || r->move < 0) return -LX_EINVAL;
    int err = futex_key(t, r->from, r->from_private, &from);
    if (!err) err = futex_key(t, r->to, r->to_private, &to);
    if (!err && r->compare) err = copy_from_user(t, &now, r->from, 4);
    if (err) return err;
    if (r->compare && now != r->expected) return -LX_EAGAIN;
    int woken = wake_key(t->box, &from, r->wake, UINT32_MAX);
    int moved = woken < 0 ? woken : move_waiters(t->box, &from, &to, r->move);
    return moved < 0 ? moved : woken + moved;
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
    int err = futex_key(t, a[0], private, &k1);
    if (!err) err = futex_key(t, a[4], private, &k2);
    if (!err) err = copy_from_user(t, &old, a[4], 4);
    if (err) return err;
    uint32_t new = apply_op(op, old);
    if ((err = copy_to_user(t, a[4], &new, 4))) return err;
    int woken = wake_key(t->box, &k1, (int)a[2], UINT32_MAX);
    if (woken < 0 || !passes(op, (int32_t)old)) return woken;
    int more = wake_key(t->box, &k2, (int)a[3], UINT32_MAX);
    return more < 0 ? more : woken + more;
}

// ---------------------------------------------------------------- futex(2)

// Which clock an operation's timeout counts on, and from when (kernel/futex/syscalls.c, futex_init_timeout).
struct timing {
    bool any, absolute;
    int clock;
};

static struct timing timing(int op, uint64_t flags)
{
    int clock = flags & LX_FUTEX_CLOCK_REALTIME ? LX_CLOCK_REALTIME : LX_CLOCK_MONOTONIC;
    switch (op) {
    case LX_FUTEX_WAIT:
        return (struct timing){true, false, clock};
    case LX_FUTEX_WAIT_BITSET:
    case LX_FUTEX_WAIT_REQUEUE_PI:
    case LX_FUTEX_LOCK_PI2:
        return (struct timing){true, true, clock};
    case LX_FUTEX_LOCK_PI:
        return (struct timing){true, true, LX_CLOCK_REALTIME};
    default:
        return (struct timing){0};
    }
}

static int set_deadline(struct task *t, int op, uint64_t flags, gaddr at)
{
    uint64_t ns;
    struct timing how = timing(op, flags);
    if (!how.any || !at || t->sys.has_deadline) return 0;
    int err = timespec_get(t, at, &ns);
    if (!err) task_deadline(t, clock_deadline(t->box, how.clock, how.absolute, ns));
    return err;
}

static bool may_use_realtime(int op)
{
    return op == LX_FUTEX_WAIT_BITSET || op == LX_FUTEX_WAIT_REQUEUE_PI || op == LX_FUTEX_LOCK_PI2;
}

int64_t sys_futex(struct task *t, const uint64_t a[6])
{
    int op = (int)a[1] & ~(LX_FUTEX_PRIVATE_FLAG | LX_FUTEX_CLOCK_REALTIME);
    bool private = a[1] & LX_FUTEX_PRIVATE_FLAG;
    int err = set_deadline(t, op, a[1], a[3]);
    if (err) return err;
    if (a[1] & LX_FUTEX_CLOCK_REALTIME && !may_use_realtime(op)) return -LX_ENOSYS;
    struct requeue r = {a[0], a[4], private, private, (int)a[2], (int)a[3], op != LX_FUTEX_REQUEUE, (uint32_t)a[5]};
    switch (op) {
    case LX_FUTEX_WAIT:
        return restartable(t, futex_do_wait(t, a[0], private, (uint32_t)a[2], UINT32_MAX));
    case LX_FUTEX_WAIT_BITSET:
        return restartable(t, futex_do_wait(t, a[0], private, (uint32_t)a[2], (uint32_t)a[5]));
    case LX_FUTEX_WAKE:
        return futex_do_wake(t, a[0], private, (int)a[2], UINT32_MAX);
    case LX_FUTEX_WAKE_BITSET:
        return futex_do_wake(t, a[0], private, (int)a[2], (uint32_t)a[5]);
    case LX_FUTEX_REQUEUE:
    case LX_FUTEX_CMP_REQUEUE:
        return futex_do_requeue(t, &r);
    case LX_FUTEX_WAKE_OP:
        return futex_wake_op(t, a, private);
    case LX_FUTEX_LOCK_PI:
    case LX_FUTEX_LOCK_PI2:
        return futex_lock_pi(t, a[0], private, false);
    case LX_FUTEX_TRYLOCK_PI:
        return futex_lock_pi(t, a[0], private, true);
    case LX_FUTEX_UNLOCK_PI:
        return futex_unlock_pi(t, a[0], private);
    case LX_FUTEX_WAIT_REQUEUE_PI:
        return futex_wait_requeue_pi(t, a, private);
    case LX_FUTEX_CMP_REQUEUE_PI:
        return futex_cmp_requeue_pi(t, &r);
    default:
        return -LX_ENOSYS;
    }
}
