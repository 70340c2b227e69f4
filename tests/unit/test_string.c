// String instructions against a model that does them element by element: pages that show one frame twice, that cannot
// be written or are not there, sources and targets that overlap, counts cut short by ticks. Each test runs with both
// memory back ends, and translated (jit/) with every block proven and instructions counted.
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
#include <stdlib.h>
#include <string.h>

enum { CODE = 0x400000, DATA = 0x600000, CASES = 20000, BUDGET = 1000 };
// The pages from DATA on. A digit: that frame, writable; a letter: the frame of that place in the alphabet, read-only;
// a dot: none.
static const char layout[] = "01201233a44.5567890.81";
enum { PAGES = sizeof layout - 1, FRAMES = 10, BYTES = PAGES * PAGE_BYTES };

struct machine {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct cpu cpu;
    uint32_t frames, program;
    uint64_t random;
    struct eager_jit translator;
    struct jit_space *space; // NULL: interpreted
};
static struct machine m;

// xorshift64*
static uint32_t below(uint32_t n)
{
    m.random ^= m.random >> 12;
    m.random ^= m.random << 25;
    m.random ^= m.random >> 27;
    return (uint32_t)((m.random * 2685821657736338717ull >> 32) % n);
}

static void map_one(uint32_t page, uint32_t frame, unsigned prot)
{
    ram_ref(&m.ram, frame);
    assert_int_equal(mem_map(m.mem, page, 1, frame, prot), 0);
}

static int frame_at(unsigned page)
{
    char c = layout[page];
    return c == '.' ? -1 : c >= 'a' ? c - 'a' : c - '0';
}
static bool is_writable(unsigned page)
{
    return layout[page] >= '0' && layout[page] <= '9';
}

static void translate(void)
{
    char why[200];
    if (!eager_jit_open(&m.translator, CPU_LEVEL_V3, why, sizeof why)) fail_msg("%s", why);
    m.space = jit_space_new(m.translator.jit, m.mem, m.code);
    assert_non_null(m.space);
}

static void boot(void **state)
{
    const struct engine *engine = *state;
    memset(&m, 0, sizeof m);
    m.random = 88172645463325252ull;
    assert_int_equal(ram_open(&m.ram, 50000), 0);
    m.mem = mem_new(&m.ram, engine->back_end);
    assert_non_null(m.mem);
    m.code = code_new(m.mem, CPU_LEVEL_V3);
    assert_non_null(m.code);
    if (engine->jit) translate();
    m.program = ram_alloc(&m.ram, 1, true);
    m.frames = ram_alloc(&m.ram, FRAMES, true);
    map_one(CODE >> PAGE_SHIFT, m.program, MEM_R | MEM_W | MEM_X);
}

static void map_layout(void)
{
    for (unsigned i = 0; i < PAGES; i++)
        if (frame_at(i) >= 0)
            map_one((DATA >> PAGE_SHIFT) + i, m.frames + (uint32_t)frame_at(i), is_writable(i) ? MEM_R | MEM_W : MEM_R);
}

static int halt(void **state)
{
    (void)state;
    char refused[sizeof m.translator.check.refused];
    memcpy(refused, m.translator.check.refused, sizeof refused);
    jit_space_free(m.space);
    if (m.translator.jit) eager_jit_close(&m.translator);
    code_free(m.code);
    mem_free(m.mem);
    ram_unref(&m.ram, m.program);
    for (uint32_t i = 0; i < FRAMES; i++) ram_unref(&m.ram, m.frames + i);
    int left = (int)ram_used(&m.ram);
    ram_close(&m.ram);
    if (refused[0]) print_error("%s\n", refused);
    return left || refused[0];
}

// ---- the model ----

enum op { MOVS, CMPS, STOS, LODS, SCAS };
static const uint8_t opcodes[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};

struct model {
    uint8_t memory[FRAMES][PAGE_BYTES];
    uint64_t rax, rcx, rsi, rdi;
    uint64_t fault; // 0: none
    enum cpu_access access;
    uint64_t left, right; // what was compared last
};

static uint8_t *byte_at(struct model *w, uint64_t a, enum cpu_access access)
{
    uint64_t page = (a - DATA) >> PAGE_SHIFT;
    bool good = a >= DATA && a < DATA + BYTES && frame_at((unsigned)page) >= 0 &&
                (access == ACCESS_READ || is_writable((unsigned)page));
    if (!good && !w->fault) {
        w->fault = a;
        w->access = access;
    }
    return good ? &w->memory[frame_at((unsigned)page)][a & (PAGE_BYTES - 1)] : NULL;
}

static uint64_t read_element(struct model *w, uint64_t a, unsigned size)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++) {
        const uint8_t *p = byte_at(w, a + i, ACCESS_READ);
        if (p) v |= (uint64_t)*p << (8 * i);
    }
    return v;
}
static void write_element(struct model *w, uint64_t a, unsigned size, uint64_t v)
{
    for (unsigned i = 0; i < size; i++) byte_at(w, a + i, ACCESS_WRITE);
    for (unsigned i = 0; i < size && !w->fault; i++) *byte_at(w, a + i, ACCESS_WRITE) = (uint8_t)(v >> (8 * i));
}

enum repeat { ONCE, REP, REPNE };

// One element; false: it faults, or it ends the instruction.
static bool one(struct model *w, enum op op, unsigned size, int64_t step, enum repeat repeat)
{
    uint64_t mask = ~0ull >> (64 - 8 * size), v = 0;
    w->left = w->rax & mask;
    if (op == CMPS || op == SCAS) w->right = read_element(w, w->rdi, size);
    if (op == CMPS) w->left = read_element(w, w->rsi, size);
    if (op == MOVS || op == LODS) v = read_element(w, w->rsi, size);
    if (op == STOS) v = w->left;
    if ((op == MOVS || op == STOS) && !w->fault) write_element(w, w->rdi, size, v);
    if (w->fault) return false;
    if (op == LODS) w->rax = size == 4 ? v : (w->rax & ~mask) | v;
    if (op != STOS && op != SCAS) w->rsi += (uint64_t)step;
    if (op != LODS) w->rdi += (uint64_t)step;
    if (repeat == ONCE) return false;
    w->rcx--;
    return !(op == CMPS || op == SCAS) || (w->left == w->right) != (repeat == REPNE);
}

// ---- cases ----

static void fill(struct model *w)
{
    unsigned kinds = 1 + below(3); // few values: comparisons go on for a while
    for (unsigned f = 0; f < FRAMES; f++) {
        for (unsigned i = 0; i < PAGE_BYTES; i++) w->memory[f][i] = (uint8_t)(below(200) ? 7 : below(kinds) * 7);
        memcpy(ram_ptr(&m.ram, m.frames + f), w->memory[f], PAGE_BYTES);
    }
}

static uint64_t place(void)
{
    uint64_t a = DATA + below(BYTES);
    return below(3) ? a : (a | (PAGE_BYTES - 1)) - below(40);
}

static void put_instruction(enum op op, unsigned size, enum repeat repeat)
{
    uint8_t code[6], *p = code;
    if (repeat != ONCE) *p++ = repeat == REP ? 0xf3 : 0xf2;
    if (size == 2) *p++ = 0x66;
    if (size == 8) *p++ = 0x48;
    *p++ = opcodes[op] | (size > 1);
    *p++ = 0x0f;
    *p++ = 0x05;
    mem_host(m.mem, CODE, MEM_W); // drops decoded code
    memcpy(ram_ptr(&m.ram, m.program), code, (size_t)(p - code));
}

// Where the stack pointer is must do no harm, but emitted code does not run when it is nowhere.
static void start(uint64_t rcx, uint64_t rsi, uint64_t rdi)
{
    cpu_init(&m.cpu, CPU_LEVEL_V3);
    cpu_attach(&m.cpu, m.mem, m.code);
    m.cpu.rip = CODE;
    m.cpu.budget = BUDGET;
    m.cpu.regs[RSP] = DATA + PAGE_BYTES;
    m.cpu.regs[RCX] = rcx;
    m.cpu.regs[RSI] = rsi;
    m.cpu.regs[RDI] = rdi;
}

static void expect_page_fault(uint64_t addr, enum cpu_access access)
{
    assert_int_equal(cpu_run(&m.cpu), STOP_FAULT);
    assert_int_equal(m.cpu.rip, CODE);
    assert_int_equal(m.cpu.fault.vector, VEC_PF);
    assert_int_equal(m.cpu.fault.addr, addr);
    assert_int_equal(m.cpu.fault.access, access);
    assert_int_equal(m.cpu.insn_count, 0);
    assert_int_equal(m.cpu.budget, BUDGET);
}

static void expect_end(uint64_t insns)
{
    assert_int_equal(cpu_run(&m.cpu), STOP_SYSCALL);
    assert_int_equal(m.cpu.insn_count, insns);
}

static void compare(const struct model *w, bool compared)
{
    if (w->fault) {
        expect_page_fault(w->fault, w->access);
        assert_int_equal(m.cpu.regs[RCX], w->rcx);
    } else {
        expect_end(2);
    }
    assert_int_equal(m.cpu.regs[RAX], w->rax);
    assert_int_equal(m.cpu.regs[RSI], w->rsi);
    assert_int_equal(m.cpu.regs[RDI], w->rdi);
    if (compared && !w->fault) assert_int_equal(!!(m.cpu.regs[R11] & FLAG_ZF), w->left == w->right); // SYSCALL's
    for (unsigned f = 0; f < FRAMES; f++) assert_memory_equal(ram_ptr(&m.ram, m.frames + f), w->memory[f], PAGE_BYTES);
}

static uint64_t count(void)
{
    if (below(40) == 0) return 0;
    if (below(40) == 0) return 1ull << 40;
    return 1 + below(below(2) ? 3000 : 30);
}

// Does the source show a frame that the target shows at another address, near enough to overlap there? What REP MOVS
// makes of that is the CPU's business (jit/README.md), and so emitted code's.
static bool through_another_page(const struct model *w)
{
    enum { MOST = 3000 * 8 / PAGE_BYTES + 2 };
    int from = (int)((w->rsi - DATA) >> PAGE_SHIFT), to = (int)((w->rdi - DATA) >> PAGE_SHIFT);
    for (int i = 0; i < MOST; i++)
        for (int a = from + i, b = to + i - 1; b <= to + i + 1; b++)
            if (a != b && a < (int)PAGES && b >= 0 && b < (int)PAGES && frame_at((unsigned)a) >= 0 &&
                frame_at((unsigned)a) == frame_at((unsigned)b))
                return true;
    return false;
}

// Emitted code has done nearly all of it, and the interpreter what begins in it and faults.
static void expect_translated(void)
{
    struct jit_stats stats;
    if (!m.space) return;
    jit_stats(m.translator.jit, &stats);
    assert_true(stats.syscalls > CASES / 4 && stats.faulted > CASES / 20);
    assert_int_equal(stats.operations, 0);
}

static void as_the_model(void **state)
{
    static struct model w;
    boot(state);
    map_layout();
    for (unsigned i = 0; i < CASES; i++) {
        enum op op = (enum op)below(5);
        unsigned size = 1u << below(4);
        bool compares = op == CMPS || op == SCAS, down = below(8) == 0;
        enum repeat repeat = below(5) == 0 ? ONCE : compares && below(2) ? REPNE : REP;
        if (i % 64 == 0) fill(&w);
        w.fault = 0;
        w.rsi = place();
        w.rdi = below(3) ? place() : w.rsi + below(64) - 32;
        w.rax = below(3) ? 0x0707070707070707 : (uint64_t)below(~0u) << 32 | below(~0u);
        w.rcx = count();
        if (m.space && op == MOVS && repeat != ONCE && through_another_page(&w)) continue;
        put_instruction(op, size, repeat);
        start(w.rcx, w.rsi, w.rdi);
        m.cpu.regs[RAX] = w.rax;
        if (down) cpu_set_eflags(&m.cpu, FLAG_DF);
        bool does = repeat == ONCE || w.rcx;
        while ((repeat == ONCE || w.rcx) && one(&w, op, size, down ? -(int)size : (int)size, repeat)) {
        }
        compare(&w, compares && does);
    }
    expect_translated();
}

// ---- pointers ----

enum { LAST = 0xfffef000u }; // the last page that can be mapped

static void map_last(void)
{
    ram_ref(&m.ram, m.frames);
    assert_int_equal(mem_map(m.mem, LAST >> PAGE_SHIFT, 1, m.frames, MEM_R | MEM_W), 0);
}

// However many elements are left.
static void near_the_end(void **state)
{
    boot(state);
    map_last();
    for (unsigned size = 1; size <= 8; size *= 2) {
        put_instruction(STOS, size, REP);
        start(1ull << 60, 0, LAST + PAGE_BYTES / 2);
        expect_page_fault((uint64_t)LAST + PAGE_BYTES, ACCESS_WRITE);
        assert_int_equal(m.cpu.regs[RCX], (1ull << 60) - PAGE_BYTES / 2 / size);
        assert_int_equal(m.cpu.regs[RDI], (uint64_t)LAST + PAGE_BYTES);
        start(5, 0, 0xffffffff);
        expect_page_fault(0xffffffff, ACCESS_WRITE);
        assert_int_equal(m.cpu.regs[RDI], 0xffffffff);
        put_instruction(MOVS, size, ONCE);
        start(5, LAST, 0);
        expect_page_fault(0, ACCESS_WRITE);
        assert_int_equal(m.cpu.regs[RSI], LAST);
    }
}

// They keep what lies above 4 GiB; the direct back end drops it from the address (cpu/mem.h).
static void high_pointers(void **state)
{
    static const uint64_t high[][2] = {{1ull << 32, 0}, {0, 1ull << 32}, {~0ull << 32, 3ull << 47}};
    boot(state);
    map_layout();
    for (unsigned i = 0; i < sizeof high / sizeof *high; i++) {
        put_instruction(MOVS, 1, REP);
        uint64_t from = DATA + high[i][0], to = DATA + PAGE_BYTES + high[i][1];
        start(100, from, to);
        ram_ptr(&m.ram, m.frames)[99] = (uint8_t)(i + 1);
        if (mem_backend(m.mem) == MEM_CHECKED) {
            assert_int_equal(cpu_run(&m.cpu), STOP_FAULT);
            continue;
        }
        expect_end(2);
        assert_int_equal(m.cpu.regs[RSI], from + 100);
        assert_int_equal(m.cpu.regs[RDI], to + 100);
        assert_int_equal(ram_ptr(&m.ram, m.frames + 1)[99], i + 1);
    }
}

// A copy over the page that runs, which is the same but for the instruction behind: that is run as it stands then.
static void copies_over_itself(void **state)
{
    static const uint8_t before[] = {0xf3, 0xa4, /* rep movsb */ 0x90, 0x90, 0x0f, 0x05},
                         after[] = {0xf3, 0xa4, 0xff, 0xc3, /* inc ebx */ 0x0f, 0x05};
    boot(state);
    map_layout();
    memcpy(ram_ptr(&m.ram, m.frames), after, sizeof after);
    for (unsigned i = 0; i < 3; i++) {
        mem_host(m.mem, CODE, MEM_W);
        memcpy(ram_ptr(&m.ram, m.program), before, sizeof before);
        start(PAGE_BYTES, DATA, CODE);
        expect_end(3);
        assert_int_equal(m.cpu.regs[RBX], 1);
        assert_int_equal(m.cpu.regs[RDI], CODE + PAGE_BYTES);
        assert_int_equal(m.cpu.regs[RSI], DATA + PAGE_BYTES);
        assert_memory_equal(ram_ptr(&m.ram, m.program), after, sizeof after);
    }
}

// ---- requests ----

enum { COPY = 32 << 20, FROM = 0x10000000, TO = 0x20000000 };

// Runs to the end: how often it was stopped in the middle of the copy, each time between two elements.
static unsigned copy_with_ticks(void)
{
    unsigned inside = 0;
    enum cpu_stop why;
    start(COPY, FROM, TO);
    while ((why = cpu_run(&m.cpu)) == STOP_REQUEST) {
        if (m.cpu.rip != CODE) continue;
        assert_int_equal(m.cpu.regs[RSI] - FROM, m.cpu.regs[RDI] - TO);
        assert_int_equal(m.cpu.regs[RSI] - FROM, COPY - m.cpu.regs[RCX]);
        inside += m.cpu.regs[RCX] != COPY;
    }
    assert_int_equal(why, STOP_SYSCALL);
    assert_int_equal(m.cpu.insn_count, 2);
    assert_int_equal(m.cpu.budget, BUDGET - 2);
    return inside;
}

// A long copy is stopped many times and goes on to its end.
static void stops_on_request(void **state)
{
    enum { ROUNDS = 20 };
    unsigned inside = 0;
    boot(state);
    uint32_t from = ram_alloc(&m.ram, COPY / PAGE_BYTES, true), to = ram_alloc(&m.ram, COPY / PAGE_BYTES, true);
    mem_map(m.mem, FROM >> PAGE_SHIFT, COPY / PAGE_BYTES, from, MEM_R | MEM_W);
    mem_map(m.mem, TO >> PAGE_SHIFT, COPY / PAGE_BYTES, to, MEM_R | MEM_W);
    put_instruction(MOVS, 1, REP);
    struct host_ticker *ticker = host_ticker_start(1000000);
    assert_non_null(ticker);
    for (unsigned i = 0; i < ROUNDS; i++) {
        memset(ram_ptr(&m.ram, from + COPY / PAGE_BYTES - 1), (int)i + 1, PAGE_BYTES);
        inside += copy_with_ticks();
        assert_memory_equal(ram_ptr(&m.ram, to + COPY / PAGE_BYTES - 1), ram_ptr(&m.ram, from + COPY / PAGE_BYTES - 1),
                            PAGE_BYTES);
    }
    host_ticker_stop(ticker);
    assert_true(inside > 0);
    if (!m.space) return;
    struct jit_stats stats;
    jit_stats(m.translator.jit, &stats);
    assert_true(stats.ticks > 0);
}

static void expect_within(uint64_t pointer, uint64_t start, unsigned bytes)
{
    assert_true(pointer >= start && pointer <= start + bytes);
}

// Wherever a tick finds a loop of short ones, their pointers are the guest's.
static void stops_anywhere(void **state)
{
    enum { TIMES = 10000000, INSNS = 8 };
    static const uint8_t loop[] = {0xb9, 5,    0,    0,    0,                         /* L: mov ecx, 5 */
                                   0xbe, 0,    0,    0,    0x10, 0xbf, 0, 0, 0, 0x20, /* mov esi, FROM; mov edi, TO */
                                   0xf3, 0xa4, 0xac, 0x48, 0xa5,                      /* rep movsb; lodsb; movsq */
                                   0xff, 0xcb, 0x75, 0xe8, 0x0f, 0x05 /* dec ebx; jnz L; syscall */};
    unsigned stops = 0;
    enum cpu_stop why;
    boot(state);
    map_one(FROM >> PAGE_SHIFT, m.frames, MEM_R | MEM_W);
    map_one(TO >> PAGE_SHIFT, m.frames + 1, MEM_R | MEM_W);
    memcpy(ram_ptr(&m.ram, m.program), loop, sizeof loop);
    start(0, FROM, TO);
    m.cpu.regs[RBX] = TIMES;
    m.cpu.regs[R11] = 0x1122334455667788;
    m.cpu.budget = (int64_t)TIMES * INSNS + BUDGET;
    struct host_ticker *ticker = host_ticker_start(1000000);
    for (; (why = cpu_run(&m.cpu)) == STOP_REQUEST; stops++) {
        expect_within(m.cpu.regs[RSI], FROM, 14);
        expect_within(m.cpu.regs[RDI], TO, 13);
        assert_true(m.cpu.regs[RCX] <= 5 && m.cpu.regs[R11] == 0x1122334455667788);
    }
    host_ticker_stop(ticker);
    assert_int_equal(why, STOP_SYSCALL);
    assert_int_equal(m.cpu.insn_count, (uint64_t)TIMES * INSNS + 1);
    assert_true(stops > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(as_the_model),       EACH(near_the_end),     EACH(high_pointers),
        EACH(copies_over_itself), EACH(stops_on_request), EACH(stops_anywhere),
    };
    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
