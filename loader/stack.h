// The initial stack of a new program, as the x86-64 psABI (3.4.1) and create_elf_tables of Linux lay it out.
#pragma once
#include "abi/linux.h"
#include <stddef.h>

struct auxv {
    uint64_t type, value;
};

struct stack_plan {
    char *const *argv, *const *envp; // NULL-terminated, kernel copies
    const char *execfn;              // AT_EXECFN's string
    const char *platform;            // "x86_64"
    uint8_t random[16];              // AT_RANDOM's bytes
    struct auxv aux[32];             // without AT_EXECFN, AT_PLATFORM, AT_RANDOM and AT_NULL, which are added
    unsigned naux;
};

struct stack_image {
    uint8_t *bytes; // malloc'ed; to be copied to [sp, top)
    size_t size;
    uint64_t sp;                                       // 16-byte aligned
    uint64_t argv_start, argv_end, env_start, env_end; // of the strings, for /proc/PID/cmdline
};

// Build the bytes that end at guest address top (page-aligned). limit: the most the strings may take (E2BIG). The
// caller frees image->bytes. 0, -LX_E2BIG or -LX_ENOMEM.
int stack_build(struct stack_image *, const struct stack_plan *, uint64_t top, size_t limit);
