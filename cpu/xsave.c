// The images of XSAVE and its relatives. See xsave.h.
#include "cpu/xsave.h"
#include <string.h>

enum { PART_X87, PART_MXCSR, PART_ST, PART_XMM, PART_YMM, PART_XSTATE_BV, PART_XCOMP_BV };

const struct xsave_part xsave_parts[XSAVE_PARTS] = {
    [PART_X87] = {0, 24},    [PART_MXCSR] = {24, 8},      [PART_ST] = {32, 128},      [PART_XMM] = {160, 256},
    [PART_YMM] = {576, 256}, [PART_XSTATE_BV] = {512, 8}, [PART_XCOMP_BV] = {520, 8},
};
enum { MXCSR_INIT = 0x1f80, COMPACTED_BIT = 63 };
#define COMPACTED (1ull << COMPACTED_BIT)

static bool zero(const void *at, size_t bytes)
{
    const uint8_t *p = at;
    return p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0;
}

static bool x87_in_use(const struct fpu *f)
{
    uint64_t any = f->sw | f->tag | f->fop | f->fip | f->fdp;
    for (unsigned i = 0; i < 8; i++) any |= f->st[i].frac | f->st[i].se;
    return any || f->cw != FCW_INIT;
}

uint64_t fpu_in_use(const struct cpu *cpu)
{
    uint64_t low = 0, high = 0;
    for (unsigned i = 0; i < 16; i++) {
        low |= cpu->v[i].u64[0] | cpu->v[i].u64[1];
        high |= cpu->v[i].u64[2] | cpu->v[i].u64[3];
    }
    return (x87_in_use(&cpu->fpu) ? XSTATE_X87 : 0u) | (low ? XSTATE_SSE : 0u) | (high ? XSTATE_AVX : 0u);
}

uint64_t fpu_in_use_mxcsr(const struct cpu *cpu)
{
    return fpu_in_use(cpu) | (cpu->mxcsr != MXCSR_INIT ? XSTATE_SSE : 0u);
}

static uint64_t header(const uint8_t image[XSAVE_BYTES], unsigned part)
{
    uint64_t v;
    memcpy(&v, image + xsave_parts[part].at, sizeof v);
    return v;
}

// ---- saving ----

static void whole_image(const struct cpu *cpu, uint8_t image[XSAVE_BYTES], bool wide)
{
    memset(image, 0, XSAVE_BYTES);
    fpu_fxsave(cpu, image, wide);
    for (unsigned i = 0; i < 16; i++) memcpy(image + XSAVE_AVX + 16 * i, cpu->v[i].u8 + 16, 16);
}

// The standard formats store MXCSR with AVX too, in use or not (SDM vol. 1, 13.7 and 13.9); XSAVEC with SSE.
static unsigned parts_of(uint64_t saved, uint64_t components, enum xsave_kind kind)
{
    unsigned parts = 1u << PART_XSTATE_BV;
    if (kind == XSAVE_COMPACTED) parts |= 1u << PART_XCOMP_BV;
    if (saved & XSTATE_X87) parts |= 1u << PART_X87 | 1u << PART_ST;
    if (saved & XSTATE_SSE) parts |= 1u << PART_XMM;
    if (saved & XSTATE_AVX) parts |= 1u << PART_YMM;
    if (kind == XSAVE_COMPACTED ? saved & XSTATE_SSE : components & (XSTATE_SSE | XSTATE_AVX))
        parts |= 1u << PART_MXCSR;
    return parts;
}

unsigned fpu_xsave(const struct cpu *cpu, uint8_t image[XSAVE_BYTES], uint64_t components, enum xsave_kind kind,
                   bool wide)
{
    uint8_t now[XSAVE_BYTES];
    uint64_t used = components & (kind == XSAVE_COMPACTED ? fpu_in_use_mxcsr(cpu) : fpu_in_use(cpu));
    uint64_t bv = kind == XSAVE_COMPACTED ? used : (header(image, PART_XSTATE_BV) & ~components) | used;
    uint64_t xcomp = COMPACTED | components;
    unsigned parts = parts_of(kind == XSAVE_STANDARD ? components : used, components, kind);
    whole_image(cpu, now, wide);
    memcpy(now + xsave_parts[PART_XSTATE_BV].at, &bv, sizeof bv);
    memcpy(now + xsave_parts[PART_XCOMP_BV].at, &xcomp, sizeof xcomp);
    for (unsigned i = 0; i < XSAVE_PARTS; i++)
        if (parts >> i & 1) memcpy(image + xsave_parts[i].at, now + xsave_parts[i].at, xsave_parts[i].bytes);
    return parts;
}

struct xsave_extent fpu_xsave_extent(uint64_t components, enum xsave_kind kind)
{
    uint64_t with_mxcsr = kind == XSAVE_COMPACTED ? XSTATE_SSE : XSTATE_SSE | XSTATE_AVX;
    uint16_t first = components & XSTATE_X87   ? xsave_parts[PART_X87].at
                     : components & with_mxcsr ? xsave_parts[PART_MXCSR].at
                                               : XSAVE_HEADER;
    return (struct xsave_extent){first, components & XSTATE_AVX ? XSAVE_BYTES - 1 : XSAVE_AVX - 1};
}

// ---- restoring ----

// SDM vol. 1, 13.8: bits of unknown components, and what the header reserves.
static bool unknown_components(uint64_t components)
{
    return components & ~(uint64_t)XCR0;
}

static bool header_ok(const uint8_t image[XSAVE_BYTES])
{
    uint64_t bv = header(image, PART_XSTATE_BV), xcomp = header(image, PART_XCOMP_BV);
    if (!(xcomp & COMPACTED)) return !unknown_components(bv) && zero(image + XSAVE_HEADER + 8, 16);
    return !unknown_components(xcomp & ~COMPACTED) && !(bv & ~(xcomp & ~COMPACTED)) &&
           zero(image + XSAVE_HEADER + 16, XSAVE_HEADER_BYTES - 16);
}

// In the standard format MXCSR is loaded with SSE or AVX, whether the header has them or not.
static bool loads_mxcsr(const uint8_t image[XSAVE_BYTES], uint64_t components)
{
    if (header(image, PART_XCOMP_BV) & COMPACTED) return components & header(image, PART_XSTATE_BV) & XSTATE_SSE;
    return components & (XSTATE_SSE | XSTATE_AVX);
}

bool fpu_xrstor_extent(const uint8_t image[XSAVE_BYTES], uint64_t components, struct xsave_extent *extent)
{
    uint64_t xcomp = header(image, PART_XCOMP_BV);
    if (!(xcomp & COMPACTED)) {
        *extent = fpu_xsave_extent(components, XSAVE_STANDARD);
        return true;
    }
    *extent = fpu_xsave_extent(components & xcomp, XSAVE_COMPACTED);
    return !unknown_components(xcomp & ~COMPACTED);
}

// What of the part the image has, or its initial state.
static void take_part(uint8_t now[XSAVE_BYTES], const uint8_t image[XSAVE_BYTES], unsigned part, bool present)
{
    uint16_t at = xsave_parts[part].at, bytes = xsave_parts[part].bytes;
    if (present)
        memcpy(now + at, image + at, bytes);
    else
        memset(now + at, 0, bytes);
}

static void take_components(uint8_t now[XSAVE_BYTES], const uint8_t image[XSAVE_BYTES], uint64_t components)
{
    uint64_t bv = header(image, PART_XSTATE_BV);
    if (components & XSTATE_X87) {
        take_part(now, image, PART_X87, bv & XSTATE_X87);
        take_part(now, image, PART_ST, bv & XSTATE_X87);
        if (!(bv & XSTATE_X87)) memcpy(now, &(uint16_t){FCW_INIT}, 2);
    }
    if (components & XSTATE_SSE) take_part(now, image, PART_XMM, bv & XSTATE_SSE);
    if (components & XSTATE_AVX) take_part(now, image, PART_YMM, bv & XSTATE_AVX);
    if (loads_mxcsr(image, components))
        take_part(now, image, PART_MXCSR, true);
    else if (components & XSTATE_SSE)
        memcpy(now + xsave_parts[PART_MXCSR].at, &(uint32_t){MXCSR_INIT}, 4);
}

bool fpu_xrstor(struct cpu *cpu, const uint8_t image[XSAVE_BYTES], uint64_t components, bool wide)
{
    enum { FIP_HIGH = 12, FDP_HIGH = 20 };
    uint8_t now[XSAVE_BYTES];
    if (!header_ok(image)) return false;
    whole_image(cpu, now, true);
    take_components(now, image, components);
    if (!wide && components & XSTATE_X87) memset(now + FIP_HIGH, 0, 4), memset(now + FDP_HIGH, 0, 4);
    if (!fpu_fxrstor(cpu, now, true)) return false;
    for (unsigned i = 0; i < 16; i++) memcpy(cpu->v[i].u8 + 16, now + XSAVE_AVX + 16 * i, 16);
    return true;
}
