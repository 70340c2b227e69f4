// Zeroed memory by the page; see pages.h.
#include "host/pages.h"
#include <string.h>
#include <sys/mman.h>

void *pages_new(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void pages_free(void *p, size_t bytes)
{
    if (p) munmap(p, bytes);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // Linux 5.14
#endif

void pages_ready(void *p, size_t bytes)
{
    (void)madvise(p, bytes, MADV_POPULATE_WRITE);
}

void pages_zero(void *p, size_t bytes)
{
    if (madvise(p, bytes, MADV_DONTNEED) != 0) memset(p, 0, bytes);
}
