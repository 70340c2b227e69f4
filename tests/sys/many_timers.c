// A hundred thousand timers: armed in no order, fired in order, and cancelled in the middle.
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>

enum { FEW = 500, ROUNDS = 200 };

static void arm(int fd, long ns)
{
    struct itimerspec its = {.it_value = {ns / 1000000000, ns % 1000000000}};
    CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
}

static uint32_t next_random(uint32_t *state)
{
    return *state = *state * 1664525 + 1013904223;
}

// timer_create's, each with a signal that comes.
static void test_posix(void)
{
    enum { MOST = 20000 };
    static timer_t timer[MOST];
    struct rlimit limit;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec its = {.it_value.tv_nsec = 1};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(getrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    int n = 0, got = 0;
    while (n < MOST && timer_create(CLOCK_MONOTONIC, &ev, &timer[n]) == 0) n++;
    CHECK(n == MOST || (errno == EAGAIN && (rlim_t)n <= limit.rlim_cur));
    for (int i = 0; i < n; i++) CHECK(timer_settime(timer[i], 0, &its, NULL) == 0);
    for (siginfo_t info; got < n && sigtimedwait(&set, &info, &(struct timespec){5, 0}) == SIGRTMIN;) got++;
    CHECK(got == n);
    for (int i = 0; i < n; i++) CHECK(timer_delete(timer[i]) == 0);
}

int main(void)
{
    test_posix();
    static int fd[FEW];
    uint32_t state = 1;
    uint64_t n;
    for (int i = 0; i < FEW; i++) CHECK((fd[i] = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
    for (int round = 0; round < ROUNDS; round++) // each arming moves the timer
        for (int i = 0; i < FEW; i++) arm(fd[i], 1000000000l + next_random(&state) % 1000000000);
    for (int i = 0; i < FEW; i++) arm(fd[i], i % 3 == 0 ? 0 : 1000000 + next_random(&state) % 20000000);
    for (int i = 0; i < FEW; i++)
        if (i % 3) CHECK(read(fd[i], &n, sizeof n) == 8 && n == 1);
    for (int i = 0; i < FEW; i += 3) { // those that were cancelled have not fired
        struct itimerspec its;
        CHECK(timerfd_gettime(fd[i], &its) == 0 && !its.it_value.tv_sec && !its.it_value.tv_nsec);
    }
    for (int i = 0; i < FEW; i++) close(fd[i]);
    return check_result();
}
