// The initial stack: see stack.h.
#include "loader/stack.h"
#include <stdlib.h>
#include <string.h>

struct builder {
    uint8_t *bytes;
    size_t at;
    uint64_t base;
}; // at: where the next string goes; base: guest address of bytes[0]

static uint64_t put(struct builder *b, const void *from, size_t n)
{
    uint64_t where = b->base + b->at;
    memcpy(b->bytes + b->at, from, n);
    b->at += n;
    return where;
}

static size_t strings_size(char *const *list, size_t *count)
{
    size_t n = 0;
    for (*count = 0; list[*count]; ++*count) n += strlen(list[*count]) + 1;
    return n;
}

static uint64_t *put_strings(struct builder *b, uint64_t *slot, char *const *list, uint64_t *start, uint64_t *end)
{
    *start = b->base + b->at;
    for (; *list; list++) *slot++ = put(b, *list, strlen(*list) + 1);
    *end = b->base + b->at;
    *slot++ = 0;
    return slot;
}

static uint64_t *put_aux(uint64_t *slot, uint64_t type, uint64_t value)
{
    *slot++ = type;
    *slot++ = value;
    return slot;
}

int stack_build(struct stack_image *img, const struct stack_plan *plan, uint64_t top, size_t limit)
{
    size_t argc, envc;
    size_t strings = strings_size(plan->argv, &argc) + strings_size(plan->envp, &envc) + strlen(plan->execfn) + 1;
    size_t pointers = (argc + envc + 2) * 8;
    if (strings + pointers > limit) return -LX_E2BIG;
    size_t table = 8 + pointers + (plan->naux + 4) * 16;
    size_t tail = strlen(plan->platform) + 1 + sizeof plan->random + 8; // the last 8 bytes stay zero, as on Linux
    size_t size = (table + strings + tail + 15) & ~(size_t)15;
    uint8_t *bytes = calloc(1, size);
    if (!bytes) return -LX_ENOMEM;
    *img = (struct stack_image){.bytes = bytes, .size = size, .sp = top - size};
    struct builder b = {bytes, table, img->sp};
    uint64_t *slot = (uint64_t *)bytes;
    *slot++ = argc;
    slot = put_strings(&b, slot, plan->argv, &img->argv_start, &img->argv_end);
    slot = put_strings(&b, slot, plan->envp, &img->env_start, &img->env_end);
    for (unsigned i = 0; i < plan->naux; i++) slot = put_aux(slot, plan->aux[i].type, plan->aux[i].value);
    slot = put_aux(slot, LX_AT_RANDOM, put(&b, plan->random, sizeof plan->random));
    slot = put_aux(slot, LX_AT_EXECFN, put(&b, plan->execfn, strlen(plan->execfn) + 1));
    slot = put_aux(slot, LX_AT_PLATFORM, put(&b, plan->platform, strlen(plan->platform) + 1));
    put_aux(slot, LX_AT_NULL, 0);
    return 0;
}
