// A read-only block device: what an image file system reads from. A file of the host (blockfile.c), or an image whose
// parts come over the network as they are needed (blockpool.c).
//
// Metadata: read() gives bytes and may stall the box, for a bounded time. File data: ready() says whether read() of the
// range, or frame(), would come at once; if not it starts what is needed and gives the queue that is woken when some of
// it has come.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "host/ram.h"
#include "vfs/wait.h"

struct blockdev;
struct blockdev_ops {
    int (*read)(struct blockdev *, uint64_t offset, void *buf, size_t n); // 0 or -LX_EIO; the range was checked
    // 0, -LX_EPARK, -LX_EIO. wait NULL: nobody is going to wait, but it may be needed soon
    int (*ready)(struct blockdev *, uint64_t offset, size_t n, struct waitq **wait);
    uint32_t (*frame)(struct blockdev *,
                      uint64_t offset); // the page at this offset (a multiple of 4096) as a frame; 0: cannot
    void (*close)(struct blockdev *);
    // The rest is for devices whose data comes from elsewhere; NULL: all of it is here.
    int (*waits)(struct blockdev *); // the descriptor that becomes readable when what somebody waits for may have come;
                                     // -1: nobody waits
    void (*news)(struct blockdev *); // takes what has come, and wakes who waits
    void (*hint)(struct blockdev *, uint64_t offset, uint64_t n, bool sure); // these will, or may, be needed soon
};
struct blockdev {
    const struct blockdev_ops *ops;
    uint64_t bytes;
    bool exact;  // nothing that can be seen may depend on what is here: no block is looked at that nobody asked for
    bool stalls; // ready() waits itself, and never says -LX_EPARK: nothing runs yet, or must not know that time passes
};

static inline bool blockdev_has(const struct blockdev *d, uint64_t offset, uint64_t n)
{
    return offset <= d->bytes && n <= d->bytes - offset;
}
int blockdev_read(struct blockdev *, uint64_t offset, void *buf, size_t n); // -LX_EIO outside the device too
void blockdev_close(struct blockdev *);
static inline void blockdev_hint(struct blockdev *d, uint64_t offset, uint64_t n)
{
    if (d->ops->hint && blockdev_has(d, offset, n)) d->ops->hint(d, offset, n, false);
}
static inline void blockdev_ahead(struct blockdev *d, uint64_t offset, uint64_t n)
{
    if (d->ops->hint && blockdev_has(d, offset, n)) d->ops->hint(d, offset, n, true);
}
static inline int blockdev_waits(struct blockdev *d)
{
    return d && d->ops->waits ? d->ops->waits(d) : -1;
}

// A file of the host. ram may be NULL (only read() works then, which is enough to look at an image). why: one line on
// failure.
int blockfile_open(struct ram *, const char *path, struct blockdev **out, char *why,
                   size_t why_size); // 0 or -LX_EIO, -LX_ENOENT, ...
int blockfile_from_fd(struct ram *, int fd, struct blockdev **out, char *why,
                      size_t why_size); // takes over fd, also on failure

// An image that a server outside brings chunk by chunk (vfs/disk_protocol.h). All descriptors stay the caller's, and
// open until the device is closed. It waits until the server knows the image.
struct blockpool_of {
    int blocks; // the pool's slots
    int spare;  // more of them, in memory; -1: none
    int table;  // struct disk_head, and the table
    int link;   // to the server; -1: what is not there yet cannot be read
};
int blockpool_open(struct ram *, const struct blockpool_of *, struct blockdev **out, char *why, size_t why_size);
