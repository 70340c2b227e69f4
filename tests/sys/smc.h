// For tests of code that changes: functions of a few bytes, written where a test wants them, and called as often as
// makes a translator translate them.
#pragma once
#include "check.h"
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE = 4096, OFTEN = 40 };
typedef int function(void);

// mov eax, value; ret
static inline void put_return(void *at, uint32_t value)
{
    uint8_t code[6] = {0xb8, 0, 0, 0, 0, 0xc3};
    memcpy(code + 1, &value, 4);
    memcpy(at, code, 6);
}

// Code written through another address is seen behind a serializing instruction (SDM vol. 3, 8.1.3).
static inline void serialize(void)
{
    uint32_t a = 0, c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "+c"(c) : : "rbx", "rdx", "memory");
}

static inline int call(const void *at)
{
    serialize();
    return ((function *)(uintptr_t)at)();
}

// What all of some calls returned, or -1 when they differ.
static inline int call_often(const void *at)
{
    int v = call(at);
    for (int i = 1; i < OFTEN; i++)
        if (call(at) != v) return -1;
    return v;
}

static inline uint8_t *map(size_t n, int prot, int flags, int fd)
{
    void *p = mmap(NULL, n, prot, flags, fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static inline uint8_t *map_rwx(size_t n)
{
    return map(n, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}
