// Another process's memory and descriptors: process_vm_readv and writev, pidfd_getfd, kcmp, and who may; waiting by
// pidfd.
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { MRELEASE = 448 }; // process_mrelease
static char data[10000];

static long vm(int nr, pid_t pid, struct iovec *l, long nl, struct iovec *r, long nr_, long flags)
{
    return syscall(nr, pid, l, nl, r, nr_, flags);
}

static pid_t sleeper(void)
{
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    return child;
}

static void end(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && !WCOREDUMP(status));
}

static void test_vm(void)
{
    char got[10000] = {0}, *hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(data, 'd', sizeof data);
    memset(hole, 'h', 4096);
    munmap(hole + 4096, 4096);
    pid_t child = sleeper();
    struct iovec l[2] = {{got, 100}, {got + 100, 9900}}, r[2] = {{data, 6000}, {data, 4000}};
    CHECK(vm(SYS_process_vm_readv, child, l, 2, r, 2, 0) == 10000 && !memcmp(got, data, 10000));
    memset(got, 'x', sizeof got);
    CHECK(vm(SYS_process_vm_writev, child, l, 2, r, 1, 0) == 6000);
    memset(got, 0, sizeof got);
    CHECK(vm(SYS_process_vm_readv, child, l, 2, r, 2, 0) == 10000 && got[0] == 'x' && got[5999] == 'x');
    CHECK(data[0] == 'd'); // the child's, not ours
    struct iovec h = {hole + 4000, 200}, bad = {(void *)8, 10}, none = {got, 0};
    CHECK(vm(SYS_process_vm_readv, child, l, 1, &h, 1, 0) == 96 && got[95] == 'h');
    CHECK_FAILS(vm(SYS_process_vm_readv, child, l, 1, &bad, 1, 0), EFAULT);
    CHECK_FAILS(vm(SYS_process_vm_readv, child, &bad, 1, r, 1, 0), EFAULT);
    CHECK_FAILS(vm(SYS_process_vm_readv, child, l, 1, r, 1, 1), EINVAL);
    CHECK_FAILS(vm(SYS_process_vm_readv, child, l, 1025, r, 1, 0), EINVAL);
    CHECK_FAILS(vm(SYS_process_vm_readv, child, l, 1, r, 1025, 0), EINVAL);
    CHECK_FAILS(vm(SYS_process_vm_readv, child, (void *)8, 1, r, 1, 0), EFAULT);
    CHECK_FAILS(vm(SYS_process_vm_readv, child, l, 1, (void *)8, 1, 0), EFAULT);
    CHECK_FAILS(vm(SYS_process_vm_readv, 999999, l, 1, r, 1, 0), ESRCH);
    CHECK(vm(SYS_process_vm_readv, 999999, &none, 1, r, 1, 0) == 0);
    CHECK(vm(SYS_process_vm_readv, 999999, l, 1, &none, 1, 0) == 0);
    struct iovec code = {(void *)(uintptr_t)sleeper, 4};
    CHECK_FAILS(vm(SYS_process_vm_writev, child, l, 1, &code, 1, 0), EFAULT);
    CHECK(vm(SYS_process_vm_readv, getpid(), l, 1, r, 1, 0) == 100 && got[0] == 'd');
    end(child);
    munmap(hole, 4096);
}

static void test_getfd(void)
{
    int p[2], status;
    CHECK(pipe(p) == 0);
    pid_t child = sleeper();
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0), lone = dup2(p[1], 77);
    close(p[1]);
    CHECK_FAILS(syscall(SYS_pidfd_getfd, pidfd, p[1], 1), EINVAL);
    CHECK_FAILS(syscall(SYS_pidfd_getfd, p[0], p[1], 0), EBADF);
    CHECK_FAILS(syscall(SYS_pidfd_getfd, pidfd, 500, 0), EBADF);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, p[1], 0);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && write(fd, "x", 1) == 1);
    CHECK(syscall(SYS_kcmp, getpid(), child, 0, fd, p[1]) == 0 &&
          syscall(SYS_kcmp, getpid(), child, 0, p[0], p[1]) > 0);
    CHECK_FAILS(syscall(SYS_kcmp, getpid(), child, 0, 500, p[1]), EBADF);
    CHECK(syscall(SYS_kcmp, getpid(), child, 1, 0, 0) > 0 && syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0) == 0);
    CHECK(syscall(SYS_kcmp, getpid(), child, 2, 0, 0) > 0 && syscall(SYS_kcmp, child, child, 4, 0, 0) == 0);
    CHECK_FAILS(syscall(SYS_kcmp, getpid(), child, 99, 0, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_kcmp, getpid(), 999999, 1, 0, 0), ESRCH);
    CHECK_FAILS(syscall(MRELEASE, pidfd, 0), EINVAL);
    CHECK_FAILS(syscall(MRELEASE, pidfd, 1), EINVAL);
    CHECK_FAILS(syscall(MRELEASE, p[0], 0), EBADF);
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_FAILS(syscall(MRELEASE, pidfd, 0), ESRCH);
    CHECK_FAILS(syscall(SYS_pidfd_getfd, pidfd, p[1], 0), ESRCH);
    close(pidfd);
    close(fd);
    close(lone);
    close(p[0]);
}

// Others' processes are nobody's business but root's, nor those that are not dumpable.
static void test_permission(void)
{
    char byte;
    struct iovec l = {&byte, 1}, r = {data, 1};
    int up[2], status;
    CHECK(pipe(up) == 0);
    pid_t child = fork();
    if (!child) {
        prctl(PR_SET_DUMPABLE, 0);
        CHECK(write(up[1], "r", 1) == 1);
        pause();
    }
    CHECK(read(up[0], &byte, 1) == 1);
    pid_t user = fork();
    if (!user) {
        if (getuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
        CHECK_FAILS(vm(SYS_process_vm_readv, child, &l, 1, &r, 1, 0), EPERM);
        CHECK_FAILS(syscall(SYS_kcmp, getpid(), child, 1, 0, 0), EPERM);
        int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
        CHECK_FAILS(syscall(SYS_pidfd_getfd, pidfd, 0, 0), EPERM);
        _exit(check_result());
    }
    CHECK(waitpid(user, &status, 0) == user && status == 0);
    end(child);
    close(up[0]);
    close(up[1]);
}

static void test_wait_nonblock(void)
{
    siginfo_t info;
    pid_t child = sleeper();
    int pidfd = (int)syscall(SYS_pidfd_open, child, O_NONBLOCK);
    CHECK_FAILS(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), EAGAIN);
    CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    kill(child, SIGKILL);
    int r = -1;
    for (int i = 0; i < 200 && (r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED)) == -1 && errno == EAGAIN; i++)
        usleep(5000);
    CHECK(r == 0 && info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGKILL);
    close(pidfd);
}

int main(void)
{
    test_vm();
    test_getfd();
    test_permission();
    test_wait_nonblock();
    return check_result();
}
