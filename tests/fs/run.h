// One run of the exerciser: a model, the tree it is about, and where the random numbers come from.
#pragma once
#include "model.h"
#include <sys/types.h>

enum { HANDLES = 6, MOST_BYTES = 40000 };

struct handle {
    int fd;
    struct node *node; // NULL: not open
};

struct run {
    struct model model;
    struct handle handle[HANDLES];
    uint64_t seed, random, operation;                               // operation: how many have been done
    uint64_t from;                                                  // the tree was there after so many
    unsigned files;                                                 // so many at most, directories and links included
    bool live;                                                      // false: only the model changes
    bool xattrs, zero_range, punch, preallocate, exchange, tmpfile; // what the file system can do
    bool synced;                                                    // the last operation was an fsync
    uint8_t bytes[MOST_BYTES], other[MOST_BYTES];
};

uint64_t draw(struct run *, uint64_t below);
__attribute__((noreturn, format(printf, 2, 3))) void wrong(const struct run *, const char *format, ...);

// What the file system in the current directory can do (operations.c). Two runs on it are told the same.
void run_probe(struct run *);
void run_operation(struct run *);           // the next one
void run_close_handles(struct run *);       // and what was removed while it was open
void run_read_while_changing(struct run *); // (listing.c)

// The tree in the current directory must be the model's (compare.c). True; else false, with what is wrong with it first
// in `why`.
enum { WHY = 400 };
bool compare_tree(const struct model *, bool xattrs, char why[WHY]);
