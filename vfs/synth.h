// File systems whose names and contents are computed when they are looked at: /proc, and what is like it. For the
// kernel to build on.
//
// Make one with synth_fs_new; its root's `lookup` makes inodes with synth_inode_new, and so on down. An inode is made
// by a lookup, lives as long as it is referenced (open, cwd, cached name) and is asked by `valid` at every later use of
// its cached name whether it still is what the name means. A file's text is made by `show` at the first read, and again
// when a reader goes back to the start.
#pragma once
#include "vfs/vfs.h"

struct synth_text {
    struct vfs *vfs;
    char *buf;
    size_t len, cap;
    bool failed;
};
void synth_printf(struct synth_text *, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct synth_ops { // all optional; `i` is an inode made with these ops
    // Directories
    int (*lookup)(struct inode *i, const char *name, size_t len,
                  struct inode **out); // -LX_ENOENT; else *out: synth_inode_new's, or inode_get of a kept one
    int (*readdir)(struct inode *i, uint64_t pos, dir_sink *,
                   void *ctx); // entries from pos (>= 2) on; each passes the next pos
    // Files
    int (*show)(struct inode *i, struct synth_text *); // 0 or an errno for the reader
    int (*store)(struct inode *i, const char *text,
                 size_t n); // one write; 0 or an errno. At most 4096 bytes, NUL-terminated
    // Links
    int (*readlink)(struct inode *i, char *buf, size_t size); // length
    int (*jump)(
        struct inode *i,
        struct path *out); // a magic link's place, referenced; readlink then tells its text (absent: the place's path)
    // All
    bool (*valid)(struct inode *i);                  // absent: looked up again each time
    int (*getattr)(struct inode *i, struct kstat *); // may correct uid, size, times
    int (*permission)(struct inode *i, const struct cred *, unsigned mask);
    void (*release)(struct inode *i); // the inode goes: free `data`
};
struct synth_inode {
    struct inode i; // first
    const struct synth_ops *ops;
    void *data;   // yours
    uint64_t arg; // yours: a pid, a descriptor
};
static inline struct synth_inode *synth_of(struct inode *i)
{
    return (struct synth_inode *)i;
}

int synth_fs_new(struct vfs *, const char *type, uint64_t magic, const struct synth_ops *root, void *data,
                 struct fs **out);
// ino 0: a fresh number. mode with the type bits: LX_S_IFDIR | 0555, LX_S_IFREG | 0444, LX_S_IFLNK | 0777. Owner: root,
// until you set uid and gid.
int synth_inode_new(struct fs *, uint64_t ino, uint32_t mode, const struct synth_ops *, void *data, uint64_t arg,
                    struct inode **out);

// A directory of fixed names: a table for lookup and readdir to use.
struct synth_entry {
    const char *name;
    uint32_t mode;
    const struct synth_ops *ops;
    uint64_t arg;
}; // ended by a NULL name
int synth_table_lookup(struct inode *dir, const struct synth_entry *, const char *name, size_t len, void *data,
                       uint64_t arg, struct inode **out); // arg 0: the row's own
// Emits rows from position `first` (>= 2) on that are at or after pos; sets *next to the position behind them.
// Non-zero: the sink said stop.
int synth_table_readdir(struct inode *dir, const struct synth_entry *, uint64_t first, uint64_t pos, dir_sink *,
                        void *ctx, uint64_t *next);
