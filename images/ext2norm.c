/*
 * ext2norm: makes two images of the same files the same bytes.
 *
 *   ext2norm IMAGE EPOCH [UID:GID:PATH]...
 *
 * mke2fs -d leaves the time of the build in the superblock and in every inode, and the builder's ids on every file.
 * This pass sets them in place:
 *   - every file belongs to 0:0, and the tree below each PATH to its UID:GID (later arguments win);
 *   - modification times later than EPOCH become EPOCH, those of directories always do (the builder changed them);
 *     access and change time become the modification time, birth time EPOCH; no fractions of seconds;
 *   - the superblock's times become EPOCH, its counters 0.
 * It reads an image that the builder has just made; it is no tool for images of unknown origin.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ext2fs/ext2fs.h>

enum { MAX_DEPTH = 64 }; /* of a PATH's tree: the builder's own files are a few levels deep */

struct owner {
    unsigned uid, gid;
    const char *path;
};

/* What the walk over one owned tree carries along. */
struct walk {
    ext2_filsys fs;
    const struct owner *owner;
    int depth;
};

static errcode_t own_tree(struct walk *walk, ext2_ino_t ino);

static int complain(const char *what, errcode_t err)
{
    fprintf(stderr, "ext2norm: %s: %s\n", what, error_message(err));
    return 1;
}

static unsigned clamp_time(const struct ext2_inode *inode, unsigned epoch)
{
    return LINUX_S_ISDIR(inode->i_mode) || inode->i_mtime > epoch ? epoch : inode->i_mtime;
}

static void normalise_inode(struct ext2_inode_large *large, unsigned epoch, int has_extra)
{
    struct ext2_inode *inode = (struct ext2_inode *)large;

    inode->i_mtime = clamp_time(inode, epoch);
    inode->i_atime = inode->i_ctime = inode->i_mtime;
    inode->i_dtime = 0;
    inode->i_generation = 0;
    inode->i_uid = inode->i_gid = 0;
    inode->osd2.linux2.l_i_uid_high = inode->osd2.linux2.l_i_gid_high = 0;
    if (has_extra) {
        large->i_ctime_extra = large->i_mtime_extra = large->i_atime_extra = 0;
        large->i_crtime = epoch;
        large->i_crtime_extra = 0;
    }
}

static errcode_t normalise_inodes(ext2_filsys fs, unsigned epoch)
{
    ext2_inode_scan scan;
    ext2_ino_t ino;
    struct ext2_inode_large large;
    int size = EXT2_INODE_SIZE(fs->super);
    int has_extra = size >= (int)sizeof large;
    errcode_t err = ext2fs_open_inode_scan(fs, 0, &scan);

    if (size > (int)sizeof large) size = sizeof large; /* what follows in the inode (attributes) stays as it is */
    while (!err && !(err = ext2fs_get_next_inode_full(scan, &ino, (struct ext2_inode *)&large, size)) && ino) {
        if (!large.i_links_count && ino != EXT2_BAD_INO) continue;
        normalise_inode(&large, epoch, has_extra);
        err = ext2fs_write_inode_full(fs, ino, (struct ext2_inode *)&large, size);
    }
    ext2fs_close_inode_scan(scan);
    return err;
}

static int own_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *dirent, int offset, int blocksize, char *buf,
                     void *private)
{
    (void)dir, (void)offset, (void)blocksize, (void)buf;
    if (entry != DIRENT_OTHER_FILE) return 0;
    return own_tree(private, dirent->inode) ? DIRENT_ABORT : 0;
}

static errcode_t own_tree(struct walk *walk, ext2_ino_t ino)
{
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(walk->fs, ino, &inode);

    if (err) return err;
    inode.i_uid = walk->owner->uid & 0xffff;
    inode.i_gid = walk->owner->gid & 0xffff;
    inode.osd2.linux2.l_i_uid_high = walk->owner->uid >> 16;
    inode.osd2.linux2.l_i_gid_high = walk->owner->gid >> 16;
    err = ext2fs_write_inode(walk->fs, ino, &inode);
    if (err || !LINUX_S_ISDIR(inode.i_mode)) return err;
    if (walk->depth == MAX_DEPTH) return ELOOP;
    walk->depth++;
    err = ext2fs_dir_iterate2(walk->fs, ino, 0, NULL, own_entry, walk);
    walk->depth--;
    return err;
}

static errcode_t own(ext2_filsys fs, const struct owner *owner)
{
    struct walk walk = {.fs = fs, .owner = owner};
    ext2_ino_t ino;
    errcode_t err = ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, owner->path, &ino);

    return err ? err : own_tree(&walk, ino);
}

static void normalise_superblock(ext2_filsys fs, unsigned epoch)
{
    struct ext2_super_block *super = fs->super;

    super->s_mkfs_time = super->s_lastcheck = super->s_wtime = epoch;
    super->s_mtime = 0;
    super->s_mkfs_time_hi = super->s_lastcheck_hi = super->s_wtime_hi = super->s_mtime_hi = 0;
    super->s_kbytes_written = 0;
    super->s_mnt_count = 0;
    memset(super->s_last_mounted, 0, sizeof super->s_last_mounted);
    fs->now = epoch; /* libext2fs writes this as s_wtime when it closes the file system */
    ext2fs_mark_super_dirty(fs);
    fs->flags &= ~EXT2_FLAG_MASTER_SB_ONLY; /* the backups too */
}

static int parse_owner(const char *arg, struct owner *owner)
{
    int used = 0;

    if (sscanf(arg, "%u:%u:%n", &owner->uid, &owner->gid, &used) != 2 || arg[used] != '/') return -1;
    owner->path = arg + used;
    return 0;
}

static int normalise(ext2_filsys fs, unsigned epoch, char **owners)
{
    struct owner owner;
    errcode_t err = normalise_inodes(fs, epoch);

    if (err) return complain("cannot rewrite the inodes", err);
    for (; *owners; owners++) {
        if (parse_owner(*owners, &owner)) return complain(*owners, EINVAL);
        err = own(fs, &owner);
        if (err) return complain(owner.path, err);
    }
    normalise_superblock(fs, epoch);
    return 0;
}

int main(int argc, char **argv)
{
    ext2_filsys fs;
    errcode_t err;
    int status;

    initialize_ext2_error_table();
    if (argc < 3) {
        fprintf(stderr, "usage: ext2norm IMAGE EPOCH [UID:GID:PATH]...\n");
        return 2;
    }
    err = ext2fs_open(argv[1], EXT2_FLAG_RW, 0, 0, unix_io_manager, &fs);
    if (err) return complain(argv[1], err);
    status = normalise(fs, (unsigned)strtoul(argv[2], NULL, 10), argv + 3);
    err = ext2fs_close_free(&fs);
    return err ? complain(argv[1], err) : status;
}
