// See enter.h. `host_words` is the thread's array of host/fault.c, reached as any thread-local of another file is.
#include "jit/enter.h"
#include <stddef.h>

#if defined(__x86_64__)

_Static_assert(offsetof(struct cpu, regs) == 0, "rsp points at regs");

#define EACH_VECTOR(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD_YMM(i)    "vmovups %c[v] + 32 * " #i "(%%rdi), %%ymm" #i "\n\t"
#define LOAD_XMM(i)    "movups %c[v] + 32 * " #i "(%%rdi), %%xmm" #i "\n\t"
#define SAVE_YMM(i)    "vmovups %%ymm" #i ", %c[v] + 32 * " #i "(%%rsp)\n\t"
#define SAVE_XMM(i)    "movups %%xmm" #i ", %c[v] + 32 * " #i "(%%rsp)\n\t"

#define CONSTANTS                                                                                                      \
    [v] "i"(offsetof(struct cpu, v)), [r11] "i"(8 * SLOT_R11), [in] "i"(8 * SLOT_IN), [cpu] "i"(8 * SLOT_CPU),         \
        [host] "i"(8 * SLOT_HOST_RSP), [rsp] "i"(8 * SLOT_RSP), [target] "i"(8 * SLOT_TARGET),                         \
        [flags] "i"(8 * SLOT_FLAGS), [vector] "i"(8 * SLOT_VECTOR), [ymm] "i"(VECTOR_YMM)

// Flags: OF by an addition that overflows or not, the others by SAHF (POPF takes ten times as long).
__attribute__((naked)) void jit_enter(struct cpu *cpu __attribute__((unused)), uint64_t *words __attribute__((unused)))
{
    __asm__ volatile("push %%rbx\n\t"
                     "push %%rbp\n\t"
                     "push %%r12\n\t"
                     "push %%r13\n\t"
                     "push %%r14\n\t"
                     "push %%r15\n\t"
                     "mov %%rsp, %c[host](%%rsi)\n\t"
                     "mov %%rdi, %c[cpu](%%rsi)\n\t"
                     "movq $1, %c[in](%%rsi)\n\t"
                     "mov 8*11(%%rdi), %%r11\n\t"
                     "mov %%r11, %c[r11](%%rsi)\n\t"
                     "cmpq %[ymm], %c[vector](%%rsi)\n\t"
                     "je 1f\n\t" EACH_VECTOR(LOAD_XMM) "jmp 2f\n"
                                                       "1:\n\t" EACH_VECTOR(LOAD_YMM) "2:\n\t"
                                                                                      "mov %c[flags](%%rsi), %%eax\n\t"
                                                                                      "mov %%eax, %%ecx\n\t"
                                                                                      "shr $11, %%ecx\n\t"
                                                                                      "and $1, %%ecx\n\t"
                                                                                      "mov %%al, %%ah\n\t"
                                                                                      "add $0x7f, %%cl\n\t"
                                                                                      "sahf\n\t"
                                                                                      "mov %%rdi, %%rsp\n\t"
                                                                                      "mov %%rsi, %%r11\n\t"
                                                                                      "mov 8*0(%%rsp), %%rax\n\t"
                                                                                      "mov 8*1(%%rsp), %%rcx\n\t"
                                                                                      "mov 8*2(%%rsp), %%rdx\n\t"
                                                                                      "mov 8*3(%%rsp), %%rbx\n\t"
                                                                                      "mov 8*5(%%rsp), %%rbp\n\t"
                                                                                      "mov 8*6(%%rsp), %%rsi\n\t"
                                                                                      "mov 8*7(%%rsp), %%rdi\n\t"
                                                                                      "mov 8*8(%%rsp), %%r8\n\t"
                                                                                      "mov 8*9(%%rsp), %%r9\n\t"
                                                                                      "mov 8*10(%%rsp), %%r10\n\t"
                                                                                      "mov 8*12(%%rsp), %%r12\n\t"
                                                                                      "mov 8*13(%%rsp), %%r13\n\t"
                                                                                      "mov 8*14(%%rsp), %%r14\n\t"
                                                                                      "mov 8*15(%%rsp), %%r15\n\t"
                                                                                      "mov %c[rsp](%%r11), %%rsp\n\t"
                                                                                      "jmp *%c[stub](%%r11)\n\t"
                     :
                     : CONSTANTS, [stub] "i"(8 * SLOT_ENTER)
                     : "memory");
}

// The host's rsp is the guest's until the last moment: every signal handler of this thread runs on a stack of its own.
__attribute__((naked)) void jit_leave(void)
{
    __asm__ volatile(
        "mov host_words@gottpoff(%%rip), %%r11\n\t"
        "mov %%rsp, %%fs:%c[rsp](%%r11)\n\t"
        "mov %%fs:%c[cpu](%%r11), %%rsp\n\t"
        "mov %%rax, 8*0(%%rsp)\n\t"
        "mov %%rcx, 8*1(%%rsp)\n\t"
        "mov %%rdx, 8*2(%%rsp)\n\t"
        "mov %%rbx, 8*3(%%rsp)\n\t"
        "mov %%rbp, 8*5(%%rsp)\n\t"
        "mov %%rsi, 8*6(%%rsp)\n\t"
        "mov %%rdi, 8*7(%%rsp)\n\t"
        "mov %%r8, 8*8(%%rsp)\n\t"
        "mov %%r9, 8*9(%%rsp)\n\t"
        "mov %%r10, 8*10(%%rsp)\n\t"
        "mov %%r12, 8*12(%%rsp)\n\t"
        "mov %%r13, 8*13(%%rsp)\n\t"
        "mov %%r14, 8*14(%%rsp)\n\t"
        "mov %%r15, 8*15(%%rsp)\n\t"
        "lahf\n\t"
        "seto %%al\n\t"
        "mov %%ax, %%fs:%c[flags](%%r11)\n\t"
        "mov %%fs:%c[r11](%%r11), %%rax\n\t"
        "mov %%rax, 8*11(%%rsp)\n\t"
        "cmpq $0, %%fs:%c[save](%%r11)\n\t"
        "jne 1f\n\t" EACH_VECTOR(SAVE_XMM) "jmp 2f\n"
                                           "1:\n\t" EACH_VECTOR(SAVE_YMM) "vzeroupper\n"
                                                                          "2:\n\t"
                                                                          "mov %%fs:%c[host](%%r11), %%rsp\n\t"
                                                                          "movq $0, %%fs:%c[in](%%r11)\n\t"
                                                                          "pop %%r15\n\t"
                                                                          "pop %%r14\n\t"
                                                                          "pop %%r13\n\t"
                                                                          "pop %%r12\n\t"
                                                                          "pop %%rbp\n\t"
                                                                          "pop %%rbx\n\t"
                                                                          "ret\n\t"
        :
        : CONSTANTS, [save] "i"(8 * SLOT_SAVE)
        : "memory");
}
#else
#include <stdlib.h>

// Never called: jit_new makes no translator here (host_exec_lacks).
void jit_enter(struct cpu *cpu, uint64_t *words)
{
    (void)cpu, (void)words;
    abort();
}
void jit_leave(void)
{
    abort();
}
#endif
