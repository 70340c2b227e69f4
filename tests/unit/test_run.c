// cpu_run and the decoded-block cache: exact budgets and counts, faults, self-modifying code, mapping changes,
// interrupts.
//
// Guest programs are machine code written out in bytes, at CODE; each test runs with both memory back ends, and
// translated (jit/) with every block proven.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "tests/eager_jit.h"
#include "tests/engines.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { CODE = 0x400000, DATA = 0x600000, STACK = 0x7ff000, MANY = 1000000 };

struct machine {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct cpu cpu;
    struct eager_jit translator;
    struct jit_space *space; // NULL: interpreted
};
static struct machine m;

static void map_at(uint32_t addr, uint32_t bytes, unsigned prot)
{
    uint32_t n = (bytes + PAGE_BYTES - 1) / PAGE_BYTES, f = ram_alloc(&m.ram, n, true);
    assert_int_not_equal(f, 0);
    assert_int_equal(mem_map(m.mem, addr >> PAGE_SHIFT, n, f, prot), 0);
}

static void poke(uint32_t addr, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pte_t e = mem_pte(m.mem, (uint32_t)(addr + i) >> PAGE_SHIFT);
        mem_host(m.mem, (uint32_t)(addr + i), MEM_W); // drops decoded code, as the kernel's writes do
        ram_ptr(&m.ram, pte_frame(e))[(addr + i) & (PAGE_BYTES - 1)] = ((const uint8_t *)bytes)[i];
    }
}

static uint8_t peek(uint32_t addr)
{
    return *(uint8_t *)mem_host(m.mem, addr, MEM_R);
}

static void translate(void)
{
    char why[200];
    if (!eager_jit_open(&m.translator, CPU_LEVEL_V3, why, sizeof why)) fail_msg("%s", why);
    m.space = jit_space_new(m.translator.jit, m.mem, m.code);
    assert_non_null(m.space);
}

// A machine with two pages of code (readable, writable, executable), one of data and one of stack.
static void boot(void **state, const void *program, size_t bytes)
{
    memset(&m, 0, sizeof m);
    assert_int_equal(ram_open(&m.ram, 50000), 0);
    const struct engine *engine = *state;
    m.mem = mem_new(&m.ram, engine->back_end);
    assert_non_null(m.mem);
    m.code = code_new(m.mem, CPU_LEVEL_V3);
    assert_non_null(m.code);
    if (engine->jit) translate();
    cpu_init(&m.cpu, CPU_LEVEL_V3);
    cpu_attach(&m.cpu, m.mem, m.code);
    map_at(CODE, 2 * PAGE_BYTES, MEM_R | MEM_W | MEM_X);
    map_at(DATA, PAGE_BYTES, MEM_R | MEM_W);
    map_at(STACK, PAGE_BYTES, MEM_R | MEM_W);
    poke(CODE, program, bytes);
    m.cpu.rip = CODE;
    m.cpu.regs[RSP] = STACK + PAGE_BYTES;
    m.cpu.budget = MANY;
}
#define BOOT(...)                                                                                                      \
    static const uint8_t program[] = {__VA_ARGS__};                                                                    \
    boot(state, program, sizeof program)

static int halt(void **state)
{
    (void)state;
    char refused[sizeof m.translator.check.refused];
    memcpy(refused, m.translator.check.refused, sizeof refused);
    jit_space_free(m.space);
    if (m.translator.jit) eager_jit_close(&m.translator);
    code_free(m.code);
    mem_free(m.mem);
    int left = (int)ram_used(&m.ram);
    ram_close(&m.ram);
    memset(&m, 0, sizeof m);
    if (refused[0]) print_error("%s\n", refused);
    return left || refused[0];
}

static void expect_stop(enum cpu_stop why, uint64_t rip)
{
    assert_int_equal(cpu_run(&m.cpu), why);
    assert_int_equal(m.cpu.rip, rip);
}

static void expect_fault(enum cpu_vector vector, uint64_t rip)
{
    expect_stop(STOP_FAULT, rip);
    assert_int_equal(m.cpu.fault.vector, vector);
}

static void expect_page_fault(uint64_t rip, uint64_t addr, enum cpu_access access, bool present)
{
    expect_fault(VEC_PF, rip);
    assert_int_equal(m.cpu.fault.addr, addr);
    assert_int_equal(m.cpu.fault.access, access);
    assert_int_equal(m.cpu.fault.present, present);
}

static void syscall_stops(void **state)
{
    BOOT(0xb8, 7, 0, 0, 0, /* mov eax, 7 */ 0x0f, 0x05 /* syscall */);
    expect_stop(STOP_SYSCALL, CODE + 7);
    assert_int_equal(m.cpu.regs[RAX], 7);
    assert_int_equal(m.cpu.regs[RCX], CODE + 7);
    assert_int_equal(m.cpu.insn_count, 2);
    assert_int_equal(m.cpu.budget, MANY - 2);
}

// RDRAND stops behind itself, in the middle of a block, and counts as one; what runs next sees the value.
static void random_is_asked_for(void **state)
{
    BOOT(0xff, 0xc0, /* inc eax */ 0x0f, 0xc7, 0xf3, /* rdrand ebx */ 0x19, 0xc9, /* sbb ecx, ecx */ 0x66, 0x0f, 0xc7,
         0xfa, /* rdseed dx */ 0x0f, 0x05);
    m.cpu.regs[RBX] = m.cpu.regs[RDX] = ~0ull;
    expect_stop(STOP_RANDOM, CODE + 5);
    assert_int_equal(m.cpu.insn_count, 2);
    assert_int_equal(m.cpu.budget, MANY - 2);
    cpu_give_random(&m.cpu, 0x1122334455667788);
    expect_stop(STOP_RANDOM, CODE + 11);
    cpu_give_random(&m.cpu, 0x1122334455667788);
    expect_stop(STOP_SYSCALL, CODE + 13);
    assert_int_equal(m.cpu.insn_count, 5);
    assert_int_equal(m.cpu.regs[RBX], 0x55667788);
    assert_int_equal(m.cpu.regs[RDX], 0xffffffffffff7788);
    assert_int_equal(m.cpu.regs[R11] & FLAGS_ARITH, FLAG_CF);
}

// The budget may end right behind it.
static void random_ends_a_slice(void **state)
{
    BOOT(0x0f, 0xc7, 0xf3, /* rdrand ebx */ 0x90, 0x0f, 0x05);
    m.cpu.budget = 1;
    expect_stop(STOP_RANDOM, CODE + 3);
    assert_int_equal(m.cpu.budget, 0);
    cpu_give_random(&m.cpu, 1);
    expect_stop(STOP_BUDGET, CODE + 3);
}

// FXSAVE and XSAVE see the flags raised before them in the same run, and the rounding that FXRSTOR and XRSTOR load is
// the next instruction's. IMAGE(0) is saved into, IMAGE(1) too, IMAGE(2) and IMAGE(3) are loaded.
enum { IMAGE_BYTES = 1024, IMAGE_MXCSR = 24, IMAGE_XMM = 160, IMAGE_XSTATE_BV = 512, SSE_STATE = 2 };
#define IMAGE(i)    (DATA + (i)*IMAGE_BYTES)
#define ABSOLUTE(a) (a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff
#define DIVSS       0xf3, 0x0f, 0x5e, 0xc1 /* divss xmm0, xmm1 */

static void poke_image(unsigned i, uint32_t mxcsr)
{
    poke(IMAGE(i), &(uint16_t){0x37f}, 2);
    poke(IMAGE(i) + IMAGE_MXCSR, &mxcsr, 4);
    poke(IMAGE(i) + IMAGE_XMM, &(float){1}, 4);
    poke(IMAGE(i) + IMAGE_XMM + 16, &(float){3}, 4);
    poke(IMAGE(i) + IMAGE_XSTATE_BV, &(uint64_t){SSE_STATE}, 8);
}
static void mxcsr_in_images(void **state)
{
    enum { ROUND_DOWN = 0x3f80, ROUND_UP = 0x5f80, INEXACT = 0x20, DOWN = 0x3eaaaaaa };
    BOOT(0xb8, 7, 0, 0, 0, /* mov eax, 7 */ DIVSS, 0x0f, 0xae, 0x04, 0x25, ABSOLUTE(IMAGE(0)),    /* fxsave */
         0x0f, 0xae, 0x24, 0x25, ABSOLUTE(IMAGE(1)),                                              /* xsave */
         0x0f, 0xae, 0x0c, 0x25, ABSOLUTE(IMAGE(2)), /* fxrstor */ DIVSS, 0x66, 0x0f, 0x7e, 0xc3, /* movd ebx, xmm0 */
         0x0f, 0xae, 0x2c, 0x25, ABSOLUTE(IMAGE(3)), /* xrstor */ DIVSS, 0x0f, 0x05);
    poke_image(2, ROUND_DOWN);
    poke_image(3, ROUND_UP);
    m.cpu.v[0].f32[0] = 1, m.cpu.v[1].f32[0] = 3;
    expect_stop(STOP_SYSCALL, CODE + sizeof program);
    assert_int_equal(peek(IMAGE(0) + IMAGE_MXCSR), 0x80 | INEXACT);
    assert_int_equal(peek(IMAGE(1) + IMAGE_MXCSR), 0x80 | INEXACT);
    assert_int_equal(m.cpu.regs[RBX], DOWN);
    assert_int_equal(m.cpu.v[0].u32[0], DOWN + 1);
    assert_int_equal(m.cpu.mxcsr, ROUND_UP | INEXACT);
}

#define COUNTDOWN(n)                                                                                                   \
    0xb9, (n), 0, 0, 0, /* mov ecx, n */ 0xff, 0xc0, /* L: inc eax */ 0xff, 0xc9, /* dec ecx */ 0x75, 0xfa /* jnz L */

static void budget_is_exact(void **state)
{
    BOOT(COUNTDOWN(100), 0x0f, 0x05);
    for (int slice = 0; slice < 310; slice++) {
        m.cpu.rip = CODE;
        m.cpu.regs[RAX] = 0;
        m.cpu.budget = slice;
        m.cpu.insn_count = 1000;
        uint64_t rip = slice == 0 ? CODE : CODE + 5 + (uint64_t)(slice - 1) % 3 * 2;
        if (slice <= 300)
            expect_stop(STOP_BUDGET, rip);
        else if (slice == 301)
            expect_stop(STOP_BUDGET, CODE + 11);
        else
            expect_stop(STOP_SYSCALL, CODE + 13);
        int done = slice < 302 ? slice : 302;
        assert_int_equal(m.cpu.insn_count, 1000 + done);
        assert_int_equal(m.cpu.budget, slice - done);
        assert_int_equal(m.cpu.regs[RAX], slice == 0 ? 0 : slice >= 301 ? 100 : (slice + 1) / 3);
    }
}

static void slices_add_up(void **state)
{
    BOOT(COUNTDOWN(200), 0x0f, 0x05);
    srand(5);
    enum cpu_stop why;
    do {
        m.cpu.budget = rand() % 90;
        why = cpu_run(&m.cpu);
        if (why == STOP_BUDGET) assert_int_equal(m.cpu.budget, 0);
    } while (why == STOP_BUDGET);
    assert_int_equal(why, STOP_SYSCALL);
    assert_int_equal(m.cpu.regs[RAX], 200);
    assert_int_equal(m.cpu.insn_count, 602);
}

static void long_straight_code(void **state)
{
    static uint8_t nops[6000];
    memset(nops, 0x90, sizeof nops);
    memcpy(nops + 5000, "\x0f\x05", 2);
    boot(state, nops, sizeof nops);
    for (int slice = 0; slice <= 5000; slice += 61) {
        m.cpu.rip = CODE;
        m.cpu.budget = slice;
        expect_stop(STOP_BUDGET, CODE + (uint64_t)slice);
    }
    m.cpu.rip = CODE;
    m.cpu.budget = MANY;
    expect_stop(STOP_SYSCALL, CODE + 5002);
    assert_int_equal(m.cpu.budget, MANY - 5001);
}

static void data_faults(void **state)
{
    BOOT(0xff, 0xc0, /* inc eax */ 0xff, 0xc0, 0x88, 0x04, 0x25, 0x10, 0, 0x50, 0, /* mov [0x500010], al */ 0xff, 0xc0,
         0x0f, 0x05);
    expect_page_fault(CODE + 4, 0x500010, ACCESS_WRITE, false);
    assert_int_equal(m.cpu.regs[RAX], 2);
    assert_int_equal(m.cpu.insn_count, 2);
    map_at(0x500000, PAGE_BYTES, MEM_R);
    expect_page_fault(CODE + 4, 0x500010, ACCESS_WRITE, true);
    mem_protect(m.mem, 0x500, 1, MEM_R | MEM_W);
    expect_stop(STOP_SYSCALL, CODE + 15);
    assert_int_equal(peek(0x500010), 2);
    assert_int_equal(m.cpu.insn_count, 5);
}

static void read_faults(void **state)
{
    BOOT(0x8a, 0x04, 0x25, 0x10, 0, 0x50, 0, /* mov al, [0x500010] */ 0x0f, 0x05);
    expect_page_fault(CODE, 0x500010, ACCESS_READ, false);
    assert_int_equal(m.cpu.insn_count, 0);
    uint32_t f = ram_alloc(&m.ram, 1, true);
    ram_ptr(&m.ram, f)[0x10] = 9;
    mem_map_lazily(m.mem, 0x500, 1, f, MEM_R);
    expect_stop(STOP_SYSCALL, CODE + 9);
    assert_int_equal(m.cpu.regs[RAX], 9);
    assert_int_equal(m.cpu.insn_count, 2);
}

// A store across two pages whose second one faults must not have written the first.
static void crossing_store(void **state)
{
    BOOT(0xb8, 0xff, 0xff, 0xff, 0xff, /* mov eax, -1 */ 0x89, 0x04, 0x25, 0xfe, 0x0f, 0x60, 0,
         /* mov [0x600ffe], eax */ 0x0f, 0x05);
    expect_page_fault(CODE + 5, 0x601000, ACCESS_WRITE, false);
    assert_int_equal(peek(DATA + 0xffe), 0);
    map_at(DATA + PAGE_BYTES, PAGE_BYTES, MEM_R | MEM_W);
    expect_stop(STOP_SYSCALL, CODE + 14);
    assert_int_equal(peek(DATA + 0x1001), 0xff);
}

static void top_of_memory(void **state)
{
    BOOT(0x89, 0x07, /* mov [rdi], eax */ 0x0f, 0x05);
    map_at(0xfffff000, PAGE_BYTES, MEM_R | MEM_W | MEM_X);
    m.cpu.regs[RDI] = 0xfffffffc;
    expect_stop(STOP_SYSCALL, CODE + 4);
    m.cpu.regs[RDI] = 0xfffffffe;
    m.cpu.rip = CODE;
    expect_page_fault(CODE, 0x100000000, ACCESS_WRITE, false);
    poke(0xfffffffe, "\x90\x90", 2);
    m.cpu.rip = 0xfffffffe;
    expect_page_fault(0x100000000, 0x100000000, ACCESS_EXEC, false);
    poke(0xffffffff, "\xb8", 1); // begins a longer instruction
    m.cpu.rip = 0xffffffff;
    expect_page_fault(0xffffffff, 0x100000000, ACCESS_EXEC, false);
}

static void high_addresses(void **state)
{
    BOOT(0x89, 0x07, /* mov [rdi], eax */ 0xff, 0xe0 /* jmp rax */);
    if (mem_backend(m.mem) == MEM_CHECKED) { // the other one truncates
        m.cpu.regs[RDI] = 0x123456789000;
        expect_page_fault(CODE, 0x123456789000, ACCESS_WRITE, false);
        m.cpu.regs[RDI] = 0x8000000000000000;
        expect_fault(VEC_GP, CODE);
    }
    m.cpu.regs[RDI] = DATA;
    m.cpu.regs[RAX] = 0x123456789000;
    uint64_t target = m.space ? 0x56789000 : 0x123456789000; // translated branches truncate too
    expect_page_fault(target, target, ACCESS_EXEC, false);
    m.cpu.rip = 0x8000000000000000;
    expect_fault(VEC_GP, 0x8000000000000000);
}

static void fetch_faults(void **state)
{
    BOOT(0xff, 0xe0 /* jmp rax */);
    m.cpu.regs[RAX] = 0x12345;
    expect_page_fault(0x12345, 0x12345, ACCESS_EXEC, false);
    assert_int_equal(m.cpu.insn_count, 1);
    m.cpu.regs[RAX] = DATA + 8;
    m.cpu.rip = CODE;
    expect_page_fault(DATA + 8, DATA + 8, ACCESS_EXEC, true);
    mem_protect(m.mem, DATA >> PAGE_SHIFT, 1, MEM_R | MEM_X);
    poke(DATA + 8, "\x0f\x05", 2);
    expect_stop(STOP_SYSCALL, DATA + 10);
    mem_protect(m.mem, DATA >> PAGE_SHIFT, 1, MEM_R);
    m.cpu.rip = CODE;
    expect_page_fault(DATA + 8, DATA + 8, ACCESS_EXEC, true);
}

static void instruction_across_pages(void **state)
{
    BOOT(0x90);
    poke(CODE + 0x1ffd, "\x90\xb8\x44", 3); // nop; mov eax, 0x..44, of which two bytes are here
    m.cpu.rip = CODE + 0x1ffd;
    expect_page_fault(CODE + 0x1ffe, CODE + 0x2000, ACCESS_EXEC, false);
    assert_int_equal(m.cpu.insn_count, 1);
    map_at(CODE + 0x2000, PAGE_BYTES, MEM_R | MEM_W | MEM_X);
    poke(CODE + 0x2000, "\x33\x22\x11\x0f\x05", 5);
    expect_stop(STOP_SYSCALL, CODE + 0x2005);
    assert_int_equal(m.cpu.regs[RAX], 0x11223344);
    poke(CODE + 0x2000, "\x55", 1); // its second page counts too
    m.cpu.rip = CODE + 0x1ffd;
    expect_stop(STOP_SYSCALL, CODE + 0x2005);
    assert_int_equal(m.cpu.regs[RAX], 0x11225544);
}

static void undefined(void **state)
{
    BOOT(0xff, 0xc0, 0x0f, 0x0b /* inc eax; ud2 */);
    expect_fault(VEC_UD, CODE + 2);
    assert_int_equal(m.cpu.insn_count, 1);
    expect_fault(VEC_UD, CODE + 2);
    assert_int_equal(m.cpu.insn_count, 1);
    poke(CODE + 2, "\x0f\x05", 2);
    expect_stop(STOP_SYSCALL, CODE + 4);
}

static void too_long(void **state)
{
    BOOT(0xff, 0xc0, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90);
    expect_fault(VEC_GP, CODE + 2);
}

static void breakpoint(void **state)
{
    BOOT(0xff, 0xc0, 0xcc, 0x0f, 0x05);
    expect_fault(VEC_BP, CODE + 3);
    assert_int_equal(m.cpu.insn_count, 2);
    expect_stop(STOP_SYSCALL, CODE + 5);
}

// The store changes the instruction right behind it: `mov ebx, 1` becomes `mov ebx, 2`.
static void modifies_next_instruction(void **state)
{
    BOOT(0xff, 0xc0, 0xc6, 0x04, 0x25, 0x0b, 0, 0x40, 0, 2, /* mov byte [0x40000b], 2 */ 0xbb, 1, 0, 0, 0,
         /* mov ebx, 1 */ 0x0f, 0x05);
    expect_stop(STOP_SYSCALL, CODE + 17);
    assert_int_equal(m.cpu.regs[RBX], 2);
    assert_int_equal(m.cpu.regs[RAX], 1);
    assert_int_equal(m.cpu.insn_count, 4);
    for (int slice = 1; slice < 4; slice++) { // the same in slices
        poke(CODE + 11, "\x01", 1);
        m.cpu.rip = CODE;
        m.cpu.budget = slice;
        assert_int_equal(cpu_run(&m.cpu), STOP_BUDGET);
        m.cpu.budget = MANY;
        expect_stop(STOP_SYSCALL, CODE + 17);
        assert_int_equal(m.cpu.regs[RBX], 2);
    }
}

// Code and the data it writes share a page: slow, but it goes on.
static void data_beside_code(void **state)
{
    BOOT(0xb9, 200, 0, 0, 0, /* mov ecx, 200 */ 0xfe, 0x04, 0x25, 0, 1, 0x40, 0, /* L: inc byte [0x400100] */ 0xff,
         0xc9, /* dec ecx */
         0x75, 0xf5, /* jnz L */ 0x0f, 0x05);
    expect_stop(STOP_SYSCALL, CODE + 18);
    assert_int_equal(peek(CODE + 0x100), 200);
    assert_int_equal(m.cpu.insn_count, 602);
}

// A loop that patches a function on the other page before each call.
static void patched_function(void **state)
{
    BOOT(0xb9, 50, 0, 0, 0,                     /* mov ecx, 50 */
         0x88, 0x0c, 0x25, 0x01, 0x10, 0x40, 0, /* L: mov [0x401001], cl */
         0xe8, 0xef, 0x0f, 0, 0,                /* call 0x401000 */
         0x01, 0xc3,                            /* add ebx, eax */
         0xff, 0xc9, 0x75, 0xee, 0x0f, 0x05);   /* dec ecx; jnz L; syscall */
    poke(CODE + 0x1000, "\xb8\0\0\0\0\xc3", 6); // mov eax, 0; ret
    expect_stop(STOP_SYSCALL, CODE + 25);
    assert_int_equal(m.cpu.regs[RBX], 50 * 51 / 2);
    assert_int_equal(m.cpu.insn_count, 1 + 50 * 7 + 1);
}

// The same in slices of any length: the same end, and not an instruction more or less.
static void patched_in_slices(void **state)
{
    BOOT(0xb9, 50, 0, 0, 0, 0x88, 0x0c, 0x25, 0x01, 0x10, 0x40, 0, 0xe8, 0xef, 0x0f, 0, 0, 0x01, 0xc3, 0xff, 0xc9, 0x75,
         0xee, 0x0f, 0x05); // as in patched_function
    poke(CODE + 0x1000, "\xb8\0\0\0\0\xc3", 6);
    srand(11);
    for (int round = 0; round < 20; round++) {
        m.cpu.rip = CODE;
        m.cpu.insn_count = m.cpu.regs[RBX] = 0;
        enum cpu_stop why = STOP_BUDGET;
        for (uint64_t sum = 0; why == STOP_BUDGET; assert_true(why != STOP_BUDGET || m.cpu.insn_count == sum)) {
            m.cpu.budget = rand() % (round < 10 ? 5 : 150);
            sum += (uint64_t)m.cpu.budget;
            why = cpu_run(&m.cpu);
        }
        assert_int_equal(why, STOP_SYSCALL);
        assert_int_equal(m.cpu.regs[RBX], 50 * 51 / 2);
        assert_int_equal(m.cpu.insn_count, 1 + 50 * 7 + 1);
    }
}

static void remapped_code(void **state)
{
    BOOT(0xe9, 0xfb, 0x0f, 0, 0 /* jmp 0x401000 */);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t body[] = {0xb8, (uint8_t)i, 0, 0, 0, 0x0f, 0x05};
        map_at(CODE + 0x1000, PAGE_BYTES, MEM_R | MEM_W | MEM_X);
        poke(CODE + 0x1000, body, sizeof body);
        for (int again = 0; again < 3; again++) {
            m.cpu.rip = CODE;
            expect_stop(STOP_SYSCALL, CODE + 0x1007);
            assert_int_equal(m.cpu.regs[RAX], i);
        }
        m.cpu.rip = CODE;
        if (i % 2)
            mem_unmap(m.mem, (CODE + 0x1000) >> PAGE_SHIFT, 1);
        else
            mem_protect(m.mem, (CODE + 0x1000) >> PAGE_SHIFT, 1, MEM_R);
        expect_page_fault(CODE + 0x1000, CODE + 0x1000, ACCESS_EXEC, i % 2 == 0);
    }
}

static void calls_return(void **state)
{
    BOOT(0xb9, 100, 0, 0, 0,                 /* mov ecx, 100 */
         0xe8, 0x06, 0, 0, 0,                /* L: call F */
         0xff, 0xc9, 0x75, 0xf7, 0x0f, 0x05, /* dec ecx; jnz L; syscall */
         0xff, 0xc0, 0xc3);                  /* F: inc eax; ret */
    expect_stop(STOP_SYSCALL, CODE + 16);
    assert_int_equal(m.cpu.regs[RAX], 100);
    assert_int_equal(m.cpu.regs[RSP], STACK + PAGE_BYTES);
    assert_int_equal(m.cpu.insn_count, 1 + 100 * 5 + 1);
}

static void interrupt_before(void **state)
{
    BOOT(0x0f, 0x05);
    cpu_interrupt(&m.cpu);
    expect_stop(STOP_REQUEST, CODE);
    expect_stop(STOP_SYSCALL, CODE + 2);
}

static void on_alarm(int sig)
{
    (void)sig;
    cpu_interrupt(&m.cpu);
}

static void interrupt_in_a_loop(void **state)
{
    BOOT(0xff, 0xc0, 0xeb, 0xfc /* L: inc eax; jmp L */);
    // Emitted code has the guest's stack: the handler may not run on it (jit/jit.h).
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm, .sa_flags = SA_ONSTACK}, NULL);
    for (int i = 0; i < 10; i++) {
        struct itimerval soon = {.it_value.tv_usec = 2000};
        m.cpu.budget = INT64_MAX / 2;
        setitimer(ITIMER_REAL, &soon, NULL);
        assert_int_equal(cpu_run(&m.cpu), STOP_REQUEST);
    }
    assert_int_equal((uint32_t)m.cpu.regs[RAX], (uint32_t)((m.cpu.insn_count + 1) / 2));
    signal(SIGALRM, SIG_DFL);
}

// Instructions whose functions have large local variables must not pile up on the host's stack.
static void stack_stays_flat(void **state)
{
    BOOT(0xb9, 0x40, 0x42, 0x0f, 0,          /* mov ecx, 1000000 */
         0x0f, 0xae, 0x07, 0x0f, 0xae, 0x0f, /* L: fxsave [rdi]; fxrstor [rdi] */
         0xdd, 0x07, 0xdd, 0xd8,             /* fld qword [rdi]; fstp st0 */
         0xff, 0xc9, 0x75, 0xf2, 0x0f, 0x05 /* dec ecx; jnz L; syscall */);
    m.cpu.regs[RDI] = DATA;
    m.cpu.budget = INT64_MAX / 2;
    expect_stop(STOP_SYSCALL, CODE + 21);
    assert_int_equal(m.cpu.insn_count, 1 + 6 * 1000000 + 1);
}

// FLDCW raises an x87 exception that is pending, even if it is about to mask it.
static void control_word_waits(void **state)
{
    BOOT(0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, /* fninit; fld1; fldz; fdivp */
         0xd9, 0x2f, 0xeb, 0, 0xd9, 0x6f, 0x02, /* fldcw [rdi]; jmp L; L: fldcw [rdi + 2] */ 0x0f, 0x05);
    static const uint16_t words[] = {0x37b, 0x37f}; // division by 0 not masked, and masked
    poke(DATA, words, sizeof words);
    for (int again = 0; again < 3; again++) {
        m.cpu.rip = CODE;
        m.cpu.regs[RDI] = DATA;
        expect_fault(VEC_MF, CODE + 12);
        assert_int_equal(m.cpu.fpu.cw, 0x37b);
        m.cpu.fpu.cw = 0x37f;
    }
}

// ENTER copies frame pointers to one place higher, down to a page with code: losing its code on the way, it must not be
// done again with what it has moved.
static void enter_is_done_once(void **state)
{
    BOOT(0xc8, 0, 0, 7 /* enter 0, 7 */, 0x0f, 0x05);
    enum { TOP = CODE + PAGE_BYTES + 32 };
    for (uint64_t i = 0; i < 10; i++) poke(TOP - 8 * (unsigned)i, &i, sizeof i);
    m.cpu.regs[RSP] = TOP;
    m.cpu.regs[RBP] = TOP - 16;
    expect_stop(STOP_SYSCALL, CODE + 6);
    static const uint64_t after[] = {0, TOP - 16, 3, 4, 5, 6, 7, 8, TOP - 8, 9};
    for (unsigned i = 0; i < 10; i++)
        for (unsigned k = 0; k < 8; k++) assert_int_equal(peek(TOP - 8 * i + k), (uint8_t)(after[i] >> 8 * k));
}

// More code than the cache holds.
static void cache_overflows(void **state)
{
    BOOT(0x90);
    enum { BIG = 0x10000000, BYTES = 3 << 20 };
    map_at(BIG, BYTES, MEM_R | MEM_W | MEM_X);
    for (uint32_t p = 0; p < BYTES; p += PAGE_BYTES) memset(mem_host(m.mem, BIG + p, MEM_W), 0x90, PAGE_BYTES);
    poke(BIG + BYTES - 2, "\x0f\x05", 2);
    for (int again = 0; again < 2; again++) {
        m.cpu.rip = BIG;
        m.cpu.budget = INT64_MAX / 2;
        m.cpu.insn_count = 0;
        expect_stop(STOP_SYSCALL, BIG + BYTES);
        assert_int_equal(m.cpu.insn_count, BYTES - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(syscall_stops),
        EACH(budget_is_exact),
        EACH(slices_add_up),
        EACH(long_straight_code),
        EACH(data_faults),
        EACH(read_faults),
        EACH(crossing_store),
        EACH(top_of_memory),
        EACH(high_addresses),
        EACH(fetch_faults),
        EACH(undefined),
        EACH(instruction_across_pages),
        EACH(too_long),
        EACH(breakpoint),
        EACH(modifies_next_instruction),
        EACH(data_beside_code),
        EACH(patched_function),
        EACH(remapped_code),
        EACH(calls_return),
        EACH(interrupt_before),
        EACH(interrupt_in_a_loop),
        EACH(enter_is_done_once),
        EACH(control_word_waits),
        EACH(cache_overflows),
        EACH(patched_in_slices),
        EACH(stack_stays_flat),
        EACH(random_is_asked_for),
        EACH(random_ends_a_slice),
        EACH(mxcsr_in_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
