// See cache.h.
#include "jit/cache.h"
#include "host/pages.h"
#include "host/region.h"
#include "jit/view.h"
#include <string.h>

enum { TABLE_PAGE = 1024, FILLED_BYTES = (1 << 22) / 8, HEADS_BYTES = sizeof(uint32_t) * MEM_PAGES };

// ---- life ----

static const struct pool {
    size_t place, bytes;
    bool kept; // by a flush: it says nothing of blocks
} pools[] = {
    {offsetof(struct jit, blocks), sizeof(struct block) * MAX_BLOCKS, false},
    {offsetof(struct jit, exits), sizeof(struct exit) * MAX_EXITS, false},
    {offsetof(struct jit, ops), sizeof(struct op) * MAX_OPS, false},
    {offsetof(struct jit, map), sizeof(struct map_entry) * MAX_MAP, false},
    {offsetof(struct jit, listed), sizeof(struct listed) * MAX_LISTED, false},
    {offsetof(struct jit, dead), sizeof(uint32_t) << DEAD_BITS, false},
    {offsetof(struct jit, heat), (size_t)1 << HEAT_BITS, false},
    {offsetof(struct jit, ran), sizeof(struct ran) * MAX_RAN, true},
    {offsetof(struct jit, row_way), INSN_COUNT, true},
    {offsetof(struct jit, row_done), INSN_COUNT * sizeof(uint32_t), true},
};
enum { POOLS = sizeof pools / sizeof *pools };

static void **pool_at(struct jit *j, unsigned i)
{
    return (void **)(void *)((char *)j + pools[i].place);
}

static void empty(struct jit *j)
{
    j->nblocks = j->nexits = j->nops = j->nmap = j->nlisted = 1;
    j->free_listed = 0;
    j->used = j->settled = j->start;
    j->stub_used = j->stub_settled = j->stub_start;
    j->ready_blocks = j->ready_exits = j->ready_map = 0;
    j->ready_code = j->start & ~(size_t)(PAGE_BYTES - 1);
}

static void ready(void *pool, size_t size, size_t used, size_t *there, size_t piece)
{
    if (used + piece / 8 <= *there || *there + piece > size) return;
    pages_ready((char *)pool + *there, piece);
    *there += piece;
}

// With a code cache there are only the few blocks that it lacks. What is spread by hashing comes at once: a fault a
// page costs five times as much.
void cache_ready(struct jit *j)
{
    enum { FEW = 64 };
    size_t piece = j->nblocks < FEW ? 8 << 10 : 32 << 10;
    if (j->nblocks >= FEW / 4 && !j->ready_spread) {
        j->ready_spread = true;
        pages_ready(j->heat, (size_t)1 << HEAT_BITS);
        pages_ready(j->names, sizeof *j->names << j->names_bits);
    }
    ready(j->blocks, sizeof *j->blocks * MAX_BLOCKS, j->nblocks * sizeof *j->blocks, &j->ready_blocks, piece);
    ready(j->exits, sizeof *j->exits * MAX_EXITS, j->nexits * sizeof *j->exits, &j->ready_exits, piece);
    ready(j->map, sizeof *j->map * MAX_MAP, j->nmap * sizeof *j->map, &j->ready_map, piece);
    ready(j->memory.rw, j->memory.bytes, j->used, &j->ready_code, piece);
}

void cache_begin_at(struct jit *j, uint32_t start, uint32_t stubs)
{
    j->start = start;
    j->stub_start = stubs;
    empty(j);
}

bool cache_open(struct jit *j)
{
    for (unsigned i = 0; i < POOLS; i++)
        if (!(*pool_at(j, i) = pages_new(pools[i].bytes))) return false;
    j->names_bits = NAMES_BITS;
    j->names = pages_new(sizeof *j->names << NAMES_BITS);
    j->shapes = shapes_new(j->options.level, false);
    empty(j);
    return j->names && j->shapes;
}

void cache_close(struct jit *j)
{
    for (unsigned i = 0; i < POOLS; i++) pages_free(*pool_at(j, i), pools[i].bytes);
    pages_free(j->names, sizeof *j->names << j->names_bits);
    shards_close(j);
    shapes_free(j->shapes);
}

bool cache_is_full(const struct jit *j)
{
    return j->nfilled >= MAX_FILLED || j->used + BLOCK_BYTES > j->stub_start ||
           j->stub_used + BLOCK_BYTES > j->memory.bytes || j->nnames > (1u << j->names_bits) / 4 * 3 ||
           j->nblocks + 1 + TRACE_HEADS > MAX_BLOCKS || j->nexits + 2 * TRACE_INSNS > MAX_EXITS ||
           j->nops + TRACE_INSNS > MAX_OPS || j->nmap + TRACE_ENTRIES > MAX_MAP ||
           j->nlisted + TRACE_PAGES > MAX_LISTED;
}

// One piece of memory: making and dropping it are a good part of what a short-lived process costs.
bool space_needs_own(struct jit_space *s)
{
    if (s->page_head) return true;
    s->page_head = pages_new(HEADS_BYTES + FILLED_BYTES);
    if (s->page_head) s->table_filled = (void *)((char *)s->page_head + HEADS_BYTES);
    return s->page_head != NULL;
}

void space_free_own(struct jit_space *s)
{
    s->jit->nfilled -= s->nfilled;
    pages_free(s->page_head, HEADS_BYTES + FILLED_BYTES);
}

void space_forget_targets(struct jit_space *s)
{
    view_leave(s, 0, MEM_PAGES);
    region_table_clear(mem_region(s->mem));
    if (s->table_filled) pages_zero(s->table_filled, FILLED_BYTES);
    s->jit->nfilled -= s->nfilled;
    s->nfilled = 0;
}

void space_forget(struct jit_space *s)
{
    space_forget_targets(s);
    if (s->page_head) pages_zero(s->page_head, HEADS_BYTES);
    s->resume = 0;
}

void cache_flush(struct jit *j)
{
    for (unsigned i = 0; i < POOLS; i++)
        if (!pools[i].kept) pages_zero(*pool_at(j, i), pools[i].bytes);
    pages_zero(j->names, sizeof *j->names << j->names_bits);
    j->nnames = 0;
    memset(j->near, 0, sizeof j->near);
    j->epoch++;
    for (struct jit_space *s = j->spaces; s; s = s->next) space_forget(s);
    view_forget(j);
    host_exec_settle(&j->memory, j->start, j->used);
    host_exec_settle(&j->memory, j->stub_start, j->stub_used);
    empty(j);
    j->stats.flushes++;
}

// ---- finding ----

static uint32_t first_place(unsigned bits, uint32_t view, uint32_t pc)
{
    return cache_hash(view, pc) >> (32 - (bits - 3)) << 3 | (pc >> 3 & 7);
}

// Blocks that die leave their key.
uint32_t cache_place(const struct named *names, unsigned bits, uint32_t view, uint32_t pc)
{
    uint32_t at = first_place(bits, view, pc);
    while (names[at].view && (names[at].pc != pc || names[at].view != view)) at = (at + 1) & ((1u << bits) - 1);
    return at;
}

static struct named *place_of(const struct jit *j, uint32_t view, uint32_t pc)
{
    return &j->names[cache_place(j->names, j->names_bits, view, pc)];
}

void cache_expect(const struct jit *j, uint32_t view, uint32_t pc)
{
    __builtin_prefetch(&j->names[first_place(j->names_bits, view, pc)], 1);
    __builtin_prefetch(&j->blocks[j->nblocks], 1);
    for (unsigned i = 0; i < 3; i++) __builtin_prefetch(j->memory.rw + j->used + 64 * i, 1);
    __builtin_prefetch(j->memory.rw + j->stub_used, 1);
}

static uint32_t choose(const struct named *n, unsigned r11)
{
    if (r11 & R11_SLOT && n->slot) return n->slot;
    return r11 & R11_REG ? n->reg : 0;
}

// The box's own blocks come first: they may have taken the place of a shard's.
uint32_t cache_find(const struct jit *j, uint32_t view, uint32_t pc, unsigned r11)
{
    bool may = cache_is_near(j, view, pc) && *cache_heat(j, view, pc) & HEAT_BLOCK;
    uint32_t own = may ? choose(place_of(j, view, pc), r11) : 0;
    return own || !(view & SHARD_VIEW) ? own : shard_find(&j->shards[view & ~SHARD_VIEW], pc, r11);
}

static void name(struct jit *j, uint32_t block)
{
    const struct block *b = &j->blocks[block];
    struct named *n = place_of(j, b->view, b->pc);
    j->epoch++;
    if (!n->view) j->nnames++;
    *cache_heat(j, b->view, b->pc) |= HEAT_BLOCK;
    uint32_t bit = cache_near_bit(b->view, b->pc);
    j->near[bit / 64] |= 1ull << (bit % 64);
    n->view = b->view;
    n->pc = b->pc;
    *(b->r11 == R11_REG ? &n->reg : &n->slot) = block;
}

static void unname(struct jit *j, uint32_t block)
{
    const struct block *b = &j->blocks[block];
    struct named *n = place_of(j, b->view, b->pc);
    uint32_t *at = b->r11 == R11_REG ? &n->reg : &n->slot;
    j->epoch++;
    if (*at == block) *at = 0;
}

// Twice the room, without the keys of the dead. False: no memory; then everything is to be dropped.
static bool grow_names(struct jit *j)
{
    unsigned bits = j->names_bits + 1;
    struct named *larger = pages_new(sizeof *larger << bits);
    if (!larger) return false;
    pages_ready(larger, sizeof *larger << bits);
    pages_free(j->names, sizeof *j->names << j->names_bits);
    j->names = larger;
    j->names_bits = bits;
    j->nnames = 0;
    for (uint32_t i = 1; i < j->nblocks; i++)
        if (!j->blocks[i].dead) name(j, i);
    return true;
}

static bool names_are_many(const struct jit *j)
{
    return j->nnames > (1u << j->names_bits) / 2;
}

static uint32_t last_before(const struct block *blocks, uint32_t n, uint32_t host)
{
    uint32_t lo = 1, hi = n;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (blocks[mid].host <= host)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t block_at(const struct block *blocks, uint32_t n, uint32_t host)
{
    uint32_t at = last_before(blocks, n, host);
    if (at < n && blocks[at].of) at = blocks[at].of;
    return at < n && host - blocks[at].host < blocks[at].size ? at : 0;
}

static uint32_t head_at(const struct block *blocks, uint32_t n, uint32_t host)
{
    uint32_t at = last_before(blocks, n, host);
    return at < n && blocks[at].host == host ? at : 0;
}

typedef uint32_t look_fn(const struct block *, uint32_t n, uint32_t host);

static uint32_t look(const struct jit *j, uint32_t host, look_fn *fn)
{
    if (host < j->memory.bytes) return fn(j->blocks, j->nblocks, host);
    const struct shard *s = shard_at(j, host);
    uint32_t found = s ? fn(s->blocks, s->nblocks, host - s->base) : 0;
    return found ? s->row->slot << SHARD_SHIFT | found : 0;
}

uint32_t cache_block_at(const struct jit *j, uint32_t host)
{
    return look(j, host, block_at);
}

uint32_t cache_head_at(const struct jit *j, uint32_t host)
{
    return look(j, host, head_at);
}

unsigned cache_tick(struct jit *j, uint32_t block)
{
    return cache_is_own(block) ? ++j->blocks[block].ticks : shard_tick(j, block);
}

bool cache_is_replaced(const struct jit *j, uint32_t block)
{
    if (cache_is_own(block)) return j->blocks[block].hot || j->blocks[block].dead;
    return cache_block(j, block)->hot || shard_is_replaced(cache_shard(j, block), block & SHARD_INDEX);
}

static uint32_t new_listed(struct jit *j)
{
    uint32_t at = j->free_listed;
    if (!at) return j->nlisted++;
    j->free_listed = j->listed[at].next;
    return at;
}

void cache_add(struct jit *j, struct jit_space *s, uint32_t block, const uint32_t *pages, unsigned npages)
{
    if (names_are_many(j)) (void)grow_names(j); // else they stay many, and cache_is_full sees it
    name(j, block);
    if (j->blocks[block].view != s->view) return; // its pages are watched as a whole
    for (unsigned i = 0; i < npages; i++) {
        mem_mark_code(s->mem, pages[i]);
        uint32_t at = new_listed(j);
        j->listed[at] = (struct listed){block, s->page_head[pages[i]]};
        s->page_head[pages[i]] = at;
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
    patch(j, x->site, cache_host(j, block));
    x->to = block;
    x->next = 0;
    if (!cache_is_own(block)) return; // which never goes
    x->next = j->blocks[block].incoming;
    j->blocks[block].incoming = exit;
}

static void unchain(struct jit *j, uint32_t exit)
{
    struct exit *x = &j->exits[exit];
    if (!x->to) return;
    uint32_t *at = cache_is_own(x->to) ? &j->blocks[x->to].incoming : NULL;
    while (at && *at && *at != exit) at = &j->exits[*at].next;
    if (at && *at) *at = x->next;
    patch(j, x->site, x->stub);
    x->to = x->next = 0;
}

// The bit of a page of the table. NULL: no memory for it.
static uint64_t *filled_at(struct jit_space *s, uint32_t page, unsigned *bit)
{
    const struct view *v = view_shown(s, page / (PAGE_BYTES / TABLE_PAGE));
    if (v) page -= v->of.first * (PAGE_BYTES / TABLE_PAGE);
    *bit = page % 64;
    if (!v && !space_needs_own(s)) return NULL;
    return (v ? v->filled : s->table_filled) + page / 64;
}

// A shard's piece of table is the file's, with holes.
static bool is_of_shard(struct jit_space *s, uint32_t pc)
{
    const struct view *v = view_shown(s, pc >> PAGE_SHIFT);
    return v && v->shard;
}

static bool is_filled(struct jit_space *s, uint32_t pc)
{
    if (!s->table) return false;
    if (is_of_shard(s, pc)) return s->table[pc & ~(TABLE_PAGE - 1u)] != 0;
    unsigned bit;
    if (!s->table_filled && !view_shown(s, pc >> PAGE_SHIFT)) return false;
    const uint64_t *filled = filled_at(s, pc / TABLE_PAGE, &bit);
    return filled && *filled >> bit & 1;
}

static void lead_nowhere(struct jit_space *s, uint32_t page)
{
    uint32_t *at = s->table + page * TABLE_PAGE, nowhere = s->jit->memory.top;
    for (unsigned i = 0; i < TABLE_PAGE; i++) at[i] = nowhere;
}

static bool fill_of_shard(struct jit_space *s, uint32_t pc)
{
    if (is_filled(s, pc)) return true;
    if (!view_own_page(s, pc / TABLE_PAGE)) return false;
    lead_nowhere(s, pc / TABLE_PAGE);
    return true;
}

static bool fill(struct jit_space *s, uint32_t pc)
{
    if (!s->table) return false; // translated ahead
    if (is_of_shard(s, pc)) return fill_of_shard(s, pc);
    uint32_t page = pc / TABLE_PAGE;
    unsigned bit;
    uint64_t *filled = filled_at(s, page, &bit);
    if (!filled) return false;
    if (*filled >> bit & 1) return true;
    if (s->jit->nfilled >= MAX_FILLED) return false;
    *filled |= 1ull << bit;
    s->jit->nfilled++;
    struct view *v = view_shown(s, pc >> PAGE_SHIFT);
    ++*(v ? &v->nfilled : &s->nfilled);
    lead_nowhere(s, page);
    return true;
}

void cache_fill(struct jit_space *s, uint32_t pc)
{
    bool last = pc % TABLE_PAGE == TABLE_PAGE - 1;
    if (fill(s, pc) && last && pc != UINT32_MAX) (void)fill(s, pc + 1);
}

static uint32_t entry_of(const struct jit *j, uint32_t block)
{
    return (uint32_t)(uintptr_t)(j->memory.rx + cache_host(j, block));
}

static bool leads_somewhere(struct jit_space *s, uint32_t pc)
{
    return is_filled(s, pc) && s->table[pc] != s->jit->memory.top;
}

static void aim_nowhere(struct jit_space *s, uint32_t pc)
{
    if (!leads_somewhere(s, pc)) return;
    if (is_of_shard(s, pc)) (void)view_own_page(s, pc / TABLE_PAGE);
    s->table[pc] = s->jit->memory.top;
}

// May the entry be changed?
static bool is_ours(struct jit_space *s, uint32_t pc)
{
    return !is_of_shard(s, pc) || view_own_page(s, pc / TABLE_PAGE);
}

// Do the entries of pc and of what is behind it stay together? A view's piece is shown where other things are behind
// it, and the space's own table has pieces shown over it, and taken away.
static bool is_joined(struct jit_space *s, uint32_t pc)
{
    if ((pc + 1) % PAGE_BYTES) return true;
    return pc != UINT32_MAX && view_shown(s, pc >> PAGE_SHIFT) == view_shown(s, (pc + 1) >> PAGE_SHIFT);
}

void cache_aim(struct jit_space *s, uint32_t pc, uint32_t block)
{
    if (!fill(s, pc) || !is_joined(s, pc) || !fill(s, pc + 1)) return;
    if ((pc && leads_somewhere(s, pc - 1)) || !is_ours(s, pc) || !is_ours(s, pc + 1)) return;
    s->table[pc + 1] = s->jit->memory.top;
    s->table[pc] = entry_of(s->jit, block);
}

void cache_part(struct jit_space *s, uint32_t page)
{
    if (page) aim_nowhere(s, (page << PAGE_SHIFT) - 1);
}

// ---- code that changes ----

void cache_kill(struct jit_space *s, uint32_t block)
{
    struct jit *j = s->jit;
    struct block *b = &j->blocks[block];
    if (b->dead) return;
    b->dead = true;
    j->stats.killed++;
    unname(j, block);
    while (b->incoming) unchain(j, b->incoming);
    for (uint32_t i = 0; i < b->nexits; i++) unchain(j, b->first_exit + i);
    aim_nowhere(s, b->pc);
    for (uint32_t i = block + 1; i < j->nblocks && j->blocks[i].of == block; i++) cache_kill(s, i);
}

void cache_replace(struct jit_space *s, uint32_t old, uint32_t with)
{
    struct jit *j = s->jit;
    const struct block *b = cache_block(j, old);
    uint32_t was = entry_of(j, old);
    if (cache_is_own(old))
        j->blocks[old].hot = true;
    else
        shard_replaced(j, old);
    while (cache_is_own(old) && b->incoming) {
        uint32_t exit = b->incoming;
        unchain(j, exit);
        cache_chain(j, exit, with);
    }
    if (b->r11 == R11_SLOT && is_filled(s, b->pc) && s->table[b->pc] == was) cache_aim(s, b->pc, with);
}

void cache_page_changed(struct jit_space *s, uint32_t page)
{
    if (!s->page_head) return;
    struct jit *j = s->jit;
    uint32_t at = s->page_head[page], next;
    s->page_head[page] = 0;
    j->stats.changes += at != 0;
    for (; at; at = next) {
        next = j->listed[at].next;
        cache_bury(s, j->listed[at].block, page);
        j->listed[at].next = j->free_listed;
        j->free_listed = at;
    }
}
