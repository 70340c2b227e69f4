// Restartable sequences and membarrier: how threads of a program keep out of each other's way without locks
// (kernel/rseq.c, kernel/sched/membarrier.c).
//
// A thread registers a struct rseq (glibc does so at start). The kernel writes there which CPU it runs on, which is
// always the same here, so it is written once (RSEQ_NEW); and when others have run in the middle of a sequence that the
// struct names, or a signal's handler is entered there, the thread goes on at the sequence's abort address. That is
// looked at only in those two cases (task.rseq_event), so a thread that is not in a sequence pays nothing.
#include "syscalls/kernel.h"

enum { UNREGISTER = 1, ORIG_SIZE = 32, FEATURE_SIZE = 28, ALIGN = 32 };
static const uint32_t CPU_UNINITIALIZED = 0xffffffff;

// ---------------------------------------------------------------- registration

static int write_ids(struct task *t, gaddr at, uint32_t cpu_id)
{
    uint32_t first[2] = {0, cpu_id}, rest[2] = {0, 0}; // cpu_id_start, cpu_id; node_id, mm_cid
    int err = copy_to_user(t, at, first, sizeof first);
    return err ? err : copy_to_user(t, at + offsetof(struct lx_rseq, node_id), rest, sizeof rest);
}

static int64_t unregister(struct task *t, const uint64_t a[6])
{
    if ((uint32_t)a[2] & ~(uint32_t)UNREGISTER || !t->rseq || t->rseq != a[0] || t->rseq_len != (uint32_t)a[1])
        return -LX_EINVAL;
    if (t->rseq_sig != (uint32_t)a[3]) return -LX_EPERM;
    int err = write_ids(t, t->rseq, CPU_UNINITIALIZED);
    if (err) return err;
    t->rseq = t->rseq_len = t->rseq_sig = 0;
    t->rseq_event = 0;
    return 0;
}

static bool valid_place(gaddr at, uint32_t len)
{
    return len >= ORIG_SIZE && at % ALIGN == 0;
}

int64_t sys_rseq(struct task *t, const uint64_t a[6])
{
    gaddr at = a[0];
    uint32_t len = (uint32_t)a[1], flags = (uint32_t)a[2], sig = (uint32_t)a[3];
    if (flags & UNREGISTER) return unregister(t, a);
    if (flags) return -LX_EINVAL;
    if (t->rseq) {
        if (t->rseq != at || t->rseq_len != len) return -LX_EINVAL;
        return t->rseq_sig != sig ? -LX_EPERM : -LX_EBUSY;
    }
    if (!valid_place(at, len)) return -LX_EINVAL;
    if (at + len < at || at + len > 1ull << 47) return -LX_EFAULT; // access_ok
    t->rseq = at;
    t->rseq_len = len;
    t->rseq_sig = sig;
    t->rseq_event = RSEQ_NEW; // the ids are written on the way out; a bad address is SIGSEGV then
    return 0;
}

// A thread has its own struct; a new process goes on with its copy (rseq_fork).
void rseq_forked(struct task *child, const struct task *parent, bool shares_memory)
{
    if (shares_memory) return;
    child->rseq = parent->rseq;
    child->rseq_len = parent->rseq_len;
    child->rseq_sig = parent->rseq_sig;
    child->rseq_event = parent->rseq ? RSEQ_OTHERS_RAN : 0;
}

// ---------------------------------------------------------------- going on

static bool in_sequence(uint64_t ip, const struct lx_rseq_cs *cs)
{
    return ip - cs->start_ip < cs->post_commit_offset;
}

// rseq_get_rseq_cs: the descriptor's addresses are the user's, all below the top, and the abort handler lies outside
// the sequence behind the signature given at registration.
static int check_sequence(struct task *t, const struct lx_rseq_cs *cs)
{
    const uint64_t top = 1ull << 47;
    uint64_t end = cs->start_ip + cs->post_commit_offset;
    uint32_t sig;
    if (cs->start_ip >= top || end >= top || end < cs->start_ip || cs->abort_ip >= top || cs->version)
        return -LX_EINVAL;
    if (cs->abort_ip - cs->start_ip < cs->post_commit_offset) return -LX_EINVAL;
    int err = copy_from_user(t, &sig, cs->abort_ip - sizeof sig, sizeof sig);
    if (err) return err;
    return sig == t->rseq_sig ? 0 : -LX_EINVAL;
}

static int abort_sequence(struct task *t)
{
    struct lx_rseq_cs cs;
    uint64_t at, none = 0;
    uint32_t flags;
    int err = copy_from_user(t, &at, t->rseq + offsetof(struct lx_rseq, rseq_cs), sizeof at);
    if (err || !at) return err; // nearly always
    if (at >= 1ull << 47) return -LX_EINVAL;
    if ((err = copy_from_user(t, &cs, at, sizeof cs))) return err;
    if ((err = check_sequence(t, &cs))) return err;
    bool inside = in_sequence(t->cpu.rip, &cs);
    if ((err = copy_from_user(t, &flags, t->rseq + offsetof(struct lx_rseq, flags), sizeof flags))) return err;
    if (inside && (cs.flags || flags)) return -LX_EINVAL; // the flags that forbade restarts are gone (Linux 6.1)
    err = copy_to_user(t, t->rseq + offsetof(struct lx_rseq, rseq_cs), &none, sizeof none);
    if (!err && inside) t->cpu.rip = cs.abort_ip;
    return err;
}

int rseq_resume(struct task *t, bool signal)
{
    if (!t->rseq) t->rseq_event = 0;
    if (!t->rseq || !(t->rseq_event || signal)) return 0;
    int err = abort_sequence(t);
    if (!err && t->rseq_event & RSEQ_NEW) err = write_ids(t, t->rseq, 0);
    if (err == -LX_EPARK) {
        t->rseq_event |= RSEQ_OTHERS_RAN;
        return err;
    }
    t->rseq_event = 0;
    if (!err) return 0;
    struct lx_siginfo segv = {.si_signo = LX_SIGSEGV, .si_code = LX_SI_KERNEL};
    t->rseq = 0; // nothing more to be looked at: the process ends, or its handler runs
    signal_force(t, &segv);
    return 0;
}

// ---------------------------------------------------------------- membarrier

// One CPU that runs one thread at a time: whoever calls is the only one running, so every barrier has been passed by
// everybody, and every other thread has left its restartable sequence (rseq_event). What is left is the protocol.
int64_t sys_membarrier(struct task *t, const uint64_t a[6])
{
    enum { QUERY = 0, GLOBAL = 1, GLOBAL_EXPEDITED = 2, REGISTER_GLOBAL = 4, FLAG_CPU = 1 };
    enum { EXPEDITED = 8, SYNC_CORE = 32, RSEQ = 128, GET_REGISTRATIONS = 512 }; // to register: the next bit
    const uint64_t expedited = EXPEDITED | SYNC_CORE | RSEQ, registers = REGISTER_GLOBAL | expedited << 1;
    uint64_t cmd = (uint32_t)a[0];
    if ((uint32_t)a[1] && !(cmd == RSEQ && (uint32_t)a[1] == FLAG_CPU)) return -LX_EINVAL;
    if (cmd == QUERY) return (int64_t)(GLOBAL | GLOBAL_EXPEDITED | expedited | registers | GET_REGISTRATIONS);
    if (cmd == GET_REGISTRATIONS) return t->proc->membarriers;
    if (cmd & (cmd - 1) || cmd >= GET_REGISTRATIONS) return -LX_EINVAL;
    if (cmd & registers) t->proc->membarriers |= (int)cmd;
    if (cmd & expedited && !((uint64_t)t->proc->membarriers & cmd << 1)) return -LX_EPERM;
    return 0;
}
