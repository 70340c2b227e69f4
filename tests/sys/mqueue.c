// POSIX message queues: names, rights, order by priority, limits, waiting, time limits, notification, errors.
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static const char *const name = "/belljar-test";

static mqd_t make(long maxmsg, long msgsize, int flags)
{
    struct mq_attr a = {.mq_maxmsg = maxmsg, .mq_msgsize = msgsize};
    return mq_open(name, O_CREAT | O_RDWR | flags, 0600, &a);
}

static int next_is(mqd_t q, const char *want, unsigned priority)
{
    char buf[64] = "";
    unsigned p;
    return mq_receive(q, buf, sizeof buf, &p) == (ssize_t)strlen(want) && !strcmp(buf, want) && p == priority;
}

static void test_names(void)
{
    struct stat st;
    struct mq_attr a;
    CHECK_FAILS(mq_open(name, O_RDWR), ENOENT);
    CHECK_FAILS(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL), EACCES);
    CHECK_FAILS(mq_unlink(name), ENOENT);
    CHECK_FAILS(make(0, 64, 0), EINVAL);
    CHECK_FAILS(make(1, 1 << 30, 0), EINVAL);
    mqd_t q = make(4, 64, 0);
    CHECK(q >= 0);
    CHECK_FAILS(make(4, 64, O_EXCL), EEXIST);
    CHECK(mq_getattr(q, &a) == 0 && a.mq_maxmsg == 4 && a.mq_msgsize == 64 && !a.mq_curmsgs && !a.mq_flags);
    CHECK(fstat(q, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600);
    mqd_t again = mq_open(name, O_RDONLY);
    CHECK(again >= 0 && mq_send(q, "kept", 4, 1) == 0 && mq_unlink(name) == 0);
    CHECK_FAILS(mq_open(name, O_RDWR), ENOENT);
    CHECK(mq_close(q) == 0 && next_is(again, "kept", 1));
    CHECK_FAILS(mq_send(again, "x", 1, 0), EBADF);
    mq_close(again);
    CHECK_FAILS(mq_send(again, "x", 1, 0), EBADF);
}

static void test_order(void)
{
    char buf[64];
    mqd_t q = make(4, 64, O_NONBLOCK);
    struct pollfd p = {q, POLLIN | POLLOUT, 0};
    struct mq_attr a = {.mq_flags = 0};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
    CHECK_FAILS(mq_receive(q, buf, sizeof buf, NULL), EAGAIN);
    CHECK(mq_send(q, "low", 3, 1) == 0 && mq_send(q, "high", 4, 9) == 0 && mq_send(q, "low2", 4, 1) == 0);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
    CHECK(mq_send(q, "high2", 5, 9) == 0 && poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    CHECK_FAILS(mq_send(q, "full", 4, 0), EAGAIN);
    CHECK(mq_getattr(q, &a) == 0 && a.mq_curmsgs == 4 && a.mq_flags == O_NONBLOCK);
    CHECK(next_is(q, "high", 9) && next_is(q, "high2", 9) && next_is(q, "low", 1) && next_is(q, "low2", 1));
    CHECK_FAILS(mq_receive(q, buf, 63, NULL), EMSGSIZE);
    CHECK_FAILS(mq_send(q, buf, 65, 0), EMSGSIZE);
    CHECK_FAILS(mq_send(q, "x", 1, 32768), EINVAL);
    CHECK(mq_send(q, "", 0, 32767) == 0 && next_is(q, "", 32767));
    CHECK_FAILS(syscall(SYS_mq_timedsend, q, 8L, 1L, 0, NULL), EFAULT);
    CHECK_FAILS(mq_send(0, "x", 1, 0), EBADF);
    a.mq_flags = O_APPEND;
    CHECK_FAILS(mq_setattr(q, &a, NULL), EINVAL);
    a.mq_flags = 0;
    CHECK(mq_setattr(q, &a, NULL) == 0 && mq_getattr(q, &a) == 0 && a.mq_flags == 0);
    mq_close(q);
    mq_unlink(name);
}

static void on_signal(int sig)
{
    (void)sig;
}

static void test_wait(void)
{
    char buf[64];
    int status;
    struct timespec past = {1, 0}, bad = {1, -1};
    mqd_t q = make(1, 64, 0);
    CHECK_FAILS(mq_timedreceive(q, buf, sizeof buf, NULL, &past), ETIMEDOUT);
    CHECK_FAILS(mq_timedreceive(q, buf, sizeof buf, NULL, &bad), EINVAL);
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGALRM, &sa, NULL);
    ualarm(20000, 0);
    CHECK_FAILS(mq_receive(q, buf, sizeof buf, NULL), EINTR);
    if (fork() == 0) {
        usleep(20000);
        _exit(mq_send(q, "a", 1, 0) || mq_send(q, "b", 1, 0)); // the second waits for room
    }
    CHECK(next_is(q, "a", 0));
    usleep(20000);
    CHECK(next_is(q, "b", 0));
    wait(&status);
    CHECK(status == 0);
    mq_close(q);
    mq_unlink(name);
}

static void test_notify(void)
{
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value = {.sival_int = 42}};
    struct timespec none = {0, 0};
    siginfo_t info;
    sigset_t set;
    int status;
    mqd_t q = make(4, 64, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(mq_notify(q, &e) == 0);
    CHECK_FAILS(mq_notify(q, &e), EBUSY);
    if (fork() == 0) _exit(mq_notify(q, &e) != -1 || errno != EBUSY);
    wait(&status);
    CHECK(status == 0);
    mq_send(q, "x", 1, 0);
    CHECK(sigtimedwait(&set, &info, &none) == SIGUSR1 && info.si_code == SI_MESGQ && info.si_value.sival_int == 42 &&
          info.si_pid == getpid());
    mq_send(q, "x", 1, 0); // once only
    CHECK_FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
    CHECK(mq_notify(q, &e) == 0 && mq_notify(q, NULL) == 0);
    e.sigev_signo = 65;
    CHECK_FAILS(mq_notify(q, &e), EINVAL);
    mq_close(q);
    mq_unlink(name);
    CHECK_FAILS(mq_notify(q, NULL), EBADF);
}

static volatile int thread_saw;

static void in_thread(union sigval v)
{
    thread_saw = v.sival_int;
}

static void test_notify_thread(void)
{
    struct sigevent e = {
        .sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value = {.sival_int = 7}};
    mqd_t q = make(4, 64, 0);
    CHECK(mq_notify(q, &e) == 0 && mq_send(q, "x", 1, 0) == 0);
    for (int i = 0; i < 400 && !thread_saw; i++) usleep(5000);
    CHECK(thread_saw == 7);
    mq_close(q);
    mq_unlink(name);
}

static void test_limits(void)
{
    struct rlimit small = {1000, 1000};
    int status;
    if (fork() == 0) {
        setrlimit(RLIMIT_MSGQUEUE, &small);
        if (geteuid() == 0 && setuid(65534)) _exit(2);
        CHECK_FAILS(make(10, 8192, 0), EMFILE);
        CHECK_FAILS(make(11, 64, 0), EINVAL);
        CHECK_FAILS(make(1, 8193, 0), EINVAL);
        mqd_t q = make(1, 64, 0);
        CHECK(q >= 0 && mq_unlink(name) == 0);
        _exit(check_result());
    }
    wait(&status);
    CHECK(status == 0);
}

int main(void)
{
    mq_unlink(name);
    test_names();
    test_order();
    test_wait();
    test_notify();
    test_limits();
    test_notify_thread();
    return check_result();
}
