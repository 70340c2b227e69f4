// SSE2 by intrinsics: dot products and polynomials of floats and doubles, blended pixels, saturating sums, masks. sse
// ROUNDS
#include <emmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 8192 };
static _Alignas(16) float floats[N];
static _Alignas(16) double doubles[N];
static _Alignas(16) uint8_t front[N], back[N];

static double dot(void)
{
    __m128 sum = _mm_setzero_ps();
    for (int i = 0; i < N; i += 4) {
        __m128 x = _mm_load_ps(floats + i);
        sum = _mm_add_ps(sum, _mm_mul_ps(x, _mm_sub_ps(x, _mm_shuffle_ps(x, x, 0x1b))));
    }
    _Alignas(16) float part[4];
    _mm_store_ps(part, sum);
    return part[0] + part[1] + part[2] + part[3];
}

static double polynomial(void)
{
    __m128d sum = _mm_setzero_pd(), a = _mm_set1_pd(0.25), b = _mm_set1_pd(-0.5);
    for (int i = 0; i < N; i += 2) {
        __m128d x = _mm_load_pd(doubles + i);
        __m128d y = _mm_add_pd(_mm_mul_pd(_mm_add_pd(_mm_mul_pd(x, a), b), x), a);
        sum = _mm_add_pd(sum, _mm_div_pd(y, _mm_add_pd(_mm_sqrt_pd(x), a)));
    }
    _Alignas(16) double part[2];
    _mm_store_pd(part, sum);
    return part[0] + part[1];
}

// back = front * a + back * (255 - a), in sixteen bits a channel
static void blend(int alpha)
{
    __m128i zero = _mm_setzero_si128(), a = _mm_set1_epi16((short)alpha), b = _mm_set1_epi16((short)(255 - alpha));
    for (int i = 0; i < N; i += 16) {
        __m128i f = _mm_load_si128((__m128i *)(front + i)), g = _mm_load_si128((__m128i *)(back + i));
        __m128i low = _mm_add_epi16(_mm_mullo_epi16(_mm_unpacklo_epi8(f, zero), a),
                                    _mm_mullo_epi16(_mm_unpacklo_epi8(g, zero), b));
        __m128i high = _mm_add_epi16(_mm_mullo_epi16(_mm_unpackhi_epi8(f, zero), a),
                                     _mm_mullo_epi16(_mm_unpackhi_epi8(g, zero), b));
        _mm_store_si128((__m128i *)(back + i), _mm_packus_epi16(_mm_srli_epi16(low, 8), _mm_srli_epi16(high, 8)));
    }
}

static unsigned differences(void)
{
    __m128i sum = _mm_setzero_si128();
    unsigned equal = 0;
    for (int i = 0; i < N; i += 16) {
        __m128i f = _mm_load_si128((__m128i *)(front + i)), g = _mm_load_si128((__m128i *)(back + i));
        sum = _mm_add_epi64(sum, _mm_sad_epu8(_mm_max_epu8(f, g), _mm_adds_epu8(f, g)));
        equal += (unsigned)__builtin_popcount((unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(f, g)));
    }
    return equal + (unsigned)_mm_cvtsi128_si32(sum) + (unsigned)_mm_cvtsi128_si32(_mm_srli_si128(sum, 8));
}

int main(int argc, char **argv)
{
    double sum = 0;
    unsigned count = 0;
    for (int i = 0; i < N; i++) floats[i] = (float)(i % 97) / 97, doubles[i] = i % 89 / 8.0;
    for (int i = 0; i < N; i++) front[i] = (uint8_t)(i * 7), back[i] = (uint8_t)(i * 13 >> 3);
    for (int r = argc > 1 ? atoi(argv[1]) : 1; r > 0; r--) {
        sum += dot() + polynomial();
        blend(r & 255);
        count += differences();
        floats[r % N] += 0.5f;
    }
    printf("%.9g %u\n", sum, count);
    return 0;
}
