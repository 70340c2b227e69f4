// See sides.h.
#define _GNU_SOURCE
#include "sides.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint8_t *host_page(unsigned i)
{
    return data_present(i) ? (uint8_t *)(uintptr_t)(DATA_BASE + i * PAGE) : NULL;
}
static void protect_read_only_page(bool on)
{
    mprotect(host_page(DATA_RO), PAGE, on ? PROT_READ : PROT_READ | PROT_WRITE);
}

void sides_open(struct sides *s, bool host_only)
{
    for (int k = 0; k < 2 && !host_only; k++)
        if (!(s->guest[k] = guest_open(k == 1))) exit(2);
    if (!(s->host = hostcpu_open())) exit(2);
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        for (int k = 0; k < 2; k++) {
            s->memories[k].host[i] = host_page(i);
            s->memories[k].guest[i] = host_only ? NULL : guest_data(s->guest[k], i);
        }
    }
    memset((void *)(uintptr_t)CODE_BASE, 0xcc, CODE_PAGES * PAGE);
    for (int k = 0; k < 2 && !host_only; k++) memset(guest_code(s->guest[k]), 0xcc, CODE_PAGES * PAGE);
    protect_read_only_page(true);
}

static void sync_page(uint8_t *to, const uint8_t *from)
{
    if (memcmp(to, from, PAGE)) memcpy(to, from, PAGE);
}

void sides_sync_guest(struct sides *s, int side)
{
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_present(i)) sync_page(s->memories[side].guest[i], s->before.byte + i * PAGE);
}

void sides_sync(struct sides *s)
{
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        if (!data_present(i)) continue;
        const uint8_t *from = s->before.byte + i * PAGE;
        if (i == DATA_RO && memcmp(host_page(i), from, PAGE)) {
            protect_read_only_page(false);
            memcpy(host_page(i), from, PAGE);
            protect_read_only_page(true);
        }
        if (i != DATA_RO) sync_page(host_page(i), from);
    }
    for (int k = 0; k < 2; k++)
        if (s->guest[k]) sides_sync_guest(s, k);
}
