// A delta written into an image, offline, by libext2fs: `belljar image commit`. What comes out is a file system that
// e2fsck finds nothing in, with the files, modes, owners, times, links and attributes that the box saw.
//
// Directories that changed are written anew, as lists (without an index: e2fsck -fD makes one). Inodes of the image
// keep their numbers, new ones get the first that are free. Nothing depends on the clock: the same image and delta give
// the same bytes.
#pragma once
#include "disk/deltafile.h"
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

struct commit_result {
    uint64_t files, removed; // inodes written, inodes freed
    uint64_t missing;        // bytes, about, that the image is too small by; 0: it was something else
};
typedef void commit_told(void *ctx, uint64_t done, uint64_t all); // bytes of files

// fs: the copy, opened to be written to and exclusively ours; it is flushed, not closed. told may be NULL. 0, or -errno
// with a line in `why` (of DELTA_WHY bytes), and then the copy is of no use: -ENOSPC, it is too small.
int commit_delta(ext2_filsys fs, struct deltafile *, commit_told *told, void *ctx, struct commit_result *, char *why);
