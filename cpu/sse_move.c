/* SSE and AVX moves: aligned, unaligned, halves, scalars, general registers, masks, non-temporal (the hint means
 * nothing here), MXCSR. The VEX forms stand beside those of SSE; moves that only AVX has are in cpu/sse_avx_move.c. */
#include "cpu/hostfp.h"
#include "cpu/sse.h"

/* ---- Whole vectors ---- */

#define UNALIGNED_MOVES(X) X(MOVUPS, ps) X(MOVUPD, pd) X(MOVDQU, dq)
#define ALIGNED_MOVES(X)   X(MOVAPS, ps) X(MOVAPD, pd) X(MOVDQA, dq)

#define MOVE_LOAD(row, address)                                                                                        \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return xmm_done(cpu, in, vx_load(cpu, in, address(cpu, in)));                                                  \
    }
#define MOVE_STORE(row, address)                                                                                       \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        vx_store(cpu, in, address(cpu, in), xmm(cpu, in->reg));                                                        \
        return op_next(cpu, in);                                                                                       \
    }
#define MOVE_ROWS(name, t, address, address_b)                                                                         \
    OP(name##_V##t##W##t##_r)                                                                                          \
    {                                                                                                                  \
        return xmm_done(cpu, in, xmm(cpu, in->rm));                                                                    \
    }                                                                                                                  \
    OP(name##_W##t##V##t##_r)                                                                                          \
    {                                                                                                                  \
        set_xmm(cpu, in->rm, xmm(cpu, in->reg));                                                                       \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    MOVE_LOAD(name##_V##t##W##t##_m, address)                                                                          \
    MOVE_LOAD(name##_V##t##W##t##_b, address_b)                                                                        \
    MOVE_STORE(name##_W##t##V##t##_m, address)                                                                         \
    MOVE_STORE(name##_W##t##V##t##_b, address_b)
#define UNALIGNED_ROWS(name, t) MOVE_ROWS(name, t, ea, ea_b)
#define ALIGNED_ROWS(name, t)   MOVE_ROWS(name, t, ea_aligned, ea_b_aligned)
UNALIGNED_MOVES(UNALIGNED_ROWS)
ALIGNED_MOVES(ALIGNED_ROWS)

/* VEX. Each length has its rows and functions, unlike those of other instructions: these are the most frequent. */

/* The address of an operand that must be aligned to its size, 16 or 32 bytes: #GP(0) otherwise. */
SSE_INLINE uint64_t vex_aligned(struct cpu *cpu, const struct insn *in, uint64_t a, unsigned bytes)
{
    if (__builtin_expect(a & (bytes - 1), 0)) cpu_raise(cpu, in, VEC_GP);
    return a;
}

SSE_INLINE const struct insn *vex_load_128(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    return vex_done(cpu, in, vx_load(cpu, in, a));
}

SSE_INLINE const struct insn *vex_load_256(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    set_ymm(cpu, in->reg, vy_load_256(cpu, in, a));
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *vex_store_128(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    vx_store(cpu, in, a, xmm(cpu, in->reg));
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *vex_store_256(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    vy_store_256(cpu, in, a, ymm(cpu, in->reg));
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *vex_copy_128(struct cpu *cpu, const struct insn *in, unsigned to, unsigned from)
{
    set_ymm(cpu, to, (vy){.lo = xmm(cpu, from)});
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *vex_copy_256(struct cpu *cpu, const struct insn *in, unsigned to, unsigned from)
{
    set_ymm(cpu, to, ymm(cpu, from));
    return op_next(cpu, in);
}

#define VEX_MOVE(row, what, bits, address, alignment)                                                                  \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return vex_##what##_##bits(cpu, in, vex_aligned(cpu, in, address(cpu, in), alignment));                        \
    }
#define VEX_MOVE_ROWS(name, t, bits, alignment)                                                                        \
    OP(V##name##_V##t##W##t##_r)                                                                                       \
    {                                                                                                                  \
        return vex_copy_##bits(cpu, in, in->reg, in->rm);                                                              \
    }                                                                                                                  \
    OP(V##name##_W##t##V##t##_r)                                                                                       \
    {                                                                                                                  \
        return vex_copy_##bits(cpu, in, in->rm, in->reg);                                                              \
    }                                                                                                                  \
    VEX_MOVE(V##name##_V##t##W##t##_m, load, bits, ea, alignment)                                                      \
    VEX_MOVE(V##name##_V##t##W##t##_b, load, bits, ea_b, alignment)                                                    \
    VEX_MOVE(V##name##_W##t##V##t##_m, store, bits, ea, alignment)                                                     \
    VEX_MOVE(V##name##_W##t##V##t##_b, store, bits, ea_b, alignment)
#define VEX_UNALIGNED_ROWS(name, t)                                                                                    \
    VEX_MOVE_ROWS(name, dq, 128, 1)                                                                                    \
    VEX_MOVE_ROWS(name, qq, 256, 1)
#define VEX_ALIGNED_ROWS(name, t)                                                                                      \
    VEX_MOVE_ROWS(name, dq, 128, 16)                                                                                   \
    VEX_MOVE_ROWS(name, qq, 256, 32)
UNALIGNED_MOVES(VEX_UNALIGNED_ROWS)
ALIGNED_MOVES(VEX_ALIGNED_ROWS)

#define NON_TEMPORAL_STORES(X) X(MOVNTPS_MpsVps) X(MOVNTPD_MpdVpd) X(MOVNTDQ_MdqVdq)
#define NON_TEMPORAL_ROW(row)  MOVE_STORE(row, ea_aligned)
NON_TEMPORAL_STORES(NON_TEMPORAL_ROW)
#define VEX_NON_TEMPORAL_ROWS(t, bits, alignment)                                                                      \
    VEX_MOVE(VMOVNTPS_M##t##V##t, store, bits, ea, alignment)                                                          \
    VEX_MOVE(VMOVNTPD_M##t##V##t, store, bits, ea, alignment)                                                          \
    VEX_MOVE(VMOVNTDQ_M##t##V##t, store, bits, ea, alignment)                                                          \
    VEX_MOVE(VMOVNTDQA_V##t##M##t, load, bits, ea, alignment)                                                          \
    VEX_MOVE(VLDDQU_V##t##M##t, load, bits, ea, 1)
VEX_NON_TEMPORAL_ROWS(dq, 128, 16)
VEX_NON_TEMPORAL_ROWS(qq, 256, 32)

OP(MOVNTDQA_VdqMdq)
{
    return xmm_done(cpu, in, xmm_m128(cpu, in));
}

OP(LDDQU_VdqMdq)
{
    return xmm_done(cpu, in, vx_load(cpu, in, ea(cpu, in)));
}

/* ---- Scalars: a load clears the rest of the register, a register move keeps it ---- */

OP(MOVSS_VssWss_r)
{
    vx low = {UINT32_MAX, 0};
    return xmm_done(cpu, in, (xmm(cpu, in->reg) & ~low) | (xmm(cpu, in->rm) & low));
}

OP(MOVSS_VssWss_m)
{
    return xmm_done(cpu, in, xmm_m32(cpu, in));
}

OP(MOVSS_WssVss_r)
{
    vx low = {UINT32_MAX, 0};
    set_xmm(cpu, in->rm, (xmm(cpu, in->rm) & ~low) | (xmm(cpu, in->reg) & low));
    return op_next(cpu, in);
}

OP(MOVSS_WssVss_m)
{
    vx_store32(cpu, in, ea(cpu, in), cpu->v[in->reg].u32[0]);
    return op_next(cpu, in);
}

OP(MOVSD_VsdWsd_r)
{
    return xmm_done(cpu, in, (vx){xmm(cpu, in->rm)[0], xmm(cpu, in->reg)[1]});
}

OP(MOVSD_VsdWsd_m)
{
    return xmm_done(cpu, in, xmm_m64(cpu, in));
}

OP(MOVSD_VsdWsd_b)
{
    return xmm_done(cpu, in, xmm_m64_b(cpu, in));
}

OP(MOVSD_WsdVsd_r)
{
    set_xmm(cpu, in->rm, (vx){xmm(cpu, in->reg)[0], xmm(cpu, in->rm)[1]});
    return op_next(cpu, in);
}

OP(MOVSD_WsdVsd_m)
{
    vx_store64(cpu, in, ea(cpu, in), cpu->v[in->reg].u64[0]);
    return op_next(cpu, in);
}

OP(MOVSD_WsdVsd_b)
{
    vx_store64(cpu, in, ea_b(cpu, in), cpu->v[in->reg].u64[0]);
    return op_next(cpu, in);
}

OP(MOVQ_VqWq_r)
{
    return xmm_done(cpu, in, vx_low(xmm(cpu, in->rm)[0]));
}

OP(MOVQ_VqWq_m)
{
    return xmm_done(cpu, in, xmm_m64(cpu, in));
}

OP(MOVQ_VqWq_b)
{
    return xmm_done(cpu, in, xmm_m64_b(cpu, in));
}

OP(MOVQ_WqVq_r)
{
    set_xmm(cpu, in->rm, vx_low(xmm(cpu, in->reg)[0]));
    return op_next(cpu, in);
}

OP(MOVQ_WqVq_m)
{
    vx_store64(cpu, in, ea(cpu, in), cpu->v[in->reg].u64[0]);
    return op_next(cpu, in);
}

OP(MOVQ_WqVq_b)
{
    vx_store64(cpu, in, ea_b(cpu, in), cpu->v[in->reg].u64[0]);
    return op_next(cpu, in);
}

/* VEX: the rest of the register is the first source's. Loads have none. */

SSE_INLINE vx xmm_m32_b(struct cpu *cpu, const struct insn *in)
{
    return vx_low(vx_load32(cpu, in, ea_b(cpu, in)));
}

#define VEX_SCALAR_LOAD(row, source)                                                                                   \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return vex_done(cpu, in, source(cpu, in));                                                                     \
    }
#define SCALAR_STORE(row, bits, address)                                                                               \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        vx_store##bits(cpu, in, address(cpu, in), cpu->v[in->reg].u##bits[0]);                                         \
        return op_next(cpu, in);                                                                                       \
    }
VEX_SCALAR_LOAD(VMOVSS_VssMss_m, xmm_m32)
VEX_SCALAR_LOAD(VMOVSS_VssMss_b, xmm_m32_b)
VEX_SCALAR_LOAD(VMOVSD_VsdMsd_m, xmm_m64)
VEX_SCALAR_LOAD(VMOVSD_VsdMsd_b, xmm_m64_b)
VEX_SCALAR_LOAD(VMOVQ_VqWq_m, xmm_m64)
VEX_SCALAR_LOAD(VMOVQ_VqWq_b, xmm_m64_b)
SCALAR_STORE(VMOVSS_MssVss_m, 32, ea)
SCALAR_STORE(VMOVSS_MssVss_b, 32, ea_b)
SCALAR_STORE(VMOVSD_MsdVsd_m, 64, ea)
SCALAR_STORE(VMOVSD_MsdVsd_b, 64, ea_b)
SCALAR_STORE(VMOVQ_WqVq_m, 64, ea)
SCALAR_STORE(VMOVQ_WqVq_b, 64, ea_b)

SSE_INLINE vx low_32_from(vx rest, vx v)
{
    vx low = {UINT32_MAX, 0};
    return (rest & ~low) | (v & low);
}

OP(VMOVSS_VssHssUss)
{
    return vex_done(cpu, in, low_32_from(xmm(cpu, in->vvvv), xmm(cpu, in->rm)));
}

OP(VMOVSS_UssHssVss)
{
    set_ymm(cpu, in->rm, (vy){.lo = low_32_from(xmm(cpu, in->vvvv), xmm(cpu, in->reg))});
    return op_next(cpu, in);
}

OP(VMOVSD_VsdHsdUsd)
{
    return vex_done(cpu, in, (vx){xmm(cpu, in->rm)[0], xmm(cpu, in->vvvv)[1]});
}

OP(VMOVSD_UsdHsdVsd)
{
    set_ymm(cpu, in->rm, (vy){.lo = {xmm(cpu, in->reg)[0], xmm(cpu, in->vvvv)[1]}});
    return op_next(cpu, in);
}

OP(VMOVQ_VqWq_r)
{
    return vex_done(cpu, in, vx_low(xmm(cpu, in->rm)[0]));
}

OP(VMOVQ_WqVq_r)
{
    set_ymm(cpu, in->rm, (vy){.lo = vx_low(xmm(cpu, in->reg)[0])});
    return op_next(cpu, in);
}

/* ---- General registers ---- */

OP(MOVD_VdEd_r)
{
    return xmm_done(cpu, in, vx_low(reg32(cpu, in->rm)));
}

OP(MOVD_VdEd_m)
{
    return xmm_done(cpu, in, xmm_m32(cpu, in));
}

OP(MOVQ_VqEq_r)
{
    return xmm_done(cpu, in, vx_low(reg64(cpu, in->rm)));
}

OP(MOVQ_VqEq_m)
{
    return xmm_done(cpu, in, xmm_m64(cpu, in));
}

OP(MOVD_EdVd_r)
{
    set_reg32(cpu, in->rm, cpu->v[in->reg].u32[0]);
    return op_next(cpu, in);
}

OP(MOVD_EdVd_m)
{
    vx_store32(cpu, in, ea(cpu, in), cpu->v[in->reg].u32[0]);
    return op_next(cpu, in);
}

OP(MOVQ_EqVq_r)
{
    set_reg64(cpu, in->rm, cpu->v[in->reg].u64[0]);
    return op_next(cpu, in);
}

OP(MOVQ_EqVq_m)
{
    vx_store64(cpu, in, ea(cpu, in), cpu->v[in->reg].u64[0]);
    return op_next(cpu, in);
}

VEX_SCALAR_LOAD(VMOVD_VdEd_m, xmm_m32)
VEX_SCALAR_LOAD(VMOVQ_VqEq_m, xmm_m64)
SCALAR_STORE(VMOVD_EdVd_m, 32, ea)
SCALAR_STORE(VMOVQ_EqVq_m, 64, ea)

OP(VMOVD_VdEd_r)
{
    return vex_done(cpu, in, vx_low(reg32(cpu, in->rm)));
}

OP(VMOVQ_VqEq_r)
{
    return vex_done(cpu, in, vx_low(reg64(cpu, in->rm)));
}

OP(VMOVD_EdVd_r)
{
    set_reg32(cpu, in->rm, cpu->v[in->reg].u32[0]);
    return op_next(cpu, in);
}

OP(VMOVQ_EqVq_r)
{
    set_reg64(cpu, in->rm, cpu->v[in->reg].u64[0]);
    return op_next(cpu, in);
}

/* ---- Halves ---- */

#define LOW_HALF_MEMORY(X) X(MOVLPS) X(MOVLPD)

#define LOW_HALF_ROWS(name)                                                                                            \
    OP(name##_VqMq)                                                                                                    \
    {                                                                                                                  \
        uint64_t b = vx_load64(cpu, in, ea(cpu, in));                                                                  \
        return xmm_done(cpu, in, (vx){b, xmm(cpu, in->reg)[1]});                                                       \
    }                                                                                                                  \
    OP(name##_MqVq)                                                                                                    \
    {                                                                                                                  \
        vx_store64(cpu, in, ea(cpu, in), cpu->v[in->reg].u64[0]);                                                      \
        return op_next(cpu, in);                                                                                       \
    }
#define HIGH_HALF_LOAD(row, address)                                                                                   \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        uint64_t b = vx_load64(cpu, in, address(cpu, in));                                                             \
        return xmm_done(cpu, in, (vx){xmm(cpu, in->reg)[0], b});                                                       \
    }
#define HIGH_HALF_STORE(row)                                                                                           \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        vx_store64(cpu, in, ea(cpu, in), cpu->v[in->reg].u64[1]);                                                      \
        return op_next(cpu, in);                                                                                       \
    }
LOW_HALF_MEMORY(LOW_HALF_ROWS)
HIGH_HALF_LOAD(MOVHPS_VqMq_m, ea)
HIGH_HALF_LOAD(MOVHPS_VqMq_b, ea_b)
HIGH_HALF_LOAD(MOVHPD_VqMq, ea)
HIGH_HALF_STORE(MOVHPS_MqVq)
HIGH_HALF_STORE(MOVHPD_MqVq)

OP(MOVHLPS_VqUq)
{
    return xmm_done(cpu, in, (vx){xmm(cpu, in->rm)[1], xmm(cpu, in->reg)[1]});
}

OP(MOVLHPS_VqUq)
{
    return xmm_done(cpu, in, (vx){xmm(cpu, in->reg)[0], xmm(cpu, in->rm)[0]});
}

#define VEX_HALF_ROWS(t)                                                                                               \
    OP(VMOVLP##t##_VqHqMq)                                                                                             \
    {                                                                                                                  \
        uint64_t b = vx_load64(cpu, in, ea(cpu, in));                                                                  \
        return vex_done(cpu, in, (vx){b, xmm(cpu, in->vvvv)[1]});                                                      \
    }                                                                                                                  \
    OP(VMOVHP##t##_VqHqMq)                                                                                             \
    {                                                                                                                  \
        uint64_t b = vx_load64(cpu, in, ea(cpu, in));                                                                  \
        return vex_done(cpu, in, (vx){xmm(cpu, in->vvvv)[0], b});                                                      \
    }                                                                                                                  \
    SCALAR_STORE(VMOVLP##t##_MqVq, 64, ea)                                                                             \
    HIGH_HALF_STORE(VMOVHP##t##_MqVq)
VEX_HALF_ROWS(S)
VEX_HALF_ROWS(D)

OP(VMOVHLPS_VqHqUq)
{
    return vex_done(cpu, in, (vx){xmm(cpu, in->rm)[1], xmm(cpu, in->vvvv)[1]});
}

OP(VMOVLHPS_VqHqUq)
{
    return vex_done(cpu, in, (vx){xmm(cpu, in->vvvv)[0], xmm(cpu, in->rm)[0]});
}

/* ---- Sign masks ---- */

/* The top bits of eight bytes: the multiplication moves bit 8*i + 7 to bit 56 + i. */
SSE_INLINE uint32_t byte_signs(uint64_t v)
{
    return (uint32_t)(((v & 0x8080808080808080) >> 7) * 0x0102040810204080 >> 56);
}

SSE_INLINE uint32_t vx_byte_signs(vx v)
{
#if HOST_SSE
    typedef char vector_of_char __attribute__((vector_size(16)));
    return (uint32_t)__builtin_ia32_pmovmskb128((vector_of_char)v);
#else
    return byte_signs(v[0]) | byte_signs(v[1]) << 8;
#endif
}

OP(PMOVMSKB_GdUdq)
{
    set_reg32(cpu, in->reg, vx_byte_signs(xmm(cpu, in->rm)));
    return op_next(cpu, in);
}

OP(VPMOVMSKB_GdUx)
{
    vy v = ymm(cpu, in->rm);
    uint32_t signs = vx_byte_signs(v.lo);
    if (is_256(in)) signs |= vx_byte_signs(v.hi) << 16;
    set_reg32(cpu, in->reg, signs);
    return op_next(cpu, in);
}

OP(PMOVMSKB_GdNq)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    set_reg32(cpu, in->reg, byte_signs(mm(cpu, in->rm)));
    return op_next(cpu, in);
}

SSE_INLINE uint32_t signs_32(const uint32_t v[4])
{
    return v[0] >> 31 | v[1] >> 31 << 1 | v[2] >> 31 << 2 | v[3] >> 31 << 3;
}

SSE_INLINE uint32_t signs_64(const uint64_t v[2])
{
    return (uint32_t)(v[0] >> 63 | v[1] >> 63 << 1);
}

OP(MOVMSKPS_GdUps)
{
    set_reg32(cpu, in->reg, signs_32(cpu->v[in->rm].u32));
    return op_next(cpu, in);
}

OP(VMOVMSKPS_GdUps)
{
    const uint32_t *v = cpu->v[in->rm].u32;
    set_reg32(cpu, in->reg, signs_32(v) | (is_256(in) ? signs_32(v + 4) << 4 : 0));
    return op_next(cpu, in);
}

OP(MOVMSKPD_GdUpd)
{
    set_reg32(cpu, in->reg, signs_64(cpu->v[in->rm].u64));
    return op_next(cpu, in);
}

OP(VMOVMSKPD_GdUpd)
{
    const uint64_t *v = cpu->v[in->rm].u64;
    set_reg32(cpu, in->reg, signs_64(v) | (is_256(in) ? signs_64(v + 2) << 2 : 0));
    return op_next(cpu, in);
}

/* ---- Masked stores to [rDI] ---- */

/* All or nothing, and nothing outside the selected bytes is touched: when they reach into a second page, one of its
 * bytes is written with what it holds before any other, so that its fault comes first; a fault of the first page comes
 * with the first byte. */
static void store_masked(struct cpu *cpu, const struct insn *in, const union lanes *v, uint32_t mask)
{
    uint64_t base = cpu->regs[RDI];
    if (in->pfx & PFX_ADDR32) base = (uint32_t)base;
    base += cpu->seg_base[in->seg];
    unsigned to_next_page = PAGE_BYTES - (unsigned)(base & (PAGE_BYTES - 1));
    uint32_t beyond = to_next_page < 16 ? mask >> to_next_page << to_next_page : 0;
    if (beyond) {
        uint64_t a = base + (unsigned)__builtin_ctz(beyond);
        store8(cpu, in, a, load8(cpu, in, a));
    }
    for (; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        store8(cpu, in, base + i, v->u8[i]);
    }
}

SSE_NOINLINE void store_masked_xmm(struct cpu *cpu, const struct insn *in)
{
    union lanes v = {.v = xmm(cpu, in->reg)};
    store_masked(cpu, in, &v, vx_byte_signs(xmm(cpu, in->rm)));
}

#define MASKED_STORE_ROW(row)                                                                                          \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        store_masked_xmm(cpu, in);                                                                                     \
        return op_next(cpu, in);                                                                                       \
    }
MASKED_STORE_ROW(MASKMOVDQU_VdqUdq)
MASKED_STORE_ROW(VMASKMOVDQU_VdqUdq)

SSE_NOINLINE void store_masked_mmx(struct cpu *cpu, const struct insn *in)
{
    union lanes v = {.v = vx_low(mm(cpu, in->reg))};
    store_masked(cpu, in, &v, byte_signs(mm(cpu, in->rm)));
}

OP(MASKMOVQ_PqNq)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    store_masked_mmx(cpu, in);
    return op_next(cpu, in);
}

/* ---- MXCSR: out of line, since the host's register is reached through memory ---- */

SSE_NOINLINE void mxcsr_set(struct cpu *cpu, uint32_t v)
{
    cpu_set_mxcsr(cpu, v);
}

SSE_NOINLINE uint32_t mxcsr_get(const struct cpu *cpu)
{
    return cpu_get_mxcsr(cpu);
}

#define MXCSR_ROWS(load, save)                                                                                         \
    OP(load)                                                                                                           \
    {                                                                                                                  \
        uint32_t v = vx_load32(cpu, in, ea(cpu, in));                                                                  \
        if (v & ~MXCSR_VALID) cpu_raise(cpu, in, VEC_GP);                                                              \
        mxcsr_set(cpu, v);                                                                                             \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(save)                                                                                                           \
    {                                                                                                                  \
        vx_store32(cpu, in, ea(cpu, in), mxcsr_get(cpu));                                                              \
        return op_next(cpu, in);                                                                                       \
    }
MXCSR_ROWS(LDMXCSR_Md, STMXCSR_Md)
MXCSR_ROWS(VLDMXCSR_Md, VSTMXCSR_Md)
