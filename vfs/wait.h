// Wait queues: who is told when something (a pipe, a page, a child) changes. Plain lists; no host thread ever sleeps on
// one.
//
// A waiter belongs to whoever waits (a guest thread's syscall, an epoll item) and sits on at most one queue. waitq_wake
// calls each waiter's wake function once; wake functions only mark (make a thread runnable): they never run guest or
// file code.
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct waiter {
    struct waiter *next, **prev; // prev NULL: on no queue
    void (*wake)(struct waiter *);
};
struct waitq {
    struct waiter *first;
};

void waitq_add(struct waitq *, struct waiter *);
void waitq_remove(struct waiter *); // harmless when on no queue
void waitq_wake(struct waitq *);    // wakes and keeps them queued: a waiter removes itself when it runs
