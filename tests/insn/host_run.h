// Runs single instructions on the host CPU from a complete given state.
//
// The state is put into a signal frame and entered by rt_sigreturn; it ends at the INT3 that follows the instruction,
// or with a fault, and is read out of the frame of that signal. (Single steps by EFLAGS.TF cost ten times as much on
// virtual machines, and PUSHF sees them.) Nothing else of the process is touched, except what the instruction writes:
// keep its addresses within the arena. Linux on x86-64 only. One runner per process: signal handlers have no argument.
#pragma once
#include "machine.h"

struct host_runner;

// Maps the arena at its addresses and takes SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP; those it did not cause go to
// the handlers found at this moment. NULL with a message on stderr: the addresses are taken.
struct host_runner *hostcpu_open(void);
void hostcpu_close(struct host_runner *);

// Runs the instruction at in->rip, which must have CC bytes wherever it may go on, or nothing executable there.
void hostcpu_run(struct host_runner *, const struct machine *in, struct outcome *out);

// From now on a SIGALRM every so many milliseconds ends what is running, as VECTOR_LOST: for code that may loop. Run it
// again: it may have been chance.
void hostcpu_limit(struct host_runner *, unsigned milliseconds);

bool hostcpu_has(const char *feature); // a word of /proc/cpuinfo's flags; "base" and the like: true
