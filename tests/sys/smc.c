// Code that changes itself: instructions already decoded, on the page being run, across pages; protections that come
// and go; code and data that alternate on a page; code written, run and written over; threads.
#include "smc.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC, RWX = RW | PROT_EXEC };

// Stores into the instruction right behind the store: xor eax,eax; mov byte [rip+d],N; add eax,imm8; ret
static void test_next_instruction(void)
{
    uint8_t *p = map_rwx(PAGE);
    static const uint8_t code[] = {0x31, 0xc0, 0xc6, 0x05, 2, 0, 0, 0, 0, 0x83, 0xc0, 1, 0xc3};
    memcpy(p, code, sizeof code);
    for (int i = 0; i < 1000; i++) {
        p[8] = (uint8_t)(i % 100); // what the store will store
        p[11] = 77;
        if (!CHECK(call(p) == i % 100)) return;
    }
}

// Each pass of the loop adds an immediate, then increments it: in a later and in an earlier instruction of the block.
//     xor eax,eax; mov ecx,edi; 1: add eax,imm32; inc dword [imm]; dec ecx; jnz 1b; ret
static void test_loop(int before)
{
    uint8_t *p = map_rwx(PAGE);
    static const uint8_t store[] = {0xff, 0x05}, head[] = {0x31, 0xc0, 0x89, 0xf9}, add[] = {0x05, 1, 0, 0, 0};
    static const uint8_t end[] = {0xff, 0xc9, 0x75, 0xf1, 0xc3};
    uint8_t *at = p, *imm;
    memcpy(at, head, 4);
    at += 4;
    if (!before) memcpy(at, add, 5), at += 5;
    imm = before ? at + 7 : at - 4;
    memcpy(at, store, 2);
    int32_t disp = (int32_t)(imm - (at + 6));
    memcpy(at + 2, &disp, 4);
    at += 6;
    if (before) memcpy(at, add, 5), at += 5;
    memcpy(at, end, 5);
    int (*sum)(int) = (int (*)(int))(uintptr_t)p;
    unsigned wanted = 0, value = 1;
    for (int n = 1; n < 3000; n += 331) {
        for (int i = 0; i < n; i++) {
            if (before) value++;
            wanted += value;
            if (!before) value++;
        }
        if (!CHECK((unsigned)sum(n) == wanted)) return;
        wanted = 0;
    }
}

// One instruction across two pages, changed on either side.
static void test_across_pages(void)
{
    uint8_t *p = map_rwx(2 * PAGE);
    for (int at = PAGE - 5; at < PAGE; at++) {
        for (int i = 0; i < 200; i++) {
            uint32_t v = (uint32_t)i * 0x1010101;
            put_return(p + at, v);
            CHECK((uint32_t)call_often(p + at) == v);
            p[PAGE - 1] = p[PAGE - 1]; // the same again
            CHECK((uint32_t)call_often(p + at) == v);
            if (at < PAGE - 4) continue;
            p[PAGE] ^= 0x40; // of the immediate, in its second page
            if (!CHECK((uint32_t)call(p + at) == (v ^ 0x40u << (8 * (PAGE - at - 1))))) return;
        }
    }
}

static void test_protections(void)
{
    uint8_t *p = map_rwx(4 * PAGE);
    for (int i = 0; i < 4; i++) put_return(p + i * PAGE, (uint32_t)i);
    for (int i = 0; i < 10000; i++) {
        int page = i % 4;
        CHECK(mprotect(p, 4 * PAGE, RW) == 0);
        if (i % 3 == 0) put_return(p + page * PAGE, (uint32_t)i);
        if (i % 3 == 1) p[page * PAGE + 6]++; // behind the code
        CHECK(mprotect(p, 4 * PAGE, RX) == 0);
        if (i % 3 == 0 && !CHECK(call(p + page * PAGE) == i)) return;
        int last = call(p + page * PAGE);
        if (!CHECK(call(p + page * PAGE) == last)) return;
    }
}

static sigjmp_buf back;
static volatile uintptr_t fault_at;
static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    fault_at = (uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}

// Does a call fault on the first instruction?
static int faults(const void *at)
{
    fault_at = 0;
    if (!sigsetjmp(back, 1)) (void)call(at);
    return fault_at == (uintptr_t)at;
}

// What has been translated does not run while its page may not be executed, nor when it is gone.
static void test_forbidden(void)
{
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
    uint8_t *p = map_rwx(2 * PAGE);
    put_return(p, 5);
    CHECK(call_often(p) == 5 && sigaction(SIGSEGV, &act, &old) == 0);
    for (int i = 0; i < 200; i++) {
        CHECK(mprotect(p, PAGE, i % 2 ? RW : PROT_NONE) == 0);
        if (!CHECK(faults(p))) break;
        CHECK(mprotect(p, PAGE, RX) == 0 && call_often(p) == 5);
    }
    for (int i = 0; i < 50; i++) {
        CHECK(munmap(p, PAGE) == 0 && faults(p));
        CHECK(mmap(p, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
        put_return(p, (uint32_t)i);
        if (!CHECK(call_often(p) == i)) break;
    }
    sigaction(SIGSEGV, &old, NULL);
}

// Code written, run once and written over.
static void test_run_once(void)
{
    uint8_t *p = map_rwx(PAGE);
    for (int i = 0; i < 100000; i++) {
        uint8_t *at = p + i * 16 % PAGE;
        put_return(at, (uint32_t)i);
        if (!CHECK(call(at) == i)) return;
    }
}

// A counter beside the code that counts in it: inc dword [rip+d]; mov eax,[rip+d]; ret, the counter at 64.
static void test_data_beside(int rounds)
{
    uint8_t *p = map_rwx(PAGE);
    static const uint8_t code[] = {0xff, 0x05, 58, 0, 0, 0, 0x8b, 0x05, 52, 0, 0, 0, 0xc3};
    memcpy(p, code, sizeof code);
    int (*count)(void) = (int (*)(void))(uintptr_t)p;
    for (int i = 1; i <= rounds; i++)
        if (!CHECK(count() == i)) return;
}

// The page is written to so often that it may be handled specially; then its code must still be what is run.
static void test_changes_among_data(void)
{
    uint8_t *p = map_rwx(PAGE);
    volatile int *data = (volatile int *)(void *)(p + 256);
    for (int i = 0; i < 200000; i++) {
        (*data)++;
        if (i % 7 == 0) put_return(p, (uint32_t)i);
        if (!CHECK(call(p) == i - i % 7)) return;
    }
    CHECK(*data == 200000);
}

// A push onto the page that holds the code, as on an executable stack: push imm; pop rax; ret on its own page.
static void test_stack_beside(void)
{
    uint8_t *p = map_rwx(PAGE);
    static const uint8_t code[] = {0x48, 0x89, 0xe1, 0x48, 0x8d, 0x25, 0xf1, 0x0f, 0,
                                   0,    0x6a, 42,   0x58, 0x48, 0x89, 0xcc, 0xc3};
    // mov rcx,rsp; lea rsp,[rip+0xff1] (near the end of the page); push 42; pop rax; mov rsp,rcx; ret
    memcpy(p, code, sizeof code);
    int32_t disp = PAGE - 16 - 10;
    memcpy(p + 6, &disp, 4);
    for (int i = 0; i < 20000; i++)
        if (!CHECK(((function *)(uintptr_t)p)() == 42)) return;
}

struct worker {
    uint8_t *own, *common;
    int good;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    w->good = 1;
    for (int i = 0; i < 2000; i++) {
        put_return(w->own, (uint32_t)i);
        w->good &= call(w->own) == i && call(w->common) == 99;
    }
    return NULL;
}

// Threads that write and run code of their own, all on one page, beside code that stays.
static void test_threads(void)
{
    enum { THREADS = 4 };
    uint8_t *p = map_rwx(PAGE);
    pthread_t id[THREADS];
    struct worker w[THREADS];
    put_return(p + 2048, 99);
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){p + i * 256, p + 2048, 0};
        CHECK(pthread_create(&id[i], NULL, work, &w[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(id[i], NULL) == 0 && w[i].good);
}

int main(void)
{
    test_next_instruction();
    test_loop(0);
    test_loop(1);
    test_across_pages();
    test_protections();
    test_forbidden();
    test_run_once();
    test_data_beside(100000);
    test_changes_among_data();
    test_stack_beside();
    test_threads();
    return check_result();
}
