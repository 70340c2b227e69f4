// The pool's index: which chunk is in which slot, when it was used last, and notes; a hash table in memory, which may
// be a file that other processes map as well. Whoever calls holds the pool's lock. Nothing in it is believed: an entry
// counts only while its sum is right, numbers of slots are checked, walks have an end.
//
// An entry's sum is written last when it is made, and first when it goes. Buckets and chains only lead to entries: who
// is about to change them says so (`dirty`), and who finds that, or a chain that leads nowhere, makes them anew.
#pragma once
#include "disk/pool.h"

enum {
    POOL_SLOTS = 1 << 18, // 16 GiB. Slot 0 is not used
    POOL_PROOF = 14,
    INDEX_STEP = 512, // entries are given disk space in such steps
    INDEX_NOTES = 512,
    INDEX_WAYS = 8,
    INDEX_VERSION = 2,
};
static const char index_magic[8] = "bj-pool";

struct index_head {
    char magic[8];
    uint32_t version;
    uint32_t boot;               // counts starts of the machine
    char boot_id[40];            // of this start
    uint64_t device, file, pins; // st_dev and st_ino of the file with the content; st_ino of that with the pins
    uint64_t sum;                // of what is above
    // What may be wrong without harm.
    uint64_t clock, limit; // last use, in uses; bytes, what the last process was told
    uint32_t ready;        // entries below have disk space
    uint32_t chunks;       // entries that count
    uint32_t hint;         // a slot: look for a free one from here on
    uint32_t dirty;
};

struct index_entry {
    uint8_t key[POOL_KEY];
    uint8_t proof[POOL_PROOF]; // of the parts that are there: the SHA-256 of key, number and content of each, by XOR
    uint16_t parts;            // a bit for each that is there
    uint32_t boot;             // the content was right at this start of the machine
    uint32_t next;             // slot, in the chain of its bucket
    uint64_t sum;              // 0: free
    uint64_t used;             // by the clock; of a free slot: not 0, its content may still take disk space
};
_Static_assert(sizeof(struct index_entry) == 72, "no room between");

struct index_note {
    uint8_t key[POOL_KEY];
    uint64_t sum, used;
    uint32_t bytes, unused;
    uint8_t value[POOL_NOTE];
};

struct pool_index {
    struct index_head *head;
    uint32_t *buckets; // POOL_SLOTS of them
    struct index_note *notes;
    struct index_entry *entries; // by slot
};

// Where the parts lie in a file.
enum {
    INDEX_BUCKETS_AT = 4096,
    INDEX_NOTES_AT = INDEX_BUCKETS_AT + POOL_SLOTS * 4,
    INDEX_ENTRIES_AT = (INDEX_NOTES_AT + INDEX_NOTES * (int)sizeof(struct index_note) + 4095) & ~4095,
    INDEX_BYTES = INDEX_ENTRIES_AT + POOL_SLOTS * (int)sizeof(struct index_entry),
};
struct pool_index index_at(void *memory);

uint64_t index_head_sum(const struct index_head *);
void index_rebuild(struct pool_index *);

uint32_t index_ready(const struct pool_index *);             // head->ready, or what it can be at most
bool index_counts(const struct pool_index *, uint32_t slot); // the entry's sum is right
// 0: not there. Marks no use.
uint32_t index_find(const struct pool_index *, const uint8_t key[POOL_KEY]);
uint32_t index_parts(const struct pool_index *, uint32_t slot);
void index_touch(struct pool_index *, uint32_t slot); // also a free slot that is about to be written to
// The slot's entry must be free.
void index_put(struct pool_index *, uint32_t slot, const uint8_t key[POOL_KEY], uint32_t parts,
               const uint8_t proof[POOL_PROOF]);
// More of it is there: these parts, which were not, with their own proof.
void index_extend(struct pool_index *, uint32_t slot, uint32_t parts, const uint8_t proof[POOL_PROOF]);
void index_prove(struct pool_index *, uint32_t slot); // its content is right now
void index_remove(struct pool_index *, uint32_t slot);

// Key: SHA-256 of the note's name.
struct index_note *index_note(struct pool_index *, const uint8_t key[POOL_KEY]);
void index_set_note(struct pool_index *, const uint8_t key[POOL_KEY], const void *value, uint32_t n);
