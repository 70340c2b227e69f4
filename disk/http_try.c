// Tries: libcurl's transfers, what they bring, and what becomes of a request when one has ended. See http_private.h.
#include "disk/http_private.h"
#include <stdlib.h>
#include <string.h>

enum { REDIRECTS = 8 };
enum { FIRST_WAIT = 100, LONGEST_WAIT = 10000 };          // ms
enum { PROGRESS = 4096, SLOWEST = 512, IGNORED = 16384 }; // bytes; SLOWEST: a second
enum { CUT_OFF = 256 << 10 };                             // bytes: less is read, for the connection's sake
enum { TOO_OFTEN = 8 };                                   // times the tries, however little comes with each

// ---------------------------------------------------------------- libcurl's callbacks

static size_t on_header(char *line, size_t one, size_t n, void *at)
{
    struct http_request *r = at;
    if (http_head_line(r, line, n) == 0) return one * n;
    http_again(r, "the server sends headers without end");
    return 0;
}

static void judge(struct http_request *r)
{
    long status = 0;
    r->resource->http->curl.getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    http_judge(r, status);
}

static size_t give(struct http_request *r, const char *bytes, size_t n)
{
    size_t skip = r->skip < n ? (size_t)r->skip : n, wanted = n - skip;
    r->skip -= skip;
    if (wanted > r->left) wanted = (size_t)r->left;
    uint64_t offset = r->offset + r->done;
    r->left -= wanted;
    r->done += wanted;
    if (wanted && r->kind != HTTP_CHECK && !r->resource->forgotten)
        r->sink(r->ctx, offset, bytes + skip, wanted, HTTP_OK);
    return skip + wanted;
}

// What is not taken ends the transfer.
static size_t on_body(char *bytes, size_t one, size_t n, void *at)
{
    struct http_request *r = at;
    r->resource->http->counts.bytes += n;
    if (r->verdict == HTTP_UNJUDGED) judge(r);
    if (r->verdict != HTTP_ACCEPT) { // a short one is read to its end, for the connection's sake
        r->ignored += n;
        return r->ignored <= IGNORED ? one * n : 0;
    }
    if (r->resource->forgotten && r->left > CUT_OFF) return 0;
    size_t taken = give(r, bytes, n);
    if (taken == n) return one * n;
    if (r->done < http_wanted(r)) http_again(r, "the server sends more than it says");
    if (r->open_end) http_end(r, HTTP_FAILED, "is larger than the %llu bytes it may have", (unsigned long long)r->n);
    return 0;
}

// ---------------------------------------------------------------- starting a transfer

static void set_long(struct http *h, struct http_request *r, CURLoption option, long value)
{
    h->curl.setopt(r->easy, option, value);
}

static void set_text(struct http *h, struct http_request *r, CURLoption option, const char *value)
{
    if (value && *value) h->curl.setopt(r->easy, option, value);
}

static void set_pointer(struct http *h, struct http_request *r, CURLoption option, void *value)
{
    h->curl.setopt(r->easy, option, value);
}

static bool add_header(struct http *h, struct http_request *r, const char *line)
{
    struct curl_slist *list = h->curl.slist_append(r->headers, line);
    if (list) r->headers = list;
    return list;
}

// Where this try goes. What redirects have told is believed for a check only from the beginning: it is about now.
static const struct http_place *place_of(const struct http_request *r)
{
    const struct http_resource *f = r->resource;
    if (r->place.url) return &r->place;
    return f->moved.url && !r->own_place && r->kind != HTTP_CHECK ? &f->moved : &f->place;
}

// RFC 9110, 14.2 and 13.1.5.
static bool add_range(struct http *h, struct http_request *r)
{
    const struct http_resource *f = r->resource;
    char line[HTTP_PIN + 32];
    uint64_t first = r->offset + r->done, last = r->kind == HTTP_CHECK ? 0 : r->offset + http_wanted(r) - 1;
    r->only_if = false;
    if (r->kind == HTTP_WHOLE && !(r->done && *f->pin.tag)) return true;
    snprintf(line, sizeof line, "Range: bytes=%llu-%llu", (unsigned long long)first, (unsigned long long)last);
    if (!add_header(h, r, line)) return false;
    // What has changed is to be told by one byte, not by all of the new version.
    if (r->kind == HTTP_CHECK || !f->pinned || !*f->pin.tag) return true;
    r->only_if = true;
    snprintf(line, sizeof line, "If-Range: %s", f->pin.tag);
    return add_header(h, r, line);
}

// The user's headers and the URL's password are for the host of the URL.
static bool add_secrets(struct http *h, struct http_request *r, const struct http_place *at)
{
    const struct http_place *own = &r->resource->place;
    if (strcmp(at->origin, own->origin)) return true;
    set_text(h, r, CURLOPT_USERNAME, own->user);
    set_text(h, r, CURLOPT_PASSWORD, own->secret);
    for (unsigned i = 0; i < h->nheaders; i++)
        if (!add_header(h, r, h->headers[i])) return false;
    return true;
}

// Which the command curl knows too; libcurl leaves them to its users.
static void set_authorities(struct http *h, struct http_request *r)
{
    const char *bundle = getenv("CURL_CA_BUNDLE");
    if (!bundle || !*bundle) bundle = getenv("SSL_CERT_FILE");
    set_text(h, r, CURLOPT_CAINFO, bundle);
    set_text(h, r, CURLOPT_CAPATH, getenv("SSL_CERT_DIR"));
}

static void set_options(struct http *h, struct http_request *r, const struct http_place *at)
{
    long stall = (long)h->stall_seconds;
    set_text(h, r, CURLOPT_URL, at->url);
    set_text(h, r, CURLOPT_PROTOCOLS_STR, "http,https");
    set_text(h, r, CURLOPT_USERAGENT, "belljar/" BELLJAR_VERSION);
    set_long(h, r, CURLOPT_NOSIGNAL, 1);
    set_long(h, r, CURLOPT_FOLLOWLOCATION, 0);
    set_long(h, r, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    set_long(h, r, CURLOPT_PIPEWAIT, h->multiplexed);
    set_long(h, r, CURLOPT_NETRC, h->netrc ? CURL_NETRC_OPTIONAL : CURL_NETRC_IGNORED);
    set_long(h, r, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
    set_long(h, r, CURLOPT_CONNECTTIMEOUT, stall);
    set_long(h, r, CURLOPT_LOW_SPEED_LIMIT, SLOWEST);
    set_long(h, r, CURLOPT_LOW_SPEED_TIME, stall);
    set_long(h, r, CURLOPT_BUFFERSIZE, 131072);
    set_long(h, r, CURLOPT_TCP_KEEPALIVE, 1);
    set_authorities(h, r);
    set_pointer(h, r, CURLOPT_ERRORBUFFER, r->error);
    set_pointer(h, r, CURLOPT_PRIVATE, r);
    set_pointer(h, r, CURLOPT_HEADERDATA, r);
    set_pointer(h, r, CURLOPT_WRITEDATA, r);
    h->curl.setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    h->curl.setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
}

static void reset_try(struct http_request *r)
{
    r->head = (struct http_head){0};
    r->head_lines = r->head_bytes = 0;
    r->verdict = HTTP_UNJUDGED;
    r->skip = r->left = r->ignored = 0;
    r->open_end = false;
    r->done_before = r->done;
    r->retry_ms = 0;
    *r->error = *r->why = 0;
}

static void drop_transfer(struct http *h, struct http_request *r)
{
    if (!r->easy) return;
    h->curl.multi_remove(h->multi, r->easy);
    h->curl.easy_cleanup(r->easy);
    h->curl.slist_free(r->headers);
    r->easy = NULL;
    r->headers = NULL;
}

// False: no memory.
bool http_start(struct http *h, struct http_request *r)
{
    const struct http_place *at = place_of(r);
    r->was_moved = at == &r->resource->moved;
    reset_try(r);
    r->easy = h->curl.easy_init();
    if (!r->easy) return false;
    set_options(h, r, at);
    bool good = add_secrets(h, r, at) && add_range(h, r) && add_header(h, r, "Accept-Encoding: identity");
    if (r->resource->past_caches) good = good && add_header(h, r, "Cache-Control: no-cache");
    set_pointer(h, r, CURLOPT_HTTPHEADER, r->headers);
    if (good && h->curl.multi_add(h->multi, r->easy) == CURLM_OK) {
        h->counts.requests++;
        return true;
    }
    drop_transfer(h, r);
    return false;
}

// ---------------------------------------------------------------- ends of tries

void http_free_request(struct http *h, struct http_request *r)
{
    drop_transfer(h, r);
    http_place_free(&r->place);
    free(r);
}

// Tells how it ended; the request is gone then.
void http_tell(struct http *h, struct http_request *r, enum http_result result)
{
    struct http_resource *f = r->resource;
    if (result != HTTP_OK) {
        snprintf(f->problem, sizeof f->problem, "%s: %.*s", f->shown, HTTP_WHY - HTTP_SHOWN - 2, r->why);
        http_printable(f->problem);
    }
    if (!f->forgotten) r->sink(r->ctx, r->offset + r->done, NULL, 0, result);
    f->requests--;
    h->busy--;
    http_free_request(h, r);
    http_free_if_forgotten(f);
}

// xorshift32: a quarter more or less, so that boxes which lost one server do not all come back at once.
static int64_t with_jitter(struct http *h, int64_t ms)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 17;
    h->random ^= h->random << 5;
    return ms * 3 / 4 + (int64_t)(h->random % (uint32_t)(ms / 2 + 1));
}

static void again(struct http *h, struct http_request *r)
{
    if (r->done - r->done_before >= PROGRESS) r->failures = 0;
    r->failures++;
    r->all_failures++;
    if (r->failures >= h->tries || r->stalls >= h->tries || r->all_failures >= h->tries * TOO_OFTEN) {
        size_t n = strlen(r->why);
        snprintf(r->why + n, sizeof r->why - n, " (tried %u times)", r->all_failures);
        http_tell(h, r, HTTP_FAILED);
        return;
    }
    int64_t wait = r->failures < 8 ? FIRST_WAIT << (r->failures - 1) : LONGEST_WAIT;
    wait = with_jitter(h, wait < LONGEST_WAIT ? wait : LONGEST_WAIT);
    r->not_before = http_now() + (wait > r->retry_ms ? wait : r->retry_ms);
    h->counts.retries++;
    r->own_place = true;
    http_put(h, r);
}

// Where a redirect led may be good for a time only (signed URLs): once more, from the resource's own.
static bool from_own_place(struct http *h, struct http_request *r)
{
    if (!r->was_moved) return false;
    r->own_place = true;
    r->not_before = 0;
    http_put(h, r);
    return true;
}

// A redirect is followed by hand: what is secret, and where it may lead, is not libcurl's to decide.
static void follow(struct http *h, struct http_request *r)
{
    struct http_place to;
    if (from_own_place(h, r)) return;
    if (!*r->head.location || ++r->redirects > REDIRECTS) {
        http_end(r, HTTP_FAILED, *r->head.location ? "redirects lead on and on" : "a redirect leads nowhere");
        return http_tell(h, r, r->result);
    }
    const struct http_place *from = r->place.url ? &r->place : &r->resource->place;
    enum http_placed placed = http_place(&h->curl, from, r->head.location, &to);
    if (placed != HTTP_PLACED) {
        http_end(r, HTTP_FAILED,
                 placed == HTTP_LESS_SAFE  ? "is redirected from https to http, which anybody on the way can change"
                 : placed == HTTP_NOT_HTTP ? "is redirected to what is neither http nor https"
                                           : "is redirected to what is no URL");
        return http_tell(h, r, r->result);
    }
    http_place_free(&r->place);
    r->place = to;
    r->not_before = 0;
    http_put(h, r);
}

// Where the answer came from is where the next ones are asked for.
static void remember_place(struct http_request *r)
{
    struct http_resource *f = r->resource;
    if (!r->place.url || r->kind == HTTP_CHECK) return;
    http_place_free(&f->moved);
    f->moved = r->place;
    r->place = (struct http_place){0};
    r->redirects = 0;
}

static void ended(struct http *h, struct http_request *r)
{
    bool refused = r->result == HTTP_FAILED || r->result == HTTP_NOT_FOUND;
    if (!refused || !from_own_place(h, r)) http_tell(h, r, r->result);
}

// Of one without a length only its end says how long it is.
static void ended_open(struct http *h, struct http_request *r)
{
    struct http_resource *f = r->resource;
    if (!f->pinned) {
        f->pin.bytes = r->done;
        snprintf(f->pin.tag, sizeof f->pin.tag, "%s", *r->head.etag && !r->head.weak ? r->head.etag : r->head.modified);
        f->pinned = true;
    } else if (f->pin.bytes != r->done)
        http_end(r, HTTP_CHANGED, "has changed on the server");
    http_tell(h, r, r->verdict == HTTP_END ? r->result : HTTP_OK);
}

static bool is_final(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
           code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_ISSUER_ERROR || code == CURLE_BAD_FUNCTION_ARGUMENT ||
           code == CURLE_COULDNT_RESOLVE_PROXY;
}

static void failed(struct http *h, struct http_request *r, CURLcode code)
{
    const char *said = *r->error ? r->error : h->curl.strerror(code);
    if (code == CURLE_OUT_OF_MEMORY) said = "the server sends a header without end, or there is no memory"; // says 7.88
    http_again(r, "%.200s", said);
    r->stalls += code == CURLE_OPERATION_TIMEDOUT; // these take long: progress does not forgive them
    if (!is_final(code)) return again(h, r);
    r->result = HTTP_FAILED;
    http_tell(h, r, HTTP_FAILED);
}

static void accepted(struct http *h, struct http_request *r, CURLcode code)
{
    bool all = !r->open_end && r->done >= http_wanted(r);
    remember_place(r);
    if (all)
        http_tell(h, r, HTTP_OK);
    else if (code != CURLE_OK)
        failed(h, r, code);
    else if (r->open_end)
        ended_open(h, r);
    else { // RFC 9110, 14.2: a server may give less than was asked for
        http_again(r, "the server sends less than it was asked for");
        if (r->done - r->done_before < PROGRESS) return again(h, r);
        r->failures = 0;
        r->not_before = 0;
        http_put(h, r);
    }
}

// The transfer has ended; what becomes of its request?
void http_end_try(struct http *h, struct http_request *r, CURLcode code)
{
    long version = 0;
    h->curl.getinfo(r->easy, CURLINFO_HTTP_VERSION, &version);
    if (version == CURL_HTTP_VERSION_2_0) h->multiplexed = true;
    if (r->verdict == HTTP_UNJUDGED && code == CURLE_OK) judge(r);
    drop_transfer(h, r);
    if (r->resource->forgotten)
        http_tell(h, r, HTTP_OK);
    else if (r->verdict == HTTP_UNJUDGED)
        failed(h, r, code);
    else if (r->verdict == HTTP_ACCEPT)
        accepted(h, r, code);
    else if (r->verdict == HTTP_AGAIN)
        again(h, r);
    else if (r->verdict == HTTP_ELSEWHERE)
        follow(h, r);
    else
        ended(h, r);
}
