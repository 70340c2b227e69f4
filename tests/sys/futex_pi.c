// Futexes with priority inheritance: the protocol of the word, errors, owners that die, requeueing; glibc's mutexes of
// that protocol.
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static long futex(uint32_t *at, int op, uint32_t val, const void *timeout, uint32_t *at2, uint32_t val3)
{
    return syscall(SYS_futex, at, op, val, timeout, at2, val3);
}

static uint32_t tid(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static struct timespec in_ms(clockid_t clock, int ms)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    ts.tv_nsec += ms * 1000000L;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    return ts;
}

static void until_waited_for(uint32_t *word)
{
    for (int i = 0; i < 2000 && !(__atomic_load_n(word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS); i++) usleep(1000);
}

static void test_word(void)
{
    uint32_t word = 0, odd[2];
    CHECK(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0 && word == tid());
    CHECK_FAILS(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    CHECK_FAILS(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0 && word == 0);
    CHECK_FAILS(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
    CHECK(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) == 0 && word == tid());
    word |= FUTEX_WAITERS;
    CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0 && word == 0);
    word = FUTEX_OWNER_DIED | FUTEX_WAITERS;
    CHECK(futex(&word, FUTEX_LOCK_PI2, 0, NULL, NULL, 0) == 0 && word == (tid() | FUTEX_OWNER_DIED));
    word = 0x3ffffff0; // nobody's
    CHECK_FAILS(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
    CHECK(word == (0x3ffffff0 | FUTEX_WAITERS));
    CHECK_FAILS(futex((uint32_t *)((char *)odd + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0), EINVAL);
    CHECK_FAILS(futex((uint32_t *)8, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
    CHECK_FAILS(futex((uint32_t *)8, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EFAULT);
    CHECK_FAILS(futex(&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0), ENOSYS);
    CHECK_FAILS(futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, word, (&(struct timespec){0, 1}), NULL, 0), ENOSYS);
}

// ---------------------------------------------------------------- waiting

static uint32_t lock;
static volatile int got;

static void *locker(void *arg)
{
    int op = arg ? FUTEX_LOCK_PI2_PRIVATE : FUTEX_LOCK_PI_PRIVATE;
    CHECK(futex(&lock, op, 0, NULL, NULL, 0) == 0 && (lock & FUTEX_TID_MASK) == tid());
    got++;
    usleep(2000);
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    return NULL;
}

static void test_hand_over(void)
{
    pthread_t t[4];
    CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, locker, i & 1 ? &lock : NULL);
    until_waited_for(&lock);
    CHECK(got == 0 && lock == (tid() | FUTEX_WAITERS));
    CHECK_FAILS(futex(&lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), EINVAL); // not that kind of waiter
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    CHECK(got == 4 && lock == 0);
}

static void *hold(void *arg)
{
    CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    usleep(*(int *)arg);
    return NULL; // without unlocking
}

static void test_timeouts(void)
{
    pthread_t t;
    int us = 100000;
    struct timespec real, mono, bad = {0, -1};
    lock = 0;
    pthread_create(&t, NULL, hold, &us);
    while (!__atomic_load_n(&lock, __ATOMIC_SEQ_CST)) usleep(1000);
    real = in_ms(CLOCK_REALTIME, 5);
    mono = in_ms(CLOCK_MONOTONIC, 5);
    CHECK_FAILS(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, &real, NULL, 0), ETIMEDOUT);
    CHECK_FAILS(futex(&lock, FUTEX_LOCK_PI2_PRIVATE, 0, &mono, NULL, 0), ETIMEDOUT);
    CHECK_FAILS(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, &bad, NULL, 0), EINVAL);
    CHECK_FAILS(futex(&lock, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EAGAIN);
    CHECK_FAILS(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
    CHECK(lock & FUTEX_WAITERS);
    // the owner ends: whoever waits gets the lock and learns of it
    CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(lock == (tid() | FUTEX_WAITERS | FUTEX_OWNER_DIED));
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0 && lock == 0);
    pthread_join(t, NULL);
}

static uint32_t first, second;

static void *crosswise(void *arg)
{
    (void)arg;
    CHECK(futex(&second, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(futex(&first, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(futex(&first, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(futex(&second, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    return NULL;
}

static void test_deadlock(void)
{
    pthread_t t;
    CHECK(futex(&first, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    pthread_create(&t, NULL, crosswise, NULL);
    until_waited_for(&first);
    CHECK_FAILS(futex(&second, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    CHECK(futex(&first, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    pthread_join(t, NULL);
    CHECK(first == 0 && second == 0);
}

// Across processes, on a shared page and on a file.
static void test_shared(int fd)
{
    uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
    CHECK(word != MAP_FAILED && futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
    pid_t child = fork();
    if (!child) {
        int bad = futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) != 0 || *word != tid() + 0u + FUTEX_WAITERS;
        _exit(bad); // and dies with it
    }
    int status;
    until_waited_for(word);
    CHECK(*word == (tid() | FUTEX_WAITERS));
    CHECK(futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_FAILS(futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
    munmap(word, 4096);
}

// ---------------------------------------------------------------- requeueing: a condition variable's way

static uint32_t condition, mutex;

static void *wait_on_condition(void *arg)
{
    (void)arg;
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &mutex, 0) == 0);
    CHECK((mutex & FUTEX_TID_MASK) == tid());
    CHECK(futex(&mutex, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    return NULL;
}

static void test_requeue(void)
{
    pthread_t t[3];
    struct timespec past = in_ms(CLOCK_MONOTONIC, 2);
    CHECK_FAILS(futex(&condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &condition, 0), EINVAL);
    CHECK_FAILS(futex(&condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 1, NULL, &mutex, 0), EAGAIN);
    CHECK_FAILS(futex(&condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &past, &mutex, 0), ETIMEDOUT);
    CHECK_FAILS(futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, (void *)1, &mutex, 0), EINVAL);
    CHECK_FAILS(futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &condition, 0), EINVAL);
    CHECK_FAILS(futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &mutex, 5), EAGAIN);
    CHECK(futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &mutex, 0) == 0);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, wait_on_condition, NULL);
    for (int i = 0; i < 1000 && futex(&condition, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0; i++) usleep(10000);
    CHECK_FAILS(futex(&condition, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), EINVAL);
    CHECK_FAILS(futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)9, &first, 0), EINVAL);
    CHECK(futex(&mutex, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)0, &mutex, 0) == 1);
    CHECK(mutex == (tid() | FUTEX_WAITERS));
    CHECK(futex(&mutex, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    for (int i = 0, moved = 0; i < 1000 && moved < 2; i++) { // the others may only be on their way
        long n = futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)9, &mutex, 0);
        CHECK(n >= 0 && (moved += (int)n) <= 2);
        if (moved < 2) usleep(10000);
    }
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    CHECK(mutex == 0);
}

// ---------------------------------------------------------------- glibc's mutexes

static pthread_mutex_t m;
static int counter;

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        CHECK(pthread_mutex_lock(&m) == 0);
        int was = counter;
        if (i % 100 == 0) usleep(100);
        counter = was + 1;
        CHECK(pthread_mutex_unlock(&m) == 0);
    }
    return NULL;
}

static void *die_with_it(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&m);
    return NULL;
}

static void test_glibc(void)
{
    pthread_mutexattr_t a;
    pthread_t t[4];
    pthread_mutexattr_init(&a);
    CHECK(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutex_init(&m, &a) == 0);
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, count_up, NULL);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    CHECK(counter == 2000);
    pthread_create(&t[0], NULL, die_with_it, NULL);
    pthread_join(t[0], NULL);
    CHECK(pthread_mutex_lock(&m) == EOWNERDEAD && pthread_mutex_consistent(&m) == 0);
    CHECK(pthread_mutex_unlock(&m) == 0 && pthread_mutex_destroy(&m) == 0);
}

int main(void)
{
    FILE *f = tmpfile();
    CHECK(f && ftruncate(fileno(f), 4096) == 0);
    test_word();
    test_hand_over();
    test_timeouts();
    test_deadlock();
    test_shared(-1);
    test_shared(fileno(f));
    test_requeue();
    test_glibc();
    return check_result();
}
