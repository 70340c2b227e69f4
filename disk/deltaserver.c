// See deltaserver.h. One transaction is open from the first change after a save to the next save.
#include "disk/deltaserver.h"
#include "disk/deltafile.h"
#include "host/link.h"
#include "vfs/delta_protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert((int)DELTALINK_PACKET == (int)LINK_PACKET && (int)DELTALINK_PAGES == (int)DELTA_CHUNK_PAGES, "");
_Static_assert((int)DELTALINK_XATTRS == (int)DELTA_XATTRS, "");

union packet {
    struct deltalink_head head;
    uint8_t bytes[DELTALINK_PACKET];
};

struct keeper {
    const struct deltaserver *options;
    struct deltafile *file; // NULL: not open
    int link;
    bool gone;   // the worker
    bool began;  // a transaction
    bool failed; // for good: what is put is lost
    char why[DELTALINK_WHY];
    int disk;           // the file once more, for write_out
    unsigned unwritten; // chunks since that was called
    size_t put;         // bytes of records in `out`
    struct deltaserver_end end;
    uint8_t pages[DELTA_CHUNK_PAGES * DELTA_PAGE]; // from the memory
    union packet in, out;
};

// ---------------------------------------------------------------- answers

static void send_packet(struct keeper *k, int err, bool more)
{
    k->out.head = (struct deltalink_head){.op = k->in.head.op, .err = err, .more = more};
    if (host_link_send(k->link, &k->out, sizeof k->out.head + k->put)) k->gone = true;
    k->end.read += sizeof k->out.head + k->put;
    k->put = 0;
}

static void *answer(struct keeper *k, enum deltalink_kind kind, uint64_t ino, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (sizeof k->out.head + k->put + bytes > sizeof k->out) send_packet(k, 0, true);
    struct deltalink_record *r = (void *)(k->out.bytes + sizeof k->out.head + k->put);
    memset(r, 0, bytes);
    *r = (struct deltalink_record){kind, (uint32_t)bytes, ino};
    k->put += bytes;
    return r;
}

// A problem of the file's, or what was the matter before.
static void end_answer(struct keeper *k, int err)
{
    if (err) {
        struct deltalink_text *t = answer(k, DELTALINK_R_TEXT, 0, sizeof *t);
        snprintf(t->text, sizeof t->text, "%s", *k->why ? k->why : k->file ? deltafile_problem(k->file) : "?");
    }
    send_packet(k, err, false);
}

// The program gets EIO for what cannot be read, the command says why.
static void end_read(struct keeper *k, int got)
{
    if (got < 0 && !k->end.damage[0]) snprintf(k->end.damage, sizeof k->end.damage, "%s", deltafile_problem(k->file));
    end_answer(k, got < 0 ? got : 0);
}

// ---------------------------------------------------------------- opening

static int put_facts(struct keeper *k)
{
    int64_t used = deltafile_used(k->file);
    uint64_t next = deltafile_next_ino(k->file);
    if (used < 0 || next == 0) return used < 0 ? (int)used : -EIO;
    struct deltalink_facts *f = answer(k, DELTALINK_R_FACTS, 0, sizeof *f);
    f->used = (uint64_t)used;
    f->limit = k->options->limit;
    f->next_ino = next;
    f->frames = k->options->memory > 0;
    return 0;
}

// New inodes that had lost their last name, but were still in use, when the box ended.
struct orphans {
    uint64_t from, at[256];
    unsigned n;
    uint64_t image_inodes;
};

static int find_orphan(void *ctx, const struct delta_inode *i)
{
    struct orphans *o = ctx;
    o->from = i->ino + 1;
    if (i->nlink == 0) o->at[o->n++] = i->ino;
    return o->n == sizeof o->at / sizeof *o->at;
}

static int commit(struct keeper *k)
{
    k->began = false; // a commit that fails has rolled back
    int err = deltafile_commit(k->file);
    if (!err) k->end.saves++;
    return err;
}

static int remove_orphans(struct keeper *k, uint64_t image_inodes)
{
    struct orphans o = {.from = image_inodes + 1};
    int got;
    do {
        o.n = 0;
        got = deltafile_inodes(k->file, o.from, find_orphan, &o);
        int err = got < 0 ? got : o.n && !k->began ? deltafile_begin(k->file) : 0;
        k->began = k->began || (o.n && !err);
        for (unsigned i = 0; i < o.n && !err; i++) err = deltafile_remove_inode(k->file, o.at[i]);
        if (err) return err;
    } while (got > 0);
    return k->began ? commit(k) : 0;
}

static int put_number(void *ctx, const struct delta_inode *i)
{
    struct keeper *k = ctx;
    if (i->ino > deltafile_base(k->file)->inodes) return 1; // those of the image come first
    answer(k, DELTALINK_R_NUMBER, i->ino, sizeof(struct deltalink_record));
    return 0;
}

// A box that was killed has it for a moment longer than it lives.
static int open_when_free(struct keeper *k, const struct delta_base *base)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int err = deltafile_open(&k->file, k->options->path, DELTA_WRITE, base, k->why);
    for (int tries = 0; tries < 50 && err == -EBUSY; tries++) {
        nanosleep(&pause, NULL);
        err = deltafile_open(&k->file, k->options->path, DELTA_WRITE, base, k->why);
    }
    return err;
}

// Room for what is around the pages; the worker keeps the limit itself.
static int open_file(struct keeper *k, uint64_t image_inodes)
{
    struct delta_base base = {0};
    uint64_t limit = k->options->limit;
    if (k->file || image_inodes > UINT32_MAX) return -EINVAL;
    base.inodes = (uint32_t)image_inodes;
    int err = k->options->base(k->options->ctx, &base.bytes, base.digest, k->why);
    if (!err) err = open_when_free(k, &base);
    if (err) return err;
    // To close it ends the locks that SQLite has on the file (fcntl(2)): not before that is closed.
    k->disk = open(k->options->path, O_RDONLY | O_CLOEXEC);
    err = deltafile_set_limit(k->file, limit + limit / 4 + (16 << 20));
    return err ? err : remove_orphans(k, image_inodes);
}

static void serve_open(struct keeper *k)
{
    int err = open_file(k, k->in.head.at);
    if (!err) err = put_facts(k);
    if (!err) {
        int got = deltafile_inodes(k->file, 0, put_number, k);
        err = got < 0 ? got : 0;
    }
    end_answer(k, err);
}

// ---------------------------------------------------------------- what is there

static struct deltalink_time time_of(const struct delta_time *t)
{
    return (struct deltalink_time){t->sec, t->nsec};
}

static void put_inode(struct keeper *k, const struct delta_inode *i)
{
    size_t len = i->target ? i->size : 0;
    struct deltalink_inode *r = answer(k, DELTALINK_R_INODE, i->ino, sizeof *r + len);
    r->size = i->size;
    r->mode = i->mode, r->nlink = i->nlink, r->uid = i->uid, r->gid = i->gid, r->rdev = i->rdev;
    r->flags = i->flags, r->image_pages = i->image_pages, r->target_len = (uint32_t)len;
    r->atime = time_of(&i->atime), r->mtime = time_of(&i->mtime);
    r->ctime = time_of(&i->ctime), r->btime = time_of(&i->btime);
    if (len) memcpy(r->target, i->target, len);
}

// One that is too long for a packet was not put by a box.
static int put_xattr(void *ctx, const char *name, const void *value, size_t n)
{
    struct keeper *k = ctx;
    size_t len = strlen(name);
    if (n > DELTALINK_XATTR_MAX || len > DELTALINK_NAME_MAX) return 0;
    struct deltalink_xattr *r = answer(k, DELTALINK_R_XATTR, 0, sizeof *r + len + n);
    r->name_len = (uint32_t)len;
    r->value_len = (uint32_t)n;
    memcpy(r->text, name, len);
    if (n) memcpy(r->text + len, value, n);
    return 0;
}

static int put_chunk(void *ctx, const struct delta_chunk *c)
{
    struct keeper *k = ctx;
    size_t n = c->bytes ? (size_t)__builtin_popcount(c->data) * DELTA_PAGE : 0;
    struct deltalink_chunk *r = answer(k, DELTALINK_R_CHUNK, c->ino, sizeof *r + n);
    r->index = c->index;
    r->data = c->data;
    r->hole = c->hole;
    if (n) memcpy(r->bytes, c->bytes, n);
    return 0;
}

static void serve_inode(struct keeper *k, uint64_t ino)
{
    struct delta_inode i;
    int got = deltafile_inode(k->file, ino, &i);
    if (got > 0) {
        put_inode(k, &i);
        got = i.flags & DELTA_XATTRS ? deltafile_xattrs(k->file, ino, put_xattr, k) : 0;
        if (got >= 0 && S_ISREG(i.mode)) got = deltafile_chunks(k->file, ino, 0, false, put_chunk, k);
    }
    end_read(k, got);
}

static int put_name(void *ctx, const struct delta_name *n)
{
    struct keeper *k = ctx;
    struct deltalink_name *r = answer(k, DELTALINK_R_NAME, n->dir, sizeof *r + n->len);
    r->child = n->ino;
    r->dt = n->type;
    r->len = (uint16_t)n->len;
    memcpy(r->name, n->name, n->len);
    return 0;
}

static void serve_names(struct keeper *k, uint64_t dir)
{
    int got = dir ? deltafile_names(k->file, dir, NULL, 0, put_name, k) : -EINVAL;
    end_read(k, got);
}

static void serve_chunk(struct keeper *k, uint64_t ino, uint64_t chunk)
{
    struct delta_chunk c;
    int got = chunk > UINT32_MAX ? 0 : deltafile_pages(k->file, ino, (uint32_t)chunk, true, &c);
    if (got > 0) put_chunk(k, &c);
    end_read(k, got);
}

// ---------------------------------------------------------------- changes

static struct delta_time take_time(const struct deltalink_time *t)
{
    return (struct delta_time){t->sec, t->nsec > UINT32_MAX ? UINT32_MAX : (uint32_t)t->nsec};
}

static int take_inode(struct keeper *k, const struct deltalink_inode *r, size_t rest)
{
    if (r->target_len > rest || (r->target_len && r->target_len != r->size)) return -EINVAL;
    struct delta_inode i = {.ino = r->r.ino,
                            .size = r->size,
                            .mode = r->mode,
                            .nlink = r->nlink,
                            .uid = r->uid,
                            .gid = r->gid,
                            .rdev = r->rdev,
                            .flags = r->flags,
                            .image_pages = r->image_pages,
                            .atime = take_time(&r->atime),
                            .mtime = take_time(&r->mtime),
                            .ctime = take_time(&r->ctime),
                            .btime = take_time(&r->btime),
                            .target = r->target_len ? r->target : NULL};
    return deltafile_put_inode(k->file, &i);
}

static int take_name(struct keeper *k, const struct deltalink_name *r, size_t rest)
{
    if (r->len > rest) return -EINVAL;
    if (!r->child && !(r->flags & DELTALINK_HIDES)) return deltafile_remove_name(k->file, r->r.ino, r->name, r->len);
    struct delta_name n = {.dir = r->r.ino, .ino = r->child, .type = r->dt, .len = r->len, .name = r->name};
    return deltafile_put_name(k->file, &n);
}

static int take_xattr(struct keeper *k, const struct deltalink_xattr *r, size_t rest)
{
    char name[DELTALINK_NAME_MAX + 1];
    if (r->name_len > rest || r->value_len > rest - r->name_len || r->name_len > DELTALINK_NAME_MAX) return -EINVAL;
    memcpy(name, r->text, r->name_len);
    name[r->name_len] = 0;
    if (strlen(name) != r->name_len) return -EINVAL;
    return deltafile_put_xattr(k->file, r->r.ino, name, r->text + r->name_len, r->value_len);
}

// What SQLite has handed to the kernel goes to the disk at once, and not when the save waits for it.
static void write_out(struct keeper *k)
{
    enum { OFTEN = 64 };
    if (++k->unwritten < OFTEN) return;
    k->unwritten = 0;
    if (k->disk >= 0) (void)sync_file_range(k->disk, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int take_chunk(struct keeper *k, const struct deltalink_chunk *r, size_t rest)
{
    if ((size_t)__builtin_popcount(r->data) * DELTA_PAGE > rest) return -EINVAL;
    struct delta_chunk c = {r->r.ino, r->index, r->data, r->hole, r->bytes};
    write_out(k);
    return deltafile_put_pages(k->file, &c);
}

// n frames, of which those that follow each other are read at once.
static int read_frames(struct keeper *k, const uint32_t *frame, unsigned n)
{
    for (unsigned i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && frame[end] == frame[end - 1] + 1;) end++;
        size_t bytes = (size_t)(end - i) * DELTA_PAGE;
        ssize_t got;
        do {
            got = pread(k->options->memory, k->pages + i * DELTA_PAGE, bytes, (off_t)frame[i] * DELTA_PAGE);
        } while (got < 0 && errno == EINTR);
        if (got != (ssize_t)bytes) return -EINVAL;
    }
    k->end.written += (uint64_t)n * DELTA_PAGE;
    return 0;
}

static int take_frames(struct keeper *k, const struct deltalink_frames *r)
{
    struct delta_chunk c = {r->r.ino, r->index, r->data, r->hole, k->pages};
    int err = k->options->memory > 0 ? read_frames(k, r->frame, (unsigned)__builtin_popcount(r->data)) : -EINVAL;
    if (err) return err;
    write_out(k);
    return deltafile_put_pages(k->file, &c);
}

static int take_cut(struct keeper *k, const struct deltalink_cut *r)
{
    return r->first > UINT32_MAX ? 0 : deltafile_cut_pages(k->file, r->r.ino, (uint32_t)r->first);
}

static int take_record(struct keeper *k, const struct deltalink_record *r)
{
    static const uint16_t least[] = {
        [DELTALINK_R_INODE] = sizeof(struct deltalink_inode), [DELTALINK_R_GONE] = sizeof *r,
        [DELTALINK_R_NAME] = sizeof(struct deltalink_name),   [DELTALINK_R_NO_XATTRS] = sizeof *r,
        [DELTALINK_R_XATTR] = sizeof(struct deltalink_xattr), [DELTALINK_R_CHUNK] = sizeof(struct deltalink_chunk),
        [DELTALINK_R_CUT] = sizeof(struct deltalink_cut),     [DELTALINK_R_FRAMES] = sizeof(struct deltalink_frames)};
    const void *at = r;
    if (r->kind >= sizeof least / sizeof *least || !least[r->kind] || r->bytes < least[r->kind]) return -EINVAL;
    size_t rest = r->bytes - least[r->kind];
    switch (r->kind) {
    case DELTALINK_R_INODE:
        return take_inode(k, at, rest);
    case DELTALINK_R_GONE:
        return deltafile_remove_inode(k->file, r->ino);
    case DELTALINK_R_NAME:
        return take_name(k, at, rest);
    case DELTALINK_R_NO_XATTRS:
        return deltafile_remove_xattrs(k->file, r->ino);
    case DELTALINK_R_XATTR:
        return take_xattr(k, at, rest);
    case DELTALINK_R_CHUNK:
        return take_chunk(k, at, rest);
    case DELTALINK_R_FRAMES:
        return take_frames(k, at);
    default:
        return take_cut(k, at);
    }
}

static void fail(struct keeper *k)
{
    if (k->began) deltafile_rollback(k->file);
    k->began = false;
    k->failed = true;
    if (!*k->why) snprintf(k->why, sizeof k->why, "%s", deltafile_problem(k->file));
    if (!*k->why) snprintf(k->why, sizeof k->why, "%s: the box said what no delta can hold", k->options->path);
}

static void take_changes(struct keeper *k, size_t n)
{
    if (k->failed) return;
    k->end.written += n;
    int err = k->began ? 0 : deltafile_begin(k->file);
    k->began = !err;
    for (size_t at = sizeof k->in.head; at < n && !err;) {
        const struct deltalink_record *r = (const void *)(k->in.bytes + at);
        bool whole = n - at >= sizeof *r && r->bytes >= sizeof *r && r->bytes <= n - at && r->bytes % 8 == 0;
        err = whole ? take_record(k, r) : -EINVAL;
        at += whole ? r->bytes : 0;
    }
    if (err) fail(k);
}

static void serve_save(struct keeper *k, uint64_t next_ino)
{
    if (!k->failed) {
        int err = k->began ? 0 : deltafile_begin(k->file);
        k->began = !err;
        if (!err) err = deltafile_set_next_ino(k->file, next_ino);
        if (!err) err = commit(k);
        if (!err) err = put_facts(k);
        if (err) fail(k);
    }
    end_answer(k, k->failed ? -EIO : 0);
}

// ---------------------------------------------------------------- the loop

static void serve(struct keeper *k, size_t n)
{
    const struct deltalink_head *h = &k->in.head;
    if (h->op != DELTALINK_OPEN && !k->file) {
        k->gone = true;
        return;
    }
    switch (h->op) {
    case DELTALINK_OPEN:
        serve_open(k);
        break;
    case DELTALINK_INODE:
        serve_inode(k, h->ino);
        break;
    case DELTALINK_NAMES:
        serve_names(k, h->ino);
        break;
    case DELTALINK_CHUNK:
        serve_chunk(k, h->ino, h->at);
        break;
    case DELTALINK_CHANGES:
        take_changes(k, n);
        break;
    case DELTALINK_SAVE:
        serve_save(k, h->at);
        break;
    default:
        k->gone = true;
    }
}

// What was not saved is not kept, and does not count.
static void tell_end(struct keeper *k)
{
    if (k->options->end < 0) return;
    if (k->file) deltafile_rollback(k->file);
    int64_t size = k->file ? deltafile_bytes(k->file) : 0, used = k->file ? deltafile_used(k->file) : 0;
    k->end.size = size > 0 ? (uint64_t)size : 0;
    k->end.used = used > 0 ? (uint64_t)used : 0;
    (void)!write(k->options->end, &k->end, sizeof k->end); // a pipe with room
}

int deltaserver_run(void *ctx, int link)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k) return 1;
    k->options = ctx;
    k->disk = -1;
    signal(SIGXFSZ, SIG_IGN); // a limit on the size of files (setrlimit(2)) is as a full disk
    k->link = link;
    while (!k->gone) {
        int64_t n = host_link_take(link, &k->in, sizeof k->in, true);
        if (n < (int64_t)sizeof k->in.head || n > (int64_t)sizeof k->in) break;
        serve(k, (size_t)n);
    }
    int status = k->failed;
    tell_end(k);
    deltafile_close(k->file); // what was not saved is not kept
    if (k->disk >= 0) close(k->disk);
    free(k);
    return status;
}
