// A packed image on a server: its manifest, which is kept in the pool so that the next start needs no answer of the
// server; packed_fetch.c and packed_hot.c bring the chunks.
#include "disk/http_private.h"
#include "disk/packed_source.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// What is known of a manifest's URL: a note of the pool.
struct remembered {
    char magic[8];
    struct http_pin pin;
    uint8_t digest[MANIFEST_HASH];
    uint64_t bytes; // of the manifest
};
static const char remembered_magic[8] = "packed\1";
_Static_assert(sizeof(struct remembered) <= POOL_NOTE, "it is a note");

int64_t packed_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *packed_check(struct packed_source *p, uint32_t index, const void *stored, size_t n)
{
    if (!p->codec && packed_codec_open(&p->codec, false, p->codec_why)) return p->codec_why;
    enum packed_state s = packed_unpack(p->codec, &p->manifest.chunk[index], stored, n, p->chunk);
    return s == PACKED_RIGHT ? NULL : packed_complaint(s);
}

static void end(struct packed_source *p, const char *why)
{
    char shown[HTTP_SHOWN], line[SOURCE_WHY];
    http_shown_url(p->url, shown);
    snprintf(line, sizeof line, "%s: %.*s", shown, (int)sizeof line - HTTP_SHOWN - 2, why);
    p->source.events->ended(p->source.events->ctx, line);
}

// ---------------------------------------------------------------- the manifest in the pool

// Of the piece with that number: the image's digest, changed so that it is no chunk's key.
static void piece_key(const uint8_t digest[MANIFEST_HASH], uint32_t piece, uint8_t key[POOL_KEY])
{
    static const char kind[] = "manifest";
    _Static_assert((int)POOL_KEY == (int)MANIFEST_HASH, "one length");
    memcpy(key, digest, POOL_KEY);
    for (unsigned i = 0; i < sizeof kind - 1; i++) key[i] ^= (uint8_t)kind[i];
    for (unsigned i = 0; i < 4; i++) key[POOL_KEY - 4 + i] ^= (uint8_t)(piece >> 8 * i);
}

// Notes are found by the URL, without what may be secret in it.
static char *note_name(const char *url)
{
    char *name = NULL, *bare = http_url_name(url);
    if (!bare || asprintf(&name, "packed %s", bare) < 0) name = NULL;
    free(bare);
    return name;
}

static bool read_piece(struct packed_source *p, const struct remembered *r, uint32_t piece, uint8_t *to, size_t n)
{
    uint8_t key[POOL_KEY];
    piece_key(r->digest, piece, key);
    uint32_t slot = pool_find(p->pool, key);
    return slot && pread(pool_blocks(p->pool), to, n, (off_t)slot * POOL_CHUNK) == (ssize_t)n;
}

// It was verified when it came, and is once more.
static bool recall(struct packed_source *p, const struct remembered *r)
{
    char why[MANIFEST_WHY];
    if (memcmp(r->magic, remembered_magic, sizeof r->magic) || r->bytes > MANIFEST_SIZE_MAX) return false;
    uint8_t *bytes = malloc(r->bytes);
    bool right = bytes;
    for (uint64_t at = 0; right && at < r->bytes; at += POOL_CHUNK)
        right = read_piece(p, r, (uint32_t)(at / POOL_CHUNK), bytes + at,
                           r->bytes - at < POOL_CHUNK ? r->bytes - at : POOL_CHUNK);
    right = right && !manifest_parse(&p->manifest, bytes, r->bytes, why) &&
            !memcmp(p->manifest.head.digest, r->digest, sizeof r->digest);
    if (!right) manifest_free(&p->manifest);
    free(bytes);
    return right;
}

static bool open_from_pool(struct packed_source *p)
{
    struct remembered r;
    char *name = note_name(p->url);
    bool right = name && pool_note(p->pool, name, &r, sizeof r) == sizeof r && recall(p, &r);
    free(name);
    if (right) p->pin = r.pin;
    return right;
}

// Of p->bytes, from `at` on.
static bool keep_piece(struct packed_source *p, const uint8_t digest[MANIFEST_HASH], size_t at)
{
    uint8_t key[POOL_KEY], chunk[POOL_CHUNK] = {0};
    piece_key(digest, (uint32_t)(at / POOL_CHUNK), key);
    memcpy(chunk, p->bytes + at, p->n - at < POOL_CHUNK ? p->n - at : POOL_CHUNK);
    return pool_find(p->pool, key) || pool_add(p->pool, key, chunk);
}

// What p->bytes has, the manifest m, is that of p's URL from now on.
static void keep(struct packed_source *p, const struct http_pin *pin, const struct manifest *m)
{
    struct remembered r = {.pin = *pin, .bytes = p->n};
    char *name = note_name(p->url);
    bool right = name;
    memcpy(r.magic, remembered_magic, sizeof r.magic);
    memcpy(r.digest, m->head.digest, sizeof r.digest);
    for (size_t at = 0; right && at < p->n; at += POOL_CHUNK) right = keep_piece(p, r.digest, at);
    if (right) pool_set_note(p->pool, name, &r, sizeof r);
    free(name);
}

// ---------------------------------------------------------------- the manifest from the server

static bool make_room(struct packed_source *p, size_t n)
{
    if (n > MANIFEST_SIZE_MAX) return false;
    if (n <= p->room) return true;
    size_t room = p->room ? p->room * 2 : 1 << 17;
    uint8_t *more = realloc(p->bytes, room > n ? room : n);
    if (!more) return false;
    p->bytes = more;
    p->room = room > n ? room : n;
    return true;
}

static void free_bytes(struct packed_source *p)
{
    free(p->bytes);
    p->bytes = NULL;
    p->n = p->room = 0;
}

// More than its head says is not waited for.
static bool is_wrong_already(const struct packed_source *p)
{
    uint64_t size = p->n < sizeof(struct manifest_head) ? 0 : manifest_size((const struct manifest_head *)p->bytes);
    return p->n >= sizeof(struct manifest_head) && (!size || p->n > size);
}

static bool open_manifest(struct packed_source *p)
{
    const struct manifest_head *h = &p->manifest.head;
    p->state = calloc(1, h->chunks);
    if (!p->state) return false;
    p->source.bytes = h->bytes;
    p->source.chunks = h->chunks;
    memcpy(p->source.digest, h->digest, sizeof h->digest);
    p->open = true;
    return true;
}

static void came_first(struct packed_source *p)
{
    char why[MANIFEST_WHY];
    if (packed_codec_open(&p->codec, false, why)) {
        end(p, why); // rather than at each chunk
    } else if (!open_manifest(p)) {
        end(p, "no memory");
    } else {
        if (p->pool) keep(p, http_pin(p->resource), &p->manifest);
        p->source.events->opened(p->source.events->ctx);
        packed_hot_opened(p);
    }
}

// The image was open, and its manifest has another version. That may be the same content, copied there once more.
static void came_again(struct packed_source *p, const struct manifest *m)
{
    if (p->pool) keep(p, http_pin(p->resource), m);
    if (memcmp(m->head.digest, p->source.digest, sizeof m->head.digest))
        end(p, "has changed on the server since it was read last; run it again to use the new one");
}

static bool ask_for_manifest(struct packed_source *p, bool past_caches);

// Something between here and the server may have damaged it, and may keep that.
static void came_wrong(struct packed_source *p, const char *why)
{
    bool again = !p->again;
    p->again = true;
    if (again && ask_for_manifest(p, true)) return;
    if (!p->open) end(p, why); // what is open is proven by its own manifest, chunk by chunk
}

static void came(struct packed_source *p, bool complete)
{
    struct manifest m = {0};
    char why[MANIFEST_WHY] = "this is no manifest of a packed image, or one of another version of belljar";
    bool right = complete && !p->is_wrong && !manifest_parse(&m, p->bytes, p->n, why);
    if (right && p->open) {
        came_again(p, &m);
        manifest_free(&m);
    } else if (right) {
        p->manifest = m;
        came_first(p);
    } else {
        manifest_free(&m);
        if (complete || p->is_wrong)
            came_wrong(p, why);
        else if (!p->open)
            p->source.events->ended(p->source.events->ctx, http_problem(p->resource));
    }
}

static void take(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct packed_source *p = ctx;
    (void)offset;
    if (!n) {
        came(p, result == HTTP_OK);
        free_bytes(p); // nothing has come yet if it was asked for again
        return;
    }
    if (p->is_wrong) return;
    p->is_wrong = !make_room(p, p->n + n);
    if (!p->is_wrong) memcpy(p->bytes + p->n, bytes, n);
    if (!p->is_wrong) p->n += n;
    p->is_wrong = p->is_wrong || is_wrong_already(p);
}

static bool ask_for_manifest(struct packed_source *p, bool past_caches)
{
    free_bytes(p);
    if (p->resource) http_forget(p->resource);
    p->is_wrong = false;
    p->resource = http_resource(p->http, p->url);
    if (p->resource && past_caches) http_past_caches(p->resource);
    return p->resource && !http_whole(p->resource, MANIFEST_SIZE_MAX, take, p);
}

// ---------------------------------------------------------------- the operations

static bool key_of(struct source *s, uint32_t index, uint8_t key[POOL_KEY])
{
    const struct manifest_chunk *c = &((struct packed_source *)s)->manifest.chunk[index];
    memcpy(key, c->hash, POOL_KEY);
    return !manifest_is_zero(c);
}

static void want(struct source *s, uint32_t first, uint32_t n, enum source_want w)
{
    packed_fetch_want((struct packed_source *)s, first, n, w);
}

// A server that cannot be reached, or has no manifest any more, does not end a box that may need nothing of it.
static void checked(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct packed_source *p = ctx;
    (void)offset;
    (void)bytes;
    if (!n && (result == HTTP_CHANGED || result == HTTP_NO_RANGES)) ask_for_manifest(p, false);
}

static void check(struct source *s)
{
    struct packed_source *p = (struct packed_source *)s;
    if (p->resource) return; // it came from there just now
    p->resource = http_resource(p->http, p->url);
    if (!p->resource) return;
    http_set_pin(p->resource, &p->pin);
    if (*p->pin.tag)
        http_check(p->resource, checked, p);
    else
        ask_for_manifest(p, false);
}

static void close_source(struct source *s)
{
    struct packed_source *p = (struct packed_source *)s;
    packed_fetch_free(p);
    packed_hot_free(p);
    packed_codec_close(p->codec);
    manifest_free(&p->manifest);
    free(p->state);
    free(p->bytes);
    free(p->url);
    free(p);
}

static const struct source_ops ops = {key_of, want, check, close_source};

struct source *source_packed(struct http *http, struct pool *pool, const char *url, const struct source_events *events)
{
    struct packed_source *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    *p = (struct packed_source){
        .source = {.ops = &ops, .events = events, .piece = SOURCE_CHUNKS}, .http = http, .pool = pool};
    p->url = strdup(url);
    if (p->url && pool && open_from_pool(p)) {
        if (open_manifest(p)) {
            p->remembered = true;
            events->opened(events->ctx);
            return &p->source;
        }
        manifest_free(&p->manifest);
    }
    if (p->url && ask_for_manifest(p, false)) {
        packed_hot_begin(p);
        return &p->source;
    }
    close_source(&p->source);
    return NULL;
}
