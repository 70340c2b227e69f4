// System V shared memory (ipc/shm.c): a segment is a file without a name; attaching maps it. mm.c tells of every vma
// that shows one (VMA_SHM), so that attachments are counted as Linux counts them.
#include "syscalls/mm.h"
#include "syscalls/sysv.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHM_MAX (UINT64_MAX - (1ull << 24)) // SHMMAX, SHMALL: none

struct shm {
    struct ipc_object o; // first
    struct file *file;   // referenced
    uint64_t size, attached;
    int64_t atime, dtime, ctime;
    int cpid, lpid;
};

static struct shm *shm_of(struct ipc_object *o)
{
    return (struct shm *)o;
}

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes >> PAGE_SHIFT) + !!(bytes & (PAGE_BYTES - 1));
}

// ---------------------------------------------------------------- the object

void shm_free(struct box *box, struct ipc_object *o)
{
    struct shm *s = shm_of(o);
    box->sysv->shm_pages -= pages_of(s->size);
    s->file->inode->private = NULL;
    file_put(s->file);
    kmfree(box->vfs, s, sizeof *s);
}

static void destroy(struct box *box, struct shm *s)
{
    ipc_remove(box, &box->sysv->shm, &s->o);
    shm_free(box, &s->o);
}

static int who(const struct box *box)
{
    return box->current ? box->current->proc->pid : 0;
}

void shm_vma_opened(struct box *box, struct inode *i)
{
    struct shm *s = i->private;
    if (!s) return;
    s->attached++;
    s->atime = ipc_seconds(box);
    s->lpid = who(box);
}

void shm_vma_closed(struct box *box, struct inode *i)
{
    struct shm *s = i->private;
    if (!s) return;
    s->attached--;
    s->dtime = ipc_seconds(box);
    s->lpid = who(box);
    if (!s->attached && s->o.mode & LX_SHM_DEST) destroy(box, s);
}

// ---------------------------------------------------------------- shmget

static int check_new(struct task *t, uint64_t size, int flags)
{
    const struct ram *ram = &t->box->ram;
    uint64_t pages = pages_of(size);
    if (!size || size > SHM_MAX) return -LX_EINVAL;
    if (flags & LX_SHM_HUGETLB) return cred_has_cap(&t->proc->cred, LX_CAP_IPC_LOCK) ? -LX_ENOMEM : -LX_EPERM;
    if (flags & LX_SHM_NORESERVE) return pages > MEM_PAGES * 64ull ? -LX_ENOMEM : 0;
    return pages + ram_used(ram) > ram_limit(ram) ? -LX_ENOMEM : 0;
}

static int64_t shm_make(struct task *t, int32_t key, uint64_t size, int flags)
{
    struct vfs *v = t->box->vfs;
    struct sysv *all = t->box->sysv;
    char name[32];
    int64_t err = check_new(t, size, flags);
    if (err) return err;
    if (all->shm.used >= all->shm.max) return -LX_ENOSPC;
    struct shm *s = kmalloc(v, sizeof *s);
    if (!s) return -LX_ENOMEM;
    snprintf(name, sizeof name, "/SYSV%08x", (unsigned)key);
    err = vfs_shm_file(v, name, &s->file);
    if (!err && (err = vfs_ftruncate(s->file, size))) file_put(s->file);
    if (!err && (err = ipc_add(t, &all->shm, &s->o, key, flags)) < 0) file_put(s->file);
    if (err < 0) {
        kmfree(v, s, sizeof *s);
        return err;
    }
    s->file->inode->private = s;
    s->file->inode->uid = s->o.uid;
    s->file->inode->gid = s->o.gid;
    s->size = size;
    s->ctime = ipc_seconds(t->box);
    s->cpid = t->proc->pid;
    all->shm_pages += pages_of(size);
    return s->o.id;
}

static int shm_fits(const struct ipc_object *o, uint64_t size)
{
    return ((const struct shm *)o)->size < size ? -LX_EINVAL : 0;
}

int64_t sys_shmget(struct task *t, const uint64_t a[6])
{
    static const struct ipc_kind kind = {shm_make, shm_fits};
    struct sysv *s = sysv_of(t->box);
    return s ? ipc_get(t, &s->shm, &kind, (int32_t)a[0], a[1], (int)a[2]) : -LX_ENOMEM;
}

// ---------------------------------------------------------------- shmat, shmdt

// Where it is to go: do_shmat's rules for the address.
static int shm_place(uint64_t *addr, unsigned flags)
{
    uint64_t rest = *addr & (PAGE_BYTES - 1);
    if (!*addr) return flags & LX_SHM_REMAP ? -LX_EINVAL : 0;
    if (rest && !(flags & LX_SHM_RND)) return -LX_EINVAL;
    *addr -= rest;
    return !*addr && flags & LX_SHM_REMAP ? -LX_EINVAL : 0;
}

static bool is_free(const struct mm *mm, uint64_t addr, uint64_t size)
{
    if (addr >= MEM_TOP || size > MEM_TOP - addr) return true; // mmap says ENOMEM
    return mm_range_free(mm, (uint32_t)(addr >> PAGE_SHIFT), (uint32_t)pages_of(size));
}

static int64_t map_segment(struct task *t, struct shm *s, uint64_t addr, unsigned flags)
{
    struct cred root;
    struct file *f;
    bool ro = flags & LX_SHM_RDONLY;
    cred_init(&root, 0, 0); // the rights to the segment were looked at, the file has none of its own
    int err = vfs_open_path(t->box->vfs, &s->file->path, &root, ro ? LX_O_RDONLY : LX_O_RDWR, &f);
    if (err) return err;
    struct mm_map m = {.addr = addr, .len = s->size, .file = f, .flags = LX_MAP_SHARED | (addr ? LX_MAP_FIXED : 0)};
    m.flags |= VMA_SHM;
    m.prot = LX_PROT_READ | (ro ? 0 : LX_PROT_WRITE) | (flags & LX_SHM_EXEC ? LX_PROT_EXEC : 0);
    int64_t at = mm_mmap(t->proc->mm, &m);
    file_put(f);
    return at;
}

int64_t sys_shmat(struct task *t, const uint64_t a[6])
{
    uint64_t addr = a[1];
    unsigned flags = (unsigned)a[2];
    struct sysv *all = sysv_of(t->box);
    if (!all) return -LX_ENOMEM;
    int err = (int)a[0] < 0 ? -LX_EINVAL : shm_place(&addr, flags);
    if (err) return err;
    struct shm *s = shm_of(ipc_find(&all->shm, (int)a[0], &err));
    if (!s) return err;
    int want = flags & LX_SHM_RDONLY ? IPC_READ : IPC_READ | IPC_WRITE;
    err = ipc_allowed(t, &s->o, want | (flags & LX_SHM_EXEC ? 0111 : 0));
    if (err) return err;
    if (addr && addr + s->size < addr) return -LX_EINVAL;
    if (addr && !(flags & LX_SHM_REMAP) && !is_free(t->proc->mm, addr, s->size)) return -LX_EINVAL;
    return map_segment(t, s, addr, flags);
}

// ksys_shmdt: what is left of the attachment whose first page would be at addr.
int64_t sys_shmdt(struct task *t, const uint64_t a[6])
{
    struct mm *mm = t->proc->mm;
    if (a[0] & (PAGE_BYTES - 1) || a[0] >= MEM_TOP) return -LX_EINVAL;
    uint32_t page = (uint32_t)(a[0] >> PAGE_SHIFT);
    struct file *of = NULL;
    for (unsigned i = vma_index_from(mm, page); i < mm->nvma;) {
        struct vma *v = mm->vma[i];
        bool ours = v->flags & VMA_SHM && v->start - v->pgoff == page && (!of || v->file == of);
        if (ours) {
            of = v->file;
            int err = vma_clear(mm, v->start, v->end);
            if (err) return err;
        } else {
            i++;
        }
    }
    return of ? 0 : -LX_EINVAL;
}

// ---------------------------------------------------------------- shmctl

static uint64_t resident(const struct shm *s)
{
    return s->file->inode->blocks / (PAGE_BYTES / 512);
}

static int64_t shm_stat(struct task *t, int id, int cmd, gaddr to)
{
    int err;
    bool by_index = cmd != LX_IPC_STAT;
    struct ipc_object *o = ipc_for_stat(t, &t->box->sysv->shm, id, by_index, cmd == LX_SHM_STAT_ANY, &err);
    struct shm *s = shm_of(o);
    if (!o) return err;
    struct lx_shmid_ds d = {.segsz = s->size,
                            .atime = s->atime,
                            .dtime = s->dtime,
                            .ctime = s->ctime,
                            .cpid = s->cpid,
                            .lpid = s->lpid,
                            .nattch = s->attached};
    ipc_fill(&d.perm, o);
    err = copy_to_user(t, to, &d, sizeof d);
    return err ? err : by_index ? o->id : 0;
}

static int64_t shm_info(struct task *t, int cmd, gaddr to)
{
    const struct ipc_table *table = &t->box->sysv->shm;
    struct lx_shminfo limits = {
        .shmmax = SHM_MAX, .shmmin = 1, .shmmni = table->max, .shmseg = table->max, .shmall = SHM_MAX};
    struct lx_shm_info used = {.used_ids = (int)table->used, .tot = t->box->sysv->shm_pages};
    for (unsigned i = 0; i < table->cap; i++)
        if (table->slot[i]) used.rss += resident(shm_of(table->slot[i]));
    int err =
        cmd == LX_IPC_INFO ? copy_to_user(t, to, &limits, sizeof limits) : copy_to_user(t, to, &used, sizeof used);
    return err ? err : ipc_highest(table);
}

static int64_t shm_set(struct task *t, int id, gaddr from)
{
    struct lx_shmid_ds d;
    int err = copy_from_user(t, &d, from, sizeof d);
    if (err) return err;
    struct ipc_object *o = ipc_for_change(t, &t->box->sysv->shm, id, &err);
    if (!o) return err;
    ipc_set(o, &d.perm);
    shm_of(o)->ctime = ipc_seconds(t->box);
    return 0;
}

static int64_t shm_rmid(struct task *t, int id)
{
    int err;
    struct ipc_object *o = ipc_for_change(t, &t->box->sysv->shm, id, &err);
    if (!o) return err;
    o->mode |= LX_SHM_DEST;
    o->key = LX_IPC_PRIVATE; // not found by key any more
    if (!shm_of(o)->attached) destroy(t->box, shm_of(o));
    return 0;
}

// The box never pages out: the lock is only shown.
static int64_t shm_lock(struct task *t, int id, bool on)
{
    int err;
    const struct cred *c = &t->proc->cred;
    struct ipc_object *o = ipc_find(&t->box->sysv->shm, id, &err);
    if (!o) return err;
    if (!cred_has_cap(c, LX_CAP_IPC_LOCK)) {
        if (c->euid != o->uid && c->euid != o->cuid) return -LX_EPERM;
        if (on && !t->proc->rlimit[LX_RLIMIT_MEMLOCK].rlim_cur) return -LX_EPERM;
    }
    o->mode = on ? o->mode | LX_SHM_LOCKED : o->mode & ~(uint32_t)LX_SHM_LOCKED;
    return 0;
}

int64_t sys_shmctl(struct task *t, const uint64_t a[6])
{
    int id = (int)a[0], cmd = (int)a[1];
    if (cmd < 0 || id < 0) return -LX_EINVAL;
    if (!sysv_of(t->box)) return -LX_ENOMEM;
    switch (cmd) {
    case LX_IPC_INFO:
    case LX_SHM_INFO:
        return shm_info(t, cmd, a[2]);
    case LX_IPC_STAT:
    case LX_SHM_STAT:
    case LX_SHM_STAT_ANY:
        return shm_stat(t, id, cmd, a[2]);
    case LX_IPC_SET:
        return shm_set(t, id, a[2]);
    case LX_IPC_RMID:
        return shm_rmid(t, id);
    case LX_SHM_LOCK:
    case LX_SHM_UNLOCK:
        return shm_lock(t, id, cmd == LX_SHM_LOCK);
    default:
        return -LX_EINVAL;
    }
}

void sysv_show_shm(struct proc_text *x, const struct proc_who *w)
{
    const struct sysv *all = w->box->sysv;
    text_add(x,
             "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime"
             "      dtime      ctime                   rss                  swap\n");
    for (unsigned i = 0; all && i < all->shm.cap; i++) {
        const struct shm *s = shm_of(all->shm.slot[i]);
        if (!s) continue;
        text_add(x,
                 "%10d %10d  %4o %21" PRIu64 " %5d %5d  %5" PRIu64 " %5u %5u %5u %5u %10" PRId64 " %10" PRId64
                 " %10" PRId64,
                 s->o.key, s->o.id, s->o.mode, s->size, s->cpid, s->lpid, s->attached, s->o.uid, s->o.gid, s->o.cuid,
                 s->o.cgid, s->atime, s->dtime, s->ctime);
        text_add(x, " %21" PRIu64 " %21d\n", resident(s) * PAGE_BYTES, 0);
    }
}
