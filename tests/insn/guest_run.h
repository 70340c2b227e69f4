// Runs single instructions in the interpreter from a complete given state, in an address space with the arena of
// machine.h. One per memory back end.
#pragma once
#include "machine.h"

struct guest;

struct guest *guest_open(bool checked); // NULL with a message on stderr
void guest_close(struct guest *);
uint8_t *guest_data(struct guest *, unsigned page); // the data page's bytes; NULL: absent
uint8_t *guest_code(struct guest *);                // the code pages' bytes
#define GUEST_RANDOM 0xf1e2d3c4b5a69788u            // what RDRAND and RDSEED find
// Runs the instruction at in->rip with a budget of one instruction.
void guest_run(struct guest *, const struct machine *in, struct outcome *out);
