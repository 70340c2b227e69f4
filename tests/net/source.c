// net-source: wants pieces of a plain image through disk/source_plain.c, as a disk server does, and compares them with
// the file that it is.
//
//     net-source [OPTION...] URL FILE
//     --pool DIRECTORY (else a private one)  --seed N  --wants N (each of some pieces, now or ahead)
//     --tries N  --stall SECONDS  --check
//     --local: FILE as source_file.c gives it, URL is not used
//
// Prints `OPENED` if a note opened it, `SIZE N` if the server has a shorter file, then `OK pieces N failed N requests
// N`, or `ENDED` and the line. A piece that cannot be had is no failure of this program: `FAILED` and the line, once.
// Status 3: a byte was wrong, or a piece came that nobody had asked for, or twice.
#include "disk/source.h"
#include "tests/insn/values.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPENING = 8 }; // pieces that come with the opening

struct drive {
    const char *url, *path, *pool_path;
    uint64_t seed, wants;
    bool check, local;
    struct http_options options;
    struct rng rng;
    const uint8_t *file;
    uint64_t size;
    struct source *source;
    uint8_t *pending;
    uint64_t npending, wanted, came, failed;
    bool opened, ended;
};

static void wrong(const char *what)
{
    printf("WRONG %s\n", what);
    exit(3);
}

static void arrived(struct drive *d, uint32_t piece)
{
    if (!d->pending[piece]) wrong("nobody asked for this piece");
    d->pending[piece] = 0;
    d->npending--;
}

static void opened(void *ctx)
{
    struct drive *d = ctx;
    d->opened = true;
}

static void piece_came(void *ctx, uint32_t piece, const void *bytes)
{
    struct drive *d = ctx;
    uint64_t at = (uint64_t)piece * POOL_PART;
    size_t n = d->size - at < POOL_PART ? (size_t)(d->size - at) : POOL_PART;
    if (at >= d->size || memcmp(bytes, d->file + at, n)) wrong("bytes");
    for (size_t i = n; i < POOL_PART; i++)
        if (((const uint8_t *)bytes)[i]) wrong("no zeros behind the end");
    if (piece >= OPENING || d->pending[piece]) arrived(d, piece);
    d->came++;
}

static void piece_failed(void *ctx, uint32_t piece, const char *why)
{
    struct drive *d = ctx;
    if (d->failed++ == 0) printf("FAILED %s\n", why);
    if (piece >= OPENING || d->pending[piece]) arrived(d, piece);
}

static void ended(void *ctx, const char *why)
{
    struct drive *d = ctx;
    printf("ENDED %s\n", why);
    if (d->ended) wrong("ended twice");
    d->ended = true;
}

static void want_some(struct drive *d)
{
    uint32_t pieces = (uint32_t)((d->size + POOL_PART - 1) / POOL_PART);
    uint32_t first = (uint32_t)(rng_next(&d->rng) % pieces), n = 1 + (uint32_t)(rng_next(&d->rng) % 40);
    for (uint32_t i = first; i < pieces && i - first < n; i++) {
        d->npending += !d->pending[i];
        d->pending[i] = 1;
    }
    d->wanted++;
    d->source->ops->want(d->source, first, n, rng_next(&d->rng) % 2 ? SOURCE_NOW : SOURCE_AHEAD);
}

static void run(struct drive *d, struct http *h)
{
    while (!d->ended && !d->opened) http_run(h, NULL, 0, 10000);
    if (d->ended) return;
    if (d->source->bytes != d->size) printf("SIZE %llu\n", (unsigned long long)d->source->bytes);
    if (d->source->bytes > d->size) wrong("size");
    d->size = d->source->bytes; // of the file's beginning
    if (d->check && d->source->ops->check) d->source->ops->check(d->source);
    while (!d->ended && (d->wanted < d->wants || d->npending)) {
        if (d->wanted < d->wants && d->npending < 100) want_some(d);
        if (!d->ended && d->npending) http_run(h, NULL, 0, 10000);
    }
    while (http_busy(h)) http_run(h, NULL, 0, 10000);
}

static void map(struct drive *d)
{
    struct stat st;
    int fd = open(d->path, O_RDONLY);
    if (!d->local && fd < 0) exit(2); // else the source is to say it
    if (fd >= 0 && fstat(fd, &st)) exit(2);
    d->size = fd >= 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    d->pending = calloc(d->size / POOL_PART + 1, 1);
    d->file = d->size ? mmap(NULL, d->size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (!d->pending || d->file == MAP_FAILED) exit(2);
    if (fd >= 0) close(fd);
}

static void take(struct drive *d, int argc, char **argv)
{
    int i = 1;
    for (; i < argc - 2; i++) {
        uint64_t n = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--check"))
            d->check = true;
        else if (!strcmp(argv[i], "--local"))
            d->local = true;
        else {
            if (!strcmp(argv[i], "--pool")) d->pool_path = argv[i + 1];
            if (!strcmp(argv[i], "--seed")) d->seed = n;
            if (!strcmp(argv[i], "--wants")) d->wants = n;
            if (!strcmp(argv[i], "--tries")) d->options.tries = (unsigned)n;
            if (!strcmp(argv[i], "--stall")) d->options.stall_seconds = (unsigned)n;
            i++;
        }
    }
    if (i != argc - 2) exit(2);
    d->url = argv[i];
    d->path = argv[i + 1];
}

int main(int argc, char **argv)
{
    struct drive d = {.seed = 1, .wants = 30, .pool_path = "none"};
    char why[HTTP_WHY];
    struct http *h;
    struct pool *pool;
    const struct source_events events = {&d, opened, piece_came, piece_failed, ended};
    take(&d, argc, argv);
    d.rng = (struct rng){d.seed};
    map(&d);
    if (pool_open(&pool, d.pool_path, 0, why) || http_open(&h, &d.options, why)) {
        printf("OPEN %s\n", why);
        return 2;
    }
    d.source = d.local ? source_file(d.path, &events) : source_plain(h, pool, d.url, &events);
    if (!d.source) return 2;
    if (d.opened) printf("OPENED\n");
    run(&d, h);
    if (!d.ended)
        printf("OK pieces %llu failed %llu requests %llu\n", (unsigned long long)d.came, (unsigned long long)d.failed,
               (unsigned long long)http_counts(h).requests);
    http_close(h);
    d.source->ops->close(d.source);
    pool_close(pool);
    free(d.pending);
    return d.ended;
}
