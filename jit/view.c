// See view.h.
#include "jit/view.h"
#include "host/pages.h"
#include "host/region.h"
#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = sizeof((struct jit *)0)->shared / sizeof(struct view *),
    MAX_VIEW_PAGES = 1 << 15,
    MAX_SHARED = 1024,            // views, and
    MAX_PAGES = 1 << 19,          // pages of them: 8 GiB of address space for their pieces of table
    MAX_SHOWN = 8000,             // pieces of table shown: each takes the host two mappings, of 65,530
    TABLE_BYTES = PAGE_BYTES * 4, // of the table, by page
    FILLED_BITS = TABLE_BYTES / 4096,
};

// ---- views ----

static size_t filled_bytes(uint32_t npages)
{
    return ((size_t)npages * FILLED_BITS + 63) / 64 * 8;
}

static uint32_t pages_of(const struct view *v)
{
    return v->of.end - v->of.first;
}

static void view_free(struct jit *j, struct view *v)
{
    if (!v) return;
    region_piece_free(v->table, pages_of(v) * (size_t)TABLE_BYTES);
    if (v->shard) shard_give_back(j, v->shard);
    j->nshared--;
    j->shared_pages -= pages_of(v);
    j->nfilled -= v->nfilled;
    free(v->frames);
    free(v->filled);
    free(v);
}

static struct view *view_new(struct jit *j, const struct jit_mapping *m)
{
    struct view *v = calloc(1, sizeof *v);
    if (!v) return NULL;
    v->of = *m;
    v->shard = shard_take(j, m);
    v->id = v->shard ? SHARD_VIEW | v->shard->row->slot : ++j->views;
    j->nshared++;
    j->shared_pages += pages_of(v);
    v->frames = calloc(pages_of(v), sizeof *v->frames);
    if (v->shard && v->frames) return v;
    v->filled = calloc(1, filled_bytes(pages_of(v)));
    v->table = region_piece_new(pages_of(v) * (size_t)TABLE_BYTES);
    if (v->frames && v->filled && v->table) return v;
    view_free(j, v);
    return NULL;
}

// Views that no space shares go. Their blocks stay until all go; nothing leads to them.
static void drop_unused(struct jit *j)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct view **at = &j->shared[i]; *at;) {
            struct view *v = *at;
            if (v->uses) {
                at = &v->next;
                continue;
            }
            *at = v->next;
            view_free(j, v);
        }
}

static bool is_same(const struct jit_mapping *a, const struct jit_mapping *b)
{
    return a->first == b->first && a->end == b->end && a->device == b->device && a->inode == b->inode &&
           a->offset == b->offset && a->of_image == b->of_image;
}

static struct view *view_named(struct jit *j, const struct jit_mapping *m)
{
    struct view **bucket = &j->shared[(m->inode ^ m->first) % BUCKETS];
    for (struct view *v = *bucket; v; v = v->next)
        if (is_same(&v->of, m)) return v;
    uint32_t n = m->end - m->first;
    if (n > MAX_VIEW_PAGES) return NULL;
    if (j->nshared == MAX_SHARED || j->shared_pages + n > MAX_PAGES) drop_unused(j);
    if (j->nshared == MAX_SHARED || j->shared_pages + n > MAX_PAGES) return NULL;
    struct view *v = view_new(j, m);
    if (!v) return NULL;
    v->next = *bucket;
    return *bucket = v;
}

void view_forget(struct jit *j)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct view *v = j->shared[i]; v; v = v->next) {
            memset(v->frames, 0, pages_of(v) * sizeof *v->frames);
            if (v->shard) continue; // what its spaces show of it has gone with them
            region_piece_clear(v->table, pages_of(v) * (size_t)TABLE_BYTES);
            memset(v->filled, 0, filled_bytes(pages_of(v)));
            j->nfilled -= v->nfilled;
            v->nfilled = 0;
        }
}

void view_close(struct jit *j)
{
    drop_unused(j);
}

// ---- joining and leaving ----

static bool shows_the_same(const struct jit_space *s, const struct view *v)
{
    for (uint32_t i = 0; i < pages_of(v); i++) {
        pte_t p = mem_pte(s->mem, v->of.first + i);
        if (p && !ram_is_file(pte_frame(p))) return false;
        if (!v->frames[i]) continue;
        uint32_t frame = p ? pte_frame(p) : s->jit->options.source.show(s->owner, v->of.first + i);
        if (frame != v->frames[i]) return false;
    }
    return true;
}

static void unmark_filled(struct jit_space *s, const struct view *v)
{
    if (!s->table_filled) return;
    for (uint32_t page = v->of.first; page < v->of.end; page++) {
        uint32_t bit = page * FILLED_BITS;
        uint64_t *at = &s->table_filled[bit / 64], of_page = (1ull << FILLED_BITS) - 1;
        if (*at) *at &= ~(of_page << bit % 64);
    }
}

static bool show_table(const struct jit_space *s, const struct view *v)
{
    uint8_t *region = mem_region(s->mem);
    if (!v->shard) return region_piece_show(region, v->of.first, pages_of(v), v->table);
    return region_piece_file(region, v->of.first, pages_of(v), s->jit->store->fd,
                             v->shard->row->section[STORE_TABLE].at);
}

static bool join(struct jit_space *s, struct view *v)
{
    struct jit *j = s->jit;
    if (j->shown == MAX_SHOWN || !shows_the_same(s, v)) return false;
    cache_part(s, v->of.first);
    if (!show_table(s, v)) return false;
    unmark_filled(s, v);
    v->uses++;
    j->shown++;
    return true;
}

static void leave(struct jit_space *s, struct view_range *r)
{
    struct view *v = r->view;
    s->jit->epoch++;
    if (!v) return;
    region_piece_hide(mem_region(s->mem), v->of.first, pages_of(v));
    v->uses--;
    s->jit->shown--;
    s->jit->nfilled -= r->nown;
    s->nfilled -= r->nown;
    free(r->own);
    *r = (struct view_range){.first = r->first, .end = r->end};
}

// The first range that ends above page.
static uint32_t range_from(const struct jit_space *s, uint32_t page)
{
    uint32_t lo = 0, hi = s->nranges;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->ranges[mid].end <= page)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void view_leave(struct jit_space *s, uint32_t first, uint32_t end)
{
    uint32_t from = range_from(s, first), to = from;
    for (; to < s->nranges && s->ranges[to].first < end; to++) leave(s, &s->ranges[to]);
    if (to == from) return;
    memmove(s->ranges + from, s->ranges + to, (s->nranges - to) * sizeof *s->ranges);
    s->nranges -= to - from;
    s->last_range = 0;
}

void view_drop(struct jit_space *s)
{
    for (uint32_t i = 0; i < s->nranges; i++)
        if (s->ranges[i].view) {
            s->ranges[i].view->uses--;
            s->jit->shown--;
            free(s->ranges[i].own);
        }
    free(s->ranges);
    s->ranges = NULL;
    s->nranges = s->room_ranges = 0;
}

static bool make_room(struct jit_space *s)
{
    if (s->nranges < s->room_ranges) return true;
    uint32_t room = s->room_ranges ? 2 * s->room_ranges : 16;
    struct view_range *larger = realloc(s->ranges, room * sizeof *larger);
    if (!larger) return false;
    s->ranges = larger;
    s->room_ranges = room;
    return true;
}

static uint32_t id_of(const struct jit_space *s, const struct view_range *r)
{
    return r->view ? r->view->id : s->view;
}

// What the owner says of page, kept until it changes.
static uint32_t ask(struct jit_space *s, uint32_t page)
{
    struct jit_mapping m = {0};
    if (!s->jit->options.source.mapping(s->owner, page, &m)) return s->view;
    s->jit->epoch++;
    view_leave(s, m.first, m.end); // mappings that have grown together
    if (!make_room(s)) return s->view;
    struct view *v = m.shareable ? view_named(s->jit, &m) : NULL;
    if (v && !join(s, v)) v = NULL;
    uint32_t at = range_from(s, page);
    memmove(s->ranges + at + 1, s->ranges + at, (s->nranges - at) * sizeof *s->ranges);
    s->ranges[at] = (struct view_range){.first = m.first, .end = m.end, .view = v};
    s->nranges++;
    s->last_range = at;
    return id_of(s, &s->ranges[at]);
}

uint32_t view_find(struct jit_space *s, uint32_t page)
{
    if (!s->owner) return s->view;
    uint32_t at = range_from(s, page);
    if (at == s->nranges || s->ranges[at].first > page) return ask(s, page);
    s->last_range = at;
    return id_of(s, &s->ranges[at]);
}

static struct view_range *range_shown(struct jit_space *s, uint32_t page)
{
    uint32_t at = s->last_range;
    if (at >= s->nranges || page - s->ranges[at].first >= s->ranges[at].end - s->ranges[at].first)
        at = range_from(s, page);
    return at < s->nranges && s->ranges[at].first <= page ? &s->ranges[at] : NULL;
}

struct view *view_shown(struct jit_space *s, uint32_t page)
{
    const struct view_range *r = range_shown(s, page);
    return r ? r->view : NULL;
}

// Whether a page has become the space's own is not to be seen in the table.
bool view_own_page(struct jit_space *s, uint32_t page)
{
    struct view_range *r = range_shown(s, page / FILLED_BITS);
    uint32_t at = page - r->first * FILLED_BITS;
    if (!r->own) r->own = calloc(1, filled_bytes(r->end - r->first));
    if (!r->own) return false;
    if (r->own[at / 64] >> at % 64 & 1) return true;
    if (s->jit->nfilled >= MAX_FILLED) return false;
    r->own[at / 64] |= 1ull << at % 64;
    r->nown++;
    s->nfilled++;
    s->jit->nfilled++;
    return true;
}

// The rest of the range stays the space's own until it changes.
static void keep_own(struct jit_space *s, const struct view *v)
{
    leave(s, &s->ranges[range_from(s, v->of.first)]);
}

bool view_has_code(struct jit_space *s, struct view *v, uint32_t page)
{
    uint32_t *noted = &v->frames[page - v->of.first], frame = pte_frame(mem_pte(s->mem, page));
    if (frame == *noted) return true;
    if (!*noted && ram_is_file(frame)) {
        *noted = frame;
        return true;
    }
    keep_own(s, v);
    return false;
}

void jit_space_share(struct jit_space *s, void *owner)
{
    if (s->jit->options.source.mapping) s->owner = owner;
}

void jit_space_changed(struct jit_space *s, uint32_t first, uint32_t end)
{
    view_leave(s, first, end);
}
