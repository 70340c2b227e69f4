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

// Where code can be left in between (jit/run.c) a string instruction's pointers must not be host addresses: the map has
// one entry for the sequence, which says which pointers they are, and where the instruction is.
static bool is_mapped(void *ctx, uint32_t first, uint32_t at, uint32_t end, unsigned pointers)
{
    const struct place *p = ctx;
    const struct block *b = p->block;
    const struct map_entry *m = p->jit->map + b->map, *found = NULL;
    for (unsigned i = 0; i < b->insns; i++) {
        if (m[i].host <= first) found = &m[i];
        if (m[i].host > first && m[i].host < end) return false;
    }
    unsigned flags = (pointers & 1 ? MAP_RDI : 0u) | (pointers & 2 ? MAP_RSI : 0u);
    unsigned bytes = ((pointers & 1) + (pointers >> 1)) * MAP_POINTER_BYTES;
    return found && found->host == first && (found->flags & (MAP_RDI | MAP_RSI)) == flags && at == first + bytes;
}

static bool is_not_wanted(void *ctx, uint32_t first, uint32_t at, uint32_t end, unsigned pointers)
{
    (void)ctx, (void)first, (void)at, (void)end, (void)pointers;
    return false;
}

enum { MAX_ENTRIES = 2 * TRACE_ENTRIES + TRACE_HEADS }; // more than any block has
struct entries {
    uint32_t at[MAX_ENTRIES]; // ascending
    unsigned n;
};

static bool note_entry(struct entries *e, uint32_t at)
{
    unsigned i = e->n;
    while (i > 0 && e->at[i - 1] > at) i--;
    if (i > 0 && e->at[i - 1] == at) return true;
    if (e->n == MAX_ENTRIES) return false;
    for (unsigned k = e->n++; k > i; k--) e->at[k] = e->at[k - 1];
    e->at[i] = at;
    return true;
}

// Where a block is entered: at its heads, and behind what the interpreter does for it. False: too many.
static bool find_entries(const struct jit *j, uint32_t block, struct entries *e)
{
    const struct block *b = &j->blocks[block];
    e->n = 0;
    bool good = note_entry(e, 0);
    for (unsigned i = 0; i < b->nexits; i++) {
        const struct exit *x = &j->exits[b->first_exit + i];
        if (comes_back(x)) good &= note_entry(e, x->resume - b->host);
    }
    for (uint32_t i = block + 1; i < j->nblocks && j->blocks[i].of == block; i++)
        good &= note_entry(e, j->blocks[i].host - b->host);
    return good;
}

static bool refuse(struct jit_check *c, const struct block *b, const char *why)
{
    if (!c->refused[0]) snprintf(c->refused, sizeof c->refused, "the block of guest code at %#x: %s", b->pc, why);
    return false;
}

static bool check_code(struct jit_check *c, struct place *p, const struct verify_block *part)
{
    struct verify_block v = *part;
    char why[VERIFY_WHY];
    v.at = (uint64_t)(uintptr_t)v.code;
    v.slots = p->jit->slots;
    v.target = is_target;
    v.ctx = p;
    return verify_block(c->verifier, &v, why, sizeof why) || refuse(c, p->block, why);
}

// The block, then its stubs: those that the block has shown to enter. A chained exit's stub is entered when the chain
// is undone.
bool jit_check_block(void *ctx, const struct jit *j, uint32_t block)
{
    struct jit_check *c = ctx;
    const struct block *b = &j->blocks[block];
    struct entries entries;
    struct place place = {.jit = j, .block = b};
    struct verify_block code = {
        .code = j->memory.rx + b->host, .size = b->size, .entries = entries.at, .string = is_mapped};
    c->blocks++;
    if (!find_entries(j, block, &entries)) return refuse(c, b, "it has too many entries");
    code.nentries = entries.n;
    if (!check_code(c, &place, &code)) return false;
    for (unsigned i = 0; i < b->nexits; i++) {
        const struct exit *x = &j->exits[b->first_exit + i];
        if (x->kind == EXIT_BRANCH && !note_stub(&place, x->stub - b->stubs)) return refuse(c, b, "too many stubs");
    }
    struct verify_block stubs = {.code = j->memory.rx + b->stubs,
                                 .size = b->stubs_size,
                                 .entries = place.stub,
                                 .nentries = place.nstubs,
                                 .string = is_not_wanted};
    return !b->stubs_size || check_code(c, &place, &stubs);
}
