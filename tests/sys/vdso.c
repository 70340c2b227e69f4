// The vDSO (man vdso): what it says of the time agrees with the kernel and never goes back, also after a sleep until
// then and in a child; its pages, if they can be written to, are the process's own then. Where there is none
// (AT_SYSINFO_EHDR is absent: without the translator, --deterministic) the C library calls the kernel, and the rest
// holds as well.
#include "check.h"
#include <elf.h>
#include <sched.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

enum { PAGE = 4096, ROUNDS = 20000 };

static uint64_t ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}
static uint64_t by_library(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0 && t.tv_nsec < 1000000000);
    return ns(&t);
}
static uint64_t by_kernel(clockid_t clock)
{
    struct timespec t;
    CHECK(syscall(SYS_clock_gettime, clock, &t) == 0);
    return ns(&t);
}

// For longer than the box watches the counter before it tells anything.
static void agrees_with_the_kernel(void)
{
    for (clockid_t clock = CLOCK_REALTIME; clock <= CLOCK_MONOTONIC; clock++) {
        uint64_t last = by_kernel(clock), now, end = last + 10000000;
        for (int i = 0; i < ROUNDS || last < end; i++) {
            now = i % 4 == 3 ? by_kernel(clock) : by_library(clock);
            CHECK(now >= last);
            last = now;
        }
    }
}

static void other_functions(void)
{
    struct timeval tv;
    unsigned cpu = 99, node = 99;
    time_t before = (time_t)(by_kernel(CLOCK_REALTIME) / 1000000000), t;
    CHECK(gettimeofday(&tv, NULL) == 0 && tv.tv_usec < 1000000 && tv.tv_sec >= before && tv.tv_sec <= before + 60);
    CHECK(time(&t) == t && t >= before - 1 && t <= before + 60); // the host's has ticks
    CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && getcpu(&cpu, &node) == 0 && cpu < 4096 && node < 64);
    CHECK_FAILS(clock_gettime(77, &(struct timespec){0}), EINVAL);
    CHECK(by_library(CLOCK_PROCESS_CPUTIME_ID) > 0);
}

static void a_sleep_is_not_too_short(void)
{
    for (int i = 0; i < 20; i++) {
        uint64_t until = by_library(CLOCK_MONOTONIC) + 500000;
        struct timespec t = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
        CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0);
        CHECK(by_library(CLOCK_MONOTONIC) >= until);
    }
}

static void a_child_has_it(void)
{
    uint64_t before = by_library(CLOCK_MONOTONIC);
    int status;
    pid_t child = fork();
    if (child == 0) _exit(by_library(CLOCK_MONOTONIC) >= before ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(by_library(CLOCK_MONOTONIC) >= before);
}

static void it_is_the_process_s_own(void)
{
    unsigned char *image = (unsigned char *)getauxval(AT_SYSINFO_EHDR); // NOLINT: that is what it is
    int status;
    if (!image) return;
    CHECK(memcmp(image, ELFMAG, SELFMAG) == 0 && ((Elf64_Ehdr *)image)->e_type == ET_DYN);
    pid_t child = fork();
    if (child == 0) {
        if (mprotect(image, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC)) _exit(0); // sealed, on some kernels
        image[0]++;
        _exit(image[0] == ELFMAG0 + 1 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(image[0] == ELFMAG0);
}

int main(void)
{
    agrees_with_the_kernel();
    other_functions();
    a_sleep_is_not_too_short();
    a_child_has_it();
    it_is_the_process_s_own();
    return check_result();
}
