/* Floating point of SSE to SSE4.1 and of AVX except conversions: arithmetic, compares, rounding, dot products,
 * approximations, bitwise logic. */
#include "cpu/sse_fp.h"

/* ---- Arithmetic: packed and scalar, single and double ---- */

#define ARITHMETIC_OPS(X) X(ADD, add) X(SUB, sub) X(MUL, mul) X(DIV, div) X(MIN, min) X(MAX, max)

#define SOFT_ARITHMETIC(NAME, name)                                                                                    \
    static sf32 soft32_##name(sf32 a, sf32 b, unsigned imm, struct sf_env *env)                                        \
    {                                                                                                                  \
        (void)imm;                                                                                                     \
        return sf32_##name(a, b, env);                                                                                 \
    }                                                                                                                  \
    static sf64 soft64_##name(sf64 a, sf64 b, unsigned imm, struct sf_env *env)                                        \
    {                                                                                                                  \
        (void)imm;                                                                                                     \
        return sf64_##name(a, b, env);                                                                                 \
    }
ARITHMETIC_OPS(SOFT_ARITHMETIC)

static sf32 soft32_sqrt(sf32 a, sf32 b, unsigned imm, struct sf_env *env)
{
    (void)a;
    (void)imm;
    return sf32_sqrt(b, env);
}

static sf64 soft64_sqrt(sf64 a, sf64 b, unsigned imm, struct sf_env *env)
{
    (void)a;
    (void)imm;
    return sf64_sqrt(b, env);
}

#define ARITHMETIC_ROWS(NAME, name)                                                                                    \
    SOFT_LANES(name)                                                                                                   \
    FP_ASM_XMM(host_##name##ps, #name "ps")                                                                            \
    FP_ASM_XMM(host_##name##pd, #name "pd")                                                                            \
    FP_ASM_XMM(host_##name##ss, #name "ss")                                                                            \
    FP_ASM_XMM(host_##name##sd, #name "sd")                                                                            \
    FP_ROWS(NAME##PS_VpsWps, xmm_m128, host_##name##ps, soft_##name##ps)                                               \
    FP_ROWS(NAME##PD_VpdWpd, xmm_m128, host_##name##pd, soft_##name##pd)                                               \
    FP_ROWS(NAME##SS_VssWss, xmm_m32, host_##name##ss, soft_##name##ss)                                                \
    FP_ROWS(NAME##SD_VsdWsd, xmm_m64, host_##name##sd, soft_##name##sd)                                                \
    FP_VEX_SCALAR(V##NAME##SS_VssHssWss, ss_rm, host_##name##ss, soft_##name##ss)                                      \
    FP_VEX_SCALAR(V##NAME##SD_VsdHsdWsd, sd_rm, host_##name##sd, soft_##name##sd)
ARITHMETIC_OPS(ARITHMETIC_ROWS)
ARITHMETIC_ROWS(SQRT, sqrt)

#define ARITHMETIC_VEX(NAME, name)                                                                                     \
    FP_VEX(V##NAME##PS_VpsHpsWps, ymm_rm, host_##name##ps, soft_##name##ps)                                            \
    FP_VEX(V##NAME##PD_VpdHpdWpd, ymm_rm, host_##name##pd, soft_##name##pd)
ARITHMETIC_OPS(ARITHMETIC_VEX)
FP_VEX(VSQRTPS_VpsWps, ymm_rm, host_sqrtps, soft_sqrtps)
FP_VEX(VSQRTPD_VpdWpd, ymm_rm, host_sqrtpd, soft_sqrtpd)

/* What Python's floats do all day. */
#define HOT_OPS(X) X(ADDSD_VsdWsd, addsd) X(SUBSD_VsdWsd, subsd) X(MULSD_VsdWsd, mulsd) X(DIVSD_VsdWsd, divsd)
#define HOT_ROWS(row, name)                                                                                            \
    OP(row##_b)                                                                                                        \
    {                                                                                                                  \
        return fp_op(cpu, in, xmm_m64_b(cpu, in), host_##name, soft_##name);                                           \
    }
HOT_OPS(HOT_ROWS)

/* ---- Compares into masks ---- */

/* imm 1:0 equal, less, less or equal, unordered; imm 2 negates. Less and less-or-equal signal quiet NaNs too (SDM,
 * CMPPD). */
SSE_INLINE bool predicate_holds(enum sf_order order, unsigned imm)
{
    static const uint8_t holds[4] = {1 << SF_EQUAL, 1 << SF_LESS, 1 << SF_LESS | 1 << SF_EQUAL, 1 << SF_UNORDERED};
    return (holds[imm & 3] >> order & 1) != (imm >> 2 & 1);
}

SSE_INLINE bool predicate_quiet(unsigned imm)
{
    return (imm & 3) == 0 || (imm & 3) == 3;
}

static sf32 soft32_cmp(sf32 a, sf32 b, unsigned imm, struct sf_env *env)
{
    return predicate_holds(sf32_compare(a, b, predicate_quiet(imm), env), imm) ? UINT32_MAX : 0;
}

static sf64 soft64_cmp(sf64 a, sf64 b, unsigned imm, struct sf_env *env)
{
    return predicate_holds(sf64_compare(a, b, predicate_quiet(imm), env), imm) ? UINT64_MAX : 0;
}
SOFT_LANES(cmp)

/* type, row, fetch, the elements that a negation inverts */
#define COMPARE_OPS(X)                                                                                                 \
    X(ps, CMPPS_VpsWpsIb, xmm_m128, UINT64_MAX, UINT64_MAX)                                                            \
    X(pd, CMPPD_VpdWpdIb, xmm_m128, UINT64_MAX, UINT64_MAX)                                                            \
    X(ss, CMPSS_VssWssIb, xmm_m32, UINT32_MAX, 0)                                                                      \
    X(sd, CMPSD_VsdWsdIb, xmm_m64, UINT64_MAX, 0)

#define COMPARE_ROWS(type, row, fetch, low, high)                                                                      \
    FP_ASM_XMM(host_cmpeq##type, "cmpeq" #type)                                                                        \
    FP_ASM_XMM(host_cmplt##type, "cmplt" #type)                                                                        \
    FP_ASM_XMM(host_cmple##type, "cmple" #type)                                                                        \
    FP_ASM_XMM(host_cmpunord##type, "cmpunord" #type)                                                                  \
    SSE_INLINE vx host_cmp##type(vx a, vx b, unsigned imm)                                                             \
    {                                                                                                                  \
        vx negation = imm & 4 ? (vx){low, high} : (vx){0, 0};                                                          \
        if ((imm & 3) == 0) return host_cmpeq##type(a, b, imm) ^ negation;                                             \
        if ((imm & 3) == 1) return host_cmplt##type(a, b, imm) ^ negation;                                             \
        if ((imm & 3) == 2) return host_cmple##type(a, b, imm) ^ negation;                                             \
        return host_cmpunord##type(a, b, imm) ^ negation;                                                              \
    }                                                                                                                  \
    FP_ROWS(row, fetch, host_cmp##type, soft_cmp##type)
COMPARE_OPS(COMPARE_ROWS)

/* VEX has 32 predicates. imm 3 makes those of imm 1:0 true of unordered operands too, so that equal, less, less or
 * equal, unordered become equal or unordered, not greater or equal, not greater, false; imm 2 negates those as well;
 * imm 4 makes quiet ones signal and the others quiet (SDM, CMPPD, table 3-1). */
SSE_INLINE bool vex_predicate_holds(enum sf_order order, unsigned imm)
{
    bool base = (imm & 11) == 11 ? false : predicate_holds(order, imm & 3) || (imm & 8 && order == SF_UNORDERED);
    return base != (imm >> 2 & 1);
}

SSE_INLINE bool vex_predicate_quiet(unsigned imm)
{
    return predicate_quiet(imm) != (imm >> 4 & 1);
}

static sf32 soft32_vcmp(sf32 a, sf32 b, unsigned imm, struct sf_env *env)
{
    return vex_predicate_holds(sf32_compare(a, b, vex_predicate_quiet(imm), env), imm) ? UINT32_MAX : 0;
}

static sf64 soft64_vcmp(sf64 a, sf64 b, unsigned imm, struct sf_env *env)
{
    return vex_predicate_holds(sf64_compare(a, b, vex_predicate_quiet(imm), env), imm) ? UINT64_MAX : 0;
}
SOFT_LANES(vcmp)

/* From SSE's four, with the exceptions right. host_ordered: less, or less or equal, of numbers only, without signalling
 * quiet NaNs: those elements are compared as zeros, after the unordered compare has looked at them. host_vcmp: a or b
 * first makes `greater`; a compare for its exceptions only makes the quiet ones signal. */
#define COMPARE_VEX_HOST(type, row, fetch, low, high)                                                                  \
    SSE_INLINE vx host_ordered##type(vx a, vx b, bool or_equal)                                                        \
    {                                                                                                                  \
        vx nan = host_cmpunord##type(a, b, 0), x = a & ~nan, y = b & ~nan;                                             \
        return (or_equal ? host_cmple##type(x, y, 0) : host_cmplt##type(x, y, 0)) & ~nan;                              \
    }                                                                                                                  \
    SSE_INLINE vx host_relation##type(vx a, vx b, unsigned imm)                                                        \
    {                                                                                                                  \
        bool or_equal = (imm & 3) == 2;                                                                                \
        if (imm & 16) return host_ordered##type(a, b, or_equal);                                                       \
        return or_equal ? host_cmple##type(a, b, 0) : host_cmplt##type(a, b, 0);                                       \
    }                                                                                                                  \
    SSE_INLINE vx host_equality##type(vx a, vx b, unsigned imm)                                                        \
    {                                                                                                                  \
        if (imm & 16) (void)host_cmplt##type(a, b, 0);                                                                 \
        if ((imm & 11) == 0) return host_cmpeq##type(a, b, 0);                                                         \
        vx nan = host_cmpunord##type(a, b, 0);                                                                         \
        if ((imm & 11) == 8) return host_cmpeq##type(a, b, 0) | nan;                                                   \
        return imm & 8 ? (vx){0} : nan;                                                                                \
    }                                                                                                                  \
    SSE_INLINE vx host_vcmp##type(vx a, vx b, unsigned imm)                                                            \
    {                                                                                                                  \
        bool related = (imm & 3) == 1 || (imm & 3) == 2, swapped = related && imm & 8;                                 \
        vx own = {low, high};                                                                                          \
        vx r = !related  ? host_equality##type(a, b, imm)                                                              \
               : swapped ? host_relation##type(b, a, imm ^ 3)                                                          \
                         : host_relation##type(a, b, imm);                                                             \
        if (!(imm & 4) == swapped) r = ~r;                                                                             \
        return (r & own) | (a & ~own);                                                                                 \
    }
COMPARE_OPS(COMPARE_VEX_HOST)

FP_VEX(VCMPPS_VpsHpsWpsIb, ymm_rm, host_vcmpps, soft_vcmpps)
FP_VEX(VCMPPD_VpdHpdWpdIb, ymm_rm, host_vcmppd, soft_vcmppd)
FP_VEX_SCALAR(VCMPSS_VssHssWssIb, ss_rm, host_vcmpss, soft_vcmpss)
FP_VEX_SCALAR(VCMPSD_VsdHsdWsdIb, sd_rm, host_vcmpsd, soft_vcmpsd)

/* ---- Compares into flags: unordered ZF PF CF, less CF, equal ZF, greater none; OF, SF, AF are cleared ---- */

/* As lazy flags (cpu/flags.h): the result 1 has odd parity and is not zero; 0 is zero and has even parity, unless PDB
 * says else. */
SSE_INLINE void set_order_flags(struct cpu *cpu, bool zf, bool pf, bool cf)
{
    cpu->flags_res = !zf;
    cpu->flags_aux = (-(uint64_t)cf & (FLAGS_AUX_CF | FLAGS_AUX_PO)) | (uint64_t)(zf & !pf) << 8;
}

typedef enum sf_order soft_order_fn(vx a, vx b, struct sf_env *env);

SSE_NOINLINE enum sf_order order_soft(struct cpu *cpu, const struct insn *in, vx b, soft_order_fn *soft)
{
    struct sf_env env = fp_env(cpu);
    enum sf_order order = soft(xmm(cpu, in->reg), b, &env);
    fp_finish(cpu, in, &env);
    return order;
}

SSE_NOINLINE const struct insn *order_op_soft(struct cpu *cpu, const struct insn *in, vx b, soft_order_fn *soft)
{
    enum sf_order order = order_soft(cpu, in, b, soft);
    set_order_flags(cpu, order == SF_EQUAL || order == SF_UNORDERED, order == SF_UNORDERED,
                    order == SF_LESS || order == SF_UNORDERED);
    return op_next(cpu, in);
}

#if HOST_SSE
#define HOST_ORDER(mnemonic)                                                                                           \
    bool zf, pf, cf;                                                                                                   \
    vx a = xmm(cpu, in->reg);                                                                                          \
    __asm__ volatile(mnemonic " %4, %3" : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf) : "x"(a), "x"(b));                     \
    set_order_flags(cpu, zf, pf, cf);
#else
#define HOST_ORDER(mnemonic)
#endif

/* row, mnemonic, bits, fetch of SSE and VEX, quiet */
#define ORDER_OPS(X)                                                                                                   \
    X(UCOMISS_VssWss, ucomiss, 32, xmm_m32, ss_rm, true)                                                               \
    X(UCOMISD_VsdWsd, ucomisd, 64, xmm_m64, sd_rm, true)                                                               \
    X(COMISS_VssWss, comiss, 32, xmm_m32, ss_rm, false)                                                                \
    X(COMISD_VsdWsd, comisd, 64, xmm_m64, sd_rm, false)

#define ORDER_ROWS(row, mnemonic, bits, fetch, vex_fetch, quiet)                                                       \
    static enum sf_order soft_##mnemonic(vx a, vx b, struct sf_env *env)                                               \
    {                                                                                                                  \
        return sf##bits##_compare((sf##bits)a[0], (sf##bits)b[0], quiet, env);                                         \
    }                                                                                                                  \
    SSE_INLINE const struct insn *mnemonic##_op(struct cpu *cpu, const struct insn *in, vx b)                          \
    {                                                                                                                  \
        if (fp_wants_soft(cpu)) return order_op_soft(cpu, in, b, soft_##mnemonic);                                     \
        HOST_ORDER(#mnemonic)                                                                                          \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return mnemonic##_op(cpu, in, xmm(cpu, in->rm));                                                               \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return mnemonic##_op(cpu, in, fetch(cpu, in));                                                                 \
    }                                                                                                                  \
    OP(V##row)                                                                                                         \
    {                                                                                                                  \
        return mnemonic##_op(cpu, in, vex_fetch(cpu, in));                                                             \
    }
ORDER_OPS(ORDER_ROWS)

OP(UCOMISD_VsdWsd_b)
{
    return ucomisd_op(cpu, in, xmm_m64_b(cpu, in));
}

OP(COMISD_VsdWsd_b)
{
    return comisd_op(cpu, in, xmm_m64_b(cpu, in));
}

/* ---- SSE3: alternating and horizontal ---- */

static vx soft_addsubps(vx va, vx vb, unsigned imm, struct sf_env *env)
{
    union lanes x = {.v = va}, y = {.v = vb}, r;
    (void)imm;
    for (unsigned i = 0; i < 4; i++) r.u32[i] = (i & 1 ? sf32_add : sf32_sub)(x.u32[i], y.u32[i], env);
    return r.v;
}

static vx soft_addsubpd(vx va, vx vb, unsigned imm, struct sf_env *env)
{
    (void)imm;
    return (vx){sf64_sub(va[0], vb[0], env), sf64_add(va[1], vb[1], env)};
}

#define HORIZONTAL_FP(X) X(HADDP, hadd, add) X(HSUBP, hsub, sub)
#define SOFT_HORIZONTAL(NAME, name, op)                                                                                \
    static vx soft_##name##ps(vx va, vx vb, unsigned imm, struct sf_env *env)                                          \
    {                                                                                                                  \
        union lanes x = {.v = va}, y = {.v = vb}, r;                                                                   \
        (void)imm;                                                                                                     \
        for (unsigned i = 0; i < 2; i++) r.u32[i] = sf32_##op(x.u32[2 * i], x.u32[2 * i + 1], env);                    \
        for (unsigned i = 0; i < 2; i++) r.u32[2 + i] = sf32_##op(y.u32[2 * i], y.u32[2 * i + 1], env);                \
        return r.v;                                                                                                    \
    }                                                                                                                  \
    static vx soft_##name##pd(vx va, vx vb, unsigned imm, struct sf_env *env)                                          \
    {                                                                                                                  \
        (void)imm;                                                                                                     \
        return (vx){sf64_##op(va[0], va[1], env), sf64_##op(vb[0], vb[1], env)};                                       \
    }
HORIZONTAL_FP(SOFT_HORIZONTAL)

#define SSE3_OPS(X) X(HADDP, hadd) X(HSUBP, hsub) X(ADDSUBP, addsub)
#define SSE3_ROWS(NAME, name)                                                                                          \
    FP_ASM_XMM(host_##name##ps, #name "ps")                                                                            \
    FP_ASM_XMM(host_##name##pd, #name "pd")                                                                            \
    FP_ROWS(NAME##S_VpsWps, xmm_m128, host_##name##ps, soft_##name##ps)                                                \
    FP_ROWS(NAME##D_VpdWpd, xmm_m128, host_##name##pd, soft_##name##pd)                                                \
    FP_VEX(V##NAME##S_VpsHpsWps, ymm_rm, host_##name##ps, soft_##name##ps)                                             \
    FP_VEX(V##NAME##D_VpdHpdWpd, ymm_rm, host_##name##pd, soft_##name##pd)
SSE3_OPS(SSE3_ROWS)

/* ---- Rounding to integral values: imm 2 MXCSR's mode, else imm 1:0; imm 3 does not report inexact results ---- */

static uint8_t reported(uint8_t flags, unsigned imm)
{
    return imm & 8 ? flags & ~SF_PE : flags;
}

static sf32 soft32_round(sf32 a, sf32 b, unsigned imm, struct sf_env *env)
{
    uint8_t before = env->flags;
    sf32 r = sf32_rint(b, imm & 4 ? env->rounding : imm & 3, env);
    (void)a;
    env->flags = before | reported(env->flags, imm);
    return r;
}

static sf64 soft64_round(sf64 a, sf64 b, unsigned imm, struct sf_env *env)
{
    uint8_t before = env->flags;
    sf64 r = sf64_rint(b, imm & 4 ? env->rounding : imm & 3, env);
    (void)a;
    env->flags = before | reported(env->flags, imm);
    return r;
}
SOFT_LANES(round)

#define ROUND_IMMEDIATES(X, type)                                                                                      \
    X(0, type) X(1, type) X(2, type) X(3, type) X(4, type) X(8, type) X(9, type) X(10, type) X(11, type) X(12, type)
#define ROUND_ASM(immediate, type) FP_ASM_XMM(host_round##type##_##immediate, "round" #type " $" #immediate ",")
#define ROUND_CASE(immediate, type)                                                                                    \
    case immediate:                                                                                                    \
        return host_round##type##_##immediate(a, b, imm);
#define ROUND_ROWS(row, type, fetch)                                                                                   \
    ROUND_IMMEDIATES(ROUND_ASM, type)                                                                                  \
    SSE_INLINE vx host_round##type(vx a, vx b, unsigned imm)                                                           \
    {                                                                                                                  \
        switch (imm & 4 ? imm & 12 : imm & 15) {                                                                       \
            ROUND_IMMEDIATES(ROUND_CASE, type)                                                                         \
        }                                                                                                              \
        __builtin_unreachable();                                                                                       \
    }                                                                                                                  \
    FP_ROWS(row, fetch, host_round##type, soft_round##type)

ROUND_ROWS(ROUNDPS_VpsWpsIb, ps, xmm_m128)
ROUND_ROWS(ROUNDPD_VpdWpdIb, pd, xmm_m128)
ROUND_ROWS(ROUNDSS_VssWssIb, ss, xmm_m32)
ROUND_ROWS(ROUNDSD_VsdWsdIb, sd, xmm_m64)

FP_VEX(VROUNDPS_VpsWpsIb, ymm_rm, host_roundps, soft_roundps)
FP_VEX(VROUNDPD_VpdWpdIb, ymm_rm, host_roundpd, soft_roundpd)
FP_VEX_SCALAR(VROUNDSS_VssHssWssIb, ss_rm, host_roundss, soft_roundss)
FP_VEX_SCALAR(VROUNDSD_VsdHsdWsdIb, sd_rm, host_roundsd, soft_roundsd)

/* ---- Dot products: imm 7:4 what is multiplied (the rest counts as +0), imm 3:0 what receives the sum ---- */

SSE_INLINE vx mask32(unsigned bits)
{
    union lanes m;
    for (unsigned i = 0; i < 4; i++) m.u32[i] = bits >> i & 1 ? UINT32_MAX : 0;
    return m.v;
}

SSE_INLINE vx mask64(unsigned bits)
{
    return (vx){bits & 1 ? UINT64_MAX : 0, bits & 2 ? UINT64_MAX : 0};
}

/* The order of the additions' operands, which chooses among NaNs, is that of Intel cores; the manual leaves it open. */
SSE_INLINE vx swap_pairs(vx v)
{
    return v << 32 | v >> 32;
}

SSE_INLINE vx swap_halves(vx v)
{
    return (vx){v[1], v[0]};
}

static vx host_dpps(vx a, vx b, unsigned imm)
{
    vx used = mask32(imm >> 4);
    vx products = host_mulps(a & used, b & used, 0);
    vx pairs = host_addps(swap_pairs(products), products, 0);
    return host_addps(pairs, swap_halves(pairs), 0) & mask32(imm);
}

static vx host_dppd(vx a, vx b, unsigned imm)
{
    vx used = mask64(imm >> 4);
    vx products = host_mulpd(a & used, b & used, 0);
    return host_addpd(products, swap_halves(products), 0) & mask64(imm);
}

/* One step of both halves: it leaves its flags, and an exception that is not masked keeps the next from happening. */
static vy dot_step(struct cpu *cpu, const struct insn *in, vy a, vy b, fp_soft_fn *soft)
{
    struct sf_env env = fp_env(cpu);
    vy r = {.lo = soft(a.lo, b.lo, 0, &env)};
    if (is_256(in)) r.hi = soft(a.hi, b.hi, 0, &env);
    fp_finish(cpu, in, &env);
    return r;
}

SSE_INLINE vy vy_each(vy v, vx (*f)(vx))
{
    return (vy){f(v.lo), f(v.hi)};
}

SSE_INLINE vy vy_and(vy v, vx mask)
{
    return (vy){v.lo & mask, v.hi & mask};
}

static vy dpps_sums(struct cpu *cpu, const struct insn *in, vy a, vy b)
{
    unsigned imm = (uint8_t)in->imm;
    vx used = mask32(imm >> 4);
    vy products = dot_step(cpu, in, vy_and(a, used), vy_and(b, used), soft_mulps);
    vy pairs = dot_step(cpu, in, vy_each(products, swap_pairs), products, soft_addps);
    return vy_and(dot_step(cpu, in, pairs, vy_each(pairs, swap_halves), soft_addps), mask32(imm));
}

static vy dppd_sums(struct cpu *cpu, const struct insn *in, vy a, vy b)
{
    unsigned imm = (uint8_t)in->imm;
    vx used = mask64(imm >> 4);
    vy products = dot_step(cpu, in, vy_and(a, used), vy_and(b, used), soft_mulpd);
    return vy_and(dot_step(cpu, in, products, vy_each(products, swap_halves), soft_addpd), mask64(imm));
}

/* row, VEX row, name */
#define DOT_PRODUCT_OPS(X) X(DPPS_VpsWpsIb, VDPPS_VpsHpsWpsIb, dpps) X(DPPD_VpdWpdIb, VDPPD_VpdHpdWpdIb, dppd)
#define DOT_PRODUCT_ROWS(row, vex_row, name)                                                                           \
    SSE_NOINLINE const struct insn *name##_soft(struct cpu *cpu, const struct insn *in, vx b)                          \
    {                                                                                                                  \
        return xmm_done(cpu, in, name##_sums(cpu, in, ymm(cpu, in->reg), (vy){.lo = b}).lo);                           \
    }                                                                                                                  \
    SSE_NOINLINE const struct insn *v##name##_soft(struct cpu *cpu, const struct insn *in, vx lo, vx hi)               \
    {                                                                                                                  \
        return vex_done_y(cpu, in, name##_sums(cpu, in, ymm(cpu, in->vvvv), (vy){lo, hi}));                            \
    }                                                                                                                  \
    SSE_INLINE const struct insn *name##_op(struct cpu *cpu, const struct insn *in, vx b)                              \
    {                                                                                                                  \
        if (fp_wants_soft(cpu)) return name##_soft(cpu, in, b);                                                        \
        return xmm_done(cpu, in, host_##name(xmm(cpu, in->reg), b, (uint8_t)in->imm));                                 \
    }                                                                                                                  \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return name##_op(cpu, in, xmm(cpu, in->rm));                                                                   \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        return name##_op(cpu, in, xmm_m128(cpu, in));                                                                  \
    }                                                                                                                  \
    OP(vex_row)                                                                                                        \
    {                                                                                                                  \
        vy b = ymm_rm(cpu, in);                                                                                        \
        if (fp_wants_soft(cpu)) return v##name##_soft(cpu, in, b.lo, b.hi);                                            \
        return fp_vex_host(cpu, in, b, host_##name);                                                                   \
    }
DOT_PRODUCT_OPS(DOT_PRODUCT_ROWS)

/* ---- Approximations. They know no exceptions, no rounding modes, and take denormals for zeros (SDM, RCPPS) ---- */

#if HOST_SSE

FP_ASM_XMM(host_rcpps, "rcpps")
FP_ASM_XMM(host_rcpss, "rcpss")
FP_ASM_XMM(host_rsqrtps, "rsqrtps")
FP_ASM_XMM(host_rsqrtss, "rsqrtss")

#else

/* Within the 1.5 * 2^-12 that the manual promises, by dropping what the exact value has beyond 12 fraction bits; not
 * the bits of any one CPU. */
static sf32 dropped(sf32 v)
{
    return (v & 0x7f800000) == 0x7f800000 ? v : v & ~(sf32)0x7ff;
}

static const struct sf_env approximate = {.masks = SF_ALL, .daz = true, .ftz = true};
enum { F32_ONE = 0x3f800000 };

static sf32 soft32_rcp(sf32 a, sf32 b, unsigned imm, struct sf_env *env)
{
    struct sf_env own = approximate;
    (void)a;
    (void)imm;
    (void)env;
    return dropped(sf32_div(F32_ONE, b, &own));
}

static sf32 soft32_rsqrt(sf32 a, sf32 b, unsigned imm, struct sf_env *env)
{
    struct sf_env own = approximate;
    (void)a;
    (void)imm;
    (void)env;
    return dropped(sf32_div(F32_ONE, sf32_sqrt(b, &own), &own));
}

#define SOFT_APPROXIMATION(name)                                                                                       \
    SSE_NOINLINE vx host_##name##ps(vx a, vx b, unsigned imm)                                                          \
    {                                                                                                                  \
        return soft_lanes32(a, b, imm, NULL, 4, soft32_##name);                                                        \
    }                                                                                                                  \
    SSE_NOINLINE vx host_##name##ss(vx a, vx b, unsigned imm)                                                          \
    {                                                                                                                  \
        return soft_lanes32(a, b, imm, NULL, 1, soft32_##name);                                                        \
    }
SOFT_APPROXIMATION(rcp)
SOFT_APPROXIMATION(rsqrt)

#endif

#define APPROXIMATION_ROWS(row, fetch, host)                                                                           \
    OP(row##_r)                                                                                                        \
    {                                                                                                                  \
        return xmm_done(cpu, in, host(xmm(cpu, in->reg), xmm(cpu, in->rm), 0));                                        \
    }                                                                                                                  \
    OP(row##_m)                                                                                                        \
    {                                                                                                                  \
        vx b = fetch(cpu, in);                                                                                         \
        return xmm_done(cpu, in, host(xmm(cpu, in->reg), b, 0));                                                       \
    }
APPROXIMATION_ROWS(RCPPS_VpsWps, xmm_m128, host_rcpps)
APPROXIMATION_ROWS(RCPSS_VssWss, xmm_m32, host_rcpss)
APPROXIMATION_ROWS(RSQRTPS_VpsWps, xmm_m128, host_rsqrtps)
APPROXIMATION_ROWS(RSQRTSS_VssWss, xmm_m32, host_rsqrtss)

OP(VRCPPS_VpsWps)
{
    return fp_vex_host(cpu, in, ymm_rm(cpu, in), host_rcpps);
}

OP(VRSQRTPS_VpsWps)
{
    return fp_vex_host(cpu, in, ymm_rm(cpu, in), host_rsqrtps);
}

OP(VRCPSS_VssHssWss)
{
    vx b = ss_rm(cpu, in);
    return vex_done(cpu, in, host_rcpss(xmm(cpu, in->vvvv), b, 0));
}

OP(VRSQRTSS_VssHssWss)
{
    vx b = ss_rm(cpu, in);
    return vex_done(cpu, in, host_rsqrtss(xmm(cpu, in->vvvv), b, 0));
}

/* ---- Bitwise logic ---- */

#define BITWISE_OPS(X) X(AND, a &b) X(ANDN, ~a &b) X(OR, a | b) X(XOR, a ^ b)
#define BITWISE_ROWS(NAME, result)                                                                                     \
    SSE_INLINE vx bitwise_##NAME(vx a, vx b)                                                                           \
    {                                                                                                                  \
        return result;                                                                                                 \
    }                                                                                                                  \
    XMM_BINARY(NAME##PS_VpsWps, bitwise_##NAME)                                                                        \
    XMM_BINARY(NAME##PD_VpdWpd, bitwise_##NAME)                                                                        \
    VEX_BINARY(V##NAME##PS_VpsHpsWps, bitwise_##NAME)                                                                  \
    VEX_BINARY(V##NAME##PD_VpdHpdWpd, bitwise_##NAME)
BITWISE_OPS(BITWISE_ROWS)
