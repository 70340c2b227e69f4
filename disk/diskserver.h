// The disk server: brings the chunks of one image that is not a local file, from the pool or from its source
// (source.h), and tells the worker where they are (vfs/disk_protocol.h).
//
//     table = diskserver_memory(&shared); server_start(&s, diskserver_serve, &d, keep, n); munmap(shared, DISK_BYTES)
//
// It outlives the command by some seconds at most, when an image that was opened from the pool's notes has still to be
// compared with the server's.
#pragma once
#include "disk/http.h"
#include "disk/pool.h"
#include "vfs/disk_protocol.h"
#include <stdbool.h>

struct diskserver {
    const char *image; // URL, manifest, or a local file
    struct pool *pool;
    struct http_options http;
    struct disk_head *shared; // writable
    int alive;  // a pipe's end, closed when shared->state is DISK_ENDED: who has the other end ends the box. -1: nobody
    int record; // where the numbers of chunks are written that were asked for, one a line, in order; nothing is then
                // brought ahead. -1: not wanted
};

// Is it an image that takes a disk server: a URL, or the manifest of a packed image?
bool diskserver_is_for(const char *image);
// A descriptor of memory for disk_protocol.h, mapped at *shared, and from now on only readable for whoever maps it. -1:
// errno.
int diskserver_memory(struct disk_head **shared);
int diskserver_serve(void *diskserver, int link); // for server_start: 0, or 1: shared->state is DISK_ENDED
