// See model.h: the model, what reads it from an image, and what compares two. Changes are in model_change.c.
#include "model_internal.h"
#include "cli/image_path.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

void model_stop(const char *what, long err)
{
    fprintf(stderr, "%s: %s\n", what, err ? error_message(err) : "wrong");
    exit(2);
}

struct model_file *model_find(const struct model *m, uint64_t ino)
{
    for (size_t low = 0, high = m->files; low < high;) {
        size_t at = (low + high) / 2;
        if (m->file[at]->ino == ino) return m->file[at];
        if (m->file[at]->ino < ino)
            low = at + 1;
        else
            high = at;
    }
    return NULL;
}

struct model_file *model_add(struct model *m, uint64_t ino)
{
    struct model_file *f = calloc(1, sizeof *f);
    size_t at = m->files;
    m->file = realloc(m->file, (m->files + 1) * sizeof *m->file);
    for (; at && m->file[at - 1]->ino > ino; at--) m->file[at] = m->file[at - 1];
    m->file[at] = f;
    m->files++;
    f->ino = f->is.ino = ino;
    return f;
}

void model_add_name(struct model *m, uint64_t dir, const char *name, size_t len, uint64_t ino)
{
    m->name = realloc(m->name, (m->names + 1) * sizeof *m->name);
    m->name[m->names++] = (struct model_name){dir, ino, strndup(name, len)};
}

// The page, made if it is not there.
struct model_page *model_page(struct model_file *f, uint32_t index)
{
    size_t at = f->pages;
    while (at && f->page[at - 1]->index > index) at--;
    if (at && f->page[at - 1]->index == index) return f->page[at - 1];
    f->page = realloc(f->page, (f->pages + 1) * sizeof *f->page);
    memmove(f->page + at + 1, f->page + at, (f->pages - at) * sizeof *f->page);
    f->page[at] = calloc(1, sizeof **f->page);
    f->page[at]->index = index;
    f->pages++;
    return f->page[at];
}

void model_set_xattr(struct model_file *f, const char *name, const void *value, size_t n)
{
    size_t at = 0;
    while (at < f->xattrs && strcmp(f->xattr[at].name, name)) at++;
    if (at == f->xattrs) {
        f->xattr = realloc(f->xattr, (f->xattrs + 1) * sizeof *f->xattr);
        f->xattr[f->xattrs++] = (struct model_xattr){.name = strdup(name)};
    }
    free(f->xattr[at].value);
    f->xattr[at].value = malloc(n + 1);
    memcpy(f->xattr[at].value, value, n);
    f->xattr[at].n = n;
}

void model_free(struct model *m)
{
    for (size_t i = 0; i < m->files; i++) {
        struct model_file *f = m->file[i];
        for (size_t k = 0; k < f->pages; k++) free(f->page[k]);
        for (size_t k = 0; k < f->xattrs; k++) {
            free(f->xattr[k].name);
            free(f->xattr[k].value);
        }
        free(f->page);
        free(f->xattr);
        free(f->target);
        free(f);
    }
    for (size_t i = 0; i < m->names; i++) free(m->name[i].name);
    for (size_t i = 0; i < m->image_names; i++) free(m->image_name[i].name);
    free(m->file);
    free(m->name);
    free(m->image_name);
    *m = (struct model){0};
}

// ---------------------------------------------------------------- reading an image

struct reading {
    struct model *m;
    ext2_filsys fs;
    struct model_file *f;
};

static int see_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t ref, int offset, void *ctx)
{
    struct reading *r = ctx;
    static char bytes[65536];
    (void)ref, (void)offset;
    errcode_t err = io_channel_read_blk64(fs->io, *block, 1, bytes);
    if (err) model_stop("a block", err);
    uint64_t at = (uint64_t)count * fs->blocksize;
    for (unsigned k = 0; k < fs->blocksize; k++)
        if (at + k >= r->f->is.size && bytes[k]) {
            fprintf(stderr, "inode %llu: not zero behind its end\n", (unsigned long long)r->f->ino);
            exit(2);
        }
    for (unsigned done = 0; done < fs->blocksize;) {
        unsigned n = fs->blocksize < DELTA_PAGE ? fs->blocksize : DELTA_PAGE;
        struct model_page *p = model_page(r->f, (uint32_t)((at + done) / DELTA_PAGE));
        memcpy(p->bytes + (at + done) % DELTA_PAGE, bytes + done, n);
        done += n;
    }
    return 0;
}

static void read_content(struct reading *r, struct ext2_inode *in)
{
    if (in->i_flags & EXT4_INLINE_DATA_FL) {
        static uint8_t bytes[65536];
        size_t n;
        errcode_t err = ext2fs_inline_data_get(r->fs, (ext2_ino_t)r->f->ino, in, bytes, &n);
        if (err) model_stop("inline data", err);
        if (n > r->f->is.size) n = (size_t)r->f->is.size;
        memcpy(model_page(r->f, 0)->bytes, bytes, n);
        return;
    }
    int flags = BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY;
    errcode_t err = ext2fs_block_iterate3(r->fs, (ext2_ino_t)r->f->ino, flags, NULL, see_block, r);
    if (err) model_stop("blocks", err);
}

static int see_xattr(char *name, char *value, size_t n, void *ctx)
{
    struct reading *r = ctx;
    if (strcmp(name, "system.data")) model_set_xattr(r->f, name, value, n);
    return 0;
}

static struct delta_time time_of(uint32_t sec, uint32_t extra)
{
    return (struct delta_time){(int32_t)sec + ((int64_t)(extra & 3) << 32), extra >> 2};
}

static void read_inode(struct reading *r, ext2_ino_t ino)
{
    struct ext2_inode_large in = {0};
    struct ext2_xattr_handle *h;
    errcode_t err = ext2fs_read_inode_full(r->fs, ino, (struct ext2_inode *)&in, sizeof in);
    if (err) model_stop("an inode", err);
    r->f = model_add(r->m, ino);
    r->f->image = true;
    r->f->is = (struct delta_inode){.ino = ino,
                                    .size = EXT2_I_SIZE(&in),
                                    .mode = in.i_mode,
                                    .nlink = in.i_links_count,
                                    .uid = inode_uid(in),
                                    .gid = inode_gid(in),
                                    .atime = time_of(in.i_atime, in.i_atime_extra),
                                    .mtime = time_of(in.i_mtime, in.i_mtime_extra),
                                    .ctime = time_of(in.i_ctime, in.i_ctime_extra),
                                    .btime = time_of(in.i_crtime, in.i_crtime_extra)};
    if (LINUX_S_ISCHR(in.i_mode) || LINUX_S_ISBLK(in.i_mode))
        r->f->is.rdev = in.i_block[0] ? (uint32_t)makedev(in.i_block[0] >> 8, in.i_block[0] & 255) : in.i_block[1];
    if (LINUX_S_ISLNK(in.i_mode) && ext2fs_is_fast_symlink((struct ext2_inode *)&in)) {
        r->f->target = strndup((char *)in.i_block, sizeof in.i_block);
    } else if (LINUX_S_ISLNK(in.i_mode)) {
        read_content(r, (struct ext2_inode *)&in);
        r->f->target = strndup((char *)model_page(r->f, 0)->bytes, (size_t)r->f->is.size);
    } else if (LINUX_S_ISREG(in.i_mode)) {
        r->f->is.image_pages = (uint32_t)((r->f->is.size + DELTA_PAGE - 1) / DELTA_PAGE);
        read_content(r, (struct ext2_inode *)&in);
    }
    err = ext2fs_xattrs_open(r->fs, ino, &h);
    if (!err) err = ext2fs_xattrs_read(h);
    if (!err) err = ext2fs_xattrs_iterate(h, see_xattr, r);
    if (err) model_stop("xattrs", err);
    ext2fs_xattrs_close(&h);
}

static int see_name(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int size, char *buf, void *ctx)
{
    struct reading *r = ctx;
    (void)offset, (void)size, (void)buf;
    // Where a directory is kept in its inode, ".." is one of the others.
    if (entry == DIRENT_OTHER_FILE && e->inode && strncmp(e->name, "..", (size_t)ext2fs_dirent_name_len(e)))
        model_add_name(r->m, dir, e->name, (size_t)ext2fs_dirent_name_len(e), e->inode);
    return 0;
}

static int compare_names(const void *x, const void *y)
{
    const struct model_name *a = x, *b = y;
    return a->dir != b->dir ? (a->dir < b->dir ? -1 : 1) : strcmp(a->name, b->name);
}

void model_sort(struct model *m)
{
    qsort(m->name, m->names, sizeof *m->name, compare_names);
}

bool model_in_image(const struct model *m, uint64_t dir, const char *name)
{
    struct model_name key = {dir, 0, (char *)(uintptr_t)name};
    return m->image_names && bsearch(&key, m->image_name, m->image_names, sizeof key, compare_names);
}

void model_read(struct model *m, ext2_filsys fs)
{
    struct reading r = {.m = m, .fs = fs};
    *m = (struct model){.next_ino = fs->super->s_inodes_count + 1u};
    read_inode(&r, EXT2_ROOT_INO);
    model_find(m, EXT2_ROOT_INO)->parent = EXT2_ROOT_INO;
    // Names are appended as directories are read, and those are found by names: no recursion.
    errcode_t err = ext2fs_dir_iterate2(fs, EXT2_ROOT_INO, 0, NULL, see_name, &r);
    for (size_t i = 0; i < m->names && !err; i++) {
        if (model_find(m, m->name[i].ino)) continue;
        read_inode(&r, (ext2_ino_t)m->name[i].ino);
        if (!LINUX_S_ISDIR(r.f->is.mode)) continue;
        r.f->parent = m->name[i].dir;
        err = ext2fs_dir_iterate2(fs, (ext2_ino_t)r.f->ino, 0, NULL, see_name, &r);
    }
    if (err) model_stop("a directory", err);
    model_sort(m);
    m->image_names = m->names;
    m->image_name = malloc((m->names + 1) * sizeof *m->image_name);
    for (size_t i = 0; i < m->names; i++) {
        m->image_name[i] = m->name[i];
        m->image_name[i].name = strdup(m->name[i].name);
    }
}

// ---------------------------------------------------------------- comparing

static bool differs(const struct model_file *f, const char *path, const char *what, uint64_t a, uint64_t b)
{
    if (a == b) return false;
    if (path)
        fprintf(stderr, "%s (inode %llu): %s: %llu, is %llu\n", path, (unsigned long long)f->ino, what,
                (unsigned long long)a, (unsigned long long)b);
    return true;
}

static bool time_differs(const struct model_file *f, const char *path, const char *what, struct delta_time a,
                         struct delta_time b, bool coarse)
{
    int64_t nearest = a.sec < INT32_MIN ? INT32_MIN : a.sec > INT32_MAX ? INT32_MAX : a.sec;
    if (coarse) return differs(f, path, what, (uint64_t)nearest, (uint64_t)b.sec);
    return differs(f, path, what, (uint64_t)a.sec, (uint64_t)b.sec) || differs(f, path, what, a.nsec, b.nsec);
}

// The next page that is not all zeros.
static const struct model_page *next_page(const struct model_file *f, size_t *at)
{
    static const uint8_t zeros[DELTA_PAGE];
    uint32_t end = (uint32_t)((f->is.size + DELTA_PAGE - 1) / DELTA_PAGE);
    while (*at < f->pages && !memcmp(f->page[*at]->bytes, zeros, DELTA_PAGE)) ++*at;
    return *at < f->pages && f->page[*at]->index < end ? f->page[(*at)++] : NULL;
}

static bool content_differs(const struct model_file *a, const struct model_file *b, const char *path)
{
    size_t i = 0, k = 0;
    for (;;) {
        const struct model_page *x = next_page(a, &i), *y = next_page(b, &k);
        if (!x && !y) return false;
        if (differs(a, path, "page", x ? x->index : UINT32_MAX, y ? y->index : UINT32_MAX)) return true;
        if (memcmp(x->bytes, y->bytes, DELTA_PAGE)) return differs(a, path, "content of page", x->index, UINT32_MAX);
    }
}

static bool xattrs_differ(const struct model_file *a, const struct model_file *b, const char *path)
{
    if (differs(a, path, "xattrs", a->xattrs, b->xattrs)) return true;
    for (size_t i = 0; i < a->xattrs; i++) {
        size_t k = 0;
        while (k < b->xattrs && strcmp(a->xattr[i].name, b->xattr[k].name)) k++;
        if (k == b->xattrs || a->xattr[i].n != b->xattr[k].n ||
            memcmp(a->xattr[i].value, b->xattr[k].value, a->xattr[i].n))
            return differs(a, path, a->xattr[i].name, i, k + 1000);
    }
    return false;
}

static bool file_differs(const struct model_file *a, const struct model_file *b, const char *path, bool coarse)
{
    const struct delta_inode *x = &a->is, *y = &b->is;
    bool is_dir = LINUX_S_ISDIR(x->mode);
    if (differs(a, path, "mode", x->mode, y->mode) || differs(a, path, "links", x->nlink, y->nlink) ||
        differs(a, path, "uid", x->uid, y->uid) || differs(a, path, "gid", x->gid, y->gid) ||
        differs(a, path, "rdev", x->rdev, y->rdev) || (!is_dir && differs(a, path, "size", x->size, y->size)))
        return true;
    if (time_differs(a, path, "mtime", x->mtime, y->mtime, coarse) ||
        time_differs(a, path, "atime", x->atime, y->atime, coarse) ||
        time_differs(a, path, "ctime", x->ctime, y->ctime, coarse) ||
        (!coarse && time_differs(a, path, "btime", x->btime, y->btime, coarse)))
        return true;
    if (a->target && (!b->target || strcmp(a->target, b->target))) return differs(a, path, "target", 0, 1);
    if (LINUX_S_ISREG(x->mode) && content_differs(a, b, path)) return true;
    return xattrs_differ(a, b, path);
}

struct pair {
    uint64_t a, b;
};

// Both sorted; a's names of `dir` from `at` on.
static size_t first_of(const struct model *m, uint64_t dir)
{
    size_t low = 0, high = m->names;
    while (low < high) {
        size_t at = (low + high) / 2;
        if (m->name[at].dir < dir)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

bool model_same(const struct model *a, const struct model *b, bool coarse)
{
    struct pair *todo = calloc(a->names + 1, sizeof *todo), *met = calloc(a->names + 1, sizeof *met);
    size_t n = 1, done = 0, nmet = 0;
    bool same = true;
    todo[0] = (struct pair){EXT2_ROOT_INO, EXT2_ROOT_INO};
    if (file_differs(model_find(a, EXT2_ROOT_INO), model_find(b, EXT2_ROOT_INO), "/", coarse)) same = false;
    while (same && done < n) {
        struct pair dir = todo[done++];
        size_t i = first_of(a, dir.a), k = first_of(b, dir.b);
        for (; same && i < a->names && a->name[i].dir == dir.a; i++, k++) {
            const struct model_name *x = &a->name[i], *y = &b->name[k];
            if (k >= b->names || y->dir != dir.b || strcmp(x->name, y->name)) {
                fprintf(stderr, "%s: is not there (%s is)\n", x->name, k < b->names ? y->name : "nothing");
                same = false;
                break;
            }
            const struct model_file *f = model_find(a, x->ino), *g = model_find(b, y->ino);
            if (file_differs(f, g, x->name, coarse)) same = false;
            for (size_t j = 0; f->is.nlink > 1 && !LINUX_S_ISDIR(f->is.mode) && j < nmet; j++)
                if ((met[j].a == x->ino) != (met[j].b == y->ino))
                    same = !differs(f, x->name, "link", met[j].a, met[j].b);
            if (f->is.nlink > 1 && !LINUX_S_ISDIR(f->is.mode)) met[nmet++] = (struct pair){x->ino, y->ino};
            if (LINUX_S_ISDIR(f->is.mode)) todo[n++] = (struct pair){x->ino, y->ino};
        }
        if (same && k < b->names && b->name[k].dir == dir.b) {
            fprintf(stderr, "%s: is there\n", b->name[k].name);
            same = false;
        }
    }
    free(todo);
    free(met);
    return same;
}

// ---------------------------------------------------------------- what `belljar image diff` should say

static void say(FILE *out, char what, const char *path)
{
    fprintf(out, "%c ", what);
    image_path_print(out, path);
    putc('\n', out);
}

static bool same_times(struct delta_time a, struct delta_time b)
{
    return a.sec == b.sec && a.nsec == b.nsec;
}

// Without a path the comparisons are silent.
static char change_of(const struct model_file *a, const struct model_file *b)
{
    const struct delta_inode *x = &a->is, *y = &b->is;
    if (LINUX_S_ISLNK(x->mode) && strcmp(a->target, b->target)) return 'M';
    if (x->rdev != y->rdev) return 'M';
    if (LINUX_S_ISREG(x->mode) && (x->size != y->size || content_differs(a, b, NULL))) return 'M';
    if (x->mode != y->mode || x->uid != y->uid || x->gid != y->gid) return 'm';
    if (!LINUX_S_ISDIR(x->mode) && !same_times(x->mtime, y->mtime)) return 'm';
    return xattrs_differ(a, b, NULL) ? 'm' : 0;
}

struct side {
    const struct model *m;
    uint64_t dir; // 0: none
    size_t at;
};

static const struct model_name *name_at(const struct side *s)
{
    return s->dir && s->at < s->m->names && s->m->name[s->at].dir == s->dir ? &s->m->name[s->at] : NULL;
}

static void diff_directory(FILE *out, struct side a, struct side b, const char *path)
{
    char below[8192];
    a.at = a.dir ? first_of(a.m, a.dir) : 0;
    b.at = b.dir ? first_of(b.m, b.dir) : 0;
    for (;;) {
        const struct model_name *x = name_at(&a), *y = name_at(&b);
        if (!x && !y) return;
        int c = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);
        snprintf(below, sizeof below, "%s/%s", path, c <= 0 ? x->name : y->name);
        const struct model_file *f = c <= 0 ? model_find(a.m, x->ino) : NULL,
                                *g = c >= 0 ? model_find(b.m, y->ino) : NULL;
        bool kinds = f && g && (f->is.mode ^ g->is.mode) & LINUX_S_IFMT;
        if (f && (!g || kinds)) say(out, 'D', below);
        if (g && (!f || kinds)) say(out, 'A', below);
        char what = f && g && !kinds ? change_of(f, g) : 0;
        if (what) say(out, what, below);
        struct side p = {a.m, f && LINUX_S_ISDIR(f->is.mode) ? f->ino : 0, 0};
        struct side q = {b.m, g && LINUX_S_ISDIR(g->is.mode) ? g->ino : 0, 0};
        if (p.dir || q.dir) diff_directory(out, p, q, below);
        a.at += c <= 0;
        b.at += c >= 0;
    }
}

void model_diff(const struct model *a, const struct model *b, FILE *out)
{
    char what = change_of(model_find(a, EXT2_ROOT_INO), model_find(b, EXT2_ROOT_INO));
    if (what) say(out, what, "/");
    diff_directory(out, (struct side){a, EXT2_ROOT_INO, 0}, (struct side){b, EXT2_ROOT_INO, 0}, "");
}
