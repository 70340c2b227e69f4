// Epolls in epolls: how deep, circles, events through several levels; EPOLLEXCLUSIVE's rules.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <stdint.h>
#include <sys/wait.h>

static int add(int ep, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int ready(int ep, int ms)
{
    struct epoll_event e[4];
    return epoll_wait(ep, e, 4, ms);
}

// outermost first, each watches the next, and the last the event
static void test_through(void)
{
    int ep[4], ev = eventfd(0, EFD_NONBLOCK);
    uint64_t n = 1;
    for (int i = 0; i < 4; i++) ep[i] = epoll_create1(0);
    for (int i = 0; i < 3; i++) CHECK(add(ep[i], ep[i + 1], EPOLLIN) == 0);
    CHECK(add(ep[3], ev, EPOLLIN) == 0 && ready(ep[0], 0) == 0);
    CHECK(write(ev, &n, 8) == 8);
    for (int i = 0; i < 4; i++) CHECK(ready(ep[i], 0) == 1);
    CHECK(read(ev, &n, 8) == 8);
    for (int i = 0; i < 4; i++) CHECK(ready(ep[i], 0) == 0);
    pid_t child = fork();
    if (!child) {
        usleep(20000);
        _exit(write(ev, &n, 8) != 8);
    }
    CHECK(ready(ep[0], 2000) == 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_FAILS(add(ep[3], ep[0], EPOLLIN), ELOOP);
    CHECK_FAILS(add(ep[2], ep[1], EPOLLIN), ELOOP);
    CHECK_FAILS(add(ep[1], ep[1], EPOLLIN), EINVAL);
    CHECK(epoll_ctl(ep[0], EPOLL_CTL_DEL, ep[1], NULL) == 0 && add(ep[3], ep[0], EPOLLIN) == 0);
    for (int i = 0; i < 4; i++) close(ep[i]);
    close(ev);
}

static void test_depth(int bottom_up)
{
    int ep[8], made = 0;
    for (int i = 0; i < 8; i++) ep[i] = epoll_create1(0);
    for (int i = 0; i < 7 && made == i; i++) {
        int at = bottom_up ? 6 - i : i;
        if (add(ep[at], ep[at + 1], EPOLLIN) == 0)
            made++;
        else
            CHECK(errno == ELOOP);
    }
    CHECK(made == 4); // of the kernels since 2025, and their stable releases
    for (int i = 0; i < 8; i++) close(ep[i]);
}

// A file may be reached over so many ways only.
static void test_paths(void)
{
    int bottom = epoll_create1(0), ev = eventfd(0, 0), top[501], added = 0;
    CHECK(add(bottom, ev, EPOLLIN) == 0);
    for (int i = 0; i < 501; i++) {
        top[i] = epoll_create1(0);
        if (add(top[i], bottom, EPOLLIN) == 0) added++;
    }
    CHECK(added == 500 && errno == EINVAL);
    for (int i = 0; i < 501; i++) close(top[i]);
    close(bottom);
    close(ev);
}

static void test_exclusive(void)
{
    int ep = epoll_create1(0), other = epoll_create1(0), ev = eventfd(0, EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN};
    uint64_t n = 1;
    CHECK_FAILS(add(ep, ev, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
    CHECK_FAILS(add(ep, ev, EPOLLIN | EPOLLEXCLUSIVE | EPOLLPRI), EINVAL);
    CHECK_FAILS(add(ep, other, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
    CHECK(add(ep, ev, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET) == 0 && add(other, ev, EPOLLIN | EPOLLEXCLUSIVE) == 0);
    CHECK_FAILS(epoll_ctl(ep, EPOLL_CTL_MOD, ev, &e), EINVAL);
    e.events |= EPOLLEXCLUSIVE;
    CHECK_FAILS(epoll_ctl(ep, EPOLL_CTL_MOD, ev, &e), EINVAL);
    CHECK(write(ev, &n, 8) == 8 && ready(ep, 0) + ready(other, 0) >= 1);
    close(ep);
    close(other);
    close(ev);
}

int main(void)
{
    test_through();
    test_depth(0);
    test_depth(1);
    test_paths();
    test_exclusive();
    return check_result();
}
