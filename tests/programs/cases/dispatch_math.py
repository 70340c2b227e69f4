# glibc's mathematical functions by the FMA code that it chooses on a CPU of level v3, bit by bit.
# package: python3.11-minimal libc6
# engines: interp eager lockstep
# options: --cpu v3
import cmath
import math
import struct

functions = (
    math.sin, math.cos, math.tan, math.asinh, math.atan, math.exp, math.expm1, math.log1p, math.sinh, math.tanh, math.erf, math.erfc,
    math.gamma, math.lgamma, math.log, math.log2, math.log10, math.sqrt, math.cbrt, math.exp2,
)
for f in functions:
    words = [struct.pack("d", f(i / 97)) for i in range(1, 400)]
    print(f.__name__, [w.hex() for w in words[::7]])
for x in (1e-300, 5e-324, 0.1, 1.0, 3.0, 1e22, 1e300):
    print(x, [f(x).hex() if isinstance(f(x), float) else f(x) for f in (math.sin, math.cos, math.tan, math.atan, math.log, math.sqrt)])
    print([math.pow(x, y).hex() for y in (0.5, -0.9, 1 / 3)], math.atan2(x, 0.3).hex(), math.hypot(x, 0.7).hex(), math.fmod(x, 0.7).hex())
print([cmath.exp(complex(0.1 * i, 3.0 * i)) for i in range(20)], cmath.sqrt(-2 + 1e-9j), cmath.log(1e-5j))
print(sum(math.sin(i) * math.cos(i) for i in range(10000)).hex(), math.fsum(1 / i for i in range(1, 10000)).hex())
