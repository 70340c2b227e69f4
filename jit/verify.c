// A block of code as a whole: every instruction by itself (verify_insn.c), then where control can go, then how far rsp
// can get from memory that the block touched.
//
// Control goes to the start of an instruction of the block, to an address that `target` accepts, through the slot EXIT,
// or through the table with an index that was limited right before: r11 is written in 32 bits, so less than 2^32, and
// 0x7fffffff is added, which with the 4 of the jump is R + 8 GiB in entries of 4 bytes. No jump leads behind the limit.
//
// rsp is set anew only as R plus an r11 that was written in 32 bits: a place in the region. Otherwise it moves by
// constants from there, and M3 must not carry it over the guards. A touched address lies in the region, or the access
// would have faulted; `gap` bounds how far rsp is from one. Where control comes from or goes elsewhere it is at most
// VERIFY_NEAR, which the other side assumes; in between VERIFY_FAR, so that rsp + disp32 stays within 2 GiB + 1 MiB of
// the region.
#include "jit/verify_insn.h"
#include <stdio.h>
#include <stdlib.h>

struct verifier {
    struct zydis zydis;
    struct fact *facts; // of the block at hand
    unsigned n, room;
};

// The block at hand, and where to say why not.
struct work {
    struct verifier *v;
    const struct verify_block *block;
    char *why;
    size_t n;
};

bool verify_load(char *why, size_t n)
{
    return zydis_load(why, n);
}

struct verifier *verify_open(char *why, size_t n)
{
    struct verifier *v = calloc(1, sizeof *v);
    if (!v) {
        snprintf(why, n, "the verifier: no memory");
        return NULL;
    }
    if (zydis_open(&v->zydis, why, n)) return v;
    free(v);
    return NULL;
}

void verify_close(struct verifier *v)
{
    if (!v) return;
    zydis_close(&v->zydis);
    free(v->facts);
    free(v);
}

static bool refuse(const struct work *w, uint32_t at, const char *rule)
{
    char text[128] = "";
    const struct verify_block *b = w->block;
    if (at < b->size) zydis_text(&w->v->zydis, b->code + at, b->size - at, b->at + at, text, sizeof text);
    snprintf(w->why, w->n, "+0x%x: %s: %s", at, text, rule);
    return false;
}

// The next fact, or NULL: no memory.
static struct fact *add_fact(struct verifier *v, uint32_t at)
{
    if (v->n == v->room) {
        unsigned room = v->room ? 2 * v->room : 64;
        struct fact *facts = realloc(v->facts, room * sizeof *facts);
        if (!facts) return NULL;
        v->facts = facts;
        v->room = room;
    }
    v->facts[v->n].at = at;
    return &v->facts[v->n++];
}

static bool read_all(const struct work *w)
{
    struct zydis_insn insn;
    const struct verify_block *b = w->block;
    w->v->n = 0;
    for (uint32_t at = 0; at < b->size; at += insn.in.length) {
        struct fact *f = add_fact(w->v, at);
        if (!f) return refuse(w, at, "size: no memory");
        if (!zydis_decode(&w->v->zydis, &insn, b->code + at, b->size - at))
            return refuse(w, at, "decode: not an instruction, or cut off");
        const char *rule = verify_insn(b, &insn, f);
        if (rule) return refuse(w, at, rule);
    }
    return true;
}

// The instruction that starts at this offset, or NULL.
static struct fact *find(const struct verifier *v, uint64_t at)
{
    unsigned low = 0, high = v->n;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (v->facts[middle].at < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < v->n && v->facts[low].at == at ? &v->facts[low] : NULL;
}

static bool mark_entries(const struct work *w)
{
    const struct verify_block *b = w->block;
    if (!b->nentries || b->entries[0] != 0) return refuse(w, 0, "entry: the first is not 0");
    for (unsigned i = 0; i < b->nentries; i++) {
        struct fact *f = find(w->v, b->entries[i]);
        if (i && b->entries[i] <= b->entries[i - 1]) return refuse(w, b->entries[i], "entry: not ascending");
        if (!f) return refuse(w, b->entries[i], "entry: not the start of an instruction");
        f->flags |= FACT_ENTRY;
    }
    return true;
}

static bool relative(const struct fact *f)
{
    return f->kind == FACT_JUMP || f->kind == FACT_BRANCH || f->kind == FACT_COUNT;
}

static bool mark_target(const struct work *w, const struct fact *f)
{
    const struct verify_block *b = w->block;
    uint64_t to = f->target - b->at;
    bool inside = to < b->size;
    if (f->kind == FACT_COUNT && (!inside || to <= f->at))
        return refuse(w, f->at, "jump: JECXZ but forward in the block");
    if (!inside)
        return (b->target && b->target(b->ctx, f->target)) ||
               refuse(w, f->at, "jump: out of the block, not to another");
    struct fact *there = find(w->v, to);
    if (!there) return refuse(w, f->at, "jump: into an instruction");
    there->flags |= to <= f->at ? FACT_BACK : FACT_AHEAD;
    return true;
}

static bool mark_targets(const struct work *w)
{
    for (unsigned i = 0; i < w->v->n; i++)
        if (relative(&w->v->facts[i]) && !mark_target(w, &w->v->facts[i])) return false;
    return true;
}

// Is fact i reached only from the one before it?
static bool only_from_before(const struct verifier *v, unsigned i)
{
    return i > 0 && i < v->n && !(v->facts[i].flags & (FACT_ENTRY | FACT_BACK | FACT_AHEAD));
}

static bool has(const struct verifier *v, unsigned i, unsigned flag)
{
    return v->facts[i].flags & flag;
}

static bool table_is_limited(const struct verifier *v, unsigned i)
{
    if (!only_from_before(v, i)) return false;
    if (has(v, i - 1, FACT_R11_TABLE)) return true;
    return has(v, i - 1, FACT_R11_BIAS) && only_from_before(v, i - 1) && has(v, i - 2, FACT_R11);
}

static bool base_is_framed(const struct verifier *v, unsigned i)
{
    return only_from_before(v, i) && has(v, i - 1, FACT_R11) && only_from_before(v, i + 1) &&
           v->facts[i + 1].kind == FACT_SET;
}

static bool check_sequences(const struct work *w)
{
    const struct verifier *v = w->v;
    for (unsigned i = 0; i < v->n; i++) {
        const struct fact *f = &v->facts[i];
        if (f->kind == FACT_TABLE && !table_is_limited(v, i)) return refuse(w, f->at, "table: r11 is not limited");
        if (f->kind == FACT_BASE && !base_is_framed(v, i)) return refuse(w, f->at, "base: not within the sequence");
        if (f->kind == FACT_SET && !(i && v->facts[i - 1].kind == FACT_BASE))
            return refuse(w, f->at, "base: not behind the region's");
    }
    return true;
}

static bool check_strings(const struct work *w)
{
    const struct fact *f = verify_strings(w->block, w->v->facts, w->v->facts + w->v->n);
    return !f || refuse(w, f->at, "string: not within the sequence, or not where the map says");
}

// How far rsp may be from what was touched, and whether control gets here at all.
struct flow {
    uint32_t gap;
    bool reached;
};

static bool arrive(const struct work *w, const struct fact *f, struct flow *s)
{
    if (f->flags & (FACT_ENTRY | FACT_BACK)) {
        if (s->reached && s->gap > VERIFY_NEAR) return refuse(w, f->at, "drift: rsp is far where code is entered");
        *s = (struct flow){VERIFY_NEAR, true};
    } else if (f->flags & FACT_AHEAD) {
        *s = (struct flow){s->reached && s->gap > f->gap ? s->gap : f->gap, true};
    }
    if (f->kind == FACT_INT3) return !s->reached || refuse(w, f->at, "int3: can be reached");
    // What nothing reaches is held to the same rules.
    if (!s->reached) *s = (struct flow){VERIFY_NEAR, true};
    return true;
}

static bool pass(const struct work *w, const struct fact *f, struct flow *s)
{
    if (f->kind == FACT_SET) s->gap = 0; // in the region
    s->gap += f->before;
    if (s->gap <= VERIFY_FAR) {
        s->gap = (s->gap < f->touch ? s->gap : f->touch) + f->after;
        if (s->gap <= VERIFY_FAR) return true;
    }
    return refuse(w, f->at, "drift: rsp gets too far");
}

static bool depart(const struct work *w, const struct fact *f, struct flow *s)
{
    if (!relative(f) && f->kind != FACT_EXIT && f->kind != FACT_TABLE) return true;
    if (s->gap > VERIFY_NEAR) return refuse(w, f->at, "drift: rsp is far at a jump");
    struct fact *there = relative(f) ? find(w->v, f->target - w->block->at) : NULL;
    if (there && there->gap < s->gap) there->gap = s->gap;
    s->reached = f->kind == FACT_BRANCH || f->kind == FACT_COUNT;
    return true;
}

static bool follow(const struct work *w)
{
    struct flow s = {0, false};
    for (unsigned i = 0; i < w->v->n; i++) {
        const struct fact *f = &w->v->facts[i];
        if (!arrive(w, f, &s)) return false;
        if (f->kind != FACT_INT3 && (!pass(w, f, &s) || !depart(w, f, &s))) return false;
    }
    return !s.reached || refuse(w, w->v->facts[w->v->n - 1].at, "end: runs off the block");
}

bool verify_block(struct verifier *v, const struct verify_block *b, char *why, size_t n)
{
    struct work w = {v, b, why, n};
    if (!b->size || b->size > VERIFY_MAX_SIZE) return refuse(&w, 0, "size: empty or too large");
    return read_all(&w) && mark_entries(&w) && mark_targets(&w) && check_sequences(&w) && check_strings(&w) &&
           follow(&w);
}
