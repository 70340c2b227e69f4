// What the worker and the broker say to each other, over a socketpair that keeps packets apart (SOCK_SEQPACKET). The
// worker may be in the guest's hands: the broker takes a message for what it is allowed to say at that point and for
// nothing else (broker.c).
//
//   worker                                broker
//   SAY_PUT, for each --put in turn       struct channel_file; then the bytes in packets, and an empty one
//   SAY_OUTPUT, once, if there is a     an empty packet, when the line is gone
//   line of progress
//   SAY_END, the box has ended
//   SAY_SAVED, with --delta, once what
//   the box wrote is kept, or cannot be
//   SAY_GET, for each --get in turn       struct channel_file; then the worker sends the bytes in packets, an empty
//   one, SAY_GOT                               and how it went SAY_FAILED, instead of any of them    the worker is done
//
// Signals for the box come as channel_signal's: those of the terminal reach the worker too, since it is in the same
// process group, and must not count twice. (A number each, since what sigqueue(3) carries is subject to
// RLIMIT_SIGPENDING.)
#pragma once
#include "belljar.h"
#include <signal.h>

enum channel_say { SAY_PUT, SAY_OUTPUT, SAY_END, SAY_SAVED, SAY_GET, SAY_GOT, SAY_FAILED };
enum { CHANNEL_PACKET = 65536 };

// Of one up to SIGWINCH; below the ticks of host/fault.c.
static inline int channel_signal(int sig)
{
    return SIGRTMIN + sig;
}

struct channel_message {
    uint32_t say;                 // enum channel_say
    uint32_t code;                // SAY_FAILED, SAY_SAVED, SAY_GOT: enum belljar_code
    struct belljar_result result; // SAY_END
    char text[600];               // SAY_FAILED, SAY_SAVED, SAY_GOT: one line
};

struct channel_file {
    uint32_t good; // 0: the broker could not open it, and has said so
    uint32_t mode; // of a file put
};

int channel_send(int fd, const void *, size_t n); // 0; negative: the other side is gone
// The size of the packet: n or less, longer ones are cut. 0: an empty one, or the other side is gone. Negative: error.
ptrdiff_t channel_take(int fd, void *, size_t n);
