// Unmasked exceptions in loops that run long enough to be translated, as Lisp systems have them: arithmetic that is
// exact goes on, the one that is not stops at its instruction with everything before it done; and what compilers do
// with rsp there, POP to memory and CMOV.
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

enum { ROUNDS = 20000, DIVIDE = 4, OVERFLOW = 8, INVALID = 1, INEXACT = 32 };

static sigjmp_buf back;
static volatile int code, flags, faults;
static double result; // of the instruction that faulted: what was there before

static void on_fpe(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    CHECK(sig == SIGFPE && info->si_addr == (void *)uc->uc_mcontext.gregs[REG_RIP]);
    code = info->si_code;
    flags = (int)(uc->uc_mcontext.fpregs->mxcsr & 63);
    memcpy(&result, &uc->uc_mcontext.fpregs->_xmm[0], sizeof result);
    faults++;
    siglongjmp(back, 1);
}

static void set_mxcsr(uint32_t v)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(v));
}

static double divide(double a, double b)
{
    __asm__ volatile("movsd %0, %%xmm0\n\tdivsd %1, %%xmm0\n\tmovsd %%xmm0, %0" : "+m"(a) : "m"(b) : "xmm0");
    return a;
}

// Sums until a division is not what it should be; where is that?
static int until_zero(int zero_at)
{
    volatile int i = 0;
    volatile double sum = 0;
    if (sigsetjmp(back, 1)) return i;
    for (; i < ROUNDS; i++) sum = sum + divide(i * 8.0, i == zero_at ? 0.0 : 2.0);
    return -1;
}

static void test_traps(void)
{
    set_mxcsr(0x1f80 & ~((uint32_t)(DIVIDE | OVERFLOW | INVALID) << 7));
    CHECK(until_zero(ROUNDS) == -1 && !faults);
    for (int n = 1; n <= 50; n++) {
        int at = ROUNDS - 100 * n;
        CHECK(until_zero(at) == at && code == FPE_FLTDIV && (flags & (DIVIDE | INVALID)) == DIVIDE);
        CHECK(result == at * 8.0 && faults == n);
        set_mxcsr(0x1f80 & ~((uint32_t)(DIVIDE | OVERFLOW | INVALID) << 7));
    }
    CHECK(until_zero(0) == 0 && code == FPE_FLTINV); // 0 / 0
    set_mxcsr(0x1f80);
    CHECK(until_zero(0) == -1 && until_zero(7) == -1);
}

// Flags are sticky across code that traps on others.
static void test_sticky(void)
{
    uint32_t csr;
    set_mxcsr(0x1f80 & ~((uint32_t)DIVIDE << 7));
    for (int i = 0; i < ROUNDS; i++) divide(i, 3.0);
    __asm__ volatile("stmxcsr %0" : "=m"(csr));
    CHECK((csr & 63) == INEXACT && (csr >> 7 & 63) == (63 & ~DIVIDE));
    set_mxcsr(0x1f80);
}

// POP to memory by every kind of address; rsp counts as it is after the pop.
static uint64_t pops(uint64_t v)
{
    uint64_t to[2] = {0, 0}, above = 0, r11 = 0;
    __asm__ volatile("sub $256, %%rsp\n\t"
                     "push %3\n\tpop (%2)\n\t"
                     "push %3\n\tpush %3\n\tpop 16(%%rsp)\n\tmov 16(%%rsp), %0\n\tadd $8, %%rsp\n\t"
                     "mov %2, %%r11\n\tpush %3\n\tpop 8(%%r11)\n\tmov %%r11, %1\n\tadd $256, %%rsp"
                     : "=&r"(above), "=&r"(r11)
                     : "r"(to), "r"(v)
                     : "memory", "r11", "cc");
    return to[0] == v && to[1] == v && above == v && r11 == (uint64_t)to ? v : 0;
}

static uint64_t moves(uint64_t v)
{
    uint64_t got;
    __asm__ volatile("mov %%rsp, %%r10\n\tmov %%rsp, %%rbx\n\tsub $1024, %%rsp\n\tlea -512(%%rsp), %%rbx\n\t"
                     "cmp $5, %1\n\tcmovb %%rbx, %%rsp\n\tmov %%r10, %0\n\tsub %%rsp, %0\n\tmov %%r10, %%rsp"
                     : "=&r"(got)
                     : "r"(v)
                     : "rbx", "r10", "memory", "cc");
    return got;
}

static void test_stack(void)
{
    for (uint64_t i = 1; i < ROUNDS; i++) CHECK(pops(i * 0x9e3779b97f4a7c15) == i * 0x9e3779b97f4a7c15);
    for (uint64_t i = 0; i < ROUNDS; i++) CHECK(moves(i % 10) == (i % 10 < 5 ? 1536 : 1024));
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGFPE, &sa, NULL) == 0);
    test_traps();
    test_sticky();
    test_stack();
    return check_result();
}
