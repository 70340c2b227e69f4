// belljar image verify, belljar image unpack: packed images read as a whole, each chunk verified (image_reader.h).
#include "cli/image.h"
#include "cli/image_hot.h"
#include "cli/image_progress.h"
#include "cli/image_reader.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct looking { // both commands'
    struct image_reader reader;
    struct image_progress progress;
    const char *doing;
    uint32_t wrong;
    int fd; // unpack's new file
};

static void show_progress(struct looking *l)
{
    const struct image_reader *r = &l->reader;
    if (r->done % 16 == 0 || r->done == r->wanted)
        image_progress(&l->progress, "%s: %" PRIu64 " %%", l->doing, (uint64_t)r->done * 100 / r->wanted);
}

// ---------------------------------------------------------------- verify

enum { LINES = 20 }; // for wrong chunks

static bool verify_opened(struct image_reader *r)
{
    (void)r;
    return true;
}

static bool verify_chunk(struct image_reader *r, uint32_t index, const void *bytes)
{
    (void)index;
    (void)bytes;
    show_progress(r->ctx);
    return true;
}

static bool verify_failed(struct image_reader *r, uint32_t index, const char *why)
{
    struct looking *l = r->ctx;
    image_progress_end(&l->progress);
    if (l->wrong++ < LINES) fail(STATUS_FAILED, "image verify: chunk %u: %s", index, why);
    return true;
}

static int verify(int argc, char **argv, const char *const *value)
{
    struct looking l = {.doing = "verifying"};
    char why[MANIFEST_WHY], shown[HTTP_SHOWN];
    (void)argc;
    (void)value;
    l.reader = (struct image_reader){.name = argv[0],
                                     .once = true,
                                     .opened = verify_opened,
                                     .chunk = verify_chunk,
                                     .failed = verify_failed,
                                     .ctx = &l};
    int err = image_read(&l.reader);
    image_progress_end(&l.progress);
    if (err) return fail(STATUS_FAILED, "image verify: %s", l.reader.why);
    if (l.wrong) return fail(STATUS_FAILED, "image verify: %u of %u chunks are wrong", l.wrong, l.reader.wanted);
    int hot = image_hot_verify(argv[0], why);
    if (hot < 0) return fail(STATUS_FAILED, "image verify: the hot file: %s", why);
    printf("%s: %u chunks are there and right%s\n", http_shown(argv[0], shown), l.reader.wanted,
           hot ? ", the hot file too" : "");
    return 0;
}

const struct image_use image_verify_use = {
    .name = "verify",
    .arguments = "MANIFEST|URL",
    .what = "Reads all of a packed image and tells which chunks are missing or wrong.",
    .about = "MANIFEST is the file that image pack made (DIR/manifest). The exit status is 125 if anything is wrong.\n",
    .min = 1,
    .max = 1,
    .run = verify,
};

// ---------------------------------------------------------------- unpack

enum { PAGE = 4096 };

static bool cannot_write(struct image_reader *r)
{
    snprintf(r->why, sizeof r->why, "cannot write: %s", strerror(errno));
    return false;
}

static bool unpack_opened(struct image_reader *r)
{
    struct looking *l = r->ctx;
    return !ftruncate(l->fd, (off_t)r->source->bytes) || cannot_write(r);
}

static bool is_zeros(const char *bytes, size_t n)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, n - 1);
}

static bool write_at(int fd, const char *bytes, size_t n, uint64_t at)
{
    while (n) {
        ssize_t did = pwrite(fd, bytes, n, (off_t)at);
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) return false;
        bytes += did;
        at += (uint64_t)did;
        n -= (size_t)did;
    }
    return true;
}

// Pages of zeros stay holes. The last chunk may reach beyond the image.
static bool unpack_chunk(struct image_reader *r, uint32_t index, const void *bytes)
{
    struct looking *l = r->ctx;
    uint64_t at = (uint64_t)index * POOL_CHUNK, left = r->source->bytes - at;
    size_t n = left < POOL_CHUNK ? left : POOL_CHUNK, end;
    for (size_t from = 0; from < n; from = end) {
        end = from + PAGE < n ? from + PAGE : n;
        const char *page = (const char *)bytes + from;
        if (!is_zeros(page, end - from) && !write_at(l->fd, page, end - from, at + from)) return cannot_write(r);
    }
    show_progress(l);
    return true;
}

static bool unpack_failed(struct image_reader *r, uint32_t index, const char *why)
{
    snprintf(r->why, sizeof r->why, "chunk %u: %.*s", index, SOURCE_WHY - 32, why);
    return false;
}

enum { REPLACE };
static const struct image_option unpack_options[] = {
    [REPLACE] = {"replace", 0, NULL, "replace FILE if it is there"},
};

// Beside it, so that it can be renamed.
static int open_new(const char *path, char **other)
{
    if (asprintf(other, "%s.new-%ld", path, (long)getpid()) < 0) {
        *other = NULL;
        errno = ENOMEM;
        return -1;
    }
    return open(*other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
}

static int finish(struct looking *l, int err, const char *path, const char *other)
{
    if (!err && rename(other, path)) {
        cannot_write(&l->reader);
        err = -1;
    }
    if (err) unlink(other);
    close(l->fd);
    return err ? fail(STATUS_FAILED, "image unpack: %s", l->reader.why) : 0;
}

static int unpack(int argc, char **argv, const char *const *value)
{
    struct looking l = {.doing = "unpacking"};
    char *other;
    (void)argc;
    l.reader = (struct image_reader){
        .name = argv[0], .opened = unpack_opened, .chunk = unpack_chunk, .failed = unpack_failed, .ctx = &l};
    if (!value[REPLACE] && !access(argv[1], F_OK))
        return fail(STATUS_FAILED, "image unpack: %s is there already: --replace to replace it", argv[1]);
    l.fd = open_new(argv[1], &other);
    int status = l.fd < 0 ? fail(STATUS_FAILED, "image unpack: cannot write %s: %s", argv[1], strerror(errno)) : 0;
    if (!status) {
        int err = image_read(&l.reader);
        image_progress_end(&l.progress);
        status = finish(&l, err, argv[1], other);
    }
    free(other);
    return status;
}

const struct image_use image_unpack_use = {
    .name = "unpack",
    .arguments = "MANIFEST|URL FILE",
    .what = "Makes a disk image of a packed one again.",
    .about = "Each chunk is verified; zeros become holes. FILE is there when all of it is right, or not at all.\n",
    IMAGE_OPTIONS_OF(unpack_options),
    .min = 2,
    .max = 2,
    .run = unpack,
};
