// See cachefill_profile.h.
#include "cli/cachefill_profile.h"
#include <stdlib.h>
#include <string.h>

bool profile_next(const uint8_t **at, size_t *left, struct profile_mapping *m, const struct profile_code **codes)
{
    if (*left < sizeof *m) return false;
    memcpy(m, *at, sizeof *m);
    size_t bytes = sizeof *m + (size_t)m->ncodes * sizeof **codes;
    if (!m->npages || bytes > *left) return false;
    *codes = (const void *)(*at + sizeof *m);
    *at += bytes;
    *left -= bytes;
    return true;
}

struct placed { // where it was
    struct profile_code code;
    uint32_t order;
};

static int by_code_alone(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->code.pc != y->code.pc) return x->code.pc < y->code.pc ? -1 : 1;
    return x->code.flags < y->code.flags ? -1 : x->code.flags > y->code.flags;
}

static int by_code(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    int order = by_code_alone(a, b);
    return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

static int by_order(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

static uint32_t place_all(const struct profile_mapping *m, const struct profile_list *l, uint32_t order,
                          struct placed *to)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        struct profile_code c = {l->at[i].pc, l->at[i].flags & PROFILE_ALL};
        if ((c.pc >> 12) - m->first < m->npages) to[n++] = (struct placed){c, order + i};
    }
    return n;
}

static uint32_t sort_each_once(struct placed *p, uint32_t n)
{
    uint32_t kept = 0;
    qsort(p, n, sizeof *p, by_code);
    for (uint32_t i = 0; i < n; i++)
        if (!i || memcmp(&p[i].code, &p[i - 1].code, sizeof p->code)) p[kept++] = p[i];
    return kept;
}

bool profile_join(const struct profile_mapping *m, struct profile_list known, struct profile_list more,
                  struct profile_codes *to)
{
    // As many as a profile's bytes and a section can hold fit in 32 bits.
    size_t room = (size_t)known.n + more.n + 1;
    struct placed *all = malloc(room * sizeof *all);
    *to = (struct profile_codes){.at = malloc(room * sizeof *to->at)};
    bool good = all && to->at;
    if (good) {
        uint32_t n = place_all(m, &known, 0, all);
        n = sort_each_once(all, n + place_all(m, &more, known.n, all + n));
        qsort(all, n, sizeof *all, by_order);
        for (uint32_t i = 0; i < n && i < PROFILE_MAX_CODES; i++, to->n++) {
            to->at[i] = all[i].code;
            to->fresh += all[i].order >= known.n;
        }
    }
    free(all);
    return good;
}

// Nearly all that is known is none of these few, and a bit by its address says so.
static uint32_t take_out(struct placed *p, uint32_t n, struct profile_list known)
{
    enum { BITS = 1 << 14 };
    uint64_t some[BITS / 64] = {0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) some[p[i].code.pc % BITS / 64] |= 1ull << (p[i].code.pc % 64);
    for (uint32_t i = 0; i < known.n; i++) {
        struct placed like = {{known.at[i].pc, known.at[i].flags & PROFILE_ALL}, 0}, *found;
        if (!(some[like.code.pc % BITS / 64] >> (like.code.pc % 64) & 1)) continue;
        found = bsearch(&like, p, n, sizeof *p, by_code_alone);
        if (found) found->order = UINT32_MAX;
    }
    for (uint32_t i = 0; i < n; i++)
        if (p[i].order != UINT32_MAX) p[kept++] = p[i];
    return kept;
}

bool profile_unknown(const struct profile_mapping *m, struct profile_list known, struct profile_list more,
                     struct profile_codes *to)
{
    size_t room = (size_t)more.n + 1;
    struct placed *all = malloc(room * sizeof *all);
    *to = (struct profile_codes){.at = malloc(room * sizeof *to->at)};
    bool good = all && to->at;
    if (good) {
        to->n = to->fresh = take_out(all, sort_each_once(all, place_all(m, &more, 0, all)), known);
        qsort(all, to->n, sizeof *all, by_order);
        for (uint32_t i = 0; i < to->n; i++) to->at[i] = all[i].code;
    }
    free(all);
    return good;
}

bool profile_is_worth_it(struct profile_list fresh, uint32_t known)
{
    enum { FEW = 32, PART = 64, HOT_COUNTS = 4 };
    uint64_t weight = 0;
    for (uint32_t i = 0; i < fresh.n; i++) {
        bool again = i && fresh.at[i].pc == fresh.at[i - 1].pc; // seldom run, run more often, translated, ...
        weight += fresh.at[i].flags & PROFILE_HOT ? HOT_COUNTS : !again;
    }
    return weight >= FEW && weight >= known / PART;
}
