// Moving bytes between a file and whatever is behind an iob: see iob.h.
#include "vfs/iob.h"
#include "host/reader.h"
#include <string.h>

static size_t clip(const struct iob *io, size_t n)
{
    return n < io->left ? n : io->left;
}

static size_t moved(struct iob *io, size_t n)
{
    io->left -= n;
    io->done += n;
    return n;
}

size_t iob_put(struct iob *io, const void *from, size_t n)
{
    n = clip(io, n);
    return n ? moved(io, io->move(io, (void *)(uintptr_t)from, n, 1)) : 0;
}

size_t iob_get(struct iob *io, void *to, size_t n)
{
    n = clip(io, n);
    return n ? moved(io, io->move(io, to, n, 0)) : 0;
}

size_t iob_zero(struct iob *io, size_t n)
{
    static const uint8_t zeros[4096];
    size_t all = 0;
    for (n = clip(io, n); n > 0;) {
        size_t want = n < sizeof zeros ? n : sizeof zeros;
        size_t got = iob_put(io, zeros, want);
        all += got;
        n -= got;
        if (got < want) break;
    }
    return all;
}

void iob_moved(struct iob *io, size_t n)
{
    io->skip(io, n);
    moved(io, n);
}

static size_t mem_move(struct iob *io, void *buf, size_t n, int to_user)
{
    struct iob_mem *m = (struct iob_mem *)io;
    if (to_user)
        memcpy(m->at, buf, n);
    else
        memcpy(buf, m->at, n);
    m->at += n;
    return n;
}

static unsigned mem_pieces(struct iob *io, struct host_piece *p, unsigned max, size_t n, int to_user)
{
    (void)max, (void)to_user;
    *p = (struct host_piece){((struct iob_mem *)io)->at, n};
    return 1;
}

static void mem_skip(struct iob *io, size_t n)
{
    ((struct iob_mem *)io)->at += n;
}

void iob_mem_init(struct iob_mem *m, void *buf, size_t n)
{
    *m = (struct iob_mem){.io = {.left = n, .move = mem_move, .pieces = mem_pieces, .skip = mem_skip}, .at = buf};
}
