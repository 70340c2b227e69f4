// Resources on HTTP servers, whole or in ranges, several at once (libcurl's multi interface). A resource is pinned: the
// ETag (a strong one) or Last-Modified of the first answer, and its length, must be those of all others.
//
//     http_open(&h, &options, why); f = http_resource(h, url);
//     http_range(f, 0, 65536, sink, ctx); ... while (http_busy(h)) http_run(h, fds, n, timeout_ms);
//
// Failures that may pass (5xx, 408, 429 with Retry-After, connections lost, short bodies, stalls) are tried again, with
// a backoff that grows; each wait and the sum of them is bounded. What does not pass is one line. Nothing of what a
// server sends is believed: lengths, ranges, headers and the number of redirects have bounds.
//
// Threads: one per struct http.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_WHY = 256, HTTP_PIN = 192, HTTP_SHOWN = 128 };

struct http_options {
    const char *const *headers; // "Name: value", sent to the host of the URL alone, not to where it redirects
    unsigned nheaders;
    bool netrc;             // ~/.netrc, for hosts without a header
    unsigned stall_seconds; // no byte for so long: tried again. 0: 15
    unsigned tries;         // in a row without progress. 0: 5
};
struct http;
struct http_resource;

struct http_pin { // which version of a resource; all zero: none
    uint64_t bytes;
    char tag[HTTP_PIN]; // ETag or Last-Modified as sent, as If-Range takes it
};

enum http_result {
    HTTP_OK,
    HTTP_FAILED,    // for good: `why` of http_problem
    HTTP_CHANGED,   // the resource is another version than the pinned one
    HTTP_NO_RANGES, // the server gives no ranges, or no version to pin
    HTTP_NOT_FOUND, // 404, 410
};

// Loads nothing yet: a start whose chunks are all in the pool must not wait for libcurl, which the first request loads
// (where it is not there each request fails with a line that says so).
int http_open(struct http **, const struct http_options *, char why[HTTP_WHY]); // 0; -1: options, memory
void http_close(struct http *);                                                 // and all resources; no sink is called

struct http_resource *http_resource(struct http *, const char *url); // NULL: no memory
// The URL without credentials and fragment: what a resource is known by, not to be printed (a query may be secret). The
// caller frees it. NULL: no memory.
char *http_url_name(const char *url);
bool http_is_url(const char *);
// A URL without what must not be printed: credentials, query, fragment, control characters.
void http_shown_url(const char *url, char shown[HTTP_SHOWN]);
const char *http_shown(const char *name, char shown[HTTP_SHOWN]); // what is no URL as it is
// It must not be used any more, and no sink of it is called. What is under way is cut off where much is still to come.
void http_forget(struct http_resource *);
// What caches between here and the server have is not taken from now on (RFC 9111, section 5.2.1.4).
void http_past_caches(struct http_resource *);
// To be compared with what the server says from now on; else the first answer sets it.
void http_set_pin(struct http_resource *, const struct http_pin *);
const struct http_pin *http_pin(const struct http_resource *); // bytes 0: no answer yet
const char *http_problem(const struct http_resource *);        // one line, without control characters; "" : none

// Bytes as they come, in order, n > 0; then once with n = 0 and how it ended. A retry goes on behind what was given. A
// range that reaches beyond the resource ends with it. The sink may ask for more; it must not close.
typedef void http_sink(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result);
int http_range(struct http_resource *, uint64_t offset, uint64_t n, http_sink *, void *ctx); // 0, -1: no memory
// The same, but what http_range asks for goes first, until http_hurry names a byte of it: then it is one of those.
int http_range_ahead(struct http_resource *, uint64_t offset, uint64_t n, http_sink *, void *ctx);
void http_hurry(struct http_resource *, uint64_t offset);
// The range whose sink has this ctx becomes n bytes longer, if it is not under way. False: it is.
bool http_lengthen(struct http_resource *, const void *ctx, uint64_t n);
int http_whole(struct http_resource *, uint64_t max_bytes, http_sink *, void *ctx); // pinned by what comes
// Is it still the pinned version? One request, for one byte. The sink is called once, with n = 0.
int http_check(struct http_resource *, http_sink *, void *ctx);

unsigned http_busy(const struct http *); // requests that have not ended
// Moves what can be moved, and waits for at most timeout_ms (-1: no limit) for more, or for one of fds to be readable.
// True: one of them is.
bool http_run(struct http *, const int *fds, unsigned n, int timeout_ms);

struct http_counts {
    uint64_t requests, bytes, retries; // bytes of bodies
};
struct http_counts http_counts(const struct http *);
