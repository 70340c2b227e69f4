// Mounts: the list of them, and stepping between a covered place and what covers it.
#include "vfs/internal.h"
#include <stdio.h>
#include <string.h>

void mount_get(struct mount *m)
{
    if (m) m->refs++;
}

void mount_put(struct mount *m)
{
    if (!m || --m->refs > 0) return;
    struct vfs *v = m->fs->vfs;
    struct fs *fs = m->fs;
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

static struct mount *mount_alloc(struct vfs *v, struct fs *fs, const char *place, const char *source, unsigned flags)
{
    struct mount *m = kmem_new(v, sizeof *m);
    struct dentry *root = m ? dentry_root(fs) : NULL;
    if (!root) {
        kmem_free(v, m, sizeof *m);
        return NULL;
    }
    *m = (struct mount){.root = root, .fs = fs, .id = v->next_mount_id++, .flags = flags | fs->mount_flags, .refs = 1};
    snprintf(m->source, sizeof m->source, "%s", source ? source : fs->type);
    snprintf(m->place, sizeof m->place, "%s", place);
    return m;
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

int vfs_mount(struct vfs *v, struct fs *fs, const char *place, const char *source, unsigned flags)
{
    struct path at;
    if (!place) place = "/";
    int err = find_place(v, place, &at);
    struct mount *m = err ? NULL : mount_alloc(v, fs, place, source, flags);
    if (!m) {
        path_put(&at);
        fs_put(fs);
        return err ? err : -LX_ENOMEM;
    }
    m->parent = at.mount;
    m->at = at.dentry;
    if (m->at) m->at->mounts++;
    struct mount **end = &v->mounts;
    while (*end) end = &(*end)->next;
    *end = m;
    return 0;
}

int vfs_umount(struct vfs *v, const struct path *p)
{
    struct mount **at = &v->mounts;
    while (*at && *at != p->mount) at = &(*at)->next;
    struct mount *m = *at;
    if (!m || !m->parent || p->dentry != m->root) return -LX_EINVAL;
    if (m->refs > 2) return -LX_EBUSY; // the list's and p's
    *at = m->next;
    mount_put(m);
    return 0;
}
