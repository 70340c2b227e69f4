// Numbers with 128 significand bits, in which the portable transcendentals compute (cpu/fpu_portable.c), and these
// functions themselves. All in integers: the same bits on every host. An operation loses less than 2^-126 of its
// result, a function less than 2^-118; the last bit is no guide to which side of the exact value a result lies on.
#pragma once
#include "cpu/softfp.h"

struct wide {
    bool sign;
    int32_t exp;           // the value is sig * 2^(exp - 127)
    unsigned __int128 sig; // bit 127 is set; 0: the number 0
};

struct wide wide_from_num(struct sf_num n); // SF_FINITE
struct wide wide_from_int(int32_t v);
struct wide wide_add(struct wide a, struct wide b);
struct wide wide_sub(struct wide a, struct wide b);
struct wide wide_mul(struct wide a, struct wide b);
struct wide wide_div(struct wide a, struct wide b);

// |x| < 2^63, reduced by the CPU's pi (SDM volume 1, 8.3.8).
struct wide wide_sin(struct wide x);
struct wide wide_cos(struct wide x);
struct wide wide_tan(struct wide x);
struct wide wide_atan2(struct wide y, struct wide x); // finite; the signs of zeros count
struct wide wide_exp2m1(struct wide x);               // |x| <= 1
struct wide wide_log2(struct wide x);                 // x > 0; exact for powers of 2
struct wide wide_log2p1(struct wide x);               // x > -1

extern const struct wide wide_pi;
