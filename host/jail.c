// See jail.h.
#include "host/jail.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef JAIL_FILTER
#define JAIL_FILTER 1 // 0: sanitizer builds, whose runtime makes calls of its own; all but the filter is still done
#endif

static int failed(char *why, size_t n, const char *what, int err)
{
    snprintf(why, n, "cannot close the jail: %s: %s", what, strerror(err));
    return -1;
}

// ---------------------------------------------------------------- descriptors

static int close_from(unsigned first)
{
    if (syscall(SYS_close_range, first, ~0u, 0) == 0) return 0;
    DIR *d = opendir("/proc/self/fd"); // Linux before 5.9, or a sandbox that does not know the call
    if (!d) return -errno;
    for (struct dirent *e; (e = readdir(d));) {
        int fd = atoi(e->d_name);
        if (fd >= (int)first && fd != dirfd(d)) close(fd);
    }
    closedir(d);
    return 0;
}

// Moving them takes a few numbers more than stay.
static void raise_limit(void)
{
    struct rlimit limit;
    rlim_t want = 2 * JAIL_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want) return;
    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int host_jail_descriptors(const struct host_jail *j)
{
    int at[JAIL_FDS];
    unsigned n = j->noutside + j->nown;
    raise_limit();
    if (!j->noutside || j->noutside > JAIL_OWN - 3 || j->nown > JAIL_FDS - JAIL_OWN) return -EINVAL;
    for (unsigned i = 0; i < n; i++) { // out of the way first: the numbers may overlap
        at[i] = fcntl(i < j->noutside ? j->outside[i] : j->own[i - j->noutside], F_DUPFD, JAIL_FDS);
        if (at[i] < 0) return -errno;
    }
    // The numbers that nothing needs are taken too, so that what is opened later lies among the box's own.
    for (unsigned i = 0; i < JAIL_OWN - 3; i++)
        if (dup2(at[i < j->noutside ? i : 0], (int)(3 + i)) < 0) return -errno;
    for (unsigned i = 0; i < j->nown; i++)
        if (dup2(at[j->noutside + i], (int)(JAIL_OWN + i)) < 0) return -errno;
    return close_from(JAIL_OWN + j->nown);
}

// ---------------------------------------------------------------- limits, personality, user, capabilities

static int set_limit(int what, uint64_t most)
{
    struct rlimit limit;
    if (getrlimit(what, &limit)) return -1;
    if (limit.rlim_max > most) limit.rlim_max = most;
    if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    return setrlimit(what, &limit);
}

static int set_limits(const struct host_jail *j)
{
    static const struct {
        int what;
        uint64_t most;
    } limits[] = {
        {RLIMIT_NOFILE, JAIL_FDS},
        {RLIMIT_NPROC, JAIL_FILTER ? 0 : RLIM_INFINITY}, // counts the user's processes, but is asked by our fork only
        {RLIMIT_CORE, 0},
        {RLIMIT_FSIZE, 64ull << 30}, // the box's memory is a file of 16 GiB, with holes (ram.c)
        {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_MEMLOCK, 0},
    };
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++)
        if (set_limit(limits[i].what, limits[i].most)) return -1;
    return j->cpu_seconds ? set_limit(RLIMIT_CPU, j->cpu_seconds) : 0;
}

static bool has_capabilities(uint32_t mask)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & mask) == mask;
}

// setarch -X: what may be read may be executed, whatever mmap says.
static int leave_personality(void)
{
    int now = personality(0xffffffff);
    return now == -1 || !(now & READ_IMPLIES_EXEC) ? now : personality((unsigned)now & ~(unsigned)READ_IMPLIES_EXEC);
}

// Root becomes nobody, as far as it may and the parent could still signal the result. A container whose user namespace
// has no such user keeps the one it has.
static void leave_root(void)
{
    enum { NOBODY = 65534 };
    if (geteuid() || !has_capabilities(1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL)) return;
    if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY)) return;
    if (setresuid(NOBODY, NOBODY, NOBODY)) return;
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); // Linux before 4.3 has none
    return (int)syscall(SYS_capset, &head, none);
}

int host_jail_bind(const struct host_jail *j)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)) return -1;
    if (getppid() == j->parent) return 0;
    errno = ESRCH; // it died before it could be watched
    return -1;
}

// ---------------------------------------------------------------- the filter

struct row {
    const char *name;
    int call;
    struct scmp_arg_cmp condition[3];
};

// Conditions compare all 64 bits of the register, of which the kernel may use the low 32: they leave the upper half no
// freedom (SCMP_CMP_GT and _LT would).
#define IS(arg, value) SCMP_CMP64(arg, SCMP_CMP_EQ, value, 0)
#define HAS(arg, bit)  SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, bit, bit)
#define OWN(arg)       SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, ~(uint64_t)(JAIL_FDS - JAIL_OWN - 1), JAIL_OWN)
// The translator to come writes code through one mapping and runs it through another, of the same memfd: the second one
// is to be made before the jail closes, so that this stays as it is.
#define NOT_EXECUTABLE(arg) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)
static const struct row rows[] = {
#define JAIL(call, reason, ...) {#call, SCMP_SYS(call), {__VA_ARGS__}},
#include "host/jail.def"
#undef JAIL
};
enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert(JAIL_FDS == 2 * JAIL_OWN && !(JAIL_OWN & (JAIL_OWN - 1)), "OWN() is one masked comparison");

static int add_row(scmp_filter_ctx filter, const struct row *r, unsigned priority)
{
    unsigned n = 0;
    while (n < sizeof r->condition / sizeof *r->condition && r->condition[n].op) n++;
    int err = seccomp_syscall_priority(filter, r->call, (uint8_t)priority);
    return err ? err : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call, n, r->condition);
}

static int fill_filter(scmp_filter_ctx filter)
{
    int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (unsigned i = 0; i < ROWS && !err; i++) err = add_row(filter, &rows[i], ROWS - i);
    return err;
}

static int load_filter(char *why, size_t n)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS); // asks the kernel whether it knows this action
    int err = filter ? fill_filter(filter) : -ENOSYS;
    if (!err) err = seccomp_load(filter);
    if (filter) seccomp_release(filter);
    if (err)
        snprintf(why, n,
                 "cannot close the jail: seccomp filters are not to be had here (%s): a kernel without them, or a "
                 "sandbox around belljar that forbids them; --jail none runs without",
                 strerror(-err));
    return err ? -1 : 0;
}

int host_jail_close(const struct host_jail *j, char *why, size_t n)
{
    if (set_limits(j)) return failed(why, n, "setrlimit", errno);
    if (leave_personality() == -1) return failed(why, n, "personality", errno);
    leave_root();
    if (drop_capabilities()) return failed(why, n, "capset", errno);
    // After the change of user, which resets both (prctl(2)).
    if (host_jail_bind(j) || prctl(PR_SET_DUMPABLE, !JAIL_FILTER, 0, 0, 0)) return failed(why, n, "prctl", errno);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return failed(why, n, "no_new_privs", errno);
    return JAIL_FILTER ? load_filter(why, n) : 0;
}
