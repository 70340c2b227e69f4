// The host's clocks, in nanoseconds. The guest never sees them as they are: syscalls/time.c derives its own.
#pragma once
#include <stdint.h>

uint64_t host_clock_monotonic(void);
uint64_t host_clock_realtime(void);
uint64_t host_clock_thread(void);  // CPU time of the calling thread: a system call
uint64_t host_clock_process(void); // of all threads
