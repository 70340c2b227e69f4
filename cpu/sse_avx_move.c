/* Moves that only AVX and AVX2 have: broadcasts, halves of 128 bits, permutations, masked loads and stores,
 * tests of signs, VZEROALL. Gathers are in cpu/sse_gather.c. */
#include "cpu/sse.h"

/* A whole register by elements; a vy in memory order. */
union elements {
    vy v;
    uint32_t u32[8];
    uint64_t u64[4];
};
_Static_assert(sizeof(union elements) == 32, "one ymm register");

/* Rows that exist with 256 bits only; in->size may be that of a smaller memory operand. */
SSE_INLINE const struct insn *vex_done_256(struct cpu *cpu, const struct insn *in, vy v)
{
    set_ymm(cpu, in->reg, v);
    return op_next(cpu, in);
}

/* ---- Broadcasts ---- */

/* row, bits of the element, one in each of its places, how it is stored */
#define BROADCAST_OPS(X)                                                                                               \
    X(VPBROADCASTB_VxWb, 8, 0x0101010101010101, vex_done_y)                                                            \
    X(VPBROADCASTW_VxWw, 16, 0x0001000100010001, vex_done_y)                                                           \
    X(VPBROADCASTD_VxWd, 32, 0x0000000100000001, vex_done_y)                                                           \
    X(VPBROADCASTQ_VxWq, 64, 1, vex_done_y)                                                                            \
    X(VBROADCASTSS_VpsWss, 32, 0x0000000100000001, vex_done_y)                                                         \
    X(VBROADCASTSD_VqqWsd, 64, 1, vex_done_256)

#define BROADCAST_ROW(row, bits, places, done)                                                                         \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        uint64_t v = is_mem(in) ? vx_load##bits(cpu, in, ea(cpu, in)) : cpu->v[in->rm].u##bits[0];                     \
        vx all = {v * (places), v * (places)};                                                                         \
        return done(cpu, in, (vy){all, all});                                                                          \
    }
BROADCAST_OPS(BROADCAST_ROW)

/* ---- Halves of 128 bits: the rows of floats (F) and of integers (I) do the same ---- */

SSE_INLINE vx half_rm(struct cpu *cpu, const struct insn *in)
{
    return is_mem(in) ? vx_load(cpu, in, ea(cpu, in)) : xmm(cpu, in->rm);
}

SSE_INLINE const struct insn *insert_half(struct cpu *cpu, const struct insn *in)
{
    vx b = half_rm(cpu, in);
    vy v = ymm(cpu, in->vvvv);
    return vex_done_256(cpu, in, in->imm & 1 ? (vy){v.lo, b} : (vy){b, v.hi});
}

SSE_INLINE const struct insn *extract_half(struct cpu *cpu, const struct insn *in)
{
    vy v = ymm(cpu, in->reg);
    vx half = in->imm & 1 ? v.hi : v.lo;
    if (is_mem(in))
        vx_store(cpu, in, ea(cpu, in), half);
    else
        set_ymm(cpu, in->rm, (vy){.lo = half});
    return op_next(cpu, in);
}

/* Bits 1:0 choose one of four halves; bit 3 makes it zero. */
SSE_INLINE vx half_of(vy a, vy b, unsigned selector)
{
    vy from = selector & 2 ? b : a;
    vx half = selector & 1 ? from.hi : from.lo;
    return selector & 8 ? (vx){0} : half;
}

SSE_INLINE const struct insn *choose_halves(struct cpu *cpu, const struct insn *in)
{
    unsigned imm = (uint8_t)in->imm;
    vy a = ymm(cpu, in->vvvv), b = ymm_rm(cpu, in);
    return vex_done_256(cpu, in, (vy){half_of(a, b, imm), half_of(a, b, imm >> 4)});
}

#define HALVES_ROWS(t)                                                                                                 \
    OP(VBROADCAST##t##128_VqqMdq)                                                                                      \
    {                                                                                                                  \
        vx v = half_rm(cpu, in);                                                                                       \
        return vex_done_256(cpu, in, (vy){v, v});                                                                      \
    }                                                                                                                  \
    OP(VINSERT##t##128_VqqHqqWdqIb)                                                                                    \
    {                                                                                                                  \
        return insert_half(cpu, in);                                                                                   \
    }                                                                                                                  \
    OP(VEXTRACT##t##128_WdqVqqIb)                                                                                      \
    {                                                                                                                  \
        return extract_half(cpu, in);                                                                                  \
    }                                                                                                                  \
    OP(VPERM2##t##128_VqqHqqWqqIb)                                                                                     \
    {                                                                                                                  \
        return choose_halves(cpu, in);                                                                                 \
    }
HALVES_ROWS(F)
HALVES_ROWS(I)

/* ---- Permutations ---- */

/* Within each half, by the elements of b: bits 1:0 of each 32, bit 1 of each 64. */
SSE_INLINE vx lane_vpermilps(vx va, vx vb)
{
    union lanes x = {.v = va}, y = {.v = vb}, r;
    for (unsigned i = 0; i < 4; i++) r.u32[i] = x.u32[y.u32[i] & 3];
    return r.v;
}
VEX_BINARY(VPERMILPS_VpsHpsWps, lane_vpermilps)

SSE_INLINE vx lane_vpermilpd(vx va, vx vb)
{
    return (vx){va[vb[0] >> 1 & 1], va[vb[1] >> 1 & 1]};
}
VEX_BINARY(VPERMILPD_VpdHpdWpd, lane_vpermilpd)

OP(VPERMILPS_VpsWpsIb)
{
    uint32_t imm = (uint8_t)in->imm;
    vy v = ymm_rm(cpu, in);
    vx by = {(imm & 3) | (uint64_t)(imm & 0xc) << 30, (imm & 0x30) >> 4 | (uint64_t)(imm & 0xc0) << 26};
    return vex_done_y(cpu, in, (vy){lane_vpermilps(v.lo, by), lane_vpermilps(v.hi, by)});
}

OP(VPERMILPD_VpdWpdIb)
{
    unsigned imm = (uint8_t)in->imm;
    vy v = ymm_rm(cpu, in);
    vx lo = {v.lo[imm & 1], v.lo[imm >> 1 & 1]}, hi = {v.hi[imm >> 2 & 1], v.hi[imm >> 3 & 1]};
    return vex_done_y(cpu, in, (vy){lo, hi});
}

/* Across the whole register. */
SSE_INLINE const struct insn *permute_32(struct cpu *cpu, const struct insn *in)
{
    union elements v = {.v = ymm_rm(cpu, in)}, by = {.v = ymm(cpu, in->vvvv)}, r;
    for (unsigned i = 0; i < 8; i++) r.u32[i] = v.u32[by.u32[i] & 7];
    return vex_done_256(cpu, in, r.v);
}

SSE_INLINE const struct insn *permute_64(struct cpu *cpu, const struct insn *in)
{
    unsigned imm = (uint8_t)in->imm;
    union elements v = {.v = ymm_rm(cpu, in)}, r;
    for (unsigned i = 0; i < 4; i++) r.u64[i] = v.u64[imm >> 2 * i & 3];
    return vex_done_256(cpu, in, r.v);
}

#define PERMUTE_ROW(row, permute)                                                                                      \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return permute(cpu, in);                                                                                       \
    }
PERMUTE_ROW(VPERMPS_VqqHqqWqq, permute_32)
PERMUTE_ROW(VPERMD_VqqHqqWqq, permute_32)
PERMUTE_ROW(VPERMPD_VqqWqqIb, permute_64)
PERMUTE_ROW(VPERMQ_VqqWqqIb, permute_64)

/* ---- Masked loads and stores: only elements whose mask has its sign bit set are accessed, and only they fault ---- */

/* The elements of in->vvvv that are negative, as bits. */
SSE_INLINE unsigned mask_bits(const struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    const union vec *mask = &cpu->v[in->vvvv];
    unsigned bits = 0;
    for (unsigned i = 0; i < in->size / bytes; i++)
        bits |= (bytes == 4 ? mask->u32[i] >> 31 : (unsigned)(mask->u64[i] >> 63)) << i;
    return bits;
}

SSE_INLINE void masked_load(struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    union elements r = {0};
    uint64_t a = ea(cpu, in);
    for (unsigned bits = mask_bits(cpu, in, bytes); bits; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctz(bits);
        if (bytes == 4)
            r.u32[i] = load32(cpu, in, a + 4 * i);
        else
            r.u64[i] = load64(cpu, in, a + 8 * i);
    }
    set_ymm(cpu, in->reg, r.v);
}

/* All or nothing: across pages, the first byte and the last to be written are tried before any is. (Which address
 * within the second page is reported is not documented; the processor names the last byte.) */
SSE_INLINE void probe_masked(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned bits, unsigned bytes)
{
    if ((a & (PAGE_BYTES - 1)) + in->size <= PAGE_BYTES || !bits) return;
    unsigned first = (unsigned)__builtin_ctz(bits), end = 32 - (unsigned)__builtin_clz(bits);
    probe_store(cpu, in, a + bytes * first, 1);
    probe_store(cpu, in, a + bytes * end - 1, 1);
}

SSE_INLINE void masked_store(struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    const union vec *v = &cpu->v[in->reg];
    unsigned bits = mask_bits(cpu, in, bytes);
    uint64_t a = ea(cpu, in);
    probe_masked(cpu, in, a, bits, bytes);
    for (; bits; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctz(bits);
        if (bytes == 4)
            store32(cpu, in, a + 4 * i, v->u32[i]);
        else
            store64(cpu, in, a + 8 * i, v->u64[i]);
    }
}

/* Out of line: what is kept over the accesses has addresses (cpu/sse.h). */
#define MASKED_FUNCTIONS(what, bits)                                                                                   \
    SSE_NOINLINE void masked_##what##_##bits(struct cpu *cpu, const struct insn *in)                                   \
    {                                                                                                                  \
        masked_##what(cpu, in, bits / 8);                                                                              \
    }
MASKED_FUNCTIONS(load, 32)
MASKED_FUNCTIONS(load, 64)
MASKED_FUNCTIONS(store, 32)
MASKED_FUNCTIONS(store, 64)

#define MASKED_ROW(row, function)                                                                                      \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        function(cpu, in);                                                                                             \
        return op_next(cpu, in);                                                                                       \
    }
MASKED_ROW(VMASKMOVPS_VpsHpsMps, masked_load_32)
MASKED_ROW(VMASKMOVPD_VpdHpdMpd, masked_load_64)
MASKED_ROW(VMASKMOVPS_MpsHpsVps, masked_store_32)
MASKED_ROW(VMASKMOVPD_MpdHpdVpd, masked_store_64)
MASKED_ROW(VPMASKMOVD_VxHxMx, masked_load_32)
MASKED_ROW(VPMASKMOVQ_VxHxMx, masked_load_64)
MASKED_ROW(VPMASKMOVD_MxHxVx, masked_store_32)
MASKED_ROW(VPMASKMOVQ_MxHxVx, masked_store_64)

/* ---- VTESTPS, VTESTPD: PTEST of the sign bits ---- */

SSE_INLINE const struct insn *test_signs(struct cpu *cpu, const struct insn *in, uint64_t signs)
{
    vy a = ymm(cpu, in->reg), b = ymm_rm(cpu, in);
    vx both = a.lo & b.lo, rest = ~a.lo & b.lo;
    if (is_256(in)) both |= a.hi & b.hi, rest |= ~a.hi & b.hi;
    flags_set(cpu, ((both[0] | both[1]) & signs ? 0 : FLAG_ZF) | ((rest[0] | rest[1]) & signs ? 0 : FLAG_CF));
    return op_next(cpu, in);
}

OP(VTESTPS_VpsWps)
{
    return test_signs(cpu, in, 0x8000000080000000);
}

OP(VTESTPD_VpdWpd)
{
    return test_signs(cpu, in, 1ull << 63);
}

/* ---- VZEROALL, VZEROUPPER ---- */

OP(VZEROALL)
{
    for (unsigned r = 0; r < 16; r++) set_ymm(cpu, r, (vy){0});
    return op_next(cpu, in);
}

OP(VZEROUPPER)
{
    for (unsigned r = 0; r < 16; r++) set_ymm(cpu, r, (vy){.lo = xmm(cpu, r)});
    return op_next(cpu, in);
}
