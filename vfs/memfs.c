// memfs: the instance, its inodes and their coming and going. Directories are in memfs_dir.c, file contents in
// memfs_file.c.
#include "vfs/memfs.h"
#include "vfs/internal.h"
#include <string.h>

// ---------------------------------------------------------------- the inode table

static struct mnode **bucket(const struct memfs *m, uint64_t ino)
{
    return &m->table[(ino * 0x9e3779b97f4a7c15ull >> 32) & (m->nbuckets - 1)];
}

static int table_grow(struct memfs *m)
{
    uint32_t old = m->nbuckets, n = old ? old * 2 : 64;
    struct mnode **was = m->table, **now = kmem_new(m->fs->vfs, n * sizeof *now);
    if (!now) return old ? 0 : -LX_ENOSPC;
    m->table = now;
    m->nbuckets = n;
    for (uint32_t k = 0; k < old; k++)
        for (struct mnode *i = was[k], *next; i; i = next) {
            next = i->next;
            i->next = *bucket(m, i->i.ino);
            *bucket(m, i->i.ino) = i;
        }
    kmem_free(m->fs->vfs, was, old * sizeof *was);
    return 0;
}

static int table_add(struct memfs *m, struct mnode *n)
{
    int err = m->count >= m->nbuckets ? table_grow(m) : 0;
    if (err) return err;
    n->next = *bucket(m, n->i.ino);
    *bucket(m, n->i.ino) = n;
    m->count++;
    return 0;
}

static void table_remove(struct memfs *m, struct mnode *n)
{
    struct mnode **p = bucket(m, n->i.ino);
    while (*p && *p != n) p = &(*p)->next;
    if (!*p) return;
    *p = n->next;
    m->count--;
}

void memfs_node_free(struct memfs *m, struct mnode *n)
{
    struct vfs *v = m->fs->vfs;
    if (n->i.flags & INODE_UNSAVED) memfs_forget_unsaved(n);
    if (n->lower) m->lower->ops->forget(m->lower, n->lower);
    if (is_dir(&n->i)) mdir_free(v, &n->dir);
    memfs_free_pages(n);
    if (n->target) kmem_free(v, n->target, n->i.size + 1);
    memfs_free_xattrs(n);
    pipe_free(&n->i);
    kmem_free(v, n, sizeof *n);
}

// Only the memory: it can be read again.
static void evict(struct memfs *m, struct mnode *n)
{
    uint64_t pages = m->pages;
    table_remove(m, n);
    memfs_node_free(m, n);
    m->pages = pages;
}

// Named or changed inodes of the memory stay; unchanged ones of the lower can be read again, and saved ones.
static void inode_idle(struct inode *i)
{
    struct memfs *m = memfs_of(i);
    bool keep = i->nlink > 0 && (!m->lower || i->flags & INODE_DIRTY);
    if (keep && m->delta && memfs_can_read_again(mnode(i))) evict(m, mnode(i));
    if (keep) return;
    table_remove(m, mnode(i));
    if (i->nlink == 0) memfs_node_gone(m, mnode(i));
    memfs_node_free(m, mnode(i));
}

// ---------------------------------------------------------------- making inodes

static void set_ops(struct inode *i)
{
    i->ops = &memfs_special_ops;
    switch (i->mode & LX_S_IFMT) {
    case LX_S_IFREG:
        i->ops = &memfs_reg_ops, i->fops = &memfs_fops;
        break;
    case LX_S_IFDIR:
        i->ops = &memfs_dir_ops, i->fops = &dir_fops;
        break;
    case LX_S_IFLNK:
        i->ops = &memfs_link_ops;
        break;
    case LX_S_IFIFO:
        i->fops = &fifo_fops;
        break;
    case LX_S_IFCHR:
    case LX_S_IFBLK:
        i->fops = &device_fops;
        break;
    }
}

int memfs_make(struct memfs *m, const struct inode *like, const char *target, struct inode **out)
{
    struct vfs *v = m->fs->vfs;
    struct mnode *n = memfs_room(m, 0) ? NULL : kmem_new(v, sizeof *n);
    if (!n) return -LX_ENOSPC;
    inode_init(&n->i, m->fs, m->fs->next_ino++, like->mode);
    n->i.uid = like->uid;
    n->i.gid = like->gid;
    n->i.rdev = like->rdev;
    n->i.nlink = 0;
    if (!m->lower && is_reg(&n->i)) n->i.seals = SEALS_KNOWN | LX_F_SEAL_SEAL; // shmem_get_inode
    n->loaded = true;
    set_ops(&n->i);
    if (is_dir(&n->i)) memfs_dir_size(&n->i);
    if (target) {
        n->i.size = strlen(target);
        n->target = kmem_strdup(v, target, n->i.size);
    }
    if ((target && !n->target) || table_add(m, n) != 0) {
        memfs_node_free(m, n);
        return -LX_ENOSPC;
    }
    inode_changed(&n->i);
    *out = &n->i;
    return 0;
}

void memfs_take_attr(struct mnode *n, const struct lower_attr *a)
{
    struct inode *i = &n->i;
    i->mode = a->mode, i->nlink = a->nlink, i->uid = a->uid, i->gid = a->gid, i->rdev = a->rdev;
    i->size = a->size, i->blocks = a->blocks;
    i->atime = a->atime, i->mtime = a->mtime, i->ctime = a->ctime, i->btime = a->btime;
    uint64_t pages = (a->size + 4095) >> 12;
    n->lower_pages = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
}

struct mnode *memfs_node_new(struct memfs *m, uint64_t ino, void *lower)
{
    struct mnode *n = kmem_new(m->fs->vfs, sizeof *n);
    if (!n) {
        if (lower) m->lower->ops->forget(m->lower, lower);
        return NULL;
    }
    n->i = (struct inode){.fs = m->fs, .ino = ino, .refs = 1};
    n->lower = lower;
    return n;
}

int memfs_node_add(struct memfs *m, struct mnode *n)
{
    set_ops(&n->i);
    return table_add(m, n) ? -LX_ENOMEM : 0;
}

static int load_inode(struct memfs *m, uint64_t ino, struct inode **out)
{
    struct lower_attr a;
    void *lower;
    if (!m->lower) return -LX_EIO;
    int err = memfs_is_stored(m, ino) ? memfs_load_stored(m, ino, out) : -LX_ENOENT;
    if (err != -LX_ENOENT) return err;
    err = m->lower->ops->inode(m->lower, ino, &a, &lower);
    if (err) return err;
    struct mnode *n = memfs_node_new(m, ino, lower);
    if (!n) return -LX_ENOMEM;
    memfs_take_attr(n, &a);
    if (is_reg(&n->i)) n->i.flags |= INODE_PRISTINE;
    if (memfs_node_add(m, n)) {
        memfs_node_free(m, n);
        return -LX_ENOMEM;
    }
    *out = &n->i;
    return 0;
}

int memfs_inode(struct memfs *m, uint64_t ino, struct inode **out)
{
    if (m->nbuckets)
        for (struct mnode *n = *bucket(m, ino); n; n = n->next)
            if (n->i.ino == ino) {
                *out = inode_get(&n->i);
                return 0;
            }
    return load_inode(m, ino, out);
}

// ---------------------------------------------------------------- the instance

static int memfs_statfs(struct fs *fs, struct kstatfs *s)
{
    struct memfs *m = fs->private;
    struct ram *ram = fs->vfs->ram;
    uint64_t spare = ram_limit(ram) > ram_used(ram) ? ram_limit(ram) - ram_used(ram) : 0;
    if (m->delta) spare = UINT64_MAX; // memory comes free as pages are saved
    uint64_t left = m->max_pages > m->pages ? m->max_pages - m->pages : 0;
    s->type = LX_TMPFS_MAGIC;
    s->blocks = m->max_pages < ram_limit(ram) ? m->max_pages : ram_limit(ram);
    s->bfree = s->bavail = left < spare ? left : spare;
    s->files = fs->vfs->kmem_limit / sizeof(struct mnode);
    s->ffree = (fs->vfs->kmem_limit - fs->vfs->kmem) / sizeof(struct mnode);
    if (m->lower) m->lower->ops->statfs(m->lower, s);
    return 0;
}

static void memfs_drop_idle(struct fs *fs)
{
    struct memfs *m = fs->private;
    if (memfs_sync(fs)) return;
    for (uint32_t k = 0; k < m->nbuckets; k++)
        for (struct mnode *n = m->table[k], *next; n; n = next) {
            next = n->next;
            if (n->i.refs == 0 && memfs_can_read_again(n)) evict(m, n);
        }
}

static uint32_t memfs_reclaim(struct fs *fs)
{
    struct memfs *m = fs->private;
    uint32_t n = 0;
    bool saved = m->delta && memfs_sync(fs) == 0;
    for (uint32_t k = 0; m->lower && k < m->nbuckets; k++)
        for (struct mnode *i = m->table[k]; i; i = i->next) {
            if (!is_reg(&i->i)) continue;
            n += memfs_drop_clean(i);
            if (saved) n += memfs_drop_stored(i);
        }
    return n;
}

static void memfs_destroy(struct fs *fs)
{
    struct memfs *m = fs->private;
    for (uint32_t k = 0; k < m->nbuckets; k++)
        while (m->table[k]) {
            struct mnode *n = m->table[k];
            m->table[k] = n->next;
            memfs_node_free(m, n);
        }
    kmem_free(fs->vfs, m->table, m->nbuckets * sizeof *m->table);
    if (m->lower) m->lower->ops->close(m->lower);
    delta_close(m->delta);
    kmem_free(fs->vfs, m, sizeof *m);
}

static const struct fs_ops memfs_fs_ops = {
    .inode_idle = inode_idle, .statfs = memfs_statfs, .reclaim = memfs_reclaim, .destroy = memfs_destroy};
static const struct fs_ops delta_fs_ops = {.inode_idle = inode_idle,
                                           .statfs = memfs_statfs,
                                           .sync = memfs_sync,
                                           .unsaved = memfs_unsaved,
                                           .drop_idle = memfs_drop_idle,
                                           .reclaim = memfs_reclaim,
                                           .destroy = memfs_destroy};

static int make_root(struct memfs *m, uint32_t mode)
{
    if (m->lower) {
        m->fs->next_ino = m->lower->max_ino + 1;
        int err = memfs_inode(m, m->lower->root_ino, &m->fs->root);
        return err ? err : is_dir(m->fs->root) ? 0 : -LX_EIO;
    }
    struct inode like = {.mode = LX_S_IFDIR | (mode & 07777)};
    int err = memfs_make(m, &like, NULL, &m->fs->root);
    if (!err) m->fs->root->nlink = 2;
    return err;
}

static int new_instance(struct vfs *v, const char *type, const struct memfs *like, uint32_t root_mode, struct fs **out)
{
    struct memfs *m = kmem_new(v, sizeof *m);
    struct fs *fs = m ? fs_new(v, type, like->delta ? &delta_fs_ops : &memfs_fs_ops, m) : NULL;
    if (!fs) {
        kmem_free(v, m, sizeof *m);
        if (like->lower) like->lower->ops->close(like->lower);
        delta_close(like->delta);
        return -LX_ENOMEM;
    }
    *m = *like;
    m->fs = fs;
    int err = make_root(m, root_mode);
    if (err) {
        fs_put(fs);
        return err;
    }
    *out = fs;
    return 0;
}

int memfs_new(struct vfs *v, const char *type, struct lower *lower, uint64_t max_bytes, uint32_t root_mode,
              struct fs **out)
{
    struct memfs m = {.lower = lower, .max_pages = max_bytes ? (max_bytes + 4095) >> 12 : UINT64_MAX};
    return new_instance(v, type, &m, root_mode, out);
}

int memfs_new_delta(struct vfs *v, const char *type, struct lower *lower, struct delta *delta,
                    const struct delta_facts *facts, struct fs **out)
{
    struct memfs m = {.lower = lower, .delta = delta, .max_pages = facts->limit >> 12, .pages = facts->used >> 12};
    int err = new_instance(v, type, &m, 0, out);
    if (!err) (*out)->next_ino = facts->next_ino;
    return err;
}

int tmpfs_new(struct vfs *v, uint64_t max_bytes, uint32_t root_mode, struct fs **out)
{
    return memfs_new(v, "tmpfs", NULL, max_bytes, root_mode, out);
}
