// Names in an image: directories (kernel Documentation/filesystems/ext4/directory.rst) and links. The index of a large
// directory lies in blocks that look like empty ones, so that names are found without it.
#include "vfs/ext2_internal.h"
#include <string.h>

// What a directory may take at most: a million names and more. Each look for a name that is not known may read it all.
enum { DIRECTORY_MAX = 64 << 20, INLINE_PARENT = 4 };

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

// Of an entry in the largest blocks two more bits are kept in the lowest (ext4_rec_len_from_disk).
static uint32_t entry_size(const struct ext2 *e, uint32_t kept)
{
    if (e->block_size < 65536) return kept;
    return kept == 65535 || kept == 0 ? e->block_size : (kept & 65532) | (kept & 3) << 16;
}

// One entry at p, with `left` bytes of the block from there: its length, or -LX_EIO. inode u32, rec_len u16, name_len
// u8, type u8, name.
static int parse_entry(struct ext2 *e, const uint8_t *p, uint32_t left, lower_entry *sink, void *ctx)
{
    bool has_type = ext2fs_has_feature_filetype(e->fs->super);
    if (left < 8) return -LX_EIO;
    uint32_t ino = ext2_le32(p), rec = entry_size(e, ext2_le16(p + 4)), len = p[6], type = p[7];
    if (rec < 8 || rec & 3 || rec > left || len + 8 > rec) return ext2_damaged(e, "a directory is corrupt");
    if (ino == 0) return (int)rec;
    const char *name = (const char *)p + 8;
    if (ino > e->inodes || !name_ok(name, len) || (!has_type && type != 0))
        return ext2_damaged(e, "a directory is corrupt");
    if (is_dots(name, len)) return (int)rec;
    int err = sink(ctx, name, len, ino, has_type ? dt_of(type) : LX_DT_UNKNOWN);
    return err ? err : (int)rec;
}

static int parse_entries(struct ext2 *e, const uint8_t *p, uint32_t bytes, lower_entry *sink, void *ctx)
{
    for (uint32_t off = 0; off < bytes;) {
        int n = parse_entry(e, p + off, bytes - off, sink, ctx);
        if (n < 0) return n;
        off += (uint32_t)n;
    }
    return 0;
}

// The number of the parent, entries up to the end of i_block, and entries in the attribute.
static int inline_entries(struct ext2 *e, struct ext2_node *n, lower_entry *sink, void *ctx)
{
    uint8_t *bytes = kmem_new(e->lower.vfs, e->inode_size);
    if (!bytes) return -LX_ENOMEM;
    int have = ext2_inline(e, n, bytes), err = have < 0 ? have : 0;
    if (!err && n->size > (uint64_t)have) err = -LX_EIO;
    if (!err) err = parse_entries(e, bytes + INLINE_PARENT, EXT2_MAP_BYTES - INLINE_PARENT, sink, ctx);
    if (!err) err = parse_entries(e, bytes + EXT2_MAP_BYTES, (uint32_t)have - EXT2_MAP_BYTES, sink, ctx);
    kmem_free(e->lower.vfs, bytes, e->inode_size);
    return err;
}

// Block k of them; those that follow it in the image will be wanted next.
static int find_ahead(struct ext2 *e, struct ext2_node *n, uint64_t k, uint64_t blocks)
{
    const struct ext2_run *r = &n->run;
    bool known = k >= r->logical && k - r->logical < r->count;
    int err = ext2_find(e, n, k);
    if (err || (known && k > 0) || !r->physical) return err;
    uint64_t skip = k - r->logical, count = r->count - skip < blocks - k ? r->count - skip : blocks - k;
    if (count > 1) blockdev_ahead(e->dev, (r->physical + skip) * e->block_size, count * e->block_size);
    return 0;
}

int ext2_entries(struct lower *l, void *node, lower_entry *sink, void *ctx)
{
    struct ext2 *e = (struct ext2 *)l;
    struct ext2_node *n = node;
    if (n->flags & EXT4_INLINE_DATA_FL) return inline_entries(e, n, sink, ctx);
    uint64_t blocks = n->size / e->block_size;
    if (blocks > DIRECTORY_MAX / e->block_size || blocks > e->blocks)
        return ext2_damaged(e, "directory %u is too large", n->ino);
    ext2_ahead_directory(e, n);
    for (uint64_t k = 0; k < blocks; k++) {
        int err = find_ahead(e, n, k, blocks);
        if (!err && !n->run.physical) err = ext2_damaged(e, "directory %u has a hole", n->ino);
        const uint8_t *b;
        if (!err) err = ext2_meta(e, n->run.physical + (k - n->run.logical), EXT2_DIRECTORY, n, &b);
        if (!err) err = parse_entries(e, b, e->block_size, sink, ctx);
        if (err) return err;
    }
    if (e->dev->ops->hint && n != &e->libraries) e->scanned = *n;
    return 0;
}

// ---------------------------------------------------------------- links

static int take_target(const struct ext2_node *n, const void *text, size_t have, char *buf, size_t size)
{
    if (n->size > have || n->size > size || memchr(text, 0, n->size)) return -LX_EIO;
    memcpy(buf, text, n->size);
    return (int)n->size;
}

static int inline_target(struct ext2 *e, struct ext2_node *n, char *buf, size_t size)
{
    uint8_t *bytes = kmem_new(e->lower.vfs, e->inode_size);
    if (!bytes) return -LX_ENOMEM;
    int have = ext2_inline(e, n, bytes);
    int got = have < 0 ? have : take_target(n, bytes, (size_t)have, buf, size);
    kmem_free(e->lower.vfs, bytes, e->inode_size);
    return got;
}

int ext2_target(struct lower *l, void *node, char *buf, size_t size)
{
    struct ext2 *e = (struct ext2 *)l;
    struct ext2_node *n = node;
    char text[VFS_PATH_MAX];
    if (n->flags & EXT4_INLINE_DATA_FL) return inline_target(e, n, buf, size);
    if (n->size < EXT2_MAP_BYTES) return take_target(n, n->map, EXT2_MAP_BYTES, buf, size);
    if (n->size > sizeof text || n->size > e->block_size) return -LX_EIO;
    int err = ext2_read(e, n, 0, text, n->size);
    return err ? err : take_target(n, text, n->size, buf, size);
}
