// What the files of the ext2/3/4 source (ext2*.c) share; vfs/ext2.h and extfs_new (vfs.h) are for the others.
#pragma once
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include "vfs/ext2.h"
#include "vfs/internal.h"
#include "vfs/memfs.h"

enum { EXT2_KEPT = 16, EXT2_LATER = 4, EXT2_BELOW = 128, EXT2_MAP_BYTES = 60 };

// Blocks of metadata, as they are read; what is kept is proven: its checksum was right for what it is used as.
enum ext2_kind { EXT2_POINTERS, EXT2_EXTENTS, EXT2_DIRECTORY, EXT2_XATTRS };
struct ext2_kept {
    uint64_t block; // 0: none
    uint32_t ino;   // whose it is, where the checksum depends on it
    enum ext2_kind kind;
    uint8_t *bytes; // a block; NULL: never used
};

// Blocks that follow one another in a file and in the image.
struct ext2_run {
    uint64_t logical, count, physical; // physical 0: a hole
};

struct ext2_node {
    ext2_ino_t ino;
    uint32_t mode, flags, seed; // seed: what the checksums of its blocks begin with
    uint64_t size;
    bool xattrs;                 // it has some
    bool ahead;                  // what lies below it has been told (ext2_ahead.c)
    uint8_t map[EXT2_MAP_BYTES]; // i_block: block pointers, the top of the extents, or a short link
    struct ext2_run run;         // found last
};

// Of a program or library: what is still to be asked for, once what leads there is here (ext2_ahead_elf.c).
struct ext2_later {
    struct ext2_node node; // ino 0: none
    bool program;          // its libraries, too
    unsigned looks;        // so often it was not yet to be found
    uint64_t data, data_bytes, dynamic, dynamic_bytes;
    uint64_t first, base; // bytes of the first segment, where it is to lie in memory
};

struct ext2 {
    struct lower lower; // first
    struct blockdev *dev;
    ext2_filsys fs;
    uint32_t block_size, inode_size;
    bool sums; // metadata_csum
    uint64_t blocks, free_blocks, inodes, free_inodes;
    bool told;      // of damage
    uint8_t *inode; // ext2_inode_room bytes: what ext2_read_inode gives
    struct ext2_kept kept[EXT2_KEPT];
    ext2_ino_t below[EXT2_BELOW]; // directories in directories, to be looked at once their inodes are here
    unsigned nbelow;
    struct ext2_later later[EXT2_LATER];
    unsigned nlater;                     // how many there have been: the oldest is overwritten
    bool waiting;                        // some are left
    bool cold;                           // something was not here
    struct ext2_node scanned, libraries; // directories: the one that was read last; where libraries are; ino 0: none
};

// All fields that the struct has are there, if only as zeros.
static inline size_t ext2_inode_room(const struct ext2 *e)
{
    return e->inode_size > sizeof(struct ext2_inode_large) ? e->inode_size : sizeof(struct ext2_inode_large);
}
static inline uint32_t ext2_le16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t ext2_le32(const uint8_t *p)
{
    return ext2_le16(p) | ext2_le16(p + 2) << 16;
}
static inline uint32_t ext2_crc(uint32_t crc, const void *p, size_t n)
{
    return ext2fs_crc32c_le(crc, p, n);
}

// -- ext2_io.c
int ext2_open_fs(struct ext2 *, char *why, size_t why_size); // fs; 0, or -LX_EINVAL, -LX_ENOMEM with a line
// The block, valid until the next call. -LX_EIO: it cannot be read, or its checksum is wrong; -LX_ENOMEM.
int ext2_meta(struct ext2 *, uint64_t block, enum ext2_kind, const struct ext2_node *, const uint8_t **out);
void ext2_meta_free(struct ext2 *);
// Tells people what is wrong with the image, the first time. -LX_EIO.
int ext2_damaged(struct ext2 *, const char *format, ...) __attribute__((format(printf, 2, 3)));

// -- ext2_map.c
int ext2_find(struct ext2 *, struct ext2_node *, uint64_t logical); // 0: node->run has that block; -LX_EIO
int ext2_read(struct ext2 *, struct ext2_node *, uint64_t offset, void *to,
              size_t n); // of the blocks, holes are zeros; no regard to the size

// -- ext2_inode.c
// The inode in e->inode, until the next call; NULL: not there, or its checksum is wrong.
const struct ext2_inode_large *ext2_read_inode(struct ext2 *, uint64_t ino);
void ext2_fill_node(const struct ext2 *, uint64_t ino, const struct ext2_inode_large *, struct ext2_node *);
int ext2_inode_load(struct lower *, uint64_t ino, struct lower_attr *, void **node);
// All of a file's, directory's or link's data that lies in its inode: at most inode_size bytes; how many, -LX_EIO.
int ext2_inline(struct ext2 *, const struct ext2_node *, uint8_t *to);

// -- ext2_xattr.c
int ext2_xattrs(struct lower *, void *node, lower_xattr *, void *ctx);
bool ext2_has_xattrs(const struct ext2 *, const struct ext2_inode_large *);
// The part of inline data behind i_block; *n 0: none. Points into the inode.
int ext2_inline_rest(const struct ext2 *, const struct ext2_inode_large *, const uint8_t **at, size_t *n);

// -- ext2_dir.c
int ext2_entries(struct lower *, void *node, lower_entry *, void *ctx);
int ext2_target(struct lower *, void *node, char *buf, size_t size);

// -- ext2_page.c
int ext2_page(struct lower *, void *node, uint32_t index, uint32_t *frame);
bool ext2_has_page(struct lower *, void *node, uint32_t index);
uint32_t ext2_alike(struct lower *, void *node, uint32_t index);

// -- ext2_ahead.c
void ext2_ahead_open(struct ext2 *);
void ext2_ahead_directory(struct ext2 *, struct ext2_node *);
void ext2_ahead_below(struct ext2 *); // those of e->below whose inodes have come
void ext2_ahead_file(struct ext2 *, const struct ext2_node *, uint64_t at);
bool ext2_inode_is_here(const struct ext2 *, uint64_t ino);
bool ext2_can_find(struct ext2 *, const struct ext2_node *, uint64_t logical); // ext2_find would not wait
// -- ext2_ahead_elf.c
void ext2_ahead_again(struct ext2 *); // while e->waiting
void ext2_ahead_program(struct ext2 *, const struct ext2_node *, uint32_t frame, uint64_t at);
