// Looking at and changing attributes: stat and relatives, access, statfs, readlink, chmod, chown, utimensat and their
// older forms.
//
// Most come in three shapes: by path, by path relative to a descriptor with flags, by descriptor. All end in one
// function on a struct path.
#include "syscalls/fs.h"
#include <string.h>

// What an *at call with flags names. AT_EMPTY_PATH with "" is the descriptor's own file.
static int flagged_lookup(struct task *t, int dirfd, gaddr upath, uint32_t flags, struct path *out)
{
    unsigned lookup = flags & LX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
    if (flags & LX_AT_EMPTY_PATH) lookup |= LOOKUP_EMPTY;
    return at_lookup(t, dirfd, upath, lookup, out);
}

// ---------------------------------------------------------------- stat

static struct lx_timespec stat_time(struct vtime v)
{
    return (struct lx_timespec){v.sec, v.nsec};
}

static int put_stat(struct task *t, gaddr to, const struct kstat *st)
{
    struct lx_stat s = {
        .st_dev = st->dev,
        .st_ino = st->ino,
        .st_nlink = st->nlink,
        .st_mode = st->mode,
        .st_uid = st->uid,
        .st_gid = st->gid,
        .st_rdev = st->rdev,
        .st_size = (int64_t)st->size,
        .st_blksize = st->blksize,
        .st_blocks = (int64_t)st->blocks,
        .st_atim = stat_time(st->atime),
        .st_mtim = stat_time(st->mtime),
        .st_ctim = stat_time(st->ctime),
    };
    return copy_to_user(t, to, &s, sizeof s);
}

static int64_t stat_path(struct task *t, int dirfd, gaddr upath, uint32_t flags, gaddr to)
{
    struct path p;
    struct kstat st;
    int err = flagged_lookup(t, dirfd, upath, flags, &p);
    if (err) return err;
    err = vfs_getattr(&p, &st);
    path_put(&p);
    return err ? err : put_stat(t, to, &st);
}

int64_t sys_stat(struct task *t, const uint64_t a[6])
{
    return stat_path(t, LX_AT_FDCWD, a[0], 0, a[1]);
}
int64_t sys_lstat(struct task *t, const uint64_t a[6])
{
    return stat_path(t, LX_AT_FDCWD, a[0], LX_AT_SYMLINK_NOFOLLOW, a[1]);
}

int64_t sys_fstat(struct task *t, const uint64_t a[6])
{
    struct kstat st;
    struct file *f = fd_get(t->proc, (int)a[0]);
    int err = f ? vfs_file_getattr(f, &st) : -LX_EBADF;
    return err ? err : put_stat(t, a[1], &st);
}

enum { STAT_FLAGS = LX_AT_SYMLINK_NOFOLLOW | LX_AT_NO_AUTOMOUNT | LX_AT_EMPTY_PATH };

int64_t sys_newfstatat(struct task *t, const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[3];
    return flags & ~(uint32_t)STAT_FLAGS ? -LX_EINVAL : stat_path(t, (int)a[0], a[1], flags, a[2]);
}

// ---------------------------------------------------------------- statx

enum {
    STATX_SYNC = 0x6000,
    STATX_MNT_ID = 0x1000,
    STATX_RESERVED = 0x80000000u,
    STATX_ATTR_IMMUTABLE = 0x10,
    STATX_ATTR_APPEND = 0x20,
    STATX_ATTR_MOUNT_ROOT = 0x2000,
};

static struct lx_statx_timestamp statx_time(struct vtime v)
{
    return (struct lx_statx_timestamp){.tv_sec = v.sec, .tv_nsec = v.nsec};
}

static void fill_statx(struct lx_statx *s, const struct kstat *st, const struct inode *i)
{
    *s = (struct lx_statx){
        .stx_mask = LX_STATX_BASIC_STATS | (st->mnt_id ? STATX_MNT_ID : 0),
        .stx_blksize = st->blksize,
        .stx_nlink = st->nlink,
        .stx_uid = st->uid,
        .stx_gid = st->gid,
        .stx_mode = (uint16_t)st->mode,
        .stx_ino = st->ino,
        .stx_size = st->size,
        .stx_blocks = st->blocks,
        .stx_atime = statx_time(st->atime),
        .stx_ctime = statx_time(st->ctime),
        .stx_mtime = statx_time(st->mtime),
        .stx_rdev_major = vfs_major(st->rdev),
        .stx_rdev_minor = vfs_minor(st->rdev),
        .stx_dev_major = vfs_major(st->dev),
        .stx_dev_minor = vfs_minor(st->dev),
        .stx_mnt_id = st->mnt_id,
        .stx_attributes_mask = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_MOUNT_ROOT,
    };
    if (i->flags & INODE_IMMUTABLE) s->stx_attributes |= STATX_ATTR_IMMUTABLE;
    if (i->flags & INODE_APPEND) s->stx_attributes |= STATX_ATTR_APPEND;
    if (st->mount_root) s->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
    if (st->btime.sec || st->btime.nsec) {
        s->stx_mask |= LX_STATX_BTIME;
        s->stx_btime = statx_time(st->btime);
    }
}

int64_t sys_statx(struct task *t, const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[2];
    struct path p;
    struct kstat st;
    struct lx_statx s;
    if ((uint32_t)a[3] & STATX_RESERVED || (flags & STATX_SYNC) == STATX_SYNC ||
        flags & ~(uint32_t)(STAT_FLAGS | STATX_SYNC))
        return -LX_EINVAL;
    int err = flagged_lookup(t, (int)a[0], a[1], flags, &p);
    if (err) return err;
    if (!(err = vfs_getattr(&p, &st))) fill_statx(&s, &st, path_inode(&p));
    path_put(&p);
    return err ? err : copy_to_user(t, a[4], &s, sizeof s);
}

// ---------------------------------------------------------------- access

// access(2) asks for the real ids, and for root's powers by the real uid.
static void real_cred(struct cred *c)
{
    c->fsuid = c->uid;
    c->fsgid = c->gid;
    c->caps = c->uid == 0 ? c->caps_permitted : 0;
}

static int64_t access_path(struct task *t, int dirfd, gaddr upath, uint32_t mode, uint32_t flags)
{
    if (mode & ~7u || flags & ~(uint32_t)(LX_AT_EACCESS | LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH)) return -LX_EINVAL;
    struct cred c = t->proc->cred;
    if (!(flags & LX_AT_EACCESS)) real_cred(&c);
    struct vfs_at at;
    char path[LX_PATH_MAX];
    struct path p;
    unsigned lookup =
        (flags & LX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & LX_AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    int err = at_path(t, dirfd, upath, lookup, &at, path);
    if (err) return err;
    at.cred = &c;
    err = vfs_lookup(t->box->vfs, &at, path, lookup, &p);
    if (err) return err;
    err = mode ? vfs_access(&p, &c, mode) : 0;
    path_put(&p);
    return err;
}

int64_t sys_access(struct task *t, const uint64_t a[6])
{
    return access_path(t, LX_AT_FDCWD, a[0], (uint32_t)a[1], 0);
}
int64_t sys_faccessat(struct task *t, const uint64_t a[6])
{
    return access_path(t, (int)a[0], a[1], (uint32_t)a[2], 0);
}
int64_t sys_faccessat2(struct task *t, const uint64_t a[6])
{
    return access_path(t, (int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

// ---------------------------------------------------------------- statfs

static int64_t put_statfs(struct task *t, gaddr to, const struct path *p)
{
    struct kstatfs k;
    int err = vfs_statfs(p, &k);
    if (err) return err;
    struct lx_statfs s = {
        .f_type = (int64_t)k.type,
        .f_bsize = (int64_t)k.bsize,
        .f_blocks = k.blocks,
        .f_bfree = k.bfree,
        .f_bavail = k.bavail,
        .f_files = k.files,
        .f_ffree = k.ffree,
        .f_fsid = {(int32_t)k.fsid, (int32_t)(k.fsid >> 32)},
        .f_namelen = (int64_t)k.namelen,
        .f_frsize = (int64_t)k.frsize,
        .f_flags = (int64_t)k.flags,
    };
    return copy_to_user(t, to, &s, sizeof s);
}

int64_t sys_statfs(struct task *t, const uint64_t a[6])
{
    struct path p;
    int64_t err = at_lookup(t, LX_AT_FDCWD, a[0], LOOKUP_FOLLOW, &p);
    if (err) return err;
    err = put_statfs(t, a[1], &p);
    path_put(&p);
    return err;
}

int64_t sys_fstatfs(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_get(t->proc, (int)a[0]);
    return f ? put_statfs(t, a[1], &f->path) : -LX_EBADF;
}

// ---------------------------------------------------------------- readlink

static int64_t readlink_path(struct task *t, int dirfd, gaddr upath, gaddr to, int64_t size)
{
    struct path p;
    char text[LX_PATH_MAX];
    if ((int32_t)size <= 0) return -LX_EINVAL;
    int err = at_lookup(t, dirfd, upath, LOOKUP_EMPTY, &p);
    if (err) return err;
    bool link = (path_inode(&p)->mode & LX_S_IFMT) == LX_S_IFLNK;
    int n = vfs_readlink(&p, text, (uint64_t)size < sizeof text ? (size_t)size : sizeof text);
    path_put(&p);
    if (!link) { // "" on something else is ENOENT (fs/stat.c, do_readlinkat)
        char first;
        err = copy_from_user(t, &first, upath, 1);
        return err ? err : first ? -LX_EINVAL : -LX_ENOENT;
    }
    if (n < 0) return n;
    err = copy_to_user(t, to, text, (size_t)n);
    return err ? err : n;
}

int64_t sys_readlink(struct task *t, const uint64_t a[6])
{
    return readlink_path(t, LX_AT_FDCWD, a[0], a[1], (int32_t)a[2]);
}
int64_t sys_readlinkat(struct task *t, const uint64_t a[6])
{
    return readlink_path(t, (int)a[0], a[1], a[2], (int32_t)a[3]);
}

// ---------------------------------------------------------------- chmod, chown

static int64_t setattr_at(struct task *t, int dirfd, gaddr upath, uint32_t flags, const struct setattr *s)
{
    struct path p;
    int err = flagged_lookup(t, dirfd, upath, flags, &p);
    if (err) return err;
    err = vfs_setattr(&p, &t->proc->cred, s);
    path_put(&p);
    return err;
}

static struct setattr mode_attr(uint64_t mode)
{
    return (struct setattr){.valid = ATTR_MODE, .mode = (uint32_t)mode & 07777};
}

static struct setattr owner_attr(uint64_t uid, uint64_t gid)
{
    struct setattr s = {.uid = (uint32_t)uid, .gid = (uint32_t)gid};
    if (s.uid != UINT32_MAX) s.valid |= ATTR_UID;
    if (s.gid != UINT32_MAX) s.valid |= ATTR_GID;
    return s;
}

int64_t sys_chmod(struct task *t, const uint64_t a[6])
{
    struct setattr s = mode_attr(a[1]);
    return setattr_at(t, LX_AT_FDCWD, a[0], 0, &s);
}

int64_t sys_fchmodat(struct task *t, const uint64_t a[6])
{
    struct setattr s = mode_attr(a[2]);
    return setattr_at(t, (int)a[0], a[1], 0, &s);
}

int64_t sys_fchmodat2(struct task *t, const uint64_t a[6])
{
    struct setattr s = mode_attr(a[2]);
    if ((uint32_t)a[3] & ~(uint32_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH)) return -LX_EINVAL;
    return setattr_at(t, (int)a[0], a[1], (uint32_t)a[3], &s);
}

int64_t sys_fchmod(struct task *t, const uint64_t a[6])
{
    struct setattr s = mode_attr(a[1]);
    struct file *f = fd_io(t, (int)a[0]);
    return f ? vfs_setattr(&f->path, &t->proc->cred, &s) : -LX_EBADF;
}

int64_t sys_chown(struct task *t, const uint64_t a[6])
{
    struct setattr s = owner_attr(a[1], a[2]);
    return setattr_at(t, LX_AT_FDCWD, a[0], 0, &s);
}

int64_t sys_lchown(struct task *t, const uint64_t a[6])
{
    struct setattr s = owner_attr(a[1], a[2]);
    return setattr_at(t, LX_AT_FDCWD, a[0], LX_AT_SYMLINK_NOFOLLOW, &s);
}

int64_t sys_fchownat(struct task *t, const uint64_t a[6])
{
    struct setattr s = owner_attr(a[2], a[3]);
    if ((uint32_t)a[4] & ~(uint32_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH)) return -LX_EINVAL;
    return setattr_at(t, (int)a[0], a[1], (uint32_t)a[4], &s);
}

int64_t sys_fchown(struct task *t, const uint64_t a[6])
{
    struct setattr s = owner_attr(a[1], a[2]);
    struct file *f = fd_io(t, (int)a[0]);
    return f ? vfs_setattr(&f->path, &t->proc->cred, &s) : -LX_EBADF;
}

// ---------------------------------------------------------------- times

// From two times of utimensat; nothing in `valid`: both are UTIME_OMIT.
static int time_attr(const struct lx_timespec ts[2], struct setattr *s)
{
    static const unsigned set[2] = {ATTR_ATIME, ATTR_MTIME}, now[2] = {ATTR_ATIME_NOW, ATTR_MTIME_NOW};
    for (int i = 0; i < 2; i++) {
        if (ts[i].tv_nsec == LX_UTIME_OMIT) continue;
        if (ts[i].tv_nsec == LX_UTIME_NOW) {
            s->valid |= now[i];
            continue;
        }
        if (ts[i].tv_nsec < 0 || ts[i].tv_nsec > 999999999) return -LX_EINVAL;
        s->valid |= set[i];
        *(i ? &s->mtime : &s->atime) = (struct vtime){ts[i].tv_sec, (uint32_t)ts[i].tv_nsec};
    }
    return 0;
}

// do_utimes (fs/utimes.c). upath 0: the descriptor itself.
static int64_t set_times(struct task *t, int dirfd, gaddr upath, const struct setattr *s, uint32_t flags)
{
    if (upath) return setattr_at(t, dirfd, upath, flags, s);
    if (flags) return -LX_EINVAL;
    struct file *f = fd_io(t, dirfd);
    return f ? vfs_setattr(&f->path, &t->proc->cred, s) : -LX_EBADF;
}

int64_t sys_utimensat(struct task *t, const uint64_t a[6])
{
    struct lx_timespec ts[2];
    struct setattr s = {.valid = 0};
    uint32_t flags = (uint32_t)a[3];
    if (!a[2])
        s.valid = ATTR_ATIME_NOW | ATTR_MTIME_NOW;
    else {
        int err = copy_from_user(t, ts, a[2], sizeof ts);
        if (err) return err;
        if ((err = time_attr(ts, &s))) return err;
        if (!s.valid) return 0;
    }
    if (flags & ~(uint32_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH)) return -LX_EINVAL;
    if (!a[1] && (int)a[0] == LX_AT_FDCWD) return -LX_EFAULT;
    return set_times(t, (int)a[0], a[1], &s, flags);
}

static int64_t utimes_at(struct task *t, int dirfd, gaddr upath, gaddr times)
{
    struct lx_timeval tv[2];
    struct setattr s = {.valid = ATTR_ATIME_NOW | ATTR_MTIME_NOW};
    if (times) {
        int err = copy_from_user(t, tv, times, sizeof tv);
        if (err) return err;
        if ((uint64_t)tv[0].tv_usec > 999999 || (uint64_t)tv[1].tv_usec > 999999) return -LX_EINVAL;
        s = (struct setattr){.valid = ATTR_ATIME | ATTR_MTIME,
                             .atime = {tv[0].tv_sec, (uint32_t)tv[0].tv_usec * 1000},
                             .mtime = {tv[1].tv_sec, (uint32_t)tv[1].tv_usec * 1000}};
    }
    return set_times(t, dirfd, upath, &s, 0);
}

int64_t sys_utimes(struct task *t, const uint64_t a[6])
{
    return a[0] ? utimes_at(t, LX_AT_FDCWD, a[0], a[1]) : -LX_EFAULT;
}
int64_t sys_futimesat(struct task *t, const uint64_t a[6])
{
    return utimes_at(t, (int)a[0], a[1], a[2]);
}

int64_t sys_utime(struct task *t, const uint64_t a[6])
{
    int64_t sec[2];
    struct setattr s = {.valid = ATTR_ATIME_NOW | ATTR_MTIME_NOW};
    if (!a[0]) return -LX_EFAULT;
    if (a[1]) {
        int err = copy_from_user(t, sec, a[1], sizeof sec);
        if (err) return err;
        s = (struct setattr){.valid = ATTR_ATIME | ATTR_MTIME, .atime = {sec[0], 0}, .mtime = {sec[1], 0}};
    }
    return set_times(t, LX_AT_FDCWD, a[0], &s, 0);
}
