// Inside the lockstep engine: what lockstep.c (running both) and lockstep_tell.c (the report) share.
#pragma once
#include "cpu/mem.h"
#include "jit/check.h"
#include "jit/lockstep.h"
#include <stdio.h>

// What one of them made of a slice.
struct lockstep_end {
    struct cpu cpu;
    enum cpu_stop stop;
};

enum { LOCKSTEP_TEXT = 400 };

// In what the two ends differ, as text; false: in nothing. flags: those that count.
bool lockstep_compare(const struct lockstep_end *interpreted, const struct lockstep_end *translated, bool counts,
                      uint64_t flags, char *text); // text: LOCKSTEP_TEXT bytes
void lockstep_tell_states(FILE *, const struct cpu *before, const struct lockstep_end *interpreted,
                          const struct lockstep_end *translated);
void lockstep_tell_code(FILE *, struct mem *, uint64_t pc, unsigned n); // n instructions from pc on
