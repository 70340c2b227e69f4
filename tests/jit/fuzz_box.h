// Where random programs run: an address space with the arena of machine.h and more, under lockstep.
#pragma once
#include "fuzz_ahead.h"
#include <stdio.h>

struct fuzz_box;
// ahead: what has run of a case is translated ahead of time, and the case run once more with that. NULL with a message
// on stderr.
struct fuzz_box *fuzz_box_open(bool ahead);
void fuzz_box_close(struct fuzz_box *);

struct fuzz_counts {
    uint64_t cases, stops, faults, insns;
    struct fuzz_ahead_counts ahead;
    bool second; // it is in the run with what was made ahead
};
// Runs it, behind each instruction that faults too. NULL, or the difference; valid until the box is closed, which is
// then of no more use.
const char *fuzz_run(struct fuzz_box *, struct program *, struct rng *, struct fuzz_counts *);
