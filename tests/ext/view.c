// All that a tree shows, a line each, sorted: of an image as a box sees it, or of a directory of this host.
//
//     ext-view box IMAGE [--times]      ext-view host DIR      ext-view set PATH NAME VALUE (an attribute on this host)
//     ext-view digest FILE
//
// PATH MODE LINKS UID GID SIZE RDEV MTIME CONTENT ATTRIBUTES. Content: a link's target, or a digest of the pages that
// are not all zeros. Sizes of directories are the file system's own, and lost+found is left out. --times: nothing but
// PATH, the number, blocks and all times with nanoseconds.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "tests/ext/mounted.h"

enum { PAGE = 4096, PATH_ROOM = 4096, LIST = 65536 };

struct entry { // what both sides know
    uint32_t mode, nlink, uid, gid, major, minor;
    uint64_t size, ino, blocks;
    struct vtime atime, mtime, ctime, btime;
};

// What is looked at: a mounted image, or a directory.
struct side {
    struct mounted m;
    const char *root; // NULL: the image
    char **paths;
    size_t n;
    const char *dir;
};

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "ext-view: %s: %s\n", path, what);
    exit(1);
}

static void add_path(struct side *s, const char *dir, const char *name, size_t len)
{
    char path[PATH_ROOM];
    if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) return;
    snprintf(path, sizeof path, "%s/%.*s", dir, (int)len, name);
    if (!strcmp(path, "/lost+found")) return;
    if (s->n % 256 == 0) s->paths = realloc(s->paths, (s->n + 256) * sizeof *s->paths);
    if (!s->paths || !(s->paths[s->n++] = strdup(path))) abort();
}

static uint64_t mix(uint64_t sum, const void *p, size_t n) // FNV-1a
{
    const uint8_t *b = p;
    while (n-- > 0) sum = (sum ^ *b++) * 0x100000001b3;
    return sum;
}

// ---------------------------------------------------------------- both sides

static const char *outside(const struct side *s, const char *path)
{
    static char whole[2 * PATH_ROOM];
    snprintf(whole, sizeof whole, "%s%s", s->root, path);
    return whole;
}

static struct vtime of_host(struct timespec t)
{
    return (struct vtime){t.tv_sec, (uint32_t)t.tv_nsec};
}

static struct entry look(struct side *s, const char *path)
{
    struct kstat k;
    struct stat h;
    if (!s->root) {
        if (mounted_stat(&s->m, path, &k)) fail("not found in the image", path);
        return (struct entry){k.mode, k.nlink, k.uid,    k.gid,   vfs_major(k.rdev), vfs_minor(k.rdev),
                              k.size, k.ino,   k.blocks, k.atime, k.mtime,           k.ctime,
                              k.btime};
    }
    if (lstat(outside(s, path), &h)) fail("not found", path);
    return (struct entry){h.st_mode,
                          (uint32_t)h.st_nlink,
                          h.st_uid,
                          h.st_gid,
                          major(h.st_rdev),
                          minor(h.st_rdev),
                          (uint64_t)h.st_size,
                          h.st_ino,
                          (uint64_t)h.st_blocks,
                          of_host(h.st_atim),
                          of_host(h.st_mtim),
                          of_host(h.st_ctim),
                          {0, 0}};
}

static int take_name(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct side *s = ctx;
    (void)ino, (void)dt, (void)next;
    add_path(s, s->dir, name, len);
    return 0;
}

static void list(struct side *s, const char *path)
{
    struct file *f;
    if (s->root) {
        DIR *d = opendir(outside(s, path));
        if (!d) fail("cannot be listed", path);
        for (struct dirent *e; (e = readdir(d));) add_path(s, path, e->d_name, strlen(e->d_name));
        closedir(d);
        return;
    }
    if (vfs_open(s->m.vfs, &s->m.at, *path ? path : "/", LX_O_RDONLY | LX_O_DIRECTORY, 0, 0, &f))
        fail("cannot be opened", path);
    s->dir = path;
    if (vfs_readdir(f, take_name, s)) fail("cannot be listed", path);
    file_put(f);
}

struct open_file {
    struct file *f;
    int fd;
};

static int64_t next_data(const struct side *s, const struct open_file *o, uint64_t at)
{
    return s->root ? lseek(o->fd, (off_t)at, SEEK_DATA) : vfs_seek(o->f, (int64_t)at, LX_SEEK_DATA);
}

static int64_t read_at(const struct side *s, const struct open_file *o, uint64_t at, void *buf, size_t n)
{
    if (s->root) return pread(o->fd, buf, n, (off_t)at);
    o->f->pos = at;
    return mounted_read(o->f, buf, n);
}

static uint64_t digest(struct side *s, const char *path, uint64_t size)
{
    static uint8_t buf[16 * PAGE];
    static const uint8_t zeros[PAGE];
    struct open_file o = {NULL, -1};
    uint64_t sum = 0xcbf29ce484222325;
    if (s->root ? (o.fd = open(outside(s, path), O_RDONLY)) < 0
                : vfs_open(s->m.vfs, &s->m.at, path, LX_O_RDONLY, 0, 0, &o.f) != 0)
        fail("cannot be opened", path);
    int64_t at = size ? next_data(s, &o, 0) : -1;
    while (at >= 0) {
        at &= ~(int64_t)(PAGE - 1);
        int64_t n = read_at(s, &o, (uint64_t)at, buf, sizeof buf);
        if (n <= 0) fail("cannot be read", path);
        for (int64_t k = 0; k < n; k += PAGE) {
            size_t part = n - k < PAGE ? (size_t)(n - k) : PAGE;
            uint64_t where = (uint64_t)(at + k);
            if (memcmp(buf + k, zeros, part) != 0) sum = mix(mix(sum, &where, sizeof where), buf + k, part);
        }
        at = (uint64_t)(at + n) < size ? next_data(s, &o, (uint64_t)(at + n)) : -1;
    }
    if (s->root)
        close(o.fd);
    else
        file_put(o.f);
    return sum;
}

// ---------------------------------------------------------------- lines

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// As attributes of more than 64 bytes are shown.
static int print_digest(const char *path)
{
    static uint8_t bytes[LIST];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (n < 0) return 1;
    printf("%016llx\n", (unsigned long long)mix(0xcbf29ce484222325, bytes, (size_t)n));
    return close(fd);
}

static void print_value(const uint8_t *value, int n)
{
    if (n > 64) {
        printf("%d:%016llx", n, (unsigned long long)mix(0xcbf29ce484222325, value, (size_t)n));
        return;
    }
    for (int k = 0; k < n; k++) printf("%02x", value[k]);
}

static void print_xattrs(struct side *s, const char *path)
{
    static char names[LIST];
    static uint8_t value[LIST];
    char *sorted[4096];
    size_t count = 0;
    int n = s->root ? (int)llistxattr(outside(s, path), names, LIST) : mounted_xattrs(&s->m, path, names, LIST);
    if (n < 0) fail("its attributes cannot be listed", path);
    for (int at = 0; at < n; at += (int)strlen(names + at) + 1)
        if (count < sizeof sorted / sizeof *sorted) sorted[count++] = names + at;
    qsort(sorted, count, sizeof *sorted, by_text);
    for (size_t k = 0; k < count; k++) {
        int size = s->root ? (int)lgetxattr(outside(s, path), sorted[k], value, LIST)
                           : mounted_xattr(&s->m, path, sorted[k], value, LIST);
        if (size < 0) fail(sorted[k], path);
        printf(" %s=", sorted[k]);
        print_value(value, size);
    }
}

static void print_content(struct side *s, const char *path, const struct entry *e)
{
    char target[PATH_ROOM + 1];
    if (S_ISREG(e->mode)) printf(" %016llx", (unsigned long long)digest(s, path, e->size));
    if (!S_ISLNK(e->mode)) return;
    int n = s->root ? (int)readlink(outside(s, path), target, PATH_ROOM) : mounted_link(&s->m, path, target, PATH_ROOM);
    if (n < 0) fail("the link cannot be read", path);
    target[n] = 0;
    printf(" -> %s", target);
}

static void print_times(const char *path, const struct entry *e)
{
    const struct vtime *t[] = {&e->atime, &e->mtime, &e->ctime, &e->btime};
    printf("%s %llu %llu", path, (unsigned long long)e->ino, (unsigned long long)e->blocks);
    for (unsigned k = 0; k < 4; k++) printf(" %lld.%09u", (long long)t[k]->sec, t[k]->nsec);
    putchar('\n');
}

static void print(struct side *s, const char *path, bool times)
{
    const struct entry e = look(s, path);
    if (times) {
        print_times(path, &e);
        return;
    }
    printf("%s %o %u %u %u ", path, e.mode, e.nlink, e.uid, e.gid);
    printf("%llu %u,%u %lld", S_ISDIR(e.mode) ? 0 : (unsigned long long)e.size, e.major, e.minor,
           (long long)e.mtime.sec);
    print_content(s, path, &e);
    print_xattrs(s, path);
    putchar('\n');
}

static void print_all(struct side *s, bool times)
{
    list(s, "");
    for (size_t k = 0; k < s->n; k++)
        if (S_ISDIR(look(s, s->paths[k]).mode)) list(s, s->paths[k]);
    qsort(s->paths, s->n, sizeof *s->paths, by_text);
    for (size_t k = 0; k < s->n; k++) print(s, s->paths[k], times), free(s->paths[k]);
    free(s->paths);
}

int main(int argc, char **argv)
{
    static struct side s;
    struct ram ram;
    struct blockdev *dev;
    char why[200];
    if (argc < 3) {
        fprintf(stderr, "usage: ext-view box IMAGE [--times] | host DIR | set PATH NAME VALUE\n");
        return 2;
    }
    if (!strcmp(argv[1], "set") && argc == 5) return setxattr(argv[2], argv[3], argv[4], strlen(argv[4]), 0) != 0;
    if (!strcmp(argv[1], "digest")) return print_digest(argv[2]);
    if (!strcmp(argv[1], "host")) {
        s.root = argv[2];
        print_all(&s, false);
        return 0;
    }
    if (ram_open(&ram, 16384)) abort();
    if (blockfile_open(&ram, argv[2], &dev, why, sizeof why) ||
        mounted_open(&s.m, &ram, dev, 64 << 20, why, sizeof why)) {
        fprintf(stderr, "ext-view: %s\n", why);
        ram_close(&ram);
        return 1;
    }
    print_all(&s, argc > 3);
    mounted_close(&s.m);
    ram_close(&ram);
    return 0;
}
