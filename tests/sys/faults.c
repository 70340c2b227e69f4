// Faults become signals with the right siginfo and context; frames are laid out as Linux's, and what a handler changes
// comes back.
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t seen;
static ucontext_t context;

static void on_fault(int sig, siginfo_t *info, void *uc)
{
    (void)sig;
    seen = *info;
    context = *(ucontext_t *)uc;
    siglongjmp(back, 1);
}

static void install(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    CHECK(sigaction(sig, &sa, NULL) == 0);
}

static long reg(int which)
{
    return (long)context.uc_mcontext.gregs[which];
}

static char *hole; // mapped, then unmapped

static void write_null(void)
{
    *(volatile int *)16 = 1;
}
static void read_hole(void)
{
    (void)*(volatile char *)hole;
}
static void jump_hole(void)
{
    ((void (*)(void))(void *)hole)();
}
static void undefined(void)
{
    __asm__ volatile("ud2");
}
static void privileged(void)
{
    __asm__ volatile("hlt");
}
static void breakpoint(void)
{
    __asm__ volatile("int3");
}

static void divide(void)
{
    volatile int a = 1, b = 0;
    a = a / b;
}

static void write_read_only(void)
{
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = 1;
}

static void beyond_file(void)
{
    FILE *f = tmpfile();
    CHECK(ftruncate(fileno(f), 100) == 0);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    p[4096] = 1;
}

static void sse_divide(void)
{
    unsigned mxcsr = 0x1f80 & ~(1u << 9);
    double zero = 0;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("movsd %0, %%xmm0; pxor %%xmm1, %%xmm1; mulsd %%xmm0, %%xmm0; mov $1, %%eax; cvtsi2sd %%eax, "
                     "%%xmm0; divsd %%xmm1, %%xmm0"
                     :
                     : "m"(zero)
                     : "xmm0", "xmm1", "eax");
}

static void x87_divide(void)
{
    unsigned short cw = 0x37f & ~4;
    __asm__ volatile("fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(cw));
}

struct fault {
    const char *name;
    void (*cause)(void);
    int sig, code, trap, error;
};
static const struct fault faults[] = {
    {"write to page 0", write_null, SIGSEGV, SEGV_MAPERR, 14, 6},
    {"read of a hole", read_hole, SIGSEGV, SEGV_MAPERR, 14, 4},
    {"jump to a hole", jump_hole, SIGSEGV, SEGV_MAPERR, 14, 0x14},
    {"write to a read-only page", write_read_only, SIGSEGV, SEGV_ACCERR, 14, -1},
    {"beyond the end of a file", beyond_file, SIGBUS, BUS_ADRERR, 14, 6},
    {"ud2", undefined, SIGILL, ILL_ILLOPN, 6, 0},
    {"hlt", privileged, SIGSEGV, SI_KERNEL, 13, 0},
    {"int3", breakpoint, SIGTRAP, SI_KERNEL, 3, 0},
    {"division by zero", divide, SIGFPE, FPE_INTDIV, 0, 0},
    {"SSE division by zero", sse_divide, SIGFPE, FPE_FLTDIV, 19, 0},
    {"x87 division by zero", x87_divide, SIGFPE, FPE_FLTDIV, 16, 0},
};

static void cause(const struct fault *f)
{
    if (sigsetjmp(back, 1) == 0) {
        f->cause();
        printf("%s: no fault\n", f->name);
        check_failures++;
        return;
    }
    unsigned mxcsr = 0x1f80;
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
    int good = seen.si_signo == f->sig && seen.si_code == f->code && reg(REG_TRAPNO) == f->trap &&
               (f->error < 0 || reg(REG_ERR) == f->error);
    if (f->trap == 14) good = good && (unsigned long)reg(REG_CR2) == (unsigned long)seen.si_addr;
    if (f->trap == 6 || f->trap == 0 || f->trap == 19)
        good = good && (unsigned long)reg(REG_RIP) == (unsigned long)seen.si_addr;
    if (f->code == SI_KERNEL) good = good && seen.si_addr == NULL;
    if (good) return;
    printf("%s: signal %d code %d trap %ld error %#lx\n", f->name, seen.si_signo, seen.si_code, reg(REG_TRAPNO),
           reg(REG_ERR));
    check_failures++;
}

static void test_faults(void)
{
    hole = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole, 4096);
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    for (unsigned i = 0; i < 5; i++) install(signals[i], on_fault, 0);
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) cause(&faults[i]);
    for (unsigned i = 0; i < 5; i++) signal(signals[i], SIG_DFL);
}

// ---- the frame

static unsigned short handler_cw;
static unsigned handler_mxcsr;
static int aligned;

static void change(int sig, siginfo_t *info, void *uc)
{
    ucontext_t *c = uc;
    (void)sig, (void)info;
    __asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(handler_cw), "=m"(handler_mxcsr));
    aligned = ((unsigned long)__builtin_frame_address(0) & 15) == 0 && ((unsigned long)c->uc_mcontext.fpregs & 63) == 0;
    c->uc_mcontext.gregs[REG_RBX] = 0x1234;
    c->uc_mcontext.gregs[REG_R12] = ~c->uc_mcontext.gregs[REG_R12];
    c->uc_mcontext.gregs[REG_EFL] |= 1;
    c->uc_mcontext.fpregs->_xmm[3].element[0] = 77;
}

static void test_frame(void)
{
    unsigned long rbx, r12;
    unsigned xmm3;
    unsigned char carry;
    unsigned mxcsr = 0x7f80, after; // rounding toward zero
    install(SIGUSR1, change, 0);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("movq $5, %%r12; movq $1, %%rbx; pxor %%xmm3, %%xmm3; movl %%eax, %%edi; movl $10, %%esi; movl "
                     "$62, %%eax; clc; syscall\n\t"
                     "setc %3; movq %%rbx, %0; movq %%r12, %1; movd %%xmm3, %2"
                     : "=m"(rbx), "=m"(r12), "=m"(xmm3), "=m"(carry)
                     : "a"(getpid())
                     : "rbx", "r12", "rcx", "r11", "rdi", "rsi", "xmm3", "memory", "cc");
    __asm__ volatile("stmxcsr %0" : "=m"(after));
    CHECK(rbx == 0x1234 && r12 == ~5ul && xmm3 == 77 && carry == 1);
    CHECK(handler_cw == 0x37f && handler_mxcsr == 0x1f80 && aligned);
    CHECK((after & 0x7f80) == 0x7f80);
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static char stack[65536];
static int was_on_stack;

static void on_stack(int sig, siginfo_t *info, void *uc)
{
    char here;
    stack_t s;
    (void)sig, (void)info, (void)uc;
    was_on_stack =
        &here > stack && &here < stack + sizeof stack && sigaltstack(NULL, &s) == 0 && s.ss_flags == SS_ONSTACK;
}

static void test_altstack(void)
{
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    CHECK(sigaltstack(&s, &old) == 0 && old.ss_flags == SS_DISABLE);
    install(SIGUSR1, on_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(was_on_stack);
    s.ss_size = 100;
    CHECK_FAILS(sigaltstack(&s, NULL), ENOMEM);
    s = (stack_t){.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&s, &old) == 0 && old.ss_size == sizeof stack);
}

static int killed_by(void (*f)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        f();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void blocked_fault(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    write_null();
}

static void ignored_fault(void)
{
    signal(SIGSEGV, SIG_IGN);
    write_null();
}

static void overflow(void)
{
    for (;;) *(volatile char *)__builtin_alloca(4096) = 1;
}

static void bad_sigreturn(void)
{
    __asm__ volatile("xorl %%esp, %%esp; movl $15, %%eax; syscall" : : : "rax", "rcx", "r11", "memory");
}

int main(void)
{
    test_faults();
    test_frame();
    test_altstack();
    CHECK(killed_by(blocked_fault) == SIGSEGV);
    CHECK(killed_by(ignored_fault) == SIGSEGV);
    CHECK(killed_by(overflow) == SIGSEGV);
    CHECK(killed_by(bad_sigreturn) == SIGSEGV);
    return check_result();
}
