// What a box has run of the code of files: what the code cache is made from (jit/build.h). It is a list of addresses
// and no more, so whoever makes translations of it need not trust whoever wrote it.
//
// As bytes (jit_profile): for each mapping a struct profile_mapping, followed by its codes. Numbers are the host's.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    PROFILE_COMPUTED = 1, // a computed branch led there
    PROFILE_R11 = 2,      // it was translated for the guest's r11 in the register, too
    PROFILE_HOT = 4,      // it was made part of a hot trace
    PROFILE_ALL = 7,
    PROFILE_MAX_CODES = 1 << 20, // of a mapping: more are left out
};

struct profile_code { // in the order in which it first ran; the same address may come again with other flags
    uint32_t pc, flags;
};

struct profile_mapping {
    uint64_t inode, offset; // of the file in its image, the first page
    uint32_t first, npages;
    uint32_t slot; // of the shard it was run from, 0: none
    uint32_t ncodes;
};
