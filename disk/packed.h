// Packed images (manifest.h): one chunk of them, and making them.
#pragma once
#include "disk/manifest.h"

// ---------------------------------------------------------------- chunks, one thread per struct

struct packed_codec;
int packed_codec_open(struct packed_codec **, bool pack, char why[MANIFEST_WHY]); // 0; -1 with a line
void packed_codec_close(struct packed_codec *);                                   // NULL: nothing

enum packed_state {
    PACKED_RIGHT,
    PACKED_DAMAGED, // cannot be decompressed to MANIFEST_CHUNK bytes
    PACKED_OTHER,   // decompressed, but not what the manifest's hash says
};
// `chunk` has MANIFEST_CHUNK bytes; they mean something only if it is right.
enum packed_state packed_unpack(struct packed_codec *, const struct manifest_chunk *, const void *stored, size_t n,
                                void *chunk);
const char *packed_complaint(enum packed_state); // "is damaged", for a line

void packed_hash(struct packed_codec *, const void *chunk, struct manifest_chunk *); // all zeros: the hash 0
// The compressed chunk, at most MANIFEST_STORED_MAX bytes: how many. 0: no memory.
size_t packed_pack(struct packed_codec *, const void *chunk, void *stored, int level);

// The file of a chunk beneath a directory, read: its bytes; more than MANIFEST_STORED_MAX: it is too long; or -errno.
int64_t packed_read(int dir, const struct manifest_chunk *, void *stored); // room for MANIFEST_STORED_MAX

// ---------------------------------------------------------------- making one

struct packed_counts {
    uint32_t chunks, zeros, made, shared; // shared: were there already, in the image or the directory
    uint64_t bytes, made_bytes;           // of all chunks that are no zeros, of those made; compressed
    bool hot_removed;                     // there was a hot file, of another image
};
struct packed_options {
    const char *image, *directory;
    const char *name; // of the manifest: NAME.manifest; NULL: manifest
    bool replace;     // a manifest of this name may be there, of another image
    int level;        // zstd's
    unsigned threads; // 0: as many as there are CPUs, up to 16
    void (*progress)(void *ctx, const struct packed_counts *, uint32_t of); // from this thread, now and then; or NULL
    void *ctx;
};
// 0; -1 with a line. What was written stays also then: the next attempt goes on from it.
int packed_make(const struct packed_options *, struct packed_counts *, char why[MANIFEST_WHY]);

// ---------------------------------------------------------------- hot files

struct packed_hot_counts {
    uint32_t chunks, added; // added: that were not in it before
    uint64_t bytes;         // of the file
};
// Writes the hot file beside the manifest of a packed image in a directory: these chunks, in this order, each once;
// zeros are left out. add: behind those that are in it already. What is more than MANIFEST_HOT_MAX is left out. 0; -1
// with a line, and the file that was there stays.
int packed_hot_make(const char *manifest, const uint32_t *index, uint32_t n, bool add, struct packed_hot_counts *,
                    char why[MANIFEST_WHY]);
// Is a whole hot file right, each chunk of it? 0; -1 with a line. The codec is for unpacking.
int packed_hot_verify(struct packed_codec *, const struct manifest *, const void *bytes, size_t n,
                      char why[MANIFEST_WHY]);
