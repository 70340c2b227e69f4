// What happens to files, told to who watches them (fs/notify/fsnotify.c, include/linux/fsnotify.h). The one place
// through which the file systems tell; host.notify hears it (syscalls/inotify.c). Costs nothing while vfs->watched is
// 0.
//
// An event on a name goes to the directory first, with the name, then to the file itself, as fsnotify() does.
#include "vfs/internal.h"

static void tell(struct inode *i, uint32_t mask, uint32_t cookie, const char *name, bool unlinked)
{
    struct vfs *v = i->fs->vfs;
    struct vfs_event e = {.inode = i, .mask = mask, .cookie = cookie, .name = name, .unlinked = unlinked};
    if (i->watches && v->host.notify) v->host.notify(v->host.ctx, &e);
}

static uint32_t with_kind(const struct inode *i, uint32_t mask)
{
    return is_dir(i) ? mask | LX_IN_ISDIR : mask;
}

void notify_inode(struct inode *i, uint32_t mask)
{
    if (i->fs->vfs->watched) tell(i, with_kind(i, mask), 0, NULL, false);
}

void notify_name(struct inode *dir, uint32_t mask, const char *name)
{
    if (dir->fs->vfs->watched) tell(dir, mask, 0, name, false);
}

void notify_dentry(struct dentry *d, uint32_t mask)
{
    struct inode *i = d->inode;
    if (!d->fs->vfs->watched || !i) return;
    mask = with_kind(i, mask);
    if (d->parent != d) tell(d->parent->inode, mask, 0, d->name, d->deleted);
    tell(i, mask, 0, NULL, false);
}

void notify_file(struct file *f, uint32_t mask)
{
    if (f->path.dentry->fs->vfs->watched && !(f->mode & (FILE_PATH | FILE_UNOPENED)))
        notify_dentry(f->path.dentry, mask);
}

void notify_move(const struct move_event *m)
{
    struct vfs *v = m->moved->fs->vfs;
    if (!v->watched) return;
    uint32_t cookie = ++v->notify_cookie;
    tell(m->from, with_kind(m->moved, LX_IN_MOVED_FROM), cookie, m->old_name, false);
    tell(m->to, with_kind(m->moved, LX_IN_MOVED_TO), cookie, m->new_name, false);
    if (m->replaced) notify_inode(m->replaced, LX_IN_ATTRIB); // its link count
    tell(m->moved, LX_IN_MOVE_SELF, 0, NULL, false);
}

// fsnotify_change: what the change of an attribute is called.
void notify_change(struct dentry *d, unsigned valid)
{
    enum { BOTH_TIMES = ATTR_ATIME | ATTR_MTIME };
    uint32_t mask = 0;
    if (valid & (ATTR_UID | ATTR_GID | ATTR_MODE) || (valid & BOTH_TIMES) == BOTH_TIMES) mask |= LX_IN_ATTRIB;
    if (valid & ATTR_SIZE) mask |= LX_IN_MODIFY;
    if ((valid & BOTH_TIMES) == ATTR_ATIME) mask |= LX_IN_ACCESS;
    if ((valid & BOTH_TIMES) == ATTR_MTIME) mask |= LX_IN_MODIFY;
    if (mask) notify_dentry(d, mask);
}

void notify_gone(struct inode *i)
{
    if (i->watches && i->nlink == 0) tell(i, LX_IN_DELETE_SELF, 0, NULL, false);
}

void notify_unmounted(struct fs *fs)
{
    struct vfs *v = fs->vfs;
    struct vfs_event e = {.fs = fs, .mask = LX_IN_UNMOUNT};
    if (v->watched && v->host.notify) v->host.notify(v->host.ctx, &e);
}
