// Where a file's bytes go to or come from: guest memory (syscalls/uaccess.c) or a kernel buffer. A file operation moves
// bytes through it in pieces and never sees a guest pointer.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct host_piece;
struct iob {
    size_t left; // bytes still to move
    size_t done; // bytes moved so far
    size_t (*move)(struct iob *, void *buf, size_t n,
                   int to_user); // moves up to n; fewer means the memory ended (EFAULT)
    // Where the next bytes go to or come from, at most n of them in at most max pieces of host memory, for who can move
    // them at once: how many pieces. They are good until anything else is done with the guest's memory. 0: the memory
    // ended, as when move moves nothing. Absent: move must do it.
    unsigned (*pieces)(struct iob *, struct host_piece *, unsigned max, size_t n, int to_user);
    void (*skip)(struct iob *, size_t n); // over so many bytes of the pieces
};

// Move up to min(n, left) bytes between buf and the other side. Returns the bytes moved; less than min(n, left) means a
// fault there.
size_t iob_put(struct iob *, const void *from, size_t n); // file -> user (reads)
size_t iob_get(struct iob *, void *to, size_t n);         // user -> file (writes)
size_t iob_zero(struct iob *, size_t n);                  // n zero bytes to the user
// The first n bytes of the pieces have been moved.
void iob_moved(struct iob *, size_t n);

struct iob_mem {
    struct iob io;
    uint8_t *at;
}; // a kernel buffer
void iob_mem_init(struct iob_mem *, void *buf, size_t n);
