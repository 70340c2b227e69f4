// Signals: queues and their order, masks, interrupted and restarted calls, sigsuspend, sigwait, timers that signal.
#include "check.h"
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile int count;
static int values[16], nvalues;

static void on_signal(int sig)
{
    (void)sig, count++;
}

static void on_queued(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    if (nvalues < 16) values[nvalues++] = (sig - SIGRTMIN) * 100 + info->si_value.sival_int;
    CHECK(info->si_code == SI_QUEUE && info->si_pid == getpid());
}

static void handle(int sig, int flags)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    CHECK(sigaction(sig, &sa, NULL) == 0);
    count = 0;
}

static void alarm_in(int ms)
{
    struct itimerval t = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &t, NULL);
}

// Lowest number first, each in the order it was sent; ordinary signals do not queue.
static void test_queue(void)
{
    static const int wanted[6] = {2, 5, 101, 104, 200, 203};
    sigset_t all, old, pending;
    for (int i = 0; i < 3; i++) {
        struct sigaction sa = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};
        sigfillset(&sa.sa_mask);
        sigaction(SIGRTMIN + i, &sa, NULL);
    }
    handle(SIGUSR1, 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    for (int i = 0; i < 6; i++) CHECK(sigqueue(getpid(), SIGRTMIN + 2 - i % 3, (union sigval){.sival_int = i}) == 0);
    for (int i = 0; i < 3; i++) kill(getpid(), SIGUSR1);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN) &&
          !sigismember(&pending, SIGUSR2));
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(count == 1 && nvalues == 6);
    // Full masks: each handler ends before the next begins.
    for (int i = 0; i < 6; i++) CHECK(values[i] == wanted[i]);
}

static void test_interruption(void)
{
    int p[2];
    char c;
    struct timespec second = {1, 0}, left = {0};
    CHECK(pipe(p) == 0);
    handle(SIGALRM, SA_RESTART);
    alarm_in(50);
    CHECK(nanosleep(&second, &left) == -1 && errno == EINTR && left.tv_sec == 0 && left.tv_nsec > 700000000);
    alarm_in(20);
    if (fork() == 0) {
        usleep(80000);
        _exit(write(p[1], "x", 1) != 1);
    }
    CHECK(read(p[0], &c, 1) == 1);
    wait(NULL);
    handle(SIGALRM, 0);
    alarm_in(20);
    CHECK_FAILS(read(p[0], &c, 1), EINTR);
    CHECK(count == 1);
    close(p[0]);
    close(p[1]);
}

// A sleep that is stopped and continued goes on to its end.
static void test_sleep_goes_on(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec ts = {0, 200000000};
        _exit(nanosleep(&ts, NULL) == 0 ? 0 : 1);
    }
    usleep(20000);
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_suspend_and_wait(void)
{
    sigset_t set, old, now;
    siginfo_t info;
    struct timespec soon = {0, 20000000};
    handle(SIGALRM, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, &old);
    alarm_in(20);
    CHECK_FAILS(sigsuspend(&old), EINTR);
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(count == 1 && sigismember(&now, SIGALRM));
    alarm_in(20);
    CHECK(sigwaitinfo(&set, &info) == SIGALRM && info.si_code == SI_KERNEL && count == 1);
    CHECK_FAILS(sigtimedwait(&set, &info, &soon), EAGAIN);
    kill(getpid(), SIGALRM);
    CHECK(sigwaitinfo(&set, &info) == SIGALRM && info.si_code == SI_USER && info.si_pid == getpid());
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void test_actions(void)
{
    struct sigaction sa = {.sa_handler = on_signal}, old;
    CHECK_FAILS(sigaction(SIGKILL, &sa, NULL), EINVAL);
    CHECK_FAILS(sigaction(65, &sa, NULL), EINVAL);
    handle(SIGUSR2, (int)SA_RESETHAND);
    raise(SIGUSR2);
    CHECK(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == SIG_DFL && count == 1);
    CHECK_FAILS(kill(99999, 0), ESRCH);
    CHECK_FAILS(kill(getpid(), 65), EINVAL);
    CHECK(kill(getpid(), 0) == 0);
}

static void test_timers(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec each10ms = {{0, 10000000}, {0, 10000000}}, left;
    struct itimerval v = {.it_interval = {0, 10000}, .it_value = {0, 10000}}, old;
    timer_t timer;
    handle(SIGUSR1, 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &each10ms, NULL) == 0);
    CHECK(timer_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 10000000 &&
          left.it_value.tv_nsec <= 10000000);
    while (count < 3) pause();
    CHECK(timer_delete(timer) == 0);
    handle(SIGPROF, 0);
    setitimer(ITIMER_PROF, &v, NULL);
    while (count < 2) {
    }
    v = (struct itimerval){0};
    CHECK(setitimer(ITIMER_PROF, &v, &old) == 0 && old.it_interval.tv_usec == 10000);
    alarm(100);
    CHECK(alarm(0) == 100);
}

int main(void)
{
    test_queue();
    test_interruption();
    test_sleep_goes_on();
    test_suspend_and_wait();
    test_actions();
    test_timers();
    return check_result();
}
