// Unmasked floating-point exceptions: SIGFPE with the si_code of what happened (arch/x86/kernel/fpu/core.c,
// fpu__exception_code), si_addr the instruction at which it came up. For the x87 that is not the one that caused it,
// but the next that waits; between them nothing is seen of it. The handler finds the flags in its frame, and what it
// clears there stays clear.
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t seen;
static struct _libc_fpstate state; // of the frame

static void on_fpe(int sig, siginfo_t *info, void *uc)
{
    CHECK(sig == SIGFPE);
    seen = *info;
    state = *((ucontext_t *)uc)->uc_mcontext.fpregs;
    siglongjmp(back, 1);
}

// Masks, then the flags of the status word and of MXCSR.
enum { IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32, SF = 64, ALL = 63 };

struct trap {
    const char *name;
    int unmasked, flags, code;
    void (*run)(const struct trap *);
};

static const float huge = 3e38f, tiny = 1e-38f, three = 3, one = 1, zero = 0, minus = -1, denormal = 1e-40f;
static const double tiny64 = 1e-300, huge64 = 1e300;

static void *waiting;       // the address that SIGFPE must tell
static volatile int passed; // instructions between the cause and that address

// ---- x87 ----

static uint16_t control(const struct trap *t)
{
    return (uint16_t)(0x300 | (ALL & ~t->unmasked) | 0x40);
}

// FNSTSW does not wait, and neither does anything that is not x87's.
#define X87(name, body)                                                                                                \
    static void name(const struct trap *t)                                                                             \
    {                                                                                                                  \
        uint16_t cw = control(t), sw;                                                                                  \
        void *at;                                                                                                      \
        __asm__ volatile("fninit\n\tfldcw %2\n\t" body "\n\t"                                                          \
                         "fnstsw %1\n\t"                                                                               \
                         "lea 1f(%%rip), %0"                                                                           \
                         : "=r"(at), "=m"(sw)                                                                          \
                         : "m"(cw), "m"(huge), "m"(tiny64), "m"(three), "m"(one), "m"(zero), "m"(minus),               \
                           "m"(denormal), "m"(huge64)                                                                  \
                         : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "memory");             \
        waiting = at;                                                                                                  \
        passed = (sw & t->flags) == t->flags && sw & 0x8080;                                                           \
        __asm__ volatile("1: fwait" ::: "memory");                                                                     \
    }

X87(x87_divide_by_zero, "flds %6\n\tfdivs %7")
X87(x87_root_of_minus_one, "flds %8\n\tfsqrt")
X87(x87_underflow_of_stack, "fadd %%st(1), %%st")
X87(x87_overflow_of_stack, "fld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1")
X87(x87_overflow, "fldl %10\n\tfsts -64(%%rsp)")
X87(x87_underflow, "fldl %4\n\tfsts -64(%%rsp)")
X87(x87_inexact, "flds %6\n\tfdivs %5")
X87(x87_denormal, "flds %9")

// ---- SSE ----

static uint32_t mxcsr(const struct trap *t)
{
    return (uint32_t)(ALL & ~t->unmasked) << 7;
}

#define SSE(name, first, text)                                                                                         \
    static void name(const struct trap *t)                                                                             \
    {                                                                                                                  \
        uint32_t csr = mxcsr(t);                                                                                       \
        float v = first;                                                                                               \
        void *at;                                                                                                      \
        passed = 1;                                                                                                    \
        __asm__ volatile("lea 1f(%%rip), %0\n\tmov %0, %1\n\tldmxcsr %3\n\tmovss %2, %%xmm0\n1: " text                 \
                         : "=&r"(at), "=m"(waiting)                                                                    \
                         : "m"(v), "m"(csr), "m"(huge), "m"(tiny), "m"(three), "m"(zero), "m"(minus)                   \
                         : "xmm0", "memory");                                                                          \
    }

SSE(sse_divide_by_zero, one, "divss %7, %%xmm0")
SSE(sse_root_of_minus_one, one, "sqrtss %8, %%xmm0")
SSE(sse_overflow, huge, "mulss %4, %%xmm0")
SSE(sse_underflow, tiny, "mulss %5, %%xmm0")
SSE(sse_inexact, one, "divss %6, %%xmm0")
SSE(sse_denormal, denormal, "addss %6, %%xmm0")
SSE(sse_convert, huge, "cvtss2si %%xmm0, %%eax")

// ---- the test ----

static const struct trap x87_traps[] = {
    {"zero divide", ZE, ZE, FPE_FLTDIV, x87_divide_by_zero},
    {"invalid", IE, IE, FPE_FLTINV, x87_root_of_minus_one},
    {"stack underflow", IE, IE | SF, FPE_FLTINV, x87_underflow_of_stack},
    {"stack overflow", IE, IE | SF, FPE_FLTINV, x87_overflow_of_stack},
    {"overflow", OE, OE, FPE_FLTOVF, x87_overflow},
    {"underflow", UE, UE, FPE_FLTUND, x87_underflow},
    {"inexact", PE, PE, FPE_FLTRES, x87_inexact},
    {"denormal", DE, DE, FPE_FLTUND, x87_denormal},
    {"all of them: the heaviest counts", ALL, IE, FPE_FLTINV, x87_root_of_minus_one},
    {"underflow, and inexact unmasked too", UE | PE, UE, FPE_FLTUND, x87_underflow},
};

static const struct trap sse_traps[] = {
    {"zero divide", ZE, ZE, FPE_FLTDIV, sse_divide_by_zero},
    {"invalid", IE, IE, FPE_FLTINV, sse_root_of_minus_one},
    {"overflow", OE, OE, FPE_FLTOVF, sse_overflow},
    {"underflow", UE, UE, FPE_FLTUND, sse_underflow},
    {"inexact", PE, PE, FPE_FLTRES, sse_inexact},
    {"denormal", DE, DE, FPE_FLTUND, sse_denormal},
    {"conversion", IE, IE, FPE_FLTINV, sse_convert},
    {"overflow, and inexact unmasked too", OE | PE, OE, FPE_FLTOVF, sse_overflow},
};

static void run(const char *unit, const struct trap *t, int is_sse)
{
    int before = check_failures;
    memset(&seen, 0, sizeof seen);
    passed = 0;
    if (!sigsetjmp(back, 1)) {
        t->run(t);
        CHECK(!"SIGFPE comes");
    }
    __asm__ volatile("fninit\n\tldmxcsr %0" : : "m"((uint32_t){0x1f80}));
    CHECK(passed);
    CHECK(seen.si_signo == SIGFPE && seen.si_code == t->code);
    CHECK(seen.si_addr == waiting);
    CHECK(((is_sse ? state.mxcsr : state.swd) & (unsigned)t->flags) == (unsigned)t->flags);
    if (check_failures > before)
        printf("  %s: %s: si_code %d, si_addr %p instead of %p, fsw %x mxcsr %x\n", unit, t->name, seen.si_code,
               seen.si_addr, waiting, state.swd, state.mxcsr);
}

// A handler that returns: what it wrote into the frame's control words holds, so the instruction comes through.
static void mask_all(int sig, siginfo_t *info, void *uc)
{
    struct _libc_fpstate *fp = ((ucontext_t *)uc)->uc_mcontext.fpregs;
    CHECK(sig == SIGFPE && info->si_code == FPE_FLTDIV);
    fp->mxcsr |= ALL << 7;
    fp->cwd |= ALL;
    fp->swd &= (uint16_t)~0x80ff;
}

static void test_repaired(void)
{
    struct sigaction sa = {.sa_sigaction = mask_all, .sa_flags = SA_SIGINFO};
    uint32_t csr = (ALL & ~ZE) << 7;
    uint16_t cw = 0x340 | (ALL & ~ZE), sw = 0xffff;
    float quotient = one;
    CHECK(sigaction(SIGFPE, &sa, NULL) == 0);
    __asm__ volatile("ldmxcsr %1\n\tdivss %2, %0" : "+x"(quotient) : "m"(csr), "m"(zero));
    CHECK(quotient == __builtin_inff());
    __asm__ volatile("fninit\n\tfldcw %1\n\tflds %2\n\tfdivs %3\n\tfwait\n\tfnstsw %0\n\tfninit"
                     : "=m"(sw)
                     : "m"(cw), "m"(one), "m"(zero)
                     : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "memory");
    CHECK((sw & 0x80ff) == 0);
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGFPE, &sa, NULL) == 0);
    for (size_t i = 0; i < sizeof x87_traps / sizeof *x87_traps; i++) run("x87", &x87_traps[i], 0);
    for (size_t i = 0; i < sizeof sse_traps / sizeof *sse_traps; i++) run("SSE", &sse_traps[i], 1);
    test_repaired();
    return check_result();
}
