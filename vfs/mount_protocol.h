// What hostfs.c (in the worker, so in the guest's hands) and disk/mountserver.c (outside the jail) say to each other
// over a link: one packet for a request, one for its reply. The server checks all of it; the worker checks sizes.
//
// A node is a file that the server has found for the worker: a number, 1 .. mounts for the roots, good until
// MOUNT_FORGET names it. Names are single components, never "." or "..", without '/' and NUL; the server follows no
// link.
#pragma once
#include <stdint.h>

enum {
    MOUNT_MAX = 16,
    MOUNT_DATA = 65536,
    MOUNT_AHEAD = 16384,
    MOUNT_MORE = 7,
    MOUNT_VALUE = 65280,
    MOUNT_NAME = 255,
    MOUNT_TEXT = 4095
};

// MOUNT_OP(name, takes, flags): what follows the request, and flags: NO_REPLY; CHANGES: EROFS in a mount that is read
// only.
#define MOUNT_OPS(MOUNT_OP)                                                                                            \
    /* data: names to be looked up as well, each with a NUL; the reply's data: a struct mount_found for each */        \
    MOUNT_OP(LOOKUP, NAME_DATA, 0)                                                                                     \
    MOUNT_OP(GETATTR, NOTHING, 0)                                                                                      \
    MOUNT_OP(ACCESS, NOTHING, 0)   /* mode: R_OK, W_OK, X_OK */                                                        \
    MOUNT_OP(READDIR, NOTHING, 0)  /* offset; data: struct mount_entry and names */                                    \
    MOUNT_OP(READLINK, NOTHING, 0) /* data: the text */                                                                \
    /* mode with its kind; data: a link's target. No name: O_TMPFILE. A regular file is open for both, to be closed */ \
    MOUNT_OP(CREATE, NAME_DATA, CHANGES)                                                                               \
    MOUNT_OP(LINK, NAME, CHANGES)   /* a name in `node` for `other` */                                                 \
    MOUNT_OP(UNLINK, NAME, CHANGES) /* mode: a directory's kind for rmdir */                                           \
    /* to `other`, data: the name there; flags: of renameat2. The reply's node: what it replaced */                    \
    MOUNT_OP(RENAME, NAME_DATA, CHANGES)                                                                               \
    MOUNT_OP(SETATTR, NOTHING, CHANGES) /* flags: MOUNT_SET_*; mode, size, times */                                    \
    /* flags: MOUNT_READING, _WRITING; size: how much of the start is wanted, the reply's data. Each is closed once */ \
    MOUNT_OP(OPEN, NOTHING, 0)                                                                                         \
    MOUNT_OP(CLOSE, NOTHING, NO_REPLY)                                                                                 \
    MOUNT_OP(READ, NOTHING, 0)     /* offset, size */                                                                  \
    MOUNT_OP(WRITE, DATA, CHANGES) /* offset, or flags: MOUNT_APPEND; the reply's value: where it went */              \
    MOUNT_OP(FSYNC, NOTHING, 0)                                                                                        \
    MOUNT_OP(SYNC, NOTHING, 0)           /* the file system of the node */                                             \
    MOUNT_OP(STATFS, NOTHING, 0)         /* data: struct mount_statfs */                                               \
    MOUNT_OP(ALLOCATE, NOTHING, CHANGES) /* mode: FALLOC_FL_*; offset, size */                                         \
    MOUNT_OP(SEEK, NOTHING, 0)           /* offset, mode: SEEK_DATA or SEEK_HOLE; the reply's value */                 \
    MOUNT_OP(GETXATTR, NAME, 0)                                                                                        \
    MOUNT_OP(SETXATTR, NAME_DATA, CHANGES) /* flags: XATTR_* */                                                        \
    MOUNT_OP(REMOVEXATTR, NAME, CHANGES)                                                                               \
    MOUNT_OP(LISTXATTR, NOTHING, 0)                                                                                    \
    MOUNT_OP(FORGET, DATA, NO_REPLY) /* uint64_t nodes */

enum mount_op {
#define MOUNT_OP(name, takes, flags) MOUNT_##name,
    MOUNT_OPS(MOUNT_OP)
#undef MOUNT_OP
        MOUNT_NOPS
};
enum { MOUNT_READING = 1, MOUNT_WRITING = 2, MOUNT_APPEND = 4 };
enum {
    MOUNT_SET_MODE = 1,
    MOUNT_SET_SIZE = 2,
    MOUNT_SET_ATIME = 4,
    MOUNT_SET_MTIME = 8,
    MOUNT_SET_ATIME_NOW = 16,
    MOUNT_SET_MTIME_NOW = 32
};

struct mount_time {
    int64_t sec;
    uint64_t nsec;
};
struct mount_request {
    uint32_t op, flags;
    uint64_t node, other, offset, size;
    uint64_t closes; // not 0: MOUNT_CLOSE of this node comes first
    uint32_t mode;
    uint32_t name, data; // bytes of each, which follow in this order
    uint32_t unused;
    struct mount_time atime, mtime;
};

// Of owners the guest learns only whether it is the user who runs the box.
enum { MOUNT_OWNER = 1, MOUNT_GROUP = 2 };
struct mount_attr {
    uint64_t ino, size, blocks; // blocks of 512 bytes
    uint32_t mode, nlink, rdev; // rdev as stat(2) shows it
    uint32_t mine;              // MOUNT_OWNER: the file is that user's; MOUNT_GROUP: of one of the user's groups
    uint32_t rights;            // R_OK, W_OK, X_OK as the mode gives them to that user
    uint32_t unused;
    struct mount_time atime, mtime, ctime, btime;
};
struct mount_reply {
    int32_t result; // a count or 0; negative: an errno
    uint32_t data;  // bytes that follow
    uint64_t node, value;
    struct mount_attr attr; // of LOOKUP, CREATE, GETATTR, SETATTR, OPEN, WRITE, LINK, ALLOCATE
};
struct mount_found {
    uint64_t node; // 0: not found
    struct mount_attr attr;
};
struct mount_entry {
    uint64_t ino, next; // next: the offset of the entry behind
    uint8_t kind, len;  // DT_*; the name follows, and room up to a multiple of 8 bytes in all
};
struct mount_statfs {
    uint64_t bsize, frsize, blocks, bfree, bavail, files, ffree;
};

_Static_assert(sizeof(struct mount_request) == 96 && sizeof(struct mount_attr) == 112, "");
_Static_assert(sizeof(struct mount_reply) == 136 && sizeof(struct mount_entry) == 24, "");
_Static_assert(sizeof(struct mount_found) == 120 && sizeof(struct mount_statfs) == 56, "");
