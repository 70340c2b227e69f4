// Timers of the kernel: a list sorted by deadline. A box has few (a sleeping task, an alarm), so insertion walks.
//
// A timer belongs to the object it is embedded in, which cancels it before it goes.
#include "syscalls/kernel.h"

void ktimer_cancel(struct ktimer *k)
{
    if (!k->prev) return;
    *k->prev = k->next;
    if (k->next) k->next->prev = k->prev;
    k->next = NULL;
    k->prev = NULL;
}

void ktimer_arm(struct box *box, struct ktimer *k, uint64_t deadline)
{
    ktimer_cancel(k);
    k->deadline = deadline;
    struct ktimer **at = &box->timers;
    while (*at && (*at)->deadline <= deadline) at = &(*at)->next; // of equal ones the first armed fires first
    k->next = *at;
    k->prev = at;
    if (k->next) k->next->prev = &k->next;
    *at = k;
}

void ktimers_run(struct box *box, uint64_t now)
{
    while (box->timers && box->timers->deadline <= now) {
        struct ktimer *k = box->timers;
        ktimer_cancel(k);
        k->fire(box, k);
    }
}
