// An image and a delta on it as one tree, read without a box (libext2fs): for `belljar image diff`, `export`, `commit`.
// Without a delta it is the image's tree.
//
// Functions give 0 or -errno with a line in `problem`. Image and delta are not believed: -EIO.
#pragma once
#include "disk/deltafile.h"
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

enum { LAYERS_WHY = DELTA_WHY };

struct layers {
    ext2_filsys fs;          // the caller's
    struct deltafile *delta; // the caller's; NULL: none
    uint32_t image_inodes;   // numbers up to here are the image's
    ext2_file_t file;        // the image's file read last
    ext2_ino_t file_ino;     // 0: none
    uint64_t *entered;       // directories that a walk has been in: a hash table, 0: free
    size_t entered_n, entered_room;
    char problem[LAYERS_WHY];
};

// What the superblock says against reading it, or writing to it; NULL: nothing. The line says what to do.
const char *layers_refuse(ext2_filsys, bool to_write);
void layers_init(struct layers *, ext2_filsys, struct deltafile *);
void layers_end(struct layers *);
int layers_failed(struct layers *, int err, const char *what);  // err with its line
int layers_ext2(struct layers *, long error, const char *what); // libext2fs's error, as -errno with its line
int layers_delta(struct layers *, int err);                     // the delta's, with its line

struct layer_inode {
    struct delta_inode is; // `target` is below, if it is a symlink
    bool image, delta;     // the image has it; the delta has it
    char target[DELTA_TARGET_MAX + 1];
};
int layers_inode(struct layers *, uint64_t ino, struct layer_inode *); // -ENOENT: there is none

struct layer_name {
    uint64_t ino;
    uint8_t type, len; // DT_*, DT_UNKNOWN where the image does not say
    bool delta;        // the delta says it
    char *name;        // with a 0 behind it
};
struct layer_names {
    struct layer_name *at;
    size_t n, room;
};
// All of a directory's but "." and "..", in the order of their bytes. The caller frees them, also after a failure.
int layers_names(struct layers *, uint64_t dir, struct layer_names *);
void layer_names_free(struct layer_names *);
// Is it an entry of a directory block with a file, not "." or ".."? `entry` is what ext2fs_dir_iterate2 says, which
// takes
// ".." of a directory kept in its inode for a file's name.
static inline bool layers_is_name(int entry, const struct ext2_dir_entry *e)
{
    int len = ext2fs_dirent_name_len(e);
    return entry == DIRENT_OTHER_FILE && e->inode && !(len == 2 && e->name[0] == '.' && e->name[1] == '.');
}
// For a walk of the tree, of each directory before its names are read: -EIO, it was there before. A directory has one
// name; where one has two, or lies in itself, there would be no end.
int layers_enter(struct layers *, uint64_t dir);
// Its inode; -ENOENT. For few names.
int layers_lookup(struct layers *, uint64_t dir, const char *name, size_t len, uint64_t *ino);
// The inode that a path of the guest leads to, links followed (the last one, too, if `follow`).
int layers_walk(struct layers *, const char *path, bool follow, uint64_t *ino);

// A page of a regular file: 1, 0: a hole (and zeros in `page`).
int layers_page(struct layers *, const struct layer_inode *, uint32_t index, uint8_t page[DELTA_PAGE]);
// The same without the delta: of the image's file, if it reaches so far.
int layers_image_page(struct layers *, const struct layer_inode *, uint32_t index, uint8_t page[DELTA_PAGE]);
// The first page from `index` on that may have something in it; the number of pages if there is none.
int layers_next_page(struct layers *, const struct layer_inode *, uint32_t index, uint32_t *found);
uint32_t layers_pages(const struct layer_inode *); // of its size
int layers_xattrs(struct layers *, const struct layer_inode *, delta_xattr_sink *, void *ctx);
