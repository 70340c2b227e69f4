// File contents, pipes, FIFOs, devices and synthetic files.
#include "tests/unit/vfs_box.h"
#include "vfs/synth.h"

static void test_read_write(void **state)
{
    struct vbox b;
    struct file *f, *g;
    struct kstat st;
    char buf[10000], text[10000];
    (void)state;
    vbox_open(&b);
    for (unsigned k = 0; k < sizeof text; k++) text[k] = (char)(k * 7 + k / 256);
    assert_int_equal(v_open(&b, "/f", LX_O_RDWR | LX_O_CREAT, &f), 0);
    assert_int_equal(v_write(f, text, sizeof text), sizeof text);
    assert_int_equal(v_read(f, buf, 10), 0);
    assert_int_equal(vfs_seek(f, -10000, LX_SEEK_END), 0);
    assert_int_equal(v_read(f, buf, sizeof buf), sizeof buf);
    assert_memory_equal(buf, text, sizeof buf);
    assert_int_equal(v_open(&b, "/f", LX_O_WRONLY | LX_O_APPEND, &g), 0);
    assert_int_equal(v_write(g, "end", 3), 3);
    assert_int_equal(g->pos, 10003);
    assert_int_equal(v_read(g, buf, 1), -LX_EBADF);
    file_put(g);
    assert_int_equal(vfs_seek(f, 5, LX_SEEK_SET), 5);
    assert_int_equal(vfs_seek(f, -6, LX_SEEK_CUR), -LX_EINVAL);
    assert_int_equal(vfs_seek(f, 0, 99), -LX_EINVAL);
    f->pos = 3ull << 30; // sparse, over 2 GiB
    assert_int_equal(v_write(f, "far", 3), 3);
    assert_int_equal(v_stat(&b, "/f", &st), 0);
    assert_int_equal(st.size, (3ull << 30) + 3);
    assert_int_equal(st.blocks, 4 * 8);
    f->pos = (3ull << 30) - 5;
    assert_int_equal(v_read(f, buf, 100), 8);
    assert_memory_equal(buf, "\0\0\0\0\0far", 8);
    assert_int_equal(vfs_seek(f, 20000, LX_SEEK_DATA), 3ull << 30);
    assert_int_equal(vfs_seek(f, 0, LX_SEEK_HOLE), 12288);
    assert_int_equal(vfs_seek(f, (3ll << 30) + 3, LX_SEEK_DATA), -LX_ENXIO);
    assert_int_equal(vfs_ftruncate(f, 100), 0);
    assert_int_equal(vfs_ftruncate(f, 9000), 0);
    f->pos = 90;
    assert_int_equal(v_read(f, buf, 100), 100);
    assert_memory_equal(buf, text + 90, 10);
    for (int k = 10; k < 100; k++) assert_int_equal(buf[k], 0);
    assert_int_equal(vfs_ftruncate(f, 1ull << 60), -LX_EFBIG);
    f->pos = (1ull << 44) - 4096;
    assert_int_equal(v_write(f, "x", 1), -LX_EFBIG);
    assert_int_equal(v_open(&b, "/f", LX_O_RDONLY | LX_O_TRUNC, &g), 0);
    file_put(f);
    file_put(g);
    vbox_close(&b);
}

static void test_full(void **state)
{
    struct vbox b;
    struct fs *fs;
    struct file *f;
    char page[4096] = "page";
    (void)state;
    vbox_open(&b);
    vfs_mkdir(b.vfs, &b.at, "/t", 0777);
    assert_int_equal(tmpfs_new(b.vfs, 10 * 4096, 01777, &fs), 0);
    assert_int_equal(vfs_mount(b.vfs, fs, "/t", NULL, 0), 0);
    assert_int_equal(v_open(&b, "/t/f", LX_O_RDWR | LX_O_CREAT, &f), 0);
    for (int k = 0; k < 10; k++) assert_int_equal(v_write(f, page, 4096), 4096);
    assert_int_equal(v_write(f, page, 4096), -LX_ENOSPC);
    assert_int_equal(vfs_fallocate(f, LX_FALLOC_FL_PUNCH_HOLE | LX_FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
    assert_int_equal(v_write(f, page, 4096), 4096);
    assert_int_equal(vfs_fallocate(f, 0, 0, 8192), -LX_ENOSPC);
    assert_int_equal(vfs_fallocate(f, 0, 1 << 30, 1ull << 40), -LX_ENOSPC);
    assert_int_equal(vfs_ftruncate(f, 0), 0);
    f->pos = 0;
    char big[12 * 4096] = "";
    assert_int_equal(v_write(f, big, sizeof big), 10 * 4096); // what fits is written
    assert_int_equal(vfs_unlink(b.vfs, &b.at, "/t/f"), 0);
    assert_int_equal(v_write(f, page, 1), -LX_ENOSPC);
    file_put(f);
    assert_int_equal(v_open(&b, "/t/g", LX_O_RDWR | LX_O_CREAT, &f), 0);
    assert_int_equal(v_write(f, page, 4096), 4096);
    file_put(f);
    vbox_close(&b);
}

static void test_times(void **state)
{
    struct vbox b;
    struct kstat a, c;
    struct file *f;
    char buf[8];
    (void)state;
    vbox_open(&b);
    v_put(&b, "/f", "text");
    assert_int_equal(v_stat(&b, "/f", &a), 0);
    assert_int_equal(v_open(&b, "/f", LX_O_RDWR, &f), 0);
    v_read(f, buf, 4);
    assert_int_equal(v_stat(&b, "/f", &c), 0);
    assert_true(c.atime.sec > a.atime.sec && c.mtime.sec == a.mtime.sec);
    v_write(f, "x", 1);
    assert_int_equal(v_stat(&b, "/f", &c), 0);
    assert_true(c.mtime.sec > a.mtime.sec && c.ctime.sec == c.mtime.sec);
    struct setattr t = {.valid = ATTR_MTIME | ATTR_ATIME_NOW, .mtime = {-5, 999}};
    assert_int_equal(vfs_setattr(&f->path, &b.cred, &t), 0);
    assert_int_equal(v_stat(&b, "/f", &a), 0);
    assert_true(a.mtime.sec == -5 && a.mtime.nsec == 999 && a.atime.sec > c.atime.sec && a.btime.sec < a.ctime.sec);
    file_put(f);
    vbox_close(&b);
}

static void test_pipe(void **state)
{
    struct vbox b;
    struct file *r, *w;
    struct waitq *q;
    struct kstat st;
    char buf[70000], text[64];
    (void)state;
    vbox_open(&b);
    memset(buf, 'p', sizeof buf);
    assert_int_equal(vfs_pipe(b.vfs, 0, &r, &w), 0);
    assert_int_equal(v_read(r, buf, 10), -LX_EAGAIN);
    assert_int_equal(v_read(w, buf, 10), -LX_EBADF);
    assert_int_equal(vfs_poll(r, &q), 0);
    assert_non_null(q);
    assert_int_equal(vfs_poll(w, &q), LX_POLLOUT | LX_POLLWRNORM);
    assert_int_equal(v_write(w, "abc", 3), 3);
    assert_int_equal(vfs_poll(r, &q), LX_POLLIN | LX_POLLRDNORM);
    assert_int_equal(pipe_bytes(r), 3);
    assert_int_equal(v_read(r, buf, 2), 2);
    assert_int_equal(v_write(w, buf, sizeof buf), 65535);
    assert_int_equal(v_write(w, buf, 1), -LX_EAGAIN);
    assert_int_equal(v_read(r, buf, 4000), 4000);
    assert_int_equal(v_write(w, buf, 4096), -LX_EAGAIN); // PIPE_BUF: whole or not at all
    assert_int_equal(v_write(w, buf, 4000), 4000);
    assert_int_equal(v_read(r, buf, sizeof buf), 65536);
    assert_int_equal(vfs_seek(r, 0, LX_SEEK_SET), -LX_ESPIPE);
    assert_int_equal(vfs_file_getattr(r, &st), 0);
    assert_int_equal(st.mode, LX_S_IFIFO | 0600);
    vfs_path_text(&b.at.root, &r->path, true, text, sizeof text);
    assert_int_equal(strncmp(text, "pipe:[", 6), 0);
    assert_int_equal(vfs_pipe_size(r, -1), 65536);
    assert_int_equal(vfs_pipe_size(r, 5000), 8192);
    file_put(w);
    assert_int_equal(v_read(r, buf, 1), 0);
    assert_int_equal(vfs_poll(r, &q), LX_POLLHUP);
    file_put(r);
    assert_int_equal(vfs_pipe(b.vfs, LX_O_NONBLOCK, &r, &w), 0);
    file_put(r);
    assert_int_equal(v_write(w, "x", 1), -LX_EPIPE);
    assert_true(vfs_poll(w, &q) & LX_POLLERR);
    file_put(w);
    vbox_close(&b);
}

static void test_fifo(void **state)
{
    struct vbox b;
    struct file *r, *w, *w2;
    char buf[8];
    (void)state;
    vbox_open(&b);
    assert_int_equal(vfs_mknod(b.vfs, &b.at, "/p", LX_S_IFIFO | 0666, 0, NULL), 0);
    assert_int_equal(v_open(&b, "/p", LX_O_WRONLY | LX_O_NONBLOCK, &w), -LX_ENXIO);
    assert_int_equal(v_open(&b, "/p", LX_O_RDONLY, &r), -LX_EPARK); // half open: it counts as a reader already
    assert_int_equal(vfs_open_again(r), -LX_EPARK);
    assert_int_equal(v_open(&b, "/p", LX_O_WRONLY, &w), 0);
    assert_int_equal(vfs_open_again(r), 0);
    assert_int_equal(v_write(w, "hi", 2), 2);
    file_put(w);
    assert_int_equal(v_read(r, buf, 8), 2);
    assert_int_equal(v_read(r, buf, 8), 0);
    file_put(r);
    assert_int_equal(v_open(&b, "/p", LX_O_WRONLY, &w),
                     -LX_EPARK); // the reader came and went before we looked: still open
    assert_int_equal(v_open(&b, "/p", LX_O_RDONLY, &r), 0);
    file_put(r);
    assert_int_equal(vfs_open_again(w), 0);
    assert_int_equal(v_write(w, "x", 1), -LX_EPIPE);
    assert_int_equal(v_open(&b, "/p", LX_O_RDWR, &w2), 0);
    file_put(w);
    file_put(w2);
    assert_int_equal(v_open(&b, "/p", LX_O_RDONLY, &r), -LX_EPARK); // given up
    file_put(r);
    assert_int_equal(v_open(&b, "/p", LX_O_WRONLY | LX_O_NONBLOCK, &w), -LX_ENXIO);
    vbox_close(&b);
}

static int tty_open(struct file *f)
{
    f->private = vfs_device_ctx(f);
    return 0;
}

static void test_devices(void **state)
{
    static const struct file_ops tty = {.open = tty_open};
    struct vbox b;
    struct fs *fs;
    struct file *f;
    struct kstat st;
    char buf[64];
    (void)state;
    vbox_open(&b);
    vfs_mkdir(b.vfs, &b.at, "/dev", 0755);
    assert_int_equal(devfs_new(b.vfs, &fs), 0);
    assert_int_equal(vfs_mount(b.vfs, fs, "/dev", "devtmpfs", MOUNT_NOSUID), 0);
    assert_int_equal(v_open(&b, "/dev/null", LX_O_RDWR, &f), 0);
    assert_int_equal(v_write(f, "abc", 3), 3);
    assert_int_equal(v_read(f, buf, 3), 0);
    file_put(f);
    assert_int_equal(v_open(&b, "/dev/zero", LX_O_RDWR, &f), 0);
    memset(buf, 1, sizeof buf);
    assert_int_equal(v_read(f, buf, sizeof buf), sizeof buf);
    for (unsigned k = 0; k < sizeof buf; k++) assert_int_equal(buf[k], 0);
    assert_true(f->inode->flags & INODE_ANON_MAP);
    file_put(f);
    assert_int_equal(v_open(&b, "/dev/full", LX_O_RDWR, &f), 0);
    assert_int_equal(v_write(f, "abc", 3), -LX_ENOSPC);
    file_put(f);
    assert_int_equal(v_open(&b, "/dev/urandom", LX_O_RDONLY, &f), 0);
    assert_int_equal(v_read(f, buf, sizeof buf), sizeof buf);
    file_put(f);
    assert_int_equal(v_stat(&b, "/dev/null", &st), 0);
    assert_int_equal(st.rdev, 0x103);
    assert_int_equal(st.mode, LX_S_IFCHR | 0666);
    assert_int_equal(v_stat(&b, "/dev/pts/0", &st), -LX_ENOENT);
    assert_int_equal(vfs_device(b.vfs, false, vfs_makedev(136, 0), &tty, &b), 0);
    assert_int_equal(devfs_add(fs, "pts/0", LX_S_IFCHR | 0620, 1000, 5, vfs_makedev(136, 0)), 0);
    assert_int_equal(v_open(&b, "/dev/pts/0", LX_O_RDWR, &f), 0);
    assert_ptr_equal(f->private, &b);
    file_put(f);
    assert_int_equal(devfs_remove(fs, "pts/0"), 0);
    assert_int_equal(v_stat(&b, "/dev/pts/0", &st), -LX_ENOENT);
    assert_int_equal(vfs_mknod(b.vfs, &b.at, "/odd", LX_S_IFCHR | 0666, vfs_makedev(77, 1), NULL), 0);
    assert_int_equal(v_open(&b, "/odd", LX_O_RDWR, &f), -LX_ENXIO);
    vbox_close(&b);
}

static void test_tmpfile_and_memfd(void **state)
{
    struct vbox b;
    struct file *f;
    struct kstat st;
    char text[64];
    (void)state;
    vbox_open(&b);
    assert_int_equal(v_open(&b, "/", LX_O_TMPFILE | LX_O_RDWR, &f), 0);
    assert_int_equal(v_write(f, "abc", 3), 3);
    assert_int_equal(vfs_file_getattr(f, &st), 0);
    assert_int_equal(st.nlink, 0);
    struct vfs_at at = b.at; // linkat(fd, "", ..., AT_EMPTY_PATH) gives it a name
    at.base = f->path;
    assert_int_equal(vfs_link(b.vfs, &at, "", LOOKUP_EMPTY, &b.at, "/named"), 0);
    v_expect(&b, "/named", "abc");
    file_put(f);
    assert_int_equal(vfs_memfd(b.vfs, "m", &f), 0);
    assert_int_equal(v_write(f, "abc", 3), 3);
    vfs_path_text(&b.at.root, &f->path, true, text, sizeof text);
    assert_string_equal(text, "/memfd:m (deleted)");
    uint32_t frame;
    assert_int_equal(inode_page(f->inode, 0, true, &frame), 0);
    assert_memory_equal(ram_ptr(&b.ram, frame), "abc", 4);
    ram_unref(&b.ram, frame);
    file_put(f);
    vbox_close(&b);
}

static void test_xattr(void **state)
{
    struct vbox b;
    struct path p;
    char buf[64];
    (void)state;
    vbox_open(&b);
    v_put(&b, "/f", "");
    assert_int_equal(vfs_lookup(b.vfs, &b.at, "/f", 0, &p), 0);
    assert_int_equal(vfs_getxattr(&p, &b.cred, "user.a", buf, sizeof buf), -LX_ENODATA);
    assert_int_equal(vfs_setxattr(&p, &b.cred, "user.a", "12345", 5, 0), 0);
    assert_int_equal(vfs_setxattr(&p, &b.cred, "user.a", "1", 1, LX_XATTR_CREATE), -LX_EEXIST);
    assert_int_equal(vfs_setxattr(&p, &b.cred, "bad", "1", 1, 0), -LX_EOPNOTSUPP);
    assert_int_equal(vfs_getxattr(&p, &b.cred, "user.a", buf, 0), 5);
    assert_int_equal(vfs_getxattr(&p, &b.cred, "user.a", buf, 3), -LX_ERANGE);
    assert_int_equal(vfs_getxattr(&p, &b.cred, "user.a", buf, sizeof buf), 5);
    assert_int_equal(vfs_listxattr(&p, &b.cred, buf, sizeof buf), 7);
    assert_int_equal(vfs_setxattr(&p, &b.cred, "user.a", NULL, 0, 0), 0);
    assert_int_equal(vfs_listxattr(&p, &b.cred, buf, sizeof buf), 0);
    path_put(&p);
    vbox_close(&b);
}

// A small synthetic file system: /s/now (a counter), /s/dir/ID for even ids, /s/link -> "dir", /s/jump -> the root.
struct counter {
    int shown, stored;
};

static int show_now(struct inode *i, struct synth_text *t)
{
    struct counter *c = synth_of(i)->data;
    synth_printf(t, "shown %d stored %d\n", ++c->shown, c->stored);
    return 0;
}
static int store_now(struct inode *i, const char *text, size_t n)
{
    struct counter *c = synth_of(i)->data;
    if (n == 0 || text[0] < '0' || text[0] > '9') return -LX_EINVAL;
    c->stored = atoi(text);
    return 0;
}
static int link_text(struct inode *i, char *buf, size_t size)
{
    (void)i;
    memcpy(buf, "dir", size < 3 ? size : 3);
    return 3;
}
static int jump_root(struct inode *i, struct path *out)
{
    vfs_root(i->fs->vfs, out);
    return 0;
}
static int show_id(struct inode *i, struct synth_text *t)
{
    synth_printf(t, "id %d\n", (int)synth_of(i)->arg);
    return 0;
}
static const struct synth_ops now_ops = {.show = show_now, .store = store_now};
static const struct synth_ops link_ops = {.readlink = link_text}, jump_ops = {.jump = jump_root},
                              id_ops = {.show = show_id};
static int find_id(struct inode *i, const char *name, size_t len, struct inode **out)
{
    int id = atoi(name);
    (void)len;
    if (id <= 0 || id % 2) return -LX_ENOENT;
    return synth_inode_new(i->fs, 0, LX_S_IFREG | 0444, &id_ops, NULL, (uint64_t)id, out);
}
static const struct synth_ops dir_ops = {.lookup = find_id};
static const struct synth_entry entries[] = {{"now", LX_S_IFREG | 0644, &now_ops, 0},
                                             {"dir", LX_S_IFDIR | 0555, &dir_ops, 0},
                                             {"link", LX_S_IFLNK | 0777, &link_ops, 0},
                                             {"jump", LX_S_IFLNK | 0777, &jump_ops, 0},
                                             {NULL, 0, NULL, 0}};
static int find_entry(struct inode *i, const char *name, size_t len, struct inode **out)
{
    return synth_table_lookup(i, entries, name, len, synth_of(i)->data, 0, out);
}
static int list_entries(struct inode *i, uint64_t pos, dir_sink *sink, void *ctx)
{
    uint64_t next;
    synth_table_readdir(i, entries, 2, pos, sink, ctx, &next);
    return 0;
}
static int count(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    (void)name, (void)len, (void)ino, (void)dt, (void)next;
    ++*(int *)ctx;
    return 0;
}

static void test_synth(void **state)
{
    static const struct synth_ops root = {.lookup = find_entry, .readdir = list_entries};
    struct vbox b;
    struct fs *fs;
    struct file *f;
    struct kstat st;
    struct counter c = {0, 0};
    char buf[64];
    int n = 0;
    (void)state;
    vbox_open(&b);
    vfs_mkdir(b.vfs, &b.at, "/s", 0755);
    assert_int_equal(synth_fs_new(b.vfs, "proc", LX_PROC_SUPER_MAGIC, &root, &c, &fs), 0);
    assert_int_equal(vfs_mount(b.vfs, fs, "/s", "proc", 0), 0);
    v_expect(&b, "/s/now", "shown 1 stored 0\n");
    assert_int_equal(v_open(&b, "/s/now", LX_O_RDWR, &f), 0);
    assert_int_equal(v_write(f, "7", 1), 1);
    assert_int_equal(v_write(f, "x", 1), -LX_EINVAL);
    f->pos = 0;
    assert_int_equal(v_read(f, buf, 5), 5);
    assert_int_equal(v_read(f, buf, sizeof buf), 12);
    file_put(f);
    assert_int_equal(c.shown, 2);
    v_expect(&b, "/s/dir/12", "id 12\n");
    v_expect(&b, "/s/link/4", "id 4\n");
    v_expect(&b, "/s/jump/s/jump/s/dir/4", "id 4\n");
    assert_int_equal(v_stat(&b, "/s/dir/13", &st), -LX_ENOENT);
    assert_int_equal(v_open(&b, "/s/x", LX_O_WRONLY | LX_O_CREAT, &f), -LX_EPERM);
    assert_int_equal(vfs_unlink(b.vfs, &b.at, "/s/now"), -LX_EPERM);
    assert_int_equal(v_open(&b, "/s", LX_O_RDONLY, &f), 0);
    assert_int_equal(vfs_readdir(f, count, &n), 0);
    assert_int_equal(n, 6);
    file_put(f);
    assert_int_equal(v_open(&b, "/s/jump", LX_O_RDONLY, &f), 0);
    assert_ptr_equal(f->inode, path_inode(&b.at.root));
    file_put(f);
    vbox_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_write),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_tmpfile_and_memfd),
        cmocka_unit_test(test_xattr),
        cmocka_unit_test(test_synth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
