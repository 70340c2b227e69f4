// See sides.h.
#define _GNU_SOURCE
#include "sides.h"
#include "arena.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void protect_read_only_page(struct sides *s, bool on)
{
    int prot = on ? PROT_READ : PROT_READ | PROT_WRITE;
    mprotect(s->host_data[DATA_RO], PAGE, prot);
    if (arena_is_named()) mprotect((void *)(uintptr_t)arena_low(data_base + DATA_RO * PAGE), PAGE, prot);
}

static void open_host(struct sides *s)
{
    if (!(s->host = hostcpu_open())) exit(2);
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_present(i)) s->host_data[i] = (uint8_t *)(uintptr_t)(data_base + i * PAGE);
    protect_read_only_page(s, true);
}

static void open_memory(struct sides *s)
{
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_present(i) && !(s->host_data[i] = aligned_alloc(PAGE, PAGE))) exit(2);
}

static void open_guest(struct sides *s, int side)
{
    if (!(s->guest[side] = guest_open((enum guest_engine)side))) exit(2);
    for (unsigned i = 0; i < DATA_PAGES; i++) s->memories[side].guest[i] = guest_data(s->guest[side], i);
}

void sides_open(struct sides *s, enum sides_which which, unsigned engines)
{
    for (int k = 0; k < GUEST_ENGINES && which != SIDES_HOST; k++)
        if (engines >> k & 1) open_guest(s, k);
    if (which == SIDES_GUEST)
        open_memory(s);
    else
        open_host(s);
    for (int k = 0; k < GUEST_ENGINES; k++)
        for (unsigned i = 0; i < DATA_PAGES; i++) s->memories[k].host[i] = s->host_data[i];
}

void sides_clean(struct sides *s)
{
    if (s->host) memset((void *)(uintptr_t)CODE_BASE, 0xcc, CODE_PAGES * PAGE);
    for (int k = 0; k < GUEST_ENGINES; k++)
        if (s->guest[k]) memset(guest_code(s->guest[k]), 0xcc, CODE_PAGES * PAGE);
}

static void sync_page(uint8_t *to, const uint8_t *from)
{
    if (memcmp(to, from, PAGE)) memcpy(to, from, PAGE);
}

static void sync_read_only_page(struct sides *s, const uint8_t *from)
{
    if (!memcmp(s->host_data[DATA_RO], from, PAGE)) return;
    protect_read_only_page(s, false);
    memcpy(s->host_data[DATA_RO], from, PAGE);
    protect_read_only_page(s, true);
}

void sides_sync(struct sides *s)
{
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        const uint8_t *from = s->before.byte + i * PAGE;
        if (!data_present(i)) continue;
        if (s->host && i == DATA_RO)
            sync_read_only_page(s, from);
        else
            sync_page(s->host_data[i], from);
        for (int k = 0; k < GUEST_ENGINES; k++)
            if (s->guest[k]) sync_page(s->memories[k].guest[i], from);
    }
}
