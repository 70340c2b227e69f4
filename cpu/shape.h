// A memo of decoding. Prefixes, opcode and what kind of operand ModRM and SIB name, an instruction's shape, say all of
// it but for the registers, displacement, immediate and address; programs use a few hundred shapes. What insn_decode
// made of one is kept, and the next instruction of the same shape is a copy with those filled in. The outcome is
// exactly insn_decode's.
//
//     struct shapes *s = shapes_new(level, checked);
//     int n = shapes_decode(s, &in, bytes, avail, pc); // as insn_decode
//     shapes_free(s);
//
// Each belongs to one host thread at a time.
#pragma once
#include "cpu/insn.h"

enum { SHAPE_BITS = 12, SHAPE_ROOM = 16 }; // SHAPE_ROOM: bytes that must be readable where the memo is asked

// How its host code is written, for a translator (jit/quick.h), which fills it in; all zero at first.
struct shape_copy {
    uint64_t head;                                 // up to and including the opcode, without REX.R, X and B
    uint16_t reg_bad, rm_bad;                      // register numbers, a bit each: in ModRM.reg, as rm or base
    uint8_t head_bytes, operand_bytes, tail_bytes; // operand: ModRM and SIB
    uint8_t rex_at;                                // bit of the head
    uint8_t flags, gap;
};

struct shape {
    _Alignas(64) uint64_t key; // bytes up to the opcode and the kind of operand (see shape.c); 0: none
    op_fn *fn;                 // as in struct insn,
    uint64_t fields;           // and 8 bytes of it, from `base` on, without what is filled in
    uint16_t id;               //
    uint8_t len, pfx;          //
    uint8_t imm, disp;         // their rules (shape.c)
    uint8_t kinds;             // enum register_kind of reg, and of rm in the high half
    struct shape_copy copy;
};
_Static_assert(sizeof(struct shape) == 64, "a line of the host's cache");

// Shapes lie one behind the other, as they come, so that a short program's take few pages of the host's.
struct shapes {
    enum cpu_level level;
    bool checked;
    uint16_t n;                        // that there are, not counting the first, whose key no instruction has
    uint16_t of_hash[1 << SHAPE_BITS]; // places in `at`; 0: none
    struct shape at[(1 << SHAPE_BITS) + 1];
};

// What ModRM and SIB name.
enum {
    SHAPE_SIB = 1,
    SHAPE_BASED = 2,   // memory, with a base register
    SHAPE_NOINDEX = 4, // memory, without an index
    SHAPE_MEMORY = 8,
    SHAPE_IN_KEY = 7, // of these; one is set for memory
};

// An instruction's bytes in their parts.
struct shape_parts {
    uint64_t key;
    uint64_t rest;      // displacement and immediate, and what comes behind
    uint8_t modrm, sib; // 0 where there is none
    uint8_t rex;        // R X B, also of VEX
    uint8_t head;       // bytes up to and including the opcode
    uint8_t tail;       // where the rest begins
    uint8_t operand;    // SHAPE_*
};

struct shapes *shapes_new(enum cpu_level, bool checked); // NULL: out of memory
void shapes_free(struct shapes *);
int shapes_decode(struct shapes *, struct insn *, const uint8_t *bytes, unsigned avail, uint32_t pc);

// The same in two steps, for SHAPE_ROOM bytes: the shape, good until the next call, and the parts; NULL: ask
// insn_decode. Then the instruction, or only what is known of its displacement.
struct shape *shape_find(struct shapes *, const uint8_t *bytes, struct shape_parts *);
void shape_fill(const struct shape *, struct insn *, const struct shape_parts *, uint32_t pc);
int32_t shape_disp(const struct shape *, const struct shape_parts *, uint32_t pc);
