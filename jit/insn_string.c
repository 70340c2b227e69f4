// String instructions. They know no prefix that moves es:[rdi], so rdi (and rsi) become host addresses right before and
// guest addresses again right behind: R + the low half, then the low half of what comes out.
//
// The low half is all of it: pointers of 4 GiB and above are the interpreter's, which a check before it sees to, and
// the last pages below 4 GiB are never mapped, so nothing runs beyond. A long REP runs into what is not mapped, at the
// latest into the guard behind the region, since it reaches its elements one by one; backwards as well, though DF is 0
// in emitted code.
//
// Two map entries: the check, which can be done again and is not paid for; and the instruction, whose pointers
// jit/run.c turns back where a fault or a tick finds it half done. Nothing here changes flags.
#include "jit/trace.h"
#include <string.h>

static bool has_operand(const struct insn *in, const char *byte, const char *larger)
{
    const char *operands = insn_rows[in->id].operands;
    return strstr(operands, byte) || strstr(operands, larger);
}

static unsigned pointers_of(const struct insn *in)
{
    return (has_operand(in, "Yb", "Yv") ? MAP_RDI : 0u) | (has_operand(in, "Xb", "Xv") ? MAP_RSI : 0u);
}

// Goes on when the upper half of `from` is 0; rcx is overwritten.
static uint32_t if_low(struct trace *t, unsigned from)
{
    emit_mov(&t->e, 8, RCX, from);
    emit_bytes(&t->e, "\x48\x0f\xc9", 3); // bswap rcx
    return emit_jecxz(&t->e);
}

// Leaves to the interpreter when a pointer is 4 GiB or more. r11 keeps rcx meanwhile.
static void check_pointers(struct trace *t, unsigned pointers)
{
    struct emitter *e = &t->e;
    bool both = pointers == (MAP_RDI | MAP_RSI);
    trace_scratch(t);
    emit_mov(e, 8, R11, RCX);
    uint32_t low = if_low(t, pointers & MAP_RDI ? RDI : RSI), high = e->n;
    emit_mov(e, 8, RCX, R11);
    trace_leave(t, EXIT_INTERP, t->in.pc);
    emit_here8(e, low);
    if (both) {
        low = if_low(t, RSI);
        emit_to32(e, emit_jump(e), high);
        emit_here8(e, low);
    }
    emit_mov(e, 8, RCX, R11);
}

// What was emitted so far is a piece before the instruction, as a probe is.
static void end_check(struct trace *t, const struct insn *in, unsigned pointers)
{
    struct map_entry *check = &t->map[t->ninsns - 1];
    check->flags = (uint16_t)((check->flags & ((1u << MAP_LENGTH) - 1)) | MAP_OP);
    t->map[t->ninsns++] = (struct map_entry){
        .pc = in->pc, .host = (uint16_t)t->e.n, .flags = (uint16_t)((unsigned)in->len << MAP_LENGTH | pointers)};
}

// MAP_POINTER_BYTES of code.
static void to_host(struct trace *t, unsigned reg)
{
    emit_mov(&t->e, 4, R11, reg);
    emit_load_slot(&t->e, 8, reg, SLOT_REGION, 0);
    emit_lea(&t->e, 8, reg, reg, R11, 0);
}

// REPNE means REP where nothing is compared.
static void emit_repeat(struct trace *t, const struct insn *in)
{
    if (!(in->pfx & (PFX_REP | PFX_REPNE))) return;
    bool unequal = in->pfx & PFX_REPNE && insn_rows[in->id].attr & INSN_ATTR_REPZ;
    emit8(&t->e, unequal ? 0xf2 : 0xf3);
}

enum step emit_string(struct trace *t, struct insn *in)
{
    unsigned pointers = pointers_of(in);
    if (in->pfx & PFX_ADDR32 || (in->seg && pointers & MAP_RSI)) return STEP_CALL;
    check_pointers(t, pointers);
    end_check(t, in, pointers);
    if (pointers & MAP_RDI) to_host(t, RDI);
    if (pointers & MAP_RSI) to_host(t, RSI);
    emit_repeat(t, in);
    emit_insn(&t->e, in, REACH_NONE);
    if (pointers & MAP_RDI) emit_mov(&t->e, 4, RDI, RDI);
    if (pointers & MAP_RSI) emit_mov(&t->e, 4, RSI, RSI);
    return STEP_ON;
}

// Emitted code is only entered with DF clear, and does not set it.
enum step emit_CLD(struct trace *t, struct insn *in)
{
    (void)t, (void)in;
    return STEP_ON;
}
