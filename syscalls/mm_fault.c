// Pages on demand: what mm_fault and uaccess do when a page is absent or not yet writable. See mm.h for how pages are
// held.
#include "syscalls/mm.h"
#include <string.h>

// Pages brought in together: when they are at hand (64 KiB, Linux's fault-around); where they may well not be wanted;
// where memory is touched in order (a fault takes as long as clearing some ten pages); and pages of an image, which
// need nothing but an entry in the table: the host brings them in when they are touched, for a fifth of what a fault
// costs that comes to us.
enum { AROUND = 16, FEW = 8, ONWARD = 64, ALONG = 512 };

// ---------------------------------------------------------------- anonymous memory

// The run of absent pages around `page`, inside the vma and its aligned window. Memory that is touched in order gets
// whole windows, a lone touch little.
static void absent_run(const struct vma *v, uint32_t page, uint32_t *first, uint32_t *n)
{
    struct mem *mem = v->mm->mem;
    bool sequential = page > v->start && mem_pte(mem, page - 1);
    uint32_t window = sequential ? ONWARD : FEW;
    uint32_t lo = page & ~(window - 1), hi = lo + window;
    if (lo < v->start) lo = v->start;
    if (hi > v->end) hi = v->end;
    uint32_t from = page, to = page + 1;
    while (from > lo && !mem_pte(mem, from - 1)) from--;
    while (to < hi && !mem_pte(mem, to)) to++;
    *first = from;
    *n = to - from;
}

// n frames, or 0. When the box is at its limit, cached file pages that can be read again give way.
static uint32_t take_frames(struct box *box, uint32_t n, bool zero)
{
    uint32_t frame = ram_alloc(&box->ram, n, zero);
    return frame || !vfs_reclaim(box->vfs) ? frame : ram_alloc(&box->ram, n, zero);
}

static void note_touch(struct mm *mm, uint32_t page)
{
    if (page < mm->small_first || page >= mm->small_end) return;
    mm->small_touched++;
    mm->small_end = 0;
}

// Zeros for [first, first + n), or at least for `page`.
static int give_zeros(struct vma *v, uint32_t page, uint32_t first, uint32_t n)
{
    uint32_t frame = take_frames(v->mm->box, n, true);
    if (!frame) {
        first = page;
        n = 1;
        frame = take_frames(v->mm->box, 1, true);
    }
    return frame ? mem_map(v->mm->mem, first, n, frame, vma_mem_prot(v)) : -LX_ENOMEM;
}

static int fault_anonymous(struct vma *v, uint32_t page)
{
    uint32_t first, n;
    note_touch(v->mm, page);
    absent_run(v, page, &first, &n);
    return give_zeros(v, page, first, n);
}

// A process that has touched its small mappings right after it made them is taken to go on so: the pages of the next
// ones come with mmap, which saves a fault of each; that costs as much as mmap itself. No more pages than the fault
// would bring, and when there are no frames, the fault finds out.
void mm_expect_touch(struct mm *mm, const struct vma *made)
{
    enum { OFTEN = 16 };
    uint32_t n = made->end - made->start, no = LX_MAP_SHARED | LX_MAP_NORESERVE | LX_MAP_GROWSDOWN;
    if (made->inode || n > FEW || made->flags & no || !(made->prot & LX_PROT_WRITE)) return;
    if (mm->small_touched < OFTEN) {
        mm->small_first = made->start;
        mm->small_end = made->end;
        return;
    }
    uint32_t frame = ram_alloc(&mm->box->ram, n, true);
    if (frame) mem_map(mm->mem, made->start, n, frame, vma_mem_prot(made));
}

// ---------------------------------------------------------------- files

// Pages [first, first + n) of a vma, and the frames behind them, one after the other from `frame` on.
struct run {
    uint32_t first, n, frame;
};

// Is the page yet to be shown, and this frame what the file has there? Without waiting.
static bool waits_for(const struct vma *v, uint32_t page, uint32_t frame)
{
    struct vfs *vfs = v->mm->box->vfs;
    uint32_t found;
    if (mem_pte(v->mm->mem, page)) return false;
    vfs->probing = true;
    int err = inode_page(v->inode, (uint32_t)(v->pgoff + (page - v->start)), false, &found);
    vfs->probing = false;
    if (err) return false;
    if (found == frame) return true;
    ram_unref(&v->mm->box->ram, found);
    return false;
}

// Is it this frame of an image that a private page shows, or would show?
static bool is_still(const struct vma *v, uint32_t page, uint32_t frame)
{
    pte_t p = mem_pte(v->mm->mem, page);
    if (!ram_is_file(frame)) return false;
    return p ? p & MEM_COW && pte_frame(p) == frame : waits_for(v, page, frame);
}

// Where 64 KiB of an image lie, and which 16 of them are here, is chance when they came over the network, and how many
// faults there were can be seen.
static bool is_chance(const struct vma *v, uint32_t frame, uint32_t next)
{
    enum { TOGETHER = 4 };
    return v->mm->box->deterministic && ram_is_file(frame) && frame / TOGETHER != next / TOGETHER;
}

// Grows a run of one page within its aligned window, as far as `belongs`.
static void grow(struct run *r, const struct vma *v, uint32_t window,
                 bool (*belongs)(const struct vma *, uint32_t page, uint32_t frame))
{
    uint32_t lo = r->first & ~(window - 1), hi = lo + window;
    if (lo < v->start) lo = v->start;
    if (hi > v->end) hi = v->end;
    for (; r->first + r->n < hi; r->n++) {
        uint32_t next = r->frame + r->n;
        if (is_chance(v, next - 1, next) || !belongs(v, r->first + r->n, next)) break;
    }
    for (; r->first > lo && !is_chance(v, r->frame, r->frame - 1); r->n++) {
        if (!belongs(v, r->first - 1, r->frame - 1)) break;
        r->first--;
        r->frame--;
    }
}

// Through the region: the host then maps the frames once.
static int fill_shown(struct mem *mem, const struct run *r, uint32_t frame)
{
    void *to = mem_host(mem, r->first << PAGE_SHIFT, MEM_W);
    if (!ram_read(mem->ram, r->frame, 0, to ? to : ram_ptr(mem->ram, frame), (size_t)r->n * PAGE_BYTES)) return 0;
    mem_unmap(mem, r->first, r->n);
    return -LX_EIO;
}

// Private copies instead of a run.
static int copy_run(struct vma *v, const struct run *r)
{
    struct mem *mem = v->mm->mem;
    struct ram *ram = &v->mm->box->ram;
    uint32_t frame = take_frames(v->mm->box, r->n, false);
    if (!frame) return -LX_ENOMEM;
    bool filled = ram_copy(ram, frame, r->frame, r->n);
    ram_ref(ram, r->frame); // the page may hold the last one, of one
    int err = mem_map(mem, r->first, r->n, frame, vma_mem_prot(v));
    if (!err && !filled) err = fill_shown(mem, r, frame);
    ram_unref(ram, r->frame);
    return err;
}

static bool is_copy(const struct vma *v, uint32_t page)
{
    pte_t p = page >= v->start && page < v->end ? mem_pte(v->mm->mem, page) : 0;
    return p && !(p & MEM_COW);
}

// Data that is written next to data that was is likely to be written all over: pages of an image are copied by the
// window, which may be as large as what was copied around it already.
static uint32_t copy_window(const struct vma *v, uint32_t page)
{
    enum { NEAR = 256 };
    uint32_t lo = page & ~(NEAR - 1u), hi = lo + NEAR, copies = 0;
    bool beside = is_copy(v, page - 1) || is_copy(v, page + 1);
    if (v->end - v->start <= AROUND) return MEM_PAGES; // a small mapping is one piece
    if (lo < v->start) lo = v->start;
    if (hi > v->end) hi = v->end;
    for (uint32_t p = lo; p < hi; p++) copies += is_copy(v, p);
    return copies >= ONWARD ? ONWARD : copies >= ONWARD / 2 ? ONWARD / 2 : beside || copies >= AROUND ? AROUND : FEW;
}

static int copy_around(struct vma *v, uint32_t page, uint32_t from)
{
    struct run r = {page, 1, from};
    grow(&r, v, copy_window(v, page), is_still);
    int err = copy_run(v, &r);
    if (err != -LX_ENOMEM || r.n == 1) return err;
    return copy_run(v, &(struct run){page, 1, from});
}

// Data of a program or library: what reads there first (the dynamic linker) writes there next.
static bool is_data(const struct vma *v)
{
    return v->prot & LX_PROT_WRITE && !(v->flags & LX_MAP_SHARED) && v->end - v->start <= ONWARD;
}

static int fault_file_read(struct vma *v, uint32_t page)
{
    uint32_t frame;
    int err = inode_page(v->inode, (uint32_t)(v->pgoff + (page - v->start)), false, &frame);
    if (err) return err;
    bool image = ram_is_file(frame);
    if (image && is_data(v) && !copy_around(v, page, frame)) return 0;
    struct run r = {page, 1, frame};
    grow(&r, v, image ? ALONG : AROUND, waits_for);
    return mem_map(v->mm->mem, r.first, r.n, r.frame, vma_mem_prot(v) | MEM_COW);
}

// How many pages from `page` on are a hole of an image's file: data that is all zeros, often. Written to privately they
// need no pages of the file.
static uint32_t hole_at(const struct vma *v, uint32_t page)
{
    struct inode *i = v->inode;
    uint64_t off = (v->pgoff + (page - v->start)) << PAGE_SHIFT, end = i->size;
    if (v->flags & LX_MAP_SHARED || !inode_is_pristine(i) || off >= end || !i->ops->next_data) return 0;
    int64_t data = i->ops->next_data(i, off, false);
    if (data >= 0 && (uint64_t)data < end) end = (uint64_t)data;
    if (data < 0 && data != -LX_ENXIO) return 0;
    return (uint32_t)((end - off + PAGE_BYTES - 1) >> PAGE_SHIFT);
}

static int fault_hole(struct vma *v, uint32_t page, uint32_t count)
{
    uint32_t first, n;
    absent_run(v, page, &first, &n);
    n -= page - first;
    return give_zeros(v, page, page, n < count ? n : count);
}

static int fault_file_write(struct vma *v, uint32_t page)
{
    uint32_t frame, index = (uint32_t)(v->pgoff + (page - v->start)), hole = hole_at(v, page);
    bool shared = v->flags & LX_MAP_SHARED;
    if (hole) return fault_hole(v, page, hole);
    int err = inode_page(v->inode, index, shared, &frame);
    if (err) return err;
    if (shared) {
        inode_mapped_write(v->inode);
        return mem_map(v->mm->mem, page, 1, frame, vma_mem_prot(v));
    }
    err = copy_around(v, page, frame);
    ram_unref(&v->mm->box->ram, frame);
    return err;
}

// ---------------------------------------------------------------- copy on write

// The pages from `page` on that only this address space shows: they become writable as they are.
static int take_over(struct vma *v, uint32_t page)
{
    struct mem *mem = v->mm->mem;
    struct ram *ram = &v->mm->box->ram;
    uint32_t hi = (page | (AROUND - 1)) + 1;
    if (hi > v->end) hi = v->end;
    uint32_t frame = pte_frame(mem_pte(mem, page)), n = 1;
    for (; page + n < hi; n++) {
        pte_t p = mem_pte(mem, page + n);
        if (!p || !(p & MEM_COW) || pte_frame(p) != frame + n || ram_refs(ram, frame + n) != 1) break;
    }
    for (uint32_t i = 0; i < n; i++) ram_ref(ram, frame + i); // mem_map drops the reference of what it replaces
    return mem_map(mem, page, n, frame, vma_mem_prot(v));
}

static int fault_cow(struct vma *v, uint32_t page, pte_t p)
{
    if (v->flags & LX_MAP_SHARED) return fault_file_write(v, page);
    uint32_t frame = pte_frame(p);
    if (ram_refs(&v->mm->box->ram, frame) == 1) return take_over(v, page);
    return copy_around(v, page, frame);
}

// ---------------------------------------------------------------- the doors

static int populate(struct vma *v, uint32_t page, bool write)
{
    pte_t p = mem_pte(v->mm->mem, page);
    if (p) return write && p & MEM_COW ? fault_cow(v, page, p) : 0;
    if (!v->inode) return fault_anonymous(v, page);
    return write ? fault_file_write(v, page) : fault_file_read(v, page);
}

// The lowest page that a stack above it may grow to: 256 pages from what could be taken for the stack. A guard without
// access, as Mono's run-time system maps one, may be touched, and so may another stack.
static uint32_t floor_above(const struct vma *below)
{
    enum { GAP = 256 };
    return below->end + (below->prot && !(below->flags & LX_MAP_GROWSDOWN) ? GAP : 0);
}

// A stack grows down to the page touched (mm/mmap.c, expand_downwards), within its limit.
static struct vma *grow_stack(struct mm *mm, uint32_t page)
{
    unsigned i = vma_index_from(mm, page);
    if (i == mm->nvma || !(mm->vma[i]->flags & LX_MAP_GROWSDOWN)) return NULL;
    struct vma *v = mm->vma[i];
    uint32_t floor = i ? floor_above(mm->vma[i - 1]) : MM_MIN_PAGE;
    if (page < floor || v->end - page > mm->stack_limit) return NULL;
    mm->total_pages += v->start - page;
    v->start = page;
    return v;
}

static bool allows(const struct vma *v, unsigned need)
{
    if (need & MEM_W) return v->prot & LX_PROT_WRITE;
    if (need & MEM_X) return v->prot & LX_PROT_EXEC;
    return v->prot != 0;
}

int mm_make_present(struct mm *mm, gaddr addr, unsigned need)
{
    addr = mem_low(mm->mem, addr);
    if (addr >= MEM_TOP) return -LX_EFAULT;
    uint32_t page = (uint32_t)(addr >> PAGE_SHIFT);
    struct vma *v = vma_at(mm, page);
    if (!v) v = grow_stack(mm, page);
    if (!v || !allows(v, need)) return -LX_EFAULT;
    return populate(v, page, need & MEM_W);
}

static int force_present(struct mm *mm, struct vma *v, uint32_t page, bool write)
{
    if (write && v->flags & LX_MAP_SHARED && !(v->prot & LX_PROT_WRITE)) return -LX_EFAULT;
    pte_t p = mem_pte(mm->mem, page);
    if (p && !(write && p & MEM_COW)) return 0;
    if (write && v->prot & LX_PROT_EXEC) mm_code_changes(mm, v->start, v->end);
    int err = populate(v, page, write);
    return err == -LX_ENOMEM || err == -LX_ENOSPC || err == -LX_EIO ? -LX_EFAULT : err;
}

int mm_force(struct mm *mm, gaddr addr, void *buf, size_t n, bool write)
{
    addr = mem_low(mm->mem, addr);
    uint32_t page = (uint32_t)(addr >> PAGE_SHIFT), off = addr & (PAGE_BYTES - 1);
    struct ram *ram = &mm->box->ram;
    struct vma *v = addr < MEM_TOP ? vma_at(mm, page) : NULL;
    if (!v) return -LX_EFAULT;
    int err = force_present(mm, v, page, write);
    if (err) return err;
    uint32_t frame = pte_frame(mem_pte(mm->mem, page));
    if (!write) return ram_read(ram, frame, off, buf, n) ? -LX_EFAULT : 0;
    ram_writing(ram, frame);
    memcpy(ram_ptr(ram, frame) + off, buf, n);
    return 0;
}

int mm_fetch(void *mm, uint32_t addr, unsigned need)
{
    int err = mm_make_present(mm, addr, need);
    if (!err) ((struct mm *)mm)->faults++;
    return err;
}

uint64_t mm_take_faults(struct mm *mm)
{
    uint64_t n = mm->faults;
    mm->faults = 0;
    return n;
}

static int segv(struct task *t, gaddr addr, int sig, int code)
{
    addr = mm_shown(t->proc->mm, addr);
    struct lx_siginfo info = {.si_signo = sig, .si_code = code, .si_addr = addr};
    signal_force(t, &info);
    return -LX_EFAULT;
}

static int out_of_memory(struct task *t)
{ // as the memory controller's OOM killer: the process that asked dies
    struct lx_siginfo info = {.si_signo = LX_SIGKILL, .si_code = LX_SI_KERNEL};
    signal_send(t->proc, &info);
    return -LX_EFAULT;
}

int mm_fault(struct task *t, gaddr addr, enum cpu_access access)
{
    static const unsigned need[] = {[ACCESS_READ] = MEM_R, [ACCESS_WRITE] = MEM_W, [ACCESS_EXEC] = MEM_X};
    struct mm *mm = t->proc->mm;
    if (access != ACCESS_EXEC) addr = mem_low(mm->mem, addr);
    if (addr >= MEM_TOP) return segv(t, addr, LX_SIGSEGV, mem_claimed(mm->mem, addr) ? LX_SEGV_ACCERR : LX_SEGV_MAPERR);
    uint32_t page = (uint32_t)(addr >> PAGE_SHIFT);
    struct vma *v = vma_at(mm, page);
    if (!v) v = grow_stack(mm, page);
    if (!v) return segv(t, addr, LX_SIGSEGV, LX_SEGV_MAPERR);
    if (!allows(v, need[access])) return segv(t, addr, LX_SIGSEGV, LX_SEGV_ACCERR);
    // The table allows it and the CPU could not: what is behind the frame is gone (an image file that was cut short).
    int err = mem_host(mm->mem, (uint32_t)addr, need[access]) ? -LX_EIO : populate(v, page, access == ACCESS_WRITE);
    if (err == 0 || err == -LX_EPARK) return err;
    if (err == -LX_ENOMEM || err == -LX_ENOSPC) return out_of_memory(t);
    return segv(t, addr, LX_SIGBUS, LX_BUS_ADRERR);
}
