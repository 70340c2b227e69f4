// 4 GiB of host address space for one guest address space, with guards; frames are mapped into it. See region.h for the
// layout.
#include "host/region.h"
#include <errno.h>
#include <sys/mman.h>

#define GIB           (1ull << 30)
#define GUARD_BELOW   (2 * GIB + (1ull << 20))
#define TABLE_OFFSET  (8 * GIB) // the guest's 4 GiB and the guard behind them
#define TABLE_BYTES   (32 * GIB)
#define RESERVE_ABOVE (TABLE_OFFSET + TABLE_BYTES)
#define ALIGN         (4 * GIB)

enum { NOTHING = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

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

uint64_t *region_table_new(uint8_t *region)
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

int region_map(uint8_t *region, uint32_t addr, uint32_t n, const struct ram *ram, uint32_t frame, int prot)
{
    uint64_t offset;
    int fd = ram_backing(ram, frame, &offset);
    if (fd < 0) return -EINVAL;
    void *p = mmap(region + addr, (size_t)n << 12, prot, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset);
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
