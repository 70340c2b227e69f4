// A file of the code cache (jit/store.h) with the shards of one case, as its writer would leave it, but without a
// directory and a name.
#pragma once
#include "jit/build.h"
#include "jit/store.h"

struct fuzz_file {
    struct store store; // head NULL: none
    void *window;
};

enum { FUZZ_SHARDS = 3 };
struct fuzz_new { // what is to be in it
    struct store_shard id[FUZZ_SHARDS];
    struct built built[FUZZ_SHARDS];
    unsigned n;
    struct store_memo memo;
};

// Written, opened and mapped behind the code memory at `window`, which is top << 32. NULL, or what went wrong.
const char *fuzz_file_open(struct fuzz_file *, const struct fuzz_new *, void *window, uint32_t top);
void fuzz_file_close(struct fuzz_file *); // when nobody runs its code any more
