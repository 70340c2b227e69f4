// MUL IMUL DIV IDIV. CF = OF = "the result did not fit"; the other flags are undefined and set from the low half, as
// Intel does for SF and PF.
#include "cpu/op_int.h"

typedef unsigned __int128 u128;
typedef __int128 i128;

ALWAYS_INLINE void flags_mul(struct cpu *cpu, unsigned bits, uint64_t low, bool overflow)
{
    flags_result(cpu, bits, low, overflow, overflow);
}

// rDX:rAX (AX for bytes) from a double-width value.
ALWAYS_INLINE void set_wide(struct cpu *cpu, unsigned bits, u128 v)
{
    if (bits == 8) {
        set_reg16(cpu, RAX, (uint16_t)v);
    } else {
        set_reg(cpu, bits, RAX, (uint64_t)v);
        set_reg(cpu, bits, RDX, (uint64_t)(v >> bits));
    }
}

ALWAYS_INLINE void mul(struct cpu *cpu, unsigned bits, uint64_t b)
{
    u128 v = (u128)get_reg(cpu, bits, RAX) * b;
    set_wide(cpu, bits, v);
    flags_mul(cpu, bits, (uint64_t)v, v >> bits != 0);
}
ALWAYS_INLINE void imul(struct cpu *cpu, unsigned bits, uint64_t b)
{
    i128 v = (i128)(int64_t)sext(get_reg(cpu, bits, RAX), bits) * (int64_t)sext(b, bits);
    set_wide(cpu, bits, (u128)v);
    flags_mul(cpu, bits, (uint64_t)v, (int64_t)sext((uint64_t)v, bits) != v);
}
// The truncating forms: r = a * b.
ALWAYS_INLINE void imul_reg(struct cpu *cpu, unsigned bits, unsigned r, uint64_t a, uint64_t b)
{
    int64_t v;
    bool overflow = __builtin_mul_overflow((int64_t)sext(a, bits), (int64_t)sext(b, bits), &v);
    set_reg(cpu, bits, r, (uint64_t)v);
    flags_mul(cpu, bits, (uint64_t)v, overflow || (int64_t)sext((uint64_t)v, bits) != v);
}

#define MUL_Ev(name, fn, bits, kind)                                                                                   \
    OP(name##_Ev_##bits##_##kind)                                                                                      \
    {                                                                                                                  \
        fn(cpu, bits, get_rm(cpu, in, bits, KIND_##kind));                                                             \
        return op_next(cpu, in);                                                                                       \
    }
#define MUL_Eb(name, fn, kind)                                                                                         \
    OP(name##_Eb_##kind)                                                                                               \
    {                                                                                                                  \
        fn(cpu, 8, get_rm(cpu, in, 8, KIND_##kind));                                                                   \
        return op_next(cpu, in);                                                                                       \
    }
#define IMUL_GvEv(name, bits, kind)                                                                                    \
    OP(name##_GvEv_##bits##_##kind)                                                                                    \
    {                                                                                                                  \
        imul_reg(cpu, bits, in->reg, get_reg(cpu, bits, in->reg), get_rm(cpu, in, bits, KIND_##kind));                 \
        return op_next(cpu, in);                                                                                       \
    }
#define IMUL_GvEvI(operands, bits, kind)                                                                               \
    OP(IMUL_##operands##_##bits##_##kind)                                                                              \
    {                                                                                                                  \
        imul_reg(cpu, bits, in->reg, get_rm(cpu, in, bits, KIND_##kind), in->imm);                                     \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(MUL_Ev, MUL, mul)
KINDS(MUL_Eb, MUL, mul)
SIZES_KINDS(MUL_Ev, IMUL, imul)
KINDS(MUL_Eb, IMUL, imul)
SIZES_KINDS(IMUL_GvEv, IMUL)
SIZES_KINDS(IMUL_GvEvI, GvEvIz)
SIZES_KINDS(IMUL_GvEvI, GvEvIbs)

// ---- division: #DE when the divisor is 0 or the quotient does not fit; flags are undefined and stay ----

ALWAYS_INLINE u128 get_wide(struct cpu *cpu, unsigned bits)
{
    return bits == 8 ? reg16(cpu, RAX) : (u128)get_reg(cpu, bits, RDX) << bits | get_reg(cpu, bits, RAX);
}
ALWAYS_INLINE void set_quotient(struct cpu *cpu, unsigned bits, uint64_t quotient, uint64_t remainder)
{
    if (bits == 8) {
        set_reg16(cpu, RAX, (uint16_t)((quotient & 0xff) | remainder << 8));
    } else {
        set_reg(cpu, bits, RAX, quotient);
        set_reg(cpu, bits, RDX, remainder);
    }
}
ALWAYS_INLINE void divide(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t b)
{
    u128 a = get_wide(cpu, bits);
    if (b == 0 || a >> bits >= b) cpu_raise(cpu, in, VEC_DE);
    if (a >> 64 == 0)
        set_quotient(cpu, bits, (uint64_t)a / b, (uint64_t)a % b);
    else
        set_quotient(cpu, bits, (uint64_t)(a / b), (uint64_t)(a % b));
}
// The dividend's magnitude over the divisor's; the quotient's sign follows both, the remainder's the dividend's.
ALWAYS_INLINE void idivide(struct cpu *cpu, const struct insn *in, unsigned bits, uint64_t b)
{
    i128 a = (i128)get_wide(cpu, bits), wide_b = (int64_t)sext(b, bits);
    if (bits < 64) a = (int64_t)sext((uint64_t)a, bits * 2 > 64 ? 64 : bits * 2);
    bool negative = (a < 0) != (wide_b < 0);
    u128 ua = a < 0 ? -(u128)a : (u128)a, ub = wide_b < 0 ? -(u128)wide_b : (u128)wide_b;
    if (ub == 0 || ua >> bits >= ub) cpu_raise(cpu, in, VEC_DE);
    bool narrow = ua >> 64 == 0;
    uint64_t q = narrow ? (uint64_t)ua / (uint64_t)ub : (uint64_t)(ua / ub),
             r = narrow ? (uint64_t)ua % (uint64_t)ub : (uint64_t)(ua % ub);
    if (q > (1ull << (bits - 1)) - !negative) cpu_raise(cpu, in, VEC_DE);
    set_quotient(cpu, bits, negative ? -q : q, (a < 0 ? -r : r) & width_mask(bits));
}
#define DIV_Ev(name, fn, bits, kind)                                                                                   \
    OP(name##_Ev_##bits##_##kind)                                                                                      \
    {                                                                                                                  \
        fn(cpu, in, bits, get_rm(cpu, in, bits, KIND_##kind));                                                         \
        return op_next(cpu, in);                                                                                       \
    }
#define DIV_Eb(name, fn, kind)                                                                                         \
    OP(name##_Eb_##kind)                                                                                               \
    {                                                                                                                  \
        fn(cpu, in, 8, get_rm(cpu, in, 8, KIND_##kind));                                                               \
        return op_next(cpu, in);                                                                                       \
    }
SIZES_KINDS(DIV_Ev, DIV, divide)
KINDS(DIV_Eb, DIV, divide)
SIZES_KINDS(DIV_Ev, IDIV, idivide)
KINDS(DIV_Eb, IDIV, idivide)
