// For the integer op_*.c files: operands of any width. Everything here is inlined with constant `bits` and `kind`, so
// no branch on them is left.
//
// A family of rows is written once, as an inline function, and expanded by size and kind:
//
//     #define MOV_EvGv(name, bits, kind) OP(name##_EvGv_##bits##_##kind) { ...; return op_next(cpu, in); }
//     SIZES_KINDS(MOV_EvGv, MOV)
#pragma once
#include "cpu/op.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum kind { KIND_r, KIND_b, KIND_m }; // the forms _r (register), _b ([base + disp]) and _m (any memory)

// Expansions; further arguments are passed through in front.
#define KINDS(X, ...)       X(__VA_ARGS__, r) X(__VA_ARGS__, b) X(__VA_ARGS__, m)
#define SIZES(X, ...)       X(__VA_ARGS__, 16) X(__VA_ARGS__, 32) X(__VA_ARGS__, 64)
#define SIZES_KINDS(X, ...) KINDS(X, __VA_ARGS__, 16) KINDS(X, __VA_ARGS__, 32) KINDS(X, __VA_ARGS__, 64)

ALWAYS_INLINE uint64_t width_mask(unsigned bits)
{
    return ~0ull >> (64 - bits);
}

ALWAYS_INLINE uint64_t get_reg(struct cpu *cpu, unsigned bits, unsigned r)
{
    return bits == 8 ? *reg8(cpu, r) : bits == 16 ? reg16(cpu, r) : bits == 32 ? reg32(cpu, r) : reg64(cpu, r);
}
ALWAYS_INLINE void set_reg(struct cpu *cpu, unsigned bits, unsigned r, uint64_t v)
{
    if (bits == 8)
        *reg8(cpu, r) = (uint8_t)v;
    else if (bits == 16)
        set_reg16(cpu, r, (uint16_t)v);
    else if (bits == 32)
        set_reg32(cpu, r, (uint32_t)v);
    else
        set_reg64(cpu, r, v);
}

ALWAYS_INLINE uint64_t load(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t a)
{
    return bits == 8    ? load8(cpu, in, a)
           : bits == 16 ? load16(cpu, in, a)
           : bits == 32 ? load32(cpu, in, a)
                        : load64(cpu, in, a);
}
ALWAYS_INLINE void store(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t a, uint64_t v)
{
    if (bits == 8)
        store8(cpu, in, a, (uint8_t)v);
    else if (bits == 16)
        store16(cpu, in, a, (uint16_t)v);
    else if (bits == 32)
        store32(cpu, in, a, (uint32_t)v);
    else
        store64(cpu, in, a, v);
}

ALWAYS_INLINE uint64_t address(const struct cpu *cpu, const struct insn *in, enum kind kind)
{
    return kind == KIND_b ? ea_b(cpu, in) : ea(cpu, in);
}

// The ModRM rm operand.
ALWAYS_INLINE uint64_t get_rm(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind)
{
    return kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, address(cpu, in, kind));
}
ALWAYS_INLINE void set_rm(struct cpu *cpu, const struct insn *in, unsigned bits, enum kind kind, uint64_t v)
{
    if (kind == KIND_r)
        set_reg(cpu, bits, in->rm, v);
    else
        store(cpu, in, bits, address(cpu, in, kind), v);
}

// For rows with one function: bits and kind as the instruction has them.
ALWAYS_INLINE unsigned size_bits(const struct insn *in)
{
    return in->size * 8u;
}
ALWAYS_INLINE uint64_t load_size(struct cpu *cpu, const struct insn *in, uint64_t a)
{
    switch (in->size) {
    case 1:
        return load8(cpu, in, a);
    case 2:
        return load16(cpu, in, a);
    case 4:
        return load32(cpu, in, a);
    default:
        return load64(cpu, in, a);
    }
}
ALWAYS_INLINE void store_size(struct cpu *cpu, const struct insn *in, uint64_t a, uint64_t v)
{
    switch (in->size) {
    case 1:
        store8(cpu, in, a, (uint8_t)v);
        break;
    case 2:
        store16(cpu, in, a, (uint16_t)v);
        break;
    case 4:
        store32(cpu, in, a, (uint32_t)v);
        break;
    default:
        store64(cpu, in, a, v);
        break;
    }
}
ALWAYS_INLINE void set_reg_size(struct cpu *cpu, const struct insn *in, unsigned r, uint64_t v)
{
    set_reg(cpu, size_bits(in), r, v);
}

// Condition codes as encoded in Jcc, SETcc and CMOVcc, with a constant cc.
ALWAYS_INLINE bool cond(const struct cpu *cpu, unsigned cc)
{
    bool v = false;
    switch (cc >> 1) {
    case 0:
        v = flag_of(cpu);
        break;
    case 1:
        v = flag_cf(cpu);
        break;
    case 2:
        v = flag_zf(cpu);
        break;
    case 3:
        v = flag_cf(cpu) || flag_zf(cpu);
        break;
    case 4:
        v = flag_sf(cpu);
        break;
    case 5:
        v = flag_pf(cpu);
        break;
    case 6:
        v = flag_sf(cpu) ^ flag_of(cpu);
        break;
    case 7:
        v = flag_zf(cpu) || (flag_sf(cpu) ^ flag_of(cpu));
        break;
    }
    return v ^ (cc & 1);
}
#define CONDITIONS(X)                                                                                                  \
    X(O, 0)                                                                                                            \
    X(NO, 1) X(B, 2) X(AE, 3) X(E, 4) X(NE, 5) X(BE, 6) X(A, 7) X(S, 8) X(NS, 9) X(P, 10) X(NP, 11) X(L, 12) X(GE, 13) \
        X(LE, 14) X(G, 15)
