// The table of targets (jit/cache.h) where two entries meet: targets beside each other, at the end of a page of the
// table, and before what another table is shown behind. What runs must come out right whatever a pair of entries says,
// and no pair may ever lead below 4 GiB, where other code of the process can be.
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "host/fault.h"
#include "host/ram.h"
#include "jit/cache.h"
#include "jit/view.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "tests/eager_jit.h"

#if !defined(__x86_64__) || defined(BELLJAR_PORTABLE)
int main(void)
{
    return 77; // nothing is translated
}
#else
enum { CODE = 0x400000, TARGETS = 0x500000, LIST = 0x600000, STACK = 0x7ff000, PAGES = 3, MANY = 1000000, ROUNDS = 50 };
enum { RET = 0xc3, NOP = 0x90, TABLE_PAGE = 1024 };

struct machine {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct cpu cpu;
    struct eager_jit translator;
    struct jit_space *space;
    uint8_t *targets;
    uint64_t *list;
};
static struct machine m;

static void *map_at(uint32_t addr, uint32_t pages, unsigned prot)
{
    uint32_t f = ram_alloc(&m.ram, pages, true);
    assert_int_not_equal(f, 0);
    assert_int_equal(mem_map(m.mem, addr >> PAGE_SHIFT, pages, f, prot), 0);
    return ram_ptr(&m.ram, f);
}

// Calls what the list names until its end, a 0.
static const uint8_t caller[] = {
    0x48, 0x8b, 0x03,       // mov rax, [rbx]
    0x48, 0x83, 0xc3, 0x08, // add rbx, 8
    0x48, 0x85, 0xc0,       // test rax, rax
    0x74, 0x04,             // jz 1f
    0xff, 0xd0,             // call rax
    0xeb, 0xf0,             // jmp back
    0x0f, 0x05,             // 1: syscall
};

// In the test, not in its set-up: cmocka handles signals in either, and gives ours back in between.
static void boot(void)
{
    char why[200];
    memset(&m, 0, sizeof m);
    assert_int_equal(ram_open(&m.ram, 5000), 0);
    m.mem = mem_new(&m.ram, MEM_DIRECT);
    if (!eager_jit_open(&m.translator, CPU_LEVEL_V3, why, sizeof why)) fail_msg("%s", why);
    m.code = code_new(m.mem, CPU_LEVEL_V3);
    assert_true(m.mem && m.code);
    m.space = jit_space_new(m.translator.jit, m.mem, m.code);
    assert_non_null(m.space);
    cpu_init(&m.cpu, CPU_LEVEL_V3);
    cpu_attach(&m.cpu, m.mem, m.code);
    memcpy(map_at(CODE, 1, MEM_R | MEM_X), caller, sizeof caller);
    m.targets = map_at(TARGETS, PAGES, MEM_R | MEM_X);
    memset(m.targets, RET, (size_t)PAGES * PAGE_BYTES);
    m.list = map_at(LIST, 1, MEM_R);
    map_at(STACK, 1, MEM_R | MEM_W);
}

static int halt(void **state)
{
    (void)state;
    if (m.translator.check.refused[0]) print_error("%s\n", m.translator.check.refused);
    assert_int_equal(m.translator.check.refused[0], 0);
    jit_space_free(m.space);
    eager_jit_close(&m.translator);
    code_free(m.code);
    mem_free(m.mem);
    ram_close(&m.ram);
    return 0;
}

static uint32_t entry(uint32_t pc)
{
    return m.space->table[pc];
}

static bool is_aimed(uint32_t pc)
{
    return entry(pc) && entry(pc) != m.translator.jit->memory.top;
}

// Of all entries of the targets: only ones that lead nowhere are behind ones that lead somewhere.
static void check_pairs(void)
{
    for (uint32_t pc = TARGETS - 1; pc < TARGETS + PAGES * PAGE_BYTES; pc++) {
        if (!is_aimed(pc)) continue;
        assert_int_equal(entry(pc + 1), m.translator.jit->memory.top);
        assert_true(entry(pc) >= 1u << 16);
    }
}

// Calls these, over and over; how many table jumps found nothing.
static uint64_t call(const uint32_t *pc, unsigned n, unsigned rounds)
{
    struct jit_stats before, after;
    unsigned k = 0;
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < n; i++) m.list[k++] = pc[i];
    m.list[k] = 0;
    assert_true(k < PAGE_BYTES / sizeof *m.list);
    m.cpu.rip = CODE;
    m.cpu.regs[RBX] = LIST;
    m.cpu.regs[RSP] = STACK + PAGE_BYTES;
    m.cpu.budget = MANY;
    jit_stats(m.translator.jit, &before);
    assert_int_equal(cpu_run(&m.cpu), STOP_SYSCALL);
    jit_stats(m.translator.jit, &after);
    assert_int_equal(m.cpu.rip, CODE + sizeof caller);
    assert_int_equal(m.cpu.regs[RBX], LIST + 8 * (k + 1));
    assert_int_equal(m.cpu.regs[RSP], STACK + PAGE_BYTES);
    check_pairs();
    return after.missed - before.missed;
}

static void poke(uint32_t pc, const char *bytes, size_t n)
{
    memcpy(m.targets + (pc - TARGETS), bytes, n);
}

#define RETURN_OR_COUNT "\xc3\xff\xc2\xc3" // ret; inc edx; ret

// The first of the two is the one that the table leads to, whichever was asked for first.
static void neighbours(uint32_t pc)
{
    uint32_t forth[] = {pc, pc + 1}, back[] = {pc + 1, pc};
    poke(pc, RETURN_OR_COUNT, 4);
    m.cpu.regs[RDX] = 0;
    call(forth, 2, ROUNDS);
    assert_int_equal(m.cpu.regs[RDX], ROUNDS);
    assert_true(is_aimed(pc) && !is_aimed(pc + 1));
    assert_int_equal(call(forth, 1, ROUNDS), 0);
    jit_space_changed(m.space, 0, MEM_PAGES);
    space_forget_targets(m.space);
    call(back, 1, 2);
    assert_true(!is_aimed(pc) && is_aimed(pc + 1));
    call(back, 2, ROUNDS);
    assert_int_equal(m.cpu.regs[RDX], 2 * ROUNDS + 2);
    assert_true(is_aimed(pc) && !is_aimed(pc + 1));
}

static void targets_beside_each_other(void **state)
{
    (void)state;
    boot();
    neighbours(TARGETS + 100);
}

static void beside_each_other_on_two_pages(void **state)
{
    (void)state;
    boot();
    neighbours(TARGETS + TABLE_PAGE - 1);
    neighbours(TARGETS + PAGE_BYTES - 1);
}

static void three_in_a_row(void **state)
{
    (void)state;
    boot();
    uint32_t all[] = {TARGETS + 7, TARGETS + 8, TARGETS + 9};
    poke(all[0], "\x90\x90\xff\xc2\xc3", 5); // nop; nop; inc edx; ret
    for (unsigned first = 0; first < 3; first++) {
        m.cpu.regs[RDX] = 0;
        space_forget_targets(m.space);
        call(all + first, 1, 2);
        call(all, 3, ROUNDS);
        assert_int_equal(m.cpu.regs[RDX], 3 * ROUNDS + 2);
    }
}

// With nothing in the table behind it, and with something there before it.
static void last_of_a_page_of_the_table(void **state)
{
    (void)state;
    boot();
    for (uint32_t pc = TARGETS + TABLE_PAGE - 1; pc < TARGETS + PAGES * PAGE_BYTES; pc += TABLE_PAGE) {
        space_forget_targets(m.space);
        assert_int_equal(entry(pc + 1), 0);
        call(&pc, 1, ROUNDS);
        assert_true(is_aimed(pc));
        assert_int_equal(call(&pc, 1, ROUNDS), 0);
        if (pc + 1 == TARGETS + PAGES * PAGE_BYTES) break; // no code there
        uint32_t next = pc + 1;
        space_forget_targets(m.space);
        call(&next, 1, ROUNDS);
        assert_int_equal(entry(pc), 0);
        call(&pc, 1, ROUNDS);
        assert_true(is_aimed(pc));
    }
}

// An entry that leads nowhere, with no page of the table behind it: the pair is an address of the lowest pages.
static void nowhere_before_nothing(void **state)
{
    (void)state;
    boot();
    uint32_t pc = TARGETS + TABLE_PAGE - 1, before = pc - 1;
    call(&before, 1, ROUNDS);
    assert_int_equal(entry(pc), m.translator.jit->memory.top);
    assert_int_equal(entry(pc + 1), 0);
    call(&pc, 1, 1);
    assert_true(!is_aimed(pc) && entry(pc + 1) == m.translator.jit->memory.top); // before is its neighbour
}

// A page of the table that is not there, before one that is: the pair is the window's start.
static void nothing_before_nowhere(void **state)
{
    (void)state;
    boot();
    uint32_t pc = TARGETS + TABLE_PAGE - 1, behind = pc + 10;
    call(&behind, 1, ROUNDS);
    assert_int_equal(entry(pc), 0);
    assert_int_equal(entry(pc + 1), m.translator.jit->memory.top);
    call(&pc, 1, ROUNDS);
    assert_true(is_aimed(pc));
}

static bool one_page_shared(void *owner, uint32_t page, struct jit_mapping *to)
{
    uint32_t shared = TARGETS / PAGE_BYTES + 1;
    (void)owner;
    if (page != shared) return false;
    *to = (struct jit_mapping){.first = shared, .end = shared + 1, .shareable = true, .device = 1, .inode = 1};
    return true;
}

static uint32_t show_none(void *owner, uint32_t page)
{
    (void)owner, (void)page;
    return 0;
}

// What lies behind a target becomes a view's, and then is the space's own again.
static void another_table_behind(void **state)
{
    (void)state;
    boot();
    uint32_t shared = TARGETS / PAGE_BYTES + 1, pc = TARGETS + PAGE_BYTES - 1;
    m.translator.jit->options.source = (struct jit_source){one_page_shared, show_none};
    jit_space_share(m.space, &m);
    mem_unmap(m.mem, shared, 1);
    call(&pc, 1, ROUNDS);
    assert_true(is_aimed(pc));
    assert_int_not_equal(view_at(m.space, shared << PAGE_SHIFT), m.space->view);
    assert_int_equal(entry(pc), m.translator.jit->memory.top);
    assert_int_equal(entry(pc + 1), 0);
    call(&pc, 1, ROUNDS);
    assert_false(is_aimed(pc));
    jit_space_changed(m.space, shared, shared + 1);
    assert_int_equal(entry(pc + 1), 0);
    call(&pc, 1, ROUNDS);
    assert_true(is_aimed(pc));
}

// A general protection fault of emitted code that is no such jump's is the guest's.
static void other_faults_are_the_guests(void **state)
{
    (void)state;
    boot();
    uint32_t pc = TARGETS;
    poke(pc, "\x0f\x28\x06\xc3", 4); // movaps xmm0, [rsi]; ret
    m.cpu.regs[RSI] = LIST;
    call(&pc, 1, ROUNDS);
    m.cpu.regs[RSI] = LIST + 1;
    m.cpu.rip = CODE;
    m.cpu.regs[RBX] = LIST;
    assert_int_equal(cpu_run(&m.cpu), STOP_FAULT);
    assert_int_equal(m.cpu.fault.vector, VEC_GP);
    assert_int_equal(m.cpu.rip, pc);
}

// ---- the window ----

static void windows_are_apart(void **state)
{
    struct host_exec one, same, other;
    (void)state;
    assert_int_equal(host_exec_new(&one, PAGE_BYTES, 0), 0);
    assert_true(one.top >= HOST_EXEC_TOP_MIN && one.top <= HOST_EXEC_TOP_MAX);
    assert_int_equal((uintptr_t)one.rx, (uint64_t)one.top << 32);
    assert_int_equal(host_exec_new(&same, PAGE_BYTES, one.top), -EEXIST);
    assert_int_equal(host_exec_new(&other, PAGE_BYTES, 0), 0);
    assert_int_not_equal(one.top, other.top);
    uint32_t top = one.top;
    one.rw[1] = 7;
    assert_int_equal(one.rx[1], 7);
    host_exec_free(&one);
    assert_int_equal(host_exec_new(&same, PAGE_BYTES, top), 0);
    host_exec_free(&same);
    host_exec_free(&other);
}

#define IN_A_BOX(f) cmocka_unit_test_teardown(f, halt)
int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_BOX(targets_beside_each_other),
        IN_A_BOX(beside_each_other_on_two_pages),
        IN_A_BOX(three_in_a_row),
        IN_A_BOX(last_of_a_page_of_the_table),
        IN_A_BOX(nowhere_before_nothing),
        IN_A_BOX(nothing_before_nowhere),
        IN_A_BOX(another_table_behind),
        IN_A_BOX(other_faults_are_the_guests),
        cmocka_unit_test(windows_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
