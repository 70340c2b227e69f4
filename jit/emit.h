// Writing host instructions: those of the guest, encoded anew from their rows (cpu/insn_encoding.h), and the few of our
// own. Nothing here knows what may be written; that is translate.c's business and the verifier's.
//
// An emitter writes into a buffer of fixed size; when it is full, `full` is set and nothing more is written.
#pragma once
#include "cpu/insn.h"
#include "jit/slots.h"
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct emitter {
    uint8_t *at;      // the buffer
    uint32_t n, size; // bytes written, room
    int32_t slots;    // displacement of slot 0 from the FS base
    bool full;
};

// How a guest's memory operand is reached.
enum reach {
    REACH_NONE,    // the instruction has none
    REACH_GUEST,   // [operand] in the region: gs and a 32-bit address, which drops what is above the region
    REACH_STACK,   // [rsp + disp] as it is: the host's rsp points into the region
    REACH_PLAIN,   // LEA, which reaches nothing; of 64 bits
    REACH_PLAIN32, // the same with a 32-bit address
};

static inline void emit8(struct emitter *e, uint8_t v)
{
    if (e->n < e->size)
        e->at[e->n++] = v;
    else
        e->full = true;
}

static inline void emit32(struct emitter *e, uint32_t v)
{
    if (e->size - e->n < sizeof v) {
        e->full = true;
        return;
    }
    memcpy(e->at + e->n, &v, sizeof v); // x86-64 hosts only
    e->n += sizeof v;
}

void emit64(struct emitter *, uint64_t);
void emit_bytes(struct emitter *, const char *bytes, unsigned n);

// The guest's instruction, its operands perhaps changed, but none that needs what REX forbids (see emit_can).
void emit_insn(struct emitter *, const struct insn *, enum reach);
bool emit_can(const struct insn *); // false: AH and its like with a register that needs REX

// Our own. Registers are numbers of cpu.h; sizes in bytes, 4 or 8. None touches flags.
void emit_mov(struct emitter *, unsigned size, unsigned to, unsigned from);
void emit_mov_imm(struct emitter *, unsigned reg, uint32_t value); // zero-extended
void emit_load_slot(struct emitter *, unsigned size, unsigned reg, unsigned slot, unsigned byte);
void emit_store_slot(struct emitter *, unsigned size, unsigned slot, unsigned reg);
void emit_lea(struct emitter *, unsigned size, unsigned to, unsigned base, unsigned index, int32_t disp); // scale 1
void emit_push(struct emitter *, unsigned reg);
void emit_pop(struct emitter *, unsigned reg);
void emit_jump_slot(struct emitter *, unsigned slot);
void emit_store_slot_imm(struct emitter *, unsigned slot, uint32_t value); // 4 bytes
uint32_t emit_jump(struct emitter *);                                      // jmp rel32; where the rel32 is
uint32_t emit_jcc(struct emitter *, unsigned cc);                          // jcc rel32; the same
uint32_t emit_jecxz(struct emitter *);                                     // rel8; the same
void emit_here8(struct emitter *, uint32_t rel8);                          // make that jump lead here
void emit_to32(struct emitter *, uint32_t rel32, uint32_t to);             // to an offset in the buffer

// What lies at R + 8 GiB + 4 * target is out of a displacement's reach: with this much more in r11, the jump adds 4.
enum { TABLE_BIAS = 0x7fffffff, TABLE_JUMP_BYTES = 9 };
#define TABLE_JUMP "\x65\x42\xff\x24\x9d\4\0\0\0" // jmp gs:[r11*4+4]
void emit_table_jump(struct emitter *);           // r11, below 4 GiB, is the guest address to go to
