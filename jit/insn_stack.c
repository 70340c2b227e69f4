// rsp. The host's is R + the guest's: pushes, pops and [rsp + disp] are as they are; what reads it takes the low half;
// what sets it goes through a check and a sum. Flags of ADD, SUB and AND on it are the guest's, since the guest's value
// is never near 0 or 4 GiB (trace.h).
#include "jit/trace.h"
#include <string.h>

// ---- the gap ----

// A read at rsp that changes nothing: no flag, no register of the guest's.
void trace_probe(struct trace *t)
{
    if (t->r11 != R11_REG) {
        emit_bytes(&t->e, "\x4c\x8b\x1c\x24", 4); // mov r11, [rsp]
        t->r11 = R11_SLOT;
        t->gap = 0;
        return;
    }
    emit_bytes(&t->e, "\x64\x8f\x04\x25", 4); // pop fs:[TMP]
    emit32(&t->e, (uint32_t)(t->e.slots + 8 * SLOT_TMP));
    emit_lea(&t->e, 8, RSP, RSP, REG_NONE, -8);
    t->gap = 16;
}

void trace_touched(struct trace *t, uint32_t distance)
{
    if (distance < t->gap) t->gap = distance;
}

bool trace_adjusted(struct trace *t, uint32_t by)
{
    if (by > ADJUST_MAX) return false;
    if (t->gap > GAP_MAX - by) trace_probe(t);
    t->gap += by;
    return true;
}

// ---- pushes and pops ----

static enum step push_reg(struct trace *t, unsigned reg)
{
    if (reg == RSP) {
        trace_scratch(t);
        emit_mov(&t->e, 4, R11, RSP);
        reg = R11;
    } else if (reg == R11) {
        trace_need_r11(t);
    }
    emit_push(&t->e, reg);
    t->gap = 0;
    return STEP_ON;
}

enum step emit_PUSH_Zv(struct trace *t, struct insn *in)
{
    return in->size == 8 ? push_reg(t, in->reg) : STEP_CALL;
}

enum step emit_PUSH_Ev(struct trace *t, struct insn *in)
{
    if (in->size != 8) return STEP_CALL;
    if (in->rm != INSN_MEM) return push_reg(t, in->rm);
    if (!trace_operand_ok(t, in)) return STEP_CALL;
    if (trace_uses(in, R11)) trace_need_r11(t);
    enum reach reach = trace_operand(t, in);
    trace_scratch(t); // the register still has the guest's value, should the address need it
    struct insn load = *in;
    load.id = INSN_MOV_GvEv;
    load.reg = R11;
    emit_insn(&t->e, &load, reach);
    emit_push(&t->e, R11);
    t->gap = 0;
    return STEP_ON;
}

enum step emit_PUSH_Iz(struct trace *t, struct insn *in)
{
    if (in->size != 8) return STEP_CALL;
    emit_insn(&t->e, in, REACH_NONE);
    t->gap = 0;
    return STEP_ON;
}

static enum step pop_reg(struct trace *t, unsigned reg)
{
    if (reg == RSP) return STEP_CALL;
    emit_pop(&t->e, reg);
    if (reg == R11) t->r11 = R11_REG;
    t->gap = 8;
    return STEP_ON;
}

enum step emit_POP_Zv(struct trace *t, struct insn *in)
{
    return in->size == 8 ? pop_reg(t, in->reg) : STEP_CALL;
}

// The address is that of after the pop (SDM vol. 2, POP); rsp changes when the store has come through.
static enum step pop_memory(struct trace *t, struct insn *in)
{
    if (in->seg || trace_uses(in, R11) || in->disp > INT32_MAX - 8 || !trace_operand_ok(t, in)) return STEP_CALL;
    struct insn store = *in;
    store.id = INSN_MOV_EvGv;
    store.reg = R11;
    if (in->base == RSP) store.disp += 8;
    enum reach reach = trace_operand(t, &store);
    trace_scratch(t);
    emit_bytes(&t->e, "\x4c\x8b\x1c\x24", 4); // mov r11, [rsp]
    emit_insn(&t->e, &store, reach);
    emit_lea(&t->e, 8, RSP, RSP, REG_NONE, 8);
    t->gap = 8;
    return STEP_ON;
}

enum step emit_POP_Ev(struct trace *t, struct insn *in)
{
    if (in->size != 8) return STEP_CALL;
    return in->rm == INSN_MEM ? pop_memory(t, in) : pop_reg(t, in->rm);
}

// ---- setting rsp ----

// Is the upper half of `from` 0, as an address on the guest's stack must be? Else the interpreter goes on at this
// instruction. r11 is free and stays so.
static void check_upper(struct trace *t, unsigned from)
{
    emit_store_slot(&t->e, 8, SLOT_TMP, from);
    emit_mov(&t->e, 8, R11, RCX);
    emit_load_slot(&t->e, 4, RCX, SLOT_TMP, 4);
    uint32_t good = emit_jecxz(&t->e);
    emit_mov(&t->e, 8, RCX, R11);
    trace_leave(t, EXIT_INTERP, t->in.pc);
    emit_here8(&t->e, good);
    emit_mov(&t->e, 8, RCX, R11);
}

// rsp = R + r11, whose upper half a 32-bit write has just cleared.
static void set_rsp(struct trace *t)
{
    emit_load_slot(&t->e, 8, RSP, SLOT_REGION, 0);
    emit_lea(&t->e, 8, RSP, RSP, R11, 0);
    t->gap = UINT32_MAX;
}

// rsp = TMP, which check_upper has seen.
static void set_rsp_tmp(struct trace *t)
{
    emit_load_slot(&t->e, 4, R11, SLOT_TMP, 0);
    set_rsp(t);
}

enum step emit_LEAVE(struct trace *t, struct insn *in)
{
    if (in->size != 8) return STEP_CALL;
    trace_scratch(t);
    check_upper(t, RBP);
    // What POP will read, so that it cannot fault when rsp has changed.
    struct insn load = {.id = INSN_MOV_GvEv, .size = 8, .reg = R11, .rm = INSN_MEM, .base = RBP, .index = REG_NONE};
    emit_insn(&t->e, &load, REACH_GUEST);
    emit_mov(&t->e, 4, R11, RBP);
    set_rsp(t);
    emit_pop(&t->e, RBP);
    t->gap = 8;
    return STEP_ON;
}

// ---- LEA ----

static enum step lea_rip(struct trace *t, const struct insn *in)
{
    uint64_t value = insn_disp(in);
    if (in->pfx & PFX_ADDR32 || in->size == 4) value = (uint32_t)value;
    if (value >= MEM_TOP || in->size == 2 || in->reg == RSP) return STEP_CALL;
    emit_mov_imm(&t->e, in->reg, (uint32_t)value);
    if (in->reg == R11) t->r11 = R11_REG;
    return STEP_ON;
}

// The sum does not wrap, so 32 bits of it are all.
static bool is_near(const struct insn *in)
{
    return in->index == REG_NONE && in->disp >= -ADJUST_MAX && in->disp <= ADJUST_MAX;
}

static enum step set_rsp_lea(struct trace *t, struct insn *in)
{
    if (in->size != 8 || in->pfx & PFX_ADDR32 || trace_uses(in, R11)) return STEP_CALL;
    if (in->base == RSP && is_near(in)) {
        trace_adjusted(t, (uint32_t)(in->disp < 0 ? -in->disp : in->disp));
        emit_insn(&t->e, in, REACH_PLAIN);
        return STEP_ON;
    }
    trace_scratch(t);
    if (in->base == RSP) {
        emit_mov(&t->e, 4, R11, RSP);
        in->base = R11;
    }
    in->reg = R11;
    emit_insn(&t->e, in, REACH_PLAIN);
    check_upper(t, R11);
    set_rsp_tmp(t);
    return STEP_ON;
}

enum step emit_LEA_GvM(struct trace *t, struct insn *in)
{
    if (in->pfx & PFX_RIP) return lea_rip(t, in);
    if (in->reg == RSP) return set_rsp_lea(t, in);
    if (in->base == RSP && in->size == 2) return STEP_CALL;
    bool from_rsp = in->base == RSP, narrow = in->size != 8 || in->pfx & PFX_ADDR32;
    if (from_rsp && !narrow && is_near(in)) {
        in->size = 4;
    } else if (from_rsp && !narrow) {
        if (in->index == R11 || in->reg == R11) return STEP_CALL;
        trace_scratch(t);
        emit_mov(&t->e, 4, R11, RSP);
        in->base = R11;
        emit_insn(&t->e, in, REACH_PLAIN);
        return STEP_ON;
    }
    bool merges = in->reg == R11 && in->size == 2;
    if (in->base == R11 || in->index == R11 || merges) trace_need_r11(t);
    emit_insn(&t->e, in, in->pfx & PFX_ADDR32 ? REACH_PLAIN32 : REACH_PLAIN);
    if (in->reg == R11) t->r11 = R11_REG;
    return STEP_ON;
}

// ---- rsp as an operand ----

static bool is_sum(unsigned id)
{
    return id == INSN_ADD_EvIz || id == INSN_ADD_EvIbs || id == INSN_SUB_EvIz || id == INSN_SUB_EvIbs;
}

static bool is_alignment(const struct insn *in)
{
    return (in->id == INSN_AND_EvIz || in->id == INSN_AND_EvIbs) && in->imm < 0 && in->imm >= -TOUCH;
}

static enum step adjust(struct trace *t, struct insn *in)
{
    uint32_t by = (uint32_t)(in->imm < 0 ? -(int64_t)in->imm : in->imm);
    if (!trace_adjusted(t, by)) return STEP_CALL;
    emit_insn(&t->e, in, REACH_NONE);
    return STEP_ON;
}

// Rows that may write rsp in another way than those above: by way of r11, which holds the guest's rsp first.
static bool is_plain_write(const struct insn *in)
{
    static const uint16_t ids[] = {
        INSN_MOV_EvGv, INSN_MOV_GvEv, INSN_ADD_EvGv, INSN_ADD_GvEv,  INSN_SUB_EvGv,
        INSN_SUB_GvEv, INSN_AND_EvGv, INSN_AND_GvEv, INSN_AND_EvIbs, INSN_AND_EvIz,
        INSN_OR_EvIbs, INSN_INC_Ev,   INSN_DEC_Ev,   INSN_ADD_EvIz,  INSN_SUB_EvIz,
    };
    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++)
        if (in->id == ids[i]) return in->size == 8;
    return in->size == 8 && !strncmp(insn_rows[in->id].mnemonic, "cmov", 4); // SBCL, behind each call
}

static void replace_rsp(struct insn *in)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    if (c->reg_role && (c->byte_reg ? in->reg >> 3 : in->reg) == RSP) in->reg = c->byte_reg ? R11 * 8 : R11;
    if (c->rm_role && in->rm != INSN_MEM && (c->byte_rm ? in->rm >> 3 : in->rm) == RSP)
        in->rm = c->byte_rm ? R11 * 8 : R11;
    if (c->vvvv_role && in->vvvv == RSP) in->vvvv = R11;
}

// The instruction with r11 for rsp.
static enum reach with_r11(struct trace *t, struct insn *in)
{
    trace_scratch(t);
    enum reach reach = trace_operand(t, in);
    emit_mov(&t->e, 4, R11, RSP);
    replace_rsp(in);
    emit_insn(&t->e, in, reach);
    return reach;
}

static bool is_mov_of_itself(const struct insn *in)
{
    return (in->id == INSN_MOV_EvGv || in->id == INSN_MOV_GvEv) && in->rm == RSP && in->reg == RSP;
}

static enum step set(struct trace *t, struct insn *in)
{
    if (is_mov_of_itself(in)) return STEP_ON;
    if (in->rm == INSN_MEM && in->id != INSN_MOV_GvEv) return STEP_CALL;
    if (in->id == INSN_MOV_GvEv && in->rm != INSN_MEM) {
        trace_scratch(t);
        check_upper(t, in->rm);
        set_rsp_tmp(t);
        return STEP_ON;
    }
    if (in->id == INSN_MOV_EvGv) {
        trace_scratch(t);
        check_upper(t, in->reg);
        set_rsp_tmp(t);
        return STEP_ON;
    }
    with_r11(t, in);
    check_upper(t, R11);
    set_rsp_tmp(t);
    return STEP_ON;
}

enum step emit_with_rsp(struct trace *t, struct insn *in)
{
    if (trace_uses(in, R11) || (in->rm == INSN_MEM && in->seg) || insn_encodings[in->id].x87) return STEP_CALL;
    if (!trace_operand_ok(t, in)) return STEP_CALL;
    if (trace_writes(in, RSP)) {
        if (in->size == 8 && in->rm != INSN_MEM && (is_sum(in->id) || is_alignment(in))) {
            enum step s = adjust(t, in);
            if (s != STEP_CALL) return s;
        }
        return is_plain_write(in) ? set(t, in) : STEP_CALL;
    }
    if (in->id == INSN_MOV_EvGv && in->rm != INSN_MEM && in->size >= 4) {
        emit_mov(&t->e, 4, in->rm, RSP);
        return STEP_ON;
    }
    if (in->id == INSN_MOV_GvEv && in->rm != INSN_MEM && in->size >= 4) {
        emit_mov(&t->e, 4, in->reg, RSP);
        return STEP_ON;
    }
    with_r11(t, in);
    return STEP_ON;
}

// ---- moffs ----

// MOV with a 64-bit address in the instruction becomes one with a displacement: what lies above the region is dropped,
// or, where that may be a name, the interpreter's.
static enum step moffs(struct trace *t, struct insn *in, unsigned id, unsigned size)
{
    struct insn as = *in;
    as.id = (uint16_t)id;
    as.disp = (int32_t)(uint32_t)in->imm64;
    as.imm = 0;
    as.base = as.index = REG_NONE;
    as.reg = RAX;
    as.size = (uint8_t)size;
    if (t->probe && (as.seg || in->imm64 >= MEM_TOP)) return STEP_CALL;
    emit_insn(&t->e, &as, trace_operand(t, &as));
    return STEP_ON;
}

enum step emit_MOV_ALOb(struct trace *t, struct insn *in)
{
    return moffs(t, in, INSN_MOV_GbEb, 1);
}
enum step emit_MOV_ObAL(struct trace *t, struct insn *in)
{
    return moffs(t, in, INSN_MOV_EbGb, 1);
}
enum step emit_MOV_rAXOv(struct trace *t, struct insn *in)
{
    return moffs(t, in, INSN_MOV_GvEv, in->size);
}
enum step emit_MOV_OvrAX(struct trace *t, struct insn *in)
{
    return moffs(t, in, INSN_MOV_EvGv, in->size);
}
