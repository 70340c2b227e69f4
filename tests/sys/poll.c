// poll, ppoll, select, pselect: readiness, time limits, masks, interruption.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile int got;
static void on_signal(int sig)
{
    got = sig;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void alarm_in(int ms)
{
    struct itimerval t = {.it_value = {0, ms * 1000}};
    got = 0;
    setitimer(ITIMER_REAL, &t, NULL);
}

static void test_poll(int *p)
{
    struct pollfd f[3] = {
        {.fd = p[0], .events = POLLIN}, {.fd = p[1], .events = POLLOUT}, {.fd = -1, .events = POLLIN, .revents = 7}};
    CHECK(poll(f, 3, 0) == 1 && f[0].revents == 0 && f[1].revents == POLLOUT && f[2].revents == 0);
    double start = now();
    CHECK(poll(f, 1, 60) == 0 && now() - start >= 0.058);
    CHECK(write(p[1], "x", 1) == 1 && poll(f, 3, -1) == 2 && f[0].revents == POLLIN);
    f[2].fd = 99;
    CHECK(poll(f, 3, -1) == 3 && f[2].revents == POLLNVAL);
    f[0].events = 0;
    CHECK(poll(f, 1, 0) == 0);
    char c;
    CHECK(read(p[0], &c, 1) == 1);
}

// Another process makes it ready while we wait.
static void test_wake(int *p)
{
    struct pollfd f = {.fd = p[0], .events = POLLIN};
    char c;
    if (fork() == 0) {
        usleep(40000);
        _exit(write(p[1], "y", 1) != 1);
    }
    CHECK(poll(&f, 1, 5000) == 1 && f.revents == POLLIN && read(p[0], &c, 1) == 1);
    wait(NULL);
}

static void test_signals(int *p)
{
    struct pollfd f = {.fd = p[0], .events = POLLIN};
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct timespec half = {0, 300000000}, zero = {0, 0};
    sigset_t none, alrm, pending;
    sigaction(SIGALRM, &sa, NULL);
    alarm_in(40);
    CHECK_FAILS(poll(&f, 1, 2000), EINTR); // whatever SA_RESTART says
    CHECK(got == SIGALRM);
    sigemptyset(&none);
    sigemptyset(&alrm);
    sigaddset(&alrm, SIGALRM);
    sigprocmask(SIG_BLOCK, &alrm, NULL);
    alarm_in(30);
    CHECK(ppoll(&f, 1, &half, &alrm) == 0 && !got);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGALRM));
    CHECK_FAILS(ppoll(&f, 1, &half, &none), EINTR);
    CHECK(got == SIGALRM);
    CHECK(ppoll(&f, 1, &zero, &none) == 0);
    sigprocmask(SIG_SETMASK, NULL, &pending);
    CHECK(sigismember(&pending, SIGALRM)); // the mask is back
    alarm_in(30);
    CHECK_FAILS(pselect(0, NULL, NULL, NULL, &half, &none), EINTR);
    sigprocmask(SIG_UNBLOCK, &alrm, NULL);
}

static void test_select(int *p)
{
    fd_set r, w;
    struct timeval tv = {0, 50000}, zero = {0, 0};
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(p[1], &w);
    CHECK(select(p[1] + 1, &r, &w, NULL, NULL) == 1 && !FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
    FD_SET(p[0], &r);
    double start = now();
    CHECK(select(p[0] + 1, &r, NULL, NULL, &tv) == 0 && now() - start >= 0.048 && !FD_ISSET(p[0], &r) &&
          tv.tv_usec == 0);
    CHECK(write(p[1], "x", 1) == 1);
    FD_SET(p[0], &r);
    tv = (struct timeval){5, 0};
    CHECK(select(p[0] + 1, &r, NULL, NULL, &tv) == 1 && FD_ISSET(p[0], &r) && tv.tv_sec >= 4);
    FD_ZERO(&r);
    FD_SET(40, &r);
    CHECK_FAILS(select(41, &r, NULL, NULL, &zero), EBADF);
    CHECK_FAILS(select(-1, NULL, NULL, NULL, &zero), EINVAL);
    tv = (struct timeval){-1, 0};
    CHECK_FAILS(syscall(SYS_select, 0, NULL, NULL, NULL, &tv), EINVAL);
}

static void test_hangup(void)
{
    int p[2];
    CHECK(pipe(p) == 0);
    struct pollfd f = {.fd = p[0], .events = POLLIN};
    close(p[1]);
    CHECK(poll(&f, 1, -1) == 1 && f.revents == POLLHUP);
    close(p[0]);
    CHECK(pipe(p) == 0);
    f = (struct pollfd){.fd = p[1], .events = POLLOUT};
    close(p[0]);
    CHECK(poll(&f, 1, -1) == 1 && f.revents == (POLLOUT | POLLERR));
    close(p[1]);
}

static void test_many(int *p)
{
    struct pollfd f[100];
    for (int i = 0; i < 100; i++) f[i] = (struct pollfd){.fd = p[0], .events = POLLIN};
    if (fork() == 0) {
        usleep(30000);
        _exit(write(p[1], "m", 1) != 1);
    }
    CHECK(poll(f, 100, 3000) == 100);
    wait(NULL);
}

int main(void)
{
    int p[2];
    CHECK(pipe(p) == 0);
    test_poll(p);
    test_wake(p);
    test_signals(p);
    test_select(p);
    test_hangup();
    char c;
    CHECK(read(p[0], &c, 1) == 1);
    test_many(p);
    return check_result();
}
