// Reading a file of the host that does not change, a disk image: by calls at first; what is read again and again is
// copied from a mapping. One host thread at a time.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct host_piece {
    void *at;
    size_t n;
};
enum { HOST_PIECES = 17 }; // in one read at most

struct reader {
    int fd; // the caller's
    uint64_t bytes;
    uint8_t *heat;   // of each chunk: what reading it by calls has cost; NULL: all is read by calls
    uint8_t *mapped; // NULL: not yet
    uint32_t hot;    // chunks that are copied
};
void reader_open(struct reader *, int fd, uint64_t bytes);
void reader_close(struct reader *);
// Bytes from `at` on into the pieces, until they are full: how many bytes of them are filled now, or -errno. What lies
// behind the end of the file reads as zeros.
int64_t reader_read(struct reader *, uint64_t at, const struct host_piece *, unsigned n);
