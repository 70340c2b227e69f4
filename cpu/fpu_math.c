// x87 operations of row D9 E0..FF that compute: square root, rounding, scale, remainder, transcendentals. See fpu.h.
#include "cpu/fpu.h"

static bool underflow1(struct cpu *cpu, const struct insn *in)
{
    if (!fpu_empty(&cpu->fpu, 0)) return false;
    if (fpu_stack_fault(cpu, in, false)) fpu_put(&cpu->fpu, 0, fpu_indefinite());
    return true;
}

// Operations on ST(0) and ST(1) that replace ST(0), or ST(1) with a pop.
static bool underflow2(struct cpu *cpu, const struct insn *in, bool pop)
{
    struct fpu *f = &cpu->fpu;
    if (!fpu_empty(f, 0) && !fpu_empty(f, 1)) return false;
    if (!fpu_stack_fault(cpu, in, false)) return true;
    fpu_put(f, pop ? 1 : 0, fpu_indefinite());
    if (pop) fpu_pop(f);
    return true;
}

// Partial results are told by C2; a fault is none.
static void set_c2(struct cpu *cpu, bool partial)
{
    cpu->fpu.sw = (uint16_t)((cpu->fpu.sw & ~FSW_C2) | (partial ? FSW_C2 : 0));
}

static struct sf_num st(const struct cpu *cpu, unsigned i, const struct sf_env *env)
{
    return f80_unpack(fpu_get(&cpu->fpu, i), env);
}

static void deliver(struct cpu *cpu, const struct insn *in, struct sf_num r, const struct sf_env *env)
{
    if (fpu_report(cpu, in, env)) fpu_put(&cpu->fpu, 0, f80_pack(r));
}

void fpu_sqrt(struct cpu *cpu, const struct insn *in)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    if (underflow1(cpu, in)) return;
    deliver(cpu, in, sf_sqrt(st(cpu, 0, &env), sf_fmt80_for(&env), &env), &env);
}

void fpu_rint(struct cpu *cpu, const struct insn *in)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    if (underflow1(cpu, in)) return;
    deliver(cpu, in, sf_rint(st(cpu, 0, &env), env.rounding, &sf_fmt80, &env), &env);
}

void fpu_scale(struct cpu *cpu, const struct insn *in)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    if (underflow2(cpu, in, false)) return;
    deliver(cpu, in, sf_scale(st(cpu, 0, &env), st(cpu, 1, &env), &env), &env);
}

// Two results where there was one; an overflow or underflow of the stack makes both indefinite.
static void deliver_two(struct cpu *cpu, struct f80 below, struct f80 top)
{
    fpu_put(&cpu->fpu, 0, below);
    fpu_set_top(&cpu->fpu, fpu_top(&cpu->fpu) - 1);
    fpu_put(&cpu->fpu, 0, top);
}

static bool fault_of_two(struct cpu *cpu, const struct insn *in)
{
    struct fpu *f = &cpu->fpu;
    bool under = fpu_empty(f, 0);
    if (!under && fpu_empty(f, 7)) return false;
    if (fpu_stack_fault(cpu, in, !under)) deliver_two(cpu, fpu_indefinite(), fpu_indefinite());
    return true;
}

void fpu_extract(struct cpu *cpu, const struct insn *in)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    if (fault_of_two(cpu, in)) return;
    struct sf_num exponent, significand = sf_extract(st(cpu, 0, &env), &exponent, &env);
    if (fpu_report(cpu, in, &env)) deliver_two(cpu, f80_pack(exponent), f80_pack(significand));
}

void fpu_rem(struct cpu *cpu, const struct insn *in, bool nearest)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    unsigned q;
    bool partial;
    set_c2(cpu, false);
    if (underflow2(cpu, in, false)) return;
    struct sf_num r = sf_rem(st(cpu, 0, &env), st(cpu, 1, &env), nearest, &q, &partial, &env);
    if (!fpu_report(cpu, in, &env)) return;
    fpu_put(&cpu->fpu, 0, f80_pack(r));
    if (sf_is_nan(r)) return;
    // SDM volume 2, FPREM: C0, C3, C1 are quotient bits 2, 1, 0.
    unsigned cc = (q & 4 ? FSW_C0 : 0) | (q & 2 ? FSW_C3 : 0) | (partial ? FSW_C2 : 0);
    cpu->fpu.sw = (uint16_t)((cpu->fpu.sw & ~FSW_CC) | cc | (q & 1 ? FSW_C1 : 0));
}

// ---- transcendentals ----

static void report_result(struct cpu *cpu, const struct insn *in, const struct fpu_result *r, struct sf_env *env)
{
    env->flags = r->flags;
    env->c1 = r->c1;
    fpu_report(cpu, in, env);
}

static bool is_stopped(const struct fpu_result *r, const struct sf_env *env)
{
    return r->flags & ~env->masks & SF_PRE;
}

static struct fpu_result call(const struct cpu *cpu, enum fpu_func func, const struct sf_env *env)
{
    return fpu_host_func(func, fpu_get(&cpu->fpu, 0), fpu_get(&cpu->fpu, 1), env);
}

// FPATAN, FYL2X, FYL2XP1: ST(1) = f(ST(1), ST(0)), pop.
static void two_to_one(struct cpu *cpu, const struct insn *in, enum fpu_func func)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    if (underflow2(cpu, in, true)) return;
    struct fpu_result r = call(cpu, func, &env);
    report_result(cpu, in, &r, &env);
    if (is_stopped(&r, &env)) return;
    fpu_put(&cpu->fpu, 1, r.value);
    fpu_pop(&cpu->fpu);
}

// F2XM1, FSIN, FCOS.
static void one_to_one(struct cpu *cpu, const struct insn *in, enum fpu_func func)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    if (func != FPU_2XM1) set_c2(cpu, false);
    if (underflow1(cpu, in)) return;
    struct fpu_result r = call(cpu, func, &env);
    report_result(cpu, in, &r, &env);
    if (r.partial) set_c2(cpu, true);
    if (!is_stopped(&r, &env) && !r.partial) fpu_put(&cpu->fpu, 0, r.value);
}

// FSINCOS, FPTAN: a second result is pushed, unless C2 says that the operand was out of range.
static void one_to_two(struct cpu *cpu, const struct insn *in, enum fpu_func func)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    set_c2(cpu, false);
    if (fault_of_two(cpu, in)) return;
    struct fpu_result r = call(cpu, func, &env);
    report_result(cpu, in, &r, &env);
    if (r.partial) set_c2(cpu, true);
    if (!is_stopped(&r, &env) && !r.partial) deliver_two(cpu, r.value, r.second);
}

void fpu_transcendental(struct cpu *cpu, const struct insn *in, enum fpu_func func)
{
    switch (func) {
    case FPU_ATAN:
    case FPU_YL2X:
    case FPU_YL2XP1:
        two_to_one(cpu, in, func);
        return;
    case FPU_SINCOS:
    case FPU_TAN:
        one_to_two(cpu, in, func);
        return;
    default:
        one_to_one(cpu, in, func);
    }
}
