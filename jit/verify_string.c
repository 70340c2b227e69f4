// String instructions: their address is es:[rdi] or [rsi], 64 bits that no prefix moves. So they stand in one sequence,
// which nothing enters but at its start:
//
//   mov r11d, edi      mov rdi, fs:[REGION]      lea rdi, [rdi+r11]        for rdi, for rsi, or for rdi, then for rsi
//   the instruction, which uses these registers and no other
//   mov edi, edi                                                           for each of them again
//
// Its pointers start within the region. It reaches its elements one by one, upwards or downwards, whatever rcx says,
// and there is nothing mapped in the 4 GiB behind the region nor in the 2 GiB below it, so it ends there at the latest.
// A host address lies in these registers only within the sequence, where only the string instruction reaches memory.
#include "jit/verify_insn.h"

enum { PREFIX_SIZE = 1, PREFIX_REPEAT = 2, PREFIX_WIDE = 4 };

// MOVS, CMPS, STOS, LODS, SCAS.
bool verify_is_string(const struct zydis_insn *i)
{
    bool legacy = i->in.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i->in.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
    return legacy && i->in.opcode >= 0xa4 && i->in.opcode <= 0xaf && (i->in.opcode & 0xfe) != 0xa8;
}

// 66, F3, REX.W, each once; F2 where REPNE is something else than REP. No address size, no segment.
static const char *check_prefixes(const struct zydis_insn *i)
{
    bool compares = (i->in.opcode & 0xf6) == 0xa6;
    unsigned seen = 0;
    for (unsigned k = 0; k < i->in.raw.prefix_count; k++) {
        uint8_t value = i->in.raw.prefixes[k].value;
        unsigned bit = value == 0x66                                  ? PREFIX_SIZE
                       : value == 0xf3 || (value == 0xf2 && compares) ? PREFIX_REPEAT
                       : value == 0x48                                ? PREFIX_WIDE
                                                                      : 0;
        if (!bit) return "prefix: of a string instruction";
        if (seen & bit) return "prefix: redundant";
        seen |= bit;
    }
    bool two_sizes = (seen & (PREFIX_SIZE | PREFIX_WIDE)) == (PREFIX_SIZE | PREFIX_WIDE), bytes = !(i->in.opcode & 1);
    if (two_sizes || (bytes && seen & (PREFIX_SIZE | PREFIX_WIDE))) return "prefix: redundant";
    return i->in.address_width == 64 ? NULL : "memory: not a 64-bit address";
}

static unsigned pointers_of(uint8_t opcode)
{
    switch (opcode & 0xfe) {
    case 0xaa: // STOS
    case 0xae: // SCAS
        return POINTER_RDI;
    case 0xac: // LODS
        return POINTER_RSI;
    default: // MOVS, CMPS
        return POINTER_RDI | POINTER_RSI;
    }
}

const char *verify_string(const struct zydis_insn *i, struct fact *f)
{
    f->part = PART_STRING;
    f->pointers = (uint8_t)pointers_of(i->in.opcode);
    return check_prefixes(i);
}

// ---- the sequence ----

static unsigned pointer(ZydisRegister r)
{
    return r == ZYDIS_REGISTER_RDI || r == ZYDIS_REGISTER_EDI   ? POINTER_RDI
           : r == ZYDIS_REGISTER_RSI || r == ZYDIS_REGISTER_ESI ? POINTER_RSI
                                                                : 0;
}

static void note_mov(ZydisRegister to, ZydisRegister from, struct fact *f)
{
    f->pointers = (uint8_t)pointer(from);
    if (from != ZYDIS_REGISTER_EDI && from != ZYDIS_REGISTER_ESI) return;
    if (to == ZYDIS_REGISTER_R11D) f->part = PART_LOW;
    if (to == from) f->part = PART_CUT;
}

void verify_note_part(const struct zydis_insn *i, struct fact *f)
{
    const ZydisDecodedOperand *to = &i->op[0], *from = &i->op[1];
    if (i->in.operand_count != 2 || to->type != ZYDIS_OPERAND_TYPE_REGISTER) return;
    if (i->in.mnemonic == ZYDIS_MNEMONIC_MOV && from->type == ZYDIS_OPERAND_TYPE_REGISTER)
        note_mov(to->reg.value, from->reg.value, f);
    if (i->in.mnemonic != ZYDIS_MNEMONIC_LEA || from->type != ZYDIS_OPERAND_TYPE_MEMORY) return;
    bool wide = to->reg.value == ZYDIS_REGISTER_RDI || to->reg.value == ZYDIS_REGISTER_RSI;
    if (!wide || from->mem.base != to->reg.value || from->mem.index != ZYDIS_REGISTER_R11) return;
    if (from->mem.scale != 1 || from->mem.disp.value != 0) return;
    f->part = PART_SUM;
    f->pointers = (uint8_t)pointer(to->reg.value);
}

static bool is_part(const struct fact *f, unsigned part, unsigned pointers)
{
    return f->part == part && f->pointers == pointers;
}

// Of the facts from f to end: what makes this register a host address.
static bool makes(const struct fact *f, const struct fact *end, unsigned pointers)
{
    return end - f > 2 && is_part(f, PART_LOW, pointers) && is_part(f + 1, PART_BASE, pointers) &&
           is_part(f + 2, PART_SUM, pointers);
}

// How many facts from f on are a sequence; 0: it is none.
static unsigned sequence(const struct fact *f, const struct fact *end)
{
    const struct fact *at = f;
    unsigned pointers = 0;
    for (unsigned p = POINTER_RDI; p <= POINTER_RSI; p <<= 1) {
        if (!makes(at, end, p)) continue;
        pointers |= p;
        at += 3;
    }
    if (!pointers || at == end || !is_part(at, PART_STRING, pointers)) return 0;
    at++;
    for (unsigned p = POINTER_RDI; p <= POINTER_RSI; p <<= 1)
        if (pointers & p && (at == end || !is_part(at++, PART_CUT, p))) return 0;
    for (const struct fact *k = f + 1; k < at; k++)
        if (k->flags & (FACT_ENTRY | FACT_BACK | FACT_AHEAD)) return 0;
    return (unsigned)(at - f);
}

static bool is_wanted(const struct verify_block *b, const struct fact *f, unsigned n)
{
    const struct fact *last = f + n - 1, *at = f;
    while (at->part != PART_STRING) at++;
    return !b->string || b->string(b->ctx, f->at, at->at, last->at + last->length, at->pointers);
}

const struct fact *verify_strings(const struct verify_block *b, const struct fact *f, const struct fact *end)
{
    while (f < end) {
        unsigned n = sequence(f, end);
        if (!n && (f->part == PART_BASE || f->part == PART_STRING)) return f;
        if (n && !is_wanted(b, f, n)) return f;
        f += n ? n : 1;
    }
    return NULL;
}
