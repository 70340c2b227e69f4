// belljar cache info|clear|wait: what is kept for later runs as its owner looks at it: the code cache's directory
// (codecache.h), and blocks of disk images (disk/pool.h).
#include "cli/cachefill.h"
#include "cli/codecache_file.h"
#include "cli/options.h"
#include "disk/pool.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

struct cache_command {
    const char *directory; // --code-cache
    bool code, disks;      // which of the two
    bool verbose;
    int dir;
    struct codecache_trial last; // the last of an image. `when` 0: none
};

// ---------------------------------------------------------------- info

static void show_bytes(const char *label, const uint8_t *bytes, int n)
{
    printf("%s", label);
    for (int i = 0; i < n; i++) printf("%02x", bytes[i]);
}

struct text {
    char text[24];
};

static struct text size(uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    struct text t;
    unsigned unit = 0;
    double n = (double)bytes;
    for (; n >= 1000 && unit < 3; unit++) n /= 1024;
    snprintf(t.text, sizeof t.text, "%.*f %s", unit && n < 99.5, n, units[unit]);
    return t;
}

static void show_time(const char *label, uint32_t used)
{
    char text[CODECACHE_TIME] = "?";
    if (used) codecache_time((int64_t)used + CODECACHE_EPOCH, text);
    printf("%s%s", label, text);
}

static void show_shard(const struct store_shard *s, uint32_t used)
{
    printf("    %4u  ", s->slot);
    show_bytes("", s->digest, 8);
    printf("  %08" PRIx64 "-%08" PRIx64 "  from page %-6" PRIu64, (uint64_t)s->first << 12,
           ((uint64_t)s->first + s->npages) << 12, s->offset);
    uint64_t rest = 0;
    for (int i = STORE_BLOCKS; i < STORE_SECTIONS; i++) rest += s->section[i].bytes;
    printf("  code %9s  table %9s  the rest %9s", size(s->section[STORE_CODE].bytes).text,
           size((uint64_t)s->used * STORE_PAGE).text, size(rest).text);
    show_time("  used ", used);
    putchar('\n');
}

static void show_file(const struct cache_command *c, const char *name, const struct store *s, const struct stat *st)
{
    uint32_t used[STORE_MAX_SHARDS + 1];
    const struct store_head *h = s->head;
    printf("  %-28s", name);
    show_bytes("  key ", h->key, STORE_DIGEST);
    printf("\n    %s on disk, %u shards, %u files of images known, generation %016" PRIx64 ", %s\n",
           size((uint64_t)st->st_blocks * 512).text, h->nshards, h->nmemos, h->generation,
           codecache_is_stamped(c->dir, s, st) ? "checked" : "to be checked when used");
    if (!c->verbose) return;
    codecache_read_used(c->dir, h->key, used);
    for (uint32_t i = 0; i < h->nshards; i++) show_shard(&store_shards(s)[i], used[store_shards(s)[i].slot]);
}

static void look_at(const struct cache_command *c, const char *name)
{
    struct store s;
    struct stat st;
    const char *why = NULL;
    int fd = directory_file(c->dir, name, O_RDONLY, &st);
    if (fd < 0) {
        printf("  %-28s  cannot be used: %s\n", name, errno == EPERM ? "not ours alone" : strerror(errno));
        return;
    }
    why = codecache_map_file(fd, &st, NULL, &s);
    if (why) {
        printf("  %-28s  %s\n", name, why);
        close(fd);
        return;
    }
    show_file(c, name, &s, &st);
    codecache_close(&s);
}

// For each name of the directory. The names are its own until the next one.
static int each_name(struct cache_command *c, void (*do_it)(struct cache_command *, const char *))
{
    int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) close(fd);
        return fail(STATUS_FAILED, "cache: cannot read the directory: %s", strerror(errno));
    }
    for (struct dirent *e; (e = readdir(d));) do_it(c, e->d_name);
    closedir(d);
    return 0;
}

static void show_code(struct cache_command *c, const char *name)
{
    if (codecache_kind_of(name) == FILE_CODE) look_at(c, name);
}

// ---------------------------------------------------------------- what was tried

static void tell_trial(const struct codecache_trial *t, char *line, size_t n)
{
    int64_t until = codecache_pause_end(t);
    char again[CODECACHE_TIME + 16] = "";
    if (until) codecache_time(until, stpcpy(again, "after "));
    if (t->made)
        snprintf(line, n, "%s: made %u of %u pieces", t->what, t->made, t->asked);
    else
        snprintf(line, n, "%s: %s; to be tried again %s", t->what, *t->why ? t->why : "nothing can be made of what ran",
                 until ? again : "by the next run");
}

static void show_trial(const struct codecache_trial *t)
{
    char line[sizeof t->what + sizeof t->why + 100];
    tell_trial(t, line, sizeof line);
    show_time(t->made ? "  filled " : "  tried ", t->when);
    printf("  %s\n", line);
}

static void each_trial(struct cache_command *c, const char *name,
                       void (*do_it)(struct cache_command *, const struct codecache_trial *))
{
    struct codecache_trial t;
    if (codecache_kind_of(name) != FILE_TRIED) return;
    struct codecache_trials all = codecache_trials_open(c->dir, name);
    while (codecache_trials_next(&all, &t)) do_it(c, &t);
    codecache_trials_close(&all);
}

static void look_for_last(struct cache_command *c, const struct codecache_trial *t)
{
    bool later = t->when > c->last.when || (t->when == c->last.when && !t->made);
    if (!t->mapping && later) c->last = *t;
}

static void find_last(struct cache_command *c, const char *name)
{
    each_trial(c, name, look_for_last);
}

static void show_others(struct cache_command *c, const struct codecache_trial *t)
{
    if (memcmp(t, &c->last, sizeof *t) && (c->verbose || !t->made)) show_trial(t);
}

static void show_trials(struct cache_command *c, const char *name)
{
    each_trial(c, name, show_others);
}

static void show_what_lacks(const struct cache_command *c)
{
    char why[CODECACHE_WHY];
    if (!codecache_fillable(c->dir, why)) printf("  cannot be filled: %s\n", why);
    if (!cachefill_possible(why)) printf("  cannot be filled: %s\n", why);
}

static int info(struct cache_command *c)
{
    char path[4096];
    directory_path(c->dir, path, sizeof path);
    puts(path);
    show_what_lacks(c);
    int status = each_name(c, show_code);
    if (!status) status = each_name(c, find_last);
    if (c->last.when) show_trial(&c->last);
    return status ? status : each_name(c, show_trials);
}

// ---------------------------------------------------------------- clear, wait

// What has our names, and is no directory: a link goes, and what it leads to stays.
static void remove_name(struct cache_command *c, const char *name)
{
    if (codecache_kind_of(name) != FILE_KINDS || !strcmp(name, CODECACHE_NEW)) (void)unlinkat(c->dir, name, 0);
}

// The locks stay: who waits for one that has gone would be alone with it.
static int clear(struct cache_command *c)
{
    int lock = codecache_open_locked(c->dir, CODECACHE_LOCK, LOCK_EX);
    if (lock < 0) return fail(STATUS_FAILED, "cache: cannot lock the directory: %s", strerror(errno));
    int status = each_name(c, remove_name);
    close(lock);
    return status;
}

// What was waited for may have come to nothing.
static int tell_failure(struct cache_command *c)
{
    char line[sizeof c->last.what + sizeof c->last.why + 100];
    int status = each_name(c, find_last);
    if (status || !c->last.when || !c->last.times) return status;
    tell_trial(&c->last, line, sizeof line);
    return fail(STATUS_FAILED, "cache: %s", line);
}

// Nobody is going to write, then nobody writes.
static int wait_for_writers(struct cache_command *c)
{
    static const char *const locks[] = {CODECACHE_BUSY, CODECACHE_LOCK};
    for (int i = 0; i < 2; i++) {
        int fd = codecache_open_locked(c->dir, locks[i], LOCK_EX);
        if (fd < 0) return fail(STATUS_FAILED, "cache: cannot lock the directory: %s", strerror(errno));
        close(fd);
    }
    return tell_failure(c);
}

// ---------------------------------------------------------------- blocks of disk images

static int disks_info(struct cache_command *c)
{
    struct pool_info i;
    char why[POOL_WHY];
    int err = pool_info(NULL, &i, why);
    if (err == -ENOENT && !c->code) printf("no blocks of disk images are kept yet\n");
    if (err == -ENOENT) return 0;
    if (err) return fail(STATUS_FAILED, "cache: %s", why);
    printf("%s\n  %u blocks of disk images, %s on disk of %s at most", i.path, i.chunks, size(i.bytes).text,
           size(i.limit).text);
    if (i.pinned) printf(", %u in use", i.pinned);
    putchar('\n');
    return 0;
}

static int disks_clear(struct cache_command *c)
{
    (void)c;
    char why[POOL_WHY];
    int err = pool_clear(NULL, why);
    return err && err != -ENOENT ? fail(STATUS_FAILED, "cache: %s", why) : 0;
}

static int disks_wait(struct cache_command *c)
{
    (void)c;
    return 0; // nobody writes behind a command's back
}

// ---------------------------------------------------------------- the command line

struct command {
    const char *name;
    int (*code)(struct cache_command *), (*disks)(struct cache_command *);
};
static const struct command commands[] = {
    {"info", info, disks_info}, {"clear", clear, disks_clear}, {"wait", wait_for_writers, disks_wait}};

static int usage(void)
{
    return fail(STATUS_FAILED,
                "usage: belljar cache info [--verbose] | clear | wait [code | disks] [--code-cache DIR]");
}

static bool take_arguments(struct cache_command *c, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--code-cache") && i + 1 < argc)
            c->directory = argv[++i];
        else if (!strncmp(argv[i], "--code-cache=", 13))
            c->directory = argv[i] + 13;
        else if (!strcmp(argv[i], "-v") || !strcmp(argv[i], "--verbose"))
            c->verbose = true;
        else if (!strcmp(argv[i], "code"))
            c->code = true;
        else if (!strcmp(argv[i], "disks"))
            c->disks = true;
        else
            return false;
    }
    // Both, unless something says which: also a directory does.
    if (c->directory) c->code = true;
    if (!c->code && !c->disks) c->code = c->disks = true;
    return true;
}

// Nothing to show, to clear, to wait for; but who asks may want to know where nothing is.
static int nothing_there(const char *why, bool show)
{
    if (show) printf("nothing is kept yet: %s\n", why);
    return 0;
}

static int in_code_cache(struct cache_command *c, const struct command *command)
{
    char why[CODECACHE_WHY];
    c->dir = codecache_directory(c->directory, false, why);
    if (c->dir < 0 && errno == ENOENT) return nothing_there(why, command->code == info);
    if (c->dir < 0) return fail(STATUS_FAILED, "cache: %s", *why ? why : "none is not a directory");
    int status = command->code(c);
    close(c->dir);
    return status;
}

int cache_command(int argc, char **argv)
{
    struct cache_command c = {0};
    if (argc < 2 || !take_arguments(&c, argc, argv)) return usage();
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name)) continue;
        int status = c.code ? in_code_cache(&c, &commands[i]) : 0;
        int other = c.disks ? commands[i].disks(&c) : 0;
        if (!status) status = other;
        return fflush(stdout) ? fail(STATUS_FAILED, "cache: cannot write: %s", strerror(errno)) : status;
    }
    return usage();
}
