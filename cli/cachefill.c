// See cachefill.h.
#include "cli/cachefill.h"
#include "host/jail.h"
#include "jit/profile.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_PROFILE = 64 << 20, // bytes
    MAX_RECORDS = 1 << 30,  // bytes that the translator may write
    TRANSLATOR_SECONDS = 60,
    SETTLED_SECONDS = 2, // an image that was changed later than this before it is looked at may still be changing
};

// ---------------------------------------------------------------- for a box

// What stat says, which nobody can keep who changes the image. False: that does not hold for this one.
static bool name_image(int fd, uint8_t to[16])
{
    struct stat st;
    struct timespec now;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || clock_gettime(CLOCK_REALTIME, &now)) return false;
    if (now.tv_sec - st.st_ctim.tv_sec < SETTLED_SECONDS || now.tv_sec - st.st_mtim.tv_sec < SETTLED_SECONDS)
        return false;
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
    return true;
}

static bool is_wanted(const struct command_line *l)
{
    const struct belljar_options *o = &l->box;
    return o->engine == BELLJAR_JIT && !o->exact && !o->verify_code && !o->jit_eager;
}

void cachefill_open(struct cachefill *c, const struct command_line *l, int image)
{
    struct {
        int32_t level, deterministic;
    } options = {l->box.cpu_level, l->box.deterministic};
    char why[CODECACHE_WHY];
    const char *lacks;
    *c = (struct cachefill){.dir = -1, .profile = -1};
    if (!is_wanted(l) || !name_image(image, c->cache.image)) return;
    if (!codecache_key(c->key, &options, sizeof options)) return;
    c->dir = codecache_directory(l->code_cache, true, why);
    if (c->dir < 0) return;
    c->profile = memfd_create("profile", MFD_CLOEXEC);
    (void)codecache_open(c->dir, c->key, &c->store, &lacks);
}

void cachefill_lend(struct cachefill *c, struct belljar_options *o)
{
    if (!c->store.head) return;
    if (!o->code || !codecache_map(&c->store, belljar_code_memory_window(o->code))) return;
    c->cache.file = &c->store;
    o->cache = &c->cache;
}

// ---------------------------------------------------------------- what is worth translating

struct codes {
    struct profile_mapping mapping;
    struct profile_code *at;
    uint32_t n, fresh;
};

struct work {
    struct cachefill *c;
    const struct command_line *line;
    int image;
    struct codecache_writer *writer;
    const uint8_t *profile; // as the worker wrote it: anybody's bytes
    size_t bytes;
    int wanted, records; // memfds: the profile to translate, and what came of it
    size_t wanted_bytes;
    uint32_t slots[STORE_MAX_SHARDS];
    unsigned nslots;
};

static int by_place(const void *a, const void *b)
{
    const struct profile_code *x = a, *y = b;
    return x->pc != y->pc ? (x->pc < y->pc ? -1 : 1) : (x->flags > y->flags) - (x->flags < y->flags);
}

static const struct store_shard *shard_of(const struct work *w, const struct profile_mapping *m)
{
    const struct store *s = codecache_current(w->writer);
    const uint8_t *digest = s ? store_digest(s, w->c->cache.image, m->inode) : NULL;
    if (!digest) return NULL;
    struct store_shard like = {.offset = m->offset, .first = m->first, .npages = m->npages};
    memcpy(like.digest, digest, sizeof like.digest);
    return store_find(s, &like);
}

// The new ones behind the old ones, in their order, and each once.
static bool join(const struct profile_code *old, uint32_t nold, const struct profile_code *new, uint32_t nnew,
                 struct codes *to)
{
    struct profile_code *sorted = malloc((nold + 1) * sizeof *sorted);
    to->at = malloc(((size_t)nold + nnew + 1) * sizeof *to->at);
    if (!sorted || !to->at) {
        free(sorted);
        return false;
    }
    if (nold) {
        memcpy(sorted, old, nold * sizeof *sorted);
        memcpy(to->at, old, nold * sizeof *sorted);
    }
    qsort(sorted, nold, sizeof *sorted, by_place);
    to->n = nold;
    for (uint32_t i = 0; i < nnew; i++)
        if (!bsearch(&new[i], sorted, nold, sizeof *sorted, by_place)) to->at[to->n++] = new[i];
    to->fresh = to->n - nold;
    free(sorted);
    return true;
}

// Interpreting and translating a piece of code costs a few microseconds, and each run finds a little that is new.
static bool is_worth_it(const struct profile_code *fresh, uint32_t n, uint32_t old)
{
    enum { FEW = 32, PART = 64, HOT_COUNTS = 16 };
    uint32_t weight = 0;
    for (uint32_t i = 0; i < n; i++) weight += fresh[i].flags & PROFILE_HOT ? HOT_COUNTS : 1;
    return weight >= FEW && weight >= old / PART;
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

static void want(struct work *w, const struct codes *c, const struct store_shard *old)
{
    struct profile_mapping m = c->mapping;
    struct store_shard none = {0};
    uint32_t slot = w->nslots < STORE_MAX_SHARDS ? codecache_slot(w->writer, old ? old : &none) : 0;
    m.ncodes = c->n;
    if (!slot || !write_all(w->wanted, &m, sizeof m) || !write_all(w->wanted, c->at, c->n * sizeof *c->at)) return;
    w->slots[w->nslots++] = slot;
    w->wanted_bytes += sizeof m + c->n * sizeof *c->at;
}

static void look_at(struct work *w, const struct profile_mapping *m, const struct profile_code *codes)
{
    const struct store_shard *old = shard_of(w, m);
    const struct profile_code *heads = old ? store_section(codecache_current(w->writer), old, STORE_HEADS) : NULL;
    uint32_t nold = heads ? heads_of(old) : 0;
    struct codes c = {.mapping = *m};
    if (join(heads, nold, codes, m->ncodes, &c) && is_worth_it(c.at + nold, c.fresh, nold)) want(w, &c, old);
    free(c.at);
}

// The next mapping of a profile. False: no more, or it is cut off.
static bool next_mapping(const uint8_t **at, size_t *left, struct profile_mapping *m, const struct profile_code **codes)
{
    if (*left < sizeof *m) return false;
    memcpy(m, *at, sizeof *m);
    size_t bytes = sizeof *m + (size_t)m->ncodes * sizeof **codes;
    if (bytes > *left) return false;
    *codes = (const void *)(*at + sizeof *m);
    *at += bytes;
    *left -= bytes;
    return true;
}

static void look_at_all(struct work *w)
{
    struct profile_mapping m;
    const struct profile_code *codes;
    const uint8_t *at = w->profile;
    for (size_t left = w->bytes; next_mapping(&at, &left, &m, &codes);) look_at(w, &m, codes);
}

// ---------------------------------------------------------------- the translator, in its jail

static struct codecache_sha256 *sha256; // of this process alone, which is nothing else

static void digest(const void *from, size_t n, uint8_t to[32])
{
    codecache_sha256_add(sha256, from, n);
    codecache_sha256_end(sha256, to);
}

enum { RECORDS = JAIL_OWN + 2 };

static int translate(const struct work *w, struct codecache_sha256 *hash)
{
    struct belljar_ahead ahead = {.slots = w->slots, .nslots = w->nslots, .digest = digest};
    struct host_jail jail = {.outside = (const int[]){w->wanted},
                             .noutside = 1,
                             .own = (const int[]){w->image, w->wanted, w->records},
                             .nown = 3,
                             .cpu_seconds = TRANSLATOR_SECONDS,
                             .parent = getppid()};
    struct belljar_options o = w->line->box;
    struct belljar_image *image;
    char why[256];
    sha256 = hash;
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
    int status = 1;
    if (!codecache_sha256_open(&hash, why)) return false;
    pid_t pid = fork();
    if (pid == 0) _exit(translate(w, &hash));
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

static bool slot_was_given(const struct work *w, uint32_t slot)
{
    for (unsigned i = 0; i < w->nslots; i++)
        if (w->slots[i] == slot) return true;
    return false;
}

// Records whose sizes belljar_ahead_check has looked at.
static bool take_all(struct work *w, const uint8_t *at, size_t n)
{
    bool any = false;
    for (const uint8_t *end = at + n; at < end;) {
        const struct store_record *r = (const void *)at;
        size_t bytes = sizeof *r;
        for (unsigned i = 0; i < STORE_SECTIONS; i++) bytes += (r->shard.section[i].bytes + 7) & ~7ull;
        any |= slot_was_given(w, r->shard.slot) && take(w, r, at + sizeof *r);
        at += bytes;
    }
    return any;
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
    if (!w->nslots || !run_translator(w)) return;
    const uint8_t *records = map_file(w->records, MAX_RECORDS, &n);
    if (!records || belljar_ahead_check(records, n, NULL) || !take_all(w, records, n)) return;
    (void)codecache_commit(w->writer, CODECACHE_LIMIT);
    w->writer = NULL;
}

// ---------------------------------------------------------------- in the background

// Nothing of the user's may be kept open: who reads our output waits for its end.
static void leave_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3 && null >= 0; i++) dup2(null, i);
    setsid();
    signal(SIGHUP, SIG_IGN);
    setpriority(PRIO_PROCESS, 0, 10);
}

static void work(struct work *w)
{
    int error;
    leave_streams();
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
    for (size_t left = w->bytes; next_mapping(&at, &left, &m, &codes);) {
        if (m.slot && m.slot <= STORE_MAX_SHARDS) used[m.slot / 64] |= 1ull << (m.slot % 64);
        wants |= is_worth_it(codes, m.ncodes, heads_of(shard_lent(w->c, m.slot)));
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
        work(&w);
        _exit(0);
    }
    if (busy >= 0) close(busy);
}
