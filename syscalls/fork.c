// fork, vfork, clone, clone3: a new process, or a new thread of this one.
//
// A child is made complete before it may run; what can fail (limits, memory, guest addresses) is tried first, so that
// nothing has to be undone that another thread could have seen.
#include "syscalls/pidfd.h"
#include "syscalls/ptrace.h"
#include <stdlib.h>
#include <string.h>

#define CLONE_CLEAR_SIGHAND 0x100000000ull
#define CLONE_NAMESPACES                                                                                               \
    ((uint64_t)LX_CLONE_NEWNS | LX_CLONE_NEWCGROUP | LX_CLONE_NEWUTS | LX_CLONE_NEWIPC | LX_CLONE_NEWUSER |            \
     LX_CLONE_NEWPID | LX_CLONE_NEWNET)

// kernel/fork.c, copy_process: which flags need which.
static int check_flags(const struct lx_clone_args *c)
{
    uint64_t f = c->flags;
    if (f & CLONE_NAMESPACES) return -LX_EPERM; // one namespace of each kind
    if (f & LX_CLONE_THREAD && !(f & LX_CLONE_SIGHAND)) return -LX_EINVAL;
    if (f & LX_CLONE_SIGHAND && !(f & LX_CLONE_VM)) return -LX_EINVAL;
    if (f & CLONE_CLEAR_SIGHAND && f & LX_CLONE_SIGHAND) return -LX_EINVAL;
    if (f & LX_CLONE_PIDFD && f & (LX_CLONE_THREAD | LX_CLONE_DETACHED)) return -LX_EINVAL;
    return 0;
}

// Makes sure the word can be written later without waiting, by writing what is there.
static int touch_word(struct task *t, gaddr at)
{
    uint32_t word;
    int err = copy_from_user(t, &word, at, sizeof word);
    return err ? err : copy_to_user(t, at, &word, sizeof word);
}

static int touch_tids(struct task *t, const struct lx_clone_args *c)
{
    int err = c->flags & LX_CLONE_PARENT_SETTID ? touch_word(t, c->parent_tid) : 0;
    if (!err && c->flags & LX_CLONE_CHILD_SETTID) err = touch_word(t, c->child_tid);
    if (!err && c->flags & LX_CLONE_PIDFD) err = touch_word(t, c->pidfd);
    return err == -LX_EFAULT && !(c->flags & LX_CLONE_PIDFD) ? 0 : err; // Linux ignores a bad tid address
}

// ---------------------------------------------------------------- a process

static int share_or_copy(struct process *p, const struct process *from, uint64_t flags)
{
    p->sighand = flags & LX_CLONE_SIGHAND ? from->sighand : sighand_new(from->sighand);
    if (flags & LX_CLONE_SIGHAND) p->sighand->refs++;
    if (!p->sighand) return -LX_ENOMEM;
    if (flags & CLONE_CLEAR_SIGHAND) signals_exec(p);
    p->fds = flags & LX_CLONE_FILES ? fdtable_ref(from->fds) : fdtable_clone(from->fds);
    if (!p->fds) return -LX_ENOMEM;
    p->mm = flags & LX_CLONE_VM ? mm_ref(from->mm) : mm_fork(from->mm);
    return p->mm ? 0 : -LX_ENOMEM;
}

static void inherit(struct process *p, const struct process *from, bool reset)
{
    p->root = from->root;
    p->cwd = from->cwd;
    path_get(&p->root);
    path_get(&p->cwd);
    p->umask = from->umask;
    p->cred = from->cred;
    memcpy(p->rlimit, from->rlimit, sizeof p->rlimit);
    p->exe = from->exe ? file_get(from->exe) : NULL;
    p->personality = from->personality;
    p->dumpable = from->dumpable;
    p->no_new_privs = from->no_new_privs;
    p->nice = reset && from->nice < 0 ? 0 : from->nice;
    p->oom_score_adj = from->oom_score_adj;
    p->thp_disabled = from->thp_disabled;
    p->membarriers = from->membarriers;
}

static void undo_process(struct process *p)
{
    if (p->tasks) task_retire(p->tasks);
    if (p->fds) fdtable_unref(p->fds);
    if (p->sighand) sighand_unref(p->sighand);
    process_unlink(p);
}

static int new_process(struct task *t, const struct lx_clone_args *c, struct task **out)
{
    struct process *from = t->proc;
    struct process *p = process_new(c->flags & LX_CLONE_PARENT ? from->parent : from);
    if (!p) return -LX_ENOMEM;
    struct task *child = task_new(p, t);
    int err = child ? share_or_copy(p, from, c->flags) : -LX_EAGAIN;
    if (err) {
        undo_process(p);
        return err;
    }
    inherit(p, from, t->attrs.reset_on_fork);
    if (c->flags & LX_CLONE_FS) process_fs_share(p, from);
    p->parent_tid = c->flags & LX_CLONE_PARENT ? from->parent_tid : t->tid;
    p->exit_signal = c->flags & LX_CLONE_PARENT ? from->exit_signal : (int)c->exit_signal;
    p->vfork_pending = c->flags & LX_CLONE_VFORK;
    if (!(c->flags & LX_CLONE_VM) || c->flags & LX_CLONE_VFORK) child->altstack = t->altstack; // man sigaltstack
    *out = child;
    return 0;
}

// ---------------------------------------------------------------- either

static void set_registers(struct task *child, const struct lx_clone_args *c)
{
    child->cpu.regs[RAX] = 0;
    if (c->stack) child->cpu.regs[RSP] = c->stack + c->stack_size;
    if (c->flags & LX_CLONE_SETTLS) child->cpu.seg_base[SEG_FS] = c->tls;
    task_set_mm(child, child->proc->mm);
}

static void store_tids(struct task *t, struct task *child, const struct lx_clone_args *c)
{
    int32_t tid = child->tid;
    if (c->flags & LX_CLONE_CHILD_SETTID && copy_to_user(child, c->child_tid, &tid, sizeof tid)) task_unwait(child);
    if (c->flags & LX_CLONE_PARENT_SETTID && copy_to_user(t, c->parent_tid, &tid, sizeof tid)) task_unwait(t);
    if (c->flags & LX_CLONE_CHILD_CLEARTID) child->clear_child_tid = c->child_tid;
}

static int store_pidfd(struct task *t, struct task *child, const struct lx_clone_args *c)
{
    if (!(c->flags & LX_CLONE_PIDFD)) return 0;
    int32_t fd = pidfd_install(t, child->proc, 0);
    if (fd < 0) return fd;
    return copy_to_user(t, c->pidfd, &fd, sizeof fd);
}

// The parent of a vfork waits until the child has exec'ed or exited; only death ends that wait.
static int64_t wait_for_vfork(struct task *t)
{
    if (t->traced && ptrace_at_event(t)) return -LX_EPARK;
    struct process *child = process_find(t->box, (int)t->sys.word[0]);
    if (!child || !child->vfork_pending) {
        ptrace_event(t, LX_PTRACE_EVENT_VFORK_DONE, t->sys.word[0]);
        return (int64_t)t->sys.word[0];
    }
    return task_wait_io(t, &child->exit_wait);
}

static int64_t do_clone(struct task *t, const struct lx_clone_args *c)
{
    if (t->sys.word[0]) return wait_for_vfork(t);
    int err = check_flags(c);
    if (!err) err = touch_tids(t, c);
    if (err) return err;
    struct task *child = NULL;
    if (!(c->flags & LX_CLONE_THREAD))
        err = new_process(t, c, &child);
    else if (!(child = task_new(t->proc, t)))
        err = -LX_EAGAIN;
    if (err) return err;
    set_registers(child, c);
    rseq_forked(child, t, c->flags & LX_CLONE_VM);
    store_tids(t, child, c);
    err = store_pidfd(t, child, c);
    int tid = child->tid;
    if (err) {
        exit_task(child, 0);
        return err;
    }
    ptrace_forked(t, child, c->flags, (int)c->exit_signal);
    task_start(child);
    if (!(c->flags & LX_CLONE_VFORK) || c->flags & LX_CLONE_THREAD) return tid;
    t->sys.word[0] = (uint64_t)tid;
    return wait_for_vfork(t);
}

// ---------------------------------------------------------------- system calls

int64_t sys_fork(struct task *t, const uint64_t a[6])
{
    (void)a;
    struct lx_clone_args c = {.exit_signal = LX_SIGCHLD};
    return do_clone(t, &c);
}

int64_t sys_vfork(struct task *t, const uint64_t a[6])
{
    (void)a;
    struct lx_clone_args c = {.flags = LX_CLONE_VFORK | LX_CLONE_VM, .exit_signal = LX_SIGCHLD};
    return do_clone(t, &c);
}

int64_t sys_clone(struct task *t, const uint64_t a[6])
{
    struct lx_clone_args c = {.flags = (uint32_t)a[0] & ~(uint64_t)LX_CSIGNAL,
                              .exit_signal = a[0] & LX_CSIGNAL,
                              .stack = a[1],
                              .parent_tid = a[2],
                              .pidfd = a[2],
                              .child_tid = a[3],
                              .tls = a[4]};
    if (c.flags & LX_CLONE_PIDFD && c.flags & LX_CLONE_PARENT_SETTID) return -LX_EINVAL;
    return do_clone(t, &c);
}

enum { CLONE3_VER0 = 64 };

int64_t sys_clone3(struct task *t, const uint64_t a[6])
{
    struct lx_clone_args c = {0};
    uint64_t size = a[1];
    if (size > LX_PAGE_SIZE) return -LX_E2BIG;
    if (size < CLONE3_VER0) return -LX_EINVAL;
    int err = copy_from_user(t, &c, a[0], size < sizeof c ? size : sizeof c);
    if (err) return err;
    if (c.flags & LX_CSIGNAL || c.exit_signal > NSIG || c.set_tid_size || c.cgroup) return -LX_EINVAL;
    if (c.flags & (LX_CLONE_THREAD | LX_CLONE_PARENT) && c.exit_signal) return -LX_EINVAL;
    if (!c.stack != !c.stack_size) return -LX_EINVAL;
    return do_clone(t, &c);
}

int64_t sys_set_tid_address(struct task *t, const uint64_t a[6])
{
    t->clear_child_tid = a[0];
    return t->tid;
}

int64_t sys_unshare(struct task *t, const uint64_t a[6])
{
    const uint64_t alone = LX_CLONE_THREAD | LX_CLONE_SIGHAND | LX_CLONE_VM; // for threads of one: it has its own
    const uint64_t known = CLONE_NAMESPACES | alone | LX_CLONE_FS | LX_CLONE_FILES | LX_CLONE_SYSVSEM;
    if (a[0] & ~known || (a[0] & alone && t->proc->ntasks > 1)) return -LX_EINVAL;
    if (a[0] & CLONE_NAMESPACES) return -LX_EPERM;
    if (a[0] & LX_CLONE_FS) process_fs_leave(t->proc);
    if (!(a[0] & LX_CLONE_FILES)) return 0;
    struct fdtable *own = fdtable_clone(t->proc->fds);
    if (!own) return -LX_ENOMEM;
    fdtable_unref(t->proc->fds);
    t->proc->fds = own;
    return 0;
}
