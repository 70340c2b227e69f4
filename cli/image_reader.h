// All of a packed image, from a directory or a server (disk/source.h), for commands that look at each chunk.
#pragma once
#include "disk/source.h"

struct image_reader {
    const char *name;                      // path or URL of the manifest
    bool once;                             // contents that are there several times are read for one chunk only
    bool (*opened)(struct image_reader *); // false: no more
    bool (*chunk)(struct image_reader *, uint32_t index, const void *bytes);
    bool (*failed)(struct image_reader *, uint32_t index, const char *why);
    void *ctx;

    // For those functions, and afterwards.
    struct source *source;
    uint32_t done, wanted; // chunks; wanted: with content
    char why[SOURCE_WHY];

    // image_read's own.
    struct http *http;
    uint32_t *order, asked, waiting;
    bool open, ended;
};
// Calls the functions for all chunks that are no zeros, in any order. 0: all were told of; -1 with r->why: it could not
// be opened, or a function has ended it (and then `why` is what that has put there).
int image_read(struct image_reader *);
// For a URL, with the user's headers and netrc; of anything else *http is NULL, and that is none. -1: a line in `why`.
int image_open_http(struct http **http, const char *name, char why[HTTP_WHY]);
