// What disk/http*.c share. http_parse.c: text of headers and URLs, without libcurl. http_url.c: places, redirects.
// http_answer.c: what an answer is worth. http_try.c: libcurl's transfers. http.c: requests and their queue.
#pragma once
#include "disk/http.h"
#include <curl/curl.h>
#include <stdio.h>
#include <time.h>

enum { HTTP_LOCATION = 2048 }; // bytes

// ---------------------------------------------------------------- http_parse.c

struct http_content_range {
    uint64_t first, last, total;
    bool none; // "*/total": nothing of it can be given
};
// RFC 9110 section 14.4; one without a total is not taken. Numbers are at most INT64_MAX, first <= last < total.
bool http_parse_content_range(const char *, size_t n, struct http_content_range *);
bool http_parse_number(const char *, size_t n, uint64_t *); // digits only, at most INT64_MAX
// RFC 9110 section 8.8.3. `tag` has what the server sent, W/ too.
bool http_parse_etag(const char *, size_t n, char tag[HTTP_PIN], bool *weak);
bool http_parse_date(const char *, size_t n, char tag[HTTP_PIN]); // what can be a Last-Modified
// RFC 9110 section 10.2.3: in milliseconds from `now`, at most `most`. What is no such thing: 0.
unsigned http_parse_retry_after(const char *, size_t n, time_t now, unsigned most);
void http_printable(char *);       // in place
bool http_is_header(const char *); // "Name: value", without control characters

// ---------------------------------------------------------------- libcurl

struct http_curl { // see LIBCURL_FUNCTIONS in http.c
    void *library;
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_global_cleanup) *global_cleanup;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_setopt) *setopt;
    __typeof__(curl_easy_getinfo) *getinfo;
    __typeof__(curl_easy_strerror) *strerror;
    __typeof__(curl_multi_init) *multi_init;
    __typeof__(curl_multi_cleanup) *multi_cleanup;
    __typeof__(curl_multi_setopt) *multi_setopt;
    __typeof__(curl_multi_add_handle) *multi_add;
    __typeof__(curl_multi_remove_handle) *multi_remove;
    __typeof__(curl_multi_perform) *perform;
    __typeof__(curl_multi_info_read) *info_read;
    __typeof__(curl_multi_poll) *poll;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free;
    __typeof__(curl_url) *url;
    __typeof__(curl_url_cleanup) *url_cleanup;
    __typeof__(curl_url_set) *url_set;
    __typeof__(curl_url_get) *url_get;
    __typeof__(curl_free) *free;
};

// ---------------------------------------------------------------- http_url.c

struct http_place {
    char *url;           // without credentials and fragment
    char *origin;        // scheme://host:port
    char *user, *secret; // NULL: none
};
enum http_placed { HTTP_PLACED, HTTP_NO_URL, HTTP_NOT_HTTP, HTTP_LESS_SAFE };
// Where `url` is, relative to `from` (NULL: nothing). On HTTP_PLACED *to is the caller's to free.
enum http_placed http_place(const struct http_curl *, const struct http_place *from, const char *url,
                            struct http_place *to);
void http_place_free(struct http_place *);

// ---------------------------------------------------------------- requests

struct http_head { // what has come of an answer's head
    char etag[HTTP_PIN], modified[HTTP_PIN], location[HTTP_LOCATION];
    struct http_content_range range;
    uint64_t length;
    unsigned retry_ms; // 0: not said
    bool weak, has_range, has_length, encoded;
    bool broken; // a header that matters twice, and not the same, or not to be understood
    bool ended;  // what comes now are trailers
};

enum http_kind { HTTP_RANGE, HTTP_WHOLE, HTTP_CHECK };
enum http_verdict {
    HTTP_UNJUDGED, // the head has not ended
    HTTP_ACCEPT,   // the body is what was asked for
    HTTP_AGAIN,    // may be better next time: `why`
    HTTP_ELSEWHERE,
    HTTP_END, // `result`, and `why`
};

struct http_request {
    struct http_request *next;
    struct http_resource *resource;
    enum http_kind kind;
    bool ahead;
    uint64_t offset, n; // asked for; WHOLE: n is the most that is taken
    uint64_t done;      // of them, given to the sink
    http_sink *sink;
    void *ctx;

    // Of all tries.
    unsigned failures; // in a row, without progress
    unsigned all_failures, stalls;
    unsigned redirects;      // since the resource's own URL
    uint64_t done_before;    // when the last try began
    int64_t not_before;      // ms of the clock
    bool was_open;           // a try had an answer without a length,
    char version[HTTP_PIN];  // of this version
    struct http_place place; // where a redirect has led this request; url NULL: the resource's place

    // Of this try.
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    bool only_if;   // If-Range was sent
    bool own_place; // from now on: where redirects have led others is not believed
    bool was_moved; // it was believed
    struct http_head head;
    size_t head_lines, head_bytes; // of all heads, 1xx too
    enum http_verdict verdict;
    enum http_result result;
    unsigned retry_ms;
    char why[HTTP_WHY];
    uint64_t skip, left; // ACCEPT: bytes of the body before the wanted ones; wanted ones to come
    bool open_end;       // WHOLE of unknown length: `left` is the most it may be
    uint64_t ignored;    // bytes of a body that nobody wants
};

struct http_resource {
    struct http_resource *next;
    struct http *http;
    char *url;               // as it was given
    struct http_place place; // url NULL: no request has begun
    struct http_place moved; // where redirects have led last; url NULL: nowhere else
    bool pinned, forgotten, past_caches;
    unsigned requests; // that have not ended
    struct http_pin pin;
    char problem[HTTP_WHY], shown[HTTP_SHOWN];
};

enum { HTTP_LINE_TOO_MUCH = -1 };
// A line of a head. 0, or HTTP_LINE_TOO_MUCH.
int http_head_line(struct http_request *, const char *line, size_t n);
// Once the head has ended: sets verdict and what belongs to it, and the resource's pin.
void http_judge(struct http_request *, long status);
void http_end(struct http_request *, enum http_result, const char *format, ...) __attribute__((format(printf, 3, 4)));
void http_again(struct http_request *, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t http_wanted(const struct http_request *); // bytes in all, as far as is known

// ---------------------------------------------------------------- http_try.c and http.c

struct http {
    struct http_curl curl;
    CURLM *multi;           // NULL: libcurl is not loaded
    char problem[HTTP_WHY]; // why it cannot be
    char **headers;
    unsigned nheaders, stall_seconds, tries;
    bool netrc, multiplexed;
    struct http_resource *resources;
    struct http_request *waiting, **waiting_end;
    struct http_request *running;
    unsigned nrunning, busy;
    uint32_t random;
    struct http_counts counts;
};

static inline int64_t http_now(void) // ms
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// http_try.c
bool http_start(struct http *, struct http_request *); // false: no memory
// The transfer has ended: the request is told and freed, or put into the queue again.
void http_end_try(struct http *, struct http_request *, CURLcode);
void http_tell(struct http *, struct http_request *, enum http_result); // and frees it
void http_free_request(struct http *, struct http_request *);

// http.c
void http_put(struct http *, struct http_request *); // at the end of the queue
void http_free_if_forgotten(struct http_resource *);
