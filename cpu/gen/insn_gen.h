// What the parts of insn_gen share: the rows as read, and the switch tree that finds a row from an instruction's bytes.
#pragma once
#include "cpu/decode_bits.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { MAX_ROWS = 4000, MAX_FEATURES = 100, MAX_WORDS = 12 };

enum { ANY = -1 }; // a row that asks nothing of a dimension (cpu/decode_bits.h) has this there

struct row {
    const char *file;
    int line;
    char *id, *encoding, *operands, *feature; // as written
    int number;                               // index among all rows; the decoder's row number is one more
    bool vex, by_length;                      // by_length: VEX.L says the operand size
    int map;                                  // 0 M1 .. 3 M4
    int opcode;
    bool plus_r; // the low three bits of the opcode are a register
    int want[DIM_COUNT];
    bool modrm;
    int level;
    unsigned attr, flags_read, flags_written, flags_undefined;
    bool by_size, by_kind, by_base; // forms s, m, b
    const char *jit, *test;
    // From the operands, for the decoder.
    const char *size_rule, *imm;
    int size;
    unsigned decode; // DECODE_* bits
    int fn;          // index of its first function
};

struct feature {
    char *name;
    int level;
    unsigned long leaf;
    int reg, bit; // reg ANY: no CPUID bit
    int rows;
};

enum {
    ATTR_LOCK = 1,
    ATTR_REP = 2,
    ATTR_REPZ = 4,
    ATTR_BRANCH = 8,
    ATTR_ALIGNED = 16,
    ATTR_COND = 32, // as INSN_ATTR_* of cpu/insn.h
    ATTR_D64 = 64,
    ATTR_F64 = 128,
    ATTR_W0 = 256,
    ATTR_W1 = 512,
    ATTR_SIZE8 = 1024,
    ATTR_PFX = 2048,
    ATTR_B0 = 4096,
    ATTR_NOSEG = 8192,
    ATTR_VSIB = 16384,
    ATTR_IN_ROW = 63,
};

extern struct row rows[MAX_ROWS];
extern int row_count;
extern struct feature features[MAX_FEATURES];
extern int feature_count;

// Prints `file:line: message` and exits with 1.
_Noreturn void row_error(const struct row *, const char *format, ...) __attribute__((format(printf, 2, 3)));

void read_table(const char *file); // insn_read.c: appends to rows and features
void read_fusions(void);           // insn_read.c: the !fuse lines it has met, when rows have their fn
void read_fusion(const struct row *at, const char *first, const char *second); // insn_fuse.c
void write_fused_prototypes(FILE *);
void write_fusions(FILE *);
void write_fused_functions(FILE *);
int fused_count(void);
void write_encodings(FILE *);                          // insn_encode.c
int form_count(const struct row *);                    // insn_gen.c: functions of a row
const char *form_suffix(const struct row *, int form); // NULL: a form that does not exist
static inline unsigned fusion_hash(unsigned first, unsigned second, unsigned bits)
{
    return (first * 0x9e3779b1u ^ second * 0x85ebca6bu) >> (32 - bits);
}
void parse_operands(struct row *); // insn_operands.c
void write_trees(FILE *);          // insn_tree.c: nodes[] and roots[]; ends with an error when two rows are ambiguous
