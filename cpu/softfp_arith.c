// softfp: the four operations, square root, fused multiply-add, comparison, minimum and maximum. See softfp.h.
#include "cpu/softfp_core.h"

static struct sf_num round_normalized(bool sign, int exp, sf_u128 sig, const struct sf_fmt *f, struct sf_env *env)
{
    int shift = sf_clz128(sig);
    return sf_round(sign, exp - shift, sig << shift, f, env);
}

// An exact sum of zero is +0, but -0 when rounding down; of two equal zeros, that zero.
static struct sf_num sum_of_zeros(bool a_sign, bool b_sign, const struct sf_env *env)
{
    return sf_zero(a_sign == b_sign ? a_sign : env->rounding == SF_RD);
}

// A finite nonzero value with 126 significand bits and room for a carry: sig * 2^(exp - 126).
struct wide {
    bool sign;
    int exp;
    sf_u128 sig;
};

static struct wide widen(struct sf_num a)
{
    return (struct wide){a.sign, a.exp, (sf_u128)a.sig << 63};
}

// No sticky bit spoils a cancellation: it takes a shift that leaves at most one leading bit to cancel.
static struct sf_num add_wide(struct wide a, struct wide b, const struct sf_fmt *f, struct sf_env *env)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        struct wide t = a;
        a = b;
        b = t;
    }
    sf_u128 low = sf_shr_sticky(b.sig, (unsigned)(a.exp - b.exp));
    sf_u128 sum = a.sign == b.sign ? a.sig + low : a.sig - low;
    if (sum == 0) return sum_of_zeros(a.sign, b.sign, env);
    return round_normalized(a.sign, a.exp + 1, sum, f, env);
}

struct sf_num sf_add(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    if (sf_is_nan(a) || sf_is_nan(b)) return sf_nan2(a, b, f, env);
    if (a.kind == SF_INF && b.kind == SF_INF && a.sign != b.sign) return sf_invalid(env);
    sf_check_denormals(a, b, env);
    if (a.kind == SF_INF || b.kind == SF_INF) return a.kind == SF_INF ? a : b;
    if (a.kind == SF_ZERO && b.kind == SF_ZERO) return sum_of_zeros(a.sign, b.sign, env);
    if (a.kind == SF_ZERO || b.kind == SF_ZERO) return sf_round_num(a.kind == SF_ZERO ? b : a, f, env);
    return add_wide(widen(a), widen(b), f, env);
}

struct sf_num sf_sub(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    if (!sf_is_nan(b)) b.sign = !b.sign;
    return sf_add(a, b, f, env);
}

struct sf_num sf_mul(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    bool sign = a.sign != b.sign;
    if (sf_is_nan(a) || sf_is_nan(b)) return sf_nan2(a, b, f, env);
    if ((a.kind == SF_INF && b.kind == SF_ZERO) || (a.kind == SF_ZERO && b.kind == SF_INF)) return sf_invalid(env);
    sf_check_denormals(a, b, env);
    if (a.kind == SF_INF || b.kind == SF_INF) return sf_inf(sign);
    if (a.kind == SF_ZERO || b.kind == SF_ZERO) return sf_zero(sign);
    return round_normalized(sign, a.exp + b.exp + 1, (sf_u128)a.sig * b.sig, f, env);
}

static struct sf_num div_finite(bool sign, struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    bool below = a.sig < b.sig; // then the quotient of the significands is less than 1
    sf_u128 n = (sf_u128)a.sig << (below ? 64 : 63);
    uint64_t q = (uint64_t)(n / b.sig);
    sf_u128 rem2 = (n % b.sig) << 1;
    sf_u128 sig = (sf_u128)q << 64 | (sf_u128)(rem2 >= b.sig) << 63 | (rem2 != 0 && rem2 != b.sig);
    return sf_round(sign, a.exp - b.exp - below, sig, f, env);
}

struct sf_num sf_div(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    bool sign = a.sign != b.sign;
    if (sf_is_nan(a) || sf_is_nan(b)) return sf_nan2(a, b, f, env);
    if (a.kind == b.kind && (a.kind == SF_INF || a.kind == SF_ZERO)) return sf_invalid(env);
    if (a.kind == SF_FINITE && b.kind == SF_ZERO) {
        env->flags |= SF_ZE;
        return sf_inf(sign);
    }
    sf_check_denormals(a, b, env);
    if (a.kind == SF_INF || b.kind == SF_ZERO) return sf_inf(sign);
    if (a.kind == SF_ZERO || b.kind == SF_INF) return sf_zero(sign);
    return div_finite(sign, a, b, f, env);
}

// floor(sqrt(v)) for v in [2^126, 2^128), bit by bit.
static uint64_t isqrt128(sf_u128 v)
{
    sf_u128 rem = 0, root = 0;
    for (int i = 0; i < 64; i++) {
        rem = rem << 2 | (uint64_t)(v >> 126);
        v <<= 2;
        root <<= 1;
        if (rem > root << 1) {
            rem -= (root << 1) + 1;
            root++;
        }
    }
    return (uint64_t)root;
}

static struct sf_num sqrt_finite(struct sf_num a, const struct sf_fmt *f, struct sf_env *env)
{
    bool odd = a.exp & 1;
    sf_u128 v = (sf_u128)a.sig << (odd ? 64 : 63);
    uint64_t root = isqrt128(v);
    sf_u128 rem = v - (sf_u128)root * root;
    // v > (root + 1/2)^2 exactly if rem > root, and they are never equal.
    sf_u128 sig = (sf_u128)root << 64 | (sf_u128)(rem > root) << 63 | (rem != 0);
    return sf_round(false, (a.exp - odd) / 2, sig, f, env);
}

struct sf_num sf_sqrt(struct sf_num a, const struct sf_fmt *f, struct sf_env *env)
{
    if (sf_is_nan(a)) return sf_nan1(a, env);
    if (a.sign && a.kind != SF_ZERO) return sf_invalid(env);
    sf_check_denormal(a, env);
    return a.kind == SF_FINITE ? sqrt_finite(a, f, env) : a;
}

static struct wide product(struct sf_num a, struct sf_num b, bool sign)
{
    sf_u128 p = (sf_u128)a.sig * b.sig;
    int shift = sf_clz128(p);
    // f64 products have 106 bits at the top of 128: the bit lost here is 0.
    return (struct wide){sign, a.exp + b.exp + 1 - shift, (p << shift) >> 1};
}

static struct sf_num muladd_nan(struct sf_num a, struct sf_num b, struct sf_num c, const struct sf_fmt *f,
                                struct sf_env *env)
{
    struct sf_num r = sf_is_nan(a) || sf_is_nan(b) ? sf_nan2(a, b, f, env) : c;
    return sf_nan2(r, c, f, env);
}

struct sf_num sf_muladd(struct sf_num a, struct sf_num b, struct sf_num c, unsigned neg, const struct sf_fmt *f,
                        struct sf_env *env)
{
    bool sign = (a.sign != b.sign) != !!(neg & SF_NEG_PRODUCT);
    if (sf_is_nan(a) || sf_is_nan(b) || sf_is_nan(c)) return muladd_nan(a, b, c, f, env);
    c.sign = c.sign != !!(neg & SF_NEG_ADDEND);
    if ((a.kind == SF_INF && b.kind == SF_ZERO) || (a.kind == SF_ZERO && b.kind == SF_INF)) return sf_invalid(env);
    bool inf = a.kind == SF_INF || b.kind == SF_INF;
    if (inf && c.kind == SF_INF && c.sign != sign) return sf_invalid(env);
    sf_check_denormals(a, b, env);
    sf_check_denormal(c, env);
    if (inf || c.kind == SF_INF) return sf_inf(inf ? sign : c.sign);
    if (a.kind == SF_ZERO || b.kind == SF_ZERO)
        return c.kind == SF_ZERO ? sum_of_zeros(sign, c.sign, env) : sf_round_num(c, f, env);
    struct wide p = product(a, b, sign);
    if (c.kind == SF_ZERO) return sf_round(sign, p.exp, p.sig << 1, f, env);
    return add_wide(p, widen(c), f, env);
}

static enum sf_order compare_magnitudes(struct sf_num a, struct sf_num b)
{
    if (a.kind != b.kind) // zero < finite < infinite, as the enum is ordered
        return a.kind < b.kind ? SF_LESS : SF_GREATER;
    if (a.kind != SF_FINITE) return SF_EQUAL;
    if (a.exp != b.exp) return a.exp < b.exp ? SF_LESS : SF_GREATER;
    if (a.sig != b.sig) return a.sig < b.sig ? SF_LESS : SF_GREATER;
    return SF_EQUAL;
}

static enum sf_order compare_ordered(struct sf_num a, struct sf_num b)
{
    if (a.kind == SF_ZERO && b.kind == SF_ZERO) return SF_EQUAL;
    if (a.sign != b.sign) return a.sign ? SF_LESS : SF_GREATER;
    return a.sign ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

enum sf_order sf_compare(struct sf_num a, struct sf_num b, bool quiet, struct sf_env *env)
{
    if (sf_is_nan(a) || sf_is_nan(b)) {
        if (!quiet || a.kind > SF_QNAN || b.kind > SF_QNAN) env->flags |= SF_IE;
        return SF_UNORDERED;
    }
    sf_check_denormals(a, b, env);
    return compare_ordered(a, b);
}

struct sf_num sf_min(struct sf_num a, struct sf_num b, struct sf_env *env)
{
    return sf_compare(a, b, false, env) == SF_LESS ? a : b;
}

struct sf_num sf_max(struct sf_num a, struct sf_num b, struct sf_env *env)
{
    return sf_compare(a, b, false, env) == SF_GREATER ? a : b;
}
