// See host_run.h.
#define _GNU_SOURCE
#include "host_run.h"
#include "arena.h"
#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define ALT_STACK_BYTES (256u * 1024)
#define EFLAGS_RESTORED                                                                                                \
    0x50dd5u // what the kernel's sigreturn takes from the frame: FIX_EFLAGS in arch/x86/kernel/signal_64.c

// What rt_sigreturn finds at rsp - 8 (struct rt_sigframe in arch/x86/include/asm/sigframe.h).
struct sigframe {
    void *return_address;
    ucontext_t uc;
} __attribute__((aligned(16)));

// The extended state behind FXSAVE's image in a frame (arch/x86/include/uapi/asm/sigcontext.h): XSAVE's standard format
// with x87, SSE and AVX (SDM vol. 1, 13.4), and the kernel's marks around it.
enum {
    XSTATE_MAGIC1 = 0x46505853,
    XSTATE_MAGIC2 = 0x46505845,
    XFEATURES = 7,
    XFEATURE_X87 = 1,
    XFEATURE_SSE = 2,
    XFEATURE_AVX = 4
};
struct xsave_area {
    struct fx_image fx;
    uint64_t xstate_bv, xcomp_bv, reserved[6];
    uint64_t ymm_high[16][2];
    uint32_t magic2;
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct xsave_area, magic2) == 832, "XSAVE's standard format");
struct sw_bytes { // in the last bytes of fx.rest
    uint32_t magic1, extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size, padding[7];
};

struct host_runner {
    // Used by the assembly below, in this order.
    uint64_t home_rsp;
    uint64_t running;
    uint64_t home_fs, home_gs;
    uint64_t fs, gs;     // in use while running
    uint64_t swap_bases; // fs or gs differ from home's

    struct sigframe frame;
    struct xsave_area xs;
    bool has_avx;
    ucontext_t pristine; // of a signal at home: segments, stack, flags for the kernel
    struct outcome *out;
    uint64_t start;
    struct sigaction old[5];
    uint8_t *alt_stack;
};

static const int caught[5] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

// The one runner: a signal handler finds it here.
static struct host_runner *the_runner;

// hostcpu_enter(runner, frame + 8): saves what a C function must keep, sets the segment bases and leaves through
// rt_sigreturn. hostcpu_signal: the handler. With clear flags (AC, NT and ID would stay) and home's segment bases (the
// C below uses the thread pointer) it calls hostcpu_collect, drops the signal's frame and returns from host_enter.
// Signals that are not the runner's go to host_pass_on. arch_prctl (158) instead of WRFSBASE: works on every kernel.
__asm__(".text\n"
        "hostcpu_enter:\n"
        "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
        "  mov %rsp, (%rdi)\n"
        "  mov %rdi, %rbx\n  mov %rsi, %rbp\n"
        "  cmpq $0, 48(%rbx)\n  je 1f\n"
        "  mov $0x1001, %edi\n  mov 40(%rbx), %rsi\n  mov $158, %eax\n  syscall\n" // ARCH_SET_GS
        "  mov $0x1002, %edi\n  mov 32(%rbx), %rsi\n  mov $158, %eax\n  syscall\n" // ARCH_SET_FS
        "1:\n"
        "  movq $1, 8(%rbx)\n"
        "  mov %rbp, %rsp\n"
        "  mov $15, %eax\n  syscall\n  ud2\n"
        "hostcpu_signal:\n"
        "  pushq $0x202\n  popfq\n"
        "  push %rbx\n"
        "  mov the_runner(%rip), %rbx\n"
        "  cmpq $0, 8(%rbx)\n  je 3f\n"
        "  movq $0, 8(%rbx)\n"
        "  push %rdi\n  push %rsi\n  push %rdx\n  sub $8, %rsp\n"
        "  mov $0x1002, %edi\n  mov 16(%rbx), %rsi\n  mov $158, %eax\n  syscall\n"
        "  mov 8(%rsp), %rdx\n  mov 16(%rsp), %rsi\n  mov 24(%rsp), %rdi\n"
        "  call hostcpu_collect\n"
        "  mov $0x1001, %edi\n  mov 24(%rbx), %rsi\n  mov $158, %eax\n  syscall\n"
        "  mov (%rbx), %rsp\n"
        "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
        "  ret\n"
        "3:\n"
        "  pop %rbx\n"
        "  jmp hostcpu_pass_on\n");
void hostcpu_enter(struct host_runner *, void *frame) __attribute__((visibility("hidden")));
void hostcpu_signal(int, siginfo_t *, void *) __attribute__((visibility("hidden")));
void hostcpu_collect(int sig, siginfo_t *, ucontext_t *) __attribute__((visibility("hidden")));
void hostcpu_pass_on(int sig, siginfo_t *, void *) __attribute__((visibility("hidden")));

static const int gpr_place[GPR_COUNT] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                         REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void read_context(struct machine *m, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    for (int i = 0; i < GPR_COUNT; i++) m->gpr[i] = (uint64_t)g[gpr_place[i]];
    m->rip = (uint64_t)g[REG_RIP];
    m->eflags = (uint64_t)g[REG_EFL] & ~(uint64_t)0x10000; // RF is set by every fault
    const struct xsave_area *xs = (const void *)uc->uc_mcontext.fpregs;
    memcpy(&m->fx, &xs->fx, sizeof m->fx);
    memset(m->ymm_high, 0, sizeof m->ymm_high);
    if (the_runner->has_avx && xs->xstate_bv & XFEATURE_AVX) memcpy(m->ymm_high, xs->ymm_high, sizeof m->ymm_high);
}

static void read_fault(struct outcome *out, const ucontext_t *uc)
{
    uint64_t error = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];
    out->vector = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
    if (out->vector != 14) return;
    out->present = error & 1;
    out->write = error & 2;
    out->exec = error & 16;
    out->fault_addr = (uint64_t)uc->uc_mcontext.gregs[REG_CR2];
}

// Where the instruction has gone on to is INT3, or a page that cannot be executed: in both cases it completed.
static bool completed(const struct outcome *out, uint64_t start)
{
    enum { BREAKPOINT = 3, PAGE_FAULT = 14 };
    if (out->vector == BREAKPOINT) return out->after.rip - 1 != start;
    return out->vector == PAGE_FAULT && out->exec && out->after.rip != start;
}

// Reads the result out of a signal's frame.
void hostcpu_collect(int sig, siginfo_t *info, ucontext_t *uc)
{
    struct outcome *out = the_runner->out;
    (void)info;
    if (sig == SIGALRM) return;
    memset(out, 0, offsetof(struct outcome, after));
    read_context(&out->after, uc);
    read_fault(out, uc);
    if (!completed(out, the_runner->start)) return;
    if (out->vector == 3) out->after.rip--;
    memset(out, 0, offsetof(struct outcome, after));
    out->vector = VECTOR_NONE;
}

void hostcpu_pass_on(int sig, siginfo_t *info, void *uc)
{
    if (sig == SIGALRM) return;
    for (int i = 0; i < 5; i++) {
        if (caught[i] != sig) continue;
        const struct sigaction *old = &the_runner->old[i];
        if (old->sa_flags & SA_SIGINFO) {
            old->sa_sigaction(sig, info, uc);
            return;
        }
        sigaction(sig, old, NULL); // the default action, when the access is made again
    }
}

static void put_vectors(struct host_runner *h, const struct machine *in)
{
    h->xs.fx = in->fx;
    memset(h->xs.fx.rest, 0, sizeof h->xs.fx.rest); // without the magic number the kernel takes these 512 bytes only
    if (!h->has_avx) return;
    struct sw_bytes sw = {
        XSTATE_MAGIC1, offsetof(struct xsave_area, magic2) + 4, XFEATURES, offsetof(struct xsave_area, magic2), {0}};
    memcpy(h->xs.fx.rest + sizeof h->xs.fx.rest - sizeof sw, &sw, sizeof sw);
    // What has its initial contents is said to be in its initial state, so that XINUSE is a function of the contents,
    // as in the interpreter. (The processor alone keeps a component in use whatever it holds.)
    h->xs.xstate_bv = components_in_use(in);
    h->xs.magic2 = XSTATE_MAGIC2;
    memcpy(h->xs.ymm_high, in->ymm_high, sizeof h->xs.ymm_high);
}

void hostcpu_run(struct host_runner *h, const struct machine *in, struct outcome *out)
{
    ucontext_t *uc = &h->frame.uc;
    greg_t *g = uc->uc_mcontext.gregs;
    for (int i = 0; i < GPR_COUNT; i++) g[gpr_place[i]] = (greg_t)in->gpr[i];
    g[REG_RIP] = (greg_t)in->rip;
    g[REG_EFL] = (greg_t)((in->eflags & EFLAGS_RESTORED) | 0x202);
    put_vectors(h, in);
    uc->uc_mcontext.fpregs = (fpregset_t)(void *)&h->xs;
    h->fs = in->fs_base ? in->fs_base : h->home_fs;
    h->gs = in->gs_base ? in->gs_base : h->home_gs;
    h->swap_bases = h->fs != h->home_fs || h->gs != h->home_gs;
    h->start = in->rip;
    h->out = out;
    out->vector = VECTOR_LOST;
    hostcpu_enter(h, &h->frame.uc);
    if (!h->has_avx) memcpy(out->after.ymm_high, in->ymm_high, sizeof in->ymm_high); // nothing could change them
    out->after.fs_base = in->fs_base;
    out->after.gs_base = in->gs_base;
}

void hostcpu_limit(struct host_runner *h, unsigned milliseconds)
{
    struct sigaction sa = {.sa_sigaction = hostcpu_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    struct timeval every = {.tv_usec = milliseconds * 1000};
    struct itimerval timer = {every, every};
    (void)h;
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

// fd: -1, or a file that is shown.
static int map_at(uint64_t addr, unsigned bytes, int prot, int fd, unsigned offset)
{
    int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *p = mmap((void *)(uintptr_t)addr, bytes, prot, kind | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, offset);
    if (p == (void *)(uintptr_t)addr) return 0;
    fprintf(stderr, "hostcpu_run: cannot map %#llx: %s\n", (unsigned long long)addr, strerror(errno));
    return -1;
}

// The read-only page is filled before it becomes one, so that it is really there.
static int map_data(uint64_t at, int fd)
{
    for (unsigned i = 0; i < DATA_PAGES; i++)
        if (data_present(i) && map_at(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE, fd, fd < 0 ? 0 : i * PAGE))
            return -1;
    return 0;
}

// By their name, and below 4 GiB as in the guest.
static int map_named_data(void)
{
    int fd = memfd_create("arena", MFD_CLOEXEC);
    int err = fd < 0 || ftruncate(fd, DATA_BYTES) ? -1 : 0;
    if (!err) err = map_data(data_base, fd);
    if (!err) err = map_data(arena_low(data_base), fd);
    if (!err) err = map_at(arena_beside(), PAGE, PROT_READ, -1, 0);
    close(fd);
    return err;
}

static int map_arena(void)
{
    if (map_at(CODE_BASE, CODE_PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, -1, 0)) return -1;
    return arena_is_named() ? map_named_data() : map_data(data_base, -1);
}

static void unmap_arena(void)
{
    munmap((void *)(uintptr_t)CODE_BASE, CODE_PAGES * PAGE);
    munmap((void *)(uintptr_t)data_base, DATA_BYTES);
    if (!arena_is_named()) return;
    munmap((void *)(uintptr_t)arena_low(data_base), DATA_BYTES);
    munmap((void *)(uintptr_t)arena_beside(), PAGE);
}

// Takes the kernel's own values for everything in a frame that is not ours to choose.
static void save_pristine(int sig, siginfo_t *info, void *uc)
{
    (void)sig, (void)info;
    the_runner->pristine = *(ucontext_t *)uc;
}

static void learn_frame(struct host_runner *h)
{
    struct sigaction sa = {.sa_sigaction = save_pristine, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    sigaction(SIGTRAP, &sa, &old);
    __asm__ volatile("int3" ::: "memory");
    sigaction(SIGTRAP, &old, NULL);
    h->frame.uc = h->pristine;
    sigemptyset(&h->frame.uc.uc_sigmask);
}

struct host_runner *hostcpu_open(void)
{
    struct host_runner *h = aligned_alloc(64, (sizeof *h + 63) & ~(size_t)63);
    if (!h || map_arena()) return free(h), NULL;
    memset(h, 0, sizeof *h);
    the_runner = h;
    h->has_avx = hostcpu_has("avx");
    h->alt_stack = mmap(NULL, ALT_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t alt = {.ss_sp = h->alt_stack, .ss_size = ALT_STACK_BYTES};
    sigaltstack(&alt, NULL);
    learn_frame(h);
    syscall(SYS_arch_prctl, ARCH_GET_FS, &h->home_fs);
    syscall(SYS_arch_prctl, ARCH_GET_GS, &h->home_gs);
    struct sigaction sa = {.sa_sigaction = hostcpu_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    for (int i = 0; i < 5; i++) sigaction(caught[i], &sa, &h->old[i]);
    return h;
}

void hostcpu_close(struct host_runner *h)
{
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    signal(SIGALRM, SIG_IGN);
    for (int i = 0; i < 5; i++) sigaction(caught[i], &h->old[i], NULL);
    stack_t off = {.ss_flags = SS_DISABLE};
    sigaltstack(&off, NULL);
    munmap(h->alt_stack, ALT_STACK_BYTES);
    unmap_arena();
    free(h);
}

bool hostcpu_has(const char *feature)
{
    static const char always[] = " base x87 fpu ";
    char word[40], line[8192];
    snprintf(word, sizeof word, " %s ", feature);
    if (strstr(always, word)) return true;
    FILE *f = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "flags", 5)) continue;
        line[strcspn(line, "\n")] = ' ';
        found = strstr(line, word);
        break;
    }
    if (f) fclose(f);
    return found;
}
