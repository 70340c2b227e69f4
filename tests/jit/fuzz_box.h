// Where random programs run: an address space with the arena of machine.h and more, under lockstep.
#pragma once
#include "fuzz_ahead.h"
#include <stdio.h>

struct fuzz_box;
enum fuzz_kind {
    FUZZ_RUN,
    FUZZ_AHEAD, // what has run of a case is translated ahead of time, and the case run once more with that
    FUZZ_NAMED, // memory has names, which make_program knows
};
struct fuzz_box *fuzz_box_open(enum fuzz_kind); // NULL with a message on stderr
void fuzz_box_close(struct fuzz_box *);

struct fuzz_counts {
    uint64_t cases, stops, faults, insns;
    struct fuzz_ahead_counts ahead;
    bool second; // it is in the run with what was made ahead
};
// Runs it, behind each instruction that faults too. NULL, or the difference; valid until the box is closed, which is
// then of no more use.
const char *fuzz_run(struct fuzz_box *, struct program *, struct rng *, struct fuzz_counts *);
