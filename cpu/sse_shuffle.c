/* Moving elements about: interleaves, packs, shuffles, blends, widening moves. Inserts and extracts: sse_insert.c;
 * across the middle of 256 bits: sse_avx_move.c. */
#include "cpu/sse.h"

/* ---- Interleaves: elements of a and b in turn, from their low or high halves ---- */

#define UNPACK_OPS_BOTH(X) X(BW, u8) X(WD, u16) X(DQ, u32)

#define UNPACK_FUNCTION(name, mnemonic, element, first)                                                                \
    SSE_INLINE vx lane_##name(vx va, vx vb)                                                                            \
    {                                                                                                                  \
        union lanes x = {.v = va}, y = {.v = vb}, r;                                                                   \
        for (unsigned i = 0; i < LANES_OF(element) / 2; i++) {                                                         \
            r.element[2 * i] = x.element[(first) + i];                                                                 \
            r.element[2 * i + 1] = y.element[(first) + i];                                                             \
        }                                                                                                              \
        return r.v;                                                                                                    \
    }                                                                                                                  \
    VX_FAST(name, mnemonic)

/* Interleaving the low halves of vectors that hold MMX operands gives both MMX results: the low one below, the high one
 * above. */
#define UNPACK_ROWS(kind, element)                                                                                     \
    UNPACK_FUNCTION(PUNPCKL##kind, "punpckl" #kind, element, 0)                                                        \
    UNPACK_FUNCTION(PUNPCKH##kind, "punpckh" #kind, element, LANES_OF(element) / 2)                                    \
    SSE_INLINE vx fast_mmx_PUNPCKH##kind(vx va, vx vb)                                                                 \
    {                                                                                                                  \
        return vx_low(fast_PUNPCKL##kind(va, vb)[1]);                                                                  \
    }                                                                                                                  \
    XMM_BINARY(PUNPCKL##kind##_VdqWdq, fast_PUNPCKL##kind)                                                             \
    XMM_BINARY(PUNPCKH##kind##_VdqWdq, fast_PUNPCKH##kind)                                                             \
    MMX_BINARY(PUNPCKH##kind##_PqQq, fast_mmx_PUNPCKH##kind)                                                           \
    VEX_BINARY(VPUNPCKL##kind##_VxHxWx, fast_PUNPCKL##kind)                                                            \
    VEX_BINARY(VPUNPCKH##kind##_VxHxWx, fast_PUNPCKH##kind)                                                            \
    OP(PUNPCKL##kind##_PqQd_r)                                                                                         \
    {                                                                                                                  \
        return mmx_binary_r(cpu, in, fast_PUNPCKL##kind);                                                              \
    }                                                                                                                  \
    OP(PUNPCKL##kind##_PqQd_m)                                                                                         \
    {                                                                                                                  \
        mmx_check(cpu, in);                                                                                            \
        vx b = xmm_m32(cpu, in);                                                                                       \
        return mmx_done(cpu, in, in->reg, fast_PUNPCKL##kind(vx_low(mm(cpu, in->reg)), b)[0]);                         \
    }
UNPACK_OPS_BOTH(UNPACK_ROWS)

UNPACK_FUNCTION(unpack_low_32, "unpcklps", u32, 0)
UNPACK_FUNCTION(unpack_high_32, "unpckhps", u32, 2)
UNPACK_FUNCTION(unpack_low_64, "punpcklqdq", u64, 0)
UNPACK_FUNCTION(unpack_high_64, "punpckhqdq", u64, 1)
XMM_BINARY(PUNPCKLQDQ_VdqWdq, fast_unpack_low_64)
XMM_BINARY(PUNPCKHQDQ_VdqWdq, fast_unpack_high_64)
XMM_BINARY(UNPCKLPS_VpsWps, fast_unpack_low_32)
XMM_BINARY(UNPCKHPS_VpsWps, fast_unpack_high_32)
XMM_BINARY(UNPCKLPD_VpdWpd, fast_unpack_low_64)
XMM_BINARY(UNPCKHPD_VpdWpd, fast_unpack_high_64)
VEX_BINARY(VPUNPCKLQDQ_VxHxWx, fast_unpack_low_64)
VEX_BINARY(VPUNPCKHQDQ_VxHxWx, fast_unpack_high_64)
VEX_BINARY(VUNPCKLPS_VpsHpsWps, fast_unpack_low_32)
VEX_BINARY(VUNPCKHPS_VpsHpsWps, fast_unpack_high_32)
VEX_BINARY(VUNPCKLPD_VpdHpdWpd, fast_unpack_low_64)
VEX_BINARY(VUNPCKHPD_VpdHpdWpd, fast_unpack_high_64)

/* ---- Packs: the elements of a, then those of b, saturated to half their width ---- */

/* name, from, to, least, most */
#define PACK_OPS_BOTH(X)                                                                                               \
    X(PACKSSWB, s16, s8, INT8_MIN, INT8_MAX)                                                                           \
    X(PACKUSWB, s16, u8, 0, UINT8_MAX)                                                                                 \
    X(PACKSSDW, s32, s16, INT16_MIN, INT16_MAX)
#define PACK_OPS_XMM(X) X(PACKUSDW, s32, u16, 0, UINT16_MAX)

#define PACK_FUNCTION(name, from, to, least, most)                                                                     \
    SSE_INLINE vx lane_##name(vx va, vx vb)                                                                            \
    {                                                                                                                  \
        union lanes x = {.v = va}, y = {.v = vb}, r;                                                                   \
        for (unsigned i = 0; i < LANES_OF(from); i++) {                                                                \
            __typeof__(x.from[0]) a = x.from[i], b = y.from[i];                                                        \
            r.to[i] = (__typeof__(r.to[0]))(a < (least) ? (least) : a > (most) ? (most) : a);                          \
            r.to[LANES_OF(from) + i] = (__typeof__(r.to[0]))(b < (least) ? (least) : b > (most) ? (most) : b);         \
        }                                                                                                              \
        return r.v;                                                                                                    \
    }                                                                                                                  \
    VX_FAST(name, #name)                                                                                               \
    XMM_BINARY(name##_VdqWdq, fast_##name)                                                                             \
    VEX_BINARY(V##name##_VxHxWx, fast_##name)
#define PACK_MMX_ROW(name, from, to, least, most)                                                                      \
    SSE_INLINE vx fast_mmx_##name(vx va, vx vb)                                                                        \
    {                                                                                                                  \
        return fast_##name((vx){va[0], vb[0]}, (vx){0, 0});                                                            \
    }                                                                                                                  \
    MMX_BINARY(name##_PqQq, fast_mmx_##name)
PACK_OPS_BOTH(PACK_FUNCTION)
PACK_OPS_XMM(PACK_FUNCTION)
PACK_OPS_BOTH(PACK_MMX_ROW)

/* ---- Shuffles by immediate ---- */

/* The results are put together in general registers: a vector of elements just stored would have to wait for the
 * stores. */
SSE_INLINE uint64_t two_dwords(uint32_t low, uint32_t high)
{
    return low | (uint64_t)high << 32;
}

SSE_INLINE vx pshufd(vx va, vx vb, unsigned imm)
{
    union lanes y = {.v = vb};
    (void)va;
    return (vx){two_dwords(y.u32[imm & 3], y.u32[imm >> 2 & 3]), two_dwords(y.u32[imm >> 4 & 3], y.u32[imm >> 6 & 3])};
}

/* Four words of one quadword. */
SSE_INLINE uint64_t shuffle_words(uint64_t v, unsigned imm)
{
    uint64_t r = 0;
    for (unsigned i = 0; i < 4; i++) r |= (v >> 16 * (imm >> 2 * i & 3) & 0xffff) << 16 * i;
    return r;
}

SSE_INLINE vx pshufhw(vx va, vx vb, unsigned imm)
{
    (void)va;
    return (vx){vb[0], shuffle_words(vb[1], imm)};
}

/* PSHUFW's too: the upper half is not used then. */
SSE_INLINE vx pshuflw(vx va, vx vb, unsigned imm)
{
    (void)va;
    return (vx){shuffle_words(vb[0], imm), vb[1]};
}

SSE_INLINE vx shufps(vx va, vx vb, unsigned imm)
{
    union lanes x = {.v = va}, y = {.v = vb};
    return (vx){two_dwords(x.u32[imm & 3], x.u32[imm >> 2 & 3]), two_dwords(y.u32[imm >> 4 & 3], y.u32[imm >> 6 & 3])};
}

SSE_INLINE vx shufpd(vx va, vx vb, unsigned imm)
{
    return (vx){imm & 1 ? va[1] : va[0], imm & 2 ? vb[1] : vb[0]};
}

XMM_IMM(PSHUFD_VdqWdqIb, pshufd)
XMM_IMM(PSHUFHW_VdqWdqIb, pshufhw)
XMM_IMM(PSHUFLW_VdqWdqIb, pshuflw)
MMX_IMM(PSHUFW_PqQqIb, pshuflw)
XMM_IMM(SHUFPS_VpsWpsIb, shufps)
XMM_IMM(SHUFPD_VpdWpdIb, shufpd)
VEX_IMM(VPSHUFD_VxWxIb, pshufd)
VEX_IMM(VPSHUFHW_VxWxIb, pshufhw)
VEX_IMM(VPSHUFLW_VxWxIb, pshuflw)
VEX_IMM(VSHUFPS_VpsHpsWpsIb, shufps)
VEX_IMM_HALVES(VSHUFPD_VpdHpdWpdIb, shufpd, 2)

/* ---- Bytes: b and a concatenated, from byte imm on ---- */

SSE_INLINE vx palignr(vx va, vx vb, unsigned imm)
{
    unsigned n = 8 * (imm & 15);
    if (imm >= 32) return (vx){0, 0};
    if (imm >= 16) return vx_from(vx_whole(va) >> n);
    return n ? vx_from(vx_whole(vb) >> n | vx_whole(va) << (128 - n)) : vb;
}

SSE_INLINE vx palignr_mmx(vx va, vx vb, unsigned imm)
{
    return palignr((vx){0, 0}, (vx){vb[0], va[0]}, imm);
}

XMM_IMM(PALIGNR_VdqWdqIb, palignr)
MMX_IMM(PALIGNR_PqQqIb, palignr_mmx)
VEX_IMM(VPALIGNR_VxHxWxIb, palignr)

/* ---- Bytes of a as each byte of b says; zero when its top bit is set ---- */

SSE_INLINE vx lane_pshufb(vx va, vx vb)
{
    union lanes x = {.v = va}, y = {.v = vb}, r;
    for (unsigned i = 0; i < 16; i++) r.u8[i] = y.s8[i] < 0 ? 0 : x.u8[y.u8[i] & 15];
    return r.v;
}

VX_FAST(pshufb, "pshufb")

/* With a doubled, bit 3 of an index does not matter. */
SSE_INLINE vx pshufb_mmx(vx va, vx vb)
{
    return fast_pshufb((vx){va[0], va[0]}, vb);
}

XMM_BINARY(PSHUFB_VdqWdq, fast_pshufb)
MMX_BINARY(PSHUFB_PqQq, pshufb_mmx)
VEX_BINARY(VPSHUFB_VxHxWx, fast_pshufb)

/* ---- Duplicates ---- */

SSE_INLINE vx movsldup(vx va, vx vb)
{
    vx low = vb & 0xffffffff;
    (void)va;
    return low | low << 32;
}

SSE_INLINE vx movshdup(vx va, vx vb)
{
    vx high = vb >> 32;
    (void)va;
    return high | high << 32;
}

XMM_BINARY(MOVSLDUP_VpsWps, movsldup)
XMM_BINARY(MOVSHDUP_VpsWps, movshdup)
VEX_BINARY(VMOVSLDUP_VpsWps, movsldup)
VEX_BINARY(VMOVSHDUP_VpsWps, movshdup)

SSE_INLINE vx movddup(vx va, vx vb)
{
    (void)va;
    return (vx){vb[0], vb[0]};
}

OP(MOVDDUP_VpdWq_r)
{
    return xmm_done(cpu, in, movddup((vx){0, 0}, xmm(cpu, in->rm)));
}

OP(MOVDDUP_VpdWq_m)
{
    return xmm_done(cpu, in, movddup((vx){0, 0}, xmm_m64(cpu, in)));
}

/* Of 128 bits it reads half of them, of 256 all. */
OP(VMOVDDUP_VpdWq)
{
    vx b = is_mem(in) ? xmm_m64(cpu, in) : xmm(cpu, in->rm);
    return vex_done(cpu, in, movddup((vx){0, 0}, b));
}

VEX_BINARY(VMOVDDUP_VpdWpd, movddup)

/* ---- Blends ---- */

/* b where the mask has ones. */
SSE_INLINE vx select_by(vx mask, vx va, vx vb)
{
    return (vb & mask) | (va & ~mask);
}

/* Four words of ones for the low four bits: the product has bit i at 16 * i. */
SSE_INLINE uint64_t word_mask(unsigned bits)
{
    return ((bits & 15) * 0x0000200040008001u & 0x0001000100010001u) * 0xffff;
}

SSE_INLINE uint64_t dword_mask(unsigned bits)
{
    return two_dwords(bits & 1 ? UINT32_MAX : 0, bits & 2 ? UINT32_MAX : 0);
}

SSE_INLINE vx pblendw(vx va, vx vb, unsigned imm)
{
    return select_by((vx){word_mask(imm), word_mask(imm >> 4)}, va, vb);
}

SSE_INLINE vx blendps(vx va, vx vb, unsigned imm)
{
    return select_by((vx){dword_mask(imm), dword_mask(imm >> 2)}, va, vb);
}

SSE_INLINE vx blendpd(vx va, vx vb, unsigned imm)
{
    return (vx){imm & 1 ? vb[0] : va[0], imm & 2 ? vb[1] : va[1]};
}

XMM_IMM(PBLENDW_VdqWdqIb, pblendw)
XMM_IMM(BLENDPS_VpsWpsIb, blendps)
XMM_IMM(BLENDPD_VpdWpdIb, blendpd)
VEX_IMM(VPBLENDW_VxHxWxIb, pblendw)
VEX_IMM_HALVES(VBLENDPS_VpsHpsWpsIb, blendps, 4)
VEX_IMM_HALVES(VBLENDPD_VpdHpdWpdIb, blendpd, 2)
VEX_IMM_HALVES(VPBLENDD_VxHxWxIb, blendps, 4)

/* Elements of b where a third vector's are negative. */
typedef vx vx_ternary_fn(vx a, vx b, vx c);

/* The third is the register that the immediate byte's high half names. */
SSE_INLINE const struct insn *vex_ternary(struct cpu *cpu, const struct insn *in, vx_ternary_fn *f)
{
    vy a = ymm(cpu, in->vvvv), b = ymm_rm(cpu, in), c = ymm(cpu, in->imm >> 4 & 15);
    return vex_done_y(cpu, in, (vy){f(a.lo, b.lo, c.lo), f(a.hi, b.hi, c.hi)});
}

/* Before AVX it is xmm0. */
#define BLENDV_OPS(X)                                                                                                  \
    X(PBLENDVB_VdqWdq, VPBLENDVB_VxHxWxLx, int8_t)                                                                     \
    X(BLENDVPS_VpsWps, VBLENDVPS_VpsHpsWpsLx, int32_t)                                                                 \
    X(BLENDVPD_VpdWpd, VBLENDVPD_VpdHpdWpdLx, int64_t)
#define BLENDV_ROWS(row, vex_row, element)                                                                             \
    SSE_INLINE vx blendv_##element(vx va, vx vb, vx mask)                                                              \
    {                                                                                                                  \
        typedef element elements __attribute__((vector_size(16)));                                                     \
        return select_by((vx)((elements)mask < 0), va, vb);                                                            \
    }                                                                                                                  \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return xmm_done(cpu, in, blendv_##element(xmm(cpu, in->reg), xmm(cpu, in->rm), xmm(cpu, 0)));                  \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        vx b = xmm_m128(cpu, in);                                                                                      \
        return xmm_done(cpu, in, blendv_##element(xmm(cpu, in->reg), b, xmm(cpu, 0)));                                 \
    }                                                                                                                  \
    OP(vex_row)                                                                                                        \
    {                                                                                                                  \
        return vex_ternary(cpu, in, blendv_##element);                                                                 \
    }
BLENDV_OPS(BLENDV_ROWS)

/* ---- Widening moves ---- */

SSE_INLINE vx xmm_m128_unaligned(struct cpu *cpu, const struct insn *in)
{
    return vx_load(cpu, in, ea(cpu, in));
}

typedef vx vx_fetch_fn(struct cpu *cpu, const struct insn *in);

/* The elements become `ratio` times as wide: the high half's are behind the first 16 / ratio bytes. */
SSE_INLINE const struct insn *vex_widen(struct cpu *cpu, const struct insn *in, vx_binary_fn *f, unsigned ratio,
                                        vx_fetch_fn *fetch_128, vx_fetch_fn *fetch_256)
{
    vx none = {0, 0}, b = !is_mem(in) ? xmm(cpu, in->rm) : is_256(in) ? fetch_256(cpu, in) : fetch_128(cpu, in);
    vx above = vx_low(ratio == 2 ? b[1] : b[0] >> (128 / ratio & 63));
    return vex_done_y(cpu, in, (vy){f(none, b), f(none, above)});
}

/* name, from, to, SSE's operand and its fetch, AVX's operand and its fetch for 256 bits */
#define WIDEN_OPS(X)                                                                                                   \
    X(PMOVSXBW, s8, s16, Wq, xmm_m64, Wxh, xmm_m128_unaligned)                                                         \
    X(PMOVSXBD, s8, s32, Wd, xmm_m32, Wxq, xmm_m64)                                                                    \
    X(PMOVSXBQ, s8, s64, Ww, xmm_m16, Wxe, xmm_m32)                                                                    \
    X(PMOVSXWD, s16, s32, Wq, xmm_m64, Wxh, xmm_m128_unaligned)                                                        \
    X(PMOVSXWQ, s16, s64, Wd, xmm_m32, Wxq, xmm_m64)                                                                   \
    X(PMOVSXDQ, s32, s64, Wq, xmm_m64, Wxh, xmm_m128_unaligned)                                                        \
    X(PMOVZXBW, u8, u16, Wq, xmm_m64, Wxh, xmm_m128_unaligned)                                                         \
    X(PMOVZXBD, u8, u32, Wd, xmm_m32, Wxq, xmm_m64)                                                                    \
    X(PMOVZXBQ, u8, u64, Ww, xmm_m16, Wxe, xmm_m32)                                                                    \
    X(PMOVZXWD, u16, u32, Wq, xmm_m64, Wxh, xmm_m128_unaligned)                                                        \
    X(PMOVZXWQ, u16, u64, Wd, xmm_m32, Wxq, xmm_m64)                                                                   \
    X(PMOVZXDQ, u32, u64, Wq, xmm_m64, Wxh, xmm_m128_unaligned)

#define WIDEN_ROWS(name, from, to, operand, fetch, vex_operand, fetch_256)                                             \
    SSE_INLINE vx lane_##name(vx va, vx vb)                                                                            \
    {                                                                                                                  \
        union lanes y = {.v = vb}, r;                                                                                  \
        (void)va;                                                                                                      \
        for (unsigned i = 0; i < LANES_OF(to); i++) r.to[i] = y.from[i];                                               \
        return r.v;                                                                                                    \
    }                                                                                                                  \
    VX_FAST(name, #name)                                                                                               \
    OP(name##_Vdq##operand##_r)                                                                                        \
    {                                                                                                                  \
        return xmm_done(cpu, in, fast_##name((vx){0, 0}, xmm(cpu, in->rm)));                                           \
    }                                                                                                                  \
    OP(name##_Vdq##operand##_m)                                                                                        \
    {                                                                                                                  \
        return xmm_done(cpu, in, fast_##name((vx){0, 0}, fetch(cpu, in)));                                             \
    }                                                                                                                  \
    OP(V##name##_Vx##vex_operand)                                                                                      \
    {                                                                                                                  \
        unsigned ratio = sizeof(((union lanes *)0)->to[0]) / sizeof(((union lanes *)0)->from[0]);                      \
        return vex_widen(cpu, in, fast_##name, ratio, fetch, fetch_256);                                               \
    }
WIDEN_OPS(WIDEN_ROWS)
