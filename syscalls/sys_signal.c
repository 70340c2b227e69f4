// The system calls of signals: actions, masks, sending, waiting. signal.c has what they mean.
#include "syscalls/signal.h"

#define BIT(sig) (1ull << ((sig)-1))
static const uint64_t KILL_STOP = BIT(LX_SIGKILL) | BIT(LX_SIGSTOP);
static const uint64_t KNOWN_FLAGS = (uint64_t)LX_SA_NOCLDSTOP | LX_SA_NOCLDWAIT | LX_SA_SIGINFO | LX_SA_ONSTACK |
                                    LX_SA_RESTART | LX_SA_NODEFER | LX_SA_RESETHAND |
                                    LX_SA_RESTORER; // not SA_EXPOSE_TAGBITS: clearing it says that it is not there

static bool valid_signal(int sig)
{
    return sig >= 1 && sig <= NSIG;
}

int sigset_from_user(struct task *t, gaddr at, uint64_t size, uint64_t *set)
{
    if (size != 8) return -LX_EINVAL;
    int err = copy_from_user(t, set, at, 8);
    *set &= ~KILL_STOP;
    return err;
}

void signal_mask_until_return(struct task *t, uint64_t mask)
{
    if (t->restore_sigmask) return; // a re-run
    t->saved_sigmask = t->sigmask;
    t->restore_sigmask = true;
    t->sigmask = mask & ~KILL_STOP;
}

// ---------------------------------------------------------------- actions and masks

static void flush_signal(struct process *p, int sig)
{
    uint64_t keep = ~BIT(sig);
    signals_flush_set(&p->pending, ~keep);
    for (struct task *t = p->tasks; t; t = t->next_in_proc) signals_flush_set(&t->pending, ~keep);
}

int64_t sys_rt_sigaction(struct task *t, const uint64_t a[6])
{
    int sig = (int)a[0];
    struct lx_sigaction new;
    if (a[3] != 8) return -LX_EINVAL;
    int err = a[1] ? copy_from_user(t, &new, a[1], sizeof new) : 0;
    if (err) return err;
    if (!valid_signal(sig) || (a[1] && KILL_STOP & BIT(sig))) return -LX_EINVAL;
    struct lx_sigaction *act = &t->proc->sighand->action[sig - 1], old = *act;
    if (a[2] && (err = copy_to_user(t, a[2], &old, sizeof old)) == -LX_EPARK) return err;
    if (!a[1]) return err;
    new.flags &= KNOWN_FLAGS;
    new.mask &= ~KILL_STOP;
    *act = new;
    if (signal_ignored_by(t->proc, sig))
        flush_signal(t->proc, sig); // POSIX: a pending signal set to be ignored is dropped
    return err;
}

int64_t sys_rt_sigprocmask(struct task *t, const uint64_t a[6])
{
    uint64_t set = 0, old = t->sigmask;
    if (a[3] != 8) return -LX_EINVAL;
    int err = a[1] ? copy_from_user(t, &set, a[1], 8) : 0;
    int how = (int)a[0];
    if (!err && a[1] && (how < LX_SIG_BLOCK || how > LX_SIG_SETMASK)) err = -LX_EINVAL;
    if (!err && a[2]) err = copy_to_user(t, a[2], &old, 8);
    if (err || !a[1]) return err;
    uint64_t mask = how == LX_SIG_BLOCK ? old | set : how == LX_SIG_UNBLOCK ? old & ~set : set;
    t->sigmask = mask & ~KILL_STOP;
    return 0;
}

int64_t sys_rt_sigpending(struct task *t, const uint64_t a[6])
{
    uint64_t set = (t->pending.set | t->proc->pending.set) & t->sigmask;
    if (a[1] > 8) return -LX_EINVAL;
    return copy_to_user(t, a[0], &set, a[1]);
}

// ---------------------------------------------------------------- sending

// kernel/signal.c, check_kill_permission.
static bool may_signal(const struct process *from, const struct process *to, int sig)
{
    const struct cred *f = &from->cred, *c = &to->cred;
    if (from == to || cred_has_cap(f, LX_CAP_KILL)) return true;
    if (f->euid == c->suid || f->euid == c->uid || f->uid == c->suid || f->uid == c->uid) return true;
    return sig == LX_SIGCONT && from->sid == to->sid;
}

static int send_checked(struct task *t, struct process *p, const struct lx_siginfo *info)
{
    if (!may_signal(t->proc, p, info->si_signo)) return -LX_EPERM;
    return info->si_signo ? signal_send(p, info) : 0;
}

// kill's targets other than one process: a group, or everybody but pid 1 and the caller.
static int64_t kill_many(struct task *t, int pid, const struct lx_siginfo *info)
{
    int pgid = pid == 0 ? t->proc->pgid : -pid, found = 0, allowed = 0;
    for (struct process *p = t->box->processes; p; p = p->next) {
        if (pid == -1 ? p->pid == 1 || p == t->proc : p->pgid != pgid) continue;
        found++;
        if (send_checked(t, p, info) == 0) allowed++;
    }
    if (!found) return -LX_ESRCH;
    return allowed ? 0 : -LX_EPERM;
}

static struct lx_siginfo user_info(const struct task *t, int sig, int code)
{
    return (struct lx_siginfo){.si_signo = sig, .si_code = code, .si_pid = t->proc->pid, .si_uid = t->proc->cred.uid};
}

int64_t sys_kill(struct task *t, const uint64_t a[6])
{
    int pid = (int)a[0], sig = (int)a[1];
    if (sig < 0 || sig > NSIG) return -LX_EINVAL;
    if (pid == INT32_MIN) return -LX_ESRCH;
    struct lx_siginfo info = user_info(t, sig, LX_SI_USER);
    if (pid <= 0) return kill_many(t, pid, &info);
    struct process *p = process_find(t->box, pid);
    return p ? send_checked(t, p, &info) : -LX_ESRCH;
}

// tgid 0: any.
static int64_t send_thread(struct task *t, int tgid, int tid, const struct lx_siginfo *info)
{
    if (tid <= 0 || tgid < 0 || info->si_signo < 0 || info->si_signo > NSIG) return -LX_EINVAL;
    struct task *u = task_find(t->box, tid);
    if (!u || (tgid && u->proc->pid != tgid)) return -LX_ESRCH;
    if (!may_signal(t->proc, u->proc, info->si_signo)) return -LX_EPERM;
    return info->si_signo ? signal_send_task(u, info) : 0;
}

int64_t sys_tkill(struct task *t, const uint64_t a[6])
{
    struct lx_siginfo info = user_info(t, (int)a[1], LX_SI_TKILL);
    return send_thread(t, 0, (int)a[0], &info);
}

int64_t sys_tgkill(struct task *t, const uint64_t a[6])
{
    if ((int)a[0] <= 0) return -LX_EINVAL;
    struct lx_siginfo info = user_info(t, (int)a[2], LX_SI_TKILL);
    return send_thread(t, (int)a[0], (int)a[1], &info);
}

// A siginfo from user space may not pretend to be the kernel's, except to oneself.
static int info_from_user(struct task *t, gaddr at, int sig, bool self, struct lx_siginfo *info)
{
    int err = copy_from_user(t, info, at, sizeof *info);
    if (err) return err;
    info->si_signo = sig;
    return !self && (info->si_code >= 0 || info->si_code == LX_SI_TKILL) ? -LX_EPERM : 0;
}

int64_t sys_rt_sigqueueinfo(struct task *t, const uint64_t a[6])
{
    struct lx_siginfo info;
    int pid = (int)a[0], sig = (int)a[1];
    int err = info_from_user(t, a[2], sig, pid == t->proc->pid, &info);
    if (err) return err;
    if (sig < 0 || sig > NSIG) return -LX_EINVAL;
    struct process *p = process_find(t->box, pid);
    return p ? send_checked(t, p, &info) : -LX_ESRCH;
}

int64_t sys_rt_tgsigqueueinfo(struct task *t, const uint64_t a[6])
{
    struct lx_siginfo info;
    if ((int)a[0] <= 0 || (int)a[1] <= 0) return -LX_EINVAL;
    int err = info_from_user(t, a[3], (int)a[2], (int)a[0] == t->proc->pid, &info);
    return err ? err : send_thread(t, (int)a[0], (int)a[1], &info);
}

// ---------------------------------------------------------------- waiting

int64_t sys_pause(struct task *t, const uint64_t a[6])
{
    (void)a;
    int64_t r = task_sleep(t);
    return r == -LX_ERESTARTSYS ? -LX_ERESTARTNOHAND : r;
}

int64_t sys_rt_sigsuspend(struct task *t, const uint64_t a[6])
{
    uint64_t mask;
    int err = sigset_from_user(t, a[0], a[1], &mask);
    if (err) return err;
    signal_mask_until_return(t, mask);
    return sys_pause(t, a);
}

static int64_t took_signal(struct task *t, gaddr at, const struct lx_siginfo *info, struct sigpending *from)
{
    int err = at ? copy_to_user(t, at, info, sizeof *info) : 0;
    if (err == -LX_EPARK) signal_requeue(from, info);
    return err ? err : info->si_signo;
}

int64_t sys_rt_sigtimedwait(struct task *t, const uint64_t a[6])
{
    uint64_t set, timeout = 0;
    struct lx_siginfo info;
    struct sigpending *from;
    t->sigwait_set = 0;
    int err = sigset_from_user(t, a[0], a[3], &set);
    if (!err && a[2]) err = timespec_get(t, a[2], &timeout);
    if (err) return err;
    if (signal_dequeue(t, set, &info, &from)) return took_signal(t, a[1], &info, from);
    if (a[2]) task_deadline(t, clock_deadline(t->box, LX_CLOCK_MONOTONIC, false, timeout));
    int64_t r = task_sleep(t);
    if (r == -LX_EPARK) t->sigwait_set = set;
    return r == -LX_ETIMEDOUT ? -LX_EAGAIN : r == -LX_ERESTARTSYS ? -LX_EINTR : r;
}
