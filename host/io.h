// Host descriptors that the embedder gave us for the program's standard streams and for files put in and got out.
// They may be shared with other processes, so their flags stay as they are: readiness is asked first, then a blocking
// call moves what fits.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_IN = 1, HOST_OUT = 2 };

struct host_pollfd {
    int fd;
    unsigned want, ready;
}; // HOST_*; an error or hang-up makes what is wanted ready
int host_poll(struct host_pollfd *, unsigned n,
              int64_t timeout_ns); // -1: no limit. The number ready; 0 also when a signal came
bool host_ready(int fd, unsigned want);

int64_t host_read(int fd, void *to, size_t n);              // bytes, 0 at the end, -errno. Goes on after EINTR
int64_t host_write_all(int fd, const void *from, size_t n); // n or -errno
size_t host_write_room(int fd);       // bytes that a write can take at once when ready: files more than pipes

// Wakes host_poll from other threads and signal handlers.
struct host_wake {
    int r, w;
};
int host_wake_open(struct host_wake *);
void host_wake_close(struct host_wake *);
void host_wake_ring(const struct host_wake *); // async-signal-safe
void host_wake_drain(const struct host_wake *);

// A broken pipe is an error code here, never a signal: call around a run, in the thread that writes.
struct host_sigpipe {
    uint8_t saved[128];
    bool was_pending;
};
void host_sigpipe_block(struct host_sigpipe *);
void host_sigpipe_restore(const struct host_sigpipe *);
