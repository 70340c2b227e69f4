// The lower source of the root: an ext2, ext3 or ext4 image, only read. libext2fs opens it and reads inodes, with an
// io_manager over our block device (ext2_io.c); block maps, directories and attributes are parsed by us (ext2_map.c,
// ext2_dir.c, ext2_xattr.c).
//
// The image is hostile. libext2fs checks the structures it parses; what it gives is checked again: inode numbers, block
// numbers, sizes, names. Every loop is bounded by a constant or by the device's size. Anything wrong is -LX_EIO.
#include <stdio.h>
#include <string.h>
#include "vfs/delta.h"
#include "vfs/ext2_internal.h"

enum { PAGE = 4096 };

static void ext2_forget(struct lower *l, void *node)
{
    kmem_free(l->vfs, node, sizeof(struct ext2_node));
}

static void ext2_statfs(struct lower *l, struct kstatfs *s)
{
    struct ext2 *e = (struct ext2 *)l;
    uint64_t spare = s->bfree * PAGE / e->block_size; // what is written goes to memory, so that bounds it
    s->type = LX_EXT2_SUPER_MAGIC;
    s->bsize = s->frsize = e->block_size;
    s->blocks = e->blocks;
    s->bfree = s->bavail = e->free_blocks < spare ? e->free_blocks : spare;
    s->files = e->inodes;
    s->ffree = e->free_inodes < s->ffree ? e->free_inodes : s->ffree;
}

static void ext2_close(struct lower *l)
{
    struct ext2 *e = (struct ext2 *)l;
    if (e->fs) ext2fs_free(e->fs);
    ext2_meta_free(e);
    kmem_free(l->vfs, e->inode, ext2_inode_room(e));
    blockdev_close(e->dev);
    kmem_free(l->vfs, e, sizeof *e);
}

static const struct lower_ops ext2_lower_ops = {
    .inode = ext2_inode_load,
    .forget = ext2_forget,
    .entries = ext2_entries,
    .target = ext2_target,
    .xattrs = ext2_xattrs,
    .page = ext2_page,
    .has_page = ext2_has_page,
    .alike = ext2_alike,
    .statfs = ext2_statfs,
    .close = ext2_close,
};

static int refuse(struct blockdev *dev, int err, const char *reason, char *why, size_t why_size)
{
    snprintf(why, why_size, "cannot mount the image: %s", reason);
    blockdev_close(dev);
    return err;
}

static int open_it(struct ext2 *e, char *why, size_t why_size)
{
    e->inode = kmem_new(e->lower.vfs, ext2_inode_room(e));
    if (e->inode) return ext2_open_fs(e, why, why_size);
    snprintf(why, why_size, "cannot mount the image: not enough memory");
    return -LX_ENOMEM;
}

// Over the image, and what a delta has of it.
static int make_fs(struct ext2 *e, int link, struct fs **out, char *why, size_t why_size)
{
    struct vfs *v = e->lower.vfs;
    struct delta *delta = NULL;
    struct delta_facts facts;
    int err = open_it(e, why, why_size);
    if (!err && link >= 0) err = delta_open(v, link, e->lower.max_ino, &delta, &facts, why, why_size);
    if (err) {
        ext2_close(&e->lower);
        return err;
    }
    ext2_ahead_open(e);
    err =
        delta ? memfs_new_delta(v, "ext2", &e->lower, delta, &facts, out) : memfs_new(v, "ext2", &e->lower, 0, 0, out);
    if (err)
        snprintf(why, why_size, "cannot mount the image: its root directory is corrupt%s",
                 link >= 0 ? ", or what the delta has of it" : "");
    return err;
}

int extfs_new_delta(struct vfs *v, struct blockdev *dev, int link, struct fs **out, char *why, size_t why_size)
{
    struct ext2_info info;
    ext2_info(dev, &info);
    struct ext2 *e = info.mountable ? kmem_new(v, sizeof *e) : NULL;
    if (!info.mountable) return refuse(dev, -LX_EINVAL, info.why, why, why_size);
    if (!e) return refuse(dev, -LX_ENOMEM, "not enough memory", why, why_size);
    *e = (struct ext2){.dev = dev,
                       .block_size = info.block_size,
                       .inode_size = info.inode_size,
                       .blocks = info.blocks,
                       .free_blocks = info.free_blocks,
                       .inodes = info.inodes,
                       .free_inodes = info.free_inodes,
                       .sums = info.sums};
    e->lower = (struct lower){&ext2_lower_ops, v, EXT2_ROOT_INO, info.inodes};
    int err = make_fs(e, link, out, why, why_size);
    if (!err) (*out)->mount_flags = MOUNT_NOATIME;
    return err;
}

int extfs_new(struct vfs *v, struct blockdev *dev, struct fs **out, char *why, size_t why_size)
{
    return extfs_new_delta(v, dev, -1, out, why, why_size);
}

const char *extfs_problem(const struct fs *fs)
{
    const struct memfs *m = fs->private;
    return m->delta ? delta_problem(m->delta) : "";
}
