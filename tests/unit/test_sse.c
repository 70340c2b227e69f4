/* What tests/insn, one instruction at a time, does not see of SSE and AVX: sticky flags and rounding across
 * instructions, faults and stops; the host's own MXCSR; the upper halves of the vector registers; gathers that go on
 * after a fault; how good the approximations are (those of portable builds are our own).
 *
 * Guest programs are machine code written out in bytes, at CODE; each test runs with both memory back ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/hostfp.h"
#include "cpu/mem.h"
#include <fenv.h>
#include <math.h>
#include <string.h>

enum { CODE = 0x400000, DATA = 0x600000, NOWHERE = 0x700000, MANY = 1000000, APPROXIMATIONS = 20000 };
enum { MXCSR_START = 0x1f80, FLAG_IE = 1, FLAG_ZE = 4, FLAG_PE = 0x20, ROUND_UP = 0x4000, UNMASK_IE = 0x80 };

struct machine {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct cpu cpu;
    uint8_t *data;
};

static uint8_t *map_page(struct machine *m, uint32_t addr, unsigned prot)
{
    uint32_t frame = ram_alloc(&m->ram, 1, true);
    assert_int_not_equal(frame, 0);
    assert_int_equal(mem_map(m->mem, addr >> PAGE_SHIFT, 1, frame, prot), 0);
    return ram_ptr(&m->ram, frame);
}

/* With a page of code and one of data, to which RBX points. */
static void boot(struct machine *m, void **state, const void *program, size_t bytes)
{
    memset(m, 0, sizeof *m);
    assert_int_equal(ram_open(&m->ram, 100), 0);
    m->mem = mem_new(&m->ram, *(enum mem_backend *)*state);
    m->code = code_new(m->mem, CPU_LEVEL_V3);
    assert_non_null(m->code);
    cpu_init(&m->cpu, CPU_LEVEL_V3);
    cpu_attach(&m->cpu, m->mem, m->code);
    memcpy(map_page(m, CODE, MEM_R | MEM_X), program, bytes);
    m->data = map_page(m, DATA, MEM_R | MEM_W);
    m->cpu.rip = CODE;
    m->cpu.regs[RBX] = DATA;
    m->cpu.budget = MANY;
}
#define BOOT(m, ...)                                                                                                   \
    static const uint8_t program[] = {__VA_ARGS__};                                                                    \
    boot(m, state, program, sizeof program)

static void halt(struct machine *m)
{
    code_free(m->code);
    mem_free(m->mem);
    ram_close(&m->ram);
}

static void expect_fault(struct machine *m, enum cpu_vector vector, uint64_t rip)
{
    assert_int_equal(cpu_run(&m->cpu), STOP_FAULT);
    assert_int_equal(m->cpu.fault.vector, vector);
    assert_int_equal(m->cpu.rip, rip);
}

static uint32_t data32(const struct machine *m)
{
    uint32_t v;
    memcpy(&v, m->data, sizeof v);
    return v;
}

/* A page fault in between loses no flag, and the host keeps its own rounding and flags. */
static void flags_survive_faults(void **state)
{
    struct machine m;
    BOOT(&m, 0xf2, 0x0f, 0x5e, 0xc1, /* divsd xmm0, xmm1 */
         0x0f, 0x10, 0x10,           /* movups xmm2, [rax] */
         0xf2, 0x0f, 0x51, 0xdb,     /* sqrtsd xmm3, xmm3 */
         0x0f, 0xae, 0x1b,           /* stmxcsr [rbx] */
         0xcc);
    m.cpu.v[0].f64[0] = 1;
    m.cpu.v[3].f64[0] = 2;
    m.cpu.regs[RAX] = NOWHERE;
    fesetround(FE_DOWNWARD);
    feclearexcept(FE_ALL_EXCEPT);
    expect_fault(&m, VEC_PF, CODE + 4);
    assert_int_equal(m.cpu.mxcsr, MXCSR_START | FLAG_ZE);
    m.cpu.regs[RAX] = DATA;
    expect_fault(&m, VEC_BP, CODE + 15);
    assert_int_equal(fegetround(), FE_DOWNWARD);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    fesetround(FE_TONEAREST);
    assert_int_equal(data32(&m), MXCSR_START | FLAG_ZE | FLAG_PE);
    assert_int_equal(m.cpu.mxcsr, MXCSR_START | FLAG_ZE | FLAG_PE);
    assert_true(isinf(m.cpu.v[0].f64[0]));
    assert_true(m.cpu.v[3].f64[0] == 0x1.6a09e667f3bcdp+0);
    halt(&m);
}

/* LDMXCSR takes effect at once, drops the flags it does not set, and a run begins with the state the kernel left. */
static void mxcsr_takes_effect(void **state)
{
    struct machine m;
    BOOT(&m, 0xf2, 0x0f, 0x58, 0xc1, /* addsd xmm0, xmm1 */
         0x0f, 0xae, 0x13,           /* ldmxcsr [rbx] */
         0xf2, 0x0f, 0x58, 0xd1,     /* addsd xmm2, xmm1 */
         0xcc);
    m.cpu.v[0].f64[0] = m.cpu.v[2].f64[0] = 1;
    m.cpu.v[1].f64[0] = 0x1p-60;
    uint32_t mxcsr = MXCSR_START | ROUND_UP;
    memcpy(m.data, &mxcsr, sizeof mxcsr);
    m.cpu.mxcsr = MXCSR_START | FLAG_IE;
    expect_fault(&m, VEC_BP, CODE + 12);
    assert_true(m.cpu.v[0].f64[0] == 1);
    assert_true(m.cpu.v[2].f64[0] == 1 + 0x1p-52);
    assert_int_equal(m.cpu.mxcsr, MXCSR_START | ROUND_UP | FLAG_PE);
    halt(&m);
}

/* An unmasked exception stops at the instruction; masking it lets the same one go on. */
static void unmasked_exception_stops(void **state)
{
    struct machine m;
    BOOT(&m, 0xf2, 0x0f, 0x58, 0xc1, /* addsd xmm0, xmm1 */
         0x0f, 0x51, 0xd2,           /* sqrtps xmm2, xmm2 */
         0xcc);
    m.cpu.v[0].f64[0] = 1;
    m.cpu.v[1].f64[0] = 0x1p-60;
    m.cpu.v[2].u32[3] = 0xbf800000; /* -1 */
    m.cpu.mxcsr = MXCSR_START & ~UNMASK_IE;
    expect_fault(&m, VEC_XM, CODE + 4);
    assert_int_equal(m.cpu.mxcsr, (MXCSR_START & ~UNMASK_IE) | FLAG_PE | FLAG_IE);
    assert_int_equal(m.cpu.v[2].u32[3], 0xbf800000);
    m.cpu.mxcsr |= UNMASK_IE;
    expect_fault(&m, VEC_BP, CODE + 8);
    assert_int_equal(m.cpu.v[2].u32[3], 0xffc00000);
    halt(&m);
}

/* Legacy SSE keeps bits 255:128, whatever it writes below. */
static void upper_halves_stay(void **state)
{
    struct machine m;
    BOOT(&m, 0x66, 0x0f, 0xef, 0xc0, /* pxor xmm0, xmm0 */
         0x0f, 0x10, 0x0b,           /* movups xmm1, [rbx] */
         0xf2, 0x0f, 0x10, 0x13,     /* movsd xmm2, [rbx] */
         0xf2, 0x0f, 0x58, 0xdb,     /* addsd xmm3, xmm3 */
         0xcc);
    memset(m.cpu.v, 0x5a, sizeof m.cpu.v);
    expect_fault(&m, VEC_BP, CODE + 16);
    for (unsigned r = 0; r < 4; r++) {
        for (unsigned i = 16; i < 32; i++) assert_int_equal(m.cpu.v[r].u8[i], 0x5a);
    }
    assert_int_equal(m.cpu.v[2].u64[1], 0);
    assert_int_equal(m.cpu.v[3].u64[1], 0x5a5a5a5a5a5a5a5a);
    halt(&m);
}

/* VEX clears them, with 128 bits and with scalars. */
static void vex_clears_upper_halves(void **state)
{
    struct machine m;
    BOOT(&m, 0xc5, 0xf9, 0xef, 0xc0, /* vpxor xmm0, xmm0, xmm0 */
         0xc5, 0xf8, 0x10, 0x0b,     /* vmovups xmm1, [rbx] */
         0xc5, 0xfb, 0x10, 0x13,     /* vmovsd xmm2, [rbx] */
         0xc5, 0xf9, 0x6e, 0xd8,     /* vmovd xmm3, eax */
         0xcc);
    memset(m.cpu.v, 0x5a, sizeof m.cpu.v);
    expect_fault(&m, VEC_BP, CODE + 17);
    for (unsigned r = 0; r < 4; r++) assert_int_equal(m.cpu.v[r].u64[2] | m.cpu.v[r].u64[3], 0);
    assert_int_equal(m.cpu.v[4].u64[3], 0x5a5a5a5a5a5a5a5a);
    halt(&m);
}

/* A fault leaves the elements below it done, and the instruction run again does not load them again. */
static void gather_goes_on_after_fault(void **state)
{
    struct machine m;
    BOOT(&m, 0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x93, /* vpgatherdd ymm1, [rbx + ymm2*4], ymm3 */
         0xcc);
    union vec *to = &m.cpu.v[1], *index = &m.cpu.v[2], *mask = &m.cpu.v[3];
    for (unsigned i = 0; i < 8; i++) to->u32[i] = 100 + i, index->s32[i] = (int)i, mask->u32[i] = i == 1 ? 1 : 1u << 31;
    index->s32[4] = (NOWHERE - DATA) / 4;
    for (uint32_t i = 0; i < 8; i++) memcpy(m.data + 4 * i, &i, 4);
    expect_fault(&m, VEC_PF, CODE);
    assert_int_equal(m.cpu.fault.addr, NOWHERE);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(to->u32[i], i < 4 && i != 1 ? i : 100 + i);
        assert_int_equal(mask->u32[i], i < 4 ? 0 : UINT32_MAX);
    }
    memset(m.data, 0xee, 16);
    memset(map_page(&m, NOWHERE, MEM_R), 0x77, 4);
    expect_fault(&m, VEC_BP, CODE + 7);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(to->u32[i], i == 1 ? 101 : i == 4 ? 0x77777777 : i);
        assert_int_equal(mask->u32[i], 0);
    }
    halt(&m);
}

static void assert_untouched(const struct machine *m)
{
    for (unsigned i = 0; i < PAGE_BYTES; i++) assert_int_equal(m->data[i], 0x5a);
}

/* 32 bytes of which the second page is not there are not stored at all, nor are masked ones. */
static void stores_across_pages_are_whole(void **state)
{
    struct machine m;
    BOOT(&m, 0xc5, 0xfe, 0x7f, 0x83, 0xf0, 0x0f, 0, 0,   /* vmovdqu [rbx + 0xff0], ymm0 */
         0xc4, 0xe2, 0x65, 0x8e, 0x83, 0xf0, 0x0f, 0, 0, /* vpmaskmovd [rbx + 0xff0], ymm3, ymm0 */
         0xcc);
    memset(m.data, 0x5a, PAGE_BYTES);
    expect_fault(&m, VEC_PF, CODE);
    assert_int_equal(m.cpu.fault.addr, DATA + PAGE_BYTES);
    assert_untouched(&m);
    m.cpu.rip = CODE + 8;
    m.cpu.v[3].u32[3] = m.cpu.v[3].u32[4] = 1u << 31;
    expect_fault(&m, VEC_PF, CODE + 8);
    assert_untouched(&m);
    m.cpu.v[3].u32[4] = 0;
    m.cpu.v[0].u32[3] = 1234;
    expect_fault(&m, VEC_BP, CODE + 18);
    assert_int_equal(m.data[PAGE_BYTES - 4] | m.data[PAGE_BYTES - 3] << 8, 1234);
    assert_int_equal(m.data[PAGE_BYTES - 5], 0x5a);
    halt(&m);
}

/* RCPPS and RSQRTPS are within 1.5 * 2^-12 (SDM) and raise no flags. */
static void approximations_are_close(void **state)
{
    struct machine m;
    BOOT(&m, 0x0f, 0x53, 0xc1, /* rcpps xmm0, xmm1 */
         0x0f, 0x52, 0xd1,     /* rsqrtps xmm2, xmm1 */
         0xcc);
    uint32_t bits = 0x00800001;
    for (unsigned i = 0; i < APPROXIMATIONS; i++, bits += 0x7d000000 / APPROXIMATIONS) {
        for (unsigned k = 0; k < 4; k++) m.cpu.v[1].u32[k] = bits + k * 977;
        m.cpu.rip = CODE;
        m.cpu.budget = MANY;
        expect_fault(&m, VEC_BP, CODE + 7);
        for (unsigned k = 0; k < 4; k++) {
            double x = m.cpu.v[1].f32[k];
            assert_true(fabs(m.cpu.v[0].f32[k] * x - 1) <= 1.5 * 0x1p-12);
            assert_true(fabs(m.cpu.v[2].f32[k] * sqrt(x) - 1) <= 1.5 * 0x1p-12);
        }
    }
    assert_int_equal(m.cpu.mxcsr, MXCSR_START);
    halt(&m);
}

int main(void)
{
    static enum mem_backend direct = MEM_DIRECT, checked = MEM_CHECKED;
#define BOTH(test) cmocka_unit_test_prestate(test, &direct), cmocka_unit_test_prestate(test, &checked)
    const struct CMUnitTest tests[] = {
        BOTH(flags_survive_faults),       BOTH(mxcsr_takes_effect),
        BOTH(unmasked_exception_stops),   BOTH(upper_halves_stay),
        BOTH(approximations_are_close),   BOTH(vex_clears_upper_halves),
        BOTH(gather_goes_on_after_fault), BOTH(stores_across_pages_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
