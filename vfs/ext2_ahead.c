// What is likely to be needed soon, told to a device whose data comes from far away (blockdev_hint), where each wait
// for one thing after the other counts: the inodes in use of a small image, the directories in a directory, all of a
// program or library that is not large. Nothing here waits, and nothing of it has to be right.
#include "vfs/ext2_internal.h"
#include <elf.h>
#include <string.h>

enum {
    TABLES = 1 << 20,
    SMALL = 4,
    CHILDREN = 12,
    CHILD_BYTES = 1 << 16,
    LIBRARY = 2 << 20,
    PROGRAM = 8 << 20,
    HEAD = 1024
};

// The used parts of the inode tables, from the first on.
void ext2_ahead_open(struct ext2 *e)
{
    uint32_t per = EXT2_INODES_PER_GROUP(e->fs->super);
    uint64_t left = TABLES;
    if (!e->dev->ops->hint) return;
    for (dgrp_t g = 0; g < e->fs->group_desc_count && left; g++) {
        uint32_t unused = ext2fs_bg_free_inodes_count(e->fs, g);
        uint64_t n = unused < per ? (uint64_t)(per - unused) * e->inode_size : 0;
        if (n > left) n = left;
        blockdev_hint(e->dev, ext2fs_inode_table_loc(e->fs, g) * e->block_size, n);
        left -= n;
    }
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

static bool inode_is_here(const struct ext2 *e, uint64_t ino)
{
    uint32_t per = EXT2_INODES_PER_GROUP(e->fs->super);
    uint64_t group = (ino - 1) / per;
    if (group >= e->fs->group_desc_count) return false;
    uint64_t at = ext2fs_inode_table_loc(e->fs, (dgrp_t)group) * e->block_size + (ino - 1) % per * e->inode_size;
    return !e->dev->ops->ready(e->dev, at, e->inode_size, NULL);
}

static void hint_child(struct ext2 *e, uint64_t ino)
{
    struct ext2_node n;
    const struct ext2_inode_large *in = inode_is_here(e, ino) ? ext2_read_inode(e, ino) : NULL;
    if (!in) return;
    ext2_fill_node(e, ino, in, &n);
    bool deep = n.flags & EXT4_EXTENTS_FL && ext2_le16(n.map + 6); // its extents lie in blocks of their own
    if (n.flags & EXT4_INLINE_DATA_FL || deep || ext2_find(e, &n, 0) || !n.run.physical) return;
    blockdev_hint(e->dev, n.run.physical * e->block_size, n.size < CHILD_BYTES ? n.size : CHILD_BYTES);
}

void ext2_ahead_directory(struct ext2 *e, struct ext2_node *n)
{
    struct children c = {.n = 0};
    if (!e->dev->ops->hint || n->ahead || n->size > SMALL * e->block_size) return;
    n->ahead = true;
    if (ext2_entries(&e->lower, n, note_child, &c)) return; // too many, too
    for (unsigned i = 0; i < c.n; i++) hint_child(e, c.ino[i]);
}

// ---------------------------------------------------------------- programs

// Where in the file what is written to lies: the dynamic linker goes through it first.
static bool find_data(const uint8_t *head, uint64_t size, uint64_t *from, uint64_t *n)
{
    Elf64_Ehdr h;
    memcpy(&h, head, sizeof h);
    if (h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phoff > HEAD) return false;
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        if (h.e_phoff + (i + 1) * sizeof p > HEAD) return false;
        memcpy(&p, head + h.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type != PT_LOAD || !(p.p_flags & PF_W)) continue;
        *from = p.p_offset;
        *n = p.p_filesz;
        return p.p_offset <= size && p.p_filesz <= size - p.p_offset;
    }
    return false;
}

// Its first page is `frame`, at `at` of the device: the rest mostly follows there.
void ext2_ahead_program(struct ext2 *e, const struct ext2_node *n, uint32_t frame, uint64_t at)
{
    uint8_t head[HEAD];
    uint64_t from, data, all = n->size + n->size / 1024; // with the blocks of pointers in between
    if (!e->dev->ops->hint || n->size < sizeof head || n->size > PROGRAM) return;
    if (ram_read(e->lower.vfs->ram, frame, 0, head, sizeof head) || memcmp(head, ELFMAG, SELFMAG)) return;
    if (find_data(head, n->size, &from, &data)) blockdev_ahead(e->dev, at + from + from / 1024, data);
    if (n->size <= LIBRARY)
        blockdev_ahead(e->dev, at, all);
    else
        blockdev_hint(e->dev, at, all);
}
