// inotify: events of every kind and their order, cookies, names, merging, one-shot and masks, limits, errors.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static char got[4096]; // the events read, as text
static uint32_t cookies[2];

static void add_bits(uint32_t mask)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{IN_ACCESS, "ACCESS"},           {IN_MODIFY, "MODIFY"},
                 {IN_ATTRIB, "ATTRIB"},           {IN_CLOSE_WRITE, "CLOSE_W"},
                 {IN_CLOSE_NOWRITE, "CLOSE"},     {IN_OPEN, "OPEN"},
                 {IN_MOVED_FROM, "FROM"},         {IN_MOVED_TO, "TO"},
                 {IN_CREATE, "CREATE"},           {IN_DELETE, "DELETE"},
                 {IN_DELETE_SELF, "DELETE_SELF"}, {IN_MOVE_SELF, "MOVE_SELF"},
                 {IN_UNMOUNT, "UNMOUNT"},         {IN_Q_OVERFLOW, "OVERFLOW"},
                 {IN_IGNORED, "IGNORED"},         {IN_ISDIR, "DIR"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mask & names[i].bit) strcat(strcat(got, "+"), names[i].name);
}

// Everything in the queue: "wd+MASK:name wd+MASK ...".
static const char *events(int fd)
{
    char buf[8192] __attribute__((aligned(8)));
    ssize_t n;
    unsigned moves = 0;
    got[0] = 0;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        for (char *p = buf; p < buf + n;) {
            struct inotify_event *e = (struct inotify_event *)p;
            sprintf(got + strlen(got), "%s%d", got[0] ? " " : "", e->wd);
            add_bits(e->mask);
            if (e->len) strcat(strcat(got, ":"), e->name);
            if (e->len) CHECK(e->len % 16 == 0 && strlen(e->name) < e->len);
            if (e->mask & (IN_MOVED_FROM | IN_MOVED_TO) && moves < 2) cookies[moves++] = e->cookie;
            p += sizeof *e + e->len;
        }
    CHECK(n == -1 && errno == EAGAIN);
    return got;
}

static void expect(int fd, const char *want, int line)
{
    const char *have = events(fd);
    if (strcmp(have, want) == 0) return;
    check_failures++;
    printf("line %d: events\n  have %s\n  want %s\n", line, have, want);
}
#define EXPECT(fd, want) expect(fd, want, __LINE__)

static void make_file(const char *name)
{
    int f = open(name, O_CREAT | O_WRONLY, 0644);
    CHECK(f >= 0);
    close(f);
}

static void test_errors(void)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), other = open("/dev/null", O_RDONLY);
    char small[8], *volatile nowhere = (char *)1;
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK_FAILS(inotify_init1(1), EINVAL);
    CHECK_FAILS(inotify_add_watch(fd, ".", 0), EINVAL);
    CHECK_FAILS(inotify_add_watch(-1, ".", 0), EINVAL);
    CHECK_FAILS(inotify_add_watch(-1, ".", IN_OPEN), EBADF);
    CHECK_FAILS(inotify_add_watch(other, ".", IN_OPEN), EINVAL);
    CHECK_FAILS(inotify_add_watch(fd, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
    CHECK_FAILS(inotify_add_watch(fd, "missing", IN_OPEN), ENOENT);
    CHECK_FAILS(inotify_add_watch(fd, (char *)1, IN_OPEN), EFAULT);
    CHECK_FAILS(inotify_add_watch(fd, "/dev/null", IN_OPEN | IN_ONLYDIR), ENOTDIR);
    CHECK_FAILS(inotify_rm_watch(fd, 1), EINVAL);
    CHECK_FAILS(inotify_rm_watch(other, 1), EINVAL);
    CHECK_FAILS(inotify_rm_watch(-1, 1), EBADF);
    CHECK_FAILS(read(fd, small, sizeof small), EAGAIN);
    CHECK_FAILS(write(fd, small, sizeof small), EBADF);
    CHECK(lseek(fd, 100, SEEK_SET) == 0); // noop_llseek
    int wd = inotify_add_watch(fd, ".", IN_CREATE);
    CHECK(wd == 1);
    CHECK_FAILS(inotify_add_watch(fd, ".", IN_CREATE | IN_MASK_CREATE), EEXIST);
    make_file("f");
    CHECK_FAILS(read(fd, small, sizeof small), EINVAL);
    CHECK_FAILS(read(fd, nowhere, 64), EFAULT);
    events(fd); // Linux has taken the event it could not copy
    unlink("f");
    close(other);
    close(fd);
}

static void test_file_events(void)
{
    int fd = inotify_init1(IN_NONBLOCK), f;
    char c;
    CHECK(inotify_add_watch(fd, ".", IN_ALL_EVENTS) == 1);
    f = open("a", O_CREAT | O_RDWR, 0644);
    EXPECT(fd, "1+CREATE:a 1+OPEN:a");
    CHECK(write(f, "xyz", 3) == 3 && write(f, "xyz", 3) == 3);
    CHECK(pread(f, &c, 1, 0) == 1 && pread(f, &c, 1, 100) == 0);
    close(f);
    EXPECT(fd, "1+MODIFY:a 1+ACCESS:a 1+CLOSE_W:a");
    f = open("a", O_RDONLY);
    close(f);
    EXPECT(fd, "1+OPEN:a 1+CLOSE:a");
    f = open("a", O_WRONLY | O_TRUNC);
    close(f);
    EXPECT(fd, "1+OPEN:a 1+MODIFY:a 1+CLOSE_W:a");
    f = open("a", O_PATH);
    close(f);
    EXPECT(fd, "");
    chmod("a", 0600);
    truncate("a", 100);
    EXPECT(fd, "1+ATTRIB:a 1+MODIFY:a");
    struct timespec both[2] = {{1, 0}, {2, 0}}, atime[2] = {{1, 0}, {0, UTIME_OMIT}},
                    mtime[2] = {{0, UTIME_OMIT}, {1, 0}};
    utimensat(AT_FDCWD, "a", both, 0);
    utimensat(AT_FDCWD, "a", atime, 0);
    utimensat(AT_FDCWD, "a", mtime, 0);
    EXPECT(fd, "1+ATTRIB:a 1+ACCESS:a 1+MODIFY:a");
    CHECK(link("a", "b") == 0);
    EXPECT(fd, "1+CREATE:b");
    CHECK(symlink("a", "s") == 0 && mkdir("d", 0755) == 0 && mknod("p", S_IFIFO | 0600, 0) == 0);
    EXPECT(fd, "1+CREATE:s 1+CREATE+DIR:d 1+CREATE:p");
    CHECK(unlink("s") == 0 && rmdir("d") == 0 && unlink("p") == 0 && unlink("a") == 0 && unlink("b") == 0);
    EXPECT(fd, "1+DELETE:s 1+DELETE+DIR:d 1+DELETE:p 1+DELETE:a 1+DELETE:b");
    close(fd);
}

static void test_self_events(void)
{
    int fd = inotify_init1(IN_NONBLOCK), f;
    make_file("a");
    mkdir("d", 0755);
    CHECK(inotify_add_watch(fd, "a", IN_ALL_EVENTS) == 1 && inotify_add_watch(fd, "d", IN_ALL_EVENTS) == 2);
    CHECK(inotify_add_watch(fd, ".", IN_DELETE | IN_MOVE) == 3);
    CHECK(link("a", "b") == 0 && unlink("b") == 0);
    EXPECT(fd, "1+ATTRIB 3+DELETE:b"); // the second ATTRIB is one with the first
    CHECK(rename("a", "d/a") == 0);
    EXPECT(fd, "3+FROM:a 2+TO:a 1+MOVE_SELF");
    CHECK(cookies[0] && cookies[0] == cookies[1]);
    f = open("d/a", O_RDONLY);
    CHECK(unlink("d/a") == 0);
    EXPECT(fd, "2+OPEN:a 1+OPEN 1+ATTRIB 2+DELETE:a");
    close(f);
    EXPECT(fd, "2+CLOSE:a 1+CLOSE 1+DELETE_SELF 1+IGNORED");
    CHECK(rename("d", "e") == 0);
    EXPECT(fd, "3+FROM+DIR:d 3+TO+DIR:e 2+MOVE_SELF");
    CHECK(rmdir("e") == 0);
    EXPECT(fd, "2+DELETE_SELF 2+IGNORED 3+DELETE+DIR:e");
    make_file("x"), make_file("y");
    CHECK(inotify_add_watch(fd, "x", IN_ALL_EVENTS) == 4 && inotify_add_watch(fd, "y", IN_ALL_EVENTS) == 5);
    CHECK(rename("x", "y") == 0);
    EXPECT(fd, "3+FROM:x 3+TO:y 5+ATTRIB 4+MOVE_SELF 5+DELETE_SELF 5+IGNORED");
    make_file("x");
    CHECK(renameat2(AT_FDCWD, "x", AT_FDCWD, "y", RENAME_EXCHANGE) == 0);
    EXPECT(fd, "3+FROM:x 3+TO:y 3+FROM:y 3+TO:x 4+MOVE_SELF");
    unlink("x"), unlink("y");
    close(fd);
}

static void test_masks(void)
{
    int fd = inotify_init1(IN_NONBLOCK), f;
    CHECK(inotify_add_watch(fd, ".", IN_CREATE | IN_ONESHOT) == 1);
    make_file("a"), make_file("b");
    EXPECT(fd, "1+CREATE:a 1+IGNORED");
    CHECK(inotify_add_watch(fd, ".", IN_CREATE) == 2);
    CHECK(inotify_add_watch(fd, ".", IN_DELETE) == 2);
    make_file("c"), unlink("c");
    EXPECT(fd, "2+DELETE:c");
    CHECK(inotify_add_watch(fd, ".", IN_CREATE | IN_MASK_ADD) == 2);
    make_file("c"), unlink("c");
    EXPECT(fd, "2+CREATE:c 2+DELETE:c");
    CHECK(inotify_rm_watch(fd, 2) == 0);
    EXPECT(fd, "2+IGNORED");
    CHECK_FAILS(inotify_rm_watch(fd, 2), EINVAL);
    CHECK(inotify_add_watch(fd, ".", IN_MODIFY) == 3);
    f = open("a", O_WRONLY);
    unlink("a");
    CHECK(write(f, "x", 1) == 1);
    EXPECT(fd, "3+MODIFY:a");
    CHECK(inotify_add_watch(fd, ".", IN_MODIFY | IN_EXCL_UNLINK) == 3);
    CHECK(write(f, "x", 1) == 1);
    EXPECT(fd, "");
    close(f);
    symlink("b", "s");
    CHECK(inotify_add_watch(fd, "s", IN_OPEN | IN_DONT_FOLLOW) == 4 && inotify_add_watch(fd, "s", IN_OPEN) == 5);
    close(open("s", O_RDONLY));
    EXPECT(fd, "5+OPEN");
    unlink("s"), unlink("b");
    close(fd);
}

static void test_queue(void)
{
    int fd = inotify_init1(IN_NONBLOCK), size, status;
    struct pollfd p = {fd, POLLIN, 0};
    char buf[sizeof(struct inotify_event) + 16];
    CHECK(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE) == 1);
    CHECK(poll(&p, 1, 0) == 0);
    CHECK(ioctl(fd, FIONREAD, &size) == 0 && size == 0);
    make_file("a"), unlink("a");
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    CHECK(ioctl(fd, FIONREAD, &size) == 0 && size == 64);
    CHECK(read(fd, buf, sizeof buf) == 32); // whole events only
    CHECK(ioctl(fd, FIONREAD, &size) == 0 && size == 32);
    CHECK(read(fd, buf, sizeof buf) == 32);
    fcntl(fd, F_SETFL, 0);
    if (fork() == 0) {
        usleep(20000);
        make_file("child");
        _exit(0);
    }
    CHECK(read(fd, buf, sizeof buf) == 32); // waits
    wait(&status);
    unlink("child");
    close(fd);
}

static void test_overflow(void)
{
    int fd = inotify_init1(IN_NONBLOCK), n = 0, last = 0;
    struct inotify_event e;
    make_file("a");
    CHECK(inotify_add_watch(fd, "a", IN_OPEN | IN_CLOSE) == 1);
    for (int i = 0; i < 9000; i++) close(open("a", O_RDONLY));
    while (read(fd, &e, sizeof e) == sizeof e) {
        n++;
        last = e.mask;
        if (e.mask == IN_Q_OVERFLOW) CHECK(e.wd == -1 && e.len == 0);
    }
    CHECK(n == 16385 && last == IN_Q_OVERFLOW);
    close(open("a", O_RDONLY));
    EXPECT(fd, "1+OPEN 1+CLOSE");
    unlink("a");
    close(fd);
}

static void test_nobody(void)
{
    int status, fd = inotify_init();
    mkdir("closed", 0700);
    if (fork() == 0) {
        if (geteuid() == 0 && setuid(65534)) _exit(2);
        _exit(inotify_add_watch(fd, "closed", IN_OPEN) != -1 || errno != EACCES);
    }
    wait(&status);
    CHECK(status == 0 || geteuid() != 0);
    rmdir("closed");
    close(fd);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    chmod(".", 0755);
    test_errors();
    test_file_events();
    test_self_events();
    test_masks();
    test_queue();
    test_overflow();
    test_nobody();
    rmdir(dir);
    return check_result();
}
