// The translator: the second tier (cpu/tier.h) of a box. See README.md for how it works.
//
//     struct host_exec memory;                        // before any jail closes
//     host_exec_new(&memory, JIT_BYTES);
//     struct jit *jit = jit_new(&memory, &options, &why);
//     struct jit_space *s = jit_space_new(jit, mem, code); // for each address space
//     ... cpu_run(&cpu) ...
//     jit_space_free(s); jit_free(jit);
//
// Ownership: the memory is the caller's, and serves one jit at a time. Threads: a jit and its spaces belong to one host
// thread at a time; while it runs, that thread has a signal stack (host/fault.h) and all its handlers use it.
#pragma once
#include "cpu/cpu.h"
#include "host/exec.h"

#define JIT_BYTES (64u << 20)

struct jit;
struct jit_space;
struct code;
struct mem;

struct jit_options {
    enum cpu_level level;
    bool fuel;     // count instructions exactly (cpu->budget), as the interpreter does
    bool eager;    // translate whatever runs, at once: for tests
    unsigned heat; // how often code is interpreted before it is translated; 0: the default
    // Called with each block before it may run, when set; false: it is not used, and its code is interpreted (check.h).
    bool (*verify)(void *ctx, const struct jit *, uint32_t block);
    void *verify_ctx;
};

struct jit *jit_new(const struct host_exec *, const struct jit_options *,
                    const char **why); // NULL: *why says what lacks
void jit_free(struct jit *);           // when its spaces are gone

// Takes part in running `code` from now on. NULL: the host has no room for the table of targets (no overcommit).
struct jit_space *jit_space_new(struct jit *, struct mem *, struct code *);
void jit_space_free(struct jit_space *); // before its mem and code

struct jit_stats {
    uint64_t blocks, insns, bytes; // translated so far
    uint64_t exits, flushes;
    uint64_t translate_ns;
};
void jit_stats(const struct jit *, struct jit_stats *);
