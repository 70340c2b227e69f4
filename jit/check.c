// See check.h.
#include "jit/check.h"
#include "jit/cache.h"
#include <stdio.h>

bool jit_check_open(struct jit_check *c, char *why, size_t n)
{
    *c = (struct jit_check){.verifier = verify_open(why, n)};
    return c->verifier != NULL;
}

void jit_check_close(struct jit_check *c)
{
    verify_close(c->verifier);
    c->verifier = NULL;
}

struct place {
    const struct jit *jit;
    const struct block *block;
};

// Chains lead to heads of blocks of the same view.
static bool is_head(void *ctx, uint64_t addr)
{
    const struct place *p = ctx;
    uint64_t host = addr - (uint64_t)(uintptr_t)p->jit->memory.rx;
    uint32_t found = host < p->jit->memory.bytes ? cache_block_at(p->jit, (uint32_t)host) : 0;
    const struct block *b = &p->jit->blocks[found];
    return found && b->host == host && b->view == p->block->view && !b->dead;
}

static bool comes_back(const struct exit *x)
{
    return x->kind == EXIT_OP || x->kind == EXIT_X87;
}

// Where a block is entered: at its head, and behind what the interpreter does for it. Its exits are in the order of the
// code.
static unsigned find_entries(const struct jit *j, const struct block *b, uint32_t *entries, unsigned room)
{
    unsigned n = 0;
    entries[n++] = 0;
    for (unsigned i = 0; i < b->nexits && n < room; i++) {
        const struct exit *x = &j->exits[b->first_exit + i];
        if (comes_back(x) && x->resume - b->host != entries[n - 1]) entries[n++] = x->resume - b->host;
    }
    return n;
}

bool jit_check_block(void *ctx, const struct jit *j, uint32_t block)
{
    struct jit_check *c = ctx;
    const struct block *b = &j->blocks[block];
    uint32_t entries[2 * TRACE_INSNS + 1];
    struct place place = {j, b};
    struct verify_block v = {.code = j->memory.rx + b->host,
                             .size = b->size,
                             .at = (uint64_t)(uintptr_t)(j->memory.rx + b->host),
                             .entries = entries,
                             .nentries = find_entries(j, b, entries, 2 * TRACE_INSNS + 1),
                             .slots = j->slots,
                             .target = is_head,
                             .ctx = &place};
    char why[VERIFY_WHY];
    c->blocks++;
    if (verify_block(c->verifier, &v, why, sizeof why)) return true;
    if (!c->refused[0]) snprintf(c->refused, sizeof c->refused, "the block of guest code at %#x: %s", b->pc, why);
    return false;
}
