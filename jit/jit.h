// The translator: the second tier (cpu/tier.h) of a box. See README.md for how it works.
//
//     struct host_exec memory;                        // before any jail closes
//     host_exec_new(&memory, JIT_BYTES, 0);
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
struct store;
struct code;
struct mem;

// What an address space's pages show, as its owner knows it: asked before code there is run for the first time.
struct jit_mapping { // pages [first, end) show the file from its page `offset` on
    uint32_t first, end;
    bool shareable; // privately, executable and not writable
    uint64_t device, inode, offset;
    bool of_image; // what the file shows is what it has in the image: nothing of it was changed in the box
};
struct jit_source {
    bool (*mapping)(void *owner, uint32_t page, struct jit_mapping *); // false: nothing there
    uint32_t (*show)(void *owner, uint32_t page); // makes an absent page of a file present: its frame; 0: not now
};

struct jit_options {
    struct jit_source source; // all NULL: spaces share nothing
    enum cpu_level level;
    bool fuel;     // count instructions exactly (cpu->budget), as the interpreter does
    bool eager;    // translate whatever runs, at once: for tests
    bool longer;   // make every trace as those that ticks have found: for tests
    bool host_tsc; // RDTSC is the host's own (cpu.tsc_host, too)
    bool timed;    // keep stats.translate_ns
    // Translations from the code cache, NULL: none. Its code is mapped in the memory's window (jit/store.h); `image`
    // names the image that mappings are of (struct store_memo). Borrowed.
    const struct store *store;
    const uint8_t *image;
    // Called with each block before it may run, when set; false: it is not used, and its code is interpreted (check.h).
    bool (*verify)(void *ctx, const struct jit *, uint32_t block);
    void *verify_ctx;
    // Called, when set, when emitted code has left in a way in which it never does: the guest cannot go on.
    void (*lost)(void *ctx);
    void *ctx;
};

struct jit *jit_new(const struct host_exec *, const struct jit_options *,
                    const char **why); // NULL: *why says what lacks
void jit_switch_off(struct jit *);     // from now on its spaces are interpreted
void jit_free(struct jit *);           // when its spaces are gone

// Takes part in running `code` from now on. NULL: the host has no room for the table of targets (no overcommit).
struct jit_space *jit_space_new(struct jit *, struct mem *, struct code *);
void jit_space_free(struct jit_space *); // before its mem and code
// From now on it shares translations with other spaces (jit/view.h). Then what its file mappings with code show, or
// would show when touched, must not change without jit_space_changed, in pages.
void jit_space_share(struct jit_space *, void *owner);
void jit_space_changed(struct jit_space *, uint32_t first, uint32_t end);
// Its memory has a first name (mem.probe): what was translated of code that is not shared goes. Has this host's CPU what
// probing takes?
bool jit_can_probe(void);
void jit_space_named(struct jit_space *);

// What code of files has run, as jit/profile.h says, to `put` in pieces, until that returns false. False: that, or no
// memory.
typedef bool jit_put(void *ctx, const void *, size_t n);
bool jit_profile(const struct jit *, jit_put *, void *ctx);

struct jit_stats {
    uint64_t blocks, insns, bytes; // translated so far
    uint64_t flushes;
    uint64_t translate_ns;
    uint64_t exits;  // why emitted code was left: in all, and of them
    uint64_t mended; // faults after which it just went on
    uint64_t missed, faulted, ticks, branches, interpreted, syscalls, operations, x87, fuel;
    uint64_t shards, found; // taken of the code cache, and how often a block of one was entered from outside of it
    uint64_t changes, killed, revived; // pages whose code changed or went, blocks of them, and that came back unchanged
};
void jit_stats(const struct jit *, struct jit_stats *);
// The row that the interpreter was handed most often, but for the `skip` rows before it; NULL: no more.
const char *jit_most_handed(const struct jit *, unsigned skip, uint64_t *times);
