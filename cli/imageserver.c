// See imageserver.h.
#include "cli/imageserver.h"
#include "cli/value.h"
#include "disk/diskserver.h"
#include "disk/http_headers.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int failed(const char *what)
{
    return fail(STATUS_FAILED, "cannot start the image's server: %s: %s", what, strerror(errno));
}

static int open_pool(struct imageserver *s, const struct command_line *l)
{
    char why[POOL_WHY] = "";
    int err = pool_open(&s->pool, l->record < 0 ? l->pool : "none", l->cache_size, why);
    return err ? fail(STATUS_FAILED, "the cache of images: %s", *why ? why : strerror(-err)) : 0;
}

static int read_headers(struct http_headers *h, const struct command_line *l)
{
    char why[HTTP_WHY];
    if (http_headers_add_environment(h, why)) return fail(STATUS_FAILED, "%s", why);
    for (unsigned i = 0; i < l->nhttp_header; i++)
        if (http_headers_add(h, l->http_header[i], why)) return fail(STATUS_FAILED, "--http-header: %s", why);
    return 0;
}

// The mapping that can be written to is for the server alone.
static int fork_server(struct imageserver *s, struct diskserver *d)
{
    int keep[POOL_FDS + 2], pipe[2];
    if (pipe2(pipe, O_CLOEXEC)) return -1;
    uint64_t spare;
    (void)pool_spare(s->pool, &spare); // makes it, for both
    unsigned n = pool_descriptors(s->pool, keep);
    keep[n++] = d->alive = pipe[1];
    if (d->record >= 0) keep[n++] = d->record;
    int err = server_start(&s->server, diskserver_serve, d, keep, n);
    close(pipe[1]);
    pool_lend(s->pool); // a worker that is forked now cannot change what later boxes believe
    s->ended = pipe[0];
    return err;
}

static int start(struct imageserver *s, const struct command_line *l)
{
    struct diskserver d = {.image = l->image, .record = l->record};
    *s = (struct imageserver){.table = -1, .ended = -1};
    if (!diskserver_is_for(l->image) && l->record < 0) return 0;
    s->image = l->image;
    s->name = http_shown(s->image, s->url); // a URL may have a password in it, or a query that is one
    int status = open_pool(s, l);
    if (status) return status;
    d.pool = s->pool;
    s->table = diskserver_memory(&d.shared);
    if (s->table < 0) return failed("shared memory that can be sealed (Linux 5.1)");
    struct http_headers headers = {0};
    status = read_headers(&headers, l);
    uint64_t stall = l->http_timeout_ns / 1000000000 + (l->http_timeout_ns % 1000000000 != 0);
    d.http = (struct http_options){.headers = (const char *const *)headers.line,
                                   .nheaders = headers.n,
                                   .netrc = true,
                                   .stall_seconds = stall < 86400 ? (unsigned)stall : 86400};
    int err = status ? 0 : fork_server(s, &d);
    http_headers_wipe(&headers); // the worker must not have them
    munmap(d.shared, DISK_BYTES);
    if (status) return status;
    if (err) return failed("fork");
    s->head = mmap(NULL, DISK_TABLE, PROT_READ, MAP_SHARED, s->table, 0);
    if (s->head == MAP_FAILED) return failed("mmap");
    s->progress = isatty(2) && !(l->box.trace && l->box.trace_fd == 2);
    return 0;
}

int imageserver_start(struct imageserver *s, const struct command_line *l)
{
    int status = start(s, l);
    if (status && s->pool) pool_close(s->pool);
    if (status) s->pool = NULL;
    return status;
}

void imageserver_own(const struct imageserver *s, int fd[IMAGESERVER_OWN])
{
    uint64_t bytes;
    int pins = pool_pins(s->pool), spare = pool_spare(s->pool, &bytes);
    fd[0] = pool_blocks(s->pool);
    fd[1] = s->table;
    fd[2] = spare < 0 ? s->table : spare; // read as slots it gives nonsense, but there is none to be read
    fd[3] = pins < 0 ? s->table : pins;
}

bool imageserver_opening(const struct imageserver *s)
{
    return s->image && disk_load(&s->head->state) == DISK_OPENING;
}

bool imageserver_stuck(const struct imageserver *s)
{
    enum { LONG = 2000 };
    struct timespec t;
    uint64_t since = s->image ? __atomic_load_n(&s->head->waits_since, __ATOMIC_ACQUIRE) : 0;
    if (!since || clock_gettime(CLOCK_MONOTONIC, &t)) return false;
    uint64_t now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    return now > since && now - since > LONG;
}

bool imageserver_ended(const struct imageserver *s)
{
    return s->image && !s->told && disk_load(&s->head->state) == DISK_ENDED;
}

int imageserver_tell_end(struct imageserver *s)
{
    char why[DISK_WHY];
    s->told = true;
    imageserver_hide(s);
    if (disk_load(&s->head->state) != DISK_ENDED) return fail(STATUS_FAILED, "%s: the image's server died", s->name);
    printable(why, s->head->why, sizeof why); // may come from a server on the network
    return fail(STATUS_FAILED, "%s", why);
}

void imageserver_end(struct imageserver *s)
{
    char why[DISK_WHY];
    if (!s->image) return;
    pool_close(s->pool);
    s->pool = NULL;
    if (s->told || !disk_load(&s->head->failed)) return;
    printable(why, s->head->problem, sizeof why);
    fail(STATUS_FAILED, "some of the image could not be read: %s", why);
}

// ---------------------------------------------------------------- progress

void imageserver_hide(struct imageserver *s)
{
    if (s->shown) dprintf(2, "\r\033[K");
    s->shown = false;
}

// What stands behind the last '/' that has something behind it, without a query.
static void short_name(const char *image, char *to, size_t size)
{
    size_t end = strcspn(image, "?#"), from = end;
    while (from > 0 && image[from - 1] != '/') from--;
    if (end - from > size - 1) end = from + size - 1;
    for (size_t i = from; i < end; i++) *to++ = image[i] < ' ' || image[i] == 127 ? '?' : image[i];
    *to = 0;
}

static void show(struct imageserver *s)
{
    char name[41];
    short_name(s->image, name, sizeof name);
    dprintf(2, "\rbelljar: fetching %s: %.1f MB, %" PRIu64 " requests\033[K", name, (double)s->bytes / 1e6,
            s->head->requests);
    s->shown = true;
}

// From half a second on, and while something comes.
void imageserver_tick(struct imageserver *s)
{
    enum { SLOW = 5, IDLE = 10 };
    s->ticks++;
    if (s->head->received != s->bytes) s->changed = s->ticks;
    s->bytes = s->head->received;
    if (s->ticks >= SLOW && s->changed && s->ticks - s->changed < IDLE)
        show(s);
    else
        imageserver_hide(s);
}

// ---------------------------------------------------------------- the end

void imageserver_report(const struct imageserver *s, FILE *f)
{
    const struct disk_head *h = s->head;
    if (!s->image) return;
    fprintf(f,
            ", \"disk\": {\"requests\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"retries\": %" PRIu64
            ", \"chunks\": %" PRIu32 ", \"cache_hits\": %" PRIu32 ", \"fetched\": %" PRIu32 ", \"failed\": %" PRIu32
            "}",
            h->requests, h->received, h->retries, h->chunks, h->hits, h->fetched, h->failed);
}
