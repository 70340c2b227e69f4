// Pipes of packets (O_DIRECT), O_TMPFILE with linkat, and fcntl commands that are refused.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static void test_packets(void)
{
    int p[2], n;
    char buf[8192], big[6000];
    memset(big, 'b', sizeof big);
    CHECK(pipe2(p, O_DIRECT | O_NONBLOCK) == 0 && fcntl(p[1], F_GETFL) & O_DIRECT &&
          !(fcntl(p[0], F_GETFL) & O_DIRECT));
    CHECK(write(p[1], "one", 3) == 3 && write(p[1], "second", 6) == 6 && write(p[1], "3", 1) == 1);
    CHECK(ioctl(p[0], FIONREAD, &n) == 0 && n == 10);
    CHECK(read(p[0], buf, sizeof buf) == 3 && !memcmp(buf, "one", 3));
    CHECK(read(p[0], buf, 2) == 2 && !memcmp(buf, "se", 2)); // the rest of it is lost
    CHECK(read(p[0], buf, sizeof buf) == 1 && buf[0] == '3');
    CHECK_FAILS(read(p[0], buf, 1), EAGAIN);
    CHECK(write(p[1], big, sizeof big) == sizeof big); // in pieces of PIPE_BUF
    CHECK(read(p[0], buf, sizeof buf) == 4096 && read(p[0], buf, sizeof buf) == sizeof big - 4096);
    for (n = 0; write(p[1], "x", 1) == 1; n++) {
    }
    CHECK(n == 16 && errno == EAGAIN); // one a page
    struct pollfd w = {p[1], POLLOUT, 0};
    CHECK(poll(&w, 1, 0) == 0);
    CHECK(read(p[0], buf, sizeof buf) == 1 && poll(&w, 1, 0) == 1);
    while (read(p[0], buf, sizeof buf) == 1) n--;
    CHECK(n == 1);
    CHECK(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0); // plain and packets in one pipe
    CHECK(write(p[1], "pl", 2) == 2 && write(p[1], "ain", 3) == 3 && fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT) == 0);
    CHECK(write(p[1], "packet", 6) == 6);
    CHECK(read(p[0], buf, 1) == 1 && buf[0] == 'p');
    n = (int)read(p[0], buf, 4);
    CHECK(n == 4 && !memcmp(buf, "lain", 4));
    CHECK(read(p[0], buf, 3) == 3 && !memcmp(buf, "pac", 3));
    CHECK(read(p[0], buf, 9) == 3 && !memcmp(buf, "ket", 3)); // it had become one with the plain bytes
    close(p[1]);
    CHECK(read(p[0], buf, 3) == 0);
    close(p[0]);
    CHECK_FAILS(pipe2(p, O_APPEND), EINVAL);
}

static void link_fd(int fd, const char *name, int good)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int r = linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
    CHECK(good ? r == 0 : r == -1 && errno == ENOENT);
}

static void test_tmpfile(void)
{
    struct stat st;
    int fd = open(".", O_TMPFILE | O_RDWR, 0640), excl = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    if (fd < 0) return; // the host's file system has none
    CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0 && (st.st_mode & 0777) == 0640 && write(fd, "text", 4) == 4);
    link_fd(fd, "named", 1);
    CHECK(stat("named", &st) == 0 && st.st_nlink == 1 && st.st_size == 4);
    CHECK(unlink("named") == 0);
    link_fd(fd, "named", 0); // had a name, lost it
    link_fd(excl, "named", 0);
    CHECK_FAILS(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    CHECK_FAILS(open("missing", O_TMPFILE | O_RDWR, 0600), ENOENT);
    CHECK_FAILS(open("/dev/null", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
    int gone = open("gone", O_CREAT | O_RDWR, 0600);
    unlink("gone");
    link_fd(gone, "back", 0);
    close(fd), close(excl), close(gone);
}

static void test_refused(void)
{
    int dir = open(".", O_RDONLY), file = open("f", O_CREAT | O_RDWR, 0600), p[2];
    CHECK(pipe(p) == 0);
    CHECK(fcntl(dir, F_NOTIFY, (long)DN_MULTISHOT) == 0);
    CHECK_FAILS(fcntl(file, F_NOTIFY, (long)DN_MODIFY), ENOTDIR);
    CHECK_FAILS(fcntl(file, F_SETLEASE, F_UNLCK), EAGAIN);
    CHECK_FAILS(fcntl(p[0], F_SETLEASE, F_RDLCK), EINVAL);
    CHECK_FAILS(fcntl(dir, F_SETLEASE, F_WRLCK), EINVAL);
    CHECK(fcntl(file, F_GETLEASE) == F_UNLCK);
    unlink("f");
    close(dir), close(file), close(p[0]), close(p[1]);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    test_packets();
    test_tmpfile();
    test_refused();
    chdir("/");
    rmdir(dir);
    return check_result();
}
