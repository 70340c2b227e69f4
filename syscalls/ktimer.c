// Timers of the kernel: a pairing heap by deadline, the earliest at box->timers. To arm costs a comparison, to cancel
// or to fire a logarithm on average, so that a program may have a hundred thousand.
//
// A timer belongs to the object it is embedded in, which cancels it before it goes. prev is where the pointer to it is:
// box->timers, its parent's child or its left sibling's next.
#include "syscalls/kernel.h"

static bool earlier(const struct ktimer *a, const struct ktimer *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->seq < b->seq);
}

// Both are roots: without siblings. NULL is an empty heap.
static struct ktimer *merge(struct ktimer *a, struct ktimer *b)
{
    if (!a || !b) return a ? a : b;
    struct ktimer *top = earlier(b, a) ? b : a, *under = top == a ? b : a;
    under->next = top->child;
    if (under->next) under->next->prev = &under->next;
    under->prev = &top->child;
    top->child = under;
    return top;
}

// A list of siblings becomes one heap: neighbours first, then all from the right.
static struct ktimer *merge_siblings(struct ktimer *first)
{
    struct ktimer *pairs = NULL, *all = NULL;
    while (first) {
        struct ktimer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = NULL;
        if (b) b->next = NULL;
        a = merge(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct ktimer *a = pairs;
        pairs = a->next;
        a->next = NULL;
        all = merge(a, all);
    }
    return all;
}

static void put_at(struct ktimer **at, struct ktimer *k)
{
    *at = k;
    if (k) k->prev = at;
}

void ktimer_cancel(struct ktimer *k)
{
    if (!k->prev) return;
    struct ktimer *heir = merge_siblings(k->child);
    if (heir) {
        put_at(&heir->next, k->next);
        put_at(k->prev, heir);
    } else {
        put_at(k->prev, k->next);
    }
    k->child = k->next = NULL;
    k->prev = NULL;
}

void ktimer_arm(struct box *box, struct ktimer *k, uint64_t deadline)
{
    ktimer_cancel(k);
    k->deadline = deadline;
    k->seq = ++box->timer_seq; // of equal ones the first armed fires first
    put_at(&box->timers, merge(box->timers, k));
}

void ktimers_run(struct box *box, uint64_t now)
{
    while (box->timers && box->timers->deadline <= now) {
        struct ktimer *k = box->timers;
        ktimer_cancel(k);
        k->fire(box, k);
    }
}
