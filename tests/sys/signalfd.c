// signalfd: records of every kind of signal, masks, polling, blocking reads, and what a child sees.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static sigset_t set_of(int a, int b, int c)
{
    sigset_t s;
    sigemptyset(&s);
    if (a) sigaddset(&s, a);
    if (b) sigaddset(&s, b);
    if (c) sigaddset(&s, c);
    return s;
}

static int readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms);
}

static void test_errors(void)
{
    uint64_t set = 1 << (SIGUSR1 - 1);
    CHECK_FAILS(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_signalfd4, -1, NULL, 8, 0x1000), EFAULT);
    CHECK_FAILS(syscall(SYS_signalfd4, -1, &set, 8, 0x1000), EINVAL);
    CHECK_FAILS(syscall(SYS_signalfd4, 99, &set, 8, 0), EBADF);
    CHECK_FAILS(syscall(SYS_signalfd4, 1, &set, 8, 0), EINVAL);
    int fd = (int)syscall(SYS_signalfd, -1, &set, 8);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    char small[64];
    CHECK_FAILS(read(fd, small, sizeof small), EINVAL);
    CHECK_FAILS(write(fd, small, sizeof small), EINVAL);
    close(fd);
    fd = (int)syscall(SYS_signalfd4, -1, &set, 8, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
    struct signalfd_siginfo s;
    CHECK_FAILS(read(fd, &s, sizeof s), EAGAIN);
    raise(SIGUSR1);
    CHECK_FAILS(syscall(SYS_read, fd, 8L, sizeof s), EFAULT);
    while (read(fd, &s, sizeof s) > 0) // whether the signal is lost with the fault is the kernel's business
        continue;
    close(fd);
}

static void test_records(void)
{
    struct signalfd_siginfo s[8];
    sigset_t set = set_of(SIGUSR1, SIGRTMIN, SIGCHLD);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    CHECK(readable(fd, 0) == 0);
    kill(getpid(), SIGUSR1);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 8});
    CHECK(readable(fd, 0) == 1 && read(fd, s, sizeof s[0]) == sizeof s[0]);
    CHECK(s[0].ssi_signo == SIGUSR1 && s[0].ssi_code == SI_USER && s[0].ssi_pid == (uint32_t)getpid() &&
          s[0].ssi_uid == getuid() && s[0].ssi_int == 0);
    CHECK(read(fd, s, sizeof s) == 2 * sizeof s[0]);
    CHECK(s[0].ssi_code == SI_QUEUE && s[0].ssi_int == 7 && s[1].ssi_int == 8 && s[1].ssi_pid == (uint32_t)getpid());
    pid_t child = fork();
    if (!child) _exit(9);
    CHECK(readable(fd, 2000) == 1 && read(fd, s, sizeof s) == sizeof s[0]);
    CHECK(s[0].ssi_signo == SIGCHLD && s[0].ssi_code == CLD_EXITED && s[0].ssi_status == 9 &&
          s[0].ssi_pid == (uint32_t)child);
    waitpid(child, NULL, 0);
    timer_t timer;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 55};
    struct itimerspec its = {.it_value.tv_nsec = 1000000};
    CHECK(timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0 && timer_settime(timer, 0, &its, NULL) == 0);
    CHECK(readable(fd, 2000) == 1 && read(fd, s, sizeof s) == sizeof s[0]);
    CHECK(s[0].ssi_code == SI_TIMER && s[0].ssi_int == 55 && s[0].ssi_overrun == 0);
    timer_delete(timer);
    close(fd);
}

static void test_mask_update(void)
{
    struct signalfd_siginfo s;
    sigset_t one = set_of(SIGUSR1, 0, 0), two = set_of(SIGUSR2, SIGKILL, 0);
    int fd = signalfd(-1, &one, SFD_NONBLOCK);
    raise(SIGUSR2);
    CHECK(readable(fd, 0) == 0);
    CHECK(signalfd(fd, &two, 0) == fd && readable(fd, 0) == 1);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK); // not changed by the update
    CHECK(read(fd, &s, sizeof s) == sizeof s && s.ssi_signo == SIGUSR2 && s.ssi_code == SI_TKILL);
    close(fd);
}

static void *signal_soon(void *arg)
{
    usleep(20000);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    usleep(20000);
    kill(getpid(), SIGUSR2);
    return NULL;
}

static void test_blocking(void)
{
    struct signalfd_siginfo s;
    sigset_t set = set_of(SIGUSR1, SIGUSR2, 0);
    pthread_t self = pthread_self(), other;
    int fd = signalfd(-1, &set, 0);
    CHECK(pthread_create(&other, NULL, signal_soon, &self) == 0);
    CHECK(read(fd, &s, sizeof s) == sizeof s && s.ssi_signo == SIGUSR1);
    CHECK(read(fd, &s, sizeof s) == sizeof s && s.ssi_signo == SIGUSR2);
    pthread_join(other, NULL);
    close(fd);
}

static void test_epoll(void)
{
    struct signalfd_siginfo s;
    struct epoll_event e = {.events = EPOLLIN};
    sigset_t set = set_of(SIGUSR1, 0, 0);
    int fd = signalfd(-1, &set, SFD_NONBLOCK), ep = epoll_create1(0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0 && epoll_wait(ep, &e, 1, 0) == 0);
    pid_t child = fork();
    if (!child) {
        usleep(20000);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CHECK(epoll_wait(ep, &e, 1, 2000) == 1 && e.events == EPOLLIN && read(fd, &s, sizeof s) == sizeof s);
    CHECK(epoll_wait(ep, &e, 1, 0) == 0);
    waitpid(child, NULL, 0);
    close(ep);
    close(fd);
}

// The descriptor shows the signals of whoever reads it.
static void test_fork(void)
{
    struct signalfd_siginfo s;
    sigset_t set = set_of(SIGUSR1, 0, 0);
    int fd = signalfd(-1, &set, SFD_NONBLOCK), status;
    raise(SIGUSR1);
    pid_t child = fork();
    if (!child) {
        int bad = read(fd, &s, sizeof s) != -1 || errno != EAGAIN;
        raise(SIGUSR1);
        bad |= read(fd, &s, sizeof s) != sizeof s || s.ssi_pid != (uint32_t)getpid();
        _exit(bad);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(read(fd, &s, sizeof s) == sizeof s && s.ssi_pid == (uint32_t)getpid());
    close(fd);
}

int main(void)
{
    sigset_t set = set_of(SIGUSR1, SIGUSR2, SIGCHLD);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    test_errors();
    test_records();
    test_mask_update();
    test_blocking();
    test_epoll();
    test_fork();
    return check_result();
}
