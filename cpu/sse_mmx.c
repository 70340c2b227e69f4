/* MMX moves and EMMS. A store that faults has made the x87 state MMX's already, as on the CPU. MMX arithmetic stands
 * with its SSE twin (sse_int.c, sse_shift.c, sse_shuffle.c, sse_convert.c). */
#include "cpu/sse.h"

OP(MOVD_PdEd_r)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, reg32(cpu, in->rm));
}

OP(MOVD_PdEd_m)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, vx_load32(cpu, in, ea(cpu, in)));
}

OP(MOVQ_PqEq_r)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, reg64(cpu, in->rm));
}

OP(MOVQ_PqEq_m)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, vx_load64(cpu, in, ea(cpu, in)));
}

OP(MOVD_EdPd_r)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    set_reg32(cpu, in->rm, (uint32_t)mm(cpu, in->reg));
    return op_next(cpu, in);
}

OP(MOVD_EdPd_m)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    vx_store32(cpu, in, ea(cpu, in), (uint32_t)mm(cpu, in->reg));
    return op_next(cpu, in);
}

OP(MOVQ_EqPq_r)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    set_reg64(cpu, in->rm, mm(cpu, in->reg));
    return op_next(cpu, in);
}

SSE_INLINE const struct insn *mmx_store(struct cpu *cpu, const struct insn *in)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    vx_store64(cpu, in, ea(cpu, in), mm(cpu, in->reg));
    return op_next(cpu, in);
}

OP(MOVQ_EqPq_m)
{
    return mmx_store(cpu, in);
}

OP(MOVQ_QqPq_m)
{
    return mmx_store(cpu, in);
}

OP(MOVNTQ_MqPq)
{
    return mmx_store(cpu, in);
}

OP(MOVQ_PqQq_r)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, mm(cpu, in->rm));
}

OP(MOVQ_PqQq_m)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, vx_load64(cpu, in, ea(cpu, in)));
}

OP(MOVQ_QqPq_r)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->rm, mm(cpu, in->reg));
}

OP(MOVQ2DQ_VdqNq)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    return xmm_done(cpu, in, vx_low(mm(cpu, in->rm)));
}

OP(MOVDQ2Q_PqUq)
{
    mmx_check(cpu, in);
    return mmx_done(cpu, in, in->reg, xmm(cpu, in->rm)[0]);
}

OP(EMMS)
{
    mmx_check(cpu, in);
    mmx_enter(cpu);
    cpu->fpu.tag = 0;
    return op_next(cpu, in);
}
