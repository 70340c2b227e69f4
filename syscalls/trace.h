// --trace: what the guest asks of the kernel, one line each, as strace -f -o writes it.
#pragma once
#include "syscalls/kernel.h"

enum { TRACE_SYSCALLS = 1, TRACE_FAULTS = 2, TRACE_SIGNALS = 4 };
struct trace_line;
struct trace {
    unsigned what; // TRACE_*
    // Whole lines with their newlines, but for the beginning of a call that waits: its line goes on with the next
    // write.
    void (*write)(void *ctx, const char *line, size_t n);
    void (*fault)(struct task *,
                  const struct lx_siginfo *); // TRACE_FAULTS: a program is about to die of this signal (box/report.c)
    void *ctx;
    struct trace_line *open; // of the call that began last and is not ended; trace.c's
};

void trace_sys_enter(struct task *);
void trace_sys_wait(struct task *); // the call parks: what is known of it goes out
void trace_sys_exit(struct task *, int64_t result);
void trace_signal(struct task *, const struct lx_siginfo *);
void trace_ignored(struct process *, const struct lx_siginfo *); // a signal that its process ignores
void trace_stop(struct task *, int sig);
void trace_task_exit(struct task *, int status);            // status as wait4 reports it
void trace_death(struct task *, const struct lx_siginfo *); // --trace faults: the process dies by this signal
