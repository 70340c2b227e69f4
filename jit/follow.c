// Calls that a trace follows: through a short function that calls nothing, and on behind the call, without a jump
// through the table for its RET, which CPUs predict badly.
//
// What the call has pushed is still there at the RET, if no instruction between them can have written it. No other
// thread has: a box has one CPU, and whoever stops the code between two instructions leaves it, to come back by another
// block, since a trace has no heads between such a call and its return. So nothing is compared, and no flag changes.
// The way is looked at before it is followed; what leaves it goes to blocks whose RET asks the table.
#include "jit/trace.h"
#include <string.h>

enum {
    FOLLOW_INSNS = 24,  // of the function
    FOLLOW_NEAR = 2048, // what is nearer than a page, and does not overlap, is not the same memory seen twice
    WIDEST = 32,        // of what a copied instruction stores
};

struct way {
    struct trace *trace;
    uint32_t pc;
    int32_t depth; // from rsp up to the return address
    bool branches; // some are left out
};

static bool is_disjoint(int64_t at, unsigned size)
{
    return at >= -FOLLOW_NEAR && at <= FOLLOW_NEAR && (at + size <= 0 || at >= 8);
}

// Only a first operand is written.
static bool may_store(const struct insn *in)
{
    const struct insn_row *row = &insn_rows[in->id];
    if (in->rm != INSN_MEM || !strchr("EMWQU", row->operands[0])) return false;
    return strcmp(row->mnemonic, "cmp") && strcmp(row->mnemonic, "test");
}

static bool store_ok(const struct way *w, const struct insn *in)
{
    bool by_rsp = in->base == RSP && in->index == REG_NONE && !in->seg && !(in->pfx & PFX_ADDR32);
    return by_rsp && is_disjoint((int64_t)in->disp - w->depth, insn_rows[in->id].operands[0] == 'E' ? 8 : WIDEST);
}

static bool moves_rsp(struct way *w, const struct insn *in)
{
    bool adds = in->id == INSN_ADD_EvIz || in->id == INSN_ADD_EvIbs;
    bool takes = in->id == INSN_SUB_EvIz || in->id == INSN_SUB_EvIbs;
    if (!(adds || takes) || in->rm != RSP || in->size != 8 || in->imm < -FOLLOW_NEAR || in->imm > FOLLOW_NEAR)
        return false;
    w->depth += adds ? -in->imm : in->imm;
    return true;
}

static bool copied_ok(struct way *w, const struct insn *in)
{
    if (insn_encodings[in->id].x87) return false; // may leave, and come back
    if (trace_names(in, RSP)) return moves_rsp(w, in);
    return !may_store(in) || store_ok(w, in);
}

// The side that a trace takes (emit_Jcc).
static bool take_side(struct way *w, const struct insn *in)
{
    uint32_t next = (uint32_t)insn_next_pc(in), to = (uint32_t)insn_target(in);
    if (w->trace->jit->options.fuel || insn_target(in) >= MEM_TOP) return false;
    w->branches = true;
    w->pc = trace_seen(w->trace, next) ? next : to;
    return w->pc == next || trace_seen(w->trace, to);
}

static bool take_jump(struct way *w, const struct insn *in)
{
    if (w->trace->jit->options.fuel || insn_target(in) >= MEM_TOP) return false;
    w->pc = (uint32_t)insn_target(in);
    return trace_seen(w->trace, w->pc);
}

static bool is_jcc(unsigned id)
{
    return insn_rows[id].attr & INSN_ATTR_COND && insn_rows[id].mnemonic[0] == 'j' && id != INSN_JRCXZ_Jb;
}

static bool step_ok(struct way *w, const struct insn *in)
{
    w->pc = (uint32_t)insn_next_pc(in);
    if (trace_is_copied(w->trace, in)) return copied_ok(w, in);
    switch (in->id) {
    case INSN_PUSH_Zv:
        w->depth += 8;
        return in->size == 8 && w->depth <= FOLLOW_NEAR && w->depth >= 8;
    case INSN_POP_Zv:
        w->depth -= 8;
        return in->size == 8 && in->reg != RSP;
    case INSN_LEA_GvM:
        return in->reg != RSP;
    case INSN_JMP_Jb:
    case INSN_JMP_Jz:
        return take_jump(w, in);
    default:
        return is_jcc(in->id) ? take_side(w, in) : trace_is_nothing(w->trace, in);
    }
}

// To its RET.
static bool walk(struct way *w)
{
    for (unsigned n = 0; n < FOLLOW_INSNS; n++) {
        const struct insn *in = trace_insn_at(w->trace, w->pc);
        if (!in) return false;
        if (in->id == INSN_RET) {
            w->pc = in->pc;
            return w->depth == 0;
        }
        if (!step_ok(w, in)) return false;
    }
    return false;
}

bool trace_can_follow_call(struct trace *t, uint32_t pc, uint32_t *ret, bool *branches)
{
    struct way w = {.trace = t, .pc = pc};
    bool room = t->ninsns + 2 * FOLLOW_INSNS < TRACE_INSNS && t->npages + 2 < VIEW_PAGES;
    if (!t->jit->build || t->called || !room) return false;
    struct insn in = t->in;
    bool can = walk(&w);
    t->in = in;
    *ret = w.pc;
    *branches = w.branches;
    return can;
}
