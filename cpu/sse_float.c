/* Floating point of SSE to SSE4.1 except conversions: arithmetic, compares, rounding, dot products, approximations,
 * bitwise logic. */
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
    FP_ROWS(NAME##SD_VsdWsd, xmm_m64, host_##name##sd, soft_##name##sd)
ARITHMETIC_OPS(ARITHMETIC_ROWS)
ARITHMETIC_ROWS(SQRT, sqrt)

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

/* row, mnemonic, bits, fetch, quiet */
#define ORDER_OPS(X)                                                                                                   \
    X(UCOMISS_VssWss, ucomiss, 32, xmm_m32, true)                                                                      \
    X(UCOMISD_VsdWsd, ucomisd, 64, xmm_m64, true)                                                                      \
    X(COMISS_VssWss, comiss, 32, xmm_m32, false)                                                                       \
    X(COMISD_VsdWsd, comisd, 64, xmm_m64, false)

#define ORDER_ROWS(row, mnemonic, bits, fetch, quiet)                                                                  \
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
    FP_ROWS(NAME##D_VpdWpd, xmm_m128, host_##name##pd, soft_##name##pd)
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

/* Each step leaves its flags, and an exception of one that is not masked keeps the next from happening. */
SSE_NOINLINE const struct insn *dpps_soft(struct cpu *cpu, const struct insn *in, vx b)
{
    unsigned imm = (uint8_t)in->imm;
    vx used = mask32(imm >> 4);
    vx products = fp_step(cpu, in, xmm(cpu, in->reg) & used, b & used, soft_mulps);
    vx pairs = fp_step(cpu, in, swap_pairs(products), products, soft_addps);
    return xmm_done(cpu, in, fp_step(cpu, in, pairs, swap_halves(pairs), soft_addps) & mask32(imm));
}

SSE_NOINLINE const struct insn *dppd_soft(struct cpu *cpu, const struct insn *in, vx b)
{
    unsigned imm = (uint8_t)in->imm;
    vx used = mask64(imm >> 4);
    vx products = fp_step(cpu, in, xmm(cpu, in->reg) & used, b & used, soft_mulpd);
    return xmm_done(cpu, in, fp_step(cpu, in, products, swap_halves(products), soft_addpd) & mask64(imm));
}

#define DOT_PRODUCT_OPS(X) X(DPPS_VpsWpsIb, dpps) X(DPPD_VpdWpdIb, dppd)
#define DOT_PRODUCT_ROWS(row, name)                                                                                    \
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

/* ---- Bitwise logic ---- */

#define BITWISE_OPS(X) X(AND, a &b) X(ANDN, ~a &b) X(OR, a | b) X(XOR, a ^ b)
#define BITWISE_ROWS(NAME, result)                                                                                     \
    SSE_INLINE vx bitwise_##NAME(vx a, vx b)                                                                           \
    {                                                                                                                  \
        return result;                                                                                                 \
    }                                                                                                                  \
    XMM_BINARY(NAME##PS_VpsWps, bitwise_##NAME)                                                                        \
    XMM_BINARY(NAME##PD_VpdWpd, bitwise_##NAME)
BITWISE_OPS(BITWISE_ROWS)
