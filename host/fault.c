// The SIGSEGV and SIGBUS handler: a fault in this thread's guarded range jumps to the guard, any other goes where it
// would have gone without us.
//
// The static state below is the one exception to "no state outside the box": signal dispositions belong to the process.
#include "host/fault.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

static _Thread_local struct host_fault *volatile active;
static _Thread_local volatile sig_atomic_t
    passing; // in pass_on: a handler that calls ours again must not go round in circles
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous_segv, previous_bus; // guarded by lock; the handler only reads them

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
    const struct sigaction *old = sig == SIGBUS ? &previous_bus : &previous_segv;
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

static void on_fault(int sig, siginfo_t *info, void *context)
{
    struct host_fault *g = active;
    uintptr_t addr = (uintptr_t)info->si_addr;
    if (!g || info->si_code <= 0 || addr < g->lo || addr >= g->hi) {
        pass_on(sig, info, context);
        return;
    }
    g->addr = addr;
    g->write = was_write(context);
    restore_fp_control(context);
    siglongjmp(g->env, 1);
}

static int install(int sig, struct sigaction *previous)
{
    struct sigaction now;
    // NODEFER: the jump leaves the handler without sigreturn, so the signal must not be blocked meanwhile.
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigemptyset(&ours.sa_mask);
    if (sigaction(sig, NULL, &now) != 0) return -errno;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault) return 0;
    *previous = now;
    return sigaction(sig, &ours, NULL) == 0 ? 0 : -errno;
}

int host_fault_install(void)
{
    pthread_mutex_lock(&lock);
    int err = install(SIGSEGV, &previous_segv);
    if (!err) err = install(SIGBUS, &previous_bus);
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

void host_fault_leave(struct host_fault *previous)
{
    active = previous;
}
