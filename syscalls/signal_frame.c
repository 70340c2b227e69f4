// The frame a signal handler runs on, and the way back: laid out as Linux does on x86-64 (arch/x86/kernel/signal.c,
// arch/x86/include/asm/sigframe.h).
//
// From the interrupted stack pointer (or the top of the alternate stack) downwards: the red zone of 128 bytes, the
// floating-point state at a 64-byte boundary, struct lx_rt_sigframe at 8 modulo 16, as if the handler had been called.
// The floating-point state is FXSAVE's image, and on a CPU with XSAVE goes on as XSAVE's, with the kernel's marks
// (arch/x86/kernel/fpu/signal.c).
#include "cpu/fpu.h"
#include "cpu/xsave.h"
#include "syscalls/signal.h"
#include <string.h>

enum { RED_ZONE = 128 };
enum { MAGIC2_AT = XSAVE_BYTES, XSTATE_BYTES = XSAVE_BYTES + 4 };
_Static_assert(XSAVE_BYTES == 832, "x87, SSE and AVX in the standard format");
static const uint64_t KILL_STOP = 1ull << (LX_SIGKILL - 1) | 1ull << (LX_SIGSTOP - 1);

static bool on_altstack(const struct task *t, uint64_t sp)
{
    if ((uint32_t)t->altstack.ss_flags & LX_SS_AUTODISARM) return false;
    return t->altstack.ss_size && sp > t->altstack.ss_sp && sp - t->altstack.ss_sp <= t->altstack.ss_size;
}

static bool has_xsave(const struct task *t)
{
    return t->cpu.level >= CPU_LEVEL_V3;
}

static unsigned fpstate_bytes(const struct task *t)
{
    return has_xsave(t) ? XSTATE_BYTES : sizeof(struct lx_fpstate);
}

// AT_MINSIGSTKSZ: with the most that alignment may cost (kernel: init_sigframe_size).
uint64_t signal_frame_max(const struct task *t)
{
    return (sizeof(struct lx_rt_sigframe) + 15 + fpstate_bytes(t) + 63 + 15) & ~15ull;
}

// Where the frame begins; *fp: where the floating-point state goes.
static uint64_t place_frame(const struct task *t, const struct lx_sigaction *act, uint64_t *fp)
{
    uint64_t sp = t->cpu.regs[RSP];
    if (!(act->flags & LX_SA_ONSTACK) || !t->altstack.ss_size || on_altstack(t, sp))
        sp -= RED_ZONE;
    else
        sp = t->altstack.ss_sp + t->altstack.ss_size;
    *fp = (sp - fpstate_bytes(t)) & ~63ull;
    return ((*fp - sizeof(struct lx_rt_sigframe)) & ~15ull) - 8;
}

// A frame that overflows the alternate stack kills (kernel: get_sigframe).
static bool leaves_altstack(const struct task *t, const struct lx_sigaction *act, uint64_t frame)
{
    bool entering = act->flags & LX_SA_ONSTACK && t->altstack.ss_size && !on_altstack(t, t->cpu.regs[RSP]);
    if (!entering && !on_altstack(t, t->cpu.regs[RSP])) return false;
    return frame <= t->altstack.ss_sp || frame - t->altstack.ss_sp > t->altstack.ss_size;
}

static void save_context(const struct task *t, struct lx_sigcontext *c, uint64_t fp)
{
    const uint64_t *r = t->cpu.regs;
    *c = (struct lx_sigcontext){.r8 = r[R8],
                                .r9 = r[R9],
                                .r10 = r[R10],
                                .r11 = r[R11],
                                .r12 = r[R12],
                                .r13 = r[R13],
                                .r14 = r[R14],
                                .r15 = r[R15],
                                .di = r[RDI],
                                .si = r[RSI],
                                .bp = r[RBP],
                                .bx = r[RBX],
                                .dx = r[RDX],
                                .ax = r[RAX],
                                .cx = r[RCX],
                                .sp = r[RSP],
                                .ip = t->cpu.rip,
                                .flags = cpu_eflags(&t->cpu),
                                .cs = USER_CS,
                                .ss = USER_SS,
                                .err = t->trap_error,
                                .trapno = t->trap_no,
                                .cr2 = t->trap_addr,
                                .fpstate = fp};
}

static void init_fpstate(struct cpu *c)
{
    fpu_init(&c->fpu);
    memset(c->fpu.st, 0, sizeof c->fpu.st);
    memset(c->v, 0, sizeof c->v);
    c->mxcsr = 0x1f80;
}

static void enter(struct task *t, int sig, uint64_t frame, const struct lx_sigaction *act)
{
    struct cpu *c = &t->cpu;
    c->regs[RAX] = 0;
    c->regs[RDI] = (uint64_t)sig;
    c->regs[RSI] = frame + offsetof(struct lx_rt_sigframe, info);
    c->regs[RDX] = frame + offsetof(struct lx_rt_sigframe, uc);
    c->regs[RSP] = frame;
    c->rip = act->handler;
    cpu_set_eflags(c, cpu_eflags(c) & ~(uint64_t)(FLAG_DF | FLAG_RF | FLAG_TF));
    init_fpstate(c); // the handler starts with a fresh FPU (fpu__clear_user_states)
}

// The state as the frame holds it; returns its size.
static unsigned save_fpstate(const struct task *t, uint8_t image[XSTATE_BYTES])
{
    static const uint32_t magic2 = LX_FP_XSTATE_MAGIC2;
    memset(image, 0, XSTATE_BYTES);
    if (!has_xsave(t)) {
        fpu_fxsave(&t->cpu, image, true);
        return sizeof(struct lx_fpstate);
    }
    struct lx_fpx_sw_bytes sw = {
        .magic1 = LX_FP_XSTATE_MAGIC1, .extended_size = XSTATE_BYTES, .xfeatures = XCR0, .xstate_size = XSAVE_BYTES};
    fpu_xsave(&t->cpu, image, XCR0, XSAVE_STANDARD, true);
    image[XSAVE_HEADER] |= XSTATE_X87 | XSTATE_SSE; // as the kernel's save_xstate_epilog
    memcpy(image + offsetof(struct lx_fpstate, sw_reserved), &sw, sizeof sw);
    memcpy(image + MAGIC2_AT, &magic2, sizeof magic2);
    return XSTATE_BYTES;
}

int signal_frame_push(struct task *t, const struct lx_siginfo *info, const struct lx_sigaction *act)
{
    uint8_t fp[XSTATE_BYTES];
    uint64_t fp_at, at = place_frame(t, act, &fp_at);
    if (leaves_altstack(t, act, at) || !(act->flags & LX_SA_RESTORER)) return -LX_EFAULT;
    struct lx_rt_sigframe frame = {.pretcode = act->restorer, .info = *info};
    frame.uc.uc_flags = LX_UC_SIGCONTEXT_SS | LX_UC_STRICT_RESTORE_SS | (has_xsave(t) ? LX_UC_FP_XSTATE : 0);
    frame.uc.uc_stack = t->altstack;
    if (on_altstack(t, t->cpu.regs[RSP])) frame.uc.uc_stack.ss_flags |= LX_SS_ONSTACK;
    frame.uc.uc_sigmask = t->restore_sigmask ? t->saved_sigmask : t->sigmask;
    save_context(t, &frame.uc.uc_mcontext, fp_at);
    int err = copy_to_user(t, fp_at, fp, save_fpstate(t, fp));
    if (!err) err = copy_to_user(t, at, &frame, sizeof frame);
    if (err) return err;
    if ((uint32_t)t->altstack.ss_flags & LX_SS_AUTODISARM) t->altstack = (struct lx_stack){.ss_flags = LX_SS_DISABLE};
    enter(t, info->si_signo, at, act);
    return 0;
}

// ---------------------------------------------------------------- sigaltstack

static int set_altstack(struct task *t, const struct lx_stack *s, uint64_t sp)
{
    if (on_altstack(t, sp)) return -LX_EPERM;
    uint32_t mode = (uint32_t)s->ss_flags & ~LX_SS_AUTODISARM;
    if (mode != LX_SS_DISABLE && mode != LX_SS_ONSTACK && mode != 0) return -LX_EINVAL;
    struct lx_stack new = {.ss_flags = s->ss_flags};
    if (mode != LX_SS_DISABLE) {
        if (s->ss_size < LX_MINSIGSTKSZ) return -LX_ENOMEM;
        new.ss_sp = s->ss_sp;
        new.ss_size = s->ss_size;
    }
    t->altstack = new;
    return 0;
}

int64_t sys_sigaltstack(struct task *t, const uint64_t a[6])
{
    struct lx_stack new = {0}, old = t->altstack;
    uint64_t sp = t->cpu.regs[RSP];
    int err = a[0] ? copy_from_user(t, &new, a[0], sizeof new) : 0;
    old.ss_flags &= (int32_t)LX_SS_AUTODISARM;
    if (!old.ss_size)
        old.ss_flags |= LX_SS_DISABLE;
    else if (on_altstack(t, sp))
        old.ss_flags |= LX_SS_ONSTACK;
    old.pad = 0;
    if (!err && a[1])
        err = copy_to_user(t, a[1], &old, sizeof old); // first, though Linux sets first: a wait must not find it set
    if (!err && a[0]) err = set_altstack(t, &new, sp);
    return err;
}

// ---------------------------------------------------------------- the way back

static void load_context(struct task *t, const struct lx_sigcontext *c)
{
    const uint64_t values[16] = {
        [RAX] = c->ax,  [RCX] = c->cx,  [RDX] = c->dx,  [RBX] = c->bx, [RSP] = c->sp,  [RBP] = c->bp,
        [RSI] = c->si,  [RDI] = c->di,  [R8] = c->r8,   [R9] = c->r9,  [R10] = c->r10, [R11] = c->r11,
        [R12] = c->r12, [R13] = c->r13, [R14] = c->r14, [R15] = c->r15};
    memcpy(t->cpu.regs, values, sizeof values);
    t->cpu.rip = c->ip;
    cpu_set_eflags(&t->cpu, c->flags);
}

// Whether the frame's marks stand for a whole XSAVE image (kernel: check_xstate_in_sigframe). Otherwise it is taken as
// FXSAVE's, and AVX gets its initial state.
static bool is_xstate(const struct task *t, const struct lx_fpx_sw_bytes *sw)
{
    return has_xsave(t) && sw->magic1 == LX_FP_XSTATE_MAGIC1 && sw->xstate_size == XSAVE_BYTES &&
           sw->extended_size >= sw->xstate_size;
}

static int load_fpstate(struct task *t, gaddr at)
{
    uint8_t image[XSTATE_BYTES] = {0};
    struct lx_fpx_sw_bytes sw;
    uint32_t mxcsr, magic2;
    if (!at) { // Linux: the initial state
        init_fpstate(&t->cpu);
        return 0;
    }
    int err = copy_from_user(t, image, at, sizeof(struct lx_fpstate));
    if (err) return err;
    memcpy(&sw, image + offsetof(struct lx_fpstate, sw_reserved), sizeof sw);
    if (is_xstate(t, &sw)) {
        unsigned head = sizeof(struct lx_fpstate);
        err = copy_from_user(t, image + head, at + head, sizeof image - head);
        if (err) return err;
        memcpy(&magic2, image + MAGIC2_AT, sizeof magic2);
        if (magic2 == LX_FP_XSTATE_MAGIC2) {
            init_fpstate(&t->cpu);
            return fpu_xrstor(&t->cpu, image, sw.xfeatures & XCR0, true) ? 0 : -LX_EFAULT;
        }
    }
    memcpy(&mxcsr, image + offsetof(struct lx_fpstate, mxcsr), sizeof mxcsr);
    mxcsr &= 0xffff;
    memcpy(image + offsetof(struct lx_fpstate, mxcsr), &mxcsr, sizeof mxcsr);
    memset(t->cpu.v, 0, sizeof t->cpu.v);
    return fpu_fxrstor(&t->cpu, image, true) ? 0 : -LX_EFAULT;
}

// Every register is the frame's afterwards; a frame that cannot be read is SIGSEGV.
int64_t sys_rt_sigreturn(struct task *t, const uint64_t a[6])
{
    (void)a;
    struct lx_rt_sigframe frame;
    gaddr at = t->cpu.regs[RSP] - 8; // the restorer was entered by RET: pretcode has been popped
    int err = copy_from_user(t, &frame, at, sizeof frame);
    if (!err) err = load_fpstate(t, frame.uc.uc_mcontext.fpstate);
    if (err == -LX_EPARK) return err;
    if (err) {
        struct lx_siginfo info = {.si_signo = LX_SIGSEGV, .si_code = LX_SI_KERNEL};
        signal_force(t, &info);
        return 0;
    }
    t->sigmask = frame.uc.uc_sigmask & ~KILL_STOP;
    load_context(t, &frame.uc.uc_mcontext);
    t->restart.nr = 0;
    set_altstack(t, &frame.uc.uc_stack, t->cpu.regs[RSP]); // errors are ignored, as restore_altstack does
    return (int64_t)frame.uc.uc_mcontext.ax;
}
