/* SHA-1, SHA-256 (FIPS 180-4) and the carry-less multiplication of GCM and CRC. The names are the SDM's (volume 2,
 * SHA1RNDS4 and following): a word's number counts from the highest element down in SHA-1, up in SHA-256. */
#include "cpu/sse.h"

SSE_INLINE uint32_t rol(uint32_t v, int by)
{
    return v << by | v >> (32 - by);
}

SSE_INLINE uint32_t choose(uint32_t which, uint32_t a, uint32_t b)
{
    return (which & a) ^ (~which & b);
}

SSE_INLINE uint32_t majority(uint32_t a, uint32_t b, uint32_t c)
{
    return (a & b) ^ (a & c) ^ (b & c);
}

/* ---- SHA-1 ---- */

SSE_INLINE uint32_t sha1_f(unsigned which, uint32_t b, uint32_t c, uint32_t d)
{
    return which == 0 ? choose(b, c, d) : which == 2 ? majority(b, c, d) : b ^ c ^ d;
}

/* src.u32[3] is the first round's word plus E. */
SSE_NOINLINE vx lane_SHA1RNDS4(vx dst, vx src, unsigned imm)
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    union lanes s = {.v = dst}, w = {.v = src};
    uint32_t a = s.u32[3], b = s.u32[2], c = s.u32[1], d = s.u32[0], e = 0;
    unsigned which = imm & 3;
    for (int i = 3; i >= 0; i--) {
        uint32_t next = sha1_f(which, b, c, d) + rol(a, 5) + w.u32[i] + e + constants[which];
        e = d, d = c, c = rol(b, 30), b = a, a = next;
    }
    return (union lanes){.u32 = {d, c, b, a}}.v;
}

SSE_NOINLINE vx lane_SHA1NEXTE(vx dst, vx src)
{
    union lanes s = {.v = dst}, r = {.v = src};
    r.u32[3] += rol(s.u32[3], 30);
    return r.v;
}

SSE_NOINLINE vx lane_SHA1MSG1(vx dst, vx src)
{
    return dst ^ (vx) { src[1], dst[0] };
}

SSE_NOINLINE vx lane_SHA1MSG2(vx dst, vx src)
{
    union lanes s = {.v = dst}, w = {.v = src}, r;
    r.u32[3] = rol(s.u32[3] ^ w.u32[2], 1);
    r.u32[2] = rol(s.u32[2] ^ w.u32[1], 1);
    r.u32[1] = rol(s.u32[1] ^ w.u32[0], 1);
    r.u32[0] = rol(s.u32[0] ^ r.u32[3], 1);
    return r.v;
}

XMM_IMM(SHA1RNDS4_VdqWdqIb, lane_SHA1RNDS4)
XMM_BINARY(SHA1NEXTE_VdqWdq, lane_SHA1NEXTE)
XMM_BINARY(SHA1MSG1_VdqWdq, lane_SHA1MSG1)
XMM_BINARY(SHA1MSG2_VdqWdq, lane_SHA1MSG2)

/* ---- SHA-256 ---- */

SSE_INLINE uint32_t three_rols(uint32_t v, int a, int b, int c)
{
    return rol(v, 32 - a) ^ rol(v, 32 - b) ^ rol(v, 32 - c);
}

SSE_INLINE uint32_t small_sigma(uint32_t v, int a, int b, int shift)
{
    return rol(v, 32 - a) ^ rol(v, 32 - b) ^ v >> shift;
}

/* cdgh and abef as the instruction has them in dst and src; the third operand holds two words plus constants. */
SSE_NOINLINE vx sha256_rounds(vx cdgh, vx abef, uint64_t words)
{
    union lanes x = {.v = cdgh}, y = {.v = abef};
    uint32_t a = y.u32[3], b = y.u32[2], c = x.u32[3], d = x.u32[2];
    uint32_t e = y.u32[1], f = y.u32[0], g = x.u32[1], h = x.u32[0];
    for (int i = 0; i < 2; i++, words >>= 32) {
        uint32_t t = choose(e, f, g) + three_rols(e, 6, 11, 25) + (uint32_t)words + h;
        uint32_t next = t + majority(a, b, c) + three_rols(a, 2, 13, 22);
        h = g, g = f, f = e, e = d + t, d = c, c = b, b = a, a = next;
    }
    return (union lanes){.u32 = {f, e, b, a}}.v;
}

SSE_NOINLINE vx lane_SHA256MSG1(vx dst, vx src)
{
    union lanes s = {.v = dst}, w = {.v = src}, r;
    for (int i = 0; i < 4; i++) r.u32[i] = s.u32[i] + small_sigma(i < 3 ? s.u32[i + 1] : w.u32[0], 7, 18, 3);
    return r.v;
}

SSE_NOINLINE vx lane_SHA256MSG2(vx dst, vx src)
{
    union lanes s = {.v = dst}, w = {.v = src}, r;
    for (int i = 0; i < 4; i++) r.u32[i] = s.u32[i] + small_sigma(i < 2 ? w.u32[i + 2] : r.u32[i - 2], 17, 19, 10);
    return r.v;
}

OP(SHA256RNDS2_VdqWdqXMM0_r)
{
    return xmm_done(cpu, in, sha256_rounds(xmm(cpu, in->reg), xmm(cpu, in->rm), xmm(cpu, 0)[0]));
}

OP(SHA256RNDS2_VdqWdqXMM0_m)
{
    vx src = xmm_m128(cpu, in);
    return xmm_done(cpu, in, sha256_rounds(xmm(cpu, in->reg), src, xmm(cpu, 0)[0]));
}

XMM_BINARY(SHA256MSG1_VdqWdq, lane_SHA256MSG1)
XMM_BINARY(SHA256MSG2_VdqWdq, lane_SHA256MSG2)

/* ---- PCLMULQDQ ---- */

/* Four bits of a at a time, by a table of b's sixteen multiples. */
static unsigned __int128 carryless(uint64_t a, uint64_t b)
{
    unsigned __int128 multiple[16], r = 0;
    multiple[0] = 0;
    multiple[1] = b;
    for (unsigned i = 2; i < 16; i++) multiple[i] = (multiple[i / 2] << 1) ^ multiple[i & 1];
    for (int at = 60; at >= 0; at -= 4) r = r << 4 ^ multiple[a >> at & 15];
    return r;
}

SSE_NOINLINE vx lane_PCLMULQDQ(vx a, vx b, unsigned imm)
{
    return vx_from(carryless(a[imm & 1], b[imm >> 4 & 1]));
}

XMM_IMM(PCLMULQDQ_VdqWdqIb, lane_PCLMULQDQ)
VEX_IMM(VPCLMULQDQ_VxHxWxIb, lane_PCLMULQDQ)
