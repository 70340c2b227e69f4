// The x87 register stack, exceptions, arithmetic, comparisons, loads and stores. See fpu.h.
#include "cpu/fpu.h"
#include "cpu/flags.h"
#include "cpu/mem.h"
#include <string.h>

void fpu_put(struct fpu *f, unsigned i, struct f80 v)
{
    unsigned r = fpu_phys(f, i);
    f->st[r] = v;
    f->tag |= (uint8_t)(1u << r);
}

void fpu_free(struct fpu *f, unsigned i)
{
    f->tag &= (uint8_t) ~(1u << fpu_phys(f, i));
}

void fpu_pop(struct fpu *f)
{
    fpu_free(f, 0);
    fpu_set_top(f, fpu_top(f) + 1);
}

static void push(struct fpu *f, struct f80 v)
{
    fpu_set_top(f, fpu_top(f) - 1);
    fpu_put(f, 0, v);
}

void fpu_init(struct fpu *f)
{
    f->cw = FCW_INIT;
    f->sw = 0;
    f->tag = 0;
    f->fop = 0;
    f->fip = f->fdp = 0;
}

void fpu_update_es(struct fpu *f)
{
    f->sw &= (uint16_t) ~(FSW_ES | FSW_B);
    if (f->sw & ~f->cw & SF_ALL) f->sw |= FSW_ES | FSW_B;
}

// Bit 6 always reads 1, bits 7 and 15:13 read 0.
void fpu_set_cw(struct fpu *f, uint16_t cw)
{
    f->cw = (cw & 0x1f3f) | 0x40;
    fpu_update_es(f);
}

struct sf_env fpu_env(const struct fpu *f)
{
    // 01 is reserved; the hardware takes it for 64 bits.
    static const uint8_t precision[] = {24, 64, 53, 64};
    return (struct sf_env){
        .rounding = f->cw >> 10 & 3, .precision = precision[f->cw >> 8 & 3], .masks = f->cw & SF_ALL};
}

struct f80 fpu_indefinite(void)
{
    return f80_pack(sf_default_nan());
}

unsigned fpu_class(struct f80 v)
{
    struct sf_env none = {0};
    struct sf_num n = f80_unpack(v, &none);
    switch (n.kind) {
    case SF_ZERO:
        return FSW_C3;
    case SF_FINITE:
        return n.denorm ? FSW_C3 | FSW_C2 : FSW_C2;
    case SF_INF:
        return FSW_C2 | FSW_C0;
    case SF_BAD:
        return 0;
    default:
        return FSW_C0;
    }
}

// ---- exceptions ----

// FOP: the opcode's low three bits and the ModRM byte. The decoded form has lost them, so the bytes are read again.
static uint16_t opcode_of(struct cpu *cpu, const struct insn *in)
{
    unsigned at_escape = 0;
    for (unsigned i = 0; i < in->len; i++) {
        const uint8_t *p = mem_host(cpu->mem, in->pc + i, MEM_X);
        if (!p) return 0;
        if (at_escape) return (uint16_t)((at_escape & 7) << 8 | *p);
        if ((*p & 0xf8) == 0xd8) at_escape = *p;
    }
    return 0;
}

static void note_unmasked(struct cpu *cpu, const struct insn *in)
{
    struct fpu *f = &cpu->fpu;
    f->sw |= FSW_ES | FSW_B;
    f->fop = opcode_of(cpu, in);
    if (in->rm == INSN_MEM) f->fdp = cpu->regs[in->base] + (cpu->regs[in->index] << in->scale) + insn_disp(in);
}

static void enter(struct cpu *cpu, const struct insn *in, unsigned flags, bool c1)
{
    struct fpu *f = &cpu->fpu;
    f->fip = in->pc;
    f->sw = (uint16_t)((f->sw & ~FSW_C1) | flags | (c1 ? FSW_C1 : 0));
    if (flags & ~f->cw & SF_ALL) note_unmasked(cpu, in);
}

bool fpu_report(struct cpu *cpu, const struct insn *in, const struct sf_env *env)
{
    bool stopped = env->flags & ~env->masks & SF_PRE;
    enter(cpu, in, sf_final_flags(env->flags, env->masks), env->c1 && !stopped);
    return !stopped;
}

bool fpu_stack_fault(struct cpu *cpu, const struct insn *in, bool overflow)
{
    enter(cpu, in, SF_IE | FSW_SF, overflow);
    return cpu->fpu.cw & SF_IE;
}

void fpu_report_none(struct cpu *cpu, const struct insn *in)
{
    enter(cpu, in, 0, false);
}

// ---- arithmetic ----

struct sf_num fpu_subr(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    return sf_sub(b, a, f, env);
}

struct sf_num fpu_divr(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env)
{
    return sf_div(b, a, f, env);
}

static void underflow_to(struct cpu *cpu, const struct insn *in, unsigned dst, bool pop)
{
    if (!fpu_stack_fault(cpu, in, false)) return;
    fpu_put(&cpu->fpu, dst, fpu_indefinite());
    if (pop) fpu_pop(&cpu->fpu);
}

void fpu_arith_operand(struct cpu *cpu, const struct insn *in, fpu_binary *op, struct sf_num operand)
{
    struct fpu *f = &cpu->fpu;
    struct sf_env env = fpu_env(f);
    if (fpu_empty(f, 0)) {
        underflow_to(cpu, in, 0, false);
        return;
    }
    struct sf_num r = op(f80_unpack(fpu_get(f, 0), &env), operand, sf_fmt80_for(&env), &env);
    if (fpu_report(cpu, in, &env)) fpu_put(f, 0, f80_pack(r));
}

void fpu_arith(struct cpu *cpu, const struct insn *in, fpu_binary *op, unsigned dst, unsigned src, bool pop)
{
    struct fpu *f = &cpu->fpu;
    struct sf_env env = fpu_env(f);
    if (fpu_empty(f, dst) || fpu_empty(f, src)) {
        underflow_to(cpu, in, dst, pop);
        return;
    }
    struct sf_num a = f80_unpack(fpu_get(f, dst), &env), b = f80_unpack(fpu_get(f, src), &env);
    struct sf_num r = op(a, b, sf_fmt80_for(&env), &env);
    if (!fpu_report(cpu, in, &env)) return;
    fpu_put(f, dst, f80_pack(r));
    if (pop) fpu_pop(f);
}

// ---- comparisons ----

static void set_order(struct cpu *cpu, enum sf_order order, bool eflags)
{
    static const uint16_t cc[] = {[SF_LESS] = FSW_C0, [SF_EQUAL] = FSW_C3, [SF_GREATER] = 0, [SF_UNORDERED] = FSW_CC};
    static const uint32_t arith[] = {
        [SF_LESS] = FLAG_CF, [SF_EQUAL] = FLAG_ZF, [SF_GREATER] = 0, [SF_UNORDERED] = FLAG_CF | FLAG_ZF | FLAG_PF};
    if (eflags)
        flags_set(cpu, arith[order]);
    else
        cpu->fpu.sw = (uint16_t)((cpu->fpu.sw & ~FSW_CC) | cc[order]);
}

static void pop_compared(struct fpu *f, unsigned how)
{
    if (how & (CMP_POP | CMP_POP2)) fpu_pop(f);
    if (how & CMP_POP2) fpu_pop(f);
}

static void compare_underflow(struct cpu *cpu, const struct insn *in, unsigned how)
{
    bool masked = fpu_stack_fault(cpu, in, false);
    set_order(cpu, SF_UNORDERED, how & CMP_EFLAGS);
    if (masked) pop_compared(&cpu->fpu, how);
}

void fpu_compare_operand(struct cpu *cpu, const struct insn *in, struct sf_num operand, unsigned how)
{
    struct fpu *f = &cpu->fpu;
    struct sf_env env = fpu_env(f);
    if (fpu_empty(f, 0)) {
        compare_underflow(cpu, in, how);
        return;
    }
    enum sf_order order = sf_compare(f80_unpack(fpu_get(f, 0), &env), operand, how & CMP_QUIET, &env);
    unsigned c1 = how & CMP_EFLAGS ? f->sw & FSW_C1 : 0; // FCOMI leaves C1 alone
    bool deliver = fpu_report(cpu, in, &env);
    f->sw |= (uint16_t)c1;
    set_order(cpu, order, how & CMP_EFLAGS);
    if (deliver) pop_compared(f, how);
}

void fpu_compare(struct cpu *cpu, const struct insn *in, unsigned i, unsigned how)
{
    struct sf_env env = fpu_env(&cpu->fpu);
    if (fpu_empty(&cpu->fpu, i))
        compare_underflow(cpu, in, how);
    else
        fpu_compare_operand(cpu, in, f80_unpack(fpu_get(&cpu->fpu, i), &env), how);
}

void fpu_xam(struct cpu *cpu, const struct insn *in)
{
    struct fpu *f = &cpu->fpu;
    unsigned class = fpu_empty(f, 0) ? FSW_C3 | FSW_C0 : fpu_class(fpu_get(f, 0));
    bool sign = fpu_get(f, 0).se >> 15;
    fpu_report_none(cpu, in);
    f->sw = (uint16_t)((f->sw & ~FSW_CC) | class | (sign ? FSW_C1 : 0));
}

// ---- loads ----

void fpu_push(struct cpu *cpu, const struct insn *in, struct f80 v)
{
    struct fpu *f = &cpu->fpu;
    if (fpu_empty(f, 7)) {
        fpu_report_none(cpu, in);
        push(f, v);
    } else if (fpu_stack_fault(cpu, in, true)) {
        push(f, fpu_indefinite());
    }
}

void fpu_push_num(struct cpu *cpu, const struct insn *in, struct sf_num n)
{
    struct fpu *f = &cpu->fpu;
    struct sf_env env = fpu_env(f);
    if (!fpu_empty(f, 7)) {
        if (fpu_stack_fault(cpu, in, true)) push(f, fpu_indefinite());
        return;
    }
    struct sf_num r = sf_convert(n, &sf_fmt80, &env);
    fpu_report(cpu, in, &env);
    // An unmasked DE, unlike IE, does not keep the operand from being pushed.
    if (!(env.flags & ~env.masks & SF_IE)) push(f, f80_pack(r));
}

void fpu_push_st(struct cpu *cpu, const struct insn *in, unsigned i)
{
    struct fpu *f = &cpu->fpu;
    if (fpu_empty(f, i)) { // even when there is no room either
        if (fpu_stack_fault(cpu, in, false)) push(f, fpu_indefinite());
    } else {
        fpu_push(cpu, in, fpu_get(f, i));
    }
}

void fpu_push_constant(struct cpu *cpu, const struct insn *in, enum fpu_constant which)
{
    // Significand when rounding down and up, the bits that follow decide RN (SDM volume 2, FLD1 and so on).
    static const struct {
        uint64_t down, up;
        uint16_t se;
        bool nearest_up;
    } table[] = {
        [FPU_1] = {0x8000000000000000, 0x8000000000000000, 0x3fff, false},
        [FPU_L2T] = {0xd49a784bcd1b8afe, 0xd49a784bcd1b8aff, 0x4000, false},
        [FPU_L2E] = {0xb8aa3b295c17f0bb, 0xb8aa3b295c17f0bc, 0x3fff, true},
        [FPU_PI] = {0xc90fdaa22168c234, 0xc90fdaa22168c235, 0x4000, true},
        [FPU_LG2] = {0x9a209a84fbcff798, 0x9a209a84fbcff799, 0x3ffd, true},
        [FPU_LN2] = {0xb17217f7d1cf79ab, 0xb17217f7d1cf79ac, 0x3ffe, true},
        [FPU_Z] = {0, 0, 0, false},
    };
    unsigned rounding = cpu->fpu.cw >> 10 & 3;
    bool up = rounding == SF_RU || (rounding == SF_RN && table[which].nearest_up);
    fpu_push(cpu, in, (struct f80){.frac = up ? table[which].up : table[which].down, .se = table[which].se});
}

// ---- stores ----

static void put_f80(uint8_t bytes[10], struct f80 v)
{
    memcpy(bytes, &v.frac, 8);
    memcpy(bytes + 8, &v.se, 2);
}

static void put_real(struct fpu_store *s, struct sf_num n, unsigned size)
{
    if (size == 4) {
        sf32 v = sf32_pack(n);
        memcpy(s->bytes, &v, 4);
    } else {
        sf64 v = sf64_pack(n);
        memcpy(s->bytes, &v, 8);
    }
}

// Of an unmasked exception only PE lets the store happen.
static void decide_delivery(struct fpu_store *s)
{
    s->deliver = !(s->env.flags & ~s->env.masks & (SF_ALL & ~SF_PE));
}

static struct fpu_store begin_store(const struct cpu *cpu, bool pop)
{
    const struct fpu *f = &cpu->fpu;
    struct fpu_store s = {.pop = pop, .env = fpu_env(f), .underflow = fpu_empty(f, 0)};
    if (s.underflow) s.env.flags = SF_IE;
    decide_delivery(&s);
    return s;
}

struct fpu_store fpu_prepare_real(const struct cpu *cpu, unsigned size, bool pop)
{
    struct fpu_store s = begin_store(cpu, pop);
    struct f80 st0 = s.underflow ? fpu_indefinite() : fpu_get(&cpu->fpu, 0);
    if (size == 10) {
        put_f80(s.bytes, st0);
        return s;
    }
    put_real(&s, sf_store(f80_unpack(st0, &s.env), size == 4 ? &sf_fmt32 : &sf_fmt64, &s.env), size);
    decide_delivery(&s);
    return s;
}

struct fpu_store fpu_prepare_int(const struct cpu *cpu, unsigned size, bool truncate, bool pop)
{
    struct fpu_store s = begin_store(cpu, pop);
    struct f80 st0 = s.underflow ? fpu_indefinite() : fpu_get(&cpu->fpu, 0);
    unsigned rounding = truncate ? SF_RZ : s.env.rounding;
    int64_t v = sf_to_int(f80_unpack(st0, &s.env), (int)size * 8, rounding, &s.env);
    memcpy(s.bytes, &v, 8); // the host is little-endian, like the guest
    decide_delivery(&s);
    return s;
}

struct fpu_store fpu_prepare_bcd(const struct cpu *cpu)
{
    struct fpu_store s = begin_store(cpu, true);
    struct f80 st0 = s.underflow ? fpu_indefinite() : fpu_get(&cpu->fpu, 0);
    sf_to_bcd(f80_unpack(st0, &s.env), s.bytes, &s.env);
    decide_delivery(&s);
    return s;
}

void fpu_finish_store(struct cpu *cpu, const struct insn *in, const struct fpu_store *s)
{
    if (s->underflow)
        fpu_stack_fault(cpu, in, false);
    else
        fpu_report(cpu, in, &s->env);
    if (s->deliver && s->pop) fpu_pop(&cpu->fpu);
}

// ---- register moves ----

void fpu_store_st(struct cpu *cpu, const struct insn *in, unsigned i, bool pop)
{
    struct fpu *f = &cpu->fpu;
    if (fpu_empty(f, 0)) {
        underflow_to(cpu, in, i, pop);
        return;
    }
    fpu_report_none(cpu, in);
    fpu_put(f, i, fpu_get(f, 0));
    if (pop) fpu_pop(f);
}

void fpu_store_st_nce(struct cpu *cpu, const struct insn *in, unsigned i)
{
    struct fpu *f = &cpu->fpu;
    fpu_report_none(cpu, in);
    if (!fpu_empty(f, 0)) fpu_put(f, i, fpu_get(f, 0));
    fpu_pop(f);
}

void fpu_exchange(struct cpu *cpu, const struct insn *in, unsigned i)
{
    struct fpu *f = &cpu->fpu;
    struct f80 a = fpu_empty(f, 0) ? fpu_indefinite() : fpu_get(f, 0);
    struct f80 b = fpu_empty(f, i) ? fpu_indefinite() : fpu_get(f, i);
    if (!fpu_empty(f, 0) && !fpu_empty(f, i))
        fpu_report_none(cpu, in);
    else if (!fpu_stack_fault(cpu, in, false))
        return;
    fpu_put(f, 0, b);
    fpu_put(f, i, a);
}

void fpu_cmov(struct cpu *cpu, const struct insn *in, bool condition, unsigned i)
{
    struct fpu *f = &cpu->fpu;
    if (fpu_empty(f, 0) || fpu_empty(f, i)) {
        underflow_to(cpu, in, 0, false);
        return;
    }
    f->fip = in->pc; // C1 is left alone
    if (condition) fpu_put(f, 0, fpu_get(f, i));
}

void fpu_chs(struct cpu *cpu, const struct insn *in, uint16_t and_mask, uint16_t xor_mask)
{
    struct fpu *f = &cpu->fpu;
    if (fpu_empty(f, 0)) {
        underflow_to(cpu, in, 0, false);
        return;
    }
    fpu_report_none(cpu, in);
    struct f80 v = fpu_get(f, 0);
    v.se = (v.se & and_mask) ^ xor_mask;
    fpu_put(f, 0, v);
}
