// delta-fuzz: any bytes as a delta file (disk/deltafile.h). What its readers take must be in range, reading ends, and
// what `image commit` makes of it without a complaint is an image that e2fsck finds nothing in.
//
//     delta-fuzz BELLJAR [--seed N] [--first N] [--cases N] [--seconds S]
//
// A case is a function of the seed and its number: a delta with bytes changed, cut off, or with rows changed by SQLite
// (numbers at edges, rows that contradict each other, names that are none). Each 40th is also given to the command.
//
// It calls the command as a program of this machine:
// ctest: LABELS no-aarch64
#include "disk/commit.h"
#include "disk/digest.h"
#include "disk/layers.h"
#include "disk/sqlite.h"
#include "model.h"
#include "shell.h"
#include "sums.h"
#include "tests/store/campaign.h"
#include "tests/insn/values.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *options;
    uint32_t block_size;
} kinds[] = {
    {"-t ext4 -b 4096 -O inline_data,^has_journal -N 400", 4096},
    {"-t ext2 -b 1024 -N 400", 1024},
    {"-t ext4 -b 1024 -O ^has_journal -N 400", 1024},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct seed {
    char image[200], delta[200];
    uint8_t *bytes;
    size_t n;
};
struct fuzz {
    struct sqlite lib;
    char directory[64], delta[200], image[200];
    const char *belljar;
    struct seed seed[KINDS];
    uint64_t cases, opened, whole, committed, checked, rows;
};

static _Noreturn void stop(const char *what)
{
    fprintf(stderr, "delta-fuzz: %s\n", what);
    exit(2);
}

static ext2_filsys open_image(const char *path, int flags)
{
    ext2_filsys fs;
    if (ext2fs_open2(path, "", EXT2_FLAG_64BITS | flags, 0, 0, unix_io_manager, &fs)) stop(path);
    return fs;
}

static void load(struct seed *s)
{
    struct stat st;
    int fd = open(s->delta, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) || !(s->bytes = malloc((size_t)st.st_size))) stop(s->delta);
    s->n = (size_t)st.st_size;
    if (read(fd, s->bytes, s->n) != (ssize_t)s->n) stop(s->delta);
    close(fd);
}

static void make_seed(struct fuzz *f, unsigned k)
{
    struct seed *s = &f->seed[k];
    struct rng r = {.state = 77 + k};
    struct model m;
    struct delta_base base = {0};
    struct deltafile *d;
    char why[DELTA_WHY];
    snprintf(s->image, sizeof s->image, "%s/image%u", f->directory, k);
    snprintf(s->delta, sizeof s->delta, "%s/delta%u", f->directory, k);
    if (run("mkdir -p %s/t/a/b && cd %s/t && for i in 1 2 3 4 5 6 7 8; do seq $((i * 900)) >a/f$i; done && ln -sf /a "
            "a/link && "
            "mke2fs -q -F -d . %s %s 10M >/dev/null 2>&1",
            f->directory, f->directory, kinds[k].options, s->image))
        stop("mke2fs");
    int fd = open(s->image, O_RDONLY);
    base.bytes = (uint64_t)lseek(fd, 0, SEEK_END);
    if (fd < 0 || image_digest(fd, base.bytes, base.digest, NULL, NULL, why, sizeof why)) stop(why);
    close(fd);
    ext2_filsys fs = open_image(s->image, 0);
    model_read(&m, fs);
    base.inodes = fs->super->s_inodes_count;
    ext2fs_close_free(&fs);
    if (deltafile_open(&d, s->delta, DELTA_WRITE, &base, why)) stop(why);
    model_change(&m, d, &r, 60, kinds[k].block_size, false);
    deltafile_close(d);
    model_free(&m);
    load(s);
}

// ---------------------------------------------------------------- the readers, all of them

static int see_chunk(void *ctx, const struct delta_chunk *c)
{
    uint64_t *any = ctx;
    if (c->data & c->hole || c->index >= 1u << 28) abort();
    for (int i = 0; i < __builtin_popcount(c->data) * DELTA_PAGE; i += 64) *any += c->bytes[i];
    return 0;
}

static int see_xattr(void *ctx, const char *name, const void *value, size_t n)
{
    uint64_t *any = ctx;
    if (strlen(name) > DELTA_NAME_MAX || n > DELTA_XATTR_MAX) abort();
    for (size_t i = 0; i < n; i++) *any += ((const uint8_t *)value)[i];
    return 0;
}

static int see_name(void *ctx, const struct delta_name *n)
{
    uint64_t *any = ctx;
    if (n->len == 0 || n->len > DELTA_NAME_MAX || memchr(n->name, '/', n->len)) abort();
    *any += n->ino;
    return 0;
}

struct inodes {
    uint64_t ino[2000], any;
    unsigned n;
};

static int see_inode(void *ctx, const struct delta_inode *i)
{
    struct inodes *all = ctx;
    if (i->ino == 0 || i->ino > DELTA_INO_MAX || i->size > DELTA_SIZE_MAX || i->mode > 0177777) abort();
    if (i->target && strnlen(i->target, i->size) != i->size) abort();
    if (all->n < 2000) all->ino[all->n++] = i->ino;
    return 0;
}

static void read_delta(struct deltafile *d, struct inodes *all)
{
    if (deltafile_inodes(d, 0, see_inode, all)) return;
    deltafile_names(d, 0, NULL, 0, see_name, &all->any);
    for (unsigned k = 0; k < all->n; k++) {
        deltafile_chunks(d, all->ino[k], 0, true, see_chunk, &all->any);
        deltafile_xattrs(d, all->ino[k], see_xattr, &all->any);
    }
    all->any += deltafile_next_ino(d);
}

static void read_file(struct layers *l, const struct layer_inode *i)
{
    uint8_t page[DELTA_PAGE];
    uint32_t index = 0;
    for (int n = 0; n < 40 && index < layers_pages(i); n++, index++)
        if (layers_next_page(l, i, index, &index) || layers_page(l, i, index, page) < 0) return;
}

static void read_layers(struct layers *l, const struct inodes *all)
{
    struct layer_inode i;
    struct layer_names names;
    uint64_t ino, any = 0;
    static const char *const paths[] = {"/a/link/f1", "/", "/a/../a/b/", "/lost+found/x"};
    for (unsigned k = 0; k < 4; k++) layers_walk(l, paths[k], true, &ino);
    for (unsigned k = 0; k < all->n; k++) {
        if (layers_inode(l, all->ino[k], &i)) continue;
        if (LINUX_S_ISREG(i.is.mode)) read_file(l, &i);
        layers_xattrs(l, &i, see_xattr, &any);
        if (LINUX_S_ISDIR(i.is.mode)) {
            layers_names(l, all->ino[k], &names);
            layer_names_free(&names);
        }
    }
}

// Into a copy, which only counts if commit says nothing.
static void commit(struct fuzz *f, const struct seed *s, struct deltafile *d, struct rng *r)
{
    struct commit_result result;
    char why[DELTA_WHY] = "";
    if (run("cp %s %s", s->image, f->image)) stop("cp");
    ext2_filsys fs = open_image(f->image, EXT2_FLAG_RW);
    int err = commit_delta(fs, d, NULL, NULL, &result, why);
    if (err && !*why) abort();
    if (err) {
        ext2fs_free(fs);
        return;
    }
    f->committed++;
    if (ext2fs_close_free(&fs)) abort();
    if (rng_below(r, 4)) return;
    f->checked++;
    if (run("e2fsck -fn %s >%s/log 2>&1", f->image, f->directory)) {
        run("cat %s/log", f->directory);
        abort();
    }
}

static void read_all(struct fuzz *f, const struct seed *s, struct rng *r)
{
    struct deltafile *d;
    char why[DELTA_WHY] = "";
    static struct inodes all;
    struct layers l;
    f->cases++;
    alarm(60);
    if (deltafile_open(&d, f->delta, DELTA_READ, NULL, why)) {
        if (!*why || strchr(why, '\n')) abort();
        return;
    }
    f->opened++;
    all.n = 0;
    bool whole = deltafile_check(d) == 0;
    f->whole += whole;
    read_delta(d, &all);
    ext2_filsys fs = open_image(s->image, 0);
    layers_init(&l, fs, d);
    if (l.image_inodes == fs->super->s_inodes_count) { // what opening it with the image's base asks for
        read_layers(&l, &all);
        if (whole) commit(f, s, d, r);
    }
    layers_end(&l);
    ext2fs_close_free(&fs);
    deltafile_close(d);
}

// ---------------------------------------------------------------- cases

static void write_delta(const struct fuzz *f, const uint8_t *bytes, size_t n)
{
    int fd = open(f->delta, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd)) stop(f->delta);
}

static void change_bytes(struct fuzz *f, const struct seed *s, struct rng *r)
{
    uint8_t *bytes = malloc(s->n);
    size_t n = rng_percent(r, 10) ? rng_below(r, (unsigned)s->n) : s->n;
    memcpy(bytes, s->bytes, s->n);
    // Mostly where pages begin: that is where the numbers are.
    for (unsigned k = 1 + rng_below(r, 8); k; k--) {
        size_t at = rng_percent(r, 30) ? rng_below(r, (unsigned)s->n)
                                       : rng_below(r, (unsigned)(s->n / 16384)) * 16384u + rng_below(r, 200);
        bytes[at] = rng_percent(r, 50) ? (uint8_t)rng_next(r) : bytes[at] ^ (uint8_t)(1 << rng_below(r, 8));
    }
    if (rng_percent(r, 80)) memcpy(bytes, s->bytes, 100); // SQLite's header
    write_delta(f, bytes, n);
    free(bytes);
}

static int64_t number(struct rng *r)
{
    static const int64_t edges[] = {0,  1,   2,   3,    11,   12,    13,         400,       401,       402,      -1,
                                    16, 255, 256, 4095, 4096, 65535, 0xffffffff, 1ll << 32, INT64_MAX, INT64_MIN};
    return rng_percent(r, 70) ? edges[rng_below(r, 21)] : (int64_t)(rng_next(r) >> rng_below(r, 64));
}

// One statement that changes rows, mostly of one table.
static void make_statement(struct rng *r, char text[400])
{
    static const char *const columns[] = {"ino",  "mode",  "nlink",    "uid",         "rdev",
                                          "size", "flags", "mtime_ns", "image_pages", "ctime"};
    long long a = number(r), b = number(r), c = number(r);
    unsigned row = rng_below(r, 60);
    switch (rng_below(r, 14)) {
    case 0:
    case 1:
    case 2:
        sprintf(text, "UPDATE OR REPLACE inode SET %s=%lld WHERE ino=(SELECT ino FROM inode LIMIT 1 OFFSET %u)",
                columns[rng_below(r, 10)], a, row);
        return;
    case 3:
        sprintf(text, "UPDATE inode SET mode=(mode&4095)|%u WHERE ino=(SELECT ino FROM inode LIMIT 1 OFFSET %u)",
                rng_below(r, 16) << 12, row);
        return;
    case 4:
        sprintf(text, "DELETE FROM inode WHERE ino=(SELECT ino FROM inode LIMIT 1 OFFSET %u)", row);
        return;
    case 5:
        sprintf(text, "UPDATE name SET ino=%lld WHERE (dir,name)=(SELECT dir,name FROM name LIMIT 1 OFFSET %u)", a,
                row);
        return;
    case 6:
        sprintf(text,
                "UPDATE OR REPLACE name SET dir=%lld WHERE (dir,name)=(SELECT dir,name FROM name LIMIT 1 OFFSET %u)", a,
                row);
        return;
    case 7:
        sprintf(text, "INSERT OR REPLACE INTO name SELECT %lld, x'%s', ino, type FROM name LIMIT 1 OFFSET %u", a,
                rng_percent(r, 50) ? "2e2e" : "612f62", row);
        return;
    case 8: // another name, of a directory perhaps
        sprintf(text, "INSERT OR REPLACE INTO name SELECT dir, x'7a%02x', ino, type FROM name LIMIT 1 OFFSET %u",
                rng_below(r, 256), row);
        return;
    case 9:
        sprintf(text, "DELETE FROM name WHERE (dir,name)=(SELECT dir,name FROM name LIMIT 1 OFFSET %u)", row);
        return;
    case 10:
        sprintf(
            text,
            "UPDATE OR REPLACE page SET id=%lld+(%lld<<28), data=%lld WHERE id=(SELECT id FROM page LIMIT 1 OFFSET %u)",
            b & 0xfffffff, a & 0x3ff, c, row);
        return;
    case 11:
        sprintf(text,
                "UPDATE page SET hole=%lld, bytes=zeroblob(%lld) WHERE id=(SELECT id FROM page LIMIT 1 OFFSET %u)", a,
                b & 0xfffff, row);
        return;
    case 12:
        sprintf(text,
                "INSERT OR REPLACE INTO xattr VALUES((SELECT ino FROM inode LIMIT 1 OFFSET %u), x'%s', zeroblob(%lld))",
                row, rng_percent(r, 50) ? "757365722e78" : "73797374656d2e64617461", a & 0x1ffff);
        return;
    default:
        sprintf(text, "UPDATE meta SET next_ino=%lld", a);
    }
}

static void change_rows(struct fuzz *f, const struct seed *s, struct rng *r)
{
    sqlite3 *db;
    char text[400];
    write_delta(f, s->bytes, s->n);
    if (f->lib.open_v2(f->delta, &db, SQLITE_OPEN_READWRITE, NULL)) stop("sqlite");
    f->lib.exec(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY", NULL, NULL, NULL);
    for (unsigned k = 1 + rng_below(r, 4); k; k--) {
        make_statement(r, text);
        f->rows += f->lib.exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
    }
    if (rng_percent(r, 80)) right_sums(&f->lib, db);
    f->lib.close(db);
}

// One line and 125, or nothing to complain of.
static void command(const struct fuzz *f, const struct seed *s)
{
    static const char *const commands[] = {"diff %s %s", "export --delta %2$s %1$s /"};
    char use[500];
    for (unsigned k = 0; k < 2; k++) {
        snprintf(use, sizeof use, commands[k], s->image, f->delta);
        int status = run("timeout 20 %s image %s 2>%s/log >/dev/null", f->belljar, use, f->directory);
        if (status == 124 && k == 1) continue; // terabytes of zeros, as the delta says
        if (status != 0 && (status != 125 || run("test $(wc -l <%s/log) -eq 1", f->directory))) abort();
    }
}

// For whoever wants to see the case again.
static struct campaign campaign;
static uint64_t current;
static void died(int signal)
{
    fprintf(stderr, "delta-fuzz: signal %d: --seed %llu --first %llu --cases 1\n", signal,
            (unsigned long long)campaign.seed, (unsigned long long)current);
    _exit(1);
}

int main(int argc, char **argv)
{
    static struct fuzz f = {.directory = "/dev/shm/belljar-delta-fuzz-XXXXXX"};
    char why[200];
    if (argc < 2) return 2;
    if (!mkdtemp(f.directory)) { // libext2fs syncs
        strcpy(f.directory, "/tmp/belljar-delta-fuzz-XXXXXX");
        if (!mkdtemp(f.directory)) return 2;
    }
    struct campaign c = campaign = campaign_of(argc - 1, argv + 1);
    signal(SIGABRT, died);
    signal(SIGALRM, died);
    f.belljar = argv[1];
    initialize_ext2_error_table();
    if (sqlite_load(&f.lib, why, sizeof why)) stop(why);
    snprintf(f.delta, sizeof f.delta, "%s/x", f.directory);
    snprintf(f.image, sizeof f.image, "%s/copy", f.directory);
    for (unsigned k = 0; k < KINDS; k++) make_seed(&f, k);
    for (uint64_t n = c.first; n - c.first < c.cases && (n % 8 || time(NULL) < c.end); n++) {
        struct rng r = {.state = c.seed * 0x100000001b3 + n};
        const struct seed *s = &f.seed[n % KINDS];
        current = n;
        if (rng_percent(&r, 40))
            change_bytes(&f, s, &r);
        else
            change_rows(&f, s, &r);
        read_all(&f, s, &r);
        if (n % 40 == 39) command(&f, s);
    }
    printf("seed %llu: %llu cases, %llu opened, %llu whole, %llu statements, %llu committed, %llu of them checked\n",
           (unsigned long long)c.seed, (unsigned long long)f.cases, (unsigned long long)f.opened,
           (unsigned long long)f.whole, (unsigned long long)f.rows, (unsigned long long)f.committed,
           (unsigned long long)f.checked);
    for (unsigned k = 0; k < KINDS; k++) free(f.seed[k].bytes);
    sqlite_unload(&f.lib);
    run("rm -r %s", f.directory);
    // A campaign that reaches nothing says nothing.
    return f.cases >= 100 && (f.opened == 0 || f.committed == 0) ? 1 : 0;
}
