// The process that keeps a delta: it has the file open, answers what the worker asks (vfs/delta_protocol.h), and makes
// its changes durable. What the worker says is checked as far as the file's rules go (deltafile.h); beyond that the
// delta is the guest's to write.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define DELTA_LIMIT (4ull << 30) // bytes, unless --delta-size says otherwise

enum { DELTASERVER_WHY = 512 };
struct deltaserver_end {
    uint64_t read, written;       // bytes that went to the box and came from it
    uint64_t saves;               // transactions that have become durable
    uint64_t size, used;          // bytes of the file at the end; without what is free in it
    char damage[DELTASERVER_WHY]; // what of the file could not be read, that was met first; "": nothing
};
struct deltaserver {
    const char *path;
    uint64_t limit; // bytes that the box may keep
    // The image that the delta belongs to. Called in the server, once; 0, or -errno with a line in `why`.
    int (*base)(void *ctx, uint64_t *bytes, uint8_t digest[32], char why[DELTASERVER_WHY]);
    void *ctx;
    int end;    // where its struct deltaserver_end is written; -1: nowhere
    int memory; // the box's (belljar_memory_file), from which pages are read. 0: none, they come with the packets
};

// Until the worker's end of the link is closed. For server_start; ctx: struct deltaserver. 0, or 1: the delta is not
// what the worker was told.
int deltaserver_run(void *ctx, int link);
