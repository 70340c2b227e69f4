// From what a *at call is given (descriptor, user pointer, flags) to what the vfs takes (struct vfs_at, a kernel copy
// of the path).
//
// Error order as Linux's getname and path_init: EFAULT and ENAMETOOLONG of the string, ENOENT of an empty one, then
// EBADF and ENOTDIR of the descriptor (only looked at for a relative path), then the walk's.
#include "syscalls/fs.h"

void at_cwd(struct task *t, struct vfs_at *at)
{
    struct process *p = t->proc;
    *at = (struct vfs_at){.root = p->root, .base = p->cwd, .cred = &p->cred, .umask = p->umask};
}

int at_base(struct task *t, int dirfd, const char *path, unsigned lookup_flags, struct vfs_at *at)
{
    at_cwd(t, at);
    if (!path[0] && !(lookup_flags & LOOKUP_EMPTY)) return -LX_ENOENT;
    if (dirfd == LX_AT_FDCWD || (path[0] == '/' && !(lookup_flags & (LOOKUP_IN_ROOT | LOOKUP_BENEATH)))) return 0;
    struct file *f = fd_get(t->proc, dirfd);
    if (!f) return -LX_EBADF;
    if (path[0] && (f->inode->mode & LX_S_IFMT) != LX_S_IFDIR) return -LX_ENOTDIR;
    at->base = f->path;
    return 0;
}

int at_path(struct task *t, int dirfd, gaddr upath, unsigned lookup_flags, struct vfs_at *at, char path[LX_PATH_MAX])
{
    int err = get_path(t, upath, path);
    return err ? err : at_base(t, dirfd, path, lookup_flags, at);
}

int at_lookup(struct task *t, int dirfd, gaddr upath, unsigned lookup_flags, struct path *out)
{
    struct vfs_at at;
    char path[LX_PATH_MAX];
    int err = at_path(t, dirfd, upath, lookup_flags, &at, path);
    return err ? err : vfs_lookup(t->box->vfs, &at, path, lookup_flags, out);
}
