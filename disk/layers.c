// See layers.h: inodes, file content, attributes. Names are in layers_names.c.
#include "disk/layers.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

// ---------------------------------------------------------------- beginning, end, failures

const char *layers_refuse(ext2_filsys fs, bool to_write)
{
    struct ext2_super_block *sb = fs->super;
    if (ext2fs_has_feature_journal_needs_recovery(sb))
        return "its journal must be recovered first: e2fsck -fy mends it (a delta then no longer fits to it)";
    if (sb->s_state & EXT2_ERROR_FS || !(sb->s_state & EXT2_VALID_FS))
        return "it was not unmounted cleanly: e2fsck -fy mends it (a delta then no longer fits to it)";
    if (ext2fs_has_feature_journal_dev(sb)) return "it is the journal of another file system";
    if (!to_write) return NULL;
    if (ext2fs_has_feature_quota(sb) || ext2fs_has_feature_project(sb))
        return "it counts quotas, which commit does not: tune2fs -O ^quota,^project turns them off";
    if (ext2fs_has_feature_shared_blocks(sb)) return "its files share blocks, and it is only to be read";
    return NULL;
}

void layers_init(struct layers *l, ext2_filsys fs, struct deltafile *delta)
{
    *l = (struct layers){.fs = fs, .delta = delta};
    l->image_inodes = delta ? deltafile_base(delta)->inodes : fs->super->s_inodes_count;
}

static void close_file(struct layers *l)
{
    if (l->file) ext2fs_file_close(l->file);
    l->file = NULL;
    l->file_ino = 0;
}

void layers_end(struct layers *l)
{
    close_file(l);
    free(l->entered);
    l->entered = NULL;
    l->entered_n = l->entered_room = 0;
}

int layers_failed(struct layers *l, int err, const char *what)
{
    snprintf(l->problem, sizeof l->problem, "%.400s", what);
    return err;
}

int layers_ext2(struct layers *l, long error, const char *what)
{
    static const struct {
        long error;
        int err;
    } known[] = {
        {EXT2_ET_NO_MEMORY, -ENOMEM},   {EXT2_ET_BLOCK_ALLOC_FAIL, -ENOSPC}, {EXT2_ET_INODE_ALLOC_FAIL, -ENOSPC},
        {EXT2_ET_EA_NO_SPACE, -ENOSPC}, {EXT2_ET_DIR_NO_SPACE, -ENOSPC},     {EXT2_ET_FILE_NOT_FOUND, -ENOENT},
    };
    snprintf(l->problem, sizeof l->problem, "%.300s: %.150s", what, error_message(error));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].error == error) return known[i].err;
    return error > 0 && error < 256 ? -(int)error : -EIO;
}

int layers_delta(struct layers *l, int err)
{
    return layers_failed(l, err, deltafile_problem(l->delta));
}

// ---------------------------------------------------------------- inodes

static struct delta_time time_of(uint32_t sec, uint32_t extra, bool has_extra)
{
    struct delta_time t = {(int32_t)sec, 0};
    if (!has_extra) return t;
    t.sec += (int64_t)(extra & 3) << 32; // ext4/inodes.rst, "Inode Timestamps"
    t.nsec = extra >> 2 > 999999999 ? 0 : extra >> 2;
    return t;
}

// Does the inode have the fields that end at this offset?
static bool reaches(const struct ext2_inode_large *in, size_t size, size_t end)
{
    size_t fields = EXT2_GOOD_OLD_INODE_SIZE + (size_t)in->i_extra_isize;
    return size > EXT2_GOOD_OLD_INODE_SIZE && fields >= end && end <= size;
}

static void times_of(const struct ext2_inode_large *in, size_t size, struct delta_inode *i)
{
    bool c = reaches(in, size, offsetof(struct ext2_inode_large, i_mtime_extra));
    bool m = reaches(in, size, offsetof(struct ext2_inode_large, i_atime_extra));
    bool a = reaches(in, size, offsetof(struct ext2_inode_large, i_crtime));
    bool b = reaches(in, size, offsetof(struct ext2_inode_large, i_version_hi));
    i->ctime = time_of(in->i_ctime, in->i_ctime_extra, c);
    i->mtime = time_of(in->i_mtime, in->i_mtime_extra, m);
    i->atime = time_of(in->i_atime, in->i_atime_extra, a);
    i->btime = b ? time_of(in->i_crtime, in->i_crtime_extra, true) : i->ctime;
}

static uint32_t rdev_of(const struct ext2_inode_large *in)
{
    uint32_t old = in->i_block[0];
    return old ? (uint32_t)makedev(old >> 8 & 0xff, old & 0xff) : in->i_block[1]; // the new encoding is stat's
}

// A fast one is in the inode; others are as a file's content (inline ones, too).
static int image_target(struct layers *l, ext2_ino_t ino, struct ext2_inode *in, struct layer_inode *i)
{
    ext2_file_t f;
    unsigned got = 0;
    if (i->is.size == 0 || i->is.size > DELTA_TARGET_MAX) return layers_failed(l, -EIO, "a symbolic link is damaged");
    if (ext2fs_is_fast_symlink(in)) {
        memcpy(i->target, in->i_block, i->is.size); // at most 59: that is what fast means
    } else {
        errcode_t err = ext2fs_file_open2(l->fs, ino, in, 0, &f);
        if (err) return layers_ext2(l, err, "a symbolic link");
        err = ext2fs_file_read(f, i->target, (unsigned)i->is.size, &got);
        ext2fs_file_close(f);
        if (err || got != i->is.size) return layers_ext2(l, err ? err : EXT2_ET_SHORT_READ, "a symbolic link");
    }
    i->target[i->is.size] = 0;
    i->is.target = i->target;
    return strlen(i->target) == i->is.size ? 0 : layers_failed(l, -EIO, "a symbolic link is damaged");
}

static int image_inode(struct layers *l, ext2_ino_t ino, struct layer_inode *i)
{
    struct ext2_inode_large in = {0};
    size_t size = EXT2_INODE_SIZE(l->fs->super);
    if (ino != EXT2_ROOT_INO && ino < EXT2_FIRST_INO(l->fs->super)) return layers_failed(l, -EIO, "a reserved inode");
    errcode_t err =
        ext2fs_read_inode_full(l->fs, ino, (struct ext2_inode *)&in, (int)(size < sizeof in ? size : sizeof in));
    if (err) return layers_ext2(l, err, "an inode");
    if (in.i_links_count == 0) return layers_failed(l, -ENOENT, "an inode is not in use");
    uint64_t bytes = EXT2_I_SIZE(&in);
    i->is = (struct delta_inode){.ino = ino,
                                 .size = bytes,
                                 .mode = in.i_mode,
                                 .nlink = in.i_links_count,
                                 .uid = inode_uid(in),
                                 .gid = inode_gid(in)};
    if (S_ISCHR(in.i_mode) || S_ISBLK(in.i_mode)) i->is.rdev = rdev_of(&in);
    times_of(&in, size, &i->is);
    if (S_ISREG(in.i_mode) && bytes > DELTA_SIZE_MAX) return layers_failed(l, -EIO, "a file is too long");
    if (S_ISREG(in.i_mode)) i->is.image_pages = (uint32_t)((bytes + DELTA_PAGE - 1) / DELTA_PAGE);
    return S_ISLNK(in.i_mode) ? image_target(l, ino, (struct ext2_inode *)&in, i) : 0;
}

int layers_inode(struct layers *l, uint64_t ino, struct layer_inode *i)
{
    *i = (struct layer_inode){.image = ino <= l->image_inodes && ino <= l->fs->super->s_inodes_count};
    int got = l->delta ? deltafile_inode(l->delta, ino, &i->is) : 0;
    if (got < 0) return layers_delta(l, got);
    if (!got)
        return i->image ? image_inode(l, (ext2_ino_t)ino, i) : layers_failed(l, -ENOENT, "there is no such inode");
    if (i->is.nlink == 0) return layers_failed(l, -ENOENT, "the inode is gone");
    i->delta = true;
    if (!i->image && i->is.image_pages) return layers_failed(l, -EIO, "the delta is damaged: a new file has old pages");
    if (!i->is.target) return 0;
    memcpy(i->target, i->is.target, i->is.size);
    i->is.target = i->target;
    return 0;
}

// ---------------------------------------------------------------- content

uint32_t layers_pages(const struct layer_inode *i)
{
    return (uint32_t)((i->is.size + DELTA_PAGE - 1) / DELTA_PAGE); // its size is at most DELTA_SIZE_MAX
}

static int open_file(struct layers *l, ext2_ino_t ino)
{
    if (l->file_ino == ino && l->file) return 0;
    close_file(l);
    errcode_t err = ext2fs_file_open(l->fs, ino, 0, &l->file);
    if (err) return layers_ext2(l, err, "a file of the image");
    l->file_ino = ino;
    return 0;
}

int layers_image_page(struct layers *l, const struct layer_inode *i, uint32_t index, uint8_t page[DELTA_PAGE])
{
    unsigned got = 0;
    memset(page, 0, DELTA_PAGE);
    if (!i->image) return 0;
    int err = open_file(l, (ext2_ino_t)i->is.ino);
    if (err) return err;
    errcode_t error = ext2fs_file_llseek(l->file, (uint64_t)index * DELTA_PAGE, EXT2_SEEK_SET, NULL);
    if (!error) error = ext2fs_file_read(l->file, page, DELTA_PAGE, &got);
    if (error) return layers_ext2(l, error, "a file of the image");
    return got > 0;
}

int layers_page(struct layers *l, const struct layer_inode *i, uint32_t index, uint8_t page[DELTA_PAGE])
{
    struct delta_chunk c;
    unsigned bit = index % DELTA_CHUNK_PAGES;
    if (i->delta) {
        int got = deltafile_pages(l->delta, i->is.ino, index / DELTA_CHUNK_PAGES, true, &c);
        if (got < 0) return layers_delta(l, got);
        if (got && c.data >> bit & 1) {
            memcpy(page, c.bytes + (size_t)__builtin_popcount(c.data & ((1u << bit) - 1)) * DELTA_PAGE, DELTA_PAGE);
            return 1;
        }
        if ((got && c.hole >> bit & 1) || index >= i->is.image_pages) {
            memset(page, 0, DELTA_PAGE);
            return 0;
        }
    }
    return layers_image_page(l, i, index, page);
}

// The next page of the delta's, or UINT32_MAX.
static int first_chunk(void *ctx, const struct delta_chunk *c)
{
    uint32_t *at = ctx, first = c->index * DELTA_CHUNK_PAGES;
    unsigned mask = c->data;
    if (*at > first) mask &= *at - first < DELTA_CHUNK_PAGES ? ~0u << (*at - first) : 0;
    if (!mask) return 0;
    *at = first + (uint32_t)__builtin_ctz(mask);
    return 1;
}

int layers_next_page(struct layers *l, const struct layer_inode *i, uint32_t index, uint32_t *found)
{
    uint32_t end = layers_pages(i), image = i->is.image_pages < end ? i->is.image_pages : end;
    *found = index;
    if (index >= end || index < image) return 0; // the image's holes are read as they are: they end with the image
    int got =
        i->delta ? deltafile_chunks(l->delta, i->is.ino, index / DELTA_CHUNK_PAGES, false, first_chunk, found) : 0;
    if (got < 0) return layers_delta(l, got);
    if (!got || *found > end) *found = end;
    return 0;
}

// ---------------------------------------------------------------- extended attributes

struct attributes {
    delta_xattr_sink *sink;
    void *ctx;
    int said;
};

static int image_xattr(char *name, char *value, size_t n, void *ctx)
{
    struct attributes *a = ctx;
    if (!strcmp(name, "system.data")) return 0; // content kept in the inode
    a->said = a->sink(a->ctx, name, value, n);
    return a->said ? XATTR_ABORT : 0;
}

int layers_xattrs(struct layers *l, const struct layer_inode *i, delta_xattr_sink *sink, void *ctx)
{
    struct ext2_xattr_handle *h;
    struct attributes a = {sink, ctx, 0};
    if (i->delta && (i->is.flags & DELTA_XATTRS || !i->image)) {
        int got = deltafile_xattrs(l->delta, i->is.ino, sink, ctx);
        return got < 0 ? layers_delta(l, got) : got;
    }
    errcode_t err = ext2fs_xattrs_open(l->fs, (ext2_ino_t)i->is.ino, &h);
    if (err) return layers_ext2(l, err, "extended attributes");
    err = ext2fs_xattrs_read(h);
    if (!err) err = ext2fs_xattrs_iterate(h, image_xattr, &a);
    ext2fs_xattrs_close(&h);
    return err ? layers_ext2(l, err, "extended attributes") : a.said;
}
