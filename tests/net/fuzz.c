// net-fuzz: any heads of answers, and any URLs, through what belljar itself reads of them (disk/http_parse.c,
// disk/http_answer.c). What is let through must keep the promises of http_private.h; a build with AddressSanitizer sees
// a read beyond the text, which stands in memory of just its length.
//
//     net-fuzz [--seed N] [--first N] [--cases N] [--seconds S]
#include "disk/http_private.h"
#include "tests/insn/values.h"
#include "tests/store/campaign.h"
#include <ctype.h>

struct counts {
    uint64_t cases, accepted, again, ended, elsewhere;
};

static void must(bool kept, const char *promise)
{
    if (kept) return;
    printf("BROKEN: %s\n", promise);
    abort();
}

// ---------------------------------------------------------------- text

enum { TEXT = 512 };
struct text {
    char at[TEXT];
    size_t n;
};

static void add(struct text *t, const char *s, size_t n)
{
    if (n > TEXT - t->n) n = TEXT - t->n;
    memcpy(t->at + t->n, s, n);
    t->n += n;
}

static void add_number(struct text *t, struct rng *r)
{
    static const uint64_t numbers[] = {0,     1,         9,         10,         99,       100,          65535,
                                       65536, INT32_MAX, INT64_MAX, UINT64_MAX, 99999999, INT64_MAX - 1};
    char s[32];
    uint64_t x = rng_next(r), n = x % 4 ? (x >> 8) % 300 : numbers[(x >> 8) % (sizeof numbers / sizeof *numbers)];
    if ((x >> 32) % 64 == 0) n = rng_next(r);
    add(t, s, (size_t)snprintf(s, sizeof s, "%llu%s", (unsigned long long)n, (x >> 40) % 64 == 0 ? "0" : ""));
}

// N stands for a number, the rest for itself.
static void add_pattern(struct text *t, struct rng *r, const char *pattern)
{
    for (; *pattern; pattern++)
        if (*pattern == 'N')
            add_number(t, r);
        else
            add(t, pattern, 1);
}

static void spoil(struct text *t, struct rng *r)
{
    uint64_t x = rng_next(r);
    if (t->n == 0 || x % 3) return;
    size_t at = (size_t)((x >> 8) % t->n);
    switch ((x >> 40) % 4) {
    case 0:
        t->n = at;
        break;
    case 1:
        t->at[at] = (char)(x >> 48);
        break;
    case 2:
        memmove(t->at + at, t->at + at + 1, t->n - at - 1);
        t->n--;
        break;
    default:
        add(t, t->at, (size_t)(x >> 48) % t->n);
    }
}

static char *exact(const struct text *t) // of just that length: not terminated
{
    char *copy = malloc(t->n ? t->n : 1);
    if (!copy) exit(2);
    memcpy(copy, t->at, t->n);
    return copy;
}

// ---------------------------------------------------------------- heads

static const char *const lines[] = {
    "HTTP/1.1 206 Partial Content",
    "Content-Range: bytes N-N/N",
    "Content-Range: bytes 0-N/N",
    "Content-Range: bytes 0-99/100",
    "Content-Range: bytes 10-99/100",
    "Content-Range: bytes */N",
    "content-range:bytes 0-99/100",
    "Content-Length: N",
    "Content-Length: 100",
    "Content-Length: 90",
    "ETag: \"abc\"",
    "ETag: W/\"abc\"",
    "ETag: \"N\"",
    "ETag: abc",
    "ETag: \"",
    "ETag: W/",
    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
    "Last-Modified: Sun, N Nov N 08:49:37 GMT",
    "Last-Modified: N",
    "Location: http://127.0.0.1/N",
    "Location: ",
    "Content-Encoding: gzip",
    "Content-Encoding: identity",
    "Retry-After: N",
    "Retry-After: Sun, 06 Nov N 08:49:37 GMT",
    "Retry-After: Sun, 06 Nov 2094 08:N:37 GMT",
    "X: y",
    "",
};

static void check_tag(const char *tag, bool strong)
{
    char copy[HTTP_PIN];
    bool weak = false;
    size_t n = strnlen(tag, HTTP_PIN);
    must(n < HTTP_PIN, "a tag has an end");
    if (n == 0) return;
    must(http_parse_etag(tag, n, copy, &weak) ? !strong || !weak : http_parse_date(tag, n, copy), "a tag is one");
    for (size_t i = 0; i < n; i++) must(!iscntrl((unsigned char)tag[i]), "a tag can be a header");
}

static void check_accepted(const struct http_request *q, long status)
{
    const struct http_resource *f = q->resource;
    must(!q->head.broken && !q->head.encoded && (status == 200 || status == 206), "what is accepted is in order");
    must(q->open_end || f->pinned, "what is accepted is pinned");
    must(q->open_end || (http_wanted(q) >= q->done && q->left <= http_wanted(q) - q->done), "no more than is wanted");
    must(q->left <= q->n - q->done, "no more than was asked for");
    must(q->skip <= q->done, "nothing is left out");
    must(q->kind != HTTP_RANGE || *f->pin.tag, "ranges have a version");
    must(status != 206 || q->head.range.first == q->offset + q->done, "it is the range that was asked for");
}

static void check_judged(const struct http_request *q, long status, struct counts *c)
{
    const struct http_resource *f = q->resource;
    check_tag(f->pin.tag, true);
    must(strnlen(q->why, HTTP_WHY) < HTTP_WHY, "a line has an end");
    must(q->retry_ms <= 10000, "a wait is bounded");
    must(f->pin.bytes <= INT64_MAX, "a size is bounded");
    must(q->verdict != HTTP_UNJUDGED, "there is a verdict");
    c->accepted += q->verdict == HTTP_ACCEPT;
    c->again += q->verdict == HTTP_AGAIN;
    c->elsewhere += q->verdict == HTTP_ELSEWHERE;
    c->ended += q->verdict == HTTP_END;
    if (q->verdict == HTTP_ACCEPT) check_accepted(q, status);
    if (q->verdict == HTTP_AGAIN) must(*q->why, "there is a reason to try again");
    if (q->verdict == HTTP_END) must((q->result == HTTP_OK) == !*q->why, "what fails has a reason");
}

static void make_request(struct http_request *q, struct http_resource *f, struct rng *r)
{
    uint64_t x = rng_next(r);
    *f = (struct http_resource){0};
    *q = (struct http_request){.resource = f, .kind = (enum http_kind)(x % 3), .n = 1};
    if (q->kind != HTTP_CHECK) {
        q->n = (x >> 8) % 2 ? 100 : 1 + (x >> 16) % 200;
        q->done = (x >> 32) % 2 ? 0 : (x >> 33) % q->n;
    }
    if (q->kind == HTTP_RANGE) q->offset = (x >> 48) % 2 ? 0 : (x >> 49) % 100;
    if ((x >> 60) % 2) return;
    f->pinned = true;
    f->pin.bytes = 100;
    snprintf(f->pin.tag, sizeof f->pin.tag, "%s", (x >> 61) % 2 ? "\"abc\"" : "Sun, 06 Nov 1994 08:49:37 GMT");
    if (q->kind == HTTP_RANGE && q->offset + q->done >= 100) q->offset = q->done = 0; // is not asked for
    q->only_if = q->kind == HTTP_RANGE;
    if (q->kind == HTTP_WHOLE && q->n < 100) q->n = 100;
    if (q->kind == HTTP_WHOLE && q->done) q->only_if = true;
}

static void give_line(struct http_request *q, struct rng *r, const char *pattern, bool spoiled)
{
    struct text t = {.n = 0};
    add_pattern(&t, r, pattern);
    if (spoiled) spoil(&t, r);
    add(&t, "\r\n", rng_next(r) % 32 ? 2 : 1);
    char *line = exact(&t);
    (void)http_head_line(q, line, t.n);
    free(line);
    check_tag(q->head.etag, false);
    check_tag(q->head.modified, false);
    must(q->head.broken || (q->head.range.total <= INT64_MAX && q->head.range.last <= q->head.range.total),
         "a range is one");
}

// What a good server would say, if that can be said of the request; mostly all of it.
static void give_good_lines(struct http_request *q, struct rng *r)
{
    uint64_t x = rng_next(r), first = q->offset + q->done;
    char range[64];
    snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/100", (unsigned long long)first,
             first + q->n - q->done < 100 ? (unsigned long long)(first + q->n - q->done - 1) : 99);
    if (x % 8) give_line(q, r, range, false);
    if ((x >> 8) % 8) give_line(q, r, (x >> 16) % 2 ? "ETag: \"abc\"" : "ETag: W/\"abc\"", false);
    if ((x >> 24) % 4) give_line(q, r, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", false);
    if ((x >> 32) % 8 == 0) give_line(q, r, "Content-Length: 100", false);
}

static void try_head(struct rng *r, struct counts *c)
{
    static const long statuses[] = {200, 200, 206, 206, 206, 416, 302, 404, 503, 429, 412, 401, 304, 100, 0, 999};
    static struct http_resource f;
    static struct http_request q;
    make_request(&q, &f, r);
    uint64_t x = rng_next(r);
    if (x % 4) give_good_lines(&q, r);
    for (unsigned n = (x >> 8) % 2 ? 0 : (unsigned)(x >> 16) % 6; n > 0; n--)
        give_line(&q, r, lines[rng_next(r) % (sizeof lines / sizeof *lines)], true);
    long status = (x >> 24) % 2 ? 206 : statuses[rng_next(r) % (sizeof statuses / sizeof *statuses)];
    http_judge(&q, status);
    check_judged(&q, status, c);
}

// ---------------------------------------------------------------- URLs

static void try_url(struct rng *r)
{
    static const char *const urls[] = {"http://me:SECRET@host/path?SECRET#SECRET",
                                       "https://SECRET@host:N",
                                       "http://host/a@b?SECRET",
                                       "http://[::1]:N/",
                                       "://",
                                       "//me@host",
                                       "host/N",
                                       "@",
                                       "http://me:SEC@SECRET@host/"};
    char shown[HTTP_SHOWN];
    struct text t = {.n = 0};
    uint64_t x = rng_next(r);
    add_pattern(&t, r, urls[x % (sizeof urls / sizeof *urls)]);
    bool whole = (x >> 8) % 2;
    if (!whole) spoil(&t, r);
    if (t.n == TEXT) t.n--;
    t.at[t.n++] = 0;
    char *url = exact(&t);
    http_shown_url(url, shown);
    char *name = http_url_name(url);
    must(name && strlen(name) <= strlen(url), "a name is not longer");
    must(strnlen(shown, sizeof shown) < sizeof shown && !(whole && strstr(shown, "SECRET")), "no secret is shown");
    must(!whole || (!strstr(name, "SECRET@") && !strstr(name, "#SECRET")), "a name has no credentials");
    for (const char *s = shown; *s; s++) must(*s >= ' ' && *s <= '~', "what is shown can be printed");
    free(name);
    free(url);
}

int main(int argc, char **argv)
{
    struct counts c = {0};
    const struct campaign run = campaign_of(argc, argv);
    for (uint64_t number = run.first; campaign_goes_on(&run, number); number++) {
        struct rng r = {run.seed ^ number * 0xd1342543de82ef95};
        try_head(&r, &c);
        try_url(&r);
        c.cases++;
    }
    printf("net-fuzz: seed %llu: %llu cases: %llu accepted, %llu again, %llu ended, %llu elsewhere\n",
           (unsigned long long)run.seed, (unsigned long long)c.cases, (unsigned long long)c.accepted,
           (unsigned long long)c.again, (unsigned long long)c.ended, (unsigned long long)c.elsewhere);
    return 0;
}
