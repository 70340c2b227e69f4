// A block device whose chunks of 64 KiB lie in slots of a file that all boxes of the user share (the pool), in any
// order, and come when they are asked for, whole or in parts (a piece is what comes at once): from a server outside the
// jail (vfs/disk_protocol.h). What is there, and where, says a table in memory that the server writes. The pool's file
// is mapped as an image's own would be: its pages are ram frames, and file data is never copied.
//
// Neither table nor packets are believed: a slot must lie in the file, and counts must fit.
//
// Readahead: who reads piece after piece gets the next 1, 2, 4, ... asked for (up to 2 MiB) while he still has half of
// the last lot (of parts 3 at first); several readers at once are told apart. All that lies together is asked for in
// one packet.
#include "vfs/blockdev.h"
#include "abi/errno.h"
#include "host/blockfile.h"
#include "host/link.h"
#include "vfs/disk_protocol.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES ((uint64_t)DISK_ZERO * DISK_CHUNK) // of slots that a word can number

enum { STREAMS = 8, FIRST_AHEAD = 1, PARTS_AHEAD = 3, MOST_AHEAD = 2 << 20, CHUNK_PAGES = DISK_CHUNK / 4096 };
enum { ABSENT = 0, FAILED = DISK_ZERO + 1 }; // what is said of a piece in place of its slot

struct stream {         // of pieces, in order
    uint32_t next, end; // the piece to come; all below `end` have been asked for
    uint32_t window;    // how many to ask for
    uint32_t used;      // when
};

struct blockpool {
    struct blockdev dev;
    int blocks, spare, link;
    const struct disk_head *head;
    const uint32_t *table;
    size_t mapped;
    uint32_t parts, piece, pieces;  // of a piece: in parts, in bytes; of the image
    uint32_t inner, slots;          // slots of the file; of file and spare memory together
    uint32_t first, first_spare;    // frames of slot 0, and of the first spare one; 0: not mapped
    bool gone;                      // the server is
    uint8_t *asked[DISK_MAYBE + 1]; // by urgency: a bit per piece
    struct waitq queue;
    uint32_t last, time; // piece that was touched last
    struct stream stream[STREAMS];
    struct disk_want want[DISK_WANTS];
    unsigned nwants;
};

static struct blockpool *pool_of(struct blockdev *d)
{
    return (struct blockpool *)d;
}

// ---------------------------------------------------------------- the table

static uint32_t slot_of(const struct blockpool *p, uint32_t piece)
{
    uint32_t word = disk_load(&p->table[disk_chunk(piece, p->parts)]), parts = disk_parts(piece, p->parts);
    uint32_t slot = disk_slot(word);
    if ((disk_there(word) & parts) == parts) return slot && (slot < p->slots || slot == DISK_ZERO) ? slot : FAILED;
    return disk_failed(word) & parts ? FAILED : ABSENT;
}

static uint32_t piece_at(const struct blockpool *p, uint64_t offset)
{
    return (uint32_t)(offset / p->piece);
}

// ---------------------------------------------------------------- asking

static void send_wants(struct blockpool *p)
{
    if (p->nwants && (p->link < 0 || host_link_send(p->link, p->want, p->nwants * sizeof *p->want))) p->gone = true;
    p->nwants = 0;
}

static void add_want(struct blockpool *p, uint32_t piece, enum disk_urgency how)
{
    struct disk_want *w = p->nwants ? &p->want[p->nwants - 1] : NULL;
    if (w && w->urgency == (uint32_t)how && w->first + w->count == piece) {
        w->count++;
        return;
    }
    if (p->nwants == DISK_WANTS) send_wants(p);
    p->want[p->nwants++] = (struct disk_want){piece, 1, how};
}

static void ask(struct blockpool *p, uint32_t piece, enum disk_urgency how)
{
    if (slot_of(p, piece) != ABSENT) return;
    for (int u = DISK_NOW; u < (int)how; u++)
        if (disk_marked(p->asked[u], piece)) return;
    if (!disk_mark(p->asked[how], piece)) add_want(p, piece, how);
}

// ---------------------------------------------------------------- readahead

static struct stream *find_stream(struct blockpool *p, uint32_t piece)
{
    struct stream *oldest = &p->stream[0];
    for (struct stream *s = p->stream; s < p->stream + STREAMS; s++) {
        if (s->window && piece == s->next) return s;
        if (s->used < oldest->used) oldest = s;
    }
    *oldest = (struct stream){.next = piece, .end = piece + 1};
    return oldest;
}

static void go_ahead(struct blockpool *p, struct stream *s, enum disk_urgency how)
{
    uint32_t end = p->pieces - s->next > s->window ? s->next + s->window : p->pieces;
    if (s->end < s->next) s->end = s->next;
    for (; s->end < end; s->end++) ask(p, s->end, how);
}

// A piece is looked at: where does it belong, and what is to be asked for now?
static void touch(struct blockpool *p, uint32_t piece)
{
    if (piece == p->last) return;
    struct stream *s = find_stream(p, piece);
    p->last = piece;
    s->used = ++p->time;
    s->next = piece + 1;
    if (!s->window) {
        s->window = p->parts == 1 ? PARTS_AHEAD : FIRST_AHEAD;
        go_ahead(p, s, p->parts == 1 ? DISK_AHEAD : DISK_MAYBE);
        return;
    }
    if (s->end > s->next + s->window / 2) return; // still enough
    if (s->window < MOST_AHEAD / p->piece) s->window *= 2;
    go_ahead(p, s, DISK_AHEAD);
}

// ---------------------------------------------------------------- waiting

// Takes what the server has sent; waits for it, if it has to. What is in it does not matter.
static void take_news(struct blockpool *p, bool wait)
{
    char packet[64];
    while (!p->gone) {
        int64_t n = p->link < 0 ? 0 : host_link_take(p->link, packet, sizeof packet, wait);
        if (n == -LX_EAGAIN) return;
        if (n <= 0) p->gone = true;
        wait = false;
    }
}

// The slot of a piece that is looked at now: ABSENT, and it has been asked for. The server may have gone
// right after it had brought it.
static uint32_t look_up(struct blockpool *p, uint32_t piece, enum disk_urgency how)
{
    uint32_t slot = slot_of(p, piece);
    if (slot == ABSENT && !p->gone) ask(p, piece, how);
    if (how == DISK_NOW) touch(p, piece);
    send_wants(p);
    if (slot == ABSENT) slot = slot_of(p, piece);
    if (slot == ABSENT && p->gone) return FAILED;
    return slot;
}

static uint32_t wait_for(struct blockpool *p, uint32_t piece)
{
    uint32_t slot;
    while ((slot = look_up(p, piece, DISK_NOW)) == ABSENT) take_news(p, true);
    return slot;
}

static int pool_waits(struct blockdev *d)
{
    struct blockpool *p = pool_of(d);
    return p->queue.first && !p->gone ? p->link : -1;
}

static void pool_news(struct blockdev *d)
{
    take_news(pool_of(d), false);
    waitq_wake(&pool_of(d)->queue);
}

// ---------------------------------------------------------------- the device

static int pool_ready(struct blockdev *d, uint64_t offset, size_t n, struct waitq **wait)
{
    struct blockpool *p = pool_of(d);
    int result = 0;
    if (!blockdev_has(d, offset, n)) return -LX_EIO;
    for (uint32_t i = piece_at(p, offset); n && i <= piece_at(p, offset + n - 1); i++) {
        uint32_t slot = d->stalls && wait ? wait_for(p, i) : look_up(p, i, wait ? DISK_NOW : DISK_MAYBE);
        if (slot == FAILED) return -LX_EIO;
        if (slot == ABSENT) result = -LX_EPARK;
    }
    if (result && wait) *wait = &p->queue;
    return result;
}

// Slots behind those of the file lie in the spare memory.
static int read_slot(struct blockpool *p, uint32_t slot, uint32_t from, void *buf, size_t n)
{
    bool spare = slot >= p->inner;
    uint64_t at = (uint64_t)(spare ? slot - p->inner : slot) * DISK_CHUNK + from;
    return host_blockfile_read(spare ? p->spare : p->blocks, at, buf, n) ? -LX_EIO : 0;
}

// Within a piece.
static int read_piece(struct blockpool *p, uint64_t offset, void *buf, size_t n)
{
    uint32_t slot = wait_for(p, piece_at(p, offset));
    if (slot == FAILED) return -LX_EIO;
    if (slot != DISK_ZERO) return read_slot(p, slot, (uint32_t)(offset % DISK_CHUNK), buf, n);
    memset(buf, 0, n);
    return 0;
}

static int pool_read(struct blockdev *d, uint64_t offset, void *buf, size_t n)
{
    struct blockpool *p = pool_of(d);
    for (uint32_t i = piece_at(p, offset); n && !p->gone && i <= piece_at(p, offset + n - 1); i++) // all at once
        ask(p, i, DISK_NOW);
    for (char *to = buf; n;) {
        size_t left = p->piece - (size_t)(offset % p->piece), some = left < n ? left : n;
        int err = read_piece(p, offset, to, some);
        if (err) return err;
        to += some;
        offset += some;
        n -= some;
    }
    return 0;
}

static uint32_t pool_frame(struct blockdev *d, uint64_t offset)
{
    struct blockpool *p = pool_of(d);
    if (!blockdev_has(d, offset, 4096)) return 0;
    uint32_t slot = slot_of(p, piece_at(p, offset));
    if (slot == ABSENT || slot >= p->slots) return 0;
    uint32_t first = slot < p->inner ? p->first : p->first_spare;
    if (!first) return 0;
    if (slot >= p->inner) slot -= p->inner;
    return first + slot * CHUNK_PAGES + (uint32_t)(offset % DISK_CHUNK >> 12);
}

static void pool_hint(struct blockdev *d, uint64_t offset, uint64_t n, bool sure)
{
    struct blockpool *p = pool_of(d);
    if (p->gone || !n) return;
    for (uint32_t i = piece_at(p, offset); i <= piece_at(p, offset + n - 1); i++)
        ask(p, i, sure ? DISK_AHEAD : DISK_MAYBE);
    send_wants(p);
}

static void pool_close(struct blockdev *d)
{
    struct blockpool *p = pool_of(d);
    host_blockfile_unmap(p->head, p->mapped);
    for (int u = DISK_NOW; u <= DISK_MAYBE; u++) free(p->asked[u]);
    free(p);
}

static const struct blockdev_ops pool_ops = {.read = pool_read,
                                             .ready = pool_ready,
                                             .frame = pool_frame,
                                             .close = pool_close,
                                             .waits = pool_waits,
                                             .news = pool_news,
                                             .hint = pool_hint};

// ---------------------------------------------------------------- opening

static int refuse(char *why, size_t why_size, int err, const char *what)
{
    snprintf(why, why_size, "%s", what);
    return err;
}

// Until the server knows the image.
static int wait_open(struct blockpool *p, char *why, size_t why_size)
{
    while (disk_load(&p->head->state) == DISK_OPENING && !p->gone) take_news(p, true);
    if (disk_load(&p->head->state) == DISK_OPEN) return 0;
    return refuse(why, why_size, -LX_EIO, "the image's server has ended");
}

// All that is used later is copied from the shared memory once, here.
static int take_facts(struct blockpool *p, uint64_t table_bytes, char *why, size_t why_size)
{
    uint64_t bytes = p->head->bytes;
    uint32_t chunks = p->head->chunks, parts = p->head->piece;
    if (chunks > DISK_MAX_CHUNKS || bytes > (uint64_t)chunks * DISK_CHUNK ||
        table_bytes < DISK_TABLE + 4 * (uint64_t)chunks || (parts != 1 && parts != DISK_PARTS))
        return refuse(why, why_size, -LX_EIO, "the image's server says what cannot be");
    p->dev.bytes = bytes;
    p->parts = parts;
    p->piece = parts * DISK_PART;
    p->pieces = (uint32_t)((bytes + p->piece - 1) / p->piece);
    for (int u = DISK_NOW; u <= DISK_MAYBE; u++)
        if (!(p->asked[u] = calloc(1, p->pieces / 8 + 1)))
            return refuse(why, why_size, -LX_ENOMEM, "not enough memory");
    return 0;
}

static int set_up(struct blockpool *p, const struct blockpool_of *of, char *why, size_t why_size)
{
    uint64_t table_bytes, blocks_bytes, spare_bytes = 0;
    if (host_blockfile_size(of->table, &table_bytes) || host_blockfile_size(of->blocks, &blocks_bytes) ||
        (of->spare >= 0 && host_blockfile_size(of->spare, &spare_bytes)) || table_bytes < DISK_TABLE ||
        table_bytes > DISK_BYTES || blocks_bytes > SLOT_BYTES || spare_bytes > SLOT_BYTES)
        return refuse(why, why_size, -LX_EIO, "cannot use the pool's files");
    p->inner = (uint32_t)(blocks_bytes / DISK_CHUNK);
    p->slots = p->inner + (uint32_t)(spare_bytes / DISK_CHUNK);
    p->mapped = (size_t)table_bytes;
    p->head = host_blockfile_map(of->table, p->mapped);
    if (!p->head) return refuse(why, why_size, -LX_ENOMEM, "not enough memory");
    p->table = (const uint32_t *)(const void *)((const char *)p->head + DISK_TABLE);
    int err = wait_open(p, why, why_size);
    return err ? err : take_facts(p, table_bytes, why, why_size);
}

// What does not fit is read.
static void attach(struct blockpool *p, struct ram *ram)
{
    uint32_t spare = p->slots - p->inner;
    if (ram_attach(ram, p->blocks, (uint64_t)p->inner * DISK_CHUNK, &p->first)) p->first = 0;
    if (!spare || ram_attach(ram, p->spare, (uint64_t)spare * DISK_CHUNK, &p->first_spare)) p->first_spare = 0;
}

int blockpool_open(struct ram *ram, const struct blockpool_of *of, struct blockdev **out, char *why, size_t why_size)
{
    struct blockpool *p = calloc(1, sizeof *p);
    if (!p) return refuse(why, why_size, -LX_ENOMEM, "not enough memory");
    *p = (struct blockpool){.dev = {.ops = &pool_ops, .stalls = true},
                            .blocks = of->blocks,
                            .spare = of->spare,
                            .link = of->link,
                            .last = UINT32_MAX};
    int err = set_up(p, of, why, why_size);
    if (err) {
        if (p->head)
            pool_close(&p->dev);
        else
            free(p);
        return err;
    }
    if (ram) attach(p, ram);
    *out = &p->dev;
    return 0;
}
