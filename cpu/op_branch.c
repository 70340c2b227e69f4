// JMP Jcc JrCXZ LOOP CALL RET, far forms within the one code segment that exists, INT, SYSCALL.
#include "cpu/op_body.h"

enum { SELECTOR_CODE = 0x33, SELECTOR_DATA = 0x2b }; // Linux's __USER_CS and __USER_DS

OP(JMP_Jb)
{
    return op_branch(cpu, in);
}
OP(JMP_Jz)
{
    return op_branch(cpu, in);
}
OP(JMP_Eq_r)
{
    return op_branch_to(cpu, in, reg64(cpu, in->rm));
}
OP(JMP_Eq_b)
{
    return op_branch_to(cpu, in, load64(cpu, in, ea_b(cpu, in)));
}
OP(JMP_Eq_m)
{
    return op_branch_to(cpu, in, load64(cpu, in, ea(cpu, in)));
}

#define JCC_ROWS(name, cc)                                                                                             \
    OP(J##name##_Jb)                                                                                                   \
    {                                                                                                                  \
        return cond(cpu, cc) ? op_branch(cpu, in) : op_next(cpu, in);                                                  \
    }                                                                                                                  \
    OP(J##name##_Jz)                                                                                                   \
    {                                                                                                                  \
        return cond(cpu, cc) ? op_branch(cpu, in) : op_next(cpu, in);                                                  \
    }
CONDITIONS(JCC_ROWS)

ALWAYS_INLINE uint64_t count(const struct cpu *cpu, const struct insn *in)
{
    return in->pfx & PFX_ADDR32 ? (uint32_t)cpu->regs[RCX] : cpu->regs[RCX];
}
ALWAYS_INLINE const struct insn *loop(struct cpu *cpu, const struct insn *in, bool also)
{
    uint64_t c = cpu->regs[RCX] - 1;
    cpu->regs[RCX] = in->pfx & PFX_ADDR32 ? (uint32_t)c : c;
    return cpu->regs[RCX] && also ? op_branch(cpu, in) : op_next(cpu, in);
}
OP(JRCXZ_Jb)
{
    return count(cpu, in) == 0 ? op_branch(cpu, in) : op_next(cpu, in);
}
OP(LOOP_Jb)
{
    return loop(cpu, in, true);
}
OP(LOOPE_Jb)
{
    return loop(cpu, in, flag_zf(cpu));
}
OP(LOOPNE_Jb)
{
    return loop(cpu, in, !flag_zf(cpu));
}

OP(CALL_Jz)
{
    return call(cpu, in);
}
#define CALL_Eq(name, kind)                                                                                            \
    OP(name##_Eq_##kind)                                                                                               \
    {                                                                                                                  \
        uint64_t to = get_rm(cpu, in, 64, KIND_##kind);                                                                \
        push_return(cpu, in);                                                                                          \
        return op_branch_to(cpu, in, to);                                                                              \
    }
KINDS(CALL_Eq, CALL)
OP(RET)
{
    return ret(cpu, in, 0);
}
OP(RET_Iw)
{
    return ret(cpu, in, (uint64_t)in->imm);
}

// ---- far: the selector must be the one code segment; 32-bit code (0x23) is not supported and faults like a segment
// that is not there ----

static uint64_t far_pointer(struct cpu *cpu, const struct insn *in)
{
    uint64_t to = load_size(cpu, in, ea(cpu, in));
    if ((load16(cpu, in, ea_plus(cpu, in, in->size)) | 3) != SELECTOR_CODE)
        cpu_raise(cpu, in, VEC_GP); // any RPL will do
    return to;
}
OP(JMPF_Mv)
{
    return op_branch_to(cpu, in, far_pointer(cpu, in));
}
OP(CALLF_Mv)
{
    uint64_t to = far_pointer(cpu, in), sp = cpu->regs[RSP];
    store_size(cpu, in, sp - in->size, SELECTOR_CODE);
    store_size(cpu, in, sp - 2u * in->size, next_pc(in));
    cpu->regs[RSP] = sp - 2u * in->size;
    return op_branch_to(cpu, in, to);
}
static const struct insn *return_far(struct cpu *cpu, const struct insn *in, uint64_t more)
{
    uint64_t sp = cpu->regs[RSP], selector = load16(cpu, in, sp + in->size),
             to = load_size(cpu, in, sp); // in this order they fault on Intel
    if (selector != SELECTOR_CODE) cpu_raise(cpu, in, VEC_GP);
    cpu->regs[RSP] = sp + 2u * in->size + more;
    return op_branch_to(cpu, in, to);
}
OP(RETF_Fv)
{
    return return_far(cpu, in, 0);
}
OP(RETF_IwFv)
{
    return return_far(cpu, in, (uint64_t)in->imm);
}

// To the same privilege: rip, cs, flags, rsp, ss, of which Intel reads the flags first. Flags as POPF sets them.
OP(IRET_Fv)
{
    static const unsigned order[5] = {2, 1, 0, 3, 4};
    uint64_t sp = cpu->regs[RSP], v[5], keep = in->size == 2 ? ~0xffffull : 0;
    for (unsigned i = 0; i < 5; i++) {
        uint64_t at = sp + (uint64_t)order[i] * in->size;
        v[order[i]] = order[i] == 1 || order[i] == 4 ? load16(cpu, in, at) : load_size(cpu, in, at);
    }
    if (v[1] != SELECTOR_CODE || v[4] != SELECTOR_DATA) cpu_raise(cpu, in, VEC_GP);
    cpu_set_eflags(cpu, (cpu_eflags(cpu) & keep) | v[2]);
    cpu->regs[RSP] = v[3];
    return op_branch_to(cpu, in, v[0]);
}

// ---- into the kernel ----

// SDM vol. 2, SYSCALL; the kernel's SFMASK does not show in what it returns with.
OP(SYSCALL)
{
    cpu->regs[RCX] = next_pc(in);
    cpu->regs[R11] = cpu_eflags(cpu);
    return op_stop(cpu, in, STOP_SYSCALL, next_pc(in));
}
OP(INT3)
{
    cpu_raise(cpu, in, VEC_BP);
}
OP(INT1)
{
    cpu_raise(cpu, in, VEC_DB);
}
// Linux opens gates 3 and 4 to user code. Gate 0x80, for 32-bit system calls, is not there, as without
// CONFIG_IA32_EMULATION.
OP(INT_Ib)
{
    cpu_raise(cpu, in, in->imm == 3 ? VEC_BP : in->imm == 4 ? VEC_OF : VEC_GP);
}
OP(UD0_GvEv)
{
    cpu_raise(cpu, in, VEC_UD);
}
OP(UD1_GvEv)
{
    cpu_raise(cpu, in, VEC_UD);
}
OP(UD2)
{
    cpu_raise(cpu, in, VEC_UD);
}
