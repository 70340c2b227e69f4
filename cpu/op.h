// What op_* functions are written with: going on, stopping, operands, guest memory. Included by cpu/op_*.c, cpu/x87*.c
// and cpu/sse*.c only.
//
// Each such file is compiled once per memory back end (cpu/mem.h): OPS_CHECKED (defined by CMake) selects the checked
// one, and the name of each op_ function then ends in _c (see OP below; the prototypes are generated). So these files
// hold OP functions and static helpers, nothing else with a global name. Write `OP(PADDB_VxWx) { ...; return
// op_next(cpu, in); }`.
#pragma once
#include "cpu/access.h"
#include "cpu/flags.h"
#include "cpu/insn.h"
#include "cpu/insn_ops.h" // generated: prototypes of all OP functions
#include "cpu/mem.h"
#include <string.h>

// BELLJAR_LOOP_DISPATCH: builds without sibling calls (debug, sanitizers) return each next instruction to cpu_run's
// loop instead.
static inline const struct insn *op_go(struct cpu *cpu, const struct insn *to)
{
#ifdef BELLJAR_LOOP_DISPATCH
    (void)cpu;
    return to;
#else
    return to->fn(cpu, to);
#endif
}
static inline const struct insn *op_next(struct cpu *cpu, const struct insn *in)
{
    const struct insn *to = in + 1;
    __asm__("" : "+r"(to)); // or gcc loads to->fn through `in` as well and needs two more instructions
    return op_go(cpu, to);
}

// Branches. A row with attr `branch` ends in one of these.
// Out of the ordinary (not chained yet, budget spent, interrupt asked): cpu/code.c and cpu/run.c.
const struct insn *code_branch(struct cpu *cpu, const struct insn *in,
                               uint64_t pc); // find or decode the block at pc, chain in->link if direct
const struct insn *code_jump(struct cpu *cpu, const struct insn *in,
                             uint64_t pc); // the same for a computed pc; charges in->run
const struct insn *op_stop(struct cpu *cpu, const struct insn *in, enum cpu_stop why,
                           uint64_t rip); // end cpu_run; rip: where to go on

op_fn op_block_end; // the function of end marks: a block that ends without a branch goes on with its next one
                    // (cpu/code.h)

// A direct branch, taken.
static inline const struct insn *op_branch(struct cpu *cpu, const struct insn *in)
{
    const struct insn *to = in->link;
    cpu->budget -= in->run;
    if (__builtin_expect(to == NULL || cpu->budget < cpu->floor, 0)) return code_branch(cpu, in, insn_target(in));
    return op_go(cpu, to);
}
// To a computed address.
static inline const struct insn *op_branch_to(struct cpu *cpu, const struct insn *in, uint64_t pc)
{
    return code_jump(cpu, in, pc);
}

// The address behind the instruction, and where it stands: pushed by calls, the base of relative branches.
static inline uint64_t next_pc(const struct insn *in)
{
    return insn_next_pc(in);
}

// End cpu_run at this instruction with an exception; state is as before it. Never returns (unwinds to cpu_run).
_Noreturn void cpu_raise(struct cpu *cpu, const struct insn *in, enum cpu_vector vector);

// Effective address plus segment base; `delta` more for operands that lie beside it (bit offsets, far pointers).
// The direct back end looks at 32 bits only, so they are all that is worked out, and 67 means nothing.
#ifdef OPS_CHECKED
static inline uint64_t ea_plus(const struct cpu *cpu, const struct insn *in, uint64_t delta)
{
    uint64_t a = cpu->regs[in->base] + (cpu->regs[in->index] << in->scale) + insn_disp(in) + delta;
    return (in->pfx & PFX_ADDR32 ? (uint32_t)a : a) + cpu->seg_base[in->seg];
}
static inline uint64_t ea_b(const struct cpu *cpu, const struct insn *in)
{
    return cpu->regs[in->base] + insn_disp(in);
} // in _b forms
#else
static inline uint64_t ea_plus(const struct cpu *cpu, const struct insn *in, uint64_t delta)
{
    uint32_t index = (uint32_t)(cpu->regs[in->index] << in->scale);
    return (uint32_t)cpu->regs[in->base] + index + (uint32_t)in->disp + (uint32_t)delta +
           (uint32_t)cpu->seg_base[in->seg];
}
static inline uint64_t ea_b(const struct cpu *cpu, const struct insn *in)
{
    return (uint32_t)cpu->regs[in->base] + (uint32_t)in->disp;
}
#endif
static inline uint64_t ea(const struct cpu *cpu, const struct insn *in)
{
    return ea_plus(cpu, in, 0);
}
static inline bool is_mem(const struct insn *in)
{
    return in->rm == INSN_MEM;
}

// The function of a row (or of one of its forms: OP(ADD_EvGv_32_r)). Compiled once per back end.
#ifdef OPS_CHECKED
#define OP(name) const struct insn *op_##name##_c(struct cpu *cpu, const struct insn *in)
#else
#define OP(name) const struct insn *op_##name(struct cpu *cpu, const struct insn *in)
#endif

// Registers. Byte registers are named by their byte offset in regs (AH is 1, CH 9, ...), which the decoder has put into
// reg and rm.
static inline uint8_t *reg8(struct cpu *cpu, unsigned offset)
{
    return (uint8_t *)cpu->regs + offset;
}
static inline uint16_t reg16(const struct cpu *cpu, unsigned r)
{
    return (uint16_t)cpu->regs[r];
}
static inline uint32_t reg32(const struct cpu *cpu, unsigned r)
{
    return (uint32_t)cpu->regs[r];
}
static inline uint64_t reg64(const struct cpu *cpu, unsigned r)
{
    return cpu->regs[r];
}
static inline void set_reg16(struct cpu *cpu, unsigned r, uint16_t v)
{
    cpu->regs[r] = (cpu->regs[r] & ~0xffffull) | v;
}
static inline void set_reg32(struct cpu *cpu, unsigned r, uint32_t v)
{
    cpu->regs[r] = v;
}
static inline void set_reg64(struct cpu *cpu, unsigned r, uint64_t v)
{
    cpu->regs[r] = v;
}

// Guest memory: load8/16/32/64(cpu, in, addr), store8/16/32/64(cpu, in, addr, value), load_bytes/store_bytes(cpu, in,
// addr, buf, n) with n <= 64 (all or nothing: a page-crossing store checks both pages first). They do not return when
// the access faults. Legacy-SSE and MOVAPS-like memory operands must be 16-byte aligned: attr aligned16, checked by the
// operand helper (#GP).
