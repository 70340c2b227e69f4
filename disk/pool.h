// The pool: chunks of disk images that came over the network, kept once for all images and boxes of the user, in one
// sparse file of slots. A chunk has a key of 32 bytes: the SHA-256 of its content (packed images), or one of where it
// came from (server, pinned version, number); for the pool it is a name.
//
// A chunk may come in parts, in any order: its slot then says which are there. What is there never changes; the rest of
// the slot is nobody's to read.
//
// What is found is pinned until the pool is closed, by this process and by whoever has inherited its descriptors: a
// slot in use is never given to another chunk, in no process. Chunks that were used longest ago go first, so that the
// file takes no more than its limit; more only while boxes use more.
//
// kill -9 at any moment loses at most work; after a start of the machine each chunk's content is checked when it is
// found first. Where no directory can be used the pool is private: in memory, and gone with its processes.
//
// Threads: one per struct pool. Processes: any number per directory; the files belong to this user alone, and are not
// believed otherwise.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POOL_CHUNK = 65536, POOL_KEY = 32, POOL_WHY = 256 };
enum { POOL_PART = 16384, POOL_PARTS = POOL_CHUNK / POOL_PART, POOL_ALL = (1 << POOL_PARTS) - 1 };
#define POOL_LIMIT (2ull << 30) // bytes, unless --cache-size says otherwise

struct pool;

// directory: NULL: belljar's in the user's cache directory; "none": private at once. limit: bytes; 0: POOL_LIMIT. 0, or
// -errno with a line in `why`. The broker does it, before it forks those who use it: it is on the way of each start.
// A directory that cannot be used, unless it was named, gives a private pool, and `why`
// says the reason.
int pool_open(struct pool **, const char *directory, uint64_t limit, char why[POOL_WHY]);
void pool_close(struct pool *);

// What a worker maps, read-only: slot N begins at N * POOL_CHUNK. And what it must hold besides, for the pins to last
// as long as it does. Both are the pool's; -1: none.
int pool_blocks(const struct pool *);
int pool_pins(const struct pool *);
// All that a process needs which is forked to use the pool: how many, at most POOL_FDS.
enum { POOL_FDS = 8 };
unsigned pool_descriptors(const struct pool *, int fd[POOL_FDS]);
// Memory for what finds no room in the file (a full disk): slots from pool_bytes / POOL_CHUNK on lie in it, so it is
// mapped behind the file. *bytes: its size. -1: there is none. Whoever does not ask gets no such slots.
int pool_spare(struct pool *, uint64_t *bytes);
// For who has forked the server, and is going to fork a worker: from now on he has only what a worker may have, blocks,
// pins and spare memory, all of it to be read, and asks for these alone.
void pool_lend(struct pool *);
uint64_t pool_bytes(const struct pool *); // of the file at most: what to reserve for mapping it; it is as long at once

struct pool_place {
    uint32_t slot;  // from 1 on, pinned; 0: nothing is there
    uint32_t parts; // a bit for each that is there
};

// Of a chunk that is there whole; 0: it is not.
uint32_t pool_find(struct pool *, const uint8_t key[POOL_KEY]);
struct pool_place pool_find_parts(struct pool *, const uint8_t key[POOL_KEY]);
// The same of n keys at once, one lock for all. What has not been looked at since the machine was started is left out:
// pool_find looks at it, which takes the time of reading it.
void pool_find_all(struct pool *, const uint8_t (*keys)[POOL_KEY], uint32_t n, struct pool_place *);
// Keeps a chunk (POOL_CHUNK bytes), and pins it: its slot; 0: no room (disk full, or every slot is pinned).
uint32_t pool_add(struct pool *, const uint8_t key[POOL_KEY], const void *chunk);
// Keeps a part (POOL_PART bytes). `was`: where the chunk is for the caller, from one of these or all 0: what he has of
// it there he has in the place that is returned as well, which may be another one. slot 0: no room; `was` stays valid.
struct pool_place pool_add_part(struct pool *, const uint8_t key[POOL_KEY], unsigned part, const void *bytes,
                                struct pool_place was);
// For small facts beside the chunks, as which version of a URL was seen last: `name` is hashed; the value has at most
// POOL_NOTE bytes. The size of the value, 0: none. Notes are subject to the same LRU.
enum { POOL_NOTE = 512 };
size_t pool_note(struct pool *, const char *name, void *value, size_t n);
void pool_set_note(struct pool *, const char *name, const void *value, size_t n);

struct pool_info {
    uint64_t bytes, limit; // on the disk now
    uint32_t chunks, pinned;
    char path[256];
};
int pool_info(const char *directory, struct pool_info *, char why[POOL_WHY]);
int pool_clear(const char *directory, char why[POOL_WHY]); // all but what is pinned
