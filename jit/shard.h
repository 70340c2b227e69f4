// Shards of the code cache (jit/store.h) as a box uses them: the translations of one mapping, made by jit/build.c, run
// where the file is mapped. A shared view (jit/view.h) of that mapping is the shard's: it has its number for a name,
// its blocks are found behind the box's own, and its piece of the table of targets is the file's, mapped privately into
// each space.
//
// Sections: STORE_BLOCKS, STORE_EXITS, STORE_MAP are arrays of struct block, exit, map_entry (jit/cache.h) with element
// 0 unused; places are offsets in STORE_CODE, blocks and exits are named by index. STORE_INDEX is a hash table of
// struct named with 1 for the view (cache_place). STORE_HEADS is the profile it was made from, struct profile_code. The
// numbers of exits in the code contain the shard's slot. Branches are chained for good, or go through the table.
//
// What ticks find hot in a shard is translated once more by the box for itself; the table and what the box translates
// lead there from then on, chains inside the shard do not.
#pragma once
#include "jit/store.h"

struct block;
struct exit;
struct jit;
struct jit_mapping;
struct jit_space;
struct map_entry;
struct named;
struct op;

struct shard {
    const struct store_shard *row; // NULL: not loaded
    uint32_t base;                 // of its code, in the window
    uint32_t nblocks, nexits;
    const struct block *blocks;
    const struct exit *exits;
    const struct map_entry *map;
    const struct named *index; // 1 << bits
    unsigned bits;
    bool taken;
    uint8_t *ticks; // by block: how often a tick has found it running; TICKS_REPLACED: another one has taken its place
};

void shards_close(struct jit *);
struct shard *shard_take(struct jit *, const struct jit_mapping *); // for a view, until it is given back. NULL: none
void shard_give_back(struct jit *, struct shard *);
uint32_t shard_find(const struct shard *, uint32_t pc, unsigned r11); // a block, 0: none
const struct shard *shard_at(const struct jit *, uint32_t host);      // whose code has this place; NULL: none's
const struct op *shard_op(struct jit_space *, uint32_t exit); // the instruction of an EXIT_OP. NULL: it cannot be read
unsigned shard_tick(struct jit *, uint32_t block);
void shard_replaced(struct jit *, uint32_t block);
bool shard_is_replaced(const struct shard *, uint32_t index);
