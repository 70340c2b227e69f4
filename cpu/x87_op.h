// What the op functions of cpu/x87_*.c share.
#pragma once
#include "cpu/fpu.h"
#include "cpu/op.h"

// Waiting instructions raise the pending exception before anything else.
static inline void fpu_wait(struct cpu *cpu, const struct insn *in)
{
    if (__builtin_expect(fpu_pending(&cpu->fpu), 0)) cpu_raise(cpu, in, VEC_MF);
}

// The i of ST(i).
static inline unsigned sti(const struct insn *in)
{
    return in->rm & 7;
}
