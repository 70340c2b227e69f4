// A decoded instruction, and the decoder's interface. What each row means: cpu/insn.def.
#pragma once
#include "cpu/cpu.h"
#include "cpu/insn_ids.h" // generated from insn.def: enum insn_id, INSN_COUNT

struct insn;

// One row's function in the interpreter. It executes *in and returns what runs next: `return op_next(cpu, in);`, or
// op_branch(...), or op_stop(...) (see cpu/op.h); NULL ends cpu_run. Everything that can fault comes before the first
// change of guest-visible state.
typedef const struct insn *op_fn(struct cpu *cpu, const struct insn *in);

enum {
    PFX_LOCK = 1,
    PFX_REP = 2,
    PFX_REPNE = 4,
    PFX_ADDR32 = 8,
    PFX_OPSIZE = 16,
    PFX_REXW = 32,
    PFX_REX = 64,
    PFX_RIP = 128, // not a prefix: the memory operand is RIP-relative
};

// 32 bytes: python3 runs through hundreds of kilobytes of them (48 bytes cost 6 to 8 %, 40 about 1 %).
struct insn {
    op_fn *fn;
    union {
        struct {
            int32_t imm;  // immediate, sign- or zero-extended as the row says
            int32_t disp; // of the memory operand. RIP-relative ones have base REG_NONE and the low half of the address
                          // here: see insn_disp
        };
        uint64_t imm64; // of MOV r64, imm64; the address of moffs operands
        void *link;     // direct branches: the chained successor, owned by cpu/code.c
    };
    union {
        struct {
            uint8_t base, index, scale,
                seg; // memory operand: regs[base] + (regs[index] << scale) + disp + seg_base[seg]
        };
        int32_t rel; // direct branches: from the next instruction to the target
    };
    uint8_t reg; // ModRM.reg with REX.R, or the register of a +r opcode. For byte registers a byte offset: see reg8 in
                 // cpu/op.h
    uint8_t rm;  // ModRM.rm with REX.B when it is a register; INSN_MEM when it is memory
    union {
        uint8_t vvvv; // VEX.vvvv (v3)
        uint8_t run; // branches and block ends: instructions from the block's start to this one, both counted; owned by
                     // cpu/code.c
    };
    uint8_t size; // operand size in bytes: 1 2 4 8, 10, 16 (vector length for VEX), 0 when the row has none
    uint16_t id;  // enum insn_id
    uint8_t len;  // bytes
    uint8_t pfx;  // PFX_*
    uint32_t pc;  // guest address of its first byte
};
_Static_assert(sizeof(struct insn) == 32, "see above");

enum { INSN_MEM = 0xff };

static inline uint64_t insn_next_pc(const struct insn *in)
{
    return (uint64_t)in->pc + in->len;
}
static inline uint64_t insn_target(const struct insn *in)
{
    return insn_next_pc(in) + (uint64_t)in->rel;
} // of a direct branch
// The displacement in all 64 bits; for RIP-relative operands the absolute address.
static inline uint64_t insn_disp(const struct insn *in)
{
    uint64_t next = insn_next_pc(in);
    return in->pfx & PFX_RIP ? next + (uint64_t)(int32_t)((uint32_t)in->disp - (uint32_t)next) : (uint64_t)in->disp;
}

// Decode one instruction of at most `avail` bytes at `bytes` (guest address pc). Returns its length and fills *out (fn,
// id, all operands); 0: undefined opcode (#UD); -1: needs more bytes than avail (the caller fetches the next page or
// raises #PF). Pure; no guest memory. An instruction longer than 15 bytes is #GP: returns -2.
int insn_decode(struct insn *out, const uint8_t *bytes, unsigned avail, uint32_t pc, enum cpu_level level,
                bool checked); // checked: fn is the function for the checked memory back end

// Gives pairs among the `count` instructions at `in`, which follow each other in memory and in the guest's code, one
// function that executes both (cpu/insn_fuse.def). The second keeps its own too, so that it can be run alone.
void insn_check(struct insn *in); // fn becomes the function for the checked memory back end
void insn_fuse(struct insn *in, unsigned count, bool checked);

// What the table says of a row (generated).
struct insn_row {
    char name[INSN_ID_ROOM];                             // "ADD_EvGv"
    char mnemonic[INSN_ID_ROOM];                         // "add"
    char operands[INSN_OPERANDS_ROOM];                   // "Ev,Gv"
    char feature[INSN_FEATURE_ROOM];                     // "base", "sse4_1", ... as in /proc/cpuinfo
    char encoding[INSN_ENCODING_ROOM];                   // as written in the table
    uint16_t flags_read, flags_written, flags_undefined; // EFLAGS bits
    uint8_t attr;                                        // INSN_ATTR_*
    uint8_t level;                                       // enum cpu_level from which the row exists
    uint8_t jit;                                         // enum insn_jit
    uint8_t test;                                        // enum insn_test: how it is proven
};
enum {
    INSN_ATTR_LOCK = 1,
    INSN_ATTR_REP = 2,
    INSN_ATTR_REPZ = 4,
    INSN_ATTR_BRANCH = 8,
    INSN_ATTR_ALIGNED = 16,
    INSN_ATTR_COND = 32
};
extern const struct insn_row insn_rows[INSN_COUNT];
enum insn_jit { JIT_CALL, JIT_COPY, JIT_REWRITE, JIT_EXPAND };
enum insn_test {
    TEST_HOST,
    TEST_VECTOR,
    TEST_PROPERTY
}; // random against the host CPU | recorded vectors | property tests

// The features that have rows, for CPUID: bit `bit` of register `reg` (0 eax .. 3 edx) of leaf `leaf`, from `level` on
// (generated).
struct insn_feature {
    const char *name;
    uint32_t leaf;
    uint8_t reg, bit, level;
};
extern const struct insn_feature insn_features[];
extern const unsigned insn_feature_count;
