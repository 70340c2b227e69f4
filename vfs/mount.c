// Mounts: the list of them, and stepping between a covered place and what covers it.
#include "vfs/internal.h"
#include <stdio.h>
#include <string.h>

enum { MAX_MOUNTS = 1000 }; // fs.mount-max: they are searched one by one

void mount_get(struct mount *m)
{
    if (m) m->refs++;
}

void mount_put(struct mount *m)
{
    if (!m || --m->refs > 0) return;
    struct vfs *v = m->fs->vfs;
    struct fs *fs = m->fs;
    v->nmounts--;
    if (m->at) m->at->mounts--;
    dentry_put(m->at);
    dentry_put(m->root);
    mount_put(m->parent);
    kmem_free(v, m, sizeof *m);
    fs_put(fs);
}

void path_get(const struct path *p)
{
    mount_get(p->mount);
    dentry_get(p->dentry);
}

void path_put(struct path *p)
{
    struct path old = *p;
    *p = (struct path){NULL, NULL};
    dentry_put(old.dentry);
    mount_put(old.mount);
}

static void step(struct path *p, struct mount *m, struct dentry *d)
{
    struct path to = {m, d};
    path_get(&to);
    path_put(p);
    *p = to;
}

static struct mount *mounted_at(const struct path *p)
{
    struct mount *found = NULL;
    for (struct mount *m = p->dentry->fs->vfs->mounts; m; m = m->next)
        if (m->parent == p->mount && m->at == p->dentry) found = m;
    return found;
}

bool mount_down(struct path *p)
{
    bool any = false;
    while (p->dentry->mounts) {
        struct mount *m = mounted_at(p);
        if (!m) break;
        step(p, m, m->root);
        any = true;
    }
    return any;
}

bool mount_up(struct path *p)
{
    struct mount *m = p->mount;
    if (!m || !m->parent || p->dentry != m->root) return false;
    step(p, m->parent, m->at);
    return true;
}

// root: NULL: the root of the fs. The fs's reference is the caller's to give.
static struct mount *mount_alloc(struct vfs *v, struct fs *fs, struct dentry *root, const char *source, unsigned flags)
{
    struct mount *m = v->nmounts < MAX_MOUNTS ? kmem_new(v, sizeof *m) : NULL;
    struct dentry *d = !m ? NULL : root ? dentry_get(root) : dentry_root(fs);
    if (!d) {
        kmem_free(v, m, sizeof *m);
        return NULL;
    }
    *m = (struct mount){.root = d, .fs = fs, .id = v->next_mount_id++, .flags = flags | fs->mount_flags, .refs = 1};
    snprintf(m->source, sizeof m->source, "%s", source ? source : fs->type);
    v->nmounts++;
    return m;
}

// Puts it there; takes its own reference on the place.
static void attach(struct vfs *v, struct mount *m, const struct path *at)
{
    if (at->dentry) path_get(at);
    m->parent = at->mount;
    m->at = at->dentry;
    if (m->at) m->at->mounts++;
    struct mount **end = &v->mounts;
    while (*end) end = &(*end)->next;
    *end = m;
}

static void unlist(struct vfs *v, struct mount *m)
{
    struct mount **at = &v->mounts;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    m->next = NULL;
}

// Leaves the place it covers.
static void leave(struct mount *m)
{
    struct path at = {m->parent, m->at};
    m->parent = NULL;
    m->at = NULL;
    if (!at.dentry) return;
    at.dentry->mounts--;
    path_put(&at);
}

// Where the new mount goes; for the very first nothing is there yet.
static int find_place(struct vfs *v, const char *place, struct path *out)
{
    *out = (struct path){NULL, NULL};
    if (!v->mounts) return 0;
    struct cred root;
    cred_init(&root, 0, 0);
    struct vfs_at at = {.cred = &root};
    vfs_root(v, &at.root);
    at.base = at.root;
    int err = vfs_lookup(v, &at, place, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, out);
    path_put(&at.root);
    return err;
}

int vfs_mount_at(struct vfs *v, struct fs *fs, const struct path *place, const char *source, unsigned flags)
{
    struct mount *m = mount_alloc(v, fs, NULL, source, flags);
    if (!m) {
        fs_put(fs);
        return v->nmounts < MAX_MOUNTS ? -LX_ENOMEM : -LX_ENOSPC;
    }
    attach(v, m, place);
    return 0;
}

int vfs_mount(struct vfs *v, struct fs *fs, const char *place, const char *source, unsigned flags)
{
    struct path at;
    int err = find_place(v, place ? place : "/", &at);
    if (err) {
        fs_put(fs);
        return err;
    }
    err = vfs_mount_at(v, fs, &at, source, flags);
    path_put(&at);
    return err;
}

// ---------------------------------------------------------------- away again

void vfs_topmost(struct path *p)
{
    mount_down(p);
}

bool vfs_is_mount_root(const struct path *p)
{
    return p->mount && p->dentry == p->mount->root;
}

static bool listed(const struct vfs *v, const struct mount *m)
{
    for (const struct mount *k = v->mounts; k; k = k->next)
        if (k == m) return true;
    return false;
}

int vfs_umount(struct vfs *v, const struct path *p)
{
    struct mount *m = p->mount;
    if (!m || !m->parent || !vfs_is_mount_root(p) || !listed(v, m)) return -LX_EINVAL;
    if (m->refs > 2) return -LX_EBUSY; // the list's and p's
    unlist(v, m);
    leave(m);
    mount_put(m);
    return 0;
}

static bool is_under(const struct mount *m, const struct mount *top)
{
    while (m && m != top) m = m->parent;
    return m != NULL;
}

int vfs_detach(struct vfs *v, const struct path *p)
{
    struct mount *top = p->mount, *gone = NULL;
    if (!top || !top->parent || !vfs_is_mount_root(p) || !listed(v, top)) return -LX_EINVAL;
    for (struct mount *m = v->mounts, *next; m; m = next) {
        next = m->next;
        if (!is_under(m, top)) continue;
        unlist(v, m);
        m->next = gone;
        gone = m;
    }
    for (struct mount *m = gone, *next; m; m = next) {
        next = m->next;
        m->next = NULL;
        leave(m); // so that nothing leads out of it
        mount_put(m);
    }
    return 0;
}

// ---------------------------------------------------------------- one tree in two places

static bool dentry_within(const struct dentry *d, const struct dentry *top)
{
    for (;; d = d->parent) {
        if (d == top) return true;
        if (d->parent == d) return false;
    }
}

static struct mount *clone(struct vfs *v, struct mount *m, struct dentry *root)
{
    struct mount *c = mount_alloc(v, m->fs, root, m->source, m->flags);
    if (c) c->fs->refs++;
    return c;
}

// The next mount of the tree that has no copy yet, though what it is mounted on has; it and `last` were there before.
static struct mount *next_to_copy(struct vfs *v, const struct path *what, const struct mount *last)
{
    for (struct mount *m = v->mounts; m; m = m->next) {
        bool inside = m->parent && m->parent->copy && !m->copy &&
                      (m->parent != what->mount || dentry_within(m->at, what->dentry));
        if (inside) return m;
        if (m == last) break;
    }
    return NULL;
}

static int copy_tree(struct vfs *v, const struct path *what, const struct mount *last)
{
    struct mount *m;
    while ((m = next_to_copy(v, what, last))) {
        m->copy = clone(v, m, m->root);
        if (!m->copy) return -LX_ENOSPC;
        struct path at = {m->parent->copy, m->at};
        attach(v, m->copy, &at);
    }
    return 0;
}

int vfs_bind(struct vfs *v, const struct path *what, const struct path *place, bool tree)
{
    if (!what->mount || !listed(v, what->mount) || !listed(v, place->mount)) return -LX_EINVAL;
    if (is_dir(path_inode(what)) != is_dir(path_inode(place))) return -LX_ENOTDIR;
    struct mount *last = v->mounts, *top = clone(v, what->mount, what->dentry);
    if (!top) return -LX_ENOSPC;
    while (last->next) last = last->next;
    what->mount->copy = top;
    int err = tree ? copy_tree(v, what, last) : 0;
    for (struct mount *m = v->mounts; m; m = m->next) m->copy = NULL;
    attach(v, top, place); // last, so that it is not copied into itself
    struct path p = {top, top->root};
    if (err) vfs_detach(v, &p);
    return err;
}

int vfs_move_mount(struct vfs *v, const struct path *what, const struct path *place)
{
    struct mount *m = what->mount;
    if (!vfs_is_mount_root(what) || !m->parent || !listed(v, m) || !listed(v, place->mount)) return -LX_EINVAL;
    if (is_dir(path_inode(what)) != is_dir(path_inode(place))) return -LX_EINVAL;
    if (is_under(place->mount, m)) return -LX_ELOOP;
    unlist(v, m);
    leave(m);
    attach(v, m, place);
    return 0;
}

// fs/namespace.c, pivot_root. Here the first mount is the root of all and may be moved (Linux has one more below it).
int vfs_pivot(struct vfs *v, const struct path *root, const struct path *new_root, const struct path *put_old)
{
    struct mount *old = root->mount, *new = new_root->mount;
    if (new == old || put_old->mount == old) return -LX_EBUSY;
    if (!vfs_is_mount_root(root) || !vfs_is_mount_root(new_root)) return -LX_EINVAL;
    if (!listed(v, new) || !listed(v, old) || !is_under(put_old->mount, new) || !is_under(new, old)) return -LX_EINVAL;
    struct path place = {old->parent, old->at}; // where the old root stood: nowhere, or under a chroot
    if (place.dentry) path_get(&place);
    leave(new);
    leave(old);
    unlist(v, new);
    if (place.dentry) {
        attach(v, new, &place);
        path_put(&place);
    } else {
        new->next = v->mounts;
        v->mounts = new;
    }
    unlist(v, old);
    attach(v, old, put_old);
    return 0;
}
