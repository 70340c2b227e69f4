// memfs directories: names in a hash table, and a list in order of creation whose positions (cookies) stay what they
// are while names come and go, so that readdir neither repeats nor skips a name that was there all along.
#include "vfs/memfs.h"
#include "vfs/internal.h"
#include <string.h>

enum {
    ENTRY_SIZE = 20, // what an entry adds to a tmpfs directory's size (mm/shmem.c BOGO_DIRENT_SIZE)
    FIRST_COOKIE = 2,
    SEEKS = 6
};

// An ext2 directory entry: 8 bytes and the name, to a multiple of 4.
static uint32_t disk_entry(size_t len)
{
    return (8 + (uint32_t)len + 3) & ~3u;
}

static uint32_t hash_name(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * 16777619u;
    return h ^ h >> 15;
}

struct mdirent *mdir_find(const struct mdir *d, const char *name, size_t len)
{
    if (d->nbuckets == 0) return NULL;
    uint32_t h = hash_name(name, len);
    struct mdirent *e = d->buckets[h & (d->nbuckets - 1)];
    while (e && (e->hash != h || e->len != len || memcmp(e->name, name, len) != 0)) e = e->next;
    return e;
}

static int grow_buckets(struct vfs *v, struct mdir *d)
{
    uint32_t n = d->nbuckets ? d->nbuckets * 2 : 8;
    struct mdirent **now = kmem_new(v, n * sizeof *now);
    if (!now) return d->nbuckets ? 0 : -LX_ENOSPC;
    for (uint32_t k = 0; k < d->nbuckets; k++)
        for (struct mdirent *e = d->buckets[k], *next; e; e = next) {
            next = e->next;
            e->next = now[e->hash & (n - 1)];
            now[e->hash & (n - 1)] = e;
        }
    kmem_free(v, d->buckets, d->nbuckets * sizeof *d->buckets);
    d->buckets = now;
    d->nbuckets = n;
    return 0;
}

// Room for one more slot: by closing gaps when a quarter is free, else by doubling.
static int grow_slots(struct vfs *v, struct mdir *d)
{
    if (d->nslots < d->cap) return 0;
    if (d->cap && d->live <= d->cap - d->cap / 4) {
        uint32_t n = 0;
        for (uint32_t k = 0; k < d->nslots; k++)
            if (d->slots[k].entry) d->slots[n++] = d->slots[k];
        d->nslots = n;
        return 0;
    }
    if (d->cap >= 1u << 30) return -LX_ENOSPC;
    uint32_t cap = d->cap ? d->cap * 2 : 4;
    struct mslot *now = kmem_resize(v, d->slots, d->cap * sizeof *now, cap * sizeof *now);
    if (!now) return -LX_ENOSPC;
    d->slots = now;
    d->cap = cap;
    return 0;
}

static int mdir_add(struct vfs *v, struct mdir *d, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    int err = d->live >= d->nbuckets ? grow_buckets(v, d) : 0;
    if (!err) err = grow_slots(v, d);
    struct mdirent *e = err ? NULL : kmem_new(v, sizeof *e + len + 1);
    if (!e) return -LX_ENOSPC;
    if (d->next_cookie < FIRST_COOKIE) d->next_cookie = FIRST_COOKIE;
    e->ino = ino;
    e->cookie = d->next_cookie++;
    e->hash = hash_name(name, len);
    e->dt = (uint8_t)dt;
    e->len = (uint8_t)len;
    memcpy(e->name, name, len);
    struct mdirent **b = &d->buckets[e->hash & (d->nbuckets - 1)];
    e->next = *b;
    *b = e;
    d->slots[d->nslots++] = (struct mslot){e->cookie, e};
    d->live++;
    d->disk_bytes += disk_entry(len);
    return 0;
}

// Index of the first slot with a cookie >= the given one.
static uint32_t slot_at(const struct mdir *d, uint64_t cookie)
{
    uint32_t lo = 0, hi = d->nslots;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (d->slots[mid].cookie < cookie)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void mdir_remove(struct vfs *v, struct mdir *d, struct mdirent *e)
{
    struct mdirent **p = &d->buckets[e->hash & (d->nbuckets - 1)];
    while (*p != e) p = &(*p)->next;
    *p = e->next;
    d->slots[slot_at(d, e->cookie)].entry = NULL;
    d->live--;
    d->disk_bytes -= disk_entry(e->len);
    kmem_free(v, e, sizeof *e + e->len + 1);
}

void mdir_free(struct vfs *v, struct mdir *d)
{
    for (uint32_t k = 0; k < d->nslots; k++) {
        struct mdirent *e = d->slots[k].entry;
        if (e) kmem_free(v, e, sizeof *e + e->len + 1);
    }
    kmem_free(v, d->slots, d->cap * sizeof *d->slots);
    kmem_free(v, d->buckets, d->nbuckets * sizeof *d->buckets);
    kmem_free(v, d->hidden, d->nhidden * sizeof *d->hidden);
    memset(d, 0, sizeof *d);
}

// ---------------------------------------------------------------- loading from the lower

static int load_entry(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    struct mnode *n = ctx;
    if (mdir_find(&n->dir, name, len)) return 0; // a corrupt directory may have a name twice: the first counts
    return mdir_add(n->i.fs->vfs, &n->dir, name, len, ino, dt);
}

// Which names the lower has: to be asked when one is gone later.
static int note_lower_names(struct vfs *v, struct mdir *d)
{
    uint32_t words = 1 + d->live / 8;
    d->hidden = kmem_new(v, words * sizeof *d->hidden);
    if (!d->hidden) return -LX_ENOMEM;
    d->nhidden = words;
    for (uint32_t k = 0; k < d->nslots; k++) {
        uint32_t bit = d->slots[k].entry->hash % (words * 64);
        d->hidden[bit / 64] |= 1ull << (bit % 64);
    }
    return 0;
}

bool mdir_may_hide(const struct mdir *d, const char *name, size_t len)
{
    if (!d->hidden) return false;
    uint32_t bit = hash_name(name, len) % (d->nhidden * 64);
    return d->hidden[bit / 64] >> (bit % 64) & 1;
}

// What the delta says of a name, which may be the lower's.
static int load_stored(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    struct mnode *n = ctx;
    struct mdirent *e = mdir_find(&n->dir, name, len);
    if (e && ino) {
        e->ino = ino;
        e->dt = (uint8_t)dt;
        return 0;
    }
    if (e) mdir_remove(n->i.fs->vfs, &n->dir, e);
    return ino ? mdir_add(n->i.fs->vfs, &n->dir, name, len, ino, dt) : 0;
}

static int load(struct mnode *n)
{
    struct memfs *m = memfs_of(&n->i);
    if (n->loaded || (!n->lower && !n->stored)) return 0;
    int err = n->lower ? m->lower->ops->entries(m->lower, n->lower, load_entry, n) : 0;
    if (!err && n->lower && m->delta) err = note_lower_names(n->i.fs->vfs, &n->dir);
    if (!err && n->stored) err = memfs_stored_names(n, load_stored, n);
    if (err)
        mdir_free(n->i.fs->vfs, &n->dir);
    else
        n->loaded = true;
    return err == -LX_ENOSPC ? -LX_ENOMEM : err;
}

struct sought {
    const char *name;
    size_t len;
    uint64_t ino;
};

static int seek_entry(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    struct sought *s = ctx;
    (void)dt;
    if (len != s->len || memcmp(name, s->name, len) != 0) return 0;
    s->ino = ino;
    return -LX_EEXIST;
}

// One name, as long as nothing was loaded: to keep all of a directory takes ten times as long as to look through it,
// and of most a program asks for a name or two.
static int seek(struct mnode *n, const char *name, size_t len, struct inode **out)
{
    struct memfs *m = memfs_of(&n->i);
    struct sought s = {name, len, 0};
    int err = m->lower->ops->entries(m->lower, n->lower, seek_entry, &s);
    if (err == -LX_EEXIST) return memfs_inode(m, s.ino, out);
    return err ? err : -LX_ENOENT;
}

// ---------------------------------------------------------------- operations

static int dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
    struct mnode *n = mnode(dir);
    if (!n->loaded && n->lower && !n->stored && n->sought < SEEKS) {
        n->sought++;
        return seek(n, name, len, out);
    }
    int err = load(n);
    if (err) return err;
    struct mdirent *e = mdir_find(&n->dir, name, len);
    return e ? memfs_inode(memfs_of(dir), e->ino, out) : -LX_ENOENT;
}

// tmpfs counts entries, "." and ".." too. Over an image it looks as on ext2, where directories take blocks and never
// shrink.
void memfs_dir_size(struct inode *dir)
{
    const struct mdir *d = &mnode(dir)->dir;
    uint64_t blocks = (disk_entry(1) + disk_entry(2) + d->disk_bytes + 4095) >> 12;
    if (!memfs_of(dir)->lower) {
        dir->size = (2 + (uint64_t)d->live) * ENTRY_SIZE;
    } else if (dir->size < blocks << 12) {
        dir->size = blocks << 12;
        dir->blocks = blocks * 8;
    }
}

// After names came or went.
static void changed(struct inode *dir)
{
    memfs_dir_size(dir);
    inode_touch(dir, ATTR_MTIME);
}

int memfs_add(struct inode *dir, const char *name, size_t len, struct inode *i)
{
    struct mnode *n = mnode(dir);
    int err = load(n);
    if (!err && mdir_find(&n->dir, name, len)) err = -LX_EEXIST;
    if (!err) err = mdir_add(dir->fs->vfs, &n->dir, name, len, i->ino, mode_to_dt(i->mode));
    if (err) return err;
    memfs_name_changed(dir, name, len, i->ino, mode_to_dt(i->mode));
    i->nlink++;
    if (is_dir(i)) {
        i->nlink++;   // its own "."
        dir->nlink++; // its ".."
    }
    changed(dir);
    return 0;
}

static int dir_create(struct inode *dir, const char *name, size_t len, const struct inode *like, const char *target,
                      struct inode **out)
{
    struct inode *i;
    int err = load(mnode(dir));
    if (!err) err = memfs_make(memfs_of(dir), like, target, &i);
    if (err) return err;
    if (name) err = memfs_add(dir, name, len, i);
    if (err)
        inode_put(i); // nlink 0: this frees it
    else
        *out = i;
    return err;
}

static int dir_link(struct inode *dir, const char *name, size_t len, struct inode *old)
{
    if (old->nlink >= INT32_MAX) return -LX_EMLINK;
    int err = memfs_add(dir, name, len, old);
    if (!err) inode_touch(old, 0);
    return err;
}

// A name of `victim` is gone from dir. An image may have counted its links wrong: never below zero.
static void unlinked(struct inode *dir, struct inode *victim)
{
    if (is_dir(victim)) {
        victim->nlink = 0;
        victim->flags |= INODE_DEAD;
        if (dir->nlink > 2) dir->nlink--;
    } else if (victim->nlink > 0) {
        victim->nlink--;
    }
    inode_touch(victim, 0);
}

static int must_be_empty(struct inode *i)
{
    int err = is_dir(i) ? load(mnode(i)) : 0;
    if (err) return err;
    return is_dir(i) && mnode(i)->dir.live > 0 ? -LX_ENOTEMPTY : 0;
}

static int dir_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
    struct mnode *n = mnode(dir);
    int err = load(n);
    if (!err) err = must_be_empty(victim);
    if (err) return err;
    struct mdirent *e = mdir_find(&n->dir, name, len);
    if (!e) return -LX_ENOENT;
    mdir_remove(dir->fs->vfs, &n->dir, e);
    memfs_name_changed(dir, name, len, 0, 0);
    unlinked(dir, victim);
    changed(dir);
    return 0;
}

static void moved_dir(struct inode *from, struct inode *to)
{
    if (from == to) return;
    if (from->nlink > 2) from->nlink--;
    to->nlink++;
}

static void exchange(struct inode *from, struct mdirent *a, struct inode *to, struct mdirent *b)
{
    struct mdirent t = {.ino = a->ino, .dt = a->dt};
    if (a->dt == LX_DT_DIR) moved_dir(from, to);
    if (b->dt == LX_DT_DIR) moved_dir(to, from);
    a->ino = b->ino, a->dt = b->dt;
    b->ino = t.ino, b->dt = t.dt;
    memfs_name_changed(from, a->name, a->len, a->ino, a->dt);
    memfs_name_changed(to, b->name, b->len, b->ino, b->dt);
}

// Puts `i` under a name that is free or `victim`'s.
static int put_name(struct inode *to, const char *name, size_t len, struct inode *i, struct mdirent *old,
                    struct inode *victim)
{
    if (!old) return mdir_add(to->fs->vfs, &mnode(to)->dir, name, len, i->ino, mode_to_dt(i->mode));
    int err = must_be_empty(victim);
    if (err) return err;
    old->ino = i->ino;
    old->dt = (uint8_t)mode_to_dt(i->mode);
    unlinked(to, victim);
    return 0;
}

static int move(struct inode *from, struct mdirent *e, struct inode *to, const char *name, size_t len, struct inode *i)
{
    struct memfs *m = memfs_of(from);
    struct mdirent *old = mdir_find(&mnode(to)->dir, name, len);
    struct inode *victim = NULL;
    int err = old ? memfs_inode(m, old->ino, &victim) : 0;
    if (!err) err = put_name(to, name, len, i, old, victim);
    inode_put(victim);
    if (err) return err;
    memfs_name_changed(to, name, len, i->ino, mode_to_dt(i->mode));
    memfs_name_changed(from, e->name, e->len, 0, 0);
    mdir_remove(from->fs->vfs, &mnode(from)->dir, e);
    if (is_dir(i)) moved_dir(from, to);
    return 0;
}

static int dir_rename(struct inode *from, const char *fname, size_t flen, struct inode *to, const char *tname,
                      size_t tlen, unsigned flags)
{
    struct mnode *a = mnode(from), *b = mnode(to);
    struct inode *i;
    int err = load(a);
    if (!err) err = load(b);
    if (err) return err;
    struct mdirent *e = mdir_find(&a->dir, fname, flen), *f = mdir_find(&b->dir, tname, tlen);
    if (!e || (flags & LX_RENAME_EXCHANGE && !f)) return -LX_ENOENT;
    err = memfs_inode(memfs_of(from), e->ino, &i);
    if (err) return err;
    if (flags & LX_RENAME_EXCHANGE)
        exchange(from, e, to, f);
    else
        err = move(from, e, to, tname, tlen, i);
    if (!err) {
        inode_touch(i, 0);
        changed(from);
        changed(to);
    }
    inode_put(i);
    return err;
}

static int dir_readdir(struct inode *dir, uint64_t pos, dir_sink *sink, void *ctx)
{
    struct mnode *n = mnode(dir);
    int err = load(n);
    if (err) return err;
    for (uint32_t k = slot_at(&n->dir, pos); k < n->dir.nslots; k++) {
        const struct mdirent *e = n->dir.slots[k].entry;
        if (e && sink(ctx, e->name, e->len, e->ino, e->dt, e->cookie + 1)) break;
    }
    return 0;
}

const struct inode_ops memfs_dir_ops = {
    .lookup = dir_lookup,
    .create = dir_create,
    .link = dir_link,
    .unlink = dir_unlink,
    .rename = dir_rename,
    .readdir = dir_readdir,
    .setattr = memfs_setattr,
    .getxattr = memfs_getxattr,
    .setxattr = memfs_setxattr,
    .listxattr = memfs_listxattr,
};
