// The host's clocks, in nanoseconds. The guest never sees them as they are: syscalls/time.c derives its own.
#pragma once
#include <stdbool.h>
#include <stdint.h>

uint64_t host_clock_monotonic(void);
uint64_t host_clock_realtime(void);
uint64_t host_clock_thread(void);  // CPU time of the calling thread: a system call
uint64_t host_clock_process(void); // of all threads
// The CPU's counter. Steady: at one rate, in all states of the CPU (SDM vol. 3, 18.17.1). To ask takes long in a
// virtual machine. Not steady where the host is not x86-64.
uint64_t host_tsc(void);
bool host_tsc_is_steady(void);
