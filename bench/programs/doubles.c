// Scalar floating point: a spectral norm, LU decomposition, planets, Mandelbrot points and libm. doubles ROUNDS
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 96, POINTS = 96 };
static double matrix[N][N], right[N];

static double spectral(void)
{
    static double u[N], v[N];
    for (int i = 0; i < N; i++) u[i] = 1;
    double uv = 0, vv = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) {
            v[i] = 0;
            for (int j = 0; j < N; j++) v[i] += u[j] / ((i + j) * (i + j + 1) / 2 + i + 1);
        }
        for (int i = 0; i < N; i++) {
            u[i] = 0;
            for (int j = 0; j < N; j++) u[i] += v[j] / ((i + j) * (i + j + 1) / 2 + j + 1);
        }
    }
    for (int i = 0; i < N; i++) uv += u[i] * v[i], vv += v[i] * v[i];
    return sqrt(uv / vv);
}

static void fill(double seed)
{
    for (int i = 0; i < N; i++) {
        right[i] = i % 7 - 3;
        for (int j = 0; j < N; j++) matrix[i][j] = (i == j) * N + fmod(seed * (i * 31 + j * 17 + 1), 1.0);
    }
}

static double solve(void)
{
    for (int k = 0; k < N; k++) {
        for (int i = k + 1; i < N; i++) {
            double f = matrix[i][k] / matrix[k][k];
            for (int j = k; j < N; j++) matrix[i][j] -= f * matrix[k][j];
            right[i] -= f * right[k];
        }
    }
    double norm = 0;
    for (int i = N; i-- > 0;) {
        for (int j = i + 1; j < N; j++) right[i] -= matrix[i][j] * right[j];
        right[i] /= matrix[i][i];
        norm += fabs(right[i]);
    }
    return norm;
}

static int mandelbrot(void)
{
    int inside = 0;
    for (int row = 0; row < POINTS; row++) {
        for (int column = 0; column < POINTS; column++) {
            double x = 0, y = 0, a = column * 3.0 / POINTS - 2, b = row * 2.0 / POINTS - 1;
            int n = 0;
            for (; n < 100 && x * x + y * y < 4; n++) {
                double t = x * x - y * y + a;
                y = 2 * x * y + b;
                x = t;
            }
            inside += n == 100;
        }
    }
    return inside;
}

static double library(double seed)
{
    double sum = 0;
    for (int i = 1; i < 4000; i++) sum += sin(seed * i) * exp(-i / 1000.0) + log(i + seed) + pow(i, 0.3);
    return sum;
}

int main(int argc, char **argv)
{
    double sum = 0;
    for (int r = argc > 1 ? atoi(argv[1]) : 1; r > 0; r--) {
        fill(0.137 + r * 1e-3);
        sum += spectral() + solve() + mandelbrot() + library(r * 0.01);
    }
    printf("%.9g\n", sum);
    return 0;
}
