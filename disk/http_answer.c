// What an answer is worth: its head line by line, and then a verdict (http_private.h). RFC 9110: 8.8 (versions), 13.1.5
// (If-Range), 14 (ranges), 15 (status). A server that contradicts itself is asked again, as if the line were bad.
#include "disk/http_private.h"
#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum { HEAD_LINES = 200, HEAD_BYTES = 65536, RETRY_AFTER_MAX = 10000 };

void http_end(struct http_request *r, enum http_result result, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(r->why, sizeof r->why, format, list);
    va_end(list);
    r->verdict = HTTP_END;
    r->result = result;
}

void http_again(struct http_request *r, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(r->why, sizeof r->why, format, list);
    va_end(list);
    r->verdict = HTTP_AGAIN;
}

// ---------------------------------------------------------------- the head

static void take_length(struct http_head *h, const char *s, size_t n)
{
    uint64_t length;
    if (!http_parse_number(s, n, &length) || (h->has_length && h->length != length)) h->broken = true;
    h->length = length;
    h->has_length = true;
}

static void take_range(struct http_head *h, const char *s, size_t n)
{
    struct http_content_range range;
    if (!http_parse_content_range(s, n, &range) || h->has_range) h->broken = true;
    h->range = range;
    h->has_range = true;
}

static void take_etag(struct http_head *h, const char *s, size_t n)
{
    if (*h->etag && (strlen(h->etag) != n || memcmp(h->etag, s, n))) h->broken = true;
    if (!http_parse_etag(s, n, h->etag, &h->weak)) *h->etag = 0;
}

static void take_modified(struct http_head *h, const char *s, size_t n)
{
    if (*h->modified && (strlen(h->modified) != n || memcmp(h->modified, s, n))) h->broken = true;
    if (!http_parse_date(s, n, h->modified)) *h->modified = 0;
}

static void take_location(struct http_head *h, const char *s, size_t n)
{
    if (n >= sizeof h->location || *h->location || memchr(s, 0, n)) {
        h->broken = true;
        return;
    }
    memcpy(h->location, s, n);
    h->location[n] = 0;
}

static void take_encoding(struct http_head *h, const char *s, size_t n)
{
    h->encoded |= n != 0 && (n != 8 || strncasecmp(s, "identity", 8));
}

static void take_retry_after(struct http_head *h, const char *s, size_t n)
{
    h->retry_ms = http_parse_retry_after(s, n, time(NULL), RETRY_AFTER_MAX);
}

static const struct {
    const char *name;
    void (*take)(struct http_head *, const char *, size_t);
} fields[] = {
    {"content-length", take_length},   {"content-range", take_range}, {"etag", take_etag},
    {"last-modified", take_modified},  {"location", take_location},   {"content-encoding", take_encoding},
    {"retry-after", take_retry_after},
};

static void take_field(struct http_head *h, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n), *end = line + n;
    if (!colon) return;
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strlen(fields[i].name) == (size_t)(colon - line) &&
            !strncasecmp(fields[i].name, line, (size_t)(colon - line)))
            fields[i].take(h, value, (size_t)(end - value));
}

int http_head_line(struct http_request *r, const char *line, size_t n)
{
    r->head_bytes += n;
    if (++r->head_lines > HEAD_LINES || r->head_bytes > HEAD_BYTES) return HTTP_LINE_TOO_MUCH;
    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
    if (n >= 5 && !memcmp(line, "HTTP/", 5))
        r->head = (struct http_head){0}; // after a 1xx
    else if (n == 0)
        r->head.ended = true;
    else if (!r->head.ended)
        take_field(&r->head, line, n);
    return 0;
}

// ---------------------------------------------------------------- which version it is

// A weak ETag says that bytes may differ; the time of the last change then says which version it is.
static const char *version_of(const struct http_head *h)
{
    return *h->etag && !h->weak ? h->etag : h->modified;
}

static void changed(struct http_request *r)
{
    http_end(r, HTTP_CHANGED, "has changed on the server");
}

// `total`: of the resource. Sets the pin, or compares. An answer to If-Range with a date need not repeat it (RFC 9110,
// 15.3.7): that it is a 206 says that it is this version.
static bool is_version(struct http_request *r, uint64_t total, bool partial)
{
    struct http_resource *f = r->resource;
    const char *version = version_of(&r->head);
    if (!f->pinned) {
        f->pin.bytes = total;
        snprintf(f->pin.tag, sizeof f->pin.tag, "%s", version);
        f->pinned = true;
        return true;
    }
    bool silent = partial && r->only_if && *f->pin.tag != '"' && !*version && !*r->head.etag;
    if (f->pin.bytes == total && (silent || !strcmp(f->pin.tag, version))) return true;
    changed(r);
    return false;
}

static void no_version(struct http_request *r)
{
    http_end(r, HTTP_NO_RANGES,
             "the server names no version of it (a strong ETag or Last-Modified is needed, to notice when it changes)");
}

// ---------------------------------------------------------------- judging

uint64_t http_wanted(const struct http_request *r)
{
    const struct http_resource *f = r->resource;
    if (!f->pinned) return r->n;
    if (r->kind == HTTP_WHOLE) return f->pin.bytes; // not more than n: http_judge sees to that
    if (r->offset >= f->pin.bytes) return 0;
    return r->n < f->pin.bytes - r->offset ? r->n : f->pin.bytes - r->offset;
}

// What has come while no length was known has set no pin: is this the same version? Says so if it is not.
static bool goes_on(struct http_request *r)
{
    const char *version = version_of(&r->head);
    if (r->done && (!*version || (r->was_open && !*r->version)))
        http_end(r, HTTP_FAILED, "came in part, and the server names no version of it to go on with");
    else if (r->done && r->was_open && strcmp(r->version, version))
        changed(r);
    else
        return true;
    return false;
}

static void too_large(struct http_request *r)
{
    http_end(r, HTTP_FAILED, "is larger than the %llu bytes it may have", (unsigned long long)r->n);
}

static void accept_partial(struct http_request *r)
{
    const struct http_head *h = &r->head;
    uint64_t first = r->offset + r->done;
    if (!h->has_range || h->range.none || h->range.first != first) {
        http_again(r, "the server sends another range than it was asked for");
        return;
    }
    if (r->kind != HTTP_WHOLE && !*version_of(h) && !r->only_if) {
        no_version(r);
        return;
    }
    if (r->kind == HTTP_WHOLE && !goes_on(r)) return;
    if (r->kind == HTTP_WHOLE && h->range.total > r->n) return too_large(r);
    if (!is_version(r, h->range.total, true)) return;
    uint64_t left = http_wanted(r) - r->done, n = h->range.last - first + 1;
    if (n > left || (h->has_length && h->length != n)) {
        http_again(r, "the server sends more or less than it says");
        return;
    }
    r->left = n;
    r->skip = 0;
    r->verdict = HTTP_ACCEPT;
}

static void accept_whole(struct http_request *r)
{
    const struct http_head *h = &r->head;
    r->skip = r->done;
    r->open_end = !h->has_length;
    r->left = (h->has_length ? h->length : r->n) - r->done;
    r->verdict = HTTP_ACCEPT;
    if (!r->open_end) return;
    r->was_open = true;
    snprintf(r->version, sizeof r->version, "%s", version_of(h));
}

// All of it, where a part was asked for, or all.
static void accept_all(struct http_request *r)
{
    const struct http_head *h = &r->head;
    bool whole = r->kind == HTTP_WHOLE;
    if (r->resource->pinned && strcmp(r->resource->pin.tag, version_of(h))) return changed(r);
    if (r->kind == HTTP_CHECK) {
        if (!h->has_length || is_version(r, h->length, false)) http_end(r, HTTP_OK, "%s", "");
        return;
    }
    if (!whole && (!h->has_length || r->offset || h->length > r->n))
        http_end(r, HTTP_NO_RANGES, "the server gives no ranges (it answers with all of it)");
    else if (!whole && !*version_of(h))
        no_version(r);
    else if (h->has_length && h->length > r->n)
        too_large(r);
    else if (h->has_length && h->length < r->done)
        changed(r);
    else if (goes_on(r) && (!h->has_length || is_version(r, h->length, false)))
        accept_whole(r);
}

// 416: there is nothing there. Right if the resource is shorter than was thought when it was asked for.
static void beyond(struct http_request *r)
{
    const struct http_head *h = &r->head;
    uint64_t total = h->range.total;
    // Without a version, an answer that says nothing is there is worth nothing: but an empty one may have no other.
    bool known = r->resource->pinned || total == 0;
    if (!h->has_range || !h->range.none || r->offset + r->done < total || !known)
        http_again(r, "the server refuses a range that it has (416)");
    else if (r->resource->pinned && r->resource->pin.bytes != total)
        changed(r);
    else
        http_end(r, HTTP_OK, "%s", "");
}

static void refused(struct http_request *r, long status)
{
    if (status == 404 || status == 410)
        http_end(r, HTTP_NOT_FOUND, "is not there (%ld)", status);
    else if (status == 401 || status == 403)
        http_end(r, HTTP_FAILED, "the server refuses access (%ld): --http-header and ~/.netrc can name who asks",
                 status);
    else if (status == 407)
        http_end(r, HTTP_FAILED, "the proxy wants a name and a password (407): put them into its URL");
    else if (status == 412)
        changed(r);
    else
        http_end(r, HTTP_FAILED, "the server answers with status %ld", status);
}

static bool may_pass(long status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

void http_judge(struct http_request *r, long status)
{
    if (may_pass(status)) {
        http_again(r, "the server answers with status %ld", status);
        r->retry_ms = r->head.retry_ms;
    } else if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
        r->verdict = HTTP_ELSEWHERE;
    else if (status != 200 && status != 206 && status != 416)
        refused(r, status);
    else if (r->head.broken)
        http_again(r, "the server's answer contradicts itself");
    else if (r->head.encoded)
        http_end(r, HTTP_FAILED, "the server sends it encoded (Content-Encoding), which has no ranges");
    else if (status == 206)
        accept_partial(r);
    else if (status == 200)
        accept_all(r);
    else
        beyond(r);
}
