// What a worker and its disk server (disk/diskserver.c) have in common: memory that the server writes and the worker
// and the broker can only read, and packets over their link.
//
// The memory is a file: a page with struct disk_head, then a table with a word per chunk of the image: in which slot it
// lies, and which of its parts are there. What is there costs the worker no message. For the rest it sends wants, and
// the server sends news when something that was wanted now has come, or never will: whoever waits looks at the table
// again. News may be dropped while others are still to be taken, so a worker that takes one takes all. The server sends
// the first news when `state` is not DISK_OPENING any more.
//
// What comes at once is a piece: a part of a chunk, or a chunk. Wants are in pieces.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_CHUNK = 65536, DISK_PART = 16384, DISK_PARTS = 4, DISK_ALL = (1 << DISK_PARTS) - 1 };
enum { DISK_TABLE = 4096, DISK_WHY = 256, DISK_DIGEST = 32, DISK_MAX_CHUNKS = 1 << 24 };
enum { DISK_BYTES = DISK_TABLE + 4 * DISK_MAX_CHUNKS }; // of the file; nearly all of it a hole

// A word of the table: slot << 8 | parts that could not be had << 4 | parts that are there. A chunk's slot changes only
// to one that has all that was there, too.
enum { DISK_ZERO = 0xffffff }; // a slot that is none: all of it is zeros
static inline uint32_t disk_word(uint32_t slot, uint32_t failed, uint32_t there)
{
    return slot << 8 | failed << DISK_PARTS | there;
}
static inline uint32_t disk_slot(uint32_t word)
{
    return word >> 8;
}
static inline uint32_t disk_failed(uint32_t word)
{
    return word >> DISK_PARTS & DISK_ALL;
}
static inline uint32_t disk_there(uint32_t word)
{
    return word & DISK_ALL;
}

enum disk_state { DISK_OPENING, DISK_OPEN, DISK_ENDED };

struct disk_head {
    uint32_t state; // enum disk_state, written last
    uint32_t chunks;
    uint64_t bytes; // of the image
    uint32_t piece; // in parts: 1 or DISK_PARTS
    uint8_t digest[DISK_DIGEST];
    char why[DISK_WHY]; // DISK_ENDED: what the command says
    // What came of it so far, for reports.
    uint64_t requests, received, retries; // received: bytes of bodies
    uint32_t hits, fetched, failed;       // pieces: found in the pool, brought by the source, not to be had
    uint64_t
        waits_since; // CLOCK_MONOTONIC, ms: since then nothing has come that the worker waits for; 0: it does not wait
    char problem[DISK_WHY]; // of the first that was not to be had
};
_Static_assert(sizeof(struct disk_head) <= DISK_TABLE, "");

// Somebody waits; it will be needed soon; it might be, and comes when nothing else does, the last want first.
enum disk_urgency { DISK_NOW, DISK_AHEAD, DISK_MAYBE };
struct disk_want { // of pieces. A packet: one or more of them, DISK_WANTS at most
    uint32_t first, count, urgency;
};
enum { DISK_WANTS = 64 };

// A bit per piece, as both sides keep.
static inline bool disk_marked(const uint8_t *map, uint32_t piece)
{
    return map[piece / 8] >> (piece % 8) & 1;
}
static inline bool disk_mark(uint8_t *map, uint32_t piece) // was it set before?
{
    bool was = disk_marked(map, piece);
    map[piece / 8] |= (uint8_t)(1u << (piece % 8));
    return was;
}

// The parts of its chunk that a piece is.
static inline uint32_t disk_parts(uint32_t piece, uint32_t parts)
{
    return parts == DISK_PARTS ? DISK_ALL : 1u << piece % DISK_PARTS;
}
static inline uint32_t disk_chunk(uint32_t piece, uint32_t parts)
{
    return parts == DISK_PARTS ? piece : piece / DISK_PARTS;
}

static inline uint32_t disk_load(const uint32_t *at) // of memory that another process writes
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
