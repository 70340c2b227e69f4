// x87 loads, stores and register moves (opcodes D9 to DF). A store goes to memory before the state changes.
#include "cpu/x87_op.h"

// ---- loads ----

OP(FLD_Md)
{
    fpu_wait(cpu, in);
    struct sf_env env = fpu_env(&cpu->fpu);
    fpu_push_num(cpu, in, sf32_unpack(load32(cpu, in, ea(cpu, in)), &env));
    return op_next(cpu, in);
}

OP(FLD_Mq)
{
    fpu_wait(cpu, in);
    struct sf_env env = fpu_env(&cpu->fpu);
    fpu_push_num(cpu, in, sf64_unpack(load64(cpu, in, ea(cpu, in)), &env));
    return op_next(cpu, in);
}

OP(FLD_Mt)
{
    fpu_wait(cpu, in);
    uint64_t frac = load64(cpu, in, ea(cpu, in));
    fpu_push(cpu, in, (struct f80){.frac = frac, .se = load16(cpu, in, ea(cpu, in) + 8)});
    return op_next(cpu, in);
}

OP(FLD_STi)
{
    fpu_wait(cpu, in);
    fpu_push_st(cpu, in, sti(in));
    return op_next(cpu, in);
}

static const struct insn *load_int(struct cpu *cpu, const struct insn *in, int64_t v)
{
    fpu_push(cpu, in, f80_pack(sf_from_int(v)));
    return op_next(cpu, in);
}

OP(FILD_Mw)
{
    fpu_wait(cpu, in);
    return load_int(cpu, in, (int16_t)load16(cpu, in, ea(cpu, in)));
}

OP(FILD_Md)
{
    fpu_wait(cpu, in);
    return load_int(cpu, in, (int32_t)load32(cpu, in, ea(cpu, in)));
}

OP(FILD_Mq)
{
    fpu_wait(cpu, in);
    return load_int(cpu, in, (int64_t)load64(cpu, in, ea(cpu, in)));
}

OP(FBLD_Mt)
{
    uint8_t bcd[10];
    fpu_wait(cpu, in);
    load_bytes(cpu, in, ea(cpu, in), bcd, 8);
    load_bytes(cpu, in, ea(cpu, in) + 8, bcd + 8, 2);
    fpu_push(cpu, in, f80_pack(sf_from_bcd(bcd)));
    return op_next(cpu, in);
}

static const struct insn *load_constant(struct cpu *cpu, const struct insn *in, enum fpu_constant which)
{
    fpu_wait(cpu, in);
    fpu_push_constant(cpu, in, which);
    return op_next(cpu, in);
}

// clang-format off
OP(FLD1) { return load_constant(cpu, in, FPU_1); }
OP(FLDL2T) { return load_constant(cpu, in, FPU_L2T); }
OP(FLDL2E) { return load_constant(cpu, in, FPU_L2E); }
OP(FLDPI) { return load_constant(cpu, in, FPU_PI); }
OP(FLDLG2) { return load_constant(cpu, in, FPU_LG2); }
OP(FLDLN2) { return load_constant(cpu, in, FPU_LN2); }
OP(FLDZ) { return load_constant(cpu, in, FPU_Z); }
// clang-format on

// ---- stores ----

static const struct insn *store2(struct cpu *cpu, const struct insn *in, struct fpu_store s)
{
    if (s.deliver) store_bytes(cpu, in, ea(cpu, in), s.bytes, 2);
    fpu_finish_store(cpu, in, &s);
    return op_next(cpu, in);
}

static const struct insn *store4(struct cpu *cpu, const struct insn *in, struct fpu_store s)
{
    if (s.deliver) store_bytes(cpu, in, ea(cpu, in), s.bytes, 4);
    fpu_finish_store(cpu, in, &s);
    return op_next(cpu, in);
}

static const struct insn *store8b(struct cpu *cpu, const struct insn *in, struct fpu_store s)
{
    if (s.deliver) store_bytes(cpu, in, ea(cpu, in), s.bytes, 8);
    fpu_finish_store(cpu, in, &s);
    return op_next(cpu, in);
}

static const struct insn *store10(struct cpu *cpu, const struct insn *in, struct fpu_store s)
{
    if (s.deliver) { // two stores, as in the hardware: the first stays when the second faults
        store_bytes(cpu, in, ea(cpu, in), s.bytes, 8);
        store_bytes(cpu, in, ea(cpu, in) + 8, s.bytes + 8, 2);
    }
    fpu_finish_store(cpu, in, &s);
    return op_next(cpu, in);
}

enum { STAY = false, POP = true, ROUND = false, TRUNCATE = true };

static struct fpu_store real(struct cpu *cpu, const struct insn *in, unsigned size, bool pop)
{
    fpu_wait(cpu, in);
    return fpu_prepare_real(cpu, size, pop);
}

static struct fpu_store integer(struct cpu *cpu, const struct insn *in, unsigned size, bool truncate, bool pop)
{
    fpu_wait(cpu, in);
    return fpu_prepare_int(cpu, size, truncate, pop);
}

// clang-format off
OP(FST_Md) { return store4(cpu, in, real(cpu, in, 4, STAY)); }
OP(FSTP_Md) { return store4(cpu, in, real(cpu, in, 4, POP)); }
OP(FST_Mq) { return store8b(cpu, in, real(cpu, in, 8, STAY)); }
OP(FSTP_Mq) { return store8b(cpu, in, real(cpu, in, 8, POP)); }
OP(FSTP_Mt) { return store10(cpu, in, real(cpu, in, 10, POP)); }
OP(FIST_Mw) { return store2(cpu, in, integer(cpu, in, 2, ROUND, STAY)); }
OP(FISTP_Mw) { return store2(cpu, in, integer(cpu, in, 2, ROUND, POP)); }
OP(FISTTP_Mw) { return store2(cpu, in, integer(cpu, in, 2, TRUNCATE, POP)); }
OP(FIST_Md) { return store4(cpu, in, integer(cpu, in, 4, ROUND, STAY)); }
OP(FISTP_Md) { return store4(cpu, in, integer(cpu, in, 4, ROUND, POP)); }
OP(FISTTP_Md) { return store4(cpu, in, integer(cpu, in, 4, TRUNCATE, POP)); }
OP(FISTP_Mq) { return store8b(cpu, in, integer(cpu, in, 8, ROUND, POP)); }
OP(FISTTP_Mq) { return store8b(cpu, in, integer(cpu, in, 8, TRUNCATE, POP)); }
// clang-format on

OP(FBSTP_Mt)
{
    fpu_wait(cpu, in);
    return store10(cpu, in, fpu_prepare_bcd(cpu));
}

// ---- registers ----

static const struct insn *store_st(struct cpu *cpu, const struct insn *in, bool pop)
{
    fpu_wait(cpu, in);
    fpu_store_st(cpu, in, sti(in), pop);
    return op_next(cpu, in);
}

static const struct insn *exchange(struct cpu *cpu, const struct insn *in)
{
    fpu_wait(cpu, in);
    fpu_exchange(cpu, in, sti(in));
    return op_next(cpu, in);
}

static const struct insn *cmov(struct cpu *cpu, const struct insn *in, bool condition)
{
    fpu_wait(cpu, in);
    fpu_cmov(cpu, in, condition, sti(in));
    return op_next(cpu, in);
}

// clang-format off
OP(FST_STi) { return store_st(cpu, in, STAY); }
OP(FSTP_STi) { return store_st(cpu, in, POP); }
OP(FSTP_STi_DF2) { return store_st(cpu, in, POP); }
OP(FSTP_STi_DF3) { return store_st(cpu, in, POP); }
OP(FXCH_STi) { return exchange(cpu, in); }
OP(FXCH_STi_DD) { return exchange(cpu, in); }
OP(FXCH_STi_DF) { return exchange(cpu, in); }
OP(FCMOVB_STSTi) { return cmov(cpu, in, flag_cf(cpu)); }
OP(FCMOVE_STSTi) { return cmov(cpu, in, flag_zf(cpu)); }
OP(FCMOVBE_STSTi) { return cmov(cpu, in, flag_cf(cpu) || flag_zf(cpu)); }
OP(FCMOVU_STSTi) { return cmov(cpu, in, flag_pf(cpu)); }
OP(FCMOVNB_STSTi) { return cmov(cpu, in, !flag_cf(cpu)); }
OP(FCMOVNE_STSTi) { return cmov(cpu, in, !flag_zf(cpu)); }
OP(FCMOVNBE_STSTi) { return cmov(cpu, in, !flag_cf(cpu) && !flag_zf(cpu)); }
OP(FCMOVNU_STSTi) { return cmov(cpu, in, !flag_pf(cpu)); }
// clang-format on

// Undocumented, known as FSTPNCE.
OP(FSTP_STi_D9)
{
    fpu_wait(cpu, in);
    fpu_store_st_nce(cpu, in, sti(in));
    return op_next(cpu, in);
}

OP(FFREE_STi)
{
    fpu_wait(cpu, in);
    fpu_report_none(cpu, in);
    fpu_free(&cpu->fpu, sti(in));
    return op_next(cpu, in);
}

// Undocumented: FFREE, then a pop.
OP(FFREEP_STi)
{
    fpu_wait(cpu, in);
    fpu_report_none(cpu, in);
    fpu_free(&cpu->fpu, sti(in));
    fpu_pop(&cpu->fpu);
    return op_next(cpu, in);
}

static const struct insn *rotate(struct cpu *cpu, const struct insn *in, unsigned by)
{
    fpu_wait(cpu, in);
    fpu_report_none(cpu, in);
    fpu_set_top(&cpu->fpu, fpu_top(&cpu->fpu) + by);
    return op_next(cpu, in);
}

// clang-format off
OP(FINCSTP) { return rotate(cpu, in, 1); }
OP(FDECSTP) { return rotate(cpu, in, 7); }
// clang-format on
