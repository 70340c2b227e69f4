/* Fused multiply-add: VF{M,NM}{ADD,SUB}{132,213,231}, VFMADDSUB, VFMSUBADD. Operand 1 is the destination and a source,
 * operand 2 register vvvv, operand 3 ModRM.rm; the digits say which of them are multiplied and which is added: 132 is
 * 1 * 3 + 2. There is no SSE form. A host that has FMA itself computes them (volatile asm, as in cpu/sse_fp.h; VEX.128
 * leaves the host's upper halves clear, so there is no penalty for mixing it with SSE); otherwise, and when an
 * exception is unmasked, softfp's sf_muladd does. */
#include "cpu/sse_fp.h"
#include "host/cpuid.h"

/* What a row computes, for softfp. */
struct fma_spec {
    uint8_t order[3];    /* operands (0 to 2) multiplied, multiplied, added: NaNs win in this order (softfp.h) */
    uint8_t negate_even; /* enum sf_muladd_neg, of elements 0, 2, ... */
    uint8_t negate_odd;
};

static vx fma32(const struct fma_spec *spec, const vx operand[3], unsigned n, struct sf_env *env)
{
    union lanes a = {.v = operand[spec->order[0]]}, b = {.v = operand[spec->order[1]]};
    union lanes c = {.v = operand[spec->order[2]]}, r = {.v = operand[0]};
    for (unsigned i = 0; i < n; i++)
        r.u32[i] = sf32_muladd(a.u32[i], b.u32[i], c.u32[i], i & 1 ? spec->negate_odd : spec->negate_even, env);
    return r.v;
}

static vx fma64(const struct fma_spec *spec, const vx operand[3], unsigned n, struct sf_env *env)
{
    vx a = operand[spec->order[0]], b = operand[spec->order[1]], c = operand[spec->order[2]], r = operand[0];
    for (unsigned i = 0; i < n; i++)
        r[i] = sf64_muladd(a[i], b[i], c[i], i & 1 ? spec->negate_odd : spec->negate_even, env);
    return r;
}

typedef vx fma_lanes_fn(const struct fma_spec *spec, const vx operand[3], unsigned n, struct sf_env *env);

/* n: elements of 128 bits. */
SSE_NOINLINE const struct insn *fma_soft(struct cpu *cpu, const struct insn *in, vx lo, vx hi,
                                         const struct fma_spec *spec, fma_lanes_fn *lanes, unsigned n)
{
    struct sf_env env = fp_env(cpu);
    vy x = ymm(cpu, in->reg), y = ymm(cpu, in->vvvv);
    vy r = {.lo = lanes(spec, (const vx[3]){x.lo, y.lo, lo}, n, &env)};
    if (is_256(in)) r.hi = lanes(spec, (const vx[3]){x.hi, y.hi, hi}, n, &env);
    fp_finish(cpu, in, &env);
    set_ymm(cpu, in->reg, r);
    return op_next(cpu, in);
}

typedef vx fma_host_fn(vx x, vx y, vx z);

#if HOST_SSE
SSE_INLINE bool host_has_fma(void)
{
    return host_cpu_fma();
}

#define FMA_ASM(name)                                                                                                  \
    SSE_INLINE vx host_##name(vx x, vx y, vx z)                                                                        \
    {                                                                                                                  \
        __asm__ volatile(#name " %2, %1, %0" : "+x"(x) : "x"(y), "x"(z));                                              \
        return x;                                                                                                      \
    }
#else
SSE_INLINE bool host_has_fma(void)
{
    return false;
}

#define FMA_ASM(name)                                                                                                  \
    SSE_INLINE vx host_##name(vx x, vx y, vx z)                                                                        \
    {                                                                                                                  \
        (void)y;                                                                                                       \
        (void)z;                                                                                                       \
        return x;                                                                                                      \
    }
#endif

SSE_INLINE const struct insn *fma_host(struct cpu *cpu, const struct insn *in, vy z, fma_host_fn *host)
{
    vy x = ymm(cpu, in->reg), y = ymm(cpu, in->vvvv), r = {.lo = host(x.lo, y.lo, z.lo)};
    if (is_256(in)) r.hi = host(x.hi, y.hi, z.hi);
    set_ymm(cpu, in->reg, r);
    return op_next(cpu, in);
}

SSE_INLINE bool fma_wants_soft(const struct cpu *cpu)
{
    return fp_wants_soft(cpu) || !host_has_fma();
}

#define FMA_PACKED_ROW(row, name, spec, lanes, n)                                                                      \
    FMA_ASM(name)                                                                                                      \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        vy z = ymm_rm(cpu, in);                                                                                        \
        if (fma_wants_soft(cpu)) return fma_soft(cpu, in, z.lo, z.hi, &spec, lanes, n);                                \
        return fma_host(cpu, in, z, host_##name);                                                                      \
    }

#define FMA_SCALAR_ROW(row, name, spec, fetch, lanes)                                                                  \
    FMA_ASM(name)                                                                                                      \
    OP(row)                                                                                                            \
    {                                                                                                                  \
        vx z = fetch(cpu, in);                                                                                         \
        if (fma_wants_soft(cpu)) return fma_soft(cpu, in, z, z, &spec, lanes, 1);                                      \
        return vex_done(cpu, in, host_##name(xmm(cpu, in->reg), xmm(cpu, in->vvvv), z));                               \
    }

#define FMA_PACKED(NAME, name)                                                                                         \
    FMA_PACKED_ROW(NAME##PS_VpsHpsWps, name##ps, spec_##name, fma32, 4)                                                \
    FMA_PACKED_ROW(NAME##PD_VpdHpdWpd, name##pd, spec_##name, fma64, 2)
#define FMA_SCALAR(NAME, name)                                                                                         \
    FMA_SCALAR_ROW(NAME##SS_VssHssWss, name##ss, spec_##name, ss_rm, fma32)                                            \
    FMA_SCALAR_ROW(NAME##SD_VsdHsdWsd, name##sd, spec_##name, sd_rm, fma64)

/* name, what is negated in even elements, in odd ones */
#define FMA_OPS(X)                                                                                                     \
    X(FMADD, fmadd, 0, 0)                                                                                              \
    X(FMSUB, fmsub, SF_NEG_ADDEND, SF_NEG_ADDEND)                                                                      \
    X(FNMADD, fnmadd, SF_NEG_PRODUCT, SF_NEG_PRODUCT)                                                                  \
    X(FNMSUB, fnmsub, SF_NEG_PRODUCT | SF_NEG_ADDEND, SF_NEG_PRODUCT | SF_NEG_ADDEND)
#define FMA_MIXED_OPS(X) X(FMADDSUB, fmaddsub, SF_NEG_ADDEND, 0) X(FMSUBADD, fmsubadd, 0, SF_NEG_ADDEND)

/* The three orders, as operands of sf_muladd. */
#define FMA_SPECS(NAME, name, even, odd)                                                                               \
    static const struct fma_spec spec_v##name##132 = {{0, 2, 1}, even, odd};                                           \
    static const struct fma_spec spec_v##name##213 = {{1, 0, 2}, even, odd};                                           \
    static const struct fma_spec spec_v##name##231 = {{1, 2, 0}, even, odd};
FMA_OPS(FMA_SPECS)
FMA_MIXED_OPS(FMA_SPECS)

#define FMA_PACKED_ROWS(NAME, name, even, odd)                                                                         \
    FMA_PACKED(V##NAME##132, v##name##132)                                                                             \
    FMA_PACKED(V##NAME##213, v##name##213)                                                                             \
    FMA_PACKED(V##NAME##231, v##name##231)
FMA_OPS(FMA_PACKED_ROWS)
FMA_MIXED_OPS(FMA_PACKED_ROWS)

#define FMA_SCALAR_ROWS(NAME, name, even, odd)                                                                         \
    FMA_SCALAR(V##NAME##132, v##name##132)                                                                             \
    FMA_SCALAR(V##NAME##213, v##name##213)                                                                             \
    FMA_SCALAR(V##NAME##231, v##name##231)
FMA_OPS(FMA_SCALAR_ROWS)
