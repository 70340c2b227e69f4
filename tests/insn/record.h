// Outcomes of random cases on a host CPU, in a file: so that hosts without an x86 can be judged by one.
//
// A case is a function of the seed and the row's name, so only what the CPU made of it is kept: the exception, and
// which bytes of the state and of data memory changed; and a hash of the case, by which the reader knows that it made
// the same one. The head names the CPU. Text in the head, then a block a row, in any order; integers are little-endian.
// A record fits the sources it was made with: it belongs into a build directory.
#pragma once
#include "compare.h"
#include <stddef.h>
#include <stdio.h>

// ---- writing ----

struct recorder {
    int fd; // shared by the processes that work on rows
    const char *row;
    char *bytes; // of the row at work
    size_t size;
    FILE *f;
};

void record_cpu_name(char *to, size_t size);                        // of this host, as /proc/cpuinfo has it
int record_create(const char *path, uint64_t seed, unsigned cases); // a descriptor; exits with a message when it cannot
void recorder_open(struct recorder *, int fd, const char *row);
void recorder_case(struct recorder *, const struct test_case *, const struct data_image *before, const struct outcome *,
                   const struct memories *after);
void recorder_close(struct recorder *); // the row's block goes into the file in one write

// ---- reading ----

struct recording {
    const uint8_t *bytes;
    size_t size, first; // first: where the blocks start
    char cpu[160];
    uint64_t seed;
    unsigned cases;
};

// A row's outcomes, read one after the other.
struct replay {
    const uint8_t *at, *end;
};

void recording_open(struct recording *, const char *path);                       // exits when it cannot
bool recording_find(const struct recording *, const char *row, struct replay *); // false: the CPU lacked it
// `data` holds what was before the case, and gets what the CPU stored. False: not the case that was recorded.
bool replay_case(struct replay *, const struct test_case *, const struct data_image *before, struct outcome *,
                 uint8_t *const data[DATA_PAGES]);
