// Pipes and FIFOs (pipe(7), fifo(7), fs/pipe.c): a ring of bytes in kernel memory that grows
// up to its capacity.
#include "vfs/internal.h"
#include <string.h>

enum { CAPACITY = 65536, FIRST_SIZE = 4096, MAX_CAPACITY = 1 << 20 };

struct pipe {
    uint8_t *buf;
    uint32_t size;      // of buf; a power of two, or 0
    uint32_t head, len; // bytes at head .. head + len, modulo size
    uint32_t capacity;
    uint32_t readers, writers; // open ends
    uint32_t reader_opens,
        writer_opens; // counted ever: how a FIFO's opener sees that the other end came, even if it left again
    uint32_t files;
    struct waitq wait; // woken at every change; readers, writers and openers share it
};

static struct pipe *pipe_of(struct file *f)
{
    return f->inode->pipe;
}

static struct vfs *vfs_of(struct file *f)
{
    return f->inode->fs->vfs;
}

// ---------------------------------------------------------------- the ring

static bool ring_grow(struct vfs *v, struct pipe *p, uint32_t need)
{
    uint32_t size = p->size ? p->size : FIRST_SIZE;
    while (size < need) size *= 2;
    if (size == p->size) return true;
    uint8_t *buf = kmem_new(v, size);
    if (!buf) return false;
    uint32_t first = p->size - p->head < p->len ? p->size - p->head : p->len;
    if (p->len) {
        memcpy(buf, p->buf + p->head, first);
        memcpy(buf + first, p->buf, p->len - first);
    }
    kmem_free(v, p->buf, p->size);
    p->buf = buf;
    p->size = size;
    p->head = 0;
    return true;
}

static size_t ring_in(struct pipe *p, struct iob *io, uint32_t n)
{
    size_t all = 0;
    while (n > 0) {
        uint32_t at = (p->head + p->len) & (p->size - 1);
        uint32_t run = p->size - at < n ? p->size - at : n;
        size_t got = iob_get(io, p->buf + at, run);
        p->len += (uint32_t)got;
        all += got;
        n -= run;
        if (got < run) break;
    }
    return all;
}

static size_t ring_out(struct pipe *p, struct iob *io, uint32_t n)
{
    size_t all = 0;
    while (n > 0) {
        uint32_t run = p->size - p->head < n ? p->size - p->head : n;
        size_t got = iob_put(io, p->buf + p->head, run);
        p->head = (p->head + (uint32_t)got) & (p->size - 1);
        p->len -= (uint32_t)got;
        all += got;
        n -= run;
        if (got < run) break;
    }
    return all;
}

// ---------------------------------------------------------------- read, write, poll

static int pipe_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct pipe *p = pipe_of(f);
    (void)pos;
    if (io->left == 0) return 0;
    if (p->len == 0) return p->writers ? -LX_EAGAIN : 0;
    uint32_t n = io->left < p->len ? (uint32_t)io->left : p->len;
    size_t got = ring_out(p, io, n);
    if (p->len == 0) p->head = 0;
    if (got) waitq_wake(&p->wait);
    return got < n ? -LX_EFAULT : 0;
}

// Up to PIPE_BUF bytes go in whole or not at all; more go in as they fit. A restarted longer write (io->done so far is
// the caller's) goes on the same way.
static int pipe_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct pipe *p = pipe_of(f);
    (void)pos;
    if (!p->readers) return -LX_EPIPE;
    if (io->left == 0) return 0;
    uint32_t room = p->capacity > p->len ? p->capacity - p->len : 0;
    if (room == 0 || (io->left <= LX_PIPE_BUF && room < io->left)) return -LX_EAGAIN;
    uint32_t n = io->left < room ? (uint32_t)io->left : room;
    if (!ring_grow(vfs_of(f), p, p->len + n)) return -LX_ENOMEM;
    size_t got = ring_in(p, io, n);
    if (got) waitq_wake(&p->wait);
    if (got < n) return -LX_EFAULT;
    return io->left ? -LX_EAGAIN : 0;
}

static unsigned pipe_poll(struct file *f, struct waitq **queue)
{
    struct pipe *p = pipe_of(f);
    unsigned mask = 0;
    *queue = &p->wait;
    if (f->mode & FILE_READ) {
        if (p->len) mask |= LX_POLLIN | LX_POLLRDNORM;
        if (!p->writers && p->writer_opens) mask |= LX_POLLHUP;
    }
    if (f->mode & FILE_WRITE) {
        if (p->capacity - p->len >= LX_PIPE_BUF) mask |= LX_POLLOUT | LX_POLLWRNORM;
        if (!p->readers) mask |= LX_POLLERR;
    }
    return mask;
}

uint32_t pipe_bytes(struct file *f)
{
    return pipe_of(f) ? pipe_of(f)->len : 0;
}

int64_t vfs_pipe_size(struct file *f, int64_t set)
{
    struct pipe *p = f->ops == &fifo_fops ? pipe_of(f) : NULL;
    if (!p) return -LX_EBADF;
    if (set < 0) return p->capacity;
    if (set > MAX_CAPACITY) return -LX_EPERM;
    uint32_t size = FIRST_SIZE;
    while (size < (uint64_t)set) size *= 2;
    if (size < p->len) return -LX_EBUSY;
    p->capacity = size;
    waitq_wake(&p->wait);
    return size;
}

// ---------------------------------------------------------------- opening and closing

static struct pipe *pipe_get(struct inode *i)
{
    if (!i->pipe) {
        i->pipe = kmem_new(i->fs->vfs, sizeof *i->pipe);
        if (i->pipe) i->pipe->capacity = CAPACITY;
    }
    if (i->pipe) i->pipe->files++;
    return i->pipe;
}

static void pipe_drop(struct vfs *v, struct inode *i)
{
    struct pipe *p = i->pipe;
    if (--p->files > 0) return;
    kmem_free(v, p->buf, p->size);
    kmem_free(v, p, sizeof *p);
    i->pipe = NULL;
}

void pipe_free(struct inode *i)
{
    if (!i->pipe) return;
    i->pipe->files = 1;
    pipe_drop(i->fs->vfs, i);
}

static void count_end(struct pipe *p, unsigned mode)
{
    if (mode & FILE_READ) p->readers++, p->reader_opens++;
    if (mode & FILE_WRITE) p->writers++, p->writer_opens++;
    waitq_wake(&p->wait);
}

// f->pos remembers how often the other end had been opened when a blocking open began to wait, plus one.
static int wait_for_other(struct file *f, struct pipe *p)
{
    uint32_t opens = f->mode & FILE_READ ? p->writer_opens : p->reader_opens;
    uint32_t present = f->mode & FILE_READ ? p->writers : p->readers;
    if (present || (f->pos && (uint32_t)(f->pos - 1) != opens)) {
        f->pos = 0;
        return 0;
    }
    if (!f->pos) f->pos = (uint64_t)opens + 1;
    vfs_of(f)->park = &p->wait;
    return -LX_EPARK;
}

// A pipe (not a FIFO) opened again through /proc/PID/fd waits for nobody (fifo_open's is_pipe).
static bool is_fifo(const struct file *f)
{
    return f->inode->fs != f->inode->fs->vfs->pipefs;
}

static int pipe_open(struct file *f)
{
    bool first = !f->private, both = (f->mode & (FILE_READ | FILE_WRITE)) == (FILE_READ | FILE_WRITE);
    struct pipe *p = first ? pipe_get(f->inode) : pipe_of(f);
    if (!p) return -LX_ENOMEM;
    if (first) {
        if (!(f->mode & FILE_READ) && f->mode & FILE_WRITE && f->flags & LX_O_NONBLOCK && !p->readers && is_fifo(f)) {
            pipe_drop(vfs_of(f), f->inode);
            return -LX_ENXIO;
        }
        f->private = p;
        count_end(p, f->mode);
    }
    if (both || !(f->mode & (FILE_READ | FILE_WRITE)) || f->flags & LX_O_NONBLOCK || !is_fifo(f)) return 0;
    return wait_for_other(f, p);
}

// Also of a file whose open never came to its end.
static void pipe_release(struct file *f)
{
    struct pipe *p = pipe_of(f);
    if (!f->private || !p) return;
    if (f->mode & FILE_READ) p->readers--;
    if (f->mode & FILE_WRITE) p->writers--;
    waitq_wake(&p->wait);
    pipe_drop(vfs_of(f), f->inode);
}

const struct file_ops fifo_fops = {
    .open = pipe_open,
    .release = pipe_release,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
};

static int open_end(struct inode *i, const struct path *p, unsigned flags, unsigned mode, struct file **out)
{
    int err = file_new(p, NULL, flags, mode, out);
    if (err) return err;
    struct file *f = *out;
    f->private = pipe_get(i);
    if (!f->private) {
        f->ops = NULL;
        file_put(f);
        return -LX_ENFILE;
    }
    count_end(i->pipe, mode);
    return 0;
}

int vfs_pipe(struct vfs *v, unsigned flags, struct file **r, struct file **w)
{
    struct path p;
    if (flags & ~(unsigned)(LX_O_NONBLOCK | LX_O_CLOEXEC)) return -LX_EINVAL;
    int err = anon_path(v->pipefs, "pipe:", LX_S_IFIFO | 0600, &fifo_fops, &p);
    if (err) return err;
    err = open_end(path_inode(&p), &p, LX_O_RDONLY | (flags & LX_O_NONBLOCK), FILE_READ, r);
    if (!err) {
        err = open_end(path_inode(&p), &p, LX_O_WRONLY | (flags & LX_O_NONBLOCK), FILE_WRITE, w);
        if (err) file_put(*r);
    }
    path_put(&p);
    return err;
}
