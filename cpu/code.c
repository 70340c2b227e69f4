// The decoded-block cache. See code.h for what a block is and how it is counted.
//
// Found three ways: through insn->link (direct branches, set by code_branch), through the jump cache (computed
// branches: one entry per hash value), through the hash table. A block is listed under each page its bytes come from,
// for invalidation.
#include "cpu/code.h"
#include "cpu/op.h"
#include "cpu/shape.h"
#include "host/pages.h"
#include <stddef.h>
#include <string.h>

enum {
    // Blocks of one address space, and of all in a box; all of an address space are dropped when they come to too much.
    // A guest
    // can make 2.5 KB of blocks of each byte of code, so this is what bounds the host's memory.
    CODE_BYTES = 64 << 20,
    BOX_CODE_BYTES = 160 << 20,
    MIN_CODE_BYTES = 1 << 20, // what each may have, whatever the others take
    HASH_BITS = 15,
    JUMP_BITS = 11,
    SEEN_BITS = 17,
    LONG = 12, // instructions
    MAX_INSN_BYTES = 15,
    UNIT = 8, // blocks are named by their offset in the arena in units of this; 0: none
};

struct block {
    uint32_t next; // in the hash chain
    uint32_t next_in_page[2];
    uint32_t pc;
    uint16_t length; // bytes of guest code
    uint16_t dead;
    uint32_t count; // elements of insn
    struct insn insn[];
};
_Static_assert(sizeof(struct block) % UNIT == 0 && sizeof(struct insn) % UNIT == 0, "blocks are named in units");

struct jump {
    uint32_t pc, to; // to: the first instruction's offset in the arena in units; 0: none
};

struct code {
    struct mem *mem;
    struct tier *tier;     // NULL: none
    struct shapes *shapes; // the tier's, NULL: none that fit
    enum cpu_level level;
    bool checked;
    uint8_t *arena;
    size_t used;         // bytes of the arena
    uint64_t epoch;      // counts the flushes: pointers to blocks are good within one
    uint32_t *hash;      // 1 << HASH_BITS
    uint32_t *page_head; // MEM_PAGES
    struct jump jump[1 << JUMP_BITS];
    uint64_t seen[(1 << SEEN_BITS) / 64]; // hashes of addresses where a block was asked for
    struct insn few[BLOCK_MAX + 1];
};

static const struct insn *op_undefined(struct cpu *cpu, const struct insn *in);
static const struct insn *op_stale(struct cpu *cpu, const struct insn *in);

// ---- life ----

struct code *code_new(struct mem *mem, enum cpu_level level)
{
    struct code *c = pages_new(sizeof *c);
    if (!c) return NULL;
    c->mem = mem;
    c->level = level;
    c->checked = mem_backend(mem) == MEM_CHECKED;
    c->used = UNIT;
    mem->ram->code_bytes += UNIT;
    c->arena = pages_new(CODE_BYTES);
    c->hash = pages_new(sizeof(uint32_t) << HASH_BITS);
    c->page_head = pages_new(sizeof(uint32_t) * MEM_PAGES);
    if (!c->arena || !c->hash || !c->page_head) {
        code_free(c);
        return NULL;
    }
    mem_set_code(mem, c);
    return c;
}

void code_free(struct code *c)
{
    if (!c) return;
    mem_set_code(c->mem, NULL);
    c->mem->ram->code_bytes -= c->used;
    pages_free(c->arena, CODE_BYTES);
    pages_free(c->hash, sizeof(uint32_t) << HASH_BITS);
    pages_free(c->page_head, sizeof(uint32_t) * MEM_PAGES);
    pages_free(c, sizeof *c);
}

void code_flush(struct code *c)
{
    pages_zero(c->arena, CODE_BYTES);
    pages_zero(c->hash, sizeof(uint32_t) << HASH_BITS);
    pages_zero(c->page_head, sizeof(uint32_t) * MEM_PAGES);
    memset(c->jump, 0, sizeof c->jump);
    memset(c->seen, 0, sizeof c->seen);
    c->mem->ram->code_bytes -= c->used - UNIT;
    c->used = UNIT;
    c->epoch++;
}

void code_check(struct code *c)
{
    c->checked = true;
    c->shapes = NULL;
    code_flush(c);
}

void code_set_tier(struct code *c, struct tier *tier)
{
    c->tier = tier;
    struct shapes *s = tier ? tier->shapes : NULL;
    c->shapes = s && s->level == c->level && s->checked == c->checked ? s : NULL;
}

struct tier *code_tier(const struct code *c)
{
    return c->tier;
}

size_t code_bytes(const struct code *c)
{
    return c->used;
}

static struct block *block_at(const struct code *c, uint32_t name)
{
    return (void *)(c->arena + (size_t)name * UNIT);
}
static uint32_t block_name(const struct code *c, const struct block *b)
{
    return (uint32_t)((size_t)((const uint8_t *)b - c->arena) / UNIT);
}

static uint32_t *hash_slot(const struct code *c, uint32_t pc)
{
    return &c->hash[(pc * 0x9e3779b1u) >> (32 - HASH_BITS)];
}
static struct jump *jump_slot(struct code *c, uint64_t pc)
{
    return &c->jump[(pc ^ pc >> JUMP_BITS) & ((1 << JUMP_BITS) - 1)];
}

static struct block *find_block(const struct code *c, uint32_t pc)
{
    for (uint32_t name = *hash_slot(c, pc); name; name = block_at(c, name)->next)
        if (block_at(c, name)->pc == pc) return block_at(c, name);
    return NULL;
}

// Is *in in `few`, and so gone with the next lookup?
static bool is_few(const struct code *c, const struct insn *in)
{
    return in >= c->few && in <= c->few + BLOCK_MAX;
}

static uint32_t jump_name(const struct code *c, const struct block *b)
{
    return block_name(c, b) + (uint32_t)(offsetof(struct block, insn) / UNIT);
}
static const struct insn *jump_target(const struct code *c, const struct jump *j)
{
    return (const void *)(c->arena + (size_t)j->to * UNIT);
}

// ---- decoding ----

static void set_fetch_fault(struct code *c, uint64_t addr, struct cpu_fault *fault)
{
    if (!is_canonical(addr)) {
        *fault = (struct cpu_fault){.vector = VEC_GP};
        return;
    }
    bool present = addr < MEM_TOP && mem_pte(c->mem, (uint32_t)(addr >> PAGE_SHIFT)) != 0;
    *fault = (struct cpu_fault){.vector = VEC_PF, .access = ACCESS_EXEC, .present = present, .addr = addr};
}

static int decode(const struct code *c, struct insn *in, const uint8_t *bytes, unsigned avail, uint32_t pc)
{
    if (c->shapes) return shapes_decode(c->shapes, in, bytes, avail, pc);
    return insn_decode(in, bytes, avail, pc, c->level, c->checked);
}

// The instruction at pc, which begins in the page at `bytes` (avail of them to its end) and goes on in the next one.
static int decode_across(struct code *c, struct insn *in, const uint8_t *bytes, unsigned avail, uint32_t pc,
                         struct cpu_fault *fault)
{
    uint64_t next = (uint64_t)pc + avail;
    const uint8_t *more = next < MEM_TOP ? mem_host(c->mem, (uint32_t)next, MEM_X) : NULL;
    if (!more) {
        set_fetch_fault(c, next, fault);
        return -1;
    }
    uint8_t both[2 * MAX_INSN_BYTES];
    memcpy(both, bytes, avail);
    memcpy(both + avail, more, MAX_INSN_BYTES);
    return decode(c, in, both, avail + MAX_INSN_BYTES, pc);
}

// Like insn_decode; -1: cannot be fetched, *fault says why.
static int decode_at(struct code *c, struct insn *in, uint64_t pc, struct cpu_fault *fault)
{
    const uint8_t *bytes = pc < MEM_TOP ? mem_host(c->mem, (uint32_t)pc, MEM_X) : NULL;
    if (!bytes) {
        set_fetch_fault(c, pc, fault);
        return -1;
    }
    unsigned avail = PAGE_BYTES - (pc & (PAGE_BYTES - 1));
    int n = decode(c, in, bytes, avail, (uint32_t)pc);
    if (n == -1 && avail < MAX_INSN_BYTES) n = decode_across(c, in, bytes, avail, (uint32_t)pc, fault);
    return n;
}

static bool is_branch(const struct insn *in)
{
    return insn_rows[in->id].attr & INSN_ATTR_BRANCH;
}

// A mark behind `run` instructions, where execution goes on at pc.
static void put_end(struct insn *at, uint64_t pc, unsigned run)
{
    *at = (struct insn){.fn = op_block_end,
                        .id = INSN_COUNT,
                        .run = (uint8_t)run,
                        .pc = (uint32_t)(pc - 1),
                        .len = 1}; // so insn_target is pc
}

// An instruction that only raises: undefined (0) or too long (-2).
static void put_undefined(struct insn *at, uint64_t pc, unsigned run, int why)
{
    put_end(at, pc, run);
    at->fn = op_undefined;
    at->pc = (uint32_t)pc;
    at->imm = why == 0 ? VEC_UD : VEC_GP;
}

// The bytes that made it undefined, for the watch on their pages: into the next page when they may have been looked at.
static unsigned undefined_length(struct code *c, uint64_t pc)
{
    unsigned avail = PAGE_BYTES - (pc & (PAGE_BYTES - 1));
    if (avail >= MAX_INSN_BYTES || pc + avail >= MEM_TOP) return 1;
    return mem_host(c->mem, (uint32_t)(pc + avail), MEM_X) ? MAX_INSN_BYTES : 1;
}

// Does a block go on at `at`, behind an instruction of this kind, the nth? (0: blocks end at any branch.) A block that
// has become long ends behind a conditional branch where the rest has its own block, to save memory.
static bool goes_on(const struct code *c, unsigned attr, uint64_t at, unsigned n)
{
    if (!(attr & INSN_ATTR_BRANCH)) return true;
    if (!(attr & INSN_ATTR_COND) || n == 0) return false;
    return n < LONG || !find_block(c, (uint32_t)at);
}

// Decode up to max instructions from pc into out, which has room for one more; the number of elements used, 0 when the
// first cannot be fetched. *length: the bytes they came from. once: it is run once, so it ends at any branch and is not
// worth fusing.
static unsigned decode_block(struct code *c, struct insn *out, uint64_t pc, unsigned max, bool once, unsigned *length,
                             struct cpu_fault *fault)
{
    uint64_t at = pc;
    unsigned n = 0, attr = 0;
    for (;;) {
        int len = decode_at(c, &out[n], at, fault);
        if (len == -1 && n == 0) return 0;
        if (len == 0 || len == -2) {
            put_undefined(&out[n], at, n, len);
            at += undefined_length(c, at);
            break;
        }
        if (len > 0) {
            attr = insn_rows[out[n].id].attr;
            n++;
            at += (unsigned)len;
            if (attr & INSN_ATTR_BRANCH) out[n - 1].run = (uint8_t)n;
            if (n < max && (at ^ pc) >> PAGE_SHIFT == 0 && goes_on(c, attr, at, once ? 0 : n)) continue;
        }
        put_end(&out[n], at, n);
        break;
    }
    if (!once) insn_fuse(out, n, c->checked);
    *length = (unsigned)(at - pc);
    return n + 1;
}

// ---- the cache ----

static void list_under_pages(struct code *c, struct block *b)
{
    uint32_t first = b->pc >> PAGE_SHIFT, last = (b->pc + b->length - 1u) >> PAGE_SHIFT;
    mem_mark_code(c->mem, first);
    b->next_in_page[0] = c->page_head[first];
    c->page_head[first] = block_name(c, b);
    if (last == first) return;
    mem_mark_code(c->mem, last);
    b->next_in_page[1] = c->page_head[last];
    c->page_head[last] = block_name(c, b);
}

static bool is_full(const struct code *c)
{
    size_t most = sizeof(struct block) + (BLOCK_MAX + 1) * sizeof(struct insn);
    return c->used + most > CODE_BYTES || (c->mem->ram->code_bytes > BOX_CODE_BYTES && c->used > MIN_CODE_BYTES);
}

static struct block *new_block(struct code *c, uint64_t pc, struct cpu_fault *fault)
{
    if (is_full(c)) code_flush(c);
    struct block *b = (void *)(c->arena + c->used);
    unsigned length, count = decode_block(c, b->insn, pc, BLOCK_MAX, false, &length, fault);
    if (count == 0) return NULL;
    b->pc = (uint32_t)pc;
    b->length = (uint16_t)length;
    b->count = count;
    b->dead = 0;
    c->used += sizeof *b + count * sizeof(struct insn);
    c->mem->ram->code_bytes += sizeof *b + count * sizeof(struct insn);
    uint32_t *slot = hash_slot(c, b->pc);
    b->next = *slot;
    *slot = block_name(c, b);
    list_under_pages(c, b);
    return b;
}

// A third of the code that a program runs when it starts never runs again: it is not kept.
static bool is_first_visit(struct code *c, uint64_t pc)
{
    uint32_t h = ((uint32_t)pc * 0x9e3779b1u) >> (32 - SEEN_BITS);
    bool first = !(c->seen[h / 64] >> (h % 64) & 1);
    c->seen[h / 64] |= 1ull << (h % 64);
    return first;
}

static bool is_restless(const struct code *c, uint64_t pc)
{
    return pc < MEM_TOP && mem_is_restless(c->mem, (uint32_t)(pc >> PAGE_SHIFT));
}

const struct insn *code_lookup(struct code *c, uint64_t pc, struct cpu_fault *fault)
{
    struct jump *j = jump_slot(c, pc);
    if (j->pc == pc && j->to) return jump_target(c, j);
    if (is_restless(c, pc)) return code_lookup_few(c, pc, 1, true, fault);
    struct block *b = pc < MEM_TOP ? find_block(c, (uint32_t)pc) : NULL;
    if (!b && is_first_visit(c, pc)) return code_lookup_few(c, pc, BLOCK_MAX, true, fault);
    if (!b) b = new_block(c, pc, fault);
    if (!b) return NULL;
    *j = (struct jump){b->pc, jump_name(c, b)};
    return b->insn;
}

const struct insn *code_lookup_few(struct code *c, uint64_t pc, unsigned n, bool mark, struct cpu_fault *fault)
{
    unsigned length;
    if (mark && is_restless(c, pc) && mem_step(c->mem, (uint32_t)(pc >> PAGE_SHIFT))) {
        n = 1;
        mark = false;
    }
    if (decode_block(c, c->few, pc, n < BLOCK_MAX ? n : BLOCK_MAX, true, &length, fault) == 0) return NULL;
    if (mark) {
        mem_mark_code(c->mem, (uint32_t)(pc >> PAGE_SHIFT));
        mem_mark_code(c->mem, (uint32_t)((pc + length - 1) >> PAGE_SHIFT));
    }
    return c->few;
}

const struct insn *code_find(struct cpu *cpu, uint64_t pc)
{
    const struct insn *to = code_lookup(cpu->code, pc, &cpu->fault);
    if (cpu->returns_epoch != cpu->code->epoch) {
        memset(cpu->returns, 0, sizeof cpu->returns);
        cpu->returns_epoch = cpu->code->epoch;
    }
    return to;
}

// With another tier that wants the code when it has run a few times, it is not worth keeping.
const struct insn *code_next(struct cpu *cpu, uint64_t pc, int64_t left)
{
    struct tier *tier = cpu->code->tier;
    if (left >= BLOCK_MAX && !(tier && tier->counts(tier, cpu, pc))) return code_find(cpu, pc);
    return code_lookup_few(cpu->code, pc, left < BLOCK_MAX ? (unsigned)left : BLOCK_MAX, true, &cpu->fault);
}

static void unhash(struct code *c, const struct block *b)
{
    uint32_t *slot = hash_slot(c, b->pc), name = block_name(c, b);
    while (*slot && *slot != name) slot = &block_at(c, *slot)->next;
    if (*slot) *slot = b->next;
}

static void kill_block(struct code *c, struct block *b)
{
    if (b->dead) return;
    b->dead = 1;
    unhash(c, b);
    struct jump *j = jump_slot(c, b->pc);
    if (j->to == jump_name(c, b)) j->to = 0;
    b->insn[0].fn = op_stale;
    b->insn[0].pc = b->pc;
}

void code_invalidate_page(struct code *c, uint32_t page)
{
    uint32_t name = c->page_head[page];
    c->page_head[page] = 0;
    while (name) {
        struct block *b = block_at(c, name);
        name = b->next_in_page[b->pc >> PAGE_SHIFT != page];
        kill_block(c, b);
    }
    if (c->tier) c->tier->changed(c->tier, page);
}

unsigned code_position(const struct insn *in)
{
    const struct insn *p = in;
    while (p->id != INSN_COUNT && !is_branch(p)) p++;
    unsigned before = p->id == INSN_COUNT ? p->run : p->run - 1u;
    return before - (unsigned)(p - in);
}

// ---- going from block to block ----

static const struct insn *stop(struct cpu *cpu, enum cpu_stop why)
{
    cpu->stop = (uint8_t)why;
    return NULL;
}

// At pc, with the budget below cpu->floor: an interrupt is asked for, the slice is over (see code_slice), less than a
// whole block's budget is left, or there is another tier to ask.
static __attribute__((noinline)) const struct insn *pause_at(struct cpu *cpu, uint64_t pc)
{
    cpu->rip = pc;
    if (cpu->interrupt) return stop(cpu, STOP_REQUEST);
    int64_t left = cpu->budget + BLOCK_MAX;
    if (left <= 0) return stop(cpu, STOP_BUDGET);
    struct tier *tier = left >= BLOCK_MAX ? cpu->code->tier : NULL; // which may not count one by one
    if (tier && tier->due(tier, cpu, pc)) return stop(cpu, STOP_TIER);
    code_slice(cpu);
    const struct insn *to = code_next(cpu, pc, left);
    return to ? to : stop(cpu, STOP_FAULT);
}

void code_slice(struct cpu *cpu)
{
    int64_t floor = cpu->code->tier ? INT64_MAX : cpu->budget > SLICE ? cpu->budget - SLICE : 0;
    // A store that others see before this thread reads on takes as long as the rest of a short run.
    if (__atomic_load_n(&cpu->floor, __ATOMIC_SEQ_CST) != floor) __atomic_store_n(&cpu->floor, floor, __ATOMIC_SEQ_CST);
}

const struct insn *code_branch(struct cpu *cpu, const struct insn *in, uint64_t pc)
{
    if (cpu->budget < cpu->floor) return pause_at(cpu, pc);
    cpu->rip = pc;
    struct code *c = cpu->code;
    uint64_t epoch = c->epoch;
    const struct insn *to = code_find(cpu, pc);
    if (!to) return stop(cpu, STOP_FAULT);
    // Blocks are ours, only op_ functions see them as const. `few` is overwritten as we go.
    if (c->epoch == epoch && !is_few(c, in) && !is_few(c, to)) ((struct insn *)in)->link = (void *)to;
    return op_go(cpu, to);
}

// As code_branch, from a place that cannot be chained.
static __attribute__((noinline)) const struct insn *go_to(struct cpu *cpu, uint64_t pc)
{
    if (cpu->budget < cpu->floor) return pause_at(cpu, pc);
    cpu->rip = pc;
    const struct insn *to = code_find(cpu, pc);
    return to ? op_go(cpu, to) : stop(cpu, STOP_FAULT);
}

const struct insn *code_jump(struct cpu *cpu, const struct insn *in, uint64_t pc)
{
    const struct jump *j = jump_slot(cpu->code, pc);
    cpu->budget -= in->run;
    if (__builtin_expect(j->pc != pc || !j->to || cpu->budget < cpu->floor, 0)) return go_to(cpu, pc);
    return op_go(cpu, jump_target(cpu->code, j));
}

const struct insn *op_stop(struct cpu *cpu, const struct insn *in, enum cpu_stop why, uint64_t rip)
{
    cpu->budget -= code_position(in) + (rip != in->pc); // not counted when it is to be run again
    cpu->rip = rip;
    return stop(cpu, why);
}

const struct insn *op_block_end(struct cpu *cpu, const struct insn *in)
{
    return op_branch(cpu, in);
}

static const struct insn *op_undefined(struct cpu *cpu, const struct insn *in)
{
    cpu_raise(cpu, in, (enum cpu_vector)in->imm);
}

// The first instruction of a block that was dropped; nothing is charged yet.
static const struct insn *op_stale(struct cpu *cpu, const struct insn *in)
{
    return go_to(cpu, in->pc);
}
