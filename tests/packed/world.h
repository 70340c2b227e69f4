// A packed image on a server that is only pretended: disk/http.h and disk/pool.h as the sources of chunks see them,
// in memory, with answers in any order and any pieces, and with whatever can go wrong. A world is a function of a
// number.
#pragma once
#include "disk/packed.h"
#include "disk/source.h"
#include "tests/insn/values.h"

enum { WORLD_CHUNKS = 40, WORLD_CONTENTS = 10 }; // contents: the first is zeros
enum {
    WORLD_HOT = sizeof(struct manifest_hot_head) + WORLD_CHUNKS * (sizeof(struct manifest_hot) + MANIFEST_STORED_MAX)
};

enum world_wrong {
    WRONG_NOTHING,
    WRONG_ONCE,    // the first answer for each URL, unless it is asked for past caches
    WRONG_OFTEN,   // any
    WRONG_FAILING, // some requests fail
};

struct world_contents { // made once
    char chunk[WORLD_CONTENTS][MANIFEST_CHUNK];
    uint8_t stored[WORLD_CONTENTS][MANIFEST_STORED_MAX];
    struct manifest_chunk of[WORLD_CONTENTS];
};
void world_contents_make(struct world_contents *);

struct bytes {
    uint8_t *at;
    size_t n;
};

struct world {
    const struct world_contents *contents;
    struct rng rng;
    enum world_wrong wrong;
    bool ranges, has_hot;
    uint32_t chunks;
    uint8_t content[WORLD_CHUNKS]; // of each chunk
    struct bytes manifest, hot;
    bool hot_is_right;
    uint32_t hot_chunks;
    uint8_t in_hot[WORLD_CHUNKS];
    char version[8]; // the manifest's ETag
    bool damaged;    // something was sent that is wrong, or failed
};
void world_make(struct world *, const struct world_contents *, uint64_t number);
void world_remake_image(struct world *); // another version
void world_free(struct world *);

// For world.c and the program: the pretended libraries.
struct http *world_http(struct world *);
struct pool *world_pool(struct world *); // remembers, until freed
void world_pool_free(struct pool *);
unsigned world_asked(const struct http *); // requests so far
