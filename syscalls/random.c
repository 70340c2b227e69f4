// The guest's randomness: the host's, or in deterministic mode a ChaCha20 stream keyed by the seed (RFC 8439).
#include "host/entropy.h"
#include "syscalls/kernel.h"
#include <string.h>

static uint32_t rotate(uint32_t v, int n)
{
    return v << n | v >> (32 - n);
}

static void quarter(uint32_t *s, int a, int b, int c, int d)
{
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 7);
}

// entropy_state: 32 bytes of key, 4 of block counter, 12 of nonce (0), the rest unused.
static void chacha_block(uint8_t *state, uint32_t out[16])
{
    uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(in + 4, state, 48);
    memcpy(out, in, sizeof in);
    for (int i = 0; i < 10; i++) {
        quarter(out, 0, 4, 8, 12), quarter(out, 1, 5, 9, 13), quarter(out, 2, 6, 10, 14), quarter(out, 3, 7, 11, 15);
        quarter(out, 0, 5, 10, 15), quarter(out, 1, 6, 11, 12), quarter(out, 2, 7, 8, 13), quarter(out, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++) out[i] += in[i];
    in[12]++;
    memcpy(state + 32, in + 12, 4);
}

void box_random(struct box *box, void *buf, size_t n)
{
    if (!box->deterministic) {
        host_entropy(buf, n);
        return;
    }
    for (uint8_t *at = buf; n;) {
        uint32_t block[16];
        size_t part = n < sizeof block ? n : sizeof block;
        chacha_block(box->entropy_state, block);
        memcpy(at, block, part);
        at += part;
        n -= part;
    }
}

enum { CHUNK = 256, MAX_BYTES = 33554431, YIELD_BYTES = 1 << 20 };

int64_t sys_getrandom(struct task *t, const uint64_t a[6])
{
    uint8_t chunk[CHUNK];
    uint64_t want = a[1] < MAX_BYTES ? a[1] : MAX_BYTES, flags = (uint32_t)a[2];
    if (flags & ~(uint64_t)(LX_GRND_NONBLOCK | LX_GRND_RANDOM | LX_GRND_INSECURE)) return -LX_EINVAL;
    if ((flags & (LX_GRND_RANDOM | LX_GRND_INSECURE)) == (LX_GRND_RANDOM | LX_GRND_INSECURE)) return -LX_EINVAL;
    while (t->sys.done < want) {
        size_t part = want - t->sys.done < CHUNK ? want - t->sys.done : CHUNK;
        box_random(t->box, chunk, part);
        int err = copy_to_user(t, a[0] + t->sys.done, chunk, part);
        if (err == -LX_EPARK) return err;
        if (err) return t->sys.done ? (int64_t)t->sys.done : err;
        t->sys.done += part;
        if (t->sys.done % YIELD_BYTES == 0) return task_yield(t);
    }
    return (int64_t)want;
}
