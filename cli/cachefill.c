// See cachefill.h.
#include "cli/cachefill.h"
#include "cli/cachefill_profile.h"
#include "cli/memory.h"
#include "disk/directory.h"
#include "disk/sha256.h"
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
#include <sys/statfs.h>
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
    LONG = 1 << 16,       // codes, which are not compared while the user waits
    SETTLED_SECONDS = 2,  // an image that was changed later than this before it is looked at may still be changing
};

// ---------------------------------------------------------------- for a box

static void make_name(const void *facts, size_t n, uint8_t to[16])
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t sum = store_sum(i + 1, facts, n);
        memcpy(to + 8 * i, &sum, sizeof sum);
    }
}

// Of FAT and exFAT the time of change is that of modification, which utimes(2) sets as one likes (fat_truncate_time and
// exfat_fill_inode in the kernel): who writes to a file there can leave all that stat says as it was.
static bool keeps_time_of_change(int fd)
{
    enum { FAT = 0x4d44, EXFAT = 0x2011bab0 }; // linux/magic.h
    struct statfs fs;
    return !fstatfs(fd, &fs) && fs.f_type != FAT && fs.f_type != EXFAT;
}

static bool is_recent(int64_t then, int64_t now)
{
    return then <= now && now - then < SETTLED_SECONDS;
}

// What stat says, which nobody can keep who changes the image. NULL, or why that does not hold for this one: of a block
// device stat tells nothing of what is on it. A time of modification may be any, also one that is still to come.
const char *cachefill_name_file(int fd, uint8_t to[16])
{
    struct stat st;
    struct timespec now;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || clock_gettime(CLOCK_REALTIME, &now))
        return "the image is no regular file";
    if (!keeps_time_of_change(fd)) return "the image's file system keeps no time of change";
    if (st.st_ctim.tv_sec > now.tv_sec) return "the image was changed at a time that is still to come";
    if (is_recent(st.st_ctim.tv_sec, now.tv_sec) || is_recent(st.st_mtim.tv_sec, now.tv_sec))
        return "the image has been changed just now";
    uint64_t facts[] = {st.st_dev,
                        st.st_ino,
                        (uint64_t)st.st_size,
                        (uint64_t)st.st_mtim.tv_sec,
                        (uint64_t)st.st_mtim.tv_nsec,
                        (uint64_t)st.st_ctim.tv_sec,
                        (uint64_t)st.st_ctim.tv_nsec};
    make_name(facts, sizeof facts, to);
    return NULL;
}

// An image that comes from a server: its version has a digest.
void cachefill_name(struct cachefill *c, const uint8_t digest[DISK_DIGEST])
{
    make_name(digest, DISK_DIGEST, c->cache.image);
}

static struct codecache_trial trial_of_image(const struct cachefill *c)
{
    struct codecache_trial t = {0};
    memcpy(t.of, c->cache.image, sizeof t.of);
    return t;
}

static struct codecache_trial trial_of_mapping(const struct cachefill *c, const struct profile_mapping *m)
{
    struct codecache_trial t = {.mapping = 1};
    uint64_t facts[] = {0, 0, m->inode, m->offset, m->first, m->npages};
    memcpy(facts, c->cache.image, sizeof c->cache.image);
    make_name(facts, sizeof facts, t.of);
    return t;
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
    char line[2 * CODECACHE_WHY];
    va_list args;
    if (!(o->trace & (BELLJAR_TRACE_JIT | BELLJAR_TRACE_STARTUP))) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    dprintf(o->trace_fd, "%s: code cache: %s\n", o->trace & BELLJAR_TRACE_JIT ? "jit" : "startup", line);
}

static int not_used(struct cachefill *c, const struct belljar_options *o, const char *why)
{
    snprintf(c->lacks, sizeof c->lacks, "%s", why);
    tell(o, "not used: %s", why);
    return 0;
}

// When it could not be filled, that is what there is to know.
static void say_why_not_there(struct cachefill *c, int image, const char *lacks)
{
    struct codecache_trial t = trial_of_image(c);
    if (image >= 0) (void)codecache_trial(c->dir, c->key, &t);
    int n = snprintf(c->lacks, sizeof c->lacks, "its file %s", lacks);
    if (t.times) snprintf(c->lacks + n, sizeof c->lacks - (size_t)n, ", tried in vain: %s", t.why);
}

// A directory that somebody has named has to be one.
int cachefill_open(struct cachefill *c, const struct command_line *l, int image)
{
    const struct belljar_options *o = &l->box;
    char why[CODECACHE_WHY];
    const char *lacks;
    *c = (struct cachefill){.dir = -1, .profile = -1, .store.fd = -1};
    if (!is_wanted(l)) return not_used(c, o, "these options do not go with it");
    c->dir = codecache_directory(l->code_cache, true, why);
    if (c->dir < 0 && l->code_cache && *why) return fail(STATUS_FAILED, "--code-cache: %s", why);
    if (c->dir < 0) return not_used(c, o, *why ? why : "switched off");
    lacks = image < 0 ? NULL : cachefill_name_file(image, c->cache.image);
    if (!lacks && !make_key(c, l)) lacks = "this program has no build ID";
    if (lacks) {
        close(c->dir);
        c->dir = -1;
        return not_used(c, o, lacks);
    }
    c->profile = memfd_create("profile", MFD_CLOEXEC);
    if (codecache_open(c->dir, c->key, &c->store, &lacks)) {
        tell(o, "%" PRIu32 " shards, %" PRIu64 " bytes of code, %s", c->store.head->nshards, c->store.head->code_bytes,
             c->store.stamped ? "checked" : "to be checked as they are used");
    } else {
        say_why_not_there(c, image, lacks);
        tell(o, "%s", c->lacks);
    }
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

bool cachefill_tell_cut_off(const struct cachefill *c)
{
    struct stat st;
    char path[4096]; // as PATH_MAX
    if (!c->store.head || fstat(c->store.fd, &st) || (uint64_t)st.st_size >= c->store.bytes) return false;
    directory_path(c->store.fd, path, sizeof path);
    fail(STATUS_FAILED,
         "%s was cut off while this box ran from it, which ends a box: such a file may be removed, never "
         "written to; belljar cache clear makes room for a new one",
         path);
    return true;
}

// ---------------------------------------------------------------- what is worth translating

// Is there more of it than a box finds out faster by itself, and has it not come to nothing lately?
static bool is_due(const struct cachefill *c, const struct profile_mapping *m, struct profile_list fresh,
                   uint32_t known)
{
    struct codecache_trial t = trial_of_mapping(c, m);
    return profile_is_worth_it(fresh, known) && !codecache_trial(c->dir, c->key, &t);
}

struct work {
    struct cachefill *c;
    const struct command_line *line;
    int image; // -1: the server's
    const struct imageserver *server;
    struct codecache_writer *writer;
    int wanted, records; // memfds: the profile to translate, and what came of it
    size_t wanted_bytes;
    struct profile_mapping *asked; // for these shards, by their slots
    uint32_t slots[STORE_MAX_SHARDS];
    bool made[STORE_MAX_SHARDS];
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

static bool is_same(const struct profile_mapping *x, const struct profile_mapping *y)
{
    return x->inode == y->inode && x->offset == y->offset && x->first == y->first && x->npages == y->npages;
}

static bool is_asked_for(const struct work *w, const struct profile_mapping *m)
{
    unsigned i = 0;
    while (i < w->nslots && !is_same(&w->asked[i], m)) i++;
    return i < w->nslots;
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
        if (!is_asked_for(w, m) && is_due(w->c, m, fresh, known.n)) want(w, m, &c, old);
    }
    free(c.at);
}

static void look_at_all(struct work *w)
{
    struct profile_mapping m;
    const struct profile_code *codes;
    const uint8_t *at = w->c->ran;
    w->asked = calloc(STORE_MAX_SHARDS, sizeof *w->asked);
    if (!w->asked) return;
    for (size_t left = w->c->nran; profile_next(&at, &left, &m, &codes);) look_at(w, &m, codes);
}

// ---------------------------------------------------------------- the translator, in its jail

static struct sha256 *hasher; // of this process alone, which is nothing else

static void digest(const void *from, size_t n, uint8_t to[32])
{
    sha256_add(hasher, from, n);
    sha256_end(hasher, to);
}

enum { WANTED = JAIL_OWN, RECORDS, MEMORY, IMAGE }; // descriptors in its jail

// It reads a hostile image, and what of this process's memory is not needed is not there.
static void forget_environment(void)
{
    for (char **e = environ; e && *e; e++) memset(*e, 0, strlen(*e));
}

static int open_image(const struct work *w, struct belljar_image **image)
{
    struct belljar_pool_image pool = {
        .blocks = IMAGE, .table = IMAGE + 1, .spare = IMAGE + 2, .link = -1, .name = "image"};
    if (w->image >= 0) return belljar_image_open_fd(IMAGE, "image", image, NULL);
    return belljar_image_open_pool(&pool, image, NULL);
}

static int translate(const struct work *w, struct sha256 *hash, int parent)
{
    struct belljar_ahead ahead = {.slots = w->slots, .nslots = w->nslots, .digest = digest};
    int own[3 + IMAGESERVER_OWN] = {w->wanted, w->records, memory_new(), w->image};
    if (w->image < 0) imageserver_own(w->server, own + 3);
    struct host_jail jail = {.outside = (const int[]){w->wanted},
                             .noutside = 1,
                             .own = own,
                             .nown = w->image < 0 ? 3 + IMAGESERVER_OWN : 4,
                             .cpu_seconds = TRANSLATOR_SECONDS,
                             .parent = parent};
    struct belljar_options o = w->line->box;
    o.memory_file = MEMORY;
    struct belljar_image *image;
    uint8_t name[DISK_DIGEST];
    char why[256];
    struct rlimit data = {2ull << 30, 2ull << 30}; // bytes: a file of the image is read whole
    hasher = hash;
    if (w->image < 0) memcpy(name, w->server->head->digest, sizeof name);
    forget_environment();
    if (!BELLJAR_SANITIZED) setrlimit(RLIMIT_DATA, &data); // a sanitizer's shadow counts
    if (own[2] < 0 || host_jail_descriptors(&jail) || (w->line->jail && host_jail_close(&jail, why, sizeof why)))
        return 1;
    ahead.bytes = w->wanted_bytes;
    if (w->image < 0) ahead.image = name;
    ahead.profile = mmap(NULL, ahead.bytes, PROT_READ, MAP_SHARED, WANTED, 0);
    if (ahead.profile == MAP_FAILED || open_image(w, &image)) return 1;
    return belljar_ahead(image, &o, &ahead, RECORDS, NULL);
}

static bool in_vain(char why[CODECACHE_WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool in_vain(char why[CODECACHE_WHY], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, CODECACHE_WHY, format, args);
    va_end(args);
    return false;
}

static bool run_translator(const struct work *w, char why[CODECACHE_WHY])
{
    struct sha256 hash;
    int status = 0, parent = getpid();
    if (!sha256_open(&hash, why, CODECACHE_WHY)) return false;
    pid_t pid = fork();
    if (pid == 0) _exit(translate(w, &hash, parent));
    sha256_close(&hash);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return in_vain(why, "the translator cannot be started: %s", strerror(errno));
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
        return in_vain(why, "the translator took more than %d s of computing, or was killed", TRANSLATOR_SECONDS);
    if (WIFSIGNALED(status)) return in_vain(why, "the translator died of signal %d", WTERMSIG(status));
    return !status || in_vain(why, "the translator failed (%d)", WEXITSTATUS(status));
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

// Which of the mappings that were asked for it is of. -1: of none, or that one has been.
static int which_was_asked(const struct work *w, const struct store_record *r)
{
    const struct store_shard *s = &r->shard;
    struct profile_mapping m = {.inode = r->inode, .offset = s->offset, .first = s->first, .npages = s->npages};
    for (unsigned i = 0; i < w->nslots; i++)
        if (w->slots[i] == s->slot) return is_same(&w->asked[i], &m) && !w->made[i] ? (int)i : -1;
    return -1;
}

// Records whose sizes belljar_ahead_check has looked at. How many were taken.
static unsigned take_all(struct work *w, const uint8_t *at, size_t n)
{
    unsigned taken = 0;
    for (const uint8_t *end = at + n; at < end;) {
        const struct store_record *r = (const void *)at;
        size_t bytes = sizeof *r;
        int which = which_was_asked(w, r);
        for (unsigned i = 0; i < STORE_SECTIONS; i++) bytes += (r->shard.section[i].bytes + 7) & ~7ull;
        if (which >= 0) taken += w->made[which] = take(w, r, at + sizeof *r);
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

static uint8_t *copy_file(int fd, size_t most, size_t *n)
{
    struct stat st;
    if (fstat(fd, &st) || st.st_size <= 0 || (uint64_t)st.st_size > most) return NULL;
    size_t bytes = (size_t)st.st_size;
    uint8_t *copy = malloc(bytes);
    ssize_t got = 1;
    *n = 0;
    while (copy && got > 0 && *n < bytes) {
        got = pread(fd, copy + *n, bytes - *n, (off_t)*n);
        if (got > 0) *n += (size_t)got;
    }
    return copy;
}

// What the translator has made of what was asked for; nothing is no mistake.
static bool take_records(struct work *w, struct codecache_trial *t)
{
    struct belljar_error refused;
    struct stat st;
    size_t n = 0;
    if (fstat(w->records, &st) || !st.st_size) return true;
    const uint8_t *records = map_file(w->records, MAX_RECORDS, &n);
    if (!records) return in_vain(t->why, "more came of it than %d MiB", MAX_RECORDS >> 20);
    if (belljar_ahead_check(records, n, &refused)) return in_vain(t->why, "%.200s", refused.text);
    t->made = take_all(w, records, n);
    if (!t->made) return true;
    int error = codecache_commit(w->writer, CODECACHE_LIMIT);
    w->writer = NULL;
    if (error) t->made = 0;
    return !error || in_vain(t->why, "it cannot be written: %s", strerror(error));
}

static bool make(struct work *w, struct codecache_trial *t)
{
    if (w->failed) return in_vain(t->why, "no memory for what is to be translated");
    return run_translator(w, t->why) && take_records(w, t);
}

// Of some mappings nothing can be made, also when all is well: then these are left alone, and not their image.
static void remember_mappings(const struct work *w, const char *image)
{
    static const char why[] = "nothing can be made of it: too large, or no code that can be translated";
    for (unsigned i = 0; i < w->nslots; i++) {
        const struct profile_mapping *m = &w->asked[i];
        struct codecache_trial t = trial_of_mapping(w->c, m), was = t;
        (void)codecache_trial(w->c->dir, w->c->key, &was);
        if (w->made[i] && !was.times) continue;
        t.asked = 1;
        snprintf(t.what, sizeof t.what, "inode %" PRIu64 ", from page %" PRIu64 " at %08" PRIx64 ", of %.150s",
                 m->inode, m->offset, (uint64_t)m->first << 12, image);
        if (!codecache_try(w->c->dir, w->c->key, &t)) continue;
        t.made = w->made[i];
        if (t.made) t.times = 0;
        snprintf(t.why, sizeof t.why, "%s", t.made ? "" : why);
        codecache_tried(w->c->dir, w->c->key, &t);
    }
}

static void fill(struct work *w, struct codecache_trial *t)
{
    look_at_all(w);
    t->asked = w->nslots;
    if (!w->nslots || !codecache_try(w->c->dir, w->c->key, t)) return;
    if (make(w, t)) {
        remember_mappings(w, t->what);
        t->times = 0;
        t->why[0] = 0;
    }
    codecache_tried(w->c->dir, w->c->key, t);
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
    int keep[] = {w->image, w->c->dir, w->c->profile, busy, -1, -1, -1, -1}, n = 0;
    if (w->image < 0) imageserver_own(w->server, keep + 4);
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

bool cachefill_possible(char why[CODECACHE_WHY])
{
    struct sha256 hash;
    struct belljar_error lacks;
    if (belljar_ahead_check(NULL, 0, &lacks)) return in_vain(why, "%.250s", lacks.text);
    if (!sha256_open(&hash, why, CODECACHE_WHY)) return false;
    sha256_close(&hash);
    return true;
}

// False: it cannot be tried; empty: somebody else is at it, and the next run will say again what is missing.
static bool begin(struct work *w, char why[CODECACHE_WHY])
{
    int error;
    *why = 0;
    if (!codecache_fillable(w->c->dir, why) || !cachefill_possible(why)) return false;
    w->wanted = memfd_create("wanted", MFD_CLOEXEC);
    w->records = memfd_create("records", MFD_CLOEXEC);
    if (w->wanted < 0 || w->records < 0) return in_vain(why, "no memory: %s", strerror(errno));
    w->writer = codecache_lock(w->c->dir, w->c->key, false, &error);
    if (w->writer || error == EWOULDBLOCK) return w->writer != NULL;
    return in_vain(why, "the directory cannot be locked: %s", strerror(error));
}

// The end of a long path says more than its start.
static void put_name(const struct work *w, struct codecache_trial *t)
{
    char path[4096]; // as PATH_MAX
    if (w->image >= 0)
        directory_path(w->image, path, sizeof path);
    else
        snprintf(path, sizeof path, "%s", w->server->image);
    size_t n = strlen(path), most = sizeof t->what - 1, left_out = n > most ? n - most : 0;
    memcpy(t->what, path + left_out, n - left_out + 1);
}

static void work(struct work *w)
{
    struct codecache_trial t = trial_of_image(w->c);
    put_name(w, &t);
    if (begin(w, t.why)) {
        fill(w, &t);
    } else if (*t.why) {
        t.times = 1; // it has cost nothing
        codecache_tried(w->c->dir, w->c->key, &t);
    }
    if (w->writer) codecache_abandon(w->writer);
}

// The shard with this slot in the file that the box had.
static const struct store_shard *shard_lent(const struct cachefill *c, uint32_t slot)
{
    for (uint32_t i = 0; c->store.head && i < c->store.head->nshards; i++)
        if (store_shards(&c->store)[i].slot == slot) return &store_shards(&c->store)[i];
    return NULL;
}

// Is what has run outside of the cache worth it? Each run of a program may have the same, of which nothing new comes:
// code that is there, but was not found.
static bool lacks_much(const struct work *w, const struct profile_mapping *m, const struct profile_code *codes)
{
    const struct store_shard *s = shard_lent(w->c, m->slot);
    const struct profile_code *heads = s ? store_section(&w->c->store, s, STORE_HEADS) : NULL;
    struct profile_list known = {heads, heads ? heads_of(s) : 0}, more = {codes, m->ncodes};
    struct profile_codes c;
    if (!profile_is_worth_it(more, known.n)) return false;
    if (more.n > LONG) return is_due(w->c, m, more, known.n);
    bool good = profile_unknown(m, known, more, &c) && is_due(w->c, m, (struct profile_list){c.at, c.n}, known.n);
    free(c.at);
    return good;
}

// What a box has used of the cache, and whether it has run a good deal that is not there.
static bool look_over(const struct work *w)
{
    uint64_t used[CODECACHE_SLOT_WORDS] = {0};
    struct profile_mapping m;
    const struct profile_code *codes;
    const uint8_t *at = w->c->ran;
    bool wants = false;
    for (size_t left = w->c->nran; profile_next(&at, &left, &m, &codes);) {
        if (m.slot && m.slot <= STORE_MAX_SHARDS) used[m.slot / 64] |= 1ull << (m.slot % 64);
        wants = wants || lacks_much(w, &m, codes);
    }
    for (unsigned i = 0; i < CODECACHE_SLOT_WORDS; i++) w->c->shards += (unsigned)__builtin_popcountll(used[i]);
    codecache_touch(w->c->dir, w->c->key, used);
    return wants;
}

// Is there something to be added, which is not left alone?
static bool wants_more(const struct work *w)
{
    const struct belljar_options *o = &w->line->box;
    struct codecache_trial t = trial_of_image(w->c);
    char until[CODECACHE_TIME];
    if (!look_over(w)) return false;
    int64_t end = codecache_trial(w->c->dir, w->c->key, &t);
    if (!end) return true;
    codecache_time(end, until);
    tell(o, "nothing is added before %s: %s", until, t.why);
    return false;
}

void cachefill_look(struct cachefill *c, const struct command_line *line, int image, const struct imageserver *server)
{
    struct work w = {.c = c, .line = line, .image = image, .server = server};
    if (c->dir < 0 || c->profile < 0) return;
    if (image < 0) cachefill_name(c, server->head->digest);
    c->ran = copy_file(c->profile, MAX_PROFILE, &c->nran);
    if (!c->ran) return;
    c->wants = wants_more(&w);
    if (c->wants) tell(&line->box, "what ran outside of it is to be added");
    if (!c->shards && !*c->lacks) snprintf(c->lacks, sizeof c->lacks, "nothing of what ran is in it");
    if (line->box.trace & BELLJAR_TRACE_STARTUP) tell(&line->box, "%u shards used", c->shards);
}

void cachefill_end(struct cachefill *c, const struct command_line *line, int image, const struct imageserver *server)
{
    struct work w = {.c = c, .line = line, .image = image, .server = server};
    int busy = c->wants ? codecache_begin(c->dir) : -1;
    if (c->wants && fork() == 0) {
        go_alone(&w, busy);
        work(&w);
        _exit(0);
    }
    if (busy >= 0) close(busy);
    free(c->ran);
    c->ran = NULL;
}
