// copy_file_range and sendfile: what they copy between, positions, ends of files, errors and their order.
#include "check.h"
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int make(const char *name, const char *content)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content) && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static int holds(int fd, const char *want)
{
    char buf[64] = "";
    return pread(fd, buf, sizeof buf - 1, 0) == (ssize_t)strlen(want) && !strcmp(buf, want);
}

static void test_range(void)
{
    int in = make("in", "0123456789"), out = make("out", ""), p[2], dir = open(".", O_RDONLY);
    int rd = open("out", O_RDONLY), app = open("out", O_WRONLY | O_APPEND), wr = open("in", O_WRONLY);
    off_t from = 4, to = 2;
    CHECK(copy_file_range(in, NULL, out, NULL, 3, 0) == 3 && lseek(in, 0, SEEK_CUR) == 3 &&
          lseek(out, 0, SEEK_CUR) == 3);
    CHECK(copy_file_range(in, &from, out, &to, 100, 0) == 6 && from == 10 && to == 8 && holds(out, "01456789"));
    CHECK(lseek(in, 0, SEEK_CUR) == 3 && lseek(out, 0, SEEK_CUR) == 3);
    CHECK(copy_file_range(in, &from, out, &to, 5, 0) == 0); // at the end
    CHECK(copy_file_range(in, NULL, out, NULL, 0, 0) == 0);
    from = 20;
    CHECK(copy_file_range(in, &from, out, &to, 5, 0) == 0);
    from = -1;
    CHECK_FAILS(copy_file_range(in, &from, out, &to, 5, 0), EOVERFLOW);
    from = -10;
    CHECK_FAILS(copy_file_range(in, &from, out, &to, 5, 0), EINVAL);
    from = 0, to = 5;
    CHECK(copy_file_range(in, &from, in, &to, 5, 0) == 5 && holds(in, "0123401234"));
    from = 0, to = 3;
    CHECK_FAILS(copy_file_range(in, &from, in, &to, 5, 0), EINVAL); // overlapping
    CHECK_FAILS(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
    CHECK_FAILS(copy_file_range(-1, NULL, out, NULL, 1, 0), EBADF);
    CHECK_FAILS(copy_file_range(in, NULL, rd, NULL, 1, 0), EBADF);
    CHECK_FAILS(copy_file_range(wr, NULL, out, NULL, 1, 0), EBADF);
    CHECK_FAILS(copy_file_range(in, NULL, app, NULL, 1, 0), EBADF);
    CHECK_FAILS(copy_file_range(dir, NULL, out, NULL, 1, 0), EISDIR);
    CHECK(pipe(p) == 0);
    CHECK_FAILS(copy_file_range(p[0], NULL, out, NULL, 1, 0), EINVAL);
    CHECK_FAILS(copy_file_range(in, (off_t *)8, out, NULL, 1, 0), EFAULT);
    close(in), close(out), close(rd), close(app), close(wr), close(dir), close(p[0]), close(p[1]);
}

static void test_sendfile(void)
{
    char buf[16] = "";
    int in = make("in", "0123456789"), out = make("out", ""), p[2], s[2], app = open("out", O_WRONLY | O_APPEND);
    int rd = open("out", O_RDONLY);
    off_t at = 7;
    CHECK(sendfile(out, in, NULL, 4) == 4 && lseek(in, 0, SEEK_CUR) == 4 && holds(out, "0123"));
    CHECK(sendfile(out, in, &at, 100) == 3 && at == 10 && lseek(in, 0, SEEK_CUR) == 4 && holds(out, "0123789"));
    CHECK(sendfile(out, in, &at, 5) == 0 && sendfile(out, in, NULL, 0) == 0);
    CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(sendfile(p[1], in, NULL, 3) == 3 && read(p[0], buf, sizeof buf) == 3 && !memcmp(buf, "456", 3));
    CHECK(sendfile(s[1], in, NULL, 100) == 3 && read(s[0], buf, sizeof buf) == 3 && !memcmp(buf, "789", 3));
    at = -1;
    CHECK_FAILS(sendfile(out, in, &at, 5), EINVAL);
    at = 0;
    CHECK_FAILS(sendfile(app, in, &at, 5), EINVAL);
    CHECK_FAILS(sendfile(rd, in, NULL, 5), EBADF);
    CHECK_FAILS(sendfile(out, -1, NULL, 5), EBADF);
    CHECK_FAILS(sendfile(out, p[0], &at, 5), ESPIPE);
    CHECK_FAILS(sendfile(out, in, (off_t *)8, 5), EFAULT);
    CHECK_FAILS(sendfile(out, in, NULL, (size_t)-1), EINVAL);
    close(in), close(out), close(app), close(rd), close(p[0]), close(p[1]), close(s[0]), close(s[1]);
}

static void test_devices(void)
{
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY), out = make("out", ""),
        in = make("in", "text");
    struct stat st;
    CHECK(sendfile(null, in, NULL, 100) == 4);
    CHECK(sendfile(out, zero, NULL, 10) == 10 && fstat(out, &st) == 0 && st.st_size == 10);
    CHECK_FAILS(copy_file_range(zero, NULL, out, NULL, 1, 0), EINVAL);
    close(zero), close(null), close(out), close(in);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    test_range();
    test_sendfile();
    test_devices();
    unlink("in"), unlink("out");
    chdir("/");
    rmdir(dir);
    return check_result();
}
