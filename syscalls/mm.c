// Memory maps: the object, its vmas, new mappings, fork. See mm.h.
#include "syscalls/mm.h"
#include "syscalls/sysv.h"
#include "cpu/code.h"
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- the object

struct mm *mm_new(struct box *box)
{
    struct mm *mm = calloc(1, sizeof *mm);
    if (!mm) return NULL;
    mm->box = box;
    mm->refs = 1;
    mm->mem = mem_new(&box->ram, box->backend);
    mm->code = mm->mem ? code_new(mm->mem, box->level) : NULL;
    if (mm->code) {
        mem_set_pager(mm->mem, (struct mem_pager){mm_fetch, mm});
        if (box->tier.enter) mm->tier = box->tier.enter(box->tier.ctx, mm);
        return mm;
    }
    if (mm->mem) mem_free(mm->mem);
    free(mm);
    return NULL;
}

struct mm *mm_ref(struct mm *mm)
{
    mm->refs++;
    return mm;
}

static void vma_free(struct vma *v)
{
    if (v->map_prev) {
        *v->map_prev = v->map_next;
        if (v->map_next) v->map_next->map_prev = v->map_prev;
    }
    if (v->flags & VMA_SHM) shm_vma_closed(v->mm->box, v->inode);
    inode_put(v->inode);
    file_put(v->file);
    free(v);
}

void mm_unref(struct mm *mm)
{
    if (!mm || --mm->refs) return;
    for (unsigned i = 0; i < mm->nvma; i++) vma_free(mm->vma[i]);
    free(mm->vma);
    if (mm->tier) mm->box->tier.leave(mm->box->tier.ctx, mm->tier);
    code_free(mm->code);
    mem_free(mm->mem);
    free(mm);
}

struct mem *mm_mem(struct mm *mm)
{
    return mm->mem;
}
struct code *mm_code(struct mm *mm)
{
    return mm->code;
}

// ---------------------------------------------------------------- vmas

unsigned vma_index_from(const struct mm *mm, uint32_t page)
{
    unsigned lo = 0, hi = mm->nvma;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (mm->vma[mid]->end <= page)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct vma *vma_at(const struct mm *mm, uint32_t page)
{
    unsigned i = vma_index_from(mm, page);
    return i < mm->nvma && mm->vma[i]->start <= page ? mm->vma[i] : NULL;
}

unsigned vma_mem_prot(const struct vma *v)
{
    // As on x86 hardware: writable and executable pages are readable.
    return (v->prot ? MEM_R : 0) | (v->prot & LX_PROT_WRITE ? MEM_W : 0) | (v->prot & LX_PROT_EXEC ? MEM_X : 0);
}

static struct vma *vma_copy(const struct vma *like, struct mm *mm)
{
    struct vma *v = malloc(sizeof *v);
    if (!v) return NULL;
    *v = *like;
    v->mm = mm;
    v->map_prev = NULL;
    if (v->inode) {
        inode_get(v->inode);
        v->map_next = v->inode->mappings;
        v->map_prev = (struct vma **)&v->inode->mappings;
        if (v->map_next) v->map_next->map_prev = &v->map_next;
        v->inode->mappings = v;
    }
    if (v->file) file_get(v->file);
    if (v->flags & VMA_SHM) shm_vma_opened(mm->box, v->inode);
    return v;
}

static int array_insert(struct mm *mm, unsigned at, struct vma *v)
{
    if (mm->nvma >= MM_MAX_VMAS) return -LX_ENOMEM;
    if (mm->nvma == mm->cap) {
        unsigned cap = mm->cap ? mm->cap * 2 : 32;
        struct vma **grown = realloc(mm->vma, cap * sizeof *grown);
        if (!grown) return -LX_ENOMEM;
        mm->vma = grown;
        mm->cap = cap;
    }
    memmove(mm->vma + at + 1, mm->vma + at, (mm->nvma - at) * sizeof *mm->vma);
    mm->vma[at] = v;
    mm->nvma++;
    return 0;
}

static void array_remove(struct mm *mm, unsigned at)
{
    vma_free(mm->vma[at]);
    memmove(mm->vma + at, mm->vma + at + 1, (mm->nvma - at - 1) * sizeof *mm->vma);
    mm->nvma--;
}

// Split the vma at index `at` so that a new one begins at `page`, inside it.
static int split(struct mm *mm, unsigned at, uint32_t page)
{
    struct vma *low = mm->vma[at], *high = vma_copy(low, mm);
    if (!high) return -LX_ENOMEM;
    high->start = page;
    if (high->inode) high->pgoff += page - low->start;
    int err = array_insert(mm, at + 1, high);
    if (err) {
        vma_free(high);
        return err;
    }
    low->end = page;
    return 0;
}

int vma_isolate(struct mm *mm, uint32_t start, uint32_t end)
{
    unsigned i = vma_index_from(mm, start);
    int err = 0;
    if (i < mm->nvma && mm->vma[i]->start < start) err = split(mm, i, start);
    if (err) return err;
    i = vma_index_from(mm, end);
    if (i < mm->nvma && mm->vma[i]->start < end) err = split(mm, i, end);
    return err;
}

int vma_clear(struct mm *mm, uint32_t start, uint32_t end)
{
    int err = vma_isolate(mm, start, end);
    if (err) return err;
    unsigned i = vma_index_from(mm, start);
    while (i < mm->nvma && mm->vma[i]->start < end) {
        struct vma *v = mm->vma[i];
        mm_code_changes(mm, v->start, v->end);
        mem_unmap(mm->mem, v->start, v->end - v->start);
        mm->total_pages -= v->end - v->start;
        array_remove(mm, i);
    }
    return 0;
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
    if (a->end != b->start || a->prot != b->prot || a->policy != b->policy || a->flags != b->flags ||
        a->inode != b->inode || a->file != b->file)
        return false;
    if (a->flags & VMA_SHM) return false; // each is an attachment
    bool high = a->flags & VMA_HIGH;
    if (high && mem_name_of(a->mm->mem, a->start) != mem_name_of(a->mm->mem, b->start)) return false;
    return !a->inode || a->pgoff + (a->end - a->start) == b->pgoff;
}

// Join the vma at index i with the one behind it, when they are alike.
static bool merge_next(struct mm *mm, unsigned i)
{
    if (i + 1 >= mm->nvma || !mergeable(mm->vma[i], mm->vma[i + 1])) return false;
    mm->vma[i]->end = mm->vma[i + 1]->end;
    array_remove(mm, i + 1);
    return true;
}

void vma_merge_around(struct mm *mm, uint32_t start, uint32_t end)
{
    unsigned i = vma_index_from(mm, start ? start - 1 : 0);
    while (i < mm->nvma && mm->vma[i]->start <= end)
        if (!merge_next(mm, i)) i++;
}

int vma_insert(struct mm *mm, const struct vma *like)
{
    struct vma *v = vma_copy(like, mm);
    if (!v) return -LX_ENOMEM;
    int err = array_insert(mm, vma_index_from(mm, v->start), v);
    if (err) {
        vma_free(v);
        return err;
    }
    mm->total_pages += v->end - v->start;
    vma_merge_around(mm, v->start, v->end);
    return 0;
}

// ---------------------------------------------------------------- mmap

int mm_may_commit(const struct mm *mm, uint64_t npages, unsigned prot, unsigned flags)
{
    const struct ram *ram = &mm->box->ram;
    if (!(prot & LX_PROT_WRITE) || flags & LX_MAP_NORESERVE || npages + ram_used(ram) <= ram_limit(ram)) return 0;
    vfs_reclaim(mm->box->vfs);
    return npages + ram_used(ram) > ram_limit(ram) ? -LX_ENOMEM : 0;
}

// Where a mapping goes: its page, or -errno. mmap(2): a hint is taken when the place is free, MAP_FIXED replaces what
// is there.
static int64_t choose_place(struct mm *mm, const struct mm_map *m, uint32_t npages)
{
    uint64_t hint = mem_low(mm->mem, m->addr & ~(uint64_t)(PAGE_BYTES - 1));
    bool fixed = m->flags & (LX_MAP_FIXED | LX_MAP_FIXED_NOREPLACE);
    bool fits = hint < MEM_TOP && npages <= MM_STACK_TOP && (hint >> PAGE_SHIFT) + npages <= MM_STACK_TOP &&
                hint + m->len <= mem_low_end(mm->mem, m->addr, hint);
    uint32_t page = (uint32_t)(hint >> PAGE_SHIFT);
    if (fixed) {
        if (m->addr & (PAGE_BYTES - 1)) return -LX_EINVAL;
        if (m->prot) mm_wide_wanted(mm, m->addr, m->len);
        if (!fits) return -LX_ENOMEM;
        if (page < MM_MIN_PAGE) return -LX_EPERM;
        if (m->flags & LX_MAP_FIXED_NOREPLACE) return mm_range_free(mm, page, npages) ? (int64_t)page : -LX_EEXIST;
        int err = vma_clear(mm, page, page + npages);
        return err ? err : (int64_t)page;
    }
    if (m->flags & LX_MAP_32BIT && page + npages > MM_LOW_TOP) fits = false;
    if (hint && fits && page >= MM_MIN_PAGE && mm_range_free(mm, page, npages)) return page;
    page = mm_place(mm, npages, m->file ? m->file->inode : NULL, m->flags);
    return page ? (int64_t)page : -LX_ENOMEM;
}

int64_t mm_mmap(struct mm *mm, const struct mm_map *m)
{
    if (!m->len) return -LX_EINVAL;
    uint64_t npages = (m->len + PAGE_BYTES - 1) >> PAGE_SHIFT;
    if (m->len > MEM_TOP || npages >= MEM_PAGES) return -LX_ENOMEM;
    int err = mm_may_commit(mm, npages, m->flags & LX_MAP_SHARED && m->file ? 0 : m->prot, m->flags);
    if (err) return err;
    bool high = mm_goes_high(mm, m, (uint32_t)npages);
    int64_t page = choose_place(mm, m, (uint32_t)npages);
    if (page < 0) return page;
    if (!high) mm_note_place(mm, m, (uint32_t)page, (uint32_t)npages);
    struct vma v = {.start = (uint32_t)page,
                    .end = (uint32_t)(page + (int64_t)npages),
                    .prot = m->prot & 7,
                    .flags = m->flags & (LX_MAP_SHARED | LX_MAP_GROWSDOWN | LX_MAP_NORESERVE | LX_MAP_STACK | VMA_SHM |
                                         VMA_NOWRITE | VMA_LOCKED),
                    .mm = mm,
                    .file = m->file,
                    .inode = m->file ? m->file->inode : NULL,
                    .pgoff = m->offset >> PAGE_SHIFT};
    if (high) v.flags |= VMA_HIGH;
    err = vma_insert(mm, &v);
    if (err) return err;
    mm_expect_touch(mm, &v);
    return (int64_t)vma_shown(&v, v.start);
}

// argc, argv and a zero, envp and a zero, then pairs up to AT_NULL.
void mm_keep_auxv(struct mm *mm, const void *stack, size_t n)
{
    const uint64_t *word = stack;
    size_t words = n / sizeof *word, at = 1 + (size_t)word[0] + 1;
    while (at < words && word[at]) at++;
    at++;
    for (mm->nauxv = 0; at + 1 < words && mm->nauxv < MM_AUXV_MAX * 2; at += 2) {
        mm->auxv[mm->nauxv++] = word[at];
        mm->auxv[mm->nauxv++] = word[at + 1];
        if (word[at] == LX_AT_NULL) break;
    }
}

// ---------------------------------------------------------------- fork, and files that change under their mappings

static int fork_vma(struct mm *child, struct mm *parent, const struct vma *v)
{
    if (v->flags & VMA_DONTFORK) return 0;
    struct vma copy = *v;
    copy.flags &= ~(uint32_t)VMA_LOCKED; // man mlock: not inherited
    int err = vma_insert(child, &copy);
    if (err || v->flags & VMA_WIPEONFORK) return err;
    return mem_clone(child->mem, parent->mem, v->start, v->end - v->start, !(v->flags & LX_MAP_SHARED));
}

struct mm *mm_fork(struct mm *parent)
{
    struct mm *mm = mm_new(parent->box);
    if (!mm) return NULL;
    mm->brk_start = parent->brk_start;
    mm->brk = parent->brk;
    mm->arg_start = parent->arg_start;
    mm->arg_end = parent->arg_end;
    mm->env_start = parent->env_start;
    mm->env_end = parent->env_end;
    mm->start_stack = parent->start_stack;
    memcpy(mm->auxv, parent->auxv, sizeof mm->auxv);
    mm->nauxv = parent->nauxv;
    mm->mem->high = parent->mem->high;
    mm->mem->probe = parent->mem->probe;
    memcpy(mm->mem->name, parent->mem->name, sizeof mm->mem->name);
    mm->insists = parent->insists;
    mm->wants_at = parent->wants_at;
    if (mm->mem->probe) code_check(mm->code);
    mm->stack_limit = parent->stack_limit;
    for (unsigned i = 0; i < parent->nvma; i++)
        if (fork_vma(mm, parent, parent->vma[i])) {
            mm_unref(mm);
            return NULL;
        }
    return mm;
}

void mm_code_changes(struct mm *mm, uint32_t start, uint32_t end)
{
    if (mm->tier && mm->box->tier.changed) mm->box->tier.changed(mm->box->tier.ctx, mm->tier, start, end);
}

uint32_t mm_show_file(struct mm *mm, uint32_t page)
{
    struct vma *v = vma_at(mm, page);
    uint32_t frame;
    if (!v || !v->inode || inode_page(v->inode, (uint32_t)(v->pgoff + (page - v->start)), false, &frame)) return 0;
    mem_map_lazily(mm->mem, page, 1, frame, vma_mem_prot(v) | MEM_COW);
    return frame;
}

static void unmap_from_vma(struct vma *v, uint64_t first, uint64_t end)
{
    mm_code_changes(v->mm, v->start, v->end);
    uint64_t lo = first > v->pgoff ? first - v->pgoff : 0, n = v->end - v->start;
    uint64_t hi = end > v->pgoff ? end - v->pgoff : 0;
    if (hi > n) hi = n;
    for (uint64_t i = lo; i < hi; i++) {
        uint32_t page = v->start + (uint32_t)i;
        pte_t p = mem_pte(v->mm->mem, page);
        // A private page that was copied is the process's own and stays; one that still shows the file's frame goes.
        if (p && (v->flags & LX_MAP_SHARED || p & MEM_COW)) mem_unmap(v->mm->mem, page, 1);
    }
}

void mm_unmap_inode(void *box, struct inode *inode, uint32_t first, uint32_t count)
{
    (void)box;
    for (struct vma *v = inode->mappings; v; v = v->map_next) unmap_from_vma(v, first, (uint64_t)first + count);
}
