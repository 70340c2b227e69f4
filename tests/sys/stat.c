// Attributes: stat's fields, statx, access, chmod, chown, times, statfs, readlink, *at flags, xattrs.
#include "check.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <utime.h>

static void test_fields(void)
{
    struct stat st, l;
    struct statx x;
    int fd = open("f", O_RDWR | O_CREAT, 0640);
    CHECK(write(fd, "12345", 5) == 5 && fstat(fd, &st) == 0);
    CHECK(st.st_size == 5 && st.st_nlink == 1 && (st.st_mode & ~022) == (S_IFREG | 0640) && st.st_blksize == 4096);
    CHECK(st.st_uid == geteuid() && st.st_gid == getegid());
    CHECK(symlink("f", "l") == 0 && lstat("l", &l) == 0 && S_ISLNK(l.st_mode) && l.st_size == 1 && stat("l", &l) == 0 &&
          l.st_ino == st.st_ino);
    CHECK(fstatat(AT_FDCWD, "l", &l, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(l.st_mode));
    CHECK(fstatat(fd, "", &l, AT_EMPTY_PATH) == 0 && l.st_ino == st.st_ino);
    CHECK_FAILS(fstatat(fd, "", &l, 0), ENOENT);
    CHECK_FAILS(fstatat(fd, "x", &l, 0), ENOTDIR);
    CHECK_FAILS(fstatat(99, "x", &l, 0), EBADF);
    CHECK_FAILS(fstatat(AT_FDCWD, "f", &l, 0x40000), EINVAL);
    CHECK_FAILS(stat("f/x", &l), ENOTDIR);
    CHECK_FAILS(stat("none", &l), ENOENT);
    CHECK_FAILS(syscall(SYS_stat, "f", (void *)1), EFAULT);
    CHECK(statx(AT_FDCWD, "f", 0, STATX_ALL, &x) == 0 && x.stx_size == 5 && x.stx_ino == st.st_ino &&
          x.stx_mode == st.st_mode);
    CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS &&
          makedev(x.stx_dev_major, x.stx_dev_minor) == st.st_dev);
    CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
    close(fd);
}

static void test_access(void)
{
    CHECK(access("f", F_OK) == 0 && access("f", R_OK | W_OK) == 0);
    CHECK_FAILS(access("f", X_OK), EACCES);
    CHECK_FAILS(access("f", 8), EINVAL);
    CHECK_FAILS(access("none", F_OK), ENOENT);
    CHECK(syscall(439, AT_FDCWD, "f", R_OK, AT_EACCESS) == 0);
}

static void test_chmod(void)
{
    struct stat st;
    CHECK(chmod("f", 04751) == 0 && stat("f", &st) == 0 && (st.st_mode & 07777) == 04751);
    int fd = open("f", O_WRONLY);
    CHECK(fchmod(fd, 0600) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(chown("f", (uid_t)-1, (gid_t)-1) == 0);
    if (geteuid() == 0) {
        CHECK(chmod("f", 06755) == 0 && chown("f", 12, 34) == 0 && stat("f", &st) == 0);
        CHECK(st.st_uid == 12 && st.st_gid == 34 && (st.st_mode & 07777) == 0755); // set-id bits go
        CHECK(lchown("l", 5, 6) == 0 && lstat("l", &st) == 0 && st.st_uid == 5 && stat("f", &st) == 0 &&
              st.st_uid == 12);
        CHECK(chown("f", 0, 0) == 0);
    }
    close(fd);
    umask(027);
    fd = open("masked", O_CREAT | O_WRONLY, 0777);
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0750);
    umask(022);
    close(fd);
    unlink("masked");
}

static void test_times(void)
{
    struct stat st;
    struct timespec ts[2] = {{111, 222}, {333, 444}}, omit[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}},
                    bad[2] = {{0, 1000000000}, {0, 0}};
    struct timeval tv[2] = {{5, 6}, {7, 8}};
    struct utimbuf ut = {1, 2};
    CHECK(utimensat(AT_FDCWD, "f", ts, 0) == 0 && stat("f", &st) == 0);
    CHECK(st.st_atim.tv_sec == 111 && st.st_atim.tv_nsec == 222 && st.st_mtim.tv_sec == 333 &&
          st.st_mtim.tv_nsec == 444);
    CHECK(st.st_ctim.tv_sec > 1000000000);
    CHECK(utimensat(AT_FDCWD, "f", omit, 0) == 0 && stat("f", &st) == 0 && st.st_atim.tv_sec == 111 &&
          st.st_mtim.tv_sec > 1000000000);
    CHECK_FAILS(utimensat(AT_FDCWD, "f", bad, 0), EINVAL);
    int fd = open("f", O_RDONLY);
    CHECK(futimens(fd, ts) == 0 && stat("f", &st) == 0 && st.st_mtim.tv_sec == 333);
    close(fd);
    CHECK(utimes("f", tv) == 0 && stat("f", &st) == 0 && st.st_mtim.tv_sec == 7 && st.st_mtim.tv_nsec == 8000);
    CHECK(utime("f", &ut) == 0 && stat("f", &st) == 0 && st.st_atim.tv_sec == 1 && st.st_mtim.tv_sec == 2);
    CHECK(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW) == 0 && lstat("l", &st) == 0 && st.st_mtim.tv_sec == 333);
    CHECK(utimensat(AT_FDCWD, "f", NULL, 0) == 0 && stat("f", &st) == 0 && st.st_mtim.tv_sec > 1000000000);
    CHECK_FAILS(utimensat(AT_FDCWD, "none", ts, 0), ENOENT);
}

static void test_readlink(void)
{
    char buf[32];
    memset(buf, '#', sizeof buf);
    CHECK(symlink("some/target", "t") == 0 && readlink("t", buf, sizeof buf) == 11 && !memcmp(buf, "some/target#", 12));
    CHECK(readlink("t", buf, 4) == 4);
    CHECK_FAILS(readlink("t", buf, 0), EINVAL);
    CHECK_FAILS(readlink("f", buf, 4), EINVAL);
    CHECK_FAILS(readlink("none", buf, 4), ENOENT);
    int fd = open("t", O_PATH | O_NOFOLLOW);
    CHECK(fd >= 0 && readlinkat(fd, "", buf, sizeof buf) == 11);
    close(fd);
    unlink("t");
}

static void test_statfs(void)
{
    struct statfs s;
    int fd = open(".", O_RDONLY);
    CHECK(statfs(".", &s) == 0 && s.f_bsize > 0 && s.f_namelen == 255 && s.f_blocks >= s.f_bfree);
    CHECK(fstatfs(fd, &s) == 0 && s.f_bsize > 0);
    CHECK(statfs("/proc", &s) == 0 && s.f_type == 0x9fa0);
    CHECK_FAILS(statfs("none", &s), ENOENT);
    close(fd);
}

static void test_xattr(void)
{
    char buf[64];
    if (setxattr("f", "user.a", "value", 5, 0) == -1 && errno == EOPNOTSUPP) return;
    CHECK(getxattr("f", "user.a", buf, sizeof buf) == 5 && !memcmp(buf, "value", 5));
    CHECK(getxattr("f", "user.a", NULL, 0) == 5);
    CHECK_FAILS(getxattr("f", "user.a", buf, 2), ERANGE);
    CHECK_FAILS(getxattr("f", "user.none", buf, 2), ENODATA);
    CHECK_FAILS(setxattr("f", "user.a", "v", 1, XATTR_CREATE), EEXIST);
    CHECK_FAILS(setxattr("f", "user.b", "v", 1, XATTR_REPLACE), ENODATA);
    CHECK_FAILS(setxattr("f", "", "v", 1, 0), ERANGE);
    CHECK(setxattr("f", "user.bb", "", 0, 0) == 0 && listxattr("f", buf, sizeof buf) == 15);
    CHECK(removexattr("f", "user.a") == 0 && listxattr("f", buf, sizeof buf) == 8 && !strcmp(buf, "user.bb"));
    CHECK_FAILS(removexattr("f", "user.a"), ENODATA);
}

int main(void)
{
    char dir[64];
    umask(022);
    check_enter(dir);
    test_fields();
    test_access();
    test_chmod();
    test_times();
    test_readlink();
    test_statfs();
    test_xattr();
    unlink("f");
    unlink("l");
    CHECK(rmdir(dir) == 0);
    return check_result();
}
