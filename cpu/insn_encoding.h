// How a row's instructions are encoded, for the translator, which writes them anew (generated from insn*.def; SDM vol.
// 2, chapter 2).
#pragma once
#include "cpu/insn.h"

enum encoding_size {
    ENCODE_FIXED,
    ENCODE_V,
    ENCODE_Y,
    ENCODE_D64,
    ENCODE_F64,
    ENCODE_L
}; // as the decoder's size rules
enum encoding_imm {
    ENCODE_NONE,
    ENCODE_IB,
    ENCODE_IBS,
    ENCODE_IW,
    ENCODE_IZ,
    ENCODE_IV,
    ENCODE_JB,
    ENCODE_JZ,
    ENCODE_MOFFS,
    ENCODE_IW_IB
};
enum { ENCODE_ANY = 0xff };
// What a field of the instruction is: no general register, one that may be written (the first operand), one that is
// only read.
enum encoding_role { ROLE_NONE, ROLE_FIRST, ROLE_LATER };

struct insn_encoding {
    uint8_t opcode, map;                  // map: 0 M1 .. 3 M4
    uint8_t pp;                           // mandatory prefix: 0 none 1 66 2 F3 3 F2; ENCODE_ANY: 66 is the operand size
    uint8_t vex, l, w;                    // l: 0 1, ENCODE_ANY: by operand size or ignored; w likewise
    uint8_t digit;                        // ModRM.reg extension, ENCODE_ANY: a register
    uint8_t modrm;                        // 0: none; 1: with operands; 0xc0 and more: this very byte
    uint8_t plus_r;                       // the low three bits of the opcode are a register
    uint8_t size, imm;                    // enum encoding_size, enum encoding_imm
    uint8_t byte_reg, byte_rm;            // reg and rm name byte registers (insn.h: by their byte offset)
    uint8_t low_reg, low_rm;              // x87, MMX and segment registers: no REX bit
    uint8_t reg_role, rm_role, vvvv_role; // enum encoding_role
    uint8_t x87;                          // uses the x87 or MMX registers
    uint8_t vsib;                         // the index is a vector register
};
extern const struct insn_encoding insn_encodings[INSN_COUNT];
