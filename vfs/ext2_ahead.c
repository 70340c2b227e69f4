// What is likely to be needed soon, told to a device whose data comes from far away (blockdev_hint), where each wait
// for one thing after the other counts: the inodes in use of a small image, the directories in a directory, all of a
// small file, the pointers to a large one's blocks. Programs: ext2_ahead_elf.c. Nothing here waits, and nothing of it
// has to be right.
#include "vfs/ext2_internal.h"
#include <string.h>

enum {
    FIRST = 128 << 10,
    TABLES = 1 << 20,
    SMALL = 8, // blocks of a directory whose directories may be needed
    CHILDREN = 64,
    CHILD_BYTES = 1 << 16,
    FILE_BYTES = 256 << 10, // all of a smaller file is asked for
    LIBRARY = 2 << 20,      // of a smaller file the end, too
    NEAR = 64 << 10,
    EXTENTS = 4 // that an inode has room for
};

// Behind the first inode tables (flex_bg: several, side by side) lie the root directory and what was made next.
static void ahead_first(struct ext2 *e)
{
    blk64_t end = ext2fs_inode_table_loc(e->fs, 0) + e->fs->inode_blocks_per_group;
    for (dgrp_t g = 1; g < e->fs->group_desc_count && ext2fs_inode_table_loc(e->fs, g) == end; g++)
        end += e->fs->inode_blocks_per_group;
    if (end < e->blocks) blockdev_ahead(e->dev, end * e->block_size, FIRST);
}

// The used parts of the inode tables, from the first on.
void ext2_ahead_open(struct ext2 *e)
{
    uint32_t per = EXT2_INODES_PER_GROUP(e->fs->super);
    uint64_t left = TABLES;
    if (!e->dev->ops->hint) return;
    ahead_first(e);
    for (dgrp_t g = 0; g < e->fs->group_desc_count && left; g++) {
        uint32_t unused = ext2fs_bg_free_inodes_count(e->fs, g);
        uint64_t n = unused < per ? (uint64_t)(per - unused) * e->inode_size : 0;
        if (n > left) n = left;
        blockdev_hint(e->dev, ext2fs_inode_table_loc(e->fs, g) * e->block_size, n);
        left -= n;
    }
}

// ---------------------------------------------------------------- what is here

static bool block_is_here(struct ext2 *e, uint64_t block)
{
    return !block || !e->dev->ops->ready(e->dev, block * e->block_size, e->block_size, NULL);
}

// The leaves that the inode names: of trees that are deeper, or reach beyond 2^32 blocks, nothing is said.
static uint64_t leaf_of(const struct ext2_node *n, unsigned i)
{
    const uint8_t *entry = n->map + 12 + 12 * i;
    bool known = ext2_le16(n->map + 6) == 1 && i < ext2_le16(n->map + 2) && i < EXTENTS && !ext2_le16(entry + 8);
    return known ? ext2_le32(entry + 4) : 0;
}

static bool leaves_are_here(struct ext2 *e, const struct ext2_node *n)
{
    uint64_t leaf;
    if (ext2_le16(n->map + 6) > 1) return false;
    for (unsigned i = 0; (leaf = leaf_of(n, i)); i++)
        if (!block_is_here(e, leaf)) return false;
    return true;
}

// Can ext2_find say where a block is, without waiting?
bool ext2_can_find(struct ext2 *e, const struct ext2_node *n, uint64_t logical)
{
    uint32_t per = e->block_size / 4;
    uint8_t once[4];
    if (n->flags & EXT4_EXTENTS_FL) return leaves_are_here(e, n);
    if (logical < EXT2_NDIR_BLOCKS) return true;
    logical -= EXT2_NDIR_BLOCKS;
    if (logical < per) return block_is_here(e, ext2_le32(n->map + 4 * EXT2_IND_BLOCK));
    logical -= per;
    uint64_t twice = ext2_le32(n->map + 4 * EXT2_DIND_BLOCK);
    if (logical / per >= per || !twice || !block_is_here(e, twice)) return false;
    if (blockdev_read(e->dev, twice * e->block_size + 4 * (logical / per), once, sizeof once)) return false;
    return block_is_here(e, ext2_le32(once));
}

// ---------------------------------------------------------------- directories

struct children {
    uint64_t ino[CHILDREN];
    unsigned n;
};

static int note_child(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    struct children *c = ctx;
    (void)name, (void)len;
    if (dt != LX_DT_DIR) return 0;
    if (c->n == CHILDREN) return -LX_E2BIG; // most of so many are not needed
    c->ino[c->n++] = ino;
    return 0;
}

bool ext2_inode_is_here(const struct ext2 *e, uint64_t ino)
{
    uint32_t per = EXT2_INODES_PER_GROUP(e->fs->super);
    uint64_t group = (ino - 1) / per;
    if (group >= e->fs->group_desc_count) return false;
    uint64_t at = ext2fs_inode_table_loc(e->fs, (dgrp_t)group) * e->block_size + (ino - 1) % per * e->inode_size;
    return !e->dev->ops->ready(e->dev, at, e->inode_size, NULL);
}

// These come before guesses, but cost a request each: what is below a directory that was looked through is often next.
static void ahead_child(struct ext2 *e, uint64_t ino)
{
    struct ext2_node n;
    const struct ext2_inode_large *in = ext2_read_inode(e, ino);
    if (!in) return;
    ext2_fill_node(e, ino, in, &n);
    bool deep = n.flags & EXT4_EXTENTS_FL && ext2_le16(n.map + 6); // its extents lie in blocks of their own
    uint64_t blocks = (n.size < CHILD_BYTES ? n.size : CHILD_BYTES) / e->block_size;
    if (n.flags & EXT4_INLINE_DATA_FL || deep) return;
    for (uint64_t k = 0; k < blocks && ext2_can_find(e, &n, k) && !ext2_find(e, &n, k) && n.run.physical; k++)
        blockdev_ahead(e->dev, (n.run.physical + k - n.run.logical) * e->block_size, e->block_size);
}

void ext2_ahead_below(struct ext2 *e)
{
    unsigned left = 0;
    for (unsigned i = 0; i < e->nbelow; i++)
        if (ext2_inode_is_here(e, e->below[i]))
            ahead_child(e, e->below[i]);
        else
            e->below[left++] = e->below[i];
    e->nbelow = left;
}

void ext2_ahead_directory(struct ext2 *e, struct ext2_node *n)
{
    struct children c = {.n = 0};
    if (!e->dev->ops->hint || n->ahead || n->size > SMALL * e->block_size) return;
    n->ahead = true;
    if (ext2_entries(&e->lower, n, note_child, &c)) return; // too many, too
    for (unsigned i = 0; i < c.n && e->nbelow < EXT2_BELOW; i++) e->below[e->nbelow++] = (ext2_ino_t)c.ino[i];
    ext2_ahead_below(e);
}

// ---------------------------------------------------------------- files

static void ahead_block(struct ext2 *e, uint64_t block)
{
    if (block) blockdev_ahead(e->dev, block * e->block_size, e->block_size);
}

// Block pointers and extents that the inode itself names.
static void ahead_pointers(struct ext2 *e, const struct ext2_node *n)
{
    uint64_t blocks = n->size / e->block_size, leaf;
    if (n->flags & EXT4_EXTENTS_FL) {
        for (unsigned i = 0; (leaf = leaf_of(n, i)); i++) ahead_block(e, leaf);
        return;
    }
    if (blocks > EXT2_NDIR_BLOCKS) ahead_block(e, ext2_le32(n->map + 4 * EXT2_IND_BLOCK));
    if (blocks > EXT2_NDIR_BLOCKS + e->block_size / 4) ahead_block(e, ext2_le32(n->map + 4 * EXT2_DIND_BLOCK));
}

// Its first page, at `at` of the device, is about to be waited for: who needs that mostly needs more of a small file,
// and of a larger one the end as well: a library's data is there.
void ext2_ahead_file(struct ext2 *e, const struct ext2_node *n, uint64_t at)
{
    uint64_t all = n->size + n->size / 1024;
    if (!e->dev->ops->hint || e->dev->ops->frame(e->dev, at & ~4095ull)) return;
    e->cold = true;
    blockdev_ahead(e->dev, at, all < FILE_BYTES ? all : NEAR);
    ahead_pointers(e, n);
    if (all >= FILE_BYTES && all < LIBRARY) blockdev_ahead(e->dev, at + all - NEAR, NEAR);
}
