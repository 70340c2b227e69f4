// The tree: mkdir, rmdir, rename, link, symlink, unlink of open files, getdents, cwd, long names, many entries.
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int holds(const char *name, const char *text)
{
    char buf[64] = "";
    int fd = open(name, O_RDONLY);
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    return n == (ssize_t)strlen(text) && !strcmp(buf, text);
}

static void test_dirs(void)
{
    struct stat st;
    CHECK(mkdir("d", 0755) == 0 && stat("d", &st) == 0 && S_ISDIR(st.st_mode) && st.st_nlink == 2);
    CHECK_FAILS(mkdir("d", 0755), EEXIST);
    CHECK_FAILS(mkdir("none/x", 0755), ENOENT);
    CHECK(mkdir("d/e", 0700) == 0 && stat("d", &st) == 0 && st.st_nlink == 3);
    CHECK_FAILS(rmdir("d"), ENOTEMPTY);
    CHECK_FAILS(unlink("d"), EISDIR);
    CHECK_FAILS(rmdir("d/e/."), EINVAL);
    CHECK(rmdir("d/e") == 0 && rmdir("d") == 0);
    CHECK_FAILS(rmdir("d"), ENOENT);
    put("f", "x");
    CHECK_FAILS(rmdir("f"), ENOTDIR);
    CHECK_FAILS(unlink("f/"), ENOTDIR);
    CHECK_FAILS(unlinkat(AT_FDCWD, "f", 1), EINVAL);
    CHECK(mkdirat(AT_FDCWD, "g", 0755) == 0 && unlinkat(AT_FDCWD, "g", AT_REMOVEDIR) == 0);
    CHECK(unlink("f") == 0);
}

static void test_rename(void)
{
    put("a", "A");
    put("b", "B");
    CHECK(rename("a", "b") == 0 && holds("b", "A") && access("a", F_OK) == -1);
    CHECK_FAILS(rename("a", "c"), ENOENT);
    put("a", "N");
    CHECK_FAILS(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1), EEXIST);
    CHECK(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 2) == 0 && holds("a", "A") && holds("b", "N"));
    CHECK(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0 && mkdir("e/in", 0755) == 0);
    CHECK_FAILS(rename("d", "d/x"), EINVAL);
    CHECK_FAILS(rename("a", "d"), EISDIR);
    CHECK_FAILS(rename("d", "a"), ENOTDIR);
    CHECK_FAILS(rename("d", "e"), ENOTEMPTY);
    CHECK(rename("e/in", "in") == 0 && rename("d", "e") == 0);
    CHECK(link("a", "a2") == 0 && rename("a", "a2") == 0 && access("a", F_OK) == 0); // two names of one file
    CHECK(unlink("a") == 0 && unlink("a2") == 0 && unlink("b") == 0 && rmdir("e") == 0 && rmdir("in") == 0);
}

static void exchange_of_one_file(const char *from, const char *to, uid_t uid)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        if (chdir("d") || (uid && setuid(uid))) _exit(2);
        _exit(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 2) != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

// Names of one file, or one name twice: nothing is changed, also with an exchange, and no rights are needed.
static void test_rename_to_itself(void)
{
    struct timespec t[2] = {{1000, 0}, {1000, 0}};
    struct stat st;
    CHECK(mkdir("d", 0755) == 0);
    put("d/a", "A");
    CHECK(link("d/a", "d/b") == 0 && utimensat(AT_FDCWD, "d", t, 0) == 0);
    exchange_of_one_file("a", "b", 0);
    exchange_of_one_file("a", "a", 0);
    if (getuid() == 0) exchange_of_one_file("a", "b", 4711);
    CHECK(rename("d/a", "d/a") == 0 && rename("d/a", "d/b") == 0);
    CHECK(stat("d", &st) == 0 && st.st_mtim.tv_sec == 1000);
    CHECK(unlink("d/a") == 0 && unlink("d/b") == 0 && rmdir("d") == 0);
}

static void test_links(void)
{
    struct stat st, l;
    char buf[16];
    put("a", "A");
    CHECK(link("a", "b") == 0 && stat("b", &st) == 0 && st.st_nlink == 2);
    CHECK_FAILS(link("a", "b"), EEXIST);
    CHECK_FAILS(link("none", "c"), ENOENT);
    int fd = open("a", O_RDWR);
    CHECK(unlink("a") == 0 && unlink("b") == 0 && fstat(fd, &st) == 0 && st.st_nlink == 0);
    CHECK(write(fd, "gone", 4) == 4 && pread(fd, buf, 16, 0) == 4);
    close(fd);
    CHECK(symlink("loop", "loop") == 0);
    CHECK_FAILS(open("loop", O_RDONLY), ELOOP);
    CHECK_FAILS(open("loop", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK(link("loop", "loop2") == 0 && lstat("loop2", &l) == 0 && S_ISLNK(l.st_mode)); // link(2) does not follow
    CHECK_FAILS(symlink("", "empty"), ENOENT);
    CHECK(unlink("loop") == 0 && unlink("loop2") == 0);
    CHECK(symlink("made", "dangling") == 0);
    put("dangling", "D");
    CHECK(holds("made", "D") && unlink("made") == 0 && unlink("dangling") == 0);
}

static void test_names(void)
{
    char name[300], path[PATH_MAX + 10];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    put(name, "long");
    CHECK(holds(name, "long") && unlink(name) == 0);
    name[255] = 'n';
    name[256] = 0;
    CHECK_FAILS(open(name, O_RDONLY), ENAMETOOLONG);
    memset(path, '/', sizeof path);
    path[sizeof path - 1] = 0;
    CHECK_FAILS(open(path, O_RDONLY), ENAMETOOLONG);
    path[PATH_MAX - 1] = 0;
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
}

enum { MANY = 3000 };

static void test_list(void)
{
    static char seen[MANY];
    char name[32], buf[100];
    CHECK(mkdir("many", 0755) == 0 && chdir("many") == 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "entry-%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    DIR *d = opendir(".");
    struct dirent *e;
    int others = 0, n = 0;
    while ((e = readdir(d))) {
        if (sscanf(e->d_name, "entry-%d", &n) == 1)
            seen[n]++, CHECK(e->d_type == DT_REG);
        else
            others++;
    }
    CHECK(others == 2);
    for (n = 0; n < MANY && seen[n] == 1; n++) continue;
    CHECK(n == MANY);
    rewinddir(d);
    CHECK((e = readdir(d)) != NULL);
    closedir(d);
    int fd = open(".", O_RDONLY);
    CHECK_FAILS(syscall(SYS_getdents64, fd, buf, 10), EINVAL);
    CHECK(syscall(SYS_getdents64, fd, buf, 100) > 0);
    close(fd);
    d = opendir(".");
    while ((e = readdir(d)))
        if (e->d_name[0] == 'e') unlink(e->d_name); // while it is being read
    closedir(d);
    CHECK(chdir("..") == 0 && rmdir("many") == 0);
}

static void test_cwd(const char *dir)
{
    char buf[PATH_MAX], want[100];
    CHECK(mkdir("sub", 0755) == 0 && chdir("sub") == 0 && getcwd(buf, sizeof buf));
    snprintf(want, sizeof want, "%s/sub", dir);
    CHECK(!strcmp(buf, want));
    CHECK(syscall(SYS_getcwd, buf, sizeof buf) == (long)strlen(want) + 1);
    CHECK_FAILS(syscall(SYS_getcwd, buf, 3), ERANGE);
    CHECK(rmdir("../sub") == 0);
    CHECK_FAILS(syscall(SYS_getcwd, buf, sizeof buf), ENOENT);
    CHECK_FAILS(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    CHECK(fchdir(fd) == 0);
    put("afile", "");
    CHECK_FAILS(chdir("afile"), ENOTDIR);
    CHECK(openat(fd, "afile", O_RDONLY) >= 0);
    unlink("afile");
    close(fd);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    test_dirs();
    test_rename();
    test_rename_to_itself();
    test_links();
    test_names();
    test_list();
    test_cwd(dir);
    CHECK(rmdir(dir) == 0);
    return check_result();
}
