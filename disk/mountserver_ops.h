// The requests of vfs/mount_protocol.h, each a function. What they are given has been checked as far as the row of the
// request says (mountserver.c): the nodes exist, a name is one, lengths fit.
#pragma once
#include "disk/mountserver_node.h"

struct mount_job {
    struct mount_state *s;
    struct mount_request q; // a copy: what the packet holds cannot change under us
    struct node *n, *other; // other: NULL unless the request has one
    const char *name;       // NUL-terminated; "" where none may be given
    const uint8_t *data;
    struct mount_reply *r;
    uint8_t *out; // what follows the reply: MOUNT_DATA bytes
};

int job_attr(struct mount_job *, const struct statx *); // into the reply
int job_attr_of(struct mount_job *, struct node *);
bool mount_good_name(const char *, size_t n); // one component that is neither "." nor ".."; n bytes, then a NUL

void mount_fence(const struct mount_server *); // mountserver_fence.c; needs no_new_privs

// 0 or a count, or -errno. mountserver_names.c, mountserver_files.c.
#define MOUNT_OP(name, takes, flags) int mount_do_##name(struct mount_job *);
MOUNT_OPS(MOUNT_OP)
#undef MOUNT_OP
