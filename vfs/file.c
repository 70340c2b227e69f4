// Using an open file: the checks that are the same for all kinds, then the kind's operation.
#include "vfs/internal.h"
#include <string.h>

static int io_allowed(const struct file *f, unsigned want)
{
    return f->mode & want && !(f->mode & (FILE_PATH | FILE_UNOPENED)) ? 0 : -LX_EBADF;
}

int vfs_read(struct file *f, struct iob *io, uint64_t *pos)
{
    int err = io_allowed(f, FILE_READ);
    if (err) return err;
    if (is_dir(f->inode)) return -LX_EISDIR;
    if (!f->ops || !f->ops->read) return -LX_EINVAL;
    if (*pos > INT64_MAX) return -LX_EINVAL;
    err = f->ops->read(f, io, pos);
    if (io->done > 0 && f->mode & FILE_SEEK && !(f->flags & LX_O_NOATIME)) inode_accessed(&f->path);
    if (io->done > 0) notify_file(f, LX_IN_ACCESS);
    return err;
}

// generic_write_sync: O_SYNC contains O_DSYNC.
static int written(struct file *f)
{
    inode_drop_suid(f->inode, f->cred);
    inode_touch(f->inode, ATTR_MTIME);
    return f->flags & LX_O_DSYNC ? vfs_fsync(f) : 0;
}

int vfs_write(struct file *f, struct iob *io, uint64_t *pos)
{
    int err = io_allowed(f, FILE_WRITE);
    if (err) return err;
    if (!f->ops || !f->ops->write) return -LX_EINVAL;
    if (io->left == 0 && f->mode & FILE_SEEK) return 0;
    if (f->mode & FILE_SEEK && f->flags & LX_O_APPEND) *pos = f->inode->size;
    if (*pos > INT64_MAX) return -LX_EINVAL;
    size_t before = io->done;
    err = f->ops->write(f, io, pos);
    int unsafe = io->done > before && is_reg(f->inode) ? written(f) : 0;
    if (unsafe) err = unsafe;
    if (io->done > before) notify_file(f, LX_IN_MODIFY);
    return err;
}

static int64_t seek_data(struct file *f, int64_t off, int whence)
{
    struct inode *i = f->inode;
    if (off < 0 || (uint64_t)off >= i->size) return -LX_ENXIO;
    if (i->ops->next_data) return i->ops->next_data(i, (uint64_t)off, whence == LX_SEEK_HOLE);
    return whence == LX_SEEK_HOLE ? (int64_t)i->size : off;
}

int64_t file_seek(struct file *f, int64_t off, int whence)
{
    int64_t base = whence == LX_SEEK_CUR ? (int64_t)f->pos : whence == LX_SEEK_END ? (int64_t)f->inode->size : 0, to;
    if (whence == LX_SEEK_DATA || whence == LX_SEEK_HOLE) return seek_data(f, off, whence);
    if (whence < 0 || whence > LX_SEEK_END) return -LX_EINVAL;
    if (__builtin_add_overflow(base, off, &to)) return -LX_EOVERFLOW;
    return to < 0 ? -LX_EINVAL : to;
}

int64_t vfs_seek(struct file *f, int64_t off, int whence)
{
    if (f->mode & FILE_PATH) return -LX_EBADF;
    if (f->ops && f->ops->seek) return f->ops->seek(f, off, whence);
    if (!(f->mode & FILE_SEEK)) return -LX_ESPIPE;
    int64_t to = file_seek(f, off, whence);
    if (to >= 0) f->pos = (uint64_t)to;
    return to;
}

// ---------------------------------------------------------------- directories

static int dots(struct file *f, dir_sink *sink, void *ctx)
{
    const struct dentry *d = f->path.dentry;
    if (f->pos == 0) {
        if (sink(ctx, ".", 1, f->inode->ino, LX_DT_DIR, 1)) return 1;
        f->pos = 1;
    }
    if (f->pos == 1) {
        if (sink(ctx, "..", 2, d->parent->inode->ino, LX_DT_DIR, 2)) return 1;
        f->pos = 2;
    }
    return 0;
}

// Keeps f->pos at the entry after the last one taken.
struct counting_sink {
    struct file *f;
    dir_sink *sink;
    void *ctx;
};

static int count_entry(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct counting_sink *c = ctx;
    int stop = c->sink(c->ctx, name, len, ino, dt, next);
    if (!stop) c->f->pos = next;
    return stop;
}

static int read_entries(struct file *f, dir_sink *sink, void *ctx)
{
    if (dots(f, sink, ctx)) return 0;
    struct counting_sink c = {f, sink, ctx};
    return f->inode->ops->readdir(f->inode, f->pos, count_entry, &c);
}

int vfs_readdir(struct file *f, dir_sink *sink, void *ctx)
{
    if (f->mode & FILE_PATH) return -LX_EBADF;
    if (f->ops && f->ops->readdir) return f->ops->readdir(f, sink, ctx);
    if (!f->inode->ops->readdir) return -LX_ENOTDIR;
    if (f->inode->flags & INODE_DEAD) return -LX_ENOENT;
    inode_accessed(&f->path);
    int err = read_entries(f, sink, ctx);
    notify_file(f, LX_IN_ACCESS);
    return err;
}

const struct file_ops dir_fops = {.open = NULL};

// ---------------------------------------------------------------- the rest

unsigned vfs_poll(struct file *f, struct waitq **queue)
{
    *queue = NULL;
    if (f->mode & FILE_PATH) return LX_POLLNVAL;
    if (f->ops && f->ops->poll) return f->ops->poll(f, queue);
    return LX_POLLIN | LX_POLLOUT | LX_POLLRDNORM | LX_POLLWRNORM;
}

int64_t vfs_ioctl(struct file *f, struct task *t, uint32_t cmd, uint64_t arg)
{
    if (f->mode & FILE_PATH) return -LX_EBADF;
    return f->ops && f->ops->ioctl ? f->ops->ioctl(f, t, cmd, arg) : -LX_ENOTTY;
}

int vfs_fsync(struct file *f)
{
    if (f->mode & FILE_PATH) return -LX_EBADF;
    if (f->ops && f->ops->fsync) return f->ops->fsync(f);
    if (!is_reg(f->inode) && !is_dir(f->inode)) return -LX_EINVAL;
    struct fs *fs = f->inode->fs;
    return fs->ops->sync ? fs->ops->sync(fs) : 0;
}

int vfs_fallocate(struct file *f, int mode, uint64_t off, uint64_t len)
{
    struct inode *i = f->inode;
    int err = io_allowed(f, FILE_WRITE);
    if (err) return err;
    if (len == 0 || off > INT64_MAX || len > INT64_MAX) return -LX_EINVAL;
    if (off + len > INT64_MAX) return -LX_EFBIG;
    if (is_kind(i, LX_S_IFIFO)) return -LX_ESPIPE;
    if (is_dir(i)) return -LX_EISDIR;
    if (!is_reg(i)) return -LX_ENODEV;
    if (!i->ops->fallocate) return -LX_EOPNOTSUPP;
    err = i->ops->fallocate(i, mode, off, len);
    if (!err) inode_touch(i, ATTR_MTIME);
    if (!err) notify_file(f, LX_IN_MODIFY);
    return err;
}

int vfs_ftruncate(struct file *f, uint64_t size)
{
    if (f->mode & FILE_PATH) return -LX_EBADF;
    if (!(f->mode & FILE_WRITE) || !is_reg(f->inode)) return -LX_EINVAL;
    if (f->inode->flags & INODE_APPEND) return -LX_EPERM;
    int err = inode_truncate(f->inode, size);
    if (!err) inode_drop_suid(f->inode, f->cred);
    if (!err) notify_file(f, LX_IN_MODIFY);
    return err;
}

int inode_page(struct inode *i, uint32_t index, bool for_write, uint32_t *frame)
{
    return i->ops->page ? i->ops->page(i, index, for_write, frame) : -LX_ENODEV;
}

void inode_mapped_write(struct inode *i)
{
    inode_drop_suid(i, NULL);
    inode_touch(i, ATTR_MTIME);
}

int inode_read(struct inode *i, uint64_t off, void *buf, size_t n)
{
    if (off >= i->size) return 0;
    if (n > i->size - off) n = (size_t)(i->size - off);
    if (n > INT32_MAX) return -LX_EINVAL;
    struct path p = {NULL, &(struct dentry){.inode = i, .fs = i->fs}};
    struct file f = {.ops = i->fops, .inode = i, .path = p, .mode = FILE_READ | FILE_SEEK, .refs = 1};
    struct iob_mem m;
    iob_mem_init(&m, buf, n);
    if (!is_reg(i) || !f.ops || !f.ops->read) return -LX_EACCES;
    int err = f.ops->read(&f, &m.io, &off);
    return err ? err : (int)m.io.done;
}

// ---------------------------------------------------------------- attributes

int vfs_getattr(const struct path *p, struct kstat *st)
{
    struct inode *i = path_inode(p);
    *st = (struct kstat){.ino = i->ino,
                         .dev = i->fs->dev,
                         .rdev = i->rdev,
                         .mode = i->mode,
                         .nlink = i->nlink,
                         .uid = i->uid,
                         .gid = i->gid,
                         .size = i->size,
                         .blocks = i->blocks,
                         .blksize = 4096,
                         .atime = i->atime,
                         .mtime = i->mtime,
                         .ctime = i->ctime,
                         .btime = i->btime};
    if (p->mount) {
        st->mnt_id = p->mount->id;
        st->mount_root = p->dentry == p->mount->root;
    }
    return i->ops->getattr ? i->ops->getattr(i, st) : 0;
}

int vfs_file_getattr(struct file *f, struct kstat *st)
{
    return vfs_getattr(&f->path, st);
}

int vfs_readlink(const struct path *p, char *buf, size_t size)
{
    struct inode *i = path_inode(p);
    if (size == 0 || !is_lnk(i)) return -LX_EINVAL;
    inode_accessed(p);
    if (i->ops->readlink) return i->ops->readlink(i, buf, size);
    return i->ops->jump ? inode_jump_text(i, buf, size) : -LX_EINVAL;
}

int vfs_statfs(const struct path *p, struct kstatfs *s)
{
    struct fs *fs = p->dentry->fs;
    *s = (struct kstatfs){.bsize = 4096, .frsize = 4096, .namelen = VFS_NAME_MAX, .fsid = fs->dev};
    if (!fs->ops->statfs) return -LX_ENOSYS;
    int err = fs->ops->statfs(fs, s);
    uint32_t flags = p->mount ? p->mount->flags : 0;
    s->flags = 0x20 | (flags & (MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC | MOUNT_NOATIME)); // ST_VALID
    if (flags & MOUNT_RELATIME) s->flags |= 0x1000;
    return err;
}

// xattr(7): user.* only on files and directories, by their rights; trusted.* for the administrator; security.* read
// only by us. An image's ACLs are shown, not applied, and cannot be set (acl(5)).
static int xattr_allowed(const struct path *p, const struct cred *c, const char *name, bool write)
{
    struct inode *i = path_inode(p);
    bool user = strncmp(name, "user.", 5) == 0, trusted = strncmp(name, "trusted.", 8) == 0;
    bool security = strncmp(name, "security.", 9) == 0;
    if (strlen(name) > 255) return -LX_ERANGE;
    bool acl = !write && !is_lnk(i) && strncmp(name, "system.posix_acl_", 17) == 0;
    if (!user && !trusted && !security && !acl) return -LX_EOPNOTSUPP;
    if (write && mount_writable(p)) return -LX_EROFS;
    if (trusted && !cred_has_cap(c, LX_CAP_SYS_ADMIN)) return write ? -LX_EPERM : -LX_ENODATA;
    if (security && write && !cred_has_cap(c, LX_CAP_SYS_ADMIN)) return -LX_EPERM;
    if (!user) return 0;
    if (!is_reg(i) && !is_dir(i)) return write ? -LX_EPERM : -LX_ENODATA;
    return inode_permission(i, c, write ? LX_W_OK : LX_R_OK);
}

int vfs_getxattr(const struct path *p, const struct cred *c, const char *name, void *buf, size_t size)
{
    struct inode *i = path_inode(p);
    int err = xattr_allowed(p, c, name, false);
    if (err) return err;
    return i->ops->getxattr ? i->ops->getxattr(i, name, buf, size) : -LX_EOPNOTSUPP;
}

int vfs_setxattr(const struct path *p, const struct cred *c, const char *name, const void *value, size_t size,
                 int flags)
{
    struct inode *i = path_inode(p);
    int err = xattr_allowed(p, c, name, true);
    if (err) return err;
    if (size > 65536) return -LX_E2BIG;
    if (!i->ops->setxattr) return -LX_EOPNOTSUPP;
    err = i->ops->setxattr(i, name, value, size, flags);
    if (!err) inode_touch(i, 0);
    if (!err) notify_dentry(p->dentry, LX_IN_ATTRIB);
    return err;
}

// Leaves out what only the administrator sees (simple_xattr_list, ext4_xattr_trusted_list). The new length.
static int without_trusted(char *list, int n)
{
    int kept = 0;
    for (int at = 0, len; at < n; at += len) {
        len = (int)strlen(list + at) + 1;
        if (strncmp(list + at, "trusted.", 8) == 0) continue;
        memmove(list + kept, list + at, (size_t)len);
        kept += len;
    }
    return kept;
}

static int list_untrusted(struct inode *i, char *buf, size_t size)
{
    int n = i->ops->listxattr(i, NULL, 0);
    if (n <= 0) return n;
    size_t room = (size_t)n;
    char *all = kmem_new(i->fs->vfs, room);
    if (!all) return -LX_ENOMEM;
    n = i->ops->listxattr(i, all, room);
    if (n > 0) n = without_trusted(all, n);
    if (n > 0 && size && (size_t)n > size) n = -LX_ERANGE;
    if (n > 0 && size) memcpy(buf, all, (size_t)n);
    kmem_free(i->fs->vfs, all, room);
    return n;
}

int vfs_listxattr(const struct path *p, const struct cred *c, char *buf, size_t size)
{
    struct inode *i = path_inode(p);
    if (!i->ops->listxattr) return 0;
    return cred_has_cap(c, LX_CAP_SYS_ADMIN) ? i->ops->listxattr(i, buf, size) : list_untrusted(i, buf, size);
}
