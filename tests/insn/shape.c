// See shape.h.
#include "shape.h"
#include <string.h>

// VEX of two or three bytes; vvvv is mostly 1111, which most opcodes without a third operand want.
static unsigned random_vex(struct rng *r, uint8_t *bytes)
{
    unsigned n = 0;
    uint8_t last = (uint8_t)rng_next(r) | (rng_percent(r, 50) ? 0x78 : 0);
    bytes[n++] = rng_percent(r, 50) ? 0xc5 : 0xc4;
    if (bytes[0] == 0xc4)
        bytes[n++] = (uint8_t)((rng_next(r) & 0xe0) | (rng_percent(r, 95) ? 1 + rng_below(r, 3) : rng_below(r, 32)));
    bytes[n++] = last;
    return n;
}

void random_bytes(struct rng *r, uint8_t bytes[SHAPE_BYTES])
{
    static const uint8_t prefix[] = {0x66, 0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf2, 0xf3,
                                     0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    static const uint8_t map[] = {1, 1, 1, 2, 2, 2, 2, 3, 4};
    unsigned n = 0, many = rng_percent(r, 1) ? rng_below(r, 14) : 0;
    for (unsigned i = 0; i < SHAPE_BYTES; i += 8) memcpy(bytes + i, &(uint64_t){rng_next(r)}, 8);
    if (many == 0 && rng_percent(r, 50)) return;
    while (n < many)
        bytes[n++] = (uint8_t[]){0x26, 0x2e, 0x36, 0x3e}[rng_below(r, 4)]; // to the limit of 15 bytes, and beyond
    if (many > 8) return;
    for (unsigned count = rng_below(r, 3); count; count--) bytes[n++] = prefix[rng_below(r, sizeof prefix)];
    if (rng_percent(r, 40)) bytes[n++] = (uint8_t)(0x40 | rng_below(r, 16));
    if (rng_percent(r, 35)) {
        if (rng_percent(r, 90)) n = 0; // any prefix of those is refused, but segments and 67
        n += random_vex(r, bytes + n);
        if (rng_percent(r, 40)) bytes[n + 1] |= 0xc0;
        return;
    }
    unsigned m = map[rng_below(r, sizeof map)];
    if (m > 1) bytes[n++] = 0x0f;
    if (m > 2) bytes[n++] = m == 3 ? 0x38 : 0x3a;
    if (rng_percent(r, 30)) bytes[n + 1] |= 0xc0; // a register in ModRM
}

static bool legacy_prefix(struct shape *s, uint8_t byte)
{
    switch (byte) {
    case 0x66:
        s->opsize = true;
        return true;
    case 0x67:
        s->addrsize = true;
        return true;
    case 0xf0:
        s->lock = true;
        return true;
    case 0xf2:
    case 0xf3:
        s->rep = byte;
        return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
        return true;
    default:
        return false;
    }
}

static int take_vex(struct shape *s, const uint8_t *bytes)
{
    static const uint8_t prefix[] = {0, 0x66, 0xf3, 0xf2};
    bool three = bytes[0] == 0xc4;
    unsigned map = three ? bytes[1] & 31 : 1;
    s->map = SHAPE_VEX + 1 + (int)map;
    s->vex_pp = prefix[bytes[three ? 2 : 1] & 3];
    s->other_encoding = map == 0 || map > 3;
    return three ? 3 : 2;
}

struct shape shape_of(const uint8_t bytes[SHAPE_BYTES])
{
    struct shape s = {.rex = -1, .map = 1};
    int n = 0;
    for (; n < 15; n++) {
        if ((bytes[n] & 0xf0) == 0x40)
            s.rex = bytes[n];
        else if (legacy_prefix(&s, bytes[n]))
            s.rex = -1;
        else
            break;
    }
    s.prefixes = n;
    if (bytes[n] == 0x0f) {
        s.map = 2, n++;
        if (bytes[n] == 0x38 || bytes[n] == 0x3a) s.map = bytes[n++] == 0x38 ? 3 : 4;
    }
    if (bytes[n] == 0xc4 || bytes[n] == 0xc5) n += take_vex(&s, bytes + n);
    s.opcode = bytes[n];
    s.modrm = bytes[n + 1];
    s.other_encoding |= s.map == 1 && (s.opcode == 0x62 || (s.opcode == 0x8f && shape_reg(&s) != 0));
    return s;
}

enum { VEX = SHAPE_VEX };

static const struct pattern beyond_v3[] = {
    {1, 0xc6, 0xc7, 7, REG, ANY, "XABORT, XBEGIN"},
    {2, 0x09, 0x09, ANY, ANY, 0xf3, "WBNOINVD"},
    {2, 0x0e, 0x0f, ANY, ANY, ANY, "3DNow!: AMD's, gone"},
    {2, 0x1c, 0x1c, ANY, ANY, ANY, "CLDEMOTE"},
    {2, 0x24, 0x27, ANY, ANY, ANY, "test registers"},
    {2, 0x37, 0x37, ANY, ANY, ANY, "GETSEC"},
    {2, 0x78, 0x79, ANY, ANY, ANY, "VMREAD, VMWRITE; AMD's EXTRQ and INSERTQ, which this machine has and few hosts"},
    {2, 0x2b, 0x2b, ANY, ANY, 0xf2, "AMD's MOVNTSD"},
    {2, 0x2b, 0x2b, ANY, ANY, 0xf3, "AMD's MOVNTSS"},
    {2, 0xa6, 0xa7, ANY, ANY, ANY, "VIA's PadLock"},
    {2, 0xaa, 0xaa, ANY, ANY, ANY, "RSM"},
    {2, 0xae, 0xae, 4, ANY, 0xf3, "PTWRITE"},
    {2, 0xae, 0xae, 5, REG, 0xf3, "INCSSP"},
    {2, 0xae, 0xae, 6, ANY, 0xf3, "UMONITOR, CLRSSBSY"},
    {2, 0xae, 0xae, 6, REG, 0x66, "TPAUSE"},
    {2, 0xae, 0xae, 6, REG, 0xf2, "UMWAIT"},
    {2, 0xb8, 0xb8, ANY, ANY, 0, "JMPE, Itanium's"},
    {2, 0xc7, 0xc7, 3, ANY, ANY, "XRSTORS"},
    {2, 0xc7, 0xc7, 5, ANY, ANY, "XSAVES"},
    {2, 0xc7, 0xc7, 6, MEM, ANY, "VMX"},
    {2, 0xc7, 0xc7, 6, REG, 0xf3, "SENDUIPI"},
    {2, 0xc7, 0xc7, 7, MEM, ANY, "VMX"},
    {3, 0x80, 0x82, ANY, ANY, 0x66, "INVEPT, INVVPID, INVPCID"},
    {3, 0xd8, 0xd8, ANY, ANY, ANY, "Key Locker"},
    {3, 0xda, 0xda, ANY, ANY, ANY, "Key Locker"},
    {3, 0xdb, 0xdf, ANY, ANY, 0xf3, "Key Locker"},
    {3, 0xf5, 0xf5, ANY, ANY, ANY, "CET: WRUSS"},
    {3, 0xf6, 0xf6, ANY, ANY, 0, "CET: WRSS"},
    {3, 0xf8, 0xf9, ANY, ANY, ANY, "MOVDIR64B, ENQCMD, MOVDIRI"},
    {3, 0xfa, 0xfb, ANY, ANY, ANY, "Key Locker"},
    {3, 0xfc, 0xfc, ANY, ANY, ANY, "RAO-INT"},
    {4, 0xf0, 0xf0, ANY, ANY, ANY, "HRESET"},
    {VEX + 2, 0x41, 0x4b, ANY, ANY, ANY, "AVX-512: mask registers"},
    {VEX + 2, 0x90, 0x93, ANY, ANY, ANY, "AVX-512: mask registers"},
    {VEX + 2, 0x98, 0x99, ANY, ANY, ANY, "AVX-512: mask registers"},
    {VEX + 4, 0x30, 0x33, ANY, ANY, ANY, "AVX-512: mask registers"},
    {VEX + 3, 0x49, 0x4b, ANY, ANY, ANY, "AMX"},
    {VEX + 3, 0x5c, 0x5e, ANY, ANY, ANY, "AMX"},
    {VEX + 3, 0x6c, 0x6c, ANY, ANY, ANY, "AMX"},
    {VEX + 3, 0x50, 0x53, ANY, ANY, ANY, "AVX-VNNI"},
    {VEX + 3, 0x72, 0x72, ANY, ANY, ANY, "AVX-NE-CONVERT"},
    {VEX + 3, 0xb0, 0xb1, ANY, ANY, ANY, "AVX-NE-CONVERT"},
    {VEX + 3, 0xb4, 0xb5, ANY, ANY, ANY, "AVX-IFMA"},
    {VEX + 3, 0xcb, 0xcd, ANY, ANY, ANY, "SHA-512"},
    {VEX + 3, 0xd2, 0xd3, ANY, ANY, ANY, "AVX-VNNI-INT16"},
    {VEX + 3, 0xda, 0xda, ANY, ANY, ANY, "SM3, SM4"},
    {VEX + 3, 0xe0, 0xef, ANY, ANY, ANY, "CMPccXADD"},
    {VEX + 4, 0xde, 0xde, ANY, ANY, ANY, "SM3"},
};

const char *shape_match(const struct shape *s, const struct pattern *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++, p++) {
        if (p->map != s->map || s->opcode < p->first || s->opcode > p->last) continue;
        if (p->reg != ANY && p->reg != shape_reg(s)) continue;
        if (p->mod != ANY && p->mod != (shape_mem(s) ? MEM : REG)) continue;
        if (p->pp == ANY || p->pp == shape_pp(s)) return p->reason;
    }
    return NULL;
}

const char *shape_beyond_v3(const struct shape *s)
{
    if (s->other_encoding) return "EVEX, XOP";
    return shape_match(s, beyond_v3, sizeof beyond_v3 / sizeof *beyond_v3);
}
