// inotify: instances, their watches and queues of events (fs/notify/inotify/). vfs/notify.c tells what happens.
//
// A watch holds its inode, stands in the inode's list (inode->watches) and in its instance's. An event is kept as the
// reader will see it. Memory is counted; when it is short, or the queue is full, the reader gets IN_Q_OVERFLOW.
#include "syscalls/fs.h"
#include <string.h>

enum {
    MAX_EVENTS = 16384,
    MAX_INSTANCES = 128,
    MAX_WATCHES = 65536,
    KNOWN = LX_IN_ALL_EVENTS | LX_IN_UNMOUNT | LX_IN_Q_OVERFLOW | LX_IN_IGNORED | LX_IN_ONLYDIR | LX_IN_DONT_FOLLOW |
            LX_IN_EXCL_UNLINK | LX_IN_MASK_CREATE | LX_IN_MASK_ADD | LX_IN_ISDIR,
};
static const uint32_t KEPT = LX_IN_ALL_EVENTS | LX_IN_EXCL_UNLINK | LX_IN_ONESHOT;

struct notice { // an event in a queue
    struct notice *next;
    struct lx_inotify_event e;
    uint32_t name_len;
    char name[];
};

struct inotify;
struct watch {
    struct watch *next, **prev;           // inode->watches
    struct watch *next_mine, **prev_mine; // inotify->watches
    struct inotify *owner;
    struct inode *inode; // referenced
    int32_t wd;
    uint32_t mask;
};

struct inotify {
    struct vfs *vfs;
    struct box *box;
    struct inotify *next, **prev; // box->inotify
    uint32_t uid;
    int32_t last_wd;
    bool wrapped; // numbers begin again: some may be in use
    unsigned nwatches, nevents;
    uint64_t bytes; // of all events, as read(2) gives them
    struct watch *watches;
    struct notice *first, *last, *overflow; // overflow: made beforehand; NULL while it is in the queue
    struct waitq wait;
};

// ---------------------------------------------------------------- the queue

static uint32_t padded(uint32_t name_len)
{
    enum { UNIT = sizeof(struct lx_inotify_event) };
    return name_len ? (name_len + 1 + UNIT - 1) / UNIT * UNIT : 0;
}

static size_t notice_bytes(const struct notice *n)
{
    return sizeof *n + n->name_len;
}

static struct notice *notice_new(struct vfs *v, const struct lx_inotify_event *e, const char *name)
{
    uint32_t len = name ? (uint32_t)strlen(name) : 0;
    struct notice *n = kmalloc(v, sizeof *n + len);
    if (!n) return NULL;
    n->e = *e;
    n->e.len = padded(len);
    n->name_len = len;
    if (len) memcpy(n->name, name, len);
    return n;
}

static void append(struct inotify *o, struct notice *n)
{
    n->next = NULL;
    if (o->last)
        o->last->next = n;
    else
        o->first = n;
    o->last = n;
    o->nevents++;
    o->bytes += sizeof n->e + n->e.len;
    waitq_wake(&o->wait);
}

// inotify_merge: an event like the last one says nothing new. The cookie is not looked at.
static bool merges(const struct notice *last, const struct lx_inotify_event *e, const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return last && last->e.mask == e->mask && last->e.wd == e->wd && last->name_len == len &&
           (!len || !memcmp(last->name, name, len));
}

static void overflow(struct inotify *o)
{
    struct notice *n = o->overflow;
    o->overflow = NULL;
    if (n) append(o, n);
}

static void queue(struct inotify *o, const struct lx_inotify_event *e, const char *name)
{
    if (merges(o->last, e, name)) return;
    struct notice *n = o->nevents < MAX_EVENTS ? notice_new(o->vfs, e, name) : NULL;
    if (n)
        append(o, n);
    else
        overflow(o);
}

static void drop_first(struct inotify *o)
{
    struct notice *n = o->first;
    o->first = n->next;
    if (!o->first) o->last = NULL;
    o->nevents--;
    o->bytes -= sizeof n->e + n->e.len;
    if (n->e.mask == LX_IN_Q_OVERFLOW)
        o->overflow = n;
    else
        kmfree(o->vfs, n, notice_bytes(n));
}

// ---------------------------------------------------------------- watches

static void unlink_watch(struct watch *w)
{
    struct inotify *o = w->owner;
    *w->prev = w->next;
    if (w->next) w->next->prev = w->prev;
    if (!w->inode->watches) o->vfs->watched--;
    *w->prev_mine = w->next_mine;
    if (w->next_mine) w->next_mine->prev_mine = w->prev_mine;
    o->nwatches--;
    inode_put(w->inode);
    kmfree(o->vfs, w, sizeof *w);
}

static void end_watch(struct watch *w)
{
    struct lx_inotify_event e = {.wd = w->wd, .mask = LX_IN_IGNORED};
    queue(w->owner, &e, NULL);
    unlink_watch(w);
}

static void deliver(struct watch *w, const struct vfs_event *v)
{
    uint32_t mask = v->mask, what = mask & LX_IN_ALL_EVENTS, kept = w->mask;
    bool gone = mask & (LX_IN_UNMOUNT | LX_IN_DELETE_SELF);
    bool wanted = what & kept || mask & LX_IN_UNMOUNT;
    if (v->name && v->unlinked && kept & LX_IN_EXCL_UNLINK) wanted = false;
    if (mask & (LX_IN_MOVE_SELF | LX_IN_DELETE_SELF)) mask &= ~(uint32_t)LX_IN_ISDIR;
    struct lx_inotify_event e = {.wd = w->wd, .mask = mask, .cookie = v->cookie};
    if (wanted) queue(w->owner, &e, v->name);
    if (gone || (wanted && kept & LX_IN_ONESHOT)) end_watch(w);
}

static void fs_gone(struct box *box, const struct vfs_event *v)
{
    for (struct inotify *o = box->inotify; o; o = o->next)
        for (struct watch *w = o->watches, *next; w; w = next) {
            next = w->next_mine;
            if (w->inode->fs == v->fs) deliver(w, v);
        }
}

void kernel_notify(void *box, const struct vfs_event *v)
{
    if (!v->inode) {
        fs_gone(box, v);
        return;
    }
    for (struct watch *w = v->inode->watches, *next; w; w = next) {
        next = w->next;
        deliver(w, v);
    }
}

static struct watch *watch_of(const struct inotify *o, const struct inode *i)
{
    struct watch *w = i->watches;
    while (w && w->owner != o) w = w->next;
    return w;
}

static struct watch *watch_number(const struct inotify *o, int32_t wd)
{
    struct watch *w = o->watches;
    while (w && w->wd != wd) w = w->next_mine;
    return w;
}

static int new_wd(struct inotify *o)
{ // ascending, and not again before the numbers are used up (idr_alloc_cyclic)
    bool again = o->wrapped;
    do {
        if (o->last_wd == INT32_MAX) again = o->wrapped = true, o->last_wd = 0;
        o->last_wd++;
    } while (again && watch_number(o, o->last_wd));
    return o->last_wd;
}

static unsigned watches_of(const struct box *box, uint32_t uid)
{
    unsigned n = 0;
    for (const struct inotify *o = box->inotify; o; o = o->next) n += o->uid == uid ? o->nwatches : 0;
    return n;
}

static int64_t new_watch(struct inotify *o, struct inode *i, uint32_t mask)
{
    if (watches_of(o->box, o->uid) >= MAX_WATCHES) return -LX_ENOSPC;
    struct watch *w = kmalloc(o->vfs, sizeof *w);
    if (!w) return -LX_ENOMEM;
    *w = (struct watch){.owner = o, .inode = inode_get(i), .wd = new_wd(o), .mask = mask & KEPT};
    if (!i->watches) o->vfs->watched++;
    w->next = i->watches;
    w->prev = (struct watch **)&i->watches;
    if (w->next) w->next->prev = &w->next;
    i->watches = w;
    w->next_mine = o->watches;
    w->prev_mine = &o->watches;
    if (w->next_mine) w->next_mine->prev_mine = &w->next_mine;
    o->watches = w;
    o->nwatches++;
    return w->wd;
}

static int64_t set_watch(struct inotify *o, struct inode *i, uint32_t mask)
{
    struct watch *w = watch_of(o, i);
    if (!w) return new_watch(o, i, mask);
    if (mask & LX_IN_MASK_CREATE) return -LX_EEXIST;
    w->mask = mask & LX_IN_MASK_ADD ? w->mask | (mask & KEPT) : mask & KEPT;
    return w->wd;
}

// ---------------------------------------------------------------- the file

// One event as read(2) gives it. -LX_EFAULT: it stays in the queue.
static int give(struct iob *io, const struct notice *n)
{
    struct {
        struct lx_inotify_event e;
        char name[VFS_NAME_MAX + 1 + sizeof(struct lx_inotify_event)];
    } out;
    size_t size = sizeof n->e + n->e.len, before = io->done;
    memset(&out, 0, size);
    out.e = n->e;
    memcpy(out.name, n->name, n->name_len);
    if (iob_put(io, &out, size) == size) return 0;
    io->done = before;
    return -LX_EFAULT;
}

static int inotify_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct inotify *o = f->private;
    size_t before = io->done;
    (void)pos;
    if (!o->first) return -LX_EAGAIN;
    while (o->first && io->left >= sizeof o->first->e + o->first->e.len) {
        int err = give(io, o->first);
        if (err) return err;
        drop_first(o);
    }
    return io->done == before ? -LX_EINVAL : 0;
}

static unsigned inotify_poll(struct file *f, struct waitq **q)
{
    struct inotify *o = f->private;
    *q = &o->wait;
    return o->first ? LX_POLLIN | LX_POLLRDNORM : 0;
}

static int64_t inotify_ioctl(struct file *f, struct task *t, uint32_t cmd, uint64_t arg)
{
    struct inotify *o = f->private;
    int32_t n = (int32_t)o->bytes;
    return cmd == LX_FIONREAD ? copy_to_user(t, arg, &n, sizeof n) : -LX_ENOTTY;
}

static int64_t inotify_seek(struct file *f, int64_t offset, int whence)
{ // noop_llseek
    (void)f, (void)offset, (void)whence;
    return 0;
}

static void inotify_free(struct inotify *o)
{
    while (o->watches) unlink_watch(o->watches);
    while (o->first) drop_first(o);
    kmfree(o->vfs, o->overflow, sizeof *o->overflow);
    waitq_dismiss(&o->wait);
    *o->prev = o->next;
    if (o->next) o->next->prev = o->prev;
    kmfree(o->vfs, o, sizeof *o);
}

static void inotify_release(struct file *f)
{
    inotify_free(f->private);
}

static const struct file_ops inotify_fops = {.release = inotify_release,
                                             .seek = inotify_seek,
                                             .read = inotify_read,
                                             .poll = inotify_poll,
                                             .ioctl = inotify_ioctl};

static unsigned instances_of(const struct box *box, uint32_t uid)
{
    unsigned n = 0;
    for (const struct inotify *o = box->inotify; o; o = o->next) n += o->uid == uid;
    return n;
}

static struct inotify *instance_new(struct task *t)
{
    static const struct lx_inotify_event full = {.wd = -1, .mask = LX_IN_Q_OVERFLOW};
    struct box *box = t->box;
    struct inotify *o = kmalloc(box->vfs, sizeof *o);
    if (!o) return NULL;
    *o = (struct inotify){.vfs = box->vfs, .box = box, .uid = t->proc->cred.uid, .next = box->inotify};
    o->prev = &box->inotify;
    if (o->next) o->next->prev = &o->next;
    box->inotify = o;
    o->overflow = notice_new(o->vfs, &full, NULL);
    if (o->overflow) return o;
    inotify_free(o);
    return NULL;
}

static int64_t inotify_new(struct task *t, uint32_t flags)
{
    struct file *f;
    if (flags & ~(uint32_t)(LX_O_CLOEXEC | LX_O_NONBLOCK)) return -LX_EINVAL;
    if (instances_of(t->box, t->proc->cred.uid) >= MAX_INSTANCES) return -LX_EMFILE;
    struct inotify *o = instance_new(t);
    if (!o) return -LX_ENOMEM;
    int err = vfs_anon_file(o->vfs, "anon_inode:inotify", 0600, &inotify_fops, o, flags & LX_O_NONBLOCK, &f);
    if (!err) return fd_install(t->proc, f, 0, flags & LX_O_CLOEXEC);
    inotify_free(o);
    return err;
}

void inotify_fdinfo(struct file *f, void (*line)(void *ctx, const struct inotify_line *), void *ctx)
{
    const struct inotify *o = f->ops == &inotify_fops ? f->private : NULL;
    for (const struct watch *w = o ? o->watches : NULL; w; w = w->next_mine)
        line(ctx, &(struct inotify_line){w->wd, w->mask, w->inode->ino, w->inode->fs->dev});
}

// ---------------------------------------------------------------- the calls

int64_t sys_inotify_init(struct task *t, const uint64_t a[6])
{
    (void)a;
    return inotify_new(t, 0);
}

int64_t sys_inotify_init1(struct task *t, const uint64_t a[6])
{
    return inotify_new(t, (uint32_t)a[0]);
}

static int64_t watch_path(struct task *t, struct inotify *o, gaddr path, uint32_t mask)
{
    struct path p;
    unsigned lookup = (mask & LX_IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & LX_IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
    int err = at_lookup(t, LX_AT_FDCWD, path, lookup, &p);
    if (err) return err;
    err = inode_permission(path_inode(&p), &t->proc->cred, LX_R_OK);
    int64_t r = err ? err : set_watch(o, path_inode(&p), mask);
    path_put(&p);
    return r;
}

int64_t sys_inotify_add_watch(struct task *t, const uint64_t a[6])
{
    uint32_t mask = (uint32_t)a[2];
    if (!(mask & (KNOWN | LX_IN_ONESHOT))) return -LX_EINVAL;
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    if (mask & LX_IN_MASK_ADD && mask & LX_IN_MASK_CREATE) return -LX_EINVAL;
    return f->ops == &inotify_fops ? watch_path(t, f->private, a[1], mask) : -LX_EINVAL;
}

int64_t sys_inotify_rm_watch(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    struct watch *w = f->ops == &inotify_fops ? watch_number(f->private, (int32_t)a[1]) : NULL;
    if (!w) return -LX_EINVAL;
    end_watch(w);
    return 0;
}
