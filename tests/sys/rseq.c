// Restartable sequences: registration and its errors, ids, aborts by preemption and by signals; membarrier.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

struct area {
    uint32_t cpu_id_start, cpu_id;
    uint64_t rseq_cs;
    uint32_t flags, node_id, mm_cid, pad;
} __attribute__((aligned(32)));

enum { SIG = 0x53053053 };
static _Thread_local volatile struct area area;

static long do_rseq(volatile void *at, uint32_t len, int flags, uint32_t sig)
{
    return syscall(SYS_rseq, at, len, flags, sig);
}

static void leave_glibc(void)
{
#ifdef __GLIBC__
    extern const ptrdiff_t __rseq_offset __attribute__((weak));
    extern const unsigned __rseq_size __attribute__((weak));
    if (!&__rseq_offset || !__rseq_size) return;
    char *at;
    __asm__("mov %%fs:0, %0" : "=r"(at)); // the thread pointer
    at += __rseq_offset;
    CHECK(do_rseq(at, 32, 1, SIG) == 0);
#endif
}

static void test_registration(void)
{
    CHECK(getauxval(27) >= 28 && getauxval(28) >= 32);
    CHECK_FAILS(do_rseq(&area, 32, 2, SIG), EINVAL);
    CHECK_FAILS(do_rseq(&area, 32, 1, SIG), EINVAL);
    CHECK_FAILS(do_rseq(&area, 16, 0, SIG), EINVAL);
    CHECK_FAILS(do_rseq((char *)&area + 4, 32, 0, SIG), EINVAL);
    CHECK_FAILS(do_rseq((void *)-4096, 32, 0, SIG), EFAULT);
    area.cpu_id = (uint32_t)-1;
    CHECK(do_rseq(&area, 32, 0, SIG) == 0);
    CHECK(area.cpu_id == (uint32_t)sched_getcpu() && area.cpu_id_start == area.cpu_id && area.node_id == 0);
    CHECK_FAILS(do_rseq(&area, 32, 0, SIG), EBUSY);
    CHECK_FAILS(do_rseq(&area, 32, 0, SIG + 1), EPERM);
    CHECK_FAILS(do_rseq((char *)&area + 32, 32, 0, SIG), EINVAL);
    CHECK_FAILS(do_rseq(&area, 32, 1, SIG + 1), EPERM);
    CHECK(do_rseq(&area, 32, 1, SIG) == 0 && area.cpu_id == (uint32_t)-1 && area.cpu_id_start == 0);
    CHECK(do_rseq(&area, 32, 0, SIG) == 0);
}

// Spins inside a sequence until it is aborted or has gone round n times; the turns that are left, -1 when aborted.
static long spin(long n)
{
    long aborted = 0;
    __asm__ volatile(".pushsection .data.rel.ro,\"aw\"\n"
                     ".balign 32\n"
                     "1: .long 0, 0\n"
                     "   .quad 3f, 4f - 3f, 5f\n"
                     ".popsection\n"
                     "lea 1b(%%rip), %%rax\n"
                     "mov %%rax, %[cs]\n"
                     "3: dec %[n]\n"
                     "jnz 3b\n"
                     "4: jmp 6f\n"
                     ".long 0x53053053\n"
                     "5: mov $1, %[aborted]\n"
                     "6:\n"
                     : [n] "+r"(n), [aborted] "+r"(aborted), [cs] "=m"(area.rseq_cs)
                     :
                     : "rax", "memory", "cc");
    return aborted ? -1 : n;
}

static volatile int ticks;

static void tick(int sig)
{
    (void)sig;
    ticks++;
}

static void test_signal(void)
{
    struct itimerval it = {{0, 5000}, {0, 5000}}, off = {0};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &it, NULL);
    while (ticks < 5) CHECK(spin(1l << 40) == -1); // by the timer, or because others of the machine ran
    setitimer(ITIMER_REAL, &off, NULL);
    CHECK(area.rseq_cs == 0);
    CHECK(spin(10) == 0);
}

static volatile int stop, other_ran;

static void *busy(void *arg)
{
    (void)arg;
    while (!stop) other_ran++;
    return NULL;
}

// Without any handler: another thread on the same CPU has its turn.
static void test_preemption(void)
{
    pthread_t t;
    cpu_set_t one, old;
    sched_getaffinity(0, sizeof old, &old);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    pthread_create(&t, NULL, busy, NULL);
    do CHECK(spin(1l << 40) == -1); // perhaps for other programs of the machine, at first
    while (!other_ran);
    stop = 1;
    pthread_join(t, NULL);
    sched_setaffinity(0, sizeof old, &old);
}

// A child has its parent's registration, and may abort; a bad descriptor kills.
static void test_processes(void)
{
    int status;
    pid_t child = fork();
    if (!child) {
        int bad = do_rseq(&area, 32, 0, SIG) != -1 || errno != EBUSY;
        struct itimerval it = {{0, 5000}, {0, 5000}};
        setitimer(ITIMER_REAL, &it, NULL);
        _exit(bad || spin(1l << 40) != -1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    child = fork();
    if (!child) {
        signal(SIGSEGV, SIG_DFL);
        area.rseq_cs = 16;
        raise(SIGALRM);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_membarrier(void)
{
    long all = syscall(SYS_membarrier, 0, 0, 0);
    CHECK((all & 0x1ff) == 0x1ff);
    CHECK_FAILS(syscall(SYS_membarrier, 0, 1, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_membarrier, 3, 0, 0), EINVAL);
    CHECK_FAILS(syscall(SYS_membarrier, 8, 1, 0), EINVAL);
    for (int command = 8; command <= 128; command *= 4) {
        CHECK_FAILS(syscall(SYS_membarrier, command, 0, 0), EPERM);
        CHECK(syscall(SYS_membarrier, command * 2, 0, 0) == 0 && syscall(SYS_membarrier, command, 0, 0) == 0);
    }
    CHECK(syscall(SYS_membarrier, 128, 1, 0) == 0 && syscall(SYS_membarrier, 2, 0, 0) == 0);
    CHECK(syscall(SYS_membarrier, 4, 0, 0) == 0);
}

int main(void)
{
    leave_glibc();
    test_registration();
    test_signal();
    test_preemption();
    test_processes();
    test_membarrier();
    return check_result();
}
