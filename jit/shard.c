// See shard.h.
#include "jit/shard.h"
#include "cpu/mem.h"
#include "jit/cache.h"
#include <stdlib.h>
#include <string.h>

enum { TICKS_REPLACED = 255, OPS = 256 };

struct shard_ops { // decoded lately, by exit
    uint32_t exit[OPS];
    struct op op[OPS];
};

// ---- taking ----

static bool open_shard(const struct store *store, const struct store_shard *row, struct shard *s)
{
    *s = (struct shard){.row = row, .base = STORE_WINDOW + (uint32_t)row->section[STORE_CODE].at};
    s->nexits = (uint32_t)(row->section[STORE_EXITS].bytes / sizeof *s->exits);
    s->blocks = store_section(store, row, STORE_BLOCKS);
    s->exits = store_section(store, row, STORE_EXITS);
    s->map = store_section(store, row, STORE_MAP);
    s->index = store_section(store, row, STORE_INDEX);
    s->nblocks = (uint32_t)(row->section[STORE_BLOCKS].bytes / sizeof *s->blocks);
    while (sizeof *s->index << (s->bits + 1) <= row->section[STORE_INDEX].bytes) s->bits++;
    bool good = s->blocks && s->exits && s->map && s->index && s->bits >= 3 && store_section(store, row, STORE_CODE) &&
                store_section(store, row, STORE_TABLE);
    s->ticks = good ? calloc(1, s->nblocks) : NULL;
    if (!s->ticks) s->row = NULL;
    return s->ticks != NULL;
}

static bool load(struct jit *j, const struct store_shard *row)
{
    struct shard *s = &j->shards[row->slot];
    if (s->row) return true;
    if (!open_shard(j->store, row, s)) return false;
    j->loaded[j->nloaded++] = (uint16_t)row->slot;
    j->stats.shards++;
    return true;
}

static bool make_list(struct jit *j)
{
    if (!j->shards) j->shards = calloc(STORE_MAX_SHARDS + 1, sizeof *j->shards);
    if (!j->loaded) j->loaded = calloc(STORE_MAX_SHARDS + 1, sizeof *j->loaded);
    return j->shards && j->loaded;
}

struct shard *shard_take(struct jit *j, const struct jit_mapping *m)
{
    const uint8_t *digest = j->store && m->of_image ? store_digest(j->store, j->image, m->inode) : NULL;
    if (!digest || !make_list(j)) return NULL;
    struct store_shard like = {.offset = m->offset, .first = m->first, .npages = m->end - m->first};
    memcpy(like.digest, digest, sizeof like.digest);
    const struct store_shard *row = store_find(j->store, &like);
    struct shard *s = row ? &j->shards[row->slot] : NULL;
    if (!s || s->taken || !load(j, row)) return NULL;
    s->taken = true;
    return s;
}

void shard_give_back(struct jit *j, struct shard *s)
{
    (void)j;
    s->taken = false;
}

void shards_close(struct jit *j)
{
    for (unsigned i = 0; i < j->nloaded; i++) free(j->shards[j->loaded[i]].ticks);
    free(j->shards);
    free(j->loaded);
    free(j->shard_ops);
}

// ---- looking ----

uint32_t shard_find(const struct shard *s, uint32_t pc, unsigned r11)
{
    const struct named *n = &s->index[cache_place(s->index, s->bits, 1, pc)];
    uint32_t found = r11 & R11_SLOT && n->slot ? n->slot : r11 & R11_REG ? n->reg : 0;
    return found ? s->row->slot << SHARD_SHIFT | found : 0;
}

const struct shard *shard_at(const struct jit *j, uint32_t host)
{
    for (unsigned i = 0; i < j->nloaded; i++) {
        const struct shard *s = &j->shards[j->loaded[i]];
        if (host - s->base < s->row->section[STORE_CODE].bytes) return s;
    }
    return NULL;
}

// ---- instructions for the interpreter ----

static size_t read_code(struct mem *m, uint32_t pc, uint8_t to[SHAPE_ROOM])
{
    size_t n = 0;
    for (unsigned i = 0; i < 2 && n < SHAPE_ROOM; i++) {
        uint32_t at = pc + (uint32_t)n, left = PAGE_BYTES - (at & (PAGE_BYTES - 1));
        const uint8_t *from = mem_host(m, at, MEM_X);
        if (!from) break;
        if (left > SHAPE_ROOM - n) left = (uint32_t)(SHAPE_ROOM - n);
        memcpy(to + n, from, left);
        n += left;
    }
    return n;
}

static bool decode(struct jit_space *s, uint32_t exit, struct op *op)
{
    struct jit *j = s->jit;
    const struct exit *x = cache_exit(j, exit);
    uint8_t bytes[SHAPE_ROOM];
    uint32_t pc = cache_map(j, cache_exit_block(j, exit))[x->insn - 1].pc;
    size_t n = read_code(s->mem, pc, bytes);
    return n && insn_decode(op->in, bytes, n, pc, j->options.level, false) > 0 && op_end(op);
}

const struct op *shard_op(struct jit_space *s, uint32_t exit)
{
    struct jit *j = s->jit;
    if (!j->shard_ops) j->shard_ops = calloc(1, sizeof *j->shard_ops);
    if (!j->shard_ops) return NULL;
    unsigned i = (exit ^ exit >> SHARD_SHIFT) % OPS;
    if (j->shard_ops->exit[i] == exit) return &j->shard_ops->op[i];
    j->shard_ops->exit[i] = 0;
    if (!decode(s, exit, &j->shard_ops->op[i])) return NULL;
    j->shard_ops->exit[i] = exit;
    return &j->shard_ops->op[i];
}

// ---- hot code ----

unsigned shard_tick(struct jit *j, uint32_t block)
{
    uint8_t *ticks = &j->shards[block >> SHARD_SHIFT].ticks[block & SHARD_INDEX];
    return *ticks + 1u < TICKS_REPLACED ? ++*ticks : *ticks;
}

void shard_replaced(struct jit *j, uint32_t block)
{
    j->shards[block >> SHARD_SHIFT].ticks[block & SHARD_INDEX] = TICKS_REPLACED;
}

bool shard_is_replaced(const struct shard *s, uint32_t index)
{
    return s->ticks[index] == TICKS_REPLACED;
}
