// Says which case ended the process, by a signal, a sanitizer, or the time it took.
#pragma once
#include <stdint.h>

void watch_start(uint64_t seed);
void watch_case(uint64_t number, unsigned seconds); // of the process's own time
