// softfp: IEEE 754 arithmetic in integers, bit for bit as an x86 does it.
//
// Owns: the formats f32, f64 (SSE and x87 memory operands), f80 (x87 registers) and f16 (F16C), their arithmetic,
// comparisons, conversions and the x87 oddities (partial remainder, scale, extract, packed BCD). No global state: what
// MXCSR or the x87 control word would say comes in struct sf_env, the exception flags go out in it.
//
// How to use: every format unpacks into one struct sf_num; the sf_* operations take sf_nums, round to the format
// whose struct sf_fmt they are given, and return a sf_num that the format's pack function stores exactly.
// sf32_add() and its like at the end of this file do all three steps. The x87 mixes formats in one operation (FADD
// m32 adds an f32 to an f80) and therefore calls the sf_* operations itself.
//
// env->flags and env->c1 are only ever set, so clear them before an instruction. With unmasked exceptions
// sf_final_flags() says which flags the instruction leaves.
// Tininess is always detected after rounding (SDM volume 1, 4.9.1.5).
#pragma once
#include "cpu/cpu.h" // struct f80
#include <stdbool.h>
#include <stdint.h>

typedef uint16_t sf16;
typedef uint32_t sf32;
typedef uint64_t sf64;

// Rounding modes, numbered as in MXCSR.RC and the x87 control word.
enum sf_rounding { SF_RN, SF_RD, SF_RU, SF_RZ };

// Exception flags, at the places they have in MXCSR and the x87 status word.
enum sf_flag {
    SF_IE = 1,
    SF_DE = 2,
    SF_ZE = 4,
    SF_OE = 8,
    SF_UE = 16,
    SF_PE = 32,
    SF_PRE = SF_IE | SF_DE | SF_ZE, // found before computing: when unmasked, nothing is computed
    SF_ALL = 63,
};

struct sf_env {
    uint8_t rounding;  // enum sf_rounding
    uint8_t precision; // significand bits of f80 results: 24, 53 or 64
    uint8_t masks;     // SF_* bits that are masked; SF_ALL is the usual state
    bool daz;          // denormal inputs are zeros (f32, f64)
    bool ftz;          // tiny results are zeros (f32, f64), if SF_UE is masked
    uint8_t flags;     // out: SF_*
    bool c1;           // out: the last rounding increased the magnitude
};

enum sf_kind {
    SF_ZERO,
    SF_FINITE,
    SF_INF,
    SF_QNAN, // the kinds from here on are "not a number" to sf_is_nan()
    SF_SNAN,
    SF_BAD, // f80 encodings that the x87 does not support: unnormals, pseudo-infinities, pseudo-NaNs
};

struct sf_num {
    uint8_t kind; // enum sf_kind
    bool sign;
    bool denorm;  // came from a denormal (or pseudo-denormal) encoding
    int32_t exp;  // SF_FINITE: the value is sig * 2^(exp - 63)
    uint64_t sig; // SF_FINITE: bit 63 is set; NaN: bit 63 set, bit 62 the quiet bit, payload below
};

struct sf_fmt {
    int prec; // significand bits
    int emin; // exponent of the least normal number
    int emax;
    bool x87; // NaN choice of the x87, and its biased results for unmasked overflow and underflow
};

extern const struct sf_fmt sf_fmt16, sf_fmt32, sf_fmt64, sf_fmt80;

// The format of FADD, FSUB, FMUL, FDIV and FSQRT results under env->precision.
const struct sf_fmt *sf_fmt80_for(const struct sf_env *env);

struct sf_num sf16_unpack(sf16 v, const struct sf_env *env);
struct sf_num sf32_unpack(sf32 v, const struct sf_env *env);
struct sf_num sf64_unpack(sf64 v, const struct sf_env *env);
struct sf_num f80_unpack(struct f80 v, const struct sf_env *env);
sf16 sf16_pack(struct sf_num n);
sf32 sf32_pack(struct sf_num n);
sf64 sf64_pack(struct sf_num n);
struct f80 f80_pack(struct sf_num n);

static inline bool sf_is_nan(struct sf_num n)
{
    return n.kind >= SF_QNAN;
}

// The "real indefinite" QNaN.
struct sf_num sf_default_nan(void);

// Of the flags that an instruction raised, those it leaves: an unmasked IE, DE or ZE stops it before OE, UE or PE.
uint8_t sf_final_flags(uint8_t flags, uint8_t masks);

// Rounds sign * sig * 2^(exp - 127) to the format; bit 127 of sig is set, bit 0 is sticky.
struct sf_num sf_round(bool sign, int exp, unsigned __int128 sig, const struct sf_fmt *f, struct sf_env *env);

struct sf_num sf_add(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);
struct sf_num sf_sub(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);
struct sf_num sf_mul(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);
struct sf_num sf_div(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);
struct sf_num sf_sqrt(struct sf_num a, const struct sf_fmt *f, struct sf_env *env);

// +-(a * b) +- c with one rounding; f32 and f64 only. Of several NaNs the first of a, b, c is returned, so pass the
// operands (1, 2, 3 as in the manual) of VFMADD132 as 1, 3, 2, those of VFMADD213 as 2, 1, 3 and those of VFMADD231 as
// 2, 3, 1.
enum sf_muladd_neg { SF_NEG_PRODUCT = 1, SF_NEG_ADDEND = 2 };
struct sf_num sf_muladd(struct sf_num a, struct sf_num b, struct sf_num c, unsigned neg, const struct sf_fmt *f,
                        struct sf_env *env);

// MINSS, MAXSS: the second operand when either is a NaN or both are zeros.
struct sf_num sf_min(struct sf_num a, struct sf_num b, struct sf_env *env);
struct sf_num sf_max(struct sf_num a, struct sf_num b, struct sf_env *env);

enum sf_order { SF_LESS, SF_EQUAL, SF_GREATER, SF_UNORDERED };
// A quiet comparison raises IE for signalling NaNs only (UCOMISS, FUCOM), the other for all (COMISS, FCOM).
enum sf_order sf_compare(struct sf_num a, struct sf_num b, bool quiet, struct sf_env *env);

// Rounds to another format (exact to a wider one); NaNs become quiet.
struct sf_num sf_convert(struct sf_num a, const struct sf_fmt *f, struct sf_env *env);

// To an integral value of the same format, as ROUNDSD (DE is not raised) or FRNDINT (f->x87) does it.
struct sf_num sf_rint(struct sf_num a, unsigned rounding, const struct sf_fmt *f, struct sf_env *env);

// To an integer of `bits` bits, sign extended to 64. Out of range: IE and the integer indefinite (the least
// signed, the largest unsigned integer).
int64_t sf_to_int(struct sf_num a, int bits, unsigned rounding, struct sf_env *env);
uint64_t sf_to_uint(struct sf_num a, int bits, unsigned rounding, struct sf_env *env);
struct sf_num sf_from_int(int64_t v);
struct sf_num sf_from_uint(uint64_t v);

// FST m32 and m64: sf_convert without DE; what an unmasked OE or UE keeps from being stored is not inexact.
struct sf_num sf_store(struct sf_num a, const struct sf_fmt *f, struct sf_env *env);
// FPREM (nearest false) and FPREM1. *quotient receives the low quotient bits (0..7 count); *partial is C2.
struct sf_num sf_rem(struct sf_num a, struct sf_num b, bool nearest, unsigned *quotient, bool *partial,
                     struct sf_env *env);
// FSCALE: a * 2^trunc(b).
struct sf_num sf_scale(struct sf_num a, struct sf_num b, struct sf_env *env);
// FXTRACT: returns the significand, stores the exponent.
struct sf_num sf_extract(struct sf_num a, struct sf_num *exponent, struct sf_env *env);

// FBLD, FBSTP: 18 decimal digits, two a byte, then a byte with the sign in bit 7.
struct sf_num sf_from_bcd(const uint8_t bcd[10]);
void sf_to_bcd(struct sf_num a, uint8_t bcd[10], struct sf_env *env);

// The SSE forms: one row per operation, expanded for f32 and f64.
#define SF_BINARY_OPS(X) X(add) X(sub) X(mul) X(div)

#define SF_DEFINE_BINARY(op)                                                                                           \
    static inline sf32 sf32_##op(sf32 a, sf32 b, struct sf_env *env)                                                   \
    {                                                                                                                  \
        return sf32_pack(sf_##op(sf32_unpack(a, env), sf32_unpack(b, env), &sf_fmt32, env));                           \
    }                                                                                                                  \
    static inline sf64 sf64_##op(sf64 a, sf64 b, struct sf_env *env)                                                   \
    {                                                                                                                  \
        return sf64_pack(sf_##op(sf64_unpack(a, env), sf64_unpack(b, env), &sf_fmt64, env));                           \
    }                                                                                                                  \
    static inline struct f80 f80_##op(struct f80 a, struct f80 b, struct sf_env *env)                                  \
    {                                                                                                                  \
        return f80_pack(sf_##op(f80_unpack(a, env), f80_unpack(b, env), sf_fmt80_for(env), env));                      \
    }
SF_BINARY_OPS(SF_DEFINE_BINARY)
#undef SF_DEFINE_BINARY

static inline sf32 sf32_min(sf32 a, sf32 b, struct sf_env *env)
{
    return sf32_pack(sf_min(sf32_unpack(a, env), sf32_unpack(b, env), env));
}

static inline sf32 sf32_max(sf32 a, sf32 b, struct sf_env *env)
{
    return sf32_pack(sf_max(sf32_unpack(a, env), sf32_unpack(b, env), env));
}

static inline sf64 sf64_min(sf64 a, sf64 b, struct sf_env *env)
{
    return sf64_pack(sf_min(sf64_unpack(a, env), sf64_unpack(b, env), env));
}

static inline sf64 sf64_max(sf64 a, sf64 b, struct sf_env *env)
{
    return sf64_pack(sf_max(sf64_unpack(a, env), sf64_unpack(b, env), env));
}

static inline sf32 sf32_sqrt(sf32 a, struct sf_env *env)
{
    return sf32_pack(sf_sqrt(sf32_unpack(a, env), &sf_fmt32, env));
}

static inline sf64 sf64_sqrt(sf64 a, struct sf_env *env)
{
    return sf64_pack(sf_sqrt(sf64_unpack(a, env), &sf_fmt64, env));
}

static inline sf32 sf32_muladd(sf32 a, sf32 b, sf32 c, unsigned neg, struct sf_env *env)
{
    return sf32_pack(sf_muladd(sf32_unpack(a, env), sf32_unpack(b, env), sf32_unpack(c, env), neg, &sf_fmt32, env));
}

static inline sf64 sf64_muladd(sf64 a, sf64 b, sf64 c, unsigned neg, struct sf_env *env)
{
    return sf64_pack(sf_muladd(sf64_unpack(a, env), sf64_unpack(b, env), sf64_unpack(c, env), neg, &sf_fmt64, env));
}

static inline enum sf_order sf32_compare(sf32 a, sf32 b, bool quiet, struct sf_env *env)
{
    return sf_compare(sf32_unpack(a, env), sf32_unpack(b, env), quiet, env);
}

static inline enum sf_order sf64_compare(sf64 a, sf64 b, bool quiet, struct sf_env *env)
{
    return sf_compare(sf64_unpack(a, env), sf64_unpack(b, env), quiet, env);
}

static inline sf64 sf32_to_f64(sf32 a, struct sf_env *env)
{
    return sf64_pack(sf_convert(sf32_unpack(a, env), &sf_fmt64, env));
}

static inline sf32 sf64_to_f32(sf64 a, struct sf_env *env)
{
    return sf32_pack(sf_convert(sf64_unpack(a, env), &sf_fmt32, env));
}

static inline sf32 sf32_rint(sf32 a, unsigned rounding, struct sf_env *env)
{
    return sf32_pack(sf_rint(sf32_unpack(a, env), rounding, &sf_fmt32, env));
}

static inline sf64 sf64_rint(sf64 a, unsigned rounding, struct sf_env *env)
{
    return sf64_pack(sf_rint(sf64_unpack(a, env), rounding, &sf_fmt64, env));
}

// CVTSS2SI and CVTTSS2SI (rounding SF_RZ), CVTSI2SS and so on; bits is 32 or 64.
static inline int64_t sf32_to_int(sf32 a, int bits, unsigned rounding, struct sf_env *env)
{
    return sf_to_int(sf32_unpack(a, env), bits, rounding, env);
}

static inline int64_t sf64_to_int(sf64 a, int bits, unsigned rounding, struct sf_env *env)
{
    return sf_to_int(sf64_unpack(a, env), bits, rounding, env);
}

static inline sf32 sf32_from_int(int64_t v, struct sf_env *env)
{
    return sf32_pack(sf_convert(sf_from_int(v), &sf_fmt32, env));
}

static inline sf64 sf64_from_int(int64_t v, struct sf_env *env)
{
    return sf64_pack(sf_convert(sf_from_int(v), &sf_fmt64, env));
}
