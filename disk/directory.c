// See directory.h.
#include "disk/directory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct why {
    char *text;
    size_t size;
};

static int none(struct why why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int none(struct why why, const char *format, ...)
{
    int err = errno;
    va_list args;
    va_start(args, format);
    vsnprintf(why.text, why.size, format, args);
    va_end(args);
    errno = err;
    return -1;
}

// As the XDG base directory specification has it: what is not absolute does not count.
static bool default_path(char *path, size_t n)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = -1;
    if (cache && cache[0] == '/')
        length = snprintf(path, n, "%s/belljar", cache);
    else if (home && home[0] == '/')
        length = snprintf(path, n, "%s/.cache/belljar", home);
    return length > 0 && (size_t)length < n;
}

static bool is_ours(const char *path)
{
    struct stat st;
    return !stat(path, &st) && st.st_uid == geteuid();
}

// What it lies in is made, too, for its owner alone. Not in another one's home, which root may run in: it would be
// root's, and nothing that the owner could use.
static bool make_parent(const char *path)
{
    char parent[4096], above[4096];
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path), path);
    snprintf(above, sizeof above, "%.*s/", (int)(strrchr(parent, '/') - parent), parent);
    if (geteuid() || is_ours(above)) (void)mkdir(parent, 0700);
    return is_ours(parent);
}

// `fd` is what `path` has been opened as, or -1 with errno.
static int judge(int fd, const char *path, struct why why)
{
    struct stat st;
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return none(why, "%s is a symbolic link, or no directory", path);
    if (fd < 0 || fstat(fd, &st)) {
        none(why, "cannot use %s: %s", path, strerror(errno));
    } else if (st.st_uid != geteuid()) {
        errno = EPERM;
        none(why, "%s belongs to another user", path);
    } else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        errno = EPERM;
        none(why, "other users may write to %s", path);
    } else {
        return fd;
    }
    int err = errno;
    if (fd >= 0) close(fd);
    errno = err;
    return -1;
}

enum { HOW = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

int directory_open(const char *name, bool create, char *text, size_t size)
{
    char path[4096]; // as PATH_MAX
    const struct why why = {text, size};
    errno = 0;
    if (!name && !default_path(path, sizeof path)) return none(why, "no home directory");
    if (!name && create) create = make_parent(path);
    const char *dir = name ? name : path;
    if (create && mkdir(dir, 0700) && errno != EEXIST) return none(why, "cannot make %s: %s", dir, strerror(errno));
    return judge(open(dir, HOW), dir, why);
}

int directory_below(int dir, const char *name, bool create, char *text, size_t size)
{
    char parent[2048], path[2304];
    const struct why why = {text, size};
    directory_path(dir, parent, sizeof parent);
    snprintf(path, sizeof path, "%s/%.200s", parent, name);
    if (create && mkdirat(dir, name, 0700) && errno != EEXIST)
        return none(why, "cannot make %s: %s", path, strerror(errno));
    return judge(openat(dir, name, HOW), path, why);
}

// NONBLOCK: a FIFO must not make us wait.
int directory_file(int dir, const char *name, int flags, struct stat *st)
{
    int fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    int err = fstat(fd, st) ? errno : 0;
    if (!err && (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || (st->st_mode & (S_IWGRP | S_IWOTH)))) err = EPERM;
    if (!err) return fd;
    close(fd);
    errno = err;
    return -1;
}

void directory_path(int fd, char *to, size_t n)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, to, n - 1);
    if (got > 0)
        to[got] = 0;
    else
        snprintf(to, n, "?");
}
