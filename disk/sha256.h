// SHA-256 by libnettle, which Debian's apt brings to every machine and whose code uses the CPU's instructions for it.
// It is loaded when it is first asked for: a start that needs no digest does not pay for the library.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

struct sha256 {
    void *library; // NULL: not open
    void (*init)(void *), (*update)(void *, size_t, const uint8_t *), (*digest)(void *, size_t, uint8_t *);
    _Alignas(16) uint8_t state[256];
};

// Ready to add to. False: a line in `why` (of why_size bytes) says which package it takes.
bool sha256_open(struct sha256 *, char *why, size_t why_size);
void sha256_add(struct sha256 *, const void *, size_t);
void sha256_end(struct sha256 *, uint8_t digest[SHA256_BYTES]); // and ready for the next
void sha256_close(struct sha256 *);
