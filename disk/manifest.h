// A packed image: a directory with `manifest`, the chunks of the image, compressed by zstd, one file each
// (chunks/AB/ABCDEF..., the SHA-256 of the content in hex), and `hot`, the chunks that starts need, in one file. Any
// static server can serve it. Several images in one directory, NAME.manifest and NAME.hot, share chunks.
//
// manifest, little endian: struct manifest_head, then for each chunk struct manifest_chunk. A chunk of zeros has the
// hash 0 and no file. The last chunk is filled up with zeros.
// hot: struct manifest_hot_head, then for each of its chunks struct manifest_hot, then the compressed chunks one behind
// the other, in the order in which they are needed.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MANIFEST_CHUNK = 65536, MANIFEST_HASH = 32, MANIFEST_WHY = 256, MANIFEST_NAME = 80 };
enum { MANIFEST_STORED_MAX = MANIFEST_CHUNK + 1024 }; // bytes that a compressed chunk may have
#define MANIFEST_IMAGE_MAX (1ull << 38)               // bytes
#define MANIFEST_MAGIC     "belljar\1"
#define MANIFEST_HOT_MAGIC "belljar\2"

struct manifest_head {
    char magic[8];
    uint64_t bytes; // of the image
    uint32_t chunk; // MANIFEST_CHUNK
    uint32_t chunks;
    uint8_t digest[MANIFEST_HASH]; // SHA-256 of all chunks' hashes, in order: names the image, packed or not
};
struct manifest_chunk {
    uint8_t hash[MANIFEST_HASH]; // SHA-256 of the content
    uint32_t stored;             // bytes of the compressed chunk
};
struct manifest_hot_head {
    char magic[8];
    uint32_t chunks, unused;
    uint8_t digest[MANIFEST_HASH]; // the image's
};
struct manifest_hot {
    uint32_t index, stored;
};
enum { MANIFEST_HOT_MAX = 16384 }; // chunks of a hot file

struct manifest {
    struct manifest_head head;
    struct manifest_chunk *chunk; // head.chunks of them
};

// The bytes that a manifest of this head has; 0: the head is not one.
uint64_t manifest_size(const struct manifest_head *);
#define MANIFEST_SIZE_MAX                                                                                              \
    (sizeof(struct manifest_head) + MANIFEST_IMAGE_MAX / MANIFEST_CHUNK * sizeof(struct manifest_chunk))

// Everything in it is checked. 0, or -1 with a line. The caller frees it also after a failure.
int manifest_parse(struct manifest *, const void *bytes, size_t n, char why[MANIFEST_WHY]);
int manifest_read(struct manifest *, const char *path, char why[MANIFEST_WHY]); // the same of a file
void manifest_free(struct manifest *);
struct sha256;
void manifest_digest(struct sha256 *, const struct manifest *,
                     uint8_t digest[MANIFEST_HASH]); // head.digest, from the chunks
bool manifest_is_zero(const struct manifest_chunk *);
// Relative to the manifest's directory.
void manifest_chunk_name(const struct manifest_chunk *, char name[MANIFEST_NAME]);

// Does a path or URL name a packed image? Its last part, without what follows "?" or "#", is "manifest" or
// "NAME.manifest".
bool manifest_is_named(const char *path);
// The path or URL of something beside the manifest: `name` in its directory, with what follows "?" kept; NULL: its hot
// file. To be freed; NULL: no memory.
char *manifest_beside(const char *path, const char *name);

// The list of a hot file whose head and chunks' list are `bytes`: each chunk is of this image, no zeros, there once,
// not too long. The list points into `bytes`. 0, or -1 with a line.
struct manifest_hot_list {
    const struct manifest_hot *at;
    uint32_t n;
};
// The bytes of a hot file in front of its chunks; 0: this is not the head of one of this image.
size_t manifest_hot_front(const struct manifest *, const struct manifest_hot_head *);
int manifest_hot_parse(const struct manifest *, const void *bytes, size_t n, struct manifest_hot_list *,
                       char why[MANIFEST_WHY]);
