# Big integers: digits of pi, factorials, powers modulo a prime, greatest common divisors, decimal text.
import math, sys
sys.set_int_max_str_digits(0)
def pi_digits(n):
    q, r, t, k, m, x, out = 1, 0, 1, 1, 3, 3, 0
    count = 0
    while count < n:
        if 4 * q + r - t < m * t:
            out = (out * 10 + m) % 1000000007
            count += 1
            q, r, m = 10 * q, 10 * (r - m * t), 10 * (3 * q + r) // t - 10 * m
        else:
            q, r, t, k, m, x = q * k, (2 * q + r) * x, t * x, k + 1, (q * (7 * k + 2) + r * x) // (t * x), x + 2
    return out
prime = 2 ** 521 - 1
total = 0
for r in range(1, int(sys.argv[1]) + 1):
    total += pi_digits(300)
    f = math.factorial(1500) // math.factorial(700)
    total += len(str(f)) + int(str(f)[::-1]) % 997
    for base in range(3, 13): total += pow(base, prime - 2 - r, prime) % 1009
    a, b = 3 ** 900 * 5 ** 300, 3 ** 700 * 7 ** 300 + r
    total += math.gcd(a, b) % 10007 + math.isqrt(a * b) % 10007 + (a * a >> 1200) % 10007 + (a ^ b).bit_count()
print(total)
