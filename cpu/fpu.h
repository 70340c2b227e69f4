// The guest's x87 unit: register stack, exceptions, state images. The op_* functions in cpu/x87_*.c are thin; what
// they do to struct fpu is here, once for both memory back ends, and knows no guest memory.
//
// An instruction runs in two steps, so that a page fault finds the state as before it: a prepare function works out
// result and exceptions without changing anything, then memory is stored to, then a finish function commits.
// Instructions that touch only registers, or load, commit at once.
//
// Exceptions (SDM volume 1, 8.4 to 8.7): a masked one gives its default result; an unmasked one sets ES and #MF comes
// at the next waiting instruction (fpu_pending). C0, C2 and C3 keep their values where the manual calls them undefined,
// as the hardware does. FIP is the last non-control instruction's address; FOP and FDP change only with an unmasked
// exception, FCS and FDS are 0 (CPUID.7.EBX bits 6 and 13: Intel since Skylake).
#pragma once
#include "cpu/insn.h"
#include "cpu/softfp.h"

enum {
    FSW_SF = 0x40, // stack fault; bits 5:0 are SF_*
    FSW_ES = 0x80,
    FSW_C0 = 0x100,
    FSW_C1 = 0x200,
    FSW_C2 = 0x400,
    FSW_TOP = 0x3800,
    FSW_C3 = 0x4000,
    FSW_B = 0x8000,
    FSW_CC = FSW_C0 | FSW_C2 | FSW_C3,
    FCW_INIT = 0x37f,
};

static inline unsigned fpu_top(const struct fpu *f)
{
    return f->sw >> 11 & 7;
}

static inline void fpu_set_top(struct fpu *f, unsigned top)
{
    f->sw = (uint16_t)((f->sw & ~FSW_TOP) | (top & 7) << 11);
}

static inline unsigned fpu_phys(const struct fpu *f, unsigned i)
{
    return (fpu_top(f) + i) & 7;
}

static inline bool fpu_empty(const struct fpu *f, unsigned i)
{
    return !(f->tag >> fpu_phys(f, i) & 1);
}

static inline struct f80 fpu_get(const struct fpu *f, unsigned i)
{
    return f->st[fpu_phys(f, i)];
}

// An exception is pending: waiting instructions raise #MF.
static inline bool fpu_pending(const struct fpu *f)
{
    return f->sw & FSW_ES;
}

void fpu_put(struct fpu *f, unsigned i, struct f80 v); // and it is no longer empty
void fpu_free(struct fpu *f, unsigned i);
void fpu_pop(struct fpu *f);
void fpu_init(struct fpu *f); // FNINIT
void fpu_set_cw(struct fpu *f, uint16_t cw);
void fpu_update_es(struct fpu *f); // after cw or the exception flags were set directly
struct sf_env fpu_env(const struct fpu *f);
struct f80 fpu_indefinite(void);
// FXAM's class in C3, C2, C0; and the two bits of the full tag word.
unsigned fpu_class(struct f80 v);

// Enters an instruction's exceptions and FIP; false: an unmasked IE, DE or ZE, so no result is to be delivered.
bool fpu_report(struct cpu *cpu, const struct insn *in, const struct sf_env *env);
// The same for a stack fault; true: masked, deliver the indefinite.
bool fpu_stack_fault(struct cpu *cpu, const struct insn *in, bool overflow);
// No exceptions, C1 clear: FXCH, FABS and the like.
void fpu_report_none(struct cpu *cpu, const struct insn *in);

// Arithmetic: dst = op(dst or ST(0), operand).
typedef struct sf_num fpu_binary(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);
struct sf_num fpu_subr(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);
struct sf_num fpu_divr(struct sf_num a, struct sf_num b, const struct sf_fmt *f, struct sf_env *env);
void fpu_arith_operand(struct cpu *cpu, const struct insn *in, fpu_binary *op, struct sf_num operand);
// ST(dst) = op(ST(dst), ST(src)), then pop if asked.
void fpu_arith(struct cpu *cpu, const struct insn *in, fpu_binary *op, unsigned dst, unsigned src, bool pop);

enum fpu_compare { CMP_QUIET = 1, CMP_POP = 2, CMP_POP2 = 4, CMP_EFLAGS = 8 };
void fpu_compare_operand(struct cpu *cpu, const struct insn *in, struct sf_num operand, unsigned how);
void fpu_compare(struct cpu *cpu, const struct insn *in, unsigned i, unsigned how); // ST(0) with ST(i)
void fpu_xam(struct cpu *cpu, const struct insn *in);

// Loads.
void fpu_push(struct cpu *cpu, const struct insn *in, struct f80 v);
void fpu_push_num(struct cpu *cpu, const struct insn *in, struct sf_num n); // f32, f64: IE, DE
void fpu_push_st(struct cpu *cpu, const struct insn *in, unsigned i);
enum fpu_constant { FPU_1, FPU_L2T, FPU_L2E, FPU_PI, FPU_LG2, FPU_LN2, FPU_Z };
void fpu_push_constant(struct cpu *cpu, const struct insn *in, enum fpu_constant which);

// Stores to memory: prepare, store `bytes` if `deliver`, finish.
struct fpu_store {
    uint8_t bytes[10];
    bool deliver;
    bool underflow; // stack underflow
    bool pop;
    struct sf_env env;
};
struct fpu_store fpu_prepare_real(const struct cpu *cpu, unsigned size, bool pop); // 4, 8 or 10 bytes
struct fpu_store fpu_prepare_int(const struct cpu *cpu, unsigned size, bool truncate, bool pop);
struct fpu_store fpu_prepare_bcd(const struct cpu *cpu);
void fpu_finish_store(struct cpu *cpu, const struct insn *in, const struct fpu_store *s);

// Register to register.
void fpu_store_st(struct cpu *cpu, const struct insn *in, unsigned i, bool pop);
void fpu_store_st_nce(struct cpu *cpu, const struct insn *in,
                      unsigned i); // FSTPNCE: no check whether ST(0) is empty
void fpu_exchange(struct cpu *cpu, const struct insn *in, unsigned i);
void fpu_cmov(struct cpu *cpu, const struct insn *in, bool condition, unsigned i);
void fpu_chs(struct cpu *cpu, const struct insn *in, uint16_t and_mask, uint16_t xor_mask); // on sign and exponent

// One-register and other operations of row D9 E0..FF (cpu/fpu_math.c).
void fpu_sqrt(struct cpu *cpu, const struct insn *in);
void fpu_rint(struct cpu *cpu, const struct insn *in);
void fpu_scale(struct cpu *cpu, const struct insn *in);
void fpu_extract(struct cpu *cpu, const struct insn *in);
void fpu_rem(struct cpu *cpu, const struct insn *in, bool nearest);

enum fpu_func { FPU_SIN, FPU_COS, FPU_SINCOS, FPU_TAN, FPU_ATAN, FPU_2XM1, FPU_YL2X, FPU_YL2XP1 };
void fpu_transcendental(struct cpu *cpu, const struct insn *in, enum fpu_func func);

// What a transcendental makes of its operands under env's rounding, precision and masks (cpu/fpu_host.c: the host's
// instruction; cpu/fpu_portable.c: the nearest to the manual's model).
struct fpu_result {
    struct f80 value;  // replaces the operand, or ST(1) when ST(0) is popped
    struct f80 second; // FSINCOS, FPTAN: then pushed
    bool partial;      // C2: operand out of range, nothing changed
    uint8_t flags;
    bool c1;
};
struct fpu_result fpu_host_func(enum fpu_func func, struct f80 st0, struct f80 st1, const struct sf_env *env);
struct fpu_result fpu_portable_func(enum fpu_func func, struct f80 st0, struct f80 st1, const struct sf_env *env);

// State images (cpu/fpu_env.c).
enum { FPU_ENV32_BYTES = 28, FPU_ENV16_BYTES = 14, FPU_SAVE32_BYTES = 108, FPU_SAVE16_BYTES = 94, FXSAVE_BYTES = 512 };
void fpu_write_env(const struct fpu *f, uint8_t *to, bool wide); // wide: the 32-bit format
void fpu_read_env(struct fpu *f, const uint8_t *from, bool wide);
void fpu_write_regs(const struct fpu *f, uint8_t to[80]);
void fpu_read_regs(struct fpu *f, const uint8_t from[80]);
// FXSAVE's and FXRSTOR's image, for signal frames too. `wide` is REX.W: 64-bit FIP and FDP. The bytes that FXSAVE
// does not write are left alone. False: reserved MXCSR bits are set; nothing was changed.
void fpu_fxsave(const struct cpu *cpu, uint8_t image[FXSAVE_BYTES], bool wide);
bool fpu_fxrstor(struct cpu *cpu, const uint8_t image[FXSAVE_BYTES], bool wide);
