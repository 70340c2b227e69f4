// The exerciser's operations: each is done to the model, which says what must come of it, and to the tree.
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#endif

enum { PATH = 128 };
static const char *const xattr_names[XATTRS] = {"user.a", "user.b", "user.c"};

// splitmix64
static uint64_t next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t draw(struct run *r, uint64_t below)
{
    return next(&r->random) % below;
}

static void fill(struct run *r, size_t n)
{
    uint64_t state = next(&r->random), word;
    for (size_t i = 0; i < n; i += 8) {
        word = next(&state);
        memcpy(r->bytes + i, &word, n - i < 8 ? n - i : 8);
    }
}

// ---------------------------------------------------------------- choosing

static struct node *any_directory(struct run *r)
{
    return r->model.directories[draw(r, r->model.ndirectories)];
}

static void any_name(struct run *r, char name[NAME])
{
    uint64_t x = draw(r, 40);
    snprintf(name, NAME, x % 5 ? "%c%u" : "%c-longer%u", (char)('a' + x % 10), (unsigned)(x / 10));
}

struct place {
    struct node *dir, *node; // node NULL: nothing there
    char name[NAME], path[PATH];
};

static struct place place_of(struct node *dir, const char *name)
{
    struct place p = {.dir = dir, .node = model_find(dir, name)};
    snprintf(p.name, NAME, "%s", name);
    model_path(dir, name, p.path, sizeof p.path);
    return p;
}

// Mostly of something that is there.
static struct place any_place(struct run *r)
{
    struct node *dir = any_directory(r);
    char name[NAME];
    uint64_t which = draw(r, 1 << 20);
    any_name(r, name);
    if (dir->nentries && which % 8) snprintf(name, NAME, "%s", dir->entries[which / 8 % dir->nentries].name);
    return place_of(dir, name);
}

static struct place new_place(struct run *r)
{
    struct node *dir = any_directory(r);
    char name[NAME];
    any_name(r, name);
    return place_of(dir, name);
}

// A regular file; .node NULL: none was found.
static struct place any_file(struct run *r)
{
    struct place p = any_place(r);
    for (int i = 0; i < 4 && !(p.node && p.node->kind == REGULAR); i++) p = any_place(r);
    if (p.node && p.node->kind != REGULAR) p.node = NULL;
    return p;
}

static bool is_full(const struct run *r)
{
    return r->model.nnodes >= r->files;
}

// ---------------------------------------------------------------- judging

static void expect(const struct run *r, const char *what, const char *path, bool failed, int want)
{
    int got = failed ? errno : 0;
    if (got != want)
        wrong(r, "%s %s: %s instead of %s", what, path, got ? strerror(got) : "done", want ? strerror(want) : "done");
}

static int open_file(const struct run *r, const struct place *p, int flags)
{
    int fd = open(p->path, flags | O_NOFOLLOW | O_CLOEXEC);
    expect(r, "open", p->path, fd < 0, 0);
    return fd;
}

static void expect_bytes(struct run *r, const char *what, const char *path, ssize_t got, size_t want)
{
    if (got != (ssize_t)want) wrong(r, "%s %s: %zd bytes instead of %zu", what, path, got, want);
}

// ---------------------------------------------------------------- names

static void op_create(struct run *r)
{
    struct place p = new_place(r);
    unsigned mode = 0600 | (unsigned)draw(r, 0200);
    if (is_full(r)) return;
    if (r->live) {
        int fd = open(p.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        expect(r, "create", p.path, fd < 0, p.node ? EEXIST : 0);
        if (fd >= 0) close(fd);
    }
    if (!p.node) model_link(&r->model, p.dir, p.name, model_new(&r->model, REGULAR, mode));
}

static void op_mkdir(struct run *r)
{
    struct place p = new_place(r);
    unsigned mode = 0700 | (unsigned)draw(r, 0100);
    if (is_full(r) || model_depth(p.dir) >= MAX_DEPTH) return;
    if (r->live) expect(r, "mkdir", p.path, mkdir(p.path, mode) != 0, p.node ? EEXIST : 0);
    if (!p.node) model_link(&r->model, p.dir, p.name, model_new(&r->model, DIRECTORY, mode));
}

// Short texts and long ones: file systems keep them in different places.
static void op_symlink(struct run *r)
{
    struct place p = new_place(r);
    size_t n = 1 + (size_t)draw(r, draw(r, 4) ? 59 : 300);
    fill(r, n);
    if (is_full(r)) return;
    for (size_t i = 0; i < n; i++) r->bytes[i] = (uint8_t)('a' + r->bytes[i] % 26);
    r->bytes[n] = 0;
    if (r->live) expect(r, "symlink", p.path, symlink((char *)r->bytes, p.path) != 0, p.node ? EEXIST : 0);
    if (p.node) return;
    struct node *link = model_new(&r->model, LINK, 0777);
    model_write(link, 0, r->bytes, n);
    model_link(&r->model, p.dir, p.name, link);
}

static void op_mkfifo(struct run *r)
{
    struct place p = new_place(r);
    unsigned mode = 0600 | (unsigned)draw(r, 0200);
    if (is_full(r)) return;
    if (r->live) expect(r, "mkfifo", p.path, mkfifo(p.path, mode) != 0, p.node ? EEXIST : 0);
    if (!p.node) model_link(&r->model, p.dir, p.name, model_new(&r->model, FIFO, mode));
}

static void op_link(struct run *r)
{
    struct place from = any_place(r), to = new_place(r);
    int want = !from.node ? ENOENT : to.node ? EEXIST : from.node->kind == DIRECTORY ? EPERM : 0;
    if (from.node && from.node->links > 60) return;
    if (r->operation < r->from && from.node && from.node->kind == LINK) return; // mke2fs -d takes names for copies
    if (r->live) expect(r, "link", to.path, link(from.path, to.path) != 0, want);
    if (!want) model_link(&r->model, to.dir, to.name, from.node);
}

static void op_unlink(struct run *r)
{
    struct place p = any_place(r);
    int want = !p.node ? ENOENT : p.node->kind == DIRECTORY ? EISDIR : 0;
    if (r->live) expect(r, "unlink", p.path, unlink(p.path) != 0, want);
    if (!want) model_unlink(&r->model, p.dir, p.name);
}

static void op_rmdir(struct run *r)
{
    struct place p = any_place(r);
    int want = !p.node ? ENOENT : p.node->kind != DIRECTORY ? ENOTDIR : p.node->nentries ? ENOTEMPTY : 0;
    if (r->live) expect(r, "rmdir", p.path, rmdir(p.path) != 0, want);
    if (!want) model_unlink(&r->model, p.dir, p.name);
}

// The order is that of do_renameat2(), lock_rename() and vfs_rename() in Linux.
static int rename_error(const struct place *from, const struct place *to, unsigned flags)
{
    bool dir = from->node && from->node->kind == DIRECTORY;
    if (!from->node) return ENOENT;
    if (flags == RENAME_NOREPLACE && to->node) return EEXIST;
    if (flags == RENAME_EXCHANGE && !to->node) return ENOENT;
    if (dir && model_is_above(from->node, to->dir)) return EINVAL;
    if (to->node && to->node->kind == DIRECTORY && model_is_above(to->node, from->dir))
        return flags == RENAME_EXCHANGE ? EINVAL : ENOTEMPTY;
    if (!to->node || flags == RENAME_EXCHANGE || from->node == to->node) return 0;
    if (dir != (to->node->kind == DIRECTORY)) return dir ? ENOTDIR : EISDIR;
    return dir && to->node->nentries ? ENOTEMPTY : 0;
}

static unsigned height(const struct model *m, const struct node *top)
{
    unsigned most = 0;
    for (unsigned i = 0; i < m->ndirectories; i++)
        if (model_is_above(top, m->directories[i]) && model_depth(m->directories[i]) > most)
            most = model_depth(m->directories[i]);
    return most - model_depth(top);
}

// Would a directory get too deep?
static bool fits(const struct run *r, const struct node *n, const struct node *dir)
{
    return !n || n->kind != DIRECTORY || model_depth(dir) + 1 + height(&r->model, n) <= MAX_DEPTH;
}

static void op_rename(struct run *r)
{
    struct place from = any_place(r), to = draw(r, 3) ? any_place(r) : new_place(r);
    uint64_t x = draw(r, 6);
    unsigned flags = x == 0 ? RENAME_NOREPLACE : x < 3 ? RENAME_EXCHANGE : 0;
    if (flags == RENAME_EXCHANGE && !r->exchange) return;
    int want = rename_error(&from, &to, flags);
    if (!want && (!fits(r, from.node, to.dir) || (flags == RENAME_EXCHANGE && !fits(r, to.node, from.dir)))) return;
    if (r->live)
        expect(r, flags ? "rename with flags" : "rename", to.path,
               renameat2(AT_FDCWD, from.path, AT_FDCWD, to.path, flags) != 0, want);
    if (want || from.node == to.node) return; // names of one file: nothing happens
    if (flags == RENAME_EXCHANGE)
        model_exchange(from.dir, from.name, to.dir, to.name);
    else
        model_move(&r->model, from.dir, from.name, to.dir, to.name);
}

// ---------------------------------------------------------------- content

// Mostly near the end, or over what is there; now and then far behind, which leaves a hole.
static size_t offset_in(struct run *r, size_t size)
{
    uint64_t x = draw(r, 16);
    size_t at = (size_t)(x < 8 ? draw(r, size + 1) : x < 12 ? size : x < 15 ? size + draw(r, 9000) : draw(r, MAX_FILE));
    if (draw(r, 4) == 0) at &= ~(size_t)4095;
    return at < MAX_FILE - MOST_BYTES ? at : 0;
}

static size_t length(struct run *r)
{
    uint64_t x = draw(r, 8);
    return (size_t)(x < 4 ? 1 + draw(r, 200) : x < 7 ? 1 + draw(r, 9000) : 1 + draw(r, MOST_BYTES - 1));
}

static void write_to(struct run *r, struct node *node, int fd, const char *path, bool append)
{
    size_t at = append ? node->size : offset_in(r, node->size), n = length(r);
    if (at + n > MAX_FILE) return;
    fill(r, n);
    if (r->live) {
        ssize_t got = append ? write(fd, r->bytes, n) : pwrite(fd, r->bytes, n, (off_t)at);
        expect_bytes(r, "write to", path, got, n);
    }
    model_write(node, at, r->bytes, n);
}

static void op_write(struct run *r)
{
    struct place p = any_file(r);
    uint64_t x = draw(r, 16);
    int fd = -1;
    if (!p.node) return;
    if (r->live) fd = open_file(r, &p, O_WRONLY | (x == 0 ? O_TRUNC : x < 5 ? O_APPEND : 0));
    if (x == 0) model_resize(p.node, 0);
    write_to(r, p.node, fd, p.path, x > 0 && x < 5);
    if (fd >= 0) close(fd);
}

// A file without a name gets one, or goes.
static void op_tmpfile(struct run *r)
{
    struct place p = new_place(r);
    char path[PATH], fd_path[40];
    unsigned mode = 0600 | (unsigned)draw(r, 0200);
    if (!r->tmpfile || is_full(r)) return;
    struct node *node = model_new(&r->model, REGULAR, mode);
    int fd = -1;
    node->holds++;
    model_path(p.dir, ".", path, sizeof path);
    if (r->live) fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (r->live) expect(r, "open with O_TMPFILE in", path, fd < 0, 0);
    write_to(r, node, fd, "a file without a name", false);
    snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", fd);
    if (r->live)
        expect(r, "linkat of a file without a name", p.path,
               linkat(AT_FDCWD, fd_path, AT_FDCWD, p.path, AT_SYMLINK_FOLLOW) != 0, p.node ? EEXIST : 0);
    if (!p.node) model_link(&r->model, p.dir, p.name, node);
    model_release(&r->model, node);
    if (fd >= 0) close(fd);
}

static void op_copy(struct run *r)
{
    struct place from = any_file(r), to = any_file(r);
    if (!from.node || !to.node || from.node == to.node || !from.node->size) return;
    loff_t at = (loff_t)draw(r, from.node->size), to_at = (loff_t)offset_in(r, to.node->size);
    size_t n = length(r), model_at = (size_t)at, model_to = (size_t)to_at;
    if (n > from.node->size - (size_t)at) n = from.node->size - (size_t)at;
    if (r->live) {
        int in = open_file(r, &from, O_RDONLY), out = open_file(r, &to, O_WRONLY);
        for (size_t done = 0; done < n;) {
            ssize_t k = copy_file_range(in, &at, out, &to_at, n - done, 0);
            if (k <= 0) wrong(r, "copy_file_range to %s: %s", to.path, k ? strerror(errno) : "too short");
            done += (size_t)k;
        }
        close(in);
        close(out);
    }
    memcpy(r->other, from.node->data + model_at, n);
    model_write(to.node, model_to, r->other, n);
}

static void op_truncate(struct run *r)
{
    struct place p = any_file(r);
    size_t n = offset_in(r, p.node ? p.node->size : 0);
    if (!p.node) return;
    if (r->live) expect(r, "truncate", p.path, truncate(p.path, (off_t)n) != 0, 0);
    model_resize(p.node, n);
}

static void check_bytes(const struct run *r, const char *what, const char *path, const struct node *node,
                        const uint8_t *is, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is[i] != node->data[at + i])
            wrong(r, "%s %s: byte %zu is %02x instead of %02x", what, path, at + i, is[i], node->data[at + i]);
}

static void read_from(struct run *r, struct node *node, int fd, const char *path)
{
    size_t at = (size_t)draw(r, node->size + 5000), n = length(r), want = 0;
    if (at < node->size) want = n < node->size - at ? n : node->size - at;
    if (!r->live) return;
    expect_bytes(r, "read of", path, pread(fd, r->other, n, (off_t)at), want);
    check_bytes(r, "read of", path, node, r->other, at, want);
}

static void op_read(struct run *r)
{
    struct place p = any_file(r);
    if (!p.node) return;
    int fd = r->live ? open_file(r, &p, O_RDONLY) : -1;
    read_from(r, p.node, fd, p.path);
    if (fd >= 0) close(fd);
}

// A shared mapping: read, written to, and unmapped with or without msync.
static void op_map(struct run *r)
{
    struct place p = any_file(r);
    if (!p.node || !p.node->size) return;
    size_t at = (size_t)draw(r, p.node->size), n = length(r), page = at & ~(size_t)4095;
    bool sync = draw(r, 3) == 0, wr = draw(r, 4) != 0;
    if (n > p.node->size - at) n = p.node->size - at;
    fill(r, n);
    if (r->live) {
        int fd = open_file(r, &p, O_RDWR);
        uint8_t *m = mmap(NULL, at + n - page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)page);
        expect(r, "mmap", p.path, m == MAP_FAILED, 0);
        close(fd);
        check_bytes(r, "mapping of", p.path, p.node, m + (at - page), at, n);
        if (wr) memcpy(m + (at - page), r->bytes, n);
        if (sync) expect(r, "msync", p.path, msync(m, at + n - page, MS_SYNC) != 0, 0);
        munmap(m, at + n - page);
    }
    if (wr) model_write(p.node, at, r->bytes, n);
}

static void op_fallocate(struct run *r)
{
    struct place p = any_file(r);
    uint64_t x = draw(r, 5);
    size_t at = offset_in(r, p.node ? p.node->size : 0), n = length(r);
    bool keep = x == 0 || x == 1 || x == 3;
    int mode = x == 0   ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
               : x == 1 ? FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE
               : x == 2 ? FALLOC_FL_ZERO_RANGE
               : x == 3 ? FALLOC_FL_KEEP_SIZE
                        : 0;
    if (!p.node || (x == 0 ? !r->punch : x < 3 ? !r->zero_range : !r->preallocate)) return;
    if (r->live) {
        int fd = open_file(r, &p, O_RDWR);
        expect(r, "fallocate", p.path, fallocate(fd, mode, (off_t)at, (off_t)n) != 0, 0);
        close(fd);
    }
    if (!keep && at + n > p.node->size) model_resize(p.node, at + n);
    if (x < 3) model_zero(p.node, at, n);
    p.node->timed = false;
}

// ---------------------------------------------------------------- attributes

static void op_chmod(struct run *r)
{
    struct place p = any_place(r);
    unsigned mode = (unsigned)draw(r, 0200);
    if (!p.node || p.node->kind == LINK) return;
    mode |= p.node->kind == DIRECTORY ? 0700 : 0600;
    if (r->live) expect(r, "chmod", p.path, chmod(p.path, mode) != 0, 0);
    p.node->mode = mode;
}

static void op_times(struct run *r)
{
    struct place p = any_place(r);
    struct timespec t[2] = {{(time_t)draw(r, 2000000000), (long)draw(r, 1000000000)},
                            {(time_t)draw(r, 2000000000), (long)draw(r, 1000000000)}};
    if (r->operation < r->from) t[1].tv_nsec = 0; // mke2fs -d knows seconds
    if (!p.node) return;
    if (r->live) expect(r, "utimensat", p.path, utimensat(AT_FDCWD, p.path, t, AT_SYMLINK_NOFOLLOW) != 0, 0);
    p.node->mtime = t[1];
    p.node->timed = true;
}

static void op_xattr(struct run *r)
{
    struct place p = any_place(r);
    uint64_t which = draw(r, XATTRS), n = draw(r, XATTR_BYTES);
    fill(r, XATTR_BYTES);
    if (!r->xattrs || !p.node || p.node->kind > DIRECTORY) return;
    struct xattr *x = &p.node->xattr[which];
    if (r->live && n) expect(r, "setxattr", p.path, setxattr(p.path, xattr_names[which], r->bytes, n, 0) != 0, 0);
    if (r->live && !n)
        expect(r, "removexattr", p.path, removexattr(p.path, xattr_names[which]) != 0, x->n ? 0 : ENODATA);
    x->n = (unsigned)n;
    memcpy(x->value, r->bytes, n);
}

// ---------------------------------------------------------------- open files

static void op_open(struct run *r)
{
    struct place p = any_file(r);
    struct handle *h = &r->handle[draw(r, HANDLES)];
    if (!p.node || h->node) return;
    *h = (struct handle){r->live ? open_file(r, &p, O_RDWR) : -1, p.node};
    p.node->holds++;
}

static void close_handle(struct run *r, struct handle *h)
{
    if (h->fd >= 0) close(h->fd);
    model_release(&r->model, h->node);
    h->node = NULL;
}

static void op_use_handle(struct run *r)
{
    struct handle *h = &r->handle[draw(r, HANDLES)];
    uint64_t x = draw(r, 8);
    struct stat st;
    if (!h->node) return;
    if (x < 3) write_to(r, h->node, h->fd, "an open file", false);
    if (x >= 3 && x < 6) read_from(r, h->node, h->fd, "an open file");
    if (x == 6 && r->live && (fstat(h->fd, &st) || st.st_size != (off_t)h->node->size || st.st_nlink != h->node->links))
        wrong(r, "fstat of an open file: size %lld, %u links instead of %zu, %u", (long long)st.st_size,
              (unsigned)st.st_nlink, h->node->size, h->node->links);
    if (x == 7) close_handle(r, h);
}

void run_close_handles(struct run *r)
{
    for (int i = 0; i < HANDLES; i++)
        if (r->handle[i].node) close_handle(r, &r->handle[i]);
}

// ---------------------------------------------------------------- fsync

static void op_fsync(struct run *r)
{
    struct place p = any_place(r);
    uint64_t x = draw(r, 4);
    if (!p.node || p.node->kind > DIRECTORY) return;
    r->synced = true;
    if (!r->live) return;
    int fd = open(p.path, (p.node->kind == DIRECTORY ? O_DIRECTORY : 0) | O_RDONLY | O_CLOEXEC);
    expect(r, "open", p.path, fd < 0, 0);
    int err = x == 0 ? fdatasync(fd) : x == 1 ? syncfs(fd) : fsync(fd);
    expect(r, "fsync", p.path, err != 0, 0);
    close(fd);
}

// ---------------------------------------------------------------- all of them

void run_operation(struct run *r)
{
    static const struct {
        unsigned weight;
        void (*run)(struct run *);
    } all[] = {
        {10, op_create}, {4, op_mkdir},      {3, op_symlink},
        {2, op_mkfifo},  {2, op_tmpfile},    {4, op_copy},
        {5, op_link},    {8, op_unlink},     {4, op_rmdir},
        {12, op_rename}, {25, op_write},     {6, op_truncate},
        {8, op_read},    {8, op_map},        {5, op_fallocate},
        {4, op_chmod},   {4, op_times},      {6, op_xattr},
        {3, op_open},    {8, op_use_handle}, {1, run_read_while_changing},
        {1, op_fsync},
    };
    unsigned sum = 0, n = sizeof all / sizeof *all;
    r->synced = false;
    // Each operation has random numbers of its own: those of the next do not depend on how many it took.
    r->random = r->seed * 0x9e3779b97f4a7c15u + r->operation * 0xd1342543de82ef95u;
    for (unsigned i = 0; i < n; i++) sum += all[i].weight;
    uint64_t x = draw(r, sum);
    unsigned i = 0;
    for (; x >= all[i].weight; i++) x -= all[i].weight;
    all[i].run(r);
    if (++r->operation == r->from) run_close_handles(r);
}

// ---------------------------------------------------------------- what there is

void run_probe(struct run *r)
{
    int fd = open("probe", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int other = open("probe2", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || other < 0) wrong(r, "cannot create files: %s", strerror(errno));
    r->xattrs = !setxattr("probe", "user.a", "x", 1, 0);
    r->zero_range = !fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 5000);
    r->preallocate = !fallocate(fd, 0, 0, 5000);
    r->punch = !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 100);
    r->exchange = !renameat2(AT_FDCWD, "probe", AT_FDCWD, "probe2", RENAME_EXCHANGE);
    int unnamed = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    r->tmpfile = unnamed >= 0;
    if (unnamed >= 0) close(unnamed);
    close(fd);
    close(other);
    unlink("probe");
    unlink("probe2");
}
