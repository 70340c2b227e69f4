// Shards whose content follows from two numbers, for tests of the code cache's files: what is read back can be compared
// with what must have been written, whoever wrote it.
#pragma once
#include "cli/codecache.h"

enum { FAKE_DIRECTORY = 64, FAKE_MAX_TARGETS = 96 };
extern const uint8_t fake_key[STORE_DIGEST];

// Which mapping, and which version of its code.
struct store_shard fake_id(uint32_t number);
struct store_memo fake_memo(uint32_t number);
// Its sections have to stay until the commit.
struct fake_sections {
    void *at[STORE_SECTIONS];
    struct fake_sections *next;
};
bool fake_add(struct codecache_writer *, uint32_t number, uint32_t version, struct fake_sections **);
void fake_free(struct fake_sections *);
// Locks, adds shards [first, first + n), commits. 0 or an errno.
int fake_write(int dir, uint32_t first, uint32_t n, uint32_t version, uint64_t limit);

uint32_t fake_number(const struct store_shard *);
// NULL: every section is there, and is what some version of this shard has. "miss": a sum is wrong, and the reader said
// so. Else what is wrong with it.
const char *fake_check(const struct store *, const struct store_shard *, uint32_t *version);
const char *fake_check_all(const struct store *, unsigned *misses); // of all shards and memos

// A new directory below $TMPDIR, for our eyes only.
int fake_directory(char path[FAKE_DIRECTORY]);
void fake_remove(const char *path); // it and what is in it
