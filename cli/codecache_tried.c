// What was tried to put into the code cache, and what came of it: see codecache.h. A file of places of one size: those
// of images, then those of mappings, so that no number of mappings, which a guest may choose, makes an image forgotten.
// Two that share a place only forget each other.
#include "cli/codecache_file.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IMAGES = 64, MAPPINGS = 64, TEN_MINUTES = 600, HOUR = 3600, MOST_TIMES = 3 };
_Static_assert(sizeof(struct codecache_trial) == 512, "no place crosses a page");

static off_t place_of(const struct codecache_trial *t)
{
    unsigned place = t->mapping ? IMAGES + t->of[0] % MAPPINGS : t->of[0] % IMAGES;
    return (off_t)(place * sizeof *t);
}

// It is anybody's bytes to show on a terminal, if somebody else could ever write it.
static void clean(char *text, size_t n)
{
    text[n - 1] = 0;
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < ' ' || *c == 127) *c = '?';
}

static bool read_at(int fd, off_t at, struct codecache_trial *t)
{
    if (pread(fd, t, sizeof *t, at) != sizeof *t || !t->when) return false;
    clean(t->what, sizeof t->what);
    clean(t->why, sizeof t->why);
    return true;
}

static int open_file(int dir, const uint8_t key[STORE_DIGEST], int flags)
{
    char name[CODECACHE_NAME];
    struct stat st;
    codecache_name(name, FILE_TRIED, key);
    return directory_file(dir, name, flags, &st);
}

// A time that is still to come is of a clock that was wrong.
int64_t codecache_pause_end(const struct codecache_trial *t)
{
    uint32_t pause = t->times < 2 ? 0 : t->times == 2 ? TEN_MINUTES : HOUR, now = codecache_now();
    return now >= t->when && now - t->when < pause ? (int64_t)t->when + pause + CODECACHE_EPOCH : 0;
}

static void recall(int fd, struct codecache_trial *t)
{
    struct codecache_trial none = {.mapping = t->mapping}, was;
    memcpy(none.of, t->of, sizeof none.of);
    bool known =
        fd >= 0 && read_at(fd, place_of(t), &was) && !memcmp(was.of, t->of, sizeof t->of) && was.mapping == t->mapping;
    *t = known ? was : none;
}

int64_t codecache_trial(int dir, const uint8_t key[STORE_DIGEST], struct codecache_trial *t)
{
    int fd = open_file(dir, key, O_RDONLY);
    recall(fd, t);
    if (fd >= 0) close(fd);
    return codecache_pause_end(t);
}

static bool put(int fd, struct codecache_trial *t)
{
    struct sigaction saved;
    t->when = codecache_now();
    codecache_quiet(&saved);
    bool good = pwrite(fd, t, sizeof *t, place_of(t)) == sizeof *t;
    codecache_unquiet(&saved);
    return good;
}

bool codecache_try(int dir, const uint8_t key[STORE_DIGEST], struct codecache_trial *t)
{
    struct codecache_trial was = *t;
    int fd = open_file(dir, key, O_RDWR | O_CREAT);
    if (fd < 0) return false;
    recall(fd, &was);
    t->times = was.times < MOST_TIMES ? was.times + 1 : MOST_TIMES;
    snprintf(t->why, sizeof t->why, "under way, or ended before it was done");
    bool good = !codecache_pause_end(&was) && put(fd, t);
    close(fd);
    return good;
}

void codecache_tried(int dir, const uint8_t key[STORE_DIGEST], struct codecache_trial *t)
{
    int fd = open_file(dir, key, O_RDWR | O_CREAT);
    if (fd < 0) return;
    (void)put(fd, t);
    close(fd);
}

// ---------------------------------------------------------------- all of a file

struct codecache_trials codecache_trials_open(int dir, const char *name)
{
    struct stat st;
    return (struct codecache_trials){.fd = directory_file(dir, name, O_RDONLY, &st)};
}

bool codecache_trials_next(struct codecache_trials *all, struct codecache_trial *t)
{
    while (all->fd >= 0 && all->place < IMAGES + MAPPINGS)
        if (read_at(all->fd, (off_t)(all->place++ * sizeof *t), t)) return true;
    return false;
}

void codecache_trials_close(struct codecache_trials *all)
{
    if (all->fd >= 0) close(all->fd);
}
