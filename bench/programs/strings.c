// String code: libc's searches and comparisons, formatting and parsing, qsort and a hash table of words. strings ROUNDS
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 4096, LONGEST = 24, BUCKETS = 8192 };
static char words[WORDS][LONGEST], text[WORDS * LONGEST];
static const char *sorted[WORDS];
static uint16_t table[BUCKETS];

static void make_words(uint32_t seed)
{
    char *end = text;
    for (int i = 0; i < WORDS; i++) {
        seed = seed * 1664525 + 1013904223;
        int n = snprintf(words[i], LONGEST, "%x%.*s", seed >> 12, (int)(seed >> 8 & 7), "lorem ip");
        memcpy(end, words[i], (size_t)n);
        end += n;
        *end++ = i % 9 ? ' ' : '\n';
    }
    end[-1] = 0;
}

static uint32_t search(void)
{
    uint32_t sum = 0;
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        sum += (uint32_t)strspn(line, "0123456789abcdef") + (uint32_t)(end - line);
        const char *found = strstr(line, "lorem");
        sum += found && found < end ? (uint32_t)(found - line) : 1;
        sum ^= memchr(line, 'f', (size_t)(end - line)) != NULL;
    }
    return sum + (uint32_t)strlen(text) + (uint32_t)(strrchr(text, 'l') - text);
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static uint32_t sort(void)
{
    for (int i = 0; i < WORDS; i++) sorted[i] = words[i];
    qsort(sorted, WORDS, sizeof *sorted, by_text);
    return (uint32_t)(sorted[WORDS / 2] - words[0]) + (uint32_t)memcmp(sorted[0], sorted[1], LONGEST) % 3;
}

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    while (*s) h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}

// Open addressing: an entry is the word's index + 1.
static uint32_t count_words(void)
{
    uint32_t probes = 0;
    memset(table, 0, sizeof table);
    for (int i = 0; i < WORDS; i++) {
        uint32_t at = hash(words[i]) % BUCKETS;
        while (table[at] && strcmp(words[table[at] - 1], words[i]) != 0) at = (at + 1) % BUCKETS, probes++;
        table[at] = (uint16_t)(i + 1);
    }
    return probes;
}

static uint32_t convert(void)
{
    uint32_t sum = 0;
    char copy[2 * LONGEST];
    for (int i = 0; i < WORDS; i += 4) {
        strcpy(copy, words[i]);
        strncat(copy, words[i + 1], LONGEST - 1);
        for (char *p = copy; *p; p++) *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
        sum += (uint32_t)strtoul(copy, NULL, 16) + (uint32_t)strnlen(copy, LONGEST);
    }
    return sum;
}

int main(int argc, char **argv)
{
    uint32_t sum = 0;
    for (int r = argc > 1 ? atoi(argv[1]) : 1; r > 0; r--) {
        make_words((uint32_t)r);
        sum = sum * 31 + search() + sort() + count_words() + convert();
    }
    printf("%u\n", sum);
    return 0;
}
