// Short functions, which a translator may follow into and out of again: what they return to is what is on the stack
// then, whoever has put it there; flags pass through; what leaves them in the middle returns as well.
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

enum { ROUNDS = 3000, PAGE = 4096 };

// by_*: 1 when the function has returned behind its call, 2 when to the address in rdx.
#define CALLER(name, body)                                                                                             \
    "by_" name ": lea 2f(%rip), %rax; test %edi, %edi; lea 1f(%rip), %rdx; cmovnz %rax, %rdx\n"                        \
    "call leaf_" name "\n1: mov $1, %eax; ret\n2: mov $2, %eax; ret\n"                                                 \
    "leaf_" name ": " body "\n"
__asm__(".pushsection .text\n"                                                                                    //
        CALLER("pointer", "mov %rsp, %rax; mov %rdx, (%rax); ret")                                                //
        CALLER("slot", "nop; mov %rdx, (%rsp); ret")                                                              //
        CALLER("part", "mov %dx, (%rsp); mov %edx, (%rsp); ret")                                                  //
        CALLER("vector", "movups (%rsp), %xmm0; movq %rdx, %xmm1; movsd %xmm1, %xmm0; movups %xmm0, (%rsp); ret") //
        CALLER("push", "pop %rcx; push %rdx; ret")                                                                //
        CALLER("moved", "add $8, %rsp; push %rdx; ret")                                                           //
        CALLER("frame", "sub $24, %rsp; mov %rdx, 24(%rsp); add $24, %rsp; ret")                                  //
        CALLER("deeper", "push %rdx; sub $-8, %rsp; mov -8(%rsp), %rcx; mov %rcx, (%rsp); ret")                   //
        CALLER("exchange", "xchg %rdx, (%rsp); ret")                                                              //
        CALLER("far", "mov %rdx, -4096(%rsp); ret")                                                               //
        // carries(x): adc's carry comes from the function, which says whether x is odd.
        "carries: xor %eax, %eax; call leaf_bit; adc $10, %eax; ret\n"
        "leaf_bit: bt $0, %edi; mov %edi, %ecx; ret\n"
        // steps(x): by three ways through the function.
        "steps: call leaf_steps; lea 1(%rax), %rax; ret\n"
        "leaf_steps: push %rbx; cmp $10, %edi; jb 1f; mov $20, %ebx; cmp $20, %edi; jae 2f; mov $10, %ebx; jmp 2f\n"
        "1: xor %ebx, %ebx\n2: mov %ebx, %eax; pop %rbx; ret\n"
        // loads(p): the function may fault.
        "loads: call leaf_loads\n1: add $1, %eax; ret\nloads_else: mov $-1, %eax; ret\n"
        "leaf_loads: sub $8, %rsp; mov (%rdi), %eax; add $8, %rsp; ret\n"
        // on_stack(x, rsp): by_far on another stack.
        "on_stack: push %rbp; mov %rsp, %rbp; mov %rsi, %rsp; call by_far; mov %rbp, %rsp; pop %rbp; ret\n"
        ".popsection");

int by_pointer(int), by_slot(int), by_part(int), by_vector(int), by_push(int), by_moved(int), by_frame(int),
    by_deeper(int), by_exchange(int), by_far(int);
int carries(int), steps(int), loads(const int *), on_stack(int, void *);
extern char loads_else[];

static void test_written(const char *name, int (*by)(int), int wanted)
{
    int wrong = 0;
    for (int i = 0; i < ROUNDS; i++) wrong += by(0) != 1;
    for (int i = 0; i < ROUNDS; i++) wrong += by(i % 3 == 0) != (i % 3 == 0 ? wanted : 1);
    if (!CHECK(wrong == 0)) printf("%s: %d times\n", name, wrong);
}

static void test_flags(void)
{
    int sum = 0;
    for (int i = 0; i < ROUNDS; i++) sum += carries(i);
    CHECK(sum == ROUNDS * 10 + ROUNDS / 2);
}

static void test_ways(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int x = i % 30;
        if (!CHECK(steps(x) == (x < 10 ? 1 : x < 20 ? 11 : 21))) return;
    }
}

static volatile int faults, moves;

// The function goes on with another address; it returns elsewhere if it is told to.
static void on_fault(int sig, siginfo_t *info, void *context)
{
    static const int good = 7;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)sig, (void)info;
    faults++;
    r[REG_RDI] = (greg_t)(uintptr_t)&good;
    if (moves) ((uint64_t *)r[REG_RSP])[1] = (uintptr_t)loads_else;
}

static void test_faults(void)
{
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    int wrong = 0, number = 3;
    sigaction(SIGSEGV, &a, NULL);
    for (int i = 0; i < ROUNDS; i++) wrong += loads(&number) != 4;
    for (int i = 0; i < 100; i++) {
        moves = i & 1;
        wrong += loads(NULL) != (moves ? -1 : 8);
        wrong += loads(&number) != 4;
    }
    CHECK(wrong == 0 && faults == 100);
    signal(SIGSEGV, SIG_DFL);
}

// Two pages of one frame: the function's store is to the other one.
static void test_seen_twice(void)
{
    int fd = memfd_create("stack", 0);
    CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
    uint8_t *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4; i++)
        CHECK(mmap(p + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
    int wrong = 0;
    for (int i = 0; i < ROUNDS; i++) wrong += on_stack(i & 1, p + 3 * PAGE + 512) != 1 + (i & 1);
    CHECK(wrong == 0);
    munmap(p, 4 * PAGE);
    close(fd);
}

static volatile int ticks;
static void on_tick(int sig)
{
    (void)sig;
    ticks++;
}

static void test_ticks(void)
{
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &often, NULL);
    long rounds = 0, sum = 0;
    while (ticks < 30) {
        sum += carries((int)rounds++) - 10;
        sum += steps(15) - 11;
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(sum == rounds / 2);
}

int main(void)
{
    test_written("pointer", by_pointer, 2);
    test_written("slot", by_slot, 2);
    test_written("part", by_part, 2);
    test_written("vector", by_vector, 2);
    test_written("push", by_push, 2);
    test_written("moved", by_moved, 2);
    test_written("frame", by_frame, 2);
    test_written("deeper", by_deeper, 2);
    test_written("exchange", by_exchange, 2);
    test_written("far", by_far, 1);
    test_flags();
    test_ways();
    test_faults();
    test_seen_twice();
    test_ticks();
    return check_result();
}
