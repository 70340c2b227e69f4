// belljar image diff: what boxes have changed, file by file. Both trees are walked side by side, by name.
#include "cli/image_path.h"
#include "cli/image_tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FROM_SERVER };
enum { DEPTH_MAX = 1 << 16 };

struct level { // a directory being walked: in the image, in both, or new
    struct layer_names old, new;
    size_t i, k, path; // path: its length
};
struct walk {
    struct image_tree *t;
    struct layers old; // the image alone
    struct level *level;
    size_t depth, room;
    struct image_path path;
};

static int failed(struct walk *w, const struct layers *l, int err)
{
    if (err < 0 && l != &w->t->layers) memcpy(w->t->layers.problem, l->problem, sizeof l->problem);
    return err;
}

static void say(const struct walk *w, char what)
{
    printf("%c ", what);
    image_path_print(stdout, w->path.text);
    putchar('\n');
}

// ---------------------------------------------------------------- is it another content?

// 1: the pages differ.
static int page_differs(struct walk *w, const struct layer_inode *a, const struct layer_inode *b, uint32_t index)
{
    uint8_t x[DELTA_PAGE], y[DELTA_PAGE];
    int err = layers_image_page(&w->old, a, index, x);
    if (err < 0) return failed(w, &w->old, err);
    err = layers_page(&w->t->layers, b, index, y);
    return err < 0 ? err : memcmp(x, y, sizeof x) != 0;
}

struct pages {
    struct walk *w;
    const struct layer_inode *a, *b;
    uint32_t index[DELTA_CHUNK_PAGES]; // of the row that was read last
    unsigned n;
    uint32_t next; // row
};

// One row at a time: reading pages needs the delta, too.
static int note_pages(void *ctx, const struct delta_chunk *c)
{
    struct pages *p = ctx;
    p->n = 0;
    for (unsigned k = 0; k < DELTA_CHUNK_PAGES; k++)
        if ((c->data | c->hole) >> k & 1) p->index[p->n++] = c->index * DELTA_CHUNK_PAGES + k;
    p->next = c->index + 1;
    return 1;
}

// A file that is the image's still: what the delta says of its pages, and those that do not shine through any more.
static int same_file_differs(struct walk *w, const struct layer_inode *a, const struct layer_inode *b)
{
    struct pages p = {.w = w, .a = a, .b = b};
    uint32_t end = layers_pages(a);
    int got, differs = 0;
    while (!differs && (got = deltafile_chunks(w->t->delta, b->is.ino, p.next, false, note_pages, &p)) != 0) {
        if (got < 0) return layers_delta(&w->t->layers, got);
        for (unsigned k = 0; k < p.n && !differs; k++)
            if (p.index[k] < end) differs = page_differs(w, a, b, p.index[k]);
    }
    for (uint32_t k = b->is.image_pages; k < end && !differs; k++) differs = page_differs(w, a, b, k);
    return differs;
}

static int content_differs(struct walk *w, const struct layer_inode *a, const struct layer_inode *b)
{
    if (S_ISLNK(a->is.mode)) return strcmp(a->target, b->target) != 0;
    if (S_ISCHR(a->is.mode) || S_ISBLK(a->is.mode)) return a->is.rdev != b->is.rdev;
    if (!S_ISREG(a->is.mode)) return 0;
    if (a->is.size != b->is.size) return 1;
    if (a->is.ino == b->is.ino) return same_file_differs(w, a, b);
    int differs = 0;
    for (uint32_t k = 0; k < layers_pages(a) && !differs; k++) differs = page_differs(w, a, b, k);
    return differs;
}

// ---------------------------------------------------------------- other attributes?

struct attributes {
    struct attribute {
        char *name;
        void *value;
        size_t n;
    } * at;
    size_t n;
};

static int keep(void *ctx, const char *name, const void *value, size_t n)
{
    struct attributes *a = ctx;
    struct attribute *more = realloc(a->at, (a->n + 1) * sizeof *more);
    if (!more) return -ENOMEM;
    a->at = more;
    more[a->n] = (struct attribute){strdup(name), malloc(n + 1), n};
    if (!more[a->n].name || !more[a->n].value) {
        free(more[a->n].name);
        free(more[a->n].value);
        return -ENOMEM;
    }
    memcpy(more[a->n++].value, value, n);
    return 0;
}

static int compare(const void *x, const void *y)
{
    return strcmp(((const struct attribute *)x)->name, ((const struct attribute *)y)->name);
}

static void free_attributes(struct attributes *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->at[i].name);
        free(a->at[i].value);
    }
    free(a->at);
}

static bool same_attributes(struct attributes *a, struct attributes *b)
{
    if (a->n != b->n) return false;
    if (a->n == 0) return true;
    qsort(a->at, a->n, sizeof *a->at, compare);
    qsort(b->at, b->n, sizeof *b->at, compare);
    for (size_t i = 0; i < a->n; i++)
        if (compare(&a->at[i], &b->at[i]) || a->at[i].n != b->at[i].n ||
            memcmp(a->at[i].value, b->at[i].value, a->at[i].n))
            return false;
    return true;
}

static int xattrs_differ(struct walk *w, const struct layer_inode *a, const struct layer_inode *b)
{
    struct attributes x = {0}, y = {0};
    if (a->is.ino == b->is.ino && !(b->is.flags & DELTA_XATTRS)) return 0;
    int err = failed(w, &w->old, layers_xattrs(&w->old, a, keep, &x));
    if (!err) err = layers_xattrs(&w->t->layers, b, keep, &y);
    int differs = err ? err : !same_attributes(&x, &y);
    free_attributes(&x);
    free_attributes(&y);
    return differs;
}

// Not when it was read or what it is linked to; a directory's time changes with its names, which are said.
static int metadata_differs(struct walk *w, const struct layer_inode *a, const struct layer_inode *b)
{
    bool time = a->is.mtime.sec != b->is.mtime.sec || a->is.mtime.nsec != b->is.mtime.nsec;
    if (a->is.mode != b->is.mode || a->is.uid != b->is.uid || a->is.gid != b->is.gid) return 1;
    if (time && !S_ISDIR(a->is.mode)) return 1;
    return xattrs_differ(w, a, b);
}

// ---------------------------------------------------------------- the walk

// Goes down into a directory; 0: there is none on that side.
static int enter(struct walk *w, uint64_t old, uint64_t new, size_t path)
{
    if (w->depth == w->room) {
        size_t room = w->room ? w->room * 2 : 32;
        struct level *more = room > DEPTH_MAX ? NULL : realloc(w->level, room * sizeof *more);
        if (!more) return layers_failed(&w->t->layers, -ENOMEM, "directories too deep, or out of memory");
        w->level = more;
        w->room = room;
    }
    struct level *l = &w->level[w->depth++];
    *l = (struct level){.path = path};
    int err = old ? failed(w, &w->old, layers_enter(&w->old, old)) : 0;
    if (!err && old) err = failed(w, &w->old, layers_names(&w->old, old, &l->old));
    if (!err && new) err = layers_enter(&w->t->layers, new);
    return !err && new ? layers_names(&w->t->layers, new, &l->new) : err;
}

static void leave(struct walk *w)
{
    struct level *l = &w->level[--w->depth];
    layer_names_free(&l->old);
    layer_names_free(&l->new);
}

static int only_one(struct walk *w, struct layers *in, uint64_t ino, char what)
{
    struct layer_inode i;
    int err = failed(w, in, layers_inode(in, ino, &i));
    if (err) return err;
    say(w, what);
    if (!S_ISDIR(i.is.mode)) return 0;
    return what == 'D' ? enter(w, ino, 0, w->path.len) : enter(w, 0, ino, w->path.len);
}

static int both(struct walk *w, uint64_t old, uint64_t new)
{
    struct layer_inode a, b;
    int err = layers_inode(&w->t->layers, new, &b);
    if (err) return err;
    if (old == new && !b.delta) return S_ISDIR(b.is.mode) ? enter(w, old, new, w->path.len) : 0;
    err = failed(w, &w->old, layers_inode(&w->old, old, &a));
    if (err) return err;
    if ((a.is.mode ^ b.is.mode) & S_IFMT) {
        // Only one of them is a directory.
        say(w, 'D');
        say(w, 'A');
        if (S_ISDIR(b.is.mode)) err = enter(w, 0, new, w->path.len);
        return !err && S_ISDIR(a.is.mode) ? enter(w, old, 0, w->path.len) : err;
    }
    int differs = content_differs(w, &a, &b);
    if (differs > 0) say(w, 'M');
    if (!differs && (differs = metadata_differs(w, &a, &b)) > 0) say(w, 'm');
    if (differs < 0) return differs;
    return S_ISDIR(b.is.mode) ? enter(w, old, new, w->path.len) : 0;
}

static int order(const struct layer_name *a, const struct layer_name *b)
{
    int c = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);
    return c ? c : (int)a->len - (int)b->len;
}

// The next name of the directory that was entered last.
static int step(struct walk *w)
{
    struct level *l = &w->level[w->depth - 1];
    const struct layer_name *a = l->i < l->old.n ? &l->old.at[l->i] : NULL;
    const struct layer_name *b = l->k < l->new.n ? &l->new.at[l->k] : NULL;
    if (!a && !b) {
        leave(w);
        return 0;
    }
    int c = !a ? 1 : !b ? -1 : order(a, b);
    const struct layer_name *name = c <= 0 ? a : b;
    image_path_cut(&w->path, l->path);
    if (!image_path_add(&w->path, name->name, name->len)) return layers_failed(&w->t->layers, -ENOMEM, "out of memory");
    l->i += c <= 0;
    l->k += c >= 0;
    if (c < 0) return only_one(w, &w->old, a->ino, 'D');
    return c > 0 ? only_one(w, &w->t->layers, b->ino, 'A') : both(w, a->ino, b->ino);
}

static int compare_trees(struct image_tree *t)
{
    struct walk w = {.t = t};
    layers_init(&w.old, t->fs, NULL);
    int err = image_path_add(&w.path, "", 0) ? 0 : layers_failed(&t->layers, -ENOMEM, "out of memory");
    if (!err) err = both(&w, EXT2_ROOT_INO, EXT2_ROOT_INO); // "/", but what lies in it begins with it
    if (!err && w.depth) w.level[0].path = 0;
    while (!err && w.depth) err = step(&w);
    while (w.depth) leave(&w);
    layers_end(&w.old);
    free(w.level);
    image_path_free(&w.path);
    return err;
}

static int diff(int argc, char **argv, const char *const *value)
{
    struct image_tree t;
    (void)argc;
    int status = image_tree_open_delta(&t, argv[0], argv[1], value[FROM_SERVER]);
    if (!status && compare_trees(&t)) status = image_tree_failed(&t);
    image_tree_close(&t);
    if (!status && (fflush(stdout) || ferror(stdout)))
        status = fail(STATUS_FAILED, "cannot write: %s", strerror(errno));
    return status;
}

static const struct image_option diff_options[] = {
    [FROM_SERVER] = IMAGE_FROM_SERVER,
};

const struct image_use image_diff_use = {
    .name = "diff",
    .arguments = "IMAGE DELTA",
    .what = "Lists what boxes have changed on IMAGE, one file a line.",
    .about =
        "A: added, D: deleted, M: other content, m: other mode, owner, time or attributes. A file that was moved is\n"
        "deleted and added. In paths, control characters, backslashes and what is no UTF-8 are shown as \\ooo.\n",
    IMAGE_OPTIONS_OF(diff_options),
    .min = 2,
    .max = 2,
    .run = diff,
};
