// The file systems of a box: what the kernel (syscalls/) sees of them.
//
//   struct vfs      one per box: mounts, name cache, device table, limits. No state elsewhere.
//   struct fs       one file system instance (a superblock); struct mount: an fs at a place in the tree
//   struct dentry   a cached name (also a cached absence: inode NULL); struct inode: a file; struct path: a place
//   (mount + dentry) struct file     an open file description
//
// Conventions
// - Results: 0 (or a count where said) or a negative guest errno. Out parameters are set only on success, except where
// said.
// - References: every function that hands out a path, dentry, inode or file hands out a reference; the caller gives it
// back with the _put function.
//   Arguments are borrowed. A struct file owns a reference on its path and inode.
// - Waiting: any function here that touches file data may return -LX_EPARK: what it needs is on its way; wait on
// vfs->park (set just before the return,
//   valid until the next vfs call) and make the same call again. Names and attributes come at once (a block device may
//   stall in them, bounded). -LX_EAGAIN from read or write (pipes, ttys, sockets): nothing can be moved now; unless the
//   file is O_NONBLOCK wait on the queue that vfs_poll gives.
// - Moving bytes: vfs_read and vfs_write return *why they stopped* (0: all moved, or end of file, or a device that has
// given what it has); *how many bytes*
//   were moved is io->done, which is true also beside an error, and *pos has been advanced by as much. So a call that
//   returns -LX_EPARK or -LX_EAGAIN with io->done > 0 has made progress: keep it (t->sys.done) and go on with the rest
//   after the wait, or return it. -LX_EFAULT: the iob ended early; its owner knows why (iob_user.error may be
//   -LX_EPARK).
// - Guest memory mappings: mm keeps its mappings of an inode in inode->mappings and is told by vfs->host.unmap when
// cached pages are replaced or cut off.
// - One host thread at a time.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/errno.h"
#include "abi/linux.h" // LX_O_*, LX_S_*, LX_POLL*, LX_DT_*, LX_AT_*, LX_CAP_*
#include "host/ram.h"
#include "vfs/iob.h"
#include "vfs/wait.h"

struct task; // the kernel's; passed through to ioctl, never looked into
struct vfs;
struct fs;
struct mount;
struct dentry;
struct inode;
struct file;
struct pipe;
struct blockdev;

enum { VFS_NAME_MAX = 255, VFS_PATH_MAX = 4096, VFS_LINKS_MAX = 40, VFS_NGROUPS = 32 };

// ---------------------------------------------------------------- credentials
struct cred {
    uint32_t uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
    uint32_t ngroups, groups[VFS_NGROUPS];
    uint64_t caps; // effective: bit LX_CAP_*. The only one vfs/ reads
    uint64_t caps_permitted, caps_inheritable, caps_bounding, caps_ambient;
};
void cred_init(struct cred *, uint32_t uid, uint32_t gid); // all ids alike, no groups; uid 0 has all capabilities
bool cred_has_cap(const struct cred *, unsigned cap);
bool cred_in_group(const struct cred *, uint32_t gid); // fsgid or a supplementary group

// ---------------------------------------------------------------- attributes
struct vtime {
    int64_t sec;
    uint32_t nsec;
};

struct kstat {
    uint64_t ino;
    uint32_t dev, rdev; // device numbers encoded as stat(2) shows them (vfs_makedev)
    uint32_t mode, nlink, uid, gid;
    uint64_t size, blocks; // blocks of 512 bytes
    uint32_t blksize;
    struct vtime atime, mtime, ctime, btime;
    uint64_t mnt_id;
    bool mount_root;
};
struct kstatfs {
    uint64_t type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags;
};

// What to change (bits of `valid`); times as given, or now with the _NOW bits.
enum {
    ATTR_MODE = 1,
    ATTR_UID = 2,
    ATTR_GID = 4,
    ATTR_SIZE = 8,
    ATTR_ATIME = 16,
    ATTR_MTIME = 32,
    ATTR_ATIME_NOW = 64,
    ATTR_MTIME_NOW = 128
};
struct setattr {
    unsigned valid;
    uint32_t mode, uid, gid;
    uint64_t size;
    struct vtime atime, mtime;
};

static inline uint32_t vfs_makedev(uint32_t major, uint32_t minor)
{
    return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
}
static inline uint32_t vfs_major(uint32_t dev)
{
    return dev >> 8 & 0xfff;
}
static inline uint32_t vfs_minor(uint32_t dev)
{
    return (dev & 0xff) | (dev >> 12 & ~0xffu);
}

// ---------------------------------------------------------------- objects
struct inode_ops;
struct file_ops;
struct fs_ops;

struct inode {
    struct fs *fs;
    const struct inode_ops *ops;
    const struct file_ops *fops; // given to a file opened on it (its open may change them)
    uint64_t ino, size, blocks;  // blocks of 512 bytes
    uint32_t mode, nlink, uid, gid, rdev;
    struct vtime atime, mtime, ctime, btime;
    uint32_t refs;
    uint32_t flags;      // INODE_*
    uint32_t writers;    // files open for writing
    uint32_t seals;      // LX_F_SEAL_*, SEALS_KNOWN; 0: a file that cannot be sealed
    uint32_t deny_write; // programs running from it: opening for write is ETXTBSY (inode_deny_write)
    struct pipe *pipe;   // a FIFO's, while open
    void *mappings;      // mm's: guest mappings of its pages
    void *locks;         // the kernel's: fcntl, flock
    void *sock;          // the kernel's: the socket bound to it (not a reference)
    void *watches;       // the kernel's: inotify's
    void *private;       // of an anonymous inode: its maker's, for the open of its file_ops
};
enum {
    INODE_ANON_MAP = 1, // mmap of it is mmap of anonymous memory (/dev/zero)
    INODE_DIRTY = 2,    // differs from the lower source (memfs; what --delta saves)
    INODE_DEAD = 4,     // removed directory: nothing may be made in it (ENOENT)
    INODE_VOLATILE = 8, // its dentry is checked again at every use (synthetic file systems)
    INODE_IMMUTABLE = 16,
    INODE_APPEND = 32,
    INODE_LINKABLE = 128, // made by O_TMPFILE without O_EXCL: may get a first name
    INODE_FIXED =
        64, // of procfs: looking up a missing name fails already, so that making one is ENOENT whatever the permissions
    INODE_PRISTINE = 256, // see inode_is_pristine
    INODE_UNSAVED = 512,  // the delta does not have it as it is (memfs_delta.c)
};

// A regular file of an image whose content and size are still what the image says, whoever shows it and whichever of
// its pages were touched. Once false, never true again for as long as the inode is in memory (if it is dropped, so are
// its changes); and before the first byte changes, everyone who maps it is told (vfs_host.unmap, of no page). It says
// nothing of private copies that a process has of its pages.
static inline bool inode_is_pristine(const struct inode *i)
{
    return i->flags & INODE_PRISTINE;
}

enum { SEALS_KNOWN = 1 << 30 }; // tmpfs: F_GET_SEALS tells

struct dentry {
    struct dentry *parent; // referenced; the root of an fs: itself
    struct inode *inode;   // referenced; NULL: the name is known not to exist
    struct fs *fs;
    char *name;
    uint32_t len, hash;
    uint32_t refs;
    uint32_t mounts; // mounts on top of it
    bool hashed;     // found by lookups; false: deleted or replaced
    bool deleted;    // paths through it end in " (deleted)"
    struct dentry *hash_next, **hash_prev;
    struct dentry *lru_next, *lru_prev;
};

struct path {
    struct mount *mount;
    struct dentry *dentry;
};
static inline struct inode *path_inode(const struct path *p)
{
    return p->dentry->inode;
}

enum {
    MOUNT_RDONLY = 1,
    MOUNT_NOSUID = 2,
    MOUNT_NODEV = 4,
    MOUNT_NOEXEC = 8,
    MOUNT_NOATIME = 1024,
    MOUNT_RELATIME = 1 << 21
}; // as mount(2)
struct mount {
    struct mount *next;   // vfs->mounts, in order of mounting
    struct mount *parent; // NULL: the root mount
    struct dentry *at;    // covered dentry in parent
    struct dentry *root;  // root of what is mounted
    struct fs *fs;
    uint32_t id, flags, refs;
    bool expiring;      // umount2(MNT_EXPIRE) was asked once
    struct mount *copy; // while a tree is bound: of this one, in the new tree
    char source[256];   // for /proc/mounts
};

struct fs {
    struct vfs *vfs;
    const struct fs_ops *ops;
    const char *type; // "tmpfs", "ext2", "proc"
    uint32_t dev;     // st_dev
    uint32_t refs;    // mounts
    struct inode *root;
    uint64_t next_ino;
    uint32_t mount_flags; // MOUNT_* that every mount of it has
    void *private;
};

enum { FILE_READ = 1, FILE_WRITE = 2, FILE_PATH = 4, FILE_SEEK = 8, FILE_UNOPENED = 16, FILE_EXEC = 32 };
struct file {
    const struct file_ops *ops;
    struct inode *inode;
    struct path path;
    uint32_t flags; // LX_O_* as F_GETFL shows them (access mode, APPEND, NONBLOCK, DIRECT, ...); F_SETFL may change the
                    // settable ones
    uint32_t mode;  // FILE_*: FILE_PATH: O_PATH (only fstat-like uses); FILE_SEEK: has a position. UNOPENED: a FIFO
                    // still waiting for its other end. EXEC: denies writing
    uint64_t pos;
    uint32_t refs;
    struct cred *cred; // NULL, or of the opener (owned)
    void *private;     // the ops'
    void *watch;       // the kernel's: epoll items, leases, ...; host.file_release sees it before the file goes
    void *sigio;       // the kernel's: F_SETOWN, F_SETSIG, O_ASYNC
};

// Where a path walk starts and whose rights it uses. Borrowed pointers; the kernel fills it from a process.
struct vfs_at {
    struct path root; // chroot
    struct path base; // cwd or dirfd
    const struct cred *cred;
    uint32_t umask;
};

// Called by file systems with each entry; non-zero: stop, the entry was not taken and comes again next time. `next` is
// the offset (d_off) after it.
typedef int dir_sink(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next);

// ---------------------------------------------------------------- operations, to be filled by file systems. An absent
// slot gives the errno noted.
struct inode_ops {
    int (*lookup)(struct inode *dir, const char *name, size_t len,
                  struct inode **out); // -LX_ENOENT: no such name. Absent: ENOTDIR
    int (*create)(struct inode *dir, const char *name, size_t len, const struct inode *like, const char *target,
                  struct inode **out);
    // any kind of inode: mode, uid, gid, rdev as in `like`; target: of a symlink, else NULL. Absent: EPERM (proc: EPERM
    // as Linux's)
    int (*link)(struct inode *dir, const char *name, size_t len, struct inode *old); // absent: EPERM
    int (*unlink)(struct inode *dir, const char *name, size_t len,
                  struct inode *victim); // also rmdir: ENOTEMPTY is its business. Absent: EPERM
    int (*rename)(struct inode *from, const char *fname, size_t flen, struct inode *to, const char *tname, size_t tlen,
                  unsigned flags); // absent: EPERM
    int (*readdir)(struct inode *dir, uint64_t pos, dir_sink *,
                   void *ctx); // entries from pos on, "." and ".." not among them (pos >= 2). Absent: ENOTDIR
    int (*readlink)(struct inode *, char *buf, size_t size); // length, not NUL-terminated. Absent: EINVAL
    int (*jump)(struct inode *,
                struct path *out); // magic links (/proc/self/fd/1): where it leads. Absent: readlink's text
    int (*getattr)(struct inode *, struct kstat *);         // may correct what the generic fields gave. Absent: nothing
    int (*setattr)(struct inode *, const struct setattr *); // rights were checked, _NOW resolved. Absent: EPERM
    int (*page)(struct inode *, uint32_t index, bool for_write, uint32_t *frame); // see inode_page. Absent: ENODEV
    int (*fallocate)(struct inode *, int mode, uint64_t off, uint64_t len);       // absent: EOPNOTSUPP
    int64_t (*next_data)(struct inode *, uint64_t off,
                         bool hole); // SEEK_DATA, SEEK_HOLE: first offset >= off of that kind; ENXIO. Absent: all data
    int (*getxattr)(struct inode *, const char *name, void *buf,
                    size_t size); // value's length (size 0: only that). Absent: EOPNOTSUPP
    int (*setxattr)(struct inode *, const char *name, const void *value, size_t size,
                    int flags);                                            // value NULL: remove. Absent: EOPNOTSUPP
    int (*listxattr)(struct inode *, char *buf, size_t size);              // absent: an empty list
    int (*permission)(struct inode *, const struct cred *, unsigned mask); // absent: the usual rules
    bool (*valid)(struct inode *); // INODE_VOLATILE: still what its name means? Absent: no (looked up each time)
};

struct file_ops {
    int (*open)(struct file *);     // absent: succeeds. May return -LX_EPARK (a FIFO): see vfs_open
    void (*release)(struct file *); // last reference gone. Absent: nothing
    int (*read)(struct file *, struct iob *, uint64_t *pos);  // absent: EINVAL (directories: EISDIR)
    int (*write)(struct file *, struct iob *, uint64_t *pos); // absent: EINVAL
    int64_t (*seek)(struct file *, int64_t offset,
                    int whence); // absent: set and cur, end by inode size; ESPIPE without FILE_SEEK
    int (*readdir)(struct file *, dir_sink *, void *ctx); // absent: by the inode's readdir; ENOTDIR
    int64_t (*ioctl)(struct file *, struct task *, uint32_t cmd, uint64_t arg); // absent: ENOTTY
    unsigned (*poll)(
        struct file *,
        struct waitq **queue);   // LX_POLL* ready now; the queue woken when that changes. Absent: in|out, *queue NULL
    int (*fsync)(struct file *); // absent: 0 for regular files and directories, EINVAL else
};

struct fs_ops {
    void (*inode_idle)(
        struct inode *); // the last reference went: free it, or keep it cached (it may come back by lookup)
    int (*statfs)(struct fs *, struct kstatfs *); // absent: ENOSYS
    int (*sync)(struct fs *);                     // absent: 0
    void (*finish)(struct fs *);     // the run has ended: what is kept back goes where it lasts. Absent: nothing
    void (*unsaved)(struct inode *); // it changes: INODE_UNSAVED may be set. Absent: never
    uint32_t (*reclaim_mapped)(struct fs *); // when that gave none: also what guests map now. Absent: none
    void (*drop_idle)(struct fs *);   // memory for inodes is short: frees those that nobody uses and that can be read
                                      // again, and changes nothing of the others. Absent: nothing
    uint32_t (*reclaim)(struct fs *); // gives back frames that can be read again; how many. Absent: none
    void (*destroy)(struct fs *);     // the last mount went: all dentries are gone and `root` was put
};

// ---------------------------------------------------------------- the box's vfs
struct vfs_event {       // something happened to a file or to a name in a directory: LX_IN_* in mask
    struct inode *inode; // watched; NULL with fs: LX_IN_UNMOUNT, all watches in it end
    struct fs *fs;
    const char *name; // of an event on a name in the directory `inode`, else NULL
    uint32_t mask, cookie;
    bool unlinked; // the name is not in the directory any more
};

struct vfs_host { // what the file systems ask of the box. All must be set but unmap, file_release, notify and damaged
    void *ctx;
    struct vtime (*now)(void *ctx); // CLOCK_REALTIME
    void (*random)(void *ctx, void *buf, size_t n);
    void (*unmap)(void *ctx, struct inode *, uint32_t first,
                  uint32_t count); // guest mappings must let go of these pages of the inode (count may reach past the
                                   // end). 0 of them: it stops being pristine
    void (*file_release)(void *ctx, struct file *);      // a file is about to be released: drop its locks and watches
    void (*notify)(void *ctx, const struct vfs_event *); // for inodes with watches only, while vfs->watched is not 0
    void (*damaged)(void *ctx, const char *what); // something of an image, once for each: a line without its name
};

struct vfs {
    struct ram *ram;
    struct vfs_host host;
    struct waitq *park;        // after -LX_EPARK: where to wait
    bool probing;              // a page is asked for only if it is here: nobody is going to wait
    struct mount *mounts;      // the first is the root
    uint64_t kmem, kmem_limit; // bytes of host memory that names, inodes and pipe buffers take; ENOSPC / ENOMEM above
    uint32_t next_mount_id, next_dev, nmounts;
    uint32_t watched, notify_cookie;    // watched: inodes with watches, kept by who sets inode->watches
    struct dcache *dcache;              // vfs/dcache.c
    struct device *devices;             // vfs/devfs.c
    struct fs *pipefs, *anonfs, *shmfs; // not in the tree: pipes, eventfds and the like, memfds
};

struct vfs *vfs_new(struct ram *, const struct vfs_host *, uint64_t kmem_limit); // NULL: no memory. Mounts nothing
void vfs_free(struct vfs *);                                                     // every file must have been put
void vfs_root(struct vfs *, struct path *); // "/" of the root mount, with a reference

// Synthetic file systems (procfs) are made with vfs/synth.h, block devices with vfs/blockdev.h.
// Mounting. `place` is an absolute path, looked up as root; NULL or "/" for the first: the root itself. Takes over the
// fs's reference, also on failure.
int vfs_mount(struct vfs *, struct fs *, const char *place, const char *source, unsigned flags);
int vfs_mount_at(struct vfs *, struct fs *, const struct path *place, const char *source, unsigned flags);
int vfs_umount(struct vfs *, const struct path *); // EINVAL: no mount's root; EBUSY
int vfs_detach(struct vfs *,
               const struct path *); // with all that is mounted below; what is in use lives on, unreachable
int vfs_bind(struct vfs *, const struct path *what, const struct path *place, bool tree);
int vfs_move_mount(struct vfs *, const struct path *what, const struct path *place);
int vfs_pivot(struct vfs *, const struct path *root, const struct path *new_root, const struct path *put_old);
bool vfs_is_mount_root(const struct path *);
void vfs_topmost(struct path *); // onto what covers it: "." of a directory that was mounted on
struct fs *fs_new(struct vfs *, const char *type, const struct fs_ops *,
                  void *private); // with one reference; NULL: no memory
void fs_put(struct fs *);
int tmpfs_new(struct vfs *, uint64_t max_bytes, uint32_t root_mode,
              struct fs **); // max_bytes 0: bounded by the box's memory only
int extfs_new(struct vfs *, struct blockdev *, struct fs **, char *why,
              size_t why_size); // root from an ext2/3/4 image, changes in memory. Owns blockdev, also on failure. why:
                                // one line on failure
// The same with a delta, which a server keeps on the other end of the link (vfs/delta.h): what was written earlier is
// there, what is written is saved by sync. The link is borrowed; negative: none.
int extfs_new_delta(struct vfs *, struct blockdev *, int link, struct fs **, char *why, size_t why_size);
const char *extfs_problem(const struct fs *); // why the last save failed, in a line; "": it did not
int devfs_new(struct vfs *,
              struct fs **); // null zero full random urandom, fd stdin stdout stderr -> /proc/self/fd, pts/, shm/

// Devices. A device node anywhere opens with the ops registered for its number; inode->rdev tells which. None
// registered: ENXIO.
int vfs_device(struct vfs *, bool block, uint32_t rdev, const struct file_ops *, void *ctx);
void *vfs_device_ctx(const struct file *); // the ctx registered for the device the file is of
int devfs_add(struct fs *devfs, const char *name, uint32_t mode, uint32_t uid, uint32_t gid,
              uint32_t rdev); // a node ("tty", "pts/3"); mode with LX_S_IFCHR
int devfs_link(struct fs *devfs, const char *name, const char *target);
int devfs_remove(struct fs *devfs, const char *name);

// ---------------------------------------------------------------- finding
enum {
    LOOKUP_FOLLOW = 1,    // follow a symlink in the last component
    LOOKUP_DIRECTORY = 2, // ENOTDIR unless a directory
    LOOKUP_EMPTY = 4,     // AT_EMPTY_PATH: "" is at->base
    LOOKUP_NO_SYMLINKS = 8,
    LOOKUP_NO_MAGIC = 16,
    LOOKUP_NO_XDEV = 32,
    LOOKUP_BENEATH = 64,
    LOOKUP_IN_ROOT = 128, // openat2's RESOLVE_*
};
int vfs_lookup(struct vfs *, const struct vfs_at *, const char *path, unsigned flags, struct path *out);
void path_get(const struct path *);
void path_put(struct path *); // and clears it; harmless on a cleared one
struct inode *inode_get(struct inode *);
void inode_put(struct inode *); // NULL is harmless

// The text of a path as seen from root: getcwd, /proc/PID/{cwd,exe,fd/N}. Returns the length without NUL or
// -LX_ENAMETOOLONG, -LX_ERANGE. Deleted names get " (deleted)" when mark_deleted, else -LX_ENOENT (getcwd). Not below
// root: "(unreachable)" in front. Pipes: "pipe:[ino]", etc.
int vfs_path_text(const struct path *root, const struct path *, bool mark_deleted, char *buf, size_t size);

// ---------------------------------------------------------------- opening
// On -LX_EPARK *out may be a half-open file (a FIFO without its other end; NULL otherwise): keep it, wait on vfs->park,
// call vfs_open_again; or file_put it.
int vfs_open(struct vfs *, const struct vfs_at *, const char *path, unsigned flags, uint32_t mode,
             unsigned lookup_flags, struct file **out);
int vfs_open_again(struct file *); // 0: open now; -LX_EPARK: wait again; else put the file
int vfs_open_path(struct vfs *, const struct path *, const struct cred *, unsigned flags,
                  struct file **out); // what a found path names; same EPARK rule. Checks rights
int vfs_open_exec(struct vfs *, const struct vfs_at *, const char *path, unsigned lookup_flags,
                  struct file **out); // for execve: EACCES unless a regular, executable file, no noexec; ETXTBSY.
                                      // The file denies writing until it is put (its inode->deny_write is counted)
struct file *file_get(struct file *);
void file_put(struct file *); // NULL is harmless; the last one releases

// Files that have no name: an eventfd, an epoll, a socket. mode: inode's (LX_S_IFSOCK | 0777, or 0600 for anonymous
// inodes); name as in /proc/PID/fd: "anon_inode:[eventfd]", "socket:" (shown as "socket:[ino]"). flags: LX_O_* access
// mode and status flags. `private` goes to the file.
int vfs_anon_file(struct vfs *, const char *name, uint32_t mode, const struct file_ops *, void *private, unsigned flags,
                  struct file **out);
int vfs_memfd(struct vfs *, const char *name,
              struct file **out); // memfd_create, shmget, shared anonymous memory: "/memfd:name (deleted)"
int vfs_shm_file(struct vfs *, const char *text, struct file **out); // the same, named so: "/SYSV%08x"
int vfs_pipe(struct vfs *, unsigned flags, struct file **r,
             struct file **w); // flags: LX_O_NONBLOCK, LX_O_DIRECT (packets), CLOEXEC ignored

uint32_t pipe_bytes(struct file *); // FIONREAD of a pipe or FIFO
int64_t vfs_pipe_size(struct file *,
                      int64_t set); // F_GETPIPE_SZ (set < 0), F_SETPIPE_SZ: the capacity; -LX_EBADF: not a pipe

// ---------------------------------------------------------------- using a file. They check the access mode (EBADF),
// O_APPEND, positions, directories (EISDIR).
int vfs_read(struct file *, struct iob *, uint64_t *pos);  // pos: &f->pos, or of pread (ESPIPE without FILE_SEEK is the
                                                           // caller's to see). Updates atime (relatime)
int vfs_write(struct file *, struct iob *, uint64_t *pos); // clears suid bits, mtime. EPIPE: the caller sends SIGPIPE.
                                                           // Limits: EFBIG by RLIMIT_FSIZE is the caller's
int64_t vfs_seek(struct file *, int64_t offset, int whence); // LX_SEEK_SET.. incl. DATA and HOLE
int vfs_readdir(struct file *, dir_sink *, void *ctx); // from f->pos, which it advances. ENOENT on a removed directory
unsigned vfs_poll(struct file *, struct waitq **queue);
int64_t vfs_ioctl(struct file *, struct task *, uint32_t cmd, uint64_t arg);
int vfs_fsync(struct file *);
int vfs_fallocate(struct file *, int mode, uint64_t off,
                  uint64_t len);                 // mode 0, LX_FALLOC_FL_KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE
int vfs_ftruncate(struct file *, uint64_t size); // EINVAL unless open for writing
int vfs_sync(struct vfs *);
void vfs_finish(struct vfs *);      // after the run: nothing more will be written
uint32_t vfs_reclaim(struct vfs *); // memory is short: drops cached pages that can be read again; those that nobody
                                    // maps, else those that are mapped, too. How many frames came free

// One page of a file for mmap: a frame, with a reference added (give it back with ram_unref). for_write: the page
// becomes the file's own (private copy of a lower page), and what is stored in the frame is the file's content. Beyond
// the end of the file: -LX_EFAULT (SIGBUS, BUS_ADRERR); -LX_EIO; -LX_ENOSPC; -LX_EPARK (see the top). A page read
// before somebody writes the file may be replaced: then host.unmap is called first.
int inode_page(struct inode *, uint32_t index, bool for_write, uint32_t *frame);
void inode_mapped_write(
    struct inode *); // a shared writable mapping was written to: mtime, ctime, suid bits (call once per fault)
int inode_read(struct inode *, uint64_t off, void *buf,
               size_t n); // for the loader: bytes read (short at the end) or -errno, -LX_EPARK: all or nothing

// ---------------------------------------------------------------- changing the tree (path resolved from `at`;
// permissions checked)
int vfs_mkdir(struct vfs *, const struct vfs_at *, const char *path, uint32_t mode);
int vfs_mknod(struct vfs *, const struct vfs_at *, const char *path, uint32_t mode, uint32_t rdev,
              struct path *made); // any but directory and symlink; devices need CAP_MKNOD. made: NULL, or gets the new
                                  // place (bind)
int vfs_symlink(struct vfs *, const struct vfs_at *, const char *target, const char *path);
int vfs_link(struct vfs *, const struct vfs_at *from, const char *old, unsigned lookup_flags, const struct vfs_at *to,
             const char *path);
int vfs_unlink(struct vfs *, const struct vfs_at *, const char *path);
int vfs_rmdir(struct vfs *, const struct vfs_at *, const char *path);
int vfs_rename(struct vfs *, const struct vfs_at *from, const char *old, const struct vfs_at *to, const char *path,
               unsigned flags); // LX_RENAME_NOREPLACE, EXCHANGE

// ---------------------------------------------------------------- attributes of a found path
int vfs_getattr(const struct path *, struct kstat *);
int vfs_file_getattr(struct file *, struct kstat *);
int vfs_setattr(const struct path *, const struct cred *,
                const struct setattr *); // chmod, chown, utimensat with their rules. Times with explicit values: owner;
                                         // _NOW: owner or writer
int vfs_truncate(const struct path *, const struct cred *, uint64_t size); // truncate(2): checks write permission
int vfs_readlink(
    const struct path *, char *buf,
    size_t size); // length (cut at size, no NUL); EINVAL: not a link. Magic links: the text of where they lead
int vfs_access(
    const struct path *, const struct cred *,
    unsigned mask); // LX_R_OK|W_OK|X_OK with the fs ids of cred (access(2): the caller copies cred with real ids)
int vfs_statfs(const struct path *, struct kstatfs *);
int vfs_getxattr(const struct path *, const struct cred *, const char *name, void *buf, size_t size);
int vfs_setxattr(const struct path *, const struct cred *, const char *name, const void *value, size_t size,
                 int flags); // value NULL: remove
int vfs_listxattr(const struct path *, const struct cred *, char *buf, size_t size);
int inode_permission(struct inode *, const struct cred *, unsigned mask);
int inode_deny_write(struct inode *); // ETXTBSY when open for writing
void inode_allow_write(struct inode *);
