// timer_create on clocks of time and of CPU time, overruns, threads as targets; timerfd's alarm clocks and a clock that
// is set.
// not in lockstep: it computes each turn three times, and this asks how much CPU time has passed
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

static int create(clockid_t clock, struct sigevent *ev, int *id)
{
    return (int)syscall(SYS_timer_create, clock, ev, id);
}

static int arm(int id, int flags, long value_ns, long interval_ns)
{
    struct itimerspec its = {.it_interval = {interval_ns / 1000000000, interval_ns % 1000000000},
                             .it_value = {value_ns / 1000000000, value_ns % 1000000000}};
    return (int)syscall(SYS_timer_settime, id, flags, &its, NULL);
}

static void test_errors(void)
{
    int id, other;
    struct sigevent ev = {.sigev_notify = 77, .sigev_signo = SIGUSR1};
    CHECK_FAILS(create(CLOCK_MONOTONIC, (void *)8, &id), EFAULT);
    CHECK_FAILS(create(99, &ev, &id), EINVAL);
    CHECK_FAILS(create(CLOCK_MONOTONIC_RAW, &ev, &id), EOPNOTSUPP);
    CHECK_FAILS(create(CLOCK_REALTIME_COARSE, &ev, &id), EOPNOTSUPP);
    CHECK_FAILS(create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
    ev.sigev_notify = SIGEV_SIGNAL;
    ev.sigev_signo = 65;
    CHECK_FAILS(create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
    ev.sigev_signo = SIGUSR1;
    CHECK_FAILS(create(CLOCK_MONOTONIC, &ev, (void *)8), EFAULT);
    CHECK_FAILS(create(-8 * 999999 + 2 - 8, &ev, &id), EINVAL); // the CPU clock of process 999999
    ev.sigev_notify = SIGEV_THREAD_ID;
    ev._sigev_un._tid = 1;
    CHECK_FAILS(create(CLOCK_MONOTONIC, &ev, &id), EINVAL);
    CHECK(create(CLOCK_MONOTONIC, NULL, &id) == 0 && create(CLOCK_PROCESS_CPUTIME_ID, NULL, &other) == 0 &&
          id != other);
    CHECK_FAILS(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL);
    CHECK_FAILS(arm(id, 0, -1000000000, 0), EINVAL);
    CHECK_FAILS(arm(9999, 0, 1, 0), EINVAL);
    CHECK(syscall(SYS_timer_delete, id) == 0 && syscall(SYS_timer_delete, other) == 0);
    CHECK_FAILS(syscall(SYS_timer_delete, id), EINVAL);
    CHECK_FAILS(syscall(SYS_timer_getoverrun, id), EINVAL);
}

static void burn(clockid_t clock, long ns)
{
    struct timespec from, now;
    clock_gettime(clock, &from);
    do clock_gettime(clock, &now);
    while ((now.tv_sec - from.tv_sec) * 1000000000 + now.tv_nsec - from.tv_nsec < ns);
}

static int take(int sig, siginfo_t *info, int ms)
{
    sigset_t set;
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
    sigemptyset(&set);
    sigaddset(&set, sig);
    return sigtimedwait(&set, info, &ts);
}

// CPU clocks are looked at in ticks, which a busy machine may deliver late: more time is spent until they are.
static int take_late(clockid_t clock, siginfo_t *info)
{
    int sig = take(SIGUSR1, info, 0);
    for (int i = 0; i < 200 && sig == -1; i++) {
        burn(clock, 10000000);
        sig = take(SIGUSR1, info, 0);
    }
    return sig;
}

static void test_cpu(clockid_t clock)
{
    int id;
    siginfo_t info;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 3};
    struct itimerspec its;
    CHECK(create(clock, &ev, &id) == 0 && arm(id, 0, 30000000, 0) == 0);
    CHECK(syscall(SYS_timer_gettime, id, &its) == 0 && its.it_value.tv_nsec > 0 && its.it_value.tv_nsec <= 30000000);
    usleep(60000); // takes no CPU time
    CHECK(take(SIGUSR1, &info, 0) == -1);
    burn(clock, 60000000);
    CHECK(take_late(clock, &info) == SIGUSR1 && info.si_code == SI_TIMER && info.si_value.sival_int == 3);
    CHECK(syscall(SYS_timer_gettime, id, &its) == 0 && its.it_value.tv_nsec == 0);
    struct timespec from, now;
    clock_gettime(clock, &from);
    CHECK(arm(id, 0, 10000000, 10000000) == 0);
    burn(clock, 55000000);
    CHECK(take_late(clock, &info) == SIGUSR1);
    clock_gettime(clock, &now);
    long spent = (now.tv_sec - from.tv_sec) * 1000000000 + now.tv_nsec - from.tv_nsec;
    CHECK(info.si_overrun >= 2 && info.si_overrun < spent / 10000000);
    CHECK(arm(id, TIMER_ABSTIME, 1, 0) == 0); // long past
    burn(clock, 20000000);
    CHECK(take_late(clock, &info) == SIGUSR1);
    CHECK(syscall(SYS_timer_delete, id) == 0);
}

static void *burn_thread(void *arg)
{
    burn(CLOCK_THREAD_CPUTIME_ID, 40000000);
    return arg;
}

// One thread's clock does not run with another's.
static void test_cpu_threads(void)
{
    int id, process;
    siginfo_t info;
    pthread_t t;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    CHECK(create(CLOCK_THREAD_CPUTIME_ID, &ev, &id) == 0 && arm(id, 0, 25000000, 0) == 0);
    ev.sigev_signo = SIGUSR2;
    CHECK(create(CLOCK_PROCESS_CPUTIME_ID, &ev, &process) == 0 && arm(process, 0, 25000000, 0) == 0);
    int sig = -1;
    for (int i = 0; i < 50 && sig == -1; i++) { // late on a busy machine: see take_late
        pthread_create(&t, NULL, burn_thread, NULL);
        pthread_join(t, NULL);
        sig = take(SIGUSR2, &info, 0);
    }
    CHECK(sig == SIGUSR2 && take(SIGUSR1, &info, 0) == -1);
    CHECK(syscall(SYS_timer_delete, id) == 0 && syscall(SYS_timer_delete, process) == 0);
}

static int ms_since(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)((now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000) + 10;
}

static void test_overrun(void)
{
    int id;
    struct timespec from;
    siginfo_t info;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    CHECK(create(CLOCK_MONOTONIC, &ev, &id) == 0 && arm(id, 0, 5000000, 5000000) == 0);
    clock_gettime(CLOCK_MONOTONIC, &from);
    usleep(52000);
    CHECK(take(SIGUSR1, &info, 0) == SIGUSR1 && info.si_overrun >= 5 && info.si_overrun <= ms_since(&from) / 5);
    CHECK(syscall(SYS_timer_getoverrun, id) == info.si_overrun);
    CHECK(take(SIGUSR1, &info, 500) == SIGUSR1);
    CHECK(arm(id, 0, 0, 0) == 0);
    while (take(SIGUSR1, &info, 0) > 0) continue;
    kill(getpid(), SIGUSR1); // a timer's signal is queued beside another of its number
    CHECK(arm(id, 0, 1000000, 0) == 0);
    usleep(10000);
    CHECK(take(SIGUSR1, &info, 0) == SIGUSR1 && info.si_code == SI_USER);
    CHECK(take(SIGUSR1, &info, 0) == SIGUSR1 && info.si_code == SI_TIMER && info.si_overrun == 0);
    CHECK(syscall(SYS_timer_delete, id) == 0);
}

static volatile int target_got, target_tid;

static void *target(void *arg)
{
    siginfo_t info;
    __atomic_store_n(&target_tid, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    target_got = take(SIGRTMIN, &info, 2000) == SIGRTMIN && info.si_code == SI_TIMER;
    return arg;
}

static void test_thread_target(void)
{
    int id;
    pthread_t t;
    siginfo_t info;
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    pthread_create(&t, NULL, target, NULL);
    while (!__atomic_load_n(&target_tid, __ATOMIC_SEQ_CST)) usleep(1000);
    ev._sigev_un._tid = target_tid;
    CHECK(create(CLOCK_MONOTONIC, &ev, &id) == 0 && arm(id, 0, 5000000, 0) == 0);
    CHECK(take(SIGRTMIN, &info, 50) == -1);
    pthread_join(t, NULL);
    CHECK(target_got && syscall(SYS_timer_delete, id) == 0);
}

static void test_alarm_clocks(void)
{
    struct itimerspec its = {.it_value.tv_nsec = 1000000};
    uint64_t n;
    CHECK_FAILS(timerfd_create(CLOCK_MONOTONIC_RAW, 0), EINVAL);
    int fd = timerfd_create(CLOCK_BOOTTIME_ALARM, 0);
    if (fd < 0) { // without CAP_WAKE_ALARM
        CHECK(errno == EPERM);
        return;
    }
    if (timerfd_settime(fd, 0, &its, NULL) == 0) // some kernels have no clock device for it
        CHECK(read(fd, &n, sizeof n) == 8 && n == 1);
    close(fd);
    if (getuid() == 0 && fork() == 0) {
        CHECK(setuid(65534) == 0);
        CHECK_FAILS(timerfd_create(CLOCK_REALTIME_ALARM, 0), EPERM);
        _exit(check_result());
    }
    int status = 0;
    wait(&status);
    CHECK(status == 0);
}

// Setting the clock, by nothing: who asked for it is told, and the time that was waited for stays.
static void test_cancel(void)
{
    struct timespec now;
    struct itimerspec its = {{0, 0}, {0, 0}};
    uint64_t n;
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    clock_gettime(CLOCK_REALTIME, &now);
    its.it_value.tv_sec = now.tv_sec + 1000;
    CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL) == 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 0);
    clock_gettime(CLOCK_REALTIME, &now);
    if (clock_settime(CLOCK_REALTIME, &now) == 0) {
        CHECK(poll(&p, 1, 1000) == 1);
        CHECK_FAILS(read(fd, &n, sizeof n), ECANCELED);
        CHECK_FAILS(read(fd, &n, sizeof n), EAGAIN);
    }
    close(fd);
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    test_errors();
    test_cpu(CLOCK_PROCESS_CPUTIME_ID);
    test_cpu(CLOCK_THREAD_CPUTIME_ID);
    test_cpu_threads();
    test_overrun();
    test_thread_target();
    test_alarm_clocks();
    test_cancel();
    return check_result();
}
