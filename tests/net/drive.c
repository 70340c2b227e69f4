// net-drive: reads ranges of a resource through disk/http.h and compares them with the file that it is.
//
//     net-drive [OPTION...] URL FILE
//     --seed N  --ranges N (0: the whole)  --together N  --most BYTES of a range
//     --tries N  --stall SECONDS  --header 'Name: value'  --netrc  --check (afterwards: is it the same version?)
//     --pin TAG  --max-bytes N (of the whole)  --ahead (through http_range_ahead)
//
// Prints `OK requests N bytes N retries N` (SHORTER, if the server said that of the resource from the first), or how
// the first request that failed has ended and the problem's line. Status: 0, or 1; 3 if a byte was wrong, which must
// never be.
#include "disk/http.h"
#include "tests/insn/values.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct drive {
    const char *url, *path, *header, *pin;
    uint64_t seed, ranges, together, most, max_bytes;
    bool netrc, check, ahead;
    struct http_options options;
    struct rng rng;
    const uint8_t *file;
    uint64_t size, begun, ended;
    struct http_resource *resource;
    bool shorter;            // than the file, says the server
    enum http_result result; // of the first that failed,
    char problem[HTTP_WHY];  // and its line
};

struct part { // a range under way
    struct drive *drive;
    uint64_t at, end;
};

static void fail(const char *what)
{
    printf("WRONG %s\n", what);
    exit(3);
}

static void note(struct drive *d, enum http_result result)
{
    if (result == HTTP_OK || d->result != HTTP_OK) return;
    d->result = result;
    snprintf(d->problem, sizeof d->problem, "%s", http_problem(d->resource));
}

static void sink(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct part *p = ctx;
    struct drive *d = p->drive;
    if (offset != p->at) fail("offset");
    if (n) {
        if (n > p->end - p->at || memcmp(d->file + p->at, bytes, n)) fail("bytes");
        p->at += n;
        return;
    }
    uint64_t end = http_pin(d->resource)->bytes < p->end ? http_pin(d->resource)->bytes : p->end;
    if (result == HTTP_OK && p->at != end) fail("end");
    d->shorter |= end != p->end;
    note(d, result);
    d->ended++;
    free(p);
}

static void ask(struct drive *d, struct http_resource *f)
{
    struct part *p = malloc(sizeof *p);
    if (!p) exit(2);
    *p = (struct part){.drive = d, .end = d->size};
    d->begun++;
    if (d->ranges == 0) {
        if (http_whole(f, d->max_bytes ? d->max_bytes : d->size, sink, p)) exit(2);
        return;
    }
    uint64_t n = 1 + rng_next(&d->rng) % d->most;
    p->at = rng_next(&d->rng) % d->size;
    p->end = n < d->size - p->at ? p->at + n : d->size;
    if ((d->ahead ? http_range_ahead : http_range)(f, p->at, n, sink, p)) exit(2);
}

static void run(struct drive *d, struct http *h, struct http_resource *f)
{
    uint64_t all = d->ranges ? d->ranges : 1;
    while (d->ended < all && (d->result == HTTP_OK || http_busy(h))) {
        while (d->result == HTTP_OK && d->begun < all && d->begun - d->ended < d->together) ask(d, f);
        http_run(h, NULL, 0, 10000);
    }
}

static void checked(void *ctx, uint64_t offset, const void *bytes, size_t n, enum http_result result)
{
    struct drive *d = ctx;
    if (offset > 1 || bytes || n) fail("check");
    note(d, result);
    d->ended++;
}

static void check(struct drive *d, struct http *h, struct http_resource *f)
{
    uint64_t was = d->ended;
    if (http_check(f, checked, d)) exit(2);
    while (d->ended == was) http_run(h, NULL, 0, 10000);
}

static int report(const struct drive *d, struct http *h)
{
    static const char *const names[] = {"OK", "FAILED", "CHANGED", "NO_RANGES", "NOT_FOUND"};
    struct http_counts c = http_counts(h);
    if (d->result == HTTP_OK)
        printf("%s requests %llu bytes %llu retries %llu\n", d->shorter ? "SHORTER" : "OK",
               (unsigned long long)c.requests, (unsigned long long)c.bytes, (unsigned long long)c.retries);
    else
        printf("%s %s\n", names[d->result], d->problem);
    return d->result != HTTP_OK;
}

static void map(struct drive *d)
{
    struct stat st;
    int fd = open(d->path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) || st.st_size == 0) exit(2);
    d->size = (uint64_t)st.st_size;
    d->file = mmap(NULL, d->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (d->file == MAP_FAILED) exit(2);
    close(fd);
}

static bool take_flag(struct drive *d, const char *name)
{
    if (!strcmp(name, "--netrc")) return d->netrc = true;
    if (!strcmp(name, "--check")) return d->check = true;
    if (!strcmp(name, "--ahead")) return d->ahead = true;
    return false;
}

static void take_value(struct drive *d, const char *name, const char *value)
{
    uint64_t n = strtoull(value, NULL, 0);
    if (!strcmp(name, "--seed")) d->seed = n;
    if (!strcmp(name, "--ranges")) d->ranges = n;
    if (!strcmp(name, "--together")) d->together = n;
    if (!strcmp(name, "--most")) d->most = n;
    if (!strcmp(name, "--max-bytes")) d->max_bytes = n;
    if (!strcmp(name, "--tries")) d->options.tries = (unsigned)n;
    if (!strcmp(name, "--stall")) d->options.stall_seconds = (unsigned)n;
    if (!strcmp(name, "--header")) d->header = value;
    if (!strcmp(name, "--pin")) d->pin = value;
}

int main(int argc, char **argv)
{
    struct drive d = {.seed = 1, .ranges = 40, .together = 8, .most = 100000};
    char why[HTTP_WHY];
    struct http *h;
    int i = 1;
    for (; i < argc - 2; i++)
        if (!take_flag(&d, argv[i])) take_value(&d, argv[i], argv[i + 1]), i++;
    if (i != argc - 2) return 2;
    d.url = argv[i];
    d.path = argv[i + 1];
    d.rng = (struct rng){d.seed};
    map(&d);
    d.options.headers = &d.header;
    d.options.nheaders = d.header ? 1 : 0;
    d.options.netrc = d.netrc;
    if (http_open(&h, &d.options, why)) {
        printf("OPEN %s\n", why);
        return 1;
    }
    struct http_resource *f = d.resource = http_resource(h, d.url);
    if (!f) return 2;
    struct http_pin pin = {.bytes = d.size};
    snprintf(pin.tag, sizeof pin.tag, "%s", d.pin ? d.pin : "");
    if (d.pin) http_set_pin(f, &pin);
    run(&d, h, f);
    if (d.result == HTTP_OK && d.check) check(&d, h, f);
    int status = report(&d, h);
    http_close(h);
    return status;
}
