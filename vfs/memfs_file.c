// memfs file contents: pages in ram frames. A page is absent (then the lower's, or a hole), a cached lower page, or the
// file's own.
//
// What holds between calls: an own page that contains the end of the file is zero behind it, unless a guest wrote there
// through a mapping; so whoever moves the end up zeroes that tail first. A lower page that contains the lower file's
// end arrives with a zero tail.
#include "vfs/memfs.h"
#include "vfs/internal.h"
#include <string.h>

#define MAX_SIZE ((uint64_t)UINT32_MAX << 12) // page indexes are 32 bits wide

enum { FALLOC_ZERO_RANGE = 0x10, SCAN_LIMIT = 1 << 20 };

static uint32_t pages_of(uint64_t size)
{
    return (uint32_t)((size + 4095) >> 12);
}

// ---------------------------------------------------------------- pages

static void drop_frame(void *ctx, uint32_t frame, bool own)
{
    struct mnode *n = ctx;
    struct memfs *m = memfs_of(&n->i);
    if (frame == PAGE_HOLE) return;
    if (frame != PAGE_KEPT) ram_unref(m->fs->vfs->ram, frame);
    if (!own) return;
    if (m->pages > 0) m->pages--; // with a delta they are an estimate
    if (!n->lower && n->i.blocks >= 8) n->i.blocks -= 8;
}

void memfs_free_pages(struct mnode *n)
{
    pagemap_cut(n->i.fs->vfs, &n->pages, 0, 1ull << 32, drop_frame, n);
}

uint32_t memfs_drop_clean(struct mnode *n)
{
    struct vfs *v = n->i.fs->vfs;
    uint32_t index, frame, dropped = 0;
    uint64_t from = 0;
    bool own;
    for (; pagemap_next(&n->pages, from, &index, &frame, &own); from = (uint64_t)index + 1) {
        if (own || frame == PAGE_HOLE || ram_is_file(frame) || ram_refs(v->ram, frame) != 1) continue;
        pagemap_cut(v, &n->pages, index, (uint64_t)index + 1, drop_frame, n);
        dropped++;
    }
    return dropped;
}

// A page of the lower. When memory is short, others that can be read again make room.
static int lower_page(struct mnode *n, uint32_t index, uint32_t *frame)
{
    struct lower *l = memfs_of(&n->i)->lower;
    int err = l->ops->page(l, n->lower, index, frame);
    if (err == -LX_ENOMEM && vfs_reclaim(l->vfs)) err = l->ops->page(l, n->lower, index, frame);
    return err;
}

// The page's frame with a reference of the caller's, or 0 for a hole.
static int page_get(struct mnode *n, uint32_t index, uint32_t *frame, bool *own)
{
    struct memfs *m = memfs_of(&n->i);
    struct ram *ram = m->fs->vfs->ram;
    *frame = pagemap_get(&n->pages, index, own);
    if (*frame == PAGE_KEPT) {
        int err = memfs_stored_page(n, index, frame);
        if (err) return err;
    }
    if (*frame == PAGE_HOLE)
        *frame = 0;
    else if (*frame)
        ram_ref(ram, *frame);
    else if (n->lower && index < n->lower_pages) {
        int err = lower_page(n, index, frame);
        if (err || !*frame) return err;
        if (pagemap_set(m->fs->vfs, &n->pages, index, *frame, false) == 0) ram_ref(ram, *frame);
    }
    return 0;
}

static void unmap(struct mnode *n, uint32_t first, uint32_t count)
{
    struct vfs *v = n->i.fs->vfs;
    if (n->i.mappings && v->host.unmap) v->host.unmap(v->host.ctx, &n->i, first, count);
}

// Said before it does. What pages show may stay, but not what is known of pages that were never shown.
static void content_changes(struct mnode *n)
{
    if (!inode_is_pristine(&n->i)) return;
    n->i.flags &= ~(uint32_t)INODE_PRISTINE;
    unmap(n, 0, 0);
}

static int new_frame(struct memfs *m, bool zero, uint32_t *frame)
{
    if (memfs_room(m, 1)) return -LX_ENOSPC;
    *frame = ram_alloc_to_fill(m->fs->vfs->ram, zero);
    if (!*frame && vfs_reclaim(m->fs->vfs)) *frame = ram_alloc_to_fill(m->fs->vfs->ram, zero);
    return *frame ? 0 : -LX_ENOSPC;
}

static int own_page(struct mnode *n, uint32_t index, uint32_t frame)
{
    struct memfs *m = memfs_of(&n->i);
    int err = pagemap_set(m->fs->vfs, &n->pages, index, frame, true);
    if (err) {
        ram_unref(m->fs->vfs->ram, frame);
        return err;
    }
    m->pages++;
    inode_changed(&n->i);
    memfs_page_changed(n, index);
    return 0;
}

// A hole becomes a page of zeros.
static int fill_hole(struct mnode *n, uint32_t index, uint32_t *frame)
{
    int err = new_frame(memfs_of(&n->i), true, frame);
    if (!err) err = own_page(n, index, *frame);
    if (!err) n->i.blocks += 8;
    return err;
}

// A page of an image file is copied; guests that show the old one must let go of it.
static int copy_page(struct mnode *n, uint32_t index, uint32_t *frame)
{
    struct memfs *m = memfs_of(&n->i);
    uint32_t copy;
    int err = new_frame(m, false, &copy);
    if (err) return err;
    if (ram_read(m->fs->vfs->ram, *frame, 0, ram_ptr(m->fs->vfs->ram, copy), 4096)) {
        ram_unref(m->fs->vfs->ram, copy);
        return -LX_EIO;
    }
    unmap(n, index, 1);
    *frame = copy;
    return own_page(n, index, copy);
}

// A lower page that was read into RAM becomes the file's own as it is. Our reference on it goes: to the map, unless the
// map had one already.
static int adopt_page(struct mnode *n, uint32_t index, uint32_t frame)
{
    struct memfs *m = memfs_of(&n->i);
    bool own, cached = pagemap_get(&n->pages, index, &own) == frame;
    if (m->pages >= m->max_pages) {
        ram_unref(m->fs->vfs->ram, frame);
        return -LX_ENOSPC;
    }
    int err = own_page(n, index, frame);
    if (!err && cached) ram_unref(m->fs->vfs->ram, frame);
    return err;
}

// The page as the file's own, to be written to. Borrowed: the map holds the reference.
static int page_for_write(struct mnode *n, uint32_t index, uint32_t *frame)
{
    bool own;
    content_changes(n);
    *frame = pagemap_get(&n->pages, index, &own);
    int err = own && *frame == PAGE_KEPT ? memfs_stored_page(n, index, frame) : 0;
    if (err) return err;
    if (own) {
        memfs_page_changed(n, index);
        return 0;
    }
    err = page_get(n, index, frame, &own);
    if (err) return err;
    if (!*frame) return fill_hole(n, index, frame);
    return ram_is_file(*frame) ? copy_page(n, index, frame) : adopt_page(n, index, *frame);
}

static int reg_page(struct inode *i, uint32_t index, bool for_write, uint32_t *frame)
{
    struct mnode *n = mnode(i);
    bool own;
    if (index >= pages_of(i->size)) return -LX_EFAULT;
    int err;
    if (for_write)
        err = page_for_write(n, index, frame);
    else if (!(err = page_get(n, index, frame, &own))) {
        if (*frame) return 0;
        err = fill_hole(n, index, frame); // shown as a page of zeros, the file stays as it is
    }
    if (!err) ram_ref(i->fs->vfs->ram, *frame);
    return err;
}

// ---------------------------------------------------------------- read and write

// How many pages from `index` on, at most `max`, lie side by side in the image file, the first being `frame`.
static uint32_t run_length(struct mnode *n, uint32_t index, uint32_t frame, uint32_t max)
{
    uint32_t k = 1, next;
    bool own;
    while (k < max && page_get(n, index + k, &next, &own) == 0) {
        if (next && !ram_is_file(next)) ram_unref(n->i.fs->vfs->ram, next);
        if (next != frame + k) break;
        k++;
    }
    return k;
}

// Through a buffer, no more than its page: for who has no pieces, or to learn why there are none.
static int put_page(struct ram *ram, uint32_t frame, uint32_t off, struct iob *io, size_t *want, size_t *got)
{
    uint8_t bytes[4096];
    if (*want > sizeof bytes - off) *want = sizeof bytes - off;
    if (ram_read(ram, frame, off, bytes, *want)) return -LX_EIO;
    *got = iob_put(io, bytes, *want);
    return 0;
}

// From a page of the image file to the reader, and from those that follow it in the image as well as in the file:
// straight to where they are wanted. ram_read says why not by ram_ptr.
static int put_image(struct mnode *n, uint32_t frame, uint64_t pos, struct iob *io, size_t *want, size_t *got)
{
    enum { MOST_PAGES = 16 };
    struct host_piece p[HOST_PIECES];
    struct ram *ram = n->i.fs->vfs->ram;
    uint32_t off = pos & 4095;
    uint64_t room = n->i.size - pos < io->left ? n->i.size - pos : io->left;
    uint32_t pages = room + off > MOST_PAGES * 4096 ? MOST_PAGES : (uint32_t)((room + off + 4095) >> 12);
    pages = run_length(n, (uint32_t)(pos >> 12), frame, pages);
    *want = (size_t)pages * 4096 - off < room ? (size_t)pages * 4096 - off : (size_t)room;
    unsigned count = io->pieces ? io->pieces(io, p, HOST_PIECES, *want, 1) : 0;
    if (!count) return put_page(ram, frame, off, io, want, got);
    int64_t filled = ram_read_pieces(ram, frame, off, p, count);
    if (filled < 0) return -LX_EIO;
    iob_moved(io, (size_t)filled);
    *want = *got = (size_t)filled;
    return 0;
}

static int file_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct mnode *n = mnode(f->inode);
    struct ram *ram = n->i.fs->vfs->ram;
    while (io->left > 0 && *pos < n->i.size) {
        uint32_t off = *pos & 4095, frame;
        size_t want = 4096 - off, got = 0;
        bool own;
        if (want > n->i.size - *pos) want = (size_t)(n->i.size - *pos);
        if (want > io->left) want = io->left;
        int err = page_get(n, (uint32_t)(*pos >> 12), &frame, &own);
        if (err) return err;
        if (!frame)
            got = iob_zero(io, want);
        else if (ram_is_file(frame))
            err = put_image(n, frame, *pos, io, &want, &got);
        else
            got = iob_put(io, ram_ptr(ram, frame) + off, want);
        if (frame) ram_unref(ram, frame);
        if (err) return err;
        *pos += got;
        if (got < want) return -LX_EFAULT;
    }
    return 0;
}

static void zero_bytes(struct mnode *n, uint32_t index, uint32_t frame, uint64_t from, uint64_t to)
{
    struct ram *ram = n->i.fs->vfs->ram;
    memfs_page_changed(n, index);
    ram_writing(ram, frame);
    memset(ram_ptr(ram, frame) + from, 0, to - from);
}

// The end of the file moves from i.size to beyond `to`: nothing may be left behind the old end. A page that is in the
// delta only was saved without what was there.
static void clear_tail(struct mnode *n)
{
    uint32_t off = n->i.size & 4095;
    bool own;
    uint32_t index = (uint32_t)(n->i.size >> 12), frame = off ? pagemap_get(&n->pages, index, &own) : 0;
    if (page_in_memory(frame) && own) zero_bytes(n, index, frame, off, 4096);
}

// To take them may need memory, for which pages are saved and dropped: not this one, and what was saved of it was not
// all.
static size_t take_bytes(struct mnode *n, uint32_t index, uint32_t frame, uint32_t off, struct iob *io, size_t want)
{
    struct ram *ram = n->i.fs->vfs->ram;
    if (!memfs_of(&n->i)->delta) return iob_get(io, ram_ptr(ram, frame) + off, want);
    ram_ref(ram, frame);
    size_t got = iob_get(io, ram_ptr(ram, frame) + off, want);
    ram_unref(ram, frame);
    memfs_page_changed(n, index);
    return got;
}

enum { MANY = 16, MANY_LEAST = 4 }; // pages that are written at once

// How many whole pages from `index` on are written that were not there.
static uint32_t new_pages(struct mnode *n, uint32_t index, const struct iob *io)
{
    uint32_t most = io->left >> 12 < MANY ? (uint32_t)(io->left >> 12) : MANY, k = 0;
    bool own;
    if (!io->pieces || n->i.seals & LX_F_SEAL_GROW || most > UINT32_MAX - index || (n->lower && index < n->lower_pages))
        return 0;
    while (k < most && !pagemap_get(&n->pages, index + k, &own)) k++;
    return k < MANY_LEAST ? 0 : k;
}

// Frames with the next bytes, 0: page by page, which says why not. Memory that shows this file's own holes makes pages
// of them as it is looked at.
static uint32_t frames_of(struct mnode *n, struct iob *io, uint32_t index, uint32_t pages)
{
    struct host_piece p[HOST_PIECES];
    size_t bytes = 0;
    if (memfs_room(memfs_of(&n->i), pages)) return 0;
    unsigned count = io->pieces(io, p, HOST_PIECES, (size_t)pages << 12, 0);
    for (unsigned k = 0; k < count; k++) bytes += p[k].n;
    if (new_pages(n, index, io) < pages) return 0;
    return bytes == (size_t)pages << 12 ? ram_alloc_from(n->i.fs->vfs->ram, p, count, pages) : 0;
}

// How many bytes it was; 0: it could not be done so.
static size_t write_pages(struct mnode *n, struct iob *io, uint32_t index, uint32_t pages)
{
    uint32_t frame = frames_of(n, io, index, pages), done = 0;
    if (!frame) return 0;
    content_changes(n);
    while (done < pages && own_page(n, index + done, frame + done) == 0) done++;
    for (uint32_t k = done + 1; k < pages; k++) ram_unref(n->i.fs->vfs->ram, frame + k);
    n->i.blocks += 8ull * done;
    iob_moved(io, (size_t)done << 12);
    return (size_t)done << 12;
}

// At most to the end of the page. *got < want: the memory ended.
static int write_page(struct mnode *n, struct iob *io, uint64_t pos, size_t want, size_t *got)
{
    struct ram *ram = n->i.fs->vfs->ram;
    uint32_t index = (uint32_t)(pos >> 12), frame;
    int err = page_for_write(n, index, &frame);
    if (err) return err;
    ram_writing(ram, frame);
    *got = take_bytes(n, index, frame, pos & 4095, io, want);
    return 0;
}

static int file_write(struct file *f, struct iob *io, uint64_t *pos)
{
    struct mnode *n = mnode(f->inode);
    if (n->i.seals & (LX_F_SEAL_WRITE | LX_F_SEAL_FUTURE_WRITE)) return -LX_EPERM;
    if (*pos > n->i.size && !(n->i.seals & LX_F_SEAL_GROW)) clear_tail(n);
    while (io->left > 0) {
        uint32_t off = *pos & 4095;
        size_t want = 4096 - off < io->left ? 4096 - off : io->left;
        if (*pos >= MAX_SIZE) return -LX_EFBIG;
        if (n->i.seals & LX_F_SEAL_GROW && *pos + want > n->i.size) return -LX_EPERM;
        uint32_t pages = off ? 0 : new_pages(n, (uint32_t)(*pos >> 12), io);
        size_t got = pages ? write_pages(n, io, (uint32_t)(*pos >> 12), pages) : 0;
        int err = got ? 0 : write_page(n, io, *pos, want, &got);
        if (err) return err;
        *pos += got;
        if (got && *pos > n->i.size) n->i.size = *pos;
        if (got < want) return -LX_EFAULT;
        if ((*pos & 65535) == 0) memfs_written(n);
    }
    memfs_written(n);
    return 0;
}

const struct file_ops memfs_fops = {.read = file_read, .write = file_write};

// ---------------------------------------------------------------- size

// Zeroes [from, to) within one page, if there is something.
static int zero_in_page(struct mnode *n, uint64_t from, uint64_t to)
{
    uint32_t index = (uint32_t)(from >> 12), frame;
    bool own;
    int err = page_get(n, index, &frame, &own);
    if (err || !frame) return err;
    ram_unref(n->i.fs->vfs->ram, frame);
    err = page_for_write(n, index, &frame);
    if (!err) zero_bytes(n, index, frame, from & 4095, (from & 4095) + (to - from));
    return err;
}

static int set_size(struct mnode *n, uint64_t size)
{
    struct vfs *v = n->i.fs->vfs;
    if (size > MAX_SIZE) return -LX_EFBIG;
    if (n->i.seals & (size > n->i.size ? LX_F_SEAL_GROW : LX_F_SEAL_SHRINK) && size != n->i.size) return -LX_EPERM;
    if (size != n->i.size) content_changes(n);
    if (size >= n->i.size) {
        if (size > n->i.size) clear_tail(n);
        n->i.size = size;
        return 0;
    }
    int err = size & 4095 ? zero_in_page(n, size, (size | 4095) + 1) : 0;
    if (err) return err;
    uint32_t pages = pages_of(size);
    unmap(n, pages, UINT32_MAX - pages);
    pagemap_cut(v, &n->pages, pages, 1ull << 32, drop_frame, n);
    memfs_pages_cut(n, pages);
    if (n->lower_pages > pages) n->lower_pages = pages;
    n->i.size = size;
    if (n->i.blocks > (uint64_t)pages * 8) n->i.blocks = (uint64_t)pages * 8;
    return 0;
}

int memfs_setattr(struct inode *i, const struct setattr *a)
{
    if (a->valid & ATTR_MODE && i->seals & LX_F_SEAL_EXEC && (i->mode ^ a->mode) & 0111) return -LX_EPERM;
    if (a->valid & ATTR_SIZE) {
        int err = set_size(mnode(i), a->size);
        if (err) return err;
    }
    inode_take_attributes(i, a);
    return 0;
}

// ---------------------------------------------------------------- allocation and holes

// A whole page becomes a hole, over a lower page too.
static int punch_page(struct mnode *n, uint32_t index)
{
    struct vfs *v = n->i.fs->vfs;
    bool own;
    if (pagemap_get(&n->pages, index, &own) == PAGE_HOLE) return 0;
    pagemap_cut(v, &n->pages, index, (uint64_t)index + 1, drop_frame, n);
    bool lower = n->lower && index < n->lower_pages &&
                 memfs_of(&n->i)->lower->ops->has_page(memfs_of(&n->i)->lower, n->lower, index);
    int err = lower ? pagemap_set(v, &n->pages, index, PAGE_HOLE, false) : 0;
    if (lower && !err) memfs_page_changed(n, index);
    return err;
}

// What the delta may have is a hole there too.
static void punch_stored(struct mnode *n, uint32_t first, uint32_t end)
{
    uint32_t index, frame;
    uint64_t from = first;
    bool own;
    for (; pagemap_next(&n->pages, from, &index, &frame, &own) && index < end; from = (uint64_t)index + 1) {
        drop_frame(n, frame, own);
        (void)pagemap_set(n->i.fs->vfs, &n->pages, index, PAGE_HOLE, false); // in the place of one that is there
        memfs_page_changed(n, index);
    }
}

static int punch_pages(struct mnode *n, uint32_t first, uint32_t end)
{
    uint32_t lower_end = n->lower_pages < end ? n->lower_pages : end;
    if (n->lower_pages > first && n->lower_pages <= end) n->lower_pages = lower_end = first;
    if (lower_end > first && lower_end - first > SCAN_LIMIT) return -LX_EOPNOTSUPP;
    content_changes(n);
    unmap(n, first, end - first);
    inode_changed(&n->i);
    if (n->stored) punch_stored(n, first, end);
    for (uint32_t k = first; k < lower_end; k++) {
        int err = punch_page(n, k);
        if (err) return err;
    }
    if (!n->stored) pagemap_cut(n->i.fs->vfs, &n->pages, first > lower_end ? first : lower_end, end, drop_frame, n);
    return 0;
}

static int punch(struct mnode *n, uint64_t off, uint64_t end)
{
    if (end > n->i.size) end = off < n->i.size ? ((n->i.size + 4095) & ~4095ull) : off;
    if (off >= end) return 0;
    uint64_t first = (off + 4095) & ~4095ull, last = end & ~4095ull;
    if (first > last) return zero_in_page(n, off, end);
    int err = off < first ? zero_in_page(n, off, first) : 0;
    if (!err && end > last) err = zero_in_page(n, last, end);
    if (!err && last > first) err = punch_pages(n, (uint32_t)(first >> 12), (uint32_t)(last >> 12));
    return err;
}

// Pages of the lower count as allocated.
static int allocate(struct mnode *n, uint64_t off, uint64_t end)
{
    struct memfs *m = memfs_of(&n->i);
    struct ram *ram = m->fs->vfs->ram;
    uint32_t first = (uint32_t)(off >> 12), last = pages_of(end), frame;
    uint64_t room = m->max_pages - m->pages,
             spare = ram_limit(ram) > ram_used(ram) ? ram_limit(ram) - ram_used(ram) : 0;
    bool own;
    if (first < n->lower_pages) first = n->lower_pages;
    if (last > first && last - first > (room < spare ? room : spare) + m->pages) return -LX_ENOSPC;
    for (uint32_t k = first; k < last; k++) {
        frame = pagemap_get(&n->pages, k, &own);
        int err = frame && frame != PAGE_HOLE ? 0 : fill_hole(n, k, &frame);
        if (err) return err;
    }
    return 0;
}

static int reg_fallocate(struct inode *i, int mode, uint64_t off, uint64_t len)
{
    struct mnode *n = mnode(i);
    uint64_t end = off + len;
    bool keep = mode & LX_FALLOC_FL_KEEP_SIZE;
    int kind = mode & ~LX_FALLOC_FL_KEEP_SIZE, err;
    if (kind != 0 && kind != LX_FALLOC_FL_PUNCH_HOLE && kind != FALLOC_ZERO_RANGE) return -LX_EOPNOTSUPP;
    if (kind == LX_FALLOC_FL_PUNCH_HOLE && !keep) return -LX_EOPNOTSUPP;
    if (end > MAX_SIZE) return -LX_EFBIG;
    if (kind && i->seals & (LX_F_SEAL_WRITE | LX_F_SEAL_FUTURE_WRITE)) return -LX_EPERM;
    if (kind != LX_FALLOC_FL_PUNCH_HOLE && !keep && end > i->size && i->seals & LX_F_SEAL_GROW) return -LX_EPERM;
    err = kind ? punch(n, off, end) : allocate(n, off, end);
    if (!err && kind != LX_FALLOC_FL_PUNCH_HOLE && !keep && end > i->size) err = set_size(n, end);
    return err;
}

// Is there data at this page? Cheap, without reading it.
static bool has_data(struct mnode *n, uint32_t index)
{
    struct memfs *m = memfs_of(&n->i);
    bool own;
    uint32_t frame = pagemap_get(&n->pages, index, &own);
    if (frame) return frame != PAGE_HOLE;
    return n->lower && index < n->lower_pages && m->lower->ops->has_page(m->lower, n->lower, index);
}

// For how many pages before `end` has_data says the same as for this one: at least 1.
static uint32_t alike(struct mnode *n, uint32_t index, uint32_t end)
{
    struct lower *l = memfs_of(&n->i)->lower;
    uint32_t next, frame, count;
    bool own;
    if (!n->lower || index >= n->lower_pages || pagemap_get(&n->pages, index, &own)) return 1;
    if (end > n->lower_pages) end = n->lower_pages;
    count = l->ops->alike(l, n->lower, index);
    if (count > end - index) count = end - index;
    if (pagemap_next(&n->pages, index, &next, &frame, &own) && next - index < count) count = next - index;
    return count;
}

// The next page with data at or after index, UINT32_MAX when there is none. A hole of the lower in very many pieces is
// called data after a while, which is allowed.
static uint32_t next_data_page(struct mnode *n, uint32_t index)
{
    uint32_t found, frame, end = n->lower && n->lower_pages > index ? n->lower_pages : index;
    bool own;
    for (uint32_t k = index, looks = 0; k < end; k += alike(n, k, end))
        if (has_data(n, k) || ++looks >= SCAN_LIMIT) return k;
    uint64_t from = end;
    while (pagemap_next(&n->pages, from, &found, &frame, &own)) {
        if (frame != PAGE_HOLE) return found;
        from = (uint64_t)found + 1;
    }
    return UINT32_MAX;
}

static int64_t reg_next_data(struct inode *i, uint64_t off, bool hole)
{
    struct mnode *n = mnode(i);
    uint32_t index = (uint32_t)(off >> 12), end = pages_of(i->size), at = index;
    if (hole) {
        uint32_t looks = 0;
        while (at < end && looks < SCAN_LIMIT && has_data(n, at)) at += alike(n, at, end), looks++;
        if (looks == SCAN_LIMIT) at = end;
    } else {
        at = next_data_page(n, index);
        if (at >= end) return -LX_ENXIO;
    }
    if (at == index) return (int64_t)off;
    uint64_t found = (uint64_t)at << 12;
    return (int64_t)(found < i->size ? found : i->size);
}

// ---------------------------------------------------------------- other kinds

static int link_readlink(struct inode *i, char *buf, size_t size)
{
    struct mnode *n = mnode(i);
    struct memfs *m = memfs_of(i);
    if (!n->target) {
        char text[VFS_PATH_MAX];
        int len = m->lower->ops->target(m->lower, n->lower, text, sizeof text);
        if (len < 0) return len;
        if ((uint64_t)len != i->size) return -LX_EIO;
        n->target = kmem_strdup(i->fs->vfs, text, (size_t)len);
        if (!n->target) return -LX_ENOMEM;
    }
    size_t len = i->size < size ? (size_t)i->size : size;
    memcpy(buf, n->target, len);
    return (int)len;
}

const struct inode_ops memfs_reg_ops = {
    .setattr = memfs_setattr,
    .page = reg_page,
    .fallocate = reg_fallocate,
    .next_data = reg_next_data,
    .getxattr = memfs_getxattr,
    .setxattr = memfs_setxattr,
    .listxattr = memfs_listxattr,
};
const struct inode_ops memfs_link_ops = {
    .readlink = link_readlink,
    .setattr = memfs_setattr,
    .getxattr = memfs_getxattr,
    .setxattr = memfs_setxattr,
    .listxattr = memfs_listxattr,
};
const struct inode_ops memfs_special_ops = {
    .setattr = memfs_setattr,
    .getxattr = memfs_getxattr,
    .setxattr = memfs_setxattr,
    .listxattr = memfs_listxattr,
};
