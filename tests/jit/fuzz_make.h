// Random programs: code, registers and memory, all of them functions of the case's random numbers.
#pragma once
#include "machine.h"
#include "rows.h"
#include "values.h"

#define STACK_BASE  0x30000000u
#define STACK_PAGES 4
#define SHARED_BASE 0x31000000u // the first data page's frame once more
#define MIXED_BASE  0x32000000u // one page of code and data

enum { PROGRAM_BYTES = 1600, MAX_INSNS = 60 };

struct corpus { // real code
    const uint8_t *bytes;
    size_t n;
};

struct program {
    const char *kind;
    struct machine in;
    uint32_t base; // where the code lies: in the code pages or in the mixed one
    uint8_t code[PROGRAM_BYTES];
    unsigned n;
};

// Memory by names (arena.h): the data pages', and the mixed page's, each with its last page.
#define NAME_MIXED ((3ull << 34) + MIXED_BASE)

// named: addresses are mostly those of names.
void make_program(struct program *, struct rng *, const struct row_table *, const struct corpus *, bool named);
