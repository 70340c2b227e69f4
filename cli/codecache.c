// The code cache as a box finds it: see codecache.h. Writing it: codecache_write.c.
#include "cli/codecache_file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

// ---------------------------------------------------------------- the directory

int codecache_directory(const char *option, bool create, char why[CODECACHE_WHY])
{
    errno = 0;
    if (!option || strcmp(option, "none")) return directory_open(option, create, why, CODECACHE_WHY);
    *why = 0;
    return -1;
}

// ---------------------------------------------------------------- a file of it

bool codecache_open(int dir, const uint8_t key[STORE_DIGEST], struct store *s, const char **why)
{
    struct stat st;
    char name[CODECACHE_NAME];
    codecache_name(name, FILE_CODE, key);
    *s = (struct store){.fd = -1};
    int fd = directory_file(dir, name, O_RDONLY, &st);
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
    int fd = directory_file(dir, name, O_WRONLY | O_CREAT, &st);
    if (fd >= 0) {
        // A full disk, a directory that cannot be written: then it is not known.
        if (pwrite(fd, &used[first], (last - first + 1) * sizeof *used, (off_t)(first * sizeof *used)) < 0) errno = 0;
        close(fd);
    }
    codecache_unquiet(&saved);
}
