// mount, umount2, pivot_root, chroot: tmpfs, bind (of files and trees), move, read-only, detach, /proc/mounts, errors.
// On the host it works in a mount namespace of its own, as root.
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void put(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int has(const char *name, const char *text)
{
    char buf[64] = "";
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
    close(fd);
    return n >= 0 && strcmp(buf, text) == 0;
}

static int listed(const char *file, const char *what)
{
    char line[1024];
    int found = 0;
    FILE *f = fopen(file, "r");
    while (f && fgets(line, sizeof line, f)) found += strstr(line, what) != NULL;
    if (f) fclose(f);
    return found;
}

static void test_errors(void)
{
    mkdir("m", 0755);
    put("file", "x");
    CHECK_FAILS(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
    CHECK_FAILS(mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
    CHECK_FAILS(mount("none", "m", NULL, 0, NULL), EINVAL);
    CHECK_FAILS(mount("none", (char *)8, "tmpfs", 0, NULL), EFAULT);
    CHECK_FAILS(mount("none", "m", (char *)8, 0, NULL), EFAULT);
    CHECK_FAILS(mount("none", "file", "tmpfs", 0, NULL), ENOTDIR);
    CHECK_FAILS(mount("none", "m", "tmpfs", 0, "size=lots"), EINVAL);
    CHECK_FAILS(mount("none", "m", "tmpfs", 0, "unknown=1"), EINVAL);
    CHECK_FAILS(mount("file", "m", "ext2", 0, NULL), ENOTBLK);
    CHECK_FAILS(mount("missing", "m", NULL, MS_BIND, NULL), ENOENT);
    CHECK_FAILS(mount("", "m", NULL, MS_BIND, NULL), EINVAL);
    CHECK_FAILS(mount(NULL, "m", NULL, MS_BIND, NULL), EINVAL);
    CHECK_FAILS(mount("file", "m", NULL, MS_BIND, NULL), ENOTDIR);
    CHECK_FAILS(mount("none", "m", NULL, MS_REMOUNT, NULL), EINVAL);
    CHECK_FAILS(mount("none", "m", NULL, MS_PRIVATE, NULL), EINVAL);
    CHECK_FAILS(umount2("m", 64), EINVAL);
    CHECK_FAILS(umount2("m", 0), EINVAL);
    CHECK_FAILS(umount2("missing", 0), ENOENT);
    unlink("file");
}

static void test_tmpfs(void)
{
    struct stat st, under;
    struct statfs fs;
    stat("m", &under);
    CHECK(mount("my disk", "m", "tmpfs", MS_NOSUID, "size=1m,mode=0750,uid=7,gid=8") == 0);
    CHECK(stat("m", &st) == 0 && st.st_dev != under.st_dev && (st.st_mode & 07777) == 0750 && st.st_uid == 7 &&
          st.st_gid == 8);
    CHECK(statfs("m", &fs) == 0 && fs.f_type == 0x01021994 && fs.f_blocks == 256);
    CHECK(listed("/proc/mounts", "my\\040disk ") == 1 && listed("/proc/self/mountinfo", "my\\040disk ") == 1);
    put("m/f", "inside");
    CHECK_FAILS(rmdir("m"), EBUSY);
    CHECK_FAILS(rename("m", "n"), EBUSY);
    int fd = open("m/f", O_RDWR);
    CHECK_FAILS(umount("m"), EBUSY);
    CHECK_FAILS(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
    close(fd);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    CHECK_FAILS(open("m/f", O_WRONLY), EROFS);
    CHECK_FAILS(mkdir("m/d", 0755), EROFS);
    CHECK(has("m/f", "inside"));
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT, NULL) == 0);
    put("m/f", "again");
    CHECK_FAILS(umount2("m/f", 0), EINVAL);
    CHECK_FAILS(umount2("m", MNT_EXPIRE | MNT_FORCE), EINVAL);
    CHECK_FAILS(umount2("m", MNT_EXPIRE), EAGAIN);
    CHECK(umount2("m", MNT_EXPIRE) == 0);
    CHECK_FAILS(open("m/f", O_RDONLY), ENOENT);
    CHECK(listed("/proc/mounts", "my\\040disk ") == 0);
}

static void test_bind(void)
{
    mkdir("a", 0755), mkdir("a/sub", 0755), mkdir("b", 0755);
    put("a/f", "one");
    CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0 && has("b/f", "one"));
    put("b/g", "two");
    CHECK(has("a/g", "two") && rename("a/g", "a/h") == 0 && has("b/h", "two") && unlink("b/h") == 0);
    CHECK(access("a/h", F_OK) == -1);
    CHECK_FAILS(rename("a/f", "b/z"), EXDEV);
    CHECK_FAILS(link("a/f", "b/z"), EXDEV);
    CHECK(chdir("b/sub/../..") == 0);
    CHECK(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
    CHECK_FAILS(open("b/f", O_WRONLY), EROFS);
    put("a/f", "three");
    CHECK(has("b/f", "three"));
    CHECK(umount("b") == 0);
    // a tree, with and without what is mounted in it
    CHECK(mount("t", "a/sub", "tmpfs", 0, NULL) == 0);
    put("a/sub/deep", "deep");
    CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0 && access("b/sub/deep", F_OK) == -1 && umount("b") == 0);
    CHECK(mount("a", "b", NULL, MS_BIND | MS_REC, NULL) == 0 && has("b/sub/deep", "deep"));
    CHECK_FAILS(umount("b"), EBUSY);
    CHECK(umount2("b", MNT_DETACH) == 0 && access("b/f", F_OK) == -1 && has("a/sub/deep", "deep"));
    CHECK(mount("a/sub", "b", NULL, MS_MOVE, NULL) == 0 && has("b/deep", "deep") && access("a/sub/deep", F_OK) == -1);
    CHECK_FAILS(mount("a/sub", "b", NULL, MS_MOVE, NULL), EINVAL);
    CHECK(umount("b") == 0);
    // a file on a file
    put("x", "old");
    CHECK(mount("a/f", "x", NULL, MS_BIND, NULL) == 0 && has("x", "three"));
    CHECK_FAILS(unlink("x"), EBUSY);
    CHECK(umount("x") == 0 && has("x", "old"));
    unlink("x"), unlink("a/f"), rmdir("a/sub"), rmdir("a"), rmdir("b");
}

static void test_detach(void)
{
    char cwd[256];
    CHECK(mount("t", "m", "tmpfs", 0, NULL) == 0);
    put("m/f", "kept");
    int fd = open("m/f", O_RDONLY), dir = open("m", O_RDONLY | O_DIRECTORY), back = open(".", O_RDONLY);
    CHECK(umount2("m", MNT_DETACH) == 0 && access("m/f", F_OK) == -1);
    CHECK(pread(fd, cwd, 4, 0) == 4 && openat(dir, "f", O_RDONLY) >= 0);
    CHECK(fchdir(dir) == 0 && access("f", F_OK) == 0);
    CHECK(chdir("..") == 0 && access("f", F_OK) == 0); // nothing is above it
    CHECK(syscall(SYS_getcwd, cwd, sizeof cwd) < 0 || strncmp(cwd, "(unreachable)", 13) == 0);
    CHECK(fchdir(back) == 0);
    close(fd), close(dir), close(back);
}

static void test_watched(void)
{
    struct inotify_event e[4];
    int fd = inotify_init1(IN_NONBLOCK);
    CHECK(mount("t", "m", "tmpfs", 0, NULL) == 0);
    put("m/f", "x");
    CHECK(inotify_add_watch(fd, "m/f", IN_MODIFY) == 1 && umount("m") == 0); // a watch keeps nothing busy
    CHECK(read(fd, e, sizeof e) == 32 && e[0].mask == IN_UNMOUNT && e[1].mask == IN_IGNORED && e[0].wd == 1);
    CHECK_FAILS(inotify_rm_watch(fd, 1), EINVAL);
    close(fd);
}

static int in_new_root(void)
{
    CHECK(mount("t", "m", "tmpfs", 0, NULL) == 0 && mkdir("m/old", 0755) == 0 && mkdir("m/d", 0755) == 0);
    CHECK_FAILS(syscall(SYS_pivot_root, "m/d", "m/old"), EINVAL);
    CHECK_FAILS(syscall(SYS_pivot_root, "m", "/"), EBUSY);
    CHECK_FAILS(syscall(SYS_pivot_root, "m", "missing"), ENOENT);
    put("m/here", "new");
    if (!CHECK(syscall(SYS_pivot_root, "m", "m/old") == 0)) return 1;
    CHECK(chdir("/") == 0 && has("/here", "new") && access("/old/proc/self", F_OK) == 0);
    CHECK(listed("/old/proc/self/mounts", " / tmpfs ") == 1);
    CHECK(umount2("/old", MNT_DETACH) == 0 && access("/old/proc", F_OK) == -1);
    CHECK(chroot("/d") == 0 && chdir("/") == 0 && access("/here", F_OK) == -1 && access("/../here", F_OK) == -1);
    return check_result();
}

// man pivot_root: without a directory for the old root.
static int in_same_place(void)
{
    check_failures = 0;
    CHECK(mount("t", "m", "tmpfs", 0, NULL) == 0 && chdir("m") == 0);
    put("here", "new");
    CHECK(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0);
    CHECK(chdir("/") == 0 && has("/here", "new") && access("/proc", F_OK) == -1);
    return check_result();
}

static int as_nobody(void)
{
    if (setgid(65534) || setuid(65534)) return 2;
    CHECK_FAILS(mount("none", "/missing", "tmpfs", 0, NULL), ENOENT);
    CHECK_FAILS(mount("none", "/", "tmpfs", 0, NULL), EPERM);
    CHECK_FAILS(umount2("/", 0), EPERM);
    CHECK_FAILS(umount2("/", 64), EINVAL);
    CHECK_FAILS(umount2("/missing", 0), ENOENT);
    CHECK_FAILS(syscall(SYS_pivot_root, "/missing", "/"), EPERM);
    CHECK_FAILS(chroot("/"), EPERM);
    CHECK_FAILS(chroot("/missing"), ENOENT);
    return check_result();
}

static void run(int (*what)(void))
{
    int status;
    if (fork() == 0) _exit(what());
    wait(&status);
    CHECK(status == 0);
}

int main(int argc, char **argv)
{
    char dir[64];
    if (geteuid() != 0) return 77; // skipped
    if (unshare(CLONE_NEWNS) == 0) mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    check_enter(dir);
    test_errors();
    test_tmpfs();
    test_bind();
    test_detach();
    test_watched();
    run(as_nobody);
    if (argc == 2)
        run(in_same_place); // each takes the root away: one a run
    else
        run(in_new_root);
    chdir("/");
    (void)argv;
    return check_result();
}
