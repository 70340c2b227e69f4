// Descriptors: numbering, dup family, close-on-exec, close_range, limits, fcntl flags, O_PATH.
#include "check.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void test_numbers(void)
{
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY), c;
    CHECK(a >= 3 && b == a + 1);
    close(a);
    CHECK((c = dup(b)) == a);
    CHECK(dup2(b, 100) == 100 && dup2(b, b) == b);
    CHECK_FAILS(dup2(99, 99), EBADF);
    CHECK_FAILS(dup2(99, 98), EBADF);
    CHECK_FAILS(dup3(b, b, 0), EINVAL);
    CHECK_FAILS(dup3(b, 101, O_APPEND), EINVAL);
    CHECK_FAILS(close(99), EBADF);
    CHECK_FAILS(dup2(b, -1), EBADF);
    CHECK(fcntl(b, F_DUPFD, 100) == 101);
    CHECK(fcntl(b, F_DUPFD_CLOEXEC, 50) == 50 && fcntl(50, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(101, F_GETFD) == 0 && fcntl(101, F_SETFD, FD_CLOEXEC) == 0 && fcntl(101, F_GETFD) == FD_CLOEXEC);
    CHECK(dup3(b, 102, O_CLOEXEC) == 102 && fcntl(102, F_GETFD) == FD_CLOEXEC);
    CHECK(syscall(SYS_close_range, 100, 102, 0) == 0);
    CHECK_FAILS(fcntl(100, F_GETFD), EBADF);
    CHECK(syscall(SYS_close_range, 50, ~0u, 4) == 0 && fcntl(50, F_GETFD) == FD_CLOEXEC); // CLOSE_RANGE_CLOEXEC
    CHECK_FAILS(syscall(SYS_close_range, 5, 4, 0), EINVAL);
    close(50);
    close(b);
    close(c);
}

static void test_limit(void)
{
    struct rlimit old, low = {16, 0};
    int fd, last = -1;
    getrlimit(RLIMIT_NOFILE, &old);
    low.rlim_max = old.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
    CHECK(last == 15 && errno == EMFILE);
    CHECK_FAILS(open("/does/not/exist", O_RDONLY), EMFILE);
    CHECK_FAILS(dup(0), EMFILE);
    CHECK_FAILS(fcntl(0, F_DUPFD, 16), EINVAL);
    CHECK_FAILS(dup2(0, 16), EBADF);
    int p[2];
    close(15);
    CHECK_FAILS(pipe(p), EMFILE);
    CHECK(open("/dev/null", O_RDONLY) == 15); // pipe gave its descriptors back
    for (fd = 3; fd < 16; fd++) close(fd);
    setrlimit(RLIMIT_NOFILE, &old);
}

static void test_flags(void)
{
    int fd = open("flags", O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK((fcntl(fd, F_GETFL) & ~O_LARGEFILE & ~0100000) == (O_RDWR | O_APPEND));
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK | O_WRONLY | O_CREAT) == 0);
    CHECK((fcntl(fd, F_GETFL) & ~O_LARGEFILE & ~0100000) == (O_RDWR | O_NONBLOCK));
    CHECK_FAILS(fcntl(fd, 9999), EINVAL);
    CHECK_FAILS(open("flags", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    CHECK_FAILS(open("flags", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_FAILS(open(".", O_WRONLY), EISDIR);
    CHECK_FAILS(open("", O_RDONLY), ENOENT);
    CHECK_FAILS(open((char *)1, O_RDONLY), EFAULT);
    close(fd);
}

static void test_path(void)
{
    char c;
    struct stat st;
    int fd = open("flags", O_PATH | O_CLOEXEC);
    CHECK(fd >= 0 && fcntl(fd, F_GETFL) & O_PATH);
    CHECK_FAILS(read(fd, &c, 1), EBADF);
    CHECK_FAILS(fchmod(fd, 0600), EBADF);
    CHECK_FAILS(fcntl(fd, F_SETFL, 0), EBADF);
    CHECK(fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
    int d = dup(fd);
    CHECK(d >= 0);
    close(d);
    close(fd);
}

static void test_exec(const char *self)
{
    int keep = dup(1), gone = fcntl(1, F_DUPFD_CLOEXEC, 3), status;
    char a[16], b[16];
    snprintf(a, sizeof a, "%d", keep);
    snprintf(b, sizeof b, "%d", gone);
    if (fork() == 0) {
        execl(self, self, a, b, NULL);
        _exit(9);
    }
    wait(&status);
    CHECK(status == 0);
}

int main(int argc, char **argv)
{
    char dir[64], self[256];
    if (argc == 3) return !(fcntl(atoi(argv[1]), F_GETFD) == 0 && fcntl(atoi(argv[2]), F_GETFD) == -1);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (CHECK(n > 0)) self[n] = 0;
    syscall(SYS_close_range, 3, ~0u, 0); // whatever we inherited
    check_enter(dir);
    test_numbers();
    test_limit();
    test_flags();
    test_path();
    test_exec(self);
    unlink("flags");
    rmdir(dir);
    return check_result();
}
