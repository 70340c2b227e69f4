// See arena.h.
#include "arena.h"
#include "cpu/code.h"
#include "cpu/mem.h"

enum {
    PROBES = 0xe0000, // pages from here on, as many as there are 16 MiB in 1 TiB
    GRANULE = 24,     // a probe is for so many bits of address
    LOW_PROBES = 256, // for the addresses below 4 GiB
};

uint64_t data_base = DATA_LOW;

void arena_choose(enum arena where)
{
    data_base = where == ARENA_LOW          ? DATA_LOW
                : where == ARENA_NAME_START ? ARENA_NAME
                                            : ARENA_NAME + ARENA_NAME_BYTES - DATA_BYTES;
}

bool arena_is_named(void)
{
    return data_base >= MEM_TOP;
}

uint32_t arena_beside(void)
{
    return data_base == ARENA_NAME ? arena_low(ARENA_NAME) - PAGE : arena_low(ARENA_NAME) + ARENA_NAME_BYTES + PAGE;
}

static bool map_probes(struct mem *m, uint64_t first, unsigned n)
{
    uint32_t frame = ram_alloc(m->ram, n, true);
    return frame && mem_map(m, PROBES + (uint32_t)(first >> GRANULE), n, frame, MEM_R) == 0;
}

static bool add_name(struct mem *m, uint64_t start)
{
    m->name[start >> MEM_NAME_SHIFT] = (struct mem_name){start, ARENA_NAME_BYTES >> PAGE_SHIFT};
    return map_probes(m, start, 1);
}

bool arena_name(struct mem *m, struct code *code, uint64_t other)
{
    m->probe = PROBES;
    code_check(code);
    return map_probes(m, 0, LOW_PROBES) && add_name(m, ARENA_NAME) && (!other || add_name(m, other));
}
