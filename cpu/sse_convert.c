/* Conversions between integers, singles and doubles, in xmm, mmx and general registers. */
#include "cpu/sse_fp.h"

/* ---- One element, for softfp ---- */

static uint32_t to_i32_from_f32(sf32 v, unsigned rounding, struct sf_env *env)
{
    return (uint32_t)sf32_to_int(v, 32, rounding, env);
}

static uint32_t to_i32_from_f64(sf64 v, unsigned rounding, struct sf_env *env)
{
    return (uint32_t)sf64_to_int(v, 32, rounding, env);
}

/* ---- xmm to xmm ---- */

static vx soft_cvtps2pd(vx a, vx b, unsigned imm, struct sf_env *env)
{
    union lanes y = {.v = b};
    (void)a;
    (void)imm;
    return (vx){sf32_to_f64(y.u32[0], env), sf32_to_f64(y.u32[1], env)};
}

static vx soft_cvtpd2ps(vx a, vx b, unsigned imm, struct sf_env *env)
{
    (void)a;
    (void)imm;
    uint64_t low = sf64_to_f32(b[0], env), high = sf64_to_f32(b[1], env);
    return vx_low(low | high << 32);
}

static vx soft_cvtss2sd(vx a, vx b, unsigned imm, struct sf_env *env)
{
    (void)imm;
    return (vx){sf32_to_f64((sf32)b[0], env), a[1]};
}

static vx soft_cvtsd2ss(vx a, vx b, unsigned imm, struct sf_env *env)
{
    (void)imm;
    return (vx){(a[0] & ~(uint64_t)UINT32_MAX) | sf64_to_f32(b[0], env), a[1]};
}

static vx soft_cvtdq2ps(vx a, vx b, unsigned imm, struct sf_env *env)
{
    union lanes y = {.v = b};
    (void)a;
    (void)imm;
    for (unsigned i = 0; i < 4; i++) y.u32[i] = sf32_from_int(y.s32[i], env);
    return y.v;
}

/* Exact: no exceptions. */
static vx soft_cvtdq2pd(vx a, vx b, unsigned imm, struct sf_env *env)
{
    union lanes y = {.v = b};
    (void)a;
    (void)imm;
    return (vx){sf64_from_int(y.s32[0], env), sf64_from_int(y.s32[1], env)};
}

/* From singles and doubles to dwords, rounded and truncated. The upper half of a result from doubles is zero. */
#define TO_DWORDS(X) X(, env->rounding) X(t, SF_RZ)
#define TO_DWORDS_FUNCTIONS(t, rounding)                                                                               \
    static vx soft_cvt##t##ps2dq(vx a, vx b, unsigned imm, struct sf_env *env)                                         \
    {                                                                                                                  \
        union lanes y = {.v = b};                                                                                      \
        (void)a;                                                                                                       \
        (void)imm;                                                                                                     \
        for (unsigned i = 0; i < 4; i++) y.u32[i] = to_i32_from_f32(y.u32[i], rounding, env);                          \
        return y.v;                                                                                                    \
    }                                                                                                                  \
    static vx soft_cvt##t##pd2dq(vx a, vx b, unsigned imm, struct sf_env *env)                                         \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        (void)imm;                                                                                                     \
        uint64_t low = to_i32_from_f64(b[0], rounding, env), high = to_i32_from_f64(b[1], rounding, env);              \
        return vx_low(low | high << 32);                                                                               \
    }
TO_DWORDS(TO_DWORDS_FUNCTIONS)

/* row, mnemonic, fetch */
#define XMM_CONVERSIONS(X)                                                                                             \
    X(CVTPS2PD_VpdWq, cvtps2pd, xmm_m64)                                                                               \
    X(CVTPD2PS_VpsWpd, cvtpd2ps, xmm_m128)                                                                             \
    X(CVTSS2SD_VsdWss, cvtss2sd, xmm_m32)                                                                              \
    X(CVTSD2SS_VssWsd, cvtsd2ss, xmm_m64)                                                                              \
    X(CVTDQ2PS_VpsWdq, cvtdq2ps, xmm_m128)                                                                             \
    X(CVTDQ2PD_VpdWq, cvtdq2pd, xmm_m64)                                                                               \
    X(CVTPS2DQ_VdqWps, cvtps2dq, xmm_m128)                                                                             \
    X(CVTTPS2DQ_VdqWps, cvttps2dq, xmm_m128)                                                                           \
    X(CVTPD2DQ_VdqWpd, cvtpd2dq, xmm_m128)                                                                             \
    X(CVTTPD2DQ_VdqWpd, cvttpd2dq, xmm_m128)

#define XMM_CONVERSION_ROWS(row, mnemonic, fetch)                                                                      \
    FP_ASM_XMM(host_##mnemonic, #mnemonic)                                                                             \
    FP_ROWS(row, fetch, host_##mnemonic, soft_##mnemonic)
XMM_CONVERSIONS(XMM_CONVERSION_ROWS)

FP_VEX(VCVTPS2PD_VpdWxh, half_rm, host_cvtps2pd, soft_cvtps2pd)
FP_VEX(VCVTDQ2PD_VpdWxh, half_rm, host_cvtdq2pd, soft_cvtdq2pd)
FP_VEX_SCALAR(VCVTSS2SD_VsdHsdWss, ss_rm, host_cvtss2sd, soft_cvtss2sd)
FP_VEX_SCALAR(VCVTSD2SS_VssHssWsd, sd_rm, host_cvtsd2ss, soft_cvtsd2ss)
FP_VEX(VCVTDQ2PS_VpsWx, ymm_rm, host_cvtdq2ps, soft_cvtdq2ps)
FP_VEX(VCVTPS2DQ_VxWps, ymm_rm, host_cvtps2dq, soft_cvtps2dq)
FP_VEX(VCVTTPS2DQ_VxWps, ymm_rm, host_cvttps2dq, soft_cvttps2dq)

/* From doubles to half as many bytes: what is in the low 64 bits of both halves. */
SSE_INLINE const struct insn *narrow(struct cpu *cpu, const struct insn *in, vy r)
{
    return vex_done(cpu, in, (vx){r.lo[0], is_256(in) ? r.hi[0] : 0});
}

SSE_NOINLINE const struct insn *narrow_soft(struct cpu *cpu, const struct insn *in, vx lo, vx hi, fp_soft_fn *soft)
{
    fp_vex_set_soft(cpu, in, (vy){lo, hi}, soft);
    return narrow(cpu, in, ymm(cpu, in->reg));
}

SSE_INLINE const struct insn *narrow_op(struct cpu *cpu, const struct insn *in, fp_host_fn *host, fp_soft_fn *soft)
{
    vy b = ymm_rm(cpu, in);
    if (fp_wants_soft(cpu)) return narrow_soft(cpu, in, b.lo, b.hi, soft);
    vy r = {.lo = host(b.lo, b.lo, 0)};
    if (is_256(in)) r.hi = host(b.hi, b.hi, 0);
    return narrow(cpu, in, r);
}

#define NARROWING(X) X(VCVTPD2PS_VxhWpd, cvtpd2ps) X(VCVTPD2DQ_VxhWpd, cvtpd2dq) X(VCVTTPD2DQ_VxhWpd, cvttpd2dq)
#define NARROWING_ROWS(row, mnemonic)                                                                                  \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        return narrow_op(cpu, in, host_##mnemonic, soft_##mnemonic);                                                   \
    }
NARROWING(NARROWING_ROWS)

/* ---- General register or memory to scalar ---- */

/* row, VEX row, type, bits of the result, source bits: the integer comes zero-extended in b */
#define FROM_INTEGER(X)                                                                                                \
    X(CVTSI2SS_VssEd, VCVTSI2SS_VssHssEd, ss, 32, 32, "cvtsi2ssl %k1, %0")                                             \
    X(CVTSI2SS_VssEq, VCVTSI2SS_VssHssEq, ss, 32, 64, "cvtsi2ssq %1, %0")                                              \
    X(CVTSI2SD_VsdEd, VCVTSI2SD_VsdHsdEd, sd, 64, 32, "cvtsi2sdl %k1, %0")                                             \
    X(CVTSI2SD_VsdEq, VCVTSI2SD_VsdHsdEq, sd, 64, 64, "cvtsi2sdq %1, %0")

#define FROM_INTEGER_ROWS(row, vex_row, type, bits, source, text)                                                      \
    FP_ASM(host_cvtsi##source##type, text, "r"(b[0]))                                                                  \
    static vx soft_cvtsi##source##type(vx a, vx b, unsigned imm, struct sf_env *env)                                   \
    {                                                                                                                  \
        union lanes x = {.v = a};                                                                                      \
        (void)imm;                                                                                                     \
        x.u##bits[0] = sf##bits##_from_int((int##source##_t)b[0], env);                                                \
        return x.v;                                                                                                    \
    }                                                                                                                  \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        vx b = vx_low(reg64(cpu, in->rm));                                                                             \
        return fp_op(cpu, in, b, host_cvtsi##source##type, soft_cvtsi##source##type);                                  \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        vx b = vx_low(vx_load##source(cpu, in, ea(cpu, in)));                                                          \
        return fp_op(cpu, in, b, host_cvtsi##source##type, soft_cvtsi##source##type);                                  \
    }                                                                                                                  \
    OP(vex_row)                                                                                                        \
    {                                                                                                                  \
        vx b = vx_low(is_mem(in) ? vx_load##source(cpu, in, ea(cpu, in)) : reg64(cpu, in->rm));                        \
        return fp_vex_scalar(cpu, in, b, host_cvtsi##source##type, soft_cvtsi##source##type);                          \
    }
FROM_INTEGER(FROM_INTEGER_ROWS)

/* ---- Scalar to general register ---- */

typedef uint64_t host_int_fn(vx b);
typedef uint64_t soft_int_fn(vx b, struct sf_env *env);

SSE_NOINLINE uint64_t int_soft(struct cpu *cpu, const struct insn *in, vx b, soft_int_fn *soft)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = soft(b, &env);
    fp_finish(cpu, in, &env);
    return r;
}

SSE_INLINE const struct insn *int_op(struct cpu *cpu, const struct insn *in, vx b, host_int_fn *host, soft_int_fn *soft)
{
    set_reg64(cpu, in->reg, fp_wants_soft(cpu) ? int_soft(cpu, in, b, soft) : host(b));
    return op_next(cpu, in);
}

#if HOST_SSE
#define INT_ASM(name, text)                                                                                            \
    SSE_INLINE uint64_t name(vx b)                                                                                     \
    {                                                                                                                  \
        uint64_t r;                                                                                                    \
        __asm__ volatile(text : "=r"(r) : "x"(b));                                                                     \
        return r;                                                                                                      \
    }
#else
#define INT_ASM(name, text)                                                                                            \
    SSE_INLINE uint64_t name(vx b)                                                                                     \
    {                                                                                                                  \
        return b[0];                                                                                                   \
    }
#endif

/* row, mnemonic, source bits, result bits, name of the result register in asm, fetch of SSE and VEX, rounding */
#define TO_INTEGER(X)                                                                                                  \
    X(CVTSS2SI_GdWss, cvtss2si, 32, 32, "k0", xmm_m32, ss_rm, env->rounding)                                           \
    X(CVTSS2SI_GqWss, cvtss2si, 32, 64, "q0", xmm_m32, ss_rm, env->rounding)                                           \
    X(CVTSD2SI_GdWsd, cvtsd2si, 64, 32, "k0", xmm_m64, sd_rm, env->rounding)                                           \
    X(CVTSD2SI_GqWsd, cvtsd2si, 64, 64, "q0", xmm_m64, sd_rm, env->rounding)                                           \
    X(CVTTSS2SI_GdWss, cvttss2si, 32, 32, "k0", xmm_m32, ss_rm, SF_RZ)                                                 \
    X(CVTTSS2SI_GqWss, cvttss2si, 32, 64, "q0", xmm_m32, ss_rm, SF_RZ)                                                 \
    X(CVTTSD2SI_GdWsd, cvttsd2si, 64, 32, "k0", xmm_m64, sd_rm, SF_RZ)                                                 \
    X(CVTTSD2SI_GqWsd, cvttsd2si, 64, 64, "q0", xmm_m64, sd_rm, SF_RZ)

#define TO_INTEGER_ROWS(row, mnemonic, source, bits, result, fetch, vex_fetch, rounding)                               \
    INT_ASM(host_##mnemonic##bits, #mnemonic " %1, %" result)                                                          \
    static uint64_t soft_##mnemonic##bits(vx b, struct sf_env *env)                                                    \
    {                                                                                                                  \
        return (uint##bits##_t)sf##source##_to_int((sf##source)b[0], bits, rounding, env);                             \
    }                                                                                                                  \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return int_op(cpu, in, xmm(cpu, in->rm), host_##mnemonic##bits, soft_##mnemonic##bits);                        \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return int_op(cpu, in, fetch(cpu, in), host_##mnemonic##bits, soft_##mnemonic##bits);                          \
    }                                                                                                                  \
    OP(V##row)                                                                                                         \
    {                                                                                                                  \
        return int_op(cpu, in, vex_fetch(cpu, in), host_##mnemonic##bits, soft_##mnemonic##bits);                      \
    }
TO_INTEGER(TO_INTEGER_ROWS)

/* ---- xmm and mmx. When an unmasked exception keeps the result from being written, the x87 state is MMX's still ----
 */

/* Two dwords into the low half of a. */
static vx soft_cvtpi2ps(vx a, vx b, unsigned imm, struct sf_env *env)
{
    return (vx){soft_cvtdq2ps(a, b, imm, env)[0], a[1]};
}

SSE_INLINE vx host_cvtpi2ps(vx a, vx b, unsigned imm)
{
    return (vx){host_cvtdq2ps(a, b, imm)[0], a[1]};
}

OP(CVTPI2PS_VpsQq_r)
{
    mmx_check(cpu, in);
    vx b = vx_low(mm(cpu, in->rm));
    mmx_enter(cpu);
    return fp_op(cpu, in, b, host_cvtpi2ps, soft_cvtpi2ps);
}

OP(CVTPI2PD_VpdQq_r)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    return fp_op(cpu, in, vx_low(mm(cpu, in->rm)), host_cvtdq2pd, soft_cvtdq2pd);
}

/* From memory they have nothing to do with MMX. (SDM says so of CVTPI2PD; the CPU does the same with CVTPI2PS.) */
OP(CVTPI2PS_VpsQq_m)
{
    return fp_op(cpu, in, xmm_m64(cpu, in), host_cvtpi2ps, soft_cvtpi2ps);
}

OP(CVTPI2PD_VpdQq_m)
{
    return fp_op(cpu, in, xmm_m64(cpu, in), host_cvtdq2pd, soft_cvtdq2pd);
}

/* Two dwords into an MMX register: the low half of the xmm conversion, whose upper elements are made zero where there
 * are any. */
SSE_INLINE const struct insn *to_mmx(struct cpu *cpu, const struct insn *in, vx b, fp_host_fn *host, fp_soft_fn *soft)
{
    mmx_enter(cpu);
    vx r = fp_wants_soft(cpu) ? fp_step(cpu, in, b, b, soft) : host(b, b, 0);
    return mmx_done(cpu, in, in->reg, r[0]);
}

/* row, conversion, source from xmm, source from memory */
#define TO_MMX(X)                                                                                                      \
    X(CVTPS2PI_PqWq, cvtps2dq, vx_low(xmm(cpu, in->rm)[0]), xmm_m64(cpu, in))                                          \
    X(CVTTPS2PI_PqWq, cvttps2dq, vx_low(xmm(cpu, in->rm)[0]), xmm_m64(cpu, in))                                        \
    X(CVTPD2PI_PqWpd, cvtpd2dq, xmm(cpu, in->rm), xmm_m128(cpu, in))                                                   \
    X(CVTTPD2PI_PqWpd, cvttpd2dq, xmm(cpu, in->rm), xmm_m128(cpu, in))

#define TO_MMX_ROWS(row, conversion, from_xmm, from_memory)                                                            \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        mmx_check(cpu, in);                                                                                            \
        return to_mmx(cpu, in, from_xmm, host_##conversion, soft_##conversion);                                        \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        mmx_check(cpu, in);                                                                                            \
        return to_mmx(cpu, in, from_memory, host_##conversion, soft_##conversion);                                     \
    }
TO_MMX(TO_MMX_ROWS)
