// disk/hotlist.h: what is written is read, what is wrong is refused with its line, and nothing of it is believed.
#include "disk/hotlist.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD  "belljar hot list 2\n"
#define OLDER "belljar hot list 1\n"

static void check_text(const char *text, uint32_t ranges, const char *wanted)
{
    struct hotlist h;
    char why[HOTLIST_WHY] = "";
    int err = hotlist_parse(&h, text, strlen(text), 1000, why);
    assert_string_equal(why, wanted);
    assert_int_equal(err, *wanted ? -1 : 0);
    if (!err) assert_int_equal(h.n, ranges);
    hotlist_free(&h);
}

static void test_parse(void **state)
{
    (void)state;
    check_text(HEAD, 0, "");
    check_text(HEAD "0 1\n5 995\n", 2, "");
    check_text("", 0, "line 1 of the hot list: it is none");
    check_text("belljar hot list 3\n", 0, "line 1 of the hot list: it is none");
    check_text(HEAD "0 1", 0, "line 2 of the hot list: not two numbers");
    check_text(HEAD "0 1\n 1 1\n", 0, "line 3 of the hot list: not two numbers");
    check_text(HEAD "0 1\r\n", 0, "line 2 of the hot list: not two numbers");
    check_text(HEAD "-1 1\n", 0, "line 2 of the hot list: not two numbers");
    check_text(HEAD "0 1 1\n", 0, "line 2 of the hot list: not two numbers");
    check_text(HEAD "4294967296 1\n", 0, "line 2 of the hot list: not two numbers");
    check_text(HEAD "99999999999999999999999999 1\n", 0, "line 2 of the hot list: not two numbers");
    check_text(HEAD "0 0\n", 0, "line 2 of the hot list: not parts of this image");
    check_text(HEAD "1000 1\n", 0, "line 2 of the hot list: not parts of this image");
    check_text(HEAD "1 4294967295\n", 0, "line 2 of the hot list: not parts of this image");
}

// Chunks of 64 KiB, of an image that ends within one.
static void test_older(void **state)
{
    struct hotlist h;
    char why[HOTLIST_WHY];
    const char text[] = OLDER "0 1\n7 2\n25 1\n0 26\n";
    static const struct hotlist_range parts[] = {{0, 4}, {28, 8}, {100, 2}, {0, 102}};
    (void)state;
    assert_int_equal(hotlist_parse(&h, text, strlen(text), 102, why), 0);
    assert_int_equal(h.n, 4);
    assert_memory_equal(h.range, parts, sizeof parts);
    hotlist_free(&h);
    assert_int_equal(hotlist_parse(&h, text, strlen(text), 100, why), -1);
    hotlist_free(&h);
    check_text(OLDER "250 1\n", 0, "line 2 of the hot list: not parts of this image");
    check_text(OLDER "1 4294967295\n", 0, "line 2 of the hot list: not parts of this image");
    check_text(OLDER "4294967295 1\n", 0, "line 2 of the hot list: not parts of this image");
    check_text(OLDER "0 250\n", 1, "");
}

static void test_too_many(void **state)
{
    size_t n = strlen(HEAD), lines = HOTLIST_RANGES + 1;
    char *text = malloc(n + lines * 4), why[HOTLIST_WHY];
    struct hotlist h;
    (void)state;
    memcpy(text, HEAD, n);
    for (size_t i = 0; i < lines; i++) memcpy(text + n + i * 4, "1 1\n", 4);
    assert_int_equal(hotlist_parse(&h, text, n + (lines - 1) * 4, 9, why), 0);
    assert_int_equal(h.n, HOTLIST_RANGES);
    hotlist_free(&h);
    assert_int_equal(hotlist_parse(&h, text, n + lines * 4, 9, why), -1);
    hotlist_free(&h);
    free(text);
}

static void test_there_and_back(void **state)
{
    static const uint32_t parts[] = {7, 8, 9, 3, 8, 4, 5, 100, 0};
    struct hotlist h = {0}, back;
    char *text = NULL, why[HOTLIST_WHY];
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_int_equal(hotlist_add(&h, parts[i]), 0);
    assert_int_equal(hotlist_write(&h, f), 0);
    fclose(f);
    assert_string_equal(text, HEAD "7 3\n3 3\n100 1\n0 1\n");
    assert_int_equal(hotlist_parse(&back, text, n, 101, why), 0);
    assert_int_equal(back.n, h.n);
    assert_memory_equal(back.range, h.range, h.n * sizeof *h.range);
    hotlist_free(&back);
    for (size_t i = 0; i < n; i++) { // spoiled: all right, or refused, and inside the image
        for (unsigned bit = 0; bit < 8; bit++) {
            text[i] ^= (char)(1 << bit);
            if (!hotlist_parse(&back, text, n, 101, why))
                for (uint32_t k = 0; k < back.n; k++) assert_true(back.range[k].first + back.range[k].count <= 101);
            hotlist_free(&back);
            text[i] ^= (char)(1 << bit);
        }
    }
    hotlist_free(&h);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_older),
                                       cmocka_unit_test(test_too_many), cmocka_unit_test(test_there_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
