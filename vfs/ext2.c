// The lower source of the root: an ext2, ext3 or ext4 image, only read, through libext2fs with an io_manager over our
// block device.
//
// The image is hostile. libext2fs checks the structures it parses; what it gives is checked again here: inode numbers,
// block numbers, sizes, names. Directory blocks are parsed here. Every loop is bounded by a constant or by the device's
// size. Anything wrong is -LX_EIO.
#include "vfs/ext2.h"
#include "vfs/internal.h"
#include "vfs/memfs.h"
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIR_BLOCKS = 1 << 16, MAX_BLOCK = 4096, PAGE = 4096 };

// A part of a file's block map, as the image has it: where the blocks from `first` on are.
struct block_table {
    ext2_ino_t ino; // 0: none
    uint64_t first;
    uint8_t entries[MAX_BLOCK];
};

struct ext2 {
    struct lower lower; // first
    struct blockdev *dev;
    ext2_filsys fs;
    uint32_t block_size;
    uint64_t blocks, free_blocks, inodes, free_inodes;
    struct block_table table; // used last
};

struct ext2_node {
    ext2_ino_t ino;
    uint64_t size;
    struct ext2_inode inode; // the first 128 bytes: what finding blocks needs
};

// ---------------------------------------------------------------- libext2fs's way to the device

// libext2fs reads a file's extent blocks anew for each block that is asked for: a few of what it reads are kept. The
// image does not change while it is open.
enum { KEPT = 8 };
struct reader {
    struct blockdev *dev;
    uint64_t block[KEPT]; // 0: none; what is kept there is block % KEPT
    uint8_t bytes[KEPT][MAX_BLOCK];
};

static const struct struct_io_manager blockdev_io;

static errcode_t io_open(const char *name, int flags, io_channel *out)
{
    void *dev = NULL;
    (void)flags;
    if (sscanf(name, "%p", &dev) != 1 || !dev) return EXT2_ET_BAD_DEVICE_NAME;
    io_channel c = calloc(1, sizeof *c);
    struct reader *r = calloc(1, sizeof *r);
    if (!c || !r) {
        free(c);
        free(r);
        return EXT2_ET_NO_MEMORY;
    }
    r->dev = dev;
    c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    c->block_size = 1024;
    c->refcount = 1;
    c->manager = (io_manager)(uintptr_t)&blockdev_io; // libext2fs takes it writable but only reads it
    c->private_data = r;
    *out = c;
    return 0;
}

static errcode_t io_close(io_channel c)
{
    if (--c->refcount > 0) return 0;
    free(c->private_data);
    free(c);
    return 0;
}

static errcode_t io_set_blksize(io_channel c, int size)
{
    struct reader *r = c->private_data;
    c->block_size = size;
    memset(r->block, 0, sizeof r->block);
    return 0;
}

static errcode_t read_one(io_channel c, uint64_t block, uint64_t offset, void *buf)
{
    struct reader *r = c->private_data;
    unsigned at = block % KEPT;
    if (block == 0 || r->block[at] != block) {
        r->block[at] = 0;
        if (blockdev_read(r->dev, offset, r->bytes[at], (uint64_t)c->block_size)) return EXT2_ET_SHORT_READ;
        r->block[at] = block;
    }
    memcpy(buf, r->bytes[at], (size_t)c->block_size);
    return 0;
}

// count < 0: bytes.
static errcode_t io_read(io_channel c, unsigned long long block, int count, void *buf)
{
    const struct reader *r = c->private_data;
    uint64_t offset, n = count < 0 ? (uint64_t) - (int64_t)count : (uint64_t)count * (uint64_t)c->block_size;
    if (__builtin_mul_overflow(block, (uint64_t)c->block_size, &offset)) return EXT2_ET_SHORT_READ;
    if (count == 1 && n <= MAX_BLOCK) return read_one(c, block, offset, buf);
    return blockdev_read(r->dev, offset, buf, n) ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t io_read32(io_channel c, unsigned long block, int count, void *buf)
{
    return io_read(c, block, count, buf);
}

static errcode_t io_write(io_channel c, unsigned long block, int count, const void *buf)
{
    (void)c, (void)block, (void)count, (void)buf;
    return EXT2_ET_RO_FILSYS;
}

static errcode_t io_flush(io_channel c)
{
    (void)c;
    return 0;
}

static const struct struct_io_manager blockdev_io = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "belljar block device",
    .open = io_open,
    .close = io_close,
    .set_blksize = io_set_blksize,
    .read_blk = io_read32,
    .write_blk = io_write,
    .flush = io_flush,
    .read_blk64 = io_read,
};

// ---------------------------------------------------------------- blocks

static uint32_t le16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}
static uint32_t le32(const uint8_t *p)
{
    return le16(p) | le16(p + 2) << 16;
}

static bool in_table(const struct ext2 *e, const struct ext2_node *n, uint64_t logical)
{
    return e->table.ino == n->ino && logical >= e->table.first && logical - e->table.first < e->block_size / 4;
}

// libext2fs copies a whole block of pointers for each that is asked for; programs are mapped by hundreds of pages. So
// the block of pointers for `logical` is kept, if it is the indirect one or below the doubly indirect one (ext2.rst,
// "The i_block array"). Whatever is odd is left to libext2fs.
static bool load_table(struct ext2 *e, const struct ext2_node *n, uint64_t logical)
{
    struct block_table *t = &e->table;
    uint64_t per = e->block_size / 4, from = logical - EXT2_NDIR_BLOCKS, at = n->inode.i_block[EXT2_IND_BLOCK];
    t->ino = 0;
    if (logical < EXT2_NDIR_BLOCKS || n->inode.i_flags & EXT4_EXTENTS_FL || from >= per + per * per) return false;
    if (from >= per) {
        uint32_t top = n->inode.i_block[EXT2_DIND_BLOCK];
        if (!top || top >= e->blocks || io_channel_read_blk64(e->fs->io, top, 1, t->entries)) return false;
        at = le32(t->entries + (from - per) / per * 4);
    }
    if (!at || at >= e->blocks || io_channel_read_blk64(e->fs->io, at, 1, t->entries)) return false;
    t->ino = n->ino;
    t->first = EXT2_NDIR_BLOCKS + from / per * per;
    return true;
}

// Physical block of a logical one; 0: a hole.
static int map_block(struct ext2 *e, struct ext2_node *n, uint64_t logical, uint64_t *physical)
{
    if (in_table(e, n, logical) || load_table(e, n, logical)) {
        *physical = le32(e->table.entries + (logical - e->table.first) * 4);
        return *physical < e->blocks ? 0 : -LX_EIO;
    }
    int flags = 0;
    blk64_t found = 0;
    char scratch[2 * MAX_BLOCK]; // for indirect blocks
    errcode_t err = ext2fs_bmap2(e->fs, n->ino, &n->inode, scratch, 0, logical, &flags, &found);
    if (err) return -LX_EIO;
    if (flags & BMAP_RET_UNINIT) found = 0;
    if (found >= e->blocks) return -LX_EIO;
    *physical = found;
    return 0;
}

static int read_block(struct ext2 *e, uint64_t physical, void *buf)
{
    return blockdev_read(e->dev, physical * e->block_size, buf, e->block_size);
}

// ---------------------------------------------------------------- inodes

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

static uint64_t blocks_of(struct ext2 *e, const struct ext2_inode_large *in)
{
    uint64_t n = in->i_blocks | (uint64_t)in->osd2.linux2.l_i_blocks_hi << 32;
    return in->i_flags & EXT4_HUGE_FILE_FL ? n * (e->block_size / 512) : n;
}

static bool kind_known(uint32_t mode)
{
    switch (mode & LX_S_IFMT) {
    case LX_S_IFREG:
    case LX_S_IFDIR:
    case LX_S_IFLNK:
    case LX_S_IFCHR:
    case LX_S_IFBLK:
    case LX_S_IFIFO:
    case LX_S_IFSOCK:
        return true;
    }
    return false;
}

static bool inode_sane(const struct ext2_inode_large *in, uint64_t size)
{
    uint32_t odd = EXT4_ENCRYPT_FL | EXT4_INLINE_DATA_FL | EXT4_CASEFOLD_FL | EXT2_COMPRBLK_FL;
    if (!kind_known(in->i_mode) || in->i_links_count == 0 || in->i_flags & odd || size > INT64_MAX) return false;
    if ((in->i_mode & LX_S_IFMT) == LX_S_IFLNK) return size > 0 && size < VFS_PATH_MAX;
    return (in->i_mode & LX_S_IFMT) != LX_S_IFREG || size <= (uint64_t)UINT32_MAX << 12;
}

static int ext2_inode_load(struct lower *l, uint64_t ino, struct lower_attr *a, void **node)
{
    struct ext2 *e = (struct ext2 *)l;
    union {
        struct ext2_inode_large in;
        uint8_t bytes[MAX_BLOCK];
    } u = {0};
    size_t inode_size = EXT2_INODE_SIZE(e->fs->super);
    if (ino > e->inodes || (ino != EXT2_ROOT_INO && ino < EXT2_FIRST_INO(e->fs->super))) return -LX_EIO;
    if (ext2fs_read_inode_full(e->fs, (ext2_ino_t)ino, (struct ext2_inode *)&u.in, (int)inode_size)) return -LX_EIO;
    struct ext2_inode_large *in = &u.in;
    bool has_high = (in->i_mode & LX_S_IFMT) == LX_S_IFREG || (in->i_mode & LX_S_IFMT) == LX_S_IFDIR;
    uint64_t size = in->i_size | (has_high ? (uint64_t)in->i_size_high << 32 : 0);
    if (!inode_sane(in, size)) return -LX_EIO;
    *a = (struct lower_attr){.mode = in->i_mode,
                             .nlink = in->i_links_count,
                             .uid = in->i_uid | (uint32_t)in->osd2.linux2.l_i_uid_high << 16,
                             .gid = in->i_gid | (uint32_t)in->osd2.linux2.l_i_gid_high << 16,
                             .size = size,
                             .blocks = blocks_of(e, in)};
    times_of(in, inode_size, a);
    uint32_t kind = a->mode & LX_S_IFMT;
    if (kind == LX_S_IFCHR || kind == LX_S_IFBLK) a->rdev = rdev_of(in);
    struct ext2_node *n = kmem_new(l->vfs, sizeof *n);
    if (!n) return -LX_ENOMEM;
    n->ino = (ext2_ino_t)ino;
    n->size = size;
    memcpy(&n->inode, in, sizeof n->inode);
    *node = n;
    return 0;
}

static void ext2_forget(struct lower *l, void *node)
{
    kmem_free(l->vfs, node, sizeof(struct ext2_node));
}

// ---------------------------------------------------------------- directories

static unsigned dt_of(unsigned type)
{
    static const uint8_t dt[8] = {LX_DT_UNKNOWN, LX_DT_REG,  LX_DT_DIR,  LX_DT_CHR,
                                  LX_DT_BLK,     LX_DT_FIFO, LX_DT_SOCK, LX_DT_LNK};
    return type < 8 ? dt[type] : LX_DT_UNKNOWN;
}

static bool name_ok(const char *name, size_t len)
{
    return len > 0 && !memchr(name, '/', len) && !memchr(name, 0, len);
}

static bool is_dots(const char *name, size_t len)
{
    return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

// One entry at p, with `left` bytes of the block from there: its length, or -LX_EIO. inode u32, rec_len u16, name_len
// u8, type u8, name.
static int parse_entry(struct ext2 *e, const uint8_t *p, uint32_t left, lower_entry *sink, void *ctx)
{
    bool has_type = ext2fs_has_feature_filetype(e->fs->super);
    if (left < 8) return -LX_EIO;
    uint32_t ino = le32(p), rec = le16(p + 4), len = p[6], type = p[7];
    if (rec < 8 || rec & 3 || rec > left || len + 8 > rec) return -LX_EIO;
    if (ino == 0) return (int)rec;
    const char *name = (const char *)p + 8;
    if (ino > e->inodes || !name_ok(name, len) || (!has_type && type != 0)) return -LX_EIO;
    if (is_dots(name, len)) return (int)rec;
    int err = sink(ctx, name, len, ino, has_type ? dt_of(type) : LX_DT_UNKNOWN);
    return err ? err : (int)rec;
}

static int parse_block(struct ext2 *e, const uint8_t *block, lower_entry *sink, void *ctx)
{
    for (uint32_t off = 0; off < e->block_size;) {
        int n = parse_entry(e, block + off, e->block_size - off, sink, ctx);
        if (n < 0) return n;
        off += (uint32_t)n;
    }
    return 0;
}

static int ext2_entries(struct lower *l, void *node, lower_entry *sink, void *ctx)
{
    struct ext2 *e = (struct ext2 *)l;
    struct ext2_node *n = node;
    uint8_t block[MAX_BLOCK];
    uint64_t blocks = n->size / e->block_size, physical;
    if (blocks > MAX_DIR_BLOCKS || blocks > e->blocks) return -LX_EIO;
    for (uint64_t k = 0; k < blocks; k++) {
        int err = map_block(e, n, k, &physical);
        if (!err && !physical) err = -LX_EIO;
        // Through what libext2fs reads with, which keeps some: names are sought one by one.
        if (!err && io_channel_read_blk64(e->fs->io, physical, 1, block)) err = -LX_EIO;
        if (!err) err = parse_block(e, block, sink, ctx);
        if (err) return err;
    }
    return 0;
}

static int ext2_target(struct lower *l, void *node, char *buf, size_t size)
{
    struct ext2 *e = (struct ext2 *)l;
    struct ext2_node *n = node;
    uint8_t block[MAX_BLOCK];
    const char *text = (const char *)n->inode.i_block;
    size_t room = sizeof n->inode.i_block;
    if (!ext2fs_is_fast_symlink(&n->inode)) {
        uint64_t physical;
        int err = map_block(e, n, 0, &physical);
        if (!err) err = physical ? read_block(e, physical, block) : -LX_EIO;
        if (err) return err;
        text = (const char *)block;
        room = e->block_size;
    }
    if (n->size > room || n->size > size || memchr(text, 0, n->size)) return -LX_EIO;
    memcpy(buf, text, n->size);
    return (int)n->size;
}

// ---------------------------------------------------------------- pages

struct page_blocks {
    uint64_t at[PAGE / 1024];
    unsigned n;
    bool any, together;
};

static int find_blocks(struct ext2 *e, struct ext2_node *n, uint32_t index, struct page_blocks *b)
{
    *b = (struct page_blocks){.n = PAGE / e->block_size, .together = true};
    uint64_t first = (uint64_t)index * b->n;
    for (unsigned k = 0; k < b->n; k++) {
        if ((first + k) * e->block_size >= n->size) {
            if (k > 0 && b->n > 1) b->together = false; // what lies behind the end belongs to others
            break;
        }
        int err = map_block(e, n, first + k, &b->at[k]);
        if (err) return err;
        if (b->at[k]) b->any = true;
        if (k > 0 && b->at[k] != b->at[0] + k) b->together = false;
    }
    if (!b->at[0] || b->at[0] * e->block_size % PAGE) b->together = false;
    return 0;
}

// -LX_EPARK while some of them are not here. All are asked for before we wait.
static int blocks_ready(struct ext2 *e, const struct page_blocks *b)
{
    int result = 0;
    for (unsigned k = 0; k < b->n; k++) {
        if (!b->at[k]) continue;
        struct waitq *wait = NULL;
        int err = e->dev->ops->ready(e->dev, b->at[k] * e->block_size, e->block_size, &wait);
        if (err == -LX_EPARK) e->lower.vfs->park = wait;
        if (err && result != -LX_EIO) result = err;
    }
    return result;
}

static uint32_t bytes_in_page(const struct ext2_node *n, uint32_t index)
{
    uint64_t left = n->size - ((uint64_t)index << 12);
    return left < PAGE ? (uint32_t)left : PAGE;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    while (n > 0 && *p == 0) p++, n--;
    return n == 0;
}

static uint32_t mapped_frame(struct ext2 *e, const struct ext2_node *n, uint32_t index, const struct page_blocks *b)
{
    uint32_t frame = b->together ? e->dev->ops->frame(e->dev, b->at[0] * e->block_size) : 0;
    uint32_t used = bytes_in_page(n, index);
    if (!frame || used == PAGE) return frame;
    uint8_t tail[PAGE]; // must read as zeros
    if (ram_read(e->lower.vfs->ram, frame, used, tail, PAGE - used)) return 0;
    return is_zero(tail, PAGE - used) ? frame : 0;
}

static int read_page(struct ext2 *e, const struct ext2_node *n, uint32_t index, const struct page_blocks *b,
                     uint32_t *frame)
{
    struct ram *ram = e->lower.vfs->ram;
    uint32_t f = ram_alloc(ram, 1, true), used = bytes_in_page(n, index);
    if (!f) return -LX_ENOMEM;
    for (unsigned k = 0; k < b->n; k++) {
        int err = b->at[k] ? read_block(e, b->at[k], ram_ptr(ram, f) + k * e->block_size) : 0;
        if (err) {
            ram_unref(ram, f);
            return err;
        }
    }
    memset(ram_ptr(ram, f) + used, 0, PAGE - used);
    *frame = f;
    return 0;
}

static int ext2_page(struct lower *l, void *node, uint32_t index, uint32_t *frame)
{
    struct ext2 *e = (struct ext2 *)l;
    struct ext2_node *n = node;
    struct page_blocks b;
    *frame = 0;
    if ((uint64_t)index << 12 >= n->size) return 0;
    int err = find_blocks(e, n, index, &b);
    if (err || !b.any) return err;
    err = blocks_ready(e, &b);
    if (err) return err;
    *frame = mapped_frame(e, n, index, &b);
    return *frame ? 0 : read_page(e, n, index, &b, frame);
}

static bool ext2_has_page(struct lower *l, void *node, uint32_t index)
{
    struct page_blocks b;
    struct ext2_node *n = node;
    if ((uint64_t)index << 12 >= n->size) return false;
    return find_blocks((struct ext2 *)l, n, index, &b) != 0 || b.any;
}

// ---------------------------------------------------------------- the file system

static void ext2_statfs(struct lower *l, struct kstatfs *s)
{
    struct ext2 *e = (struct ext2 *)l;
    uint64_t spare = s->bfree * (PAGE / e->block_size); // what is written goes to memory, so that bounds it
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
    blockdev_close(e->dev);
    kmem_free(l->vfs, e, sizeof *e);
}

static const struct lower_ops ext2_lower_ops = {
    .inode = ext2_inode_load,
    .forget = ext2_forget,
    .entries = ext2_entries,
    .target = ext2_target,
    .page = ext2_page,
    .has_page = ext2_has_page,
    .statfs = ext2_statfs,
    .close = ext2_close,
};

static const char *describe(errcode_t err)
{
    switch (err) {
    case EXT2_ET_SHORT_READ:
        return "it is truncated";
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
        return "it has features that are not supported";
    case EXT2_ET_NO_MEMORY:
        return "not enough memory";
    case EXT2_ET_SB_CSUM_INVALID:
        return "the checksum of its superblock is wrong";
    }
    return "its superblock or group descriptors are corrupt";
}

static int open_fs(struct ext2 *e, char *why, size_t why_size)
{
    char name[40];
    snprintf(name, sizeof name, "%p", (void *)e->dev); // the one argument of ext2fs_open2 that reaches io_open
    errcode_t err = ext2fs_open2(name, NULL, EXT2_FLAG_64BITS, 0, 0, (io_manager)(uintptr_t)&blockdev_io, &e->fs);
    if (!err) return 0;
    snprintf(why, why_size, "cannot mount the image: %s", describe(err));
    e->fs = NULL;
    return err == EXT2_ET_NO_MEMORY ? -LX_ENOMEM : -LX_EINVAL;
}

static int refuse(struct blockdev *dev, int err, const char *reason, char *why, size_t why_size)
{
    snprintf(why, why_size, "cannot mount the image: %s", reason);
    blockdev_close(dev);
    return err;
}

int extfs_new(struct vfs *v, struct blockdev *dev, struct fs **out, char *why, size_t why_size)
{
    struct ext2_info info;
    ext2_info(dev, &info);
    if (!info.mountable) return refuse(dev, -LX_EINVAL, info.why, why, why_size);
    struct ext2 *e = kmem_new(v, sizeof *e);
    if (!e) return refuse(dev, -LX_ENOMEM, "not enough memory", why, why_size);
    *e = (struct ext2){.dev = dev,
                       .block_size = info.block_size,
                       .blocks = info.blocks,
                       .free_blocks = info.free_blocks,
                       .inodes = info.inodes,
                       .free_inodes = info.free_inodes};
    e->lower = (struct lower){&ext2_lower_ops, v, EXT2_ROOT_INO, info.inodes};
    int err = open_fs(e, why, why_size);
    if (err) {
        ext2_close(&e->lower);
        return err;
    }
    err = memfs_new(v, "ext2", &e->lower, 0, 0, out);
    if (err) {
        snprintf(why, why_size, "cannot mount the image: its root directory is corrupt");
        return err;
    }
    (*out)->mount_flags = MOUNT_NOATIME;
    return 0;
}
