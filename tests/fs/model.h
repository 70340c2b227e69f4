// What a tree of files must be, in memory: the judge of the exerciser (exerciser.c). Knows nothing of system calls.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { NAME = 12, MAX_FILE = 256 << 10, MAX_DEPTH = 5, XATTRS = 3, XATTR_BYTES = 40 };

enum kind { REGULAR, DIRECTORY, LINK, FIFO };

struct xattr {
    unsigned n; // bytes; 0: none
    uint8_t value[XATTR_BYTES];
};

struct entry {
    char name[NAME];
    struct node *node;
};

struct node {
    enum kind kind;
    unsigned mode, links, holds; // holds: of who has it open
    bool timed;                  // `mtime` was set, and nothing has changed it since
    struct timespec mtime;
    struct xattr xattr[XATTRS]; // user.a, user.b, user.c
    uint8_t *data;              // of a file; of a link: its text
    size_t size, room;
    struct entry *entries; // of a directory
    unsigned nentries, entry_room;
    struct node *parent;
    uint64_t found; // for comparing: st_ino, 0: not met yet
};

struct model {
    struct node *root;
    struct node **directories; // all of them, the root first
    unsigned ndirectories, nnodes;
};

void model_open(struct model *);
void model_close(struct model *);

struct node *model_find(const struct node *dir, const char *name); // NULL: no such name
struct node *model_new(struct model *, enum kind, unsigned mode);
void model_link(struct model *, struct node *dir, const char *name, struct node *);
void model_unlink(struct model *, struct node *dir, const char *name); // frees it with its last name and holder
void model_release(struct model *, struct node *);                     // a holder less
void model_move(struct model *, struct node *dir, const char *name, struct node *to, const char *as); // replaces
void model_exchange(struct node *dir, const char *name, struct node *other_dir, const char *other);
bool model_is_above(const struct node *above, const struct node *dir); // or the same
unsigned model_depth(const struct node *dir);                          // 0: the root
void model_path(const struct node *dir, const char *name, char *path, size_t n);

void model_write(struct node *, size_t at, const uint8_t *from, size_t n);
void model_resize(struct node *, size_t n);
void model_zero(struct node *, size_t at, size_t n); // within its size
