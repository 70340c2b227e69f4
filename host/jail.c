// See jail.h.
#include "host/jail.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

// Of jail.def (host/gen/jail_gen.c).
static const struct sock_filter program[] = {
#include "host/jail_filter.inc"
};

// 0 or an errno.
static int load_program(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    struct sock_fprog all = {.len = sizeof program / sizeof *program,
                             .filter = (struct sock_filter *)(uintptr_t)program}; // the kernel only reads it
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action)) return errno; // or it would end the thread only
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &all) ? errno : 0;
}

static int load_filter(char *why, size_t n)
{
    int err = load_program();
    if (err)
        snprintf(why, n,
                 "cannot close the jail: seccomp filters are not to be had here (%s): a kernel without them, or a "
                 "sandbox around belljar that forbids them; --jail none runs without",
                 strerror(err));
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
