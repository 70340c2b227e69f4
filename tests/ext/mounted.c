// mounted.h.
#include "tests/ext/mounted.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vtime now(void *ctx)
{
    (void)ctx;
    return (struct vtime){1700000000, 5};
}

static void zeros(void *ctx, void *buf, size_t n) // nothing random: a case is the same each time
{
    (void)ctx;
    memset(buf, 0, n);
}

static void no_unmap(void *ctx, struct inode *i, uint32_t first, uint32_t count)
{
    (void)ctx, (void)i, (void)first, (void)count;
}

static void damaged(void *ctx, const char *what)
{
    (void)ctx;
    if (getenv("EXT_TELL")) fprintf(stderr, "damaged: %s\n", what);
}

int mounted_open(struct mounted *m, struct ram *ram, struct blockdev *dev, uint64_t kmem, char *why, size_t why_size)
{
    const struct vfs_host host = {.ctx = m, .now = now, .random = zeros, .unmap = no_unmap, .damaged = damaged};
    struct fs *fs;
    *m = (struct mounted){.ram = ram, .vfs = vfs_new(ram, &host, kmem)};
    if (!m->vfs) abort();
    cred_init(&m->cred, 0, 0);
    int err = extfs_new(m->vfs, dev, &fs, why, why_size);
    if (!err) err = vfs_mount(m->vfs, fs, "/", "image", 0);
    if (err) {
        mounted_close(m);
        return err;
    }
    m->at.cred = &m->cred;
    m->at.umask = 022;
    vfs_root(m->vfs, &m->at.root);
    vfs_root(m->vfs, &m->at.base);
    return 0;
}

void mounted_close(struct mounted *m)
{
    if (m->at.cred) {
        path_put(&m->at.root);
        path_put(&m->at.base);
    }
    vfs_free(m->vfs);
    if (ram_used(m->ram) != 0) abort();
}

int mounted_stat(struct mounted *m, const char *path, struct kstat *st)
{
    struct path p;
    int err = vfs_lookup(m->vfs, &m->at, path, 0, &p);
    if (err) return err;
    err = vfs_getattr(&p, st);
    path_put(&p);
    return err;
}

int64_t mounted_read(struct file *f, void *buf, size_t n)
{
    struct iob_mem io;
    iob_mem_init(&io, buf, n);
    int err = vfs_read(f, &io.io, &f->pos);
    return io.io.done ? (int64_t)io.io.done : err;
}

int mounted_link(struct mounted *m, const char *path, char *buf, size_t size)
{
    struct path p;
    int n = vfs_lookup(m->vfs, &m->at, path, 0, &p);
    if (n) return n;
    n = vfs_readlink(&p, buf, size);
    path_put(&p);
    return n;
}

int mounted_xattrs(struct mounted *m, const char *path, char *names, size_t size)
{
    struct path p;
    int n = vfs_lookup(m->vfs, &m->at, path, 0, &p);
    if (n) return n;
    n = vfs_listxattr(&p, &m->cred, names, size);
    path_put(&p);
    return n;
}

int mounted_xattr(struct mounted *m, const char *path, const char *name, void *value, size_t size)
{
    struct path p;
    int n = vfs_lookup(m->vfs, &m->at, path, 0, &p);
    if (n) return n;
    n = vfs_getxattr(&p, &m->cred, name, value, size);
    path_put(&p);
    return n;
}

// ---------------------------------------------------------------- an image in memory

static int bytes_read(struct blockdev *d, uint64_t offset, void *buf, size_t n)
{
    struct image_bytes *b = (struct image_bytes *)d;
    b->reads++;
    memcpy(buf, b->bytes + offset, n);
    return 0;
}

static int bytes_ready(struct blockdev *d, uint64_t offset, size_t n, struct waitq **wait)
{
    (void)wait;
    return blockdev_has(d, offset, n) ? 0 : -LX_EIO;
}

static uint32_t bytes_frame(struct blockdev *d, uint64_t offset)
{
    (void)d, (void)offset;
    return 0;
}

static void bytes_close(struct blockdev *d)
{
    (void)d;
}

static const struct blockdev_ops bytes_ops = {
    .read = bytes_read, .ready = bytes_ready, .frame = bytes_frame, .close = bytes_close};

struct blockdev *image_bytes(struct image_bytes *b, const void *bytes, uint64_t n)
{
    *b = (struct image_bytes){.dev = {.ops = &bytes_ops, .bytes = n}, .bytes = bytes};
    return &b->dev;
}

// ---------------------------------------------------------------- from far away

static bool is_here(struct image_bytes *b)
{
    b->chance = b->chance * 6364136223846793005 + 1442695040888963407;
    return (b->chance >> 33) % 16;
}

static int far_ready(struct blockdev *d, uint64_t offset, size_t n, struct waitq **wait)
{
    if (!blockdev_has(d, offset, n)) return -LX_EIO;
    return wait || is_here((struct image_bytes *)d) ? 0 : -LX_EPARK;
}

static uint32_t far_frame(struct blockdev *d, uint64_t offset)
{
    struct image_bytes *b = (struct image_bytes *)d;
    return blockdev_has(d, offset, 4096) && is_here(b) ? b->first + (uint32_t)(offset / 4096) : 0;
}

static void far_hint(struct blockdev *d, uint64_t offset, uint64_t n, bool sure)
{
    (void)sure;
    if (!blockdev_has(d, offset, n)) abort();
}

static const struct blockdev_ops far_ops = {
    .read = bytes_read, .ready = far_ready, .frame = far_frame, .close = bytes_close, .hint = far_hint};

struct blockdev *image_far_away(struct image_bytes *b, const void *bytes, uint64_t n, uint32_t first, uint64_t seed)
{
    *b = (struct image_bytes){.dev = {.ops = &far_ops, .bytes = n}, .bytes = bytes, .first = first, .chance = seed};
    return &b->dev;
}
