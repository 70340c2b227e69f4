// Chunks whose key and content follow from a number: what is found can be compared with what must have been added.
#pragma once
#include "disk/pool.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline uint64_t content_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline void content_key(uint64_t number, uint8_t key[POOL_KEY])
{
    uint64_t state = number * 2 + 1, word;
    for (int i = 0; i < POOL_KEY; i += 8) {
        word = content_next(&state);
        memcpy(key + i, &word, 8);
    }
}

static inline void content_chunk(uint64_t number, uint8_t chunk[POOL_CHUNK])
{
    uint64_t state = number * 2, word;
    for (int i = 0; i < POOL_CHUNK; i += 8) {
        word = content_next(&state);
        memcpy(chunk + i, &word, 8);
    }
}

// Is it the number's content that is in the slot? Spare memory is behind the file.
static inline bool content_is(struct pool *p, uint32_t slot, uint64_t number)
{
    static uint8_t is[POOL_CHUNK], want[POOL_CHUNK];
    uint64_t at = (uint64_t)slot * POOL_CHUNK, spare;
    int fd = pool_blocks(p);
    if (at >= pool_bytes(p)) {
        at -= pool_bytes(p);
        fd = pool_spare(p, &spare);
    }
    content_chunk(number, want);
    return pread(fd, is, sizeof is, (off_t)at) == POOL_CHUNK && !memcmp(is, want, sizeof is);
}

// Are the parts that are there the number's?
static inline bool content_has(struct pool *p, struct pool_place at, uint64_t number)
{
    static uint8_t is[POOL_PART], want[POOL_CHUNK];
    uint64_t from = (uint64_t)at.slot * POOL_CHUNK, spare;
    int fd = pool_blocks(p);
    if (from >= pool_bytes(p)) {
        from -= pool_bytes(p);
        fd = pool_spare(p, &spare);
    }
    content_chunk(number, want);
    for (unsigned i = 0; i < POOL_PARTS; i++) {
        if (!(at.parts >> i & 1)) continue;
        if (pread(fd, is, sizeof is, (off_t)(from + i * POOL_PART)) != POOL_PART) return false;
        if (memcmp(is, want + i * POOL_PART, sizeof is)) return false;
    }
    return at.parts <= POOL_ALL;
}

static inline struct pool_place content_add_part(struct pool *p, uint64_t number, unsigned part, struct pool_place was)
{
    static uint8_t chunk[POOL_CHUNK];
    uint8_t key[POOL_KEY];
    content_key(number, key);
    content_chunk(number, chunk);
    return pool_add_part(p, key, part, chunk + part * POOL_PART, was);
}

static inline struct pool_place content_find_parts(struct pool *p, uint64_t number)
{
    uint8_t key[POOL_KEY];
    content_key(number, key);
    return pool_find_parts(p, key);
}

static inline uint32_t content_add(struct pool *p, uint64_t number)
{
    static uint8_t chunk[POOL_CHUNK];
    uint8_t key[POOL_KEY];
    content_key(number, key);
    content_chunk(number, chunk);
    return pool_add(p, key, chunk);
}

static inline uint32_t content_find(struct pool *p, uint64_t number)
{
    uint8_t key[POOL_KEY];
    content_key(number, key);
    return pool_find(p, key);
}

// A new directory below $TMPDIR; what is in one, and it.
static inline void content_directory(char path[64])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, 64, "%.40s/pool.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(path)) exit(2);
}
static inline void content_remove(const char *path)
{
    static const char *const names[] = {"index", "blocks", "pins"};
    char name[128];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s", path, names[i]);
        unlink(name);
    }
    rmdir(path);
}
