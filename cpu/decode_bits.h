// What the generator (cpu/gen/) writes into the decoder's tables and the decoder (cpu/decode.c, cpu/shape.c) reads
// there.
#pragma once
#include <stdint.h>

// What an encoding can ask of the bytes besides map and opcode.
enum dim { DIM_LEVEL, DIM_B, DIM_W, DIM_L, DIM_PP, DIM_MOD, DIM_REG, DIM_RM, DIM_COUNT };

enum {
    DECODE_MODRM = 1,
    DECODE_REG_BYTE = 2,
    DECODE_RM_BYTE = 4,
    DECODE_REG_LOW = 8,
    DECODE_RM_LOW = 16,
    DECODE_LOCK = 32,
    DECODE_NOSEG = 64,
    DECODE_PLUS_R = 128,
    DECODE_NO_MOD = 256,
    DECODE_VVVV = 512, // VEX.vvvv is an operand; in other VEX rows it must be 1111
    DECODE_VSIB = 1024,
};

// By VEX or not, map and opcode byte: which bits of a ModRM byte behind it tell the row, 0 if there is none; or one of
// the rare cases, which have one of the low bits.
enum opcode_form {
    OPCODE_BARE = 0,
    OPCODE_MODRM = 0xc0, // at most whether it names memory
    OPCODE_DIGIT = 0xf8, // ModRM.reg
    OPCODE_RARE = 7,
    OPCODE_UNKNOWN = 1, // no row, or one with a rule of its own (gathers, CR and DR)
    OPCODE_VEX = 2,     // C4 and C5 themselves
    OPCODE_PREFIX = 3,  // a legacy prefix
    OPCODE_FULL = 0xff, // all of ModRM, where it names a register
};
extern const uint8_t insn_opcode_forms[2][4][256];
