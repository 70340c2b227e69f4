// Where files go that `belljar image export` takes out of an image: a directory of the host, or a tar stream.
#pragma once
#include "cli/image_path.h"
#include "cli/image_tree.h"

struct export_file {
    const struct layer_inode *inode;
    const char *path;  // "a/b", relative to what is exported; "." for the directory itself
    const char *name;  // its last part
    const char *first; // of a file met before under this path, which this is another name of; NULL: new
};
struct export_to;
struct export_ops {                                               // 0, or -errno with a line in layers.problem
    int (*enter)(struct export_to *, const struct export_file *); // a directory, in the one entered last
    int (*leave)(struct export_to *, const struct export_file *); // it is whole; only `inode` is there
    int (*file)(struct export_to *, const struct export_file *);  // any other
    int (*end)(struct export_to *);                               // whole; NULL: nothing to do
};
struct export_to {
    const struct export_ops *ops;
    struct image_tree *tree;
    uint64_t left_out, dropped; // files that cannot be there; bits of modes that were
};

int export_problem(struct export_to *, const char *path, int err); // err, with its line

struct export_directory {
    struct export_to to;
    int *fd; // of the directories entered, the first one the destination
    size_t depth, room;
};
// Files of yours, in the directory that `fd` is, which is closed with it and must be empty: nothing that is there is
// followed or replaced. Modes without set-user-ID, set-group-ID and sticky bits; neither owners nor attributes; no
// devices, pipes and sockets.
void export_directory(struct export_directory *, struct image_tree *, int fd);
void export_directory_end(struct export_directory *);
// The content of a regular file into `fd`, which is new and empty, with holes; then its mode and time.
int export_content(struct export_to *, const struct layer_inode *, const char *path, int fd);

struct export_tar {
    struct export_to to;
    int fd;
    char *records; // of the extended header being made
    size_t nrecords, room;
};
// As it is: owners, modes, attributes, devices (not sockets), POSIX.1-2001 (pax).
void export_tar(struct export_tar *, struct image_tree *, int fd);
void export_tar_end(struct export_tar *);
int export_write(struct export_to *, int fd, const void *bytes, size_t n); // all of it
