// Directories of the host inside a box (--mount): opened by the broker, served by a process outside the jail
// (server.h), used by vfs/hostfs.c. vfs/mount_protocol.h is what they say to each other.
//
// What holds whatever the worker says: nothing outside the directories is opened, changed or looked at, nor what other
// file systems are mounted beneath them; no link is followed; devices, FIFOs and sockets of the host are never opened;
// a directory given read-only is not changed; no set-user-ID program is made.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "vfs/mount_protocol.h"

struct mount_dir {
    int fd; // O_PATH
    bool writable;
};
struct mount_server {
    struct mount_dir dirs[MOUNT_MAX]; // node i + 1 is dirs[i]
    unsigned ndirs;
    unsigned most_files; // descriptors at most; 0: what the host allows, within reason. For tests
    bool unfenced;       // without landlock(7): for tests of what is checked before
};

// Opens a directory of the host and adds it. 0; or -1 with one line in `why`.
int mount_server_add(struct mount_server *, const char *path, bool writable, char *why, size_t n);
void mount_server_close(struct mount_server *);
// Serves the struct mount_server `ctx` until the other end of the link is closed: the `serve` of server_start, in a
// process of its own, whose umask, limits and privileges it changes. 0, or 1 when it could not begin.
int mount_server_run(void *ctx, int link);
