// Who may do what: credentials, permission bits, and the rules for changing attributes (fs/namei.c, fs/attr.c).
#include "vfs/internal.h"

void cred_init(struct cred *c, uint32_t uid, uint32_t gid)
{
    *c = (struct cred){
        .uid = uid, .gid = gid, .euid = uid, .egid = gid, .suid = uid, .sgid = gid, .fsuid = uid, .fsgid = gid};
    uint64_t all = (2ull << LX_CAP_LAST_CAP) - 1;
    c->caps_bounding = all;
    if (uid == 0) c->caps = c->caps_permitted = all;
}

bool cred_has_cap(const struct cred *c, unsigned cap)
{
    return c->caps >> cap & 1;
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
    if (gid == c->fsgid) return true;
    for (uint32_t i = 0; i < c->ngroups && i < VFS_NGROUPS; i++)
        if (c->groups[i] == gid) return true;
    return false;
}

bool is_owner(const struct inode *i, const struct cred *c)
{
    return i->uid == c->fsuid || cred_has_cap(c, LX_CAP_FOWNER);
}

// The mode bits alone.
static bool bits_allow(const struct inode *i, const struct cred *c, unsigned mask)
{
    unsigned shift = i->uid == c->fsuid ? 6 : cred_in_group(c, i->gid) ? 3 : 0;
    return (i->mode >> shift & mask) == mask;
}

int inode_permission(struct inode *i, const struct cred *c, unsigned mask)
{
    mask &= 7;
    return i->ops->permission ? i->ops->permission(i, c, mask) : inode_mode_permission(i, c, mask);
}

int inode_mode_permission(struct inode *i, const struct cred *c, unsigned mask)
{
    if (mask & LX_W_OK && i->flags & INODE_IMMUTABLE) return -LX_EPERM;
    if (bits_allow(i, c, mask)) return 0;
    if (is_dir(i)) {
        if (!(mask & LX_W_OK) && cred_has_cap(c, LX_CAP_DAC_READ_SEARCH)) return 0;
        return cred_has_cap(c, LX_CAP_DAC_OVERRIDE) ? 0 : -LX_EACCES;
    }
    if (mask == LX_R_OK && cred_has_cap(c, LX_CAP_DAC_READ_SEARCH)) return 0;
    if (mask & LX_X_OK && !(i->mode & 0111)) return -LX_EACCES;
    return cred_has_cap(c, LX_CAP_DAC_OVERRIDE) ? 0 : -LX_EACCES;
}

int mount_writable(const struct path *p)
{
    return p->mount && (p->mount->flags | p->dentry->fs->mount_flags) & MOUNT_RDONLY ? -LX_EROFS : 0;
}

int vfs_access(const struct path *p, const struct cred *c, unsigned mask)
{
    struct inode *i = path_inode(p);
    bool special = !is_reg(i) && !is_dir(i) && !is_lnk(i);
    if (mask & LX_X_OK && is_reg(i) && p->mount && p->mount->flags & MOUNT_NOEXEC) return -LX_EACCES;
    int err = inode_permission(i, c, mask);
    return err || !(mask & LX_W_OK) || special ? err : mount_writable(p);
}

int may_create(const struct path *dir, const struct cred *c)
{
    struct inode *i = path_inode(dir);
    if (i->flags & (INODE_DEAD | INODE_FIXED)) return -LX_ENOENT;
    int err = mount_writable(dir);
    return err ? err : inode_permission(i, c, LX_W_OK | LX_X_OK);
}

static bool sticky_forbids(const struct inode *dir, const struct inode *victim, const struct cred *c)
{
    return dir->mode & LX_S_ISVTX && victim->uid != c->fsuid && dir->uid != c->fsuid && !cred_has_cap(c, LX_CAP_FOWNER);
}

int may_delete(const struct path *dir, const struct inode *victim, const struct cred *c, bool want_dir)
{
    int err = inode_permission(path_inode(dir), c, LX_W_OK | LX_X_OK);
    if (err) return err;
    if (path_inode(dir)->flags & INODE_APPEND || sticky_forbids(path_inode(dir), victim, c)) return -LX_EPERM;
    if (victim->flags & (INODE_APPEND | INODE_IMMUTABLE)) return -LX_EPERM;
    if (want_dir && !is_dir(victim)) return -LX_ENOTDIR;
    if (!want_dir && is_dir(victim)) return -LX_EISDIR;
    return 0;
}

// inode_init_owner: the set-group-ID bit of a directory hands down its group, and to directories the bit itself.
void new_inode_like(struct inode *like, const struct path *dir, const struct vfs_at *at, uint32_t mode, uint32_t rdev)
{
    const struct inode *d = path_inode(dir);
    *like = (struct inode){.mode = mode, .uid = at->cred->fsuid, .gid = at->cred->fsgid, .rdev = rdev};
    if (!(d->mode & LX_S_ISGID)) return;
    like->gid = d->gid;
    if (is_dir(like))
        like->mode |= LX_S_ISGID;
    else if ((mode & (LX_S_ISGID | LX_S_IXGRP)) == (LX_S_ISGID | LX_S_IXGRP) && !cred_in_group(at->cred, d->gid) &&
             !cred_has_cap(at->cred, LX_CAP_FSETID))
        like->mode &= ~(uint32_t)LX_S_ISGID;
}

// ---------------------------------------------------------------- changing attributes

// setattr_prepare.
static int may_setattr(const struct inode *i, const struct cred *c, struct setattr *a)
{
    bool owner = is_owner(i, c), chown = cred_has_cap(c, LX_CAP_CHOWN);
    if (a->valid & ATTR_UID && !chown && (i->uid != c->fsuid || a->uid != i->uid)) return -LX_EPERM;
    if (a->valid & ATTR_GID && !chown && (i->uid != c->fsuid || (!cred_in_group(c, a->gid) && a->gid != i->gid)))
        return -LX_EPERM;
    if (a->valid & ATTR_MODE) {
        if (!owner) return -LX_EPERM;
        uint32_t gid = a->valid & ATTR_GID ? a->gid : i->gid;
        if (!cred_in_group(c, gid) && !cred_has_cap(c, LX_CAP_FSETID)) a->mode &= ~(uint32_t)LX_S_ISGID;
    }
    if (a->valid & (ATTR_ATIME | ATTR_MTIME) && !owner) return -LX_EPERM;
    return 0;
}

// utimensat with "now": the owner, or whoever may write.
static int may_touch(struct inode *i, const struct cred *c, const struct setattr *a)
{
    if (!(a->valid & (ATTR_ATIME_NOW | ATTR_MTIME_NOW)) || a->valid & (ATTR_ATIME | ATTR_MTIME)) return 0;
    bool both = a->valid & ATTR_ATIME_NOW && a->valid & ATTR_MTIME_NOW;
    if (is_owner(i, c)) return 0;
    return both ? inode_permission(i, c, LX_W_OK) : -LX_EPERM;
}

// What chown takes away from a file that is not a directory: set-user-ID, and set-group-ID where it means execution.
static uint32_t without_suid(uint32_t mode)
{
    mode &= ~(uint32_t)LX_S_ISUID;
    return mode & LX_S_IXGRP ? mode & ~(uint32_t)LX_S_ISGID : mode;
}

int vfs_setattr(const struct path *p, const struct cred *c, const struct setattr *wanted)
{
    struct inode *i = path_inode(p);
    struct setattr a = *wanted;
    int err = mount_writable(p);
    if (!err && i->flags & (INODE_IMMUTABLE | INODE_APPEND)) err = -LX_EPERM;
    if (!err) err = may_setattr(i, c, &a);
    if (!err) err = may_touch(i, c, &a);
    if (err) return err;
    if (a.valid & ATTR_MODE && is_lnk(i)) return -LX_EOPNOTSUPP;
    if (a.valid & (ATTR_UID | ATTR_GID) && !(a.valid & ATTR_MODE) && !is_dir(i) &&
        i->mode & (LX_S_ISUID | LX_S_ISGID)) {
        a.valid |= ATTR_MODE;
        a.mode = without_suid(i->mode);
    }
    err = inode_setattr(i, &a);
    if (!err) notify_change(p->dentry, a.valid);
    return err;
}

void inode_take_attributes(struct inode *i, const struct setattr *a)
{
    if (a->valid & ATTR_MODE) i->mode = a->mode;
    if (a->valid & ATTR_UID) i->uid = a->uid;
    if (a->valid & ATTR_GID) i->gid = a->gid;
    if (a->valid & ATTR_ATIME) i->atime = a->atime;
    if (a->valid & ATTR_MTIME) i->mtime = a->mtime;
}

int inode_setattr(struct inode *i, struct setattr *a)
{
    if (!i->ops->setattr) return -LX_EPERM;
    struct vtime now = vfs_now(i->fs->vfs);
    if (a->valid & ATTR_ATIME_NOW) a->valid |= ATTR_ATIME, a->atime = now;
    if (a->valid & ATTR_MTIME_NOW) a->valid |= ATTR_MTIME, a->mtime = now;
    a->mode = (a->mode & 07777) | (i->mode & LX_S_IFMT);
    int err = i->ops->setattr(i, a);
    if (!err && a->valid) {
        i->ctime = now;
        inode_changed(i);
    }
    return err;
}

int inode_truncate(struct inode *i, uint64_t size)
{
    struct setattr a = {.valid = ATTR_SIZE | ATTR_MTIME_NOW, .size = size};
    if (size > INT64_MAX) return -LX_EINVAL;
    return inode_setattr(i, &a);
}

int vfs_truncate(const struct path *p, const struct cred *c, uint64_t size)
{
    struct inode *i = path_inode(p);
    if (is_dir(i)) return -LX_EISDIR;
    if (!is_reg(i)) return -LX_EINVAL;
    int err = inode_permission(i, c, LX_W_OK);
    if (!err) err = mount_writable(p);
    if (!err && i->flags & INODE_APPEND) err = -LX_EPERM;
    if (!err && i->deny_write) err = -LX_ETXTBSY;
    if (err) return err;
    inode_drop_suid(i, c);
    err = inode_truncate(i, size);
    if (!err) notify_dentry(p->dentry, LX_IN_MODIFY);
    return err;
}

void inode_drop_suid(struct inode *i, const struct cred *c)
{
    if (!(i->mode & (LX_S_ISUID | LX_S_ISGID)) || !is_reg(i)) return;
    if (c && cred_has_cap(c, LX_CAP_FSETID)) return;
    struct setattr a = {.valid = ATTR_MODE, .mode = without_suid(i->mode)};
    if (a.mode != i->mode) inode_setattr(i, &a);
}
