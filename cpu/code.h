// The decoded instructions of an address space: blocks found by guest address, chained to each other, dropped when
// their pages change.
//
// A block is an array of struct insn, in the order of the code, from its first address up to a branch that is always
// taken, to BLOCK_MAX instructions or to the end of the page (its last instruction may cross into the next one).
// Conditional branches in its middle go on with the next element when they are not taken. Running it is a chain of
// calls insn->fn(cpu, insn), each ending in the next (cpu/op.h). Where it ends without a branch stands an end mark: an
// insn with id INSN_COUNT that branches to the next block.
//
// Counting: each branch and end mark carries `run`, the instructions from the block's start up to it, and charges them
// to cpu->budget when the block is left there. A fault charges those before the faulting one (code_position). One
// instruction of the guest counts as one, a repeated string instruction too, when it completes; one that faults does
// not count.
//
// Blocks are never freed one by one: an invalidated block's first instruction is replaced by one that looks its address
// up again, so chains into it stay harmless, and the memory comes back when everything is dropped at CODE_BYTES.
#pragma once
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/mem.h"
#include "cpu/tier.h"

enum {
    BLOCK_MAX = 64,
    SLICE = 4096,
};

struct code;

struct code *code_new(struct mem *, enum cpu_level); // registers itself with mem (mem_set_code). NULL: out of memory
void code_free(struct code *);                       // before its mem is freed

// Another tier takes part in running this code (not owned; NULL: none). It is asked at each branch, so blocks are not
// chained.
void code_set_tier(struct code *, struct tier *);
struct tier *code_tier(const struct code *);

// The first instruction of the block at pc, decoded if need be; valid until the next call. NULL: pc cannot be fetched,
// *fault says why.
const struct insn *code_lookup(struct code *, uint64_t pc, struct cpu_fault *fault);
// What is executed next at pc, with `left` instructions to go; for this cpu as code_find.
const struct insn *code_next(struct cpu *, uint64_t pc, int64_t left);
// The same as code_lookup for this cpu, in its fault; its guesses that a flush has made void are forgotten.
const struct insn *code_find(struct cpu *, uint64_t pc);
// At most n instructions from pc, decoded afresh into a place of their own, valid until the next call. `mark`: their
// pages are watched for writes meanwhile (a store into the code behind itself then stops the block); without, only n =
// 1 is right.
const struct insn *code_lookup_few(struct code *, uint64_t pc, unsigned n, bool mark, struct cpu_fault *fault);

// Begin a slice: after SLICE instructions the next branch returns to cpu_run's loop. An op_ function with a local
// variable whose address escapes (FXSAVE's image; with clang also operands of the checked back end) cannot end in a
// sibling call: it calls the next one, and the host stack grows. So it grows by SLICE frames at most (2.5 MB of
// FXSAVE).
void code_slice(struct cpu *);

void code_invalidate_page(struct code *, uint32_t page); // called by mem when a MEM_CODE page is about to change
void code_flush(struct code *);                          // drop everything; not while cpu_run is inside
// From now on as with the checked back end, whatever that of its memory is (mem.probe). Not while guest code runs.
void code_check(struct code *);

// How many instructions of its block stand before *in.
unsigned code_position(const struct insn *in);

size_t code_bytes(const struct code *); // memory taken by blocks now
