// --trace: what the guest asks of the kernel, one line each, as strace writes it.
#pragma once
#include "syscalls/kernel.h"

enum { TRACE_SYSCALLS = 1, TRACE_FAULTS = 2, TRACE_SIGNALS = 4 };
struct trace {
    unsigned what;                                        // TRACE_*
    void (*write)(void *ctx, const char *line, size_t n); // one whole line with its newline
    void (*fault)(struct task *,
                  const struct lx_siginfo *); // TRACE_FAULTS: a program is about to die of this signal (box/report.c)
    void *ctx;
};

void trace_sys_enter(struct task *);
void trace_sys_exit(struct task *, int64_t result);
void trace_signal(struct task *, const struct lx_siginfo *);
void trace_death(struct task *, const struct lx_siginfo *); // --trace faults: the process dies by this signal
