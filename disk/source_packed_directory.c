// A packed image in a directory of this machine: its manifest is read at once, chunks as they are wanted.
#include "disk/packed.h"
#include "disk/source.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct local {
    struct source source; // the first: struct source * is this
    struct manifest manifest;
    struct packed_codec *codec;
    int dir;
    uint8_t stored[MANIFEST_STORED_MAX];
    char chunk[MANIFEST_CHUNK];
};

static bool key_of(struct source *s, uint32_t index, uint8_t key[POOL_KEY])
{
    const struct manifest_chunk *c = &((struct local *)s)->manifest.chunk[index];
    memcpy(key, c->hash, POOL_KEY);
    return !manifest_is_zero(c);
}

// NULL: it is in l->chunk.
static const char *read_chunk(struct local *l, const struct manifest_chunk *c)
{
    int64_t n = packed_read(l->dir, c, l->stored);
    if (n == -ENOENT) return "is missing";
    if (n < 0) return strerror((int)-n);
    if (n > MANIFEST_STORED_MAX) return "is too long";
    enum packed_state s = packed_unpack(l->codec, c, l->stored, (size_t)n, l->chunk);
    return s == PACKED_RIGHT ? NULL : packed_complaint(s);
}

static void want_one(struct local *l, uint32_t index)
{
    const struct manifest_chunk *c = &l->manifest.chunk[index];
    const struct source_events *e = l->source.events;
    char why[SOURCE_WHY], name[MANIFEST_NAME];
    const char *complaint = read_chunk(l, c);
    if (!complaint) {
        e->piece(e->ctx, index, l->chunk);
        return;
    }
    manifest_chunk_name(c, name);
    snprintf(why, sizeof why, "%s: %s", name, complaint);
    e->failed(e->ctx, index, why);
}

static void want(struct source *s, uint32_t first, uint32_t n, enum source_want w)
{
    struct local *l = (struct local *)s;
    (void)w;
    if (first >= s->chunks) return;
    if (n > s->chunks - first) n = s->chunks - first;
    for (uint32_t i = first; i < first + n; i++)
        if (!manifest_is_zero(&l->manifest.chunk[i])) want_one(l, i);
}

static void close_source(struct source *s)
{
    struct local *l = (struct local *)s;
    packed_codec_close(l->codec);
    manifest_free(&l->manifest);
    if (l->dir >= 0) close(l->dir);
    free(l);
}

// ---------------------------------------------------------------- opening

static int open_directory(const char *manifest)
{
    char *name = manifest_beside(manifest, ".");
    int fd = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(name);
    return fd;
}

static int open_local(struct local *l, const char *path, char why[MANIFEST_WHY])
{
    if (packed_codec_open(&l->codec, false, why) || manifest_read(&l->manifest, path, why)) return -1;
    l->dir = open_directory(path);
    if (l->dir >= 0) return 0;
    snprintf(why, MANIFEST_WHY, "cannot open its directory: %s", strerror(errno));
    return -1;
}

struct source *source_packed_directory(const char *manifest, const struct source_events *events)
{
    static const struct source_ops ops = {.key = key_of, .want = want, .close = close_source};
    char why[MANIFEST_WHY], line[SOURCE_WHY];
    struct local *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->source = (struct source){.ops = &ops, .events = events, .piece = SOURCE_CHUNKS};
    l->dir = -1;
    if (open_local(l, manifest, why)) {
        snprintf(line, sizeof line, "%.100s: %.*s", manifest, SOURCE_WHY - 110, why);
        events->ended(events->ctx, line);
        return &l->source;
    }
    l->source.bytes = l->manifest.head.bytes;
    l->source.chunks = l->manifest.head.chunks;
    memcpy(l->source.digest, l->manifest.head.digest, sizeof l->source.digest);
    events->opened(events->ctx);
    return &l->source;
}
