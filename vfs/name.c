// The text of a path (fs/d_path.c), written from its end.
#include "vfs/internal.h"
#include <stdio.h>
#include <string.h>

struct text {
    char *buf, *at;
    bool overflow;
};

static void prepend(struct text *t, const char *s, size_t n)
{
    if (n > (size_t)(t->at - t->buf)) {
        t->overflow = true;
        return;
    }
    t->at -= n;
    memcpy(t->at, s, n);
}

static int finish(struct text *t, size_t size)
{
    if (t->overflow) return -LX_ENAMETOOLONG;
    size_t n = (size_t)(t->buf + size - t->at);
    memmove(t->buf, t->at, n);
    return (int)n - 1;
}

// Pipes, sockets, eventfds, memfds: they have a name, but no place.
static void anon_text(struct text *t, const struct dentry *d)
{
    char number[32];
    if (d->len > 0 && d->name[d->len - 1] == ':') {
        int n = snprintf(number, sizeof number, "[%llu]", (unsigned long long)d->inode->ino);
        prepend(t, number, (size_t)n);
    }
    prepend(t, d->name, d->len);
}

// Up from p to root; false: root is not above it.
static bool names_up(struct text *t, const struct path *root, const struct path *p)
{
    const struct mount *m = p->mount;
    const struct dentry *d = p->dentry;
    while (m != root->mount || d != root->dentry) {
        if (d == m->root || d->parent == d) {
            if (!m->parent) return false;
            d = m->at;
            m = m->parent;
            continue;
        }
        prepend(t, d->name, d->len);
        prepend(t, "/", 1);
        d = d->parent;
    }
    return true;
}

int vfs_path_text(const struct path *root, const struct path *p, bool mark_deleted, char *buf, size_t size)
{
    static const char deleted[] = " (deleted)", unreachable[] = "(unreachable)";
    struct text t = {buf, buf + size, false};
    if (size == 0) return -LX_ERANGE;
    if (p->dentry->deleted && !mark_deleted) return -LX_ENOENT;
    prepend(&t, "", 1);
    if (p->dentry->deleted) prepend(&t, deleted, sizeof deleted - 1);
    if (!p->mount) {
        anon_text(&t, p->dentry);
        return finish(&t, size);
    }
    const char *end = t.at;
    bool below = names_up(&t, root, p);
    if (t.at == end && !t.overflow) prepend(&t, "/", 1);
    if (!below) prepend(&t, unreachable, sizeof unreachable - 1);
    return finish(&t, size);
}

int inode_jump_text(struct inode *i, char *buf, size_t size)
{
    struct path to, root;
    char text[VFS_PATH_MAX + 32];
    int err = i->ops->jump(i, &to);
    if (err) return err;
    vfs_root(i->fs->vfs, &root);
    int n = vfs_path_text(&root, &to, true, text, sizeof text);
    path_put(&root);
    path_put(&to);
    if (n < 0) return n;
    size_t len = (size_t)n < size ? (size_t)n : size;
    memcpy(buf, text, len);
    return (int)len;
}
