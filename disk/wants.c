// See wants.h. A chunk is at most once in each queue: the bit of its urgency is set as long as it is wanted. An entry
// of a queue may be out of date: what is asked for already, or has come, is skipped when its turn is there.
#include "disk/wants.h"
#include <stdlib.h>
#include <string.h>

static bool has(const uint64_t *bits, uint32_t chunk)
{
    return bits[chunk / 64] >> chunk % 64 & 1;
}

static void set(uint64_t *bits, uint32_t chunk)
{
    bits[chunk / 64] |= 1ull << chunk % 64;
}

static void unset(uint64_t *bits, uint32_t chunk)
{
    bits[chunk / 64] &= ~(1ull << chunk % 64);
}

int wants_open(struct wants *w, uint32_t chunks)
{
    uint64_t *bits = calloc(3 * ((size_t)chunks / 64 + 1), sizeof *bits);
    *w = (struct wants){.chunks = chunks};
    if (!bits) return -1;
    w->wanted[SOURCE_NOW] = bits;
    w->wanted[SOURCE_AHEAD] = bits + chunks / 64 + 1;
    w->asked = bits + 2 * ((size_t)chunks / 64 + 1);
    return 0;
}

void wants_close(struct wants *w)
{
    free(w->wanted[SOURCE_NOW]);
    free(w->queue[SOURCE_NOW].run);
    free(w->queue[SOURCE_AHEAD].run);
    *w = (struct wants){0};
}

// ---------------------------------------------------------------- queues

static struct wants_run *at(const struct wants_queue *q, uint32_t i)
{
    return &q->run[(q->begin + i) & (q->size - 1)];
}

static int grow(struct wants_queue *q)
{
    uint32_t size = q->size ? q->size * 2 : 64;
    struct wants_run *run = calloc(size, sizeof *run);
    if (!run) return -1;
    for (uint32_t i = 0; i < q->count; i++) run[i] = *at(q, i);
    free(q->run);
    *q = (struct wants_queue){.run = run, .size = size, .count = q->count};
    return 0;
}

static int push(struct wants_queue *q, uint32_t first, uint32_t n)
{
    struct wants_run *last = q->count ? at(q, q->count - 1) : NULL;
    if (last && last->first + last->n == first) {
        last->n += n;
        return 0;
    }
    if (q->count == q->size && grow(q)) return -1;
    q->count++;
    *at(q, q->count - 1) = (struct wants_run){first, n};
    return 0;
}

static void pop(struct wants_queue *q, uint32_t chunks)
{
    struct wants_run *run = at(q, 0);
    run->first += chunks;
    run->n -= chunks;
    if (run->n) return;
    q->begin++;
    q->count--;
}

// ---------------------------------------------------------------- wants

// Does this urgency say something new of it?
static bool is_news(const struct wants *w, uint32_t chunk, enum source_want urgency)
{
    return !has(w->asked, chunk) && !has(w->wanted[SOURCE_NOW], chunk) && !has(w->wanted[urgency], chunk);
}

int wants_add(struct wants *w, uint32_t first, uint32_t n, enum source_want urgency)
{
    uint32_t last = first >= w->chunks ? first : n < w->chunks - first ? first + n : w->chunks;
    for (uint32_t i = first; i < last; i++) {
        if (!is_news(w, i, urgency)) continue;
        if (push(&w->queue[urgency], i, 1)) return -1;
        set(w->wanted[urgency], i);
    }
    return 0;
}

static bool is_due(const struct wants *w, uint32_t chunk, enum source_want urgency)
{
    return has(w->wanted[urgency], chunk) && !has(w->asked, chunk);
}

struct wants_run wants_next(struct wants *w, enum source_want urgency, uint32_t most)
{
    struct wants_queue *q = &w->queue[urgency];
    struct wants_run found = {0};
    while (q->count && found.n < most) {
        uint32_t chunk = at(q, 0)->first;
        bool due = is_due(w, chunk, urgency);
        if (found.n && (!due || chunk != found.first + found.n)) break;
        if (due && found.n++ == 0) found.first = chunk;
        if (due) set(w->asked, chunk);
        pop(q, 1);
    }
    for (uint32_t next; found.n && found.n < most; found.n++) {
        next = found.first + found.n;
        if (next >= w->chunks || !is_due(w, next, SOURCE_AHEAD)) break;
        set(w->asked, next);
    }
    return found;
}

void wants_ask(struct wants *w, uint32_t chunk)
{
    set(w->asked, chunk);
}

void wants_done(struct wants *w, uint32_t chunk)
{
    unset(w->wanted[SOURCE_NOW], chunk);
    unset(w->wanted[SOURCE_AHEAD], chunk);
    unset(w->asked, chunk);
}

bool wants_is_asked(const struct wants *w, uint32_t chunk)
{
    return has(w->asked, chunk);
}
