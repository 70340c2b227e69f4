// splice, tee, vmsplice: between pipes and other files without the guest's memory.
//
// Bytes leave a pipe only when the other side has taken them: the pipe is read into an iob whose move function writes
// to the other file and reports what was taken. tee reports nothing, so everything stays. Into a pipe no more is read
// than it has room for.
#include "syscalls/fs.h"
#include <stdlib.h>

enum { SPLICE_MOVE = 1, SPLICE_NONBLOCK = 2, SPLICE_KNOWN = 15, SPLICE_CHUNK = 65536 };

struct bridge {
    struct iob io;
    struct file *out;
    uint64_t *pos;
    size_t taken;
    bool keep; // tee
    int err;   // of the writes
};

static size_t move_on(struct iob *io, void *buf, size_t n, int to_user)
{
    struct bridge *b = (struct bridge *)io;
    struct iob_mem m;
    if (!to_user || b->err) return 0;
    iob_mem_init(&m, buf, n);
    b->err = vfs_write(b->out, &m.io, b->pos);
    b->taken += m.io.done;
    return b->keep ? 0 : m.io.done;
}

static struct bridge bridge_to(struct file *out, uint64_t *pos, size_t n)
{
    return (struct bridge){.io = {.left = n, .move = move_on}, .out = out, .pos = pos};
}

static bool is_pipe(const struct file *f)
{
    return f->inode->pipe != NULL;
}

static uint64_t pipe_room(struct file *f)
{
    int64_t size = vfs_pipe_size(f, -1);
    uint32_t used = pipe_bytes(f);
    return size > used ? (uint64_t)size - used : 0;
}

// Nothing moved and nothing can: wait for the side that is not ready.
static int64_t wait_side(struct task *t, struct file *f, bool nonblock)
{
    if (nonblock) return -LX_EAGAIN;
    if (t->sys.object && t->sys.object != f) {
        file_put(t->sys.object);
        t->sys.object = NULL;
    }
    return wait_file(t, f);
}

static int64_t from_pipe(struct task *t, struct file *in, struct file *out, uint64_t *pos, uint64_t n, bool nonblock)
{
    uint64_t left;
    int64_t err = file_limit(t, out, *pos, &left);
    if (err) return err;
    struct bridge b = bridge_to(out, pos, n < left ? n : left);
    err = vfs_read(in, &b.io, &in->pos);
    if (b.err == -LX_EPIPE) send_sigpipe(t);
    if (b.taken) return (int64_t)b.taken;
    if (b.err == -LX_EAGAIN) return wait_side(t, out, nonblock || out->flags & LX_O_NONBLOCK);
    if (b.err) return b.err;
    return err == -LX_EAGAIN ? wait_side(t, in, nonblock || in->flags & LX_O_NONBLOCK) : err;
}

static int64_t read_and_write(struct task *t, struct file *in, uint64_t *pos, struct file *out, uint8_t *buf,
                              uint64_t n)
{
    struct iob_mem from, to;
    iob_mem_init(&from, buf, n);
    int err = vfs_read(in, &from.io, pos);
    if (!from.io.done) return err;
    iob_mem_init(&to, buf, from.io.done);
    err = vfs_write(out, &to.io, &out->pos);
    if (err == -LX_EPIPE) send_sigpipe(t);
    return to.io.done ? (int64_t)to.io.done : err;
}

static int64_t to_pipe(struct task *t, struct file *in, uint64_t *pos, struct file *out, uint64_t n, bool nonblock)
{
    uint64_t room = pipe_room(out);
    if (!room && vfs_poll(out, &(struct waitq *){NULL}) & LX_POLLERR) {
        send_sigpipe(t);
        return -LX_EPIPE;
    }
    if (!room) return wait_side(t, out, nonblock || out->flags & LX_O_NONBLOCK);
    if (n > room) n = room;
    if (n > SPLICE_CHUNK) n = SPLICE_CHUNK;
    uint8_t *buf = malloc(n);
    if (!buf) return -LX_ENOMEM;
    int64_t r = read_and_write(t, in, pos, out, buf, n);
    free(buf);
    return r == -LX_EAGAIN ? wait_side(t, in, nonblock || in->flags & LX_O_NONBLOCK) : r;
}

// ---------------------------------------------------------------- splice

struct splice {
    struct file *in, *out;
    gaddr in_at, out_at;
    uint64_t in_pos, out_pos;
};

static int get_pos(struct task *t, gaddr at, struct file *f, uint64_t *pos)
{
    *pos = f->pos;
    if (!at) return 0;
    if (is_pipe(f) || !(f->mode & FILE_SEEK)) return -LX_ESPIPE;
    int err = copy_from_user(t, pos, at, sizeof *pos);
    return err ? err : (int64_t)*pos < 0 ? -LX_EINVAL : 0;
}

static int64_t run_splice(struct task *t, struct splice *s, uint64_t n, bool nonblock)
{
    uint64_t *in_pos = s->in_at ? &s->in_pos : &s->in->pos, *out_pos = s->out_at ? &s->out_pos : &s->out->pos;
    int64_t r = is_pipe(s->in) ? from_pipe(t, s->in, s->out, out_pos, n, nonblock)
                               : to_pipe(t, s->in, in_pos, s->out, n, nonblock);
    if (r < 0) return r;
    int err = s->in_at ? copy_to_user(t, s->in_at, &s->in_pos, sizeof s->in_pos) : 0;
    if (!err && s->out_at) err = copy_to_user(t, s->out_at, &s->out_pos, sizeof s->out_pos);
    return err == -LX_EFAULT ? err : r;
}

// The pages of the positions are there before anything moves: an EPARK behind the move would do it twice.
static int touch(struct task *t, gaddr at, const uint64_t *pos)
{
    return at ? copy_to_user(t, at, pos, sizeof *pos) : 0;
}

static int check_files(const struct file *in, const struct file *out)
{
    if (!in || !out || !(in->mode & FILE_READ) || !(out->mode & FILE_WRITE)) return -LX_EBADF;
    return 0;
}

int64_t sys_splice(struct task *t, const uint64_t a[6])
{
    uint64_t n = a[4] > LX_MAX_RW_COUNT ? LX_MAX_RW_COUNT : a[4];
    if (!n) return 0;
    if ((uint32_t)a[5] & ~(uint32_t)SPLICE_KNOWN) return -LX_EINVAL;
    struct splice s = {.in = fd_io(t, (int)a[0]), .out = fd_io(t, (int)a[2]), .in_at = a[1], .out_at = a[3]};
    int err = check_files(s.in, s.out);
    if (!err) err = get_pos(t, s.in_at, s.in, &s.in_pos);
    if (!err) err = get_pos(t, s.out_at, s.out, &s.out_pos);
    if (err) return err;
    if (!is_pipe(s.in) && !is_pipe(s.out)) return -LX_EINVAL;
    if (s.in->inode == s.out->inode || (!is_pipe(s.out) && s.out->flags & LX_O_APPEND)) return -LX_EINVAL;
    if ((s.in->inode->mode & LX_S_IFMT) == LX_S_IFDIR) return -LX_EINVAL;
    if ((err = touch(t, s.in_at, &s.in_pos)) || (err = touch(t, s.out_at, &s.out_pos))) return err;
    return run_splice(t, &s, n, a[5] & SPLICE_NONBLOCK);
}

// ---------------------------------------------------------------- tee, vmsplice

int64_t sys_tee(struct task *t, const uint64_t a[6])
{
    uint64_t n = a[2] > SPLICE_CHUNK ? SPLICE_CHUNK : a[2];
    if ((uint32_t)a[3] & ~(uint32_t)SPLICE_KNOWN) return -LX_EINVAL;
    if (!n) return 0;
    struct file *in = fd_io(t, (int)a[0]), *out = fd_io(t, (int)a[1]);
    int err = check_files(in, out);
    if (err) return err;
    if (!is_pipe(in) || !is_pipe(out) || in->inode == out->inode) return -LX_EINVAL;
    bool nonblock = a[3] & SPLICE_NONBLOCK;
    uint64_t room = pipe_room(out);
    if (!room) return wait_side(t, out, nonblock || out->flags & LX_O_NONBLOCK);
    struct bridge b = bridge_to(out, &out->pos, n < room ? n : room);
    b.keep = true;
    err = vfs_read(in, &b.io, &in->pos);
    if (b.err == -LX_EPIPE) send_sigpipe(t);
    if (b.taken) return (int64_t)b.taken;
    if (b.err) return b.err;
    return err == -LX_EAGAIN ? wait_side(t, in, nonblock || in->flags & LX_O_NONBLOCK) : err;
}

// Pages are copied, not given: a write or a read of the pipe.
int64_t sys_vmsplice(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if ((uint32_t)a[3] & ~(uint32_t)SPLICE_KNOWN) return -LX_EINVAL;
    if (!f || !is_pipe(f)) return -LX_EBADF;
    const uint64_t v[6] = {a[0],       a[1],       a[2],
                           UINT64_MAX, UINT64_MAX, a[3] & SPLICE_NONBLOCK ? LX_RWF_NOWAIT : 0}; // -1: no offset
    return f->mode & FILE_WRITE ? sys_pwritev2(t, v) : sys_preadv2(t, v);
}
