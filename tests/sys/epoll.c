// epoll and eventfd: level and edge triggering, one-shot, changes, nesting, closing watched files, blocking counters.
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

static int add(int ep, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int wait_for(int ep, int ms)
{
    struct epoll_event e[8];
    return epoll_wait(ep, e, 8, ms);
}

static void test_level(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), p[2];
    struct epoll_event e[4];
    CHECK(ep >= 0 && pipe(p) == 0 && add(ep, p[0], EPOLLIN) == 0 && wait_for(ep, 0) == 0);
    CHECK(write(p[1], "ab", 2) == 2 && epoll_wait(ep, e, 4, -1) == 1 && e[0].events == EPOLLIN && e[0].data.fd == p[0]);
    CHECK(wait_for(ep, 0) == 1);
    char c;
    CHECK(read(p[0], &c, 1) == 1 && wait_for(ep, 0) == 1 && read(p[0], &c, 1) == 1 && wait_for(ep, 0) == 0);
    CHECK_FAILS(add(ep, p[0], EPOLLIN), EEXIST);
    CHECK_FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL), ENOENT);
    CHECK_FAILS(add(ep, ep, EPOLLIN), EINVAL);
    CHECK_FAILS(add(ep, 99, EPOLLIN), EBADF);
    CHECK_FAILS(add(p[0], p[1], EPOLLIN), EINVAL);
    CHECK_FAILS(wait_for(p[0], 0), EINVAL);
    CHECK_FAILS(epoll_wait(ep, e, 0, 0), EINVAL);
    int f = open("/proc/self/exe", O_RDONLY);
    CHECK_FAILS(add(ep, f, EPOLLIN), EPERM);
    close(f);
    CHECK(add(ep, p[1], EPOLLOUT) == 0 && wait_for(ep, -1) == 1);
    close(p[1]); // leaves the set by itself
    CHECK(epoll_wait(ep, e, 4, 0) == 1 && e[0].events == EPOLLHUP && e[0].data.fd == p[0]);
    close(p[0]);
    CHECK(wait_for(ep, 0) == 0);
    close(ep);
}

static void test_edge(void)
{
    int ep = epoll_create(1), p[2];
    char c;
    CHECK(pipe(p) == 0 && add(ep, p[0], EPOLLIN | EPOLLET) == 0);
    CHECK(write(p[1], "x", 1) == 1 && wait_for(ep, 0) == 1 && wait_for(ep, 0) == 0);
    CHECK(write(p[1], "y", 1) == 1 && wait_for(ep, 0) == 1);
    struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 77}, out;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0 && epoll_wait(ep, &out, 1, 0) == 1 && out.data.u64 == 77);
    CHECK(write(p[1], "z", 1) == 1 && wait_for(ep, 0) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0 && wait_for(ep, 0) == 1);
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL) == 0 && wait_for(ep, 0) == 0);
    CHECK(read(p[0], &c, 1) == 1);
    close(p[0]);
    close(p[1]);
    close(ep);
}

static void test_wake(void)
{
    int ep = epoll_create1(0), outer = epoll_create1(0), p[2];
    CHECK(pipe(p) == 0 && add(ep, p[0], EPOLLIN) == 0 && add(outer, ep, EPOLLIN) == 0);
    CHECK_FAILS(add(ep, outer, EPOLLIN), ELOOP);
    CHECK(wait_for(outer, 20) == 0);
    if (fork() == 0) {
        usleep(30000);
        _exit(write(p[1], "w", 1) != 1);
    }
    CHECK(wait_for(outer, 3000) == 1 && wait_for(ep, 0) == 1);
    wait(NULL);
    close(p[0]);
    close(p[1]);
    close(outer);
    close(ep);
}

static volatile int got;
static void on_signal(int sig)
{
    got = sig;
}

static void test_signal(void)
{
    int ep = epoll_create1(0);
    struct epoll_event e;
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigset_t block, none;
    sigaction(SIGALRM, &sa, NULL);
    ualarm(30000, 0);
    CHECK_FAILS(wait_for(ep, 2000), EINTR);
    sigemptyset(&block);
    sigemptyset(&none);
    sigaddset(&block, SIGALRM);
    sigprocmask(SIG_BLOCK, &block, NULL);
    got = 0;
    ualarm(30000, 0);
    CHECK(epoll_pwait(ep, &e, 1, 100, &block) == 0 && !got);
    CHECK_FAILS(epoll_pwait(ep, &e, 1, 100, &none), EINTR);
    CHECK(got == SIGALRM);
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    close(ep);
}

static void test_eventfd(void)
{
    uint64_t v = 3;
    int e = eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC), s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK), b = eventfd(0, 0),
        ep = epoll_create1(0);
    CHECK(write(e, &v, 8) == 8 && read(e, &v, 8) == 8 && v == 8);
    CHECK_FAILS(read(e, &v, 8), EAGAIN);
    CHECK_FAILS(read(e, &v, 7), EINVAL);
    v = UINT64_MAX;
    CHECK_FAILS(write(e, &v, 8), EINVAL);
    v = UINT64_MAX - 1;
    CHECK(write(e, &v, 8) == 8);
    v = 1;
    CHECK_FAILS(write(e, &v, 8), EAGAIN);
    CHECK(read(s, &v, 8) == 8 && v == 1 && read(s, &v, 8) == 8 && v == 1);
    CHECK_FAILS(read(s, &v, 8), EAGAIN);
    CHECK(add(ep, b, EPOLLIN) == 0 && wait_for(ep, 0) == 0);
    if (fork() == 0) {
        usleep(30000);
        v = 42;
        _exit(write(b, &v, 8) != 8);
    }
    CHECK(wait_for(ep, 2000) == 1 && read(b, &v, 8) == 8 && v == 42);
    wait(NULL);
    close(e);
    close(s);
    close(b);
    close(ep);
}

int main(void)
{
    test_level();
    test_edge();
    test_wake();
    test_signal();
    test_eventfd();
    return check_result();
}
