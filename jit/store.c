// The reader of the code cache's file, and the sums that its writer (cli/codecache_write.c) puts in: see store.h.
// Nothing here asks the host for anything: it looks at bytes that are mapped already, which may be any.
#include "jit/store.h"
#include <string.h>

_Static_assert(sizeof(struct store_head) == 96 && sizeof(struct store_shard) == 224 && sizeof(struct store_memo) == 56,
               "as in the file, without padding");
_Static_assert(offsetof(struct store_head, sum) + sizeof(uint64_t) == sizeof(struct store_head), "the sum comes last");
_Static_assert(STORE_TOP_MIN > 0 && STORE_TOP_MAX < STORE_WINDOW, "a target is neither nowhere nor a hole");

enum { LANES = 8, LINE = LANES * sizeof(uint64_t), MEMO_NAME = offsetof(struct store_memo, digest) };

// ---------------------------------------------------------------- sums

// One to one in both, so that a change of one word is never lost in its lane; the shift brings the high bits, which the
// product only moves up, down again.
static inline uint64_t mix(uint64_t h, uint64_t word)
{
    h = ((h << 29 | h >> 35) ^ word) * 0x9e3779b97f4a7c15;
    return h ^ h >> 32;
}

static inline uint64_t word_at(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

// Eight lanes, since a product takes some cycles and the next one need not wait for it. Written out, and by value: the
// compiler keeps an array in memory.
struct lanes {
    uint64_t a, b, c, d, e, f, g, h;
};

static inline struct lanes mix_line(struct lanes l, const uint8_t *p)
{
    l.a = mix(l.a, word_at(p)), l.b = mix(l.b, word_at(p + 8));
    l.c = mix(l.c, word_at(p + 16)), l.d = mix(l.d, word_at(p + 24));
    l.e = mix(l.e, word_at(p + 32)), l.f = mix(l.f, word_at(p + 40));
    l.g = mix(l.g, word_at(p + 48)), l.h = mix(l.h, word_at(p + 56));
    return l;
}

uint64_t store_sum(uint64_t seed, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint8_t rest[LINE] = {0};
    struct lanes l = {seed + 1, seed + 2, seed + 3, seed + 4, seed + 5, seed + 6, seed + 7, seed + 8};
    size_t left = n;
    for (; left >= LINE; left -= LINE, p += LINE) l = mix_line(l, p);
    if (left) {
        memcpy(rest, p, left);
        l = mix_line(l, rest);
    }
    uint64_t h = mix(mix(mix(mix(mix(seed, n), l.a), l.b), l.c), l.d);
    return mix(mix(mix(mix(mix(h, l.e), l.f), l.g), l.h), 0);
}

static size_t tables_bytes(const struct store_head *h)
{
    return h->nshards * sizeof(struct store_shard) + h->nmemos * sizeof(struct store_memo);
}

uint64_t store_head_sum(const struct store_head *h)
{
    return store_sum(store_sum(0, h, offsetof(struct store_head, sum)), h + 1, tables_bytes(h));
}

uint64_t store_table_step(uint64_t sum, uint32_t page, const void *data)
{
    return store_sum(mix(sum, page), data, STORE_PAGE);
}

static bool is_zero(const uint8_t *page)
{
    uint64_t any = 0;
    for (size_t i = 0; i < STORE_PAGE; i += sizeof any) any |= word_at(page + i);
    return !any;
}

static bool table_is_good(const struct store_shard *s, const uint8_t *table)
{
    uint64_t sum = store_sum(STORE_TABLE, NULL, 0);
    uint32_t used = 0, n = s->npages * STORE_TABLE_PAGES;
    for (uint32_t page = 0; page < n; page++, table += STORE_PAGE)
        if (!store_is_hole(table)) {
            sum = store_table_step(sum, page, table);
            used++;
        } else if (!is_zero(table)) {
            return false;
        }
    return used == s->used && sum == s->section[STORE_TABLE].sum;
}

// ---------------------------------------------------------------- what is where

static const struct store_shard *shards_of(const struct store_head *h)
{
    return (const struct store_shard *)(h + 1);
}

static const struct store_memo *memos_of(const struct store_head *h)
{
    return (const struct store_memo *)(shards_of(h) + h->nshards);
}

const struct store_shard *store_shards(const struct store *s)
{
    return shards_of(s->head);
}

const struct store_memo *store_memos(const struct store *s)
{
    return memos_of(s->head);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int store_compare(const struct store_shard *a, const struct store_shard *b)
{
    int c = memcmp(a->digest, b->digest, sizeof a->digest);
    if (!c) c = compare_numbers(a->offset, b->offset);
    if (!c) c = compare_numbers(a->first, b->first);
    return c ? c : compare_numbers(a->npages, b->npages);
}

const struct store_shard *store_find(const struct store *s, const struct store_shard *like)
{
    const struct store_shard *all = store_shards(s);
    uint32_t low = 0, high = s->head->nshards;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int c = store_compare(like, &all[middle]);
        if (c == 0) return &all[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const uint8_t *store_digest(const struct store *s, const uint8_t image[16], uint64_t inode)
{
    const struct store_memo *all = store_memos(s);
    struct store_memo like = {.inode = inode};
    uint32_t low = 0, high = s->head->nmemos;
    memcpy(like.image, image, sizeof like.image);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int c = memcmp(&like, &all[middle], MEMO_NAME);
        if (c == 0) return all[middle].digest;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const uint8_t *section_at(const struct store *s, const struct store_range *r, enum store_section which)
{
    return s->data + r->at + (which == STORE_CODE ? s->head->code_at : 0);
}

const void *store_section_checked(const struct store *s, const struct store_shard *shard, enum store_section which)
{
    const struct store_range *r = &shard->section[which];
    const uint8_t *at = section_at(s, r, which);
    if (which == STORE_TABLE) return table_is_good(shard, at) ? at : NULL;
    return store_sum(which, at, r->bytes) == r->sum ? at : NULL;
}

const void *store_section(const struct store *s, const struct store_shard *shard, enum store_section which)
{
    return s->stamped ? section_at(s, &shard->section[which], which) : store_section_checked(s, shard, which);
}

// ---------------------------------------------------------------- may it be read at all

static bool lies_in(const struct store_range *r, uint64_t from, uint64_t end)
{
    return r->at % STORE_PAGE == 0 && r->at >= from && r->at <= end && r->bytes <= end - r->at;
}

// Whole pages: what is mapped of the code, or as table, ends with the file.
static bool head_is_good(const struct store_head *h, uint64_t bytes)
{
    return h->bytes == bytes && bytes % STORE_PAGE == 0 && h->nshards <= STORE_MAX_SHARDS &&
           h->nmemos <= STORE_MAX_MEMOS && h->top >= STORE_TOP_MIN && h->top <= STORE_TOP_MAX &&
           h->code_at % STORE_PAGE == 0 && h->code_at <= bytes && h->code_at >= sizeof *h + tables_bytes(h) &&
           h->code_bytes % STORE_PAGE == 0 && h->code_bytes <= STORE_MAX_CODE && h->code_bytes <= bytes - h->code_at;
}

static bool shard_is_good(const struct store_head *h, const struct store_shard *s)
{
    enum { GUEST_PAGES = 1 << 20 }; // 4 GiB of guest memory
    const struct store_range *code = &s->section[STORE_CODE], *table = &s->section[STORE_TABLE];
    if (s->npages == 0 || s->first >= GUEST_PAGES || s->npages > GUEST_PAGES - s->first) return false;
    if (s->slot == 0 || s->slot > STORE_MAX_SHARDS || s->used > s->npages * STORE_TABLE_PAGES) return false;
    if (code->bytes == 0 || !lies_in(code, 0, h->code_bytes)) return false;
    if (table->bytes != (uint64_t)s->npages * STORE_TABLE_PAGES * STORE_PAGE) return false;
    for (int i = STORE_TABLE; i < STORE_SECTIONS; i++)
        if (!lies_in(&s->section[i], h->code_at + h->code_bytes, h->bytes) ||
            (i != STORE_TABLE && s->section[i].bytes > STORE_MAX_SECTION))
            return false;
    return true;
}

static bool shards_are_good(const struct store_head *h)
{
    const struct store_shard *s = shards_of(h);
    uint64_t slots[STORE_MAX_SHARDS / 64 + 1] = {0};
    for (uint32_t i = 0; i < h->nshards; i++) {
        if (!shard_is_good(h, &s[i]) || (i && store_compare(&s[i - 1], &s[i]) >= 0)) return false;
        uint64_t *word = &slots[s[i].slot / 64], bit = 1ull << s[i].slot % 64;
        if (*word & bit) return false;
        *word |= bit;
    }
    return true;
}

// Heap sort: no file makes it slow.
static void sink(uint16_t *order, uint32_t i, uint32_t n, const struct store_shard *s)
{
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && s[order[child]].section[STORE_CODE].at < s[order[child + 1]].section[STORE_CODE].at)
            child++;
        if (s[order[i]].section[STORE_CODE].at >= s[order[child]].section[STORE_CODE].at) return;
        uint16_t kept = order[i];
        order[i] = order[child];
        order[child] = kept;
    }
}

static bool code_is_apart(const struct store_head *h)
{
    const struct store_shard *s = shards_of(h);
    uint16_t order[STORE_MAX_SHARDS];
    uint64_t behind = h->code_bytes;
    for (uint32_t i = 0; i < h->nshards; i++) order[i] = (uint16_t)i;
    for (uint32_t i = h->nshards / 2; i-- > 0;) sink(order, i, h->nshards, s);
    for (uint32_t n = h->nshards; n-- > 0;) { // from the last code to the first
        const struct store_range *code = &s[order[0]].section[STORE_CODE];
        if (code->at + code->bytes > behind) return false;
        behind = code->at;
        order[0] = order[n];
        sink(order, 0, n, s);
    }
    return true;
}

static bool memos_are_good(const struct store_head *h)
{
    const struct store_memo *m = memos_of(h);
    for (uint32_t i = 1; i < h->nmemos; i++)
        if (memcmp(&m[i - 1], &m[i], MEMO_NAME) >= 0) return false;
    return true;
}

bool store_check(const uint8_t *data, uint64_t bytes, const uint8_t key[STORE_DIGEST], const char **why)
{
    const struct store_head *h = (const struct store_head *)data;
    *why = NULL;
    if (bytes < sizeof *h || memcmp(h->magic, STORE_MAGIC, sizeof h->magic) || h->version != STORE_VERSION)
        *why = "is no code cache of this version";
    else if (memcmp(h->key, key, STORE_DIGEST))
        *why = "is of another belljar, CPU or options";
    else if (!head_is_good(h, bytes))
        *why = "is cut off, or its head is damaged";
    else if (store_head_sum(h) != h->sum)
        *why = "has tables that do not match their sum";
    else if (!shards_are_good(h) || !code_is_apart(h) || !memos_are_good(h))
        *why = "has tables that contradict themselves";
    return !*why;
}
