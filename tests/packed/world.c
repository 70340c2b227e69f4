// See world.h.
#include "tests/packed/world.h"
#include "disk/sha256.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void must(bool good)
{
    if (!good) abort();
}

static uint32_t below(struct world *w, uint32_t n)
{
    return rng_below(&w->rng, n);
}

static void *copy(const void *bytes, size_t n)
{
    void *at = malloc(n ? n : 1); // exactly so long: AddressSanitizer sees what reads on
    must(at);
    memcpy(at, bytes, n);
    return at;
}

// ---------------------------------------------------------------- the image

void world_contents_make(struct world_contents *c)
{
    struct rng r = {1};
    struct packed_codec *codec;
    char why[MANIFEST_WHY];
    must(!packed_codec_open(&codec, true, why));
    for (unsigned k = 1; k < WORLD_CONTENTS; k++)
        for (unsigned i = 0; i < MANIFEST_CHUNK; i++) // from easy to compress to impossible
            c->chunk[k][i] = (char)(rng_below(&r, WORLD_CONTENTS) < k ? rng_next(&r) : k);
    for (unsigned k = 0; k < WORLD_CONTENTS; k++) {
        packed_hash(codec, c->chunk[k], &c->of[k]);
        if (k) must((c->of[k].stored = (uint32_t)packed_pack(codec, c->chunk[k], c->stored[k], 1)) > 0);
    }
    packed_codec_close(codec);
}

static void make_manifest(struct world *w)
{
    struct manifest_chunk chunk[WORLD_CHUNKS];
    struct manifest m = {.chunk = chunk};
    struct sha256 s;
    char why[MANIFEST_WHY];
    m.head = (struct manifest_head){.bytes = (uint64_t)w->chunks * MANIFEST_CHUNK - below(w, MANIFEST_CHUNK),
                                    .chunk = MANIFEST_CHUNK,
                                    .chunks = w->chunks};
    memcpy(m.head.magic, MANIFEST_MAGIC, sizeof m.head.magic);
    for (uint32_t i = 0; i < w->chunks; i++) chunk[i] = w->contents->of[w->content[i]];
    must(sha256_open(&s, why, sizeof why));
    manifest_digest(&s, &m, m.head.digest);
    sha256_close(&s);
    free(w->manifest.at);
    w->manifest.n = (size_t)manifest_size(&m.head);
    must((w->manifest.at = malloc(w->manifest.n)) != NULL);
    memcpy(w->manifest.at, &m.head, sizeof m.head);
    memcpy(w->manifest.at + sizeof m.head, chunk, w->manifest.n - sizeof m.head);
}

static void make_hot(struct world *w)
{
    struct manifest_hot_head head = {0};
    struct manifest_hot list[WORLD_CHUNKS];
    uint8_t *at = malloc(WORLD_HOT);
    memcpy(head.magic, MANIFEST_HOT_MAGIC, sizeof head.magic);
    memcpy(head.digest, ((struct manifest_head *)w->manifest.at)->digest, sizeof head.digest);
    memset(w->in_hot, 0, sizeof w->in_hot);
    for (uint32_t k = below(w, WORLD_CHUNKS); k; k--) {
        uint32_t i = below(w, w->chunks);
        if (w->in_hot[i] || !w->content[i]) continue;
        w->in_hot[i] = 1;
        list[head.chunks++] = (struct manifest_hot){i, w->contents->of[w->content[i]].stored};
    }
    must(at);
    size_t n = sizeof head + head.chunks * sizeof *list;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, list, head.chunks * sizeof *list);
    for (uint32_t i = 0; i < head.chunks; i++) {
        memcpy(at + n, w->contents->stored[w->content[list[i].index]], list[i].stored);
        n += list[i].stored;
    }
    free(w->hot.at);
    w->hot = (struct bytes){copy(at, n), n};
    w->hot_chunks = head.chunks;
    free(at);
}

// What somebody has made of it who can write there.
static void spoil_hot(struct world *w)
{
    static const uint32_t edges[] = {0, 1, WORLD_CHUNKS, MANIFEST_STORED_MAX, MANIFEST_STORED_MAX + 1, UINT32_MAX};
    size_t front = sizeof(struct manifest_hot_head) + w->hot_chunks * sizeof(struct manifest_hot), at;
    uint32_t value;
    w->hot_is_right = false;
    switch (below(w, 4)) {
    case 0: // cut off
        w->hot.n = below(w, (uint32_t)w->hot.n);
        break;
    case 1: // any byte
        w->hot.at[below(w, (uint32_t)w->hot.n)] ^= (uint8_t)(1 + below(w, 255));
        break;
    case 2: // a number of the list
        at = below(w, (uint32_t)front / 4) * 4u;
        value = edges[below(w, sizeof edges / sizeof *edges)];
        memcpy(w->hot.at + at, &value, sizeof value);
        break;
    default: // of before
        ((struct manifest_hot_head *)w->hot.at)->digest[below(w, MANIFEST_HASH)] ^= 1;
    }
    uint8_t *old = w->hot.at;
    w->hot.at = copy(old, w->hot.n);
    free(old);
}

void world_remake_image(struct world *w)
{
    w->chunks = 1 + below(w, WORLD_CHUNKS);
    for (uint32_t i = 0; i < w->chunks; i++) w->content[i] = (uint8_t)below(w, WORLD_CONTENTS);
    snprintf(w->version, sizeof w->version, "\"%u\"", below(w, 100000));
    make_manifest(w);
    make_hot(w);
    w->hot_is_right = true;
    if (below(w, 3) == 0) spoil_hot(w);
}

void world_make(struct world *w, const struct world_contents *c, uint64_t number)
{
    *w = (struct world){.contents = c, .rng = {number * 0xd1342543de82ef95}};
    w->wrong = (enum world_wrong)below(w, 4);
    w->ranges = below(w, 4) > 0;
    w->has_hot = below(w, 4) > 0;
    world_remake_image(w);
}

void world_free(struct world *w)
{
    free(w->manifest.at);
    free(w->hot.at);
}

// ---------------------------------------------------------------- the server

enum { URLS = 64, REQUESTS = 64 };

struct http_resource {
    struct http_resource *next;
    struct http *http;
    char *url;
    struct http_pin pin;
    bool past_caches, forgotten;
    unsigned requests;
};
struct asked { // a request
    struct http_resource *f;
    http_sink *sink;
    void *ctx;
    struct bytes body;
    size_t given;
    uint64_t offset;
    enum http_result result;
};
struct http {
    struct world *w;
    struct asked asked[REQUESTS];
    unsigned busy, count;
    struct http_resource *resources;
    char *seen[URLS]; // URLs that were answered
};

struct http *world_http(struct world *w)
{
    struct http *h = calloc(1, sizeof *h);
    must(h);
    h->w = w;
    return h;
}

unsigned world_asked(const struct http *h)
{
    return h->count;
}

static void free_resource(struct http_resource *f)
{
    struct http_resource **at = &f->http->resources;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    free(f->url);
    free(f);
}

void http_close(struct http *h)
{
    for (unsigned i = 0; i < h->busy; i++) free(h->asked[i].body.at);
    while (h->resources) free_resource(h->resources);
    for (unsigned i = 0; i < URLS; i++) free(h->seen[i]);
    free(h);
}

struct http_resource *http_resource(struct http *h, const char *url)
{
    struct http_resource *f = calloc(1, sizeof *f);
    must(f);
    *f = (struct http_resource){.next = h->resources, .http = h, .url = strdup(url)};
    h->resources = f;
    return f;
}

void http_forget(struct http_resource *f)
{
    must(!f->forgotten);
    f->forgotten = true;
    if (!f->requests) free_resource(f);
}

void http_past_caches(struct http_resource *f)
{
    f->past_caches = true;
}

void http_set_pin(struct http_resource *f, const struct http_pin *pin)
{
    f->pin = *pin;
}

const struct http_pin *http_pin(const struct http_resource *f)
{
    return &f->pin;
}

const char *http_problem(const struct http_resource *f)
{
    return f->url;
}

static bool has_end(const char *url, const char *end)
{
    size_t n = strlen(url), k = strlen(end);
    return n >= k && !strcmp(url + n - k, end);
}

static struct bytes find(const struct world *w, const char *url)
{
    if (has_end(url, "/manifest")) return w->manifest;
    if (has_end(url, "/hot")) return w->has_hot ? w->hot : (struct bytes){0};
    for (uint32_t k = 1; k < WORLD_CONTENTS; k++) {
        char name[MANIFEST_NAME];
        manifest_chunk_name(&w->contents->of[k], name);
        if (has_end(url, name)) return (struct bytes){(uint8_t *)w->contents->stored[k], w->contents->of[k].stored};
    }
    abort(); // nobody may ask for that
}

static bool is_first(struct http *h, const char *url)
{
    for (unsigned i = 0; i < URLS; i++) {
        if (h->seen[i] && !strcmp(h->seen[i], url)) return false;
        if (h->seen[i]) continue;
        h->seen[i] = strdup(url);
        return true;
    }
    abort();
}

static void spoil(struct world *w, struct asked *a, uint64_t most)
{
    w->damaged = true;
    switch (below(w, 3)) {
    case 0:
        a->body.n = below(w, (uint32_t)a->body.n + 1);
        break;
    case 1:
        if (a->body.n) a->body.at[below(w, (uint32_t)a->body.n)] ^= (uint8_t)(1 + below(w, 255));
        break;
    default: // another, as long as it may be
        a->body.n = most < a->body.n + 100 ? most : a->body.n + 100;
        a->body.at = realloc(a->body.at, a->body.n + 1);
        memset(a->body.at, 7, a->body.n);
    }
}

static void go_wrong(struct http *h, struct asked *a, uint64_t most)
{
    struct world *w = h->w;
    bool first = is_first(h, a->f->url);
    if (w->wrong == WRONG_ONCE && first && !a->f->past_caches && !has_end(a->f->url, "/hot")) spoil(w, a, most);
    if (w->wrong == WRONG_OFTEN && below(w, 3) == 0) spoil(w, a, most);
    if (w->wrong != WRONG_FAILING || below(w, 3)) return;
    static const enum http_result ends[] = {HTTP_FAILED, HTTP_CHANGED, HTTP_NOT_FOUND};
    a->body.n = below(w, (uint32_t)a->body.n + 1);
    a->result = ends[below(w, 3)];
    w->damaged = true;
}

static struct asked *new_request(struct http_resource *f, http_sink *sink, void *ctx)
{
    struct http *h = f->http;
    must(h->busy < REQUESTS && !f->forgotten);
    struct asked *a = &h->asked[h->busy++];
    *a = (struct asked){.f = f, .sink = sink, .ctx = ctx};
    f->requests++;
    h->count++;
    return a;
}

static int ask(struct http_resource *f, uint64_t offset, uint64_t n, bool range, http_sink *sink, void *ctx)
{
    struct asked *a = new_request(f, sink, ctx);
    struct bytes all = find(f->http->w, f->url);
    a->offset = offset;
    if (!all.n) a->result = HTTP_NOT_FOUND;
    if (all.n && range && !f->http->w->ranges && (offset || n < all.n)) a->result = HTTP_NO_RANGES;
    if (a->result != HTTP_OK || offset > all.n) return 0;
    a->body.n = all.n - offset < n ? all.n - offset : n;
    if (!range && a->body.n < all.n) a->result = HTTP_FAILED, a->body.n = 0; // too large
    a->body.at = copy(all.at + offset, a->body.n);
    go_wrong(f->http, a, n);
    return 0;
}

int http_range(struct http_resource *f, uint64_t offset, uint64_t n, http_sink *sink, void *ctx)
{
    return ask(f, offset, n, true, sink, ctx);
}

int http_whole(struct http_resource *f, uint64_t most, http_sink *sink, void *ctx)
{
    return ask(f, 0, most, false, sink, ctx);
}

int http_check(struct http_resource *f, http_sink *sink, void *ctx)
{
    struct asked *a = new_request(f, sink, ctx);
    a->result = strcmp(f->pin.tag, f->http->w->version) ? HTTP_CHANGED : HTTP_OK;
    if (below(f->http->w, 4) == 0) a->result = HTTP_FAILED;
    return 0;
}

static void finish(struct http *h, unsigned i)
{
    struct asked a = h->asked[i];
    if (has_end(a.f->url, "/manifest") && !a.f->pin.bytes) {
        a.f->pin.bytes = h->w->manifest.n;
        strcpy(a.f->pin.tag, h->w->version);
    }
    h->asked[i] = h->asked[--h->busy];
    a.sink(a.ctx, a.offset + a.given, NULL, 0, a.result);
    free(a.body.at);
    if (!--a.f->requests && a.f->forgotten) free_resource(a.f);
}

// A piece of one request.
bool http_run(struct http *h, const int *fds, unsigned n, int timeout_ms)
{
    (void)fds, (void)n, (void)timeout_ms;
    must(h->busy); // or it would wait for ever
    unsigned i = below(h->w, h->busy);
    struct asked *a = &h->asked[i];
    size_t left = a->body.n - a->given;
    if (!left) {
        finish(h, i);
        return false;
    }
    size_t piece = 1 + below(h->w, below(h->w, 2) ? 100 : 60000);
    if (piece > left) piece = left;
    struct asked now = *a; // the sink may ask for more
    a->given += piece;
    now.sink(now.ctx, now.offset + now.given, now.body.at + now.given, piece, HTTP_OK);
    return false;
}

unsigned http_busy(const struct http *h)
{
    return h->busy;
}

// ---------------------------------------------------------------- the pool

enum { SLOTS = 128, NOTES = 4 };

struct pool {
    struct world *w;
    int blocks;
    uint32_t n;
    uint8_t key[SLOTS][POOL_KEY];
    char *name[NOTES];
    struct bytes note[NOTES];
};

struct pool *world_pool(struct world *w)
{
    struct pool *p = calloc(1, sizeof *p);
    must(p);
    p->w = w;
    p->blocks = memfd_create("pool", MFD_CLOEXEC);
    must(p->blocks >= 0);
    return p;
}

void world_pool_free(struct pool *p)
{
    for (unsigned i = 0; i < NOTES; i++) {
        free(p->name[i]);
        free(p->note[i].at);
    }
    close(p->blocks);
    free(p);
}

int pool_blocks(const struct pool *p)
{
    return p->blocks;
}

uint32_t pool_find(struct pool *p, const uint8_t key[POOL_KEY])
{
    for (uint32_t i = 0; i < p->n; i++)
        if (!memcmp(p->key[i], key, POOL_KEY)) return i + 1;
    return 0;
}

uint32_t pool_add(struct pool *p, const uint8_t key[POOL_KEY], const void *chunk)
{
    if (p->n == SLOTS || below(p->w, 8) == 0) return 0; // no room
    memcpy(p->key[p->n++], key, POOL_KEY);
    must(pwrite(p->blocks, chunk, POOL_CHUNK, (off_t)p->n * POOL_CHUNK) == POOL_CHUNK);
    return p->n;
}

size_t pool_note(struct pool *p, const char *name, void *value, size_t n)
{
    for (unsigned i = 0; i < NOTES && p->name[i]; i++) {
        if (strcmp(p->name[i], name)) continue;
        memcpy(value, p->note[i].at, n < p->note[i].n ? n : p->note[i].n);
        return p->note[i].n;
    }
    return 0;
}

void pool_set_note(struct pool *p, const char *name, const void *value, size_t n)
{
    for (unsigned i = 0; i < NOTES; i++) {
        if (p->name[i] && strcmp(p->name[i], name)) continue;
        if (!p->name[i]) p->name[i] = strdup(name);
        free(p->note[i].at);
        p->note[i] = (struct bytes){copy(value, n), n};
        return;
    }
    abort();
}
