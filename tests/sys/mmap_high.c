// Memory above 8 GiB for a program that insists on it, as GHC's run-time system does: it asks with hints, gives back
// what lies lower, and asks again. Whatever takes an address takes one of these.
#include "check.h"
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/futex.h>

enum { PAGE = 4096, FIRST_HINT = 0x42, TRIES = 10 };
#define GIB (1ull << 30)

// A reservation of 1 GiB that lies above 8 GiB.
static char *reserve(void)
{
    for (uint64_t i = 0; i < TRIES; i++) {
        char *hint = (char *)(((uint64_t)FIRST_HINT << 32) + i * PAGE);
        char *p = mmap(hint, GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED || (uint64_t)p >= 8 * GIB) return p;
        CHECK(munmap(p, GIB) == 0);
    }
    return MAP_FAILED;
}

static char *commit(char *at, int pages)
{
    return mmap(at, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void test_calls(char *p)
{
    int fd[2];
    char buf[8] = "";
    CHECK(pipe(fd) == 0 && write(fd[1], strcpy(p, "hello"), 6) == 6 && read(fd[0], p + PAGE - 2, 6) == 6);
    CHECK(strcmp(p + PAGE - 2, "hello") == 0);
    struct iovec *v = (void *)(p + 64);
    *v = (struct iovec){p, 6};
    CHECK(writev(fd[1], v, 1) == 6 && read(fd[0], buf, 6) == 6 && strcmp(buf, "hello") == 0);
    close(fd[0]);
    close(fd[1]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
    CHECK(send(fd[0], p, 6, 0) == 6 && recv(fd[1], p + 16, 6, 0) == 6 && strcmp(p + 16, "hello") == 0);
    close(fd[0]);
    close(fd[1]);
    CHECK(open(strcpy(p + 32, "/nowhere"), O_RDONLY) == -1 && errno == ENOENT);
    CHECK(read(-1, p, 1) == -1 && errno == EBADF);
}

static void test_futex(char *p)
{
    int *word = (int *)p;
    *word = 1;
    CHECK(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0) == -1 && errno == EAGAIN);
    CHECK(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0);
    struct timespec soon = {0, 1000000};
    CHECK(syscall(SYS_futex, word, FUTEX_WAIT, 1, &soon, NULL, 0) == -1 && errno == ETIMEDOUT);
}

static void test_fork(char *p)
{
    int status;
    strcpy(p, "parent");
    pid_t pid = fork();
    if (!pid) {
        bool good = strcmp(p, "parent") == 0;
        strcpy(p, "child");
        _exit(good && strcmp(p, "child") == 0 ? 7 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7 && strcmp(p, "parent") == 0);
}

static sigjmp_buf back;
static void *volatile fault_address;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    fault_address = info->si_addr;
    siglongjmp(back, 1);
}

static void *fault_of(volatile char *p, bool writes)
{
    fault_address = NULL;
    if (sigsetjmp(back, 1) == 0) {
        if (writes)
            *p = 1;
        else
            (void)*p;
    }
    return fault_address;
}

static void test_protection(char *p)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &sa, NULL);
    CHECK(mprotect(p, PAGE, PROT_READ) == 0 && fault_of(p + 5, true) == p + 5 && !fault_of(p + 5, false));
    CHECK(mprotect(p, PAGE, PROT_NONE) == 0 && fault_of(p + 9, false) == p + 9);
    CHECK(write(1, p, 1) == -1 && errno == EFAULT);
    CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0 && !fault_of(p, true));
    CHECK(fault_of(p + GIB / 2, false) == p + GIB / 2); // reserved only
}

static void test_advice(char *p)
{
    unsigned char in[2] = {0};
    p[0] = 'x';
    CHECK(mincore(p, PAGE, in) == 0 && in[0] == 1);
    CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0 && p[0] == 0);
    CHECK(mlock(p, PAGE) == 0 && munlock(p, PAGE) == 0 && msync(p, PAGE, MS_SYNC) == 0);
    char *q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE);
    CHECK(q == p);
}

static bool has_map_at(const char *p)
{
    char line[512], want[32];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    snprintf(want, sizeof want, "%" PRIxPTR "-", (uintptr_t)p);
    while (f && fgets(line, sizeof line, f)) found |= strncmp(line, want, strlen(want)) == 0;
    fclose(f);
    return found;
}

int main(void)
{
    char *p = reserve();
    if (!CHECK(p != MAP_FAILED && (uint64_t)p >= 8 * GIB)) return check_result();
    CHECK(has_map_at(p) && commit(p, 4) == p && has_map_at(p));
    test_calls(p);
    test_futex(p);
    test_fork(p);
    test_protection(p);
    test_advice(p);
    CHECK(munmap(p + PAGE, PAGE) == 0 && fault_of(p + PAGE, false) && commit(p + PAGE, 1) == p + PAGE && !p[PAGE]);
    CHECK(munmap(p, GIB) == 0 && !has_map_at(p));
    CHECK(write(1, (void *)-4096L, 1) == -1 && errno == EFAULT);
    return check_result();
}
