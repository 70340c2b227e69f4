// store-fuzz: any bytes as a file of the code cache (jit/store.h). What store_check lets through must be readable to
// the last byte it names, whatever the numbers say; a build with AddressSanitizer sees a read beyond the file.
//
//     store-fuzz [--seed N] [--first N] [--cases N] [--seconds S]
//
// A case is a function of the seed and its number: a file of a few shards, changed in some places (mostly in its
// tables; mostly with the sum of the head put right, so that it is the numbers that are judged), cut off, or random.
#include "campaign.h"
#include "fake.h"
#include "tests/insn/values.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS = 4, MAX_CHANGES = 8 };

struct file {
    uint8_t *bytes;
    size_t n, tables; // of the head and what is behind it
};

struct counts {
    uint64_t cases, let_through, sections, misses;
};

static void *aligned(size_t n)
{
    void *at;
    if (posix_memalign(&at, STORE_PAGE, n ? n : 1)) exit(2);
    return at;
}

// What commit makes of some shards, as bytes. Their place in memory ends with them.
static struct file make_seed(unsigned which)
{
    char path[FAKE_DIRECTORY];
    struct store s;
    const char *why;
    int dir = fake_directory(path);
    if (fake_write(dir, which * 10, which * 3, which, UINT64_MAX) || !codecache_open(dir, fake_key, &s, &why)) {
        // The first has no shards at all, and nothing new to write: it is made by leaving all of them out.
        if (fake_write(dir, 0, 1, 1, 0) || !codecache_open(dir, fake_key, &s, &why)) exit(2);
    }
    struct file f = {.bytes = aligned(s.bytes), .n = s.bytes, .tables = s.head->code_at};
    memcpy(f.bytes, s.data, s.bytes);
    ((struct store_head *)f.bytes)->top = STORE_TOP_MIN; // what was random
    ((struct store_head *)f.bytes)->generation = which;
    ((struct store_head *)f.bytes)->sum = store_head_sum((struct store_head *)f.bytes);
    codecache_close(&s);
    close(dir);
    fake_remove(path);
    return f;
}

// ---------------------------------------------------------------- the readers, all of them

static uint64_t read_section(const struct store *s, const struct store_shard *shard, int which, struct counts *c)
{
    const uint8_t *at = store_section(s, shard, (enum store_section)which);
    uint64_t any = 0;
    c->sections++;
    c->misses += !at;
    for (uint64_t i = 0; at && i < shard->section[which].bytes; i++) any += at[i];
    return any;
}

static uint64_t read_all(const struct store *s, struct counts *c)
{
    const struct store_head *h = s->head;
    const struct store_memo *m = store_memos(s);
    uint64_t any = 0;
    for (uint32_t i = 0; i < h->nshards; i++) {
        const struct store_shard *shard = &store_shards(s)[i];
        if (store_find(s, shard) != shard) abort();
        for (int k = 0; k < STORE_SECTIONS; k++) any += read_section(s, shard, k, c);
    }
    for (uint32_t i = 0; i < h->nmemos; i++)
        if (store_digest(s, m[i].image, m[i].inode) != m[i].digest) abort();
    struct store_shard none = fake_id(1234567);
    if (store_find(s, &none)) any++;
    if (store_digest(s, (const uint8_t *)"no image at all", 5)) any++;
    // The code as it would be mapped.
    for (uint64_t i = 0; i < h->code_bytes; i += 64) any += s->data[h->code_at + i];
    return any;
}

static void try(const uint8_t *bytes, size_t n, bool stamped, struct counts *c)
{
    const char *why;
    c->cases++;
    if (!store_check(bytes, n, fake_key, &why)) {
        if (!why) abort();
        return;
    }
    struct store s = {
        .head = (const struct store_head *)bytes, .data = bytes, .bytes = n, .fd = -1, .stamped = stamped};
    c->let_through++;
    volatile uint64_t any = read_all(&s, c);
    (void)any;
}

// ---------------------------------------------------------------- cases

static uint64_t interesting(struct rng *r, uint64_t was, size_t n)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      4095,
                                      4096,
                                      4097,
                                      1 << 20,
                                      (1 << 20) - 1,
                                      STORE_MAX_SHARDS,
                                      1 << 30,
                                      UINT32_MAX,
                                      1ull << 32,
                                      1ull << 63,
                                      UINT64_MAX,
                                      UINT64_MAX - 4095};
    uint64_t x = rng_next(r);
    switch (x % 8) {
    case 0:
        return values[(x >> 8) % (sizeof values / sizeof *values)];
    case 1:
        return was + (x >> 8) % 17 - 8;
    case 2:
        return was + ((x >> 8) % 9 - 4) * STORE_PAGE;
    case 3:
        return n - (x >> 8) % 3 * STORE_PAGE;
    case 4:
        return x >> 8;
    case 5:
        return ((x >> 8) % (n / STORE_PAGE + 1)) * STORE_PAGE;
    default:
        return was ^ 1ull << (x >> 8) % 64;
    }
}

struct change {
    size_t at, width;
    uint64_t was;
};

// A number of 4 or 8 bytes, mostly in the tables; sometimes what another place has.
static struct change change_one(struct rng *r, const struct file *f)
{
    size_t used = sizeof(struct store_head) + ((struct store_head *)f->bytes)->nshards * sizeof(struct store_shard) +
                  ((struct store_head *)f->bytes)->nmemos * sizeof(struct store_memo);
    if (used > f->tables) used = f->tables;
    uint64_t x = rng_next(r);
    size_t most = x % 8 == 0 ? f->n : x % 8 < 3 ? sizeof(struct store_head) : used;
    struct change c = {.width = x >> 8 & 1 ? 4 : 8};
    c.at = (size_t)(rng_next(r) % (most / c.width)) * c.width;
    memcpy(&c.was, f->bytes + c.at, c.width);
    uint64_t value = interesting(r, c.was, f->n);
    if ((x >> 16) % 4 == 0) memcpy(&value, f->bytes + (size_t)(rng_next(r) % (used / 8)) * 8, 8);
    memcpy(f->bytes + c.at, &value, c.width);
    return c;
}

// Where the tables end must be in the file, or there is no sum of them.
static void put_right(const struct file *f)
{
    struct store_head *h = (struct store_head *)f->bytes;
    uint64_t tables =
        sizeof *h + (uint64_t)h->nshards * sizeof(struct store_shard) + (uint64_t)h->nmemos * sizeof(struct store_memo);
    if (tables <= f->n) h->sum = store_head_sum(h);
}

static void try_changed(struct rng *r, const struct file *f, struct counts *c)
{
    struct change changes[MAX_CHANGES];
    uint64_t sum = ((struct store_head *)f->bytes)->sum, x = rng_next(r);
    unsigned n = 1 + (unsigned)(x % MAX_CHANGES);
    for (unsigned i = 0; i < n; i++) changes[i] = change_one(r, f);
    if ((x >> 8) % 8) put_right(f);
    try(f->bytes, f->n, x >> 16 & 1, c);
    ((struct store_head *)f->bytes)->sum = sum;
    while (n-- > 0) memcpy(f->bytes + changes[n].at, &changes[n].was, changes[n].width);
}

// In memory that ends where the file does.
static void try_cut(struct rng *r, const struct file *f, struct counts *c)
{
    uint64_t x = rng_next(r);
    size_t n = (size_t)((x >> 8) % f->n);
    if (x & 1) n &= ~(size_t)(STORE_PAGE - 1);
    uint8_t *copy = aligned(n);
    memcpy(copy, f->bytes, n);
    if (x & 2 && n >= f->tables) {
        ((struct store_head *)copy)->bytes = n;
        put_right(&(struct file){copy, n, f->tables});
    }
    try(copy, n, x >> 16 & 1, c);
    free(copy);
}

static void try_random(struct rng *r, struct counts *c)
{
    size_t n = (size_t)(rng_next(r) % 20000);
    uint8_t *bytes = aligned(n);
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t word = rng_next(r);
        if (word % 3 == 0) word &= 0xffff;
        memcpy(bytes + i, &word, 8);
    }
    if (n >= sizeof(struct store_head)) { // as far as the key at least
        struct store_head *h = (struct store_head *)bytes;
        memcpy(h->magic, STORE_MAGIC, sizeof h->magic);
        memcpy(h->key, fake_key, STORE_DIGEST);
        h->version = STORE_VERSION;
        h->bytes = n;
        put_right(&(struct file){bytes, n, 0});
    }
    try(bytes, n, true, c);
    free(bytes);
}

static void run_case(uint64_t seed, uint64_t number, const struct file *files, struct counts *c)
{
    struct rng r = {seed ^ number * 0xd1342543de82ef95};
    uint64_t x = rng_next(&r);
    const struct file *f = &files[x % SEEDS];
    if ((x >> 8) % 16 == 0)
        try_random(&r, c);
    else if ((x >> 8) % 16 == 1)
        try_cut(&r, f, c);
    else
        try_changed(&r, f, c);
}

int main(int argc, char **argv)
{
    struct file files[SEEDS];
    struct counts c = {0};
    const struct campaign run = campaign_of(argc, argv);
    for (unsigned i = 0; i < SEEDS; i++) files[i] = make_seed(i);
    for (uint64_t number = run.first; campaign_goes_on(&run, number); number++) run_case(run.seed, number, files, &c);
    for (unsigned i = 0; i < SEEDS; i++) { // nothing has changed them
        struct counts again = {0};
        try(files[i].bytes, files[i].n, false, &again);
        if (!again.let_through || again.misses) abort();
        free(files[i].bytes);
    }
    printf("store-fuzz: seed %llu: %llu cases, %llu let through, %llu sections of them read, %llu with a wrong sum\n",
           (unsigned long long)run.seed, (unsigned long long)c.cases, (unsigned long long)c.let_through,
           (unsigned long long)c.sections, (unsigned long long)c.misses);
    return 0;
}
