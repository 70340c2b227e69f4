// The newer futex calls, one operation each (kernel/futex/syscalls.c): futex_waitv, futex_wake, futex_wait,
// futex_requeue. Futexes of 32 bits only, as Linux has them.
#include "syscalls/fs.h"
#include "syscalls/futex.h"

enum { KNOWN = LX_FUTEX2_SIZE_MASK | LX_FUTEX2_PRIVATE };

static bool valid(uint32_t flags, uint64_t value)
{
    return !(flags & ~(uint32_t)KNOWN) && (flags & LX_FUTEX2_SIZE_MASK) == LX_FUTEX2_SIZE_U32 && value <= UINT32_MAX;
}

// The timeout is absolute and on one of two clocks.
static int set_deadline(struct task *t, gaddr at, uint64_t clock)
{
    uint64_t ns;
    if (!at || t->sys.has_deadline) return 0;
    if ((int)clock != LX_CLOCK_REALTIME && (int)clock != LX_CLOCK_MONOTONIC) return -LX_EINVAL;
    int err = timespec_get(t, at, &ns);
    if (!err) task_deadline(t, clock_deadline(t->box, (int)clock, true, ns));
    return err;
}

int64_t sys_futex_wake(struct task *t, const uint64_t a[6])
{
    struct futex_key key;
    uint32_t flags = (uint32_t)a[3];
    bool private = flags & LX_FUTEX2_PRIVATE;
    if (!valid(flags, a[1]) || !a[1]) return -LX_EINVAL;
    if ((int)a[2] == 0) return futex_key(t, a[0], private, &key); // none when asked for none
    return futex_do_wake(t, a[0], private, (int)a[2], (uint32_t)a[1]);
}

int64_t sys_futex_wait(struct task *t, const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[3];
    if (!valid(flags, a[1]) || !valid(flags, a[2])) return -LX_EINVAL;
    int err = set_deadline(t, a[4], a[5]);
    return err ? err : futex_do_wait(t, a[0], flags & LX_FUTEX2_PRIVATE, (uint32_t)a[1], (uint32_t)a[2]);
}

static int get_waitv(struct task *t, gaddr from, struct lx_futex_waitv *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int err = copy_from_user(t, &v[i], from + i * sizeof *v, sizeof *v);
        if (err) return err;
        if (v[i].reserved || !valid(v[i].flags, v[i].val)) return -LX_EINVAL;
    }
    return 0;
}

int64_t sys_futex_requeue(struct task *t, const uint64_t a[6])
{
    struct lx_futex_waitv v[2];
    if ((uint32_t)a[1] || !a[0]) return -LX_EINVAL;
    int err = get_waitv(t, a[0], v, 2);
    if (err) return err;
    struct requeue r = {.from = v[0].uaddr,
                        .to = v[1].uaddr,
                        .from_private = v[0].flags & LX_FUTEX2_PRIVATE,
                        .to_private = v[1].flags & LX_FUTEX2_PRIVATE,
                        .wake = (int)a[2],
                        .move = (int)a[3],
                        .compare = true,
                        .expected = (uint32_t)v[0].val};
    return futex_do_requeue(t, &r);
}

// ---------------------------------------------------------------- futex_waitv

struct waitv {
    unsigned n;
    struct futex_waiter w[];
};

static size_t waitv_bytes(unsigned n)
{
    return sizeof(struct waitv) + n * sizeof(struct futex_waiter);
}

static void waitv_release(struct task *t)
{
    struct waitv *v = t->sys.object;
    for (unsigned i = 0; i < v->n; i++) futex_unqueue(&v->w[i]);
    kmfree(t->box->vfs, v, waitv_bytes(v->n));
}

// The index of the last that was woken; -1: none (futex_unqueue_multiple).
static int waitv_woken(const struct waitv *v, unsigned queued)
{
    int woken = -1;
    for (unsigned i = 0; i < queued; i++)
        if (!v->w[i].prev) woken = (int)i;
    return woken;
}

static int waitv_queue(struct task *t, struct waitv *v, const struct lx_futex_waitv *user)
{
    for (unsigned i = 0; i < v->n; i++) {
        uint32_t now;
        v->w[i] = (struct futex_waiter){.task = t, .bitset = UINT32_MAX};
        int err = futex_key(t, user[i].uaddr, user[i].flags & LX_FUTEX2_PRIVATE, &v->w[i].key);
        if (!err) err = copy_from_user(t, &now, user[i].uaddr, 4);
        if (!err && now != user[i].val) err = -LX_EAGAIN;
        if (!err) err = futex_queue(t->box, &v->w[i]);
        if (err) return err;
    }
    return 0;
}

static int waitv_begin(struct task *t, gaddr from, unsigned n)
{
    struct lx_futex_waitv user[LX_FUTEX_WAITV_MAX];
    int err = get_waitv(t, from, user, n);
    if (err) return err;
    struct waitv *v = kmalloc(t->box->vfs, waitv_bytes(n));
    if (!v) return -LX_ENOMEM;
    v->n = n;
    err = waitv_queue(t, v, user);
    t->sys.object = v;
    if (err) {
        waitv_release(t);
        t->sys.object = NULL;
        return err;
    }
    t->sys.release = waitv_release;
    return 0;
}

int64_t sys_futex_waitv(struct task *t, const uint64_t a[6])
{
    unsigned n = (unsigned)a[1];
    if ((uint32_t)a[2] || !n || n > LX_FUTEX_WAITV_MAX || !a[0]) return -LX_EINVAL;
    int err = set_deadline(t, a[3], a[4]);
    if (!err && !t->sys.object) err = waitv_begin(t, a[0], n);
    if (err) return err;
    int woken = waitv_woken(t->sys.object, n);
    return woken >= 0 ? woken : task_sleep(t);
}
