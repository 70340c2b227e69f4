// See values.h.
#include "values.h"
#include <string.h>

static const unsigned widths[] = {8, 16, 32, 64};

static uint64_t edge_int(struct rng *r)
{
    unsigned bits = widths[rng_below(r, 4)];
    uint64_t top = 1ull << (bits - 1);
    switch (rng_below(r, 8)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return (uint64_t)-1;
    case 3:
        return top; // the least signed number, or a high bit
    case 4:
        return top - 1;
    case 5:
        return top + (top - 1); // all ones of this width
    case 6:
        return 0 - top;
    default:
        return 1ull << rng_below(r, 64);
    }
}

uint64_t random_int(struct rng *r)
{
    uint64_t v;
    switch (rng_below(r, 8)) {
    case 0:
    case 1:
        return edge_int(r);
    case 2:
        return edge_int(r) + rng_below(r, 5) - 2;
    case 3:
        return rng_below(r, 70);
    case 4:
        v = rng_next(r) & 0xff;
        return v * 0x0101010101010101;
    case 5:
        return (uint64_t)(int64_t)(int32_t)rng_next(r) >> rng_below(r, 32);
    case 6:
        return rng_next(r) >> rng_below(r, 64);
    default:
        return rng_next(r);
    }
}

struct float_style random_style(struct rng *r)
{
    unsigned kind = rng_below(r, 8);
    int centre = kind == 0 ? 0 : kind == 1 ? 255 : kind == 2 ? (int)rng_below(r, 256) : 127;
    return (struct float_style){centre};
}

// A float of any format, as significand bits (right aligned, without the integer bit) and biased exponent.
struct parts {
    bool negative;
    uint64_t fraction;
    unsigned exponent;
};

static uint64_t random_fraction(struct rng *r, unsigned bits)
{
    uint64_t all = bits == 64 ? ~0ull : (1ull << bits) - 1, v = rng_next(r) & all;
    switch (rng_below(r, 6)) {
    case 0:
        return 0;
    case 1:
        return all;
    case 2:
        return v & all << rng_below(r, bits); // few significant bits: exact results, ties
    case 3:
        return 1ull << rng_below(r, bits);
    case 4:
        return all & ~(1ull << rng_below(r, bits));
    default:
        return v;
    }
}

// Small integers and their halves: conversions and roundings, among them around the ends of the integer types.
static struct parts whole_number(struct rng *r, unsigned bits, unsigned max)
{
    static const unsigned ends[] = {0, 1, 2, 6, 7, 14, 15, 30, 31, 32, 51, 52, 61, 62, 63, 64};
    unsigned bias = max / 2, power = ends[rng_below(r, 16)], keep = power + rng_below(r, 3);
    uint64_t all = (1ull << bits) - 1,
             fraction = random_fraction(r, bits) & (keep >= bits ? all : all << (bits - keep));
    return (struct parts){rng_next(r) & 1, fraction & all, bias + power - (rng_percent(r, 10) && power)};
}

static struct parts near_centre(struct rng *r, struct float_style s, unsigned bits, unsigned max)
{
    int middle = (int)((uint64_t)(unsigned)s.centre * max / 255), spread = rng_percent(r, 70) ? 4 : (int)bits + 4;
    int exponent = middle + (int)rng_below(r, (unsigned)(2 * spread + 1)) - spread;
    if (exponent < 0) exponent = 0;
    if (exponent >= (int)max) exponent = (int)max - 1;
    return (struct parts){rng_next(r) & 1, random_fraction(r, bits), (unsigned)exponent};
}

static struct parts random_parts(struct rng *r, struct float_style s, unsigned bits, unsigned max)
{
    bool negative = rng_next(r) & 1;
    uint64_t quiet = 1ull << (bits - 1), all = (1ull << bits) - 1;
    switch (rng_below(r, 24)) {
    case 0:
        return (struct parts){negative, 0, 0};
    case 1:
        return (struct parts){negative, 0, max}; // infinity
    case 2:
        return (struct parts){negative, quiet | random_fraction(r, bits - 1), max}; // quiet NaN
    case 3:
        return (struct parts){negative, (random_fraction(r, bits - 1) & (quiet - 1)) | 1, max}; // signalling NaN
    case 4:
        return (struct parts){negative, random_fraction(r, bits) | 1, 0}; // denormal
    case 5:
        return (struct parts){negative, rng_next(r) & 1 ? 0 : all, rng_next(r) & 1 ? 1 : max - 1};
    case 6:
        return (struct parts){negative, rng_next(r) & all, (unsigned)rng_next(r) & max};
    case 7:
    case 8:
        return (struct parts){negative, 0, max / 2}; // one
    case 9:
    case 10:
    case 11:
    case 12:
        return whole_number(r, bits, max);
    default:
        return near_centre(r, s, bits, max);
    }
}

uint32_t random_f32(struct rng *r, struct float_style s)
{
    struct parts p = random_parts(r, s, 23, 0xff);
    return (uint32_t)p.negative << 31 | p.exponent << 23 | (uint32_t)p.fraction;
}

uint64_t random_f64(struct rng *r, struct float_style s)
{
    struct parts p = random_parts(r, s, 52, 0x7ff);
    return (uint64_t)p.negative << 63 | (uint64_t)p.exponent << 52 | p.fraction;
}

// The integer bit is as it should be but for one in 16: pseudo-denormals, unnormals, pseudo-NaNs and pseudo-infinities.
void random_f80(struct rng *r, struct float_style s, uint64_t *frac, uint16_t *se)
{
    struct parts p = random_parts(r, s, 63, 0x7fff);
    bool integer = p.exponent != 0;
    if (rng_below(r, 16) == 0) integer = !integer;
    if (rng_below(r, 8) == 0) p.fraction &= ~0ull << (rng_next(r) & 1 ? 39 : 10); // exact in f32 or f64
    *frac = (uint64_t)integer << 63 | p.fraction;
    *se = (uint16_t)((unsigned)p.negative << 15 | p.exponent);
}

static void fill_f80(struct rng *r, struct float_style s, uint8_t *to)
{
    uint64_t frac;
    uint16_t se;
    random_f80(r, s, &frac, &se);
    memcpy(to, &frac, 8);
    memcpy(to + 8, &se, 2);
}

// Packed decimals, one digit in 64 invalid.
static void fill_bcd(struct rng *r, uint8_t *to)
{
    unsigned digits = rng_below(r, 19);
    memset(to, 0, 10);
    for (unsigned i = 0; i < digits; i++)
        to[i / 2] |= (uint8_t)((rng_below(r, 64) ? rng_below(r, 10) : rng_below(r, 16)) << (i & 1) * 4);
    to[9] = rng_next(r) & 1 ? 0x80 : 0;
}

static unsigned unit_bytes(enum flavour f)
{
    static const uint8_t unit[FLAVOURS] = {8, 1, 2, 4, 8, 4, 8, 10, 10, 1};
    return unit[f];
}

static void fill_unit(struct rng *r, struct float_style s, enum flavour f, uint8_t to[10])
{
    static const char text[] = "aabbcABCz\0\x7f\x80\xff";
    uint64_t v = 0;
    switch (f) {
    case BYTES_F80:
        fill_f80(r, s, to);
        return;
    case BYTES_BCD:
        fill_bcd(r, to);
        return;
    case BYTES_F32:
        v = random_f32(r, s);
        break;
    case BYTES_F64:
        v = random_f64(r, s);
        break;
    case BYTES_TEXT:
        v = (uint8_t)text[rng_below(r, sizeof text)];
        break;
    case BYTES_RANDOM:
        v = rng_next(r);
        break;
    default:
        v = random_int(r);
    }
    memcpy(to, &v, 8);
}

void random_fill(struct rng *r, struct float_style s, enum flavour f, void *to, unsigned bytes)
{
    uint8_t *p = to, unit[10];
    unsigned step = unit_bytes(f);
    for (unsigned at = 0; at < bytes; at += step) {
        fill_unit(r, s, f, unit);
        memcpy(p + at, unit, step <= bytes - at ? step : bytes - at);
    }
}
