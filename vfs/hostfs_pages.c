// Contents of the host's files: read and written there at once. Pages are kept for mappings only, in frames of the box:
// a page that a shared mapping may write to is `own` in the map until it has been written back, for which it is taken
// from the mappings first, so that the next store tells.
#include "vfs/hostfs_impl.h"
#include <string.h>

enum { WINDOW = MOUNT_DATA / 4096 }; // pages that are read at once

#define MAX_SIZE ((uint64_t)UINT32_MAX << 12) // page indexes are 32 bits wide

static uint32_t pages_of(uint64_t size)
{
    return size < MAX_SIZE ? (uint32_t)((size + 4095) >> 12) : UINT32_MAX;
}

static struct ram *ram_of(const struct hnode *n)
{
    return n->i.fs->vfs->ram;
}

static void unmap(struct hnode *n, uint32_t first, uint32_t count)
{
    struct vfs *v = n->i.fs->vfs;
    if (n->i.mappings && v->host.unmap) v->host.unmap(v->host.ctx, &n->i, first, count);
}

static void drop_frame(void *ctx, uint32_t frame, bool own)
{
    struct hnode *n = ctx;
    ram_unref(ram_of(n), frame);
    n->dirty -= own;
}

static void drop_from(struct hnode *n, uint32_t first)
{
    unmap(n, first, UINT32_MAX - first);
    pagemap_cut(n->i.fs->vfs, &n->pages, first, 1ull << 32, drop_frame, n);
}

void hostfs_drop_pages(struct hnode *n)
{
    pagemap_cut(n->i.fs->vfs, &n->pages, 0, 1ull << 32, drop_frame, n);
}

static bool next_page(struct hnode *n, uint64_t from, uint32_t *index, uint32_t *frame, bool *own)
{
    return pagemap_next(&n->pages, from, index, frame, own);
}

uint32_t hostfs_reclaim(struct hnode *n, bool mapped)
{
    uint32_t index, frame, dropped = 0;
    bool own;
    if (mapped && n->pages.root) unmap(n, 0, UINT32_MAX);
    for (uint64_t from = 0; next_page(n, from, &index, &frame, &own); from = (uint64_t)index + 1) {
        if (own || ram_refs(ram_of(n), frame) != 1) continue;
        pagemap_cut(n->i.fs->vfs, &n->pages, index, (uint64_t)index + 1, drop_frame, n);
        dropped++;
    }
    return dropped;
}

// ---------------------------------------------------------------- is what we keep still so?

static void note_pages(struct hnode *n)
{
    n->pages_mtime = n->i.mtime;
    n->pages_ctime = n->i.ctime;
    n->pages_size = n->i.size;
}

// With attributes that have just come: pages of a file that was changed since are read again; by the host or by us,
// which times do not tell apart. Those that a mapping has changed too are written to the host first: the last one to
// store wins, as between any two programs.
static void check_pages(struct hnode *n)
{
    bool same = !vtime_cmp(n->pages_mtime, n->i.mtime) && !vtime_cmp(n->pages_ctime, n->i.ctime);
    if (!n->pages.root || (same && n->pages_size == n->i.size)) return;
    if (n->dirty) (void)hostfs_flush(n);
    drop_from(n, 0);
    note_pages(n);
}

// Bytes that were written to the host at off, into the pages that are kept.
static void update_pages(struct hnode *n, uint64_t off, const uint8_t *bytes, size_t len)
{
    uint32_t index, frame;
    bool own;
    for (uint64_t from = off >> 12; next_page(n, from, &index, &frame, &own); from = (uint64_t)index + 1) {
        uint64_t at = (uint64_t)index << 12, lo = at > off ? at : off,
                 hi = at + 4096 < off + len ? at + 4096 : off + len;
        if (at >= off + len) return;
        ram_writing(ram_of(n), frame);
        memcpy(ram_ptr(ram_of(n), frame) + (lo - at), bytes + (lo - off), hi - lo);
    }
}

// Behind the end of the file pages are zero; what a mapping stored there is not to appear when the end moves.
static void clear_from(struct hnode *n, uint64_t size)
{
    bool own;
    uint32_t off = size & 4095, frame = off ? pagemap_get(&n->pages, (uint32_t)(size >> 12), &own) : 0;
    if (!frame || size >= MAX_SIZE) return;
    ram_writing(ram_of(n), frame);
    memset(ram_ptr(ram_of(n), frame) + off, 0, 4096 - off);
}

void hostfs_resized(struct hnode *n, uint64_t was)
{
    hostfs_of(&n->i)->ahead->node = 0;
    if (!n->pages.root) return;
    clear_from(n, n->i.size < was ? n->i.size : was);
    if (n->i.size < was) drop_from(n, pages_of(n->i.size));
}

// ---------------------------------------------------------------- written back

// The changed pages that follow one another from `first` on, into the request: how many.
static uint32_t gather(struct hnode *n, uint32_t first, uint8_t *to)
{
    uint32_t k = 0;
    bool own = true;
    for (; k < WINDOW; k++) {
        uint32_t frame = pagemap_get(&n->pages, first + k, &own);
        if (!frame || !own) break;
        memcpy(to + (size_t)k * 4096, ram_ptr(ram_of(n), frame), 4096);
        (void)pagemap_set(n->i.fs->vfs, &n->pages, first + k, frame, false); // the leaf is there
        n->dirty--;
    }
    return k;
}

static int write_run(struct hnode *n, uint32_t first)
{
    struct hostfs *h = hostfs_of(&n->i);
    uint64_t off = (uint64_t)first << 12;
    unmap(n, first, WINDOW);
    uint32_t count = gather(n, first, request_data(h, 0));
    uint64_t end = off + (uint64_t)count * 4096;
    if (off >= n->i.size) return 0; // cut off meanwhile
    if (end > n->i.size) end = n->i.size;
    struct mount_request q = {.op = MOUNT_WRITE, .node = n->node, .offset = off, .data = (uint32_t)(end - off)};
    h->ahead->node = 0;
    int put = hostfs_call(h, &q, NULL, request_data(h, 0));
    if (put < 0) return put;
    hostfs_take_attr(n, &reply_of(h)->attr);
    return (uint32_t)put == q.data ? 0 : -LX_EIO;
}

int hostfs_flush(struct hnode *n)
{
    int err = 0;
    uint32_t index, frame;
    bool own;
    for (uint64_t from = 0; n->dirty && next_page(n, from, &index, &frame, &own); from = (uint64_t)index + 1) {
        int e = own ? write_run(n, index) : 0;
        if (e && !err) err = e;
    }
    return err;
}

// ---------------------------------------------------------------- pages for mappings

// Frames for pages [first, first + n), side by side if possible; fewer when memory is short.
static uint32_t new_frames(struct hnode *n, uint32_t *count)
{
    struct vfs *v = n->i.fs->vfs;
    uint32_t frame = ram_alloc(v->ram, *count, false);
    if (!frame && vfs_reclaim(v)) frame = ram_alloc(v->ram, *count, false);
    if (frame || *count == 1) return frame;
    *count = 1;
    return ram_alloc(v->ram, 1, false);
}

static int fill_pages(struct hnode *n, uint32_t first, uint32_t count, uint32_t frame)
{
    struct hostfs *h = hostfs_of(&n->i);
    struct mount_request q = {
        .op = MOUNT_READ, .node = n->node, .offset = (uint64_t)first << 12, .size = (uint64_t)count * 4096};
    int got = hostfs_call(h, &q, NULL, NULL);
    if (got < 0) return got;
    if (reply_of(h)->data > q.size) return -LX_EIO;
    uint8_t *to = ram_ptr(ram_of(n), frame);
    memcpy(to, reply_data(h), reply_of(h)->data);
    memset(to + reply_of(h)->data, 0, q.size - reply_of(h)->data);
    return 0;
}

static int read_window(struct hnode *n, uint32_t index)
{
    uint32_t first = index & ~(uint32_t)(WINDOW - 1), end = first + WINDOW, pages = pages_of(n->i.size);
    bool own;
    if (end > pages) end = pages;
    for (uint32_t k = index; k > first; k--)
        if (pagemap_get(&n->pages, k - 1, &own)) first = k;
    for (uint32_t k = index + 1; k < end; k++)
        if (pagemap_get(&n->pages, k, &own)) end = k;
    uint32_t count = end - first, all = count, frame = new_frames(n, &count);
    if (!frame) return -LX_ENOMEM;
    if (count < all) first = index;
    int err = fill_pages(n, first, count, frame);
    for (uint32_t k = 0; k < count; k++) {
        if (!err) err = pagemap_set(n->i.fs->vfs, &n->pages, first + k, frame + k, false);
        if (err) ram_unref(ram_of(n), frame + k);
    }
    return err;
}

static int get_page(struct hnode *n, uint32_t index, uint32_t *frame, bool *own)
{
    *frame = pagemap_get(&n->pages, index, own);
    if (*frame) return 0;
    if (!n->pages.root || index >= pages_of(n->i.size)) { // for the first one, and where the host may have added some
        int err = hostfs_refresh(n);
        if (err) return err;
        check_pages(n);
        if (!n->pages.root) note_pages(n);
    }
    if (index >= pages_of(n->i.size)) return -LX_EFAULT;
    int err = read_window(n, index);
    *frame = err ? 0 : pagemap_get(&n->pages, index, own);
    return err ? err : *frame ? 0 : -LX_EIO;
}

static int reg_page(struct inode *i, uint32_t index, bool for_write, uint32_t *frame)
{
    struct hnode *n = hnode(i);
    bool own;
    int err = get_page(n, index, frame, &own);
    if (err) return err;
    if (for_write && !own) {
        err = pagemap_set(i->fs->vfs, &n->pages, index, *frame, true);
        if (err) return err;
        n->dirty++;
    }
    ram_ref(ram_of(n), *frame);
    return 0;
}

// ---------------------------------------------------------------- open, read, write

// The start of the file, or that there is nothing at `from`.
static void note_ahead(struct hostfs *h, const struct hnode *n, uint64_t from, const uint8_t *bytes, uint32_t len,
                       bool end)
{
    struct hostfs_ahead *a = h->ahead;
    a->node = 0;
    if (len > MOUNT_AHEAD) return;
    memcpy(a->bytes, bytes, len);
    a->node = n->node, a->from = from, a->to = from + len, a->end = end;
    a->asked = vfs_now(h->fs->vfs);
}

static int file_open(struct file *f)
{
    struct hnode *n = hnode(f->inode);
    struct hostfs *h = hostfs_of(f->inode);
    f->private = n; // open on the server too
    if (h->made == n->node) {
        h->made = 0;
        return 0;
    }
    f->private = NULL;
    struct mount_request q = {.op = MOUNT_OPEN,
                              .node = n->node,
                              .size = f->flags & LX_O_DIRECT ? 0 : MOUNT_AHEAD,
                              .flags = (f->mode & FILE_READ ? MOUNT_READING : 0) |
                                       (f->mode & FILE_WRITE ? MOUNT_WRITING : 0)};
    int err = hostfs_call(h, &q, NULL, NULL);
    if (err < 0) return err;
    f->private = n;
    hostfs_take_attr(n, &reply_of(h)->attr);
    uint32_t len = reply_of(h)->data;
    if (err) note_ahead(h, n, 0, reply_data(h), len, len < MOUNT_AHEAD);
    check_pages(n);
    return 0;
}

static void file_release(struct file *f)
{
    struct hnode *n = hnode(f->inode);
    if (!f->private) return; // execve's: read without being open
    if (n->dirty) (void)hostfs_flush(n);
    // A file that was written to may be a program that somebody on the host waits to run.
    hostfs_close(hostfs_of(f->inode), n->node, f->mode & FILE_WRITE);
}

// From what came with the opening; true: that is all there is to be had now.
static bool read_ahead(struct hostfs *h, const struct hnode *n, struct iob *io, uint64_t *pos)
{
    struct hostfs_ahead *a = h->ahead;
    if (a->node != n->node || *pos < a->from || *pos > a->to || !hostfs_is_fresh(h, a->asked)) return false;
    size_t got = iob_put(io, a->bytes + (*pos - a->from), a->to - *pos);
    *pos += got;
    return !io->left || (a->end && *pos == a->to);
}

static int file_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct hnode *n = hnode(f->inode);
    struct hostfs *h = hostfs_of(f->inode);
    if (n->dirty) (void)hostfs_flush(n);
    if (read_ahead(h, n, io, pos)) return 0;
    while (io->left > 0 && *pos <= INT64_MAX - MOUNT_DATA) {
        size_t want = io->left < MOUNT_DATA ? io->left : MOUNT_DATA;
        struct mount_request q = {.op = MOUNT_READ, .node = n->node, .offset = *pos, .size = want};
        int err = hostfs_move(h, &q);
        if (err < 0) return err;
        n->i.flags |= INODE_DIRTY; // the time of access is to be asked for again
        size_t got = moved_reply(h)->data;
        if (got > want) return -LX_EIO;
        size_t put = iob_put(io, h->bulk->in + sizeof(struct mount_reply), got);
        *pos += put;
        if (put < got) return -LX_EFAULT;
        if (got < want) {
            note_ahead(h, n, *pos, h->ahead->bytes, 0, true);
            return 0;
        }
    }
    return 0;
}

// The bytes that were taken and not written are the writer's again.
static void give_back(struct iob *io, size_t n)
{
    io->done -= n;
    io->left += n;
}

static void written(struct hnode *n, const struct mount_reply *r, const uint8_t *bytes, uint64_t was)
{
    hostfs_take_attr(n, &r->attr);
    hostfs_of(&n->i)->ahead->node = 0;
    if (!n->pages.root) return;
    if (r->value > was) clear_from(n, was);
    update_pages(n, r->value, bytes, (size_t)r->result);
}

static int file_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct hnode *n = hnode(f->inode);
    struct hostfs *h = hostfs_of(f->inode);
    bool append = f->flags & LX_O_APPEND;
    uint8_t *bytes = h->bulk->out + sizeof(struct mount_request);
    while (io->left > 0) {
        size_t want = io->left < MOUNT_DATA ? io->left : MOUNT_DATA, got = iob_get(io, bytes, want);
        struct mount_request q = {.op = MOUNT_WRITE,
                                  .node = n->node,
                                  .flags = append ? MOUNT_APPEND : 0,
                                  .offset = *pos,
                                  .data = (uint32_t)got};
        uint64_t was = n->i.size;
        int put = *pos > INT64_MAX - MOUNT_DATA ? -LX_EFBIG : got ? hostfs_move(h, &q) : 0;
        if (put > (int)got) put = -LX_EIO;
        if (put < (int)got) give_back(io, got - (put > 0 ? (size_t)put : 0));
        if (put < 0) return put;
        if (got) written(n, moved_reply(h), bytes, was);
        *pos = (append && got ? moved_reply(h)->value : *pos) + (uint64_t)put;
        if (got < want) return -LX_EFAULT;
        if (put < (int)got) return 0;
    }
    return 0;
}

static int file_fsync(struct file *f)
{
    struct hnode *n = hnode(f->inode);
    int err = hostfs_flush(n);
    int e = hostfs_call(hostfs_of(f->inode), &(struct mount_request){.op = MOUNT_FSYNC, .node = n->node}, NULL, NULL);
    return err ? err : e;
}

// The end of the file is where the host has it now.
static int64_t seek(struct file *f, int64_t off, int whence)
{
    int err = whence == LX_SEEK_SET || whence == LX_SEEK_CUR ? 0 : hostfs_refresh(hnode(f->inode));
    int64_t to = err ? err : file_seek(f, off, whence);
    if (to >= 0) f->pos = (uint64_t)to;
    return to;
}

// ---------------------------------------------------------------- holes

static int reg_fallocate(struct inode *i, int mode, uint64_t off, uint64_t len)
{
    struct hnode *n = hnode(i);
    struct hostfs *h = hostfs_of(i);
    uint64_t was = i->size;
    int err = hostfs_flush(n);
    struct mount_request q = {
        .op = MOUNT_ALLOCATE, .node = n->node, .mode = (uint32_t)mode, .offset = off, .size = len};
    if (!err) err = hostfs_call(h, &q, NULL, NULL);
    if (err) return err;
    h->ahead->node = 0;
    hostfs_take_attr(n, &reply_of(h)->attr);
    if (mode & ~LX_FALLOC_FL_KEEP_SIZE)
        drop_from(n, 0);
    else
        hostfs_resized(n, was);
    return 0;
}

static int64_t reg_next_data(struct inode *i, uint64_t off, bool hole)
{
    struct hnode *n = hnode(i);
    struct hostfs *h = hostfs_of(i);
    if (n->dirty) (void)hostfs_flush(n);
    struct mount_request q = {
        .op = MOUNT_SEEK, .node = n->node, .offset = off, .mode = hole ? LX_SEEK_HOLE : LX_SEEK_DATA};
    int err = hostfs_call(h, &q, NULL, NULL);
    return err ? err : (int64_t)(reply_of(h)->value & INT64_MAX);
}

const struct file_ops hostfs_fops = {.open = file_open,
                                     .release = file_release,
                                     .read = file_read,
                                     .write = file_write,
                                     .seek = seek,
                                     .fsync = file_fsync};
const struct inode_ops hostfs_reg_ops = {.getattr = hostfs_getattr,
                                         .setattr = hostfs_setattr,
                                         .permission = hostfs_permission,
                                         .page = reg_page,
                                         .fallocate = reg_fallocate,
                                         .next_data = reg_next_data,
                                         .getxattr = hostfs_getxattr,
                                         .setxattr = hostfs_setxattr,
                                         .listxattr = hostfs_listxattr};
