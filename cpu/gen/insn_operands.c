// insn_gen: what the operands column tells the decoder: operand size, immediate, which registers are byte or MMX
// registers.
#include "insn_gen.h"
#include <string.h>

struct size_word {
    const char *suffix;
    int bytes;
};
static const struct size_word fixed_sizes[] = {
    {"b", 1},   {"w", 2},  {"d", 4},  {"q", 8},  {"dq", 16}, {"x", 16}, {"ps", 16},
    {"pd", 16}, {"ss", 4}, {"sd", 8}, {"t", 10}, {"qq", 32}, {"", 0},   {NULL, 0},
};
static const char *const constants[] = {
    "1", "AL", "AX", "EAX", "RAX", "rAX", "CL", "DX", "FS", "GS", "ST", "ST0", "XMM0", NULL,
};
struct imm_word {
    const char *operand, *kind;
};
static const struct imm_word imm_words[] = {
    {"Ib", "IMM_IB"}, {"Ibs", "IMM_IBS"}, {"Iw", "IMM_IW"},    {"Iz", "IMM_IZ"},    {"Iv", "IMM_IV"},
    {"Jb", "IMM_JB"}, {"Jz", "IMM_JZ"},   {"Ob", "IMM_MOFFS"}, {"Ov", "IMM_MOFFS"}, {NULL, NULL},
};
static const char letters[] = "EGMRAXYZVWUPQNSHBCDLF";

static bool is_constant(const char *s)
{
    for (int i = 0; constants[i]; i++)
        if (strcmp(constants[i], s) == 0) return true;
    return false;
}

static bool set_immediate(struct row *row, const char *s)
{
    if (s[0] == 'L' && strcmp(s, "Lx") == 0) s = "Ib"; // /is4: a register in an immediate byte
    for (const struct imm_word *w = imm_words; w->operand; w++) {
        if (strcmp(w->operand, s) != 0) continue;
        if (!row->imm)
            row->imm = w->kind;
        else if (strcmp(row->imm, "IMM_IW") == 0 && strcmp(s, "Ib") == 0)
            row->imm = "IMM_IW_IB"; // ENTER
        else
            row_error(row, "two immediates");
        return true;
    }
    return false;
}

// Of a whole vector register, or the part of it that memory holds; the operand size is the vector's then.
static bool is_vector_size(const char *suffix)
{
    static const char *const words[] = {"x", "ps", "pd", "xh", "xq", "xe"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(suffix, words[i]) == 0) return true;
    return false;
}

// Operand sizes that depend on prefixes win over fixed ones; memory over registers; the first over later ones.
static void set_size(struct row *row, char letter, const char *suffix)
{
    static const char memory[] = "EMWQXYO";
    if (suffix[0] == 'v' || suffix[0] == 'z') {
        row->size_rule = "SIZE_V";
        return;
    }
    if (suffix[0] == 'y') {
        if (!row->size_rule || strcmp(row->size_rule, "SIZE_V") != 0) row->size_rule = "SIZE_Y";
        return;
    }
    if (row->vex && is_vector_size(suffix)) {
        if (row->by_length) row->size_rule = "SIZE_L";
        row->size = row->want[DIM_L] == 1 ? 32 : 16;
        return;
    }
    for (const struct size_word *w = fixed_sizes; w->suffix; w++) {
        if (strcmp(w->suffix, suffix) != 0) continue;
        static const struct row *sized_by_memory;
        bool is_memory = strchr(memory, letter) != NULL;
        if (row->size == 0 || (is_memory && sized_by_memory != row)) row->size = w->bytes;
        if (is_memory) sized_by_memory = row;
        return;
    }
    row_error(row, "unknown operand size '%s'", suffix);
}

static void set_registers(struct row *row, char letter, const char *suffix)
{
    bool byte = strcmp(suffix, "b") == 0;
    switch (letter) {
    case 'G':
    case 'Z':
        if (byte) row->decode |= DECODE_REG_BYTE;
        break;
    case 'E':
    case 'R':
        if (byte) row->decode |= DECODE_RM_BYTE;
        break;
    case 'H':
    case 'B':
        row->decode |= DECODE_VVVV;
        break;
    case 'P':
    case 'S':
        row->decode |= DECODE_REG_LOW;
        break;
    case 'Q':
    case 'N':
        row->decode |= DECODE_RM_LOW;
        break;
    }
    // MOV to and from control registers: rm is a register whatever mod says (SDM vol. 2, MOV).
    if (letter == 'R' && row->want[DIM_MOD] != 1) row->decode |= DECODE_NO_MOD;
    if (strchr("EGMRVWUPQNS", letter) && !row->modrm) row_error(row, "operand %c%s needs a ModRM byte", letter, suffix);
    if (letter == 'Z' && !row->plus_r) row_error(row, "operand Z%s needs +r", suffix);
}

static void parse_operand(struct row *row, const char *s)
{
    if (is_constant(s)) return;
    if (strcmp(s, "STi") == 0) {
        row->decode |= DECODE_RM_LOW;
        return;
    }
    if (set_immediate(row, s)) {
        if (strchr("vz", s[1]) || (s[0] == 'O' && s[1] == 'b')) set_size(row, s[0], s + 1);
        return;
    }
    if (!s[0] || !strchr(letters, s[0])) row_error(row, "unknown operand '%s'", s);
    set_size(row, s[0], s + 1);
    set_registers(row, s[0], s + 1);
}

void parse_operands(struct row *row)
{
    char copy[100];
    if (strlen(row->operands) >= sizeof copy) row_error(row, "operands too long");
    strcpy(copy, strcmp(row->operands, "-") == 0 ? "" : row->operands);
    for (char *s = strtok(copy, ","); s; s = strtok(NULL, ",")) parse_operand(row, s);
    if (row->attr & ATTR_D64) row->size_rule = "SIZE_D64";
    if (row->attr & ATTR_F64) row->size_rule = "SIZE_F64";
    if (!row->size_rule) row->size_rule = "SIZE_FIXED";
    if (row->attr & ATTR_SIZE8) row->size = 1;
    if (!row->imm) row->imm = "IMM_NONE";
    if (row->by_size && strcmp(row->size_rule, "SIZE_FIXED") == 0)
        row_error(row, "form s, but the operand size is fixed");
    if (row->modrm) row->decode |= DECODE_MODRM;
    if (row->plus_r) row->decode |= DECODE_PLUS_R;
    if (row->attr & ATTR_LOCK) row->decode |= DECODE_LOCK;
    if (row->attr & ATTR_NOSEG) row->decode |= DECODE_NOSEG;
    if (row->attr & ATTR_VSIB) row->decode |= DECODE_VSIB;
    if (row->decode & DECODE_VVVV && !row->vex) row_error(row, "operands H and B need VEX");
    if (row->by_length && strcmp(row->size_rule, "SIZE_L") != 0) row_error(row, "VEX.L without a vector operand");
    if (row->attr & ATTR_VSIB && (row->want[DIM_MOD] != 0 || row->by_base))
        row_error(row, "vsib needs :m and no form b");
}
