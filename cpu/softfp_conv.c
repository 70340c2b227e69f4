// softfp: conversions among the formats, to and from integers, packed BCD, and rounding to integral values.
// See softfp.h.
#include "cpu/softfp_core.h"

#include <string.h>

struct sf_num sf_convert(struct sf_num a, const struct sf_fmt *f, struct sf_env *env)
{
    if (sf_is_nan(a)) return sf_nan1(a, env);
    sf_check_denormal(a, env);
    return sf_round_num(a, f, env);
}

struct sf_num sf_from_uint(uint64_t v)
{
    if (v == 0) return sf_zero(false);
    int shift = __builtin_clzll(v);
    return (struct sf_num){.kind = SF_FINITE, .exp = 63 - shift, .sig = v << shift};
}

struct sf_num sf_from_int(int64_t v)
{
    struct sf_num n = sf_from_uint(v < 0 ? -(uint64_t)v : (uint64_t)v);
    n.sign = v < 0;
    return n;
}

// A magnitude rounded to an integer; what does not fit 64 bits is `huge`.
struct integer {
    uint64_t mag;
    bool huge, inexact, up;
};

static struct integer round_to_integer(struct sf_num a, unsigned rounding)
{
    if (a.kind == SF_ZERO) return (struct integer){0};
    if (a.kind != SF_FINITE || a.exp > 63) return (struct integer){.huge = true};
    // The integer in the high half, the fraction in the low one.
    sf_u128 fixed = sf_shr_sticky((sf_u128)a.sig << 64, (unsigned)(63 - a.exp));
    uint64_t mag = (uint64_t)(fixed >> 64), frac = (uint64_t)fixed;
    bool up = sf_rounds_up(rounding, a.sign, mag & 1, frac >> 63, frac << 1 != 0);
    return (struct integer){.mag = mag + up, .huge = up && mag == UINT64_MAX, .inexact = frac != 0, .up = up};
}

static void note_inexact(struct integer i, struct sf_env *env)
{
    if (!i.inexact) return;
    env->flags |= SF_PE;
    env->c1 = i.up;
}

int64_t sf_to_int(struct sf_num a, int bits, unsigned rounding, struct sf_env *env)
{
    struct integer i = round_to_integer(a, rounding);
    uint64_t limit = UINT64_C(1) << (bits - 1);
    if (i.huge || i.mag > limit || (i.mag == limit && !a.sign)) {
        env->flags |= SF_IE;
        return -(int64_t)(limit - 1) - 1;
    }
    note_inexact(i, env);
    return (int64_t)(a.sign ? -i.mag : i.mag);
}

uint64_t sf_to_uint(struct sf_num a, int bits, unsigned rounding, struct sf_env *env)
{
    struct integer i = round_to_integer(a, rounding);
    uint64_t max = ~UINT64_C(0) >> (64 - bits);
    if (i.huge || i.mag > max || (a.sign && i.mag != 0)) {
        env->flags |= SF_IE;
        return max;
    }
    note_inexact(i, env);
    return i.mag;
}

struct sf_num sf_rint(struct sf_num a, unsigned rounding, const struct sf_fmt *f, struct sf_env *env)
{
    if (sf_is_nan(a)) return sf_nan1(a, env);
    if (f->x87) sf_check_denormal(a, env);
    if (a.kind != SF_FINITE || a.exp >= 63) return a;
    struct integer i = round_to_integer(a, rounding);
    note_inexact(i, env);
    struct sf_num r = sf_from_uint(i.mag);
    r.sign = a.sign;
    return r;
}

// Digits above 9 count as 10 to 15, which is what the hardware makes of them.
struct sf_num sf_from_bcd(const uint8_t bcd[10])
{
    uint64_t v = 0;
    for (int i = 8; i >= 0; i--) v = v * 100 + (bcd[i] >> 4) * 10u + (bcd[i] & 15);
    struct sf_num n = sf_from_uint(v);
    n.sign = bcd[9] >> 7;
    return n;
}

static void digits_to_bcd(uint64_t v, uint8_t bcd[9])
{
    for (int i = 0; i < 9; i++) {
        bcd[i] = (uint8_t)(v % 10 | v / 10 % 10 << 4);
        v /= 100;
    }
}

void sf_to_bcd(struct sf_num a, uint8_t bcd[10], struct sf_env *env)
{
    // FBSTP's packed decimal indefinite, SDM volume 1, table 4-4.
    static const uint8_t indefinite[10] = {0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff};
    struct integer i = round_to_integer(a, env->rounding);
    if (i.huge || i.mag > UINT64_C(999999999999999999)) {
        env->flags |= SF_IE;
        memcpy(bcd, indefinite, sizeof indefinite);
        return;
    }
    note_inexact(i, env);
    digits_to_bcd(i.mag, bcd);
    bcd[9] = a.sign ? 0x80 : 0;
}
