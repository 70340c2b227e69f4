// properties: the rows that cannot be compared with the host (properties.def) do what the manual and Linux say, in both
// memory back ends and translated.
//
// Also: every row that the table marks `prop` has a test here, and no other; no row is marked `vector`, for there are
// no vectors. Exit status: 0 when all holds.
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "guest_run.h"
#include "host/exec.h"
#include "values.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_AT = CODE_BASE + 0x100, DATA = DATA_LOW + 0x100 };

struct bench {
    struct guest *guest;
    const char *engine, *test;
    unsigned failures;
    struct machine in;  // state before the next instruction: every register has a value of its own
    struct outcome out; // what the last one did
};

static void check(struct bench *b, bool holds, const char *what, int line)
{
    if (holds) return;
    printf("properties.c:%d: %s, %s: %s %s\n", line, b->test, b->engine, what, guest_complaint(b->guest));
    b->failures++;
}
#define CHECK(condition) check(b, condition, #condition, __LINE__)

static void fresh(struct bench *b)
{
    memset(&b->in, 0, sizeof b->in);
    for (unsigned i = 0; i < GPR_COUNT; i++) b->in.gpr[i] = 0x1111111111111111ull * i + 0x8000000000000000;
    b->in.gpr[RSP] = DATA;
    b->in.eflags = 0x202 | FLAG_CF | FLAG_OF;
    b->in.fx.fcw = 0x37f, b->in.fx.mxcsr = 0x1f80;
    b->in.rip = RUN_AT;
}

// Runs one instruction, at most 15 bytes in hex.
static void run(struct bench *b, const char *hex)
{
    uint8_t *code = guest_code(b->guest) + (RUN_AT - CODE_BASE);
    unsigned n = (unsigned)strlen(hex) / 2;
    memset(code, 0xcc, 16);
    for (unsigned i = 0; i < n; i++) code[i] = (uint8_t)strtoul((char[]){hex[2 * i], hex[2 * i + 1], 0}, NULL, 16);
    guest_run(b->guest, &b->in, &b->out);
}

static void poke(struct bench *b, unsigned offset, const void *from, unsigned bytes)
{
    memcpy(guest_data(b->guest, DATA_RW0) + 0x100 + offset, from, bytes);
}
static const uint8_t *peek(struct bench *b)
{
    return guest_data(b->guest, DATA_RW0) + 0x100;
}

static bool completed(const struct bench *b, unsigned length)
{
    return b->out.vector == VECTOR_NONE && b->out.after.rip == RUN_AT + length;
}

// Only the registers of the set (bits by number) have changed.
static bool kept(const struct bench *b, unsigned but)
{
    for (int i = 0; i < GPR_COUNT; i++)
        if (!(but >> i & 1) && b->in.gpr[i] != b->out.after.gpr[i]) return false;
    return true;
}

static bool faulted(const struct bench *b, enum cpu_vector vector)
{
    return b->out.vector == (int)vector && b->out.after.rip == RUN_AT && kept(b, 0) &&
           b->out.after.eflags == b->in.eflags;
}

static void syscall_stops(struct bench *b)
{
    fresh(b);
    run(b, "0f05");
    CHECK(b->out.vector == VECTOR_SYSCALL);
    CHECK(b->out.after.rip == RUN_AT + 2);
    CHECK(b->out.after.gpr[RCX] == RUN_AT + 2);
    CHECK(b->out.after.gpr[11] == b->in.eflags);
    CHECK(kept(b, 1 << RCX | 1 << 11));
    CHECK(b->out.after.eflags == b->in.eflags);
}

static void sysenter_faults(struct bench *b)
{
    fresh(b);
    run(b, "0f34");
    CHECK(faulted(b, VEC_GP));
}

static void cpuid(struct bench *b, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    static const uint8_t order[4] = {RAX, RBX, RCX, RDX};
    fresh(b);
    b->in.gpr[RAX] = 0xdeadbeef00000000 | leaf, b->in.gpr[RCX] = 0xdeadbeef00000000 | subleaf;
    run(b, "0fa2");
    CHECK(completed(b, 2));
    CHECK(kept(b, 1 << RAX | 1 << RBX | 1 << RCX | 1 << RDX));
    for (int i = 0; i < 4; i++) {
        CHECK(b->out.after.gpr[order[i]] >> 32 == 0);
        out[i] = (uint32_t)b->out.after.gpr[order[i]];
    }
}

struct cpuid_bit {
    uint32_t leaf;
    int reg, bit;
};
// What x86-64-v2 and v3 are (psABI, table 3.1), bit by bit: leaf, register, bit.
static const struct cpuid_bit level_v2[] = {
    {1, 3, 0},  {1, 3, 8},  {1, 3, 15},        {1, 3, 23},
    {1, 3, 24}, {1, 3, 25}, {1, 3, 26},        {0x80000001, 3, 11}, // FPU CX8 CMOV MMX FXSR SSE SSE2 SYSCALL
    {1, 2, 0},  {1, 2, 9},  {1, 2, 13},        {1, 2, 19},
    {1, 2, 20}, {1, 2, 23}, {0x80000001, 2, 0}}; // SSE3 SSSE3 CX16 SSE4.1 SSE4.2 POPCNT LAHF
static const struct cpuid_bit level_v3[] = {
    {1, 2, 12}, {1, 2, 22}, {1, 2, 27}, {1, 2, 28},        {1, 2, 29}, // FMA MOVBE OSXSAVE AVX F16C
    {7, 1, 3},  {7, 1, 5},  {7, 1, 8},  {0x80000001, 2, 5}};           // BMI1 AVX2 BMI2 LZCNT
struct cpuid_bits {
    uint32_t leaf;
    int reg;
    uint32_t bits;
};
// What v2 must not claim: PCLMUL FMA MOVBE AES XSAVE OSXSAVE AVX F16C RDRAND; all of leaf 7 but ERMS; LZCNT SSE4A
// PREFETCHW FMA4, RDTSCP 3DNow.
static const struct cpuid_bits absent_v2[] = {
    {1, 2, 1u << 1 | 1u << 12 | 1u << 22 | 1u << 25 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 29 | 1u << 30},
    {7, 1, ~(1u << 9)},
    {7, 2, ~0u},
    {7, 3, ~0u},
    {0x80000001, 2, 1u << 5 | 1u << 6 | 1u << 8 | 1u << 16},
    {0x80000001, 3, 1u << 27 | 1u << 30 | 1u << 31}};
// What nobody has here: HLE MPX RTM AVX512F, UMIP PKU shadow stacks, IBT, FMA4, 3DNow.
static const struct cpuid_bits absent[] = {{7, 1, 1u << 4 | 1u << 11 | 1u << 14 | 1u << 16},
                                           {7, 2, 1u << 2 | 1u << 3 | 1u << 7},
                                           {7, 3, 1u << 20},
                                           {0x80000001, 2, 1u << 16},
                                           {0x80000001, 3, 1u << 30 | 1u << 31}};

static uint32_t leaf_register(enum cpu_level level, uint32_t leaf, int reg)
{
    static struct cpu cpu;
    uint32_t r[4];
    cpu_init(&cpu, level);
    cpu_cpuid(&cpu, leaf, leaf == 0xd, r); // 0xd: the options of XSAVE
    return r[reg];
}

static bool claims(enum cpu_level level, const struct cpuid_bit *bit, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(leaf_register(level, bit[i].leaf, bit[i].reg) >> bit[i].bit & 1)) return false;
    return true;
}
static bool claims_none(enum cpu_level level, const struct cpuid_bits *bits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (leaf_register(level, bits[i].leaf, bits[i].reg) & bits[i].bits) return false;
    return true;
}
#define ALL(table) table, sizeof table / sizeof *table

// A feature is claimed from its level on.
static void features_have_levels(struct bench *b)
{
    for (unsigned i = 0; i < insn_feature_count; i++) {
        const struct insn_feature *f = &insn_features[i];
        if (f->leaf == 0xd) {
            CHECK(leaf_register(CPU_LEVEL_V3, 0xd, f->reg) >> f->bit & 1);
            continue;
        }
        for (int level = CPU_LEVEL_V2; level <= CPU_LEVEL_V3; level++)
            CHECK((leaf_register((enum cpu_level)level, f->leaf, f->reg) >> f->bit & 1) == (f->level <= level));
    }
}

static void decodes(struct bench *b, const char *hex, enum cpu_level level, const char *row)
{
    struct insn in;
    uint8_t bytes[15] = {0};
    for (unsigned i = 0; hex[2 * i]; i++)
        bytes[i] = (uint8_t)strtoul((char[]){hex[2 * i], hex[2 * i + 1], 0}, NULL, 16);
    int n = insn_decode(&in, bytes, sizeof bytes, RUN_AT, level, false);
    check(b, row ? n > 0 && !strcmp(insn_rows[in.id].name, row) : n == 0, hex, __LINE__);
}

// What is another instruction, or none, before v3.
static void encodings_have_levels(struct bench *b)
{
    static const struct {
        const char *hex, *v2, *v3;
    } both[] = {{"f30fbcc1", "BSF_GvEv", "TZCNT_GvEv"},
                {"f30fbdc1", "BSR_GvEv", "LZCNT_GvEv"},
                {"0f0d09", "NOP_0D_Ev", "PREFETCHW_Mb"},
                {"0f1c01", "NOP_1C_Ev", "CLDEMOTE_Mb"},
                {"0f38f001", NULL, "MOVBE_GyMy"},
                {"f20f38f0c1", "CRC32_GdEb", "CRC32_GdEb"},
                {"0fae21", NULL, "XSAVE_M"},
                {"0f01d0", NULL, "XGETBV"},
                {"0fc7f0", NULL, "RDRAND_Ry"},
                {"f30faec0", NULL, "RDFSBASE_Ry"},
                {"c4e278f2c1", NULL, "ANDN_GyByEy"},
                {"660f38dcc1", NULL, "AESENC_VdqWdq"},
                {"0fae39", "CLFLUSH_Mb", "CLFLUSH_Mb"},
                {"660fae39", NULL, "CLFLUSHOPT_Mb"},
                {"f30f1ec8", "RDSSP_Ry", "RDSSP_Ry"},
                {"f30faee8", NULL, NULL}, // INCSSP
                {"660f01d0", NULL, NULL},
                {"f30f01d0", NULL, NULL},
                {"f20f01f9", NULL, "RDTSCP"},
                {"660f01e8", NULL, NULL},
                {"f20f01e8", NULL, NULL},
                {"f00f01d0", NULL, NULL},
                {"f30f38f001", NULL, NULL},
                {"f30fc7f0", NULL, NULL}};
    for (unsigned i = 0; i < sizeof both / sizeof *both; i++) {
        decodes(b, both[i].hex, CPU_LEVEL_V2, both[i].v2);
        decodes(b, both[i].hex, CPU_LEVEL_V3, both[i].v3);
    }
}

// SDM vol. 2, CPUID leaf 0D: components, size of an image with those enabled and with all, AVX's part.
static void xstate_is_described(struct bench *b)
{
    uint32_t r[4];
    cpuid(b, 0xd, 0, r);
    CHECK(r[0] == 7 && r[1] == 832 && r[2] == 832 && r[3] == 0);
    cpuid(b, 0xd, 1, r);
    CHECK(r[0] == 7 && r[1] == 832 && r[2] == 0 && r[3] == 0); // XSAVEOPT XSAVEC XGETBV(1), no XSAVES
    cpuid(b, 0xd, 2, r);
    CHECK(r[0] == 256 && r[1] == 576 && r[2] == 0 && r[3] == 0);
    cpuid(b, 0xd, 5, r);
    CHECK(!r[0] && !r[1] && !r[2] && !r[3]);
}

static void cpuid_is_honest(struct bench *b)
{
    uint32_t r[4], again[4];
    cpuid(b, 0, 0, r);
    CHECK(r[0] >= 0xd);
    CHECK(claims(CPU_LEVEL_V2, ALL(level_v2)) && claims(CPU_LEVEL_V3, ALL(level_v2)));
    CHECK(claims(CPU_LEVEL_V3, ALL(level_v3)));
    CHECK(claims_none(CPU_LEVEL_V2, ALL(absent_v2)) && claims_none(CPU_LEVEL_V2, ALL(absent)));
    CHECK(claims_none(CPU_LEVEL_V3, ALL(absent)));
    CHECK(leaf_register(CPU_LEVEL_V2, 0, 0) == 0xb);
    features_have_levels(b);
    encodings_have_levels(b);
    xstate_is_described(b);
    static const uint32_t leaves[] = {0,          1,          2,          4,          7,          0xb,
                                      0xd,        0x14,       0x40000000, 0x40000001, 0x7fffffff, 0x80000000,
                                      0x80000004, 0x80000008, 0x80000020, 0xffffffff};
    for (unsigned i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        cpuid(b, leaves[i], 1, r);
        cpuid(b, leaves[i], 1, again);
        CHECK(!memcmp(r, again, sizeof r));
    }
}

static void tsc_counts(struct bench *b)
{
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        fresh(b);
        run(b, "0f31");
        uint64_t now = b->out.after.gpr[RDX] << 32 | b->out.after.gpr[RAX];
        CHECK(completed(b, 2) && kept(b, 1 << RAX | 1 << RDX));
        CHECK(b->out.after.gpr[RAX] >> 32 == 0 && b->out.after.gpr[RDX] >> 32 == 0);
        CHECK(now >= last);
        last = now;
    }
}

// The counter again, and the number of the CPU and its node: 0 (SDM vol. 2, RDTSCP, RDPID).
static void processor_is_0(struct bench *b)
{
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        fresh(b);
        run(b, "0f01f9");
        uint64_t now = b->out.after.gpr[RDX] << 32 | b->out.after.gpr[RAX];
        CHECK(completed(b, 3) && kept(b, 1 << RAX | 1 << RDX | 1 << RCX) && b->out.after.gpr[RCX] == 0);
        CHECK(b->out.after.gpr[RAX] >> 32 == 0 && b->out.after.gpr[RDX] >> 32 == 0 && now >= last);
        last = now;
    }
    run(b, "f30fc7fb"); // rdpid rbx
    CHECK(completed(b, 4) && kept(b, 1 << RBX) && b->out.after.gpr[RBX] == 0);
}

// From whoever runs the CPU; CF and no other flag (SDM vol. 2, RDRAND, RDSEED).
static void random_is_given(struct bench *b)
{
    static const struct {
        const char *hex;
        unsigned reg;
        uint64_t mask, keeps;
    } forms[] = {
        {"0fc7f0", RAX, 0xffffffff, 0}, {"480fc7f3", RBX, ~0ull, 0},          {"660fc7f0", RAX, 0xffff, ~0xffffull},
        {"66480fc7f0", RAX, ~0ull, 0},  {"410fc7f1", 9, 0xffffffff, 0},       {"0fc7ff", RDI, 0xffffffff, 0},
        {"490fc7ff", 15, ~0ull, 0},     {"660fc7fc", RSP, 0xffff, ~0xffffull}};
    static const char *const refused[] = {"f00fc7f0", "f20fc7f0", "f30fc7f0",   "66f30fc7f0", "0fc730",
                                          "f00fc7f8", "f20fc7f8", "66f20fc7f8", "0fc738"};
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        fresh(b);
        run(b, forms[i].hex);
        uint64_t want = (b->in.gpr[forms[i].reg] & forms[i].keeps) | (GUEST_RANDOM & forms[i].mask);
        CHECK(completed(b, (unsigned)strlen(forms[i].hex) / 2) && kept(b, 1u << forms[i].reg));
        CHECK(b->out.after.gpr[forms[i].reg] == want && b->out.after.eflags == (0x202 | FLAG_CF));
    }
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        fresh(b);
        run(b, refused[i]);
        CHECK(faulted(b, VEC_UD));
    }
}

// SDM vol. 2, WRFSBASE: 32 bits are zero-extended; an address must be canonical.
static void bases_are_written(struct bench *b)
{
    static const uint64_t good[] = {0, 0x12345678, 0x7fffffffffff, 0xffff800000000000, ~0ull};
    static const uint64_t bad[] = {0x800000000000, 0xffff7fffffffffff, 1ull << 63};
    for (unsigned gs = 0; gs < 2; gs++) {
        const char *narrow = gs ? "f30faedb" : "f30faed3", *wide = gs ? "f3480faedb" : "f3480faed3"; // of rbx
        for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
            fresh(b);
            b->in.fs_base = 1, b->in.gs_base = 2, b->in.gpr[RBX] = good[i];
            run(b, wide);
            CHECK(completed(b, 5) && kept(b, 0) && b->out.after.eflags == b->in.eflags);
            CHECK(b->out.after.fs_base == (gs ? 1 : good[i]) && b->out.after.gs_base == (gs ? good[i] : 2));
            run(b, narrow);
            uint64_t low = (uint32_t)good[i];
            CHECK(completed(b, 4) && kept(b, 0));
            CHECK(b->out.after.fs_base == (gs ? 1 : low) && b->out.after.gs_base == (gs ? low : 2));
        }
        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
            fresh(b);
            b->in.fs_base = 1, b->in.gs_base = 2, b->in.gpr[RBX] = bad[i];
            run(b, wide);
            CHECK(faulted(b, VEC_GP) && b->out.after.fs_base == 1 && b->out.after.gs_base == 2);
        }
    }
}

// XCR0 and, for ECX = 1, which of its components are in use: by contents, MXCSR counting as SSE.
static void xgetbv(struct bench *b, uint32_t which, unsigned expected)
{
    b->in.gpr[RCX] = 0xdeadbeef00000000 | which;
    run(b, "0f01d0");
    CHECK(completed(b, 3) && kept(b, 1 << RAX | 1 << RDX));
    CHECK(b->out.after.gpr[RAX] == expected && b->out.after.gpr[RDX] == 0);
}
static void components_are_told(struct bench *b)
{
    fresh(b);
    xgetbv(b, 0, 7);
    xgetbv(b, 1, 0);
    b->in.fx.mxcsr = 0x1fa0;
    xgetbv(b, 1, 2);
    b->in.fx.mxcsr = 0x1f80, b->in.fx.xmm[15][1] = 1;
    xgetbv(b, 1, 2);
    b->in.fx.xmm[15][1] = 0, b->in.ymm_high[0][0] = 1;
    xgetbv(b, 1, 4);
    b->in.ymm_high[0][0] = 0, b->in.fx.fcw = 0x27f;
    xgetbv(b, 1, 1);
    b->in.fx.fcw = 0x37f, b->in.fx.st[3].frac = 1;
    xgetbv(b, 1, 1);
    fresh(b);
    b->in.gpr[RCX] = 2;
    run(b, "0f01d0");
    CHECK(faulted(b, VEC_GP));
}

// --- SSE4a, bit by bit as AMD's manual says it, where that defines the result: not the upper half, not fields that
// reach over bit 63, not an empty length at another place than 0 ---

static uint64_t extracted(uint64_t a, unsigned length, unsigned start)
{
    uint64_t r = 0;
    for (unsigned i = 0; i < length; i++) r |= (a >> (start + i) & 1) << i;
    return r;
}
static uint64_t inserted(uint64_t a, uint64_t b, unsigned length, unsigned start)
{
    for (unsigned i = 0; i < length; i++) a = (a & ~(1ull << (start + i))) | (b >> i & 1) << (start + i);
    return a;
}
// What AMD published as its processors' results, without naming one (unit tests of SSEPlus, 2008).
static void published_fields(struct bench *b)
{
    static const struct {
        const char *hex;
        uint64_t dst, src[2], result;
    } known[] = {{"660f78c31b0b", 0xfedcba9876543210, {0, 0}, 0x030eca86},
                 {"66410f79d9", 0xfedcba9876543210, {0x0b1b, 0}, 0x030eca86},
                 {"f2410f78d9100c", ~0ull, {0xfedcba9876543210, 0}, 0xfffffffff3210fff},
                 {"f2410f79d9", ~0ull, {0xfedcba9876543210, 0x0c10}, 0xfffffffff3210fff}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        fresh(b);
        b->in.fx.xmm[3][0] = known[i].dst;
        memcpy(b->in.fx.xmm[9], known[i].src, 16);
        run(b, known[i].hex);
        CHECK(b->out.vector == VECTOR_NONE && b->out.after.fx.xmm[3][0] == known[i].result);
    }
}

// The rows take length and start from immediates or registers, with other bits of no account around them.
static void bit_fields(struct bench *b)
{
    struct rng rng = {1};
    published_fields(b);
    for (unsigned length = 1; length <= 64; length++) {
        for (unsigned start = 0; start + length <= 64; start++) {
            uint64_t a = rng_next(&rng), c = rng_next(&rng), junk = rng_next(&rng) & ~0x3f3full;
            unsigned l = (length & 63) | (rng_below(&rng, 4) << 6), s = start | rng_below(&rng, 4) << 6;
            char hex[32];
            fresh(b);
            b->in.fx.xmm[3][0] = a, b->in.fx.xmm[9][0] = c;
            snprintf(hex, sizeof hex, "660f78c3%02x%02x", l, s); // extrq xmm3, l, s
            run(b, hex);
            CHECK(completed(b, 6) && b->out.after.fx.xmm[3][0] == extracted(a, length, start));
            snprintf(hex, sizeof hex, "f2410f78d9%02x%02x", l, s); // insertq xmm3, xmm9, l, s
            run(b, hex);
            CHECK(completed(b, 7) && b->out.after.fx.xmm[3][0] == inserted(a, c, length, start));
            b->in.fx.xmm[9][1] = junk | (length & 63) | start << 8;
            run(b, "f2410f79d9"); // insertq xmm3, xmm9
            CHECK(completed(b, 5) && b->out.after.fx.xmm[3][0] == inserted(a, c, length, start));
            b->in.fx.xmm[9][0] = junk | (length & 63) | start << 8;
            run(b, "66410f79d9"); // extrq xmm3, xmm9
            CHECK(completed(b, 5) && b->out.after.fx.xmm[3][0] == extracted(a, length, start));
            CHECK(kept(b, 0) && b->out.after.fx.xmm[9][0] == b->in.fx.xmm[9][0]);
        }
    }
}

static void scalars_stream(struct bench *b)
{
    fresh(b);
    b->in.fx.xmm[9][0] = 0x1122334455667788, b->in.fx.xmm[9][1] = ~0ull;
    poke(b, 0, (uint64_t[]){0, 0}, 16);
    run(b, "f2440f2b0c24"); // movntsd [rsp], xmm9
    CHECK(completed(b, 6) && kept(b, 0) && !memcmp(peek(b), (uint64_t[]){0x1122334455667788, 0}, 16));
    poke(b, 0, (uint64_t[]){0, 0}, 16);
    run(b, "f3440f2b4c2401"); // movntss [rsp + 1], xmm9
    CHECK(completed(b, 7) && kept(b, 0) && !memcmp(peek(b), (uint64_t[]){0x5566778800, 0}, 16));
    b->in.gpr[RSP] = DATA_LOW + DATA_HOLE * PAGE - 2;
    run(b, "f3440f2b0c24");
    CHECK(faulted(b, VEC_PF));
    fresh(b);
    run(b, "f20f2bc1"); // a register
    CHECK(faulted(b, VEC_UD));
    run(b, "660f7800"); // EXTRQ of memory
    CHECK(faulted(b, VEC_UD));
}

// ModRM.reg: ES 0, CS 1, SS 2, DS 3, FS 4, GS 5. The selectors are Linux's: 0 to 3 nothing, 2B data, 33 code.
static unsigned stored_selector(struct bench *b, int segment)
{
    char hex[16];
    fresh(b);
    snprintf(hex, sizeof hex, "8c%02x", (uint8_t)(0xc0 | segment << 3)); // mov eax, segment
    run(b, hex);
    CHECK(completed(b, 2) && kept(b, 1 << RAX));
    return (unsigned)b->out.after.gpr[RAX];
}

static void load_selector(struct bench *b, int segment, unsigned selector)
{
    char hex[16];
    fresh(b);
    b->in.gpr[RAX] = 0xffffffffffff0000 | selector;
    b->in.fs_base = b->in.gs_base = 0x12345000;
    snprintf(hex, sizeof hex, "8e%02x", (uint8_t)(0xc0 | segment << 3)); // mov segment, eax
    run(b, hex);
}

static void selectors_load(struct bench *b)
{
    static const uint8_t loadable[] = {0, 3, 4, 5};
    static const uint16_t good[] = {0, 1, 2, 3, 0x2b}, bad[] = {8, 0x10, 0x18, 0x1234, 0xffff, 0x2c};
    for (unsigned i = 0; i < sizeof loadable; i++) {
        int s = loadable[i];
        for (unsigned k = 0; k < sizeof bad / sizeof *bad; k++) {
            load_selector(b, s, bad[k]);
            CHECK(faulted(b, VEC_GP) && b->out.after.fs_base == 0x12345000 && b->out.after.gs_base == 0x12345000);
        }
        for (unsigned k = 0; k < sizeof good / sizeof *good; k++) {
            load_selector(b, s, good[k]);
            CHECK(completed(b, 2) && kept(b, 0));
            CHECK(b->out.after.fs_base == (s == 4 ? 0u : 0x12345000u));
            CHECK(b->out.after.gs_base == (s == 5 ? 0u : 0x12345000u));
            CHECK(stored_selector(b, s) == good[k]);
        }
        load_selector(b, s, 0);
    }
    load_selector(b, 2, 0x2b);
    CHECK(completed(b, 2) && stored_selector(b, 2) == 0x2b);
    load_selector(b, 2, 0);
    CHECK(faulted(b, VEC_GP));
    load_selector(b, 1, 0x33);
    CHECK(faulted(b, VEC_UD));
    CHECK(stored_selector(b, 1) == 0x33);
    load_selector(b, 6, 0);
    CHECK(faulted(b, VEC_UD));
}

static void selectors_pop(struct bench *b)
{
    static const struct {
        const char *hex;
        unsigned length, bytes;
        int segment;
    } pops[] = {{"0fa1", 2, 8, 4}, {"0fa9", 2, 8, 5}, {"660fa1", 3, 2, 4}, {"660fa9", 3, 2, 5}};
    for (unsigned i = 0; i < sizeof pops / sizeof *pops; i++) {
        fresh(b);
        poke(b, 0, &(uint64_t){0xaaaaaaaaaaaa002b}, 8);
        run(b, pops[i].hex);
        CHECK(completed(b, pops[i].length) && kept(b, 1 << RSP) && b->out.after.gpr[RSP] == DATA + pops[i].bytes);
        CHECK(stored_selector(b, pops[i].segment) == 0x2b);
        fresh(b);
        poke(b, 0, &(uint64_t){0x99}, 8);
        run(b, pops[i].hex);
        CHECK(faulted(b, VEC_GP));
        fresh(b);
        b->in.gpr[RSP] = DATA_LOW + DATA_HOLE * PAGE;
        run(b, pops[i].hex);
        CHECK(faulted(b, VEC_PF) && b->out.fault_addr == b->in.gpr[RSP]);
        load_selector(b, pops[i].segment, 0);
    }
}

static void far_pointers(struct bench *b)
{
    static const struct {
        const char *opcode;
        int segment;
    } loads[] = {{"0fb2", 2}, {"0fb4", 4}, {"0fb5", 5}};
    static const struct {
        const char *prefix;
        unsigned bytes;
        uint64_t result;
    } sizes[] = {{"66", 2, 0x800000000000aaaa}, {"", 4, 0xaaaaaaaa}, {"48", 8, 0xaaaaaaaaaaaaaaaa}};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 3; k++) {
            char hex[20];
            snprintf(hex, sizeof hex, "%s%s0424", sizes[k].prefix, loads[i].opcode); // l?s eax, [rsp]
            fresh(b);
            poke(b, 0, &(uint64_t){0xaaaaaaaaaaaaaaaa}, 8);
            poke(b, sizes[k].bytes, &(uint16_t){0x2b}, 2);
            run(b, hex);
            CHECK(completed(b, (unsigned)strlen(hex) / 2) && kept(b, 1 << RAX) &&
                  b->out.after.gpr[RAX] == sizes[k].result);
            CHECK(stored_selector(b, loads[i].segment) == 0x2b);
            fresh(b);
            poke(b, sizes[k].bytes, &(uint16_t){0x50}, 2);
            run(b, hex);
            CHECK(faulted(b, VEC_GP));
        }
        if (loads[i].segment != 2) load_selector(b, loads[i].segment, 0);
    }
}

// Linux's GDT, as user code may look at it (arch/x86/include/asm/segment.h): access rights as LAR gives them, limit,
// readable, writable.
static const struct {
    uint16_t selector;
    bool visible, writable;
    uint32_t rights, limit;
} known[] = {{0x33, true, false, 0xaffb00, 0xffffffff},
             {0x30, true, false, 0xaffb00, 0xffffffff},
             {0x2b, true, true, 0xcff300, 0xffffffff},
             {0x23, true, false, 0xcffb00, 0xffffffff},
             {0, false, false, 0, 0},
             {3, false, false, 0, 0},
             {0x10, false, false, 0, 0},
             {0x40, false, false, 0, 0}};

static bool zf_only(const struct bench *b, bool zf)
{
    return b->out.after.eflags == ((b->in.eflags & ~(uint64_t)FLAG_ZF) | (zf ? FLAG_ZF : 0u));
}

static void descriptors_tell(struct bench *b)
{
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        fresh(b);
        b->in.gpr[RCX] = 0xffffffffffff0000 | known[i].selector;
        run(b, "0f02c1"); // lar eax, ecx
        CHECK(completed(b, 3) && zf_only(b, known[i].visible));
        CHECK(b->out.after.gpr[RAX] == (known[i].visible ? known[i].rights : b->in.gpr[RAX]));
        run(b, "0f03c1"); // lsl eax, ecx
        CHECK(completed(b, 3) && zf_only(b, known[i].visible));
        CHECK(b->out.after.gpr[RAX] == (known[i].visible ? known[i].limit : b->in.gpr[RAX]));
        run(b, "0f00e1"); // verr cx
        CHECK(completed(b, 3) && kept(b, 0) && zf_only(b, known[i].visible));
        run(b, "0f00e9"); // verw cx
        CHECK(completed(b, 3) && kept(b, 0) && zf_only(b, known[i].writable));
    }
}

static void tables_are_dummies(struct bench *b)
{
    static const uint8_t gdt[10] = {0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff},
                         idt[10] = {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    fresh(b);
    run(b, "0f010424"); // sgdt [rsp]
    CHECK(completed(b, 4) && kept(b, 0) && !memcmp(peek(b), gdt, 10));
    run(b, "0f010c24"); // sidt [rsp]
    CHECK(completed(b, 4) && kept(b, 0) && !memcmp(peek(b), idt, 10));
    run(b, "480f01e0"); // smsw rax
    CHECK(completed(b, 4) && kept(b, 1) && b->out.after.gpr[RAX] == 0x80050033);
    run(b, "660f01e0"); // smsw ax
    CHECK(completed(b, 4) && b->out.after.gpr[RAX] == ((b->in.gpr[RAX] & ~0xffffull) | 0x33));
    poke(b, 0, &(uint64_t){~0ull}, 8);
    run(b, "0f012424"); // smsw [rsp]: 16 bits
    CHECK(completed(b, 4) && !memcmp(peek(b), (uint8_t[]){0x33, 0, 0xff, 0xff}, 4));
    run(b, "0f00c0"); // sldt eax
    CHECK(completed(b, 3) && kept(b, 1) && b->out.after.gpr[RAX] == 0);
    run(b, "0f00c8"); // str eax
    CHECK(completed(b, 3) && kept(b, 1) && b->out.after.gpr[RAX] == 0x40);
}

// --- the rows that need a test, and those that have one ---

struct property {
    const char *row;
    void (*test)(struct bench *);
    const char *name;
};

static const struct property properties[] = {
#define PROPERTY(row, test, reason) {#row, test, #test},
#include "properties.def"
#undef PROPERTY
};
enum { PROPERTIES = sizeof properties / sizeof *properties };

static bool has_property(const char *row)
{
    for (int i = 0; i < PROPERTIES; i++)
        if (!strcmp(properties[i].row, row)) return true;
    return false;
}

static unsigned check_list(void)
{
    unsigned failures = 0, marked = 0;
    for (int i = 0; i < INSN_COUNT; i++) {
        const struct insn_row *row = &insn_rows[i];
        bool has = has_property(row->name);
        marked += has;
        if (row->test == TEST_HOST && !has) continue;
        if (row->test == TEST_PROPERTY && has) continue;
        printf("%s: %s\n", row->name,
               has ? "has a property test, but is not marked `prop`"
                   : "marked `prop` or `vector`, but has no test in properties.def");
        failures++;
    }
    if (marked != PROPERTIES) printf("properties.def names rows that do not exist\n"), failures++;
    return failures;
}

static bool first_of_test(int i)
{
    for (int k = 0; k < i; k++)
        if (properties[k].test == properties[i].test) return false;
    return true;
}

int main(void)
{
    unsigned failures = check_list(), tests = 0;
    for (int engine = 0; engine < (host_exec_lacks() ? GUEST_JIT : GUEST_ENGINES); engine++) {
        struct bench b = {.engine = guest_engine_names[engine], .guest = guest_open((enum guest_engine)engine)};
        if (!b.guest) return 2;
        for (int i = 0; i < PROPERTIES; i++) {
            if (!first_of_test(i)) continue;
            b.test = properties[i].name;
            properties[i].test(&b);
            tests++;
        }
        failures += b.failures;
        guest_close(b.guest);
    }
    printf("properties: %d rows, %u tests: %u failures\n", PROPERTIES, tests, failures);
    return failures != 0;
}
