/* Shifts of MMX, SSE and AVX: of elements by a register's, memory's or an immediate's count, and of the whole register
 * by bytes. The count is the whole low quadword; one of the element's width or more gives zeros (or signs). */
#include "cpu/sse.h"

/* ---- Elements ---- */

/* name, element, result for a count n below the element's width, result for any other */
#define SHIFT_OPS(X)                                                                                                   \
    X(PSRLW, u16, a >> n, 0)                                                                                           \
    X(PSRLD, u32, a >> n, 0)                                                                                           \
    X(PSRLQ, u64, a >> n, 0)                                                                                           \
    X(PSRAW, s16, a >> n, a >> 15)                                                                                     \
    X(PSRAD, s32, a >> n, a >> 31)                                                                                     \
    X(PSLLW, u16, a << n, 0)                                                                                           \
    X(PSLLD, u32, a << n, 0)                                                                                           \
    X(PSLLQ, u64, a << n, 0)

#define SHIFT_FUNCTIONS(name, element, shifted, beyond)                                                                \
    SSE_INLINE vx lane_##name(vx v, vx counts)                                                                         \
    {                                                                                                                  \
        union lanes x = {.v = v}, r;                                                                                   \
        bool within = counts[0] < 8 * sizeof x.element[0];                                                             \
        unsigned n = (unsigned)counts[0] & (8 * sizeof x.element[0] - 1);                                              \
        for (unsigned i = 0; i < LANES_OF(element); i++) {                                                             \
            __typeof__(x.element[0]) a = x.element[i];                                                                 \
            r.element[i] = (__typeof__(a))(within ? (shifted) : (beyond));                                             \
        }                                                                                                              \
        return r.v;                                                                                                    \
    }                                                                                                                  \
    VX_FAST(name, #name)
SHIFT_OPS(SHIFT_FUNCTIONS)

#define SHIFT_ROWS(name, element, shifted, beyond)                                                                     \
    XMM_BINARY(name##_VdqWdq, fast_##name)                                                                             \
    MMX_BINARY(name##_PqQq, fast_##name)                                                                               \
    OP(name##_UdqIb)                                                                                                   \
    {                                                                                                                  \
        set_xmm(cpu, in->rm, fast_##name(xmm(cpu, in->rm), vx_low((uint8_t)in->imm)));                                 \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(name##_NqIb)                                                                                                    \
    {                                                                                                                  \
        mmx_check(cpu, in);                                                                                            \
        return mmx_done(cpu, in, in->rm, fast_##name(vx_low(mm(cpu, in->rm)), vx_low((uint8_t)in->imm))[0]);           \
    }
SHIFT_OPS(SHIFT_ROWS)

/* One count for both halves: 16 bytes, in memory too. */
SSE_INLINE const struct insn *vex_shift(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    vx counts = is_mem(in) ? vx_load(cpu, in, ea(cpu, in)) : xmm(cpu, in->rm);
    vy a = ymm(cpu, in->vvvv);
    return vex_done_y(cpu, in, (vy){f(a.lo, counts), f(a.hi, counts)});
}

/* The destination is vvvv. */
SSE_INLINE const struct insn *vex_shift_by_imm(struct cpu *cpu, const struct insn *in, vx_binary_fn *f)
{
    vx counts = vx_low((uint8_t)in->imm);
    vy a = ymm(cpu, in->rm), r = {.lo = f(a.lo, counts)};
    if (is_256(in)) r.hi = f(a.hi, counts);
    set_ymm(cpu, in->vvvv, r);
    return op_next(cpu, in);
}

#define SHIFT_VEX_ROWS(name, element, shifted, beyond)                                                                 \
    OP(V##name##_VxHxWdq)                                                                                              \
    {                                                                                                                  \
        return vex_shift(cpu, in, fast_##name);                                                                        \
    }                                                                                                                  \
    OP(V##name##_HxUxIb)                                                                                               \
    {                                                                                                                  \
        return vex_shift_by_imm(cpu, in, fast_##name);                                                                 \
    }
SHIFT_OPS(SHIFT_VEX_ROWS)

/* ---- A count for each element: only VEX has these ---- */

/* One element after the other: to shift four by four without AVX2 a compiler may make powers of two in floating point,
 * by conversions whose exceptions stay in MXCSR, which is the guest's while this runs (clang does). */
SSE_INLINE unsigned alone(unsigned n)
{
    __asm__("" : "+r"(n));
    return n;
}

/* row, element, result for a count n below the element's width, result for any other */
#define SHIFT_EACH_OPS(X)                                                                                              \
    X(VPSRLVD_VxHxWx, u32, a >> n, 0)                                                                                  \
    X(VPSRLVQ_VxHxWx, u64, a >> n, 0)                                                                                  \
    X(VPSRAVD_VxHxWx, s32, a >> n, a >> 31)                                                                            \
    X(VPSLLVD_VxHxWx, u32, a << n, 0)                                                                                  \
    X(VPSLLVQ_VxHxWx, u64, a << n, 0)

#define SHIFT_EACH_ROW(row, element, shifted, beyond)                                                                  \
    SSE_INLINE vx lane_##row(vx va, vx vb)                                                                             \
    {                                                                                                                  \
        union lanes x = {.v = va}, y = {.v = vb}, r;                                                                   \
        const unsigned width = 8 * sizeof x.element[0];                                                                \
        for (unsigned i = 0; i < LANES_OF(element); i++) {                                                             \
            __typeof__(x.element[0]) a = x.element[i];                                                                 \
            uint64_t count = (uint64_t)y.element[i];                                                                   \
            unsigned n = alone((unsigned)count & (width - 1));                                                         \
            r.element[i] = (__typeof__(a))(count < width ? (shifted) : (beyond));                                      \
        }                                                                                                              \
        return r.v;                                                                                                    \
    }                                                                                                                  \
    VEX_BINARY(row, lane_##row)
SHIFT_EACH_OPS(SHIFT_EACH_ROW)

/* ---- Whole registers, by bytes; in AVX each half for itself ---- */

SSE_INLINE vx psrldq(vx v, vx counts)
{
    return counts[0] < 16 ? vx_from(vx_whole(v) >> 8 * counts[0]) : (vx){0, 0};
}

SSE_INLINE vx pslldq(vx v, vx counts)
{
    return counts[0] < 16 ? vx_from(vx_whole(v) << 8 * counts[0]) : (vx){0, 0};
}

#define BYTE_SHIFT_OPS(X) X(PSRLDQ, psrldq) X(PSLLDQ, pslldq)
#define BYTE_SHIFT_ROWS(name, f)                                                                                       \
    OP(name##_UdqIb)                                                                                                   \
    {                                                                                                                  \
        set_xmm(cpu, in->rm, f(xmm(cpu, in->rm), vx_low((uint8_t)in->imm)));                                           \
        return op_next(cpu, in);                                                                                       \
    }                                                                                                                  \
    OP(V##name##_HxUxIb)                                                                                               \
    {                                                                                                                  \
        return vex_shift_by_imm(cpu, in, f);                                                                           \
    }
BYTE_SHIFT_OPS(BYTE_SHIFT_ROWS)
