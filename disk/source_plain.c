// A plain image on a web server: pieces are ranges of it. What the server said of it last, its size and version, is a
// note in the pool: a box starts with that at once, and the server is asked meanwhile whether it still holds.
#include "disk/sha256.h"
#include "disk/wants.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIECE = POOL_PART };
enum { MOST = (1 << 20) / PIECE };      // pieces in a request: longer runs come through several connections
enum { FIRST = (128 << 10) / PIECE };   // the first answer has a file system's first inodes
enum { TOGETHER = 6, AHEAD_OF_IT = 5 }; // requests; AHEAD_OF_IT: of them, for what nobody waits for
#define IMAGE_MAX (1ull << 40)          // bytes

struct note {
    struct http_pin pin;
    int64_t since; // seconds: when this version was seen first
};
_Static_assert(sizeof(struct note) <= POOL_NOTE, "it is kept in the pool");

struct fetch { // a request under way
    struct fetch *next, **here;
    struct plain *plain;
    uint32_t piece, end; // the next to be given; the first that was not asked for
    enum source_want urgency;
    size_t have;
    uint8_t bytes[PIECE]; // of the next
};

struct plain {
    struct source source;
    struct http *http;
    struct pool *pool;
    struct http_resource *resource;
    struct fetch *fetches;
    unsigned asking[2]; // fetches, by urgency
    struct wants wants; // of all zeros until it is opened
    struct note note;
    bool opened, ended;
    char name[]; // of the note
};

static void end(struct plain *p, const char *why)
{
    if (!p->ended) p->source.events->ended(p->source.events->ctx, why);
    p->ended = true;
}

// ---------------------------------------------------------------- opening

// The digest names server, image and version.
static bool set_digest(struct plain *p)
{
    struct sha256 sum;
    char why[SOURCE_WHY];
    uint64_t bytes = htole64(p->note.pin.bytes);
    if (!sha256_open(&sum, why, sizeof why)) {
        end(p, why);
        return false;
    }
    sha256_add(&sum, p->name, strlen(p->name) + 1);
    sha256_add(&sum, p->note.pin.tag, strlen(p->note.pin.tag) + 1);
    sha256_add(&sum, &bytes, sizeof bytes);
    sha256_end(&sum, p->source.digest);
    sha256_close(&sum);
    return true;
}

static void open_with(struct plain *p, const struct http_pin *pin)
{
    char why[SOURCE_WHY];
    p->note.pin = *pin;
    p->source.bytes = pin->bytes;
    p->source.chunks = (uint32_t)((pin->bytes + POOL_CHUNK - 1) / POOL_CHUNK);
    if (pin->bytes > IMAGE_MAX || wants_open(&p->wants, source_pieces(&p->source))) {
        snprintf(why, sizeof why, "the image has %llu bytes: too many", (unsigned long long)pin->bytes);
        end(p, why);
        return;
    }
    if (p->fetches) { // that is what it came with
        if (p->fetches->end > source_pieces(&p->source)) p->fetches->end = source_pieces(&p->source);
        for (uint32_t i = 0; i < p->fetches->end; i++) wants_ask(&p->wants, i);
    }
    p->opened = true;
    if (set_digest(p)) p->source.events->opened(p->source.events->ctx);
}

static bool open_by_note(struct plain *p)
{
    struct note note;
    if (pool_note(p->pool, p->name, &note, sizeof note) != sizeof note) return false;
    http_set_pin(p->resource, &note.pin); // which checks it
    if (http_pin(p->resource)->bytes == 0) return false;
    p->note.since = note.since;
    open_with(p, http_pin(p->resource));
    return true;
}

static void open_by_answer(struct plain *p)
{
    struct note note = {.pin = *http_pin(p->resource), .since = time(NULL)};
    p->note.since = note.since;
    pool_set_note(p->pool, p->name, &note, sizeof note);
    open_with(p, &note.pin);
}

// ---------------------------------------------------------------- what comes

static void changed(struct plain *p)
{
    char why[SOURCE_WHY], since[32] = "?";
    struct tm tm;
    time_t at = (time_t)p->note.since;
    if (gmtime_r(&at, &tm)) strftime(since, sizeof since, "%Y-%m-%d %H:%M", &tm);
    snprintf(why, sizeof why, "%.150s since %s UTC; run it again to use the new one", http_problem(p->resource), since);
    pool_set_note(p->pool, p->name, "", 0); // the next box asks
    end(p, why);
}

static void remove_fetch(struct fetch *f)
{
    f->plain->asking[f->urgency]--;
    *f->here = f->next;
    if (f->next) f->next->here = f->here;
    free(f);
}

// The last piece is filled up with zeros.
static void give_piece(struct fetch *f)
{
    struct plain *p = f->plain;
    uint32_t piece = f->piece++;
    memset(f->bytes + f->have, 0, sizeof f->bytes - f->have);
    f->have = 0;
    wants_done(&p->wants, piece);
    p->source.events->piece(p->source.events->ctx, piece, f->bytes);
}

static void take(struct fetch *f, const uint8_t *bytes, size_t n)
{
    struct plain *p = f->plain;
    while (n && !p->ended && f->piece < f->end) {
        uint64_t at = (uint64_t)f->piece * PIECE, left = p->source.bytes - at;
        size_t whole = left < PIECE ? (size_t)left : PIECE, more = whole - f->have < n ? whole - f->have : n;
        memcpy(f->bytes + f->have, bytes, more);
        f->have += more;
        bytes += more;
        n -= more;
        if (f->have == whole) give_piece(f);
    }
}

static void fail_rest(struct fetch *f, const char *why)
{
    struct plain *p = f->plain;
    for (uint32_t piece = f->piece; piece < f->end; piece++) {
        if (p->opened) wants_done(&p->wants, piece);
        if (!p->ended) p->source.events->failed(p->source.events->ctx, piece, why);
    }
}

static void ask_some(struct plain *);

static void finish(struct fetch *f, enum http_result result)
{
    struct plain *p = f->plain;
    const char *why = result == HTTP_OK ? "the image ends too early" : http_problem(p->resource);
    if (result == HTTP_CHANGED)
        changed(p);
    else if (!p->opened)
        end(p, result == HTTP_OK ? "the image is empty" : why);
    fail_rest(f, why);
    remove_fetch(f);
    ask_some(p);
}

static void sink(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct fetch *f = ctx;
    struct plain *p = f->plain;
    (void)offset; // in order, as it was asked for
    if (!p->opened && !p->ended && n) open_by_answer(p);
    if (n)
        take(f, bytes, n);
    else
        finish(f, result);
}

// ---------------------------------------------------------------- what is asked for

static void ask(struct plain *p, uint32_t first, uint32_t n, enum source_want urgency)
{
    struct fetch *f = malloc(sizeof *f);
    uint64_t at = (uint64_t)first * PIECE, bytes = (uint64_t)n * PIECE;
    if (!f) return end(p, "no memory");
    f->next = p->fetches;
    f->here = &p->fetches;
    f->plain = p;
    f->piece = first;
    f->end = first + n;
    f->urgency = urgency;
    f->have = 0;
    if (f->next) f->next->here = &f->next;
    p->fetches = f;
    p->asking[urgency]++;
    if ((urgency == SOURCE_NOW ? http_range : http_range_ahead)(p->resource, at, bytes, sink, f)) {
        remove_fetch(f);
        end(p, "no memory");
    }
}

static void ask_some(struct plain *p)
{
    struct wants_run run;
    while (p->opened && !p->ended && p->asking[SOURCE_NOW] + p->asking[SOURCE_AHEAD] < TOGETHER) {
        if ((run = wants_next(&p->wants, SOURCE_NOW, MOST)).n)
            ask(p, run.first, run.n, SOURCE_NOW);
        else if (p->asking[SOURCE_AHEAD] < AHEAD_OF_IT && (run = wants_next(&p->wants, SOURCE_AHEAD, MOST)).n)
            ask(p, run.first, run.n, SOURCE_AHEAD);
        else
            return;
    }
}

// What follows on a request that has not begun comes with it.
static void lengthen(struct plain *p, uint32_t *first, uint32_t *n)
{
    struct fetch *f = p->fetches;
    while (f && f->end != *first) f = f->next;
    if (!f || !p->opened) return;
    while (*n && *first < source_pieces(&p->source) && !wants_is_asked(&p->wants, *first) && f->end - f->piece < MOST &&
           http_lengthen(p->resource, f, PIECE)) {
        wants_ask(&p->wants, (*first)++);
        f->end++;
        --*n;
    }
}

static void want(struct source *s, uint32_t first, uint32_t n, enum source_want urgency)
{
    struct plain *p = (struct plain *)s;
    lengthen(p, &first, &n);
    if (wants_add(&p->wants, first, n, urgency)) end(p, "no memory");
    for (uint32_t i = first; urgency == SOURCE_NOW && i < source_pieces(s) && i - first < n; i++)
        if (wants_is_asked(&p->wants, i)) http_hurry(p->resource, (uint64_t)i * PIECE);
    ask_some(p);
}

static bool key(struct source *s, uint32_t index, uint8_t to[POOL_KEY])
{
    source_key_of(s->digest, index, to);
    return true;
}

// A server that cannot be asked ends nothing: what is in the pool is right, and the rest will have to be asked for.
static void checked(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct plain *p = ctx;
    (void)offset;
    (void)bytes;
    (void)n;
    if (result == HTTP_CHANGED) changed(p);
}

static void check(struct source *s)
{
    struct plain *p = (struct plain *)s;
    if (!p->ended && http_check(p->resource, checked, p)) end(p, "no memory");
}

static void close_plain(struct source *s)
{
    struct plain *p = (struct plain *)s;
    while (p->fetches) remove_fetch(p->fetches);
    wants_close(&p->wants);
    free(p);
}

static const struct source_ops ops = {.key = key, .want = want, .check = check, .close = close_plain};

struct source *source_plain(struct http *http, struct pool *pool, const char *url, const struct source_events *events)
{
    static const char prefix[] = "plain image ";
    char *name = http_url_name(url);
    struct plain *p = name ? calloc(1, sizeof *p + sizeof prefix + strlen(name)) : NULL;
    if (p) {
        p->source = (struct source){.ops = &ops, .events = events, .piece = SOURCE_PARTS};
        p->http = http;
        p->pool = pool;
        p->resource = http_resource(http, url);
        strcat(strcpy(p->name, prefix), name);
    }
    free(name);
    if (!p || !p->resource) {
        free(p);
        return NULL;
    }
    if (!open_by_note(p)) ask(p, 0, FIRST, SOURCE_NOW);
    return &p->source;
}
