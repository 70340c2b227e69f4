// Terminals: the object, its place in /dev, reading and writing, job control. See tty.h; tty_impl.h says what the other
// files do.
#include "syscalls/tty_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- making one

// What a fresh terminal of Linux's is set to (tty_std_termios), with UTF-8 input as any terminal emulator sets it.
static const struct lx_termios usual = {
    .c_iflag = LX_ICRNL | LX_IXON | LX_IUTF8,
    .c_oflag = LX_OPOST | LX_ONLCR,
    .c_cflag = LX_B38400 | LX_CS8 | LX_CREAD,
    .c_lflag = LX_ISIG | LX_ICANON | LX_ECHO | LX_ECHOE | LX_ECHOK | LX_ECHOCTL | LX_ECHOKE | LX_IEXTEN,
    .c_cc = {[LX_VINTR] = 3,
             [LX_VQUIT] = 0x1c,
             [LX_VERASE] = 0x7f,
             [LX_VKILL] = 0x15,
             [LX_VEOF] = 4,
             [LX_VMIN] = 1,
             [LX_VSTART] = 0x11,
             [LX_VSTOP] = 0x13,
             [LX_VSUSP] = 0x1a,
             [LX_VREPRINT] = 0x12,
             [LX_VDISCARD] = 0xf,
             [LX_VWERASE] = 0x17,
             [LX_VLNEXT] = 0x16},
};

static void node_name(const struct tty *y, char *name, size_t size)
{
    snprintf(name, size, "pts/%u", y->index);
}

static int add_node(struct tty *y, uint32_t uid, uint32_t gid)
{
    char name[16];
    struct ttys *all = y->box->ttys;
    uint32_t rdev = vfs_makedev(TTY_MAJOR, y->index);
    node_name(y, name, sizeof name);
    int err = vfs_device(y->box->vfs, false, rdev, &tty_fops, y);
    return err ? err : devfs_add(all->devfs, name, LX_S_IFCHR | 0620, uid, gid, rdev);
}

struct tty *tty_create(struct box *box, const struct tty_host_ops *ops, void *ctx, uint32_t uid, uint32_t gid)
{
    struct ttys *all = box->ttys;
    unsigned index = 0;
    while (index < TTY_MAX && all->tty[index]) index++;
    struct tty *y = index < TTY_MAX ? kmalloc(box->vfs, sizeof *y) : NULL;
    if (!y) return NULL;
    y->box = box;
    y->index = index;
    y->ops = ops;
    y->ctx = ctx;
    y->termios = usual;
    all->tty[index] = y;
    if (!add_node(y, uid, gid)) return y;
    tty_destroy(y);
    return NULL;
}

struct tty *tty_new(struct box *box, const struct tty_host_ops *ops, void *ctx)
{
    const struct cred *c = box->init ? &box->init->cred : NULL;
    return tty_create(box, ops, ctx, c ? c->uid : 0, c ? c->gid : 0);
}

void tty_destroy(struct tty *y)
{
    char name[16];
    struct box *box = y->box;
    node_name(y, name, sizeof name);
    devfs_remove(box->ttys->devfs, name);
    vfs_device(box->vfs, false, vfs_makedev(TTY_MAJOR, y->index), &tty_fops,
               NULL); // nodes that a guest made open as EIO
    for (struct process *p = box->processes; p; p = p->next)
        if (p->ctty == y) p->ctty = NULL;
    waitq_dismiss(&y->wait);
    box->ttys->tty[y->index] = NULL;
    kmfree(box->vfs, y, sizeof *y);
}

// ---------------------------------------------------------------- output

void tty_flush(struct tty *y)
{
    if (y->stopped || !y->out_len) return;
    size_t n = y->ops->write(y->ctx, y->out, y->out_len);
    memmove(y->out, y->out + n, y->out_len - n);
    y->out_len -= (uint32_t)n;
}

void tty_writable(struct tty *y)
{
    tty_flush(y);
    waitq_wake(&y->wait);
}

void tty_stop(struct tty *y, bool stop)
{
    if (y->stopped == stop) return;
    y->stopped = stop;
    if (y->pty) pty_status(y, PKT_STOP | PKT_START, stop ? PKT_STOP : PKT_START);
}

void tty_drop_output(struct tty *y)
{
    y->out_len = 0;
    if (y->pty) pty_status(y, 0, PKT_FLUSHWRITE);
}

bool tty_output_pending(const struct tty *y)
{
    return y->out_len > 0 && !y->stopped;
}

static void out(struct tty *y, uint8_t c)
{
    y->out[y->out_len++] = c;
}

static void put_tab(struct tty *y)
{
    unsigned n = 8 - (y->column & 7);
    y->column += n;
    if ((y->termios.c_oflag & 0x1800) != 0x1800)
        out(y, '\t'); // XTABS
    else
        while (n-- > 0) out(y, ' ');
}

// do_output_char of n_tty.c.
static void put_processed(struct tty *y, uint8_t c)
{
    uint32_t oflag = y->termios.c_oflag;
    switch (c) {
    case '\n':
        if (oflag & LX_ONLRET) y->column = 0;
        if (oflag & LX_ONLCR) {
            y->column = 0;
            out(y, '\r');
        }
        break;
    case '\r':
        if (oflag & LX_ONOCR && y->column == 0) return;
        if (oflag & LX_OCRNL) c = '\n';
        if (!(oflag & LX_OCRNL) || oflag & LX_ONLRET) y->column = 0;
        break;
    case '\t':
        put_tab(y);
        return;
    case '\b':
        if (y->column > 0) y->column--;
        break;
    default:
        if (oflag & LX_OLCUC && c >= 'a' && c <= 'z') c -= 0x20;
        if (c >= 0x20 && c != 0x7f && !(y->termios.c_iflag & LX_IUTF8 && (c & 0xc0) == 0x80)) y->column++;
    }
    out(y, c);
}

void tty_put(struct tty *y, uint8_t c)
{
    if (tty_out_room(y) < TTY_EXPAND) tty_flush(y);
    if (tty_out_room(y) < TTY_EXPAND) return;
    if (y->termios.c_oflag & LX_OPOST)
        put_processed(y, c);
    else
        out(y, c);
}

static struct tty *tty_of(const struct file *f)
{
    return f->private;
}
static bool hung_up(const struct file *f)
{
    return f->pos != tty_of(f)->generation;
}

static int tty_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct tty *y = tty_of(f);
    uint8_t buf[512];
    (void)pos;
    if (hung_up(f)) return -LX_EIO;
    if (tty_is(y, LX_TOSTOP)) {
        int err = tty_check_change(y->box->current, y, LX_SIGTTOU);
        if (err) return err;
    }
    while (io->left) {
        if (tty_out_room(y) < sizeof buf * TTY_EXPAND) tty_flush(y);
        size_t room = tty_out_room(y) / TTY_EXPAND, want = room < sizeof buf ? room : sizeof buf;
        if (y->stopped || !want) return -LX_EAGAIN;
        if (want > io->left) want = io->left;
        size_t n = iob_get(io, buf, want);
        for (size_t i = 0; i < n; i++) tty_put(y, buf[i]);
        if (n < want) {
            tty_flush(y);
            return -LX_EFAULT;
        }
    }
    tty_flush(y);
    return 0;
}

// ---------------------------------------------------------------- reading

uint32_t tty_readable(const struct tty *y)
{
    return (tty_is(y, LX_ICANON) ? y->canon : y->head) - y->tail;
}

// Hands over entries from tail up to `end` or a line's end. *line: that was reached.
static int give_some(struct tty *y, struct iob *io, uint32_t end, bool *line)
{
    uint8_t buf[256];
    uint32_t n = 0, skip = 0;
    *line = false;
    while (n < sizeof buf && n < io->left && y->tail + n != end && !*line) {
        uint16_t e = y->in[(y->tail + n) % TTY_IN];
        if (e & IN_EOF)
            skip = 1;
        else
            buf[n++] = (uint8_t)e;
        *line = tty_is(y, LX_ICANON) && e & IN_LINE_END;
        if (skip) break;
    }
    size_t put = iob_put(io, buf, n);
    y->tail += (uint32_t)put + (put == n ? skip : 0);
    return put < n ? -LX_EFAULT : 0;
}

static int give(struct tty *y, struct iob *io)
{
    uint32_t end = tty_is(y, LX_ICANON) ? y->canon : y->head;
    bool line = false;
    int err = 0;
    while (!err && !line && io->left && y->tail != end) err = give_some(y, io, end, &line);
    // A VEOF right behind what filled the buffer goes with it: the next read must not see an end of file (n_tty.c,
    // canon_copy_from_read_buf).
    if (!err && !line && !io->left && y->tail != end && y->in[y->tail % TTY_IN] & IN_EOF) y->tail++;
    if (y->pty) pty_input_read(y);
    return err;
}

// VMIN and VTIME of a raw read (termios(3)). 0: read what there is; -LX_EAGAIN: wait, until the deadline set in the
// task if any.
static int raw_wait(struct tty *y, struct task *t, size_t want)
{
    uint32_t have = tty_readable(y);
    uint64_t tenths = y->termios.c_cc[LX_VTIME], min = y->termios.c_cc[LX_VMIN], now = box_monotonic(y->box);
    if (have >= (min ? (min < want ? min : want) : 1) || (!min && !tenths)) return 0;
    if (!tenths || (min && !have)) return -LX_EAGAIN;
    if (min) {
        t->sys.deadline = y->last_input_ns + tenths * 100000000;
        t->sys.has_deadline = true;
    } else {
        task_deadline(t, now + tenths * 100000000);
    }
    return now >= t->sys.deadline ? 0 : -LX_EAGAIN;
}

static int tty_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct tty *y = tty_of(f);
    struct task *t = y->box->current;
    (void)pos;
    if (hung_up(f) || !io->left) return 0;
    int err = tty_check_change(t, y, LX_SIGTTIN);
    if (err) return err;
    if (tty_is(y, LX_ICANON)) {
        if (y->canon == y->tail) return -LX_EAGAIN;
    } else if ((err = raw_wait(y, t, io->left))) {
        return err;
    }
    return give(y, io);
}

static unsigned tty_poll(struct file *f, struct waitq **queue)
{
    struct tty *y = tty_of(f);
    *queue = &y->wait;
    if (hung_up(f)) return LX_POLLIN | LX_POLLRDNORM | LX_POLLOUT | LX_POLLWRNORM | LX_POLLERR | LX_POLLHUP;
    uint32_t enough =
        !tty_is(y, LX_ICANON) && !y->termios.c_cc[LX_VTIME] && y->termios.c_cc[LX_VMIN] ? y->termios.c_cc[LX_VMIN] : 1;
    unsigned mask = tty_readable(y) >= enough ? LX_POLLIN | LX_POLLRDNORM : 0;
    if (!y->stopped && tty_out_room(y) >= TTY_OUT / 2) mask |= LX_POLLOUT | LX_POLLWRNORM;
    return mask;
}

// ---------------------------------------------------------------- opening

static int attach(struct file *f, struct tty *y)
{
    f->ops = &tty_fops;
    f->private = y;
    f->pos = y->generation;
    y->opens++;
    y->was_open = true;
    return 0;
}

static int tty_fopen(struct file *f)
{
    struct tty *y = vfs_device_ctx(f);
    if (!y) return -LX_EIO;
    if (y->locked) return -LX_EIO;
    if (y->exclusive && !(f->cred && cred_has_cap(f->cred, LX_CAP_SYS_ADMIN))) return -LX_EBUSY;
    return attach(f, y);
}

static void tty_release(struct file *f)
{
    struct tty *y = f->private;
    if (!y || --y->opens > 0) return;
    y->exclusive = false;
    if (y->pty) pty_slave_closed(y);
}

const struct file_ops tty_fops = {
    .open = tty_fopen,
    .release = tty_release,
    .read = tty_read,
    .write = tty_write,
    .ioctl = tty_ioctl,
    .poll = tty_poll,
};

int tty_open(struct tty *y, unsigned flags, struct file **out_file)
{
    char name[32];
    struct cred root;
    struct vfs_at at = {.cred = &root};
    cred_init(&root, 0, 0);
    vfs_root(y->box->vfs, &at.root);
    at.base = at.root;
    snprintf(name, sizeof name, "/dev/pts/%u", y->index);
    int err = vfs_open(y->box->vfs, &at, name, flags | LX_O_NOCTTY, 0, 0, out_file);
    path_put(&at.root);
    return err;
}

// /dev/tty: the caller's controlling terminal.
static int ctty_open(struct file *f)
{
    struct box *box = vfs_device_ctx(f);
    struct tty *y = box->current ? box->current->proc->ctty : NULL;
    return y ? attach(f, y) : -LX_ENXIO;
}

static const struct file_ops ctty_fops = {.open = ctty_open};

int kernel_devices(struct box *box, struct fs *devfs)
{
    uint32_t ctty = vfs_makedev(5, 0);
    if (!(box->ttys = calloc(1, sizeof *box->ttys))) return -LX_ENOMEM;
    box->ttys->devfs = devfs;
    int err = vfs_device(box->vfs, false, ctty, &ctty_fops, box);
    if (!err) err = devfs_add(devfs, "tty", LX_S_IFCHR | 0666, 0, 0, ctty);
    return err ? err : pty_init(box, devfs);
}

void ttys_free(struct box *box)
{
    struct ttys *all = box->ttys;
    for (unsigned i = 0; all && i < TTY_MAX; i++)
        if (all->tty[i]) tty_destroy(all->tty[i]);
    free(all);
    box->ttys = NULL;
}

// ---------------------------------------------------------------- sessions and job control

void tty_signal(struct tty *y, int sig)
{
    struct lx_siginfo info = {.si_signo = sig, .si_code = LX_SI_KERNEL};
    if (y->pgrp) signal_send_group(y->box, y->pgrp, &info);
}

int tty_foreground(const struct tty *y)
{
    return y->pgrp;
}

void tty_control(struct tty *y, struct process *leader)
{
    y->sid = leader->sid;
    y->pgrp = leader->pgid;
    leader->ctty = y;
}

void tty_opened(struct task *t, struct file *f)
{
    struct process *p = t->proc;
    if (f->ops != &tty_fops || p->ctty || p->sid != p->pid || !(f->mode & FILE_READ)) return;
    struct tty *y = tty_of(f);
    if (!y->sid) tty_control(y, p);
}

// disassociate_ctty: the foreground group learns that its terminal is gone, and nobody in the session has it any more.
void tty_session_end(struct process *leader)
{
    struct tty *y = leader->ctty;
    if (!y || leader->sid != leader->pid || y->sid != leader->sid) return;
    tty_signal(y, LX_SIGHUP);
    tty_signal(y, LX_SIGCONT);
    y->sid = y->pgrp = 0;
    for (struct process *p = y->box->processes; p; p = p->next)
        if (p->ctty == y) p->ctty = NULL;
}

void tty_hangup(struct tty *y)
{
    y->generation++;
    tty_flush_input(y);
    y->out_len = 0;
    struct process *leader = y->sid ? process_find(y->box, y->sid) : NULL;
    if (leader) {
        signal_simple(leader, LX_SIGHUP);
        signal_simple(leader, LX_SIGCONT);
    }
    if (leader) tty_session_end(leader);
    waitq_wake(&y->wait);
}

static bool cannot_get(const struct task *t, int sig)
{
    return t->sigmask >> (sig - 1) & 1 || signal_ignored_by(t->proc, sig);
}

int tty_check_change(struct task *t, struct tty *y, int sig)
{
    struct process *p = t ? t->proc : NULL;
    if (!p || p->ctty != y || !y->pgrp || p->pgid == y->pgrp) return 0;
    if (cannot_get(t, sig)) return sig == LX_SIGTTIN ? -LX_EIO : 0;
    if (process_orphaned_group(t->box, p->pgid)) return -LX_EIO;
    struct lx_siginfo info = {.si_signo = sig, .si_code = LX_SI_KERNEL};
    signal_send_group(t->box, p->pgid, &info);
    return -LX_ERESTARTSYS;
}
