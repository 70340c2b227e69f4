// What a box refuses, with the errno that says so: as a Linux on which an administrator has switched it off.
// Skipped on this kernel, which may allow some of it.
#include "check.h"
#include <sys/syscall.h>
#include <sys/utsname.h>

static long call(long nr, long a, long b, long c, long d)
{
    return syscall(nr, a, b, c, d, 0, 0);
}

int main(void)
{
    enum { SKIPPED = 77 };
    struct utsname name;
    if (uname(&name) || !strstr(name.release, "belljar")) return SKIPPED;
    CHECK_FAILS(call(SYS_perf_event_open, 0, 0, -1, -1), EACCES);
    CHECK_FAILS(call(SYS_bpf, 0, 0, 0, 0), EPERM);
    CHECK_FAILS(call(SYS_userfaultfd, 0, 0, 0, 0), EPERM);
    CHECK_FAILS(call(425, 8, 0, 0, 0), EPERM); // io_uring_setup
    CHECK_FAILS(call(426, -1, 0, 0, 0), EBADF);
    CHECK_FAILS(call(426, 1, 0, 0, 0), EOPNOTSUPP);
    CHECK_FAILS(call(427, 1, 0, 0, 0), EOPNOTSUPP);
    CHECK_FAILS(call(SYS_init_module, 0, 0, 0, 0), EPERM);
    CHECK_FAILS(call(SYS_kexec_load, 0, 0, 0, 0), EPERM);
    CHECK_FAILS(call(SYS_iopl, 4, 0, 0, 0), EINVAL);
    CHECK_FAILS(call(SYS_iopl, 3, 0, 0, 0), EPERM);
    CHECK_FAILS(call(SYS_ioperm, 0x80, 1, 1, 0), EPERM);
    CHECK_FAILS(call(SYS_ioperm, 65535, 2, 1, 0), EINVAL);
    CHECK_FAILS(call(SYS_swapon, 0, 0, 0, 0), EPERM);
    CHECK_FAILS(call(SYS_fanotify_init, 0, 0, 0, 0), EPERM);
    CHECK_FAILS(call(SYS_name_to_handle_at, -100, 0, 0, 0), EOPNOTSUPP);
    CHECK_FAILS(call(SYS_open_by_handle_at, 0, 0, 0, 0), EPERM);
    CHECK_FAILS(call(SYS_pkey_alloc, 0, 0, 0, 0), ENOSPC);
    CHECK_FAILS(call(SYS_pkey_alloc, 1, 0, 0, 0), EINVAL);
    CHECK_FAILS(call(SYS_pkey_free, 1, 0, 0, 0), EINVAL);
    CHECK_FAILS(call(SYS_pkey_mprotect, 0x1000, 0x1000, 0, 1), EINVAL);
    CHECK_FAILS(call(SYS_pkey_mprotect, 0x1000, 0x1000, 1, -1), ENOMEM);
    CHECK_FAILS(call(SYS_seccomp, 99, 0, 0, 0), ENOSYS);
    CHECK_FAILS(call(SYS_keyctl, 0, 0, 0, 0), ENOSYS);
    CHECK_FAILS(call(SYS_io_setup, 1, 0, 0, 0), ENOSYS);
    CHECK_FAILS(call(444, 0, 0, 0, 0), ENOSYS); // landlock_create_ruleset
    return check_result();
}
