// The six arithmetic flags, kept lazily as a result and a carry vector, so that no operation works out a flag that
// nobody reads.
//
//   flags_res  the last result, sign-extended to 64 bits: ZF = (res == 0), SF = bit 63 ^ SFD, PF = even parity of (low
//   byte ^ PDB) flags_aux  bit 63 CF; bit 62 PO: OF = CF ^ PO (the carry into the top bit); bit 3 AF; bits 15:8 PDB;
//   bit 0 SFD
//
// PDB (parity delta byte) and SFD (sign flag delta) are 0 after arithmetic and let any combination of flags be written.
// Widths in bits: 8, 16, 32, 64. Operands are passed zero-extended in their own width; the result may carry garbage
// above it.
#pragma once
#include "cpu/cpu.h"

#define FLAGS_AUX_CF  (1ull << 63)
#define FLAGS_AUX_PO  (1ull << 62)
#define FLAGS_AUX_AF  (1ull << 3)
#define FLAGS_AUX_PDB (1ull << 8) // one bit of it: turns the parity over
#define FLAGS_AUX_SFD 1ull

static inline uint64_t sext(uint64_t v, unsigned bits)
{
    return (uint64_t)((int64_t)(v << (64 - bits)) >> (64 - bits));
}

// c: the carry (borrow) out of each bit position of the width.
static inline void flags_carries(struct cpu *cpu, unsigned bits, uint64_t res, uint64_t c)
{
    cpu->flags_res = sext(res, bits);
    cpu->flags_aux = ((c << (64 - bits)) & (FLAGS_AUX_CF | FLAGS_AUX_PO)) | (c & FLAGS_AUX_AF);
    // CF = carry out of the top bit; PO = carry out of the bit below it (that is, into the top bit), so OF = CF ^ PO.
}
static inline void flags_add(struct cpu *cpu, unsigned bits, uint64_t a, uint64_t b, uint64_t res)
{ // also adc: res includes the carry
    flags_carries(cpu, bits, res, (a & b) | ((a | b) & ~res));
}
static inline void flags_sub(struct cpu *cpu, unsigned bits, uint64_t a, uint64_t b, uint64_t res)
{ // also sbb, cmp, neg (a = 0)
    flags_carries(cpu, bits, res, (~a & b) | ((~a | b) & res));
}
static inline void flags_logic(struct cpu *cpu, unsigned bits, uint64_t res)
{
    cpu->flags_res = sext(res, bits);
    cpu->flags_aux = 0;
}

// res, with CF and OF given; AF 0. For shifts and multiplications.
static inline void flags_result(struct cpu *cpu, unsigned bits, uint64_t res, bool cf, bool of)
{
    cpu->flags_res = sext(res, bits);
    cpu->flags_aux = (uint64_t)cf << 63 | (uint64_t)(cf ^ of) << 62;
}
// CF and OF changed, the others kept. For rotates.
static inline void flags_cf_of(struct cpu *cpu, bool cf, bool of)
{
    cpu->flags_aux = (cpu->flags_aux & ~(FLAGS_AUX_CF | FLAGS_AUX_PO)) | (uint64_t)cf << 63 | (uint64_t)(cf ^ of) << 62;
}

static inline bool flag_cf(const struct cpu *cpu)
{
    return cpu->flags_aux >> 63;
}
static inline bool flag_zf(const struct cpu *cpu)
{
    return cpu->flags_res == 0;
}
static inline bool flag_sf(const struct cpu *cpu)
{
    return (cpu->flags_res >> 63) ^ (cpu->flags_aux & 1);
}
static inline bool flag_of(const struct cpu *cpu)
{
    return (cpu->flags_aux ^ (cpu->flags_aux << 1)) >> 63;
}
static inline bool flag_af(const struct cpu *cpu)
{
    return (cpu->flags_aux >> 3) & 1;
}
static inline bool flag_pf(const struct cpu *cpu)
{
    uint8_t b = (uint8_t)(cpu->flags_res ^ (cpu->flags_aux >> 8));
    b ^= b >> 4;
    return (0x9669 >> (b & 15)) & 1;
}

// CF changed, the others kept.
static inline void flags_cf(struct cpu *cpu, bool cf)
{
    flags_cf_of(cpu, cf, flag_of(cpu));
}

// What flags_res and flags_aux are for these flags.
static inline uint64_t flags_res_of(uint32_t eflags)
{
    return eflags & FLAG_ZF ? 0 : 0x100; // positive, and its low byte has even parity
}

static inline uint64_t flags_aux_of(uint32_t eflags)
{
    bool cf = eflags & FLAG_CF, of = eflags & FLAG_OF;
    return (cf ? FLAGS_AUX_CF : 0) | (cf != of ? FLAGS_AUX_PO : 0) | (eflags & FLAG_AF ? FLAGS_AUX_AF : 0) |
           (eflags & FLAG_PF ? 0 : FLAGS_AUX_PDB) | (eflags & FLAG_SF ? FLAGS_AUX_SFD : 0);
}

uint32_t flags_get(const struct cpu *);        // the six, as EFLAGS bits
void flags_set(struct cpu *, uint32_t eflags); // all six from EFLAGS bits
