// pool-processes: users of the pool that are killed at any moment, or meet each other. What is found under a key is its
// content; what a user has pinned stays as it is until he closes the pool.
//
//     pool-processes killed | together [--seconds S] [--seed N]   in directories of their own
//     pool-processes add DIR FIRST N                              for scripts. DIR "default": belljar's own
//     pool-processes check DIR FIRST N
//     pool-processes hold DIR FIRST N                             until a line comes
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include "content.h"

enum { USERS = 4, NUMBERS = 200, LIMIT = 60, HELD = 20 };

struct shared { // of all processes of a test
    uint64_t finds, adds, no_room;
    char wrong[100];
};

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct pool *open_pool(const char *path, uint64_t chunks)
{
    char why[POOL_WHY];
    struct pool *p;
    if (!pool_open(&p, path && strcmp(path, "default") ? path : NULL, chunks * POOL_CHUNK, why)) return p;
    printf("FAILED: %s\n", why);
    exit(1);
}

// ---------------------------------------------------------------- one user

struct held {
    struct pool_place at;
    uint64_t number;
};

static void expect(struct shared *s, struct pool *p, struct held h, const char *what)
{
    if (content_has(p, h.at, h.number)) return;
    snprintf(s->wrong, sizeof s->wrong, "%s: slot %u has not the content of %u", what, h.at.slot, (unsigned)h.number);
    _exit(1);
}

static void count_add(struct shared *s, bool done)
{
    __atomic_fetch_add(done ? &s->adds : &s->no_room, 1, __ATOMIC_RELAXED);
}

// Some of its parts, one by one; what was there stays there.
static struct pool_place add_parts(struct shared *s, struct pool *p, uint64_t number, struct pool_place at,
                                   uint64_t any)
{
    for (unsigned n = 1 + any % 4; n; n--, any >>= 4) {
        unsigned part = (any >> 8) % POOL_PARTS;
        struct pool_place now = content_add_part(p, number, part, at);
        count_add(s, now.slot);
        if (!now.slot) continue;
        if (at.parts & ~now.parts || !(now.parts >> part & 1)) strcpy(s->wrong, "parts that went");
        at = now;
    }
    return at;
}

// Odd numbers come in parts, mostly.
static struct pool_place add(struct shared *s, struct pool *p, uint64_t number, struct pool_place at, uint64_t any)
{
    if (number % 2 && any % 16) return add_parts(s, p, number, at, any >> 4);
    uint32_t slot = content_add(p, number);
    count_add(s, slot);
    return slot ? (struct pool_place){slot, POOL_ALL} : at;
}

// Finds, or adds, and looks now and then at what it has pinned.
static void use(struct shared *s, struct pool *p, uint64_t *random, unsigned steps)
{
    struct held held[HELD];
    unsigned n = 0;
    while (steps-- > 0) {
        struct held h = {.number = content_next(random) % NUMBERS};
        h.at = content_find_parts(p, h.number);
        if (h.at.slot) __atomic_fetch_add(&s->finds, 1, __ATOMIC_RELAXED);
        if (h.at.slot) expect(s, p, h, "found");
        if (h.at.parts != POOL_ALL) h.at = add(s, p, h.number, h.at, content_next(random));
        if (!h.at.slot) continue;
        held[n++ % HELD] = h;
        if (content_next(random) % 8 == 0) expect(s, p, held[content_next(random) % (n < HELD ? n : HELD)], "pinned");
    }
    for (unsigned i = 0; i < n && i < HELD; i++) expect(s, p, held[i], "pinned at the end");
}

static void be_user(struct shared *s, const char *path, uint64_t seed, double until)
{
    uint64_t random = seed;
    do {
        struct pool *p = open_pool(path, LIMIT);
        use(s, p, &random, 1 + (unsigned)(content_next(&random) % 60));
        pool_close(p);
    } while (now() < until);
    _exit(0);
}

static pid_t start_user(struct shared *s, const char *path, uint64_t seed, double until)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        be_user(s, path, seed, until);
    }
    return pid;
}

// ---------------------------------------------------------------- several

// Everything that is there is right; and the limit holds, once nobody is left.
static int look_at_the_end(struct shared *s, const char *path)
{
    struct pool_info i;
    char why[POOL_WHY];
    struct pool *p = open_pool(path, LIMIT);
    unsigned found = 0;
    for (unsigned number = 0; number < NUMBERS; number++) {
        struct held h = {content_find_parts(p, number), number};
        if (h.at.slot && !content_has(p, h.at, number)) strcpy(s->wrong, "wrong content at the end");
        found += h.at.slot != 0;
    }
    pool_close(p);
    if (pool_info(path, &i, why)) strcpy(s->wrong, "no info");
    if (i.chunks != found && !*s->wrong) snprintf(s->wrong, sizeof s->wrong, "%u chunks, %u found", i.chunks, found);
    if (i.pinned && !*s->wrong) snprintf(s->wrong, sizeof s->wrong, "%u still pinned", i.pinned);
    for (uint64_t n = 1000; !*s->wrong && n < 1000 + NUMBERS; n++) { // each in a pool of its own
        p = open_pool(path, LIMIT);
        if (!content_add(p, n)) strcpy(s->wrong, "no room at the end");
        pool_close(p);
    }
    if (!*s->wrong && (pool_info(path, &i, why) || i.chunks != LIMIT))
        snprintf(s->wrong, sizeof s->wrong, "%u chunks at the end", i.chunks);
    if (!*s->wrong && i.bytes > LIMIT * POOL_CHUNK + (2 << 20)) // index and pins besides
        snprintf(s->wrong, sizeof s->wrong, "%llu bytes at the end", (unsigned long long)i.bytes);
    printf("%llu found, %llu added, %llu without room\n", (unsigned long long)s->finds, (unsigned long long)s->adds,
           (unsigned long long)s->no_room);
    if (*s->wrong) printf("FAILED: %s\n", s->wrong);
    return *s->wrong != 0;
}

static int together(struct shared *s, const char *path, uint64_t seed, double until)
{
    pid_t pids[USERS];
    int status, failed = 0;
    for (unsigned i = 0; i < USERS; i++) pids[i] = start_user(s, path, seed + i, until);
    for (unsigned i = 0; i < USERS; i++) failed |= waitpid(pids[i], &status, 0) != pids[i] || status;
    return look_at_the_end(s, path) || failed;
}

static int killed(struct shared *s, const char *path, uint64_t seed, double until)
{
    uint64_t random = seed;
    pid_t pids[USERS];
    unsigned kills = 0;
    int status, failed = 0;
    for (unsigned i = 0; i < USERS; i++) pids[i] = start_user(s, path, content_next(&random), until + 1e6);
    while (now() < until && !failed) {
        unsigned who = (unsigned)(content_next(&random) % USERS);
        usleep((useconds_t)(content_next(&random) % 4000));
        kill(pids[who], SIGKILL);
        failed |= waitpid(pids[who], &status, 0) != pids[who] || !WIFSIGNALED(status);
        pids[who] = start_user(s, path, content_next(&random), until + 1e6);
        kills++;
    }
    for (unsigned i = 0; i < USERS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], &status, 0);
    }
    printf("%u killed; ", kills);
    return look_at_the_end(s, path) || failed;
}

static int in_directory(int (*test)(struct shared *, const char *, uint64_t, double), uint64_t seed, double seconds)
{
    char path[64];
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) return 2;
    content_directory(path);
    fflush(stdout);
    int failed = test(s, path, seed, now() + seconds);
    content_remove(path);
    return failed;
}

// ---------------------------------------------------------------- for scripts

static int for_scripts(const char *what, const char *path, uint64_t first, uint64_t n)
{
    struct pool *p = open_pool(path, 0);
    unsigned there = 0, wrong = 0;
    for (uint64_t i = first; i < first + n; i++) {
        uint32_t slot = !strcmp(what, "add") ? content_add(p, i) : content_find(p, i);
        there += slot != 0;
        wrong += slot && !content_is(p, slot, i);
    }
    if (!strcmp(what, "check")) printf("%u of %u\n", there, (unsigned)n);
    if (!strcmp(what, "hold")) {
        printf("holds %u\n", there);
        fflush(stdout);
        (void)getchar();
        for (uint64_t i = first; i < first + n; i++) wrong += !content_is(p, content_find(p, i), i);
    }
    pool_close(p);
    return wrong || (!strcmp(what, "add") && there != n);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    double seconds = 5;
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 5 && (!strcmp(what, "add") || !strcmp(what, "check") || !strcmp(what, "hold")))
        return for_scripts(what, argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seed")) seed = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--seconds")) seconds = atof(argv[i + 1]);
    }
    if (!strcmp(what, "killed")) return in_directory(killed, seed, seconds);
    if (!strcmp(what, "together")) return in_directory(together, seed, seconds);
    fprintf(stderr, "usage: pool-processes killed|together [--seconds S] [--seed N] | add|check|hold DIR FIRST N\n");
    return 2;
}
