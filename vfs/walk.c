// Path walk: from a text to a place (fs/namei.c). Never recursive: pending link targets stand on a small stack.
//
// A walk goes component by component, rights checked in each directory, up to the last component, where the caller
// decides (open, create, delete all treat it differently). Symlinks met on the way are followed at once; walk_follow
// follows one that the caller found at the end.
#include "vfs/internal.h"
#include <stdlib.h>
#include <string.h>

static void set_cur(struct walk *w, struct path to) // takes over the reference
{
    path_put(&w->cur);
    w->cur = to;
}

static void go_to(struct walk *w, const struct path *to)
{
    path_get(to);
    set_cur(w, *to);
}

int walk_start(struct walk *w, struct vfs *v, const struct vfs_at *at, const char *path, unsigned flags)
{
    *w = (struct walk){.vfs = v, .at = at, .flags = flags};
    if (strnlen(path, VFS_PATH_MAX) >= VFS_PATH_MAX) return -LX_ENAMETOOLONG;
    if (!*path && !(flags & LOOKUP_EMPTY)) return -LX_ENOENT;
    bool absolute = *path == '/';
    if (absolute && flags & LOOKUP_BENEATH) return -LX_EXDEV;
    go_to(w, absolute && !(flags & LOOKUP_IN_ROOT) ? &at->root : &at->base);
    w->stack[0].rest = path;
    w->depth = 1;
    return 0;
}

void walk_end(struct walk *w)
{
    path_put(&w->cur);
    for (unsigned i = 0; i < w->depth; i++) free(w->stack[i].owned);
    w->depth = 0;
}

static const struct path *walk_root(const struct walk *w)
{
    return w->flags & (LOOKUP_IN_ROOT | LOOKUP_BENEATH) ? &w->at->base : &w->at->root;
}

// Takes the next component off the stack into w->name: 1, 0 at the end, -LX_ENAMETOOLONG.
static int next_component(struct walk *w)
{
    while (w->depth > 0) {
        const char *s = w->stack[w->depth - 1].rest;
        while (*s == '/') s++;
        size_t n = strcspn(s, "/");
        if (n > VFS_NAME_MAX) return -LX_ENAMETOOLONG;
        w->stack[w->depth - 1].rest = s + n;
        if (n > 0) {
            memcpy(w->name, s, n);
            w->name[n] = 0;
            w->len = n;
            return 1;
        }
        if (w->depth == 1) return 0;
        free(w->stack[--w->depth].owned);
    }
    return 0;
}

// Is anything left but slashes? Drops finished link targets, so that a chain of links does not need the stack.
// w->slash: a slash follows.
static bool more_components(struct walk *w)
{
    w->slash = false;
    for (;;) {
        const char *s = w->stack[w->depth - 1].rest;
        if (*s == '/') w->slash = true;
        s += strspn(s, "/");
        if (*s) return true;
        if (w->depth == 1) return false;
        free(w->stack[--w->depth].owned);
    }
}

static int go_up(struct walk *w)
{
    const struct path *root = walk_root(w);
    for (;;) {
        if (w->cur.mount == root->mount && w->cur.dentry == root->dentry)
            return w->flags & LOOKUP_BENEATH ? -LX_EXDEV : 0;
        if (!mount_up(&w->cur)) break;
        if (w->flags & LOOKUP_NO_XDEV) return -LX_EXDEV;
    }
    if (vfs_is_mount_root(&w->cur)) return 0; // detached: nothing is above it
    struct path up = {w->cur.mount, w->cur.dentry->parent};
    path_get(&up);
    mount_down(&up);
    set_cur(w, up);
    return 0;
}

static enum last_kind kind_of(const char *name, size_t len)
{
    if (name[0] != '.' || len > 2) return LAST_NORM;
    if (len == 1) return LAST_DOT;
    return name[1] == '.' ? LAST_DOTDOT : LAST_NORM;
}

static int may_search(struct walk *w)
{
    struct inode *i = path_inode(&w->cur);
    if (!is_dir(i)) return -LX_ENOTDIR;
    return inode_permission(i, w->at->cred, LX_X_OK);
}

int walk_child(struct walk *w, struct path *out)
{
    struct dentry *d = NULL;
    int err = dentry_child(w->cur.dentry, w->name, w->len, &d);
    if (err) return err;
    mount_get(w->cur.mount);
    *out = (struct path){w->cur.mount, d};
    if (mount_down(out) && w->flags & LOOKUP_NO_XDEV) {
        path_put(out);
        return -LX_EXDEV;
    }
    return 0;
}

static int push(struct walk *w, char *target) // owns target
{
    if (w->depth > VFS_LINKS_MAX) {
        free(target);
        return -LX_ELOOP;
    }
    if (*target == '/') {
        if (w->flags & LOOKUP_BENEATH) {
            free(target);
            return -LX_EXDEV;
        }
        go_to(w, walk_root(w));
    }
    w->stack[w->depth].rest = w->stack[w->depth].owned = target;
    w->depth++;
    return 0;
}

static int read_target(struct inode *i, char **out)
{
    char *buf = malloc(VFS_PATH_MAX);
    if (!buf) return -LX_ENOMEM;
    int n = i->ops->readlink ? i->ops->readlink(i, buf, VFS_PATH_MAX - 1) : -LX_EINVAL;
    if (n <= 0) {
        free(buf);
        return n ? n : -LX_ENOENT;
    }
    buf[n] = 0;
    *out = buf;
    return 0;
}

// A magic link leads to a place, not to a text; what follows it goes on from there.
static int jump(struct walk *w, struct inode *i)
{
    struct path to;
    if (w->flags & (LOOKUP_NO_MAGIC | LOOKUP_BENEATH | LOOKUP_IN_ROOT)) return -LX_ELOOP;
    int err = i->ops->jump(i, &to);
    if (err) return err;
    set_cur(w, to);
    w->jumped = true;
    return 0;
}

int walk_follow(struct walk *w, const struct path *link)
{
    struct inode *i = path_inode(link);
    char *target = NULL;
    if (++w->links > VFS_LINKS_MAX || w->flags & LOOKUP_NO_SYMLINKS) return -LX_ELOOP;
    if (i->ops->jump) return jump(w, i);
    int err = read_target(i, &target);
    if (err) return err;
    inode_accessed(link);
    return push(w, target);
}

// One component that is not the last.
static int walk_step(struct walk *w)
{
    enum last_kind kind = kind_of(w->name, w->len);
    if (kind == LAST_DOT) return 0;
    if (kind == LAST_DOTDOT) return go_up(w);
    struct path next;
    int err = walk_child(w, &next);
    if (err) return err;
    struct inode *i = path_inode(&next);
    if (!i)
        err = -LX_ENOENT;
    else if (is_lnk(i))
        err = walk_follow(w, &next);
    else if (!is_dir(i))
        err = -LX_ENOTDIR;
    else
        go_to(w, &next);
    path_put(&next);
    return err;
}

int walk_to_last(struct walk *w)
{
    for (;;) {
        int n = next_component(w);
        if (n < 0) return n;
        if (n == 0) {
            w->last = LAST_ROOT;
            w->len = 0;
            return 0;
        }
        w->jumped = false;
        int err = may_search(w);
        if (err) return err;
        if (!more_components(w)) {
            w->last = kind_of(w->name, w->len);
            return 0;
        }
        err = walk_step(w);
        if (err) return err;
    }
}

// What is at the end must be a directory when a slash follows it or the caller says so.
static int check_kind(const struct walk *w, const struct path *p)
{
    bool dir = w->slash || w->flags & LOOKUP_DIRECTORY;
    return dir && !is_dir(path_inode(p)) ? -LX_ENOTDIR : 0;
}

static int finish_name(struct walk *w, bool follow, bool *again)
{
    struct path p;
    int err = walk_child(w, &p);
    if (err) return err;
    struct inode *i = path_inode(&p);
    if (!i) {
        path_put(&p);
        return -LX_ENOENT;
    }
    if (is_lnk(i) && (follow || w->slash)) {
        *again = true;
        if (w->slash) w->flags |= LOOKUP_DIRECTORY;
        err = walk_follow(w, &p);
        path_put(&p);
        return err;
    }
    err = check_kind(w, &p);
    if (err)
        path_put(&p);
    else
        set_cur(w, p);
    return err;
}

int walk_finish(struct walk *w, bool follow)
{
    for (;;) {
        bool again = false;
        if (w->last == LAST_DOTDOT) {
            int err = go_up(w);
            if (err) return err;
        }
        if (w->last != LAST_NORM) return check_kind(w, &w->cur);
        int err = finish_name(w, follow, &again);
        if (err || !again) return err;
        err = walk_to_last(w);
        if (err) return err;
    }
}

int vfs_lookup(struct vfs *v, const struct vfs_at *at, const char *path, unsigned flags, struct path *out)
{
    struct walk w;
    int err = walk_start(&w, v, at, path, flags);
    if (!err) err = walk_to_last(&w);
    if (!err) err = walk_finish(&w, flags & LOOKUP_FOLLOW);
    if (!err) {
        *out = w.cur;
        w.cur = (struct path){NULL, NULL};
    }
    walk_end(&w);
    return err;
}
