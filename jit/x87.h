// The guest's x87 and MMX state into the host's registers and back. Only while every x87 exception is masked: the host then
// never raises one. Where the last instruction stood (FIP, FDP, FOP) is lost on the way: the host's are host addresses.
#pragma once
#include "cpu/cpu.h"

bool jit_x87_can(const struct cpu *);
void jit_x87_load(const struct cpu *);
void jit_x87_save(struct cpu *); // and leaves the host's registers empty, its control word at the default
