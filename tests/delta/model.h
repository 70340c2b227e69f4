// A file system as a program would see it, in memory: what a test does to it is done to a delta, too, as a box does it.
// Then an image that was made of the delta must show the same.
#pragma once
#include "disk/deltafile.h"
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdio.h>

struct model_page {
    uint32_t index;
    uint8_t bytes[DELTA_PAGE];
};
struct model_xattr {
    char *name;
    uint8_t *value;
    size_t n;
};
struct model_file { // of any kind
    uint64_t ino;
    struct delta_inode is;    // its attributes; nlink is counted
    char *target;             // of a link
    struct model_page **page; // ascending, those with something in them
    size_t pages;
    struct model_xattr *xattr;
    size_t xattrs;
    bool image, dirty, dead; // of the image's; changed since; removed
    uint64_t parent;         // of a directory
};
struct model_name {
    uint64_t dir, ino;
    char *name;
};
struct model {
    struct model_file **file; // ascending by number; dead ones stay
    size_t files;
    struct model_name *name; // in no order
    size_t names;
    uint64_t next_ino;
    struct model_name *image_name; // as the image has them: sorted
    size_t image_names;
};

// Reads the tree of an image by libext2fs. Stops the test where it cannot.
void model_read(struct model *, ext2_filsys);
void model_free(struct model *);
struct model_file *model_find(const struct model *, uint64_t ino);

// Random changes, the same in the delta. `count` of them in one transaction.
struct rng;
void model_change(struct model *, struct deltafile *, struct rng *, unsigned count, uint32_t block_size, bool large);
// Is b what a is? Numbers of inodes may differ. Says what is not, and gives false. coarse: times have whole seconds of
// 32 bits.
bool model_same(const struct model *a, const struct model *b, bool coarse);
// What `belljar image diff` says of an image (a) and a delta that makes it b.
void model_diff(const struct model *a, const struct model *b, FILE *);
