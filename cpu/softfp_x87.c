// softfp: operations that only the x87 has: partial remainder, scale, extract. See softfp.h.
#include "cpu/softfp_core.h"

struct sf_num sf_store(struct sf_num a, const struct sf_fmt *f, struct sf_env *env)
{
    a.denorm = false;
    struct sf_num r = sf_convert(a, f, env);
    if (env->flags & ~env->masks & (SF_OE | SF_UE)) {
        env->flags &= (uint8_t)~SF_PE;
        env->c1 = false;
    }
    return r;
}

// a and b finite, significands as integers; takes a modulo b * 2^shift in steps that fit 128 bits.
struct divided {
    uint64_t rem;  // remainder, scaled like b
    uint64_t quot; // low bits of the quotient
};

static struct divided long_divide(uint64_t a, uint64_t b, int shift)
{
    struct divided d = {.rem = a % b, .quot = a / b};
    while (shift > 0) {
        int step = shift < 63 ? shift : 63;
        sf_u128 n = (sf_u128)d.rem << step;
        d.quot = (d.quot << step) + (uint64_t)(n / b);
        d.rem = (uint64_t)(n % b);
        shift -= step;
    }
    return d;
}

// sig * 2^(exp - 63), exact, maybe denormal.
static struct sf_num exact(bool sign, int exp, uint64_t sig, struct sf_env *env)
{
    if (sig == 0) return sf_zero(sign);
    int shift = __builtin_clzll(sig);
    return sf_round(sign, exp - shift, (sf_u128)(sig << shift) << 64, &sf_fmt80, env);
}

static struct sf_num partial_remainder(struct sf_num a, struct sf_num b, int diff, struct sf_env *env)
{
    // Reduces the exponent by 32 to 63, so that the rest is a multiple of 32.
    int n = (diff & 31) | 32;
    struct divided d = long_divide(a.sig, b.sig, n);
    return exact(a.sign, b.exp + diff - n, d.rem, env);
}

static bool rounds_to_next(struct divided d, uint64_t b)
{
    sf_u128 twice = (sf_u128)d.rem << 1;
    return twice > b || (twice == b && (d.quot & 1));
}

static struct sf_num full_remainder(struct sf_num a, struct sf_num b, int diff, bool nearest, unsigned *quotient,
                                    struct sf_env *env)
{
    struct divided d = long_divide(a.sig, b.sig, diff);
    bool sign = a.sign;
    if (nearest && rounds_to_next(d, b.sig)) {
        d.rem = b.sig - d.rem;
        d.quot++;
        sign = !sign;
    }
    *quotient = (unsigned)d.quot & 7;
    return d.rem ? exact(sign, b.exp, d.rem, env) : sf_zero(a.sign);
}

// |a| < |b|: the quotient is 0, or with FPREM1 perhaps 1.
static struct sf_num small_remainder(struct sf_num a, struct sf_num b, bool nearest, unsigned *quotient,
                                     struct sf_env *env)
{
    // 2|a| > |b|?
    if (!nearest || a.exp < b.exp - 1 || a.sig <= b.sig) return sf_round_num(a, &sf_fmt80, env);
    *quotient = 1;
    // 2a - b in units of a's last place: (2a - b) < b, and |b| - |a| = b - a.
    sf_u128 rest = ((sf_u128)b.sig << 1) - a.sig;
    int shift = sf_clz128(rest);
    return sf_round(!a.sign, a.exp + 64 - shift, rest << shift, &sf_fmt80, env);
}

struct sf_num sf_rem(struct sf_num a, struct sf_num b, bool nearest, unsigned *quotient, bool *partial,
                     struct sf_env *env)
{
    *quotient = 0;
    *partial = false;
    if (sf_is_nan(a) || sf_is_nan(b)) return sf_nan2(a, b, &sf_fmt80, env);
    if (a.kind == SF_INF || b.kind == SF_ZERO) return sf_invalid(env);
    sf_check_denormals(a, b, env);
    if (a.kind == SF_ZERO || b.kind == SF_INF) return a;
    int diff = a.exp - b.exp;
    if (diff < 0) return small_remainder(a, b, nearest, quotient, env);
    *partial = diff >= 64;
    if (*partial) return partial_remainder(a, b, diff, env);
    return full_remainder(a, b, diff, nearest, quotient, env);
}

// trunc(b), limited to what over- or underflows from any exponent.
static int scale_count(struct sf_num b)
{
    enum { LIMIT = 0x10000 };
    int n = b.kind == SF_ZERO || b.exp < 0 ? 0 : b.exp > 16 ? LIMIT : (int)(b.sig >> (63 - b.exp));
    return b.sign ? -n : n;
}

static struct sf_num scale_by_inf(struct sf_num a, bool down, struct sf_env *env)
{
    if (a.kind == (down ? SF_INF : SF_ZERO)) return sf_invalid(env);
    sf_check_denormal(a, env);
    return down ? sf_zero(a.sign) : sf_inf(a.sign);
}

struct sf_num sf_scale(struct sf_num a, struct sf_num b, struct sf_env *env)
{
    if (sf_is_nan(a) || sf_is_nan(b)) return sf_nan2(a, b, &sf_fmt80, env);
    if (b.kind == SF_INF) return scale_by_inf(a, b.sign, env);
    sf_check_denormals(a, b, env);
    if (a.kind != SF_FINITE || b.kind == SF_ZERO) return a;
    a.exp += scale_count(b);
    return sf_round_num(a, &sf_fmt80, env);
}

struct sf_num sf_extract(struct sf_num a, struct sf_num *exponent, struct sf_env *env)
{
    if (sf_is_nan(a)) return *exponent = sf_nan1(a, env);
    if (a.kind == SF_INF) {
        *exponent = sf_inf(false);
        return a;
    }
    if (a.kind == SF_ZERO) {
        env->flags |= SF_ZE;
        *exponent = sf_inf(true);
        return a;
    }
    sf_check_denormal(a, env);
    *exponent = sf_from_int(a.exp);
    a.exp = 0;
    return a;
}
