// One chunk of a packed image: see packed.h.
#include "disk/packed.h"
#include "disk/sha256.h"
#include "disk/zstd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct packed_codec {
    struct sha256 sha256;
    struct zstd *zstd;
};

int packed_codec_open(struct packed_codec **to, bool pack, char why[MANIFEST_WHY])
{
    struct packed_codec *c = calloc(1, sizeof *c);
    *to = NULL;
    if (!c) {
        snprintf(why, MANIFEST_WHY, "no memory");
        return -1;
    }
    int err = sha256_open(&c->sha256, why, MANIFEST_WHY) ? 0 : -1;
    if (!err) {
        err = pack ? zstd_open_pack(&c->zstd, why, MANIFEST_WHY) : zstd_open_unpack(&c->zstd, why, MANIFEST_WHY);
        if (err) sha256_close(&c->sha256);
    }
    if (err)
        free(c);
    else
        *to = c;
    return err;
}

void packed_codec_close(struct packed_codec *c)
{
    if (!c) return;
    zstd_close(c->zstd);
    sha256_close(&c->sha256);
    free(c);
}

static void hash(struct packed_codec *c, const void *chunk, uint8_t digest[MANIFEST_HASH])
{
    sha256_add(&c->sha256, chunk, MANIFEST_CHUNK);
    sha256_end(&c->sha256, digest);
}

enum packed_state packed_unpack(struct packed_codec *c, const struct manifest_chunk *m, const void *stored, size_t n,
                                void *chunk)
{
    uint8_t digest[MANIFEST_HASH];
    if (!zstd_unpack(c->zstd, chunk, MANIFEST_CHUNK, stored, n)) return PACKED_DAMAGED;
    hash(c, chunk, digest);
    return memcmp(digest, m->hash, sizeof digest) ? PACKED_OTHER : PACKED_RIGHT;
}

const char *packed_complaint(enum packed_state s)
{
    static const char *const lines[] = {"is right", "is damaged", "has the content of another"};
    return lines[s];
}

static bool is_zeros(const char *chunk)
{
    return !chunk[0] && !memcmp(chunk, chunk + 1, MANIFEST_CHUNK - 1);
}

void packed_hash(struct packed_codec *c, const void *chunk, struct manifest_chunk *m)
{
    *m = (struct manifest_chunk){0};
    if (!is_zeros(chunk)) hash(c, chunk, m->hash);
}

size_t packed_pack(struct packed_codec *c, const void *chunk, void *stored, int level)
{
    return zstd_pack(c->zstd, stored, MANIFEST_STORED_MAX, chunk, MANIFEST_CHUNK, level);
}

int64_t packed_read(int dir, const struct manifest_chunk *m, void *stored)
{
    char name[MANIFEST_NAME], more;
    manifest_chunk_name(m, name);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // of a named pipe nobody waits for
    if (fd < 0) return -errno;
    ssize_t n = pread(fd, stored, MANIFEST_STORED_MAX, 0);
    int64_t result = n < 0 ? -errno : n;
    if (n == MANIFEST_STORED_MAX && pread(fd, &more, 1, n) == 1) result++;
    close(fd);
    return result;
}
