// PUSH POP PUSHF POPF ENTER LEAVE. The stack's address size is 64 bits whatever the operand size is.
#include "cpu/op_body.h"

#define PUSH_ROWS(bits)                                                                                                \
    OP(PUSH_Zv_##bits)                                                                                                 \
    {                                                                                                                  \
        push(cpu, in, bits, get_reg(cpu, bits, in->reg));                                                              \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(PUSH_Ev_##bits##_r)                                                                                             \
    {                                                                                                                  \
        push(cpu, in, bits, get_reg(cpu, bits, in->rm));                                                               \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(PUSH_Ev_##bits##_m)                                                                                             \
    {                                                                                                                  \
        push(cpu, in, bits, load(cpu, in, bits, ea(cpu, in)));                                                         \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(PUSH_Iz_##bits)                                                                                                 \
    {                                                                                                                  \
        push(cpu, in, bits, in->imm);                                                                                  \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(PUSH_Ibs_##bits)                                                                                                \
    {                                                                                                                  \
        push(cpu, in, bits, in->imm);                                                                                  \
        return op_next(cpu, in);                                                                                       \
    }
PUSH_ROWS(16)
PUSH_ROWS(64)

// POP rSP leaves the popped value; a memory operand with base rSP is addressed with rSP as it is after the pop.
ALWAYS_INLINE void pop_mem(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint64_t v = load(cpu, in, bits, cpu->regs[RSP]);
    store(cpu, in, bits, ea_plus(cpu, in, in->base == RSP ? bits / 8 : 0), v);
    cpu->regs[RSP] += bits / 8;
}
#define POP_ROWS(bits)                                                                                                 \
    OP(POP_Zv_##bits)                                                                                                  \
    {                                                                                                                  \
        uint64_t v = pop(cpu, in, bits);                                                                               \
        set_reg(cpu, bits, in->reg, v);                                                                                \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(POP_Ev_##bits##_r)                                                                                              \
    {                                                                                                                  \
        uint64_t v = pop(cpu, in, bits);                                                                               \
        set_reg(cpu, bits, in->rm, v);                                                                                 \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(POP_Ev_##bits##_m)                                                                                              \
    {                                                                                                                  \
        pop_mem(cpu, in, bits);                                                                                        \
        return op_next(cpu, in);                                                                                       \
    }
POP_ROWS(16)
POP_ROWS(64)

// RF and VM are pushed as 0; with 16 bits only the low half of the flags is touched.
OP(PUSHF_Fv_16)
{
    push(cpu, in, 16, cpu_eflags(cpu));
    return op_next(cpu, in);
}
OP(PUSHF_Fv_64)
{
    push(cpu, in, 64, cpu_eflags(cpu) & 0xfcffff);
    return op_next(cpu, in);
}
OP(POPF_Fv_16)
{
    uint64_t v = pop(cpu, in, 16);
    cpu_set_eflags(cpu, (cpu_eflags(cpu) & ~0xffffull) | v);
    return op_next(cpu, in);
}
OP(POPF_Fv_64)
{
    uint64_t v = pop(cpu, in, 64);
    cpu_set_eflags(cpu, v);
    return op_next(cpu, in);
}

// All that ENTER reaches, in its order and without writing: the frame pointers that it copies may lie where it writes
// them, so it cannot be done again once it has begun.
ALWAYS_INLINE void probe_enter(struct cpu *cpu, const struct insn *in, unsigned bytes, unsigned level)
{
    uint64_t sp = cpu->regs[RSP], bp = cpu->regs[RBP];
    probe_store(cpu, in, sp -= bytes, bytes);
    for (unsigned i = 1; i < level; i++) {
        probe_load(cpu, in, bp -= bytes, bytes);
        probe_store(cpu, in, sp -= bytes, bytes);
    }
    if (level) probe_store(cpu, in, sp -= bytes, bytes);
    probe_store(cpu, in, sp - ((uint64_t)in->imm & 0xffff), bytes);
}

// SDM vol. 2, ENTER. Its last step proves the new stack top writable.
ALWAYS_INLINE void enter(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint64_t sp = cpu->regs[RSP] - bits / 8, bp = cpu->regs[RBP], frame = sp;
    unsigned level = (unsigned)in->imm >> 16 & 31;
    if (level > 1) probe_enter(cpu, in, bits / 8, level);
    store(cpu, in, bits, sp, bp);
    for (unsigned i = 1; i < level; i++) {
        bp -= bits / 8;
        sp -= bits / 8;
        store(cpu, in, bits, sp, load(cpu, in, bits, bp));
    }
    if (level) {
        sp -= bits / 8;
        store(cpu, in, bits, sp, frame);
    }
    sp -= (uint64_t)in->imm & 0xffff;
    store(cpu, in, bits, sp, load(cpu, in, bits, sp));
    set_reg(cpu, bits, RBP, frame);
    cpu->regs[RSP] = sp;
}
OP(ENTER_IwIb_16)
{
    enter(cpu, in, 16);
    return op_next(cpu, in);
}
OP(ENTER_IwIb_64)
{
    enter(cpu, in, 64);
    return op_next(cpu, in);
}

ALWAYS_INLINE void leave(struct cpu *cpu, const struct insn *in, unsigned bits)
{
    uint64_t bp = cpu->regs[RBP], v = load(cpu, in, bits, bp);
    cpu->regs[RSP] = bp + bits / 8;
    set_reg(cpu, bits, RBP, v);
}
OP(LEAVE_16)
{
    leave(cpu, in, 16);
    return op_next(cpu, in);
}
OP(LEAVE_64)
{
    leave(cpu, in, 64);
    return op_next(cpu, in);
}
