// A lockstep engine (jit/lockstep.h) whose translators have what a box's have and lockstep alone does without: a window
// of code for each, views of files (jit/view.h), and the code cache (jit/store.h).
//
// The engine makes its translators itself, without any of this. So jit_new, jit_space_new and space_forget_targets are
// wrapped (ld's --wrap, CMakeLists.txt): what they do is changed for the translators that fuzz_engine_open makes. One
// engine is open at a time.
#pragma once
#include "jit/jit.h"
#include "jit/lockstep.h"

enum { FUZZ_COUNTING, FUZZ_PLAIN, FUZZ_TRANSLATORS }; // as lockstep has them

struct fuzz_engine {
    // The caller's.
    struct host_exec memory[FUZZ_TRANSLATORS]; // JIT_BYTES each
    struct jit_source source;
    void *owner;
    const uint8_t *image;
    const struct store *store[FUZZ_TRANSLATORS]; // NULL: none
    bool longer;                                 // of the one that does not count; jit_options
    // While it is open.
    struct lockstep *lockstep;
    void *space;
    struct jit *jit[FUZZ_TRANSLATORS];
    struct jit_space *spaces[FUZZ_TRANSLATORS];
};

bool fuzz_engine_open(struct fuzz_engine *, struct mem *, struct code *, const char **why);
void fuzz_engine_close(struct fuzz_engine *);
