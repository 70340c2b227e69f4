# Programs and libraries that choose their code by CPUID (glibc, OpenSSL, zlib, zstd, coreutils), at both levels of the CPU.
# package: openssl zstd gzip xz-utils coreutils
# image: python3-test
# options: --cpu v2
# options: --cpu v3
# differs: s/[0-9]+\.[0-9]+k/Nk/; s/^(version|built on|options|compiler|CPUINFO): .*/\1/; s/ {2,}/ /g
cd /tmp || exit
python3 - <<'END'
import random
random.seed(5)
words = [bytes(random.choices(range(97, 123), k=random.randrange(2, 12))) for _ in range(3000)]
with open("text", "wb") as f:
    f.write(b" ".join(random.choices(words, k=60000)))
    f.write(random.randbytes(60001))
END
wc text; cksum text; sum text; md5sum text; sha1sum text; sha224sum text; sha256sum text; sha384sum text; sha512sum text; b2sum text
cksum -a sysv text; cksum -a sm3 text; base64 text | sha256sum; tr a-y b-z <text | sort | uniq -c | sha256sum; tac text | sha256sum

for d in md5 sha1 sha256 sha512 sha3-256 shake256 blake2s256 blake2b512 ripemd160 sm3; do openssl dgst -$d text; done
key=00112233445566778899aabbccddeeff
for c in aes-128-cbc aes-192-cfb aes-256-ctr aes-128-ecb aes-256-ofb camellia-128-cbc aria-128-ctr sm4-cbc des-ede3-cbc chacha20; do
    openssl enc -$c -K $key$key -iv $key -in text -out $c.enc 2>/dev/null
    openssl enc -d -$c -K $key$key -iv $key -in $c.enc 2>/dev/null | cmp - text && sha256sum $c.enc
done
openssl enc -aes-256-cbc -pbkdf2 -iter 2000 -S 0102030405060708 -pass pass:jar -in text | sha256sum
openssl genpkey -algorithm ed25519 -out ed.pem && openssl pkeyutl -sign -rawin -inkey ed.pem -in text -out sig && wc -c <sig
openssl pkey -in ed.pem -pubout -out ed.pub && openssl pkeyutl -verify -rawin -pubin -inkey ed.pub -in text -sigfile sig
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem && openssl dgst -sha256 -sign ec.pem -out ec.sig text
openssl ec -in ec.pem -pubout -out ec.pub 2>/dev/null && openssl dgst -sha256 -verify ec.pub -signature ec.sig text
openssl genrsa -out rsa.pem 1024 2>/dev/null && openssl dgst -sha256 -sign rsa.pem -out rsa.sig text
openssl rsa -in rsa.pem -pubout -out rsa.pub 2>/dev/null && openssl dgst -sha256 -verify rsa.pub -signature rsa.sig text
openssl rand -hex 16 | wc -c
openssl speed -seconds 1 -bytes 1024 -evp aes-128-gcm 2>/dev/null
openssl speed -seconds 1 -bytes 1024 -evp sha256 2>/dev/null
openssl prime 1000000007; openssl prime -hex FFFFFFFFFFFFFFC5

for level in 1 3 9 19; do zstd -q -$level <text | tee packed | sha256sum; zstd -q -d <packed | cmp - text; done
zstd -q --long -T1 --check <text | zstd -t && echo intact
for tool in gzip bzip2 xz; do $tool -6c <text | tee packed | wc -c; $tool -dc <packed | cmp - text; done

python3 - <<'END'
import binascii, hashlib, hmac, zlib
data = open("/tmp/text", "rb").read()
for name in sorted(hashlib.algorithms_available):
    h = hashlib.new(name, data)
    print(name, h.hexdigest(32) if h.digest_size == 0 else h.hexdigest())
print(hashlib.pbkdf2_hmac("sha512", b"jar", b"bell", 1000).hex(), hashlib.scrypt(b"jar", salt=b"bell", n=64, r=8, p=1).hex())
print(hmac.new(b"k", data, "sha256").hexdigest(), zlib.crc32(data), zlib.adler32(data), binascii.crc_hqx(data, 7))
for level in (1, 6, 9):
    packed = zlib.compress(data, level)
    print(level, hashlib.sha256(packed).hexdigest(), zlib.decompress(packed) == data)
print(data.count(b"abc"), data.find(b"zzzz"), data.rfind(b"q "), data.upper()[:60], data.isalpha(), len(data.split()))
END
