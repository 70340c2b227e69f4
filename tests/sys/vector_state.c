// AVX registers across signals, system calls, forks and threads; the frame's XSAVE image as programs read and change it
// (sigcontext.h, arch/x86/kernel/fpu/signal.c).
#include "check.h"
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { MAGIC1 = 0x46505853, MAGIC2 = 0x46505845, FP_XSTATE = 1, HEADER = 512, AVX = 576 };

struct sw {
    uint32_t magic1, extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size;
};

static uint64_t seen[4], in_handler[4], put[4];
static int change;

static void load(const uint64_t v[4])
{
    __asm__ volatile("vmovdqu (%0), %%ymm9" : : "r"(v) : "xmm9", "memory");
}

static void save(uint64_t v[4])
{
    __asm__ volatile("vmovdqu %%ymm9, (%0)" : : "r"(v) : "memory");
}

static bool same(const uint64_t a[4], const uint64_t b[4])
{
    return !memcmp(a, b, 32);
}

static const uint64_t pattern[4] = {0x0123456789abcdef, 0xfedcba9876543210, 0x1111222233334444, 0x5555666677778888};
static const uint64_t other[4] = {1, 2, 3, 4};

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint8_t *image = (uint8_t *)uc->uc_mcontext.fpregs;
    struct sw sw;
    uint64_t xstate_bv;
    uint32_t magic2;
    (void)sig, (void)info;
    save(in_handler);
    memcpy(&sw, image + 464, sizeof sw);
    CHECK(uc->uc_flags & FP_XSTATE);
    CHECK(sw.magic1 == MAGIC1 && (sw.xfeatures & 7) == 7 && sw.xstate_size >= 832);
    CHECK(sw.extended_size == sw.xstate_size + 4);
    memcpy(&magic2, image + sw.xstate_size, 4);
    memcpy(&xstate_bv, image + HEADER, 8);
    CHECK(magic2 == MAGIC2 && (xstate_bv & 7) == 7 && (uintptr_t)image % 64 == 0);
    memcpy(seen, image + 160 + 9 * 16, 16);
    memcpy(seen + 2, image + AVX + 9 * 16, 16);
    if (change == 1) memcpy(image + 160 + 9 * 16, put, 16), memcpy(image + AVX + 9 * 16, put + 2, 16);
    if (change == 2) memset(image + sw.xstate_size, 0, 4);                      // then only the first 512 bytes count
    if (change == 3) xstate_bv &= ~4ull, memcpy(image + HEADER, &xstate_bv, 8); // AVX's initial state
    load(other);
}

static void raise_with(int how, uint64_t after[4])
{
    change = how;
    load(pattern);
    kill(getpid(), SIGUSR1);
    save(after);
    CHECK(same(seen, pattern));
}

static void test_frame(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    uint64_t after[4], low[4] = {pattern[0], pattern[1]};
    CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
    raise_with(0, after);
    CHECK(same(after, pattern));
    CHECK(in_handler[0] == 0 && in_handler[3] == 0); // a handler starts with the initial state
    memcpy(put, (uint64_t[]){9, 8, 7, 6}, sizeof put);
    raise_with(1, after);
    CHECK(same(after, put));
    raise_with(2, after);
    CHECK(same(after, low));
    raise_with(3, after);
    CHECK(same(after, low));
    CHECK(getauxval(AT_MINSIGSTKSZ) > 832 + 440);
}

static volatile int stop;

static void *spoil(void *arg)
{
    (void)arg;
    while (!stop) load(other), sched_yield();
    return NULL;
}

static void test_switches(void)
{
    pthread_t thread;
    uint64_t after[4];
    int status, differs = 0;
    CHECK(pthread_create(&thread, NULL, spoil, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        load(pattern);
        sched_yield();
        save(after);
        differs += !same(after, pattern);
    }
    stop = 1;
    pthread_join(thread, NULL);
    CHECK(differs == 0);
    load(pattern);
    pid_t pid = fork();
    save(after);
    if (pid == 0) _exit(same(after, pattern) ? 0 : 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0 && same(after, pattern));
}

int main(void)
{
    unsigned a, b, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_AVX)) return 0; // a CPU without AVX has nothing to lose
    test_frame();
    test_switches();
    return check_result();
}
