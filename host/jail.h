// The jail: what the process that runs a guest gives up for good before it looks at the image. The command closes it in
// its worker (cli/worker.c); embedders may do the same, with this file. docs/security.md says what it is worth; the
// system calls that stay are the rows of jail.def, of which the build makes the filter (host/gen/jail_gen.c).
//
// Descriptors lie in two groups, since conditions on arguments tell them apart by number: 0 .. JAIL_OWN-1 came from
// outside (standard streams, the channel to the broker, the trace) and may be read and written as streams only;
// JAIL_OWN .. JAIL_FDS-1 are the box's own (its memory, the image, the wake pipe) and may also be mapped, resized and
// read at an offset.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { JAIL_OWN = 16, JAIL_FDS = 32 };

struct host_jail {
    const int *outside; // become descriptors 3, 4, ...
    unsigned noutside;
    const int *own; // become JAIL_OWN, JAIL_OWN + 1, ...
    unsigned nown;
    uint64_t cpu_seconds; // SIGKILL after so much processor time; 0: no limit
    int parent;           // the worker dies with this process
};

// Moves the descriptors to their numbers and closes all others. 0 or -errno.
int host_jail_descriptors(const struct host_jail *);
// The process dies with the parent, also of SIGKILL. 0, or -1 with errno.
int host_jail_bind(const struct host_jail *);
// The rest: limits, user, capabilities, and the filter. From then on a system call that is not on the list ends the
// process by SIGSYS. One thread only. 0; else -1 with one line in `why`, and the process must not run a guest.
int host_jail_close(const struct host_jail *, char *why, size_t n);
