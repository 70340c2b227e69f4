// See fuzz_engine.h.
#include "fuzz_engine.h"
#include "jit/cache.h"
#include "jit/check.h"
#include <stdio.h>
#include <string.h>

struct jit *__real_jit_new(const struct host_exec *, const struct jit_options *, const char **why);
struct jit *__wrap_jit_new(const struct host_exec *, const struct jit_options *, const char **why);
struct jit_space *__real_jit_space_new(struct jit *, struct mem *, struct code *);
struct jit_space *__wrap_jit_space_new(struct jit *, struct mem *, struct code *);

void __real_space_forget_targets(struct jit_space *);
void __wrap_space_forget_targets(struct jit_space *);

// These functions have nobody else to ask: whose translators are being made, and whose run.
static struct fuzz_engine *opening, *running;

// ---- the judge ----
// It knows the blocks of one jit (jit/check.c); a chain that leads to a shard's block is a jump to nowhere for it. Such
// chains are looked at here, and undone while it looks.

static uint32_t chained_to(const struct jit *j, const struct exit *x)
{
    uint32_t rel;
    memcpy(&rel, j->memory.rw + x->site, sizeof rel);
    return x->site + 4 + rel;
}

static void chain_to(const struct jit *j, const struct exit *x, uint32_t host)
{
    uint32_t rel = host - (x->site + 4);
    memcpy(j->memory.rw + x->site, &rel, sizeof rel);
}

static bool leads_to_shard(const struct exit *x)
{
    return x->kind == EXIT_BRANCH && x->to && !cache_is_own(x->to);
}

static bool is_chain(const struct jit *j, const struct block *from, const struct exit *x)
{
    const struct block *to = cache_block(j, x->to);
    return cache_view(j, x->to) == from->view && to->pc == x->pc && to->r11 & x->r11 &&
           chained_to(j, x) == cache_host(j, x->to) && cache_head_at(j, cache_host(j, x->to)) == x->to;
}

static bool judge(void *ctx, const struct jit *j, uint32_t block)
{
    struct jit_check *check = ctx;
    const struct block *b = &j->blocks[block];
    const struct exit *exits = &j->exits[b->first_exit];
    bool good = true;
    for (unsigned i = 0; i < b->nexits; i++) {
        if (!leads_to_shard(&exits[i])) continue;
        good = good && is_chain(j, b, &exits[i]);
        chain_to(j, &exits[i], exits[i].stub);
    }
    if (!good) snprintf(check->refused, sizeof check->refused, "a chain of the block at %#x to a shard", b->pc);
    good = good && jit_check_block(check, j, block);
    for (unsigned i = 0; i < b->nexits; i++)
        if (leads_to_shard(&exits[i])) chain_to(j, &exits[i], cache_host(j, exits[i].to));
    return good;
}

// ---- what is wrapped ----

struct jit *__wrap_jit_new(const struct host_exec *memory, const struct jit_options *options, const char **why)
{
    struct fuzz_engine *e = opening;
    if (!e) return __real_jit_new(memory, options, why);
    unsigned which = options->fuel ? FUZZ_COUNTING : FUZZ_PLAIN;
    struct jit_options o = *options;
    o.source = e->source;
    o.store = e->store[which];
    o.image = e->image;
    if (o.verify) o.verify = judge;
    if (which == FUZZ_PLAIN) o.longer = e->longer;
    return e->jit[which] = __real_jit_new(&e->memory[which], &o, why);
}

struct jit_space *__wrap_jit_space_new(struct jit *j, struct mem *mem, struct code *code)
{
    struct jit_space *s = __real_jit_space_new(j, mem, code);
    if (!s || !opening) return s;
    jit_space_share(s, opening->owner);
    opening->spaces[j == opening->jit[FUZZ_PLAIN]] = s;
    return s;
}

// The other translator runs in the same region from now on. What the first one's views show there would stay, for
// whoever jumps to it before it has asked what is there.
void __wrap_space_forget_targets(struct jit_space *s)
{
    for (unsigned i = 0; running && i < FUZZ_TRANSLATORS; i++)
        if (running->spaces[i] != s) __real_space_forget_targets(running->spaces[i]);
    __real_space_forget_targets(s);
}

bool fuzz_engine_open(struct fuzz_engine *e, struct mem *mem, struct code *code, const char **why)
{
    opening = e;
    e->lockstep = lockstep_new(&e->memory[0], CPU_LEVEL_V3, true, why);
    e->space = e->lockstep ? lockstep_enter(e->lockstep, mem, code) : NULL;
    opening = NULL;
    running = e->space ? e : NULL;
    if (!running) fuzz_engine_close(e);
    return running != NULL;
}

void fuzz_engine_close(struct fuzz_engine *e)
{
    running = NULL;
    lockstep_leave(e->space);
    lockstep_free(e->lockstep);
    e->space = NULL;
    e->lockstep = NULL;
    for (unsigned i = 0; i < FUZZ_TRANSLATORS; i++) {
        e->jit[i] = NULL;
        e->spaces[i] = NULL;
    }
}
