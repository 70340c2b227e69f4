// Opening files (fs/open.c, do_open and do_last of fs/namei.c), and the references of struct file.
#include "vfs/internal.h"
#include <stdio.h>
#include <string.h>

// ---------------------------------------------------------------- struct file

static struct cred *cred_copy(struct vfs *v, const struct cred *c)
{
    struct cred *copy = c ? kmem_new(v, sizeof *copy) : NULL;
    if (copy) *copy = *c;
    return copy;
}

int file_new(const struct path *p, const struct cred *c, unsigned flags, unsigned mode, struct file **out)
{
    struct vfs *v = p->dentry->fs->vfs;
    struct file *f = kmem_new(v, sizeof *f);
    if (!f) return -LX_ENFILE;
    path_get(p);
    *f = (struct file){.inode = inode_get(path_inode(p)), .path = *p, .flags = flags, .mode = mode, .refs = 1};
    f->ops = f->inode->fops;
    f->cred = cred_copy(v, c);
    if (mode & FILE_WRITE) f->inode->writers++;
    *out = f;
    return 0;
}

struct file *file_get(struct file *f)
{
    f->refs++;
    return f;
}

void file_put(struct file *f)
{
    if (!f || --f->refs > 0) return;
    struct vfs *v = f->inode->fs->vfs;
    f->refs = 1; // the ops below may take and give references
    notify_file(f, f->mode & FILE_WRITE ? LX_IN_CLOSE_WRITE : LX_IN_CLOSE_NOWRITE);
    if (v->host.file_release) v->host.file_release(v->host.ctx, f);
    if (f->ops && f->ops->release && !(f->mode & FILE_PATH) && (f->private || !(f->mode & FILE_UNOPENED)))
        f->ops->release(f); // an open that failed or never ended leaves private NULL, but for a waiting FIFO
    if (f->mode & FILE_WRITE) f->inode->writers--;
    if (f->mode & FILE_EXEC) inode_allow_write(f->inode);
    inode_put(f->inode);
    path_put(&f->path);
    kmem_free(v, f->cred, sizeof *f->cred);
    kmem_free(v, f, sizeof *f);
}

// ---------------------------------------------------------------- rights

// What the access mode and flags need: LX_R_OK, LX_W_OK. Mode 3 (ioctl only) needs both and gives neither.
static unsigned needed(unsigned flags)
{
    static const uint8_t by_mode[4] = {LX_R_OK, LX_W_OK, LX_R_OK | LX_W_OK, LX_R_OK | LX_W_OK};
    unsigned mask = by_mode[flags & LX_O_ACCMODE];
    return flags & LX_O_TRUNC ? mask | LX_W_OK : mask;
}

static unsigned file_mode(unsigned flags)
{
    static const uint8_t by_mode[4] = {FILE_READ, FILE_WRITE, FILE_READ | FILE_WRITE, 0};
    return by_mode[flags & LX_O_ACCMODE];
}

static int may_open_kind(const struct path *p, unsigned flags, unsigned mask)
{
    switch (path_inode(p)->mode & LX_S_IFMT) {
    case LX_S_IFLNK:
        return -LX_ELOOP;
    case LX_S_IFDIR:
        return mask & LX_W_OK ? -LX_EISDIR : 0;
    case LX_S_IFSOCK:
        return -LX_ENXIO;
    case LX_S_IFCHR:
    case LX_S_IFBLK:
        return p->mount && p->mount->flags & MOUNT_NODEV ? -LX_EACCES : 0;
    case LX_S_IFREG:
        return mask & LX_W_OK || flags & LX_O_TRUNC ? mount_writable(p) : 0;
    }
    return 0;
}

static int may_open(const struct path *p, const struct cred *c, unsigned flags)
{
    struct inode *i = path_inode(p);
    unsigned mask = needed(flags);
    int err = may_open_kind(p, flags, mask);
    if (!err) err = inode_permission(i, c, mask);
    if (err) return err;
    if (i->flags & INODE_APPEND && mask & LX_W_OK && (!(flags & LX_O_APPEND) || flags & LX_O_TRUNC)) return -LX_EPERM;
    if (flags & LX_O_NOATIME && !is_owner(i, c)) return -LX_EPERM;
    return mask & LX_W_OK && i->deny_write && is_reg(i) ? -LX_ETXTBSY : 0;
}

// ---------------------------------------------------------------- making the file

enum { STATUS_DROP = LX_O_CREAT | LX_O_EXCL | LX_O_NOCTTY | LX_O_TRUNC | LX_O_CLOEXEC };

int vfs_open_again(struct file *f)
{
    if (!(f->mode & FILE_UNOPENED)) return 0;
    // Through /proc/PID/fd: eventfds, sockets and the like cannot be opened again (fs/inode.c, no_open).
    bool anonymous = f->inode->fs == f->inode->fs->vfs->anonfs;
    int err = f->ops && f->ops->open ? f->ops->open(f) : anonymous ? -LX_ENXIO : 0;
    if (err) return err;
    f->mode &= ~(unsigned)FILE_UNOPENED;
    notify_file(f, LX_IN_OPEN);
    return 0;
}

static int open_file(const struct path *p, const struct cred *c, unsigned flags, struct file **out)
{
    struct inode *i = path_inode(p);
    unsigned mode = file_mode(flags) | FILE_UNOPENED;
    if (is_reg(i) || is_dir(i)) mode |= FILE_SEEK;
    struct file *f;
    int err = file_new(p, c, (flags & ~(unsigned)STATUS_DROP) | LX_O_LARGEFILE, mode, &f);
    if (err) return err;
    err = vfs_open_again(f);
    if (!err && flags & LX_O_TRUNC && is_reg(i)) {
        inode_drop_suid(i, c);
        err = inode_truncate(i, 0);
        if (!err) notify_file(f, LX_IN_MODIFY);
    }
    if (err && err != -LX_EPARK) {
        file_put(f);
        return err;
    }
    *out = f;
    return err;
}

static int open_opath(const struct path *p, const struct cred *c, unsigned flags, struct file **out)
{
    return file_new(p, c, flags & (LX_O_PATH | LX_O_DIRECTORY | LX_O_NOFOLLOW), FILE_PATH, out);
}

int vfs_open_path(struct vfs *v, const struct path *p, const struct cred *c, unsigned flags, struct file **out)
{
    (void)v;
    *out = NULL;
    if (!path_inode(p)) return -LX_ENOENT;
    if (flags & LX_O_DIRECTORY && !is_dir(path_inode(p))) return -LX_ENOTDIR;
    if (flags & LX_O_PATH) return open_opath(p, c, flags, out);
    int err = may_open(p, c, flags);
    return err ? err : open_file(p, c, flags, out);
}

// ---------------------------------------------------------------- finding it

static int create_file(struct walk *w, struct path *p, uint32_t mode)
{
    struct inode like, *made;
    int err = may_create(&w->cur, w->at->cred);
    if (err) return err;
    struct inode *dir = path_inode(&w->cur);
    if (!dir->ops->create) return -LX_EPERM;
    new_inode_like(&like, &w->cur, w->at, LX_S_IFREG | (mode & 07777 & ~w->at->umask), 0);
    err = dir->ops->create(dir, w->name, w->len, &like, NULL, &made);
    if (err) return err;
    dentry_attach(p->dentry, made);
    notify_name(dir, LX_IN_CREATE, w->name);
    return 0;
}

static int existing(struct walk *w, struct path *p, unsigned flags, bool *follow)
{
    struct inode *i = path_inode(p);
    if (flags & LX_O_EXCL) return -LX_EEXIST;
    if (is_lnk(i)) {
        *follow = !(flags & LX_O_NOFOLLOW);
        return *follow ? walk_follow(w, p) : -LX_ELOOP;
    }
    return is_dir(i) ? -LX_EISDIR : 0;
}

// open(O_CREAT): the last component is found or made. 1: made (no more checks).
static int find_or_create(struct walk *w, unsigned flags, uint32_t mode, struct path *p)
{
    for (unsigned lost = 0;;) {
        bool follow = false;
        if (w->jumped) {
            *p = w->cur;
            path_get(p);
            return flags & LX_O_EXCL ? -LX_EEXIST : is_dir(path_inode(p)) ? -LX_EISDIR : 0;
        }
        if (w->last != LAST_NORM || w->slash) return -LX_EISDIR;
        int err = walk_child(w, p);
        if (err) return err;
        if (!path_inode(p)) {
            err = create_file(w, p, mode);
            if (!err) return 1;
            // In a directory of the host's somebody else may have been faster.
            if (err != -LX_EEXIST || flags & LX_O_EXCL || ++lost > VFS_LINKS_MAX) return err;
            path_put(p);
            continue;
        }
        err = existing(w, p, flags, &follow);
        if (err || !follow) return err;
        path_put(p);
        err = walk_to_last(w);
        if (err) return err;
    }
}

static int open_create(struct walk *w, unsigned flags, uint32_t mode, struct file **out)
{
    struct path p = {NULL, NULL};
    if (flags & LX_O_DIRECTORY) return -LX_EINVAL;
    int err = find_or_create(w, flags, mode, &p);
    if (err == 1)
        err = open_file(&p, w->at->cred, flags & ~(unsigned)LX_O_TRUNC, out);
    else if (!err)
        err = vfs_open_path(w->vfs, &p, w->at->cred, flags, out);
    path_put(&p);
    return err;
}

// O_TMPFILE: a file in the directory without a name there.
static int open_tmpfile(struct walk *w, unsigned flags, uint32_t mode, struct file **out)
{
    struct inode like, *made;
    if (!(needed(flags) & LX_W_OK)) return -LX_EINVAL;
    int err = walk_finish(w, true);
    if (err) return err;
    struct inode *dir = path_inode(&w->cur);
    if (!is_dir(dir)) return -LX_ENOTDIR;
    err = may_create(&w->cur, w->at->cred);
    if (err) return err;
    if (!dir->ops->create) return -LX_EOPNOTSUPP;
    new_inode_like(&like, &w->cur, w->at, LX_S_IFREG | (mode & 07777 & ~w->at->umask), 0);
    err = dir->ops->create(dir, NULL, 0, &like, NULL, &made);
    if (err) return err;
    char name[32];
    int n = snprintf(name, sizeof name, "#%llu", (unsigned long long)made->ino);
    struct dentry *d = dentry_new(dir->fs, w->cur.dentry, name, (size_t)n, made);
    if (!d) return -LX_ENOMEM;
    d->deleted = true;
    if (!(flags & LX_O_EXCL)) made->flags |= INODE_LINKABLE;
    struct path p = {w->cur.mount, d};
    err = open_file(&p, w->at->cred, flags & ~(unsigned)(LX_O_TMPFILE & ~LX_O_DIRECTORY), out);
    dentry_put(d);
    return err;
}

static int open_plain(struct walk *w, unsigned flags, struct file **out)
{
    int err = walk_finish(w, !(flags & LX_O_NOFOLLOW));
    return err ? err : vfs_open_path(w->vfs, &w->cur, w->at->cred, flags, out);
}

int vfs_open(struct vfs *v, const struct vfs_at *at, const char *path, unsigned flags, uint32_t mode,
             unsigned lookup_flags, struct file **out)
{
    struct walk w;
    *out = NULL;
    if (flags & LX_O_PATH) flags &= LX_O_PATH | LX_O_DIRECTORY | LX_O_NOFOLLOW | LX_O_CLOEXEC;
    if (flags & LX_O_DIRECTORY) lookup_flags |= LOOKUP_DIRECTORY;
    int err = walk_start(&w, v, at, path, lookup_flags);
    if (!err) err = walk_to_last(&w);
    if (!err) {
        if ((flags & LX_O_TMPFILE) == LX_O_TMPFILE)
            err = open_tmpfile(&w, flags, mode, out);
        else if (flags & LX_O_CREAT)
            err = open_create(&w, flags, mode, out);
        else
            err = open_plain(&w, flags, out);
    }
    walk_end(&w);
    return err;
}

int vfs_open_exec(struct vfs *v, const struct vfs_at *at, const char *path, unsigned lookup_flags, struct file **out)
{
    struct path p;
    *out = NULL;
    int err = vfs_lookup(v, at, path, lookup_flags, &p);
    if (err) return err;
    struct inode *i = path_inode(&p);
    if (is_lnk(i))
        err = -LX_ELOOP;
    else if (!is_reg(i) || (p.mount && p.mount->flags & MOUNT_NOEXEC))
        err = -LX_EACCES;
    else
        err = inode_permission(i, at->cred, LX_X_OK);
    if (!err) err = inode_deny_write(i);
    if (!err) {
        err = file_new(&p, at->cred, LX_O_RDONLY | LX_O_LARGEFILE, FILE_READ | FILE_SEEK | FILE_EXEC, out);
        if (err) inode_allow_write(i);
        if (!err) notify_file(*out, LX_IN_OPEN);
    }
    path_put(&p);
    return err;
}
