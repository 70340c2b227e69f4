// See hotlist.h.
#include "disk/hotlist.h"
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char first_line[] = "belljar hot list 2\n", older_line[] = "belljar hot list 1\n";

enum { OLDER_PARTS = 4 }; // of each chunk in an older list

static int push(struct hotlist *h, struct hotlist_range r)
{
    if (h->n == HOTLIST_RANGES) return -1;
    if ((h->n & (h->n - 1)) == 0) { // a power of two: it is full
        struct hotlist_range *more = realloc(h->range, (h->n ? 2 * (size_t)h->n : 1) * sizeof *more);
        if (!more) return -1;
        h->range = more;
    }
    h->range[h->n++] = r;
    return 0;
}

void hotlist_free(struct hotlist *h)
{
    free(h->range);
    *h = (struct hotlist){0};
}

// A number below 2^32 and the character behind it.
static const char *take_number(const char *at, const char *end, char behind, uint32_t *value)
{
    uint64_t n = 0;
    const char *from = at;
    for (; at < end && *at >= '0' && *at <= '9' && n <= UINT32_MAX; at++) n = n * 10 + (uint64_t)(*at - '0');
    if (at == from || at == end || *at != behind || n > UINT32_MAX) return NULL;
    *value = (uint32_t)n;
    return at + 1;
}

static int refuse(char why[HOTLIST_WHY], const char *text, uint32_t line)
{
    snprintf(why, HOTLIST_WHY, "line %" PRIu32 " of the hot list: %s", line, text);
    return -1;
}

static bool begins_with(const char *text, size_t n, const char *line)
{
    return n >= strlen(line) && n <= HOTLIST_BYTES && !memcmp(text, line, strlen(line));
}

// A list of chunks becomes one of parts; the image's last chunk may have fewer.
static bool fit(struct hotlist_range *r, uint32_t parts, bool older)
{
    uint32_t units = older ? parts / OLDER_PARTS + (parts % OLDER_PARTS > 0) : parts;
    if (!r->count || r->first >= units || r->count > units - r->first) return false;
    if (!older) return true;
    r->first *= OLDER_PARTS;
    r->count = r->count > (parts - r->first) / OLDER_PARTS ? parts - r->first : r->count * OLDER_PARTS;
    return true;
}

int hotlist_parse(struct hotlist *h, const char *text, size_t n, uint32_t parts, char why[HOTLIST_WHY])
{
    const char *at = text, *end = text + n;
    bool older = begins_with(text, n, older_line);
    *h = (struct hotlist){0};
    if (!older && !begins_with(text, n, first_line)) return refuse(why, "it is none", 1);
    at += sizeof first_line - 1;
    for (uint32_t line = 2; at < end; line++) {
        struct hotlist_range r;
        at = take_number(at, end, ' ', &r.first);
        if (at) at = take_number(at, end, '\n', &r.count);
        if (!at) return refuse(why, "not two numbers", line);
        if (!fit(&r, parts, older)) return refuse(why, "not parts of this image", line);
        if (push(h, r)) return refuse(why, "too many of them", line);
    }
    return 0;
}

static int is_there(const struct hotlist *h, uint32_t part)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (part >= h->range[i].first && part - h->range[i].first < h->range[i].count) return 1;
    return 0;
}

int hotlist_add(struct hotlist *h, uint32_t part)
{
    struct hotlist_range *last = h->n ? &h->range[h->n - 1] : NULL;
    if (is_there(h, part)) return 0;
    if (last && last->first + last->count == part) {
        last->count++;
        return 0;
    }
    return push(h, (struct hotlist_range){part, 1});
}

int hotlist_write(const struct hotlist *h, FILE *f)
{
    fputs(first_line, f);
    for (uint32_t i = 0; i < h->n; i++) fprintf(f, "%" PRIu32 " %" PRIu32 "\n", h->range[i].first, h->range[i].count);
    if (!fflush(f) && !ferror(f)) return 0;
    if (!errno) errno = EIO;
    return -1;
}
