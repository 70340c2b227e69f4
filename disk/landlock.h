// Rights that a process gives up for good, by landlock(7): for servers, which have the user's rights, as a second fence
// behind their own checks. Descriptors that are open keep what they can.
//
//     if (landlock_open(&l, 1, LANDLOCK_CHANGES, 0, 0)) landlock_close(&l, landlock_allow(&l, dir, rights));
#pragma once
#include <stdbool.h>
#include <stdint.h>

// The values of linux/landlock.h, which is older than the kernel on many systems.
enum landlock_fs {
    LANDLOCK_EXECUTE = 1 << 0,
    LANDLOCK_WRITE_FILE = 1 << 1,
    LANDLOCK_READ_FILE = 1 << 2,
    LANDLOCK_READ_DIR = 1 << 3,
    LANDLOCK_REMOVE_DIR = 1 << 4,
    LANDLOCK_REMOVE_FILE = 1 << 5,
    LANDLOCK_MAKE_DIR = 1 << 7,
    LANDLOCK_MAKE_REG = 1 << 8,
    LANDLOCK_MAKE_SOCK = 1 << 9,
    LANDLOCK_MAKE_FIFO = 1 << 10,
    LANDLOCK_MAKE_SYM = 1 << 12,
    LANDLOCK_REFER = 1 << 13,
    LANDLOCK_TRUNCATE = 1 << 14,
    LANDLOCK_READS = LANDLOCK_READ_FILE | LANDLOCK_READ_DIR,
    LANDLOCK_ALL = (1 << 16) - 1, // ioctl of devices is the last
};
enum landlock_net { LANDLOCK_BIND_TCP = 1, LANDLOCK_CONNECT_TCP = 2 };
enum landlock_scope { LANDLOCK_ABSTRACT_UNIX = 1, LANDLOCK_SIGNALS = 2 }; // with processes that are not fenced in
enum { LANDLOCK_RENAMES_SINCE = 2 };                                      // version: before, none to another directory

struct landlock {
    int rules;
    uint64_t fs; // what of the file system will be forbidden where nothing allows it
};

// What is to be forbidden, as far as this kernel can. False: it has no landlock(7), or one older than `least`.
bool landlock_open(struct landlock *, unsigned least, uint64_t fs, uint64_t net, uint64_t scope);
bool landlock_allow(struct landlock *, int dir, uint64_t fs); // beneath a directory
// From now on; needs no_new_privs. Threads that exist already are not in it. `use` false: everything stays as it is.
void landlock_close(struct landlock *, bool use);
