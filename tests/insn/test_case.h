// One random case: an encoding of a row, and a state of the machine in which its memory operands fall where they are
// wanted (mostly into readable and writable pages, sometimes across their ends).
#pragma once
#include "machine.h"
#include "rows.h"
#include "values.h"

struct test_case {
    const struct row *row;
    uint8_t bytes[32];
    unsigned len;
    struct machine in;
    bool has_mem; // the ModRM or moffs operand
    uint64_t mem;
    unsigned mem_bytes;
    unsigned opsize; // bytes: 2, 4, 8
    unsigned vlen;   // bytes of a vector: 16, with VEX.L 32
    bool addr32, lock, rep, repne;
    int modrm_reg, modrm_rm; // numbers of the register operands, with REX; -1: none
    int vvvv;                // VEX.vvvv's, -1: none
    uint64_t imm;
};

// The data pages' contents before a case. Kept from case to case; each case changes only what lies around its operands.
struct data_image {
    uint8_t byte[DATA_BYTES];
};

void data_randomize(struct data_image *, struct rng *);
// Makes a random case of the row. Changes `data` around its operands.
void make_case(struct test_case *, const struct row *, struct rng *, struct data_image *data);

// Shared by the files that make cases (make_case.c, make_state.c).
struct maker {
    struct test_case *c;
    const struct row *row;
    struct rng *rng;
    struct data_image *data;
    struct float_style style;
    unsigned fixed;    // registers whose values must stay: bit by number
    uint64_t seg_base; // of the segment override
};

// make_state.c
uint64_t pick_data(struct maker *, unsigned bytes, bool aligned); // an address for an access of this size
uint64_t pick_stack(struct maker *, unsigned bytes);
uint32_t pick_code_target(struct maker *);
enum flavour row_flavour(struct maker *);
void make_state(struct maker *); // registers of all kinds; sets rip
void fill_data(struct maker *, uint64_t addr, unsigned bytes, enum flavour);
void write_data(struct maker *, uint64_t addr, const void *from, unsigned bytes);
void make_fx(struct maker *, struct fx_image *);
bool row_is_x87(const struct row *);
bool row_uses_mmx(const struct row *);
// make_gather.c: index vector, mask and base register of a gather; what its SIB byte shall say. base -1: none.
struct vsib {
    int base;
    unsigned index, scale, disp_bytes;
    int64_t disp;
};
struct vsib make_gather(struct maker *);
// make_fixup.c: what single instructions need to be interesting. Before and after the memory operand is chosen.
void fixup_registers(struct maker *);
void fixup_memory(struct maker *);
