// Memory images of the x87 state: FNSTENV, FNSAVE (SDM volume 1, figures 8-9 to 8-12) and FXSAVE (table 10-2).
#include "cpu/fpu.h"
#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static unsigned get16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static void put32(uint8_t *p, uint64_t v)
{
    put16(p, (unsigned)v & 0xffff);
    put16(p + 2, (unsigned)(v >> 16) & 0xffff);
}

static uint64_t get32(const uint8_t *p)
{
    return get16(p) | (uint64_t)get16(p + 2) << 16;
}

// ---- FNSTENV, FLDENV ----

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned tag_of(struct f80 v)
{
    switch (fpu_class(v)) {
    case FSW_C2:
        return TAG_VALID;
    case FSW_C3:
        return TAG_ZERO;
    default:
        return TAG_SPECIAL;
    }
}

// The two-bit tags are worked out of the registers' contents, as the hardware does since it keeps abridged ones.
static unsigned tag_word(const struct fpu *f)
{
    unsigned word = 0;
    for (unsigned r = 0; r < 8; r++) {
        unsigned tag = f->tag >> r & 1 ? tag_of(f->st[r]) : TAG_EMPTY;
        word |= tag << (2 * r);
    }
    return word;
}

static uint8_t abridged(unsigned word)
{
    unsigned tag = 0;
    for (unsigned r = 0; r < 8; r++)
        if ((word >> (2 * r) & 3) != TAG_EMPTY) tag |= 1u << r;
    return (uint8_t)tag;
}

// Protected-mode formats. The selectors are 0; unused halves are written as ones.
void fpu_write_env(const struct fpu *f, uint8_t *to, bool wide)
{
    unsigned step = wide ? 4 : 2;
    memset(to, 0xff, wide ? FPU_ENV32_BYTES : FPU_ENV16_BYTES);
    put16(to, f->cw);
    put16(to + step, f->sw);
    put16(to + 2 * step, tag_word(f));
    if (wide) {
        put32(to + 12, f->fip);
        put32(to + 16, (uint64_t)f->fop << 16);
        put32(to + 20, f->fdp);
        put16(to + 24, 0);
    } else {
        put16(to + 6, f->fip & 0xffff);
        put16(to + 8, 0);
        put16(to + 10, f->fdp & 0xffff);
        put16(to + 12, 0);
    }
}

void fpu_read_env(struct fpu *f, const uint8_t *from, bool wide)
{
    unsigned step = wide ? 4 : 2;
    f->sw = (uint16_t)get16(from + step);
    f->tag = abridged(get16(from + 2 * step));
    fpu_set_cw(f, (uint16_t)get16(from));
    if (wide) {
        f->fip = get32(from + 12);
        f->fop = get16(from + 18) & 0x7ff;
        f->fdp = get32(from + 20);
    } else {
        f->fip = get16(from + 6);
        f->fop = 0;
        f->fdp = get16(from + 10);
    }
}

// ---- the registers, ST(0) first ----

static void put_reg(uint8_t *to, struct f80 v)
{
    put32(to, v.frac);
    put32(to + 4, v.frac >> 32);
    put16(to + 8, v.se);
}

static struct f80 get_reg(const uint8_t *from)
{
    return (struct f80){.frac = get32(from) | get32(from + 4) << 32, .se = (uint16_t)get16(from + 8)};
}

void fpu_write_regs(const struct fpu *f, uint8_t to[80])
{
    for (unsigned i = 0; i < 8; i++) put_reg(to + 10 * i, fpu_get(f, i));
}

void fpu_read_regs(struct fpu *f, const uint8_t from[80])
{
    for (unsigned i = 0; i < 8; i++) f->st[fpu_phys(f, i)] = get_reg(from + 10 * i);
}

// ---- FXSAVE, FXRSTOR ----

enum {
    FX_CW = 0,
    FX_SW = 2,
    FX_TAG = 4,
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FDP = 16,
    FX_MXCSR = 24,
    FX_MASK = 28,
    FX_ST = 32,
    FX_XMM = 160
};
enum { MXCSR_MASK = 0xffff };

void fpu_fxsave(const struct cpu *cpu, uint8_t image[FXSAVE_BYTES], bool wide)
{
    const struct fpu *f = &cpu->fpu;
    put16(image + FX_CW, f->cw);
    put16(image + FX_SW, f->sw);
    put16(image + FX_TAG, f->tag);
    put16(image + FX_FOP, f->fop);
    put32(image + FX_FIP, f->fip);
    put32(image + FX_FIP + 4, wide ? f->fip >> 32 : 0);
    put32(image + FX_FDP, f->fdp);
    put32(image + FX_FDP + 4, wide ? f->fdp >> 32 : 0);
    put32(image + FX_MXCSR, cpu->mxcsr);
    put32(image + FX_MASK, MXCSR_MASK);
    for (unsigned i = 0; i < 8; i++) {
        memset(image + FX_ST + 16 * i, 0, 16);
        put_reg(image + FX_ST + 16 * i, fpu_get(f, i));
    }
    for (unsigned i = 0; i < 16; i++) memcpy(image + FX_XMM + 16 * i, cpu->v[i].u8, 16);
}

bool fpu_fxrstor(struct cpu *cpu, const uint8_t image[FXSAVE_BYTES], bool wide)
{
    struct fpu *f = &cpu->fpu;
    uint64_t mxcsr = get32(image + FX_MXCSR);
    if (mxcsr & ~(uint64_t)MXCSR_MASK) return false;
    cpu->mxcsr = (uint32_t)mxcsr;
    f->sw = (uint16_t)get16(image + FX_SW);
    f->tag = image[FX_TAG];
    fpu_set_cw(f, (uint16_t)get16(image + FX_CW));
    f->fop = get16(image + FX_FOP) & 0x7ff;
    f->fip = get32(image + FX_FIP) | (wide ? get32(image + FX_FIP + 4) << 32 : 0);
    f->fdp = get32(image + FX_FDP) | (wide ? get32(image + FX_FDP + 4) << 32 : 0);
    for (unsigned i = 0; i < 8; i++) f->st[fpu_phys(f, i)] = get_reg(image + FX_ST + 16 * i);
    for (unsigned i = 0; i < 16; i++) memcpy(cpu->v[i].u8, image + FX_XMM + 16 * i, 16);
    return true;
}
