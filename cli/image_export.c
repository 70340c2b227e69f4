// belljar image export: files of an image, with what boxes have written, without a box.
#include "cli/image_export.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DELTA, OUTPUT, TAR, FROM_SERVER };
enum { DEPTH_MAX = 1 << 16 };

struct met { // a file with several names
    uint64_t ino;
    char *path;
};
struct level {
    struct layer_names names;
    struct layer_inode *inode;
    size_t next, path; // path: its length
};
struct walk {
    struct image_tree *t;
    struct export_to *to;
    struct level *level;
    size_t depth, room;
    struct image_path path; // "/a/b"
    struct met *met;
    size_t nmet, met_room;
};

static int no_memory(struct walk *w)
{
    return layers_failed(&w->t->layers, -ENOMEM, "out of memory");
}

// ---------------------------------------------------------------- files with several names

// Sorted by number. Where it is, or belongs.
static size_t place_of(const struct walk *w, uint64_t ino)
{
    size_t low = 0, high = w->nmet;
    while (low < high) {
        size_t at = (low + high) / 2;
        if (w->met[at].ino < ino)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

static int meet(struct walk *w, uint64_t ino, const char *path, const char **first)
{
    size_t at = place_of(w, ino);
    *first = NULL;
    if (at < w->nmet && w->met[at].ino == ino) {
        *first = w->met[at].path;
        return 0;
    }
    if (w->nmet == w->met_room) {
        size_t room = w->met_room ? w->met_room * 2 : 32;
        struct met *more = realloc(w->met, room * sizeof *more);
        if (!more) return no_memory(w);
        w->met = more;
        w->met_room = room;
    }
    char *copy = strdup(path);
    if (!copy) return no_memory(w);
    memmove(w->met + at + 1, w->met + at, (w->nmet - at) * sizeof *w->met);
    w->met[at] = (struct met){ino, copy};
    w->nmet++;
    return 0;
}

// ---------------------------------------------------------------- the walk

static int push(struct walk *w, const struct layer_inode *i)
{
    if (w->depth == w->room) {
        size_t room = w->room ? w->room * 2 : 32;
        struct level *more = room > DEPTH_MAX ? NULL : realloc(w->level, room * sizeof *more);
        if (!more) return layers_failed(&w->t->layers, -ENOMEM, "directories too deep, or out of memory");
        w->level = more;
        w->room = room;
    }
    struct level *l = &w->level[w->depth++];
    *l = (struct level){.path = w->path.len, .inode = malloc(sizeof *i)};
    if (!l->inode) return no_memory(w);
    *l->inode = *i;
    int err = layers_enter(&w->t->layers, i->is.ino);
    return err ? err : layers_names(&w->t->layers, i->is.ino, &l->names);
}

static void pop(struct walk *w)
{
    struct level *l = &w->level[--w->depth];
    layer_names_free(&l->names);
    free(l->inode);
}

static int enter(struct walk *w, const struct export_file *f)
{
    int err = w->to->ops->enter(w->to, f);
    return err ? err : push(w, f->inode);
}

static int step(struct walk *w)
{
    struct level *l = &w->level[w->depth - 1];
    image_path_cut(&w->path, l->path);
    if (l->next == l->names.n) {
        struct export_file f = {.inode = l->inode, .path = w->path.len ? w->path.text + 1 : "."};
        int err = w->to->ops->leave(w->to, &f);
        pop(w);
        return err;
    }
    const struct layer_name *name = &l->names.at[l->next++];
    struct layer_inode i;
    int err = layers_inode(&w->t->layers, name->ino, &i);
    if (err) return err;
    if (!image_path_add(&w->path, name->name, name->len)) return no_memory(w);
    struct export_file f = {.inode = &i, .path = w->path.text + 1, .name = name->name};
    if (S_ISDIR(i.is.mode)) return enter(w, &f);
    if (i.is.nlink > 1) err = meet(w, i.is.ino, f.path, &f.first);
    return err ? err : w->to->ops->file(w->to, &f);
}

static int walk_tree(struct image_tree *t, const struct layer_inode *top, struct export_to *to)
{
    struct walk w = {.t = t, .to = to};
    struct export_file f = {.inode = top, .path = "."};
    int err = enter(&w, &f);
    while (!err && w.depth) err = step(&w);
    if (!err && to->ops->end) err = to->ops->end(to);
    while (w.depth) pop(&w);
    for (size_t i = 0; i < w.nmet; i++) free(w.met[i].path);
    free(w.met);
    free(w.level);
    image_path_free(&w.path);
    return err;
}

// ---------------------------------------------------------------- where to

static int no_output(const char *path, int err)
{
    return fail(STATUS_FAILED, "%s: %s", path, strerror(err));
}

// What was left out is said, and does not count as a failure.
static void tell(const struct export_to *to, const char *kinds)
{
    if (to->left_out) fprintf(stderr, "belljar: %" PRIu64 " %s left out\n", to->left_out, kinds);
    if (to->dropped)
        fprintf(stderr, "belljar: %" PRIu64 " files have lost their set-user-ID, set-group-ID or sticky bit\n",
                to->dropped);
}

static int as_tar(struct image_tree *t, const struct layer_inode *top, const char *path)
{
    struct export_tar tar;
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : 1;
    if (fd < 0) return no_output(path, errno);
    export_tar(&tar, t, fd);
    int err = walk_tree(t, top, &tar.to);
    export_tar_end(&tar);
    if (!err) tell(&tar.to, "sockets");
    if (path && close(fd) && !err) return no_output(path, errno);
    return err ? image_tree_failed(t) : 0;
}

// The destination, made if it is not there; it must be empty.
static int open_destination(const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST) return -errno;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
    DIR *list = fd < 0 ? NULL : fdopendir(dup(fd));
    if (!list) return fd < 0 ? -errno : -ENOMEM;
    for (struct dirent *e; (e = readdir(list));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) err = -ENOTEMPTY;
    closedir(list);
    if (err) close(fd);
    return err ? err : fd;
}

static int as_directory(struct image_tree *t, const struct layer_inode *top, const char *path)
{
    struct export_directory d;
    int fd = open_destination(path);
    if (fd < 0) return no_output(path, -fd);
    export_directory(&d, t, fd);
    int err = d.depth ? walk_tree(t, top, &d.to) : layers_failed(&t->layers, -ENOMEM, "out of memory");
    export_directory_end(&d);
    if (!err) tell(&d.to, "devices, pipes and sockets");
    return err ? image_tree_failed(t) : 0;
}

static int to_stream(struct export_to *to, const struct layer_inode *i, int fd)
{
    uint8_t page[DELTA_PAGE];
    int got = 0;
    for (uint32_t index = 0; index < layers_pages(i) && got >= 0; index++) {
        uint64_t left = i->is.size - (uint64_t)index * DELTA_PAGE;
        got = layers_page(&to->tree->layers, i, index, page);
        if (got >= 0) got = export_write(to, fd, page, left < DELTA_PAGE ? (size_t)left : DELTA_PAGE);
    }
    return got < 0 ? got : 0;
}

// Into a directory under its own name, else under the name given.
static int open_file(const char *path, const char *guest, char final[4096])
{
    struct stat st;
    const char *name = strrchr(guest, '/');
    name = name ? name + 1 : guest;
    bool inside = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (inside && (!*name || !strcmp(name, ".") || !strcmp(name, ".."))) return -EISDIR;
    int n = snprintf(final, 4096, "%s%s%s", path, inside ? "/" : "", inside ? name : "");
    if (n < 0 || n >= 4096) return -ENAMETOOLONG;
    int fd = open(final, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int as_file(struct image_tree *t, const struct layer_inode *i, const char *path, const char *guest)
{
    struct export_to to = {.tree = t};
    char final[4096];
    if (!path) return to_stream(&to, i, 1) ? image_tree_failed(t) : 0;
    int fd = open_file(path, guest, final);
    if (fd < 0) return no_output(path, -fd);
    int err = export_content(&to, i, final, fd);
    if (close(fd) && !err) err = export_problem(&to, final, -errno);
    if (err)
        unlink(final);
    else
        tell(&to, "");
    return err ? image_tree_failed(t) : 0;
}

static int export_one(struct image_tree *t, const char *guest, const char *const *value)
{
    struct layer_inode i;
    uint64_t ino;
    const char *path = value[OUTPUT] && strcmp(value[OUTPUT], "-") ? value[OUTPUT] : NULL;
    int err = layers_walk(&t->layers, guest, true, &ino);
    if (!err) err = layers_inode(&t->layers, ino, &i);
    if (err) return fail(STATUS_FAILED, "%s: %s: %s", t->path, guest, t->layers.problem);
    bool tar = value[TAR] || (S_ISDIR(i.is.mode) && !path);
    if (tar && !S_ISDIR(i.is.mode))
        return fail(STATUS_FAILED, "%s: it is no directory: --tar has nothing to do", guest);
    if (tar && !path && isatty(1))
        return fail(STATUS_FAILED, "%s: a tar stream is not for a terminal: -o DIR makes files of it", guest);
    if (tar) return as_tar(t, &i, path);
    if (S_ISDIR(i.is.mode)) return as_directory(t, &i, path);
    if (S_ISREG(i.is.mode)) return as_file(t, &i, path, guest);
    return fail(STATUS_FAILED, "%s: it is neither a file nor a directory", guest);
}

static int export(int argc, char **argv, const char *const *value)
{
    struct image_tree t;
    (void)argc;
    int status = image_tree_open_delta(&t, argv[0], value[DELTA], value[FROM_SERVER]);
    if (!status) status = export_one(&t, argv[1], value);
    image_tree_close(&t);
    return status;
}

static const struct image_option export_options[] = {
    [DELTA] = {"delta", 0, "DELTA", "with what boxes have written onto IMAGE"},
    [OUTPUT] = {"output", 'o', "FILE|DIR", "where to; default: the standard output"},
    [TAR] = {"tar", 0, NULL, "a directory as a tar stream, also with -o"},
    [FROM_SERVER] = IMAGE_FROM_SERVER,
};

const struct image_use image_export_use = {
    .name = "export",
    .arguments = "IMAGE GUESTPATH",
    .what = "Takes a file or a directory out of IMAGE, without a box.",
    .about =
        "A file goes to FILE or into DIR, which must not have it yet. A directory becomes files below DIR, which is "
        "made,\n"
        "or empty: yours, without set-user-ID, set-group-ID and sticky bits, devices, pipes and sockets; nothing is\n"
        "written outside DIR, whatever links there are. Or it becomes a tar stream, with owners, modes and "
        "attributes.\n",
    IMAGE_OPTIONS_OF(export_options),
    .min = 2,
    .max = 2,
    .run = export,
};
