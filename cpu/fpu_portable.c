// The transcendental x87 instructions without an x87: the C library's long double functions between softfp's unpacking
// and rounding. Special operands, C2 and the exception flags are the manual's (SDM volume 2, the tables of FPATAN,
// FYL2X and so on); other results are within a few ulp where long double has 64 or more significand bits, and only as
// good as a double elsewhere. FSIN and its like reduce by the true pi, the hardware by one of 66 bits, so that near
// multiples of pi far more bits differ. PE is raised for every result that is not known to be exact; C1 is a guess
// then.
#include "cpu/fpu.h"
#include <math.h>

static long double to_long_double(struct sf_num n)
{
    if (n.kind == SF_ZERO) return n.sign ? -0.0L : 0.0L;
    long double v = n.kind == SF_INF ? INFINITY : ldexpl((long double)n.sig, n.exp - 63);
    return n.sign ? -v : v;
}

// sign * 2^(exp - 127) * sig, bit 127 set; v is finite and not 0.
static struct sf_num round_long_double(long double v, struct sf_env *env)
{
    int exp;
    long double m = ldexpl(frexpl(fabsl(v), &exp), 64);
    uint64_t high = (uint64_t)m;
    uint64_t low = (uint64_t)ldexpl(m - (long double)high, 64);
    // The last bit is sticky: none of these values is exact.
    return sf_round(signbit(v), exp - 1, (unsigned __int128)high << 64 | low | 1, &sf_fmt80, env);
}

static struct sf_num inexact(long double v, struct sf_env *env)
{
    if (v == 0 || isinf(v)) {
        env->flags |= SF_PE | (v == 0 ? SF_UE : SF_OE);
        return (struct sf_num){.kind = v == 0 ? SF_ZERO : SF_INF, .sign = signbit(v)};
    }
    return round_long_double(v, env);
}

static struct sf_num zero(bool sign)
{
    return (struct sf_num){.kind = SF_ZERO, .sign = sign};
}

static struct sf_num infinite(bool sign)
{
    return (struct sf_num){.kind = SF_INF, .sign = sign};
}

static struct sf_num invalid(struct sf_env *env)
{
    env->flags |= SF_IE;
    return sf_default_nan();
}

static void note_denormals(struct sf_num a, struct sf_num b, struct sf_env *env)
{
    if (a.denorm || b.denorm) env->flags |= SF_DE;
}

static bool is_one(struct sf_num n)
{
    return n.kind == SF_FINITE && n.exp == 0 && n.sig << 1 == 0;
}

// ---- one operand ----

static struct sf_num sine(struct sf_num a, struct sf_env *env)
{
    return a.kind == SF_ZERO ? a : inexact(sinl(to_long_double(a)), env);
}

static struct sf_num cosine(struct sf_num a, struct sf_env *env)
{
    return a.kind == SF_ZERO ? sf_from_int(1) : inexact(cosl(to_long_double(a)), env);
}

static struct sf_num tangent(struct sf_num a, struct sf_env *env)
{
    return a.kind == SF_ZERO ? a : inexact(tanl(to_long_double(a)), env);
}

static struct sf_num exp2_minus_1(struct sf_num a, struct sf_env *env)
{
    if (a.kind == SF_ZERO || (a.kind == SF_INF && !a.sign)) return a;
    if (a.kind == SF_INF) return sf_from_int(-1);
    if (a.exp >= 0 && !(is_one(a) && a.sign)) { // out of range: what the hardware happens to do
        env->flags |= SF_PE;
        return a;
    }
    return inexact(expm1l(to_long_double(a) * 0.693147180559945309417232121458176568L), env);
}

static void trigonometric(struct fpu_result *r, enum fpu_func func, struct sf_num a, struct sf_env *env)
{
    if (a.kind == SF_FINITE && a.exp >= 63) { // SDM volume 2, FSIN: |a| >= 2^63 is out of range
        r->partial = true;
        return;
    }
    if (a.kind == SF_INF) {
        r->value = r->second = f80_pack(invalid(env));
        return;
    }
    note_denormals(a, a, env);
    if (func == FPU_COS)
        r->value = f80_pack(cosine(a, env));
    else
        r->value = f80_pack(func == FPU_TAN ? tangent(a, env) : sine(a, env));
    r->second = f80_pack(func == FPU_SINCOS ? cosine(a, env) : sf_from_int(1));
}

static struct fpu_result one_operand(enum fpu_func func, struct f80 st0, struct sf_env *env)
{
    struct fpu_result r = {.value = st0};
    struct sf_num a = f80_unpack(st0, env);
    if (sf_is_nan(a)) {
        r.value = r.second = f80_pack(sf_convert(a, &sf_fmt80, env));
    } else if (func == FPU_2XM1) {
        note_denormals(a, a, env);
        r.value = f80_pack(exp2_minus_1(a, env));
    } else {
        trigonometric(&r, func, a, env);
    }
    return r;
}

// ---- two operands ----

static struct sf_num arctangent(struct sf_num y, struct sf_num x, struct sf_env *env)
{
    note_denormals(y, x, env);
    bool is_zero = y.kind == SF_ZERO || (y.kind == SF_FINITE && x.kind == SF_INF);
    if (is_zero && !x.sign) return zero(y.sign);
    return inexact(atan2l(to_long_double(y), to_long_double(x)), env);
}

// y * log, when one of them is 0 or infinite or log is known by its sign alone.
static struct sf_num times_special(struct sf_num y, struct sf_num log, struct sf_env *env)
{
    return sf_mul(y, log, &sf_fmt80, env);
}

static struct sf_num log_of_zero(struct sf_num y, struct sf_env *env)
{
    if (y.kind == SF_ZERO) return invalid(env);
    if (y.kind == SF_FINITE) env->flags |= SF_ZE;
    return infinite(!y.sign);
}

static struct sf_num y_log2_x(struct sf_num y, struct sf_num x, struct sf_env *env)
{
    if (x.kind == SF_ZERO) return log_of_zero(y, env);
    if (x.sign) return invalid(env);
    if (x.kind == SF_INF) return times_special(y, infinite(false), env);
    if (is_one(x)) return times_special(y, zero(false), env);
    struct sf_num sign_of_log = sf_from_int(x.exp >= 0 ? 1 : -1);
    if (y.kind != SF_FINITE) {
        note_denormals(x, y, env);
        return times_special(y, sign_of_log, env);
    }
    note_denormals(x, y, env);
    if (x.sig << 1 == 0) {
        env->flags |= SF_PE; // the hardware's opinion, though it is exact
        return times_special(y, sf_from_int(x.exp), env);
    }
    return inexact(to_long_double(y) * log2l(to_long_double(x)), env);
}

static struct sf_num y_log2_x_plus_1(struct sf_num y, struct sf_num x, struct sf_env *env)
{
    if (x.kind == SF_ZERO || (x.kind == SF_INF && !x.sign)) return times_special(y, x, env);
    if (x.sign && (x.kind == SF_INF || x.exp >= 0)) return invalid(env); // the manual: undefined
    note_denormals(x, y, env);
    if (y.kind != SF_FINITE) return times_special(y, sf_from_int(x.sign ? -1 : 1), env);
    long double log = log1pl(to_long_double(x)) * 1.442695040888963407359924681001892137L;
    return inexact(to_long_double(y) * log, env);
}

static struct sf_num two_operands(enum fpu_func func, struct sf_num y, struct sf_num x, struct sf_env *env)
{
    if (sf_is_nan(x) || sf_is_nan(y)) return sf_add(y, x, &sf_fmt80, env); // the same choice of NaN
    if (func == FPU_ATAN) return arctangent(y, x, env);
    return func == FPU_YL2X ? y_log2_x(y, x, env) : y_log2_x_plus_1(y, x, env);
}

struct fpu_result fpu_portable_func(enum fpu_func func, struct f80 st0, struct f80 st1, const struct sf_env *guest)
{
    struct sf_env env = *guest;
    struct fpu_result r = {0};
    env.flags = 0;
    env.c1 = false;
    if (func == FPU_ATAN || func == FPU_YL2X || func == FPU_YL2XP1)
        r.value = f80_pack(two_operands(func, f80_unpack(st1, &env), f80_unpack(st0, &env), &env));
    else
        r = one_operand(func, st0, &env);
    r.flags = env.flags;
    r.c1 = env.c1;
    return r;
}
