// libzstd, for chunks: one frame each, of exactly so many bytes.
//
// Threads: one per struct zstd.
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { ZSTD_LEVEL = 19, ZSTD_LEVEL_MAX = 22 };

struct zstd;                                                    // for one direction
int zstd_open_pack(struct zstd **, char *why, size_t why_size); // 0; -1 with a line
int zstd_open_unpack(struct zstd **, char *why, size_t why_size);
void zstd_close(struct zstd *); // NULL: nothing

// The bytes that it took; 0: it does not fit, or no memory.
size_t zstd_pack(struct zstd *, void *to, size_t room, const void *bytes, size_t n, int level);
// True if they are exactly n bytes. No more than n are written, whatever `packed` says. What is in `to` otherwise is
// undefined.
bool zstd_unpack(struct zstd *, void *to, size_t n, const void *packed, size_t packed_n);
