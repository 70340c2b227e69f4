// runner: does the judge itself judge right? Known instructions on the host with known results and faults, and the
// comparison's eye for every part of the state. Exit status: 0 when all holds.
#include "compare.h"
#include "cpu/cpu.h"
#include "host_run.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { RUN_AT = CODE_BASE + 0x100 };

struct bench {
    struct host_runner *host;
    struct machine in;
    struct outcome out;
    unsigned failures;
};

static void check(struct bench *b, bool holds, const char *what, int line)
{
    if (holds) return;
    printf("runner.c:%d: %s\n", line, what);
    b->failures++;
}
#define CHECK(condition) check(b, condition, #condition, __LINE__)

static void fresh(struct bench *b)
{
    memset(&b->in, 0, sizeof b->in);
    b->in.gpr[RSP] = data_base + 0x800;
    b->in.eflags = 0x202;
    b->in.fx.fcw = 0x37f, b->in.fx.mxcsr = 0x1f80;
    b->in.rip = RUN_AT;
}

static void run(struct bench *b, const void *bytes, unsigned n)
{
    uint8_t *code = (uint8_t *)(uintptr_t)b->in.rip;
    memcpy(code, bytes, n);
    hostcpu_run(b->host, &b->in, &b->out);
    memset(code, 0xcc, n);
}
#define RUN(bytes) run(b, bytes, sizeof(bytes) - 1)

static void results(struct bench *b)
{
    fresh(b);
    b->in.gpr[RAX] = ~0ull, b->in.gpr[RBX] = 1;
    for (int i = 8; i < 16; i++) b->in.gpr[i] = 0x0101010101010101u * (uint64_t)i;
    RUN("\x48\x01\xd8"); // add rax, rbx
    CHECK(b->out.vector == VECTOR_NONE && b->out.after.rip == RUN_AT + 3 && b->out.after.gpr[RAX] == 0);
    CHECK((b->out.after.eflags & FLAGS_ARITH) == (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF));
    CHECK(!memcmp(b->in.gpr + 1, b->out.after.gpr + 1, sizeof b->in.gpr - 8));
    RUN("\xe9\x00\x00\x00\x10"); // jmp to where nothing is
    CHECK(b->out.vector == VECTOR_NONE && b->out.after.rip == RUN_AT + 5 + 0x10000000);
    b->in.fs_base = 0x1000, b->in.gpr[RAX] = data_base;
    *(uint64_t *)(uintptr_t)(data_base + 0x1000) = 0x1234;
    RUN("\x64\x48\x8b\x18"); // mov rbx, fs:[rax]
    CHECK(b->out.vector == VECTOR_NONE && b->out.after.gpr[RBX] == 0x1234);
    fresh(b);
    b->in.fx.fsw = 3 << 11, b->in.fx.ftw = 0x18,
    b->in.fx.xmm[15][1] = 0x4000000000000000; // ST(0), ST(1) hold something
    b->in.fx.st[0].frac = 1ull << 63, b->in.fx.st[0].se = 0x3fff, b->in.fx.st[1] = b->in.fx.st[0];
    RUN("\xd8\xc1"); // fadd st, st(1)
    CHECK(b->out.after.fx.st[0].se == 0x4000 && b->out.after.fx.st[0].frac == 1ull << 63);
    CHECK(b->out.after.fx.fsw == 3 << 11 && b->out.after.fx.ftw == 0x18 &&
          b->out.after.fx.xmm[15][1] == 0x4000000000000000);
}

static void faults(struct bench *b)
{
    fresh(b);
    RUN("\xcc");
    CHECK(b->out.vector == VEC_BP && b->out.after.rip == RUN_AT + 1);
    RUN("\x0f\x0b");
    CHECK(b->out.vector == VEC_UD && b->out.after.rip == RUN_AT);
    RUN("\xf7\xf0"); // div eax, of 0
    CHECK(b->out.vector == VEC_DE);
    RUN("\xf4"); // hlt
    CHECK(b->out.vector == VEC_GP);
    b->in.gpr[RAX] = data_base + DATA_HOLE * PAGE - 2;
    RUN("\x89\x00"); // mov [rax], eax
    CHECK(b->out.vector == VEC_PF && b->out.write && !b->out.present &&
          b->out.fault_addr == data_base + DATA_HOLE * PAGE);
    b->in.gpr[RAX] = data_base + DATA_RO * PAGE;
    RUN("\x89\x00");
    CHECK(b->out.vector == VEC_PF && b->out.write && b->out.present && b->out.fault_addr == b->in.gpr[RAX]);
    RUN("\x8b\x00");
    CHECK(b->out.vector == VECTOR_NONE);
    b->in.fx.mxcsr = 0, b->in.fx.xmm[0][0] = 0x7f800001; // a signalling NaN, invalid unmasked
    RUN("\xf3\x0f\x58\xc0");                             // addss
    CHECK(b->out.vector == VEC_XM && b->out.after.fx.mxcsr == 1);
    b->in.fx.fcw = 0x340, b->in.fx.fsw = 0x8081;
    RUN("\xd9\xe8"); // fld1, with an exception pending
    CHECK(b->out.vector == VEC_MF);
    b->in.rip = CODE_BASE + CODE_PAGES * PAGE - 2;
    run(b, "\x48\x01", 2);
    CHECK(b->out.vector == VEC_PF && b->out.exec && b->out.after.rip == b->in.rip &&
          b->out.fault_addr == CODE_BASE + CODE_PAGES * PAGE);
}

// Each part of the state, changed by one bit, is seen as what it is.
static void comparison(struct bench *b)
{
    static uint8_t page[2][DATA_PAGES][PAGE];
    static struct row row = {.operands = "Eb,Gb"};
    struct memories m;
    struct test_case c = {.row = &row, .opsize = 4, .modrm_reg = -1, .modrm_rm = -1};
    for (int i = 0; i < DATA_PAGES; i++) m.host[i] = page[0][i], m.guest[i] = page[1][i];
    fresh(b);
    run(b, "\x90", 1);
    struct outcome h = b->out, g = h;
    struct {
        unsigned diff;
        void *at;
    } parts[] = {{DIFF_GPR, &g.after.gpr[15]},
                 {DIFF_RIP, &g.after.rip},
                 {DIFF_FLAGS, &g.after.eflags},
                 {DIFF_XMM, &g.after.fx.xmm[15][1]},
                 {DIFF_MXCSR, &g.after.fx.mxcsr},
                 {DIFF_X87, &g.after.fx.fcw},
                 {DIFF_X87, &g.after.fx.fsw},
                 {DIFF_X87, &g.after.fx.ftw},
                 {DIFF_X87, &g.after.fx.st[7].frac},
                 {DIFF_X87, &g.after.fx.st[7].se},
                 {DIFF_MEMORY, &page[1][DATA_RW3][PAGE - 1]},
                 {DIFF_GPR, &g.after.fs_base}};
    CHECK(compare(&c, &h, &g, &m) == 0);
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        *(uint8_t *)parts[i].at ^= 1;
        CHECK(compare(&c, &h, &g, &m) == parts[i].diff);
        *(uint8_t *)parts[i].at ^= 1;
    }
    h.vector = g.vector = VEC_PF, g.fault_addr = 1;
    CHECK(compare(&c, &h, &g, &m) == DIFF_FAULT);
    row.flags_undefined = FLAG_CF;
    g = h, g.after.eflags ^= FLAG_CF;
    CHECK(compare(&c, &h, &g, &m) == 0);
}

int main(void)
{
    struct bench bench = {.host = hostcpu_open()}, *b = &bench;
    if (!b->host) return 2;
    memset((void *)(uintptr_t)CODE_BASE, 0xcc, CODE_PAGES * PAGE);
    mprotect((void *)(uintptr_t)(data_base + DATA_RO * PAGE), PAGE, PROT_READ);
    results(b);
    faults(b);
    comparison(b);
    hostcpu_close(b->host);
    printf("runner: %u failures\n", b->failures);
    return b->failures != 0;
}
