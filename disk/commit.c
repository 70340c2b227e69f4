// See commit.h: what a delta speaks of, and in which order it is written.
#include "disk/commit_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 1 << 26 };

int commit_damaged(struct commit *c, const char *what)
{
    char line[160];
    snprintf(line, sizeof line, "the delta is damaged: %s", what);
    return layers_failed(&c->l, -EIO, line);
}

int commit_ext2(struct commit *c, errcode_t err, const char *what)
{
    return err ? layers_ext2(&c->l, err, what) : 0;
}

// ---------------------------------------------------------------- what the delta speaks of

static int compare(const void *x, const void *y)
{
    const struct commit_node *a = x, *b = y;
    return a->ino < b->ino ? -1 : a->ino > b->ino;
}

struct commit_node *commit_find(const struct commit *c, uint64_t ino)
{
    struct commit_node key = {.ino = ino};
    return c->nodes ? bsearch(&key, c->node, c->nodes, sizeof key, compare) : NULL;
}

static int add(struct commit *c, struct commit_node n)
{
    if (c->nodes == NODES_MAX) return commit_damaged(c, "too many inodes");
    if (c->nodes == c->room) {
        size_t room = c->room ? c->room * 2 : 256;
        struct commit_node *more = realloc(c->node, room * sizeof *more);
        if (!more) return layers_failed(&c->l, -ENOMEM, "out of memory");
        c->node = more;
        c->room = room;
    }
    c->node[c->nodes++] = n;
    return 0;
}

// A sink's failure is its own; the delta's has its line there.
static int walked(struct commit *c, int got)
{
    return got < 0 && !c->l.problem[0] ? layers_delta(&c->l, got) : got;
}

static int see_inode(void *ctx, const struct delta_inode *i)
{
    return add(ctx, (struct commit_node){
                        .ino = i->ino, .mode = i->mode, .nlink = i->nlink, .row = true, .gone = i->nlink == 0});
}

static int see_name(void *ctx, const struct delta_name *n)
{
    struct commit *c = ctx;
    // Those of one directory follow one another.
    bool known = c->nodes && c->node[c->nodes - 1].ino == n->dir && c->node[c->nodes - 1].names;
    int err = known ? 0 : add(c, (struct commit_node){.ino = n->dir, .names = true});
    if (!err && n->ino) {
        err = add(c, (struct commit_node){.ino = n->ino});
        // The directory stays last, for the next name.
        if (!err) {
            struct commit_node other = c->node[c->nodes - 1];
            c->node[c->nodes - 1] = c->node[c->nodes - 2];
            c->node[c->nodes - 2] = other;
        }
    }
    return err;
}

// One for each number, with what all of them knew.
static void unite(struct commit *c)
{
    size_t kept = 0;
    if (c->nodes) qsort(c->node, c->nodes, sizeof *c->node, compare);
    for (size_t i = 0; i < c->nodes; i++) {
        struct commit_node *n = &c->node[i], *to = kept ? &c->node[kept - 1] : NULL;
        if (!to || to->ino != n->ino) {
            c->node[kept++] = *n;
            continue;
        }
        bool names = to->names || n->names;
        if (n->row) *to = *n;
        to->names = names;
    }
    c->nodes = kept;
}

// Inodes of the image: what kind they are there, which never changes.
static int look_up(struct commit *c, struct commit_node *n)
{
    struct ext2_inode in;
    if (commit_is_new(c, n)) return n->row ? 0 : commit_damaged(c, "a new file has no attributes");
    if (n->ino > c->fs->super->s_inodes_count) return commit_damaged(c, "an inode's number");
    n->to = (ext2_ino_t)n->ino;
    int err = commit_ext2(c, ext2fs_read_inode(c->fs, n->to, &in), "an inode of the image");
    if (err) return err;
    if (commit_is_own(c, n->to, &in)) return commit_damaged(c, "an inode that is no file's");
    if (!in.i_links_count || (n->row && (in.i_mode ^ n->mode) & LINUX_S_IFMT))
        return commit_damaged(c, "an inode of the image is of another kind");
    if (!n->row) n->mode = in.i_mode;
    return 0;
}

// Where directories are, and that names lead to something.
static int place(void *ctx, const struct delta_name *n)
{
    struct commit *c = ctx;
    struct commit_node *dir = commit_find(c, n->dir), *to = n->ino ? commit_find(c, n->ino) : NULL;
    if (dir->gone) return 0;
    if (!LINUX_S_ISDIR(dir->mode)) return commit_damaged(c, "a file has names");
    if (!to) return 0;
    if (to->gone) return commit_damaged(c, "a name leads to a file that is gone");
    if (!LINUX_S_ISDIR(to->mode)) return 0;
    if (to->parent || to->ino == EXT2_ROOT_INO) return commit_damaged(c, "a directory has two names");
    to->parent = dir->ino;
    return 0;
}

static int count_pages(void *ctx, const struct delta_chunk *chunk)
{
    struct commit *c = ctx;
    c->all += (uint64_t)__builtin_popcount(chunk->data) * DELTA_PAGE;
    return 0;
}

static int collect(struct commit *c)
{
    int err = walked(c, deltafile_inodes(c->l.delta, 0, see_inode, c));
    if (!err) err = walked(c, deltafile_names(c->l.delta, 0, NULL, 0, see_name, c));
    if (!err) unite(c);
    for (size_t i = 0; i < c->nodes && !err; i++) err = look_up(c, &c->node[i]);
    if (!err) err = walked(c, deltafile_names(c->l.delta, 0, NULL, 0, place, c));
    for (size_t i = 0; i < c->nodes && !err; i++)
        if (c->node[i].row && !c->node[i].gone && LINUX_S_ISREG(c->node[i].mode))
            err = walked(c, deltafile_chunks(c->l.delta, c->node[i].ino, 0, false, count_pages, c));
    return err;
}

// ---------------------------------------------------------------- writing

// First, so that there is room.
static int free_gone(struct commit *c)
{
    int err = 0;
    for (size_t i = 0; i < c->nodes && !err; i++)
        if (c->node[i].gone && !commit_is_new(c, &c->node[i])) err = commit_free(c, c->node[i].to);
    return err;
}

static int make_new(struct commit *c)
{
    ext2_ino_t near = EXT2_ROOT_INO;
    for (size_t i = 0; i < c->nodes; i++) {
        struct commit_node *n = &c->node[i];
        if (!commit_is_new(c, n) || n->gone) continue;
        errcode_t error = ext2fs_new_inode(c->fs, near, (int)n->mode, NULL, &n->to);
        if (error == EXT2_ET_INODE_ALLOC_FAIL)
            return layers_failed(&c->l, -ENOSPC, "the image has no inodes left; --size makes a larger one");
        if (error) return commit_ext2(c, error, "a new inode");
        ext2fs_inode_alloc_stats2(c->fs, n->to, 1, LINUX_S_ISDIR(n->mode));
        int err = commit_empty(c, n);
        if (err) return err;
        near = n->to;
    }
    return 0;
}

// Is it where the image has it? Else its ".." has to change.
static int has_moved(struct commit *c, const struct commit_node *n, bool *moved)
{
    ext2_ino_t up;
    struct commit_node *parent = n->parent ? commit_find(c, n->parent) : NULL;
    *moved = false;
    if (!parent) return 0;
    int err = commit_ext2(c, ext2fs_lookup(c->fs, n->to, "..", 2, NULL, &up), "a directory of the image");
    *moved = !err && up != parent->to;
    return err;
}

static int write_node(struct commit *c, const struct commit_node *n)
{
    struct delta_inode i;
    bool fresh = commit_is_new(c, n), moved = false;
    int err = 0;
    if (LINUX_S_ISDIR(n->mode)) {
        if (!fresh && !n->names) err = has_moved(c, n, &moved);
        if (!err && (fresh || n->names || moved)) err = commit_directory(c, n);
    }
    if (err || !n->row) return err;
    int got = deltafile_inode(c->l.delta, n->ino, &i);
    if (got < 0) return layers_delta(&c->l, got);
    if (!got) return commit_damaged(c, "an inode is there and is not");
    char target[DELTA_TARGET_MAX + 1];
    if (i.target) i.target = memcpy(target, i.target, i.size); // the file is read on
    c->result.files++;
    err = LINUX_S_ISDIR(n->mode) ? 0 : commit_content(c, n, &i);
    return err ? err : commit_attributes(c, n, &i);
}

// What the file system says of its own time: the latest in the delta, not now.
static int latest(void *ctx, const struct delta_inode *i)
{
    int64_t *now = ctx;
    if (i->ctime.sec > *now && i->ctime.sec <= UINT32_MAX) *now = i->ctime.sec;
    return 0;
}

static int write_all(struct commit *c)
{
    int64_t now = c->fs->super->s_wtime;
    int err = collect(c);
    if (!err) err = walked(c, deltafile_inodes(c->l.delta, 0, latest, &now));
    if (err) return err;
    c->fs->now = now > 0 ? (time_t)now : 1; // 0 would be the clock's
    err = commit_ext2(c, ext2fs_read_bitmaps(c->fs), "the image's bitmaps");
    if (!err) err = free_gone(c);
    if (!err) err = make_new(c);
    for (size_t i = 0; i < c->nodes && !err; i++)
        if (!c->node[i].gone) err = write_node(c, &c->node[i]);
    if (!err) err = commit_verify(c);
    if (err) return err;
    ext2fs_mark_super_dirty(c->fs);
    return commit_ext2(c, ext2fs_flush(c->fs), "the image");
}

int commit_delta(ext2_filsys fs, struct deltafile *d, commit_told *told, void *ctx, struct commit_result *result,
                 char *why)
{
    struct commit c = {.fs = fs, .told = told, .ctx = ctx};
    layers_init(&c.l, fs, d);
    int err = write_all(&c);
    layers_end(&c.l);
    free(c.node);
    if (err > 0) err = -EIO; // no sink ends a walk but with an error
    if (err == -ENOSPC) c.result.missing = c.all > c.done ? c.all - c.done : 0;
    if (err) snprintf(why, DELTA_WHY, "%s", c.l.problem);
    *result = c.result;
    return err;
}
