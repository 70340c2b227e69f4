// ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT (SDM vol. 2). XADD, CMPXCHG and XCHG are in op_xchg.c.
#include "cpu/op_body.h"

#define ALU_OPS(X) X(ADD) X(OR) X(ADC) X(SBB) X(AND) X(SUB) X(XOR) X(CMP)

#define ALU_EvGv(op, bits, kind)                                                                                       \
    OP(op##_EvGv_##bits##_##kind)                                                                                      \
    {                                                                                                                  \
        alu_rm(cpu, in, ALU_##op, bits, KIND_##kind, get_reg(cpu, bits, in->reg));                                     \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_GvEv(op, bits, kind)                                                                                       \
    OP(op##_GvEv_##bits##_##kind)                                                                                      \
    {                                                                                                                  \
        alu_reg(cpu, ALU_##op, bits, in->reg, get_rm(cpu, in, bits, KIND_##kind));                                     \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_EvIz(op, bits, kind)                                                                                       \
    OP(op##_EvIz_##bits##_##kind)                                                                                      \
    {                                                                                                                  \
        alu_rm(cpu, in, ALU_##op, bits, KIND_##kind, imm(in, bits));                                                   \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_EvIbs(op, bits, kind)                                                                                      \
    OP(op##_EvIbs_##bits##_##kind)                                                                                     \
    {                                                                                                                  \
        alu_rm(cpu, in, ALU_##op, bits, KIND_##kind, imm(in, bits));                                                   \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_rAXIz(op, bits)                                                                                            \
    OP(op##_rAXIz_##bits)                                                                                              \
    {                                                                                                                  \
        alu_reg(cpu, ALU_##op, bits, RAX, imm(in, bits));                                                              \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_EbGb(op, kind)                                                                                             \
    OP(op##_EbGb_##kind)                                                                                               \
    {                                                                                                                  \
        alu_rm(cpu, in, ALU_##op, 8, KIND_##kind, get_reg(cpu, 8, in->reg));                                           \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_GbEb(op, kind)                                                                                             \
    OP(op##_GbEb_##kind)                                                                                               \
    {                                                                                                                  \
        alu_reg(cpu, ALU_##op, 8, in->reg, get_rm(cpu, in, 8, KIND_##kind));                                           \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_EbIb(op, kind)                                                                                             \
    OP(op##_EbIb_##kind)                                                                                               \
    {                                                                                                                  \
        alu_rm(cpu, in, ALU_##op, 8, KIND_##kind, in->imm);                                                            \
        return op_next(cpu, in);                                                                                       \
    }
#define ALU_ALIb(op)                                                                                                   \
    OP(op##_ALIb)                                                                                                      \
    {                                                                                                                  \
        alu_reg(cpu, ALU_##op, 8, RAX, in->imm);                                                                       \
        return op_next(cpu, in);                                                                                       \
    }

#define ALU_ROWS(op)                                                                                                   \
    SIZES_KINDS(ALU_EvGv, op)                                                                                          \
    SIZES_KINDS(ALU_GvEv, op) SIZES_KINDS(ALU_EvIz, op) SIZES_KINDS(ALU_EvIbs, op) SIZES(ALU_rAXIz, op)                \
        KINDS(ALU_EbGb, op) KINDS(ALU_GbEb, op) KINDS(ALU_EbIb, op) ALU_ALIb(op)
ALU_OPS(ALU_ROWS)

// ---- TEST; F6 /1 and F7 /1 are the same as /0 ----

#define TEST_EvGv(name, bits, kind)                                                                                    \
    OP(name##_EvGv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        flags_logic(cpu, bits, get_rm(cpu, in, bits, KIND_##kind) & get_reg(cpu, bits, in->reg));                      \
        return op_next(cpu, in);                                                                                       \
    }
#define TEST_EvIz(name, bits, kind)                                                                                    \
    OP(name##_EvIz_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        flags_logic(cpu, bits, get_rm(cpu, in, bits, KIND_##kind) & in->imm);                                          \
        return op_next(cpu, in);                                                                                       \
    }
#define TEST_rAXIz(name, bits)                                                                                         \
    OP(name##_rAXIz_##bits)                                                                                            \
    {                                                                                                                  \
        flags_logic(cpu, bits, get_reg(cpu, bits, RAX) & in->imm);                                                     \
        return op_next(cpu, in);                                                                                       \
    }
#define TEST_EbGb(name, kind)                                                                                          \
    OP(name##_EbGb_##kind)                                                                                             \
    {                                                                                                                  \
        flags_logic(cpu, 8, get_rm(cpu, in, 8, KIND_##kind) & get_reg(cpu, 8, in->reg));                               \
        return op_next(cpu, in);                                                                                       \
    }
#define TEST_EbIb(name, kind)                                                                                          \
    OP(name##_EbIb_##kind)                                                                                             \
    {                                                                                                                  \
        flags_logic(cpu, 8, get_rm(cpu, in, 8, KIND_##kind) & in->imm);                                                \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(TEST_EvGv, TEST)
SIZES_KINDS(TEST_EvIz, TEST)
SIZES_KINDS(TEST_EvIz, TEST_1)
SIZES(TEST_rAXIz, TEST)
KINDS(TEST_EbGb, TEST)
KINDS(TEST_EbIb, TEST)
KINDS(TEST_EbIb, TEST_1)
OP(TEST_ALIb)
{
    flags_logic(cpu, 8, get_reg(cpu, 8, RAX) & in->imm);
    return op_next(cpu, in);
}

// ---- one operand ----

enum unary { UNARY_INC, UNARY_DEC, UNARY_NEG, UNARY_NOT };

ALWAYS_INLINE uint64_t unary_result(enum unary op, uint64_t a)
{
    return op == UNARY_INC ? a + 1 : op == UNARY_DEC ? a - 1 : op == UNARY_NEG ? -a : ~a;
}
// INC and DEC keep CF.
ALWAYS_INLINE void unary_flags(struct cpu *cpu, enum unary op, unsigned bits, uint64_t a, uint64_t res)
{
    bool cf = flag_cf(cpu);
    if (op == UNARY_NEG) flags_sub(cpu, bits, 0, a, res);
    if (op == UNARY_INC) flags_add(cpu, bits, a, 1, res);
    if (op == UNARY_DEC) flags_sub(cpu, bits, a, 1, res);
    if (op == UNARY_INC || op == UNARY_DEC) flags_cf(cpu, cf);
}
ALWAYS_INLINE void unary_rm(struct cpu *cpu, const struct insn *in, enum unary op, unsigned bits, enum kind kind)
{
    uint64_t at = kind == KIND_r ? 0 : address(cpu, in, kind);
    uint64_t a = kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, at);
    uint64_t res = unary_result(op, a);
    if (kind == KIND_r)
        set_reg(cpu, bits, in->rm, res);
    else
        store(cpu, in, bits, at, res);
    unary_flags(cpu, op, bits, a, res);
}
#define UNARY_Ev(op, bits, kind)                                                                                       \
    OP(op##_Ev_##bits##_##kind)                                                                                        \
    {                                                                                                                  \
        unary_rm(cpu, in, UNARY_##op, bits, KIND_##kind);                                                              \
        return op_next(cpu, in);                                                                                       \
    }
#define UNARY_Eb(op, kind)                                                                                             \
    OP(op##_Eb_##kind)                                                                                                 \
    {                                                                                                                  \
        unary_rm(cpu, in, UNARY_##op, 8, KIND_##kind);                                                                 \
        return op_next(cpu, in);                                                                                       \
    }
#define UNARY_ROWS(op) SIZES_KINDS(UNARY_Ev, op) KINDS(UNARY_Eb, op)
UNARY_ROWS(INC)
UNARY_ROWS(DEC)
UNARY_ROWS(NEG)
UNARY_ROWS(NOT)
