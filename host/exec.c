// See exec.h.
#include "host/exec.h"
#include "host/entropy.h"
#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
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

static void *window_at(uint32_t top)
{
    return (void *)(uintptr_t)((uint64_t)top << 32);
}

// Kernels before 4.17 take the flag for none, and the address for a hint.
static int reserve(uint32_t top)
{
    enum { FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE };
    void *p = mmap(window_at(top), HOST_EXEC_WINDOW, PROT_NONE, FLAGS, -1, 0);
    if (p == window_at(top)) return 0;
    if (p == MAP_FAILED) return -errno;
    munmap(p, HOST_EXEC_WINDOW);
    return -EEXIST;
}

// All 4 GiB: whatever 32 bits are taken for an offset, they lead to nothing that is not ours.
static int reserve_window(struct host_exec *x, uint32_t top)
{
    enum { TRIES = 8, TOPS = HOST_EXEC_TOP_MAX - HOST_EXEC_TOP_MIN + 1 };
    int err = -EEXIST;
    for (unsigned i = 0; i < (top ? 1 : TRIES) && err == -EEXIST; i++) {
        uint16_t random = 0;
        if (!top) host_entropy(&random, sizeof random);
        x->top = top ? top : (uint32_t)(HOST_EXEC_TOP_MIN + random % TOPS);
        err = reserve(x->top);
    }
    return err;
}

static int map_twice(struct host_exec *x, int fd)
{
    void *rw = mmap(NULL, x->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (rw == MAP_FAILED) return -errno;
    enum { FLAGS = MAP_SHARED | MAP_NORESERVE | MAP_FIXED };
    void *rx = mmap(window_at(x->top), x->bytes, PROT_READ | PROT_EXEC, FLAGS, fd, 0);
    if (rx == MAP_FAILED) {
        int err = -errno;
        munmap(rw, x->bytes);
        return err;
    }
    x->rw = rw;
    x->rx = rx;
    return 0;
}

int host_exec_new(struct host_exec *x, size_t bytes, uint32_t top)
{
    *x = (struct host_exec){.bytes = bytes};
    int fd = open_memory(bytes);
    if (fd < 0) return fd;
    int err = reserve_window(x, top);
    if (!err) {
        err = map_twice(x, fd);
        if (err) munmap(window_at(x->top), HOST_EXEC_WINDOW);
    }
    close(fd);
    return err;
}

void host_exec_free(struct host_exec *x)
{
    if (!x->rw) return;
    munmap(x->rw, x->bytes);
    munmap(window_at(x->top), HOST_EXEC_WINDOW);
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
