// Reading and writing: read, write and their p, v and pv forms, lseek, sendfile, copy_file_range.
//
// One transfer may take several runs of the call (kernel.h's contract): t->sys.done counts the bytes of the earlier
// ones. A re-run makes its iob anew and skips what was done. When a run must stop short
//   -LX_EPARK    data or a page of the guest's memory is on its way: keep the progress, park, go on
//   -LX_EAGAIN   pipes and the like: a read returns what it has; a write waits until all is written; with nothing done
//   both wait otherwise    the progress if there is any, else the error
#include "syscalls/fs.h"
#include <stdlib.h>

// ---------------------------------------------------------------- shared with the other calls

void iob_user_skip(struct iob_user *u, size_t n)
{
    if (!n) return;
    if (n > u->io.left) n = u->io.left;
    u->io.left -= n;
    const struct lx_iovec *v = u->more ? u->more : u->iov;
    while (n > 0) {
        size_t part = v[u->at].iov_len - u->off;
        if (n < part) part = n;
        n -= part;
        u->off += part;
        if (u->off < v[u->at].iov_len) break;
        u->at++;
        u->off = 0;
    }
}

int64_t wait_file(struct task *t, struct file *f)
{
    struct waitq *queue = NULL;
    vfs_poll(f, &queue);
    fd_hold(t, f);
    return task_wait(t, queue);
}

void send_sigpipe(struct task *t)
{
    struct lx_siginfo info = {
        .si_signo = LX_SIGPIPE, .si_code = LX_SI_USER, .si_pid = t->proc->pid, .si_uid = t->proc->cred.uid};
    signal_send_task(t, &info);
}

// generic_write_checks (mm/filemap.c): regular files only; the signal only when nothing can be written.
int64_t file_limit(struct task *t, struct file *f, uint64_t pos, uint64_t *left)
{
    uint64_t limit = t->proc->rlimit[LX_RLIMIT_FSIZE].rlim_cur;
    *left = UINT64_MAX;
    if (limit == LX_RLIM_INFINITY || (f->inode->mode & LX_S_IFMT) != LX_S_IFREG) return 0;
    if (pos >= limit) {
        struct lx_siginfo info = {
            .si_signo = LX_SIGXFSZ, .si_code = LX_SI_USER, .si_pid = t->proc->pid, .si_uid = t->proc->cred.uid};
        signal_send_task(t, &info);
        return -LX_EFBIG;
    }
    *left = limit - pos;
    return 0;
}

// ---------------------------------------------------------------- one transfer

struct transfer {
    struct task *t;
    struct file *f;
    struct iob_user *u;
    uint64_t *pos;
    bool write, nowait;
};

// How a transfer that stopped with `err` ends: see the top.
static int64_t stopped(struct transfer *x, int64_t err)
{
    struct task *t = x->t;
    uint64_t done = t->sys.done;
    if (err == -LX_EPIPE && x->write) send_sigpipe(t);
    if (err == -LX_EFAULT && x->u->error) err = x->u->error;
    if (err == -LX_EIO && x->write && x->f->flags & LX_O_DSYNC) return err; // written, but not where it lasts
    if (err == -LX_EPARK) {
        if (x->nowait) return done ? (int64_t)done : -LX_EAGAIN;
        fd_hold(t, x->f);
        return -LX_EPARK;
    }
    if (err != -LX_EAGAIN || x->nowait || x->f->flags & LX_O_NONBLOCK || (done && !x->write))
        return done ? (int64_t)done : err;
    err = wait_file(t, x->f);
    if (err == -LX_EPARK) return err;
    if (err == -LX_ETIMEDOUT) err = -LX_EAGAIN;
    return done ? (int64_t)done : err;
}

enum {
    RUN_BYTES = 8 << 20
}; // a longer transfer gives way in between, so that other threads and time limits have their turn

static int64_t run_transfer(struct transfer *x)
{
    struct task *t = x->t;
    iob_user_skip(x->u, t->sys.done);
    if (x->write && x->u->io.left) {
        uint64_t left, pos = x->f->flags & LX_O_APPEND ? x->f->inode->size : *x->pos;
        int64_t err = file_limit(t, x->f, pos, &left);
        if (err) return t->sys.done ? (int64_t)t->sys.done : err;
        if (left < x->u->io.left) x->u->io.left = left;
    }
    bool long_one = x->u->io.left > RUN_BYTES;
    if (long_one) x->u->io.left = RUN_BYTES;
    int err = x->write ? vfs_write(x->f, &x->u->io, x->pos) : vfs_read(x->f, &x->u->io, x->pos);
    t->sys.done += x->u->io.done;
    if (!err && long_one && x->u->io.done == RUN_BYTES) {
        fd_hold(t, x->f);
        return task_yield(t);
    }
    return err ? stopped(x, err) : (int64_t)t->sys.done;
}

enum { RWF_KNOWN = LX_RWF_HIPRI | LX_RWF_DSYNC | LX_RWF_SYNC | LX_RWF_NOWAIT | LX_RWF_APPEND };

struct request {
    int fd;
    bool write, positioned;
    uint64_t offset;
    unsigned flags;
};

static int check_request(const struct request *r, struct file *f)
{
    if (!f) return -LX_EBADF;
    if (r->positioned && !(f->mode & FILE_SEEK)) return -LX_ESPIPE;
    if (!(f->mode & (r->write ? FILE_WRITE : FILE_READ))) return -LX_EBADF;
    return 0;
}

// An RWF_APPEND write is one to a file that is O_APPEND for the moment, and so with RWF_DSYNC.
static int64_t transfer(struct task *t, const struct request *r, struct iob_user *u, struct file *f)
{
    uint64_t pos = r->offset + t->sys.done;
    struct transfer x = {.t = t,
                         .f = f,
                         .u = u,
                         .pos = r->positioned ? &pos : &f->pos,
                         .write = r->write,
                         .nowait = r->flags & LX_RWF_NOWAIT};
    uint32_t flags = f->flags;
    if (r->flags & LX_RWF_APPEND) f->flags |= LX_O_APPEND;
    if (r->flags & (LX_RWF_DSYNC | LX_RWF_SYNC)) f->flags |= LX_O_DSYNC;
    int64_t n = run_transfer(&x);
    f->flags = flags;
    return n;
}

static int64_t rw(struct task *t, const uint64_t a[6], const struct request *r)
{
    struct file *f = fd_io_held(t, (int)a[0]);
    if (f && r->positioned && (int64_t)r->offset < 0) return -LX_EINVAL;
    int err = check_request(r, f);
    if (err) return err;
    if (a[2] > INT64_MAX) return -LX_EINVAL;
    struct iob_user u;
    if ((err = iob_user_init(&u, t, a[1], a[2]))) return err;
    return transfer(t, r, &u, f);
}

static int64_t rwv(struct task *t, const uint64_t a[6], const struct request *r)
{
    if (r->flags & ~(unsigned)RWF_KNOWN) return -LX_EOPNOTSUPP;
    struct file *f = fd_io_held(t, (int)a[0]);
    if (f && r->positioned && (int64_t)r->offset < 0) return -LX_EINVAL;
    int err = check_request(r, f);
    if (err) return err;
    struct iob_user u;
    if ((err = iob_user_iovec(&u, t, a[1], a[2]))) return err;
    int64_t n = transfer(t, r, &u, f);
    iob_user_end(&u);
    return n;
}

int64_t sys_read(struct task *t, const uint64_t a[6])
{
    return rw(t, a, &(struct request){.write = false});
}
int64_t sys_write(struct task *t, const uint64_t a[6])
{
    return rw(t, a, &(struct request){.write = true});
}
int64_t sys_pread64(struct task *t, const uint64_t a[6])
{
    return rw(t, a, &(struct request){.positioned = true, .offset = a[3]});
}
int64_t sys_pwrite64(struct task *t, const uint64_t a[6])
{
    return rw(t, a, &(struct request){.write = true, .positioned = true, .offset = a[3]});
}
int64_t sys_readv(struct task *t, const uint64_t a[6])
{
    return rwv(t, a, &(struct request){.write = false});
}
int64_t sys_writev(struct task *t, const uint64_t a[6])
{
    return rwv(t, a, &(struct request){.write = true});
}
int64_t sys_preadv(struct task *t, const uint64_t a[6])
{
    return rwv(t, a, &(struct request){.positioned = true, .offset = a[3]});
}
int64_t sys_pwritev(struct task *t, const uint64_t a[6])
{
    return rwv(t, a, &(struct request){.write = true, .positioned = true, .offset = a[3]});
}

// Offset -1: the file's own position.
int64_t sys_preadv2(struct task *t, const uint64_t a[6])
{
    return rwv(t, a, &(struct request){.positioned = a[3] != UINT64_MAX, .offset = a[3], .flags = (unsigned)a[5]});
}

int64_t sys_pwritev2(struct task *t, const uint64_t a[6])
{
    return rwv(
        t, a,
        &(struct request){.write = true, .positioned = a[3] != UINT64_MAX, .offset = a[3], .flags = (unsigned)a[5]});
}

int64_t sys_lseek(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    if ((uint32_t)a[2] > LX_SEEK_HOLE) return -LX_EINVAL;
    return vfs_seek(f, (int64_t)a[1], (int)a[2]);
}

// ---------------------------------------------------------------- sendfile, copy_file_range: from file to file through
// a kernel buffer

enum { COPY_CHUNK = 65536 };

struct copy {
    struct task *t;
    struct file *in, *out;
    uint64_t *in_pos, *out_pos;
    uint8_t *buf;
};

// Copies up to n bytes. *moved is true beside an error. What was read and could not be written is read again: in_pos
// counts what was written.
static int64_t copy_chunk(struct copy *c, size_t n, size_t *moved)
{
    struct iob_mem from, to;
    uint64_t pos = *c->in_pos, left;
    *moved = 0;
    int64_t err = file_limit(c->t, c->out, *c->out_pos, &left);
    if (err) return err;
    if (left < n) n = left;
    iob_mem_init(&from, c->buf, n);
    err = vfs_read(c->in, &from.io, &pos);
    if (err && !from.io.done) return err;
    iob_mem_init(&to, c->buf, from.io.done);
    err = vfs_write(c->out, &to.io, c->out_pos);
    *moved = to.io.done;
    *c->in_pos += to.io.done;
    return err;
}

static int64_t copy_stopped(struct copy *c, int64_t err)
{
    struct task *t = c->t;
    uint64_t done = t->sys.done;
    if (err == -LX_EPIPE) send_sigpipe(t);
    if (err == -LX_EPARK) return err;
    if (err == -LX_EAGAIN && !(c->out->flags & LX_O_NONBLOCK)) {
        struct waitq *queue = NULL;
        vfs_poll(c->out, &queue);
        fd_hold(t, c->out); // only so that its queue stays
        err = task_wait(t, queue);
        if (err == -LX_EPARK) return err;
    }
    return done ? (int64_t)done : err;
}

static int64_t copy_all(struct copy *c, uint64_t n)
{
    if (n > LX_MAX_RW_COUNT) n = LX_MAX_RW_COUNT;
    if (!(c->buf = malloc(COPY_CHUNK))) return -LX_ENOMEM;
    int64_t err = 0;
    while (!err && c->t->sys.done < n) {
        size_t moved, part = n - c->t->sys.done < COPY_CHUNK ? n - c->t->sys.done : COPY_CHUNK;
        err = copy_chunk(c, part, &moved);
        c->t->sys.done += moved;
        if (!moved) break;
    }
    free(c->buf);
    return err ? copy_stopped(c, err) : (int64_t)c->t->sys.done;
}

static int get_offset(struct task *t, gaddr at, uint64_t *pos)
{
    int err = copy_from_user(t, pos, at, sizeof *pos);
    return err ? err : (int64_t)*pos < 0 ? -LX_EINVAL : 0;
}

// A position given by pointer is read and written back once per call: t->sys.word keeps it between runs.
struct side {
    gaddr user;
    uint64_t word;
    uint64_t *pos;
};

static int side_start(struct task *t, struct side *s, struct file *f, gaddr user, unsigned slot)
{
    *s = (struct side){.user = user, .word = t->sys.word[slot], .pos = &f->pos};
    if (!user) return 0;
    if (!(f->mode & FILE_SEEK)) return -LX_ESPIPE;
    s->pos = &s->word;
    return t->sys.word[2] ? 0 : get_offset(t, user, &s->word);
}

static int side_end(struct task *t, struct side *s, int64_t result, unsigned slot)
{
    t->sys.word[slot] = s->word;
    if (!s->user || result < 0) return 0;
    return copy_to_user(t, s->user, &s->word, sizeof s->word);
}

static int64_t copy_between(struct task *t, struct file *in, gaddr in_at, struct file *out, gaddr out_at, uint64_t n)
{
    struct side from, to;
    int err = side_start(t, &from, in, in_at, 0);
    if (!err) err = side_start(t, &to, out, out_at, 1);
    if (err) return err;
    struct copy c = {.t = t, .in = in, .out = out, .in_pos = from.pos, .out_pos = to.pos};
    int64_t result = copy_all(&c, n);
    t->sys.word[2] = 1;
    if ((err = side_end(t, &from, result, 0)) || (err = side_end(t, &to, result, 1))) return err;
    return result;
}

static bool regular(const struct file *f)
{
    return (f->inode->mode & LX_S_IFMT) == LX_S_IFREG;
}

// FMODE_LSEEK: regular files, and devices like /dev/zero.
static bool can_seek(struct file *f)
{
    bool device = (f->inode->mode & LX_S_IFMT) == LX_S_IFCHR;
    return f->mode & FILE_SEEK || (device && vfs_seek(f, 0, LX_SEEK_CUR) >= 0);
}

int64_t sys_sendfile(struct task *t, const uint64_t a[6])
{
    struct file *out = fd_io(t, (int)a[0]), *in = fd_io(t, (int)a[1]);
    if (!in || !(in->mode & FILE_READ)) return -LX_EBADF;
    if (a[2] && !(in->mode & FILE_SEEK)) return -LX_ESPIPE;
    if (!out || !(out->mode & FILE_WRITE)) return -LX_EBADF;
    if (!can_seek(in) || out->flags & LX_O_APPEND) return -LX_EINVAL;
    if ((int64_t)a[3] < 0) return -LX_EINVAL;
    return copy_between(t, in, a[2], out, 0, a[3]);
}

static bool overlap(struct file *in, uint64_t in_at, struct file *out, uint64_t out_at, uint64_t n)
{
    return in->inode == out->inode && in_at < out_at + n && out_at < in_at + n;
}

// mm/filemap.c, generic_copy_file_checks.
static int check_range(struct task *t, struct file *in, gaddr in_at, struct file *out, gaddr out_at, uint64_t n)
{
    uint64_t from = in->pos, to = out->pos;
    int err = in_at ? copy_from_user(t, &from, in_at, sizeof from) : 0;
    if (!err && out_at) err = copy_from_user(t, &to, out_at, sizeof to);
    if (err) return err;
    if (from + n < from || to + n < to) return -LX_EOVERFLOW;
    if (from > INT64_MAX || to > INT64_MAX) return -LX_EINVAL;
    if (from + n < from || to + n < to || from + n > INT64_MAX || to + n > INT64_MAX) return -LX_EOVERFLOW;
    return overlap(in, from, out, to, n) ? -LX_EINVAL : 0;
}

int64_t sys_copy_file_range(struct task *t, const uint64_t a[6])
{
    struct file *in = fd_io(t, (int)a[0]), *out = fd_io(t, (int)a[2]);
    if (!in || !out) return -LX_EBADF;
    if (a[5]) return -LX_EINVAL;
    if ((in->inode->mode & LX_S_IFMT) == LX_S_IFDIR || (out->inode->mode & LX_S_IFMT) == LX_S_IFDIR) return -LX_EISDIR;
    if (!regular(in) || !regular(out)) return -LX_EINVAL;
    if (!(in->mode & FILE_READ) || !(out->mode & FILE_WRITE) || out->flags & LX_O_APPEND) return -LX_EBADF;
    uint64_t n = a[4] > LX_MAX_RW_COUNT ? LX_MAX_RW_COUNT : a[4];
    int err = t->sys.word[2] ? 0 : check_range(t, in, a[1], out, a[3], n);
    return err ? err : copy_between(t, in, a[1], out, a[3], n);
}
