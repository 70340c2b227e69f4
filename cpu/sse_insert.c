/* Single elements in and out of vectors: PINSR, PEXTR, INSERTPS, EXTRACTPS. The immediate's bits above the element
 * count are ignored. */
#include "cpu/sse.h"

/* Inserted in general registers: a vector loaded right after one of its elements was stored would have to wait. */
#define INSERT_FUNCTION(element)                                                                                       \
    SSE_INLINE vx insert_##element(vx va, uint64_t v, unsigned imm)                                                    \
    {                                                                                                                  \
        const unsigned bits = 128 / LANES_OF(element), in_half = LANES_OF(element) / 2;                                \
        unsigned at = imm & (LANES_OF(element) - 1), shift = bits * (at % in_half);                                    \
        uint64_t ones = UINT64_MAX >> (64 - bits), mask = ones << shift, value = (v & ones) << shift;                  \
        return at < in_half ? (vx){(va[0] & ~mask) | value, va[1]} : (vx){va[0], (va[1] & ~mask) | value};             \
    }                                                                                                                  \
    SSE_INLINE __typeof__(((union lanes *)0)->element[0]) extract_##element(vx va, unsigned imm)                       \
    {                                                                                                                  \
        union lanes x = {.v = va};                                                                                     \
        return x.element[imm & (LANES_OF(element) - 1)];                                                               \
    }
INSERT_FUNCTION(u8)
INSERT_FUNCTION(u16)
INSERT_FUNCTION(u32)
INSERT_FUNCTION(u64)

/* register row, memory row, element, bits */
#define INSERT_OPS(X)                                                                                                  \
    X(PINSRB_VdqRdIb, PINSRB_VdqMbIb, u8, 8)                                                                           \
    X(PINSRW_VdqRdIb, PINSRW_VdqMwIb, u16, 16)                                                                         \
    X(PINSRD_VdqEdIb_r, PINSRD_VdqEdIb_m, u32, 32)                                                                     \
    X(PINSRQ_VdqEqIb_r, PINSRQ_VdqEqIb_m, u64, 64)

#define INSERT_ROWS(row_r, row_m, element, bits)                                                                       \
    OP(row_r)                                                                                                          \
    {                                                                                                                  \
        return xmm_done(cpu, in, insert_##element(xmm(cpu, in->reg), reg64(cpu, in->rm), (uint8_t)in->imm));           \
    }                                                                                                                  \
    OP(row_m)                                                                                                          \
    {                                                                                                                  \
        uint64_t v = vx_load##bits(cpu, in, ea(cpu, in));                                                              \
        return xmm_done(cpu, in, insert_##element(xmm(cpu, in->reg), v, (uint8_t)in->imm));                            \
    }
INSERT_OPS(INSERT_ROWS)

#define INSERT_VEX_OPS(X)                                                                                              \
    X(VPINSRB_VdqHdqRdIb, u8, 8)                                                                                       \
    X(VPINSRB_VdqHdqMbIb, u8, 8)                                                                                       \
    X(VPINSRW_VdqHdqRdIb, u16, 16)                                                                                     \
    X(VPINSRW_VdqHdqMwIb, u16, 16)                                                                                     \
    X(VPINSRD_VdqHdqEdIb, u32, 32)                                                                                     \
    X(VPINSRQ_VdqHdqEqIb, u64, 64)

#define INSERT_VEX_ROW(row, element, bits)                                                                             \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        uint64_t v = is_mem(in) ? vx_load##bits(cpu, in, ea(cpu, in)) : reg64(cpu, in->rm);                            \
        return vex_done(cpu, in, insert_##element(xmm(cpu, in->vvvv), v, (uint8_t)in->imm));                           \
    }
INSERT_VEX_OPS(INSERT_VEX_ROW)

/* register row, memory row, element, bits, width of the register written: results are zero-extended */
#define EXTRACT_OPS(X)                                                                                                 \
    X(PEXTRB_RdVdqIb, PEXTRB_MbVdqIb, u8, 8)                                                                           \
    X(PEXTRW_RdVdqIb, PEXTRW_MwVdqIb, u16, 16)                                                                         \
    X(PEXTRD_EdVdqIb_r, PEXTRD_EdVdqIb_m, u32, 32)                                                                     \
    X(PEXTRQ_EqVdqIb_r, PEXTRQ_EqVdqIb_m, u64, 64)                                                                     \
    X(EXTRACTPS_EdVdqIb_r, EXTRACTPS_EdVdqIb_m, u32, 32)

#define EXTRACT_ROWS(row_r, row_m, element, bits)                                                                      \
    OP(row_r)                                                                                                          \
    {                                                                                                                  \
        set_reg64(cpu, in->rm, extract_##element(xmm(cpu, in->reg), (uint8_t)in->imm));                                \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(row_m)                                                                                                          \
    {                                                                                                                  \
        vx_store##bits(cpu, in, ea(cpu, in), extract_##element(xmm(cpu, in->reg), (uint8_t)in->imm));                  \
        return op_next(cpu, in);                                                                                       \
    }
EXTRACT_OPS(EXTRACT_ROWS)

#define EXTRACT_VEX_OPS(X)                                                                                             \
    X(VPEXTRB_RdVdqIb, u8, 8)                                                                                          \
    X(VPEXTRB_MbVdqIb, u8, 8)                                                                                          \
    X(VPEXTRW_RdVdqIb, u16, 16)                                                                                        \
    X(VPEXTRW_MwVdqIb, u16, 16)                                                                                        \
    X(VPEXTRD_EdVdqIb, u32, 32)                                                                                        \
    X(VPEXTRQ_EqVdqIb, u64, 64)                                                                                        \
    X(VEXTRACTPS_EdVdqIb, u32, 32)

#define EXTRACT_VEX_ROW(row, element, bits)                                                                            \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        uint##bits##_t v = extract_##element(xmm(cpu, in->reg), (uint8_t)in->imm);                                     \
        if (is_mem(in))                                                                                                \
            vx_store##bits(cpu, in, ea(cpu, in), v);                                                                   \
        else                                                                                                           \
            set_reg64(cpu, in->rm, v);                                                                                 \
        return op_next(cpu, in);                                                                                       \
    }
EXTRACT_VEX_OPS(EXTRACT_VEX_ROW)

/* The older PEXTRW has the vector in ModRM.rm. */
#define EXTRACT_WORD_ROW(row)                                                                                          \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        set_reg32(cpu, in->reg, extract_u16(xmm(cpu, in->rm), (uint8_t)in->imm));                                      \
        return op_next(cpu, in);                                                                                       \
    }
EXTRACT_WORD_ROW(PEXTRW_GdUdqIb)
EXTRACT_WORD_ROW(VPEXTRW_GdUdqIb)

SSE_INLINE unsigned word_shift(const struct insn *in)
{
    return 16 * ((unsigned)in->imm & 3);
}

OP(PEXTRW_GdNqIb)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    set_reg32(cpu, in->reg, (uint16_t)(mm(cpu, in->rm) >> word_shift(in)));
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *pinsrw_mmx(struct cpu *cpu, const struct insn *in, uint16_t v)
{
    unsigned shift = word_shift(in);
    return mmx_done(cpu, in, in->reg, (mm(cpu, in->reg) & ~(0xffffull << shift)) | (uint64_t)v << shift);
}

OP(PINSRW_PqRdIb)
{
    mmx_check(cpu, in);
    return pinsrw_mmx(cpu, in, reg16(cpu, in->rm));
}

OP(PINSRW_PqMwIb)
{
    mmx_check(cpu, in);
    return pinsrw_mmx(cpu, in, vx_load16(cpu, in, ea(cpu, in)));
}

/* imm 7:6 element of the register source, 5:4 place in the destination, 3:0 elements to clear. */
SSE_INLINE vx insertps(vx va, uint32_t v, unsigned imm)
{
    union lanes x = {.v = insert_u32(va, v, imm >> 4)};
    for (unsigned i = 0; i < 4; i++) {
        if (imm >> i & 1) x.u32[i] = 0;
    }
    return x.v;
}

OP(INSERTPS_VdqWdIb_r)
{
    unsigned imm = (uint8_t)in->imm;
    return xmm_done(cpu, in, insertps(xmm(cpu, in->reg), extract_u32(xmm(cpu, in->rm), imm >> 6), imm));
}

OP(INSERTPS_VdqWdIb_m)
{
    uint32_t v = vx_load32(cpu, in, ea(cpu, in));
    return xmm_done(cpu, in, insertps(xmm(cpu, in->reg), v, (uint8_t)in->imm));
}

OP(VINSERTPS_VdqHdqWdIb)
{
    unsigned imm = (uint8_t)in->imm;
    uint32_t v = is_mem(in) ? vx_load32(cpu, in, ea(cpu, in)) : extract_u32(xmm(cpu, in->rm), imm >> 6);
    return vex_done(cpu, in, insertps(xmm(cpu, in->vvvv), v, imm));
}
