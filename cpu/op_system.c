// Flag instructions, segment registers, CPUID, RDTSC, and what user code may not do (#GP).
#include "cpu/op_int.h"
#include "host/clock.h"

OP(CLC)
{
    flags_cf(cpu, false);
    return op_next(cpu, in);
}
OP(STC)
{
    flags_cf(cpu, true);
    return op_next(cpu, in);
}
OP(CMC)
{
    flags_cf(cpu, !flag_cf(cpu));
    return op_next(cpu, in);
}
OP(CLD)
{
    cpu->flags_other &= ~(uint64_t)FLAG_DF;
    return op_next(cpu, in);
}
OP(STD)
{
    cpu->flags_other |= FLAG_DF;
    return op_next(cpu, in);
}
OP(LAHF)
{
    *reg8(cpu, 1) = (uint8_t)(flags_get(cpu) | 2);
    return op_next(cpu, in);
} // 1: AH
OP(SAHF)
{
    flags_set(cpu, (flags_get(cpu) & FLAG_OF) | *reg8(cpu, 1));
    return op_next(cpu, in);
}

OP(CPUID)
{
    uint32_t out[4];
    cpu_cpuid(cpu, reg32(cpu, RAX), reg32(cpu, RCX), out);
    cpu->regs[RAX] = out[0];
    cpu->regs[RBX] = out[1];
    cpu->regs[RCX] = out[2];
    cpu->regs[RDX] = out[3];
    return op_next(cpu, in);
}
// The host's counter where translated code reads it, too (jit_options.host_tsc); else one that runs at 1 GHz.
static uint64_t tsc(const struct cpu *cpu)
{
    if (cpu->tsc_fixed) return cpu->tsc_fixed;
    return cpu->tsc_host ? host_tsc() : host_clock_monotonic() + cpu->tsc_offset;
}
static void read_tsc(struct cpu *cpu)
{
    uint64_t t = tsc(cpu);
    cpu->regs[RAX] = (uint32_t)t;
    cpu->regs[RDX] = t >> 32;
}
OP(RDTSC)
{
    read_tsc(cpu);
    return op_next(cpu, in);
}

// TSC_AUX is the number of the CPU, which is 0, and of its node, as Linux sets it (arch/x86/kernel/cpu/common.c:
// setup_getcpu).
enum { TSC_AUX = 0 };
OP(RDTSCP)
{
    read_tsc(cpu);
    cpu->regs[RCX] = TSC_AUX;
    return op_next(cpu, in);
}
OP(RDPID_Rq)
{
    cpu->regs[in->rm] = TSC_AUX;
    return op_next(cpu, in);
}

// ---- random numbers: whoever runs this CPU has them ----

static const struct insn *ask_random(struct cpu *cpu, const struct insn *in)
{
    cpu->random.reg = in->rm;
    cpu->random.bytes = in->size;
    return op_stop(cpu, in, STOP_RANDOM, next_pc(in));
}
#define RANDOM(name)                                                                                                   \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        return ask_random(cpu, in);                                                                                    \
    }
RANDOM(RDRAND_Ry)
RANDOM(RDRAND_Rv)
RANDOM(RDSEED_Ry)
RANDOM(RDSEED_Rv)

// ---- segment bases: without the kernel since FSGSBASE. Addresses have 48 bits ----

static const struct insn *read_base(struct cpu *cpu, const struct insn *in, unsigned segment)
{
    set_reg_size(cpu, in, in->rm, cpu->seg_base[segment]);
    return op_next(cpu, in);
}
static const struct insn *write_base(struct cpu *cpu, const struct insn *in, unsigned segment)
{
    uint64_t v = get_reg(cpu, size_bits(in), in->rm);
    if (sext(v, 48) != v) cpu_raise(cpu, in, VEC_GP);
    cpu->seg_base[segment] = v;
    return op_next(cpu, in);
}
OP(RDFSBASE_Ry)
{
    return read_base(cpu, in, SEG_FS);
}
OP(RDGSBASE_Ry)
{
    return read_base(cpu, in, SEG_GS);
}
OP(WRFSBASE_Ry)
{
    return write_base(cpu, in, SEG_FS);
}
OP(WRGSBASE_Ry)
{
    return write_base(cpu, in, SEG_GS);
}

// ---- segment registers: selectors of Linux's GDT (arch/x86/include/asm/segment.h); only FS and GS have a base, and
// loading one clears it ----

enum { ES, CS, SS, DS, FS, GS };

struct descriptor {
    uint16_t index; // selector without RPL
    bool writable;
    uint32_t rights, limit; // as LAR and LSL give them
};
static const struct descriptor descriptors[] = {
    {0x20, false, 0xcffb00, 0xffffffff}, // __USER32_CS
    {0x28, true, 0xcff300, 0xffffffff},  // __USER_DS
    {0x30, false, 0xaffb00, 0xffffffff}, // __USER_CS
    {0x78, false, 0x40f500, 0},          // CPUNODE: the limit is the CPU's number
};
// NULL: no such descriptor, or not for user code. All that there are can be read.
static const struct descriptor *descriptor(uint16_t selector)
{
    for (unsigned i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i].index == (selector & ~3)) return &descriptors[i];
    return NULL;
}

static uint16_t get_selector(const struct cpu *cpu, unsigned r)
{
    return r == CS ? 0x33 : r == SS ? 0x2b : cpu->seg_sel[r];
}

// Faults before it changes anything.
static void set_selector(struct cpu *cpu, const struct insn *in, unsigned r, uint16_t v)
{
    if (r == CS || r > GS) cpu_raise(cpu, in, VEC_UD);
    bool ok = r == SS ? v == 0x2b : (v & ~3) == 0 || descriptor(v);
    if (!ok) cpu_raise(cpu, in, VEC_GP);
    cpu->seg_sel[r] = v;
    if (r == FS) cpu->seg_base[SEG_FS] = 0;
    if (r == GS) cpu->seg_base[SEG_GS] = 0;
}
OP(MOV_EvSw)
{
    if (in->reg > GS) cpu_raise(cpu, in, VEC_UD);
    uint16_t v = get_selector(cpu, in->reg);
    if (is_mem(in))
        store16(cpu, in, ea(cpu, in), v); // 16 bits whatever the operand size
    else
        set_reg_size(cpu, in, in->rm, v);
    return op_next(cpu, in);
}
OP(MOV_SwEw)
{
    if (in->reg == CS || in->reg > GS) cpu_raise(cpu, in, VEC_UD);
    set_selector(cpu, in, in->reg, is_mem(in) ? load16(cpu, in, ea(cpu, in)) : reg16(cpu, in->rm));
    return op_next(cpu, in);
}

static const struct insn *push_selector(struct cpu *cpu, const struct insn *in, unsigned r)
{
    uint64_t sp = cpu->regs[RSP] - in->size;
    store_size(cpu, in, sp, get_selector(cpu, r));
    cpu->regs[RSP] = sp;
    return op_next(cpu, in);
}
static const struct insn *pop_selector(struct cpu *cpu, const struct insn *in, unsigned r)
{
    set_selector(cpu, in, r, (uint16_t)load_size(cpu, in, cpu->regs[RSP]));
    cpu->regs[RSP] += in->size;
    return op_next(cpu, in);
}
OP(PUSH_FS)
{
    return push_selector(cpu, in, FS);
}
OP(PUSH_GS)
{
    return push_selector(cpu, in, GS);
}
OP(POP_FS)
{
    return pop_selector(cpu, in, FS);
}
OP(POP_GS)
{
    return pop_selector(cpu, in, GS);
}

static const struct insn *load_far(struct cpu *cpu, const struct insn *in, unsigned r)
{
    uint64_t v = load_size(cpu, in, ea(cpu, in));
    set_selector(cpu, in, r, load16(cpu, in, ea_plus(cpu, in, in->size)));
    set_reg_size(cpu, in, in->reg, v);
    return op_next(cpu, in);
}
OP(LSS_GvM)
{
    return load_far(cpu, in, SS);
}
OP(LFS_GvM)
{
    return load_far(cpu, in, FS);
}
OP(LGS_GvM)
{
    return load_far(cpu, in, GS);
}

static uint16_t selector_operand(struct cpu *cpu, const struct insn *in)
{
    return is_mem(in) ? load16(cpu, in, ea(cpu, in)) : reg16(cpu, in->rm);
}
static void set_zf(struct cpu *cpu, bool zf)
{
    flags_set(cpu, (flags_get(cpu) & ~(uint32_t)FLAG_ZF) | (zf ? FLAG_ZF : 0u));
}

OP(LAR_GvEw)
{
    const struct descriptor *d = descriptor(selector_operand(cpu, in));
    if (d) set_reg_size(cpu, in, in->reg, d->rights);
    set_zf(cpu, d != NULL);
    return op_next(cpu, in);
}
OP(LSL_GvEw)
{
    const struct descriptor *d = descriptor(selector_operand(cpu, in));
    if (d) set_reg_size(cpu, in, in->reg, d->limit);
    set_zf(cpu, d != NULL);
    return op_next(cpu, in);
}
OP(VERR_Ew)
{
    set_zf(cpu, descriptor(selector_operand(cpu, in)) != NULL);
    return op_next(cpu, in);
}
OP(VERW_Ew)
{
    const struct descriptor *d = descriptor(selector_operand(cpu, in));
    set_zf(cpu, d && d->writable);
    return op_next(cpu, in);
}

// ---- what a CPU with UMIP forbids and Linux then answers with dummies (arch/x86/kernel/umip.c) ----

static void store_table(struct cpu *cpu, const struct insn *in, uint64_t base)
{
    uint8_t v[10] = {0}; // limit 0
    memcpy(v + 2, &base, 8);
    store_bytes(cpu, in, ea(cpu, in), v, 10);
}
static const struct insn *store_word(struct cpu *cpu, const struct insn *in, uint64_t v)
{
    if (is_mem(in))
        store16(cpu, in, ea(cpu, in), (uint16_t)v);
    else
        set_reg_size(cpu, in, in->rm, v);
    return op_next(cpu, in);
}
OP(SGDT_M)
{
    store_table(cpu, in, 0xfffffffffffe0000);
    return op_next(cpu, in);
}
OP(SIDT_M)
{
    store_table(cpu, in, 0xffffffffffff0000);
    return op_next(cpu, in);
}
OP(SMSW_Ev)
{
    return store_word(cpu, in, 0x80050033);
} // PE MP ET NE WP AM PG
OP(SLDT_Ev)
{
    return store_word(cpu, in, 0);
}
OP(STR_Ev)
{
    return store_word(cpu, in, 0x40);
} // GDT_ENTRY_TSS

// ---- privileged ----

#define PRIVILEGED(X)                                                                                                  \
    X(HLT)                                                                                                             \
    X(CLI)                                                                                                             \
    X(STI) X(IN_ALIb) X(IN_rAXIb) X(OUT_IbAL) X(OUT_IbrAX) X(IN_ALDX) X(IN_rAXDX) X(OUT_DXAL) X(OUT_DXrAX)             \
        X(INSB_YbDX) X(INS_YzDX) X(OUTSB_DXXb) X(OUTS_DXXz) X(CLTS) X(SYSRET) X(INVD) X(WBINVD) X(WRMSR) X(RDMSR)      \
            X(RDPMC) X(SYSENTER) X(SYSEXIT) X(LLDT_Ew) X(LTR_Ew) X(LGDT_M) X(LIDT_M) X(LMSW_Ew) X(INVLPG_M) X(SWAPGS)
#define GP(name)                                                                                                       \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        cpu_raise(cpu, in, VEC_GP);                                                                                    \
    }
PRIVILEGED(GP)

// Registers that do not exist are #UD before the privilege is looked at.
static _Noreturn void control_register(struct cpu *cpu, const struct insn *in)
{
    bool exists = in->reg == 0 || (in->reg >= 2 && in->reg <= 4) || in->reg == 8;
    cpu_raise(cpu, in, exists ? VEC_GP : VEC_UD);
}
OP(MOV_RqCq)
{
    control_register(cpu, in);
}
OP(MOV_CqRq)
{
    control_register(cpu, in);
}
OP(MOV_RqDq)
{
    cpu_raise(cpu, in, in->reg < 8 ? VEC_GP : VEC_UD);
}
OP(MOV_DqRq)
{
    cpu_raise(cpu, in, in->reg < 8 ? VEC_GP : VEC_UD);
}
