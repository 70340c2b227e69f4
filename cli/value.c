// Values of options: see value.h.
#include "cli/value.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static bool number_with_unit(const char *text, const struct unit *units, double *out)
{
    char *end;
    if (!isdigit((unsigned char)text[0])) return false;
    double n = strtod(text, &end);
    for (; units->name; units++)
        if (!strcasecmp(end, units->name)) {
            *out = n * units->factor;
            return isfinite(*out) && *out < 9e18;
        }
    return false;
}

bool value_size(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},       {"k", 1024},      {"m", 1048576},      {"g", 1073741824}, {"t", 1099511627776.0},
        {"kib", 1024}, {"mib", 1048576}, {"gib", 1073741824}, {NULL, 0}};
    double n;
    if (!number_with_unit(text, units, &n) || n < 1) return false;
    *bytes = (uint64_t)n;
    return true;
}

bool value_time(const char *text, uint64_t *ns)
{
    static const struct unit units[] = {{"", 1e9}, {"s", 1e9},  {"ms", 1e6},   {"us", 1e3},
                                        {"ns", 1}, {"m", 6e10}, {"h", 3.6e12}, {NULL, 0}};
    double n;
    if (!number_with_unit(text, units, &n) || n < 1) return false;
    *ns = (uint64_t)n;
    return true;
}

bool value_count(const char *text, uint64_t max, uint64_t *n)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)text[0])) return false;
    *n = strtoull(text, &end, 10);
    return !*end && !errno && *n <= max;
}

bool value_pair(char *text, char **left, char **right)
{
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || !colon[1]) return false;
    *colon = 0;
    *left = text;
    *right = colon + 1;
    return true;
}

static bool cut_suffix(char *text, const char *suffix)
{
    size_t n = strlen(text), k = strlen(suffix);
    if (n < k || strcmp(text + n - k, suffix)) return false;
    text[n - k] = 0;
    return true;
}

bool value_mount(char *text, char **host, char **guest, bool *writable)
{
    char *found = NULL;
    *writable = cut_suffix(text, ":rw");
    if (!*writable) cut_suffix(text, ":ro");
    for (char *at = strstr(text, ":/"); at; at = strstr(at + 1, ":/")) found = at;
    if (!found || found == text) return false;
    *found = 0;
    *host = text;
    *guest = found + 1;
    return true;
}

void printable(char *to, const char *from, size_t size)
{
    size_t n = 0;
    for (; n + 1 < size && from[n]; n++) to[n] = (unsigned char)from[n] < ' ' || from[n] == 127 ? '?' : from[n];
    to[n] = 0;
}
