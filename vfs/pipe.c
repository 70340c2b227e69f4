// Pipes and FIFOs (pipe(7), fifo(7), fs/pipe.c): a ring of bytes in kernel memory that grows up to its capacity.
//
// O_DIRECT: writes are packets. The ring then has a list of stretches beside it that says where packets end; as long as
// no packet is in it, there is none.
#include "vfs/internal.h"
#include <string.h>

enum { CAPACITY = 65536, FIRST_SIZE = 4096, MAX_CAPACITY = 1 << 20 };

struct stretch { // of the bytes in the ring, in order: a packet, or plain bytes
    uint32_t n;
    bool packet;
};

struct pipe {
    struct stretch *stretch; // max_stretches of them, or NULL
    uint32_t stretch_head, nstretches, max_stretches;
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

// ---------------------------------------------------------------- packets

static struct stretch *stretch_at(const struct pipe *p, uint32_t i)
{
    return &p->stretch[(p->stretch_head + i) % p->max_stretches];
}

static void stretches_free(struct vfs *v, struct pipe *p)
{
    kmem_free(v, p->stretch, p->max_stretches * sizeof *p->stretch);
    p->stretch = NULL;
    p->nstretches = p->max_stretches = 0;
}

// Notes that n bytes follow. A pipe holds as many packets as it has pages (pipe_full).
static int stretch_add(struct vfs *v, struct pipe *p, uint32_t n, bool packet)
{
    if (!p->stretch && !packet) return 0;
    if (!p->stretch) {
        p->max_stretches = p->capacity / 4096 + 2;
        p->stretch_head = 0;
        p->stretch = kmem_new(v, p->max_stretches * sizeof *p->stretch);
        if (!p->stretch) return -LX_ENOMEM;
        if (p->len) p->stretch[p->nstretches++] = (struct stretch){p->len, false};
    }
    struct stretch *last = p->nstretches ? stretch_at(p, p->nstretches - 1) : NULL;
    if (last && !last->packet && !packet) {
        last->n += n;
        return 0;
    }
    if (p->nstretches == p->max_stretches) return -LX_EAGAIN;
    *stretch_at(p, p->nstretches++) = (struct stretch){n, packet};
    return 0;
}

static void stretch_shrink_last(struct pipe *p, uint32_t by)
{
    if (!p->stretch) return;
    struct stretch *s = stretch_at(p, p->nstretches - 1);
    s->n -= by;
    if (!s->n) p->nstretches--;
}

// As pipe_write: what fits into the page that plain bytes began becomes one with them, also a packet.
static bool joins_plain(const struct pipe *p, uint32_t n)
{
    const struct stretch *last = p->stretch ? stretch_at(p, p->nstretches - 1) : NULL;
    uint32_t begun = last ? (last->packet ? 0 : last->n) : p->len;
    return begun && (begun & 4095) + n <= 4096;
}

static bool packets_full(const struct pipe *p)
{
    return p->stretch && p->nstretches >= p->capacity / 4096;
}

// ---------------------------------------------------------------- read, write, poll

static void throw_away(struct pipe *p, uint32_t n)
{
    p->head = (p->head + n) & (p->size - 1);
    p->len -= n;
}

static int read_bytes(struct pipe *p, struct iob *io, uint32_t max, size_t *got)
{
    uint32_t n = io->left < max ? (uint32_t)io->left : max;
    *got = ring_out(p, io, n);
    return *got < n ? -LX_EFAULT : 0;
}

// One packet, of which what does not fit is lost; or the plain bytes before the next one.
static int read_stretch(struct vfs *v, struct pipe *p, struct iob *io)
{
    size_t got;
    struct stretch *s = stretch_at(p, 0);
    int err = read_bytes(p, io, s->n, &got);
    s->n -= (uint32_t)got;
    if (err) return err; // the rest of it stays
    if (s->packet) {
        throw_away(p, s->n);
        s->n = 0;
    }
    if (s->n) return 0;
    p->stretch_head = (p->stretch_head + 1) % p->max_stretches;
    if (--p->nstretches == 0) stretches_free(v, p);
    return 0;
}

static int pipe_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct pipe *p = pipe_of(f);
    size_t got;
    (void)pos;
    if (io->left == 0) return 0;
    if (p->len == 0) return p->writers ? -LX_EAGAIN : 0;
    int err = p->stretch ? read_stretch(vfs_of(f), p, io) : read_bytes(p, io, p->len, &got);
    if (p->len == 0) p->head = 0;
    if (io->done) waitq_wake(&p->wait);
    return err;
}

static int put_bytes(struct vfs *v, struct pipe *p, struct iob *io, uint32_t n, bool packet)
{
    if (!ring_grow(v, p, p->len + n)) return -LX_ENOMEM;
    int err = stretch_add(v, p, n, packet);
    if (err) return err;
    size_t got = ring_in(p, io, n);
    if (got < n && packet) { // all of it or nothing
        p->len -= (uint32_t)got;
        io->done -= got;
        io->left += got;
        stretch_shrink_last(p, n);
        return -LX_EFAULT;
    }
    if (got < n) stretch_shrink_last(p, n - (uint32_t)got);
    if (got) waitq_wake(&p->wait);
    return got < n ? -LX_EFAULT : 0;
}

// Each PIPE_BUF bytes are a packet of their own.
static int write_packets(struct vfs *v, struct pipe *p, struct iob *io)
{
    while (io->left) {
        uint32_t n = io->left < LX_PIPE_BUF ? (uint32_t)io->left : LX_PIPE_BUF;
        if (packets_full(p) || p->capacity - p->len < n) return -LX_EAGAIN;
        int err = put_bytes(v, p, io, n, !joins_plain(p, n));
        if (err) return err;
    }
    return 0;
}

// Up to PIPE_BUF bytes go in whole or not at all; more go in as they fit. A restarted longer write (io->done so far is
// the caller's) goes on the same way.
static int pipe_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct pipe *p = pipe_of(f);
    (void)pos;
    if (!p->readers) return -LX_EPIPE;
    if (io->left == 0) return 0;
    if (f->flags & LX_O_DIRECT) return write_packets(vfs_of(f), p, io);
    uint32_t room = p->capacity > p->len ? p->capacity - p->len : 0;
    if (room == 0 || (io->left <= LX_PIPE_BUF && room < io->left)) return -LX_EAGAIN;
    uint32_t n = io->left < room ? (uint32_t)io->left : room;
    int err = put_bytes(vfs_of(f), p, io, n, false);
    return err ? err : io->left ? -LX_EAGAIN : 0;
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
        if (p->capacity - p->len >= LX_PIPE_BUF && !packets_full(p)) mask |= LX_POLLOUT | LX_POLLWRNORM;
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
    if (size < p->len || p->nstretches) return -LX_EBUSY;
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
    stretches_free(v, p);
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
    if (flags & ~(unsigned)(LX_O_NONBLOCK | LX_O_CLOEXEC | LX_O_DIRECT)) return -LX_EINVAL;
    int err = anon_path(v->pipefs, "pipe:", LX_S_IFIFO | 0600, &fifo_fops, &p);
    if (err) return err;
    err = open_end(path_inode(&p), &p, LX_O_RDONLY | (flags & LX_O_NONBLOCK), FILE_READ, r);
    if (!err) {
        err = open_end(path_inode(&p), &p, LX_O_WRONLY | (flags & (LX_O_NONBLOCK | LX_O_DIRECT)), FILE_WRITE, w);
        if (err) file_put(*r);
    }
    path_put(&p);
    return err;
}
