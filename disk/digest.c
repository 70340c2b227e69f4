// See digest.h.
#include "disk/digest.h"
#include "disk/manifest.h"
#include "disk/sha256.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)IMAGE_DIGEST == (int)MANIFEST_HASH && (int)IMAGE_DIGEST == (int)SHA256_BYTES, "one length");

enum { TELL = 512 }; // chunks

// Where the data from `at` on begins: the chunk of it. An answer that is none (not every file system knows holes) is
// data.
static uint64_t next_data(int fd, uint64_t at, uint64_t bytes)
{
    off_t found = lseek(fd, (off_t)at, SEEK_DATA);
    if (found < 0) return errno == ENXIO ? bytes : at;
    return (uint64_t)found & ~(uint64_t)(MANIFEST_CHUNK - 1);
}

static bool is_zero(const uint8_t *p)
{
    return p[0] == 0 && !memcmp(p, p + 1, MANIFEST_CHUNK - 1);
}

// A whole chunk; behind the end there are zeros.
static int read_chunk(int fd, uint64_t at, uint64_t bytes, uint8_t *chunk)
{
    size_t want = bytes - at < MANIFEST_CHUNK ? (size_t)(bytes - at) : MANIFEST_CHUNK;
    memset(chunk + want, 0, MANIFEST_CHUNK - want);
    for (size_t got = 0; got < want;) {
        ssize_t n = pread(fd, chunk + got, want - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? -errno : -EIO;
        got += (size_t)n;
    }
    return 0;
}

static void add_chunk(struct sha256 *chunks, struct sha256 *all, const uint8_t *chunk)
{
    uint8_t hash[MANIFEST_HASH] = {0};
    if (chunk && !is_zero(chunk)) {
        sha256_add(chunks, chunk, MANIFEST_CHUNK);
        sha256_end(chunks, hash);
    }
    sha256_add(all, hash, sizeof hash);
}

int image_digest(int fd, uint64_t bytes, uint8_t digest[IMAGE_DIGEST], void (*told)(void *, uint64_t), void *ctx,
                 char *why, size_t why_size)
{
    struct sha256 chunks, all;
    uint8_t chunk[MANIFEST_CHUNK];
    int err = 0;
    if (!sha256_open(&chunks, why, why_size)) return -ENOSYS;
    if (!sha256_open(&all, why, why_size)) {
        sha256_close(&chunks);
        return -ENOSYS;
    }
    uint64_t data = 0, n = 0;
    for (uint64_t at = 0; at < bytes && !err; at += MANIFEST_CHUNK) {
        if (at >= data) data = next_data(fd, at, bytes); // never behind `at`, which is a chunk's beginning
        bool hole = at < data;
        if (!hole) err = read_chunk(fd, at, bytes, chunk);
        if (!err) add_chunk(&chunks, &all, hole ? NULL : chunk);
        if (told && ++n % TELL == 0) told(ctx, at);
    }
    sha256_end(&all, digest);
    sha256_close(&chunks);
    sha256_close(&all);
    if (err) snprintf(why, why_size, "cannot read the image: %s", strerror(-err));
    return err;
}
