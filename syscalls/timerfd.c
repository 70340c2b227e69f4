// timerfd: a timer that is read (fs/timerfd.c). It fires once into the kernel; what has come due since is counted when
// it is looked at, so a short interval costs nothing until somebody reads.
#include "syscalls/fs.h"

enum { TFD_ABSTIME = 1, TFD_CANCEL_ON_SET = 2, CAP_WAKE_ALARM = 35 };

struct timerfd {
    struct ktimer timer;
    struct waiter clock_set; // on box->clock_set while armed for a time of CLOCK_REALTIME
    struct box *box;
    int clock;
    bool cancel, cancelled;      // TFD_TIMER_CANCEL_ON_SET; the clock was set
    uint64_t realtime_offset;    // box->boot_realtime_ns that `deadline` was computed with
    uint64_t interval, deadline; // ns; deadline as box_monotonic counts, of the next expiration
    uint64_t count;              // expirations not yet read
    struct waitq wait;
};

static void timerfd_release(struct file *f)
{
    struct timerfd *d = f->private;
    ktimer_cancel(&d->timer);
    waitq_remove(&d->clock_set);
    waitq_dismiss(&d->wait);
    kmfree(d->box->vfs, d, sizeof *d);
}

static void fire(struct box *box, struct ktimer *k)
{
    struct timerfd *d = (struct timerfd *)k;
    (void)box;
    d->count++;
    waitq_wake(&d->wait);
}

// CLOCK_REALTIME was set: a time of it comes sooner or later than it would have.
static void clock_was_set(struct waiter *w)
{
    struct timerfd *d = (struct timerfd *)((char *)w - offsetof(struct timerfd, clock_set));
    uint64_t at = d->deadline + d->realtime_offset, now = d->box->boot_realtime_ns;
    d->deadline = at > now ? at - now : 0;
    d->realtime_offset = now;
    if (d->timer.prev) ktimer_arm(d->box, &d->timer, d->deadline);
    if (!d->cancel) return;
    d->cancelled = true;
    waitq_wake(&d->wait);
}

// A periodic timer that has fired: counts what came due meanwhile and arms it for the next.
static void catch_up(struct timerfd *d)
{
    if (!d->count || !d->interval || d->timer.prev) return;
    uint64_t now = box_monotonic(d->box), late = now > d->deadline ? (now - d->deadline) / d->interval : 0;
    d->count += late;
    d->deadline += (late + 1) * d->interval;
    ktimer_arm(d->box, &d->timer, d->deadline);
}

static int timerfd_read(struct file *f, struct iob *io, uint64_t *pos)
{
    struct timerfd *d = f->private;
    (void)pos;
    if (io->left < sizeof d->count) return -LX_EINVAL;
    if (d->cancelled) {
        d->cancelled = false;
        d->count = 0;
        return -LX_ECANCELED;
    }
    if (!d->count) return -LX_EAGAIN;
    catch_up(d);
    if (iob_put(io, &d->count, sizeof d->count) < sizeof d->count) {
        io->done = 0; // half a number was not given
        return -LX_EFAULT;
    }
    d->count = 0;
    return 0;
}

static unsigned timerfd_poll(struct file *f, struct waitq **queue)
{
    struct timerfd *d = f->private;
    *queue = &d->wait;
    return d->count || d->cancelled ? LX_POLLIN : 0;
}

static const struct file_ops timerfd_fops = {.release = timerfd_release, .read = timerfd_read, .poll = timerfd_poll};

static struct timerfd *timerfd_of(struct task *t, int fd, int *err)
{
    struct file *f = fd_io(t, fd);
    *err = !f ? -LX_EBADF : f->ops != &timerfd_fops ? -LX_EINVAL : 0;
    return *err ? NULL : f->private;
}

static bool is_alarm(int clock)
{
    return clock == LX_CLOCK_REALTIME_ALARM || clock == LX_CLOCK_BOOTTIME_ALARM;
}

static bool is_realtime(int clock)
{
    return clock == LX_CLOCK_REALTIME || clock == LX_CLOCK_REALTIME_ALARM;
}

static bool valid_clock(int clock)
{
    return is_realtime(clock) || is_alarm(clock) || clock == LX_CLOCK_MONOTONIC || clock == LX_CLOCK_BOOTTIME;
}

// A box never sleeps, so that an alarm clock is like the one it is named after.
static bool may_use(struct task *t, int clock)
{
    return !is_alarm(clock) || cred_has_cap(&t->proc->cred, CAP_WAKE_ALARM);
}

int64_t sys_timerfd_create(struct task *t, const uint64_t a[6])
{
    int clock = (int)a[0];
    uint32_t flags = (uint32_t)a[1];
    struct vfs *v = t->box->vfs;
    struct file *f;
    if (flags & ~(uint32_t)(LX_O_CLOEXEC | LX_O_NONBLOCK)) return -LX_EINVAL;
    if (!valid_clock(clock)) return -LX_EINVAL;
    if (!may_use(t, clock)) return -LX_EPERM;
    struct timerfd *d = kmalloc(v, sizeof *d);
    if (!d) return -LX_ENOMEM;
    d->timer.fire = fire;
    d->clock_set.wake = clock_was_set;
    d->box = t->box;
    d->clock = clock;
    int err = vfs_anon_file(v, "anon_inode:[timerfd]", 0600, &timerfd_fops, d, LX_O_RDWR | (flags & LX_O_NONBLOCK), &f);
    if (!err) return fd_install(t->proc, f, 0, flags & LX_O_CLOEXEC);
    kmfree(v, d, sizeof *d);
    return err;
}

// ---------------------------------------------------------------- setting and asking

static const uint64_t SECOND_NS = 1000000000;

static int to_ns(const struct lx_timespec *ts, uint64_t *ns)
{
    if (ts->tv_sec < 0 || (uint64_t)ts->tv_nsec >= SECOND_NS) return -LX_EINVAL;
    *ns = (uint64_t)ts->tv_sec > INT64_MAX / SECOND_NS - 1 ? INT64_MAX
                                                           : (uint64_t)ts->tv_sec * SECOND_NS + (uint64_t)ts->tv_nsec;
    return 0;
}

static struct lx_timespec from_ns(uint64_t ns)
{
    return (struct lx_timespec){(int64_t)(ns / SECOND_NS), (int64_t)(ns % SECOND_NS)};
}

static struct lx_itimerspec setting(struct timerfd *d)
{
    catch_up(d);
    uint64_t now = box_monotonic(d->box), rest = !d->timer.prev ? 0 : d->deadline > now ? d->deadline - now : 1;
    return (struct lx_itimerspec){.it_interval = from_ns(d->interval), .it_value = from_ns(rest)};
}

int64_t sys_timerfd_gettime(struct task *t, const uint64_t a[6])
{
    int err;
    struct timerfd *d = timerfd_of(t, (int)a[0], &err);
    if (!d) return err;
    struct lx_itimerspec now = setting(d);
    return copy_to_user(t, a[1], &now, sizeof now);
}

int64_t sys_timerfd_settime(struct task *t, const uint64_t a[6])
{
    struct lx_itimerspec new;
    uint64_t first, interval;
    uint32_t flags = (uint32_t)a[1];
    int err = copy_from_user(t, &new, a[2], sizeof new);
    if (err) return err;
    if (flags & ~(uint32_t)(TFD_ABSTIME | TFD_CANCEL_ON_SET) || to_ns(&new.it_value, &first) ||
        to_ns(&new.it_interval, &interval))
        return -LX_EINVAL;
    struct timerfd *d = timerfd_of(t, (int)a[0], &err);
    if (!d) return err;
    if (!may_use(t, d->clock)) return -LX_EPERM;
    struct lx_itimerspec old = setting(d);
    if (a[3] && (err = copy_to_user(t, a[3], &old, sizeof old))) return err;
    ktimer_cancel(&d->timer);
    waitq_remove(&d->clock_set);
    d->count = 0;
    d->cancelled = false;
    d->interval = interval;
    bool of_realtime = flags & TFD_ABSTIME && is_realtime(d->clock);
    d->cancel = of_realtime && flags & TFD_CANCEL_ON_SET;
    d->realtime_offset = d->box->boot_realtime_ns;
    if (of_realtime && (first || d->cancel)) waitq_add(&d->box->clock_set, &d->clock_set);
    if (!first) return 0;
    d->deadline = clock_deadline(d->box, d->clock, flags & TFD_ABSTIME, first);
    ktimer_arm(d->box, &d->timer, d->deadline);
    return 0;
}
