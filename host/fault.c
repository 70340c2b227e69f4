// The SIGSEGV and SIGBUS handler: a fault in this thread's guarded range jumps to the guard, any other goes where it
// would have gone without us.
//
// The static state below is the one exception to "no state outside the box": signal dispositions belong to the process.
#include "host/fault.h"
#include "host/pages.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static _Thread_local struct host_fault *volatile active;
static _Thread_local volatile sig_atomic_t
    passing; // in pass_on: a handler that calls ours again must not go round in circles
// Reached by name from the assembly in jit/enter.c.
__attribute__((tls_model("initial-exec"))) _Thread_local uint64_t host_words[HOST_WORDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
enum { CAUGHT = 5 };
static const int caught[CAUGHT] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
static struct sigaction previous[CAUGHT]; // guarded by lock; the handlers only read them

#if defined(__x86_64__)
// Error code bit 1 (W/R) of the page fault: SDM vol. 3, 4.7.
static bool was_write(const ucontext_t *uc)
{
    return uc->uc_mcontext.gregs[REG_ERR] & 2;
}

// The kernel enters a handler with MXCSR and the x87 control word at their defaults; the jump skips sigreturn, which
// would have restored them (MXCSR with the guest's rounding mode and sticky exception flags, the control word with the
// host's).
static void restore_fp_control(const ucontext_t *uc)
{
    if (!uc->uc_mcontext.fpregs) return;
    __builtin_ia32_ldmxcsr(uc->uc_mcontext.fpregs->mxcsr);
    __asm__ volatile("fldcw %0" : : "m"(uc->uc_mcontext.fpregs->cwd));
}
#elif defined(__aarch64__)
// The syndrome that the kernel puts into the signal frame, a record of its own; 0: none (qemu-aarch64).
static uint64_t syndrome(const ucontext_t *uc)
{
    const uint8_t *p = uc->uc_mcontext.__reserved, *end = p + sizeof uc->uc_mcontext.__reserved;
    while (p + sizeof(struct esr_context) <= end) {
        const struct esr_context *record = (const void *)p;
        if (record->head.magic == ESR_MAGIC) return record->esr;
        if (record->head.size == 0) break;
        p += record->head.size;
    }
    return 0;
}

// Does this instruction write memory? Encodings: Arm ARM, C4.1.94 "Loads and Stores". An instruction that loads and
// stores (CAS, LDADD) writes.
static bool is_store(uint32_t insn)
{
    static const struct {
        uint32_t mask, value;
        bool store;
    } rules[] = {
        {0xffffffe0, 0xd50b7420, true},  // DC ZVA
        {0x3fa00000, 0x08a00000, true},  // CAS
        {0xbfa00000, 0x08200000, true},  // CASP
        {0x3f20fc00, 0x3820c000, false}, // LDAPR
        {0x3f200c00, 0x38200000, true},  // LDADD, SWP and so on
        {0x3f400000, 0x08000000, true},  // STXR, STLR
        {0x3a400000, 0x28000000, true},  // STP
        {0x3ac00000, 0x38000000, true},  // STR
        {0xfec00000, 0x3c800000, true},  // STR of 128 bits
        {0x3fe00c00, 0x19000000, true},  // STLUR
        {0xbe400000, 0x0c000000, true},  // ST1 to ST4
    };
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)
        if ((insn & rules[i].mask) == rules[i].value) return rules[i].store;
    return false;
}

static bool was_write(const ucontext_t *uc)
{
    enum { ESR_WNR = 64 };
    uint64_t esr = syndrome(uc);
    return esr ? esr & ESR_WNR : is_store(*(const uint32_t *)(uintptr_t)uc->uc_mcontext.pc);
}

static void restore_fp_control(const ucontext_t *uc)
{
    (void)uc;
}
#else
#error "host/fault.c: say how to tell a write fault from a read fault on this host"
#endif

// What the fault would have done without us. With the default disposition the instruction faults again and kills the
// process.
static void pass_on(int sig, siginfo_t *info, void *context)
{
    unsigned which = 0;
    while (which < CAUGHT - 1 && caught[which] != sig) which++;
    const struct sigaction *old = &previous[which];
    bool none =
        passing || (!(old->sa_flags & SA_SIGINFO) && (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN));
    if (none) {
        signal(sig, SIG_DFL);
        if (info->si_code <= 0) raise(sig); // sent by kill(2): there is no instruction to fault again
        return;
    }
    passing = 1;
    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(sig, info, context);
    else
        old->sa_handler(sig);
    passing = 0;
}

// ---------------------------------------------------------------- emitted code

#if defined(__x86_64__)
enum { EFLAGS_TF = 0x100 };

static void divert(struct host_divert *d, ucontext_t *uc, int sig)
{
    greg_t *reg = uc->uc_mcontext.gregs;
    d->rip = (uintptr_t)reg[REG_RIP];
    d->sig = sig;
    d->stepping = false;
    reg[REG_EFL] &= ~(greg_t)EFLAGS_TF;
    reg[REG_RIP] = (greg_t)d->leave;
}

// The emitted code waits while C runs on the signal stack. A fault of that C is not the code's.
static bool mend(struct host_fault *g)
{
    const struct host_divert *d = g->divert;
    int saved = errno;
    active = NULL;
    bool mended = d->mend(d->arg, g->addr, g->write);
    active = g;
    errno = saved;
    return mended;
}

// A jump through the table of targets reads two entries as one address. Where these do not belong together, the lower
// half is 0 or the entry that leads nowhere, and the upper one is 0 or at least 2^16. Where such an address is not
// canonical, the CPU faults at the jump (SDM vol. 2, JMP). Where it is (the lowest 64 KiB, and from 2^48 on with 57-bit
// addresses), nothing is mapped, and the fault is there. A table that is shown from a file may be cut off (SIGBUS): the
// instruction is as far as there, too, and what is done about a miss finds out.
static bool is_miss(const struct host_divert *d, uintptr_t rip)
{
    bool emitted = rip >= d->lo && rip < d->hi;
    if (emitted) return d->hi - rip >= d->jump_bytes && !memcmp((const void *)rip, d->jump, d->jump_bytes);
    return (uint32_t)rip == 0 || (uint32_t)rip == d->nowhere;
}

// The thread is in emitted code: is this fault the code's own? Then it goes on elsewhere.
static bool divert_fault(struct host_fault *g, ucontext_t *uc, int sig)
{
    struct host_divert *d = g->divert;
    if (!d || !*d->in) return false;
    uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    if ((sig == SIGSEGV || sig == SIGBUS) && is_miss(d, rip)) {
        uc->uc_mcontext.gregs[REG_RIP] = (greg_t)d->missed;
        return true;
    }
    if (rip < d->lo || rip >= d->hi) return false;
    if (sig == SIGTRAP) {
        if (d->is_boundary(d->arg, rip)) divert(d, uc, 0);
        return true;
    }
    g->addr = (uintptr_t)(sig == SIGSEGV || sig == SIGBUS ? uc->uc_mcontext.gregs[REG_CR2] : 0);
    g->write = was_write(uc);
    if (sig != SIGSEGV || !mend(g)) divert(d, uc, sig);
    return true;
}

// A step that has led out of the emitted code: it leaves by itself, and whoever is there sees the request.
static bool end_steps(const struct host_fault *g, ucontext_t *uc)
{
    if (!g->divert || !g->divert->stepping) return false;
    g->divert->stepping = false;
    uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)EFLAGS_TF;
    return true;
}

static void divert_tick(struct host_divert *d, ucontext_t *uc)
{
    uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    if (!*d->in || rip < d->lo || rip >= d->hi) return;
    if (d->is_boundary(d->arg, rip)) {
        divert(d, uc, 0);
        return;
    }
    d->stepping = true;
    uc->uc_mcontext.gregs[REG_EFL] |= EFLAGS_TF;
}
#else
static bool divert_fault(struct host_fault *g, ucontext_t *uc, int sig)
{
    (void)g, (void)uc, (void)sig;
    return false;
}
static bool end_steps(const struct host_fault *g, ucontext_t *uc)
{
    (void)g, (void)uc;
    return false;
}
static void divert_tick(struct host_divert *d, ucontext_t *uc)
{
    (void)d, (void)uc;
}
#endif

// ---------------------------------------------------------------- the handlers

static void on_fault(int sig, siginfo_t *info, void *context)
{
    struct host_fault *g = active;
    uintptr_t addr = (uintptr_t)info->si_addr;
    if (g && info->si_code > 0) {
        if (divert_fault(g, context, sig)) return;
        if (sig == SIGTRAP && end_steps(g, context)) return;
    }
    bool memory = sig == SIGSEGV || sig == SIGBUS;
    if (!g || !memory || info->si_code <= 0 || addr < g->lo || addr >= g->hi) {
        pass_on(sig, info, context);
        return;
    }
    g->addr = addr;
    g->write = was_write(context);
    restore_fp_control(context);
    siglongjmp(g->env, 1);
}

static int install(int sig, struct sigaction *before)
{
    struct sigaction now;
    // NODEFER: the jump leaves the handler without sigreturn, so the signal must not be blocked meanwhile.
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigemptyset(&ours.sa_mask);
    if (sigaction(sig, NULL, &now) != 0) return -errno;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault) return 0;
    *before = now;
    return sigaction(sig, &ours, NULL) == 0 ? 0 : -errno;
}

int host_fault_install(void)
{
    int err = 0;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < CAUGHT && !err; i++) err = install(caught[i], &previous[i]);
    pthread_mutex_unlock(&lock);
    return err;
}

struct host_fault *host_fault_enter(struct host_fault *g)
{
    struct host_fault *before = active;
    passing = 0; // a handler may have jumped out
    active = g;
    return before;
}

void host_fault_leave(struct host_fault *before)
{
    active = before;
}

struct host_fault *host_fault_active(void)
{
    return active;
}

// ---------------------------------------------------------------- what belongs to the thread

uint64_t *host_thread_words(int32_t *displacement)
{
#if defined(__x86_64__)
    uintptr_t fs;
    __asm__("mov %%fs:0, %0" : "=r"(fs)); // the thread pointer points to itself (System V ABI, TLS variant II)
    *displacement = (int32_t)((uintptr_t)host_words - fs);
#else
    *displacement = 0;
#endif
    return host_words;
}

enum { SIGNAL_STACK = 256 << 10 }; // pages are fetched on it, from files as well

struct host_signal_stack {
    void *own; // NULL: the thread had one that is large enough
    stack_t before;
    sigset_t mask;
};

// False: the thread has no signal stack, or a small one, and there is none to be had.
static bool give_stack(struct host_signal_stack *s)
{
    stack_t ours = {.ss_size = SIGNAL_STACK};
    if (sigaltstack(NULL, &s->before) != 0) return false;
    if (!(s->before.ss_flags & SS_DISABLE) && s->before.ss_size >= SIGNAL_STACK) return true;
    ours.ss_sp = pages_new(SIGNAL_STACK);
    if (ours.ss_sp && sigaltstack(&ours, NULL) == 0) {
        s->own = ours.ss_sp;
        return true;
    }
    pages_free(ours.ss_sp, SIGNAL_STACK);
    return false;
}

static void block_the_others(sigset_t *before)
{
    sigset_t block;
    sigemptyset(&block);
    for (int sig = 1; sig <= SIGRTMAX; sig++) {
        struct sigaction act;
        if (sigaction(sig, NULL, &act) != 0 || act.sa_flags & SA_ONSTACK) continue;
        if (act.sa_handler != SIG_DFL && act.sa_handler != SIG_IGN) sigaddset(&block, sig);
    }
    pthread_sigmask(SIG_BLOCK, &block, before);
}

struct host_signal_stack *host_signal_stack_new(void)
{
    struct host_signal_stack *s = calloc(1, sizeof *s);
    if (!s || !give_stack(s)) {
        free(s);
        return NULL;
    }
    block_the_others(&s->mask);
    return s;
}

void host_signal_stack_free(struct host_signal_stack *s)
{
    if (!s) return;
    pthread_sigmask(SIG_SETMASK, &s->mask, NULL);
    if (s->own) sigaltstack(&s->before, NULL);
    pages_free(s->own, SIGNAL_STACK);
    free(s);
}

// ---------------------------------------------------------------- ticks

struct host_ticker {
    timer_t timer;
    bool whole; // ITIMER_VIRTUAL instead
};

#define TICK_SIGNAL (SIGRTMAX - 1)

static void on_tick(int sig, siginfo_t *info, void *context)
{
    struct host_fault *g = active;
    int saved = errno;
    (void)sig, (void)info;
    if (g && g->tick) g->tick(g->tick_arg);
    if (g && g->divert) divert_tick(g->divert, context);
    errno = saved;
}

static bool handle_ticks(int sig)
{
    struct sigaction act = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigemptyset(&act.sa_mask);
    return sigaction(sig, &act, NULL) == 0;
}

static bool start_own(struct host_ticker *t, uint64_t ns)
{
    struct sigevent to = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL};
    struct timespec every = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    struct itimerspec at = {.it_interval = every, .it_value = every};
    to._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (!handle_ticks(TICK_SIGNAL) || timer_create(CLOCK_THREAD_CPUTIME_ID, &to, &t->timer) != 0) return false;
    if (timer_settime(t->timer, 0, &at, NULL) == 0) return true;
    timer_delete(t->timer);
    return false;
}

// Where RLIMIT_SIGPENDING leaves no timer: the process's interval timer, whose signal goes to the main thread
// (kernel/signal.c, complete_signal), if nobody uses it.
static bool start_whole(struct host_ticker *t, uint64_t ns)
{
    struct timeval every = {.tv_sec = (time_t)(ns / 1000000000), .tv_usec = (suseconds_t)(ns % 1000000000 / 1000)};
    struct itimerval at = {.it_interval = every, .it_value = every};
    struct sigaction now;
    if (syscall(SYS_gettid) != getpid() || sigaction(SIGVTALRM, NULL, &now) != 0) return false;
    bool ours = now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_tick;
    if (!ours && (now.sa_handler != SIG_DFL || !handle_ticks(SIGVTALRM))) return false;
    t->whole = setitimer(ITIMER_VIRTUAL, &at, NULL) == 0;
    return t->whole;
}

struct host_ticker *host_ticker_start(uint64_t ns)
{
    struct host_ticker *t = calloc(1, sizeof *t);
    if (t && (start_own(t, ns) || start_whole(t, ns))) return t;
    free(t);
    return NULL;
}

// The handler of SIGVTALRM stays: one may be on its way.
void host_ticker_stop(struct host_ticker *t)
{
    if (!t) return;
    if (t->whole)
        setitimer(ITIMER_VIRTUAL, &(struct itimerval){0}, NULL);
    else
        timer_delete(t->timer);
    free(t);
}
