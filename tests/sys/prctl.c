// prctl's smaller settings, sched_setattr, I/O priorities: what is accepted, what is remembered, and the errors.
#include "check.h"
#include <linux/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static long pr(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    return syscall(SYS_prctl, op, a, b, c, d);
}

static void *slack_of_thread(void *arg)
{
    CHECK(pr(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 70000 && pr(PR_SET_TIMERSLACK, 1, 0, 0, 0) == 0);
    return arg;
}

static void test_slack(void)
{
    pthread_t t;
    CHECK(pr(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 50000);
    CHECK(pr(PR_SET_TIMERSLACK, 70000, 0, 0, 0) == 0 && pr(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 70000);
    pthread_create(&t, NULL, slack_of_thread, NULL);
    pthread_join(t, NULL);
    CHECK(pr(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 70000);
}

static void test_thread(void)
{
    int value = 0, *cleared = NULL, word;
    CHECK(pr(PR_GET_TIMING, 0, 0, 0, 0) == 0 && pr(PR_SET_TIMING, 0, 0, 0, 0) == 0);
    CHECK_FAILS(pr(PR_SET_TIMING, 1, 0, 0, 0), EINVAL);
    CHECK(pr(PR_GET_TSC, (unsigned long)&value, 0, 0, 0) == 0 && value == PR_TSC_ENABLE);
    CHECK(pr(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0) == 0);
    CHECK_FAILS(pr(PR_SET_TSC, 9, 0, 0, 0), EINVAL);
    CHECK(pr(PR_TASK_PERF_EVENTS_DISABLE, 0, 0, 0, 0) == 0 && pr(PR_TASK_PERF_EVENTS_ENABLE, 0, 0, 0, 0) == 0);
    if (syscall(SYS_set_tid_address, &word) > 0 && pr(PR_GET_TID_ADDRESS, (unsigned long)&cleared, 0, 0, 0) == 0)
        CHECK(cleared == &word);
    else
        CHECK(errno == EINVAL); // without CONFIG_CHECKPOINT_RESTORE
    syscall(SYS_set_tid_address, NULL);
    CHECK(pr(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    CHECK_FAILS(pr(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
    CHECK_FAILS(pr(12345, 0, 0, 0, 0), EINVAL);
}

static void test_memory(void)
{
    char *at = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long a = (unsigned long)at;
    if (pr(PR_SET_VMA, 0, a, 8192, (unsigned long)"my heap") == 0) { // else without CONFIG_ANON_VMA_NAME
        CHECK(pr(PR_SET_VMA, 0, a, 8192, 0) == 0 && pr(PR_SET_VMA, 0, a, 0, 0) == 0);
        CHECK_FAILS(pr(PR_SET_VMA, 0, a, 8192, (unsigned long)"a[b]"), EINVAL);
        CHECK_FAILS(pr(PR_SET_VMA, 0, a, 8192, 8), EFAULT);
        CHECK_FAILS(pr(PR_SET_VMA, 0, a + 1, 8192, 0), EINVAL);
        munmap(at + 4096, 4096);
        CHECK_FAILS(pr(PR_SET_VMA, 0, a, 8192, (unsigned long)"x"), ENOMEM);
    }
    CHECK_FAILS(pr(PR_SET_VMA, 1, a, 4096, 0), EINVAL);
    CHECK(pr(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0 && pr(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    CHECK(pr(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1 && pr(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0);
    CHECK_FAILS(pr(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
    CHECK_FAILS(pr(PR_SET_MM, 1, 0, 1, 0), EINVAL);
}

// ---------------------------------------------------------------- sched_setattr

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period, more[2];
};

static long set(struct attr *a)
{
    return syscall(SYS_sched_setattr, 0, a, 0);
}

static void test_sched(void)
{
    struct attr a = {.size = 48, .policy = SCHED_BATCH, .nice = 3}, got = {0};
    CHECK_FAILS(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL);
    CHECK_FAILS(syscall(SYS_sched_setattr, -1, &a, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_sched_setattr, 999999, &a, 0), ESRCH);
    CHECK_FAILS(syscall(SYS_sched_setattr, 0, 8, 0), EFAULT);
    CHECK(set(&a) == 0 && sched_getscheduler(0) == SCHED_BATCH && getpriority(PRIO_PROCESS, 0) == 3);
    CHECK(syscall(SYS_sched_getattr, 0, &got, 48, 0) == 0 && got.policy == SCHED_BATCH && got.nice == 3);
    a.size = 20;
    CHECK_FAILS(set(&a), E2BIG);
    CHECK(a.size == 56);
    a.size = 72;
    a.more[1] = 1;
    CHECK_FAILS(set(&a), E2BIG);
    a = (struct attr){.size = 48, .policy = 99};
    CHECK_FAILS(set(&a), EINVAL);
    a = (struct attr){.size = 48, .policy = SCHED_OTHER, .priority = 4};
    CHECK_FAILS(set(&a), EINVAL);
    a = (struct attr){.size = 48, .policy = SCHED_FIFO};
    CHECK_FAILS(set(&a), EINVAL);
    a = (struct attr){.size = 48, .flags = 1 << 30};
    CHECK_FAILS(set(&a), EINVAL);
    a = (struct attr){.size = 48, .flags = 0x18, .policy = 77}; // keep both
    CHECK(set(&a) == 0 && sched_getscheduler(0) == SCHED_BATCH);
    a = (struct attr){.size = 0, .policy = SCHED_OTHER, .nice = 3};
    CHECK(set(&a) == 0 && sched_getscheduler(0) == SCHED_OTHER);
    if (getuid() || fork()) return;
    CHECK(setuid(65534) == 0);
    a = (struct attr){.size = 48, .policy = SCHED_FIFO, .priority = 4};
    CHECK_FAILS(set(&a), EPERM);
    a = (struct attr){.size = 48, .policy = SCHED_OTHER, .nice = -5};
    CHECK_FAILS(set(&a), EPERM);
    a = (struct attr){.size = 48, .policy = 6, .runtime = 10000000, .deadline = 30000000, .period = 30000000};
    CHECK_FAILS(set(&a), EPERM);
    _exit(check_result());
}

static void *policy_of_thread(void *arg)
{
    *(int *)arg = sched_getscheduler(0);
    return arg;
}

static int policy_of_child(void)
{
    int status;
    pid_t child = fork();
    if (!child) _exit(sched_getscheduler(0) | (getpriority(PRIO_PROCESS, 0) < 0 ? 64 : 0));
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A policy passes to threads and children; one in real time may have to be left behind.
static void test_inherited(void)
{
    struct sched_param none = {0};
    pthread_t thread;
    int seen = -1;
    CHECK(sched_setscheduler(0, SCHED_BATCH, &none) == 0 && policy_of_child() == SCHED_BATCH);
    pthread_create(&thread, NULL, policy_of_thread, &seen);
    pthread_join(thread, NULL);
    CHECK(seen == SCHED_BATCH);
    CHECK(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &none) == 0);
    CHECK(sched_getscheduler(0) == (SCHED_BATCH | SCHED_RESET_ON_FORK) && policy_of_child() == SCHED_BATCH);
    if (!getuid()) {
        struct sched_param some = {.sched_priority = 3};
        CHECK(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &some) == 0 && policy_of_child() == SCHED_OTHER);
        CHECK(sched_setscheduler(0, SCHED_FIFO, &some) == 0 && policy_of_child() == SCHED_FIFO);
    }
    CHECK(sched_setscheduler(0, SCHED_OTHER, &none) == 0 && sched_getscheduler(0) == SCHED_OTHER);
}

static long io_get(int which, int who)
{
    return syscall(SYS_ioprio_get, which, who);
}
static long io_set(int which, int who, int prio)
{
    return syscall(SYS_ioprio_set, which, who, prio);
}

static void test_io_priority(void)
{
    enum { NONE, RT, BE, IDLE, SHIFT = 13 };
    int status;
    CHECK(setpgid(0, 0) == 0 || getpgrp() == getpid());
    CHECK(io_set(1, 0, BE << SHIFT | 6) == 0 && io_get(1, 0) == (BE << SHIFT | 6));
    CHECK(io_get(1, getpid()) == (BE << SHIFT | 6) && io_get(2, 0) == (BE << SHIFT | 6));
    pid_t child = fork();
    if (!child) _exit(io_get(1, 0) == (BE << SHIFT | 6) && io_set(1, 0, IDLE << SHIFT) == 0 ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0 && io_get(1, 0) == (BE << SHIFT | 6));
    CHECK(io_set(2, 0, IDLE << SHIFT) == 0 && io_get(1, 0) == IDLE << SHIFT && io_get(2, getpgrp()) == IDLE << SHIFT);
    CHECK(io_set(1, 0, NONE) == 0 && io_get(2, 0) == (BE << SHIFT | (getpriority(PRIO_PROCESS, 0) + 20) / 5));
    CHECK_FAILS(io_set(1, 0, NONE << SHIFT | 3), EINVAL);
    CHECK_FAILS(io_set(1, 0, 5 << SHIFT), EINVAL);
    CHECK_FAILS(io_set(4, 0, BE << SHIFT), EINVAL);
    CHECK_FAILS(io_get(0, 0), EINVAL);
    CHECK_FAILS(io_get(1, 99999999), ESRCH);
    CHECK_FAILS(io_set(2, 99999999, BE << SHIFT), ESRCH);
    if (getuid() || fork()) return;
    CHECK(setuid(65534) == 0);
    CHECK_FAILS(io_set(1, 0, RT << SHIFT), EPERM);
    CHECK_FAILS(io_set(1, getppid(), BE << SHIFT), EPERM);
    _exit(check_result());
}

int main(void)
{
    int status = 0;
    test_slack();
    test_thread();
    test_memory();
    test_inherited();
    test_sched();
    wait(&status);
    CHECK(status == 0);
    test_io_priority();
    wait(&status);
    CHECK(status == 0);
    return check_result();
}
