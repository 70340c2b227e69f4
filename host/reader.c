// Reading a file by calls or by copying: see reader.h.
//
// A call takes ten times as long as copying a page, and more than twice as long for 64 KiB. But to touch a page for the
// first time costs as much as some calls, and then counts as resident memory. So a chunk is copied once calls for it
// have cost twice what touching all of it does (2,250 ns; costs here are in units of 80 ns). The mapping is not the one
// that shows frames (ram.c): what is not in memory any more comes back with what lies around it.
#include "host/reader.h"
#include "host/fault.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum {
    CHUNK = 65536, // what Linux maps around a fault
    CALL_COST = 8,
    PAGE_COST = 1,
    HOT = 56,
    MOST_HOT = 1024, // 64 MiB may be resident for this; then all chunks begin anew
};

static uint64_t chunks(const struct reader *r)
{
    return (r->bytes + CHUNK - 1) / CHUNK;
}

void reader_open(struct reader *r, int fd, uint64_t bytes)
{
    *r = (struct reader){.fd = fd, .bytes = bytes};
    r->heat = calloc(chunks(r), 1);
}

void reader_close(struct reader *r)
{
    free(r->heat);
    if (r->mapped) munmap(r->mapped, r->bytes);
    *r = (struct reader){.fd = -1};
}

static void only_calls(struct reader *r)
{
    free(r->heat);
    r->heat = NULL;
}

static void begin_anew(struct reader *r)
{
    memset(r->heat, 0, chunks(r));
    r->hot = 0;
    if (r->mapped) (void)madvise(r->mapped, r->bytes, MADV_DONTNEED);
}

// True: all chunks of it are hot. The others are warmer now.
static bool is_hot(struct reader *r, uint64_t at, size_t n)
{
    bool all = true;
    if (!r->heat || n == 0 || at >= r->bytes || n > r->bytes - at) return false;
    for (uint64_t c = at / CHUNK; c <= (at + n - 1) / CHUNK; c++) {
        if (r->heat[c] >= HOT) continue;
        uint64_t from = c * CHUNK < at ? at : c * CHUNK, to = (c + 1) * CHUNK < at + n ? (c + 1) * CHUNK : at + n;
        r->heat[c] = (uint8_t)(r->heat[c] + CALL_COST + (to - from) / 4096 * PAGE_COST);
        r->hot += r->heat[c] >= HOT;
        all = false;
    }
    if (r->hot > MOST_HOT) begin_anew(r);
    return all;
}

static bool map(struct reader *r)
{
    if (r->mapped) return true;
    if (host_fault_install() != 0) return false;
    void *p = mmap(NULL, r->bytes, PROT_READ, MAP_SHARED, r->fd, 0);
    if (p != MAP_FAILED) r->mapped = p;
    return p != MAP_FAILED;
}

// Not inlined into the function that faults return to: nothing that setjmp may clobber lives there.
__attribute__((noinline)) static void copy(const uint8_t *from, const struct host_piece *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(p[i].at, from, p[i].n);
        from += p[i].n;
    }
}

// False: there was a fault, as when the file has been cut short or cannot be read (SIGBUS).
static bool copy_guarded(const uint8_t *from, const struct host_piece *p, unsigned n)
{
    struct host_fault guard; // not cleared: its buffer for sigsetjmp takes longer than all the rest
    guard.lo = 0;
    guard.hi = UINTPTR_MAX;
    guard.tick = NULL;
    guard.divert = NULL;
    struct host_fault *outer = host_fault_enter(&guard);
    bool faulted = sigsetjmp(guard.env, 0) != 0;
    if (!faulted) copy(from, p, n);
    host_fault_leave(outer);
    return !faulted;
}

static int64_t call(const struct reader *r, uint64_t at, const struct host_piece *p, unsigned n)
{
    struct iovec to[HOST_PIECES];
    ssize_t got;
    for (unsigned i = 0; i < n; i++) to[i] = (struct iovec){p[i].at, p[i].n};
    do {
        got = preadv(r->fd, to, (int)n, (off_t)at);
    } while (got < 0 && errno == EINTR);
    if (got != 0) return got < 0 ? -errno : got;
    memset(p[0].at, 0, p[0].n); // the tail of the last page
    return (int64_t)p[0].n;
}

int64_t reader_read(struct reader *r, uint64_t at, const struct host_piece *p, unsigned n)
{
    size_t all = 0;
    for (unsigned i = 0; i < n; i++) all += p[i].n;
    if (is_hot(r, at, all)) {
        if (map(r) && copy_guarded(r->mapped + at, p, n)) return (int64_t)all;
        only_calls(r);
    }
    return call(r, at, p, n);
}
