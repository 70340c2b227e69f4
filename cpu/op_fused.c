// Pairs of instructions in one function (cpu/insn_fuse.def says which): one step less, and a compare and its branch
// need not pass through the flags. The first's fields are in *in, the second's in in[1], which also keeps its own
// function: a fault in the second runs it again alone.
#include "cpu/op_body.h"

// ---- compare and branch: the flags are set as ever, but the condition is taken from the operands ----

ALWAYS_INLINE bool cond_sub(unsigned bits, uint64_t a, uint64_t b, unsigned cc)
{
    int64_t sa = (int64_t)sext(a, bits), sb = (int64_t)sext(b, bits);
    bool v = false;
    switch (cc >> 1) {
    case 1:
        v = a < b;
        break;
    case 2:
        v = a == b;
        break;
    case 3:
        v = a <= b;
        break;
    case 4:
        v = (int64_t)sext(a - b, bits) < 0;
        break;
    case 6:
        v = sa < sb;
        break;
    case 7:
        v = sa <= sb;
        break;
    }
    return v ^ (cc & 1);
}
// After AND and TEST: CF and OF are clear.
ALWAYS_INLINE bool cond_logic(unsigned bits, uint64_t res, unsigned cc)
{
    int64_t v = (int64_t)sext(res, bits);
    return (cc >> 1 == 1 ? false : cc >> 1 == 2 || cc >> 1 == 3 ? v == 0 : cc >> 1 == 7 ? v <= 0 : v < 0) ^ (cc & 1);
}
ALWAYS_INLINE const struct insn *branch_if(struct cpu *cpu, const struct insn *in, bool taken)
{
    return taken ? op_branch(cpu, in + 1) : op_next(cpu, in + 1);
}
ALWAYS_INLINE const struct insn *sub_branch(struct cpu *cpu, const struct insn *in, enum alu op, unsigned bits,
                                            enum kind kind, uint64_t b, unsigned cc)
{
    uint64_t a = alu_rm(cpu, in, op, bits, kind, b);
    return branch_if(cpu, in, cond_sub(bits, a, b, cc));
}
ALWAYS_INLINE const struct insn *sub_reg_branch(struct cpu *cpu, const struct insn *in, unsigned bits, unsigned r,
                                                uint64_t b, unsigned cc)
{
    uint64_t a = alu_reg(cpu, ALU_CMP, bits, r, b);
    return branch_if(cpu, in, cond_sub(bits, a, b, cc));
}
ALWAYS_INLINE const struct insn *test_branch(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t res,
                                             unsigned cc)
{
    flags_logic(cpu, bits, res);
    return branch_if(cpu, in, cond_logic(bits, res, cc));
}
ALWAYS_INLINE const struct insn *and_branch(struct cpu *cpu, const struct insn *in, unsigned bits, unsigned cc)
{
    uint64_t res = alu_rm(cpu, in, ALU_AND, bits, KIND_r, imm(in, bits)) & imm(in, bits);
    return branch_if(cpu, in, cond_logic(bits, res, cc));
}

#define BRANCHES(X, ...)                                                                                               \
    X(__VA_ARGS__, B, 2)                                                                                               \
    X(__VA_ARGS__, AE, 3) X(__VA_ARGS__, E, 4) X(__VA_ARGS__, NE, 5) X(__VA_ARGS__, BE, 6) X(__VA_ARGS__, A, 7)        \
        X(__VA_ARGS__, S, 8) X(__VA_ARGS__, NS, 9) X(__VA_ARGS__, L, 12) X(__VA_ARGS__, GE, 13) X(__VA_ARGS__, LE, 14) \
            X(__VA_ARGS__, G, 15)

#define SUB_rm(first, op, bits, kind, b, name, cc)                                                                     \
    OP(first##__J##name)                                                                                               \
    {                                                                                                                  \
        return sub_branch(cpu, in, op, bits, KIND_##kind, b, cc);                                                      \
    }
#define SUB_reg(first, bits, r, b, name, cc)                                                                           \
    OP(first##__J##name)                                                                                               \
    {                                                                                                                  \
        return sub_reg_branch(cpu, in, bits, r, b, cc);                                                                \
    }
#define TEST_rm(first, bits, res, name, cc)                                                                            \
    OP(first##__J##name)                                                                                               \
    {                                                                                                                  \
        return test_branch(cpu, in, bits, res, cc);                                                                    \
    }
#define AND_r(first, bits, name, cc)                                                                                   \
    OP(first##__J##name)                                                                                               \
    {                                                                                                                  \
        return and_branch(cpu, in, bits, cc);                                                                          \
    }

#define WIDE(bits)                                                                                                     \
    BRANCHES(SUB_rm, CMP_EvGv_##bits##_r, ALU_CMP, bits, r, get_reg(cpu, bits, in->reg))                               \
    BRANCHES(SUB_rm, CMP_EvGv_##bits##_b, ALU_CMP, bits, b, get_reg(cpu, bits, in->reg))                               \
    BRANCHES(SUB_rm, CMP_EvIbs_##bits##_r, ALU_CMP, bits, r, imm(in, bits))                                            \
    BRANCHES(SUB_rm, CMP_EvIbs_##bits##_b, ALU_CMP, bits, b, imm(in, bits))                                            \
    BRANCHES(SUB_rm, CMP_EvIz_##bits##_r, ALU_CMP, bits, r, imm(in, bits))                                             \
    BRANCHES(SUB_rm, CMP_EvIz_##bits##_b, ALU_CMP, bits, b, imm(in, bits))                                             \
    BRANCHES(SUB_rm, SUB_EvIbs_##bits##_r, ALU_SUB, bits, r, imm(in, bits))                                            \
    BRANCHES(SUB_rm, SUB_EvIbs_##bits##_b, ALU_SUB, bits, b, imm(in, bits))                                            \
    BRANCHES(SUB_reg, CMP_GvEv_##bits##_b, bits, in->reg, load(cpu, in, bits, ea_b(cpu, in)))                          \
    BRANCHES(SUB_reg, CMP_rAXIz_##bits, bits, RAX, imm(in, bits))                                                      \
    BRANCHES(TEST_rm, TEST_EvGv_##bits##_r, bits, get_reg(cpu, bits, in->rm) & get_reg(cpu, bits, in->reg))            \
    BRANCHES(AND_r, AND_EvIbs_##bits##_r, bits)
WIDE(32)
WIDE(64)
BRANCHES(TEST_rm, TEST_EvIz_32_r, 32, get_reg(cpu, 32, in->rm) & imm(in, 32))
BRANCHES(SUB_rm, CMP_EbGb_r, ALU_CMP, 8, r, get_reg(cpu, 8, in->reg))
BRANCHES(SUB_rm, CMP_EbGb_b, ALU_CMP, 8, b, get_reg(cpu, 8, in->reg))
BRANCHES(SUB_rm, CMP_EbIb_r, ALU_CMP, 8, r, in->imm)
BRANCHES(SUB_rm, CMP_EbIb_b, ALU_CMP, 8, b, in->imm)
BRANCHES(SUB_reg, CMP_ALIb, 8, RAX, in->imm)
BRANCHES(TEST_rm, TEST_EbGb_r, 8, get_reg(cpu, 8, in->rm) & get_reg(cpu, 8, in->reg))
BRANCHES(TEST_rm, TEST_EbIb_r, 8, get_reg(cpu, 8, in->rm) & in->imm)
BRANCHES(TEST_rm, TEST_EbIb_b, 8, load8(cpu, in, ea_b(cpu, in)) & in->imm)
BRANCHES(TEST_rm, TEST_ALIb, 8, get_reg(cpu, 8, RAX) & in->imm)

// ---- any of these before any of these ----

#define DO(name) ALWAYS_INLINE void do_##name(struct cpu *cpu, const struct insn *in)
DO(MOV_GvEv_64_b)
{
    mov_load(cpu, in, 64, KIND_b);
}
DO(MOV_GvEv_64_m)
{
    mov_load(cpu, in, 64, KIND_m);
}
DO(MOV_GvEv_32_b)
{
    mov_load(cpu, in, 32, KIND_b);
}
DO(MOV_EvGv_64_b)
{
    mov_store(cpu, in, 64, KIND_b);
}
DO(MOV_EvGv_64_r)
{
    mov_store(cpu, in, 64, KIND_r);
}
DO(MOV_EvGv_32_r)
{
    mov_store(cpu, in, 32, KIND_r);
}
DO(MOV_EvGv_32_b)
{
    mov_store(cpu, in, 32, KIND_b);
}
DO(MOV_EvIz_64_b)
{
    set_rm(cpu, in, 64, KIND_b, in->imm);
}
DO(MOV_ZvIv_32)
{
    set_reg32(cpu, in->reg, (uint32_t)in->imm);
}
DO(MOVZX_GvEb_32_r)
{
    mov_zx(cpu, in, 8, 32, KIND_r);
}
DO(MOVZX_GvEb_32_b)
{
    mov_zx(cpu, in, 8, 32, KIND_b);
}
DO(MOVZX_GvEw_32_b)
{
    mov_zx(cpu, in, 16, 32, KIND_b);
}
DO(LEA_GvM_64_b)
{
    lea(cpu, in, 64, KIND_b);
}
DO(LEA_GvM_64_m)
{
    lea(cpu, in, 64, KIND_m);
}
DO(PUSH_Zv_64)
{
    push(cpu, in, 64, cpu->regs[in->reg]);
}
DO(POP_Zv_64)
{
    uint64_t v = pop(cpu, in, 64);
    cpu->regs[in->reg] = v;
}
DO(XOR_EvGv_32_r)
{
    alu_rm(cpu, in, ALU_XOR, 32, KIND_r, get_reg(cpu, 32, in->reg));
}
DO(ADD_EvIbs_64_r)
{
    alu_rm(cpu, in, ALU_ADD, 64, KIND_r, in->imm);
}
DO(SUB_EvIbs_64_r)
{
    alu_rm(cpu, in, ALU_SUB, 64, KIND_r, in->imm);
}
DO(ADD_EvIbs_64_b)
{
    alu_rm(cpu, in, ALU_ADD, 64, KIND_b, in->imm);
}

#define PAIR(first, second)                                                                                            \
    OP(first##__##second)                                                                                              \
    {                                                                                                                  \
        do_##first(cpu, in);                                                                                           \
        do_##second(cpu, in + 1);                                                                                      \
        return op_next(cpu, in + 1);                                                                                   \
    }
#define SECONDS(first)                                                                                                 \
    PAIR(first, MOV_GvEv_64_b)                                                                                         \
    PAIR(first, MOV_GvEv_64_m) PAIR(first, MOV_GvEv_32_b) PAIR(first, MOV_EvGv_64_b) PAIR(first, MOV_EvGv_64_r)        \
        PAIR(first, MOV_EvGv_32_r) PAIR(first, MOV_EvGv_32_b) PAIR(first, MOV_EvIz_64_b) PAIR(first, MOV_ZvIv_32)      \
            PAIR(first, MOVZX_GvEb_32_r) PAIR(first, MOVZX_GvEb_32_b) PAIR(first, MOVZX_GvEw_32_b)                     \
                PAIR(first, LEA_GvM_64_b) PAIR(first, LEA_GvM_64_m) PAIR(first, PUSH_Zv_64) PAIR(first, POP_Zv_64)     \
                    PAIR(first, XOR_EvGv_32_r) PAIR(first, ADD_EvIbs_64_r) PAIR(first, SUB_EvIbs_64_r)                 \
                        PAIR(first, ADD_EvIbs_64_b)
SECONDS(MOV_GvEv_64_b)
SECONDS(MOV_GvEv_64_m)
SECONDS(MOV_GvEv_32_b)
SECONDS(MOV_EvGv_64_b)
SECONDS(MOV_EvGv_64_r)
SECONDS(MOV_EvGv_32_r)
SECONDS(MOV_EvGv_32_b)
SECONDS(MOV_EvIz_64_b)
SECONDS(MOV_ZvIv_32)
SECONDS(MOVZX_GvEb_32_r)
SECONDS(MOVZX_GvEb_32_b)
SECONDS(MOVZX_GvEw_32_b)
SECONDS(LEA_GvM_64_b)
SECONDS(LEA_GvM_64_m)
SECONDS(PUSH_Zv_64)
SECONDS(POP_Zv_64)
SECONDS(XOR_EvGv_32_r)
SECONDS(ADD_EvIbs_64_r)
SECONDS(SUB_EvIbs_64_r)
SECONDS(ADD_EvIbs_64_b)

// ---- these before a branch that is always taken ----

#define END(first, second, go)                                                                                         \
    OP(first##__##second)                                                                                              \
    {                                                                                                                  \
        do_##first(cpu, in);                                                                                           \
        return go;                                                                                                     \
    }
#define ENDS(first)                                                                                                    \
    END(first, CALL, call(cpu, in + 1))                                                                                \
    END(first, RET, ret(cpu, in + 1, 0)) END(first, JMP, op_branch(cpu, in + 1))                                       \
        END(first, JMP_Eq_r, op_branch_to(cpu, in + 1, cpu->regs[in[1].rm]))
ENDS(MOV_GvEv_64_b)
ENDS(MOV_GvEv_64_m)
ENDS(MOV_EvGv_64_b)
ENDS(MOV_EvGv_64_r)
ENDS(MOV_EvGv_32_r)
ENDS(MOV_ZvIv_32)
ENDS(MOVZX_GvEb_32_b)
ENDS(LEA_GvM_64_b)
ENDS(POP_Zv_64)
ENDS(XOR_EvGv_32_r)
ENDS(ADD_EvIbs_64_r)
