// The mount server's second fence, landlock(7), where the kernel has it: should the checks of the server be wrong, or a
// directory be moved out of the one that was given while somebody holds it, the kernel opens nothing outside.
#include "disk/mountserver_ops.h"
#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_landlock_create_ruleset

// The values of linux/landlock.h, which is older than the kernel on many systems.
enum {
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    MAKE_SOCK = 1 << 9,
    MAKE_FIFO = 1 << 10,
    MAKE_SYM = 1 << 12,
    REFER = 1 << 13,
    TRUNCATE = 1 << 14,
    READS = READ_FILE | READ_DIR,
    CHANGES = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM | REFER |
              TRUNCATE,
};
enum {
    VERSION_FLAG = 1,
    PATH_BENEATH = 1,
    REFER_SINCE = 2,
    TRUNCATE_SINCE = 3,
    NET_SINCE = 4,
    IOCTL_SINCE = 5,
    SCOPE_SINCE = 6
};

struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct beneath_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

// All that this version of it can forbid: each bit stands for one right.
static struct ruleset_attr handled(long version)
{
    unsigned bits = version >= IOCTL_SINCE ? 16 : version >= TRUNCATE_SINCE ? 15 : 14;
    return (struct ruleset_attr){
        .fs = (1u << bits) - 1, .net = version >= NET_SINCE ? 3 : 0, .scoped = version >= SCOPE_SINCE ? 3 : 0};
}

static int add_dir(int rules, const struct mount_dir *d, uint64_t fs)
{
    struct beneath_attr a = {.allowed = fs & (d->writable ? READS | CHANGES : READS), .fd = d->fd};
    return (int)syscall(SYS_landlock_add_rule, rules, PATH_BENEATH, &a, 0);
}

void mount_fence(const struct mount_server *m)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (version < REFER_SINCE) return; // none, or one without renames from one directory to another
    struct ruleset_attr all = handled(version);
    size_t size = version >= SCOPE_SINCE ? 24 : version >= NET_SINCE ? 16 : 8;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0), err = 0;
    if (rules < 0) return;
    for (unsigned i = 0; i < m->ndirs && !err; i++) err = add_dir(rules, &m->dirs[i], all.fs);
    if (!err) (void)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
}

#else

void mount_fence(const struct mount_server *m)
{
    (void)m;
}

#endif
