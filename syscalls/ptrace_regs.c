// A traced thread's registers as its tracer sees and sets them (arch/x86/kernel/ptrace.c).
//
// orig_rax is the number of the system call that the thread stands at or has just come from, and -1 elsewhere. At a
// call's entry rax reads as -ENOSYS, as Linux has put it there; what is run is then orig_rax.
#include "cpu/xsave.h"
#include "syscalls/ptrace.h"
#include "syscalls/signal.h"
#include <string.h>

enum { DEBUGREG = 848, USER_BYTES = 912 }; // struct user
_Static_assert((int)REGSET_MAX == (int)XSAVE_BYTES, "the largest set");

static bool at_entry(const struct task *t)
{
    return t->traced->kind == STOP_AT_ENTRY && t->in_syscall;
}

static bool from_syscall(const struct task *t)
{
    return t->in_syscall || t->restartable;
}

struct lx_user_regs ptrace_regs(const struct task *t)
{
    const struct cpu *c = &t->cpu;
    const uint64_t *r = c->regs;
    return (struct lx_user_regs){.r15 = r[R15],
                                 .r14 = r[R14],
                                 .r13 = r[R13],
                                 .r12 = r[R12],
                                 .rbp = r[RBP],
                                 .rbx = r[RBX],
                                 .r11 = r[R11],
                                 .r10 = r[R10],
                                 .r9 = r[R9],
                                 .r8 = r[R8],
                                 .rax = t->in_syscall ? (uint64_t)-LX_ENOSYS : r[RAX],
                                 .rcx = r[RCX],
                                 .rdx = r[RDX],
                                 .rsi = r[RSI],
                                 .rdi = r[RDI],
                                 .orig_rax = at_entry(t)       ? r[RAX]
                                             : from_syscall(t) ? t->sys_nr
                                                               : UINT64_MAX,
                                 .rip = c->rip,
                                 .cs = USER_CS,
                                 .eflags = cpu_eflags(c),
                                 .rsp = r[RSP],
                                 .ss = USER_SS,
                                 .fs_base = c->seg_base[SEG_FS],
                                 .gs_base = c->seg_base[SEG_GS],
                                 .ds = c->seg_sel[3],
                                 .es = c->seg_sel[0],
                                 .fs = c->seg_sel[4],
                                 .gs = c->seg_sel[5]};
}

// A tracer that calls a function of the tracee's (gdb) sets orig_rax to -1, so that no system call is run again behind
// its back, and puts the old one back afterwards.
static void set_orig_rax(struct task *t, uint64_t rax, uint64_t orig)
{
    if (at_entry(t)) {
        t->cpu.regs[RAX] = orig;
        return;
    }
    if (t->in_syscall) return;
    t->cpu.regs[RAX] = rax;
    t->restartable = (int64_t)orig >= 0;
    if (t->restartable) t->sys_nr = orig;
}

int ptrace_set_regs(struct task *t, const struct lx_user_regs *u)
{
    struct cpu *c = &t->cpu;
    if (u->fs_base >> 47 || u->gs_base >> 47 || (u->cs & 3) != 3 || (u->ss & 3) != 3) return -LX_EIO;
    const uint64_t values[16] = {
        [RCX] = u->rcx, [RDX] = u->rdx, [RBX] = u->rbx, [RSP] = u->rsp,      [RBP] = u->rbp, [RSI] = u->rsi,
        [RDI] = u->rdi, [R8] = u->r8,   [R9] = u->r9,   [R10] = u->r10,      [R11] = u->r11, [R12] = u->r12,
        [R13] = u->r13, [R14] = u->r14, [R15] = u->r15, [RAX] = c->regs[RAX]};
    memcpy(c->regs, values, sizeof values);
    set_orig_rax(t, u->rax, u->orig_rax);
    c->rip = u->rip;
    c->seg_base[SEG_FS] = u->fs_base;
    c->seg_base[SEG_GS] = u->gs_base;
    cpu_set_eflags(c, u->eflags & ~(uint64_t)FLAG_TF);
    return 0;
}

// ---------------------------------------------------------------- sets

static int get_xstate(const struct task *t, uint8_t to[REGSET_MAX])
{
    static const uint64_t features = XCR0;
    if (t->cpu.level < CPU_LEVEL_V3) return -LX_ENODEV;
    fpu_xsave(&t->cpu, to, XCR0, XSAVE_STANDARD, true);
    memcpy(to + offsetof(struct lx_fpstate, sw_reserved), &features, sizeof features); // struct xstatereg
    return XSAVE_BYTES;
}

int ptrace_get_regset(const struct task *t, unsigned type, uint8_t to[REGSET_MAX])
{
    struct lx_user_regs regs;
    memset(to, 0, REGSET_MAX);
    switch (type) {
    case LX_NT_PRSTATUS:
        regs = ptrace_regs(t);
        memcpy(to, &regs, sizeof regs);
        return sizeof regs;
    case LX_NT_PRFPREG:
        fpu_fxsave(&t->cpu, to, true);
        return FXSAVE_BYTES;
    case LX_NT_X86_XSTATE:
        return get_xstate(t, to);
    default:
        return -LX_EINVAL;
    }
}

static int set_fp(struct task *t, const uint8_t *image)
{
    return fpu_fxrstor(&t->cpu, image, true) ? 0 : -LX_EINVAL;
}

int ptrace_set_regset(struct task *t, unsigned type, const uint8_t *from, unsigned n)
{
    uint8_t whole[REGSET_MAX];
    struct lx_user_regs regs;
    int size = ptrace_get_regset(t, type, whole);
    if (size < 0) return size;
    if (n > (unsigned)size) n = (unsigned)size;
    memcpy(whole, from, n);
    switch (type) {
    case LX_NT_PRSTATUS:
        memcpy(&regs, whole, sizeof regs);
        return ptrace_set_regs(t, &regs);
    case LX_NT_PRFPREG:
        return set_fp(t, whole);
    default:
        if (n != XSAVE_BYTES) return -LX_EFAULT; // xstateregs_set
        memset(whole + offsetof(struct lx_fpstate, sw_reserved), 0, sizeof(struct lx_fpx_sw_bytes));
        return fpu_xrstor(&t->cpu, whole, XCR0, true) ? 0 : -LX_EINVAL;
    }
}

// ---------------------------------------------------------------- struct user

int ptrace_peek_user(const struct tracee *x, uint64_t at, uint64_t *value)
{
    struct lx_user_regs regs = ptrace_regs(x->task);
    if (at % 8 || at >= USER_BYTES) return -LX_EIO;
    *value = 0;
    if (at < sizeof regs) memcpy(value, (char *)&regs + at, 8);
    if (at >= DEBUGREG) *value = x->debug[(at - DEBUGREG) / 8];
    return 0;
}

// DR7: a breakpoint that is switched on finds none free (ENOSPC). DR4 and DR5 are not there.
static int set_debug(struct tracee *x, unsigned n, uint64_t value)
{
    if (n == 4 || n == 5) return -LX_EIO;
    if (n == 7 && value & 0xff) return -LX_ENOSPC;
    if (n < 4 && value >> 47) return -LX_EINVAL;
    x->debug[n] = value;
    return 0;
}

int ptrace_poke_user(struct tracee *x, uint64_t at, uint64_t value)
{
    struct lx_user_regs regs = ptrace_regs(x->task);
    if (at % 8 || at >= USER_BYTES) return -LX_EIO;
    if (at >= DEBUGREG) return set_debug(x, (unsigned)(at - DEBUGREG) / 8, value);
    if (at >= sizeof regs) return -LX_EIO;
    memcpy((char *)&regs + at, &value, 8);
    return ptrace_set_regs(x->task, &regs);
}
