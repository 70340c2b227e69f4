// What a new file of the code cache will hold, and where: for codecache_write.c. No file is touched here.
#pragma once
#include "cli/codecache.h"

struct target_entry { // of the table, in order
    uint32_t pc, code;
};

struct planned {
    struct store_shard shard;      // as it will be in the new file
    const struct store_shard *old; // NULL: it is new
    struct store_new new;
    struct target_entry *targets; // of a new one
    uint32_t ntargets;
    uint64_t table_bytes; // on the disk
    uint32_t last_use;
    bool placed;
};

struct planned_memo {
    struct store_memo memo;
    bool fresh;
};

struct plan {
    struct store_head head; // top and the key are the writer's
    struct planned *shards;
    uint32_t n, room;
    struct planned_memo *memos;
    uint32_t nmemos, room_memos;
    bool fresh; // something was added
};

// All false: no memory, or it cannot be.
bool plan_keep(struct plan *, const struct store_shard *old, uint64_t table_bytes, uint32_t last_use);
bool plan_add(struct plan *, const struct store_new *);
bool plan_remember(struct plan *, const struct store_memo *, bool fresh);
const struct planned *plan_find(const struct plan *, const struct store_shard *id);
uint32_t plan_evict(struct plan *); // the old shard used longest ago goes: its slot, 0: there is none
void plan_free(struct plan *);

// Drops what is too much, gives everything its place, and sorts. Sums are missing then.
void plan_lay_out(struct plan *, uint64_t limit);

// Goes through the pages of a new shard's table that are no holes, in order (jit/store.h).
struct table_walk {
    const struct planned *of;
    uint32_t next, page;
    bool wanted; // the next page, whatever is in it
};
struct table_walk table_begin(const struct planned *);
bool table_next(struct table_walk *, uint32_t page[STORE_TABLE_GUEST], uint32_t nowhere, uint32_t code);
