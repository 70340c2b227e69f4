// x87 control: status and control words, environment and state images, FXSAVE. The FN instructions do not wait.
#include "cpu/hostfp.h"
#include "cpu/x87_op.h"

// clang-format off
OP(FENI) { return op_next(cpu, in); }
OP(FDISI) { return op_next(cpu, in); }
OP(FSETPM) { return op_next(cpu, in); }
// clang-format on

OP(FWAIT)
{
    fpu_wait(cpu, in);
    return op_next(cpu, in);
}

OP(FNOP)
{
    fpu_wait(cpu, in);
    cpu->fpu.fip = in->pc;
    return op_next(cpu, in);
}

OP(FNCLEX)
{
    cpu->fpu.sw &= (uint16_t) ~(SF_ALL | FSW_SF | FSW_ES | FSW_B);
    return op_next(cpu, in);
}

OP(FNINIT)
{
    fpu_init(&cpu->fpu);
    return op_next(cpu, in);
}

OP(FLDCW_Mw)
{
    fpu_wait(cpu, in);
    fpu_set_cw(&cpu->fpu, load16(cpu, in, ea(cpu, in)));
    return op_next(cpu, in);
}

OP(FNSTCW_Mw)
{
    store16(cpu, in, ea(cpu, in), cpu->fpu.cw);
    return op_next(cpu, in);
}

OP(FNSTSW_Mw)
{
    store16(cpu, in, ea(cpu, in), cpu->fpu.sw);
    return op_next(cpu, in);
}

OP(FNSTSW_AX)
{
    set_reg16(cpu, RAX, cpu->fpu.sw);
    return op_next(cpu, in);
}

// ---- environment and state ----

// The hardware touches the first element and the last byte before it starts.
static void probe_image_store(struct cpu *cpu, const struct insn *in, unsigned first, unsigned size)
{
    probe_store(cpu, in, ea(cpu, in), first);
    probe_store(cpu, in, ea(cpu, in) + size - 1, 1);
}

static void probe_image_load(struct cpu *cpu, const struct insn *in, unsigned first, unsigned size)
{
    probe_load(cpu, in, ea(cpu, in), first);
    probe_load(cpu, in, ea(cpu, in) + size - 1, 1);
}

// The 66 prefix selects the 16-bit formats, unless REX.W outdoes it.
static bool is_wide(const struct insn *in)
{
    return !(in->pfx & PFX_OPSIZE) || in->pfx & PFX_REXW;
}

enum { ELEMENT16 = 2, ELEMENT32 = 4 };

static void store_env(struct cpu *cpu, const struct insn *in, bool wide)
{
    uint8_t image[FPU_ENV32_BYTES];
    fpu_write_env(&cpu->fpu, image, wide);
    if (wide)
        store_bytes(cpu, in, ea(cpu, in), image, FPU_ENV32_BYTES);
    else
        store_bytes(cpu, in, ea(cpu, in), image, FPU_ENV16_BYTES);
}

static void load_env(struct cpu *cpu, const struct insn *in, uint8_t image[FPU_ENV32_BYTES], bool wide)
{
    if (wide)
        load_bytes(cpu, in, ea(cpu, in), image, FPU_ENV32_BYTES);
    else
        load_bytes(cpu, in, ea(cpu, in), image, FPU_ENV16_BYTES);
}

OP(FNSTENV_M)
{
    bool wide = is_wide(in);
    probe_image_store(cpu, in, wide ? ELEMENT32 : ELEMENT16, wide ? FPU_ENV32_BYTES : FPU_ENV16_BYTES);
    store_env(cpu, in, wide);
    fpu_set_cw(&cpu->fpu, cpu->fpu.cw | SF_ALL);
    return op_next(cpu, in);
}

OP(FLDENV_M)
{
    uint8_t image[FPU_ENV32_BYTES];
    bool wide = is_wide(in);
    fpu_wait(cpu, in);
    probe_image_load(cpu, in, wide ? ELEMENT32 : ELEMENT16, wide ? FPU_ENV32_BYTES : FPU_ENV16_BYTES);
    load_env(cpu, in, image, wide);
    fpu_read_env(&cpu->fpu, image, wide);
    return op_next(cpu, in);
}

enum { REGS_BYTES = 80 };

OP(FNSAVE_M)
{
    uint8_t regs[REGS_BYTES];
    bool wide = is_wide(in);
    probe_image_store(cpu, in, wide ? ELEMENT32 : ELEMENT16, wide ? FPU_SAVE32_BYTES : FPU_SAVE16_BYTES);
    store_env(cpu, in, wide);
    fpu_write_regs(&cpu->fpu, regs);
    store_bytes(cpu, in, ea(cpu, in) + (wide ? FPU_ENV32_BYTES : FPU_ENV16_BYTES), regs, REGS_BYTES);
    fpu_init(&cpu->fpu);
    return op_next(cpu, in);
}

OP(FRSTOR_M)
{
    uint8_t regs[REGS_BYTES], env[FPU_ENV32_BYTES];
    bool wide = is_wide(in);
    fpu_wait(cpu, in);
    probe_image_load(cpu, in, wide ? ELEMENT32 : ELEMENT16, wide ? FPU_SAVE32_BYTES : FPU_SAVE16_BYTES);
    load_env(cpu, in, env, wide);
    load_bytes(cpu, in, ea(cpu, in) + (wide ? FPU_ENV32_BYTES : FPU_ENV16_BYTES), regs, REGS_BYTES);
    fpu_read_env(&cpu->fpu, env, wide);
    fpu_read_regs(&cpu->fpu, regs);
    return op_next(cpu, in);
}

// ---- FXSAVE, FXRSTOR ----

enum { FX_WRITTEN = 416 }; // the last 96 bytes are checked, but not written

static void check_alignment(struct cpu *cpu, const struct insn *in)
{
    if (ea(cpu, in) & 15) cpu_raise(cpu, in, VEC_GP);
}

OP(FXSAVE_M)
{
    uint8_t image[FXSAVE_BYTES];
    check_alignment(cpu, in);
    probe_image_store(cpu, in, 1, FXSAVE_BYTES);
    cpu->mxcsr = cpu_get_mxcsr(cpu);
    fpu_fxsave(cpu, image, in->pfx & PFX_REXW);
    store_bytes(cpu, in, ea(cpu, in), image, FX_WRITTEN);
    return op_next(cpu, in);
}

OP(FXRSTOR_M)
{
    uint8_t image[FXSAVE_BYTES];
    check_alignment(cpu, in);
    probe_image_load(cpu, in, 1, FXSAVE_BYTES);
    load_bytes(cpu, in, ea(cpu, in), image, FXSAVE_BYTES);
    if (!fpu_fxrstor(cpu, image, in->pfx & PFX_REXW)) cpu_raise(cpu, in, VEC_GP);
    cpu_set_mxcsr(cpu, cpu->mxcsr);
    return op_next(cpu, in);
}
