// What the generator (cpu/gen/) writes into the decoder's tables and the decoder (cpu/decode.c) reads there.
#pragma once

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
