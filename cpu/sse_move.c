/* SSE moves: aligned, unaligned, halves, scalars, general registers, masks, non-temporal (the hint means nothing here),
 * MXCSR. */
#include "cpu/hostfp.h"
#include "cpu/sse.h"

/* ---- 16 bytes ---- */

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

#define NON_TEMPORAL_STORES(X) X(MOVNTPS_MpsVps) X(MOVNTPD_MpdVpd) X(MOVNTDQ_MdqVdq)
#define NON_TEMPORAL_ROW(row)  MOVE_STORE(row, ea_aligned)
NON_TEMPORAL_STORES(NON_TEMPORAL_ROW)

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

/* ---- Sign masks ---- */

/* The top bits of eight bytes: the multiplication moves bit 8*i + 7 to bit 56 + i. */
SSE_INLINE uint32_t byte_signs(uint64_t v)
{
    return (uint32_t)(((v & 0x8080808080808080) >> 7) * 0x0102040810204080 >> 56);
}

SSE_INLINE uint32_t vx_byte_signs(vx v)
{
#ifdef __SSE2__
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

OP(PMOVMSKB_GdNq)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    set_reg32(cpu, in->reg, byte_signs(mm(cpu, in->rm)));
    return op_next(cpu, in);
}

OP(MOVMSKPS_GdUps)
{
    const union vec *v = &cpu->v[in->rm];
    set_reg32(cpu, in->reg, v->u32[0] >> 31 | v->u32[1] >> 31 << 1 | v->u32[2] >> 31 << 2 | v->u32[3] >> 31 << 3);
    return op_next(cpu, in);
}

OP(MOVMSKPD_GdUpd)
{
    const union vec *v = &cpu->v[in->rm];
    set_reg32(cpu, in->reg, (uint32_t)(v->u64[0] >> 63 | v->u64[1] >> 63 << 1));
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

OP(MASKMOVDQU_VdqUdq)
{
    store_masked_xmm(cpu, in);
    return op_next(cpu, in);
}

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

OP(LDMXCSR_Md)
{
    uint32_t v = vx_load32(cpu, in, ea(cpu, in));
    if (v & ~MXCSR_VALID) cpu_raise(cpu, in, VEC_GP);
    mxcsr_set(cpu, v);
    return op_next(cpu, in);
}

OP(STMXCSR_Md)
{
    vx_store32(cpu, in, ea(cpu, in), mxcsr_get(cpu));
    return op_next(cpu, in);
}
