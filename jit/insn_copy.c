// Instructions by their class in insn.def's jit column: copied ones here, with r11, memory operands and x87 taken care
// of; rewritten and expanded ones have an emitter each; the rest is the interpreter's.
#include "jit/trace.h"
#include "cpu/insn_ids.h"
#include "host/cpuid.h"
#include <string.h>

// ---- what an instruction names ----

static bool field_is(const struct insn_encoding *c, bool byte, unsigned role, unsigned value, unsigned reg)
{
    (void)c;
    return role != ROLE_NONE && (byte ? value >> 3 : value) == reg;
}

bool trace_names(const struct insn *in, unsigned reg)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    return field_is(c, c->byte_reg, c->reg_role, in->reg, reg) ||
           (in->rm != INSN_MEM && field_is(c, c->byte_rm, c->rm_role, in->rm, reg)) ||
           (c->vvvv_role != ROLE_NONE && in->vvvv == reg);
}

static bool addresses(const struct insn *in, unsigned reg)
{
    if (in->rm != INSN_MEM) return false;
    return in->base == reg || (in->index == reg && !insn_encodings[in->id].vsib);
}

bool trace_uses(const struct insn *in, unsigned reg)
{
    return trace_names(in, reg) || addresses(in, reg);
}

// Rows that write more general registers than their first operand.
static bool writes_all(const struct insn *in)
{
    static const uint16_t ids[] = {INSN_XCHG_EbGb, INSN_XCHG_EvGv, INSN_XADD_EbGb, INSN_XADD_EvGv, INSN_MULX_GyByEy};
    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++)
        if (in->id == ids[i]) return true;
    return false;
}

static bool only_reads(const struct insn *in)
{
    const char *name = insn_rows[in->id].mnemonic;
    return !strcmp(name, "cmp") || !strcmp(name, "test") || !strcmp(name, "bt") || !strcmp(name, "push");
}

bool trace_writes(const struct insn *in, unsigned reg)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    if (!trace_names(in, reg)) return false;
    if (writes_all(in)) return true;
    if (only_reads(in)) return false;
    return field_is(c, c->byte_reg, c->reg_role == ROLE_FIRST, in->reg, reg) ||
           (in->rm != INSN_MEM && field_is(c, c->byte_rm, c->rm_role == ROLE_FIRST, in->rm, reg)) ||
           (c->vvvv_role == ROLE_FIRST && in->vvvv == reg);
}

// ---- r11 ----

void trace_scratch(struct trace *t)
{
    if (t->r11 == R11_REG) {
        emit_store_slot(&t->e, 8, SLOT_R11, R11);
        t->map[t->ninsns - 1].flags |= MAP_SCRATCHED;
    }
    t->r11 = R11_SLOT;
}

void trace_need_r11(struct trace *t)
{
    if (t->r11 != R11_SLOT) return;
    emit_load_slot(&t->e, 8, R11, SLOT_R11, 0);
    t->r11 = R11_BOTH;
}

// ---- memory operands ----

static bool is_stack(const struct insn *in)
{
    return in->base == RSP && in->index == REG_NONE && !in->seg && !(in->pfx & PFX_ADDR32);
}

// No register and no segment: known here and now.
static bool is_constant(const struct insn *in)
{
    return in->base == REG_NONE && in->index == REG_NONE && !in->seg;
}

static bool reaches_beyond(const struct insn *in)
{
    return !(in->pfx & PFX_ADDR32) && insn_disp(in) >= MEM_TOP;
}

// Can it be asked whether the operand's address is memory, with r11 alone? A gather has many addresses.
static bool probe_ok(const struct insn *in)
{
    if (insn_encodings[in->id].vsib) return false;
    if (is_constant(in)) return !reaches_beyond(in);
    if (in->seg) return in->base != RSP && !(in->pfx & (PFX_ADDR32 | PFX_RIP));
    return in->base != RSP || in->index != R11;
}

// A segment base takes r11, so the instruction must not use the guest's.
bool trace_operand_ok(const struct trace *t, const struct insn *in)
{
    if (in->rm != INSN_MEM) return true;
    if (in->seg && trace_uses(in, R11)) return false;
    return !t->probe || probe_ok(in);
}

// What may reach beyond 4 GiB.
static bool wants_probe(const struct trace *t, const struct insn *in)
{
    return t->probe && !is_stack(in) && !is_constant(in) && (in->seg || !(in->pfx & PFX_ADDR32));
}

static unsigned base_slot(const struct insn *in)
{
    return in->seg == SEG_FS ? SLOT_FS_BASE : SLOT_GS_BASE;
}

// r11 = the operand's address, all 64 bits of it.
static void full_address(struct trace *t, const struct insn *in)
{
    struct insn lea = {.id = INSN_LEA_GvM,
                       .rm = INSN_MEM,
                       .reg = R11,
                       .base = in->base,
                       .index = in->index,
                       .scale = in->scale,
                       .disp = in->disp,
                       .size = 8};
    if (in->seg) {
        emit_load_slot(&t->e, 8, R11, base_slot(in), 0);
        if (in->base != REG_NONE) emit_lea(&t->e, 8, R11, R11, in->base, 0);
        lea.base = R11;
    } else if (in->base == RSP) {
        emit_mov(&t->e, 4, R11, RSP);
        lea.base = R11;
    }
    emit_insn(&t->e, &lea, REACH_PLAIN);
}

// rorx r11, r11, MEM_PROBE_SHIFT; movzx r11d, byte gs:[r11d + probe]. Touches no flags. If the operand wants the
// guest's r11, that is in the register behind it.
static void probe(struct trace *t, const struct insn *in)
{
    bool again = addresses(in, R11);
    if (again) trace_need_r11(t);
    trace_scratch(t);
    full_address(t, in);
    emit_bytes(&t->e, "\xc4\x43\xfb\xf0\xdb", 5);
    emit8(&t->e, MEM_PROBE_SHIFT);
    emit_bytes(&t->e, "\x65\x67\x45\x0f\xb6\x9b", 6);
    emit32(&t->e, t->probe);
    if (again) trace_need_r11(t);
}

// seg_base + base + index * scale + disp, with the segment base in r11.
static void add_segment(struct trace *t, struct insn *in)
{
    trace_scratch(t);
    emit_load_slot(&t->e, 4, R11, base_slot(in), 0);
    if (in->base != REG_NONE && in->index == REG_NONE) {
        in->index = R11;
        in->scale = 0;
        return;
    }
    if (in->base != REG_NONE) emit_lea(&t->e, 4, R11, in->base, R11, 0);
    in->base = R11;
}

// With a segment the address will name r11, which takes REX.
static bool encodable(const struct insn *in)
{
    struct insn as_emitted = *in;
    if (in->rm == INSN_MEM && in->seg) as_emitted.base = R11;
    return emit_can(&as_emitted);
}

enum reach trace_operand(struct trace *t, struct insn *in)
{
    if (in->rm != INSN_MEM) return REACH_NONE;
    if (wants_probe(t, in)) probe(t, in);
    if (in->seg) add_segment(t, in);
    return is_stack(in) ? REACH_STACK : REACH_GUEST;
}

// ---- copying ----

// Instructions that surely access their operand: not those that may not (CMOVcc, shifts by 0) or raise something else
// first.
static bool counts_as_touch(const struct insn *in)
{
    static const char *const kinds[] = {"mov", "add", "sub", "and", "or", "xor", "cmp", "test", "inc", "dec"};
    const char *name = insn_rows[in->id].mnemonic;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(name, kinds[i])) return true;
    return false;
}

void trace_stack_copied(struct trace *t, const struct insn *in)
{
    if (t->gap > GAP_AT_EXIT / 2 && counts_as_touch(in) && in->disp >= -TOUCH && in->disp <= TOUCH)
        trace_touched(t, (uint32_t)(in->disp < 0 ? -in->disp : in->disp));
}

// BT and its like with a register as the bit's number reach far beyond their operand.
static bool reaches_far(const struct insn *in)
{
    return in->rm == INSN_MEM &&
           (in->id == INSN_BT_EvGv || in->id == INSN_BTS_EvGv || in->id == INSN_BTR_EvGv || in->id == INSN_BTC_EvGv);
}

// Destination, index and mask of a gather are three registers, or it is undefined (SDM vol. 2, VGATHERDPS).
static bool gathers_into_itself(const struct insn *in)
{
    return insn_encodings[in->id].vsib && (in->reg == in->index || in->reg == in->vvvv || in->index == in->vvvv);
}

static enum step copy(struct trace *t, struct insn *in)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    if (reaches_far(in)) return STEP_CALL;
    if (trace_names(in, RSP)) return emit_with_rsp(t, in);
    if (!trace_operand_ok(t, in) || !encodable(in) || gathers_into_itself(in)) return STEP_CALL;
    if (c->x87) trace_x87(t);
    bool uses_r11 = trace_uses(in, R11), writes_r11 = trace_writes(in, R11);
    enum reach reach = trace_operand(t, in);
    if (uses_r11) trace_need_r11(t);
    emit_insn(&t->e, in, reach);
    if (reach == REACH_STACK) trace_stack_copied(t, in);
    if (writes_r11) t->r11 = R11_REG;
    return STEP_ON;
}

#if defined(__x86_64__)
// Asked once: where the host is a virtual machine itself, CPUID takes as long as translating a hundred blocks.
static const struct host_leaf *leaf_of(struct jit *j, uint32_t number)
{
    struct host_leaf *l = j->leaves;
    while (l < j->leaves + HOST_LEAVES - 1 && l->asked && l->number != number) l++;
    if (l->asked && l->number == number) return l;
    *l = (struct host_leaf){.asked = true, .number = number};
    host_cpuid(number, number == 0xd, l->reg);
    return l;
}

// CPUID's own word; AVX also needs the host kernel to save it, which it says elsewhere (jit.c).
static bool feature_there(struct jit *j, const char *name)
{
    for (unsigned i = 0; i < insn_feature_count; i++) {
        const struct insn_feature *f = &insn_features[i];
        if (strcmp(f->name, name) == 0) return leaf_of(j, f->leaf)->reg[f->reg] >> f->bit & 1;
    }
    return true; // base
}
#else
static bool feature_there(struct jit *j, const char *name)
{
    (void)j;
    (void)name;
    return false;
}
#endif

// Instructions that do nothing: hints that this host need not know.
static bool is_hint(unsigned id)
{
    const char *name = insn_rows[id].mnemonic;
    return !strncmp(name, "nop", 3) || !strncmp(name, "endbr", 5) || !strcmp(name, "prefetchwt1") ||
           !strcmp(name, "cldemote") || !strcmp(name, "rdssp");
}

static emit_fn *const emitters[INSN_COUNT] = {
#define EMITTER(row, name) [INSN_##row] = emit_##name,
#include "jit/emitters.def"
#undef EMITTER
};

// How the translator treats a row, found out when it is first met.
static enum row_way way_of(struct jit *j, unsigned id)
{
    enum insn_jit class = (enum insn_jit)insn_rows[id].jit;
    if (is_hint(id)) return WAY_NOTHING;
    if (id == INSN_RDTSC && j->options.host_tsc) return WAY_COPY;
    if (class == JIT_COPY) return feature_there(j, insn_rows[id].feature) ? WAY_COPY : WAY_CALL;
    return class != JIT_CALL && emitters[id] ? WAY_OWN : WAY_CALL;
}

static enum row_way row_way(const struct trace *t, unsigned id)
{
    uint8_t *way = &t->jit->row_way[id];
    if (*way == WAY_UNKNOWN) *way = (uint8_t)way_of(t->jit, id);
    return (enum row_way) * way;
}

bool trace_is_copied(const struct trace *t, const struct insn *in)
{
    return row_way(t, in->id) == WAY_COPY && !reaches_far(in);
}

bool trace_is_nothing(const struct trace *t, const struct insn *in)
{
    return row_way(t, in->id) == WAY_NOTHING;
}

enum step trace_insn(struct trace *t, struct insn *in)
{
    switch (row_way(t, in->id)) {
    case WAY_NOTHING:
        return STEP_ON;
    case WAY_OWN:
        return emitters[in->id](t, in);
    case WAY_COPY:
        return copy(t, in);
    default:
        return STEP_CALL;
    }
}
