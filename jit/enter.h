// Into emitted code and out of it: the guest's registers go from struct cpu into the host's and back. General
// registers, arithmetic flags and vector registers; MXCSR is the guest's already (cpu/hostfp.h), x87 is x87.c's.
#pragma once
#include "cpu/cpu.h"
#include "jit/slots.h"

// SLOT_TARGET, SLOT_RSP, SLOT_REGION, SLOT_FLAGS (EFLAGS), SLOT_VECTOR and the segment bases are set. Returns when the
// code leaves through jit_leave: SLOT_PC says why. Only DF clear, TF clear, AC clear. x86-64 hosts only.
void jit_enter(struct cpu *, uint64_t *words);
void jit_leave(void); // where emitted code jumps to; not to be called
