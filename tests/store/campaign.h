// Which cases of a fuzzer are run: the options of all of this folder's.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct campaign {
    uint64_t seed, first, cases;
    time_t end;
};

static inline struct campaign campaign_of(int argc, char **argv)
{
    struct campaign c = {.seed = 1, .cases = UINT64_MAX};
    uint64_t seconds = 5;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--seed")) c.seed = n;
        if (!strcmp(argv[i], "--first")) c.first = n;
        if (!strcmp(argv[i], "--cases")) c.cases = n, seconds = UINT32_MAX;
        if (!strcmp(argv[i], "--seconds")) seconds = n;
    }
    c.end = time(NULL) + (time_t)seconds;
    return c;
}

static inline bool campaign_goes_on(const struct campaign *c, uint64_t number)
{
    return number - c->first < c->cases && (number % 256 || time(NULL) < c->end);
}
