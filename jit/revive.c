// Blocks whose guest code may come back: a guest's translator takes the right to execute from its pages, writes
// somewhere in them, and gives it back; or writes a piece of code beside others. Such a block dies, but a sum of the
// guest bytes it was made from is kept; when code is to be translated where one was, and the bytes are the same, it
// lives again (cache_revive).
//
// A block dies before its code changes (cpu/mem.h), so the sum is taken then. A sum of 64 bits says "the same": a guest
// that forges one fools nobody but itself, since the block is harmless whatever it was made from (verify.h).
//
// The dead lie in chains by view and address, linked through block.incoming. Only those of a space's own view die.
#include "jit/view.h"
#include <string.h>

enum { LOOKED_AT = 8 }; // of a chain: what died last is at its head

static uint32_t *chain_of(const struct jit *j, uint32_t view, uint32_t pc)
{
    return &j->dead[((pc ^ view * 0x85ebca6bu) * 0x9e3779b1u) >> (32 - DEAD_BITS)];
}

struct reading {
    const struct jit_space *space;
    const uint8_t *at; // of `page`, NULL: none yet
    uint32_t page;
    uint64_t sum;
};

static bool read_on(struct reading *r, uint32_t page)
{
    if (r->at && r->page == page) return true;
    r->page = page;
    r->at = mem_host(r->space->mem, page << PAGE_SHIFT, MEM_X);
    return r->at != NULL;
}

static bool add_insn(struct reading *r, uint32_t pc, unsigned n)
{
    uint8_t bytes[16] = {0};
    uint64_t w[2];
    for (unsigned done = 0, part; done < n; done += part) {
        uint32_t at = pc + done, in_page = at & (PAGE_BYTES - 1);
        part = n - done < PAGE_BYTES - in_page ? n - done : PAGE_BYTES - in_page;
        if (!read_on(r, at >> PAGE_SHIFT)) return false;
        memcpy(bytes + done, r->at + in_page, part);
    }
    memcpy(w, bytes, sizeof w);
    r->sum = (r->sum ^ w[0]) * 0x9e3779b97f4a7c15ull;
    r->sum = ((r->sum << 29 | r->sum >> 35) ^ w[1]) * 0xd6e8feb86659fd93ull;
    return true;
}

static unsigned length_of(const struct map_entry *m)
{
    return m->flags >> MAP_LENGTH;
}

// 0: it cannot be read.
static uint64_t sum_of(const struct jit_space *s, const struct block *b)
{
    struct reading r = {.space = s, .sum = 1};
    const struct map_entry *m = &s->jit->map[b->map];
    for (unsigned i = 0; i < b->insns; i++)
        if (!add_insn(&r, m[i].pc, length_of(&m[i]))) return 0;
    return r.sum;
}

static unsigned add_page(uint32_t *pages, unsigned n, uint32_t page)
{
    for (unsigned i = 0; i < n; i++)
        if (pages[i] == page) return n;
    if (n == TRACE_PAGES) return n;
    pages[n] = page;
    return n + 1;
}

// Where its instructions lie, always in this order.
static unsigned pages_of(const struct jit *j, const struct block *b, uint32_t pages[TRACE_PAGES])
{
    const struct map_entry *m = &j->map[b->map];
    unsigned n = 0;
    for (unsigned i = 0; i < b->insns; i++) {
        n = add_page(pages, n, m[i].pc >> PAGE_SHIFT);
        if (length_of(&m[i])) n = add_page(pages, n, (m[i].pc + length_of(&m[i]) - 1) >> PAGE_SHIFT);
    }
    return n;
}

static void note_unlisted(const struct jit *j, struct block *b, uint32_t page)
{
    uint32_t pages[TRACE_PAGES];
    unsigned n = pages_of(j, b, pages);
    for (unsigned i = 0; i < n; i++)
        if (pages[i] == page) b->unlisted |= (uint8_t)(1u << i);
}

void cache_bury(struct jit_space *s, uint32_t block, uint32_t page)
{
    struct jit *j = s->jit;
    struct block *b = &j->blocks[block];
    note_unlisted(j, b, page);
    if (b->dead) return;
    b->sum = sum_of(s, b);
    cache_kill(s, block);
    if (!b->sum) return;
    uint32_t *chain = chain_of(j, b->view, b->pc);
    b->incoming = *chain;
    *chain = block;
}

static void bring_back(struct jit_space *s, uint32_t block)
{
    struct jit *j = s->jit;
    struct block *b = &j->blocks[block];
    uint32_t pages[TRACE_PAGES], missing[TRACE_PAGES];
    unsigned n = pages_of(j, b, pages), k = 0;
    for (unsigned i = 0; i < n; i++)
        if (b->unlisted >> i & 1) missing[k++] = pages[i];
    b->dead = false;
    b->unlisted = 0;
    b->incoming = 0;
    cache_add(j, s, block, missing, k);
    j->stats.revived++;
}

uint32_t cache_revive(struct jit_space *s, uint32_t pc, unsigned r11)
{
    struct jit *j = s->jit;
    if (view_at(s, pc) != s->view || cache_is_full(j)) return 0;
    uint32_t *at = chain_of(j, s->view, pc);
    for (unsigned i = 0; *at && i < LOOKED_AT; i++) {
        uint32_t block = *at;
        struct block *b = &j->blocks[block];
        if (b->pc == pc && b->view == s->view && b->r11 == r11 && sum_of(s, b) == b->sum) {
            *at = b->incoming;
            bring_back(s, block);
            return block;
        }
        at = &b->incoming;
    }
    return 0;
}
