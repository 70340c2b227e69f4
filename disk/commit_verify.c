// The tree that a commit has made, walked from its root: the delta may not have been one that belljar wrote. See
// commit.h.
#include "disk/commit_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tree {
    struct commit *c;
    uint32_t *names;   // by inode: how many lead to it; of a directory, "." and ".." count as for stat
    ext2_ino_t *queue; // directories to be read, each once
    uint32_t queued, read, inodes;
    ext2_ino_t dir; // the one being read
    int err;
};

static int is_directory(struct tree *t, ext2_ino_t ino, bool *is)
{
    struct ext2_inode in;
    int err = commit_ext2(t->c, ext2fs_read_inode(t->c->fs, ino, &in), "an inode");
    *is = !err && LINUX_S_ISDIR(in.i_mode);
    return err;
}

static int meet(struct tree *t, ext2_ino_t ino)
{
    bool is_dir;
    if (ino == 0 || ino > t->inodes || !ext2fs_test_inode_bitmap2(t->c->fs->inode_map, ino))
        return commit_damaged(t->c, "a name leads to a file that is gone");
    int err = is_directory(t, ino, &is_dir);
    if (err) return err;
    if (is_dir && t->names[ino]) return commit_damaged(t->c, "a directory has two names");
    t->names[ino] += is_dir ? 2 : 1;
    if (!is_dir) return 0;
    t->queue[t->queued++] = ino; // each comes once, so there is room
    t->names[t->dir]++;          // its ".."
    return 0;
}

static int see(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int size, char *buf, void *ctx)
{
    struct tree *t = ctx;
    (void)dir, (void)offset, (void)size, (void)buf;
    if (layers_is_name(entry, e)) t->err = meet(t, e->inode);
    return t->err ? DIRENT_ABORT : 0;
}

static int walk(struct tree *t)
{
    ext2_filsys fs = t->c->fs;
    t->queue[t->queued++] = EXT2_ROOT_INO;
    t->names[EXT2_ROOT_INO] = 2;
    while (t->read < t->queued && !t->err) {
        t->dir = t->queue[t->read++];
        errcode_t err = ext2fs_dir_iterate2(fs, t->dir, 0, NULL, see, t);
        if (!t->err) t->err = commit_ext2(t->c, err, "a directory");
    }
    return t->err;
}

static int check_links(struct tree *t, ext2_ino_t ino, const struct ext2_inode *in)
{
    uint32_t names = t->names[ino];
    // More subdirectories than can be counted: 1 (ext4/directory.rst, EXT4_FEATURE_RO_COMPAT_DIR_NLINK).
    bool uncounted = LINUX_S_ISDIR(in->i_mode) && in->i_links_count == 1 &&
                     ext2fs_has_feature_dir_nlink(t->c->fs->super) && names > EXT2_LINK_MAX;
    return in->i_links_count == names || uncounted
               ? 0
               : commit_damaged(t->c, "a file has more or fewer names than it says");
}

// By number in the result, which for new ones is not the delta's.
static bool said_to_be(const struct commit *c, ext2_ino_t ino)
{
    for (size_t i = 0; i < c->nodes; i++)
        if (c->node[i].to == ino && c->node[i].row && !c->node[i].gone) return true;
    return false;
}

static int check_all(struct tree *t)
{
    struct commit *c = t->c;
    struct ext2_inode in;
    int err = 0;
    for (ext2_ino_t ino = EXT2_FIRST_INO(c->fs->super); ino <= t->inodes && !err; ino++) {
        if (!ext2fs_test_inode_bitmap2(c->fs->inode_map, ino)) continue;
        err = commit_ext2(c, ext2fs_read_inode(c->fs, ino, &in), "an inode");
        if (err) break;
        if (t->names[ino])
            err = check_links(t, ino, &in);
        else if (!commit_is_own(c, ino, &in))
            err = said_to_be(c, ino) ? commit_damaged(c, "a file has no name") : commit_free(c, ino);
    }
    if (!err) err = commit_ext2(c, ext2fs_read_inode(c->fs, EXT2_ROOT_INO, &in), "an inode");
    return err ? err : check_links(t, EXT2_ROOT_INO, &in);
}

int commit_verify(struct commit *c)
{
    struct tree t = {.c = c, .inodes = c->fs->super->s_inodes_count};
    t.names = calloc((size_t)t.inodes + 1, sizeof *t.names);
    t.queue = calloc((size_t)t.inodes + 1, sizeof *t.queue);
    int err = t.names && t.queue ? walk(&t) : layers_failed(&c->l, -ENOMEM, "out of memory");
    if (!err) err = check_all(&t);
    free(t.names);
    free(t.queue);
    return err;
}
