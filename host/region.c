// 4 GiB of host address space for one guest address space, with guards; frames are mapped into it. See region.h for the
// layout.
#include "host/region.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GIB           (1ull << 30)
#define GUARD_BELOW   (2 * GIB + (1ull << 20))
#define TABLE_OFFSET  (8 * GIB) // the guest's 4 GiB and the guard behind them
#define TABLE_BYTES   (16 * GIB + 4096)
#define RESERVE_ABOVE (TABLE_OFFSET + TABLE_BYTES)
#define ALIGN         (4 * GIB)
#define PIECE_BYTES   (4096ull * 4) // of the table, for a page of guest memory

enum { NOTHING = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };
enum { AT_ONCE = 64 }; // pages: so few are wanted now, and their faults would cost more

uint8_t *region_new(void)
{
    uint64_t bytes = GUARD_BELOW + RESERVE_ABOVE + ALIGN;
    uint8_t *p = mmap(NULL, bytes, PROT_NONE, NOTHING, -1, 0);
    if (p == MAP_FAILED) return NULL;
    uint8_t *r = (uint8_t *)(((uintptr_t)p + GUARD_BELOW + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
    uint8_t *lo = r - GUARD_BELOW, *hi = r + RESERVE_ABOVE;
    if (lo > p) munmap(p, (size_t)(lo - p));
    if (hi < p + bytes) munmap(hi, (size_t)(p + bytes - hi));
    return r;
}

void region_free(uint8_t *region)
{
    if (region) munmap(region - GUARD_BELOW, GUARD_BELOW + RESERVE_ABOVE);
}

uint32_t *region_table_new(uint8_t *region)
{
    void *p = mmap(region + TABLE_OFFSET, TABLE_BYTES, PROT_READ | PROT_WRITE, NOTHING | MAP_FIXED, -1, 0);
    if (p == MAP_FAILED) return NULL;
    (void)madvise(p, TABLE_BYTES, MADV_NOHUGEPAGE);
    (void)madvise(p, TABLE_BYTES, MADV_DONTDUMP);
    return p;
}

void region_table_clear(uint8_t *region)
{
    (void)madvise(region + TABLE_OFFSET, TABLE_BYTES, MADV_DONTNEED);
}

uint32_t *region_piece_new(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return NULL;
    (void)madvise(p, bytes, MADV_DONTDUMP);
    return p;
}

void region_piece_free(uint32_t *piece, size_t bytes)
{
    if (piece) munmap(piece, bytes);
}

void region_piece_clear(uint32_t *piece, size_t bytes)
{
    if (madvise(piece, bytes, MADV_REMOVE) != 0) memset(piece, 0, bytes);
}

static uint8_t *piece_place(uint8_t *region, uint32_t page)
{
    return region + TABLE_OFFSET + (uint64_t)page * PIECE_BYTES;
}

// mremap(2): an old size of 0 maps the same pages once more.
bool region_piece_show(uint8_t *region, uint32_t page, uint32_t npages, uint32_t *piece)
{
    void *to = piece_place(region, page);
    return mremap(piece, 0, (size_t)npages * PIECE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
}

bool region_piece_file(uint8_t *region, uint32_t page, uint32_t npages, int fd, uint64_t offset)
{
    void *to = piece_place(region, page);
    int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
    return mmap(to, (size_t)npages * PIECE_BYTES, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset) != MAP_FAILED;
}

// In the place of whole mappings, so that none is split and the host cannot run out of them.
void region_piece_hide(uint8_t *region, uint32_t page, uint32_t npages)
{
    void *to = piece_place(region, page);
    size_t bytes = (size_t)npages * PIECE_BYTES;
    if (mmap(to, bytes, PROT_READ | PROT_WRITE, NOTHING | MAP_FIXED, -1, 0) == MAP_FAILED) abort();
    (void)madvise(to, bytes, MADV_NOHUGEPAGE);
    (void)madvise(to, bytes, MADV_DONTDUMP);
}

int region_map(uint8_t *region, uint32_t addr, uint32_t n, const struct ram *ram, uint32_t frame, int prot)
{
    uint64_t offset;
    int fd = ram_backing(ram, frame, &offset);
    if (fd < 0) return -EINVAL;
    int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (n <= AT_ONCE ? MAP_POPULATE : 0);
    void *p = mmap(region + addr, (size_t)n << 12, prot, flags, fd, (off_t)offset);
    return p == MAP_FAILED ? -errno : 0;
}

int region_protect(uint8_t *region, uint32_t addr, uint32_t n, int prot)
{
    return mprotect(region + addr, (size_t)n << 12, prot) == 0 ? 0 : -errno;
}

int region_clear(uint8_t *region, uint32_t addr, uint64_t n)
{
    void *p = mmap(region + addr, (size_t)n << 12, PROT_NONE, NOTHING | MAP_FIXED, -1, 0);
    return p == MAP_FAILED ? -errno : 0;
}
