// Many of everything: stress [SCALE] runs each scenario with its number divided by SCALE (100 unless told). The numbers
// in full are for tests/scripts/stress.sh, which also gives the box the limits they need.
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

static int divided(int n, int scale)
{
    return n / scale ? n / scale : 1;
}

static void forks(int n)
{
    int status, wrong = 0;
    for (int i = 0; i < n; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(i % 251);
        wrong += pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != i % 251;
    }
    CHECK(wrong == 0);
    CHECK_FAILS(wait(&status), ECHILD);
}

// Children that nobody waits for until all are there.
static void zombies(int n)
{
    int made = 0, reaped = 0;
    for (int i = 0; i < n; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        made += pid > 0;
    }
    while (wait(NULL) > 0) reaped++;
    CHECK(made == n && reaped == n);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_there = PTHREAD_COND_INITIALIZER;
static int there, expected, sum;

static void *one_of_many(void *arg)
{
    pthread_mutex_lock(&lock);
    sum += (int)(intptr_t)arg;
    if (++there == expected) pthread_cond_broadcast(&all_there);
    while (there < expected) pthread_cond_wait(&all_there, &lock);
    pthread_mutex_unlock(&lock);
    return arg;
}

// All alive at once: each waits for the last.
static void threads(int n)
{
    pthread_t *thread = calloc((size_t)n, sizeof *thread);
    pthread_attr_t attr;
    int made = 0, wrong = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 * 1024);
    there = sum = 0, expected = n;
    for (; made < n; made++)
        if (pthread_create(&thread[made], &attr, one_of_many, (void *)(intptr_t)made)) break;
    CHECK(made == n);
    if (made < n) _exit(1); // those that wait would wait for ever
    for (int i = 0; i < n; i++) {
        void *result;
        wrong += pthread_join(thread[i], &result) != 0 || (intptr_t)result != i;
    }
    CHECK(wrong == 0 && sum == n * (n - 1) / 2);
    pthread_attr_destroy(&attr);
    free(thread);
}

static void files(int n)
{
    char dir[64], name[32];
    struct rlimit limit;
    int opened = 0, wrong = 0, *fd = calloc((size_t)n, sizeof *fd);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    check_enter(dir);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "f%d", i);
        fd[i] = open(name, O_CREAT | O_RDWR | O_EXCL, 0600);
        opened += fd[i] >= 0 && write(fd[i], &i, sizeof i) == sizeof i;
    }
    CHECK(opened == n);
    for (int i = 0; i < n; i++) {
        int v = -1;
        snprintf(name, sizeof name, "f%d", i);
        wrong += pread(fd[i], &v, sizeof v, 0) != sizeof v || v != i || close(fd[i]) || unlink(name);
    }
    CHECK(wrong == 0);
    CHECK(chdir("/") == 0 && rmdir(dir) == 0);
    free(fd);
}

static _Noreturn void add_one(int from, int to)
{
    uint32_t v;
    while (read(from, &v, sizeof v) == sizeof v) {
        v++;
        if (write(to, &v, sizeof v) != sizeof v) _exit(1);
    }
    _exit(0);
}

// N processes in a row, each adds one to what passes through.
static void chain(int n)
{
    int first[2], in, pipes[2], wrong = 0, status;
    CHECK(pipe(first) == 0);
    in = first[0];
    for (int i = 0; i < n; i++) {
        CHECK(pipe(pipes) == 0);
        if (fork() == 0) {
            close(first[1]), close(pipes[0]);
            add_one(in, pipes[1]);
        }
        close(in), close(pipes[1]);
        in = pipes[0];
    }
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t v = i;
        wrong +=
            write(first[1], &v, sizeof v) != sizeof v || read(in, &v, sizeof v) != sizeof v || v != i + (uint32_t)n;
    }
    close(first[1]), close(in);
    while (wait(&status) > 0) wrong += status != 0;
    CHECK(wrong == 0);
}

static volatile sig_atomic_t plain, queued;

static void on_plain(int sig)
{
    (void)sig;
    plain++;
}

static void on_queued(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    queued += info->si_code == SI_QUEUE;
}

// Real-time signals from a child, none lost, with ordinary ones between them.
static void storm(int n)
{
    struct sigaction a = {.sa_handler = on_plain}, b = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};
    pid_t self = getpid();
    int status, spins = 0;
    plain = queued = 0;
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0 && sigaction(SIGRTMIN + 2, &b, NULL) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < n; i++) {
            while (sigqueue(self, SIGRTMIN + 2, (union sigval){.sival_int = i}) && errno == EAGAIN) sched_yield();
            kill(self, SIGUSR1);
        }
        _exit(0);
    }
    while (waitpid(pid, &status, 0) != pid) spins++;
    CHECK(status == 0 && queued == n && plain > 0 && plain <= n);
}

// Timers that are set, changed and deleted; a tenth of them runs out.
static void timers(int n)
{
    enum { AT_ONCE = 500 };
    int made = 0, wrong = 0, batch = n < AT_ONCE ? n : AT_ONCE;
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    for (int done = 0; done < n; done += batch) {
        timer_t timer[AT_ONCE];
        for (int i = 0; i < batch; i++) {
            struct itimerspec soon = {.it_value = {.tv_nsec = i % 10 ? 900000000 : 1000}};
            made +=
                timer_create(CLOCK_MONOTONIC, &event, &timer[i]) == 0 && timer_settime(timer[i], 0, &soon, NULL) == 0;
        }
        for (int i = 0; i < batch; i++) wrong += timer_delete(timer[i]) != 0;
    }
    CHECK(made >= n && wrong == 0);
}

static void watches(int n)
{
    int set = epoll_create1(0), wrong = 0, seen = 0, (*ends)[2] = calloc((size_t)n, sizeof *ends);
    for (int i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = i};
        wrong += socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]) || epoll_ctl(set, EPOLL_CTL_ADD, ends[i][0], &e) ||
                 write(ends[i][1], "x", 1) != 1;
    }
    for (int i = 0; i < n; i++) {
        struct epoll_event e;
        char c;
        seen += epoll_wait(set, &e, 1, 0) == 1 && read(ends[e.data.fd][0], &c, 1) == 1;
    }
    CHECK(wrong == 0 && seen == n);
    for (int i = 0; i < n; i++) close(ends[i][0]), close(ends[i][1]);
    close(set);
    free(ends);
}

static void mappings(int n)
{
    enum { BYTES = 16 * 1024 };
    int wrong = 0;
    for (int i = 0; i < n; i++) {
        char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            wrong++;
            continue;
        }
        p[0] = p[BYTES - 1] = 1;
        wrong += mprotect(p + 4096, 4096, PROT_READ) || munmap(p, BYTES);
    }
    CHECK(wrong == 0);
}

int main(int argc, char **argv)
{
    int scale = argc > 1 ? atoi(argv[1]) : 100;
    if (scale < 1) return 2;
    forks(divided(10000, scale));
    zombies(divided(900, scale));
    threads(divided(1000, scale));
    files(divided(10000, scale));
    chain(divided(100, scale));
    storm(divided(20000, scale));
    timers(divided(100000, scale));
    watches(divided(4000, scale));
    mappings(divided(20000, scale));
    return check_result();
}
