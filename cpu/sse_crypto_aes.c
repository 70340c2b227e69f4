/* AES and GFNI: arithmetic in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197; SDM volume 2, AESENC and GF2P8MULB).
 * The S-box is an inverse and an affine map of it, so one table of inverses serves both; the rest is done on 16 bytes
 * at once. */
#include "cpu/sse.h"

typedef uint8_t vx_u8 __attribute__((vector_size(16)));
typedef uint32_t vx_u32 __attribute__((vector_size(16)));

static const uint8_t inverse[256] = {
    0x00, 0x01, 0x8d, 0xf6, 0xcb, 0x52, 0x7b, 0xd1, 0xe8, 0x4f, 0x29, 0xc0, 0xb0, 0xe1, 0xe5, 0xc7, 0x74, 0xb4, 0xaa,
    0x4b, 0x99, 0x2b, 0x60, 0x5f, 0x58, 0x3f, 0xfd, 0xcc, 0xff, 0x40, 0xee, 0xb2, 0x3a, 0x6e, 0x5a, 0xf1, 0x55, 0x4d,
    0xa8, 0xc9, 0xc1, 0x0a, 0x98, 0x15, 0x30, 0x44, 0xa2, 0xc2, 0x2c, 0x45, 0x92, 0x6c, 0xf3, 0x39, 0x66, 0x42, 0xf2,
    0x35, 0x20, 0x6f, 0x77, 0xbb, 0x59, 0x19, 0x1d, 0xfe, 0x37, 0x67, 0x2d, 0x31, 0xf5, 0x69, 0xa7, 0x64, 0xab, 0x13,
    0x54, 0x25, 0xe9, 0x09, 0xed, 0x5c, 0x05, 0xca, 0x4c, 0x24, 0x87, 0xbf, 0x18, 0x3e, 0x22, 0xf0, 0x51, 0xec, 0x61,
    0x17, 0x16, 0x5e, 0xaf, 0xd3, 0x49, 0xa6, 0x36, 0x43, 0xf4, 0x47, 0x91, 0xdf, 0x33, 0x93, 0x21, 0x3b, 0x79, 0xb7,
    0x97, 0x85, 0x10, 0xb5, 0xba, 0x3c, 0xb6, 0x70, 0xd0, 0x06, 0xa1, 0xfa, 0x81, 0x82, 0x83, 0x7e, 0x7f, 0x80, 0x96,
    0x73, 0xbe, 0x56, 0x9b, 0x9e, 0x95, 0xd9, 0xf7, 0x02, 0xb9, 0xa4, 0xde, 0x6a, 0x32, 0x6d, 0xd8, 0x8a, 0x84, 0x72,
    0x2a, 0x14, 0x9f, 0x88, 0xf9, 0xdc, 0x89, 0x9a, 0xfb, 0x7c, 0x2e, 0xc3, 0x8f, 0xb8, 0x65, 0x48, 0x26, 0xc8, 0x12,
    0x4a, 0xce, 0xe7, 0xd2, 0x62, 0x0c, 0xe0, 0x1f, 0xef, 0x11, 0x75, 0x78, 0x71, 0xa5, 0x8e, 0x76, 0x3d, 0xbd, 0xbc,
    0x86, 0x57, 0x0b, 0x28, 0x2f, 0xa3, 0xda, 0xd4, 0xe4, 0x0f, 0xa9, 0x27, 0x53, 0x04, 0x1b, 0xfc, 0xac, 0xe6, 0x7a,
    0x07, 0xae, 0x63, 0xc5, 0xdb, 0xe2, 0xea, 0x94, 0x8b, 0xc4, 0xd5, 0x9d, 0xf8, 0x90, 0x6b, 0xb1, 0x0d, 0xd6, 0xeb,
    0xc6, 0x0e, 0xcf, 0xad, 0x08, 0x4e, 0xd7, 0xe3, 0x5d, 0x50, 0x1e, 0xb3, 0x5b, 0x23, 0x38, 0x34, 0x68, 0x46, 0x03,
    0x8c, 0xdd, 0x9c, 0x7d, 0xa0, 0xcd, 0x1a, 0x41, 0x1c,
};

/* ---- AES ---- */

SSE_INLINE vx_u8 rotated(vx_u8 v, int by)
{
    return v << by | v >> (8 - by);
}

/* SubBytes and ShiftRows in one: byte i comes from 5 i of the state, whose columns are its 32-bit words; back from
 * 13 i. A step of 1 leaves the rows alone. */
SSE_INLINE vx inverses(vx a, unsigned step)
{
    union lanes from = {.v = a}, r;
    for (unsigned i = 0; i < 16; i++) r.u8[i] = inverse[from.u8[i * step % 16]];
    return r.v;
}

SSE_INLINE vx sub_bytes(vx a, unsigned step)
{
    vx_u8 v = (vx_u8)inverses(a, step);
    return (vx)(v ^ rotated(v, 1) ^ rotated(v, 2) ^ rotated(v, 3) ^ rotated(v, 4) ^ 0x63);
}

SSE_INLINE vx sub_bytes_back(vx a)
{
    vx_u8 v = (vx_u8)a;
    return inverses((vx)(rotated(v, 1) ^ rotated(v, 3) ^ rotated(v, 6) ^ 0x05), 13);
}

SSE_INLINE vx_u8 times_x(vx_u8 v)
{
    return (v << 1) ^ ((v >> 7) * 0x1b);
}

SSE_INLINE vx turned(vx v, int by) /* each column, by bytes */
{
    vx_u32 w = (vx_u32)v;
    return (vx)(w >> (8 * by) | w << (32 - 8 * by));
}

/* 2 3 1 1 of each column. */
SSE_INLINE vx mix_columns(vx a)
{
    vx next = turned(a, 1);
    return (vx)times_x((vx_u8)(a ^ next)) ^ next ^ turned(a, 2) ^ turned(a, 3);
}

/* 14 11 13 9 is 2 3 1 1 after 5 0 4 0. */
SSE_INLINE vx mix_columns_back(vx a)
{
    return mix_columns(a ^ (vx)times_x(times_x((vx_u8)(a ^ turned(a, 2)))));
}

SSE_NOINLINE vx lane_AESENC(vx a, vx key)
{
    return mix_columns(sub_bytes(a, 5)) ^ key;
}

SSE_NOINLINE vx lane_AESENCLAST(vx a, vx key)
{
    return sub_bytes(a, 5) ^ key;
}

SSE_NOINLINE vx lane_AESDEC(vx a, vx key)
{
    return mix_columns_back(sub_bytes_back(a)) ^ key;
}

SSE_NOINLINE vx lane_AESDECLAST(vx a, vx key)
{
    return sub_bytes_back(a) ^ key;
}

SSE_NOINLINE vx lane_AESIMC(vx a, vx b)
{
    (void)a;
    return mix_columns_back(b);
}

SSE_NOINLINE vx lane_AESKEYGENASSIST(vx a, vx b, unsigned rcon)
{
    (void)a;
    union lanes s = {.v = sub_bytes(b, 1)}, turn = {.v = turned(s.v, 1)}, r;
    for (unsigned i = 0; i < 4; i += 2) {
        r.u32[i] = s.u32[i + 1];
        r.u32[i + 1] = turn.u32[i + 1] ^ rcon;
    }
    return r.v;
}

#define AES_ROWS(name)                                                                                                 \
    XMM_BINARY(name##_VdqWdq, lane_##name)                                                                             \
    VEX_BINARY(V##name##_VxHxWx, lane_##name)
AES_ROWS(AESENC)
AES_ROWS(AESENCLAST)
AES_ROWS(AESDEC)
AES_ROWS(AESDECLAST)
XMM_BINARY(AESIMC_VdqWdq, lane_AESIMC)
VEX_BINARY(VAESIMC_VdqWdq, lane_AESIMC)
XMM_IMM(AESKEYGENASSIST_VdqWdqIb, lane_AESKEYGENASSIST)
VEX_IMM(VAESKEYGENASSIST_VdqWdqIb, lane_AESKEYGENASSIST)

/* ---- GFNI ---- */

SSE_NOINLINE vx lane_GF2P8MULB(vx a, vx b)
{
    vx_u8 factor = (vx_u8)a, bits = (vx_u8)b, r = {0};
    for (int i = 0; i < 8; i++) {
        r ^= factor & -(bits >> i & 1);
        factor = times_x(factor);
    }
    return (vx)r;
}

/* Eight bytes times a matrix of 8 by 8 bits, whose row i is byte 7 - i. Column j, as one byte, is added to those
 * results whose operand has bit j: a multiplication of bytes that are 0 or 1, without carries. */
SSE_INLINE uint64_t affine(uint64_t x, uint64_t matrix, unsigned constant)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t r = constant * ones;
    for (int j = 0; j < 8; j++) {
        uint64_t column = ((matrix >> j & ones) * 0x8040201008040201) >> 56;
        r ^= (x >> j & ones) * column;
    }
    return r;
}

SSE_NOINLINE vx lane_GF2P8AFFINEQB(vx a, vx b, unsigned imm)
{
    return (vx){affine(a[0], b[0], imm), affine(a[1], b[1], imm)};
}

SSE_NOINLINE vx lane_GF2P8AFFINEINVQB(vx a, vx b, unsigned imm)
{
    return lane_GF2P8AFFINEQB(inverses(a, 1), b, imm);
}

XMM_BINARY(GF2P8MULB_VdqWdq, lane_GF2P8MULB)
VEX_BINARY(VGF2P8MULB_VxHxWx, lane_GF2P8MULB)
XMM_IMM(GF2P8AFFINEQB_VdqWdqIb, lane_GF2P8AFFINEQB)
VEX_IMM(VGF2P8AFFINEQB_VxHxWxIb, lane_GF2P8AFFINEQB)
XMM_IMM(GF2P8AFFINEINVQB_VdqWdqIb, lane_GF2P8AFFINEINVQB)
VEX_IMM(VGF2P8AFFINEINVQB_VxHxWxIb, lane_GF2P8AFFINEINVQB)
