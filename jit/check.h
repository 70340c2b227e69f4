// Each block before the verifier (verify.h): what joins the judge, who knows nothing of us, to struct jit.
//
//     struct jit_check check;
//     if (!jit_check_open(&check, why, sizeof why)) ...;   // no libZydis
//     options.verify = jit_check_block, options.verify_ctx = &check;
//     ... run; when a block was refused, check.refused says which, and by which rule ...
//     jit_check_close(&check);
#pragma once
#include "jit/jit.h"
#include "jit/verify.h"

struct jit_check {
    struct verifier *verifier;
    uint64_t blocks;               // judged so far
    char refused[VERIFY_WHY + 40]; // empty: none; else the first one
};

bool jit_check_open(struct jit_check *, char *why, size_t n);
void jit_check_close(struct jit_check *);
bool jit_check_block(void *check, const struct jit *, uint32_t block); // jit_options.verify
