// See codecache_pieces.h.
#include "cli/codecache_pieces.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(PIECE_BYTES / PIECE_BLOCK == 8 * sizeof(uint32_t), "a bit for each block");

void pieces_begin(struct pieces *p, int fd)
{
    void *bytes = NULL;
    int error = posix_memalign(&bytes, 4096, PIECE_BYTES);
    if (!error) memset(bytes, 0, PIECE_BYTES);
    *p = (struct pieces){.fd = fd, .error = error, .bytes = bytes};
}

static void write_run(struct pieces *p, uint64_t at, const uint8_t *from, size_t n)
{
    while (n && !p->error) {
        ssize_t put = pwrite(p->fd, from, n, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) {
            p->error = put < 0 ? errno : ENOSPC;
            return;
        }
        from += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
}

static void flush(struct pieces *p)
{
    while (p->put) {
        unsigned first = (unsigned)__builtin_ctz(p->put), n = 0;
        while (first + n < 32 && p->put >> (first + n) & 1) p->put &= ~(1u << (first + n++));
        size_t off = (size_t)first * PIECE_BLOCK, bytes = (size_t)n * PIECE_BLOCK;
        write_run(p, p->at + off, p->bytes + off, bytes);
        memset(p->bytes + off, 0, bytes);
    }
}

void pieces_put(struct pieces *p, uint64_t at, const void *data, size_t n)
{
    const uint8_t *from = data;
    if (at < p->end && !p->error) p->error = EINVAL; // a block that was written already would be lost
    while (n && !p->error) {
        uint64_t piece = at & ~(uint64_t)(PIECE_BYTES - 1);
        if (piece != p->at) flush(p);
        p->at = piece;
        size_t off = (size_t)(at - piece), room = PIECE_BYTES - off, part = n < room ? n : room;
        memcpy(p->bytes + off, from, part);
        for (size_t b = off / PIECE_BLOCK; b <= (off + part - 1) / PIECE_BLOCK; b++) p->put |= 1u << b;
        from += part;
        n -= part;
        p->end = at += part;
    }
}

int pieces_end(struct pieces *p)
{
    if (!p->error) flush(p);
    free(p->bytes);
    p->bytes = NULL;
    return p->error;
}
