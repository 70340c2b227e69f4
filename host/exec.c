// See exec.h.
#include "host/exec.h"
#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u // Linux 6.3, where vm.memfd_noexec may make the other kind the default
#endif

static int open_memory(size_t bytes)
{
    int fd = memfd_create("code", MFD_CLOEXEC | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("code", MFD_CLOEXEC);
    if (fd < 0) return -errno;
    if (ftruncate(fd, (off_t)bytes) == 0) return fd;
    int err = -errno;
    close(fd);
    return err;
}

int host_exec_new(struct host_exec *x, size_t bytes)
{
    *x = (struct host_exec){.bytes = bytes};
    int fd = open_memory(bytes), err = 0;
    if (fd < 0) return fd;
    void *rw = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (rw == MAP_FAILED) err = -errno;
    void *rx = err ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (!err && rx == MAP_FAILED) {
        err = -errno;
        munmap(rw, bytes);
    }
    close(fd);
    if (err) return err;
    x->rw = rw;
    x->rx = rx;
    return 0;
}

void host_exec_free(struct host_exec *x)
{
    if (!x->rw) return;
    munmap(x->rw, x->bytes);
    munmap((void *)(uintptr_t)x->rx, x->bytes);
    *x = (struct host_exec){0};
}

void host_exec_settle(const struct host_exec *x, size_t from, size_t to)
{
    enum { PAGE = 4096 };
    from = (from + PAGE - 1) & ~(size_t)(PAGE - 1);
    to &= ~(size_t)(PAGE - 1);
    if (from < to) (void)madvise(x->rw + from, to - from, MADV_DONTNEED);
}

#if defined(__x86_64__)
enum { HWCAP2_FSGSBASE_BIT = 2, SET_GS = 0x1001 }; // Linux, arch/x86/include/uapi/asm/hwcap2.h and prctl.h

bool host_has_wrgsbase(void)
{
    return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT;
}

void host_set_gs(uintptr_t base, bool by_instruction)
{
    if (by_instruction)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else
        syscall(SYS_arch_prctl, SET_GS, base);
}

// In a portable build the guest's MXCSR is not in the host's (cpu/hostfp.h).
const char *host_exec_lacks(void)
{
#if defined(BELLJAR_PORTABLE)
    return "this build uses none of the host's vector instructions";
#else
    return NULL;
#endif
}
#else
bool host_has_wrgsbase(void)
{
    return false;
}

void host_set_gs(uintptr_t base, bool by_instruction)
{
    (void)base, (void)by_instruction;
}

const char *host_exec_lacks(void)
{
    return "the host is not x86-64";
}
#endif
