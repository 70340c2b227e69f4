// The tier's operations (cpu/tier.h): see run.c.
#pragma once
#include "cpu/tier.h"

// What SLOT_PC says beside the number of an exit.
enum { LEFT_MISSED = 0, LEFT_FAULTED = 0x7fffffff };

bool jit_due(struct tier *, const struct cpu *, uint64_t pc);
bool jit_counts(struct tier *, const struct cpu *, uint64_t pc);
const struct insn *jit_run(struct tier *, struct cpu *);
void jit_changed(struct tier *, uint32_t page);
