// See diskserver.h. The worker may be in a guest's hands: of its wants each number is checked, and what it gets for
// them it could have had anyway. All is done by the events of one loop; nothing here blocks for the worker.
#include "disk/diskserver.h"
#include "disk/hotlist.h"
#include "disk/landlock.h"
#include "disk/manifest.h"
#include "disk/source.h"
#include "host/link.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// F_SEAL_FUTURE_WRITE: Linux 5.1 (fcntl(2)); the C library's header may be older.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum {
    GROUP = 64,           // chunks that are sought in the pool together
    SWEEP_CHUNKS = 8192,  // an image with more is sought only where it is used
    CHECK_AFTER_MS = 100, // the start itself goes first
    CHECK_SECONDS = 10,   // how long after the command's end
    END_SECONDS = 5,      // that a box may take to be ended
    // What may be needed comes little at once, so that what somebody waits for has most of the line. In parts.
    MAYBE_RANGES = 256,
    MAYBE_BUSY = 32, // while somebody waits
    MAYBE_IDLE = 48,
    MAYBE_RUN = 16,
};

struct serving {
    const struct diskserver *d;
    struct http *http;
    struct source *source;
    struct source_events events;
    int link;
    uint32_t *table;
    uint32_t chunks, pieces, parts;       // parts: of a piece
    uint8_t *sought;                      // a bit per group
    uint8_t *looked;                      // a bit per chunk: sought alone
    uint8_t *urgent;                      // a bit per piece: the worker waits for it
    uint32_t swept;                       // groups
    bool opened, ended, gone, noted;      // noted: opened from the pool's notes, so to be checked
    bool missed;                          // something that the worker waited for was not there
    uint64_t check_at;                    // 0: no check is due
    struct disk_want maybe[MAYBE_RANGES]; // the last is the next
    unsigned nmaybe;
    uint8_t *guessed;          // a bit per piece: asked for as one of these
    uint32_t guesses, awaited; // pieces under way: of these; that the worker waits for
    struct hotlist hot;
    char *hot_text;
    size_t hot_bytes;
    enum { HOT_NONE, HOT_ASKED, HOT_HERE, HOT_DONE } hot_state;
};

bool diskserver_is_for(const char *image)
{
    return http_is_url(image) || manifest_is_named(image);
}

int diskserver_memory(struct disk_head **shared)
{
    int fd = memfd_create("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    void *at =
        ftruncate(fd, DISK_BYTES) ? MAP_FAILED : mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)) {
        *shared = at;
        return fd;
    }
    int err = errno;
    if (at != MAP_FAILED) munmap(at, DISK_BYTES);
    close(fd);
    errno = err;
    return -1;
}

// ---------------------------------------------------------------- what it tells

// What is full holds news that are still to be read, and after these the worker looks at everything.
static void tell_news(const struct serving *s)
{
    (void)send(s->link, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void set(struct serving *s, uint32_t chunk, uint32_t word)
{
    __atomic_store_n(&s->table[chunk], word, __ATOMIC_RELEASE);
}

static void copy_line(char to[DISK_WHY], const char *line)
{
    snprintf(to, DISK_WHY, "%s", line);
}

static void end(struct serving *s, const char *why)
{
    if (s->ended) return;
    s->ended = true;
    copy_line(s->d->shared->why, why);
    __atomic_store_n(&s->d->shared->state, DISK_ENDED, __ATOMIC_RELEASE);
    tell_news(s);
}

static void count(struct serving *s)
{
    struct http_counts c = http_counts(s->http);
    s->d->shared->requests = c.requests;
    s->d->shared->received = c.bytes;
    s->d->shared->retries = c.retries;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// Somebody begins to wait, or something has come.
static void note_wait(const struct serving *s)
{
    __atomic_store_n(&s->d->shared->waits_since, s->awaited ? now_ms() : 0, __ATOMIC_RELEASE);
}

// ---------------------------------------------------------------- what is there

// Something has come, or never will.
static void settled(struct serving *s, uint32_t piece)
{
    s->guesses -= disk_marked(s->guessed, piece);
    if (!disk_marked(s->urgent, piece)) return;
    s->awaited--;
    note_wait(s);
    tell_news(s);
}

// What is there is not taken back: a place that lacks some of it is none. Others may have brought what is on its way.
static bool set_place(struct serving *s, uint32_t chunk, struct pool_place at)
{
    uint32_t word = s->table[chunk], was = disk_slot(word), there = disk_there(word), now = at.parts;
    if (!at.slot || at.slot > DISK_ZERO || (was && at.slot != was && there & ~now)) return false;
    if (at.slot == was) now |= there;
    set(s, chunk, disk_word(at.slot, disk_failed(word) & ~now, now));
    for (unsigned i = 0; i < DISK_PARTS; i += s->parts)
        if ((now & ~(there | disk_failed(word))) >> i & 1) settled(s, (chunk * DISK_PARTS + i) / s->parts);
    return true;
}

static void found(struct serving *s, uint32_t chunk, struct pool_place at)
{
    uint32_t before = disk_there(s->table[chunk]);
    set_place(s, chunk, at);
    uint32_t more = disk_there(s->table[chunk]) & ~before;
    s->d->shared->hits += (uint32_t)__builtin_popcount(more) / s->parts;
}

// ---------------------------------------------------------------- the pool

static void seek_group(struct serving *s, uint32_t group)
{
    uint8_t keys[GROUP][POOL_KEY];
    uint32_t which[GROUP], n = 0;
    struct pool_place places[GROUP] = {{0}};
    if (disk_mark(s->sought, group)) return;
    for (uint32_t c = group * GROUP; c < s->chunks && c / GROUP == group; c++) {
        if (s->table[c]) continue;
        if (s->source->ops->key(s->source, c, keys[n]))
            which[n++] = c;
        else
            set(s, c, disk_word(DISK_ZERO, 0, DISK_ALL));
    }
    if (n) pool_find_all(s->d->pool, keys, n, places);
    for (uint32_t i = 0; i < n; i++) found(s, which[i], places[i]);
}

static bool is_absent(const struct serving *s, uint32_t piece)
{
    uint32_t word = s->table[disk_chunk(piece, s->parts)];
    return disk_parts(piece, s->parts) & ~(disk_there(word) | disk_failed(word));
}

// ---------------------------------------------------------------- wants

// Once for each chunk, and what the pool has yet to look at before it gives it is looked at now.
static bool is_missing(struct serving *s, uint32_t piece)
{
    uint8_t key[POOL_KEY];
    uint32_t chunk = disk_chunk(piece, s->parts);
    seek_group(s, chunk / GROUP);
    if (!is_absent(s, piece)) return false;
    if (disk_mark(s->looked, chunk) || !s->source->ops->key(s->source, chunk, key)) return true;
    found(s, chunk, pool_find_parts(s->d->pool, key));
    return is_absent(s, piece);
}

// Runs of pieces that are not there go to the source as one.
static void want(struct serving *s, uint32_t first, uint32_t n, enum source_want how)
{
    for (uint32_t i = first, from; i < first + n && !s->ended;) {
        for (; i < first + n && !is_missing(s, i); i++) continue;
        for (from = i; i < first + n && is_missing(s, i); i++) continue;
        if (i > from) s->source->ops->want(s->source, from, i - from, how);
    }
}

// ---------------------------------------------------------------- the hot list of a plain image

static void want_hot(struct serving *s)
{
    char why[HOTLIST_WHY];
    s->hot_state = HOT_DONE;
    if (!hotlist_parse(&s->hot, s->hot_text, s->hot_bytes, s->pieces, why)) {
        for (uint32_t i = 0; i < s->hot.n; i++) want(s, s->hot.range[i].first, s->hot.range[i].count, SOURCE_AHEAD);
    }
    hotlist_free(&s->hot);
    free(s->hot_text);
    s->hot_text = NULL;
}

static void take_hot(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct serving *s = ctx;
    if (n && offset + n <= HOTLIST_BYTES && s->hot_text) {
        memcpy(s->hot_text + offset, bytes, n);
        s->hot_bytes = (size_t)offset + n;
    }
    if (n) return;
    s->hot_state = result == HTTP_OK && s->hot_bytes ? HOT_HERE : HOT_DONE; // one that is not there does not matter
    if (s->opened && s->hot_state == HOT_HERE) want_hot(s);
}

// URL.hot, before what may follow the path. NULL: no memory.
static char *hot_url(const char *image)
{
    size_t n = strcspn(image, "?#"), all = strlen(image);
    char *url = malloc(all + sizeof ".hot");
    if (!url) return NULL;
    memcpy(url, image, n);
    memcpy(url + n, ".hot", 4);
    memcpy(url + n + 4, image + n, all - n + 1);
    return url;
}

// When something is missing, once.
static void ask_for_hot(struct serving *s)
{
    if (s->hot_state != HOT_NONE || s->d->record >= 0 || !http_is_url(s->d->image) || manifest_is_named(s->d->image))
        return;
    s->hot_state = HOT_ASKED;
    char *url = hot_url(s->d->image);
    s->hot_text = malloc(HOTLIST_BYTES);
    struct http_resource *f = url && s->hot_text ? http_resource(s->http, url) : NULL;
    if (f) (void)http_whole(f, HOTLIST_BYTES, take_hot, s);
    free(url);
}

// ---------------------------------------------------------------- the worker's packets

// Ranges that find no room are forgotten, the oldest first.
static void guess(struct serving *s, const struct disk_want *w)
{
    if (s->nmaybe == MAYBE_RANGES) memmove(s->maybe, s->maybe + 1, --s->nmaybe * sizeof *s->maybe);
    s->maybe[s->nmaybe++] = *w;
}

// Somebody waits for a piece in one of them: what lies behind it comes first now.
static void guess_behind(struct serving *s, uint32_t piece)
{
    struct disk_want *w = s->maybe, *end = s->maybe + s->nmaybe;
    while (w < end && (piece < w->first || piece - w->first >= w->count)) w++;
    if (w == end) return;
    struct disk_want rest = {piece + 1, w->first + w->count - piece - 1, DISK_MAYBE};
    w->count = piece - w->first;
    guess(s, &rest);
}

// The next of them that is missing, and its neighbours.
static uint32_t next_guess(struct serving *s, uint32_t *first)
{
    while (s->nmaybe) {
        struct disk_want *w = &s->maybe[s->nmaybe - 1];
        uint32_t n = 0;
        for (; w->count && !is_missing(s, w->first); w->count--) w->first++;
        for (*first = w->first; n < MAYBE_RUN / s->parts && w->count && is_missing(s, w->first); n++, w->count--)
            w->first++;
        if (n) return n;
        s->nmaybe--;
    }
    return 0;
}

static void ask_for_guesses(struct serving *s)
{
    uint32_t first, n;
    while (!s->ended && s->guesses * s->parts < (s->awaited ? MAYBE_BUSY : MAYBE_IDLE) && (n = next_guess(s, &first))) {
        for (uint32_t i = first; i < first + n; i++) s->guesses += !disk_mark(s->guessed, i);
        want(s, first, n, SOURCE_AHEAD);
    }
}

static void record(const struct serving *s, const struct disk_want *w)
{
    for (uint32_t i = w->first; i < w->first + w->count; i++) dprintf(s->d->record, "%" PRIu32 "\n", i);
}

static void serve_want(struct serving *s, const struct disk_want *w)
{
    bool now = w->urgency == DISK_NOW, there = false;
    if (w->first >= s->pieces || w->count > s->pieces - w->first) return;
    if (s->d->record >= 0 && !now) return;
    if (s->d->record >= 0) record(s, w);
    for (uint32_t i = w->first; now && i < w->first + w->count; i++) {
        bool missing = is_missing(s, i);
        if (missing && !disk_mark(s->urgent, i) && s->awaited++ == 0) note_wait(s);
        if (missing) ask_for_hot(s);
        if (missing) guess_behind(s, i);
        s->missed |= missing;
        there |= !missing;
    }
    if (w->urgency == DISK_MAYBE)
        guess(s, w);
    else
        want(s, w->first, w->count, now ? SOURCE_NOW : SOURCE_AHEAD);
    if (there) tell_news(s);
}

static void take_packets(struct serving *s)
{
    struct disk_want w[DISK_WANTS];
    while (!s->gone) {
        int64_t n = host_link_take(s->link, w, sizeof w, false);
        if (n == -EAGAIN) return;
        if (n <= 0) s->gone = true;
        size_t wants = n > 0 && s->opened ? (size_t)n / sizeof *w : 0;
        if (wants > DISK_WANTS) wants = DISK_WANTS;
        for (size_t i = 0; i < wants && !s->ended; i++)
            if (w[i].urgency != DISK_MAYBE) serve_want(s, &w[i]);
        for (size_t i = wants; i > 0 && !s->ended; i--) // the last is the next
            if (w[i - 1].urgency == DISK_MAYBE) serve_want(s, &w[i - 1]);
    }
}

// ---------------------------------------------------------------- what the source tells

static void on_opened(void *ctx)
{
    struct serving *s = ctx;
    struct disk_head *h = s->d->shared;
    const struct source *from = s->source;
    if (s->opened || !from) return; // from the call that makes it: after_open
    if (!from->bytes || from->chunks > DISK_MAX_CHUNKS || (from->bytes + DISK_CHUNK - 1) / DISK_CHUNK != from->chunks) {
        end(s, "the image is empty, or larger than 1 TiB");
        return;
    }
    s->chunks = from->chunks;
    s->parts = from->piece;
    s->pieces = source_pieces(from);
    s->sought = calloc(1, s->chunks / GROUP / 8 + 1);
    s->looked = calloc(1, s->chunks / 8 + 1);
    s->urgent = calloc(1, s->pieces / 8 + 1);
    s->guessed = calloc(1, s->pieces / 8 + 1);
    if (!s->sought || !s->urgent || !s->looked || !s->guessed) {
        end(s, "not enough memory");
        return;
    }
    s->opened = true;
    h->chunks = from->chunks;
    h->piece = s->parts;
    h->bytes = from->bytes;
    memcpy(h->digest, from->digest, sizeof h->digest);
    seek_group(s, 0);
    __atomic_store_n(&h->state, DISK_OPEN, __ATOMIC_RELEASE);
    tell_news(s);
    if (s->hot_state == HOT_HERE) want_hot(s);
}

// Where it lies from now on; slot 0: there is no room.
static struct pool_place keep(struct serving *s, uint32_t piece, const void *bytes)
{
    uint8_t key[POOL_KEY];
    uint32_t chunk = disk_chunk(piece, s->parts), word = s->table[chunk];
    if (!s->source->ops->key(s->source, chunk, key)) return (struct pool_place){DISK_ZERO, DISK_ALL};
    if (s->parts == DISK_PARTS) return (struct pool_place){pool_add(s->d->pool, key, bytes), DISK_ALL};
    return pool_add_part(s->d->pool, key, piece % DISK_PARTS, bytes,
                         (struct pool_place){disk_slot(word), disk_there(word)});
}

static void on_piece(void *ctx, uint32_t piece, const void *bytes)
{
    struct serving *s = ctx;
    if (!s->opened || piece >= s->pieces || !is_absent(s, piece)) return;
    if (!set_place(s, disk_chunk(piece, s->parts), keep(s, piece, bytes))) {
        s->events.failed(s, piece, "no room for what was fetched: the disk with the cache is full");
        return;
    }
    s->d->shared->fetched++;
}

static void on_failed(void *ctx, uint32_t piece, const char *why)
{
    struct serving *s = ctx;
    if (!s->opened || s->ended || piece >= s->pieces || !is_absent(s, piece)) return;
    uint32_t chunk = disk_chunk(piece, s->parts), word = s->table[chunk];
    if (!s->d->shared->problem[0]) copy_line(s->d->shared->problem, why);
    __atomic_store_n(&s->d->shared->failed, s->d->shared->failed + 1, __ATOMIC_RELEASE);
    set(s, chunk, word | disk_word(0, disk_parts(piece, s->parts) & ~disk_there(word), 0));
    settled(s, piece);
}

static void on_ended(void *ctx, const char *why)
{
    end(ctx, why);
}

// ---------------------------------------------------------------- the loop

static struct source *make_source(struct serving *s)
{
    const char *image = s->d->image;
    if (http_is_url(image))
        return manifest_is_named(image) ? source_packed(s->http, s->d->pool, image, &s->events)
                                        : source_plain(s->http, s->d->pool, image, &s->events);
    return manifest_is_named(image) ? source_packed_directory(image, &s->events) : source_file(image, &s->events);
}

static bool open_source(struct serving *s)
{
    char why[HTTP_WHY] = "not enough memory";
    s->events = (struct source_events){s, on_opened, on_piece, on_failed, on_ended};
    if (!http_open(&s->http, &s->d->http, why)) s->source = make_source(s);
    if (!s->source) end(s, why);
    return s->source != NULL;
}

// The pool's notes knew the image: `opened` came from the call itself, which could not know the source yet.
static void after_open(struct serving *s)
{
    if (s->ended) return;
    if (!s->source->chunks) {
        ask_for_hot(s);
        return;
    }
    on_opened(s);
    s->noted = s->source->ops->check != NULL;
    if (s->noted) s->check_at = now_ms() + CHECK_AFTER_MS;
}

static void sweep(struct serving *s)
{
    if (s->chunks <= SWEEP_CHUNKS && s->swept * GROUP < s->chunks) seek_group(s, s->swept++);
}

static bool is_swept(const struct serving *s)
{
    return s->chunks > SWEEP_CHUNKS || s->swept * GROUP >= s->chunks;
}

static void check(struct serving *s)
{
    s->check_at = 0;
    s->source->ops->check(s->source);
}

// How long to wait for what comes, in milliseconds.
static int wait_ms(const struct serving *s)
{
    if (s->opened && !is_swept(s)) return 0;
    if (!s->check_at) return -1;
    uint64_t now = now_ms();
    return s->check_at > now ? (int)(s->check_at - now) : 0;
}

static void loop(struct serving *s)
{
    while (!s->gone && !s->ended) {
        if (http_run(s->http, &s->link, 1, wait_ms(s))) take_packets(s);
        count(s);
        if (s->opened) sweep(s);
        if (s->missed) ask_for_guesses(s); // who finds everything does not ask
        if (s->check_at && now_ms() >= s->check_at) check(s);
    }
}

// The command has ended. Nobody may have to wait for this process: its standard error may be a pipe.
static void finish_check(struct serving *s)
{
    uint64_t until = now_ms() + CHECK_SECONDS * 1000;
    host_link_close(s->link);
    close(2);
    if (s->check_at) {
        nanosleep(&(struct timespec){.tv_nsec = CHECK_AFTER_MS * 1000000l},
                  NULL); // the command ends first: loading takes a processor
        check(s);
    }
    for (uint64_t now = now_ms(); http_busy(s->http) && !s->ended && now < until; now = now_ms())
        (void)http_run(s->http, NULL, 0, (int)(until - now));
}

// A worker whose server has gone gets EIO for what it waits for, and the program would see it before the box is ended:
// so the link stays until then, and nothing is answered.
static void await_end(struct serving *s)
{
    uint64_t until = now_ms() + END_SECONDS * 1000;
    struct pollfd p = {.fd = s->link, .events = POLLIN};
    close(s->d->alive);
    for (uint64_t now = now_ms(); !s->gone && now < until; now = now_ms())
        if (poll(&p, 1, (int)(until - now)) > 0) take_packets(s);
}

// What the network sends is parsed here, with the user's rights: it may read, for libraries, certificates and names of
// hosts, but change nothing beyond what is open, and run nothing.
static void fence(void)
{
    struct landlock l;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return;
    if (landlock_open(&l, 1, LANDLOCK_ALL & ~LANDLOCK_READS, LANDLOCK_BIND_TCP,
                      LANDLOCK_ABSTRACT_UNIX | LANDLOCK_SIGNALS))
        landlock_close(&l, true);
}

int diskserver_serve(void *diskserver, int link)
{
    const struct diskserver *d = diskserver;
    struct serving s = {.d = d, .link = link, .table = (uint32_t *)(void *)((char *)d->shared + DISK_TABLE)};
    prctl(PR_SET_PDEATHSIG, 0); // the link's end is its own; nothing should be left half done
    fence();
    if (!open_source(&s)) return 1;
    after_open(&s);
    loop(&s);
    if (s.gone && s.noted && !s.ended) finish_check(&s);
    if (s.ended && d->alive >= 0) await_end(&s);
    return s.ended;
}
