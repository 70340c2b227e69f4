// Hot code: a block that ticks have found running is translated once more as a longer trace (translate_hot), and so are
// the blocks that it leads to, since ticks would take seconds to find them one by one.
//
// A hot trace goes through code that has blocks already, and takes their place: each becomes another head of the trace
// (struct block, `of`), so that what leads to the old block leads into the trace, and no hot code is there twice. The
// old block stays for who is in it; nothing leads there any more.
#include "jit/cache.h"
#include "jit/view.h"

enum { AT_ONCE = 24, MAX_WAITING = 256 };

struct around {
    struct jit_space *space;
    uint32_t view;
    uint32_t waiting[MAX_WAITING];
    unsigned n, next;
};

static void wait_for(struct around *a, uint32_t block)
{
    if (block && !cache_is_replaced(a->space->jit, block) && a->n < MAX_WAITING) a->waiting[a->n++] = block;
}

static void look_around(struct around *a, uint32_t block)
{
    const struct jit *j = a->space->jit;
    const struct block *b = cache_block(j, block);
    const struct map_entry *last = &cache_map(j, block)[b->insns - 1u];
    uint32_t shard = block & ~(uint32_t)SHARD_INDEX;
    for (unsigned i = 0; i < b->nexits; i++) {
        const struct exit *x = cache_exit(j, shard | (b->first_exit + i));
        if (x->kind == EXIT_BRANCH && x->to) wait_for(a, shard | x->to);
    }
    wait_for(a, cache_find(j, cache_view(j, block), last->pc + (last->flags >> MAP_LENGTH), R11_SLOT)); // behind a call
}

void translate_around(struct jit_space *s, uint32_t block)
{
    struct jit *j = s->jit;
    struct around a = {.space = s, .n = 0};
    uint64_t flushes = j->stats.flushes;
    wait_for(&a, block);
    for (unsigned done = 0; a.next < a.n && done < AT_ONCE; a.next++) {
        const struct block *old = cache_block(j, a.waiting[a.next]);
        if (cache_is_replaced(j, a.waiting[a.next])) continue;
        uint32_t hot = translate_hot(s, old->pc, old->r11);
        if (!hot || flushes != j->stats.flushes || view_at(s, old->pc) != cache_view(j, a.waiting[a.next])) return;
        cache_replace(s, a.waiting[a.next], hot);
        look_around(&a, hot);
        done++;
    }
}
