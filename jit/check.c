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

enum { MAX_STUBS = 2 * TRACE_INSNS + 8 };

struct place {
    const struct jit *jit;
    const struct block *block;
    uint32_t stub[MAX_STUBS]; // where the block's code enters its stubs: offsets in them, ascending
    unsigned nstubs;
};

static bool note_stub(struct place *p, uint32_t at)
{
    unsigned i = p->nstubs;
    for (unsigned k = 0; k < p->nstubs; k++)
        if (p->stub[k] == at) return true;
    if (p->nstubs == MAX_STUBS) return false;
    for (; i > 0 && p->stub[i - 1] > at; i--) p->stub[i] = p->stub[i - 1];
    p->stub[i] = at;
    p->nstubs++;
    return true;
}

// Chains lead to heads of blocks of the same view, jumps that are not chained to stubs of the block's own, and those to
// the piece that leaves.
static bool is_target(void *ctx, uint64_t addr)
{
    struct place *p = ctx;
    uint64_t host = addr - (uint64_t)(uintptr_t)p->jit->memory.rx;
    if (host >= p->jit->memory.bytes) return false;
    if (host == p->jit->leave) return true;
    if (host - p->block->stubs < p->block->stubs_size) return note_stub(p, (uint32_t)host - p->block->stubs);
    uint32_t found = cache_head_at(p->jit, (uint32_t)host);
    const struct block *b = &p->jit->blocks[found];
    return found && b->view == p->block->view && !b->dead;
}

static bool comes_back(const struct exit *x)
{
    return x->kind == EXIT_OP || x->kind == EXIT_X87;
}

enum { MAX_ENTRIES = 2 * TRACE_ENTRIES + TRACE_HEADS }; // more than any block has
struct entries {
    uint32_t at[MAX_ENTRIES]; // ascending
    unsigned n;
};

static void note_entry(struct entries *e, uint32_t at)
{
    unsigned i = e->n;
    while (i > 0 && e->at[i - 1] > at) i--;
    if ((i > 0 && e->at[i - 1] == at) || e->n == MAX_ENTRIES) return;
    for (unsigned k = e->n++; k > i; k--) e->at[k] = e->at[k - 1];
    e->at[i] = at;
}

// Where a block is entered: at its heads, and behind what the interpreter does for it.
static void find_entries(const struct jit *j, uint32_t block, struct entries *e)
{
    const struct block *b = &j->blocks[block];
    e->n = 0;
    note_entry(e, 0);
    for (unsigned i = 0; i < b->nexits; i++) {
        const struct exit *x = &j->exits[b->first_exit + i];
        if (comes_back(x)) note_entry(e, x->resume - b->host);
    }
    for (uint32_t i = block + 1; i < j->nblocks && j->blocks[i].of == block; i++)
        note_entry(e, j->blocks[i].host - b->host);
}

static bool check_code(struct jit_check *c, struct place *p, const struct verify_block *part)
{
    struct verify_block v = *part;
    char why[VERIFY_WHY];
    v.at = (uint64_t)(uintptr_t)v.code;
    v.slots = p->jit->slots;
    v.target = is_target;
    v.ctx = p;
    if (verify_block(c->verifier, &v, why, sizeof why)) return true;
    if (!c->refused[0])
        snprintf(c->refused, sizeof c->refused, "the block of guest code at %#x: %s", p->block->pc, why);
    return false;
}

// The block, then its stubs: those that the block has shown to enter. A chained exit's stub is entered when the chain
// is undone.
bool jit_check_block(void *ctx, const struct jit *j, uint32_t block)
{
    struct jit_check *c = ctx;
    const struct block *b = &j->blocks[block];
    struct entries entries;
    struct place place = {.jit = j, .block = b};
    struct verify_block code = {.code = j->memory.rx + b->host, .size = b->size, .entries = entries.at};
    find_entries(j, block, &entries);
    code.nentries = entries.n;
    c->blocks++;
    if (!check_code(c, &place, &code)) return false;
    for (unsigned i = 0; i < b->nexits; i++) {
        const struct exit *x = &j->exits[b->first_exit + i];
        if (x->kind == EXIT_BRANCH) (void)note_stub(&place, x->stub - b->stubs);
    }
    struct verify_block stubs = {
        .code = j->memory.rx + b->stubs, .size = b->stubs_size, .entries = place.stub, .nentries = place.nstubs};
    return !b->stubs_size || check_code(c, &place, &stubs);
}
