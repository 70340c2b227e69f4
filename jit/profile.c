// Writing the profile down (profile.h).
#include "jit/view.h"
#include <stdlib.h>

struct writing {
    const struct jit *jit;
    jit_put *put;
    void *ctx;
    uint32_t *start;            // by key: its first place in `codes`
    struct profile_code *codes; // all, by view
    bool failed;
};

// A place for each view: the shards' come behind the others'.
static uint32_t key_of(const struct jit *j, uint32_t view)
{
    return view & SHARD_VIEW ? j->views + 1 + (view & ~SHARD_VIEW) : view;
}

static uint32_t keys_of(const struct jit *j)
{
    return j->views + 1 + STORE_MAX_SHARDS + 1;
}

static uint32_t flags_of(const struct block *b)
{
    return (b->r11 == R11_REG ? PROFILE_R11 : 0) | (b->hot ? PROFILE_HOT : 0);
}

typedef void visit_fn(struct writing *, uint32_t key, const struct profile_code *);

static void visit_all(struct writing *w, visit_fn *visit)
{
    const struct jit *j = w->jit;
    for (uint32_t i = 0; i < j->nran; i++) visit(w, key_of(j, j->ran[i].view), &j->ran[i].code);
    for (uint32_t i = 1; i < j->nblocks; i++) {
        const struct block *b = &j->blocks[i];
        struct profile_code c = {b->pc, flags_of(b)};
        if (c.flags && !b->dead) visit(w, key_of(j, b->view), &c);
    }
}

static void count(struct writing *w, uint32_t key, const struct profile_code *c)
{
    (void)c;
    w->start[key + 1]++;
}

static void place(struct writing *w, uint32_t key, const struct profile_code *c)
{
    w->codes[w->start[key]++] = *c;
}

static void write_bytes(struct writing *w, const void *from, size_t n)
{
    if (!w->failed && n) w->failed = !w->put(w->ctx, from, n);
}

static void write_view(struct writing *w, const struct view *v)
{
    uint32_t key = key_of(w->jit, v->id), from = w->start[key - 1]; // `place` has moved each to its end
    uint32_t n = w->start[key] - from;
    struct profile_mapping m = {.inode = v->of.inode,
                                .offset = v->of.offset,
                                .first = v->of.first,
                                .npages = v->of.end - v->of.first,
                                .slot = v->shard ? v->shard->row->slot : 0,
                                .ncodes = n};
    if (!n && !m.slot) return; // that a shard was used is worth knowing, too
    write_bytes(w, &m, sizeof m);
    write_bytes(w, w->codes + from, n * sizeof *w->codes);
}

static void write_all(struct writing *w)
{
    const struct jit *j = w->jit;
    uint32_t n = 0;
    visit_all(w, count);
    for (uint32_t i = 0; i <= keys_of(j); i++) {
        uint32_t here = w->start[i];
        w->start[i] = n += here;
    }
    w->codes = calloc(n ? n : 1, sizeof *w->codes);
    if (!w->codes) return;
    visit_all(w, place);
    for (unsigned i = 0; i < sizeof j->shared / sizeof *j->shared; i++)
        for (const struct view *v = j->shared[i]; v; v = v->next) write_view(w, v);
}

bool jit_profile(const struct jit *j, jit_put *put, void *ctx)
{
    struct writing w = {.jit = j, .put = put, .ctx = ctx};
    w.start = calloc((size_t)keys_of(j) + 1, sizeof *w.start);
    if (w.start) write_all(&w);
    bool good = w.start && w.codes && !w.failed;
    free(w.start);
    free(w.codes);
    return good;
}
