// Integer C: sieve, hashing, sorting and a small interpreter loop, no libc in the hot part.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 1 << 16 };
static uint8_t sieve[N];
static uint32_t data[N];

static unsigned primes(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N; i++) sieve[i] = 0;
    for (unsigned i = 2; i < N; i++) {
        if (sieve[i]) continue;
        n++;
        for (unsigned j = 2 * i; j < N; j += i) sieve[j] = 1;
    }
    return n;
}

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    return x * 0x846ca68bu;
}

static void sift(unsigned root, unsigned end)
{
    for (unsigned child; (child = 2 * root + 1) < end; root = child) {
        if (child + 1 < end && data[child] < data[child + 1]) child++;
        if (data[root] >= data[child]) return;
        uint32_t t = data[root];
        data[root] = data[child];
        data[child] = t;
    }
}

static void heap_sort(void)
{
    for (unsigned i = N / 2; i-- > 0;) sift(i, N);
    for (unsigned end = N - 1; end > 0; end--) {
        uint32_t t = data[0];
        data[0] = data[end];
        data[end] = t;
        sift(0, end);
    }
}

static uint32_t run_code(uint32_t acc, unsigned steps)
{
    static const uint8_t code[] = {0, 3, 1, 7, 2, 5, 3, 0, 4, 1, 0, 9};
    for (unsigned pc = 0; steps--; pc = (pc + 2) % sizeof code) {
        switch (code[pc]) {
        case 0:
            acc += code[pc + 1];
            break;
        case 1:
            acc ^= acc << code[pc + 1];
            break;
        case 2:
            acc = acc >> code[pc + 1] | acc << (32 - code[pc + 1]);
            break;
        case 3:
            acc = mix(acc);
            break;
        default:
            acc *= 2654435761u;
            break;
        }
    }
    return acc;
}

int main(int argc, char **argv)
{
    uint32_t sum = 0;
    for (int r = argc > 1 ? atoi(argv[1]) : 1; r > 0; r--) {
        sum += primes();
        for (unsigned i = 0; i < N; i++) data[i] = mix(i + sum);
        heap_sort();
        sum ^= data[N / 3] + run_code(sum, 1 << 18);
    }
    printf("%u\n", sum);
    return 0;
}
