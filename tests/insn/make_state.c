// Random machine states and data memory for test cases. See test_case.h.
#include "test_case.h"
#include "arena.h"
#include <string.h>

enum { MXCSR_MASKS = 0x1f80, FCW_ALL_MASKED = 0x3f };

void data_randomize(struct data_image *d, struct rng *r)
{
    for (unsigned at = 0; at < DATA_BYTES; at += 64) {
        struct float_style style = random_style(r); // not as arguments: compilers evaluate those in orders of their own
        enum flavour flavour = (enum flavour)rng_below(r, FLAVOURS);
        random_fill(r, style, flavour, d->byte + at, 64);
    }
}

static uint64_t page_start(unsigned page)
{
    return data_base + page * PAGE;
}

// Across the start of the page, so that at least one byte lies on each side.
static uint64_t across(struct rng *r, unsigned page, unsigned bytes)
{
    return page_start(page) - (bytes > 1 ? 1 + rng_below(r, bytes - 1) : 0);
}

static uint64_t inside(struct rng *r, unsigned page, unsigned bytes)
{
    unsigned room = PAGE - (bytes < PAGE ? bytes : PAGE - 1), offset = rng_below(r, room);
    if (rng_percent(r, 60)) offset &= ~15u;
    return page_start(page) + offset;
}

uint64_t pick_data(struct maker *m, unsigned bytes, bool aligned)
{
    static const uint8_t writable[] = {DATA_RW0, DATA_RW1, DATA_RW2, DATA_RW3};
    struct rng *r = m->rng;
    unsigned roll = rng_below(r, 100);
    uint64_t at = inside(r, writable[rng_below(r, 4)], bytes);
    if (roll >= 90) {
        static const uint8_t edges[] = {DATA_RW0, DATA_RO, DATA_RW2, DATA_HOLE, DATA_HOLE, DATA_RW3, DATA_PAGES};
        at = across(r, edges[rng_below(r, sizeof edges)], bytes);
    } else if (roll >= 83) {
        at = across(r, DATA_RW1, bytes);
    } else if (roll >= 79) {
        at = inside(r, DATA_RO, bytes);
    } else if (roll >= 77) {
        at = inside(r, DATA_HOLE, bytes);
    }
    return aligned && rng_percent(r, 90) ? at & ~(bytes == 32 ? 31ull : 15ull) : at;
}

// For a stack: of memory with a name mostly by the lower half alone, as a guest's stack is where the translator runs.
uint64_t pick_stack(struct maker *m, unsigned bytes)
{
    uint64_t at = pick_data(m, bytes, false);
    return arena_is_named() && rng_percent(m->rng, 85) ? arena_low(at) : at;
}

// Somewhere the instruction may go on: INT3 bytes, sometimes a page that cannot be executed. Never into the instruction
// itself.
uint32_t pick_code_target(struct maker *m)
{
    uint32_t rip = (uint32_t)m->c->in.rip, at;
    if (rng_percent(m->rng, 10))
        return rng_percent(m->rng, 50) ? arena_low(page_start(DATA_RW0)) + rng_below(m->rng, PAGE)
                                       : 0x30000000 + rng_below(m->rng, 1 << 28);
    do at = CODE_BASE + rng_below(m->rng, CODE_PAGES * PAGE);
    while (at + 32 > rip && at < rip + 32);
    return at;
}

void write_data(struct maker *m, uint64_t addr, const void *from, unsigned bytes)
{
    if (addr >> 32 == 0) addr += arena_upper();
    if (addr < data_base) {
        unsigned skip = data_base - addr < bytes ? (unsigned)(data_base - addr) : bytes;
        addr += skip, from = (const uint8_t *)from + skip, bytes -= skip;
    }
    if (addr >= data_base + DATA_BYTES) return;
    if (bytes > data_base + DATA_BYTES - addr) bytes = (unsigned)(data_base + DATA_BYTES - addr);
    if (bytes) memcpy(m->data->byte + (addr - data_base), from, bytes);
}

void fill_data(struct maker *m, uint64_t addr, unsigned bytes, enum flavour flavour)
{
    uint8_t buffer[1024];
    if (bytes > sizeof buffer) bytes = sizeof buffer;
    random_fill(m->rng, m->style, flavour, buffer, bytes);
    write_data(m, addr, buffer, bytes);
}

bool row_is_x87(const struct row *row)
{
    return row->map == 1 && row->opcode >= 0xd8 && row->opcode <= 0xdf;
}

bool row_uses_mmx(const struct row *row)
{
    for (int i = 0; i < row->operand_count; i++)
        if (strchr("PQN", row->operand[i][0])) return true;
    return false;
}

static enum flavour x87_flavour(struct maker *m)
{
    const char *mnemonic = m->row->mnemonic, *suffix = "";
    for (int i = 0; i < m->row->operand_count; i++)
        if (strchr("EM", m->row->operand[i][0])) suffix = m->row->operand[i] + 1;
    if (!strncmp(mnemonic, "fb", 2)) return BYTES_BCD;
    if (!strncmp(mnemonic, "fi", 2)) return *suffix == 'w' ? BYTES_INT16 : *suffix == 'q' ? BYTES_INT64 : BYTES_INT32;
    return *suffix == 'd' ? BYTES_F32 : *suffix == 'q' ? BYTES_F64 : *suffix == 't' ? BYTES_F80 : BYTES_RANDOM;
}

// VADDPS as ADDPS: what the two have in common need not be said twice.
static const char *legacy_name(const struct row *row)
{
    return row->mnemonic + (row->vex && row->mnemonic[0] == 'v');
}

// The source of a conversion, from its name: CVTTPS2PI, CVTSI2SD, ...
static enum flavour conversion_flavour(struct maker *m)
{
    const char *mnemonic = legacy_name(m->row);
    const char *from = mnemonic + 3 + (mnemonic[3] == 't');
    if (!strncmp(from, "ps", 2) || !strncmp(from, "ss", 2)) return BYTES_F32;
    if (!strncmp(from, "pd", 2) || !strncmp(from, "sd", 2)) return BYTES_F64;
    return (enum flavour)rng_below(m->rng, BYTES_F32);
}

enum flavour row_flavour(struct maker *m)
{
    const struct row *row = m->row;
    if (row_is_x87(row)) return x87_flavour(m);
    const char *name = legacy_name(row);
    if (!strncmp(name, "cvt", 3)) return conversion_flavour(m);
    if (!strncmp(name, "pcmpestr", 8) || !strncmp(name, "pcmpistr", 8)) return BYTES_TEXT;
    for (int i = 0; i < row->operand_count; i++) {
        const char *suffix = row->operand[i] + 1;
        if (!strcmp(suffix, "ps") || !strcmp(suffix, "ss")) return BYTES_F32;
        if (!strcmp(suffix, "pd") || !strcmp(suffix, "sd")) return BYTES_F64;
    }
    return (enum flavour)rng_below(m->rng, BYTES_F32);
}

static void make_gprs(struct maker *m)
{
    struct machine *in = &m->c->in;
    for (int i = 0; i < GPR_COUNT; i++) in->gpr[i] = random_int(m->rng);
    if (rng_percent(m->rng, 15)) {
        unsigned to = rng_below(m->rng, GPR_COUNT);
        in->gpr[to] = in->gpr[rng_below(m->rng, GPR_COUNT)];
    }
    for (int i = 0; rng_percent(m->rng, 30) && i < 4; i++) {
        uint64_t at = pick_data(m, 16, false);
        in->gpr[rng_below(m->rng, GPR_COUNT)] = at;
    }
    in->gpr[GPR_RSP] = pick_stack(m, 8);
    if (rng_percent(m->rng, 90)) in->gpr[GPR_RSP] &= ~7ull;
    in->eflags = (rng_next(m->rng) & 0x8d5) | (rng_percent(m->rng, 15) ? 0x400 : 0) | 2;
}

static uint32_t make_mxcsr(struct maker *m)
{
    uint32_t v = (uint32_t)rng_next(m->rng) & 0xffff;
    if (rng_percent(m->rng, 40)) return MXCSR_MASKS;
    if (rng_percent(m->rng, 75)) v |= MXCSR_MASKS;
    if (rng_percent(m->rng, 50)) v &= ~0x8040u; // FTZ and DAZ
    return v;
}

static uint16_t make_fcw(struct maker *m)
{
    static const uint16_t precision[] = {0x300, 0x300, 0x200, 0x000};
    uint16_t v = 0x40 | precision[rng_below(m->rng, 4)];
    if (rng_percent(m->rng, 40)) return 0x37f;
    v |= (uint16_t)(rng_below(m->rng, 4) << 10);
    v |= rng_percent(m->rng, 70) ? FCW_ALL_MASKED : (uint16_t)rng_below(m->rng, 64);
    if (rng_percent(m->rng, 2)) v = (v & ~0x300) | 0x100; // the reserved precision
    if (rng_percent(m->rng, 2)) v |= 0x1000;
    return v;
}

// Sticky exception flags; those that are not masked would make the next instruction fault, so mostly none of them.
static uint16_t make_fsw(struct maker *m, uint16_t fcw)
{
    uint16_t flags = rng_percent(m->rng, 30) ? (uint16_t)rng_below(m->rng, 128) : 0,
             pending = flags & ~fcw & FCW_ALL_MASKED;
    if (pending && rng_percent(m->rng, 80)) flags &= (uint16_t)~pending, pending = 0;
    uint16_t v = (uint16_t)(rng_below(m->rng, 8) << 11 | (rng_next(m->rng) & 0x4700) | flags);
    return pending ? v | 0x8080 : v;
}

static void make_st(struct maker *m, struct fx_image *fx)
{
    bool mmx = row_uses_mmx(m->row) || rng_percent(m->rng, 5);
    for (int i = 0; i < 8; i++) {
        random_f80(m->rng, m->style, &fx->st[i].frac, &fx->st[i].se);
        if (!mmx) continue;
        enum flavour flavour =
            rng_percent(m->rng, 70) ? row_flavour(m) : (enum flavour)rng_below(m->rng, BYTES_F64 + 1);
        random_fill(m->rng, m->style, flavour, &fx->st[i].frac, 8);
        if (rng_percent(m->rng, 80)) fx->st[i].se = 0xffff;
    }
}

void make_fx(struct maker *m, struct fx_image *fx)
{
    memset(fx, 0, sizeof *fx);
    fx->mxcsr = make_mxcsr(m);
    fx->mxcsr_mask = 0xffff;
    fx->fcw = make_fcw(m);
    fx->fsw = make_fsw(m, fx->fcw);
    fx->ftw = rng_percent(m->rng, 60) ? 0xff : (uint8_t)(rng_next(m->rng) & rng_next(m->rng));
    make_st(m, fx);
    for (int i = 0; i < 16; i++) {
        enum flavour flavour = rng_percent(m->rng, 75) ? row_flavour(m) : (enum flavour)rng_below(m->rng, FLAVOURS);
        random_fill(m->rng, m->style, flavour, fx->xmm[i], 16);
        if (i && rng_percent(m->rng, 10)) memcpy(fx->xmm[i], fx->xmm[rng_below(m->rng, (unsigned)i)], 16);
    }
}

static void make_ymm(struct maker *m, struct machine *in)
{
    for (int i = 0; i < 16; i++) {
        enum flavour flavour = rng_percent(m->rng, 75) ? row_flavour(m) : (enum flavour)rng_below(m->rng, FLAVOURS);
        random_fill(m->rng, m->style, flavour, in->ymm_high[i], 16);
        if (rng_percent(m->rng, 20)) memcpy(in->ymm_high[i], in->fx.xmm[i], 16);
    }
}

// Mostly anywhere between INT3 bytes; sometimes up to the end of the last page, or over it.
static uint32_t pick_rip(struct maker *m)
{
    uint32_t end = CODE_BASE + CODE_PAGES * PAGE;
    if (!row_attr(m->row, "branch") && rng_percent(m->rng, 2)) return end - 1 - rng_below(m->rng, 8);
    if (rng_percent(m->rng, 5)) return CODE_BASE + PAGE - 1 - rng_below(m->rng, 10);
    return CODE_BASE + 256 + rng_below(m->rng, CODE_PAGES * PAGE - 512);
}

void make_state(struct maker *m)
{
    m->style = random_style(m->rng);
    make_gprs(m);
    make_fx(m, &m->c->in.fx);
    make_ymm(m, &m->c->in);
    m->c->in.fs_base = m->c->in.gs_base = 0;
    m->c->in.rip = pick_rip(m);
}
