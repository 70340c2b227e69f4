// From the SYSCALL instruction to the function of the call and back: see the restart contract at the top of kernel.h.
//
// A call is run by sys_dispatch, and again by sys_resume as often as it parks. Registers of the guest stay as they were
// at the SYSCALL instruction (rip behind it) until the call has ended: then rax is the result. The results ERESTART*
// are internal: signal_deliver turns them into EINTR or moves rip back.
#include "syscalls/ptrace.h"
#include "syscalls/trace.h"
#include <stdlib.h>
#include <string.h>

#define FN_FULL(name)    sys_##name
#define FN_PARTIAL(name) sys_##name
#define FN_STUB(name)    sys_##name
#define FN_REFUSED(name) sys_##name
#define FN_NONE(name)    NULL
static sys_fn *const functions[SYS_MAX] = {
#define SYS(nr, name, args, support, note) [nr] = FN_##support(name),
#include "syscalls/syscall.def"
#undef SYS
};

static const struct sys_info infos[SYS_MAX] = {
#define SYS(nr, name, args, support, note) [nr] = {#name, note, SYS_##support},
#include "syscalls/syscall.def"
#undef SYS
};

const struct sys_info *sys_lookup(uint64_t nr)
{
    return nr < SYS_MAX && infos[nr].name ? &infos[nr] : NULL;
}

static void release(struct task *t)
{
    task_unwait(t);
    if (t->sys.release) t->sys.release(t);
    memset(&t->sys, 0, sizeof t->sys);
}

void sys_abandon(struct task *t)
{
    release(t);
    t->in_syscall = t->at_entry = false;
}

// A call that parks because a file's page is on its way need not say where: vfs does.
static void park(struct task *t)
{
    if (t->sys.yielding || t->state == TASK_TRACED) return; // still on the run queue; stopped
    trace_sys_wait(t);
    if (!t->sys.waiting) task_wait_io(t, t->box->vfs->park);
    task_dequeue(t);
    t->state = TASK_PARKED;
    t->proc->switches++;
}

static void remember_restart(struct task *t)
{
    if (t->sys_nr == NR_restart_syscall) return; // it goes on with what it went on with
    t->restart =
        (struct restart_block){.nr = t->sys_nr, .has_deadline = t->sys.has_deadline, .deadline = t->sys.deadline};
    memcpy(t->restart.arg, t->sys_arg, sizeof t->restart.arg);
}

// A mask that was set for the call only stays for the handler of the signal that interrupted it (kernel:
// restore_saved_sigmask_unless).
static void restore_mask(struct task *t, int64_t result)
{
    bool interrupted = result == -LX_EINTR || (result <= -LX_ERESTARTSYS && result >= -LX_ERESTART_RESTARTBLOCK);
    if (!t->restore_sigmask || interrupted) return;
    t->sigmask = t->saved_sigmask;
    t->restore_sigmask = false;
}

static void finish(struct task *t, int64_t result)
{
    if (result == -LX_ERESTART_RESTARTBLOCK) remember_restart(t);
    trace_sys_exit(t, result);
    release(t);
    restore_mask(t, result);
    t->in_syscall = false;
    t->restartable = t->sys_nr != NR_rt_sigreturn;
    t->cpu.regs[RAX] = (uint64_t)result;
    if (t->traced) ptrace_left_syscall(t);
}

static void run(struct task *t)
{
    t->sys.waiting = t->sys.yielding = false;
    sys_fn *fn = t->sys_nr < SYS_MAX ? functions[t->sys_nr] : NULL;
    int64_t result = fn ? fn(t, t->sys_arg) : -LX_ENOSYS;
    if (t->state == TASK_DEAD) return;
    if (result == -LX_EPARK)
        park(t);
    else
        finish(t, result);
}

static void begin(struct task *t)
{
    const uint64_t *r = t->cpu.regs;
    const uint64_t arg[6] = {r[RDI], r[RSI], r[RDX], r[R10], r[R8], r[R9]};
    t->sys_nr = r[RAX];
    memcpy(t->sys_arg, arg, sizeof arg);
    t->in_syscall = true;
}

static void enter(struct task *t)
{
    t->at_entry = false;
    trace_sys_enter(t);
    run(t);
}

void sys_dispatch(struct task *t)
{
    begin(t);
    t->at_entry = t->traced && ptrace_at_entry(t);
    if (!t->at_entry) enter(t);
}

void sys_resume(struct task *t)
{
    if (t->at_entry) { // its tracer may have changed the registers
        begin(t);
        enter(t);
        return;
    }
    task_unwait(t);
    t->sys.restarted = true;
    run(t);
}

int64_t sys_restart_syscall(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    if (!t->restart.nr || t->restart.nr >= SYS_MAX || !functions[t->restart.nr]) return -LX_EINTR;
    if (t->restart.has_deadline) task_deadline(t, t->restart.deadline);
    return functions[t->restart.nr](t, t->restart.arg);
}
