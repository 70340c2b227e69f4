# Permutations: small integers, list slices.
import sys
def fannkuch(n):
    best = check = 0
    p = list(range(n)); count = [0] * n; sign = 1
    while True:
        if p[0]:
            q = p[:]; flips = 0; k = q[0]
            while k:
                q[:k + 1] = q[k::-1]
                flips += 1
                k = q[0]
            best = max(best, flips); check += sign * flips
        if sign == 1:
            p[0], p[1] = p[1], p[0]
        else:
            p[1], p[2] = p[2], p[1]
            for i in range(2, n):
                if count[i] < i:
                    count[i] += 1
                    break
                count[i] = 0
                if i == n - 1: return best, check
                p[:i + 2] = p[1:i + 2] + p[:1]
        sign = -sign
for _ in range(int(sys.argv[1])): result = fannkuch(9)
print(*result)
