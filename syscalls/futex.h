// Between the files of futexes: futex.c (keys, queues, waiting and waking, futex(2)), futex2.c (futex_waitv and the
// calls with one operation each), futex_pi.c (priority inheritance), futex_robust.c (owners that die).
#pragma once
#include "syscalls/kernel.h"

int futex_key(struct task *, gaddr, bool private, struct futex_key *); // -LX_EINVAL: not aligned; -LX_EFAULT
bool futex_same(const struct futex_key *, const struct futex_key *);
int futex_queue(struct box *, struct futex_waiter *);                   // under its key. 0 or -LX_ENOMEM
void futex_unqueue(struct futex_waiter *);                              // harmless when not queued
struct futex_waiter *futex_top(struct box *, const struct futex_key *); // who would be woken first; NULL: nobody
struct futex_waiter *futex_next(struct futex_waiter *);                 // the next under the same key

// Queues t->futex if the word is as expected, as what t->sys.release takes off again. 0, or -errno.
int futex_begin_wait(struct task *, gaddr, bool private, uint32_t expected, uint32_t bitset);
int64_t futex_do_wait(struct task *, gaddr, bool private, uint32_t expected, uint32_t bitset);
int64_t futex_do_wake(struct task *, gaddr, bool private, int max, uint32_t bitset);

struct requeue {
    gaddr from, to;
    bool from_private, to_private;
    int wake, move;
    bool compare;
    uint32_t expected;
};
int64_t futex_do_requeue(struct task *, const struct requeue *);
int64_t futex_cmp_requeue_pi(struct task *, const struct requeue *);

int64_t futex_lock_pi(struct task *, gaddr, bool private, bool only_try);
int64_t futex_unlock_pi(struct task *, gaddr, bool private);
int64_t futex_wait_requeue_pi(struct task *, const uint64_t arg[6], bool private);
void futex_pi_exit(struct task *); // the locks it holds go to those who wait for them
