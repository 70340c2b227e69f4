// AVX2 and FMA by intrinsics: matrix product, gathers, byte shuffles and searches, permutations, variable shifts. avx2
// ROUNDS
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define AVX2 __attribute__((target("avx2,fma,bmi,bmi2,popcnt")))
enum { N = 64, BYTES = 16384, TABLE = 4096 };
static _Alignas(32) float left[N][N], right[N][N], product[N][N];
static _Alignas(32) uint8_t text[BYTES];
static _Alignas(32) int32_t table[TABLE];

// Some rows at a time: qemu-x86_64 needs 0.1 us for an FMA.
AVX2 static void multiply(int first)
{
    for (int i = first; i < first + 4; i++) {
        for (int j = 0; j < N; j += 16) {
            __m256 a = _mm256_setzero_ps(), b = a;
            for (int k = 0; k < N; k++) {
                __m256 x = _mm256_broadcast_ss(&left[i][k]);
                a = _mm256_fmadd_ps(x, _mm256_load_ps(&right[k][j]), a);
                b = _mm256_fmadd_ps(x, _mm256_load_ps(&right[k][j + 8]), b);
            }
            _mm256_store_ps(&product[i][j], a);
            _mm256_store_ps(&product[i][j + 8], b);
        }
    }
}

// A walk of eight through the table, each step's index the last step's value.
AVX2 static uint32_t gather(void)
{
    __m256i at = _mm256_setr_epi32(1, 2, 3, 5, 7, 11, 13, 17), sum = at, mask = _mm256_set1_epi32(TABLE - 1);
    for (int i = 0; i < 2000; i++) {
        at = _mm256_and_si256(_mm256_i32gather_epi32(table, at, 4), mask);
        sum = _mm256_add_epi32(_mm256_xor_si256(sum, _mm256_srlv_epi32(at, _mm256_set1_epi32(i & 7))),
                               _mm256_permutevar8x32_epi32(at, _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0)));
    }
    _Alignas(32) uint32_t part[8];
    _mm256_store_si256((__m256i *)part, sum);
    return part[0] ^ part[1] ^ part[2] ^ part[3] ^ part[4] ^ part[5] ^ part[6] ^ part[7];
}

// The bits of each byte by a table of nibbles, and how often one byte occurs.
AVX2 static uint64_t scan(uint8_t wanted)
{
    __m256i bits = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    __m256i low = _mm256_set1_epi8(15), zero = _mm256_setzero_si256(), sum = zero;
    uint64_t found = 0;
    for (int i = 0; i < BYTES; i += 32) {
        __m256i x = _mm256_load_si256((__m256i *)(text + i));
        __m256i n = _mm256_add_epi8(_mm256_shuffle_epi8(bits, _mm256_and_si256(x, low)),
                                    _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(n, zero));
        unsigned hits = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, _mm256_set1_epi8((char)wanted)));
        for (; hits; hits = _blsr_u32(hits)) found += _tzcnt_u32(hits) ^ (unsigned)i;
    }
    return found + (uint64_t)(_mm256_extract_epi64(sum, 0) + _mm256_extract_epi64(sum, 3));
}

AVX2 static uint32_t run(int rounds)
{
    uint32_t sum = 0;
    for (int r = rounds; r > 0; r--) {
        multiply(r % 16 * 4);
        left[r % N][0] = product[r % N][1] / 4096;
        sum += gather() + (uint32_t)scan((uint8_t)r) + (uint32_t)product[3][r % N];
        table[r % TABLE] ^= r;
    }
    return sum;
}

int main(int argc, char **argv)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        puts("no AVX2");
        return 1;
    }
    for (int i = 0; i < N * N; i++) left[i / N][i % N] = (float)(i % 11) / 8, right[i / N][i % N] = (float)(i % 13) / 4;
    for (int i = 0; i < BYTES; i++) text[i] = (uint8_t)(i * 31 >> 2);
    for (int i = 0; i < TABLE; i++) table[i] = (int32_t)(i * 2654435761u >> 7);
    printf("%u\n", run(argc > 1 ? atoi(argv[1]) : 1));
    return 0;
}
