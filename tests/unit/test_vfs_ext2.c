// The root from an image: everything is found as mke2fs -d put it there, changes stay above it, and corrupt images are
// errors, never crashes. ctest: TIMEOUT 600
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/vfs_box.h"
#include "vfs/ext2.h"

// ---------------------------------------------------------------- images made here

static char work[64];

static void sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void sh(const char *format, ...)
{
    char command[2048], quiet[2100];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(quiet, sizeof quiet, "{ %s; } >/dev/null", command);
    if (system(quiet) != 0) fail_msg("failed: %s", command);
}

static int setup(void **state)
{
    (void)state;
    strcpy(work, "/tmp/belljar-ext2-XXXXXX");
    if (!mkdtemp(work)) return -1;
    sh("cd %s && mkdir -p src/dir/sub src/many && echo hello > src/hello && ln -s hello src/short && ln src/hello "
       "src/dir/hard && "
       "ln -s \"$(printf 'x%%.0s' $(seq 100))\" src/long && mkfifo src/fifo && chmod 4755 src/hello && chmod 1777 "
       "src/dir && "
       "head -c 9000000 /dev/urandom > src/big && head -c 5000 /dev/urandom > src/dir/five && : > src/empty && "
       "truncate -s 5G src/sparse && printf end | dd of=src/sparse bs=1 seek=3500000000 conv=notrunc status=none && "
       "for i in $(seq 1500); do echo $i > src/many/a-file-with-a-long-name-$i; done && touch -d '2001-02-03 04:05:06' "
       "src/dir/five",
       work);
    sh("cd %s && mke2fs -q -F -t ext2 -b 4096 -d src e2.img 64M && mke2fs -q -F -t ext2 -b 1024 -d src e2k.img 64M && "
       "mke2fs -q -F -t ext3 -b 2048 -d src e3.img 64M && mke2fs -q -F -t ext4 -b 4096 -d src e4.img 64M && mke2fs -q "
       "-F -t ext4 -b 1024 -d src e4k.img 64M",
       work);
    sh("cd %s && mkdir -p tiny/d && echo one > tiny/d/one && ln -s d tiny/l && head -c 20000 /dev/zero | tr '\\0' q > "
       "tiny/q && "
       "mke2fs -q -F -t ext2 -b 1024 -N 16 -d tiny t2.img 128k && mke2fs -q -F -t ext4 -O ^has_journal,^metadata_csum "
       "-b 1024 -N 16 -d tiny t4.img 128k",
       work);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sh("rm -rf %s", work);
    return 0;
}

static const char *in_work(const char *name)
{
    static _Thread_local char path[256];
    snprintf(path, sizeof path, "%s/%s", work, name);
    return path;
}

static void open_image(struct vbox *b, const char *path)
{
    struct blockdev *dev;
    struct fs *fs;
    char why[200] = "";
    vbox_open_empty(b, 65536, 64 << 20);
    assert_int_equal(blockfile_open(&b->ram, path, &dev, why, sizeof why), 0);
    if (extfs_new(b->vfs, dev, &fs, why, sizeof why) != 0) fail_msg("%s", why);
    assert_int_equal(vfs_mount(b->vfs, fs, "/", "image", 0), 0);
    vbox_mounted(b);
}

// ---------------------------------------------------------------- comparing with the source

static void compare_bytes(struct vbox *b, const char *inside, const char *outside, uint64_t from, uint64_t size)
{
    static uint8_t x[65536], y[65536];
    struct file *f;
    assert_int_equal(v_open(b, inside, LX_O_RDONLY, &f), 0);
    int fd = open(outside, O_RDONLY);
    assert_true(fd >= 0);
    for (f->pos = from; from < size;) {
        int64_t n = v_read(f, x, sizeof x);
        assert_int_equal(pread(fd, y, sizeof y, (off_t)from), n);
        assert_memory_equal(x, y, (size_t)n);
        from += (uint64_t)n;
    }
    assert_int_equal(v_read(f, x, 1), f->inode->size > size ? 1 : 0);
    close(fd);
    file_put(f);
}

static void compare_stat(const struct kstat *st, const struct stat *want, const char *path)
{
    bool dir = S_ISDIR(want->st_mode), same = st->mode == want->st_mode && st->nlink == want->st_nlink &&
                                              st->uid == want->st_uid && st->gid == want->st_gid &&
                                              (dir || st->size == (uint64_t)want->st_size) &&
                                              st->mtime.sec == want->st_mtim.tv_sec;
    if (!same) fail_msg("%s: attributes differ", path);
}

static unsigned compare_tree(struct vbox *b, const char *inside, const char *outside);

static unsigned compare_one(struct vbox *b, const char *inside, const char *outside)
{
    struct kstat st;
    struct stat want;
    assert_int_equal(lstat(outside, &want), 0);
    if (v_stat(b, inside, &st) != 0) fail_msg("%s is missing", inside);
    compare_stat(&st, &want, inside);
    if (S_ISDIR(want.st_mode)) return compare_tree(b, inside, outside);
    if (S_ISREG(want.st_mode))
        compare_bytes(b, inside, outside, st.size > 1 << 30 ? 3499999000u : 0,
                      st.size > 1 << 30 ? 3500000003u : st.size);
    if (S_ISLNK(want.st_mode)) {
        char x[5000] = "", y[5000] = "";
        struct path p;
        assert_int_equal(vfs_lookup(b->vfs, &b->at, inside, 0, &p), 0);
        assert_int_equal(vfs_readlink(&p, x, sizeof x), readlink(outside, y, sizeof y));
        path_put(&p);
        assert_string_equal(x, y);
    }
    return 1;
}

static int count_names(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    (void)dt, (void)next, (void)ino;
    if (len != 10 || memcmp(name, "lost+found", 10) != 0) ++*(unsigned *)ctx;
    return 0;
}

static unsigned compare_tree(struct vbox *b, const char *inside, const char *outside)
{
    unsigned all = 1, names = 0, listed = 0;
    char x[4096], y[4096];
    DIR *d = opendir(outside);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)); names++) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        snprintf(x, sizeof x, "%s/%s", strcmp(inside, "/") ? inside : "", e->d_name);
        snprintf(y, sizeof y, "%s/%s", outside, e->d_name);
        all += compare_one(b, x, y);
    }
    closedir(d);
    struct file *f;
    assert_int_equal(v_open(b, inside, LX_O_RDONLY | LX_O_DIRECTORY, &f), 0);
    assert_int_equal(vfs_readdir(f, count_names, &listed), 0);
    file_put(f);
    assert_int_equal(listed, names);
    return all;
}

static void test_same_as_source(void **state)
{
    static const char *const images[] = {"e2.img", "e2k.img", "e3.img", "e4.img", "e4k.img"};
    struct vbox b;
    (void)state;
    for (unsigned k = 0; k < sizeof images / sizeof *images; k++) {
        open_image(&b, in_work(images[k]));
        sh("chmod 755 %s/src", work);
        struct kstat st;
        assert_int_equal(v_stat(&b, "/", &st), 0);
        assert_int_equal(st.ino, 2);
        static const char *const tops[] = {"hello", "short", "long", "fifo", "big", "empty", "sparse", "dir", "many"};
        for (unsigned t = 0; t < sizeof tops / sizeof *tops; t++) {
            char x[64], y[300];
            snprintf(x, sizeof x, "/%s", tops[t]);
            snprintf(y, sizeof y, "%s/src/%s", work, tops[t]);
            assert_true(compare_one(&b, x, y) > 0);
        }
        vbox_close(&b);
    }
}

// ---------------------------------------------------------------- changes above it

static void test_changes(void **state)
{
    static const char *const images[] = {"e2.img", "e2k.img", "e4.img"};
    (void)state;
    for (unsigned k = 0; k < sizeof images / sizeof *images; k++) {
        struct vbox b;
        struct kstat st, st2;
        struct file *f;
        char buf[5000];
        open_image(&b, in_work(images[k]));
        struct vfs *v = b.vfs;
        assert_int_equal(v_stat(&b, "/hello", &st), 0);
        assert_int_equal(vfs_link(v, &b.at, "/dir/hard", 0, &b.at, "/third"), 0);
        assert_int_equal(v_open(&b, "/third", LX_O_WRONLY | LX_O_APPEND, &f), 0);
        assert_int_equal(v_write(f, "more\n", 5), 5);
        file_put(f);
        v_expect(&b, "/hello", "hello\nmore\n"); // one file under three names
        assert_int_equal(v_stat(&b, "/dir/hard", &st2), 0);
        assert_int_equal(st2.nlink, 3);
        assert_int_equal(st2.ino, st.ino);
        assert_int_equal(vfs_rename(v, &b.at, "/many", &b.at, "/dir/sub/moved", 0), 0);
        v_expect(&b, "/dir/sub/moved/a-file-with-a-long-name-77", "77\n");
        assert_int_equal(vfs_rename(v, &b.at, "/dir", &b.at, "/dir/sub/x", 0), -LX_EINVAL);
        assert_int_equal(v_open(&b, "/big", LX_O_RDWR, &f), 0); // one page of many is copied
        uint32_t used = ram_used(&b.ram);
        f->pos = 4096 * 1000 + 10;
        assert_int_equal(v_write(f, "changed", 7), 7);
        if (k != 1) assert_int_equal(ram_used(&b.ram), used + 1);
        compare_bytes(&b, "/big", in_work("src/big"), 4096 * 1001, 9000000);
        f->pos = 4096 * 1000;
        assert_int_equal(v_read(f, buf, 20), 20);
        assert_memory_equal(buf + 10, "changed", 7);
        assert_int_equal(vfs_ftruncate(f, 4096 * 2 + 100), 0); // cut and grown: zeros, not the old bytes
        assert_int_equal(vfs_ftruncate(f, 4096 * 4), 0);
        f->pos = 4096 * 2;
        assert_int_equal(v_read(f, buf, 5000), 5000);
        for (int i = 100; i < 5000; i++) assert_int_equal(buf[i], 0);
        assert_int_equal(vfs_fallocate(f, LX_FALLOC_FL_PUNCH_HOLE | LX_FALLOC_FL_KEEP_SIZE, 0, 4096 + 10), 0);
        f->pos = 0;
        assert_int_equal(v_read(f, buf, 5000), 5000);
        for (int i = 0; i < 4106; i++) assert_int_equal(buf[i], 0);
        assert_int_equal(vfs_seek(f, 0, LX_SEEK_DATA), 4096);
        assert_int_equal(vfs_unlink(v, &b.at, "/big"), 0); // an open file lives on
        f->pos = 0;
        assert_int_equal(v_read(f, buf, 10), 10);
        file_put(f);
        assert_int_equal(v_stat(&b, "/big", &st), -LX_ENOENT);
        assert_int_equal(vfs_rmdir(v, &b.at, "/dir/sub"), -LX_ENOTEMPTY);
        assert_int_equal(vfs_unlink(v, &b.at, "/empty"), 0);
        assert_int_equal(vfs_mkdir(v, &b.at, "/empty", 0700), 0);
        assert_int_equal(v_stat(&b, "/empty", &st), 0);
        assert_int_equal(st.mode, LX_S_IFDIR | 0700);
        assert_int_equal(v_open(&b, "/sparse", LX_O_RDWR, &f), 0);
        assert_int_equal(vfs_seek(f, 0, LX_SEEK_DATA) / 65536, 3500000000u / 65536);
        f->pos = 3000000000u;
        assert_int_equal(v_write(f, "mid", 3), 3);
        assert_int_equal(v_stat(&b, "/sparse", &st), 0);
        assert_int_equal(st.size, 5368709120);
        assert_int_equal(vfs_seek(f, 1000, LX_SEEK_DATA), 3000000000u / 4096 * 4096);
        file_put(f);
        vbox_close(&b);
    }
}

static void test_pages(void **state)
{
    struct vbox b;
    struct path p;
    uint32_t a, c;
    (void)state;
    open_image(&b, in_work("e2.img"));
    assert_int_equal(vfs_lookup(b.vfs, &b.at, "/big", 0, &p), 0);
    struct inode *i = path_inode(&p);
    i->mappings = &b;
    assert_int_equal(inode_page(i, 3, false, &a), 0);
    assert_true(ram_is_file(a)); // shown without a copy
    assert_int_equal(inode_page(i, 3, true, &c), 0);
    assert_false(ram_is_file(c));
    assert_int_equal(b.unmaps, 1);
    assert_int_equal(b.changes, 1);
    assert_memory_equal(ram_ptr(&b.ram, a), ram_ptr(&b.ram, c), 4096);
    ram_unref(&b.ram, c);
    assert_int_equal(inode_page(i, 9000000 / 4096, false, &a), 0);
    for (uint32_t k = 9000000 % 4096; k < 4096; k++) assert_int_equal(ram_ptr(&b.ram, a)[k], 0);
    ram_unref(&b.ram, a);
    assert_int_equal(inode_page(i, 9000000 / 4096 + 1, false, &a), -LX_EFAULT);
    char buf[100];
    assert_int_equal(inode_read(i, 8999950, buf, sizeof buf), 50);
    path_put(&p);
    vbox_close(&b);
}

// Each way to change what a file of an image holds, and what looks like one.
enum change { WRITE, WRITE_HOLE, MAP_SHARED_PAGE, MAP_SHARED_HOLE, CUT, GROW, PUNCH, ZERO, CHANGES };
static int change(struct file *f, enum change way)
{
    const uint64_t data = 3500000000u, hole = 1 << 20;
    const int punch = LX_FALLOC_FL_PUNCH_HOLE | LX_FALLOC_FL_KEEP_SIZE, zero = 0x10; // FALLOC_FL_ZERO_RANGE
    uint32_t frame;
    int err;
    switch (way) {
    case WRITE:
    case WRITE_HOLE:
        f->pos = way == WRITE ? data : hole;
        return v_write(f, "x", 1) == 1 ? 0 : -1;
    case MAP_SHARED_PAGE:
    case MAP_SHARED_HOLE:
        err = inode_page(f->inode, (uint32_t)((way == MAP_SHARED_PAGE ? data : hole) >> 12), true, &frame);
        if (!err) ram_unref(f->inode->fs->vfs->ram, frame);
        return err;
    case CUT:
        return vfs_ftruncate(f, 8192);
    case GROW:
        return vfs_ftruncate(f, f->inode->size + 1);
    case PUNCH:
        return vfs_fallocate(f, punch, data / 4096 * 4096, 4096);
    default:
        return vfs_fallocate(f, zero, data, 10);
    }
}

static void look_only(struct vbox *b, struct file *f)
{
    struct kstat st;
    char buf[10];
    uint32_t frame;
    f->pos = 3500000000u;
    assert_int_equal(v_read(f, buf, sizeof buf), sizeof buf);
    assert_int_equal(inode_page(f->inode, 3500000000u / 4096, false, &frame), 0);
    ram_unref(&b->ram, frame);
    assert_int_equal(inode_page(f->inode, 3, false, &frame), 0); // a hole: shown as a page of memory
    assert_false(ram_is_file(frame));
    ram_unref(&b->ram, frame);
    assert_int_equal(vfs_ftruncate(f, f->inode->size), 0);
    struct setattr chmod = {.valid = ATTR_MODE, .mode = 0640};
    assert_int_equal(vfs_setattr(&f->path, &b->cred, &chmod), 0);
    assert_int_equal(v_stat(b, "/sparse", &st), 0);
    vfs_reclaim(b->vfs);
}

static void test_pristine(void **state)
{
    static const char *const images[] = {"e2.img", "e2k.img", "e4.img"}; // of e2k, pages are copied when they are read
    struct vbox b;
    struct file *f;
    (void)state;
    for (unsigned k = 0; k < sizeof images / sizeof *images * CHANGES; k++) {
        open_image(&b, in_work(images[k / CHANGES]));
        assert_int_equal(v_open(&b, "/sparse", LX_O_RDWR, &f), 0);
        f->inode->mappings = &b;
        look_only(&b, f);
        assert_true(inode_is_pristine(f->inode));
        assert_int_equal(b.changes, 0);
        assert_int_equal(change(f, (enum change)(k % CHANGES)), 0);
        assert_false(inode_is_pristine(f->inode));
        assert_int_equal(b.changes, 1);
        struct inode *i = inode_get(f->inode);
        file_put(f);
        assert_int_equal(v_open(&b, "/sparse", LX_O_RDONLY, &f), 0); // the same inode, changed for good
        assert_ptr_equal(f->inode, i);
        assert_false(inode_is_pristine(i));
        inode_put(i);
        file_put(f);
        v_put(&b, "/made", "new");
        assert_int_equal(v_open(&b, "/made", LX_O_RDONLY, &f), 0);
        assert_false(inode_is_pristine(f->inode));
        file_put(f);
        vbox_close(&b);
    }
}

// An image whose pages must be copied, in a box with less memory than the file: cached pages make room.
static void test_reclaim(void **state)
{
    struct vbox b;
    struct fs *fs;
    struct file *f;
    struct blockdev *dev;
    char why[200];
    (void)state;
    vbox_open_empty(&b, 500, 64 << 20);
    assert_int_equal(blockfile_open(NULL, in_work("e2k.img"), &dev, why, sizeof why), 0);
    assert_int_equal(extfs_new(b.vfs, dev, &fs, why, sizeof why), 0);
    assert_int_equal(vfs_mount(b.vfs, fs, "/", "image", 0), 0);
    vbox_mounted(&b);
    compare_bytes(&b, "/big", in_work("src/big"), 0, 9000000);
    assert_int_equal(v_open(&b, "/tmpfile", LX_O_WRONLY | LX_O_CREAT, &f), 0);
    char page[4096] = "";
    for (int k = 0; k < 490; k++) assert_int_equal(v_write(f, page, sizeof page), sizeof page);
    file_put(f);
    vbox_close(&b);
}

// ---------------------------------------------------------------- a device that makes us wait, and one in memory for
// corrupt images

struct memdev {
    struct blockdev dev;
    uint8_t *bytes;
    uint8_t *asked; // per 4096 bytes; NULL: always ready
    struct waitq arrived;
    unsigned parks;
};

static int mem_read(struct blockdev *d, uint64_t offset, void *buf, size_t n)
{
    memcpy(buf, ((struct memdev *)d)->bytes + offset, n);
    return 0;
}
static int mem_ready(struct blockdev *d, uint64_t offset, size_t n, struct waitq **wait)
{
    struct memdev *m = (struct memdev *)d;
    if (!blockdev_has(d, offset, n)) return -LX_EIO;
    if (!m->asked || m->asked[offset >> 12]++) return 0;
    m->parks++;
    *wait = &m->arrived;
    return -LX_EPARK;
}
static uint32_t mem_frame(struct blockdev *d, uint64_t offset)
{
    (void)d, (void)offset;
    return 0;
}
static void mem_close(struct blockdev *d)
{
    (void)d;
}
static const struct blockdev_ops mem_ops = {.read = mem_read, .ready = mem_ready, .frame = mem_frame, .close = mem_close};

static uint8_t *load(const char *path, uint64_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *p = malloc((size_t)st.st_size);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    *size = (uint64_t)st.st_size;
    return p;
}

static void test_parking(void **state)
{
    struct vbox b;
    struct fs *fs;
    struct file *f;
    char why[200];
    struct memdev m = {.dev = {.ops = &mem_ops}};
    (void)state;
    m.bytes = load(in_work("e4k.img"), &m.dev.bytes);
    m.asked = calloc(m.dev.bytes / 4096 + 1, 1);
    vbox_open_empty(&b, 65536, 64 << 20);
    assert_int_equal(extfs_new(b.vfs, &m.dev, &fs, why, sizeof why), 0);
    assert_int_equal(vfs_mount(b.vfs, fs, "/", "image", 0), 0);
    vbox_mounted(&b);
    assert_int_equal(v_open(&b, "/big", LX_O_RDONLY, &f), 0);
    char *got = malloc(9000000), *want = malloc(9000000);
    struct iob_mem io;
    iob_mem_init(&io, got, 9000000);
    int err;
    while ((err = vfs_read(f, &io.io, &f->pos)) == -LX_EPARK) assert_ptr_equal(b.vfs->park, &m.arrived);
    assert_int_equal(err, 0);
    assert_int_equal(io.io.done, 9000000);
    assert_true(m.parks > 2000);
    int fd = open(in_work("src/big"), O_RDONLY);
    assert_int_equal(read(fd, want, 9000000), 9000000);
    close(fd);
    assert_memory_equal(got, want, 9000000);
    free(got);
    free(want);
    file_put(f);
    vbox_close(&b);
    free(m.asked);
    free(m.bytes);
}

struct walker {
    struct vbox *b;
    char path[4096];
    unsigned steps, depth;
    char names[64][256];
    unsigned n;
};

static int collect(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct walker *w = ctx;
    (void)ino, (void)dt, (void)next;
    if (w->n == 64) return 1;
    if (!(name[0] == '.' && len < 3)) snprintf(w->names[w->n++], 256, "%.*s", (int)len, name);
    return 0;
}

// Looks at everything reachable, within bounds; errors are fine.
static void poke(struct walker *w)
{
    struct vbox *b = w->b;
    struct kstat st;
    struct file *f;
    char buf[3000];
    if (++w->steps > 200 || w->depth > 6 || v_stat(b, w->path, &st) != 0) return;
    if ((st.mode & LX_S_IFMT) == LX_S_IFIFO || v_open(b, w->path, LX_O_RDONLY, &f) != 0) return;
    if ((st.mode & LX_S_IFMT) != LX_S_IFDIR) {
        for (int k = 0; k < 40 && v_read(f, buf, sizeof buf) > 0; k++) {
        }
        f->pos = st.size > 10000 ? st.size - 10000 : 0;
        for (int k = 0; k < 4 && v_read(f, buf, sizeof buf) > 0; k++) {
        }
        file_put(f);
        if (v_open(b, w->path, LX_O_RDWR, &f) != 0) return;
        f->pos = st.size / 2;
        v_write(f, "x", 1);
        vfs_ftruncate(f, st.size / 3);
        file_put(f);
        return;
    }
    w->n = 0;
    vfs_readdir(f, collect, w);
    file_put(f);
    char names[64][256];
    unsigned n = w->n;
    memcpy(names, w->names, sizeof names);
    size_t end = strlen(w->path);
    for (unsigned k = 0; k < n && end < 2000; k++) {
        snprintf(w->path + end, sizeof w->path - end, "/%.255s", names[k]);
        w->depth++;
        poke(w);
        vfs_unlink(b->vfs, &b->at, w->path);
        vfs_rmdir(b->vfs, &b->at, w->path);
        w->depth--;
        w->path[end] = 0;
    }
}

static void try_image(uint8_t *bytes, uint64_t size)
{
    struct vbox b;
    struct fs *fs;
    char why[200] = "";
    struct memdev m = {.dev = {.ops = &mem_ops, .bytes = size}, .bytes = bytes};
    vbox_open_empty(&b, 8192, 4 << 20);
    if (extfs_new(b.vfs, &m.dev, &fs, why, sizeof why) != 0) {
        assert_true(strlen(why) > 20 && !strchr(why, '\n'));
    } else {
        assert_int_equal(vfs_mount(b.vfs, fs, "/", "image", 0), 0);
        vbox_mounted(&b);
        struct walker w = {.b = &b};
        strcpy(w.path, "/.");
        poke(&w);
    }
    vbox_close(&b);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

// Damage where it counts: the superblock and what follows it, where descriptors, inodes and directories lie in these
// small images.
static void test_corrupt(void **state)
{
    static const char *const images[] = {"t2.img", "t4.img"};
    const char *more = getenv("BELLJAR_FUZZ");
    unsigned rounds = more ? (unsigned)atoi(more) : 150;
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        uint64_t size;
        uint8_t *whole = load(in_work(images[k]), &size), *bytes = malloc(size);
        uint32_t seed = 1 + k;
        for (unsigned r = 0; r < rounds; r++) {
            memcpy(bytes, whole, size);
            unsigned hits = 1 + next_random(&seed) % 8;
            for (unsigned h = 0; h < hits; h++) {
                uint32_t at = 1024 + next_random(&seed) % (r % 3 == 0 ? 1024 : 40 * 1024);
                if (at < size) bytes[at] = (uint8_t)(next_random(&seed) % 3 ? next_random(&seed) : 0xff);
            }
            try_image(bytes, size);
        }
        for (uint64_t cut = 0; cut < size; cut += 3000) try_image(whole, cut);
        free(bytes);
        free(whole);
    }
}

static void test_refusals(void **state)
{
    struct blockdev *dev;
    struct ext2_info info;
    char why[200] = "";
    (void)state;
    assert_int_equal(blockfile_open(NULL, in_work("none"), &dev, why, sizeof why), -LX_ENOENT);
    assert_string_equal(why, "cannot open the image file: No such file or directory");
    assert_int_equal(blockfile_open(NULL, work, &dev, why, sizeof why), -LX_EISDIR);
    sh("cd %s && truncate -s 0 nothing && head -c 100000 /dev/urandom > junk && head -c 40000000 e2.img > cut.img && "
       "mke2fs -q -F -t ext4 -O encrypt enc.img 8M && cp t2.img marked.img && debugfs -w -R 'ssv state 2' marked.img "
       "2>/dev/null && cp t2.img mounted.img && debugfs -w -R 'ssv state 0' mounted.img 2>/dev/null && cp e3.img "
       "journal.img && debugfs -w -R 'feature +needs_recovery' journal.img 2>/dev/null",
       work);
    static const struct {
        const char *name, *text;
    } bad[] = {{"nothing", "not an ext2"},
               {"junk", "not an ext2"},
               {"cut.img", "truncated"},
               {"enc.img", "encrypted"},
               {"marked.img", "errors: run e2fsck -fy"},
               {"mounted.img", "e2fsck -fy"},
               {"journal.img", "journal must be replayed first: run e2fsck -fy"}};
    for (unsigned k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_int_equal(blockfile_open(NULL, in_work(bad[k].name), &dev, why, sizeof why), 0);
        ext2_info(dev, &info);
        assert_false(info.mountable);
        if (!strstr(info.why, bad[k].text)) fail_msg("%s: %s", bad[k].name, info.why);
        blockdev_close(dev);
    }
    static const struct {
        const char *name, *type;
        uint32_t block;
    } good[] = {
        {"e2.img", "ext2", 4096}, {"e2k.img", "ext2", 1024}, {"e3.img", "ext3", 2048}, {"e4.img", "ext4", 4096}};
    for (unsigned k = 0; k < sizeof good / sizeof *good; k++) {
        assert_int_equal(blockfile_open(NULL, in_work(good[k].name), &dev, why, sizeof why), 0);
        ext2_info(dev, &info);
        assert_true(info.mountable && info.clean && info.bytes == 64 << 20);
        assert_string_equal(info.type, good[k].type);
        assert_int_equal(info.block_size, good[k].block);
        assert_true(strstr(info.features, "filetype") && info.free_blocks < info.blocks && strlen(info.uuid) == 36);
        blockdev_close(dev);
    }
}

// The real image, when it was built: all of it can be listed and read.
static void walk_all(struct vbox *b, char *path, unsigned *n, uint64_t *bytes)
{
    static char buf[1 << 16];
    struct kstat st;
    struct file *f;
    if (v_stat(b, *path ? path : "/", &st) != 0) fail_msg("%s", path);
    ++*n;
    uint32_t kind = st.mode & LX_S_IFMT;
    if (kind != LX_S_IFREG && kind != LX_S_IFDIR) return;
    assert_int_equal(v_open(b, *path ? path : "/", LX_O_RDONLY, &f), 0);
    if (kind == LX_S_IFREG) {
        int64_t got;
        while ((got = v_read(f, buf, sizeof buf)) > 0) *bytes += (uint64_t)got;
        assert_int_equal(got, 0);
        assert_int_equal(f->pos, st.size);
        file_put(f);
        return;
    }
    struct walker *w = malloc(sizeof *w);
    size_t end = strlen(path);
    do {
        w->n = 0;
        assert_int_equal(vfs_readdir(f, collect, w), 0);
        for (unsigned k = 0; k < w->n; k++) {
            snprintf(path + end, 4096 - end, "/%s", w->names[k]);
            walk_all(b, path, n, bytes);
            path[end] = 0;
        }
    } while (w->n == 64);
    free(w);
    file_put(f);
}

static void test_real_image(void **state)
{
    struct vbox b;
    const char *image = getenv("BELLJAR_IMAGE");
    char path[4096] = "";
    unsigned n = 0;
    uint64_t bytes = 0;
    (void)state;
    if (!image || access(image, R_OK) != 0) skip();
    open_image(&b, image);
    walk_all(&b, path, &n, &bytes);
    assert_true(n > 1000 && bytes > 10 << 20);
    assert_true(ram_used(&b.ram) < 64); // pages of a local image are not copied
    vbox_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_source), cmocka_unit_test(test_changes),  cmocka_unit_test(test_pages),
        cmocka_unit_test(test_pristine),       cmocka_unit_test(test_reclaim),  cmocka_unit_test(test_parking),
        cmocka_unit_test(test_corrupt),        cmocka_unit_test(test_refusals), cmocka_unit_test(test_real_image),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
