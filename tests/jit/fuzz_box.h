// Where random programs run: an address space with the arena of machine.h and more, under lockstep.
#pragma once
#include "fuzz_make.h"
#include <stdio.h>

struct fuzz_box;
struct fuzz_box *fuzz_box_open(void); // NULL with a message on stderr
void fuzz_box_close(struct fuzz_box *);

struct fuzz_counts {
    uint64_t cases, stops, faults, insns;
};
// Runs it, behind each instruction that faults too. NULL, or the difference; valid until the box is closed, which is
// then of no more use.
const char *fuzz_run(struct fuzz_box *, const struct program *, struct rng *, struct fuzz_counts *);
