// Changing the tree: making, linking, removing and renaming names (fs/namei.c has the order of checks and errors).
#include "vfs/internal.h"
#include <string.h>

// ---------------------------------------------------------------- making

// The parent and the (negative) dentry of a name to be made.
static int start_create(struct walk *w, bool want_dir, struct path *p)
{
    int err = walk_to_last(w);
    if (err) return err;
    if (w->last != LAST_NORM) return -LX_EEXIST;
    err = walk_child(w, p);
    if (err) return err;
    if (path_inode(p))
        err = -LX_EEXIST;
    else if (w->slash && !want_dir)
        err = -LX_ENOENT;
    else
        err = may_create(&w->cur, w->at->cred);
    if (err) path_put(p);
    return err;
}

// Makes an inode of any kind at path. `made` may be NULL.
static int make(struct vfs *v, const struct vfs_at *at, const char *path, uint32_t mode, uint32_t rdev,
                const char *target, struct path *made)
{
    struct walk w;
    struct path p = {NULL, NULL};
    struct inode like, *inode;
    int err = walk_start(&w, v, at, path, 0);
    if (!err) err = start_create(&w, (mode & LX_S_IFMT) == LX_S_IFDIR, &p);
    if (!err) {
        struct inode *dir = path_inode(&w.cur);
        new_inode_like(&like, &w.cur, at, mode, rdev);
        err = dir->ops->create ? dir->ops->create(dir, w.name, w.len, &like, target, &inode) : -LX_EPERM;
        if (!err) dentry_attach(p.dentry, inode);
        if (!err) notify_name(dir, LX_IN_CREATE | (is_dir(inode) ? LX_IN_ISDIR : 0), w.name);
        if (!err && made) {
            *made = p;
            path_get(made);
        }
    }
    path_put(&p);
    walk_end(&w);
    return err;
}

int vfs_mkdir(struct vfs *v, const struct vfs_at *at, const char *path, uint32_t mode)
{
    return make(v, at, path, LX_S_IFDIR | (mode & 01777 & ~at->umask), 0, NULL, NULL);
}

int vfs_mknod(struct vfs *v, const struct vfs_at *at, const char *path, uint32_t mode, uint32_t rdev, struct path *made)
{
    uint32_t kind = mode & LX_S_IFMT;
    if (kind == 0) kind = LX_S_IFREG;
    if (kind == LX_S_IFDIR) return -LX_EPERM;
    bool device = kind == LX_S_IFCHR || kind == LX_S_IFBLK;
    if (!device && kind != LX_S_IFREG && kind != LX_S_IFIFO && kind != LX_S_IFSOCK) return -LX_EINVAL;
    if (device && !cred_has_cap(at->cred, LX_CAP_MKNOD)) return -LX_EPERM;
    return make(v, at, path, kind | (mode & 07777 & ~at->umask), device ? rdev : 0, NULL, made);
}

int vfs_symlink(struct vfs *v, const struct vfs_at *at, const char *target, const char *path)
{
    size_t n = strnlen(target, VFS_PATH_MAX);
    if (n == 0) return -LX_ENOENT;
    if (n >= VFS_PATH_MAX) return -LX_ENAMETOOLONG;
    return make(v, at, path, LX_S_IFLNK | 0777, 0, target, NULL);
}

static int link_at(struct walk *w, const struct path *old)
{
    struct path p;
    struct inode *i = path_inode(old), *dir;
    int err = start_create(w, false, &p);
    if (err) return err;
    dir = path_inode(&w->cur);
    if (dir->fs != i->fs || (w->cur.mount && old->mount != w->cur.mount))
        err = -LX_EXDEV;
    else if (i->flags & (INODE_APPEND | INODE_IMMUTABLE) || is_dir(i) || !dir->ops->link)
        err = -LX_EPERM;
    else if (i->nlink == 0 && !(i->flags & INODE_LINKABLE))
        err = -LX_ENOENT;
    else
        err = dir->ops->link(dir, w->name, w->len, i);
    if (!err) {
        dentry_attach(p.dentry, inode_get(i));
        i->flags &= ~(uint32_t)INODE_LINKABLE;
        notify_inode(i, LX_IN_ATTRIB); // its link count
        notify_name(dir, LX_IN_CREATE, w->name);
    }
    path_put(&p);
    return err;
}

int vfs_link(struct vfs *v, const struct vfs_at *from, const char *old, unsigned lookup_flags, const struct vfs_at *to,
             const char *path)
{
    struct walk w;
    struct path p;
    int err = vfs_lookup(v, from, old, lookup_flags & (LOOKUP_FOLLOW | LOOKUP_EMPTY), &p);
    if (err) return err;
    err = walk_start(&w, v, to, path, 0);
    if (!err) err = link_at(&w, &p);
    walk_end(&w);
    path_put(&p);
    return err;
}

// ---------------------------------------------------------------- removing

static int remove_name(struct walk *w, struct path *p, bool dir)
{
    struct inode *parent = path_inode(&w->cur), *victim = path_inode(p);
    if (!victim) return -LX_ENOENT;
    if (w->slash && !dir) return is_dir(victim) ? -LX_EISDIR : -LX_ENOTDIR;
    int err = mount_writable(&w->cur);
    if (!err) err = may_delete(&w->cur, victim, w->at->cred, dir);
    if (err) return err;
    if (p->mount != w->cur.mount || p->dentry->mounts) return -LX_EBUSY;
    if (!parent->ops->unlink) return -LX_EPERM;
    err = parent->ops->unlink(parent, w->name, w->len, victim);
    if (!err) dentry_deleted(p->dentry);
    if (!err && !dir) notify_inode(victim, LX_IN_ATTRIB); // its link count
    return err;
}

static int start_remove(struct walk *w, bool dir, struct path *p)
{
    static const int rmdir_error[] = {0, LX_EINVAL, LX_ENOTEMPTY, LX_EBUSY}; // by enum last_kind
    int err = walk_to_last(w);
    if (err) return err;
    if (w->last != LAST_NORM) return dir ? -rmdir_error[w->last] : -LX_EISDIR;
    return walk_child(w, p);
}

static int remove_path(struct vfs *v, const struct vfs_at *at, const char *path, bool dir)
{
    struct walk w;
    struct path p = {NULL, NULL};
    int err = walk_start(&w, v, at, path, 0);
    if (!err) err = start_remove(&w, dir, &p);
    if (!err) err = remove_name(&w, &p, dir);
    path_put(&p); // IN_DELETE_SELF comes before the directory's event, as d_delete_notify has it
    if (!err) notify_name(path_inode(&w.cur), LX_IN_DELETE | (dir ? LX_IN_ISDIR : 0), w.name);
    walk_end(&w);
    return err;
}

int vfs_unlink(struct vfs *v, const struct vfs_at *at, const char *path)
{
    return remove_path(v, at, path, false);
}

int vfs_rmdir(struct vfs *v, const struct vfs_at *at, const char *path)
{
    return remove_path(v, at, path, true);
}

// ---------------------------------------------------------------- renaming

struct renaming {
    struct walk a, b;     // from, to: their cur is the directory
    struct path from, to; // what is there; to may be negative
    unsigned flags;
};

static int find_both(struct renaming *r)
{
    int err = walk_to_last(&r->a);
    if (!err) err = walk_to_last(&r->b);
    if (err) return err;
    if (r->a.cur.mount != r->b.cur.mount) return -LX_EXDEV;
    if (r->a.last != LAST_NORM) return -LX_EBUSY;
    if (r->b.last != LAST_NORM) return r->flags & LX_RENAME_NOREPLACE ? -LX_EEXIST : -LX_EBUSY;
    err = mount_writable(&r->a.cur);
    if (!err) err = walk_child(&r->a, &r->from);
    if (!err) err = walk_child(&r->b, &r->to);
    return err;
}

// The name must not be moved into its own tree, nor replace a directory above it.
static int check_shape(const struct renaming *r)
{
    struct inode *from = path_inode(&r->from), *to = path_inode(&r->to);
    if (!from) return -LX_ENOENT;
    if (r->flags & LX_RENAME_NOREPLACE && to) return -LX_EEXIST;
    if (r->flags & LX_RENAME_EXCHANGE) {
        if (!to) return -LX_ENOENT;
        if (!is_dir(to) && r->b.slash) return -LX_ENOTDIR;
    }
    if (!is_dir(from)) {
        if (r->a.slash) return -LX_ENOTDIR;
        if (!(r->flags & LX_RENAME_EXCHANGE) && r->b.slash) return -LX_ENOTDIR;
    }
    if (is_dir(from) && dentry_below(r->b.cur.dentry, from)) return -LX_EINVAL;
    if (to && is_dir(to) && dentry_below(r->a.cur.dentry, to))
        return r->flags & LX_RENAME_EXCHANGE ? -LX_EINVAL : -LX_ENOTEMPTY;
    return 0;
}

static int check_rights(const struct renaming *r)
{
    struct inode *from = path_inode(&r->from), *to = path_inode(&r->to);
    const struct cred *c = r->a.at->cred;
    bool swap = r->flags & LX_RENAME_EXCHANGE;
    int err = may_delete(&r->a.cur, from, c, is_dir(from));
    if (err) return err;
    if (!to)
        err = may_create(&r->b.cur, c);
    else
        err = may_delete(&r->b.cur, to, c, swap ? is_dir(to) : is_dir(from));
    if (err) return err;
    bool moves = path_inode(&r->a.cur) != path_inode(&r->b.cur);
    if (moves && is_dir(from)) err = inode_permission(from, c, LX_W_OK); // its ".." changes
    if (!err && moves && swap && is_dir(to)) err = inode_permission(to, c, LX_W_OK);
    return err;
}

static bool is_mounted(const struct renaming *r, const struct path *p)
{
    return p->dentry->mounts || p->mount != r->a.cur.mount;
}

static int do_rename(struct renaming *r)
{
    struct inode *from = path_inode(&r->from), *to = path_inode(&r->to);
    struct inode *a = path_inode(&r->a.cur), *b = path_inode(&r->b.cur);
    if (is_mounted(r, &r->from) || is_mounted(r, &r->to)) return -LX_EBUSY;
    if (!a->ops->rename) return -LX_EPERM;
    int err = a->ops->rename(a, r->a.name, r->a.len, b, r->b.name, r->b.len, r->flags);
    if (err) return err;
    struct move_event moved = {a, b, from, to, r->a.name, r->b.name}, back = {b, a, to, NULL, r->b.name, r->a.name};
    if (r->flags & LX_RENAME_EXCHANGE) {
        dentry_swap(r->from.dentry, r->to.dentry);
        moved.replaced = NULL;
        notify_move(&moved);
        notify_move(&back);
        return 0;
    }
    dentry_deleted(r->to.dentry);
    if (dentry_move(r->from.dentry, r->b.cur.dentry, r->b.name, r->b.len)) dentry_deleted(r->from.dentry);
    notify_move(&moved);
    return 0;
}

static int rename_found(struct renaming *r)
{
    int err = check_rights(r);
    return err ? err : do_rename(r);
}

int vfs_rename(struct vfs *v, const struct vfs_at *from, const char *old, const struct vfs_at *to, const char *path,
               unsigned flags)
{
    struct renaming r = {.flags = flags};
    if (flags & ~(unsigned)(LX_RENAME_NOREPLACE | LX_RENAME_EXCHANGE)) return -LX_EINVAL;
    if (flags == (LX_RENAME_NOREPLACE | LX_RENAME_EXCHANGE)) return -LX_EINVAL;
    int err = walk_start(&r.a, v, from, old, 0);
    if (!err) err = walk_start(&r.b, v, to, path, 0);
    if (!err) err = find_both(&r);
    if (!err) err = check_shape(&r);
    // Two names of one file, or one: nothing happens, and nobody asks for rights (vfs_rename() in Linux).
    if (!err && path_inode(&r.from) != path_inode(&r.to)) err = rename_found(&r);
    path_put(&r.from);
    path_put(&r.to);
    walk_end(&r.a);
    walk_end(&r.b);
    return err;
}
