// timer_create and relatives: per-process timers that signal. Those on CPU clocks are not there (ENOTSUP).
//
// A timer belongs to its process and goes with it, or at execve. Expirations that pass while its signal is still
// pending are the overrun.
#include "syscalls/fs.h"
#include <stdlib.h>

enum { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4, MAX_TIMERS = 1024 };

struct posix_timer {
    struct ktimer k;
    struct posix_timer *next; // proc->timers
    struct process *proc;
    int id, clock;
    struct lx_sigevent event;
    uint64_t interval;
    int overrun;
};

static struct posix_timer *find(struct process *p, uint64_t id)
{
    for (struct posix_timer *pt = p->timers; pt; pt = pt->next)
        if (pt->id == (int)id) return pt;
    return NULL;
}

static void send(struct posix_timer *pt)
{
    struct lx_siginfo info = {.si_signo = pt->event.sigev_signo,
                              .si_code = LX_SI_TIMER,
                              .si_tid = pt->id,
                              .si_overrun = pt->overrun,
                              .timer_value = pt->event.sigev_value};
    if (pt->event.sigev_notify == SIGEV_NONE) return;
    struct task *t = pt->event.sigev_notify == SIGEV_THREAD_ID ? task_find(pt->proc->box, pt->event.sigev_tid) : NULL;
    if (t && t->proc == pt->proc)
        signal_send_task(t, &info);
    else if (pt->event.sigev_notify != SIGEV_THREAD_ID)
        signal_send(pt->proc, &info);
}

static void fired(struct box *box, struct ktimer *k)
{
    struct posix_timer *pt = (struct posix_timer *)k;
    uint64_t now = box_monotonic(box);
    pt->overrun = 0;
    if (pt->interval) {
        uint64_t missed = now > k->deadline ? (now - k->deadline) / pt->interval : 0;
        pt->overrun = missed > INT32_MAX ? INT32_MAX : (int)missed;
        ktimer_arm(box, k, k->deadline + (missed + 1) * pt->interval);
    }
    send(pt);
}

static void delete (struct posix_timer **at)
{
    struct posix_timer *pt = *at;
    *at = pt->next;
    ktimer_cancel(&pt->k);
    kmfree(pt->proc->box->vfs, pt, sizeof *pt);
}

void posix_timers_free(struct process *p)
{
    while (p->timers) delete (&p->timers);
}

// ---------------------------------------------------------------- system calls

static int get_event(struct task *t, gaddr at, int id, struct lx_sigevent *e)
{
    *e = (struct lx_sigevent){.sigev_signo = LX_SIGALRM, .sigev_notify = SIGEV_SIGNAL, .sigev_value = (uint64_t)id};
    int err = at ? copy_from_user(t, e, at, sizeof *e) : 0;
    if (err) return err;
    int how = e->sigev_notify;
    if (how != SIGEV_SIGNAL && how != SIGEV_NONE && how != SIGEV_THREAD && how != SIGEV_THREAD_ID) return -LX_EINVAL;
    if (how != SIGEV_NONE && (e->sigev_signo < 1 || e->sigev_signo > NSIG)) return -LX_EINVAL;
    if (how != SIGEV_THREAD_ID) return 0;
    struct task *u = task_find(t->box, e->sigev_tid);
    return u && u->proc == t->proc ? 0 : -LX_EINVAL;
}

static int new_id(struct process *p)
{
    int id = 0;
    while (id < MAX_TIMERS && find(p, (uint64_t)id)) id++;
    return id;
}

int64_t sys_timer_create(struct task *t, const uint64_t a[6])
{
    int clock = (int)a[0], id = new_id(t->proc);
    if (clock < 0 || clock == LX_CLOCK_PROCESS_CPUTIME_ID || clock == LX_CLOCK_THREAD_CPUTIME_ID) return -LX_EOPNOTSUPP;
    if (clock != LX_CLOCK_REALTIME && clock != LX_CLOCK_MONOTONIC && clock != LX_CLOCK_BOOTTIME &&
        clock != LX_CLOCK_TAI)
        return -LX_EINVAL;
    if (id == MAX_TIMERS) return -LX_EAGAIN;
    struct lx_sigevent event;
    int32_t out = id;
    int err = get_event(t, a[1], id, &event);
    if (!err) err = copy_to_user(t, a[2], &out, sizeof out);
    struct posix_timer *pt = err ? NULL : kmalloc(t->box->vfs, sizeof *pt);
    if (!pt) return err ? err : -LX_EAGAIN;
    *pt = (struct posix_timer){
        .k = {.fire = fired}, .next = t->proc->timers, .proc = t->proc, .id = id, .clock = clock, .event = event};
    t->proc->timers = pt;
    return 0;
}

static int put_setting(struct task *t, gaddr at, const struct posix_timer *pt)
{
    uint64_t now = box_monotonic(t->box), left = !pt->k.prev ? 0 : pt->k.deadline > now ? pt->k.deadline - now : 1;
    struct lx_itimerspec s = {timespec_of(pt->interval), timespec_of(left)};
    return copy_to_user(t, at, &s, sizeof s);
}

int64_t sys_timer_settime(struct task *t, const uint64_t a[6])
{
    struct posix_timer *pt = find(t->proc, a[0]);
    struct lx_itimerspec s;
    uint64_t value, interval;
    int err = copy_from_user(t, &s, a[2], sizeof s);
    if (!err) err = timespec_ns(&s.it_value, &value);
    if (!err) err = timespec_ns(&s.it_interval, &interval);
    if (err) return err;
    if (!pt) return -LX_EINVAL;
    if (a[3] && (err = put_setting(t, a[3], pt))) return err;
    pt->interval = interval;
    if (value)
        ktimer_arm(t->box, &pt->k, clock_deadline(t->box, pt->clock, a[1] & LX_TIMER_ABSTIME, value));
    else
        ktimer_cancel(&pt->k);
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
    for (struct posix_timer **at = &t->proc->timers; *at; at = &(*at)->next) {
        if ((*at)->id != (int)a[0]) continue;
        delete (at);
        return 0;
    }
    return -LX_EINVAL;
}
