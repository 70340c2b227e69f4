// Descriptor tables: struct fdtable, which processes share by CLONE_FILES, and the calls on descriptors alone (close,
// dup and relatives).
//
// A table owns one reference on each file. Numbers are given out lowest first; `free_from` is a lower bound of the
// lowest free one. The table grows by doubling up to the limit given at its making (the box's --files), so a guest
// cannot steer how much memory it takes beyond that.
#include "syscalls/fs.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64, MOST_SLOTS = 1 << 20 }; // MOST_SLOTS: Linux's default nr_open

struct slot {
    struct file *file;
    bool cloexec;
};
struct fdtable {
    unsigned refs, limit, cap, free_from;
    struct slot *slot;
};

void *kmalloc(struct vfs *v, size_t n)
{
    if (v->kmem > v->kmem_limit || n > v->kmem_limit - v->kmem) return NULL;
    void *p = calloc(1, n);
    if (p) v->kmem += n;
    return p;
}

void kmfree(struct vfs *v, void *p, size_t n)
{
    if (!p) return;
    v->kmem -= n;
    free(p);
}

// ---------------------------------------------------------------- the table

static struct fdtable *table_new(unsigned limit, unsigned cap)
{
    struct fdtable *ft = calloc(1, sizeof *ft);
    if (!ft) return NULL;
    *ft = (struct fdtable){.refs = 1, .limit = limit, .cap = cap, .slot = calloc(cap, sizeof *ft->slot)};
    if (ft->slot) return ft;
    free(ft);
    return NULL;
}

struct fdtable *fdtable_new(unsigned limit)
{
    if (limit > MOST_SLOTS) limit = MOST_SLOTS;
    return table_new(limit, limit < FIRST_SLOTS ? (limit ? limit : 1) : FIRST_SLOTS);
}

struct fdtable *fdtable_clone(struct fdtable *from)
{
    struct fdtable *ft = table_new(from->limit, from->cap);
    if (!ft) return NULL;
    memcpy(ft->slot, from->slot, from->cap * sizeof *ft->slot);
    ft->free_from = from->free_from;
    for (unsigned i = 0; i < ft->cap; i++)
        if (ft->slot[i].file) file_get(ft->slot[i].file);
    return ft;
}

struct fdtable *fdtable_ref(struct fdtable *ft)
{
    ft->refs++;
    return ft;
}

static void close_slot(struct fdtable *ft, unsigned fd)
{
    struct file *f = ft->slot[fd].file;
    ft->slot[fd] = (struct slot){0};
    if (fd < ft->free_from) ft->free_from = fd;
    locks_closed(ft, f);
    file_put(f);
}

void fdtable_unref(struct fdtable *ft)
{
    if (!ft || --ft->refs > 0) return;
    for (unsigned i = 0; i < ft->cap; i++)
        if (ft->slot[i].file) close_slot(ft, i);
    free(ft->slot);
    free(ft);
}

void fdtable_cloexec(struct fdtable *ft)
{
    for (unsigned i = 0; i < ft->cap; i++)
        if (ft->slot[i].file && ft->slot[i].cloexec) close_slot(ft, i);
}

static bool grow(struct fdtable *ft, unsigned fd)
{
    if (fd < ft->cap) return true;
    if (fd >= ft->limit) return false;
    unsigned cap = ft->cap;
    while (cap <= fd) cap *= 2;
    if (cap > ft->limit) cap = ft->limit;
    struct slot *slot = realloc(ft->slot, cap * sizeof *slot);
    if (!slot) return false;
    memset(slot + ft->cap, 0, (cap - ft->cap) * sizeof *slot);
    ft->slot = slot;
    ft->cap = cap;
    return true;
}

// ---------------------------------------------------------------- descriptors of a process

uint64_t fd_limit(const struct process *p)
{
    uint64_t n = p->rlimit[LX_RLIMIT_NOFILE].rlim_cur;
    return n < p->fds->limit ? n : p->fds->limit;
}

unsigned fd_capacity(struct process *p)
{
    return p->fds->cap;
}

static int first_free(struct process *p, unsigned from)
{
    struct fdtable *ft = p->fds;
    unsigned fd = from > ft->free_from ? from : ft->free_from;
    while (fd < ft->cap && ft->slot[fd].file) fd++;
    return fd < fd_limit(p) && grow(ft, fd) ? (int)fd : -LX_EMFILE;
}

int fd_install(struct process *p, struct file *f, unsigned from, bool cloexec)
{
    int fd = first_free(p, from);
    if (fd < 0) {
        file_put(f);
        return fd;
    }
    struct fdtable *ft = p->fds;
    if (from <= ft->free_from) ft->free_from = (unsigned)fd + 1;
    ft->slot[fd] = (struct slot){f, cloexec};
    return fd;
}

int fd_room(struct process *p, unsigned n)
{
    struct fdtable *ft = p->fds;
    uint64_t limit = fd_limit(p);
    for (unsigned fd = ft->free_from; n > 0; fd++) {
        if (fd >= limit) return -LX_EMFILE;
        if (fd >= ft->cap) return limit - fd >= n ? 0 : -LX_EMFILE;
        if (!ft->slot[fd].file) n--;
    }
    return 0;
}

struct file *fd_get(struct process *p, int fd)
{
    struct fdtable *ft = p->fds;
    return ft && (unsigned)fd < ft->cap ? ft->slot[fd].file : NULL;
}

struct file *fd_io(struct task *t, int fd)
{
    struct file *f = fd_get(t->proc, fd);
    return f && !(f->mode & FILE_PATH) ? f : NULL;
}

static void unhold(struct task *t)
{
    file_put(t->sys.object);
}

struct file *fd_io_held(struct task *t, int fd)
{
    return t->sys.object ? t->sys.object : fd_io(t, fd);
}

void fd_hold(struct task *t, struct file *f)
{
    if (t->sys.object) return;
    t->sys.object = file_get(f);
    t->sys.release = unhold;
}

bool fd_cloexec(struct process *p, int fd)
{
    return fd_get(p, fd) && p->fds->slot[fd].cloexec;
}

int fd_set_cloexec(struct process *p, int fd, bool on)
{
    if (!fd_get(p, fd)) return -LX_EBADF;
    p->fds->slot[fd].cloexec = on;
    return 0;
}

int fd_close(struct process *p, int fd)
{
    if (!fd_get(p, fd)) return -LX_EBADF;
    close_slot(p->fds, (unsigned)fd);
    return 0;
}

// ---------------------------------------------------------------- the calls

int64_t sys_close(struct task *t, const uint64_t a[6])
{
    return fd_close(t->proc, (int)a[0]);
}

int64_t sys_dup(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_get(t->proc, (int)a[0]);
    return f ? fd_install(t->proc, file_get(f), 0, false) : -LX_EBADF;
}

static int64_t dup_to(struct process *p, int from, int to, bool cloexec)
{
    if ((unsigned)to >= fd_limit(p)) return -LX_EBADF;
    struct file *f = fd_get(p, from);
    if (!f) return -LX_EBADF;
    if (!grow(p->fds, (unsigned)to)) return -LX_EMFILE;
    file_get(f);
    if (p->fds->slot[to].file) close_slot(p->fds, (unsigned)to);
    p->fds->slot[to] = (struct slot){f, cloexec};
    return to;
}

int64_t sys_dup2(struct task *t, const uint64_t a[6])
{
    int from = (int)a[0], to = (int)a[1];
    if (from == to) return fd_get(t->proc, from) ? to : -LX_EBADF;
    return dup_to(t->proc, from, to, false);
}

int64_t sys_dup3(struct task *t, const uint64_t a[6])
{
    if ((uint32_t)a[2] & ~(uint32_t)LX_O_CLOEXEC) return -LX_EINVAL;
    if ((int)a[0] == (int)a[1]) return -LX_EINVAL;
    return dup_to(t->proc, (int)a[0], (int)a[1], a[2] & LX_O_CLOEXEC);
}

enum { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 };

static int own_table(struct process *p)
{
    if (p->fds->refs == 1) return 0;
    struct fdtable *own = fdtable_clone(p->fds);
    if (!own) return -LX_ENOMEM;
    fdtable_unref(p->fds);
    p->fds = own;
    return 0;
}

int64_t sys_close_range(struct task *t, const uint64_t a[6])
{
    uint32_t first = (uint32_t)a[0], last = (uint32_t)a[1], flags = (uint32_t)a[2];
    if (flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last) return -LX_EINVAL;
    int err = flags & CLOSE_RANGE_UNSHARE ? own_table(t->proc) : 0;
    if (err) return err;
    struct fdtable *ft = t->proc->fds;
    for (unsigned fd = first; fd < ft->cap && fd <= last; fd++) {
        if (!ft->slot[fd].file) continue;
        if (flags & CLOSE_RANGE_CLOEXEC)
            ft->slot[fd].cloexec = true;
        else
            close_slot(ft, fd);
    }
    return 0;
}

void kernel_file_release(void *box, struct file *f)
{
    (void)box;
    epoll_file_released(f);
    sigio_file_released(f);
    locks_file_released(f);
}
