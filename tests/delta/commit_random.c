// commit-random: random changes of images of all kinds, kept in a delta by hand and done to a model (model.h), then
// `belljar image commit`: e2fsck must find nothing, and the new image must hold what the model does.
//
//     commit-random BELLJAR [--seed N] [--rounds N] [--changes N] [--keep DIRECTORY]
//
// It calls the command as a program of this machine:
// ctest: LABELS no-aarch64
#include "disk/digest.h"
#include "model.h"
#include "shell.h"
#include "tests/insn/values.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct kind {
    const char *name, *options;
    uint32_t block_size;
    bool coarse; // inodes of 128 bytes
} kinds[] = {
    {"ext2-1k", "-t ext2 -b 1024 -I 128", 1024, true},
    {"ext2-4k", "-t ext2 -b 4096", 4096, false},
    {"ext3-2k", "-t ext3 -b 2048", 2048, false},
    {"ext3-4k-dir_index", "-t ext3 -b 4096 -O dir_index", 4096, false},
    {"ext4-defaults", "-t ext4", 1024, false},
    {"ext4-1k", "-t ext4 -b 1024", 1024, false},
    {"ext4-4k", "-t ext4 -b 4096", 4096, false},
    {"ext4-no-csum", "-t ext4 -b 4096 -O ^metadata_csum,uninit_bg", 4096, false},
    {"ext4-no-64bit", "-t ext4 -b 2048 -O ^64bit", 2048, false},
    {"ext4-inline", "-t ext4 -b 4096 -O inline_data", 4096, false},
    {"ext4-inline-1k", "-t ext4 -b 1024 -I 512 -O inline_data", 1024, false},
    {"ext4-bigalloc", "-t ext4 -b 4096 -C 16384 -O bigalloc", 4096, false},
    {"ext4-no-journal", "-t ext4 -b 4096 -O ^has_journal,^extent,^64bit,^huge_file", 4096, false},
    {"ext4-64k", "-t ext4 -b 65536", 65536, false},
    {"ext4-no-filetype", "-t ext4 -b 4096 -O ^filetype", 4096, false},
    {"ext4-ea_inode", "-t ext4 -b 4096 -O ea_inode,large_dir", 4096, false},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

// What the images begin with: an index in a directory of many names, a few large and many small files.
static int make_tree(const char *directory)
{
    return run(
        "set -e; mkdir -p %s/tree/sub/deep %s/tree/many; cd %s/tree; "
        "seq 1 900 | while read -r n; do echo \"$n\" >\"many/name-of-some-length-$n\"; done; "
        "head -c 200000 /dev/urandom >big; head -c 70 /dev/zero >zeros; printf x >one; echo text >sub/a; "
        "head -c 40000 /dev/urandom >sub/deep/b; ln one sub/one; ln -s /sub/deep link; "
        "ln -s \"$(printf %%0100d 1)\" long; mkfifo fifo; truncate -s 150000 sparse; "
        "printf y | dd of=sparse bs=1 seek=100000 conv=notrunc status=none; chmod 4751 big; touch -d 1969-01-02 one",
        directory, directory, directory);
}

static ext2_filsys open_image(const char *path)
{
    ext2_filsys fs;
    errcode_t err = ext2fs_open2(path, "", EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);
    if (err) {
        fprintf(stderr, "%s: %s\n", path, error_message(err));
        exit(2);
    }
    return fs;
}

static struct deltafile *open_delta(const char *image, const char *path, ext2_filsys fs)
{
    char why[DELTA_WHY];
    struct stat st;
    struct deltafile *d;
    struct delta_base base = {.inodes = fs->super->s_inodes_count};
    int fd = open(image, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) || image_digest(fd, (uint64_t)st.st_size, base.digest, NULL, NULL, why, sizeof why))
        exit(2);
    close(fd);
    base.bytes = (uint64_t)st.st_size;
    if (deltafile_open(&d, path, DELTA_WRITE, &base, why)) {
        fprintf(stderr, "%s\n", why);
        exit(2);
    }
    return d;
}

static bool same_diff(const char *belljar, const char *dir, const struct model *was, const struct model *is)
{
    char path[300];
    snprintf(path, sizeof path, "%s/wanted", dir);
    FILE *out = fopen(path, "w");
    if (!out) return false;
    model_diff(was, is, out);
    fclose(out);
    return run("cd %s && %s image diff image delta >log && cmp wanted log && test -s log", dir, belljar) == 0 ||
           run("diff %s/wanted %s/log | head -n 20", dir, dir) > 1;
}

static bool check(const char *belljar, const char *dir, const struct kind *k, struct rng *r, unsigned changes)
{
    char image[300], delta[300], result[300];
    struct model was, m, got;
    snprintf(image, sizeof image, "%s/image", dir);
    snprintf(delta, sizeof delta, "%s/delta", dir);
    snprintf(result, sizeof result, "%s/result", dir);
    if (run("rm -f %s %s %s; mke2fs -q -F -d %s/tree %s %s %s >%s/log 2>&1", image, delta, result, dir, k->options,
            image, k->block_size > 4096 ? "200M" : "64M", dir))
        return run("cat %s/log", dir), false;
    // mke2fs makes no indexes of directories: e2fsck does.
    if (run("e2fsck -fyD %s >%s/log 2>&1", image, dir) > 1) return run("cat %s/log", dir), false;
    ext2_filsys fs = open_image(image);
    model_read(&was, fs);
    model_read(&m, fs);
    struct deltafile *d = open_delta(image, delta, fs);
    ext2fs_close_free(&fs);
    // Sometimes several transactions, as several boxes would make them.
    for (unsigned left = changes; left;) {
        unsigned n = 1 + rng_below(r, left);
        model_change(&m, d, r, n, k->block_size, !k->coarse);
        left -= n;
    }
    deltafile_close(d);
    if (run("%s image commit %s %s -o %s >%s/log 2>&1", belljar, image, delta, result, dir))
        return run("cat %s/log", dir), false;
    if (run("e2fsck -fn %s >%s/log 2>&1", result, dir)) return run("cat %s/log", dir), false;
    fs = open_image(result);
    model_read(&got, fs);
    ext2fs_close_free(&fs);
    bool same = model_same(&m, &got, k->coarse) && same_diff(belljar, dir, &was, &m);
    model_free(&was);
    model_free(&m);
    model_free(&got);
    return same;
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/belljar-commit-XXXXXX", *belljar = argc > 1 ? realpath(argv[1], NULL) : NULL;
    const char *keep = NULL, *only = NULL;
    uint64_t seed = 1, rounds = 1, changes = 300;
    if (!belljar) return 2;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seed")) seed = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--rounds")) rounds = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--changes")) changes = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--keep")) keep = argv[i + 1];
        if (!strcmp(argv[i], "--only")) only = argv[i + 1];
    }
    initialize_ext2_error_table();
    if (!mkdtemp(directory) || make_tree(directory)) return 2;
    bool good = true;
    for (uint64_t round = 0; round < rounds && good; round++)
        for (unsigned k = 0; k < KINDS && good; k++) {
            if (only && strcmp(only, kinds[k].name)) continue;
            struct rng r = {.state = seed * 1000003 + round * 1009 + k};
            good = check(belljar, directory, &kinds[k], &r, (unsigned)changes);
            if (!good)
                fprintf(stderr, "%s, --seed %llu, round %llu\n", kinds[k].name, (unsigned long long)seed,
                        (unsigned long long)round);
        }
    if (good || !keep)
        run("rm -r %s", directory);
    else
        run("mv %s %s", directory, keep);
    if (good) printf("%llu images\n", (unsigned long long)(only ? rounds : rounds * KINDS));
    free(belljar);
    return good ? 0 : 1;
}
