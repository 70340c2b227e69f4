// The newer futex calls, FUTEX_WAKE_OP, and futexes in memory that processes share.
#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { U32 = 2, PRIVATE = 128, NR_waitv = 449, NR_wake = 454, NR_wait = 455, NR_requeue = 456 };
struct waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};

static long waitv(struct waitv *v, unsigned n, unsigned flags, const struct timespec *ts, int clock)
{
    return syscall(NR_waitv, v, n, flags, ts, clock);
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

static uint32_t words[128];

static void *wake_word(void *arg)
{
    for (int i = 0; i < 1000 && syscall(SYS_futex, arg, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) != 1; i++) usleep(10000);
    return NULL;
}

static void ignore(int sig)
{
    (void)sig;
}

static void test_waitv(void)
{
    struct waitv v[129] = {{0}};
    struct timespec ts = in_ms(CLOCK_MONOTONIC, 5), bad = {0, 1000000000};
    pthread_t t;
    for (int i = 0; i < 129; i++) v[i] = (struct waitv){.uaddr = (uintptr_t)&words[i % 128], .flags = U32 | PRIVATE};
    CHECK_FAILS(waitv(v, 1, 1, NULL, 0), EINVAL);
    CHECK_FAILS(waitv(v, 0, 0, NULL, 0), EINVAL);
    CHECK_FAILS(waitv(v, 129, 0, NULL, 0), EINVAL);
    CHECK_FAILS(waitv(NULL, 1, 0, NULL, 0), EINVAL);
    CHECK_FAILS(waitv((void *)8, 1, 0, NULL, 0), EFAULT);
    CHECK_FAILS(waitv(v, 1, 0, &ts, CLOCK_BOOTTIME), EINVAL);
    CHECK_FAILS(waitv(v, 1, 0, &bad, CLOCK_MONOTONIC), EINVAL);
    CHECK_FAILS(waitv(v, 1, 0, (void *)8, CLOCK_MONOTONIC), EFAULT);
    v[1].reserved = 1;
    CHECK_FAILS(waitv(v, 2, 0, NULL, 0), EINVAL);
    v[1].reserved = 0;
    v[1].flags = PRIVATE;
    CHECK_FAILS(waitv(v, 2, 0, NULL, 0), EINVAL);
    v[1].flags = U32 | PRIVATE;
    v[1].val = 1ull << 32;
    CHECK_FAILS(waitv(v, 2, 0, NULL, 0), EINVAL);
    v[1].val = 1;
    CHECK_FAILS(waitv(v, 2, 0, NULL, 0), EAGAIN);
    v[1].val = 0;
    CHECK_FAILS(waitv(v, 2, 0, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
    pthread_create(&t, NULL, wake_word, &words[77]);
    CHECK(waitv(v, 128, 0, NULL, 0) == 77);
    pthread_join(t, NULL);
    CHECK(syscall(SYS_futex, &words[3], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0); // nobody is left on any
    struct sigaction sa = {.sa_handler = ignore};
    sigaction(SIGALRM, &sa, NULL);
    ualarm(10000, 0);
    CHECK_FAILS(waitv(v, 3, 0, NULL, 0), EINTR);
}

static long woken(long nr, void *at, uint64_t mask, int n, int flags)
{
    return syscall(nr, at, mask, n, flags);
}

// As soon as somebody waits.
static int wakes_one(void *at, uint64_t mask)
{
    for (int i = 0; i < 1000; i++) {
        if (woken(NR_wake, at, mask, 1, U32 | PRIVATE) == 1) return 1;
        usleep(10000);
    }
    return 0;
}

static void *wait_masked(void *arg)
{
    CHECK(syscall(NR_wait, &words[5], 0ul, (uintptr_t)arg, U32 | PRIVATE, NULL, 0) == 0);
    return NULL;
}

static void test_futex2(void)
{
    struct timespec ts = in_ms(CLOCK_REALTIME, 5);
    pthread_t t;
    CHECK_FAILS(syscall(NR_wait, words, 0ul, 1ul, 0, NULL, 0), EINVAL);
    CHECK_FAILS(syscall(NR_wait, words, 0ul, 0ul, U32, NULL, 0), EINVAL);
    CHECK_FAILS(syscall(NR_wait, words, 1ul << 32, 1ul, U32, NULL, 0), EINVAL);
    CHECK_FAILS(syscall(NR_wait, words, 1ul, 1ul, U32, NULL, 0), EAGAIN);
    CHECK_FAILS(syscall(NR_wait, words, 0ul, 1ul, U32, &ts, CLOCK_REALTIME), ETIMEDOUT);
    CHECK_FAILS(woken(NR_wake, words, 0, 1, U32), EINVAL);
    CHECK_FAILS(woken(NR_wake, words, 1, 1, U32 | 0x100), EINVAL);
    CHECK_FAILS(woken(NR_wake, (char *)words + 2, 1, 1, U32), EINVAL);
    CHECK_FAILS(woken(NR_wake, (void *)8, 1, 1, U32), EFAULT);
    pthread_create(&t, NULL, wait_masked, (void *)6);
    usleep(20000);
    CHECK(woken(NR_wake, &words[5], 1, 1, U32 | PRIVATE) == 0 && woken(NR_wake, &words[5], 2, 0, U32 | PRIVATE) == 0);
    CHECK(wakes_one(&words[5], 2));
    pthread_join(t, NULL);
    struct waitv v[2] = {{0, (uintptr_t)&words[5], U32 | PRIVATE, 0}, {0, (uintptr_t)&words[6], U32 | PRIVATE, 0}};
    CHECK_FAILS(syscall(NR_requeue, v, 1, 0, 1), EINVAL);
    CHECK_FAILS(syscall(NR_requeue, NULL, 0, 0, 1), EINVAL);
    CHECK_FAILS(syscall(NR_requeue, v, 0, -1, 1), EINVAL);
    v[0].val = 1;
    CHECK_FAILS(syscall(NR_requeue, v, 0, 0, 1), EAGAIN);
    v[0].val = 0;
    pthread_create(&t, NULL, wait_masked, (void *)1);
    for (int i = 0; i < 1000 && syscall(NR_requeue, v, 0, 0, 1) == 0; i++) usleep(10000);
    CHECK(woken(NR_wake, &words[5], 1, 1, U32 | PRIVATE) == 0);
    CHECK(woken(NR_wake, &words[6], 1, 1, U32 | PRIVATE) == 1);
    pthread_join(t, NULL);
}

static void test_wake_op(void)
{
    uint32_t a = 0, b = 5;
    CHECK(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)) == 0 &&
          b == 8);
    CHECK(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b, FUTEX_OP(FUTEX_OP_ANDN, 8, FUTEX_OP_CMP_LT, 5)) == 0 &&
          b == 0);
    CHECK(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b,
                  FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_NE, 5)) == 0 &&
          b == 16);
    CHECK(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b, FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_GE, -1)) == 0 &&
          b == 17);
    CHECK_FAILS(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b, FUTEX_OP(7, 1, FUTEX_OP_CMP_GE, 1)), ENOSYS);
}

// Two mappings of one file at different addresses meet, a private mapping does not.
static void test_shared(void)
{
    FILE *f = tmpfile();
    CHECK(f && ftruncate(fileno(f), 8192) == 0);
    uint32_t *one = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    uint32_t *two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 4096);
    uint32_t *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 4096);
    pid_t child = fork();
    if (!child) _exit(syscall(SYS_futex, one + 1024 + 3, FUTEX_WAIT, 0, NULL, NULL, 0) ? 1 : 0);
    usleep(20000);
    int status;
    CHECK(syscall(SYS_futex, own + 3, FUTEX_WAKE, 1, NULL, NULL, 0) == 0);
    CHECK(syscall(SYS_futex, two + 3, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0);
    for (int i = 0; i < 100 && syscall(SYS_futex, two + 3, FUTEX_WAKE, 1, NULL, NULL, 0) != 1; i++) usleep(10000);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    munmap(one, 8192);
    CHECK_FAILS(syscall(SYS_futex, one + 3, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
    CHECK(syscall(SYS_futex, one + 3, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0);
}

int main(void)
{
    test_waitv();
    test_futex2();
    test_wake_op();
    test_shared();
    return check_result();
}
