// The guest's x87 and MMX state into the host's registers and back. Only while every x87 exception is masked: the host
// then never raises one. Where the last instruction stood (FIP, FDP, FOP) is lost on the way: the host's are host
// addresses.
#pragma once
#include "cpu/cpu.h"

bool jit_x87_can(const struct cpu *);
void jit_x87_load(const struct cpu *);
// Emitted code has been left, with this control word (the guest's, which code may set without the rest of the state),
// and with the state in the host's registers or not. Leaves those empty, and the host's control word at the C
// library's.
void jit_x87_close(struct cpu *, uint16_t cw, bool loaded);
