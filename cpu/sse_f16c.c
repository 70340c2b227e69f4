/* F16C: half precision in memory and registers, to and from singles; by softfp alone.
 *
 * A denormal half is neither a zero under DAZ nor an exception, and a result that is a denormal half stays one under
 * FTZ (SDM, VCVTPH2PS and VCVTPS2PH). */
#include "cpu/sse_fp.h"

static sf32 single_from_half(sf16 half, struct sf_env *env)
{
    struct sf_num n = sf16_unpack(half, env);
    n.denorm = false;
    return sf32_pack(sf_convert(n, &sf_fmt32, env));
}

/* A denormal single is far below the least half: it underflows and is inexact even where an unmasked underflow would
 * look at its significand only (SDM, VCVTPS2PH). */
static sf16 half_from_single(sf32 single, struct sf_env *env)
{
    struct sf_num n = sf32_unpack(single, env);
    if (n.denorm) env->flags |= SF_UE | SF_PE;
    return sf16_pack(sf_convert(n, &sf_fmt16, env));
}

/* Of the low 64 bits. */
static vx singles(vx halves, struct sf_env *env)
{
    union lanes x = {.v = halves}, r;
    for (unsigned i = 0; i < 4; i++) r.u32[i] = single_from_half(x.u16[i], env);
    return r.v;
}

static uint64_t halves(vx singles, struct sf_env *env)
{
    union lanes x = {.v = singles};
    uint64_t r = 0;
    for (unsigned i = 0; i < 4; i++) r |= (uint64_t)half_from_single(x.u32[i], env) << 16 * i;
    return r;
}

SSE_NOINLINE const struct insn *from_halves(struct cpu *cpu, const struct insn *in, vx lo, vx hi)
{
    struct sf_env env = fp_env(cpu);
    env.daz = false;
    vy r = {.lo = singles(lo, &env)};
    if (is_256(in)) r.hi = singles(hi, &env);
    fp_finish(cpu, in, &env);
    set_ymm(cpu, in->reg, r);
    return op_next(cpu, in);
}

OP(VCVTPH2PS_VpsWxh)
{
    vy b = half_rm(cpu, in);
    return from_halves(cpu, in, b.lo, b.hi);
}

/* imm 2: MXCSR's rounding, else imm 1:0. */
static struct sf_env to_halves_env(const struct cpu *cpu, const struct insn *in)
{
    struct sf_env env = fp_env(cpu);
    env.ftz = false;
    if (!(in->imm & 4)) env.rounding = in->imm & 3;
    return env;
}

static void store_halves(struct cpu *cpu, const struct insn *in, vx r)
{
    if (is_256(in))
        vx_store(cpu, in, ea(cpu, in), r);
    else
        vx_store64(cpu, in, ea(cpu, in), r[0]);
}

/* The flags come before the store, and stay when it faults: the manual does not say so, the CPU does it. */
SSE_NOINLINE const struct insn *to_halves(struct cpu *cpu, const struct insn *in)
{
    struct sf_env env = to_halves_env(cpu, in);
    vy a = ymm(cpu, in->reg);
    vx r = vx_low(halves(a.lo, &env));
    if (is_256(in)) r[1] = halves(a.hi, &env);
    fp_finish(cpu, in, &env);
    if (is_mem(in))
        store_halves(cpu, in, r);
    else
        set_ymm(cpu, in->rm, (vy){.lo = r});
    return op_next(cpu, in);
}

OP(VCVTPS2PH_WxhVpsIb)
{
    return to_halves(cpu, in);
}
