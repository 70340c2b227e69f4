// Memory that a program knows by addresses of 4 GiB and above.
//
// Guest addresses are 32 bits wide, and a hint to mmap is only a hint: what lies above 4 GiB gets a place below. Most
// programs take it (Go, V8, the Java and Mono run-time systems). Some have a use for large addresses themselves and ask
// until they get one: GHC's run-time system tells heap from static data by comparing with 8 GiB, gives back what it
// gets below, and asks again for a little more. So who has given such a reservation back, and asks for one of the same
// size above again, gets the names it wants: the place is below 4 GiB as ever, and the address that it is told has the
// upper half of its hint, or one that is nearer. The CPU ignores upper halves anyway (direct back end) or takes this
// one (checked).
//
// A process has one such upper half for its life (mem.high). The kernel takes it off at its doors, with mem_low; what
// it tells (mmap, mremap, si_addr, /proc/PID/maps) has it where the mapping was made by it (VMA_HIGH). Code there does
// not run: it would have two addresses.
#include "syscalls/mm.h"

enum {
    USER_BITS = 47, // of an address, x86-64 with four levels of tables
    HIGH_MOST = 4 * MEM_NAMES - 1,
    IS_FIXED = LX_MAP_FIXED | LX_MAP_FIXED_NOREPLACE
};

// A reservation, without a file or access, wherever the program may want it.
static bool is_reservation(const struct mm_map *m)
{
    return !(m->flags & (IS_FIXED | LX_MAP_SHARED)) && !m->file && !m->prot && m->addr >= MEM_TOP &&
           m->addr >> USER_BITS == 0;
}

// That of the hint, unless it is too large for probes or may be a name's (mm_wide.c), which the largest never is.
static uint32_t upper_half(const struct mem *mem, gaddr hint)
{
    return hint >> 32 < HIGH_MOST && !mem->probe ? (uint32_t)(hint >> 32) : HIGH_MOST;
}

bool mm_goes_high(struct mm *mm, const struct mm_map *m, uint32_t npages)
{
    if (m->addr < MEM_TOP) return false;
    if (mem_low(mm->mem, m->addr) < MEM_TOP)
        return m->flags & IS_FIXED || (m->addr >> 32 == mm->mem->high && !(m->prot & LX_PROT_EXEC));
    bool again = mm->nrefused == npages && mm_range_free(mm, mm->refused, npages);
    if (!is_reservation(m) || !again) return false;
    if (!mm->mem->high) mm->mem->high = upper_half(mm->mem, m->addr);
    mm_probe_high(mm);
    return true;
}

void mm_note_place(struct mm *mm, const struct mm_map *m, uint32_t page, uint32_t npages)
{
    if (!is_reservation(m)) return;
    mm->refused = page;
    mm->nrefused = npages;
}

gaddr vma_shown(const struct vma *v, uint32_t page)
{
    const struct mem *mem = v->mm->mem;
    gaddr name = v->flags & VMA_HIGH ? mem_name_of(mem, page) : 0;
    gaddr upper = v->flags & VMA_HIGH && !name ? (gaddr)mem->high << 32 : name;
    return upper | (gaddr)page << PAGE_SHIFT;
}

gaddr mm_shown(const struct mm *mm, gaddr addr)
{
    const struct vma *v = addr < MEM_TOP ? vma_at(mm, (uint32_t)(addr >> PAGE_SHIFT)) : NULL;
    return v ? vma_shown(v, (uint32_t)(addr >> PAGE_SHIFT)) + (addr & (PAGE_BYTES - 1)) : addr;
}
