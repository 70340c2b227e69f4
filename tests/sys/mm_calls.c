// Memory calls beyond mmap: mremap without unmapping and of size 0, madvise, mincore, remap_file_pages, mlock and its
// limit, memory policies of one node; memfd seals.
#include "check.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { PAGE = 4096 };

static char *map(int n, int prot, int flags)
{
    char *p = mmap(NULL, (size_t)n * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
#define FAILS_MAP(call, wanted) CHECK((call) == MAP_FAILED && errno == (wanted))

static void test_mremap(void)
{
    char *a = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE), *b, *s;
    strcpy(a + PAGE, "moved");
    FAILS_MAP(mremap(a, 4 * PAGE, 4 * PAGE, MREMAP_DONTUNMAP, 0), EINVAL);
    FAILS_MAP(mremap(a, 4 * PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0), EINVAL);
    FAILS_MAP(mremap(a, 0, 4 * PAGE, MREMAP_MAYMOVE), EINVAL);
    FAILS_MAP(mremap(a, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
    FAILS_MAP(mremap(a + 1, PAGE, PAGE, MREMAP_MAYMOVE), EINVAL);
    FAILS_MAP(mremap(a, PAGE, PAGE, 64), EINVAL);
    FAILS_MAP(mremap(a, PAGE, PAGE, MREMAP_FIXED, a + PAGE), EINVAL);
    FAILS_MAP(mremap(a, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, a + PAGE), EINVAL);
    FAILS_MAP(mremap(a, 2 * PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, a + 1), EINVAL);
    b = mremap(a, 4 * PAGE, 4 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0);
    CHECK(b != MAP_FAILED && b != a && strcmp(b + PAGE, "moved") == 0);
    CHECK(a[PAGE] == 0); // still mapped, and empty
    a[PAGE] = 1;
    CHECK(b[PAGE] == 'm');
    CHECK(mremap(b, 4 * PAGE, 4 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE | MREMAP_FIXED, a) == a && a[PAGE] == 'm');
    s = map(2, PROT_READ | PROT_WRITE, MAP_SHARED);
    s[PAGE] = 7;
    char *d = mremap(s, 0, 2 * PAGE, MREMAP_MAYMOVE);
    CHECK(d != MAP_FAILED && d != s && d[PAGE] == 7);
    s[0] = 9;
    CHECK(d[0] == 9);
    munmap(s, 2 * PAGE);
    CHECK(d[0] == 9);
    FAILS_MAP(mremap(s, PAGE, PAGE, 0), EFAULT);
    munmap(d, 2 * PAGE);
    munmap(a, 4 * PAGE);
    munmap(b, 4 * PAGE);
}

static void test_madvise(void)
{
    unsigned char in[4];
    char *p = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE), *s = map(2, PROT_READ | PROT_WRITE, MAP_SHARED);
    CHECK_FAILS(madvise(p, PAGE, 55), EINVAL);
    CHECK_FAILS(madvise(p + 1, PAGE, MADV_NORMAL), EINVAL);
    CHECK_FAILS(madvise(p + 1, PAGE, 55), EINVAL);
    CHECK(madvise(p, 0, MADV_NORMAL) == 0);
    CHECK(mincore(p, 4 * PAGE, in) == 0 && !(in[0] & 1) && !(in[3] & 1));
    CHECK(madvise(p, 2 * PAGE, MADV_POPULATE_WRITE) == 0 && mincore(p, 2 * PAGE, in) == 0 && in[0] & 1 && in[1] & 1);
    p[0] = 1;
    CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && p[0] == 0);
    CHECK_FAILS(madvise(p, PAGE, MADV_REMOVE), EINVAL);
    s[0] = s[PAGE] = 5;
    CHECK(madvise(s, PAGE, MADV_DONTNEED) == 0 && s[0] == 5);
    CHECK(madvise(s, PAGE, MADV_REMOVE) == 0 && s[0] == 0 && s[PAGE] == 5);
    CHECK_FAILS(madvise(s, PAGE, MADV_FREE), EINVAL);
    CHECK_FAILS(madvise(s, PAGE, MADV_WIPEONFORK), EINVAL);
    munmap(p + PAGE, PAGE);
    CHECK_FAILS(madvise(p, 4 * PAGE, MADV_NORMAL), ENOMEM);
    CHECK_FAILS(madvise(p, 4 * PAGE, MADV_POPULATE_READ), ENOMEM);
    CHECK_FAILS(mincore(p, 4 * PAGE, in), ENOMEM);
    CHECK_FAILS(mincore(p + 1, PAGE, in), EINVAL);
    CHECK_FAILS(mincore(p, PAGE, (unsigned char *)8), EFAULT);
    CHECK_FAILS(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    munmap(s, 2 * PAGE);
    munmap(p, 4 * PAGE);
}

static void test_remap_file_pages(void)
{
    char *s = map(4, PROT_READ | PROT_WRITE, MAP_SHARED), *p = map(1, PROT_READ, MAP_PRIVATE);
    for (int i = 0; i < 4; i++) s[i * PAGE] = (char)('a' + i);
    CHECK(syscall(SYS_remap_file_pages, s, 2 * PAGE, 0, 2, 0) == 0);
    CHECK(s[0] == 'c' && s[PAGE] == 'd' && s[2 * PAGE] == 'c');
    CHECK_FAILS(syscall(SYS_remap_file_pages, s, PAGE, PROT_READ, 2, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_remap_file_pages, p, PAGE, 0, 0, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_remap_file_pages, s, 0, 0, 0, 0), EINVAL);
    munmap(s, 4 * PAGE);
    munmap(p, PAGE);
}

static int locked_kb(void)
{
    char line[256];
    int kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "VmLck: %d", &kb);
    if (f) fclose(f);
    return kb;
}

static void lock_as_nobody(void)
{
    struct rlimit r = {8 * PAGE, 8 * PAGE}, none = {0, 0};
    char *p = map(16, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    CHECK(setrlimit(RLIMIT_MEMLOCK, &r) == 0);
    if (geteuid() == 0) CHECK(setuid(65534) == 0);
    CHECK(mlock(p, 4 * PAGE) == 0 && mlock(p, 8 * PAGE) == 0); // what is locked counts once
    CHECK(locked_kb() == 32);
    CHECK_FAILS(mlock(p + 8 * PAGE, 1), ENOMEM);
    FAILS_MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), EAGAIN);
    CHECK_FAILS(mlockall(MCL_CURRENT), ENOMEM);
    CHECK(munlock(p, 4 * PAGE) == 0 && mlock(p + 8 * PAGE, 1) == 0 && locked_kb() == 20);
    CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
    CHECK_FAILS(mlock(p, PAGE), EPERM);
    CHECK_FAILS(mlockall(MCL_FUTURE), EPERM);
    CHECK(munlockall() == 0 && locked_kb() == 0);
    munmap(p, 16 * PAGE);
}

static void test_mlock(void)
{
    unsigned char in[2];
    int status;
    char *p = map(2, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    if (mlock(p, 1) == 0) {
        CHECK(mincore(p, 2 * PAGE, in) == 0 && in[0] & 1);
        CHECK_FAILS(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
        CHECK_FAILS(msync(p, PAGE, MS_INVALIDATE), EBUSY);
        CHECK(locked_kb() == 4);
        if (fork() == 0) _exit(locked_kb() != 0);
        wait(&status);
        CHECK(status == 0);
        CHECK(munlock(p, 2 * PAGE) == 0 && locked_kb() == 0);
    }
    CHECK_FAILS(mlockall(0), EINVAL);
    CHECK_FAILS(mlockall(16), EINVAL);
    CHECK_FAILS(mlockall(MCL_ONFAULT), EINVAL);
    CHECK_FAILS(mlock2(p, PAGE, 2), EINVAL);
    munmap(p, 2 * PAGE);
    CHECK_FAILS(mlock(p, PAGE), ENOMEM);
    CHECK_FAILS(munlock(p, PAGE), ENOMEM);
    if (geteuid() == 0) CHECK_FAILS(mlock(p, (size_t)-PAGE), EINVAL); // else the limit comes first
    if (fork() == 0) {
        lock_as_nobody();
        _exit(check_result());
    }
    wait(&status);
    CHECK(status == 0);
}

static void test_policy(void)
{
    int mode = -1;
    unsigned long nodes[16] = {0}, one = 1, two = 2;
    char *p = map(2, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    if (syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 0L) == -1 && errno == ENOSYS) return; // a kernel without NUMA
    CHECK(mode == 0);
    CHECK(syscall(SYS_get_mempolicy, NULL, nodes, 1024L, NULL, 4L) == 0 && nodes[0] == 1);
    CHECK_FAILS(syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 8L), EINVAL);
    CHECK_FAILS(syscall(SYS_get_mempolicy, &mode, NULL, 0L, p, 0L), EINVAL);
    CHECK_FAILS(syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 1L), EINVAL);
    CHECK(syscall(SYS_set_mempolicy, 2L, &one, 64L) == 0);
    CHECK(syscall(SYS_get_mempolicy, &mode, nodes, 1024L, NULL, 0L) == 0 && mode == 2 && nodes[0] == 1);
    CHECK_FAILS(syscall(SYS_set_mempolicy, 2L, &two, 64L), EINVAL);
    CHECK_FAILS(syscall(SYS_set_mempolicy, 2L, NULL, 0L), EINVAL);
    CHECK_FAILS(syscall(SYS_set_mempolicy, 0L, &one, 64L), EINVAL);
    CHECK_FAILS(syscall(SYS_set_mempolicy, 99L, &one, 64L), EINVAL);
    CHECK_FAILS(syscall(SYS_set_mempolicy, 2L, 8L, 64L), EFAULT);
    CHECK(syscall(SYS_set_mempolicy, 0L, NULL, 0L) == 0);
    CHECK(syscall(SYS_mbind, p, PAGE, 2L, &one, 64L, 0L) == 0);
    CHECK(syscall(SYS_get_mempolicy, &mode, NULL, 0L, p, 2L) == 0 && mode == 2);
    CHECK(syscall(SYS_get_mempolicy, &mode, NULL, 0L, p + PAGE, 2L) == 0 && mode == 0);
    CHECK_FAILS(syscall(SYS_mbind, p + 1, PAGE, 2L, &one, 64L, 0L), EINVAL);
    CHECK_FAILS(syscall(SYS_mbind, p, PAGE, 2L, &one, 64L, 128L), EINVAL);
    munmap(p, 2 * PAGE);
    CHECK_FAILS(syscall(SYS_mbind, p, PAGE, 2L, &one, 64L, 0L), EFAULT);
}

static void test_seals(void)
{
    char buf[16] = "0123456789";
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC), plain = memfd_create("plain", 0);
    CHECK(fcntl(fd, F_GET_SEALS) == 0 && fcntl(plain, F_GET_SEALS) == F_SEAL_SEAL);
    CHECK_FAILS(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW), EPERM);
    CHECK_FAILS(fcntl(fd, F_ADD_SEALS, 0x100), EINVAL);
    CHECK_FAILS(fcntl(0, F_GET_SEALS), EINVAL);
    CHECK(write(fd, buf, 10) == 10);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
    CHECK_FAILS(ftruncate(fd, 11), EPERM);
    CHECK_FAILS(pwrite(fd, buf, 10, 5), EPERM);
    CHECK_FAILS(fallocate(fd, 0, 0, 100), EPERM);
    CHECK(pwrite(fd, buf, 5, 5) == 5 && ftruncate(fd, 9) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0 && fcntl(fd, F_GET_SEALS) == (F_SEAL_GROW | F_SEAL_SHRINK));
    CHECK_FAILS(ftruncate(fd, 1), EPERM);
    CHECK(ftruncate(fd, 9) == 0);
    char *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    munmap(w, PAGE);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    CHECK_FAILS(pwrite(fd, buf, 1, 0), EPERM);
    CHECK_FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4), EPERM);
    FAILS_MAP(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
    w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(w != MAP_FAILED);
    w[0] = 'x';
    munmap(w, PAGE);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
    CHECK_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), EPERM);
    close(fd);
    close(plain);
}

static void test_seals_later(void)
{
    struct stat st;
    int fd = memfd_create("future", MFD_ALLOW_SEALING), noexec = memfd_create("noexec", 8); // MFD_NOEXEC_SEAL
    ftruncate(fd, PAGE);
    char *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(fcntl(fd, F_ADD_SEALS, 16) == 0); // F_SEAL_FUTURE_WRITE
    strcpy(w, "still");
    CHECK_FAILS(write(fd, "x", 1), EPERM);
    FAILS_MAP(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
    char *r = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(r != MAP_FAILED && strcmp(r, "still") == 0);
    CHECK_FAILS(mprotect(r, PAGE, PROT_READ | PROT_WRITE), EACCES);
    if (noexec >= 0) {
        CHECK(fcntl(noexec, F_GET_SEALS) == 0x20 && fstat(noexec, &st) == 0 && (st.st_mode & 0777) == 0666);
        CHECK_FAILS(fchmod(noexec, 0777), EPERM);
    }
    CHECK_FAILS(memfd_create("both", 8 | 16), EINVAL);
    CHECK_FAILS(memfd_create("unknown", 0x100), EINVAL);
    CHECK_FAILS(memfd_create((char *)8, 0), EFAULT);
    munmap(w, PAGE);
    munmap(r, PAGE);
    close(fd);
    close(noexec);
}

// Addresses that fit into 31 bits, also when something else is asked for.
static void test_low(void)
{
    enum { N = 6, MORE = 16384 };
    const size_t n = (size_t)MORE * PAGE;
    char *p[N];
    for (int i = 0; i < N; i++) {
        void *hint = i % 2 ? (void *)0xc0000000 : NULL;
        p[i] = mmap(hint, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT, -1, 0);
        CHECK(p[i] != MAP_FAILED && (uintptr_t)p[i] + n <= 1u << 31);
    }
    for (int i = 0; i < N; i++) munmap(p[i], n);
    char *at = mmap(p[0], PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(at == p[0]); // a hint that fits is taken
    munmap(at, PAGE);
    FAILS_MAP(mmap(NULL, 1ul << 31, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT, -1, 0), ENOMEM);
}

int main(void)
{
    test_low();
    test_mremap();
    test_madvise();
    test_remap_file_pages();
    test_mlock();
    test_policy();
    test_seals();
    test_seals_later();
    return check_result();
}
