// The files that the mount server holds for the worker: nodes, their descriptors, and how a file is found again whose
// descriptors had to be closed. One thread.
#pragma once
#include "disk/mountserver.h"
#include <sys/stat.h>
#include <sys/types.h>

enum { NODES_MAX = 1 << 17, NODE_GROUPS = 64 };

// Who a file is, so that another one that took its place or its number is not mistaken for it.
struct node_identity {
    uint64_t dev, ino;
    int64_t btime_sec;
    uint32_t btime_nsec, kind; // kind: S_IFMT
};

struct node {
    uint64_t id;
    struct node_identity who;
    unsigned mount;
    int fd;           // O_PATH, or -1
    int io[2];        // for reading (of directories too), for writing; or -1
    uint32_t opens;   // the worker's: for as long, io stays as it was opened
    uint32_t holds;   // ours, while its descriptors are in use
    uint64_t dir_pos; // where io[0] of a directory stands
    uint64_t parent;  // where it was found last; 0: a root, or a file without a name
    char *name;
    struct node *hash_next;
    struct node *newer, *older; // in order of use, those with descriptors that may be closed
    bool in_order;
};

struct mount_state {
    const struct mount_server *server;
    int proc; // /proc/self/fd
    uid_t uid;
    gid_t gid, groups[NODE_GROUPS];
    int ngroups;
    struct node **at; // by the low half of their numbers
    uint32_t nat, cap, *spare, nspare, next_generation;
    struct node **buckets;
    uint32_t nbuckets, count;
    struct node *newest, *oldest;
    unsigned files, most_files;
};

// All return 0 or a pointer, or fail with a negative errno (NULL).
int nodes_open(struct mount_state *, const struct mount_server *);
void nodes_close(struct mount_state *);
struct node *node_get(struct mount_state *, uint64_t id); // NULL: no such node
void node_forget(struct mount_state *, struct node *);    // not of roots: they stay
// The node of the file behind `fd` (O_PATH), which it takes over, also on failure.
int node_of(struct mount_state *, struct node *dir, const char *name, int fd, const struct statx *, struct node **);
struct node *node_find(struct mount_state *, unsigned mount, const struct node_identity *);
void node_named(struct mount_state *, struct node *, const struct node *dir, const char *name); // it is there now
// A descriptor, borrowed until the next call that may open another one but those of nodes held with node_hold.
int node_fd(struct mount_state *, struct node *);             // O_PATH; -ESTALE: it is not where it was
int node_io(struct mount_state *, struct node *, bool write); // of a regular file, or to read a directory
int node_open_io(struct mount_state *, struct node *,
                 unsigned how); // MOUNT_READING, _WRITING: with the rights of now. Counts in `opens`
void node_hold(struct mount_state *, struct node *);
void node_release(struct mount_state *, struct node *);
void node_closed(struct mount_state *, struct node *); // the end of what node_open_io began
void node_drop_io(struct mount_state *, struct node *);
// Room for a descriptor that the caller is about to open and to give to a node. 0 or -ENFILE.
int node_room(struct mount_state *);
int node_give_io(struct mount_state *, struct node *, int fd); // one that reads and writes: as node_open_io

int open_beneath(int dir, const char *name, int flags, mode_t mode); // one component; a descriptor or -errno
int reopen(const struct mount_state *, int fd, int flags);           // the file behind a descriptor
int stat_fd(int fd, struct statx *);
void identity_of(const struct statx *, struct node_identity *);
