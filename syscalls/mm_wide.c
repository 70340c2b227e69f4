// Reservations of more memory than there are addresses for.
//
// V8 reserves 10 GiB for each WebAssembly memory, without access, and lets its code compute addresses in them from an
// index of 32 bits and an offset: what lies behind the memory's end, or before its start, faults and needs no check.
// All that a program will ever use of such a reservation fits below 4 GiB. So it gets a name: an address whose upper
// half says which reservation it is, and whose lower half is that of a place below 4 GiB. The CPU ignores upper halves,
// so an address in the place reaches it. One behind it must fault, and would alias something else instead.
//
// That is what probes are for (mem.probe): code that is not a file's, as is all that V8 makes, looks before each access
// at a byte that can be read if the 16 MiB around the address are memory or may become it: an instruction to shift the
// address, and a load. If it faults the interpreter does the instruction, and it knows names exactly. Code of files is
// not changed: what a program's own functions do with such memory stays within its bounds.
//
// A probe is for where an access begins. So behind a name there is a page that is nobody's, for those that begin in it
// and do not end there.
//
// Where in its reservation a program will want memory is not known: V8 keeps a guard of 2 GiB before it, as far as a
// negative index reaches. So it is the start at first; who wants it elsewhere gets ENOMEM there, and the next
// reservation, which V8 tries when it has given the first one back, has its memory where it was wanted, and as much.
// What a program makes accessible beyond is ENOMEM.
//
// Only who insists gets a name: many programs ask for much and then for less, and are better off with less. So the
// first request for a size is refused, and the next one, if it is for the same size, is not.
#include "syscalls/mm.h"
#include "cpu/code.h"

enum {
    GRANULE = 1 << (24 - PAGE_SHIFT), // pages: 16 MiB, of which a probe has a page
    PROBES = 1 << 16,                 // pages of probes: for addresses below 1 TiB
    BELOW = 256,                      // those of the addresses below 4 GiB
    MOST = 64 * GRANULE,              // that a name has at most
    KEPT = 48 * GRANULE,              // left for all else
    IS_FIXED = LX_MAP_FIXED | LX_MAP_FIXED_NOREPLACE
};
#define LARGEST (12ull << 30) // bytes, of a reservation, which may begin 4 GiB into what its name claims

static int insert(struct mm *mm, uint32_t page, uint32_t npages, unsigned prot, uint32_t flags)
{
    struct vma v = {
        .start = page, .end = page + npages, .prot = (uint8_t)prot, .flags = LX_MAP_NORESERVE | flags, .mm = mm};
    return vma_insert(mm, &v);
}

static int set_probes(struct mm *mm, uint32_t first, uint32_t n, unsigned prot)
{
    uint32_t page = mm->mem->probe + first;
    int err = vma_clear(mm, page, page + n);
    return err ? err : insert(mm, page, n, prot, 0);
}

void mm_probe_high(struct mm *mm)
{
    struct mem *mem = mm->mem;
    // Without, whoever uses such an address is slow, and no worse.
    if (mem->probe && mem->high) (void)set_probes(mm, mem->high * BELOW, BELOW, LX_PROT_READ);
}

static int open_probes(struct mm *mm)
{
    if (mm->mem->probe) return 0;
    uint32_t page = mm_place(mm, PROBES, NULL, 0);
    if (!page || insert(mm, page, PROBES, 0, 0)) return -LX_ENOMEM;
    mm->mem->probe = page;
    int err = set_probes(mm, 0, BELOW, LX_PROT_READ);
    if (err) mm->mem->probe = 0;
    if (err) return err;
    mm_probe_high(mm);
    code_check(mm->code);
    if (mm->tier) mm->box->tier.named(mm->box->tier.ctx, mm->tier);
    return 0;
}

// The upper end of the largest gap, but for a page at least: a quarter of what is more there than the program will want
// for itself. A program that makes one memory after the other, as V8 does until it collects garbage, is refused before
// nothing is left. What has been asked for in vain it gets if it is there at all.
static uint32_t find_room(const struct mm *mm, uint32_t *npages)
{
    uint32_t least = mm->wants_pages > GRANULE ? (mm->wants_pages + GRANULE - 1) / GRANULE * GRANULE : GRANULE;
    for (*npages = MOST; *npages > least; *npages /= 2) {
        uint32_t all = KEPT + 4 * *npages, page = mm_place(mm, all + GRANULE, NULL, 0);
        if (page) return (page + all - *npages + GRANULE - 1) / GRANULE * GRANULE;
    }
    *npages = least;
    uint32_t page = least < MEM_PAGES / 2 ? mm_place(mm, KEPT + least + GRANULE, NULL, 0) : 0;
    return page ? (page + KEPT + GRANULE - 1) / GRANULE * GRANULE : 0;
}

static unsigned free_name(const struct mem *mem)
{
    for (unsigned k = 1; k < MEM_NAMES - 1; k++) // the last may be mem.high's
        if (!mem->name[k].npages && mem->high >> 2 != k) return k;
    return 0;
}

static int probe_name(struct mm *mm, const struct mem_name *n, unsigned prot)
{
    return set_probes(mm, (uint32_t)(n->start >> 24), n->npages / GRANULE, prot);
}

static uint32_t low_page(const struct mem_name *n)
{
    return (uint32_t)n->start >> PAGE_SHIFT;
}

static int insert_pages(struct mm *mm, const struct mem_name *n)
{
    uint32_t end = low_page(n) + n->npages;
    int err = insert(mm, low_page(n), n->npages, 0, VMA_HIGH);
    if (!err && (err = insert(mm, end, 1, 0, 0))) (void)vma_clear(mm, low_page(n), end);
    return err;
}

static int clear_pages(struct mm *mm, const struct mem_name *n)
{
    return vma_clear(mm, low_page(n), low_page(n) + n->npages + 1);
}

static int64_t reserve(struct mm *mm)
{
    int err = open_probes(mm);
    if (err) return err;
    unsigned k = free_name(mm->mem);
    struct mem_name *n = &mm->mem->name[k], made;
    gaddr low = (gaddr)find_room(mm, &made.npages) << PAGE_SHIFT;
    if (!k || !low) return -LX_ENOMEM;
    gaddr base = ((gaddr)k << MEM_NAME_SHIFT) + (uint32_t)(low - mm->wants_at);
    made.start = base + mm->wants_at;
    if (made.start + ((gaddr)made.npages << PAGE_SHIFT) > (gaddr)(k + 1) << MEM_NAME_SHIFT) return -LX_ENOMEM;
    *n = made;
    if (!(err = insert_pages(mm, n))) {
        mm->wants_pages = 0;
        if (!(err = probe_name(mm, n, LX_PROT_READ))) return (int64_t)base;
        (void)clear_pages(mm, n); // nothing else can be there
    }
    n->npages = 0;
    return err;
}

// Has the program made anything of it accessible? Then that is where it wanted it, and what is refused is more of it.
static bool is_used(const struct mm *mm, const struct mem_name *n)
{
    const struct vma *v = vma_at(mm, low_page(n));
    return !v || v->prot || v->end < low_page(n) + n->npages;
}

void mm_wide_wanted(struct mm *mm, gaddr addr, uint64_t len)
{
    const struct mem_name *n = mem_claimed(mm->mem, addr) ? &mm->mem->name[addr >> MEM_NAME_SHIFT] : NULL;
    gaddr base = n ? n->start - mm->wants_at : 0, low = mem_low(mm->mem, addr);
    if (!n || addr < base || (low < MEM_TOP && len <= mem_low_end(mm->mem, addr, low) - low)) return;
    if (low >= MEM_TOP && is_used(mm, n)) return;
    if (low >= MEM_TOP && (addr - base) % (GRANULE * PAGE_BYTES) == 0) mm->wants_at = addr - base;
    if (low >= MEM_TOP || addr == n->start)
        mm->wants_pages = len < MEM_TOP ? (uint32_t)((len + PAGE_BYTES - 1) >> PAGE_SHIFT) : MEM_PAGES;
}

int64_t mm_wide_reserve(struct mm *mm, const struct mm_map *m)
{
    bool may = !mm->tier || mm->box->tier.named;
    if (!may || m->flags & (IS_FIXED | LX_MAP_SHARED) || m->file || m->prot || m->len > LARGEST) return -LX_ENOMEM;
    bool again = mm->insists == m->len;
    mm->insists = m->len;
    return again ? reserve(mm) : -LX_ENOMEM;
}

uint64_t mm_wide_clip(const struct mm *mm, gaddr addr, uint64_t len)
{
    gaddr low = mem_low(mm->mem, addr), top = mem_low_end(mm->mem, addr, low);
    gaddr claim = ((addr >> MEM_NAME_SHIFT) + 1) << MEM_NAME_SHIFT;
    bool clipped = low != addr && mem_claimed(mm->mem, addr) && len <= claim - addr && len > top - low;
    return clipped ? top - low : len;
}

int mm_wide_unmap(struct mm *mm, gaddr addr, uint64_t len)
{
    gaddr k = addr >> MEM_NAME_SHIFT, end;
    struct mem_name *n = &mm->mem->name[k];
    gaddr lo = n->start, hi = lo + ((gaddr)n->npages << PAGE_SHIFT), off = lo - (uint32_t)lo;
    bool odd = addr & (PAGE_BYTES - 1) || !len;
    if (odd || __builtin_add_overflow(addr, len, &end) || end > (k + 1) << MEM_NAME_SHIFT) return -LX_EINVAL;
    end = (end + PAGE_BYTES - 1) & -(gaddr)PAGE_BYTES;
    if (addr > lo) lo = addr;
    if (end < hi) hi = end;
    int err = lo < hi ? vma_clear(mm, (uint32_t)((lo - off) >> PAGE_SHIFT), (uint32_t)((hi - off) >> PAGE_SHIFT)) : 0;
    if (err || !mm_range_free(mm, low_page(n), n->npages)) return err;
    err = probe_name(mm, n, 0);
    if (!err) err = clear_pages(mm, n);
    if (!err) n->npages = 0;
    return err;
}
