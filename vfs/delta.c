// See delta.h. Everything synchronous: the server has a local file.
//
// So a thread that reads what only the delta has holds up the box for a row of it (64 KiB), as it does with a local
// image whose page the host has to read. To park it instead, as for blocks from servers (blockpool.c), is not the same
// thing again: blocks are where they are when the thread comes back, a row comes as an answer. It would need a place
// while the thread sleeps, which counts as memory and cannot be reclaimed, or the box could read it for ever; its inode
// may have gone by then; and every other question (names, inodes, a save) meets answers that are not its own.
#include "vfs/delta.h"
#include "host/link.h"
#include "vfs/internal.h"
#include <stdio.h>
#include <string.h>

_Static_assert((int)DELTALINK_PACKET == (int)LINK_PACKET, "");

enum { FIRST_NUMBERS = 64, PAGE = 4096 };

union packet {
    struct deltalink_head head;
    uint8_t bytes[DELTALINK_PACKET];
};

struct delta {
    struct vfs *vfs;
    int link;
    uint64_t image_inodes;
    uint64_t *numbers; // a hash set of inodes of the image; 0: free
    uint32_t nnumbers, cap;
    bool asking, pending, broken, unlinked; // unlinked: the server is gone
    bool frames;                            // it reads the box's memory
    enum deltalink_op op;                   // that is being asked
    int err;                                // of the answer
    bool more;                              // packets of the answer
    size_t at, got;                         // in `in`
    size_t put;                             // bytes of records in `out`
    char problem[DELTALINK_WHY];
    union packet in, out;
};

// ---------------------------------------------------------------- which inodes there are

static uint64_t *number_slot(uint64_t *numbers, uint32_t cap, uint64_t ino)
{
    uint32_t at = (uint32_t)(ino * 0x9e3779b97f4a7c15ull >> 32) & (cap - 1);
    while (numbers[at] && numbers[at] != ino) at = (at + 1) & (cap - 1);
    return &numbers[at];
}

static int grow_numbers(struct delta *d)
{
    uint32_t cap = d->cap ? d->cap * 2 : FIRST_NUMBERS;
    uint64_t *now = cap > 1u << 30 ? NULL : kmem_new(d->vfs, cap * sizeof *now);
    if (!now) return -LX_ENOMEM;
    for (uint32_t k = 0; k < d->cap; k++)
        if (d->numbers[k]) *number_slot(now, cap, d->numbers[k]) = d->numbers[k];
    kmem_free(d->vfs, d->numbers, d->cap * sizeof *d->numbers);
    d->numbers = now;
    d->cap = cap;
    return 0;
}

bool delta_has(const struct delta *d, uint64_t ino)
{
    if (ino > d->image_inodes) return true;
    return d->cap && *number_slot(d->numbers, d->cap, ino) == ino;
}

int delta_will_have(struct delta *d, uint64_t ino)
{
    if (delta_has(d, ino)) return 0;
    if (d->nnumbers >= d->cap / 2 && grow_numbers(d)) return -LX_ENOMEM;
    *number_slot(d->numbers, d->cap, ino) = ino;
    d->nnumbers++;
    return 0;
}

void delta_expect(struct delta *d, uint64_t ino)
{
    uint64_t more = 2ull * d->cap * sizeof *d->numbers, left = d->vfs->kmem_limit - d->vfs->kmem;
    if (d->nnumbers < d->cap / 2 || more < left) (void)delta_will_have(d, ino);
}

// ---------------------------------------------------------------- asking

static void fail(struct delta *d, int err)
{
    if (!d->err) d->err = err;
    d->more = false;
    d->at = d->got;
}

static void server_gone(struct delta *d)
{
    d->unlinked = true;
    if (!*d->problem) snprintf(d->problem, sizeof d->problem, "the process that keeps the delta has ended");
}

void delta_send(struct delta *d)
{
    if (!d->put) return;
    d->out.head = (struct deltalink_head){.op = DELTALINK_CHANGES};
    if (!d->unlinked && host_link_send(d->link, &d->out, sizeof d->out.head + d->put)) server_gone(d);
    d->put = 0;
}

static void take_packet(struct delta *d)
{
    d->at = d->got = 0;
    int64_t n = d->unlinked ? 0 : host_link_take(d->link, &d->in, sizeof d->in, true);
    if (n <= 0) {
        server_gone(d);
        fail(d, -LX_EIO);
    } else if (n < (int64_t)sizeof d->in.head || n > (int64_t)sizeof d->in || d->in.head.op != (uint32_t)d->op) {
        fail(d, -LX_EIO);
    } else {
        d->at = sizeof d->in.head;
        d->got = (size_t)n;
        d->more = d->in.head.more;
        if (d->in.head.err) d->err = -LX_EIO;
    }
}

void delta_ask(struct delta *d, enum deltalink_op op, uint64_t ino, uint64_t at)
{
    struct deltalink_head head = {.op = op, .ino = ino, .at = at};
    delta_send(d);
    d->asking = true;
    d->op = op;
    d->err = 0;
    d->more = true;
    d->at = d->got = 0;
    if (!d->unlinked && host_link_send(d->link, &head, sizeof head)) server_gone(d);
}

static bool chunk_ok(const struct deltalink_chunk *c)
{
    size_t bytes = c->r.bytes - sizeof *c;
    return !(c->data & c->hole) && (bytes == 0 || bytes == (size_t)__builtin_popcount(c->data) * PAGE);
}

// Is what the record says of its own parts true?
static bool record_ok(const struct deltalink_record *r)
{
    static const uint16_t least[] = {
        [DELTALINK_R_FACTS] = sizeof(struct deltalink_facts), [DELTALINK_R_NUMBER] = sizeof *r,
        [DELTALINK_R_TEXT] = sizeof(struct deltalink_text),   [DELTALINK_R_INODE] = sizeof(struct deltalink_inode),
        [DELTALINK_R_NAME] = sizeof(struct deltalink_name),   [DELTALINK_R_XATTR] = sizeof(struct deltalink_xattr),
        [DELTALINK_R_CHUNK] = sizeof(struct deltalink_chunk)};
    if (r->kind >= sizeof least / sizeof *least || !least[r->kind] || r->bytes < least[r->kind]) return false;
    size_t rest = r->bytes - least[r->kind];
    const void *at = r;
    switch (r->kind) {
    case DELTALINK_R_TEXT:
        return memchr(((const struct deltalink_text *)at)->text, 0, DELTALINK_WHY) != NULL;
    case DELTALINK_R_INODE:
        return ((const struct deltalink_inode *)at)->target_len <= rest;
    case DELTALINK_R_NAME:
        return ((const struct deltalink_name *)at)->len <= rest;
    case DELTALINK_R_XATTR: {
        const struct deltalink_xattr *x = at;
        return x->name_len <= rest && x->value_len <= rest - x->name_len;
    }
    case DELTALINK_R_CHUNK:
        return chunk_ok(at);
    default:
        return true;
    }
}

// The next one of this packet; its bytes lie in `in`, which is aligned.
static const struct deltalink_record *take_record(struct delta *d)
{
    const struct deltalink_record *r = (const void *)(d->in.bytes + d->at);
    size_t left = d->got - d->at;
    if (left < sizeof *r || r->bytes < sizeof *r || r->bytes > left || r->bytes % 8 || !record_ok(r)) {
        fail(d, -LX_EIO);
        return NULL;
    }
    d->at += r->bytes;
    return r;
}

static const struct deltalink_record *any_next(struct delta *d)
{
    while (d->at == d->got && d->more) take_packet(d);
    return d->at == d->got ? NULL : take_record(d);
}

const struct deltalink_record *delta_next(struct delta *d)
{
    const struct deltalink_record *r;
    while ((r = any_next(d)) && r->kind == DELTALINK_R_TEXT)
        snprintf(d->problem, sizeof d->problem, "%s", ((const struct deltalink_text *)(const void *)r)->text);
    return r;
}

int delta_end(struct delta *d)
{
    while (delta_next(d)) continue;
    d->asking = false;
    return d->err;
}

bool delta_is_asking(const struct delta *d)
{
    return d->asking;
}

// ---------------------------------------------------------------- changing

void *delta_put(struct delta *d, enum deltalink_kind kind, uint64_t ino, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (sizeof d->out.head + d->put + bytes > sizeof d->out) delta_send(d);
    struct deltalink_record *r = (void *)(d->out.bytes + sizeof d->out.head + d->put);
    memset(r, 0, bytes < 256 ? bytes : 256); // what is larger is pages and values
    *r = (struct deltalink_record){kind, (uint32_t)bytes, ino};
    d->put += bytes;
    d->pending = true;
    return r;
}

bool delta_takes_frames(const struct delta *d)
{
    return d->frames;
}

bool delta_is_pending(const struct delta *d)
{
    return d->pending;
}

bool delta_is_broken(const struct delta *d)
{
    return d->broken || d->unlinked;
}

const char *delta_problem(const struct delta *d)
{
    return d->broken ? d->problem : "";
}

static void take_facts(struct delta *d, struct delta_facts *to)
{
    const struct deltalink_record *r;
    while ((r = delta_next(d))) {
        const struct deltalink_facts *f = (const void *)r;
        if (r->kind == DELTALINK_R_FACTS) *to = (struct delta_facts){f->used, f->limit, f->next_ino};
    }
}

int delta_save(struct delta *d, uint64_t next_ino, struct delta_facts *facts)
{
    if (d->broken) return -LX_EIO;
    delta_ask(d, DELTALINK_SAVE, 0, next_ino);
    *facts = (struct delta_facts){0};
    take_facts(d, facts);
    int err = delta_end(d);
    d->broken = err != 0;
    d->pending = false;
    return err ? -LX_EIO : 0;
}

// ---------------------------------------------------------------- opening

static int take_numbers(struct delta *d, struct delta_facts *facts)
{
    const struct deltalink_record *r;
    int err = 0;
    *facts = (struct delta_facts){0};
    while (!err && (r = delta_next(d))) {
        const struct deltalink_facts *f = (const void *)r;
        if (r->kind == DELTALINK_R_FACTS) {
            *facts = (struct delta_facts){f->used, f->limit, f->next_ino};
            d->frames = f->frames == 1;
        } else if (r->kind == DELTALINK_R_NUMBER && r->ino && r->ino <= d->image_inodes)
            err = delta_will_have(d, r->ino);
        else
            err = -LX_EIO;
    }
    int end = delta_end(d);
    if (!err) err = end;
    return err ? err : facts->next_ino > d->image_inodes ? 0 : -LX_EIO;
}

int delta_open(struct vfs *v, int link, uint64_t image_inodes, struct delta **out, struct delta_facts *facts, char *why,
               size_t why_size)
{
    struct delta *d = kmem_new(v, sizeof *d);
    if (!d) {
        snprintf(why, why_size, "not enough memory for a delta");
        return -LX_ENOMEM;
    }
    d->vfs = v;
    d->link = link;
    d->image_inodes = image_inodes;
    int err = grow_numbers(d);
    delta_ask(d, DELTALINK_OPEN, 0, image_inodes);
    int answer = take_numbers(d, facts);
    if (!err) err = answer;
    if (err) {
        const char *text = err == -LX_ENOMEM ? "not enough memory for a delta" : "the delta's server answers wrongly";
        snprintf(why, why_size, "%s", *d->problem ? d->problem : text);
        delta_close(d);
        return err;
    }
    *out = d;
    return 0;
}

void delta_close(struct delta *d)
{
    if (!d) return;
    kmem_free(d->vfs, d->numbers, d->cap * sizeof *d->numbers);
    kmem_free(d->vfs, d, sizeof *d);
}
