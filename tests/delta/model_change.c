// Random changes of a model, and of a delta with it. See model.h.
#include "model_internal.h"
#include "tests/insn/values.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { MAX_WRITE = 120000, MAX_SIZE = 300000 };

struct change {
    struct model *m;
    struct deltafile *d;
    struct rng *r;
    uint32_t block_size;
    bool large;
    int64_t clock;
};

static void must(struct change *c, int err)
{
    if (err) {
        fprintf(stderr, "delta: %d: %s\n", err, deltafile_problem(c->d));
        exit(2);
    }
}

static struct delta_time now(struct change *c)
{
    return (struct delta_time){c->clock++, rng_below(c->r, 1000000000)};
}

static void touch(struct change *c, struct model_file *f, bool content)
{
    f->dirty = true;
    f->is.ctime = now(c);
    if (content) f->is.mtime = f->is.ctime;
}

// ---------------------------------------------------------------- names

static unsigned type_of(uint32_t mode)
{
    return mode >> 12 & 15; // DT_* are these bits
}

static size_t find_name(const struct model *m, uint64_t dir, const char *name)
{
    for (size_t i = 0; i < m->names; i++)
        if (m->name[i].dir == dir && !strcmp(m->name[i].name, name)) return i;
    return SIZE_MAX;
}

static bool is_empty(const struct model *m, uint64_t dir)
{
    for (size_t i = 0; i < m->names; i++)
        if (m->name[i].dir == dir) return false;
    return true;
}

static void link_name(struct change *c, uint64_t dir, const char *name, struct model_file *f)
{
    struct delta_name n = {dir, f->ino, type_of(f->is.mode), (uint32_t)strlen(name), name};
    must(c, deltafile_put_name(c->d, &n));
    model_add_name(c->m, dir, name, strlen(name), f->ino);
    struct model_file *parent = model_find(c->m, dir);
    touch(c, parent, true);
    if (S_ISDIR(f->is.mode)) {
        f->parent = dir;
        parent->is.nlink++;
    } else
        f->is.nlink++;
    touch(c, f, false);
}

static void kill_file(struct change *c, struct model_file *f)
{
    f->dead = true;
    must(c, deltafile_remove_inode(c->d, f->ino));
    f->is.nlink = 0;
    f->is.target = NULL;
    f->is.flags = 0;
    if (f->image) must(c, deltafile_put_inode(c->d, &f->is));
}

static void unlink_name(struct change *c, size_t at)
{
    struct model_name n = c->m->name[at];
    struct model_file *f = model_find(c->m, n.ino), *parent = model_find(c->m, n.dir);
    if (model_in_image(c->m, n.dir, n.name)) {
        struct delta_name gone = {n.dir, 0, 0, (uint32_t)strlen(n.name), n.name};
        must(c, deltafile_put_name(c->d, &gone));
    } else
        must(c, deltafile_remove_name(c->d, n.dir, n.name, strlen(n.name)));
    c->m->name[at] = c->m->name[--c->m->names];
    free(n.name);
    touch(c, parent, true);
    touch(c, f, false);
    if (S_ISDIR(f->is.mode))
        parent->is.nlink--;
    else
        f->is.nlink--;
}

static void drop_if_last(struct change *c, struct model_file *f)
{
    if (S_ISDIR(f->is.mode) || f->is.nlink == 0) kill_file(c, f);
}

static struct model_file *any_file(struct change *c, bool (*wanted)(uint32_t mode))
{
    size_t from = rng_below(c->r, (unsigned)c->m->files);
    for (size_t i = 0; i < c->m->files; i++) {
        struct model_file *f = c->m->file[(from + i) % c->m->files];
        if (!f->dead && wanted(f->is.mode)) return f;
    }
    return NULL;
}
static bool is_dir(uint32_t mode)
{
    return S_ISDIR(mode);
}
static bool is_reg(uint32_t mode)
{
    return S_ISREG(mode);
}
static bool no_dir(uint32_t mode)
{
    return !S_ISDIR(mode);
}
static bool is_any(uint32_t mode)
{
    return mode != 0;
}

static void new_name(struct change *c, char name[256])
{
    static const char *const odd[] = {"\xff\xfe", "a b", "new\nline", "-o", "\"q\"", "...", "~", "x'y", "\\"};
    unsigned n = 1 + rng_below(c->r, rng_percent(c->r, 10) ? 230 : 12);
    for (unsigned i = 0; i < n; i++) name[i] = (char)('a' + rng_below(c->r, 26));
    name[n] = 0;
    if (rng_percent(c->r, 10)) snprintf(name, 256, "%s%u", odd[rng_below(c->r, 9)], rng_below(c->r, 1000));
}

// ---------------------------------------------------------------- content

// Pages that the delta has to know, as a server puts them: up to 16 at once.
static void put_pages(struct change *c, struct model_file *f, uint32_t first, uint32_t last)
{
    static uint8_t bytes[DELTA_CHUNK_PAGES * DELTA_PAGE];
    for (uint32_t chunk = first / 16; chunk <= last / 16; chunk++) {
        struct delta_chunk row = {.ino = f->ino, .index = chunk, .bytes = bytes};
        size_t at = 0;
        for (uint32_t k = 0; k < 16; k++) {
            uint32_t index = chunk * 16 + k;
            if (index < first || index > last) continue;
            memcpy(bytes + at, model_page(f, index)->bytes, DELTA_PAGE);
            at += DELTA_PAGE;
            row.data |= (uint16_t)(1 << k);
        }
        must(c, deltafile_put_pages(c->d, &row));
    }
}

static void write_file(struct change *c, struct model_file *f)
{
    uint64_t most = f->is.size < MAX_SIZE ? f->is.size : MAX_SIZE;
    uint64_t at = rng_percent(c->r, 50) ? most : rng_below(c->r, (unsigned)most + 1);
    if (rng_percent(c->r, 5)) at = rng_below(c->r, MAX_SIZE);
    if (c->large && rng_percent(c->r, 5)) at = rng_next(c->r) % (1ull << 33);
    uint32_t n = 1 + rng_below(c->r, rng_percent(c->r, 20) ? MAX_WRITE : 5000);
    uint8_t fill = rng_percent(c->r, 10) ? 0 : (uint8_t)rng_next(c->r);
    for (uint64_t k = at; k < at + n; k++)
        model_page(f, (uint32_t)(k / DELTA_PAGE))->bytes[k % DELTA_PAGE] = fill ? (uint8_t)(fill + k * 7) : 0;
    if (at + n > f->is.size) f->is.size = at + n;
    put_pages(c, f, (uint32_t)(at / DELTA_PAGE), (uint32_t)((at + n - 1) / DELTA_PAGE));
    touch(c, f, true);
}

static void truncate_file(struct change *c, struct model_file *f)
{
    uint64_t to =
        rng_percent(c->r, 30) ? 0 : rng_below(c->r, (unsigned)(f->is.size < MAX_SIZE ? f->is.size : MAX_SIZE) + 1);
    if (rng_percent(c->r, 20)) to = f->is.size + rng_below(c->r, 100000);
    if (to < f->is.size) {
        uint32_t pages = (uint32_t)((to + DELTA_PAGE - 1) / DELTA_PAGE);
        while (f->pages && f->page[f->pages - 1]->index >= pages) free(f->page[--f->pages]);
        if (to % DELTA_PAGE) {
            memset(model_page(f, pages - 1)->bytes + to % DELTA_PAGE, 0, DELTA_PAGE - to % DELTA_PAGE);
            put_pages(c, f, pages - 1, pages - 1);
        }
        must(c, deltafile_cut_pages(c->d, f->ino, pages));
        if (f->is.image_pages > pages) f->is.image_pages = pages;
    }
    f->is.size = to;
    touch(c, f, true);
}

static void punch_file(struct change *c, struct model_file *f)
{
    uint32_t pages = (uint32_t)((f->is.size + DELTA_PAGE - 1) / DELTA_PAGE);
    if (pages == 0) return;
    uint32_t first = rng_below(c->r, pages < 80 ? pages : 80), n = 1 + rng_below(c->r, 20);
    for (uint32_t k = first; k < first + n && k < pages; k++) {
        struct delta_chunk row = {.ino = f->ino, .index = k / 16, .hole = (uint16_t)(1 << k % 16)};
        must(c, deltafile_put_pages(c->d, &row));
        memset(model_page(f, k)->bytes, 0, DELTA_PAGE);
    }
    touch(c, f, true);
}

// ---------------------------------------------------------------- making files

static void set_target(struct change *c, struct model_file *f)
{
    static const unsigned edges[] = {1, 58, 59, 60, 61, 100, 1000, 1023, 4095};
    unsigned n = rng_percent(c->r, 50) ? edges[rng_below(c->r, 9)] : 1 + rng_below(c->r, 200);
    if (n >= c->block_size) n = c->block_size - 1;
    f->target = malloc(n + 1);
    for (unsigned i = 0; i < n; i++) f->target[i] = i % 7 ? (char)('a' + rng_below(c->r, 26)) : '/';
    f->target[n] = 0;
    f->is.size = n;
}

static void make_file(struct change *c)
{
    static const uint32_t kinds[] = {S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR,
                                     S_IFDIR, S_IFLNK, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};
    struct model_file *dir = any_file(c, is_dir);
    char name[256];
    new_name(c, name);
    if (find_name(c->m, dir->ino, name) != SIZE_MAX) return;
    struct model_file *f = model_add(c->m, c->m->next_ino++);
    must(c, deltafile_set_next_ino(c->d, c->m->next_ino));
    f->is.mode = kinds[rng_below(c->r, 14)] | rng_below(c->r, 010000);
    f->is.uid = rng_percent(c->r, 50) ? 0 : (uint32_t)rng_next(c->r);
    f->is.gid = rng_percent(c->r, 50) ? 1000 : (uint32_t)rng_next(c->r);
    f->is.atime = f->is.btime = now(c);
    if (S_ISDIR(f->is.mode)) f->is.nlink = 2;
    if (S_ISLNK(f->is.mode)) set_target(c, f);
    if (S_ISCHR(f->is.mode) || S_ISBLK(f->is.mode))
        f->is.rdev = (uint32_t)makedev(rng_below(c->r, rng_percent(c->r, 50) ? 256 : 4096),
                                       rng_below(c->r, rng_percent(c->r, 50) ? 256 : 1 << 20));
    touch(c, f, true);
    link_name(c, dir->ino, name, f);
    if (S_ISREG(f->is.mode) && rng_percent(c->r, 80)) write_file(c, f);
}

static void make_many(struct change *c)
{
    struct model_file *dir = any_file(c, is_dir);
    unsigned n = rng_below(c->r, 300);
    char name[64];
    for (unsigned i = 0; i < n; i++) {
        struct model_file *f = model_add(c->m, c->m->next_ino++);
        f->is.mode = S_IFREG | 0644;
        snprintf(name, sizeof name, "many-%llu-%u", (unsigned long long)f->ino, i);
        link_name(c, dir->ino, name, f);
    }
    must(c, deltafile_set_next_ino(c->d, c->m->next_ino));
}

// ---------------------------------------------------------------- moving and removing

// Is `dir` at or below `top`?
static bool is_below(struct change *c, uint64_t dir, uint64_t top)
{
    while (dir != top && dir != EXT2_ROOT_INO) dir = model_find(c->m, dir)->parent;
    return dir == top;
}

static void remove_any(struct change *c)
{
    if (c->m->names == 0) return;
    size_t at = rng_below(c->r, (unsigned)c->m->names);
    struct model_file *f = model_find(c->m, c->m->name[at].ino);
    if (S_ISDIR(f->is.mode) && !is_empty(c->m, f->ino)) return;
    unlink_name(c, at);
    drop_if_last(c, f);
}

// A whole directory, from its leaves.
static void remove_tree(struct change *c)
{
    struct model_file *top = any_file(c, is_dir);
    if (top->ino == EXT2_ROOT_INO) return;
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < c->m->names; i++) {
            struct model_file *f = model_find(c->m, c->m->name[i].ino);
            if (!is_below(c, c->m->name[i].dir, top->ino)) continue;
            found = true;
            if (S_ISDIR(f->is.mode) && !is_empty(c->m, f->ino)) continue;
            unlink_name(c, i--);
            drop_if_last(c, f);
        }
    }
    for (size_t i = 0; i < c->m->names; i++)
        if (c->m->name[i].ino == top->ino) {
            unlink_name(c, i);
            break;
        }
    kill_file(c, top);
}

static void rename_any(struct change *c)
{
    if (c->m->names == 0) return;
    size_t at = rng_below(c->r, (unsigned)c->m->names);
    struct model_file *f = model_find(c->m, c->m->name[at].ino), *to = any_file(c, is_dir);
    char name[256];
    new_name(c, name);
    if (rng_percent(c->r, 30)) { // onto another
        const struct model_name *other = &c->m->name[rng_below(c->r, (unsigned)c->m->names)];
        snprintf(name, sizeof name, "%s", other->name);
        to = model_find(c->m, other->dir);
    }
    if (S_ISDIR(f->is.mode) && is_below(c, to->ino, f->ino)) return;
    size_t over = find_name(c->m, to->ino, name);
    if (over == at) return;
    if (over != SIZE_MAX) {
        struct model_file *old = model_find(c->m, c->m->name[over].ino);
        if (old == f || S_ISDIR(old->is.mode) != S_ISDIR(f->is.mode)) return;
        if (S_ISDIR(old->is.mode) && !is_empty(c->m, old->ino)) return;
        struct model_name was = c->m->name[at];
        unlink_name(c, over);
        drop_if_last(c, old);
        at = find_name(c->m, was.dir, was.name);
    }
    unlink_name(c, at);
    link_name(c, to->ino, name, f);
}

static void link_any(struct change *c)
{
    struct model_file *f = any_file(c, no_dir), *dir = any_file(c, is_dir);
    char name[256];
    new_name(c, name);
    if (f && f->is.nlink < 100 && find_name(c->m, dir->ino, name) == SIZE_MAX) link_name(c, dir->ino, name, f);
}

// ---------------------------------------------------------------- attributes

static void change_attributes(struct change *c)
{
    struct model_file *f = any_file(c, is_any);
    if (rng_percent(c->r, 50) && !S_ISLNK(f->is.mode)) f->is.mode = (f->is.mode & S_IFMT) | rng_below(c->r, 010000);
    if (rng_percent(c->r, 50)) f->is.uid = rng_below(c->r, 100000);
    if (rng_percent(c->r, 30)) f->is.gid = (uint32_t)rng_next(c->r);
    touch(c, f, false);
    if (rng_percent(c->r, 50)) f->is.mtime = (struct delta_time){(int64_t)rng_below(c->r, UINT32_MAX) - INT32_MAX, 5};
    if (rng_percent(c->r, 20)) f->is.mtime.sec += 1ll << 32;
    if (rng_percent(c->r, 50)) f->is.atime = (struct delta_time){(int64_t)rng_below(c->r, UINT32_MAX), 999999999};
}

static void put_all_xattrs(struct change *c, struct model_file *f)
{
    must(c, deltafile_remove_xattrs(c->d, f->ino));
    for (size_t i = 0; i < f->xattrs; i++)
        must(c, deltafile_put_xattr(c->d, f->ino, f->xattr[i].name, f->xattr[i].value, f->xattr[i].n));
    f->is.flags |= DELTA_XATTRS;
    touch(c, f, false);
}

static void change_xattrs(struct change *c)
{
    static const char *const kinds[] = {"user.", "trusted.", "security."};
    struct model_file *f = any_file(c, is_any);
    uint8_t value[400];
    char name[64];
    if (f->xattrs && rng_percent(c->r, 40)) {
        size_t at = rng_below(c->r, (unsigned)f->xattrs);
        free(f->xattr[at].name);
        free(f->xattr[at].value);
        f->xattr[at] = f->xattr[--f->xattrs];
    } else if (f->xattrs < 3) { // all of them fit into a block of 1024 bytes
        unsigned n = rng_below(c->r, rng_percent(c->r, 20) ? 240 : 40);
        for (unsigned i = 0; i < n; i++) value[i] = (uint8_t)rng_next(c->r);
        snprintf(name, sizeof name, "%s%c%u", kinds[rng_below(c->r, 3)], 'a' + (char)rng_below(c->r, 26),
                 rng_below(c->r, 10));
        model_set_xattr(f, name, value, n);
    }
    put_all_xattrs(c, f);
}

// ---------------------------------------------------------------- all

static void one(struct change *c)
{
    unsigned kind = rng_below(c->r, 100);
    struct model_file *f = any_file(c, is_reg);
    if (kind < 25)
        make_file(c);
    else if (kind < 26)
        make_many(c);
    else if (kind < 27)
        remove_tree(c);
    else if (kind < 40)
        remove_any(c);
    else if (kind < 52)
        rename_any(c);
    else if (kind < 57)
        link_any(c);
    else if (kind < 65)
        change_attributes(c);
    else if (kind < 75)
        change_xattrs(c);
    else if (f && kind < 88)
        write_file(c, f);
    else if (f && kind < 95)
        truncate_file(c, f);
    else if (f)
        punch_file(c, f);
}

void model_change(struct model *m, struct deltafile *d, struct rng *r, unsigned count, uint32_t block_size, bool large)
{
    struct change c = {m, d, r, block_size, large, 1700000000 + (int64_t)rng_below(r, 1000000)};
    must(&c, deltafile_begin(d));
    for (unsigned i = 0; i < count; i++) one(&c);
    for (size_t i = 0; i < m->files; i++) {
        struct model_file *f = m->file[i];
        if (!f->dirty || f->dead) continue;
        f->is.target = f->target;
        must(&c, deltafile_put_inode(d, &f->is));
        f->dirty = false;
    }
    must(&c, deltafile_commit(d));
    model_sort(m);
}
