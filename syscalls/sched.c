// The scheduler: runs guest threads in turn, each for a slice of instructions, and turns what stops a thread into what
// the kernel does about it.
//
// Time is looked at between slices: timers fire there, limits of time are enforced there. A system call costs part of
// the slice, so that a thread that only calls the kernel does not run for ever either.
#include "host/clock.h"
#include "syscalls/ptrace.h"
#include "syscalls/trace.h"
#include "syscalls/vdso.h"

enum { SLICE_INSNS = 200000, SYSCALL_INSNS = 500, RUN_NS = 10000000, SAMPLE = 32 };

// ---------------------------------------------------------------- faults

// Linux's page fault error code (arch/x86/include/asm/trap_pf.h): present, write, user, instruction fetch.
static uint32_t page_fault_error(const struct cpu_fault *f)
{
    return 4u | (f->present ? 1 : 0) | (f->access == ACCESS_WRITE ? 2 : 0) | (f->access == ACCESS_EXEC ? 16 : 0);
}

// The si_code of a floating-point error by its cause (arch/x86/kernel/fpu/core.c, fpu__exception_code): flags not
// masked, in the order of their weight.
static int fpe_code(unsigned cause)
{
    if (cause & 0x01) return LX_FPE_FLTINV;
    if (cause & 0x04) return LX_FPE_FLTDIV;
    if (cause & 0x08) return LX_FPE_FLTOVF;
    if (cause & 0x12) return LX_FPE_FLTUND;
    if (cause & 0x20) return LX_FPE_FLTRES;
    return 0;
}

struct fault_signal {
    int sig, code;
};

static struct fault_signal fault_signal(const struct cpu *c)
{
    switch (c->fault.vector) {
    case VEC_DE:
        return (struct fault_signal){LX_SIGFPE, LX_FPE_INTDIV};
    case VEC_DB:
        return (struct fault_signal){LX_SIGTRAP, LX_TRAP_TRACE};
    case VEC_BP:
        return (struct fault_signal){LX_SIGTRAP, LX_SI_KERNEL};
    case VEC_UD:
        return (struct fault_signal){LX_SIGILL, LX_ILL_ILLOPN};
    case VEC_MF:
        return (struct fault_signal){LX_SIGFPE, fpe_code(c->fpu.sw & ~c->fpu.cw & 0x3f)};
    case VEC_XM:
        return (struct fault_signal){LX_SIGFPE, fpe_code(c->mxcsr & ~(c->mxcsr >> 7) & 0x3f)};
    case VEC_AC:
        return (struct fault_signal){LX_SIGBUS, LX_BUS_ADRALN};
    default:
        return (struct fault_signal){LX_SIGSEGV, LX_SI_KERNEL}; // #GP, #OF, #BR
    }
}

// si_addr is the faulting instruction for those that have one; a general protection fault and a breakpoint tell none
// (arch/x86/kernel/traps.c).
static void send_fault(struct task *t)
{
    struct fault_signal s = fault_signal(&t->cpu);
    bool no_address = s.code == LX_SI_KERNEL || s.sig == LX_SIGBUS;
    struct lx_siginfo info = {.si_signo = s.sig, .si_code = s.code, .si_addr = no_address ? 0 : t->cpu.rip};
    signal_force(t, &info);
}

static void park_for_page(struct task *t)
{
    task_wait_io(t, t->box->vfs->park);
    task_dequeue(t);
    t->state = TASK_PARKED;
}

// What signals will tell of it, and what it costs of the slice. A page that is only brought in is neither: whether that
// comes here depends on what the translator has looked at before, and must not be seen (--deterministic).
static void note_trap(struct task *t, uint32_t error)
{
    t->trap_no = t->cpu.fault.vector;
    t->trap_error = error;
    t->cpu.budget -= SYSCALL_INSNS;
}

static void handle_fault(struct task *t)
{
    if (t->cpu.fault.vector != VEC_PF) {
        note_trap(t, 0);
        send_fault(t);
        return;
    }
    int err = mm_fault(t, t->cpu.fault.addr, t->cpu.fault.access);
    if (err == -LX_EPARK) {
        park_for_page(t);
    } else if (err == 0) {
        t->proc->min_faults++;
    } else {
        note_trap(t, page_fault_error(&t->cpu.fault));
        t->trap_addr = t->cpu.fault.addr;
    }
}

// ---------------------------------------------------------------- one thread's turn

// Brings the thread to where guest code can run: ends its system call, delivers signals. False: it waits, is stopped or
// died.
static bool ready(struct task *t)
{
    if (t->in_syscall && signal_kill_pending(t)) sys_abandon(t);
    if (t->in_syscall)
        sys_resume(t);
    else if (t->nwaiters)
        task_unwait(t); // a page it waited for
    if (t->state != TASK_RUNNABLE || t->in_syscall) return false;
    return signal_deliver(t) && t->state == TASK_RUNNABLE && !task_held(t);
}

// One call in SAMPLE is timed and stands for the others: looking at the clock twice would make every call slower.
static void run_syscall(struct task *t)
{
    struct box *box = t->box;
    t->cpu.budget -= SYSCALL_INSNS;
    if (box->deterministic || ++box->syscalls % SAMPLE) {
        sys_dispatch(t);
        return;
    }
    uint64_t start = host_clock_monotonic();
    sys_dispatch(t);
    box->slice_sys_ns += (host_clock_monotonic() - start) * SAMPLE;
}

// RDRAND and RDSEED draw from what getrandom gives.
static void give_random(struct task *t)
{
    uint64_t value;
    box_random(t->box, &value, sizeof value);
    cpu_give_random(&t->cpu, value);
}

static enum cpu_stop run_cpu(struct box *box, struct cpu *c)
{
    return box->tier.run ? box->tier.run(box->tier.ctx, c) : cpu_run(c);
}

static bool stepping(const struct task *t)
{
    return t->traced && t->traced->way == WAY_STEP;
}

// Runs guest code until the slice is used up (true) or the thread cannot go on (false).
static bool run_slice(struct task *t)
{
    struct cpu *c = &t->cpu;
    bool step = stepping(t);
    if (step) c->budget = 1;
    while (c->budget > 0) {
        int64_t left = c->budget;
        enum cpu_stop stop = run_cpu(t->box, c);
        t->box->insn_count += (uint64_t)(left - c->budget);
        t->proc->min_faults += mm_take_faults(t->proc->mm);
        if (stop == STOP_SYSCALL) {
            run_syscall(t);
        } else if (stop == STOP_FAULT) {
            handle_fault(t);
        } else if (stop == STOP_RANDOM) {
            give_random(t);
            if (!step) continue;
        } else if (!step || c->budget > 0) { // asked to stop before the one instruction
            return true;
        }
        if (step && stop != STOP_FAULT && stop != STOP_SYSCALL) ptrace_stepped(t, LX_TRAP_TRACE);
        if (t->state != TASK_RUNNABLE || t->in_syscall || !signal_deliver(t)) return false;
        if (t->state != TASK_RUNNABLE || task_held(t) || t->box->dying) return false;
    }
    return true;
}

static void account(struct task *t)
{
    uint64_t now = box_cpu_clock(t->box), spent = now - t->box->slice_ns;
    t->box->slice_ns = now; // what has been charged is not running any more
    t->box->cpu_ns += spent;
    if (t->state == TASK_DEAD) return; // a process's last slice is lost; its memory may be as well
    uint64_t in_kernel = t->box->slice_sys_ns < spent ? t->box->slice_sys_ns : spent;
    t->utime_ns += spent - in_kernel;
    t->proc->utime_ns += spent - in_kernel;
    t->stime_ns += in_kernel;
    t->proc->stime_ns += in_kernel;
    itimer_account(t->proc, spent);
    if (t->box->cpu_timers) posix_timers_of_cpu(t->box);
}

// Slices of one length can keep step with a thread's loop: it would lose its turn always while it holds a lock, and who
// waits for the lock would never find it free. So they vary, by the instructions run so far (deterministic, too). And a
// few are short: a loop that waits within each round begins a new slice each time, and its thread would never lose its
// turn between waking another one and stopping it, as it may where a woken thread runs at once, or beside it.
// The number is scrambled well (SplitMix64's output function): of rounds of one length a product has few values.
static int64_t slice_length(const struct box *box)
{
    uint64_t x = box->insn_count;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return x % 16 == 0 ? 1 + (int64_t)(x >> 50) : SLICE_INSNS - (int64_t)(x >> 48);
}

static void run_task(struct task *t, uint64_t now)
{
    struct box *box = t->box;
    box->current = t;
    box->slice_sys_ns = 0;
    t->cpu.budget = slice_length(box);
    t->cpu.tsc_host = box->host_tsc;
    vdso_tick(box);
    t->cpu.tsc_fixed = box->deterministic ? now + 1 : 0; // not 0, and the same for the whole turn
    if (box->last_tid != t->tid && t->rseq) t->rseq_event |= RSEQ_OTHERS_RAN;
    box->last_tid = t->tid;
    if (ready(t)) run_slice(t);
    account(t);
    box->current = NULL;
    if (t->state == TASK_RUNNABLE && box->run_queue == t) box->run_queue = t->run_next; // to the end of the ring
    tasks_reap(box);
}

// ---------------------------------------------------------------- the box

static void end_box(struct box *box, enum box_end why)
{
    if (box->end_reason == BOX_RUNNING) box->end_reason = why;
    box->dying = true;
}

static void check_limits(struct box *box, uint64_t now)
{
    if (box->limits.timeout_ns && now >= box->limits.timeout_ns) end_box(box, BOX_END_TIMEOUT);
    if (box->limits.cpu_time_ns && box->cpu_ns >= box->limits.cpu_time_ns) end_box(box, BOX_END_CPU_TIME);
}

static uint64_t next_deadline(const struct box *box)
{
    uint64_t at = box->timers ? box->timers->deadline : UINT64_MAX;
    return box->limits.timeout_ns && box->limits.timeout_ns < at ? box->limits.timeout_ns : at;
}

// Nothing can run. In deterministic mode time has no reason to pass but the next timer: jump there.
static bool skip_idle_time(struct box *box, uint64_t now)
{
    if (!box->deterministic || !box->timers || box->timers->deadline <= now) return false;
    box->idle_skipped_ns += box->timers->deadline - now;
    return true;
}

enum sched_result sched_run(struct box *box, uint64_t *idle_until)
{
    uint64_t start = host_clock_monotonic(), now = box_monotonic(box);
    box->slice_ns = box_cpu_clock(box); // it may be another thread than before
    do {
        ktimers_run(box, now);
        check_limits(box, now);
        if (box->dying) return SCHED_ENDED;
        if (box->run_queue) {
            run_task(box->run_queue, now);
        } else if (!skip_idle_time(box, now)) {
            *idle_until = next_deadline(box);
            return SCHED_IDLE;
        }
        now = box_monotonic(box);
    } while (!box->dying && host_clock_monotonic() - start < RUN_NS);
    return box->dying ? SCHED_ENDED : SCHED_AGAIN;
}
