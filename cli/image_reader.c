// See image_reader.h.
#include "cli/image_reader.h"
#include "disk/http_headers.h"
#include "disk/manifest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING = 64 }; // chunks that are asked for at once

static void on_opened(void *ctx)
{
    struct image_reader *r = ctx;
    r->open = true;
}

static void stop_unless(struct image_reader *r, bool go_on)
{
    r->ended = r->ended || !go_on;
}

static void on_chunk(void *ctx, uint32_t index, const void *bytes)
{
    struct image_reader *r = ctx;
    r->waiting--;
    r->done++;
    if (!r->ended) stop_unless(r, r->chunk(r, index, bytes));
}

static void on_failed(void *ctx, uint32_t index, const char *why)
{
    struct image_reader *r = ctx;
    r->waiting--;
    r->done++;
    if (!r->ended) stop_unless(r, r->failed(r, index, why));
}

static void on_ended(void *ctx, const char *why)
{
    struct image_reader *r = ctx;
    snprintf(r->why, sizeof r->why, "%s", why);
    r->ended = true;
}

// ---------------------------------------------------------------- which chunks

struct keyed {
    uint8_t key[POOL_KEY];
    uint32_t index;
};

static int by_key(const void *a, const void *b)
{
    int order = memcmp(a, b, POOL_KEY);
    const struct keyed *x = a, *y = b;
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// Of each content the first chunk.
static void take_firsts(struct image_reader *r, struct keyed *all, uint32_t n)
{
    if (r->once) qsort(all, n, sizeof *all, by_key);
    for (uint32_t i = 0; i < n; i++)
        if (!r->once || !i || memcmp(all[i].key, all[i - 1].key, POOL_KEY)) r->order[r->wanted++] = all[i].index;
    if (r->once) qsort(r->order, r->wanted, sizeof *r->order, by_number);
}

static bool list_chunks(struct image_reader *r)
{
    struct source *s = r->source;
    struct keyed *all = calloc(s->chunks, sizeof *all);
    uint32_t n = 0;
    r->order = calloc(s->chunks, sizeof *r->order);
    for (uint32_t i = 0; all && i < s->chunks; i++) {
        all[n].index = i;
        n += s->ops->key(s, i, all[n].key);
    }
    if (all && r->order) take_firsts(r, all, n);
    if (!all || !r->order) snprintf(r->why, sizeof r->why, "no memory");
    bool done = all && r->order;
    free(all);
    return done;
}

// ---------------------------------------------------------------- reading

static void ask(struct image_reader *r)
{
    while (!r->ended && r->asked < r->wanted && r->waiting < WAITING) {
        r->waiting++;
        uint32_t index = r->order[r->asked++];
        r->source->ops->want(r->source, index, 1, SOURCE_AHEAD); // may be told at once
    }
}

static void run(struct image_reader *r)
{
    while (!r->open && !r->ended) http_run(r->http, NULL, 0, -1);
    if (r->ended) return;
    stop_unless(r, list_chunks(r) && r->opened(r));
    while (!r->ended && r->done < r->wanted) {
        ask(r);
        if (!r->ended && r->done < r->wanted && r->waiting) http_run(r->http, NULL, 0, -1);
    }
}

int image_open_http(struct http **http, const char *name, char why[HTTP_WHY])
{
    struct http_headers headers = {0};
    *http = NULL;
    if (!http_is_url(name)) return 0;
    int err = http_headers_add_environment(&headers, why);
    struct http_options options = {.headers = (const char *const *)headers.line, .nheaders = headers.n, .netrc = true};
    if (!err) err = http_open(http, &options, why);
    http_headers_wipe(&headers);
    return err;
}

int image_read(struct image_reader *r)
{
    const struct source_events events = {r, on_opened, on_chunk, on_failed, on_ended};
    if (!manifest_is_named(r->name)) {
        char shown[HTTP_SHOWN];
        snprintf(r->why, sizeof r->why, "%.150s: it is no packed image: that would be manifest or NAME.manifest",
                 http_shown(r->name, shown));
        return -1;
    }
    if (image_open_http(&r->http, r->name, r->why)) return -1;
    r->source = r->http ? source_packed(r->http, NULL, r->name, &events) : source_packed_directory(r->name, &events);
    if (r->source) run(r);
    if (!r->source) snprintf(r->why, sizeof r->why, "no memory");
    bool done = r->source && !r->ended;
    if (r->source) r->source->ops->close(r->source);
    http_close(r->http);
    free(r->order);
    return done ? 0 : -1;
}
