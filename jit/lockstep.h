// Interpreter and translator side by side (--engine lockstep): each slice of guest code is run by the interpreter,
// then, from the same state and memory, by translated code, and everything a program can see of both is compared. The
// kernel's calls happen between slices, once.
//
// There are two translators: one that counts instructions, which can be stopped behind any of them, and one that does
// not, as most boxes have it, for slices that end by themselves (a system call, a fault). Both translate whatever runs,
// at once, and each of their blocks is proven by the verifier when libZydis is there.
//
//     struct lockstep *l = lockstep_new(&memory, level, &why);
//     void *space = lockstep_enter(l, mem, code);       // for each address space
//     ... lockstep_run(l, &cpu) instead of cpu_run(&cpu); then lockstep_difference(l) ...
//     lockstep_leave(space); lockstep_free(l);
//
// Not compared: where the last x87 instruction stood (jit/x87.h), flags that the manual leaves undefined, and what
// comes behind a branch to 4 GiB and above, whose upper bits translated code drops.
#pragma once
#include "cpu/cpu.h"
#include "host/exec.h"
#include <stddef.h>

struct lockstep;
struct mem;
struct code;

void lockstep_load(void); // the shared libraries that it has more to say with; before any jail closes
// Borrows the memory. whole: lockstep_run ends as cpu_run does; else, so that a turn does not take long, with
// STOP_REQUEST after each slice, too.
struct lockstep *lockstep_new(const struct host_exec *, enum cpu_level, bool whole, const char **why);
void lockstep_free(struct lockstep *);
void *lockstep_enter(struct lockstep *, struct mem *, struct code *); // NULL: as jit_space_new
void lockstep_named(void *space);                                     // as jit_space_named
void lockstep_leave(void *space);                                     // before mem and code go; NULL: nothing

// As cpu_run. When the two differ it returns STOP_REQUEST, and the text says where and in what.
enum cpu_stop lockstep_run(struct lockstep *, struct cpu *);
const char *lockstep_difference(const struct lockstep *); // NULL: none so far
// Slices that only a tick ended, since what is undefined led translated code elsewhere: they tell nothing, and take
// long.
unsigned lockstep_endless(const struct lockstep *);
