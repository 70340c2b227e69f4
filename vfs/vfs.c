// The box's vfs object, the memory it may take, file system instances, and inode references. See vfs.h.
#include "vfs/internal.h"
#include <stdlib.h>
#include <string.h>

// Somebody is in the middle of something, with a file's pages perhaps: only what is not in use may go.
static void drop_idle(struct vfs *v)
{
    for (struct mount *m = v->mounts; m; m = m->next)
        if (m->fs->ops->drop_idle) m->fs->ops->drop_idle(m->fs);
}

void *kmem_resize(struct vfs *v, void *p, size_t old, size_t n)
{
    if (n > old && n - old > v->kmem_limit - v->kmem) {
        dcache_trim(v, 0);
        if (n - old > v->kmem_limit - v->kmem) drop_idle(v);
        if (n - old > v->kmem_limit - v->kmem) return NULL;
    }
    char *q = realloc(p, n);
    if (!q) return NULL;
    if (n > old) memset(q + old, 0, n - old);
    v->kmem += n - old;
    return q;
}

void *kmem_new(struct vfs *v, size_t n)
{
    return kmem_resize(v, NULL, 0, n);
}

void kmem_free(struct vfs *v, void *p, size_t n)
{
    if (!p) return;
    v->kmem -= n;
    free(p);
}

char *kmem_strdup(struct vfs *v, const char *s, size_t len)
{
    char *p = kmem_new(v, len + 1);
    if (p) memcpy(p, s, len);
    return p;
}

struct vfs *vfs_new(struct ram *ram, const struct vfs_host *host, uint64_t kmem_limit)
{
    struct vfs *v = calloc(1, sizeof *v);
    if (!v) return NULL;
    *v = (struct vfs){.ram = ram,
                      .host = *host,
                      .kmem_limit = kmem_limit ? kmem_limit : UINT64_MAX,
                      .next_mount_id = 1,
                      .next_dev = 1};
    if (dcache_new(v) == 0 && anon_init(v) == 0) return v;
    vfs_free(v);
    return NULL;
}

// Mounts go last to first: a mount holds a reference on the place it covers.
static void unmount_all(struct vfs *v)
{
    while (v->mounts) {
        struct mount **m = &v->mounts;
        while ((*m)->next) m = &(*m)->next;
        struct mount *last = *m;
        *m = NULL;
        mount_put(last);
    }
}

void vfs_free(struct vfs *v)
{
    if (!v) return;
    unmount_all(v);
    anon_free(v);
    if (v->dcache) dcache_free(v);
    devices_free(v);
    free(v);
}

void vfs_root(struct vfs *v, struct path *out)
{
    *out = (struct path){v->mounts, v->mounts->root};
    path_get(out);
    mount_down(out);
}

int vfs_sync(struct vfs *v)
{
    int err = 0;
    for (struct mount *m = v->mounts; m; m = m->next) {
        int e = m->fs->ops->sync ? m->fs->ops->sync(m->fs) : 0;
        if (e && !err) err = e;
    }
    return err;
}

void vfs_finish(struct vfs *v)
{
    for (struct mount *m = v->mounts; m; m = m->next)
        if (m->fs->ops->finish) m->fs->ops->finish(m->fs);
}

uint32_t vfs_reclaim(struct vfs *v)
{
    uint32_t n = 0;
    for (struct mount *m = v->mounts; m; m = m->next)
        if (m->fs->ops->reclaim) n += m->fs->ops->reclaim(m->fs);
    for (struct mount *m = v->mounts; m && !n; m = m->next)
        if (m->fs->ops->reclaim_mapped) n += m->fs->ops->reclaim_mapped(m->fs);
    return n;
}

// ---------------------------------------------------------------- file systems

struct fs *fs_new(struct vfs *v, const char *type, const struct fs_ops *ops, void *private)
{
    struct fs *fs = kmem_new(v, sizeof *fs);
    if (!fs) return NULL;
    *fs = (struct fs){.vfs = v, .ops = ops, .type = type, .refs = 1, .next_ino = 1, .private = private};
    fs->dev = vfs_makedev(0, v->next_dev++);
    return fs;
}

void fs_put(struct fs *fs)
{
    if (!fs || --fs->refs > 0) return;
    notify_unmounted(fs);
    dcache_forget_fs(fs);
    if (fs->root) inode_put(fs->root);
    if (fs->ops->destroy) fs->ops->destroy(fs);
    kmem_free(fs->vfs, fs, sizeof *fs);
}

// ---------------------------------------------------------------- inodes

void inode_init(struct inode *i, struct fs *fs, uint64_t ino, uint32_t mode)
{
    struct vtime now = vfs_now(fs->vfs);
    *i = (struct inode){
        .fs = fs, .ino = ino, .mode = mode, .refs = 1, .nlink = (mode & LX_S_IFMT) == LX_S_IFDIR ? 2 : 1};
    i->atime = i->mtime = i->ctime = i->btime = now;
}

struct inode *inode_get(struct inode *i)
{
    i->refs++;
    return i;
}

void inode_put(struct inode *i)
{
    if (!i || --i->refs > 0) return;
    i->fs->ops->inode_idle(i);
}

int inode_deny_write(struct inode *i)
{
    if (i->writers) return -LX_ETXTBSY;
    i->deny_write++;
    return 0;
}

void inode_allow_write(struct inode *i)
{
    if (i->deny_write) i->deny_write--;
}

unsigned mode_to_dt(uint32_t mode)
{
    return (mode & LX_S_IFMT) >> 12; // the DT_ values are the mode's type bits
}

bool mode_known(uint32_t mode)
{
    switch (mode & LX_S_IFMT) {
    case LX_S_IFREG:
    case LX_S_IFDIR:
    case LX_S_IFLNK:
    case LX_S_IFCHR:
    case LX_S_IFBLK:
    case LX_S_IFIFO:
    case LX_S_IFSOCK:
        return mode <= 0177777;
    }
    return false;
}

// ---------------------------------------------------------------- times

struct vtime vfs_now(struct vfs *v)
{
    return v->host.now(v->host.ctx);
}

int vtime_cmp(struct vtime a, struct vtime b)
{
    if (a.sec != b.sec) return a.sec < b.sec ? -1 : 1;
    return a.nsec < b.nsec ? -1 : a.nsec > b.nsec;
}

void inode_changed(struct inode *i)
{
    i->flags |= INODE_DIRTY;
    if (!(i->flags & INODE_UNSAVED) && i->fs->ops->unsaved) i->fs->ops->unsaved(i);
}

void inode_touch(struct inode *i, unsigned valid)
{
    struct vtime now = vfs_now(i->fs->vfs);
    if (valid & ATTR_ATIME) i->atime = now;
    if (valid & ATTR_MTIME) i->mtime = now;
    if (!(valid & ATTR_ATIME) || valid & ATTR_MTIME) i->ctime = now;
    inode_changed(i);
}

// As fs/inode.c relatime_need_update: only when the file changed since, or a day has passed.
void inode_accessed(const struct path *p)
{
    struct inode *i = p->dentry->inode;
    if (!p->mount || p->mount->flags & (MOUNT_NOATIME | MOUNT_RDONLY)) return;
    bool changed = vtime_cmp(i->atime, i->mtime) <= 0 || vtime_cmp(i->atime, i->ctime) <= 0;
    if (changed || vfs_now(i->fs->vfs).sec - i->atime.sec >= 24 * 3600) inode_touch(i, ATTR_ATIME);
}
