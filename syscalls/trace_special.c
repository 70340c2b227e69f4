// Printers of the trace for what no table describes: unions, arguments that are several, what only code can count.
#include "syscalls/trace_impl.h"
#include <inttypes.h>
#include <string.h>

#define PRINTER(name) void name(struct trace_line *l, const void *what, uint64_t v, unsigned i)
#define UNUSED        ((void)what, (void)i)

// ---------------------------------------------------------------- programs

PRINTER(trace_argv)
{
    uint64_t p = 0;
    UNUSED;
    if (!trace_peek(l, &p, v, 8)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "[");
    for (unsigned n = 0; p; n++) {
        if (n) trace_add(l, ", ");
        if (n == TRACE_ELEMENTS) {
            trace_add(l, "...");
            break;
        }
        trace_add_string(l, p, TRACE_STRING);
        if (!trace_peek(l, &p, v + 8 * (n + 1ull), 8)) break;
    }
    trace_add(l, "]");
}

PRINTER(trace_envp)
{
    uint64_t p, n = 0;
    UNUSED;
    while (n < 4096 && trace_peek(l, &p, v + 8 * n, 8) && p) n++;
    trace_add_pointer(l, v);
    if (v) trace_add(l, " /* %" PRIu64 " vars */", n);
}

PRINTER(trace_clone_stack) // clone's first two, in the order of clone(2)
{
    (void)what;
    trace_add(l, "child_stack=");
    trace_add_pointer(l, l->task->sys_arg[1]);
    trace_add(l, ", flags=");
    trace_add_kind(l, CLONE, v, i);
}

PRINTER(trace_clone_parent)
{
    (void)what;
    trace_add(l, "parent_tid=");
    if (l->result >= 0)
        trace_add_kind(l, INT_OUT, v, i);
    else
        trace_add_pointer(l, v);
}

PRINTER(trace_clone_child) // the last two, those that the flags ask for
{
    const uint64_t *a = l->task->sys_arg;
    const char *separator = "";
    UNUSED;
    if (a[0] & LX_CLONE_SETTLS) {
        trace_add(l, "tls=");
        trace_add_pointer(l, a[4]);
        separator = ", ";
    }
    if (!(a[0] & (LX_CLONE_CHILD_SETTID | LX_CLONE_CHILD_CLEARTID))) return;
    trace_add(l, "%schild_tidptr=", separator);
    trace_add_pointer(l, v);
}

static void add_hex_member(struct trace_line *l, const char *name, uint64_t v)
{
    trace_add(l, ", %s=", name);
    trace_add_pointer(l, v);
}

static void add_clone_results(struct trace_line *l, const struct lx_clone_args *a, unsigned i)
{
    const char *separator = "";
    if (l->result <= 0 || !(a->flags & (LX_CLONE_PARENT_SETTID | LX_CLONE_PIDFD))) return;
    trace_add(l, " => {");
    if (a->flags & LX_CLONE_PIDFD) {
        trace_add(l, "pidfd=");
        trace_add_kind(l, INT_OUT, a->pidfd, i);
        separator = ", ";
    }
    if (a->flags & LX_CLONE_PARENT_SETTID) {
        trace_add(l, "%sparent_tid=", separator);
        trace_add_kind(l, INT_OUT, a->parent_tid, i);
    }
    trace_add(l, "}");
}

static void add_clone_args(struct trace_line *l, const struct lx_clone_args *a, unsigned i)
{
    trace_add(l, "{flags=");
    trace_add_kind(l, CLONE3, a->flags, i);
    if (a->flags & LX_CLONE_PIDFD) add_hex_member(l, "pidfd", a->pidfd);
    if (a->flags & (LX_CLONE_CHILD_SETTID | LX_CLONE_CHILD_CLEARTID)) add_hex_member(l, "child_tid", a->child_tid);
    if (a->flags & LX_CLONE_PARENT_SETTID) add_hex_member(l, "parent_tid", a->parent_tid);
    trace_add(l, ", exit_signal=");
    trace_add_signal(l, a->exit_signal, false);
    add_hex_member(l, "stack", a->stack);
    trace_add(l, ", stack_size=%#" PRIx64, a->stack_size);
    if (a->flags & LX_CLONE_SETTLS) add_hex_member(l, "tls", a->tls);
    trace_add(l, "}");
}

PRINTER(trace_clone_args)
{
    struct lx_clone_args a = {0};
    (void)what;
    if (!trace_peek(l, &a, v, 64)) { // CLONE_ARGS_SIZE_VER0
        if (!l->halfway) trace_add_pointer(l, v);
        return;
    }
    if (!l->halfway) add_clone_args(l, &a, i);
    if (l->ended) add_clone_results(l, &a, i);
}

PRINTER(trace_wait_status)
{
    uint32_t s;
    UNUSED;
    if (!trace_peek(l, &s, v, 4)) {
        trace_add_pointer(l, v);
    } else if (s == 0xffff) {
        trace_add(l, "[{WIFCONTINUED(s)}]");
    } else if ((s & 0x7f) == 0) {
        trace_add(l, "[{WIFEXITED(s) && WEXITSTATUS(s) == %u}]", s >> 8 & 0xff);
    } else {
        bool stopped = (s & 0xff) == 0x7f;
        trace_add(l, stopped ? "[{WIFSTOPPED(s) && WSTOPSIG(s) == " : "[{WIFSIGNALED(s) && WTERMSIG(s) == ");
        trace_add_signal(l, stopped ? s >> 8 & 0xff : s & 0x7f, false);
        trace_add(l, s & 0x80 && !stopped ? " && WCOREDUMP(s)}]" : "}]");
    }
}

PRINTER(trace_cpuset)
{
    uint64_t size = l->ended ? (uint64_t)l->result : l->task->sys_arg[1], word;
    const char *separator = "";
    UNUSED;
    if (!trace_peek(l, &word, v, size < 8 ? 0 : 8)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "[");
    for (unsigned cpu = 0; cpu < 1024 && cpu < size * 8; cpu++) {
        if (cpu % 64 == 0 && !trace_peek(l, &word, v + cpu / 8, 8)) break;
        if (!(word >> cpu % 64 & 1)) continue;
        trace_add(l, "%s%u", separator, cpu);
        separator = " ";
    }
    trace_add(l, "]");
}

PRINTER(trace_capdata) // version 3 (capget(2)): the low halves, then the high ones
{
    static const char *const names[] = {"{effective=", ", permitted=", ", inheritable="};
    uint32_t d[6];
    (void)what;
    if (!trace_peek(l, d, v, sizeof d)) {
        trace_add_pointer(l, v);
        return;
    }
    for (unsigned n = 0; n < 3; n++) {
        trace_add(l, "%s", names[n]);
        trace_add_kind(l, CAPS, d[n] | (uint64_t)d[n + 3] << 32, i);
    }
    trace_add(l, "}");
}

// ---------------------------------------------------------------- signals

PRINTER(trace_sigset)
{
    uint64_t set;
    UNUSED;
    if (trace_peek(l, &set, v, 8))
        trace_add_sigset(l, set);
    else
        trace_add_pointer(l, v);
}

PRINTER(trace_pselect_mask)
{
    uint64_t pair[2];
    (void)what;
    if (!trace_peek(l, pair, v, sizeof pair) || (!pair[0] && pair[1] == 8)) {
        trace_add_pointer(l, pair[0] ? v : 0); // pselect(3) without a mask
        return;
    }
    trace_add(l, "{sigmask=");
    trace_add_kind(l, SIGSET, pair[0], i);
    trace_add(l, ", sigsetsize=%" PRIu64 "}", pair[1]);
}

static void add_handler(struct trace_line *l, uint64_t handler)
{
    trace_add(l, handler == LX_SIG_DFL ? "SIG_DFL" : handler == LX_SIG_IGN ? "SIG_IGN" : "0x%" PRIx64, handler);
}

PRINTER(trace_sigaction)
{
    struct lx_sigaction a;
    (void)what;
    if (!trace_peek(l, &a, v, sizeof a)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "{sa_handler=");
    add_handler(l, a.handler);
    trace_add(l, ", sa_mask=");
    trace_add_sigset(l, a.mask);
    trace_add(l, ", sa_flags=");
    trace_add_kind(l, SA, a.flags, i);
    if (a.flags & LX_SA_RESTORER) add_hex_member(l, "sa_restorer", a.restorer);
    trace_add(l, "}");
}

static const struct trace_name codes[] = {
    {LX_SI_USER, "SI_USER"}, {LX_SI_KERNEL, "SI_KERNEL"}, {-1u, "SI_QUEUE"}, {-2u, "SI_TIMER"},
    {-3u, "SI_MESGQ"},       {-4u, "SI_ASYNCIO"},         {-5u, "SI_SIGIO"}, {-6u, "SI_TKILL"}};
static const struct trace_names code_names = {"SI_???", codes, sizeof codes / sizeof *codes};

#define CODES(id, unknown, ...)                                                                                        \
    static const struct trace_name id##_codes[] = {__VA_ARGS__};                                                       \
    static const struct trace_names id##_names = {unknown, id##_codes, sizeof id##_codes / sizeof *id##_codes};
CODES(chld, "CLD_???", {1, "CLD_EXITED"}, {2, "CLD_KILLED"}, {3, "CLD_DUMPED"}, {4, "CLD_TRAPPED"}, {5, "CLD_STOPPED"},
      {6, "CLD_CONTINUED"})
CODES(segv, "SEGV_???", {1, "SEGV_MAPERR"}, {2, "SEGV_ACCERR"}, {3, "SEGV_BNDERR"}, {4, "SEGV_PKUERR"})
CODES(bus, "BUS_???", {1, "BUS_ADRALN"}, {2, "BUS_ADRERR"}, {3, "BUS_OBJERR"})
CODES(fpe, "FPE_???", {1, "FPE_INTDIV"}, {2, "FPE_INTOVF"}, {3, "FPE_FLTDIV"}, {4, "FPE_FLTOVF"}, {5, "FPE_FLTUND"},
      {6, "FPE_FLTRES"}, {7, "FPE_FLTINV"}, {8, "FPE_FLTSUB"})
CODES(ill, "ILL_???", {1, "ILL_ILLOPC"}, {2, "ILL_ILLOPN"}, {3, "ILL_ILLADR"}, {4, "ILL_ILLTRP"}, {5, "ILL_PRVOPC"})
CODES(trap, "TRAP_???", {1, "TRAP_BRKPT"}, {2, "TRAP_TRACE"})

static const struct trace_names *codes_of(int sig)
{
    static const struct trace_names *const of[] = {
        [LX_SIGCHLD] = &chld_names, [LX_SIGSEGV] = &segv_names, [LX_SIGBUS] = &bus_names,
        [LX_SIGFPE] = &fpe_names,   [LX_SIGILL] = &ill_names,   [LX_SIGTRAP] = &trap_names};
    return sig > 0 && (size_t)sig < sizeof of / sizeof *of ? of[sig] : NULL;
}

static void add_sender(struct trace_line *l, const struct lx_siginfo *s)
{
    trace_add(l, ", si_pid=%d, si_uid=%u", s->si_pid, s->si_uid);
}

static void add_child(struct trace_line *l, const struct lx_siginfo *s)
{
    add_sender(l, s);
    trace_add(l, ", si_status=");
    if (s->si_code == LX_CLD_EXITED)
        trace_add(l, "%d", s->si_status);
    else
        trace_add_signal(l, (uint32_t)s->si_status, false);
    trace_add(l, ", si_utime=%" PRId64 ", si_stime=%" PRId64, s->si_utime, s->si_stime);
}

static void add_value(struct trace_line *l, uint64_t v)
{
    trace_add(l, ", si_int=%d, si_ptr=", (int)v);
    trace_add_pointer(l, v);
}

static void add_siginfo_rest(struct trace_line *l, const struct lx_siginfo *s)
{
    if (s->si_code == LX_SI_USER || s->si_code == LX_SI_TKILL) {
        add_sender(l, s);
    } else if (s->si_code == LX_SI_TIMER) {
        trace_add(l, ", si_timerid=%#x, si_overrun=%d", (unsigned)s->si_tid, s->si_overrun);
        add_value(l, s->timer_value);
    } else if (s->si_code < 0) {
        add_sender(l, s);
        add_value(l, s->si_value);
    } else if (s->si_code == LX_SI_KERNEL && !codes_of(s->si_signo)) {
        return;
    } else if (s->si_signo == LX_SIGCHLD) {
        add_child(l, s);
    } else if (codes_of(s->si_signo)) {
        trace_add(l, ", si_addr=");
        trace_add_pointer(l, s->si_addr);
    }
}

void trace_siginfo(struct trace_line *l, const struct lx_siginfo *s)
{
    if (!s->si_signo) {
        trace_add(l, "{}");
        return;
    }
    trace_add(l, "{si_signo=");
    trace_add_signal(l, (uint32_t)s->si_signo, false);
    trace_add(l, ", si_code=");
    bool own = s->si_code > 0 && s->si_code < LX_SI_KERNEL && codes_of(s->si_signo);
    trace_add_name(l, (uint32_t)s->si_code, own ? codes_of(s->si_signo) : &code_names);
    add_siginfo_rest(l, s);
    trace_add(l, "}");
}

PRINTER(trace_siginfo_at)
{
    struct lx_siginfo s;
    UNUSED;
    if (trace_peek(l, &s, v, sizeof s))
        trace_siginfo(l, &s);
    else
        trace_add_pointer(l, v);
}

PRINTER(trace_sigevent)
{
    struct lx_sigevent e;
    (void)what;
    if (!trace_peek(l, &e, v, sizeof e)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "{");
    if (e.sigev_value)
        trace_add(l, "sigev_value={sival_int=%d, sival_ptr=0x%" PRIx64 "}, ", (int)e.sigev_value, e.sigev_value);
    trace_add(l, "sigev_signo=");
    trace_add_signal(l, (uint32_t)e.sigev_signo, false);
    trace_add(l, ", sigev_notify=");
    trace_add_kind(l, NOTIFY, (uint32_t)e.sigev_notify, i);
    if (e.sigev_notify == 4) trace_add(l, ", sigev_notify_thread_id=%d", e.sigev_tid);
    trace_add(l, "}");
}

PRINTER(trace_sigreturn) // the mask in the frame that rsp points behind the return address of (signal_frame.c)
{
    uint64_t mask, at = l->task->cpu.regs[RSP] + offsetof(struct lx_rt_sigframe, uc.uc_sigmask) -
                        offsetof(struct lx_rt_sigframe, uc);
    UNUSED;
    (void)v;
    if (!trace_peek(l, &mask, at, 8)) return;
    trace_add(l, "{mask=");
    trace_add_sigset(l, mask);
    trace_add(l, "}");
}

PRINTER(trace_resumes)
{
    const struct sys_info *info = sys_lookup(l->task->restart.nr);
    UNUSED;
    (void)v;
    trace_add(l, "<... resuming interrupted %s ...>", l->task->restart.nr && info ? info->name : "system call");
}

// ---------------------------------------------------------------- files

PRINTER(trace_dev)
{
    UNUSED;
    trace_add(l, "makedev(%#x, %#x)", (unsigned)(v >> 8 & 0xfff), (unsigned)((v & 0xff) | (v >> 12 & 0xfff00)));
}

PRINTER(trace_fmode)
{
    static const char *const types[16] = {[1] = "S_IFIFO|", [2] = "S_IFCHR|",  [4] = "S_IFDIR|",  [6] = "S_IFBLK|",
                                          [8] = "S_IFREG|", [10] = "S_IFLNK|", [12] = "S_IFSOCK|"};
    UNUSED;
    const char *type = types[v >> 12 & 15];
    trace_add(l, "%s", type ? type : "");
    if (v & LX_S_ISUID) trace_add(l, "S_ISUID|");
    if (v & LX_S_ISGID) trace_add(l, "S_ISGID|");
    if (v & LX_S_ISVTX) trace_add(l, "S_ISVTX|");
    trace_add(l, "%#03o", (unsigned)v & (type ? 0777 : 0170777));
}

PRINTER(trace_stat)
{
    struct lx_stat s;
    (void)what;
    if (!trace_peek(l, &s, v, sizeof s)) {
        trace_add_pointer(l, v);
        return;
    }
    unsigned type = s.st_mode & LX_S_IFMT;
    trace_add(l, "{st_mode=");
    trace_add_kind(l, FMODE, s.st_mode, i);
    if (type == LX_S_IFCHR || type == LX_S_IFBLK) {
        trace_add(l, ", st_rdev=");
        trace_add_kind(l, DEV, s.st_rdev, i);
    } else {
        trace_add(l, ", st_size=%" PRId64, s.st_size);
    }
    trace_add(l, ", ...}");
}

PRINTER(trace_open_how)
{
    struct lx_open_how h;
    (void)what;
    if (!trace_peek(l, &h, v, sizeof h)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "{flags=");
    trace_add_kind(l, OFLAGS, h.flags, i);
    if (h.mode || h.flags & (LX_O_CREAT | (LX_O_TMPFILE & ~LX_O_DIRECTORY))) trace_add(l, ", mode=%#03" PRIo64, h.mode);
    trace_add(l, ", resolve=");
    trace_add_kind(l, RESOLVE, h.resolve, i);
    trace_add(l, "}");
}

PRINTER(trace_msgbuf) // msgop(2)
{
    int64_t type;
    uint64_t n = l->ended ? (uint64_t)l->result : l->task->sys_arg[i + 1];
    (void)what;
    if (!trace_peek(l, &type, v, 8)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "{mtype=%" PRId64 ", mtext=", type);
    trace_add_bytes(l, v + 8, n, false);
    trace_add(l, "}");
}

// The Gregorian date of a day since 1970, counted in years that begin in March (so that leap days come last).
static void add_date(struct trace_line *l, const struct lx_timespec *t)
{
    enum { DAY = 86400, TO_1970 = 719468, CYCLE = 146097 }; // days from 0000-03-01 to 1970-01-01; days of 400 years
    if (t->tv_sec < 0 || t->tv_sec >= 253402300800) return; // the years 1970 to 9999
    unsigned day = (unsigned)(t->tv_sec / DAY) + TO_1970, second = (unsigned)(t->tv_sec % DAY);
    unsigned in_cycle = day % CYCLE, year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    unsigned in_year = in_cycle - (365 * year + year / 4 - year / 100), month = (5 * in_year + 2) / 153;
    year += day / CYCLE * 400 + (month >= 10);
    trace_add(l, " /* %04u-%02u-%02uT%02u:%02u:%02u", year, month < 10 ? month + 3 : month - 9,
              in_year - (153 * month + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60);
    trace_add(l, t->tv_nsec ? ".%09" PRId64 "+0000 */" : "+0000 */", t->tv_nsec);
}

PRINTER(trace_utime)
{
    struct lx_timespec t;
    (void)what;
    if (!trace_peek(l, &t, v, sizeof t)) {
        trace_add_pointer(l, v);
        return;
    }
    if (t.tv_nsec == LX_UTIME_NOW || t.tv_nsec == LX_UTIME_OMIT) {
        trace_add(l, t.tv_nsec == LX_UTIME_NOW ? "UTIME_NOW" : "UTIME_OMIT");
        return;
    }
    trace_add_kind(l, TIMESPEC, v, i);
    add_date(l, &t);
}

PRINTER(trace_utimbuf)
{
    int64_t t[2];
    UNUSED;
    if (!trace_peek(l, t, v, sizeof t)) {
        trace_add_pointer(l, v);
        return;
    }
    for (unsigned k = 0; k < 2; k++) {
        trace_add(l, k ? ", modtime=%" PRId64 : "{actime=%" PRId64, t[k]);
        add_date(l, &(struct lx_timespec){.tv_sec = t[k]});
    }
    trace_add(l, "}");
}

// getdents64 and getdents alike: d_reclen is at 16.
PRINTER(trace_dents)
{
    uint64_t at = 0, end = (uint64_t)l->result;
    unsigned n = 0;
    uint16_t length;
    UNUSED;
    for (; at < end && n < UINT16_MAX && trace_peek(l, &length, v + at + 16, 2) && length; at += length) n++;
    trace_add_pointer(l, v);
    trace_add(l, " /* %u entries */", n);
}

PRINTER(trace_fsid)
{
    uint32_t id[2];
    UNUSED;
    if (trace_peek(l, id, v, sizeof id)) trace_add(l, "{val=[%#x, %#x]}", id[0], id[1]);
}

void trace_iovecs(struct trace_line *l, gaddr at, uint64_t count, uint64_t limit)
{
    struct lx_iovec v;
    if (!at || (count && !trace_peek(l, &v, at, sizeof v))) {
        trace_add_pointer(l, at);
        return;
    }
    trace_add(l, "[");
    for (uint64_t k = 0; k < count; k++) {
        if (k) trace_add(l, ", ");
        if (k == TRACE_ELEMENTS || !trace_peek(l, &v, at + k * sizeof v, sizeof v)) {
            trace_add(l, "...");
            break;
        }
        uint64_t shown = v.iov_len < limit ? v.iov_len : limit;
        limit -= shown;
        trace_add(l, "{iov_base=");
        trace_add_bytes(l, v.iov_base, shown, false);
        trace_add(l, ", iov_len=%" PRIu64 "}", v.iov_len);
    }
    trace_add(l, "]");
}

PRINTER(trace_iov_in)
{
    (void)what;
    trace_iovecs(l, v, l->task->sys_arg[i + 1], UINT64_MAX);
}

PRINTER(trace_iov_out)
{
    (void)what;
    trace_iovecs(l, v, l->task->sys_arg[i + 1], (uint64_t)l->result);
}

PRINTER(trace_iov_remote) // of another process: where, not what
{
    struct lx_iovec e;
    uint64_t n = l->task->sys_arg[i + 1];
    (void)what;
    if (!v || (n && !trace_peek(l, &e, v, sizeof e))) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "[");
    for (uint64_t k = 0; k < n && k < TRACE_ELEMENTS && trace_peek(l, &e, v + k * sizeof e, sizeof e); k++) {
        trace_add(l, k ? ", {iov_base=" : "{iov_base=");
        trace_add_pointer(l, e.iov_base);
        trace_add(l, ", iov_len=%" PRIu64 "}", e.iov_len);
    }
    trace_add(l, n > TRACE_ELEMENTS ? ", ...]" : "]");
}

PRINTER(trace_mincore)
{
    uint64_t n = (l->task->sys_arg[1] + LX_PAGE_SIZE - 1) / LX_PAGE_SIZE;
    unsigned char resident;
    UNUSED;
    trace_add(l, "[");
    for (uint64_t k = 0; k < n && k < TRACE_ELEMENTS && trace_peek(l, &resident, v + k, 1); k++)
        trace_add(l, k ? ", %u" : "%u", resident & 1);
    trace_add(l, n > TRACE_ELEMENTS ? ", ...]" : "]");
}

PRINTER(trace_offset)
{
    int64_t now;
    (void)what;
    if (!(l->has_before >> i & 1) || !trace_peek(l, &now, v, 8)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "[%" PRId64 "]", (int64_t)l->before[i]);
    if (l->result >= 0 && now != (int64_t)l->before[i]) trace_add(l, " => [%" PRId64 "]", now);
}

// ---------------------------------------------------------------- futexes and waiting

PRINTER(trace_wake_op)
{
    static const char *const ops[] = {"FUTEX_OP_SET", "FUTEX_OP_ADD", "FUTEX_OP_OR", "FUTEX_OP_ANDN", "FUTEX_OP_XOR"};
    static const char *const compares[] = {"FUTEX_OP_CMP_EQ", "FUTEX_OP_CMP_NE", "FUTEX_OP_CMP_LT",
                                           "FUTEX_OP_CMP_LE", "FUTEX_OP_CMP_GT", "FUTEX_OP_CMP_GE"};
    unsigned op = v >> 28 & 7, compare = v >> 24 & 15, a = v >> 12 & 0xfff, b = v & 0xfff;
    UNUSED;
    if (v >> 31 & 1) trace_add(l, "FUTEX_OP_OPARG_SHIFT<<28|");
    trace_add(l, "%s<<28|%#x<<12|%s<<24|%#x", op < 5 ? ops[op] : "FUTEX_OP_???", a,
              compare < 6 ? compares[compare] : "FUTEX_OP_CMP_???", b);
}

PRINTER(trace_pollfd)
{
    struct lx_pollfd p;
    (void)what;
    if (!trace_peek(l, &p, v, sizeof p)) return;
    trace_add(l, "{fd=%d", p.fd);
    if (p.fd >= 0) {
        trace_add(l, ", events=");
        trace_add_kind(l, POLLBITS, (uint16_t)p.events, i);
    }
    trace_add(l, "}");
}

void trace_fdset(struct trace_line *l, gaddr at, unsigned nfds)
{
    const char *separator = "";
    uint64_t word = 0;
    if (!trace_peek(l, &word, at, nfds ? 8 : 0)) {
        trace_add_pointer(l, at);
        return;
    }
    trace_add(l, "[");
    for (unsigned fd = 0; fd < nfds && fd < 65536; fd++) {
        if (fd % 64 == 0 && !trace_peek(l, &word, at + fd / 8, 8)) break;
        if (!(word >> fd % 64 & 1)) continue;
        trace_add(l, "%s%u", separator, fd);
        separator = " ";
    }
    trace_add(l, "]");
}

PRINTER(trace_fdset_arg)
{
    int nfds = (int)l->task->sys_arg[0];
    UNUSED;
    trace_fdset(l, v, nfds > 0 ? (unsigned)nfds : 0);
}

PRINTER(trace_epoll_event)
{
    struct lx_epoll_event e;
    (void)what;
    if (!trace_peek(l, &e, v, sizeof e)) {
        trace_add_pointer(l, v);
        return;
    }
    trace_add(l, "{events=");
    trace_add_kind(l, EPOLLBITS, e.events, i);
    trace_add(l, ", data={u32=%u, u64=%" PRIu64 "}}", (uint32_t)e.data, (uint64_t)e.data);
}
