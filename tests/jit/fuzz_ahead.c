// See fuzz_ahead.h. The code pages show a file, privately, so they are a shared view (jit/view.h); what the first run
// of a case has found out about them goes the way that it goes in a box: the profile (jit/profile.h), joined with what
// the dice add to it, the translator that runs nothing (jit/build.h), the judge (jit/record.h), a file, a mapping.
#include "fuzz_ahead.h"
#include "cli/cachefill_profile.h"
#include "fuzz_engine.h"
#include "fuzz_file.h"
#include "jit/cache.h"
#include "jit/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FIRST = CODE_BASE >> PAGE_SHIFT, MAX_MAPPINGS = FUZZ_SHARDS - 1, MAX_LIES = 12, INODE = 12, TEXT = 500 };

struct bytes {
    uint8_t *at;
    size_t n, room;
};

struct fuzz_ahead {
    struct ram *ram;
    struct mem *mem;               // the guest's
    struct mem *pages[CODE_PAGES]; // what the translator is shown: the mapping that begins there, and no more
    int fd;                        // of the code
    uint32_t frame;                // its first
    struct jit_check check;
    struct fuzz_engine engine;
    struct fuzz_file file[FUZZ_TRANSLATORS];
    struct fuzz_new made[FUZZ_TRANSLATORS];
    uint32_t end[MAX_MAPPINGS], slot[FUZZ_SHARDS]; // of the mappings, which lie one behind the other
    unsigned nmappings, filler;                    // pages of code of another file
    struct bytes profile;
    char wrong[TEXT];
};

static const uint8_t image[16] = "jit-fuzz's image", digests[2][STORE_DIGEST] = {"the program's", "another one's"};

// ---- the file, as the guest's kernel would know it ----

static uint32_t first_of(const struct fuzz_ahead *a, unsigned mapping)
{
    return mapping ? a->end[mapping - 1] : FIRST;
}

static bool mapping_at(void *owner, uint32_t page, struct jit_mapping *m)
{
    const struct fuzz_ahead *a = owner;
    if (!mem_pte(a->mem, page)) return false;
    *m = (struct jit_mapping){.first = page, .end = page + 1};
    for (unsigned i = 0; i < a->nmappings; i++) {
        uint32_t first = first_of(a, i);
        if (page < first || page >= a->end[i]) continue;
        *m = (struct jit_mapping){.first = first,
                                  .end = a->end[i],
                                  .shareable = true,
                                  .device = 1,
                                  .inode = INODE,
                                  .offset = first - FIRST,
                                  .of_image = true};
    }
    return true;
}

static uint32_t show(void *owner, uint32_t page)
{
    return pte_frame(mem_pte(((const struct fuzz_ahead *)owner)->mem, page));
}

static void draw_slots(struct fuzz_ahead *a, struct rng *r)
{
    a->slot[0] = 1 + rng_below(r, STORE_MAX_SHARDS);
    for (unsigned i = 1; i < FUZZ_SHARDS; i++) a->slot[i] = 1 + (a->slot[0] + i) % STORE_MAX_SHARDS;
}

void fuzz_ahead_put(struct fuzz_ahead *a, struct mem *mem, const struct program *p, struct rng *r)
{
    uint8_t page[CODE_PAGES * PAGE];
    memset(page, 0xcc, sizeof page);
    memcpy(page + (p->base - CODE_BASE), p->code, p->n);
    a->mem = mem;
    a->nmappings = rng_percent(r, 20) ? CODE_PAGES : 1;
    for (unsigned i = 0; i < a->nmappings; i++) a->end[i] = FIRST + (i + 1) * CODE_PAGES / a->nmappings;
    a->filler = rng_percent(r, 25) ? 1 + rng_below(r, 8) : 0;
    a->engine.longer = rng_percent(r, 50);
    draw_slots(a, r);
    mem_protect(mem, FIRST, CODE_PAGES, MEM_R); // drops what was decoded of the code before
    if (pwrite(a->fd, page, sizeof page, 0) != (ssize_t)sizeof page) abort();
    mem_protect(mem, FIRST, CODE_PAGES, MEM_R | MEM_X);
}

// ---- the engine ----

struct lockstep *fuzz_ahead_begin(struct fuzz_ahead *a, struct mem *mem, struct code *code)
{
    const char *why;
    for (unsigned i = 0; i < FUZZ_TRANSLATORS; i++)
        a->engine.store[i] = a->file[i].store.head ? &a->file[i].store : NULL;
    if (fuzz_engine_open(&a->engine, mem, code, &why)) return a->engine.lockstep;
    fprintf(stderr, "jit-fuzz: %s\n", why);
    return NULL;
}

void fuzz_ahead_end(struct fuzz_ahead *a, struct fuzz_ahead_counts *c)
{
    bool any = false;
    for (unsigned i = 0; i < FUZZ_TRANSLATORS; i++) {
        struct jit_stats s;
        jit_stats(a->engine.jit[i], &s);
        c->entered[i] += s.found;
        any = any || s.found;
    }
    c->cases += any;
    fuzz_engine_close(&a->engine);
}

// ---- the profile ----

static bool put_profile(void *ctx, const void *from, size_t n)
{
    struct bytes *b = ctx;
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->at = realloc(b->at, b->room);
        if (!b->at) abort();
    }
    memcpy(b->at + b->n, from, n);
    b->n += n;
    return true;
}

static void collect(struct fuzz_ahead *a)
{
    a->profile.n = 0;
    for (unsigned i = 0; i < FUZZ_TRANSLATORS; i++)
        if (!jit_profile(a->engine.jit[i], put_profile, &a->profile)) abort();
}

static void add(struct profile_codes *to, const struct profile_mapping *m, const struct profile_code *codes, uint32_t n)
{
    struct profile_codes joined;
    if (!profile_join(m, (struct profile_list){to->at, to->n}, (struct profile_list){codes, n}, &joined)) abort();
    free(to->at);
    *to = joined;
}

// Addresses of no instruction, or that nothing leads to; any flags; what has run kept secret.
static void lie(struct profile_codes *to, const struct profile_mapping *m, const struct program *p, struct rng *r)
{
    struct profile_code lies[MAX_LIES];
    uint32_t kept = 0, n = rng_below(r, MAX_LIES + 1);
    unsigned forgotten = rng_below(r, 3) * 20, changed = rng_below(r, 3) * 15;
    for (uint32_t i = 0; i < to->n; i++) {
        if (rng_percent(r, forgotten)) continue;
        to->at[kept] = to->at[i];
        if (rng_percent(r, changed)) to->at[kept].flags = rng_below(r, PROFILE_ALL + 1);
        kept++;
    }
    to->n = kept;
    for (uint32_t i = 0; i < n; i++) {
        lies[i].pc = p->base + rng_below(r, p->n + 2);
        if (rng_percent(r, 10)) lies[i].pc = (m->first << PAGE_SHIFT) + rng_below(r, m->npages * PAGE);
        lies[i].flags = rng_below(r, PROFILE_ALL + 1);
    }
    add(to, m, lies, n);
}

static struct profile_codes codes_of(const struct fuzz_ahead *a, const struct profile_mapping *m,
                                     const struct program *p, struct rng *r)
{
    struct profile_codes c = {0};
    struct profile_mapping found;
    const struct profile_code *codes;
    const uint8_t *at = a->profile.at;
    for (size_t left = a->profile.n; profile_next(&at, &left, &found, &codes);)
        if (found.first == m->first) add(&c, m, codes, found.ncodes);
    if (rng_percent(r, 60)) lie(&c, m, p, r);
    return c;
}

// ---- shards ----

static void put_id(struct fuzz_new *to, unsigned which, const uint8_t *digest, const struct profile_mapping *m,
                   uint32_t slot)
{
    to->id[which] = (struct store_shard){.offset = m->offset, .first = m->first, .npages = m->npages, .slot = slot};
    memcpy(to->id[which].digest, digest, STORE_DIGEST);
}

static bool is_accepted(struct fuzz_ahead *a, const struct fuzz_new *of, unsigned which)
{
    const char *why = "its size";
    struct store_record head = {.inode = INODE, .shard = of->id[which]};
    struct record r = {.head = &head};
    for (unsigned i = 0; i < STORE_SECTIONS; i++) {
        head.shard.section[i].bytes = of->built[which].bytes[i];
        r.section[i] = of->built[which].section[i];
    }
    if (record_check(&r, &a->check, &why)) return true;
    snprintf(a->wrong, sizeof a->wrong, "what was made ahead is refused for %s: %s", why, a->check.refused);
    return false;
}

// False: it is refused. That nothing could be made of it is no fault.
static bool make_shard(struct fuzz_ahead *a, struct fuzz_new *to, bool fuel, const struct profile_mapping *m,
                       const struct profile_codes *c, struct fuzz_ahead_counts *counts)
{
    struct build_task t = {.mem = a->pages[m->npages == CODE_PAGES ? 0 : m->offset],
                           .first = m->first,
                           .npages = m->npages,
                           .slot = m->slot,
                           .codes = c->at,
                           .ncodes = c->n,
                           .level = CPU_LEVEL_V3,
                           .fuel = fuel};
    if (!c->n || !jit_build(&t, &to->built[to->n])) return true;
    put_id(to, to->n, digests[0], m, m->slot);
    counts->shards++;
    counts->blocks += to->built[to->n].bytes[STORE_BLOCKS] / sizeof(struct block) - 1;
    return is_accepted(a, to, to->n++);
}

// Another file's, so that code does not lie at the same place in all cases.
static void add_filler(struct fuzz_ahead *a, struct fuzz_new *to)
{
    struct profile_mapping m = {.first = FIRST, .npages = 1};
    struct built *b = &to->built[to->n];
    if (!a->filler) return;
    for (unsigned i = 0; i < STORE_SECTIONS; i++) b->section[i] = malloc(1);
    b->bytes[STORE_CODE] = a->filler * STORE_PAGE;
    b->section[STORE_CODE] = realloc(b->section[STORE_CODE], b->bytes[STORE_CODE]);
    memset(b->section[STORE_CODE], 0xcc, b->bytes[STORE_CODE]);
    put_id(to, to->n++, digests[1], &m, a->slot[MAX_MAPPINGS]);
}

static const char *make_file(struct fuzz_ahead *a, unsigned which)
{
    struct fuzz_new *made = &a->made[which];
    const struct host_exec *memory = &a->engine.memory[which];
    if (!made->n) return NULL;
    add_filler(a, made);
    made->memo = (struct store_memo){.inode = INODE};
    memcpy(made->memo.image, image, sizeof image);
    memcpy(made->memo.digest, digests[0], STORE_DIGEST);
    return fuzz_file_open(&a->file[which], made, (void *)(uintptr_t)memory->rx, memory->top);
}

const char *fuzz_ahead_make(struct fuzz_ahead *a, const struct program *p, struct rng *r,
                            struct fuzz_ahead_counts *counts)
{
    const char *why = NULL;
    collect(a);
    for (unsigned i = 0; i < a->nmappings; i++) {
        uint32_t first = first_of(a, i);
        struct profile_mapping m = {
            .inode = INODE, .offset = first - FIRST, .first = first, .npages = a->end[i] - first, .slot = a->slot[i]};
        struct profile_codes c = codes_of(a, &m, p, r);
        bool good = make_shard(a, &a->made[FUZZ_COUNTING], true, &m, &c, counts) &&
                    make_shard(a, &a->made[FUZZ_PLAIN], false, &m, &c, counts);
        free(c.at);
        if (!good) return a->wrong;
    }
    for (unsigned i = 0; i < FUZZ_TRANSLATORS && !why; i++) why = make_file(a, i);
    return why;
}

void fuzz_ahead_forget(struct fuzz_ahead *a)
{
    for (unsigned i = 0; i < FUZZ_TRANSLATORS; i++) {
        fuzz_file_close(&a->file[i]);
        for (unsigned k = 0; k < a->made[i].n; k++) jit_built_free(&a->made[i].built[k]);
        memset(&a->made[i], 0, sizeof a->made[i]);
    }
}

// ---- life ----

static bool open_code(struct fuzz_ahead *a)
{
    a->fd = memfd_create("program", MFD_CLOEXEC);
    if (a->fd < 0 || ftruncate(a->fd, CODE_PAGES * PAGE) || ram_attach(a->ram, a->fd, CODE_PAGES * PAGE, &a->frame))
        return false;
    for (uint32_t i = 0; i < CODE_PAGES; i++) {
        a->pages[i] = mem_new(a->ram, MEM_CHECKED);
        if (!a->pages[i]) return false;
        mem_map(a->pages[i], FIRST + i, i ? 1 : CODE_PAGES, a->frame + i, MEM_R | MEM_X);
    }
    return true;
}

struct fuzz_ahead *fuzz_ahead_open(struct ram *ram, struct mem *mem)
{
    char why[VERIFY_WHY] = "out of memory";
    struct fuzz_ahead *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->ram = ram;
    a->engine.source = (struct jit_source){.mapping = mapping_at, .show = show};
    a->engine.owner = a;
    a->engine.image = image;
    bool good = jit_check_open(&a->check, why, sizeof why) && open_code(a);
    for (unsigned i = 0; i < FUZZ_TRANSLATORS && good; i++) good = !host_exec_new(&a->engine.memory[i], JIT_BYTES, 0);
    if (good && !mem_map(mem, FIRST, CODE_PAGES, a->frame, MEM_R | MEM_X)) return a;
    fprintf(stderr, "jit-fuzz: %s\n", why);
    return NULL;
}

void fuzz_ahead_close(struct fuzz_ahead *a)
{
    for (unsigned i = 0; i < FUZZ_TRANSLATORS; i++) host_exec_free(&a->engine.memory[i]);
    for (unsigned i = 0; i < CODE_PAGES; i++) mem_free(a->pages[i]);
    jit_check_close(&a->check);
    close(a->fd);
    free(a->profile.at);
    free(a);
}
