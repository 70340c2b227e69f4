// Where a mapping goes when its caller leaves that to the kernel: mm_place. See mm.h for the map of the 4 GiB.
//
// Files are placed by what they are, not by when they are mapped: the translations of a library's code are of use to
// all programs that have it at the same address.
#include "syscalls/mm.h"

// Large files have a part of their own, since they would be in the way of many small ones.
enum {
    STEP = 16, // pages from one place for files to the next: 64 KiB
    LARGE = 512,
    LARGE_LO = 0x30000,                    // 768 MiB
    LARGEST = (MM_FILE_HI - LARGE_LO) / 2, // those beyond go where anything goes
};

bool mm_range_free(const struct mm *mm, uint32_t start, uint32_t npages)
{
    unsigned i = vma_index_from(mm, start);
    return i == mm->nvma || mm->vma[i]->start >= start + npages;
}

// The highest free place below hi, 0: none.
static uint32_t find_down(const struct mm *mm, uint32_t npages, uint32_t lo, uint32_t hi)
{
    uint32_t top = hi;
    for (unsigned i = vma_index_from(mm, hi);; i--) {
        if (i < mm->nvma && mm->vma[i]->start < top)
            top = mm->vma[i]->start; // vmas from here up are too high, or bound the gap
        uint32_t bottom = i ? mm->vma[i - 1]->end : 0;
        if (bottom < lo) bottom = lo;
        if (top > bottom && top - bottom >= npages) return top - npages;
        if (!i || top <= lo) return 0;
    }
}

// The lowest free place for files from lo on, 0: none.
static uint32_t find_file_up(const struct mm *mm, uint32_t npages, uint32_t lo)
{
    unsigned i = vma_index_from(mm, lo);
    for (; lo + npages <= MM_FILE_HI; i++) {
        if (i == mm->nvma || mm->vma[i]->start >= lo + npages) return lo;
        lo = (mm->vma[i]->end + STEP - 1) / STEP * STEP;
    }
    return 0;
}

// The upper bits of a multiple of the golden ratio: numbers that follow each other, as those of the libraries in one
// directory of an image do, lie far apart (Knuth, The Art of Computer Programming 3, 6.4).
static uint32_t place_file(const struct mm *mm, const struct inode *inode, uint32_t npages)
{
    uint32_t hash = (uint32_t)(inode->ino * 0x9e3779b1u) + inode->fs->dev * 0x85ebca6bu;
    uint32_t lo = npages > LARGE ? LARGE_LO : MM_FILE_LO, hi = npages > LARGE ? MM_FILE_HI : LARGE_LO;
    uint32_t step = (uint32_t)((uint64_t)hash * ((hi - lo) / STEP) >> 32);
    uint32_t at = find_file_up(mm, npages, lo + step * STEP);
    return at ? at : find_file_up(mm, npages, MM_FILE_LO);
}

uint32_t mm_place(const struct mm *mm, uint32_t npages, const struct inode *file, unsigned flags)
{
    uint32_t top = MM_STACK_TOP - mm->stack_limit - 256;
    bool by_file = file && !(flags & LX_MAP_SHARED) && npages <= LARGEST;
    uint32_t at = by_file ? place_file(mm, file, npages) : 0;
    if (flags & LX_MAP_32BIT && top > MM_LOW_TOP) top = MM_LOW_TOP;
    if (!at) at = find_down(mm, npages, MM_EXEC_BASE, top);
    return at ? at : find_down(mm, npages, MM_MIN_PAGE, top);
}
