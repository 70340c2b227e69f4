// The program's standard streams when they are no terminal: pipes, as far as it can tell, whose other end is the
// embedder's descriptor or function.
//
// A descriptor is asked whether it is ready before it is used, so that the box never sleeps in one stream while its
// threads could run; a stream that is not ready is EAGAIN, and box/run.c wakes the waiters when the host says it is.
// Functions may block.
#include "box/box.h"
#include "host/reader.h"
#include <string.h>

enum { CHUNK = 65536 };

static struct stream *stream_of(const struct file *f)
{
    return f->private;
}
static bool by_function(const struct stream *s)
{
    return s->output ? s->to->write != NULL : s->to->read != NULL;
}

static bool ready(const struct stream *s)
{
    return by_function(s) || s->to->fd < 0 || host_ready(s->to->fd, s->output ? HOST_OUT : HOST_IN);
}

static int64_t take(struct stream *s, void *to, size_t n)
{
    if (s->to->read) {
        ptrdiff_t got = s->to->read(s->to->ctx, to, n);
        return got < 0 || (size_t)got > n ? -LX_EIO : got;
    }
    if (s->to->fd < 0) return 0;
    int64_t got = host_read(s->to->fd, to, n);
    return got < 0 ? -LX_EIO : got;
}

// Straight to where it is wanted, so that what has no place is not taken. *all: there may be more.
static int take_straight(struct stream *s, struct iob *io, size_t n, bool *all)
{
    struct host_piece p[2]; // that the second begins says where the first ends
    if (!io->pieces(io, p, 2, n, 1)) return -LX_EFAULT;
    int64_t got = take(s, p[0].at, p[0].n);
    if (got < 0) return (int)got;
    iob_moved(io, (size_t)got);
    *all = (size_t)got == p[0].n;
    return 0;
}

static int take_copied(struct stream *s, struct iob *io, size_t n)
{
    char buf[4096];
    int64_t got = take(s, buf, n < sizeof buf ? n : sizeof buf);
    if (got <= 0) return (int)got;
    return iob_put(io, buf, (size_t)got) < (size_t)got ? -LX_EFAULT : 0;
}

// As much as is there. A function is asked once: it may block.
static int stream_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct stream *s = stream_of(f);
    bool all = true;
    (void)pos;
    while (io->left && all) {
        if (!ready(s)) return -LX_EAGAIN;
        size_t n = io->left < CHUNK ? io->left : CHUNK;
        all = false;
        int err = io->pieces ? take_straight(s, io, n, &all) : take_copied(s, io, n);
        if (err || by_function(s)) return err;
    }
    return 0;
}

static int give(struct stream *s, const void *from, size_t n)
{
    if (s->to->write) return s->to->write(s->to->ctx, from, n) < 0 ? -LX_EIO : 0;
    if (s->to->fd < 0) return 0;
    int64_t put = host_write_all(s->to->fd, from, n);
    return put >= 0 ? 0 : put == -LX_EPIPE ? -LX_EPIPE : put == -LX_ENOSPC ? -LX_ENOSPC : -LX_EIO;
}

// The limit is exact: the last bytes that fit go out, then the box ends.
size_t stdio_allowed(struct belljar_box *b, size_t n)
{
    if (b->options->before_output && !b->host.told_output) b->options->before_output(b->options->before_output_ctx);
    b->host.told_output = true;
    if (!b->options->output || n <= b->host.output_left) return n;
    if (b->box.end_reason == BOX_RUNNING) b->box.end_reason = BOX_END_OUTPUT;
    b->box.dying = true;
    return (size_t)b->host.output_left;
}

void stdio_take_output(struct belljar_box *b, size_t n)
{
    if (b->options->output) b->host.output_left -= n;
}

static int stream_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct stream *s = stream_of(f);
    struct belljar_box *b = s->owner;
    char buf[CHUNK];
    (void)pos;
    size_t room = by_function(s) || s->to->fd < 0 ? CHUNK : host_write_room(s->to->fd);
    while (io->left) {
        if (!ready(s)) return -LX_EAGAIN;
        size_t want = io->left < room ? io->left : room, allowed = stdio_allowed(b, want);
        size_t n = iob_get(io, buf, allowed);
        int err = n ? give(s, buf, n) : 0;
        stdio_take_output(b, n);
        if (err) return err;
        if (n < allowed) return -LX_EFAULT;
        if (allowed < want) return -LX_EIO;
    }
    return 0;
}

static unsigned stream_poll(struct file *f, struct waitq **queue)
{
    struct stream *s = stream_of(f);
    *queue = &s->queue;
    if (!ready(s)) return 0;
    return s->output ? LX_POLLOUT | LX_POLLWRNORM : LX_POLLIN | LX_POLLRDNORM;
}

// Opened again, by /dev/stdout for example.
static int stream_open(struct file *f)
{
    f->private = f->inode->private;
    return 0;
}

static const struct file_ops input_ops = {.open = stream_open, .read = stream_read, .poll = stream_poll};
static const struct file_ops output_ops = {.open = stream_open, .write = stream_write, .poll = stream_poll};

static int open_stream(struct belljar_box *b, unsigned i, struct file **out)
{
    struct stream *s = &b->host.stream[i];
    *s = (struct stream){.owner = b, .to = &b->options->stdio[i], .output = i > 0};
    if (terminal_wants(b, i)) return terminal_open(b, i, out);
    int err = vfs_anon_file(b->box.vfs, "pipe:", LX_S_IFIFO | 0600, i ? &output_ops : &input_ops, s,
                            i ? LX_O_WRONLY : LX_O_RDONLY, out);
    if (err) return err;
    struct inode *inode = (*out)->inode;
    inode->private = s;
    inode->uid = b->options->uid;
    inode->gid = b->options->gid;
    return 0;
}

int stdio_open(struct belljar_box *b, struct process *p)
{
    b->host.output_left = b->options->output;
    for (unsigned i = 0; i < 3; i++) {
        struct file *f;
        int err = open_stream(b, i, &f);
        if (err) return err;
        int fd = fd_install(p, f, i, false);
        if (fd < 0) return fd;
    }
    terminal_start(b, p);
    return 0;
}

void stdio_close(struct belljar_box *b)
{
    for (unsigned i = 0; i < 3; i++) waitq_dismiss(&b->host.stream[i].queue);
    terminal_close(b);
}

unsigned stdio_poll_set(struct belljar_box *b, struct host_pollfd *p, struct waitq **queue)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct stream *s = &b->host.stream[i];
        if (!s->queue.first || by_function(s) || s->to->fd < 0) continue;
        p[n] = (struct host_pollfd){.fd = s->to->fd, .want = s->output ? HOST_OUT : HOST_IN};
        queue[n++] = &s->queue;
    }
    return n;
}
