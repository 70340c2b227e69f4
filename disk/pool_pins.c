// Which slots are in use, by whom: see pool_files.h.
#include "disk/pool_files.h"
#include <fcntl.h>
#include <string.h>

static uint64_t *bits_of(const struct pool_files *f, uint32_t user)
{
    return &f->bits[(size_t)user * PINS_WORDS];
}

static bool bit(const struct pool_files *f, uint32_t user, uint32_t slot)
{
    return __atomic_load_n(&bits_of(f, user)[slot / 64], __ATOMIC_RELAXED) >> slot % 64 & 1;
}

// Is there a process that holds the user's byte? One's own lock is none to F_OFD_GETLK.
static bool lives(const struct pool_files *f, uint32_t user)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = user, .l_len = 1};
    return user == f->user || fcntl(f->pins, F_OFD_GETLK, &l) || l.l_type != F_UNLCK;
}

// Claims are read locks: those need no descriptor that can write.
bool pins_claim(struct pool_files *f)
{
    f->user = PINS_NOBODY;
    for (uint32_t user = 0; user < PINS_USERS; user++) {
        struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = user, .l_len = 1};
        if (lives(f, user)) continue;
        if (fcntl(f->pins, F_OFD_SETLK, &l)) return false;
        f->user = user;
        return true;
    }
    return false;
}

void pins_clear(struct pool_files *f)
{
    memset(bits_of(f, f->user), 0, PINS_WORDS * 8);
    memset(&f->writes[f->user * PINS_WRITES], 0, PINS_WRITES * sizeof *f->writes);
}

void pins_set(struct pool_files *f, uint32_t slot)
{
    __atomic_fetch_or(&bits_of(f, f->user)[slot / 64], 1ull << slot % 64, __ATOMIC_RELAXED);
}

void pins_drop(struct pool_files *f, uint32_t slot)
{
    __atomic_fetch_and(&bits_of(f, f->user)[slot / 64], ~(1ull << slot % 64), __ATOMIC_RELAXED);
}

bool pins_mine(const struct pool_files *f, uint32_t slot)
{
    return bit(f, f->user, slot);
}

bool pins_any(const struct pool_files *f, uint32_t slot)
{
    for (uint32_t user = 0; user < PINS_USERS; user++)
        if (bit(f, user, slot) && lives(f, user)) return true;
    return false;
}

bool pins_write(struct pool_files *f, uint32_t slot)
{
    uint32_t *mine = &f->writes[f->user * PINS_WRITES], *to = NULL;
    for (uint32_t i = 0; i < PINS_USERS * PINS_WRITES; i++)
        if (f->writes[i] == slot && i / PINS_WRITES != f->user && lives(f, i / PINS_WRITES)) return false;
    for (uint32_t i = 0; i < PINS_WRITES; i++)
        if (mine[i] == slot || (!to && !mine[i])) to = &mine[i];
    if (to) *to = slot;
    return to != NULL;
}

void pins_written(struct pool_files *f, uint32_t slot)
{
    uint32_t *mine = &f->writes[f->user * PINS_WRITES];
    for (uint32_t i = 0; i < PINS_WRITES; i++)
        if (mine[i] == slot) mine[i] = 0;
}

void pins_all(const struct pool_files *f, uint64_t all[PINS_WORDS])
{
    memset(all, 0, PINS_WORDS * 8);
    for (uint32_t user = 0; user < PINS_USERS; user++) {
        const uint64_t *bits = bits_of(f, user);
        if (!lives(f, user)) continue;
        for (unsigned i = 0; i < PINS_WORDS; i++) all[i] |= __atomic_load_n(&bits[i], __ATOMIC_RELAXED);
    }
}
