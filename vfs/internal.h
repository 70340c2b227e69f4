// What the files of vfs/ share with each other; not for the kernel (vfs.h is).
#pragma once
#include "vfs/vfs.h"

// -- host memory for names, inodes and buffers, counted against vfs->kmem_limit (vfs.c). All memory whose amount a
// guest steers goes through these.
void *kmem_new(struct vfs *, size_t n); // zeroed; NULL: over the limit, even after unused names were dropped
void *kmem_resize(struct vfs *, void *p, size_t old, size_t n);
void kmem_free(struct vfs *, void *p, size_t n);
char *kmem_strdup(struct vfs *, const char *s, size_t len); // len + 1 bytes, to be freed as such

// -- time and dirt (vfs.c)
struct vtime vfs_now(struct vfs *);
int vtime_cmp(struct vtime a, struct vtime b);
void inode_touch(struct inode *,
                 unsigned valid);   // ATTR_ATIME, ATTR_MTIME: set to now, ctime too with ATTR_MTIME; or 0: ctime only
void inode_changed(struct inode *); // INODE_DIRTY, and not saved
void inode_accessed(const struct path *); // relatime rules
unsigned mode_to_dt(uint32_t mode);
bool mode_known(uint32_t mode); // a kind of file that there is, and nothing beyond 16 bits
void inode_init(struct inode *, struct fs *, uint64_t ino,
                uint32_t mode); // one reference, times now, blksize; nlink 1 (directories 2)
static inline bool is_kind(const struct inode *i, uint32_t kind)
{
    return (i->mode & LX_S_IFMT) == kind;
}
static inline bool is_dir(const struct inode *i)
{
    return is_kind(i, LX_S_IFDIR);
}
static inline bool is_reg(const struct inode *i)
{
    return is_kind(i, LX_S_IFREG);
}
static inline bool is_lnk(const struct inode *i)
{
    return is_kind(i, LX_S_IFLNK);
}

// -- names (dcache.c)
int dcache_new(struct vfs *);
void dcache_free(struct vfs *);
bool dcache_trim(struct vfs *, unsigned keep); // forget unused names; false: there were none
void dcache_forget_fs(struct fs *);
struct dentry *dentry_new(struct fs *, struct dentry *parent, const char *name, size_t len,
                          struct inode *); // takes over the inode's reference, also on failure; not hashed
struct dentry *dentry_root(struct fs *);   // a fresh root dentry for fs->root
struct dentry *dentry_get(struct dentry *);
void dentry_put(struct dentry *);
void dentry_hash(struct dentry *);
void dentry_unhash(struct dentry *);
int dentry_child(struct dentry *parent, const char *name, size_t len,
                 struct dentry **out);                       // cached or looked up; may be negative
void dentry_attach(struct dentry *negative, struct inode *); // the name exists now; takes over the reference
void dentry_deleted(struct dentry *);                        // the name is gone: unhash it, and say so in its path
int dentry_move(struct dentry *, struct dentry *parent, const char *name,
                size_t len);                                             // rename: new place for a hashed dentry
void dentry_swap(struct dentry *, struct dentry *);                      // RENAME_EXCHANGE
bool dentry_below(const struct dentry *d, const struct inode *ancestor); // d is ancestor's or lies in its tree

// -- mounts (mount.c)
void mount_get(struct mount *);
void mount_put(struct mount *);
bool mount_down(struct path *); // onto what is mounted here; true: something was
bool mount_up(struct path *);   // from a mount's root to the place it covers

// -- walking (walk.c). walk_start, walk_to_last, then the caller looks at the last component, maybe walk_follow and
// again; walk_end always.
enum last_kind { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
struct walk {
    struct vfs *vfs;
    const struct vfs_at *at;
    unsigned flags, links, depth;
    struct path cur; // where we are (referenced)
    struct {
        const char *rest;
        char *owned;
    } stack[VFS_LINKS_MAX + 1];
    char name[VFS_NAME_MAX + 1]; // the last component
    size_t len;
    enum last_kind last;
    bool slash;  // it was followed by a slash
    bool jumped; // a magic link led to cur and nothing followed it
};
int walk_start(struct walk *, struct vfs *, const struct vfs_at *, const char *path, unsigned flags);
int walk_to_last(struct walk *);
int walk_child(struct walk *,
               struct path *out); // the last component, LAST_NORM, across mounts; the dentry may be negative
int walk_follow(struct walk *, const struct path *link); // then walk_to_last again
int walk_finish(struct walk *, bool follow);             // the last component becomes cur
void walk_end(struct walk *);

int inode_jump_text(struct inode *, char *buf,
                    size_t size); // name.c: of a magic link without a text: the path of where it leads

// -- rights (perm.c)
int may_create(const struct path *dir, const struct cred *);
int may_delete(const struct path *dir, const struct inode *victim, const struct cred *, bool want_dir);
bool is_owner(const struct inode *, const struct cred *);
int inode_mode_permission(struct inode *, const struct cred *, unsigned mask); // the usual rules
int mount_writable(const struct path *);                                       // 0 or -LX_EROFS
int inode_setattr(struct inode *, struct setattr *); // no checks; resolves _NOW, sets ctime, calls the op
void inode_take_attributes(struct inode *, const struct setattr *); // for ops: all of them but the size
int inode_truncate(struct inode *, uint64_t size);
void inode_drop_suid(struct inode *, const struct cred *); // after a write
void new_inode_like(struct inode *like, const struct path *dir, const struct vfs_at *, uint32_t mode, uint32_t rdev);

// -- using (file.c)
int64_t file_seek(struct file *, int64_t offset, int whence); // where to, by the inode's size; f->pos stays

// -- opening (open.c)
int file_new(const struct path *, const struct cred *, unsigned flags, unsigned mode, struct file **out);

// -- events (notify.c)
struct move_event {
    struct inode *from, *to, *moved, *replaced; // from, to: directories; replaced may be NULL
    const char *old_name, *new_name;
};
void notify_inode(struct inode *, uint32_t mask); // LX_IN_*; IN_ISDIR is added
void notify_name(struct inode *dir, uint32_t mask, const char *name);
void notify_dentry(struct dentry *, uint32_t mask); // its directory with the name, and itself
void notify_file(struct file *, uint32_t mask);
void notify_move(const struct move_event *);
void notify_change(struct dentry *, unsigned valid); // ATTR_* that were set
void notify_gone(struct inode *);                    // a name of it is forgotten: tells if it was the last
void notify_unmounted(struct fs *);

// -- kinds of files
extern const struct file_ops device_fops, fifo_fops, dir_fops; // device.c, pipe.c, file.c
void pipe_free(struct inode *);                                // with its inode
int anon_init(struct vfs *);                                   // anon.c
void anon_free(struct vfs *);
void devices_free(struct vfs *);
int anon_path(struct fs *, const char *name, uint32_t mode, const struct file_ops *, struct path *out);
struct memory_device {
    const char *name;
    uint32_t minor;
    const struct file_ops *ops;
};
extern const struct memory_device memory_devices[]; // major 1; ended by a NULL name
