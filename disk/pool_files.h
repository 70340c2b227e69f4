// The pool's files, in a directory as directory.h has it:
//
//     blocks   the content, by slot: sparse, and as long as it can ever be
//     index    pool_index.h; all changes under its lock (flock)
//     pins     a byte per user (a pool that is open somewhere), locked while it is (F_OFD_SETLK, so as long as
//              any process has the descriptor, which is read-only); for each user the slots he writes parts to, and a
//              bit per slot he has pinned
//
// Index, blocks and pins belong together. Whoever finds one that is of others, or an index that is damaged, makes a new
// index and a new file for the content; who still has the old one keeps what he has pinned in it.
//
// A slot that is free in the index but pinned is one that somebody is writing to; so is one that he names as written
// to, of which others may read the parts that are there. So nothing has to be put right when he is killed: with his
// lock goes his claim.
#pragma once
#include "disk/pool_index.h"

enum { PINS_USERS = 64, PINS_WRITES = 16, PINS_WORDS = POOL_SLOTS / 64, PINS_BITS_AT = 4096 };
_Static_assert(PINS_USERS *PINS_WRITES * 4 == PINS_BITS_AT, "what they write to is before the bits");
enum { PINS_BYTES = PINS_BITS_AT + PINS_USERS * POOL_SLOTS / 8 };
#define BLOCKS_BYTES ((uint64_t)POOL_SLOTS * POOL_CHUNK)

struct pool_files {
    int index_fd, blocks, blocks_ro; // -1: not open
    int pins;                        // the description that holds the lock
    struct pool_index index;
    uint64_t *bits;   // PINS_WORDS of them per user; NULL: not open
    uint32_t *writes; // PINS_WRITES slots per user; 0: none
    uint64_t file;    // st_ino of blocks
    uint32_t user;
    bool impatient; // the lock could not be had lately
};

enum files_how {
    FILES_USE,  // made when they are missing; this process becomes a user
    FILES_LOOK, // made by nobody; -ENOENT: there are none
};
// Of the pool, or directory's own: a descriptor, or -errno with a line.
int files_directory(const char *directory, bool create, char why[POOL_WHY]);
// 0 or -errno, with a line in `why`. Closed also after a failure.
int files_open(struct pool_files *, int dir, enum files_how, char why[POOL_WHY]);
void files_close(struct pool_files *);
void files_lend(struct pool_files *); // closes all but blocks_ro and pins

// The lock is waited for, but not for ever: its holder may have been stopped. False: it is not had, or these are not
// the pool's files any more.
bool files_lock(struct pool_files *);
void files_unlock(struct pool_files *);

// With the lock: makes room for more entries. False: there is none.
bool files_grow(struct pool_files *);

// With the lock (pool_pins.c). PINS_NOBODY: this process is no user.
#define PINS_NOBODY UINT32_MAX
bool pins_claim(struct pool_files *); // a user's place. False: there is none
void pins_clear(struct pool_files *); // nothing is pinned by this user
void pins_set(struct pool_files *, uint32_t slot);
void pins_drop(struct pool_files *, uint32_t slot); // also without the lock
bool pins_mine(const struct pool_files *, uint32_t slot);
bool pins_write(struct pool_files *, uint32_t slot); // from now on this user alone. False: another one does
void pins_written(struct pool_files *, uint32_t slot);
bool pins_any(const struct pool_files *, uint32_t slot);
void pins_all(const struct pool_files *, uint64_t all[PINS_WORDS]); // of all users there are
