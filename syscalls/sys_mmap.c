// System calls on memory maps: mmap, munmap, mprotect, brk, mremap, remap_file_pages. Object and rules: mm.h. Advice
// and locking are mm_advice.c's.
#include "syscalls/mm.h"
#include <string.h>

static bool aligned(uint64_t a)
{
    return !(a & (PAGE_BYTES - 1));
}
static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
}

// A page-aligned range of guest addresses: 0 and [*start, *end), or an errno when it is not one.
int mm_range(const struct mm *mm, uint64_t addr, uint64_t len, uint32_t *start, uint32_t *end)
{
    uint64_t told = addr, top;
    addr = mem_low(mm->mem, addr);
    top = mem_low_end(mm->mem, told, addr);
    if (!aligned(addr)) return -LX_EINVAL;
    if (addr > top || len > top - addr) return -LX_ENOMEM;
    *start = (uint32_t)(addr >> PAGE_SHIFT);
    *end = *start + (uint32_t)pages_of(len);
    return 0;
}

bool mm_all_mapped(const struct mm *mm, uint32_t start, uint32_t end)
{
    for (unsigned i = vma_index_from(mm, start); start < end; i++) {
        if (i == mm->nvma || mm->vma[i]->start > start) return false;
        start = mm->vma[i]->end;
    }
    return true;
}

// ---------------------------------------------------------------- mmap, munmap

static bool sealed(const struct file *f)
{
    return f->inode->seals & (LX_F_SEAL_WRITE | LX_F_SEAL_FUTURE_WRITE);
}

static int check_file(const struct file *f, uint64_t prot, uint64_t flags)
{
    if (f->mode & FILE_PATH) return -LX_EBADF;
    if (!(f->mode & FILE_READ)) return -LX_EACCES;
    if ((flags & LX_MAP_TYPE) != LX_MAP_PRIVATE && prot & LX_PROT_WRITE && !(f->mode & FILE_WRITE)) return -LX_EACCES;
    if (prot & LX_PROT_EXEC && f->path.mount && f->path.mount->flags & MOUNT_NOEXEC) return -LX_EPERM;
    if ((flags & LX_MAP_TYPE) != LX_MAP_PRIVATE && prot & LX_PROT_WRITE && sealed(f)) return -LX_EPERM;
    if (f->inode->flags & INODE_ANON_MAP) return 0;
    return f->inode->ops->page ? 0 : -LX_ENODEV;
}

// Shared anonymous memory is a file without a name.
static int64_t map_shared_anonymous(struct task *t, struct mm_map *m)
{
    int err = vfs_memfd(t->box->vfs, "", &m->file);
    if (err) return err;
    err = vfs_ftruncate(m->file, pages_of(m->len) << PAGE_SHIFT);
    int64_t at = err ? err : mm_mmap(t->proc->mm, m);
    file_put(m->file);
    return at;
}

int64_t sys_mmap(struct task *t, const uint64_t a[6])
{
    struct mm_map m = {
        .addr = a[0], .len = a[1], .prot = (unsigned)a[2], .flags = (unsigned)a[3] & MM_MAP_FLAGS, .offset = a[5]};
    unsigned type = m.flags & LX_MAP_TYPE;
    if (!aligned(m.offset)) return -LX_EINVAL;
    bool anonymous = m.flags & LX_MAP_ANONYMOUS;
    if (!anonymous) {
        struct file *f = fd_get(t->proc, (int)a[4]);
        if (!f) return -LX_EBADF;
        if (!m.len) return -LX_EINVAL;
        if (type != LX_MAP_SHARED && type != LX_MAP_PRIVATE && type != LX_MAP_SHARED_VALIDATE) return -LX_EINVAL;
        int err = check_file(f, m.prot, m.flags);
        if (err) return err;
        if ((m.offset >> PAGE_SHIFT) + pages_of(m.len) > UINT32_MAX) return -LX_EOVERFLOW;
        m.file = f->inode->flags & INODE_ANON_MAP ? NULL : f;
    }
    if (type == LX_MAP_SHARED_VALIDATE)
        m.flags = (m.flags & ~(unsigned)LX_MAP_TYPE) | LX_MAP_SHARED;
    else if (type != LX_MAP_SHARED && type != LX_MAP_PRIVATE)
        return -LX_EINVAL;
    if (!m.len) return -LX_EINVAL;
    uint64_t as_limit = t->proc->rlimit[LX_RLIMIT_AS].rlim_cur;
    if (as_limit != LX_RLIM_INFINITY && t->proc->mm->total_pages + pages_of(m.len) > as_limit >> PAGE_SHIFT)
        return -LX_ENOMEM;
    if (m.len > MEM_TOP) return mm_wide_reserve(t->proc->mm, &m);
    if (m.flags & LX_MAP_LOCKED || t->proc->mm->lock_future) {
        int err = mm_may_lock(t, pages_of(m.len));
        if (err) return err == -LX_ENOMEM ? -LX_EAGAIN : err;
        m.flags |= VMA_LOCKED;
    }
    if (!m.file && m.flags & LX_MAP_SHARED) return map_shared_anonymous(t, &m);
    if (!m.file) m.offset = 0;
    if (m.file && m.flags & LX_MAP_SHARED && sealed(m.file)) m.flags |= VMA_NOWRITE;
    return mm_mmap(t->proc->mm, &m);
}

int64_t sys_munmap(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    if (mem_claimed(t->proc->mm->mem, a[0])) return mm_wide_unmap(t->proc->mm, a[0], a[1]);
    if (!a[1] || mm_range(t->proc->mm, a[0], a[1], &start, &end)) return -LX_EINVAL;
    return vma_clear(t->proc->mm, start, end);
}

// ---------------------------------------------------------------- mprotect

static int may_protect(const struct vma *v, unsigned prot)
{
    bool shared_file = v->flags & LX_MAP_SHARED && v->file, may = !(v->flags & VMA_NOWRITE);
    return shared_file && prot & LX_PROT_WRITE && !(may && v->file->mode & FILE_WRITE) ? -LX_EACCES : 0;
}

int64_t sys_mprotect(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    uint32_t start, end;
    unsigned prot = (unsigned)a[2];
    if (prot & ~(unsigned)(LX_PROT_READ | LX_PROT_WRITE | LX_PROT_EXEC | LX_PROT_GROWSDOWN | 8))
        return -LX_EINVAL; // 8: PROT_SEM
    bool access = prot & (LX_PROT_READ | LX_PROT_WRITE | LX_PROT_EXEC);
    uint64_t len = access ? a[1] : mm_wide_clip(mm, a[0], a[1]);
    if (access) mm_wide_wanted(mm, a[0], a[1]);
    int err = mm_range(mm, a[0], len, &start, &end);
    if (err || start == end) return err;
    if (prot & LX_PROT_GROWSDOWN) {
        struct vma *v = vma_at(mm, start);
        if (!v || !(v->flags & LX_MAP_GROWSDOWN)) return v ? -LX_EINVAL : -LX_ENOMEM;
        start = v->start;
    }
    bool whole = mm_all_mapped(mm, start, end);
    if ((err = vma_isolate(mm, start, end))) return err;
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++) {
        struct vma *v = mm->vma[i];
        if ((err = may_protect(v, prot))) break;
        if (!(v->prot & LX_PROT_WRITE) && (err = mm_may_commit(mm, v->end - v->start, prot, v->flags))) break;
        if ((v->prot | prot) & LX_PROT_EXEC) mm_code_changes(mm, v->start, v->end);
        v->prot = prot & 7;
        mem_protect(mm->mem, v->start, v->end - v->start, vma_mem_prot(v));
    }
    vma_merge_around(mm, start, end);
    return err ? err : whole ? 0 : -LX_ENOMEM;
}

// Protection keys on a CPU that has none (mm/mprotect.c): there is none to be had, and only "no key" can be used.
int64_t sys_pkey_mprotect(struct task *t, const uint64_t a[6])
{
    return (int)a[3] == -1 ? sys_mprotect(t, a) : -LX_EINVAL;
}

int64_t sys_pkey_alloc(struct task *t, const uint64_t a[6])
{
    enum { DISABLE_ACCESS = 1, DISABLE_WRITE = 2 };
    (void)t;
    return a[0] || a[1] & ~(uint64_t)(DISABLE_ACCESS | DISABLE_WRITE) ? -LX_EINVAL : -LX_ENOSPC;
}

int64_t sys_pkey_free(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EINVAL;
}

// ---------------------------------------------------------------- brk

static int grow_brk(struct task *t, uint32_t from, uint32_t to)
{
    struct mm *mm = t->proc->mm;
    if (!mm_range_free(mm, from, to - from) || to > MM_STACK_TOP) return -LX_ENOMEM;
    uint64_t limit = t->proc->rlimit[LX_RLIMIT_DATA].rlim_cur;
    if (limit != LX_RLIM_INFINITY && ((uint64_t)to << PAGE_SHIFT) - mm->brk_start > limit) return -LX_ENOMEM;
    int err = mm_may_commit(mm, to - from, LX_PROT_WRITE, 0);
    struct vma v = {.start = from, .end = to, .prot = LX_PROT_READ | LX_PROT_WRITE};
    return err ? err : vma_insert(mm, &v);
}

int64_t sys_brk(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    if (a[0] < mm->brk_start || a[0] > (uint64_t)MM_STACK_TOP << PAGE_SHIFT) return (int64_t)mm->brk;
    uint32_t from = (uint32_t)pages_of(mm->brk), to = (uint32_t)pages_of(a[0]);
    if (to > from && grow_brk(t, from, to)) return (int64_t)mm->brk;
    if (to < from && vma_clear(mm, to, from)) return (int64_t)mm->brk;
    mm->brk = a[0];
    return (int64_t)mm->brk;
}

// ---------------------------------------------------------------- mremap

// Move the page-table entries of n pages; each keeps its frame and whether it is to be copied on write.
static int move_pages(struct mm *mm, uint32_t from, uint32_t to, uint32_t n)
{
    struct ram *ram = &mm->box->ram;
    for (uint32_t i = 0; i < n; i++) {
        pte_t p = mem_pte(mm->mem, from + i);
        if (!p) continue;
        ram_ref(ram, pte_frame(p));
        unsigned prot = (unsigned)p & (MEM_R | MEM_W | MEM_X | MEM_COW);
        if (p & MEM_CODE) prot |= vma_mem_prot(vma_at(mm, from + i)); // W was only withheld
        int err = mem_map(mm->mem, to + i, 1, pte_frame(p), prot);
        if (err) return err;
    }
    return 0;
}

// keep: the old place stays mapped, without its pages (MREMAP_DONTUNMAP).
static int64_t move_mapping(struct mm *mm, uint32_t start, uint32_t end, uint32_t to, uint32_t npages, bool keep)
{
    int err = vma_isolate(mm, start, end);
    if (err) return err;
    const struct vma *old = vma_at(mm, start);
    if (!old || old->end < end) return -LX_EFAULT;
    struct vma v = *old;
    v.start = to;
    v.end = to + npages;
    if ((err = vma_insert(mm, &v)) || (err = move_pages(mm, start, to, end - start))) return err;
    if (keep)
        mem_unmap(mm->mem, start, end - start);
    else
        err = vma_clear(mm, start, end);
    return err ? err : (int64_t)to << PAGE_SHIFT;
}

// Limits on what is mapped: RLIMIT_AS, and RLIMIT_MEMLOCK when it is to be locked.
static int may_add(struct task *t, uint64_t npages, bool locked)
{
    uint64_t limit = t->proc->rlimit[LX_RLIMIT_AS].rlim_cur;
    if (limit != LX_RLIM_INFINITY && t->proc->mm->total_pages + npages > limit >> PAGE_SHIFT) return -LX_ENOMEM;
    return locked && mm_may_lock(t, npages) ? -LX_EAGAIN : 0;
}

static int64_t grow_mapping(struct task *t, uint32_t start, uint32_t end, uint32_t new_end, bool may_move)
{
    struct mm *mm = t->proc->mm;
    struct vma *v = vma_at(mm, start);
    int err = mm_may_commit(mm, new_end - end, v->file && v->flags & LX_MAP_SHARED ? 0 : v->prot, v->flags);
    if (!err) err = may_add(t, new_end - end, v->flags & VMA_LOCKED);
    if (err) return err;
    if (v->end == end && new_end < MM_STACK_TOP && mm_range_free(mm, end, new_end - end)) {
        struct vma more = *v;
        more.start = end;
        more.end = new_end;
        if (more.inode) more.pgoff += end - v->start;
        err = vma_insert(mm, &more);
        return err ? err : (int64_t)start << PAGE_SHIFT;
    }
    if (!may_move) return -LX_ENOMEM;
    uint32_t npages = new_end - start, to = mm_place(mm, npages, NULL, 0);
    return to ? move_mapping(mm, start, end, to, npages, false) : -LX_ENOMEM;
}

// Old size 0: a shared mapping shown once more.
static int64_t duplicate_mapping(struct task *t, uint32_t start, uint32_t npages, uint32_t to)
{
    struct mm *mm = t->proc->mm;
    struct vma v = *vma_at(mm, start);
    if (!(v.flags & LX_MAP_SHARED)) return -LX_EINVAL;
    if (!to) to = mm_place(mm, npages, NULL, 0);
    int err = to ? may_add(t, npages, v.flags & VMA_LOCKED) : -LX_ENOMEM;
    if (err) return err;
    v.pgoff += start - v.start;
    v.start = to;
    v.end = to + npages;
    err = vma_insert(mm, &v);
    return err ? err : (int64_t)to << PAGE_SHIFT;
}

// MREMAP_FIXED: what is at the new place goes.
static int64_t remap_to(struct task *t, uint32_t start, uint32_t end, uint32_t to, uint32_t npages, bool keep)
{
    struct mm *mm = t->proc->mm;
    uint32_t old = end - start;
    if (to < MM_MIN_PAGE) return -LX_EPERM;
    if (to + npages > MM_STACK_TOP) return -LX_EINVAL;
    int err = vma_clear(mm, to, to + npages);
    if (!err && npages < old) err = vma_clear(mm, start + npages, end);
    if (!err && (npages > old || keep)) err = may_add(t, keep ? npages : npages - old, false);
    if (err) return err;
    if (!old) return duplicate_mapping(t, start, npages, to);
    return move_mapping(mm, start, start + (npages < old ? npages : old), to, npages, keep);
}

enum { MREMAP_KNOWN = LX_MREMAP_MAYMOVE | LX_MREMAP_FIXED | LX_MREMAP_DONTUNMAP };

static int check_remap(const struct mm *mm, const uint64_t a[6], uint32_t *start, uint32_t *end)
{
    uint64_t flags = a[3];
    bool keep = flags & LX_MREMAP_DONTUNMAP;
    if (flags & ~(uint64_t)MREMAP_KNOWN) return -LX_EINVAL;
    if (flags & (LX_MREMAP_FIXED | LX_MREMAP_DONTUNMAP) && !(flags & LX_MREMAP_MAYMOVE)) return -LX_EINVAL;
    if ((keep && a[1] != a[2]) || !a[2] || mm_range(mm, a[0], a[1], start, end)) return -LX_EINVAL;
    return a[2] > MEM_TOP ? -LX_ENOMEM : 0;
}

static int64_t remap(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    uint32_t start, end, to = 0, to_end = 0;
    uint64_t flags = a[3];
    bool keep = flags & LX_MREMAP_DONTUNMAP;
    int err = check_remap(mm, a, &start, &end);
    if (err) return err;
    if (flags & (LX_MREMAP_FIXED | LX_MREMAP_DONTUNMAP) && mm_range(mm, a[4], a[2], &to, &to_end)) return -LX_EINVAL;
    if (to < end && start < to_end) return -LX_EINVAL;
    struct vma *v = vma_at(mm, start);
    if (!v) return -LX_EFAULT;
    uint32_t old_n = end - start, new_n = (uint32_t)pages_of(a[2]);
    if (!old_n && !(v->flags & LX_MAP_SHARED)) return -LX_EINVAL;
    if (v->end < end) return -LX_EFAULT;
    if (flags & LX_MREMAP_FIXED) return remap_to(t, start, end, to, new_n, keep);
    if (!old_n) return flags & LX_MREMAP_MAYMOVE ? duplicate_mapping(t, start, new_n, 0) : -LX_ENOMEM;
    if (keep) {
        if (to < MM_MIN_PAGE || to_end > MM_STACK_TOP || !mm_range_free(mm, to, new_n)) // else: the hint is taken
            to = mm_place(mm, new_n, NULL, 0);
        return to ? remap_to(t, start, end, to, new_n, true) : -LX_ENOMEM;
    }
    if (new_n > old_n) return grow_mapping(t, start, end, start + new_n, flags & LX_MREMAP_MAYMOVE);
    err = new_n < old_n ? vma_clear(mm, start + new_n, end) : 0;
    return err ? err : (int64_t)a[0];
}

int64_t sys_mremap(struct task *t, const uint64_t a[6])
{
    int64_t at = remap(t, a);
    return at < 0 ? at : (int64_t)mm_shown(t->proc->mm, (gaddr)at);
}

// Emulated as Linux does since 4.0: the pages of a shared mapping are mapped anew from elsewhere in the file.
int64_t sys_remap_file_pages(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    uint64_t from = a[0] & ~(uint64_t)(PAGE_BYTES - 1), size = a[1] & ~(uint64_t)(PAGE_BYTES - 1);
    uint32_t start, end;
    if (a[2] || from + size <= from || a[3] + (size >> PAGE_SHIFT) < a[3]) return -LX_EINVAL;
    if (mm_range(t->proc->mm, from, size, &start, &end) || a[3] + (end - start) > UINT32_MAX) return -LX_EINVAL;
    struct vma *v = vma_at(mm, start);
    if (!v || !(v->flags & LX_MAP_SHARED) || !v->file || v->end < end) return -LX_EINVAL;
    struct mm_map m = {.addr = from,
                       .len = size,
                       .prot = v->prot,
                       .flags = LX_MAP_SHARED | LX_MAP_FIXED | (v->flags & (VMA_NOWRITE | VMA_LOCKED)),
                       .file = file_get(v->file),
                       .offset = a[3] << PAGE_SHIFT};
    int64_t r = mm_mmap(mm, &m);
    file_put(m.file);
    return r < 0 ? r : 0;
}
