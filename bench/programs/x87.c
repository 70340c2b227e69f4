// 80 bit floating point: series, Horner's rule, a triangular solve and libm's long double functions. x87 ROUNDS
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 64 };
static long double matrix[N][N], right[N];

static long double series(long double x)
{
    long double sum = 0, term = 1;
    for (int i = 1; i < 60; i++) {
        sum += term;
        term *= x / i;
    }
    return sum;
}

static long double horner(long double x)
{
    static const long double coefficient[] = {0.5L, -1.25L, 3, 0.125L, -7.5L, 2.25L, 1, -0.75L};
    long double y = 0;
    for (unsigned i = 0; i < sizeof coefficient / sizeof *coefficient; i++) y = y * x + coefficient[i];
    return y;
}

static long double solve(int seed)
{
    for (int i = 0; i < N; i++) {
        right[i] = i % 5 - 2;
        for (int j = 0; j <= i; j++) matrix[i][j] = (i * 7 + j * 3 + seed) % 11 - 5;
        matrix[i][i] = N + i;
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < i; j++) right[i] -= matrix[i][j] * right[j];
        right[i] /= matrix[i][i];
    }
    return right[N - 1];
}

static long double library(long double x)
{
    return sinl(x) + cosl(x) * sqrtl(x) + atan2l(x, 3) + expl(-x) + log1pl(x);
}

int main(int argc, char **argv)
{
    long double sum = 0;
    for (int r = argc > 1 ? atoi(argv[1]) : 1; r > 0; r--) {
        long double x = r % 100 / 50.0L;
        for (int i = 0; i < 40; i++) sum += series(x - i / 40.0L) + horner(x + i / 10.0L) + library(x + i);
        sum += solve(r);
        sum += (long double)(long long)(sum * 3) / 1024;
        sum = fmodl(sum, 100000);
    }
    printf("%.12Lg\n", sum);
    return 0;
}
