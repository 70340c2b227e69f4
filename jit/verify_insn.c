// What one instruction may be. Its address in memory is one of these, R being the region's base:
//
//   M1  gs:[32-bit address]: the prefix 67 makes any sum of base, index and displacement less than 4 GiB, of each
//   element
//       of a gather too (SDM 1, 3.3.7).
//   M2  gs:[disp], 0 <= disp: below 2 GiB.
//   M3  [rsp+disp]: rsp is near the region (verify.c), disp within 2 GiB, the guards below and above are wider.
//   M4  fs:[slot], as the slot allows.
//   M5  jmp gs:[r11*4+4], which verify.c finds behind what limits r11.
//   M6  [rdi] and [rsi] of a string instruction, which verify_string.c finds behind what makes them host addresses.
//
// A bit string (BT with a register) reaches 256 MiB to both sides of its address in 32 bits, which the guards of M1 and
// M2 hold, and 2^60 bytes in 64: no manual promises that 67 limits this sum.
//
// rsp holds R in its upper half. So it is never data in 64 bits, and it is changed only by what verify.c can follow.
#include "jit/verify_insn.h"

static const ZydisRegister none = ZYDIS_REGISTER_NONE;
enum {
    PREFIX_SIZE = 1,    // 66
    PREFIX_ADDRESS = 2, // 67
    PREFIX_REP = 4,     // F2, F3
    PREFIX_LOCK = 8,    // F0
    PREFIX_FS = 16,     // 64
    PREFIX_GS = 32,     // 65
    PREFIX_REX = 64,    // 40..4F
    PREFIX_SEGMENT = PREFIX_FS | PREFIX_GS,
};

// What is looked at: the decoded instruction, what the list says of it, and its prefixes.
struct look {
    const struct verify_block *block;
    const ZydisDecodedInstruction *in;
    const ZydisDecodedOperand *op;
    unsigned allow, prefixes;
};

static uint64_t distance(int64_t d)
{
    uint64_t u = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
    return u < FACT_FARTHEST ? u : FACT_FARTHEST;
}

static bool between(ZydisRegister r, ZydisRegister first, ZydisRegister last)
{
    return r >= first && r <= last;
}

// --- Prefixes ------------------------------------------------------------------------------------------------------

static unsigned prefix_of(uint8_t value)
{
    if ((value & 0xf0) == 0x40) return PREFIX_REX;
    switch (value) {
    case 0x66:
        return PREFIX_SIZE;
    case 0x67:
        return PREFIX_ADDRESS;
    case 0xf2:
    case 0xf3:
        return PREFIX_REP;
    case 0xf0:
        return PREFIX_LOCK;
    case 0x64:
        return PREFIX_FS;
    case 0x65:
        return PREFIX_GS;
    default:
        return 0;
    }
}

// Only prefixes that mean something, each once: about others CPUs and decoders may disagree. F2 and F3 only as part of
// an opcode: elsewhere they repeat, or elide a lock.
static const char *check_prefixes(struct look *k)
{
    for (unsigned i = 0; i < k->in->raw.prefix_count; i++) {
        unsigned bit = prefix_of(k->in->raw.prefixes[i].value);
        ZydisPrefixType type = k->in->raw.prefixes[i].type;
        if (!bit) return "prefix: not one that code may have";
        if (k->prefixes & bit || type == ZYDIS_PREFIX_TYPE_IGNORED) return "prefix: redundant";
        if (bit == PREFIX_REP && type != ZYDIS_PREFIX_TYPE_MANDATORY) return "prefix: REP or lock elision";
        k->prefixes |= bit;
    }
    if ((k->prefixes & PREFIX_SEGMENT) == PREFIX_SEGMENT) return "prefix: two segments";
    if (k->prefixes & PREFIX_SIZE && k->in->raw.rex.W && k->in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
        return "prefix: redundant"; // REX.W wins
    if (k->allow & ALLOW_VEX && k->prefixes & ~(unsigned)(PREFIX_SEGMENT | PREFIX_ADDRESS)) return "prefix: before VEX";
    return NULL;
}

static const char *check_encoding(const struct look *k)
{
    ZydisInstructionEncoding e = k->in->encoding;
    if (e != (k->allow & ALLOW_VEX ? ZYDIS_INSTRUCTION_ENCODING_VEX : ZYDIS_INSTRUCTION_ENCODING_LEGACY))
        return "refused: in this encoding";
    if (k->allow & ALLOW_SSE && k->in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) return "refused: a string instruction";
    if (k->allow & ALLOW_X87 && (k->in->opcode & 0xf8) != 0xd8 && k->in->opcode != 0x9b) return "refused: not x87";
    return NULL;
}

// 0F 18 to 0F 1E are no-operations only until a CPU gives them a meaning.
static const char *check_nop(const struct look *k)
{
    bool one = k->in->opcode == 0x90 && k->in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
    bool any = k->in->opcode == 0x1f && k->in->opcode_map == ZYDIS_OPCODE_MAP_0F && k->in->raw.modrm.reg == 0;
    return one || any ? NULL : "refused: a reserved no-operation";
}

// --- Memory --------------------------------------------------------------------------------------------------------

enum { LOAD = 1, STORE = 2, UPPER = 4, POPPED = 8 };
static const uint8_t slot_roles[VERIFY_SLOT_COUNT] = {
    [VERIFY_SLOT_R11] = LOAD | STORE | POPPED,
    [VERIFY_SLOT_TMP] = LOAD | STORE | POPPED | UPPER,
    [VERIFY_SLOT_TMP2] = LOAD | STORE | POPPED,
    [VERIFY_SLOT_FS_BASE] = LOAD,
    [VERIFY_SLOT_GS_BASE] = LOAD,
    [VERIFY_SLOT_X87_ABSENT] = LOAD,
    [VERIFY_SLOT_FUEL] = LOAD | STORE | UPPER,
    [VERIFY_SLOT_PC] = LOAD | STORE,
    [VERIFY_SLOT_CW] = LOAD | STORE,
};

// Bytes from slot 0, or -1: not fs:[disp].
static int64_t slot_offset(const struct look *k, const ZydisDecodedOperand *op)
{
    const ZydisDecodedOperandMem *m = &op->mem;
    bool plain = (k->prefixes & (PREFIX_FS | PREFIX_ADDRESS)) == PREFIX_FS && m->type == ZYDIS_MEMOP_TYPE_MEM;
    if (!plain || m->segment != ZYDIS_REGISTER_FS || m->base != none || m->index != none) return -1;
    return m->disp.value - k->block->slots;
}

static const char *check_slot(const struct look *k, const ZydisDecodedOperand *op)
{
    int64_t offset = slot_offset(k, op);
    if (offset < 0 || offset >= 8 * VERIFY_SLOT_COUNT) return "slot: not one of the thread's words";
    if (!(k->allow & (ALLOW_GP | ALLOW_PUSH | ALLOW_POP)) || k->allow & ALLOW_BITS)
        return "slot: not by this instruction";
    if (op->size != 64 && op->size != 32) return "slot: neither 4 nor 8 bytes";
    unsigned wanted = 0;
    if (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ) wanted |= LOAD;
    if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) wanted |= STORE;
    if (k->allow & ALLOW_POP) wanted |= POPPED;
    if (offset % 8 == 4 && op->size == 32 && !(wanted & STORE)) {
        wanted |= UPPER;
    } else if (offset % 8) {
        return "slot: not aligned";
    }
    return wanted & ~(unsigned)slot_roles[offset / 8] ? "slot: not what this word is for" : NULL;
}

static bool address_register(ZydisRegister r)
{
    return r == none || between(r, ZYDIS_REGISTER_EAX, ZYDIS_REGISTER_R15D);
}

static bool vector_register(ZydisRegister r)
{
    return between(r, ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM15) ||
           between(r, ZYDIS_REGISTER_YMM0, ZYDIS_REGISTER_YMM15);
}

// A bit string's register, if the instruction has one.
static bool bit_string(const struct look *k)
{
    return k->allow & ALLOW_BITS && k->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

static const char *check_region(const struct look *k, const ZydisDecodedOperand *op)
{
    const ZydisDecodedOperandMem *m = &op->mem;
    if (m->segment != ZYDIS_REGISTER_GS) return "memory: the segment";
    if (bit_string(k) && op->size > 32) return "bits: a string of 2^63";
    if (k->prefixes & PREFIX_ADDRESS) {
        bool good = k->in->address_width == 32 && address_register(m->base);
        if (m->type == ZYDIS_MEMOP_TYPE_VSIB) return good && vector_register(m->index) ? NULL : "memory: the index";
        return good && address_register(m->index) ? NULL : "memory: not a 32-bit address";
    }
    if (m->base != none || m->index != none) return "memory: gs with a 64-bit address";
    return m->disp.value >= 0 && m->disp.value <= INT32_MAX ? NULL : "memory: gs with a negative address";
}

static const char *check_stack(const struct look *k, const ZydisDecodedOperand *op, struct fact *f)
{
    const ZydisDecodedOperandMem *m = &op->mem;
    bool good = m->type == ZYDIS_MEMOP_TYPE_MEM && m->segment == ZYDIS_REGISTER_SS && m->base == ZYDIS_REGISTER_RSP &&
                m->index == none && m->disp.value >= INT32_MIN && m->disp.value <= INT32_MAX;
    if (!good || k->prefixes & PREFIX_ADDRESS) return "memory: neither gs, fs nor rsp with a displacement";
    if (bit_string(k)) return "bits: a string on the stack";
    uint64_t d = distance(m->disp.value);
    if (!(k->allow & ALLOW_MAYBE) && d <= VERIFY_NEAR && d < f->touch) f->touch = (uint32_t)d;
    return NULL;
}

static const char *check_memory(const struct look *k, const ZydisDecodedOperand *op, struct fact *f)
{
    const ZydisDecodedOperandMem *m = &op->mem;
    if (op->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
        bool stack = k->allow & (ALLOW_PUSH | ALLOW_POP) && m->base == ZYDIS_REGISTER_RSP && m->index == none;
        return stack ? NULL : "memory: an address of the instruction's own";
    }
    if (k->allow & ALLOW_NOP) return k->prefixes & PREFIX_SEGMENT ? "prefix: redundant" : NULL;
    if (m->type != ZYDIS_MEMOP_TYPE_MEM && m->type != ZYDIS_MEMOP_TYPE_VSIB) return "memory: of another kind";
    if (op->encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64) return "memory: a 64-bit displacement";
    if (k->in->mnemonic == ZYDIS_MNEMONIC_FLDCW || k->in->mnemonic == ZYDIS_MNEMONIC_FNSTCW)
        return slot_offset(k, op) == 8 * VERIFY_SLOT_CW ? NULL : "refused: but with the slot CW";
    if (k->prefixes & PREFIX_GS) return check_region(k, op);
    if (k->prefixes & PREFIX_FS) return check_slot(k, op);
    return check_stack(k, op, f);
}

// --- Registers -----------------------------------------------------------------------------------------------------

static bool stack_register(ZydisRegister r)
{
    return r == ZYDIS_REGISTER_RSP || r == ZYDIS_REGISTER_ESP || r == ZYDIS_REGISTER_SP || r == ZYDIS_REGISTER_SPL;
}

static bool data_register(ZydisRegister r)
{
    return between(r, ZYDIS_REGISTER_AL, ZYDIS_REGISTER_R15) || between(r, ZYDIS_REGISTER_ST0, ZYDIS_REGISTER_ST7) ||
           between(r, ZYDIS_REGISTER_MM0, ZYDIS_REGISTER_MM7) || vector_register(r);
}

static bool state_register(ZydisRegister r)
{
    return between(r, ZYDIS_REGISTER_FLAGS, ZYDIS_REGISTER_RFLAGS) || r == ZYDIS_REGISTER_X87CONTROL ||
           r == ZYDIS_REGISTER_X87STATUS || r == ZYDIS_REGISTER_X87TAG || r == ZYDIS_REGISTER_MXCSR;
}

static const char *check_register(const struct look *k, const ZydisDecodedOperand *op)
{
    ZydisRegister r = op->reg.value;
    bool hidden = op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
    if (stack_register(r)) {
        if (hidden && k->allow & (ALLOW_PUSH | ALLOW_POP)) return NULL;
        if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE || hidden) return "rsp: set in a way that is not followed";
        return r == ZYDIS_REGISTER_RSP ? "leak: rsp as data" : NULL;
    }
    if (data_register(r) || (hidden && state_register(r))) return NULL;
    return "operand: neither a general nor a vector register";
}

static const char *check_lea(const struct look *k)
{
    const ZydisDecodedOperandMem *m = &k->op[1].mem;
    if (k->in->operand_count != 2 || k->op[1].type != ZYDIS_OPERAND_TYPE_MEMORY || m->type != ZYDIS_MEMOP_TYPE_AGEN)
        return "operand: not LEA's";
    if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP) return "leak: the address of code";
    if (m->base == ZYDIS_REGISTER_RSP && k->op[0].size == 64) return "leak: rsp as data";
    return NULL;
}

// --- What sets rsp -------------------------------------------------------------------------------------------------

static const char *rsp_by_immediate(const struct look *k, struct fact *f)
{
    if (k->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) return "rsp: changed by what is not a constant";
    int64_t value = k->op[1].imm.value.s;
    if (k->in->mnemonic != ZYDIS_MNEMONIC_AND) {
        f->after = (uint32_t)distance(value);
        return NULL;
    }
    if (value >= 0) return "rsp: AND would clear the upper half";
    f->after = (uint32_t)distance(-(value + 1));
    return NULL;
}

static const char *rsp_by_lea(const struct look *k, struct fact *f)
{
    const char *rule = check_lea(k);
    const ZydisDecodedOperandMem *m = &k->op[1].mem;
    if (rule && m->base != ZYDIS_REGISTER_RSP) return rule; // that rule is about data
    if (k->prefixes & (PREFIX_ADDRESS | PREFIX_SEGMENT) || m->base != ZYDIS_REGISTER_RSP)
        return "rsp: set from another register";
    if (m->index == none) {
        f->after = (uint32_t)distance(m->disp.value);
        return NULL;
    }
    if (m->index != ZYDIS_REGISTER_R11 || m->scale != 1 || m->disp.value != 0) return "rsp: set from another register";
    f->kind = FACT_SET;
    return NULL;
}

// rsp is the first operand, and written.
static const char *check_rsp(const struct look *k, struct fact *f)
{
    switch (k->in->mnemonic) {
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_AND:
        return rsp_by_immediate(k, f);
    case ZYDIS_MNEMONIC_LEA:
        return rsp_by_lea(k, f);
    case ZYDIS_MNEMONIC_MOV:
        if (k->op[1].type != ZYDIS_OPERAND_TYPE_MEMORY || slot_offset(k, &k->op[1]) != 8 * VERIFY_SLOT_REGION ||
            k->op[1].encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64)
            return "rsp: set from elsewhere than the region's slot";
        f->kind = FACT_BASE;
        return NULL;
    default:
        return "rsp: set in a way that is not followed";
    }
}

// mov rdi, fs:[REGION], or rsi: verify_string.c says where.
static bool is_pointer_base(const struct look *k, struct fact *f)
{
    if (k->in->mnemonic != ZYDIS_MNEMONIC_MOV || k->op[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
        k->op[1].type != ZYDIS_OPERAND_TYPE_MEMORY || slot_offset(k, &k->op[1]) != 8 * VERIFY_SLOT_REGION)
        return false;
    ZydisRegister r = k->op[0].reg.value;
    f->part = PART_BASE;
    f->pointers = r == ZYDIS_REGISTER_RDI ? POINTER_RDI : r == ZYDIS_REGISTER_RSI ? POINTER_RSI : 0;
    return f->pointers != 0;
}

static bool sets_rsp(const struct look *k)
{
    return k->in->operand_count && k->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           k->op[0].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN && k->op[0].reg.value == ZYDIS_REGISTER_RSP &&
           k->op[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

// --- What the sequences of verify.c begin with ---------------------------------------------------------------------

// Those whose 32-bit result always reaches the register: not CMOV, BSF and shifts, about which manuals hedge.
static bool writes_all(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_MOV || m == ZYDIS_MNEMONIC_MOVZX || m == ZYDIS_MNEMONIC_LEA || m == ZYDIS_MNEMONIC_ADD ||
           m == ZYDIS_MNEMONIC_SUB || m == ZYDIS_MNEMONIC_AND || m == ZYDIS_MNEMONIC_OR || m == ZYDIS_MNEMONIC_XOR;
}

static void note_r11(const struct look *k, struct fact *f)
{
    if (k->in->operand_count < 2 || k->op[0].type != ZYDIS_OPERAND_TYPE_REGISTER) return;
    ZydisRegister r = k->op[0].reg.value;
    if (r == ZYDIS_REGISTER_R11D && writes_all(k->in->mnemonic)) {
        f->flags |= FACT_R11;
        bool constant = k->in->mnemonic == ZYDIS_MNEMONIC_MOV && k->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        if (constant && (uint32_t)k->op[1].imm.value.u >= 0x7fffffff) f->flags |= FACT_R11_TABLE;
    }
    const ZydisDecodedOperandMem *m = &k->op[1].mem;
    if (r == ZYDIS_REGISTER_R11 && k->allow & ALLOW_LEA && m->base == ZYDIS_REGISTER_R11 && m->index == none &&
        m->disp.value == 0x7fffffff)
        f->flags |= FACT_R11_BIAS;
}

// --- Jumps ---------------------------------------------------------------------------------------------------------

static const char *check_relative(const struct look *k, struct fact *f)
{
    unsigned prefixes = k->in->mnemonic == ZYDIS_MNEMONIC_JECXZ ? PREFIX_ADDRESS : 0;
    // 66 would cut the target to 16 bits on AMD's, and be ignored by Intel's.
    if (k->prefixes != prefixes) return "prefix: of a jump";
    if (!k->op[0].imm.is_relative) return "jump: not relative";
    f->target = k->block->at + f->at + f->length + k->op[0].imm.value.u;
    f->kind = k->allow & ALLOW_JUMP ? FACT_JUMP : k->allow & ALLOW_BRANCH ? FACT_BRANCH : FACT_COUNT;
    return NULL;
}

static const char *check_indirect(const struct look *k, struct fact *f)
{
    const ZydisDecodedOperandMem *m = &k->op[0].mem;
    if (k->prefixes & ~(unsigned)(PREFIX_SEGMENT | PREFIX_REX)) return "prefix: of a jump";
    if (k->in->raw.modrm.reg != 4 || k->op[0].size != 64 || k->in->address_width != 64) return "jump: not of 64 bits";
    if (k->prefixes & PREFIX_FS) {
        f->kind = FACT_EXIT;
        return slot_offset(k, &k->op[0]) == 8 * VERIFY_SLOT_EXIT ? NULL : "jump: not through the slot EXIT";
    }
    if (k->prefixes & PREFIX_GS && m->segment == ZYDIS_REGISTER_GS && m->base == none &&
        m->index == ZYDIS_REGISTER_R11 && m->scale == 4 && m->disp.value == 4) {
        f->kind = FACT_TABLE;
        return NULL;
    }
    return "jump: through memory that is neither the table nor a slot";
}

static const char *check_jump(const struct look *k, struct fact *f)
{
    if (k->in->meta.branch_type != ZYDIS_BRANCH_TYPE_SHORT && k->in->meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR)
        return "jump: far";
    if (k->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) return check_relative(k, f);
    if (k->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && k->allow & ALLOW_JUMP) return check_indirect(k, f);
    return "jump: through a register";
}

// --- All of it -----------------------------------------------------------------------------------------------------

static const char *check_operand(const struct look *k, const ZydisDecodedOperand *op, struct fact *f)
{
    switch (op->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return check_register(k, op);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        return NULL;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return k->allow & ALLOW_LEA ? check_lea(k) : check_memory(k, op, f);
    default:
        return "operand: a far pointer";
    }
}

static const char *check_operands(const struct look *k, struct fact *f)
{
    unsigned memory = 0;
    for (unsigned i = 0; i < k->in->operand_count; i++) {
        const char *rule = check_operand(k, &k->op[i], f);
        if (rule) return rule;
        memory += k->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && k->op[i].mem.type != ZYDIS_MEMOP_TYPE_AGEN &&
                  k->op[i].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT;
    }
    return k->prefixes & PREFIX_SEGMENT && !memory ? "prefix: redundant" : NULL;
}

// rsp moves by the size of what is pushed or popped, which is on the side that is not written.
static const char *note_push(const struct look *k, struct fact *f)
{
    uint32_t size = 0;
    for (unsigned i = 0; i < k->in->operand_count; i++)
        if (k->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && k->op[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            size = k->op[i].size / 8u;
    if (size != 8 && size != 2) return "operand: the size of a push";
    f->touch = 0;
    if (k->allow & ALLOW_PUSH) f->before = size;
    if (k->allow & ALLOW_POP) f->after = size;
    return NULL;
}

// Padding: verify.c refuses it where it can be reached.
static const char *check_int3(const struct look *k, struct fact *f)
{
    f->kind = FACT_INT3;
    return k->prefixes ? "prefix: of INT3" : NULL;
}

const char *verify_insn(const struct verify_block *b, const struct zydis_insn *i, struct fact *f)
{
    struct look k = {.block = b, .in = &i->in, .op = i->op, .allow = verify_allowed(i->in.mnemonic)};
    *f = (struct fact){.at = f->at, .length = i->in.length, .touch = FACT_FARTHEST};
    if (verify_is_string(i)) return verify_string(i, f);
    if (!k.allow) return "refused: not on the list";
    const char *rule = check_encoding(&k);
    if (!rule) rule = check_prefixes(&k);
    if (rule) return rule;
    if (k.allow & ALLOW_INT3) return check_int3(&k, f);
    if (k.allow & (ALLOW_JUMP | ALLOW_BRANCH | ALLOW_COUNT)) return check_jump(&k, f);
    if (sets_rsp(&k)) return check_rsp(&k, f);
    if (is_pointer_base(&k, f)) return NULL;
    verify_note_part(i, f);
    rule = check_operands(&k, f);
    if (!rule && k.allow & ALLOW_NOP) rule = check_nop(&k);
    if (!rule && k.allow & (ALLOW_PUSH | ALLOW_POP)) rule = note_push(&k, f);
    if (!rule) note_r11(&k, f);
    return rule;
}
