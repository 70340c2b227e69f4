// Inodes of a commit: files' content, links, devices, extended attributes, and what stat shows. See commit.h.
#include "disk/commit_internal.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

union whole { // an inode with its large half
    struct ext2_inode_large in;
    struct ext2_inode small;
    uint8_t bytes[sizeof(struct ext2_inode_large)];
};

// As much of it as the image has and we know.
static int whole_size(const struct commit *c)
{
    size_t size = EXT2_INODE_SIZE(c->fs->super);
    return (int)(size < sizeof(union whole) ? size : sizeof(union whole));
}

static int read_whole(struct commit *c, ext2_ino_t ino, union whole *w)
{
    memset(w, 0, sizeof *w);
    return commit_ext2(c, ext2fs_read_inode_full(c->fs, ino, &w->small, whole_size(c)), "an inode");
}

// The rest of a larger inode stays as it is on the disk.
static int write_whole(struct commit *c, ext2_ino_t ino, union whole *w)
{
    return commit_ext2(c, ext2fs_write_inode_full(c->fs, ino, &w->small, whole_size(c)), "an inode");
}

// ---------------------------------------------------------------- coming and going

static int replace_attributes(struct commit *, ext2_ino_t, struct deltafile *, uint64_t of);

int commit_free(struct commit *c, ext2_ino_t ino)
{
    union whole w;
    int err = read_whole(c, ino, &w);
    if (err) return err;
    bool is_dir = LINUX_S_ISDIR(w.in.i_mode);
    if (!ext2fs_test_inode_bitmap2(c->fs->inode_map, ino))
        return commit_damaged(c, "a file is removed that is not there");
    // Attributes may lie in blocks and inodes that others share: libext2fs counts them.
    err = replace_attributes(c, ino, NULL, 0);
    if (!err) err = read_whole(c, ino, &w);
    // Their block it leaves to the inode, with nothing in it (ext2fs_xattrs_write).
    if (!err) err = commit_ext2(c, ext2fs_free_ext_attr(c->fs, ino, &w.in), "the attributes of a removed file");
    if (!err && ext2fs_inode_has_valid_blocks2(c->fs, &w.small))
        err = commit_ext2(c, ext2fs_punch(c->fs, ino, &w.small, NULL, 0, ~0ULL), "the blocks of a removed file");
    if (err) return err;
    memset(&w, 0, sizeof w);
    w.in.i_dtime = (uint32_t)c->fs->now;
    err = write_whole(c, ino, &w);
    ext2fs_inode_alloc_stats2(c->fs, ino, -1, is_dir);
    c->result.removed++;
    return err;
}

// An empty tree of extents where the image has such; libext2fs makes it of an inode without blocks.
static int start_map(struct commit *c, ext2_ino_t ino, struct ext2_inode *in)
{
    ext2_extent_handle_t handle;
    memset(in->i_block, 0, sizeof in->i_block);
    in->i_flags &= ~(uint32_t)EXT4_EXTENTS_FL;
    if (!ext2fs_has_feature_extents(c->fs->super)) return 0;
    errcode_t err = ext2fs_extent_open2(c->fs, ino, in, &handle);
    if (!err) ext2fs_extent_free(handle);
    return commit_ext2(c, err, "a new file");
}

int commit_empty(struct commit *c, const struct commit_node *n)
{
    union {
        struct ext2_inode_large in;
        struct ext2_inode small;
        uint8_t bytes[EXT2_MAX_BLOCK_SIZE];
    } *u = calloc(1, sizeof *u); // all of it: the place may have been another's
    size_t size = EXT2_INODE_SIZE(c->fs->super);
    if (!u) return layers_failed(&c->l, -ENOMEM, "out of memory");
    if (size > EXT2_GOOD_OLD_INODE_SIZE) {
        size_t want = c->fs->super->s_want_extra_isize, most = size - EXT2_GOOD_OLD_INODE_SIZE;
        if (want < 4) want = sizeof u->in - EXT2_GOOD_OLD_INODE_SIZE;
        u->in.i_extra_isize = (uint16_t)((want < most ? want : most) & ~3u);
    }
    u->in.i_mode = (uint16_t)n->mode;
    u->in.i_links_count = 1; // until its attributes are written
    int err = 0;
    if (LINUX_S_ISREG(n->mode) || LINUX_S_ISDIR(n->mode)) err = start_map(c, n->to, &u->small);
    if (!err) err = commit_ext2(c, ext2fs_write_inode_full(c->fs, n->to, &u->small, (int)size), "a new inode");
    free(u);
    return err;
}

static int remove_attribute(struct commit *c, ext2_ino_t ino, const char *name)
{
    struct ext2_xattr_handle *h;
    errcode_t err = ext2fs_xattrs_open(c->fs, ino, &h);
    if (err) return commit_ext2(c, err, "extended attributes");
    err = ext2fs_xattrs_read(h);
    if (!err) err = ext2fs_xattr_remove(h, name);
    if (!err || err == EXT2_ET_EA_KEY_NOT_FOUND) err = ext2fs_xattrs_write(h);
    ext2fs_xattrs_close(&h);
    return commit_ext2(c, err, "extended attributes");
}

int commit_outline(struct commit *c, ext2_ino_t ino, struct ext2_inode *in)
{
    int err = remove_attribute(c, ino, "system.data");
    if (!err) err = commit_ext2(c, ext2fs_read_inode(c->fs, ino, in), "an inode");
    if (err) return err;
    in->i_flags &= ~(uint32_t)EXT4_INLINE_DATA_FL;
    err = start_map(c, ino, in);
    if (!err) err = commit_ext2(c, ext2fs_inode_size_set(c->fs, in, 0), "an inode");
    return err ? err : commit_ext2(c, ext2fs_write_inode(c->fs, ino, in), "an inode");
}

// ---------------------------------------------------------------- files

struct writing {
    struct commit *c;
    ext2_ino_t ino;
    ext2_file_t file;
    uint64_t size; // of the file
    struct hole {  // blocks to be given back, where there are no extents
        uint64_t first, end;
    } * hole;
    size_t holes, given; // given: blocks
    int err;
};

static int close_file(struct writing *w, int err)
{
    errcode_t closed = ext2fs_file_close(w->file);
    return err ? err : commit_ext2(w->c, closed, "a file's content");
}

static int open_file(struct writing *w, struct ext2_inode *in)
{
    return commit_ext2(w->c, ext2fs_file_open2(w->c->fs, w->ino, in, EXT2_FILE_WRITE, &w->file), "a file");
}

static int write_at(struct writing *w, uint64_t at, const void *bytes, size_t n)
{
    unsigned written = 0;
    errcode_t err = ext2fs_file_llseek(w->file, at, EXT2_SEEK_SET, NULL);
    if (!err) err = ext2fs_file_write(w->file, bytes, (unsigned)n, &written);
    if (!err && written != n) err = EXT2_ET_SHORT_WRITE;
    return commit_ext2(w->c, err, "a file's content");
}

static bool is_mapped(struct writing *w, uint64_t block, int *err)
{
    blk64_t found = 0;
    struct ext2_inode *in = ext2fs_file_get_inode(w->file);
    *err = commit_ext2(w->c, ext2fs_bmap2(w->c->fs, w->ino, in, NULL, 0, block, NULL, &found), "a file's blocks");
    return found != 0;
}

// Bytes within one block become zeros, if it is there.
static int zero_part(struct writing *w, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[4096];
    int err = 0;
    if (from >= to || !is_mapped(w, from / w->c->fs->blocksize, &err)) return err;
    while (from < to && !err) {
        size_t n = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        err = write_at(w, from, zeros, n);
        from += n;
    }
    return err;
}

static int note_hole(struct writing *w, uint64_t first, uint64_t end)
{
    if ((w->holes & (w->holes - 1)) == 0) { // grows at powers of two
        struct hole *more = realloc(w->hole, (w->holes ? w->holes * 2 : 1) * sizeof *more);
        if (!more) return layers_failed(&w->c->l, -ENOMEM, "out of memory");
        w->hole = more;
    }
    w->hole[w->holes++] = (struct hole){first, end};
    return 0;
}

// Blocks that lie whole in it are given back.
static int make_hole(struct writing *w, uint64_t from, uint64_t to)
{
    uint64_t size = w->c->fs->blocksize, first = (from + size - 1) / size, end = to / size;
    if (first > end) return zero_part(w, from, to);
    int err = zero_part(w, from, first * size);
    if (!err && to > end * size) err = zero_part(w, end * size, to);
    if (!err) err = commit_ext2(w->c, ext2fs_file_flush(w->file), "a file's content");
    if (err || first == end) return err;
    struct ext2_inode *in = ext2fs_file_get_inode(w->file);
    if (!(in->i_flags & EXT4_EXTENTS_FL)) return note_hole(w, first, end);
    errcode_t error = ext2fs_punch(w->c->fs, w->ino, in, NULL, first, end - 1);
    return commit_ext2(w->c, error, "a file's blocks");
}

static bool is_hole(const struct writing *w, uint64_t block)
{
    size_t low = 0, high = w->holes;
    while (low < high) {
        size_t at = (low + high) / 2;
        if (w->hole[at].end <= block)
            low = at + 1;
        else
            high = at;
    }
    return low < w->holes && w->hole[low].first <= block;
}

static int give_back(ext2_filsys fs, blk64_t *block, e2_blkcnt_t at, blk64_t by, int offset, void *ctx)
{
    struct writing *w = ctx;
    (void)by, (void)offset;
    if (at < 0 || !is_hole(w, (uint64_t)at)) return 0;
    ext2fs_block_alloc_stats2(fs, *block, -1);
    *block = 0;
    w->given++;
    return BLOCK_CHANGED;
}

// ext2fs_punch frees too few or too many blocks of a hole where blocks of blocks of numbers name them (1.47.0,
// ind_punch: what it passes down as the count is not how much of the hole lies there). A cut up to the end is right.
// The file is opened anew: it has an inode of its own.
static int give_holes_back(struct writing *w)
{
    struct ext2_inode in;
    if (w->holes == 0) return 0;
    int err = close_file(w, 0);
    w->file = NULL;
    errcode_t error = err ? 0 : ext2fs_block_iterate3(w->c->fs, w->ino, BLOCK_FLAG_DATA_ONLY, NULL, give_back, w);
    if (!error) error = ext2fs_read_inode(w->c->fs, w->ino, &in);
    if (!error) error = ext2fs_iblk_sub_blocks(w->c->fs, &in, w->given);
    if (!error) error = ext2fs_write_inode(w->c->fs, w->ino, &in);
    if (!err) err = commit_ext2(w->c, error, "a file's blocks");
    return err ? err : open_file(w, &in);
}

static int put_holes(void *ctx, const struct delta_chunk *chunk)
{
    struct writing *w = ctx;
    uint64_t at = (uint64_t)chunk->index * DELTA_CHUNK_PAGES * DELTA_PAGE;
    for (unsigned page = 0, n; page < DELTA_CHUNK_PAGES && !w->err; page += n) {
        n = 1;
        if (!(chunk->hole >> page & 1)) continue;
        while (page + n < DELTA_CHUNK_PAGES && chunk->hole >> (page + n) & 1) n++;
        uint64_t from = at + (uint64_t)page * DELTA_PAGE, to = from + (uint64_t)n * DELTA_PAGE;
        if (to > w->size) to = w->size;
        if (from < to) w->err = make_hole(w, from, to);
    }
    return w->err;
}

static int put_data(void *ctx, const struct delta_chunk *chunk)
{
    struct writing *w = ctx;
    uint64_t at = (uint64_t)chunk->index * DELTA_CHUNK_PAGES * DELTA_PAGE;
    const uint8_t *bytes = chunk->bytes;
    for (unsigned page = 0, n; page < DELTA_CHUNK_PAGES && !w->err; page += n) {
        n = 1;
        if (!(chunk->data >> page & 1)) continue;
        while (page + n < DELTA_CHUNK_PAGES && chunk->data >> (page + n) & 1) n++;
        uint64_t from = at + (uint64_t)page * DELTA_PAGE, to = from + (uint64_t)n * DELTA_PAGE;
        if (to > w->size) to = w->size;
        if (from < to) w->err = write_at(w, from, bytes, (size_t)(to - from));
        bytes += (size_t)n * DELTA_PAGE;
        w->c->done += (uint64_t)n * DELTA_PAGE;
    }
    if (w->c->told) w->c->told(w->c->ctx, w->c->done, w->c->all);
    return w->err;
}

// The image's part is cut to what still shines through, then the file gets its size. Behind the old end of the image's
// file there may be anything on the disk.
static int set_sizes(struct writing *w, uint64_t was, const struct delta_inode *i)
{
    uint64_t kept = (uint64_t)i->image_pages * DELTA_PAGE;
    if (kept > i->size) kept = i->size;
    if (kept > was) kept = was;
    errcode_t err = kept < was || i->size > was ? ext2fs_file_set_size2(w->file, kept) : 0;
    if (!err && i->size != kept) err = ext2fs_file_set_size2(w->file, i->size);
    return commit_ext2(w->c, err, "a file's size");
}

static int write_pages(struct writing *w, const struct delta_inode *i)
{
    struct deltafile *d = w->c->l.delta;
    int got = deltafile_chunks(d, i->ino, 0, false, put_holes, w);
    if (!got) w->err = give_holes_back(w);
    if (!got && !w->err) got = deltafile_chunks(d, i->ino, 0, true, put_data, w);
    if (w->err) return w->err;
    return got < 0 ? layers_delta(&w->c->l, got) : 0;
}

// Data in the inode moves out of it, if it is to change.
static int outline_file(struct commit *c, ext2_ino_t ino, struct ext2_inode *in, uint8_t **bytes, size_t *n)
{
    *bytes = NULL;
    *n = 0;
    if (!(in->i_flags & EXT4_INLINE_DATA_FL)) return 0;
    int err = commit_ext2(c, ext2fs_inline_data_size(c->fs, ino, n), "a file in its inode");
    if (err) return err;
    *bytes = calloc(1, *n + 1);
    if (!*bytes) return layers_failed(&c->l, -ENOMEM, "out of memory");
    err = commit_ext2(c, ext2fs_inline_data_get(c->fs, ino, in, *bytes, n), "a file in its inode");
    if (*n > EXT2_I_SIZE(in)) *n = EXT2_I_SIZE(in);
    return err ? err : commit_outline(c, ino, in);
}

// What was in the inode, into blocks. The file is opened anew behind it: sizes are set on the disk, past its buffer.
static int write_inlined(struct writing *w, struct ext2_inode *in, const uint8_t *bytes, size_t n)
{
    int err = open_file(w, in);
    if (!err) err = close_file(w, write_at(w, 0, bytes, n));
    return err ? err : commit_ext2(w->c, ext2fs_read_inode(w->c->fs, w->ino, in), "an inode");
}

static int write_file(struct commit *c, ext2_ino_t ino, const struct delta_inode *i)
{
    struct writing w = {.c = c, .ino = ino, .size = i->size};
    struct ext2_inode in;
    uint8_t *inlined = NULL;
    size_t n = 0;
    int err = commit_ext2(c, ext2fs_read_inode(c->fs, ino, &in), "an inode");
    if (!err) err = outline_file(c, ino, &in, &inlined, &n);
    if (!err && n) err = write_inlined(&w, &in, inlined, n);
    free(inlined);
    if (!err) err = open_file(&w, &in);
    if (err) return err;
    err = set_sizes(&w, EXT2_I_SIZE(&in), i);
    if (!err) err = write_pages(&w, i);
    free(w.hole);
    return w.file ? close_file(&w, err) : err;
}

// ---------------------------------------------------------------- links and devices

static int write_link(struct commit *c, ext2_ino_t ino, const struct delta_inode *i)
{
    struct writing w = {.c = c, .ino = ino, .size = i->size};
    struct ext2_inode in;
    int err = commit_ext2(c, ext2fs_read_inode(c->fs, ino, &in), "an inode");
    if (err) return err;
    if (i->size < sizeof in.i_block) { // with a 0 behind it
        in.i_flags &= ~(uint32_t)EXT4_EXTENTS_FL;
        memset(in.i_block, 0, sizeof in.i_block);
        memcpy(in.i_block, i->target, i->size);
        in.i_size = (uint32_t)i->size;
        return commit_ext2(c, ext2fs_write_inode(c->fs, ino, &in), "a symbolic link");
    }
    if (i->size >= c->fs->blocksize)
        return layers_failed(&c->l, -ENAMETOOLONG, "a symbolic link is longer than a block of the image");
    err = start_map(c, ino, &in);
    if (!err) err = commit_ext2(c, ext2fs_write_inode(c->fs, ino, &in), "a symbolic link");
    if (!err) err = open_file(&w, &in);
    if (err) return err;
    return close_file(&w, write_at(&w, 0, i->target, i->size));
}

// The old encoding where it fits, as Linux writes it (ext4_set_inode... old_valid_dev).
static int write_device(struct commit *c, ext2_ino_t ino, const struct delta_inode *i)
{
    union whole w;
    int err = read_whole(c, ino, &w);
    if (err) return err;
    unsigned high = major(i->rdev), low = minor(i->rdev);
    bool is_old = high < 256 && low < 256;
    w.in.i_block[0] = is_old ? high << 8 | low : 0;
    w.in.i_block[1] = is_old ? 0 : i->rdev;
    return write_whole(c, ino, &w);
}

// e2fsck 1.47.0 does not see the block of attributes of a link whose target is kept in its inode (pass1.c goes on to
// the next inode), and takes it for a free one that is marked as used: such a link gets a block for its target.
static int outline_link(struct commit *c, ext2_ino_t ino, const struct delta_inode *i)
{
    struct ext2_inode in;
    int err = commit_ext2(c, ext2fs_read_inode(c->fs, ino, &in), "an inode");
    if (err || !(in.i_flags & EXT4_INLINE_DATA_FL) || !i->target) return err;
    err = commit_outline(c, ino, &in);
    return err ? err : write_link(c, ino, i);
}

int commit_content(struct commit *c, const struct commit_node *n, const struct delta_inode *i)
{
    bool fresh = commit_is_new(c, n);
    if (fresh && i->image_pages) return commit_damaged(c, "a new file has old pages");
    if (LINUX_S_ISREG(n->mode)) return write_file(c, n->to, i);
    if (!fresh && LINUX_S_ISLNK(n->mode) && i->flags & DELTA_XATTRS) return outline_link(c, n->to, i);
    if (!fresh) return 0; // neither a link nor a device ever changes
    if (LINUX_S_ISLNK(n->mode)) return i->target ? write_link(c, n->to, i) : commit_damaged(c, "a symbolic link");
    if (LINUX_S_ISCHR(n->mode) || LINUX_S_ISBLK(n->mode)) return write_device(c, n->to, i);
    return 0;
}

// ---------------------------------------------------------------- attributes

struct names_of {
    struct layer_names *to;
    bool failed;
};

// Their names; of layer_names only that is used.
static int keep_name(char *name, char *value, size_t n, void *ctx)
{
    struct names_of *names = ctx;
    struct layer_name *more = realloc(names->to->at, (names->to->n + 1) * sizeof *more);
    (void)value, (void)n;
    if (!more) return names->failed = true, XATTR_ABORT;
    names->to->at = more;
    more[names->to->n] = (struct layer_name){.name = strdup(name)};
    if (!more[names->to->n].name) return names->failed = true, XATTR_ABORT;
    names->to->n++;
    return 0;
}

// All but the part of the content that the inode keeps as one.
static errcode_t clear_attributes(struct ext2_xattr_handle *h, struct layer_names *found)
{
    struct names_of names = {found, false};
    errcode_t err = ext2fs_xattrs_read(h);
    if (!err) err = ext2fs_xattrs_iterate(h, keep_name, &names);
    if (!err && names.failed) err = EXT2_ET_NO_MEMORY;
    for (size_t k = 0; k < found->n && !err; k++)
        if (strcmp(found->at[k].name, "system.data")) err = ext2fs_xattr_remove(h, found->at[k].name);
    return err;
}

struct setting {
    struct ext2_xattr_handle *handle;
    errcode_t err;
};

static int set_one(void *ctx, const char *name, const void *value, size_t n)
{
    struct setting *s = ctx;
    if (!strcmp(name, "system.data")) return 1; // none of a file's
    s->err = ext2fs_xattr_set(s->handle, name, value, n);
    return s->err ? 1 : 0;
}

// delta NULL: none are left.
static int replace_attributes(struct commit *c, ext2_ino_t ino, struct deltafile *delta, uint64_t of)
{
    struct setting s = {0};
    struct layer_names found = {0};
    int got = 0;
    errcode_t err = ext2fs_xattrs_open(c->fs, ino, &s.handle);
    if (err) return commit_ext2(c, err, "extended attributes");
    err = clear_attributes(s.handle, &found);
    layer_names_free(&found);
    if (!err && delta) got = deltafile_xattrs(delta, of, set_one, &s);
    if (!err) err = s.err;
    if (!err && !got) err = ext2fs_xattrs_write(s.handle);
    ext2fs_xattrs_close(&s.handle);
    if (err == EXT2_ET_EA_NO_SPACE)
        return layers_failed(&c->l, -E2BIG, "a file's extended attributes are larger than the image can keep");
    if (err) return commit_ext2(c, err, "extended attributes");
    if (got < 0) return layers_delta(&c->l, got);
    return got ? commit_damaged(c, "an extended attribute") : 0;
}

// As ext4_encode_extra_time has it: two more bits of the seconds, then nanoseconds. What does not fit is the nearest.
static void set_time(const struct delta_time *t, bool extra, uint32_t *sec, uint32_t *more)
{
    int64_t least = INT32_MIN, most = extra ? INT32_MAX + (3ll << 32) : INT32_MAX;
    int64_t value = t->sec < least ? least : t->sec > most ? most : t->sec;
    *sec = (uint32_t)value;
    if (extra) *more = (uint32_t)((value - (int32_t)value) >> 32 & 3) | t->nsec << 2;
}

static void set_times(struct commit *c, struct ext2_inode_large *in, const struct delta_inode *i)
{
    size_t size = EXT2_INODE_SIZE(c->fs->super);
    size_t end = size > EXT2_GOOD_OLD_INODE_SIZE ? EXT2_GOOD_OLD_INODE_SIZE + (size_t)in->i_extra_isize : 0;
    set_time(&i->ctime, end >= offsetof(struct ext2_inode_large, i_mtime_extra), &in->i_ctime, &in->i_ctime_extra);
    set_time(&i->mtime, end >= offsetof(struct ext2_inode_large, i_atime_extra), &in->i_mtime, &in->i_mtime_extra);
    set_time(&i->atime, end >= offsetof(struct ext2_inode_large, i_crtime), &in->i_atime, &in->i_atime_extra);
    if (end >= offsetof(struct ext2_inode_large, i_version_hi))
        set_time(&i->btime, true, &in->i_crtime, &in->i_crtime_extra);
}

int commit_attributes(struct commit *c, const struct commit_node *n, const struct delta_inode *i)
{
    union whole w;
    int err = 0;
    if (i->flags & DELTA_XATTRS) err = replace_attributes(c, n->to, c->l.delta, i->ino);
    if (!err) err = read_whole(c, n->to, &w);
    if (err) return err;
    if (i->nlink > EXT2_LINK_MAX)
        return layers_failed(&c->l, -EMLINK, "a file has more names than the image can count");
    w.in.i_mode = (uint16_t)i->mode;
    w.in.i_links_count = (uint16_t)i->nlink;
    w.in.i_uid = (uint16_t)i->uid;
    w.in.osd2.linux2.l_i_uid_high = (uint16_t)(i->uid >> 16);
    w.in.i_gid = (uint16_t)i->gid;
    w.in.osd2.linux2.l_i_gid_high = (uint16_t)(i->gid >> 16);
    set_times(c, &w.in, i);
    return write_whole(c, n->to, &w);
}
