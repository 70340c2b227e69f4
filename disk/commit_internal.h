// What the files of disk/commit*.c share.
#pragma once
#include "disk/commit.h"
#include "disk/layers.h"

// What the delta speaks of: an inode, new or the image's.
struct commit_node {
    uint64_t ino, parent; // parent: of a directory, where the delta has a name of it; 0: it has none
    ext2_ino_t to;        // its number in the image
    uint32_t mode, nlink;
    bool row, gone, names; // the delta has its attributes; it is not there any more; some of its names
};

struct commit {
    struct layers l;
    ext2_filsys fs;
    struct commit_node *node; // ascending
    size_t nodes, room;
    uint64_t done, all; // bytes of pages
    commit_told *told;
    void *ctx;
    struct commit_result result;
};

int commit_damaged(struct commit *, const char *what);                // -EIO
int commit_ext2(struct commit *, errcode_t, const char *what);        // 0 if there was no error
struct commit_node *commit_find(const struct commit *, uint64_t ino); // NULL: the delta does not speak of it

static inline bool commit_is_new(const struct commit *c, const struct commit_node *n)
{
    return n->ino > c->l.image_inodes;
}

// Inodes that the file system keeps for itself: no name leads to them, and none should.
static inline bool commit_is_own(const struct commit *c, ext2_ino_t ino, const struct ext2_inode *in)
{
    const struct ext2_super_block *sb = c->fs->super;
    return (ino != EXT2_ROOT_INO && ino < EXT2_FIRST_INO(sb)) || in->i_flags & EXT4_EA_INODE_FL ||
           ino == sb->s_journal_inum || (ext2fs_has_feature_orphan_file(c->fs->super) && ino == sb->s_orphan_file_inum);
}

// commit_file.c
int commit_free(struct commit *, ext2_ino_t);                  // the inode, its blocks and attributes
int commit_empty(struct commit *, const struct commit_node *); // makes a new inode, without content
int commit_content(struct commit *, const struct commit_node *, const struct delta_inode *); // of all but directories
int commit_attributes(struct commit *, const struct commit_node *, const struct delta_inode *);
int commit_outline(struct commit *, ext2_ino_t, struct ext2_inode *); // no data in the inode any more: it is empty
// commit_dir.c
int commit_directory(struct commit *, const struct commit_node *);
// commit_verify.c: every name leads to an inode in use, each has as many names as it says; what has none is freed.
int commit_verify(struct commit *);
