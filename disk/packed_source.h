// What the files of a packed image on a server share: source_packed.c opens it, packed_fetch.c asks for chunks one by
// one, packed_hot.c for those of the hot file. One thread.
#pragma once
#include "disk/packed.h"
#include "disk/source.h"

enum packed_chunk_state { // of each chunk
    CHUNK_IDLE,           // nobody waits for it
    CHUNK_GIVEN,          // nor now, but it came
    CHUNK_HOT,            // the hot file will bring it
    CHUNK_HOT_WANTED,     // and somebody waits for it
    CHUNK_AHEAD,          // in the queue of those that may be needed
    CHUNK_NOW,            // in the queue of those that somebody waits for
    CHUNK_ASKED,          // a request is under way
    CHUNK_FOLLOWS,        // a request for the same content is
};

struct packed_queue {
    uint32_t *at, head, n, room; // at[head] is the first of n - head
};

enum { PACKED_REQUESTS = 16 };
struct packed_request {
    struct packed_source *source;
    struct http_resource *resource; // NULL: free
    uint32_t index;
    bool again; // it came wrong once
    bool given; // the hot file was faster
    size_t n;   // that came; more than MANIFEST_STORED_MAX: too much
    uint8_t *stored;
    struct packed_queue also; // others with this content
};
struct packed_fetch {
    struct packed_request request[PACKED_REQUESTS];
    struct packed_queue now, ahead;
    unsigned under_way;
};

struct packed_hot_run { // a range of the hot file, behind its first bytes
    uint32_t next, end; // of the list
    size_t have;        // of the next chunk
    uint8_t *stored;
};
struct packed_hot {
    struct http_resource *resource;
    uint8_t *first; // its first bytes: n of at most `limit`. NULL: there is no hot file, or nothing to do
    size_t n, limit;
    struct manifest_hot_list list; // in `first`; n 0: not known yet
    uint64_t *end;                 // of each chunk of the list: its end in the file
    uint32_t next;                 // the first of the list that `first` has not given
    uint32_t cause;                // the chunk that was missing, and 1; 0: it is a cold start
    bool first_came, first_ended, rest_ended;
    struct packed_hot_run run;
    int64_t asked_ms; // when it was asked for
    int64_t begun_ms; // when bytes came first; 0: none yet
    uint64_t came;    // bytes
};

struct packed_source {
    struct source source; // the first: struct source * is this
    struct http *http;
    struct pool *pool; // NULL: none
    char *url;         // the manifest's
    struct http_resource *resource;
    struct http_pin pin; // the manifest's
    uint8_t *bytes;      // of the manifest, as they come
    size_t n, room;
    bool remembered;            // it was opened from the pool, and nothing was missing yet
    bool covered;               // nobody has waited yet for what a hot file does not have: nothing has to be guessed
    bool open, is_wrong, again; // again: asked for past caches
    struct manifest manifest;
    uint8_t *state;             // enum packed_chunk_state, of each chunk
    struct packed_codec *codec; // NULL: not needed yet
    char codec_why[MANIFEST_WHY];
    struct packed_fetch fetch;
    struct packed_hot hot;
    char chunk[MANIFEST_CHUNK];
};

// Unpacks a chunk into p->chunk and verifies it: NULL, or what is wrong with it ("is damaged").
const char *packed_check(struct packed_source *, uint32_t index, const void *stored, size_t n);
int64_t packed_clock(void); // ms

void packed_fetch_want(struct packed_source *, uint32_t first, uint32_t n, enum source_want);
bool packed_fetch_given(struct packed_source *, uint32_t index); // the hot file brought it. False: it was there
void packed_fetch_pump(struct packed_source *);                  // asks for what may be asked for now
void packed_fetch_free(struct packed_source *);

void packed_hot_begin(struct packed_source *);
// The image was opened from the pool, and this is the first chunk that is not there: others of the hot file may be
// missing, too.
void packed_hot_missing(struct packed_source *, uint32_t index);
void packed_hot_opened(struct packed_source *);                        // the manifest is known
bool packed_hot_is_late(const struct packed_source *, uint32_t index); // CHUNK_HOT: it takes less to ask for it
bool packed_hot_is_alone(const struct packed_source *);                // what nobody waits for has to wait for it
void packed_hot_free(struct packed_source *);
