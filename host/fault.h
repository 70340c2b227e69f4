// Host faults (SIGSEGV, SIGBUS) on guest memory, turned into a jump. The one process-wide thing in belljar: the handler
// finds its thread's guard through a thread-local pointer and passes on, to the handler that was there before, every
// fault that is not on a guarded region.
//
// Emitted code (jit/) cannot be jumped out of, since the guest's state is in the host's registers: a fault in it is
// diverted, that is, the interrupted code goes on at a place that saves the registers and returns. The same is done
// with ticks, a timer signal of this thread, at the next boundary of guest instructions.
#pragma once
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_fault {
    sigjmp_buf env;   // armed by the caller: if (sigsetjmp(g.env, 0)) { ... fault at g.addr ... }
    uintptr_t lo, hi; // faults in [lo, hi) are ours
    volatile uintptr_t addr;
    volatile bool write;
    void (*tick)(void *arg); // called at each tick of this thread, in the signal handler
    void *tick_arg;
    struct host_divert *divert; // NULL: no emitted code
};

struct host_divert {
    uintptr_t lo, hi; // where emitted code is
    uintptr_t leave;  // where a fault goes on
    // A jump through the table of targets whose two entries are no address of code (jit/cache.h): where it goes on, its
    // bytes, and the entry that leads nowhere.
    uintptr_t missed;
    const char *jump;
    size_t jump_bytes;
    uint32_t nowhere;
    const volatile uint64_t *in; // not 0: the thread is in emitted code, or about to enter or leave it
    // Called in the signal handler, while nothing else runs: may the code at rip be left? And after a fault on memory:
    // can the instruction just be done again?
    bool (*is_boundary)(void *arg, uintptr_t rip);
    bool (*mend)(void *arg, uintptr_t addr, bool write);
    void *arg;
    volatile uintptr_t rip; // set when it is diverted: where, and by what
    volatile int sig;       // 0: a tick
    volatile bool stepping; // single-stepping to the next boundary
};
int host_fault_install(void); // idempotent, thread-safe; again, when somebody else took the signals since. 0 or -errno
struct host_fault *
host_fault_enter(struct host_fault *); // this thread is now guarded; returns the guard that was active, to be restored
void host_fault_leave(struct host_fault *previous);
struct host_fault *host_fault_active(void); // this thread's

// Words of this thread that emitted code reaches as fs:[displacement], the same in all threads. They mean something
// only while such code runs.
enum { HOST_WORDS = 64 };
uint64_t *host_thread_words(int32_t *displacement);

// While emitted code runs, the host's stack pointer is the guest's, so no signal handler may run on it: this thread
// gets a signal stack (unless it has one as large), and signals whose handler does not use it (SA_ONSTACK) are blocked.
// NULL: out of memory. Given back by the same thread.
struct host_signal_stack;
struct host_signal_stack *host_signal_stack_new(void);
void host_signal_stack_free(struct host_signal_stack *);

// Ticks of this thread, every ns of its CPU time, until stopped. 0 or -errno.
struct host_ticker;
struct host_ticker *host_ticker_start(uint64_t ns);
void host_ticker_stop(struct host_ticker *);
