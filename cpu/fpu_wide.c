// See fpu_wide.h.
#include "cpu/fpu_wide.h"
#include "cpu/softfp_core.h"

#define W(high, low) ((sf_u128)UINT64_C(high) << 64 | UINT64_C(low))

// 1 as a fixed-point number with 127 fraction bits, which is what the series are summed in.
#define ONE W(0x8000000000000000, 0)

// Constants rounded to nearest from 400 bits.
const struct wide wide_pi = {.exp = 1, .sig = W(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1)};
static const struct wide ln_2 = {.exp = -1, .sig = W(0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af)};
static const struct wide two_by_ln_2 = {.exp = 1, .sig = W(0xb8aa3b295c17f0bb, 0xbe87fed0691d3e89)};
#define SQRT_2 W(0x5a827999fcef3242, 0x2cbec4d9baa55f50) // 126 fraction bits

// ---- arithmetic ----

static struct wide normalized(bool sign, int32_t exp, sf_u128 sig)
{
    if (sig == 0) return (struct wide){0};
    int shift = sf_clz128(sig);
    return (struct wide){.sign = sign, .exp = exp - shift, .sig = sig << shift};
}

struct wide wide_from_num(struct sf_num n)
{
    return (struct wide){.sign = n.sign, .exp = n.exp, .sig = (sf_u128)n.sig << 64};
}

struct wide wide_from_int(int32_t v)
{
    uint32_t magnitude = v < 0 ? 0 - (uint32_t)v : (uint32_t)v;
    return normalized(v < 0, 127, magnitude);
}

static struct wide negated(struct wide a)
{
    a.sign = !a.sign;
    return a;
}

// The upper 128 bits of the product.
static sf_u128 mul_high(sf_u128 a, sf_u128 b)
{
    uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a, b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    sf_u128 low = (sf_u128)a0 * b0, m1 = (sf_u128)a1 * b0, m2 = (sf_u128)a0 * b1;
    sf_u128 middle = (low >> 64) + (uint64_t)m1 + (uint64_t)m2;
    return (sf_u128)a1 * b1 + (m1 >> 64) + (m2 >> 64) + (middle >> 64);
}

struct wide wide_mul(struct wide a, struct wide b)
{
    if (a.sig == 0 || b.sig == 0) return (struct wide){0};
    return normalized(a.sign != b.sign, a.exp + b.exp + 1, mul_high(a.sig, b.sig));
}

// Bit by bit: a is below 2b all the time.
struct wide wide_div(struct wide a, struct wide b)
{
    if (a.sig == 0) return a;
    sf_u128 quotient = 0, rest = a.sig;
    bool carry = false; // bit 128 of the rest
    for (int i = 0; i < 128; i++) {
        bool fits = carry || rest >= b.sig;
        if (fits) rest -= b.sig;
        quotient = quotient << 1 | fits;
        carry = rest >> 127;
        rest <<= 1;
    }
    return normalized(a.sign != b.sign, a.exp - b.exp, quotient);
}

static bool is_larger(struct wide a, struct wide b)
{
    return a.exp != b.exp ? a.exp > b.exp : a.sig > b.sig;
}

struct wide wide_add(struct wide a, struct wide b)
{
    if (a.sig == 0) return b;
    if (b.sig == 0) return a;
    if (is_larger(b, a)) return wide_add(b, a);
    sf_u128 small = sf_shr_sticky(b.sig, (unsigned)(a.exp - b.exp) < 200 ? (unsigned)(a.exp - b.exp) : 200);
    if (a.sign != b.sign) return normalized(a.sign, a.exp, a.sig - small);
    sf_u128 sum = a.sig + small;
    if (sum >= a.sig) return normalized(a.sign, a.exp, sum);
    return (struct wide){.sign = a.sign, .exp = a.exp + 1, .sig = sum >> 1 | ONE};
}

struct wide wide_sub(struct wide a, struct wide b)
{
    return wide_add(a, negated(b));
}

// |a| < 1, with 128 fraction bits.
static sf_u128 fraction(struct wide a)
{
    return a.sig == 0 || a.exp < -128 ? 0 : a.sig >> (-1 - a.exp); // 0 has any exponent
}

static sf_u128 square(struct wide a)
{
    return fraction(wide_mul(a, a));
}

// A factor of 1 - something, however little that is.
static struct wide below_one(sf_u128 h)
{
    return normalized(false, 0, h < ONE ? h : ONE - 1);
}

// ---- sine, cosine, tangent ----

// sin(r)/r, from the inside: 1 - z/(2*3) * (1 - z/(4*5) * ...), z = r^2. |r| <= pi/4 here and below.
static struct wide sine(struct wide r)
{
    sf_u128 z = square(r), h = ONE;
    for (unsigned k = 14; k; k--) h = ONE - mul_high(z, h) / (2 * k * (2 * k + 1));
    return wide_mul(r, below_one(h));
}

static struct wide cosine(struct wide r)
{
    sf_u128 z = square(r), h = ONE;
    for (unsigned k = 15; k; k--) h = ONE - mul_high(z, h) / ((2 * k - 1) * 2 * k);
    return below_one(h);
}

// x = quadrant * pi/2 + rest, exactly, with the CPU's pi of 66 bits: 4 * 0.C90FDAA22168C234C (SDM volume 1, 8.3.8).
struct reduced {
    struct wide rest;
    unsigned quadrant;
};

static struct reduced reduce(struct wide x)
{
    enum { UNIT = 65 }; // pi/2 has that many fraction bits
    const sf_u128 half_pi = W(0x3, 0x243f6a8885a308d3);
    if (x.exp < -2) return (struct reduced){.rest = x};
    sf_u128 whole = x.sig >> (127 - UNIT - x.exp); // x has 64 bits, so nothing is lost
    unsigned quadrant = (unsigned)(whole / half_pi & 3);
    sf_u128 rest = whole % half_pi;
    bool beyond = rest > half_pi / 2;
    if (beyond) rest = half_pi - rest, quadrant++;
    struct wide r = normalized(x.sign != beyond, 127 - UNIT, rest);
    return (struct reduced){.rest = r, .quadrant = (x.sign ? 0 - quadrant : quadrant) & 3};
}

static struct wide sine_in(struct reduced r)
{
    struct wide v = r.quadrant & 1 ? cosine(r.rest) : sine(r.rest);
    return r.quadrant & 2 ? negated(v) : v;
}

struct wide wide_sin(struct wide x)
{
    return sine_in(reduce(x));
}

struct wide wide_cos(struct wide x)
{
    struct reduced r = reduce(x);
    r.quadrant++;
    return sine_in(r);
}

struct wide wide_tan(struct wide x)
{
    struct reduced r = reduce(x);
    struct wide s = sine(r.rest), c = cosine(r.rest);
    return r.quadrant & 1 ? negated(wide_div(c, s)) : wide_div(s, c);
}

// ---- arctangent ----

// x(1 - z/3 + z^2/5 - ...), |x| <= 1/32.
static struct wide small_arctangent(struct wide x)
{
    sf_u128 z = square(x), h = 0;
    for (unsigned k = 13; k + 1; k--) h = ONE / (2 * k + 1) - mul_high(z, h);
    return wide_mul(x, below_one(h));
}

// 0 < t <= 1: atan(t) = atan(c) + atan((t - c) / (1 + tc)) for the nearest c = k/16.
static struct wide arctangent(struct wide t)
{
    static const sf_u128 table[17] = {
        W(0x0000000000000000, 0x0000000000000000), W(0x0ffaaddb967ef4e3, 0x6cb2792dc0e2e0d5),
        W(0x1fd5ba9aac2f6dc6, 0x5912f313e7d111df), W(0x2f72f6979cb6044d, 0x1ec2d3e207271d22),
        W(0x3eb6ebf25901bac5, 0x5b71e7bd7de885f9), W(0x4d89dcdc1faf2f34, 0xe2d5da4c693d7994),
        W(0x5bd86507937bc239, 0xc55190916e7f2242), W(0x6993bb0f308ff2db, 0x213e4af4800f389b),
        W(0x76b19c1586ed3da2, 0xb7f222f65e1d4682), W(0x832bf4a6d9867e2a, 0x4b6a09cb61a515c1),
        W(0x8f005d5ef7f59f9b, 0x5c835e1665c43748), W(0x9a2f80e671bdda20, 0x4226f8e2204ff3bd),
        W(0xa4bc7d1934f70924, 0x19a87f2a457dac9f), W(0xaeac4c38b4d8c080, 0x14725e2f3e52070a),
        W(0xb8053e2bc2319e73, 0xcb2da55210a4443d), W(0xc0ce85b8ac526640, 0x89dd62c46e92fa25),
        W(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1),
    };
    sf_u128 fixed = t.exp < -127 ? 0 : t.sig >> -t.exp; // 127 fraction bits
    unsigned k = (unsigned)((fixed + (ONE >> 5)) >> 123);
    if (k == 0) return small_arctangent(t);
    struct wide c = normalized(false, 123, k), one = wide_from_int(1);
    struct wide rest = wide_div(wide_sub(t, c), wide_add(one, wide_mul(t, c)));
    return wide_add(normalized(false, -1, table[k]), small_arctangent(rest));
}

struct wide wide_atan2(struct wide y, struct wide x)
{
    struct wide ay = y, ax = x, half_pi = wide_pi, v;
    ay.sign = ax.sign = false;
    half_pi.exp--;
    if (y.sig == 0)
        v = y;
    else if (x.sig == 0)
        v = half_pi;
    else if (is_larger(ay, ax))
        v = wide_sub(half_pi, arctangent(wide_div(ax, ay)));
    else
        v = arctangent(wide_div(ay, ax));
    if (x.sign) v = wide_sub(wide_pi, v);
    v.sign = y.sign;
    return v;
}

// ---- powers and logarithms of 2 ----

// (e^u - 1)/u = 1 + u/2 * (1 + u/3 * (1 + ...)), |u| <= ln 2.
struct wide wide_exp2m1(struct wide x)
{
    struct wide u = wide_mul(x, ln_2);
    sf_u128 f = fraction(u), h = ONE;
    for (unsigned k = 33; k > 1; k--) {
        sf_u128 part = mul_high(f, h) / k;
        h = u.sign ? ONE - part : ONE + part;
    }
    return wide_mul(u, normalized(false, 0, h));
}

// log2((1 + s) / (1 - s)) = 2/ln 2 * s * (1 + z/3 + z^2/5 + ...), z = s^2; |s| <= 0.172.
static struct wide log2_of_ratio(struct wide s)
{
    sf_u128 z = square(s), h = 0;
    for (unsigned k = 26; k + 1; k--) h = ONE / (2 * k + 1) + mul_high(z, h);
    return wide_mul(wide_mul(s, normalized(false, 0, h)), two_by_ln_2);
}

struct wide wide_log2(struct wide x)
{
    const sf_u128 one = ONE >> 1; // 126 fraction bits
    sf_u128 m = x.sig >> 1;
    int32_t exp = x.exp;
    if (m > SQRT_2) m >>= 1, exp++;
    struct wide above = normalized(m < one, 1, m < one ? one - m : m - one), sum = normalized(false, 1, m + one);
    return wide_add(wide_from_int(exp), log2_of_ratio(wide_div(above, sum)));
}

struct wide wide_log2p1(struct wide x)
{
    if (x.exp >= -2) return wide_log2(wide_add(wide_from_int(1), x)); // exact: x has 64 bits
    return log2_of_ratio(wide_div(x, wide_add(wide_from_int(2), x)));
}
