// Repeated string instructions against a model that does them element by element: pages that show one frame twice, that
// cannot be written or are not there, sources and targets that overlap, counts cut short by requests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { CODE = 0x400000, DATA = 0x600000, CASES = 20000 };
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

static void boot(void **state)
{
    memset(&m, 0, sizeof m);
    m.random = 88172645463325252ull;
    assert_int_equal(ram_open(&m.ram, 50000), 0);
    m.mem = mem_new(&m.ram, *(enum mem_backend *)*state);
    assert_non_null(m.mem);
    m.code = code_new(m.mem, CPU_LEVEL_V3);
    assert_non_null(m.code);
    m.program = ram_alloc(&m.ram, 1, true);
    m.frames = ram_alloc(&m.ram, FRAMES, true);
    map_one(CODE >> PAGE_SHIFT, m.program, MEM_R | MEM_X);
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
    code_free(m.code);
    mem_free(m.mem);
    ram_unref(&m.ram, m.program);
    for (uint32_t i = 0; i < FRAMES; i++) ram_unref(&m.ram, m.frames + i);
    int left = (int)ram_used(&m.ram);
    ram_close(&m.ram);
    return left;
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

// One element; false: it faults, or it ends a comparison.
static bool one(struct model *w, enum op op, unsigned size, int64_t step, bool repne)
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
    w->rcx--;
    return !(op == CMPS || op == SCAS) || (w->left == w->right) != repne;
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

static void put_instruction(enum op op, unsigned size, bool repne)
{
    uint8_t code[6] = {repne ? 0xf2 : 0xf3}, *p = code + 1;
    if (size == 2) *p++ = 0x66;
    if (size == 8) *p++ = 0x48;
    *p++ = opcodes[op] | (size > 1);
    *p++ = 0x0f;
    *p++ = 0x05;
    mem_host(m.mem, CODE, MEM_W);
    code_flush(m.code);
    memcpy(ram_ptr(&m.ram, m.program), code, sizeof code);
}

static void compare(const struct model *w, bool compared)
{
    enum cpu_stop why = cpu_run(&m.cpu);
    assert_int_equal(why, w->fault ? STOP_FAULT : STOP_SYSCALL);
    if (w->fault) {
        assert_int_equal(m.cpu.fault.vector, VEC_PF);
        assert_int_equal(m.cpu.fault.addr, w->fault);
        assert_int_equal(m.cpu.fault.access, w->access);
        assert_int_equal(m.cpu.regs[RCX], w->rcx);
    }
    assert_int_equal(m.cpu.regs[RAX], w->rax);
    assert_int_equal(m.cpu.regs[RSI], w->rsi);
    assert_int_equal(m.cpu.regs[RDI], w->rdi);
    if (compared && !w->fault) assert_int_equal(!!(m.cpu.regs[R11] & FLAG_ZF), w->left == w->right); // SYSCALL's
    for (unsigned f = 0; f < FRAMES; f++) assert_memory_equal(ram_ptr(&m.ram, m.frames + f), w->memory[f], PAGE_BYTES);
}

static void as_the_model(void **state)
{
    static struct model w;
    boot(state);
    map_layout();
    for (unsigned i = 0; i < CASES; i++) {
        enum op op = (enum op)below(5);
        unsigned size = 1u << below(4);
        bool repne = (op == CMPS || op == SCAS) && below(2), down = below(8) == 0;
        if (i % 64 == 0) fill(&w);
        w.fault = 0;
        w.rsi = place();
        w.rdi = below(3) ? place() : w.rsi + below(64) - 32;
        w.rax = below(3) ? 0x0707070707070707 : (uint64_t)below(~0u) << 32 | below(~0u);
        w.rcx = 1 + below(below(2) ? 3000 : 30);
        put_instruction(op, size, repne);
        cpu_init(&m.cpu, CPU_LEVEL_V3);
        cpu_attach(&m.cpu, m.mem, m.code);
        m.cpu.rip = CODE;
        m.cpu.budget = 1000;
        m.cpu.regs[RAX] = w.rax;
        m.cpu.regs[RCX] = w.rcx;
        m.cpu.regs[RSI] = w.rsi;
        m.cpu.regs[RDI] = w.rdi;
        if (down) cpu_set_eflags(&m.cpu, FLAG_DF);
        while (w.rcx && one(&w, op, size, down ? -(int)size : (int)size, repne)) {
        }
        compare(&w, op == CMPS || op == SCAS);
    }
}

// ---- requests ----

static void on_alarm(int sig)
{
    (void)sig;
    cpu_interrupt(&m.cpu);
}

// A long copy is stopped many times, each time between two elements, and goes on to its end.
static void stops_on_request(void **state)
{
    enum { COPY = 32 << 20, FROM = 0x10000000, TO = 0x20000000, ROUNDS = 20 };
    struct itimerval each_ms = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}}, never = {0};
    unsigned inside = 0;
    boot(state);
    uint32_t from = ram_alloc(&m.ram, COPY / PAGE_BYTES, true), to = ram_alloc(&m.ram, COPY / PAGE_BYTES, true);
    mem_map(m.mem, FROM >> PAGE_SHIFT, COPY / PAGE_BYTES, from, MEM_R | MEM_W);
    mem_map(m.mem, TO >> PAGE_SHIFT, COPY / PAGE_BYTES, to, MEM_R | MEM_W);
    put_instruction(MOVS, 1, false);
    cpu_init(&m.cpu, CPU_LEVEL_V3);
    cpu_attach(&m.cpu, m.mem, m.code);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &each_ms, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        m.cpu.rip = CODE;
        m.cpu.regs[RCX] = COPY;
        m.cpu.regs[RSI] = FROM;
        m.cpu.regs[RDI] = TO;
        m.cpu.budget = 2;
        m.cpu.insn_count = 0;
        enum cpu_stop why;
        while ((why = cpu_run(&m.cpu)) == STOP_REQUEST) {
            if (m.cpu.rip != CODE) continue;
            assert_int_equal(m.cpu.regs[RSI] - FROM, m.cpu.regs[RDI] - TO);
            assert_int_equal(m.cpu.regs[RSI] - FROM, COPY - m.cpu.regs[RCX]);
            inside += m.cpu.regs[RCX] != COPY;
        }
        assert_int_equal(why, STOP_SYSCALL);
        assert_int_equal(m.cpu.insn_count, 2);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_DFL);
    assert_true(inside > 0);
}

int main(void)
{
    static enum mem_backend direct = MEM_DIRECT, checked = MEM_CHECKED;
#define BOTH(f)                                                                                                        \
    {#f " (direct)", f, NULL, halt, &direct},                                                                          \
    {                                                                                                                  \
#f " (checked)", f, NULL, halt, &checked                                                                       \
    }
    const struct CMUnitTest tests[] = {BOTH(as_the_model), BOTH(stops_on_request)};
    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
