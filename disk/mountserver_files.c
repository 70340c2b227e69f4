// What the mount server does with files: attributes, contents, extended attributes.
#include "disk/mountserver_ops.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

// ---------------------------------------------------------------- attributes

static bool in_groups(const struct mount_state *s, gid_t gid)
{
    if (gid == s->gid) return true;
    for (int i = 0; i < s->ngroups; i++)
        if (s->groups[i] == gid) return true;
    return false;
}

// What the mode gives the user; root may all but run what nobody may.
static uint32_t rights_of(const struct mount_state *s, const struct statx *st)
{
    uint32_t mode = st->stx_mode;
    if (s->uid == 0) return S_ISDIR(mode) || mode & 0111 ? 7 : R_OK | W_OK;
    unsigned shift = st->stx_uid == s->uid ? 6 : in_groups(s, st->stx_gid) ? 3 : 0;
    return mode >> shift & 7;
}

static struct mount_time time_of(const struct statx_timestamp *t)
{
    return (struct mount_time){t->tv_sec, t->tv_nsec};
}

// Numbers of files are the host's. Where a directory has files of several devices (btrfs, overlayfs) they could be
// equal.
static uint64_t number_of(const struct mount_job *j, const struct statx *st)
{
    uint64_t dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
    const struct node *root = node_get(j->s, j->n->mount + 1);
    return root && root->who.dev == dev ? st->stx_ino : st->stx_ino ^ dev << 40;
}

int job_attr(struct mount_job *j, const struct statx *st)
{
    bool mine = st->stx_uid == j->s->uid, group = in_groups(j->s, st->stx_gid);
    j->r->attr = (struct mount_attr){.ino = number_of(j, st),
                                     .size = st->stx_size,
                                     .blocks = st->stx_blocks,
                                     .mode = st->stx_mode,
                                     .nlink = st->stx_nlink,
                                     .rdev = (uint32_t)makedev(st->stx_rdev_major, st->stx_rdev_minor),
                                     .mine = (mine ? MOUNT_OWNER : 0) | (group ? MOUNT_GROUP : 0),
                                     .rights = rights_of(j->s, st),
                                     .atime = time_of(&st->stx_atime),
                                     .mtime = time_of(&st->stx_mtime),
                                     .ctime = time_of(&st->stx_ctime)};
    j->r->attr.btime = st->stx_mask & STATX_BTIME ? time_of(&st->stx_btime) : (struct mount_time){0, 0};
    return 0;
}

int job_attr_of(struct mount_job *j, struct node *n)
{
    struct statx st;
    int fd = node_fd(j->s, n), err = fd < 0 ? fd : stat_fd(fd, &st);
    return err ? err : job_attr(j, &st);
}

int mount_do_GETATTR(struct mount_job *j)
{
    return job_attr_of(j, j->n);
}

// The name of a node's file for calls that know no descriptors of O_PATH: below s->proc, and as a whole path.
struct node_name {
    char in_proc[16], path[40];
};
static int name_node(struct mount_job *j, struct node_name *name)
{
    int fd = node_fd(j->s, j->n);
    if (fd < 0) return fd;
    snprintf(name->in_proc, sizeof name->in_proc, "%d", fd);
    snprintf(name->path, sizeof name->path, "/proc/self/fd/%d", fd);
    return 0;
}

int mount_do_ACCESS(struct mount_job *j)
{
    struct node_name name;
    if (j->q.mode & ~7u) return -EINVAL;
    int err = name_node(j, &name);
    if (err) return err;
    return faccessat(j->s->proc, name.in_proc, (int)j->q.mode, AT_EACCESS) ? -errno : 0;
}

static int set_size(struct mount_job *j)
{
    if (j->q.size > INT64_MAX) return -EINVAL;
    if (j->n->who.kind != S_IFREG) return -EINVAL;
    bool open = j->n->io[1] >= 0;
    int fd = node_io(j->s, j->n, true);
    int err = fd < 0 ? fd : ftruncate(fd, (off_t)j->q.size) ? -errno : 0;
    if (!open && fd >= 0) node_drop_io(j->s, j->n);
    return err;
}

static int set_mode(struct mount_job *j, const struct node_name *name)
{
    mode_t bits = S_ISVTX | 0777;
    if (j->n->who.kind == S_IFLNK) return -EOPNOTSUPP;
    if (j->n->who.kind == S_IFDIR) bits |= S_ISGID; // there it is about groups of new files, not about rights
    return fchmodat(j->s->proc, name->in_proc, j->q.mode & bits, 0) ? -errno : 0;
}

static bool set_time(struct timespec *t, const struct mount_job *j, const struct mount_time *to, uint32_t set,
                     uint32_t now)
{
    t->tv_nsec = j->q.flags & now ? UTIME_NOW : j->q.flags & set ? (long)to->nsec : UTIME_OMIT;
    t->tv_sec = to->sec;
    return !(j->q.flags & set) || j->q.flags & now || to->nsec < 1000000000;
}

static int set_times(struct mount_job *j, const struct node_name *name)
{
    struct timespec t[2];
    if (!set_time(&t[0], j, &j->q.atime, MOUNT_SET_ATIME, MOUNT_SET_ATIME_NOW) ||
        !set_time(&t[1], j, &j->q.mtime, MOUNT_SET_MTIME, MOUNT_SET_MTIME_NOW))
        return -EINVAL;
    return utimensat(j->s->proc, name->in_proc, t, 0) ? -errno : 0;
}

int mount_do_SETATTR(struct mount_job *j)
{
    enum { TIMES = MOUNT_SET_ATIME | MOUNT_SET_MTIME | MOUNT_SET_ATIME_NOW | MOUNT_SET_MTIME_NOW };
    struct node_name name;
    int err = j->q.flags & MOUNT_SET_SIZE ? set_size(j) : 0;
    if (!err) err = name_node(j, &name);
    if (!err && j->q.flags & MOUNT_SET_MODE) err = set_mode(j, &name);
    if (!err && j->q.flags & TIMES) err = set_times(j, &name);
    return err ? err : job_attr_of(j, j->n);
}

// ---------------------------------------------------------------- contents

// Most files are read from their start at once.
static int read_ahead(struct mount_job *j)
{
    if (!(j->q.flags & MOUNT_READING) || !j->q.size) return 0;
    ssize_t n = pread(j->n->io[0], j->out, j->q.size < MOUNT_AHEAD ? j->q.size : MOUNT_AHEAD, 0);
    if (n > 0) j->r->data = (uint32_t)n;
    return n >= 0; // 1: what has come is what was there
}

int mount_do_OPEN(struct mount_job *j)
{
    if (j->q.flags & ~(uint32_t)(MOUNT_READING | MOUNT_WRITING)) return -EINVAL;
    if (j->q.flags & MOUNT_WRITING && !j->s->server->dirs[j->n->mount].writable) return -EROFS;
    int err = node_open_io(j->s, j->n, j->q.flags);
    if (err) return err;
    int ahead = read_ahead(j); // first, since it may change the time of access
    err = job_attr_of(j, j->n);
    if (err) node_closed(j->s, j->n);
    return err ? err : ahead;
}

int mount_do_CLOSE(struct mount_job *j)
{
    if (j->n->who.kind == S_IFREG) node_closed(j->s, j->n);
    return 0;
}

int mount_do_READ(struct mount_job *j)
{
    if (j->n->who.kind != S_IFREG) return -EINVAL;
    if (j->q.size > MOUNT_DATA || j->q.offset > INT64_MAX - MOUNT_DATA) return -EINVAL;
    int fd = node_io(j->s, j->n, false);
    if (fd < 0) return fd;
    ssize_t n = pread(fd, j->out, j->q.size, (off_t)j->q.offset);
    if (n < 0) return -errno;
    j->r->data = (uint32_t)n;
    return (int)n;
}

int mount_do_WRITE(struct mount_job *j)
{
    bool append = j->q.flags & MOUNT_APPEND;
    if (j->n->who.kind != S_IFREG || j->q.data > MOUNT_DATA) return -EINVAL;
    if (j->q.flags & ~(uint32_t)MOUNT_APPEND || (!append && j->q.offset > INT64_MAX - MOUNT_DATA)) return -EINVAL;
    int fd = node_io(j->s, j->n, true);
    if (fd < 0) return fd;
    struct iovec io = {(void *)(uintptr_t)j->data, j->q.data};
    // Offset -1 is the descriptor's own, which then stands behind what was appended.
    ssize_t n = append ? pwritev2(fd, &io, 1, -1, RWF_APPEND) : pwrite(fd, j->data, j->q.data, (off_t)j->q.offset);
    if (n < 0) return -errno;
    off_t end = append ? lseek(fd, 0, SEEK_CUR) : 0;
    if (end < 0) return -errno;
    j->r->value = append ? (uint64_t)(end - n) : j->q.offset;
    (void)job_attr_of(j, j->n); // written it is
    return (int)n;
}

int mount_do_FSYNC(struct mount_job *j)
{
    bool writing = j->n->io[1] >= 0;
    if (j->n->who.kind != S_IFREG && j->n->who.kind != S_IFDIR) return -EINVAL;
    int fd = writing ? j->n->io[1] : node_io(j->s, j->n, false);
    if (fd < 0) return fd;
    return fsync(fd) ? -errno : 0;
}

int mount_do_SYNC(struct mount_job *j)
{
    int fd = node_io(j->s, j->n, false);
    if (fd < 0) return fd;
    return syncfs(fd) ? -errno : 0;
}

int mount_do_STATFS(struct mount_job *j)
{
    struct statvfs v;
    int fd = node_fd(j->s, j->n);
    if (fd < 0) return fd;
    if (fstatvfs(fd, &v)) return -errno;
    struct mount_statfs s = {v.f_bsize, v.f_frsize, v.f_blocks, v.f_bfree, v.f_bavail, v.f_files, v.f_ffree};
    memcpy(j->out, &s, sizeof s);
    j->r->data = sizeof s;
    return 0;
}

int mount_do_ALLOCATE(struct mount_job *j)
{
    const uint32_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    if (j->n->who.kind != S_IFREG || j->q.mode & ~known) return -EOPNOTSUPP;
    if (j->q.offset > INT64_MAX || j->q.size > INT64_MAX - j->q.offset) return -EFBIG;
    int fd = node_io(j->s, j->n, true);
    if (fd < 0) return fd;
    if (fallocate(fd, (int)j->q.mode, (off_t)j->q.offset, (off_t)j->q.size)) return -errno;
    return job_attr_of(j, j->n);
}

int mount_do_SEEK(struct mount_job *j)
{
    if (j->n->who.kind != S_IFREG || j->q.offset > INT64_MAX) return -EINVAL;
    if (j->q.mode != SEEK_DATA && j->q.mode != SEEK_HOLE) return -EINVAL;
    int fd = node_io(j->s, j->n, false);
    if (fd < 0) return fd;
    off_t at = lseek(fd, (off_t)j->q.offset, (int)j->q.mode);
    if (at < 0) return -errno;
    j->r->value = (uint64_t)at;
    return 0;
}

// ---------------------------------------------------------------- extended attributes: the user's only

static int xattr_name(struct mount_job *j, struct node_name *name)
{
    if (strlen(j->name) != j->q.name) return -EINVAL;
    if (strncmp(j->name, "user.", 5)) return -EOPNOTSUPP;
    if (j->n->who.kind != S_IFREG && j->n->who.kind != S_IFDIR) return -EPERM;
    return name_node(j, name);
}

int mount_do_GETXATTR(struct mount_job *j)
{
    struct node_name name;
    int err = xattr_name(j, &name);
    if (err) return err;
    ssize_t n = getxattr(name.path, j->name, j->out, MOUNT_VALUE);
    if (n < 0) return -errno;
    j->r->data = (uint32_t)n;
    return 0;
}

int mount_do_SETXATTR(struct mount_job *j)
{
    struct node_name name;
    int err = xattr_name(j, &name);
    if (err) return err;
    if (j->q.flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE) || j->q.data > MOUNT_VALUE) return -EINVAL;
    return setxattr(name.path, j->name, j->data, j->q.data, (int)j->q.flags) ? -errno : 0;
}

int mount_do_REMOVEXATTR(struct mount_job *j)
{
    struct node_name name;
    int err = xattr_name(j, &name);
    if (err) return err;
    return removexattr(name.path, j->name) ? -errno : 0;
}

int mount_do_LISTXATTR(struct mount_job *j)
{
    struct node_name name;
    if (j->n->who.kind != S_IFREG && j->n->who.kind != S_IFDIR) return 0;
    int err = name_node(j, &name);
    if (err) return err;
    char *list = (char *)j->out;
    ssize_t n = listxattr(name.path, list, MOUNT_VALUE);
    if (n < 0) return errno == EOPNOTSUPP ? 0 : -errno;
    for (ssize_t at = 0; at < n;) {
        size_t len = strnlen(list + at, (size_t)(n - at)) + 1;
        if (!strncmp(list + at, "user.", 5)) {
            memmove(list + j->r->data, list + at, len);
            j->r->data += (uint32_t)len;
        }
        at += (ssize_t)len;
    }
    return 0;
}

int mount_do_FORGET(struct mount_job *j)
{
    for (uint32_t at = 0; at + sizeof(uint64_t) <= j->q.data; at += sizeof(uint64_t)) {
        uint64_t id;
        memcpy(&id, j->data + at, sizeof id);
        struct node *n = node_get(j->s, id);
        if (n) node_forget(j->s, n);
    }
    return 0;
}
