// The hot file of a packed image on a server: what starts need, in order, fetched on a cold start while the program
// already runs. Its first bytes are asked for together with the manifest: they have the list of what is in it, and the
// first chunks. What the pool lacks of the rest comes in ranges, as large as can be. Each chunk is verified as any
// other; a hot file that is wrong, in whatever way, is given up, and what waits for it asked for otherwise.
#include "disk/packed_source.h"
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_BYTES = 256 << 10, // what a line of 100 Mbit/s brings in 20 ms: the next request is answered meanwhile
    LIST_BYTES = 16 << 10,   // the list of some thousand chunks, when the pool has the most of them
    WHOLE_BYTES = 64 << 20,  // of a server without ranges
    GAP_BYTES = 128 << 10,   // that the pool has are fetched rather than asked around
    LATE_MS = 60,            // longer is not waited for a chunk of the hot file
    LATE_BYTES = 512 << 10,  // as long as the speed is not known
    ALONE_MS = 2000,         // for so long nothing is fetched beside it that nobody waits for
};
_Static_assert(FIRST_BYTES > sizeof(struct manifest_hot_head) + MANIFEST_HOT_MAX * sizeof(struct manifest_hot),
               "the list is in the first bytes");

static struct manifest_hot item(const struct packed_hot *h, uint32_t i)
{
    return h->list.at[i];
}

static uint64_t start_of(const struct packed_hot *h, uint32_t i)
{
    return h->end[i] - item(h, i).stored;
}

static bool is_needed(const struct packed_source *p, uint32_t i)
{
    enum packed_chunk_state s = p->state[item(&p->hot, i).index];
    return s == CHUNK_HOT || s == CHUNK_HOT_WANTED;
}

// ---------------------------------------------------------------- the end of it

static void give_up_waiting(struct packed_source *p, uint32_t index)
{
    enum packed_chunk_state s = p->state[index];
    if (s != CHUNK_HOT && s != CHUNK_HOT_WANTED) return;
    p->state[index] = CHUNK_IDLE;
    if (s == CHUNK_HOT_WANTED) packed_fetch_want(p, index, 1, SOURCE_NOW);
}

static void end_hot(struct packed_source *p)
{
    struct packed_hot h = p->hot;
    p->hot = (struct packed_hot){0};
    if (h.resource) http_forget(h.resource);
    for (uint32_t i = 0; i < h.list.n; i++) give_up_waiting(p, item(&h, i).index);
    free(h.run.stored);
    free(h.first);
    free(h.end);
    if (p->open) packed_fetch_pump(p);
}

// It is wrong, or cannot be had.
static void stop(struct packed_source *p)
{
    p->covered = false;
    end_hot(p);
}

// Of both: the first bytes and the rest.
static void end_part(struct packed_source *p, bool *ended)
{
    *ended = true;
    if (p->hot.first_ended && p->hot.rest_ended) end_hot(p);
}

// Of the list; what came in another way is not told again. False: it is wrong.
static bool give(struct packed_source *p, uint32_t i, const uint8_t *stored)
{
    struct manifest_hot m = item(&p->hot, i);
    enum packed_chunk_state s = p->state[m.index];
    if (s == CHUNK_IDLE || s == CHUNK_GIVEN || s == CHUNK_FOLLOWS) return true;
    if (packed_check(p, m.index, stored, m.stored)) return false;
    if (packed_fetch_given(p, m.index)) p->source.events->piece(p->source.events->ctx, m.index, p->chunk);
    return true;
}

static void note_speed(struct packed_hot *h, size_t n)
{
    if (!h->begun_ms) h->begun_ms = packed_clock();
    h->came += n;
}

// ---------------------------------------------------------------- the rest, range by range

static bool ask_for_run(struct packed_source *p);

static bool feed(struct packed_source *p, const uint8_t *bytes, size_t n)
{
    struct packed_hot_run *r = &p->hot.run;
    while (n && r->next < r->end) {
        size_t lacks = item(&p->hot, r->next).stored - r->have, take = n < lacks ? n : lacks;
        memcpy(r->stored + r->have, bytes, take);
        r->have += take;
        bytes += take;
        n -= take;
        if (take < lacks) return true;
        if (!give(p, r->next, r->stored)) return false;
        r->next++;
        r->have = 0;
    }
    return n == 0;
}

static void take_run(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct packed_source *p = ctx;
    struct packed_hot *h = &p->hot;
    (void)offset;
    if (!h->first) return; // given up
    note_speed(h, n);
    bool right = n ? feed(p, bytes, n) : result == HTTP_OK && h->run.next == h->run.end;
    if (!right)
        stop(p);
    else if (!n && !ask_for_run(p))
        end_part(p, &h->rest_ended);
}

// The next chunks that are needed, in one range. False: no more, or it cannot be asked for.
static bool ask_for_run(struct packed_source *p)
{
    struct packed_hot *h = &p->hot;
    uint32_t first = h->run.next, last;
    while (first < h->list.n && !is_needed(p, first)) first++;
    if (first == h->list.n) return false;
    last = first;
    for (uint32_t i = first + 1; i < h->list.n && start_of(h, i) - h->end[last] <= GAP_BYTES; i++)
        if (is_needed(p, i)) last = i;
    h->run = (struct packed_hot_run){.next = first, .end = last + 1, .stored = h->run.stored};
    return !http_range(h->resource, start_of(h, first), h->end[last] - start_of(h, first), take_run, p);
}

static void begin_rest(struct packed_source *p)
{
    struct packed_hot *h = &p->hot;
    h->run.stored = malloc(MANIFEST_STORED_MAX);
    while (h->run.next < h->list.n && h->end[h->run.next] <= h->limit) h->run.next++; // the first bytes have it
    if (!h->run.stored || !ask_for_run(p)) end_part(p, &h->rest_ended);
}

// ---------------------------------------------------------------- the list

// What the pool has, or a request will bring, is not waited for.
static void expect(struct packed_source *p, uint32_t index)
{
    uint8_t key[POOL_KEY], *state = &p->state[index];
    if (*state == CHUNK_NOW || *state == CHUNK_AHEAD) *state = CHUNK_HOT_WANTED;
    if (*state != CHUNK_IDLE || !p->source.ops->key(&p->source, index, key)) return;
    if (!pool_find(p->pool, key)) *state = CHUNK_HOT;
}

// Another program than those that were profiled may lack nothing of what is in it.
static bool is_of_use(const struct packed_hot *h)
{
    for (uint32_t i = 0; h->cause && i < h->list.n; i++)
        if (item(h, i).index == h->cause - 1) return true;
    return !h->cause;
}

static bool take_list(struct packed_source *p)
{
    struct packed_hot *h = &p->hot;
    char why[MANIFEST_WHY];
    if (manifest_hot_parse(&p->manifest, h->first, h->n, &h->list, why)) return false;
    if (!is_of_use(h)) {
        h->list.n = 0;
        return false;
    }
    uint64_t at = manifest_hot_front(&p->manifest, (const struct manifest_hot_head *)h->first);
    h->end = calloc(h->list.n, sizeof *h->end);
    if (!h->end) {
        h->list.n = 0;
        return false;
    }
    for (uint32_t i = 0; i < h->list.n; i++) {
        h->end[i] = at += item(h, i).stored;
        expect(p, item(h, i).index);
    }
    p->covered = true;
    return true;
}

// Is what has come enough for the list? False: it is not of this image.
static bool try_list(struct packed_source *p, bool *enough)
{
    struct packed_hot *h = &p->hot;
    *enough = false;
    if (h->n < sizeof(struct manifest_hot_head)) return true;
    size_t front = manifest_hot_front(&p->manifest, (const struct manifest_hot_head *)h->first);
    *enough = front && h->n >= front;
    return front > 0;
}

// ---------------------------------------------------------------- the first bytes

static bool give_first(struct packed_source *p)
{
    struct packed_hot *h = &p->hot;
    for (; h->next < h->list.n && h->end[h->next] <= h->n; h->next++)
        if (!give(p, h->next, h->first + start_of(h, h->next))) return false;
    return true;
}

// Whatever can be done with what has come. False: it is wrong.
static bool go_on(struct packed_source *p)
{
    struct packed_hot *h = &p->hot;
    bool enough = false;
    if (!h->list.n && (!try_list(p, &enough) || (enough && !take_list(p)))) return false;
    if (enough) begin_rest(p);
    if (!h->first || !give_first(p)) return false;
    // A file that ends too early.
    return !h->first_came || (h->list.n && (h->next == h->list.n || h->end[h->next] > h->limit));
}

static bool ask_for_first(struct packed_source *p, size_t limit, bool whole);

static bool end_first(struct packed_source *p, enum http_result result)
{
    struct packed_hot *h = &p->hot;
    if (result == HTTP_NO_RANGES && h->limit == FIRST_BYTES) return ask_for_first(p, WHOLE_BYTES, true);
    h->first_came = true;
    return result == HTTP_OK;
}

static void take_first(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct packed_source *p = ctx;
    struct packed_hot *h = &p->hot;
    bool right = true;
    (void)offset;
    if (!h->first) return; // given up
    note_speed(h, n);
    if (!n) right = end_first(p, result);
    if (n > h->limit - h->n) right = false;
    if (right && n) memcpy(h->first + h->n, bytes, n);
    if (right) h->n += n;
    if (right && p->open) right = go_on(p);
    if (!right)
        stop(p);
    else if (p->open && h->first_came)
        end_part(p, &h->first_ended);
}

// The first bytes, or all of them of a server that gives no ranges: more memory, but of what has come only.
static bool ask_for_first(struct packed_source *p, size_t limit, bool whole)
{
    struct packed_hot *h = &p->hot;
    char *url = manifest_beside(p->url, NULL);
    if (h->resource) http_forget(h->resource);
    h->resource = url ? http_resource(p->http, url) : NULL;
    free(url);
    free(h->first);
    h->first = malloc(limit);
    h->n = 0;
    h->limit = limit;
    h->asked_ms = packed_clock();
    if (!h->first || !h->resource) return false;
    if (whole) return !http_whole(h->resource, limit, take_first, p);
    return !http_range(h->resource, 0, limit, take_first, p);
}

void packed_hot_begin(struct packed_source *p)
{
    if (p->pool && !ask_for_first(p, FIRST_BYTES, false)) stop(p);
}

void packed_hot_missing(struct packed_source *p, uint32_t index)
{
    p->hot.cause = index + 1;
    if (!ask_for_first(p, LIST_BYTES, false)) stop(p);
}

void packed_hot_opened(struct packed_source *p)
{
    struct packed_hot *h = &p->hot;
    if (!h->first) return;
    if (!go_on(p))
        stop(p);
    else if (h->first_came)
        end_part(p, &h->first_ended);
}

void packed_hot_free(struct packed_source *p)
{
    free(p->hot.run.stored);
    free(p->hot.first);
    free(p->hot.end);
}

// ---------------------------------------------------------------- what somebody waits for

// Up to where the part that has this chunk has come.
static uint64_t position(const struct packed_hot *h, uint32_t i)
{
    if (h->end[i] <= h->limit || h->run.next == h->list.n) return h->n;
    return start_of(h, h->run.next) + h->run.have;
}

bool packed_hot_is_alone(const struct packed_source *p)
{
    return p->hot.first && packed_clock() - p->hot.asked_ms < ALONE_MS;
}

bool packed_hot_is_late(const struct packed_source *p, uint32_t index)
{
    const struct packed_hot *h = &p->hot;
    uint32_t i = 0;
    while (i < h->list.n && item(h, i).index != index) i++;
    if (i == h->list.n) return true; // not so
    uint64_t at = position(h, i), lacks = h->end[i] > at ? h->end[i] - at : 0;
    int64_t ms = h->begun_ms ? packed_clock() - h->begun_ms : 0;
    if (ms < 10) return lacks > LATE_BYTES;
    return lacks * (uint64_t)ms / (h->came + 1) > LATE_MS;
}
