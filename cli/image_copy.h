// A copy of a file that takes another's name only once it is whole: what `belljar image commit` writes to.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { IMAGE_COPY_PATH = 4096 };

struct image_copy {
    int fd;
    bool named; // it has a name, `path`, that goes with it. False: none yet, nothing is left behind
    char path[IMAGE_COPY_PATH + 32]; // of the copy, for those that open it
    char final[IMAGE_COPY_PATH];     // what it becomes
};

// Begins a file beside `final`, in which all of `from` is, holes kept, blocks shared where the file system can. 0, or
// -errno.
int image_copy_begin(struct image_copy *, int from, uint64_t bytes, const char *final);
int image_copy_keep(struct image_copy *);  // durable, under its name. 0 or -errno
void image_copy_drop(struct image_copy *); // also after a failure; nothing after it was kept
