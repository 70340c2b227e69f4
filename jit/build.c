// See build.h.
#include "jit/build.h"
#include "host/pages.h"
#include "jit/cache.h"
#include "jit/view.h"
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20, STUBS = MEMORY / 4 * 3, PIECES = 128 << 10 };

struct build {
    const struct build_task *task;
    struct jit *jit;
    struct jit_space space;
    struct view view;
    struct view_range range;
    uint64_t *ran, *wanted, *inside; // a bit per byte of the mapping
    uint32_t *returns;               // where calls return to, if that ran: to be entered through the table
    uint32_t nreturns, room_returns;
    bool failed;
};

// ---- sets of addresses ----

static size_t set_bytes(const struct build_task *t)
{
    return (size_t)t->npages * PAGE_BYTES / 8;
}

static bool is_in(const struct build *b, const uint64_t *set, uint32_t pc)
{
    uint32_t at = pc - (b->task->first << PAGE_SHIFT);
    return at >> PAGE_SHIFT < b->task->npages && set[at / 64] >> (at % 64) & 1;
}

static void put(const struct build *b, uint64_t *set, uint32_t pc)
{
    uint32_t at = pc - (b->task->first << PAGE_SHIFT);
    if (at >> PAGE_SHIFT < b->task->npages) set[at / 64] |= 1ull << (at % 64);
}

bool build_ran(const struct build *b, uint32_t pc)
{
    return is_in(b, b->ran, pc);
}

bool build_wanted(const struct build *b, uint32_t pc)
{
    return is_in(b, b->wanted, pc);
}

void build_want(struct build *b, uint32_t pc)
{
    put(b, b->wanted, pc);
}

void build_run(struct build *b, uint32_t pc)
{
    put(b, b->ran, pc);
}

static void expect_return(struct build *b, uint32_t pc)
{
    if (!build_ran(b, pc) || b->nreturns == b->room_returns) return;
    b->returns[b->nreturns++] = pc;
}

void build_keep(struct build *b, const struct map_entry *map, unsigned n, const uint32_t *returns, unsigned nreturns)
{
    for (unsigned i = 1; i < n; i++)
        if (!(map[i].flags & MAP_FOLLOWED)) put(b, b->inside, map[i].pc);
    for (unsigned i = 0; i < nreturns; i++) expect_return(b, returns[i]);
}

// ---- a pass ----

// A block for pc, unless there is one. 0: none can be made.
static uint32_t make(struct build *b, uint32_t pc, unsigned r11)
{
    struct jit *j = b->jit;
    if (pc >> PAGE_SHIFT < b->task->first || (pc >> PAGE_SHIFT) - b->task->first >= b->task->npages) return 0;
    uint32_t block = cache_find(j, b->view.id, pc, r11);
    if (block || cache_is_full(b->jit)) return block;
    put(b, b->wanted, pc);
    return translate(&b->space, pc, r11);
}

static void make_returns(struct build *b)
{
    while (b->nreturns && !cache_is_full(b->jit)) (void)make(b, b->returns[--b->nreturns], R11_SLOT);
}

// In the order in which it ran. What lies inside a trace, and nobody is known to jump to, needs no block.
static void make_listed(struct build *b)
{
    const struct build_task *t = b->task;
    for (uint32_t i = 0; i < t->ncodes && !cache_is_full(b->jit); i++) {
        const struct profile_code *c = &t->codes[i];
        if (c->flags & PROFILE_R11) (void)make(b, c->pc, R11_REG);
        if (c->flags & PROFILE_COMPUTED || !is_in(b, b->inside, c->pc)) (void)make(b, c->pc, R11_SLOT);
        make_returns(b);
    }
}

// Branches to what is known to run, and has no block yet. Blocks made for them have exits in turn, further on.
static void make_targets(struct build *b)
{
    struct jit *j = b->jit;
    for (uint32_t i = 1; i < j->nexits && !cache_is_full(b->jit); i++) {
        const struct exit *x = &j->exits[i];
        if (x->kind != EXIT_BRANCH || x->to || !build_ran(b, x->pc)) continue;
        (void)make(b, x->pc, x->r11 & R11_SLOT ? R11_SLOT : R11_REG);
        make_returns(b);
    }
}

static void make_hot(struct build *b)
{
    const struct build_task *t = b->task;
    struct jit *j = b->jit;
    for (uint32_t i = 0; i < t->ncodes && !cache_is_full(b->jit); i++) {
        if (!(t->codes[i].flags & PROFILE_HOT)) continue;
        uint32_t old = cache_find(j, b->view.id, t->codes[i].pc, R11_BOTH);
        if (!old || j->blocks[old].hot) continue;
        uint32_t hot = translate_hot(&b->space, t->codes[i].pc, j->blocks[old].r11);
        if (hot) cache_replace(&b->space, old, hot);
    }
}

static void chain_all(struct build *b)
{
    struct jit *j = b->jit;
    for (uint32_t i = 1; i < j->nexits; i++) {
        const struct exit *x = &j->exits[i];
        uint32_t to = x->kind == EXIT_BRANCH && !x->to ? cache_find(j, b->view.id, x->pc, x->r11) : 0;
        if (to) cache_chain(j, i, to);
    }
}

static void translate_all(struct build *b)
{
    b->nreturns = 0;
    memset(b->inside, 0, set_bytes(b->task));
    make_listed(b);
    make_targets(b);
    make_hot(b);
    make_targets(b);
    chain_all(b);
}

// ---- life ----

static void open_space(struct build *b)
{
    const struct build_task *t = b->task;
    struct jit *j = b->jit;
    b->view = (struct view){.id = ++j->views, .of = {.first = t->first, .end = t->first + t->npages}};
    b->range = (struct view_range){.first = t->first, .end = t->first + t->npages, .view = &b->view};
    b->space = (struct jit_space){
        .jit = j, .mem = t->mem, .view = ++j->views, .ranges = &b->range, .nranges = 1, .room_ranges = 1};
    j->build = b;
    j->first_number = t->slot << SHARD_SHIFT;
}

static bool no_mapping(void *owner, uint32_t page, struct jit_mapping *m)
{
    (void)owner, (void)page, (void)m;
    return false;
}

// Stubs lie behind the code, from `stubs` on.
static bool pass(struct build *b, uint8_t *memory, uint32_t stubs)
{
    struct host_exec exec = {.rw = memory, .rx = memory, .bytes = MEMORY, .top = STORE_TOP_MIN};
    struct jit_options options = {.level = b->task->level, .fuel = b->task->fuel, .source = {.mapping = no_mapping}};
    const char *why;
    pages_zero(memory, MEMORY);
    b->jit = jit_new(&exec, &options, &why);
    if (!b->jit) return false;
    memset(memory, 0, PIECES);
    cache_begin_at(b->jit, 0, stubs);
    open_space(b);
    translate_all(b);
    return true;
}

static void end_pass(struct build *b)
{
    jit_free(b->jit);
    b->jit = NULL;
}

// ---- sections ----

static void *copy(struct built *to, enum store_section s, const void *from, size_t bytes)
{
    to->bytes[s] = bytes;
    to->section[s] = malloc(bytes ? bytes : 1);
    if (to->section[s] && from) memcpy(to->section[s], from, bytes);
    return to->section[s];
}

// What only means something while translating goes, and what lies between the fields, so that equal work gives equal
// bytes.
static void copy_block(struct block *to, const struct block *from)
{
    to->pc = from->pc;
    to->view = 1;
    to->stubs = from->stubs;
    to->stubs_size = from->stubs_size;
    to->host = from->host;
    to->size = from->size;
    to->map = from->map;
    to->first_exit = from->first_exit;
    to->insns = from->insns;
    to->nexits = from->nexits;
    to->of = from->of;
    to->r11 = from->r11;
    to->hot = from->hot;
    to->x87 = from->x87;
}

static bool copy_blocks(const struct jit *j, struct built *to)
{
    struct block *b = copy(to, STORE_BLOCKS, NULL, j->nblocks * sizeof *b);
    if (!b) return false;
    memset(b, 0, j->nblocks * sizeof *b);
    for (uint32_t i = 1; i < j->nblocks; i++) copy_block(&b[i], &j->blocks[i]);
    return true;
}

static bool copy_exits(const struct jit *j, struct built *to)
{
    struct exit *x = copy(to, STORE_EXITS, j->exits, j->nexits * sizeof *x);
    for (uint32_t i = 0; x && i < j->nexits; i++) x[i].next = 0;
    return x != NULL;
}

static bool make_index(const struct jit *j, uint32_t view, struct built *to)
{
    unsigned bits = 4;
    while ((1u << bits) / 2 < j->nnames) bits++;
    struct named *n = copy(to, STORE_INDEX, NULL, sizeof *n << bits);
    if (!n) return false;
    memset(n, 0, sizeof *n << bits);
    for (uint32_t i = 0; i < 1u << j->names_bits; i++) {
        const struct named *from = &j->names[i];
        if (from->view != view || !(from->reg | from->slot)) continue;
        struct named *at = &n[cache_place(n, bits, 1, from->pc)];
        *at = *from;
        at->view = 1;
    }
    return true;
}

static bool make_table(const struct jit *j, uint32_t view, struct built *to)
{
    struct store_target *t = copy(to, STORE_TABLE, NULL, j->nnames * sizeof *t);
    uint32_t n = 0;
    for (uint32_t i = 0; t && i < 1u << j->names_bits; i++) {
        const struct named *from = &j->names[i];
        if (from->view == view && from->slot) t[n++] = (struct store_target){from->pc, j->blocks[from->slot].host};
    }
    to->bytes[STORE_TABLE] = n * sizeof *t;
    return t != NULL;
}

static bool export(const struct build *b, struct built *to)
{
    const struct jit *j = b->jit;
    const struct build_task *t = b->task;
    return copy(to, STORE_CODE, j->memory.rw, j->stub_used) && copy_blocks(j, to) && copy_exits(j, to) &&
           copy(to, STORE_MAP, j->map, j->nmap * sizeof *j->map) && make_index(j, b->view.id, to) &&
           make_table(j, b->view.id, to) && copy(to, STORE_HEADS, t->codes, t->ncodes * sizeof *t->codes);
}

void jit_built_free(struct built *b)
{
    for (unsigned i = 0; i < STORE_SECTIONS; i++) free(b->section[i]);
}

static bool run_passes(struct build *b, uint8_t *memory, struct built *to)
{
    if (!pass(b, memory, STUBS)) return false;
    uint32_t used = b->jit->used; // and what is wanted is known
    end_pass(b);
    if (!pass(b, memory, used + used / 4 + BLOCK_BYTES)) return false;
    bool good = b->jit->nblocks > 1 && !cache_is_full(b->jit) && export(b, to);
    end_pass(b);
    return good;
}

static bool open_build(struct build *b, const struct build_task *t)
{
    b->room_returns = 1 << 16;
    b->ran = calloc(1, set_bytes(t));
    b->wanted = calloc(1, set_bytes(t));
    b->inside = calloc(1, set_bytes(t));
    b->returns = malloc(b->room_returns * sizeof *b->returns);
    if (!b->ran || !b->wanted || !b->inside || !b->returns) return false;
    for (uint32_t i = 0; i < t->ncodes; i++) put(b, b->ran, t->codes[i].pc);
    return true;
}

bool jit_build(const struct build_task *t, struct built *to)
{
    struct build b = {.task = t};
    uint8_t *memory = pages_new(MEMORY);
    memset(to, 0, sizeof *to);
    bool good = memory && open_build(&b, t) && run_passes(&b, memory, to);
    free(b.ran);
    free(b.wanted);
    free(b.inside);
    free(b.returns);
    pages_free(memory, MEMORY);
    if (!good) jit_built_free(to);
    return good;
}
