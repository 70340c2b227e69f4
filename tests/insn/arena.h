// Where the arena's data lies (machine.h): below 4 GiB, or at the start or the end of memory with a name (cpu/mem.h),
// by which the test then knows it. It is there below 4 GiB, too, at the name's lower half, as is a page beside it, to
// be read, that is not the name's: what takes one for the other finds something. (Behind the name one is left free, as
// the kernel does.)
#pragma once
#include "machine.h"

enum arena { ARENA_LOW, ARENA_NAME_START, ARENA_NAME_END };
void arena_choose(enum arena); // before anything is opened; sets data_base
bool arena_is_named(void);
uint32_t arena_beside(void); // that page

// The address below 4 GiB, and the one with data_base's upper half.
static inline uint32_t arena_low(uint64_t a)
{
    return (uint32_t)a;
}
static inline uint64_t arena_upper(void)
{
    return data_base >> 32 << 32;
}

// The names of the guest's memory: this one, and one more behind it in other memory (0: none), each of 16 MiB. With the
// probes that the kernel makes for them (syscalls/mm_wide.c). From here on its code is checked.
enum { ARENA_FRAMES = 320 }; // that this takes, at most
#define ARENA_NAME       0x420000000u
#define ARENA_NAME_BYTES (16u << 20)
struct mem;
struct code;
bool arena_name(struct mem *, struct code *, uint64_t other);
