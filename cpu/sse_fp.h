/* Frames of floating point instructions. Each has two functions that compute it: `host` is the host's own instruction,
 * as volatile asm, so that the compiler neither moves, folds nor commutes it (the order of operands chooses among
 * NaNs); `soft` is softfp's. See cpu/hostfp.h.
 *
 * An unmasked exception is #XM with its flag set and the destination as it was. */
#pragma once
#include "cpu/hostfp.h"
#include "cpu/softfp.h"
#include "cpu/sse.h"

/* a is the destination's old value. */
typedef vx fp_host_fn(vx a, vx b, unsigned imm);
typedef vx fp_soft_fn(vx a, vx b, unsigned imm, struct sf_env *env);

/* Without HOST_SSE fp_wants_soft is always true and no host function is called. */
#if HOST_SSE
#define FP_ASM(name, text, source)                                                                                     \
    SSE_INLINE vx name(vx a, vx b, unsigned imm)                                                                       \
    {                                                                                                                  \
        (void)imm;                                                                                                     \
        __asm__ volatile(text : "+x"(a) : source);                                                                     \
        return a;                                                                                                      \
    }
#else
#define FP_ASM(name, text, source)                                                                                     \
    SSE_INLINE vx name(vx a, vx b, unsigned imm)                                                                       \
    {                                                                                                                  \
        (void)b;                                                                                                       \
        (void)imm;                                                                                                     \
        return a;                                                                                                      \
    }
#endif
#define FP_ASM_XMM(name, mnemonic) FP_ASM(name, mnemonic " %1, %0", "x"(b))

static inline struct sf_env fp_env(const struct cpu *cpu)
{
    return (struct sf_env){
        .rounding = cpu->mxcsr >> MXCSR_RC_SHIFT & 3,
        .masks = cpu->mxcsr >> MXCSR_MASKS_SHIFT & MXCSR_FLAGS,
        .daz = cpu->mxcsr & MXCSR_DAZ,
        .ftz = cpu->mxcsr & MXCSR_FTZ,
    };
}

/* All elements' exceptions together decide: one that is unmasked stops the instruction. */
static inline void fp_finish(struct cpu *cpu, const struct insn *in, const struct sf_env *env)
{
    uint8_t flags = sf_final_flags(env->flags, env->masks);
    cpu->mxcsr |= flags;
    if (flags & ~env->masks) cpu_raise(cpu, in, VEC_XM);
}

/* One step of softfp, with its flags and its exception. Out of line: env's address escapes. */
SSE_NOINLINE vx fp_step(struct cpu *cpu, const struct insn *in, vx a, vx b, fp_soft_fn *soft)
{
    struct sf_env env = fp_env(cpu);
    vx r = soft(a, b, (uint8_t)in->imm, &env);
    fp_finish(cpu, in, &env);
    return r;
}

SSE_NOINLINE const struct insn *fp_op_soft(struct cpu *cpu, const struct insn *in, vx b, fp_soft_fn *soft)
{
    return xmm_done(cpu, in, fp_step(cpu, in, xmm(cpu, in->reg), b, soft));
}

SSE_INLINE const struct insn *fp_op(struct cpu *cpu, const struct insn *in, vx b, fp_host_fn *host, fp_soft_fn *soft)
{
    if (fp_wants_soft(cpu)) return fp_op_soft(cpu, in, b, soft);
    return xmm_done(cpu, in, host(xmm(cpu, in->reg), b, (uint8_t)in->imm));
}

/* The op functions of a row; fetch is the memory operand's. */
#define FP_ROWS(row, fetch, host, soft)                                                                                \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return fp_op(cpu, in, xmm(cpu, in->rm), host, soft);                                                           \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return fp_op(cpu, in, fetch(cpu, in), host, soft);                                                             \
    }

/* ---- VEX. The exceptions of both halves together decide. Scalar instructions are the SSE ones with register vvvv as
 * the first operand, from which the upper elements come. ---- */

static inline void fp_vex_set_soft(struct cpu *cpu, const struct insn *in, vy b, fp_soft_fn *soft)
{
    struct sf_env env = fp_env(cpu);
    uint8_t imm = (uint8_t)in->imm;
    vy a = ymm(cpu, in->vvvv), r = {.lo = soft(a.lo, b.lo, imm, &env)};
    if (is_256(in)) r.hi = soft(a.hi, b.hi, imm, &env);
    fp_finish(cpu, in, &env);
    set_ymm(cpu, in->reg, r);
}

SSE_NOINLINE const struct insn *fp_vex_soft(struct cpu *cpu, const struct insn *in, vx lo, vx hi, fp_soft_fn *soft)
{
    fp_vex_set_soft(cpu, in, (vy){lo, hi}, soft);
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *fp_vex_host(struct cpu *cpu, const struct insn *in, vy b, fp_host_fn *host)
{
    uint8_t imm = (uint8_t)in->imm;
    vy a = ymm(cpu, in->vvvv), r = {.lo = host(a.lo, b.lo, imm)};
    if (is_256(in)) r.hi = host(a.hi, b.hi, imm);
    set_ymm(cpu, in->reg, r);
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *fp_vex(struct cpu *cpu, const struct insn *in, vy b, fp_host_fn *host, fp_soft_fn *soft)
{
    if (fp_wants_soft(cpu)) return fp_vex_soft(cpu, in, b.lo, b.hi, soft);
    return fp_vex_host(cpu, in, b, host);
}

SSE_INLINE const struct insn *fp_vex_scalar(struct cpu *cpu, const struct insn *in, vx b, fp_host_fn *host,
                                            fp_soft_fn *soft)
{
    if (fp_wants_soft(cpu)) return fp_vex_soft(cpu, in, b, b, soft);
    return vex_done(cpu, in, host(xmm(cpu, in->vvvv), b, (uint8_t)in->imm));
}

SSE_INLINE vx ss_rm(struct cpu *cpu, const struct insn *in)
{
    return is_mem(in) ? xmm_m32(cpu, in) : xmm(cpu, in->rm);
}

SSE_INLINE vx sd_rm(struct cpu *cpu, const struct insn *in)
{
    return is_mem(in) ? xmm_m64(cpu, in) : xmm(cpu, in->rm);
}

/* Half a vector, whose own halves become the low halves of lo and hi. */
SSE_INLINE vy half_rm(struct cpu *cpu, const struct insn *in)
{
    vx v = !is_mem(in) ? xmm(cpu, in->rm) : is_256(in) ? vx_load(cpu, in, ea(cpu, in)) : xmm_m64(cpu, in);
    return (vy){.lo = v, .hi = vx_low(v[1])};
}

/* fetch: ymm_rm or half_rm. */
#define FP_VEX(row, fetch, host, soft)                                                                                 \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return fp_vex(cpu, in, fetch(cpu, in), host, soft);                                                            \
    }

/* fetch: ss_rm or sd_rm. */
#define FP_VEX_SCALAR(row, fetch, host, soft)                                                                          \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return fp_vex_scalar(cpu, in, fetch(cpu, in), host, soft);                                                     \
    }

/* ---- softfp by elements: the first n ---- */

typedef sf32 soft32_fn(sf32 a, sf32 b, unsigned imm, struct sf_env *env);
typedef sf64 soft64_fn(sf64 a, sf64 b, unsigned imm, struct sf_env *env);

SSE_INLINE vx soft_lanes32(vx va, vx vb, unsigned imm, struct sf_env *env, unsigned n, soft32_fn *f)
{
    union lanes x = {.v = va}, y = {.v = vb};
    for (unsigned i = 0; i < n; i++) x.u32[i] = f(x.u32[i], y.u32[i], imm, env);
    return x.v;
}

SSE_INLINE vx soft_lanes64(vx va, vx vb, unsigned imm, struct sf_env *env, unsigned n, soft64_fn *f)
{
    union lanes x = {.v = va}, y = {.v = vb};
    for (unsigned i = 0; i < n; i++) x.u64[i] = f(x.u64[i], y.u64[i], imm, env);
    return x.v;
}

/* From soft32_NAME and soft64_NAME: soft_NAMEps, soft_NAMEpd, soft_NAMEss, soft_NAMEsd. */
#define SOFT_LANES(name)                                                                                               \
    static vx soft_##name##ps(vx a, vx b, unsigned imm, struct sf_env *env)                                            \
    {                                                                                                                  \
        return soft_lanes32(a, b, imm, env, 4, soft32_##name);                                                         \
    }                                                                                                                  \
    static vx soft_##name##pd(vx a, vx b, unsigned imm, struct sf_env *env)                                            \
    {                                                                                                                  \
        return soft_lanes64(a, b, imm, env, 2, soft64_##name);                                                         \
    }                                                                                                                  \
    static vx soft_##name##ss(vx a, vx b, unsigned imm, struct sf_env *env)                                            \
    {                                                                                                                  \
        return soft_lanes32(a, b, imm, env, 1, soft32_##name);                                                         \
    }                                                                                                                  \
    static vx soft_##name##sd(vx a, vx b, unsigned imm, struct sf_env *env)                                            \
    {                                                                                                                  \
        return soft_lanes64(a, b, imm, env, 1, soft64_##name);                                                         \
    }
