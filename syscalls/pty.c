// Pseudo terminals: /dev/ptmx makes a pair. The slave is a struct tty; what it puts out is what the master reads, what
// the master writes is typed into it.
//
// Both ends keep the pair: it is freed when the master's file and the last of the slave's are closed.
#include "syscalls/tty_impl.h"
#include <string.h>

enum { PTY_BUF = 16384 };

struct pty {
    struct tty *slave;
    struct waitq wait; // of the master
    bool master_closed;
    bool packets;   // TIOCPKT: each read of the master begins with a byte, 0 before data
    uint8_t status; // or PKT_*, which the master has still to be told
    uint32_t head, len;
    uint8_t buf[PTY_BUF]; // slave -> master, a ring
};

static size_t take_output(void *ctx, const void *from, size_t n)
{
    struct pty *p = ctx;
    const uint8_t *bytes = from;
    if (p->master_closed) return n;
    if (n > PTY_BUF - p->len) n = PTY_BUF - p->len;
    for (size_t i = 0; i < n; i++) p->buf[(p->head + p->len++) % PTY_BUF] = bytes[i];
    if (n) waitq_wake(&p->wait);
    return n;
}

static const struct tty_host_ops pty_host_ops = {.write = take_output};

static void pty_free(struct pty *p)
{
    struct box *box = p->slave->box;
    tty_destroy(p->slave);
    waitq_dismiss(&p->wait);
    kmfree(box->vfs, p, sizeof *p);
}

void pty_slave_closed(struct tty *y)
{
    struct pty *p = y->pty;
    waitq_wake(&p->wait);
    if (p->master_closed) pty_free(p);
}

void pty_input_read(struct tty *y)
{
    waitq_wake(&y->pty->wait);
}

void pty_status(struct tty *y, unsigned clear, unsigned set)
{
    struct pty *p = y->pty;
    if (!p->packets) return;
    p->status = (uint8_t)((p->status & ~clear) | set);
    waitq_wake(&p->wait);
}

// ---------------------------------------------------------------- the master

// Before its first opening the slave is not "closed": the master waits for it (TTY_OTHER_CLOSED).
static bool other_closed(const struct pty *p)
{
    return p->slave->was_open && !p->slave->opens;
}

static int read_status(struct pty *p, struct iob *io)
{
    if (iob_put(io, &p->status, 1) < 1) return -LX_EFAULT;
    p->status = 0;
    return 0;
}

static int master_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct pty *p = f->private;
    (void)pos;
    if (!io->left) return 0;
    if (p->status) return read_status(p, io);
    if (!p->len) return other_closed(p) ? -LX_EIO : -LX_EAGAIN;
    if (p->packets && iob_put(io, "", 1) < 1) return -LX_EFAULT;
    while (p->len && io->left) {
        uint32_t run = PTY_BUF - p->head < p->len ? PTY_BUF - p->head : p->len;
        if (io->left < run) run = (uint32_t)io->left;
        size_t n = iob_put(io, p->buf + p->head, run);
        p->head = (p->head + (uint32_t)n) % PTY_BUF;
        p->len -= (uint32_t)n;
        if (n < run) return -LX_EFAULT;
    }
    tty_writable(p->slave);
    return 0;
}

static int master_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct pty *p = f->private;
    uint8_t buf[256];
    (void)pos;
    while (io->left) {
        size_t room = tty_input_room(p->slave), want = room < sizeof buf ? room : sizeof buf;
        if (!want) return -LX_EAGAIN;
        if (want > io->left) want = io->left;
        size_t n = iob_get(io, buf, want);
        tty_input(p->slave, buf, n);
        if (n < want) return -LX_EFAULT;
    }
    return 0;
}

static unsigned master_poll(struct file *f, struct waitq **queue)
{
    struct pty *p = f->private;
    *queue = &p->wait;
    unsigned mask = p->len || p->status ? LX_POLLIN | LX_POLLRDNORM : 0;
    if (p->status) mask |= LX_POLLPRI;
    if (tty_input_room(p->slave)) mask |= LX_POLLOUT | LX_POLLWRNORM;
    return other_closed(p) ? mask | LX_POLLHUP : mask;
}

static int64_t put_int(struct task *t, gaddr to, int32_t v)
{
    return copy_to_user(t, to, &v, sizeof v);
}

static int64_t set_packets(struct pty *p, struct task *t, gaddr from)
{
    int32_t on;
    int err = copy_from_user(t, &on, from, sizeof on);
    if (err) return err;
    if (!on || !p->packets) p->status = 0;
    p->packets = on;
    return 0;
}

static int64_t set_lock(struct tty *y, struct task *t, gaddr from)
{
    int32_t lock;
    int err = copy_from_user(t, &lock, from, sizeof lock);
    if (!err) y->locked = lock;
    return err;
}

// TIOCGPTPEER: the slave, opened without its name.
static int64_t open_peer(struct tty *y, struct task *t, uint32_t flags)
{
    struct file *f;
    if (flags & ~(uint32_t)(LX_O_ACCMODE | LX_O_NOCTTY | LX_O_NONBLOCK | LX_O_CLOEXEC)) return -LX_EINVAL;
    int err = fd_room(t->proc, 1);
    if (!err) err = tty_open(y, flags, &f);
    if (err) return err;
    if (!(flags & LX_O_NOCTTY)) tty_opened(t, f);
    return fd_install(t->proc, f, 0, flags & LX_O_CLOEXEC);
}

enum { TIOCPKT = 0x5420, TIOCGPKT = 0x80045438, TIOCGPTLCK = 0x80045439, TIOCSIG = 0x40045436 };

static int64_t master_ioctl(struct file *f, struct task *t, uint32_t cmd, uint64_t arg)
{
    struct pty *p = f->private;
    struct tty *y = p->slave;
    switch (cmd) {
    case LX_TIOCGPTN:
        return put_int(t, arg, (int32_t)y->index);
    case LX_TIOCSPTLCK:
        return set_lock(y, t, arg);
    case (uint32_t)TIOCGPTLCK:
        return put_int(t, arg, y->locked);
    case LX_TIOCGPTPEER:
        return open_peer(y, t, (uint32_t)arg);
    case LX_FIONREAD:
        return put_int(t, arg, (int32_t)p->len);
    case LX_TIOCSCTTY:
    case LX_TIOCNOTTY:
        return -LX_ENOTTY;
    case TIOCSIG:
        if (arg < 1 || arg > NSIG) return -LX_EINVAL;
        tty_signal(y, (int)arg);
        return 0;
    case TIOCPKT:
        return set_packets(p, t, arg);
    case (uint32_t)TIOCGPKT:
        return put_int(t, arg, p->packets);
    default:
        return tty_do_ioctl(y, t, cmd, arg, true);
    }
}

static void master_release(struct file *f)
{
    struct pty *p = f->private;
    struct tty *y = p->slave;
    p->master_closed = true;
    tty_hangup(y);
    if (!y->opens) pty_free(p);
}

static const struct file_ops master_fops = {
    .release = master_release,
    .read = master_read,
    .write = master_write,
    .ioctl = master_ioctl,
    .poll = master_poll,
};

static int ptmx_open(struct file *f)
{
    struct box *box = vfs_device_ctx(f);
    struct pty *p = kmalloc(box->vfs, sizeof *p);
    if (!p) return -LX_ENOMEM;
    uint32_t uid = f->cred ? f->cred->fsuid : 0;
    p->slave = tty_create(box, &pty_host_ops, p, uid, 5); // group tty
    if (!p->slave) {
        kmfree(box->vfs, p, sizeof *p);
        return -LX_ENOSPC;
    }
    p->slave->pty = p;
    p->slave->locked = true;
    p->slave->termios.c_iflag &= ~(uint32_t)LX_IUTF8;
    f->private = p;
    f->ops = &master_fops;
    return 0;
}

static const struct file_ops ptmx_fops = {.open = ptmx_open};

int pty_init(struct box *box, struct fs *devfs)
{
    uint32_t rdev = vfs_makedev(5, 2);
    int err = vfs_device(box->vfs, false, rdev, &ptmx_fops, box);
    if (!err) err = devfs_add(devfs, "ptmx", LX_S_IFCHR | 0666, 0, 0, rdev);
    return err ? err : devfs_add(devfs, "pts/ptmx", LX_S_IFCHR | 0666, 0, 0, rdev);
}
