/* Gathers (AVX2): elements from addresses that a vector register holds.
 *
 * The one family of instructions here that may fault half done: elements are loaded from the lowest to the highest, and
 * each that has arrived is written and its mask cleared at once (SDM volume 2, VPGATHERDD), so that the instruction,
 * run again, goes on where it stopped. The same serves pages that only wait to be mirrored (cpu/run.c). */
#include "cpu/sse.h"

SSE_INLINE uint64_t element_address(const struct cpu *cpu, const struct insn *in, unsigned i, unsigned index_bytes)
{
    const union vec *v = &cpu->v[in->index];
    uint64_t index = index_bytes == 4 ? (uint64_t)(int64_t)v->s32[i] : v->u64[i];
    uint64_t a = cpu->regs[in->base] + (index << in->scale) + insn_disp(in);
    return (in->pfx & PFX_ADDR32 ? (uint32_t)a : a) + cpu->seg_base[in->seg];
}

/* With VEX.128 bits 255:128 go when the first element arrives (the manual does not say when; this is what the processor
 * does). */
SSE_INLINE void gather_element(struct cpu *cpu, const struct insn *in, unsigned i, unsigned index_bytes, unsigned bytes)
{
    uint64_t a = element_address(cpu, in, i, index_bytes);
    union vec *to = &cpu->v[in->reg], *mask = &cpu->v[in->vvvv];
    if (bytes == 4)
        to->u32[i] = load32(cpu, in, a), mask->u32[i] = 0;
    else
        to->u64[i] = load64(cpu, in, a), mask->u64[i] = 0;
    if (!is_256(in)) to->u64[2] = to->u64[3] = 0;
}

/* The mask's elements become all their sign, before the first load. */
SSE_INLINE void extend_mask(struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    union vec *mask = &cpu->v[in->vvvv];
    for (unsigned i = 0; i < in->size / bytes; i++) {
        if (bytes == 4)
            mask->s32[i] >>= 31;
        else
            mask->s64[i] >>= 63;
    }
    if (!is_256(in)) set_ymm(cpu, in->vvvv, (vy){.lo = xmm(cpu, in->vvvv)});
}

/* As many elements as the longer kind, index or data, has in the vector. What lies above them is cleared. */
SSE_INLINE void gather(struct cpu *cpu, const struct insn *in, unsigned index_bytes, unsigned bytes)
{
    const union vec *mask = &cpu->v[in->vvvv];
    unsigned count = in->size / (bytes > index_bytes ? bytes : index_bytes);
    if (in->reg == in->vvvv || in->reg == in->index || in->vvvv == in->index) cpu_raise(cpu, in, VEC_UD);
    extend_mask(cpu, in, bytes);
    for (unsigned i = 0; i < count; i++)
        if (bytes == 4 ? mask->s32[i] < 0 : mask->s64[i] < 0) gather_element(cpu, in, i, index_bytes, bytes);
    memset(&cpu->v[in->vvvv], 0, sizeof cpu->v[0]);
    memset(cpu->v[in->reg].u8 + count * bytes, 0, sizeof cpu->v[0] - count * bytes);
}

/* Bits of an index, of an element; the rows of integers and of floats do the same. */
#define GATHERS(X)                                                                                                     \
    X(32, 32, VPGATHERDD_VxMdHx, VGATHERDPS_VxMdHx)                                                                    \
    X(32, 64, VPGATHERDQ_VxMqHx, VGATHERDPD_VxMqHx)                                                                    \
    X(64, 32, VPGATHERQD_VxMdHx, VGATHERQPS_VxMdHx)                                                                    \
    X(64, 64, VPGATHERQQ_VxMqHx, VGATHERQPD_VxMqHx)

#define GATHER_ROW(row, function)                                                                                      \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        function(cpu, in);                                                                                             \
        return op_next(cpu, in);                                                                                       \
    }
#define GATHER_ROWS(index_bits, bits, integers, floats)                                                                \
    SSE_NOINLINE void gather_##index_bits##_##bits(struct cpu *cpu, const struct insn *in)                             \
    {                                                                                                                  \
        gather(cpu, in, index_bits / 8, bits / 8);                                                                     \
    }                                                                                                                  \
    GATHER_ROW(integers, gather_##index_bits##_##bits)                                                                 \
    GATHER_ROW(floats, gather_##index_bits##_##bits)
GATHERS(GATHER_ROWS)
