// The system call ptrace: its requests (man ptrace). What a stop is, ptrace.h says.
#include "syscalls/mm.h"
#include "syscalls/ptrace.h"
#include <string.h>

enum {
    OPTIONS = LX_PTRACE_O_TRACESYSGOOD | LX_PTRACE_O_TRACEFORK | LX_PTRACE_O_TRACEVFORK | LX_PTRACE_O_TRACECLONE |
              LX_PTRACE_O_TRACEEXEC | LX_PTRACE_O_TRACEVFORKDONE | LX_PTRACE_O_TRACEEXIT | LX_PTRACE_O_TRACESECCOMP |
              LX_PTRACE_O_EXITKILL
};

// ---------------------------------------------------------------- memory

// Within a page the word is moved at once.
static int move_word(struct task *u, gaddr at, uint8_t word[8], bool write)
{
    size_t head = PAGE_BYTES - (at & (PAGE_BYTES - 1));
    int err = mm_force(u->proc->mm, at, word, head < 8 ? head : 8, write);
    if (!err && head < 8) err = mm_force(u->proc->mm, at + head, word + head, 8 - head, write);
    return err == -LX_EPARK ? err : err ? -LX_EIO : 0;
}

static int64_t peek(struct task *t, struct task *u, gaddr at, gaddr to)
{
    uint8_t word[8];
    int err = move_word(u, at, word, false);
    return err ? err : copy_to_user(t, to, word, sizeof word);
}

static int64_t poke(struct task *u, gaddr at, uint64_t value)
{
    uint8_t word[8];
    memcpy(word, &value, sizeof word);
    return move_word(u, at, word, true);
}

// ---------------------------------------------------------------- registers

static int64_t peek_user(struct task *t, struct tracee *x, uint64_t at, gaddr to)
{
    uint64_t value;
    int err = ptrace_peek_user(x, at, &value);
    return err ? err : copy_to_user(t, to, &value, sizeof value);
}

static int64_t get_set(struct task *t, struct task *u, unsigned type, gaddr to)
{
    uint8_t set[REGSET_MAX];
    int n = ptrace_get_regset(u, type, set);
    return n < 0 ? n : copy_to_user(t, to, set, (size_t)n);
}

static int64_t set_set(struct task *t, struct task *u, unsigned type, gaddr from)
{
    uint8_t set[REGSET_MAX];
    int n = ptrace_get_regset(u, type, set);
    int err = n < 0 ? n : copy_from_user(t, set, from, (size_t)n);
    return err ? err : ptrace_set_regset(u, type, set, (unsigned)n);
}

// PTRACE_GETREGSET and PTRACE_SETREGSET: an iovec says where, and is told how much.
static int64_t regset(struct task *t, struct task *u, unsigned type, gaddr at, bool write)
{
    uint8_t set[REGSET_MAX];
    struct lx_iovec v;
    int n = ptrace_get_regset(u, type, set);
    if (n < 0) return n;
    int err = copy_from_user(t, &v, at, sizeof v);
    if (err) return err;
    if (v.iov_len % 8) return -LX_EINVAL;
    if (v.iov_len > (uint64_t)n) v.iov_len = (uint64_t)n;
    err = write ? copy_from_user(t, set, v.iov_base, v.iov_len) : copy_to_user(t, v.iov_base, set, v.iov_len);
    if (!err && write) err = ptrace_set_regset(u, type, set, (unsigned)v.iov_len);
    return err ? err : copy_to_user(t, at, &v, sizeof v);
}

// ---------------------------------------------------------------- about the stop

static int64_t syscall_info(struct task *t, const struct tracee *x, uint64_t size, gaddr to)
{
    enum { NONE, ENTRY, EXIT };
    const struct task *u = x->task;
    struct lx_user_regs r = ptrace_regs(u);
    struct lx_ptrace_syscall_info i = {
        .arch = LX_AUDIT_ARCH_X86_64, .instruction_pointer = r.rip, .stack_pointer = r.rsp};
    size_t n = offsetof(struct lx_ptrace_syscall_info, entry);
    if (x->kind == STOP_AT_ENTRY) {
        i.op = ENTRY;
        i.entry.nr = r.orig_rax;
        const uint64_t args[6] = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
        memcpy(i.entry.args, args, sizeof args);
        n = offsetof(struct lx_ptrace_syscall_info, entry) + sizeof i.entry;
    } else if (x->kind == STOP_AT_EXIT) {
        i.op = EXIT;
        i.exit.rval = (int64_t)r.rax;
        i.exit.is_error = i.exit.rval < 0 && i.exit.rval >= -4095;
        n = offsetof(struct lx_ptrace_syscall_info, exit.is_error) + 1;
    }
    int err = copy_to_user(t, to, &i, size < n ? size : n);
    return err ? err : (int64_t)n;
}

static int64_t get_siginfo(struct task *t, const struct tracee *x, gaddr to)
{
    return x->info.si_signo ? copy_to_user(t, to, &x->info, sizeof x->info) : -LX_EINVAL;
}

static int64_t set_siginfo(struct task *t, struct tracee *x, gaddr from)
{
    return x->info.si_signo ? copy_from_user(t, &x->info, from, sizeof x->info) : -LX_EINVAL;
}

static int64_t set_options(struct tracee *x, uint64_t options)
{
    if (options & ~(uint64_t)OPTIONS) return -LX_EINVAL;
    x->options = (uint32_t)options;
    return 0;
}

// The mask that ppoll and its like will put back belongs to the call, and is not shown.
static int64_t sigmask(struct task *t, struct task *u, uint64_t size, gaddr at, bool write)
{
    uint64_t set;
    if (size != 8) return -LX_EINVAL;
    if (!write) return copy_to_user(t, at, &u->sigmask, 8);
    int err = sigset_from_user(t, at, size, &set);
    if (!err) u->sigmask = set;
    return err;
}

// ---------------------------------------------------------------- going on

static int64_t resume(struct tracee *x, enum ptrace_way way, uint64_t sig)
{
    if (sig > NSIG) return -LX_EIO;
    ptrace_go_on(x, way, (int)sig);
    return 0;
}

static int64_t detach(struct tracee *x, uint64_t sig)
{
    int64_t err = resume(x, WAY_CONT, sig);
    if (!err) ptrace_detach(x);
    return err;
}

// It stays where it is, and hears when its group goes on.
static int64_t listen(struct tracee *x)
{
    if (!x->seized || x->kind != STOP_AT_GROUP) return -LX_EIO;
    x->state = TRACEE_LISTENS;
    x->report = false;
    return 0;
}

// Of a thread that is stopped.
static int64_t request(struct task *t, struct tracee *x, const uint64_t a[6])
{
    struct task *u = x->task;
    switch ((int)a[0]) {
    case LX_PTRACE_PEEKTEXT:
    case LX_PTRACE_PEEKDATA:
        return peek(t, u, a[2], a[3]);
    case LX_PTRACE_POKETEXT:
    case LX_PTRACE_POKEDATA:
        return poke(u, a[2], a[3]);
    case LX_PTRACE_PEEKUSER:
        return peek_user(t, x, a[2], a[3]);
    case LX_PTRACE_POKEUSER:
        return ptrace_poke_user(x, a[2], a[3]);
    case LX_PTRACE_GETREGS:
        return get_set(t, u, LX_NT_PRSTATUS, a[3]);
    case LX_PTRACE_SETREGS:
        return set_set(t, u, LX_NT_PRSTATUS, a[3]);
    case LX_PTRACE_GETFPREGS:
        return get_set(t, u, LX_NT_PRFPREG, a[3]);
    case LX_PTRACE_SETFPREGS:
        return set_set(t, u, LX_NT_PRFPREG, a[3]);
    case LX_PTRACE_GETREGSET:
        return regset(t, u, (unsigned)a[2], a[3], false);
    case LX_PTRACE_SETREGSET:
        return regset(t, u, (unsigned)a[2], a[3], true);
    case LX_PTRACE_CONT:
        return resume(x, WAY_CONT, a[3]);
    case LX_PTRACE_SYSCALL:
        return resume(x, WAY_SYSCALL, a[3]);
    case LX_PTRACE_SINGLESTEP:
        return resume(x, WAY_STEP, a[3]);
    case LX_PTRACE_DETACH:
        return detach(x, a[3]);
    case LX_PTRACE_LISTEN:
        return listen(x);
    case LX_PTRACE_SETOPTIONS:
        return set_options(x, a[3]);
    case LX_PTRACE_GETEVENTMSG:
        return copy_to_user(t, a[3], &x->message, sizeof x->message);
    case LX_PTRACE_GETSIGINFO:
        return get_siginfo(t, x, a[3]);
    case LX_PTRACE_SETSIGINFO:
        return set_siginfo(t, x, a[3]);
    case LX_PTRACE_GETSIGMASK:
        return sigmask(t, u, a[2], a[3], false);
    case LX_PTRACE_SETSIGMASK:
        return sigmask(t, u, a[2], a[3], true);
    case LX_PTRACE_GET_SYSCALL_INFO:
        return syscall_info(t, x, a[2], a[3]);
    default:
        return -LX_EIO;
    }
}

static struct tracee *tracee_of(const struct task *t, int tid)
{
    for (struct tracee *x = t->proc->tracees; x; x = x->next)
        if (x->task && x->tid == tid && x->tracer_tid == t->tid) return x;
    return NULL;
}

static int64_t seize(struct task *t, const uint64_t a[6])
{
    struct task *u = task_find(t->box, (int)a[1]);
    bool seizes = a[0] == LX_PTRACE_SEIZE;
    if (!u) return -LX_ESRCH;
    if (seizes && (a[2] || a[3] & ~(uint64_t)OPTIONS)) return -LX_EIO;
    return ptrace_attach(t, u, seizes, seizes ? (uint32_t)a[3] : 0);
}

int64_t sys_ptrace(struct task *t, const uint64_t a[6])
{
    if (a[0] == LX_PTRACE_TRACEME) return ptrace_traceme(t);
    if (a[0] == LX_PTRACE_ATTACH || a[0] == LX_PTRACE_SEIZE) return seize(t, a);
    struct tracee *x = tracee_of(t, (int)a[1]);
    if (!x) return -LX_ESRCH;
    if (a[0] == LX_PTRACE_KILL) {
        signal_simple(x->task->proc, LX_SIGKILL);
        return 0;
    }
    if (a[0] == LX_PTRACE_INTERRUPT && x->seized) {
        ptrace_interrupt(x);
        return 0;
    }
    return x->state == TRACEE_STOPPED ? request(t, x, a) : -LX_ESRCH;
}
