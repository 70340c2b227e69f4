// Memory: copies of all sizes, streams over arrays that miss the caches, a chase of pointers, scattered updates, and a
// small allocator's traffic. memory ROUNDS
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 1 << 20, NODES = 1 << 18, SLOTS = 512 };
static uint64_t a[WORDS], b[WORDS];
static uint32_t next[NODES];
static void *slots[SLOTS];

// One cycle through all nodes, in an order no prefetcher guesses.
static void link_nodes(void)
{
    static uint32_t order[NODES];
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; i < NODES; i++) order[i] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint32_t j = (uint32_t)(random % i), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < NODES; i++) next[order[i]] = order[(i + 1) % NODES];
}

static uint64_t stream(uint64_t k)
{
    uint64_t sum = 0;
    for (int i = 0; i < WORDS; i++) a[i] = b[i] * 3 + k;
    for (int i = 0; i < WORDS; i++) sum += a[i] ^ b[(unsigned)i * 17 % WORDS];
    return sum;
}

static void copies(void)
{
    char *from = (char *)a, *to = (char *)b;
    for (size_t size = 1; size < sizeof a / 4; size += size / 2 + 1) {
        for (size_t at = 0; at + size < sizeof a / 8; at += size + (size < 4096 ? 4099 : 0))
            memcpy(to + at, from + at + 1, size);
    }
    memmove(to + 8, to, sizeof b / 2);
    memset(from + 64, 0x5a, sizeof a / 16);
}

static uint32_t chase(uint32_t at)
{
    for (int i = 0; i < NODES; i++) at = next[at];
    return at;
}

static void scatter(uint64_t k)
{
    for (uint64_t i = 0; i < WORDS / 4; i++) b[(i * 0x9e3779b97f4a7c15u + k) >> 44] += i;
}

static uint64_t allocate(uint64_t k)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned at = (unsigned)(i * 7 + k) % SLOTS;
        size_t size = 16 + (i * 37 + k) % 700;
        free(slots[at]);
        slots[at] = malloc(size);
        if (!slots[at]) abort();
        memset(slots[at], (int)i, 16);
        sum += *(unsigned char *)slots[(at + 9) % SLOTS ? at : 0];
    }
    return sum;
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    uint32_t at = 0;
    link_nodes();
    for (int i = 0; i < SLOTS; i++) slots[i] = calloc(1, 16);
    for (int i = 0; i < WORDS; i++) b[i] = (uint64_t)i * i;
    for (int r = argc > 1 ? atoi(argv[1]) : 1; r > 0; r--) {
        sum += stream(sum) + allocate((uint64_t)r);
        copies();
        at = chase(at + 1 < NODES ? at + 1 : 0);
        scatter(sum & 0xff);
        sum ^= at;
    }
    printf("%llu\n", (unsigned long long)sum);
    return 0;
}
