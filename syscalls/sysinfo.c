// What machine this is: names, memory, processors. One coherent small computer with one CPU.
#include "syscalls/kernel.h"
#include <string.h>

enum { HOST_NAME_MAX = 64 };

int64_t sys_uname(struct task *t, const uint64_t a[6])
{
    struct lx_utsname uts = t->box->uts;
    enum { ADDR_UNAME26 = 0x20000, PER_MASK = 0xff, PER_LINUX32 = 8 };
    if (t->proc->personality & ADDR_UNAME26) memcpy(uts.release, "2.6.61", 7);
    // linux32(1) makes it the machine that a 32-bit program would see (override_architecture).
    if ((t->proc->personality & PER_MASK) == PER_LINUX32) memcpy(uts.machine, "i686", 5);
    return copy_to_user(t, a[0], &uts, sizeof uts);
}

static int64_t set_name(struct task *t, char name[65], const uint64_t a[6])
{
    char new[65] = {0};
    if (!cred_has_cap(&t->proc->cred, LX_CAP_SYS_ADMIN)) return -LX_EPERM;
    if (a[1] > HOST_NAME_MAX) return -LX_EINVAL;
    int err = copy_from_user(t, new, a[0], a[1]);
    if (!err) memcpy(name, new, sizeof new);
    return err;
}

int64_t sys_sethostname(struct task *t, const uint64_t a[6])
{
    return set_name(t, t->box->uts.nodename, a);
}
int64_t sys_setdomainname(struct task *t, const uint64_t a[6])
{
    return set_name(t, t->box->uts.domainname, a);
}

int64_t sys_sysinfo(struct task *t, const uint64_t a[6])
{
    struct box *box = t->box;
    uint64_t total = (uint64_t)ram_limit(&box->ram) << PAGE_SHIFT, used = (uint64_t)ram_used(&box->ram) << PAGE_SHIFT;
    struct lx_sysinfo s = {.uptime = (int64_t)(box_monotonic(box) / 1000000000),
                           .totalram = total,
                           .freeram = total - used,
                           .procs = (uint16_t)box->ntasks,
                           .mem_unit = 1};
    return copy_to_user(t, a[0], &s, sizeof s);
}

int64_t sys_getcpu(struct task *t, const uint64_t a[6])
{
    uint32_t zero = 0;
    int err = a[0] ? copy_to_user(t, a[0], &zero, 4) : 0;
    if (!err && a[1]) err = copy_to_user(t, a[1], &zero, 4);
    return err;
}

// The kernel's log is empty.
int64_t sys_syslog(struct task *t, const uint64_t a[6])
{
    enum { READ_ALL = 3, SIZE_UNREAD = 9, SIZE_BUFFER = 10 };
    bool harmless = a[0] == READ_ALL || a[0] == SIZE_BUFFER;
    if (!harmless && !cred_has_cap(&t->proc->cred, LX_CAP_SYS_ADMIN)) return -LX_EPERM;
    if (a[0] > SIZE_BUFFER) return -LX_EINVAL;
    return a[0] == SIZE_BUFFER ? 1 << 17 : 0;
}

int64_t sys_reboot(struct task *t, const uint64_t a[6])
{
    (void)a;
    return cred_has_cap(&t->proc->cred, LX_CAP_SYS_ADMIN) ? -LX_EINVAL : -LX_EPERM;
}
