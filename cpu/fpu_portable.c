// The transcendental x87 instructions without an x87, in integers: the same on every host. Special operands, C2 and
// the exception flags are the manual's (SDM volume 2, the tables of FPATAN, FYL2X and so on); other results are the
// documented model's (volume 1, 8.3.8: the argument is reduced by a pi of 66 bits), within half a unit in the last
// place and a 2^-40th, where the manual promises one unit. PE is raised for every result that is not known to be exact,
// and C1 tells the direction that our rounding took; where the hardware's last bit differs, so may its C1.
#include "cpu/fpu.h"
#include "cpu/fpu_wide.h"

static struct sf_num inexact(struct wide v, struct sf_env *env)
{
    // The last bit is sticky: none of these values is exact.
    return sf_round(v.sign, v.exp, v.sig | 1, &sf_fmt80, env);
}

// Below this exponent the hardware takes sin x, tan x and atan x for x, in every rounding mode.
enum { TINY_EXP = -64 };

// An exact result that the hardware takes for an inexact one.
static struct sf_num as_inexact(struct sf_num r, struct sf_env *env)
{
    env->flags |= SF_PE | (r.kind == SF_FINITE && r.exp < sf_fmt80.emin ? SF_UE : 0);
    return r;
}

static struct sf_num rounded(struct sf_num a, struct sf_env *env)
{
    return sf_round(a.sign, a.exp, (unsigned __int128)a.sig << 64, &sf_fmt80, env);
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
    if (a.kind == SF_ZERO) return a;
    if (a.exp < TINY_EXP) return as_inexact(rounded(a, env), env);
    return inexact(wide_sin(wide_from_num(a)), env);
}

static struct sf_num cosine(struct sf_num a, struct sf_env *env)
{
    return a.kind == SF_ZERO ? sf_from_int(1) : inexact(wide_cos(wide_from_num(a)), env);
}

static struct sf_num tangent(struct sf_num a, struct sf_env *env)
{
    if (a.kind == SF_ZERO) return a;
    if (a.exp < TINY_EXP) return as_inexact(rounded(a, env), env);
    return inexact(wide_tan(wide_from_num(a)), env);
}

static struct sf_num exp2_minus_1(struct sf_num a, struct sf_env *env)
{
    if (a.kind == SF_ZERO || (a.kind == SF_INF && !a.sign)) return a;
    if (a.kind == SF_INF) return sf_from_int(-1);
    if (a.exp >= 0 && !(is_one(a) && a.sign)) { // out of range: what the hardware happens to do
        env->flags |= SF_PE;
        return a;
    }
    return inexact(wide_exp2m1(wide_from_num(a)), env);
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

// Of two operands with an infinite one among them, that one counts as 1 and the other as 0.
static struct wide direction(struct sf_num n, bool any_infinite)
{
    struct wide v = any_infinite || n.kind == SF_ZERO ? wide_from_int(n.kind == SF_INF) : wide_from_num(n);
    v.sign = n.sign;
    return v;
}

static struct sf_num arctangent(struct sf_num y, struct sf_num x, struct sf_env *env)
{
    note_denormals(y, x, env);
    bool is_zero = y.kind == SF_ZERO || (y.kind == SF_FINITE && x.kind == SF_INF);
    if (is_zero && !x.sign) return zero(y.sign);
    bool both_finite = y.kind == SF_FINITE && x.kind == SF_FINITE;
    if (both_finite && !x.sign && y.exp - x.exp < TINY_EXP) return as_inexact(sf_div(y, x, &sf_fmt80, env), env);
    bool any_infinite = y.kind == SF_INF || x.kind == SF_INF;
    return inexact(wide_atan2(direction(y, any_infinite), direction(x, any_infinite)), env);
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
    if (x.sig << 1 == 0) return as_inexact(times_special(y, sf_from_int(x.exp), env), env);
    return inexact(wide_mul(wide_from_num(y), wide_log2(wide_from_num(x))), env);
}

static struct sf_num y_log2_x_plus_1(struct sf_num y, struct sf_num x, struct sf_env *env)
{
    if (x.kind == SF_ZERO || (x.kind == SF_INF && !x.sign)) return times_special(y, x, env);
    if (x.sign && x.kind == SF_INF) return invalid(env);
    note_denormals(x, y, env);
    if (x.sign && x.exp >= 0 && y.kind == SF_FINITE) return as_inexact(x, env); // undefined: what the hardware does
    if (y.kind != SF_FINITE) return times_special(y, sf_from_int(x.sign ? -1 : 1), env);
    struct wide sum = wide_add(wide_from_int(1), wide_from_num(x));
    if (sum.sig << 1 == 0) return as_inexact(times_special(y, sf_from_int(sum.exp), env), env);
    return inexact(wide_mul(wide_from_num(y), wide_log2p1(wide_from_num(x))), env);
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
