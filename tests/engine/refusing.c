// The command, but its verifier refuses one block: whatever comes out must say so, in one line. Linked like belljar,
// with ld's --wrap.
#include "jit/check.h"
#include <stdio.h>

enum { REFUSED = 20 };

bool __real_jit_check_block(void *, const struct jit *, uint32_t);
bool __wrap_jit_check_block(void *, const struct jit *, uint32_t);

bool __wrap_jit_check_block(void *ctx, const struct jit *jit, uint32_t block)
{
    struct jit_check *c = ctx;
    if (!__real_jit_check_block(ctx, jit, block)) return false;
    if (c->blocks != REFUSED) return true;
    snprintf(c->refused, sizeof c->refused, "block %d, for the test's sake", REFUSED);
    return false;
}
