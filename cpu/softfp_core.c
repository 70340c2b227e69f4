// softfp: unpacking, rounding, packing, and the choice among NaNs. See softfp.h.
#include "cpu/softfp_core.h"

const struct sf_fmt sf_fmt16 = {.prec = 11, .emin = -14, .emax = 15};
const struct sf_fmt sf_fmt32 = {.prec = 24, .emin = -126, .emax = 127};
const struct sf_fmt sf_fmt64 = {.prec = 53, .emin = -1022, .emax = 1023};
const struct sf_fmt sf_fmt80 = {.prec = 64, .emin = -16382, .emax = 16383, .x87 = true};
// Precision control narrows the significand, not the exponent (SDM volume 1, 8.1.5.2).
static const struct sf_fmt fmt80_53 = {.prec = 53, .emin = -16382, .emax = 16383, .x87 = true};
static const struct sf_fmt fmt80_24 = {.prec = 24, .emin = -16382, .emax = 16383, .x87 = true};

// Exponent adjustment of the x87's results for unmasked overflow and underflow: 3 * 2^13 (SDM volume 1, 8.5.4).
enum { X87_WRAP = 24576 };

const struct sf_fmt *sf_fmt80_for(const struct sf_env *env)
{
    if (env->precision == 24) return &fmt80_24;
    return env->precision == 53 ? &fmt80_53 : &sf_fmt80;
}

uint8_t sf_final_flags(uint8_t flags, uint8_t masks)
{
    return flags & ~masks & SF_PRE ? flags & SF_PRE : flags;
}

// A denormal of a format with exponent emin: sig is not normalized.
static struct sf_num denormal(bool sign, int emin, uint64_t sig)
{
    int shift = __builtin_clzll(sig);
    return (struct sf_num){.kind = SF_FINITE, .sign = sign, .denorm = true, .exp = emin - shift, .sig = sig << shift};
}

static struct sf_num finite_num(bool sign, int exp, uint64_t sig)
{
    return (struct sf_num){.kind = SF_FINITE, .sign = sign, .exp = exp, .sig = sig};
}

static struct sf_num nan_num(bool sign, uint64_t sig)
{
    return (struct sf_num){.kind = sig & SF_QUIET_BIT ? SF_QNAN : SF_SNAN, .sign = sign, .sig = sig | SF_INT_BIT};
}

// f16, f32 and f64: frac is the fraction moved up to bit 62, biased the exponent field, f its format.
static struct sf_num unpack_ieee(bool sign, int biased, uint64_t frac, const struct sf_fmt *f, const struct sf_env *env)
{
    if (biased == 2 * f->emax + 1) return frac ? nan_num(sign, frac) : sf_inf(sign);
    if (biased != 0) return finite_num(sign, biased - f->emax, frac | SF_INT_BIT);
    if (frac == 0 || env->daz) return sf_zero(sign);
    return denormal(sign, f->emin, frac);
}

struct sf_num sf16_unpack(sf16 v, const struct sf_env *env)
{
    return unpack_ieee(v >> 15, v >> 10 & 0x1f, (uint64_t)(v & 0x3ff) << 53, &sf_fmt16, env);
}

struct sf_num sf32_unpack(sf32 v, const struct sf_env *env)
{
    return unpack_ieee(v >> 31, v >> 23 & 0xff, (uint64_t)(v & 0x7fffff) << 40, &sf_fmt32, env);
}

struct sf_num sf64_unpack(sf64 v, const struct sf_env *env)
{
    return unpack_ieee(v >> 63, v >> 52 & 0x7ff, (v & 0xfffffffffffff) << 11, &sf_fmt64, env);
}

struct sf_num f80_unpack(struct f80 v, const struct sf_env *env)
{
    bool sign = v.se >> 15;
    int biased = v.se & 0x7fff;
    (void)env;
    if (biased == 0) {
        // With the integer bit set: a pseudo-denormal, which has the exponent of a denormal too.
        return v.frac ? denormal(sign, sf_fmt80.emin, v.frac) : sf_zero(sign);
    }
    if (!(v.frac & SF_INT_BIT)) return (struct sf_num){.kind = SF_BAD, .sign = sign};
    if (biased != 0x7fff) return finite_num(sign, biased - 16383, v.frac);
    return v.frac << 1 ? nan_num(sign, v.frac) : sf_inf(sign);
}

// The exponent field and the significand (integer bit at 63, clear in denormals) of a number already rounded.
struct fields {
    int biased;
    uint64_t sig;
};

static struct fields to_fields(struct sf_num n, const struct sf_fmt *f)
{
    int ones = 2 * f->emax + 1;
    switch (n.kind) {
    case SF_ZERO:
        return (struct fields){0, 0};
    case SF_INF:
        return (struct fields){ones, SF_INT_BIT};
    case SF_FINITE:
        if (n.exp < f->emin) return (struct fields){0, n.sig >> (f->emin - n.exp)};
        return (struct fields){n.exp + f->emax, n.sig};
    default:
        return (struct fields){ones, n.sig};
    }
}

sf16 sf16_pack(struct sf_num n)
{
    struct fields p = to_fields(n, &sf_fmt16);
    return (sf16)(n.sign << 15 | p.biased << 10 | (int)(p.sig >> 53 & 0x3ff));
}

sf32 sf32_pack(struct sf_num n)
{
    struct fields p = to_fields(n, &sf_fmt32);
    return (sf32)n.sign << 31 | (sf32)p.biased << 23 | ((sf32)(p.sig >> 40) & 0x7fffff);
}

sf64 sf64_pack(struct sf_num n)
{
    struct fields p = to_fields(n, &sf_fmt64);
    return (sf64)n.sign << 63 | (sf64)p.biased << 52 | (p.sig >> 11 & 0xfffffffffffff);
}

struct f80 f80_pack(struct sf_num n)
{
    struct fields p = to_fields(n, &sf_fmt80);
    return (struct f80){.frac = p.sig, .se = (uint16_t)(n.sign << 15 | p.biased)};
}

struct sf_num sf_default_nan(void)
{
    return (struct sf_num){.kind = SF_QNAN, .sign = true, .sig = SF_INT_BIT | SF_QUIET_BIT};
}

struct sf_num sf_invalid(struct sf_env *env)
{
    env->flags |= SF_IE;
    return sf_default_nan();
}

static struct sf_num quiet(struct sf_num n)
{
    n.kind = SF_QNAN;
    n.sig |= SF_QUIET_BIT;
    return n;
}

struct sf_num sf_nan1(struct sf_num a, struct sf_env *env)
{
    if (a.kind == SF_BAD) return sf_invalid(env);
    if (a.kind == SF_SNAN) env->flags |= SF_IE;
    return quiet(a);
}

// SDM volume 1, table 4-7: a QNaN before an SNaN, else the larger significand, else the positive one.
static struct sf_num x87_choice(struct sf_num a, struct sf_num b)
{
    if (!sf_is_nan(a)) return b;
    if (!sf_is_nan(b)) return a;
    if (a.kind != b.kind) return a.kind == SF_QNAN ? a : b;
    if (a.sig != b.sig) return a.sig > b.sig ? a : b;
    return a.sign ? b : a;
}

struct sf_num sf_nan2(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    if (a.kind == SF_BAD || b.kind == SF_BAD) return sf_invalid(env);
    if (a.kind == SF_SNAN || b.kind == SF_SNAN) env->flags |= SF_IE;
    if (f->x87) return quiet(x87_choice(a, b));
    return quiet(sf_is_nan(a) ? a : b);
}

// Rounds sig at bit `cut` (the bits below it go); the sum may wrap to 0, which the caller sees as a carry.
static sf_u128 round_at(sf_u128 sig, int cut, bool sign, const struct sf_env *env, bool *up, bool *inexact)
{
    sf_u128 unit = (sf_u128)1 << cut;
    sf_u128 rest = sig & (unit - 1);
    bool half = rest >> (cut - 1);
    bool below_half = (rest & (unit / 2 - 1)) != 0;
    *up = sf_rounds_up(env->rounding, sign, (sig & unit) != 0, half, below_half);
    *inexact = rest != 0;
    return (sig & ~(unit - 1)) + (*up ? unit : 0);
}

// Below the least normal number even after rounding with an unbounded exponent?
static bool is_tiny(bool sign, int exp, sf_u128 sig, const struct sf_fmt *f, const struct sf_env *env)
{
    bool up, inexact;
    if (exp >= f->emin) return false;
    if (exp < f->emin - 1) return true;
    return round_at(sig, 128 - f->prec, sign, env, &up, &inexact) != 0;
}

static struct sf_num overflow(bool sign, const struct sf_fmt *f, struct sf_env *env)
{
    bool to_inf = sf_rounds_up(env->rounding, sign, true, true, true);
    env->flags |= SF_OE | SF_PE;
    env->c1 = to_inf;
    if (to_inf) return sf_inf(sign);
    return finite_num(sign, f->emax, ~UINT64_C(0) << (64 - f->prec));
}

// Unmasked underflow and overflow. SSE delivers nothing; the x87 a result with the exponent moved into range, and where
// that is not enough (FSCALE), zero or infinity in every rounding mode.
static struct sf_num wrapped(struct sf_num n, int by, const struct sf_fmt *f, struct sf_env *env)
{
    n.exp += by;
    if (!f->x87) return sf_zero(n.sign);
    if (n.exp >= f->emin && n.exp <= f->emax) return n;
    env->flags |= SF_PE;
    env->c1 = by < 0;
    return by < 0 ? sf_inf(n.sign) : sf_zero(n.sign);
}

// Rounds with an unbounded exponent.
static struct sf_num round_free(struct sf_num n, sf_u128 sig, const struct sf_fmt *f, struct sf_env *env)
{
    bool up, inexact;
    sig = round_at(sig, 128 - f->prec, n.sign, env, &up, &inexact);
    if (inexact) {
        env->flags |= SF_PE;
        env->c1 = up;
    }
    n.exp += sig == 0;
    n.sig = sig == 0 ? SF_INT_BIT : (uint64_t)(sig >> 64);
    return n;
}

static struct sf_num underflow(bool sign, int exp, sf_u128 sig, const struct sf_fmt *f, struct sf_env *env)
{
    bool up, inexact;
    if (!(env->masks & SF_UE)) {
        env->flags |= SF_UE;
        return wrapped(round_free(finite_num(sign, exp, 0), sig, f, env), X87_WRAP, f, env);
    }
    if (env->ftz && !f->x87) {
        env->flags |= SF_UE | SF_PE;
        return sf_zero(sign);
    }
    sig = sf_shr_sticky(sig, (unsigned)(f->emin - exp));
    sig = round_at(sig, 128 - f->prec, sign, env, &up, &inexact);
    if (inexact) {
        env->flags |= SF_UE | SF_PE;
        env->c1 = up;
    }
    if (sig == 0) return sf_zero(sign);
    int shift = sf_clz128(sig);
    return finite_num(sign, f->emin - shift, (uint64_t)((sig << shift) >> 64));
}

struct sf_num sf_round(bool sign, int exp, sf_u128 sig, const struct sf_fmt *f, struct sf_env *env)
{
    if (is_tiny(sign, exp, sig, f, env)) return underflow(sign, exp, sig, f, env);
    struct sf_num n = round_free(finite_num(sign, exp, 0), sig, f, env);
    if (n.exp <= f->emax) return n;
    if (env->masks & SF_OE) return overflow(sign, f, env);
    env->flags |= SF_OE;
    return wrapped(n, -X87_WRAP, f, env);
}

struct sf_num sf_round_num(struct sf_num a, const struct sf_fmt *f, struct sf_env *env)
{
    if (a.kind != SF_FINITE) return a;
    return sf_round(a.sign, a.exp, (sf_u128)a.sig << 64, f, env);
}
