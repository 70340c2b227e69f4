// O_ASYNC: SIGIO and F_SETSIG's signal for pipes and sockets, owners of each kind, errors.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static int take(int sig, siginfo_t *info, int ms)
{
    sigset_t set;
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
    sigemptyset(&set);
    sigaddset(&set, sig);
    return sigtimedwait(&set, info, &ts);
}

static void drain(int sig)
{
    siginfo_t info;
    while (take(sig, &info, 0) > 0) continue;
}

static void test_errors(int fd)
{
    struct f_owner_ex o = {.type = 7, .pid = 0};
    CHECK(fcntl(fd, F_GETOWN) == 0 && fcntl(fd, F_GETSIG) == 0);
    CHECK_FAILS(fcntl(fd, F_SETOWN, 999999), ESRCH);
    CHECK_FAILS(fcntl(fd, F_SETOWN, -999999), ESRCH);
    CHECK_FAILS(fcntl(fd, F_SETOWN_EX, &o), EINVAL);
    o.type = F_OWNER_TID;
    o.pid = 999999;
    CHECK_FAILS(fcntl(fd, F_SETOWN_EX, &o), ESRCH);
    CHECK_FAILS(syscall(SYS_fcntl, fd, F_SETOWN_EX, 8), EFAULT);
    CHECK_FAILS(fcntl(fd, F_SETSIG, 65), EINVAL);
    CHECK(fcntl(fd, F_SETSIG, SIGRTMIN) == 0 && fcntl(fd, F_GETSIG) == SIGRTMIN && fcntl(fd, F_SETSIG, 0) == 0);
    CHECK(fcntl(fd, F_SETOWN, -getpgrp()) == 0 && fcntl(fd, F_GETOWN_EX, &o) == 0);
    CHECK(o.type == F_OWNER_PGRP && o.pid == getpgrp());
    CHECK(fcntl(fd, F_SETOWN, 0) == 0 && fcntl(fd, F_GETOWN) == 0);
}

static void test_pipe(void)
{
    int p[2];
    siginfo_t info;
    CHECK(pipe(p) == 0);
    test_errors(p[0]);
    CHECK(fcntl(p[0], F_SETFL, O_ASYNC) == 0 && (fcntl(p[0], F_GETFL) & O_ASYNC) && write(p[1], "a", 1) == 1);
    CHECK(take(SIGIO, &info, 10) == -1); // nobody owns it
    CHECK(fcntl(p[0], F_SETOWN, getpid()) == 0 && fcntl(p[0], F_GETOWN) == getpid());
    CHECK(write(p[1], "b", 1) == 1 && take(SIGIO, &info, 500) == SIGIO && info.si_code == SI_KERNEL);
    CHECK(fcntl(p[0], F_SETSIG, SIGRTMIN) == 0 && write(p[1], "c", 1) == 1);
    CHECK(take(SIGRTMIN, &info, 500) == SIGRTMIN && info.si_code == POLL_IN && info.si_fd == p[0] &&
          info.si_band == (POLLIN | POLLRDNORM));
    drain(SIGRTMIN);
    CHECK(fcntl(p[0], F_SETFL, 0) == 0 && write(p[1], "d", 1) == 1 && take(SIGRTMIN, &info, 10) == -1);
    CHECK(fcntl(p[0], F_SETFL, O_ASYNC) == 0);
    close(p[1]);
    CHECK(take(SIGRTMIN, &info, 500) == SIGRTMIN);
    close(p[0]);
}

static volatile int tid, got;

static void *owner(void *arg)
{
    siginfo_t info;
    __atomic_store_n(&tid, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    got = take(SIGRTMIN, &info, 2000) == SIGRTMIN;
    return arg;
}

static void test_socket(void)
{
    int s[2], on = 1;
    siginfo_t info;
    pthread_t t;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(ioctl(s[0], FIOASYNC, &on) == 0 && (fcntl(s[0], F_GETFL) & O_ASYNC) && fcntl(s[0], F_SETOWN, getpid()) == 0);
    CHECK(write(s[1], "x", 1) == 1 && take(SIGIO, &info, 500) == SIGIO);
    drain(SIGIO);
    pthread_create(&t, NULL, owner, NULL);
    while (!__atomic_load_n(&tid, __ATOMIC_SEQ_CST)) usleep(1000);
    struct f_owner_ex o = {.type = F_OWNER_TID, .pid = tid};
    CHECK(fcntl(s[0], F_SETOWN_EX, &o) == 0 && fcntl(s[0], F_SETSIG, SIGRTMIN) == 0);
    CHECK(write(s[1], "x", 1) == 1);
    pthread_join(t, NULL);
    CHECK(got && take(SIGRTMIN, &info, 0) == -1);
    close(s[0]);
    close(s[1]);
}

// A group, and a file that never sends.
static void test_group(void)
{
    int p[2], status, ev = eventfd(0, 0);
    char c;
    siginfo_t info;
    CHECK(pipe(p) == 0);
    pid_t child = fork();
    if (!child) {
        setpgid(0, 0);
        CHECK(write(p[1], "r", 1) == 1);
        _exit(take(SIGIO, &info, 2000) != SIGIO);
    }
    CHECK(read(p[0], &c, 1) == 1);
    CHECK(fcntl(p[0], F_SETOWN, -child) == 0 && fcntl(p[0], F_SETFL, O_ASYNC) == 0 && write(p[1], "x", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0 && take(SIGIO, &info, 0) == -1);
    CHECK(fcntl(ev, F_SETFL, O_ASYNC) == 0 && fcntl(ev, F_SETOWN, getpid()) == 0 && eventfd_write(ev, 1) == 0);
    CHECK(take(SIGIO, &info, 10) == -1);
    close(ev);
    close(p[0]);
    close(p[1]);
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    test_pipe();
    test_socket();
    test_group();
    return check_result();
}
