// What the mount server does with names: finding, making, linking, removing and renaming them, and listing directories.
#include "disk/mountserver_ops.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RENAME_KNOWN = 3 }; // RENAME_NOREPLACE, RENAME_EXCHANGE

static const char *name_of(const struct mount_job *j)
{
    return mount_good_name(j->name, j->q.name) ? j->name : NULL;
}

// The directory's descriptor, and whether there is a name to be used in it.
static int dir_of(struct mount_job *j, const char *name)
{
    if (!name) return -EINVAL;
    return j->n->who.kind == S_IFDIR ? node_fd(j->s, j->n) : -ENOTDIR;
}

static int found(struct mount_job *j, const char *name, int fd)
{
    struct statx st;
    struct node *n;
    if (fd < 0) return fd;
    int err = stat_fd(fd, &st);
    if (err) {
        close(fd);
        return err;
    }
    err = node_of(j->s, j->n, name, fd, &st, &n);
    if (err) return err;
    j->r->node = n->id;
    return job_attr(j, &st);
}

static int room_for_one(struct mount_job *j, const char *name)
{
    int dir = dir_of(j, name), err = dir < 0 ? dir : node_room(j->s);
    return err ? err : dir;
}

// One of the names that are asked for beside the first; the reply's head is the first one's.
static void look_up_more(struct mount_job *j, const char *name)
{
    struct mount_reply first = *j->r;
    struct mount_found more = {0};
    int dir = room_for_one(j, name);
    if (dir >= 0 && !found(j, name, open_beneath(dir, name, O_PATH, 0)))
        more = (struct mount_found){j->r->node, j->r->attr};
    first.data += sizeof more;
    memcpy(j->out + j->r->data, &more, sizeof more);
    *j->r = first;
}

int mount_do_LOOKUP(struct mount_job *j)
{
    const char *name = name_of(j);
    int dir = room_for_one(j, name);
    int err = dir < 0 ? dir : found(j, name, open_beneath(dir, name, O_PATH, 0));
    for (uint32_t at = 0, n = 0; !err && at < j->q.data && n < MOUNT_MORE; n++) {
        const char *more = (const char *)j->data + at;
        size_t len = strnlen(more, j->q.data - at);
        if (!mount_good_name(more, len)) return -EINVAL;
        look_up_more(j, more);
        at += (uint32_t)len + 1;
    }
    return err;
}

// ---------------------------------------------------------------- making

// What a program gains rights by is not made here: the box's users are not the host's.
static mode_t harmless(uint32_t mode)
{
    return mode & (S_ISVTX | 0777);
}

// A regular file, with or without a name, stays open for who makes it, whatever its mode lets others do.
static int make_file(struct mount_job *j, int dir, const char *name)
{
    int flags = name ? O_CREAT | O_EXCL | O_RDWR : O_TMPFILE | O_RDWR;
    int io = open_beneath(dir, name ? name : ".", flags | O_NONBLOCK, harmless(j->q.mode));
    int err = io < 0 ? io : found(j, name, reopen(j->s, io, O_PATH));
    if (io < 0) return err;
    struct node *n = err ? NULL : node_get(j->s, j->r->node);
    if (n)
        err = node_give_io(j->s, n, io);
    else
        close(io);
    return err;
}

static int make_other(struct mount_job *j, int dir, const char *name)
{
    int err = -EPERM; // devices: of the host's there are enough
    switch (j->q.mode & S_IFMT) {
    case S_IFDIR:
        err = mkdirat(dir, name, harmless(j->q.mode));
        break;
    case S_IFLNK:
        if (!j->q.data || j->q.data > MOUNT_TEXT || memchr(j->data, 0, j->q.data)) return -EINVAL;
        err = symlinkat((const char *)j->data, dir, name);
        break;
    case S_IFIFO:
    case S_IFSOCK:
        err = mknodat(dir, name, (j->q.mode & S_IFMT) | harmless(j->q.mode), 0);
        break;
    default:
        return err;
    }
    return err ? -errno : found(j, name, open_beneath(dir, name, O_PATH, 0));
}

int mount_do_CREATE(struct mount_job *j)
{
    const char *name = name_of(j);
    bool file = (j->q.mode & S_IFMT) == S_IFREG, unnamed = file && !j->q.name;
    int dir = room_for_one(j, unnamed ? "" : name);
    if (dir < 0) return dir;
    if (j->q.data && (j->q.mode & S_IFMT) != S_IFLNK) return -EINVAL;
    return file ? make_file(j, dir, name) : make_other(j, dir, name);
}

// By the descriptor, so that it is this file and no other.
int mount_do_LINK(struct mount_job *j)
{
    const char *name = name_of(j);
    char text[16];
    int dir = dir_of(j, name), old = dir < 0 ? dir : node_fd(j->s, j->other);
    if (old < 0) return old;
    snprintf(text, sizeof text, "%d", old);
    if (linkat(j->s->proc, text, dir, name, AT_SYMLINK_FOLLOW)) return -errno;
    if (!j->other->name) node_named(j->s, j->other, j->n, name);
    return job_attr_of(j, j->other);
}

// ---------------------------------------------------------------- removing, renaming

int mount_do_UNLINK(struct mount_job *j)
{
    const char *name = name_of(j);
    int dir = dir_of(j, name);
    if (dir < 0) return dir;
    return unlinkat(dir, name, (j->q.mode & S_IFMT) == S_IFDIR ? AT_REMOVEDIR : 0) ? -errno : 0;
}

// The node of the file that has this name, if it has one.
static struct node *named(struct mount_job *j, const struct node *in, int dir, const char *name)
{
    struct statx st;
    struct node_identity who;
    if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st)) return NULL;
    identity_of(&st, &who);
    return node_find(j->s, in->mount, &who);
}

// From here on it is looked for under this name.
static void note_name(struct mount_job *j, struct node *in, int dir, const char *name)
{
    struct node *n = named(j, in, dir, name);
    if (n) node_named(j->s, n, in, name);
}

int mount_do_RENAME(struct mount_job *j)
{
    const char *name = name_of(j), *to = (const char *)j->data;
    if (!mount_good_name(to, j->q.data) || j->q.flags & ~(uint32_t)RENAME_KNOWN) return -EINVAL;
    if (j->other->who.kind != S_IFDIR) return -ENOTDIR;
    int dir = dir_of(j, name), dir2 = dir < 0 ? dir : node_fd(j->s, j->other);
    if (dir2 < 0) return dir2;
    const struct node *replaced = j->q.flags ? NULL : named(j, j->other, dir2, to);
    if (renameat2(dir, name, dir2, to, j->q.flags)) return -errno;
    j->r->node = replaced ? replaced->id : 0;
    note_name(j, j->other, dir2, to);
    if (j->q.flags) note_name(j, j->n, dir, name); // exchanged
    return 0;
}

// ---------------------------------------------------------------- listing

struct host_dirent { // getdents64(2)
    uint64_t ino;
    int64_t off;
    uint16_t len;
    uint8_t kind;
    char name[];
};

// The entry in our form: its size, or 0 when there is no room for it.
static size_t put_entry(uint8_t *to, size_t room, const struct host_dirent *e)
{
    size_t len = strlen(e->name), size = (offsetof(struct mount_entry, len) + 1 + len + 7) & ~(size_t)7;
    struct mount_entry *m = (struct mount_entry *)to;
    if (len > MOUNT_NAME) return 0;
    if (size > room) return 0;
    memset(to, 0, size);
    m->ino = e->ino;
    m->next = (uint64_t)e->off;
    m->kind = e->kind;
    m->len = (uint8_t)len;
    memcpy(to + offsetof(struct mount_entry, len) + 1, e->name, len);
    return size;
}

static bool is_dot(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

// Our entries take no more room than getdents64's, but for the shortest names.
enum { HOST_ENTRIES = 32768 };

int mount_do_READDIR(struct mount_job *j)
{
    _Alignas(8) uint8_t buf[HOST_ENTRIES];
    if (j->n->who.kind != S_IFDIR) return -ENOTDIR;
    int fd = node_io(j->s, j->n, false);
    if (fd < 0) return fd;
    // Also where it stands already, at 0: what was made since is to be seen.
    if ((j->n->dir_pos != j->q.offset || !j->q.offset) && lseek(fd, (off_t)j->q.offset, SEEK_SET) < 0) return -errno;
    long n = syscall(SYS_getdents64, fd, buf, sizeof buf);
    if (n < 0) return -errno;
    j->n->dir_pos = j->q.offset;
    for (long at = 0; at < n;) {
        const struct host_dirent *e = (const struct host_dirent *)(buf + at);
        at += e->len;
        j->n->dir_pos = (uint64_t)e->off;
        if (!is_dot(e->name)) j->r->data += (uint32_t)put_entry(j->out + j->r->data, MOUNT_DATA - j->r->data, e);
    }
    j->r->value = j->n->dir_pos; // where to go on, when there were dots only
    return n > 0;
}

int mount_do_READLINK(struct mount_job *j)
{
    if (j->n->who.kind != S_IFLNK) return -EINVAL;
    int fd = node_fd(j->s, j->n);
    if (fd < 0) return fd;
    ssize_t n = readlinkat(fd, "", (char *)j->out, MOUNT_TEXT);
    if (n < 0) return -errno;
    j->r->data = (uint32_t)n;
    return 0;
}
