// The host's clocks: see clock.h.
#include "host/clock.h"
#include <time.h>

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
