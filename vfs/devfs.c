// /dev: a memfs whose names the kernel, not the guest, adds and removes (the guest may too, as in Linux's devtmpfs).
//
// Its directories are volatile: a name that the kernel removes behind the name cache's back is looked up again at the
// next use.
#include "vfs/memfs.h"
#include "vfs/internal.h"
#include <string.h>

// The directory of "pts/3", and the last component. Only directories that are there already.
static int find_dir(struct fs *fs, const char **name, struct inode **dir)
{
    *dir = inode_get(fs->root);
    for (const char *slash; (slash = strchr(*name, '/')); *name = slash + 1) {
        struct inode *next;
        int err = (*dir)->ops->lookup(*dir, *name, (size_t)(slash - *name), &next);
        inode_put(*dir);
        if (err) return err;
        *dir = next;
        if (!is_dir(next)) {
            inode_put(next);
            return -LX_ENOTDIR;
        }
    }
    return 0;
}

static int add(struct fs *fs, const char *name, const struct inode *like, const char *target)
{
    struct inode *dir, *made;
    int err = find_dir(fs, &name, &dir);
    if (err) return err;
    err = dir->ops->create(dir, name, strlen(name), like, target, &made);
    inode_put(dir);
    if (err) return err;
    if (is_dir(made)) made->flags |= INODE_VOLATILE;
    inode_put(made);
    return 0;
}

int devfs_add(struct fs *fs, const char *name, uint32_t mode, uint32_t uid, uint32_t gid, uint32_t rdev)
{
    struct inode like = {.mode = mode, .uid = uid, .gid = gid, .rdev = rdev};
    return add(fs, name, &like, NULL);
}

int devfs_link(struct fs *fs, const char *name, const char *target)
{
    struct inode like = {.mode = LX_S_IFLNK | 0777};
    return add(fs, name, &like, target);
}

int devfs_remove(struct fs *fs, const char *name)
{
    struct inode *dir, *victim = NULL;
    int err = find_dir(fs, &name, &dir);
    if (err) return err;
    err = dir->ops->lookup(dir, name, strlen(name), &victim);
    if (!err) err = dir->ops->unlink(dir, name, strlen(name), victim);
    inode_put(victim);
    inode_put(dir);
    return err;
}

static int populate(struct vfs *v, struct fs *fs)
{
    static const char *const links[][2] = {{"fd", "/proc/self/fd"},
                                           {"stdin", "/proc/self/fd/0"},
                                           {"stdout", "/proc/self/fd/1"},
                                           {"stderr", "/proc/self/fd/2"}};
    int err = 0;
    fs->root->flags |= INODE_VOLATILE;
    for (const struct memory_device *d = memory_devices; d->name && !err; d++) {
        uint32_t rdev = vfs_makedev(1, d->minor);
        err = vfs_device(v, false, rdev, d->ops, NULL);
        if (!err) err = devfs_add(fs, d->name, LX_S_IFCHR | 0666, 0, 0, rdev);
    }
    for (unsigned k = 0; k < sizeof links / sizeof *links && !err; k++) err = devfs_link(fs, links[k][0], links[k][1]);
    if (!err) err = devfs_add(fs, "pts", LX_S_IFDIR | 0755, 0, 0, 0);
    if (!err) err = devfs_add(fs, "shm", LX_S_IFDIR | 01777, 0, 0, 0);
    return err;
}

int devfs_new(struct vfs *v, struct fs **out)
{
    struct fs *fs;
    int err = memfs_new(v, "devtmpfs", NULL, 0, 0755, &fs);
    if (err) return err;
    err = populate(v, fs);
    if (!err) {
        struct inode *zero;
        err = fs->root->ops->lookup(fs->root, "zero", 4, &zero);
        if (!err) {
            zero->flags |= INODE_ANON_MAP;
            inode_put(zero);
        }
    }
    if (err)
        fs_put(fs);
    else
        *out = fs;
    return err;
}
