// A packed image: a directory with `manifest`, the chunks of the image, compressed by zstd, one file each
// (chunks/AB/ABCDEF..., the SHA-256 of the content in hex), and `hot`, the chunks that starts need, in one file. Any
// static server can serve it, and chunks that images share are there once.
//
// manifest, little endian: struct manifest_head, then for each chunk struct manifest_chunk. A chunk of zeros has the
// hash 0 and no file. The last chunk is filled up with zeros. hot: struct manifest_hot and the compressed chunk, for
// each chunk, in the order in which they are needed.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MANIFEST_CHUNK = 65536, MANIFEST_HASH = 32, MANIFEST_WHY = 256, MANIFEST_NAME = 80 };
enum { MANIFEST_STORED_MAX = MANIFEST_CHUNK + 1024 }; // bytes that a compressed chunk may have
#define MANIFEST_IMAGE_MAX (1ull << 40)               // bytes
static const char manifest_magic[8] = "belljar\1";

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
struct manifest_hot {
    uint32_t index, stored;
};

struct manifest {
    struct manifest_head head;
    struct manifest_chunk *chunk; // head.chunks of them
};

// Everything in it is checked. 0, or -1 with a line. The caller frees it also after a failure.
int manifest_parse(struct manifest *, const void *bytes, size_t n, char why[MANIFEST_WHY]);
void manifest_free(struct manifest *);
bool manifest_is_zero(const struct manifest_chunk *);
void manifest_chunk_name(const struct manifest_chunk *,
                         char name[MANIFEST_NAME]); // relative to the manifest's directory
