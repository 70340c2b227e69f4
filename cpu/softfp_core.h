// What the softfp*.c files share among themselves; nobody else includes it.
#pragma once
#include "cpu/softfp.h"

typedef unsigned __int128 sf_u128;

#define SF_QUIET_BIT (UINT64_C(1) << 62)
#define SF_INT_BIT   (UINT64_C(1) << 63)

static inline struct sf_num sf_zero(bool sign)
{
    return (struct sf_num){.kind = SF_ZERO, .sign = sign};
}

static inline struct sf_num sf_inf(bool sign)
{
    return (struct sf_num){.kind = SF_INF, .sign = sign};
}

// Shift right; bits that fall out are remembered in bit 0.
static inline sf_u128 sf_shr_sticky(sf_u128 v, unsigned n)
{
    if (n == 0) return v;
    if (n > 127) return v != 0;
    return v >> n | ((v << (128 - n)) != 0);
}

static inline int sf_clz128(sf_u128 v)
{
    uint64_t hi = (uint64_t)(v >> 64);
    return hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)v);
}

// Does the rounding mode increase the magnitude, given the last kept bit and the bits below it (half: the next one)?
static inline bool sf_rounds_up(unsigned rounding, bool sign, bool odd, bool half, bool below_half)
{
    switch (rounding) {
    case SF_RN:
        return half && (below_half || odd);
    case SF_RD:
        return sign && (half || below_half);
    case SF_RU:
        return !sign && (half || below_half);
    default:
        return false;
    }
}

// Raises IE; the indefinite.
struct sf_num sf_invalid(struct sf_env *env);
// The NaN that an operation on one or two operands, at least one of them a NaN or unsupported, returns.
struct sf_num sf_nan1(struct sf_num a, struct sf_env *env);
struct sf_num sf_nan2(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);

static inline void sf_check_denormal(struct sf_num a, struct sf_env *env)
{
    if (a.denorm) env->flags |= SF_DE;
}

static inline void sf_check_denormals(struct sf_num a, struct sf_num b, struct sf_env *env)
{
    if (a.denorm || b.denorm) env->flags |= SF_DE;
}

// Rounds a finite number or passes zero and infinity on.
struct sf_num sf_round_num(struct sf_num a, const struct sf_fmt *f, struct sf_env *env);
