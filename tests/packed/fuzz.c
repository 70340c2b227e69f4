// packed-fuzz: any bytes as a manifest, as a hot file, as a compressed chunk (disk/manifest.h, disk/packed.h). What is
// let through must be readable to the last byte it names, and be what its hash says; a build with AddressSanitizer
// sees a read beyond the bytes. What comes from a server in pieces is packed-model's.
//
//     packed-fuzz [--seed N] [--first N] [--cases N] [--seconds S]
#include "disk/packed.h"
#include "disk/sha256.h"
#include "tests/insn/values.h"
#include "tests/store/campaign.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNKS = 24, MAX_CHANGES = 6, SAMPLES = 6 };

struct sample {
    uint8_t *at;
    size_t n;
};
struct fuzz {
    struct rng rng;
    struct packed_codec *codec;
    struct sha256 sha256;
    struct manifest manifest; // a right one, of the samples in turns
    struct sample file, hot, stored[SAMPLES];
    uint64_t cases, manifests, hots, chunks;
    char chunk[MANIFEST_CHUNK];
};

static void must(bool good)
{
    if (!good) abort();
}

static struct sample copy(const void *bytes, size_t n)
{
    struct sample s = {malloc(n ? n : 1), n};
    must(s.at);
    memcpy(s.at, bytes, n);
    return s;
}

// ---------------------------------------------------------------- what is right

static void make_chunks(struct fuzz *f)
{
    static uint8_t stored[MANIFEST_STORED_MAX];
    struct packed_codec *pack;
    char why[MANIFEST_WHY];
    must(!packed_codec_open(&pack, true, why));
    f->manifest.head =
        (struct manifest_head){.bytes = CHUNKS * (uint64_t)MANIFEST_CHUNK, .chunk = MANIFEST_CHUNK, .chunks = CHUNKS};
    memcpy(f->manifest.head.magic, MANIFEST_MAGIC, sizeof f->manifest.head.magic);
    must((f->manifest.chunk = calloc(CHUNKS, sizeof *f->manifest.chunk)) != NULL);
    for (unsigned k = 0; k < SAMPLES; k++) {
        for (unsigned i = 0; i < MANIFEST_CHUNK; i++)
            f->chunk[i] = (char)(rng_below(&f->rng, SAMPLES) <= k ? rng_next(&f->rng) : i / 100);
        size_t n = packed_pack(pack, f->chunk, stored, 1 + (int)k * 4);
        must(n > 0);
        f->stored[k] = copy(stored, n);
        for (unsigned i = k; i < CHUNKS; i += SAMPLES) {
            packed_hash(pack, f->chunk, &f->manifest.chunk[i]);
            f->manifest.chunk[i].stored = (uint32_t)n;
        }
    }
    packed_codec_close(pack);
}

static void make_file(struct fuzz *f)
{
    manifest_digest(&f->sha256, &f->manifest, f->manifest.head.digest);
    f->file.n = (size_t)manifest_size(&f->manifest.head);
    must((f->file.at = malloc(f->file.n)) != NULL);
    memcpy(f->file.at, &f->manifest.head, sizeof f->manifest.head);
    memcpy(f->file.at + sizeof f->manifest.head, f->manifest.chunk, f->file.n - sizeof f->manifest.head);
}

static void make_hot(struct fuzz *f)
{
    static uint8_t
        hot[sizeof(struct manifest_hot_head) + SAMPLES * (sizeof(struct manifest_hot) + MANIFEST_STORED_MAX)];
    struct manifest_hot_head head = {.chunks = SAMPLES};
    memcpy(head.magic, MANIFEST_HOT_MAGIC, sizeof head.magic);
    memcpy(head.digest, f->manifest.head.digest, sizeof head.digest);
    memcpy(hot, &head, sizeof head);
    size_t n = sizeof head + SAMPLES * sizeof(struct manifest_hot);
    for (uint32_t k = 0; k < SAMPLES; k++) {
        struct manifest_hot h = {k, (uint32_t)f->stored[k].n};
        memcpy(hot + sizeof head + k * sizeof h, &h, sizeof h);
        memcpy(hot + n, f->stored[k].at, f->stored[k].n);
        n += f->stored[k].n;
    }
    f->hot = copy(hot, n);
}

// ---------------------------------------------------------------- what is read

static void try_manifest(struct fuzz *f, const struct sample *s)
{
    struct manifest m;
    char why[MANIFEST_WHY] = "", name[MANIFEST_NAME];
    uint64_t any = 0;
    if (manifest_parse(&m, s->at, s->n, why)) {
        must(*why && strlen(why) < MANIFEST_WHY);
        manifest_free(&m);
        return;
    }
    f->manifests++;
    must(m.head.bytes <= (uint64_t)m.head.chunks * MANIFEST_CHUNK && m.head.bytes);
    for (uint32_t i = 0; i < m.head.chunks; i++) {
        manifest_chunk_name(&m.chunk[i], name);
        must(m.chunk[i].stored <= MANIFEST_STORED_MAX && manifest_is_zero(&m.chunk[i]) == !m.chunk[i].stored);
        any += strlen(name);
    }
    must(any == m.head.chunks * 74ull);
    manifest_free(&m);
}

static void try_hot(struct fuzz *f, const struct sample *s)
{
    char why[MANIFEST_WHY] = "";
    if (packed_hot_verify(f->codec, &f->manifest, s->at, s->n, why))
        must(*why && strlen(why) < MANIFEST_WHY);
    else
        f->hots++;
}

static void try_chunk(struct fuzz *f, const struct sample *s)
{
    uint8_t digest[MANIFEST_HASH];
    const struct manifest_chunk *c = &f->manifest.chunk[rng_below(&f->rng, CHUNKS)];
    if (packed_unpack(f->codec, c, s->at, s->n, f->chunk) != PACKED_RIGHT) return;
    f->chunks++;
    sha256_add(&f->sha256, f->chunk, MANIFEST_CHUNK);
    sha256_end(&f->sha256, digest);
    must(!memcmp(digest, c->hash, sizeof digest));
}

// ---------------------------------------------------------------- cases

static void change(struct fuzz *f, const struct sample *s, size_t most)
{
    static const uint32_t values[] = {
        0, 1, 0xff, 4096, MANIFEST_CHUNK, MANIFEST_STORED_MAX, MANIFEST_STORED_MAX + 1, CHUNKS, INT32_MAX, UINT32_MAX};
    uint32_t value = values[rng_below(&f->rng, sizeof values / sizeof *values)];
    if (s->n < 4) return;
    if (most > s->n) most = s->n;
    size_t at = rng_below(&f->rng, (unsigned)most - 3);
    switch (rng_below(&f->rng, 3)) {
    case 0:
        s->at[at] ^= (uint8_t)(1 << rng_below(&f->rng, 8));
        break;
    case 1:
        memcpy(s->at + at / 4 * 4, &value, sizeof value);
        break;
    default:
        memcpy(s->at + at, s->at + rng_below(&f->rng, (unsigned)s->n - 3), 4);
    }
}

// Mostly with the digest put right, so that it is the numbers that are judged.
static void put_right(struct fuzz *f, const struct sample *s)
{
    struct manifest m;
    if (s->n < sizeof m.head || s->n % sizeof *m.chunk != sizeof m.head % sizeof *m.chunk) return;
    memcpy(&m.head, s->at, sizeof m.head);
    m.head.chunks = (uint32_t)((s->n - sizeof m.head) / sizeof *m.chunk);
    m.chunk = (struct manifest_chunk *)(s->at + sizeof m.head);
    manifest_digest(&f->sha256, &m, ((struct manifest_head *)s->at)->digest);
}

static void run_case(struct fuzz *f, uint64_t seed, uint64_t number)
{
    f->rng = (struct rng){seed ^ number * 0xd1342543de82ef95};
    unsigned what = rng_below(&f->rng, 8);
    const struct sample *from = what < 5 ? &f->file : what < 7 ? &f->stored[rng_below(&f->rng, SAMPLES)] : &f->hot;
    size_t cut = rng_below(&f->rng, 8) ? from->n : rng_below(&f->rng, (unsigned)from->n + 1);
    struct sample s = copy(from->at, cut);
    size_t most = rng_below(&f->rng, 2) ? s.n : 200; // mostly in what is at the beginning
    for (unsigned i = rng_below(&f->rng, MAX_CHANGES); i; i--) change(f, &s, most);
    if (what < 5) {
        if (rng_below(&f->rng, 4)) put_right(f, &s);
        try_manifest(f, &s);
    } else if (what < 7) {
        try_chunk(f, &s);
    } else {
        try_hot(f, &s);
    }
    free(s.at);
    f->cases++;
}

int main(int argc, char **argv)
{
    static struct fuzz f = {.rng = {1}};
    char why[MANIFEST_WHY];
    const struct campaign run = campaign_of(argc, argv);
    must(!packed_codec_open(&f.codec, false, why) && sha256_open(&f.sha256, why, sizeof why));
    make_chunks(&f);
    make_file(&f);
    make_hot(&f);
    for (uint64_t number = run.first; campaign_goes_on(&run, number); number++) run_case(&f, run.seed, number);
    printf("packed-fuzz: seed %llu: %llu cases; let through: %llu manifests, %llu hot files, %llu chunks\n",
           (unsigned long long)run.seed, (unsigned long long)f.cases, (unsigned long long)f.manifests,
           (unsigned long long)f.hots, (unsigned long long)f.chunks);
    bool all = f.manifests && f.hots && f.chunks;
    for (unsigned k = 0; k < SAMPLES; k++) free(f.stored[k].at);
    free(f.file.at);
    free(f.hot.at);
    manifest_free(&f.manifest);
    packed_codec_close(f.codec);
    sha256_close(&f.sha256);
    return !all;
}
