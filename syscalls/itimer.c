// Interval timers: setitimer, getitimer, alarm. The real one is a ktimer; those of CPU time are charged by the
// scheduler after each slice.
#include "syscalls/kernel.h"

struct setting {
    uint64_t value, interval;
}; // ns, value 0: off

void itimer_alarm_fired(struct box *box, struct ktimer *k)
{
    struct process *p = (struct process *)((char *)k - offsetof(struct process, alarm));
    signal_simple(p, LX_SIGALRM);
    if (p->alarm_interval) ktimer_arm(box, k, k->deadline + p->alarm_interval);
}

static void charge(struct process *p, unsigned which, int sig, uint64_t spent)
{
    uint64_t *left = &p->cpu_timer[which].left;
    if (!*left) return;
    if (*left > spent) {
        *left -= spent;
        return;
    }
    *left = p->cpu_timer[which].interval;
    signal_simple(p, sig);
}

static void check_cpu_limit(struct process *p)
{
    const struct lx_rlimit64 *r = &p->rlimit[LX_RLIMIT_CPU];
    uint64_t used = (p->utime_ns + p->stime_ns) / 1000000000;
    if (r->rlim_max != LX_RLIM_INFINITY && used >= r->rlim_max)
        signal_simple(p, LX_SIGKILL);
    else if (r->rlim_cur != LX_RLIM_INFINITY && used >= r->rlim_cur &&
             used > p->cpu_warned) { // again each further second
        p->cpu_warned = used;
        signal_simple(p, LX_SIGXCPU);
    }
}

void itimer_account(struct process *p, uint64_t cpu_ns)
{
    charge(p, 0, LX_SIGVTALRM, cpu_ns);
    charge(p, 1, LX_SIGPROF, cpu_ns);
    check_cpu_limit(p);
}

// ---------------------------------------------------------------- one timer's setting

static struct setting real_setting(const struct process *p)
{
    uint64_t now = box_monotonic(p->box);
    if (!p->alarm.prev) return (struct setting){0, p->alarm_interval};
    return (struct setting){p->alarm.deadline > now ? p->alarm.deadline - now : 1000, p->alarm_interval};
}

static void set_real(struct process *p, const struct setting *s)
{
    p->alarm_interval = s->interval;
    if (s->value)
        ktimer_arm(p->box, &p->alarm, box_monotonic(p->box) + s->value);
    else
        ktimer_cancel(&p->alarm);
}

static struct setting get_setting(const struct process *p, int which)
{
    if (which == LX_ITIMER_REAL) return real_setting(p);
    return (struct setting){p->cpu_timer[which - 1].left, p->cpu_timer[which - 1].interval};
}

static void set_setting(struct process *p, int which, const struct setting *s)
{
    if (which == LX_ITIMER_REAL) {
        set_real(p, s);
    } else {
        p->cpu_timer[which - 1].left = s->value;
        p->cpu_timer[which - 1].interval = s->interval;
    }
}

// ---------------------------------------------------------------- system calls

static int to_ns(const struct lx_timeval *tv, uint64_t *ns)
{
    if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000) return -LX_EINVAL;
    uint64_t sec = (uint64_t)tv->tv_sec < 4000000000u ? (uint64_t)tv->tv_sec : 4000000000u; // a century: never
    *ns = sec * 1000000000 + (uint64_t)tv->tv_usec * 1000;
    return 0;
}

static int put(struct task *t, gaddr at, const struct setting *s)
{
    struct lx_itimerval v = {timeval_of(s->interval), timeval_of(s->value)};
    return copy_to_user(t, at, &v, sizeof v);
}

int64_t sys_getitimer(struct task *t, const uint64_t a[6])
{
    if (a[0] > LX_ITIMER_PROF) return -LX_EINVAL;
    struct setting s = get_setting(t->proc, (int)a[0]);
    return put(t, a[1], &s);
}

int64_t sys_setitimer(struct task *t, const uint64_t a[6])
{
    struct lx_itimerval v = {0};
    struct setting new, old;
    int err = a[1] ? copy_from_user(t, &v, a[1], sizeof v) : 0;
    if (err) return err;
    if (a[0] > LX_ITIMER_PROF || to_ns(&v.it_value, &new.value) || to_ns(&v.it_interval, &new.interval))
        return -LX_EINVAL;
    old = get_setting(t->proc, (int)a[0]);
    if (a[2] && (err = put(t, a[2], &old))) return err;
    set_setting(t->proc, (int)a[0], &new);
    return 0;
}

int64_t sys_alarm(struct task *t, const uint64_t a[6])
{
    struct setting old = real_setting(t->proc), new = {(uint64_t)(uint32_t)a[0] * 1000000000, 0};
    set_real(t->proc, &new);
    uint64_t left = old.value ? (old.value + 500000000) / 1000000000
                              : 0; // to the nearest second, but never 0 (kernel/time/itimer.c)
    return old.value && !left ? 1 : (int64_t)left;
}
