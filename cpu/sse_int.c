/* Integer arithmetic, logic and compares of MMX, SSE and AVX. One row of a table per operation; a and b are the
 * operands' elements. */
#include "cpu/sse.h"

SSE_INLINE int clamp(int v, int least, int most)
{
    return v < least ? least : v > most ? most : v;
}

SSE_INLINE int sat_s8(int v)
{
    return clamp(v, INT8_MIN, INT8_MAX);
}

SSE_INLINE int sat_u8(int v)
{
    return clamp(v, 0, UINT8_MAX);
}

SSE_INLINE int sat_s16(int v)
{
    return clamp(v, INT16_MIN, INT16_MAX);
}

SSE_INLINE int sat_u16(int v)
{
    return clamp(v, 0, UINT16_MAX);
}

/* ---- Element by element ---- */

/* name, element, result */
/* clang-format off */
#define LANE_OPS_BOTH(X)                                                                                               \
    X(PADDB, u8, a + b)                                                                                                \
    X(PADDW, u16, a + b)                                                                                               \
    X(PADDD, u32, a + b)                                                                                               \
    X(PADDQ, u64, a + b)                                                                                               \
    X(PSUBB, u8, a - b)                                                                                                \
    X(PSUBW, u16, a - b)                                                                                               \
    X(PSUBD, u32, a - b)                                                                                               \
    X(PSUBQ, u64, a - b)                                                                                               \
    X(PADDSB, s8, sat_s8(a + b))                                                                                       \
    X(PADDSW, s16, sat_s16(a + b))                                                                                     \
    X(PADDUSB, u8, sat_u8(a + b))                                                                                      \
    X(PADDUSW, u16, sat_u16(a + b))                                                                                    \
    X(PSUBSB, s8, sat_s8(a - b))                                                                                       \
    X(PSUBSW, s16, sat_s16(a - b))                                                                                     \
    X(PSUBUSB, u8, a > b ? a - b : 0)                                                                                  \
    X(PSUBUSW, u16, a > b ? a - b : 0)                                                                                 \
    X(PMINUB, u8, a < b ? a : b)                                                                                       \
    X(PMAXUB, u8, a > b ? a : b)                                                                                       \
    X(PMINSW, s16, a < b ? a : b)                                                                                      \
    X(PMAXSW, s16, a > b ? a : b)                                                                                      \
    X(PAVGB, u8, (a + b + 1) >> 1)                                                                                     \
    X(PAVGW, u16, (a + b + 1) >> 1)                                                                                    \
    X(PAND, u64, a & b)                                                                                                 \
    X(PANDN, u64, ~a & b)                                                                                               \
    X(POR, u64, a | b)                                                                                                 \
    X(PXOR, u64, a ^ b)                                                                                                \
    X(PCMPEQB, s8, a == b ? -1 : 0)                                                                                    \
    X(PCMPEQW, s16, a == b ? -1 : 0)                                                                                   \
    X(PCMPEQD, s32, a == b ? -1 : 0)                                                                                   \
    X(PCMPGTB, s8, a > b ? -1 : 0)                                                                                     \
    X(PCMPGTW, s16, a > b ? -1 : 0)                                                                                    \
    X(PCMPGTD, s32, a > b ? -1 : 0)                                                                                    \
    X(PMULLW, s16, a * b)                                                                                               \
    X(PMULHW, s16, a * b >> 16)                                                                                         \
    X(PMULHUW, u16, (uint32_t)a * b >> 16)                                                                              \
    X(PMULHRSW, s16, ((a * b >> 14) + 1) >> 1)                                                                         \
    X(PMULUDQ, u64, (uint64_t)(uint32_t)a * (uint32_t)b)                                                                \
    X(PSIGNB, s8, b < 0 ? -a : b ? a : 0)                                                                              \
    X(PSIGNW, s16, b < 0 ? -a : b ? a : 0)                                                                             \
    X(PSIGND, u32, (int32_t)b < 0 ? -a : b ? a : 0)

/* Of one source: a is not looked at. */
#define LANE_OPS_UNARY(X)                                                                                              \
    X(PABSB, s8, ((void)a, b < 0 ? -b : b))                                                                            \
    X(PABSW, s16, ((void)a, b < 0 ? -b : b))                                                                           \
    X(PABSD, u32, ((void)a, (int32_t)b < 0 ? -b : b))

#define LANE_OPS_XMM(X)                                                                                                \
    X(PMINSB, s8, a < b ? a : b)                                                                                       \
    X(PMAXSB, s8, a > b ? a : b)                                                                                       \
    X(PMINUW, u16, a < b ? a : b)                                                                                      \
    X(PMAXUW, u16, a > b ? a : b)                                                                                      \
    X(PMINSD, s32, a < b ? a : b)                                                                                      \
    X(PMAXSD, s32, a > b ? a : b)                                                                                      \
    X(PMINUD, u32, a < b ? a : b)                                                                                      \
    X(PMAXUD, u32, a > b ? a : b)                                                                                      \
    X(PMULLD, u32, a * b)                                                                                               \
    X(PMULDQ, s64, (int64_t)(int32_t)a * (int32_t)b)                                                                    \
    X(PCMPEQQ, s64, a == b ? -1 : 0)                                                                                   \
    X(PCMPGTQ, s64, a > b ? -1 : 0)
/* clang-format on */

#define LANE_FUNCTION(name, element, result)                                                                           \
    SSE_INLINE vx lane_##name(vx va, vx vb)                                                                            \
    {                                                                                                                  \
        union lanes x = {.v = va}, y = {.v = vb}, r;                                                                   \
        for (unsigned i = 0; i < LANES_OF(element); i++) {                                                             \
            __typeof__(x.element[0]) a = x.element[i], b = y.element[i];                                               \
            r.element[i] = (__typeof__(a))(result);                                                                    \
        }                                                                                                              \
        return r.v;                                                                                                    \
    }
LANE_OPS_BOTH(LANE_FUNCTION)
LANE_OPS_UNARY(LANE_FUNCTION)
LANE_OPS_XMM(LANE_FUNCTION)

#define LANE_FAST(name, element, result) VX_FAST(name, #name)
LANE_OPS_BOTH(LANE_FAST)
LANE_OPS_UNARY(LANE_FAST)
LANE_OPS_XMM(LANE_FAST)

#define LANE_XMM_ROW(name, element, result)   XMM_BINARY(name##_VdqWdq, fast_##name)
#define LANE_MMX_ROW(name, element, result)   MMX_BINARY(name##_PqQq, fast_##name)
#define LANE_VEX_ROW(name, element, result)   VEX_BINARY_FORMS(V##name##_VxHxWx, fast_##name)
#define LANE_VEX_UNARY(name, element, result) VEX_BINARY(V##name##_VxWx, fast_##name)
LANE_OPS_BOTH(LANE_XMM_ROW)
LANE_OPS_BOTH(LANE_MMX_ROW)
LANE_OPS_BOTH(LANE_VEX_ROW)
LANE_OPS_UNARY(LANE_XMM_ROW)
LANE_OPS_UNARY(LANE_MMX_ROW)
LANE_OPS_UNARY(LANE_VEX_UNARY)
LANE_OPS_XMM(LANE_XMM_ROW)
LANE_OPS_XMM(LANE_VEX_ROW)

/* In every string function of glibc. */
OP(PCMPEQB_VdqWdq_b)
{
    vx b = vx_load(cpu, in, ea_b_aligned(cpu, in));
    return xmm_done(cpu, in, fast_PCMPEQB(xmm(cpu, in->reg), b));
}

/* ---- Pairs of neighbours into one wider element: n results from element pairs p, q of a and b ---- */

SSE_INLINE vx lane_pmaddwd(vx va, vx vb)
{
    union lanes x = {.v = va}, y = {.v = vb}, r;
    for (unsigned i = 0; i < 4; i++) {
        int even = x.s16[2 * i] * y.s16[2 * i], odd = x.s16[2 * i + 1] * y.s16[2 * i + 1];
        r.u32[i] = (uint32_t)even + (uint32_t)odd; /* -32768 four times wraps to INT_MIN */
    }
    return r.v;
}

SSE_INLINE vx lane_pmaddubsw(vx va, vx vb)
{
    union lanes x = {.v = va}, y = {.v = vb}, r;
    for (unsigned i = 0; i < 8; i++) {
        r.s16[i] = (int16_t)sat_s16(x.u8[2 * i] * y.s8[2 * i] + x.u8[2 * i + 1] * y.s8[2 * i + 1]);
    }
    return r.v;
}

SSE_INLINE uint64_t distance8(const uint8_t *a, const uint8_t *b, unsigned n)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++) sum += (unsigned)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
    return sum;
}

SSE_INLINE vx lane_psadbw(vx va, vx vb)
{
    union lanes x = {.v = va}, y = {.v = vb};
    return (vx){distance8(x.u8, y.u8, 8), distance8(x.u8 + 8, y.u8 + 8, 8)};
}

VX_FAST(pmaddwd, "pmaddwd")
VX_FAST(pmaddubsw, "pmaddubsw")
VX_FAST(psadbw, "psadbw")
XMM_BINARY(PMADDWD_VdqWdq, fast_pmaddwd)
MMX_BINARY(PMADDWD_PqQq, fast_pmaddwd)
VEX_BINARY(VPMADDWD_VxHxWx, fast_pmaddwd)
XMM_BINARY(PMADDUBSW_VdqWdq, fast_pmaddubsw)
MMX_BINARY(PMADDUBSW_PqQq, fast_pmaddubsw)
VEX_BINARY(VPMADDUBSW_VxHxWx, fast_pmaddubsw)
XMM_BINARY(PSADBW_VdqWdq, fast_psadbw)
MMX_BINARY(PSADBW_PqQq, fast_psadbw)
VEX_BINARY(VPSADBW_VxHxWx, fast_psadbw)

/* ---- Horizontal: neighbours in a, then neighbours in b ---- */

/* name, element, result of an even element p and the odd one q above it */
#define HORIZONTAL_OPS(X)                                                                                              \
    X(PHADDW, u16, p + q)                                                                                              \
    X(PHADDD, u32, p + q)                                                                                              \
    X(PHADDSW, s16, sat_s16(p + q))                                                                                    \
    X(PHSUBW, u16, p - q)                                                                                              \
    X(PHSUBD, u32, p - q)                                                                                              \
    X(PHSUBSW, s16, sat_s16(p - q))

/* The MMX form's operands fill the halves of one vector, whose results fill the lower half. */
#define HORIZONTAL_FUNCTIONS(name, element, result)                                                                    \
    SSE_INLINE vx lane_##name(vx va, vx vb)                                                                            \
    {                                                                                                                  \
        union lanes x = {.v = va}, y = {.v = vb}, r;                                                                   \
        unsigned half = LANES_OF(element) / 2;                                                                         \
        for (unsigned i = 0; i < 2 * half; i++) {                                                                      \
            const union lanes *from = i < half ? &x : &y;                                                              \
            __typeof__(x.element[0]) p = from->element[2 * (i % half)], q = from->element[2 * (i % half) + 1];         \
            r.element[i] = (__typeof__(p))(result);                                                                    \
        }                                                                                                              \
        return r.v;                                                                                                    \
    }                                                                                                                  \
    VX_FAST(name, #name)                                                                                               \
    SSE_INLINE vx fast_mmx_##name(vx va, vx vb)                                                                        \
    {                                                                                                                  \
        return fast_##name((vx){va[0], vb[0]}, (vx){0, 0});                                                            \
    }
HORIZONTAL_OPS(HORIZONTAL_FUNCTIONS)

#define HORIZONTAL_ROWS(name, element, result)                                                                         \
    XMM_BINARY(name##_VdqWdq, fast_##name)                                                                             \
    MMX_BINARY(name##_PqQq, fast_mmx_##name)                                                                           \
    VEX_BINARY(V##name##_VxHxWx, fast_##name)
HORIZONTAL_OPS(HORIZONTAL_ROWS)

/* ---- SSE4 oddities ---- */

SSE_INLINE vx lane_phminposuw(vx va, vx vb)
{
    union lanes y = {.v = vb};
    unsigned at = 0;
    for (unsigned i = 1; i < 8; i++) {
        if (y.u16[i] < y.u16[at]) at = i;
    }
    (void)va;
    return vx_low(y.u16[at] | at << 16);
}
VX_FAST(phminposuw, "phminposuw")
XMM_BINARY(PHMINPOSUW_VdqWdq, fast_phminposuw)
VEX_BINARY(VPHMINPOSUW_VdqWdq, fast_phminposuw)

/* Distances of one block of four bytes in b (imm 1:0) from eight at successive bytes of a (imm 2). */
SSE_INLINE vx mpsadbw(vx va, vx vb, unsigned imm)
{
    union lanes x = {.v = va}, y = {.v = vb}, r;
    const uint8_t *a = x.u8 + (imm & 4), *b = y.u8 + 4 * (imm & 3);
    for (unsigned i = 0; i < 8; i++) r.u16[i] = (uint16_t)distance8(a + i, b, 4);
    return r.v;
}
XMM_IMM(MPSADBW_VdqWdqIb, mpsadbw)
VEX_IMM_HALVES(VMPSADBW_VxHxWxIb, mpsadbw, 3)

/* ZF: b & a is zero; CF: b & ~a is zero. OF, SF, AF and PF are cleared. */
SSE_INLINE const struct insn *ptest_done(struct cpu *cpu, const struct insn *in, vx both, vx rest)
{
    flags_set(cpu, ((both[0] | both[1]) ? 0 : FLAG_ZF) | ((rest[0] | rest[1]) ? 0 : FLAG_CF));
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *ptest(struct cpu *cpu, const struct insn *in, vx a, vx b)
{
    return ptest_done(cpu, in, a & b, ~a & b);
}

OP(PTEST_VdqWdq_r)
{
    return ptest(cpu, in, xmm(cpu, in->reg), xmm(cpu, in->rm));
}

OP(PTEST_VdqWdq_m)
{
    vx b = xmm_m128(cpu, in);
    return ptest(cpu, in, xmm(cpu, in->reg), b);
}

OP(VPTEST_VxWx)
{
    vy b = ymm_rm(cpu, in), a = ymm(cpu, in->reg);
    if (!is_256(in)) return ptest(cpu, in, a.lo, b.lo);
    return ptest_done(cpu, in, (a.lo & b.lo) | (a.hi & b.hi), (~a.lo & b.lo) | (~a.hi & b.hi));
}
