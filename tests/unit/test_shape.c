// The memo of decoding says exactly what insn_decode says: on instructions made of the table's opcodes with all kinds
// of prefixes and operands, on random bytes, and where bytes are missing.
#include "cpu/shape.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LONGEST = 15, ROUNDS = 3000000 };

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * 0x2545f4914f6cdd1dull >> 16;
}

static void compare(struct shapes *s, const uint8_t *bytes, unsigned avail, uint32_t pc)
{
    struct insn ours, right;
    uint8_t *all = test_malloc(avail); // so that a read behind it is found
    memcpy(all, bytes, avail);
    int n = insn_decode(&right, all, avail, pc, s->level, s->checked);
    int m = shapes_decode(s, &ours, all, avail, pc);
    if (n != m || (n > 0 && memcmp(&ours, &right, sizeof ours) != 0)) {
        print_error("avail %u, pc %x:", avail, pc);
        for (unsigned i = 0; i < avail; i++) print_error(" %02x", all[i]);
        fail_msg(" (%d, not %d)", m, n);
    }
    test_free(all);
}

static unsigned put_prefixes(uint8_t *to, uint64_t *seed)
{
    static const uint8_t legacy[] = {0x66, 0xf2, 0xf3, 0x67, 0xf0, 0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e};
    unsigned n = 0;
    for (unsigned more = next(seed) % 8; more > 4 && n < 5; more = next(seed) % 9)
        to[n++] = next(seed) % 8 ? legacy[next(seed) % sizeof legacy] : (uint8_t)(0x40 | next(seed) % 16);
    if (next(seed) % 2) to[n++] = (uint8_t)(0x40 | next(seed) % 16);
    return n;
}

static unsigned put_opcode(uint8_t *to, uint64_t *seed)
{
    unsigned n = 0, map = next(seed) % 8;
    if (map >= 3) to[n++] = 0x0f;
    if (map >= 6) to[n++] = map == 6 ? 0x38 : 0x3a;
    to[n++] = (uint8_t)next(seed);
    return n;
}

static unsigned put_vex(uint8_t *to, uint64_t *seed)
{
    bool three = next(seed) % 2;
    uint8_t plain = next(seed) % 2 ? 0x78 : 0; // vvvv 1111
    unsigned n = 0;
    to[n++] = three ? 0xc4 : 0xc5;
    if (three) to[n++] = (uint8_t)((next(seed) & 0xe0) | (next(seed) % 16 ? 1 + next(seed) % 3 : next(seed) % 32));
    to[n++] = (uint8_t)next(seed) | plain;
    to[n++] = (uint8_t)next(seed);
    return n;
}

static void make(uint8_t *bytes, unsigned size, uint64_t *seed)
{
    for (unsigned i = 0; i < size; i++) bytes[i] = (uint8_t)next(seed);
    switch (next(seed) % 8) {
    case 0:
        break;
    case 1:
        put_vex(bytes, seed);
        break;
    case 2: {
        unsigned n = put_prefixes(bytes, seed);
        put_vex(bytes + n, seed);
        break;
    }
    default: {
        unsigned n = put_prefixes(bytes, seed);
        put_opcode(bytes + n, seed);
    }
    }
}

static void same_as_decoder(void **state)
{
    static const enum cpu_level levels[] = {CPU_LEVEL_V2, CPU_LEVEL_V3};
    uint64_t seed = 0x1234567;
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct shapes *s = shapes_new(levels[i & 1], i >> 1);
        assert_non_null(s);
        for (unsigned round = 0; round < ROUNDS / 4; round++) {
            uint8_t bytes[24];
            make(bytes, sizeof bytes, &seed);
            uint32_t pc = next(&seed) % 4 ? 0x401000 : (uint32_t)next(&seed);
            compare(s, bytes, next(&seed) % 4 ? sizeof bytes : 1 + next(&seed) % (sizeof bytes - 1), pc);
        }
        shapes_free(s);
    }
}

// Each instruction again with other registers, displacements and immediates: the second meets the first one's shape.
static void same_with_other_operands(void **state)
{
    struct shapes *s = shapes_new(CPU_LEVEL_V3, false);
    uint64_t seed = 0x7654321;
    (void)state;
    assert_non_null(s);
    for (unsigned round = 0; round < ROUNDS / 8; round++) {
        uint8_t bytes[24];
        struct insn in;
        make(bytes, sizeof bytes, &seed);
        if (insn_decode(&in, bytes, sizeof bytes, 0, CPU_LEVEL_V3, false) <= 0) continue;
        for (unsigned i = 0; i < 4; i++) {
            unsigned at = (unsigned)next(&seed) % LONGEST;
            bytes[at] ^= (uint8_t)(1u << next(&seed) % 8);
            compare(s, bytes, sizeof bytes, (uint32_t)next(&seed));
        }
    }
    shapes_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_decoder), cmocka_unit_test(same_with_other_operands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
