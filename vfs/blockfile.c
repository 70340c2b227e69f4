// A block device that is a file of the host. Its pages are ram frames at the same time (host/ram.h), so that file data
// is never copied.
#include "vfs/blockdev.h"
#include "abi/errno.h"
#include "host/blockfile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct blockfile {
    struct blockdev dev;
    struct ram *ram;
    int fd;
    uint32_t first; // frame; 0: not mapped
};

int blockdev_read(struct blockdev *d, uint64_t offset, void *buf, size_t n)
{
    return blockdev_has(d, offset, n) ? d->ops->read(d, offset, buf, n) : -LX_EIO;
}

void blockdev_close(struct blockdev *d)
{
    if (d) d->ops->close(d);
}

static int file_read(struct blockdev *d, uint64_t offset, void *buf, size_t n)
{
    struct blockfile *f = (struct blockfile *)d;
    return host_blockfile_read(f->fd, offset, buf, n) ? -LX_EIO : 0;
}

static int file_ready(struct blockdev *d, uint64_t offset, size_t n, struct waitq **wait)
{
    (void)wait;
    return blockdev_has(d, offset, n) ? 0 : -LX_EIO;
}

static uint32_t file_frame(struct blockdev *d, uint64_t offset)
{
    struct blockfile *f = (struct blockfile *)d;
    return f->first && blockdev_has(d, offset, 4096) ? f->first + (uint32_t)(offset >> 12) : 0;
}

static void file_close(struct blockdev *d)
{
    struct blockfile *f = (struct blockfile *)d;
    host_blockfile_close(f->fd);
    free(f);
}

static const struct blockdev_ops file_ops = {
    .read = file_read, .ready = file_ready, .frame = file_frame, .close = file_close};

// Host and guest share these errors' numbers (abi/errno.h is Linux's x86-64 table, as on every host we run on).
static int refuse(int fd, int err, const char *what, char *why, size_t why_size)
{
    if (fd >= 0) host_blockfile_close(fd);
    snprintf(why, why_size, "%s: %s", what, strerror(-err));
    return err;
}

int blockfile_from_fd(struct ram *ram, int fd, struct blockdev **out, char *why, size_t why_size)
{
    uint64_t bytes;
    int err = host_blockfile_size(fd, &bytes);
    if (err) return refuse(fd, err, "cannot use the image file", why, why_size);
    struct blockfile *f = calloc(1, sizeof *f);
    if (!f) return refuse(fd, -LX_ENOMEM, "cannot open the image file", why, why_size);
    *f = (struct blockfile){.dev = {.ops = &file_ops, .bytes = bytes}, .ram = ram, .fd = fd};
    if (ram && ram_attach(ram, fd, bytes, &f->first) != 0) f->first = 0; // too large to map: read it
    *out = &f->dev;
    return 0;
}

int blockfile_open(struct ram *ram, const char *path, struct blockdev **out, char *why, size_t why_size)
{
    int fd = host_blockfile_open(path);
    if (fd < 0) return refuse(-1, fd, "cannot open the image file", why, why_size);
    return blockfile_from_fd(ram, fd, out, why, why_size);
}
