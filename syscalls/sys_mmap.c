// System calls on memory maps: mmap, munmap, mprotect, brk, mremap, madvise, msync, mincore, mlock and relatives.
// Object and rules: mm.h.
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
static int get_range(uint64_t addr, uint64_t len, uint32_t *start, uint32_t *end)
{
    if (!aligned(addr)) return -LX_EINVAL;
    if (addr > MEM_TOP || len > MEM_TOP - addr) return -LX_ENOMEM;
    *start = (uint32_t)(addr >> PAGE_SHIFT);
    *end = *start + (uint32_t)pages_of(len);
    return 0;
}

static bool all_mapped(const struct mm *mm, uint32_t start, uint32_t end)
{
    for (unsigned i = vma_index_from(mm, start); start < end; i++) {
        if (i == mm->nvma || mm->vma[i]->start > start) return false;
        start = mm->vma[i]->end;
    }
    return true;
}

// ---------------------------------------------------------------- mmap, munmap

static int check_file(const struct file *f, uint64_t prot, uint64_t flags)
{
    if (f->mode & FILE_PATH) return -LX_EBADF;
    if (!(f->mode & FILE_READ)) return -LX_EACCES;
    if ((flags & LX_MAP_TYPE) != LX_MAP_PRIVATE && prot & LX_PROT_WRITE && !(f->mode & FILE_WRITE)) return -LX_EACCES;
    if (prot & LX_PROT_EXEC && f->path.mount && f->path.mount->flags & MOUNT_NOEXEC) return -LX_EPERM;
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
    struct mm_map m = {.addr = a[0], .len = a[1], .prot = (unsigned)a[2], .flags = (unsigned)a[3], .offset = a[5]};
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
    if (m.len > MEM_TOP) return -LX_ENOMEM;
    uint64_t as_limit = t->proc->rlimit[LX_RLIMIT_AS].rlim_cur;
    if (as_limit != LX_RLIM_INFINITY && t->proc->mm->total_pages + pages_of(m.len) > as_limit >> PAGE_SHIFT)
        return -LX_ENOMEM;
    if (!m.file && m.flags & LX_MAP_SHARED) return map_shared_anonymous(t, &m);
    if (!m.file) m.offset = 0;
    return mm_mmap(t->proc->mm, &m);
}

int64_t sys_munmap(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    if (!a[1] || get_range(a[0], a[1], &start, &end)) return -LX_EINVAL;
    return vma_clear(t->proc->mm, start, end);
}

// ---------------------------------------------------------------- mprotect

static int may_protect(const struct vma *v, unsigned prot)
{
    bool shared_file = v->flags & LX_MAP_SHARED && v->file;
    return shared_file && prot & LX_PROT_WRITE && !(v->file->mode & FILE_WRITE) ? -LX_EACCES : 0;
}

int64_t sys_mprotect(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    uint32_t start, end;
    unsigned prot = (unsigned)a[2];
    if (prot & ~(unsigned)(LX_PROT_READ | LX_PROT_WRITE | LX_PROT_EXEC | LX_PROT_GROWSDOWN | 8))
        return -LX_EINVAL; // 8: PROT_SEM
    int err = get_range(a[0], a[1], &start, &end);
    if (err || start == end) return err;
    if (prot & LX_PROT_GROWSDOWN) {
        struct vma *v = vma_at(mm, start);
        if (!v || !(v->flags & LX_MAP_GROWSDOWN)) return v ? -LX_EINVAL : -LX_ENOMEM;
        start = v->start;
    }
    bool whole = all_mapped(mm, start, end);
    if ((err = vma_isolate(mm, start, end))) return err;
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++) {
        struct vma *v = mm->vma[i];
        if ((err = may_protect(v, prot))) break;
        if (!(v->prot & LX_PROT_WRITE) && (err = mm_may_commit(mm, v->end - v->start, prot, v->flags))) break;
        v->prot = prot & 7;
        mem_protect(mm->mem, v->start, v->end - v->start, vma_mem_prot(v));
    }
    vma_merge_around(mm, start, end);
    return err ? err : whole ? 0 : -LX_ENOMEM;
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
    if (a[0] < mm->brk_start || a[0] >= MEM_TOP) return (int64_t)mm->brk;
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

static int64_t move_mapping(struct mm *mm, uint32_t start, uint32_t end, uint32_t to, uint32_t npages)
{
    int err = vma_isolate(mm, start, end);
    if (err) return err;
    const struct vma *old = vma_at(mm, start);
    if (!old || old->end < end) return -LX_EFAULT;
    struct vma v = *old;
    v.start = to;
    v.end = to + npages;
    if ((err = vma_insert(mm, &v)) || (err = move_pages(mm, start, to, end - start))) return err;
    err = vma_clear(mm, start, end);
    return err ? err : (int64_t)to << PAGE_SHIFT;
}

static int64_t grow_mapping(struct task *t, uint32_t start, uint32_t end, uint32_t new_end, bool may_move)
{
    struct mm *mm = t->proc->mm;
    struct vma *v = vma_at(mm, start);
    int err = mm_may_commit(mm, new_end - end, v->file && v->flags & LX_MAP_SHARED ? 0 : v->prot, v->flags);
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
    uint32_t npages = new_end - start,
             to = mm_find_free(mm, npages, MM_EXEC_BASE, MM_STACK_TOP - mm->stack_limit - 256);
    return to ? move_mapping(mm, start, end, to, npages) : -LX_ENOMEM;
}

int64_t sys_mremap(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    uint32_t start, end, new_start = 0, new_end = 0;
    uint64_t flags = a[3];
    if (flags & ~(uint64_t)(LX_MREMAP_MAYMOVE | LX_MREMAP_FIXED))
        return -LX_EINVAL; // DONTUNMAP: not supported, as before Linux 5.7
    bool fixed = flags & LX_MREMAP_FIXED;
    if ((fixed && !(flags & LX_MREMAP_MAYMOVE)) || !a[2] || get_range(a[0], a[1], &start, &end)) return -LX_EINVAL;
    if (a[2] > MEM_TOP) return -LX_ENOMEM;
    if (fixed && get_range(a[4], a[2], &new_start, &new_end)) return -LX_EINVAL;
    struct vma *v = vma_at(mm, start);
    if (!v) return -LX_EFAULT;
    if (start == end) return -LX_EINVAL; // duplicating a shared mapping (old size 0) is not supported
    if (v->end < end) return -LX_EFAULT;
    uint32_t old_n = end - start, new_n = (uint32_t)pages_of(a[2]);
    if (fixed) {
        if (new_start < end && start < new_end) return -LX_EINVAL;
        int err = vma_clear(mm, new_start, new_end);
        if (!err && new_n < old_n) err = vma_clear(mm, start + new_n, end);
        if (err) return err;
        return move_mapping(mm, start, start + (new_n < old_n ? new_n : old_n), new_start, new_n);
    }
    if (new_n > old_n) return grow_mapping(t, start, end, start + new_n, flags & LX_MREMAP_MAYMOVE);
    int err = new_n < old_n ? vma_clear(mm, start + new_n, end) : 0;
    return err ? err : (int64_t)a[0];
}

// ---------------------------------------------------------------- advice, residence, locking

static void set_vma_flags(struct mm *mm, uint32_t start, uint32_t end, uint32_t set, uint32_t clear)
{
    if (vma_isolate(mm, start, end)) return;
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++)
        mm->vma[i]->flags = (mm->vma[i]->flags | set) & ~clear;
    vma_merge_around(mm, start, end);
}

static int64_t advise(struct mm *mm, uint32_t start, uint32_t end, int advice)
{
    switch (advice) {
    case LX_MADV_DONTNEED:
    case LX_MADV_FREE:
        mem_unmap(mm->mem, start, end - start);
        return 0; // absent pages come again: zeros, or the file's
    case LX_MADV_DONTFORK:
        set_vma_flags(mm, start, end, VMA_DONTFORK, 0);
        return 0;
    case LX_MADV_DOFORK:
        set_vma_flags(mm, start, end, 0, VMA_DONTFORK);
        return 0;
    case LX_MADV_WIPEONFORK:
        set_vma_flags(mm, start, end, VMA_WIPEONFORK, 0);
        return 0;
    case LX_MADV_KEEPONFORK:
        set_vma_flags(mm, start, end, 0, VMA_WIPEONFORK);
        return 0;
    case LX_MADV_NORMAL:
    case LX_MADV_RANDOM:
    case LX_MADV_SEQUENTIAL:
    case LX_MADV_WILLNEED:
    case LX_MADV_HUGEPAGE:
    case LX_MADV_NOHUGEPAGE:
    case LX_MADV_DONTDUMP:
    case LX_MADV_DODUMP:
    case LX_MADV_COLD:
    case LX_MADV_PAGEOUT:
    case LX_MADV_MERGEABLE:
    case LX_MADV_UNMERGEABLE:
        return 0;
    default:
        return -LX_EINVAL;
    }
}

int64_t sys_madvise(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    int err = get_range(a[0], a[1], &start, &end);
    if (err) return -LX_EINVAL;
    bool whole = all_mapped(t->proc->mm, start, end);
    int64_t r = advise(t->proc->mm, start, end, (int)a[2]);
    return r ? r : whole ? 0 : -LX_ENOMEM;
}

int64_t sys_msync(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    if (a[2] & ~(uint64_t)(LX_MS_ASYNC | LX_MS_INVALIDATE | LX_MS_SYNC) || (a[2] & LX_MS_ASYNC && a[2] & LX_MS_SYNC))
        return -LX_EINVAL;
    int err = get_range(a[0], a[1], &start, &end);
    return err ? err
           : all_mapped(t->proc->mm, start, end)
               ? 0
               : -LX_ENOMEM; // shared mappings show the file's own pages: nothing to write back
}

int64_t sys_mincore(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    int err = get_range(a[0], a[1], &start, &end);
    if (err) return err;
    if (!all_mapped(t->proc->mm, start, end)) return -LX_ENOMEM;
    for (uint32_t done = 0; start + done < end;) {
        uint8_t chunk[256];
        uint32_t n = 0;
        for (; n < sizeof chunk && start + done + n < end; n++)
            chunk[n] = mem_pte(t->proc->mm->mem, start + done + n) != 0;
        if ((err = copy_to_user(t, a[2] + done, chunk, n))) return err;
        done += n;
    }
    return 0;
}

static int64_t lock_range(struct task *t, uint64_t addr, uint64_t len)
{ // the box's memory is never paged out: locking is only checked
    uint64_t lo = addr & ~(uint64_t)(PAGE_BYTES - 1);
    uint32_t start, end;
    int err = get_range(lo, len + (addr - lo), &start, &end);
    if (err) return -LX_ENOMEM;
    uint64_t limit = t->proc->rlimit[LX_RLIMIT_MEMLOCK].rlim_cur;
    if (!cred_has_cap(&t->proc->cred, 14 /* CAP_IPC_LOCK */) && ((uint64_t)(end - start) << PAGE_SHIFT) > limit)
        return limit ? -LX_ENOMEM : -LX_EPERM;
    return all_mapped(t->proc->mm, start, end) ? 0 : -LX_ENOMEM;
}
int64_t sys_mlock(struct task *t, const uint64_t a[6])
{
    return lock_range(t, a[0], a[1]);
}
int64_t sys_mlock2(struct task *t, const uint64_t a[6])
{
    return a[2] & ~1ull ? -LX_EINVAL : lock_range(t, a[0], a[1]);
}
int64_t sys_munlock(struct task *t, const uint64_t a[6])
{
    uint64_t lo = a[0] & ~(uint64_t)(PAGE_BYTES - 1);
    uint32_t start, end;
    return get_range(lo, a[1] + (a[0] - lo), &start, &end) || !all_mapped(t->proc->mm, start, end) ? -LX_ENOMEM : 0;
}
int64_t sys_mlockall(struct task *t, const uint64_t a[6])
{
    (void)t;
    return !a[0] || a[0] & ~7ull ? -LX_EINVAL : 0;
}
int64_t sys_munlockall(struct task *t, const uint64_t a[6])
{
    (void)t;
    (void)a;
    return 0;
}
