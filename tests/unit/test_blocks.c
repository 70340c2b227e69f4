// Decoded blocks, with their chains and fused pairs, and translated ones, do what the same instructions do one by one:
// random code runs once with budgets of 1 (each instruction decoded alone) and once with a large one, in both memory
// back ends and translated; registers, flags, memory, faults and counts must agree.
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "host/ram.h"
#include "tests/eager_jit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { CODE = 0x10000, DATA = 0x200000, DATA_PAGES = 3, DATA_BYTES = DATA_PAGES * 4096, STEPS = 600, PROGRAM = 48 };

struct machine {
    struct ram ram;
    struct mem *mem;
    struct code *code;
    struct cpu *cpu;
    uint8_t *code_bytes, *data;
    struct eager_jit translator;
    struct jit_space *space; // NULL: interpreted
};

struct engine {
    enum mem_backend back_end;
    bool jit;
};

static uint8_t *map(struct machine *m, uint32_t addr, uint32_t pages, unsigned prot)
{
    uint32_t frame = ram_alloc(&m->ram, pages, true);
    assert_true(frame != 0);
    assert_int_equal(mem_map(m->mem, addr >> PAGE_SHIFT, pages, frame, prot), 0);
    return ram_ptr(&m->ram, frame);
}

static void open_machine(struct machine *m, enum mem_backend back_end)
{
    memset(m, 0, sizeof *m);
    assert_int_equal(ram_open(&m->ram, 64), 0);
    m->mem = mem_new(&m->ram, back_end);
    m->code = code_new(m->mem, CPU_LEVEL_V2);
    m->cpu = aligned_alloc(64, (sizeof *m->cpu + 63) & ~(size_t)63);
    assert_true(m->mem && m->code && m->cpu);
    m->code_bytes = map(m, CODE, 1, MEM_R | MEM_X);
    m->data = map(m, DATA, DATA_PAGES, MEM_R | MEM_W);
}

static void translate(struct machine *m)
{
    char why[200];
    if (!eager_jit_open(&m->translator, CPU_LEVEL_V2, why, sizeof why)) fail_msg("%s", why);
    m->space = jit_space_new(m->translator.jit, m->mem, m->code);
    assert_non_null(m->space);
}

static void close_machine(struct machine *m)
{
    jit_space_free(m->space);
    if (m->translator.jit) eager_jit_close(&m->translator);
    code_free(m->code);
    mem_free(m->mem);
    ram_close(&m->ram);
    free(m->cpu);
}

static unsigned pick(unsigned n)
{
    return (unsigned)random() % n;
}
static uint64_t any64(void)
{
    return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

// ModRM with a register, or [base + disp8] of the registers that point to data.
static uint8_t *modrm(uint8_t *p, unsigned reg)
{
    static const uint8_t bases[] = {3, 5, 6, 7};
    if (pick(2)) {
        *p++ = (uint8_t)(0xc0 | reg << 3 | (pick(4) ? pick(3) : pick(8)));
    } else {
        *p++ = (uint8_t)(0x40 | reg << 3 | bases[pick(4)]);
        *p++ = (uint8_t)random();
    }
    return p;
}
static uint8_t *imm(uint8_t *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) *p++ = (uint8_t)(pick(3) ? random() : pick(2) ? 0 : 0xff);
    return p;
}

// One instruction of the kinds that are fused, at p; returns where the next begins.
static uint8_t *put_instruction(uint8_t *p)
{
    static const uint8_t alu[] = {0x01, 0x03, 0x29, 0x2b, 0x31, 0x33, 0x39, 0x3b, 0x21,
                                  0x85, 0x38, 0x3a, 0x84, 0x89, 0x8b, 0x88, 0x8a};
    static const uint8_t group[] = {0, 4, 5, 7, 7};
    unsigned kind = pick(13);
    if (kind < 9 && pick(2)) *p++ = 0x48;
    switch (kind) {
    case 0:
    case 1:
    case 2:
        *p++ = alu[pick(sizeof alu)];
        return modrm(p, pick(3));
    case 3:
        *p++ = 0x83;
        return imm(modrm(p, group[pick(5)]), 1);
    case 4:
        *p++ = 0x81;
        return imm(modrm(p, group[pick(5)]), 4);
    case 5:
        *p++ = 0x80;
        return imm(modrm(p, group[pick(5)]), 1);
    case 6:
        *p++ = 0xf6;
        return imm(modrm(p, 0), 1);
    case 7:
        *p++ = 0x0f;
        *p++ = pick(2) ? 0xb6 : 0xb7;
        return modrm(p, pick(3));
    case 8:
        *p++ = pick(2) ? 0x8d : 0xc7;
        return p[-1] == 0xc7 ? imm(modrm(p, 0), 4) : modrm(p, pick(3));
    case 9:
        *p++ = (uint8_t)(0x50 | pick(2) << 3 | pick(3));
        return p;
    case 10:
        *p++ = (uint8_t)(0x38 + pick(2) * 0x70 + 4 + pick(1));
        return imm(p, 1); // cmp al, test al
    case 11:
        if (pick(2)) return *p++ = 0xc3, p; // RET, and a near CALL: most go back where they came from
        *p++ = 0xe8;
        *p++ = (uint8_t)pick(24);
        memset(p, 0, 3);
        return p + 3;
    default:
        *p++ = pick(12) ? (uint8_t)(0x70 | pick(16)) : 0xeb;
        *p++ = (uint8_t)(pick(24) - 8);
        return p;
    }
}

static void put_program(uint8_t *bytes)
{
    uint8_t *p = bytes;
    memset(bytes, 0xf4, 4096); // HLT
    for (int i = 0; i < PROGRAM; i++) {
        p = put_instruction(p);
        if (pick(3) == 0) *p++ = (uint8_t)(0x70 | pick(16)), *p++ = (uint8_t)pick(8);
    }
    for (uint8_t *q = bytes; q < p;
         q++) // branches land within instructions: no RDTSC there, it never gives the same twice
        if (q[0] == 0x0f && q[1] == 0x31) q[1] = 0x30;
}

static void start_state(struct cpu *cpu, uint8_t *data)
{
    cpu_init(cpu, CPU_LEVEL_V2);
    for (int i = 0; i < 16; i++) cpu->regs[i] = pick(3) ? any64() : (uint64_t)(int64_t)(int)pick(5) - 2;
    cpu->regs[RBX] = DATA + pick(DATA_BYTES);
    cpu->regs[RBP] = DATA + pick(DATA_BYTES);
    cpu->regs[RSI] = DATA + pick(DATA_BYTES);
    cpu->regs[RDI] = pick(8) ? DATA + pick(DATA_BYTES) : DATA - 64;
    cpu->regs[RSP] = DATA + pick(DATA_BYTES);
    cpu->rip = CODE;
    cpu_set_eflags(cpu, any64() & FLAGS_ARITH);
    for (int i = 0; i < DATA_BYTES; i++) data[i] = (uint8_t)(pick(2) ? random() : 0);
}

struct end {
    enum cpu_stop stop;
    uint64_t regs[17], rip, eflags, insn_count;
    struct cpu_fault fault;
    uint8_t data[DATA_BYTES];
    // In steps: it made flags that the manuals leave undefined; AF alone is so at the end.
    bool vague, vague_af;
};

// The interpreter and the host's CPU make different flags where the manuals leave them undefined: of shifts and
// multiplications, which only branches into the middle of instructions find here; AF of AND and its like, which is 0 in
// the interpreter and on Intel's CPUs, but not on AMD's.
static void note_vague(const struct machine *m, struct end *end)
{
    struct insn in;
    uint64_t at = m->cpu->rip - CODE;
    if (at > 4096 - 15 || insn_decode(&in, m->code_bytes + at, 15, (uint32_t)m->cpu->rip, CPU_LEVEL_V2, false) <= 0)
        return;
    const struct insn_row *row = &insn_rows[in.id];
    end->vague |= (row->flags_undefined & ~FLAG_AF) || (end->vague_af && row->flags_read & FLAG_AF);
    if ((row->flags_undefined | row->flags_written) & FLAG_AF) end->vague_af = row->flags_undefined & FLAG_AF;
}

static void run(struct machine *m, const struct cpu *start, const uint8_t *data, bool steps, struct end *end)
{
    *m->cpu = *start;
    cpu_attach(m->cpu, m->mem, m->code);
    memcpy(m->data, data, DATA_BYTES);
    end->stop = STOP_BUDGET;
    end->vague = end->vague_af = false;
    m->cpu->budget = steps ? 0 : STEPS;
    for (int i = 0; i < (steps ? STEPS : 1) && end->stop == STOP_BUDGET; i++) {
        if (steps) {
            m->cpu->budget = 1;
            note_vague(m, end);
        }
        end->stop = cpu_run(m->cpu);
    }
    memcpy(end->regs, m->cpu->regs, sizeof end->regs);
    end->rip = m->cpu->rip;
    end->eflags = cpu_eflags(m->cpu);
    end->insn_count = m->cpu->insn_count;
    end->fault = m->cpu->fault;
    memcpy(end->data, m->data, DATA_BYTES);
}

static void compare(const struct end *a, const struct end *b, uint64_t flags)
{
    assert_int_equal(a->stop, b->stop);
    assert_int_equal(a->rip, b->rip);
    assert_int_equal(a->insn_count, b->insn_count);
    for (int i = 0; i < 17; i++) assert_int_equal(a->regs[i], b->regs[i]);
    assert_int_equal(a->eflags & flags, b->eflags & flags);
    assert_memory_equal(a->data, b->data, DATA_BYTES);
    if (a->stop != STOP_FAULT) return;
    assert_int_equal(a->fault.vector, b->fault.vector);
    assert_int_equal(a->fault.addr, b->fault.addr);
}

// None of the old code remains, decoded or translated.
static void new_program(struct machine *m)
{
    code_flush(m->code);
    code_invalidate_page(m->code, CODE >> PAGE_SHIFT);
    put_program(m->code_bytes);
}

// What the translator need not agree on: flags that are undefined; where a RET to an address of 4 GiB and more leads,
// which it truncates as all accesses to a region do.
static bool may_differ(const struct machine *m, const struct end *e)
{
    return m->space && (e->vague || e->rip >= MEM_TOP);
}

static uint64_t compare_runs(struct machine *m, unsigned programs)
{
    static struct end one, all;
    static struct cpu start;
    static uint8_t data[DATA_BYTES];
    uint64_t executed = 0;
    srandom(1);
    for (unsigned i = 0; i < programs; i++) {
        new_program(m);
        start_state(&start, data);
        run(m, &start, data, true, &one);
        run(m, &start, data, false, &all);
        if (may_differ(m, &one)) continue;
        compare(&one, &all, m->space && one.vague_af ? ~(uint64_t)FLAG_AF : ~0ull);
        if (m->space && m->translator.check.refused[0]) fail_msg("%s", m->translator.check.refused);
        executed += one.insn_count;
    }
    return executed;
}

static void random_programs(void **state)
{
    struct machine m;
    const struct engine *engine = *state;
    open_machine(&m, engine->back_end);
    if (engine->jit) translate(&m);
    assert_true(compare_runs(&m, 1500) > 15000);
    close_machine(&m);
}

int main(void)
{
    static struct engine direct = {MEM_DIRECT, false}, checked = {MEM_CHECKED, false};
    const struct CMUnitTest tests[] = {
        {"random_programs (direct)", random_programs, NULL, NULL, &direct},
        {"random_programs (checked)", random_programs, NULL, NULL, &checked},
#if defined(__x86_64__) && !defined(BELLJAR_PORTABLE)
        {"random_programs (translated)", random_programs, NULL, NULL, &(struct engine){MEM_DIRECT, true}},
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
