// Reservations of 10 GiB, as for WebAssembly memories: code made at run time reaches what was made accessible of them,
// and nothing else: what lies behind faults, with the address that it was.
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { OFTEN = 100, SIZE = 1 << 20, MEMORIES = 4, TRIES = 3 };
#define RESERVED (10ull << 30)

static sigjmp_buf back;
static void *volatile fault_address;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    fault_address = info->si_addr;
    siglongjmp(back, sig);
}

// A kernel that has not so much to give says so; who asks again, for as much, gets it.
static uint8_t *reserve(size_t size)
{
    void *at = MAP_FAILED;
    for (int i = 0; i < TRIES && at == MAP_FAILED; i++)
        at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

typedef uint64_t load(const uint8_t *base, uint64_t index);
typedef void store(uint8_t *base, uint64_t index, uint64_t value);
struct functions {
    load *load8, *load64, *load_r11, *load_disp, *load_sse;
    store *store64, *add64, *store_r11;
};

// Code that is no file's. rdi base, rsi index, rdx value.
static void make(struct functions *f)
{
    static const char *const code[] = {
        "\x0f\xb6\x04\x37\xc3",                             // movzx eax, byte [rdi+rsi]
        "\x48\x8b\x04\x37\xc3",                             // mov rax, [rdi+rsi]
        "\x49\x89\xfb\x4e\x8b\x1c\x1e\x4c\x89\xd8\xc3",     // mov r11, rdi; mov r11, [rsi+r11]; mov rax, r11
        "\x48\x01\xf7\x48\x8b\x87\x00\x00\x00\x70\xc3",     // add rdi, rsi; mov rax, [rdi+0x70000000]
        "\xf3\x0f\x6f\x04\x37\x66\x48\x0f\x7e\xc0\xc3",     // movdqu xmm0, [rdi+rsi]; movq rax, xmm0
        "\x48\x89\x14\x37\xc3",                             // mov [rdi+rsi], rdx
        "\xf0\x48\x01\x14\x37\xc3",                         // lock add [rdi+rsi], rdx
        "\x49\x89\xd3\x4c\x89\x1c\x37\x4c\x89\x1c\x37\xc3", // mov r11, rdx; mov [rdi+rsi], r11; again
    };
    static const unsigned bytes[] = {5, 5, 11, 11, 11, 5, 6, 12};
    uint8_t *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    for (unsigned i = 0; i < 8; i++) memcpy(at + 64 * i, code[i], bytes[i]);
    f->load8 = (load *)(void *)at, f->load64 = (load *)(void *)(at + 64), f->load_r11 = (load *)(void *)(at + 128);
    f->load_disp = (load *)(void *)(at + 192), f->load_sse = (load *)(void *)(at + 256);
    f->store64 = (store *)(void *)(at + 320), f->add64 = (store *)(void *)(at + 384);
    f->store_r11 = (store *)(void *)(at + 448);
}

static int load_faults(load *l, const uint8_t *base, uint64_t index, uint64_t disp)
{
    fault_address = NULL;
    if (sigsetjmp(back, 1)) return fault_address == base + index + disp;
    l(base, index);
    return 0;
}

static int store_faults(store *s, uint8_t *base, uint64_t index)
{
    fault_address = NULL;
    if (sigsetjmp(back, 1)) return fault_address == base + index;
    s(base, index, 1);
    return 0;
}

static void test_inside(const struct functions *f, uint8_t *base)
{
    CHECK(mprotect(base, SIZE, PROT_READ | PROT_WRITE) == 0);
    for (int i = 0; i < OFTEN; i++) {
        uint64_t at = (uint64_t)(i * 8191) % (SIZE - 16);
        f->store64(base, at, 0x1122334455667700u + (unsigned)i);
        f->add64(base, at, 3);
        CHECK(f->load64(base, at) == 0x1122334455667703u + (unsigned)i && f->load8(base, at) == (uint8_t)(i + 3));
        CHECK(f->load_r11(base, at) == f->load64(base, at) && f->load_sse(base, at) == f->load64(base, at));
        CHECK(f->load_disp(base, at - 0x70000000u) == f->load64(base, at));
        f->store_r11(base, at, 77);
        CHECK(f->load64(base, at) == 77 && base[at] == 77);
    }
}

// At once, and when the code has been translated; near the end, and where something else lies in the lower half.
static void test_outside(const struct functions *f, uint8_t *base)
{
    static const uint64_t beyond[] = {SIZE,       SIZE + 4096,  64 << 20,     0x20000000,   0x7fffffff,
                                      0xfffffff0, 0x100000000u, 0x17fffffffu, 0x1f0000000u, 0x23fffff00u};
    for (int i = 0; i < OFTEN; i++) {
        uint64_t at = beyond[i % 10];
        CHECK(load_faults(f->load8, base, at, 0) && load_faults(f->load64, base, at, 0));
        CHECK(load_faults(f->load_r11, base, at, 0) && load_faults(f->load_sse, base, at, 0));
        CHECK(load_faults(f->load_disp, base, at, 0x70000000) || at > 0x1cfffffff);
        CHECK(store_faults(f->store64, base, at) && store_faults(f->add64, base, at));
        CHECK(store_faults(f->store_r11, base, at));
    }
}

// An access of 8 bytes of which the last `over` lie behind the end.
static int end_faults(const struct functions *f, uint8_t *base, size_t size, unsigned over)
{
    fault_address = NULL;
    if (sigsetjmp(back, 1)) return fault_address == base + size;
    if (over == 7)
        f->store64(base, size - 8 + over, ~0ull);
    else
        f->load64(base, size - 8 + over);
    return 0;
}

// As much of it as there is, and accesses across its end, with another memory perhaps right behind.
static void test_end(const struct functions *f, uint8_t *base)
{
    enum { STEP = 16 << 20, MOST = 1 << 30 };
    size_t size = STEP;
    CHECK(mprotect(base, STEP, PROT_READ | PROT_WRITE) == 0);
    while (size < MOST && mprotect(base + size, STEP, PROT_READ | PROT_WRITE) == 0) size += STEP;
    for (int i = 0; i < OFTEN; i++) {
        CHECK(end_faults(f, base, size, 4) && end_faults(f, base, size, 7));
        CHECK(f->load8(base, size - 1) == 0);
    }
    CHECK(mprotect(base + SIZE, size - SIZE, PROT_NONE) == 0);
}

// What the kernel and the C library do with such memory.
static void test_kernel(uint8_t *base)
{
    int pipes[2], status;
    CHECK(pipe(pipes) == 0 && write(pipes[1], "12345", 5) == 5 && read(pipes[0], base + 100, 5) == 5);
    CHECK(!memcmp(base + 100, "12345", 5) && write(pipes[1], base + 101, 3) == 3);
    CHECK_FAILS(read(pipes[0], base + SIZE, 3), EFAULT);
    CHECK_FAILS(write(pipes[1], base + 0x120000000u, 3), EFAULT);
    CHECK(read(pipes[0], base, 3) == 3 && !memcmp(base, "234", 3));
    memmove(base + 5000, base + 100, 5000);
    CHECK(!memcmp(base + 5000, "12345", 5));
    CHECK(madvise(base + 4096, 8192, MADV_DONTNEED) == 0 && base[5000] == 0 && base[100] == '1');
    CHECK(mprotect(base + SIZE, SIZE, PROT_READ) == 0 && base[SIZE + 5] == 0);
    CHECK(mmap(base + SIZE, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == base + SIZE);
    pid_t child = fork();
    if (!child) {
        base[100] = 'x';
        _exit(base[101] == '2' ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0 && base[100] == '1');
    close(pipes[0]);
    close(pipes[1]);
}

static void test_child(const struct functions *f, uint8_t *base)
{
    int status;
    pid_t child = fork();
    if (!child) {
        test_outside(f, base);
        _exit(check_result());
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct functions f;
    uint8_t *base[MEMORIES], plain[64] = {42};
    sigaction(SIGSEGV, &act, NULL);
    make(&f);
    for (int i = 0; i < OFTEN; i++) CHECK((uint8_t)f.load64(plain, 0) == 42); // translated before there is any
    for (int i = 0; i < MEMORIES; i++) {
        base[i] = reserve(RESERVED);
        if (!CHECK(base[i])) return check_result();
        CHECK(madvise(base[i], RESERVED, MADV_DONTDUMP) == 0);
        CHECK(mprotect(base[i], SIZE, PROT_READ) == 0 && mprotect(base[i], RESERVED, PROT_NONE) == 0);
        test_inside(&f, base[i]);
    }
    for (int i = 0; i < MEMORIES; i++) { // by turns
        test_outside(&f, base[i]);
        CHECK(base[i][7] == f.load8(base[i], 7));
        test_end(&f, base[i]);
        test_kernel(base[i]);
    }
    test_child(&f, base[1]);
    CHECK(munmap(base[1], RESERVED) == 0 && load_faults(f.load8, base[1], 5, 0));
    CHECK(munmap(base[0] + (5ull << 30), RESERVED - (5ull << 30)) == 0 && base[0][100] == '1');
    base[1] = reserve(RESERVED);
    CHECK(base[1] && load_faults(f.load8, base[1], 5, 0));
    test_inside(&f, base[1]);
    test_outside(&f, base[1]);
    CHECK(munmap(base[0], 5ull << 30) == 0 && munmap(base[1], RESERVED) == 0 && munmap(base[2], RESERVED) == 0);
    CHECK((uint8_t)f.load64(plain, 0) == 42);
    return check_result();
}
