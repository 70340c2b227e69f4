// A local image as a source: what a program needs of it is recorded through this. What it has is given at once.
#include "disk/sha256.h"
#include "disk/source.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX (1ull << 40) // bytes

enum { PIECE = POOL_PART };

struct local {
    struct source source;
    int fd;
    uint8_t bytes[PIECE];
};

static void end(struct local *l, const char *path, const char *what)
{
    char why[SOURCE_WHY];
    snprintf(why, sizeof why, "%.120s: %.120s", path, what);
    l->source.events->ended(l->source.events->ctx, why);
}

// Which file it is, and which version of it.
static bool set_digest(struct local *l, const struct stat *st, char *why, size_t n)
{
    struct sha256 sum;
    uint64_t facts[] = {htole64(st->st_dev), htole64(st->st_ino), htole64((uint64_t)st->st_mtim.tv_sec),
                        htole64((uint64_t)st->st_mtim.tv_nsec), htole64(l->source.bytes)};
    if (!sha256_open(&sum, why, n)) return false;
    sha256_add(&sum, "local image", sizeof "local image");
    sha256_add(&sum, facts, sizeof facts);
    sha256_end(&sum, l->source.digest);
    sha256_close(&sum);
    return true;
}

static void open_local(struct local *l, const char *path)
{
    char why[128];
    struct stat st;
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0 || fstat(l->fd, &st)) return end(l, path, strerror(errno));
    off_t bytes = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? lseek(l->fd, 0, SEEK_END) : -1;
    if (bytes <= 0 || (uint64_t)bytes > IMAGE_MAX) return end(l, path, "is no image: not a file of 1 byte to 1 TiB");
    l->source.bytes = (uint64_t)bytes;
    l->source.chunks = (uint32_t)((l->source.bytes + POOL_CHUNK - 1) / POOL_CHUNK);
    if (!set_digest(l, &st, why, sizeof why)) return end(l, path, why);
    l->source.events->opened(l->source.events->ctx);
}

static bool key(struct source *s, uint32_t index, uint8_t to[POOL_KEY])
{
    source_key_of(s->digest, index, to);
    return true;
}

static const char *read_piece(struct local *l, uint32_t piece)
{
    uint64_t at = (uint64_t)piece * PIECE, left = l->source.bytes - at;
    size_t n = left < PIECE ? (size_t)left : PIECE, have = 0;
    while (have < n) {
        ssize_t more = pread(l->fd, l->bytes + have, n - have, (off_t)(at + have));
        if (more < 0 && errno != EINTR) return strerror(errno);
        if (more == 0) return "the image has become shorter";
        if (more > 0) have += (size_t)more;
    }
    memset(l->bytes + n, 0, PIECE - n);
    return NULL;
}

static void want(struct source *s, uint32_t first, uint32_t n, enum source_want urgency)
{
    struct local *l = (struct local *)s;
    uint32_t all = source_pieces(s), last = first < all && n < all - first ? first + n : all;
    (void)urgency;
    for (uint32_t i = first; i < last; i++) {
        const char *why = read_piece(l, i);
        if (why)
            s->events->failed(s->events->ctx, i, why);
        else
            s->events->piece(s->events->ctx, i, l->bytes);
    }
}

static void close_local(struct source *s)
{
    struct local *l = (struct local *)s;
    if (l->fd >= 0) close(l->fd);
    free(l);
}

static const struct source_ops ops = {.key = key, .want = want, .close = close_local};

struct source *source_file(const char *path, const struct source_events *events)
{
    struct local *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->source = (struct source){.ops = &ops, .events = events, .piece = SOURCE_PARTS};
    open_local(l, path);
    return &l->source;
}
