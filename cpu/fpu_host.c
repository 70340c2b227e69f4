// The transcendental x87 instructions on an x86-64 host: the host's own instruction, under the guest's rounding,
// precision and masks, so that results, flags and C1 are those of the CPU. The host's x87 state is as before
// afterwards. Unmasked exceptions do not trap here: FNSAVE does not wait for them. Other hosts: fpu_portable.c.
#include "cpu/fpu.h"
#include <string.h>

#if defined(__x86_64__) && !defined(BELLJAR_PORTABLE)

struct fnsave { // SDM volume 1, figure 8-9
    uint32_t cw, sw, tag, fip, fcs, fdp, fds;
    uint8_t st[8][10];
};
_Static_assert(sizeof(struct fnsave) == 108, "FNSAVE image");

struct frame {
    uint16_t cw, host_cw;
    uint8_t st0[10], st1[10];
    struct fnsave after;
};

// Loads the operands into an empty stack, executes, saves everything, and gives the host its control word back
// (FNSAVE has initialized the rest, which the ABI wants empty).
#define RUN(insn)                                                                                                      \
    __asm__ volatile("fnstcw %[host]\n\tfninit\n\tfldcw %[cw]\n\tfldt %[b]\n\tfldt %[a]\n\t" insn                      \
                     "\n\tfnsave %[after]\n\tfldcw %[host]\n\t"                                                        \
                     : [host] "=m"(f->host_cw), [after] "=m"(f->after)                                                 \
                     : [cw] "m"(f->cw), [a] "m"(f->st0), [b] "m"(f->st1)                                               \
                     : "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)")

#define FUNCS(X)                                                                                                       \
    X(FPU_SIN, "fsin")                                                                                                 \
    X(FPU_COS, "fcos")                                                                                                 \
    X(FPU_SINCOS, "fsincos")                                                                                           \
    X(FPU_TAN, "fptan")                                                                                                \
    X(FPU_ATAN, "fpatan")                                                                                              \
    X(FPU_2XM1, "f2xm1")                                                                                               \
    X(FPU_YL2X, "fyl2x")                                                                                               \
    X(FPU_YL2XP1, "fyl2xp1")

#define DEFINE(func, insn)                                                                                             \
    static void run_##func(struct frame *f)                                                                            \
    {                                                                                                                  \
        RUN(insn);                                                                                                     \
    }
FUNCS(DEFINE)

typedef void run_fn(struct frame *f);
#define ROW(func, insn) [func] = run_##func,
static run_fn *const runs[] = {FUNCS(ROW)};

static struct f80 saved(const struct frame *f, unsigned i)
{
    struct f80 v;
    memcpy(&v.frac, f->after.st[i], 8);
    memcpy(&v.se, f->after.st[i] + 8, 2);
    return v;
}

static void operand(uint8_t to[10], struct f80 v)
{
    memcpy(to, &v.frac, 8);
    memcpy(to + 8, &v.se, 2);
}

static uint16_t control_word(const struct sf_env *env)
{
    unsigned pc = env->precision == 24 ? 0 : env->precision == 53 ? 2 : 3;
    return (uint16_t)(0x40 | env->masks | pc << 8 | (unsigned)env->rounding << 10);
}

struct fpu_result fpu_host_func(enum fpu_func func, struct f80 st0, struct f80 st1, const struct sf_env *env)
{
    struct frame f = {.cw = control_word(env)};
    operand(f.st0, st0);
    operand(f.st1, st1);
    runs[func](&f);
    enum { START_TOP = 6 };
    bool pushed = (f.after.sw >> 11 & 7) < START_TOP;
    return (struct fpu_result){
        .value = saved(&f, pushed ? 1 : 0),
        .second = saved(&f, 0),
        .partial = f.after.sw & FSW_C2,
        .flags = f.after.sw & SF_ALL,
        .c1 = f.after.sw & FSW_C1,
    };
}

#else

struct fpu_result fpu_host_func(enum fpu_func func, struct f80 st0, struct f80 st1, const struct sf_env *env)
{
    return fpu_portable_func(func, st0, st1, env);
}

#endif
