// Branches. Direct ones go to the next block or to a stub that leaves; a computed one takes its target once into r11,
// drops what lies above the region, and goes through the table of targets.
#include "jit/trace.h"

static unsigned condition(const struct insn *in)
{
    return insn_encodings[in->id].opcode & 15;
}

// Behind a conditional branch the trace goes on, if that code has run before. Where instructions are counted it ends at
// every branch, so that what was paid at its head is what ran.
static enum step fall_through(struct trace *t, const struct insn *in)
{
    uint32_t next = (uint32_t)insn_next_pc(in);
    if (!t->jit->options.fuel && trace_seen(t, next)) return STEP_ON;
    trace_go(t, next);
    return STEP_END;
}

static bool in_range(uint64_t pc)
{
    return pc < MEM_TOP;
}

enum step emit_Jcc(struct trace *t, struct insn *in)
{
    if (!in_range(insn_target(in))) return STEP_CALL;
    uint32_t to = (uint32_t)insn_target(in), next = (uint32_t)insn_next_pc(in);
    if (!t->jit->options.fuel && !trace_seen(t, next) && trace_seen(t, to) && !trace_known(t, to)) {
        trace_go_if(t, condition(in) ^ 1, next); // only the branch has been taken: the trace takes it
        trace_follow(t, to);
        return STEP_ON;
    }
    trace_go_if(t, condition(in), to);
    return fall_through(t, in);
}

// jecxz over what is not wanted: the host's own looks at all of rcx or ecx, as the guest's does.
enum step emit_JRCXZ_Jb(struct trace *t, struct insn *in)
{
    if (!in_range(insn_target(in))) return STEP_CALL;
    if (in->pfx & PFX_ADDR32) emit8(&t->e, 0x67);
    emit_bytes(&t->e, "\xe3\x02\xeb\x05", 4); // jrcxz +2; jmp +5
    trace_exit(t, emit_jump(&t->e), (uint32_t)insn_target(in));
    return fall_through(t, in);
}

enum step emit_LOOP_Jb(struct trace *t, struct insn *in)
{
    if (!in_range(insn_target(in)) || in->pfx & PFX_ADDR32) return STEP_CALL;
    emit_lea(&t->e, 8, RCX, RCX, REG_NONE, -1);
    emit_bytes(&t->e, "\xe3\x05", 2); // jrcxz +5
    trace_exit(t, emit_jump(&t->e), (uint32_t)insn_target(in));
    return fall_through(t, in);
}

enum step emit_JMP(struct trace *t, struct insn *in)
{
    if (!in_range(insn_target(in))) return STEP_CALL;
    uint32_t to = (uint32_t)insn_target(in);
    if (t->jit->options.fuel || trace_known(t, to) || !trace_seen(t, to)) {
        trace_go(t, to);
        return STEP_END;
    }
    trace_follow(t, to);
    return STEP_ON;
}

// The return address. PUSH sign-extends its 32 bits, so above 2 GiB (where guests' own translators put their code) the
// high half is cleared behind it. r11 is left alone.
static void push_return(struct trace *t, const struct insn *in)
{
    uint32_t next = (uint32_t)insn_next_pc(in);
    t->returns[t->nreturns++] = next;
    emit8(&t->e, 0x68);
    emit32(&t->e, next);
    if (next >= 0x80000000u) emit_bytes(&t->e, "\xc7\x44\x24\x04\0\0\0\0", 8); // mov dword [rsp + 4], 0
    t->gap = 0;
}

// Through the table the function only returns where it left the trace.
static bool follow_call(struct trace *t, const struct insn *in)
{
    uint32_t to = (uint32_t)insn_target(in), next = (uint32_t)insn_next_pc(in), ret;
    bool branches;
    if (!trace_seen(t, to) || !trace_seen(t, next) || !trace_can_follow_call(t, to, &ret, &branches)) return false;
    if (branches)
        build_want(t->jit->build, next);
    else
        t->nreturns--;
    t->called = next;
    t->call_ret = ret;
    t->call_at = t->ninsns;
    t->pc = to;
    return true;
}

enum step emit_CALL_Jz(struct trace *t, struct insn *in)
{
    if (!in_range(insn_target(in)) || !in_range(insn_next_pc(in))) return STEP_CALL;
    push_return(t, in);
    if (follow_call(t, in)) return STEP_ON;
    trace_go(t, (uint32_t)insn_target(in));
    return STEP_END;
}

// Through the table: r11 has the target in its low half.
static enum step jump_r11(struct trace *t)
{
    emit_mov(&t->e, 4, R11, R11);
    emit_table_jump(&t->e);
    return STEP_END;
}

static bool target_ok(const struct trace *t, const struct insn *in)
{
    return trace_operand_ok(t, in) && !(in->rm != INSN_MEM && in->rm == RSP);
}

// The guest's r11 is saved; where the instruction names it, it is still in the register.
static void save_r11(struct trace *t, const struct insn *in)
{
    if (trace_uses(in, R11)) trace_need_r11(t);
    trace_scratch(t);
}

// All 8 bytes, so that it faults as the guest's does.
static void load_target(struct trace *t, const struct insn *in)
{
    struct insn load = *in;
    enum reach reach = trace_operand(t, &load);
    trace_scratch(t);
    load.id = INSN_MOV_GvEv;
    load.size = 8;
    load.reg = R11;
    emit_insn(&t->e, &load, reach);
}

enum step emit_JMP_Eq(struct trace *t, struct insn *in)
{
    if (!target_ok(t, in)) return STEP_CALL;
    save_r11(t, in);
    if (in->rm == INSN_MEM) load_target(t, in);
    emit_mov(&t->e, 4, R11, in->rm == INSN_MEM ? R11 : in->rm);
    emit_table_jump(&t->e);
    return STEP_END;
}

enum step emit_CALL_Eq(struct trace *t, struct insn *in)
{
    if (!target_ok(t, in) || !in_range(insn_next_pc(in))) return STEP_CALL;
    save_r11(t, in);
    if (in->rm == INSN_MEM) load_target(t, in);
    push_return(t, in);
    emit_mov(&t->e, 4, R11, in->rm == INSN_MEM ? R11 : in->rm);
    emit_table_jump(&t->e);
    return STEP_END;
}

// What it pops is known.
static enum step return_followed(struct trace *t)
{
    uint32_t to = t->called;
    t->called = 0;
    emit_lea(&t->e, 8, RSP, RSP, REG_NONE, 8);
    (void)trace_adjusted(t, 8);
    t->pc = to;
    return STEP_ON;
}

enum step emit_RET(struct trace *t, struct insn *in)
{
    if (t->called && t->call_ret == in->pc) return return_followed(t);
    trace_scratch(t);
    emit_pop(&t->e, R11);
    t->gap = 8;
    return jump_r11(t);
}

enum step emit_RET_Iw(struct trace *t, struct insn *in)
{
    if (in->imm > TOUCH - 8) return STEP_CALL;
    trace_scratch(t);
    emit_pop(&t->e, R11);
    emit_lea(&t->e, 8, RSP, RSP, REG_NONE, in->imm);
    t->gap = 8 + (uint32_t)in->imm;
    return jump_r11(t);
}

enum step emit_SYSCALL(struct trace *t, struct insn *in)
{
    trace_leave(t, EXIT_SYSCALL, (uint32_t)insn_next_pc(in));
    return STEP_END;
}
