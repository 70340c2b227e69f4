// ROL ROR RCL RCR SHL SHR SAL SAR SHLD SHRD. The count is masked to 5 or 6 bits; masked to 0 it changes no flag, but
// the destination is written back. OF is architectural for counts of 1 only; for the others it is what the formula for
// 1 gives, as on Intel's CPUs for most of them.
#include "cpu/op_int.h"

enum shift { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAL, SHIFT_SAR };
#define SHIFT_OPS(X) X(ROL) X(ROR) X(RCL) X(RCR) X(SHL) X(SHR) X(SAL) X(SAR)

struct shifted {
    uint64_t res;
    bool cf, of;
};

ALWAYS_INLINE bool bit(uint64_t v, unsigned n)
{
    return v >> n & 1;
}

// a is zero-extended; c is 1 .. 31, or .. 63 with 64 bits.
ALWAYS_INLINE struct shifted shift_left(unsigned bits, uint64_t a, unsigned c)
{
    uint64_t res = a << c;
    bool cf = bits == 64 ? bit(a, 64 - c) : bit(res, bits == 64 ? 0 : bits);
    return (struct shifted){res, cf, bit(res, bits - 1) ^ cf};
}
ALWAYS_INLINE struct shifted shift_right(unsigned bits, uint64_t a, unsigned c)
{
    return (struct shifted){a >> c, bit(a, c - 1), bit(a, bits - 1)};
}
ALWAYS_INLINE struct shifted shift_arithmetic(unsigned bits, uint64_t a, unsigned c)
{
    int64_t v = (int64_t)sext(a, bits);
    return (struct shifted){(uint64_t)(v >> c), v >> (c - 1) & 1, false};
}
ALWAYS_INLINE struct shifted rotate_left(unsigned bits, uint64_t a, unsigned c)
{
    c &= bits - 1;
    uint64_t res = (a << c | a >> (-c & (bits - 1))) & width_mask(bits);
    return (struct shifted){res, res & 1, bit(res, bits - 1) ^ (res & 1)};
}
ALWAYS_INLINE struct shifted rotate_right(unsigned bits, uint64_t a, unsigned c)
{
    c &= bits - 1;
    uint64_t res = (a >> c | a << (-c & (bits - 1))) & width_mask(bits);
    return (struct shifted){res, bit(res, bits - 1), bit(res, bits - 1) ^ bit(res, bits - 2)};
}
// Through carry: a rotation of bits + 1 bits. c is 1 .. bits here.
ALWAYS_INLINE struct shifted rotate_carry_left(unsigned bits, uint64_t a, unsigned c, bool cf)
{
    uint64_t res = a << 1 << (c - 1) | (uint64_t)cf << (c - 1) | a >> 1 >> (bits - c);
    cf = bit(a, bits - c);
    return (struct shifted){res, cf, bit(res, bits - 1) ^ cf};
}
ALWAYS_INLINE struct shifted rotate_carry_right(unsigned bits, uint64_t a, unsigned c, bool cf)
{
    uint64_t res = a >> 1 >> (c - 1) | (uint64_t)cf << (bits - c) | a << 1 << (bits - c);
    return (struct shifted){res, bit(a, c - 1), bit(res, bits - 1) ^ bit(res, bits - 2)};
}

ALWAYS_INLINE struct shifted shifted_by(enum shift op, unsigned bits, uint64_t a, unsigned c, bool cf)
{
    switch (op) {
    case SHIFT_ROL:
        return rotate_left(bits, a, c);
    case SHIFT_ROR:
        return rotate_right(bits, a, c);
    case SHIFT_RCL:
        return rotate_carry_left(bits, a, c, cf);
    case SHIFT_RCR:
        return rotate_carry_right(bits, a, c, cf);
    case SHIFT_SHR:
        return shift_right(bits, a, c);
    case SHIFT_SAR:
        return shift_arithmetic(bits, a, c);
    default:
        return shift_left(bits, a, c);
    }
}

ALWAYS_INLINE void shift_rm(struct cpu *cpu, const struct insn *in, enum shift op, unsigned bits, enum kind kind,
                            unsigned count)
{
    uint64_t at = kind == KIND_r ? 0 : address(cpu, in, kind);
    uint64_t a = kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, at);
    unsigned c = count & (bits == 64 ? 63 : 31);
    if ((op == SHIFT_RCL || op == SHIFT_RCR) && bits < 32) c %= bits + 1;
    struct shifted s = c ? shifted_by(op, bits, a, c, flag_cf(cpu)) : (struct shifted){.res = a};
    if (kind == KIND_r)
        set_reg(cpu, bits, in->rm, s.res);
    else
        store(cpu, in, bits, at, s.res);
    if (c == 0) return;
    if (op < SHIFT_SHL)
        flags_cf_of(cpu, s.cf, s.of);
    else
        flags_result(cpu, bits, s.res, s.cf, s.of);
}

#define SHIFT_EvIb(op, bits, kind)                                                                                     \
    OP(op##_EvIb_##bits##_##kind)                                                                                      \
    {                                                                                                                  \
        shift_rm(cpu, in, SHIFT_##op, bits, KIND_##kind, (unsigned)in->imm);                                           \
        return op_next(cpu, in);                                                                                       \
    }
#define SHIFT_EvCL(op, bits, kind)                                                                                     \
    OP(op##_EvCL_##bits##_##kind)                                                                                      \
    {                                                                                                                  \
        shift_rm(cpu, in, SHIFT_##op, bits, KIND_##kind, (unsigned)cpu->regs[RCX]);                                    \
        return op_next(cpu, in);                                                                                       \
    }
#define SHIFT_Ev1(op, bits, kind)                                                                                      \
    OP(op##_Ev1_##bits##_##kind)                                                                                       \
    {                                                                                                                  \
        shift_rm(cpu, in, SHIFT_##op, bits, KIND_##kind, 1);                                                           \
        return op_next(cpu, in);                                                                                       \
    }
#define SHIFT_EbIb(op, kind)                                                                                           \
    OP(op##_EbIb_##kind)                                                                                               \
    {                                                                                                                  \
        shift_rm(cpu, in, SHIFT_##op, 8, KIND_##kind, (unsigned)in->imm);                                              \
        return op_next(cpu, in);                                                                                       \
    }
#define SHIFT_EbCL(op, kind)                                                                                           \
    OP(op##_EbCL_##kind)                                                                                               \
    {                                                                                                                  \
        shift_rm(cpu, in, SHIFT_##op, 8, KIND_##kind, (unsigned)cpu->regs[RCX]);                                       \
        return op_next(cpu, in);                                                                                       \
    }
#define SHIFT_Eb1(op, kind)                                                                                            \
    OP(op##_Eb1_##kind)                                                                                                \
    {                                                                                                                  \
        shift_rm(cpu, in, SHIFT_##op, 8, KIND_##kind, 1);                                                              \
        return op_next(cpu, in);                                                                                       \
    }

#define SHIFT_ROWS(op)                                                                                                 \
    SIZES_KINDS(SHIFT_EvIb, op)                                                                                        \
    SIZES_KINDS(SHIFT_EvCL, op) SIZES_KINDS(SHIFT_Ev1, op) KINDS(SHIFT_EbIb, op) KINDS(SHIFT_EbCL, op)                 \
        KINDS(SHIFT_Eb1, op)
SHIFT_OPS(SHIFT_ROWS)

// ---- SHLD SHRD ----

// With 16 bits and a count above 16 the manual leaves result and flags undefined; this is what the formulas give for
// dest:src:dest.
ALWAYS_INLINE struct shifted double_left(unsigned bits, uint64_t a, uint64_t b, unsigned c)
{
    if (bits == 16) {
        uint64_t wide = a << 32 | b << 16 | a, res = wide << c >> 32 & 0xffff;
        bool cf = bit(wide, 48 - c);
        return (struct shifted){res, cf, bit(res, 15) ^ bit(a, 15)};
    }
    uint64_t res = a << c | b >> (bits - c);
    return (struct shifted){res, bit(a, bits - c), bit(res, bits - 1) ^ bit(a, bits - 1)};
}
ALWAYS_INLINE struct shifted double_right(unsigned bits, uint64_t a, uint64_t b, unsigned c)
{
    if (bits == 16) {
        uint64_t wide = a << 32 | b << 16 | a, res = wide >> c & 0xffff;
        return (struct shifted){res, bit(wide, c - 1), bit(res, 15) ^ bit(a, 15)};
    }
    uint64_t res = a >> c | b << (bits - c);
    return (struct shifted){res, bit(a, c - 1), bit(res, bits - 1) ^ bit(a, bits - 1)};
}
ALWAYS_INLINE void shift_double(struct cpu *cpu, const struct insn *in, bool left, unsigned bits, enum kind kind,
                                unsigned count)
{
    uint64_t at = kind == KIND_r ? 0 : address(cpu, in, kind), b = get_reg(cpu, bits, in->reg);
    uint64_t a = kind == KIND_r ? get_reg(cpu, bits, in->rm) : load(cpu, in, bits, at);
    unsigned c = count & (bits == 64 ? 63 : 31);
    struct shifted s = {.res = a};
    if (c) s = left ? double_left(bits, a, b, c) : double_right(bits, a, b, c);
    if (kind == KIND_r)
        set_reg(cpu, bits, in->rm, s.res);
    else
        store(cpu, in, bits, at, s.res);
    if (c) flags_result(cpu, bits, s.res, s.cf, s.of);
}
#define DOUBLE_EvGvIb(name, left, bits, kind)                                                                          \
    OP(name##_EvGvIb_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        shift_double(cpu, in, left, bits, KIND_##kind, (unsigned)in->imm);                                             \
        return op_next(cpu, in);                                                                                       \
    }
#define DOUBLE_EvGvCL(name, left, bits, kind)                                                                          \
    OP(name##_EvGvCL_##bits##_##kind)                                                                                  \
    {                                                                                                                  \
        shift_double(cpu, in, left, bits, KIND_##kind, (unsigned)cpu->regs[RCX]);                                      \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(DOUBLE_EvGvIb, SHLD, true)
SIZES_KINDS(DOUBLE_EvGvCL, SHLD, true)
SIZES_KINDS(DOUBLE_EvGvIb, SHRD, false)
SIZES_KINDS(DOUBLE_EvGvCL, SHRD, false)
