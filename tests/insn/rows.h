// The rows of cpu/insn*.def as the tests read them: from the text, not from the generated tables, so that the judge
// does not repeat the generator's mistakes. The columns are explained at the head of cpu/insn.def.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum row_mod { MOD_ANY, MOD_MEMORY, MOD_REGISTER };
enum { PP_ANY = 'a', PP_NONE = 'n' }; // others: the mandatory prefix byte itself

#define ROW_OPERANDS 4

struct row {
    char id[48], mnemonic[32], encoding[48], operands[48], attr[48], feature[24], flags[32], forms[8], jit[12],
        test[12];
    char file[32];
    char section[96]; // the heading above it: a comment that names the file of its functions
    int pp;           // PP_ANY, PP_NONE, 0x66, 0xf2, 0xf3
    int map;          // 1 one-byte, 2 0F, 3 0F38, 4 0F3A
    uint8_t opcode;
    bool plus_r, has_modrm, vex;
    bool vex_l[2], vex_w[2]; // VEX.L and VEX.W: which values it has
    bool by_length;          // operands x, ps, pd are as long as VEX.L says
    int digit;               // ModRM.reg, or -1
    int modrm;               // the whole byte, or -1
    enum row_mod mod;
    char operand[ROW_OPERANDS][8];
    int operand_count;
    unsigned flags_read, flags_written, flags_undefined; // EFLAGS bits
};

struct row_table {
    struct row *row;
    int count;
};

// Reads DIR/insn.def and its sisters. Exits with a message when a line cannot be understood.
struct row_table rows_read(const char *dir);
void rows_free(struct row_table *);
bool row_attr(const struct row *, const char *word);
bool row_is(const struct row *, const char *mnemonics); // mnemonic is one of these words, separated by blanks
