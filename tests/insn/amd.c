// See amd.h. Seen on an EPYC of family 25 (Zen 3 or 4), 2026-11; where AMD64 Architecture Programmer's Manual says so
// too, the volume is named.
#include "amd.h"
#include "compare.h"
#include "cpu/cpu.h"
#include "host/cpuid.h"
#include <math.h>
#include <string.h>

bool amd_is_host(void)
{
    uint32_t reg[4] = {0};
#if defined(__x86_64__)
    host_cpuid(0, 0, reg);
#endif
    return reg[2] == 0x444d4163; // "cAMD" of AuthenticAMD
}

struct prefixes {
    bool rep; // F2 or F3
    bool rex_w;
};

// A REX that is not the last of them means nothing.
static struct prefixes prefixes(const struct test_case *c)
{
    struct prefixes p = {0};
    for (unsigned i = 0; i < c->len; i++) {
        bool rex = (c->bytes[i] & 0xf0) == 0x40;
        if (!rex && !memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", c->bytes[i], 11)) break;
        p.rex_w = rex && c->bytes[i] & 8;
        p.rep |= c->bytes[i] >= 0xf2;
    }
    return p;
}

static bool starts(const struct row *row, const char *with)
{
    return !strncmp(row->mnemonic, with, strlen(with));
}

// ---------------------------------------------------------------- which fault

// Bytes that are no instruction, with something else wrong, too: VEX behind a prefix that it must not have is #UD at
// once here, and before the rest is fetched; what is too long #GP; LOCK with MOV from CR0 is CR8 (vol. 3, MOV CRn).
static bool refused_otherwise(const struct outcome *h, const struct outcome *g)
{
    bool no_code = g->vector == VEC_PF && g->exec;
    if (h->vector == VEC_PF && h->exec) return g->vector == VEC_UD;
    return (h->vector == VEC_UD || h->vector == VEC_GP) && (g->vector == VEC_UD || no_code);
}

// Two accesses or checks of one instruction fail: the other one is told. x87 stores look at the page before they look
// at unmasked exceptions, RETF before it looks at the stack's end, XRSTOR before it looks at its header, VCVTPS2PH
// before it computes; masked stores and CMPS name another of several pages.
static bool other_fault_first(const struct test_case *c, const struct outcome *h, const struct outcome *g)
{
    if (h->vector != VEC_PF || h->exec) return false;
    if (row_is_x87(c->row)) return g->vector == VECTOR_NONE && g->after.fx.fsw & 0x80;
    if (row_is(c->row, "retf xrstor")) return g->vector == VEC_GP;
    if (row_is(c->row, "vcvtps2ph")) return g->vector == VEC_XM || g->vector == VECTOR_NONE;
    return g->vector == VEC_PF &&
           (row_is(c->row, "cmps cmpsb") || starts(c->row, "vmaskmov") || starts(c->row, "vpmaskmov"));
}

// ---------------------------------------------------------------- what is done

// Nothing of it is compared: what Intel's CPUs refuse is done here, or the other way round.
static bool another_instruction(const struct test_case *c, const struct outcome *h, const struct outcome *g)
{
    const struct row *row = c->row;
    if (row_is(row, "jmpf callf")) return prefixes(c).rex_w;                 // REX.W means nothing (vol. 3, JMP far)
    if (!strcmp(row->id, "NOP_0D_Ev")) return h->vector == VEC_UD;           // of a register: no PREFETCH (vol. 3)
    if (starts(row, "sha")) return g->vector == VEC_GP;                      // operands need not be aligned
    if (row_is(row, "movsxd")) return c->opsize == 2 && h->vector == VEC_PF; // 16 bits of a source of 32
    // Of XSAVE's image other parts are looked at: the header when nothing is to be saved, not what is initial.
    if (row_is(row, "xsave xsaveopt xsavec xrstor") && h->vector == VEC_PF && g->vector == VECTOR_NONE) return true;
    if (row_is(row, "xrstor") && g->vector == VEC_PF) return h->vector == VECTOR_NONE || h->vector == VEC_GP;
    // MXCSR has a bit 17, MM (vol. 1, MXCSR).
    return row_is(row, "ldmxcsr vldmxcsr fxrstor fxrstor64 xrstor") && h->vector == VECTOR_NONE && g->vector == VEC_GP;
}

static bool same_but(const struct machine *a, const struct machine *b, int one, int other)
{
    for (int i = 0; i < 16; i++) {
        if (i == one || i == other) continue;
        if (memcmp(a->fx.xmm[i], b->fx.xmm[i], 16) || memcmp(a->ymm_high[i], b->ymm_high[i], 16)) return false;
    }
    return true;
}

static bool is_nan(uint64_t v, bool wide)
{
    return wide ? (v << 1) > 0xffe0000000000000 : (uint32_t)(v << 1) > 0xff000000;
}

// Lanes that differ hold one NaN and another: sums are made in another order.
static bool other_nans(const struct test_case *c, const uint64_t a[2], const uint64_t b[2])
{
    bool wide = strstr(c->row->mnemonic, "dppd");
    for (unsigned lane = 0; lane < (wide ? 2 : 4); lane++) {
        uint64_t x = wide ? a[lane] : (uint32_t)(a[lane / 2] >> lane % 2 * 32);
        uint64_t y = wide ? b[lane] : (uint32_t)(b[lane / 2] >> lane % 2 * 32);
        if (x != y && !(is_nan(x, wide) && is_nan(y, wide))) return false;
    }
    return true;
}

static bool other_vectors(const struct test_case *c, const struct outcome *h, const struct outcome *g)
{
    const struct machine *a = &h->after, *b = &g->after;
    // A gather that faults leaves mask and destination as it likes, but for what it has completed.
    if (strstr(c->row->mnemonic, "gather")) return h->vector == VEC_PF && same_but(a, b, c->vvvv, c->modrm_reg);
    if (!row_is(c->row, "dpps dppd vdpps vdppd")) return false;
    int to = c->modrm_reg;
    return same_but(a, b, to, to) && other_nans(c, a->fx.xmm[to], b->fx.xmm[to]) &&
           other_nans(c, a->ymm_high[to], b->ymm_high[to]);
}

// FSCALE and FPREM1 of a denormal number that stays as it is, underflow unmasked: it underflows here.
static bool underflows(const struct test_case *c)
{
    enum { UE = 16 };
    const struct fx_image *fx = &c->in.fx;
    return row_is(c->row, "fscale fprem fprem1") && !(fx->fcw & UE) && !(fx->st[0].se & 0x7fff) && fx->st[0].frac;
}

// A sine or arc tangent just below the least normal number, rounded towards zero, underflow unmasked: it is that number
// elsewhere, and underflows here.
static bool lies_below(const struct test_case *c, const struct outcome *h, const struct outcome *g)
{
    enum { UE = 16, LEAST = 1, SCALED = 0x6000 };
    unsigned i = row_is(c->row, "fsincos"); // below the cosine
    const struct fx_image *a = &h->after.fx, *b = &g->after.fx;
    return row_is(c->row, "fsin fsincos fpatan") && !(c->in.fx.fcw & UE) && (a->st[i].se & 0x7fff) == SCALED &&
           a->st[i].frac == UINT64_MAX && (b->st[i].se & 0x7fff) == LEAST && b->st[i].frac == 1ull << 63;
}

unsigned amd_own(const struct test_case *c, const struct outcome *h, const struct outcome *g)
{
    unsigned own = 0;
    if (another_instruction(c, h, g)) return ~(unsigned)DIFF_LOST;
    if (refused_otherwise(h, g)) own |= DIFF_FAULT;
    if (other_fault_first(c, h, g)) own |= row_is_x87(c->row) ? DIFF_FAULT | DIFF_RIP | DIFF_X87 : DIFF_FAULT;
    if (row_is(c->row, "vcvtps2ph") && h->vector != VECTOR_NONE) own |= DIFF_MXCSR;
    if (row_is(c->row, "cmps cmpsb scas scasb") && prefixes(c).rep && h->vector == VEC_PF) own |= DIFF_FLAGS;
    if (row_is(c->row, "loope loopne") && prefixes(c).rep) own |= DIFF_RIP; // REP says which of the two it is
    if (row_is(c->row, "int1")) own |= DIFF_RIP;
    if (other_vectors(c, h, g)) own |= DIFF_XMM;
    if (underflows(c) || lies_below(c, h, g)) own |= DIFF_X87;
    return own;
}
