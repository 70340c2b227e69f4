// A trace while it is translated: what translate.c (the way of the trace) and insn_*.c (the instructions) share.
#pragma once
#include "cpu/insn_encoding.h"
#include "jit/cache.h"
#include "jit/emit.h"

enum {
    GAP_AT_EXIT = 4096, // how far rsp may be from an address that was accessed, at heads and exits
    GAP_MAX = 36864,    // and anywhere. The pages at both ends of the guest's memory are never mapped, 64 KiB each, so
                        // what was accessed lies between them, and rsp stays in the region
    TOUCH = 4096,       // an access this near is one of rsp's neighbourhood
    ADJUST_MAX = 16384, // what rsp is moved by at once, in one instruction
    MAX_PENDING = 2 * TRACE_INSNS,
};

struct pending { // an exit whose stub comes behind the trace
    struct exit exit;
    uint32_t rel32; // in the buffer, the jump that leads to it
    bool to_head;   // not an exit: r11 is brought where the head wants it
};

struct trace_head { // where code that has a block is entered in this trace from now on
    uint32_t pc, host, old;
    uint8_t r11;
};

struct trace {
    struct jit_space *space;
    struct jit *jit;
    uint32_t view;
    struct view *shared; // that view, or NULL: the space's own
    struct emitter e, stubs;
    struct insn in;      // the instruction at hand
    struct shape *shape; // its shape, NULL: none
    struct shape_parts parts;
    uint32_t head; // where the trace begins
    uint32_t pc;   // the instruction at hand, then the next one
    uint8_t head_r11, r11;
    uint32_t gap;
    bool hot;       // follows all that has run, also where there are blocks already
    uint32_t probe; // not 0: accesses ask there first (cpu/mem.h)
    bool x87_used;
    uint32_t body; // not 0: where jumps to the head lead once the x87 state is known to be there, with r11 in its slot
    bool x87;      // the x87 state is known to be in the host's registers
    uint32_t pages[VIEW_PAGES];
    unsigned npages;
    struct trace_head heads[TRACE_HEADS];
    unsigned nheads;
    struct pending pending[MAX_PENDING];
    unsigned npending;
    const uint8_t *code; // the bytes of page code_page, NULL: none yet
    uint32_t code_page;
    bool turned;           // the last instruction was a branch
    struct map_entry *map; // in the pool, behind the last block's
    unsigned ninsns;
    uint16_t charged;
    uint32_t returns[TRACE_INSNS]; // where calls of the trace return to
    unsigned nreturns;
    uint32_t called;   // not 0: in a function whose call the trace has followed, which returns to there
    uint32_t call_ret; // by this RET
    unsigned call_at;  // and whose map entries begin there
};

// What an instruction's emitter says: go on behind it, the trace ends, or nothing was emitted and the interpreter is to
// do it.
enum step { STEP_ON, STEP_END, STEP_CALL };
typedef enum step emit_fn(struct trace *, struct insn *);

enum step trace_insn(struct trace *, struct insn *); // insn_copy.c: by the row's class
bool trace_is_copied(const struct trace *, const struct insn *);
void trace_stack_copied(struct trace *, const struct insn *); // has been emitted, with an operand [rsp + disp]
emit_fn emit_with_rsp;                                        // insn_stack.c: rsp as an operand that is no address

// Rewritten and expanded rows.
#define EMITTER(row, name) extern emit_fn emit_##name;
#include "jit/emitters.def"
#undef EMITTER

// r11.
void trace_scratch(struct trace *);  // the host's r11 is free: the guest's is in its slot
void trace_need_r11(struct trace *); // the guest's r11 is in the register

// A call to pc may be followed (jit/follow.c): to which RET, and whether sides of branches are left out.
bool trace_can_follow_call(struct trace *, uint32_t pc, uint32_t *ret, bool *branches);
const struct insn *trace_insn_at(struct trace *, uint32_t pc); // what is there, in t->in. NULL: nothing for a trace
bool trace_is_nothing(const struct trace *, const struct insn *);

// rsp.
void trace_touched(struct trace *, uint32_t distance);
bool trace_adjusted(struct trace *, uint32_t by); // false: too far, nothing may be emitted
void trace_probe(struct trace *);                 // an access at rsp, so that the gap is small

// Memory. Chooses how the operand is reached, after it has changed it and emitted what that needs; r11 may be scratch
// then, if the operand does not want it. Ask trace_operand_ok before anything is emitted.
bool trace_operand_ok(const struct trace *, const struct insn *);
enum reach trace_operand(struct trace *, struct insn *);
bool trace_uses(const struct insn *, unsigned reg);   // as an operand or in an address
bool trace_names(const struct insn *, unsigned reg);  // as an operand
bool trace_writes(const struct insn *, unsigned reg); // perhaps

// x87: the state is in the host's registers from here on.
void trace_x87(struct trace *);
void trace_x87_head(struct trace *); // the same, before the first instruction

// Ways out.
void trace_exit(struct trace *, uint32_t rel32, uint32_t pc);  // the jump at rel32 leads to the block at pc
void trace_leave(struct trace *, enum exit_kind, uint32_t pc); // leave here
bool trace_seen(const struct trace *, uint32_t pc);            // code that has run before
bool trace_known(const struct trace *, uint32_t pc);           // the trace should not go on into what is at pc
void trace_go(struct trace *, uint32_t pc);                    // a jump
void trace_follow(struct trace *, uint32_t pc);                // the trace itself goes there
void trace_go_if(struct trace *, unsigned cc, uint32_t pc);
