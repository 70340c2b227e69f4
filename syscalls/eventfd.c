// eventfd: a counter to wait for (fs/eventfd.c). Reads and writes move exactly eight bytes.
#include "syscalls/fs.h"

struct eventfd {
    struct vfs *vfs;
    uint64_t count;
    bool semaphore;
    struct waitq wait;
};

static void eventfd_release(struct file *f)
{
    struct eventfd *e = f->private;
    waitq_dismiss(&e->wait);
    kmfree(e->vfs, e, sizeof *e);
}

// A number that only half reached the guest was not given: the run counts for nothing.
static int not_moved(struct iob *io)
{
    io->done = 0;
    return -LX_EFAULT;
}

static int eventfd_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct eventfd *e = f->private;
    (void)pos;
    if (io->left < sizeof e->count) return -LX_EINVAL;
    if (!e->count) return -LX_EAGAIN;
    uint64_t got = e->semaphore ? 1 : e->count;
    if (iob_put(io, &got, sizeof got) < sizeof got) return not_moved(io);
    e->count -= got;
    waitq_wake(&e->wait);
    return 0;
}

static int eventfd_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct eventfd *e = f->private;
    uint64_t add;
    (void)pos;
    if (io->left < sizeof add) return -LX_EINVAL;
    if (iob_get(io, &add, sizeof add) < sizeof add) return not_moved(io);
    if (add == UINT64_MAX || UINT64_MAX - 1 - e->count < add) {
        io->done = 0;
        return add == UINT64_MAX ? -LX_EINVAL : -LX_EAGAIN;
    }
    e->count += add;
    waitq_wake(&e->wait);
    return 0;
}

static unsigned eventfd_poll(struct file *f, struct waitq **queue)
{
    struct eventfd *e = f->private;
    *queue = &e->wait;
    return (e->count ? LX_POLLIN : 0) | (e->count < UINT64_MAX - 1 ? LX_POLLOUT : 0) |
           (e->count == UINT64_MAX ? LX_POLLERR : 0);
}

static const struct file_ops eventfd_fops = {
    .release = eventfd_release, .read = eventfd_read, .write = eventfd_write, .poll = eventfd_poll};

static int64_t eventfd_new(struct task *t, uint32_t count, uint32_t flags)
{
    struct vfs *v = t->box->vfs;
    struct file *f;
    if (flags & ~(uint32_t)(LX_EFD_SEMAPHORE | LX_EFD_CLOEXEC | LX_EFD_NONBLOCK)) return -LX_EINVAL;
    struct eventfd *e = kmalloc(v, sizeof *e);
    if (!e) return -LX_ENOMEM;
    *e = (struct eventfd){.vfs = v, .count = count, .semaphore = flags & LX_EFD_SEMAPHORE};
    int err =
        vfs_anon_file(v, "anon_inode:[eventfd]", 0600, &eventfd_fops, e, LX_O_RDWR | (flags & LX_EFD_NONBLOCK), &f);
    if (!err) return fd_install(t->proc, f, 0, flags & LX_EFD_CLOEXEC);
    kmfree(v, e, sizeof *e);
    return err;
}

int64_t sys_eventfd(struct task *t, const uint64_t a[6])
{
    return eventfd_new(t, (uint32_t)a[0], 0);
}
int64_t sys_eventfd2(struct task *t, const uint64_t a[6])
{
    return eventfd_new(t, (uint32_t)a[0], (uint32_t)a[1]);
}
