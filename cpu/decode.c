// The decoder: instruction bytes to struct insn, by the trees and rows that cpu/gen/insn_gen.c makes of cpu/insn*.def
// (SDM vol. 2, chapter 2).
//
// Prefixes come in any order and number; a REX counts only directly before the opcode. The bytes are first copied into
// a buffer padded with zeros, so that parsing needs no bounds checks; whether they were really there is asked where it
// matters: before the tree looks at one, and at the end.
#include "cpu/decode_bits.h"
#include "cpu/insn.h"
#include "cpu/insn_ops.h"
#include <stddef.h>
#include <string.h>

enum size_rule { SIZE_FIXED, SIZE_V, SIZE_Y, SIZE_D64, SIZE_F64, SIZE_L };
enum imm_rule { IMM_NONE, IMM_IB, IMM_IBS, IMM_IW, IMM_IZ, IMM_IV, IMM_JB, IMM_JZ, IMM_MOFFS, IMM_IW_IB };
enum { TREE_SWITCH = 0x8000 };

struct decode_row {
    uint16_t fn;             // its first function in op_functions
    uint8_t size_rule, size; // size: when fixed
    uint8_t imm;             // enum imm_rule
    uint16_t flags;          // DECODE_*
    uint8_t size_stride;     // functions between one operand size and the next, 0 when they share
    uint8_t by_kind;         // has a function each for: register, [base + disp], any memory
};

struct fusion {
    uint16_t first, second, fused; // places in op_functions; in fused_functions plus one, 0: an empty slot
};

#include "cpu/insn_tables.inc"

// The functions, those of the direct back end first. Where the assembler can say it an entry is the distance from
// itself to the function: pointers would have to be written when the program is loaded, 17 pages at each start.
#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))
typedef int32_t op_entry;
#define OP(name) ".long " #name " - .\n"
#define OP_NONE  ".long 0\n"
__asm__(".pushsection .rodata\n"
        ".balign 4\n"
        "op_functions:\n"
#include "cpu/insn_functions.inc"
        "fused_functions:\n"
#include "cpu/insn_fused.inc"
        ".popsection\n");
extern const op_entry op_functions[2 * OP_FUNCTIONS] __attribute__((visibility("hidden")));
extern const op_entry fused_functions[2 * FUSED_FUNCTIONS] __attribute__((visibility("hidden")));

static op_fn *function_at(const op_entry *e)
{
    return *e ? (op_fn *)((uintptr_t)e + (uintptr_t)*e) : NULL;
}
#else
typedef op_fn *op_entry;
#define OP(name) name,
#define OP_NONE  0,
static const op_entry op_functions[2 * OP_FUNCTIONS] = {
#include "cpu/insn_functions.inc"
};
static const op_entry fused_functions[2 * FUSED_FUNCTIONS] = {
#include "cpu/insn_fused.inc"
};

static op_fn *function_at(const op_entry *e)
{
    return *e;
}
#endif
#undef OP
#undef OP_NONE

enum { MAX_INSN = 15, REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

struct bytes {
    uint8_t at[48]; // more than the longest parse: 15 prefixes, 3 opcode, ModRM, SIB, disp32, imm64
    unsigned avail; // how many are real, at most MAX_INSN
    unsigned pos;
    uint8_t rex; // also from VEX; 0x40 set when there was a REX
    uint8_t pp;  // 0 none 1 66 2 F3 3 F2
    uint8_t vex; // 0 or 1
    uint8_t vex_l;
    uint8_t map;
    bool refused; // #UD, once all bytes are there: the fetch of one that is not comes first
};

// The next n bytes, 1 to 8, little-endian, sign-extended.
static uint64_t take(struct bytes *b, unsigned n)
{
    const uint8_t *p = &b->at[b->pos];
    uint64_t low = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    uint64_t high = p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24;
    unsigned unused = 64 - 8 * n;
    b->pos += n;
    return (uint64_t)((int64_t)((low | high << 32) << unused) >> unused);
}

static uint8_t take8(struct bytes *b)
{
    return b->at[b->pos++];
}

// The effects of one legacy prefix byte; false when it is none.
static bool prefix(struct insn *out, uint8_t byte)
{
    switch (byte) {
    case 0x66:
        out->pfx |= PFX_OPSIZE;
        return true;
    case 0x67:
        out->pfx |= PFX_ADDR32;
        return true;
    case 0xf0:
        out->pfx |= PFX_LOCK;
        return true;
    case 0xf2:
        out->pfx = (uint8_t)((out->pfx & ~PFX_REP) | PFX_REPNE);
        return true; // the last of F2 and F3 counts
    case 0xf3:
        out->pfx = (uint8_t)((out->pfx & ~PFX_REPNE) | PFX_REP);
        return true;
    case 0x64:
        out->seg = SEG_FS;
        return true;
    case 0x65:
        out->seg = SEG_GS;
        return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        return true; // ES CS SS DS: no meaning in 64-bit mode
    default:
        return false;
    }
}

static bool is_rex(uint8_t byte)
{
    return (byte & 0xf0) == 0x40;
}

// A bit for each byte that is a legacy prefix or REX.
static const uint64_t prefix_bytes[4] = {1ull << 0x26 | 1ull << 0x2e | 1ull << 0x36 | 1ull << 0x3e,
                                         0xffff | 0xfull << 0x24, 0, 1ull << 0x30 | 1ull << 0x32 | 1ull << 0x33};

static bool is_prefix(uint8_t byte)
{
    return prefix_bytes[byte >> 6] >> (byte & 63) & 1;
}

// Most instructions have a REX or nothing, which is found without a branch.
static void prefixes(struct insn *out, struct bytes *b)
{
    bool rex = is_rex(b->at[0]);
    b->pos = rex;
    b->rex = rex ? b->at[0] : 0;
    if (!is_prefix(b->at[b->pos])) return;
    for (; b->pos < b->avail && is_prefix(b->at[b->pos]); b->pos++) {
        uint8_t byte = b->at[b->pos];
        b->rex = is_rex(byte) ? byte : 0; // one not directly before the opcode is ignored
        (void)prefix(out, byte);
    }
    b->pp = out->pfx & PFX_REPNE ? 3 : out->pfx & PFX_REP ? 2 : out->pfx & PFX_OPSIZE ? 1 : 0;
}

// C4 and C5 (SDM vol. 2, 2.3.5). False: #UD at once, since what follows has no known length.
static bool vex_prefix(struct insn *out, struct bytes *b, bool three)
{
    b->refused = b->rex || out->pfx & (PFX_LOCK | PFX_REP | PFX_REPNE | PFX_OPSIZE);
    uint8_t first = take8(b), map = 1, last = first;
    b->rex = first & 0x80 ? 0 : REX_R;
    if (three) {
        last = take8(b);
        b->rex = (uint8_t)(~(first >> 5) & 7) | (last & 0x80 ? REX_W : 0);
        map = first & 0x1f;
    }
    out->vvvv = ~(last >> 3) & 15;
    b->vex_l = last >> 2 & 1;
    b->pp = last & 3;
    b->map = map;
    b->vex = 1;
    return map >= 1 && map <= 3;
}

// Up to and including the opcode. 1, or what insn_decode returns.
static int opcode(struct insn *out, struct bytes *b, enum cpu_level level, uint8_t *op)
{
    prefixes(out, b);
    *op = take8(b);
    if ((*op == 0xc4 || *op == 0xc5) && level >= CPU_LEVEL_V3) {
        if (!vex_prefix(out, b, *op == 0xc4)) return 0;
        *op = take8(b);
    } else if (*op == 0x0f) {
        b->map = 1;
        *op = take8(b);
        if (*op == 0x38 || *op == 0x3a) {
            b->map = *op == 0x38 ? 2 : 3;
            *op = take8(b);
        }
    }
    return 1;
}

// The row of these bytes plus one, 0 (undefined), or -1 when ModRM would tell and is not there.
static int find_row(const struct bytes *b, enum cpu_level level, uint8_t op)
{
    unsigned node = tree_roots[b->vex][b->map][op], modrm = b->at[b->pos];
    if (!(node & TREE_SWITCH)) return (int)node;
    const uint8_t outcomes[DIM_COUNT] = {
        [DIM_LEVEL] = (uint8_t)(level - 2),
        [DIM_B] = b->rex & REX_B ? 1 : 0,
        [DIM_W] = b->rex & REX_W ? 1 : 0,
        [DIM_L] = b->vex_l,
        [DIM_PP] = b->pp,
        [DIM_MOD] = modrm >= 0xc0,
        [DIM_REG] = (uint8_t)(modrm >> 3 & 7),
        [DIM_RM] = (uint8_t)(modrm & 7),
    };
    while (node & TREE_SWITCH) {
        const uint16_t *at = &tree_nodes[node & ~TREE_SWITCH];
        if (*at >= DIM_MOD && b->pos >= b->avail) return -1;
        node = at[1 + outcomes[*at]];
    }
    return (int)node;
}

static uint8_t byte_reg(uint8_t r, bool rex)
{
    return (uint8_t)(!rex && r >= 4 && r < 8 ? 8 * (r - 4) + 1 : 8 * r);
}

// SDM vol. 2, 2.1.5 and 2.2.1.6: no base with mod 0 and 5 where the base would be; RIP when there is no SIB. Written
// without branches, which nothing could predict. A RIP-relative displacement is completed by insn_decode.
static void memory(struct insn *out, struct bytes *b, uint8_t modrm, bool vsib)
{
    unsigned mod = modrm >> 6, rm = modrm & 7, has_sib = rm == RSP;
    unsigned s = has_sib ? b->at[b->pos] : rm | RSP << 3;
    bool based = mod != 0 || (s & 7) != RBP;
    unsigned index = (s >> 3 & 7) | (has_sib && b->rex & REX_X ? 8 : 0);
    unsigned bytes = mod == 1 ? 1 : mod == 2 || !based ? 4 : 0;
    const uint8_t *p = &b->at[b->pos + has_sib];
    uint32_t disp = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    b->pos += has_sib + bytes;
    out->scale = (uint8_t)(s >> 6);
    out->index = (uint8_t)(index == RSP && !(has_sib && vsib) ? REG_NONE : index);
    out->base = (uint8_t)(based ? (s & 7) | (b->rex & REX_B ? 8 : 0) : REG_NONE);
    out->disp = mod == 1 ? (int8_t)disp : (int32_t)(bytes ? disp : 0);
    out->pfx |= (uint8_t)(!based && !has_sib ? PFX_RIP : 0);
}

static void modrm_operands(struct insn *out, struct bytes *b, const struct decode_row *row)
{
    uint8_t modrm = take8(b), reg = modrm >> 3 & 7, rm = modrm & 7;
    if (!(row->flags & DECODE_REG_LOW)) reg |= b->rex & REX_R ? 8 : 0;
    out->reg = row->flags & DECODE_REG_BYTE ? byte_reg(reg, b->rex != 0) : reg;
    if (modrm < 0xc0 && !(row->flags & DECODE_NO_MOD)) {
        memory(out, b, modrm, row->flags & DECODE_VSIB);
        return;
    }
    if (!(row->flags & DECODE_RM_LOW)) rm |= b->rex & REX_B ? 8 : 0;
    out->rm = row->flags & DECODE_RM_BYTE ? byte_reg(rm, b->rex != 0) : rm;
}

static uint8_t operand_size(const struct decode_row *row, const struct bytes *b, uint8_t pfx)
{
    static const uint8_t sizes[][8] = {
        // by REX.W, 66, VEX.L
        [SIZE_V] = {4, 4, 2, 2, 8, 8, 8, 8},         [SIZE_Y] = {4, 4, 4, 4, 8, 8, 8, 8},
        [SIZE_D64] = {8, 8, 2, 2, 8, 8, 8, 8},       [SIZE_F64] = {8, 8, 8, 8, 8, 8, 8, 8},
        [SIZE_L] = {16, 32, 16, 32, 16, 32, 16, 32},
    };
    unsigned which = (b->rex & REX_W ? 4 : 0) | (pfx & PFX_OPSIZE ? 2 : 0) | (b->vex_l ? 1 : 0);
    return row->size_rule == SIZE_FIXED ? row->size : sizes[row->size_rule][which];
}

static void immediate(struct insn *out, struct bytes *b, enum imm_rule rule)
{
    static const struct {
        uint8_t bytes[3]; // by operand size: 2, 4, 8
        bool zeros;       // extended with them
        uint8_t at;
    } forms[] = {
        [IMM_NONE] = {{0, 0, 0}, true, offsetof(struct insn, imm)},
        [IMM_IB] = {{1, 1, 1}, true, offsetof(struct insn, imm)},
        [IMM_IBS] = {{1, 1, 1}, false, offsetof(struct insn, imm)},
        [IMM_IW] = {{2, 2, 2}, true, offsetof(struct insn, imm)},
        [IMM_IZ] = {{2, 4, 4}, false, offsetof(struct insn, imm)},
        [IMM_IV] = {{2, 4, 8}, false, offsetof(struct insn, imm)},
        [IMM_JB] = {{1, 1, 1}, false, offsetof(struct insn, rel)},
        [IMM_JZ] = {{4, 4, 4}, false, offsetof(struct insn, rel)},
        [IMM_MOFFS] = {{8, 8, 8}, false, offsetof(struct insn, imm)},
        [IMM_IW_IB] = {{3, 3, 3}, true, offsetof(struct insn, imm)},
    };
    if (rule == IMM_NONE) return;
    unsigned n = forms[rule].bytes[out->size == 2 ? 0 : out->size == 8 ? 2 : 1];
    if (rule == IMM_MOFFS) {
        out->imm64 = out->pfx & PFX_ADDR32 ? take(b, 4) & 0xffffffff : take(b, 8);
        out->rm = INSN_MEM;
    } else if (n == 8) {
        out->imm64 = take(b, 8);
    } else {
        uint32_t mask = forms[rule].zeros ? ~0u >> (32 - 8 * n) : ~0u, v = (uint32_t)take(b, n) & mask;
        memcpy((uint8_t *)out + forms[rule].at, &v, sizeof v);
    }
}

// Its function's place in op_functions.
static unsigned function_place(const struct insn *in)
{
    const struct decode_row *row = &decode_rows[in->id];
    unsigned n = row->fn;
    n += (in->size == 8 ? 2u : in->size >> 2) * row->size_stride;
    if (row->by_kind && in->rm == INSN_MEM) {
        unsigned special = row->flags & DECODE_NOSEG ? PFX_ADDR32 | PFX_RIP : PFX_ADDR32;
        n += in->index == REG_NONE && !in->seg && !(in->pfx & special) ? 1 : 2;
    }
    return n;
}

// VEX.vvvv is 1111 unless it is an operand; a gather's ModRM asks for SIB (SDM vol. 2, 2.3.6 and 2.3.12).
static bool vex_operands_right(const struct bytes *b, const struct decode_row *row, const struct insn *in)
{
    if (!(row->flags & DECODE_VVVV) && in->vvvv) return false;
    return !(row->flags & DECODE_VSIB) || (b->at[b->pos] & 7) == RSP;
}

static void load_bytes_at(struct bytes *b, const uint8_t *bytes, unsigned avail)
{
    memset(b, 0, sizeof *b);
    b->avail = avail < MAX_INSN ? avail : MAX_INSN;
    if (avail >= 16)
        memcpy(b->at, bytes, 16);
    else
        memcpy(b->at, bytes, avail);
}

int insn_decode(struct insn *out, const uint8_t *bytes, unsigned avail, uint32_t pc, enum cpu_level level, bool checked)
{
    struct bytes b;
    uint8_t op;
    int missing = avail < MAX_INSN ? -1 : -2;
    load_bytes_at(&b, bytes, avail);
    *out = (struct insn){.base = REG_NONE, .index = REG_NONE, .pc = pc};
    int known = opcode(out, &b, level, &op);
    if (b.pos > b.avail) return missing;
    if (known <= 0) return known;
    int number = find_row(&b, level, op);
    if (number <= 0) return number < 0 ? missing : 0;
    const struct decode_row *row = &decode_rows[number - 1];
    if (b.vex && !vex_operands_right(&b, row, out)) b.refused = true;
    out->id = (uint16_t)(number - 1);
    out->size = operand_size(row, &b, out->pfx);
    if (row->flags & DECODE_PLUS_R) {
        uint8_t reg = (op & 7) | (b.rex & REX_B ? 8 : 0);
        out->reg = row->flags & DECODE_REG_BYTE ? byte_reg(reg, b.rex != 0) : reg;
    }
    if (row->flags & DECODE_MODRM) {
        out->rm = INSN_MEM;
        modrm_operands(out, &b, row);
    }
    immediate(out, &b, (enum imm_rule)row->imm);
    if (b.pos > b.avail) return missing;
    if (b.refused) return 0;
    if (out->pfx & PFX_LOCK && !(row->flags & DECODE_LOCK && out->rm == INSN_MEM)) return 0;
    out->len = (uint8_t)b.pos;
    if (out->pfx & PFX_RIP) out->disp = (int32_t)((uint32_t)out->disp + pc + b.pos);
    if (row->flags & DECODE_NOSEG) out->seg = SEG_NONE;
    if (b.rex) out->pfx |= (uint8_t)(PFX_REX | (b.rex & REX_W ? PFX_REXW : 0));
    out->fn = function_at(&op_functions[checked * OP_FUNCTIONS + function_place(out)]);
    return out->fn ? (int)b.pos : 0;
}

void insn_check(struct insn *in)
{
    in->fn = function_at(&op_functions[OP_FUNCTIONS + function_place(in)]);
}

// ---- pairs with one function ----

// Hashed as in cpu/gen/insn_gen.h.
static op_fn *fused(unsigned first, unsigned second, bool checked)
{
    unsigned at = (first * 0x9e3779b1u ^ second * 0x85ebca6bu) >> (32 - FUSION_BITS);
    for (; fusions[at].fused; at = (at + 1) & ((1 << FUSION_BITS) - 1))
        if (fusions[at].first == first && fusions[at].second == second)
            return function_at(&fused_functions[checked * FUSED_FUNCTIONS + fusions[at].fused - 1u]);
    return NULL;
}

static bool is_branch(const struct insn *in)
{
    return insn_rows[in->id].attr & INSN_ATTR_BRANCH;
}

void insn_fuse(struct insn *in, unsigned count, bool checked)
{
    unsigned i = 0, first = count ? function_place(in) : 0;
    while (i + 1 < count) {
        unsigned second = function_place(&in[i + 1]);
        op_fn *fn = fused(first, second, checked);
        // A branch behind takes precedence.
        if (fn && i + 2 < count && is_branch(&in[i + 2]) && fused(second, function_place(&in[i + 2]), checked))
            fn = NULL;
        if (fn) in[i].fn = fn;
        i += fn ? 2 : 1;
        first = fn && i < count ? function_place(&in[i]) : second;
    }
}
