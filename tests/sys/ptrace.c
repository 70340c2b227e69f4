// ptrace: attaching and letting go, every kind of stop and what is told of it, registers, memory, single steps,
// threads.
#include "check.h"
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define EVENT(status) ((unsigned)(status) >> 16)
enum { TRAP_OF_SYSCALL = SIGTRAP | 0x80 };
static volatile int *shared; // with the children

static long trace(long request, pid_t pid, uintptr_t addr, uintptr_t data)
{
    return syscall(SYS_ptrace, request, pid, addr, data);
}

// What waitpid says of it next.
static int wait_for(pid_t pid)
{
    int status = -1;
    CHECK(waitpid(pid, &status, __WALL) == pid);
    return status;
}

static int stopped_by(int status, int sig)
{
    return WIFSTOPPED(status) && WSTOPSIG(status) == sig;
}

static struct user_regs_struct regs_of(pid_t pid)
{
    struct user_regs_struct r = {0};
    CHECK(trace(PTRACE_GETREGS, pid, 0, (uintptr_t)&r) == 0);
    return r;
}

// A child that asks to be traced, stops, and then does what it is for.
static pid_t traced(void (*what)(void), long options)
{
    pid_t pid = fork();
    if (!pid) {
        if (trace(PTRACE_TRACEME, 0, 0, 0)) _exit(99);
        raise(SIGSTOP);
        what();
        _exit(0);
    }
    CHECK(stopped_by(wait_for(pid), SIGSTOP));
    CHECK(trace(PTRACE_SETOPTIONS, pid, 0, (uintptr_t)options) == 0);
    return pid;
}

static void ends_with(pid_t pid, int code)
{
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0);
    int status = wait_for(pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

// ---------------------------------------------------------------- system calls

static void three_calls(void)
{
    shared[0] = syscall(SYS_getppid) == 4242;
    shared[1] = syscall(SYS_dup, 12345) == -1 ? errno : 0;
    shared[2] = syscall(SYS_getpid) == -1 ? errno : 0;
}

// From its entry to its exit: the registers at both.
static void one_call(pid_t pid, struct user_regs_struct *in, struct user_regs_struct *out)
{
    CHECK(trace(PTRACE_SYSCALL, pid, 0, 0) == 0 && stopped_by(wait_for(pid), TRAP_OF_SYSCALL));
    *in = regs_of(pid);
    CHECK(trace(PTRACE_SYSCALL, pid, 0, 0) == 0 && stopped_by(wait_for(pid), TRAP_OF_SYSCALL));
    *out = regs_of(pid);
}

static void check_info(pid_t pid, int op, uint64_t nr, int64_t rval)
{
    struct __ptrace_syscall_info i = {0};
    long n = trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof i, (uintptr_t)&i);
    CHECK(i.op == op && i.arch == 0xc000003e && i.instruction_pointer && i.stack_pointer);
    if (op == PTRACE_SYSCALL_INFO_ENTRY) CHECK(n == 80 && i.entry.nr == nr);
    if (op == PTRACE_SYSCALL_INFO_EXIT) CHECK(n == 33 && i.exit.rval == rval && i.exit.is_error == (rval < 0));
    if (op == PTRACE_SYSCALL_INFO_NONE) CHECK(n == 24);
}

static void test_syscalls(void)
{
    struct user_regs_struct in, out;
    siginfo_t info = {0};
    pid_t pid = traced(three_calls, PTRACE_O_TRACESYSGOOD);
    check_info(pid, PTRACE_SYSCALL_INFO_NONE, 0, 0);
    do one_call(pid, &in, &out); // the end of raise
    while (in.orig_rax != SYS_getppid);
    CHECK(in.rax == (uint64_t)-ENOSYS && out.orig_rax == SYS_getppid && out.rax == (uint64_t)getpid());
    CHECK(trace(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info) == 0);
    CHECK(info.si_signo == SIGTRAP && info.si_code == TRAP_OF_SYSCALL && info.si_pid == pid);
    check_info(pid, PTRACE_SYSCALL_INFO_EXIT, 0, getpid());
    out.rax = 4242;
    CHECK(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&out) == 0);

    CHECK(trace(PTRACE_SYSCALL, pid, 0, 0) == 0 && stopped_by(wait_for(pid), TRAP_OF_SYSCALL));
    check_info(pid, PTRACE_SYSCALL_INFO_ENTRY, SYS_dup, 0);
    in = regs_of(pid);
    CHECK(in.orig_rax == SYS_dup && in.rdi == 12345);
    in.orig_rax = SYS_kill, in.rdi = (uint64_t)pid, in.rsi = 999; // another call instead
    CHECK(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&in) == 0);
    CHECK(trace(PTRACE_SYSCALL, pid, 0, 0) == 0 && stopped_by(wait_for(pid), TRAP_OF_SYSCALL));
    check_info(pid, PTRACE_SYSCALL_INFO_EXIT, 0, -EINVAL);

    CHECK(trace(PTRACE_SYSCALL, pid, 0, 0) == 0 && stopped_by(wait_for(pid), TRAP_OF_SYSCALL));
    CHECK(trace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), (uintptr_t)-1) == 0); // none at all
    ends_with(pid, 0);
    CHECK(shared[0] == 1 && shared[1] == EINVAL && shared[2] == ENOSYS);
}

// ---------------------------------------------------------------- memory, registers, steps

static long secret = 0x1122334455667788;
static const long constant = 77;
static uint8_t fp_image[512];

static __attribute__((noinline)) int target(int n)
{
    __asm__ volatile("nop; nop; nop; nop");
    return n + 1;
}

static void call_target(void)
{
    int (*volatile call)(int) = target; // itself, not a copy for this argument
    shared[0] = call(1), shared[1] = (int)secret, shared[2] = (int)*(volatile const long *)&constant;
    double d;
    __asm__ volatile("movsd %1, %%xmm7; int3; movsd %%xmm7, %0" : "=m"(d) : "m"((double){2.5}) : "xmm7");
    shared[3] = d == 4.25;
}

static long peek(pid_t pid, const volatile void *at)
{
    long word = 0;
    CHECK(trace(PTRACE_PEEKDATA, pid, (uintptr_t)at, (uintptr_t)&word) == 0);
    return word;
}

static void test_memory(void)
{
    pid_t pid = traced(call_target, 0);
    long word;
    uintptr_t code = (uintptr_t)target;
    CHECK(peek(pid, &secret) == 0x1122334455667788 && peek(pid, (char *)&secret + 1) >> 48 != 0x1122);
    CHECK(trace(PTRACE_POKEDATA, pid, (uintptr_t)&secret, 5) == 0 && secret != 5);
    CHECK(trace(PTRACE_POKEDATA, pid, (uintptr_t)&constant, 6) == 0 && *(volatile const long *)&constant == 77);
    CHECK(trace(PTRACE_PEEKDATA, pid, 8, (uintptr_t)&word) == -1 && errno == EIO);
    CHECK_FAILS(trace(PTRACE_POKEDATA, pid, 8, 0), EIO);
    CHECK_FAILS(trace(PTRACE_PEEKDATA, pid, (uintptr_t)&secret, 8), EFAULT);

    long old = peek(pid, (void *)code);
    CHECK(trace(PTRACE_POKETEXT, pid, code, (uintptr_t)((old & ~0xffl) | 0xcc)) == 0); // a breakpoint
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGTRAP));
    siginfo_t info = {0};
    struct user_regs_struct r = regs_of(pid);
    CHECK(r.rip == code + 1 && r.rdi == 1 && (int64_t)r.orig_rax == -1);
    CHECK(trace(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info) == 0 && info.si_code == SI_KERNEL);
    CHECK(trace(PTRACE_POKETEXT, pid, code, (uintptr_t)old) == 0);
    r.rip = code, r.rdi = 41;
    CHECK(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&r) == 0);
    uint64_t at = code;
    for (int i = 0; i < 4; i++) { // NOPs
        CHECK(trace(PTRACE_SINGLESTEP, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGTRAP));
        r = regs_of(pid);
        CHECK(r.rip > at && r.rip <= at + 8);
        at = r.rip;
    }
    CHECK(trace(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info) == 0);
    CHECK(info.si_code == TRAP_TRACE && info.si_addr == (void *)at);

    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGTRAP)); // its own int3
    double d;
    struct iovec v = {fp_image, sizeof fp_image};
    CHECK(trace(PTRACE_GETREGSET, pid, NT_PRFPREG, (uintptr_t)&v) == 0 && v.iov_len == 512);
    memcpy(&d, fp_image + 160 + 7 * 16, 8);
    CHECK(d == 2.5);
    d = 4.25;
    memcpy(fp_image + 160 + 7 * 16, &d, 8);
    CHECK(trace(PTRACE_SETFPREGS, pid, 0, (uintptr_t)fp_image) == 0);
    ends_with(pid, 0);
    CHECK(shared[0] == 42 && shared[1] == 5 && shared[2] == 6 && shared[3] == 1);
}

static void errors(pid_t pid)
{
    struct iovec v = {fp_image, 12};
    long word;
    CHECK_FAILS(trace(PTRACE_CONT, pid, 0, 65), EIO);
    CHECK_FAILS(trace(PTRACE_SETOPTIONS, pid, 0, 1u << 30), EINVAL);
    CHECK_FAILS(trace(0x1234, pid, 0, 0), EIO);
    CHECK_FAILS(trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&v), EINVAL);
    v.iov_len = 16;
    CHECK(trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&v) == 0 && v.iov_len == 16);
    CHECK_FAILS(trace(PTRACE_GETREGSET, pid, 0x7777, (uintptr_t)&v), EINVAL);
    CHECK_FAILS(trace(PTRACE_PEEKUSER, pid, 4, (uintptr_t)&word), EIO);
    CHECK_FAILS(trace(PTRACE_PEEKUSER, pid, 4096, (uintptr_t)&word), EIO);
    CHECK_FAILS(trace(PTRACE_SETSIGMASK, pid, 4, (uintptr_t)&word), EINVAL);
    CHECK_FAILS(trace(PTRACE_LISTEN, pid, 0, 0), EIO);
    CHECK_FAILS(trace(PTRACE_ATTACH, pid, 0, 0), EPERM);
    CHECK_FAILS(trace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
    CHECK_FAILS(trace(PTRACE_ATTACH, 99999, 0, 0), ESRCH);
    CHECK_FAILS(trace(PTRACE_CONT, getppid(), 0, 0), ESRCH);
    CHECK_FAILS(trace(PTRACE_SEIZE, pid, 1, 0), EIO);
}

// ---------------------------------------------------------------- signals

static void count(int sig)
{
    shared[sig == SIGUSR1 ? 1 : 2]++;
}

static void raise_three(void)
{
    signal(SIGUSR1, count);
    signal(SIGUSR2, count);
    signal(SIGWINCH, SIG_IGN);
    raise(SIGUSR1);  // suppressed
    raise(SIGUSR1);  // let through
    raise(SIGUSR1);  // made another
    raise(SIGWINCH); // ignored, and seen all the same
    raise(SIGTERM);  // suppressed
    sigset_t none;
    sigprocmask(SIG_SETMASK, NULL, &none);
    shared[3] = sigismember(&none, SIGHUP);
    raise(SIGABRT);
}

static void test_signals(void)
{
    siginfo_t info = {0};
    uint64_t mask = 1;
    shared[1] = shared[2] = 0;
    pid_t pid = traced(raise_three, 0);
    errors(pid);
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGUSR1));
    CHECK(trace(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info) == 0);
    CHECK(info.si_signo == SIGUSR1 && info.si_code == SI_TKILL && info.si_pid == pid);
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGUSR1));
    CHECK(shared[1] == 0);
    CHECK(trace(PTRACE_CONT, pid, 0, SIGUSR1) == 0 && stopped_by(wait_for(pid), SIGUSR1));
    CHECK(shared[1] == 1);
    CHECK(trace(PTRACE_CONT, pid, 0, SIGUSR2) == 0 && stopped_by(wait_for(pid), SIGWINCH));
    CHECK(shared[1] == 1 && shared[2] == 1);
    CHECK(trace(PTRACE_CONT, pid, 0, SIGWINCH) == 0 && stopped_by(wait_for(pid), SIGTERM));
    CHECK(trace(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&mask) == 0);
    mask = 0;
    CHECK(trace(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask) == 0 && mask == 1);
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGABRT));
    CHECK(shared[3] == 1);
    CHECK(trace(PTRACE_CONT, pid, 0, SIGABRT) == 0);
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void step_into_handler(void)
{
    signal(SIGUSR1, count);
    raise(SIGUSR1);
}

static void test_step_to_handler(void)
{
    pid_t pid = traced(step_into_handler, 0);
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGUSR1));
    CHECK(trace(PTRACE_SINGLESTEP, pid, 0, SIGUSR1) == 0 && stopped_by(wait_for(pid), SIGTRAP));
    CHECK(regs_of(pid).rip == (uintptr_t)count && regs_of(pid).rdi == SIGUSR1);
    ends_with(pid, 0);
}

// ---------------------------------------------------------------- events

static void fork_two(void)
{
    pid_t a = fork();
    if (!a) _exit(5);
    waitpid(a, NULL, 0);
    pid_t b = vfork();
    if (!b) _exit(6);
    waitpid(b, NULL, 0);
    _exit(7);
}

static pid_t event_of(pid_t pid, unsigned event)
{
    unsigned long message = 0;
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0);
    int status = wait_for(pid);
    while (stopped_by(status, SIGCHLD)) {
        CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0);
        status = wait_for(pid);
    }
    CHECK(stopped_by(status & 0xffff, SIGTRAP) && EVENT(status) == event);
    CHECK(trace(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message) == 0);
    return (pid_t)message;
}

static void let_end(pid_t pid, int code)
{
    CHECK(stopped_by(wait_for(pid), SIGSTOP)); // a new one begins so
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0);
    int status = wait_for(pid);
    CHECK(stopped_by(status & 0xffff, SIGTRAP) && EVENT(status) == PTRACE_EVENT_EXIT);
    ends_with(pid, code);
}

static void test_events(void)
{
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT;
    pid_t pid = traced(fork_two, options), child = event_of(pid, PTRACE_EVENT_FORK);
    let_end(child, 5);
    child = event_of(pid, PTRACE_EVENT_VFORK);
    let_end(child, 6);
    CHECK(event_of(pid, PTRACE_EVENT_VFORK_DONE) == child);
    CHECK(event_of(pid, PTRACE_EVENT_EXIT) == 7 << 8);
    ends_with(pid, 7);
}

static void exec_self(void)
{
    char *const argv[] = {"ptrace", "exec", NULL};
    execv("/proc/self/exe", argv);
    _exit(98);
}

static void test_exec(void)
{
    pid_t pid = traced(exec_self, 0);
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && wait_for(pid) == (SIGTRAP << 8 | 0x7f)); // a signal, to be suppressed
    ends_with(pid, 21);
    pid = traced(exec_self, PTRACE_O_TRACEEXEC);
    CHECK(event_of(pid, PTRACE_EVENT_EXEC) == pid);
    CHECK(regs_of(pid).rax == 0 || regs_of(pid).rax == (uint64_t)-ENOSYS);
    ends_with(pid, 21);
}

static void *in_thread(void *p)
{
    (void)p;
    shared[0] = (int)syscall(SYS_gettid);
    return NULL;
}

static void one_thread(void)
{
    pthread_t th;
    pthread_create(&th, NULL, in_thread, NULL);
    pthread_join(th, NULL);
    _exit(9);
}

static void test_threads(void)
{
    pid_t pid = traced(one_thread, PTRACE_O_TRACECLONE), tid = event_of(pid, PTRACE_EVENT_CLONE);
    CHECK(tid != pid && stopped_by(wait_for(tid), SIGSTOP));
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0 && trace(PTRACE_CONT, tid, 0, 0) == 0);
    int status = wait_for(tid); // a thread's end is told, too
    CHECK(WIFEXITED(status) && shared[0] == tid);
    status = wait_for(pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

// ---------------------------------------------------------------- attaching

static pid_t sleeper(void)
{
    pid_t pid = fork();
    if (pid) return pid;
    for (;;) pause();
}

static char state_of(pid_t pid, int *tracer)
{
    char path[64], text[4096], state = '?';
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    *tracer = -1;
    while (f && fgets(text, sizeof text, f)) {
        sscanf(text, "State: %c", &state);
        sscanf(text, "TracerPid: %d", tracer);
    }
    if (f) fclose(f);
    return state;
}

static void finish(pid_t pid)
{
    kill(pid, SIGKILL);
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_attach(void)
{
    int tracer;
    pid_t pid = sleeper();
    CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0 && stopped_by(wait_for(pid), SIGSTOP));
    CHECK(state_of(pid, &tracer) == 't' && tracer == getpid());
    CHECK(trace(PTRACE_DETACH, pid, 0, 65) == -1 && errno == EIO);
    CHECK(trace(PTRACE_DETACH, pid, 0, 0) == 0);
    CHECK(state_of(pid, &tracer) != 't' && tracer == 0);
    CHECK_FAILS(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
    CHECK(waitpid(pid, NULL, WNOHANG | __WALL) == 0);
    finish(pid);
}

// Seized: no SIGSTOP, stopped when asked, and a stop of its group is told apart.
static void test_seize(void)
{
    pid_t pid = sleeper();
    CHECK(trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
    CHECK_FAILS(trace(PTRACE_CONT, pid, 0, 0), ESRCH); // it runs
    CHECK(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
    CHECK(wait_for(pid) == (PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 | 0x7f));
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0);
    kill(pid, SIGSTOP);
    CHECK(stopped_by(wait_for(pid), SIGSTOP));
    CHECK(trace(PTRACE_CONT, pid, 0, SIGSTOP) == 0);
    CHECK(wait_for(pid) == (PTRACE_EVENT_STOP << 16 | SIGSTOP << 8 | 0x7f));
    CHECK(trace(PTRACE_LISTEN, pid, 0, 0) == 0);
    CHECK(waitpid(pid, NULL, WNOHANG | __WALL) == 0);
    kill(pid, SIGCONT);
    CHECK(wait_for(pid) == (PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 | 0x7f));
    CHECK(trace(PTRACE_CONT, pid, 0, 0) == 0);
    CHECK(stopped_by(wait_for(pid), SIGCONT));
    CHECK(trace(PTRACE_DETACH, pid, 0, SIGTERM) == 0);
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

// A tracer that ends lets go, or takes them with it.
static void tracer_of(pid_t pid, long options)
{
    pid_t tracer = fork();
    if (!tracer) _exit(trace(PTRACE_SEIZE, pid, 0, (uintptr_t)options) ? 1 : 0);
    int status = wait_for(tracer);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_tracer_ends(void)
{
    int status, tracer;
    pid_t pid = sleeper();
    tracer_of(pid, 0);
    CHECK(state_of(pid, &tracer) != 't' && tracer == 0);
    tracer_of(pid, PTRACE_O_EXITKILL);
    status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// SIGKILL ends every stop.
static void test_kill(void)
{
    pid_t pid = traced(three_calls, 0);
    finish(pid);
    pid = traced(three_calls, PTRACE_O_TRACESYSGOOD);
    CHECK(trace(PTRACE_SYSCALL, pid, 0, 0) == 0 && stopped_by(wait_for(pid), TRAP_OF_SYSCALL));
    finish(pid);
}

int main(int argc, char **argv)
{
    if (argc > 1) return strcmp(argv[1], "exec") == 0 ? 21 : 1;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    test_syscalls();
    test_memory();
    test_signals();
    test_step_to_handler();
    test_events();
    test_exec();
    test_threads();
    test_attach();
    test_seize();
    test_tracer_ends();
    test_kill();
    return check_result();
}
