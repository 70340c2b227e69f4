// Random bytes of the host.
#pragma once
#include <stddef.h>

void host_entropy(void *buf, size_t n); // never fails: a host without entropy ends the process
