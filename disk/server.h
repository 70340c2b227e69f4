// A server: a process beside the broker that keeps what one kind of disk needs from outside the jail, and answers the
// worker's packets. It is forked before the worker, dies with the broker, and ends when the worker's end of its link is
// closed.
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct server {
    pid_t pid; // 0: none
    int link;  // the worker's end of the link
};

// Forks a process that calls serve(ctx, link), with signals of the terminal ignored and everything but the standard
// error, `link` and `keep` (descriptors) closed; what serve returns is its exit status. 0, or -1 with errno.
int server_start(struct server *, int (*serve)(void *ctx, int link), void *ctx, const int *keep, size_t nkeep);
// Closes the broker's copy of the worker's end: call it once the worker has been forked.
void server_lent(struct server *);
// Waits for the end, which comes when the worker is gone. The exit status; 128 + N: a signal's.
int server_end(struct server *);
