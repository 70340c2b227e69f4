// System calls that a box refuses on purpose, with the errno Linux gives where an administrator has switched them off
// or the caller lacks the right. Those that Linux can be built without are NONE in syscall.def (ENOSYS), with the
// option's name there.
#include "syscalls/fs.h"
#include "syscalls/pidfd.h"

// As under kernel.perf_event_paranoid = 3.
int64_t sys_perf_event_open(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EACCES;
}

// As under kernel.unprivileged_bpf_disabled = 2 without CAP_BPF.
int64_t sys_bpf(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

// As under vm.unprivileged_userfaultfd = 0 without CAP_SYS_PTRACE.
int64_t sys_userfaultfd(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

// As under kernel.io_uring_disabled = 2. No descriptor is ever a ring.
int64_t sys_io_uring_setup(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_setns(struct task *t, const uint64_t a[6])
{
    bool nonblock;
    if (!fd_get(t->proc, (int)a[0])) return -LX_EBADF;
    return pidfd_pid(t, (int)a[0], &nonblock) > 0 && (uint32_t)a[1] ? -LX_EPERM : -LX_EINVAL;
}

static int64_t not_a_ring(struct task *t, int fd)
{
    return fd_get(t->proc, fd) ? -LX_EOPNOTSUPP : -LX_EBADF;
}

int64_t sys_io_uring_enter(struct task *t, const uint64_t a[6])
{
    return not_a_ring(t, (int)a[0]);
}

int64_t sys_io_uring_register(struct task *t, const uint64_t a[6])
{
    return not_a_ring(t, (int)a[0]);
}

// What takes a capability that a container's root does not have: modules, another kernel, I/O ports, swap, accounting,
// hanging up a terminal, watching whole file systems.
int64_t sys_init_module(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_finit_module(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_delete_module(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_kexec_load(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_kexec_file_load(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_iopl(struct task *t, const uint64_t a[6])
{
    return (void)t, (uint32_t)a[0] > 3 ? -LX_EINVAL : -LX_EPERM;
}

int64_t sys_ioperm(struct task *t, const uint64_t a[6])
{
    const uint64_t ports = 65536;
    if (a[0] + a[1] <= a[0] || a[0] + a[1] > ports) return -LX_EINVAL;
    return (void)t, a[2] ? -LX_EPERM : 0; // none are open: closing succeeds
}

int64_t sys_swapon(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_swapoff(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_acct(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_vhangup(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_fanotify_init(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}

int64_t sys_fanotify_mark(struct task *t, const uint64_t a[6])
{
    return fd_get(t->proc, (int)a[0]) ? -LX_EINVAL : -LX_EBADF;
}

// As for a device that holds no mounted file system.
int64_t sys_ustat(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EINVAL;
}

// As on file systems that cannot be exported.
int64_t sys_name_to_handle_at(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EOPNOTSUPP;
}

int64_t sys_open_by_handle_at(struct task *t, const uint64_t a[6])
{
    return (void)t, (void)a, -LX_EPERM;
}
