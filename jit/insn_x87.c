// x87: its state is loaded when a trace first wants it, by an exit; and the control word, which programs set and read
// without wanting the state, so it has a slot of its own.
#include "jit/trace.h"

// r11 is free.
static void ask(struct trace *t, uint32_t pc)
{
    uint32_t resume = t->jit->used + t->e.n;
    emit_mov(&t->e, 8, R11, RCX);
    emit_load_slot(&t->e, 4, RCX, SLOT_X87_ABSENT, 0);
    uint32_t ready = emit_jecxz(&t->e);
    emit_mov(&t->e, 8, RCX, R11);
    trace_leave(t, EXIT_X87, pc);
    t->jit->exits[t->jit->nexits - 1].resume = resume;
    emit_here8(&t->e, ready);
    emit_mov(&t->e, 8, RCX, R11);
    t->x87 = true;
    t->x87_used = true;
    t->gap = GAP_AT_EXIT; // for all the verifier knows of who comes in at `resume`
}

void trace_x87(struct trace *t)
{
    t->x87_used = true;
    if (t->x87) return;
    trace_scratch(t);
    ask(t, t->in.pc);
}

// A loop then asks once, before it.
void trace_x87_head(struct trace *t)
{
    if (t->r11 == R11_REG) emit_store_slot(&t->e, 8, SLOT_R11, R11);
    t->r11 = R11_SLOT;
    ask(t, t->head);
    t->body = t->e.n;
}

// fldcw, fnstcw fs:[CW].
static void emit_control(struct emitter *e, uint8_t modrm)
{
    emit_bytes(e, "\x64\xd9", 2);
    emit8(e, modrm);
    emit8(e, 0x25);
    emit32(e, (uint32_t)(e->slots + 8 * SLOT_CW));
}

static bool control_ok(const struct trace *t, const struct insn *in)
{
    return !in->seg && !trace_uses(in, R11) && trace_operand_ok(t, in);
}

enum step emit_FNSTCW(struct trace *t, struct insn *in)
{
    if (!control_ok(t, in)) return STEP_CALL;
    struct insn store = *in;
    enum reach reach = trace_operand(t, &store);
    trace_scratch(t);
    emit_load_slot(&t->e, 4, R11, SLOT_CW, 0);
    store.id = INSN_MOV_EvGv;
    store.size = 2;
    store.reg = R11;
    emit_insn(&t->e, &store, reach);
    return STEP_ON;
}

// Leaves, unless the control word in this slot masks every exception. r11 is free.
static void need_masks(struct trace *t, unsigned slot)
{
    emit_mov(&t->e, 8, R11, RCX);
    emit_load_slot(&t->e, 4, RCX, slot, 0);
    emit_bytes(&t->e, "\x0f\xb6\xc9\x8d\x49\x81", 6); // movzx ecx, cl; lea ecx, [rcx - 0x7f]
    uint32_t masked = emit_jecxz(&t->e);
    emit_mov(&t->e, 8, RCX, R11);
    trace_leave(t, EXIT_INTERP, t->in.pc);
    emit_here8(&t->e, masked);
    emit_mov(&t->e, 8, RCX, R11);
}

// Only from one that masks every exception (else one may be pending, which FLDCW raises first) to another, so that the
// host never raises any; others are the interpreter's. What FNSTCW says afterwards is what the guest reads: reserved
// bits are the hardware's business.
enum step emit_FLDCW(struct trace *t, struct insn *in)
{
    if (!control_ok(t, in)) return STEP_CALL;
    struct insn load = *in;
    trace_scratch(t);
    need_masks(t, SLOT_CW);
    load.id = INSN_MOVZX_GvEw;
    load.size = 4;
    load.reg = R11;
    emit_insn(&t->e, &load, trace_operand(t, &load));
    emit_store_slot(&t->e, 8, SLOT_TMP, R11);
    need_masks(t, SLOT_TMP);
    emit_load_slot(&t->e, 4, R11, SLOT_TMP, 0);
    emit_store_slot(&t->e, 4, SLOT_CW, R11);
    emit_control(&t->e, 0x2c);
    emit_control(&t->e, 0x3c);
    return STEP_ON;
}
