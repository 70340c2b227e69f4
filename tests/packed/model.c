// packed-model: a packed image on a server that is only pretended (world.h), read as a disk server does. Whatever
// comes in whatever order: a chunk that is told of has the right bytes; what was wanted comes or fails, once; what was
// not wanted comes only if the hot file has it; nothing is waited for that nobody brings. Where nothing goes wrong,
// nothing fails; where things are wrong the first time only, neither.
//
//     packed-model [--seed N] [--first N] [--cases N] [--seconds S]
#include "tests/packed/world.h"
#include "tests/store/campaign.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum wanted { UNWANTED, WANTED, CAME, FAILED };

struct reader {
    struct world *w;
    struct pool *pool;
    struct source *source;
    enum wanted state[WORLD_CHUNKS];
    bool opened, ended, old; // old: opened as another version than the world's
    uint8_t content[WORLD_CHUNKS];
};
struct counts {
    uint64_t cases, opened, ended, chunks, failed, remembered;
};

static void wrong(const char *what)
{
    printf("WRONG %s\n", what);
    fflush(stdout);
    abort();
}

static void on_opened(void *ctx)
{
    struct reader *r = ctx;
    if (r->opened || r->ended) wrong("opened twice, or after its end");
    r->opened = true;
}

static void on_chunk(void *ctx, uint32_t i, const void *bytes)
{
    struct reader *r = ctx;
    uint8_t key[POOL_KEY];
    if (!r->opened) wrong("a chunk before the opening");
    if (i >= r->source->chunks || !r->content[i]) wrong("a chunk that is none");
    if (memcmp(bytes, r->w->contents->chunk[r->content[i]], MANIFEST_CHUNK)) wrong("bytes");
    if (r->state[i] == UNWANTED && !r->w->in_hot[i] && r->w->hot_is_right) wrong("a chunk that nobody wanted");
    if (r->state[i] == CAME) wrong("a chunk came twice");
    r->state[i] = CAME;
    if (r->source->ops->key(r->source, i, key) && !pool_find(r->pool, key)) pool_add(r->pool, key, bytes);
}

static void on_failed(void *ctx, uint32_t i, const char *why)
{
    struct reader *r = ctx;
    if (i >= r->source->chunks || r->state[i] != WANTED) wrong("a failure of what was not wanted");
    if (!*why || strlen(why) >= SOURCE_WHY) wrong("no line");
    r->state[i] = FAILED;
}

static void on_ended(void *ctx, const char *why)
{
    struct reader *r = ctx;
    if (r->ended || !*why) wrong("ended twice, or without a line");
    r->ended = true;
}

static void want_some(struct reader *r)
{
    uint8_t key[POOL_KEY];
    uint32_t first = rng_below(&r->w->rng, r->source->chunks), n = 1 + rng_below(&r->w->rng, 6);
    for (uint32_t i = first; i < r->source->chunks && i < first + n; i++) {
        if (r->state[i] != UNWANTED || !r->source->ops->key(r->source, i, key)) continue;
        if (pool_find(r->pool, key) && rng_below(&r->w->rng, 8))
            continue; // as a disk server; what has come may come again
        r->state[i] = WANTED;
        r->source->ops->want(r->source, i, 1, rng_below(&r->w->rng, 2) ? SOURCE_NOW : SOURCE_AHEAD);
        if (r->state[i] == WANTED && rng_below(&r->w->rng, 4) == 0)
            r->source->ops->want(r->source, i, 1, SOURCE_NOW); // somebody waits for it now
    }
}

static void run(struct reader *r, struct http *h)
{
    while (!r->opened && !r->ended) http_run(h, NULL, 0, -1);
    if (!r->opened) return;
    if (r->source->ops->check && rng_below(&r->w->rng, 2)) r->source->ops->check(r->source);
    for (unsigned k = rng_below(&r->w->rng, 40); k && !r->ended; k--) {
        if (rng_below(&r->w->rng, 2)) want_some(r);
        for (unsigned i = rng_below(&r->w->rng, 20); i && http_busy(h); i--) http_run(h, NULL, 0, -1);
    }
    while (http_busy(h)) http_run(h, NULL, 0, -1);
    for (uint32_t i = 0; !r->ended && i < r->source->chunks; i++) // what has only been guessed may have been left
        if (r->state[i] == WANTED) r->source->ops->want(r->source, i, 1, SOURCE_NOW);
    while (http_busy(h)) http_run(h, NULL, 0, -1);
}

static void look(const struct reader *r, struct counts *c)
{
    bool fine = !r->w->damaged || r->w->wrong == WRONG_ONCE;
    if (fine && r->ended && !r->old) wrong("ended without a reason");
    c->opened += r->opened;
    c->ended += r->ended;
    for (uint32_t i = 0; r->opened && i < r->source->chunks; i++) {
        if (r->state[i] == WANTED && !r->ended) wrong("waited for, and nobody brings it");
        if (r->state[i] == FAILED && fine) wrong("failed without a reason");
        c->chunks += r->state[i] == CAME;
        c->failed += r->state[i] == FAILED;
    }
}

static void read_once(struct world *w, struct pool *pool, const uint8_t *content, bool old, struct counts *c)
{
    struct reader r = {.w = w, .pool = pool, .old = old};
    const struct source_events events = {&r, on_opened, on_chunk, on_failed, on_ended};
    struct http *h = world_http(w);
    w->damaged = false;
    memcpy(r.content, content, sizeof r.content);
    r.source = source_packed(h, pool, "http://server/image/manifest", &events);
    if (!r.source) wrong("no source");
    // What the pool knows is what was last read; else it is the server's.
    c->remembered += r.opened;
    if (!r.opened) memcpy(r.content, w->content, sizeof r.content), r.old = false;
    run(&r, h);
    look(&r, c);
    r.source->ops->close(r.source);
    http_close(h);
}

// Once, again from what is remembered, and once the server has another version.
static void run_case(const struct world_contents *contents, uint64_t number, struct counts *c)
{
    struct world w;
    uint8_t before[WORLD_CHUNKS];
    world_make(&w, contents, number);
    struct pool *pool = world_pool(&w);
    c->cases++;
    memcpy(before, w.content, sizeof before);
    read_once(&w, pool, before, false, c);
    if (rng_below(&w.rng, 2)) read_once(&w, pool, before, false, c);
    if (rng_below(&w.rng, 2)) {
        memcpy(before, w.content, sizeof before);
        world_remake_image(&w);
        read_once(&w, pool, before, true, c);
    }
    world_pool_free(pool);
    world_free(&w);
}

int main(int argc, char **argv)
{
    static struct world_contents contents;
    struct counts c = {0};
    const struct campaign run_of = campaign_of(argc, argv);
    world_contents_make(&contents);
    for (uint64_t number = run_of.first; campaign_goes_on(&run_of, number); number++)
        run_case(&contents, run_of.seed * 1000003 + number, &c);
    printf("packed-model: seed %llu: %llu cases: %llu openings, %llu of them from memory, %llu ends, %llu chunks came, "
           "%llu failed\n",
           (unsigned long long)run_of.seed, (unsigned long long)c.cases, (unsigned long long)c.opened,
           (unsigned long long)c.remembered, (unsigned long long)c.ended, (unsigned long long)c.chunks,
           (unsigned long long)c.failed);
    return !c.remembered || !c.failed;
}
