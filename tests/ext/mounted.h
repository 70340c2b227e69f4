// An image mounted as a box's root, for the programs here: no box around it, no cmocka.
#pragma once
#include "vfs/blockdev.h"
#include "vfs/vfs.h"

struct mounted {
    struct ram *ram;
    struct vfs *vfs;
    struct cred cred;
    struct vfs_at at;
};

// Takes over the device. 0, or -errno with a line in `why`.
int mounted_open(struct mounted *, struct ram *, struct blockdev *, uint64_t kmem, char *why, size_t why_size);
void mounted_close(struct mounted *); // aborts unless all memory came back
int mounted_stat(struct mounted *, const char *path, struct kstat *);
int64_t mounted_read(struct file *, void *buf, size_t n); // from f->pos on
int mounted_link(struct mounted *, const char *path, char *buf, size_t size);
int mounted_xattrs(struct mounted *, const char *path, char *names, size_t size);
int mounted_xattr(struct mounted *, const char *path, const char *name, void *value, size_t size);

// An image in memory; not freed with the device.
struct image_bytes {
    struct blockdev dev;
    const uint8_t *bytes;
    uint64_t reads; // calls, so far
    // Of one that comes from far away: its first frame; what is here changes with each question.
    uint32_t first;
    uint64_t chance;
};
struct blockdev *image_bytes(struct image_bytes *, const void *bytes, uint64_t n);
// The same, as if from a server: not all of it is here at once, and what is said to be needed soon must lie in it. Its
// pages are the frames from `first` on.
struct blockdev *image_far_away(struct image_bytes *, const void *bytes, uint64_t n, uint32_t first, uint64_t seed);
