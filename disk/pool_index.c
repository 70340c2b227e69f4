// See pool_index.h.
#include "disk/pool_index.h"
#include <string.h>

enum { STEPS = 256 }; // of a chain, at most: with a bucket for each slot, real ones have a few

// ---------------------------------------------------------------- sums

// Damage and halves are to be seen, not forgery: whoever may write here is the user.
static uint64_t sum_bytes(uint64_t sum, const void *from, size_t n)
{
    const uint8_t *at = from;
    for (; n >= 8; at += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 29;
    }
    for (; n; at++, n--) sum = (sum ^ *at) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 32;
}

static uint64_t not_zero(uint64_t sum)
{
    return sum ? sum : 1;
}

uint64_t index_head_sum(const struct index_head *h)
{
    return not_zero(sum_bytes(INDEX_VERSION, h, offsetof(struct index_head, sum)));
}

// Of a slot: an entry that got into another one's place does not count.
static uint64_t entry_sum(const struct index_entry *e, uint32_t slot)
{
    return not_zero(sum_bytes(slot, e, offsetof(struct index_entry, next)));
}

static uint64_t note_sum(const struct index_note *n)
{
    return not_zero(sum_bytes(sum_bytes(n->bytes, n->key, POOL_KEY), n->value, n->bytes));
}

// ---------------------------------------------------------------- the table

struct pool_index index_at(void *memory)
{
    uint8_t *at = memory;
    return (struct pool_index){(struct index_head *)at, (uint32_t *)(at + INDEX_BUCKETS_AT),
                               (struct index_note *)(at + INDEX_NOTES_AT),
                               (struct index_entry *)(at + INDEX_ENTRIES_AT)};
}

// What another process sees when this one is killed is in the order of the stores.
static void in_order(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void begin(struct pool_index *x)
{
    x->head->dirty = 1;
    in_order();
}

static void end(struct pool_index *x)
{
    in_order();
    x->head->dirty = 0;
}

static uint32_t *bucket_of(const struct pool_index *x, const uint8_t key[POOL_KEY])
{
    uint64_t first;
    memcpy(&first, key, 8);
    return &x->buckets[first * 0x9e3779b97f4a7c15u >> 46];
}
_Static_assert(POOL_SLOTS == 1 << (64 - 46), "a bucket for each slot");

uint32_t index_ready(const struct pool_index *x)
{
    return x->head->ready < POOL_SLOTS ? x->head->ready : POOL_SLOTS;
}

bool index_counts(const struct pool_index *x, uint32_t slot)
{
    const struct index_entry *e = &x->entries[slot];
    return e->sum && e->sum == entry_sum(e, slot);
}

// A chain that is damaged is made anew by the next who takes the lock.
uint32_t index_find(const struct pool_index *x, const uint8_t key[POOL_KEY])
{
    uint32_t slot = *bucket_of(x, key), n = index_ready(x);
    for (int steps = 0; slot; steps++, slot = x->entries[slot].next) {
        if (slot >= n || steps == STEPS) {
            x->head->dirty = 1;
            return 0;
        }
        if (memcmp(x->entries[slot].key, key, POOL_KEY)) continue;
        if (index_counts(x, slot)) return slot;
        x->head->dirty = 1;
    }
    return 0;
}

uint32_t index_parts(const struct pool_index *x, uint32_t slot)
{
    return x->entries[slot].parts & POOL_ALL;
}

void index_touch(struct pool_index *x, uint32_t slot)
{
    x->entries[slot].used = ++x->head->clock;
}

static void link_entry(struct pool_index *x, uint32_t slot)
{
    uint32_t *bucket = bucket_of(x, x->entries[slot].key);
    x->entries[slot].next = *bucket;
    *bucket = slot;
}

void index_put(struct pool_index *x, uint32_t slot, const uint8_t key[POOL_KEY], uint32_t parts,
               const uint8_t proof[POOL_PROOF])
{
    struct index_entry *e = &x->entries[slot];
    begin(x);
    memcpy(e->key, key, POOL_KEY);
    memcpy(e->proof, proof, POOL_PROOF);
    e->parts = (uint16_t)parts;
    e->boot = x->head->boot;
    e->used = ++x->head->clock;
    in_order();
    e->sum = entry_sum(e, slot);
    link_entry(x, slot);
    x->head->chunks++;
    end(x);
}

// An entry that is there changes: killed in between, it is lost.
static struct index_entry *begin_entry(struct pool_index *x, uint32_t slot)
{
    begin(x);
    x->entries[slot].sum = 0;
    in_order();
    return &x->entries[slot];
}

static void end_entry(struct pool_index *x, uint32_t slot)
{
    in_order();
    x->entries[slot].sum = entry_sum(&x->entries[slot], slot);
    end(x);
}

void index_prove(struct pool_index *x, uint32_t slot)
{
    begin_entry(x, slot)->boot = x->head->boot;
    end_entry(x, slot);
}

void index_extend(struct pool_index *x, uint32_t slot, uint32_t parts, const uint8_t proof[POOL_PROOF])
{
    struct index_entry *e = begin_entry(x, slot);
    for (unsigned i = 0; i < POOL_PROOF; i++) e->proof[i] ^= proof[i];
    e->parts |= (uint16_t)parts;
    end_entry(x, slot);
}

static void unlink_entry(struct pool_index *x, uint32_t slot)
{
    uint32_t *at = bucket_of(x, x->entries[slot].key), n = index_ready(x);
    for (int steps = 0; *at && *at < n && steps < STEPS; steps++) {
        if (*at == slot) {
            *at = x->entries[slot].next;
            return;
        }
        at = &x->entries[*at].next;
    }
}

void index_remove(struct pool_index *x, uint32_t slot)
{
    begin(x);
    if (x->entries[slot].sum && x->head->chunks) x->head->chunks--;
    x->entries[slot].sum = 0;
    in_order();
    unlink_entry(x, slot);
    end(x);
}

// Of two entries with one key one stays.
void index_rebuild(struct pool_index *x)
{
    uint32_t n = index_ready(x);
    begin(x);
    memset(x->buckets, 0, POOL_SLOTS * sizeof *x->buckets);
    x->head->chunks = 0;
    for (uint32_t slot = 1; slot < n; slot++) {
        struct index_entry *e = &x->entries[slot];
        if (!e->sum) continue;
        if (!index_counts(x, slot) || index_find(x, e->key)) {
            e->sum = 0;
            continue;
        }
        link_entry(x, slot);
        x->head->chunks++;
    }
    end(x);
}

// ---------------------------------------------------------------- notes

static struct index_note *notes_of(const struct pool_index *x, const uint8_t key[POOL_KEY])
{
    return &x->notes[(key[0] | key[1] << 8) % (INDEX_NOTES / INDEX_WAYS) * INDEX_WAYS];
}

struct index_note *index_note(struct pool_index *x, const uint8_t key[POOL_KEY])
{
    struct index_note *n = notes_of(x, key);
    for (int i = 0; i < INDEX_WAYS; i++, n++)
        if (n->sum && n->bytes <= POOL_NOTE && !memcmp(n->key, key, POOL_KEY) && n->sum == note_sum(n)) {
            n->used = ++x->head->clock;
            return n;
        }
    return NULL;
}

// In its own place, a free one, or the one that was used longest ago.
void index_set_note(struct pool_index *x, const uint8_t key[POOL_KEY], const void *value, uint32_t bytes)
{
    struct index_note *set = notes_of(x, key), *to = index_note(x, key);
    for (int i = 0; !to && i < INDEX_WAYS; i++)
        if (!set[i].sum) to = &set[i];
    if (!to) {
        to = set;
        for (int i = 1; i < INDEX_WAYS; i++)
            if (set[i].used < to->used) to = &set[i];
    }
    to->sum = 0;
    in_order();
    if (!bytes) return;
    memcpy(to->key, key, POOL_KEY);
    memcpy(to->value, value, bytes);
    to->bytes = bytes;
    to->used = ++x->head->clock;
    in_order();
    to->sum = note_sum(to);
}
