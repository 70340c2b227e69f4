// See image_tree.h.
#include "cli/image_tree.h"
#include "disk/digest.h"
#include "disk/diskserver.h"
#include "disk/manifest.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(struct image_tree *t, const char *path)
{
    struct stat st;
    struct belljar_image_info info;
    struct belljar_error why;
    *t = (struct image_tree){.path = path, .fd = -1};
    char shown[HTTP_SHOWN];
    if (diskserver_is_for(path))
        return fail(STATUS_FAILED, "%s: it must be %s first", http_shown(path, shown),
                    manifest_is_named(path) ? "unpacked (belljar image unpack)" : "downloaded");
    if (belljar_image_info(path, &info, &why)) return fail(STATUS_FAILED, "%s", why.text);
    if (!info.mountable) return fail(STATUS_FAILED, "%s: %s", path, info.why_not);
    t->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (t->fd < 0 || fstat(t->fd, &st)) return fail(STATUS_FAILED, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return fail(STATUS_FAILED, "%s: it is no file", path);
    t->bytes = (uint64_t)st.st_size;
    return 0;
}

int image_tree_open(struct image_tree *t, const char *image)
{
    char path[32];
    int status = open_file(t, image);
    if (status) return status;
    // With options, though none, so that a '?' in a path would be one (ext2fs_open2).
    snprintf(path, sizeof path, "/proc/self/fd/%d", t->fd);
    errcode_t err = ext2fs_open2(path, "", EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &t->fs);
    if (err) return fail(STATUS_FAILED, "%s: %s", image, error_message(err));
    const char *no = layers_refuse(t->fs, false);
    if (no) return fail(STATUS_FAILED, "%s: %s", image, no);
    layers_init(&t->layers, t->fs, NULL);
    return 0;
}

struct telling {
    struct image_progress progress;
    uint64_t all;
};

static void tell(void *ctx, uint64_t done)
{
    struct telling *t = ctx;
    image_progress(&t->progress, "reading the image: %u %%", (unsigned)(done * 100 / t->all));
}

static int name_base(const struct image_tree *t, struct delta_base *base)
{
    char why[200];
    struct telling telling = {.all = t->bytes};
    *base = (struct delta_base){.bytes = t->bytes, .inodes = t->fs->super->s_inodes_count};
    int err = image_digest(t->fd, t->bytes, base->digest, tell, &telling, why, sizeof why);
    image_progress_end(&telling.progress);
    return err ? fail(STATUS_FAILED, "%s: %s", t->path, why) : 0;
}

// What a delta can say of an image that was never read as a whole.
static int compare_lengths(const struct image_tree *t, const char *delta)
{
    const struct delta_base *base = deltafile_base(t->delta);
    if (base->bytes == t->bytes && base->inodes == t->fs->super->s_inodes_count) return 0;
    return fail(STATUS_FAILED, "%s: the delta belongs to another image, of %llu bytes", delta,
                (unsigned long long)base->bytes);
}

int image_tree_open_delta(struct image_tree *t, const char *image, const char *delta, bool from_server)
{
    char why[DELTA_WHY];
    struct delta_base base;
    int status = image_tree_open(t, image);
    if (status || !delta) return status;
    status = from_server ? 0 : name_base(t, &base);
    if (status) return status;
    if (deltafile_open(&t->delta, delta, DELTA_READ, from_server ? NULL : &base, why))
        return fail(STATUS_FAILED, "%s", why);
    status = from_server ? compare_lengths(t, delta) : 0;
    if (status) return status;
    if (deltafile_check(t->delta)) return fail(STATUS_FAILED, "%s", deltafile_problem(t->delta));
    layers_init(&t->layers, t->fs, t->delta);
    return 0;
}

void image_tree_close(struct image_tree *t)
{
    layers_end(&t->layers);
    deltafile_close(t->delta);
    if (t->fs) ext2fs_close_free(&t->fs);
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
}

int image_tree_failed(const struct image_tree *t)
{
    return fail(STATUS_FAILED, "%s: %s", t->path, t->layers.problem);
}
