// insn_gen: struct insn_encoding of each row (cpu/insn_encoding.h), for the translator.
#include "insn_gen.h"
#include <string.h>

static int or_any(int want)
{
    return want == ANY ? 0xff : want;
}

static int modrm_of(const struct row *row)
{
    if (!row->modrm) return 0;
    if (row->want[DIM_RM] == ANY) return 1;
    return 0xc0 | row->want[DIM_REG] << 3 | row->want[DIM_RM];
}

// The place of the first operand with one of these letters, as enum encoding_role; RIP and the like have no letter.
static const char *role_of(const struct row *row, const char *letters)
{
    const char *s = row->operands;
    for (int i = 0; *s && *s != '-'; i++) {
        bool constant = strncmp(s, "GS", 2) == 0; // a segment register, not G
        if (strchr(letters, *s) && !constant) return i == 0 ? "ROLE_FIRST" : "ROLE_LATER";
        s += strcspn(s, ",");
        s += *s == ',';
    }
    return "ROLE_NONE";
}

static bool uses_x87(const struct row *row)
{
    if (strcmp(row->feature, "fpu") == 0 || strcmp(row->feature, "mmx") == 0) return true;
    if (row->map == 0 && row->opcode >= 0xd8 && row->opcode <= 0xdf && !row->vex) return true; // FISTTP, FCMOVcc, ...
    for (const char *s = row->operands; *s; s++)
        if ((s == row->operands || s[-1] == ',') && strchr("PQN", *s)) return true;
    return false;
}

void write_encodings(FILE *out)
{
    fprintf(out, "const struct insn_encoding insn_encodings[INSN_COUNT] = {\n");
    for (int i = 0; i < row_count; i++) {
        const struct row *r = &rows[i];
        bool fixed = r->want[DIM_RM] != ANY;
        fprintf(out, "{0x%02x, %d, %d, %d, %d, %d, ", r->opcode, r->map, or_any(r->want[DIM_PP]), r->vex,
                or_any(r->want[DIM_L]), or_any(r->want[DIM_W]));
        fprintf(out, "%d, 0x%02x, %d, ENCODE_%s, ENCODE_%s, ", fixed ? 0xff : or_any(r->want[DIM_REG]),
                (unsigned)modrm_of(r), r->plus_r, r->size_rule + strlen("SIZE_"), r->imm + strlen("IMM_"));
        fprintf(out, "%d, %d, %d, %d, ", (r->decode & DECODE_REG_BYTE) != 0, (r->decode & DECODE_RM_BYTE) != 0,
                (r->decode & DECODE_REG_LOW) != 0, (r->decode & DECODE_RM_LOW) != 0);
        fprintf(out, "%s, %s, %s, %d, %d},\n", role_of(r, "GZ"), role_of(r, "ER"), role_of(r, "B"), uses_x87(r),
                (r->attr & ATTR_VSIB) != 0);
    }
    fprintf(out, "};\n");
}
