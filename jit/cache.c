// See cache.h.
#include "jit/cache.h"
#include "host/pages.h"
#include "host/region.h"
#include <string.h>

enum { TABLE_PAGE = 512, TABLE_PAGES = 1 << 23 };

// ---- life ----

static const struct pool {
    size_t place, bytes;
} pools[] = {
    {offsetof(struct jit, blocks), sizeof(struct block) * MAX_BLOCKS},
    {offsetof(struct jit, exits), sizeof(struct exit) * MAX_EXITS},
    {offsetof(struct jit, ops), sizeof(struct op) * MAX_OPS},
    {offsetof(struct jit, map), sizeof(struct map_entry) * MAX_MAP},
    {offsetof(struct jit, listed), sizeof(struct listed) * MAX_LISTED},
    {offsetof(struct jit, hash), sizeof(uint32_t) << HASH_BITS},
    {offsetof(struct jit, heat), (size_t)1 << HEAT_BITS},
    {offsetof(struct jit, row_can), INSN_COUNT},
};
enum { POOLS = sizeof pools / sizeof *pools };

static void **pool_at(struct jit *j, unsigned i)
{
    return (void **)(void *)((char *)j + pools[i].place);
}

static void empty(struct jit *j)
{
    j->nblocks = j->nexits = j->nops = j->nmap = j->nlisted = 1;
    j->used = j->settled = j->start;
}

bool cache_open(struct jit *j)
{
    for (unsigned i = 0; i < POOLS; i++)
        if (!(*pool_at(j, i) = pages_new(pools[i].bytes))) return false;
    empty(j);
    return true;
}

void cache_close(struct jit *j)
{
    for (unsigned i = 0; i < POOLS; i++) pages_free(*pool_at(j, i), pools[i].bytes);
}

bool cache_is_full(const struct jit *j)
{
    return j->used + BLOCK_BYTES > j->memory.bytes || j->nblocks + 1 > MAX_BLOCKS ||
           j->nexits + 2 * TRACE_INSNS > MAX_EXITS || j->nops + TRACE_INSNS > MAX_OPS ||
           j->nmap + TRACE_ENTRIES > MAX_MAP || j->nlisted + TRACE_PAGES > MAX_LISTED;
}

void space_forget_targets(struct jit_space *s)
{
    if (s->table) region_table_clear(mem_region(s->mem));
    pages_zero(s->table_filled, TABLE_PAGES / 8);
}

void space_forget(struct jit_space *s)
{
    space_forget_targets(s);
    pages_zero(s->page_head, sizeof(uint32_t) * MEM_PAGES);
    s->resume = 0;
}

void cache_flush(struct jit *j)
{
    for (unsigned i = 0; i < POOLS; i++)
        if (pools[i].place != offsetof(struct jit, row_can)) pages_zero(*pool_at(j, i), pools[i].bytes);
    for (struct jit_space *s = j->spaces; s; s = s->next) space_forget(s);
    host_exec_settle(&j->memory, j->start, j->used);
    empty(j);
    j->stats.flushes++;
}

// ---- finding ----

static uint32_t *slot_of(const struct jit *j, uint32_t view, uint32_t pc)
{
    return &j->hash[((pc ^ view * 0x85ebca6bu) * 0x9e3779b1u) >> (32 - HASH_BITS)];
}

uint32_t cache_find(const struct jit *j, uint32_t view, uint32_t pc, unsigned r11)
{
    for (uint32_t i = *slot_of(j, view, pc); i; i = j->blocks[i].next) {
        const struct block *b = &j->blocks[i];
        if (b->pc == pc && b->view == view && b->r11 & r11) return i;
    }
    return 0;
}

uint32_t cache_block_at(const struct jit *j, uint32_t host)
{
    uint32_t lo = 1, hi = j->nblocks;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (j->blocks[mid].host <= host)
            lo = mid;
        else
            hi = mid;
    }
    if (lo >= j->nblocks || host < j->blocks[lo].host || host >= j->blocks[lo].host + j->blocks[lo].size) return 0;
    return lo;
}

void cache_add(struct jit *j, struct jit_space *s, uint32_t block, const uint32_t *pages, unsigned npages)
{
    struct block *b = &j->blocks[block];
    uint32_t *slot = slot_of(j, b->view, b->pc);
    b->next = *slot;
    *slot = block;
    for (unsigned i = 0; i < npages; i++) {
        mem_mark_code(s->mem, pages[i]);
        j->listed[j->nlisted] = (struct listed){block, s->page_head[pages[i]]};
        s->page_head[pages[i]] = j->nlisted++;
    }
}

// ---- from block to block ----

static void patch(const struct jit *j, uint32_t site, uint32_t to)
{
    uint32_t rel = to - (site + 4);
    memcpy(j->memory.rw + site, &rel, sizeof rel);
}

void cache_chain(struct jit *j, uint32_t exit, uint32_t block)
{
    struct exit *x = &j->exits[exit];
    struct block *b = &j->blocks[block];
    patch(j, x->site, b->host);
    x->to = block;
    x->next = b->incoming;
    b->incoming = exit;
}

static void unchain(struct jit *j, uint32_t exit)
{
    struct exit *x = &j->exits[exit];
    if (!x->to) return;
    uint32_t *at = &j->blocks[x->to].incoming;
    while (*at && *at != exit) at = &j->exits[*at].next;
    if (*at) *at = x->next;
    patch(j, x->site, x->stub);
    x->to = x->next = 0;
}

void cache_fill(struct jit_space *s, uint32_t pc)
{
    uint32_t page = pc / TABLE_PAGE;
    if (s->table_filled[page / 64] >> (page % 64) & 1) return;
    s->table_filled[page / 64] |= 1ull << (page % 64);
    uint64_t missed = (uint64_t)(uintptr_t)(s->jit->memory.rx + s->jit->missed), *at = s->table + page * TABLE_PAGE;
    for (unsigned i = 0; i < TABLE_PAGE; i++) at[i] = missed;
}

void cache_aim(struct jit_space *s, uint32_t pc, uint32_t block)
{
    cache_fill(s, pc);
    const struct jit *j = s->jit;
    s->table[pc] = (uint64_t)(uintptr_t)(j->memory.rx + (block ? j->blocks[block].host : j->missed));
}

// ---- code that changes ----

void cache_kill(struct jit_space *s, uint32_t block)
{
    struct jit *j = s->jit;
    struct block *b = &j->blocks[block];
    if (b->dead) return;
    b->dead = true;
    uint32_t *at = slot_of(j, b->view, b->pc);
    while (*at && *at != block) at = &j->blocks[*at].next;
    if (*at) *at = b->next;
    while (b->incoming) unchain(j, b->incoming);
    for (uint32_t i = 0; i < b->nexits; i++) unchain(j, b->first_exit + i);
    uint32_t page = b->pc / TABLE_PAGE;
    if (s->table_filled[page / 64] >> (page % 64) & 1) cache_aim(s, b->pc, 0);
}

void cache_page_changed(struct jit_space *s, uint32_t page)
{
    uint32_t at = s->page_head[page];
    s->page_head[page] = 0;
    for (; at; at = s->jit->listed[at].next) cache_kill(s, s->jit->listed[at].block);
}
