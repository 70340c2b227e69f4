// The pages of a delta file: rows of up to 16, so that a file written as a whole is one row for each 64 KiB, and a page
// written alone costs a page. See deltafile.h.
#include "disk/deltafile_internal.h"
#include <endian.h>
#include <errno.h>
#include <string.h>

enum { CHUNK_BITS = 28, ALL = (1 << DELTA_CHUNK_PAGES) - 1 }; // 32 bits of page numbers, 16 pages in a chunk
#define CHUNK_MAX ((1u << CHUNK_BITS) - 1)

static int64_t row_id(uint64_t ino, uint32_t chunk)
{
    return (int64_t)(ino << CHUNK_BITS | chunk);
}

static unsigned count(unsigned mask)
{
    return (unsigned)__builtin_popcount(mask);
}

// Where the page lies in the bytes of a chunk that has it.
static size_t place(unsigned data, unsigned page)
{
    return (size_t)count(data & ((1u << page) - 1)) * DELTA_PAGE;
}

static bool chunk_ok(const struct delta_chunk *c)
{
    return c->ino > 0 && c->ino <= DELTA_INO_MAX && c->index <= CHUNK_MAX && !(c->data & c->hole) &&
           (c->bytes || !c->data);
}

static const uint64_t odd = 0x9e3779b97f4a7c15;

// It can be undone, so that what differs in one of them stays different.
static uint64_t mix(uint64_t sum, const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    sum = (sum ^ le64toh(word)) * odd;
    return sum << 29 | sum >> 35;
}

static uint64_t join(uint64_t sum, uint64_t lane)
{
    sum = (sum ^ lane) * odd;
    return sum ^ sum >> 32;
}

// A change within 8 bytes always makes another sum before its last bit goes, any other all but certainly. In four
// lanes, since a multiplication takes longer than to begin the next; in variables, since an array takes twice the time.
int64_t delta_sum(const struct delta_chunk *c)
{
    uint64_t w = c->ino, x = c->index, y = c->data, z = c->hole;
    size_t n = (size_t)count(c->data) * DELTA_PAGE;
    for (const uint8_t *at = c->bytes, *end = at + n; at < end; at += 32) {
        w = mix(w, at);
        x = mix(x, at + 8);
        y = mix(y, at + 16);
        z = mix(z, at + 24);
    }
    return (int64_t)(join(join(join(join(0, w), x), y), z) >> 1);
}

// *wrong: the sum, with bytes, is not theirs.
static int take_chunk(struct deltafile *d, sqlite3_stmt *s, bool with_bytes, struct delta_chunk *c, bool *wrong)
{
    int64_t sum = 0;
    bool ok = true;
    uint64_t id = delta_number(d, s, 0, INT64_MAX, &ok);
    *c = (struct delta_chunk){.ino = id >> CHUNK_BITS,
                              .index = (uint32_t)(id & CHUNK_MAX),
                              .data = (uint16_t)delta_number(d, s, 1, ALL, &ok),
                              .hole = (uint16_t)delta_number(d, s, 2, ALL, &ok)};
    size_t n = (size_t)count(c->data) * DELTA_PAGE;
    if (with_bytes) {
        sum = (int64_t)delta_number(d, s, 3, INT64_MAX, &ok);
        c->bytes = delta_blob(d, s, 4, n, n, &n, &ok);
    }
    if (!ok || c->data & c->hole) return delta_damaged(d, "a row of pages");
    *wrong = with_bytes && sum != delta_sum(c);
    return 0;
}

static int wrong_sum(struct deltafile *d)
{
    return delta_damaged(d, "the content of a page is not what was written");
}

static int read_row(struct deltafile *d, uint64_t ino, uint32_t chunk, bool with_bytes, struct delta_chunk *found,
                    bool *wrong)
{
    if (ino > DELTA_INO_MAX || chunk > CHUNK_MAX) return 0;
    sqlite3_stmt *s = delta_statement(d, with_bytes ? DELTA_SQL_PAGES : DELTA_SQL_MASKS);
    if (s) d->lib.bind_int64(s, 1, row_id(ino, chunk));
    int got = delta_step(d, s);
    if (got <= 0) return got;
    int err = take_chunk(d, s, with_bytes, found, wrong);
    if (!err && (found->ino != ino || found->index != chunk)) err = delta_damaged(d, "a row of pages");
    if (!err && with_bytes && found->data) {
        memcpy(d->bytes, found->bytes, (size_t)count(found->data) * DELTA_PAGE);
        found->bytes = d->bytes;
    }
    d->lib.reset(s);
    return err ? err : 1;
}

int deltafile_pages(struct deltafile *d, uint64_t ino, uint32_t chunk, bool with_bytes, struct delta_chunk *found)
{
    bool wrong = false;
    int got = read_row(d, ino, chunk, with_bytes, found, &wrong);
    return wrong ? wrong_sum(d) : got;
}

int deltafile_chunks(struct deltafile *d, uint64_t ino, uint32_t from, bool with_bytes, delta_chunk_sink *sink,
                     void *ctx)
{
    struct delta_chunk c;
    if (ino > DELTA_INO_MAX || from > CHUNK_MAX) return 0;
    sqlite3_stmt *s = delta_statement(d, with_bytes ? DELTA_SQL_ALL_PAGES : DELTA_SQL_ALL_MASKS);
    if (s) d->lib.bind_int64(s, 1, row_id(ino, from));
    if (s) d->lib.bind_int64(s, 2, row_id(ino, CHUNK_MAX));
    uint64_t least = from;
    int got = 0, said = 0;
    while (!said && (got = delta_step(d, s)) > 0) {
        bool wrong = false;
        said = take_chunk(d, s, with_bytes, &c, &wrong);
        if (wrong) said = wrong_sum(d);
        if (!said && (c.ino != ino || c.index < least)) said = delta_damaged(d, "rows are out of order");
        least = (uint64_t)c.index + 1;
        if (!said) said = sink(ctx, &c);
    }
    if (s) d->lib.reset(s);
    return said ? said : got;
}

// spoiled: what is left of a row that was wrong stays so, until all of it is written anew.
static int put_row(struct deltafile *d, const struct delta_chunk *c, bool spoiled)
{
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_PUT_PAGES);
    if (!s) return delta_step(d, s);
    d->lib.bind_int64(s, 1, row_id(c->ino, c->index));
    d->lib.bind_int64(s, 2, c->data);
    d->lib.bind_int64(s, 3, c->hole);
    d->lib.bind_int64(s, 4, delta_sum(c) ^ spoiled);
    d->lib.bind_blob(s, 5, c->data ? (const void *)c->bytes : "", (int)count(c->data) * DELTA_PAGE, SQLITE_STATIC);
    return delta_run(d, s);
}

// The pages that `data` names, from `with` where it has them, the others from `old`.
static void merge(uint8_t *to, unsigned data, const struct delta_chunk *old, const struct delta_chunk *with)
{
    for (unsigned page = 0; page < DELTA_CHUNK_PAGES; page++) {
        if (!(data >> page & 1)) continue;
        const struct delta_chunk *from = with->data >> page & 1 ? with : old;
        memcpy(to + place(data, page), from->bytes + place(from->data, page), DELTA_PAGE);
    }
}

int deltafile_put_pages(struct deltafile *d, const struct delta_chunk *c)
{
    uint8_t bytes[DELTA_CHUNK_PAGES * DELTA_PAGE];
    struct delta_chunk old, new = *c;
    unsigned said = c->data | c->hole;
    bool spoiled = false;
    if (!chunk_ok(c)) return delta_refused(d, "a row of pages");
    if (said == 0) return 0;
    if (said != ALL) {
        int got = read_row(d, c->ino, c->index, true, &old, &spoiled);
        if (got < 0) return got;
        if (got) {
            new.data = (uint16_t)((old.data & ~said) | c->data);
            new.hole = (uint16_t)((old.hole & ~said) | c->hole);
            merge(bytes, new.data, &old, c);
            new.bytes = bytes;
        }
    }
    return put_row(d, &new, spoiled);
}

static int remove_rows(struct deltafile *d, uint64_t ino, uint32_t from)
{
    sqlite3_stmt *s = delta_statement(d, DELTA_SQL_NO_PAGES);
    if (s) d->lib.bind_int64(s, 1, row_id(ino, from));
    if (s) d->lib.bind_int64(s, 2, row_id(ino, CHUNK_MAX));
    return delta_run(d, s);
}

int deltafile_cut_pages(struct deltafile *d, uint64_t ino, uint32_t first)
{
    struct delta_chunk c;
    uint32_t chunk = first / DELTA_CHUNK_PAGES, left = first % DELTA_CHUNK_PAGES;
    if (ino == 0 || ino > DELTA_INO_MAX) return delta_refused(d, "an inode's number");
    bool spoiled = false;
    int got = left ? read_row(d, ino, chunk, true, &c, &spoiled) : 0;
    int err = got < 0 ? got : remove_rows(d, ino, chunk);
    if (err || got == 0) return err;
    c.data &= (uint16_t)((1u << left) - 1); // their bytes come first
    c.hole &= (uint16_t)((1u << left) - 1);
    return c.data | c.hole ? put_row(d, &c, spoiled) : 0;
}
