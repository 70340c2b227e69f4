// pool-fuzz: any bytes as the pool's index. Never a crash or a hang; and what is found has the content of its key: an
// entry counts only while its sum is right.
//
//     pool-fuzz [--seed N] [--first N] [--cases N] [--seconds S]
//
// A case is a function of the seed and its number: a small pool whose index is changed in some places (mostly head,
// chains and entries), cut off, or filled with random bytes; then users find and add, and a command looks and clears.
// Of some chunks only parts are there.
#include "disk/pool_files.h"
#include "tests/store/campaign.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "content.h"

enum {
    CHUNKS = 24,
    LIMIT = 30,
    MAX_CHANGES = 6,
    COPIED = INDEX_ENTRIES_AT + INDEX_STEP * (int)sizeof(struct index_entry)
};

struct fuzz {
    char path[64], index[96];
    uint8_t *good; // the index's first COPIED bytes, of a pool with CHUNKS chunks and some notes
    uint64_t cases, found, lost, opened;
};

static void fail(const struct fuzz *f, const char *what)
{
    fprintf(stderr, "FAILED: case %llu: %s\n", (unsigned long long)f->cases, what);
    abort();
}

static struct pool *open_pool(struct fuzz *f)
{
    char why[POOL_WHY];
    struct pool *p;
    if (pool_open(&p, f->path, LIMIT * POOL_CHUNK, why)) fail(f, why);
    f->opened++;
    return p;
}

static uint32_t parts_of(uint64_t number)
{
    return number % 3 ? 1 + number % POOL_ALL : POOL_ALL;
}

static void add_parts(struct fuzz *f, struct pool *p, uint64_t number, uint32_t parts)
{
    struct pool_place at = content_find_parts(p, number);
    for (unsigned i = 0; i < POOL_PARTS; i++) {
        struct pool_place now = parts >> i & 1 ? content_add_part(p, number, i, at) : at;
        if (now.slot && (!content_has(p, now, number) || at.parts & ~now.parts)) fail(f, "added other parts");
        if (now.slot) at = now;
    }
}

static void make_good(struct fuzz *f)
{
    struct pool *p = open_pool(f);
    for (uint64_t i = 0; i < CHUNKS; i++) add_parts(f, p, i, parts_of(i));
    for (uint64_t i = 0; i < CHUNKS; i++)
        if (content_find_parts(p, i).parts != parts_of(i)) fail(f, "no room");
    for (uint64_t i = 0; i < CHUNKS; i++) pool_set_note(p, (char[]){(char)('a' + i), 0}, &i, sizeof i);
    pool_close(p);
    int fd = open(f->index, O_RDONLY | O_CLOEXEC);
    if (pread(fd, f->good, COPIED, 0) != COPIED) exit(2);
    close(fd);
}

// ---------------------------------------------------------------- changes

static uint64_t interesting(uint64_t *random, uint64_t was)
{
    static const uint64_t values[] = {
        0,   1,          2,          POOL_SLOTS, POOL_SLOTS - 1, INDEX_STEP, INDEX_STEP * 2,
        255, UINT32_MAX, UINT64_MAX, 1ull << 63, 0x7fffffff};
    uint64_t x = content_next(random);
    switch (x % 4) {
    case 0:
        return values[(x >> 8) % (sizeof values / sizeof *values)];
    case 1:
        return was + (x >> 8) % 9 - 4;
    case 2:
        return (x >> 8) % (CHUNKS + 2); // a slot in use
    default:
        return was ^ 1ull << (x >> 8) % 64;
    }
}

// Mostly where something is.
static size_t place(uint64_t *random, const uint8_t *index)
{
    uint64_t x = content_next(random), first;
    switch (x % 8) {
    case 0:
    case 1:
        return (size_t)((x >> 8) % sizeof(struct index_head));
    case 2:
    case 3: { // a chain's begin
        const struct index_entry *e = (const struct index_entry *)(index + INDEX_ENTRIES_AT) + (x >> 8) % (CHUNKS + 1);
        memcpy(&first, e->key, 8);
        return INDEX_BUCKETS_AT + (size_t)(first * 0x9e3779b97f4a7c15u >> 46) * 4;
    }
    case 4:
        return INDEX_NOTES_AT + (size_t)((x >> 8) % (INDEX_ENTRIES_AT - INDEX_NOTES_AT));
    default:
        return INDEX_ENTRIES_AT + (size_t)((x >> 8) % ((CHUNKS + 4) * sizeof(struct index_entry)));
    }
}

// What belongs to one slot gets into another one's place, whole or a part of it.
static void mix_up(uint64_t *random, uint8_t *index)
{
    struct index_entry *e = (struct index_entry *)(index + INDEX_ENTRIES_AT);
    uint64_t from = 1 + content_next(random) % CHUNKS, to = 1 + content_next(random) % (CHUNKS + 2);
    memcpy(&e[to], &e[from], content_next(random) % 2 ? sizeof *e : POOL_KEY + POOL_PROOF);
}

static void change(uint64_t *random, uint8_t *index)
{
    uint64_t x = content_next(random), n = 1 + x % MAX_CHANGES, value;
    if ((x >> 40) % 4 == 0) mix_up(random, index);
    while (n-- > 0) {
        size_t width = content_next(random) & 1 ? 4 : 8, at = place(random, index) / width * width;
        memcpy(&value, index + at, 8);
        value = interesting(random, value);
        memcpy(index + at, &value, width);
    }
    struct index_head *h = (struct index_head *)index;
    if ((x >> 16) % 2) h->dirty = (uint32_t)(x >> 17) % 2; // is what leads to entries made anew?
    if ((x >> 32) % 8) h->sum = index_head_sum(h);
}

static void write_index(const struct fuzz *f, const uint8_t *bytes, size_t n, off_t length)
{
    int fd = open(f->index, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (pwrite(fd, bytes, n, 0) != (ssize_t)n || ftruncate(fd, length)) exit(2);
    close(fd);
}

// What the case before has done to the content, and to the files that the head names.
static void restore(const struct fuzz *f)
{
    static uint8_t chunk[POOL_CHUNK];
    struct stat blocks, pins;
    char path[96];
    struct index_head *h = (struct index_head *)f->good;
    snprintf(path, sizeof path, "%s/pins", f->path);
    if (stat(path, &pins)) exit(2);
    snprintf(path, sizeof path, "%s/blocks", f->path);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    for (uint64_t i = 0; i < CHUNKS; i++) { // the first one is in slot 1
        content_chunk(i, chunk);
        for (unsigned k = 0; k < POOL_PARTS; k++) // what is not there is nothing that was ever added
            if (!(parts_of(i) >> k & 1)) memset(chunk + k * POOL_PART, 0xee, POOL_PART);
        if (pwrite(fd, chunk, POOL_CHUNK, (off_t)(i + 1) * POOL_CHUNK) != POOL_CHUNK) exit(2);
    }
    if (ftruncate(fd, BLOCKS_BYTES) || fstat(fd, &blocks)) exit(2);
    close(fd);
    h->file = blocks.st_ino;
    h->pins = pins.st_ino;
    h->sum = index_head_sum(h);
}

// ---------------------------------------------------------------- a case

static void find_and_add(struct fuzz *f, uint64_t *random)
{
    struct pool *p = open_pool(f);
    for (uint64_t i = 0; i < CHUNKS * 2; i++) {
        struct pool_place at = content_find_parts(p, i);
        if (at.slot && !content_has(p, at, i)) fail(f, "found something else");
        if (at.slot) f->found++;
        if (!at.slot && i < CHUNKS) f->lost++;
    }
    for (int i = 0; i < 12; i++) {
        uint64_t any = content_next(random), number = any % (CHUNKS * 4), value;
        uint32_t slot = any >> 32 & 1 ? content_add(p, number) : 0;
        if (slot && !content_is(p, slot, number)) fail(f, "added something else");
        if (!(any >> 32 & 1)) add_parts(f, p, number, any >> 33 & POOL_ALL);
        size_t n = pool_note(p, (char[]){(char)('a' + number % CHUNKS), 0}, &value, sizeof value);
        if (n && (n != sizeof value || value != number % CHUNKS)) fail(f, "noted something else");
    }
    pool_close(p);
}

static void run_case(struct fuzz *f, uint64_t seed, uint64_t number, uint8_t *index)
{
    uint64_t random = seed ^ number * 0xd1342543de82ef95;
    struct pool_info info;
    char why[POOL_WHY];
    uint64_t x = content_next(&random);
    memcpy(index, f->good, COPIED);
    if (x % 16 == 0)
        for (size_t i = 0; i + 8 <= COPIED; i += 8) {
            uint64_t word = content_next(&random);
            memcpy(index + i, &word, 8);
        }
    if (x % 16) change(&random, index);
    if (x % 16 == 1)
        write_index(f, index, COPIED, (off_t)((x >> 8) % INDEX_BYTES));
    else
        write_index(f, index, COPIED, INDEX_BYTES);
    (void)pool_info(f->path, &info, why);
    find_and_add(f, &random);
    find_and_add(f, &random); // what the first one left
    if (pool_info(f->path, &info, why)) fail(f, why);
    if ((x >> 4) % 64 == 0 && pool_clear(f->path, why)) fail(f, why);
    f->cases++;
}

int main(int argc, char **argv)
{
    const struct campaign run = campaign_of(argc, argv);
    static struct fuzz f;
    uint8_t *index = malloc(COPIED);
    f.good = malloc(COPIED);
    if (!index || !f.good) return 2;
    content_directory(f.path);
    snprintf(f.index, sizeof f.index, "%s/index", f.path);
    make_good(&f);
    for (uint64_t number = run.first; time(NULL) < run.end && number - run.first < run.cases; number++) {
        restore(&f);
        run_case(&f, run.seed, number, index);
    }
    content_remove(f.path);
    printf("pool-fuzz: seed %llu: %llu cases, %llu chunks found, %llu lost\n", (unsigned long long)run.seed,
           (unsigned long long)f.cases, (unsigned long long)f.found, (unsigned long long)f.lost);
    free(f.good);
    free(index);
    return 0;
}
