// Random instruction bytes, and what they look like: prefixes, map, opcode, ModRM. For the tests of the decoder.
#pragma once
#include "values.h"

#define SHAPE_BYTES 24 // more than the 15 that count

enum { SHAPE_VEX = 16 };

struct shape {
    bool opsize, addrsize, lock;
    uint8_t rep;           // the last of F2 and F3, or 0
    int rex;               // the one that counts, or -1
    int prefixes;          // bytes before the opcode's map bytes
    int map;               // 1 to 4; SHAPE_VEX + 2 to SHAPE_VEX + 4
    uint8_t opcode, modrm; // modrm: the byte behind the opcode, whether it is one or not
    bool other_encoding;   // EVEX or XOP by their first byte, VEX of another map
    uint8_t vex_pp;        // VEX: the mandatory prefix it stands for, or 0
};

// Half of them uniform, half an opcode of any map, some of them VEX, behind a few prefixes: uniform bytes rarely reach
// the larger maps.
void random_bytes(struct rng *, uint8_t bytes[SHAPE_BYTES]);
struct shape shape_of(const uint8_t bytes[SHAPE_BYTES]);

static inline bool shape_mem(const struct shape *s)
{
    return s->modrm < 0xc0;
}
static inline int shape_reg(const struct shape *s)
{
    return s->modrm >> 3 & 7;
}
static inline uint8_t shape_pp(const struct shape *s)
{
    return s->map > SHAPE_VEX ? s->vex_pp : s->rep ? s->rep : s->opsize ? 0x66 : 0;
} // the mandatory prefix, as the CPU picks it

// Some opcodes: `reg` a ModRM extension, `mod` memory or register, `pp` a mandatory prefix (0: none).
enum { ANY = -1, MEM = 0, REG = 1 };
struct pattern {
    int map, first, last, reg, mod, pp;
    const char *reason;
};

const char *shape_match(const struct shape *, const struct pattern *,
                        unsigned count); // the reason of the first that matches, or NULL
// Instructions that processors may have and this one has not, and those of no user mode.
const char *shape_beyond_v3(const struct shape *);
