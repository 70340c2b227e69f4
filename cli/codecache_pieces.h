// A file that is written from its beginning to its end, in pieces of up to 2 MiB, and in whole blocks of 64 KiB
// wherever something is put. The page cache of Linux holds what is written at once in large folios (ext4, XFS, btrfs):
// a page fault then maps 64 KiB, or 2 MiB, for about what a single page costs, and so does the end of the process.
#pragma once
#include <stdint.h>
#include <sys/types.h>

enum { PIECE_BYTES = 2 << 20, PIECE_BLOCK = 64 << 10 };

struct pieces {
    int fd, error; // the first error; nothing is written after it
    uint64_t at;   // of the piece that is being filled
    uint64_t end;  // of what was put last
    uint32_t put;  // by block: something was
    uint8_t *bytes;
};

void pieces_begin(struct pieces *, int fd);
void pieces_put(struct pieces *, uint64_t at, const void *, size_t n); // behind what was put before
int pieces_end(struct pieces *);                                       // 0 or errno

// How much of the file a range takes that is put as a whole, which begins at a block.
static inline uint64_t pieces_whole(uint64_t bytes)
{
    return (bytes + PIECE_BLOCK - 1) & ~(uint64_t)(PIECE_BLOCK - 1);
}
