// Escape attempts with nothing of belljar's between them and the host's kernel but the jail: each child closes the jail
// as the worker does and then makes one system call. Every call of attempts.def, every number that is not in jail.def,
// and the calls of the other ABIs must end it by SIGSYS. Then: what the jail leaves works, and /proc says what is gone.
#include "host/jail.h"
#include "tests/jail/attempts.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 512, X32 = 0x40000000, STREAM_FD = 4 };

struct scene { // what a child is given
    int channel[2], stream, memfd;
};

static int bad(const char *what, const char *name, int status)
{
    fprintf(stderr, "escape: %s %s: wait status %#x\n", what, name, (unsigned)status);
    return 1;
}

// Into the jail; the process ends when that fails.
static void close_jail(const struct scene *s, int parent)
{
    struct host_jail jail = {.outside = (const int[]){s->channel[1], s->stream},
                             .noutside = 2,
                             .own = &s->memfd,
                             .nown = 1,
                             .parent = parent};
    char why[256];
    if (host_jail_descriptors(&jail)) _exit(2);
    if (!host_jail_close(&jail, why, sizeof why)) return;
    fprintf(stderr, "escape: %s\n", why);
    _exit(2);
}

// Runs act(ctx) in the jail; how it ended.
static int in_jail(const struct scene *s, void (*act)(const void *), const void *ctx)
{
    int parent = getpid(), status;
    pid_t pid = fork();
    if (pid == 0) {
        close_jail(s, parent);
        act(ctx);
        syscall(SYS_exit_group, 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) exit(2);
    return status;
}

static bool died_of_jail(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

// ---------------------------------------------------------------- attempts

struct
try {
    unsigned index;
    int parent;
};

static void attempt(const void *ctx)
{
    const struct try *t = ctx;
    (void)attempt_make(t->index, STREAM_FD, JAIL_OWN, t->parent);
}

static int attempts(const struct scene *s)
{
    int failed = 0;
    for (unsigned i = 0; attempt_name(i); i++) {
        int status = in_jail(s, attempt, &(struct try){i, getpid()});
        if (!died_of_jail(status)) failed += bad("survived", attempt_name(i), status);
    }
    return failed;
}

// On Linux since 6.14 and 6.18 these two pass every filter (kernel/seccomp.c, __secure_computing): they belong to the
// kernel's probes, and outside of one's trampoline they do nothing (SIGILL, ENXIO).
enum { URETPROBE = 335, UPROBE = 336 };

static bool listed(long number)
{
    if (number == URETPROBE || number == UPROBE) return true;
    static const long calls[] = {
#define JAIL(call, ...) SYS_##call,
#include "host/jail.def"
#undef JAIL
    };
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i] == number) return true;
    return false;
}

static void call_number(const void *ctx)
{
    syscall(*(const long *)ctx, 0, 0, 0, 0, 0, 0);
}

static int numbers(const struct scene *s)
{
    int failed = 0;
    char name[32];
    for (long n = 0; n < CALLS; n++) {
        long x32 = n | X32;
        snprintf(name, sizeof name, "number %ld", n);
        if (!listed(n)) {
            int status = in_jail(s, call_number, &n);
            if (!died_of_jail(status)) failed += bad("survived", name, status);
        }
        if (n % 16) continue; // all x32 calls meet the same comparison
        int status = in_jail(s, call_number, &x32);
        if (!died_of_jail(status)) failed += bad("survived x32", name, status);
    }
    return failed;
}

#if defined(__x86_64__)
// int $0x80: the 32-bit table, where 20 is getpid and 5 is open.
static void call_i386(const void *ctx)
{
    long result = *(const long *)ctx;
    __asm__ volatile("int $0x80" : "+a"(result) : "b"(0l), "c"(0l), "d"(0l) : "memory");
}

static int other_abi(const struct scene *s)
{
    int failed = 0;
    for (long n = 1; n < 32; n++) {
        int status = in_jail(s, call_i386, &n);
        if (!died_of_jail(status) &&
            !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)) // no such table in the kernel
            failed += bad("survived", "int 0x80", status);
    }
    return failed;
}
#else
static int other_abi(const struct scene *s)
{
    (void)s;
    return 0;
}
#endif

// ---------------------------------------------------------------- what is left, what is gone

static void live(const void *ctx)
{
    char c = 'x';
    (void)ctx;
    void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, JAIL_OWN, 0);
    bool good = own != MAP_FAILED && (*(char *)own = 'y') && pread(JAIL_OWN, &c, 1, 0) == 1 && c == 'y' &&
                write(STREAM_FD, &c, 1) == 1 && malloc(1 << 20);
    syscall(SYS_exit_group, good ? 0 : 1);
}

static bool has_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    return at && (at[strlen(line)] == '\n');
}

// /proc/PID/status of a child that waits in the jail.
static int status_file(const struct scene *s)
{
    static const char *const want[] = {"Seccomp:\t2",
                                       "NoNewPrivs:\t1",
                                       "CapInh:\t0000000000000000",
                                       "CapPrm:\t0000000000000000",
                                       "CapEff:\t0000000000000000",
                                       "CapAmb:\t0000000000000000"};
    char path[64], text[8192];
    int parent = getpid(), failed = 0;
    pid_t pid = fork();
    if (pid == 0) {
        close_jail(s, parent);
        if (write(3, "", 1) == 1) (void)!read(3, text, 1);
        syscall(SYS_exit_group, 0);
    }
    (void)!read(s->channel[0], text, 1);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    for (unsigned i = 0; i < sizeof want / sizeof *want; i++)
        if (!has_line(text, want[i])) failed += bad("not so of the jailed process:", want[i], 0);
    if (strstr(text, "\nUid:\t0\t")) fprintf(stderr, "escape: note: the jailed process is still user 0\n");
    if (write(s->channel[0], "", 1) != 1 || waitpid(pid, NULL, 0) != pid) return failed + 1;
    return failed;
}

int main(void)
{
    struct scene s;
    char name[] = "/tmp/belljar-stream-XXXXXX";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s.channel)) return 2;
    s.stream = mkstemp(name);
    s.memfd = memfd_create("box", 0);
    if (s.stream < 0 || s.memfd < 0 || ftruncate(s.memfd, 1 << 20)) return 2;
    unlink(name);
    int failed = attempts(&s) + numbers(&s) + other_abi(&s) + status_file(&s);
    int status = in_jail(&s, live, NULL);
    if (status) failed += bad("what is allowed does not work:", "", status);
    return failed != 0;
}
