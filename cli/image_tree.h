// An image and a delta opened for `belljar image commit`, `diff` and `export`: libext2fs reads the image, and the delta
// must be the image's. Failures are said on the standard error; functions give 0, or the exit status.
#pragma once
#include "cli/image.h"
#include "cli/image_progress.h"
#include "disk/layers.h"

struct image_tree {
    const char *path; // of the image
    int fd;
    uint64_t bytes;
    ext2_filsys fs;
    struct deltafile *delta;
    struct layers layers;
};

// The image alone, to be read; closed also after a failure.
int image_tree_open(struct image_tree *, const char *image);
// The image and its delta (NULL: none), which is proven to be whole. from_server: the delta was made with the image on
// a web server, and names it by URL and version: only the length and the number of inodes are compared.
int image_tree_open_delta(struct image_tree *, const char *image, const char *delta, bool from_server);
void image_tree_close(struct image_tree *);
int image_tree_failed(const struct image_tree *); // says what the layers' problem is

// An option of theirs.
#define IMAGE_FROM_SERVER                                                                                              \
    {                                                                                                                  \
        "from-server", 0, NULL, "DELTA was made with IMAGE on a web server: compare its length only"                   \
    }
