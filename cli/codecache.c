// The code cache as a box finds it: see codecache.h. Writing it: codecache_write.c.
#include "cli/codecache_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

// ---------------------------------------------------------------- the directory

static int none(char why[CODECACHE_WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));
static int none(char why[CODECACHE_WHY], const char *format, ...)
{
    int err = errno;
    va_list args;
    va_start(args, format);
    vsnprintf(why, CODECACHE_WHY, format, args);
    va_end(args);
    errno = err;
    return -1;
}

// As the XDG base directory specification has it: what is not absolute does not count.
static bool default_directory(char *path, size_t n)
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

static int open_directory(const char *path, char why[CODECACHE_WHY])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return none(why, "%s is a symbolic link, or no directory", path);
    if (fd < 0 || fstat(fd, &st)) {
        none(why, "cannot use %s: %s", path, strerror(errno));
    } else if (st.st_uid != geteuid()) {
        none(why, "%s belongs to another user", path);
    } else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        none(why, "other users may write to %s", path);
    } else {
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}

int codecache_directory(const char *option, bool create, char why[CODECACHE_WHY])
{
    char path[4096]; // as PATH_MAX
    errno = 0;
    if (option && !strcmp(option, "none")) return none(why, "%s", "");
    if (!option && !default_directory(path, sizeof path)) return none(why, "no home directory");
    if (!option && create) create = make_parent(path);
    const char *dir = option ? option : path;
    if (create && mkdir(dir, 0700) && errno != EEXIST) return none(why, "cannot make %s: %s", dir, strerror(errno));
    return open_directory(dir, why);
}

// ---------------------------------------------------------------- a file of it

bool codecache_open(int dir, const uint8_t key[STORE_DIGEST], struct store *s, const char **why)
{
    struct stat st;
    char name[CODECACHE_NAME];
    codecache_name(name, FILE_CODE, key);
    *s = (struct store){.fd = -1};
    int fd = codecache_open_file(dir, name, O_RDONLY, &st);
    if (fd < 0) {
        *why = errno == ENOENT ? "is not there yet" : errno == EPERM ? "may be written by others" : "cannot be opened";
        return false;
    }
    *why = codecache_map_file(fd, &st, key, s);
    if (*why)
        close(fd);
    else
        s->stamped = codecache_is_stamped(dir, s, &st);
    return !*why;
}

void codecache_close(struct store *s)
{
    if (!s->head) return;
    munmap((void *)(uintptr_t)s->data, s->bytes);
    close(s->fd);
    *s = (struct store){.fd = -1};
}

bool codecache_map(const struct store *s, void *window)
{
    const struct store_head *h = s->head;
    if ((uintptr_t)window != (uintptr_t)h->top << 32) return false;
    if (!h->code_bytes) return true;
    return mmap((uint8_t *)window + STORE_WINDOW, h->code_bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, s->fd,
                (off_t)h->code_at) != MAP_FAILED;
}

// ---------------------------------------------------------------- use

int codecache_begin(int dir)
{
    return codecache_open_locked(dir, CODECACHE_BUSY, LOCK_SH | LOCK_NB);
}

// What is known already to the minute need not be written: most runs follow one another. True: *first to *last changed.
static bool mark(uint32_t *used, const uint64_t slots[CODECACHE_SLOT_WORDS], uint32_t *first, uint32_t *last)
{
    uint32_t now = codecache_now();
    bool changed = false;
    for (uint32_t slot = 1; slot <= STORE_MAX_SHARDS; slot++) {
        if (!(slots[slot / 64] >> slot % 64 & 1) || (used[slot] <= now && now - used[slot] < 60)) continue;
        used[slot] = now;
        if (!changed) *first = slot;
        *last = slot;
        changed = true;
    }
    return changed;
}

// Two that do this at once may lose the other's times between theirs: that is a guess about what to keep, no more.
void codecache_touch(int dir, const uint8_t key[STORE_DIGEST], const uint64_t slots[CODECACHE_SLOT_WORDS])
{
    uint32_t used[STORE_MAX_SHARDS + 1], first = 0, last = 0;
    char name[CODECACHE_NAME];
    struct stat st;
    struct sigaction saved;
    codecache_read_used(dir, key, used);
    if (!mark(used, slots, &first, &last)) return;
    codecache_name(name, FILE_USED, key);
    codecache_quiet(&saved);
    int fd = codecache_open_file(dir, name, O_WRONLY | O_CREAT, &st);
    if (fd >= 0) {
        // A full disk, a directory that cannot be written: then it is not known.
        if (pwrite(fd, &used[first], (last - first + 1) * sizeof *used, (off_t)(first * sizeof *used)) < 0) errno = 0;
        close(fd);
    }
    codecache_unquiet(&saved);
}
