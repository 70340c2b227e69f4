// /proc/PID/mem, pagemap, auxv, smaps, smaps_rollup, numa_maps: a process's memory as others see it (fs/proc/base.c,
// fs/proc/task_mmu.c).
#include "syscalls/mm.h"
#include "syscalls/procfs.h"
#include <inttypes.h>
#include <string.h>

// ---------------------------------------------------------------- mem

static struct mm *mm_of(const struct file *f)
{
    return f->private;
}

static void mm_release(struct file *f)
{
    if (f->private) mm_unref(f->private);
}

static int mm_open(struct file *f)
{
    struct proc_who w;
    struct task *me = ((struct box *)f->inode->fs->private)->current;
    if (!proc_who_of(f->inode, &w)) return -LX_ESRCH;
    if (me && !process_may_access(me->proc, w.p)) return -LX_EACCES;
    f->private = w.p->mm ? mm_ref(w.p->mm) : NULL;
    return 0;
}

// A stretch within one page. -LX_EIO: nothing is there, as mem_rw has it.
static int move_some(struct mm *mm, struct iob *io, uint64_t *pos, bool write)
{
    uint64_t room = PAGE_BYTES - (*pos & (PAGE_BYTES - 1));
    size_t n = io->left < room ? io->left : (size_t)room;
    uint8_t copy[PAGE_BYTES];
    // Tried first: what is fetched from the caller is gone then.
    int err = mm_force(mm, *pos, copy, write ? 0 : n, write);
    if (err) return err == -LX_EPARK ? err : -LX_EIO;
    size_t got = write ? iob_get(io, copy, n) : iob_put(io, copy, n);
    if (write && mm_force(mm, *pos, copy, got, true)) return -LX_EIO;
    *pos += got;
    return got < n ? -LX_EFAULT : 0;
}

static int move_bytes(struct file *f, struct iob *io, uint64_t *pos, bool write)
{
    size_t before = io->done;
    int err = 0;
    if (!f->private) return 0; // it has exited
    while (io->left && !err) err = move_some(mm_of(f), io, pos, write);
    return err == -LX_EIO && io->done > before ? 0 : err;
}

static int read_mem(struct file *f, struct iob *io, uint64_t *pos)
{
    return move_bytes(f, io, pos, false);
}

static int write_mem(struct file *f, struct iob *io, uint64_t *pos)
{
    return move_bytes(f, io, pos, true);
}

static const struct file_ops mem_fops = {.open = mm_open, .release = mm_release, .read = read_mem, .write = write_mem};

// ---------------------------------------------------------------- pagemap

static uint64_t page_entry(const struct mm *mm, uint64_t page)
{ // frame numbers are not told, as to those without CAP_SYS_ADMIN
    page = mem_low(mm->mem, page << PAGE_SHIFT) >> PAGE_SHIFT;
    const struct vma *v = page < MEM_PAGES ? vma_at(mm, (uint32_t)page) : NULL;
    if (!v || !mem_pte(mm->mem, (uint32_t)page)) return 0;
    return 1ull << 63 | (v->inode ? 1ull << 61 : 0);
}

static int pagemap_read(struct file *f, struct iob *io, uint64_t *pos)
{
    if (*pos % 8 || io->left % 8) return -LX_EINVAL;
    if (!f->private) return 0;
    while (io->left && *pos / 8 < (1ull << 36)) { // TASK_SIZE_MAX
        uint64_t entry = page_entry(mm_of(f), *pos / 8);
        size_t before = io->done;
        if (iob_put(io, &entry, sizeof entry) < sizeof entry) {
            io->done = before;
            return -LX_EFAULT;
        }
        *pos += sizeof entry;
        if (io->done >= 65536) break;
    }
    return 0;
}

static const struct file_ops pagemap_fops = {.open = mm_open, .release = mm_release, .read = pagemap_read};

void proc_show_mem(struct proc_text *x, const struct proc_who *w)
{
    (void)x, (void)w;
}

void proc_show_pagemap(struct proc_text *x, const struct proc_who *w)
{
    (void)x, (void)w;
}

const struct file_ops *proc_special_fops(proc_show *show)
{
    return show == proc_show_mem ? &mem_fops : show == proc_show_pagemap ? &pagemap_fops : NULL;
}

// ---------------------------------------------------------------- auxv

void proc_show_auxv(struct proc_text *x, const struct proc_who *w)
{
    if (w->p->mm) text_bytes(x, w->p->mm->auxv, w->p->mm->nauxv * sizeof *w->p->mm->auxv);
}

// ---------------------------------------------------------------- smaps

struct usage { // kB
    uint64_t size, rss, pss, shared, private, anon, locked, cow;
};

static void count_page(const struct vma *v, uint32_t page, struct usage *u)
{
    pte_t p = mem_pte(v->mm->mem, page);
    if (!p) return;
    uint32_t refs = ram_is_file(pte_frame(p)) ? 2 : ram_refs(&v->mm->box->ram, pte_frame(p));
    if (v->inode && refs > 1) refs--; // the page cache's
    u->rss += 4;
    u->pss += refs > 1 ? 4096 / refs : 4096; // in bytes until the end
    *(refs > 1 ? &u->shared : &u->private) += 4;
    bool own = !(v->flags & LX_MAP_SHARED) && !(v->inode && p & MEM_COW);
    if (own) u->anon += 4;
}

static struct usage usage_of(const struct vma *v)
{
    struct usage u = {.size = ((uint64_t)v->end - v->start) * 4};
    for (uint32_t page = v->start; page < v->end; page++) count_page(v, page, &u);
    u.pss /= 1024;
    if (v->flags & VMA_LOCKED) u.locked = u.pss;
    return u;
}

static void add_usage(struct proc_text *x, const struct usage *u, bool rollup)
{
    if (!rollup)
        text_add(x, "Size:           %8" PRIu64 " kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n",
                 u->size);
    text_add(x, "Rss:            %8" PRIu64 " kB\nPss:            %8" PRIu64 " kB\nPss_Dirty:      %8" PRIu64 " kB\n",
             u->rss, u->pss, u->anon);
    if (rollup)
        text_add(x, "Pss_Anon:       %8" PRIu64 " kB\nPss_File:       %8" PRIu64 " kB\nPss_Shmem:             0 kB\n",
                 u->anon, u->pss > u->anon ? u->pss - u->anon : 0);
    text_add(x,
             "Shared_Clean:   %8" PRIu64 " kB\nShared_Dirty:          0 kB\nPrivate_Clean:  %8" PRIu64
             " kB\nPrivate_Dirty:  %8" PRIu64 " kB\n",
             u->shared, u->private > u->anon ? u->private - u->anon : 0, u->private < u->anon ? u->private : u->anon);
    text_add(x,
             "Referenced:     %8" PRIu64 " kB\nAnonymous:      %8" PRIu64
             " kB\nKSM:                   0 kB\nLazyFree:              0 kB\n",
             u->rss, u->anon);
    text_add(x,
             "AnonHugePages:         0 kB\nShmemPmdMapped:        0 kB\nFilePmdMapped:         0 kB\nShared_Hugetlb:   "
             "     0 kB\n"
             "Private_Hugetlb:       0 kB\nSwap:                  0 kB\nSwapPss:               0 kB\nLocked:         "
             "%8" PRIu64 " kB\n",
             u->locked);
}

static void add_vm_flags(struct proc_text *x, const struct vma *v)
{
    bool shared = v->flags & LX_MAP_SHARED, writes = !v->file || v->file->mode & FILE_WRITE || !shared;
    text_add(x, "THPeligible:           0\nVmFlags:%s%s%s%s mr%s me%s%s%s%s \n", v->prot & LX_PROT_READ ? " rd" : "",
             v->prot & LX_PROT_WRITE ? " wr" : "", v->prot & LX_PROT_EXEC ? " ex" : "", shared ? " sh" : "",
             writes ? " mw" : "", shared ? " ms" : "", v->flags & LX_MAP_GROWSDOWN ? " gd" : "",
             v->flags & VMA_LOCKED ? " lo" : "", v->flags & VMA_DONTFORK ? " dc" : "");
}

void proc_show_smaps(struct proc_text *x, const struct proc_who *w)
{
    const struct mm *mm = w->p->mm;
    for (unsigned i = 0; mm && i < mm->nvma; i++) {
        struct usage u = usage_of(mm->vma[i]);
        proc_map_head(x, w->p, mm->vma[i]);
        add_usage(x, &u, false);
        add_vm_flags(x, mm->vma[i]);
    }
}

void proc_show_smaps_rollup(struct proc_text *x, const struct proc_who *w)
{
    const struct mm *mm = w->p->mm;
    struct usage all = {0};
    if (!mm || !mm->nvma) return;
    for (unsigned i = 0; i < mm->nvma; i++) {
        struct usage u = usage_of(mm->vma[i]);
        all.rss += u.rss, all.pss += u.pss, all.shared += u.shared, all.private += u.private, all.anon += u.anon;
        all.locked += u.locked;
    }
    text_add(x, "%08" PRIx64 "-%08" PRIx64 " ---p 00000000 00:00 0                          [rollup]\n",
             (uint64_t)mm->vma[0]->start << PAGE_SHIFT, (uint64_t)mm->vma[mm->nvma - 1]->end << PAGE_SHIFT);
    add_usage(x, &all, true);
}

void proc_show_numa_maps(struct proc_text *x, const struct proc_who *w)
{
    static const char *const policies[] = {"default", "prefer", "bind:0", "interleave:0", "local", "prefer (many):0"};
    const struct mm *mm = w->p->mm;
    char name[LX_PATH_MAX];
    for (unsigned i = 0; mm && i < mm->nvma; i++) {
        const struct vma *v = mm->vma[i];
        struct usage u = usage_of(v);
        text_add(x, "%08" PRIx64 " %s", vma_shown(v, v->start), policies[v->policy % 6]);
        if (v->file && vfs_path_text(&w->p->root, &v->file->path, true, name, sizeof name) > 0)
            text_add(x, " file=%s", name);
        else if (v->flags & LX_MAP_STACK)
            text_add(x, " stack");
        if (u.rss)
            text_add(x, " %s=%" PRIu64 " N0=%" PRIu64 " kernelpagesize_kB=4", u.anon ? "anon" : "mapped", u.rss / 4,
                     u.rss / 4);
        text_add(x, "\n");
    }
}
