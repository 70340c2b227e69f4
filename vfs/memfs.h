// The file system in memory: tmpfs, and the root, whose inodes may come from a read-only lower source (ext2.c) and stay
// there until they are changed.
//
// An inode of the lower keeps its number; new ones get numbers above the lower's. Attributes are read when the inode is
// first looked up, entries when the directory is first searched or read, pages when they are first touched; from the
// first change on, the inode is pinned in memory (INODE_DIRTY) with what changed: attributes and all entries as a
// whole, pages one by one. An unchanged inode is dropped with its last reference.
#pragma once
#include "vfs/delta.h"
#include "vfs/pagemap.h"
#include "vfs/vfs.h"

// ---------------------------------------------------------------- the lower source
struct lower_attr {
    uint32_t mode, nlink, uid, gid, rdev;
    uint64_t size, blocks;
    struct vtime atime, mtime, ctime, btime;
};
typedef int lower_entry(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt);
typedef int lower_xattr(void *ctx, const char *name, const void *value, size_t size); // name: whole, ends with a 0

struct lower;
struct lower_ops { // `node` is the lower's own state of an inode, from inode() to forget()
    int (*inode)(struct lower *, uint64_t ino, struct lower_attr *, void **node);
    void (*forget)(struct lower *, void *node);
    int (*entries)(struct lower *, void *node, lower_entry *, void *ctx); // all but "." and ".."; names are checked
    int (*target)(struct lower *, void *node, char *buf, size_t size);    // of a symlink: length
    int (*xattrs)(struct lower *, void *node, lower_xattr *, void *ctx);  // all; 0, -LX_EIO, or what was not 0
    int (*page)(struct lower *, void *node, uint32_t index,
                uint32_t *frame); // *frame with a reference; 0: a hole. -LX_EPARK (vfs->park), -LX_EIO, -LX_ENOMEM
    bool (*has_page)(struct lower *, void *node, uint32_t index); // false: a hole
    // For how many pages from this one on has_page says the same, as far as that is known cheaply: at least 1.
    uint32_t (*alike)(struct lower *, void *node, uint32_t index);
    void (*statfs)(struct lower *, struct kstatfs *);
    void (*close)(struct lower *);
};
struct lower {
    const struct lower_ops *ops;
    struct vfs *vfs;
    uint64_t root_ino, max_ino;
};

// ---------------------------------------------------------------- memfs
struct mdirent {
    struct mdirent *next; // hash chain
    uint64_t ino, cookie; // cookie: d_off of this entry; ascending in order of creation, never used twice
    uint32_t hash;
    uint8_t dt, len;
    char name[];
};
struct mslot {
    uint64_t cookie;
    struct mdirent *entry;
}; // entry NULL: removed
struct mdir {
    struct mdirent **buckets;
    uint32_t nbuckets, live; // a power of two, or 0
    struct mslot *slots;     // ascending by cookie
    uint32_t nslots, cap;
    uint64_t next_cookie;
    uint64_t disk_bytes; // what the live entries would take in an ext2 directory
    uint64_t *hidden;    // with a delta: a bit for each hash of a name of the lower's; NULL: it has none
    uint32_t nhidden;    // words
};
struct mxattr {
    struct mxattr *next;
    char *name, *value;
    size_t size;
};

struct mnode {
    struct inode i;       // first
    struct mnode *next;   // table chain
    void *lower;          // NULL: not from the lower
    uint32_t lower_pages; // pages from here on are not the lower's
    bool loaded;          // directory entries, or the link target, were read
    uint8_t sought;       // how many names were looked for in the lower before that
    struct mdir dir;
    struct pagemap pages;
    char *target; // i.size bytes
    struct mxattr *xattrs;
    bool xattrs_loaded;                         // those of the lower are among them
    bool xattrs_changed;                        // since they were last saved, if ever
    bool xattrs_stored;                         // all of them, those of the lower as well
    bool stored;                                // the delta has it, or will with the next save
    uint32_t first_mark;                        // no page below has a mark
    struct mnode *unsaved_next, **unsaved_prev; // memfs.unsaved
};

struct memfs {
    struct fs *fs;
    struct lower *lower;  // NULL: tmpfs
    struct mnode **table; // by inode number
    uint32_t nbuckets, count;
    uint64_t max_pages, pages; // pages held as the files' own; max_pages: of tmpfs's size option
    struct delta *delta;       // NULL: what is written is gone with the memory. memfs_delta.c
    struct mnode *unsaved;     // inodes that the delta does not have as they are
    uint64_t unsaved_pages;    // about as many of their pages,
    uint64_t unsent_pages;     // and so many of these were not even sent
    bool saving;
};

static inline struct mnode *mnode(struct inode *i)
{
    return (struct mnode *)i;
}
static inline struct memfs *memfs_of(const struct inode *i)
{
    return i->fs->private;
}

int memfs_new(struct vfs *, const char *type, struct lower *, uint64_t max_bytes, uint32_t root_mode,
              struct fs **); // owns lower, also on failure
// Over a lower, with a delta (facts: what its opening gave). Owns both, also on failure.
int memfs_new_delta(struct vfs *, const char *type, struct lower *, struct delta *, const struct delta_facts *,
                    struct fs **);
int memfs_inode(struct memfs *, uint64_t ino, struct inode **out); // a reference; -LX_EIO: the lower has no such inode
int memfs_make(struct memfs *, const struct inode *like, const char *target,
               struct inode **out); // a new inode without a name, nlink 0

// memfs_dir.c
void memfs_dir_size(struct inode *dir); // after its entries changed, or it was made
extern const struct inode_ops memfs_dir_ops;
int memfs_add(struct inode *dir, const char *name, size_t len,
              struct inode *); // makes a name for it and counts the link
struct mdirent *mdir_find(const struct mdir *, const char *name, size_t len);
void mdir_free(struct vfs *, struct mdir *);
bool mdir_may_hide(const struct mdir *, const char *name, size_t len); // may the lower have this name? With a delta

// memfs_file.c
extern const struct inode_ops memfs_reg_ops, memfs_link_ops, memfs_special_ops;
extern const struct file_ops memfs_fops;
void memfs_free_pages(struct mnode *);
uint32_t memfs_drop_clean(struct mnode *); // lower pages in RAM that nobody else holds: how many were dropped
int memfs_setattr(struct inode *, const struct setattr *);

// memfs_xattr.c. Those of the lower are read when one is first asked for.
int memfs_getxattr(struct inode *, const char *name, void *buf, size_t size);
int memfs_setxattr(struct inode *, const char *name, const void *value, size_t size, int flags);
int memfs_listxattr(struct inode *, char *buf, size_t size);
void memfs_free_xattrs(struct mnode *);
int memfs_load_xattr(void *mnode, const char *name, const void *value, size_t size); // a lower_xattr

// memfs.c
struct mnode *memfs_node_new(struct memfs *, uint64_t ino, void *lower); // with a reference; not in the table yet
void memfs_node_free(struct memfs *, struct mnode *);
int memfs_node_add(struct memfs *, struct mnode *); // to the table, once its attributes are there. 0, -LX_ENOMEM
void memfs_take_attr(struct mnode *, const struct lower_attr *);

// memfs_delta.c: what a delta adds.
int memfs_load_stored(struct memfs *, uint64_t ino, struct inode **out); // as memfs_inode; -LX_ENOENT: it is not there
int memfs_stored_names(struct mnode *dir, lower_entry *, void *ctx);     // ino 0: the lower's name is gone
int memfs_stored_page(struct mnode *, uint32_t index, uint32_t *frame);  // one that was PAGE_KEPT; borrowed
void memfs_unsaved(struct inode *);
void memfs_forget_unsaved(struct mnode *);
bool memfs_can_read_again(const struct mnode *);
int memfs_sync(struct fs *);
uint32_t memfs_drop_stored(struct mnode *); // after a save, own pages that nobody else holds: how many
void memfs_tell_name(struct inode *dir, const char *name, size_t len, uint64_t ino, unsigned dt);
void memfs_tell_page(struct mnode *, uint32_t index);
void memfs_tell_cut(struct mnode *, uint32_t first);
void memfs_tell_gone(struct memfs *, struct mnode *);
void memfs_send_ahead(struct mnode *);
int memfs_make_room(struct memfs *, uint64_t pages);

// What is told of every change; without a delta that is nothing.
static inline bool memfs_is_stored(const struct memfs *m, uint64_t ino)
{
    return m->delta && delta_has(m->delta, ino);
}
// ino 0: it is gone.
static inline void memfs_name_changed(struct inode *dir, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    if (memfs_of(dir)->delta) memfs_tell_name(dir, name, len, ino, dt);
}
// One of its own, or a hole over the lower's.
static inline void memfs_page_changed(struct mnode *n, uint32_t index)
{
    if (memfs_of(&n->i)->delta) memfs_tell_page(n, index);
}
// From here to the end.
static inline void memfs_pages_cut(struct mnode *n, uint32_t first)
{
    if (n->stored) memfs_tell_cut(n, first);
}
// Some pages: they may be sent ahead of the save.
static inline void memfs_written(struct mnode *n)
{
    if (memfs_of(&n->i)->delta) memfs_send_ahead(n);
}
// It is freed, and has no name any more.
static inline void memfs_node_gone(struct memfs *m, struct mnode *n)
{
    if (m->delta && (n->lower || n->stored)) memfs_tell_gone(m, n);
}
// For so many pages more: 0, -LX_ENOSPC.
static inline int memfs_room(struct memfs *m, uint64_t pages)
{
    if (!m->delta) return m->pages + pages > m->max_pages ? -LX_ENOSPC : 0;
    return memfs_make_room(m, pages);
}
