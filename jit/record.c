// See record.h.
#include "jit/record.h"
#include "host/fault.h"
#include "jit/cache.h"
#include <stdlib.h>

bool record_parse(const void *at, size_t n, struct record *r)
{
    *r = (struct record){.head = at, .bytes = sizeof *r->head};
    if (n < sizeof *r->head) return false;
    for (unsigned i = 0; i < STORE_SECTIONS; i++) {
        uint64_t bytes = r->head->shard.section[i].bytes, room = n - r->bytes;
        if (bytes > room || ((bytes + 7) & ~7ull) > room) return false;
        r->section[i] = (const uint8_t *)at + r->bytes;
        r->bytes += (bytes + 7) & ~7ull;
    }
    return true;
}

struct parts {
    const struct store_shard *row;
    const struct block *blocks;
    const struct exit *exits;
    const struct map_entry *map;
    const struct named *index;
    const struct store_target *targets;
    uint32_t nblocks, nexits, nmap, nindex, ntargets, code;
    struct jit *jit; // of which only what the judge looks at is there
};

static bool is_count(uint64_t bytes, size_t size)
{
    return bytes % size == 0 && bytes / size < 1u << SHARD_SHIFT;
}

static bool counts_ok(const struct record *r, struct parts *p)
{
    const struct store_range *s = r->head->shard.section;
    *p = (struct parts){.row = &r->head->shard,
                        .blocks = r->section[STORE_BLOCKS],
                        .exits = r->section[STORE_EXITS],
                        .map = r->section[STORE_MAP],
                        .index = r->section[STORE_INDEX],
                        .targets = r->section[STORE_TABLE]};
    if (s[STORE_CODE].bytes > STORE_MAX_CODE || s[STORE_MAP].bytes / sizeof *p->map > MAX_MAP) return false;
    p->code = (uint32_t)s[STORE_CODE].bytes;
    p->nblocks = (uint32_t)(s[STORE_BLOCKS].bytes / sizeof *p->blocks);
    p->nexits = (uint32_t)(s[STORE_EXITS].bytes / sizeof *p->exits);
    p->nmap = (uint32_t)(s[STORE_MAP].bytes / sizeof *p->map);
    p->nindex = (uint32_t)(s[STORE_INDEX].bytes / sizeof *p->index);
    p->ntargets = (uint32_t)(s[STORE_TABLE].bytes / sizeof *p->targets);
    return is_count(s[STORE_BLOCKS].bytes, sizeof *p->blocks) && is_count(s[STORE_EXITS].bytes, sizeof *p->exits) &&
           is_count(s[STORE_TABLE].bytes, sizeof *p->targets) && s[STORE_MAP].bytes % sizeof *p->map == 0 &&
           s[STORE_INDEX].bytes == (uint64_t)p->nindex * sizeof *p->index && p->nindex >= 8 &&
           !(p->nindex & (p->nindex - 1)) && p->nblocks > 1;
}

static bool lies_in(uint32_t at, uint32_t n, uint32_t bytes)
{
    return at <= bytes && n <= bytes - at;
}

static bool is_inside(const struct parts *p, uint32_t pc)
{
    return (pc >> PAGE_SHIFT) - p->row->first < p->row->npages;
}

// Another value than these two in a bool means anything (C11 6.2.6.1).
static bool is_bool(const bool *b)
{
    return *(const uint8_t *)b <= 1;
}

// Of another head of a block, which comes right behind it. Map and exits are the block's.
static bool head_ok(const struct parts *p, uint32_t i)
{
    const struct block *b = &p->blocks[i], *of = &p->blocks[b->of];
    if (b->insns || b->nexits || b->map || b->first_exit || b->stubs || b->stubs_size) return false;
    return b->of < i && !of->of && b->host > of->host && b->host - of->host < of->size &&
           b->size == of->size - (b->host - of->host) && (b->of == i - 1 || p->blocks[i - 1].of == b->of);
}

static bool map_ok(const struct parts *p, const struct block *b)
{
    if (!b->insns || !lies_in(b->map, b->insns, p->nmap)) return false;
    const struct map_entry *m = &p->map[b->map];
    for (unsigned i = 0; i < b->insns; i++)
        if (m[i].host >= b->size || (i && m[i].host < m[i - 1].host)) return false;
    return true;
}

static bool exits_ok(const struct parts *p, uint32_t block)
{
    const struct block *b = &p->blocks[block];
    if (!lies_in(b->first_exit, b->nexits, p->nexits)) return false;
    for (unsigned i = 0; i < b->nexits; i++) {
        const struct exit *x = &p->exits[b->first_exit + i];
        if (x->block != block || x->kind > EXIT_FUEL || x->insn > b->insns || x->to >= p->nblocks) return false;
        if (x->kind == EXIT_OP && !x->insn) return false; // a hot block asks for the x87 state before all of them
        if ((x->kind == EXIT_OP || x->kind == EXIT_X87) && x->resume - b->host >= b->size) return false;
        if (x->kind == EXIT_BRANCH && x->stub - b->stubs >= b->stubs_size) return false;
    }
    return true;
}

// Blocks lie one behind the other, so that each place belongs to one.
static bool block_ok(const struct parts *p, uint32_t i)
{
    const struct block *b = &p->blocks[i], *last = &p->blocks[i - 1];
    if (!is_bool(&b->dead) || !is_bool(&b->hot) || !is_bool(&b->x87)) return false;
    if (b->dead || (b->r11 != R11_REG && b->r11 != R11_SLOT) || !is_inside(p, b->pc)) return false;
    if (i > 1 && b->host <= last->host) return false;
    if (b->of >= p->nblocks) return false;
    if (b->of) return head_ok(p, i);
    if (i > 1 && b->host < last->host + last->size) return false;
    return b->size && lies_in(b->host, b->size, p->code) && lies_in(b->stubs, b->stubs_size, p->code) && map_ok(p, b) &&
           exits_ok(p, i);
}

// Exits that no block has are not looked at by the judge: nothing may come of their numbers.
static bool exits_are_owned(const struct parts *p)
{
    for (uint32_t i = 1; i < p->nexits; i++) {
        uint32_t b = p->exits[i].block;
        if (!b || b >= p->nblocks || i - p->blocks[b].first_exit >= p->blocks[b].nexits) return false;
    }
    return true;
}

static bool names(const struct parts *p, uint32_t block, uint32_t pc, unsigned r11)
{
    return !block || (block < p->nblocks && p->blocks[block].pc == pc && p->blocks[block].r11 == r11);
}

static bool index_ok(const struct parts *p)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < p->nindex; i++) {
        const struct named *n = &p->index[i];
        used += n->view != 0;
        if (!names(p, n->reg, n->pc, R11_REG) || !names(p, n->slot, n->pc, R11_SLOT)) return false;
    }
    return used < p->nindex; // a search ends at a free place
}

static bool targets_ok(const struct parts *p)
{
    for (uint32_t i = 0; i < p->ntargets; i++) {
        uint32_t block = cache_head_at(p->jit, p->targets[i].code);
        if (!block || !names(p, block, p->targets[i].pc, R11_SLOT)) return false;
    }
    return true;
}

static bool code_ok(const struct parts *p, struct jit_check *check)
{
    for (uint32_t i = 1; i < p->nblocks; i++)
        if (!p->blocks[i].of && !jit_check_block(check, p->jit, i)) return false;
    return true;
}

static bool parts_ok(const struct record *r, struct parts *p, struct jit_check *check, const char **why)
{
    *why = "its blocks";
    for (uint32_t i = 1; i < p->nblocks; i++)
        if (!block_ok(p, i)) return false;
    *why = "its exits";
    if (!exits_are_owned(p)) return false;
    *why = "its index";
    if (!index_ok(p)) return false;
    // The judge reads through these and writes nothing.
    *p->jit = (struct jit){.memory = {.rx = r->section[STORE_CODE], .bytes = p->code},
                           .blocks = (struct block *)(uintptr_t)p->blocks,
                           .exits = (struct exit *)(uintptr_t)p->exits,
                           .map = (struct map_entry *)(uintptr_t)p->map,
                           .nblocks = p->nblocks,
                           .nexits = p->nexits,
                           .nmap = p->nmap,
                           .leave = UINT32_MAX};
    (void)host_thread_words(&p->jit->slots);
    *why = "its targets";
    if (!targets_ok(p)) return false;
    *why = "its code";
    return code_ok(p, check);
}

bool record_check(const struct record *r, struct jit_check *check, const char **why)
{
    struct parts p;
    const struct store_shard *s = &r->head->shard;
    *why = "its size";
    if (!s->npages || s->first >= MEM_PAGES || s->npages > MEM_PAGES - s->first || !counts_ok(r, &p)) return false;
    p.jit = malloc(sizeof *p.jit);
    bool good = p.jit && parts_ok(r, &p, check, why);
    free(p.jit);
    return good;
}
