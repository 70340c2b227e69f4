// Where a file's blocks are: extents (kernel Documentation/filesystems/ext4/ifork.rst), or pointers and blocks of
// pointers (blockmap.rst). What is found is a run, kept in the node: most of what is asked for next lies in it.
#include <string.h>
#include "vfs/ext2_internal.h"

enum { EXTENT_MAGIC = 0xf30a, EXTENT_ENTRY = 12, EXTENT_DEPTH = 5, UNWRITTEN = 32768 };

static bool usable(const struct ext2 *e, uint64_t physical, uint64_t count)
{
    return physical > e->fs->super->s_first_data_block && physical < e->blocks && count <= e->blocks - physical;
}

static int corrupt(struct ext2 *e, const struct ext2_node *n)
{
    return ext2_damaged(e, "the block map of inode %u is corrupt", n->ino);
}

static int hole(struct ext2_node *n, uint64_t logical, uint64_t end)
{
    n->run = (struct ext2_run){logical, end - logical, 0};
    return 0;
}

// ---------------------------------------------------------------- extents

struct level {
    const uint8_t *entries; // of the node that is looked at
    uint32_t n, depth;
    uint64_t end; // blocks from here on are not below it
};

static bool enter(struct level *l, const uint8_t *node, size_t bytes, uint32_t depth)
{
    l->entries = node + EXTENT_ENTRY;
    l->n = ext2_le16(node + 2);
    l->depth = depth;
    uint32_t max = ext2_le16(node + 4);
    return ext2_le16(node) == EXTENT_MAGIC && l->n <= max && max <= (bytes - EXTENT_ENTRY) / EXTENT_ENTRY &&
           ext2_le16(node + 6) == depth;
}

// The last entry that begins at or before `logical`, or -1; l->end becomes where the next begins.
static int64_t pick(struct level *l, uint64_t logical)
{
    int64_t lo = -1, hi = l->n;
    while (hi - lo > 1) {
        int64_t mid = (lo + hi) / 2;
        if (ext2_le32(l->entries + mid * EXTENT_ENTRY) <= logical)
            lo = mid;
        else
            hi = mid;
    }
    if (hi < (int64_t)l->n) {
        uint64_t next = ext2_le32(l->entries + hi * EXTENT_ENTRY);
        if (next < l->end) l->end = next;
    }
    return lo;
}

static int leaf(struct ext2 *e, struct ext2_node *n, const struct level *l, const uint8_t *x, uint64_t logical)
{
    uint64_t from = ext2_le32(x), count = ext2_le16(x + 4), physical = ext2_le32(x + 8);
    physical |= (uint64_t)ext2_le16(x + 6) << 32;
    bool unwritten = count > UNWRITTEN;
    if (unwritten) count -= UNWRITTEN;
    if (count == 0 || !usable(e, physical, count)) return corrupt(e, n);
    uint64_t end = from + count < l->end ? from + count : l->end;
    if (logical >= end) return hole(n, logical, l->end);
    n->run = (struct ext2_run){from, end - from, unwritten ? 0 : physical};
    return 0;
}

static int find_extent(struct ext2 *e, struct ext2_node *n, uint64_t logical)
{
    struct level l = {.end = 1ull << 32};
    uint32_t depth = ext2_le16(n->map + 6);
    if (logical >= l.end || depth > EXTENT_DEPTH || !enter(&l, n->map, EXT2_MAP_BYTES, depth)) return corrupt(e, n);
    for (;;) {
        int64_t at = pick(&l, logical);
        if (at < 0) return hole(n, logical, l.end);
        const uint8_t *x = l.entries + at * EXTENT_ENTRY, *node;
        if (l.depth == 0) return leaf(e, n, &l, x, logical);
        uint64_t child = ext2_le32(x + 4) | (uint64_t)ext2_le16(x + 8) << 32;
        if (!usable(e, child, 1)) return corrupt(e, n);
        int err = ext2_meta(e, child, EXT2_EXTENTS, n, &node);
        if (err) return err;
        if (!enter(&l, node, e->block_size, l.depth - 1)) return corrupt(e, n);
    }
}

// ---------------------------------------------------------------- pointers

// The run at entry `at` of n pointers, the first of which is for block `logical` - at.
static int run_of(struct ext2 *e, struct ext2_node *node, const uint8_t *pointers, uint64_t n, uint64_t at,
                  uint64_t logical)
{
    uint64_t first = ext2_le32(pointers + at * 4), count = 1;
    while (at + count < n && ext2_le32(pointers + (at + count) * 4) == (first ? first + count : 0)) count++;
    if (first && !usable(e, first, count)) return corrupt(e, node);
    node->run = (struct ext2_run){logical, count, first};
    return 0;
}

// Through `levels` blocks of pointers, the topmost being `top`; `rest` counts from the first block below it.
static int descend(struct ext2 *e, struct ext2_node *n, uint64_t top, unsigned levels, uint64_t rest, uint64_t logical)
{
    uint64_t per = e->block_size / 4, span = 1;
    for (unsigned k = 0; k < levels; k++) span *= per;
    for (uint64_t block = top;; span /= per) {
        if (!block) return hole(n, logical, logical + span - rest);
        const uint8_t *pointers;
        if (!usable(e, block, 1)) return corrupt(e, n);
        int err = ext2_meta(e, block, EXT2_POINTERS, NULL, &pointers);
        if (err) return err;
        if (span == per) return run_of(e, n, pointers, per, rest, logical);
        block = ext2_le32(pointers + rest / (span / per) * 4);
        rest %= span / per;
    }
}

static int find_pointer(struct ext2 *e, struct ext2_node *n, uint64_t logical)
{
    uint64_t per = e->block_size / 4, rest = logical, span = per;
    if (rest < EXT2_NDIR_BLOCKS) return run_of(e, n, n->map, EXT2_NDIR_BLOCKS, rest, logical);
    rest -= EXT2_NDIR_BLOCKS;
    for (unsigned levels = 1; levels <= 3; levels++, span *= per) {
        if (rest < span) return descend(e, n, ext2_le32(n->map + (11 + levels) * 4), levels, rest, logical);
        rest -= span;
    }
    return corrupt(e, n);
}

// ---------------------------------------------------------------- both

int ext2_find(struct ext2 *e, struct ext2_node *n, uint64_t logical)
{
    if (logical >= n->run.logical && logical - n->run.logical < n->run.count) return 0;
    n->run.count = 0;
    return n->flags & EXT4_EXTENTS_FL ? find_extent(e, n, logical) : find_pointer(e, n, logical);
}

int ext2_read(struct ext2 *e, struct ext2_node *n, uint64_t offset, void *to, size_t count)
{
    uint8_t *p = to;
    while (count > 0) {
        uint64_t logical = offset / e->block_size, within = offset % e->block_size;
        int err = ext2_find(e, n, logical);
        if (err) return err;
        uint64_t skip = logical - n->run.logical, left = (n->run.count - skip) * e->block_size - within;
        size_t now = left < count ? (size_t)left : count;
        if (n->run.physical)
            err = blockdev_read(e->dev, (n->run.physical + skip) * e->block_size + within, p, now);
        else
            memset(p, 0, now);
        if (err) return err;
        p += now, offset += now, count -= now;
    }
    return 0;
}
