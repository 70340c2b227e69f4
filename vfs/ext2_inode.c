// Inodes of an image: read through libext2fs, which knows where they are and proves their checksums; what they say is
// checked here (kernel Documentation/filesystems/ext4/inodes.rst).
#include "vfs/ext2_internal.h"
#include <string.h>

const struct ext2_inode_large *ext2_read_inode(struct ext2 *e, uint64_t ino)
{
    struct ext2_inode_large *in = (struct ext2_inode_large *)(void *)e->inode;
    if (ino == 0 || ino > e->inodes) return NULL;
    errcode_t err = ext2fs_read_inode_full(e->fs, (ext2_ino_t)ino, (struct ext2_inode *)in, (int)e->inode_size);
    if (err == EXT2_ET_INODE_CSUM_INVALID)
        ext2_damaged(e, "the checksum of inode %llu is wrong", (unsigned long long)ino);
    return err ? NULL : in;
}

// ---------------------------------------------------------------- what it says

static struct vtime time_of(uint32_t sec, uint32_t extra, bool has_extra)
{
    struct vtime t = {(int32_t)sec, 0};
    if (!has_extra) return t;
    t.sec += (int64_t)(extra & 3) << 32; // two more bits of the epoch, then nanoseconds (ext4/inodes.rst)
    t.nsec = extra >> 2;
    if (t.nsec > 999999999) t.nsec = 0;
    return t;
}

// Does the inode have the part of its large half that ends at this offset?
static bool reaches(const struct ext2_inode_large *in, size_t size, size_t end)
{
    return size > 128 && in->i_extra_isize >= 4 && 128u + in->i_extra_isize >= end && end <= size;
}

static void times_of(const struct ext2_inode_large *in, size_t size, struct lower_attr *a)
{
    bool c = reaches(in, size, offsetof(struct ext2_inode_large, i_mtime_extra)); // the fields follow one another
    bool m = reaches(in, size, offsetof(struct ext2_inode_large, i_atime_extra));
    bool at = reaches(in, size, offsetof(struct ext2_inode_large, i_crtime));
    bool birth = reaches(in, size, offsetof(struct ext2_inode_large, i_version_hi));
    a->ctime = time_of(in->i_ctime, in->i_ctime_extra, c);
    a->mtime = time_of(in->i_mtime, in->i_mtime_extra, m);
    a->atime = time_of(in->i_atime, in->i_atime_extra, at);
    a->btime = birth ? time_of(in->i_crtime, in->i_crtime_extra, true) : a->ctime;
}

static uint32_t rdev_of(const struct ext2_inode_large *in)
{
    uint32_t old = in->i_block[0];
    return old ? vfs_makedev(old >> 8 & 0xff, old & 0xff) : in->i_block[1]; // the new encoding is stat's own
}

static uint64_t blocks_of(const struct ext2 *e, const struct ext2_inode_large *in)
{
    uint64_t n = in->i_blocks | (uint64_t)in->osd2.linux2.l_i_blocks_hi << 32;
    return in->i_flags & EXT4_HUGE_FILE_FL ? n * (e->block_size / 512) : n;
}

static uint64_t size_of(const struct ext2_inode_large *in)
{
    uint32_t kind = in->i_mode & LX_S_IFMT;
    bool high = kind == LX_S_IFREG || kind == LX_S_IFDIR;
    return in->i_size | (high ? (uint64_t)in->i_size_high << 32 : 0);
}

static bool inode_sane(const struct ext2_inode_large *in, uint64_t size)
{
    uint32_t odd = EXT4_ENCRYPT_FL | EXT4_CASEFOLD_FL | EXT2_COMPRBLK_FL | EXT4_EA_INODE_FL | EXT4_VERITY_FL;
    if (!mode_known(in->i_mode) || in->i_links_count == 0 || in->i_flags & odd || size > INT64_MAX) return false;
    if ((in->i_mode & LX_S_IFMT) == LX_S_IFLNK) return size > 0 && size < VFS_PATH_MAX;
    return (in->i_mode & LX_S_IFMT) != LX_S_IFREG || size <= (uint64_t)UINT32_MAX << 12;
}

void ext2_fill_node(const struct ext2 *e, uint64_t ino, const struct ext2_inode_large *in, struct ext2_node *n)
{
    uint32_t number = (uint32_t)ino;
    *n = (struct ext2_node){
        .ino = number, .mode = in->i_mode, .flags = in->i_flags, .size = size_of(in), .xattrs = ext2_has_xattrs(e, in)};
    memcpy(n->map, in->i_block, sizeof n->map);
    if (e->sums) n->seed = ext2_crc(ext2_crc(e->fs->csum_seed, &number, 4), &in->i_generation, 4);
}

int ext2_inode_load(struct lower *l, uint64_t ino, struct lower_attr *a, void **node)
{
    struct ext2 *e = (struct ext2 *)l;
    if (ino != EXT2_ROOT_INO && ino < EXT2_FIRST_INO(e->fs->super)) return -LX_EIO;
    const struct ext2_inode_large *in = ext2_read_inode(e, ino);
    if (!in) return -LX_EIO;
    if (!inode_sane(in, size_of(in))) return ext2_damaged(e, "inode %llu is corrupt", (unsigned long long)ino);
    *a = (struct lower_attr){.mode = in->i_mode,
                             .nlink = in->i_links_count,
                             .uid = in->i_uid | (uint32_t)in->osd2.linux2.l_i_uid_high << 16,
                             .gid = in->i_gid | (uint32_t)in->osd2.linux2.l_i_gid_high << 16,
                             .size = size_of(in),
                             .blocks = blocks_of(e, in)};
    times_of(in, e->inode_size, a);
    uint32_t kind = a->mode & LX_S_IFMT;
    if (kind == LX_S_IFCHR || kind == LX_S_IFBLK) a->rdev = rdev_of(in);
    struct ext2_node *n = kmem_new(l->vfs, sizeof *n);
    if (!n) return -LX_ENOMEM;
    ext2_fill_node(e, ino, in, n);
    *node = n;
    return 0;
}

// ---------------------------------------------------------------- data inside it

// Behind i_block it goes on in an attribute (inlinedata.rst).
int ext2_inline(struct ext2 *e, const struct ext2_node *n, uint8_t *to)
{
    const uint8_t *rest = NULL;
    size_t more;
    const struct ext2_inode_large *in = ext2_read_inode(e, n->ino);
    if (!in || ext2_inline_rest(e, in, &rest, &more)) return -LX_EIO;
    if (EXT2_MAP_BYTES + more > e->inode_size) return -LX_EIO;
    memcpy(to, in->i_block, EXT2_MAP_BYTES);
    if (more) memcpy(to + EXT2_MAP_BYTES, rest, more);
    return EXT2_MAP_BYTES + (int)more;
}
