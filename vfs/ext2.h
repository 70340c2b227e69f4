// Looking at an ext2/3/4 image without mounting it (`belljar image info`, and the checks before a mount). extfs_new in
// vfs.h mounts one.
#pragma once
#include "vfs/blockdev.h"

struct ext2_info {
    bool is_ext;  // has the magic number; all below but device_bytes, mountable and why is 0 otherwise
    char type[8]; // "ext2", "ext3", "ext4", by its features
    char label[17], uuid[37];
    char features[400];           // names, separated by spaces
    uint64_t device_bytes, bytes; // of the device; of the file system
    uint32_t block_size, inode_size;
    uint64_t blocks, free_blocks, inodes, free_inodes;
    bool clean;          // unmounted cleanly, no errors recorded
    bool direct;         // pages map without a copy (blocks of 4096 bytes or more)
    bool sums;           // metadata has checksums
    const char *journal; // "none", "clean", "must be replayed", "on another device"
    bool mountable;
    char why[160]; // why not
};
void ext2_info(struct blockdev *, struct ext2_info *);
