// See cachefill.h.
#include "cli/cachefill.h"
#include "cli/cachefill_profile.h"
#include "host/fault.h"
#include "host/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef BELLJAR_SANITIZED
#define BELLJAR_SANITIZED 0
#endif

enum {
    MAX_PROFILE = 64 << 20,  // bytes
    MAX_RECORDS = 256 << 20, // bytes that the translator may write
    TRANSLATOR_SECONDS = 60, // of computing
    PROOF_SECONDS = 300,
    HANGS_SECONDS = 1800, // by the clock: an image's file system may never answer
    SETTLED_SECONDS = 2,  // an image that was changed later than this before it is looked at may still be changing
};

// ---------------------------------------------------------------- for a box

// What stat says, which nobody can keep who changes the image. NULL, or why that does not hold for this one.
static const char *name_image(int fd, uint8_t to[16])
{
    struct stat st;
    struct timespec now;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || clock_gettime(CLOCK_REALTIME, &now))
        return "the image is no regular file";
    if (now.tv_sec - st.st_ctim.tv_sec < SETTLED_SECONDS || now.tv_sec - st.st_mtim.tv_sec < SETTLED_SECONDS)
        return "the image has been changed just now";
    uint64_t facts[] = {st.st_dev,
                        st.st_ino,
                        (uint64_t)st.st_size,
                        (uint64_t)st.st_mtim.tv_sec,
                        (uint64_t)st.st_mtim.tv_nsec,
                        (uint64_t)st.st_ctim.tv_sec,
                        (uint64_t)st.st_ctim.tv_nsec};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t sum = store_sum(i + 1, facts, sizeof facts);
        memcpy(to + 8 * i, &sum, sizeof sum);
    }
    return NULL;
}

static bool is_wanted(const struct command_line *l)
{
    const struct belljar_options *o = &l->box;
    return o->engine == BELLJAR_JIT && !o->exact && !o->verify_code && !o->jit_eager;
}

// What emitted code depends on and the build does not tell: options, and where the thread's words lie from its FS base,
// which is another place in each program that libbelljar is linked to.
static bool make_key(struct cachefill *c, const struct command_line *l)
{
    struct {
        int32_t level, deterministic, words;
    } of = {.level = l->box.cpu_level, .deterministic = l->box.deterministic};
    (void)host_thread_words(&of.words);
    return codecache_key(c->key, &of, sizeof of);
}

static void tell(const struct belljar_options *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(const struct belljar_options *o, const char *format, ...)
{
    char line[512];
    va_list args;
    if (!(o->trace & BELLJAR_TRACE_JIT)) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    dprintf(o->trace_fd, "jit: code cache: %s\n", line);
}

static int not_used(const struct belljar_options *o, const char *why)
{
    tell(o, "not used: %s", why);
    return 0;
}

// A directory that somebody has named has to be one.
int cachefill_open(struct cachefill *c, const struct command_line *l, int image)
{
    const struct belljar_options *o = &l->box;
    char why[CODECACHE_WHY];
    const char *lacks;
    *c = (struct cachefill){.dir = -1, .profile = -1, .store.fd = -1};
    if (!is_wanted(l)) return not_used(o, "these options do not go with it");
    c->dir = codecache_directory(l->code_cache, true, why);
    if (c->dir < 0 && l->code_cache && *why) return fail(STATUS_FAILED, "--code-cache: %s", why);
    if (c->dir < 0) return not_used(o, *why ? why : "switched off");
    lacks = name_image(image, c->cache.image);
    if (!lacks && !make_key(c, l)) lacks = "this program has no build ID";
    if (lacks) {
        close(c->dir);
        c->dir = -1;
        return not_used(o, lacks);
    }
    c->profile = memfd_create("profile", MFD_CLOEXEC);
    if (codecache_open(c->dir, c->key, &c->store, &lacks))
        tell(o, "%" PRIu32 " shards, %" PRIu64 " bytes of code, %s", c->store.head->nshards, c->store.head->code_bytes,
             c->store.stamped ? "checked" : "to be checked as they are used");
    else
        tell(o, "its file %s", lacks);
    return 0;
}

void cachefill_lend(struct cachefill *c, struct belljar_options *o)
{
    if (!c->store.head) return;
    if (!o->code || !codecache_map(&c->store, belljar_code_memory_window(o->code))) {
        tell(o, "not used: its code cannot be mapped");
        return;
    }
    c->cache.file = &c->store;
    o->cache = &c->cache;
}

// ---------------------------------------------------------------- what is worth translating

struct work {
    struct cachefill *c;
    const struct command_line *line;
    int image;
    struct codecache_writer *writer;
    const uint8_t *profile; // as the worker wrote it: anybody's bytes
    size_t bytes;
    int wanted, records; // memfds: the profile to translate, and what came of it
    size_t wanted_bytes;
    struct profile_mapping *asked; // for these shards, by their slots
    uint32_t slots[STORE_MAX_SHARDS];
    unsigned nslots;
    bool failed; // `wanted` could not be written
};

static const struct store_shard *shard_of(const struct work *w, const struct profile_mapping *m)
{
    const struct store *s = codecache_current(w->writer);
    const uint8_t *digest = s ? store_digest(s, w->c->cache.image, m->inode) : NULL;
    if (!digest) return NULL;
    struct store_shard like = {.offset = m->offset, .first = m->first, .npages = m->npages};
    memcpy(like.digest, digest, sizeof like.digest);
    return store_find(s, &like);
}

static uint32_t heads_of(const struct store_shard *s)
{
    return s ? (uint32_t)(s->section[STORE_HEADS].bytes / sizeof(struct profile_code)) : 0;
}

static bool write_all(int fd, const void *from, size_t n)
{
    const uint8_t *at = from;
    while (n) {
        ssize_t put = write(fd, at, n);
        if (put <= 0) return false;
        at += put;
        n -= (size_t)put;
    }
    return true;
}

static void want(struct work *w, const struct profile_mapping *mapping, const struct profile_codes *c,
                 const struct store_shard *old)
{
    struct profile_mapping m = *mapping;
    struct store_shard none = {0};
    uint32_t slot = w->nslots < STORE_MAX_SHARDS ? codecache_slot(w->writer, old ? old : &none) : 0;
    m.ncodes = c->n;
    m.slot = slot;
    if (!slot || w->failed) return;
    w->failed = !write_all(w->wanted, &m, sizeof m) || !write_all(w->wanted, c->at, c->n * sizeof *c->at);
    w->asked[w->nslots] = m;
    w->slots[w->nslots++] = slot;
    w->wanted_bytes += sizeof m + c->n * sizeof *c->at;
}

static void look_at(struct work *w, const struct profile_mapping *m, const struct profile_code *codes)
{
    const struct store_shard *old = shard_of(w, m);
    const struct profile_code *heads = old ? store_section(codecache_current(w->writer), old, STORE_HEADS) : NULL;
    struct profile_list known = {heads, heads ? heads_of(old) : 0}, more = {codes, m->ncodes}, fresh;
    struct profile_codes c;
    if (profile_join(m, known, more, &c)) {
        fresh = (struct profile_list){c.at + (c.n - c.fresh), c.fresh};
        if (profile_is_worth_it(fresh, known.n)) want(w, m, &c, old);
    }
    free(c.at);
}

static void look_at_all(struct work *w)
{
    struct profile_mapping m;
    const struct profile_code *codes;
    const uint8_t *at = w->profile;
    w->asked = calloc(STORE_MAX_SHARDS, sizeof *w->asked);
    if (!w->asked) return;
    for (size_t left = w->bytes; profile_next(&at, &left, &m, &codes);) look_at(w, &m, codes);
}

// ---------------------------------------------------------------- the translator, in its jail

static struct codecache_sha256 *sha256; // of this process alone, which is nothing else

static void digest(const void *from, size_t n, uint8_t to[32])
{
    codecache_sha256_add(sha256, from, n);
    codecache_sha256_end(sha256, to);
}

enum { RECORDS = JAIL_OWN + 2 };

// It reads a hostile image, and what of this process's memory is not needed is not there.
static void forget_environment(void)
{
    for (char **e = environ; e && *e; e++) memset(*e, 0, strlen(*e));
}

static int translate(const struct work *w, struct codecache_sha256 *hash, int parent)
{
    struct belljar_ahead ahead = {.slots = w->slots, .nslots = w->nslots, .digest = digest};
    struct host_jail jail = {.outside = (const int[]){w->wanted},
                             .noutside = 1,
                             .own = (const int[]){w->image, w->wanted, w->records},
                             .nown = 3,
                             .cpu_seconds = TRANSLATOR_SECONDS,
                             .parent = parent};
    struct belljar_options o = w->line->box;
    struct belljar_image *image;
    char why[256];
    struct rlimit data = {2ull << 30, 2ull << 30}; // bytes: a file of the image is read whole
    sha256 = hash;
    forget_environment();
    if (!BELLJAR_SANITIZED) setrlimit(RLIMIT_DATA, &data); // a sanitizer's shadow counts
    if (host_jail_descriptors(&jail) || (w->line->jail && host_jail_close(&jail, why, sizeof why))) return 1;
    ahead.bytes = w->wanted_bytes;
    ahead.profile = mmap(NULL, ahead.bytes, PROT_READ, MAP_SHARED, JAIL_OWN + 1, 0);
    if (ahead.profile == MAP_FAILED || belljar_image_open_fd(JAIL_OWN, "image", &image, NULL)) return 1;
    return belljar_ahead(image, &o, &ahead, RECORDS, NULL);
}

static bool run_translator(const struct work *w)
{
    struct codecache_sha256 hash;
    char why[CODECACHE_WHY];
    int status = 1, parent = getpid();
    if (!codecache_sha256_open(&hash, why)) return false;
    pid_t pid = fork();
    if (pid == 0) _exit(translate(w, &hash, parent));
    codecache_sha256_close(&hash);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

// ---------------------------------------------------------------- what it made

static bool take(struct work *w, const struct store_record *r, const uint8_t *sections)
{
    struct store_memo memo = {.inode = r->inode};
    struct store_new n = {.id = r->shard};
    const struct store *now = codecache_current(w->writer);
    const struct store_shard *same = now ? store_find(now, &r->shard) : NULL;
    memcpy(memo.image, w->c->cache.image, sizeof memo.image);
    memcpy(memo.digest, r->shard.digest, sizeof memo.digest);
    if (!codecache_remember(w->writer, &memo)) return false;
    if (same && same->slot != r->shard.slot) return true; // known by another image: the next run will find it
    for (unsigned i = 0; i < STORE_SECTIONS; i++) {
        n.section[i].at = sections;
        n.section[i].bytes = r->shard.section[i].bytes;
        if (i == STORE_TABLE) {
            n.targets = (const void *)sections;
            n.ntargets = (uint32_t)(n.section[i].bytes / sizeof *n.targets);
        }
        sections += (n.section[i].bytes + 7) & ~7ull;
    }
    return codecache_add(w->writer, &n);
}

// Of a mapping that was asked for, and not of another one?
static bool was_asked_for(const struct work *w, const struct store_record *r)
{
    const struct store_shard *s = &r->shard;
    for (unsigned i = 0; i < w->nslots; i++) {
        const struct profile_mapping *m = &w->asked[i];
        if (m->slot == s->slot)
            return m->inode == r->inode && m->offset == s->offset && m->first == s->first && m->npages == s->npages;
    }
    return false;
}

// Records whose sizes belljar_ahead_check has looked at. How many were taken.
static unsigned take_all(struct work *w, const uint8_t *at, size_t n)
{
    unsigned taken = 0;
    for (const uint8_t *end = at + n; at < end;) {
        const struct store_record *r = (const void *)at;
        size_t bytes = sizeof *r;
        for (unsigned i = 0; i < STORE_SECTIONS; i++) bytes += (r->shard.section[i].bytes + 7) & ~7ull;
        taken += was_asked_for(w, r) && take(w, r, at + sizeof *r);
        at += bytes;
    }
    return taken;
}

static void *map_file(int fd, size_t most, size_t *n)
{
    struct stat st;
    if (fstat(fd, &st) || st.st_size <= 0 || (uint64_t)st.st_size > most) return NULL;
    *n = (size_t)st.st_size;
    void *at = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void fill(struct work *w)
{
    size_t n;
    look_at_all(w);
    if (!w->nslots || w->failed || !codecache_try(w->c->dir, w->c->key, w->c->cache.image)) return;
    const uint8_t *records = run_translator(w) ? map_file(w->records, MAX_RECORDS, &n) : NULL;
    if (!records || belljar_ahead_check(records, n, NULL)) return;
    unsigned taken = take_all(w, records, n);
    if (!taken) return;
    int error = codecache_commit(w->writer, CODECACHE_LIMIT);
    w->writer = NULL;
    if (!error && taken == w->nslots) codecache_made(w->c->dir, w->c->key, w->c->cache.image);
}

// ---------------------------------------------------------------- in the background

// Nothing of the user's may be kept: who reads our output, or has given us a lock of theirs, waits until it is closed;
// what is run in may be unmounted; and this process can be ended, though the broker has caught signals.
static void close_from(unsigned first, unsigned end)
{
    enum { MANY = 1 << 16 };
    if (first >= end || !close_range(first, end - 1, 0)) return;
    for (unsigned fd = first; fd < end && fd < MANY; fd++) close((int)fd); // Linux before 5.9
}

static void keep_only(const int *fd, unsigned n) // in ascending order, of 3 and above
{
    unsigned from = 3;
    for (unsigned i = 0; i < n; i++) {
        close_from(from, (unsigned)fd[i]);
        from = (unsigned)fd[i] + 1;
    }
    close_from(from, UINT_MAX);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static void close_others(const struct work *w, int busy)
{
    int keep[] = {w->image, w->c->dir, w->c->profile, busy}, n = 0;
    for (unsigned i = 0; i < sizeof keep / sizeof *keep; i++)
        if (keep[i] > 2) keep[n++] = keep[i];
    qsort(keep, (size_t)n, sizeof *keep, compare_ints);
    keep_only(keep, (unsigned)n);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++) (void)(null < 0 ? close(i) : dup2(null, i));
    if (null > 2) close(null);
}

static void take_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++) (void)signal(sig, sig == SIGHUP || sig == SIGPIPE ? SIG_IGN : SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void go_alone(const struct work *w, int busy)
{
    struct rlimit limit = {PROOF_SECONDS, PROOF_SECONDS}, none = {0, 0};
    close_others(w, busy);
    setsid();
    take_signals();
    umask(077);
    alarm(HANGS_SECONDS);
    if (nice(10) < 0) errno = 0; // it may be at the lowest already
    setrlimit(RLIMIT_CPU, &limit);
    setrlimit(RLIMIT_CORE, &none);
    if (chdir("/")) errno = 0; // it is nothing that this needs
}

static void work(struct work *w)
{
    int error;
    w->wanted = memfd_create("wanted", MFD_CLOEXEC);
    w->records = memfd_create("records", MFD_CLOEXEC);
    if (w->wanted < 0 || w->records < 0) return;
    w->writer = codecache_lock(w->c->dir, w->c->key, false, &error);
    if (!w->writer) return; // somebody else is at it; the next run will say again what is missing
    fill(w);
    if (w->writer) codecache_abandon(w->writer);
}

// The shard with this slot in the file that the box had.
static const struct store_shard *shard_lent(const struct cachefill *c, uint32_t slot)
{
    for (uint32_t i = 0; c->store.head && i < c->store.head->nshards; i++)
        if (store_shards(&c->store)[i].slot == slot) return &store_shards(&c->store)[i];
    return NULL;
}

// What a box has used of the cache, and whether it has run a good deal that is not there.
static bool look_over(const struct work *w)
{
    uint64_t used[CODECACHE_SLOT_WORDS] = {0};
    struct profile_mapping m;
    const struct profile_code *codes;
    const uint8_t *at = w->profile;
    bool wants = false;
    for (size_t left = w->bytes; profile_next(&at, &left, &m, &codes);) {
        if (m.slot && m.slot <= STORE_MAX_SHARDS) used[m.slot / 64] |= 1ull << (m.slot % 64);
        wants |= profile_is_worth_it((struct profile_list){codes, m.ncodes}, heads_of(shard_lent(w->c, m.slot)));
    }
    codecache_touch(w->c->dir, w->c->key, used);
    return wants;
}

void cachefill_end(struct cachefill *c, const struct command_line *line, int image)
{
    struct work w = {.c = c, .line = line, .image = image};
    if (c->dir < 0 || c->profile < 0) return;
    w.profile = map_file(c->profile, MAX_PROFILE, &w.bytes);
    if (!w.profile || !look_over(&w)) return;
    int busy = codecache_begin(c->dir);
    if (fork() == 0) {
        go_alone(&w, busy);
        work(&w);
        _exit(0);
    }
    if (busy >= 0) close(busy);
}
