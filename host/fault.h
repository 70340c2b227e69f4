// Host faults (SIGSEGV, SIGBUS) on guest memory, turned into a jump. The one process-wide thing in belljar: the handler
// finds its thread's guard through a thread-local pointer and passes on, to the handler that was there before, every
// fault that is not on a guarded region.
#pragma once
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

struct host_fault {
    sigjmp_buf env;   // armed by the caller: if (sigsetjmp(g.env, 0)) { ... fault at g.addr ... }
    uintptr_t lo, hi; // faults in [lo, hi) are ours
    volatile uintptr_t addr;
    volatile bool write;
};
int host_fault_install(void); // idempotent, thread-safe; again, when somebody else took the signals since. 0 or -errno
struct host_fault *
host_fault_enter(struct host_fault *); // this thread is now guarded; returns the guard that was active, to be restored
void host_fault_leave(struct host_fault *previous);
