// What a box says has run of its image's files (jit/profile.h), as the command looks at it: anybody's bytes. No file is
// touched here.
#pragma once
#include "jit/profile.h"
#include <stdbool.h>

// The profile's next mapping and its codes. False: no more, or what comes is none, or cut off.
bool profile_next(const uint8_t **at, size_t *left, struct profile_mapping *, const struct profile_code **);

// The codes of one mapping: those that are known, then new ones in their order; each once, none outside of the mapping,
// PROFILE_MAX_CODES at most. `at` is to be freed. False: no memory.
struct profile_codes {
    struct profile_code *at;
    uint32_t n, fresh;
};
struct profile_list {
    const struct profile_code *at;
    uint32_t n;
};
bool profile_join(const struct profile_mapping *, struct profile_list known, struct profile_list more,
                  struct profile_codes *);

// Those of `more` that are not known, each once, in their order: what profile_join would add, without sorting what is
// known. `at` is to be freed. False: no memory.
bool profile_unknown(const struct profile_mapping *, struct profile_list known, struct profile_list more,
                     struct profile_codes *);

// Interpreting and translating a piece of code costs a few microseconds, and each run finds a little that is new. Is it
// so much that the mapping is to be translated again, of which `known` codes are?
bool profile_is_worth_it(struct profile_list fresh, uint32_t known);
