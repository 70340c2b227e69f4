// Which chunks are wanted of a source, and in which order they are asked for: what somebody waits for first, then what
// may be needed soon; each chunk once; neighbours in one request. The memory it takes is bounded by the number of
// chunks, whatever a worker wants.
#pragma once
#include "disk/source.h"

struct wants_run {
    uint32_t first, n;
};
struct wants_queue {
    struct wants_run *run; // a ring of `size` (a power of two)
    uint32_t size, begin, count;
};
struct wants {
    uint32_t chunks;
    uint64_t *wanted[2], *asked; // a bit for each chunk; wanted: by urgency
    struct wants_queue queue[2];
};

int wants_open(struct wants *, uint32_t chunks); // 0, -1: no memory
void wants_close(struct wants *);                // one that is all zeros, too
// What is wanted or asked for already stays as it is, but what is to be had now comes before what it was ahead.
// 0, -1: no memory.
int wants_add(struct wants *, uint32_t first, uint32_t n, enum source_want);
// The next to be asked for: at most `most` chunks, side by side, which count as asked for from now on. n = 0: nothing.
// What is wanted ahead right behind them comes with them.
struct wants_run wants_next(struct wants *, enum source_want, uint32_t most);
void wants_ask(struct wants *, uint32_t chunk);  // it is asked for now, out of turn
void wants_done(struct wants *, uint32_t chunk); // it has come, or will not
bool wants_is_asked(const struct wants *, uint32_t chunk);
