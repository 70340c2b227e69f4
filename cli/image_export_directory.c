// Files of an image as files of the host. See image_export.h.
//
// The tree is a stranger's: its links may lead anywhere. Every name is made new in a directory that was made just
// before and is held open, so that no link of the tree is ever followed.
#include "cli/image_export.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int export_problem(struct export_to *to, const char *path, int err)
{
    char line[300];
    snprintf(line, sizeof line, "%.200s: %s", path, strerror(-err));
    return layers_failed(&to->tree->layers, err, line);
}

int export_write(struct export_to *to, int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return export_problem(to, "cannot write", done < 0 ? -errno : -EIO);
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

static void times_of(const struct layer_inode *i, struct timespec times[2])
{
    times[0] = (struct timespec){i->is.atime.sec, i->is.atime.nsec};
    times[1] = (struct timespec){i->is.mtime.sec, i->is.mtime.nsec};
}

// Times that the host's file system cannot keep are left as they are.
static int set_attributes(struct export_to *to, const struct layer_inode *i, const char *path, int fd)
{
    struct timespec times[2];
    times_of(i, times);
    futimens(fd, times);
    if (i->is.mode & 07000) to->dropped++;
    return fchmod(fd, i->is.mode & 0777) ? export_problem(to, path, -errno) : 0;
}

int export_content(struct export_to *to, const struct layer_inode *i, const char *path, int fd)
{
    uint8_t page[DELTA_PAGE];
    struct layers *l = &to->tree->layers;
    uint32_t end = layers_pages(i), index = 0;
    for (;; index++) {
        int got = layers_next_page(l, i, index, &index);
        if (got < 0) return got;
        if (index >= end) break;
        got = layers_page(l, i, index, page);
        if (got < 0) return got;
        if (got == 0 || (page[0] == 0 && !memcmp(page, page + 1, sizeof page - 1))) continue;
        uint64_t at = (uint64_t)index * DELTA_PAGE;
        size_t n = i->is.size - at < DELTA_PAGE ? (size_t)(i->is.size - at) : DELTA_PAGE;
        if (lseek(fd, (off_t)at, SEEK_SET) < 0) return export_problem(to, path, -errno);
        got = export_write(to, fd, page, n);
        if (got) return got;
    }
    if (ftruncate(fd, (off_t)i->is.size)) return export_problem(to, path, -errno);
    return set_attributes(to, i, path, fd);
}

// ---------------------------------------------------------------- a directory of the host

static struct export_directory *directory_of(struct export_to *to)
{
    return (struct export_directory *)to;
}

static int here(const struct export_directory *d)
{
    return d->fd[d->depth - 1];
}

static int push(struct export_directory *d, int fd)
{
    if (d->depth == d->room) {
        size_t room = d->room ? d->room * 2 : 32;
        int *more = realloc(d->fd, room * sizeof *more);
        if (!more) return -ENOMEM;
        d->fd = more;
        d->room = room;
    }
    d->fd[d->depth++] = fd;
    return 0;
}

static int enter(struct export_to *to, const struct export_file *f)
{
    struct export_directory *d = directory_of(to);
    if (!strcmp(f->path, ".")) return 0; // the destination
    if (mkdirat(here(d), f->name, 0700)) return export_problem(to, f->path, -errno);
    int fd = openat(here(d), f->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return export_problem(to, f->path, -errno);
    int err = push(d, fd);
    if (err) close(fd);
    return err ? export_problem(to, f->path, err) : 0;
}

static int leave(struct export_to *to, const struct export_file *f)
{
    struct export_directory *d = directory_of(to);
    if (d->depth == 1) return 0;
    int err = set_attributes(to, f->inode, f->path, here(d));
    close(d->fd[--d->depth]);
    return err;
}

static int make_file(struct export_to *to, const struct export_file *f)
{
    int fd = openat(here(directory_of(to)), f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return export_problem(to, f->path, -errno);
    int err = export_content(to, f->inode, f->path, fd);
    if (close(fd) && !err) err = export_problem(to, f->path, -errno);
    return err;
}

static int make_link(struct export_to *to, const struct export_file *f)
{
    struct timespec times[2];
    int dir = here(directory_of(to));
    if (symlinkat(f->inode->target, dir, f->name)) return export_problem(to, f->path, -errno);
    times_of(f->inode, times);
    utimensat(dir, f->name, times, AT_SYMLINK_NOFOLLOW);
    return 0;
}

static int file(struct export_to *to, const struct export_file *f)
{
    struct export_directory *d = directory_of(to);
    // The path before was made by us, of directories only. Where they may not be searched any more, it is a copy.
    if (f->first && linkat(d->fd[0], f->first, here(d), f->name, 0) == 0) return 0;
    if (S_ISREG(f->inode->is.mode)) return make_file(to, f);
    if (S_ISLNK(f->inode->is.mode)) return make_link(to, f);
    to->left_out++;
    return 0;
}

static const struct export_ops directory_ops = {enter, leave, file, NULL};

void export_directory(struct export_directory *d, struct image_tree *t, int fd)
{
    *d = (struct export_directory){.to = {.ops = &directory_ops, .tree = t}};
    if (push(d, fd)) close(fd);
}

void export_directory_end(struct export_directory *d)
{
    while (d->depth) close(d->fd[--d->depth]);
    free(d->fd);
    d->fd = NULL;
}
