// Page frames: allocation, reference counts, and giving memory back to the host. See ram.h for what a frame is.
//
// RAM frames lie in one memfd, mapped once; attached files are mapped behind them in the same reservation. A frame is
// free when its reference count is 0. The bitmaps `held` and `dirty` have a bit per RAM frame: held, or free but
// possibly not zero. Frames at `top` and above were never used. Allocation is next-fit, so that frames allocated one
// after the other are neighbours and their mappings merge in the host kernel.
#include "host/ram.h"
#include "host/pages.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define WORDS       (RAM_FILE_BASE / 64)
#define RAM_BYTES   ((uint64_t)RAM_FILE_BASE << 12)
#define SPACE_BYTES ((uint64_t)RAM_FRAMES << 12)

enum {
    MAX_FILES = 64,
    PUNCH_RUN = 16, // a shorter free run is not worth a system call: it is zeroed when it is used again
    // Free dirty frames (4 MiB) after which the host gets memory back; and as many as that grows to (64 MiB) while what
    // it was given is wanted again.
    TRIM_FRAMES = 1024,
    MOST_FRAMES = 16384,
};

struct file_window {
    struct reader reader; // its descriptor is the window's
    uint32_t first, end;  // frames
};

struct ram_state {
    int fd;
    uint32_t limit, used, peak;
    uint32_t top;        // lowest frame never allocated
    uint32_t next;       // where the next search begins
    uint32_t dirty_free; // frames that are free and not known to be zero
    uint32_t trim_at;    // dirty_free at which ram_trim runs
    uint32_t ready;      // never used ones below this are there, and
    uint32_t filled;     // how many of these were wanted to be filled here
    uint32_t slack;      // how many more there may be then until it runs again
    uint32_t punched;    // that it gave back last,
    uint32_t fresh;      // and frames taken since that were not dirty
    uint32_t nfiles, file_top;
    uint32_t *refs;
    uint64_t *held, *dirty;
    uint8_t *room; // for ram_copy
    struct file_window files[MAX_FILES];
};

static bool bit(const uint64_t *map, uint32_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}
static void bit_set(uint64_t *map, uint32_t i)
{
    map[i / 64] |= 1ull << (i % 64);
}
static void bit_clear(uint64_t *map, uint32_t i)
{
    map[i / 64] &= ~(1ull << (i % 64));
}

int ram_memory(void)
{
    int fd = memfd_create("box", MFD_CLOEXEC), err = 0;
    if (fd >= 0 && ftruncate(fd, (off_t)RAM_BYTES) == 0) return fd;
    err = -errno;
    if (fd >= 0) close(fd);
    return err;
}

static int map_ram(struct ram *r, struct ram_state *s)
{
    r->base = mmap(NULL, SPACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->base == MAP_FAILED) return -errno;
    void *p = mmap(r->base, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, s->fd, 0);
    if (p == MAP_FAILED) return -errno;
    madvise(r->base, RAM_BYTES, MADV_DONTDUMP);
    return 0;
}

int ram_open_on(struct ram *r, uint32_t limit_frames, int memory)
{
    struct ram_state *s = calloc(1, sizeof *s);
    *r = (struct ram){.base = MAP_FAILED, .state = s};
    if (!s) {
        close(memory);
        return -ENOMEM;
    }
    *s = (struct ram_state){.fd = memory,
                            .limit = limit_frames,
                            .top = 1,
                            .next = 1,
                            .trim_at = TRIM_FRAMES,
                            .slack = TRIM_FRAMES,
                            .file_top = RAM_FILE_BASE};
    s->refs = pages_new(RAM_FILE_BASE * sizeof *s->refs);
    s->held = pages_new(WORDS * sizeof *s->held);
    s->dirty = pages_new(WORDS * sizeof *s->dirty);
    r->code = pages_new(WORDS * sizeof *r->code);
    int err = s->refs && s->held && s->dirty && r->code ? map_ram(r, s) : -ENOMEM;
    if (err) ram_close(r);
    return err;
}

int ram_open(struct ram *r, uint32_t limit_frames)
{
    *r = (struct ram){0};
    int memory = ram_memory();
    return memory < 0 ? memory : ram_open_on(r, limit_frames, memory);
}

void ram_close(struct ram *r)
{
    struct ram_state *s = r->state;
    if (!s) return;
    if (r->base != MAP_FAILED) munmap(r->base, SPACE_BYTES);
    if (s->fd >= 0) close(s->fd);
    for (uint32_t i = 0; i < s->nfiles; i++) {
        close(s->files[i].reader.fd);
        reader_close(&s->files[i].reader);
    }
    pages_free(s->refs, RAM_FILE_BASE * sizeof *s->refs);
    pages_free(s->held, WORDS * sizeof *s->held);
    pages_free(s->dirty, WORDS * sizeof *s->dirty);
    pages_free(r->code, WORDS * sizeof *r->code);
    free(s->room);
    free(s);
    *r = (struct ram){0};
}

// The first frame in [from, end) whose bit in `map` is `value`, or end.
static uint32_t find(const uint64_t *map, uint32_t from, uint32_t end, bool value)
{
    while (from < end) {
        uint64_t w = (value ? map[from / 64] : ~map[from / 64]) >> (from % 64);
        if (w) {
            from += (uint32_t)__builtin_ctzll(w);
            return from < end ? from : end;
        }
        from = (from | 63) + 1;
    }
    return end;
}

// A run of n free frames in [from, end), or 0.
static uint32_t find_run(const struct ram_state *s, uint32_t from, uint32_t end, uint32_t n)
{
    for (uint32_t a = find(s->held, from, end, false); a < end; a = find(s->held, a, end, false)) {
        if (end - a < n) return 0;
        uint32_t b = find(s->held, a, a + n, true);
        if (b == a + n) return a;
        a = b;
    }
    return 0;
}

// n consecutive free frames: after the last allocation, then from the start, then new ones.
static uint32_t find_frames(const struct ram_state *s, uint32_t n)
{
    uint32_t a = 0;
    if (s->used + 1 + n <= s->top) { // the frames below top that are free could hold it
        a = find_run(s, s->next, s->top, n);
        if (!a) a = find_run(s, 1, s->top, n);
    }
    if (!a && RAM_FILE_BASE - s->top >= n) a = s->top;
    return a;
}

// To write pages that the file does not have yet is a fraction of what their faults cost: the host then maps them all
// with a few. What is not written is mapped as it was before.
enum { WRITE_AT_ONCE = 64, WRITE_LEAST = 2 };

static int write_frames(const struct ram_state *s, uint32_t frame, const struct iovec *from, int n)
{
    uint64_t at = (uint64_t)frame << 12, bytes = 0;
    for (int i = 0; i < n; i++) bytes += from[i].iov_len;
    return pwritev(s->fd, from, n, (off_t)at) == (ssize_t)bytes ? 0 : -EIO;
}

static void write_zeros(const struct ram_state *s, uint32_t frame, uint32_t n)
{
    static const uint8_t zeros[4096];
    struct iovec page[WRITE_AT_ONCE];
    if (n < WRITE_LEAST || n > WRITE_AT_ONCE) return;
    for (uint32_t i = 0; i < n; i++) page[i] = (struct iovec){(void *)(uintptr_t)zeros, sizeof zeros};
    (void)write_frames(s, frame, page, (int)n);
}

static void take_frame(struct ram *r, uint32_t f, bool zero)
{
    struct ram_state *s = r->state;
    s->refs[f] = 1;
    bit_set(s->held, f);
    s->fresh += !bit(s->dirty, f);
    if (!bit(s->dirty, f)) return;
    bit_clear(s->dirty, f);
    s->dirty_free--;
    if (zero) memset(ram_ptr(r, f), 0, 4096);
}

uint32_t ram_alloc(struct ram *r, uint32_t n, bool zero)
{
    struct ram_state *s = r->state;
    if (n == 0 || s->used > s->limit || s->limit - s->used < n) return 0;
    uint32_t a = find_frames(s, n);
    if (!a) return 0;
    if (zero && find(s->dirty, a, a + n, true) == a + n) write_zeros(s, a, n);
    for (uint32_t f = a; f < a + n; f++) take_frame(r, f, zero);
    if (a + n > s->top) s->top = a + n;
    s->next = a + n;
    s->used += n;
    if (s->used > s->peak) s->peak = s->used;
    return a;
}

// Frames that were never used are brought in by the run, the longer the more there were: a host fault for each takes
// twice as long.
uint32_t ram_alloc_to_fill(struct ram *r, bool zero)
{
    enum { MOST_AHEAD = 16, SHARE = 4 };
    struct ram_state *s = r->state;
    uint32_t top = s->top, frame = ram_alloc(r, 1, zero);
    if (frame < top || frame < s->ready) return frame;
    uint32_t n = ++s->filled / SHARE < MOST_AHEAD ? s->filled / SHARE : MOST_AHEAD;
    if (n > 1 && frame + n <= RAM_FILE_BASE) pages_ready(ram_ptr(r, frame), (size_t)n << 12);
    s->ready = frame + n;
    return frame;
}

// Frames that are there already are faster to copy to.
uint32_t ram_alloc_from(struct ram *r, const struct host_piece *p, unsigned pieces, uint32_t n)
{
    struct ram_state *s = r->state;
    struct iovec from[HOST_PIECES];
    uint32_t old = s->top > s->ready ? s->top : s->ready, frame = pieces <= HOST_PIECES ? ram_alloc(r, n, false) : 0;
    if (!frame) return 0;
    uint8_t *to = ram_ptr(r, frame);
    for (unsigned i = 0; i < pieces; i++) {
        from[i] = (struct iovec){p[i].at, p[i].n};
        if (frame < old) to = (uint8_t *)memcpy(to, p[i].at, p[i].n) + p[i].n;
    }
    if (frame < old || !write_frames(s, frame, from, (int)pieces)) return frame;
    for (uint32_t i = 0; i < n; i++) ram_unref(r, frame + i);
    return 0;
}

static void punch(struct ram_state *s, uint32_t a, uint32_t b)
{
    if (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)a << 12, (off_t)(b - a) << 12) != 0) return;
    for (uint32_t f = a; f < b; f++) bit_clear(s->dirty, f);
    s->dirty_free -= b - a;
    s->punched += b - a;
}

// To give a page back and have a new one takes several times as long as to clear it.
static void learn(struct ram_state *s)
{
    if (!s->fresh) return; // much is freed at once: it is yet to be seen what is wanted again
    if (s->punched && s->fresh >= s->punched / 2)
        s->slack = s->slack * 2 < MOST_FRAMES ? s->slack * 2 : MOST_FRAMES;
    else if (s->slack > TRIM_FRAMES)
        s->slack /= 2;
    s->punched = s->fresh = 0;
}

// Give the free runs that are long enough back to the host. Only free frames have a dirty bit.
static void ram_trim(struct ram_state *s)
{
    learn(s);
    uint32_t a = find(s->dirty, 1, s->top, true);
    while (a < s->top) {
        uint32_t b = find(s->dirty, a, s->top, false);
        if (b - a >= PUNCH_RUN) punch(s, a, b);
        a = find(s->dirty, b, s->top, true);
    }
    s->trim_at = s->dirty_free + s->slack;
}

void ram_ref(struct ram *r, uint32_t frame)
{
    if (!ram_is_file(frame)) r->state->refs[frame]++;
}

void ram_unref(struct ram *r, uint32_t frame)
{
    struct ram_state *s = r->state;
    if (ram_is_file(frame) || --s->refs[frame] > 0) return;
    if (ram_has_code(r, frame)) bit_clear(r->code, frame);
    bit_clear(s->held, frame);
    bit_set(s->dirty, frame);
    s->used--;
    if (++s->dirty_free >= s->trim_at) ram_trim(s);
}

uint32_t ram_refs(const struct ram *r, uint32_t frame)
{
    return ram_is_file(frame) ? UINT32_MAX : r->state->refs[frame];
}

void ram_set_code(struct ram *r, uint32_t frame, bool has)
{
    if (ram_is_file(frame)) return; // they never change
    if (has)
        bit_set(r->code, frame);
    else
        bit_clear(r->code, frame);
}

uint32_t ram_used(const struct ram *r)
{
    return r->state->used;
}
uint32_t ram_peak(const struct ram *r)
{
    return r->state->peak;
}
uint32_t ram_limit(const struct ram *r)
{
    return r->state->limit;
}

int ram_attach(struct ram *r, int fd, uint64_t bytes, uint32_t *first)
{
    struct ram_state *s = r->state;
    uint64_t n = (bytes >> 12) + ((bytes & 4095) != 0);
    if (s->nfiles == MAX_FILES || n > RAM_FRAMES - s->file_top) return -ENOSPC;
    *first = s->file_top;
    if (n == 0) return 0;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return -errno;
    void *p = mmap(ram_ptr(r, s->file_top), n << 12, PROT_READ, MAP_SHARED | MAP_FIXED, own, 0);
    if (p == MAP_FAILED) {
        int err = -errno;
        close(own);
        return err;
    }
    // Touched here and there (metadata, small reads): without this the host maps 64 KiB or more around each touch,
    // which counts as resident.
    (void)madvise(p, n << 12, MADV_RANDOM);
    struct file_window *w = &s->files[s->nfiles++];
    *w = (struct file_window){.first = s->file_top, .end = s->file_top + (uint32_t)n};
    reader_open(&w->reader, own, n << 12);
    s->file_top += (uint32_t)n;
    return 0;
}

static struct file_window *window_of(const struct ram *r, uint32_t frame)
{
    struct ram_state *s = r->state;
    for (uint32_t i = 0; i < s->nfiles; i++)
        if (frame >= s->files[i].first && frame < s->files[i].end) return &s->files[i];
    return NULL;
}

int ram_backing(const struct ram *r, uint32_t frame, uint64_t *offset)
{
    const struct file_window *w = ram_is_file(frame) ? window_of(r, frame) : NULL;
    *offset = (uint64_t)(w ? frame - w->first : frame) << 12;
    return w ? w->reader.fd : ram_is_file(frame) ? -1 : r->state->fd;
}

int ram_read(const struct ram *r, uint32_t frame, uint32_t off, void *to, size_t n)
{
    if (!ram_is_file(frame)) {
        memcpy(to, ram_ptr(r, frame) + off, n);
        return 0;
    }
    for (size_t done = 0; done < n;) {
        struct host_piece rest = {(char *)to + done, n - done};
        uint64_t at = off + done;
        int64_t got = ram_read_pieces(r, frame + (uint32_t)(at >> 12), at & 4095, &rest, 1);
        if (got < 0) return (int)got;
        done += (size_t)got;
    }
    return 0;
}

bool ram_copy(struct ram *r, uint32_t frame, uint32_t from, uint32_t n)
{
    enum { ROOM = 16 };
    struct ram_state *s = r->state;
    if (n < WRITE_LEAST || !ram_is_file(from)) return false;
    if (!s->room) s->room = malloc(ROOM * 4096);
    for (uint32_t i = 0, part; s->room && i < n; i += part) {
        part = n - i < ROOM ? n - i : ROOM;
        struct iovec v = {s->room, (size_t)part << 12};
        if (ram_read(r, from + i, 0, s->room, v.iov_len) || write_frames(s, frame + i, &v, 1)) return false;
    }
    return s->room;
}

int64_t ram_read_pieces(const struct ram *r, uint32_t frame, uint32_t off, const struct host_piece *p, unsigned n)
{
    struct file_window *w = window_of(r, frame);
    return w ? reader_read(&w->reader, ((uint64_t)(frame - w->first) << 12) + off, p, n) : -EBADF;
}
