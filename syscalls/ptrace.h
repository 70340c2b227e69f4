// ptrace(2): one process watches and steers the threads of others. ptrace.c: who traces whom, ptrace_stop.c: the stops,
// ptrace_regs.c: registers, sys_ptrace.c: the requests.
//
// A traced thread has a `struct tracee` (task->traced), held by its tracer (process->tracees). What is to stop it is
// first only due, and takes place when the thread next comes to signal_deliver; stops in the middle of a system call
// (its entry, a vfork's) park it there as a wait would. While it is stopped its state is TASK_TRACED, which nothing
// but its tracer or SIGKILL ends. A thread of a stopped process runs or not as its tracer says.
//
// Differs from Linux: the parent of a traced process hears of its end at once, not when its tracer has waited for it;
// only the thread that ends its
// process stops for PTRACE_EVENT_EXIT, the others just end; REP instructions are one step; there are no debug registers
// (ENOSPC).
#pragma once
#include "syscalls/kernel.h"

enum ptrace_way { WAY_CONT, WAY_SYSCALL, WAY_STEP }; // how it was told to go on

enum ptrace_kind { // the stops of ptrace(2)
    STOP_AT_SIGNAL,
    STOP_AT_ENTRY, // of a system call
    STOP_AT_EXIT,
    STOP_AT_EVENT,
    STOP_AT_GROUP, // group-stop, PTRACE_INTERRUPT, a new thread of a seized one
    STOP_AT_STEP,  // a handler was entered while stepping
};

enum { DUE_EVENT = 1, DUE_EXIT = 2, DUE_GROUP = 4, DUE_STEP = 8 };

struct tracee {
    struct tracee *next; // tracer->tracees
    struct process *tracer;
    int tracer_tid;    // of its threads the one that may ask
    struct task *task; // NULL: it has ended, and its tracer has still to be told
    int tid, pgid;
    uint32_t uid, options; // PTRACE_O_*
    bool seized;
    enum { TRACEE_RUNS, TRACEE_STOPPED, TRACEE_LISTENS, TRACEE_GONE } state;
    bool report; // wait4 has still to tell
    int code;    // of the stop: signal | PTRACE_EVENT_* << 8. GONE: as wait4 reports it
    enum ptrace_kind kind;
    enum ptrace_way way;
    uint64_t message;       // PTRACE_GETEVENTMSG
    struct lx_siginfo info; // PTRACE_GETSIGINFO: of the stop; si_signo 0: none
    unsigned due;           // DUE_*
    int event;              // DUE_EVENT: which
    bool exit_told;         // PTRACE_EVENT_EXIT has been
    bool dies;              // of a signal, when it goes on; message says how
    int inject;             // the signal its tracer has let through, with info
    uint64_t debug[8];      // DR0..DR7, which do nothing
};

// -- ptrace.c
int ptrace_attach(struct task *tracer, struct task *, bool seize, uint32_t options); // 0, -LX_EPERM, -LX_ENOMEM
int ptrace_traceme(struct task *);
void ptrace_detach(struct tracee *);
void ptrace_tracer_ends(struct process *tracer, int tid); // its thread tid ends; 0: all of it
void ptrace_task_ends(struct task *, int status);
void ptrace_process_ends(struct process *);
bool ptrace_holds(struct box *, int tid); // a tracer has still to be told of its end: the number is taken
// A thread other than the leader execs: it has the leader's number now, and the leader's end is not told.
void ptrace_takes_lead(struct task *);
void ptrace_forget(struct tracee *); // waited for, or of no interest: leaves the list and is freed
// A clone: the child is traced, too, where the options or CLONE_PTRACE say so, and the event is due.
void ptrace_forked(struct task *, struct task *child, uint64_t flags, int exit_signal);
void ptrace_execed(struct task *);
// Whether the set-id bits of a program have no effect (man execve).
bool ptrace_limits_exec(const struct task *);

// -- ptrace_stop.c
// Before guest code goes on or signals are taken: true: it stops instead.
bool ptrace_stops(struct task *);
// What its tracer let through of the signal it has stopped at: true: *info is to be delivered now.
bool ptrace_injected(struct task *, struct lx_siginfo *info);
bool ptrace_at_signal(struct task *, const struct lx_siginfo *); // true: it stops before the signal is delivered
bool ptrace_at_entry(struct task *);                             // of a system call
// In the middle of a system call: stops for an event that is due.
bool ptrace_at_event(struct task *);
// It is about to end with this status, as wait4 reports it: true: it stops first. by_signal: that is what it does when
// it goes on; otherwise its system call is run again.
bool ptrace_at_exit(struct task *, int status, bool by_signal);
void ptrace_event(struct task *, int event, uint64_t message); // is due, if the tracer asked for it
void ptrace_group(struct task *);                              // its process is stopped or goes on
void ptrace_killed(struct process *);                          // SIGKILL ends every stop
void ptrace_go_on(struct tracee *, enum ptrace_way, int sig);  // out of its stop
void ptrace_interrupt(struct tracee *);
void ptrace_left_syscall(struct task *);      // its result is in rax
void ptrace_stepped(struct task *, int code); // an instruction was executed alone: SIGTRAP with this si_code

// -- ptrace_regs.c. What moves to or from the tracer is at most REGSET_MAX bytes; the size, or a negative error
enum { REGSET_MAX = 832 };
struct lx_user_regs ptrace_regs(const struct task *);
int ptrace_set_regs(struct task *, const struct lx_user_regs *);
int ptrace_get_regset(const struct task *, unsigned type, uint8_t to[REGSET_MAX]);
int ptrace_set_regset(struct task *, unsigned type, const uint8_t *from, unsigned n); // n of the set's bytes are new
int ptrace_peek_user(const struct tracee *, uint64_t at, uint64_t *value);
int ptrace_poke_user(struct tracee *, uint64_t at, uint64_t value);
