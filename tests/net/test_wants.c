// The order in which a source's chunks are asked for (disk/wants.h), against a model: two lists and what was done.
#include "disk/wants.h"
#include "tests/insn/values.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct wants_run run_of(uint32_t first, uint32_t n)
{
    return (struct wants_run){first, n};
}

static void is_next(struct wants *w, enum source_want urgency, uint32_t most, struct wants_run wanted)
{
    struct wants_run got = wants_next(w, urgency, most);
    assert_int_equal(got.n, wanted.n);
    if (wanted.n) assert_int_equal(got.first, wanted.first);
}

static void test_order(void **state)
{
    struct wants w;
    (void)state;
    assert_int_equal(wants_open(&w, 100), 0);
    assert_int_equal(wants_add(&w, 50, 4, SOURCE_AHEAD), 0);
    assert_int_equal(wants_add(&w, 10, 2, SOURCE_AHEAD), 0);
    assert_int_equal(wants_add(&w, 12, 1, SOURCE_AHEAD), 0);
    is_next(&w, SOURCE_NOW, 16, run_of(0, 0));
    is_next(&w, SOURCE_AHEAD, 3, run_of(50, 3)); // not more than fits,
    is_next(&w, SOURCE_AHEAD, 16, run_of(53, 1));
    is_next(&w, SOURCE_AHEAD, 16, run_of(10, 3)); // and neighbours in one
    is_next(&w, SOURCE_AHEAD, 16, run_of(0, 0));
    wants_close(&w);
}

static void test_once(void **state)
{
    struct wants w;
    (void)state;
    assert_int_equal(wants_open(&w, 100), 0);
    assert_int_equal(wants_add(&w, 5, 3, SOURCE_AHEAD), 0);
    assert_int_equal(wants_add(&w, 6, 1, SOURCE_NOW), 0); // it comes before what it was
    is_next(&w, SOURCE_NOW, 1, run_of(6, 1));
    assert_int_equal(wants_add(&w, 6, 1, SOURCE_NOW), 0); // is on its way
    is_next(&w, SOURCE_NOW, 16, run_of(0, 0));
    wants_ask(&w, 5);
    is_next(&w, SOURCE_AHEAD, 16, run_of(7, 1));
    wants_done(&w, 6);
    assert_int_equal(wants_add(&w, 6, 1, SOURCE_NOW), 0); // once more
    is_next(&w, SOURCE_NOW, 16, run_of(6, 1));
    wants_close(&w);
}

// What is wanted ahead right behind what somebody waits for comes with it.
static void test_takes_along(void **state)
{
    struct wants w;
    (void)state;
    assert_int_equal(wants_open(&w, 100), 0);
    assert_int_equal(wants_add(&w, 10, 6, SOURCE_AHEAD), 0);
    assert_int_equal(wants_add(&w, 20, 1, SOURCE_AHEAD), 0);
    assert_int_equal(wants_add(&w, 11, 1, SOURCE_NOW), 0);
    is_next(&w, SOURCE_NOW, 4, run_of(11, 4));
    is_next(&w, SOURCE_NOW, 4, run_of(0, 0));
    assert_int_equal(wants_add(&w, 99, 1, SOURCE_NOW), 0);
    is_next(&w, SOURCE_NOW, 4, run_of(99, 1)); // the end
    is_next(&w, SOURCE_AHEAD, 4, run_of(10, 1));
    is_next(&w, SOURCE_AHEAD, 4, run_of(15, 1));
    is_next(&w, SOURCE_AHEAD, 4, run_of(20, 1));
    wants_close(&w);
}

static void test_bounds(void **state)
{
    struct wants w, none = {0};
    (void)state;
    assert_int_equal(wants_open(&w, 64), 0);
    assert_int_equal(wants_add(&w, 60, UINT32_MAX, SOURCE_NOW), 0);
    assert_int_equal(wants_add(&w, 64, 1, SOURCE_NOW), 0);
    assert_int_equal(wants_add(&w, UINT32_MAX, UINT32_MAX, SOURCE_NOW), 0);
    is_next(&w, SOURCE_NOW, 16, run_of(60, 4));
    is_next(&w, SOURCE_NOW, 16, run_of(0, 0));
    wants_close(&w);
    assert_int_equal(wants_add(&none, 0, 1, SOURCE_NOW), 0); // one that is not open wants nothing
    is_next(&none, SOURCE_NOW, 16, run_of(0, 0));
    wants_close(&none);
}

// What a chunk is for the model: wanted how (0: not), and asked for.
enum { CHUNKS = 300 };
struct model {
    bool now, ahead, asked;
};

static void step(struct wants *w, struct model *m, struct rng *r)
{
    uint64_t x = rng_next(r);
    uint32_t first = (uint32_t)(x >> 8) % CHUNKS, n = 1 + (uint32_t)(x >> 40) % 20;
    enum source_want urgency = x % 2 ? SOURCE_NOW : SOURCE_AHEAD;
    if (x % 8 < 4) {
        assert_int_equal(wants_add(w, first, n, urgency), 0);
        for (uint32_t i = first; i < CHUNKS && i - first < n; i++)
            if (urgency == SOURCE_NOW)
                m[i].now |= !m[i].asked;
            else
                m[i].ahead |= !m[i].asked && !m[i].now;
    } else if (x % 8 < 7) {
        struct wants_run got = wants_next(w, urgency, n);
        assert_true(got.n <= n);
        for (uint32_t i = got.first; i < got.first + got.n; i++) {
            assert_true(urgency == SOURCE_NOW ? m[i].now || (i > got.first && m[i].ahead) : m[i].ahead);
            assert_false(m[i].asked);
            m[i].asked = true;
        }
        for (uint32_t i = 0; !got.n && i < CHUNKS; i++)
            assert_true(m[i].asked || !(urgency == SOURCE_NOW ? m[i].now : m[i].ahead)); // nothing was left
    } else {
        wants_done(w, first);
        m[first] = (struct model){0};
    }
    assert_int_equal(wants_is_asked(w, first), m[first].asked);
}

static void test_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng r = {seed};
        struct model m[CHUNKS] = {{0}};
        struct wants w;
        assert_int_equal(wants_open(&w, CHUNKS), 0);
        for (int i = 0; i < 20000; i++) step(&w, m, &r);
        assert_true(w.queue[SOURCE_NOW].size <= 1024 && w.queue[SOURCE_AHEAD].size <= 65536); // entries out of date go
        wants_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_once),
                                       cmocka_unit_test(test_takes_along), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
