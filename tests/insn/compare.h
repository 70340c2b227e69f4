// Judges one case: what the interpreter made of it against what the host made of it. Says what may differ, and why.
#pragma once
#include "test_case.h"

// What differs; a set.
enum {
    DIFF_LOST = 1,
    DIFF_FAULT = 2,
    DIFF_RIP = 4,
    DIFF_GPR = 8,
    DIFF_FLAGS = 16,
    DIFF_XMM = 32,
    DIFF_MXCSR = 64,
    DIFF_X87 = 128,
    DIFF_MEMORY = 256,
    DIFF_KINDS = 9
};
extern const char *const diff_names[DIFF_KINDS];

// The data pages of both sides after the case, and before it.
struct memories {
    const uint8_t *host[DATA_PAGES];
    uint8_t *guest[DATA_PAGES];
};

// Bytes that the judge lets differ are set to the host's in the guest's memory.
unsigned compare(const struct test_case *, const struct outcome *host, const struct outcome *guest,
                 const struct memories *);
uint64_t undefined_flags(const struct test_case *); // after it, when it completes
bool result_undefined(const struct test_case *);
