// The words of the thread (host/fault.h) as emitted code uses them. The verifier knows them by its own list
// (jit/verify.h); translate.c asserts that both agree.
#pragma once
#include <stdint.h>

enum slot {
    // Reachable by emitted code.
    SLOT_R11,        // the guest's r11 while the host's is scratch
    SLOT_TMP,        // within one guest instruction
    SLOT_TMP2,       // the same
    SLOT_FS_BASE,    // the guest's segment bases
    SLOT_GS_BASE,    //
    SLOT_REGION,     // the region's base R
    SLOT_X87_ABSENT, // not 0: the guest's x87 state is in struct cpu, not in the host's registers
    SLOT_EXIT,       // where emitted code jumps to leave (jit/enter.c)
    SLOT_FUEL,       // instructions left, where they are counted
    SLOT_PC,         // why and where it leaves: the number of an exit, or what a table jump looked for
    SLOT_CW,         // the guest's x87 control word, with every exception masked if code has loaded it
    // Of enter.c alone.
    SLOT_IN,       // not 0: in emitted code, or about to enter or leave it
    SLOT_CPU,      // struct cpu
    SLOT_HOST_RSP, // of the C code that entered
    SLOT_RSP,      // the biased stack pointer, in and out
    SLOT_TARGET,   // where to enter
    SLOT_FLAGS,    // at leaving: AH of LAHF, AL of SETO
    SLOT_VECTOR,   // how vector registers are loaded: enum slot_vector
    SLOT_SAVE,     // and how they are saved
    SLOT_ENTER,    // emitted: loads r11 and jumps to SLOT_TARGET
    SLOT_COUNT
};
enum slot_vector { VECTOR_XMM, VECTOR_YMM };
