// Where the chunks of an image come from: a plain image on a server (source_plain.c), a packed one on a server or in a
// directory (source_packed.c), a local file (source_file.c: for recording what a program needs). The disk server
// (diskserver.c) asks the pool first, then the source.
#pragma once
#include "disk/http.h"
#include "disk/pool.h"
#include <string.h>

enum { SOURCE_WHY = HTTP_WHY };
enum source_want {
    SOURCE_NOW,   // somebody waits for it
    SOURCE_AHEAD, // it may be needed soon; may have to wait until something is asked for that no hot file has
};

// What a source brings at once, in parts of the pool's: its pieces are numbered from the image's beginning on. The last
// is filled up with zeros.
enum source_piece { SOURCE_PARTS = 1, SOURCE_CHUNKS = POOL_PARTS };

struct source;
struct source_ops {
    // The pool's name of a chunk. False: it is all zeros, and is never asked for. Called for all chunks of an image at
    // a start: no hash for each (a plain image's: the digest, with the index mixed into its first and last bytes).
    bool (*key)(struct source *, uint32_t index, uint8_t key[POOL_KEY]);
    // Brings n pieces from `first` on, in as few requests as it takes; what is on its way already is not asked for
    // again. What comes is told through the events, also from within this call.
    void (*want)(struct source *, uint32_t first, uint32_t n, enum source_want);
    // Is the image that was opened from notes still the server's? If it is another one now: `ended`. A server that
    // cannot be asked ends nothing. May be NULL.
    void (*check)(struct source *);
    void (*close)(struct source *); // after http_close, or with no http_run in between
};
struct source_events {
    void *ctx;
    void (*opened)(void *ctx); // bytes, chunks are known now, and from then on key and want may be called
    void (*piece)(void *ctx, uint32_t index, const void *bytes); // all of it, proven where there is a proof
    void (*failed)(void *ctx, uint32_t index, const char *why);  // for good: one line, without control characters
    void (*ended)(void *ctx,
                  const char *why); // it cannot be opened, or is not the image any more that it was: one line
};
struct source {
    const struct source_ops *ops;
    const struct source_events *events;
    uint64_t bytes;
    uint32_t chunks;
    enum source_piece piece;  // known from the beginning
    uint8_t digest[POOL_KEY]; // names the image and its version: what delta files and translated code are bound to
};

// Each gives a source that is about to be opened: `opened` or `ended` comes from http_run, or from the call itself
// where the pool's notes know the image already. NULL: no memory.
struct source *source_plain(struct http *, struct pool *, const char *url, const struct source_events *);
struct source *source_packed(struct http *, struct pool *, const char *url, const struct source_events *);
struct source *source_packed_directory(const char *manifest, const struct source_events *);
struct source *source_file(const char *path, const struct source_events *);

static inline uint32_t source_pieces(const struct source *s)
{
    uint64_t bytes = (uint64_t)s->piece * POOL_PART;
    return (uint32_t)((s->bytes + bytes - 1) / bytes);
}

// The pool's name of a chunk that has no proof: which image it is of, and its number.
static inline void source_key_of(const uint8_t digest[POOL_KEY], uint32_t index, uint8_t key[POOL_KEY])
{
    uint32_t words[POOL_KEY / 4];
    memcpy(words, digest, POOL_KEY);
    words[0] ^= index;
    words[POOL_KEY / 4 - 1] ^= index;
    memcpy(key, words, POOL_KEY);
}
