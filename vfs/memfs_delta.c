// What a delta makes of a memfs: inodes that were saved are read from it, over what the lower has, and what changes is
// put into it.
//
// An own page is in memory, or PAGE_KEPT: in the delta only. A mark (pagemap.h) says of one in memory that the delta
// does not have it as it is. Names go to the delta at once, pages when there are many or at the save, inodes at the
// save; nothing counts before that, so the order is of no matter beyond this: what is gone is told after what came.
//
// Memory is given back (inodes, pages) only for what was saved: never for what was only sent.
//
// A page that guests may write to through mappings is marked as it is mapped; when it is sent they have to let go of
// it, so that the next store is a fault, which marks it again.
#include <string.h>
#include "vfs/internal.h"
#include "vfs/memfs.h"

enum {
    PAGE = 4096,
    CHUNK = DELTALINK_PAGES,
    SEND_AHEAD = 512, // pages: so many wait for the save; beyond that
    SEND_OFTEN = 32,  // those of the file that is written are sent by so many while the guest goes on
    SPARE = 1024,     // frames: with fewer left, pages that nobody asked for are not read
};

static uint64_t pages_of(uint64_t size)
{
    return (size + PAGE - 1) / PAGE;
}

// ---------------------------------------------------------------- reading

static bool inode_ok(const struct deltalink_inode *r)
{
    bool link = (r->mode & LX_S_IFMT) == LX_S_IFLNK;
    if (!mode_known(r->mode) || r->nlink == 0 || r->size > (uint64_t)UINT32_MAX * PAGE) return false;
    if (link) return r->size > 0 && r->size < VFS_PATH_MAX && r->target_len == r->size;
    return r->target_len == 0;
}

static struct vtime time_of(const struct deltalink_time *t)
{
    return (struct vtime){t->sec, t->nsec < 1000000000 ? (uint32_t)t->nsec : 0};
}

// The inode as the delta has it, over `image`, which is the lower's or nothing.
static int take_inode(struct mnode *n, const struct deltalink_inode *r, const struct lower_attr *image)
{
    if (!inode_ok(r) || (n->lower && (r->mode ^ image->mode) & LX_S_IFMT)) return -LX_EIO;
    struct lower_attr a = {.mode = r->mode,
                           .nlink = r->nlink,
                           .uid = r->uid,
                           .gid = r->gid,
                           .rdev = r->rdev,
                           .size = r->size,
                           .atime = time_of(&r->atime),
                           .mtime = time_of(&r->mtime),
                           .ctime = time_of(&r->ctime),
                           .btime = time_of(&r->btime)};
    uint64_t shown = n->lower ? pages_of(image->size) : 0;
    if (shown > r->image_pages) shown = r->image_pages;
    a.blocks = shown == pages_of(image->size) || image->blocks < shown * 8 ? image->blocks : shown * 8;
    if ((r->mode & LX_S_IFMT) == LX_S_IFDIR) a.blocks = pages_of(r->size) * 8;
    memfs_take_attr(n, &a);
    n->lower_pages = (uint32_t)shown;
    n->stored = true;
    n->i.flags = INODE_DIRTY;
    n->xattrs_stored = n->xattrs_loaded = r->flags & DELTALINK_XATTRS;
    if (is_reg(&n->i) && n->lower && r->size == image->size && shown == pages_of(image->size))
        n->i.flags |= INODE_PRISTINE; // until a page says otherwise
    if (!is_lnk(&n->i)) return 0;
    n->target = kmem_strdup(n->i.fs->vfs, r->target, r->target_len);
    return n->target && !memchr(r->target, 0, r->target_len) ? 0 : n->target ? -LX_EIO : -LX_ENOMEM;
}

static int take_xattr(struct mnode *n, const struct deltalink_xattr *r)
{
    char name[DELTALINK_NAME_MAX + 1];
    if (r->name_len == 0 || r->name_len > DELTALINK_NAME_MAX || memchr(r->text, 0, r->name_len)) return -LX_EIO;
    memcpy(name, r->text, r->name_len);
    name[r->name_len] = 0;
    return memfs_load_xattr(n, name, r->text + r->name_len, r->value_len);
}

static bool lower_has_page(const struct mnode *n, uint32_t index)
{
    struct lower *l = memfs_of(&n->i)->lower;
    return n->lower && index < n->lower_pages && l->ops->has_page(l, n->lower, index);
}

static int take_page(struct mnode *n, uint32_t index, bool hole)
{
    if (index >= pages_of(n->i.size) || (hole && index >= n->lower_pages)) return 0;
    n->i.flags &= ~(uint32_t)INODE_PRISTINE;
    if (!hole && !lower_has_page(n, index)) n->i.blocks += 8;
    return pagemap_set(n->i.fs->vfs, &n->pages, index, hole ? PAGE_HOLE : PAGE_KEPT, !hole) ? -LX_ENOMEM : 0;
}

static int take_chunk(struct mnode *n, const struct deltalink_chunk *r)
{
    int err = is_reg(&n->i) && r->index <= UINT32_MAX / CHUNK ? 0 : -LX_EIO;
    for (unsigned k = 0; k < CHUNK && !err; k++)
        if ((r->data | r->hole) >> k & 1) err = take_page(n, r->index * CHUNK + k, r->hole >> k & 1);
    return err;
}

// What comes behind the inode itself.
static int take_rest(struct mnode *n)
{
    struct delta *d = memfs_of(&n->i)->delta;
    const struct deltalink_record *r;
    int err = 0;
    while (!err && (r = delta_next(d))) {
        const void *at = r;
        if (r->kind == DELTALINK_R_XATTR)
            err = take_xattr(n, at);
        else if (r->kind == DELTALINK_R_CHUNK)
            err = take_chunk(n, at);
        else
            err = -LX_EIO;
    }
    return err;
}

static int take_node(struct memfs *m, uint64_t ino, const struct deltalink_inode *r, struct mnode **out)
{
    struct lower_attr image = {0};
    void *lower = NULL;
    int err = ino <= m->lower->max_ino ? m->lower->ops->inode(m->lower, ino, &image, &lower) : 0;
    if (err) return err;
    struct mnode *n = memfs_node_new(m, ino, lower);
    if (!n) return -LX_ENOMEM;
    err = take_inode(n, r, &image);
    if (!err) err = take_rest(n);
    if (err)
        memfs_node_free(m, n);
    else
        *out = n;
    return err;
}

int memfs_load_stored(struct memfs *m, uint64_t ino, struct inode **out)
{
    struct mnode *n = NULL;
    if (delta_is_asking(m->delta)) return -LX_EIO; // never: nothing looks for inodes meanwhile
    delta_ask(m->delta, DELTALINK_INODE, ino, 0);
    const struct deltalink_record *r = delta_next(m->delta);
    int err = !r ? -LX_ENOENT : r->kind == DELTALINK_R_INODE ? take_node(m, ino, (const void *)r, &n) : -LX_EIO;
    int end = delta_end(m->delta);
    if (end) err = end;
    if (!err) err = memfs_node_add(m, n);
    if (err) {
        if (n) memfs_node_free(m, n);
        return err;
    }
    *out = &n->i;
    return 0;
}

static bool name_ok(const struct deltalink_name *r)
{
    if (r->len == 0 || r->len > VFS_NAME_MAX || memchr(r->name, '/', r->len) || memchr(r->name, 0, r->len))
        return false;
    return !(r->name[0] == '.' && (r->len == 1 || (r->len == 2 && r->name[1] == '.')));
}

int memfs_stored_names(struct mnode *dir, lower_entry *sink, void *ctx)
{
    struct delta *d = memfs_of(&dir->i)->delta;
    const struct deltalink_record *r;
    int err = 0;
    delta_ask(d, DELTALINK_NAMES, dir->i.ino, 0);
    while (!err && (r = delta_next(d))) {
        const struct deltalink_name *name = (const void *)r;
        bool ok = r->kind == DELTALINK_R_NAME && name_ok(name);
        err = ok ? sink(ctx, name->name, name->len, name->child, name->dt & 15) : -LX_EIO;
    }
    int end = delta_end(d);
    return err ? err : end;
}

// ---------------------------------------------------------------- reading pages

static bool has_bytes(const struct mnode *n, const struct deltalink_chunk *c, uint32_t index)
{
    return c->r.kind == DELTALINK_R_CHUNK && c->r.ino == n->i.ino && c->index == index / CHUNK &&
           c->data >> index % CHUNK & 1 && c->r.bytes > sizeof *c;
}

static void fill(struct mnode *n, const struct deltalink_chunk *c, uint32_t index, uint32_t frame)
{
    struct vfs *v = n->i.fs->vfs;
    unsigned before = (unsigned)__builtin_popcount(c->data & ((1u << index % CHUNK) - 1));
    uint8_t *to = ram_ptr(v->ram, frame);
    uint64_t at = (uint64_t)index * PAGE;
    memcpy(to, c->bytes + (size_t)before * PAGE, PAGE);
    if (n->i.size < at + PAGE)
        memset(to + (n->i.size > at ? n->i.size - at : 0), 0, n->i.size > at ? at + PAGE - n->i.size : PAGE);
    (void)pagemap_set(v, &n->pages, index, frame, true); // in the place of PAGE_KEPT
}

// The others of the chunk that only the delta has, while there is plenty of memory.
static void fill_others(struct mnode *n, const struct deltalink_chunk *c, uint32_t index)
{
    struct ram *ram = n->i.fs->vfs->ram;
    uint32_t first = index / CHUNK * CHUNK;
    bool own;
    for (uint32_t k = first; k < first + CHUNK; k++) {
        if (ram_limit(ram) - ram_used(ram) < SPARE && ram_limit(ram) >= ram_used(ram)) return;
        if (k == index || !has_bytes(n, c, k) || pagemap_get(&n->pages, k, &own) != PAGE_KEPT) continue;
        uint32_t frame = ram_alloc_to_fill(ram, false);
        if (!frame) return;
        fill(n, c, k, frame);
    }
}

int memfs_stored_page(struct mnode *n, uint32_t index, uint32_t *frame)
{
    struct vfs *v = n->i.fs->vfs;
    struct delta *d = memfs_of(&n->i)->delta;
    uint32_t f = ram_alloc_to_fill(v->ram, false);
    if (!f && vfs_reclaim(v)) f = ram_alloc_to_fill(v->ram, false);
    if (!f) return -LX_ENOMEM;
    delta_ask(d, DELTALINK_CHUNK, n->i.ino, index / CHUNK);
    const struct deltalink_chunk *c = (const void *)delta_next(d);
    bool there = c && has_bytes(n, c, index);
    if (there) {
        fill(n, c, index, f);
        fill_others(n, c, index);
    }
    delta_end(d);
    if (!there) {
        ram_unref(v->ram, f);
        return -LX_EIO;
    }
    *frame = f;
    return 0;
}

// ---------------------------------------------------------------- what changes

void memfs_unsaved(struct inode *i)
{
    struct memfs *m = memfs_of(i);
    struct mnode *n = mnode(i);
    i->flags |= INODE_UNSAVED;
    n->unsaved_next = m->unsaved;
    n->unsaved_prev = &m->unsaved;
    if (m->unsaved) m->unsaved->unsaved_prev = &n->unsaved_next;
    m->unsaved = n;
    delta_expect(m->delta, i->ino);
}

void memfs_forget_unsaved(struct mnode *n)
{
    *n->unsaved_prev = n->unsaved_next;
    if (n->unsaved_next) n->unsaved_next->unsaved_prev = n->unsaved_prev;
    n->i.flags &= ~(uint32_t)INODE_UNSAVED;
}

void memfs_tell_page(struct mnode *n, uint32_t index)
{
    struct memfs *m = memfs_of(&n->i);
    if (!pagemap_mark(&n->pages, index)) return;
    m->unsaved_pages++;
    m->unsent_pages++;
    if (index < n->first_mark) n->first_mark = index;
}

void memfs_tell_cut(struct mnode *n, uint32_t first)
{
    struct deltalink_cut *r = delta_put(memfs_of(&n->i)->delta, DELTALINK_R_CUT, n->i.ino, sizeof *r);
    r->first = first;
}

void memfs_tell_name(struct inode *dir, const char *name, size_t len, uint64_t ino, unsigned dt)
{
    struct deltalink_name *r = delta_put(memfs_of(dir)->delta, DELTALINK_R_NAME, dir->ino, sizeof *r + len);
    r->child = ino;
    r->dt = dt;
    r->len = (uint16_t)len;
    r->flags = !ino && mdir_may_hide(&mnode(dir)->dir, name, len) ? DELTALINK_HIDES : 0;
    memcpy(r->name, name, len);
}

bool memfs_can_read_again(const struct mnode *n)
{
    return n->stored && !(n->i.flags & INODE_UNSAVED) && !delta_is_broken(memfs_of(&n->i)->delta);
}

// How much the delta takes is known after each save. Until then a page may take two: small files have a row of their
// own.
int memfs_make_room(struct memfs *m, uint64_t pages)
{
    if (m->pages + m->unsaved_pages + pages < m->max_pages) return 0;
    if (m->saving || memfs_sync(m->fs)) return -LX_ENOSPC;
    return m->pages + pages < m->max_pages ? 0 : -LX_ENOSPC;
}

// ---------------------------------------------------------------- sending

static void let_go(struct mnode *n, uint32_t first, uint32_t count)
{
    struct vfs *v = n->i.fs->vfs;
    if (n->i.mappings && v->host.unmap) v->host.unmap(v->host.ctx, &n->i, first, count);
}

static void copy_page(struct mnode *n, uint32_t index, uint32_t frame, uint8_t *to)
{
    uint64_t at = (uint64_t)index * PAGE;
    memcpy(to, ram_ptr(n->i.fs->vfs->ram, frame), PAGE);
    // What a mapping has left behind the end is not the file's (as block_write_full_folio clears it).
    if (n->i.size > at && n->i.size < at + PAGE) memset(to + (n->i.size - at), 0, at + PAGE - n->i.size);
}

// What of a chunk is sent.
struct marked {
    uint32_t first; // page
    uint16_t data, hole;
    uint32_t frame[CHUNK]; // of each page of data
};

static void send_bytes(struct mnode *n, const struct marked *c)
{
    size_t bytes = (size_t)__builtin_popcount(c->data) * PAGE;
    struct deltalink_chunk *r = delta_put(memfs_of(&n->i)->delta, DELTALINK_R_CHUNK, n->i.ino, sizeof *r + bytes);
    r->index = c->first / CHUNK;
    r->data = c->data;
    r->hole = c->hole;
    uint8_t *to = r->bytes;
    for (unsigned k = 0; k < CHUNK; k++)
        if (c->data >> k & 1) {
            copy_page(n, c->first + k, c->frame[k], to);
            to += PAGE;
        }
}

// The server reads the pages itself: no later than what tells of a change to them, or of their end, since that is sent
// behind it.
static void send_frames(struct mnode *n, const struct marked *c)
{
    struct deltalink_frames *r = delta_put(memfs_of(&n->i)->delta, DELTALINK_R_FRAMES, n->i.ino, sizeof *r);
    r->index = c->first / CHUNK;
    r->data = c->data;
    r->hole = c->hole;
    unsigned at = 0;
    for (unsigned k = 0; k < CHUNK; k++)
        if (c->data >> k & 1) r->frame[at++] = c->frame[k];
}

// Not where the file ends within a page (copy_page).
static bool as_frames(const struct mnode *n, uint32_t first)
{
    uint64_t at = (uint64_t)first * PAGE, size = n->i.size;
    return delta_takes_frames(memfs_of(&n->i)->delta) && (size % PAGE == 0 || size < at || size > at + CHUNK * PAGE);
}

// The marked pages of the chunk that begins at page `first`.
static void send_chunk(struct mnode *n, uint32_t first)
{
    struct memfs *m = memfs_of(&n->i);
    struct marked c = {.first = first};
    uint16_t marked = pagemap_marked(&n->pages, first);
    bool own;
    for (unsigned k = 0; k < CHUNK; k++) {
        uint32_t frame = marked >> k & 1 ? pagemap_get(&n->pages, first + k, &own) : 0;
        c.frame[k] = frame;
        if (frame == PAGE_HOLE) c.hole |= (uint16_t)(1u << k);
        if (marked >> k & 1 && !page_in_memory(frame) && frame != PAGE_HOLE) marked &= (uint16_t) ~(1u << k);
    }
    unsigned sent = (unsigned)__builtin_popcount(marked);
    m->unsent_pages -= m->unsent_pages < sent ? m->unsent_pages : sent;
    c.data = marked & (uint16_t)~c.hole;
    let_go(n, first, CHUNK);
    if (as_frames(n, first))
        send_frames(n, &c);
    else
        send_bytes(n, &c);
    pagemap_unmark(&n->pages, first);
}

// Whole chunks only: one that is sent page by page is put together anew each time.
static void send_pages(struct mnode *n, bool whole)
{
    uint32_t index, left = UINT32_MAX;
    uint64_t from = n->first_mark;
    if (!is_reg(&n->i) || n->i.nlink == 0) return;
    for (; pagemap_next_mark(&n->pages, from, &index); from = (uint64_t)index / CHUNK * CHUNK + CHUNK) {
        uint32_t first = index / CHUNK * CHUNK;
        if (whole && pagemap_marked(&n->pages, first) != UINT16_MAX) {
            if (left == UINT32_MAX) left = first;
            continue;
        }
        send_chunk(n, first);
        n->stored = true;
    }
    n->first_mark = left;
}

void memfs_send_ahead(struct mnode *n)
{
    struct memfs *m = memfs_of(&n->i);
    if (m->unsaved_pages < SEND_AHEAD || m->unsent_pages < SEND_OFTEN || m->saving || delta_is_broken(m->delta)) return;
    send_pages(n, true);
    if (m->unsent_pages < SEND_AHEAD) {
        delta_send(m->delta); // so that the server has something to do
        return;
    }
    for (struct mnode *k = m->unsaved; k; k = k->unsaved_next) send_pages(k, false);
    m->unsent_pages = 0;
    delta_send(m->delta);
}

static struct deltalink_time put_time(struct vtime t)
{
    return (struct deltalink_time){t.sec, t.nsec};
}

static void send_inode(struct mnode *n)
{
    const struct inode *i = &n->i;
    size_t len = is_lnk(i) && i->nlink ? i->size : 0;
    struct deltalink_inode *r = delta_put(memfs_of(i)->delta, DELTALINK_R_INODE, i->ino, sizeof *r + len);
    r->size = i->size;
    r->mode = i->mode, r->nlink = i->nlink, r->uid = i->uid, r->gid = i->gid, r->rdev = i->rdev;
    r->flags = n->xattrs_stored || n->xattrs_changed ? DELTALINK_XATTRS : 0;
    r->image_pages = n->lower && is_reg(i) ? n->lower_pages : 0;
    r->target_len = (uint32_t)len;
    r->atime = put_time(i->atime), r->mtime = put_time(i->mtime);
    r->ctime = put_time(i->ctime), r->btime = put_time(i->btime);
    if (len) memcpy(r->target, n->target, len);
}

static void send_xattrs(struct mnode *n)
{
    struct delta *d = memfs_of(&n->i)->delta;
    delta_put(d, DELTALINK_R_NO_XATTRS, n->i.ino, sizeof(struct deltalink_record));
    for (const struct mxattr *x = n->xattrs; x; x = x->next) {
        size_t len = strlen(x->name);
        if (x->size > DELTALINK_XATTR_MAX) continue; // never: xattr(7), VFS limits
        struct deltalink_xattr *r = delta_put(d, DELTALINK_R_XATTR, n->i.ino, sizeof *r + len + x->size);
        r->name_len = (uint32_t)len;
        r->value_len = (uint32_t)x->size;
        memcpy(r->text, x->name, len);
        memcpy(r->text + len, x->value, x->size);
    }
}

// An inode without a name is kept for as long as it is in use, and only if it was there before.
static int send_node(struct memfs *m, struct mnode *n)
{
    char one;
    if (n->i.nlink == 0) {
        if (n->stored) send_inode(n);
        return 0;
    }
    int err = delta_will_have(m->delta, n->i.ino);
    if (!err && is_lnk(&n->i) && !n->target) err = n->i.ops->readlink(&n->i, &one, 1) < 0 ? -LX_EIO : 0;
    if (err) return err;
    send_pages(n, false);
    if (n->xattrs_changed) send_xattrs(n);
    send_inode(n);
    n->stored = true;
    return 0;
}

void memfs_tell_gone(struct memfs *m, struct mnode *n)
{
    if (n->stored) delta_put(m->delta, DELTALINK_R_GONE, n->i.ino, sizeof(struct deltalink_record));
    n->xattrs_stored = n->xattrs_changed = false;
    if (n->lower) send_inode(n); // says that the image's is gone
}

static void all_saved(struct memfs *m)
{
    while (m->unsaved) {
        struct mnode *n = m->unsaved;
        if (n->i.nlink && n->xattrs_changed) {
            n->xattrs_stored = true;
            n->xattrs_changed = false;
        }
        memfs_forget_unsaved(n);
    }
    m->unsaved_pages = m->unsent_pages = 0;
}

static int save(struct memfs *m)
{
    struct delta_facts facts;
    int err = 0;
    for (struct mnode *n = m->unsaved; n && !err; n = n->unsaved_next) err = send_node(m, n);
    if (!err) err = delta_save(m->delta, m->fs->next_ino, &facts);
    if (err) return err;
    all_saved(m);
    m->pages = facts.used / PAGE;
    return 0;
}

int memfs_sync(struct fs *fs)
{
    struct memfs *m = fs->private;
    if (m->saving || delta_is_asking(m->delta)) return -LX_EAGAIN; // it is memory that is wanted, for this very thing
    if (delta_is_broken(m->delta)) return -LX_EIO;
    if (!m->unsaved && !delta_is_pending(m->delta)) return 0;
    m->saving = true;
    int err = save(m);
    m->saving = false;
    return err;
}

// ---------------------------------------------------------------- memory

uint32_t memfs_drop_stored(struct mnode *n)
{
    struct vfs *v = n->i.fs->vfs;
    uint32_t index, frame, dropped = 0;
    uint64_t from = 0;
    bool own;
    if (!n->stored || n->i.flags & INODE_UNSAVED) return 0;
    for (; pagemap_next(&n->pages, from, &index, &frame, &own); from = (uint64_t)index + 1) {
        if (!own || !page_in_memory(frame) || ram_refs(v->ram, frame) != 1) continue;
        if (pagemap_marked(&n->pages, index & ~15u) >> (index & 15) & 1) continue;
        (void)pagemap_set(v, &n->pages, index, PAGE_KEPT, true);
        ram_unref(v->ram, frame);
        dropped++;
    }
    return dropped;
}
