// The names of an image and a delta on it: directories as a whole, and paths. See layers.h.
#include "disk/layers.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 1 << 24, LINKS_MAX = 40 }; // names of a directory; links that a path leads through, as Linux has it

static int add(struct layers *l, struct layer_names *to, const struct layer_name *n)
{
    if (to->n == NAMES_MAX) return layers_failed(l, -EIO, "a directory has too many names");
    if (to->n == to->room) {
        size_t room = to->room ? to->room * 2 : 64;
        struct layer_name *more = realloc(to->at, room * sizeof *more);
        if (!more) return layers_failed(l, -ENOMEM, "out of memory");
        to->at = more;
        to->room = room;
    }
    to->at[to->n] = *n;
    char *copy = strndup(n->name, n->len);
    if (!copy) return layers_failed(l, -ENOMEM, "out of memory");
    to->at[to->n++].name = copy;
    return 0;
}

void layer_names_free(struct layer_names *names)
{
    for (size_t i = 0; i < names->n; i++) free(names->at[i].name);
    free(names->at);
    *names = (struct layer_names){0};
}

static int compare(const void *x, const void *y)
{
    const struct layer_name *a = x, *b = y;
    int c = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);
    return c ? c : (int)a->len - (int)b->len;
}

// ---------------------------------------------------------------- directories

struct reading {
    struct layers *l;
    struct layer_names *all;
    size_t delta; // how many of them are the delta's: they come first, in order
    int err;
};

static int delta_name(void *ctx, const struct delta_name *n)
{
    struct reading *r = ctx;
    struct layer_name name = {n->ino, (uint8_t)n->type, (uint8_t)n->len, true, (char *)(uintptr_t)n->name};
    r->err = add(r->l, r->all, &name);
    return r->err ? 1 : 0;
}

static uint8_t dt_of(unsigned type)
{
    static const uint8_t dt[8] = {DT_UNKNOWN, DT_REG, DT_DIR, DT_CHR, DT_BLK, DT_FIFO, DT_SOCK, DT_LNK};
    return type < 8 ? dt[type] : DT_UNKNOWN;
}

static bool name_ok(const char *name, size_t len)
{
    return len > 0 && !memchr(name, '/', len) && !memchr(name, 0, len);
}

static int image_name(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int size, char *buf, void *ctx)
{
    struct reading *r = ctx;
    struct layer_name name = {.ino = e->inode,
                              .type = dt_of((unsigned)ext2fs_dirent_file_type(e)),
                              .len = (uint8_t)ext2fs_dirent_name_len(e),
                              .name = e->name};
    (void)dir, (void)offset, (void)size, (void)buf;
    if (!layers_is_name(entry, e)) return 0;
    if (e->inode > r->l->image_inodes || !name_ok(e->name, name.len)) {
        r->err = layers_failed(r->l, -EIO, "a directory of the image is damaged");
        return DIRENT_ABORT;
    }
    if (r->delta && bsearch(&name, r->all->at, r->delta, sizeof name, compare)) return 0;
    r->err = add(r->l, r->all, &name);
    return r->err ? DIRENT_ABORT : 0;
}

// The image's names follow the delta's, without those that the delta knows better.
static int add_image_names(struct layers *l, ext2_ino_t dir, struct reading *r)
{
    // ext2fs_dir_iterate2 reads damaged blocks without a word unless the inode is a directory.
    errcode_t err = ext2fs_check_directory(l->fs, dir);
    if (!err) err = ext2fs_dir_iterate2(l->fs, dir, 0, NULL, image_name, r);
    return err ? layers_ext2(l, err, "a directory of the image") : r->err;
}

int layers_names(struct layers *l, uint64_t dir, struct layer_names *all)
{
    struct reading r = {.l = l, .all = all};
    *all = (struct layer_names){0};
    int err = l->delta ? deltafile_names(l->delta, dir, NULL, 0, delta_name, &r) : 0;
    if (r.err) return r.err;
    if (err) return layers_delta(l, err);
    r.delta = all->n;
    if (dir <= l->image_inodes) err = add_image_names(l, (ext2_ino_t)dir, &r);
    if (err) return err;
    size_t kept = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->at[i].ino)
            all->at[kept++] = all->at[i];
        else
            free(all->at[i].name);
    all->n = kept;
    if (kept) qsort(all->at, kept, sizeof *all->at, compare);
    return 0;
}

// Where it is in the table, or would be: room is a power of two, and never full.
static uint64_t *seat(uint64_t *table, size_t room, uint64_t dir)
{
    size_t at = (size_t)(dir * 0x9e3779b97f4a7c15 >> 20) & (room - 1);
    while (table[at] && table[at] != dir) at = (at + 1) & (room - 1);
    return &table[at];
}

static int more_seats(struct layers *l)
{
    size_t room = l->entered_room ? l->entered_room * 2 : 256;
    uint64_t *table = calloc(room, sizeof *table);
    if (!table) return layers_failed(l, -ENOMEM, "out of memory");
    for (size_t i = 0; i < l->entered_room; i++)
        if (l->entered[i]) *seat(table, room, l->entered[i]) = l->entered[i];
    free(l->entered);
    l->entered = table;
    l->entered_room = room;
    return 0;
}

int layers_enter(struct layers *l, uint64_t dir)
{
    int err = l->entered_n >= l->entered_room / 2 ? more_seats(l) : 0;
    if (err) return err;
    uint64_t *at = seat(l->entered, l->entered_room, dir);
    if (*at) return layers_failed(l, -EIO, "a directory has two names, or lies in itself");
    *at = dir;
    l->entered_n++;
    return 0;
}

int layers_lookup(struct layers *l, uint64_t dir, const char *name, size_t len, uint64_t *ino)
{
    struct delta_name found;
    ext2_ino_t image = 0;
    int got = l->delta ? deltafile_name(l->delta, dir, name, len, &found) : 0;
    if (got < 0) return layers_delta(l, got);
    *ino = got ? found.ino : 0;
    if (!got && dir <= l->image_inodes) {
        errcode_t err = ext2fs_lookup(l->fs, (ext2_ino_t)dir, name, (int)len, NULL, &image);
        if (err && err != EXT2_ET_FILE_NOT_FOUND) return layers_ext2(l, err, "a directory of the image");
        *ino = image;
    }
    return *ino ? 0 : layers_failed(l, -ENOENT, "No such file or directory");
}

// ---------------------------------------------------------------- paths

// Where a walk is: the directories from the root on, for "..", and what is still to be walked.
struct walk {
    uint64_t dir[DELTA_TARGET_MAX / 2 + 2];
    size_t depth;
    char rest[2 * DELTA_TARGET_MAX + 2];
    unsigned links;
};

// A link's target goes before what is left.
static int follow_link(struct layers *l, struct walk *w, const struct layer_inode *i)
{
    size_t left = strlen(w->rest);
    if (++w->links > LINKS_MAX) return layers_failed(l, -ELOOP, "Too many levels of symbolic links");
    if (i->is.size + 1 + left > DELTA_TARGET_MAX) return layers_failed(l, -ENAMETOOLONG, "File name too long");
    memmove(w->rest + i->is.size + 1, w->rest, left + 1);
    memcpy(w->rest, i->target, i->is.size);
    w->rest[i->is.size] = '/';
    if (i->target[0] == '/') w->depth = 1;
    return 0;
}

// One name. *last becomes the inode if it is no directory to go on from.
static int step(struct layers *l, struct walk *w, const char *name, bool is_last, bool follow, uint64_t *last)
{
    struct layer_inode i;
    uint64_t ino;
    if (!strcmp(name, ".")) return 0;
    if (!strcmp(name, "..")) {
        w->depth -= w->depth > 1;
        return 0;
    }
    int err = layers_lookup(l, w->dir[w->depth - 1], name, strlen(name), &ino);
    if (!err) err = layers_inode(l, ino, &i);
    if (err) return err;
    if (LINUX_S_ISLNK(i.is.mode) && (!is_last || follow)) return follow_link(l, w, &i);
    if (LINUX_S_ISDIR(i.is.mode)) {
        if (w->depth == sizeof w->dir / sizeof *w->dir) return layers_failed(l, -ENAMETOOLONG, "File name too long");
        w->dir[w->depth++] = ino;
    } else if (is_last) {
        *last = ino;
    } else {
        return layers_failed(l, -ENOTDIR, "Not a directory");
    }
    return 0;
}

int layers_walk(struct layers *l, const char *path, bool follow, uint64_t *ino)
{
    struct walk w = {.dir = {EXT2_ROOT_INO}, .depth = 1};
    char name[DELTA_NAME_MAX + 1];
    uint64_t last = 0;
    if (strlen(path) > DELTA_TARGET_MAX) return layers_failed(l, -ENAMETOOLONG, "File name too long");
    strcpy(w.rest, path);
    while (!last) {
        char *from = w.rest + strspn(w.rest, "/");
        size_t len = strcspn(from, "/"), rest = len + strspn(from + len, "/");
        if (!len) break;
        if (len > DELTA_NAME_MAX) return layers_failed(l, -ENAMETOOLONG, "File name too long");
        memcpy(name, from, len);
        name[len] = 0;
        bool is_last = !from[rest];
        memmove(w.rest, from + rest, strlen(from + rest) + 1);
        int err = step(l, &w, name, is_last, follow || from[len] == '/', &last);
        if (err) return err;
    }
    *ino = last ? last : w.dir[w.depth - 1];
    return 0;
}
