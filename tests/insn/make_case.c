// Random encodings: prefixes, ModRM, SIB, displacement and immediates of a row, with the registers of its memory
// operand set so that it falls where it is wanted. See test_case.h.
#include "test_case.h"
#include "arena.h"
#include <string.h>

enum { REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };
enum { FARTHEST = 0x7ffff000 }; // that an address relative to RIP, and one without registers, reaches

// An encoding being put together: the parts in their order.
struct pieces {
    uint8_t prefix[14];
    int prefixes;
    int rex; // -1: none
    uint8_t modrm, sib;
    bool has_sib;
    uint8_t disp_bytes;
    int64_t disp;
    bool rip_relative;
    uint8_t imm_bytes, imm2_bytes;
    uint64_t imm, imm2;
    bool jump; // imm is a target, stored relative to the end
    uint8_t vex_l, vvvv;
    bool vex_short; // the form of two bytes, where it can be
};

// Operand letters are capital and sizes small; constants like XMM0 are capital throughout.
static bool has_letter(const struct row *row, const char *letters)
{
    for (int i = 0; i < row->operand_count; i++)
        if (strchr(letters, row->operand[i][0]) && (row->operand[i][1] >= 'a' || !row->operand[i][1])) return true;
    return false;
}

static bool has_suffix(const struct row *row, const char *letters)
{
    for (int i = 0; i < row->operand_count; i++)
        if (row->operand[i][1] && !row->operand[i][2] && strchr(letters, row->operand[i][1])) return true;
    return false;
}

static void add_prefix(struct pieces *p, uint8_t byte)
{
    if (p->prefixes < (int)sizeof p->prefix) p->prefix[p->prefixes++] = byte;
}

// Segment overrides: the old four mean nothing, FS and GS add a base. The test gives bases below the arena, so that an
// address of 32 bits can reach it.
static void choose_segment(struct maker *m, struct pieces *p)
{
    static const uint8_t old[] = {0x26, 0x2e, 0x36, 0x3e};
    unsigned roll = rng_below(m->rng, 100);
    if (roll < 6) add_prefix(p, old[rng_below(m->rng, 4)]);
    if (roll < 5 || roll >= 15 || row_attr(m->row, "branch")) return;
    uint64_t base = (uint64_t)rng_below(m->rng, CODE_BASE - PAGE) + 1;
    bool fs = rng_next(m->rng) & 1;
    if (arena_is_named() && rng_percent(m->rng, 50)) base += arena_upper();
    add_prefix(p, fs ? 0x64 : 0x65);
    *(fs ? &m->c->in.fs_base : &m->c->in.gs_base) = base;
    if (!row_attr(m->row, "noseg")) m->seg_base = base;
}

static void choose_rep(struct maker *m, struct pieces *p)
{
    struct test_case *c = m->c;
    if (row_attr(m->row, "rep") || row_attr(m->row, "repz")) {
        c->rep = rng_percent(m->rng, 40);
        c->repne = !c->rep && rng_percent(m->rng, row_attr(m->row, "repz") ? 50 : 10);
    } else if (m->row->pp == PP_ANY && m->row->map == 1 && m->row->opcode != 0x90 && !c->lock &&
               rng_percent(m->rng, 3)) {
        add_prefix(p, rng_next(m->rng) & 1 ? 0xf2 : 0xf3); // without meaning
    }
    if (c->rep || c->repne) add_prefix(p, c->rep ? 0xf3 : 0xf2);
}

static void choose_rex(struct maker *m, struct pieces *p)
{
    int rex = 0;
    if (row_attr(m->row, "w1") || (!row_attr(m->row, "w0") && rng_percent(m->rng, has_suffix(m->row, "vy") ? 45 : 15)))
        rex |= REX_W;
    if (rng_percent(m->rng, 40)) rex |= REX_R;
    if (rng_percent(m->rng, 40)) rex |= REX_X;
    if (rng_percent(m->rng, 40) && !row_attr(m->row, "b0")) rex |= REX_B;
    p->rex = rex || rng_percent(m->rng, 40) ? 0x40 | rex : -1;
    if (p->rex >= 0 && rng_percent(m->rng, 15) && !row_attr(m->row, "w1") && !row_attr(m->row, "w0")) p->rex = -1;
}

// Which of two values a field of VEX has; both are tried where both are allowed.
static unsigned choose_of(struct maker *m, const bool allowed[2])
{
    return allowed[0] && allowed[1] ? rng_below(m->rng, 2) : allowed[1];
}

// VEX's fields. Now and then what it does not go with: 66, F2, F3 or REX before it, a vvvv without meaning. All are
// #UD.
static void choose_vex(struct maker *m, struct pieces *p)
{
    static const uint8_t refused[] = {0x66, 0xf2, 0xf3, 0x40, 0x48};
    const struct row *row = m->row;
    bool has_vvvv = has_letter(row, "HB");
    p->rex = 0x40 | (int)rng_below(m->rng, 8) | (choose_of(m, row->vex_w) ? REX_W : 0);
    if (rng_percent(m->rng, 25)) p->rex &= REX_R | 0x40 | (row->vex_w[0] ? 0 : REX_W); // so that the short form fits
    p->vex_l = (uint8_t)choose_of(m, row->vex_l);
    p->vex_short = rng_percent(m->rng, 70);
    if (has_vvvv || rng_percent(m->rng, 2)) p->vvvv = (uint8_t)rng_below(m->rng, 16);
    m->c->vvvv = has_vvvv ? p->vvvv : -1;
    m->c->vlen = p->vex_l && (row->by_length || !row->vex_l[0]) ? 32 : 16;
    if (rng_percent(m->rng, 2)) add_prefix(p, refused[rng_below(m->rng, sizeof refused)]);
    m->c->opsize = p->rex & REX_W ? 8 : 4;
}

// Prefixes without effect, up to what 15 bytes hold: old segments, those that stand there already, REX that is not
// last.
static void choose_padding(struct maker *m, struct pieces *p)
{
    static const uint8_t idle[] = {0x26, 0x2e, 0x36, 0x3e};
    uint8_t padding[sizeof p->prefix];
    int count = (int)rng_below(m->rng, 10), total = 0;
    if (!rng_percent(m->rng, 5) || row_attr(m->row, "branch")) return;
    for (int i = 0; i < count; i++) {
        unsigned roll = rng_below(m->rng, 100);
        padding[total++] = roll < 30                  ? (uint8_t)(0x40 | rng_below(m->rng, 16))
                           : roll < 60 && p->prefixes ? p->prefix[rng_below(m->rng, (unsigned)p->prefixes)]
                                                      : idle[rng_below(m->rng, 4)];
    }
    if (p->prefixes == 0) padding[total++] = 0x2e; // no REX before the opcode
    if (total + p->prefixes > (int)sizeof p->prefix) return;
    memmove(p->prefix + total, p->prefix, (size_t)p->prefixes);
    memcpy(p->prefix, padding, (size_t)total);
    p->prefixes += total;
}

static void choose_prefixes(struct maker *m, struct pieces *p, bool memory)
{
    struct test_case *c = m->c;
    const struct row *row = m->row;
    bool sized = has_suffix(row, "vz"), repeats = row->pp == 0xf2 || row->pp == 0xf3; // CRC32, LZCNT: 66 goes with them
    bool opsize16 =
        (row->pp == PP_ANY || (repeats && sized)) && rng_percent(m->rng, sized || row_attr(row, "d64") ? 25 : 3);
    if (has_letter(row, "J") || (row_attr(row, "branch") && row_attr(row, "f64")))
        opsize16 = false; // Intel and AMD differ
    c->lock = memory && row_attr(row, "lock") ? rng_percent(m->rng, 25) : rng_percent(m->rng, 1);
    c->addr32 = rng_percent(m->rng, memory || has_letter(row, "XY") ? 12 : 3);
    if (opsize16) add_prefix(p, 0x66);
    if (c->addr32) add_prefix(p, 0x67);
    if (c->lock) add_prefix(p, 0xf0);
    choose_segment(m, p);
    choose_rep(m, p);
    for (int i = p->prefixes - 1; i > 0; i--) { // any order
        unsigned k = rng_below(m->rng, (unsigned)i + 1);
        uint8_t t = p->prefix[i];
        p->prefix[i] = p->prefix[k], p->prefix[k] = t;
    }
    choose_padding(m, p);
    if (row->vex) {
        choose_vex(m, p);
        return;
    }
    if (row->pp != PP_ANY && row->pp != PP_NONE) add_prefix(p, (uint8_t)row->pp);
    if (row->pp == 0x66 && sized) opsize16 = true; // MOVBE, RDRAND: besides being their own
    choose_rex(m, p);
    bool wide = p->rex >= 0 && (p->rex & REX_W);
    c->opsize = wide || row_attr(row, "f64") ? 8 : opsize16 ? 2 : row_attr(row, "d64") ? 8 : 4;
}

// parts: a vector's length by this, when positive.
static unsigned suffix_bytes(const char *suffix, const struct test_case *c)
{
    static const struct {
        const char *suffix;
        unsigned bytes, parts;
    } sizes[] = {{"b", 1, 0},  {"w", 2, 0},  {"d", 4, 0},  {"q", 8, 0},  {"dq", 16, 0}, {"qq", 32, 0},
                 {"ss", 4, 0}, {"sd", 8, 0}, {"t", 10, 0}, {"bs", 1, 0}, {"x", 0, 1},   {"ps", 0, 1},
                 {"pd", 0, 1}, {"xh", 0, 2}, {"xq", 0, 4}, {"xe", 0, 8}};
    if (!strcmp(suffix, "v")) return c->opsize;
    if (!strcmp(suffix, "z")) return c->opsize == 2 ? 2 : 4;
    if (!strcmp(suffix, "y")) return c->opsize == 8 ? 8 : 4;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!strcmp(suffix, sizes[i].suffix)) return sizes[i].parts ? c->vlen / sizes[i].parts : sizes[i].bytes;
    return 0;
}

static unsigned memory_bytes(const struct row *row, const struct test_case *c)
{
    unsigned opsize = c->opsize;
    if (row_is(row, "fxsave fxrstor fxsave64 fxrstor64")) return 512;
    if (row_is(row, "xsave xsaveopt xsavec xrstor")) return XSAVE_IMAGE_BYTES;
    if (row_is(row, "fnsave frstor")) return opsize == 2 ? 94 : 108;
    if (row_is(row, "fnstenv fldenv")) return opsize == 2 ? 14 : 28;
    if (row_is(row, "cmpxchg16b")) return 16;
    if (row_is(row, "cmpxchg8b")) return 8;
    if (row_is(row, "jmpf callf lss lfs lgs")) return opsize + 2;
    if (row_is(row, "clflush")) return 1;
    for (int i = 0; i < row->operand_count; i++) {
        if (!strchr("EMWQOXY", row->operand[i][0])) continue;
        unsigned bytes = suffix_bytes(row->operand[i] + 1, c);
        if (bytes) return bytes;
    }
    return 16;
}

// 1/(1 + 2^scale) modulo 2^64, for an operand whose base is its index too.
static uint64_t inverse(uint64_t odd)
{
    uint64_t x = odd;
    for (int i = 0; i < 6; i++) x *= 2 - odd * x;
    return x;
}

static uint64_t high_garbage(struct maker *m, uint64_t v)
{
    return m->c->addr32 ? (v & 0xffffffff) | rng_next(m->rng) << 32 : v;
}

static void set_disp(struct pieces *p, unsigned bytes, int64_t disp)
{
    p->disp_bytes = (uint8_t)bytes;
    p->disp = bytes == 1 ? (int8_t)disp : (int32_t)disp;
    if (bytes) p->modrm |= bytes == 1 ? 0x40 : 0x80;
}

static void set_registers(struct pieces *p, unsigned base, int index, unsigned scale)
{
    if (base & 8) p->rex |= REX_B;
    if (index >= 0 && index & 8) p->rex |= REX_X;
    p->has_sib = index >= 0 || (base & 7) == GPR_RSP;
    p->modrm |= p->has_sib ? 4 : base & 7;
    p->sib = (uint8_t)(scale << 6 | (index >= 0 ? index & 7 : 4) << 3 | (base & 7));
}

static uint64_t index_part(const struct maker *m, int index, unsigned scale)
{
    return index >= 0 ? m->c->in.gpr[index] << scale : 0;
}

// Whether the displacement reaches the target from these registers as they are.
static bool reaches(const struct maker *m, uint64_t target, unsigned base, int index, unsigned scale)
{
    uint64_t disp = target - m->c->in.gpr[base] - index_part(m, index, scale);
    return m->c->addr32 || disp == (uint64_t)(int64_t)(int32_t)disp;
}

static void absolute_operand(struct pieces *p, uint64_t target)
{
    if (p->rex >= 0) p->rex &= ~REX_X;
    p->modrm |= 4;
    p->has_sib = true;
    p->sib = 0x25;
    p->disp_bytes = 4, p->disp = (int32_t)target;
}

// base + index << scale + disp == target. The base register takes up the difference, or the displacement when the base
// must not change.
static void base_operand(struct maker *m, struct pieces *p, uint64_t target)
{
    uint64_t *gpr = m->c->in.gpr;
    unsigned base, scale, registers = p->rex >= 0 ? 16 : 8;
    int index, tries = 0;
    bool keep;
    do {
        if (tries++ == 100) return absolute_operand(p, target);
        base = rng_below(m->rng, registers), scale = rng_below(m->rng, 4);
        index = rng_percent(m->rng, 50) ? (int)rng_below(m->rng, registers) : -1;
        keep = m->fixed >> base & 1;
        if (index == GPR_RSP || (keep && index == (int)base)) index = -1;
        if (index == (int)base && scale == 0) scale = 1 + rng_below(m->rng, 3);
        if (keep && index >= 0 && !(m->fixed >> index & 1))
            gpr[index] = high_garbage(m, (uint64_t)(int64_t)(int16_t)rng_next(m->rng));
    } while (keep && !reaches(m, target, base, index, scale));
    if (p->rex >= 0) p->rex &= ~(REX_B | REX_X);
    set_registers(p, base, index, scale);
    if (keep) {
        set_disp(p, 4, (int64_t)(target - gpr[base] - index_part(m, index, scale)));
        return;
    }
    bool needs_disp = (base & 7) == GPR_RBP;
    unsigned size = needs_disp ? 1 + rng_below(m->rng, 2) : rng_below(m->rng, 3);
    set_disp(p, (unsigned[]){0, 1, 4}[size], (int64_t)rng_next(m->rng));
    uint64_t v = target - (uint64_t)(p->disp_bytes ? p->disp : 0);
    if (index == (int)base)
        v *= inverse(1 + (1ull << scale));
    else
        v -= index_part(m, index, scale);
    gpr[base] = high_garbage(m, v);
}

// index << scale + disp32, without a base.
static void index_operand(struct maker *m, struct pieces *p, uint64_t target)
{
    unsigned scale = rng_below(m->rng, 4), index = rng_below(m->rng, p->rex >= 0 ? 16 : 8);
    if (index == GPR_RSP || m->fixed >> index & 1) index = GPR_RBX;
    if (m->fixed >> index & 1) index = GPR_RAX;
    int64_t disp = (int32_t)((rng_next(m->rng) & ~7ull) + (target & 7));
    if (p->rex >= 0) p->rex &= ~(REX_X | REX_B);
    if (index & 8) p->rex |= REX_X;
    p->modrm |= 4;
    p->has_sib = true;
    p->sib = (uint8_t)(scale << 6 | (index & 7) << 3 | 5);
    p->disp_bytes = 4, p->disp = disp;
    uint64_t v = (target - (uint64_t)disp) >> scale;
    if (m->c->addr32) v = ((target - (uint64_t)disp) & 0xffffffff) >> scale;
    m->c->in.gpr[index] = scale ? v | rng_next(m->rng) << (m->c->addr32 ? 32 - scale : 64 - scale) : high_garbage(m, v);
}

// Locked accesses across a cache line are slowed down by Linux to 10 ms or refused ("split lock"), where the host can
// tell.
static void unsplit_lock(struct test_case *c)
{
    bool locked = c->lock || row_is(c->row, "xchg");
    if (locked && c->mem / 64 != (c->mem + c->mem_bytes - 1) / 64) c->mem &= ~(uint64_t)(c->mem_bytes - 1);
}

static void memory_operand(struct maker *m, struct pieces *p)
{
    struct test_case *c = m->c;
    c->has_mem = true;
    c->mem =
        pick_data(m, c->mem_bytes, row_attr(m->row, "aligned") || c->mem_bytes == 512 || row_is(m->row, "cmpxchg16b"));
    if (c->mem_bytes == XSAVE_IMAGE_BYTES && rng_percent(m->rng, 90)) c->mem &= ~63ull;
    unsplit_lock(c);
    uint64_t target = c->mem - m->seg_base;
    unsigned roll = rng_below(m->rng, 100);
    if (!c->addr32 && target >= FARTHEST && roll < 20) roll += 20; // not without registers
    if (roll < 12)
        p->modrm |= 5, p->disp_bytes = 4, p->rip_relative = true, p->disp = (int64_t)target;
    else if (roll < 20)
        absolute_operand(p, target);
    else if (roll < 30)
        index_operand(m, p, target);
    else
        base_operand(m, p, target);
}

static void gather_operand(struct maker *m, struct pieces *p)
{
    struct vsib v = make_gather(m);
    p->rex = (p->rex & ~(REX_B | REX_X)) | (v.base >= 0 && v.base & 8 ? REX_B : 0) | (v.index & 8 ? REX_X : 0);
    p->modrm |= 4;
    p->has_sib = true;
    p->sib = (uint8_t)(v.scale << 6 | (v.index & 7) << 3 | (v.base >= 0 ? v.base & 7 : 5));
    if (v.base >= 0)
        set_disp(p, v.disp_bytes, v.disp);
    else
        p->disp_bytes = 4, p->disp = v.disp;
}

static void choose_modrm(struct maker *m, struct pieces *p, bool memory)
{
    const struct row *row = m->row;
    struct test_case *c = m->c;
    unsigned reg = row->digit >= 0 ? (unsigned)row->digit : rng_below(m->rng, 8);
    if (row->modrm >= 0) {
        p->modrm = (uint8_t)row->modrm;
        return;
    }
    p->modrm = (uint8_t)(reg << 3);
    c->modrm_reg = row->digit >= 0 ? -1 : (int)(reg | (p->rex >= 0 && p->rex & REX_R ? 8 : 0));
    if (memory) return;
    unsigned rm = rng_below(m->rng, 8);
    if (row_attr(row, "branch") && rm == GPR_RSP && !(p->rex >= 0 && p->rex & REX_B)) rm = GPR_RAX;
    p->modrm |= (uint8_t)(0xc0 | rm);
    c->modrm_rm = (int)(rm | (p->rex >= 0 && p->rex & REX_B ? 8 : 0));
}

static uint64_t random_imm(struct maker *m, unsigned bytes)
{
    return bytes == 1 && rng_percent(m->rng, 70) ? rng_next(m->rng) : random_int(m->rng);
}

static void choose_immediates(struct maker *m, struct pieces *p)
{
    struct test_case *c = m->c;
    for (int i = 0; i < m->row->operand_count; i++) {
        const char *operand = m->row->operand[i];
        unsigned bytes = operand[0] == 'L' ? 1 : suffix_bytes(operand + 1, c);
        if (strchr("IL", operand[0]) && p->imm_bytes)
            p->imm2_bytes = (uint8_t)bytes, p->imm2 = random_imm(m, bytes);
        else if (strchr("IL", operand[0]))
            p->imm_bytes = (uint8_t)bytes, p->imm = random_imm(m, bytes);
        if (operand[0] == 'J') p->imm_bytes = operand[1] == 'b' ? 1 : 4, p->jump = true, p->imm = pick_code_target(m);
        if (operand[0] != 'O') continue;
        c->has_mem = true;
        c->mem = pick_data(m, c->mem_bytes, false);
        p->imm_bytes = c->addr32 ? 4 : 8;
        p->imm = c->mem - m->seg_base;
    }
    if (row_is(m->row, "int") && (p->imm & 0xff) == 0x80) p->imm = 0x81; // would be a system call of the host
}

static void put(struct test_case *c, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) c->bytes[c->len++] = (uint8_t)(v >> 8 * i);
}

static void put_maps(struct test_case *c, const struct row *row, const struct pieces *p)
{
    if (p->rex >= 0) put(c, (uint64_t)p->rex, 1);
    if (row->map > 1) put(c, 0x0f, 1);
    if (row->map > 2) put(c, row->map == 3 ? 0x38 : 0x3a, 1);
}

// SDM vol. 2, figure 2-9.
static void put_vex(struct test_case *c, const struct row *row, const struct pieces *p)
{
    unsigned pp = row->pp == 0x66 ? 1 : row->pp == 0xf3 ? 2 : row->pp == 0xf2 ? 3 : 0;
    unsigned last = (unsigned)(~p->vvvv & 15) << 3 | (unsigned)p->vex_l << 2 | pp;
    if (p->vex_short && row->map == 2 && !(p->rex & (REX_W | REX_X | REX_B))) {
        put(c, 0xc5, 1);
        put(c, last | (p->rex & REX_R ? 0 : 0x80), 1);
        return;
    }
    put(c, 0xc4, 1);
    put(c, (unsigned)(~p->rex & 7) << 5 | (unsigned)(row->map - 1), 1);
    put(c, last | (p->rex & REX_W ? 0x80 : 0), 1);
}

static bool assemble(struct test_case *c, const struct row *row, struct pieces *p)
{
    c->len = 0;
    for (int i = 0; i < p->prefixes; i++) put(c, p->prefix[i], 1);
    if (row->vex)
        put_vex(c, row, p);
    else
        put_maps(c, row, p);
    put(c, row->opcode | (row->plus_r ? (unsigned)c->modrm_rm & 7 : 0), 1);
    if (row->has_modrm) put(c, p->modrm, 1);
    if (p->has_sib) put(c, p->sib, 1);
    uint64_t end = c->in.rip + c->len + p->disp_bytes + p->imm_bytes + p->imm2_bytes;
    put(c, p->rip_relative ? (uint64_t)p->disp - end : (uint64_t)p->disp, p->disp_bytes);
    if (p->jump && p->imm_bytes == 1) { // into reach, and not into the instruction itself
        int8_t near = (int8_t)p->imm;
        p->imm = end + (uint64_t)(int64_t)(near >= -16 && near < 0 ? near - 20 : near);
    }
    put(c, p->jump ? p->imm - end : p->imm, p->imm_bytes);
    put(c, p->imm2, p->imm2_bytes);
    c->imm = p->imm;
    return c->len <= 15;
}

static void choose_plus_r(struct maker *m, const struct pieces *p)
{
    if (m->row->plus_r) m->c->modrm_rm = (int)(rng_below(m->rng, 8) | (p->rex >= 0 && p->rex & REX_B ? 8 : 0));
    if (m->row->plus_r && row_attr(m->row, "b0") && m->c->modrm_rm == 0) m->c->modrm_rm = 1;
}

static bool try_case(struct maker *m)
{
    struct test_case *c = m->c;
    struct pieces p = {.rex = -1};
    const struct row *row = m->row;
    *c = (struct test_case){.row = row, .modrm_reg = -1, .modrm_rm = -1, .vvvv = -1, .vlen = 16};
    m->fixed = 0;
    m->seg_base = 0;
    make_state(m);
    bool memory = row->has_modrm && row->modrm < 0 &&
                  (row->mod == MOD_MEMORY || (row->mod == MOD_ANY && rng_percent(m->rng, 50)));
    choose_prefixes(m, &p, memory);
    c->mem_bytes = memory_bytes(row, c);
    if (row->has_modrm) choose_modrm(m, &p, memory);
    choose_plus_r(m, &p);
    choose_immediates(m, &p);
    fixup_registers(m);
    if (memory) (row_attr(row, "vsib") ? gather_operand : memory_operand)(m, &p);
    if (c->has_mem) fill_data(m, c->mem - 16, c->mem_bytes + 32, row_flavour(m));
    fixup_memory(m);
    return assemble(c, row, &p);
}

void make_case(struct test_case *c, const struct row *row, struct rng *rng, struct data_image *data)
{
    struct maker m = {.c = c, .row = row, .rng = rng, .data = data};
    while (!try_case(&m)) {
    }
}
