// The memory operand of gathers, VSIB: a vector of indexes, each of which leads to data pages of its own, now and then
// to one that cannot be read, and a mask. See test_case.h.
#include "test_case.h"
#include "arena.h"
#include <string.h>

struct shape_of_gather {
    unsigned index_bytes, bytes, count; // of an index, of an element, elements
};

static void put_element(struct machine *in, unsigned reg, unsigned i, unsigned bytes, uint64_t v)
{
    unsigned at = i * bytes;
    uint8_t *half = (uint8_t *)(at < 16 ? in->fx.xmm[reg] : in->ymm_high[reg]);
    memcpy(half + at % 16, &v, bytes);
}

// VPGATHERDQ: an index of 32 bits, an element of 64.
static struct shape_of_gather shape_of_row(const struct maker *m)
{
    struct shape_of_gather s = {.bytes = m->c->mem_bytes};
    s.index_bytes = *(strstr(m->row->mnemonic, "gather") + 6) == 'd' ? 4 : 8;
    s.count = m->c->vlen / (s.bytes > s.index_bytes ? s.bytes : s.index_bytes);
    return s;
}

// Only an element's sign counts.
static void make_mask(struct maker *m, const struct shape_of_gather *s)
{
    static const unsigned percents[] = {100, 100, 80, 50, 50, 0};
    unsigned percent = percents[rng_below(m->rng, 6)];
    for (unsigned i = 0; i < s->count; i++) {
        uint64_t v = rng_percent(m->rng, 50) ? rng_next(m->rng) : 0, sign = 1ull << (8 * s->bytes - 1);
        put_element(&m->c->in, (unsigned)m->c->vvvv, i, s->bytes, rng_percent(m->rng, percent) ? v | sign : v & ~sign);
    }
}

// Mostly none of the other two operands: that is #UD.
static unsigned choose_index(struct maker *m)
{
    unsigned index;
    do index = rng_below(m->rng, 16);
    while (((int)index == m->c->modrm_reg || (int)index == m->c->vvvv) && rng_percent(m->rng, 95));
    return index;
}

// The index of the first element, from which the others are near.
static int64_t first_index(struct maker *m, const struct shape_of_gather *s)
{
    int64_t v = (int64_t)(rng_percent(m->rng, 50) ? random_int(m->rng) : rng_next(m->rng));
    return s->index_bytes == 8 ? v : (int32_t)v / 2; // so that it is sign-extended, and the others have 32 bits too
}

// What the indexes are added to, so that the first leads to target.
static uint64_t choose_origin(struct maker *m, const struct shape_of_gather *s, struct vsib *v, uint64_t target)
{
    bool far = arena_is_named() && s->index_bytes == 4; // where no index of 32 bits leads
    v->base = rng_percent(m->rng, 80) || far ? (int)rng_below(m->rng, GPR_COUNT) : -1;
    unsigned disp_kind = rng_below(m->rng, 3);
    if ((v->base & 7) == GPR_RBP && disp_kind == 0) disp_kind = 1;
    v->disp_bytes = v->base < 0 ? 4 : (unsigned[]){0, 1, 4}[disp_kind];
    do v->disp = v->disp_bytes == 1 ? (int8_t)rng_next(m->rng) : v->disp_bytes ? (int32_t)rng_next(m->rng) : 0;
    while (v->base < 0 && v->disp < -(1 << 30)); // or an index of 32 bits does not reach
    if (v->base < 0) return (uint64_t)v->disp;
    uint64_t *gpr = &m->c->in.gpr[v->base];
    *gpr = target - (uint64_t)v->disp - ((uint64_t)first_index(m, s) << v->scale);
    if (m->c->addr32) *gpr = (uint32_t)*gpr | rng_next(m->rng) << 32;
    return *gpr + (uint64_t)v->disp;
}

// With bits that do not count above those that do: shifted out, or cut off by an address of 32 bits.
static uint64_t index_to(struct maker *m, const struct vsib *v, uint64_t distance)
{
    unsigned counting = (m->c->addr32 ? 32 : 64) - v->scale;
    int64_t index = (m->c->addr32 ? (int32_t)distance : (int64_t)distance) >> v->scale;
    return ((uint64_t)index & ~0ull >> (64 - counting)) | (counting < 64 ? rng_next(m->rng) << counting : 0);
}

struct vsib make_gather(struct maker *m)
{
    struct test_case *c = m->c;
    struct shape_of_gather s = shape_of_row(m);
    struct vsib v = {.scale = rng_below(m->rng, 4)};
    uint64_t target = pick_data(m, s.bytes, false) - m->seg_base, origin = choose_origin(m, &s, &v, target);
    v.index = choose_index(m);
    make_mask(m, &s);
    c->has_mem = true;
    c->mem = target + m->seg_base;
    for (unsigned i = 0; i < s.count; i++) {
        uint64_t index = index_to(m, &v, target - origin);
        put_element(&c->in, v.index, i, s.index_bytes, index);
        if (rng_percent(m->rng, 90)) target = pick_data(m, s.bytes, false) - m->seg_base;
    }
    return v;
}
