// The pool as `belljar cache` looks at it and clears it: see pool.h.
#include "disk/pool_files.h"
#include "disk/directory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_there(struct pool_files *f, const char *directory, enum files_how how, char path[256],
                      char why[POOL_WHY])
{
    int dir = files_directory(directory, false, why), err = 0;
    if (dir < 0) return dir;
    if (path) directory_path(dir, path, 256);
    if (how == FILES_USE && faccessat(dir, "blocks", F_OK, AT_SYMLINK_NOFOLLOW)) { // who looks makes nothing
        snprintf(why, POOL_WHY, "nothing is kept yet");
        err = -errno;
    }
    if (!err) err = files_open(f, dir, how, why);
    close(dir);
    return err;
}

static int locked_out(char why[POOL_WHY])
{
    snprintf(why, POOL_WHY, "another process has locked the blocks of images for too long");
    return -EBUSY;
}

static uint64_t on_disk(int fd)
{
    struct stat st;
    return fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

static uint32_t count_bits(const uint64_t *words, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) count += (uint32_t)__builtin_popcountll(words[i]);
    return count;
}

int pool_info(const char *directory, struct pool_info *info, char why[POOL_WHY])
{
    struct pool_files f;
    *info = (struct pool_info){0};
    int err = open_there(&f, directory, FILES_LOOK, info->path, why);
    if (err) return err;
    uint64_t *pinned = malloc(PINS_WORDS * 8);
    if (pinned && files_lock(&f)) {
        pins_all(&f, pinned);
        info->pinned = count_bits(pinned, PINS_WORDS);
        info->chunks = f.index.head->chunks;
        info->limit = f.index.head->limit;
        info->bytes = on_disk(f.blocks) + on_disk(f.index_fd) + on_disk(f.pins);
        files_unlock(&f);
    } else {
        err = locked_out(why);
    }
    free(pinned);
    files_close(&f);
    return err;
}

// Slots in use by nobody become this process's, so that they stay so until the disk has them back. Not behind the end
// of the entries: what was written to there has gone back already.
static void take_unpinned(struct pool_files *f, uint64_t pinned[PINS_WORDS])
{
    uint32_t n = index_ready(&f->index);
    pins_all(f, pinned);
    for (uint32_t slot = 1; slot < n; slot++) {
        if (pinned[slot / 64] >> slot % 64 & 1) continue;
        f->index.entries[slot].sum = f->index.entries[slot].used = 0;
        pins_set(f, slot);
    }
    memset(f->index.notes, 0, INDEX_NOTES * sizeof *f->index.notes);
    index_rebuild(&f->index);
}

static void punch_mine(const struct pool_files *f)
{
    uint32_t first = 0; // of a run; 0: none
    for (uint32_t slot = 1; slot <= POOL_SLOTS; slot++) {
        bool mine = slot < POOL_SLOTS && pins_mine(f, slot);
        if (mine && !first) first = slot;
        if (mine || !first) continue;
        (void)fallocate(f->blocks, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first * POOL_CHUNK,
                        (off_t)(slot - first) * POOL_CHUNK);
        first = 0;
    }
}

int pool_clear(const char *directory, char why[POOL_WHY])
{
    struct pool_files f;
    int err = open_there(&f, directory, FILES_USE, NULL, why);
    if (err) return err;
    uint64_t *pinned = malloc(PINS_WORDS * 8);
    if (pinned && files_lock(&f)) {
        take_unpinned(&f, pinned);
        files_unlock(&f);
        punch_mine(&f);
    } else {
        err = locked_out(why);
    }
    free(pinned);
    files_close(&f);
    return err;
}
