// Opening files, and the calls on an open regular file's extent: truncate, fallocate, fsync and relatives. memfd_create
// and pipes too: they only open.
#include "syscalls/fs.h"
#include <string.h>

// ---------------------------------------------------------------- open

// RESOLVE_* of openat2(2) and the walker's words for them.
static const struct {
    uint64_t resolve;
    unsigned lookup;
} resolve_bits[] = {
    {0x01, LOOKUP_NO_XDEV}, {0x02, LOOKUP_NO_MAGIC}, {0x04, LOOKUP_NO_SYMLINKS},
    {0x08, LOOKUP_BENEATH}, {0x10, LOOKUP_IN_ROOT},
};
enum { RESOLVE_BENEATH = 8, RESOLVE_IN_ROOT = 16, RESOLVE_CACHED = 32 };

enum {
    OPEN_KNOWN = LX_O_ACCMODE | LX_O_CREAT | LX_O_EXCL | LX_O_NOCTTY | LX_O_TRUNC | LX_O_APPEND | LX_O_NONBLOCK |
                 LX_O_SYNC | LX_O_ASYNC | LX_O_DIRECT | LX_O_LARGEFILE | LX_O_DIRECTORY | LX_O_NOFOLLOW | LX_O_NOATIME |
                 LX_O_CLOEXEC | LX_O_PATH | LX_O_TMPFILE,
    OPEN_PATH_KNOWN = LX_O_DIRECTORY | LX_O_NOFOLLOW | LX_O_PATH | LX_O_CLOEXEC,
    OPEN_MAKES = LX_O_CREAT | (LX_O_TMPFILE & ~LX_O_DIRECTORY),
};

struct opening {
    int dirfd;
    gaddr path;
    uint32_t flags, mode;
    unsigned lookup;
};

static void drop_half_open(struct task *t)
{
    file_put(t->sys.object);
}

// A FIFO without its other end: the half-open file is kept until the other one comes (fifo_open, fs/pipe.c).
static int64_t wait_other_end(struct task *t, struct file *f)
{
    if (f && !t->sys.object) {
        t->sys.object = f;
        t->sys.release = drop_half_open;
    }
    return f ? task_wait(t, t->box->vfs->park) : -LX_EPARK;
}

static int64_t install(struct task *t, struct file *f, uint32_t flags)
{
    if (!(flags & (LX_O_NOCTTY | LX_O_PATH))) tty_opened(t, f);
    return fd_install(t->proc, f, 0, flags & LX_O_CLOEXEC);
}

static int64_t open_again(struct task *t, uint32_t flags)
{
    struct file *f = t->sys.object;
    int err = vfs_open_again(f);
    if (err == -LX_EPARK) return wait_other_end(t, f);
    if (err) return err;
    t->sys.object = NULL;
    t->sys.release = NULL;
    return install(t, f, flags);
}

static int64_t do_open(struct task *t, const struct opening *o)
{
    struct vfs_at at;
    char path[LX_PATH_MAX];
    struct file *f;
    if (t->sys.object) return open_again(t, o->flags);
    int err = get_path(t, o->path, path);
    if (!err) err = fd_room(t->proc, 1);
    if (!err) err = at_base(t, o->dirfd, path, o->lookup, &at);
    if (err) return err;
    err = vfs_open(t->box->vfs, &at, path, o->flags, o->mode, o->lookup, &f);
    if (err == -LX_EPARK) return wait_other_end(t, f);
    return err ? err : install(t, f, o->flags);
}

// build_open_flags (fs/open.c) for the old calls: what is unknown is ignored.
static int64_t open_old(struct task *t, int dirfd, gaddr path, uint32_t flags, uint32_t mode)
{
    flags &= OPEN_KNOWN;
    if (flags & LX_O_PATH)
        flags &= OPEN_PATH_KNOWN;
    else if (flags & LX_O_TMPFILE & ~LX_O_DIRECTORY && (flags & LX_O_TMPFILE) != LX_O_TMPFILE)
        return -LX_EINVAL;
    struct opening o = {.dirfd = dirfd, .path = path, .flags = flags, .mode = flags & OPEN_MAKES ? mode & 07777 : 0};
    return do_open(t, &o);
}

int64_t sys_open(struct task *t, const uint64_t a[6])
{
    return open_old(t, LX_AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2]);
}

int64_t sys_openat(struct task *t, const uint64_t a[6])
{
    return open_old(t, (int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

int64_t sys_creat(struct task *t, const uint64_t a[6])
{
    return open_old(t, LX_AT_FDCWD, a[0], LX_O_CREAT | LX_O_WRONLY | LX_O_TRUNC, (uint32_t)a[1]);
}

// copy_struct_from_user: a longer struct is fine if what we do not know is zero.
static int get_how(struct task *t, gaddr at, uint64_t size, struct lx_open_how *how)
{
    if (size < sizeof *how) return -LX_EINVAL;
    if (size > LX_PAGE_SIZE) return -LX_E2BIG;
    int err = copy_from_user(t, how, at, sizeof *how);
    for (uint64_t i = sizeof *how; i < size && !err; i++) {
        uint8_t byte;
        err = copy_from_user(t, &byte, at + i, 1);
        if (!err && byte) err = -LX_E2BIG;
    }
    return err;
}

static int check_how(const struct lx_open_how *how)
{
    if (how->flags & ~(uint64_t)OPEN_KNOWN || how->resolve & ~0x3full) return -LX_EINVAL;
    if (how->resolve & RESOLVE_BENEATH && how->resolve & RESOLVE_IN_ROOT) return -LX_EINVAL;
    if (how->mode & ~07777ull || (how->mode && !(how->flags & OPEN_MAKES))) return -LX_EINVAL;
    if (how->flags & LX_O_PATH && how->flags & ~(uint64_t)OPEN_PATH_KNOWN) return -LX_EINVAL;
    return 0;
}

int64_t sys_openat2(struct task *t, const uint64_t a[6])
{
    struct lx_open_how how;
    int err = get_how(t, a[2], a[3], &how);
    if (!err) err = check_how(&how);
    if (err) return err;
    struct opening o = {.dirfd = (int)a[0], .path = a[1], .flags = (uint32_t)how.flags, .mode = (uint32_t)how.mode};
    for (size_t i = 0; i < sizeof resolve_bits / sizeof *resolve_bits; i++)
        if (how.resolve & resolve_bits[i].resolve) o.lookup |= resolve_bits[i].lookup;
    return do_open(t, &o);
}

// ---------------------------------------------------------------- pipes, memfds

static void own(const struct task *t, struct inode *i)
{
    i->uid = t->proc->cred.fsuid;
    i->gid = t->proc->cred.fsgid;
}

static int64_t make_pipe(struct task *t, gaddr fds, uint32_t flags)
{
    struct file *end[2];
    int fd[2];
    if (flags & ~(uint32_t)(LX_O_CLOEXEC | LX_O_NONBLOCK | LX_O_DIRECT)) return -LX_EINVAL;
    int err = fd_room(t->proc, 2);
    if (!err) err = vfs_pipe(t->box->vfs, flags, &end[0], &end[1]);
    if (err) return err;
    own(t, end[0]->inode);
    for (int i = 0; i < 2; i++) fd[i] = fd_install(t->proc, end[i], 0, flags & LX_O_CLOEXEC);
    if (fd[1] >= 0)
        err = copy_to_user(t, fds, fd, sizeof fd);
    else
        err = fd[1];
    for (int i = 0; i < 2 && err; i++)
        if (fd[i] >= 0) fd_close(t->proc, fd[i]);
    return err;
}

int64_t sys_pipe(struct task *t, const uint64_t a[6])
{
    return make_pipe(t, a[0], 0);
}
int64_t sys_pipe2(struct task *t, const uint64_t a[6])
{
    return make_pipe(t, a[0], (uint32_t)a[1]);
}

enum {
    MEMFD_NAME_MAX = 249,
    MFD_NOEXEC_SEAL = 8,
    MFD_EXEC = 16,
    MEMFD_KNOWN = LX_MFD_CLOEXEC | LX_MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC
};

// mm/memfd.c: one that may be sealed has no seals yet; the others have the seal against seals.
static void seal_new(struct inode *i, uint32_t flags)
{
    if (flags & MFD_NOEXEC_SEAL) {
        i->mode &= ~(uint32_t)0111;
        i->seals = SEALS_KNOWN | LX_F_SEAL_EXEC;
    } else if (flags & LX_MFD_ALLOW_SEALING) {
        i->seals = SEALS_KNOWN;
    }
}

int64_t sys_memfd_create(struct task *t, const uint64_t a[6])
{
    char name[MEMFD_NAME_MAX + 1];
    struct file *f;
    uint32_t flags = (uint32_t)a[1];
    if (flags & ~(uint32_t)MEMFD_KNOWN || (flags & MFD_NOEXEC_SEAL && flags & MFD_EXEC)) return -LX_EINVAL;
    int64_t n = strncpy_from_user(t, name, a[0], sizeof name);
    if (n < 0) return n == -LX_ENAMETOOLONG ? -LX_EINVAL : n;
    int err = fd_room(t->proc, 1);
    if (!err) err = vfs_memfd(t->box->vfs, name, &f);
    if (err) return err;
    own(t, f->inode);
    seal_new(f->inode, flags);
    return fd_install(t->proc, f, 0, flags & LX_MFD_CLOEXEC);
}

// ---------------------------------------------------------------- size

// inode_newsize_ok (fs/attr.c): only growth is limited.
static int may_grow(struct task *t, struct inode *i, uint64_t size)
{
    uint64_t limit = t->proc->rlimit[LX_RLIMIT_FSIZE].rlim_cur;
    if (size <= i->size || size <= limit || (i->mode & LX_S_IFMT) != LX_S_IFREG) return 0;
    struct lx_siginfo info = {
        .si_signo = LX_SIGXFSZ, .si_code = LX_SI_USER, .si_pid = t->proc->pid, .si_uid = t->proc->cred.uid};
    signal_send_task(t, &info);
    return -LX_EFBIG;
}

int64_t sys_truncate(struct task *t, const uint64_t a[6])
{
    struct path p;
    if ((int64_t)a[1] < 0) return -LX_EINVAL;
    int err = at_lookup(t, LX_AT_FDCWD, a[0], LOOKUP_FOLLOW, &p);
    if (err) return err;
    err = may_grow(t, path_inode(&p), a[1]);
    if (!err) err = vfs_truncate(&p, &t->proc->cred, a[1]);
    path_put(&p);
    return err;
}

int64_t sys_ftruncate(struct task *t, const uint64_t a[6])
{
    if ((int64_t)a[1] < 0) return -LX_EINVAL;
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    int err = f->mode & FILE_WRITE ? may_grow(t, f->inode, a[1]) : 0;
    return err ? err : vfs_ftruncate(f, a[1]);
}

enum { FALLOC_KNOWN = 0x7f };

int64_t sys_fallocate(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    uint32_t mode = (uint32_t)a[1];
    if ((int64_t)a[2] < 0 || (int64_t)a[3] <= 0) return -LX_EINVAL;
    if (mode & ~(uint32_t)FALLOC_KNOWN) return -LX_EOPNOTSUPP;
    if (mode & LX_FALLOC_FL_PUNCH_HOLE && !(mode & LX_FALLOC_FL_KEEP_SIZE)) return -LX_EOPNOTSUPP;
    if (a[2] + a[3] > INT64_MAX) return -LX_EFBIG;
    if (!(mode & LX_FALLOC_FL_KEEP_SIZE) && f->mode & FILE_WRITE) {
        int err = may_grow(t, f->inode, a[2] + a[3]);
        if (err) return err;
    }
    return vfs_fallocate(f, (int)mode, a[2], a[3]);
}

// ---------------------------------------------------------------- durability and advice

int64_t sys_fsync(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    return f ? vfs_fsync(f) : -LX_EBADF;
}

int64_t sys_fdatasync(struct task *t, const uint64_t a[6])
{
    return sys_fsync(t, a);
}

int64_t sys_sync(struct task *t, const uint64_t a[6])
{
    (void)a;
    int err = vfs_sync(t->box->vfs);
    return err == -LX_EPARK ? err : 0;
}

int64_t sys_syncfs(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    struct fs *fs = f->path.dentry->fs;
    return fs->ops->sync ? fs->ops->sync(fs) : 0;
}

int64_t sys_sync_file_range(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    uint32_t kind = f->inode->mode & LX_S_IFMT;
    if (a[3] & ~7ull || (int64_t)a[1] < 0 || (int64_t)(a[1] + a[2]) < 0) return -LX_EINVAL;
    if (kind != LX_S_IFREG && kind != LX_S_IFBLK && kind != LX_S_IFDIR && kind != LX_S_IFLNK) return -LX_ESPIPE;
    return 0;
}

int64_t sys_fadvise64(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    if ((f->inode->mode & LX_S_IFMT) == LX_S_IFIFO) return -LX_ESPIPE;
    return (int64_t)a[2] < 0 || (uint32_t)a[3] > 5 ? -LX_EINVAL : 0;
}

int64_t sys_readahead(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f || !(f->mode & FILE_READ)) return -LX_EBADF;
    uint32_t kind = f->inode->mode & LX_S_IFMT;
    return kind == LX_S_IFREG || kind == LX_S_IFBLK ? 0 : -LX_EINVAL;
}
