// cpu/fpu_portable.c against the host's x87: ordinary results within a few ulp, special operands and their flags equal.
#include "cpu/fpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#if !defined(__x86_64__)
int main(void)
{
    puts("skipped: only an x86-64 host can judge");
    return 0;
}
#else

enum { CASES = 20000, MAX_ULP = 4, MAX_REPORTS = 5 };

static uint64_t rnd(uint64_t *s) // splitmix64
{
    uint64_t z = *s += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static struct f80 special(uint64_t *s)
{
    static const struct f80 table[] = {
        {0, 0},
        {0, 0x8000},
        {0x8000000000000000, 0x7fff},
        {0x8000000000000000, 0xffff},
        {0x8000000000000000, 0x3fff},
        {0x8000000000000000, 0xbfff},
        {0xc000000000000001, 0x7fff},
        {0xa000000000000000, 0xffff},
        {0x8000000000000000, 0x403e},
        {0x1234567800000000, 0x3fff},
        {0x8000000000000000, 0x4002},
        {0xc000000000000000, 0x3ffe},
    };
    return table[rnd(s) % (sizeof table / sizeof *table)];
}

// Around 1, where every function is defined and the reduction by pi plays no part.
static struct f80 ordinary(uint64_t *s)
{
    return (struct f80){rnd(s) | UINT64_C(1) << 63, (uint16_t)(0x3fff - 8 + rnd(s) % 8)};
}

static uint64_t ulps(struct f80 a, struct f80 b)
{
    if (a.se == b.se) return a.frac > b.frac ? a.frac - b.frac : b.frac - a.frac;
    return UINT64_MAX;
}

static bool same(struct f80 a, struct f80 b)
{
    return a.frac == b.frac && a.se == b.se;
}

static bool agree(const struct fpu_result *p, const struct fpu_result *h, bool exact)
{
    if (p->partial != h->partial) return false;
    if (p->partial) return true;
    if (p->flags != h->flags) return false;
    if (exact && !(h->flags & SF_PE)) return same(p->value, h->value);
    return ulps(p->value, h->value) <= MAX_ULP;
}

// FYL2XP1 is undefined for operands from 1 - sqrt(2)/2 up.
static bool defined(enum fpu_func func, struct f80 st0)
{
    unsigned biased = st0.se & 0x7fff;
    return func != FPU_YL2XP1 || biased < 0x3fff || st0.se == 0x7fff || st0.frac << 1 != 0;
}

static void compare(enum fpu_func func, struct f80 (*operand)(uint64_t *))
{
    struct sf_env env = {.precision = 64, .masks = SF_ALL};
    uint64_t s = 1;
    int wrong = 0;
    for (int i = 0; i < CASES; i++) {
        struct f80 a = operand(&s), b = operand(&s);
        struct fpu_result p = fpu_portable_func(func, a, b, &env), h = fpu_host_func(func, a, b, &env);
        if (!defined(func, a) || agree(&p, &h, operand == special) || wrong++ >= MAX_REPORTS) continue;
        printf("func %d st0 %04x:%016llx st1 %04x:%016llx: portable %04x:%016llx flags %02x c2 %d, host %04x:%016llx "
               "%02x %d\n",
               func, a.se, (unsigned long long)a.frac, b.se, (unsigned long long)b.frac, p.value.se,
               (unsigned long long)p.value.frac, p.flags, p.partial, h.value.se, (unsigned long long)h.value.frac,
               h.flags, h.partial);
    }
    assert_int_equal(wrong, 0);
}

static void test_ordinary(void **state)
{
    (void)state;
    for (enum fpu_func f = FPU_SIN; f <= FPU_YL2XP1; f++) compare(f, ordinary);
}

static void test_special(void **state)
{
    (void)state;
    for (enum fpu_func f = FPU_SIN; f <= FPU_YL2XP1; f++) compare(f, special);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ordinary), cmocka_unit_test(test_special)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
