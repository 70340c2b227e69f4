// The tree: names, links, renames, permissions, path walk, mounts, on a tmpfs.
#include "tests/unit/vfs_box.h"

static void test_make_and_remove(void **state)
{
    struct vbox b;
    struct kstat st;
    (void)state;
    vbox_open(&b);
    struct vfs *v = b.vfs;
    assert_int_equal(vfs_mkdir(v, &b.at, "/a", 0777), 0);
    assert_int_equal(vfs_mkdir(v, &b.at, "/a", 0777), -LX_EEXIST);
    assert_int_equal(vfs_mkdir(v, &b.at, "/a/b/", 0777), 0);
    assert_int_equal(vfs_mkdir(v, &b.at, "/x/b", 0777), -LX_ENOENT);
    assert_int_equal(vfs_mkdir(v, &b.at, "/", 0777), -LX_EEXIST);
    assert_int_equal(v_stat(&b, "/a", &st), 0);
    assert_int_equal(st.mode, LX_S_IFDIR | 0755);
    assert_int_equal(st.nlink, 3);
    v_put(&b, "/a/f", "hello");
    v_expect(&b, "/a/f", "hello");
    v_expect(&b, "/a/../a/./b/..//f", "hello");
    assert_int_equal(v_stat(&b, "/a/f/", &st), -LX_ENOTDIR);
    assert_int_equal(v_stat(&b, "/a/f/g", &st), -LX_ENOTDIR);
    assert_int_equal(vfs_rmdir(v, &b.at, "/a"), -LX_ENOTEMPTY);
    assert_int_equal(vfs_rmdir(v, &b.at, "/a/f"), -LX_ENOTDIR);
    assert_int_equal(vfs_rmdir(v, &b.at, "/a/."), -LX_EINVAL);
    assert_int_equal(vfs_rmdir(v, &b.at, "/a/.."), -LX_ENOTEMPTY);
    assert_int_equal(vfs_rmdir(v, &b.at, "/"), -LX_EBUSY);
    assert_int_equal(vfs_unlink(v, &b.at, "/a/b"), -LX_EISDIR);
    assert_int_equal(vfs_unlink(v, &b.at, "/a/f/"), -LX_ENOTDIR);
    assert_int_equal(vfs_unlink(v, &b.at, "/a/f"), 0);
    assert_int_equal(vfs_unlink(v, &b.at, "/a/f"), -LX_ENOENT);
    assert_int_equal(vfs_rmdir(v, &b.at, "/a/b"), 0);
    assert_int_equal(v_stat(&b, "/a", &st), 0);
    assert_int_equal(st.nlink, 2);
    assert_int_equal(st.size, 40); // as on tmpfs: two entries
    assert_int_equal(vfs_rmdir(v, &b.at, "/a"), 0);
    assert_int_equal(v_stat(&b, "", &st), -LX_ENOENT);
    vbox_close(&b);
}

static void test_symlinks(void **state)
{
    struct vbox b;
    struct kstat st;
    struct file *f;
    (void)state;
    vbox_open(&b);
    struct vfs *v = b.vfs;
    vfs_mkdir(v, &b.at, "/d", 0777);
    v_put(&b, "/d/f", "x");
    assert_int_equal(vfs_symlink(v, &b.at, "d/f", "/l"), 0);
    assert_int_equal(vfs_symlink(v, &b.at, "/d", "/dl"), 0);
    assert_int_equal(vfs_symlink(v, &b.at, "loop2", "/loop1"), 0);
    assert_int_equal(vfs_symlink(v, &b.at, "loop1", "/loop2"), 0);
    assert_int_equal(vfs_symlink(v, &b.at, "d/new", "/dangling"), 0);
    assert_int_equal(vfs_symlink(v, &b.at, "", "/e"), -LX_ENOENT);
    v_expect(&b, "/l", "x");
    v_expect(&b, "/dl/f", "x");
    v_expect(&b, "/dl/../l", "x");
    assert_int_equal(v_stat(&b, "/l", &st), 0);
    assert_int_equal(st.mode, LX_S_IFLNK | 0777);
    assert_int_equal(st.size, 3);
    assert_int_equal(v_stat(&b, "/dl/", &st), 0);
    assert_int_equal(st.mode & LX_S_IFMT, LX_S_IFDIR);
    assert_int_equal(v_stat(&b, "/l/", &st), -LX_ENOTDIR);
    assert_int_equal(v_open(&b, "/loop1", LX_O_RDONLY, &f), -LX_ELOOP);
    assert_int_equal(v_open(&b, "/l", LX_O_RDONLY | LX_O_NOFOLLOW, &f), -LX_ELOOP);
    assert_int_equal(v_open(&b, "/dl", LX_O_RDONLY | LX_O_NOFOLLOW | LX_O_DIRECTORY, &f), -LX_ENOTDIR);
    assert_int_equal(v_open(&b, "/l", LX_O_PATH | LX_O_NOFOLLOW, &f), 0);
    file_put(f);
    assert_int_equal(v_open(&b, "/dangling", LX_O_RDONLY, &f), -LX_ENOENT);
    assert_int_equal(v_open(&b, "/dangling", LX_O_WRONLY | LX_O_CREAT | LX_O_EXCL, &f), -LX_EEXIST);
    assert_int_equal(v_open(&b, "/dangling", LX_O_WRONLY | LX_O_CREAT, &f), 0);
    file_put(f);
    assert_int_equal(v_stat(&b, "/d/new", &st), 0);
    assert_int_equal(vfs_mkdir(v, &b.at, "/loop1", 0777), -LX_EEXIST);
    struct path p;
    char buf[16];
    assert_int_equal(vfs_lookup(v, &b.at, "/l", 0, &p), 0);
    assert_int_equal(vfs_readlink(&p, buf, 2), 2);
    assert_int_equal(vfs_readlink(&p, buf, sizeof buf), 3);
    path_put(&p);
    char name[32], target[32]; // 40 links in a row are followed, 41 are not
    v_put(&b, "/s0", "end");
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "/s%d", i);
        snprintf(target, sizeof target, "s%d", i - 1);
        assert_int_equal(vfs_symlink(v, &b.at, target, name), 0);
    }
    v_expect(&b, "/s40", "end");
    assert_int_equal(v_open(&b, "/s41", LX_O_RDONLY, &f), -LX_ELOOP);
    vbox_close(&b);
}

static void test_long_names(void **state)
{
    struct vbox b;
    struct kstat st;
    char name[300], path[5000];
    (void)state;
    vbox_open(&b);
    memset(name, 'n', sizeof name);
    name[0] = '/';
    name[256] = 0;
    assert_int_equal(vfs_mkdir(b.vfs, &b.at, name, 0777), 0);
    assert_int_equal(v_stat(&b, name, &st), 0);
    name[256] = 'n';
    name[257] = 0;
    assert_int_equal(vfs_mkdir(b.vfs, &b.at, name, 0777), -LX_ENAMETOOLONG);
    assert_int_equal(v_stat(&b, name, &st), -LX_ENAMETOOLONG);
    memset(path, '/', sizeof path);
    path[4095] = 0;
    assert_int_equal(v_stat(&b, path, &st), 0);
    path[4095] = '/';
    path[4096] = 0;
    assert_int_equal(v_stat(&b, path, &st), -LX_ENAMETOOLONG);
    vbox_close(&b);
}

static void test_rename(void **state)
{
    struct vbox b;
    struct kstat st, st2;
    (void)state;
    vbox_open(&b);
    struct vfs *v = b.vfs;
    vfs_mkdir(v, &b.at, "/a", 0777);
    vfs_mkdir(v, &b.at, "/a/s", 0777);
    vfs_mkdir(v, &b.at, "/b", 0777);
    vfs_mkdir(v, &b.at, "/empty", 0777);
    v_put(&b, "/f", "f");
    v_put(&b, "/g", "g");
#define REN(x, y, fl) vfs_rename(v, &b.at, x, &b.at, y, fl)
    assert_int_equal(REN("/none", "/f", 0), -LX_ENOENT);
    assert_int_equal(REN("/a", "/a/s/t", 0), -LX_EINVAL);
    assert_int_equal(REN("/a", "/a/s", 0), -LX_EINVAL);
    assert_int_equal(REN("/a/s", "/a", 0), -LX_ENOTEMPTY);
    assert_int_equal(REN("/f", "/a", 0), -LX_EISDIR);
    assert_int_equal(REN("/a", "/f", 0), -LX_ENOTDIR);
    assert_int_equal(REN("/b", "/a", 0), -LX_ENOTEMPTY);
    assert_int_equal(REN("/f", "/g", LX_RENAME_NOREPLACE), -LX_EEXIST);
    assert_int_equal(REN("/f", "/h/", 0), -LX_ENOTDIR);
    assert_int_equal(REN("/.", "/h", 0), -LX_EBUSY);
    assert_int_equal(REN("/f", "/f", 0), 0);
    assert_int_equal(REN("/f", "/g", 0), 0);
    v_expect(&b, "/g", "f");
    assert_int_equal(v_stat(&b, "/f", &st), -LX_ENOENT);
    assert_int_equal(REN("/a/s", "/b/s", 0), 0);
    assert_int_equal(v_stat(&b, "/a", &st), 0);
    assert_int_equal(st.nlink, 2);
    assert_int_equal(v_stat(&b, "/b", &st), 0);
    assert_int_equal(st.nlink, 3);
    assert_int_equal(REN("/b", "/empty/", 0), 0);
    assert_int_equal(v_stat(&b, "/empty/s", &st), 0);
    assert_int_equal(REN("/empty/s", "/g", LX_RENAME_EXCHANGE), 0);
    v_expect(&b, "/empty/s", "f");
    assert_int_equal(v_stat(&b, "/g/.", &st), 0);
    assert_int_equal(v_stat(&b, "/empty", &st), 0);
    assert_int_equal(st.nlink, 2);
    v_put(&b, "/one", "1"); // two names of one file: rename does nothing
    assert_int_equal(vfs_link(v, &b.at, "/one", 0, &b.at, "/two"), 0);
    assert_int_equal(REN("/one", "/two", 0), 0);
    assert_int_equal(v_stat(&b, "/one", &st), 0);
    assert_int_equal(v_stat(&b, "/two", &st2), 0);
    assert_int_equal(st.ino, st2.ino);
    assert_int_equal(st.nlink, 2);
    assert_int_equal(vfs_link(v, &b.at, "/a", 0, &b.at, "/al"), -LX_EPERM);
    assert_int_equal(vfs_link(v, &b.at, "/one", 0, &b.at, "/two"), -LX_EEXIST);
    struct file *f; // the old place of an open file's directory follows the rename
    char text[64];
    vfs_mkdir(v, &b.at, "/m", 0777);
    v_put(&b, "/m/f", "");
    assert_int_equal(v_open(&b, "/m/f", LX_O_RDONLY, &f), 0);
    assert_int_equal(REN("/m", "/a/n", 0), 0);
    assert_int_equal(vfs_path_text(&b.at.root, &f->path, true, text, sizeof text), 6);
    assert_string_equal(text, "/a/n/f");
    assert_int_equal(vfs_unlink(v, &b.at, "/a/n/f"), 0);
    vfs_path_text(&b.at.root, &f->path, true, text, sizeof text);
    assert_string_equal(text, "/a/n/f (deleted)");
    assert_int_equal(vfs_path_text(&b.at.root, &f->path, false, text, sizeof text), -LX_ENOENT);
    file_put(f);
    vbox_close(&b);
}

static void test_permissions(void **state)
{
    struct vbox b;
    struct file *f;
    struct path p;
    struct kstat st;
    (void)state;
    vbox_open(&b);
    struct vfs *v = b.vfs;
    b.at.umask = 0;
    vfs_mkdir(v, &b.at, "/tmp", 01777);
    vfs_mkdir(v, &b.at, "/priv", 0700);
    vfs_mkdir(v, &b.at, "/sg", 0777);
    v_put(&b, "/tmp/root", "r");
    v_put(&b, "/priv/f", "r");
    struct setattr sg = {.valid = ATTR_MODE | ATTR_GID, .mode = 02777, .gid = 77};
    vfs_lookup(v, &b.at, "/sg", 0, &p);
    assert_int_equal(vfs_setattr(&p, &b.cred, &sg), 0);
    path_put(&p);
    struct cred user;
    cred_init(&user, 1000, 1000);
    b.at.cred = &user;
    assert_int_equal(v_open(&b, "/priv/f", LX_O_RDONLY, &f), -LX_EACCES);
    assert_int_equal(vfs_mkdir(v, &b.at, "/nope", 0777), -LX_EACCES);
    assert_int_equal(vfs_unlink(v, &b.at, "/tmp/root"), -LX_EPERM);
    assert_int_equal(v_open(&b, "/tmp/mine", LX_O_RDWR | LX_O_CREAT, &f), 0);
    file_put(f);
    assert_int_equal(vfs_rename(v, &b.at, "/tmp/mine", &b.at, "/tmp/root", 0), -LX_EPERM);
    assert_int_equal(vfs_mkdir(v, &b.at, "/sg/d", 0755), 0);
    assert_int_equal(v_stat(&b, "/sg/d", &st), 0);
    assert_int_equal(st.gid, 77);
    assert_int_equal(st.mode, LX_S_IFDIR | LX_S_ISGID | 0755);
    vfs_lookup(v, &b.at, "/tmp/mine", 0, &p);
    struct setattr chown = {.valid = ATTR_UID, .uid = 5}, chmod = {.valid = ATTR_MODE, .mode = 04755};
    assert_int_equal(vfs_setattr(&p, &user, &chown), -LX_EPERM);
    assert_int_equal(vfs_setattr(&p, &user, &chmod), 0);
    assert_int_equal(v_stat(&b, "/tmp/mine", &st), 0);
    assert_int_equal(st.mode, LX_S_IFREG | 04755);
    assert_int_equal(v_open(&b, "/tmp/mine", LX_O_WRONLY, &f), 0); // writing clears set-user-ID
    assert_int_equal(v_write(f, "x", 1), 1);
    file_put(f);
    assert_int_equal(v_stat(&b, "/tmp/mine", &st), 0);
    assert_int_equal(st.mode, LX_S_IFREG | 0755);
    path_put(&p);
    vfs_lookup(v, &b.at, "/tmp/root", 0, &p);
    assert_int_equal(vfs_setattr(&p, &user, &chmod), -LX_EPERM);
    struct setattr times = {.valid = ATTR_ATIME | ATTR_MTIME}, now = {.valid = ATTR_ATIME_NOW | ATTR_MTIME_NOW};
    assert_int_equal(vfs_setattr(&p, &user, &times), -LX_EPERM);
    assert_int_equal(vfs_setattr(&p, &user, &now), 0); // mode 0666: who may write may touch
    assert_int_equal(vfs_access(&p, &user, LX_X_OK), -LX_EACCES);
    assert_int_equal(vfs_access(&p, &b.cred, LX_X_OK), -LX_EACCES);
    assert_int_equal(vfs_access(&p, &b.cred, LX_W_OK), 0);
    path_put(&p);
    assert_int_equal(vfs_mknod(v, &b.at, "/tmp/null", LX_S_IFCHR | 0666, vfs_makedev(1, 3), NULL), -LX_EPERM);
    assert_int_equal(vfs_open_exec(v, &b.at, "/tmp/root", LOOKUP_FOLLOW, &f), -LX_EACCES);
    assert_int_equal(vfs_open_exec(v, &b.at, "/tmp", LOOKUP_FOLLOW, &f), -LX_EACCES);
    assert_int_equal(vfs_open_exec(v, &b.at, "/tmp/mine", LOOKUP_FOLLOW, &f), 0);
    struct file *g;
    assert_int_equal(v_open(&b, "/tmp/mine", LX_O_WRONLY, &g), -LX_ETXTBSY);
    file_put(f);
    assert_int_equal(v_open(&b, "/tmp/mine", LX_O_WRONLY, &g), 0);
    assert_int_equal(vfs_open_exec(v, &b.at, "/tmp/mine", LOOKUP_FOLLOW, &f), -LX_ETXTBSY);
    file_put(g);
    vbox_close(&b);
}

struct listing {
    unsigned n;
    uint64_t resume;
    char last[24];
    unsigned stop;
};
static int list_one(void *ctx, const char *name, size_t len, uint64_t ino, unsigned dt, uint64_t next)
{
    struct listing *l = ctx;
    (void)ino, (void)dt;
    if (l->stop && l->n >= l->stop) return 1;
    l->n++;
    l->resume = next;
    snprintf(l->last, sizeof l->last, "%.*s", (int)len, name);
    return 0;
}

static void test_big_directory(void **state)
{
    struct vbox b;
    struct file *f, *d;
    struct listing l = {0};
    char name[32];
    (void)state;
    vbox_open(&b);
    vfs_mkdir(b.vfs, &b.at, "/d", 0777);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "/d/file%d", i);
        assert_int_equal(v_open(&b, name, LX_O_WRONLY | LX_O_CREAT | LX_O_EXCL, &f), 0);
        file_put(f);
    }
    assert_int_equal(v_open(&b, "/d", LX_O_RDONLY | LX_O_DIRECTORY, &d), 0);
    assert_int_equal(vfs_readdir(d, list_one, &l), 0);
    assert_int_equal(l.n, 10002);
    d->pos = 0; // names removed while it is read are not repeated or skipped
    unsigned seen = 0;
    for (;;) {
        l = (struct listing){.stop = 100};
        assert_int_equal(vfs_readdir(d, list_one, &l), 0);
        if (l.n == 0) break;
        seen += l.n;
        if (l.last[0] == '.') continue;
        snprintf(name, sizeof name, "/d/%s", l.last);
        assert_int_equal(vfs_unlink(b.vfs, &b.at, name), 0);
    }
    assert_int_equal(seen, 10002);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "/d/file%d", i);
        vfs_unlink(b.vfs, &b.at, name);
    }
    assert_int_equal(vfs_rmdir(b.vfs, &b.at, "/d"), 0);
    assert_int_equal(vfs_readdir(d, list_one, &l), -LX_ENOENT);
    file_put(d);
    vbox_close(&b);
}

static void test_mounts(void **state)
{
    struct vbox b;
    struct fs *fs;
    struct kstat st, st2;
    struct path p;
    char text[64];
    struct kstatfs sf;
    (void)state;
    vbox_open(&b);
    struct vfs *v = b.vfs;
    vfs_mkdir(v, &b.at, "/mnt", 0777);
    vfs_mkdir(v, &b.at, "/mnt/below", 0777);
    assert_int_equal(tmpfs_new(v, 65536, 0700, &fs), 0);
    assert_int_equal(vfs_mount(v, fs, "/mnt", "tmpfs", MOUNT_NOSUID), 0);
    assert_int_equal(tmpfs_new(v, 65536, 0700, &fs), 0);
    assert_int_equal(vfs_mount(v, fs, "/nowhere", "tmpfs", 0), -LX_ENOENT);
    assert_int_equal(v_stat(&b, "/mnt/below", &st), -LX_ENOENT);
    assert_int_equal(v_stat(&b, "/mnt/..", &st), 0);
    assert_int_equal(v_stat(&b, "/", &st2), 0);
    assert_int_equal(st.ino, st2.ino);
    assert_int_equal(st.dev, st2.dev);
    assert_int_equal(v_stat(&b, "/mnt", &st), 0);
    assert_int_equal(st.mode, LX_S_IFDIR | 0700);
    assert_true(st.dev != st2.dev && st.mount_root);
    vfs_mkdir(v, &b.at, "/mnt/x", 0777);
    v_put(&b, "/mnt/x/f", "1");
    assert_int_equal(vfs_rename(v, &b.at, "/mnt/x/f", &b.at, "/f", 0), -LX_EXDEV);
    assert_int_equal(vfs_link(v, &b.at, "/mnt/x/f", 0, &b.at, "/f"), -LX_EXDEV);
    assert_int_equal(vfs_rmdir(v, &b.at, "/mnt"), -LX_EBUSY);
    assert_int_equal(vfs_lookup(v, &b.at, "/mnt/x/f", 0, &p), 0);
    vfs_path_text(&b.at.root, &p, false, text, sizeof text);
    assert_string_equal(text, "/mnt/x/f");
    assert_int_equal(vfs_statfs(&p, &sf), 0);
    assert_int_equal(sf.blocks, 16);
    assert_int_equal(sf.bfree, 15);
    path_put(&p);
    struct path old = b.at.root; // chroot
    assert_int_equal(vfs_lookup(v, &b.at, "/mnt/x", 0, &b.at.root), 0);
    v_expect(&b, "/../../f", "1");
    assert_int_equal(vfs_path_text(&b.at.root, &old, false, text, sizeof text), 14);
    assert_string_equal(text, "(unreachable)/");
    path_put(&b.at.root);
    b.at.root = old;
    assert_int_equal(vfs_lookup(v, &b.at, "/mnt", 0, &p), 0);
    struct file *f;
    assert_int_equal(v_open(&b, "/mnt/x/f", LX_O_RDONLY, &f), 0);
    assert_int_equal(vfs_umount(v, &p), -LX_EBUSY);
    file_put(f);
    assert_int_equal(vfs_umount(v, &p), 0);
    path_put(&p);
    assert_int_equal(v_stat(&b, "/mnt/below", &st), 0);
    vbox_close(&b);
}

static void test_limits(void **state)
{
    struct vbox b;
    struct fs *fs;
    char name[32];
    int err = 0, made = 0;
    (void)state;
    vbox_open_empty(&b, 1024, 1 << 20);
    assert_int_equal(tmpfs_new(b.vfs, 0, 0755, &fs), 0);
    assert_int_equal(vfs_mount(b.vfs, fs, NULL, NULL, 0), 0);
    vbox_mounted(&b);
    while (!err) { // names use kernel memory up to its limit, and no more
        snprintf(name, sizeof name, "/n%d", made);
        err = vfs_mkdir(b.vfs, &b.at, name, 0777);
        if (!err) made++;
    }
    assert_true(err == -LX_ENOSPC || err == -LX_ENOMEM);
    assert_true(made > 1000 && b.vfs->kmem <= 1 << 20);
    while (made > 0) {
        snprintf(name, sizeof name, "/n%d", --made);
        assert_int_equal(vfs_rmdir(b.vfs, &b.at, name), 0);
    }
    assert_int_equal(vfs_mkdir(b.vfs, &b.at, "/again", 0777), 0);
    vbox_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_and_remove), cmocka_unit_test(test_symlinks),
        cmocka_unit_test(test_long_names),      cmocka_unit_test(test_rename),
        cmocka_unit_test(test_permissions),     cmocka_unit_test(test_big_directory),
        cmocka_unit_test(test_mounts),          cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
