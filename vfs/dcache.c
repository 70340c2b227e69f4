// The name cache: dentries by (parent, name), present and absent ones, with the unused ones in order of last use, so
// that the oldest go first.
//
// A dentry holds its parent and its inode. Unused means: no references and hashed; unhashed ones are freed with their
// last reference.
#include "vfs/internal.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 1024, MAX_BUCKETS = 1 << 18, MAX_UNUSED = 16384 };

struct dcache {
    struct dentry **buckets;
    uint32_t nbuckets; // a power of two
    uint32_t count;    // hashed
    uint32_t unused;
    struct dentry *first, *last; // unused, oldest first
};

int dcache_new(struct vfs *v)
{
    struct dcache *c = calloc(1, sizeof *c);
    if (!c) return -LX_ENOMEM;
    v->dcache = c;
    c->nbuckets = FIRST_BUCKETS;
    c->buckets = calloc(c->nbuckets, sizeof *c->buckets);
    return c->buckets ? 0 : -LX_ENOMEM;
}

void dcache_free(struct vfs *v)
{
    dcache_trim(v, 0);
    free(v->dcache->buckets);
    free(v->dcache);
    v->dcache = NULL;
}

// FNV-1a, then mixed with the parent when a bucket is chosen. Names of a hostile guest may collide: a chain is then
// slow, bounded by kmem_limit.
static uint32_t hash_name(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * 16777619u;
    return h;
}

static struct dentry **bucket(const struct dcache *c, const struct dentry *parent, uint32_t hash)
{
    uint64_t k = ((uint64_t)(uintptr_t)parent >> 4) * 0x9e3779b97f4a7c15ull + hash;
    k ^= k >> 29;
    return &c->buckets[(k * 0xbf58476d1ce4e5b9ull) >> 32 & (c->nbuckets - 1)];
}

static void chain_in(struct dcache *c, struct dentry *d)
{
    struct dentry **b = bucket(c, d->parent, d->hash);
    d->hash_next = *b;
    d->hash_prev = b;
    if (*b) (*b)->hash_prev = &d->hash_next;
    *b = d;
}

static void grow(struct dcache *c)
{
    struct dentry **old = c->buckets;
    uint32_t n = c->nbuckets;
    struct dentry **more = calloc((size_t)n * 2, sizeof *more);
    if (!more) return;
    c->buckets = more;
    c->nbuckets = n * 2;
    for (uint32_t i = 0; i < n; i++)
        for (struct dentry *d = old[i], *next; d; d = next) {
            next = d->hash_next;
            chain_in(c, d);
        }
    free(old);
}

void dentry_hash(struct dentry *d)
{
    struct dcache *c = d->fs->vfs->dcache;
    if (d->hashed) return;
    if (c->count >= c->nbuckets && c->nbuckets < MAX_BUCKETS) grow(c);
    chain_in(c, d);
    d->hashed = true;
    c->count++;
}

static void chain_out(struct dentry *d)
{
    *d->hash_prev = d->hash_next;
    if (d->hash_next) d->hash_next->hash_prev = d->hash_prev;
    d->hash_next = NULL;
    d->hash_prev = NULL;
}

static void lru_remove(struct dcache *c, struct dentry *d)
{
    if (d->lru_next)
        d->lru_next->lru_prev = d->lru_prev;
    else
        c->last = d->lru_prev;
    if (d->lru_prev)
        d->lru_prev->lru_next = d->lru_next;
    else
        c->first = d->lru_next;
    d->lru_next = d->lru_prev = NULL;
    c->unused--;
}

static void lru_add(struct dcache *c, struct dentry *d)
{
    d->lru_prev = c->last;
    d->lru_next = NULL;
    if (c->last)
        c->last->lru_next = d;
    else
        c->first = d;
    c->last = d;
    c->unused++;
}

void dentry_unhash(struct dentry *d)
{
    struct dcache *c = d->fs->vfs->dcache;
    if (!d->hashed) return;
    chain_out(d);
    d->hashed = false;
    c->count--;
}

struct dentry *dentry_new(struct fs *fs, struct dentry *parent, const char *name, size_t len, struct inode *inode)
{
    struct dentry *d = kmem_new(fs->vfs, sizeof *d);
    char *copy = d ? kmem_strdup(fs->vfs, name, len) : NULL;
    if (!copy) {
        kmem_free(fs->vfs, d, sizeof *d);
        inode_put(inode);
        return NULL;
    }
    *d = (struct dentry){.inode = inode, .fs = fs, .name = copy, .len = (uint32_t)len, .refs = 1};
    d->hash = hash_name(name, len);
    d->parent = parent ? dentry_get(parent) : d;
    return d;
}

struct dentry *dentry_root(struct fs *fs)
{
    return dentry_new(fs, NULL, "/", 1, inode_get(fs->root));
}

struct dentry *dentry_get(struct dentry *d)
{
    if (d->refs++ == 0 && d->hashed) lru_remove(d->fs->vfs->dcache, d);
    return d;
}

// Frees an unreferenced, unhashed dentry; its parent has then lost a reference and is returned to be put.
static struct dentry *dentry_free(struct dentry *d)
{
    struct vfs *v = d->fs->vfs;
    struct dentry *parent = d->parent == d ? NULL : d->parent;
    if (d->inode) notify_gone(d->inode);
    inode_put(d->inode);
    kmem_free(v, d->name, d->len + 1);
    kmem_free(v, d, sizeof *d);
    return parent;
}

static void put_all(struct dentry *d)
{
    while (d && --d->refs == 0) {
        if (d->hashed) {
            lru_add(d->fs->vfs->dcache, d);
            return;
        }
        d = dentry_free(d);
    }
}

void dentry_put(struct dentry *d)
{
    if (!d) return;
    struct vfs *v = d->fs->vfs;
    put_all(d);
    if (v->dcache->unused > MAX_UNUSED) dcache_trim(v, MAX_UNUSED / 2);
}

static void drop_unused(struct dcache *c, struct dentry *d)
{
    lru_remove(c, d);
    dentry_unhash(d);
    put_all(dentry_free(d));
}

bool dcache_trim(struct vfs *v, unsigned keep)
{
    struct dcache *c = v->dcache;
    if (!c || c->unused <= keep) return false;
    while (c->unused > keep) drop_unused(c, c->first);
    return true;
}

// All names of an fs that goes away. Dropping a child can make its parent unused: it then stands at the end of the
// list.
void dcache_forget_fs(struct fs *fs)
{
    struct dcache *c = fs->vfs->dcache;
    bool again = c != NULL;
    while (again) {
        again = false;
        for (struct dentry *d = c->first, *next; d; d = next) {
            next = d->lru_next;
            if (d->fs != fs) continue;
            drop_unused(c, d);
            again = true;
        }
    }
}

static struct dentry *find(const struct dcache *c, const struct dentry *parent, const char *name, size_t len,
                           uint32_t hash)
{
    for (struct dentry *d = *bucket(c, parent, hash); d; d = d->hash_next)
        if (d->hash == hash && d->parent == parent && d->len == len && memcmp(d->name, name, len) == 0) return d;
    return NULL;
}

// A cached name in a directory that changes by itself: right still?
static bool still_valid(struct dentry *parent, struct dentry *d)
{
    struct inode *dir = parent->inode;
    if (!(dir->flags & INODE_VOLATILE) || d->mounts) return true;
    if (!d->inode) return false;
    if (d->inode->ops->valid) return d->inode->ops->valid(d->inode);
    struct inode *now = NULL;
    if (dir->ops->lookup(dir, d->name, d->len, &now) != 0) return false;
    bool same = now == d->inode;
    inode_put(now);
    return same;
}

static int look_up(struct dentry *parent, const char *name, size_t len, struct dentry **out)
{
    struct inode *dir = parent->inode, *inode = NULL;
    if (!dir->ops->lookup) return -LX_ENOTDIR;
    int err = dir->ops->lookup(dir, name, len, &inode);
    if (err && err != -LX_ENOENT) return err;
    if (!err && is_dir(inode) && dentry_below(parent, inode)) { // a corrupt image: its tree would have no end
        inode_put(inode);
        return -LX_ELOOP;
    }
    struct dentry *d = dentry_new(parent->fs, parent, name, len, err ? NULL : inode);
    if (!d) return -LX_ENOMEM;
    if (!err || !(dir->flags & INODE_VOLATILE)) dentry_hash(d);
    *out = d;
    return 0;
}

int dentry_child(struct dentry *parent, const char *name, size_t len, struct dentry **out)
{
    if (len > VFS_NAME_MAX) return -LX_ENAMETOOLONG;
    struct dentry *d = find(parent->fs->vfs->dcache, parent, name, len, hash_name(name, len));
    if (!d) return look_up(parent, name, len, out);
    dentry_get(d);
    if (still_valid(parent, d)) {
        *out = d;
        return 0;
    }
    dentry_unhash(d);
    dentry_put(d);
    return look_up(parent, name, len, out);
}

void dentry_attach(struct dentry *d, struct inode *inode)
{
    d->inode = inode;
    dentry_hash(d);
}

void dentry_deleted(struct dentry *d)
{
    dentry_unhash(d);
    d->deleted = true;
}

int dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t len)
{
    struct vfs *v = d->fs->vfs;
    char *copy = kmem_strdup(v, name, len);
    if (!copy) return -LX_ENOMEM;
    struct dentry *old = find(v->dcache, parent, name, len, hash_name(name, len));
    if (old && old != d) { // somebody else's cached name there: it is covered now
        dentry_get(old);
        dentry_deleted(old);
        dentry_put(old);
    }
    dentry_unhash(d);
    kmem_free(v, d->name, d->len + 1);
    d->name = copy;
    d->len = (uint32_t)len;
    d->hash = hash_name(name, len);
    struct dentry *was = d->parent;
    d->parent = dentry_get(parent);
    dentry_put(was);
    dentry_hash(d);
    return 0;
}

void dentry_swap(struct dentry *a, struct dentry *b)
{
    struct dentry t = *a;
    dentry_unhash(a);
    dentry_unhash(b);
    a->name = b->name, a->len = b->len, a->hash = b->hash, a->parent = b->parent;
    b->name = t.name, b->len = t.len, b->hash = t.hash, b->parent = t.parent;
    dentry_hash(a);
    dentry_hash(b);
}

// By inodes, not dentries: a hostile image may have one directory under two names.
bool dentry_below(const struct dentry *d, const struct inode *ancestor)
{
    for (;; d = d->parent) {
        if (d->inode == ancestor) return true;
        if (d->parent == d) return false;
    }
}
