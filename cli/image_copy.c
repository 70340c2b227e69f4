// See image_copy.h.
#include "cli/image_copy.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

// The directory that the file will be in.
static int directory_of(const char *final, char directory[IMAGE_COPY_PATH])
{
    char copy[IMAGE_COPY_PATH];
    if (strlen(final) >= sizeof copy) return -ENAMETOOLONG;
    strcpy(copy, final);
    strcpy(directory, dirname(copy));
    return 0;
}

// As open(2) would have given them.
static mode_t new_mode(void)
{
    mode_t mask = umask(077);
    umask(mask);
    return 0666 & ~mask;
}

// Without a name where the file system can do that: then nothing is left if we are killed.
static int make(struct image_copy *c, const char *final)
{
    char directory[IMAGE_COPY_PATH];
    int err = directory_of(final, directory);
    if (err) return err;
    strcpy(c->final, final);
    c->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (c->fd >= 0) {
        snprintf(c->path, sizeof c->path, "/proc/%d/fd/%d", (int)getpid(), c->fd);
        return 0;
    }
    snprintf(c->path, sizeof c->path, "%s.XXXXXX", final);
    c->fd = mkostemp(c->path, O_CLOEXEC);
    if (c->fd < 0) return -errno;
    c->named = true;
    return fchmod(c->fd, new_mode()) ? -errno : 0;
}

static int copy_bytes(int from, int to, off_t at, off_t end)
{
    static const size_t most = 1 << 20;
    char *buffer = malloc(most);
    int err = buffer ? 0 : -ENOMEM;
    while (at < end && !err) {
        size_t want = end - at < (off_t)most ? (size_t)(end - at) : most;
        ssize_t n = pread(from, buffer, want, at);
        if (n > 0) n = pwrite(to, buffer, (size_t)n, at);
        if (n <= 0) err = n < 0 ? -errno : -EIO;
        at += n;
    }
    free(buffer);
    return err;
}

static int copy_range(int from, int to, off_t at, off_t end)
{
    off_t in = at, out = at;
    while (in < end) {
        ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);
        if (n <= 0) return copy_bytes(from, to, in, end); // not between all file systems
    }
    return 0;
}

static int copy_data(int from, int to, off_t bytes)
{
    for (off_t at = 0; at < bytes;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) return 0; // a hole up to the end
        if (data < 0) return copy_range(from, to, at, bytes);
        off_t hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0 || hole > bytes) hole = bytes;
        int err = data < hole ? copy_range(from, to, data, hole) : 0;
        if (err) return err;
        at = hole;
    }
    return 0;
}

int image_copy_begin(struct image_copy *c, int from, uint64_t bytes, const char *final)
{
    *c = (struct image_copy){.fd = -1};
    int err = make(c, final);
    if (err) return err;
    if (ioctl(c->fd, FICLONE, from) == 0) return 0;
    if (ftruncate(c->fd, (off_t)bytes)) return -errno;
    return copy_data(from, c->fd, (off_t)bytes);
}

// A file without a name gets one beside the final one first: rename(2) replaces, linkat(2) does not.
static int give_name(struct image_copy *c)
{
    char proc[32];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", c->fd);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(c->path, sizeof c->path, "%s.%d-%u", c->final, (int)getpid(), i);
        if (linkat(AT_FDCWD, proc, AT_FDCWD, c->path, AT_SYMLINK_FOLLOW) == 0) {
            c->named = true;
            return 0;
        }
        if (errno != EEXIST) return -errno;
    }
    return -EEXIST;
}

int image_copy_keep(struct image_copy *c)
{
    if (fsync(c->fd)) return -errno;
    int err = c->named ? 0 : give_name(c);
    if (err) return err;
    if (rename(c->path, c->final)) return -errno;
    c->named = false;
    return 0;
}

void image_copy_drop(struct image_copy *c)
{
    if (c->named) unlink(c->path);
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->named = false;
}
