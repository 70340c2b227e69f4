// The host's clocks: see clock.h.
#include "host/clock.h"
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t host_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}
uint64_t host_clock_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}
uint64_t host_clock_thread(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
uint64_t host_clock_process(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

#if defined(__x86_64__)
uint64_t host_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

bool host_tsc_is_steady(void)
{
    enum { POWER_LEAF = 0x80000007, INVARIANT_TSC = 1 << 8 };
    unsigned a, b, c, d;
    return __get_cpuid(POWER_LEAF, &a, &b, &c, &d) && d & INVARIANT_TSC;
}
#else
uint64_t host_tsc(void)
{
    return 0;
}

bool host_tsc_is_steady(void)
{
    return false;
}
#endif
