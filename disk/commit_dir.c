// Directories of a commit, written anew as lists of names. See commit.h.
#include "disk/commit_internal.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A directory's blocks as they are filled, one after the other.
struct listing {
    struct commit *c;
    ext2_ino_t ino;
    struct ext2_inode *in;
    char *block;           // of the file system's size
    uint64_t index;        // of this block
    unsigned used, usable; // bytes of it; usable: but the checksum
    struct ext2_dir_entry *last;
};

static int start_block(struct listing *s)
{
    memset(s->block, 0, s->c->fs->blocksize);
    s->used = 0;
    s->last = NULL;
    return 0;
}

// The last entry reaches to the end. The block is the directory's old one, or a new one.
static int end_block(struct listing *s)
{
    ext2_filsys fs = s->c->fs;
    blk64_t at = 0;
    unsigned len = s->usable - (unsigned)((char *)s->last - s->block);
    errcode_t err = ext2fs_set_rec_len(fs, len, s->last);
    if (s->usable < fs->blocksize) ext2fs_initialize_dirent_tail(fs, EXT2_DIRENT_TAIL(s->block, fs->blocksize));
    if (!err) err = ext2fs_bmap2(fs, s->ino, s->in, NULL, BMAP_ALLOC, s->index, NULL, &at);
    if (!err) err = ext2fs_write_dir_block4(fs, at, s->block, 0, s->ino);
    s->index++;
    return commit_ext2(s->c, err, "a directory");
}

static int put_entry(struct listing *s, ext2_ino_t ino, const char *name, unsigned len, int type)
{
    unsigned size = EXT2_DIR_REC_LEN(len);
    if (s->used + size > s->usable) {
        int err = end_block(s);
        if (!err) err = start_block(s);
        if (err) return err;
    }
    struct ext2_dir_entry *e = (struct ext2_dir_entry *)(s->block + s->used);
    e->inode = ino;
    memcpy(e->name, name, len);
    ext2fs_dirent_set_name_len(e, (int)len);
    ext2fs_dirent_set_file_type(e, ext2fs_has_feature_filetype(s->c->fs->super) ? type : 0);
    s->last = e;
    s->used += size;
    return commit_ext2(s->c, ext2fs_set_rec_len(s->c->fs, size, e), "a directory");
}

// As Linux's fs_umode_to_ftype has it.
static int type_of(uint32_t mode)
{
    static const uint8_t types[16] = {
        [1] = EXT2_FT_FIFO,     [2] = EXT2_FT_CHRDEV,   [4] = EXT2_FT_DIR,  [6] = EXT2_FT_BLKDEV,
        [8] = EXT2_FT_REG_FILE, [10] = EXT2_FT_SYMLINK, [12] = EXT2_FT_SOCK};
    return types[mode >> 12 & 15];
}

static int put_name(struct listing *s, const struct layer_name *n)
{
    struct commit *c = s->c;
    const struct commit_node *to = commit_find(c, n->ino);
    struct ext2_inode in;
    if (to && (to->gone || !to->to)) return commit_damaged(c, "a name leads to a file that is gone");
    if (to) return put_entry(s, to->to, n->name, n->len, type_of(to->mode));
    int err = commit_ext2(c, ext2fs_read_inode(c->fs, (ext2_ino_t)n->ino, &in), "an inode");
    return err ? err : put_entry(s, (ext2_ino_t)n->ino, n->name, n->len, type_of(in.i_mode));
}

// What ".." is: where the delta has a name of it, else as it was.
static int parent_of(struct commit *c, const struct commit_node *n, ext2_ino_t *up)
{
    const struct commit_node *parent = n->parent ? commit_find(c, n->parent) : NULL;
    if (parent) {
        *up = parent->to;
        return parent->gone ? commit_damaged(c, "a directory lies in one that is gone") : 0;
    }
    if (commit_is_new(c, n)) return commit_damaged(c, "a directory has no name");
    return commit_ext2(c, ext2fs_lookup(c->fs, n->to, "..", 2, NULL, up), "a directory of the image");
}

static int list(struct listing *s, const struct layer_names *names, ext2_ino_t up)
{
    int err = start_block(s);
    if (!err) err = put_entry(s, s->ino, ".", 1, EXT2_FT_DIR);
    if (!err) err = put_entry(s, up, "..", 2, EXT2_FT_DIR);
    for (size_t i = 0; i < names->n && !err; i++) err = put_name(s, &names->at[i]);
    return err ? err : end_block(s);
}

// Blocks behind the list are given back.
static int finish(struct listing *s)
{
    ext2_filsys fs = s->c->fs;
    uint64_t size = s->index * fs->blocksize;
    s->in->i_flags &= ~(uint32_t)EXT2_INDEX_FL;
    errcode_t err = size > UINT32_MAX && !ext2fs_has_feature_largedir(fs->super) ? EXT2_ET_DIR_NO_SPACE : 0;
    if (!err) err = ext2fs_inode_size_set(fs, s->in, (ext2_off64_t)size);
    if (!err) err = ext2fs_write_inode(fs, s->ino, s->in);
    if (!err) err = ext2fs_punch(fs, s->ino, s->in, NULL, s->index, ~0ULL);
    return commit_ext2(s->c, err, "a directory");
}

static int write_list(struct commit *c, const struct commit_node *n, struct layer_names *names, struct ext2_inode *in)
{
    struct listing s = {.c = c, .ino = n->to, .in = in, .usable = c->fs->blocksize};
    ext2_ino_t up;
    int err = parent_of(c, n, &up);
    if (!err && in->i_flags & EXT4_INLINE_DATA_FL) err = commit_outline(c, n->to, in);
    if (err) return err;
    if (ext2fs_has_feature_metadata_csum(c->fs->super)) s.usable -= (unsigned)sizeof(struct ext2_dir_entry_tail);
    s.block = malloc(c->fs->blocksize);
    if (!s.block) return layers_failed(&c->l, -ENOMEM, "out of memory");
    err = list(&s, names, up);
    if (!err) err = finish(&s);
    free(s.block);
    return err;
}

int commit_directory(struct commit *c, const struct commit_node *n)
{
    struct layer_names names = {0};
    struct ext2_inode in;
    int err = commit_ext2(c, ext2fs_read_inode(c->fs, n->to, &in), "an inode");
    if (err) return err;
    if (in.i_flags & (EXT4_ENCRYPT_FL | EXT4_CASEFOLD_FL))
        return layers_failed(&c->l, -ENOTSUP, "a directory of the image is encrypted or ignores case");
    // Of a new one, that has the number of none of the image's, the delta says all.
    err = layers_names(&c->l, n->ino, &names);
    if (!err) err = write_list(c, n, &names, &in);
    layer_names_free(&names);
    return err;
}
