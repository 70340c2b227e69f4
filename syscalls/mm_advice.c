// What programs say about their memory: madvise, msync, mincore, and mlock with its limits. The box never pages out, so
// a lock is a flag of the vma (VMA_LOCKED) that brings the pages in and is counted.
#include "syscalls/mm.h"

enum { POPULATE_STEP = 2048 };

int64_t mm_populate(struct task *t, uint32_t start, uint32_t end, bool write)
{
    struct mm *mm = t->proc->mm;
    for (unsigned step = 0; start + t->sys.done < end; step++) {
        uint32_t page = start + (uint32_t)t->sys.done;
        if (step == POPULATE_STEP) return task_yield(t);
        int err = mm_make_present(mm, (gaddr)page << PAGE_SHIFT, write ? MEM_W : MEM_R);
        if (err) return err;
        t->sys.done++;
    }
    return 0;
}

// ---------------------------------------------------------------- advice

static int set_vma_flags(struct mm *mm, uint32_t start, uint32_t end, uint32_t set, uint32_t clear)
{
    int err = vma_isolate(mm, start, end);
    if (err) return err;
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++)
        mm->vma[i]->flags = (mm->vma[i]->flags | set) & ~clear;
    vma_merge_around(mm, start, end);
    return 0;
}

// Is there a mapping in the range that the advice is not for?
static bool any(const struct mm *mm, uint32_t start, uint32_t end, bool (*bad)(const struct vma *))
{
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++)
        if (bad(mm->vma[i])) return true;
    return false;
}

static bool is_locked(const struct vma *v)
{
    return v->flags & VMA_LOCKED;
}
static bool of_a_file(const struct vma *v)
{
    return v->inode != NULL;
}

// MADV_REMOVE: holes in the file behind a shared mapping (madvise_remove).
static int64_t punch(struct mm *mm, uint32_t start, uint32_t end)
{
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++) {
        struct vma *v = mm->vma[i];
        uint32_t from = v->start > start ? v->start : start, to = v->end < end ? v->end : end;
        if (v->flags & VMA_LOCKED || !v->file) return -LX_EINVAL;
        if (!(v->flags & LX_MAP_SHARED) || !(v->file->mode & FILE_WRITE)) return -LX_EACCES;
        int err = vfs_fallocate(v->file, LX_FALLOC_FL_PUNCH_HOLE | LX_FALLOC_FL_KEEP_SIZE,
                                (v->pgoff + (from - v->start)) << PAGE_SHIFT, (uint64_t)(to - from) << PAGE_SHIFT);
        if (err) return err;
    }
    return 0;
}

static int64_t advise_fork(struct mm *mm, uint32_t start, uint32_t end, int advice)
{
    switch (advice) {
    case LX_MADV_DONTFORK:
        return set_vma_flags(mm, start, end, VMA_DONTFORK, 0);
    case LX_MADV_DOFORK:
        return set_vma_flags(mm, start, end, 0, VMA_DONTFORK);
    case LX_MADV_WIPEONFORK:
        return any(mm, start, end, of_a_file) ? -LX_EINVAL : set_vma_flags(mm, start, end, VMA_WIPEONFORK, 0);
    default:
        return set_vma_flags(mm, start, end, 0, VMA_WIPEONFORK);
    }
}

static int64_t populate_advice(struct task *t, uint32_t start, uint32_t end, bool write)
{
    int64_t r = mm_populate(t, start, end, write);
    return r == -LX_EFAULT && !mm_all_mapped(t->proc->mm, start, end) ? -LX_ENOMEM : r;
}

static int64_t advise(struct task *t, uint32_t start, uint32_t end, int advice)
{
    struct mm *mm = t->proc->mm;
    switch (advice) {
    case LX_MADV_DONTNEED:
    case LX_MADV_FREE:
        if (any(mm, start, end, is_locked)) return -LX_EINVAL;
        if (advice == LX_MADV_FREE && any(mm, start, end, of_a_file)) return -LX_EINVAL;
        mem_unmap(mm->mem, start, end - start);
        return 0; // absent pages come again: zeros, or the file's
    case LX_MADV_DONTNEED_LOCKED:
        mem_unmap(mm->mem, start, end - start);
        return 0;
    case LX_MADV_REMOVE:
        return punch(mm, start, end);
    case LX_MADV_POPULATE_READ:
    case LX_MADV_POPULATE_WRITE:
        return populate_advice(t, start, end, advice == LX_MADV_POPULATE_WRITE);
    case LX_MADV_DONTFORK:
    case LX_MADV_DOFORK:
    case LX_MADV_WIPEONFORK:
    case LX_MADV_KEEPONFORK:
        return advise_fork(mm, start, end, advice);
    default:
        return 0; // known, and of no effect that a program can see
    }
}

static int known_advice(const struct task *t, int advice)
{
    enum { HWPOISON = 100, SOFT_OFFLINE = 101 };
    bool known = (advice >= LX_MADV_NORMAL && advice <= LX_MADV_DONTNEED) ||
                 (advice >= LX_MADV_FREE && advice <= LX_MADV_DONTNEED_LOCKED);
    if (advice != HWPOISON && advice != SOFT_OFFLINE) return known ? 0 : -LX_EINVAL;
    return cred_has_cap(&t->proc->cred, LX_CAP_SYS_ADMIN) ? -LX_EINVAL : -LX_EPERM;
}

int64_t sys_madvise(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    int advice = (int)a[2];
    int err = known_advice(t, advice);
    if (err) return err;
    uint64_t len = mm_wide_clip(t->proc->mm, a[0], a[1]);
    if (mm_range(t->proc->mm, a[0], len, &start, &end)) return -LX_EINVAL;
    if (start == end) return 0;
    bool whole = mm_all_mapped(t->proc->mm, start, end);
    int64_t r = advise(t, start, end, advice);
    return r ? r : whole ? 0 : -LX_ENOMEM;
}

static int sync_files(const struct mm *mm, uint32_t start, uint32_t end)
{
    int err = 0;
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end && !err; i++) {
        const struct vma *v = mm->vma[i];
        bool file = v->file && (v->inode->mode & LX_S_IFMT) == LX_S_IFREG;
        if (file && v->flags & LX_MAP_SHARED) err = vfs_fsync(v->file);
    }
    return err;
}

int64_t sys_msync(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    if (a[2] & ~(uint64_t)(LX_MS_ASYNC | LX_MS_INVALIDATE | LX_MS_SYNC) || (a[2] & LX_MS_ASYNC && a[2] & LX_MS_SYNC))
        return -LX_EINVAL;
    int err = mm_range(t->proc->mm, a[0], a[1], &start, &end);
    if (err) return err;
    if (a[2] & LX_MS_INVALIDATE && any(t->proc->mm, start, end, is_locked)) return -LX_EBUSY;
    // Shared mappings show the file's own pages: to be written back is what their file system keeps elsewhere.
    if (a[2] & LX_MS_SYNC) err = sync_files(t->proc->mm, start, end);
    return err ? err : mm_all_mapped(t->proc->mm, start, end) ? 0 : -LX_ENOMEM;
}

int64_t sys_mincore(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    int err = mm_range(t->proc->mm, a[0], a[1], &start, &end);
    if (err) return err;
    if (!mm_all_mapped(t->proc->mm, start, end)) return -LX_ENOMEM;
    t->proc->mm->small_touched = 0; // it looks at what is there: nothing is to come before it is touched
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

// ---------------------------------------------------------------- locking

uint64_t mm_locked_pages(const struct mm *mm)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < mm->nvma; i++)
        n += mm->vma[i]->flags & VMA_LOCKED ? mm->vma[i]->end - mm->vma[i]->start : 0;
    return n;
}

int mm_may_lock(const struct task *t, uint64_t more_pages)
{
    uint64_t limit = t->proc->rlimit[LX_RLIMIT_MEMLOCK].rlim_cur;
    if (cred_has_cap(&t->proc->cred, LX_CAP_IPC_LOCK) || limit == LX_RLIM_INFINITY) return 0;
    if (!limit) return -LX_EPERM;
    return mm_locked_pages(t->proc->mm) + more_pages > limit >> PAGE_SHIFT ? -LX_ENOMEM : 0;
}

static uint64_t locked_within(const struct mm *mm, uint32_t start, uint32_t end)
{
    uint64_t n = 0;
    for (unsigned i = vma_index_from(mm, start); i < mm->nvma && mm->vma[i]->start < end; i++) {
        const struct vma *v = mm->vma[i];
        uint32_t from = v->start > start ? v->start : start, to = v->end < end ? v->end : end;
        if (v->flags & VMA_LOCKED) n += to - from;
    }
    return n;
}

// Bytes of any alignment: the pages they touch.
static int touched(const struct mm *mm, uint64_t addr, uint64_t len, uint32_t *start, uint32_t *end)
{
    uint64_t lo = addr & ~(uint64_t)(PAGE_BYTES - 1);
    if (addr + len < addr) return -LX_EINVAL;
    return mm_range(mm, lo, len + (addr - lo), start, end) ? -LX_ENOMEM : 0;
}

static int64_t lock_range(struct task *t, uint64_t addr, uint64_t len, bool on_fault)
{
    struct mm *mm = t->proc->mm;
    uint32_t start, end;
    if (mm_may_lock(t, 0) == -LX_EPERM) return -LX_EPERM;
    int err = touched(mm, addr, len, &start, &end);
    uint64_t pages = (len + (addr & (PAGE_BYTES - 1)) + PAGE_BYTES - 1) >> PAGE_SHIFT;
    if (mm_may_lock(t, err ? pages : pages - locked_within(mm, start, end))) return -LX_ENOMEM;
    if (err || start == end) return err;
    if (!mm_all_mapped(mm, start, end)) return -LX_ENOMEM;
    if ((err = set_vma_flags(mm, start, end, VMA_LOCKED, 0)) || on_fault) return err;
    int64_t r = mm_populate(t, start, end, false);
    return r == -LX_EFAULT ? -LX_ENOMEM : r; // PROT_NONE, as __mm_populate has it
}

int64_t sys_mlock(struct task *t, const uint64_t a[6])
{
    return lock_range(t, a[0], a[1], false);
}

int64_t sys_mlock2(struct task *t, const uint64_t a[6])
{
    return a[2] & ~1ull ? -LX_EINVAL : lock_range(t, a[0], a[1], a[2] & 1);
}

int64_t sys_munlock(struct task *t, const uint64_t a[6])
{
    uint32_t start, end;
    int err = touched(t->proc->mm, a[0], a[1], &start, &end);
    if (err || start == end) return err;
    if (!mm_all_mapped(t->proc->mm, start, end)) return -LX_ENOMEM;
    return set_vma_flags(t->proc->mm, start, end, 0, VMA_LOCKED);
}

int64_t sys_mlockall(struct task *t, const uint64_t a[6])
{
    enum { ON_FAULT = 4, KNOWN = LX_MCL_CURRENT | LX_MCL_FUTURE | ON_FAULT };
    struct mm *mm = t->proc->mm;
    if (!a[0] || a[0] & ~(uint64_t)KNOWN || a[0] == ON_FAULT) return -LX_EINVAL;
    int err = mm_may_lock(t, a[0] & LX_MCL_CURRENT ? mm->total_pages - mm_locked_pages(mm) : 0);
    if (err && (err == -LX_EPERM || a[0] & LX_MCL_CURRENT)) return err;
    mm->lock_future = a[0] & LX_MCL_FUTURE;
    for (unsigned i = 0; i < mm->nvma && a[0] & LX_MCL_CURRENT; i++) mm->vma[i]->flags |= VMA_LOCKED;
    return 0; // pages come when they are touched, as with MCL_ONFAULT
}

int64_t sys_munlockall(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    (void)a;
    mm->lock_future = false;
    for (unsigned i = 0; i < mm->nvma; i++) mm->vma[i]->flags &= ~(uint32_t)VMA_LOCKED;
    if (mm->nvma) vma_merge_around(mm, 0, UINT32_MAX);
    return 0;
}
