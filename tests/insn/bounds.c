// See bounds.h.
#include "bounds.h"
#include "cpu/hostfp.h"
#include <math.h>
#include <string.h>

#define X87_ROWS "fsin fcos fsincos fptan fpatan f2xm1 fyl2x fyl2xp1"
#define SSE_ROWS "rcpps rcpss rsqrtps rsqrtss vrcpps vrcpss vrsqrtps vrsqrtss"

enum { FLAGS_AT_THE_ENDS = 0x18 /* OE, UE */, PE = 0x20, C1 = 0x200 };

const char *bound_of(const struct row *row)
{
    if (HOST_SSE) return NULL;
    return row_is(row, X87_ROWS) ? "1 ulp" : row_is(row, SSE_ROWS) ? "3 * 2^-12 of the value" : NULL;
}

// ---- x87 ----

struct extended {
    uint64_t frac;
    uint16_t se;
};

static struct extended st(const struct outcome *o, int i)
{
    return (struct extended){o->after.fx.st[i].frac, o->after.fx.st[i].se};
}

// a follows b: from the denormals to the normal numbers, and from one exponent to the next, too.
static bool is_next(struct extended a, struct extended b)
{
    const uint64_t one = UINT64_C(1) << 63;
    if (a.se == b.se) return a.frac == b.frac + 1 && a.frac != 0;
    return a.se == b.se + 1 && a.frac == one && (b.frac == ~UINT64_C(0) || (!(b.se & 0x7fff) && b.frac == one - 1));
}

static bool within_ulp(struct extended a, struct extended b)
{
    return is_next(a, b) || is_next(b, a);
}

static bool at_the_ends(struct extended v)
{
    unsigned exponent = v.se & 0x7fff;
    return exponent <= 1 || exponent >= 0x7ffe;
}

static bool settle_x87(const struct outcome *host, struct outcome *guest)
{
    const struct fx_image *h = &host->after.fx;
    struct fx_image *g = &guest->after.fx;
    bool settled = false, ends = false;
    for (int i = 0; i < 8; i++) {
        struct extended a = st(host, i), b = st(guest, i);
        ends = ends || at_the_ends(a) || at_the_ends(b);
        if (!within_ulp(a, b)) continue;
        g->st[i].frac = a.frac, g->st[i].se = a.se;
        settled = true;
    }
    uint16_t free = (uint16_t)((h->fsw & g->fsw & PE ? C1 : 0) | (settled && ends ? FLAGS_AT_THE_ENDS : 0));
    settled = settled || ((h->fsw ^ g->fsw) & free);
    g->fsw = (uint16_t)((g->fsw & ~free) | (h->fsw & free));
    return settled;
}

// ---- SSE ----

static float as_float(uint32_t v)
{
    float f;
    memcpy(&f, &v, sizeof f);
    return f;
}

static bool is_close(uint32_t host, uint32_t guest)
{
    const double bound = 3 * 0x1p-12, least = 0x1p-126;
    double h = as_float(host), g = as_float(guest);
    if (!isfinite(h) || !isfinite(g) || (host ^ guest) >> 31) return false;
    if (h == 0 || g == 0) return fabs(h + g) <= least * (1 + bound);
    return fabs(h - g) <= bound * fabs(h);
}

static bool settle_lanes(const void *host, void *guest, size_t bytes)
{
    bool settled = false;
    for (size_t at = 0; at < bytes; at += 4) {
        uint32_t h, g;
        memcpy(&h, (const uint8_t *)host + at, 4);
        memcpy(&g, (const uint8_t *)guest + at, 4);
        if (h == g || !is_close(h, g)) continue;
        memcpy((uint8_t *)guest + at, &h, 4);
        settled = true;
    }
    return settled;
}

bool bound_settle(const struct test_case *c, const struct outcome *host, struct outcome *guest)
{
    if (!bound_of(c->row) || host->vector != VECTOR_NONE || guest->vector != VECTOR_NONE) return false;
    if (row_is(c->row, X87_ROWS)) return settle_x87(host, guest);
    bool low = settle_lanes(host->after.fx.xmm, guest->after.fx.xmm, sizeof host->after.fx.xmm);
    return settle_lanes(host->after.ymm_high, guest->after.ymm_high, sizeof host->after.ymm_high) || low;
}
