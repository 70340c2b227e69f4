// See codecache_file.h.
#include "cli/codecache_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char *const kinds[FILE_KINDS] = {
    [FILE_CODE] = "code", [FILE_STAMP] = "stamp", [FILE_USED] = "used", [FILE_TRIED] = "tried"};

// ---------------------------------------------------------------- names, opening

void codecache_name(char name[CODECACHE_NAME], enum codecache_kind kind, const uint8_t key[STORE_DIGEST])
{
    int n = snprintf(name, CODECACHE_NAME, "%s-", kinds[kind]);
    for (int i = 0; i < 8; i++) n += snprintf(name + n, (size_t)(CODECACHE_NAME - n), "%02x", key[i]);
    snprintf(name + n, (size_t)(CODECACHE_NAME - n), ".v%d", STORE_VERSION);
}

enum codecache_kind codecache_kind_of(const char *name)
{
    static const char hex[] = "0123456789abcdef", digits[] = "0123456789";
    for (int kind = 0; kind < FILE_KINDS; kind++) {
        size_t n = strlen(kinds[kind]);
        const char *rest = name + n + 1;
        if (strncmp(name, kinds[kind], n) || name[n] != '-' || strspn(rest, hex) != 16) continue;
        if (strncmp(rest + 16, ".v", 2) || !rest[18] || rest[18 + strspn(rest + 18, digits)]) continue;
        return (enum codecache_kind)kind;
    }
    return FILE_KINDS;
}

int codecache_open_locked(int dir, const char *name, int operation)
{
    struct stat st;
    int fd = directory_file(dir, name, O_RDWR | O_CREAT, &st), err;
    if (fd < 0) return -1;
    while ((err = flock(fd, operation) ? errno : 0) == EINTR) {
    }
    if (!err) return fd;
    close(fd);
    errno = err;
    return -1;
}

void codecache_quiet(struct sigaction *saved)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignore, saved);
}

void codecache_unquiet(const struct sigaction *saved)
{
    sigaction(SIGXFSZ, saved, NULL);
}

const char *codecache_map_file(int fd, const struct stat *st, const uint8_t key[STORE_DIGEST], struct store *s)
{
    const char *why;
    uint64_t bytes = (uint64_t)st->st_size;
    if (bytes < STORE_PAGE) return "is cut off";
    void *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (data == MAP_FAILED) return "cannot be mapped";
    if (!store_check(data, bytes, key ? key : ((struct store_head *)data)->key, &why)) {
        munmap(data, bytes);
        return why;
    }
    *s = (struct store){.head = data, .data = data, .bytes = bytes, .fd = fd};
    return NULL;
}

// ---------------------------------------------------------------- for people

void codecache_time(int64_t when, char to[CODECACHE_TIME])
{
    time_t at = (time_t)when;
    struct tm tm;
    if (!localtime_r(&at, &tm) || !strftime(to, CODECACHE_TIME, "%Y-%m-%d %H:%M", &tm))
        snprintf(to, CODECACHE_TIME, "?");
}

// ---------------------------------------------------------------- stamps

struct stamp {
    char boot[40]; // as the kernel writes it, with its end of line
    uint64_t device, inode, bytes, generation;
    int64_t changed, changed_ns;
};

static ssize_t read_file(int dir, const char *name, void *to, size_t n)
{
    struct stat st;
    int fd = directory_file(dir, name, O_RDONLY, &st);
    if (fd < 0) return -1;
    ssize_t got = read(fd, to, n);
    close(fd);
    return got;
}

static bool read_boot_id(char *to, size_t n)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = read(fd, to, n);
    close(fd);
    return got > 0;
}

static bool make_stamp(struct stamp *s, const struct store *of, const struct stat *st)
{
    *s = (struct stamp){.device = st->st_dev,
                        .inode = st->st_ino,
                        .bytes = (uint64_t)st->st_size,
                        .generation = of->head->generation,
                        .changed = st->st_ctim.tv_sec,
                        .changed_ns = st->st_ctim.tv_nsec};
    return read_boot_id(s->boot, sizeof s->boot);
}

bool codecache_is_stamped(int dir, const struct store *s, const struct stat *st)
{
    struct stamp want, have;
    char name[CODECACHE_NAME];
    codecache_name(name, FILE_STAMP, s->head->key);
    return read_file(dir, name, &have, sizeof have) == sizeof have && make_stamp(&want, s, st) &&
           !memcmp(&have, &want, sizeof have);
}

// Times of files come from the coarse clock (current_time() in the kernel). A change within the tick of the last one
// would not be seen, so that tick has to be over: milliseconds.
static void wait_for_next_tick(const struct stat *st)
{
    struct timespec now, tick = {0, 1000000};
    for (int i = 0; i < 20; i++) {
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        if (now.tv_sec > st->st_ctim.tv_sec || (now.tv_sec == st->st_ctim.tv_sec && now.tv_nsec > st->st_ctim.tv_nsec))
            return;
        nanosleep(&tick, NULL);
    }
}

// One that is half written says nothing.
void codecache_stamp(int dir, const struct store *s)
{
    struct stat st, after, mine;
    struct stamp stamp;
    struct sigaction saved;
    char name[CODECACHE_NAME];
    if (fstat(s->fd, &st) || !make_stamp(&stamp, s, &st)) return;
    wait_for_next_tick(&st);
    if (fstat(s->fd, &after) || after.st_ctim.tv_sec != st.st_ctim.tv_sec ||
        after.st_ctim.tv_nsec != st.st_ctim.tv_nsec)
        return;
    codecache_name(name, FILE_STAMP, s->head->key);
    codecache_quiet(&saved);
    int fd = directory_file(dir, name, O_WRONLY | O_CREAT, &mine);
    if (fd >= 0) {
        if (pwrite(fd, &stamp, sizeof stamp, 0) != sizeof stamp) (void)unlinkat(dir, name, 0);
        close(fd);
    }
    codecache_unquiet(&saved);
}

// ---------------------------------------------------------------- when shards were used

uint32_t codecache_now(void)
{
    time_t now = time(NULL);
    return now <= CODECACHE_EPOCH ? 1 : (uint32_t)(now - CODECACHE_EPOCH);
}

void codecache_read_used(int dir, const uint8_t key[STORE_DIGEST], uint32_t used[STORE_MAX_SHARDS + 1])
{
    char name[CODECACHE_NAME];
    size_t n = (STORE_MAX_SHARDS + 1) * sizeof *used;
    codecache_name(name, FILE_USED, key);
    memset(used, 0, n);
    if (read_file(dir, name, used, n) < 0) memset(used, 0, n);
}
