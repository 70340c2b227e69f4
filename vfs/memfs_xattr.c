// Extended attributes of memfs inodes: a short list in memory (xattr(7)), which begins as the lower's.
#include "vfs/memfs.h"
#include "vfs/internal.h"
#include <string.h>

static struct mxattr **find(struct mnode *n, const char *name)
{
    struct mxattr **x = &n->xattrs;
    while (*x && strcmp((*x)->name, name) != 0) x = &(*x)->next;
    return x;
}

static void xattr_free(struct vfs *v, struct mxattr *x)
{
    if (x->name) kmem_free(v, x->name, strlen(x->name) + 1);
    kmem_free(v, x->value, x->size + 1);
    kmem_free(v, x, sizeof *x);
}

static void remove_at(struct vfs *v, struct mxattr **at)
{
    struct mxattr *x = *at;
    *at = x->next;
    xattr_free(v, x);
}

void memfs_free_xattrs(struct mnode *n)
{
    while (n->xattrs) remove_at(n->i.fs->vfs, &n->xattrs);
}

static struct mxattr *xattr_new(struct vfs *v, const char *name, const void *value, size_t size)
{
    struct mxattr *x = kmem_new(v, sizeof *x);
    if (!x) return NULL;
    *x =
        (struct mxattr){.name = kmem_strdup(v, name, strlen(name)), .value = kmem_strdup(v, value, size), .size = size};
    if (x->name && x->value) return x;
    if (!x->value) x->size = 0;
    xattr_free(v, x);
    return NULL;
}

// ---------------------------------------------------------------- loading from the lower

int memfs_load_xattr(void *ctx, const char *name, const void *value, size_t size)
{
    struct mnode *n = ctx;
    struct mxattr **at = find(n, name);
    if (*at) return 0; // a corrupt inode may have a name twice: the first counts
    *at = xattr_new(n->i.fs->vfs, name, value, size);
    return *at ? 0 : -LX_ENOMEM;
}

static int load(struct mnode *n)
{
    struct lower *l = memfs_of(&n->i)->lower;
    if (n->xattrs_loaded || !n->lower || !l->ops->xattrs) return 0;
    int err = l->ops->xattrs(l, n->lower, memfs_load_xattr, n);
    if (err)
        memfs_free_xattrs(n);
    else
        n->xattrs_loaded = true;
    return err;
}

// ---------------------------------------------------------------- operations

int memfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
    int err = load(mnode(i));
    if (err) return err;
    struct mxattr *x = *find(mnode(i), name);
    if (!x) return -LX_ENODATA;
    if (size == 0) return (int)x->size;
    if (size < x->size) return -LX_ERANGE;
    memcpy(buf, x->value, x->size);
    return (int)x->size;
}

int memfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
    struct vfs *v = i->fs->vfs;
    int err = load(mnode(i));
    if (err) return err;
    struct mxattr **at = find(mnode(i), name);
    if (!value) {
        if (!*at) return -LX_ENODATA;
        remove_at(v, at);
        mnode(i)->xattrs_changed = true;
        return 0;
    }
    if (flags & LX_XATTR_CREATE && *at) return -LX_EEXIST;
    if (flags & LX_XATTR_REPLACE && !*at) return -LX_ENODATA;
    struct mxattr *x = xattr_new(v, name, value, size);
    if (!x) return -LX_ENOSPC;
    if (*at) remove_at(v, at);
    x->next = *at;
    *at = x;
    mnode(i)->xattrs_changed = true;
    return 0;
}

int memfs_listxattr(struct inode *i, char *buf, size_t size)
{
    size_t used = 0;
    int err = load(mnode(i));
    if (err) return err;
    for (const struct mxattr *x = mnode(i)->xattrs; x; x = x->next) {
        size_t n = strlen(x->name) + 1;
        if (size && used + n > size) return -LX_ERANGE;
        if (size) memcpy(buf + used, x->name, n);
        used += n;
    }
    return used > 65536 ? -LX_E2BIG : (int)used;
}
