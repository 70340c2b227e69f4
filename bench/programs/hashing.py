# Hashing: hashlib over small and large pieces, zlib's sums, and hash() of what dictionaries have as keys.
import hashlib, hmac, sys, zlib
from fractions import Fraction
large = bytes(range(256)) * 1024
small = [b"message %d" % i for i in range(400)]
keys = [(i, i + 1, i * 0.5) for i in range(800)] + [Fraction(i, 7) for i in range(60)] + [i ** 9 for i in range(800)]
n = 0
for r in range(int(sys.argv[1])):
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "sha3_256"):
        h = hashlib.new(name, large[:65536])
        for m in small: h.update(m)
        n += h.digest()[r % 16]
        n += sum(hashlib.new(name, m).digest()[0] for m in small[:100])
    n += hmac.new(b"key", large[:20000], "sha256").digest()[0] + zlib.crc32(large, r) + zlib.adler32(large, r)
    n += hashlib.pbkdf2_hmac("sha256", b"pass", b"salt", 500)[0]
    for _ in range(4): n += sum(hash(k) & 0xff for k in keys) + len(set(keys)) + len(frozenset(keys[:500]))
print(n)
