// See pool.h. What it is made of: the files that all processes share (pool_files.h) with their index (pool_index.h),
// and memory: in place of the files where there are none, or behind them for what finds no room in them.
#include "disk/pool_files.h"
#include "disk/sha256.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { VICTIMS = 64, SHRINK = 16, PAUSE = 64, OPENING = 64 };

struct victim { // was used longest ago when it was looked for
    uint32_t slot;
    uint64_t used; // 0: it is free, but takes disk space (its writer was killed)
};

struct memory { // content for this process and whoever inherits it. Nothing in it goes
    int fd, ro; // -1: none
    uint32_t slots, used;
    struct pool_index index;
};

struct pool {
    bool shared; // `files` are open
    struct pool_files files;
    struct memory memory;
    uint64_t limit;  // bytes
    uint32_t chunks; // the same, at least one
    struct victim victim[VICTIMS];
    uint32_t nvictims, next_victim;
    bool over;      // there were more than `chunks` lately
    uint32_t pause; // that many times there was nobody to be found
    struct sha256 hash;
    uint64_t pinned[PINS_WORDS]; // for the search for victims
    uint8_t content[POOL_CHUNK]; // to be proven
};

static const struct pool_place nowhere;
static const uint8_t no_proof[POOL_PROOF];

// ---------------------------------------------------------------- memory

static uint32_t first_slot(const struct pool *p) // of memory
{
    return p->shared ? POOL_SLOTS : 0;
}

// With slot 0, which is not used. Who writes beyond RLIMIT_FSIZE gets a signal.
static uint64_t memory_bytes(const struct pool *p)
{
    struct rlimit limit;
    uint64_t n = p->chunks + 1;
    if (!getrlimit(RLIMIT_FSIZE, &limit) && n > limit.rlim_cur / POOL_CHUNK) n = limit.rlim_cur / POOL_CHUNK;
    return n * POOL_CHUNK;
}

// Whoever maps it cannot write to it. Without /proc it could.
static int reopen(int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int ro = open(path, O_RDONLY | O_CLOEXEC);
    return ro >= 0 ? ro : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int memory_open(struct pool *p)
{
    struct memory *m = &p->memory;
    uint64_t bytes = memory_bytes(p);
    void *index = mmap(NULL, INDEX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (index == MAP_FAILED) return -errno;
    m->index = index_at(index);
    m->index.head->ready = POOL_SLOTS;
    m->fd = memfd_create("belljar-pool", MFD_CLOEXEC);
    if (m->fd >= 0 && !ftruncate(m->fd, (off_t)bytes)) m->ro = reopen(m->fd);
    m->slots = (uint32_t)(bytes / POOL_CHUNK);
    m->used = 1;
    return m->ro < 0 ? -errno : 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void memory_close(struct memory *m)
{
    if (m->index.head) munmap(m->index.head, INDEX_BYTES);
    close_fd(&m->fd);
    close_fd(&m->ro);
    *m = (struct memory){.fd = -1, .ro = -1};
}

static struct pool_place memory_find(const struct pool *p, const uint8_t key[POOL_KEY])
{
    const struct pool_index *x = &p->memory.index;
    uint32_t slot = p->memory.ro < 0 ? 0 : index_find(x, key);
    return slot ? (struct pool_place){first_slot(p) + slot, index_parts(x, slot)} : nowhere;
}

static uint32_t memory_add(struct pool *p, const uint8_t key[POOL_KEY], const void *chunk)
{
    struct memory *m = &p->memory;
    if (m->ro < 0 || m->used >= m->slots) return 0;
    if (pwrite(m->fd, chunk, POOL_CHUNK, (off_t)m->used * POOL_CHUNK) != POOL_CHUNK) return 0;
    index_put(&m->index, m->used, key, POOL_ALL, no_proof);
    return first_slot(p) + m->used++;
}

static off_t part_at(uint32_t slot, unsigned part)
{
    return (off_t)slot * POOL_CHUNK + (off_t)part * POOL_PART;
}

// What the file has of a chunk comes into the memory.
static bool move_parts(struct pool *p, uint32_t from, uint32_t parts, uint32_t to)
{
    for (unsigned i = 0; i < POOL_PARTS; i++) {
        if (!(parts >> i & 1)) continue;
        if (pread(p->files.blocks, p->content, POOL_PART, part_at(from, i)) != POOL_PART) return false;
        if (pwrite(p->memory.fd, p->content, POOL_PART, part_at(to, i)) != POOL_PART) return false;
    }
    return true;
}

static struct pool_place memory_add_part(struct pool *p, const uint8_t key[POOL_KEY], unsigned part, const void *bytes,
                                         struct pool_place was)
{
    struct memory *m = &p->memory;
    if (m->ro < 0) return nowhere;
    uint32_t found = index_find(&m->index, key), slot = found ? found : m->used;
    uint32_t have = found ? index_parts(&m->index, found) : 0, more = 0;
    if (slot >= m->slots) return nowhere;
    if (was.slot && was.slot < first_slot(p)) more = was.parts & ~have;
    if (more && !move_parts(p, was.slot, more, slot)) return nowhere;
    if (!((have | more) >> part & 1) && pwrite(m->fd, bytes, POOL_PART, part_at(slot, part)) != POOL_PART)
        return nowhere;
    more |= 1u << part;
    if (found) {
        index_extend(&m->index, slot, more, no_proof);
    } else {
        index_put(&m->index, slot, key, more, no_proof);
        m->used++;
    }
    return (struct pool_place){first_slot(p) + slot, have | more};
}

// ---------------------------------------------------------------- proofs

static bool open_hash(struct pool *p)
{
    char why[POOL_WHY];
    return p->hash.library || sha256_open(&p->hash, why, sizeof why);
}

// Puts a part's proof into that of all.
static bool add_proof(struct pool *p, const uint8_t key[POOL_KEY], unsigned part, const void *bytes,
                      uint8_t proof[POOL_PROOF])
{
    uint8_t sum[SHA256_BYTES], number = (uint8_t)part;
    if (!open_hash(p)) return false;
    sha256_add(&p->hash, key, POOL_KEY);
    sha256_add(&p->hash, &number, sizeof number);
    sha256_add(&p->hash, bytes, POOL_PART);
    sha256_end(&p->hash, sum);
    for (unsigned i = 0; i < POOL_PROOF; i++) proof[i] ^= sum[i];
    return true;
}

static bool is_content(struct pool *p, uint32_t slot, const struct index_entry *e)
{
    uint8_t proof[POOL_PROOF] = {0};
    for (unsigned i = 0; i < POOL_PARTS; i++) {
        if (!(e->parts >> i & 1)) continue;
        if (pread(p->files.blocks, p->content, POOL_PART, part_at(slot, i)) != POOL_PART) return false;
        if (!add_proof(p, e->key, i, p->content, proof)) return false;
    }
    return !memcmp(proof, e->proof, POOL_PROOF);
}

// ---------------------------------------------------------------- finding

static bool is_of(const struct pool_index *x, uint32_t slot, const uint8_t key[POOL_KEY])
{
    return index_counts(x, slot) && !memcmp(x->entries[slot].key, key, POOL_KEY);
}

// The content of a slot that is pinned is as it was when the entry was read, or it goes.
static bool prove(struct pool *p, uint32_t slot, const struct index_entry *was)
{
    struct pool_files *f = &p->files;
    bool good = is_content(p, slot, was);
    if (files_lock(f)) {
        bool same = is_of(&f->index, slot, was->key);
        if (same && good) index_prove(&f->index, slot);
        if (same && !good) index_remove(&f->index, slot);
        files_unlock(f);
    }
    if (!good) pins_drop(f, slot);
    return good;
}

static bool is_proven(const struct pool_index *x, uint32_t slot)
{
    return x->entries[slot].boot == x->head->boot;
}

// With the lock.
static uint32_t use(struct pool_files *f, uint32_t slot)
{
    if (!slot) return 0;
    pins_set(f, slot);
    index_touch(&f->index, slot);
    return slot;
}

static struct pool_place shared_find(struct pool *p, const uint8_t key[POOL_KEY])
{
    struct pool_files *f = &p->files;
    struct index_entry e;
    if (!p->shared || !files_lock(f)) return nowhere;
    uint32_t slot = use(f, index_find(&f->index, key));
    bool proven = slot && is_proven(&f->index, slot);
    if (slot) e = f->index.entries[slot];
    files_unlock(f);
    if (!slot || (!proven && !prove(p, slot, &e))) return nowhere;
    return (struct pool_place){slot, e.parts & POOL_ALL};
}

struct pool_place pool_find_parts(struct pool *p, const uint8_t key[POOL_KEY])
{
    struct pool_place at = shared_find(p, key), memory = memory_find(p, key);
    return memory.slot ? memory : at; // which had what the file had, then
}

uint32_t pool_find(struct pool *p, const uint8_t key[POOL_KEY])
{
    struct pool_place at = pool_find_parts(p, key);
    return at.parts == POOL_ALL ? at.slot : 0;
}

void pool_find_all(struct pool *p, const uint8_t (*keys)[POOL_KEY], uint32_t n, struct pool_place *to)
{
    struct pool_files *f = &p->files;
    memset(to, 0, n * sizeof *to);
    if (p->shared && files_lock(f)) {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t slot = index_find(&f->index, keys[i]);
            if (!slot || !is_proven(&f->index, slot)) continue;
            // An image that was used a moment ago has its order already, and its pages of the index stay as they are.
            if (f->index.head->clock - f->index.entries[slot].used > n) index_touch(&f->index, slot);
            pins_set(f, slot);
            to[i] = (struct pool_place){slot, index_parts(&f->index, slot)};
        }
        files_unlock(f);
    }
    for (uint32_t i = 0; i < n && p->memory.ro >= 0 && p->memory.used > 1; i++) {
        struct pool_place memory = memory_find(p, keys[i]);
        if (memory.slot) to[i] = memory;
    }
}

// ---------------------------------------------------------------- slots for new chunks, with the lock

// Keeps the VICTIMS that were used longest ago, in order.
static void offer_victim(struct pool *p, uint32_t slot, uint64_t used)
{
    uint32_t n = p->nvictims;
    if (n == VICTIMS && used >= p->victim[n - 1].used) return;
    if (n == VICTIMS) n--;
    p->nvictims = n + 1;
    for (; n > 0 && p->victim[n - 1].used > used; n--) p->victim[n] = p->victim[n - 1];
    p->victim[n] = (struct victim){slot, used};
}

static void look_for_victims(struct pool *p)
{
    const struct pool_index *x = &p->files.index;
    uint32_t n = index_ready(x);
    p->nvictims = p->next_victim = 0;
    pins_all(&p->files, p->pinned);
    for (uint32_t slot = 1; slot < n; slot++) {
        const struct index_entry *e = &x->entries[slot];
        if (e->used && !(p->pinned[slot / 64] >> slot % 64 & 1)) offer_victim(p, slot, e->sum ? e->used : 0);
    }
    if (!p->nvictims) p->pause = PAUSE;
}

// Nobody has used it since.
static bool is_still(const struct pool_files *f, const struct victim *v)
{
    const struct index_entry *e = &f->index.entries[v->slot];
    return (v->used ? e->sum && e->used == v->used : !e->sum && e->used) && !pins_any(f, v->slot);
}

// The slot that was used longest ago and is not in use: pinned by this process, and free. 0: there is none.
static uint32_t take_oldest(struct pool *p)
{
    struct pool_files *f = &p->files;
    if (p->pause && p->pause--) return 0;
    for (int round = 0; round < 2; round++) {
        while (p->next_victim < p->nvictims) {
            const struct victim *v = &p->victim[p->next_victim++];
            if (!is_still(f, v)) continue;
            if (v->used) index_remove(&f->index, v->slot);
            pins_set(f, v->slot);
            return v->slot;
        }
        if (!round) look_for_victims(p);
    }
    return 0;
}

static bool is_free(const struct pool_files *f, uint32_t slot)
{
    return !f->index.entries[slot].sum && !pins_any(f, slot);
}

// From the hint on, all around. 0: there is none.
static uint32_t find_free(const struct pool_files *f)
{
    const struct index_head *h = f->index.head;
    uint32_t n = index_ready(&f->index), slot = h->hint;
    for (uint32_t i = 0; i < n; i++, slot++) {
        if (slot == 0 || slot >= n) slot = 1;
        if (is_free(f, slot)) return slot;
    }
    return 0;
}

static uint32_t take_free(struct pool *p)
{
    struct pool_files *f = &p->files;
    struct index_head *h = f->index.head;
    uint32_t slot = find_free(f);
    while (!slot && files_grow(f)) {
        h->hint = h->ready - INDEX_STEP;
        slot = find_free(f);
    }
    if (!slot) return 0;
    h->hint = slot + 1;
    index_touch(&f->index, slot);
    pins_set(f, slot);
    return slot;
}

static uint32_t take(struct pool *p)
{
    uint32_t slot = p->files.index.head->chunks < p->chunks ? take_free(p) : 0;
    if (!slot) slot = take_oldest(p);
    return slot ? slot : take_free(p); // beyond the limit, as everything is in use
}

static void punch(const struct pool_files *f, uint32_t slot, uint32_t n)
{
    // Where this cannot be done, the space is used again with the slot.
    (void)fallocate(f->blocks, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)slot * POOL_CHUNK,
                    (off_t)n * POOL_CHUNK);
}

// Boxes that needed more than the limit, or had a larger one, have ended: their share is given back bit by bit.
static void shrink(struct pool *p)
{
    struct pool_files *f = &p->files;
    uint32_t slots[SHRINK], n = 0;
    if (!files_lock(f)) return;
    while (n < SHRINK && f->index.head->chunks > p->chunks && (slots[n] = take_oldest(p))) n++;
    p->over = n == SHRINK;
    files_unlock(f);
    for (uint32_t i = 0; i < n; i++) punch(f, slots[i], 1);
    bool locked = n && files_lock(f);
    for (uint32_t i = 0; i < n; i++) {
        if (locked) f->index.entries[slots[i]].used = 0;
        pins_drop(f, slots[i]);
    }
    if (locked) files_unlock(f);
}

// ---------------------------------------------------------------- keeping

// The slot has its content. Somebody may have been faster. Without the lock the content is for this process alone.
static uint32_t publish(struct pool *p, uint32_t slot, const uint8_t key[POOL_KEY], const uint8_t proof[POOL_PROOF])
{
    struct pool_files *f = &p->files;
    if (!files_lock(f)) return slot;
    uint32_t other = index_find(&f->index, key);
    if (other && is_proven(&f->index, other) && index_parts(&f->index, other) == POOL_ALL) {
        pins_drop(f, slot);
        slot = use(f, other);
    } else {
        if (other) index_remove(&f->index, other);
        index_put(&f->index, slot, key, POOL_ALL, proof);
    }
    p->over = f->index.head->chunks > p->chunks;
    files_unlock(f);
    return slot;
}

static uint32_t shared_add(struct pool *p, const uint8_t key[POOL_KEY], const void *chunk)
{
    struct pool_files *f = &p->files;
    uint8_t proof[POOL_PROOF] = {0};
    if (!p->shared) return 0;
    for (unsigned i = 0; i < POOL_PARTS; i++)
        if (!add_proof(p, key, i, (const uint8_t *)chunk + i * POOL_PART, proof)) return 0;
    if (!files_lock(f)) return 0;
    uint32_t slot = take(p);
    files_unlock(f);
    if (!slot) return 0;
    if (pwrite(f->blocks, chunk, POOL_CHUNK, (off_t)slot * POOL_CHUNK) != POOL_CHUNK) {
        pins_drop(f, slot);
        return 0;
    }
    slot = publish(p, slot, key, proof);
    if (p->over) shrink(p);
    return slot;
}

uint32_t pool_add(struct pool *p, const uint8_t key[POOL_KEY], const void *chunk)
{
    uint32_t slot = pool_find(p, key);
    if (!slot) slot = shared_add(p, key, chunk);
    return slot ? slot : memory_add(p, key, chunk);
}

// ---------------------------------------------------------------- keeping parts

// The slot for a part of the chunk, pinned; 0: there is none. With the lock. A new chunk has an entry before it has
// anything: whoever brings its next part finds that.
static uint32_t slot_for_part(struct pool *p, const uint8_t key[POOL_KEY], uint32_t was)
{
    struct pool_index *x = &p->files.index;
    uint32_t slot = index_find(x, key);
    if (was ? slot != was : slot && !is_proven(x, slot)) return 0;
    if (slot) return use(&p->files, slot);
    slot = take(p);
    if (slot) index_put(x, slot, key, 0, no_proof);
    return slot;
}

// Nothing has come of it.
static void stop_writing(struct pool *p, uint32_t slot, const uint8_t key[POOL_KEY], bool anew)
{
    struct pool_files *f = &p->files;
    if (!files_lock(f)) return;
    pins_written(f, slot);
    if (anew && is_of(&f->index, slot, key) && !index_parts(&f->index, slot)) {
        index_remove(&f->index, slot);
        pins_drop(f, slot);
    }
    files_unlock(f);
}

// What the index does not get to know is for this process alone, which then goes on being the one that writes to the
// slot, so that nobody else puts it there once more.
static struct pool_place publish_part(struct pool *p, struct pool_place at, const uint8_t key[POOL_KEY], unsigned part,
                                      const uint8_t proof[POOL_PROOF])
{
    struct pool_files *f = &p->files;
    at.parts |= 1u << part;
    if (!files_lock(f)) return at;
    if (is_of(&f->index, at.slot, key)) {
        index_extend(&f->index, at.slot, 1u << part, proof);
        if (index_parts(&f->index, at.slot) == at.parts) pins_written(f, at.slot);
    }
    p->over = f->index.head->chunks > p->chunks;
    files_unlock(f);
    return at;
}

static struct pool_place shared_add_part(struct pool *p, const uint8_t key[POOL_KEY], unsigned part, const void *bytes,
                                         struct pool_place was)
{
    struct pool_files *f = &p->files;
    uint8_t proof[POOL_PROOF] = {0};
    if (!p->shared || was.slot >= POOL_SLOTS || !add_proof(p, key, part, bytes, proof) || !files_lock(f))
        return nowhere;
    struct pool_place at = {slot_for_part(p, key, was.slot), was.parts};
    if (at.slot) at.parts |= index_parts(&f->index, at.slot);
    bool there = at.parts >> part & 1, writes = at.slot && !there && pins_write(f, at.slot);
    files_unlock(f);
    if (!there && !writes) return nowhere;
    if (there) return at;
    if (pwrite(f->blocks, bytes, POOL_PART, part_at(at.slot, part)) != POOL_PART) {
        stop_writing(p, at.slot, key, !was.slot);
        return nowhere;
    }
    at = publish_part(p, at, key, part, proof);
    if (p->over) shrink(p);
    return at;
}

struct pool_place pool_add_part(struct pool *p, const uint8_t key[POOL_KEY], unsigned part, const void *bytes,
                                struct pool_place was)
{
    struct pool_place at;
    if (!was.slot) was = pool_find_parts(p, key);
    if (was.parts >> part & 1) return was;
    at = shared_add_part(p, key, part, bytes, was);
    return at.slot ? at : memory_add_part(p, key, part, bytes, was);
}

// ---------------------------------------------------------------- opening

// -ENOTDIR with an empty line: none is wanted.
static int open_files(struct pool *p, const char *directory, char why[POOL_WHY])
{
    *why = 0;
    if (directory && !strcmp(directory, "none")) return -ENOTDIR;
    int dir = files_directory(directory, true, why);
    if (dir < 0) return dir;
    int err = files_open(&p->files, dir, FILES_USE, why);
    close(dir);
    return err;
}

static void begin(struct pool *p)
{
    if (!files_lock(&p->files)) return;
    p->files.index.head->limit = p->limit;
    p->over = p->files.index.head->chunks > p->chunks;
    files_unlock(&p->files);
    for (int i = 0; i < OPENING && p->over; i++) shrink(p);
}

int pool_open(struct pool **out, const char *directory, uint64_t limit, char why[POOL_WHY])
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p) return snprintf(why, POOL_WHY, "out of memory"), -ENOMEM;
    p->limit = limit ? limit : POOL_LIMIT;
    p->chunks = p->limit >= BLOCKS_BYTES ? POOL_SLOTS - 1 : (uint32_t)(p->limit / POOL_CHUNK);
    if (!p->chunks) p->chunks = 1;
    p->memory = (struct memory){.fd = -1, .ro = -1};
    int err = open_files(p, directory, why);
    p->shared = !err;
    if (p->shared) begin(p);
    if (err && (!directory || !*why) && !memory_open(p)) err = 0;
    if (!err) {
        *out = p;
        return 0;
    }
    if (!*why) snprintf(why, POOL_WHY, "no memory for blocks of images: %s", strerror(errno));
    pool_close(p);
    return err;
}

void pool_close(struct pool *p)
{
    if (!p) return;
    if (p->shared) files_close(&p->files);
    memory_close(&p->memory);
    if (p->hash.library) sha256_close(&p->hash);
    free(p);
}

int pool_blocks(const struct pool *p)
{
    return p->shared ? p->files.blocks_ro : p->memory.ro;
}

int pool_pins(const struct pool *p)
{
    return p->shared ? p->files.pins : -1;
}

unsigned pool_descriptors(const struct pool *p, int fd[POOL_FDS])
{
    const int all[] = {p->memory.fd,    p->memory.ro,       p->files.index_fd,
                       p->files.blocks, p->files.blocks_ro, p->files.pins};
    unsigned n = 0;
    for (unsigned i = 0; i < (p->shared ? 6 : 2); i++)
        if (all[i] >= 0) fd[n++] = all[i];
    return n;
}

void pool_lend(struct pool *p)
{
    struct memory *m = &p->memory;
    if (p->shared) files_lend(&p->files);
    if (m->index.head) munmap(m->index.head, INDEX_BYTES);
    m->index.head = NULL;
    close_fd(&m->fd);
}

uint64_t pool_bytes(const struct pool *p)
{
    return p->shared ? BLOCKS_BYTES : (uint64_t)p->memory.slots * POOL_CHUNK;
}

int pool_spare(struct pool *p, uint64_t *bytes)
{
    if (!p->shared || (p->memory.ro < 0 && memory_open(p))) return -1;
    *bytes = (uint64_t)p->memory.slots * POOL_CHUNK;
    return p->memory.ro;
}

// ---------------------------------------------------------------- notes

static bool name_key(struct pool *p, const char *name, uint8_t key[SHA256_BYTES])
{
    if (!open_hash(p)) return false;
    sha256_add(&p->hash, name, strlen(name));
    sha256_end(&p->hash, key);
    return true;
}

size_t pool_note(struct pool *p, const char *name, void *value, size_t n)
{
    uint8_t key[SHA256_BYTES];
    if (!name_key(p, name, key)) return 0;
    if (p->shared && !files_lock(&p->files)) return 0;
    struct pool_index *x = p->shared ? &p->files.index : &p->memory.index;
    const struct index_note *note = index_note(x, key);
    size_t bytes = note ? note->bytes : 0;
    if (note) memcpy(value, note->value, bytes < n ? bytes : n);
    if (p->shared) files_unlock(&p->files);
    return bytes;
}

void pool_set_note(struct pool *p, const char *name, const void *value, size_t n)
{
    uint8_t key[SHA256_BYTES];
    if (n > POOL_NOTE || !name_key(p, name, key)) return;
    if (p->shared && !files_lock(&p->files)) return;
    index_set_note(p->shared ? &p->files.index : &p->memory.index, key, value, (uint32_t)n);
    if (p->shared) files_unlock(&p->files);
}
