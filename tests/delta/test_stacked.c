// Files over an image and a delta (vfs/memfs_delta.c): what memory does with what was saved, limits, and saves that
// fail. What every kind of change becomes is tests/scripts/delta.sh's.
#include <sys/resource.h>
#include "tests/delta/stacked.h"
#include "vfs/memfs.h"

static char work[64], image[80], delta[80];
static bool shown; // stacked.h

static int setup(void **state)
{
    char command[512];
    (void)state;
    strcpy(work, "/tmp/belljar-stacked-XXXXXX");
    if (!mkdtemp(work)) return -1;
    snprintf(image, sizeof image, "%s/image", work);
    snprintf(delta, sizeof delta, "%s/delta", work);
    snprintf(command, sizeof command,
             "cd %s && mkdir -p s/dir && head -c 300000 /dev/zero | tr '\\0' i > s/file && for i in $(seq 200); do "
             "echo $i > s/dir/name$i; done && PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 -O ^has_journal -b 4096 "
             "-d s image 4M",
             work);
    return system(command) ? -1 : 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", work);
    return system(command) ? -1 : 0;
}

static void open_new(struct stacked *s, uint64_t limit, uint32_t frames, uint64_t kmem)
{
    unlink(delta);
    assert_int_equal(stacked_open(s, image, delta, limit, frames, kmem, shown), 0);
}

static void open_again(struct stacked *s)
{
    stacked_close(s);
    assert_int_equal(stacked_open(s, image, delta, 1 << 30, 32768, 64 << 20, shown), 0);
}

// `pages` pages, each of which begins with its number and `mark`.
static int write_pages(struct stacked *s, const char *path, uint32_t pages, char mark)
{
    struct file *f;
    char page[4096];
    int err = v_open(&s->b, path, LX_O_RDWR | LX_O_CREAT, &f);
    for (uint32_t k = 0; k < pages && !err; k++) {
        memset(page, mark, sizeof page);
        snprintf(page, sizeof page, "%u", k);
        int64_t n = v_write(f, page, sizeof page);
        if (n != sizeof page) err = n < 0 ? (int)n : -LX_ENOSPC;
    }
    if (f) file_put(f);
    return err;
}

static void expect_pages(struct stacked *s, const char *path, uint32_t pages, char mark)
{
    struct file *f;
    char page[4096], number[12];
    assert_int_equal(v_open(&s->b, path, LX_O_RDONLY, &f), 0);
    for (uint32_t k = 0; k < pages; k++) {
        assert_int_equal(v_read(f, page, sizeof page), sizeof page);
        snprintf(number, sizeof number, "%u", k);
        assert_string_equal(page, number);
        assert_int_equal(page[4095], mark);
    }
    file_put(f);
}

// Files larger than memory, saved when it is short; pages that were saved leave it.
static void test_more_than_memory(void **state)
{
    struct stacked s;
    (void)state;
    open_new(&s, 1 << 30, 600, 64 << 20);
    assert_int_equal(write_pages(&s, "/a", 1500, 'a'), 0);
    assert_int_equal(write_pages(&s, "/b", 1500, 'b'), 0);
    expect_pages(&s, "/a", 1500, 'a');
    expect_pages(&s, "/b", 1500, 'b');
    assert_int_equal(write_pages(&s, "/a", 100, 'c'), 0);
    expect_pages(&s, "/a", 100, 'c');
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    vfs_reclaim(s.b.vfs);
    assert_int_equal(ram_used(&s.b.ram), 0);
    open_again(&s);
    expect_pages(&s, "/a", 100, 'c');
    expect_pages(&s, "/b", 1500, 'b');
    stacked_close(&s);
}

// More names and inodes than memory is there for.
static void test_many_inodes(void **state)
{
    enum { FILES = 4000 };
    struct stacked s;
    struct kstat st;
    char path[40];
    (void)state;
    open_new(&s, 1 << 30, 4096, 1500000);
    for (unsigned k = 0; k < FILES; k++) {
        snprintf(path, sizeof path, "/d%u", k % 40);
        if (k < 40) assert_int_equal(vfs_mkdir(s.b.vfs, &s.b.at, path, 0755), 0);
        snprintf(path, sizeof path, "/d%u/%u", k % 40, k);
        v_put(&s.b, path, path);
    }
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    for (unsigned k = 0; k < FILES; k += 7) {
        snprintf(path, sizeof path, "/d%u/%u", k % 40, k);
        v_expect(&s.b, path, path);
    }
    assert_int_equal(v_stat(&s.b, "/d3/4", &st), -LX_ENOENT);
    stacked_close(&s);
}

// Memory for the map of a file's pages runs out while the map grows: what makes room must not change this map.
static void test_sparse(void **state)
{
    enum { STRIDE = 5000 };
    struct stacked s;
    struct file *f;
    uint64_t k = 0, number;
    (void)state;
    open_new(&s, 1 << 30, 32768, 1 << 20);
    assert_int_equal(v_open(&s.b, "/sparse", LX_O_RDWR | LX_O_CREAT, &f), 0);
    for (int64_t n = 8; n == 8 && k < 2000; k += n == 8) {
        f->pos = k * STRIDE * 4096;
        n = v_write(f, &k, 8);
        assert_true(n == 8 || n == -LX_ENOSPC);
    }
    assert_true(k > 300 && k < 2000);
    file_put(f);
    open_again(&s);
    assert_int_equal(v_open(&s.b, "/sparse", LX_O_RDONLY, &f), 0);
    uint64_t there = f->inode->size / 4096 / STRIDE; // what was saved as room was made
    for (uint64_t i = 0; i < there; i++) {
        f->pos = i * STRIDE * 4096;
        assert_int_equal(v_read(f, &number, 8), 8);
        assert_int_equal(number, i);
    }
    assert_true(there > 300);
    file_put(f);
    stacked_close(&s);
}

static void test_limit(void **state)
{
    struct stacked s;
    (void)state;
    open_new(&s, 2 << 20, 32768, 64 << 20);
    assert_int_equal(write_pages(&s, "/a", 1000, 'a'), -LX_ENOSPC);
    assert_int_equal(vfs_unlink(s.b.vfs, &s.b.at, "/a"), 0);
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    assert_int_equal(write_pages(&s, "/b", 200, 'b'), 0);
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    open_again(&s);
    expect_pages(&s, "/b", 200, 'b');
    assert_int_equal(v_stat(&s.b, "/a", &(struct kstat){0}), -LX_ENOENT);
    stacked_close(&s);
}

// The server is gone: fsync says so, what is in memory can be used, what is not cannot; nothing is thrown away.
static void test_server_gone(void **state)
{
    struct stacked s;
    struct file *f;
    char buf[64];
    (void)state;
    open_new(&s, 1 << 30, 32768, 64 << 20);
    assert_int_equal(write_pages(&s, "/kept", 40, 'k'), 0);
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    vfs_reclaim(s.b.vfs);
    v_put(&s.b, "/later", "later");
    assert_int_equal(host_link_send(s.link[0], "?", 1), 0); // no packet: it ends
    pthread_join(s.thread, NULL);
    assert_int_equal(v_open(&s.b, "/later", LX_O_RDWR, &f), 0);
    assert_int_equal(vfs_fsync(f), -LX_EIO);
    assert_int_equal(vfs_fsync(f), -LX_EIO);
    assert_true(*extfs_problem(s.fs));
    file_put(f);
    vfs_reclaim(s.b.vfs);
    v_expect(&s.b, "/later", "later");
    v_expect(&s.b, "/dir/name7", "7\n");
    assert_int_equal(v_open(&s.b, "/kept", LX_O_RDONLY, &f), 0);
    assert_int_equal(v_read(f, buf, sizeof buf), -LX_EIO);
    file_put(f);
    assert_int_equal(pthread_create(&s.thread, NULL, stacked_serve, &s), 0); // on a link that is closed: for the close
    open_again(&s);
    expect_pages(&s, "/kept", 40, 'k');
    assert_int_equal(v_stat(&s.b, "/later", &(struct kstat){0}), -LX_ENOENT);
    stacked_close(&s);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// The host has no room for the file: what was saved last is there, the rest is in memory, and the next box can go on.
static void test_disk_full(void **state)
{
    struct stacked s;
    struct file *f;
    (void)state;
    open_new(&s, 1 << 30, 32768, 64 << 20);
    assert_int_equal(write_pages(&s, "/a", 100, 'a'), 0);
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    vfs_reclaim(s.b.vfs);
    limit_files(1 << 20);
    assert_int_equal(write_pages(&s, "/a", 50, 'b'), 0);
    assert_int_equal(write_pages(&s, "/b", 3000, 'b'), 0);
    assert_int_equal(v_open(&s.b, "/b", LX_O_RDONLY, &f), 0);
    assert_int_equal(vfs_fsync(f), -LX_EIO);
    limit_files(RLIM_INFINITY);
    assert_int_equal(vfs_fsync(f), -LX_EIO); // for good
    file_put(f);
    assert_true(*extfs_problem(s.fs));
    vfs_reclaim(s.b.vfs);
    expect_pages(&s, "/b", 3000, 'b');
    expect_pages(&s, "/a", 50, 'b');
    open_again(&s);
    expect_pages(&s, "/a", 100, 'a');
    assert_int_equal(v_stat(&s.b, "/b", &(struct kstat){0}), -LX_ENOENT);
    assert_int_equal(write_pages(&s, "/b", 1000, 'c'), 0);
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    open_again(&s);
    expect_pages(&s, "/b", 1000, 'c');
    stacked_close(&s);
}

// A page that a guest shows writable has to be let go of when it is saved, and is a changed one when it is shown again.
static void test_mapped(void **state)
{
    struct stacked s;
    struct file *f;
    uint32_t frame;
    char byte;
    (void)state;
    open_new(&s, 1 << 30, 32768, 64 << 20);
    assert_int_equal(v_open(&s.b, "/file", LX_O_RDWR, &f), 0);
    f->inode->mappings = &s; // anything
    assert_int_equal(inode_page(f->inode, 3, true, &frame), 0);
    ram_ptr(&s.b.ram, frame)[1] = '1';
    unsigned unmaps = s.b.unmaps;
    assert_int_equal(vfs_fsync(f), 0);
    assert_int_equal(s.b.unmaps, unmaps + 1);
    ram_unref(&s.b.ram, frame);
    assert_int_equal(inode_page(f->inode, 3, true, &frame), 0);
    ram_ptr(&s.b.ram, frame)[1] = '2';
    assert_int_equal(vfs_fsync(f), 0); // nothing but the page has changed: the shower says so
    inode_mapped_write(f->inode);
    assert_int_equal(vfs_fsync(f), 0);
    ram_unref(&s.b.ram, frame);
    f->inode->mappings = NULL;
    file_put(f);
    open_again(&s);
    assert_int_equal(v_open(&s.b, "/file", LX_O_RDONLY, &f), 0);
    f->pos = 3 * 4096 + 1;
    assert_int_equal(v_read(f, &byte, 1), 1);
    assert_int_equal(byte, '2');
    file_put(f);
    stacked_close(&s);
}

// Names that came and went leave nothing behind; those of the image are hidden.
static void test_names(void **state)
{
    struct stacked s;
    char path[40];
    (void)state;
    open_new(&s, 1 << 30, 32768, 64 << 20);
    uint64_t pages = 0;
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned k = 0; k < 100; k++) {
            snprintf(path, sizeof path, "/dir/temporary%u-%u", round, k);
            v_put(&s.b, path, "x");
            assert_int_equal(vfs_unlink(s.b.vfs, &s.b.at, path), 0);
        }
        assert_int_equal(vfs_sync(s.b.vfs), 0);
        if (round == 4) pages = ((struct memfs *)s.fs->private)->pages;
    }
    assert_true(((struct memfs *)s.fs->private)->pages <= pages + 20); // a few names look like the image's
    assert_int_equal(vfs_unlink(s.b.vfs, &s.b.at, "/dir/name9"), 0);
    v_put(&s.b, "/dir/name9", "new");
    assert_int_equal(vfs_unlink(s.b.vfs, &s.b.at, "/dir/name9"), 0);
    assert_int_equal(vfs_sync(s.b.vfs), 0);
    open_again(&s);
    assert_int_equal(v_stat(&s.b, "/dir/name9", &(struct kstat){0}), -LX_ENOENT);
    v_expect(&s.b, "/dir/name8", "8\n");
    stacked_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_than_memory), cmocka_unit_test(test_many_inodes), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_server_gone),      cmocka_unit_test(test_mapped),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_sparse),           cmocka_unit_test(test_disk_full),
    };
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    shown = true;
    return failed + cmocka_run_group_tests(tests, setup, teardown);
}
