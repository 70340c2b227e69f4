// splice, tee, vmsplice; timerfd.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static void test_splice(void)
{
    int p[2], q[2], f = open("in", O_RDWR | O_CREAT, 0644), g = open("out", O_RDWR | O_CREAT, 0644);
    char buf[64] = "";
    loff_t off = 2;
    CHECK(pipe(p) == 0 && pipe(q) == 0 && write(f, "0123456789", 10) == 10);
    CHECK(splice(f, &off, p[1], NULL, 5, 0) == 5 && off == 7 && read(p[0], buf, 64) == 5 && !memcmp(buf, "23456", 5));
    CHECK(lseek(f, 0, SEEK_SET) == 0 && splice(f, NULL, p[1], NULL, 100, 0) == 10 &&
          splice(f, NULL, p[1], NULL, 100, 0) == 0);
    CHECK(tee(p[0], q[1], 4, 0) == 4 && read(q[0], buf, 64) == 4 && !memcmp(buf, "0123", 4));
    off = 1;
    CHECK(splice(p[0], NULL, g, &off, 3, 0) == 3 && off == 4 && pread(g, buf, 64, 0) == 4 &&
          !memcmp(buf,
                  "\0"
                  "012",
                  4));
    CHECK(splice(p[0], NULL, q[1], NULL, 100, 0) == 7 && read(q[0], buf, 64) == 7 && !memcmp(buf, "3456789", 7));
    CHECK_FAILS(splice(p[0], NULL, g, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_FAILS(splice(f, NULL, g, NULL, 1, 0), EINVAL);
    CHECK_FAILS(splice(p[0], NULL, p[1], NULL, 1, 0), EINVAL);
    CHECK_FAILS(splice(p[0], &off, g, NULL, 1, 0), ESPIPE);
    CHECK_FAILS(splice(p[0], NULL, p[0], NULL, 1, 0), EBADF);
    struct iovec v[2] = {{"ab", 2}, {"cd", 2}};
    CHECK(vmsplice(p[1], v, 2, 0) == 4 && read(p[0], buf, 64) == 4 && !memcmp(buf, "abcd", 4));
    if (fork() == 0) {
        usleep(30000);
        _exit(write(p[1], "late", 4) != 4);
    }
    CHECK(splice(p[0], NULL, q[1], NULL, 100, 0) == 4 && read(q[0], buf, 64) == 4);
    wait(NULL);
    close(p[1]);
    CHECK(splice(p[0], NULL, q[1], NULL, 100, 0) == 0);
    close(p[0]);
    close(q[0]);
    close(q[1]);
    close(f);
    close(g);
}

static void test_timer(void)
{
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec s = {{0, 20000000}, {0, 30000000}}, old;
    struct pollfd p = {.fd = t, .events = POLLIN};
    uint64_t n = 0;
    CHECK(t >= 0 && poll(&p, 1, 0) == 0 && timerfd_settime(t, 0, &s, NULL) == 0);
    CHECK(timerfd_gettime(t, &old) == 0 && old.it_interval.tv_nsec == 20000000 && old.it_value.tv_nsec <= 30000000 &&
          old.it_value.tv_nsec > 0);
    CHECK(poll(&p, 1, 2000) == 1 && read(t, &n, 8) == 8 && n >= 1);
    usleep(100000);
    CHECK(read(t, &n, 8) == 8 && n >= 3);
    s = (struct itimerspec){{0, 0}, {0, 0}};
    CHECK(timerfd_settime(t, 0, &s, &old) == 0 && old.it_interval.tv_nsec == 20000000);
    fcntl(t, F_SETFL, O_NONBLOCK);
    CHECK_FAILS(read(t, &n, 8), EAGAIN);
    CHECK_FAILS(read(t, &n, 7), EINVAL);
    CHECK_FAILS(timerfd_settime(t, 8, &s, NULL), EINVAL);
    CHECK_FAILS(timerfd_settime(1, 0, &s, NULL), EINVAL);
    CHECK_FAILS(timerfd_create(99, 0), EINVAL);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    s.it_value = (struct timespec){now.tv_sec - 1, 0}; // past already
    close(t);
    t = timerfd_create(CLOCK_REALTIME, 0);
    CHECK(timerfd_settime(t, TFD_TIMER_ABSTIME, &s, NULL) == 0 && read(t, &n, 8) == 8 && n == 1);
    close(t);
}

int main(void)
{
    char dir[64];
    check_enter(dir);
    test_splice();
    test_timer();
    unlink("in");
    unlink("out");
    rmdir(dir);
    return check_result();
}
