// vfs/hostfs.c with its server in a thread: that contents, mappings and the host agree, and that all memory comes back.
#include "tests/unit/vfs_box.h"
#include "disk/mountserver.h"
#include "host/link.h"
#include "vfs/hostfs.h"
#include "vfs/internal.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct shared {
    struct vbox b;
    struct mount_server m;
    int link[2];
    pthread_t server;
    uint64_t kmem; // before the mount
    char dir[32];
};

static void *serve(void *ctx)
{
    struct shared *s = ctx;
    assert_int_equal(mount_server_run(&s->m, s->link[1]), 0);
    close(s->link[1]);
    return NULL;
}

static void share(struct shared *s)
{
    struct fs *fs;
    char why[200];
    memset(s, 0, sizeof *s);
    strcpy(s->dir, "/tmp/hostfs.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    s->m.unfenced = true; // the thread is this process's
    assert_int_equal(mount_server_add(&s->m, s->dir, true, why, sizeof why), 0);
    assert_int_equal(host_link_pair(s->link), 0);
    assert_int_equal(pthread_create(&s->server, NULL, serve, s), 0);
    vbox_open(&s->b);
    assert_int_equal(vfs_mkdir(s->b.vfs, &s->b.at, "/m", 0755), 0);
    dcache_trim(s->b.vfs, 0);
    s->kmem = s->b.vfs->kmem;
    const struct hostfs_options o = {.link = s->link[0], .writable = true};
    assert_int_equal(hostfs_new(s->b.vfs, &o, &fs), 0);
    assert_int_equal(vfs_mount(s->b.vfs, fs, "/m", "host", 0), 0);
}

static void unshare_all(struct shared *s)
{
    struct path p;
    char command[64];
    assert_int_equal(vfs_lookup(s->b.vfs, &s->b.at, "/m", 0, &p), 0);
    assert_int_equal(vfs_umount(s->b.vfs, &p), 0);
    path_put(&p);
    dcache_trim(s->b.vfs, 0);
    assert_int_equal(s->b.vfs->kmem, s->kmem);
    vbox_close(&s->b);
    close(s->link[0]);
    pthread_join(s->server, NULL);
    mount_server_close(&s->m);
    snprintf(command, sizeof command, "rm -r %s", s->dir);
    assert_int_equal(system(command), 0);
}

// The host's side.
static void host_put(const struct shared *s, const char *name, const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void host_expect(const struct shared *s, const char *name, uint64_t at, const char *text)
{
    char path[100], buf[100] = "";
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, buf, strlen(text), (off_t)at), (ssize_t)strlen(text));
    assert_string_equal(buf, text);
    close(fd);
}

static void test_contents(void **state)
{
    struct shared s;
    struct file *f;
    struct kstat st;
    char buf[100];
    (void)state;
    share(&s);
    v_put(&s.b, "/m/f", "from the box");
    host_expect(&s, "f", 0, "from the box");
    host_put(&s, "f", "from the host");
    v_expect(&s.b, "/m/f", "from the host");
    assert_int_equal(v_open(&s.b, "/m/f", LX_O_RDWR | LX_O_APPEND, &f), 0);
    host_put(&s, "f", "shorter");
    assert_int_equal(v_write(f, "!", 1), 1);
    assert_int_equal(f->pos, 8); // behind what the host has now
    host_expect(&s, "f", 0, "shorter!");
    assert_int_equal(vfs_seek(f, 0, LX_SEEK_END), 8);
    assert_int_equal(vfs_unlink(s.b.vfs, &s.b.at, "/m/f"), 0);
    f->pos = 0;
    assert_int_equal(v_read(f, buf, sizeof buf), 8);
    assert_int_equal(vfs_file_getattr(f, &st), 0);
    assert_int_equal(st.nlink, 0);
    file_put(f);
    assert_int_equal(v_stat(&s.b, "/m/f", &st), -LX_ENOENT);
    unshare_all(&s);
}

// What a guest stores through a shared mapping: `at` of the page's frame.
static void store(struct shared *s, struct file *f, uint32_t index, uint32_t at, const char *text)
{
    uint32_t frame;
    assert_int_equal(inode_page(f->inode, index, true, &frame), 0);
    memcpy(ram_ptr(&s->b.ram, frame) + at, text, strlen(text));
    ram_unref(&s->b.ram, frame);
}
static void shows(struct shared *s, struct file *f, uint32_t index, uint32_t at, const char *text)
{
    uint32_t frame;
    assert_int_equal(inode_page(f->inode, index, false, &frame), 0);
    assert_memory_equal(ram_ptr(&s->b.ram, frame) + at, text, strlen(text));
    ram_unref(&s->b.ram, frame);
}

static void test_mappings(void **state)
{
    struct shared s;
    struct file *f, *g;
    uint32_t frame;
    char buf[10001];
    (void)state;
    share(&s);
    memset(buf, 'a', sizeof buf);
    assert_int_equal(v_open(&s.b, "/m/f", LX_O_RDWR | LX_O_CREAT, &f), 0);
    assert_int_equal(v_write(f, buf, 10000), 10000);
    shows(&s, f, 2, 1807, "a");
    assert_int_equal(inode_page(f->inode, 3, false, &frame), -LX_EFAULT);

    f->inode->mappings = &s; // something to be unmapped
    store(&s, f, 0, 10, "stored");
    store(&s, f, 2, 1800, "stored behind the end");
    host_expect(&s, "f", 10, "aaaaaa");
    f->pos = 10;
    assert_int_equal(v_read(f, buf, 6), 6); // who reads has it written back
    assert_memory_equal(buf, "stored", 6);
    host_expect(&s, "f", 10, "stored");
    host_expect(&s, "f", 9992, "stored b");
    assert_true(s.b.unmaps > 0);
    f->inode->mappings = NULL;

    // What was stored behind the end does not come to be when the end moves, nor what is cut off.
    assert_int_equal(vfs_ftruncate(f, 12000), 0);
    host_expect(&s, "f", 9999, "b");
    shows(&s, f, 2, 1808, "\0");
    f->pos = 10000;
    assert_int_equal(v_read(f, buf, 100), 100);
    for (unsigned i = 0; i < 100; i++) assert_int_equal(buf[i], 0);
    assert_int_equal(vfs_ftruncate(f, 5000), 0);
    assert_int_equal(inode_page(f->inode, 2, false, &frame), -LX_EFAULT);
    assert_int_equal(vfs_ftruncate(f, 9000), 0);
    shows(&s, f, 1, 1000, "\0");

    // A write is seen in the pages, also in changed ones; the host's when the file is opened again.
    store(&s, f, 0, 100, "mapped");
    f->pos = 103;
    assert_int_equal(v_write(f, "WRITTEN", 7), 7);
    shows(&s, f, 0, 100, "mapWRITTEN");
    assert_int_equal(vfs_fsync(f), 0);
    host_expect(&s, "f", 100, "mapWRITTEN");
    host_put(&s, "f", "the host's");
    assert_int_equal(v_open(&s.b, "/m/f", LX_O_RDONLY, &g), 0);
    shows(&s, g, 0, 0, "the host's");
    store(&s, f, 0, 0, "ours");
    file_put(g);
    host_expect(&s, "f", 0, "ourshost's");

    // Also where a write of ours came behind the host's.
    shows(&s, f, 0, 0, "ourshost's");
    host_put(&s, "f", "0123456789");
    f->pos = 2;
    assert_int_equal(v_write(f, "..", 2), 2);
    assert_int_equal(v_open(&s.b, "/m/f", LX_O_RDONLY, &g), 0);
    shows(&s, g, 0, 0, "01..456789");
    file_put(g);
    file_put(f);
    unshare_all(&s);
}

static void test_memory(void **state)
{
    struct shared s;
    struct file *f;
    static char big[1 << 20];
    (void)state;
    share(&s);
    assert_int_equal(v_open(&s.b, "/m/big", LX_O_RDWR | LX_O_CREAT, &f), 0);
    memset(big, 'b', sizeof big);
    assert_int_equal(v_write(f, big, sizeof big), sizeof big);
    uint32_t before = ram_used(&s.b.ram);
    for (uint32_t i = 0; i < 256; i++) shows(&s, f, i, 0, "bb");
    assert_int_equal(ram_used(&s.b.ram), before + 256);
    store(&s, f, 7, 0, "kept");
    assert_int_equal(vfs_reclaim(s.b.vfs), 255); // not what is to be written yet
    shows(&s, f, 7, 0, "keptbb");
    assert_int_equal(vfs_reclaim(s.b.vfs), 1); // nothing else: it is written, and goes
    assert_int_equal(ram_used(&s.b.ram), before);
    host_expect(&s, "big", 7 * 4096, "keptbb");
    shows(&s, f, 7, 0, "keptbb");
    file_put(f);
    unshare_all(&s);
}

struct listing {
    unsigned n, sum;
};
static int count(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct listing *l = ctx;
    (void)ino, (void)next;
    if (name[0] == '.') return 0;
    assert_int_equal(dt, LX_DT_REG);
    assert_int_equal(len, 5);
    l->n++;
    l->sum += (unsigned)atoi(name + 1);
    return 0;
}

static void test_names(void **state)
{
    struct shared s;
    struct file *d;
    struct kstat st;
    struct listing l = {0, 0};
    char name[32];
    (void)state;
    share(&s);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "f%04d", i);
        host_put(&s, name, "");
    }
    assert_int_equal(v_open(&s.b, "/m", LX_O_RDONLY | LX_O_DIRECTORY, &d), 0);
    assert_int_equal(vfs_readdir(d, count, &l), 0);
    assert_int_equal(l.n, 2000);
    assert_int_equal(l.sum, 2000 * 1999 / 2);
    file_put(d);
    assert_int_equal(vfs_symlink(s.b.vfs, &s.b.at, "/m/f0001", "/m/link"), 0);
    assert_int_equal(vfs_rename(s.b.vfs, &s.b.at, "/m/f0000", &s.b.at, "/m/renamed", 0), 0);
    assert_int_equal(vfs_rename(s.b.vfs, &s.b.at, "/m/renamed", &s.b.at, "/m/link", LX_RENAME_NOREPLACE), -LX_EEXIST);
    assert_int_equal(vfs_rename(s.b.vfs, &s.b.at, "/m/renamed", &s.b.at, "/m/link", LX_RENAME_EXCHANGE), 0);
    assert_int_equal(v_stat(&s.b, "/m/renamed", &st), 0);
    assert_int_equal(st.mode & LX_S_IFMT, LX_S_IFLNK);
    assert_int_equal(vfs_mkdir(s.b.vfs, &s.b.at, "/m/d", 0700), 0);
    assert_int_equal(vfs_rename(s.b.vfs, &s.b.at, "/m", &s.b.at, "/m/d/x", 0), -LX_EXDEV);
    assert_int_equal(vfs_mknod(s.b.vfs, &s.b.at, "/m/null", LX_S_IFCHR | 0666, vfs_makedev(1, 3), NULL), -LX_EPERM);
    unshare_all(&s);
}

static void *nothing(void *ctx)
{
    return ctx;
}

static void test_gone(void **state)
{
    struct shared s;
    struct file *f;
    struct kstat st;
    char buf[10];
    (void)state;
    share(&s);
    v_put(&s.b, "/m/f", "text");
    assert_int_equal(v_open(&s.b, "/m/f", LX_O_RDWR, &f), 0);
    store(&s, f, 0, 0, "TEXT");
    shutdown(s.link[0], 2);
    pthread_join(s.server, NULL);
    assert_int_equal(v_read(f, buf, 4), -LX_EIO);
    assert_int_equal(v_write(f, buf, 4), -LX_EIO);
    assert_int_equal(v_stat(&s.b, "/m/f", &st), -LX_EIO);
    assert_int_equal(vfs_fsync(f), -LX_EIO);
    file_put(f);
    assert_int_equal(pthread_create(&s.server, NULL, nothing, NULL), 0);
    unshare_all(&s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_contents), cmocka_unit_test(test_mappings),
                                       cmocka_unit_test(test_memory), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_gone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
