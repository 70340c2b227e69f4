// See landlock.h.
#include "disk/landlock.h"
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_landlock_create_ruleset

enum { VERSION_FLAG = 1, PATH_BENEATH = 1, TRUNCATE_SINCE = 3, NET_SINCE = 4, IOCTL_SINCE = 5, SCOPE_SINCE = 6 };

struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct beneath_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

// All that this version of it can forbid: each bit stands for one right.
static uint64_t known(long version)
{
    return version >= IOCTL_SINCE              ? LANDLOCK_ALL
           : version >= TRUNCATE_SINCE         ? LANDLOCK_ALL >> 1
           : version >= LANDLOCK_RENAMES_SINCE ? LANDLOCK_ALL >> 2
                                               : LANDLOCK_ALL >> 3;
}

bool landlock_open(struct landlock *l, unsigned least, uint64_t fs, uint64_t net, uint64_t scope)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (version < (long)least) return false;
    struct ruleset_attr a = {
        .fs = fs & known(version), .net = version >= NET_SINCE ? net : 0, .scoped = version >= SCOPE_SINCE ? scope : 0};
    l->fs = a.fs;
    l->rules = (int)syscall(SYS_landlock_create_ruleset, &a,
                            version >= SCOPE_SINCE ? 24
                            : version >= NET_SINCE ? 16
                                                   : 8,
                            0);
    return l->rules >= 0;
}

bool landlock_allow(struct landlock *l, int dir, uint64_t fs)
{
    struct beneath_attr a = {.allowed = fs & l->fs, .fd = dir};
    return !syscall(SYS_landlock_add_rule, l->rules, PATH_BENEATH, &a, 0);
}

void landlock_close(struct landlock *l, bool use)
{
    if (use) (void)syscall(SYS_landlock_restrict_self, l->rules, 0);
    close(l->rules);
}

#else

bool landlock_open(struct landlock *l, unsigned least, uint64_t fs, uint64_t net, uint64_t scope)
{
    (void)l, (void)least, (void)fs, (void)net, (void)scope;
    return false;
}

bool landlock_allow(struct landlock *l, int dir, uint64_t fs)
{
    (void)l, (void)dir, (void)fs;
    return false;
}

void landlock_close(struct landlock *l, bool use)
{
    (void)l, (void)use;
}

#endif
