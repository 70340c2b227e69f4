// The worker's end of a delta: what the box wrote earlier, and where it is kept (delta_protocol.h, disk/deltaserver.c).
// memfs_delta.c makes of it what the root's files are.
//
// Reading: delta_ask, then delta_next until it gives NULL, then delta_end; nothing else of this file meanwhile. A
// record is valid until the next call, and its size, its strings and its masks have been checked; what its numbers mean
// to a file system has not. Changing: delta_put gives room for a record, which is sent some time; delta_save makes all
// of them durable.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vfs/delta_protocol.h"

struct vfs;
struct delta;

struct delta_facts {
    uint64_t used, limit, next_ino;
};

// The link is borrowed. image_inodes: how many the image has. 0; -errno with a line in `why`.
int delta_open(struct vfs *, int link, uint64_t image_inodes, struct delta **, struct delta_facts *, char *why,
               size_t why_size);
void delta_close(struct delta *); // what was not saved is lost

// May the delta have something about this inode? It has nothing about those of the image of which it was never told.
bool delta_has(const struct delta *, uint64_t ino);
int delta_will_have(struct delta *, uint64_t ino); // before the inode is put. 0, -LX_ENOMEM
// The same if memory is not short: so that there is less to be had when it is, and has to be saved for that.
void delta_expect(struct delta *, uint64_t ino);

void delta_ask(struct delta *, enum deltalink_op, uint64_t ino, uint64_t at);
const struct deltalink_record *delta_next(struct delta *); // NULL: that was all, or an error
int delta_end(struct delta *);                             // 0, -LX_EIO; takes what is left
bool delta_is_asking(const struct delta *);                // between delta_ask and delta_end

// A record of `bytes` (rounded up), its head filled in. Never NULL: when the link is broken, the save tells.
void *delta_put(struct delta *, enum deltalink_kind, uint64_t ino, size_t bytes);
void delta_send(struct delta *);               // now, all that was put
bool delta_takes_frames(const struct delta *); // DELTALINK_R_FRAMES may be put
bool delta_is_pending(const struct delta *);   // something was put since the last save
bool delta_is_broken(const struct delta *);    // a save has failed: no more will succeed
// 0: all that was put is durable. -LX_EIO, -LX_ENOSPC: nothing of it is there, nor will be.
int delta_save(struct delta *, uint64_t next_ino, struct delta_facts *);
const char *delta_problem(const struct delta *); // of the save that failed; "": none
