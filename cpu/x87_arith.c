// x87 arithmetic, comparisons and functions (opcodes D8 to DF): operands are fetched here, the work is in cpu/fpu.c and
// cpu/fpu_math.c. All of these wait: a pending exception raises #MF first.
#include "cpu/x87_op.h"

// ---- memory operands ----

static const struct insn *arith_f32(struct cpu *cpu, const struct insn *in, fpu_binary *op)
{
    fpu_wait(cpu, in);
    struct sf_env env = fpu_env(&cpu->fpu);
    fpu_arith_operand(cpu, in, op, sf32_unpack(load32(cpu, in, ea(cpu, in)), &env));
    return op_next(cpu, in);
}

static const struct insn *arith_f64(struct cpu *cpu, const struct insn *in, fpu_binary *op)
{
    fpu_wait(cpu, in);
    struct sf_env env = fpu_env(&cpu->fpu);
    fpu_arith_operand(cpu, in, op, sf64_unpack(load64(cpu, in, ea(cpu, in)), &env));
    return op_next(cpu, in);
}

static const struct insn *arith_i32(struct cpu *cpu, const struct insn *in, fpu_binary *op)
{
    fpu_wait(cpu, in);
    fpu_arith_operand(cpu, in, op, sf_from_int((int32_t)load32(cpu, in, ea(cpu, in))));
    return op_next(cpu, in);
}

static const struct insn *arith_i16(struct cpu *cpu, const struct insn *in, fpu_binary *op)
{
    fpu_wait(cpu, in);
    fpu_arith_operand(cpu, in, op, sf_from_int((int16_t)load16(cpu, in, ea(cpu, in))));
    return op_next(cpu, in);
}

// clang-format off
OP(FADD_Md) { return arith_f32(cpu, in, sf_add); }
OP(FMUL_Md) { return arith_f32(cpu, in, sf_mul); }
OP(FSUB_Md) { return arith_f32(cpu, in, sf_sub); }
OP(FSUBR_Md) { return arith_f32(cpu, in, fpu_subr); }
OP(FDIV_Md) { return arith_f32(cpu, in, sf_div); }
OP(FDIVR_Md) { return arith_f32(cpu, in, fpu_divr); }

OP(FADD_Mq) { return arith_f64(cpu, in, sf_add); }
OP(FMUL_Mq) { return arith_f64(cpu, in, sf_mul); }
OP(FSUB_Mq) { return arith_f64(cpu, in, sf_sub); }
OP(FSUBR_Mq) { return arith_f64(cpu, in, fpu_subr); }
OP(FDIV_Mq) { return arith_f64(cpu, in, sf_div); }
OP(FDIVR_Mq) { return arith_f64(cpu, in, fpu_divr); }

OP(FIADD_Md) { return arith_i32(cpu, in, sf_add); }
OP(FIMUL_Md) { return arith_i32(cpu, in, sf_mul); }
OP(FISUB_Md) { return arith_i32(cpu, in, sf_sub); }
OP(FISUBR_Md) { return arith_i32(cpu, in, fpu_subr); }
OP(FIDIV_Md) { return arith_i32(cpu, in, sf_div); }
OP(FIDIVR_Md) { return arith_i32(cpu, in, fpu_divr); }

OP(FIADD_Mw) { return arith_i16(cpu, in, sf_add); }
OP(FIMUL_Mw) { return arith_i16(cpu, in, sf_mul); }
OP(FISUB_Mw) { return arith_i16(cpu, in, sf_sub); }
OP(FISUBR_Mw) { return arith_i16(cpu, in, fpu_subr); }
OP(FIDIV_Mw) { return arith_i16(cpu, in, sf_div); }
OP(FIDIVR_Mw) { return arith_i16(cpu, in, fpu_divr); }
// clang-format on

// ---- registers ----

static const struct insn *arith_st(struct cpu *cpu, const struct insn *in, fpu_binary *op)
{
    fpu_wait(cpu, in);
    fpu_arith(cpu, in, op, 0, sti(in), false);
    return op_next(cpu, in);
}

static const struct insn *arith_sti(struct cpu *cpu, const struct insn *in, fpu_binary *op)
{
    fpu_wait(cpu, in);
    fpu_arith(cpu, in, op, sti(in), 0, false);
    return op_next(cpu, in);
}

static const struct insn *arith_pop(struct cpu *cpu, const struct insn *in, fpu_binary *op)
{
    fpu_wait(cpu, in);
    fpu_arith(cpu, in, op, sti(in), 0, true);
    return op_next(cpu, in);
}

// clang-format off
OP(FADD_STSTi) { return arith_st(cpu, in, sf_add); }
OP(FMUL_STSTi) { return arith_st(cpu, in, sf_mul); }
OP(FSUB_STSTi) { return arith_st(cpu, in, sf_sub); }
OP(FSUBR_STSTi) { return arith_st(cpu, in, fpu_subr); }
OP(FDIV_STSTi) { return arith_st(cpu, in, sf_div); }
OP(FDIVR_STSTi) { return arith_st(cpu, in, fpu_divr); }

OP(FADD_STiST) { return arith_sti(cpu, in, sf_add); }
OP(FMUL_STiST) { return arith_sti(cpu, in, sf_mul); }
OP(FSUB_STiST) { return arith_sti(cpu, in, sf_sub); }
OP(FSUBR_STiST) { return arith_sti(cpu, in, fpu_subr); }
OP(FDIV_STiST) { return arith_sti(cpu, in, sf_div); }
OP(FDIVR_STiST) { return arith_sti(cpu, in, fpu_divr); }

OP(FADDP_STiST) { return arith_pop(cpu, in, sf_add); }
OP(FMULP_STiST) { return arith_pop(cpu, in, sf_mul); }
OP(FSUBP_STiST) { return arith_pop(cpu, in, sf_sub); }
OP(FSUBRP_STiST) { return arith_pop(cpu, in, fpu_subr); }
OP(FDIVP_STiST) { return arith_pop(cpu, in, sf_div); }
OP(FDIVRP_STiST) { return arith_pop(cpu, in, fpu_divr); }
// clang-format on

// ---- comparisons ----

static const struct insn *compare_f32(struct cpu *cpu, const struct insn *in, unsigned how)
{
    fpu_wait(cpu, in);
    struct sf_env env = fpu_env(&cpu->fpu);
    fpu_compare_operand(cpu, in, sf32_unpack(load32(cpu, in, ea(cpu, in)), &env), how);
    return op_next(cpu, in);
}

static const struct insn *compare_f64(struct cpu *cpu, const struct insn *in, unsigned how)
{
    fpu_wait(cpu, in);
    struct sf_env env = fpu_env(&cpu->fpu);
    fpu_compare_operand(cpu, in, sf64_unpack(load64(cpu, in, ea(cpu, in)), &env), how);
    return op_next(cpu, in);
}

static const struct insn *compare_i32(struct cpu *cpu, const struct insn *in, unsigned how)
{
    fpu_wait(cpu, in);
    fpu_compare_operand(cpu, in, sf_from_int((int32_t)load32(cpu, in, ea(cpu, in))), how);
    return op_next(cpu, in);
}

static const struct insn *compare_i16(struct cpu *cpu, const struct insn *in, unsigned how)
{
    fpu_wait(cpu, in);
    fpu_compare_operand(cpu, in, sf_from_int((int16_t)load16(cpu, in, ea(cpu, in))), how);
    return op_next(cpu, in);
}

static const struct insn *compare_st(struct cpu *cpu, const struct insn *in, unsigned i, unsigned how)
{
    fpu_wait(cpu, in);
    fpu_compare(cpu, in, i, how);
    return op_next(cpu, in);
}

// clang-format off
OP(FCOM_Md) { return compare_f32(cpu, in, 0); }
OP(FCOMP_Md) { return compare_f32(cpu, in, CMP_POP); }
OP(FCOM_Mq) { return compare_f64(cpu, in, 0); }
OP(FCOMP_Mq) { return compare_f64(cpu, in, CMP_POP); }
OP(FICOM_Md) { return compare_i32(cpu, in, 0); }
OP(FICOMP_Md) { return compare_i32(cpu, in, CMP_POP); }
OP(FICOM_Mw) { return compare_i16(cpu, in, 0); }
OP(FICOMP_Mw) { return compare_i16(cpu, in, CMP_POP); }

OP(FCOM_STSTi) { return compare_st(cpu, in, sti(in), 0); }
OP(FCOMP_STSTi) { return compare_st(cpu, in, sti(in), CMP_POP); }
OP(FCOM_STSTi_DC) { return compare_st(cpu, in, sti(in), 0); }
OP(FCOMP_STSTi_DC) { return compare_st(cpu, in, sti(in), CMP_POP); }
OP(FCOMP_STSTi_DE) { return compare_st(cpu, in, sti(in), CMP_POP); }
OP(FCOMPP) { return compare_st(cpu, in, 1, CMP_POP2); }
OP(FUCOM_STSTi) { return compare_st(cpu, in, sti(in), CMP_QUIET); }
OP(FUCOMP_STSTi) { return compare_st(cpu, in, sti(in), CMP_QUIET | CMP_POP); }
OP(FUCOMPP) { return compare_st(cpu, in, 1, CMP_QUIET | CMP_POP2); }
OP(FCOMI_STSTi) { return compare_st(cpu, in, sti(in), CMP_EFLAGS); }
OP(FCOMIP_STSTi) { return compare_st(cpu, in, sti(in), CMP_EFLAGS | CMP_POP); }
OP(FUCOMI_STSTi) { return compare_st(cpu, in, sti(in), CMP_EFLAGS | CMP_QUIET); }
OP(FUCOMIP_STSTi) { return compare_st(cpu, in, sti(in), CMP_EFLAGS | CMP_QUIET | CMP_POP); }
// clang-format on

OP(FTST)
{
    fpu_wait(cpu, in);
    fpu_compare_operand(cpu, in, sf_from_int(0), 0);
    return op_next(cpu, in);
}

OP(FXAM)
{
    fpu_wait(cpu, in);
    fpu_xam(cpu, in);
    return op_next(cpu, in);
}

// ---- functions ----

typedef void fpu_fn(struct cpu *cpu, const struct insn *in);

static const struct insn *call(struct cpu *cpu, const struct insn *in, fpu_fn *fn)
{
    fpu_wait(cpu, in);
    fn(cpu, in);
    return op_next(cpu, in);
}

static const struct insn *transcendental(struct cpu *cpu, const struct insn *in, enum fpu_func func)
{
    fpu_wait(cpu, in);
    fpu_transcendental(cpu, in, func);
    return op_next(cpu, in);
}

static const struct insn *sign_change(struct cpu *cpu, const struct insn *in, uint16_t keep, uint16_t flip)
{
    fpu_wait(cpu, in);
    fpu_chs(cpu, in, keep, flip);
    return op_next(cpu, in);
}

static const struct insn *remainder_of(struct cpu *cpu, const struct insn *in, bool nearest)
{
    fpu_wait(cpu, in);
    fpu_rem(cpu, in, nearest);
    return op_next(cpu, in);
}

// clang-format off
OP(FCHS) { return sign_change(cpu, in, 0xffff, 0x8000); }
OP(FABS) { return sign_change(cpu, in, 0x7fff, 0); }
OP(FSQRT) { return call(cpu, in, fpu_sqrt); }
OP(FRNDINT) { return call(cpu, in, fpu_rint); }
OP(FSCALE) { return call(cpu, in, fpu_scale); }
OP(FXTRACT) { return call(cpu, in, fpu_extract); }
OP(FPREM) { return remainder_of(cpu, in, false); }
OP(FPREM1) { return remainder_of(cpu, in, true); }
OP(F2XM1) { return transcendental(cpu, in, FPU_2XM1); }
OP(FYL2X) { return transcendental(cpu, in, FPU_YL2X); }
OP(FYL2XP1) { return transcendental(cpu, in, FPU_YL2XP1); }
OP(FPATAN) { return transcendental(cpu, in, FPU_ATAN); }
OP(FPTAN) { return transcendental(cpu, in, FPU_TAN); }
OP(FSIN) { return transcendental(cpu, in, FPU_SIN); }
OP(FCOS) { return transcendental(cpu, in, FPU_COS); }
OP(FSINCOS) { return transcendental(cpu, in, FPU_SINCOS); }
// clang-format on
