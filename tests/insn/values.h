// Random values that are often at an edge: what integers, floats and bytes of test cases are made of.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{ // splitmix64
    uint64_t z = r->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
static inline unsigned rng_below(struct rng *r, unsigned n)
{
    return (unsigned)((rng_next(r) >> 32) * n >> 32);
}
static inline bool rng_percent(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

uint64_t random_int(struct rng *); // 64 bits with edges of all widths

// What a stretch of bytes holds.
enum flavour {
    BYTES_RANDOM,
    BYTES_INT8,
    BYTES_INT16,
    BYTES_INT32,
    BYTES_INT64,
    BYTES_F32,
    BYTES_F64,
    BYTES_F80,
    BYTES_BCD,
    BYTES_TEXT,
    FLAVOURS
};

// Floats of one case share an exponent, so that sums cancel and round: `centre` is it, as a part of the range in 1/256.
struct float_style {
    int centre;
};
struct float_style random_style(struct rng *);
uint32_t random_f32(struct rng *, struct float_style);
uint64_t random_f64(struct rng *, struct float_style);
void random_f80(struct rng *, struct float_style, uint64_t *frac, uint16_t *se);
void random_fill(struct rng *, struct float_style, enum flavour, void *to, unsigned bytes);
