// Translating ahead: the code of a mapping that is known to run (jit/profile.h), into the sections of a shard
// (jit/store.h). Nothing of it runs here.
//
// What is different from translating while it runs (translate.c): what will be entered is known before, so a trace that
// comes along there gets another head instead of being followed by a second translation; branches within the mapping
// are chained at once, all others go through the table; code lies in the order in which it first ran. This is done
// twice: the first time finds out what is entered, and how large it all is.
#pragma once
#include "cpu/cpu.h"
#include "jit/profile.h"
#include "jit/store.h"

struct map_entry;
struct mem;
struct jit;
struct build; // under way

struct build_task {
    struct mem *mem; // shows the pages of the mapping, to be executed
    uint32_t first, npages;
    uint32_t slot; // the shard's
    const struct profile_code *codes;
    uint32_t ncodes;
    enum cpu_level level;
    bool fuel;
};

struct built {
    void *section[STORE_SECTIONS]; // STORE_TABLE: struct store_target; the rest as jit/shard.h says
    size_t bytes[STORE_SECTIONS];
};

bool jit_build(const struct build_task *, struct built *); // false: no memory, or nothing to translate
void jit_built_free(struct built *);

// For translate.c.
bool build_ran(const struct build *, uint32_t pc);
bool build_wanted(const struct build *, uint32_t pc);
void build_want(struct build *, uint32_t pc); // it will be entered
void build_run(struct build *, uint32_t pc);  // it runs, though nobody has asked for it: in the middle of other code
void build_keep(struct build *, const struct map_entry *, unsigned n, const uint32_t *returns, unsigned nreturns);
