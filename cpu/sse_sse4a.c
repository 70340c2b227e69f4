/* SSE4a, AMD's: bit fields of the low half of an XMM register, and scalar stores past the caches (AMD64 Architecture
 * Programmer's Manual volume 4, EXTRQ, INSERTQ, MOVNTSD, MOVNTSS).
 *
 * The manual leaves undefined: the upper half of the result, here 0 (as AMD's processors are said to do); a field that
 * reaches over bit 63, here cut off; a length of 0, which means 64, at another place than 0, the same. */
#include "cpu/sse.h"

/* Length and start are the low six bits of two bytes, in immediates and registers alike. */
SSE_INLINE uint64_t field_mask(unsigned control)
{
    unsigned length = control & 63;
    return length ? ~0ull >> (64 - length) : ~0ull;
}

SSE_INLINE unsigned field_start(unsigned control)
{
    return control >> 8 & 63;
}

SSE_INLINE vx extract(vx a, unsigned control)
{
    return vx_low(a[0] >> field_start(control) & field_mask(control));
}

SSE_INLINE vx insert(vx a, vx b, unsigned control)
{
    uint64_t mask = field_mask(control) << field_start(control);
    return vx_low((a[0] & ~mask) | (b[0] << field_start(control) & mask));
}

OP(EXTRQ_UqIw)
{
    set_xmm(cpu, in->rm, extract(xmm(cpu, in->rm), (unsigned)in->imm));
    return op_next(cpu, in);
}

OP(EXTRQ_VqUq)
{
    return xmm_done(cpu, in, extract(xmm(cpu, in->reg), (unsigned)xmm(cpu, in->rm)[0]));
}

OP(INSERTQ_VqUqIw)
{
    return xmm_done(cpu, in, insert(xmm(cpu, in->reg), xmm(cpu, in->rm), (unsigned)in->imm));
}

OP(INSERTQ_VqUdq)
{
    vx b = xmm(cpu, in->rm);
    return xmm_done(cpu, in, insert(xmm(cpu, in->reg), b, (unsigned)b[1]));
}

OP(MOVNTSD_MqVq)
{
    vx_store64(cpu, in, ea(cpu, in), xmm(cpu, in->reg)[0]);
    return op_next(cpu, in);
}

OP(MOVNTSS_MdVd)
{
    vx_store32(cpu, in, ea(cpu, in), (uint32_t)xmm(cpu, in->reg)[0]);
    return op_next(cpu, in);
}
