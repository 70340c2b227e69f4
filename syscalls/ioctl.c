// ioctl: the commands every descriptor knows (fs/ioctl.c, do_vfs_ioctl); the rest is the file's own.
#include "syscalls/fs.h"

enum { FIGETBSZ = 2, FIOQSIZE = 0x5460 };

static int64_t set_flag(struct task *t, struct file *f, uint32_t flag, gaddr arg)
{
    int32_t on;
    int err = copy_from_user(t, &on, arg, sizeof on);
    if (err) return err;
    f->flags = on ? f->flags | flag : f->flags & ~flag;
    return 0;
}

static int64_t set_async(struct task *t, struct file *f, int fd, gaddr arg)
{
    int64_t err = set_flag(t, f, LX_O_ASYNC, arg);
    return err ? err : sigio_set(t, f, fd, f->flags & LX_O_ASYNC);
}

static int64_t put_int(struct task *t, gaddr arg, int64_t value)
{
    int32_t v = (int32_t)value;
    return copy_to_user(t, arg, &v, sizeof v);
}

static int64_t put_size(struct task *t, struct file *f, gaddr arg)
{
    uint32_t kind = f->inode->mode & LX_S_IFMT;
    if (kind != LX_S_IFREG && kind != LX_S_IFDIR && kind != LX_S_IFLNK) return -LX_ENOTTY;
    return copy_to_user(t, arg, &f->inode->size, sizeof f->inode->size);
}

int64_t sys_ioctl(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io_held(t, (int)a[0]);
    uint32_t cmd = (uint32_t)a[1];
    if (!f) return -LX_EBADF;
    switch (cmd) {
    case LX_FIOCLEX:
        return fd_set_cloexec(t->proc, (int)a[0], true);
    case LX_FIONCLEX:
        return fd_set_cloexec(t->proc, (int)a[0], false);
    case LX_FIONBIO:
        return set_flag(t, f, LX_O_NONBLOCK, a[2]);
    case LX_FIOASYNC:
        return set_async(t, f, (int)a[0], a[2]);
    case FIOQSIZE:
        return put_size(t, f, a[2]);
    case FIGETBSZ:
        return put_int(t, a[2], LX_PAGE_SIZE);
    case LX_FIONREAD:
        if ((f->inode->mode & LX_S_IFMT) == LX_S_IFREG) return put_int(t, a[2], (int64_t)(f->inode->size - f->pos));
        if (f->inode->pipe) return put_int(t, a[2], pipe_bytes(f));
    }
    int64_t r = vfs_ioctl(f, t, cmd, a[2]);
    if (r == -LX_EPARK) fd_hold(t, f);
    return r;
}
