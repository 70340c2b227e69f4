// The work of the most frequent integer rows without the step to the next instruction: op_arith.c, op_move.c and
// op_stack.c make the rows' functions of it, op_fused.c those of pairs.
#pragma once
#include "cpu/op_int.h"

enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

ALWAYS_INLINE uint64_t alu_result(const struct cpu *cpu, enum alu op, uint64_t a, uint64_t b)
{
    switch (op) {
    case ALU_ADD:
        return a + b;
    case ALU_OR:
        return a | b;
    case ALU_ADC:
        return a + b + flag_cf(cpu);
    case ALU_SBB:
        return a - b - flag_cf(cpu);
    case ALU_AND:
        return a & b;
    case ALU_XOR:
        return a ^ b;
    default:
        return a - b;
    }
}
ALWAYS_INLINE void alu_flags(struct cpu *cpu, enum alu op, unsigned bits, uint64_t a, uint64_t b, uint64_t res)
{
    if (op == ALU_ADD || op == ALU_ADC)
        flags_add(cpu, bits, a, b, res);
    else if (op == ALU_SUB || op == ALU_SBB || op == ALU_CMP)
        flags_sub(cpu, bits, a, b, res);
    else
        flags_logic(cpu, bits, res);
}

// Destination rm, source b. Returns the destination's old value.
ALWAYS_INLINE uint64_t alu_rm(struct cpu *cpu, const struct insn *in, enum alu op, unsigned bits, enum kind kind,
                              uint64_t b)
{
    uint64_t at = kind == KIND_r ? 0 : address(cpu, in, kind);
    uint64_t a = kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, at);
    uint64_t res = alu_result(cpu, op, a, b);
    if (op != ALU_CMP && kind == KIND_r) set_reg(cpu, bits, in->rm, res);
    if (op != ALU_CMP && kind != KIND_r) store(cpu, in, bits, at, res);
    alu_flags(cpu, op, bits, a, b, res);
    return a;
}
// Destination register r, source b. Returns the destination's old value.
ALWAYS_INLINE uint64_t alu_reg(struct cpu *cpu, enum alu op, unsigned bits, unsigned r, uint64_t b)
{
    uint64_t a = get_reg(cpu, bits, r), res = alu_result(cpu, op, a, b);
    if (op != ALU_CMP) set_reg(cpu, bits, r, res);
    alu_flags(cpu, op, bits, a, b, res);
    return a;
}
// An immediate as an operand of `bits`.
ALWAYS_INLINE uint64_t imm(const struct insn *in, unsigned bits)
{
    return (uint64_t)in->imm & width_mask(bits);
}

ALWAYS_INLINE void mov_store(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind)
{
    set_rm(cpu, in, bits, kind, get_reg(cpu, bits, in->reg));
}
ALWAYS_INLINE void mov_load(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind)
{
    set_reg(cpu, bits, in->reg, get_rm(cpu, in, bits, kind));
}
ALWAYS_INLINE void mov_zx(struct cpu *cpu, const struct insn *in, unsigned from, unsigned bits, enum kind kind)
{
    set_reg(cpu, bits, in->reg, get_rm(cpu, in, from, kind));
}
ALWAYS_INLINE void mov_sx(struct cpu *cpu, const struct insn *in, unsigned from, unsigned bits, enum kind kind)
{
    set_reg(cpu, bits, in->reg, sext(get_rm(cpu, in, from, kind), from));
}

// The address without the segment's base (attr noseg), all 64 bits of it; 67 truncates it. That and RIP-relative ones
// have no _b form.
ALWAYS_INLINE void lea(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind)
{
    uint64_t a = kind == KIND_b ? cpu->regs[in->base] + (uint64_t)in->disp
                                : cpu->regs[in->base] + (cpu->regs[in->index] << in->scale) + insn_disp(in);
    set_reg(cpu, bits, in->reg, kind == KIND_m && in->pfx & PFX_ADDR32 ? (uint32_t)a : a);
}

ALWAYS_INLINE void push(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t v)
{
    uint64_t sp = cpu->regs[RSP] - bits / 8;
    store(cpu, in, bits, sp, v);
    cpu->regs[RSP] = sp;
}
ALWAYS_INLINE uint64_t pop(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint64_t v = load(cpu, in, bits, cpu->regs[RSP]);
    cpu->regs[RSP] += bits / 8;
    return v;
}

// Behind each call stands its block's end mark, which chains to the block that it returns to. RET goes by the mark of
// the last call not yet returned from, if that is where it returns to. The mark may be of a block decoded for one run
// and gone (never chained), so it is asked whether it is one.
ALWAYS_INLINE void push_return(struct cpu *cpu, const struct insn *in)
{
    push(cpu, in, 64, next_pc(in));
    cpu->returns[cpu->returns_top++ % RETURNS] = in + 1;
}
ALWAYS_INLINE const struct insn *return_to(struct cpu *cpu, const struct insn *in, uint64_t to)
{
    const struct insn *mark = cpu->returns[--cpu->returns_top % RETURNS];
    if (!mark || mark->fn != op_block_end || insn_target(mark) != to) return op_branch_to(cpu, in, to);
    cpu->budget -= in->run;
    if (__builtin_expect(!mark->link || cpu->budget < cpu->floor, 0)) return code_branch(cpu, mark, to);
    return op_go(cpu, mark->link);
}
ALWAYS_INLINE const struct insn *call(struct cpu *cpu, const struct insn *in)
{
    push_return(cpu, in);
    return op_branch(cpu, in);
}
ALWAYS_INLINE const struct insn *ret(struct cpu *cpu, const struct insn *in, uint64_t more)
{
    uint64_t to = pop(cpu, in, 64);
    cpu->regs[RSP] += more;
    return return_to(cpu, in, to);
}
