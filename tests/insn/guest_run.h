// Runs single instructions from a complete given state, in an address space with the arena of machine.h: in the
// interpreter, with one of the memory back ends, or translated.
//
// The translator is given each instruction anew, with INT3 behind it as on the host, pays for instructions (fuel), and
// has every block proven by the verifier. A block that is refused, or an instruction counted wrongly, is an outcome
// that is lost, with a complaint.
#pragma once
#include "machine.h"

struct guest;
enum guest_engine { GUEST_DIRECT, GUEST_CHECKED, GUEST_JIT, GUEST_ENGINES };
extern const char *const guest_engine_names[GUEST_ENGINES];

struct guest *guest_open(enum guest_engine); // NULL with a message on stderr
void guest_close(struct guest *);
uint8_t *guest_data(struct guest *, unsigned page); // the data page's bytes; NULL: absent
uint8_t *guest_code(struct guest *);                // the code pages' bytes
#define GUEST_RANDOM 0xf1e2d3c4b5a69788u            // what RDRAND and RDSEED find
// Runs the instruction at in->rip, alone.
void guest_run(struct guest *, const struct machine *in, struct outcome *out);
const char *guest_complaint(const struct guest *); // about the last run; empty: none
uint64_t guest_entered(const struct guest *);      // how often emitted code was entered
struct cpu;
void guest_load_state(struct cpu *, const struct machine *);
