// A second tier beside the interpreter, as cpu/ sees it: something that runs the guest's code another way (jit/). It is
// set for an address space's code (code_set_tier) and works inside cpu_run: the interpreter asks it at every branch
// whether it wants to go on there, and what it cannot do it hands back instruction by instruction.
#pragma once
#include "cpu/insn.h"

struct tier {
    // Should the tier go on at pc? Asked often: cheap, and free to count.
    bool (*due)(struct tier *, const struct cpu *, uint64_t pc);
    // Will it be due at pc after a few more questions? Then the interpreter does not keep what it decodes there.
    bool (*counts)(struct tier *, const struct cpu *, uint64_t pc);
    // Runs from cpu->rip on. Returns what the interpreter executes next (decoded code that ends as blocks do:
    // cpu/code.h), or NULL when the run ends: cpu->stop and cpu->rip are set then, and the budget is charged.
    const struct insn *(*run)(struct tier *, struct cpu *);
    // The code in a page that mem_mark_code marked is about to change, or the page goes.
    void (*changed)(struct tier *, uint32_t page);
    struct shapes *shapes; // its memo of decoding (cpu/shape.h), which the interpreter uses, too; NULL: none
};
