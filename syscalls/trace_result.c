// The result of a call as strace writes it: the number in the form that suits it, and in parentheses what else it says.
#include "syscalls/trace_impl.h"
#include <inttypes.h>

static const struct {
    const char *name, *text;
} errors[] = {
#define X(name, value, text) [value] = {#name, text},
    LX_ERRNO_LIST(X)
#undef X
        [LX_ERESTARTSYS] = {"ERESTARTSYS", "To be restarted if SA_RESTART is set"},
    [LX_ERESTARTNOINTR] = {"ERESTARTNOINTR", "To be restarted"},
    [LX_ERESTARTNOHAND] = {"ERESTARTNOHAND", "To be restarted if no handler"},
    [LX_ERESTART_RESTARTBLOCK] = {"ERESTART_RESTARTBLOCK", "Interrupted by signal"},
};

const char *trace_errno(int64_t err)
{
    return err > 0 && (uint64_t)err < sizeof errors / sizeof *errors ? errors[err].name : NULL;
}

static void add_error(struct trace_line *l, int64_t err)
{
    if (!trace_errno(err))
        trace_add(l, "-1 (errno %" PRId64 ")", err);
    else
        trace_add(l, "%s %s (%s)", err >= LX_ERESTARTSYS ? "?" : "-1", errors[err].name, errors[err].text);
}

// ---------------------------------------------------------------- results that say more than a number

static void add_hex(struct trace_line *l)
{
    trace_add(l, "%#" PRIx64, l->result);
}

static void add_octal(struct trace_line *l)
{
    trace_add(l, "%#" PRIo64, l->result);
}

static void add_with_flags(struct trace_line *l, const char *word, enum trace_kind_id kind)
{
    trace_add(l, "%#" PRIx64, l->result);
    if (!l->result && kind != OFLAGS) return;
    trace_add(l, " (%s", word);
    trace_add_kind(l, kind, (uint64_t)l->result, 0);
    trace_add(l, ")");
}

static void add_fcntl(struct trace_line *l)
{
    switch ((int)l->task->sys_arg[1]) {
    case LX_F_GETFD:
        add_with_flags(l, "flags ", FD_FLAGS);
        break;
    case LX_F_GETFL:
        add_with_flags(l, "flags ", OFLAGS);
        break;
    case LX_F_GET_SEALS:
        add_with_flags(l, "seals ", SEALS);
        break;
    default:
        trace_add(l, "%" PRId64, l->result);
    }
}

static void add_named(struct trace_line *l, enum trace_kind_id kind)
{
    trace_add(l, "%" PRId64 " (", l->result);
    trace_add_kind(l, kind, (uint64_t)l->result, 0);
    trace_add(l, ")");
}

static void add_signal(struct trace_line *l)
{
    add_named(l, SIG);
}

static void add_policy(struct trace_line *l)
{
    add_named(l, SCHED);
}

static void add_membarrier(struct trace_line *l)
{
    if (l->task->sys_arg[0] == 0)
        add_with_flags(l, "", MEMBARRIERS);
    else
        trace_add(l, "%" PRId64, l->result);
}

static void add_prctl(struct trace_line *l)
{
    static const char *const dumpable[] = {" (SUID_DUMP_DISABLE)", " (SUID_DUMP_USER)", " (SUID_DUMP_ROOT)"};
    trace_add(l, "%" PRId64, l->result);
    if (l->task->sys_arg[0] == LX_PR_GET_DUMPABLE && l->result < 3) trace_add(l, "%s", dumpable[l->result]);
}

static void add_personality(struct trace_line *l)
{
    trace_add(l, "%#" PRIx64 " (", l->result);
    trace_add_kind(l, PERSONALITY, (uint64_t)l->result, 0);
    trace_add(l, ")");
}

static void add_ioprio(struct trace_line *l)
{
    add_named(l, IOPRIO);
}

static void add_clock_state(struct trace_line *l)
{
    static const char *const states[] = {"TIME_OK", "TIME_INS", "TIME_DEL", "TIME_OOP", "TIME_WAIT", "TIME_ERROR"};
    trace_add(l, "%" PRId64, l->result);
    if ((uint64_t)l->result < sizeof states / sizeof *states) trace_add(l, " (%s)", states[l->result]);
}

static void add_ready(struct trace_line *l)
{
    const uint64_t *a = l->task->sys_arg;
    struct lx_pollfd p;
    const char *separator = "";
    trace_add(l, "[");
    for (uint64_t k = 0, n = (uint32_t)a[1]; k < n && k < 4096 && trace_peek(l, &p, a[0] + k * sizeof p, sizeof p);
         k++) {
        if (!p.revents) continue;
        trace_add(l, "%s{fd=%d, revents=", separator, p.fd);
        trace_add_kind(l, POLLBITS, (uint16_t)p.revents, 0);
        trace_add(l, "}");
        separator = ", ";
    }
    trace_add(l, "]");
}

static void add_poll(struct trace_line *l)
{
    bool has_left = l->task->sys_nr == NR_ppoll && l->task->sys_arg[2];
    if (!l->result) {
        trace_add(l, "0 (Timeout)");
        return;
    }
    trace_add(l, "%" PRId64 " (", l->result);
    add_ready(l);
    if (has_left) trace_add(l, ", left ");
    if (has_left) trace_add_kind(l, TIMESPEC, l->task->sys_arg[2], 2);
    trace_add(l, ")");
}

static void add_select(struct trace_line *l)
{
    static const char *const names[] = {"in ", "out ", "except "};
    const uint64_t *a = l->task->sys_arg;
    const char *separator = "";
    if (!l->result) {
        trace_add(l, "0 (Timeout)");
        return;
    }
    trace_add(l, "%" PRId64 " (", l->result);
    for (unsigned k = 0; k < 3; k++) {
        if (!a[k + 1]) continue;
        trace_add(l, "%s%s", separator, names[k]);
        trace_add_kind(l, FDSET, a[k + 1], k + 1);
        separator = ", ";
    }
    if (a[4]) trace_add(l, "%sleft ", separator);
    if (a[4]) trace_add_kind(l, l->task->sys_nr == NR_select ? TIMEVAL : TIMESPEC, a[4], 4);
    trace_add(l, ")");
}

static const struct {
    uint16_t nr;
    void (*add)(struct trace_line *);
} special[] = {
    {NR_mmap, add_hex},
    {NR_brk, add_hex},
    {NR_mremap, add_hex},
    {NR_shmat, add_hex},
    {NR_umask, add_octal},
    {NR_fcntl, add_fcntl},
    {NR_rt_sigtimedwait, add_signal},
    {NR_sched_getscheduler, add_policy},
    {NR_membarrier, add_membarrier},
    {NR_prctl, add_prctl},
    {NR_personality, add_personality},
    {NR_ioprio_get, add_ioprio},
    {NR_adjtimex, add_clock_state},
    {NR_clock_adjtime, add_clock_state},
    {NR_poll, add_poll},
    {NR_ppoll, add_poll},
    {NR_select, add_select},
    {NR_pselect6, add_select},
};

void trace_add_result(struct trace_line *l)
{
    if (l->result < 0 && l->result > -4096) {
        add_error(l, -l->result);
        return;
    }
    for (unsigned k = 0; k < sizeof special / sizeof *special; k++) {
        if (special[k].nr != l->task->sys_nr) continue;
        special[k].add(l);
        return;
    }
    trace_add(l, "%" PRId64, l->result);
}
