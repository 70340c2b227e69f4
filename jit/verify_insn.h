// Inside the verifier: what one instruction is allowed to be, and what of it matters for the block.
#pragma once
#include "jit/verify.h"
#include "jit/verify_zydis.h"

// The classes of verify_allowed.def. 0: not allowed.
enum {
    ALLOW_GP = 1,
    ALLOW_SSE = 2, // legacy encoding behind 0F: CMPSD and MOVSD are also names of string instructions
    ALLOW_X87 = 4, // legacy encoding, D8..DF and 9B
    ALLOW_VEX = 8, // VEX encoding; without it, legacy encoding
    ALLOW_MAYBE = 16,
    ALLOW_BITS = 32,
    ALLOW_LEA = 64,
    ALLOW_PUSH = 128,
    ALLOW_POP = 256,
    ALLOW_NOP = 512,
    ALLOW_JUMP = 1024,
    ALLOW_BRANCH = 2048,
    ALLOW_COUNT = 4096, // JECXZ and JRCXZ
    ALLOW_INT3 = 8192,
};
unsigned verify_allowed(ZydisMnemonic);

enum fact_kind {
    FACT_PLAIN,
    FACT_JUMP,   // to `target`, always
    FACT_BRANCH, // to `target`, perhaps
    FACT_COUNT,  // the same, by JECXZ or JRCXZ
    FACT_EXIT,   // jmp fs:[EXIT]
    FACT_TABLE,  // jmp gs:[r11*4+4]
    FACT_INT3,
    FACT_BASE, // mov rsp, fs:[REGION]
    FACT_SET,  // lea rsp, [rsp+r11]
};
enum {
    FACT_R11 = 1,       // writes all of r11, the upper half with 0
    FACT_R11_TABLE = 2, // the same with a constant that is already an index of the table
    FACT_R11_BIAS = 4,  // lea r11, [r11+0x7fffffff]
    FACT_ENTRY = 8,     // may be entered from outside
    FACT_BACK = 16,     // target of a jump from behind it
    FACT_AHEAD = 32,    // target of a jump from before it
};
// Of the sequence around a string instruction (verify_string.c), and for which registers.
enum fact_part {
    PART_NONE,
    PART_LOW,    // mov r11d, edi
    PART_BASE,   // mov rdi, fs:[REGION]: nowhere else
    PART_SUM,    // lea rdi, [rdi+r11]
    PART_STRING, // nowhere else
    PART_CUT,    // mov edi, edi
};
enum { POINTER_RDI = 1, POINTER_RSI = 2 };
enum { FACT_FARTHEST = UINT32_MAX / 4 }; // stands for any greater distance; several of them can be added

// One instruction. rsp: `before` is added to its distance from what was touched, then something at `touch` from it is
// touched, then `after` is added.
struct fact {
    uint32_t at;
    uint8_t length, kind, flags;
    uint8_t part, pointers; // enum fact_part, POINTER_*
    uint32_t before, touch, after;
    uint64_t target; // of a relative jump: the host address
    uint32_t gap;    // for FACT_AHEAD: the greatest distance with which it is jumped to
};

// Judges the instruction at f->at and fills in the rest of *f. NULL, or the rule that it breaks.
const char *verify_insn(const struct verify_block *, const struct zydis_insn *, struct fact *f);

bool verify_is_string(const struct zydis_insn *);
const char *verify_string(const struct zydis_insn *, struct fact *f); // the same, for a string instruction
void verify_note_part(const struct zydis_insn *, struct fact *f);     // is it another part of the sequence?
// The first of these facts that may only stand in such a sequence, and does not, or where the block's owner does not
// want one; NULL: none.
const struct fact *verify_strings(const struct verify_block *, const struct fact *f, const struct fact *end);
