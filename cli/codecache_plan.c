// See codecache_plan.h.
#include "cli/codecache_plan.h"
#include "cli/codecache_file.h"
#include "cli/codecache_pieces.h"
#include <stdlib.h>
#include <string.h>

enum { KEEP_MEMOS = 4096, GUEST_PAGE_SHIFT = 12, MOST_OF_ONE = CODECACHE_LIMIT / 2 };

static void sort(void *at, uint32_t n, size_t size, int (*compare)(const void *, const void *))
{
    if (n > 1) qsort(at, n, size, compare); // which wants no NULL, not even of nothing
}

static uint64_t whole_pages(uint64_t bytes)
{
    return (bytes + STORE_PAGE - 1) & ~(uint64_t)(STORE_PAGE - 1);
}

// Room for one element more.
static bool grow(void **at, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room) return true;
    uint32_t more = *room ? *room * 2 : 64;
    void *grown = realloc(*at, more * size);
    if (!grown) return false;
    *at = grown;
    *room = more;
    return true;
}

// ---------------------------------------------------------------- the table of a new shard

struct sorted_target {
    uint64_t order; // by address, then as they were given
    uint32_t code;
};

static int compare_targets(const void *a, const void *b)
{
    uint64_t x = ((const struct sorted_target *)a)->order, y = ((const struct sorted_target *)b)->order;
    return x < y ? -1 : x > y;
}

// From the last to the first: nothing comes right before what is kept, or at the end of the shard. They end up at the
// end of `to`, in order; the number of them.
static uint32_t thin(const struct sorted_target *from, uint32_t n, struct target_entry *to, uint64_t end)
{
    uint32_t kept = n;
    for (uint32_t i = n; i-- > 0;) {
        uint32_t pc = (uint32_t)(from[i].order >> 32);
        if (kept < n && (to[kept].pc == pc || to[kept].pc == pc + 1)) continue;
        if (pc + 1ull == end) continue;
        to[--kept] = (struct target_entry){pc, from[i].code};
    }
    memmove(to, to + kept, (n - kept) * sizeof *to);
    return n - kept;
}

static bool take_targets(struct planned *p)
{
    const struct store_new *n = &p->new;
    uint64_t first = (uint64_t)p->shard.first << GUEST_PAGE_SHIFT;
    uint64_t end = first + ((uint64_t)p->shard.npages << GUEST_PAGE_SHIFT);
    struct sorted_target *sorted = malloc((n->ntargets + 1) * sizeof *sorted);
    p->targets = malloc((n->ntargets + 1) * sizeof *p->targets);
    bool good = sorted && p->targets;
    for (uint32_t i = 0; good && i < n->ntargets; i++) {
        const struct store_target *t = &n->targets[i];
        sorted[i] = (struct sorted_target){(uint64_t)t->pc << 32 | i, t->code};
        good = t->pc >= first && t->pc < end && t->code < n->section[STORE_CODE].bytes;
    }
    if (good) {
        sort(sorted, n->ntargets, sizeof *sorted, compare_targets);
        p->ntargets = thin(sorted, n->ntargets, p->targets, end);
    }
    free(sorted);
    return good;
}

static uint64_t table_skew(const struct store_shard *s)
{
    return (uint64_t)s->first * STORE_TABLE_PAGES * STORE_PAGE % PIECE_BLOCK;
}

static uint32_t table_page(const struct planned *p, uint32_t target)
{
    return (p->targets[target].pc - (p->shard.first << GUEST_PAGE_SHIFT)) / STORE_TABLE_GUEST;
}

struct table_walk table_begin(const struct planned *p)
{
    return (struct table_walk){.of = p, .page = UINT32_MAX, .wanted = true};
}

// thin() leaves no target at the end of the last page, so the page behind one is the shard's own.
bool table_next(struct table_walk *w, uint32_t page[STORE_TABLE_GUEST], uint32_t nowhere, uint32_t code)
{
    const struct planned *p = w->of;
    if (w->wanted)
        w->page++;
    else if (w->next < p->ntargets)
        w->page = table_page(p, w->next);
    else
        return false;
    w->wanted = false;
    for (uint32_t i = 0; i < STORE_TABLE_GUEST; i++) page[i] = nowhere;
    for (; w->next < p->ntargets && table_page(p, w->next) == w->page; w->next++) {
        uint32_t entry = p->targets[w->next].pc % STORE_TABLE_GUEST;
        page[entry] = code + p->targets[w->next].code;
        w->wanted = entry == STORE_TABLE_GUEST - 1;
    }
    return true;
}

// And what its blocks take on the disk.
static void measure_table(struct planned *p)
{
    uint32_t page[STORE_TABLE_GUEST], last = UINT32_MAX;
    struct table_walk walk = table_begin(p);
    p->shard.used = 0;
    p->table_bytes = 0;
    while (table_next(&walk, page, 0, 0)) {
        uint32_t block = (walk.page + table_skew(&p->shard) / STORE_PAGE) / (PIECE_BLOCK / STORE_PAGE);
        if (block != last) p->table_bytes += PIECE_BLOCK;
        last = block;
        p->shard.used++;
    }
}

// ---------------------------------------------------------------- what is in it

static bool may_be(const struct store_new *n)
{
    const struct store_shard *s = &n->id;
    if (!s->npages || s->first >= 1 << 20 || s->npages > (1u << 20) - s->first) return false;
    if (!n->section[STORE_CODE].bytes || n->section[STORE_CODE].bytes > STORE_MAX_CODE) return false;
    for (int i = STORE_BLOCKS; i < STORE_SECTIONS; i++)
        if (n->section[i].bytes > STORE_MAX_SECTION) return false;
    return true;
}

static struct planned *find(const struct plan *p, const struct store_shard *id)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (!store_compare(&p->shards[i].shard, id)) return &p->shards[i];
    return NULL;
}

const struct planned *plan_find(const struct plan *p, const struct store_shard *id)
{
    return find(p, id);
}

bool plan_keep(struct plan *p, const struct store_shard *old, uint64_t table_bytes, uint32_t last_use)
{
    if (!grow((void **)&p->shards, p->n, &p->room, sizeof *p->shards)) return false;
    p->shards[p->n++] =
        (struct planned){.shard = *old, .old = old, .table_bytes = table_bytes, .last_use = last_use, .placed = true};
    return true;
}

// The sections' places come later.
static void set_sizes(struct planned *p)
{
    for (int i = 0; i < STORE_SECTIONS; i++)
        p->shard.section[i] = (struct store_range){.bytes = p->new.section[i].bytes};
    p->shard.section[STORE_TABLE].bytes = (uint64_t)p->shard.npages * STORE_TABLE_PAGES * STORE_PAGE;
    measure_table(p);
}

static uint64_t bytes_on_disk(const struct planned *p)
{
    uint64_t bytes = p->table_bytes;
    for (int i = 0; i < STORE_SECTIONS; i++)
        if (i != STORE_TABLE) bytes += whole_pages(p->shard.section[i].bytes);
    return bytes;
}

bool plan_add(struct plan *p, const struct store_new *n)
{
    struct planned *same = find(p, &n->id), made = {.shard = n->id, .new = *n, .last_use = UINT32_MAX};
    if (!may_be(n) || (same && !same->old)) return false;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->shards[i].shard.slot == n->id.slot && &p->shards[i] != same) return false;
    if (!same && !grow((void **)&p->shards, p->n, &p->room, sizeof *p->shards)) return false;
    bool good = take_targets(&made);
    if (good) set_sizes(&made);
    if (!good || bytes_on_disk(&made) > MOST_OF_ONE) {
        free(made.targets);
        return false;
    }
    if (same)
        *same = made;
    else
        p->shards[p->n++] = made;
    p->fresh = true;
    return true;
}

bool plan_remember(struct plan *p, const struct store_memo *m, bool fresh)
{
    uint32_t i = 0;
    while (fresh && i < p->nmemos && memcmp(&p->memos[i].memo, m, offsetof(struct store_memo, digest))) i++;
    if (!fresh || i == p->nmemos) {
        if (!grow((void **)&p->memos, p->nmemos, &p->room_memos, sizeof *p->memos)) return false;
        i = p->nmemos++;
    } else if (!memcmp(&p->memos[i].memo, m, sizeof *m)) {
        p->memos[i].fresh = true; // known, and wanted: no reason to write
        return true;
    }
    p->memos[i] = (struct planned_memo){*m, fresh};
    p->fresh = p->fresh || fresh;
    return true;
}

static void drop(struct plan *p, uint32_t i)
{
    free(p->shards[i].targets);
    p->shards[i] = p->shards[--p->n];
}

static struct planned *longest_ago(const struct plan *p)
{
    struct planned *found = NULL;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->shards[i].old && (!found || p->shards[i].last_use < found->last_use)) found = &p->shards[i];
    return found;
}

uint32_t plan_evict(struct plan *p)
{
    struct planned *oldest = longest_ago(p);
    if (!oldest) return 0;
    uint32_t slot = oldest->shard.slot;
    drop(p, (uint32_t)(oldest - p->shards));
    return slot;
}

void plan_free(struct plan *p)
{
    while (p->n) drop(p, p->n - 1);
    free(p->shards);
    free(p->memos);
}

// ---------------------------------------------------------------- what may stay

// The last used first. What is new counts as used later than anything else.
static int compare_use(const void *a, const void *b)
{
    const struct planned *x = a, *y = b;
    if (x->last_use != y->last_use) return x->last_use > y->last_use ? -1 : 1;
    return store_compare(&x->shard, &y->shard);
}

static int compare_identity(const void *a, const void *b)
{
    return store_compare(&((const struct planned *)a)->shard, &((const struct planned *)b)->shard);
}

static void keep_within(struct plan *p, uint64_t limit)
{
    uint64_t bytes = 0;
    uint32_t kept = 0;
    sort(p->shards, p->n, sizeof *p->shards, compare_use);
    while (kept < p->n && (bytes += bytes_on_disk(&p->shards[kept])) <= limit) kept++;
    while (p->n > kept) drop(p, p->n - 1);
}

static bool has_content(const struct plan *p, const uint8_t digest[STORE_DIGEST])
{
    for (uint32_t i = 0; i < p->n; i++)
        if (!memcmp(p->shards[i].shard.digest, digest, STORE_DIGEST)) return true;
    return false;
}

static bool is_of_a_new_image(const struct plan *p, const struct store_memo *m)
{
    for (uint32_t i = 0; i < p->nmemos; i++)
        if (p->memos[i].fresh && !memcmp(p->memos[i].memo.image, m->image, sizeof m->image)) return true;
    return false;
}

// What was known of other images goes when it becomes much; first what nothing was kept for.
static void keep_memos(struct plan *p)
{
    for (int round = 0; round < 3 && p->nmemos > KEEP_MEMOS; round++) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < p->nmemos; i++) {
            const struct store_memo *m = &p->memos[i].memo;
            bool stays = p->memos[i].fresh || (round == 0 && has_content(p, m->digest)) ||
                         (round == 1 && is_of_a_new_image(p, m));
            if (stays) p->memos[kept++] = p->memos[i];
        }
        p->nmemos = kept;
    }
    if (p->nmemos > STORE_MAX_MEMOS) p->nmemos = STORE_MAX_MEMOS;
}

// ---------------------------------------------------------------- where

static uint64_t code_at(const struct planned *p)
{
    return p->shard.section[STORE_CODE].at;
}

static uint64_t code_end(const struct planned *p)
{
    return code_at(p) + whole_pages(p->shard.section[STORE_CODE].bytes);
}

// Those that have a place first, in order.
static int compare_place(const void *a, const void *b)
{
    const struct planned *x = a, *y = b;
    if (x->placed != y->placed) return x->placed ? -1 : 1;
    if (x->placed && code_at(x) != code_at(y)) return code_at(x) < code_at(y) ? -1 : 1;
    return store_compare(&x->shard, &y->shard);
}

// The first gap that is large enough for shard `i`, which is the first one without a place. It moves to where it
// belongs in the order.
static bool place(struct plan *p, uint32_t i)
{
    struct planned made = p->shards[i];
    uint64_t need = whole_pages(made.shard.section[STORE_CODE].bytes), at = 0;
    uint32_t before = 0;
    while (before < i && code_at(&p->shards[before]) < at + need) at = code_end(&p->shards[before++]);
    if (at + need > STORE_MAX_CODE) return false;
    made.shard.section[STORE_CODE].at = at;
    made.placed = true;
    memmove(&p->shards[before + 1], &p->shards[before], (i - before) * sizeof made);
    p->shards[before] = made;
    return true;
}

// Where there is no gap, old ones make room; without them the new one goes.
static void place_code(struct plan *p)
{
    uint32_t i = 0;
    sort(p->shards, p->n, sizeof *p->shards, compare_place);
    while (i < p->n) {
        if (p->shards[i].placed || place(p, i)) {
            i++;
            continue;
        }
        if (!plan_evict(p)) drop(p, i);
        sort(p->shards, p->n, sizeof *p->shards, compare_place);
        for (i = 0; i < p->n && p->shards[i].placed;) i++;
    }
}

// Where the table's block of 64 KiB begins in the table of targets, there it begins in the file.
static uint64_t place_table(const struct planned *p, uint64_t at)
{
    return pieces_whole(at) + table_skew(&p->shard);
}

// Code of 2 MiB and more begins where the host can map so much of it at once. What boxes read of all shards lies
// together, behind the code; then the tables, which have holes.
static void place_data(struct plan *p)
{
    struct store_head *h = &p->head;
    h->nshards = p->n;
    h->nmemos = p->nmemos;
    h->code_bytes = 0;
    for (uint32_t i = 0; i < p->n; i++)
        if (code_end(&p->shards[i]) > h->code_bytes) h->code_bytes = code_end(&p->shards[i]);
    h->code_at = pieces_whole(sizeof *h + p->n * sizeof(struct store_shard) + p->nmemos * sizeof(struct store_memo));
    if (h->code_bytes >= PIECE_BYTES) h->code_at = (h->code_at + PIECE_BYTES - 1) & ~(uint64_t)(PIECE_BYTES - 1);
    uint64_t at = h->code_at + h->code_bytes;
    for (uint32_t i = 0; i < p->n; i++)
        for (int s = STORE_TABLE + 1; s < STORE_SECTIONS; s++) {
            p->shards[i].shard.section[s].at = at;
            at += whole_pages(p->shards[i].shard.section[s].bytes);
        }
    for (uint32_t i = 0; i < p->n; i++) {
        struct store_range *table = &p->shards[i].shard.section[STORE_TABLE];
        table->at = place_table(&p->shards[i], at);
        at = table->at + table->bytes;
    }
    h->bytes = pieces_whole(at);
}

static int compare_memos(const void *a, const void *b)
{
    return memcmp(a, b, offsetof(struct store_memo, digest));
}

void plan_lay_out(struct plan *p, uint64_t limit)
{
    keep_within(p, limit);
    place_code(p);
    sort(p->shards, p->n, sizeof *p->shards, compare_identity);
    keep_memos(p);
    sort(p->memos, p->nmemos, sizeof *p->memos, compare_memos);
    place_data(p);
}
