// Futexes with priority inheritance (kernel/futex/pi.c): the word holds the owner's thread id, and the kernel hands the
// lock over to the first who waits. Every thread gets the same turn here, so that the owner need not inherit anything;
// what programs see is the protocol of the word, the errors, and locks that outlive their owner.
//
// struct pi_state is a lock somebody waits for: it is there as long as it has waiters, and on its owner's list, which
// is how a dying owner gives it away. Who was handed the lock is off the queue: its re-run returns success.
#include "syscalls/fs.h"
#include "syscalls/futex.h"

struct pi_state {
    struct futex_key key;
    struct task *owner;
    struct pi_state *next; // owner->pi_owned
    unsigned waiters;
};

// ---------------------------------------------------------------- states

static void disown(struct pi_state *s)
{
    struct pi_state **at = &s->owner->pi_owned;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
}

static void own(struct pi_state *s, struct task *owner)
{
    s->owner = owner;
    s->next = owner->pi_owned;
    owner->pi_owned = s;
}

static void drop_unused(struct pi_state *s)
{
    struct vfs *v = s->owner->box->vfs;
    if (s->waiters) return;
    disown(s);
    kmfree(v, s, sizeof *s);
}

static void leave(struct futex_waiter *w)
{
    struct pi_state *s = w->pi;
    futex_unqueue(w);
    w->pi = NULL;
    w->requeue_pi = false;
    if (!s) return;
    s->waiters--;
    drop_unused(s);
}

static void stop_waiting(struct task *t)
{
    leave(&t->futex);
}

// w has the lock from now on; its word says so already.
static void hand_over(struct pi_state *s, struct futex_waiter *w)
{
    disown(s);
    own(s, w->task);
    leave(w);
    task_wake(w->task);
}

// ---------------------------------------------------------------- trying (futex_lock_pi_atomic)

enum { TAKEN = 1 };

static bool valid_state(const struct pi_state *s, uint32_t word)
{
    uint32_t owner = word & LX_FUTEX_TID_MASK;
    if (!s) return false; // ordinary waiters on a PI futex
    return owner == (uint32_t)s->owner->tid || (word & LX_FUTEX_OWNER_DIED && !owner);
}

static int new_state(struct box *box, uint32_t tid, const struct futex_key *k, struct pi_state **out)
{
    struct task *owner = task_find(box, (int)tid);
    if (!owner) return -LX_ESRCH;
    struct pi_state *s = kmalloc(box->vfs, sizeof *s);
    if (!s) return -LX_ENOMEM;
    s->key = *k;
    own(s, owner);
    *out = s;
    return 0;
}

struct attempt {
    gaddr word;
    struct futex_key key;
    struct task *who; // wants the lock
    bool set_waiters; // when it gets it: others will come
};

// TAKEN; 0: *out is what to wait for (drop_unused when that comes to nothing); or -errno. The word is t's.
static int try_lock(struct task *t, const struct attempt *a, struct pi_state **out)
{
    uint32_t word;
    int err = copy_from_user(t, &word, a->word, 4);
    if (err) return err;
    uint32_t owner = word & LX_FUTEX_TID_MASK, tid = (uint32_t)a->who->tid;
    if (owner == tid) return -LX_EDEADLK;
    struct futex_waiter *top = futex_top(t->box, &a->key);
    if (top) {
        *out = top->pi;
        return valid_state(top->pi, word) ? 0 : -LX_EINVAL;
    }
    uint32_t new =
        owner ? word | LX_FUTEX_WAITERS : (word & LX_FUTEX_OWNER_DIED) | tid | (a->set_waiters ? LX_FUTEX_WAITERS : 0);
    err = copy_to_user(t, a->word, &new, 4);
    if (err) return err;
    return owner ? new_state(t->box, owner, &a->key, out) : TAKEN;
}

// Would the wait close a circle of threads that wait for each other? There is none without `who` so far, so the walk
// ends.
static bool would_deadlock(const struct task *who, const struct pi_state *s)
{
    for (const struct task *o = s->owner; o; o = o->futex.pi ? o->futex.pi->owner : NULL)
        if (o == who) return true;
    return false;
}

static int join(struct futex_waiter *w, struct pi_state *s, gaddr word)
{
    if (would_deadlock(w->task, s)) {
        drop_unused(s);
        return -LX_EDEADLK;
    }
    futex_unqueue(w);
    w->key = s->key;
    w->pi = s;
    w->requeue_pi = false;
    w->word = word;
    s->waiters++;
    int err = futex_queue(w->task->box, w);
    if (err) leave(w);
    return err;
}

// ---------------------------------------------------------------- FUTEX_LOCK_PI, FUTEX_UNLOCK_PI

static int64_t begin(struct task *t, gaddr at, bool private, bool only_try)
{
    struct attempt a = {.word = at, .who = t};
    struct pi_state *s = NULL;
    int err = futex_key(t, at, private, &a.key);
    if (!err) err = try_lock(t, &a, &s);
    if (err) return err;
    if (only_try) {
        drop_unused(s);
        return -LX_EAGAIN;
    }
    t->futex = (struct futex_waiter){.task = t};
    if ((err = join(&t->futex, s, at))) return err;
    t->sys.release = stop_waiting;
    t->sys.word[0] = 1;
    return 0;
}

int64_t futex_lock_pi(struct task *t, gaddr at, bool private, bool only_try)
{
    if (!t->sys.word[0]) {
        int64_t r = begin(t, at, private, only_try);
        if (r) return r == TAKEN ? 0 : r;
    }
    if (!t->futex.prev) return 0;
    int64_t r = task_sleep(t);
    return r == -LX_ERESTARTSYS ? -LX_ERESTARTNOINTR : r;
}

int64_t futex_unlock_pi(struct task *t, gaddr at, bool private)
{
    struct futex_key key;
    uint32_t word;
    int err = copy_from_user(t, &word, at, 4);
    if (err) return err;
    if ((word & LX_FUTEX_TID_MASK) != (uint32_t)t->tid) return -LX_EPERM;
    if ((err = futex_key(t, at, private, &key))) return err;
    struct futex_waiter *top = futex_top(t->box, &key);
    if (top && (!top->pi || top->pi->owner != t)) return -LX_EINVAL;
    word = top ? LX_FUTEX_WAITERS | (uint32_t)top->task->tid : 0;
    if ((err = copy_to_user(t, at, &word, 4))) return err;
    if (top) hand_over(top->pi, top);
    return 0;
}

// The word is changed where the new owner sees it: it may be another process's (fixup_pi_state_owner).
void futex_pi_exit(struct task *t)
{
    while (t->pi_owned) {
        struct pi_state *s = t->pi_owned;
        struct futex_waiter *w = futex_top(t->box, &s->key);
        uint32_t word = LX_FUTEX_OWNER_DIED | LX_FUTEX_WAITERS | (uint32_t)w->task->tid;
        if (copy_to_user(w->task, w->word, &word, 4))
            task_unwait(w->task); // unmapped meanwhile: it has the lock anyway
        hand_over(s, w);
    }
}

// ---------------------------------------------------------------- FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI

static int begin_requeue_wait(struct task *t, const uint64_t a[6], bool private)
{
    struct futex_key target;
    if (a[0] == a[4]) return -LX_EINVAL;
    int err = futex_key(t, a[4], private, &target);
    if (!err) err = futex_begin_wait(t, a[0], private, (uint32_t)a[2], UINT32_MAX);
    if (err) return err;
    t->sys.release = stop_waiting;
    if (futex_same(&target, &t->futex.key)) return -LX_EINVAL;
    t->futex.requeue_pi = true;
    t->futex.target = target;
    t->futex.word = a[4];
    return 0;
}

int64_t futex_wait_requeue_pi(struct task *t, const uint64_t a[6], bool private)
{
    int err = t->sys.word[0] ? 0 : begin_requeue_wait(t, a, private);
    if (err) return err;
    if (!t->futex.prev) return 0; // with the lock
    int64_t r = task_sleep(t);
    if (r != -LX_ERESTARTSYS) return r;
    return t->futex.pi ? -LX_EAGAIN : -LX_ERESTARTNOINTR;
}

static int requeue_one(struct task *t, struct futex_waiter *w, const struct requeue *r, const struct futex_key *to)
{
    struct attempt a = {.word = r->to, .key = *to, .who = w->task, .set_waiters = r->move > 0};
    struct pi_state *s = NULL;
    if (!w->requeue_pi || !futex_same(&w->target, to)) return -LX_EINVAL;
    int err = try_lock(t, &a, &s);
    if (err == 0) return join(w, s, w->word);
    if (err != TAKEN) return err;
    leave(w);
    task_wake(w->task);
    return 0;
}

int64_t futex_cmp_requeue_pi(struct task *t, const struct requeue *r)
{
    struct futex_key from, to;
    uint32_t now;
    int64_t done = 0;
    if (r->wake < 0 || r->move < 0 || r->from == r->to || r->wake != 1) return -LX_EINVAL;
    int err = futex_key(t, r->from, r->from_private, &from);
    if (!err) err = futex_key(t, r->to, r->to_private, &to);
    if (!err && futex_same(&from, &to)) err = -LX_EINVAL;
    if (!err) err = copy_from_user(t, &now, r->from, 4);
    if (err) return err;
    if (now != r->expected) return -LX_EAGAIN;
    for (struct futex_waiter *w = futex_top(t->box, &from), *next; w && done <= r->move; w = next, done++) {
        next = futex_next(w);
        if ((err = requeue_one(t, w, r, &to))) return err;
    }
    return done;
}
