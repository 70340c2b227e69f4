// belljar image commit: an image and what boxes wrote onto it, as a new image.
#include "cli/image_copy.h"
#include "cli/image_tree.h"
#include "cli/value.h"
#include "disk/commit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUTPUT, SIZE, FROM_SERVER };

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// resize2fs of e2fsprogs, which does what libext2fs does not. It is silent unless it fails.
static int grow(const struct image_copy *copy, uint64_t bytes)
{
    posix_spawn_file_actions_t actions;
    char *argv[] = {(char[]){"resize2fs"}, (char[]){"-f"}, (char *)(uintptr_t)copy->path, NULL};
    pid_t pid;
    int status = 0;
    if (ftruncate(copy->fd, (off_t)bytes)) return fail(STATUS_FAILED, "--size: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (err) return fail(STATUS_FAILED, "--size needs resize2fs (Debian package e2fsprogs): %s", strerror(err));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status ? fail(STATUS_FAILED, "--size: resize2fs cannot make the image that large") : 0;
}

static void tell(void *ctx, uint64_t done, uint64_t all)
{
    image_progress(ctx, "writing: %" PRIu64 " of %" PRIu64 " MB", done >> 20, all >> 20);
}

// What was written so far needs room as well as what is missing, and so do the blocks that say where it is.
static int too_small(const struct image_tree *t, const struct commit_result *r, uint64_t bytes, const char *why)
{
    uint64_t missing = r->missing + r->missing / 16 + (4 << 20);
    return fail(STATUS_FAILED, "%s: %s; about %" PRIu64 " MB are missing: --size %" PRIu64 "M makes a larger one",
                t->path, why, missing >> 20, (bytes + missing + (1 << 20)) >> 20);
}

static int apply(struct image_tree *t, const struct image_copy *copy, uint64_t bytes, struct commit_result *r)
{
    ext2_filsys fs;
    struct image_progress progress = {0};
    char why[DELTA_WHY];
    errcode_t err = ext2fs_open2(copy->path, "", EXT2_FLAG_64BITS | EXT2_FLAG_RW, 0, 0, unix_io_manager, &fs);
    if (err) return fail(STATUS_FAILED, "%s: %s", t->path, error_message(err));
    const char *no = layers_refuse(fs, true);
    int failed = no ? 0 : commit_delta(fs, t->delta, tell, &progress, r, why);
    image_progress_end(&progress);
    if (no || failed) {
        ext2fs_free(fs); // without writing what it still has
        if (no) return fail(STATUS_FAILED, "%s: %s", t->path, no);
        return failed == -ENOSPC ? too_small(t, r, bytes, why) : fail(STATUS_FAILED, "%s: %s", t->path, why);
    }
    err = ext2fs_close_free(&fs);
    return err ? fail(STATUS_FAILED, "%s: %s", copy->final, error_message(err)) : 0;
}

static int make(struct image_tree *t, const char *to, uint64_t bytes)
{
    struct image_copy copy;
    struct commit_result r = {0};
    int status = 0, err = image_copy_begin(&copy, t->fd, t->bytes, to);
    if (err) status = fail(STATUS_FAILED, "%s: cannot copy the image: %s", to, strerror(-err));
    if (!status && bytes > t->bytes) status = grow(&copy, bytes);
    if (!status) status = apply(t, &copy, bytes, &r);
    if (!status && (err = image_copy_keep(&copy))) status = fail(STATUS_FAILED, "%s: %s", to, strerror(-err));
    image_copy_drop(&copy);
    if (!status) printf("%s: %" PRIu64 " files written, %" PRIu64 " removed\n", to, r.files, r.removed);
    return status;
}

static int commit(int argc, char **argv, const char *const *value)
{
    struct image_tree t;
    uint64_t bytes = 0;
    (void)argc;
    if (!value[OUTPUT]) return fail(STATUS_FAILED, "commit: -o NEW says where the new image goes");
    for (int i = 0; i < 2; i++)
        if (same_file(argv[i], value[OUTPUT]))
            return fail(STATUS_FAILED, "%s: it is what is read; the new image is another file", value[OUTPUT]);
    if (value[SIZE] && !value_size(value[SIZE], &bytes))
        return fail(STATUS_FAILED, "--size takes a size such as 512M, not '%s'", value[SIZE]);
    int status = image_tree_open_delta(&t, argv[0], argv[1], value[FROM_SERVER]);
    if (!status && bytes && bytes < t.bytes)
        status = fail(STATUS_FAILED, "--size: the image has %" PRIu64 " bytes already", t.bytes);
    if (!status) status = make(&t, value[OUTPUT], bytes ? bytes : t.bytes);
    image_tree_close(&t);
    return status;
}

static const struct image_option commit_options[] = {
    [OUTPUT] = {"output", 'o', "NEW", "the new image; it is there when it is whole"},
    [SIZE] = {"size", 0, "SIZE", "makes it larger than IMAGE, by resize2fs"},
    [FROM_SERVER] = IMAGE_FROM_SERVER,
};

const struct image_use image_commit_use = {
    .name = "commit",
    .arguments = "IMAGE DELTA",
    .what = "Makes a new image of IMAGE and what boxes have written onto it (run --delta DELTA).",
    .about = "IMAGE and DELTA stay as they are. No box may use DELTA meanwhile.\n",
    IMAGE_OPTIONS_OF(commit_options),
    .min = 2,
    .max = 2,
    .run = commit,
};
