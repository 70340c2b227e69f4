// What fuzz_box.h needs where code is made ahead of time: the code pages as a file, the engine that runs them, and the
// way from what has run to shards that are run (fuzz_ahead.c).
#pragma once
#include "cpu/mem.h"
#include "fuzz_engine.h"
#include "fuzz_make.h"

struct fuzz_ahead_counts {
    uint64_t shards, blocks;                   // made, by both translators
    uint64_t entered[FUZZ_TRANSLATORS], cases; // how often a block of one was entered by either, and in how many cases
};

struct fuzz_ahead;
// Its code pages are mapped at CODE_BASE. NULL: no memory, or no verifier, with a message on stderr.
struct fuzz_ahead *fuzz_ahead_open(struct ram *, struct mem *);
void fuzz_ahead_close(struct fuzz_ahead *);

// A case: put, begin, run, make, end; begin, run, end; forget.
void fuzz_ahead_put(struct fuzz_ahead *, struct mem *, const struct program *, struct rng *); // what the file is
struct lockstep *fuzz_ahead_begin(struct fuzz_ahead *, struct mem *, struct code *);          // NULL: no memory
// Shards of what has run since, or as if it had, for the next engine. NULL, or what is wrong with what was made.
const char *fuzz_ahead_make(struct fuzz_ahead *, const struct program *, struct rng *, struct fuzz_ahead_counts *);
void fuzz_ahead_end(struct fuzz_ahead *, struct fuzz_ahead_counts *);
void fuzz_ahead_forget(struct fuzz_ahead *);
