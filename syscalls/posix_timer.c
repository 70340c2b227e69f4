// timer_create and relatives: per-process timers that signal.
//
// A timer belongs to its process and goes with it, or at execve. Expirations that pass while its signal is still
// pending are the overrun. A timer on a CPU clock is not armed in the kernel's list but in box->cpu_timers, which the
// scheduler has looked at after each slice: it is late by a slice at most. Its clock is kept as the id that names the
// process or thread, so that one that has ended is simply not found.
#include "syscalls/fs.h"
#include "syscalls/signal.h"
#include <string.h>

enum { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4 };
enum { CPUCLOCK_SCHED = 2, CPUCLOCK_PERTHREAD = 4, CPUCLOCK_BITS = 7 };

struct posix_timer {
    struct ktimer k;
    struct posix_timer *cpu_next, **cpu_prev; // box->cpu_timers; cpu_prev NULL: not there
    struct process *proc;
    int id, clock; // clock < 0: a CPU clock
    struct lx_sigevent event;
    uint64_t interval;
    int overrun; // of the signal last delivered
    bool queued; // its signal may be waiting; false: it is not
};

struct posix_timers {           // a process's, by id; grows by doubling
    unsigned size, count, next; // next: where to look for a free id, so that one is not given out again at once
    struct posix_timer *at[];
};

// ---------------------------------------------------------------- arming

static bool armed(const struct posix_timer *pt)
{
    return pt->k.prev || pt->cpu_prev;
}

static void disarm(struct posix_timer *pt)
{
    ktimer_cancel(&pt->k);
    if (!pt->cpu_prev) return;
    *pt->cpu_prev = pt->cpu_next;
    if (pt->cpu_next) pt->cpu_next->cpu_prev = pt->cpu_prev;
    pt->cpu_prev = NULL;
}

static void arm(struct posix_timer *pt, uint64_t deadline)
{
    struct box *box = pt->proc->box;
    disarm(pt);
    if (pt->clock >= 0) {
        ktimer_arm(box, &pt->k, deadline);
        return;
    }
    pt->k.deadline = deadline;
    pt->cpu_next = box->cpu_timers;
    pt->cpu_prev = &box->cpu_timers;
    if (pt->cpu_next) pt->cpu_next->cpu_prev = &pt->cpu_next;
    box->cpu_timers = pt;
}

// As `deadline` counts. -LX_EINVAL: the clock's process or thread has ended.
static int now_of(const struct posix_timer *pt, uint64_t *ns)
{
    *ns = box_monotonic(pt->proc->box);
    if (pt->clock >= 0) return 0;
    return pt->proc->tasks ? clock_read(pt->proc->tasks, pt->clock, ns) : -LX_EINVAL;
}

// ---------------------------------------------------------------- expiring

static struct posix_timer *find(const struct process *p, uint64_t id)
{
    uint32_t i = (uint32_t)id;
    return p->timers && i < p->timers->size ? p->timers->at[i] : NULL;
}

static void send(struct posix_timer *pt, uint64_t missed)
{
    struct lx_siginfo info = {.si_signo = pt->event.sigev_signo,
                              .si_code = LX_SI_TIMER,
                              .si_tid = pt->id,
                              .si_overrun = missed > INT32_MAX ? INT32_MAX : (int32_t)missed,
                              .timer_value = pt->event.sigev_value};
    if (pt->event.sigev_notify == SIGEV_NONE) return;
    bool to_thread = pt->event.sigev_notify == SIGEV_THREAD_ID;
    struct task *t = to_thread ? task_find(pt->proc->box, pt->event.sigev_tid) : NULL;
    if (!to_thread || (t && t->proc == pt->proc))
        pt->queued = signal_send_timer(pt->proc, t, &info, missed, pt->queued);
}

static void expire(struct posix_timer *pt, uint64_t now)
{
    uint64_t at = pt->k.deadline, missed = pt->interval && now > at ? (now - at) / pt->interval : 0;
    if (pt->interval)
        arm(pt, at + (missed + 1) * pt->interval);
    else
        disarm(pt);
    send(pt, missed);
}

static void fired(struct box *box, struct ktimer *k)
{
    expire((struct posix_timer *)k, box_monotonic(box));
}

void posix_timers_of_cpu(struct box *box)
{
    for (struct posix_timer *pt = box->cpu_timers, *next; pt; pt = next) {
        uint64_t now;
        next = pt->cpu_next;
        if (now_of(pt, &now) == 0 && now >= pt->k.deadline) expire(pt, now);
    }
}

void posix_timer_delivered(struct process *p, const struct lx_siginfo *info)
{
    struct posix_timer *pt = find(p, (uint64_t)info->si_tid);
    if (!pt) return;
    pt->overrun = info->si_overrun;
    pt->queued = false;
}

static void delete (struct posix_timer *pt)
{
    struct posix_timers *all = pt->proc->timers;
    disarm(pt);
    all->at[pt->id] = NULL;
    all->count--;
    kmfree(pt->proc->box->vfs, pt, sizeof *pt);
}

static size_t table_bytes(unsigned size)
{
    return sizeof(struct posix_timers) + size * sizeof(struct posix_timer *);
}

void posix_timers_free(struct process *p)
{
    struct posix_timers *all = p->timers;
    if (!all) return;
    for (unsigned i = 0; i < all->size; i++)
        if (all->at[i]) delete (all->at[i]);
    kmfree(p->box->vfs, all, table_bytes(all->size));
    p->timers = NULL;
}

// A free id, with room for it in the table; -LX_EAGAIN: as many as signals may wait (RLIMIT_SIGPENDING), since
// each timer has one set aside.
static int new_id(struct process *p)
{
    enum { FIRST_SIZE = 16 };
    struct posix_timers *all = p->timers;
    if (all && all->count >= p->rlimit[LX_RLIMIT_SIGPENDING].rlim_cur) return -LX_EAGAIN;
    if (!all || all->count == all->size) {
        unsigned size = all ? all->size * 2 : FIRST_SIZE;
        struct posix_timers *more = size <= INT32_MAX / 2 ? kmalloc(p->box->vfs, table_bytes(size)) : NULL;
        if (!more) return -LX_EAGAIN;
        if (all) memcpy(more, all, table_bytes(all->size));
        if (all) kmfree(p->box->vfs, all, table_bytes(all->size));
        more->size = size;
        p->timers = all = more;
    }
    while (all->at[all->next]) all->next = (all->next + 1) % all->size; // there is one
    return (int)all->next;
}

// ---------------------------------------------------------------- system calls

static int check_event(struct task *t, const struct lx_sigevent *e)
{
    int how = e->sigev_notify;
    if (how != SIGEV_SIGNAL && how != SIGEV_NONE && how != SIGEV_THREAD && how != SIGEV_THREAD_ID) return -LX_EINVAL;
    if (how != SIGEV_NONE && (e->sigev_signo < 1 || e->sigev_signo > NSIG)) return -LX_EINVAL;
    if (how != SIGEV_THREAD_ID) return 0;
    struct task *u = task_find(t->box, e->sigev_tid);
    return u && u->proc == t->proc ? 0 : -LX_EINVAL;
}

// Which clocks there are, and which of them timers can be on (kernel/time/posix-timers.c). Alarm clocks need a
// real-time clock device, which a box has not.
static int check_clock(int clock)
{
    if (clock < 0) return 0; // judged by cpu_clock
    if (clock == 10 || clock > LX_CLOCK_TAI) return -LX_EINVAL;
    bool raw =
        clock == LX_CLOCK_MONOTONIC_RAW || clock == LX_CLOCK_REALTIME_COARSE || clock == LX_CLOCK_MONOTONIC_COARSE;
    bool alarm = clock == LX_CLOCK_REALTIME_ALARM || clock == LX_CLOCK_BOOTTIME_ALARM;
    return raw || alarm ? -LX_EOPNOTSUPP : 0;
}

// A CPU clock's id with the process or thread written out. -LX_EINVAL: there is none, or not one of ours.
static int cpu_clock(struct task *t, int *clock)
{
    uint64_t ns;
    if (*clock == LX_CLOCK_PROCESS_CPUTIME_ID) *clock = (int)(~0u << 3 | CPUCLOCK_SCHED);
    if (*clock == LX_CLOCK_THREAD_CPUTIME_ID) *clock = (int)(~0u << 3 | CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD);
    if (*clock >= 0) return 0;
    if (clock_read(t, *clock, &ns)) return -LX_EINVAL;
    uint32_t kind = (uint32_t)*clock & CPUCLOCK_BITS,
             self = (uint32_t)(kind & CPUCLOCK_PERTHREAD ? t->tid : t->proc->pid);
    if (~(*clock >> 3) == 0) *clock = (int)(~self << 3 | kind);
    return 0;
}

int64_t sys_timer_create(struct task *t, const uint64_t a[6])
{
    int32_t clock = (int32_t)a[0], id = new_id(t->proc);
    struct lx_sigevent event = {
        .sigev_signo = LX_SIGALRM, .sigev_notify = SIGEV_SIGNAL, .sigev_value = (uint64_t)id}; // without one
    int err = a[1] ? copy_from_user(t, &event, a[1], sizeof event) : 0;
    if (!err) err = check_clock(clock);
    if (!err && id < 0) err = id;
    if (!err) err = check_event(t, &event);
    if (!err) err = copy_to_user(t, a[2], &id, sizeof id);
    if (!err) err = cpu_clock(t, &clock);
    if (err) return err;
    struct posix_timer *pt = kmalloc(t->box->vfs, sizeof *pt);
    if (!pt) return -LX_EAGAIN;
    *pt = (struct posix_timer){.k = {.fire = fired}, .proc = t->proc, .id = id, .clock = clock, .event = event};
    t->proc->timers->at[id] = pt;
    t->proc->timers->count++;
    t->proc->timers->next = ((unsigned)id + 1) % t->proc->timers->size;
    return 0;
}

static int put_setting(struct task *t, gaddr at, const struct posix_timer *pt)
{
    uint64_t now, left = 0;
    if (armed(pt) && now_of(pt, &now) == 0) left = pt->k.deadline > now ? pt->k.deadline - now : 1;
    struct lx_itimerspec s = {timespec_of(pt->interval), timespec_of(left)};
    return copy_to_user(t, at, &s, sizeof s);
}

static void set(struct posix_timer *pt, bool absolute, uint64_t value, uint64_t now)
{
    if (!value) {
        disarm(pt);
    } else if (pt->clock >= 0) {
        arm(pt, clock_deadline(pt->proc->box, pt->clock, absolute, value));
    } else {
        arm(pt, absolute ? value : now + value < now ? UINT64_MAX : now + value);
        if (pt->k.deadline <= now) expire(pt, now);
    }
}

int64_t sys_timer_settime(struct task *t, const uint64_t a[6])
{
    struct posix_timer *pt = find(t->proc, a[0]);
    struct lx_itimerspec s;
    uint64_t value, interval, now;
    if (!a[2]) return -LX_EINVAL;
    int err = copy_from_user(t, &s, a[2], sizeof s);
    if (!err) err = timespec_ns(&s.it_value, &value);
    if (!err) err = timespec_ns(&s.it_interval, &interval);
    if (err) return err;
    if (!pt) return -LX_EINVAL;
    if (now_of(pt, &now)) return -LX_ESRCH;
    if (a[3] && (err = put_setting(t, a[3], pt))) return err;
    pt->interval = interval;
    pt->overrun = 0;
    set(pt, a[1] & LX_TIMER_ABSTIME, value, now);
    return 0;
}

int64_t sys_timer_gettime(struct task *t, const uint64_t a[6])
{
    struct posix_timer *pt = find(t->proc, a[0]);
    return pt ? put_setting(t, a[1], pt) : -LX_EINVAL;
}

int64_t sys_timer_getoverrun(struct task *t, const uint64_t a[6])
{
    struct posix_timer *pt = find(t->proc, a[0]);
    return pt ? pt->overrun : -LX_EINVAL;
}

int64_t sys_timer_delete(struct task *t, const uint64_t a[6])
{
    struct posix_timer *pt = find(t->proc, a[0]);
    if (!pt) return -LX_EINVAL;
    delete (pt);
    return 0;
}
