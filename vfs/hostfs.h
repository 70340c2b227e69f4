// A directory of the host inside the box (--mount), by way of a server outside the jail (disk/mountserver.h,
// mount_protocol.h): this side asks, and believes sizes only.
//
// Nothing of names and attributes is believed for long: each use of a name asks again, so that what the host changes is
// seen. Contents are read and written through at once; only pages that are mapped are kept, and written back when
// somebody looks (msync, fsync, read, stat, close, unmap, the end). Requests are answered at once, so nothing here
// parks: the box stalls for as long as the host's file system takes.
#pragma once
#include "vfs/vfs.h"

struct hostfs_options {
    int link;          // to the server; the caller's
    unsigned index;    // of the directory there
    bool writable;     // only what is shown: the server decides
    uint32_t uid, gid; // whom the user's files belong to inside
};
int hostfs_new(struct vfs *, const struct hostfs_options *, struct fs **); // -LX_EIO: the server does not answer
bool fs_is_hostfs(const struct fs *);
