// The judge of translated code: reads the host code of a block and proves that nothing in it leaves the guest's 4 GiB.
//
// It decodes the bytes with Zydis and shares nothing with what wrote them: neither cpu/'s tables nor jit/'s encoder. It
// is an allow-list (verify_allowed.def): what it does not prove is refused, and the text says where and by which rule.
// The rules, and why they suffice, stand in verify_insn.c (one instruction) and verify.c (a block).
//
// What it takes for granted: GS base is R, the region's base, a multiple of 4 GiB; nothing is mapped in the 2 GiB + 1
// MiB below R and in the 4 GiB behind the region; the table of targets, 4 bytes for each guest byte and for one more,
// lies at R + 8 GiB, and any two of them that follow each other are, as one number, the address of a place where a
// block may be entered or code is left, or an address that no jump gets to; a block is entered with rsp at most
// VERIFY_NEAR bytes from the region; the slots hold what their names say, and REGION really R.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The 8-byte words of the thread at FS base + verify_block.slots, and what code may do with each.
enum verify_slot {
    VERIFY_SLOT_R11,        // load, store, push, pop
    VERIFY_SLOT_TMP,        // the same, and load 4 bytes of the upper half
    VERIFY_SLOT_TMP2,       // as R11
    VERIFY_SLOT_FS_BASE,    // load, push
    VERIFY_SLOT_GS_BASE,    // load, push
    VERIFY_SLOT_REGION,     // load into rsp, where it is set, and into rdi and rsi before a string instruction; nothing
                            // else, for the guest may not see it
    VERIFY_SLOT_X87_ABSENT, // load
    VERIFY_SLOT_EXIT,       // jump through it
    VERIFY_SLOT_FUEL,       // load, store, load 4 bytes of the upper half
    VERIFY_SLOT_PC,         // load, store
    VERIFY_SLOT_CW,         // load, store, FLDCW, FNSTCW. That it masks what it must is not proven
    VERIFY_SLOT_COUNT
};

enum {
    VERIFY_NEAR = 4096,         // how far rsp may be from what was touched where control may come or go
    VERIFY_FAR = 36864,         // how far it may be in between
    VERIFY_MAX_SIZE = 1u << 20, // of a block
    VERIFY_WHY = 320,           // room for any reason
};

// One thread at a time may use it. verify_open loads libZydis; NULL: it is missing or another version, which is in
// `why`.
struct verifier;
bool verify_load(char *why, size_t n); // for a process that can open no files when it calls verify_open
struct verifier *verify_open(char *why, size_t n);
void verify_close(struct verifier *);

struct verify_block {
    const uint8_t *code; // the bytes to read
    uint32_t size;
    uint64_t at;             // the host address at which code[0] will run
    const uint32_t *entries; // offsets at which code may be entered from outside: ascending, the first is 0
    unsigned nentries;
    int32_t slots;                            // displacement of slot 0 from the FS base
    bool (*target)(void *ctx, uint64_t addr); // may code jump to this address outside the block? NULL: to none
    // Offsets of a string instruction, of the sequence around it and of what is behind that: within it rdi (POINTER 1)
    // or rsi (2) are host addresses. May it stand there? NULL: yes.
    bool (*string)(void *ctx, uint32_t first, uint32_t at, uint32_t end, unsigned pointers);
    void *ctx;
};

// False: refused; `why` is "+OFFSET: INSTRUCTION: RULE: TEXT". The rules' names:
//   size decode refused prefix operand memory slot bits rsp leak jump table base string drift entry int3 end
bool verify_block(struct verifier *, const struct verify_block *, char *why, size_t n);
