// See emit.h. Encodings: SDM vol. 2, chapter 2.
#include "jit/emit.h"
#include "cpu/insn_encoding.h"

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

void emit64(struct emitter *e, uint64_t v)
{
    emit32(e, (uint32_t)v);
    emit32(e, (uint32_t)(v >> 32));
}

void emit_bytes(struct emitter *e, const char *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) emit8(e, (uint8_t)bytes[i]);
}

// ---- the guest's instructions ----

struct fields { // of ModRM and REX
    unsigned reg, rm, index;
    bool rex; // needed whatever the numbers: SPL and its like
    bool no_rex;
};

static unsigned byte_number(struct fields *f, unsigned offset)
{
    unsigned r = offset >> 3;
    if (offset & 7) {
        f->no_rex = true;
        return r + 4;
    }
    if (r >= 4 && r < 8) f->rex = true;
    return r;
}

static struct fields fields_of(const struct insn_encoding *c, const struct insn *in)
{
    struct fields f = {.reg = c->digit};
    if (c->digit == ENCODE_ANY || c->plus_r) f.reg = c->byte_reg ? byte_number(&f, in->reg) : in->reg;
    if (in->rm != INSN_MEM)
        f.rm = c->byte_rm ? byte_number(&f, in->rm) : in->rm;
    else
        f.rm = in->base == REG_NONE ? 5 : in->base;
    f.index = in->rm == INSN_MEM && in->index != REG_NONE ? in->index : 4;
    return f;
}

// PCMPESTRI and PCMPESTRM: how wide their lengths in RAX and RDX are, though no operand changes its size.
static bool has_lengths(const struct insn_encoding *c)
{
    return c->map == 3 && c->pp == 1 && (c->opcode == 0x60 || c->opcode == 0x61);
}

static bool wants_w(const struct insn_encoding *c, const struct insn *in)
{
    if (c->w != ENCODE_ANY) return c->w;
    if (has_lengths(c)) return in->pfx & PFX_REXW;
    return (c->size == ENCODE_V || c->size == ENCODE_Y) && in->size == 8;
}

static unsigned rex_bits(const struct insn_encoding *c, const struct insn *in, const struct fields *f)
{
    unsigned bits = wants_w(c, in) ? REX_W : 0;
    if (c->modrm >= 0xc0) return bits;
    if (c->plus_r) return bits | (f->reg & 8 ? REX_B : 0);
    if (!c->modrm) return bits;
    if (!c->low_reg) bits |= f->reg & 8 ? REX_R : 0;
    if (in->rm != INSN_MEM && c->low_rm) return bits;
    return bits | (f->rm & 8 ? REX_B : 0) | (f->index & 8 ? REX_X : 0);
}

bool emit_can(const struct insn *in)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    struct fields f = fields_of(c, in);
    return !f.no_rex || (!rex_bits(c, in, &f) && !f.rex);
}

static void sib_memory(struct emitter *e, const struct insn *in, unsigned reg, bool vsib)
{
    bool based = in->base != REG_NONE;
    unsigned index = in->index == REG_NONE ? 4 : in->index & 7, base = based ? in->base & 7 : 5;
    bool plain = based && in->index == REG_NONE && base != 4 && !vsib;
    unsigned mod = !based || (in->disp == 0 && base != 5) ? 0 : in->disp == (int8_t)in->disp ? 1 : 2;
    emit8(e, (uint8_t)(mod << 6 | reg << 3 | (plain ? base : 4)));
    if (!plain) emit8(e, (uint8_t)((in->index == REG_NONE ? 0 : in->scale) << 6 | index << 3 | base));
    if (mod == 1)
        emit8(e, (uint8_t)in->disp);
    else if (mod == 2 || !based)
        emit32(e, (uint32_t)in->disp);
}

static void operands(struct emitter *e, const struct insn_encoding *c, const struct insn *in, const struct fields *f)
{
    if (c->modrm >= 0xc0) {
        emit8(e, c->modrm);
        return;
    }
    if (!c->modrm) return;
    if (in->rm == INSN_MEM)
        sib_memory(e, in, f->reg & 7, c->vsib);
    else
        emit8(e, (uint8_t)(0xc0 | (f->reg & 7) << 3 | (f->rm & 7)));
}

static void immediate(struct emitter *e, const struct insn_encoding *c, const struct insn *in)
{
    switch ((enum encoding_imm)c->imm) {
    case ENCODE_IB:
    case ENCODE_IBS:
        emit8(e, (uint8_t)in->imm);
        break;
    case ENCODE_IW:
        emit8(e, (uint8_t)in->imm);
        emit8(e, (uint8_t)(in->imm >> 8));
        break;
    case ENCODE_IZ:
    case ENCODE_IV:
        if (c->imm == ENCODE_IV && in->size == 8) {
            emit64(e, in->imm64);
        } else {
            emit8(e, (uint8_t)in->imm);
            emit8(e, (uint8_t)(in->imm >> 8));
            if (in->size != 2) {
                emit8(e, (uint8_t)(in->imm >> 16));
                emit8(e, (uint8_t)(in->imm >> 24));
            }
        }
        break;
    default:
        break;
    }
}

static void vex(struct emitter *e, const struct insn_encoding *c, const struct insn *in, unsigned rex)
{
    unsigned l = c->l == ENCODE_ANY ? in->size == 32 : c->l;
    unsigned last = (~(unsigned)in->vvvv & 15) << 3 | l << 2 | c->pp;
    if (!(rex & (REX_W | REX_X | REX_B)) && c->map == 1) {
        emit8(e, 0xc5);
        emit8(e, (uint8_t)((rex & REX_R ? 0 : 0x80) | last));
    } else {
        emit8(e, 0xc4);
        emit8(e, (uint8_t)((~rex & 7) << 5 | c->map));
        emit8(e, (uint8_t)((rex & REX_W ? 0x80 : 0) | last));
    }
    emit8(e, c->opcode);
}

static void legacy(struct emitter *e, const struct insn_encoding *c, const struct insn *in, unsigned rex,
                   const struct fields *f)
{
    static const uint8_t mandatory[] = {0, 0x66, 0xf3, 0xf2};
    if (in->pfx & PFX_LOCK) emit8(e, 0xf0);
    // With a mandatory F2 or F3 behind it as well: POPCNT, CRC32.
    if (c->pp != 1 && in->size == 2 && (c->size == ENCODE_V || c->size == ENCODE_D64)) emit8(e, 0x66);
    if (c->pp != ENCODE_ANY && c->pp) emit8(e, mandatory[c->pp]);
    if (rex || f->rex) emit8(e, (uint8_t)(REX | rex));
    if (c->map) emit8(e, 0x0f);
    if (c->map >= 2) emit8(e, c->map == 2 ? 0x38 : 0x3a);
    emit8(e, (uint8_t)(c->opcode | (c->plus_r ? f->reg & 7 : 0)));
}

static void prefixes(struct emitter *e, const struct insn *in, enum reach reach)
{
    bool absolute = in->base == REG_NONE && in->index == REG_NONE && in->disp >= 0;
    if (reach == REACH_GUEST) emit8(e, 0x65);
    if ((reach == REACH_GUEST && !absolute) || reach == REACH_PLAIN32) emit8(e, 0x67);
}

void emit_insn(struct emitter *e, const struct insn *in, enum reach reach)
{
    const struct insn_encoding *c = &insn_encodings[in->id];
    struct fields f = fields_of(c, in);
    unsigned rex = rex_bits(c, in, &f);
    prefixes(e, in, reach);
    if (c->vex)
        vex(e, c, in, rex);
    else
        legacy(e, c, in, rex, &f);
    operands(e, c, in, &f);
    immediate(e, c, in);
}

// ---- our own ----

static void rex_for(struct emitter *e, unsigned size, unsigned reg, unsigned index, unsigned rm)
{
    unsigned bits = (size == 8 ? REX_W : 0) | (reg & 8 ? REX_R : 0) | (index & 8 ? REX_X : 0) | (rm & 8 ? REX_B : 0);
    if (bits) emit8(e, (uint8_t)(REX | bits));
}

void emit_mov(struct emitter *e, unsigned size, unsigned to, unsigned from)
{
    rex_for(e, size, from, 0, to);
    emit8(e, 0x89);
    emit8(e, (uint8_t)(0xc0 | (from & 7) << 3 | (to & 7)));
}

void emit_mov_imm(struct emitter *e, unsigned reg, uint32_t value)
{
    rex_for(e, 4, 0, 0, reg);
    emit8(e, (uint8_t)(0xb8 | (reg & 7)));
    emit32(e, value);
}

static void slot_operand(struct emitter *e, unsigned reg, unsigned slot, unsigned byte)
{
    emit8(e, (uint8_t)((reg & 7) << 3 | 4));
    emit8(e, 0x25);
    emit32(e, (uint32_t)(e->slots + (int32_t)(8 * slot + byte)));
}

void emit_load_slot(struct emitter *e, unsigned size, unsigned reg, unsigned slot, unsigned byte)
{
    emit8(e, 0x64);
    rex_for(e, size, reg, 0, 0);
    emit8(e, 0x8b);
    slot_operand(e, reg, slot, byte);
}

void emit_store_slot(struct emitter *e, unsigned size, unsigned slot, unsigned reg)
{
    emit8(e, 0x64);
    rex_for(e, size, reg, 0, 0);
    emit8(e, 0x89);
    slot_operand(e, reg, slot, 0);
}

void emit_store_slot_imm(struct emitter *e, unsigned slot, uint32_t value)
{
    emit8(e, 0x64);
    emit8(e, 0xc7);
    slot_operand(e, 0, slot, 0);
    emit32(e, value);
}

void emit_lea(struct emitter *e, unsigned size, unsigned to, unsigned base, unsigned index, int32_t disp)
{
    bool indexed = index != REG_NONE;
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp == (int8_t)disp ? 1 : 2;
    rex_for(e, size, to, indexed ? index : 0, base);
    emit8(e, 0x8d);
    bool sib = indexed || (base & 7) == 4;
    emit8(e, (uint8_t)(mod << 6 | (to & 7) << 3 | (sib ? 4 : base & 7)));
    if (sib) emit8(e, (uint8_t)((indexed ? index & 7 : 4) << 3 | (base & 7)));
    if (mod == 1) emit8(e, (uint8_t)disp);
    if (mod == 2) emit32(e, (uint32_t)disp);
}

void emit_push(struct emitter *e, unsigned reg)
{
    rex_for(e, 4, 0, 0, reg);
    emit8(e, (uint8_t)(0x50 | (reg & 7)));
}

void emit_pop(struct emitter *e, unsigned reg)
{
    rex_for(e, 4, 0, 0, reg);
    emit8(e, (uint8_t)(0x58 | (reg & 7)));
}

void emit_jump_slot(struct emitter *e, unsigned slot)
{
    emit8(e, 0x64);
    emit8(e, 0xff);
    slot_operand(e, 4, slot, 0);
}

uint32_t emit_jump(struct emitter *e)
{
    emit8(e, 0xe9);
    emit32(e, 0);
    return e->n - 4;
}

uint32_t emit_jcc(struct emitter *e, unsigned cc)
{
    emit8(e, 0x0f);
    emit8(e, (uint8_t)(0x80 | cc));
    emit32(e, 0);
    return e->n - 4;
}

uint32_t emit_jecxz(struct emitter *e)
{
    emit8(e, 0x67);
    emit8(e, 0xe3);
    emit8(e, 0);
    return e->n - 1;
}

void emit_here8(struct emitter *e, uint32_t rel8)
{
    if (!e->full) e->at[rel8] = (uint8_t)(e->n - (rel8 + 1));
}

void emit_to32(struct emitter *e, uint32_t rel32, uint32_t to)
{
    if (e->full) return;
    uint32_t v = to - (rel32 + 4);
    for (unsigned i = 0; i < 4; i++) e->at[rel32 + i] = (uint8_t)(v >> (8 * i));
}

void emit_table_jump(struct emitter *e)
{
    emit_lea(e, 8, R11, R11, REG_NONE, TABLE_BIAS);
    emit_bytes(e, TABLE_JUMP, TABLE_JUMP_BYTES);
}
