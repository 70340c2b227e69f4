// Files without a place in the tree: pipes, eventfds and the like, sockets, memfds. Each family is an fs of its own, so
// that st_dev tells them apart.
#include "vfs/internal.h"
#include <stdio.h>
#include <string.h>

static void anon_idle(struct inode *i)
{
    pipe_free(i);
    kmem_free(i->fs->vfs, i, sizeof *i);
}

static int anon_statfs(struct fs *fs, struct kstatfs *s)
{
    s->type = fs == fs->vfs->pipefs ? LX_PIPEFS_MAGIC : 0x09041934; // ANON_INODE_FS_MAGIC
    return 0;
}

static int anon_setattr(struct inode *i, const struct setattr *a)
{
    if (a->valid & ATTR_SIZE) return -LX_EINVAL;
    inode_take_attributes(i, a);
    return 0;
}

static const struct fs_ops anon_fs_ops = {.inode_idle = anon_idle, .statfs = anon_statfs};
static const struct inode_ops anon_inode_ops = {.setattr = anon_setattr};

int anon_init(struct vfs *v)
{
    v->pipefs = fs_new(v, "pipefs", &anon_fs_ops, NULL);
    v->anonfs = fs_new(v, "anon_inodefs", &anon_fs_ops, NULL);
    return v->pipefs && v->anonfs ? tmpfs_new(v, 0, 01777, &v->shmfs) : -LX_ENOMEM;
}

void anon_free(struct vfs *v)
{
    fs_put(v->pipefs);
    fs_put(v->anonfs);
    fs_put(v->shmfs);
}

int anon_path(struct fs *fs, const char *name, uint32_t mode, const struct file_ops *ops, struct path *out)
{
    struct inode *i = kmem_new(fs->vfs, sizeof *i);
    if (!i) return -LX_ENFILE;
    inode_init(i, fs, fs->next_ino++, mode);
    i->ops = &anon_inode_ops;
    i->fops = ops;
    struct dentry *d = dentry_new(fs, NULL, name, strlen(name), i);
    if (!d) return -LX_ENFILE;
    *out = (struct path){NULL, d};
    return 0;
}

int vfs_anon_file(struct vfs *v, const char *name, uint32_t mode, const struct file_ops *ops, void *private,
                  unsigned flags, struct file **out)
{
    static const uint8_t by_mode[4] = {FILE_READ, FILE_WRITE, FILE_READ | FILE_WRITE, 0};
    struct path p;
    int err = anon_path(v->anonfs, name, mode, ops, &p);
    if (err) return err;
    err = file_new(&p, NULL, flags & ~(unsigned)LX_O_CLOEXEC, by_mode[flags & LX_O_ACCMODE], out);
    if (!err) (*out)->private = private;
    path_put(&p);
    return err;
}

int vfs_memfd(struct vfs *v, const char *name, struct file **out)
{
    char text[VFS_NAME_MAX + 16];
    snprintf(text, sizeof text, "/memfd:%.250s", name);
    return vfs_shm_file(v, text, out);
}

int vfs_shm_file(struct vfs *v, const char *text, struct file **out)
{
    struct inode *i, like = {.mode = LX_S_IFREG | 0777}, *dir = v->shmfs->root;
    int err = dir->ops->create(dir, NULL, 0, &like, NULL, &i);
    if (err) return err;
    struct dentry *d = dentry_new(v->shmfs, NULL, text, strlen(text), i);
    if (!d) return -LX_ENFILE;
    d->deleted = true;
    struct path p = {NULL, d};
    err = file_new(&p, NULL, LX_O_RDWR | LX_O_LARGEFILE, FILE_READ | FILE_WRITE | FILE_SEEK, out);
    dentry_put(d);
    return err;
}
