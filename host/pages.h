// Large tables that are mostly empty: zeroed memory that costs nothing until it is touched.
#pragma once
#include <stddef.h>

void *pages_new(size_t bytes); // NULL: no address space left
void pages_free(void *p, size_t bytes);
void pages_ready(void *p, size_t bytes); // will be written soon, all of it: at once, where the host can
void pages_zero(void *p, size_t bytes);  // give the memory back; it reads as zeros again. Both page-aligned
