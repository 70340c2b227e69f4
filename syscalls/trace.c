// The life of a trace line. As strace -f -o has them:
//
//     2     openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3
//     3     read(0,  <unfinished ...>
//     2     --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=4, ...} ---
//     3     <... read resumed>"x", 1)         = 1
//     3     +++ exited with 0 +++
//
// What the guest passes in is written down when the call begins (execve's strings are gone afterwards), what it gets
// out when the call ends. The line is held back until then, so that most go out whole; when the call waits, its
// beginning goes out, and when another thread has something to say first, it is marked unfinished. A line shows what
// was there when it was looked at: other threads may change it before the call reads it.
//
// A task has one line, allocated with its first traced call and freed with the task. trace_impl.h names the other
// files.
#include "syscalls/trace_impl.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RESULT_COLUMN = 39 }; // strace -a 40

static bool traces(const struct box *box, unsigned what)
{
    return box->trace && box->trace->what & what;
}

// ---------------------------------------------------------------- lines going out

static void put(struct trace_line *l)
{
    struct trace *t = l->task->box->trace;
    if (l->n > l->written) t->write(t->ctx, l->text + l->written, l->n - l->written);
    l->written = l->n;
}

static void end_line(struct trace_line *l)
{
    l->room = TRACE_LINE - 1;
    trace_add(l, "\n");
    l->text[l->n - 1] = '\n';
    put(l);
}

// Another line than `mine` that has begun is broken off.
static void interrupt_other(struct trace *t, const struct trace_line *mine)
{
    struct trace_line *l = t->open;
    if (!l || l == mine) return;
    l->room = TRACE_LINE - 1;
    trace_add(l, " <unfinished ...>");
    end_line(l);
    l->unfinished = true;
    t->open = NULL;
}

static void begin_line(struct trace_line *l, struct task *t)
{
    l->task = t;
    l->n = l->written = 0;
    l->room = TRACE_LINE - TRACE_TAIL;
    trace_add(l, "%-5d ", t->tid);
}

// ---------------------------------------------------------------- arguments

static void separate(struct trace_line *l)
{
    if (l->comma) trace_add(l, ", ");
    l->comma = false;
}

static bool can_print(const struct trace_line *l, const struct trace_kind *k)
{
    return l->ended || k->when == ALWAYS || k->when == IN_THEN_OUT;
}

enum progress { GO_ON, LATER };

static enum progress add_arg(struct trace_line *l, const struct trace_kind *k)
{
    size_t before = l->n;
    bool said = l->comma || l->halfway;
    if (!l->halfway) separate(l);
    if (!can_print(l, k)) return LATER;
    size_t mark = l->n;
    l->absent = false;
    trace_add_arg(l, k, l->next_arg);
    if (l->absent && !l->ended) {
        l->n = mark;
        return LATER;
    }
    l->halfway = !l->ended && k->when == IN_THEN_OUT;
    if (l->halfway) return LATER;
    l->comma = l->n > mark || said;
    if (l->n == mark) l->n = before; // nothing to say, nothing to separate
    return GO_ON;
}

// As far as they are known: the rest when the call has ended.
static void add_args(struct trace_line *l)
{
    for (; l->next_arg < 6; l->next_arg++) {
        const struct trace_kind *k = trace_kind_of_arg(l, l->next_arg);
        if (trace_kind_prints(k) && add_arg(l, k) == LATER) return;
    }
}

// What will be shown as [before => after].
static void look_before(struct trace_line *l)
{
    for (unsigned i = 0; i < 6; i++) {
        const struct trace_kind *k = trace_kind_of_arg(l, i);
        gaddr at = l->task->sys_arg[i];
        l->before[i] = 0;
        if (k->when != READ_WRITE || !at) continue;
        bool message = k->print == trace_msghdr_out; // its msg_namelen
        bool seen = trace_peek(l, &l->before[i], message ? at + 8 : at, k->print == trace_offset ? 8 : 4);
        l->has_before |= (uint8_t)(seen << i);
    }
}

static void add_name(struct trace_line *l)
{
    const struct sys_info *info = sys_lookup(l->task->sys_nr);
    if (info)
        trace_add(l, "%s", info->name);
    else
        trace_add(l, "syscall_%#" PRIx64, l->task->sys_nr);
}

// ---------------------------------------------------------------- calls

static bool never_returns(uint64_t nr)
{
    return nr == NR_exit || nr == NR_exit_group;
}

static void begin_call(struct trace_line *l, struct task *t)
{
    l->under_way = true;
    l->unfinished = l->ended = l->comma = l->halfway = l->has_ignored = false;
    l->next_arg = l->has_before = 0;
    l->result = 0;
    begin_line(l, t);
    add_name(l);
    trace_add(l, "(");
    look_before(l);
    add_args(l);
}

static void add_equals(struct trace_line *l)
{
    l->room = TRACE_LINE - 1;
    trace_add(l, ")");
    trace_add(l, "%*s= ", l->n < RESULT_COLUMN ? (int)(RESULT_COLUMN - l->n) + 1 : 1, "");
}

static void end_call(struct trace_line *l)
{
    end_line(l);
    l->under_way = false;
    if (l->task->box->trace->open == l) l->task->box->trace->open = NULL;
}

// The rest of a call's line, up to its result.
static void resume_line(struct trace_line *l)
{
    interrupt_other(l->task->box->trace, l);
    if (!l->unfinished) return;
    begin_line(l, l->task);
    trace_add(l, "<... ");
    add_name(l);
    trace_add(l, " resumed>");
}

void trace_sys_enter(struct task *t)
{
    if (!traces(t->box, TRACE_SYSCALLS)) return;
    struct trace_line *l = t->trace_line;
    if (!l) l = t->trace_line = malloc(sizeof *l);
    if (!l) return;
    interrupt_other(t->box->trace, l);
    begin_call(l, t);
    t->box->trace->open = l;
    if (!never_returns(t->sys_nr)) return;
    add_equals(l);
    trace_add(l, "?");
    end_call(l);
}

void trace_sys_wait(struct task *t)
{
    struct trace_line *l = t->trace_line;
    if (l && l->under_way && t->box->trace->open == l) put(l);
}

void trace_sys_exit(struct task *t, int64_t result)
{
    struct trace_line *l = t->trace_line;
    if (!l || !l->under_way || signal_kill_pending(t)) return; // killed: nobody learns the result
    l->result = result;
    l->ended = true;
    resume_line(l);
    add_args(l);
    add_equals(l);
    trace_add_result(l);
    const struct sys_info *info = sys_lookup(t->sys_nr);
    if (result == -LX_ENOSYS && info && info->support == SYS_NONE) trace_add(l, " <belljar does not have it>");
    end_call(l);
    if (l->has_ignored) trace_signal(t, &l->ignored);
    l->has_ignored = false;
}

// ---------------------------------------------------------------- signals and ends

static void begin_event(struct trace_line *l, struct task *t)
{
    interrupt_other(t->box->trace, NULL);
    begin_line(l, t);
}

// SIGKILL is told of by what it does only.
void trace_signal(struct task *t, const struct lx_siginfo *info)
{
    if (!traces(t->box, TRACE_SYSCALLS | TRACE_SIGNALS) || info->si_signo == LX_SIGKILL) return;
    struct trace_line l;
    begin_event(&l, t);
    trace_add(&l, "--- ");
    trace_add_signal(&l, (uint32_t)info->si_signo, false);
    trace_add(&l, " ");
    trace_siginfo(&l, info);
    trace_add(&l, " ---");
    end_line(&l);
}

// Under strace a process meets even what it ignores, but for children's ends (kernel: do_notify_parent). The first
// thread tells of it, after the call it is in.
void trace_ignored(struct process *p, const struct lx_siginfo *info)
{
    struct task *t = p->tasks;
    if (!t || p->exiting || p->state != PROC_ALIVE || !traces(p->box, TRACE_SYSCALLS | TRACE_SIGNALS)) return;
    uint64_t handler = p->sighand->action[info->si_signo - 1].handler;
    if (handler == LX_SIG_IGN && info->si_signo == LX_SIGCHLD && info->si_code <= LX_CLD_DUMPED) return;
    struct trace_line *l = t->trace_line;
    if (!l || !l->under_way || l->has_ignored) {
        trace_signal(t, info);
        return;
    }
    l->ignored = *info;
    l->has_ignored = true;
}

void trace_stop(struct task *t, int sig)
{
    if (!traces(t->box, TRACE_SYSCALLS | TRACE_SIGNALS)) return;
    struct trace_line l;
    begin_event(&l, t);
    trace_add(&l, "--- stopped by ");
    trace_add_signal(&l, (unsigned)sig, false);
    trace_add(&l, " ---");
    end_line(&l);
}

static bool has_more(const struct trace_line *l)
{
    unsigned i = l->next_arg;
    while (i < 6 && !trace_kind_prints(trace_kind_of_arg(l, i))) i++;
    return i < 6;
}

static void break_off(struct trace_line *l)
{
    resume_line(l);
    if (has_more(l)) trace_add(l, " <unfinished ...>");
    add_equals(l);
    trace_add(l, "?");
    end_call(l);
}

void trace_task_exit(struct task *t, int status)
{
    if (!traces(t->box, TRACE_SYSCALLS)) return;
    if (t->trace_line && t->trace_line->under_way) break_off(t->trace_line);
    struct trace_line l;
    begin_event(&l, t);
    trace_add(&l, status & 0x7f ? "+++ killed by " : "+++ exited with %d +++", status >> 8 & 0xff);
    if (status & 0x7f) {
        trace_add_signal(&l, status & 0x7f, false);
        trace_add(&l, status & 0x80 ? " (core dumped) +++" : " +++");
    }
    end_line(&l);
}

static bool is_fault(int sig)
{
    return sig == LX_SIGSEGV || sig == LX_SIGILL || sig == LX_SIGFPE || sig == LX_SIGBUS || sig == LX_SIGTRAP;
}

void trace_death(struct task *t, const struct lx_siginfo *info)
{
    struct trace *trace = t->box->trace;
    if (!trace || !(trace->what & TRACE_FAULTS) || !trace->fault || !is_fault(info->si_signo)) return;
    interrupt_other(trace, NULL);
    trace->fault(t, info);
}
