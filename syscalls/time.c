// Clocks of the box and the calls that read them or sleep on them.
//
// CLOCK_MONOTONIC is 0 when the box starts. In deterministic mode it is the number of instructions executed (one
// nanosecond each) plus the idle time jumped over; else it follows the host's. CLOCK_REALTIME is that plus a constant.
#include "host/clock.h"
#include "syscalls/kernel.h"
#include "syscalls/vdso.h"

static const uint64_t SECOND = 1000000000;
static const uint64_t DETERMINISTIC_EPOCH = 1700000000; // 2023-11-14T22:13:20Z

// ---------------------------------------------------------------- clocks

void box_time_init(struct box *box)
{
    box->boot_host_ns = host_clock_monotonic();
    box->boot_realtime_ns = box->deterministic ? DETERMINISTIC_EPOCH * SECOND : host_clock_realtime();
}

uint64_t box_monotonic(const struct box *box)
{
    if (box->deterministic) return box->insn_count + box->idle_skipped_ns;
    return host_clock_monotonic() - box->boot_host_ns;
}

// Of the host's thread that runs the box: what waits for a processor of the host is charged nothing.
uint64_t box_cpu_clock(const struct box *box)
{
    return box->deterministic ? box->insn_count : host_clock_thread();
}

uint64_t box_realtime(const struct box *box)
{
    return box_monotonic(box) + box->boot_realtime_ns;
}

static uint64_t running_ns(const struct task *t)
{
    return t->box->current == t ? box_cpu_clock(t->box) - t->box->slice_ns : 0;
}

static uint64_t task_cpu_ns(const struct task *t)
{
    return t->utime_ns + t->stime_ns + running_ns(t);
}

static uint64_t process_cpu_ns(const struct process *p)
{
    const struct task *now = p->box->current;
    return p->utime_ns + p->stime_ns + (now && now->proc == p ? running_ns(now) : 0);
}

// CPU clocks of others: clockid_t is ~pid << 3 | kind, bit 2 set for a thread's (include/linux/posix-timers_types.h).
static int cpu_clock(struct task *t, int clock, uint64_t *ns)
{
    int pid = ~(clock >> 3);
    if ((clock & 3) == 3) return -LX_EINVAL;
    if (clock & 4) {
        struct task *u = pid ? task_find(t->box, pid) : t;
        if (!u || u->proc != t->proc) return -LX_EINVAL;
        *ns = task_cpu_ns(u);
    } else {
        struct process *p = pid ? process_find(t->box, pid) : t->proc;
        if (!p) return -LX_EINVAL;
        *ns = process_cpu_ns(p);
    }
    return 0;
}

int clock_read(struct task *t, int clock, uint64_t *ns)
{
    switch (clock) {
    case LX_CLOCK_REALTIME:
    case LX_CLOCK_REALTIME_COARSE:
    case LX_CLOCK_REALTIME_ALARM:
    case LX_CLOCK_TAI:
        *ns = vdso_at_least(t->box, box_monotonic(t->box)) + t->box->boot_realtime_ns;
        return 0;
    case LX_CLOCK_MONOTONIC:
    case LX_CLOCK_MONOTONIC_RAW:
    case LX_CLOCK_MONOTONIC_COARSE:
    case LX_CLOCK_BOOTTIME:
    case LX_CLOCK_BOOTTIME_ALARM:
        *ns = vdso_at_least(t->box, box_monotonic(t->box));
        return 0;
    case LX_CLOCK_PROCESS_CPUTIME_ID:
        *ns = process_cpu_ns(t->proc);
        return 0;
    case LX_CLOCK_THREAD_CPUTIME_ID:
        *ns = task_cpu_ns(t);
        return 0;
    default:
        return clock < 0 ? cpu_clock(t, clock, ns) : -LX_EINVAL;
    }
}

static bool is_realtime(int clock)
{
    return clock == LX_CLOCK_REALTIME || clock == LX_CLOCK_REALTIME_ALARM || clock == LX_CLOCK_TAI;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

uint64_t clock_deadline(struct box *box, int clock, bool absolute, uint64_t ns)
{
    if (!absolute) return add_saturating(box_monotonic(box), ns);
    if (!is_realtime(clock)) return ns;
    return ns > box->boot_realtime_ns ? ns - box->boot_realtime_ns : 0;
}

// ---------------------------------------------------------------- conversion

int timespec_ns(const struct lx_timespec *ts, uint64_t *ns)
{
    if (ts->tv_sec < 0 || (uint64_t)ts->tv_nsec >= SECOND) return -LX_EINVAL;
    uint64_t max = (UINT64_MAX >> 1) / SECOND; // KTIME_MAX: later is never
    *ns = (uint64_t)ts->tv_sec >= max ? UINT64_MAX >> 1 : (uint64_t)ts->tv_sec * SECOND + (uint64_t)ts->tv_nsec;
    return 0;
}

int timespec_get(struct task *t, gaddr at, uint64_t *ns)
{
    struct lx_timespec ts;
    int err = copy_from_user(t, &ts, at, sizeof ts);
    return err ? err : timespec_ns(&ts, ns);
}

struct lx_timespec timespec_of(uint64_t ns)
{
    return (struct lx_timespec){(int64_t)(ns / SECOND), (int64_t)(ns % SECOND)};
}
struct lx_timeval timeval_of(uint64_t ns)
{
    return (struct lx_timeval){(int64_t)(ns / SECOND), (int64_t)(ns % SECOND / 1000)};
}

static int put_timespec(struct task *t, gaddr at, uint64_t ns)
{
    struct lx_timespec ts = timespec_of(ns);
    return copy_to_user(t, at, &ts, sizeof ts);
}

// ---------------------------------------------------------------- reading

int64_t sys_clock_gettime(struct task *t, const uint64_t a[6])
{
    uint64_t ns;
    int err = clock_read(t, (int)a[0], &ns);
    return err ? err : put_timespec(t, a[1], ns);
}

int64_t sys_clock_getres(struct task *t, const uint64_t a[6])
{
    uint64_t ns;
    int clock = (int)a[0], err = clock_read(t, clock, &ns);
    if (err || !a[1]) return err;
    return put_timespec(t, a[1], clock == LX_CLOCK_REALTIME_COARSE || clock == LX_CLOCK_MONOTONIC_COARSE ? 4000000 : 1);
}

int64_t sys_gettimeofday(struct task *t, const uint64_t a[6])
{
    struct lx_timeval tv = timeval_of(box_realtime(t->box));
    int err = a[0] ? copy_to_user(t, a[0], &tv, sizeof tv) : 0;
    return err || !a[1] ? err : clear_user(t, a[1], 8); // struct timezone: UTC
}

int64_t sys_time(struct task *t, const uint64_t a[6])
{
    int64_t now = (int64_t)(box_realtime(t->box) / SECOND);
    int err = a[0] ? copy_to_user(t, a[0], &now, sizeof now) : 0;
    return err ? err : now;
}

static int64_t ticks(uint64_t ns)
{
    return (int64_t)(ns / (SECOND / LX_CLK_TCK));
}

int64_t sys_times(struct task *t, const uint64_t a[6])
{
    struct process *p = t->proc;
    struct lx_tms tms = {ticks(process_cpu_ns(p) - p->stime_ns), ticks(p->stime_ns), ticks(p->cutime_ns),
                         ticks(p->cstime_ns)};
    int err = a[0] ? copy_to_user(t, a[0], &tms, sizeof tms) : 0;
    return err ? err : ticks(box_monotonic(t->box));
}

// The box's clock is its own to set: CLOCK_REALTIME moves, the host's does not.
static int64_t set_realtime(struct task *t, uint64_t ns)
{
    if (!cred_has_cap(&t->proc->cred, LX_CAP_SYS_TIME)) return -LX_EPERM;
    uint64_t now = box_monotonic(t->box);
    if (ns < now) return -LX_EINVAL;
    t->box->boot_realtime_ns = ns - now;
    vdso_write(t->box);
    waitq_wake(&t->box->clock_set);
    return 0;
}

int64_t sys_clock_settime(struct task *t, const uint64_t a[6])
{
    uint64_t ns;
    if ((int)a[0] != LX_CLOCK_REALTIME) return -LX_EINVAL;
    int err = timespec_get(t, a[1], &ns);
    return err ? err : set_realtime(t, ns);
}

int64_t sys_settimeofday(struct task *t, const uint64_t a[6])
{
    struct lx_timeval tv;
    if (!a[0]) return cred_has_cap(&t->proc->cred, LX_CAP_SYS_TIME) ? 0 : -LX_EPERM;
    int err = copy_from_user(t, &tv, a[0], sizeof tv);
    if (err) return err;
    struct lx_timespec ts = {tv.tv_sec, tv.tv_usec >= 0 && tv.tv_usec < 1000000 ? tv.tv_usec * 1000 : -1};
    uint64_t ns;
    err = timespec_ns(&ts, &ns);
    return err ? err : set_realtime(t, ns);
}

// Reads only: nothing disciplines this clock.
static int64_t read_timex(struct task *t, gaddr at)
{
    struct lx_timex x;
    int err = copy_from_user(t, &x, at, sizeof x);
    if (err) return err;
    if (x.modes) return cred_has_cap(&t->proc->cred, LX_CAP_SYS_TIME) ? -LX_EINVAL : -LX_EPERM;
    x = (struct lx_timex){.status = 0x40,
                          .tick = 10000,
                          .precision = 1,
                          .tolerance = 32768000,
                          .maxerror = 16000000,
                          .esterror = 16000000,
                          .constant = 2,
                          .time = timeval_of(box_realtime(t->box))};
    err = copy_to_user(t, at, &x, sizeof x);
    return err ? err : 5; // TIME_ERROR: not synchronized
}

int64_t sys_adjtimex(struct task *t, const uint64_t a[6])
{
    return read_timex(t, a[0]);
}

int64_t sys_clock_adjtime(struct task *t, const uint64_t a[6])
{
    return (int)a[0] == LX_CLOCK_REALTIME ? read_timex(t, a[1]) : -LX_EOPNOTSUPP;
}

// ---------------------------------------------------------------- sleeping

// Until the deadline of the call. rem: where the time left goes when a signal ends a relative sleep, 0 none.
static int64_t sleep_until_deadline(struct task *t, gaddr rem, bool absolute)
{
    int64_t r = task_sleep(t);
    if (r == -LX_ETIMEDOUT) return 0;
    if (r != -LX_ERESTARTSYS) return r;
    if (absolute) return -LX_ERESTARTNOHAND;
    uint64_t now = box_monotonic(t->box), left = t->sys.deadline > now ? t->sys.deadline - now : 0;
    int err = rem ? put_timespec(t, rem, left) : 0;
    return err ? err : -LX_ERESTART_RESTARTBLOCK;
}

int64_t sys_nanosleep(struct task *t, const uint64_t a[6])
{
    uint64_t ns;
    if (!t->sys.has_deadline) {
        int err = timespec_get(t, a[0], &ns);
        if (err) return err;
        task_deadline(t, clock_deadline(t->box, LX_CLOCK_MONOTONIC, false, ns));
    }
    return sleep_until_deadline(t, a[1], false);
}

// A sleep on a CPU clock: time passes for it while others of the process run. Looked at again when as much real time
// has passed as is missing.
static int64_t sleep_on_cpu_clock(struct task *t, int clock, uint64_t until)
{
    uint64_t now;
    int err = clock_read(t, clock, &now);
    if (err || now >= until) return err;
    t->sys.has_deadline = false;
    task_deadline(t, box_monotonic(t->box) + (until - now));
    int64_t r = task_sleep(t);
    return r == -LX_ERESTARTSYS ? -LX_EINTR : r;
}

int64_t sys_clock_nanosleep(struct task *t, const uint64_t a[6])
{
    int clock = (int)a[0];
    bool absolute = a[1] & LX_TIMER_ABSTIME;
    uint64_t ns, now;
    int err = clock_read(t, clock, &now);
    if (err || clock == LX_CLOCK_THREAD_CPUTIME_ID) return -LX_EINVAL;
    if (clock == LX_CLOCK_MONOTONIC_COARSE || clock == LX_CLOCK_REALTIME_COARSE || clock == LX_CLOCK_MONOTONIC_RAW)
        return -LX_EOPNOTSUPP;
    bool cpu = clock < 0 || clock == LX_CLOCK_PROCESS_CPUTIME_ID;
    if (!t->sys.has_deadline || cpu) {
        if ((err = timespec_get(t, a[2], &ns))) return err;
        if (cpu && !t->sys.word[0]) t->sys.word[0] = absolute ? ns : add_saturating(now, ns);
        if (cpu) return sleep_on_cpu_clock(t, clock, t->sys.word[0]);
        task_deadline(t, clock_deadline(t->box, clock, absolute, ns));
    }
    return sleep_until_deadline(t, absolute ? 0 : a[3], absolute);
}

// ---------------------------------------------------------------- usage

static void fill_rusage(struct lx_rusage *r, uint64_t utime, uint64_t stime)
{
    *r = (struct lx_rusage){.ru_utime = timeval_of(utime), .ru_stime = timeval_of(stime)};
}

void process_rusage(struct process *p, struct lx_rusage *r)
{ // with its reaped children, as wait4 reports it
    fill_rusage(r, p->utime_ns + p->cutime_ns, p->stime_ns + p->cstime_ns);
    r->ru_minflt = (int64_t)p->min_faults;
    r->ru_majflt = (int64_t)p->maj_faults;
    r->ru_maxrss = (int64_t)p->maxrss_kb;
}

int64_t sys_getrusage(struct task *t, const uint64_t a[6])
{
    struct process *p = t->proc;
    struct lx_rusage r;
    switch ((int)a[0]) {
    case LX_RUSAGE_SELF:
        fill_rusage(&r, process_cpu_ns(p) - p->stime_ns, p->stime_ns);
        r.ru_minflt = (int64_t)p->min_faults;
        r.ru_maxrss = (int64_t)process_maxrss_kb(p);
        break;
    case LX_RUSAGE_THREAD:
        fill_rusage(&r, task_cpu_ns(t) - t->stime_ns, t->stime_ns);
        r.ru_maxrss = (int64_t)process_maxrss_kb(p);
        break;
    case LX_RUSAGE_CHILDREN:
        fill_rusage(&r, p->cutime_ns, p->cstime_ns);
        r.ru_maxrss = (int64_t)p->cmaxrss_kb;
        break;
    default:
        return -LX_EINVAL;
    }
    return copy_to_user(t, a[1], &r, sizeof r);
}
