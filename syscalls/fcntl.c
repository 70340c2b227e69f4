// fcntl: a row per command. What concerns a descriptor alone is here; locks are locks.c's.
#include "syscalls/mm.h"
#include "syscalls/fs.h"

enum { F_SETOWN_EX = 15, F_GETOWN_EX = 16 };
enum { SETTABLE = LX_O_APPEND | LX_O_ASYNC | LX_O_DIRECT | LX_O_NOATIME | LX_O_NONBLOCK };

typedef int64_t fcntl_fn(struct task *, struct file *, int fd, int cmd, uint64_t arg);

static int64_t do_dupfd(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd;
    if ((uint32_t)arg >= fd_limit(t->proc)) return -LX_EINVAL;
    return fd_install(t->proc, file_get(f), (uint32_t)arg, cmd == LX_F_DUPFD_CLOEXEC);
}

static int64_t do_getfd(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)f, (void)cmd, (void)arg;
    return fd_cloexec(t->proc, fd) ? LX_FD_CLOEXEC : 0;
}

static int64_t do_setfd(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)f, (void)cmd;
    return fd_set_cloexec(t->proc, fd, arg & LX_FD_CLOEXEC);
}

static int64_t do_getfl(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)fd, (void)cmd, (void)arg;
    return f->flags;
}

static int64_t do_setfl(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)cmd;
    uint32_t flags = (f->flags & ~(uint32_t)SETTABLE) | ((uint32_t)arg & SETTABLE);
    const struct cred *c = &t->proc->cred;
    if (f->inode->flags & INODE_APPEND && !(flags & LX_O_APPEND)) return -LX_EPERM;
    if (flags & ~f->flags & LX_O_NOATIME && c->fsuid != f->inode->uid && !cred_has_cap(c, LX_CAP_FOWNER))
        return -LX_EPERM;
    int err = (flags ^ f->flags) & LX_O_ASYNC ? sigio_set(t, f, fd, flags & LX_O_ASYNC) : 0;
    if (!err) f->flags = flags;
    return err;
}

static int64_t do_lock(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd;
    return lock_fcntl(t, f, cmd, arg);
}

static int64_t do_sigio(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)fd;
    return sigio_fcntl(t, f, cmd, arg);
}

static int64_t do_pipe_size(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)fd;
    if (cmd == LX_F_GETPIPE_SZ) return vfs_pipe_size(f, -1);
    return (uint32_t)arg > INT32_MAX ? -LX_EINVAL : vfs_pipe_size(f, (uint32_t)arg);
}

static int64_t do_getlease(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)f, (void)fd, (void)cmd, (void)arg;
    return LX_F_UNLCK;
}

// Leases are refused as by a file system that has none (generic_setlease's checks first).
static int64_t do_setlease(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    enum { CAP_LEASE = 28 };
    const struct cred *c = &t->proc->cred;
    (void)fd, (void)cmd;
    if ((int)arg == LX_F_UNLCK) return -LX_EAGAIN; // there is none
    if (c->fsuid != f->inode->uid && !cred_has_cap(c, CAP_LEASE)) return -LX_EACCES;
    return -LX_EINVAL;
}

// dnotify is refused as where CONFIG_DNOTIFY is off; asking for no events is none.
static int64_t do_notify(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    enum { DN_MULTISHOT = 0x80000000u };
    (void)t, (void)fd, (void)cmd;
    if (!((uint32_t)arg & ~(uint32_t)DN_MULTISHOT)) return 0;
    return (f->inode->mode & LX_S_IFMT) == LX_S_IFDIR ? -LX_EINVAL : -LX_ENOTDIR;
}

// ---------------------------------------------------------------- seals (mm/memfd.c)

enum {
    ALL_SEALS =
        LX_F_SEAL_SEAL | LX_F_SEAL_SHRINK | LX_F_SEAL_GROW | LX_F_SEAL_WRITE | LX_F_SEAL_FUTURE_WRITE | LX_F_SEAL_EXEC
};

// mapping_deny_writable: a shared mapping that writes or could begin to.
static bool mapped_for_writing(const struct inode *i)
{
    for (const struct vma *v = i->mappings; v; v = v->map_next)
        if (v->flags & LX_MAP_SHARED && v->file->mode & FILE_WRITE && !(v->flags & VMA_NOWRITE)) return true;
    return false;
}

static int64_t add_seals(struct file *f, uint64_t arg)
{
    struct inode *i = f->inode;
    uint32_t seals = (uint32_t)arg;
    if (!(f->mode & FILE_WRITE)) return -LX_EPERM;
    if (seals & ~(uint32_t)ALL_SEALS || !(i->seals & SEALS_KNOWN)) return -LX_EINVAL;
    if (i->seals & LX_F_SEAL_SEAL) return -LX_EPERM;
    if (seals & LX_F_SEAL_WRITE && !(i->seals & LX_F_SEAL_WRITE) && mapped_for_writing(i)) return -LX_EBUSY;
    if (seals & LX_F_SEAL_EXEC && i->mode & 0111)
        seals |= LX_F_SEAL_SHRINK | LX_F_SEAL_GROW | LX_F_SEAL_WRITE | LX_F_SEAL_FUTURE_WRITE;
    i->seals |= seals;
    return 0;
}

static int64_t do_seals(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
    (void)t, (void)fd;
    if (cmd == LX_F_ADD_SEALS) return add_seals(f, arg);
    return f->inode->seals & SEALS_KNOWN ? (int64_t)(f->inode->seals & ALL_SEALS) : -LX_EINVAL;
}

static const struct {
    int cmd;
    bool opath;
    fcntl_fn *fn;
} commands[] = {
    {LX_F_DUPFD, true, do_dupfd},           {LX_F_DUPFD_CLOEXEC, true, do_dupfd},   {LX_F_GETFD, true, do_getfd},
    {LX_F_SETFD, true, do_setfd},           {LX_F_GETFL, true, do_getfl},           {LX_F_SETFL, false, do_setfl},
    {LX_F_GETLK, false, do_lock},           {LX_F_SETLK, false, do_lock},           {LX_F_SETLKW, false, do_lock},
    {LX_F_OFD_GETLK, false, do_lock},       {LX_F_OFD_SETLK, false, do_lock},       {LX_F_OFD_SETLKW, false, do_lock},
    {LX_F_SETOWN, false, do_sigio},         {LX_F_GETOWN, false, do_sigio},         {F_SETOWN_EX, false, do_sigio},
    {F_GETOWN_EX, false, do_sigio},         {LX_F_SETSIG, false, do_sigio},         {LX_F_GETSIG, false, do_sigio},
    {LX_F_GETPIPE_SZ, false, do_pipe_size}, {LX_F_SETPIPE_SZ, false, do_pipe_size}, {LX_F_GETLEASE, false, do_getlease},
    {LX_F_SETLEASE, false, do_setlease},    {LX_F_NOTIFY, false, do_notify},        {LX_F_ADD_SEALS, false, do_seals},
    {LX_F_GET_SEALS, false, do_seals},
};

int64_t sys_fcntl(struct task *t, const uint64_t a[6])
{
    int fd = (int)a[0], cmd = (int)a[1];
    struct file *f = t->sys.object ? t->sys.object : fd_get(t->proc, fd);
    if (!f) return -LX_EBADF;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (commands[i].cmd != cmd) continue;
        return f->mode & FILE_PATH && !commands[i].opath ? -LX_EBADF : commands[i].fn(t, f, fd, cmd, a[2]);
    }
    return f->mode & FILE_PATH ? -LX_EBADF : -LX_EINVAL;
}
