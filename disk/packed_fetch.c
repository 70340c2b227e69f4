// Chunks of a packed image, one request each, several under way: what somebody waits for first. A content that comes
// wrong is asked for once more, past the caches between here and the server.
#include "disk/packed_source.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD_REQUESTS = PACKED_REQUESTS - 4 }; // some are kept for what somebody waits for

// ---------------------------------------------------------------- queues

static bool push(struct packed_queue *q, uint32_t index)
{
    if (q->n == q->room && q->head) {
        memmove(q->at, q->at + q->head, (q->n - q->head) * sizeof *q->at);
        q->n -= q->head;
        q->head = 0;
    }
    if (q->n == q->room) {
        uint32_t room = q->room ? q->room * 2 : 64;
        uint32_t *more = room > q->room ? realloc(q->at, room * sizeof *more) : NULL;
        if (!more) return false;
        q->at = more;
        q->room = room;
    }
    q->at[q->n++] = index;
    return true;
}

// The next that still waits in this queue. False: none.
static bool pop(struct packed_source *p, struct packed_queue *q, enum packed_chunk_state waits, uint32_t *index)
{
    while (q->head < q->n) {
        *index = q->at[q->head++];
        if (p->state[*index] == waits) return true;
    }
    q->head = q->n = 0;
    return false;
}

// ---------------------------------------------------------------- requests

static bool send_request(struct packed_request *r);

// why NULL: p->chunk is it.
static void tell(struct packed_source *p, uint32_t index, const char *why)
{
    const struct source_events *e = p->source.events;
    p->state[index] = why ? CHUNK_IDLE : CHUNK_GIVEN;
    if (why)
        e->failed(e->ctx, index, why);
    else
        e->piece(e->ctx, index, p->chunk);
}

// All that waited for this content, the last that is done with a request. why NULL: it came.
static void finish(struct packed_request *r, const char *why)
{
    struct packed_source *p = r->source;
    struct packed_queue also = r->also;
    uint32_t index = r->index;
    bool given = r->given;
    r->also = (struct packed_queue){0};
    r->resource = NULL;
    p->fetch.under_way--;
    if (!given) tell(p, index, why);
    if (given) p->state[index] = CHUNK_GIVEN;
    for (uint32_t i = 0; i < also.n; i++) tell(p, also.at[i], why);
    free(also.at);
}

static void came_wrong(struct packed_request *r, const char *complaint)
{
    char why[SOURCE_WHY], name[MANIFEST_NAME];
    http_forget(r->resource);
    if (!r->again) {
        r->again = true;
        if (send_request(r)) return;
        complaint = "cannot be asked for again: no memory";
    }
    manifest_chunk_name(&r->source->manifest.chunk[r->index], name);
    snprintf(why, sizeof why, "%s on the server %s", name, complaint);
    finish(r, why);
}

static void came(struct packed_request *r)
{
    const char *complaint = "is too long";
    if (r->n <= MANIFEST_STORED_MAX) complaint = packed_check(r->source, r->index, r->stored, r->n);
    if (complaint) {
        came_wrong(r, complaint);
        return;
    }
    http_forget(r->resource);
    finish(r, NULL);
}

static void cannot_come(struct packed_request *r)
{
    char why[SOURCE_WHY];
    snprintf(why, sizeof why, "%s", http_problem(r->resource));
    http_forget(r->resource);
    finish(r, why);
}

static void take(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct packed_request *r = ctx;
    struct packed_source *p = r->source;
    (void)offset;
    if (n) {
        if (r->n + n <= MANIFEST_STORED_MAX) memcpy(r->stored + r->n, bytes, n);
        r->n += n; // at most what was asked for: MANIFEST_STORED_MAX + 1
        return;
    }
    if (result == HTTP_OK)
        came(r);
    else if (result == HTTP_CHANGED)
        came_wrong(r, "changes all the time");
    else
        cannot_come(r);
    packed_fetch_pump(p);
}

static bool send_request(struct packed_request *r)
{
    struct packed_source *p = r->source;
    char name[MANIFEST_NAME];
    manifest_chunk_name(&p->manifest.chunk[r->index], name);
    char *url = manifest_beside(p->url, name);
    r->n = 0;
    r->resource = url ? http_resource(p->http, url) : NULL;
    free(url);
    if (!r->resource) return false;
    if (r->again) http_past_caches(r->resource);
    if (!http_whole(r->resource, MANIFEST_STORED_MAX + 1, take, r)) return true;
    http_forget(r->resource);
    r->resource = NULL;
    return false;
}

// ---------------------------------------------------------------- which is next

// True: a request under way will bring this content, too.
static bool follow(struct packed_source *p, uint32_t index)
{
    const struct manifest_chunk *c = p->manifest.chunk;
    for (unsigned i = 0; i < PACKED_REQUESTS; i++) {
        struct packed_request *r = &p->fetch.request[i];
        if (!r->resource || memcmp(c[r->index].hash, c[index].hash, MANIFEST_HASH)) continue;
        if (!push(&r->also, index)) return false;
        p->state[index] = CHUNK_FOLLOWS;
        return true;
    }
    return false;
}

static struct packed_request *free_request(struct packed_source *p)
{
    struct packed_request *r = p->fetch.request;
    while (r->resource) r++; // there is one: under_way says so
    if (!r->stored) r->stored = malloc(MANIFEST_STORED_MAX);
    return r->stored ? r : NULL;
}

static void ask(struct packed_source *p, uint32_t index)
{
    struct packed_request *r = free_request(p);
    if (r) {
        r->source = p;
        r->index = index;
        r->again = r->given = false;
        p->state[index] = CHUNK_ASKED;
        p->fetch.under_way++;
        if (send_request(r)) return;
        p->fetch.under_way--;
    }
    tell(p, index, "no memory");
}

static bool next_chunk(struct packed_source *p, uint32_t *index)
{
    struct packed_fetch *f = &p->fetch;
    if (f->under_way < PACKED_REQUESTS && pop(p, &f->now, CHUNK_NOW, index)) return true;
    // The line is the hot file's at first: what it has is needed, these may be. And as long as it has what is needed
    // they are not.
    if (f->under_way >= AHEAD_REQUESTS || packed_hot_is_alone(p) || p->covered) return false;
    return pop(p, &f->ahead, CHUNK_AHEAD, index);
}

void packed_fetch_pump(struct packed_source *p)
{
    uint32_t index;
    while (next_chunk(p, &index))
        if (!follow(p, index)) ask(p, index);
}

static void enqueue(struct packed_source *p, struct packed_queue *q, uint32_t index, enum packed_chunk_state waits)
{
    p->state[index] = waits;
    if (push(q, index)) return;
    tell(p, index, "no memory");
}

static void want_one(struct packed_source *p, uint32_t index, enum source_want want)
{
    enum packed_chunk_state s = p->state[index];
    bool now = want == SOURCE_NOW;
    if (now && p->remembered) {
        p->remembered = false;
        packed_hot_missing(p, index);
    }
    if (s == CHUNK_HOT || s == CHUNK_HOT_WANTED)
        p->state[index] = s = now && packed_hot_is_late(p, index) ? CHUNK_IDLE : CHUNK_HOT_WANTED;
    else if (now && (s == CHUNK_IDLE || s == CHUNK_AHEAD))
        p->covered = false;
    bool idle = s == CHUNK_IDLE || s == CHUNK_GIVEN;
    if (now && (idle || s == CHUNK_AHEAD)) enqueue(p, &p->fetch.now, index, CHUNK_NOW);
    if (!now && idle) enqueue(p, &p->fetch.ahead, index, CHUNK_AHEAD);
}

void packed_fetch_want(struct packed_source *p, uint32_t first, uint32_t n, enum source_want want)
{
    if (first >= p->source.chunks) return;
    if (n > p->source.chunks - first) n = p->source.chunks - first;
    for (uint32_t i = first; i < first + n; i++)
        if (!manifest_is_zero(&p->manifest.chunk[i])) want_one(p, i, want);
    packed_fetch_pump(p);
}

static bool given_while_asked(struct packed_source *p, uint32_t index)
{
    struct packed_request *r = p->fetch.request;
    while (!r->resource || r->index != index) r++; // there is one: its state says so
    bool first = !r->given;
    r->given = true;
    return first;
}

bool packed_fetch_given(struct packed_source *p, uint32_t index)
{
    if (p->state[index] == CHUNK_ASKED) return given_while_asked(p, index);
    p->state[index] = CHUNK_GIVEN;
    return true;
}

void packed_fetch_free(struct packed_source *p)
{
    for (unsigned i = 0; i < PACKED_REQUESTS; i++) {
        free(p->fetch.request[i].stored);
        free(p->fetch.request[i].also.at);
    }
    free(p->fetch.now.at);
    free(p->fetch.ahead.at);
}
