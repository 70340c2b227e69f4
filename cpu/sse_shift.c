/* Shifts of MMX and SSE: of elements by a register's, memory's or an immediate's count, and of the whole register by
 * bytes. The count is the whole low quadword; one of the element's width or more gives zeros (or signs). */
#include "cpu/sse.h"

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

OP(PSRLDQ_UdqIb)
{
    unsigned n = (uint8_t)in->imm;
    set_xmm(cpu, in->rm, n < 16 ? vx_from(vx_whole(xmm(cpu, in->rm)) >> 8 * n) : (vx){0, 0});
    return op_next(cpu, in);
}

OP(PSLLDQ_UdqIb)
{
    unsigned n = (uint8_t)in->imm;
    set_xmm(cpu, in->rm, n < 16 ? vx_from(vx_whole(xmm(cpu, in->rm)) << 8 * n) : (vx){0, 0});
    return op_next(cpu, in);
}
