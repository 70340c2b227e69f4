// Changing and listing the tree: mkdir, rmdir, unlink, rename, link, symlink, mknod and their *at forms, getdents,
// getcwd, chdir, chroot.
#include "syscalls/fs.h"
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- names

static int64_t mkdir_at(struct task *t, int dirfd, gaddr upath, uint32_t mode)
{
    struct vfs_at at;
    char path[LX_PATH_MAX];
    int err = at_path(t, dirfd, upath, 0, &at, path);
    return err ? err : vfs_mkdir(t->box->vfs, &at, path, mode);
}

int64_t sys_mkdir(struct task *t, const uint64_t a[6])
{
    return mkdir_at(t, LX_AT_FDCWD, a[0], (uint32_t)a[1]);
}
int64_t sys_mkdirat(struct task *t, const uint64_t a[6])
{
    return mkdir_at(t, (int)a[0], a[1], (uint32_t)a[2]);
}

static int64_t mknod_at(struct task *t, int dirfd, gaddr upath, uint32_t mode, uint32_t rdev)
{
    struct vfs_at at;
    char path[LX_PATH_MAX];
    int err = at_path(t, dirfd, upath, 0, &at, path);
    return err ? err : vfs_mknod(t->box->vfs, &at, path, mode, rdev, NULL);
}

int64_t sys_mknod(struct task *t, const uint64_t a[6])
{
    return mknod_at(t, LX_AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2]);
}
int64_t sys_mknodat(struct task *t, const uint64_t a[6])
{
    return mknod_at(t, (int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

static int64_t unlink_at(struct task *t, int dirfd, gaddr upath, bool dir)
{
    struct vfs_at at;
    char path[LX_PATH_MAX];
    int err = at_path(t, dirfd, upath, 0, &at, path);
    if (err) return err;
    return dir ? vfs_rmdir(t->box->vfs, &at, path) : vfs_unlink(t->box->vfs, &at, path);
}

int64_t sys_unlink(struct task *t, const uint64_t a[6])
{
    return unlink_at(t, LX_AT_FDCWD, a[0], false);
}
int64_t sys_rmdir(struct task *t, const uint64_t a[6])
{
    return unlink_at(t, LX_AT_FDCWD, a[0], true);
}

int64_t sys_unlinkat(struct task *t, const uint64_t a[6])
{
    if ((uint32_t)a[2] & ~(uint32_t)LX_AT_REMOVEDIR) return -LX_EINVAL;
    return unlink_at(t, (int)a[0], a[1], a[2] & LX_AT_REMOVEDIR);
}

struct two_paths {
    struct vfs_at from, to;
    char old[LX_PATH_MAX], new[LX_PATH_MAX];
};

static int get_two(struct task *t, struct two_paths *p, int from, gaddr old, unsigned old_flags, int to, gaddr new)
{
    int err = at_path(t, from, old, old_flags, &p->from, p->old);
    return err ? err : at_path(t, to, new, 0, &p->to, p->new);
}

static int64_t rename_at(struct task *t, int from, gaddr old, int to, gaddr new, uint32_t flags)
{
    struct two_paths p;
    if (flags & ~(uint32_t)(LX_RENAME_NOREPLACE | LX_RENAME_EXCHANGE | LX_RENAME_WHITEOUT)) return -LX_EINVAL;
    if (flags & LX_RENAME_EXCHANGE && flags != LX_RENAME_EXCHANGE) return -LX_EINVAL;
    int err = get_two(t, &p, from, old, 0, to, new);
    return err ? err : vfs_rename(t->box->vfs, &p.from, p.old, &p.to, p.new, flags);
}

int64_t sys_rename(struct task *t, const uint64_t a[6])
{
    return rename_at(t, LX_AT_FDCWD, a[0], LX_AT_FDCWD, a[1], 0);
}
int64_t sys_renameat(struct task *t, const uint64_t a[6])
{
    return rename_at(t, (int)a[0], a[1], (int)a[2], a[3], 0);
}
int64_t sys_renameat2(struct task *t, const uint64_t a[6])
{
    return rename_at(t, (int)a[0], a[1], (int)a[2], a[3], (uint32_t)a[4]);
}

static int64_t link_at(struct task *t, int from, gaddr old, int to, gaddr new, uint32_t flags)
{
    struct two_paths p;
    if (flags & ~(uint32_t)(LX_AT_SYMLINK_FOLLOW | LX_AT_EMPTY_PATH)) return -LX_EINVAL;
    if (flags & LX_AT_EMPTY_PATH && !(t->proc->cred.caps >> LX_CAP_DAC_READ_SEARCH & 1)) return -LX_ENOENT;
    unsigned lookup =
        (flags & LX_AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) | (flags & LX_AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    int err = get_two(t, &p, from, old, lookup, to, new);
    return err ? err : vfs_link(t->box->vfs, &p.from, p.old, lookup, &p.to, p.new);
}

int64_t sys_link(struct task *t, const uint64_t a[6])
{
    return link_at(t, LX_AT_FDCWD, a[0], LX_AT_FDCWD, a[1], 0);
}
int64_t sys_linkat(struct task *t, const uint64_t a[6])
{
    return link_at(t, (int)a[0], a[1], (int)a[2], a[3], (uint32_t)a[4]);
}

static int64_t symlink_at(struct task *t, gaddr utarget, int dirfd, gaddr upath)
{
    struct vfs_at at;
    char target[LX_PATH_MAX], path[LX_PATH_MAX];
    int err = get_path(t, utarget, target);
    if (err) return err;
    if (!target[0]) return -LX_ENOENT;
    err = at_path(t, dirfd, upath, 0, &at, path);
    return err ? err : vfs_symlink(t->box->vfs, &at, target, path);
}

int64_t sys_symlink(struct task *t, const uint64_t a[6])
{
    return symlink_at(t, a[0], LX_AT_FDCWD, a[1]);
}
int64_t sys_symlinkat(struct task *t, const uint64_t a[6])
{
    return symlink_at(t, a[0], (int)a[1], a[2]);
}

// ---------------------------------------------------------------- listing

enum { LIST_MAX = 32768, OLD_DIRENT = 18 }; // offsetof(struct linux_dirent, d_name)

// Entries as the guest will see them. full: one did not fit.
struct listing {
    uint8_t *buf;
    size_t size, used;
    bool old, full;
};

static int list_entry(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct listing *l = ctx;
    size_t head = l->old ? OLD_DIRENT : sizeof(struct lx_dirent64),
           need = (head + len + 1 + l->old + 7) & ~(size_t)7; // the old one has d_type at its end
    if (need > l->size - l->used) {
        l->full = true;
        return 1;
    }
    uint8_t *at = l->buf + l->used;
    struct lx_dirent64 d = {.d_ino = ino, .d_off = (int64_t)next, .d_reclen = (uint16_t)need, .d_type = (uint8_t)dt};
    memset(at, 0, need);
    memcpy(at, &d, head);
    memcpy(at + head, name, len);
    if (l->old) at[need - 1] = (uint8_t)dt;
    l->used += need;
    return 0;
}

static int64_t list_into(struct task *t, struct file *f, struct listing *l, gaddr to)
{
    uint64_t start = f->pos;
    int err = vfs_readdir(f, list_entry, l);
    if (err < 0 && !l->used) return err;
    if (!l->used) return l->full ? -LX_EINVAL : 0;
    err = copy_to_user(t, to, l->buf, l->used);
    if (err) f->pos = start; // not delivered: the entries come again
    return err ? err : (int64_t)l->used;
}

static int64_t list(struct task *t, const uint64_t a[6], bool old)
{
    struct file *f = fd_io(t, (int)a[0]);
    if (!f) return -LX_EBADF;
    if ((f->inode->mode & LX_S_IFMT) != LX_S_IFDIR) return -LX_ENOTDIR;
    uint32_t size = (uint32_t)a[2];
    struct listing l = {.size = size < LIST_MAX ? size : LIST_MAX, .old = old};
    if (!(l.buf = malloc(l.size ? l.size : 1))) return -LX_ENOMEM;
    int64_t n = list_into(t, f, &l, a[1]);
    free(l.buf);
    return n;
}

int64_t sys_getdents64(struct task *t, const uint64_t a[6])
{
    return list(t, a, false);
}
int64_t sys_getdents(struct task *t, const uint64_t a[6])
{
    return list(t, a, true);
}

// ---------------------------------------------------------------- where a process is

int64_t sys_getcwd(struct task *t, const uint64_t a[6])
{
    char text[LX_PATH_MAX];
    int n = vfs_path_text(&t->proc->root, &t->proc->cwd, false, text, sizeof text);
    if (n < 0) return n;
    if ((uint64_t)n + 1 > a[1]) return -LX_ERANGE;
    int err = copy_to_user(t, a[0], text, (size_t)n + 1);
    return err ? err : n + 1;
}

// A directory that may be entered becomes *place.
static int enter(struct task *t, const struct path *p, struct path *place)
{
    if ((path_inode(p)->mode & LX_S_IFMT) != LX_S_IFDIR) return -LX_ENOTDIR;
    int err = inode_permission(path_inode(p), &t->proc->cred, LX_X_OK);
    if (err) return err;
    path_get(p);
    path_put(place);
    *place = *p;
    process_fs_changed(t->proc);
    return 0;
}

int64_t sys_chdir(struct task *t, const uint64_t a[6])
{
    struct path p;
    int err = at_lookup(t, LX_AT_FDCWD, a[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
    if (err) return err;
    err = enter(t, &p, &t->proc->cwd);
    path_put(&p);
    return err;
}

int64_t sys_fchdir(struct task *t, const uint64_t a[6])
{
    struct file *f = fd_get(t->proc, (int)a[0]);
    return f ? enter(t, &f->path, &t->proc->cwd) : -LX_EBADF;
}

int64_t sys_chroot(struct task *t, const uint64_t a[6])
{
    struct path p;
    int err = at_lookup(t, LX_AT_FDCWD, a[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
    if (err) return err;
    err = inode_permission(path_inode(&p), &t->proc->cred, LX_X_OK);
    if (!err && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_CHROOT)) err = -LX_EPERM;
    if (!err) err = enter(t, &p, &t->proc->root);
    path_put(&p);
    return err;
}
