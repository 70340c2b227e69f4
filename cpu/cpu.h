// The guest CPU: its registers, how it is run, why it stops.
//
// A `struct cpu` is one guest thread's processor. It is plain data, complete in memory whenever anything can fault or
// stop, and can be saved and copied as bytes (the two host pointers at its end are set again by cpu_attach). It knows
// no Linux, no files and no JIT.
//
//     cpu_init(&cpu, CPU_LEVEL_V2);
//     cpu_attach(&cpu, mem, code);               // an address space (cpu/mem.h) and its decoded code (cpu/code.h)
//     cpu.regs[RSP] = ...; cpu.rip = ...;
//     for (;;) switch (cpu_run(&cpu)) { ... }    // returns a stop reason; never calls back
//
// Threads: one host thread drives a cpu at a time; two cpus of two boxes may run at once.
// Names follow the Intel SDM.
#pragma once
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, REG_NONE };

// EFLAGS bits (SDM vol. 1, 3.4.3).
enum {
    FLAG_CF = 1 << 0,
    FLAG_PF = 1 << 2,
    FLAG_AF = 1 << 4,
    FLAG_ZF = 1 << 6,
    FLAG_SF = 1 << 7,
    FLAG_TF = 1 << 8,
    FLAG_IF = 1 << 9,
    FLAG_DF = 1 << 10,
    FLAG_OF = 1 << 11,
    FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16,
    FLAG_AC = 1 << 18,
    FLAG_ID = 1 << 21,
};
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

// Exception vectors (SDM vol. 3, table 6-1) of those user code can raise.
enum cpu_vector {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_XM = 19
};

// Why cpu_run returned.
enum cpu_stop {
    STOP_SYSCALL, // SYSCALL executed: rip is behind it, rcx and r11 are set as the CPU sets them
    STOP_FAULT,   // an exception: cpu.fault says which; rip is at the instruction (behind it for #BP, a trap), state as
                  // before it
    STOP_BUDGET,  // cpu.budget is spent, at an instruction boundary
    STOP_REQUEST, // cpu_interrupt() was called, at an instruction boundary
    STOP_RANDOM,  // RDRAND or RDSEED: rip is behind it, and cpu_give_random() completes it
    STOP_TIER,    // within a run only: the other tier goes on at rip (cpu/tier.h)
};

enum cpu_access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

struct cpu_fault {
    uint8_t vector; // enum cpu_vector
    uint8_t access; // enum cpu_access, for #PF
    bool present;   // #PF: the page is there but does not allow the access
    uint64_t addr;  // #PF: the faulting address
};

union vec { // one vector register; SSE uses the low 16 bytes, AVX will use all 32. Elements in memory order
    uint8_t u8[32];
    uint16_t u16[16];
    uint32_t u32[8];
    uint64_t u64[4];
    int8_t s8[32];
    int16_t s16[16];
    int32_t s32[8];
    int64_t s64[4];
    float f32[8];
    double f64[4];
} __attribute__((aligned(32)));

struct f80 {
    uint64_t frac;
    uint16_t se;
}; // x87 extended: explicit integer bit at bit 63; sign and exponent

struct fpu {          // x87 and MMX; MMX register i is st[i].frac of the physical register i
    struct f80 st[8]; // physical registers R0..R7; ST(i) is st[(top + i) & 7]
    uint16_t cw, sw;  // control, status (TOP is bits 13:11 of sw, kept there)
    uint8_t tag;      // abridged tag as FXSAVE stores it: bit i set = physical register i is not empty
    uint16_t fop;
    uint64_t fip, fdp;
};

enum { RETURNS = 32 };

struct cpu {
    uint64_t regs[17];  // in encoding order; regs[REG_NONE] is always 0
    uint64_t rip;       // exact whenever cpu_run has returned
    uint64_t flags_res; // the lazy arithmetic flags: see cpu/flags.h
    uint64_t flags_aux;
    uint64_t flags_other; // DF, TF, AC, ID, NT as in EFLAGS; IF and bit 1 are constant
    uint64_t seg_base[3]; // [0] always 0, [SEG_FS], [SEG_GS]
    uint16_t seg_sel[6];  // selectors as the guest loaded them into ES, DS, FS, GS (0, 3, 4, 5); CS and SS are constant
    const struct insn *insn; // the instruction being executed: set before each thing that may fault
    int64_t budget;          // instructions left until STOP_BUDGET; counted per block, exact at every stop
    uint64_t insn_count;     // instructions retired so far (exact whenever cpu_run has returned)
    uint32_t mxcsr;
    uint8_t level; // enum cpu_level: what CPUID reports
    struct cpu_fault fault;
    struct fpu fpu;
    union vec v[16];
    uint64_t tsc_offset;
    bool tsc_host;      // RDTSC is the host's own counter; else it counts nanoseconds
    uint64_t tsc_fixed; // not 0: what RDTSC reads instead of the host's clock
    struct {
        uint8_t reg, bytes;
    } random; // STOP_RANDOM: the register that waits for a value

    // Not saved: set by cpu_attach.
    struct mem *mem;        // owned by the kernel's mm
    struct code *code;      // decoded blocks of that address space
    uint8_t *region;        // mem's region base (direct back end), for the access functions
    jmp_buf *unwind;        // cpu_run's landing place for faults
    volatile int interrupt; // set by cpu_interrupt (any thread, signal-safe)
    int64_t floor;       // branches leave the fast path when budget falls below it: the end of a slice (cpu/code.h), or
                         // INT64_MAX while an interrupt is asked for
    uint8_t stop;        // enum cpu_stop, while cpu_run is being left
    uint8_t returns_top; // calls under way: where each returns to, for RET (cpu/op_branch.c). Only a guess, and only
                         // good in the epoch of code
    uint64_t returns_epoch;
    const struct insn *returns[RETURNS];
};

enum { SEG_NONE, SEG_FS, SEG_GS };
enum cpu_level { CPU_LEVEL_V2 = 2, CPU_LEVEL_V3 = 3 };

void cpu_init(struct cpu *, enum cpu_level); // the state Linux gives a fresh process: regs 0, cw 0x37f, mxcsr 0x1f80
void cpu_attach(struct cpu *, struct mem *, struct code *);
enum cpu_stop cpu_run(struct cpu *);
void cpu_interrupt(
    struct cpu *); // ask a running cpu to stop soon with STOP_REQUEST; may be called from a signal handler
void cpu_give_random(struct cpu *, uint64_t value); // after STOP_RANDOM: the low bits go where they are waited for
uint64_t cpu_eflags(const struct cpu *);            // the whole EFLAGS, arithmetic flags worked out
void cpu_set_eflags(struct cpu *, uint64_t);        // user-writable bits only
void cpu_cpuid(const struct cpu *, uint32_t leaf, uint32_t subleaf, uint32_t out[4]); // eax, ebx, ecx, edx
