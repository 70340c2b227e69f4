// See quick.h.
#include "jit/quick.h"
#include <stdlib.h>
#include <string.h>

enum {
    QUICK = 1,            // else the long way always
    QUICK_REX = 2,        // has REX, whose R, X and B are filled in
    QUICK_REX_NEEDED = 4, // and which is there for these alone
    QUICK_RIP = 8,        // a displacement alone, which SIB says in the host's code
    QUICK_ABSOLUTE = 16,  // as above or by SIB: below 2 GiB it needs no 67
    QUICK_DISP8 = 32,
    QUICK_DISP32 = 64, // with a base: would be a shorter one if it could
    QUICK_GUEST = 128, // the head begins with GS and 67
};
// What becomes of rsp's gap (trace.h): it is set to what is above SET_GAP, or stays. 0: the shape has not been asked
// yet.
enum { SET_GAP = 1, KEEP_GAP = 0xff };
enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8, RM_SIB = 4, SIB_DISP32 = 0x25 };

// ---- what of a shape is always the same ----

// May the row be written like this? Its reach, if so.
static bool is_copied(const struct trace *t, const struct insn *in, enum reach *reach)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    bool memory = in->rm == INSN_MEM;
    *reach = memory ? REACH_GUEST : REACH_NONE;
    if (c->x87 || c->vsib || c->low_reg || c->low_rm || in->pfx & PFX_ADDR32) return false;
    if (c->vvvv_role != ROLE_NONE && (in->vvvv == RSP || in->vvvv == R11)) return false;
    if (in->id == INSN_LEA_GvM) {
        *reach = REACH_PLAIN;
        return !(in->pfx & PFX_RIP);
    }
    if (in->id == INSN_PUSH_Zv || in->id == INSN_POP_Zv) return in->size == 8;
    return trace_is_copied(t, in) && !(memory && in->seg);
}

// Names of general registers as which RSP and R11 are not to be had.
static uint16_t bad_registers(bool named)
{
    return named ? 1u << RSP | 1u << R11 : 0;
}

static void set_bad(struct shape_copy *q, const struct insn *in, const struct shape_parts *p)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    bool ah = !(in->pfx & PFX_REX); // byte registers 4 to 7 are AH to BH
    q->reg_bad = bad_registers(c->reg_role != ROLE_NONE && !(c->byte_reg && ah));
    if (c->digit != ENCODE_ANY) q->reg_bad = 0xff00; // REX.R would be lost
    if (!(p->operand & SHAPE_MEMORY))
        q->rm_bad = bad_registers(c->rm_role != ROLE_NONE && !(c->byte_rm && ah));
    else if (p->operand & SHAPE_BASED)
        q->rm_bad = (uint16_t)(1u << R11 | (in->id == INSN_LEA_GvM ? 1u << RSP : 0));
    else
        q->rm_bad = 0xff00; // REX.B
}

static uint8_t byte_or_number(bool byte, unsigned number)
{
    return (uint8_t)(byte ? 8 * number : number);
}

// An instruction of the shape that is written in full: all registers extended that may be, displacements that cannot be
// shorter.
static struct insn fullest(const struct insn *in, const struct shape_parts *p)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    unsigned rex = c->vex ? p->rex : in->pfx & PFX_REX ? REX_R | REX_B : 0, b = rex & REX_B ? 8 : 0;
    struct insn full = *in;
    full.reg = byte_or_number(c->byte_reg, rex & REX_R ? 8 : 0);
    if (!(p->operand & SHAPE_MEMORY)) {
        full.rm = byte_or_number(c->byte_rm, b);
        return full;
    }
    full.scale = 0;
    if (!(p->operand & SHAPE_NOINDEX)) full.index = (uint8_t)(RCX | (rex & REX_X ? 8 : 0));
    if (p->operand & SHAPE_BASED)
        full.base = (uint8_t)((p->operand & SHAPE_SIB && p->operand & SHAPE_NOINDEX ? RSP : RAX) | b);
    full.disp = !(p->operand & SHAPE_BASED) || p->modrm >> 6 == 2 ? 0x11223344 : p->modrm >> 6 ? 0x11 : 0;
    return full;
}

static void set_operand(struct shape_copy *q, const struct insn *in, const struct shape_parts *p)
{
    bool absolute = !(p->operand & SHAPE_BASED) && p->operand & SHAPE_NOINDEX;
    q->operand_bytes = p->tail - p->head;
    q->tail_bytes = in->len - p->tail;
    if (!(p->operand & SHAPE_MEMORY)) return;
    if (in->pfx & PFX_RIP) {
        q->operand_bytes = 2;
        q->flags |= QUICK_RIP;
    }
    if (absolute) q->flags |= QUICK_ABSOLUTE;
    if (p->modrm >> 6) q->flags |= p->modrm >> 6 == 1 ? QUICK_DISP8 : QUICK_DISP32;
}

static bool set_head(struct shape_copy *q, const struct insn *in, const struct shape_parts *p, enum reach reach)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    uint8_t bytes[32];
    struct emitter e = {.at = bytes, .size = sizeof bytes};
    struct insn full = p->tail > p->head ? fullest(in, p) : *in;
    emit_insn(&e, &full, reach);
    unsigned n = e.n - q->operand_bytes - q->tail_bytes, opcode = c->map == 0 ? 1 : c->map == 1 ? 2 : 3;
    if (e.full || n == 0 || n > sizeof q->head) return false;
    if (reach == REACH_GUEST) q->flags |= QUICK_GUEST;
    if (!c->vex && in->pfx & PFX_REX && p->tail > p->head) {
        if (n <= opcode || (bytes[n - opcode - 1] & 0xf0) != 0x40) return false;
        q->rex_at = (uint8_t)(8 * (n - opcode - 1));
        q->flags |= (uint8_t)(QUICK_REX | (bytes[n - opcode - 1] & REX_W ? 0 : QUICK_REX_NEEDED));
        bytes[n - opcode - 1] &= (uint8_t) ~(REX_R | REX_X | REX_B);
    }
    q->head_bytes = (uint8_t)n;
    memcpy(&q->head, bytes, n);
    return true;
}

static void learn(struct trace *t, struct shape_copy *q)
{
    const struct insn *in = &t->in;
    shape_fill(t->shape, &t->in, &t->parts, in->pc);
    const struct shape_parts *p = &t->parts;
    enum reach reach;
    *q = (struct shape_copy){.gap = KEEP_GAP};
    if (!is_copied(t, in, &reach)) return;
    if (p->tail == p->head && (trace_uses(in, R11) || trace_names(in, RSP))) return;
    if (in->id == INSN_PUSH_Zv) q->gap = SET_GAP;
    if (in->id == INSN_POP_Zv) q->gap = SET_GAP + 8;
    if (p->tail > p->head) set_bad(q, in, p);
    set_operand(q, in, p);
    if (set_head(q, in, p, reach)) q->flags |= QUICK;
}

// ---- what of an instruction is not ----

// Would emit_insn write its operand in another way?
static bool is_odd(const struct shape_copy *q, const struct shape_parts *p, int32_t disp, unsigned base)
{
    bool sib = p->operand & SHAPE_SIB, bare = sib && p->operand & SHAPE_NOINDEX;
    unsigned index = (p->sib >> 3 & 7) | (p->rex & REX_X) << 2;
    if (bare && (p->sib >> 6 || (p->operand & SHAPE_BASED && (base & 7) != RSP))) return true;
    if (sib ? !bare && index == R11 : p->rex & REX_X) return true;
    if (q->flags & QUICK_DISP8) return disp == 0 && (base & 7) != RBP;
    if (q->flags & QUICK_DISP32) return disp == (int8_t)disp;
    return q->flags & QUICK_ABSOLUTE && disp < 0;
}

static bool fits(const struct shape_copy *q, const struct shape_parts *p, int32_t disp)
{
    unsigned reg = (p->modrm >> 3 & 7) | (p->rex & REX_R) << 1, base = (p->sib & 7) | (p->rex & REX_B) << 3;
    if (!(q->flags & QUICK)) return false;
    if (p->tail == p->head) return true;
    if ((q->reg_bad >> reg | q->rm_bad >> base) & 1) return false;
    if (q->flags & QUICK_REX_NEEDED && !p->rex) return false; // nothing, or a byte register's
    if (!(p->operand & SHAPE_MEMORY)) return q->flags & QUICK_REX ? !(p->rex & REX_X) : true;
    return !is_odd(q, p, disp, base);
}

static bool is_stack(const struct shape_copy *q, const struct shape_parts *p)
{
    return q->flags & QUICK_GUEST && p->operand == (SHAPE_MEMORY | SHAPE_SIB | SHAPE_BASED | SHAPE_NOINDEX) &&
           !(p->rex & REX_B);
}

static void put64(struct emitter *e, uint64_t v, unsigned n)
{
    memcpy(e->at + e->n, &v, sizeof v);
    e->n += n;
}

static void put(struct emitter *e, const struct shape_copy *q, const struct shape_parts *p, int32_t disp)
{
    unsigned unneeded = is_stack(q, p) ? 2 : 0;
    uint64_t extends = q->flags & QUICK_REX ? p->rex : 0, rest = p->rest;
    unsigned operand = p->modrm | (unsigned)p->sib << 8;
    if (q->flags & QUICK_RIP) {
        operand = (p->modrm & 0x38) | RM_SIB | SIB_DISP32 << 8;
        rest = (rest & ~0xffffffffull) | (uint32_t)disp;
    }
    put64(e, (q->head | extends << q->rex_at) >> 8 * unneeded, q->head_bytes - unneeded);
    put64(e, operand, q->operand_bytes);
    put64(e, rest, q->tail_bytes);
}

// With a verifier this memo is judged, too.
static void compare(const struct trace *t, const struct shape_copy *q, uint32_t from)
{
    uint8_t bytes[32];
    struct emitter e = {.at = bytes, .size = sizeof bytes};
    struct insn in;
    shape_fill(t->shape, &in, &t->parts, t->in.pc);
    enum reach reach = in.id == INSN_LEA_GvM ? REACH_PLAIN : in.rm != INSN_MEM ? REACH_NONE : REACH_GUEST;
    if (is_stack(q, &t->parts)) reach = REACH_STACK;
    emit_insn(&e, &in, reach);
    bool special = trace_uses(&in, R11) || trace_names(&in, RSP);
    if (special || e.n != t->e.n - from || memcmp(bytes, t->e.at + from, e.n) != 0) abort();
}

// Only while the gap is large is there anything to find out.
static void note_access(struct trace *t)
{
    if (t->gap <= GAP_AT_EXIT / 2) return;
    shape_fill(t->shape, &t->in, &t->parts, t->in.pc);
    trace_stack_copied(t, &t->in);
}

bool quick_emit(struct trace *t)
{
    struct shape_copy *q = &t->shape->copy;
    const struct shape_parts *p = &t->parts;
    struct emitter *e = &t->e;
    if (!q->gap) learn(t, q);
    int32_t disp = shape_disp(t->shape, p, t->in.pc);
    if (!fits(q, p, disp) || e->size - e->n < 32) return false;
    if (t->probe && q->flags & QUICK_GUEST && !is_stack(q, p)) return false;
    uint32_t from = e->n;
    put(e, q, p, disp);
    if (q->gap != KEEP_GAP) t->gap = q->gap - (uint32_t)SET_GAP;
    if (is_stack(q, p)) note_access(t);
    if (t->jit->options.verify) compare(t, q, from);
    return true;
}
