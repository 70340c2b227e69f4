// What a worker and its disk server (disk/diskserver.c) have in common: memory that the server writes and the worker
// and the broker can only read, and packets over their link.
//
// The memory is a file: a page with struct disk_head, then a table with a word per chunk of the image. What the table
// says is there costs the worker no message. For the rest it sends wants, and the server sends news when one of the
// chunks that were wanted now has come, or never will: whoever waits looks at the table again. News may be dropped
// while others are still to be taken, so a worker that takes one takes all. The server sends the first news when
// `state` is not DISK_OPENING any more.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_CHUNK = 65536, DISK_TABLE = 4096, DISK_WHY = 256, DISK_DIGEST = 32, DISK_MAX_CHUNKS = 1 << 24 };
enum { DISK_BYTES = DISK_TABLE + 4 * DISK_MAX_CHUNKS }; // of the file; nearly all of it a hole

// In the table; all else is a slot of the pool's file.
enum { DISK_ABSENT = 0, DISK_ZERO = 0xfffffffe, DISK_FAILED = 0xffffffff };

enum disk_state { DISK_OPENING, DISK_OPEN, DISK_ENDED };

struct disk_head {
    uint32_t state; // enum disk_state, written last
    uint32_t chunks;
    uint64_t bytes; // of the image
    uint8_t digest[DISK_DIGEST];
    char why[DISK_WHY]; // DISK_ENDED: what the command says
    // What came of it so far, for reports.
    uint64_t requests, received, retries; // received: bytes of bodies
    uint32_t hits, fetched, failed;       // chunks: found in the pool, brought by the source, not to be had
    uint64_t
        waits_since; // CLOCK_MONOTONIC, ms: since then nothing has come that the worker waits for; 0: it does not wait
    char problem[DISK_WHY]; // of the first that was not to be had
};
_Static_assert(sizeof(struct disk_head) <= DISK_TABLE, "");

// Somebody waits; it will be needed soon; it might be, and comes when nothing else does, the last want first.
enum disk_urgency { DISK_NOW, DISK_AHEAD, DISK_MAYBE };
struct disk_want { // a packet: one or more of them, DISK_WANTS at most
    uint32_t first, count, urgency;
};
enum { DISK_WANTS = 64 };

// A bit per chunk, as both sides keep: was it set before?
static inline bool disk_mark(uint8_t *map, uint32_t chunk)
{
    bool was = map[chunk / 8] >> (chunk % 8) & 1;
    map[chunk / 8] |= (uint8_t)(1u << (chunk % 8));
    return was;
}

static inline uint32_t disk_load(const uint32_t *at) // of memory that another process writes
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
