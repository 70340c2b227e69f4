// Hostile images: sound ones of all kinds (small-images.sh) with a few fields of their structures changed, mounted as a
// root and looked at all over. Half of the time checksums are made right again, so that what lies behind them is
// reached. Nothing but an error may come of it, within a bounded time; what a sanitizer or a case's clock says ends the
// run with the case's number, which with the seed and the images makes the same case again:
//
//     ext-fuzz --images DIR --seed N --seconds S
//     ext-fuzz --images DIR --seed N --first I --cases 1 [--keep FILE]    keeps the case's image
#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/ext/layout.h"
#include "tests/ext/mounted.h"
#include "tests/ext/watch.h"
#include "tests/store/campaign.h"

enum { MAX_IMAGES = 64, MAX_CHANGES = 6, MAX_BYTES = 64, PATHS = 120, NAMES = 40, CASE_SECONDS = 20 };
enum { SHOWN = 8 << 20, ELF_BYTES = 0x1100, ELFS = 8 };

struct image {
    char path[512];
    uint8_t *bytes;
    uint64_t n;
    struct layout layout;
    uint64_t elf[ELFS]; // where programs begin
    unsigned elfs;
};

struct rng {
    uint64_t state;
};

static uint64_t rng_next(struct rng *r) // splitmix64
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

// ---------------------------------------------------------------- changing

struct change {
    uint64_t at;
    uint32_t n;
    uint8_t was[MAX_BYTES];
};

struct changes {
    struct change list[MAX_CHANGES * 2];
    unsigned n;
};

static void put(struct image *im, struct changes *c, uint64_t at, const void *bytes, uint32_t n)
{
    if (at >= im->n || n > im->n - at || c->n == sizeof c->list / sizeof *c->list) return;
    struct change *x = &c->list[c->n++];
    x->at = at;
    x->n = n;
    memcpy(x->was, im->bytes + at, n);
    memcpy(im->bytes + at, bytes, n);
}

static const struct region *any_region(struct rng *r, const struct layout *l)
{
    static const uint8_t weight[] = {SUPERBLOCK, GROUP,     INODE,     INODE,  INODE,  INODE,    EXTENTS, EXTENTS,
                                     EXTENTS,    DIRECTORY, DIRECTORY, XATTRS, XATTRS, POINTERS, LINK};
    enum structure kind = weight[below(r, sizeof weight)];
    return l->count[kind] ? &l->regions[l->first[kind] + below(r, l->count[kind])] : &l->regions[below(r, l->n)];
}

// Fields that lie at the front are the ones that count; the rest of a region is long.
static uint32_t offset_in(struct rng *r, const struct region *g, uint32_t width)
{
    uint64_t x = rng_next(r);
    uint32_t most = g->bytes;
    if (g->kind == INODE && x % 8 == 0) return 40 + (uint32_t)(x >> 8) % 60 / width * width; // i_block
    if (x % 8 != 1)
        for (uint32_t k = (uint32_t)(x >> 8) % 8; k > 0 && most / 2 >= 16 + width; k--) most /= 2;
    return (uint32_t)(rng_next(r) % (most / width)) * width;
}

// A field of an entry that is there: number, length, length of the name, kind.
static uint32_t entry_field(struct rng *r, const struct image *im, const struct region *g, uint32_t *width)
{
    static const uint8_t field[4] = {0, 4, 6, 7}, widths[4] = {4, 2, 1, 1};
    uint32_t at = 0, skip = (uint32_t)below(r, 12), what = (uint32_t)below(r, 4);
    while (skip-- > 0) {
        const uint8_t *p = im->bytes + g->at + at;
        uint32_t len = p[4] | (uint32_t)p[5] << 8;
        if (len < 8 || at + len + 8 > g->bytes) break;
        at += len;
    }
    *width = widths[what];
    return at + field[what];
}

static uint64_t value_for(struct rng *r, const struct image *im, uint64_t was, uint32_t width)
{
    const struct layout *l = &im->layout;
    uint64_t x = rng_next(r), ones = width == 8 ? UINT64_MAX : (1ull << width * 8) - 1;
    switch (x % 16) {
    case 0:
        return 0;
    case 1:
        return ones >> (x >> 8 & 1);
    case 2:
        return (ones >> 1) + 1;
    case 3:
        return was + 1;
    case 4:
        return was - 1;
    case 5:
    case 6:
        return was ^ 1ull << (x >> 8) % (width * 8);
    case 7:
        return l->blocks - (x >> 8) % 3;
    case 8:
        return (x >> 8) % l->blocks;
    case 9:
    case 10: // where another structure is
        return l->regions[(x >> 8) % l->n].at / l->block_size;
    case 11:
        return l->regions[(x >> 8) % l->n].number;
    case 12:
        return l->block_size - (x >> 8) % 20;
    case 13:
        return (x >> 8) % 70;
    case 14:
        return 1ull << (x >> 8) % (width * 8);
    }
    return x >> 8;
}

// Bytes of a structure over those of another of its kind, or anything.
static void splice(struct rng *r, struct image *im, struct changes *c, const struct region *g)
{
    const struct layout *l = &im->layout;
    const struct region *from = &l->regions[l->first[g->kind] + below(r, l->count[g->kind])];
    uint8_t bytes[MAX_BYTES];
    uint32_t n = 4u << below(r, 5), at = offset_in(r, g, n < g->bytes ? n : 4);
    if (n > g->bytes || at + n > from->bytes || at + n > g->bytes) return;
    memcpy(bytes, im->bytes + from->at + at, n);
    if (below(r, 4) == 0)
        for (uint32_t k = 0; k < n; k++) bytes[k] = (uint8_t)rng_next(r);
    put(im, c, g->at + at, bytes, n);
}

static void change_one(struct rng *r, struct image *im, struct changes *c, const struct region *g)
{
    uint32_t width = 1u << below(r, 3), at;
    uint64_t was = 0;
    if (below(r, 8) == 0) {
        splice(r, im, c, g);
        return;
    }
    at = g->kind == DIRECTORY && below(r, 4) ? entry_field(r, im, g, &width) : offset_in(r, g, width);
    memcpy(&was, im->bytes + g->at + at, width);
    uint64_t value = value_for(r, im, was, width);
    put(im, c, g->at + at, &value, width);
}

// The sums' bytes are undone with the rest: in the order of the list.
static void sign(struct image *im, struct changes *c, const struct region *g)
{
    uint8_t before[1 << 16];
    if (g->at + g->bytes > im->n) return;
    memcpy(before, im->bytes + g->at, g->bytes);
    layout_sign(&im->layout, g, im->bytes, im->n);
    uint32_t from = 0, to = g->bytes;
    while (from < to && before[from] == im->bytes[g->at + from]) from++;
    while (to > from && before[to - 1] == im->bytes[g->at + to - 1]) to--;
    if (from == to) return;
    struct change *x = &c->list[c->n++];
    x->at = g->at + from;
    x->n = to - from;
    if (x->n > MAX_BYTES) abort();
    memcpy(x->was, before + from, x->n);
}

// Headers of programs, and what they lead to.
static void change_program(struct rng *r, struct image *im, struct changes *c)
{
    static const uint16_t part[] = {0, 64, 64, 0x300, 0x1000}, bytes[] = {64, 224, 224, 32, 96};
    uint64_t k = below(r, sizeof part / sizeof *part), was = 0;
    uint32_t width = 1u << below(r, 4);
    uint64_t at = im->elf[below(r, im->elfs)] + part[k] + below(r, bytes[k] / width) * width;
    if (at + width > im->n) return;
    memcpy(&was, im->bytes + at, width);
    uint64_t value = below(r, 3) ? value_for(r, im, was, width) : below(r, 9000);
    put(im, c, at, &value, width);
}

static void change_some(struct rng *r, struct image *im, struct changes *c)
{
    unsigned n = 1 + (unsigned)below(r, below(r, 3) ? 2 : MAX_CHANGES);
    bool right = below(r, 2);
    if (im->elfs && below(r, 6) == 0) change_program(r, im, c);
    for (unsigned k = 0; k < n && c->n + 2 <= MAX_CHANGES * 2; k++) {
        const struct region *g = any_region(r, &im->layout);
        change_one(r, im, c, g);
        if (right) sign(im, c, g);
    }
}

static void undo(struct image *im, struct changes *c)
{
    while (c->n > 0) {
        const struct change *x = &c->list[--c->n];
        memcpy(im->bytes + x->at, x->was, x->n);
    }
}

// ---------------------------------------------------------------- looking

struct walk {
    struct mounted m;
    struct rng *r;
    char paths[PATHS][512];
    unsigned n, names;
    const char *dir;
    uint64_t found; // things that could be looked at
};

static int take_name(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct walk *w = ctx;
    (void)ino, (void)dt, (void)next;
    if (w->n == PATHS || w->names++ == NAMES) return 1;
    if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) return 0;
    int used = snprintf(w->paths[w->n], sizeof w->paths[0], "%s/%.*s", w->dir, (int)len, name);
    if (used > 0 && (size_t)used < sizeof w->paths[0]) w->n++;
    return 0;
}

static void look_in_directory(struct walk *w, const char *path)
{
    struct file *f;
    struct kstat st;
    char name[600];
    snprintf(name, sizeof name, "%s/not-there", path);
    mounted_stat(&w->m, name, &st); // before all is listed: the other way to search
    if (vfs_open(w->m.vfs, &w->m.at, path, LX_O_RDONLY | LX_O_DIRECTORY, 0, 0, &f)) return;
    w->dir = path;
    w->names = 0;
    vfs_readdir(f, take_name, w);
    file_put(f);
}

static void read_from(struct file *f, uint64_t at, unsigned pages)
{
    static uint8_t page[4096];
    f->pos = at;
    while (pages-- > 0 && mounted_read(f, page, sizeof page) > 0) {
    }
}

static void look_at_file(struct walk *w, const char *path, uint64_t size)
{
    struct file *f;
    if (vfs_open(w->m.vfs, &w->m.at, path, LX_O_RDWR, 0, 0, &f)) return;
    read_from(f, 0, 12);
    read_from(f, size > 8192 ? size - 8192 : 0, 3);
    for (unsigned k = 0; k < 4 && size; k++) read_from(f, below(w->r, size), 2);
    for (unsigned k = 0; k < 2 && size && below(w->r, 20) == 0; k++)
        vfs_seek(f, (int64_t)below(w->r, size), k ? LX_SEEK_HOLE : LX_SEEK_DATA);
    if (below(w->r, 4) == 0) { // what it says about itself is used when it is changed
        struct iob_mem io;
        char x = 'x';
        iob_mem_init(&io, &x, 1);
        f->pos = size / 2;
        vfs_write(f, &io.io, &f->pos);
        vfs_ftruncate(f, size / 3);
    }
    file_put(f);
}

static void look_at_xattrs(struct walk *w, const char *path)
{
    static char names[65536], value[65536];
    int n = mounted_xattrs(&w->m, path, names, sizeof names);
    for (int at = 0; at < n; at += (int)strlen(names + at) + 1)
        mounted_xattr(&w->m, path, names + at, value, sizeof value);
}

static void look_at(struct walk *w, const char *path)
{
    struct kstat st;
    char target[5000];
    if (mounted_stat(&w->m, path, &st)) return;
    w->found++;
    look_at_xattrs(w, path);
    switch (st.mode & LX_S_IFMT) {
    case LX_S_IFDIR:
        look_in_directory(w, path);
        break;
    case LX_S_IFREG:
        look_at_file(w, path, st.size);
        break;
    case LX_S_IFLNK:
        mounted_link(&w->m, path, target, sizeof target);
        break;
    }
}

static void change_names(struct walk *w)
{
    for (unsigned k = 1; k < w->n; k += 3) {
        vfs_unlink(w->m.vfs, &w->m.at, w->paths[k]);
        vfs_rmdir(w->m.vfs, &w->m.at, w->paths[k]);
        vfs_mkdir(w->m.vfs, &w->m.at, w->paths[k], 0700);
        if (k > 1) vfs_rename(w->m.vfs, &w->m.at, w->paths[k], &w->m.at, w->paths[k - 1], 0);
    }
}

struct counts {
    uint64_t cases, mounted, found;
    double slowest;
    uint64_t slowest_case;
};

// Memory whose pages are frames, for images from far away.
struct shown {
    struct ram ram;
    uint8_t *bytes;
    uint32_t first;
};

static void look(struct rng *r, struct shown *s, const void *bytes, uint64_t n, struct counts *c)
{
    static struct walk w;
    struct image_bytes dev;
    char why[200] = "";
    bool far = below(r, 4) == 0 && n <= SHOWN;
    if (far) memcpy(s->bytes, bytes, n);
    w.n = 0, w.r = r, w.found = 0;
    struct blockdev *d = far ? image_far_away(&dev, bytes, n, s->first, rng_next(r)) : image_bytes(&dev, bytes, n);
    if (mounted_open(&w.m, &s->ram, d, 8 << 20, why, sizeof why)) {
        if (strlen(why) < 20 || strchr(why, '\n')) abort();
        return;
    }
    c->mounted++;
    strcpy(w.paths[w.n++], "/.");
    for (unsigned k = 0; k < w.n; k++) look_at(&w, w.paths[k]);
    change_names(&w);
    c->found += w.found;
    mounted_close(&w.m);
}

// ---------------------------------------------------------------- running

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void keep_image(const char *path, const struct image *im)
{
    FILE *f = fopen(path, "w");
    if (!f || fwrite(im->bytes, 1, im->n, f) != im->n || fclose(f)) abort();
}

static void run_case(uint64_t seed, uint64_t number, struct image *images, unsigned n, struct shown *s,
                     struct counts *c, const char *keep)
{
    struct rng r = {seed ^ number * 0xd1342543de82ef95};
    struct image *im = &images[below(&r, n)];
    struct changes changes = {.n = 0};
    change_some(&r, im, &changes);
    uint64_t size = below(&r, 64) ? im->n : below(&r, im->n);
    if (keep) keep_image(keep, im);
    watch_case(number, CASE_SECONDS);
    double before = cpu_seconds();
    look(&r, s, im->bytes, size, c);
    double took = cpu_seconds() - before;
    if (took > c->slowest) c->slowest = took, c->slowest_case = number;
    undo(im, &changes);
    c->cases++;
}

static void find_programs(struct image *im)
{
    for (uint64_t at = 0; at + ELF_BYTES <= im->n && im->elfs < ELFS; at += 1024)
        if (!memcmp(im->bytes + at, "\177ELF", 4)) im->elf[im->elfs++] = at;
}

static unsigned load_images(const char *dir, struct image *images)
{
    struct dirent **names;
    unsigned n = 0;
    int found = scandir(dir, &names, NULL, alphasort); // the same order each time
    for (int k = 0; k < found; k++) {
        struct stat st;
        struct image *im = &images[n];
        const char *dot = strrchr(names[k]->d_name, '.');
        snprintf(im->path, sizeof im->path, "%s/%s", dir, names[k]->d_name);
        free(names[k]);
        FILE *f = dot && !strcmp(strrchr(im->path, '.'), ".img") && n < MAX_IMAGES ? fopen(im->path, "r") : NULL;
        if (!f || fstat(fileno(f), &st)) continue;
        im->n = (uint64_t)st.st_size;
        im->bytes = malloc(im->n);
        if (!im->bytes || fread(im->bytes, 1, im->n, f) != im->n) abort();
        fclose(f);
        layout_of(im->path, &im->layout);
        find_programs(im);
        n++;
    }
    if (found >= 0) free(names);
    return n;
}

static bool open_shown(struct shown *s)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, SHOWN) || ram_open(&s->ram, 4096)) return false;
    s->bytes = mmap(NULL, SHOWN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return s->bytes != MAP_FAILED && !ram_attach(&s->ram, fd, SHOWN, &s->first);
}

static const char *option(int argc, char **argv, const char *name)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], name)) return argv[i + 1];
    return NULL;
}

int main(int argc, char **argv)
{
    static struct image images[MAX_IMAGES];
    struct shown s;
    struct counts c = {0};
    const struct campaign run = campaign_of(argc, argv);
    const char *dir = option(argc, argv, "--images"), *keep = option(argc, argv, "--keep");
    unsigned n = dir ? load_images(dir, images) : 0;
    if (n == 0 || !open_shown(&s)) {
        fprintf(stderr,
                "usage: ext-fuzz --images DIR [--seed N] [--seconds S] [--first I] [--cases N] [--keep FILE]\n");
        return 2;
    }
    struct rng r = {0};
    unsigned elfs = 0;
    for (unsigned k = 0; k < n; k++) elfs += images[k].elfs;
    if (!elfs) fprintf(stderr, "ext-fuzz: no image has a program\n"), exit(1);
    for (unsigned k = 0; k < n; k++) { // sound, all of them: else nothing is tested
        uint64_t before = c.mounted;
        look(&r, &s, images[k].bytes, images[k].n, &c);
        if (c.mounted == before) fprintf(stderr, "ext-fuzz: cannot mount %s\n", images[k].path), exit(1);
    }
    c = (struct counts){0};
    watch_start(run.seed);
    for (uint64_t k = run.first; campaign_goes_on(&run, k); k++) run_case(run.seed, k, images, n, &s, &c, keep);
    for (unsigned k = 0; k < n; k++) free(images[k].bytes), layout_free(&images[k].layout);
    ram_close(&s.ram);
    printf(
        "ext-fuzz: seed %llu: %llu cases on %u images, %llu mounted, %llu files looked at, %.0f s of CPU; the slowest "
        "case, %llu, took %.2f s\n",
        (unsigned long long)run.seed, (unsigned long long)c.cases, n, (unsigned long long)c.mounted,
        (unsigned long long)c.found, cpu_seconds(), (unsigned long long)c.slowest_case, c.slowest);
    return 0;
}
