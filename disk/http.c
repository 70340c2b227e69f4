// Requests: their queue, libcurl's transfers, tries, redirects. See http.h for what callers know, http_private.h for
// the other files.
//
// A request waits (http->waiting) until it may begin, is under way (http->running), and is told once it has ended.
// Within libcurl's callbacks nothing is started or removed: sinks may ask for more, which waits for the next http_run.
#include "disk/http_private.h"
#include "disk/library.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { STALL_SECONDS = 15, TRIES = 5 };
enum { CONNECTIONS = 6, STREAMS = 24 }; // requests at once: HTTP/1.1, HTTP/2
enum { AHEAD_LESS = 2 };                // of them are for what somebody waits for
enum { MOST_FDS = 16 };

// ---------------------------------------------------------------- opening

static int load(struct http_curl *c, char *why)
{
#define FUNCTION(MEMBER, NAME) LIBRARY_FUNCTION(struct http_curl, MEMBER, NAME)
    static const struct library_function wanted[] = {
        FUNCTION(global_init, "curl_global_init"),
        FUNCTION(global_cleanup, "curl_global_cleanup"),
        FUNCTION(easy_init, "curl_easy_init"),
        FUNCTION(easy_cleanup, "curl_easy_cleanup"),
        FUNCTION(setopt, "curl_easy_setopt"),
        FUNCTION(getinfo, "curl_easy_getinfo"),
        FUNCTION(strerror, "curl_easy_strerror"),
        FUNCTION(multi_init, "curl_multi_init"),
        FUNCTION(multi_cleanup, "curl_multi_cleanup"),
        FUNCTION(multi_setopt, "curl_multi_setopt"),
        FUNCTION(multi_add, "curl_multi_add_handle"),
        FUNCTION(multi_remove, "curl_multi_remove_handle"),
        FUNCTION(perform, "curl_multi_perform"),
        FUNCTION(info_read, "curl_multi_info_read"),
        FUNCTION(poll, "curl_multi_poll"),
        FUNCTION(slist_append, "curl_slist_append"),
        FUNCTION(slist_free, "curl_slist_free_all"),
        FUNCTION(url, "curl_url"),
        FUNCTION(url_cleanup, "curl_url_cleanup"),
        FUNCTION(url_set, "curl_url_set"),
        FUNCTION(url_get, "curl_url_get"),
        FUNCTION(free, "curl_free"),
    };
#undef FUNCTION
    return library_load(c, &c->library, "libcurl.so.4", "libcurl4", wanted, sizeof wanted / sizeof *wanted, why,
                        HTTP_WHY);
}

static int take_headers(struct http *h, const struct http_options *o, char *why)
{
    h->headers = calloc(o->nheaders + 1, sizeof *h->headers);
    for (unsigned i = 0; h->headers && i < o->nheaders; i++) {
        if (!http_is_header(o->headers[i])) {
            snprintf(why, HTTP_WHY, "header %u is not one as 'Name: value'", i + 1);
            return -1;
        }
        h->headers[i] = strdup(o->headers[i]);
        if (!h->headers[i]) break;
        h->nheaders++;
    }
    if (h->headers && h->nheaders == o->nheaders) return 0;
    snprintf(why, HTTP_WHY, "no memory");
    return -1;
}

int http_open(struct http **to, const struct http_options *o, char why[HTTP_WHY])
{
    struct http *h = calloc(1, sizeof *h);
    *why = 0;
    *to = NULL;
    if (!h) {
        snprintf(why, HTTP_WHY, "no memory");
        return -1;
    }
    h->waiting_end = &h->waiting;
    h->stall_seconds = o->stall_seconds ? o->stall_seconds : STALL_SECONDS;
    h->tries = o->tries ? o->tries : TRIES;
    h->netrc = o->netrc;
    h->random = (uint32_t)http_now() | 1;
    if (take_headers(h, o, why)) {
        http_close(h);
        return -1;
    }
    *to = h;
    return 0;
}

// libcurl is there, or h->problem says why not.
static bool is_ready(struct http *h)
{
    if (h->multi || *h->problem) return h->multi;
    if (load(&h->curl, h->problem)) return false;
    if (h->curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) h->multi = h->curl.multi_init();
    if (!h->multi) {
        snprintf(h->problem, sizeof h->problem, "libcurl does not start");
        return false;
    }
    h->curl.multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS);
    h->curl.multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS * 2);
    return true;
}

// ---------------------------------------------------------------- ends

static void free_requests(struct http *h, struct http_request *r)
{
    while (r) {
        struct http_request *next = r->next;
        http_free_request(h, r);
        r = next;
    }
}

static void free_resource(struct http_resource *f)
{
    explicit_bzero(f->url, strlen(f->url));
    free(f->url);
    http_place_free(&f->place);
    http_place_free(&f->moved);
    free(f);
}

void http_close(struct http *h)
{
    if (!h) return;
    free_requests(h, h->waiting);
    free_requests(h, h->running);
    while (h->resources) {
        struct http_resource *f = h->resources;
        h->resources = f->next;
        free_resource(f);
    }
    if (h->multi) {
        h->curl.multi_cleanup(h->multi);
        h->curl.global_cleanup();
    }
    for (unsigned i = 0; i < h->nheaders; i++) {
        explicit_bzero(h->headers[i], strlen(h->headers[i]));
        free(h->headers[i]);
    }
    free(h->headers);
    free(h); // the library stays: others of this process may use it
}

// ---------------------------------------------------------------- resources

struct http_resource *http_resource(struct http *h, const char *url)
{
    struct http_resource *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->http = h;
    f->url = strdup(url);
    if (!f->url) {
        free(f);
        return NULL;
    }
    http_shown_url(url, f->shown);
    f->next = h->resources;
    h->resources = f;
    return f;
}

void http_free_if_forgotten(struct http_resource *f)
{
    if (!f->forgotten || f->requests) return;
    for (struct http_resource **at = &f->http->resources; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            free_resource(f);
            return;
        }
}

void http_forget(struct http_resource *f)
{
    f->forgotten = true;
    http_free_if_forgotten(f);
}

void http_past_caches(struct http_resource *f)
{
    f->past_caches = true;
}

void http_set_pin(struct http_resource *f, const struct http_pin *pin)
{
    char tag[HTTP_PIN];
    bool weak = false;
    size_t n = strnlen(pin->tag, HTTP_PIN);
    // It becomes a header, and where it was kept is not believed either.
    f->pinned = n < HTTP_PIN && pin->bytes <= INT64_MAX &&
                ((http_parse_etag(pin->tag, n, tag, &weak) && !weak) || http_parse_date(pin->tag, n, tag));
    f->pin = f->pinned ? *pin : (struct http_pin){0};
}

const struct http_pin *http_pin(const struct http_resource *f)
{
    return &f->pin;
}

const char *http_problem(const struct http_resource *f)
{
    return f->problem;
}

// ---------------------------------------------------------------- the queue

void http_put(struct http *h, struct http_request *r)
{
    r->next = NULL;
    *h->waiting_end = r;
    h->waiting_end = &r->next;
}

static struct http_request *take_out(struct http_request **at, struct http_request ***end)
{
    struct http_request *r = *at;
    *at = r->next;
    if (!r->next && end) *end = at;
    r->next = NULL;
    return r;
}

static int add(struct http_resource *f, enum http_kind kind, bool ahead, uint64_t offset, uint64_t n, http_sink *sink,
               void *ctx)
{
    struct http_request *r = calloc(1, sizeof *r);
    if (!r) return -1;
    uint64_t most = offset < INT64_MAX ? INT64_MAX - offset : 0;
    *r = (struct http_request){.resource = f, .kind = kind, .ahead = ahead, .offset = offset, .sink = sink, .ctx = ctx};
    r->n = n < most ? n : most;
    f->requests++;
    f->http->busy++;
    http_put(f->http, r);
    return 0;
}

int http_range(struct http_resource *f, uint64_t offset, uint64_t n, http_sink *sink, void *ctx)
{
    return add(f, HTTP_RANGE, false, offset, n, sink, ctx);
}

int http_range_ahead(struct http_resource *f, uint64_t offset, uint64_t n, http_sink *sink, void *ctx)
{
    return add(f, HTTP_RANGE, true, offset, n, sink, ctx);
}

int http_whole(struct http_resource *f, uint64_t max_bytes, http_sink *sink, void *ctx)
{
    return add(f, HTTP_WHOLE, false, 0, max_bytes, sink, ctx);
}

int http_check(struct http_resource *f, http_sink *sink, void *ctx)
{
    return add(f, HTTP_CHECK, false, 0, 1, sink, ctx);
}

void http_hurry(struct http_resource *f, uint64_t offset)
{
    for (struct http_request *r = f->http->waiting; r; r = r->next)
        if (r->resource == f && r->kind == HTTP_RANGE && offset >= r->offset && offset - r->offset < r->n)
            r->ahead = false;
}

bool http_lengthen(struct http_resource *f, const void *ctx, uint64_t n)
{
    for (struct http_request *r = f->http->waiting; r; r = r->next)
        if (r->resource == f && r->ctx == ctx && r->kind == HTTP_RANGE && n < INT64_MAX - r->offset - r->n) {
            r->n += n;
            return true;
        }
    return false;
}

unsigned http_busy(const struct http *h)
{
    return h->busy;
}

struct http_counts http_counts(const struct http *h)
{
    return h->counts;
}

// ---------------------------------------------------------------- running

// Of what may begin: somebody waits for it, before what may be needed; in the order in which it was asked for.
static struct http_request **next_to_begin(struct http *h, int64_t now)
{
    unsigned most = h->multiplexed ? STREAMS : CONNECTIONS;
    struct http_request **ahead = NULL;
    if (h->nrunning >= most) return NULL;
    for (struct http_request **at = &h->waiting; *at; at = &(*at)->next) {
        if ((*at)->not_before > now) continue;
        if (!(*at)->ahead) return at;
        if (!ahead) ahead = at;
    }
    return h->nrunning + AHEAD_LESS < most ? ahead : NULL;
}

static bool has_place(struct http *h, struct http_resource *f)
{
    return f->place.url || http_place(&h->curl, NULL, f->url, &f->place) == HTTP_PLACED;
}

static void begin(struct http *h, struct http_request *r)
{
    if (r->resource->forgotten) {
        http_tell(h, r, HTTP_OK);
    } else if (!is_ready(h) || !has_place(h, r->resource)) {
        http_end(r, HTTP_FAILED, "%s", *h->problem ? h->problem : "is not a URL of http or https");
        http_tell(h, r, HTTP_FAILED);
    } else if (r->kind == HTTP_RANGE && http_wanted(r) <= r->done) { // nothing is there
        http_tell(h, r, HTTP_OK);
    } else if (!http_start(h, r)) {
        http_end(r, HTTP_FAILED, "no memory");
        http_tell(h, r, HTTP_FAILED);
    } else {
        r->next = h->running;
        h->running = r;
        h->nrunning++;
    }
}

static void begin_some(struct http *h)
{
    struct http_request **at;
    int64_t now = http_now();
    while ((at = next_to_begin(h, now))) begin(h, take_out(at, &h->waiting_end));
}

static void leave_running(struct http *h, struct http_request *r)
{
    for (struct http_request **at = &h->running; *at; at = &(*at)->next)
        if (*at == r) {
            take_out(at, NULL);
            h->nrunning--;
            return;
        }
}

static void end_some(struct http *h)
{
    int more;
    CURLMsg *m;
    while ((m = h->curl.info_read(h->multi, &more))) {
        struct http_request *r = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE) continue;
        h->curl.getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        leave_running(h, r);
        http_end_try(h, r, code);
    }
}

static void move(struct http *h)
{
    int running;
    begin_some(h);
    if (!h->multi) return;
    h->curl.perform(h->multi, &running);
    end_some(h);
}

// Until the first that waits may try again; one that only waits for others needs no clock.
static int shorter(const struct http *h, int timeout_ms)
{
    int64_t now = http_now(), first = timeout_ms < 0 ? 3600000 : timeout_ms;
    for (const struct http_request *r = h->waiting; r; r = r->next)
        if (r->not_before > now && r->not_before - now < first) first = r->not_before - now;
    return (int)first;
}

static bool is_readable(const int *fds, unsigned n, int timeout_ms)
{
    struct pollfd p[MOST_FDS];
    for (unsigned i = 0; i < n; i++) p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    return poll(p, n, timeout_ms) > 0;
}

bool http_run(struct http *h, const int *fds, unsigned n, int timeout_ms)
{
    struct curl_waitfd wait[MOST_FDS];
    if (n > MOST_FDS) n = MOST_FDS;
    for (unsigned i = 0; i < n; i++) wait[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
    struct http_counts before = h->counts;
    unsigned busy = h->busy;
    move(h);
    // The caller may be content with what has come.
    bool moved = before.bytes != h->counts.bytes || busy != h->busy;
    int timeout = moved || next_to_begin(h, http_now()) ? 0 : shorter(h, timeout_ms);
    if (!h->multi) return is_readable(fds, n, timeout); // nothing was ever asked for
    h->curl.poll(h->multi, wait, n, timeout, NULL);
    move(h);
    return is_readable(fds, n, 0);
}
