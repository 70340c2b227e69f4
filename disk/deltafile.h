// Delta files: what boxes have written onto an image, in one SQLite file (docs/delta-format.md has the tables). A delta
// belongs to one image, named by its length and digest (manifest.h), and is refused on another.
//
// What it holds is relative to the image:
// - An inode that changed is there as a whole, with its number in the image; new ones have numbers above the image's.
//   An inode of the image whose last name is gone is there with nlink 0, a new one is removed.
// - A directory of the image has the names that were added or changed, and those that are gone (ino 0); all others are
//   the image's. A new directory has all of its names. Never "." and "..".
// - A file's page is what the delta says (content, or a hole), else the image's page if it is below image_pages, else a
//   hole. Pages beyond the size mean nothing; a page's bytes beyond it are zeros.
// - Extended attributes are the image's, or, with DELTA_XATTRS, all here.
//
//     deltafile_open(&d, path, DELTA_WRITE, &base, why);
//     deltafile_begin(d); deltafile_put_inode(d, &i); ... deltafile_commit(d); // durable when it returns 0
//
// The file is not believed: tables, types and ranges of all that is read are checked, and no read is without a bound.
// -EIO: it is damaged. It holds one generation of facts: a transaction is there whole or not at all, after kill -9 and
// power cuts as well; beside FILE there may then be FILE-journal, which belongs to it until the next open.
//
// Every function that can fail gives 0 or -errno, and then deltafile_problem says why in a line: -ENOSPC (disk full, or
// the limit), -EIO, -ENOMEM, -EINVAL (what was to be put is out of range). After a failed put the transaction must be
// rolled back.
//
// Threads: one per struct deltafile. Processes: the lock is the process's that opened it: never fork with one open.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DELTA_WHY = 512,
    DELTA_DIGEST = 32,
    DELTA_PAGE = 4096,
    DELTA_CHUNK_PAGES = 16, // a row of pages: at most 64 KiB
    DELTA_NAME_MAX = 255,
    DELTA_TARGET_MAX = 4095,
    DELTA_XATTR_MAX = 65536, // bytes of a value
};
#define DELTA_INO_MAX  ((1ull << 34) - 1)
#define DELTA_SIZE_MAX ((uint64_t)UINT32_MAX << 12) // bytes of a file: page numbers have 32 bits

struct deltafile;

enum delta_mode {
    DELTA_READ,  // must be there; others may read it at the same time
    DELTA_WRITE, // made if it is not there; nobody else may have it open
};
struct delta_base {
    uint64_t bytes;
    uint8_t digest[DELTA_DIGEST];
    uint32_t inodes; // of the image: its own numbers are up to here
};

// 0, or -errno with a line in `why`: -EBUSY, in use by another box; -EINVAL, no delta file, or another base's. base
// NULL (DELTA_READ only): any.
int deltafile_open(struct deltafile **, const char *path, enum delta_mode, const struct delta_base *base,
                   char why[DELTA_WHY]);
void deltafile_close(struct deltafile *); // what was not committed is not there; NULL is ignored
const char *deltafile_problem(const struct deltafile *);
const struct delta_base *deltafile_base(const struct deltafile *);
// Reads all of the file, and looks whether SQLite's structures are whole. -EIO: they are not.
int deltafile_check(struct deltafile *);
int deltafile_set_limit(struct deltafile *, uint64_t bytes); // of the file; beyond is -ENOSPC
int64_t deltafile_bytes(struct deltafile *);                 // of the file, what is free in it included; or -errno
int64_t deltafile_used(struct deltafile *);                  // the same without what is free in it

int deltafile_begin(struct deltafile *);
int deltafile_commit(struct deltafile *); // a failure has rolled back
void deltafile_rollback(struct deltafile *);

// ---------------------------------------------------------------- inodes
struct delta_time {
    int64_t sec;
    uint32_t nsec;
};
enum { DELTA_XATTRS = 1, DELTA_FLAGS = 1 };
struct delta_inode {
    uint64_t ino, size; // size of a directory: what the box said, no meaning here
    uint32_t mode, nlink, uid, gid, rdev, flags, image_pages;
    struct delta_time atime, mtime, ctime, btime;
    const char *target; // of a symlink, `size` bytes; NULL: not one. Valid until the next call
};

int deltafile_put_inode(struct deltafile *, const struct delta_inode *);
int deltafile_remove_inode(struct deltafile *, uint64_t ino);                     // and its names, attributes, pages
int deltafile_inode(struct deltafile *, uint64_t ino, struct delta_inode *found); // 1; 0: not there
// Those from `from` on, ascending, until the sink gives something else than 0, which is returned. The sink of this and
// the others below may read the file but not change it, and must not begin the same iteration again.
typedef int delta_inode_sink(void *ctx, const struct delta_inode *);
int deltafile_inodes(struct deltafile *, uint64_t from, delta_inode_sink *, void *ctx);
// The first number that no inode has had. 0: a failure.
uint64_t deltafile_next_ino(struct deltafile *);
int deltafile_set_next_ino(struct deltafile *, uint64_t next);

// ---------------------------------------------------------------- names
struct delta_name {
    uint64_t dir, ino; // ino 0: the image's name is gone
    uint32_t type;     // DT_*, as getdents64 has it
    uint32_t len;
    const char *name; // not terminated
};
int deltafile_put_name(struct deltafile *, const struct delta_name *);
int deltafile_remove_name(struct deltafile *, uint64_t dir, const char *name, size_t len); // nothing is said of it
int deltafile_name(struct deltafile *, uint64_t dir, const char *name, size_t len, struct delta_name *found); // 1, 0
// Those of a directory (dir 0: of all), in the order of their bytes, behind `after` (NULL: from the first on).
typedef int delta_name_sink(void *ctx, const struct delta_name *);
int deltafile_names(struct deltafile *, uint64_t dir, const char *after, size_t len, delta_name_sink *, void *ctx);

// ---------------------------------------------------------------- extended attributes
int deltafile_put_xattr(struct deltafile *, uint64_t ino, const char *name, const void *value, size_t n);
int deltafile_remove_xattrs(struct deltafile *, uint64_t ino); // all
typedef int delta_xattr_sink(void *ctx, const char *name, const void *value, size_t n);
int deltafile_xattrs(struct deltafile *, uint64_t ino, delta_xattr_sink *, void *ctx);

// ---------------------------------------------------------------- pages
struct delta_chunk {
    uint64_t ino;
    uint32_t index;       // of the chunk: its first page is index * DELTA_CHUNK_PAGES
    uint16_t data, hole;  // a bit for each page; never both
    const uint8_t *bytes; // the pages of `data`, ascending, DELTA_PAGE bytes each. NULL: not asked for
};
// Pages with a bit get this content, or become holes; the chunk's others stay as they are.
int deltafile_put_pages(struct deltafile *, const struct delta_chunk *);
// The delta says nothing any more of pages from `first` on (a truncation, with image_pages lowered).
int deltafile_cut_pages(struct deltafile *, uint64_t ino, uint32_t first);
int deltafile_pages(struct deltafile *, uint64_t ino, uint32_t chunk, bool with_bytes,
                    struct delta_chunk *found); // 1; 0: nothing. Valid until the next call
typedef int delta_chunk_sink(void *ctx, const struct delta_chunk *);
int deltafile_chunks(struct deltafile *, uint64_t ino, uint32_t from, bool with_bytes, delta_chunk_sink *, void *ctx);
