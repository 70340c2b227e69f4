// Device numbers and what stands behind them; and the memory devices (drivers/char/mem.c): null, zero, full, random,
// urandom.
#include "vfs/internal.h"
#include <string.h>

struct device {
    struct device *next;
    bool block;
    uint32_t rdev;
    const struct file_ops *ops;
    void *ctx;
};

static struct device *find(struct vfs *v, bool block, uint32_t rdev)
{
    struct device *d = v->devices;
    while (d && (d->block != block || d->rdev != rdev)) d = d->next;
    return d;
}

int vfs_device(struct vfs *v, bool block, uint32_t rdev, const struct file_ops *ops, void *ctx)
{
    struct device *d = find(v, block, rdev);
    if (!d) {
        d = kmem_new(v, sizeof *d);
        if (!d) return -LX_ENOMEM;
        d->next = v->devices;
        v->devices = d;
    }
    d->block = block;
    d->rdev = rdev;
    d->ops = ops;
    d->ctx = ctx;
    return 0;
}

static struct device *device_of(const struct file *f)
{
    return find(f->inode->fs->vfs, is_kind(f->inode, LX_S_IFBLK), f->inode->rdev);
}

void *vfs_device_ctx(const struct file *f)
{
    struct device *d = device_of(f);
    return d ? d->ctx : NULL;
}

void devices_free(struct vfs *v)
{
    while (v->devices) {
        struct device *d = v->devices;
        v->devices = d->next;
        kmem_free(v, d, sizeof *d);
    }
}

// A node's own operations: hand over to the device's.
static int device_open(struct file *f)
{
    struct device *d = device_of(f);
    if (!d) return -LX_ENXIO;
    f->ops = d->ops;
    return d->ops->open ? d->ops->open(f) : 0;
}

const struct file_ops device_fops = {.open = device_open};

// ---------------------------------------------------------------- memory devices

static int swallow(struct file *f, struct iob *io, uint64_t *pos)
{
    (void)f, (void)pos;
    io->done += io->left; // the bytes are not even looked at, as Linux's null
    io->left = 0;
    return 0;
}

static int at_end(struct file *f, struct iob *io, uint64_t *pos)
{
    (void)f, (void)io, (void)pos;
    return 0;
}

static int no_space(struct file *f, struct iob *io, uint64_t *pos)
{
    (void)f, (void)pos;
    return io->left ? -LX_ENOSPC : 0;
}

static int zeros(struct file *f, struct iob *io, uint64_t *pos)
{
    (void)f, (void)pos;
    size_t n = io->left;
    return iob_zero(io, n) < n ? -LX_EFAULT : 0;
}

static int randoms(struct file *f, struct iob *io, uint64_t *pos)
{
    struct vfs *v = f->inode->fs->vfs;
    uint8_t buf[256];
    (void)pos;
    while (io->left) {
        size_t n = io->left < sizeof buf ? io->left : sizeof buf;
        v->host.random(v->host.ctx, buf, n);
        if (iob_put(io, buf, n) < n) return -LX_EFAULT;
    }
    return 0;
}

static int64_t seek_nowhere(struct file *f, int64_t off, int whence)
{
    (void)off, (void)whence;
    f->pos = 0;
    return 0;
}

static const struct file_ops null_ops = {.read = at_end, .write = swallow, .seek = seek_nowhere};
static const struct file_ops zero_ops = {.read = zeros, .write = swallow, .seek = seek_nowhere};
static const struct file_ops full_ops = {.read = zeros, .write = no_space, .seek = seek_nowhere};
static const struct file_ops random_ops = {.read = randoms, .write = swallow, .seek = seek_nowhere};

const struct memory_device memory_devices[] = {
    {"null", 3, &null_ops},     {"zero", 5, &zero_ops},      {"full", 7, &full_ops},
    {"random", 8, &random_ops}, {"urandom", 9, &random_ops}, {NULL, 0, NULL},
};
