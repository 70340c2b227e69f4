// Wait queues: see wait.h.
#include "vfs/wait.h"

void waitq_add(struct waitq *q, struct waiter *w)
{
    waitq_remove(w);
    w->next = q->first;
    w->prev = &q->first;
    if (w->next) w->next->prev = &w->next;
    q->first = w;
}

void waitq_remove(struct waiter *w)
{
    if (!w->prev) return;
    *w->prev = w->next;
    if (w->next) w->next->prev = w->prev;
    w->next = NULL;
    w->prev = NULL;
}

void waitq_wake(struct waitq *q)
{
    for (struct waiter *w = q->first, *next; w; w = next) {
        next = w->next;
        w->wake(w);
    }
}
