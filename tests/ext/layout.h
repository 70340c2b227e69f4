// Where an image's structures lie, and how their checksums are made: for the fuzzer, which knows more than random
// bytes.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum structure { SUPERBLOCK, GROUP, INODE, EXTENTS, POINTERS, DIRECTORY, XATTRS, LINK, STRUCTURES };
struct region {
    enum structure kind;
    uint64_t at;
    uint32_t bytes, number; // number: of the group, or of the inode that it is or belongs to
    uint64_t inode;         // where that lies
};
struct layout {
    struct region *regions;
    size_t n, first[STRUCTURES], count[STRUCTURES]; // sorted by kind
    uint32_t block_size, inode_size, group_size, inodes, seed;
    uint64_t blocks;
    int sums, uuid_sums; // metadata_csum; only uninit_bg's
};

// Of a sound image in a file, with libext2fs. Aborts on failure.
void layout_of(const char *path, struct layout *);
void layout_free(struct layout *);
// Makes the checksum of a region right, whatever it says now; within `size` bytes of image.
void layout_sign(const struct layout *, const struct region *, uint8_t *image, uint64_t size);
