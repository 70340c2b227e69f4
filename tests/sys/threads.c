// Threads: futexes behind mutexes, conditions and semaphores; robust mutexes; cancellation; exec, exit and death of a
// process with threads.
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 300 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long turn, total;

static void *take_turns(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != (long)arg) pthread_cond_wait(&cond, &mutex);
        turn = (turn + 1) % THREADS;
        total++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return arg;
}

static void test_turns(void)
{
    pthread_t t[THREADS];
    void *result;
    for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, take_turns, (void *)i) == 0);
    for (long i = 0; i < THREADS; i++) CHECK(pthread_join(t[i], &result) == 0 && result == (void *)i);
    CHECK(total == THREADS * ROUNDS);
}

static void *die_holding(void *m)
{
    pthread_mutex_lock(m);
    return NULL;
}

struct shared {
    pthread_mutex_t mutex;
    sem_t sem, counted;
    int n;
};

static void count_up(struct shared *s)
{
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&s->mutex);
        s->n++;
        pthread_mutex_unlock(&s->mutex);
    }
}

static void test_robust_and_shared(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t own;
    pthread_t t;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&own, &attr);
    pthread_create(&t, NULL, die_holding, &own);
    pthread_join(t, NULL);
    CHECK(pthread_mutex_lock(&own) == EOWNERDEAD && pthread_mutex_consistent(&own) == 0 &&
          pthread_mutex_unlock(&own) == 0);
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->mutex, &attr);
    sem_init(&s->sem, 1, 0);
    sem_init(&s->counted, 1, 0);
    if (fork() == 0) {
        count_up(s);
        sem_post(&s->sem);
        sem_wait(&s->counted); // the parent counts no more: it would be the first to meet the dead owner
        pthread_mutex_lock(&s->mutex);
        _exit(0);
    }
    count_up(s);
    sem_post(&s->counted);
    CHECK(sem_wait(&s->sem) == 0 && s->n == 2000);
    wait(NULL);
    CHECK(pthread_mutex_lock(&s->mutex) == EOWNERDEAD);
}

static void test_timeouts(void)
{
    struct timespec soon;
    sem_t sem;
    int word = 0;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&cond, &mutex, &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    sem_init(&sem, 0, 0);
    CHECK_FAILS(sem_timedwait(&sem, &soon), ETIMEDOUT);
    CHECK_FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
    CHECK_FAILS(syscall(SYS_futex, (char *)&word + 1, FUTEX_WAIT, 1, NULL, NULL, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_futex, 8, FUTEX_WAIT, 1, NULL, NULL, 0), EFAULT);
    CHECK(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0);
}

static void *sleep_long(void *arg)
{
    sleep(1000);
    return arg;
}

static void *spin(void *flag)
{
    while (!*(volatile int *)flag) {
    }
    return NULL;
}

static void test_ends(void)
{
    pthread_t t;
    void *result;
    int flag = 0;
    pthread_create(&t, NULL, sleep_long, NULL);
    usleep(5000);
    CHECK(pthread_cancel(t) == 0 && pthread_join(t, &result) == 0 && result == PTHREAD_CANCELED);
    pthread_create(&t, NULL, spin, &flag);
    usleep(5000);
    flag = 1;
    CHECK(pthread_join(t, NULL) == 0);
}

static int status_of(void (*f)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        f();
        _exit(99);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void *exec_self(void *arg)
{
    usleep(5000);
    execl("/proc/self/exe", "threads", "exit", "7", (char *)NULL);
    return arg;
}

static void exec_from_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, exec_self, NULL);
    for (;;) pause();
}

static void *exit_later(void *arg)
{
    usleep(20000);
    _exit(arg ? 1 : 3);
}

static void leader_first(void)
{
    pthread_t t;
    pthread_create(&t, NULL, exit_later, NULL);
    pthread_exit(NULL);
}

static void killed_with_threads(void)
{
    pthread_t t;
    pthread_create(&t, NULL, sleep_long, NULL);
    raise(SIGKILL);
}

static void fault_in_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, (void *(*)(void *))abort, NULL);
    pause();
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "exit") == 0) return getpid() == syscall(SYS_gettid) ? atoi(argv[2]) : 1;
    test_turns();
    test_robust_and_shared();
    test_timeouts();
    test_ends();
    CHECK(status_of(exec_from_thread) == 7 << 8);
    CHECK(status_of(leader_first) == 3 << 8);
    CHECK(status_of(killed_with_threads) == SIGKILL);
    CHECK((status_of(fault_in_thread) & 0x7f) == SIGABRT);
    return check_result();
}
