// Between the files that make up signals: signal.c, signal_frame.c, sys_signal.c.
#pragma once
#include "syscalls/kernel.h"

enum { USER_CS = 0x33, USER_SS = 0x2b }; // the selectors that programs run with

// The next signal among `accepted` is taken from its queue: its number, 0 none. from: for signal_requeue, when it could
// not be handed over.
int signal_dequeue(struct task *, uint64_t accepted, struct lx_siginfo *, struct sigpending **from);
bool signal_waiting(const struct task *, uint64_t accepted); // signal_dequeue would find one
// An expired timer's signal, to its process or (t) thread. While an earlier one of the same timer waits, which it can
// only if maybe_waiting, only that one's overrun grows by `more` and this one. Whether one waits now.
bool signal_send_timer(struct process *, struct task *t, const struct lx_siginfo *, uint64_t more, bool maybe_waiting);
void signal_requeue(struct sigpending *, const struct lx_siginfo *);
uint64_t signal_frame_max(const struct task *); // bytes of a frame at most: AT_MINSIGSTKSZ
// Builds the frame on the guest's stack and points the registers at the handler. -LX_EFAULT, -LX_EPARK: nothing has
// changed.
int signal_frame_push(struct task *, const struct lx_siginfo *, const struct lx_sigaction *);
