// cpu_run: enters the decoded code at rip, and turns what ends a run (faults, exceptions, requests) into a stop reason.
//
// Inside a run cpu->budget is BLOCK_MAX lower than the instructions left, so that falling below 0 leaves the fast path
// while a whole block can still be paid; the rest is executed in blocks cut to length (cpu/code.c). So STOP_BUDGET is
// exact.
#include "cpu/run.h"
#include "cpu/code.h"
#include "cpu/flags.h"
#include "cpu/hostfp.h"
#include "cpu/mem.h"
#include "host/fault.h"
#include <string.h>

#define GUARD_BELOW ((2ull << 30) + (1ull << 20)) // as in host/region.h
#define GUARD_TOP   (8ull << 30)

void cpu_init(struct cpu *cpu, enum cpu_level level)
{
    memset(cpu, 0, sizeof *cpu);
    cpu->level = (uint8_t)level;
    cpu->flags_res = 1; // with flags_aux 0: all six flags clear
    cpu->mxcsr = 0x1f80;
    cpu->fpu.cw = 0x37f;
}

void cpu_attach(struct cpu *cpu, struct mem *mem, struct code *code)
{
    cpu->mem = mem;
    cpu->code = code;
    cpu->region = mem ? mem_region(mem) : NULL;
    cpu->unwind = NULL;
    memset(cpu->returns, 0, sizeof cpu->returns);
}

void cpu_interrupt(struct cpu *cpu)
{
    __atomic_store_n(&cpu->interrupt, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&cpu->floor, INT64_MAX, __ATOMIC_SEQ_CST);
}

// CF says that there was a random number; the other flags are 0 (SDM vol. 2, RDRAND).
void cpu_give_random(struct cpu *cpu, uint64_t value)
{
    uint64_t mask = ~0ull >> (64 - 8 * cpu->random.bytes), old = cpu->regs[cpu->random.reg];
    cpu->regs[cpu->random.reg] = (cpu->random.bytes == 2 ? old & ~mask : 0) | (value & mask);
    flags_set(cpu, FLAG_CF);
}

void cpu_raise(struct cpu *cpu, const struct insn *in, enum cpu_vector vector)
{
    cpu->insn = in;
    cpu->fault = (struct cpu_fault){.vector = (uint8_t)vector};
    longjmp(*cpu->unwind, UNWIND_RAISE);
}

static const struct insn *stopped(struct cpu *cpu, enum cpu_stop why)
{
    cpu->stop = (uint8_t)why;
    return NULL;
}

// Leave at cpu->insn. Traps are reported behind the instruction, which has then completed (SDM vol. 3, 6.5).
static const struct insn *stop_at_insn(struct cpu *cpu)
{
    const struct insn *in = cpu->insn;
    bool trap = cpu->fault.vector == VEC_BP || cpu->fault.vector == VEC_DB || cpu->fault.vector == VEC_OF;
    cpu->budget -= code_position(in) + trap;
    cpu->rip = trap ? (uint64_t)in->pc + in->len : in->pc;
    return stopped(cpu, STOP_FAULT);
}

// cpu->insn faulted on memory. The page may only wait to be mirrored: then it is run again at once. A write to a page
// with decoded code has dropped blocks, maybe its own: then it is run again alone, from its bytes, not watching its own
// page, so that an instruction that writes to its own page comes through.
static const struct insn *memory_fault(struct cpu *cpu, uint64_t addr, enum cpu_access access)
{
    const struct insn *in = cpu->insn;
    uint32_t pc = in->pc;
    unsigned before = code_position(in);
    bool inside = mem_low(cpu->mem, addr) < MEM_TOP;
    pte_t pte = inside ? mem_pte(cpu->mem, (uint32_t)addr >> PAGE_SHIFT) : 0;
    if (inside && mem_mirror(cpu->mem, (uint32_t)addr, access == ACCESS_WRITE ? MEM_W : MEM_R)) {
        if (access != ACCESS_WRITE || !(pte & MEM_CODE)) return in;
        cpu->budget -= before;
        in = code_lookup_few(cpu->code, pc, 1, false, &cpu->fault);
        cpu->rip = pc;
        return in ? in : stopped(cpu, STOP_FAULT);
    }
    cpu->fault = (struct cpu_fault){.vector = VEC_PF, .access = (uint8_t)access, .present = pte != 0, .addr = addr};
    return stop_at_insn(cpu);
}

static const struct insn *unwound(struct cpu *cpu, const struct host_fault *guard, int how)
{
    switch (how) {
    case UNWIND_HOST:
        return memory_fault(cpu, guard->addr - (uintptr_t)cpu->region, guard->write ? ACCESS_WRITE : ACCESS_READ);
    case UNWIND_MEMORY:
        return memory_fault(cpu, cpu->fault.addr, (enum cpu_access)cpu->fault.access);
    default:
        return stop_at_insn(cpu);
    }
}

static const struct insn *enter(struct cpu *cpu)
{
    code_slice(cpu);
    if (__atomic_load_n(&cpu->interrupt, __ATOMIC_SEQ_CST)) return stopped(cpu, STOP_REQUEST);
    int64_t left = cpu->budget + BLOCK_MAX;
    if (left <= 0) return stopped(cpu, STOP_BUDGET);
    struct tier *tier = left >= BLOCK_MAX ? code_tier(cpu->code) : NULL; // which may not count one by one
    if (tier && tier->due(tier, cpu, cpu->rip)) return stopped(cpu, STOP_TIER);
    const struct insn *in = code_next(cpu, cpu->rip, left);
    return in ? in : stopped(cpu, STOP_FAULT);
}

// Separate from cpu_run, so that nothing that setjmp may clobber lives in it.
static void run_until_stopped(struct cpu *cpu, const struct insn *in)
{
    for (;;) {
        while (in) in = in->fn(cpu, in);
        if (cpu->stop != STOP_TIER) return;
        struct tier *tier = code_tier(cpu->code);
        in = tier->run(tier, cpu);
        if (!in) return;
    }
}

static void on_tick(void *cpu)
{
    cpu_interrupt(cpu);
}

enum cpu_stop cpu_run(struct cpu *cpu)
{
    struct host_fault guard; // not cleared: its buffer for sigsetjmp takes longer than all the rest
    guard.lo = cpu->region ? (uintptr_t)cpu->region - GUARD_BELOW : 0;
    guard.hi = cpu->region ? (uintptr_t)cpu->region + GUARD_TOP : 0;
    guard.tick = on_tick;
    guard.tick_arg = cpu;
    guard.divert = NULL;
    struct host_fault *outer = host_fault_enter(&guard);
    int64_t budget = cpu->budget;
    uint32_t fp = cpu_enter_fp(cpu);
    cpu->budget -= BLOCK_MAX;
    cpu->unwind = &guard.env;
    int how = sigsetjmp(guard.env, 0);
    run_until_stopped(cpu, how ? unwound(cpu, &guard, how) : enter(cpu));
    cpu->unwind = NULL;
    cpu->budget += BLOCK_MAX;
    cpu->insn_count += (uint64_t)(budget - cpu->budget);
    cpu_leave_fp(cpu, fp);
    host_fault_leave(outer);
    if (cpu->stop == STOP_REQUEST) cpu->interrupt = 0;
    return (enum cpu_stop)cpu->stop;
}
