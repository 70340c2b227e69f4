// Boxes on delta files that somebody has made to do harm: bits of the file flipped, or rows with any numbers and names
// (directories in circles, sizes, pages and inodes that cannot be). Opened, or refused with a line; then everything is
// looked at and read, and some of it changed and saved. Nothing may crash, hang or lose memory; content is never asked
// for. A case is a function of the seed and its number:
//
//     stacked-fuzz --seed N --seconds S        stacked-fuzz --seed N --first I --cases 1
#include <sys/stat.h>
#include "disk/sqlite.h"
#include "tests/delta/stacked.h"
#include "tests/delta/sums.h"
#include "tests/store/campaign.h"

enum { MOST_VISITS = 200, MOST_DEPTH = 12 };

static char work[64], image[80], good[80], bad[80];

struct chance {
    uint64_t state;
};
static uint64_t any(struct chance *c)
{
    c->state += 0x9e3779b97f4a7c15ull; // splitmix64
    uint64_t z = c->state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}
static uint64_t below(struct chance *c, uint64_t n)
{
    return any(c) % n;
}

// ---------------------------------------------------------------- a good delta

static void make_good(void)
{
    struct stacked s;
    char command[640], path[40];
    snprintf(
        command, sizeof command,
        "cd %s && mkdir -p s/dir/sub && head -c 30000 /dev/zero | tr '\\0' i > s/file && ln -s file s/link && for i "
        "in 1 2 3 4 5 6 7 8 9; do echo $i > s/dir/$i; done && PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext2 -b "
        "4096 -N 64 -d s image 400k",
        work);
    if (system(command)) fail_msg("cannot make the image");
    assert_int_equal(stacked_open(&s, image, good, 1 << 26, 8192, 16 << 20, false), 0);
    struct vfs *v = s.b.vfs;
    for (unsigned k = 0; k < 5; k++) {
        snprintf(path, sizeof path, "/dir/sub/d%u", k);
        assert_int_equal(vfs_mkdir(v, &s.b.at, path, 0755), 0);
        strcat(path, "/file");
        v_put(&s.b, path, "some text");
    }
    assert_int_equal(vfs_unlink(v, &s.b.at, "/dir/3"), 0);
    assert_int_equal(vfs_symlink(v, &s.b.at, "/dir/sub", "/new"), 0);
    assert_int_equal(vfs_rename(v, &s.b.at, "/dir/4", &s.b.at, "/dir/sub/4", 0), 0);
    struct file *f;
    assert_int_equal(v_open(&s.b, "/file", LX_O_RDWR, &f), 0);
    f->pos = 9000;
    assert_int_equal(v_write(f, "changed", 7), 7);
    f->pos = 300000;
    assert_int_equal(v_write(f, "far", 3), 3);
    assert_int_equal(vfs_fallocate(f, 3, 12288, 8192), 0); // KEEP_SIZE | PUNCH_HOLE
    assert_int_equal(vfs_setxattr(&f->path, &s.b.cred, "user.x", "y", 1, 0), 0);
    file_put(f);
    assert_int_equal(vfs_sync(v), 0);
    stacked_close(&s);
}

// ---------------------------------------------------------------- a bad one

static uint8_t *load(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    uint8_t *bytes = malloc((size_t)st.st_size);
    *n = fread(bytes, 1, (size_t)st.st_size, f);
    fclose(f);
    return bytes;
}

static void store(const char *path, const uint8_t *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void flip(struct chance *c, uint8_t *bytes, size_t n)
{
    for (uint64_t k = 1 + below(c, 8); k > 0; k--) {
        size_t at = below(c, 4) ? below(c, n) : below(c, n < 200 ? n : 200);
        bytes[at] = below(c, 2) ? (uint8_t)any(c) : bytes[at] ^ (uint8_t)(1u << below(c, 8));
    }
}

static int64_t number(struct chance *c)
{
    static const int64_t odd[] = {0,  1,  2,    11,         12,         64,         65,        66,
                                  70, -1, 4096, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, INT64_MIN};
    switch (below(c, 4)) {
    case 0:
        return (int64_t)below(c, 80);
    case 1:
        return (int64_t)(any(c) >> below(c, 64));
    default:
        return odd[below(c, sizeof odd / sizeof *odd)];
    }
}

// Rows as they could be written by anybody with SQLite at hand.
static void spoil_row(struct chance *c, char *sql, size_t n)
{
    static const char *const columns[] = {"mode",        "nlink", "uid",      "rdev",  "size",     "flags",
                                          "image_pages", "atime", "mtime_ns", "btime", "ctime_ns", "ino"};
    static const char *const names[] = {"x'2e'", "x'2e2e'",         "x'612f62'",      "x''",
                                        "x'00'", "randomblob(255)", "randomblob(300)"};
    long long a = number(c), b = number(c), d = number(c);
    long long row = (long long)below(c, 8);
    switch (below(c, 9)) {
    case 0:
        snprintf(sql, n, "UPDATE OR REPLACE inode SET %s=%lld WHERE rowid=(SELECT ino FROM inode LIMIT 1 OFFSET %lld)",
                 columns[below(c, 12)], a, row);
        return;
    case 1: // circles
        snprintf(sql, n,
                 "UPDATE name SET ino=(SELECT ino FROM inode LIMIT 1 OFFSET %lld), type=%lld WHERE name=(SELECT name "
                 "FROM name LIMIT 1 OFFSET %lld)",
                 row, b & 15, (long long)below(c, 12));
        return;
    case 2:
        snprintf(sql, n, "UPDATE OR REPLACE name SET name=%s WHERE name=(SELECT name FROM name LIMIT 1 OFFSET %lld)",
                 names[below(c, 7)], row);
        return;
    case 3:
        snprintf(sql, n,
                 "UPDATE OR REPLACE name SET ino=%lld, dir=%lld WHERE name=(SELECT name FROM name LIMIT 1 OFFSET %lld)",
                 a, b, row);
        return;
    case 4:
        snprintf(sql, n, "UPDATE page SET data=%lld, hole=%lld WHERE id=(SELECT id FROM page LIMIT 1 OFFSET %lld)",
                 a & 0x1ffff, b & 0xffff, row);
        return;
    case 5:
        snprintf(sql, n, "INSERT OR REPLACE INTO page VALUES(%lld,%lld,%lld,0,zeroblob(%lld))",
                 (long long)((uint64_t)(a & 0xff) << 28 | (d & 0xfffffff)), b & 0xffff, a & 0xffff, d & 0x1ffff);
        return;
    case 6:
        snprintf(sql, n, "INSERT OR REPLACE INTO xattr VALUES(%lld,%s,zeroblob(%lld))", a, names[below(c, 7)],
                 b & 0x1ffff);
        return;
    case 7:
        snprintf(sql, n, "DELETE FROM inode WHERE ino=(SELECT ino FROM inode LIMIT 1 OFFSET %lld)", row);
        return;
    default:
        snprintf(sql, n, "UPDATE meta SET next_ino=%lld", a);
    }
}

static void spoil_rows(struct chance *c, struct sqlite *lib, const char *path)
{
    sqlite3 *db;
    char sql[400];
    assert_int_equal(lib->open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    lib->exec(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY; BEGIN", NULL, NULL, NULL);
    for (uint64_t k = 1 + below(c, 5); k > 0; k--) {
        spoil_row(c, sql, sizeof sql);
        (void)lib->exec(db, sql, NULL, NULL, NULL); // some it refuses itself
    }
    if (below(c, 5)) right_sums(lib, db);
    lib->exec(db, "COMMIT; PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    lib->close(db);
}

// ---------------------------------------------------------------- a box on it

struct visit {
    char names[24][256];
    unsigned n;
};

static int note_name(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct visit *v = ctx;
    (void)ino, (void)dt, (void)next;
    if (v->n == 24 || len > 255) return 1;
    memcpy(v->names[v->n], name, len);
    v->names[v->n++][len] = 0;
    return 0;
}

static void read_some(struct file *f)
{
    char buf[8192];
    for (unsigned k = 0; k < 40 && v_read(f, buf, sizeof buf) > 0; k++) continue;
    int64_t at = vfs_seek(f, 0, LX_SEEK_DATA);
    for (unsigned k = 0; k < 20 && at >= 0; k++) {
        if (vfs_seek(f, at, LX_SEEK_SET) < 0 || v_read(f, buf, sizeof buf) < 0) break;
        at = vfs_seek(f, at, LX_SEEK_HOLE);
        if (at >= 0) at = vfs_seek(f, at, LX_SEEK_DATA);
    }
}

static void look(struct stacked *s, const char *path, unsigned depth, unsigned *visits)
{
    struct path p;
    struct kstat st;
    struct file *f;
    char text[4200];
    if (depth > MOST_DEPTH || (*visits)++ > MOST_VISITS) return;
    if (vfs_lookup(s->b.vfs, &s->b.at, path, 0, &p)) return;
    (void)vfs_getattr(&p, &st);
    (void)vfs_readlink(&p, text, sizeof text);
    (void)vfs_listxattr(&p, &s->b.cred, text, sizeof text);
    (void)vfs_getxattr(&p, &s->b.cred, "user.x", text, sizeof text);
    uint32_t kind = path_inode(&p)->mode & LX_S_IFMT;
    path_put(&p);
    if ((kind != LX_S_IFREG && kind != LX_S_IFDIR) || v_open(&s->b, path, LX_O_RDONLY, &f)) return;
    struct visit *v = calloc(1, sizeof *v);
    if (kind == LX_S_IFREG) read_some(f);
    if (kind == LX_S_IFDIR) (void)vfs_readdir(f, note_name, v);
    file_put(f);
    for (unsigned k = 0; k < v->n; k++) {
        if (!strcmp(v->names[k], ".") || !strcmp(v->names[k], "..")) continue;
        snprintf(text, sizeof text, "%s/%s", depth ? path : "", v->names[k]);
        look(s, text, depth + 1, visits);
    }
    free(v);
}

static void change(struct chance *c, struct stacked *s)
{
    static const char *const paths[] = {"/file", "/dir/1", "/dir/sub/d0/file", "/dir/sub/d1", "/dir",
                                        "/new",  "/link",  "/dir/sub/4",       "/fresh"};
    struct file *f;
    for (unsigned k = 0; k < 12; k++) {
        const char *a = paths[below(c, 9)], *b = paths[below(c, 9)];
        switch (below(c, 6)) {
        case 0:
            if (v_open(&s->b, a, LX_O_RDWR | LX_O_CREAT, &f)) break;
            f->pos = below(c, 200000);
            (void)v_write(f, "bytes", 5);
            file_put(f);
            break;
        case 1:
            if (v_open(&s->b, a, LX_O_RDWR, &f)) break;
            (void)vfs_ftruncate(f, below(c, 100000));
            (void)vfs_fallocate(f, 3, below(c, 50000), 1 + below(c, 50000));
            file_put(f);
            break;
        case 2:
            (void)vfs_rename(s->b.vfs, &s->b.at, a, &s->b.at, b, below(c, 3) ? 0 : LX_RENAME_EXCHANGE);
            break;
        case 3:
            (void)vfs_unlink(s->b.vfs, &s->b.at, a);
            (void)vfs_rmdir(s->b.vfs, &s->b.at, a);
            break;
        case 4:
            (void)vfs_link(s->b.vfs, &s->b.at, a, 0, &s->b.at, b);
            break;
        default:
            (void)vfs_sync(s->b.vfs);
            vfs_reclaim(s->b.vfs);
        }
    }
}

static bool use(struct chance *c, const char *path)
{
    struct stacked s;
    unsigned visits = 0;
    int err = stacked_open(&s, image, path, 1 << 24, 2048, 2 << 20, below(c, 2));
    if (err) {
        assert_true(err < 0 && s.why[0] && !strchr(s.why, '\n'));
    } else {
        look(&s, "/", 0, &visits);
        change(c, &s);
        visits = 0;
        look(&s, "/", 0, &visits);
        (void)vfs_sync(s.b.vfs);
    }
    stacked_close(&s);
    return !err;
}

static void one_case(uint64_t seed, uint64_t index, const uint8_t *bytes, size_t n, struct sqlite *lib,
                     uint64_t *opened)
{
    struct chance c = {seed * 1000003 + index};
    char journal[100];
    uint8_t *copy = malloc(n);
    memcpy(copy, bytes, n);
    bool rows = below(&c, 3) > 0;
    if (!rows) flip(&c, copy, n);
    snprintf(journal, sizeof journal, "%s-journal", bad);
    unlink(journal);
    store(bad, copy, n);
    free(copy);
    if (rows) spoil_rows(&c, lib, bad);
    *opened += use(&c, bad);
}

int main(int argc, char **argv)
{
    struct campaign c = campaign_of(argc, argv);
    struct sqlite lib;
    char why[200], command[100];
    uint64_t opened = 0, cases = 0;
    size_t n;
    const char *tmp = getenv("TMPDIR"); // a file system in memory makes ten times as many cases
    snprintf(work, sizeof work, "%.30s/belljar-stacked-fuzz-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(work) || sqlite_load(&lib, why, sizeof why)) return 1;
    snprintf(image, sizeof image, "%s/image", work);
    snprintf(good, sizeof good, "%s/good", work);
    snprintf(bad, sizeof bad, "%s/bad", work);
    make_good();
    uint8_t *bytes = load(good, &n);
    for (uint64_t k = c.first; k - c.first < c.cases && time(NULL) < c.end; k++, cases++)
        one_case(c.seed, k, bytes, n, &lib, &opened);
    free(bytes);
    sqlite_unload(&lib);
    snprintf(command, sizeof command, "rm -rf %s", work);
    printf("%llu cases, %llu opened\n", (unsigned long long)cases, (unsigned long long)opened);
    return system(command) || !cases || !opened;
}
