// Extended attributes: {set,get,list,remove}xattr by path, by path without following, by descriptor. See xattr(7); the
// file systems hold them.
#include "syscalls/fs.h"
#include <stdlib.h>
#include <string.h>

enum { XATTR_NAME_MAX = 255, XATTR_SIZE_MAX = 65536, XATTR_LIST_MAX = 65536 };

// How the call names its file: by path (following or not) or by descriptor.
enum by { BY_PATH, BY_LINK, BY_FD };

static int find(struct task *t, enum by by, uint64_t what, struct path *out)
{
    if (by != BY_FD) return at_lookup(t, LX_AT_FDCWD, what, by == BY_PATH ? LOOKUP_FOLLOW : 0, out);
    struct file *f = fd_io(t, (int)what);
    if (!f) return -LX_EBADF;
    *out = f->path;
    path_get(out);
    return 0;
}

static int get_name(struct task *t, gaddr from, char name[XATTR_NAME_MAX + 1])
{
    int64_t n = strncpy_from_user(t, name, from, XATTR_NAME_MAX + 1);
    if (n == 0 || n == -LX_ENAMETOOLONG) return -LX_ERANGE;
    return n < 0 ? (int)n : 0;
}

static int set_value(struct task *t, enum by by, uint64_t what, const char *name, const void *value, size_t size,
                     int flags)
{
    struct path p;
    int err = find(t, by, what, &p);
    if (err) return err;
    err = vfs_setxattr(&p, &t->proc->cred, name, value, size, flags);
    path_put(&p);
    return err;
}

static int64_t set(struct task *t, const uint64_t a[6], enum by by)
{
    char name[XATTR_NAME_MAX + 1];
    uint32_t flags = (uint32_t)a[4];
    if (flags & ~(uint32_t)(LX_XATTR_CREATE | LX_XATTR_REPLACE)) return -LX_EINVAL;
    int err = get_name(t, a[1], name);
    if (err) return err;
    if (a[3] > XATTR_SIZE_MAX) return -LX_E2BIG;
    uint8_t *value = malloc(a[3] ? a[3] : 1);
    if (!value) return -LX_ENOMEM;
    err = copy_from_user(t, value, a[2], a[3]);
    if (!err) err = set_value(t, by, a[0], name, value, a[3], (int)flags);
    free(value);
    return err;
}

// Reads something of up to `max` bytes into a kernel buffer and gives it to the guest. name NULL: the list.
static int64_t get_into(struct task *t, const struct path *p, const char *name, gaddr to, uint64_t size)
{
    size_t room = size < XATTR_SIZE_MAX ? size : XATTR_SIZE_MAX;
    char *buf = malloc(room ? room : 1);
    if (!buf) return -LX_ENOMEM;
    const struct cred *c = &t->proc->cred;
    int64_t n = name ? vfs_getxattr(p, c, name, buf, room) : vfs_listxattr(p, c, buf, room);
    if (n > 0 && room) {
        int err = copy_to_user(t, to, buf, (size_t)n);
        if (err) n = err;
    }
    free(buf);
    return n;
}

static int64_t get(struct task *t, const uint64_t a[6], enum by by, bool list)
{
    char name[XATTR_NAME_MAX + 1];
    struct path p;
    int64_t err = list ? 0 : get_name(t, a[1], name);
    if (!err) err = find(t, by, a[0], &p);
    if (err) return err;
    err = list ? get_into(t, &p, NULL, a[1], a[2]) : get_into(t, &p, name, a[2], a[3]);
    path_put(&p);
    return err;
}

static int64_t remove_attr(struct task *t, const uint64_t a[6], enum by by)
{
    char name[XATTR_NAME_MAX + 1];
    int err = get_name(t, a[1], name);
    return err ? err : set_value(t, by, a[0], name, NULL, 0, 0);
}

int64_t sys_setxattr(struct task *t, const uint64_t a[6])
{
    return set(t, a, BY_PATH);
}
int64_t sys_lsetxattr(struct task *t, const uint64_t a[6])
{
    return set(t, a, BY_LINK);
}
int64_t sys_fsetxattr(struct task *t, const uint64_t a[6])
{
    return set(t, a, BY_FD);
}
int64_t sys_getxattr(struct task *t, const uint64_t a[6])
{
    return get(t, a, BY_PATH, false);
}
int64_t sys_lgetxattr(struct task *t, const uint64_t a[6])
{
    return get(t, a, BY_LINK, false);
}
int64_t sys_fgetxattr(struct task *t, const uint64_t a[6])
{
    return get(t, a, BY_FD, false);
}
int64_t sys_listxattr(struct task *t, const uint64_t a[6])
{
    return get(t, a, BY_PATH, true);
}
int64_t sys_llistxattr(struct task *t, const uint64_t a[6])
{
    return get(t, a, BY_LINK, true);
}
int64_t sys_flistxattr(struct task *t, const uint64_t a[6])
{
    return get(t, a, BY_FD, true);
}
int64_t sys_removexattr(struct task *t, const uint64_t a[6])
{
    return remove_attr(t, a, BY_PATH);
}
int64_t sys_lremovexattr(struct task *t, const uint64_t a[6])
{
    return remove_attr(t, a, BY_LINK);
}
int64_t sys_fremovexattr(struct task *t, const uint64_t a[6])
{
    return remove_attr(t, a, BY_FD);
}
